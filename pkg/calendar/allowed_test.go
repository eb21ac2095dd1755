package calendar

import (
	"fmt"
	"slices"
	"testing"
	"time"

	"github.com/stretchr/testify/require"
	"pgregory.net/rapid"

	"github.com/rekey-dev/rekey/pkg/id"
)

const berlin = "Europe/Berlin"

func freeze(events ...Event) Calendar {
	return Calendar{ID: "cal_Freeze00000000000000", Name: "Freezes", Kind: Freeze, Zone: berlin, Events: events}
}

func window(events ...Event) Calendar {
	return Calendar{ID: "cal_Window00000000000000", Name: "Change windows", Kind: Window, Zone: berlin, Events: events}
}

func days(t testing.TB, from, to string) Event {
	return Event{UID: from, Summary: from + " to " + to, AllDay: true, Start: at(t, from+" 00:00"), End: at(t, to+" 00:00")}
}

func span(t testing.TB, from, to string) Event {
	return Event{UID: from, Summary: from, Start: at(t, from), End: at(t, to)}
}

func recurring(e Event, rule string) Event {
	e.Rule = rule
	return e
}

// allowed shows an answer in Berlin's time, with what was in the way.
func allowed(t *testing.T, cals []Calendar, from string) (string, []string) {
	t.Helper()
	got, why, ok := Allowed(cals, at(t, from))
	var names []string
	for _, b := range why {
		names = append(names, b.Summary)
	}
	if !ok {
		require.Zero(t, got)
		return "never", names
	}
	return got.In(at(t, "2026-01-01 00:00 "+berlin).Location()).Format("2006-01-02 15:04"), names
}

func TestAllowed_WithoutCalendarsItIsNow(t *testing.T) {
	got, why := allowed(t, nil, "2026-12-10 03:00 "+berlin)
	require.Equal(t, "2026-12-10 03:00", got)
	require.Empty(t, why)
}

func TestAllowed_AFreezeOfWholeDaysLastsInTheCalendarsZone_B9(t *testing.T) {
	december := []Calendar{freeze(days(t, "2026-12-01", "2027-01-01"))}
	for from, want := range map[string]string{
		"2026-11-30 23:59 " + berlin: "2026-11-30 23:59",
		"2026-12-01 00:00 " + berlin: "2027-01-01 00:00",
		"2026-11-30 23:30":           "2027-01-01 00:00", // UTC: already December in Berlin
		"2026-12-31 23:59 " + berlin: "2027-01-01 00:00",
		"2027-01-01 00:00 " + berlin: "2027-01-01 00:00",
	} {
		got, why := allowed(t, december, from)
		require.Equal(t, want, got, from)
		require.Equal(t, got == "2027-01-01 00:00" && from != "2027-01-01 00:00 "+berlin, len(why) == 1, from)
	}
}

func TestAllowed_SaysWhichFreezesReachFurthest_B9(t *testing.T) {
	got, why := allowed(t, []Calendar{freeze(
		span(t, "2026-12-01 00:00", "2026-12-05 00:00"), span(t, "2026-12-01 06:00", "2026-12-02 00:00"),
		span(t, "2026-12-04 00:00", "2026-12-08 23:00"), span(t, "2026-12-08 23:00", "2026-12-09 23:00"),
		span(t, "2026-12-20 00:00", "2026-12-21 00:00"))}, "2026-12-01 12:00")
	require.Equal(t, "2026-12-10 00:00", got)
	require.Equal(t, []string{"2026-12-01 00:00", "2026-12-04 00:00", "2026-12-08 23:00"}, why)
}

func TestAllowed_AFreezeThatRecursEveryYear_B9(t *testing.T) {
	for _, year := range []string{"1990", "2025", "2026"} {
		december := freeze(recurring(days(t, year+"-12-20", "2026-01-07"), "FREQ=YEARLY"))
		december.Events[0].End = december.Events[0].Start.Add(18 * 24 * time.Hour)
		got, _ := allowed(t, []Calendar{december}, "2027-01-03 12:00")
		require.Equal(t, "2027-01-07 00:00", got, "since %s", year)
		december.Events[0].Except = []time.Time{at(t, "2026-12-20 00:00")}
		got, _ = allowed(t, []Calendar{december}, "2027-01-03 12:00")
		require.Equal(t, "2027-01-03 13:00", got, "but not in 2026")
	}
}

