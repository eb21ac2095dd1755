package calendar

import (
	"bytes"
	"errors"
	"fmt"
	"runtime"
	"strings"
	"testing"
	"time"

	"github.com/stretchr/testify/require"
	"pgregory.net/rapid"
)

// ics wraps lines as an iCalendar text.
func ics(lines ...string) string {
	return "BEGIN:VCALENDAR\r\nVERSION:2.0\r\nPRODID:-//test//EN\r\n" + strings.Join(lines, "\r\n") + "\r\nEND:VCALENDAR\r\n"
}

// vevent is an event with a UID.
func vevent(uid string, lines ...string) string {
	return "BEGIN:VEVENT\r\nUID:" + uid + "\r\nDTSTAMP:20260101T000000Z\r\n" + strings.Join(lines, "\r\n") + "\r\nEND:VEVENT"
}

func parsed(t *testing.T, text string) []Event {
	t.Helper()
	events, err := ParseICS(strings.NewReader(text), berlin)
	require.NoError(t, err)
	return events
}

func TestParseICS_ReadsDatesTimesAndZones_B9(t *testing.T) {
	events := parsed(t, ics(
		"BEGIN:VTIMEZONE", "TZID:America/New_York", "BEGIN:STANDARD", "DTSTART:19700101T000000", "TZOFFSETFROM:+0000", "TZOFFSETTO:+0000", "END:STANDARD", "END:VTIMEZONE",
		vevent("day", "SUMMARY:Christmas\\, all of it", "DTSTART;VALUE=DATE:20261224", "DTEND;VALUE=DATE:20261227"),
		vevent("one", "DTSTART;VALUE=DATE:20270101"),
		vevent("utc", "DTSTART:20261201T030000Z", "DTEND:20261201T050000Z"),
		vevent("floating", "DTSTART:20261201T030000", "DURATION:PT2H"),
		vevent("zone", "DTSTART;TZID=America/New_York:20261201T030000", "DTEND;TZID=\"America/New_York\":20261201T050000"),
		vevent("weekly", "dtstart;tzid=America/New_York:20261201T030000", "duration:+P1D", "rrule:freq=weekly"),
		vevent("endless", "DTSTART:20261201T030000Z", "X-REKEY-ENDLESS:TRUE"),
	))
	require.Equal(t, []Event{
		{UID: "day", Summary: "Christmas, all of it", AllDay: true, Start: at(t, "2026-12-24 00:00"), End: at(t, "2026-12-27 00:00")},
		{UID: "one", AllDay: true, Start: at(t, "2027-01-01 00:00"), End: at(t, "2027-01-02 00:00")},
		{UID: "utc", Start: at(t, "2026-12-01 03:00"), End: at(t, "2026-12-01 05:00")},
		{UID: "floating", Start: at(t, "2026-12-01 02:00"), End: at(t, "2026-12-01 04:00")},
		{UID: "zone", Start: at(t, "2026-12-01 08:00"), End: at(t, "2026-12-01 10:00")},
		{UID: "weekly", Start: at(t, "2026-12-01 08:00"), End: at(t, "2026-12-02 08:00"), Rule: "FREQ=WEEKLY", Zone: "America/New_York"},
		{UID: "endless", Start: at(t, "2026-12-01 03:00")},
	}, events)
}

