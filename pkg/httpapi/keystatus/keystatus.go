// Package keystatus serves the two public routes of whoever holds a secret:
//
//	POST /key-status
//	POST /keys/self-revoke
package keystatus

import (
	"context"
	"net/http"

	"github.com/rekey-dev/rekey/pkg/call"
	"github.com/rekey-dev/rekey/pkg/httpapi"
	"github.com/rekey-dev/rekey/pkg/keystatus"
	"github.com/rekey-dev/rekey/pkg/lock"
	"github.com/rekey-dev/rekey/pkg/token"
	"github.com/rekey-dev/rekey/pkg/verify"
)

// Service is what a holder can do.
type Service interface {
	Status(ctx context.Context, secret token.Secret, o verify.Origin) (keystatus.Answer, error)
	Revoke(ctx context.Context, secret token.Secret, reason string, o verify.Origin) error
}

type statusInput struct {
	Body struct {
		Secret httpapi.Secret `json:"secret" maxLength:"1024"`
	}
}

type revokeInput struct {
	Body struct {
		Secret httpapi.Secret `json:"secret" maxLength:"32768"`
		Reason string         `json:"reason,omitempty" format:"password" maxLength:"4096" doc:"A reason of POST /keys/{id}/revoke, or the holder's own words, which are kept as a note; left out: key_compromise"`
	}
}

// status is what a holder is told. A member that does not apply is left out.
type status struct {
	Status       string `json:"status" enum:"active,expiring,inactive,expired,revoked,retired,account_revoked,company_suspended,locked,malformed,unknown"`
	Detail       string `json:"detail"`
	KeyID        string `json:"key_id,omitempty"`
	ExpiresAt    string `json:"expires_at,omitempty" format:"date-time"`
	LockedUntil  string `json:"locked_until,omitempty" format:"date-time"`
	SupersededBy string `json:"superseded_by,omitempty"`
}

// Register adds the operations.
func Register(a *httpapi.API, s Service) {
	httpapi.Register(a, httpapi.Operation{ID: "keyStatus", Method: http.MethodPost, Path: "/key-status", Tag: "keys",
		Summary: "Ask what is the matter with a secret", Description: "Asking is no use of the key. A secret that was never right counts as any wrong secret does.",
		Access: httpapi.Public},
		func(ctx context.Context, c call.Call, in *statusInput) (keystatus.Answer, error) {
			return s.Status(ctx, in.Body.Secret.Secret, origin(c))
		},
		func(a keystatus.Answer) httpapi.Answer[status] {
			out := status{Status: string(a.Status), Detail: a.Detail, KeyID: a.KeyID}
			if !a.ExpiresAt.IsZero() {
				out.ExpiresAt = httpapi.TimeText(a.ExpiresAt)
			}
			if !a.LockedUntil.IsZero() {
				out.LockedUntil = httpapi.TimeText(a.LockedUntil)
			}
			out.SupersededBy = a.SupersededBy
			return httpapi.Answer[status]{Body: out}
		})

	httpapi.Register(a, httpapi.Operation{ID: "selfRevoke", Method: http.MethodPost, Path: "/keys/self-revoke", Tag: "keys",
		Summary: "End a key that one holds", Description: "The answer is the same whether the secret is right or not.",
		Access: httpapi.Public, Status: http.StatusNoContent},
		func(ctx context.Context, c call.Call, in *revokeInput) (httpapi.None, error) {
			return httpapi.None{}, s.Revoke(ctx, in.Body.Secret.Secret, in.Body.Reason, origin(c))
		},
		func(httpapi.None) httpapi.Answer[httpapi.None] { return httpapi.Answer[httpapi.None]{} })
}

func origin(c call.Call) verify.Origin {
	return verify.Origin{Address: lock.Address(c.Request.SourceIP), IP: c.Request.SourceIP, UserAgent: c.Request.UserAgent, RequestID: c.Request.ID}
}
