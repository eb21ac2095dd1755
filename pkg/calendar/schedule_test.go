package calendar

import (
	"errors"
	"fmt"
	"strings"
	"testing"
	"time"

	"github.com/stretchr/testify/require"
)

// at reads a time as "2026-03-29 02:30 Europe/Berlin"; without a zone it is UTC.
func at(t testing.TB, s string) time.Time {
	t.Helper()
	loc := time.UTC
	if parts := strings.Fields(s); len(parts) == 3 {
		var err error
		loc, err = time.LoadLocation(parts[2])
		require.NoError(t, err)
		s = parts[0] + " " + parts[1]
	}
	out, err := time.ParseInLocation("2006-01-02 15:04", s, loc)
	require.NoError(t, err)
	return out
}

// next shows the occurrences after a time, in the zone of the schedule.
func next(t *testing.T, s Schedule, anchor, after time.Time, count int) []string {
	t.Helper()
	loc, err := time.LoadLocation(s.Zone)
	require.NoError(t, err)
	var out []string
	for range count {
		var ok bool
		if after, ok = s.Next(anchor, after); !ok {
			return append(out, "never")
		}
		out = append(out, after.In(loc).Format("2006-01-02 15:04 -07"))
	}
	return out
}

func TestEveryDays_KeepsTheTimeOfDayWhenClocksChange_B9(t *testing.T) {
	born := at(t, "2026-03-20 03:00 Europe/Berlin")
	require.Equal(t, []string{"2026-03-27 03:00 +01", "2026-04-03 03:00 +02", "2026-04-10 03:00 +02"},
		next(t, Schedule{EveryDays: 7, Zone: "Europe/Berlin"}, born, born, 3))
	require.Equal(t, []string{"2026-04-03 03:00 +02"},
		next(t, Schedule{EveryDays: 7, Zone: "Europe/Berlin"}, born, at(t, "2026-03-27 03:00 Europe/Berlin"), 1), "strictly after")
}

func TestEveryDays_IsFoundAtOnceHoweverOldTheAnchor(t *testing.T) {
	require.Equal(t, []string{"2199-01-01 00:00 +00"},
		next(t, Schedule{EveryDays: 1, Zone: "UTC"}, at(t, "1970-01-01 00:00"), at(t, "2198-12-31 12:00"), 1))
	require.Equal(t, []string{"2026-05-01 00:00 +00"},
		next(t, Schedule{EveryDays: 3650, Zone: "UTC"}, at(t, "2016-05-03 00:00"), at(t, "2000-01-01 00:00"), 1), "an anchor to come")
}

func TestSchedules_ALocalTimeThatClocksSkipIsReadByTheOffsetBefore_B9(t *testing.T) {
	born := at(t, "2026-03-27 02:30 Europe/Berlin")
	want := []string{"2026-03-28 02:30 +01", "2026-03-29 03:30 +02", "2026-03-30 02:30 +02"}
	require.Equal(t, want, next(t, Schedule{EveryDays: 1, Zone: "Europe/Berlin"}, born, born, 3))
	require.Equal(t, want, next(t, Schedule{Rule: "FREQ=DAILY;BYHOUR=2;BYMINUTE=30", Zone: "Europe/Berlin"}, born, born, 3))
}

func TestSchedules_ALocalTimeThatComesTwiceIsTheFirst_B9(t *testing.T) {
	born := at(t, "2026-10-24 02:30 Europe/Berlin")
	want := []string{"2026-10-25 02:30 +02", "2026-10-26 02:30 +01"}
	require.Equal(t, want, next(t, Schedule{EveryDays: 1, Zone: "Europe/Berlin"}, born, born, 2))
	require.Equal(t, want, next(t, Schedule{Rule: "FREQ=DAILY", Zone: "Europe/Berlin"}, born, born, 2))
	require.Equal(t, []string{"2026-10-26 02:30 +01"},
		next(t, Schedule{Rule: "FREQ=DAILY", Zone: "Europe/Berlin"}, born, at(t, "2026-10-25 01:15"), 1), "in the hour's second time")
}

func TestSchedules_ADayThatAZoneLeavesOutGivesNoSecondOccurrence_B9(t *testing.T) {
	born := at(t, "2011-12-28 12:00 Pacific/Apia") // there was no 30 December 2011
	want := []string{"2011-12-29 12:00 -10", "2011-12-31 12:00 +14", "2012-01-01 12:00 +14"}
	require.Equal(t, want, next(t, Schedule{EveryDays: 1, Zone: "Pacific/Apia"}, born, born, 3))
	require.Equal(t, want, next(t, Schedule{Rule: "FREQ=DAILY", Zone: "Pacific/Apia"}, born, born, 3))
}

