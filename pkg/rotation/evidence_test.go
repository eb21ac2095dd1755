package rotation_test

import (
	"context"
	"fmt"
	"log/slog"
	"slices"
	"testing"
	"time"

	"github.com/stretchr/testify/require"

	"github.com/rekey-dev/rekey/pkg/audit"
	"github.com/rekey-dev/rekey/pkg/id"
	"github.com/rekey-dev/rekey/pkg/listing"
	"github.com/rekey-dev/rekey/pkg/rekeytest"
	"github.com/rekey-dev/rekey/pkg/rotation"
	"github.com/rekey-dev/rekey/pkg/sweep"
	"github.com/rekey-dev/rekey/pkg/usage"
)

func report(t *testing.T, w *rekeytest.World, r id.Rotation) rotation.Report {
	t.Helper()
	out, err := w.Rotations.Report(w.Ctx, w.As(w.Owner), r)
	require.NoError(t, err)
	return out
}

func tally(t *testing.T, w *rekeytest.World, k id.Key, source string, v usage.Verdict, at time.Time) {
	t.Helper()
	require.NoError(t, w.Mem.Tally(w.Ctx, usage.Row{Key: k, Hour: usage.HourOf(at), Source: source, UserAgent: "agent", API: usage.Own,
		Method: "GET", Route: "/me", Verdict: v, Count: 1, FirstAt: at, LastAt: at}))
}

func TestGet_NamesWhoIsStillOnTheOldKeyLastUsedFirst_B3_B4(t *testing.T) {
	w := rekeytest.New(t)
	old, out := overlap(t, w)
	k, begun := old.View.Key.ID, w.Now()
	tally(t, w, k, "192.0.2.1", usage.Accepted, begun.Add(-time.Minute))
	w.Clock.Advance(3 * time.Hour)
	tally(t, w, k, "192.0.2.2", usage.Accepted, begun.Add(time.Hour))
	tally(t, w, k, "192.0.2.2", usage.Accepted, begun.Add(2*time.Hour))
	tally(t, w, k, "192.0.2.3", usage.MissingScope, begun.Add(3*time.Hour))
	tally(t, w, k, "192.0.2.4", usage.Retired, begun.Add(time.Hour))
	tally(t, w, out.View.New.Key.ID, "192.0.2.5", usage.Accepted, begun.Add(time.Hour))
	v := get(t, w, out.View.Rotation.ID)
	var got []string
	for _, u := range v.StillOnOld {
		got = append(got, fmt.Sprintf("%s %d", u.Source, u.Count))
	}
	require.Equal(t, []string{"192.0.2.3 1", "192.0.2.2 2"}, got)

	_, err := w.Rotations.Complete(w.Ctx, w.As(w.Owner), out.View.Rotation.ID)
	require.NoError(t, err)
	require.Empty(t, get(t, w, out.View.Rotation.ID).StillOnOld, "nobody is on a key that has ended")
}

func TestReport_HoldsWhatALeakedKeyDidSinceItWasSuspectedUntilItsEnd_D7(t *testing.T) {
	w := rekeytest.New(t)
	old := w.Issue(w.Account("Recorder", w.Company).ID, "k")
	k, from := old.View.Key.ID, w.Now().Add(24*time.Hour)
	w.Allowed(old.Secret, rekeytest.Home)
	tally(t, w, k, "192.0.2.1", usage.Accepted, w.Now())
	w.Clock.Set(from.Add(time.Hour))
	tally(t, w, k, "192.0.2.9", usage.Accepted, w.Now())
	out := rotate(t, w, k, rotation.Start{Mode: rotation.Emergency, Suspected: from})
	ended := w.Now()
	w.Clock.Advance(time.Hour)
	tally(t, w, k, "192.0.2.8", usage.Revoked, w.Now())

	got := report(t, w, out.View.Rotation.ID)
	require.Equal(t, from, got.From)
	require.Equal(t, ended.Truncate(time.Second).Add(time.Second), got.To)
	require.Equal(t, got.To, got.CompleteUntil)
	require.False(t, got.Truncated)
	require.Len(t, got.Usage, 1)
	require.Equal(t, "192.0.2.9", got.Usage[0].Source)
	var changes []string
	for _, e := range got.Events {
		require.True(t, e.Target.ID == string(k) || e.Actor.KeyID == string(k))
		changes = append(changes, fmt.Sprint(e.Details["change"]))
	}
	require.Contains(t, changes, audit.KeyRotated, "its end is in it")
	require.NotContains(t, changes, audit.KeyIssued, "what was before is not")
}

func TestReport_WithoutASuspicionGoesBackToTheKeysCreationButAtMost400Days_D7(t *testing.T) {
	w := rekeytest.New(t)
	old, out := overlap(t, w)
	require.Equal(t, old.View.Key.CreatedAt.Truncate(time.Second), report(t, w, out.View.Rotation.ID).From)

	again := rotate(t, w, out.View.New.Key.ID, rotation.Start{Mode: rotation.Immediate, Force: true, Suspected: w.Now().Add(-500 * 24 * time.Hour)})
	started := w.Now()
	w.Clock.Advance(time.Hour)
	got := report(t, w, again.View.Rotation.ID)
	require.Equal(t, started.Truncate(time.Second).Add(time.Second), got.To, "the secret before stopped there")
	require.Equal(t, got.To.Add(-usage.KeptFor), got.From)
}

