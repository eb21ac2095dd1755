package calendar

import (
	"fmt"
	"strconv"
	"time"
	"unicode/utf8"

	"github.com/rekey-dev/rekey/pkg/name"
)

// Check says everything that is wrong with a calendar's kind, zone and events; at most 20 problems.
func (c Calendar) Check() []Problem {
	var out []Problem
	add := func(field, detail string) {
		if detail != "" && len(out) < 20 {
			out = append(out, Problem{field, detail})
		}
	}
	if c.Kind != Freeze && c.Kind != Window {
		add("kind", "is neither freeze nor window")
	}
	zone, err := LoadZone(c.Zone)
	if err != nil {
		add("time_zone", err.(*Problem).Detail)
		zone = time.UTC
	}
	if len(c.Events) > MaxEvents {
		add("events", fmt.Sprintf("has %d entries; %d are allowed", len(c.Events), MaxEvents))
		return out
	}
	size, walked, uids := 0, 0, map[string]bool{}
	for i, e := range c.Events {
		at := "events/" + strconv.Itoa(i) + "/"
		for _, p := range e.check(zone) {
			add(at+p.Field, p.Detail)
		}
		if uids[e.UID] {
			add(at+"uid", "is that of another event")
		}
		uids[e.UID] = true
		size += e.Size()
		if walked <= MaxWalk {
			walked += e.cost(MaxWalk)
		}
	}
	if walked > MaxWalk {
		add("events", "have rules that take too long to follow: about 100 that go on without an end are allowed, or fewer with a COUNT that takes "+
			"decades to be reached. Give those that are over an UNTIL, or one rule instead of several")
	}
	if size > MaxSize {
		add("events", fmt.Sprintf("take %d bytes together; %d are allowed. Shorten their summaries, or make two calendars", size, MaxSize))
	}
	return out
}

// cost is how many dates are looked at for an event, at most, to say what is allowed at a moment; it is followed no further than
// most.
func (e Event) cost(most int) int {
	r, err := parseRule(e.Rule)
	if e.Rule == "" || err != nil {
		return 0
	}
	if r.count == 0 {
		days := int(e.End.Sub(e.Start)/(24*time.Hour)) + aheadYears*366
		if start := wall(e.Start.Unix()); r.ends {
			days = min(days, max(int(r.until-start)/day, 0)+2)
		}
		return days/int(r.interval) + 1
	}
	w := r.begin(wall(e.Start.Unix())).walkFrom(wall(e.Start.Unix()), dateWall(maxYear, 12, 31))
	w.most = most
	for ok := true; ok; {
		_, ok = w.next()
	}
	return w.looked
}

// check says what is wrong with one event.
func (e Event) check(zone *time.Location) []Problem {
	var out []Problem
	add := func(field, detail string) {
		if detail != "" {
			out = append(out, Problem{field, detail})
		}
	}
	add("uid", checkText(e.UID, 1, MaxUID))
	if utf8.RuneCountInString(e.Summary) > MaxSummary {
		add("summary", fmt.Sprintf("is longer than %d characters", MaxSummary))
	}
	add("summary", checkText(e.Summary, 0, 4*MaxSummary))
	add("start", e.checkTime(e.Start))
	switch {
	case e.End.IsZero():
	case !e.End.After(e.Start):
		add("end", "is not after start; an event covers a time, and a day ends with the next one's date")
	default:
		add("end", e.checkTime(e.End))
	}
	if e.Zone != "" {
		if _, err := LoadZone(e.Zone); err != nil {
			add("time_zone", err.(*Problem).Detail)
		}
		if e.AllDay {
			add("time_zone", "is given for whole days, which are the calendar's")
		}
	}
	if len(e.Except) > MaxExcept {
		add("except", fmt.Sprintf("has more than %d entries", MaxExcept))
	}
	for i, x := range e.Except {
		add("except/"+strconv.Itoa(i), e.checkTime(x))
	}
	if e.Rule == "" {
		if len(e.Except) > 0 {
			add("except", "is given without rrule")
		}
		return out
	}
	if _, err := parseRule(e.Rule); err != nil {
		add("rrule", err.Error())
	}
	switch {
	case e.End.IsZero():
		add("end", "is missing; an event with rrule needs one")
	case e.End.Sub(e.Start) > maxRecurring:
		add("end", "is more than 366 days after start; with rrule that is the most")
	}
	return out
}

func (e Event) checkTime(t time.Time) string {
	switch u := t.UTC(); {
	case t.IsZero():
		return "is missing"
	case u.Year() < minYear || u.Year() > maxYear:
		return fmt.Sprintf("is not in the years %d to %d", minYear, maxYear)
	case u.Nanosecond() != 0:
		return "has a fraction of a second"
	case e.AllDay && u.Unix()%day != 0:
		return "has a time of day, and the event is one of whole days"
	}
	return ""
}

// checkText says what is wrong with a text of one line.
func checkText(s string, least, most int) string {
	switch {
	case len(s) < least:
		return "is missing"
	case len(s) > most:
		return fmt.Sprintf("is longer than %d bytes", most)
	}
	return name.CheckLine(s)
}
