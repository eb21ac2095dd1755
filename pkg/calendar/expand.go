package calendar

import (
	"slices"
	"time"
)

// series is a rule with its beginning: what it leaves open is taken from there.
type series struct {
	rule
	start   wall // nothing is before it
	seconds wall // time of day
	months  []int
	mdays   []int
	days    []weekdayNum
}

// begin completes a rule by its start: the time of day, and the day, month or weekday that no part of it names.
func (r rule) begin(start wall) series {
	s := series{rule: r, start: start, months: r.byMonth, mdays: r.byMonthDay, days: r.byDay}
	at := start.utc()
	hour, minute, second := at.Clock()
	for _, part := range []struct {
		named int
		value *int
	}{{r.byHour, &hour}, {r.byMinute, &minute}, {r.bySecond, &second}} {
		if part.named >= 0 {
			*part.value = part.named
		}
	}
	s.seconds = wall(hour*3600 + minute*60 + second)
	weekday := []weekdayNum{{day: at.Weekday()}}
	switch {
	case len(r.byDay) > 0 || len(r.byMonthDay) > 0 || len(r.byYearDay) > 0:
	case len(r.byWeekNo) > 0:
		s.days = weekday
	case r.freq == yearly:
		s.mdays = []int{at.Day()}
		if len(s.months) == 0 {
			s.months = []int{int(at.Month())}
		}
	case r.freq == monthly:
		s.mdays = []int{at.Day()}
	case r.freq == weekly:
		s.days = weekday
	}
	return s
}

// walk goes through the occurrences of a series in order.
type walk struct {
	series
	period  int64 // the next one, counted in intervals from the start's own
	pending []wall
	counted int
	until   wall // local, or the end of the walk when that is earlier
	looked  int  // how many dates were looked at
	most    int  // after which the walk ends; 0 for none
}

// walkFrom goes through the occurrences at from or later, up to and with last. It costs what lies between the two: only a rule
// with COUNT is walked from its start.
func (s series) walkFrom(from, last wall) *walk {
	w := &walk{series: s, until: last}
	if s.ends {
		// In UTC it is compared again as an instant; no zone is further than a day from it.
		w.until = min(last, s.rule.until)
		if s.untilUTC {
			w.until = min(last, s.rule.until+day)
		}
	}
	if from > s.start && s.count == 0 {
		w.period = max(s.periodOf(from)-1, 0)
	}
	return w
}

// periodOf counts the intervals from the start's period to that of another time.
func (s series) periodOf(at wall) int64 {
	a, b := s.start.utc(), at.utc()
	months := func(t time.Time) int64 { return int64(t.Year())*12 + int64(t.Month()) - 1 }
	var n int64
	switch s.freq {
	case daily:
		n = int64(at.midnight()-s.start.midnight()) / day
	case weekly:
		n = int64(s.week(at)-s.week(s.start)) / (7 * day)
	case monthly:
		n = months(b) - months(a)
	case yearly:
		n = int64(b.Year() - a.Year())
	}
	return floor(n, s.interval)
}

// week is the midnight at which a time's week begins.
func (s series) week(at wall) wall {
	return at.midnight() - wall(mod(int64(at.weekday()-s.weekStart), 7))*day
}

// next is the next occurrence; false at the end.
func (w *walk) next() (wall, bool) {
	for len(w.pending) == 0 {
		first, days := w.span(w.period)
		if first > w.until || w.most > 0 && w.looked > w.most {
			return 0, false
		}
		w.period++
		w.looked += days
		for _, at := range w.fill(first, days) {
			if at >= w.start {
				w.pending = append(w.pending, at)
			}
		}
	}
	at := w.pending[0]
	w.pending = w.pending[1:]
	if w.counted++; at > w.until || w.count > 0 && w.counted > w.count {
		w.pending, w.until = nil, w.start-1
		return 0, false
	}
	return at, true
}

// span is the first midnight of a period, and how many days it has.
func (s series) span(period int64) (first wall, days int) {
	at, n := s.start.utc(), period*s.interval
	switch s.freq {
	case daily:
		return s.start.midnight() + wall(n*day), 1
	case weekly:
		return s.week(s.start) + wall(n*7*day), 7
	case monthly:
		first = dateWall(at.Year(), at.Month()+time.Month(n), 1)
		return first, int(dateWall(at.Year(), at.Month()+time.Month(n+1), 1)-first) / day
	}
	first = dateWall(at.Year()+int(n), 1, 1)
	return first, int(dateWall(at.Year()+int(n)+1, 1, 1)-first) / day
}

// fill returns the occurrences of one period.
func (s series) fill(first wall, days int) []wall {
	var out []wall
	for i := range days {
		if at := first + wall(i*day); s.fires(at, first, days) {
			out = append(out, at+s.seconds)
		}
	}
	if len(s.bySetPos) == 0 {
		return out
	}
	var chosen []wall
	for i, at := range out {
		if slices.Contains(s.bySetPos, i+1) || slices.Contains(s.bySetPos, i-len(out)) {
			chosen = append(chosen, at)
		}
	}
	return chosen
}

// fires tells whether a date of a period is one of the rule's.
func (s series) fires(at, first wall, days int) bool {
	t := at.utc()
	year, month, d := t.Date()
	if len(s.months) > 0 && !slices.Contains(s.months, int(month)) {
		return false
	}
	if len(s.mdays) > 0 {
		length := time.Date(year, month+1, 0, 0, 0, 0, 0, time.UTC).Day()
		if !either(s.mdays, d, length) {
			return false
		}
	}
	if len(s.byYearDay) > 0 && !either(s.byYearDay, t.YearDay(), days) {
		return false
	}
	if len(s.byWeekNo) > 0 {
		if number, weeks := s.weekNumber(at); !either(s.byWeekNo, number, weeks) {
			return false
		}
	}
	return len(s.days) == 0 || slices.ContainsFunc(s.days, func(want weekdayNum) bool {
		return want.day == t.Weekday() && (want.n == 0 || s.isNth(want.n, at, first, days))
	})
}

// either tells whether a list has a number that counts from 1, or the same counted from the end as -1.
func either(list []int, n, of int) bool {
	return slices.Contains(list, n) || slices.Contains(list, n-of-1)
}

// isNth tells whether a date is the nth of its weekday: in its month, or in the year of a yearly rule without months.
func (s series) isNth(n int, at, first wall, days int) bool {
	if s.freq == yearly && len(s.months) > 0 {
		year, month, _ := at.utc().Date()
		first = dateWall(year, month, 1)
		days = int(dateWall(year, month+1, 1)-first) / day
	}
	i := int(at-first) / day
	return n == i/7+1 || n == -((days-1-i)/7+1)
}

// weekNumber is the number of a date's week, and how many weeks there are in the year that the week belongs to: the one in
// which most of its days are.
func (s series) weekNumber(at wall) (number, weeks int) {
	monday := s.week(at)
	year := (monday + 3*day).utc().Year()
	first := func(year int) wall { return s.week(dateWall(year, 1, 4)) }
	return int(monday-first(year))/(7*day) + 1, int(first(year+1)-first(year)) / (7 * day)
}
