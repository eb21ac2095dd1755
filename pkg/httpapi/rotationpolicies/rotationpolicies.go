// Package rotationpolicies serves rotation policies:
//
//	GET, POST          /rotation-policies
//	GET, PATCH, DELETE /rotation-policies/{id}
//	GET                /rotation-policies/{id}/preview
//	GET                /service-accounts/{id}/effective-policy
package rotationpolicies

import (
	"context"
	"net/http"
	"time"

	"github.com/rekey-dev/rekey/pkg/calendar"
	"github.com/rekey-dev/rekey/pkg/call"
	"github.com/rekey-dev/rekey/pkg/fault"
	"github.com/rekey-dev/rekey/pkg/httpapi"
	"github.com/rekey-dev/rekey/pkg/id"
	"github.com/rekey-dev/rekey/pkg/listing"
	"github.com/rekey-dev/rekey/pkg/permission"
	"github.com/rekey-dev/rekey/pkg/policy"
)

// Service is what can be done with policies.
type Service interface {
	Create(ctx context.Context, c call.Call, to policy.Attachment, text policy.Text) (policy.Policy, error)
	List(ctx context.Context, c call.Call, w listing.Where, after string, limit int) (policy.Page, error)
	OfAccount(ctx context.Context, c call.Call, account id.ServiceAccount) (policy.Page, error)
	Get(ctx context.Context, c call.Call, p id.Policy) (policy.Policy, error)
	Patch(ctx context.Context, c call.Call, p id.Policy, edit func(policy.Text) policy.Text) (policy.Policy, error)
	Delete(ctx context.Context, c call.Call, p id.Policy) error
	Preview(ctx context.Context, c call.Call, p id.Policy, w policy.Window) ([]calendar.Occurrence, error)
	Effective(ctx context.Context, c call.Call, account id.ServiceAccount) (policy.Effective, error)
}

// Register adds the operations.
func Register(a *httpapi.API, s Service, now func() time.Time) {
	r := resource{api: a, service: s, now: now}
	r.registerCollection()
	r.registerSingle()
	r.registerPreview()
	r.registerEffective()
}

type resource struct {
	api     *httpapi.API
	service Service
	now     func() time.Time
}

const noun = "rotation policies"

type listInput struct {
	httpapi.Paging
	httpapi.PlaceFilter
	ServiceAccountID string `query:"service_account_id" maxLength:"100" doc:"Only the service account's own policy"`
}

type createInput struct {
	Body struct {
		AttachedTo Attachment `json:"attached_to" doc:"Each node, company and service account has at most one policy"`
		Fields
	}
}

type policyInput struct {
	ID string `path:"id" maxLength:"100"`
}

type patchInput struct {
	ID   string `path:"id" maxLength:"100"`
	Body struct{ Fields }
}

// page is a page of policies together with its sealed cursor.
type page struct {
	policies []policy.Policy
	next     string
}

func policyID(text string) (id.Policy, error) {
	if p, ok := id.Parse[id.Policy](text); ok {
		return p, nil
	}
	return "", fault.Missing("rotation policy")
}

func one(p policy.Policy) httpapi.Answer[Policy] {
	return httpapi.Answer[Policy]{Body: Of(p), ETag: tag(p)}
}