func TestRule_MonthEndsAndLeapDays_B9(t *testing.T) {
	born := at(t, "2026-01-31 10:00")
	require.Equal(t, []string{"2026-03-31 10:00 +00", "2026-05-31 10:00 +00"},
		next(t, Schedule{Rule: "FREQ=MONTHLY", Zone: "UTC"}, born, born, 2), "a month without a 31st is passed over")
	require.Equal(t, []string{"2026-02-28 10:00 +00", "2026-03-31 10:00 +00"},
		next(t, Schedule{Rule: "FREQ=MONTHLY;BYMONTHDAY=-1", Zone: "UTC"}, born, born, 2))
	require.Equal(t, []string{"2028-02-29 10:00 +00", "2032-02-29 10:00 +00"},
		next(t, Schedule{Rule: "FREQ=YEARLY;BYMONTH=2;BYMONTHDAY=29", Zone: "UTC"}, born, born, 2))
	require.Equal(t, []string{"2104-02-29 10:00 +00"},
		next(t, Schedule{Rule: "FREQ=YEARLY;BYMONTH=2;BYMONTHDAY=29", Zone: "UTC"}, born, at(t, "2096-03-01 00:00"), 1), "2100 is no leap year")
	require.Equal(t, []string{"2026-02-27 10:00 +00", "2026-03-31 10:00 +00"},
		next(t, Schedule{Rule: "FREQ=MONTHLY;BYDAY=MO,TU,WE,TH,FR;BYSETPOS=-1", Zone: "UTC"}, born, born, 2), "the last working day")
	require.Equal(t, []string{"2027-03-01 10:00 +00"},
		next(t, Schedule{EveryDays: 366, Zone: "UTC"}, at(t, "2026-02-28 10:00"), at(t, "2026-02-28 10:00"), 1))
}

func TestRule_WhatItLeavesOpenIsTheAnchors(t *testing.T) {
	born := at(t, "2026-11-18 14:47 Europe/Berlin") // a Wednesday
	for rule, want := range map[string]string{
		"FREQ=WEEKLY":                        "2026-11-25 14:47 +01",
		"FREQ=WEEKLY;BYHOUR=3":               "2026-11-25 03:00 +01",
		"FREQ=MONTHLY;BYDAY=1MO;BYMINUTE=5":  "2026-12-07 14:05 +01",
		"FREQ=YEARLY;BYMONTH=3;BYHOUR=4":     "2027-03-18 04:00 +01",
		"FREQ=WEEKLY;INTERVAL=2;BYDAY=MO":    "2026-11-30 14:47 +01",
		"FREQ=YEARLY;BYWEEKNO=20;BYHOUR=0":   "2027-05-19 00:00 +02",
		"RRULE:freq=daily;interval=10":       "2026-11-28 14:47 +01",
		"FREQ=YEARLY;BYYEARDAY=-1;BYHOUR=23": "2026-12-31 23:00 +01",
	} {
		require.Equal(t, []string{want}, next(t, Schedule{Rule: rule, Zone: "Europe/Berlin"}, born, born, 1), rule)
	}
}

func TestRule_EndsByCountAndUntil(t *testing.T) {
	born := at(t, "2026-01-01 10:00")
	require.Equal(t, []string{"2026-01-02 10:00 +00", "2026-01-03 10:00 +00", "never"},
		next(t, Schedule{Rule: "FREQ=DAILY;COUNT=3", Zone: "UTC"}, born, born, 3), "the anchor is the first")
	require.Equal(t, []string{"2026-01-02 10:00 +01", "2026-01-03 10:00 +01", "never"},
		next(t, Schedule{Rule: "FREQ=DAILY;UNTIL=20260103", Zone: "Europe/Berlin"}, at(t, "2026-01-01 10:00 Europe/Berlin"), born, 3), "a date counts to its end")
	require.Equal(t, []string{"2026-01-02 10:00 +01", "never"},
		next(t, Schedule{Rule: "FREQ=DAILY;UNTIL=20260103T085959Z", Zone: "Europe/Berlin"}, at(t, "2026-01-01 10:00 Europe/Berlin"), born, 2), "UTC is UTC")
}

