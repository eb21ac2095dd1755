// Package me serves GET /me: who the caller is and what it may do.
package me

import (
	"context"
	"net/http"

	"github.com/rekey-dev/rekey/pkg/accesstoken"
	"github.com/rekey-dev/rekey/pkg/apikey"
	"github.com/rekey-dev/rekey/pkg/call"
	"github.com/rekey-dev/rekey/pkg/httpapi"
	"github.com/rekey-dev/rekey/pkg/id"
	"github.com/rekey-dev/rekey/pkg/msp"
	"github.com/rekey-dev/rekey/pkg/permission"
	"github.com/rekey-dev/rekey/pkg/session"
)

// Store is what is read beside what the authorizer knows. One object that is not there is a fault of kind not_found.
type Store interface {
	MSP(ctx context.Context) (msp.MSP, error)
	Key(ctx context.Context, k id.Key) (apikey.Key, error)
	Token(ctx context.Context, t id.PAT) (accesstoken.Token, error)
	Session(ctx context.Context, s id.Session) (session.Session, error)
}

// Me is the body of GET /me.
type Me struct {
	Principal        Principal                    `json:"principal"`
	Key              httpapi.Nullable[Credential] `json:"key" doc:"The key or personal access token of this very request; null in a session"`
	Session          httpapi.Nullable[Session]    `json:"session" doc:"The session of this very request; null with a key or token"`
	Auth             string                       `json:"auth" enum:"secret,signed,passkey"`
	RoleID           string                       `json:"role_id" maxLength:"25"`
	Permissions      []string                     `json:"permissions" maxItems:"128" doc:"What the caller may do now: its role's permissions that its key carries too"`
	MSPID            string                       `json:"msp_id" maxLength:"24"`
	NodeID           string                       `json:"node_id" maxLength:"25"`
	CompanyID        *string                      `json:"company_id" maxLength:"23"`
	AssumedCompanyID *string                      `json:"assumed_company_id" maxLength:"23" doc:"The company that the session is inside"`
}

// Principal is who calls.
type Principal struct {
	ID   string `json:"id" maxLength:"24"`
	Type string `json:"type" enum:"employee,service_account"`
	Name string `json:"name" maxLength:"201" doc:"Cut when it is very long"`
}

// Credential is the key or personal access token that the caller sent.
type Credential struct {
	ID        string   `json:"id" maxLength:"24"`
	Name      string   `json:"name" maxLength:"100"`
	Prefix    string   `json:"prefix" maxLength:"8"`
	Scopes    []string `json:"scopes" maxItems:"128"`
	ExpiresAt *string  `json:"expires_at" format:"date-time" doc:"null for never"`
	Status    string   `json:"status" enum:"active,expiring"`
}

// Session is the session that the caller sent the secret of.
type Session struct {
	ID         string `json:"id" maxLength:"24"`
	Prefix     string `json:"prefix" maxLength:"8"`
	ExpiresAt  string `json:"expires_at" format:"date-time" doc:"Whatever is done with it"`
	IdleEndsAt string `json:"idle_ends_at" format:"date-time" doc:"Unless it is used before then"`
}

type none struct{}

type result struct {
	call.Call
	msp    id.MSP
	name   string
	scopes permission.Set
	opened *session.Session
}

// Register adds GET /me.
func Register(a *httpapi.API, store Store) {
	httpapi.Register(a, httpapi.Operation{ID: "getMe", Method: http.MethodGet, Path: "/me", Tag: "me",
		Summary: "Get who one is and what one may do", Access: httpapi.SignedIn}, handler{store}.get, show)
}

type handler struct{ store Store }

func (h handler) get(ctx context.Context, c call.Call, _ *none) (result, error) {
	m, err := h.store.MSP(ctx)
	if err != nil {
		return result{}, err
	}
	out := result{Call: c, msp: m.ID, name: c.Caller.KeyName}
	if t, ok := id.Parse[id.PAT](c.Caller.KeyID); ok {
		token, err := h.store.Token(ctx, t)
		out.name, out.scopes = token.Name, token.Scopes
		return out, err
	}
	if s, ok := id.Parse[id.Session](c.Caller.KeyID); ok {
		opened, err := h.store.Session(ctx, s)
		out.opened = &opened
		return out, err
	}
	key, err := h.store.Key(ctx, id.Key(c.Caller.KeyID))
	out.name, out.scopes = key.Name, key.Scopes
	return out, err
}

func show(r result) httpapi.Answer[Me] {
	c := r.Caller
	out := Me{Principal: Principal{ID: c.ID, Type: string(c.Type), Name: c.Name}, Auth: c.Auth, RoleID: string(c.RoleID), Permissions: words(c.Effective),
		MSPID: string(r.msp), NodeID: string(c.Place.Node()), CompanyID: httpapi.Text(c.Place.Company), AssumedCompanyID: httpapi.Text(c.Assumed())}
	if s := r.opened; s != nil {
		out.Session = httpapi.NullableOf(&Session{ID: string(s.ID), Prefix: s.Prefix(), ExpiresAt: httpapi.TimeText(s.ExpiresAt), IdleEndsAt: httpapi.TimeText(s.EndsAt())})
		return httpapi.Answer[Me]{Body: out}
	}
	key := Credential{ID: c.KeyID, Name: r.name, Prefix: c.KeyPrefix, Scopes: words(r.scopes), Status: c.KeyStatus}
	if c.KeyExpires != "" {
		key.ExpiresAt = &c.KeyExpires
	}
	out.Key = httpapi.NullableOf(&key)
	return httpapi.Answer[Me]{Body: out}
}

func words(s permission.Set) []string {
	out := make([]string, 0, s.Count())
	for _, p := range s.List() {
		out = append(out, string(p))
	}
	return out
}
