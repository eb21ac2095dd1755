package calendar

import (
	"bytes"
	"strings"
	"testing"
	"time"

	"github.com/stretchr/testify/require"
)

func FuzzParseICS(f *testing.F) {
	f.Add(ics(vevent("1", "SUMMARY:a\\, b", "DTSTART;VALUE=DATE:20261201", "RRULE:FREQ=YEARLY", "EXDATE;VALUE=DATE:20271201")))
	f.Add(ics(vevent("2", "DTSTART;TZID=\"Europe/Berlin\":20261025T023000", "DURATION:P1DT2H", "RECURRENCE-ID:20261024T003000Z")))
	f.Add(ics(vevent("3", "DTSTART:20261201T030000Z", "X-REKEY-ENDLESS:TRUE", "STATUS:CANCELLED")))
	f.Add("BEGIN:VCALENDAR\nX;A=\"b\",c;D=e:f\n  g\nEND:VCALENDAR")
	f.Add("BEGIN:VCALENDAR\nDTSTART;A=B")
	f.Fuzz(func(t *testing.T, text string) {
		events, err := ParseICS(strings.NewReader(text), "Europe/Berlin")
		if err != nil {
			return
		}
		c := Calendar{Kind: Freeze, Zone: "Europe/Berlin", Events: events}
		for _, p := range c.Check() {
			if !strings.Contains(p.Detail, "together") && !strings.Contains(p.Detail, "another event") {
				t.Fatalf("read what is refused: %v", &p)
			}
		}
		from := time.Date(2026, 11, 21, 0, 0, 0, 0, time.UTC)
		if got, _, ok := Allowed([]Calendar{c}, from); ok && got.Before(from) {
			t.Fatalf("allowed in the past: %s", got)
		}
		var out bytes.Buffer
		require.NoError(t, WriteICS(&out, c))
		if out.Len() > MaxICS {
			return
		}
		again, err := ParseICS(&out, c.Zone)
		require.NoError(t, err)
		require.Len(t, again, len(events))
	})
}

func FuzzRule(f *testing.F) {
	for _, s := range []string{"FREQ=DAILY", "FREQ=WEEKLY;INTERVAL=2;BYDAY=MO,FR;WKST=SU", "FREQ=MONTHLY;BYDAY=-1FR;BYHOUR=3;COUNT=9",
		"FREQ=YEARLY;BYWEEKNO=53;BYDAY=SU;UNTIL=20401231", "FREQ=MONTHLY;BYDAY=53MO", "FREQ=YEARLY;BYMONTH=2;BYMONTHDAY=29,-1;BYSETPOS=-1",
		"FREQ=YEARLY;BYYEARDAY=366,-366;INTERVAL=3660"} {
		f.Add(s, int64(1795255200))
	}
	f.Fuzz(func(t *testing.T, text string, anchor int64) {
		born := time.Unix(mod(anchor, 7e9), 0)
		s := Schedule{Rule: text, Zone: "Australia/Lord_Howe"}
		if s.Check(born) != nil {
			return
		}
		last := born
		for range 5 {
			next, ok := s.Next(born, last)
			if !ok {
				return
			}
			if !next.After(last) {
				t.Fatalf("%s is not after %s", next, last)
			}
			if between, ok := s.Next(born, next.Add(-time.Second)); !ok || !between.Equal(next) {
				t.Fatalf("%s is not found from just before, but %s", next, between)
			}
			last = next
		}
	})
}
