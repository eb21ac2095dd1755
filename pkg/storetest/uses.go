package storetest

import (
	"time"

	"github.com/rekey-dev/rekey/pkg/apikey"
	"github.com/rekey-dev/rekey/pkg/audit"
	"github.com/rekey-dev/rekey/pkg/change"
	"github.com/rekey-dev/rekey/pkg/id"
	"github.com/rekey-dev/rekey/pkg/lock"
	"github.com/rekey-dev/rekey/pkg/verify"
)

const (
	home      = "198.51.100.1"
	elsewhere = "198.51.100.2"
)

// use is a request with a key, from home, that nobody remembers yet.
func (w *world) use(k apikey.Key, at time.Time) verify.Use {
	return verify.Use{Credential: credentialOf(k), Owner: string(k.AccountID), At: at, Address: home, UserAgent: "exporter/1"}
}

func (w *world) firstUse(k apikey.Key, seq int64) *audit.Event {
	e := w.onKey(k, seq)
	e.Action = audit.KeyFirstUsed
	e.Actor = audit.Actor{Type: audit.ServiceAccount, ID: string(k.AccountID), Name: "Recorder", KeyID: string(k.ID),
		KeyPrefix: k.Prefix()}
	return &e
}

var useTests = []test{
	{"a use is written with its time and its source, and moves no version", func(w *world) {
		k := w.key(w.account("Recorder", w.co), "Production")
		w.NoError(w.store.Use(w.ctx, w.use(k, w.now)))
		want := k
		want.LastUsedAt, want.UsedGen = w.now, 1
		w.same(want, w.readKey(k.ID))
		c, err := w.store.Credential(w.ctx, string(k.ID))
		w.NoError(err)
		w.same(credentialOf(want), c)
		w.same(lock.Source{Address: home, UserAgent: "exporter/1", AuthenticatedAt: w.now}, w.source(string(k.AccountID), home))
	}},
	{"a personal access token's use is written, with its source under the token", func(w *world) {
		t := w.token()
		c, err := w.store.Credential(w.ctx, string(t.ID))
		w.NoError(err)
		u := verify.Use{Credential: c, Owner: string(t.ID), At: w.now, Address: home, UserAgent: "curl/8"}
		e := w.happened("personal_access_token", string(t.ID), 2)
		u.Event = &e
		w.NoError(w.store.Use(w.ctx, u))
		late := e
		late.ID, late.Operation = newID[id.Event](), newID[id.Operation]()
		u.Event = &late
		w.ErrorIs(w.store.Use(w.ctx, u), change.ErrLost)
		got, err := w.store.Token(w.ctx, t.ID)
		w.NoError(err)
		t.LastUsedAt, t.UsedGen, t.EventSeq = w.now, 1, 2
		w.same(t, got)
		w.recorded(e)
		w.same(lock.Source{Address: home, UserAgent: "curl/8", AuthenticatedAt: w.now}, w.source(string(t.ID), home))
	}},
	{"a use of the source only records the source and leaves the minute as it is", func(w *world) {
		k := w.key(w.account("Recorder", w.co), "Production")
		w.NoError(w.store.Use(w.ctx, w.use(k, w.now)))
		k = w.readKey(k.ID)
		u := w.use(k, w.now.Add(time.Second))
		u.Address, u.SourceOnly, u.Event = elsewhere, true, w.firstUse(k, k.EventSeq+1)
		w.NoError(w.store.Use(w.ctx, u))
		want := k
		want.EventSeq++
		w.same(want, w.readKey(k.ID))
		w.recorded(*u.Event)
		w.True(w.source(string(k.AccountID), elsewhere).AuthenticatedAt.Equal(w.now.Add(time.Second)))
		u.Event = w.firstUse(k, k.EventSeq+1)
		w.ErrorIs(w.store.Use(w.ctx, u), change.ErrLost, "the seq is taken")
	}},
	{"a second use in a minute, or one of an earlier minute, is lost", func(w *world) {
		k := w.key(w.account("Recorder", w.root), "Production")
		w.NoError(w.store.Use(w.ctx, w.use(k, w.now)))
		minute := w.now.Truncate(time.Minute)
		for _, at := range []time.Time{w.now, minute, minute.Add(59 * time.Second), minute.Add(-time.Second), minute.Add(-time.Hour)} {
			w.ErrorIs(w.store.Use(w.ctx, w.use(k, at)), change.ErrLost)
		}
		w.NoError(w.store.Use(w.ctx, w.use(k, minute.Add(time.Minute))))
		w.True(w.readKey(k.ID).LastUsedAt.Equal(minute.Add(time.Minute)))
	}},
	{"one of many simultaneous uses is written", func(w *world) {
		k := w.key(w.account("Recorder", w.root), "Production")
		w.oneWon(together(16, func(int) error { return w.store.Use(w.ctx, w.use(k, w.now)) }))
		k = w.readKey(k.ID)
		w.oneWon(together(16, func(int) error { return w.store.Use(w.ctx, w.use(k, w.now.Add(time.Minute))) }))
	}},
	{"one of many simultaneous first uses is written and recorded", func(w *world) {
		k := w.key(w.account("Recorder", w.root), "Production")
		events := make([]*audit.Event, 8)
		for i := range events {
			events[i] = w.firstUse(k, 2)
		}
		won := w.oneWon(together(len(events), func(i int) error {
			u := w.use(k, w.now)
			u.Event = events[i]
			return w.store.Use(w.ctx, u)
		}))
		for i, e := range events {
			if i == won {
				w.recorded(*e)
			} else {
				w.unrecorded(change.Set{Events: []audit.Event{*e}})
			}
		}
		w.Equal(int64(2), w.readKey(k.ID).EventSeq)
	}},
	{"a new secret's first use is written in the same minute", func(w *world) {
		k := w.key(w.account("Recorder", w.root), "Production")
		w.NoError(w.store.Use(w.ctx, w.use(k, w.now)))
		old := w.readKey(k.ID)
		w.commit(w.regeneration(old))
		k = w.readKey(k.ID)
		w.Equal(int64(1), k.UsedGen)
		w.ErrorIs(w.store.Use(w.ctx, w.use(old, w.now.Add(time.Minute))), change.ErrLost, "of the old secret")
		w.NoError(w.store.Use(w.ctx, w.use(k, w.now.Add(time.Second))))
		got := w.readKey(k.ID)
		w.Equal(int64(2), got.UsedGen)
		w.True(got.LastUsedAt.Equal(w.now.Add(time.Second)))
		w.ErrorIs(w.store.Use(w.ctx, w.use(k, w.now)), change.ErrLost)
	}},
	{"a use with a record is one transaction, and its seq is the next", func(w *world) {
		k := w.key(w.account("Recorder", w.co), "Production")
		for _, seq := range []int64{1, 3} {
			u := w.use(k, w.now)
			u.Event = w.firstUse(k, seq)
			w.ErrorIs(w.store.Use(w.ctx, u), change.ErrLost)
			w.unrecorded(change.Set{Events: []audit.Event{*u.Event}})
			w.same(k, w.readKey(k.ID))
			w.same(lock.Source{}, w.source(string(k.AccountID), home))
		}
		u := w.use(k, w.now)
		u.Event = w.firstUse(k, 2)
		w.NoError(w.store.Use(w.ctx, u))
		w.recorded(*u.Event)
		got := w.readKey(k.ID)
		w.Equal(int64(2), got.EventSeq)
		w.Equal(k.Version, got.Version)
		w.Equal(home, w.source(string(k.AccountID), home).Address)
		w.found([]audit.Event{*u.Event}, audit.Query{Place: w.co.ID(), ActorType: audit.ServiceAccount})
	}},
	{"a use with an incomplete record is refused", func(w *world) {
		k := w.key(w.account("Recorder", w.root), "Production")
		u := w.use(k, w.now)
		u.Event = &audit.Event{}
		w.Error(w.store.Use(w.ctx, u))
		w.same(k, w.readKey(k.ID))
	}},
	{"a source is refreshed once a day", func(w *world) {
		k := w.key(w.account("Recorder", w.root), "Production")
		owner := string(k.AccountID)
		w.NoError(w.store.Use(w.ctx, w.use(k, w.now)))
		next := func(later time.Duration) {
			u := w.use(w.readKey(k.ID), w.now.Add(later))
			u.Source, u.UserAgent = w.source(owner, home), "exporter/2"
			w.NoError(w.store.Use(w.ctx, u))
		}
		next(time.Minute)
		got := w.source(owner, home)
		w.True(got.AuthenticatedAt.Equal(w.now))
		w.Equal("exporter/1", got.UserAgent)
		next(25 * time.Hour)
		got = w.source(owner, home)
		w.True(got.AuthenticatedAt.Equal(w.now.Add(25 * time.Hour)))
		w.Equal("exporter/2", got.UserAgent)
	}},
	{"a source's failures and its success are remembered side by side", func(w *world) {
		k := w.key(w.account("Recorder", w.root), "Production")
		owner := string(k.AccountID)
		counter := w.count(w.failure(owner, home, 0, w.now))
		u := w.use(k, w.now)
		u.Source = w.source(owner, home)
		w.NoError(w.store.Use(w.ctx, u))
		got := w.source(owner, home)
		w.same(counter, got.Counter)
		w.True(got.AuthenticatedAt.Equal(w.now))
		w.Equal("key_00000000000000000001", got.KeyID)
		w.Equal(2, w.count(w.failure(owner, home, 0, w.now)).Failures)
		w.True(w.source(owner, home).AuthenticatedAt.Equal(w.now))
	}},
	{"a digest moves to a new pepper only from the digest that was read", func(w *world) {
		k := w.key(w.account("Recorder", w.root), "Production")
		u := w.use(k, w.now)
		u.Remac, u.RemacVersion = newMAC(), "v2"
		w.NoError(w.store.Use(w.ctx, u))
		got := w.readKey(k.ID)
		w.Equal(u.Remac, got.MAC)
		w.Equal("v2", got.PepperVersion)
		w.Equal(k.Version, got.Version)
		w.Equal(k.Generation, got.Generation)
		w.False(w.retired(string(k.ID), k.MAC), "a digest of the current secret is not retired")
		late := w.use(k, w.now.Add(time.Minute)) // read before the digest moved
		late.Remac, late.RemacVersion = newMAC(), "v3"
		w.ErrorIs(w.store.Use(w.ctx, late), change.ErrLost)
		w.Equal(u.Remac, w.readKey(k.ID).MAC)
		w.NoError(w.store.Use(w.ctx, w.use(w.readKey(k.ID), w.now.Add(time.Minute))))
		w.Equal(u.Remac, w.readKey(k.ID).MAC)
	}},
	{"two keys of an account that meet in a new source are both written", func(w *world) {
		a := w.account("Recorder", w.root)
		var uses []verify.Use
		for _, name := range []string{"One", "Two", "Three"} {
			k := w.key(a, name)
			u := w.use(k, w.now)
			u.Event = w.firstUse(k, 2)
			uses = append(uses, u)
		}
		uses[2].Event = nil
		for i, err := range together(len(uses), func(i int) error { return w.store.Use(w.ctx, uses[i]) }) {
			w.NoError(err)
			if uses[i].Event != nil {
				w.recorded(*uses[i].Event)
			}
			got := w.readKey(id.Key(uses[i].Credential.ID))
			w.True(got.LastUsedAt.Equal(w.now))
		}
		w.True(w.source(string(a.ID), home).AuthenticatedAt.Equal(w.now))
	}},
	{"a use of what is not there makes nothing", func(w *world) {
		k := w.newKey(w.account("Recorder", w.root), "Nothing")
		w.ErrorIs(w.store.Use(w.ctx, w.use(k, w.now)), change.ErrLost)
		_, err := w.store.Key(w.ctx, k.ID)
		w.notFound(err)
	}},
}
