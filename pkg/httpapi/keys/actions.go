package keys

import (
	"context"
	"net/http"

	"github.com/rekey-dev/rekey/pkg/apikey"
	"github.com/rekey-dev/rekey/pkg/audit"
	"github.com/rekey-dev/rekey/pkg/call"
	"github.com/rekey-dev/rekey/pkg/fault"
	"github.com/rekey-dev/rekey/pkg/httpapi"
	"github.com/rekey-dev/rekey/pkg/id"
	"github.com/rekey-dev/rekey/pkg/permission"
)

type keyInput struct {
	ID string `path:"id" maxLength:"100"`
}

type patchInput struct {
	ID   string `path:"id" maxLength:"100"`
	Body struct {
		Name      *string               `json:"name,omitempty" minLength:"1" maxLength:"100"`
		Scopes    *httpapi.Texts        `json:"scopes,omitempty" maxItems:"80" maxLength:"81" doc:"A subset of the key's: a key only gets fewer"`
		ExpiresAt httpapi.Field[string] `json:"expires_at,omitempty" nullable:"true" format:"date-time" doc:"In the future; null: never"`
	}
}

type revokeInput struct {
	ID   string `path:"id" maxLength:"100"`
	Body *struct {
		Reason string `json:"reason,omitempty" enum:"key_compromise,superseded,affiliation_changed,cessation,unspecified" default:"unspecified"`
		Note   string `json:"note,omitempty" maxLength:"500"`
	}
}

type actionInput struct {
	ID   string    `path:"id" maxLength:"100"`
	Body *struct{} `doc:"Empty"`
}

type regenerateInput struct {
	ID   string `path:"id" maxLength:"100"`
	Body *struct {
		ExpiresAt httpapi.Field[string] `json:"expires_at,omitempty" nullable:"true" format:"date-time" doc:"In the future; null: never; left out: as before"`
		Force     bool                  `json:"force,omitempty" doc:"Overrides an open rotation; with deliver_to that one ends first"`
		DeliverTo *DeliverTo            `json:"deliver_to,omitempty" doc:"Then no secret is in the answer: it goes where this says, and the secret before stops just before its consumer gets it"`
	}
}

// changed is a key after an action, which may have warnings.
type changed struct {
	Key
	Warnings []Warning `json:"warnings" nullable:"false" doc:"Recent requests of the key that it would not be allowed any more"`
}

func (r resource) one(v apikey.View) httpapi.Answer[Key] {
	return httpapi.Answer[Key]{Body: Of(v, r.now()), ETag: tag(v.Key)}
}

func (r resource) action(op httpapi.Operation, do func(ctx context.Context, c call.Call, k id.Key) (apikey.View, error)) {
	op.Method, op.Tag, op.Tagged, op.Match = http.MethodPost, noun, true, true
	op.Errors = []fault.Kind{fault.Ended}
	httpapi.Register(r.api, op, func(ctx context.Context, c call.Call, in *actionInput) (apikey.View, error) {
		k, err := keyID(in.ID)
		if err != nil {
			return apikey.View{}, err
		}
		return do(ctx, c, k)
	}, r.one)
}

func keyID(text string) (id.Key, error) {
	if k, ok := id.Parse[id.Key](text); ok {
		return k, nil
	}
	return "", fault.Missing("key")
}

