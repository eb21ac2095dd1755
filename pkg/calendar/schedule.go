package calendar

import (
	"fmt"
	"time"
)

// Limits of a schedule.
const (
	MaxEveryDays = 3650
	// horizon is how far ahead a rule has to fire to be accepted.
	horizonYears = 5
	// patienceYears is how far ahead Next looks; 29 February is at most 8 years away.
	patienceYears = 12
)

// Schedule says when rotations are due: every EveryDays days, or by a Rule, not both.
//
// Days are those of the Zone's calendar, so that the time of day stays when clocks are changed. A rule is counted from the
// anchor, the key's birth: INTERVAL and COUNT begin there, and what no part of it names is the anchor's (the time of day; in a
// MONTHLY rule without days the day, and so on), except that minutes and seconds which a rule with BYHOUR leaves open are 0. The
// anchor itself is no occurrence.
type Schedule struct {
	EveryDays int    // 1 to 3650; 0 with a Rule
	Rule      string // RFC 5545, with the bounds of package calendar
	Zone      string // IANA name
}

// Check says why a schedule cannot be had, as a *Problem; nil when it can.
func (s Schedule) Check(now time.Time) error {
	if _, err := LoadZone(s.Zone); err != nil {
		return err
	}
	switch {
	case s.EveryDays != 0 && s.Rule != "":
		return &Problem{"rrule", "is given together with every; give one of them"}
	case s.EveryDays == 0 && s.Rule == "":
		return &Problem{"every", "is missing; give every (a number of days) or rrule"}
	case s.Rule == "":
		if s.EveryDays < 1 || s.EveryDays > MaxEveryDays {
			return &Problem{"every", fmt.Sprintf("is not 1 to %d days", MaxEveryDays)}
		}
		return nil
	}
	r, err := parseRule(s.Rule)
	if err != nil {
		return &Problem{"rrule", err.Error()}
	}
	next, ok := s.Next(now, now)
	switch {
	case ok && !next.After(now.AddDate(horizonYears, 0, 0)):
		return nil
	case r.ends:
		return &Problem{"rrule", "has an UNTIL before which it does not fire any more"}
	}
	return &Problem{"rrule", fmt.Sprintf("does not fire within the next %d years", horizonYears)}
}

// Next returns the first occurrence strictly after a time; false when there is none within twelve years of it (a number of days
// always has one), or when the schedule is one that Check refuses for other reasons than its end.
func (s Schedule) Next(anchor, after time.Time) (time.Time, bool) {
	return s.next(anchor, after, newZones())
}

func (s Schedule) next(anchor, after time.Time, z *zones) (time.Time, bool) {
	loc, err := z.get(s.Zone)
	if err != nil {
		return time.Time{}, false
	}
	start := wallOf(anchor, loc)
	from := wallOf(later(anchor, after), loc)
	if s.Rule == "" {
		return s.nextDays(start, from, later(anchor, after), loc)
	}
	r, err := parseRule(s.Rule)
	if err != nil || s.EveryDays != 0 {
		return time.Time{}, false
	}
	if r.byHour >= 0 && r.byMinute < 0 {
		r.byMinute = 0
	}
	if r.byMinute >= 0 && r.bySecond < 0 {
		r.bySecond = 0
	}
	// An hour that clocks show twice may bring an occurrence of an earlier local time.
	w := r.begin(start).walkFrom(from-day, from+patienceYears*366*day)
	for {
		at, ok := w.next()
		if !ok {
			return time.Time{}, false
		}
		t := at.in(loc)
		if r.ends && r.untilUTC && t.Unix() > int64(r.until) {
			return time.Time{}, false
		}
		if t.After(anchor) && t.After(after) {
			return t, true
		}
	}
}

func (s Schedule) nextDays(start, from wall, after time.Time, loc *time.Location) (time.Time, bool) {
	if s.EveryDays < 1 || s.EveryDays > MaxEveryDays {
		return time.Time{}, false
	}
	step := int64(s.EveryDays) * day
	for n := max(floor(int64(from-start), step)-1, 0); ; n++ {
		if t := (start + wall(n*step)).in(loc); t.After(after) {
			return t, true
		}
	}
}

func later(a, b time.Time) time.Time {
	if a.After(b) {
		return a
	}
	return b
}
