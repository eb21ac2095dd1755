package verify_test

import (
	"context"
	"flag"
	"strconv"
	"sync"
	"sync/atomic"
	"testing"

	"github.com/stretchr/testify/require"

	"github.com/rekey-dev/rekey/pkg/apikey"
	"github.com/rekey-dev/rekey/pkg/fault"
	"github.com/rekey-dev/rekey/pkg/id"
	"github.com/rekey-dev/rekey/pkg/lock"
	"github.com/rekey-dev/rekey/pkg/rekeytest"
	"github.com/rekey-dev/rekey/pkg/token"
	"github.com/rekey-dev/rekey/pkg/verify"
)

var revokes = flag.Int("rekey.revokes", 200, "revocations under concurrent requests, of each kind")

const (
	workers = 64
	during  = 15 // requests that each worker sends while the secret is being ended
)

// afterAck lets 64 workers send a secret, ends it under their hands, and returns how many requests that began after the end
// was acknowledged were allowed, and how many requests there were before.
func afterAck(w *rekeytest.World, env *verify.Verifier, s token.Secret, end func()) (late, before int64) {
	for range 2 { // the environment is warm: whatever it may remember it remembers
		if _, err := env.Verify(w.Ctx, verify.Presented{Secret: s}, w.Origin(rekeytest.Home)); err != nil {
			w.T.Errorf("warming: %v", err)
		}
	}
	var acked atomic.Bool
	var allowedLate, allowed atomic.Int64
	var started, done sync.WaitGroup
	started.Add(workers)
	begin, over := make(chan struct{}), make(chan struct{})
	for range workers {
		done.Go(func() {
			ask := func(began bool) {
				v, err := env.Verify(w.Ctx, verify.Presented{Secret: s}, w.Origin(rekeytest.Home))
				if err == nil && v.Class == verify.Allow {
					allowed.Add(1)
					if began {
						allowedLate.Add(1)
					}
				}
			}
			ask(false)
			started.Done()
			<-begin
			for range during {
				ask(acked.Load())
			}
			<-over
			for range 3 {
				ask(true)
			}
		})
	}
	started.Wait()
	close(begin)
	end()
	acked.Store(true)
	close(over)
	done.Wait()
	return allowedLate.Load(), allowed.Load() - allowedLate.Load()
}

// endings are the operations after whose answer no request with the secret is allowed.
var endings = map[string]func(w *rekeytest.World, k apikey.Shown) error{
	"revoke": func(w *rekeytest.World, k apikey.Shown) error {
		_, err := w.Keys.Revoke(w.Ctx, w.As(w.Owner), k.View.Key.ID, "", "")
		return err
	},
	"regenerate": func(w *rekeytest.World, k apikey.Shown) error {
		_, err := w.Keys.Regenerate(w.Ctx, w.As(w.Owner), k.View.Key.ID, apikey.Expiry{}, false)
		return err
	},
	"account": func(w *rekeytest.World, k apikey.Shown) error {
		_, err := w.Accounts.Revoke(w.Ctx, w.As(w.Owner), k.View.Account.ID, "")
		return err
	},
	"rotate all": func(w *rekeytest.World, k apikey.Shown) error {
		_, err := w.Keys.Rotate(w.Ctx, w.As(w.Owner), k.View.Account.ID, apikey.Rotate{All: true})
		return err
	},
	"deactivate": func(w *rekeytest.World, k apikey.Shown) error {
		_, err := w.Keys.Deactivate(w.Ctx, w.As(w.Owner), k.View.Key.ID)
		return err
	},
}

func TestVerify_NoRequestThatBeginsAfterTheAcknowledgementIsAllowed_D4_S4_W8(t *testing.T) {
	for name, end := range endings {
		t.Run(name, func(t *testing.T) {
			w := rekeytest.New(t)
			env := w.Environment(w.Mem)
			a := w.Account("Recorder", w.Company).ID
			var allowed int64
			for i := range *revokes {
				if name == "account" {
					a = w.Account("Recorder "+strconv.Itoa(i), w.Company).ID
				}
				k := w.Issue(a, "k")
				if name == "rotate all" && i == 0 {
					w.Issue(a, "second")
				}
				late, before := afterAck(w, env, k.Secret, func() { require.NoError(t, end(w, k)) })
				require.Zero(t, late, "requests allowed that began after the acknowledgement, at %d", i)
				require.GreaterOrEqual(t, before, int64(workers), "every worker was let in before")
				allowed += before
			}
			t.Logf("%d times, %d requests allowed before, 0 after", *revokes, allowed)
		})
	}
}