func TestCheck_AcceptsWhatASensibleComplianceTeamWants_B9(t *testing.T) {
	now := at(t, "2026-11-21 10:00")
	for _, s := range []Schedule{
		{EveryDays: 1, Zone: "UTC"}, {EveryDays: 90, Zone: "Europe/Berlin"}, {EveryDays: 3650, Zone: "America/New_York"},
		{Rule: "FREQ=MONTHLY;INTERVAL=3;BYDAY=1TU;BYHOUR=3", Zone: "Europe/Berlin"}, {Rule: "FREQ=DAILY", Zone: "Asia/Kathmandu"},
		{Rule: "FREQ=YEARLY;BYMONTH=2;BYMONTHDAY=29", Zone: "UTC"}, {Rule: "FREQ=DAILY;UNTIL=20261122T120000Z", Zone: "UTC"},
	} {
		require.NoError(t, s.Check(now), "%+v", s)
	}
}

func TestCheck_RefusesAndSaysWhy_B9(t *testing.T) {
	now := at(t, "2026-11-21 10:00")
	for _, c := range []struct {
		s      Schedule
		field  string
		detail string // a part
	}{
		{Schedule{Zone: "UTC"}, "every", "is missing"},
		{Schedule{EveryDays: 7, Rule: "FREQ=DAILY", Zone: "UTC"}, "rrule", "together with every"},
		{Schedule{EveryDays: 3651, Zone: "UTC"}, "every", "is not 1 to 3650"},
		{Schedule{EveryDays: -1, Zone: "UTC"}, "every", "is not 1 to 3650"},
		{Schedule{EveryDays: 7}, "time_zone", "IANA"},
		{Schedule{EveryDays: 7, Zone: "Local"}, "time_zone", "IANA"},
		{Schedule{EveryDays: 7, Zone: "W. Europe Standard Time"}, "time_zone", "IANA"},
		{Schedule{EveryDays: 7, Zone: "../../etc/passwd"}, "time_zone", "IANA"},
		{Schedule{EveryDays: 7, Zone: strings.Repeat("A/", 5000)}, "time_zone", "IANA"},
		{Schedule{Rule: "FREQ=HOURLY", Zone: "UTC"}, "rrule", "more often than once a day"},
		{Schedule{Rule: "FREQ=MINUTELY;INTERVAL=1440", Zone: "UTC"}, "rrule", "more often than once a day"},
		{Schedule{Rule: "FREQ=DAILY;BYHOUR=1,13", Zone: "UTC"}, "rrule", "more often than once a day"},
		{Schedule{Rule: "FREQ=YEARLY;BYMONTH=2;BYMONTHDAY=30", Zone: "UTC"}, "rrule", "does not fire within the next 5 years"},
		{Schedule{Rule: "FREQ=DAILY;BYMONTH=4;BYMONTHDAY=31", Zone: "UTC"}, "rrule", "does not fire within the next 5 years"},
		{Schedule{Rule: "FREQ=YEARLY;INTERVAL=6", Zone: "UTC"}, "rrule", "does not fire within the next 5 years"},
		{Schedule{Rule: "FREQ=DAILY;COUNT=1", Zone: "UTC"}, "rrule", "does not fire within the next 5 years"},
		{Schedule{Rule: "FREQ=DAILY;UNTIL=20261121T100000Z", Zone: "UTC"}, "rrule", "UNTIL before which it does not fire any more"},
		{Schedule{Rule: "FREQ=DAILY;COUNT=0", Zone: "UTC"}, "rrule", "COUNT that is no number from 1 to 1000"},
		{Schedule{Rule: "FREQ=DAILY;COUNT=2;UNTIL=20301231", Zone: "UTC"}, "rrule", "both COUNT and UNTIL"},
		{Schedule{Rule: "FREQ=MONTHLY;BYDAY=53MO", Zone: "UTC"}, "rrule", "does not fire"},
		{Schedule{Rule: "FREQ=WEEKLY;BYDAY=1MO", Zone: "UTC"}, "rrule", "BYDAY with a number"},
		{Schedule{Rule: "FREQ=DAILY;INTERVAL=9223372036854775807", Zone: "UTC"}, "rrule", "INTERVAL that is no number"},
		{Schedule{Rule: "FREQ=DAILY;INTERVAL=99999999999999999999", Zone: "UTC"}, "rrule", "INTERVAL that is no number"},
		{Schedule{Rule: "FREQ=YEARLY;BYEASTER=0", Zone: "UTC"}, "rrule", "no part of a rule"},
		{Schedule{Rule: "FREQ=DAILY;FREQ=DAILY", Zone: "UTC"}, "rrule", "twice"},
		{Schedule{Rule: "INTERVAL=2", Zone: "UTC"}, "rrule", "no FREQ"},
		{Schedule{Rule: "DTSTART:20260101T000000Z\nRRULE:FREQ=DAILY", Zone: "UTC"}, "rrule", "no part of a rule"},
		{Schedule{Rule: "every day", Zone: "UTC"}, "rrule", "NAME=VALUE"},
		{Schedule{Rule: "FREQ=DAILY;BYDAY=" + strings.Repeat("MO,", 500) + "MO", Zone: "UTC"}, "rrule", "longer than 500"},
		{Schedule{Rule: "FREQ=DAILY;BYSETPOS=1", Zone: "UTC"}, "rrule", "BYSETPOS"},
		{Schedule{Rule: "FREQ=DAILY;UNTIL=tomorrow", Zone: "UTC"}, "rrule", "UNTIL that is no date"},
	} {
		err := c.s.Check(now)
		var problem *Problem
		require.True(t, errors.As(err, &problem), "%+v: %v", c.s, err)
		require.Equal(t, c.field, problem.Field, "%+v: %v", c.s, err)
		require.Contains(t, problem.Detail, c.detail, "%+v", c.s)
	}
}

