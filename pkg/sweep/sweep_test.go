package sweep_test

import (
	"bytes"
	"context"
	"errors"
	"fmt"
	"log/slog"
	"testing"
	"time"

	"github.com/stretchr/testify/require"

	"github.com/rekey-dev/rekey/pkg/apikey"
	"github.com/rekey-dev/rekey/pkg/audit"
	"github.com/rekey-dev/rekey/pkg/id"
	"github.com/rekey-dev/rekey/pkg/memstore"
	"github.com/rekey-dev/rekey/pkg/policy"
	"github.com/rekey-dev/rekey/pkg/rekeytest"
	"github.com/rekey-dev/rekey/pkg/rotation"
	"github.com/rekey-dev/rekey/pkg/sweep"
	"github.com/rekey-dev/rekey/pkg/verify"
)

const day = 24 * time.Hour

func sweeper(w *rekeytest.World) *sweep.Sweeper {
	return &sweep.Sweeper{Store: w.Store, Leases: w.Store, Keys: w.Keys, Rotations: w.Rotations, Terms: rotation.Under(w.Store), Shards: 1, Now: w.Clock.Now, Rand: w.Rand,
		Log: slog.New(slog.DiscardHandler)}
}

// leasing is a sweeper that takes leases, or one that does not: nothing but the number of calls depends on them.
func leasing(w *rekeytest.World, leases bool) *sweep.Sweeper {
	s := sweeper(w)
	if !leases {
		s.Leases = nil
	}
	return s
}

func run(t *testing.T, w *rekeytest.World) sweep.Run {
	t.Helper()
	r, err := sweeper(w).Sweep(w.Ctx, "run")
	require.NoError(t, err)
	require.Zero(t, r.Failed)
	return r
}

// expired returns the records that say so.
func expired(w *rekeytest.World) (out []audit.Event) {
	for _, e := range w.Records(audit.UserUpdated) {
		if e.Details["change"] == audit.KeyExpired {
			out = append(out, e)
		}
	}
	return out
}

func TestSweep_AnnouncesAnEndAtEachNoticeAndWhenItHasComeOnce_P3(t *testing.T) {
	w := rekeytest.New(t)
	a := w.Account("Recorder", w.Company)
	k := w.IssueFor(a.ID, "k", 40*day)
	w.Allowed(k.Secret, rekeytest.Home)
	var at []time.Duration
	for w.Now().Before(k.View.Key.ExpiresAt.Add(2 * day)) {
		before := len(w.Records(audit.KeyExpiring))
		run(t, w)
		run(t, w)
		for _, e := range w.Records(audit.KeyExpiring)[before:] {
			at = append(at, k.View.Key.ExpiresAt.Sub(e.At).Round(time.Hour))
			require.Equal(t, k.View.Key.ExpiresAt.Format(time.RFC3339), e.Details["expires_at"])
			require.Equal(t, audit.System, e.Actor.Type)
			require.NotEmpty(t, e.Details["last_used_at"])
		}
		w.Advance(6 * time.Hour)
	}
	require.Len(t, at, 4)
	for i, want := range []time.Duration{30 * day, 14 * day, 7 * day, day} {
		require.InDelta(t, want.Hours(), at[i].Hours(), 6)
	}
	require.Len(t, expired(w), 1)
	require.Equal(t, 0, w.ReadAccount(a.ID).KeyCount)
	require.True(t, w.Key(k.View.Key.ID).DueAt.IsZero())
	require.Zero(t, run(t, w).Looked)
}

func TestSweep_AfterAnOutageTheLatestNoticeIsAnnouncedAndTheLagIsKnown_P3(t *testing.T) {
	w := rekeytest.New(t)
	k := w.IssueFor(w.Account("Recorder", w.Company).ID, "k", 40*day)
	w.Clock.Set(k.View.Key.ExpiresAt.Add(-6 * day))
	r := run(t, w)
	require.Equal(t, 24*day, r.Lag)
	require.Equal(t, 1, r.Acted)
	require.Equal(t, "P7D", w.Record(audit.KeyExpiring).Details["notice"])
	require.Zero(t, run(t, w).Looked)
}

func TestSweep_AKeyEndsToTheSecondWhetherOrNotItRan_D6(t *testing.T) {
	w := rekeytest.New(t)
	a := w.Account("Recorder", w.Company)
	for i := range 1000 {
		k := w.IssueFor(a.ID, fmt.Sprint(i), time.Hour)
		w.Clock.Set(k.View.Key.ExpiresAt.Add(-time.Millisecond))
		require.Equal(t, verify.Allow, w.Verify(k.Secret, rekeytest.Home).Class)
		w.Clock.Set(k.View.Key.ExpiresAt.Add(time.Duration(i%3) * time.Millisecond))
		require.Equal(t, verify.StatusExpired, w.Verify(k.Secret, rekeytest.Home).Status)
	}
}