func TestVerify_TheCheckFindsACachedAndAStaleVerdictAndAnAccountThatIsNotLookedAt_D4(t *testing.T) {
	for name, wrong := range map[string]func(verify.Store) verify.Store{
		"cached": func(s verify.Store) verify.Store { return &caching{Store: s, lag: 1 << 30} },
		// An eventually consistent read, whose lag outlasts the requests that are under way.
		"stale": func(s verify.Store) verify.Store { return &caching{Store: s, lag: workers*during + workers} },
		"blind": func(s verify.Store) verify.Store { return blind{s} },
	} {
		t.Run(name, func(t *testing.T) {
			w := rekeytest.New(t)
			for kind, end := range endings {
				env := w.Environment(wrong(w.Mem))
				a := w.Account("Recorder "+kind, w.Company)
				k := w.Issue(a.ID, "k")
				w.Issue(a.ID, "second")
				late, _ := afterAck(w, env, k.Secret, func() { require.NoError(t, end(w, k)) })
				if name == "blind" && (kind == "revoke" || kind == "regenerate" || kind == "deactivate") {
					require.Zero(t, late, kind+": the key itself is looked at")
				} else {
					require.Positive(t, late, kind)
				}
			}
		})
	}
}

// caching is a wrong store: after a change it goes on answering with what was before, for so many reads.
type caching struct {
	verify.Store
	lag int

	mu   sync.Mutex
	kept map[string]*keptSnapshot
}

type keptSnapshot struct {
	snap verify.Snapshot
	left int
}

func (c *caching) Snapshot(ctx context.Context, cred string, names verify.Names) (verify.Snapshot, error) {
	snap, err := c.Store.Snapshot(ctx, cred, names)
	if err != nil || cred == "" {
		return snap, err
	}
	c.mu.Lock()
	defer c.mu.Unlock()
	k := c.kept[cred]
	switch {
	case k == nil:
		if c.kept == nil {
			c.kept = map[string]*keptSnapshot{}
		}
		c.kept[cred] = &keptSnapshot{snap, c.lag}
	case changed(k.snap, snap) && k.left > 0:
		k.left--
		return k.snap, nil
	}
	return snap, nil
}

func changed(a, b verify.Snapshot) bool {
	return a.Credential.EventSeq != b.Credential.EventSeq || a.Principal.EventSeq != b.Principal.EventSeq
}

// blind is a wrong store: to it every principal is as it was at first.
type blind struct{ verify.Store }

func (b blind) Snapshot(ctx context.Context, cred string, names verify.Names) (verify.Snapshot, error) {
	snap, err := b.Store.Snapshot(ctx, cred, names)
	if snap.Principal != nil {
		p := *snap.Principal
		p.Active, p.IssueEpoch = true, 1
		snap.Principal = &p
	}
	return snap, err
}

// evaluations counts the wrong secrets that are evaluated: after the digest, only these are looked up among the retired.
type evaluations struct {
	verify.Store
	n atomic.Int64
}

func (e *evaluations) Retired(ctx context.Context, cred string, macs [][]byte) (bool, error) {
	e.n.Add(1)
	return e.Store.Retired(ctx, cred, macs)
}

// guess lets 64 workers send wrong secrets until each has been told n times that the account is locked, or has sent limit,
// and returns how many secrets were evaluated, and how many of those in requests that began when the lock was visible.
func guess(w *rekeytest.World, store verify.Store, s token.Secret, limit int) (evaluated, late int64) {
	counted := &evaluations{Store: store}
	env := w.Environment(counted)
	var lockSeen atomic.Bool
	var lateOnes atomic.Int64
	var all sync.WaitGroup
	wrong := make([]token.Secret, workers)
	for i := range wrong {
		wrong[i] = w.Wrong(s)
	}
	for i := range workers {
		all.Go(func() {
			for sent, refused := 0, 0; sent < limit && refused < 3; sent++ {
				began := lockSeen.Load()
				v, err := env.Verify(w.Ctx, verify.Presented{Secret: wrong[i]}, w.Origin(rekeytest.Away))
				switch {
				case err != nil:
				case v.Status == verify.StatusLocked:
					lockSeen.Store(true)
					refused++
				case began:
					lateOnes.Add(1)
				}
			}
		})
	}
	all.Wait()
	return counted.n.Load(), lateOnes.Load()
}

