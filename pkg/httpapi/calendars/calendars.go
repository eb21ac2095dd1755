// Package calendars serves the calendars of freezes and windows:
//
//	GET, POST          /calendars
//	GET, PATCH, DELETE /calendars/{id}
package calendars

import (
	"context"
	"net/http"
	"strings"

	"github.com/rekey-dev/rekey/pkg/calendar"
	"github.com/rekey-dev/rekey/pkg/call"
	"github.com/rekey-dev/rekey/pkg/fault"
	"github.com/rekey-dev/rekey/pkg/httpapi"
	"github.com/rekey-dev/rekey/pkg/id"
	"github.com/rekey-dev/rekey/pkg/listing"
	"github.com/rekey-dev/rekey/pkg/permission"
)

// Service is what can be done with calendars.
type Service interface {
	Create(ctx context.Context, c call.Call, in calendar.New) (calendar.Calendar, error)
	List(ctx context.Context, c call.Call, w listing.Where, f calendar.Filter, after string, limit int) ([]calendar.Calendar, string, error)
	Get(ctx context.Context, c call.Call, calendar id.Calendar) (calendar.Calendar, error)
	Patch(ctx context.Context, c call.Call, calendar id.Calendar, in calendar.Patch) (calendar.Calendar, error)
	Delete(ctx context.Context, c call.Call, calendar id.Calendar) error
}

// Register adds the operations.
func Register(a *httpapi.API, s Service) {
	r := resource{api: a, service: s}
	r.registerCollection()
	r.registerSingle()
}

type resource struct {
	api     *httpapi.API
	service Service
}

const (
	noun = "calendars"
	// maxBody leaves room for 1 MiB of iCalendar text, whose line breaks JSON writes as four characters.
	maxBody = 2 << 20
)

func one(c calendar.Calendar) httpapi.Answer[Calendar] {
	return httpapi.Answer[Calendar]{Body: of(c), ETag: tag(c)}
}

func calendarID(text string) (id.Calendar, error) {
	if c, ok := id.Parse[id.Calendar](text); ok {
		return c, nil
	}
	return "", fault.Missing("calendar")
}

type createInput struct {
	Body struct {
		Name      string              `json:"name" minLength:"1" maxLength:"100" doc:"Unique among its siblings, without regard to case"`
		NodeID    string              `json:"node_id,omitempty" maxLength:"100" doc:"Where it belongs; this or company_id"`
		CompanyID string              `json:"company_id,omitempty" maxLength:"100"`
		Kind      string              `json:"kind" enum:"freeze,window" doc:"freeze: nothing rotates while an event lasts; window: where there is one, things rotate only while an event of a window lasts"`
		TimeZone  string              `json:"time_zone" minLength:"1" maxLength:"64" doc:"A name of the IANA database, like Europe/Berlin: where whole days begin and rules are read"`
		Events    *[]NewCalendarEvent `json:"events,omitempty" maxItems:"1000"`
		ICS       *string             `json:"ics,omitempty" minLength:"1" maxLength:"1048576" doc:"The events as iCalendar text (RFC 5545), at most 1 MiB and 1,000 events; instead of events"`
	}
}

type listInput struct {
	httpapi.Paging
	httpapi.PlaceFilter
	Kind string `query:"kind" enum:"freeze,window"`
	Q    string `query:"q" maxLength:"100" doc:"Case-insensitive prefix of the name, or an exact ID"`
}

// page is a page of calendars together with its sealed cursor.
type page struct {
	calendars []calendar.Calendar
	next      string
}

func (r resource) registerCollection() {
	httpapi.Register(r.api, httpapi.Operation{ID: "listCalendars", Method: http.MethodGet, Path: "/calendars", Tag: noun,
		Summary: "List calendars, by name", Description: "Without their events. At most one of node_id and company_id, and at most one other filter.",
		Access: httpapi.Needs(permission.PoliciesRead), Errors: []fault.Kind{fault.NotFound}},
		func(ctx context.Context, c call.Call, in *listInput) (page, error) {
			where, err := in.PlaceFilter.Where("")
			if err != nil {
				return page{}, err
			}
			if err := httpapi.AtMostOne("kind", in.Kind, "q", in.Q); err != nil {
				return page{}, err
			}
			after, err := r.api.After(ctx, in.Cursor)
			if err != nil {
				return page{}, err
			}
			found, position, err := r.service.List(ctx, c, where, calendar.Filter{Kind: calendar.Kind(in.Kind), Query: in.Q}, after, in.Limit)
			if err != nil {
				return page{}, err
			}
			next, err := r.api.Next(ctx, position)
			return page{found, next}, err
		},
		func(p page) httpapi.Answer[httpapi.List[Calendar]] {
			items := make([]Calendar, 0, len(p.calendars))
			for _, c := range p.calendars {
				items = append(items, of(c))
			}
			return httpapi.Answer[httpapi.List[Calendar]]{Body: httpapi.NewList(items, p.next)}
		})

	httpapi.Register(r.api, httpapi.Operation{ID: "createCalendar", Method: http.MethodPost, Path: "/calendars", Tag: noun,
		Summary:     "Create a calendar of freezes or windows",
		Description: "With its events, or with an iCalendar text that has them. All events together take at most 280,000 bytes. The answer has no events: get the calendar to see them.",
		Access:      httpapi.Needs(permission.PoliciesManage), Status: http.StatusCreated, Tagged: true, MaxBody: maxBody,
		Errors: []fault.Kind{fault.Conflict, fault.NotFound}},
		func(ctx context.Context, c call.Call, in *createInput) (calendar.Calendar, error) {
			b := &in.Body
			from, err := source(b.Events, b.ICS)
			if err != nil {
				return calendar.Calendar{}, err
			}
			node, company, err := where(b.NodeID, b.CompanyID)
			if err != nil {
				return calendar.Calendar{}, err
			}
			return r.service.Create(ctx, c, calendar.New{Name: b.Name, Node: node, Company: company, Kind: calendar.Kind(b.Kind), Zone: b.TimeZone, Source: from})
		}, one)
}