func TestParseICS_WhatIsLeftOutCancelledOrReplacedDoesNotTakePlace_B9(t *testing.T) {
	events := parsed(t, ics(
		vevent("w", "DTSTART;TZID=Europe/Berlin:20261204T020000", "DURATION:PT2H", "RRULE:FREQ=WEEKLY",
			"EXDATE;TZID=Europe/Berlin:20261211T020000,20261218T020000", "EXDATE;VALUE=DATE:20261225"),
		vevent("w", "DTSTART;TZID=Europe/Berlin:20270102T020000", "DURATION:PT3H", "RECURRENCE-ID;TZID=Europe/Berlin:20270101T020000"),
		vevent("w", "DTSTART;TZID=Europe/Berlin:20270108T020000", "DURATION:PT3H", "RECURRENCE-ID;TZID=Europe/Berlin:20270108T020000", "STATUS:CANCELLED"),
		vevent("gone", "DTSTART:20261201T030000Z", "DTEND:20261201T050000Z", "STATUS:CANCELLED"),
		vevent("d", "DTSTART;VALUE=DATE:20261204", "RRULE:FREQ=WEEKLY", "EXDATE:20261211T120000Z"),
	))
	require.Len(t, events, 3)
	require.Equal(t, []time.Time{at(t, "2026-12-11 01:00"), at(t, "2026-12-18 01:00"), at(t, "2026-12-25 01:00"), at(t, "2027-01-01 01:00"),
		at(t, "2027-01-08 01:00")}, events[0].Except)
	require.Equal(t, Event{UID: "w/20270101T010000Z", Start: at(t, "2027-01-02 01:00"), End: at(t, "2027-01-02 04:00")}, events[1])
	require.Equal(t, []time.Time{at(t, "2026-12-11 00:00")}, events[2].Except)
}

func TestParseICS_SummariesAreMadeOneVisibleLine(t *testing.T) {
	events := parsed(t, ics(
		vevent("a", "SUMMARY;LANGUAGE=de,\"x;y\":Jahres\r\n abschluss\\;\\nnur \\\\ lesen\u200b", "DTSTART;VALUE=DATE:20261201"),
		vevent("b", "SUMMARY:"+strings.Repeat("ö", 300), "DTSTART;VALUE=DATE:20261201")))
	require.Equal(t, `Jahresabschluss; nur \ lesen`, events[0].Summary)
	require.Equal(t, strings.Repeat("ö", MaxSummary), events[1].Summary)
}

