package storetest

import (
	"time"

	"github.com/rekey-dev/rekey/pkg/change"
	"github.com/rekey-dev/rekey/pkg/id"
	"github.com/rekey-dev/rekey/pkg/onetime"
)

func (w *world) newCode() onetime.Code {
	return onetime.Code{ID: newID[id.Invitation](), Employee: newID[id.Employee](), Purpose: onetime.Invitation, MAC: newMAC(), PepperVersion: "v1",
		ExpiresAt: w.now.Add(72 * time.Hour), CreatedAt: w.now}
}

func (w *world) codeMade(c onetime.Code) change.Set {
	return w.set(w.happened("employee", string(c.Employee), 1), onetime.Create{Code: c})
}

func (w *world) code() onetime.Code {
	w.t.Helper()
	c := w.newCode()
	w.commit(w.codeMade(c))
	return c
}

func (w *world) spending(c onetime.Code, at time.Time) change.Set {
	return w.set(w.happened("employee", string(c.Employee), 2), onetime.Spend{Code: c, At: at})
}

var codeTests = []test{
	{"a one-time code reads as it was written, with the try that reading it took", func(w *world) {
		c := w.code()
		got, err := w.store.TakeTry(w.ctx, c.ID, w.now)
		w.NoError(err)
		c.Tries = 1
		w.same(c, got)
		w.lost(w.codeMade(c), onetime.Create{})
		_, err = w.store.TakeTry(w.ctx, newID[id.Invitation](), w.now)
		w.ErrorIs(err, change.ErrLost)
		w.ErrorIs(w.store.ReturnTry(w.ctx, newID[id.Invitation]()), change.ErrLost)
	}},
	{"a code has five tries, also for those that come at the same moment, and gets back what is returned", func(w *world) {
		c := w.code()
		won := 0
		for _, err := range together(16, func(int) error { return just(w.store.TakeTry(w.ctx, c.ID, w.now)) }) {
			if err == nil {
				won++
				continue
			}
			w.ErrorIs(err, change.ErrLost)
		}
		w.Equal(onetime.MaxTries, won)
		w.NoError(w.store.ReturnTry(w.ctx, c.ID))
		w.NoError(just(w.store.TakeTry(w.ctx, c.ID, w.now)))
		w.ErrorIs(just(w.store.TakeTry(w.ctx, c.ID, w.now)), change.ErrLost)
		for range onetime.MaxTries {
			w.NoError(w.store.ReturnTry(w.ctx, c.ID))
		}
		w.ErrorIs(w.store.ReturnTry(w.ctx, c.ID), change.ErrLost, "none is reserved")
	}},
	{"a code is spent once, and not when it has expired", func(w *world) {
		c := w.code()
		sets := []change.Set{w.spending(c, w.now), w.spending(c, w.now), w.spending(c, w.now)}
		w.oneWon(together(3, func(i int) error { return w.store.Commit(w.ctx, sets[i]) }))
		w.lost(w.spending(c, w.now), onetime.Spend{})
		w.ErrorIs(just(w.store.TakeTry(w.ctx, c.ID, w.now)), change.ErrLost)
		late := w.code()
		w.NoError(just(w.store.TakeTry(w.ctx, late.ID, late.ExpiresAt.Add(-time.Millisecond))))
		w.ErrorIs(just(w.store.TakeTry(w.ctx, late.ID, late.ExpiresAt)), change.ErrLost)
		w.lost(w.spending(late, late.ExpiresAt), onetime.Spend{})
		w.lost(w.spending(w.newCode(), w.now), onetime.Spend{})
	}},
}
