package storetest

import (
	"fmt"
	"time"

	"github.com/rekey-dev/rekey/pkg/id"
	"github.com/rekey-dev/rekey/pkg/lock"
	"github.com/rekey-dev/rekey/pkg/serviceaccount"
	"github.com/rekey-dev/rekey/pkg/verify"
)

// lockPolicy locks after 5 wrong secrets in 10 minutes, for 20.
var lockPolicy = lock.Policy{Threshold: 5, Window: 10 * time.Minute, Duration: 20 * time.Minute}

func (w *world) failure(owner, source string, epoch int64, at time.Time) verify.Failure {
	return verify.Failure{Owner: owner, Source: source, Epoch: epoch, KeyID: "key_00000000000000000001", UserAgent: "guesser/1",
		At: at, Policy: lockPolicy}
}

func (w *world) count(f verify.Failure) lock.Counter {
	w.t.Helper()
	c, err := w.store.Count(w.ctx, f)
	w.NoError(err)
	return c
}

func (w *world) counter(owner string) lock.Counter {
	w.t.Helper()
	if a, ok := id.Parse[id.ServiceAccount](owner); ok {
		return w.readAccount(a).Lock
	}
	c, err := w.store.Credential(w.ctx, owner)
	w.NoError(err)
	return c.Lock
}

func (w *world) source(owner, address string) lock.Source {
	w.t.Helper()
	s, err := w.store.Source(w.ctx, owner, address)
	w.NoError(err)
	return s
}

// unlock raises the epoch of an account's lock.
func (w *world) unlock(a serviceaccount.Account) {
	w.t.Helper()
	s := w.edit(a, func(*serviceaccount.Account) {})
	u := s.Writes[0].(serviceaccount.Update)
	u.ClearLock = true
	s.Writes[0] = u
	w.commit(s)
}

// owners runs a test on an account's counter and on a token's.
func (w *world) owners(f func(owner string)) {
	w.t.Helper()
	f(string(w.account("Recorder", w.co).ID))
	f(string(w.token().ID))
}

