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
	"github.com/rekey-dev/rekey/pkg/permission"
	"github.com/rekey-dev/rekey/pkg/tenancy"
)

type companyInput struct {
	ID string `path:"id" maxLength:"100"`
}

type patchInput struct {
	ID   string `path:"id" maxLength:"100"`
	Body struct {
		Name         *string `json:"name,omitempty" minLength:"1" maxLength:"100"`
		PackageID    *string `json:"package_id,omitempty" minLength:"1" maxLength:"40" doc:"One of GET /packages. One that allows fewer keys than there are stops none of them"`
		AccountOwner *struct {
			FirstName *string `json:"first_name,omitempty" minLength:"1" maxLength:"100"`
			LastName  *string `json:"last_name,omitempty" minLength:"1" maxLength:"100"`
			Email     *string `json:"email,omitempty" minLength:"1" maxLength:"254"`
		} `json:"account_owner,omitempty"`
		ExternalID httpapi.Field[string]        `json:"external_id,omitempty" nullable:"true" maxLength:"100" doc:"null empties it"`
		Tags       httpapi.Field[httpapi.Texts] `json:"tags,omitempty" nullable:"true" maxItems:"10" maxLength:"40" doc:"null empties it"`
	}
}

type reasonInput struct {
	ID   string `path:"id" maxLength:"100"`
	Body *struct {
		Reason string `json:"reason,omitempty" maxLength:"500" doc:"For the audit log"`
	}
}

func (r resource) registerSingle() {
	httpapi.Register(r.api, httpapi.Operation{ID: "getCompany", Method: http.MethodGet, Path: "/companies/{id}", Tag: noun,
		Summary: "Get a company", Access: httpapi.Needs(permission.CompaniesRead), Tagged: true},
		func(ctx context.Context, c call.Call, in *companyInput) (company.Company, error) {
			co, err := companyID(in.ID)
			if err != nil {
				return company.Company{}, err
			}
			return r.service.Get(ctx, c, co)
		}, one)

	httpapi.Register(r.api, httpapi.Operation{ID: "patchCompany", Method: http.MethodPatch, Path: "/companies/{id}", Tag: noun,
		Summary: "Change a company", Access: httpapi.Needs(permission.CompaniesUpdate), Denied: denied(audit.CompanyUpdated), Tagged: true, Match: true,
		MergePatch: true, Errors: []fault.Kind{fault.Conflict}},
		func(ctx context.Context, c call.Call, in *patchInput) (company.Company, error) {
			co, err := companyID(in.ID)
			if err != nil {
				return company.Company{}, err
			}
			b := in.Body
			p := tenancy.Patch{Name: b.Name, PackageID: b.PackageID, ExternalID: b.ExternalID.Pointer(), Tags: (*[]string)(b.Tags.Pointer())}
			if o := b.AccountOwner; o != nil {
				p.FirstName, p.LastName, p.Email = o.FirstName, o.LastName, o.Email
			}
			return r.service.Patch(ctx, c, co, p)
		}, one)

	httpapi.Register(r.api, httpapi.Operation{ID: "deleteCompany", Method: http.MethodDelete, Path: "/companies/{id}", Tag: noun,
		Summary: "Delete a company",
		Description: "Refused while it has active service accounts, or calendars or rotation policies of its own; blocked_by says what is left. " +
			"Revoked accounts do not stand in the way. Its name can be used again; its audit records stay.",
		Access: httpapi.Needs(permission.CompaniesDelete), Denied: denied(audit.CompanyDeleted), Status: http.StatusNoContent, Match: true,
		Errors: []fault.Kind{fault.InUse}},
		func(ctx context.Context, c call.Call, in *companyInput) (httpapi.None, error) {
			co, err := companyID(in.ID)
			if err != nil {
				return httpapi.None{}, err
			}
			return httpapi.None{}, r.service.Delete(ctx, c, co)
		},
		func(httpapi.None) httpapi.Answer[httpapi.None] { return httpapi.Answer[httpapi.None]{} })
}

func (r resource) registerActions() {
	httpapi.Register(r.api, httpapi.Operation{ID: "suspendCompany", Method: http.MethodPost, Path: "/companies/{id}/suspend", Tag: noun,
		Summary:     "Suspend a company",
		Description: "Every key of the company gets 401 on its next request, until the company is resumed; no account and no key is made in it. Again: unchanged.",
		Access:      httpapi.Needs(permission.CompaniesSuspend), Denied: denied(audit.CompanySuspended), Tagged: true, Match: true},
		r.act(Service.Suspend), one)

	httpapi.Register(r.api, httpapi.Operation{ID: "resumeCompany", Method: http.MethodPost, Path: "/companies/{id}/resume", Tag: noun,
		Summary: "Resume a company", Description: "Keys that have not ended meanwhile work again. Again: unchanged.",
		Access: httpapi.Needs(permission.CompaniesSuspend), Denied: denied(audit.CompanyResumed), Tagged: true, Match: true},
		r.act(Service.Resume), one)
}

// act carries out what takes no more than a reason.
func (r resource) act(do func(Service, context.Context, call.Call, id.Company, string) (company.Company, error)) func(context.Context, call.Call, *reasonInput) (company.Company, error) {
	return func(ctx context.Context, c call.Call, in *reasonInput) (company.Company, error) {
		co, err := companyID(in.ID)
		if err != nil {
			return company.Company{}, err
		}
		reason := ""
		if in.Body != nil {
			reason = in.Body.Reason
		}
		return do(r.service, ctx, c, co, reason)
	}
}