// beginOverlap begins an overlap and uses both keys.
func beginOverlap(w *rekeytest.World) (old apikey.Shown, out rotation.Shown) {
	old = w.Issue(w.Account("Recorder", w.Company).ID, "Production")
	out, err := w.Rotations.Rotate(w.Ctx, w.As(w.Owner), old.View.Key.ID, rotation.Start{Mode: rotation.Overlap})
	require.NoError(w.T, err)
	w.Note(out.Secret)
	return old, out
}

func state(w *rekeytest.World, r id.Rotation) rotation.State {
	stored, err := w.Mem.Rotation(w.Ctx, r)
	require.NoError(w.T, err)
	return stored.State
}

func TestSweep_TakesARotationFromIssuedToRetired_B3(t *testing.T) {
	w := rekeytest.New(t)
	old, out := beginOverlap(w)
	r := out.View.Rotation.ID
	require.Zero(t, run(t, w).Looked)
	w.Advance(time.Hour)
	w.Allowed(old.Secret, rekeytest.Home)
	w.Allowed(out.Secret, rekeytest.Home)
	require.Equal(t, rotation.Issued, state(w, r))
	run(t, w)
	require.Equal(t, rotation.Seen, state(w, r))
	w.Advance(12 * time.Hour)
	w.Allowed(old.Secret, rekeytest.Home)
	w.Advance(12*time.Hour + time.Minute)
	run(t, w)
	require.Equal(t, rotation.Seen, state(w, r), "it was used twelve hours ago")
	w.Advance(12 * time.Hour)
	run(t, w)
	require.Equal(t, rotation.Quiet, state(w, r))
	for w.Now().Before(out.View.Rotation.OverlapEndsAt) {
		w.Advance(6 * time.Hour)
		run(t, w)
	}
	require.Equal(t, rotation.Retired, state(w, r))
	require.Len(t, expired(w), 1)
	require.Empty(t, w.Records(audit.KeyExpiring), "nobody uses it")
	require.Equal(t, 1, w.ReadAccount(out.View.Rotation.AccountID).KeyCount)
	require.Zero(t, run(t, w).Looked)
}

func TestSweep_TheOldKeysEndIsAnnouncedWhileTrafficIsOnIt_B3(t *testing.T) {
	w := rekeytest.New(t)
	old, out := beginOverlap(w)
	w.Allowed(out.Secret, rekeytest.Home)
	for w.Now().Before(out.View.Rotation.OverlapEndsAt) {
		w.Allowed(old.Secret, rekeytest.Home)
		run(t, w)
		w.Advance(6 * time.Hour)
	}
	notices := w.Records(audit.KeyExpiring)
	require.Len(t, notices, 1)
	require.Equal(t, "P1D", notices[0].Details["notice"])
	require.Equal(t, string(old.View.Key.ID), notices[0].Target.ID)
}

func TestSweep_WhatEndedByHandIsDueNoMore_P3(t *testing.T) {
	w := rekeytest.New(t)
	a := w.Account("Recorder", w.Company)
	k := w.IssueFor(a.ID, "k", 40*day)
	_, err := w.Keys.Revoke(w.Ctx, w.As(w.Owner), k.View.Key.ID, "", "")
	require.NoError(t, err)
	dead := w.IssueFor(a.ID, "dead", 40*day)
	_, err = w.Accounts.Revoke(w.Ctx, w.As(w.Owner), a.ID, "")
	require.NoError(t, err)
	gone := w.Account("Gone", w.Company)
	left := w.IssueFor(gone.ID, "k", 40*day)
	_, err = w.Accounts.Revoke(w.Ctx, w.As(w.Owner), gone.ID, "")
	require.NoError(t, err)
	require.NoError(t, w.Accounts.Delete(w.Ctx, w.As(w.Owner), gone.ID))
	w.Advance(50 * day)
	run(t, w)
	require.Empty(t, w.Records(audit.KeyExpiring))
	require.Empty(t, expired(w))
	for _, s := range []apikey.Shown{k, dead, left} {
		require.True(t, w.Key(s.View.Key.ID).DueAt.IsZero())
	}
}

func TestSweep_OnHoldNothingIsDone_P3(t *testing.T) {
	w := rekeytest.New(t)
	w.IssueFor(w.Account("Recorder", w.Company).ID, "k", time.Hour)
	w.Advance(day)
	s := sweeper(w)
	s.Hold = true
	w.Store.Reset()
	r, err := s.Sweep(w.Ctx, "run")
	require.NoError(t, err)
	require.True(t, r.Held)
	require.Empty(t, w.Store.Calls())
}

// poisoned cannot read one key.
type poisoned struct {
	sweep.Keys
	key id.Key
}

func (p poisoned) Load(ctx context.Context, k id.Key) (apikey.View, error) {
	if k == p.key {
		return apikey.View{}, errors.New("an attribute is of another type")
	}
	return p.Keys.Load(ctx, k)
}

