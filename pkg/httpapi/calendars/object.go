package calendars

import (
	"strconv"
	"strings"
	"time"

	"github.com/rekey-dev/rekey/pkg/calendar"
	"github.com/rekey-dev/rekey/pkg/fault"
	"github.com/rekey-dev/rekey/pkg/httpapi"
	"github.com/rekey-dev/rekey/pkg/precondition"
)

// Calendar is a calendar as the API shows it.
type Calendar struct {
	ID            string                           `json:"id" example:"cal_7Hq2cXv9LmN4pQr8sT1w"`
	NodeID        string                           `json:"node_id"`
	CompanyID     *string                          `json:"company_id"`
	Name          string                           `json:"name"`
	Kind          string                           `json:"kind" enum:"freeze,window"`
	TimeZone      string                           `json:"time_zone" example:"Europe/Berlin"`
	EventCount    int                              `json:"event_count"`
	Events        httpapi.Nullable[CalendarEvents] `json:"events" doc:"Only when one calendar is got, and not with format=ics"`
	ICS           *string                          `json:"ics" doc:"The calendar as iCalendar text (RFC 5545); only with format=ics"`
	CreatedBy     string                           `json:"created_by" doc:"ID of who created it"`
	CreatedByName string                           `json:"created_by_name"`
	CreatedAt     string                           `json:"created_at" format:"date-time"`
	UpdatedAt     string                           `json:"updated_at" format:"date-time"`
}

// CalendarEvent is an event of a calendar as the API shows it.
type CalendarEvent struct {
	UID      string   `json:"uid"`
	Summary  string   `json:"summary"`
	Start    string   `json:"start" doc:"A time of RFC 3339 in UTC, or, of whole days, the first date"`
	End      *string  `json:"end" doc:"The first moment, or date, after it; null: it never ends"`
	AllDay   bool     `json:"all_day"`
	RRule    string   `json:"rrule" doc:"RFC 5545; empty for none"`
	TimeZone *string  `json:"time_zone" doc:"Whose clock the rule follows; null: the calendar's zone"`
	Except   []string `json:"except" nullable:"false" doc:"Starts of occurrences that do not take place"`
}

// NewCalendarEvent is an event as it is sent.
type NewCalendarEvent struct {
	UID      string                `json:"uid" minLength:"1" maxLength:"255" doc:"Unique in its calendar, at most 255 bytes"`
	Summary  string                `json:"summary,omitempty" maxLength:"200"`
	Start    string                `json:"start" minLength:"1" maxLength:"40" doc:"A time of RFC 3339 in whole seconds, or, of whole days, the first date (2026-12-01); 1900 to 2199"`
	End      httpapi.Field[string] `json:"end,omitempty" nullable:"true" maxLength:"40" doc:"The first moment, or date, after it; null or left out: it never ends"`
	AllDay   bool                  `json:"all_day,omitempty" doc:"Whole days of the calendar's zone"`
	RRule    string                `json:"rrule,omitempty" maxLength:"500" doc:"RFC 5545: FREQ is DAILY, WEEKLY, MONTHLY or YEARLY, at most one time a day"`
	TimeZone httpapi.Field[string] `json:"time_zone,omitempty" nullable:"true" maxLength:"64" doc:"Whose clock the rule follows (IANA); null or left out: the calendar's zone"`
	Except   httpapi.Texts         `json:"except,omitempty" maxItems:"1000" maxLength:"40" doc:"Starts of occurrences that do not take place, written like start"`
}

// source is where a calendar's events come from.
func source(events *[]NewCalendarEvent, ics *string) (calendar.Source, error) {
	out := calendar.Source{ICS: ics}
	if events == nil {
		return out, nil
	}
	var bad []fault.Field
	read := make([]calendar.Event, len(*events))
	for i, e := range *events {
		at := "/events/" + strconv.Itoa(i)
		when := func(member, text string) time.Time {
			layout, want := time.RFC3339, "is no time of RFC 3339, like 2026-12-01T00:00:00Z"
			if e.AllDay {
				layout, want = time.DateOnly, "is no date, like 2026-12-01, and the event is one of whole days"
			}
			t, err := time.Parse(layout, text)
			if err != nil || strings.Contains(text, ",") {
				bad = append(bad, fault.Field{Pointer: at + "/" + member, Detail: want})
			}
			return t.UTC()
		}
		read[i] = calendar.Event{UID: e.UID, Summary: e.Summary, AllDay: e.AllDay, Rule: e.RRule, Zone: e.TimeZone.Value, Start: when("start", e.Start)}
		if e.End.Given && !e.End.Null {
			read[i].End = when("end", e.End.Value)
		}
		for j, x := range e.Except {
			read[i].Except = append(read[i].Except, when("except/"+strconv.Itoa(j), x))
		}
	}
	if len(bad) > maxBad {
		bad = bad[:maxBad]
	}
	out.Events = &read
	return out, fault.InvalidFields(bad)
}

// maxBad is how many problems are named at once.
const maxBad = 20

// CalendarEvents is the events of a calendar.
type CalendarEvents []CalendarEvent

func events(c calendar.Calendar) CalendarEvents {
	out := make(CalendarEvents, len(c.Events))
	for i, e := range c.Events {
		when := func(t time.Time) string {
			if e.AllDay {
				return t.UTC().Format(time.DateOnly)
			}
			return httpapi.TimeText(t)
		}
		out[i] = CalendarEvent{UID: e.UID, Summary: e.Summary, Start: when(e.Start), AllDay: e.AllDay, RRule: e.Rule, TimeZone: httpapi.Text(e.Zone), Except: []string{}}
		if !e.End.IsZero() {
			end := when(e.End)
			out[i].End = &end
		}
		for _, x := range e.Except {
			out[i].Except = append(out[i].Except, when(x))
		}
	}
	return out
}

// of shows a calendar without its events.
func of(c calendar.Calendar) Calendar {
	return Calendar{ID: string(c.ID), NodeID: string(c.Place.Node()), CompanyID: httpapi.Text(c.Place.Company), Name: c.Name, Kind: string(c.Kind),
		TimeZone: c.Zone, EventCount: c.EventCount, CreatedBy: c.CreatedBy, CreatedByName: c.CreatedByName,
		CreatedAt: httpapi.TimeText(c.CreatedAt), UpdatedAt: httpapi.TimeText(c.UpdatedAt)}
}

func tag(c calendar.Calendar) string { return precondition.Tag(string(c.ID), c.Version) }
