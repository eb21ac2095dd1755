// Package period writes durations in ISO 8601, as the API shows them: P7D, PT15M, PT1H30M.
package period

import (
	"strconv"
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