func TestReport_IsBoundedAndSaysSo_D7(t *testing.T) {
	w := rekeytest.New(t)
	old, out := overlap(t, w)
	k := old.View.Key.ID
	w.Clock.Advance(time.Hour)
	for i := range rotation.ReportRows {
		tally(t, w, k, fmt.Sprintf("10.0.%d.%d", i/256, i%256), usage.Accepted, w.Now().Add(-time.Duration(i)*time.Second))
	}
	got := report(t, w, out.View.Rotation.ID)
	require.Len(t, got.Usage, rotation.ReportRows)
	require.False(t, got.Truncated)
	tally(t, w, k, "192.0.2.1", usage.Accepted, w.Now().Add(time.Millisecond))
	got = report(t, w, out.View.Rotation.ID)
	require.Len(t, got.Usage, rotation.ReportRows)
	require.True(t, got.Truncated)
	require.Equal(t, "192.0.2.1", got.Usage[0].Source, "what is older is left out")

}

// endless has always one more page of the audit log.
type endless struct {
	rotation.Store
	next   string
	events []audit.Event
}

func (e endless) AuditEvents(_ context.Context, q audit.Query) (audit.Page, error) {
	return audit.Page{Events: e.events[:min(len(e.events), q.Limit)], Next: e.next}, nil
}

func TestReport_ReadsAtMostSoMuchOfTheAuditLog_D7(t *testing.T) {
	w := rekeytest.New(t)
	_, out := overlap(t, w)
	store := w.Rotations.Store
	w.Rotations.Store = endless{store, "more", nil}
	got := report(t, w, out.View.Rotation.ID)
	require.True(t, got.Truncated)
	require.Empty(t, got.Events)
	w.Rotations.Store = endless{store, "more", slices.Repeat([]audit.Event{{}}, 100)}
	got = report(t, w, out.View.Rotation.ID)
	require.True(t, got.Truncated)
	require.Len(t, got.Events, rotation.ReportEvents)
}

// A key that is used every hour for long has more rows than one answer adds up; the report adds all of them up.
func TestReport_AddsUpALongTimeWithoutLosingAnHour_D7_B4(t *testing.T) {
	w := rekeytest.New(t)
	old, out := overlap(t, w)
	const hours, sources = 110, 100
	for h := range hours {
		for s := range sources {
			tally(t, w, old.View.Key.ID, fmt.Sprintf("10.0.0.%d", s), usage.Accepted, w.Now().Add(time.Duration(h)*time.Hour))
		}
	}
	w.Clock.Advance(hours * time.Hour)
	got := report(t, w, out.View.Rotation.ID)
	require.False(t, got.Truncated)
	require.Len(t, got.Usage, sources)
	for _, u := range got.Usage {
		require.EqualValues(t, hours, u.Count, u.Source)
	}
}

func TestEvidence_OutlastsItsAccount_B9_D7(t *testing.T) {
	w := rekeytest.New(t)
	a := w.Account("Recorder", w.Company)
	old := w.Issue(a.ID, "k")
	leaked := rotate(t, w, old.View.Key.ID, rotation.Start{Mode: rotation.Emergency, Reason: "leaked"})
	open := rotate(t, w, leaked.View.New.Key.ID, rotation.Start{Mode: rotation.Overlap})
	_, err := w.Accounts.Revoke(w.Ctx, w.As(w.Owner), a.ID, "")
	require.NoError(t, err)
	require.NoError(t, w.Accounts.Delete(w.Ctx, w.As(w.Owner), a.ID))
	w.Advance(time.Hour)
	listed, _, err := w.Rotations.List(w.Ctx, w.As(w.Owner), listing.Where{}, "", rotation.Filter{}, "", 10)
	require.NoError(t, err)
	require.Len(t, listed, 2)
	require.Equal(t, "leaked", get(t, w, leaked.View.Rotation.ID).Rotation.Reason)
	require.NotEmpty(t, report(t, w, leaked.View.Rotation.ID).Events)

	w.Clock.Set(open.View.Rotation.OverlapEndsAt)
	sweeper := sweep.Sweeper{Store: w.Store, Keys: w.Keys, Rotations: w.Rotations, Terms: w.Rotations.Terms, Shards: 1, Now: w.Clock.Now, Rand: w.Rand,
		Log: slog.New(slog.DiscardHandler)}
	_, err = sweeper.Sweep(w.Ctx, "run")
	require.NoError(t, err)
	stored, err := w.Mem.Rotation(w.Ctx, open.View.Rotation.ID)
	require.NoError(t, err)
	require.True(t, stored.State.Final(), stored.State)
}
