package policy

import (
	"context"
	"errors"
	"reflect"
	"slices"

	"github.com/rekey-dev/rekey/pkg/audit"
	"github.com/rekey-dev/rekey/pkg/authz"
	"github.com/rekey-dev/rekey/pkg/calendar"
	"github.com/rekey-dev/rekey/pkg/call"
	"github.com/rekey-dev/rekey/pkg/change"
	"github.com/rekey-dev/rekey/pkg/fault"
	"github.com/rekey-dev/rekey/pkg/id"
	"github.com/rekey-dev/rekey/pkg/permission"
	"github.com/rekey-dev/rekey/pkg/place"
	"github.com/rekey-dev/rekey/pkg/serviceaccount"
)

// Create makes the policy of a node, a company or an account that has none. Atomic: the policy, the task of bringing the keys
// below in line, the audit record and the idempotency record.
func (s *Service) Create(ctx context.Context, c call.Call, to Attachment, text Text) (Policy, error) {
	return change.Retry(func() (Policy, error) {
		at, on, err := s.attachment(ctx, c, to)
		if err != nil {
			return Policy{}, err
		}
		if err := c.Idempotency.Check(); err != nil {
			return Policy{}, err
		}
		if on != nil && on.Status != serviceaccount.Active {
			return Policy{}, fault.New(fault.Ended, "The service account is revoked; that is final.")
		}
		fields, err := s.read(ctx, text, at)
		if err != nil {
			return Policy{}, err
		}
		if err := mayDeliver(c, Fields{}, fields, at); err != nil {
			return Policy{}, err
		}
		now, op := s.Now(), id.New[id.Operation](s.Rand)
		p := Policy{ID: id.New[id.Policy](s.Rand), AttachedTo: to, Place: at, Fields: fields, CreatedBy: c.Caller.ID,
			CreatedByName: c.Caller.Name, CreatedAt: now, UpdatedAt: now, Version: 1, EventSeq: 1}
		e := s.event(c, op, now, audit.PolicyCreated, p)
		describe(e, Fields{}, p.Fields)
		record, err := c.Idempotency.Record(op, now, p, nil)
		if err != nil {
			return Policy{}, err
		}
		writes := append([]change.Write{Create{Policy: p}}, named(Fields{}, p.Fields)...)
		if on != nil {
			writes = append(writes, serviceaccount.Update{Old: *on}) // it is still as it was read
		}
		err = s.commit(ctx, c, change.Set{Operation: op, At: now, Idempotency: record, Events: []audit.Event{e}, Writes: writes})
		var lost *change.Lost
		if errors.As(err, &lost) {
			if _, ok := lost.Write.(Create); ok {
				return Policy{}, s.taken(ctx, c, to)
			}
		}
		return p, err
	})
}

// taken says why a policy could not be created: there is one, or what it is for has gone.
func (s *Service) taken(ctx context.Context, c call.Call, to Attachment) error {
	if _, _, err := s.attachment(ctx, c, to); err != nil {
		return err
	}
	there, err := s.Store.PoliciesOf(ctx, []string{to.ID})
	if err != nil {
		return err
	}
	if len(there) == 0 {
		return change.ErrLost // it was removed meanwhile
	}
	return &fault.Error{Kind: fault.Conflict, BlockedBy: []fault.Blocker{{Type: "policy", Count: 1, IDs: []string{string(there[0].ID)}}},
		Detail: "There is a policy attached to it already. Change that one."}
}

