package storetest

import (
	"time"

	"github.com/rekey-dev/rekey/pkg/apikey"
	"github.com/rekey-dev/rekey/pkg/audit"
	"github.com/rekey-dev/rekey/pkg/change"
	"github.com/rekey-dev/rekey/pkg/id"
)

func (w *world) seen(source string, at time.Time, count int64) apikey.Sighting {
	return apikey.Sighting{Source: source, UserAgent: "forgotten/1", LastAt: at, Count: count, RecordedAt: w.now}
}

// sightingRecord is on a key, as the verifier makes it.
func (w *world) sightingRecord(k apikey.Key, seq int64) *audit.Event {
	e := w.happened("key", string(k.ID), seq)
	e.Place, e.Action = k.Place, audit.RetiredSeen
	e.Details = map[string]any{"key_id": string(k.ID), "service_account_id": string(k.AccountID)}
	e.Actor = audit.Actor{Type: audit.Holder, ID: "holder", Name: "holder of a retired secret", KeyID: string(k.ID),
		KeyPrefix: k.Prefix()}
	return &e
}

func (w *world) sighting(cred, address string) apikey.Sighting {
	w.t.Helper()
	s, err := w.store.Sighting(w.ctx, cred, address)
	w.NoError(err)
	return s
}

var sightingTests = []test{
	{"a sighting reads as it was written, and is replaced only as it was read", func(w *world) {
		k := w.key(w.account("Recorder", w.root), "Production")
		cred := string(k.ID)
		w.same(apikey.Sighting{}, w.sighting(cred, home))
		first := w.seen(home, w.now, 1)
		w.NoError(w.store.See(w.ctx, cred, apikey.Sighting{}, first, nil))
		w.same(first, w.sighting(cred, home))
		second := w.seen(home, w.now.Add(time.Minute), 2)
		w.ErrorIs(w.store.See(w.ctx, cred, apikey.Sighting{}, second, nil), change.ErrLost)
		w.NoError(w.store.See(w.ctx, cred, first, second, nil))
		w.ErrorIs(w.store.See(w.ctx, cred, first, w.seen(home, w.now.Add(time.Hour), 2), nil), change.ErrLost)
		w.same(second, w.sighting(cred, home))
		away := w.seen("192.0.2.9", w.now, 1)
		w.ErrorIs(w.store.See(w.ctx, cred, away, w.seen("192.0.2.9", w.now.Add(time.Minute), 2), nil), change.ErrLost)
		w.same(k, w.readKey(k.ID))
	}},
	{"one of many simultaneous sightings is written", func(w *world) {
		k := w.key(w.account("Recorder", w.root), "Production")
		w.oneWon(together(8, func(int) error {
			return w.store.See(w.ctx, string(k.ID), apikey.Sighting{}, w.seen(home, w.now, 1), nil)
		}))
		events := make([]*audit.Event, 8)
		for i := range events {
			events[i] = w.sightingRecord(k, 2)
		}
		won := w.oneWon(together(len(events), func(i int) error {
			return w.store.See(w.ctx, string(k.ID), apikey.Sighting{}, w.seen("192.0.2.9", w.now, 1), events[i])
		}))
		for i, e := range events {
			if i == won {
				w.recorded(*e)
			} else {
				w.unrecorded(change.Set{Events: []audit.Event{*e}})
			}
		}
	}},
	{"a sighting with a record raises the event seq and shows on the key", func(w *world) {
		k := w.key(w.account("Recorder", w.co), "Production")
		cred := string(k.ID)
		e := w.sightingRecord(k, 2)
		w.NoError(w.store.See(w.ctx, cred, apikey.Sighting{}, w.seen(home, w.now, 1), e))
		w.recorded(*e)
		want := k
		want.EventSeq, want.RetiredSeenAt = 2, w.now
		w.same(want, w.readKey(k.ID))
		late := w.sightingRecord(k, 2)
		w.ErrorIs(w.store.See(w.ctx, cred, apikey.Sighting{}, w.seen("192.0.2.9", w.now, 1), late), change.ErrLost)
		w.unrecorded(change.Set{Events: []audit.Event{*late}})
		w.same(apikey.Sighting{}, w.sighting(cred, "192.0.2.9"))
		w.commit(w.editKey(w.readKey(k.ID), func(n *apikey.Key) { n.Name = "Renamed" }))
		w.True(w.readKey(k.ID).RetiredSeenAt.Equal(w.now))
		w.Error(w.store.See(w.ctx, cred, apikey.Sighting{}, w.seen("192.0.2.9", w.now, 1), &audit.Event{}))
	}},
	{"a sighting's record is found by the key and by its account", func(w *world) {
		k := w.key(w.account("Recorder", w.co), "Production")
		e := w.sightingRecord(k, 2)
		e.At = w.now.Add(time.Second)
		w.NoError(w.store.See(w.ctx, string(k.ID), apikey.Sighting{}, w.seen(home, w.now, 1), e))
		q := audit.Query{Place: w.co.ID(), From: e.At, KeyID: string(k.ID)}
		w.found([]audit.Event{*e}, q)
		q.KeyID, q.Account = "", k.AccountID
		w.found([]audit.Event{*e}, q)
	}},
	{"a retired token is seen as well", func(w *world) {
		t := w.token()
		e := w.happened("personal_access_token", string(t.ID), 2)
		w.NoError(w.store.See(w.ctx, string(t.ID), apikey.Sighting{}, w.seen(home, w.now, 1), &e))
		got, err := w.store.Token(w.ctx, t.ID)
		w.NoError(err)
		w.Equal(int64(2), got.EventSeq)
		w.same(w.seen(home, w.now, 1), w.sighting(string(t.ID), home))
	}},
	{"who sent a retired secret is listed, latest first", func(w *world) {
		k, other := w.key(w.account("A", w.root), "K"), w.key(w.account("B", w.root), "K")
		for i, source := range []string{"192.0.2.2", "192.0.2.3", "192.0.2.1"} {
			w.NoError(w.store.See(w.ctx, string(k.ID), apikey.Sighting{}, w.seen(source, w.now.Add(time.Duration(i)*time.Minute), 1), nil))
		}
		w.NoError(w.store.See(w.ctx, string(other.ID), apikey.Sighting{}, w.seen(home, w.now, 1), nil))
		got, err := w.store.Sightings(w.ctx, k.ID, 10)
		w.NoError(err)
		w.same([]apikey.Sighting{w.seen("192.0.2.1", w.now.Add(2*time.Minute), 1), w.seen("192.0.2.3", w.now.Add(time.Minute), 1),
			w.seen("192.0.2.2", w.now, 1)}, got)
		got, err = w.store.Sightings(w.ctx, k.ID, 2)
		w.NoError(err)
		w.Len(got, 2)
		got, err = w.store.Sightings(w.ctx, newID[id.Key](), 2)
		w.NoError(err)
		w.Empty(got)
	}},
}
