package calendar

import (
	"bufio"
	"fmt"
	"io"
	"slices"
	"strings"
	"time"
	"unicode/utf8"
)

// WriteICS writes a calendar as iCalendar text (RFC 5545). Events with a rule are in their zones' local time, which is described
// as far as ten years after the calendar's last change; the other times are in UTC. What ParseICS reads of it is the same
// events.
func WriteICS(w io.Writer, c Calendar) error {
	out := icsWriter{w: bufio.NewWriter(w)}
	out.line("BEGIN", "VCALENDAR")
	out.line("VERSION", "2.0")
	out.line("PRODID", "-//rekey//calendars//EN")
	out.line("X-WR-CALNAME", escape(c.Name))
	out.line("X-WR-TIMEZONE", c.Zone)
	if err := out.zones(c); err != nil {
		return err
	}
	stamp := time.Unix(max(c.UpdatedAt.Unix(), 0), 0).UTC().Format(icsTime) + "Z"
	for _, e := range c.Events {
		if err := out.event(c, e, stamp); err != nil {
			return err
		}
	}
	out.line("END", "VCALENDAR")
	return out.w.Flush() // the first error of all writes
}

const (
	icsDate = "20060102"
	icsTime = "20060102T150405"
)

type icsWriter struct{ w *bufio.Writer }

// line writes a property, folded after 75 bytes and not within a character.
func (o icsWriter) line(name, value string) {
	s := name + ":" + value
	for room := 75; len(s) > room; room = 74 {
		at := room
		for !utf8.RuneStart(s[at]) {
			at--
		}
		o.w.WriteString(s[:at] + "\r\n ")
		s = s[at:]
	}
	o.w.WriteString(s + "\r\n")
}

func (c Calendar) zoneOf(e Event) string {
	if e.Zone != "" {
		return e.Zone
	}
	return c.Zone
}

func (o icsWriter) event(c Calendar, e Event, stamp string) error {
	loc, err := LoadZone(c.zoneOf(e))
	if err != nil {
		return err
	}
	// at is the name of a property with its parameters, and the value of a time in it.
	at := func(name string, t time.Time) (string, string) {
		switch {
		case e.AllDay:
			return name + ";VALUE=DATE", t.UTC().Format(icsDate)
		case e.Rule == "" || c.zoneOf(e) == "UTC":
			return name, t.UTC().Format(icsTime) + "Z"
		}
		return name + ";TZID=" + c.zoneOf(e), t.In(loc).Format(icsTime)
	}
	o.line("BEGIN", "VEVENT")
	o.line("UID", escape(e.UID))
	o.line("DTSTAMP", stamp)
	o.line("SUMMARY", escape(e.Summary))
	o.line(at("DTSTART", e.Start))
	switch {
	case e.End.IsZero():
		o.line(endless, "TRUE")
	case e.AllDay:
		o.line(at("DTEND", e.End))
	default: // the exact time that it lasts: a local end may come twice
		o.line("DTEND", e.End.UTC().Format(icsTime)+"Z")
	}
	if e.Rule != "" {
		o.line("RRULE", strings.TrimPrefix(e.Rule, "RRULE:"))
	}
	for _, x := range e.Except {
		if e.AllDay {
			o.line(at("EXDATE", x))
		} else {
			o.line("EXDATE", x.UTC().Format(icsTime)+"Z")
		}
	}
	o.line("END", "VEVENT")
	return nil
}

// zones describes the zones that rules are in, one component for each change of a clock.
func (o icsWriter) zones(c Calendar) error {
	first := map[string]time.Time{}
	for _, e := range c.Events {
		zone := c.zoneOf(e)
		if e.Rule == "" || e.AllDay || zone == "UTC" {
			continue
		}
		if old, ok := first[zone]; !ok || e.Start.Before(old) {
			first[zone] = e.Start
		}
	}
	var names []string
	for zone := range first {
		names = append(names, zone)
	}
	slices.Sort(names)
	for _, zone := range names {
		loc, err := LoadZone(zone)
		if err != nil {
			return err
		}
		o.line("BEGIN", "VTIMEZONE")
		o.line("TZID", zone)
		o.changes(first[zone].In(loc), later(first[zone], c.UpdatedAt).AddDate(10, 0, 0))
		o.line("END", "VTIMEZONE")
	}
	return nil
}

// changes describes what a zone's clock showed at a time, and each change of it until another.
func (o icsWriter) changes(at, last time.Time) {
	var shown string
	for {
		begin, end := at.ZoneBounds()
		name, offset := at.Zone()
		kind := "STANDARD"
		if at.IsDST() {
			kind = "DAYLIGHT"
		}
		if now := fmt.Sprint(kind, name, offset); now != shown {
			shown = now
			if begin.IsZero() {
				begin = time.Date(minYear, 1, 1, 0, 0, 0, 0, time.UTC)
			}
			_, from := begin.Add(-time.Second).In(at.Location()).Zone()
			o.line("BEGIN", kind)
			o.line("DTSTART", begin.Add(time.Duration(from)*time.Second).UTC().Format(icsTime))
			o.line("TZOFFSETFROM", icsOffset(from))
			o.line("TZOFFSETTO", icsOffset(offset))
			o.line("TZNAME", escape(name))
			o.line("END", kind)
		}
		if end.IsZero() || end.After(last) {
			return
		}
		if !end.After(at) { // at the end of some leap years ZoneBounds gives an end that is none
			end = at.AddDate(0, 0, 1)
		}
		at = end
	}
}

// icsOffset writes an offset as +0100, or +005328 where there are seconds.
func icsOffset(seconds int) string {
	sign := '+'
	if seconds < 0 {
		sign, seconds = '-', -seconds
	}
	s := fmt.Sprintf("%c%02d%02d", sign, seconds/3600, seconds/60%60)
	if seconds%60 != 0 {
		s += fmt.Sprintf("%02d", seconds%60)
	}
	return s
}
