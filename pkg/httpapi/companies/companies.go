// Package companies serves the managed companies:
//
//	GET, POST          /companies
//	GET, PATCH, DELETE /companies/{id}
//	POST               /companies/{id}/suspend, /resume
package companies

import (
	"context"
	"net/http"

	"github.com/rekey-dev/rekey/pkg/audit"
	"github.com/rekey-dev/rekey/pkg/call"
	"github.com/rekey-dev/rekey/pkg/company"
	"github.com/rekey-dev/rekey/pkg/fault"
	"github.com/rekey-dev/rekey/pkg/httpapi"
	"github.com/rekey-dev/rekey/pkg/id"
	"github.com/rekey-dev/rekey/pkg/listing"
	"github.com/rekey-dev/rekey/pkg/permission"
	"github.com/rekey-dev/rekey/pkg/precondition"
	"github.com/rekey-dev/rekey/pkg/tenancy"
)

// Service is what can be done with companies.
type Service interface {
	List(ctx context.Context, c call.Call, w listing.Where, f tenancy.Filter, after string, limit int) ([]company.Company, string, error)
	Create(ctx context.Context, c call.Call, in tenancy.New) (company.Company, error)
	Get(ctx context.Context, c call.Call, co id.Company) (company.Company, error)
	Patch(ctx context.Context, c call.Call, co id.Company, in tenancy.Patch) (company.Company, error)
	Delete(ctx context.Context, c call.Call, co id.Company) error
	Suspend(ctx context.Context, c call.Call, co id.Company, reason string) (company.Company, error)
	Resume(ctx context.Context, c call.Call, co id.Company, reason string) (company.Company, error)
}

// Register adds the operations.
func Register(a *httpapi.API, s Service) {
	r := resource{api: a, service: s}
	r.registerCollection()
	r.registerSingle()
	r.registerActions()
}

type resource struct {
	api     *httpapi.API
	service Service
}

const noun = "companies"

// Company is a company as the API shows it.
type Company struct {
	ID            string   `json:"id" example:"co_7Hq2cXv9LmN4pQr8sT1w"`
	NodeID        string   `json:"node_id"`
	Name          string   `json:"name"`
	PackageID     string   `json:"package_id"`
	Status        string   `json:"status" enum:"active,suspended"`
	AccountOwner  Owner    `json:"account_owner"`
	ExternalID    string   `json:"external_id"`
	Tags          []string `json:"tags" nullable:"false"`
	CreatedBy     string   `json:"created_by" doc:"ID of who created it"`
	CreatedByName string   `json:"created_by_name"`
	CreatedAt     string   `json:"created_at" format:"date-time"`
	UpdatedAt     string   `json:"updated_at" format:"date-time"`
}

// Owner is who answers for a company's account.
type Owner struct {
	FirstName string `json:"first_name" minLength:"1" maxLength:"100"`
	LastName  string `json:"last_name" minLength:"1" maxLength:"100"`
	Email     string `json:"email" minLength:"1" maxLength:"254" doc:"Kept with its domain in small letters"`
}

func of(c company.Company) Company {
	out := Company{ID: string(c.ID), NodeID: string(c.Place.Node()), Name: c.Name, PackageID: c.PackageID, Status: string(c.Status),
		AccountOwner: Owner(c.Owner), ExternalID: c.ExternalID, Tags: c.Tags, CreatedBy: c.CreatedBy, CreatedByName: c.CreatedByName,
		CreatedAt: httpapi.TimeText(c.CreatedAt), UpdatedAt: httpapi.TimeText(c.UpdatedAt)}
	if out.Tags == nil {
		out.Tags = []string{}
	}
	return out
}

func one(c company.Company) httpapi.Answer[Company] {
	return httpapi.Answer[Company]{Body: of(c), ETag: precondition.Tag(string(c.ID), c.Version)}
}

func companyID(text string) (id.Company, error) {
	if c, ok := id.Parse[id.Company](text); ok {
		return c, nil
	}
	return "", fault.Missing("company")
}