var failureTests = []test{
	{"failures count up within a window, and say when window and lock end", func(w *world) {
		w.owners(func(owner string) {
			for i := range lockPolicy.Threshold {
				at := w.now.Add(time.Duration(i) * time.Second)
				got := w.count(w.failure(owner, "", 0, at))
				want := lock.Counter{Failures: i + 1, Threshold: lockPolicy.Threshold, WindowEndsAt: w.now.Add(lockPolicy.Window),
					LockEndsAt: at.Add(lockPolicy.Duration), LastFailureAt: at}
				w.same(want, got)
				w.same(want, w.counter(owner))
				w.Equal(i+1 == lockPolicy.Threshold, got.Locked(at))
			}
		})
	}},
	{"a failure after the window's end begins a new one", func(w *world) {
		w.owners(func(owner string) {
			w.count(w.failure(owner, "", 0, w.now))
			w.Equal(2, w.count(w.failure(owner, "", 0, w.now.Add(lockPolicy.Window-time.Second))).Failures)
			at := w.now.Add(lockPolicy.Window)
			want := lock.Counter{Failures: 1, Threshold: lockPolicy.Threshold, WindowEndsAt: at.Add(lockPolicy.Window),
				LockEndsAt: at.Add(lockPolicy.Duration), LastFailureAt: at}
			w.same(want, w.count(w.failure(owner, "", 0, at)))
			w.same(want, w.counter(owner))
		})
	}},
	{"a failure against a locked counter changes nothing", func(w *world) {
		w.owners(func(owner string) {
			for range lockPolicy.Threshold {
				w.count(w.failure(owner, "", 0, w.now))
			}
			locked := w.counter(owner)
			for _, later := range []time.Duration{0, lockPolicy.Window + time.Second, lockPolicy.Duration - time.Second} {
				w.same(locked, w.count(w.failure(owner, "", 0, w.now.Add(later))))
				w.same(locked, w.counter(owner))
			}
			w.Equal(1, w.count(w.failure(owner, "", 0, w.now.Add(lockPolicy.Duration))).Failures, "the lock has ended")
		})
	}},
	{"a lock that ends within its window begins a new one", func(w *world) {
		owner := string(w.account("Recorder", w.root).ID)
		f := w.failure(owner, "", 0, w.now)
		f.Policy = lock.Policy{Threshold: 3, Window: time.Hour, Duration: 5 * time.Minute}
		for range 3 {
			w.count(f)
		}
		w.True(w.counter(owner).Locked(w.now))
		f.At = w.now.Add(5 * time.Minute)
		got := w.count(f)
		w.Equal(1, got.Failures)
		w.False(got.Locked(f.At))
		w.True(got.WindowEndsAt.Equal(f.At.Add(time.Hour)))
	}},
	{"a failure of an older epoch changes nothing", func(w *world) {
		a := w.account("Recorder", w.root)
		for range lockPolicy.Threshold {
			w.count(w.failure(string(a.ID), "", 0, w.now))
		}
		w.unlock(a)
		cleared := w.readAccount(a.ID).Lock
		w.same(lock.Counter{Epoch: 1}, cleared)
		w.same(cleared, w.count(w.failure(string(a.ID), "", 0, w.now)))
		w.same(cleared, w.readAccount(a.ID).Lock)
		got := w.count(w.failure(string(a.ID), "", 1, w.now))
		w.Equal(int64(1), got.Epoch)
		w.Equal(1, got.Failures)
	}},
	{"failures move neither version nor event seq, and stop no change", func(w *world) {
		a := w.account("Recorder", w.root)
		w.count(w.failure(string(a.ID), "", 0, w.now))
		w.commit(w.edit(a, func(n *serviceaccount.Account) { n.Description = "edited" }))
		t := w.token()
		w.count(w.failure(string(t.ID), "", 0, w.now))
		w.commit(w.revocation(t))
	}},
	{"as many failures at once are counted as there were", func(w *world) {
		w.owners(func(owner string) {
			const n = 24
			for _, source := range []string{"", "192.0.2.7"} {
				for _, err := range together(n, func(int) error {
					f := w.failure(owner, source, 0, w.now)
					f.Policy.Threshold = 100
					_, err := w.store.Count(w.ctx, f)
					return err
				}) {
					w.NoError(err)
				}
			}
			w.Equal(n, w.counter(owner).Failures)
			w.Equal(n, w.source(owner, "192.0.2.7").Counter.Failures)
		})
	}},
	{"failures at once stop at the threshold", func(w *world) {
		w.owners(func(owner string) {
			for _, source := range []string{"", "192.0.2.7"} {
				for _, err := range together(24, func(int) error {
					c, err := w.store.Count(w.ctx, w.failure(owner, source, 0, w.now))
					if err == nil && (c.Failures < 1 || c.Failures > lockPolicy.Threshold) {
						return fmt.Errorf("%d failures are counted", c.Failures)
					}
					return err
				}) {
					w.NoError(err)
				}
			}
			w.Equal(lockPolicy.Threshold, w.counter(owner).Failures)
			w.Equal(lockPolicy.Threshold, w.source(owner, "192.0.2.7").Counter.Failures)
		})
	}},
	{"failures at once in a window that has ended begin one new window", func(w *world) {
		owner := string(w.account("Recorder", w.root).ID)
		w.count(w.failure(owner, "", 0, w.now))
		later := w.now.Add(lockPolicy.Window + time.Minute)
		for _, err := range together(4, func(int) error {
			_, err := w.store.Count(w.ctx, w.failure(owner, "", 0, later))
			return err
		}) {
			w.NoError(err)
		}
		got := w.counter(owner)
		w.Equal(4, got.Failures)
		w.True(got.WindowEndsAt.Equal(later.Add(lockPolicy.Window)))
	}},
	{"a source's failures are its own", func(w *world) {
		w.owners(func(owner string) {
			w.same(lock.Source{}, w.source(owner, "192.0.2.7"))
			w.count(w.failure(owner, "192.0.2.7", 0, w.now))
			got := w.count(w.failure(owner, "192.0.2.7", 0, w.now.Add(time.Second)))
			want := lock.Counter{Failures: 2, Threshold: lockPolicy.Threshold, WindowEndsAt: w.now.Add(lockPolicy.Window),
				LockEndsAt: w.now.Add(time.Second + lockPolicy.Duration), LastFailureAt: w.now.Add(time.Second)}
			w.same(want, got)
			w.count(w.failure(owner, "2001:db8::/64", 0, w.now))
			w.same(lock.Counter{}, w.counter(owner))
			w.same(lock.Source{Address: "192.0.2.7", UserAgent: "guesser/1", KeyID: "key_00000000000000000001", Counter: want},
				w.source(owner, "192.0.2.7"))
			w.Equal(1, w.source(owner, "2001:db8::/64").Counter.Failures)
			w.same(lock.Source{}, w.source(string(newID[id.ServiceAccount]()), "192.0.2.7"))
		})
	}},
	{"a source's count begins anew in a new epoch, and late failures do not take it back", func(w *world) {
		a := string(w.account("Recorder", w.root).ID)
		for range lockPolicy.Threshold {
			w.count(w.failure(a, "192.0.2.7", 0, w.now))
		}
		w.True(w.source(a, "192.0.2.7").Counter.Locked(w.now))
		got := w.count(w.failure(a, "192.0.2.7", 1, w.now))
		w.Equal(1, got.Failures)
		w.Equal(int64(1), got.Epoch)
		w.False(got.Locked(w.now))
		w.same(got, w.count(w.failure(a, "192.0.2.7", 0, w.now)))
		w.same(got, w.source(a, "192.0.2.7").Counter)
	}},
	{"failures against what is not there make nothing", func(w *world) {
		a, t := newID[id.ServiceAccount](), newID[id.PAT]()
		_, _ = w.store.Count(w.ctx, w.failure(string(a), "", 0, w.now))
		_, _ = w.store.Count(w.ctx, w.failure(string(t), "", 0, w.now))
		_, err := w.store.Account(w.ctx, a)
		w.notFound(err)
		_, err = w.store.Token(w.ctx, t)
		w.notFound(err)
		w.Nil(w.snapshot(string(t), verify.Names{Principal: string(a)}).Principal)
	}},
	{"the sources that fail are listed, most failures first", func(w *world) {
		w.owners(func(owner string) {
			for source, n := range map[string]int{"192.0.2.1": 2, "192.0.2.2": 5, "192.0.2.3": 1, "192.0.2.4": 4} {
				for range n {
					w.count(w.failure(owner, source, 1, w.now))
				}
			}
			w.count(w.failure(owner, "192.0.2.5", 0, w.now)) // of an older epoch
			w.count(w.failure(owner, "192.0.2.6", 1, w.now.Add(-lockPolicy.Window)))
			addresses := func(now time.Time, limit int) []string {
				got, err := w.store.Sources(w.ctx, owner, 1, now, limit)
				w.NoError(err)
				out := []string{}
				for _, s := range got {
					out = append(out, s.Address)
					w.Equal("guesser/1", s.UserAgent)
				}
				return out
			}
			w.Equal([]string{"192.0.2.2", "192.0.2.4", "192.0.2.1", "192.0.2.3"}, addresses(w.now, 10))
			w.Equal([]string{"192.0.2.2", "192.0.2.4"}, addresses(w.now, 2))
			w.Equal([]string{"192.0.2.2"}, addresses(w.now.Add(lockPolicy.Window), 10), "the one that is locked")
			w.Empty(addresses(w.now.Add(lockPolicy.Duration), 10))
		})
	}},
}
