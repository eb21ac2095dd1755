// Package billing serves what companies are billed by:
//
//	GET /packages
//	GET /usage
package billing

import (
	"context"
	"net/http"

	"github.com/rekey-dev/rekey/pkg/billing"
	"github.com/rekey-dev/rekey/pkg/call"
	"github.com/rekey-dev/rekey/pkg/httpapi"
	"github.com/rekey-dev/rekey/pkg/id"
	"github.com/rekey-dev/rekey/pkg/permission"
	"github.com/rekey-dev/rekey/pkg/tenancy"
)

// Package is a package as the API shows it.
type Package struct {
	ID     string `json:"id" example:"starter"`
	Name   string `json:"name"`
	Limits Limits `json:"limits"`
}

// Limits are what a company with a package may have.
type Limits struct {
	Keys *int `json:"keys" minimum:"1" doc:"Keys that are not revoked; null for as many as it likes. Service accounts are never limited"`
}

// Service says what companies used.
type Service interface {
	Usage(ctx context.Context, c call.Call, co id.Company, m tenancy.Month, after string, limit int) (tenancy.Summary, error)
}

type resource struct {
	api     *httpapi.API
	service Service
}

// Register adds the operations.
func Register(a *httpapi.API, s Service, packages billing.Catalogue) {
	resource{a, s}.registerUsage()
	httpapi.Register(a, httpapi.Operation{ID: "listPackages", Method: http.MethodGet, Path: "/packages", Tag: "billing",
		Summary: "List the packages that a company can have", Description: "They are a file of the deployment, in its order, and always one page.",
		Access: httpapi.Needs(permission.BillingRead)},
		func(_ context.Context, c call.Call, _ *struct{}) ([]billing.Package, error) {
			return packages.Packages, c.Caller.Holds(permission.BillingRead)
		},
		func(all []billing.Package) httpapi.Answer[httpapi.List[Package]] {
			items := make([]Package, 0, len(all))
			for _, p := range all {
				items = append(items, Package{ID: p.ID, Name: p.Name, Limits: Limits(p.Limits)})
			}
			return httpapi.Answer[httpapi.List[Package]]{Body: httpapi.NewList(items, "")}
		})
}