func denied(action string) *httpapi.DeniedAudit {
	return &httpapi.DeniedAudit{Action: action, TargetType: "company", TargetParam: "id"}
}

type createInput struct {
	Body struct {
		NodeID       string        `json:"node_id" minLength:"1" maxLength:"100" doc:"The node that it belongs to; it never moves"`
		Name         string        `json:"name" minLength:"1" maxLength:"100" doc:"Unique among the node's companies, without regard to case"`
		PackageID    string        `json:"package_id" minLength:"1" maxLength:"40" doc:"One of GET /packages"`
		AccountOwner Owner         `json:"account_owner"`
		ExternalID   string        `json:"external_id,omitempty" maxLength:"100"`
		Tags         httpapi.Texts `json:"tags,omitempty" maxItems:"10" maxLength:"40" doc:"Each 1 to 40 of a-z, 0-9, _, : and -"`
	}
}

type listInput struct {
	httpapi.Paging
	NodeID    string `query:"node_id" maxLength:"100" doc:"Companies of the node and of all below it"`
	Direct    bool   `query:"direct" doc:"With node_id: only the node's own"`
	Status    string `query:"status" enum:"active,suspended"`
	PackageID string `query:"package_id" maxLength:"40"`
	Q         string `query:"q" maxLength:"100" doc:"Case-insensitive prefix of the name, or an exact ID"`
}

// page is a page of companies together with its sealed cursor.
type page struct {
	companies []company.Company
	next      string
}

func (r resource) registerCollection() {
	httpapi.Register(r.api, httpapi.Operation{ID: "listCompanies", Method: http.MethodGet, Path: "/companies", Tag: noun,
		Summary: "List companies, by name", Description: "Those at the caller's place, or below a node. At most one of status, package_id and q.",
		Access: httpapi.Needs(permission.CompaniesRead), Errors: []fault.Kind{fault.NotFound}},
		func(ctx context.Context, c call.Call, in *listInput) (page, error) {
			where, err := httpapi.PlaceFilter{NodeID: in.NodeID, Direct: in.Direct}.Where("")
			if err != nil {
				return page{}, err
			}
			if err := httpapi.AtMostOne("status", in.Status, "package_id", in.PackageID, "q", in.Q); err != nil {
				return page{}, err
			}
			after, err := r.api.After(ctx, in.Cursor)
			if err != nil {
				return page{}, err
			}
			found, position, err := r.service.List(ctx, c, where, tenancy.Filter{Status: company.Status(in.Status), Package: in.PackageID, Query: in.Q}, after, in.Limit)
			if err != nil {
				return page{}, err
			}
			next, err := r.api.Next(ctx, position)
			return page{found, next}, err
		},
		func(p page) httpapi.Answer[httpapi.List[Company]] {
			items := make([]Company, 0, len(p.companies))
			for _, c := range p.companies {
				items = append(items, of(c))
			}
			return httpapi.Answer[httpapi.List[Company]]{Body: httpapi.NewList(items, p.next)}
		})

	httpapi.Register(r.api, httpapi.Operation{ID: "createCompany", Method: http.MethodPost, Path: "/companies", Tag: noun,
		Summary: "Create a company", Access: httpapi.Needs(permission.CompaniesCreate), Status: http.StatusCreated, Tagged: true,
		Denied: &httpapi.DeniedAudit{Action: audit.CompanyCreated, TargetType: "node"}, Errors: []fault.Kind{fault.Conflict, fault.NotFound}},
		func(ctx context.Context, c call.Call, in *createInput) (company.Company, error) {
			b := in.Body
			under, ok := id.Parse[id.Node](b.NodeID)
			if !ok {
				return company.Company{}, fault.Missing("node")
			}
			return r.service.Create(ctx, c, tenancy.New{Node: under, Name: b.Name, PackageID: b.PackageID, Owner: company.Owner(b.AccountOwner),
				ExternalID: b.ExternalID, Tags: b.Tags})
		}, one)
}
