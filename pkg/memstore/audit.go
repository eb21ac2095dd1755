package memstore

import (
	"cmp"
	"context"
	"fmt"
	"slices"
	"strings"

	"github.com/rekey-dev/rekey/pkg/audit"
	"github.com/rekey-dev/rekey/pkg/id"
	"github.com/rekey-dev/rekey/pkg/listing"
)

// AuditEvent returns one record.
func (s *Store) AuditEvent(ctx context.Context, e id.Event) (audit.Event, error) {
	found, err := one(ctx, s, s.events, e, "audit event")
	return copyEvent(found), err
}

// AuditEvents answers with the records of one place by time. As in any store a page reads at most so many records of the
// place, so it may be short, or empty, although there are more.
func (s *Store) AuditEvents(ctx context.Context, q audit.Query) (audit.Page, error) {
	if q.Limit < 1 || q.Limit > 100 {
		panic(fmt.Sprintf("memstore: a page of %d records", q.Limit))
	}
	defer s.mu.Unlock()
	if err := s.begin(ctx); err != nil {
		return audit.Page{}, err
	}
	var all []audit.Event
	for _, e := range s.events {
		if within(e.Place, q.Place, q.Direct) && !e.At.Before(q.From) && (q.To.IsZero() || e.At.Before(q.To)) {
			all = append(all, e)
		}
	}
	slices.SortFunc(all, byTime)
	if !q.Oldest {
		slices.Reverse(all)
	}
	var page audit.Page
	begun, read := q.After == "", 0
	for _, e := range all {
		switch {
		case !begun:
			begun = string(e.ID) == q.After
			continue
		case len(page.Events) == q.Limit || read == listing.ReadLimit:
			return page, nil
		}
		read++
		page.Next = string(e.ID)
		if matches(e, q) {
			page.Events = append(page.Events, copyEvent(e))
		}
	}
	page.Next = ""
	return page, nil
}

func matches(e audit.Event, q audit.Query) bool {
	is := func(want, have string) bool { return want == "" || want == have }
	return is(string(q.ActorType), string(e.Actor.Type)) && is(string(q.Outcome), string(e.Outcome)) &&
		is(q.ActorID, e.Actor.ID) && is(q.TargetID, e.Target.ID) && is(q.Action, e.Action) && is(q.RequestID, e.RequestID) &&
		(is(q.KeyID, e.Actor.KeyID) || is(q.KeyID, e.Target.ID)) &&
		(q.Account == "" || concerns(e, q.Account))
}

// concerns tells whether a record's actor or target is the account or a key of it. A record on a key names the account in
// its details; nothing else is looked at.
func concerns(e audit.Event, a id.ServiceAccount) bool {
	return e.Actor.ID == string(a) || e.Target.ID == string(a) || e.Details["service_account_id"] == string(a)
}

func byTime(a, b audit.Event) int {
	return cmp.Or(a.At.Compare(b.At), strings.Compare(string(a.ID), string(b.ID)))
}
