package storetest

import (
	"time"

	"github.com/rekey-dev/rekey/pkg/audit"
	"github.com/rekey-dev/rekey/pkg/change"
	"github.com/rekey-dev/rekey/pkg/id"
	"github.com/rekey-dev/rekey/pkg/lock"
	"github.com/rekey-dev/rekey/pkg/serviceaccount"
)

// locked counts so many failures that the owner is locked.
func (w *world) locked(owner string, at time.Time) lock.Counter {
	w.t.Helper()
	var c lock.Counter
	for range lockPolicy.Threshold {
		c = w.count(w.failure(owner, "", w.counter(owner).Epoch, at))
	}
	w.True(c.Locked(at))
	return c
}

func (w *world) lockRecord(owner string, seq int64) audit.Event {
	noun := "service_account"
	if _, ok := id.Parse[id.PAT](owner); ok {
		noun = "personal_access_token"
	}
	e := w.happened(noun, owner, seq)
	e.Action = audit.PrincipalLocked
	return e
}

// notAnnounced requires that an announcement was lost and left no record.
func (w *world) notAnnounced(owner string, c lock.Counter, e audit.Event) {
	w.t.Helper()
	w.ErrorIs(w.store.Announce(w.ctx, owner, c, e), change.ErrLost)
	w.unrecorded(change.Set{Events: []audit.Event{e}})
}

var announceTests = []test{
	{"a lock is announced once, with its record", func(w *world) {
		w.owners(func(owner string) {
			c := w.locked(owner, w.now)
			w.False(c.Announced)
			e := w.lockRecord(owner, 2)
			w.NoError(w.store.Announce(w.ctx, owner, c, e))
			w.recorded(e)
			c.Announced = true
			w.same(c, w.counter(owner))
			w.notAnnounced(owner, c, w.lockRecord(owner, 3))
			c.Announced = false
			w.notAnnounced(owner, c, w.lockRecord(owner, 3))
			w.same(w.counter(owner), w.count(w.failure(owner, "", 0, w.now)))
		})
	}},
	{"an announcement raises the event seq and no version", func(w *world) {
		a := w.account("Recorder", w.root)
		c := w.locked(string(a.ID), w.now)
		w.NoError(w.store.Announce(w.ctx, string(a.ID), c, w.lockRecord(string(a.ID), 2)))
		got := w.readAccount(a.ID)
		w.Equal(int64(2), got.EventSeq)
		w.Equal(a.Version, got.Version)
		w.lost(w.edit(a, func(*serviceaccount.Account) {}), serviceaccount.Update{})
		t := w.token()
		c = w.locked(string(t.ID), w.now)
		w.NoError(w.store.Announce(w.ctx, string(t.ID), c, w.lockRecord(string(t.ID), 2)))
		after, err := w.store.Token(w.ctx, t.ID)
		w.NoError(err)
		w.Equal(int64(2), after.EventSeq)
		w.Equal(t.Version, after.Version)
	}},
	{"one of many simultaneous announcements is made", func(w *world) {
		w.owners(func(owner string) {
			c := w.locked(owner, w.now)
			events := make([]audit.Event, 8)
			for i := range events {
				events[i] = w.lockRecord(owner, 2)
			}
			won := w.oneWon(together(len(events), func(i int) error { return w.store.Announce(w.ctx, owner, c, events[i]) }))
			for i, e := range events {
				if i == won {
					w.recorded(e)
				} else {
					w.unrecorded(change.Set{Events: []audit.Event{e}})
				}
			}
		})
	}},
	{"an announcement of another epoch or window, or with another seq, is lost", func(w *world) {
		a := w.account("Recorder", w.root)
		owner := string(a.ID)
		c := w.locked(owner, w.now)
		for _, seq := range []int64{1, 3} {
			w.notAnnounced(owner, c, w.lockRecord(owner, seq))
		}
		other := c
		other.Epoch++
		w.notAnnounced(owner, other, w.lockRecord(owner, 2))
		other = c
		other.WindowEndsAt = c.WindowEndsAt.Add(time.Second)
		w.notAnnounced(owner, other, w.lockRecord(owner, 2))
		w.unlock(a)
		w.notAnnounced(owner, c, w.lockRecord(owner, 3))
		w.False(w.counter(owner).Announced)
	}},
	{"the lock of each window is announced", func(w *world) {
		owner := string(w.account("Recorder", w.root).ID)
		w.NoError(w.store.Announce(w.ctx, owner, w.locked(owner, w.now), w.lockRecord(owner, 2)))
		later := w.now.Add(lockPolicy.Duration)
		c := w.locked(owner, later)
		w.False(c.Announced)
		w.NoError(w.store.Announce(w.ctx, owner, c, w.lockRecord(owner, 3)))
		w.True(w.counter(owner).Announced)
	}},
	{"an announcement without a complete record, or of nobody, is refused", func(w *world) {
		owner := string(w.account("Recorder", w.root).ID)
		c := w.locked(owner, w.now)
		w.Error(w.store.Announce(w.ctx, owner, c, audit.Event{}))
		w.False(w.counter(owner).Announced)
		nobody := string(newID[id.ServiceAccount]())
		w.notAnnounced(nobody, c, w.lockRecord(nobody, 1))
	}},
}
