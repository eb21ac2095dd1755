package calendar_test

import (
	"strings"
	"testing"
	"time"

	"github.com/stretchr/testify/require"

	"github.com/rekey-dev/rekey/pkg/audit"
	"github.com/rekey-dev/rekey/pkg/calendar"
	"github.com/rekey-dev/rekey/pkg/call"
	"github.com/rekey-dev/rekey/pkg/fault"
	"github.com/rekey-dev/rekey/pkg/id"
	"github.com/rekey-dev/rekey/pkg/listing"
	"github.com/rekey-dev/rekey/pkg/place"
	"github.com/rekey-dev/rekey/pkg/precondition"
	"github.com/rekey-dev/rekey/pkg/rekeytest"
	"github.com/rekey-dev/rekey/pkg/token"
)

var december = calendar.Event{UID: "december", Summary: "Year's end", AllDay: true,
	Start: time.Date(2031, 12, 1, 0, 0, 0, 0, time.UTC), End: time.Date(2032, 1, 1, 0, 0, 0, 0, time.UTC), Rule: "FREQ=YEARLY"}

const ics = "BEGIN:VCALENDAR\nBEGIN:VEVENT\nUID:1\nDTSTART;VALUE=DATE:20311224\nEND:VEVENT\nEND:VCALENDAR\n"

func from(events ...calendar.Event) calendar.Source { return calendar.Source{Events: &events} }

func text(s string) calendar.Source { return calendar.Source{ICS: &s} }

func freezes(at place.Place) calendar.New {
	in := calendar.New{Name: "Freezes", Kind: calendar.Freeze, Zone: "Europe/Berlin", Source: from(december)}
	if in.Company = at.Company; in.Company == "" {
		in.Node = at.Node()
	}
	return in
}

func made(t *testing.T, w *rekeytest.World, at place.Place) calendar.Calendar {
	t.Helper()
	c, err := w.Calendars.Create(w.Ctx, w.As(w.Owner), freezes(at))
	require.NoError(t, err)
	return c
}

// named is a policy that begins to name calendars, or does no more.
func named(w *rekeytest.World, by int, c id.Calendar) {
	e := w.Happened("rotation_policy", string(id.New[id.Policy](w.Rand)), w.Root, 1)
	w.Commit(e, calendar.Use{Calendar: c, By: by})
}

func done(v any, err error) (any, token.Secret, error) { return v, token.Secret{}, err }

var create = rekeytest.Operation{Name: "create", Record: audit.CalendarCreated, Prepare: func(w *rekeytest.World) rekeytest.Use {
	return func(c call.Call) (any, token.Secret, error) {
		return done(w.Calendars.Create(w.Ctx, c, freezes(w.Company)))
	}
}}

var unkeyed = []rekeytest.Operation{
	{Name: "patch", Record: audit.CalendarUpdated, Unkeyed: true, Prepare: func(w *rekeytest.World) rekeytest.Use {
		c, err := w.Calendars.Create(w.Ctx, w.As(w.Owner), freezes(w.Company))
		require.NoError(w.T, err)
		name := "Windows"
		return func(call call.Call) (any, token.Secret, error) {
			return done(w.Calendars.Patch(w.Ctx, call, c.ID, calendar.Patch{Name: &name, Source: text(ics)}))
		}
	}},
	{Name: "delete", Record: audit.CalendarDeleted, Unkeyed: true, Again: []fault.Kind{fault.NotFound}, Prepare: func(w *rekeytest.World) rekeytest.Use {
		c, err := w.Calendars.Create(w.Ctx, w.As(w.Owner), freezes(w.Company))
		require.NoError(w.T, err)
		return func(call call.Call) (any, token.Secret, error) {
			return done(nil, w.Calendars.Delete(w.Ctx, call, c.ID))
		}
	}},
}

func TestOperations_AFaultAtAnyCallOfTheStoreEndsInOneEffectAndOneRecord_B6(t *testing.T) {
	for _, o := range append(unkeyed, create) {
		o.EveryFault(t)
	}
}

func TestOperations_RepeatsHaveOneEffectAndOneAnswer_B6(t *testing.T) {
	create.Simultaneous(t)
	create.Repeats(t)
}

