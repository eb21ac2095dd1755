package dynamo

import (
	"bytes"
	"context"
	"encoding/json"
	"fmt"
	"time"

	"github.com/rekey-dev/rekey/pkg/calendar"
	"github.com/rekey-dev/rekey/pkg/fault"
	"github.com/rekey-dev/rekey/pkg/id"
	"github.com/rekey-dev/rekey/pkg/listing"
)

// storedEvent is a calendar.Event as it is stored, in a JSON array. Times are seconds since 1970, 0 and left out for none.
// calendar.Event.Size says how long one can be.
type storedEvent struct {
	UID     string  `json:"u"`
	Summary string  `json:"s,omitempty"`
	Start   int64   `json:"a"`
	End     *int64  `json:"z,omitempty"`
	AllDay  bool    `json:"d,omitempty"`
	Rule    string  `json:"r,omitempty"`
	Zone    string  `json:"t,omitempty"`
	Except  []int64 `json:"x,omitempty"`
}

func encodeCalendar(c calendar.Calendar) item {
	it := newItem(calendarKey(c.ID), typeCalendar)
	it.place(c.Place)
	it.string(attrName, c.Name)
	it.string(attrKind, string(c.Kind))
	it.string(attrTimeZone, c.Zone)
	it.int(attrEventCount, int64(c.EventCount))
	it.string(attrCreatedBy, c.CreatedBy)
	it.string(attrCreatedByName, c.CreatedByName)
	it.time(attrCreatedAt, c.CreatedAt)
	it.time(attrUpdatedAt, c.UpdatedAt)
	it.int(attrVersion, c.Version)
	it.int(attrEventSeq, c.EventSeq)
	return it
}

// encodeEvents holds the events of a calendar; nil for none.
func encodeEvents(c calendar.Calendar) item {
	if len(c.Events) == 0 {
		return nil
	}
	out := make([]storedEvent, len(c.Events))
	for i, e := range c.Events {
		out[i] = storedEvent{UID: e.UID, Summary: e.Summary, Start: e.Start.Unix(), AllDay: e.AllDay, Rule: e.Rule, Zone: e.Zone}
		if !e.End.IsZero() {
			end := e.End.Unix()
			out[i].End = &end
		}
		for _, x := range e.Except {
			out[i].Except = append(out[i].Except, x.Unix())
		}
	}
	var text bytes.Buffer
	enc := json.NewEncoder(&text)
	enc.SetEscapeHTML(false)
	if err := enc.Encode(out); err != nil {
		panic(err) // strings and numbers
	}
	it := newItem(calendarEventsKey(c.ID), typeCalendarEvents)
	it.string(attrEvents, text.String())
	return it
}

func decodeCalendar(it item) (calendar.Calendar, error) {
	r := reader{it: it}
	return calendar.Calendar{ID: id.Calendar(r.string(attrPK)), Place: r.place(), Name: r.string(attrName), Kind: calendar.Kind(r.string(attrKind)),
		Zone: r.string(attrTimeZone), EventCount: int(r.int(attrEventCount)), CreatedBy: r.string(attrCreatedBy),
		CreatedByName: r.string(attrCreatedByName), CreatedAt: r.time(attrCreatedAt), UpdatedAt: r.time(attrUpdatedAt),
		Version: r.int(attrVersion), EventSeq: r.int(attrEventSeq)}, r.err
}

func decodeEvents(it item) ([]calendar.Event, error) {
	r := reader{it: it}
	var in []storedEvent
	if err := json.Unmarshal([]byte(r.string(attrEvents)), &in); err != nil {
		return nil, fmt.Errorf("the events of a calendar: %w", err)
	}
	out := make([]calendar.Event, len(in))
	for i, e := range in {
		out[i] = calendar.Event{UID: e.UID, Summary: e.Summary, Start: time.Unix(e.Start, 0).UTC(), AllDay: e.AllDay, Rule: e.Rule, Zone: e.Zone}
		if e.End != nil {
			out[i].End = time.Unix(*e.End, 0).UTC()
		}
		for _, x := range e.Except {
			out[i].Except = append(out[i].Except, time.Unix(x, 0).UTC())
		}
	}
	return out, r.err
}

// calendarRows returns the rows that list a calendar, and the reservation of its name.
func (s *Store) calendarRows(c calendar.Calendar) []row {
	folded := s.fold(c.Name)
	return append(listRows(listing.Calendars, c.Place, folded, string(c.ID)), nameRow(listing.Calendars, c.Place.ID(), folded, string(c.ID)))
}