// where reads the place of a new calendar. An ID that is none is the ID of nothing.
func where(nodeID, companyID string) (id.Node, id.Company, error) {
	node, isNode := id.Parse[id.Node](nodeID)
	company, isCompany := id.Parse[id.Company](companyID)
	switch {
	case nodeID != "" && !isNode:
		return "", "", fault.Missing("node")
	case companyID != "" && !isCompany:
		return "", "", fault.Missing("company")
	}
	return node, company, nil
}

type getInput struct {
	ID     string `path:"id" maxLength:"100"`
	Format string `query:"format" enum:"json,ics" default:"json" doc:"ics: the member ics has the calendar as iCalendar text, and events is null"`
}

type patchInput struct {
	ID   string `path:"id" maxLength:"100"`
	Body struct {
		Name     *string             `json:"name,omitempty" minLength:"1" maxLength:"100"`
		TimeZone *string             `json:"time_zone,omitempty" minLength:"1" maxLength:"64"`
		Events   *[]NewCalendarEvent `json:"events,omitempty" maxItems:"1000" doc:"All of them: they replace those of before"`
		ICS      *string             `json:"ics,omitempty" minLength:"1" maxLength:"1048576" doc:"Instead of events"`
	}
}

type calendarInput struct {
	ID string `path:"id" maxLength:"100"`
}

// got is a calendar that is shown whole, and how.
type got struct {
	calendar.Calendar
	ics *string
}

func (r resource) registerSingle() {
	httpapi.Register(r.api, httpapi.Operation{ID: "getCalendar", Method: http.MethodGet, Path: "/calendars/{id}", Tag: noun,
		Summary: "Get a calendar with its events", Access: httpapi.Needs(permission.PoliciesRead), Tagged: true},
		func(ctx context.Context, c call.Call, in *getInput) (got, error) {
			which, err := calendarID(in.ID)
			if err != nil {
				return got{}, err
			}
			found, err := r.service.Get(ctx, c, which)
			if err != nil || in.Format != "ics" {
				return got{Calendar: found}, err
			}
			var text strings.Builder
			if err := calendar.WriteICS(&text, found); err != nil {
				return got{}, err
			}
			ics := text.String()
			return got{found, &ics}, nil
		},
		func(g got) httpapi.Answer[Calendar] {
			out := of(g.Calendar)
			if out.ICS = g.ics; g.ics == nil {
				list := events(g.Calendar)
				out.Events.Value = &list
			}
			return httpapi.Answer[Calendar]{Body: out, ETag: tag(g.Calendar)}
		})

	httpapi.Register(r.api, httpapi.Operation{ID: "patchCalendar", Method: http.MethodPatch, Path: "/calendars/{id}", Tag: noun,
		Summary: "Change a calendar", Description: "The answer has no events: get the calendar to see them.",
		Access: httpapi.Needs(permission.PoliciesManage), Tagged: true, Match: true, MergePatch: true, MaxBody: maxBody,
		Errors: []fault.Kind{fault.Conflict}},
		func(ctx context.Context, c call.Call, in *patchInput) (calendar.Calendar, error) {
			which, err := calendarID(in.ID)
			if err != nil {
				return calendar.Calendar{}, err
			}
			from, err := source(in.Body.Events, in.Body.ICS)
			if err != nil {
				return calendar.Calendar{}, err
			}
			return r.service.Patch(ctx, c, which, calendar.Patch{Name: in.Body.Name, Zone: in.Body.TimeZone, Source: from})
		}, one)

	httpapi.Register(r.api, httpapi.Operation{ID: "deleteCalendar", Method: http.MethodDelete, Path: "/calendars/{id}", Tag: noun,
		Summary: "Delete a calendar", Description: "Refused while rotation policies name it. Its name can be used again; its audit records stay.",
		Access: httpapi.Needs(permission.PoliciesManage), Status: http.StatusNoContent, Match: true,
		Errors: []fault.Kind{fault.InUse}},
		func(ctx context.Context, c call.Call, in *calendarInput) (httpapi.None, error) {
			which, err := calendarID(in.ID)
			if err != nil {
				return httpapi.None{}, err
			}
			return httpapi.None{}, r.service.Delete(ctx, c, which)
		},
		func(httpapi.None) httpapi.Answer[httpapi.None] { return httpapi.Answer[httpapi.None]{} })
}
