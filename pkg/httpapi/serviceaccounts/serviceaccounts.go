// Package serviceaccounts serves service accounts:
//
//	GET, POST          /service-accounts
//	GET, PATCH, DELETE /service-accounts/{id}
//	POST               /service-accounts/{id}/revoke, /rotate, /unlock
package serviceaccounts

import (
	"context"
	"net/http"
	"time"

	"github.com/rekey-dev/rekey/pkg/apikey"
	"github.com/rekey-dev/rekey/pkg/audit"
	"github.com/rekey-dev/rekey/pkg/call"
	"github.com/rekey-dev/rekey/pkg/delivery"
	"github.com/rekey-dev/rekey/pkg/fault"
	"github.com/rekey-dev/rekey/pkg/httpapi"
	"github.com/rekey-dev/rekey/pkg/id"
	"github.com/rekey-dev/rekey/pkg/listing"
	"github.com/rekey-dev/rekey/pkg/permission"
	"github.com/rekey-dev/rekey/pkg/serviceaccount"
)

// Service is what can be done with accounts.
type Service interface {
	Create(ctx context.Context, c call.Call, in serviceaccount.New) (serviceaccount.View, error)
	List(ctx context.Context, c call.Call, w listing.Where, f serviceaccount.Filter, after string, limit int) (serviceaccount.Page, error)
	Get(ctx context.Context, c call.Call, account id.ServiceAccount) (serviceaccount.View, error)
	Patch(ctx context.Context, c call.Call, account id.ServiceAccount, in serviceaccount.Patch) (serviceaccount.View, error)
	Delete(ctx context.Context, c call.Call, account id.ServiceAccount) error
	Revoke(ctx context.Context, c call.Call, account id.ServiceAccount, reason string) (serviceaccount.View, error)
	Unlock(ctx context.Context, c call.Call, account id.ServiceAccount) (serviceaccount.View, error)
}

// Rotator replaces an account's keys.
type Rotator interface {
	Rotate(ctx context.Context, c call.Call, account id.ServiceAccount, in apikey.Rotate) (apikey.Shown, error)
}

// Deliverer replaces an account's keys by a secret that goes straight to where its consumer reads it, and is shown to nobody.
type Deliverer interface {
	RotateAccountTo(ctx context.Context, c call.Call, account id.ServiceAccount, in apikey.Rotate, to delivery.Target) (apikey.Shown, error)
}

// Register adds the operations.
func Register(a *httpapi.API, s Service, rotator Rotator, deliverer Deliverer, now func() time.Time) {
	r := resource{api: a, service: s, rotator: rotator, deliverer: deliverer, now: now}
	r.registerCollection()
	r.registerSingle()
	r.registerActions()
}

type resource struct {
	api       *httpapi.API
	service   Service
	rotator   Rotator
	deliverer Deliverer
	now       func() time.Time
}

const noun = "service accounts"

func denied(action string) *httpapi.DeniedAudit {
	return &httpapi.DeniedAudit{Action: action, TargetType: "service_account", TargetParam: "id"}
}

func (r resource) one(v serviceaccount.View) httpapi.Answer[Account] {
	return httpapi.Answer[Account]{Body: Of(v, r.now()), ETag: tag(v.Account)}
}

type createInput struct {
	Body struct {
		Name        string        `json:"name" minLength:"1" maxLength:"100" doc:"Unique among its siblings, without regard to case"`
		Description string        `json:"description,omitempty" maxLength:"500" doc:"Names the owning team"`
		NodeID      string        `json:"node_id,omitempty" maxLength:"100" doc:"Where it belongs; this or company_id"`
		CompanyID   string        `json:"company_id,omitempty" maxLength:"100"`
		RoleID      string        `json:"role_id,omitempty" maxLength:"100" doc:"Left out: integration, the least-privilege one"`
		Contacts    httpapi.Texts `json:"contacts,omitempty" maxItems:"10" maxLength:"254" doc:"E-mail addresses of who is told about its keys"`
		ExternalID  string        `json:"external_id,omitempty" maxLength:"100"`
		Tags        httpapi.Texts `json:"tags,omitempty" maxItems:"10" maxLength:"40" doc:"Each 1 to 40 of a-z, 0-9, _, : and -"`
	}
}

