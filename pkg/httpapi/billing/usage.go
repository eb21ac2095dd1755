package billing

import (
	"context"
	"net/http"

	"github.com/rekey-dev/rekey/pkg/call"
	"github.com/rekey-dev/rekey/pkg/fault"
	"github.com/rekey-dev/rekey/pkg/httpapi"
	"github.com/rekey-dev/rekey/pkg/id"
	"github.com/rekey-dev/rekey/pkg/permission"
	"github.com/rekey-dev/rekey/pkg/tenancy"
)

// Usage is what companies used in a month.
type Usage struct {
	Seats httpapi.Nullable[Seats] `json:"seats" doc:"null for who stands in a company"`
	httpapi.List[Used]
}

// Seats are the employees of the provider.
type Seats struct {
	Used  int  `json:"used"`
	Limit *int `json:"limit" doc:"null for as many as it likes"`
}

// Used is what one company used.
type Used struct {
	CompanyID       string          `json:"company_id"`
	PackageID       string          `json:"package_id"`
	ServiceAccounts ServiceAccounts `json:"service_accounts"`
	Keys            int             `json:"keys" doc:"Now, those that are not revoked"`
	Requests        Requests        `json:"requests"`
}

// ServiceAccounts are those of a company.
type ServiceAccounts struct {
	Count              int  `json:"count" doc:"Now, revoked ones included"`
	CountsTowardsSeats bool `json:"counts_towards_seats" enum:"false" doc:"Never"`
}

// Requests are those that came with a company's keys.
type Requests struct {
	Verified int64  `json:"verified" doc:"Passed; at least so many"`
	Refused  int64  `json:"refused" doc:"Had a secret that is or was right, and were refused; at least so many"`
	ExactTo  string `json:"exact_to" format:"date-time" doc:"Hours that ended before are counted as far as they will ever be: the end of the month, or of the last whole hour"`
}

type usageInput struct {
	httpapi.Paging
	CompanyID string `query:"company_id" maxLength:"100" doc:"Only this company"`
	Month     string `query:"month" maxLength:"7" doc:"YYYY-MM, in UTC; left out: the current one. Usage is kept for 400 days" example:"2026-11"`
}

func (r resource) registerUsage() {
	httpapi.Register(r.api, httpapi.Operation{ID: "getUsage", Method: http.MethodGet, Path: "/usage", Tag: "billing",
		Summary:     "What companies used in a month, by name",
		Description: "Of the caller's place and below. Counts of requests are lower bounds. A page adds up about 500 keys and may come back short.",
		Access:      httpapi.Needs(permission.BillingRead), Errors: []fault.Kind{fault.NotFound}},
		func(ctx context.Context, c call.Call, in *usageInput) (tenancy.Summary, error) {
			co, ok := id.Parse[id.Company](in.CompanyID)
			if in.CompanyID != "" && !ok {
				return tenancy.Summary{}, fault.Missing("company")
			}
			month, ok := tenancy.ParseMonth(in.Month)
			if in.Month != "" && !ok {
				return tenancy.Summary{}, fault.InvalidField("/month", "is no month; it is YYYY-MM")
			}
			after, err := r.api.After(ctx, in.Cursor)
			if err != nil {
				return tenancy.Summary{}, err
			}
			found, err := r.service.Usage(ctx, c, co, month, after, in.Limit)
			if err != nil {
				return tenancy.Summary{}, err
			}
			found.Next, err = r.api.Next(ctx, found.Next)
			return found, err
		},
		func(s tenancy.Summary) httpapi.Answer[Usage] {
			items := make([]Used, 0, len(s.Items))
			for _, u := range s.Items {
				items = append(items, Used{CompanyID: string(u.Company.ID), PackageID: u.Company.PackageID, ServiceAccounts: ServiceAccounts{Count: u.ServiceAccounts},
					Keys: u.Keys, Requests: Requests{Verified: u.Verified, Refused: u.Refused, ExactTo: httpapi.TimeText(u.Until)}})
			}
			return httpapi.Answer[Usage]{Body: Usage{Seats: httpapi.NullableOf((*Seats)(s.Seats)), List: httpapi.NewList(items, s.Next)}}
		})
}
