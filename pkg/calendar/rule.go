package calendar

import (
	"fmt"
	"slices"
	"strconv"
	"strings"
	"time"
)

// A rule is a recurrence rule, RFC 5545 section 3.3.10, with these bounds: FREQ is DAILY, WEEKLY, MONTHLY or YEARLY; one time
// of day; INTERVAL 1 to 3660; COUNT 1 to 1000; at most 500 bytes. BYDAY with a number counts in its month, or, in a YEARLY rule
// without BYMONTH, in its year.
type rule struct {
	freq      frequency
	interval  int64
	count     int  // 0: without end
	until     wall // the last local second that counts
	untilUTC  bool // until is UTC, not local
	ends      bool // there is an until
	weekStart time.Weekday

	byMonth, byMonthDay, byYearDay, byWeekNo, bySetPos []int
	byDay                                              []weekdayNum
	byHour, byMinute, bySecond                         int // -1: not named
}

type frequency int

const (
	daily frequency = iota
	weekly
	monthly
	yearly
)

// weekdayNum is a weekday; with n, the nth of its month or year, from the end when negative.
type weekdayNum struct {
	day time.Weekday
	n   int
}

const (
	maxRule     = 500
	maxInterval = 3660
	maxCount    = 1000
)

var frequencies = []string{"DAILY", "WEEKLY", "MONTHLY", "YEARLY"} // at their frequency

var weekdays = []string{"SU", "MO", "TU", "WE", "TH", "FR", "SA"} // at their time.Weekday

// parseRule reads a rule. The error is for people: it says which part is wrong, and why.
func parseRule(text string) (rule, error) {
	r := rule{freq: -1, interval: 1, weekStart: time.Monday, byHour: -1, byMinute: -1, bySecond: -1}
	if len(text) > maxRule {
		return r, fmt.Errorf("is longer than %d bytes", maxRule)
	}
	text = strings.TrimPrefix(strings.ToUpper(strings.TrimSpace(text)), "RRULE:")
	seen := map[string]bool{}
	for part := range strings.SplitSeq(text, ";") {
		name, value, ok := strings.Cut(part, "=")
		if !ok || value == "" {
			return r, fmt.Errorf("is not a list of NAME=VALUE with semicolons between them, like FREQ=MONTHLY;BYDAY=1MO")
		}
		if seen[name] {
			return r, fmt.Errorf("has %s twice", shorten(name))
		}
		seen[name] = true
		if err := r.set(name, value); err != nil {
			return r, err
		}
	}
	return r, r.check(seen)
}

// set reads one part.
func (r *rule) set(name, value string) (err error) {
	switch name {
	case "FREQ":
		if r.freq = frequency(slices.Index(frequencies, value)); r.freq >= 0 {
			return nil
		}
		if slices.Contains([]string{"HOURLY", "MINUTELY", "SECONDLY"}, value) {
			return fmt.Errorf("has FREQ=%s, which fires more often than once a day; DAILY, WEEKLY, MONTHLY and YEARLY are allowed", value)
		}
		return fmt.Errorf("has an unknown FREQ; DAILY, WEEKLY, MONTHLY and YEARLY are allowed")
	case "INTERVAL":
		var n int
		n, err = number(name, value, 1, maxInterval)
		r.interval = int64(n)
	case "COUNT":
		r.count, err = number(name, value, 1, maxCount)
	case "UNTIL":
		r.ends = true
		r.until, r.untilUTC, err = parseUntil(value)
	case "WKST":
		day := slices.Index(weekdays, value)
		if day < 0 {
			return fmt.Errorf("has a WKST that is none of %s", strings.Join(weekdays, ", "))
		}
		r.weekStart = time.Weekday(day)
	case "BYMONTH":
		r.byMonth, err = numbers(name, value, 1, 12, false)
	case "BYMONTHDAY":
		r.byMonthDay, err = numbers(name, value, 1, 31, true)
	case "BYYEARDAY":
		r.byYearDay, err = numbers(name, value, 1, 366, true)
	case "BYWEEKNO":
		r.byWeekNo, err = numbers(name, value, 1, 53, true)
	case "BYSETPOS":
		r.bySetPos, err = numbers(name, value, 1, 366, true)
	case "BYDAY":
		r.byDay, err = parseDays(value)
	case "BYHOUR":
		r.byHour, err = timeOfDay(name, value, 23)
	case "BYMINUTE":
		r.byMinute, err = timeOfDay(name, value, 59)
	case "BYSECOND":
		r.bySecond, err = timeOfDay(name, value, 59)
	default:
		err = fmt.Errorf("has %s, which is no part of a rule that is supported", shorten(name))
	}
	return err
}