type listInput struct {
	httpapi.Paging
	httpapi.PlaceFilter
	Status     string `query:"status" enum:"active,revoked"`
	Locked     string `query:"locked" enum:"true" doc:"Only locked accounts"`
	Q          string `query:"q" maxLength:"100" doc:"Case-insensitive prefix of the name, or an exact ID"`
	Tag        string `query:"tag" maxLength:"40"`
	ExternalID string `query:"external_id" maxLength:"100"`
}

type page struct {
	accounts []serviceaccount.View
	next     string
}

func (r resource) registerCollection() {
	httpapi.Register(r.api, httpapi.Operation{ID: "createServiceAccount", Method: http.MethodPost, Path: "/service-accounts", Tag: noun,
		Summary: "Create a service account", Access: httpapi.Needs(permission.ServiceAccountsCreate),
		Denied: &httpapi.DeniedAudit{Action: audit.ServiceAccountCreated, TargetType: "node"}, Status: http.StatusCreated, Tagged: true,
		Errors: []fault.Kind{fault.NotFound, fault.Conflict, fault.CompanySuspended, fault.NotGrantable}},
		func(ctx context.Context, c call.Call, in *createInput) (serviceaccount.View, error) {
			b := in.Body
			n := serviceaccount.New{Name: b.Name, Description: b.Description, Node: id.Node(b.NodeID), Company: id.Company(b.CompanyID),
				RoleID: id.Role(b.RoleID), Contacts: b.Contacts, ExternalID: b.ExternalID, Tags: b.Tags}
			if _, ok := id.Parse[id.Node](b.NodeID); b.NodeID != "" && !ok {
				return serviceaccount.View{}, fault.Missing("node")
			}
			if _, ok := id.Parse[id.Company](b.CompanyID); b.CompanyID != "" && !ok {
				return serviceaccount.View{}, fault.Missing("company")
			}
			return r.service.Create(ctx, c, n)
		}, r.one)

	httpapi.Register(r.api, httpapi.Operation{ID: "listServiceAccounts", Method: http.MethodGet, Path: "/service-accounts", Tag: noun,
		Summary: "List service accounts by name", Description: "At most one of node_id and company_id, and at most one other filter.",
		Access: httpapi.Needs(permission.ServiceAccountsRead), Errors: []fault.Kind{fault.NotFound}},
		func(ctx context.Context, c call.Call, in *listInput) (page, error) {
			where, err := in.PlaceFilter.Where("")
			if err != nil {
				return page{}, err
			}
			if err := httpapi.AtMostOne("status", in.Status, "locked", in.Locked, "q", in.Q, "tag", in.Tag, "external_id", in.ExternalID); err != nil {
				return page{}, err
			}
			after, err := r.api.After(ctx, in.Cursor)
			if err != nil {
				return page{}, err
			}
			p, err := r.service.List(ctx, c, where, serviceaccount.Filter{Status: serviceaccount.Status(in.Status), Locked: in.Locked != "",
				Query: in.Q, Tag: in.Tag, ExternalID: in.ExternalID}, after, in.Limit)
			if err != nil {
				return page{}, err
			}
			next, err := r.api.Next(ctx, p.Next)
			return page{accounts: p.Accounts, next: next}, err
		},
		func(p page) httpapi.Answer[httpapi.List[Account]] {
			now := r.now()
			items := make([]Account, 0, len(p.accounts))
			for _, v := range p.accounts {
				items = append(items, Of(v, now))
			}
			return httpapi.Answer[httpapi.List[Account]]{Body: httpapi.NewList(items, p.next)}
		})
}
