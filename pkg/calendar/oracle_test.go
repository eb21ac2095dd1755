package calendar

import (
	"fmt"
	"strings"
	"testing"
	"time"

	"github.com/stretchr/testify/require"
	"github.com/teambition/rrule-go"
	"pgregory.net/rapid"
)

// drawRule makes a rule that both sides read alike. Left out is where rrule-go follows python-dateutil and not RFC 5545:
// BYWEEKNO without BYDAY or counted from the end, weeks that begin in another year, and BYSETPOS in a WEEKLY rule's first week.
func drawRule(t *rapid.T) string {
	list := func(name string, low, high, most int, negative bool) string {
		var out []string
		for range rapid.IntRange(1, most).Draw(t, name+" count") {
			n := rapid.IntRange(low, high).Draw(t, name)
			if negative && rapid.Bool().Draw(t, name+" from the end") {
				n = -n
			}
			out = append(out, fmt.Sprint(n))
		}
		return fmt.Sprintf(";%s=%s", name, strings.Join(out, ","))
	}
	days := func(most int) string {
		var out []string
		for range rapid.IntRange(1, 3).Draw(t, "days") {
			d := rapid.SampledFrom(weekdays).Draw(t, "day")
			if most > 0 {
				n := rapid.IntRange(1, most).Draw(t, "n")
				d = fmt.Sprintf("%+d%s", n*rapid.SampledFrom([]int{1, -1}).Draw(t, "sign"), d)
			}
			out = append(out, d)
		}
		return ";BYDAY=" + strings.Join(out, ",")
	}
	maybe := func(name string) bool { return rapid.IntRange(0, 2).Draw(t, "with "+name) == 0 }
	freq := rapid.SampledFrom([]string{"DAILY", "WEEKLY", "MONTHLY", "YEARLY"}).Draw(t, "freq")
	s := "FREQ=" + freq
	if maybe("interval") {
		s += fmt.Sprintf(";INTERVAL=%d", rapid.IntRange(1, 30).Draw(t, "interval"))
	}
	months := maybe("months")
	if months {
		s += list("BYMONTH", 1, 12, 3, false)
	}
	choose := months
	switch freq {
	case "DAILY":
		if maybe("month days") {
			s += list("BYMONTHDAY", 1, 31, 4, true)
		}
		if maybe("days") {
			s += days(0)
		}
		choose = false
	case "WEEKLY":
		if maybe("days") {
			s += days(0)
		}
		s += ";WKST=" + rapid.SampledFrom(weekdays).Draw(t, "week start")
		choose = false
	case "MONTHLY":
		switch rapid.IntRange(0, 3).Draw(t, "days") {
		case 0:
			s += list("BYMONTHDAY", 1, 31, 4, true)
			choose = true
		case 1:
			s += days(0)
			choose = true
		case 2:
			s += days(5)
			choose = true
		}
	case "YEARLY":
		switch rapid.IntRange(0, 4).Draw(t, "days") {
		case 0:
			s += list("BYMONTHDAY", 1, 31, 4, true)
			choose = true
		case 1:
			s += days(0)
			choose = true
		case 2:
			if months {
				s += days(5)
			} else {
				s += days(53)
			}
			choose = true
		case 3:
			if !months {
				s += list("BYYEARDAY", 1, 366, 4, true)
				choose = true
			}
		case 4:
			s += list("BYWEEKNO", 2, 51, 3, false) + days(0)
			choose = true
		}
	}
	if choose && maybe("positions") {
		s += list("BYSETPOS", 1, 4, 2, true)
	}
	if maybe("count") {
		s += fmt.Sprintf(";COUNT=%d", rapid.IntRange(1, 40).Draw(t, "count"))
	} else if maybe("until") {
		s += ";UNTIL=" + time.Unix(rapid.Int64Range(1e9, 2e9).Draw(t, "until"), 0).UTC().Format("20060102T150405Z")
	}
	return s
}

func TestRules_FireWhenAnotherImplementationSays(t *testing.T) {
	rapid.Check(t, func(t *rapid.T) {
		text := drawRule(t)
		start := time.Unix(rapid.Int64Range(9e8, 16e8).Draw(t, "start"), 0).UTC()
		from := start.AddDate(0, rapid.IntRange(0, 200).Draw(t, "months later"), 0)
		to := from.AddDate(6, 0, 0)

		option, err := rrule.StrToROption(text)
		require.NoError(t, err, text)
		option.Dtstart = start
		theirs, err := rrule.NewRRule(*option)
		require.NoError(t, err, text)
		var want []string
		for _, at := range theirs.Between(from, to, true) {
			if want = append(want, at.Format(time.RFC3339)); len(want) == 50 {
				break
			}
		}

		r, err := parseRule(text)
		require.NoError(t, err, text)
		var got []string
		for w := r.begin(wall(start.Unix())).walkFrom(wall(from.Unix()), wall(to.Unix())); len(got) < 50; {
			at, ok := w.next()
			if !ok {
				break
			}
			if !at.utc().Before(from) && !(r.ends && at > r.until) {
				got = append(got, at.utc().Format(time.RFC3339))
			}
		}
		require.Equal(t, want, got, "%s from %s, since %s", text, start, from)
	})
}