func TestParseICS_SaysWhereAndWhy_B9(t *testing.T) {
	ok := vevent("ok", "DTSTART;VALUE=DATE:20261201")
	for _, c := range []struct{ text, says string }{
		{"", "is no whole iCalendar text"},
		{"{}", "line 1: is no property: it has no colon"},
		{"BEGIN:VEVENT\r\nEND:VEVENT\r\n", "line 1: is not BEGIN:VCALENDAR"},
		{"BEGIN:VCALENDAR\r\n" + ok, "END:VCALENDAR is missing"},
		{ics() + ics(), "line 6: comes after END:VCALENDAR"},
		{ics("BEGIN:VEVENT", "END:VTODO"), `line 5: ends "VTODO" where "VEVENT" is open`},
		{ics(strings.Repeat("BEGIN:X\r\n", 100)), "line 11: is the beginning of more than 8 components"},
		{ics("DTSTART;A=B"), "line 4: has a parameter that does not end"},
		{ics("DTSTART;A=\"B:1"), "line 4: has a parameter that does not end"},
		{ics(";A=B:1"), "line 4: is no property"},
		{ics("A B:1"), "line 4: is no property"},
		{ics("A;B:1"), "line 4: has a parameter without a name or a value"},
		{ics("SUMMARY:\xff"), "is not valid UTF-8"},
		{ics(vevent("", "DTSTART;VALUE=DATE:20261201")), "line 4: UID is missing"},
		{ics(ok, ok), `line 10, event "ok": has the UID of another event`},
		{ics(vevent("x", "SUMMARY:no start")), `line 4, event "x": has no DTSTART`},
		{ics(vevent("x", "DTSTART:20261201T030000Z")), `line 4, event "x": has neither DTEND nor DURATION`},
		{ics(vevent("x", "DTSTART:20261201T030000Z", "DTEND:20261201T030000Z")), `line 4, event "x": END is not after start`},
		{ics(vevent("x", "DTSTART:20261201T030000Z", "DTEND;VALUE=DATE:20261202")), `line 8, event "x": is a date and DTSTART is a time`},
		{ics(vevent("x", "DTSTART:20261201T030000Z", "DTEND:20261202T000000Z", "DURATION:PT1H")), "line 9"},
		{ics(vevent("x", "DTSTART:20261201T030000Z", "DURATION:-PT1H")), `line 8, event "x": is no DURATION`},
		{ics(vevent("x", "DTSTART:20260230T030000Z")), `line 7, event "x": has no date (20261201) and no time`},
		{ics(vevent("x", "DTSTART:20261201T235960Z")), `line 7, event "x"`},
		{ics(vevent("x", "DTSTART;VALUE=DATE:20260230")), `line 7, event "x": has a date that there is not`},
		{ics(vevent("x", "DTSTART;VALUE=DATE:18000101")), `line 4, event "x": START is not in the years 1900 to 2199`},
		{ics(vevent("x", "DTSTART;TZID=W. Europe Standard Time:20261201T030000")), `TZID "W. Europe Standard Time", which is no name of the IANA database`},
		{ics(vevent("x", "DTSTART;VALUE=DATE:20261201", "RRULE:FREQ=HOURLY")), `line 8, event "x": RRULE has FREQ=HOURLY`},
		{ics(vevent("x", "DTSTART;VALUE=DATE:20261201", "RDATE:20261203")), `line 8, event "x": is RDATE, which is not supported`},
		{ics(vevent("x", "DTSTART;VALUE=DATE:20261201", "DTSTART;VALUE=DATE:20261202")), `line 8: is a second DTSTART`},
		{ics(vevent("x", "DTSTART;VALUE=DATE:20261201", "RECURRENCE-ID;RANGE=THISANDFUTURE:20261201")), `line 8, event "x": has a RANGE`},
		{ics(vevent("x", "DTSTART;VALUE=DATE:20261201", "RRULE:FREQ=DAILY", "EXDATE:soon")), `line 9, event "x": has no date`},
	} {
		_, err := ParseICS(strings.NewReader(c.text), berlin)
		var ie *ICSError
		require.True(t, errors.As(err, &ie), "%q: %v", c.text, err)
		require.Contains(t, err.Error(), c.says, "%q", c.text)
	}
	_, err := ParseICS(strings.NewReader(ics()), "Nowhere/City")
	require.ErrorContains(t, err, "IANA")
}

func TestParseICS_IsBounded_B9(t *testing.T) {
	var events []string
	for i := range MaxEvents + 1 {
		events = append(events, vevent(fmt.Sprint(i), "DTSTART;VALUE=DATE:20261201"))
	}
	require.Len(t, parsed(t, ics(events[:MaxEvents]...)), MaxEvents)
	_, err := ParseICS(strings.NewReader(ics(events...)), berlin)
	require.ErrorContains(t, err, "one event more than the 1000")

	_, err = ParseICS(strings.NewReader(ics("X:"+strings.Repeat("y", 10<<20))), berlin)
	require.ErrorContains(t, err, "larger than 1 MiB")
}

// What made the libraries that were tried take minutes or gibibytes: lines of almost 1 MiB.
func TestParseICS_LongLinesCostTheirLength_B9(t *testing.T) {
	size := MaxICS - 200
	for name, line := range map[string]string{
		"parameters":         "X" + strings.Repeat(";a=b", size/4) + ":v",
		"values":             "X;A=b" + strings.Repeat(",b", size/2) + ":v",
		"one value":          "X;A=" + strings.Repeat("b", size) + ":v",
		"folds":              "X:a" + strings.Repeat("\r\n b", size/4),
		"escapes":            "BEGIN:VEVENT\r\nUID:1\r\nDTSTART:20261201\r\nSUMMARY:" + strings.Repeat(`\n`, size/2) + "\r\nEND:VEVENT",
		"short lines":        strings.Repeat("X:\n", size/3-2) + "X:",
		"one event's EXDATE": "BEGIN:VEVENT\r\nUID:1\r\nDTSTART:20261201" + strings.Repeat("\nEXDATE:1", size/10) + "\nEND:VEVENT",
	} {
		text := ics(line)
		var before, after runtime.MemStats
		runtime.ReadMemStats(&before)
		_, err := ParseICS(strings.NewReader(text), berlin)
		runtime.ReadMemStats(&after)
		require.NoError(t, err, name)
		require.Less(t, after.TotalAlloc-before.TotalAlloc, uint64(200<<20), name)
	}
}

