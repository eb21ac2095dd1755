package calendar

import (
	"context"
	"io"
	"slices"
	"strings"
	"time"

	"github.com/rekey-dev/rekey/pkg/audit"
	"github.com/rekey-dev/rekey/pkg/authz"
	"github.com/rekey-dev/rekey/pkg/call"
	"github.com/rekey-dev/rekey/pkg/change"
	"github.com/rekey-dev/rekey/pkg/fault"
	"github.com/rekey-dev/rekey/pkg/id"
	"github.com/rekey-dev/rekey/pkg/listing"
	"github.com/rekey-dev/rekey/pkg/permission"
	"github.com/rekey-dev/rekey/pkg/place"
)

// Store is what the use cases of calendars read and write. Reads are strongly consistent; a calendar that is not there is a
// fault of kind not_found; a store that does not answer is a fault of kind unavailable.
type Store interface {
	listing.Places
	// Calendar reads a calendar with its events and the number of its policies.
	Calendar(ctx context.Context, c id.Calendar) (Calendar, error)
	// Calendars reads those that are there, in any order, without their events and policies.
	Calendars(ctx context.Context, ids []id.Calendar) ([]Calendar, error)
	List(ctx context.Context, q listing.Query) (listing.Page, error)
	// Deny puts the record of a refusal; that it is there already is no error.
	Deny(ctx context.Context, event audit.Event) error
	// Commit carries out a change or none of it: see change.Set.
	Commit(ctx context.Context, s change.Set) error
}

// Service is the use cases of calendars. Its fields are set once; it may be used by many goroutines.
type Service struct {
	Store Store
	Now   func() time.Time
	Rand  io.Reader
}

func object(p place.Place) authz.Object { return authz.Object{Place: p, What: "calendar"} }

// Get returns a calendar that the caller may see, with its events.
func (s *Service) Get(ctx context.Context, c call.Call, calendar id.Calendar) (Calendar, error) {
	found, err := s.Store.Calendar(ctx, calendar)
	if err != nil {
		return Calendar{}, err
	}
	return found, c.Caller.Check(permission.PoliciesRead, object(found.Place))
}

// Filter narrows a list of calendars; at most one of its members is set.
type Filter struct {
	Kind  Kind
	Query string // case-insensitive prefix of the name, or an exact ID
}

// List lists the calendars of a place and below it by name, without their events. A page may come back short, or empty, although
// there are more; next is "" at the end.
func (s *Service) List(ctx context.Context, c call.Call, w listing.Where, f Filter, after string, limit int) (cals []Calendar, next string, err error) {
	if err := c.Caller.Holds(permission.PoliciesRead); err != nil {
		return nil, "", err
	}
	at, err := w.Resolve(ctx, s.Store, c.Caller)
	if err != nil {
		return nil, "", err
	}
	if calendar, ok := id.Parse[id.Calendar](f.Query); ok {
		found, err := s.Store.Calendars(ctx, []id.Calendar{calendar})
		return slices.DeleteFunc(found, func(c Calendar) bool { return !at.Covers(c.Place) || w.Direct && c.Place != at }), "", err
	}
	q := listing.Query{Noun: listing.Calendars, Place: at.ID(), Direct: w.Direct, Prefix: f.Query, After: after}
	return listing.Collect(ctx, s.Store.List, q, limit, func(rows listing.Page) ([]Calendar, error) {
		return s.read(ctx, rows.Rows, f.Kind)
	})
}

// read reads the calendars of rows, in their order.
func (s *Service) read(ctx context.Context, rows []listing.Row, kind Kind) ([]Calendar, error) {
	if len(rows) == 0 {
		return nil, nil
	}
	ids := make([]id.Calendar, len(rows))
	for i, r := range rows {
		ids[i] = id.Calendar(r.ID)
	}
	found, err := s.Store.Calendars(ctx, ids)
	if err != nil {
		return nil, err
	}
	found = slices.DeleteFunc(found, func(c Calendar) bool { return kind != "" && c.Kind != kind })
	slices.SortFunc(found, func(a, b Calendar) int { return slices.Index(ids, a.ID) - slices.Index(ids, b.ID) })
	return found, nil
}

// begin is the first part of a change of a calendar: it is there, the caller may, the call is new, the calendar is as the caller
// saw it. A refusal is recorded.
func (s *Service) begin(ctx context.Context, c call.Call, calendar id.Calendar, action string) (Calendar, error) {
	found, err := s.Store.Calendar(ctx, calendar)
	if err != nil {
		return Calendar{}, err
	}
	if err := c.Caller.Check(permission.PoliciesManage, object(found.Place)); err != nil {
		return Calendar{}, c.Deny(ctx, s.Store.Deny, s.event(c, "", s.Now(), action, found), err)
	}
	if err := c.Idempotency.Check(); err != nil {
		return Calendar{}, err
	}
	return found, c.Match.Check(string(found.ID), found.Version)
}

func (s *Service) event(c call.Call, op id.Operation, now time.Time, action string, of Calendar) audit.Event {
	e := c.Event(id.New[id.Event](s.Rand), op, now)
	e.Action, e.Place, e.Seq = action, of.Place, of.EventSeq
	e.Target = audit.Target{Type: "calendar", ID: string(of.ID), Name: of.Name}
	return e
}

// Source is where the events of a calendar come from; at most one of the two is given.
type Source struct {
	Events *[]Event
	ICS    *string // an iCalendar text
}

// read makes the events of a calendar's zone. A text that cannot be read is a fault that says where and why.
func (in Source) read(zone string) ([]Event, error) {
	switch {
	case in.Events != nil && in.ICS != nil:
		return nil, fault.InvalidField("/ics", "is given together with events; give one of them")
	case in.ICS != nil:
		events, err := ParseICS(strings.NewReader(*in.ICS), zone)
		if err != nil {
			field, detail := "/ics", err.Error()
			if p, ok := err.(*Problem); ok {
				field, detail = "/"+p.Field, p.Detail
			}
			return nil, fault.InvalidField(field, detail)
		}
		return events, nil
	case in.Events != nil:
		events := slices.Clone(*in.Events)
		for i, e := range events {
			events[i].Rule = strings.TrimPrefix(strings.ToUpper(strings.TrimSpace(e.Rule)), "RRULE:")
		}
		return events, nil
	}
	return nil, nil
}

// invalid is the fault of what is wrong with a calendar, and with its name; nil when nothing is.
func invalid(c Calendar, name string) error {
	var bad []fault.Field
	if name != "" {
		bad = append(bad, fault.Field{Pointer: "/name", Detail: name})
	}
	for _, p := range c.Check() {
		bad = append(bad, fault.Field{Pointer: "/" + p.Field, Detail: p.Detail})
	}
	return fault.InvalidFields(bad)
}
