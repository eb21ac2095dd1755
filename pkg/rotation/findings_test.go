package rotation_test

import (
	"log/slog"
	"maps"
	"slices"
	"testing"
	"time"

	"github.com/stretchr/testify/require"

	"github.com/rekey-dev/rekey/pkg/calendar"
	"github.com/rekey-dev/rekey/pkg/listing"
	"github.com/rekey-dev/rekey/pkg/policy"
	"github.com/rekey-dev/rekey/pkg/rekeytest"
	"github.com/rekey-dev/rekey/pkg/rotation"
	"github.com/rekey-dev/rekey/pkg/sweep"
)

const day = 24 * time.Hour

// findings returns what the company's keys are found to be, by name.
func findings(w *rekeytest.World) map[string]rotation.Finding {
	w.T.Helper()
	found, next, err := w.Rotations.Findings(w.Ctx, w.As(w.Owner), listing.Where{}, "", "", 100)
	require.NoError(w.T, err)
	require.Empty(w.T, next)
	out := make(map[string]rotation.Finding)
	for _, f := range found {
		out[f.Key.Key.Name] = f
	}
	return out
}

func TestFindings_AreWhatDoesNotKeepToItsPolicyNow_B9(t *testing.T) {
	w := rekeytest.New(t)
	a := w.Account("Recorder", w.Company).ID
	w.Issue(a, "old")
	w.Advance(40 * day)
	p := w.Policy(rekeytest.At(w.Company), policy.Text{MaxLifetime: rekeytest.To("P30D"), Schedule: &policy.ScheduleText{Every: "P25D", Zone: "UTC"}})
	w.Issue(a, "young")
	require.Equal(t, []string{"old"}, slices.Collect(maps.Keys(findings(w))))
	f := findings(w)["old"]
	require.Equal(t, rotation.FindingOlder, f.What)
	require.Equal(t, p.ID, f.Policy)
	require.Contains(t, f.Detail, "is older than max_lifetime P30D of "+string(p.ID)+" allows, since ")
	require.Contains(t, f.Detail, ". the schedule of "+string(p.ID)+" wanted it rotated ")

	w.Advance(26 * day)
	got := findings(w)
	require.Equal(t, rotation.FindingOverdue, got["young"].What)
	require.Equal(t, got["young"].Key.Key.CreatedAt.Add(25*day), got["young"].Due)

	revoked, err := w.Keys.Revoke(w.Ctx, w.As(w.Owner), f.Key.Key.ID, "", "")
	require.NoError(t, err)
	require.NotNil(t, revoked.State.Ended)
	rotate(t, w, got["young"].Key.Key.ID, rotation.Start{Mode: rotation.Overlap})
	require.Empty(t, findings(w), "neither what has ended nor what gives way")
}

func TestFindings_WhatACalendarHoldsUpIsAnException_B9(t *testing.T) {
	w := rekeytest.New(t)
	w.Issue(w.Account("Recorder", w.Company).ID, "k")
	events := []calendar.Event{{UID: "1", Summary: "year end", Start: w.Now().Add(5 * day), End: w.Now().Add(30 * day)}}
	c, err := w.Calendars.Create(w.Ctx, w.As(w.Owner), calendar.New{Name: "Freezes", Kind: calendar.Freeze, Zone: "UTC", Node: w.Root.Node(),
		Source: calendar.Source{Events: &events}})
	require.NoError(t, err)
	w.Policy(rekeytest.At(w.Company), policy.Text{Schedule: &policy.ScheduleText{Every: "P10D", Zone: "UTC"}, Calendars: &[]string{string(c.ID)}})
	sweeper := sweep.Sweeper{Store: w.Store, Keys: w.Keys, Rotations: w.Rotations, Terms: w.Rotations.Terms, Shards: 1, Now: w.Clock.Now, Rand: w.Rand,
		Log: slog.New(slog.DiscardHandler)}
	_, err = sweeper.Sweep(w.Ctx, "run")
	require.NoError(t, err)
	w.Advance(11 * day)
	f := findings(w)["k"]
	require.Equal(t, rotation.FindingException, f.What)
	require.Contains(t, f.Detail, "its calendars hold that up until "+events[0].End.Format(time.RFC3339))
	w.Clock.Set(events[0].End.Add(time.Second))
	require.Equal(t, rotation.FindingOverdue, findings(w)["k"].What)
}
