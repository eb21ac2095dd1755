package sweep_test

import (
	"context"
	"fmt"
	"sync"
	"testing"
	"time"

	"github.com/stretchr/testify/require"

	"github.com/rekey-dev/rekey/pkg/rekeytest"
)

// ended makes a world in which so many keys have ended and nobody has said so yet.
func ended(t *testing.T, keys int) *rekeytest.World {
	t.Helper()
	w := rekeytest.New(t)
	for a := range 20 {
		account := w.Account(fmt.Sprint("Recorder ", a), w.Company)
		for range keys / 20 {
			w.IssueFor(account.ID, "k", time.Hour)
		}
	}
	w.Advance(day)
	w.Store.Reset()
	return w
}

// onceEach requires that so many keys' ends were announced, each once, and that nothing is due any more.
func onceEach(t *testing.T, w *rekeytest.World, keys int, what string) {
	t.Helper()
	seen := map[string]int{}
	for _, e := range expired(w) {
		seen[e.Target.ID]++
	}
	require.Len(t, seen, keys, what)
	for k, n := range seen {
		require.Equal(t, 1, n, "%s: %s", what, k)
	}
	due, err := w.Mem.Due(w.Ctx, 0, w.Now(), 1)
	require.NoError(t, err)
	require.Empty(t, due, what)
}

func TestSweep_WhereNothingIsDueAShardIsOneQueryAndNoLease_P3(t *testing.T) {
	w := rekeytest.New(t)
	w.IssueFor(w.Account("Recorder", w.Company).ID, "k", 90*day)
	s := sweeper(w)
	s.Shards = 16
	calls := w.Calls(func() {
		r, err := s.Sweep(w.Ctx, "run")
		require.NoError(t, err)
		require.Zero(t, r)
	})
	require.Len(t, calls, 16)
	for _, c := range calls {
		require.Equal(t, "Due", c)
	}
}

func TestSweep_ThreeAtOnceActOnEachOnce_P3(t *testing.T) {
	const due = 1000
	one := ended(t, due)
	alone := len(one.Calls(func() { run(t, one) }))
	for _, leases := range []bool{true, false} {
		w := ended(t, due)
		calls := w.Calls(func() {
			var wg sync.WaitGroup
			for range 3 {
				wg.Go(func() {
					if _, err := leasing(w, leases).Sweep(w.Ctx, "run"); err != nil {
						t.Error(err)
					}
				})
			}
			wg.Wait()
		})
		t.Logf("%d calls of three runs, %d of one, leases: %v", len(calls), alone, leases)
		if leases {
			require.LessOrEqual(t, len(calls), alone+2*4, "a look, the lease, another look, and the lease back")
		}
		for range 3 {
			w.Advance(10 * time.Minute)
			run(t, w)
		}
		onceEach(t, w, due, fmt.Sprint("leases: ", leases))
	}
}

// A run begins while another one is at any of its calls: it leaves the shard alone.
func TestSweep_ARunLeavesAShardThatAnotherIsAtAlone_P3(t *testing.T) {
	const due = 100
	begin := ended(t, due)
	alone := len(begin.Calls(func() { run(t, begin) }))
	for at := 1; at <= alone+1; at += 7 {
		w := ended(t, due)
		var inner, skipped int
		w.Store.Hook = func(n int, _ string) {
			if n != at {
				return
			}
			w.Store.Hook = nil
			before := len(w.Store.Calls())
			r, err := sweeper(w).Sweep(w.Ctx, "another")
			require.NoError(t, err)
			inner, skipped = len(w.Store.Calls())-before, r.Skipped
			if r.Skipped > 0 {
				require.Zero(t, r.Looked)
				require.Equal(t, day-time.Hour, r.Lag.Round(time.Minute), "how late it is, is known all the same")
			}
		}
		calls := len(w.Calls(func() { run(t, w) }))
		what := fmt.Sprintf("at call %d of %d", at, alone)
		onceEach(t, w, due, what)
		require.LessOrEqual(t, calls, alone+4, what)
		if at > 2 && at < alone {
			require.Equal(t, 1, skipped, what)
			require.Equal(t, 2, inner, what)
		}
	}
}

// A run that is killed at any of its calls cannot give its lease back. It ends by itself, and the next run does what is left.
func TestSweep_ARunThatIsKilledIsMadeGoodWhenItsLeaseHasEnded_P3(t *testing.T) {
	const due = 100
	begin := ended(t, due)
	alone := len(begin.Calls(func() { run(t, begin) }))
	cases := 0
	for at := 3; at < alone; at += 7 {
		w := ended(t, due)
		ctx, kill := context.WithCancel(w.Ctx)
		w.Store.Hook = func(n int, _ string) {
			if n == at {
				kill()
			}
		}
		_, err := sweeper(w).Sweep(ctx, "killed")
		what := fmt.Sprintf("at call %d of %d", at, alone)
		require.True(t, err != nil || at > alone-3, what)
		w.Store.Hook = nil
		before := len(expired(w))
		require.Less(t, before, due+1)
		w.Advance(time.Minute)
		require.Equal(t, 1, run(t, w).Skipped, what)
		require.Len(t, expired(w), before, what)
		w.Advance(5 * time.Second)
		for range 2 { // what the killed run put off while it died
			require.Zero(t, run(t, w).Skipped, what)
			w.Advance(5 * time.Minute)
		}
		onceEach(t, w, due, what)
		cases++
	}
	t.Logf("%d cases", cases)
}

// The lease of a run whose end is known lasts a little longer than that.
func TestSweep_ALeaseOutlastsItsRun_P3(t *testing.T) {
	w := ended(t, 20)
	end := w.Now().Add(55 * time.Second)
	ctx, cancel := context.WithDeadline(w.Ctx, end)
	defer cancel()
	w.Store.Hook = func(_ int, method string) {
		if method == "Commit" {
			w.Store.Hook = nil
			now := w.Now()
			w.Clock.Set(end.Add(5*time.Second - time.Millisecond))
			require.Equal(t, 1, run(t, w).Skipped)
			w.Clock.Set(end.Add(5 * time.Second))
			require.Equal(t, 20, run(t, w).Acted)
			w.Clock.Set(now)
		}
	}
	r, err := sweeper(w).Sweep(ctx, "slow")
	require.NoError(t, err)
	require.Zero(t, r.Failed)
	onceEach(t, w, 20, "although two runs were at it")
}
