package rotation

import (
	"context"
	"time"

	"github.com/rekey-dev/rekey/pkg/apikey"
	"github.com/rekey-dev/rekey/pkg/audit"
	"github.com/rekey-dev/rekey/pkg/authz"
	"github.com/rekey-dev/rekey/pkg/call"
	"github.com/rekey-dev/rekey/pkg/id"
	"github.com/rekey-dev/rekey/pkg/listing"
	"github.com/rekey-dev/rekey/pkg/period"
	"github.com/rekey-dev/rekey/pkg/permission"
	"github.com/rekey-dev/rekey/pkg/place"
	"github.com/rekey-dev/rekey/pkg/serviceaccount"
)

// What of a key does not keep to its policy, the gravest first.
const (
	FindingOlder     = "older_than_allowed" // its secret is older than max_lifetime; it ends when its notice is over
	FindingOverdue   = "overdue"            // the schedule wants it rotated, no calendar forbids it, and nobody did
	FindingException = "exception"          // the policy only reports, or a calendar holds the rotation up
)

// Finding is a live key that does not keep to the policies that hold for it.
type Finding struct {
	Key    apikey.View
	What   string // the gravest
	Detail string // all of it, in words
	Due    time.Time
	Policy id.Policy // of what Detail says first
}

// Findings lists the live keys of a place that do not keep to their policies, by name; a page may come back short, or empty,
// although there are more. The old key of a rotation is none: the rotation speaks for it. Keys are judged as they are now,
// by the schedule and by what the sweeper has found of the calendars.
func (s *Service) Findings(ctx context.Context, c call.Call, w listing.Where, account id.ServiceAccount, after string, limit int) ([]Finding, string, error) {
	at, account, err := s.scope(ctx, c, w, account)
	if err != nil {
		return nil, "", err
	}
	list := s.Store.List
	if account != "" {
		list = func(ctx context.Context, q listing.Query) (out listing.Page, err error) {
			ids, next, err := s.Store.AccountKeys(ctx, account, q.After, q.Limit)
			for _, k := range ids {
				out.Rows = append(out.Rows, listing.Row{ID: string(k)})
			}
			out.Next = next
			return out, err
		}
	}
	terms := make(map[id.ServiceAccount]Policy)
	q := listing.Query{Noun: listing.Keys, Place: at.ID(), Direct: w.Direct, After: after}
	return listing.Collect(ctx, list, q, limit, func(rows listing.Page) ([]Finding, error) {
		ids := make([]id.Key, len(rows.Rows))
		for i, r := range rows.Rows {
			ids[i] = id.Key(r.ID)
		}
		views, err := s.Keys.Views(ctx, ids)
		if err != nil {
			return nil, err
		}
		var out []Finding
		for _, v := range views {
			if !v.State.Live() || v.Key.SupersededBy != "" {
				continue
			}
			if err := s.termsOf(ctx, terms, v.Account); err != nil {
				return nil, err
			}
			if f, ok := find(v, terms[v.Account.ID], s.Now()); ok {
				out = append(out, f)
			}
		}
		return out, nil
	})
}

func (s *Service) termsOf(ctx context.Context, known map[id.ServiceAccount]Policy, a serviceaccount.Account) (err error) {
	if _, ok := known[a.ID]; !ok {
		known[a.ID], err = s.Terms(ctx, a)
	}
	return err
}

// find holds a live key against what the policies say of it.
func find(v apikey.View, terms Policy, now time.Time) (Finding, bool) {
	e, since := terms.Effective, v.Key.SecretSince()
	var found []Finding
	if most := e.MaxLifetime; most.Value > 0 {
		f := Finding{What: FindingOlder, Policy: most.Source.Policy, Due: since.Add(most.Value)}
		rule := "max_lifetime " + period.Format(most.Value) + " of " + string(most.Source.Policy)
		ends := "never ends"
		if !v.Key.ExpiresAt.IsZero() {
			ends = "ends " + stamp(v.Key.ExpiresAt)
		}
		switch later := v.Key.ExpiresAt.IsZero() || v.Key.ExpiresAt.After(f.Due); {
		case f.Due.Before(now):
			f.Detail = "the secret of " + stamp(since) + " is older than " + rule + " allows, since " + stamp(f.Due) + "; it " + ends
		case e.ReportOnly.Value && later:
			f.Detail = "the secret of " + stamp(since) + " " + ends + ", later than " + rule + " allows, " + stamp(f.Due)
		}
		if f.Detail != "" {
			if e.ReportOnly.Value {
				f.What, f.Detail = FindingException, f.Detail+"; the policy only reports"
			}
			found = append(found, f)
		}
	}
	if schedule := e.Schedule; schedule.Value != nil {
		if due, ok := schedule.Value.Next(since, since); ok && due.Before(now) {
			f := Finding{What: FindingOverdue, Policy: schedule.Source.Policy, Due: due,
				Detail: "the schedule of " + string(schedule.Source.Policy) + " wanted it rotated " + stamp(due)}
			switch {
			case e.ReportOnly.Value:
				f.What, f.Detail = FindingException, f.Detail+"; the policy only reports"
			case v.Key.RotateAt.After(now):
				f.What, f.Detail = FindingException, f.Detail+"; its calendars hold that up until "+stamp(v.Key.RotateAt)
			}
			found = append(found, f)
		}
	}
	if len(found) == 0 {
		return Finding{}, false
	}
	out := found[0]
	out.Key = v
	if len(found) > 1 {
		out.Detail += ". " + found[1].Detail
		if out.What == FindingException {
			out.What = found[1].What
		}
	}
	return out, true
}

// scope is the place, or the account, whose rotations a caller asks for and may see.
func (s *Service) scope(ctx context.Context, c call.Call, w listing.Where, account id.ServiceAccount) (at place.Place, _ id.ServiceAccount, err error) {
	if err := c.Caller.Holds(permission.RotationsRead); err != nil {
		return at, "", err
	}
	if c.Caller.Type == audit.ServiceAccount && c.Caller.OwnAccount.Has(permission.RotationsRead) && account == "" {
		account = id.ServiceAccount(c.Caller.ID)
	}
	if account == "" {
		at, err = w.Resolve(ctx, s.Store, c.Caller)
		return at, "", err
	}
	a, err := s.Store.Account(ctx, account)
	if err == nil {
		err = c.Caller.Check(permission.RotationsRead, authz.Object{Place: a.Place, Account: a.ID, What: "service account"})
	}
	return at, a.ID, err
}
