package calendar

import (
	"fmt"
	"io"
	"slices"
	"strings"
	"time"
	"unicode"

	"github.com/rekey-dev/rekey/pkg/name"
	"github.com/rekey-dev/rekey/pkg/period"
)

// maxDepth is how deep components may be nested.
const maxDepth = 8

// ParseICS reads the events of an iCalendar text (RFC 5545) of at most 1 MiB and 1,000 events. A local time without a zone is
// one of the calendar's zone. The error is an *ICSError, or the reader's.
//
// Of an event are read UID, SUMMARY, DTSTART, DTEND or DURATION, RRULE, EXDATE, RECURRENCE-ID and STATUS; a cancelled one is
// left out, and one that replaces an occurrence of another becomes an event of its own. Whether it shows as busy does not
// matter. RDATE and EXRULE are refused, because without them the calendar would say something else. A TZID has to be a name of
// the IANA database; what VTIMEZONE says of it is not read, nor are other components.
func ParseICS(r io.Reader, zone string) ([]Event, error) {
	local, err := LoadZone(zone)
	if err != nil {
		return nil, err
	}
	p := icsParser{zones: newZones(), zone: zone, local: local, byUID: map[string]int{}}
	if err := eachLine(r, p.line); err != nil {
		return nil, err
	}
	if !p.done {
		return nil, &ICSError{Detail: "is no whole iCalendar text: END:VCALENDAR is missing"}
	}
	return p.events()
}

type icsParser struct {
	zones *zones
	zone  string
	local *time.Location
	stack []string // the open components
	done  bool
	begun int // line of the open event
	props map[string][]contentLine
	read  []icsEvent
	byUID map[string]int // of events that replace no occurrence
}

type icsEvent struct {
	Event
	line      int
	replaces  time.Time // the occurrence, of an event that replaces one
	wholeDay  bool      // that is a date
	cancelled bool
}

// once and more are the properties of events that matter: those that come once, and those that may come repeatedly.
var (
	once = []string{"UID", "SUMMARY", "DTSTART", "DTEND", "DURATION", "RRULE", "RECURRENCE-ID", "STATUS", endless}
	more = []string{"EXDATE", "RDATE", "EXRULE"}
)

// endless marks an event without an end, which iCalendar cannot say.
const endless = "X-REKEY-ENDLESS"

func (p *icsParser) line(l contentLine) error {
	fail := func(detail string) error { return &ICSError{Line: l.number, Detail: detail} }
	component := strings.ToUpper(l.value)
	switch {
	case p.done:
		return fail("comes after END:VCALENDAR")
	case len(p.stack) == 0:
		if l.name != "BEGIN" || component != "VCALENDAR" {
			return fail("is not BEGIN:VCALENDAR, with which an iCalendar text begins")
		}
		p.stack = append(p.stack, component)
	case l.name == "BEGIN":
		if len(p.stack) == maxDepth {
			return fail(fmt.Sprintf("is the beginning of more than %d components in each other", maxDepth))
		}
		if p.stack = append(p.stack, component); len(p.stack) == 2 && component == "VEVENT" {
			p.begun, p.props = l.number, map[string][]contentLine{}
		}
	case l.name == "END":
		last := len(p.stack) - 1
		if p.stack[last] != component {
			return fail("ends " + shorten(l.value) + " where " + shorten(p.stack[last]) + " is open")
		}
		p.stack, p.done = p.stack[:last], last == 0
		if last == 1 && component == "VEVENT" {
			return p.event()
		}
	case len(p.stack) == 2 && p.stack[1] == "VEVENT":
		single := slices.Contains(once, l.name)
		if !single && !slices.Contains(more, l.name) {
			return nil
		}
		if single && len(p.props[l.name]) > 0 {
			return fail("is a second " + l.name + " of one event")
		}
		p.props[l.name] = append(p.props[l.name], l)
	}
	return nil
}