func TestWriteICS_IsReadBackAsItWas_B9(t *testing.T) {
	c := freeze(
		Event{UID: "a;b,c\\d", Summary: `Year's end; "frozen", \all` + strings.Repeat(" ö", 60), AllDay: true, Start: at(t, "2026-12-20 00:00"), End: at(t, "2027-01-07 00:00"),
			Rule: "FREQ=YEARLY", Except: []time.Time{at(t, "2028-12-20 00:00")}},
		span(t, "2026-10-25 00:30", "2026-10-25 01:30"),
		recurring(span(t, "2026-03-29 00:30", "2026-03-29 05:30"), "FREQ=WEEKLY;UNTIL=20301231T000000Z"),
		Event{UID: "tokyo", Start: at(t, "2026-03-01 00:00"), End: at(t, "2026-03-01 01:00"), Rule: "FREQ=DAILY", Zone: "Asia/Tokyo"},
		Event{UID: "utc", Start: at(t, "2026-03-01 00:00"), End: at(t, "2026-03-01 01:00"), Rule: "FREQ=DAILY", Zone: "UTC"},
		Event{UID: "forever", Start: at(t, "2026-03-01 00:00")},
		Event{UID: "forever, days", AllDay: true, Start: at(t, "2026-03-01 00:00")})
	c.UpdatedAt = at(t, "2026-11-21 10:00")
	require.Empty(t, c.Check())
	var out bytes.Buffer
	require.NoError(t, WriteICS(&out, c))
	require.Equal(t, c.Events, parsed(t, out.String()))
	for line := range strings.Lines(out.String()) {
		require.True(t, strings.HasSuffix(line, "\r\n"))
		require.LessOrEqual(t, len(line), 75+2, line)
	}
	require.Contains(t, out.String(), "BEGIN:DAYLIGHT\r\nDTSTART:20270328T020000\r\nTZOFFSETFROM:+0100\r\nTZOFFSETTO:+0200\r\nTZNAME:CEST\r\nEND:DAYLIGHT\r\n")
	require.Equal(t, 2, strings.Count(out.String(), "BEGIN:VTIMEZONE"), "Berlin and Tokyo")
}

func TestWriteICS_AnyCalendarIsReadBack_B9(t *testing.T) {
	rapid.Check(t, func(rt *rapid.T) {
		c := Calendar{Name: rapid.String().Draw(rt, "name"), Kind: Window, Zone: rapid.SampledFrom([]string{berlin, "UTC", "America/St_Johns", "Australia/Lord_Howe"}).Draw(rt, "zone")}
		for i := range rapid.IntRange(0, 5).Draw(rt, "events") {
			e := Event{UID: fmt.Sprint(i) + rapid.StringMatching(`[ -~ö]{0,80}[a-z]`).Draw(rt, "uid"),
				Summary: plain(rapid.String().Draw(rt, "summary")), AllDay: rapid.Bool().Draw(rt, "all day"),
				Start: time.Unix(rapid.Int64Range(0, 4e9).Draw(rt, "start"), 0).UTC(), Rule: rapid.SampledFrom([]string{"", "FREQ=MONTHLY;BYDAY=-1FR"}).Draw(rt, "rule")}
			length := time.Duration(rapid.IntRange(1, 1e6).Draw(rt, "length")) * time.Second
			if e.AllDay {
				e.Start, length = e.Start.Truncate(24*time.Hour), (length/10).Round(24*time.Hour)+24*time.Hour
			}
			e.End = e.Start.Add(length)
			if loc, err := LoadZone(c.Zone); err == nil && !e.AllDay && e.Rule != "" {
				e.Start = wallOf(e.Start, loc).in(loc) // the second time in an hour that comes twice cannot be written
				e.End = e.Start.Add(length)
				e.Except = []time.Time{e.Start.Add(length)}
			}
			c.Events = append(c.Events, e)
		}
		require.Empty(rt, c.Check())
		var out bytes.Buffer
		require.NoError(rt, WriteICS(&out, c))
		got, err := ParseICS(&out, c.Zone)
		require.NoError(rt, err)
		require.Equal(rt, c.Events, got)
	})
}

