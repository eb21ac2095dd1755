// Package auditevents serves the routes that read the audit log.
package auditevents

import (
	"context"
	"net/http"
	"time"

	"github.com/rekey-dev/rekey/pkg/audit"
	"github.com/rekey-dev/rekey/pkg/authz"
	"github.com/rekey-dev/rekey/pkg/call"
	"github.com/rekey-dev/rekey/pkg/fault"
	"github.com/rekey-dev/rekey/pkg/httpapi"
	"github.com/rekey-dev/rekey/pkg/id"
	"github.com/rekey-dev/rekey/pkg/listing"
	"github.com/rekey-dev/rekey/pkg/permission"
	"github.com/rekey-dev/rekey/pkg/precondition"
	"github.com/rekey-dev/rekey/pkg/serviceaccount"
)

// Store is what is read. One object that is not there is a fault of kind not_found.
type Store interface {
	listing.Places
	// Account returns an account, a deleted one too: its records stay.
	Account(ctx context.Context, a id.ServiceAccount) (serviceaccount.Account, error)
	AuditEvent(ctx context.Context, e id.Event) (audit.Event, error)
	AuditEvents(ctx context.Context, q audit.Query) (audit.Page, error)
}

// Event is one record.
type Event struct {
	ID        string         `json:"id" maxLength:"24"`
	Seq       *int64         `json:"seq" minimum:"1" doc:"Orders the records of one target: 1, 2, 3 …; null when denied"`
	At        string         `json:"at" format:"date-time"`
	Action    string         `json:"action" example:"user.updated" doc:"<noun>.<past participle>; issue and revocation of a key are user.updated, with the change in the details"`
	Actor     Actor          `json:"actor"`
	Target    Target         `json:"target"`
	NodeID    string         `json:"node_id"`
	CompanyID *string        `json:"company_id"`
	SourceIP  string         `json:"source_ip"`
	UserAgent string         `json:"user_agent" maxLength:"200"`
	RequestID string         `json:"request_id"`
	Outcome   string         `json:"outcome" enum:"ok,denied"`
	Details   map[string]any `json:"details"`
}

// Actor is who acted.
type Actor struct {
	Type             string  `json:"type" enum:"employee,service_account,gateway,holder,system"`
	ID               string  `json:"id"`
	Name             string  `json:"name"`
	KeyID            *string `json:"key_id,omitempty" doc:"The credential that was used"`
	KeyPrefix        *string `json:"key_prefix,omitempty"`
	AssumedCompanyID *string `json:"assumed_company_id,omitempty"`
}

// Target is what was acted on.
type Target struct {
	Type string `json:"type" example:"key"`
	ID   string `json:"id"`
	Name string `json:"name"`
}

type listInput struct {
	httpapi.Paging
	httpapi.PlaceFilter
	ServiceAccountID string    `query:"service_account_id" maxLength:"100" doc:"Records whose actor or target is the account or a key of it"`
	From             time.Time `query:"from" doc:"Inclusive"`
	To               time.Time `query:"to" doc:"Exclusive"`
	Order            string    `query:"order" enum:"asc,desc" default:"desc" doc:"By time"`
	ActorType        string    `query:"actor_type" enum:"employee,service_account,gateway,holder,system"`
	Outcome          string    `query:"outcome" enum:"ok,denied" doc:"With actor_type"`
	ActorID          string    `query:"actor_id" maxLength:"30"`
	TargetID         string    `query:"target_id" maxLength:"30"`
	KeyID            string    `query:"key_id" maxLength:"24" doc:"Records where the key acted or is the target"`
	Action           string    `query:"action" maxLength:"60"`
	RequestID        string    `query:"request_id" maxLength:"128"`
}

type eventInput struct {
	ID string `path:"id" maxLength:"100"`
}

// Register adds GET /audit-events and GET /audit-events/{id}.
func Register(a *httpapi.API, store Store) {
	h := handler{a, store}
	httpapi.Register(a, httpapi.Operation{ID: "listAuditEvents", Method: http.MethodGet, Path: "/audit-events", Tag: "audit-events",
		Summary: "Search the audit log", Description: "Newest first. At most one of node_id, company_id and service_account_id " +
			"(without one: the caller's own place), and at most one of the filters behind order, or actor_type with outcome.",
		Access: httpapi.Needs(permission.AuditRead), Errors: []fault.Kind{fault.NotFound}}, h.list,
		func(l httpapi.List[Event]) httpapi.Answer[httpapi.List[Event]] {
			return httpapi.Answer[httpapi.List[Event]]{Body: l}
		})
	httpapi.Register(a, httpapi.Operation{ID: "getAuditEvent", Method: http.MethodGet, Path: "/audit-events/{id}", Tag: "audit-events",
		Summary: "Get a record of the audit log", Access: httpapi.Needs(permission.AuditRead), Tagged: true}, h.get,
		func(e audit.Event) httpapi.Answer[Event] {
			return httpapi.Answer[Event]{Body: Of(e), ETag: precondition.Tag(string(e.ID), e.Seq)}
		})
}