// attachment finds what a policy is to be attached to: its place and, if it is an account, the account. The caller has to be able
// to manage policies there.
func (s *Service) attachment(ctx context.Context, c call.Call, to Attachment) (place.Place, *serviceaccount.Account, error) {
	switch to.Kind {
	case Node:
		n, ok := id.Parse[id.Node](to.ID)
		if !ok {
			return place.Place{}, nil, fault.Missing("node")
		}
		found, err := s.Store.Node(ctx, n)
		if err != nil {
			return place.Place{}, nil, err
		}
		return found.Place, nil, c.Caller.Check(permission.PoliciesManage, authz.Object{Place: found.Place, What: "node"})
	case Company:
		co, ok := id.Parse[id.Company](to.ID)
		if !ok {
			return place.Place{}, nil, fault.Missing("company")
		}
		found, err := s.Store.Company(ctx, co)
		if err != nil {
			return place.Place{}, nil, err
		}
		return found.Place, nil, c.Caller.Check(permission.PoliciesManage, authz.Object{Place: found.Place, What: "company"})
	case ServiceAccount:
		a, ok := id.Parse[id.ServiceAccount](to.ID)
		if !ok {
			return place.Place{}, nil, fault.Missing("service account")
		}
		found, err := s.account(ctx, c, a, permission.PoliciesManage)
		return found.Place, &found, err
	}
	return place.Place{}, nil, fault.InvalidField("/attached_to/type", "must be one of node, company, service_account")
}

// read makes fields of a text and refuses what is wrong with it, at the place of its policy.
func (s *Service) read(ctx context.Context, text Text, at place.Place) (Fields, error) {
	fields, bad := text.Read()
	if len(bad) > 0 {
		return Fields{}, fault.InvalidFields(bad)
	}
	if fields.Schedule != nil {
		var problem *calendar.Problem
		if err := fields.Schedule.Check(s.Now()); errors.As(err, &problem) {
			bad = append(bad, fault.Field{Pointer: "/schedule/" + problem.Field, Detail: problem.Detail})
		} else if err != nil {
			return Fields{}, err
		}
	}
	if fields.Calendars != nil && len(*fields.Calendars) > 0 {
		there, err := s.Store.Calendars(ctx, *fields.Calendars)
		if err != nil {
			return Fields{}, err
		}
		for i, asked := range *fields.Calendars {
			if !slices.ContainsFunc(there, func(c calendar.Calendar) bool { return c.ID == asked && c.Place.Covers(at) }) {
				bad = append(bad, fault.Field{Pointer: entry("/calendar_ids", i), Detail: NoCalendar})
			}
		}
	}
	return fields, fault.InvalidFields(bad)
}

// mayDeliver says whether a caller may have new secrets put where a policy says: that is to rotate the keys below it, whose secrets
// whoever reads the target gets, with all their scopes.
func mayDeliver(c call.Call, old, now Fields, at place.Place) error {
	if now.DeliverTo == nil || now.DeliverTo.Type != SecretsManager || old.DeliverTo != nil && *old.DeliverTo == *now.DeliverTo {
		return nil
	}
	return c.Caller.Check(permission.ServiceAccountsRotate, authz.Object{Place: at, What: "rotation policy"})
}

// begin is the first part of every change of a policy: it is there, the caller may, the policy is as the caller saw it.
func (s *Service) begin(ctx context.Context, c call.Call, p id.Policy) (Policy, error) {
	found, err := s.Store.Policy(ctx, p)
	if err != nil {
		return Policy{}, err
	}
	if err := c.Caller.Check(permission.PoliciesManage, object(found)); err != nil {
		return Policy{}, err
	}
	return found, c.Match.Check(string(found.ID), found.Version)
}

// Patch changes a policy: edit, which is pure, makes the text that it has then of the text that it has now. Atomic: the policy,
// the task of bringing the keys below in line, and the audit record.
func (s *Service) Patch(ctx context.Context, c call.Call, p id.Policy, edit func(Text) Text) (Policy, error) {
	return change.Retry(func() (Policy, error) {
		old, err := s.begin(ctx, c, p)
		if err != nil {
			return Policy{}, err
		}
		next := old
		if next.Fields, err = s.read(ctx, edit(TextOf(old.Fields)), old.Place); err != nil {
			return Policy{}, err
		}
		if len(differing(old.Fields, next.Fields)) == 0 {
			return old, nil
		}
		if err := mayDeliver(c, old.Fields, next.Fields, old.Place); err != nil {
			return Policy{}, err
		}
		now, op := s.Now(), id.New[id.Operation](s.Rand)
		next.UpdatedAt = now
		next.Version++
		next.EventSeq++
		e := s.event(c, op, now, audit.PolicyUpdated, next)
		describe(e, old.Fields, next.Fields)
		return next, s.commit(ctx, c, change.Set{Operation: op, At: now, Events: []audit.Event{e},
			Writes: append([]change.Write{Update{Old: old, New: next}}, named(old.Fields, next.Fields)...)})
	})
}