func TestCalendarCheck_SaysWhatIsWrong_B9(t *testing.T) {
	good := freeze(span(t, "2026-12-01 00:00", "2026-12-02 00:00"))
	require.Empty(t, good.Check())
	for says, spoil := range map[string]func(c *Calendar, e *Event){
		"kind is neither":                       func(c *Calendar, e *Event) { c.Kind = "pause" },
		"time_zone is no name":                  func(c *Calendar, e *Event) { c.Zone = "CEST!" },
		"events has 1001 entries":               func(c *Calendar, e *Event) { c.Events = make([]Event, MaxEvents+1) },
		"events/0/uid is missing":               func(c *Calendar, e *Event) { e.UID = "" },
		"events/0/uid has a control":            func(c *Calendar, e *Event) { e.UID = "a\nb" },
		"events/0/uid is longer":                func(c *Calendar, e *Event) { e.UID = strings.Repeat("x", 256) },
		"events/1/uid is that of another":       func(c *Calendar, e *Event) { c.Events = append(c.Events, *e) },
		"events/0/summary is longer than 200":   func(c *Calendar, e *Event) { e.Summary = strings.Repeat("ö", 201) },
		"events/0/start is missing":             func(c *Calendar, e *Event) { e.Start = time.Time{} },
		"events/0/start has a fraction":         func(c *Calendar, e *Event) { e.Start = e.Start.Add(1) },
		"events/0/end is not after start":       func(c *Calendar, e *Event) { e.End = e.Start },
		"events/0/end is not in the years":      func(c *Calendar, e *Event) { e.End = e.End.AddDate(500, 0, 0) },
		"events/0/end has a time of day":        func(c *Calendar, e *Event) { e.AllDay, e.End = true, e.End.Add(time.Hour) },
		"events/0/rrule has FREQ=SECONDLY":      func(c *Calendar, e *Event) { e.Rule = "FREQ=SECONDLY" },
		"events/0/end is missing":               func(c *Calendar, e *Event) { e.Rule, e.End = "FREQ=DAILY", time.Time{} },
		"events/0/end is more than 366 days":    func(c *Calendar, e *Event) { e.Rule, e.End = "FREQ=DAILY", e.End.AddDate(2, 0, 0) },
		"events/0/time_zone is no name":         func(c *Calendar, e *Event) { e.Zone = "Nowhere" },
		"events/0/time_zone is given for whole": func(c *Calendar, e *Event) { e.Zone, e.AllDay = "UTC", true },
		"events/0/except is given without":      func(c *Calendar, e *Event) { e.Except = []time.Time{e.Start} },
		"events/0/except has more than 1000":    func(c *Calendar, e *Event) { e.Rule, e.Except = "FREQ=DAILY", make([]time.Time, 1001) },
	} {
		c := freeze(span(t, "2026-12-01 00:00", "2026-12-02 00:00"))
		spoil(&c, &c.Events[0])
		problems := c.Check()
		require.NotEmpty(t, problems, says)
		require.Contains(t, problems[0].Error(), says)
	}
	var large []Event
	for i := range MaxEvents {
		e := days(t, "2026-12-01", "2026-12-02")
		e.UID, e.Summary = fmt.Sprint(i), strings.Repeat("s", 200)
		large = append(large, e)
	}
	require.Contains(t, freeze(large...).Check()[0].Error(), "bytes together; 280000 are allowed")
}
