// Package keys serves the keys of service accounts:
//
//	GET, POST  /service-accounts/{id}/keys
//	GET        /keys
//	GET, PATCH /keys/{id}
//	POST       /keys/{id}/revoke, /deactivate, /activate, /regenerate
//	GET        /keys/{id}/usage
package keys

import (
	"context"
	"net/http"
	"time"

	"github.com/rekey-dev/rekey/pkg/apikey"
	"github.com/rekey-dev/rekey/pkg/audit"
	"github.com/rekey-dev/rekey/pkg/call"
	"github.com/rekey-dev/rekey/pkg/fault"
	"github.com/rekey-dev/rekey/pkg/httpapi"
	"github.com/rekey-dev/rekey/pkg/id"
	"github.com/rekey-dev/rekey/pkg/listing"
	"github.com/rekey-dev/rekey/pkg/permission"
	"github.com/rekey-dev/rekey/pkg/usage"
)

// Service is what can be done with keys.
type Service interface {
	Issue(ctx context.Context, c call.Call, account id.ServiceAccount, in apikey.Issue) (apikey.Shown, error)
	OfAccount(ctx context.Context, c call.Call, account id.ServiceAccount, after string, limit int) (apikey.Page, error)
	List(ctx context.Context, c call.Call, w listing.Where, f apikey.Filter, after string, limit int) (apikey.Page, error)
	OfAccountByName(ctx context.Context, c call.Call, account id.ServiceAccount, f apikey.Filter, after string, limit int) (apikey.Page, error)
	Get(ctx context.Context, c call.Call, k id.Key) (apikey.View, error)
	Usage(ctx context.Context, c call.Call, k id.Key, q usage.Query) (apikey.UsagePage, error)
	Patch(ctx context.Context, c call.Call, k id.Key, in apikey.Patch) (apikey.View, error)
	Revoke(ctx context.Context, c call.Call, k id.Key, reason, note string) (apikey.View, error)
	Deactivate(ctx context.Context, c call.Call, k id.Key) (apikey.View, error)
	Activate(ctx context.Context, c call.Call, k id.Key) (apikey.View, error)
	Regenerate(ctx context.Context, c call.Call, k id.Key, end apikey.Expiry, force bool) (apikey.Shown, error)
}

// Register adds the operations.
func Register(a *httpapi.API, s Service, d Deliverer, now func() time.Time) {
	r := resource{api: a, service: s, deliverer: d, now: now}
	r.registerIssue()
	r.registerLists()
	r.registerActions()
	r.registerUsage()
}

type resource struct {
	api       *httpapi.API
	service   Service
	deliverer Deliverer
	now       func() time.Time
}

const noun = "keys"

func denied(change, target string) *httpapi.DeniedAudit {
	return &httpapi.DeniedAudit{Action: audit.UserUpdated, Change: change, TargetType: target, TargetParam: "id"}
}

// issued is the answer to issuing a key.
type issued struct {
	Key      Key       `json:"key"`
	Warnings []Warning `json:"warnings" nullable:"false" doc:"Recent requests on the account's other keys that this one would not be allowed"`
	Delivery *Delivery `json:"delivery,omitempty" doc:"With deliver_to: where the secret goes. The rotation whose ID is rotation_id of the key tells how it goes on"`
	httpapi.OneTime
}

// replaced is the answer to regenerating a key.
type replaced struct {
	Key      Key       `json:"key"`
	Delivery *Delivery `json:"delivery,omitempty" doc:"With deliver_to: where the secret goes. The rotation whose ID is rotation_id of the key tells how it goes on"`
	httpapi.OneTime
}

type issueInput struct {
	ID   string `path:"id" maxLength:"100"`
	Body struct {
		Name      string                `json:"name" minLength:"1" maxLength:"100" doc:"Need not be unique"`
		Scopes    *httpapi.Texts        `json:"scopes,omitempty" maxItems:"80" maxLength:"81" doc:"Permissions of the account's role, and scopes of protected APIs at its place or above which the role holds by name or by kind; left out: all that the role names now, which of protected APIs is nothing in a built-in role; empty: none"`
		ExpiresAt httpapi.Field[string] `json:"expires_at,omitempty" nullable:"true" format:"date-time" doc:"In the future; null or left out: never"`
		Type      string                `json:"type,omitempty" enum:"secret" default:"secret"`
		DeliverTo *DeliverTo            `json:"deliver_to,omitempty" doc:"Then no secret is in the answer: it goes where this says"`
	}
}

func (r resource) registerIssue() {
	httpapi.Register(r.api, httpapi.Operation{ID: "issueKey", Method: http.MethodPost, Path: "/service-accounts/{id}/keys", Tag: noun,
		Summary: "Issue a key", Description: "The secret is shown once or, with deliver_to, put straight into its consumer's secret. The caller must hold every scope of the key.",
		Access: httpapi.Needs(permission.KeysIssue), Denied: denied(audit.KeyIssued, "service_account"), Status: http.StatusCreated, Tagged: true,
		Errors: []fault.Kind{fault.NotGrantable, fault.Ended, fault.CompanySuspended, fault.Conflict, fault.LimitReached}},
		func(ctx context.Context, c call.Call, in *issueInput) (apikey.Shown, error) {
			account, ok := id.Parse[id.ServiceAccount](in.ID)
			if !ok {
				return apikey.Shown{}, fault.Missing("service account")
			}
			issue := apikey.Issue{Name: in.Body.Name, Scopes: (*[]string)(in.Body.Scopes), ExpiresAt: Expiry(in.Body.ExpiresAt)}
			if in.Body.DeliverTo == nil {
				return r.service.Issue(ctx, c, account, issue)
			}
			to, err := in.Body.DeliverTo.Target()
			if err != nil {
				return apikey.Shown{}, err
			}
			return r.deliverer.IssueTo(ctx, c, account, issue, to)
		},
		func(s apikey.Shown) httpapi.Answer[issued] {
			return httpapi.Answer[issued]{Body: issued{Key: Of(s.View, r.now()), Warnings: warningsOf(s.View), Delivery: DeliveryOf(s.Delivery)}, ETag: tag(s.View.Key), Secret: s.Secret}
		})
}

// Expiry reads a time that was checked against the document; it is cut to the second, which is what the API shows.
func Expiry(f httpapi.Field[string]) apikey.Expiry {
	if !f.Given || f.Null {
		return apikey.Expiry{Given: f.Given}
	}
	at, err := time.Parse(time.RFC3339, f.Value)
	if err != nil {
		return apikey.Expiry{Given: true, At: time.Unix(0, 0)} // in the past: refused
	}
	return apikey.Expiry{Given: true, At: at.UTC().Truncate(time.Second)}
}