// get returns a property that comes once; its number is 0 when it is not there.
func (p *icsParser) get(name string) contentLine {
	if ls := p.props[name]; len(ls) > 0 {
		return ls[0]
	}
	return contentLine{}
}

func (p *icsParser) event() error {
	e := icsEvent{line: p.begun}
	e.UID = unescape(strings.TrimSpace(p.get("UID").value))
	fail := func(l contentLine, detail string) error {
		line := l.number
		if line == 0 {
			line = p.begun
		}
		return &ICSError{Line: line, UID: e.UID, Detail: detail}
	}
	if len(p.read) == MaxEvents {
		return fail(contentLine{}, fmt.Sprintf("is one event more than the %d that are allowed", MaxEvents))
	}
	e.Summary = plain(unescape(p.get("SUMMARY").value))
	start := p.get("DTSTART")
	if start.number == 0 {
		return fail(start, "has no DTSTART")
	}
	at, zone, err := p.time(start, start.value)
	if err != "" {
		return fail(start, err)
	}
	e.Start, e.AllDay = at, zone == ""
	for _, name := range []string{"RDATE", "EXRULE"} {
		if ls := p.props[name]; len(ls) > 0 {
			return fail(ls[0], "is "+name+", which is not supported; make an event of each date")
		}
	}
	if l, problem := p.end(&e.Event); problem != "" {
		return fail(l, problem)
	}
	if l := p.get("RRULE"); l.number > 0 {
		e.Rule = strings.ToUpper(l.value)
		if !e.AllDay && zone != p.zone {
			e.Zone = zone
		}
		if _, err := parseRule(e.Rule); err != nil {
			return fail(l, "RRULE "+err.Error())
		}
		if l, problem := p.except(&e.Event); problem != "" {
			return fail(l, problem)
		}
	}
	e.cancelled = strings.EqualFold(p.get("STATUS").value, "CANCELLED")
	if l := p.get("RECURRENCE-ID"); l.number > 0 {
		if l.params["RANGE"] != "" {
			return fail(l, "has a RANGE, which is not supported")
		}
		var zone string
		if e.replaces, zone, err = p.time(l, l.value); err != "" {
			return fail(l, err)
		}
		e.wholeDay = zone == ""
	} else if _, twice := p.byUID[e.UID]; twice {
		return fail(p.get("UID"), "has the UID of another event")
	} else {
		p.byUID[e.UID] = len(p.read)
	}
	for _, problem := range e.check(p.local) {
		return fail(contentLine{}, strings.ToUpper(problem.Field)+" "+problem.Detail)
	}
	p.read = append(p.read, e)
	return nil
}

// end reads DTEND or DURATION. Without either an event on a date lasts that day; one at a time would last no time.
func (p *icsParser) end(e *Event) (contentLine, string) {
	end, lasts := p.get("DTEND"), p.get("DURATION")
	switch {
	case strings.EqualFold(p.get(endless).value, "TRUE"):
		return contentLine{}, ""
	case end.number > 0 && lasts.number > 0:
		return lasts, "is given together with DTEND"
	case end.number > 0:
		at, zone, problem := p.time(end, end.value)
		if problem == "" && (zone == "") != e.AllDay {
			problem = "is a date and DTSTART is a time, or the other way round"
		}
		e.End = at
		return end, problem
	case lasts.number > 0:
		d, ok := period.Parse(strings.TrimPrefix(strings.ToUpper(lasts.value), "+"))
		if !ok {
			return lasts, "is no DURATION like P1D or PT2H"
		}
		e.End = e.Start.Add(d)
	case e.AllDay:
		e.End = e.Start.Add(day * time.Second)
	default:
		return contentLine{}, "has neither DTEND nor DURATION, so that it would last no time"
	}
	return contentLine{}, ""
}