// refused requires a fault of a kind that nothing came of but so many records of denials.
func refused(t *testing.T, w *rekeytest.World, kind fault.Kind, denials int, do func() error) *fault.Error {
	t.Helper()
	before := w.Mem.Events()
	err := do()
	require.True(t, fault.Is(err, kind), "%v", err)
	require.Len(t, w.Mem.Events(), len(before)+denials)
	var f *fault.Error
	require.ErrorAs(t, err, &f)
	return f
}

func TestCreate_ACalendarIsReadAsItWasMade_B9(t *testing.T) {
	w := rekeytest.New(t)
	c, err := w.Calendars.Create(w.Ctx, w.As(w.Admin), freezes(w.Company))
	require.NoError(t, err)
	require.Equal(t, calendar.Calendar{ID: c.ID, Place: w.Company, Name: "Freezes", Kind: calendar.Freeze, Zone: "Europe/Berlin",
		Events: []calendar.Event{december}, EventCount: 1, CreatedBy: string(w.Admin.Employee.ID), CreatedByName: "Admin Person",
		CreatedAt: w.Now(), UpdatedAt: w.Now(), Version: 1, EventSeq: 1}, c)
	got, err := w.Calendars.Get(w.Ctx, w.As(w.Viewer), c.ID)
	require.NoError(t, err)
	require.Equal(t, c, got)
	e := w.Record(audit.CalendarCreated)
	require.Equal(t, audit.Target{Type: "calendar", ID: string(c.ID), Name: "Freezes"}, e.Target)
	require.Equal(t, map[string]any{"kind": "freeze", "time_zone": "Europe/Berlin", "event_count": 1.0}, e.Details)
	require.Equal(t, w.Company, e.Place)
}

func TestCreate_TheEventsMayBeAnICalendarText_B9(t *testing.T) {
	w := rekeytest.New(t)
	in := freezes(w.Root)
	in.Source = text(ics)
	c, err := w.Calendars.Create(w.Ctx, w.As(w.Owner), in)
	require.NoError(t, err)
	require.Equal(t, []calendar.Event{{UID: "1", AllDay: true, Start: time.Date(2031, 12, 24, 0, 0, 0, 0, time.UTC), End: time.Date(2031, 12, 25, 0, 0, 0, 0, time.UTC)}}, c.Events)
}

func TestCreate_WhatCannotBeIsRefusedWithItsPointer_B9(t *testing.T) {
	w := rekeytest.New(t)
	for pointer, spoil := range map[string]func(*calendar.New){
		"/name":               func(in *calendar.New) { in.Name = " a" },
		"/node_id":            func(in *calendar.New) { in.Node = "" },
		"/company_id":         func(in *calendar.New) { in.Company = w.Company.Company },
		"/kind":               func(in *calendar.New) { in.Kind = "pause" },
		"/time_zone":          func(in *calendar.New) { in.Zone = "CEST!" },
		"/events/0/end":       func(in *calendar.New) { (*in.Events)[0].End = december.Start },
		"/events/0/rrule":     func(in *calendar.New) { (*in.Events)[0].Rule = "FREQ=MINUTELY" },
		"/ics":                func(in *calendar.New) { in.Source = text("BEGIN:VCALENDAR") },
		"/events/0/except/0":  func(in *calendar.New) { (*in.Events)[0].Except = []time.Time{{}} },
		"/events/0/start":     func(in *calendar.New) { (*in.Events)[0].Start = time.Time{} },
		"/events/0/time_zone": func(in *calendar.New) { (*in.Events)[0].Zone = "Europe/Berlin" },
		"/events/0/uid":       func(in *calendar.New) { (*in.Events)[0].UID = "" },
		"/events/0/summary":   func(in *calendar.New) { (*in.Events)[0].Summary = strings.Repeat("x", 201) },
	} {
		in := freezes(w.Root)
		in.Source = from(december)
		spoil(&in)
		f := refused(t, w, fault.Invalid, 0, func() error { _, err := w.Calendars.Create(w.Ctx, w.As(w.Owner), in); return err })
		require.Equal(t, pointer, f.Fields[0].Pointer, "%v", f)
	}
	both := freezes(w.Root)
	both.ICS = text(ics).ICS
	f := refused(t, w, fault.Invalid, 0, func() error { _, err := w.Calendars.Create(w.Ctx, w.As(w.Owner), both); return err })
	require.Equal(t, "/ics", f.Fields[0].Pointer)
}

