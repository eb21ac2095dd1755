package memstore

import (
	"context"
	"slices"

	"github.com/rekey-dev/rekey/pkg/calendar"
	"github.com/rekey-dev/rekey/pkg/fold"
	"github.com/rekey-dev/rekey/pkg/id"
)

func copyCalendar(c calendar.Calendar) calendar.Calendar {
	c.Events = slices.Clone(c.Events)
	for i := range c.Events {
		c.Events[i].Except = slices.Clone(c.Events[i].Except)
	}
	return c
}

func (t *transaction) createCalendar(w calendar.Create) string {
	c := copyCalendar(w.Calendar)
	if _, ok := t.calendars[c.ID]; ok {
		return "the calendar exists"
	}
	if !t.there(c.Place.ID()) {
		return "the calendar's place is not there"
	}
	if !t.claim("calendars", c.Place.ID(), c.Name) {
		return "a sibling has the calendar's name"
	}
	t.touch("calendar " + string(c.ID))
	t.then(func() { t.calendars[c.ID] = c })
	return ""
}

// asRead tells whether a calendar is as it was read; "" when it is.
func (t *transaction) asRead(old calendar.Calendar) string {
	c, ok := t.calendars[old.ID]
	switch {
	case !ok:
		return "the calendar is not there"
	case c.Version != old.Version:
		return "the calendar's version is another"
	case c.EventSeq != old.EventSeq:
		return "the calendar's event seq is another"
	}
	t.touch("calendar " + string(c.ID))
	return ""
}

func (t *transaction) updateCalendar(w calendar.Update) string {
	if reason := t.asRead(w.Old); reason != "" {
		return reason
	}
	c, n := t.calendars[w.Old.ID], copyCalendar(w.New)
	if n.Place != c.Place || n.Kind != c.Kind || n.ID != c.ID || !n.CreatedAt.Equal(c.CreatedAt) {
		panic("memstore: an update of what never changes of a calendar: " + string(c.ID))
	}
	if fold.Name(n.Name) != fold.Name(c.Name) {
		if !t.claim("calendars", c.Place.ID(), n.Name) {
			return "a sibling has the calendar's new name"
		}
		t.release("calendars", c.Place.ID(), c.Name)
	}
	n.Policies = 0
	t.then(func() { t.calendars[n.ID] = n })
	return ""
}

func (t *transaction) deleteCalendar(w calendar.Delete) string {
	if reason := t.asRead(w.Old); reason != "" {
		return reason
	}
	c := t.calendars[w.Old.ID]
	if t.named[c.ID] > 0 {
		return "a policy names the calendar"
	}
	t.touch("use of calendar " + string(c.ID))
	t.release("calendars", c.Place.ID(), c.Name)
	t.then(func() { delete(t.calendars, c.ID); delete(t.named, c.ID) })
	return ""
}

func (t *transaction) useCalendar(w calendar.Use) string {
	if _, ok := t.calendars[w.Calendar]; !ok {
		return "the calendar is not there"
	}
	t.touch("use of calendar " + string(w.Calendar))
	t.then(func() { t.named[w.Calendar] += w.By })
	return ""
}

// Calendar returns a calendar with its events and the number of its policies.
func (s *Store) Calendar(ctx context.Context, c id.Calendar) (calendar.Calendar, error) {
	found, err := one(ctx, s, s.calendars, c, "calendar")
	if err != nil {
		return calendar.Calendar{}, err
	}
	s.mu.Lock()
	defer s.mu.Unlock()
	found = copyCalendar(found)
	found.Policies = s.named[c]
	return found, nil
}

// Calendars returns those that are there, without their events.
func (s *Store) Calendars(ctx context.Context, ids []id.Calendar) ([]calendar.Calendar, error) {
	defer s.mu.Unlock()
	if err := s.begin(ctx); err != nil {
		return nil, err
	}
	var out []calendar.Calendar
	for _, c := range ids {
		if found, ok := s.calendars[c]; ok {
			found.Events = nil
			out = append(out, found)
		}
	}
	return out, nil
}
