package calendar

import (
	"context"
	"errors"
	"reflect"

	"github.com/rekey-dev/rekey/pkg/audit"
	"github.com/rekey-dev/rekey/pkg/call"
	"github.com/rekey-dev/rekey/pkg/change"
	"github.com/rekey-dev/rekey/pkg/fault"
	"github.com/rekey-dev/rekey/pkg/id"
	"github.com/rekey-dev/rekey/pkg/name"
	"github.com/rekey-dev/rekey/pkg/permission"
	"github.com/rekey-dev/rekey/pkg/place"
)

// New is the input of creating a calendar. Exactly one of Node and Company says where.
type New struct {
	Name    string
	Node    id.Node
	Company id.Company
	Kind    Kind
	Zone    string
	Source
}

// Create makes a calendar. Atomic: the calendar, its name's uniqueness among its siblings, the place's count, the audit record
// and the idempotency record.
func (s *Service) Create(ctx context.Context, c call.Call, in New) (Calendar, error) {
	return change.Retry(func() (Calendar, error) { return s.create(ctx, c, in) })
}

func (s *Service) create(ctx context.Context, c call.Call, in New) (Calendar, error) {
	now, op := s.Now(), id.New[id.Operation](s.Rand)
	at, err := s.placeOf(ctx, in)
	if err != nil {
		return Calendar{}, err
	}
	cal := Calendar{ID: id.New[id.Calendar](s.Rand), Place: at, Name: in.Name, Kind: in.Kind, Zone: in.Zone, CreatedBy: c.Caller.ID,
		CreatedByName: c.Caller.Name, CreatedAt: now, UpdatedAt: now, Version: 1, EventSeq: 1}
	e := s.event(c, op, now, audit.CalendarCreated, cal)
	refused := e
	refused.Target = audit.Target{Type: "node", ID: string(at.Node())}
	if at.Company != "" {
		refused.Target = audit.Target{Type: "company", ID: string(at.Company)}
	}
	where := object(at)
	where.What = refused.Target.Type
	if err := c.Caller.Check(permission.PoliciesManage, where); err != nil {
		return Calendar{}, c.Deny(ctx, s.Store.Deny, refused, err)
	}
	if err := c.Idempotency.Check(); err != nil {
		return Calendar{}, err
	}
	if _, err := LoadZone(cal.Zone); err != nil {
		return Calendar{}, invalid(cal, name.Check(in.Name))
	}
	if cal.Events, err = in.Source.read(cal.Zone); err != nil {
		return Calendar{}, err
	}
	if err := invalid(cal, name.Check(in.Name)); err != nil {
		return Calendar{}, err
	}
	cal.EventCount = len(cal.Events)
	e.Details = details(cal)
	record, err := c.Idempotency.Record(op, now, cal, nil)
	if err != nil {
		return Calendar{}, err
	}
	err = change.Settle(s.Store.Commit(ctx, change.Set{Operation: op, At: now, Idempotency: record, Events: []audit.Event{e},
		Writes: []change.Write{Create{Calendar: cal}}}), c.Idempotency)
	var lost *change.Lost
	if errors.As(err, &lost) {
		if _, ok := lost.Write.(Create); ok {
			if _, gone := s.placeOf(ctx, in); gone != nil {
				return Calendar{}, gone
			}
			return Calendar{}, nameTaken()
		}
	}
	return cal, err
}

// details are those of the record of a calendar. Its events are in the calendar, and may be thousands of words.
func details(c Calendar) map[string]any {
	return map[string]any{"kind": string(c.Kind), "time_zone": c.Zone, "event_count": c.EventCount}
}

func nameTaken() error {
	return fault.New(fault.Conflict, "A calendar with this name is there already. Names are compared without regard to case.")
}