func TestAllowed_AWindowThatRecurs_B9(t *testing.T) {
	sundays := window(recurring(span(t, "2026-01-04 01:00", "2026-01-04 04:00"), "FREQ=WEEKLY;BYDAY=SU")) // 02:00 to 05:00 in Berlin
	for from, want := range map[string]string{
		"2026-11-21 10:00 " + berlin: "2026-11-22 02:00",
		"2026-11-22 02:00 " + berlin: "2026-11-22 02:00",
		"2026-11-22 04:59 " + berlin: "2026-11-22 04:59",
		"2026-11-22 05:00 " + berlin: "2026-11-29 02:00",
		"2026-03-28 10:00 " + berlin: "2026-03-29 03:00", // the clock skips 02:00 to 03:00
		"2026-10-24 10:00 " + berlin: "2026-10-25 02:00",
	} {
		got, why := allowed(t, []Calendar{sundays}, from)
		require.Equal(t, want, got, from)
		if len(why) > 0 {
			require.Equal(t, []string{"outside of Change windows"}, why)
		}
	}
	sundays.Events[0].Except = []time.Time{at(t, "2026-11-22 01:00")}
	got, _ := allowed(t, []Calendar{sundays}, "2026-11-21 10:00 "+berlin)
	require.Equal(t, "2026-11-29 02:00", got, "one is left out")
}

func TestAllowed_FreezesBeatWindows_B9(t *testing.T) {
	cals := []Calendar{
		window(recurring(span(t, "2026-01-04 01:00", "2026-01-04 04:00"), "FREQ=WEEKLY;BYDAY=SU")),
		freeze(days(t, "2026-12-01", "2027-01-01")),
		freeze(span(t, "2027-01-03 00:00", "2027-01-03 02:30")),
	}
	got, why := allowed(t, cals, "2026-12-06 02:10 "+berlin)
	require.Equal(t, "2027-01-03 03:30", got)
	require.Equal(t, []string{"2026-12-01 to 2027-01-01", "outside of Change windows", "2027-01-03 00:00"}, why)
}

func TestAllowed_SeveralWindowsAreOneOrTheOther(t *testing.T) {
	cals := []Calendar{window(span(t, "2026-12-05 00:00", "2026-12-06 00:00")), window(span(t, "2026-12-01 00:00", "2026-12-02 00:00"))}
	got, _ := allowed(t, cals, "2026-11-30 00:00")
	require.Equal(t, "2026-12-01 01:00", got)
	got, _ = allowed(t, cals, "2026-12-03 00:00")
	require.Equal(t, "2026-12-05 01:00", got)
}

func TestAllowed_AFreezeThatNeverEndsIsNever_B9(t *testing.T) {
	forever := Event{UID: "1", Summary: "until further notice", Start: at(t, "2026-12-01 00:00")}
	got, why := allowed(t, []Calendar{freeze(span(t, "2026-11-01 00:00", "2026-12-24 00:00"), forever)}, "2026-11-21 10:00")
	require.Equal(t, "never", got)
	require.Equal(t, []string{"2026-11-01 00:00", "until further notice"}, why)
	got, _ = allowed(t, []Calendar{freeze(forever)}, "2026-11-30 22:00")
	require.Equal(t, "2026-11-30 23:00", got, "before it begins")
	_, blocks, _ := Allowed([]Calendar{freeze(forever)}, at(t, "2027-01-01 00:00"))
	require.Equal(t, []Block{{From: at(t, "2026-12-01 00:00"), Calendar: "cal_Freeze00000000000000", Summary: "until further notice"}}, blocks)
}

func TestAllowed_FreezesThatFollowEachOtherForTwoYearsAreNever_B9(t *testing.T) {
	daily := recurring(days(t, "2026-01-01", "2026-01-02"), "FREQ=DAILY")
	got, why := allowed(t, []Calendar{freeze(daily)}, "2026-11-21 10:00")
	require.Equal(t, "never", got)
	require.Len(t, why, maxWhy)
}

func TestAllowed_WindowsThatAreOverAreNever_B9(t *testing.T) {
	got, why := allowed(t, []Calendar{window(span(t, "2026-11-01 00:00", "2026-11-02 00:00"))}, "2026-11-21 10:00")
	require.Equal(t, "never", got)
	require.Equal(t, []string{"outside of Change windows"}, why)
	got, _ = allowed(t, []Calendar{window()}, "2026-11-21 10:00")
	require.Equal(t, "never", got, "an empty one has no time at all")
}

func TestAllowed_WhatCannotBeReadAllowsNothing_B9(t *testing.T) {
	for _, spoil := range []func(*Calendar){
		func(c *Calendar) { c.Zone = "Europe/Atlantis" },
		func(c *Calendar) { c.Events[0].Rule = "FREQ=NEVER" },
	} {
		f, w := freeze(recurring(days(t, "2026-01-01", "2026-01-02"), "FREQ=YEARLY")), window(recurring(days(t, "2026-01-01", "2026-01-02"), "FREQ=DAILY"))
		spoil(&f)
		spoil(&w)
		got, why := allowed(t, []Calendar{f}, "2026-11-21 10:00")
		require.Equal(t, "never", got)
		require.Equal(t, []string{"cannot be read: 2026-01-01 to 2026-01-02"}, why)
		got, _ = allowed(t, []Calendar{w}, "2026-11-21 10:00")
		require.Equal(t, "never", got)
	}
}

