package storetest

import (
	"context"
	"time"

	"github.com/rekey-dev/rekey/pkg/apikey"
	"github.com/rekey-dev/rekey/pkg/audit"
	"github.com/rekey-dev/rekey/pkg/change"
	"github.com/rekey-dev/rekey/pkg/employee"
	"github.com/rekey-dev/rekey/pkg/id"
	"github.com/rekey-dev/rekey/pkg/idempotency"
	"github.com/rekey-dev/rekey/pkg/place"
	"github.com/rekey-dev/rekey/pkg/serviceaccount"
)

var commitTests = []test{
	{"a change without a complete record is refused, and changes nothing", func(w *world) {
		for what, spoil := range map[string]func(*change.Set){
			"no record":               func(s *change.Set) { s.Events = nil },
			"a zero record":           func(s *change.Set) { s.Events[0] = audit.Event{} },
			"no ID":                   func(s *change.Set) { s.Events[0].ID = "" },
			"no time":                 func(s *change.Set) { s.Events[0].At = time.Time{} },
			"no action":               func(s *change.Set) { s.Events[0].Action = "" },
			"no actor":                func(s *change.Set) { s.Events[0].Actor = audit.Actor{} },
			"no target":               func(s *change.Set) { s.Events[0].Target.ID = "" },
			"no place":                func(s *change.Set) { s.Events[0].Place = place.Place{} },
			"no seq":                  func(s *change.Set) { s.Events[0].Seq = 0 },
			"no operation":            func(s *change.Set) { s.Operation = "" },
			"another's operation":     func(s *change.Set) { s.Operation = newID[id.Operation]() },
			"no time of the change":   func(s *change.Set) { s.At = time.Time{} },
			"a second, zero record":   func(s *change.Set) { s.Events = append(s.Events, audit.Event{}) },
			"a denial with a seq":     func(s *change.Set) { s.Events[0].Outcome = audit.Denied },
			"no outcome in the first": func(s *change.Set) { s.Events[0].Outcome = "" },
		} {
			a := w.newAccount("Recorder", w.root)
			s := w.creation(a)
			s.Idempotency = w.answer(s.Operation, "scope "+what, w.now)
			spoil(&s)
			err := w.store.Commit(w.ctx, s)
			w.Error(err, what)
			w.NotErrorIs(err, change.ErrLost, what)
			w.unrecorded(s)
			_, err = w.store.Account(w.ctx, a.ID)
			w.notFound(err)
			r, err := w.store.Idempotency(w.ctx, "scope "+what, w.now)
			w.NoError(err)
			w.Nil(r, what)
		}
	}},
	{"a change, its records and its idempotency record are there together", func(w *world) {
		a := w.newAccount("Recorder", w.co)
		s := w.creation(a)
		k := w.newKey(a, "First")
		second := w.onKey(k, 1)
		second.Operation = s.Operation
		s.Events, s.Writes = append(s.Events, second), append(s.Writes, apikey.Create{Key: k})
		s.Idempotency = w.answer(s.Operation, "scope", w.now)
		w.commit(s)
		w.recorded(s.Events[0])
		w.recorded(second)
		w.same(a, w.readAccount(a.ID))
		w.same(k, w.readKey(k.ID))
		r, err := w.store.Idempotency(w.ctx, "scope", w.now)
		w.NoError(err)
		w.same(s.Idempotency, r)
	}},
	{"a change with one condition that fails leaves nothing", func(w *world) {
		taken := w.account("Taken", w.root)
		k := w.key(taken, "K")
		taken = w.readAccount(taken.ID)
		nothing := func(s change.Set, a serviceaccount.Account) {
			w.t.Helper()
			_, err := w.store.Account(w.ctx, a.ID)
			w.notFound(err)
			r, err := w.store.Idempotency(w.ctx, "scope", w.now)
			w.NoError(err)
			w.Nil(r)
			w.NotContains(w.list(accountsAt(w.root), 10), string(a.ID))
			w.same(taken, w.readAccount(taken.ID))
			w.account(a.Name, w.root) // even the name is free
		}
		for i, c := range []struct {
			name    string
			failing change.Write
		}{
			{"one", employee.Create{Employee: w.existing()}},
			{"two", apikey.Create{Key: k}},
			{"three", apikey.Update{Old: w.newKey(taken, "not there"), New: w.newKey(taken, "not there")}},
			{"four", serviceaccount.Update{Old: serviceaccount.Account{ID: taken.ID, Status: taken.Status}, KeysChanged: true}},
			{"five", serviceaccount.Create{Account: w.newAccount("taken", w.root)}},
		} {
			a := w.newAccount(c.name, w.root)
			s := w.creation(a)
			s.Idempotency = w.answer(s.Operation, "scope", w.now)
			if i%2 == 0 {
				s.Writes = append(s.Writes, c.failing)
			} else {
				s.Writes = append([]change.Write{c.failing}, s.Writes...)
			}
			if u, ok := c.failing.(apikey.Update); ok {
				u.New.ID = u.Old.ID
				s.Writes[len(s.Writes)-1] = u
			}
			w.lost(s, c.failing)
			nothing(s, a)
		}
	}},
	{"a record whose ID is taken stops the change", func(w *world) {
		first := w.creation(w.newAccount("First", w.root))
		w.commit(first)
		a := w.newAccount("Second", w.root)
		s := w.creation(a)
		s.Events[0].ID = first.Events[0].ID
		err := w.store.Commit(w.ctx, s)
		var l *change.Lost
		w.ErrorAs(err, &l)
		w.Nil(l.Write)
		_, err = w.store.Account(w.ctx, a.ID)
		w.notFound(err)
		got, err := w.store.AuditEvent(w.ctx, first.Events[0].ID)
		w.NoError(err)
		w.Equal(first.Operation, got.Operation)
	}},
	{"a change that is committed again takes effect once", func(w *world) {
		a := w.account("Recorder", w.root)
		s := w.issue(a, w.newKey(a, "K"))
		s.Idempotency = w.answer(s.Operation, "scope", w.now)
		for range 3 {
			w.commit(s)
		}
		got := w.readAccount(a.ID)
		w.Equal(1, got.KeyCount)
		w.Equal(a.KeysVersion+1, got.KeysVersion)
	}},
	{"a change that is committed again after others still is done", func(w *world) {
		a := w.account("Recorder", w.root)
		s := w.edit(a, func(n *serviceaccount.Account) { n.Description = "first" })
		w.commit(s)
		w.commit(w.edit(w.readAccount(a.ID), func(n *serviceaccount.Account) { n.Description = "second" }))
		w.commit(s)
		w.Equal("second", w.readAccount(a.ID).Description)
	}},
	{"a change that is committed many times at once takes effect once", func(w *world) {
		a := w.account("Recorder", w.root)
		s := w.issue(a, w.newKey(a, "K"))
		for _, err := range together(6, func(int) error { return w.store.Commit(w.ctx, s) }) {
			w.NoError(err)
		}
		w.Equal(1, w.readAccount(a.ID).KeyCount)
	}},
	{"a change that lost stays lost until it is made anew", func(w *world) {
		a := w.account("Recorder", w.root)
		s := w.edit(a, func(n *serviceaccount.Account) { n.Description = "late" })
		w.commit(w.edit(a, func(n *serviceaccount.Account) { n.Description = "early" }))
		for range 2 {
			w.lost(s, serviceaccount.Update{})
		}
		w.Equal("early", w.readAccount(a.ID).Description)
	}},
	{"a change under a cancelled context is no success and no lost race", func(w *world) {
		ctx, cancel := context.WithCancel(w.ctx)
		cancel()
		a := w.newAccount("Recorder", w.root)
		s := w.creation(a)
		err := w.store.Commit(ctx, s)
		w.unavailable(err)
		w.commit(s)
		w.same(a, w.readAccount(a.ID))
	}},
	{"what was handed over or returned can be altered without altering the state", func(w *world) {
		a := w.newAccount("Recorder", w.root)
		s := w.creation(a)
		k := w.newKey(a, "K")
		s.Writes = append(s.Writes, apikey.Create{Key: k})
		s.Idempotency = w.answer(s.Operation, "scope", w.now)
		w.commit(s)
		mac := k.MAC[0]
		a.Tags[0], k.MAC[0] = "altered", mac+1
		s.Events[0].Details["change"] = "altered"
		s.Idempotency.Body[0] = '!'
		w.readAccount(a.ID).Tags[0] = "altered"
		w.readKey(k.ID).MAC[0] = mac + 1
		w.Equal("env:prod", w.readAccount(a.ID).Tags[0])
		w.Equal(mac, w.readKey(k.ID).MAC[0])
		r, err := w.store.Idempotency(w.ctx, "scope", w.now)
		w.NoError(err)
		w.Equal(byte('{'), r.Body[0])
		e, err := w.store.AuditEvent(w.ctx, s.Events[0].ID)
		w.NoError(err)
		w.Equal("made", e.Details["change"])
	}},
}

// existing commits an employee and returns it.
func (w *world) existing() employee.Employee {
	w.t.Helper()
	e := w.hire(string(newID[id.Employee]()) + "@example.com")
	w.commit(e.set)
	return e.value
}

// answer is the idempotency record of an operation.
func (w *world) answer(op id.Operation, scope string, now time.Time) *idempotency.Record {
	return &idempotency.Record{Scope: scope, Fingerprint: "f00d", Operation: op, Status: 201, ETag: "sa_x.1",
		Body: []byte(`{"id": "sa_x"}`), Secret: &idempotency.DerivedSecret{Kind: 'a', Public: "00000000000000000001",
			Generation: 2, Salt: newMAC(), KeyVersion: "v1"}, CreatedAt: now, ExpiresAt: now.Add(idempotency.KeptFor)}
}
