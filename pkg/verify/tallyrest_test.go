package verify_test

import (
	"context"
	"errors"
	"fmt"
	"sync/atomic"
	"testing"
	"time"

	"github.com/stretchr/testify/require"

	"github.com/rekey-dev/rekey/pkg/fault"
	"github.com/rekey-dev/rekey/pkg/memstore"
	"github.com/rekey-dev/rekey/pkg/rekeytest"
	"github.com/rekey-dev/rekey/pkg/usage"
	"github.com/rekey-dev/rekey/pkg/verify"
)

// refusing is a store that refuses rows of usage while it is told to, and knows how often it was asked.
type refusing struct {
	verify.Store
	refuses bool
	asked   atomic.Int64
}

func (s *refusing) Tally(ctx context.Context, r usage.Row) error {
	s.asked.Add(1)
	if s.refuses {
		return fault.Down(errors.New("throttled"))
	}
	return s.Store.Tally(ctx, r)
}

func refuse(w *rekeytest.World) *refusing {
	s := &refusing{Store: w.Store, refuses: true}
	w.Verifier = w.Environment(s)
	return s
}

func TestUsage_AStoreThatRefusesRowsIsAskedOnceASecondAndNotByEveryRequest_B4(t *testing.T) {
	w := rekeytest.New(t)
	k := w.Issue(w.Account("Recorder", w.Company).ID, "k")
	s := refuse(w)
	first := w.Now()
	const seconds, rate = 30, 50
	for range seconds * rate {
		getKey(w, k.Secret, rekeytest.Home)
		w.Advance(time.Second / rate)
	}
	require.Equal(t, seconds, int(s.asked.Load()))
	require.Empty(t, rowsOf(w, k))

	s.refuses = false
	s.asked.Store(0)
	getKey(w, k.Secret, rekeytest.Home)
	require.Equal(t, 1, int(s.asked.Load()))
	rows := rowsOf(w, k)
	require.Len(t, rows, 1)
	require.Equal(t, first, rows[0].FirstAt, "when it was seen first is not lost")
	require.LessOrEqual(t, rows[0].Count, int64(seconds*rate+1))
	require.Positive(t, rows[0].Count)
	getKey(w, k.Secret, rekeytest.Home)
	require.Equal(t, 1, int(s.asked.Load()), "and then the row rests as ever")
}

func TestUsage_WhileRowsRestOneThatWasNeverTriedIs_B4(t *testing.T) {
	w := rekeytest.New(t)
	a := w.Account("Recorder", w.Company).ID
	k, other := w.Issue(a, "k"), w.Issue(a, "other")
	s := refuse(w)
	getKey(w, k.Secret, rekeytest.Home)
	require.Equal(t, 1, int(s.asked.Load()))
	getKey(w, k.Secret, rekeytest.Away)
	require.Equal(t, 2, int(s.asked.Load()), "the new one alone")
	getKey(w, k.Secret, rekeytest.Away)
	require.Equal(t, 2, int(s.asked.Load()))
	s.refuses = false
	getKey(w, other.Secret, rekeytest.Home)
	require.Equal(t, 3, int(s.asked.Load()), "another key's rows do not rest")
	w.Clock.Set(w.Now().Add(-time.Minute))
	getKey(w, k.Secret, rekeytest.Home)
	require.Len(t, rowsOf(w, k), 2, "nor does a clock that was put back make them")
}

// Who and where a key was used from is written although the first try failed and no further request came from there: with the
// next that is written of the key, in its own hour or the one after.
func TestUsage_WhoAndWhereOutlastsAFailure_B4(t *testing.T) {
	for _, mode := range memstore.Modes {
		for _, later := range []time.Duration{time.Minute, 40 * time.Minute, 61 * time.Minute} {
			t.Run(fmt.Sprintf("%s, %s later", mode, later), func(t *testing.T) {
				w := rekeytest.New(t)
				k := w.Issue(w.Account("Recorder", w.Company).ID, "k")
				w.Clock.Set(usage.HourOf(w.Now()).Add(time.Hour + 10*time.Second))
				getKey(w, k.Secret, rekeytest.Home)
				begin := w.Now()
				w.Store.Reset()
				w.Store.Fail(2, mode)
				w.RequestTo(k.Secret, rekeytest.Home, "GET", "/keys", verify.Allow)
				require.Equal(t, []string{"Snapshot", "Tally"}, w.Store.Calls())
				require.Equal(t, []string{verify.Usage}, w.GaveUp)
				w.Advance(later)
				getKey(w, k.Secret, rekeytest.Home)
				w.Store.Settle()
				var found []usage.Row
				for _, r := range rowsOf(w, k) {
					if r.Route == "/keys" {
						found = append(found, r)
					}
				}
				require.Len(t, found, 1)
				require.Equal(t, begin, found[0].FirstAt)
				require.EqualValues(t, 1, found[0].Count)
			})
		}
	}
}
