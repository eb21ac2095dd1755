// Package period reads and writes durations in ISO 8601, as the API shows them: P7D, PT15M, PT1H30M.
//
//	period = "P" ( weeks "W" | [ days "D" ] [ "T" [ hours "H" ] [ minutes "M" ] [ seconds "S" ] ] )
//
// with at least one number, each 1 to 5 digits (weeks: 1 to 4) without a sign or a fraction. A day is 24 hours and a week
// seven days, whatever a clock on a wall does. Years and months are refused: how long one is depends on when.
package period

import (
	"strconv"
	"strings"
	"time"
)

// Format writes a duration of whole seconds, zero or more, as days, hours, minutes and seconds; a day is 24 hours.
func Format(d time.Duration) string {
	s := int64(d / time.Second)
	out := "P"
	if days := s / 86400; days > 0 {
		out += strconv.FormatInt(days, 10) + "D"
		s %= 86400
	}
	if s == 0 {
		if out == "P" {
			return "PT0S"
		}
		return out
	}
	out += "T"
	for _, u := range [...]struct {
		seconds int64
		letter  string
	}{{3600, "H"}, {60, "M"}, {1, "S"}} {
		if n := s / u.seconds; n > 0 {
			out += strconv.FormatInt(n, 10) + u.letter
			s %= u.seconds
		}
	}
	return out
}

// Parse reads a duration; it reports false for anything that the grammar has not.
func Parse(text string) (time.Duration, bool) {
	rest, ok := strings.CutPrefix(text, "P")
	if !ok || rest == "" {
		return 0, false
	}
	if weeks, ok := strings.CutSuffix(rest, "W"); ok {
		n, ok := number(weeks, 4)
		return time.Duration(n) * 7 * 24 * time.Hour, ok
	}
	var total time.Duration
	days, clock, timed := strings.Cut(rest, "T")
	if days != "" {
		digits, ok := strings.CutSuffix(days, "D")
		n, isNumber := number(digits, 5)
		if !ok || !isNumber {
			return 0, false
		}
		total = time.Duration(n) * 24 * time.Hour
	}
	if timed && clock == "" {
		return 0, false
	}
	for _, u := range [...]struct {
		letter string
		length time.Duration
	}{{"H", time.Hour}, {"M", time.Minute}, {"S", time.Second}} {
		digits, after, found := strings.Cut(clock, u.letter)
		if !found {
			continue
		}
		n, ok := number(digits, 5)
		if !ok {
			return 0, false
		}
		total += time.Duration(n) * u.length
		clock = after
	}
	return total, clock == ""
}

// number reads as many digits that no sum of such parts overflows a duration, which holds 106,751 days.
func number(digits string, most int) (int64, bool) {
	if digits == "" || len(digits) > most {
		return 0, false
	}
	for i := 0; i < len(digits); i++ {
		if digits[i] < '0' || digits[i] > '9' {
			return 0, false
		}
	}
	n, err := strconv.ParseInt(digits, 10, 64)
	return n, err == nil
}