func TestCreate_NamesAreUniqueAmongSiblings(t *testing.T) {
	w := rekeytest.New(t)
	made(t, w, w.Company)
	again := freezes(w.Company)
	again.Name = "FREEZES"
	refused(t, w, fault.Conflict, 0, func() error { _, err := w.Calendars.Create(w.Ctx, w.As(w.Owner), again); return err })
	made(t, w, w.Below)
	again.Company = "co_00000000000000000001"
	refused(t, w, fault.NotFound, 0, func() error { _, err := w.Calendars.Create(w.Ctx, w.As(w.Owner), again); return err })
}

func TestCalendars_ArePolicies_AtTheirPlace(t *testing.T) {
	w := rekeytest.New(t)
	c := made(t, w, w.Company)
	name := "Renamed"
	for by, kind := range map[*rekeytest.Person]fault.Kind{w.Operator: fault.MissingPermission, w.Viewer: fault.MissingPermission,
		w.SiblingAdmin: fault.NotFound, w.StrangerAdmin: fault.NotFound} {
		denials := 0
		if kind == fault.MissingPermission {
			denials = 1
		}
		refused(t, w, kind, denials, func() error { _, err := w.Calendars.Create(w.Ctx, w.As(by), freezes(w.Company)); return err })
		w.Advance(time.Minute)
		refused(t, w, kind, denials, func() error {
			_, err := w.Calendars.Patch(w.Ctx, w.As(by), c.ID, calendar.Patch{Name: &name})
			return err
		})
		w.Advance(time.Minute)
		refused(t, w, kind, denials, func() error { return w.Calendars.Delete(w.Ctx, w.As(by), c.ID) })
		w.Advance(time.Minute)
	}
	_, err := w.Calendars.Get(w.Ctx, w.As(w.StrangerAdmin), c.ID)
	require.True(t, fault.Is(err, fault.NotFound))
	for _, by := range []*rekeytest.Person{w.Viewer, w.BelowAdmin, w.CompanyAdmin} {
		_, err := w.Calendars.Get(w.Ctx, w.As(by), c.ID)
		require.NoError(t, err)
	}
	_, err = w.Calendars.Patch(w.Ctx, w.As(w.CompanyAdmin), c.ID, calendar.Patch{Name: &name})
	require.NoError(t, err)
}

func TestPatch_ChangesWhatIsGivenAndRecordsIt(t *testing.T) {
	w := rekeytest.New(t)
	c := made(t, w, w.Company)
	w.Advance(time.Hour)
	zone, empty := "America/New_York", []calendar.Event{}
	next, err := w.Calendars.Patch(w.Ctx, w.As(w.Owner), c.ID, calendar.Patch{Zone: &zone, Source: calendar.Source{Events: &empty}})
	require.NoError(t, err)
	require.Equal(t, zone, next.Zone)
	require.Zero(t, next.EventCount)
	require.Equal(t, int64(2), next.Version)
	require.Equal(t, w.Now(), next.UpdatedAt)
	require.Equal(t, []any{"time_zone", "events"}, w.Record(audit.CalendarUpdated).Details["changed"])
	got, err := w.Calendars.Get(w.Ctx, w.As(w.Owner), c.ID)
	require.NoError(t, err)
	require.Empty(t, got.Events)

	same, err := w.Calendars.Patch(w.Ctx, w.As(w.Owner), c.ID, calendar.Patch{Zone: &zone, Source: calendar.Source{Events: &empty}})
	require.NoError(t, err)
	require.Equal(t, int64(2), same.Version, "nothing to change")
	require.Len(t, w.Records(audit.CalendarUpdated), 1)

	stale := rekeytest.IfMatch(w.As(w.Owner), precondition.Tag(string(c.ID), 1))
	refused(t, w, fault.PreconditionFailed, 0, func() error { _, err := w.Calendars.Patch(w.Ctx, stale, c.ID, calendar.Patch{}); return err })
	other := freezes(w.Company)
	other.Name = "Other"
	_, err = w.Calendars.Create(w.Ctx, w.As(w.Owner), other)
	require.NoError(t, err)
	taken := "oTHER"
	refused(t, w, fault.Conflict, 0, func() error {
		_, err := w.Calendars.Patch(w.Ctx, w.As(w.Owner), c.ID, calendar.Patch{Name: &taken})
		return err
	})
	bad := "Nowhere"
	f := refused(t, w, fault.Invalid, 0, func() error {
		_, err := w.Calendars.Patch(w.Ctx, w.As(w.Owner), c.ID, calendar.Patch{Zone: &bad})
		return err
	})
	require.Equal(t, "/time_zone", f.Fields[0].Pointer)
}