// Delete removes a policy: what it set is inherited from then on. Atomic: the policy, the task of bringing the keys below in
// line, and the audit record.
func (s *Service) Delete(ctx context.Context, c call.Call, p id.Policy) error {
	_, err := change.Retry(func() (struct{}, error) {
		old, err := s.begin(ctx, c, p)
		if err != nil {
			return struct{}{}, err
		}
		now, op := s.Now(), id.New[id.Operation](s.Rand)
		gone := old
		gone.EventSeq++
		e := s.event(c, op, now, audit.PolicyDeleted, gone)
		describe(e, old.Fields, Fields{})
		return struct{}{}, s.commit(ctx, c, change.Set{Operation: op, At: now, Events: []audit.Event{e},
			Writes: append([]change.Write{Delete{Old: old, At: now}}, named(old.Fields, Fields{})...)})
	})
	return err
}

// named are the writes by which calendars know that a policy names them: none of those is deleted meanwhile.
func named(old, now Fields) []change.Write {
	var out []change.Write
	move := func(from, to *[]id.Calendar, by int) {
		if from == nil {
			return
		}
		for _, c := range *from {
			if to == nil || !slices.Contains(*to, c) {
				out = append(out, calendar.Use{Calendar: c, By: by})
			}
		}
	}
	move(old.Calendars, now.Calendars, -1)
	move(now.Calendars, old.Calendars, 1)
	return out
}

// describe puts into a record which fields changed, and what they are now, as the API spells them; null is inherited.
func describe(e audit.Event, old, now Fields) {
	changed, values := differing(old, now), map[string]any{}
	spelled := spelledFields(TextOf(now))
	for _, f := range changed {
		values[f] = spelled[f]
	}
	e.Details["changed"], e.Details["values"] = changed, values
}

// differing names the fields that are not equal, in the order of the API's object.
func differing(old, now Fields) []string {
	a, b := spelledFields(TextOf(old)), spelledFields(TextOf(now))
	changed := []string{}
	for _, f := range fieldNames {
		if !reflect.DeepEqual(a[f], b[f]) {
			changed = append(changed, f)
		}
	}
	return changed
}

var fieldNames = []string{"schedule", "overlap", "notice", "quiet_for", "retire_on_quiet", "extend_once", "allow_rotate_self",
	"default_lifetime", "max_lifetime", "report_only", "lock", "calendar_ids", "deliver_to", "notify"}

// spelledFields are the values of a text by the names of the API, as JSON knows them.
func spelledFields(t Text) map[string]any {
	out := map[string]any{"overlap": value(t.Overlap), "notice": value(t.Notice), "quiet_for": value(t.QuietFor),
		"retire_on_quiet": value(t.RetireOnQuiet), "extend_once": value(t.ExtendOnce), "allow_rotate_self": value(t.AllowRotateSelf),
		"default_lifetime": value(t.DefaultLifetime), "max_lifetime": value(t.MaxLifetime), "report_only": value(t.ReportOnly),
		"calendar_ids": value(t.Calendars), "notify": value(t.Notify)}
	if s := t.Schedule; s != nil {
		out["schedule"] = present(map[string]string{"every": s.Every, "rrule": s.Rule, "time_zone": s.Zone})
	}
	if l := t.Lock; l != nil {
		out["lock"] = map[string]any{"threshold": *l.Threshold, "window": *l.Window, "duration": *l.Duration, "strict": *l.Strict}
	}
	if d := t.DeliverTo; d != nil {
		out["deliver_to"] = present(map[string]string{"type": d.Type, "secret_id": d.SecretID, "json_key": d.JSONKey, "role_arn": d.RoleARN})
	}
	return out
}

// value is what a pointer points at; nil for nil.
func value[T any](v *T) any {
	if v == nil {
		return nil
	}
	return *v
}

// present leaves out what is empty.
func present(members map[string]string) map[string]any {
	out := map[string]any{}
	for name, text := range members {
		if text != "" {
			out[name] = text
		}
	}
	return out
}
