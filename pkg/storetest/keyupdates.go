package storetest

import (
	"time"

	"github.com/rekey-dev/rekey/pkg/apikey"
	"github.com/rekey-dev/rekey/pkg/change"
	"github.com/rekey-dev/rekey/pkg/id"
	"github.com/rekey-dev/rekey/pkg/permission"
	"github.com/rekey-dev/rekey/pkg/serviceaccount"
)

func (w *world) regeneration(k apikey.Key) change.Set {
	return w.editKey(k, func(n *apikey.Key) {
		n.Generation++
		n.MAC, n.PepperVersion = newMAC(), "v2"
	})
}

func (w *world) retired(cred string, macs ...[]byte) bool {
	w.t.Helper()
	yes, err := w.store.Retired(w.ctx, cred, macs)
	w.NoError(err)
	return yes
}

var keyUpdateTests = []test{
	{"a key's change is written as a whole", func(w *world) {
		a := w.account("Recorder", w.co)
		k := w.key(a, "Production")
		s := w.editKey(k, func(n *apikey.Key) {
			n.Name, n.Scopes, n.Off, n.RoleHint = "Staging", permission.Of(permission.KeysRead), true, "role_00000000000000000009"
			n.ExpiresAt, n.NoticeFrom, n.UpdatedAt = time.Time{}, time.Time{}, w.now.Add(time.Hour)
			n.RegeneratedAt = w.now.Add(time.Second)
			n.RotationID, n.SupersededBy, n.DueAt = newID[id.Rotation](), newID[id.Key](), w.now.Add(time.Minute)
			n.AnnouncedAt, n.RotateAt = w.now, w.now.Add(time.Hour)
		})
		w.commit(s)
		want := s.Writes[0].(apikey.Update).New
		w.same(want, w.readKey(k.ID))
		s = w.editKey(want, func(n *apikey.Key) {
			n.Ended = &serviceaccount.Ended{At: w.now.Add(time.Hour), By: "sa_00000000000000000001", Reason: apikey.ReasonSuperseded}
			n.ExpiresAt, n.Off = w.now.Add(time.Hour), false
			n.SupersededBy, n.DueAt = "", time.Time{}
		})
		w.commit(s)
		w.same(s.Writes[0].(apikey.Update).New, w.readKey(k.ID))
	}},
	{"a key is due from its time on, the longest due first, until it is due no more", func(w *world) {
		a := w.account("Recorder", w.co)
		due := func(k apikey.Key, at time.Time) apikey.Key {
			s := w.editKey(k, func(n *apikey.Key) { n.DueAt = at })
			w.commit(s)
			return s.Writes[0].(apikey.Update).New
		}
		first, second, later := w.newKey(a, "first"), w.key(a, "second"), w.key(a, "later")
		first.DueAt = w.now.Add(-time.Hour)
		w.commit(w.set(w.onKey(first, 1), apikey.Create{Key: first}))
		second = due(second, w.now)
		due(later, w.now.Add(time.Millisecond))
		listed := func(limit int) (out []id.Key) {
			for shard := range 16 {
				keys, err := w.store.Due(w.ctx, shard, w.now, limit)
				w.NoError(err)
				for _, k := range keys {
					if k.Key == first.ID || k.Key == second.ID || k.Key == later.ID {
						w.True(w.readKey(k.Key).DueAt.Equal(k.At))
						out = append(out, k.Key)
					}
				}
			}
			return out
		}
		w.ElementsMatch([]id.Key{first.ID, second.ID}, listed(1000))
		due(first, time.Time{})
		w.Equal([]id.Key{second.ID}, listed(1000))
	}},
	{"a key is rescheduled from the time at which it was due, and from no other", func(w *world) {
		k := w.key(w.account("Recorder", w.co), "k")
		w.NoError(w.store.Reschedule(w.ctx, k.ID, time.Time{}, apikey.Timing{DueAt: w.now, RotateAt: w.now.Add(time.Minute)}))
		w.ErrorIs(w.store.Reschedule(w.ctx, k.ID, time.Time{}, apikey.Timing{DueAt: w.now.Add(time.Hour)}), change.ErrLost)
		w.True(w.now.Equal(w.readKey(k.ID).DueAt))
		w.True(w.now.Add(time.Minute).Equal(w.readKey(k.ID).RotateAt))
		w.NoError(w.store.Reschedule(w.ctx, k.ID, w.now, apikey.Timing{}))
		w.True(w.readKey(k.ID).DueAt.IsZero())
		w.Equal(k.Version, w.readKey(k.ID).Version)
		w.ErrorIs(w.store.Reschedule(w.ctx, newID[id.Key](), time.Time{}, apikey.Timing{DueAt: w.now}), change.ErrLost)
	}},
	{"the first use of a rotation's new key makes it due", func(w *world) {
		k := w.key(w.account("Recorder", w.co), "new")
		s := w.editKey(k, func(n *apikey.Key) { n.RotationID, n.DueAt = newID[id.Rotation](), w.now.Add(time.Hour) })
		w.commit(s)
		k = s.Writes[0].(apikey.Update).New
		w.NoError(w.store.Use(w.ctx, w.use(k, w.now)))
		w.True(w.now.Equal(w.readKey(k.ID).DueAt))
		k = w.readKey(k.ID)
		s = w.editKey(k, func(n *apikey.Key) { n.DueAt = w.now.Add(time.Hour) })
		w.commit(s)
		w.NoError(w.store.Use(w.ctx, w.use(s.Writes[0].(apikey.Update).New, w.now.Add(time.Minute))))
		w.True(w.now.Add(time.Hour).Equal(w.readKey(k.ID).DueAt), "once")
	}},
	{"a change of an old version, event seq or generation of a key is lost", func(w *world) {
		k := w.key(w.account("Recorder", w.root), "Production")
		rename := func(n *apikey.Key) { n.Name = "Renamed" }
		for _, stale := range []func(*apikey.Key){
			func(k *apikey.Key) { k.Version-- },
			func(k *apikey.Key) { k.EventSeq-- },
			func(k *apikey.Key) { k.Generation-- },
		} {
			old := k
			stale(&old)
			w.lost(w.editKey(old, rename), apikey.Update{})
		}
		w.same(k, w.readKey(k.ID))
		w.commit(w.editKey(k, rename))
		w.lost(w.editKey(k, rename), apikey.Update{})
	}},
	{"a key that is not there is not changed", func(w *world) {
		k := w.newKey(w.account("Recorder", w.root), "Nothing")
		w.lost(w.editKey(k, func(n *apikey.Key) { n.Name = "Something" }), apikey.Update{})
		_, err := w.store.Key(w.ctx, k.ID)
		w.notFound(err)
	}},
	{"one of many simultaneous regenerations happens", func(w *world) {
		k := w.key(w.account("Recorder", w.root), "Production")
		sets := make([]change.Set, 8)
		for i := range sets {
			sets[i] = w.regeneration(k)
		}
		won := w.oneWon(together(len(sets), func(i int) error { return w.store.Commit(w.ctx, sets[i]) }))
		w.Equal(sets[won].Writes[0].(apikey.Update).New.MAC, w.readKey(k.ID).MAC)
		for i, s := range sets {
			if i != won {
				w.False(w.retired(string(k.ID), s.Writes[0].(apikey.Update).New.MAC), "a secret that never was")
			}
		}
	}},
	{"every secret that a key once had is remembered, and no other", func(w *world) {
		a := w.account("Recorder", w.root)
		k, other := w.key(a, "Production"), w.key(a, "Other")
		w.False(w.retired(string(k.ID), k.MAC))
		var old [][]byte
		for range 3 {
			old = append(old, k.MAC)
			w.commit(w.regeneration(k))
			k = w.readKey(k.ID)
		}
		w.Equal(int64(4), k.Generation)
		for _, mac := range old {
			w.True(w.retired(string(k.ID), mac))
			w.True(w.retired(string(k.ID), newMAC(), newMAC(), mac))
			w.False(w.retired(string(other.ID), mac))
		}
		w.False(w.retired(string(k.ID), k.MAC))
		w.False(w.retired(string(k.ID), newMAC(), newMAC()))
		w.False(w.retired(string(k.ID)))
		w.commit(w.editKey(k, func(n *apikey.Key) {
			n.Ended = &serviceaccount.Ended{At: w.now, By: "holder", Reason: apikey.ReasonCompromise}
		}))
		w.True(w.retired(string(k.ID), old[0]), "of an ended key too")
	}},
	{"a change that keeps the generation retires nothing", func(w *world) {
		k := w.key(w.account("Recorder", w.root), "Production")
		w.commit(w.editKey(k, func(n *apikey.Key) { n.Name = "Renamed" }))
		w.False(w.retired(string(k.ID), k.MAC))
	}},
	{"a change keeps what uses wrote after it was read", func(w *world) {
		a := w.account("Recorder", w.root)
		k := w.key(a, "Production")
		u := w.use(k, w.now)
		u.Remac, u.RemacVersion = newMAC(), "v2"
		w.NoError(w.store.Use(w.ctx, u))
		w.commit(w.editKey(k, func(n *apikey.Key) { n.Name = "Renamed" }))
		got := w.readKey(k.ID)
		w.Equal("Renamed", got.Name)
		w.True(got.LastUsedAt.Equal(w.now))
		w.Equal(int64(1), got.UsedGen)
		w.Equal(u.Remac, got.MAC, "the digest under the new pepper")
		w.Equal("v2", got.PepperVersion)
	}},
	{"a secret whose digest moved to a new pepper is remembered when it is retired", func(w *world) {
		k := w.key(w.account("Recorder", w.root), "Production")
		u := w.use(k, w.now)
		u.Remac, u.RemacVersion = newMAC(), "v2"
		w.NoError(w.store.Use(w.ctx, u))
		w.lost(w.regeneration(k), apikey.Update{}) // it would retire a digest that nobody asks for once the old pepper is gone
		w.commit(w.regeneration(w.readKey(k.ID)))
		w.True(w.retired(string(k.ID), u.Remac))
	}},
	{"a use does not stand in the way of a change, an event on the key does", func(w *world) {
		a := w.account("Recorder", w.root)
		k := w.key(a, "Production")
		w.NoError(w.store.Use(w.ctx, w.use(k, w.now)))
		w.commit(w.regeneration(k))
		k = w.readKey(k.ID)
		u := w.use(k, w.now.Add(time.Minute))
		e := w.onKey(k, k.EventSeq+1)
		u.Event = &e
		w.NoError(w.store.Use(w.ctx, u))
		w.lost(w.regeneration(k), apikey.Update{})
		w.commit(w.regeneration(w.readKey(k.ID)))
	}},
}
