package storetest

import (
	"time"

	"github.com/rekey-dev/rekey/pkg/change"
	"github.com/rekey-dev/rekey/pkg/id"
	"github.com/rekey-dev/rekey/pkg/idempotency"
	"github.com/rekey-dev/rekey/pkg/serviceaccount"
)

// keyed is the change that creates an account, under an Idempotency-Key.
func (w *world) keyed(name, scope string, now time.Time) change.Set {
	s := w.creation(w.newAccount(name, w.root))
	s.At = now
	s.Idempotency = w.answer(s.Operation, scope, now)
	return s
}

// repeated requires that an equal call was carried out before, and that this one left nothing.
func (w *world) repeated(s change.Set, err error, winner *idempotency.Record) {
	w.t.Helper()
	var r *change.Repeated
	w.ErrorAs(err, &r)
	w.same(*winner, r.Winner)
	w.unrecorded(s)
	for _, x := range s.Writes {
		if c, ok := x.(serviceaccount.Create); ok {
			_, err := w.store.Account(w.ctx, c.Account.ID)
			w.notFound(err)
		}
	}
}

var idempotencyTests = []test{
	{"the second of two equal calls gets the first one's record", func(w *world) {
		first := w.keyed("First", "scope", w.now)
		w.commit(first)
		second := w.keyed("Second", "scope", w.now.Add(idempotency.KeptFor-time.Second))
		w.repeated(second, w.store.Commit(w.ctx, second), first.Idempotency)
	}},
	{"an equal call is looked at before any other condition", func(w *world) {
		first := w.keyed("Name", "scope", w.now)
		w.commit(first)
		second := w.keyed("Name", "scope", w.now) // its name is taken, too
		w.repeated(second, w.store.Commit(w.ctx, second), first.Idempotency)
		a := w.account("Other", w.root)
		stale := a
		stale.Version = 0
		third := w.edit(stale, func(*serviceaccount.Account) {})
		third.Idempotency = w.answer(third.Operation, "scope", w.now)
		w.repeated(third, w.store.Commit(w.ctx, third), first.Idempotency)
	}},
	{"a further change of a call puts its answer in the place of the first one's, and of no other's", func(w *world) {
		first := w.keyed("First", "scope", w.now)
		w.commit(first)
		further := w.keyed("Second", "scope", w.now)
		further.Idempotency.Amends, further.Idempotency.Body = first.Operation, []byte("in the end")
		w.commit(further)
		kept, err := w.store.Idempotency(w.ctx, "scope", w.now)
		w.NoError(err)
		w.Equal("in the end", string(kept.Body))
		w.Equal(further.Operation, kept.Operation)
		for scope, of := range map[string]id.Operation{"scope": first.Operation, "scope 2": further.Operation} {
			late := w.keyed("Third", scope, w.now)
			late.Idempotency.Amends = of
			w.ErrorIs(w.store.Commit(w.ctx, late), change.ErrLost)
			w.unrecorded(late)
		}
	}},
	{"a call of another scope is another call", func(w *world) {
		w.commit(w.keyed("First", "scope", w.now))
		w.commit(w.keyed("Second", "scope 2", w.now))
		w.account("Third", w.root)
	}},
	{"a call whose record has expired can be made anew", func(w *world) {
		first := w.keyed("First", "scope", w.now)
		w.commit(first)
		end := w.now.Add(idempotency.KeptFor)
		r, err := w.store.Idempotency(w.ctx, "scope", end.Add(-time.Second))
		w.NoError(err)
		w.same(first.Idempotency, r)
		r, err = w.store.Idempotency(w.ctx, "scope", end)
		w.NoError(err)
		w.Nil(r)
		second := w.keyed("Second", "scope", end)
		w.commit(second)
		r, err = w.store.Idempotency(w.ctx, "scope", end)
		w.NoError(err)
		w.same(second.Idempotency, r)
		third := w.keyed("Third", "scope", end)
		w.repeated(third, w.store.Commit(w.ctx, third), second.Idempotency)
	}},
	{"a scope without a call has no record", func(w *world) {
		r, err := w.store.Idempotency(w.ctx, string(newID[id.Operation]()), w.now)
		w.NoError(err)
		w.Nil(r)
	}},
	{"a record without a secret reads as it was written", func(w *world) {
		s := w.keyed("First", "scope", w.now)
		s.Idempotency.Secret, s.Idempotency.ETag, s.Idempotency.Body = nil, "", nil
		w.commit(s)
		r, err := w.store.Idempotency(w.ctx, "scope", w.now)
		w.NoError(err)
		w.same(s.Idempotency, r)
	}},
	{"one of many simultaneous equal calls is carried out, and the others get its record", func(w *world) {
		sets := make([]change.Set, 6)
		for i := range sets {
			sets[i] = w.keyed("Name", "scope", w.now)
		}
		errs := together(len(sets), func(i int) error { return w.store.Commit(w.ctx, sets[i]) })
		var winner *idempotency.Record
		for i, err := range errs {
			if err == nil {
				w.Nil(winner, "two were carried out")
				winner = sets[i].Idempotency
			}
		}
		w.NotNil(winner)
		for i, err := range errs {
			if err != nil {
				w.repeated(sets[i], err, winner)
			}
		}
		w.Len(w.list(accountsAt(w.root), 10), 1)
	}},
	{"a change that lost leaves no idempotency record", func(w *world) {
		w.account("Taken", w.root)
		s := w.keyed("Taken", "scope", w.now)
		w.lost(s, serviceaccount.Create{})
		r, err := w.store.Idempotency(w.ctx, "scope", w.now)
		w.NoError(err)
		w.Nil(r)
		w.commit(w.keyed("Free", "scope", w.now))
	}},
	{"the answer to a call that had nothing to change is kept like any other", func(w *world) {
		r := w.answer(newID[id.Operation](), "scope", w.now)
		w.NoError(w.store.Remember(w.ctx, *r))
		w.NoError(w.store.Remember(w.ctx, *r), "the same again")
		got, err := w.store.Idempotency(w.ctx, "scope", w.now)
		w.NoError(err)
		w.same(r, got)
		var repeated *change.Repeated
		w.ErrorAs(w.store.Remember(w.ctx, *w.answer(newID[id.Operation](), "scope", w.now)), &repeated)
		w.same(*r, repeated.Winner)
		s := w.keyed("Name", "scope", w.now)
		w.repeated(s, w.store.Commit(w.ctx, s), r)
		later := w.answer(newID[id.Operation](), "scope", r.ExpiresAt)
		w.NoError(w.store.Remember(w.ctx, *later))
		got, err = w.store.Idempotency(w.ctx, "scope", r.ExpiresAt)
		w.NoError(err)
		w.same(later, got)
	}},
	{"one of many simultaneous answers is kept", func(w *world) {
		errs := together(6, func(int) error {
			return w.store.Remember(w.ctx, *w.answer(newID[id.Operation](), "scope", w.now))
		})
		kept := 0
		for _, err := range errs {
			if err == nil {
				kept++
				continue
			}
			var repeated *change.Repeated
			w.ErrorAs(err, &repeated)
		}
		w.Equal(1, kept)
	}},
}