func TestVerify_ParallelGuessesBeyondTheThresholdAreAtMostThoseUnderWay_I2(t *testing.T) {
	for range 50 {
		w := rekeytest.New(t)
		a := w.Account("Recorder", w.Company)
		k := w.Issue(a.ID, "k")
		evaluated, late := guess(w, w.Mem, k.Secret, 1000)
		require.LessOrEqual(t, evaluated, int64(lock.Default.Threshold+workers))
		require.GreaterOrEqual(t, evaluated, int64(lock.Default.Threshold))
		require.Zero(t, late, "evaluated although the lock was visible when the request began")
		require.Equal(t, lock.Default.Threshold, w.ReadAccount(a.ID).Lock.Failures, "not one is lost, and none is counted beyond")
		require.Len(t, w.Records("principal.locked"), 1)
	}
}

func TestVerify_TheCheckFindsACounterThatIsReadAndThenWritten_I2(t *testing.T) {
	w := rekeytest.New(t)
	k := w.Issue(w.Account("Recorder", w.Company).ID, "k")
	naive := &readThenWrite{Store: w.Mem, counters: map[string]lock.Counter{}, arrived: make(chan struct{})}
	evaluated, _ := guess(w, naive, k.Secret, 1000)
	require.Greater(t, evaluated, int64(lock.Default.Threshold+workers))
}

// readThenWrite is a wrong store: its counter of a principal is read, raised and written back. All workers read before any
// writes.
type readThenWrite struct {
	verify.Store
	mu       sync.Mutex
	counters map[string]lock.Counter
	waiting  int
	arrived  chan struct{}
}

func (r *readThenWrite) Snapshot(ctx context.Context, cred string, names verify.Names) (verify.Snapshot, error) {
	snap, err := r.Store.Snapshot(ctx, cred, names)
	if snap.Principal != nil {
		p := *snap.Principal
		r.mu.Lock()
		p.Lock = r.counters[p.ID]
		r.mu.Unlock()
		snap.Principal = &p
	}
	return snap, err
}

func (r *readThenWrite) Count(_ context.Context, f verify.Failure) (lock.Counter, error) {
	if f.Source != "" {
		return lock.Counter{}, nil
	}
	r.mu.Lock()
	c := r.counters[f.Owner]
	r.waiting++
	turn := r.arrived
	if r.waiting == workers {
		r.waiting, r.arrived = 0, make(chan struct{})
		close(turn)
	}
	r.mu.Unlock()
	<-turn
	c.Failures++
	c.Threshold, c.LockEndsAt, c.Announced = f.Policy.Threshold, f.At.Add(f.Policy.Duration), true
	r.mu.Lock()
	defer r.mu.Unlock()
	r.counters[f.Owner] = c
	return c, nil
}

func TestVerify_ValidRequestsAtOnceAreAllAllowed_B2(t *testing.T) {
	w := rekeytest.New(t)
	k := w.Issue(w.Account("Recorder", w.Company).ID, "k")
	w.Guess(k.Secret, rekeytest.Away, 5)
	var all sync.WaitGroup
	var refused atomic.Int64
	for range 500 {
		all.Go(func() {
			v, err := w.Verifier.Verify(w.Ctx, verify.Presented{Secret: k.Secret}, w.Origin(rekeytest.Home))
			if err != nil || v.Class != verify.Allow {
				refused.Add(1)
				return
			}
			w.Verifier.Used(w.Ctx, v, k.Secret, w.Origin(rekeytest.Home))
		})
	}
	all.Wait()
	require.Zero(t, refused.Load())
	require.Len(t, w.Records("key.first_used"), 1, "of many first requests one writes")
}

func TestVerify_RevocationsAtOnceEndOneKeyOnce_D4(t *testing.T) {
	w := rekeytest.New(t)
	a := w.Account("Recorder", w.Company)
	k := w.Issue(a.ID, "k")
	c := w.As(w.Owner)
	var all sync.WaitGroup
	errs := make([]error, 16)
	for i := range errs {
		all.Go(func() {
			_, errs[i] = w.Keys.Revoke(context.Background(), c, k.View.Key.ID, "", "")
		})
	}
	all.Wait()
	for _, err := range errs {
		require.True(t, err == nil || fault.Is(err, fault.Unavailable), "%v", err)
	}
	require.Len(t, w.Records("key.revoked"), 1)
	require.Zero(t, w.ReadAccount(a.ID).KeyCount)
	require.NotEqual(t, id.Key(""), k.View.Key.ID)
}
