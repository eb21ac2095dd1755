package serviceaccounts

import (
	"context"
	"net/http"

	"github.com/rekey-dev/rekey/pkg/apikey"
	"github.com/rekey-dev/rekey/pkg/audit"
	"github.com/rekey-dev/rekey/pkg/call"
	"github.com/rekey-dev/rekey/pkg/fault"
	"github.com/rekey-dev/rekey/pkg/httpapi"
	"github.com/rekey-dev/rekey/pkg/httpapi/keys"
	"github.com/rekey-dev/rekey/pkg/id"
	"github.com/rekey-dev/rekey/pkg/permission"
	"github.com/rekey-dev/rekey/pkg/precondition"
	"github.com/rekey-dev/rekey/pkg/serviceaccount"
)

type accountInput struct {
	ID string `path:"id" maxLength:"100"`
}

type patchInput struct {
	ID   string `path:"id" maxLength:"100"`
	Body struct {
		Name        *string                      `json:"name,omitempty" minLength:"1" maxLength:"100"`
		Description httpapi.Field[string]        `json:"description,omitempty" nullable:"true" maxLength:"500" doc:"null empties it"`
		RoleID      *string                      `json:"role_id,omitempty" minLength:"1" maxLength:"100"`
		Contacts    httpapi.Field[httpapi.Texts] `json:"contacts,omitempty" nullable:"true" maxItems:"10" maxLength:"254" doc:"null empties it"`
		ExternalID  httpapi.Field[string]        `json:"external_id,omitempty" nullable:"true" maxLength:"100" doc:"null empties it"`
		Tags        httpapi.Field[httpapi.Texts] `json:"tags,omitempty" nullable:"true" maxItems:"10" maxLength:"40" doc:"null empties it"`
	}
}

type revokeInput struct {
	ID   string `path:"id" maxLength:"100"`
	Body *struct {
		Reason string `json:"reason,omitempty" maxLength:"500"`
	}
}

type rotateInput struct {
	ID   string `path:"id" maxLength:"100"`
	Body *struct {
		All       bool                  `json:"all,omitempty" doc:"With several live keys: stop them all and show one new key with the union of their scopes"`
		Reason    string                `json:"reason,omitempty" maxLength:"500"`
		ExpiresAt httpapi.Field[string] `json:"expires_at,omitempty" nullable:"true" format:"date-time" doc:"In the future; null: never; left out: as before, of several the earliest"`
		DeliverTo *keys.DeliverTo       `json:"deliver_to,omitempty" doc:"Then no secret is in the answer: it goes where this says, and the secrets before stop just before its consumer gets it"`
	}
}

type unlockInput struct {
	ID   string    `path:"id" maxLength:"100"`
	Body *struct{} `doc:"Empty"`
}

// rotated is the answer to rotating an account's keys.
type rotated struct {
	Key      keys.Key       `json:"key"`
	Delivery *keys.Delivery `json:"delivery,omitempty" doc:"With deliver_to: where the secret goes. The rotation whose ID is rotation_id of the key tells how it goes on"`
	httpapi.OneTime
}

func accountID(text string) (id.ServiceAccount, error) {
	if a, ok := id.Parse[id.ServiceAccount](text); ok {
		return a, nil
	}
	return "", fault.Missing("service account")
}

func (r resource) registerSingle() {
	httpapi.Register(r.api, httpapi.Operation{ID: "getServiceAccount", Method: http.MethodGet, Path: "/service-accounts/{id}", Tag: noun,
		Summary: "Get a service account", Access: httpapi.Needs(permission.ServiceAccountsRead), Tagged: true},
		func(ctx context.Context, c call.Call, in *accountInput) (serviceaccount.View, error) {
			a, err := accountID(in.ID)
			if err != nil {
				return serviceaccount.View{}, err
			}
			return r.service.Get(ctx, c, a)
		}, r.one)

	httpapi.Register(r.api, httpapi.Operation{ID: "patchServiceAccount", Method: http.MethodPatch, Path: "/service-accounts/{id}", Tag: noun,
		Summary: "Change a service account", Access: httpapi.Needs(permission.ServiceAccountsUpdate), Denied: denied(audit.ServiceAccountUpdated),
		Tagged: true, Match: true, MergePatch: true, Errors: []fault.Kind{fault.Conflict, fault.Ended, fault.NotGrantable}},
		func(ctx context.Context, c call.Call, in *patchInput) (serviceaccount.View, error) {
			a, err := accountID(in.ID)
			if err != nil {
				return serviceaccount.View{}, err
			}
			b := in.Body
			return r.service.Patch(ctx, c, a, serviceaccount.Patch{Name: b.Name, Description: b.Description.Pointer(),
				RoleID: (*id.Role)(b.RoleID), Contacts: (*[]string)(b.Contacts.Pointer()), ExternalID: b.ExternalID.Pointer(), Tags: (*[]string)(b.Tags.Pointer())})
		}, r.one)

	httpapi.Register(r.api, httpapi.Operation{ID: "deleteServiceAccount", Method: http.MethodDelete, Path: "/service-accounts/{id}", Tag: noun,
		Summary: "Delete a service account", Description: "Refused while it has live keys. Its name can be used again; its audit records stay.",
		Access: httpapi.Needs(permission.ServiceAccountsDelete), Denied: denied(audit.ServiceAccountDeleted), Status: http.StatusNoContent,
		Match: true, Errors: []fault.Kind{fault.InUse}},
		func(ctx context.Context, c call.Call, in *accountInput) (httpapi.None, error) {
			a, err := accountID(in.ID)
			if err != nil {
				return httpapi.None{}, err
			}
			return httpapi.None{}, r.service.Delete(ctx, c, a)
		},
		func(httpapi.None) httpapi.Answer[httpapi.None] { return httpapi.Answer[httpapi.None]{} })
}