// except reads what an event with a rule leaves out. A date leaves out the occurrence that begins on it.
func (p *icsParser) except(e *Event) (contentLine, string) {
	for _, l := range p.props["EXDATE"] {
		for value := range strings.SplitSeq(l.value, ",") {
			at, zone, problem := p.time(l, value)
			if problem != "" {
				return l, problem
			}
			if len(e.Except) == MaxExcept {
				return l, fmt.Sprintf("is one EXDATE more than the %d that are allowed", MaxExcept)
			}
			e.Except = append(e.Except, p.occurrence(*e, at, zone == ""))
		}
	}
	return contentLine{}, ""
}

// occurrence is the start of the occurrence that a date or a time names.
func (p *icsParser) occurrence(e Event, at time.Time, wholeDay bool) time.Time {
	loc := p.local
	if e.Zone != "" {
		if own, err := p.zones.get(e.Zone); err == nil {
			loc = own
		}
	}
	switch {
	case e.AllDay && !wholeDay:
		return wallOf(at, loc).midnight().utc()
	case !e.AllDay && wholeDay:
		start := wallOf(e.Start, loc)
		return (wall(at.Unix()) + start - start.midnight()).in(loc)
	}
	return at
}

// time reads a date or a time. The zone is "" for a date, which comes back as its midnight in UTC.
func (p *icsParser) time(l contentLine, value string) (t time.Time, zone, problem string) {
	value = strings.ToUpper(strings.TrimSpace(value))
	if len(value) == len("20060102") {
		t, err := time.Parse("20060102", value)
		if err != nil {
			return t, "", "has a date that there is not"
		}
		return t, "", ""
	}
	zone, loc := p.zone, p.local
	if id, ok := l.params["TZID"]; ok {
		var err error
		if loc, err = p.zones.get(id); err != nil {
			return t, "", "has TZID " + shorten(id) + `, which is no name of the IANA database, like "Europe/Berlin"`
		}
		zone = id
	}
	if utc, ok := strings.CutSuffix(value, "Z"); ok {
		value, zone, loc = utc, "UTC", time.UTC
	}
	at, err := time.Parse("20060102T150405", value)
	if err != nil {
		return t, "", "has no date (20261201) and no time (20261201T000000, with Z for UTC)"
	}
	return wall(at.Unix()).in(loc), zone, ""
}

// events puts the events together: what is cancelled or replaced does not take place.
func (p *icsParser) events() ([]Event, error) {
	for _, e := range p.read {
		if e.replaces.IsZero() {
			continue
		}
		i, ok := p.byUID[e.UID]
		if !ok || p.read[i].Rule == "" {
			continue
		}
		of := &p.read[i].Event
		if at := p.occurrence(*of, e.replaces, e.wholeDay); !slices.ContainsFunc(of.Except, at.Equal) {
			if len(of.Except) == MaxExcept {
				return nil, &ICSError{Line: e.line, UID: e.UID, Detail: "replaces one occurrence more than can be left out"}
			}
			of.Except = append(of.Except, at)
		}
	}
	var out []Event
	for _, e := range p.read {
		of, replaced := p.byUID[e.UID]
		if e.cancelled || replaced && p.read[of].cancelled {
			continue
		}
		if !e.replaces.IsZero() {
			e.UID += "/" + e.replaces.UTC().Format("20060102T150405Z")
			if len(e.UID) > MaxUID {
				return nil, &ICSError{Line: e.line, UID: e.UID, Detail: "has a UID that is too long for an event that replaces an occurrence"}
			}
			e.Rule, e.Zone, e.Except = "", "", nil
		}
		out = append(out, e.Event)
	}
	return out, nil
}

// plain makes a summary of a text: in one line, without what cannot be seen, at most 200 characters.
func plain(s string) string {
	s = strings.Map(func(r rune) rune {
		switch {
		case unicode.IsSpace(r):
			return ' '
		case name.CheckLine(string(r)) != "":
			return -1
		}
		return r
	}, s)
	out := []rune(strings.Join(strings.Fields(s), " "))
	return strings.TrimSpace(string(out[:min(len(out), MaxSummary)]))
}
