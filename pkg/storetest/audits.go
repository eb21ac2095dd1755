package storetest

import (
	"encoding/json"
	"fmt"
	"time"

	"github.com/rekey-dev/rekey/pkg/apikey"
	"github.com/rekey-dev/rekey/pkg/audit"
	"github.com/rekey-dev/rekey/pkg/id"
	"github.com/rekey-dev/rekey/pkg/place"
	"github.com/rekey-dev/rekey/pkg/serviceaccount"
)

// events goes through all pages of a query.
func (w *world) events(q audit.Query) []audit.Event {
	w.t.Helper()
	if q.From.IsZero() {
		q.From = w.now.Add(-24 * time.Hour)
	}
	if q.To.IsZero() {
		q.To = w.now.Add(365 * 24 * time.Hour)
	}
	if q.Limit == 0 {
		q.Limit = 100
	}
	var out []audit.Event
	for range 200 {
		page, err := w.store.AuditEvents(w.ctx, q)
		w.NoError(err)
		w.LessOrEqual(len(page.Events), q.Limit)
		out = append(out, page.Events...)
		if page.Next == "" {
			return out
		}
		q.After = page.Next
	}
	w.FailNow("a query without an end")
	return nil
}

func (w *world) found(want []audit.Event, q audit.Query) {
	w.t.Helper()
	w.Equal(idsOf(want), idsOf(w.events(q)))
}

func idsOf(events []audit.Event) []id.Event {
	out := []id.Event{}
	for _, e := range events {
		out = append(out, e.ID)
	}
	return out
}

// denied puts the record of a refusal, changed by f: the one way to a record without a change.
func (w *world) denied(at place.Place, later time.Duration, f func(*audit.Event)) audit.Event {
	w.t.Helper()
	e := w.happened("node", string(newID[id.Node]()), 0)
	e.Outcome, e.Place, e.At = audit.Denied, at, w.now.Add(later)
	if f != nil {
		f(&e)
	}
	w.NoError(w.store.Deny(w.ctx, e))
	return e
}

