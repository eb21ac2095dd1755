package calendar

import (
	"testing"
	"time"

	"github.com/stretchr/testify/require"
)

func shown(t *testing.T, os []Occurrence) []string {
	t.Helper()
	loc, err := time.LoadLocation(berlin)
	require.NoError(t, err)
	var out []string
	for _, o := range os {
		s := "never"
		if !o.At.IsZero() {
			s = o.At.In(loc).Format("2006-01-02 15:04")
		}
		if !o.MovedFrom.IsZero() {
			s += " moved from " + o.MovedFrom.In(loc).Format("2006-01-02") + ": " + o.Why[0].Summary
		}
		out = append(out, s)
	}
	return out
}

func TestPlan_CountsOnFromWhereAFreezeMovedARotation_B9(t *testing.T) {
	born := at(t, "2026-09-15 03:00 "+berlin)
	got := Plan(Schedule{EveryDays: 45, Zone: berlin}, []Calendar{freeze(days(t, "2026-12-01", "2027-01-01"))}, born, born, at(t, "2027-03-01 00:00"))
	require.Equal(t, []string{"2026-10-30 03:00", "2027-01-01 00:00 moved from 2026-12-14: 2026-12-01 to 2027-01-01", "2027-02-15 00:00"},
		shown(t, got))
}

func TestPlan_AMonthOfFrozenDaysIsOneRotation_B9(t *testing.T) {
	born := at(t, "2026-11-28 03:00 "+berlin)
	got := Plan(Schedule{Rule: "FREQ=DAILY;BYHOUR=3", Zone: berlin}, []Calendar{freeze(days(t, "2026-12-01", "2027-01-01"))}, born, born, at(t, "2027-01-02 12:00"))
	require.Equal(t, []string{"2026-11-29 03:00", "2026-11-30 03:00", "2027-01-01 00:00 moved from 2026-12-01: 2026-12-01 to 2027-01-01",
		"2027-01-01 03:00", "2027-01-02 03:00"}, shown(t, got))
}

func TestPlan_WhatIsHeldUpFromBeforeBelongsToIt_B9(t *testing.T) {
	born := at(t, "2026-09-11 03:00 "+berlin)
	frozen := []Calendar{freeze(days(t, "2026-12-01", "2027-01-01"))}
	got := Plan(Schedule{EveryDays: 90, Zone: berlin}, frozen, born, at(t, "2026-12-20 00:00"), at(t, "2027-02-01 00:00"))
	require.Equal(t, []string{"2027-01-01 00:00 moved from 2026-12-10: 2026-12-01 to 2027-01-01"}, shown(t, got))
	require.Empty(t, Plan(Schedule{EveryDays: 90, Zone: berlin}, frozen, born, at(t, "2026-10-01 00:00"), at(t, "2026-12-25 00:00")), "it is moved out of the time")
}

func TestPlan_AnAnchorLongAgoGoesOnInItsRhythm(t *testing.T) {
	got := Plan(Schedule{EveryDays: 90, Zone: "UTC"}, nil, at(t, "2010-01-01 03:00"), at(t, "2026-11-21 00:00"), at(t, "2027-05-01 00:00"))
	require.Len(t, got, 2)
	require.Equal(t, 90*24*time.Hour, got[1].At.Sub(got[0].At))
	require.Zero(t, int64(got[0].At.Sub(at(t, "2010-01-01 03:00")))%int64(90*24*time.Hour))
}

func TestPlan_ANeverEndingFreezeEndsIt_B9(t *testing.T) {
	born := at(t, "2026-10-01 03:00")
	forever := freeze(Event{UID: "1", Summary: "until further notice", Start: at(t, "2026-11-15 00:00")})
	got := Plan(Schedule{EveryDays: 30, Zone: "UTC"}, []Calendar{forever}, born, born, at(t, "2027-10-01 00:00"))
	require.Equal(t, []string{"2026-10-31 04:00", "never moved from 2026-11-30: until further notice"}, shown(t, got))
}

func TestPlan_IsBounded_B9(t *testing.T) {
	born := at(t, "2026-10-01 03:00")
	require.Len(t, Plan(Schedule{EveryDays: 1, Zone: "UTC"}, nil, born, born, at(t, "2100-01-01 00:00")), maxPlanned)
	require.Empty(t, Plan(Schedule{Zone: "UTC"}, nil, born, born, at(t, "2100-01-01 00:00")))
}