func TestDelete_OneThatPoliciesNameIsInUse_B9(t *testing.T) {
	w := rekeytest.New(t)
	c := made(t, w, w.Company)
	named(w, 1, c.ID)
	f := refused(t, w, fault.InUse, 0, func() error { return w.Calendars.Delete(w.Ctx, w.As(w.Owner), c.ID) })
	require.Equal(t, []fault.Blocker{{Type: "rotation_policy", Count: 1}}, f.BlockedBy)
	named(w, -1, c.ID)
	require.NoError(t, w.Calendars.Delete(w.Ctx, w.As(w.Owner), c.ID))
	require.Equal(t, int64(2), w.Record(audit.CalendarDeleted).Seq)
	refused(t, w, fault.NotFound, 0, func() error { return w.Calendars.Delete(w.Ctx, w.As(w.Owner), c.ID) })
}

func TestDelete_APolicyThatIsFasterKeepsTheCalendar_B9(t *testing.T) {
	w := rekeytest.New(t)
	c := made(t, w, w.Company)
	w.Store.Hook = func(_ int, method string) {
		if method == "Commit" {
			w.Store.Hook = nil
			named(w, 1, c.ID)
		}
	}
	err := w.Calendars.Delete(w.Ctx, w.As(w.Owner), c.ID)
	require.True(t, fault.Is(err, fault.InUse), "%v", err)
	_, err = w.Calendars.Get(w.Ctx, w.As(w.Owner), c.ID)
	require.NoError(t, err)
}

func TestList_ShowsASubtreeByNameWithoutEvents_B9(t *testing.T) {
	w := rekeytest.New(t)
	var ids []id.Calendar
	for _, at := range []struct {
		name string
		at   place.Place
		kind calendar.Kind
	}{{"a", w.Company, calendar.Freeze}, {"B", w.Below, calendar.Window}, {"c", w.Root, calendar.Freeze}, {"d", w.Stranger, calendar.Freeze}} {
		in := freezes(at.at)
		in.Name, in.Kind = at.name, at.kind
		c, err := w.Calendars.Create(w.Ctx, w.As(w.Owner), in)
		require.NoError(t, err)
		ids = append(ids, c.ID)
	}
	list := func(by *rekeytest.Person, at listing.Where, f calendar.Filter) []id.Calendar {
		var out []id.Calendar
		for after := ""; ; {
			cals, next, err := w.Calendars.List(w.Ctx, w.As(by), at, f, after, 2)
			require.NoError(t, err)
			for _, c := range cals {
				require.Nil(t, c.Events)
				require.Equal(t, 1, c.EventCount)
				out = append(out, c.ID)
			}
			if after = next; after == "" {
				return out
			}
		}
	}
	require.Equal(t, ids, list(w.Owner, listing.Where{}, calendar.Filter{}))
	require.Equal(t, ids[:2], list(w.BelowAdmin, listing.Where{}, calendar.Filter{}))
	require.Equal(t, ids[1:2], list(w.Owner, listing.Where{Node: w.Below.Node(), Direct: true}, calendar.Filter{}))
	require.Equal(t, ids[:1], list(w.Owner, listing.Where{Company: w.Company.Company}, calendar.Filter{}))
	require.Equal(t, ids[1:2], list(w.Owner, listing.Where{}, calendar.Filter{Kind: calendar.Window}))
	require.Equal(t, ids[1:2], list(w.Owner, listing.Where{}, calendar.Filter{Query: "b"}))
	require.Equal(t, ids[:1], list(w.Owner, listing.Where{}, calendar.Filter{Query: string(ids[0])}))
	require.Empty(t, list(w.BelowAdmin, listing.Where{}, calendar.Filter{Query: string(ids[3])}), "of another tenant")
	_, _, err := w.Calendars.List(w.Ctx, w.As(w.BelowAdmin), listing.Where{Node: w.Sibling.Node()}, calendar.Filter{}, "", 10)
	require.True(t, fault.Is(err, fault.NotFound))
}