func (r resource) registerActions() {
	httpapi.Register(r.api, httpapi.Operation{ID: "revokeServiceAccount", Method: http.MethodPost, Path: "/service-accounts/{id}/revoke", Tag: noun,
		Summary: "Revoke a service account", Description: "The account and every key of it stop at once; the record stays. Final.",
		Access: httpapi.Needs(permission.ServiceAccountsDelete), Denied: denied(audit.ServiceAccountRevoked), Tagged: true, Match: true},
		func(ctx context.Context, c call.Call, in *revokeInput) (serviceaccount.View, error) {
			a, err := accountID(in.ID)
			if err != nil {
				return serviceaccount.View{}, err
			}
			reason := ""
			if in.Body != nil {
				reason = in.Body.Reason
			}
			return r.service.Revoke(ctx, c, a, reason)
		}, r.one)

	httpapi.Register(r.api, httpapi.Operation{ID: "rotateServiceAccount", Method: http.MethodPost, Path: "/service-accounts/{id}/rotate", Tag: noun,
		Summary: "Rotate a service account's secret",
		Description: "The existing key is invalid when the call returns, and the new secret is shown once. The one live key keeps its ID; several live keys are replaced by one only with all: true. " +
			"With deliver_to the secret is put straight into its consumer's secret, and whoever calls need not hold the scopes.",
		Access: httpapi.Needs(permission.ServiceAccountsRotate), Denied: denied(audit.ServiceAccountRotated), Status: http.StatusCreated, Tagged: true, Match: true,
		Errors: []fault.Kind{fault.Conflict, fault.Ended, fault.NotGrantable, fault.CompanySuspended}},
		func(ctx context.Context, c call.Call, in *rotateInput) (apikey.Shown, error) {
			a, err := accountID(in.ID)
			if err != nil {
				return apikey.Shown{}, err
			}
			var rotate apikey.Rotate
			if in.Body != nil {
				rotate = apikey.Rotate{All: in.Body.All, Reason: in.Body.Reason, ExpiresAt: keys.Expiry(in.Body.ExpiresAt)}
			}
			if in.Body == nil || in.Body.DeliverTo == nil {
				return r.rotator.Rotate(ctx, c, a, rotate)
			}
			to, err := in.Body.DeliverTo.Target()
			if err != nil {
				return apikey.Shown{}, err
			}
			return r.deliverer.RotateAccountTo(ctx, c, a, rotate, to)
		},
		func(s apikey.Shown) httpapi.Answer[rotated] {
			return httpapi.Answer[rotated]{Body: rotated{Key: keys.Of(s.View, r.now()), Delivery: keys.DeliveryOf(s.Delivery)}, Secret: s.Secret,
				ETag: precondition.Tag(string(s.View.Key.ID), s.View.Key.Version)}
		})

	httpapi.Register(r.api, httpapi.Operation{ID: "unlockServiceAccount", Method: http.MethodPost, Path: "/service-accounts/{id}/unlock", Tag: noun,
		Summary: "Unlock a service account", Description: "Failures of before count for nothing any more.",
		Access: httpapi.Needs(permission.KeysUnlock), Denied: denied(audit.Unlocked), Tagged: true, Match: true, Errors: []fault.Kind{fault.Ended}},
		func(ctx context.Context, c call.Call, in *unlockInput) (serviceaccount.View, error) {
			a, err := accountID(in.ID)
			if err != nil {
				return serviceaccount.View{}, err
			}
			return r.service.Unlock(ctx, c, a)
		}, r.one)
}