// placeOf finds where a new calendar is to stand.
func (s *Service) placeOf(ctx context.Context, in New) (place.Place, error) {
	switch {
	case in.Node == "" && in.Company == "":
		return place.Place{}, fault.InvalidField("/node_id", "is missing; give node_id or company_id")
	case in.Node != "" && in.Company != "":
		return place.Place{}, fault.InvalidField("/company_id", "is given together with node_id; give one of them")
	case in.Company != "":
		co, err := s.Store.Company(ctx, in.Company)
		return co.Place, err
	}
	n, err := s.Store.Node(ctx, in.Node)
	return n.Place, err
}

// Patch is the change of a calendar that an administrator asks for; what is nil stays. Events replace all of those before.
type Patch struct {
	Name *string
	Zone *string
	Source
}

// Patch changes a calendar. Atomic: the calendar, the rows that list it, and the audit record. What it held up is looked at again
// within a day: the calendar counts when a rotation begins.
func (s *Service) Patch(ctx context.Context, c call.Call, calendar id.Calendar, in Patch) (Calendar, error) {
	return change.Retry(func() (Calendar, error) {
		old, err := s.begin(ctx, c, calendar, audit.CalendarUpdated)
		if err != nil {
			return Calendar{}, err
		}
		next, changed, err := in.apply(old)
		if err != nil || len(changed) == 0 {
			return next, err
		}
		now, op := s.Now(), id.New[id.Operation](s.Rand)
		next.Version++
		next.EventSeq++
		next.UpdatedAt = now
		e := s.event(c, op, now, audit.CalendarUpdated, next)
		e.Details = details(next)
		e.Details["changed"] = changed
		err = s.Store.Commit(ctx, change.Set{Operation: op, At: now, Events: []audit.Event{e}, Writes: []change.Write{Update{Old: old, New: next}}})
		if errors.Is(err, change.ErrLost) && in.Name != nil {
			if again, readErr := s.Store.Calendar(ctx, calendar); readErr == nil && again.Version == old.Version && again.EventSeq == old.EventSeq {
				return Calendar{}, nameTaken()
			}
		}
		return next, err
	})
}

func (in Patch) apply(c Calendar) (Calendar, []string, error) {
	var changed []string
	var badName string
	if in.Name != nil {
		badName = name.Check(*in.Name)
		if c.Name != *in.Name {
			changed = append(changed, "name")
		}
		c.Name = *in.Name
	}
	if in.Zone != nil {
		if c.Zone != *in.Zone {
			changed = append(changed, "time_zone")
		}
		c.Zone = *in.Zone
	}
	if _, err := LoadZone(c.Zone); err != nil {
		return c, nil, invalid(c, badName)
	}
	if in.Events != nil || in.ICS != nil {
		events, err := in.Source.read(c.Zone)
		if err != nil {
			return c, nil, err
		}
		if len(events)+len(c.Events) > 0 && !reflect.DeepEqual(events, c.Events) {
			changed = append(changed, "events")
		}
		c.Events, c.EventCount = events, len(events)
	}
	return c, changed, invalid(c, badName)
}

// Delete removes a calendar that no policy names; one that is named is in use. Its name can be used again, its audit records
// stay. Atomic: the calendar, its name, the place's count and the audit record.
func (s *Service) Delete(ctx context.Context, c call.Call, calendar id.Calendar) error {
	_, err := change.Retry(func() (struct{}, error) {
		old, err := s.begin(ctx, c, calendar, audit.CalendarDeleted)
		if err != nil {
			return struct{}{}, err
		}
		if old.Policies > 0 {
			return struct{}{}, &fault.Error{Kind: fault.InUse, BlockedBy: []fault.Blocker{{Type: "rotation_policy", Count: old.Policies}},
				Detail: "Rotation policies name the calendar. Take it out of them first."}
		}
		now, op := s.Now(), id.New[id.Operation](s.Rand)
		gone := old
		gone.EventSeq++
		e := s.event(c, op, now, audit.CalendarDeleted, gone)
		e.Details = details(old)
		return struct{}{}, s.Store.Commit(ctx, change.Set{Operation: op, At: now, Events: []audit.Event{e}, Writes: []change.Write{Delete{Old: old}}})
	})
	return err
}