func calendarUse(c calendar.Calendar) []use {
	return []use{{holder: c.Place.ID(), counter: attrCalendars}}
}

func (b *builder) createCalendar(w calendar.Create) {
	c, table := w.Calendar, b.store.tables.Directory
	b.put(create(table, calendarKey(c.ID), encodeCalendar(c), w, "the ID is taken"))
	if events := encodeEvents(c); events != nil {
		b.put(create(table, calendarEventsKey(c.ID), events, w, "the calendar has events"))
	}
	b.newUse(string(c.ID), w)
	b.moveRows(w, nil, b.store.calendarRows(c))
	b.moveUses(w, nil, calendarUse(c))
}

func (b *builder) updateCalendar(w calendar.Update) {
	table := b.store.tables.Directory
	a := action{table: table, key: calendarKey(w.Old.ID), item: encodeCalendar(w.New), write: w, reason: "the calendar has changed"}
	b.isCalendar(&a.expr, w.Old)
	b.put(a)
	// The calendar's own condition, in the same transaction, says that the old events are what is there.
	before, after := encodeEvents(w.Old), encodeEvents(w.New)
	events := action{table: table, key: calendarEventsKey(w.Old.ID), item: after, delete: after == nil, write: w, reason: "the calendar's events have changed"}
	switch {
	case before == nil && after == nil, before != nil && sameItem(before, after):
	case before == nil:
		events.expr.require(events.expr.missing(attrPK))
		b.put(events)
	default:
		events.expr.require(events.expr.exists(attrPK))
		b.put(events)
	}
	b.moveRows(w, b.store.calendarRows(w.Old), b.store.calendarRows(w.New))
}

func (b *builder) deleteCalendar(w calendar.Delete) {
	c, table := w.Old, b.store.tables.Directory
	a := action{table: table, key: calendarKey(c.ID), delete: true, write: w, reason: "the calendar has changed"}
	b.isCalendar(&a.expr, c)
	b.put(a)
	if encodeEvents(c) != nil {
		b.put(action{table: table, key: calendarEventsKey(c.ID), delete: true, write: w})
	}
	used := action{table: table, key: useKey(string(c.ID)), delete: true, write: w, reason: "a policy names the calendar"}
	used.expr.require(used.expr.isInt(attrPolicies, 0))
	b.put(used)
	b.moveRows(w, b.store.calendarRows(c), nil)
	b.moveUses(w, calendarUse(c), nil)
}

func (b *builder) isCalendar(e *expression, old calendar.Calendar) {
	e.require(e.exists(attrPK))
	e.require(e.isInt(attrVersion, old.Version))
	e.require(e.isInt(attrEventSeq, old.EventSeq))
}

// useCalendar moves the counter of policies beside a calendar.
func (b *builder) useCalendar(w calendar.Use) {
	b.useOf(string(w.Calendar), w).deltas[attrPolicies] += int64(w.By)
}

// Calendar reads a calendar with its events and the number of its policies: one query.
func (s *Store) Calendar(ctx context.Context, c id.Calendar) (_ calendar.Calendar, err error) {
	defer wrap(&err, "Store.Calendar(%s)", c)
	var out calendar.Calendar
	var events []calendar.Event
	policies := 0
	err = s.all(ctx, query{table: s.tables.Directory, pk: string(c)}, func(it item) (err error) {
		r := reader{it: it}
		switch r.string(attrType) {
		case typeCalendar:
			out, err = decodeCalendar(it)
		case typeCalendarEvents:
			events, err = decodeEvents(it)
		case typeUse:
			policies = int(r.int(attrPolicies))
			err = r.err
		}
		return err
	})
	if err == nil && out.ID == "" {
		err = fault.Missing("calendar")
	}
	if err != nil {
		return calendar.Calendar{}, err
	}
	out.Events, out.Policies = events, policies
	return out, nil
}

// Calendars reads those that are there, without their events: 100 a call.
func (s *Store) Calendars(ctx context.Context, ids []id.Calendar) (_ []calendar.Calendar, err error) {
	defer wrap(&err, "Store.Calendars(%d)", len(ids))
	return many(ctx, s, s.tables.Directory, unique(ids, calendarKey), decodeCalendar)
}
