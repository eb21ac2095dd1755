package storetest

import (
	"fmt"
	"strings"
	"time"

	"github.com/rekey-dev/rekey/pkg/audit"
	"github.com/rekey-dev/rekey/pkg/calendar"
	"github.com/rekey-dev/rekey/pkg/change"
	"github.com/rekey-dev/rekey/pkg/id"
	"github.com/rekey-dev/rekey/pkg/listing"
	"github.com/rekey-dev/rekey/pkg/place"
)

func (w *world) newCalendar(name string, at place.Place) calendar.Calendar {
	day := time.Date(2031, time.December, 1, 0, 0, 0, 0, time.UTC)
	return calendar.Calendar{ID: newID[id.Calendar](), Place: at, Name: name, Kind: calendar.Freeze, Zone: "Europe/Berlin", EventCount: 3,
		Events: []calendar.Event{
			{UID: "december", Summary: `Year's "end" & <more>\`, AllDay: true, Start: day, End: day.AddDate(0, 1, 0), Rule: "FREQ=YEARLY",
				Except: []time.Time{day.AddDate(1, 0, 0), day.AddDate(3, 0, 0)}},
			{UID: "move", Start: day.Add(90 * time.Minute), End: day.Add(3 * time.Hour), Rule: "FREQ=DAILY;COUNT=3", Zone: "Asia/Tokyo"},
			{UID: "forever", Start: time.Date(1969, time.July, 1, 0, 0, 0, 0, time.UTC)}},
		CreatedBy: "emp_00000000000000000001", CreatedByName: "Ada Lovelace", CreatedAt: w.now, UpdatedAt: w.now, Version: 1, EventSeq: 1}
}

func (w *world) onCalendar(c calendar.Calendar, seq int64) audit.Event {
	e := w.happened("calendar", string(c.ID), seq)
	e.Place = c.Place
	return e
}

func (w *world) calendarMade(c calendar.Calendar) change.Set {
	return w.set(w.onCalendar(c, 1), calendar.Create{Calendar: c})
}

func (w *world) calendar(name string, at place.Place) calendar.Calendar {
	w.t.Helper()
	c := w.newCalendar(name, at)
	w.commit(w.calendarMade(c))
	return c
}

func (w *world) editCalendar(old calendar.Calendar, f func(*calendar.Calendar)) (calendar.Calendar, change.Set) {
	n := old
	n.Version++
	n.EventSeq++
	n.UpdatedAt = w.now.Add(time.Hour)
	f(&n)
	n.EventCount = len(n.Events)
	return n, w.set(w.onCalendar(old, n.EventSeq), calendar.Update{Old: old, New: n})
}

func (w *world) deletion(c calendar.Calendar) change.Set {
	return w.set(w.onCalendar(c, c.EventSeq+1), calendar.Delete{Old: c})
}

func (w *world) readCalendar(c id.Calendar) calendar.Calendar {
	w.t.Helper()
	got, err := w.store.Calendar(w.ctx, c)
	w.NoError(err)
	return got
}

// named is the change of a policy that names a calendar, or names it no more. What it says of the policy is left out.
func (w *world) named(by int, calendars ...id.Calendar) change.Set {
	s := w.set(w.happened("node", w.root.ID(), 1))
	for _, c := range calendars {
		s.Writes = append(s.Writes, calendar.Use{Calendar: c, By: by})
	}
	return s
}

var calendarTests = []test{
	{"a calendar reads as it was written, and without its events among others", func(w *world) {
		a, b := w.calendar("Freezes", w.co), w.newCalendar("Windows", w.root)
		b.Kind, b.Events, b.EventCount = calendar.Window, nil, 0
		w.commit(w.calendarMade(b))
		w.same(a, w.readCalendar(a.ID))
		w.same(b, w.readCalendar(b.ID))
		got, err := w.store.Calendars(w.ctx, []id.Calendar{a.ID, newID[id.Calendar](), a.ID})
		w.NoError(err)
		a.Events = nil
		w.same([]calendar.Calendar{a}, got[:1])
		_, err = w.store.Calendar(w.ctx, newID[id.Calendar]())
		w.notFound(err)
	}},
	{"a calendar's ID is taken once, its name once among siblings, and its place is there", func(w *world) {
		c := w.calendar("Freezes", w.co)
		again := w.newCalendar("Another name", w.co)
		again.ID = c.ID
		w.lost(w.calendarMade(again), calendar.Create{})
		w.lost(w.calendarMade(w.newCalendar("FREEZES", w.co)), calendar.Create{})
		w.lost(w.calendarMade(w.newCalendar("Lost", w.root.Child(newID[id.Node]()))), calendar.Create{})
		w.calendar("Freezes", w.below)
	}},
	{"a calendar is listed at each place that covers it, by name", func(w *world) {
		b, a, c := w.calendar("b", w.co), w.calendar("A", w.below), w.calendar("c", w.root)
		at := func(p place.Place) listing.Query { return listing.Query{Noun: listing.Calendars, Place: p.ID()} }
		w.Equal([]string{string(a.ID), string(b.ID), string(c.ID)}, w.list(at(w.root), 2))
		w.Equal([]string{string(b.ID)}, w.list(at(w.co), 2))
		_, renamed := w.editCalendar(b, func(n *calendar.Calendar) { n.Name = "Z" })
		w.commit(renamed)
		w.Equal([]string{string(a.ID), string(b.ID)}, w.list(at(w.below), 2))
	}},
	{"events are added to, replaced and taken from a calendar", func(w *world) {
		c := w.calendar("Freezes", w.co)
		all := c.Events
		for _, events := range [][]calendar.Event{all[:1], nil, all[1:], all[1:]} {
			next, set := w.editCalendar(w.readCalendar(c.ID), func(n *calendar.Calendar) { n.Events, n.Zone = events, "UTC" })
			w.commit(set)
			w.same(next, w.readCalendar(c.ID))
		}
	}},
	{"the largest calendar can be kept", func(w *world) {
		c := w.newCalendar("Freezes", w.co)
		c.Events = nil
		for size := 0; len(c.Events) < calendar.MaxEvents; {
			e := calendar.Event{UID: fmt.Sprint(len(c.Events)), Summary: strings.Repeat("ö", 90), Start: w.now}
			if size += e.Size(); size > calendar.MaxSize {
				break
			}
			c.Events = append(c.Events, e)
		}
		c.EventCount = len(c.Events)
		w.commit(w.calendarMade(c))
		w.same(c, w.readCalendar(c.ID))
	}},
	{"a calendar changes only from what was read, and only one of many changes wins", func(w *world) {
		c := w.calendar("Freezes", w.co)
		w.calendar("Other", w.co)
		_, taken := w.editCalendar(c, func(n *calendar.Calendar) { n.Name = "oTHER" })
		w.lost(taken, calendar.Update{})
		_, first := w.editCalendar(c, func(n *calendar.Calendar) { n.Name = "Renamed" })
		w.commit(first)
		_, late := w.editCalendar(c, func(n *calendar.Calendar) { n.Name = "Late" })
		w.lost(late, calendar.Update{})
		w.lost(w.deletion(c), calendar.Delete{})
		now := w.readCalendar(c.ID)
		w.oneWon(together(8, func(i int) error {
			_, set := w.editCalendar(now, func(n *calendar.Calendar) { n.Events = c.Events[:i%3] })
			return w.store.Commit(w.ctx, set)
		}))
		w.calendar("Freezes", w.co)
	}},
	{"a deleted calendar is gone, and its name is free", func(w *world) {
		c := w.calendar("Freezes", w.co)
		w.commit(w.deletion(c))
		_, err := w.store.Calendar(w.ctx, c.ID)
		w.notFound(err)
		got, err := w.store.Calendars(w.ctx, []id.Calendar{c.ID})
		w.NoError(err)
		w.Empty(got)
		w.Empty(w.list(listing.Query{Noun: listing.Calendars, Place: w.root.ID()}, 10))
		w.lost(w.deletion(c), calendar.Delete{})
		_, edit := w.editCalendar(c, func(n *calendar.Calendar) { n.Name = "Back" })
		w.lost(edit, calendar.Update{})
		w.calendar("Freezes", w.co)
	}},
	{"a calendar that policies name is not deleted", func(w *world) {
		a, b := w.calendar("a", w.co), w.calendar("b", w.co)
		w.commit(w.named(1, a.ID, b.ID))
		w.commit(w.named(1, a.ID))
		w.Equal(2, w.readCalendar(a.ID).Policies)
		w.lost(w.deletion(a), calendar.Delete{})
		w.commit(w.named(-1, a.ID))
		w.lost(w.deletion(a), calendar.Delete{})
		read := w.readCalendar(a.ID)
		w.Equal(1, read.Policies)
		_, edit := w.editCalendar(read, func(n *calendar.Calendar) { n.Name = "still named" })
		w.commit(edit)
		w.commit(w.named(-1, a.ID))
		w.commit(w.deletion(w.readCalendar(a.ID)))
		w.lost(w.named(1, a.ID), calendar.Use{})
		w.Equal(1, w.readCalendar(b.ID).Policies)
	}},
	{"of a deletion and a policy that names the calendar one wins", func(w *world) {
		for range 5 {
			c := w.calendar(string(newID[id.Event]()), w.co)
			errs := together(2, func(i int) error {
				if i == 0 {
					return w.store.Commit(w.ctx, w.deletion(c))
				}
				return w.store.Commit(w.ctx, w.named(1, c.ID))
			})
			w.oneWon(errs)
		}
	}},
}
