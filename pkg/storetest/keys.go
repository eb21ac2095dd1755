package storetest

import (
	"strings"
	"time"

	"github.com/rekey-dev/rekey/pkg/apikey"
	"github.com/rekey-dev/rekey/pkg/id"
	"github.com/rekey-dev/rekey/pkg/permission"
	"github.com/rekey-dev/rekey/pkg/serviceaccount"
	"github.com/rekey-dev/rekey/pkg/token"
)

// keyAt commits a key that was created so much later than the world began, changed by f.
func (w *world) keyAt(a serviceaccount.Account, name string, later time.Duration, f func(*apikey.Key)) apikey.Key {
	w.t.Helper()
	k := w.newKey(a, name)
	k.CreatedAt = w.now.Add(later)
	if f != nil {
		f(&k)
	}
	w.commit(w.issue(a, k))
	return k
}

func (w *world) liveKeys(a serviceaccount.Account, now time.Time) []id.Key {
	w.t.Helper()
	live, err := w.store.LiveKeys(w.ctx, a, now)
	w.NoError(err)
	out := []id.Key{}
	for _, k := range live {
		out = append(out, k.ID)
	}
	return out
}

var keyTests = []test{
	{"a key reads as it was written", func(w *world) {
		a, b := w.account("Recorder", w.co), w.account("Recorder", w.root)
		k := w.key(a, "Production")
		w.same(k, w.readKey(k.ID))
		bare := apikey.Key{ID: newID[id.Key](), Kind: token.GatewayKey, AccountID: b.ID, Place: b.Place, Name: "Bare",
			RoleHint: "role_00000000000000000009", Generation: 3, MAC: newMAC(), PepperVersion: "v2", Off: true,
			CreatedAt: w.now, UpdatedAt: w.now, Version: 1, EventSeq: 1}
		w.commit(w.issue(b, bare))
		w.same(bare, w.readKey(bare.ID))
		_, err := w.store.Key(w.ctx, newID[id.Key]())
		w.notFound(err)
	}},
	{"a key's ID is taken once", func(w *world) {
		a := w.account("Recorder", w.root)
		k := w.key(a, "Production")
		again := w.newKey(a, "Other")
		again.ID = k.ID
		w.lost(w.issue(w.readAccount(a.ID), again), apikey.Create{})
		w.same(k, w.readKey(k.ID))
		w.Equal(1, w.readAccount(a.ID).KeyCount)
	}},
	{"keys may have one name", func(w *world) {
		a := w.account("Recorder", w.root)
		w.key(a, "Production")
		w.key(a, "Production")
	}},
	{"an account's keys are listed newest first, ended ones too, in pages", func(w *world) {
		a, b := w.account("A", w.root), w.account("B", w.root)
		w.key(b, "Not A's")
		var want []id.Key
		for i, later := range []int{3, 1, 4, 0, 2} {
			k := w.keyAt(a, "K", time.Duration(later)*time.Second, func(k *apikey.Key) {
				if i == 2 {
					k.Ended = &serviceaccount.Ended{At: w.now, By: "holder", Reason: apikey.ReasonCompromise}
				}
			})
			want = append(want, k.ID)
		}
		want = []id.Key{want[2], want[0], want[4], want[1], want[3]}
		for _, limit := range []int{1, 2, 4, 5, 100} {
			var got []id.Key
			after, pages := "", 0
			for {
				ids, next, err := w.store.AccountKeys(w.ctx, a.ID, after, limit)
				w.NoError(err)
				w.LessOrEqual(len(ids), limit)
				got = append(got, ids...)
				if pages++; next == "" || pages > 10 {
					break
				}
				after = next
			}
			w.Equal(want, got, "with a limit of %d", limit)
		}
		none, next, err := w.store.AccountKeys(w.ctx, newID[id.ServiceAccount](), "", 10)
		w.NoError(err)
		w.Empty(none)
		w.Empty(next)
	}},
	{"live keys are those of the epoch that have not ended, newest first, without digests", func(w *world) {
		a := w.account("Recorder", w.co)
		old := w.keyAt(a, "Active", 0, nil)
		off := w.keyAt(a, "Inactive", time.Second, func(k *apikey.Key) { k.Off = true })
		w.keyAt(a, "Expired", 2*time.Second, func(k *apikey.Key) { k.ExpiresAt = w.now.Add(time.Hour) })
		w.keyAt(a, "Revoked", 3*time.Second, func(k *apikey.Key) {
			k.Ended = &serviceaccount.Ended{At: w.now, By: "holder", Reason: apikey.ReasonCompromise}
		})
		never := w.keyAt(a, "For ever", 4*time.Second, func(k *apikey.Key) { k.ExpiresAt, k.NoticeFrom = time.Time{}, time.Time{} })
		a = w.readAccount(a.ID)
		live, err := w.store.LiveKeys(w.ctx, a, w.now.Add(time.Hour))
		w.NoError(err)
		w.Len(live, 3)
		for i, want := range []apikey.Key{never, off, old} {
			got := live[i]
			w.Equal(want.ID, got.ID)
			w.Equal(want.Scopes, got.Scopes)
			w.Empty(got.MAC)
			w.Equal(want.Name, got.Name)
			w.Equal(want.Off, got.Off)
			w.Equal(want.Generation, got.Generation)
			w.Equal(want.IssueEpoch, got.IssueEpoch)
			w.True(want.ExpiresAt.Equal(got.ExpiresAt))
			w.True(want.CreatedAt.Equal(got.CreatedAt))
		}
		w.Len(w.liveKeys(a, w.now.Add(time.Hour-time.Second)), 4, "before the end of the one that expires")
	}},
	{"no key is live once its epoch was ended", func(w *world) {
		a := w.account("Recorder", w.root)
		w.key(a, "One")
		w.key(a, "Two")
		a = w.readAccount(a.ID)
		w.Len(w.liveKeys(a, w.now), 2)
		w.commit(w.rotation(a, 0))
		a = w.readAccount(a.ID)
		w.Empty(w.liveKeys(a, w.now))
		k := w.newKey(a, "Three")
		w.commit(w.issue(a, k))
		w.Equal([]id.Key{k.ID}, w.liveKeys(w.readAccount(a.ID), w.now))
	}},
	{"no key of a revoked account is live", func(w *world) {
		a := w.account("Recorder", w.root)
		w.key(a, "One")
		w.commit(w.revoke(w.readAccount(a.ID)))
		w.Empty(w.liveKeys(w.readAccount(a.ID), w.now))
	}},
	{"an account can have many live keys", func(w *world) {
		a := w.account("Recorder", w.root)
		for i := range 60 {
			w.keyAt(a, strings.Repeat("n", 100), time.Duration(i)*time.Second, func(k *apikey.Key) { k.Scopes = permission.All })
		}
		w.Len(w.liveKeys(w.readAccount(a.ID), w.now), 60)
	}},
}