// check looks at the parts together. Some are refused because RFC 5545 does, others because nothing could come of them.
func (r *rule) check(seen map[string]bool) error {
	if r.freq < 0 {
		return fmt.Errorf("has no FREQ")
	}
	numbered := slices.ContainsFunc(r.byDay, func(d weekdayNum) bool { return d.n != 0 })
	switch {
	case r.count > 0 && r.ends:
		return fmt.Errorf("has both COUNT and UNTIL; give one of them")
	case len(r.byWeekNo) > 0 && r.freq != yearly:
		return fmt.Errorf("has BYWEEKNO, which is for FREQ=YEARLY only")
	case len(r.byYearDay) > 0 && r.freq != yearly:
		return fmt.Errorf("has BYYEARDAY, which is for FREQ=YEARLY only")
	case len(r.byMonthDay) > 0 && r.freq == weekly:
		return fmt.Errorf("has BYMONTHDAY, which is not for FREQ=WEEKLY")
	case numbered && r.freq != monthly && r.freq != yearly:
		return fmt.Errorf("has a BYDAY with a number, which is for FREQ=MONTHLY and FREQ=YEARLY only")
	case numbered && len(r.byWeekNo) > 0:
		return fmt.Errorf("has a BYDAY with a number together with BYWEEKNO")
	case len(r.bySetPos) > 0 && !(seen["BYDAY"] || seen["BYMONTHDAY"] || seen["BYMONTH"] || seen["BYYEARDAY"] || seen["BYWEEKNO"]):
		return fmt.Errorf("has BYSETPOS without a part that it could choose from")
	}
	return nil
}

// parseUntil reads a date, which counts to its last second, or a date and time, local or with Z for UTC.
func parseUntil(value string) (w wall, utc bool, err error) {
	for layout, add := range map[string]wall{"20060102": day - 1, "20060102T150405": 0, "20060102T150405Z": 0} {
		if t, err := time.Parse(layout, value); err == nil {
			return wall(t.Unix()) + add, layout[len(layout)-1] == 'Z', nil
		}
	}
	return 0, false, fmt.Errorf("has an UNTIL that is no date (20271231) and no time (20271231T235959Z)")
}

func parseDays(value string) ([]weekdayNum, error) {
	var out []weekdayNum
	for item := range strings.SplitSeq(value, ",") {
		at := max(len(item)-2, 0)
		d := weekdayNum{day: time.Weekday(slices.Index(weekdays, item[at:]))}
		if d.day < 0 {
			return nil, fmt.Errorf("has a BYDAY with an entry that is none of %s, with or without a number before it", strings.Join(weekdays, ", "))
		}
		if at > 0 {
			ns, err := numbers("BYDAY", item[:at], 1, 53, true)
			if err != nil {
				return nil, err
			}
			d.n = ns[0]
		}
		out = append(out, d)
	}
	return out, nil
}

func number(name, value string, low, high int) (int, error) {
	ns, err := numbers(name, value, low, high, false)
	if err != nil || len(ns) != 1 {
		return 0, fmt.Errorf("has an %s that is no number from %d to %d", name, low, high)
	}
	return ns[0], nil
}

// numbers reads a list of numbers in [low, high], with negative also in [-high, -low]; it comes back without repetitions.
func numbers(name, value string, low, high int, negative bool) ([]int, error) {
	var out []int
	for item := range strings.SplitSeq(value, ",") {
		n, err := strconv.Atoi(item)
		if err != nil || n > high || n < low && !(negative && n <= -low && n >= -high) {
			also := ""
			if negative {
				also = fmt.Sprintf(" or -%d to -%d", high, low)
			}
			return nil, fmt.Errorf("has a %s that is no number from %d to %d%s", name, low, high, also)
		}
		if !slices.Contains(out, n) {
			out = append(out, n)
		}
	}
	return out, nil
}

// timeOfDay reads an hour, a minute or a second: several would fire more often than once a day.
func timeOfDay(name, value string, high int) (int, error) {
	ns, err := numbers(name, value, 0, high, false)
	if err != nil {
		return -1, err
	}
	if len(ns) != 1 {
		return -1, fmt.Errorf("has several values of %s, so that it fires more often than once a day", name)
	}
	return ns[0], nil
}

// shorten bounds what of the input is repeated in an error.
func shorten(s string) string {
	if len(s) > 40 {
		return strconv.QuoteToASCII(s[:40]) + "..."
	}
	return strconv.QuoteToASCII(s)
}