var auditTests = []test{
	{"a record reads as it was written", func(w *world) {
		a := w.newAccount("Recorder", w.co)
		s := w.creation(a)
		e := &s.Events[0]
		e.At = w.now.Add(123 * time.Millisecond)
		e.Actor.AssumedCompany = w.co.Company
		e.Details = map[string]any{"text": "x", "number": 7, "yes": true, "none": nil, "list": []string{"a", "b"}, "empty": []string{},
			"object": map[string]any{"deep": []any{1, "two"}}}
		w.commit(s)
		got, err := w.store.AuditEvent(w.ctx, e.ID)
		w.NoError(err)
		want, err := json.Marshal(e.Details)
		w.NoError(err)
		have, err := json.Marshal(got.Details)
		w.NoError(err)
		w.JSONEq(string(want), string(have))
		plain := *e
		plain.Details, got.Details = nil, nil
		w.same(plain, got)
		_, err = w.store.AuditEvent(w.ctx, newID[id.Event]())
		w.notFound(err)
	}},
	{"records are found newest first or oldest first, in pages of any size", func(w *world) {
		var oldest, newest []audit.Event
		for i := range 7 {
			oldest = append(oldest, w.denied(w.co, time.Duration(i)*time.Millisecond, nil))
		}
		for i := range oldest {
			newest = append(newest, oldest[len(oldest)-1-i])
		}
		for _, limit := range []int{1, 3, 7, 100} {
			w.found(newest, audit.Query{Place: w.co.ID(), Direct: true, Action: "node.changed", Limit: limit})
			w.found(oldest, audit.Query{Place: w.co.ID(), Direct: true, Action: "node.changed", Limit: limit, Oldest: true})
		}
	}},
	{"records of one moment are each found once", func(w *world) {
		want := map[id.Event]bool{}
		for range 7 {
			want[w.denied(w.co, 0, nil).ID] = true
		}
		for _, oldest := range []bool{false, true} {
			got := map[id.Event]bool{}
			events := w.events(audit.Query{Place: w.co.ID(), Action: "node.changed", Limit: 2, Oldest: oldest})
			for _, e := range events {
				got[e.ID] = true
			}
			w.Equal(want, got)
			w.Len(events, 7)
		}
	}},
	{"the bounds of time are half-open", func(w *world) {
		var e []audit.Event
		for i := range 4 {
			e = append(e, w.denied(w.below, time.Duration(i)*time.Second, nil))
		}
		at := func(i int) time.Time { return w.now.Add(time.Duration(i) * time.Second) }
		q := audit.Query{Place: w.below.ID(), Outcome: audit.Denied, ActorType: audit.Employee, Oldest: true}
		for _, c := range []struct {
			from, to time.Time
			want     []audit.Event
		}{
			{at(1), at(3), e[1:3]},
			{at(0), at(0), nil},
			{at(3), at(4), e[3:]},
			{at(1).Add(time.Millisecond), at(2).Add(time.Millisecond), e[2:3]},
			{at(2), at(1), nil},
		} {
			q.From, q.To = c.from, c.to
			w.found(c.want, q)
			q.Oldest, q.Limit = !q.Oldest, 1
			w.Len(w.events(q), len(c.want))
			q.Oldest, q.Limit = !q.Oldest, 0
		}
	}},
	{"records are found at every place above, and directly only at their own", func(w *world) {
		a, b, c := w.denied(w.root, 0, nil), w.denied(w.below, time.Second, nil), w.denied(w.co, 2*time.Second, nil)
		q := func(p place.Place, direct bool) audit.Query {
			return audit.Query{Place: p.ID(), Direct: direct, ActorType: audit.Employee, Outcome: audit.Denied, Oldest: true, Limit: 1}
		}
		w.found([]audit.Event{a, b, c}, q(w.root, false))
		w.found([]audit.Event{b, c}, q(w.below, false))
		w.found([]audit.Event{c}, q(w.co, false))
		w.found([]audit.Event{a}, q(w.root, true))
		w.found([]audit.Event{b}, q(w.below, true))
		w.found([]audit.Event{c}, q(w.co, true))
		w.found(nil, q(place.Place{Path: string(newID[id.Node]())}, false))
	}},
	{"records are found by each filter", func(w *world) {
		sa, key, pat := newID[id.ServiceAccount](), newID[id.Key](), newID[id.PAT]()
		n := time.Duration(0)
		put := func(f func(*audit.Event)) audit.Event { n += time.Second; return w.denied(w.co, n, f) }
		plain := put(nil)
		byAccount := put(func(e *audit.Event) {
			e.Actor = audit.Actor{Type: audit.ServiceAccount, ID: string(sa), Name: "Recorder", KeyID: string(key), KeyPrefix: "rka_0000"}
		})
		byToken := put(func(e *audit.Event) { e.Actor.KeyID = string(pat) })
		onKey := put(func(e *audit.Event) {
			e.Target = audit.Target{Type: "key", ID: string(key), Name: "Production"}
			e.Details = audit.KeyDetails(audit.KeyRevoked, key, "rka_0000", 1, nil, sa)
		})
		onAccount := put(func(e *audit.Event) {
			e.Target, e.Action = audit.Target{Type: "service_account", ID: string(sa), Name: "Recorder"}, "service_account.rotated"
		})
		asked := put(func(e *audit.Event) { e.RequestID, e.Actor.ID = "a request", "emp_00000000000000000002" })
		a := w.newAccount("Done", w.co)
		done := w.creation(a)
		done.Events[0].At = w.now.Add(n + time.Second)
		w.commit(done)
		ok := done.Events[0]

		q := func(f func(*audit.Query)) audit.Query {
			q := audit.Query{Place: w.co.ID(), Oldest: true, From: w.now.Add(time.Second)}
			f(&q)
			return q
		}
		w.found([]audit.Event{plain, byAccount, byToken, onKey, onAccount, asked, ok}, q(func(*audit.Query) {}))
		w.found([]audit.Event{byAccount}, q(func(q *audit.Query) { q.ActorType = audit.ServiceAccount }))
		w.found([]audit.Event{plain, byToken, onKey, onAccount, asked, ok}, q(func(q *audit.Query) { q.ActorType = audit.Employee }))
		w.found([]audit.Event{ok}, q(func(q *audit.Query) { q.ActorType, q.Outcome = audit.Employee, audit.OK }))
		w.found([]audit.Event{asked}, q(func(q *audit.Query) { q.ActorID = "emp_00000000000000000002" }))
		w.found([]audit.Event{onAccount}, q(func(q *audit.Query) { q.TargetID = string(sa) }))
		w.found([]audit.Event{onKey}, q(func(q *audit.Query) { q.TargetID = string(key) }))
		w.found([]audit.Event{byAccount, onKey}, q(func(q *audit.Query) { q.KeyID = string(key) }))
		w.found([]audit.Event{byToken}, q(func(q *audit.Query) { q.KeyID = string(pat) }))
		w.found([]audit.Event{onAccount}, q(func(q *audit.Query) { q.Action = "service_account.rotated" }))
		w.found([]audit.Event{asked}, q(func(q *audit.Query) { q.RequestID = "a request" }))
		w.found(nil, q(func(q *audit.Query) { q.Action = "node.deleted" }))
		for _, limit := range []int{1, 2} {
			got := q(func(q *audit.Query) { q.ActorType, q.Limit = audit.Employee, limit })
			w.found([]audit.Event{plain, byToken, onKey, onAccount, asked, ok}, got)
		}
	}},
	{"an account's records are those in which it or a key of it acted or was the target", func(w *world) {
		a, b := w.account("A", w.co), w.account("B", w.co)
		later := func(s audit.Event, d time.Duration) audit.Event { s.At = w.now.Add(d); return s }
		k := w.newKey(a, "K")
		issue := w.issue(a, k)
		issue.Events[0] = later(issue.Events[0], time.Second)
		w.commit(issue)
		w.key(b, "Not A's")
		a = w.readAccount(a.ID)
		edit := w.edit(a, func(n *serviceaccount.Account) { n.Description = "edited" })
		edit.Events[0] = later(edit.Events[0], 2*time.Second)
		w.commit(edit)
		revoke := w.editKey(k, func(n *apikey.Key) {
			n.Ended = &serviceaccount.Ended{At: w.now, By: "holder", Reason: apikey.ReasonCompromise}
		})
		revoke.Events[0] = later(revoke.Events[0], 3*time.Second)
		w.commit(revoke)
		acted := w.denied(w.co, 4*time.Second, func(e *audit.Event) {
			e.Actor = audit.Actor{Type: audit.ServiceAccount, ID: string(a.ID), Name: "A", KeyID: string(k.ID), KeyPrefix: k.Prefix()}
		})
		w.found([]audit.Event{issue.Events[0], edit.Events[0], revoke.Events[0], acted},
			audit.Query{Place: w.co.ID(), Oldest: true, Account: a.ID, From: w.now.Add(time.Second)})
	}},
	{"a query goes through more records than one page reads", func(w *world) {
		first := w.denied(w.co, 0, func(e *audit.Event) { e.Action = "node.sought" })
		for _, err := range together(8, func(worker int) error {
			for i := range 65 {
				e := w.happened("node", fmt.Sprintf("node_%020d", i), 0)
				e.Outcome, e.Place, e.At = audit.Denied, w.co, w.now.Add(time.Duration(worker*65+i)*time.Second)
				if err := w.store.Deny(w.ctx, e); err != nil {
					return err
				}
			}
			return nil
		}) {
			w.NoError(err)
		}
		w.found([]audit.Event{first}, audit.Query{Place: w.co.ID(), Action: "node.sought", Limit: 10})
		w.Len(w.events(audit.Query{Place: w.co.ID(), Action: "node.changed"}), 520)
	}},
	{"a refusal is recorded once, and refused again is no error", func(w *world) {
		e := w.denied(w.co, 0, nil)
		again := e
		again.UserAgent = "suite/2"
		w.NoError(w.store.Deny(w.ctx, again))
		got, err := w.store.AuditEvent(w.ctx, e.ID)
		w.NoError(err)
		w.Equal("suite/1", got.UserAgent)
		w.Len(w.events(audit.Query{Place: w.co.ID(), Outcome: audit.Denied, ActorType: audit.Employee}), 1)
		once := newID[id.Event]()
		for _, err := range together(6, func(int) error {
			other := e
			other.ID = once
			return w.store.Deny(w.ctx, other)
		}) {
			w.NoError(err)
		}
		incomplete := e
		incomplete.ID, incomplete.Actor = newID[id.Event](), audit.Actor{}
		w.Error(w.store.Deny(w.ctx, incomplete))
	}},
}
