package sweep_test

import (
	"context"
	"fmt"
	"math/rand/v2"
	"strings"
	"sync"
	"sync/atomic"
	"testing"
	"time"

	"github.com/stretchr/testify/require"

	"github.com/rekey-dev/rekey/pkg/audit"
	"github.com/rekey-dev/rekey/pkg/memstore"
	"github.com/rekey-dev/rekey/pkg/rekeytest"
	"github.com/rekey-dev/rekey/pkg/rotation"
)

// busy makes a world with n things due: a half of keys that have ended, a quarter of overlaps that have run out, a quarter of new
// keys that were used for the first time.
func busy(t *testing.T, n int) *rekeytest.World {
	w := rekeytest.New(t)
	var over, seen []rotation.Shown
	for i := range n / 20 {
		a := w.Account(fmt.Sprint("Recorder ", i), w.Company).ID
		for range 10 {
			w.IssueFor(a, "k", time.Hour)
		}
		for j := range 10 {
			out, err := w.Rotations.Rotate(w.Ctx, w.As(w.Owner), w.Issue(a, "k").View.Key.ID, rotation.Start{Mode: rotation.Overlap,
				Overlap: []time.Duration{time.Hour, 30 * day}[j%2]})
			require.NoError(t, err)
			w.Note(out.Secret)
			if j%2 == 0 {
				over = append(over, out)
			} else {
				seen = append(seen, out)
			}
		}
	}
	w.Advance(2 * time.Hour)
	for _, out := range seen {
		w.Allowed(out.Secret, rekeytest.Home)
	}
	require.Len(t, over, n/4)
	return w
}

// killed is a process of the sweeper that dies before one of its calls, or not at all.
func killed(w *rekeytest.World, at int, leases bool) (died bool) {
	ctx, kill := context.WithCancel(w.Ctx)
	defer kill()
	store := memstore.NewFlaky(w.Mem)
	var gone atomic.Bool
	store.Hook = func(n int, _ string) {
		if n == at {
			gone.Store(true)
			kill()
		}
	}
	keys, rotations := *w.Keys, *w.Rotations
	keys.Store = store
	rotations.Store, rotations.Keys, rotations.Terms = store, &keys, rotation.Under(store)
	s := *sweeper(w)
	s.Store, s.Keys, s.Rotations, s.Terms = store, &keys, &rotations, rotations.Terms
	if s.Leases = nil; leases {
		s.Leases = store
	}
	_, _ = s.Sweep(ctx, "run")
	return gone.Load()
}

// Three processes at once over 1,000 things that are due, each killed at a random call, and three more a minute later, until
// nothing is left: each thing was acted on once.
func TestSweep_ThreeAtOnceThatAreKilledActOnEachOnce_P3(t *testing.T) {
	const due = 1000
	for _, leases := range []bool{true, false} {
		for seed := range uint64(4) {
			random := rand.New(rand.NewPCG(seed, 4))
			w := busy(t, due)
			kills, rounds := 0, 0
			for ; ; rounds++ {
				left, err := w.Mem.Due(w.Ctx, 0, w.Now().Add(time.Hour), 1)
				require.NoError(t, err)
				if len(left) == 0 {
					break
				}
				require.Less(t, rounds, 100, "seed %d: %v is left", seed, left)
				var wg sync.WaitGroup
				var died atomic.Int64
				for range 3 {
					at := 1 + random.IntN(2500)
					wg.Go(func() {
						if killed(w, at, leases) {
							died.Add(1)
						}
					})
				}
				wg.Wait()
				kills += int(died.Load())
				w.Advance(66 * time.Second)
			}
			t.Logf("seed %d, leases %v: %d kills in %d rounds", seed, leases, kills, rounds)
			require.Positive(t, kills)
			once := map[string]int{}
			for _, e := range w.Mem.Events() {
				if what := e.Details["change"]; what == audit.KeyExpired || strings.HasPrefix(e.Action, "rotation.") && e.Action != audit.RotationStarted {
					once[fmt.Sprint(e.Action, what, e.Target.ID)]++
				}
			}
			require.Len(t, once, due/2+due/4*2+due/4, "ends of keys and of overlaps, rotations that were retired, and seen")
			for what, n := range once {
				require.Equal(t, 1, n, "seed %d: %s", seed, what)
			}
		}
	}
}
