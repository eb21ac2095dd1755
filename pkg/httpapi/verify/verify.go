// Package verify serves the one route of gateways that are not API Gateway:
//
//	POST /verify
package verify

import (
	"context"
	"net/http"

	"github.com/rekey-dev/rekey/pkg/authorizer"
	"github.com/rekey-dev/rekey/pkg/call"
	"github.com/rekey-dev/rekey/pkg/httpapi"
	"github.com/rekey-dev/rekey/pkg/permission"
	"github.com/rekey-dev/rekey/pkg/token"
	"github.com/rekey-dev/rekey/pkg/verification"
)

// Service answers gateways.
type Service interface {
	Verify(ctx context.Context, c call.Call, in verification.Request) (verification.Answer, error)
}

type input struct {
	Body struct {
		Secret    httpapi.Secret `json:"secret" maxLength:"1024" doc:"What the gateway was sent"`
		Require   *string        `json:"require,omitempty" maxLength:"1000" example:"recordings:read AND (recordings:export OR keys:read)" doc:"Permissions and protected scopes joined by AND and OR, with parentheses; AND binds tighter. At most 50 of them, parentheses at most 10 deep. Left out: any key that is accepted"`
		SourceIP  string         `json:"source_ip,omitempty" maxLength:"45" doc:"The address that the gateway was called from. Send it: wrong secrets then count as that source's, and a lock keeps to it. Without it they count against the account alone, and all that come through the gateway are one source"`
		UserAgent string         `json:"user_agent,omitempty" format:"password" maxLength:"2000" doc:"Of the gateway's caller; 200 bytes are kept"`
		Route     string         `json:"route,omitempty" maxLength:"200" example:"GET /orders/{id}" doc:"What was asked for, as a template, for GET /keys/{id}/usage"`
	}
}

// principal is whose key it is.
type principal struct {
	ID   string `json:"id"`
	Type string `json:"type" enum:"service_account,employee"`
	Name string `json:"name"`
}

// answer is what a gateway is told. Of a secret that was never right, or that is not of the caller's place, key_id and principal are
// null.
type answer struct {
	Valid      bool                        `json:"valid" doc:"Whether the request may pass: code is ok"`
	Code       string                      `json:"code" enum:"ok,unauthorized,missing_scope,missing_permission" doc:"unauthorized is a 401, missing_scope and missing_permission are 403: a key with further scopes would help, or no key of the account would"`
	Status     string                      `json:"status" enum:"active,expiring,inactive,expired,revoked,retired,account_revoked,company_suspended,locked,malformed,unknown" doc:"As POST /key-status tells it"`
	KeyID      *string                     `json:"key_id"`
	Principal  httpapi.Nullable[principal] `json:"principal"`
	Scopes     []string                    `json:"scopes" nullable:"false" doc:"What the key can be used for now: its own scopes as far as its role has them"`
	Missing    []string                    `json:"missing" nullable:"false" doc:"With which require would hold; of the sides of an OR the one that lacks fewest"`
	ExpiresAt  *string                     `json:"expires_at" format:"date-time"`
	Superseded bool                        `json:"superseded" doc:"Another key takes over from this one"`
}

// Register adds the operation.
func Register(a *httpapi.API, s Service) {
	httpapi.Register(a, httpapi.Operation{ID: "verify", Method: http.MethodPost, Path: "/verify", Tag: "keys", Fresh: true,
		Summary: "Ask whether a secret that a gateway was sent may be used",
		Description: "For gateways that are not API Gateway. The answer is always 200 with valid true or false; do not keep it, and refuse the request when no answer comes. " +
			"A key that is not at the caller's place or below is unknown. It is a use of the key as any other, and a wrong secret counts as any other.",
		Access: httpapi.Needs(permission.KeysVerify)},
		func(ctx context.Context, c call.Call, in *input) (verification.Answer, error) {
			b := &in.Body
			return s.Verify(ctx, c, verification.Request{Secret: b.Secret.Secret, Require: b.Require, SourceIP: b.SourceIP,
				UserAgent: authorizer.UserAgent(b.UserAgent), Route: token.Redact(b.Route)})
		}, show)
}

func show(a verification.Answer) httpapi.Answer[answer] {
	out := answer{Valid: a.Valid(), Code: string(a.Code), Status: string(a.Status), KeyID: httpapi.Text(a.KeyID), Scopes: texts(a.Scopes),
		Missing: texts(a.Missing), ExpiresAt: httpapi.Time(a.ExpiresAt), Superseded: a.Superseded}
	if a.Principal != "" {
		out.Principal = httpapi.NullableOf(&principal{ID: a.Principal, Type: string(a.Type), Name: a.Name})
	}
	return httpapi.Answer[answer]{Body: out}
}

func texts(ps []permission.Permission) []string {
	out := make([]string, len(ps))
	for i, p := range ps {
		out[i] = string(p)
	}
	return out
}