func TestSweep_OneKeyThatCannotBeReadIsPutOffAndStopsNoOther_P3(t *testing.T) {
	w := rekeytest.New(t)
	a := w.Account("Recorder", w.Company)
	bad := w.IssueFor(a.ID, "bad", time.Hour)
	w.IssueFor(a.ID, "good", time.Hour+time.Second)
	w.Advance(day)
	s := sweeper(w)
	var log bytes.Buffer
	s.Keys, s.Log = poisoned{w.Keys, bad.View.Key.ID}, slog.New(slog.NewTextHandler(&log, nil))
	r, err := s.Sweep(w.Ctx, "run")
	require.NoError(t, err)
	require.Equal(t, 1, r.Failed)
	require.Equal(t, 1, r.Acted)
	require.Len(t, expired(w), 1)
	require.Contains(t, log.String(), string(bad.View.Key.ID))
	require.Equal(t, w.Now().Add(5*time.Minute), w.Key(bad.View.Key.ID).DueAt)
	w.Advance(5 * time.Minute)
	run(t, w)
	require.Len(t, expired(w), 2)
}

// story is what a run is let loose on: an overlap that ends with traffic, one that turns quiet, a plain end.
func story(t *testing.T) *rekeytest.World {
	w := rekeytest.New(t)
	_, first := beginOverlap(w)
	w.Allowed(first.Secret, rekeytest.Home)
	w.IssueFor(w.Account("Plain", w.Company).ID, "k", 8*day)
	w.Store.Reset()
	return w
}

// outcome is what is on record at the end of a story, whoever did it and when.
func outcome(w *rekeytest.World) map[string]int {
	out := map[string]int{}
	for _, e := range w.Mem.Events() {
		what := e.Action
		if change, ok := e.Details["change"].(string); ok && e.Action == audit.UserUpdated {
			what = change
		}
		if s, ok := e.Details["state"].(string); ok {
			what += " " + s
		}
		out[what]++
	}
	return out
}

// tell runs the sweeper every six hours for ten days.
func tell(w *rekeytest.World, sweep func()) {
	for range 40 {
		sweep()
		w.Advance(6 * time.Hour)
	}
	sweep()
}

func TestSweep_AFaultAtAnyCallOfTheStoreLosesAndDoublesNothing_P3(t *testing.T) {
	for _, leases := range []bool{true, false} {
		clean := story(t)
		calls := 0
		tell(clean, func() { _, _ = leasing(clean, leases).Sweep(clean.Ctx, "run") })
		calls = len(clean.Store.Calls())
		want := outcome(clean)
		require.Equal(t, 2, want[audit.KeyExpired])
		require.Equal(t, 1, want[audit.RotationRetired+" retired"])
		cases := 0
		for n := 1; n <= calls; n++ {
			for _, mode := range memstore.Modes {
				w := story(t)
				w.Store.Fail(n, mode)
				tell(w, func() { _, _ = leasing(w, leases).Sweep(w.Ctx, "run") })
				w.Store.Settle()
				for range 3 { // what was put off
					w.Advance(10 * time.Minute)
					run(t, w)
				}
				require.Equal(t, want, outcome(w), "call %d failed %s, leases: %v", n, mode, leases)
				cases++
			}
		}
		t.Logf("%d cases, leases: %v", cases, leases)
	}
}

func TestSweep_AShorterLifeBindsKeysThatWereIssuedBefore_P3(t *testing.T) {
	w := rekeytest.New(t)
	var keys []apikey.Shown
	for i := range 120 { // more than a page
		keys = append(keys, w.Issue(w.Account(fmt.Sprint("Recorder ", i), w.Company).ID, "k"))
	}
	elsewhere := w.Issue(w.Account("Elsewhere", w.Stranger).ID, "k")
	w.Advance(80 * day)
	w.Policy(rekeytest.At(w.Company), policy.Text{MaxLifetime: rekeytest.To("P60D")})
	s := sweeper(w)
	s.Terms = w.Rotations.Terms
	for range 2 {
		r, err := s.Sweep(w.Ctx, "run")
		require.NoError(t, err)
		require.Zero(t, r.Failed)
	}
	for _, k := range keys {
		got := w.Key(k.View.Key.ID)
		require.Equal(t, w.Now().Add(30*day).Truncate(time.Second), got.ExpiresAt, "not earlier than the longest notice from now")
		require.NotEmpty(t, w.Key(k.View.Key.ID).AnnouncedAt)
	}
	require.True(t, w.Key(elsewhere.View.Key.ID).ExpiresAt.IsZero())
	r, err := s.Sweep(w.Ctx, "run")
	require.NoError(t, err)
	require.Zero(t, r.Looked)
}

// The new key is looked at first, as it fell due first, and moves the time of the old one.
func TestSweep_TheOldKeysEndIsAnnouncedThoughItsSuccessorArrivesInTheSameMinute_B3(t *testing.T) {
	w := rekeytest.New(t)
	old, out := beginOverlap(w)
	w.Clock.Set(out.View.Rotation.OverlapEndsAt.Add(-day - time.Minute))
	w.Allowed(old.Secret, rekeytest.Home)
	w.Allowed(out.Secret, rekeytest.Home)
	w.Advance(2 * time.Minute)
	for range 3 {
		run(t, w)
		w.Advance(time.Minute)
	}
	require.Len(t, w.Records(audit.KeyExpiring), 1)
	require.Equal(t, string(old.View.Key.ID), w.Record(audit.KeyExpiring).Target.ID)
}