func (r resource) registerCollection() {
	httpapi.Register(r.api, httpapi.Operation{ID: "listRotationPolicies", Method: http.MethodGet, Path: "/rotation-policies", Tag: noun,
		Summary: "List rotation policies", Description: "By the ID of what they are attached to. At most one of node_id, company_id and service_account_id.",
		Access: httpapi.Needs(permission.PoliciesRead), Errors: []fault.Kind{fault.NotFound}},
		func(ctx context.Context, c call.Call, in *listInput) (page, error) {
			where, err := in.PlaceFilter.Where(in.ServiceAccountID)
			if err != nil {
				return page{}, err
			}
			after, err := r.api.After(ctx, in.Cursor)
			if err != nil {
				return page{}, err
			}
			var p policy.Page
			if in.ServiceAccountID == "" {
				p, err = r.service.List(ctx, c, where, after, in.Limit)
			} else if account, ok := id.Parse[id.ServiceAccount](in.ServiceAccountID); ok {
				p, err = r.service.OfAccount(ctx, c, account)
			} else {
				err = fault.Missing("service account")
			}
			if err != nil {
				return page{}, err
			}
			next, err := r.api.Next(ctx, p.Next)
			return page{policies: p.Policies, next: next}, err
		},
		func(p page) httpapi.Answer[httpapi.List[Policy]] {
			items := make([]Policy, len(p.policies))
			for i, found := range p.policies {
				items[i] = Of(found)
			}
			return httpapi.Answer[httpapi.List[Policy]]{Body: httpapi.NewList(items, p.next)}
		})

	httpapi.Register(r.api, httpapi.Operation{ID: "createRotationPolicy", Method: http.MethodPost, Path: "/rotation-policies", Tag: noun,
		Summary:     "Attach a rotation policy to a node, a company or a service account",
		Description: "What is left out, or null, is inherited from the next policy above, at last from the defaults. The keys below are brought in line within minutes; none of them ends earlier than the longest notice from now.",
		Access:      httpapi.Needs(permission.PoliciesManage), Status: http.StatusCreated, Tagged: true,
		Errors: []fault.Kind{fault.NotFound, fault.Conflict, fault.Ended}},
		func(ctx context.Context, c call.Call, in *createInput) (policy.Policy, error) {
			to := policy.Attachment{Kind: policy.Kind(in.Body.AttachedTo.Type), ID: in.Body.AttachedTo.ID}
			return r.service.Create(ctx, c, to, in.Body.edit(policy.Text{}))
		}, one)
}

func (r resource) registerSingle() {
	httpapi.Register(r.api, httpapi.Operation{ID: "getRotationPolicy", Method: http.MethodGet, Path: "/rotation-policies/{id}", Tag: noun,
		Summary: "Get a rotation policy", Access: httpapi.Needs(permission.PoliciesRead), Tagged: true},
		func(ctx context.Context, c call.Call, in *policyInput) (policy.Policy, error) {
			p, err := policyID(in.ID)
			if err != nil {
				return policy.Policy{}, err
			}
			return r.service.Get(ctx, c, p)
		}, one)

	httpapi.Register(r.api, httpapi.Operation{ID: "patchRotationPolicy", Method: http.MethodPatch, Path: "/rotation-policies/{id}", Tag: noun,
		Summary: "Change a rotation policy", Description: "null clears a member: it is inherited again. The keys below are brought in line within minutes; none of them ends earlier than the longest notice from now.",
		Access: httpapi.Needs(permission.PoliciesManage), Tagged: true, Match: true, MergePatch: true, Errors: []fault.Kind{}},
		func(ctx context.Context, c call.Call, in *patchInput) (policy.Policy, error) {
			p, err := policyID(in.ID)
			if err != nil {
				return policy.Policy{}, err
			}
			return r.service.Patch(ctx, c, p, in.Body.edit)
		}, one)

	httpapi.Register(r.api, httpapi.Operation{ID: "deleteRotationPolicy", Method: http.MethodDelete, Path: "/rotation-policies/{id}", Tag: noun,
		Summary: "Delete a rotation policy", Description: "What it set is inherited from then on.",
		Access: httpapi.Needs(permission.PoliciesManage), Status: http.StatusNoContent, Match: true},
		func(ctx context.Context, c call.Call, in *policyInput) (httpapi.None, error) {
			p, err := policyID(in.ID)
			if err != nil {
				return httpapi.None{}, err
			}
			return httpapi.None{}, r.service.Delete(ctx, c, p)
		},
		func(httpapi.None) httpapi.Answer[httpapi.None] { return httpapi.Answer[httpapi.None]{} })
}

func (r resource) registerEffective() {
	httpapi.Register(r.api, httpapi.Operation{ID: "getEffectivePolicy", Method: http.MethodGet, Path: "/service-accounts/{id}/effective-policy", Tag: noun,
		Summary: "Get what holds for a service account", Description: "Each field with its value and where it comes from: the nearest policy that sets it, or the defaults.",
		Access: httpapi.Needs(permission.PoliciesRead)},
		func(ctx context.Context, c call.Call, in *policyInput) (policy.Effective, error) {
			account, ok := id.Parse[id.ServiceAccount](in.ID)
			if !ok {
				return policy.Effective{}, fault.Missing("service account")
			}
			return r.service.Effective(ctx, c, account)
		},
		func(e policy.Effective) httpapi.Answer[Effective] {
			return httpapi.Answer[Effective]{Body: EffectiveOf(e)}
		})
}