func (r resource) registerActions() {
	httpapi.Register(r.api, httpapi.Operation{ID: "getKey", Method: http.MethodGet, Path: "/keys/{id}", Tag: noun, Summary: "Get a key",
		Access: httpapi.Needs(permission.KeysRead), Tagged: true},
		func(ctx context.Context, c call.Call, in *keyInput) (apikey.View, error) {
			k, err := keyID(in.ID)
			if err != nil {
				return apikey.View{}, err
			}
			return r.service.Get(ctx, c, k)
		}, r.one)

	httpapi.Register(r.api, httpapi.Operation{ID: "patchKey", Method: http.MethodPatch, Path: "/keys/{id}", Tag: noun,
		Summary: "Change a key's name, end and scopes", Access: httpapi.Needs(permission.KeysIssue),
		Denied: &httpapi.DeniedAudit{Action: audit.KeyUpdated, Change: audit.KeyUpdated, TargetType: "key", TargetParam: "id"},
		Tagged: true, Match: true, MergePatch: true, Errors: []fault.Kind{fault.Ended}},
		func(ctx context.Context, c call.Call, in *patchInput) (apikey.View, error) {
			k, err := keyID(in.ID)
			if err != nil {
				return apikey.View{}, err
			}
			return r.service.Patch(ctx, c, k, apikey.Patch{Name: in.Body.Name, Scopes: (*[]string)(in.Body.Scopes), ExpiresAt: Expiry(in.Body.ExpiresAt)})
		},
		func(v apikey.View) httpapi.Answer[changed] {
			return httpapi.Answer[changed]{Body: changed{Key: Of(v, r.now()), Warnings: warningsOf(v)}, ETag: tag(v.Key)}
		})

	httpapi.Register(r.api, httpapi.Operation{ID: "revokeKey", Method: http.MethodPost, Path: "/keys/{id}/revoke", Tag: noun,
		Summary: "Revoke a key", Description: "Final. No request that begins after the answer is accepted with it.",
		Access: httpapi.Needs(permission.KeysRevoke), Denied: denied(audit.KeyRevoked, "key"), Tagged: true, Match: true, Errors: []fault.Kind{fault.Ended}},
		func(ctx context.Context, c call.Call, in *revokeInput) (apikey.View, error) {
			k, err := keyID(in.ID)
			if err != nil {
				return apikey.View{}, err
			}
			if in.Body == nil {
				return r.service.Revoke(ctx, c, k, "", "")
			}
			return r.service.Revoke(ctx, c, k, in.Body.Reason, in.Body.Note)
		}, r.one)

	r.action(httpapi.Operation{ID: "deactivateKey", Path: "/keys/{id}/deactivate", Summary: "Switch a key off", Description: "It answers 401 until it is activated.",
		Access: httpapi.Needs(permission.KeysRevoke), Denied: denied(audit.KeyDeactivated, "key")}, r.service.Deactivate)
	r.action(httpapi.Operation{ID: "activateKey", Path: "/keys/{id}/activate", Summary: "Switch a key on again",
		Access: httpapi.Needs(permission.KeysIssue), Denied: denied(audit.KeyActivated, "key")}, r.service.Activate)

	httpapi.Register(r.api, httpapi.Operation{ID: "regenerateKey", Method: http.MethodPost, Path: "/keys/{id}/regenerate", Tag: noun,
		Summary: "Replace a key's secret",
		Description: "The ID stays, the secret before stops at once, the account is unlocked. The new secret is shown once, to a caller that holds every scope of the key. " +
			"With deliver_to it is put straight into its consumer's secret, and whoever calls need not hold the scopes.",
		Access: httpapi.Needs(permission.ServiceAccountsRotate), Denied: denied(audit.KeyRegenerated, "key"), Tagged: true, Match: true,
		Errors: []fault.Kind{fault.NotGrantable, fault.Conflict, fault.Ended, fault.RotationOpen, fault.CompanySuspended}},
		func(ctx context.Context, c call.Call, in *regenerateInput) (apikey.Shown, error) {
			k, err := keyID(in.ID)
			if err != nil {
				return apikey.Shown{}, err
			}
			if in.Body == nil {
				return r.service.Regenerate(ctx, c, k, apikey.Expiry{}, false)
			}
			if in.Body.DeliverTo == nil {
				return r.service.Regenerate(ctx, c, k, Expiry(in.Body.ExpiresAt), in.Body.Force)
			}
			to, err := in.Body.DeliverTo.Target()
			if err != nil {
				return apikey.Shown{}, err
			}
			return r.deliverer.RegenerateTo(ctx, c, k, Expiry(in.Body.ExpiresAt), in.Body.Force, to)
		},
		func(s apikey.Shown) httpapi.Answer[replaced] {
			return httpapi.Answer[replaced]{Body: replaced{Key: Of(s.View, r.now()), Delivery: DeliveryOf(s.Delivery)}, ETag: tag(s.View.Key), Secret: s.Secret}
		})
}