func TestWeekNumbers_AreThoseOfISO8601(t *testing.T) {
	r, err := parseRule("FREQ=YEARLY;BYWEEKNO=1")
	require.NoError(t, err)
	s := r.begin(0)
	for d := dateWall(1990, 1, 1); d < dateWall(2060, 1, 1); d += day {
		_, want := d.utc().ISOWeek()
		got, weeks := s.weekNumber(d)
		require.Equal(t, want, got, d.utc())
		_, last := time.Date((d + 3*day - wall(mod(int64(d.weekday()-time.Monday), 7))*day).utc().Year(), 12, 28, 0, 0, 0, 0, time.UTC).ISOWeek()
		require.Equal(t, last, weeks, d.utc())
	}
}

// Every zone in which a clock was changed lately, every kind of rule, ten years: nothing comes twice, nothing is left out.
func TestSchedules_InEveryZoneEachDayHasItsOccurrence_B9(t *testing.T) {
	began := at(t, "2019-12-31 12:00")
	for _, zone := range ianaZones(t) {
		loc, err := time.LoadLocation(zone)
		require.NoError(t, err)
		for _, clock := range []string{"BYHOUR=0", "BYHOUR=2;BYMINUTE=30", "BYHOUR=23;BYMINUTE=59"} {
			s := Schedule{Rule: "FREQ=DAILY;" + clock, Zone: zone}
			z := newZones()
			last, days := began, 0
			for end := at(t, "2021-12-31 00:00"); ; days++ {
				t2, ok := s.next(began, last, z)
				require.True(t, ok)
				if t2.After(end) {
					break
				}
				gap := t2.Sub(last)
				if days > 0 {
					require.True(t, gap >= 21*time.Hour && gap <= 27*time.Hour, "%s %s: %s after %s", zone, clock, t2.In(loc), last.In(loc))
				}
				last = t2
			}
			require.InDelta(t, 730, days, 2, "%s %s", zone, clock)
		}
	}
}

func TestSchedules_KeepTheirLocalTimeWhenAZonesDataChange_B9(t *testing.T) {
	z := newZones()
	z.load = func(name string) (*time.Location, error) { return time.FixedZone(name, 3*60*60), nil } // Berlin moves to +03
	born := at(t, "2026-11-20 03:00 Europe/Berlin")
	for _, s := range []Schedule{{Rule: "FREQ=DAILY;BYHOUR=3", Zone: "Europe/Berlin"}} {
		before, _ := s.Next(born, born)
		after, ok := s.next(born, born, z)
		require.True(t, ok)
		require.Equal(t, "2026-11-21T02:00:00Z", before.UTC().Format(time.RFC3339))
		require.Equal(t, "2026-11-21T00:00:00Z", after.UTC().Format(time.RFC3339), "it is 03:00 by the new clock")
	}
}

func ExampleSchedule_Next() {
	born := time.Date(2026, 11, 20, 9, 0, 0, 0, time.UTC)
	s := Schedule{Rule: "FREQ=MONTHLY;BYDAY=1TU;BYHOUR=3", Zone: "Europe/Berlin"}
	due, ok := s.Next(born, born)
	fmt.Println(due.Format(time.RFC3339), ok)
	// Output: 2026-12-01T02:00:00Z true
}