func TestAllowed_GoesThroughAThousandOverlappingEventsOnce_B9(t *testing.T) {
	var overlapping, recurs []Event
	for i := range MaxEvents {
		start := at(t, "2026-12-01 00:00").Add(time.Duration(i) * time.Hour)
		e := Event{UID: fmt.Sprint(i), Start: start, End: start.Add(90 * time.Minute)}
		overlapping = append(overlapping, e)
		e.End = start.Add(20 * time.Hour)
		recurs = append(recurs, recurring(e, "FREQ=WEEKLY"))
	}
	from := at(t, "2026-12-01 00:30")
	line := newTimeline([]Calendar{freeze(overlapping...)}, from, from, newZones())
	got, why, ok := line.allowed(from)
	require.True(t, ok)
	require.Equal(t, from.Add(MaxEvents*time.Hour), got)
	require.Len(t, why, maxWhy)
	require.Equal(t, MaxEvents, line.freezes.passed, "occurrences looked at")

	line = newTimeline([]Calendar{freeze(recurs...)}, from, from, newZones())
	_, _, ok = line.allowed(from)
	require.False(t, ok)
	require.LessOrEqual(t, line.freezes.passed, MaxEvents*(2*53+2), "occurrences looked at in two years, each of a week")
}

func TestAllowed_AnOldRuleCostsNoMoreThanANewOne(t *testing.T) {
	count := func(start string) int {
		first := at(t, start)
		c := freeze(recurring(Event{UID: "1", Start: first, End: first.Add(time.Hour)}, "FREQ=DAILY"))
		n := 0
		o := c.open(c.Events[0], at(t, "2026-11-21 00:00"), at(t, "2026-11-25 00:00"), newZones())
		for _, ok := o.next(); ok; _, ok = o.next() {
			n++
		}
		return n
	}
	require.Equal(t, count("2026-10-01 12:00"), count("1900-01-01 12:00"))
	require.LessOrEqual(t, count("1900-01-01 12:00"), 10)
}

// covered is the plain definition: some freeze covers the moment, or there are windows and none does.
func covered(cals []Calendar, at time.Time) bool {
	windows, open := false, false
	for _, c := range cals {
		in := slices.ContainsFunc(c.Events, func(e Event) bool {
			return slices.ContainsFunc(c.Occurrences(e, at.AddDate(0, 0, -30), at.AddDate(0, 0, 30), 1000), func(b Block) bool {
				return !b.From.After(at) && (b.To.IsZero() || b.To.After(at))
			})
		})
		if c.Kind == Freeze && in {
			return true
		}
		windows, open = windows || c.Kind == Window, open || c.Kind == Window && in
	}
	return windows && !open
}

func TestAllowed_IsTheFirstMomentThatNothingForbids_B9(t *testing.T) {
	rapid.Check(t, func(rt *rapid.T) {
		base := at(t, "2026-03-20 00:00")
		var cals []Calendar
		for i := range rapid.IntRange(0, 4).Draw(rt, "calendars") {
			c := Calendar{ID: id.Calendar(fmt.Sprint(i)), Kind: rapid.SampledFrom([]Kind{Freeze, Freeze, Window}).Draw(rt, "kind"),
				Zone: rapid.SampledFrom([]string{berlin, "UTC", "America/New_York"}).Draw(rt, "zone")}
			for j := range rapid.IntRange(0, 6).Draw(rt, "events") {
				e := Event{UID: fmt.Sprint(j), AllDay: rapid.Bool().Draw(rt, "all day")}
				unit := time.Hour
				if e.AllDay {
					unit = 24 * time.Hour
				}
				e.Start = base.Add(time.Duration(rapid.IntRange(-20*24, 20*24).Draw(rt, "start")) * time.Hour)
				if e.AllDay {
					e.Start = e.Start.Truncate(unit)
				}
				e.End = e.Start.Add(unit * time.Duration(rapid.IntRange(1, 30).Draw(rt, "length")))
				e.Rule = rapid.SampledFrom([]string{"", "", "FREQ=WEEKLY", "FREQ=DAILY;INTERVAL=3", "FREQ=MONTHLY", "FREQ=DAILY;COUNT=4"}).Draw(rt, "rule")
				c.Events = append(c.Events, e)
			}
			cals = append(cals, c)
		}
		from := base.Add(time.Duration(rapid.IntRange(0, 24*10).Draw(rt, "from")) * time.Hour)
		got, _, ok := Allowed(cals, from)
		end := from.AddDate(0, 0, 40)
		if ok {
			require.False(rt, covered(cals, got), got)
			require.False(rt, got.Before(from))
			if got.Before(end) {
				end = got
			}
		}
		for at := from; at.Before(end); at = at.Add(30 * time.Minute) {
			require.True(rt, covered(cals, at), "%s is free, and %s was given", at, got)
		}
	})
}