type handler struct {
	api   *httpapi.API
	store Store
}

func (h handler) get(ctx context.Context, c call.Call, in *eventInput) (audit.Event, error) {
	if err := c.Caller.Holds(permission.AuditRead); err != nil {
		return audit.Event{}, err
	}
	eventID, ok := id.Parse[id.Event](in.ID)
	if !ok {
		return audit.Event{}, fault.Missing("audit event")
	}
	e, err := h.store.AuditEvent(ctx, eventID)
	if err != nil {
		return audit.Event{}, err
	}
	return e, c.Caller.Check(permission.AuditRead, authz.Object{Place: e.Place, What: "audit event"})
}

func (h handler) list(ctx context.Context, c call.Call, in *listInput) (httpapi.List[Event], error) {
	var none httpapi.List[Event]
	if err := c.Caller.Holds(permission.AuditRead); err != nil {
		return none, err
	}
	if err := in.check(); err != nil {
		return none, err
	}
	q := audit.Query{Direct: in.Direct, From: in.From, To: in.To, Oldest: in.Order == "asc", ActorType: audit.ActorType(in.ActorType),
		Outcome: audit.Outcome(in.Outcome), ActorID: in.ActorID, TargetID: in.TargetID, KeyID: in.KeyID, Action: in.Action,
		RequestID: in.RequestID, Limit: in.Limit}
	if err := h.where(ctx, c, in, &q); err != nil {
		return none, err
	}
	var err error
	if q.After, err = h.api.After(ctx, in.Cursor); err != nil {
		return none, err
	}
	page, err := h.store.AuditEvents(ctx, q)
	if err != nil {
		return none, err
	}
	items := make([]Event, 0, len(page.Events))
	for _, e := range page.Events {
		items = append(items, Of(e))
	}
	next, err := h.api.Next(ctx, page.Next)
	return httpapi.NewList(items, next), err
}

// check refuses filters that do not go together.
func (in *listInput) check() error {
	if err := httpapi.AtMostOne("actor_type", in.ActorType, "actor_id", in.ActorID, "target_id", in.TargetID, "key_id", in.KeyID,
		"action", in.Action, "request_id", in.RequestID); err != nil {
		return err
	}
	if in.Outcome != "" && in.ActorType == "" {
		return fault.InvalidField("/outcome", "goes with actor_type only")
	}
	if !in.From.IsZero() && !in.To.IsZero() && !in.From.Before(in.To) {
		return fault.InvalidField("/to", "is not after from")
	}
	return nil
}

// where finds the place of the query. A place that is not there, or that the caller's own does not cover, is not found.
func (h handler) where(ctx context.Context, c call.Call, in *listInput, q *audit.Query) error {
	where, err := in.PlaceFilter.Where(in.ServiceAccountID)
	if err != nil {
		return err
	}
	if in.ServiceAccountID != "" {
		accountID, ok := id.Parse[id.ServiceAccount](in.ServiceAccountID)
		if !ok {
			return fault.Missing("service account")
		}
		a, err := h.store.Account(ctx, accountID)
		if err != nil {
			return err
		}
		q.Account, q.Place = a.ID, a.Place.ID()
		return c.Caller.Check(permission.AuditRead, authz.Object{Place: a.Place, Account: a.ID, What: "service account"})
	}
	at, err := where.Resolve(ctx, h.store, c.Caller)
	if err != nil {
		return err
	}
	q.Place = at.ID()
	return c.Caller.Check(permission.AuditRead, authz.Object{Place: at, What: "place"})
}

// Of shows a record.
func Of(e audit.Event) Event {
	out := Event{ID: string(e.ID), At: httpapi.TimeMillis(e.At), Action: e.Action,
		Actor: Actor{Type: string(e.Actor.Type), ID: e.Actor.ID, Name: e.Actor.Name, KeyID: httpapi.Text(e.Actor.KeyID),
			KeyPrefix: httpapi.Text(e.Actor.KeyPrefix), AssumedCompanyID: httpapi.Text(e.Actor.AssumedCompany)},
		Target: Target{e.Target.Type, e.Target.ID, e.Target.Name}, NodeID: string(e.Place.Node()), CompanyID: httpapi.Text(e.Place.Company),
		SourceIP: e.SourceIP, UserAgent: e.UserAgent, RequestID: e.RequestID, Outcome: string(e.Outcome), Details: e.Details}
	if e.Seq > 0 {
		out.Seq = &e.Seq
	}
	if out.Details == nil {
		out.Details = map[string]any{}
	}
	return out
}
