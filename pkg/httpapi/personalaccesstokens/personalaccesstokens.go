// Package personalaccesstokens serves the tokens that act for one employee:
//
//	GET, POST   /personal-access-tokens
//	GET, DELETE /personal-access-tokens/{id}
package personalaccesstokens

import (
	"context"
	"net/http"
	"time"

	"github.com/rekey-dev/rekey/pkg/accesstoken"
	"github.com/rekey-dev/rekey/pkg/call"
	"github.com/rekey-dev/rekey/pkg/fault"
	"github.com/rekey-dev/rekey/pkg/httpapi"
	"github.com/rekey-dev/rekey/pkg/id"
	"github.com/rekey-dev/rekey/pkg/precondition"
)

// Service is what can be done with personal access tokens.
type Service interface {
	List(ctx context.Context, c call.Call, f accesstoken.Filter, after string, limit int) ([]accesstoken.Shown, string, error)
	Create(ctx context.Context, c call.Call, in accesstoken.New) (accesstoken.Made, error)
	Get(ctx context.Context, c call.Call, t id.PAT) (accesstoken.Shown, error)
	Revoke(ctx context.Context, c call.Call, t id.PAT) error
}

// Register adds the operations.
func Register(a *httpapi.API, s Service) {
	r := resource{api: a, service: s}
	r.registerCollection()
	r.registerSingle()
}

type resource struct {
	api     *httpapi.API
	service Service
}

const noun = "personal access tokens"

// Token is a personal access token as the API shows it.
type Token struct {
	ID         string   `json:"id" example:"pat_7Hq2cXv9LmN4pQr8sT1w"`
	EmployeeID string   `json:"employee_id" doc:"For whom it acts"`
	Name       string   `json:"name"`
	Prefix     string   `json:"prefix" doc:"The first 8 characters of its secret"`
	Scopes     []string `json:"scopes" nullable:"false" doc:"What it carries; of that it may do what the employee's role has when it is used"`
	Status     string   `json:"status" enum:"active,expired,revoked"`
	ExpiresAt  string   `json:"expires_at" format:"date-time"`
	RevokedAt  *string  `json:"revoked_at" format:"date-time" doc:"null while it is not, and for one that ended with a recovery of its employee"`
	LastUsedAt *string  `json:"last_used_at" format:"date-time" doc:"null before its first use"`
	CreatedAt  string   `json:"created_at" format:"date-time"`
}

func of(t accesstoken.Shown) Token {
	out := Token{ID: string(t.ID), EmployeeID: string(t.EmployeeID), Name: t.Name, Prefix: t.Prefix(), Scopes: []string{},
		Status: string(t.Now), ExpiresAt: httpapi.TimeText(t.ExpiresAt), RevokedAt: httpapi.Time(t.RevokedAt),
		LastUsedAt: httpapi.Time(t.LastUsedAt), CreatedAt: httpapi.TimeText(t.CreatedAt)}
	for _, p := range t.Scopes.List() {
		out.Scopes = append(out.Scopes, string(p))
	}
	return out
}

func tag(t accesstoken.Token) string { return precondition.Tag(string(t.ID), t.Version) }

func tokenID(text string) (id.PAT, error) {
	if t, ok := id.Parse[id.PAT](text); ok {
		return t, nil
	}
	return "", fault.Missing("personal access token")
}

type createInput struct {
	Body struct {
		Name      string         `json:"name" minLength:"1" maxLength:"100" doc:"Need not be unique"`
		Scopes    *httpapi.Texts `json:"scopes,omitempty" maxItems:"80" maxLength:"81" doc:"Permissions and scopes of protected APIs that the caller holds now; left out: all of the employee's role, and every protected scope of a kind that it holds, those that are declared later included; empty: none"`
		ExpiresAt string         `json:"expires_at,omitempty" format:"date-time" doc:"In the future, at most a year from now, and no later than the end of the token that makes it (those of set-up and recovery aside); left out: 90 days from now, or that end"`
	}
}

// created is the answer to making a token.
type created struct {
	Token Token `json:"personal_access_token"`
	httpapi.OneTime
}

type listInput struct {
	httpapi.Paging
	EmployeeID string `query:"employee_id" maxLength:"100" doc:"Only this employee's; another's than the caller's wants employees:update"`
	Status     string `query:"status" enum:"active,expired,revoked"`
	Q          string `query:"q" maxLength:"100" doc:"Case-insensitive prefix of the name, or an exact ID"`
}

// page is a page of tokens together with its sealed cursor.
type page struct {
	tokens []accesstoken.Shown
	next   string
}

func (r resource) registerCollection() {
	httpapi.Register(r.api, httpapi.Operation{ID: "listPersonalAccessTokens", Method: http.MethodGet, Path: "/personal-access-tokens", Tag: noun,
		Summary: "List personal access tokens, by name", Description: "The caller's own, ended ones too; with employees:update those of every employee " +
			"at or below the caller's place; without those whose employee was deleted. employee_id can be combined with status or with q.",
		Access: httpapi.SignedIn, Errors: []fault.Kind{fault.NotFound, fault.MissingPermission, fault.MissingScope}},
		func(ctx context.Context, c call.Call, in *listInput) (out page, err error) {
			f := accesstoken.Filter{Status: accesstoken.Status(in.Status), Query: in.Q}
			if err := httpapi.AtMostOne("status", in.Status, "q", in.Q); err != nil {
				return page{}, err
			}
			if in.EmployeeID != "" {
				var ok bool
				if f.Employee, ok = id.Parse[id.Employee](in.EmployeeID); !ok {
					return page{}, fault.Missing("employee")
				}
			}
			after, err := r.api.After(ctx, in.Cursor)
			if err != nil {
				return page{}, err
			}
			found, position, err := r.service.List(ctx, c, f, after, in.Limit)
			if err != nil {
				return page{}, err
			}
			next, err := r.api.Next(ctx, position)
			return page{found, next}, err
		},
		func(p page) httpapi.Answer[httpapi.List[Token]] {
			items := make([]Token, 0, len(p.tokens))
			for _, t := range p.tokens {
				items = append(items, of(t))
			}
			return httpapi.Answer[httpapi.List[Token]]{Body: httpapi.NewList(items, p.next)}
		})

	httpapi.Register(r.api, httpapi.Operation{ID: "createPersonalAccessToken", Method: http.MethodPost, Path: "/personal-access-tokens", Tag: noun,
		Summary: "Make a personal access token", Description: "For the calling employee only. The secret is shown once. The caller must hold every scope of the token.",
		Access: httpapi.SignedIn, Status: http.StatusCreated, Tagged: true, Errors: []fault.Kind{fault.NotGrantable, fault.MissingPermission}},
		func(ctx context.Context, c call.Call, in *createInput) (accesstoken.Made, error) {
			n := accesstoken.New{Name: in.Body.Name, Scopes: (*[]string)(in.Body.Scopes)}
			if in.Body.ExpiresAt != "" {
				at, err := time.Parse(time.RFC3339, in.Body.ExpiresAt)
				if err != nil {
					return accesstoken.Made{}, fault.InvalidField("/expires_at", "is no time")
				}
				n.ExpiresAt = at.UTC().Truncate(time.Second)
			}
			return r.service.Create(ctx, c, n)
		},
		func(m accesstoken.Made) httpapi.Answer[created] {
			return httpapi.Answer[created]{Body: created{Token: of(accesstoken.Shown{Token: m.Token, Now: accesstoken.Active})}, ETag: tag(m.Token), Secret: m.Secret}
		})
}

type tokenInput struct {
	ID string `path:"id" maxLength:"100"`
}

func (r resource) registerSingle() {
	httpapi.Register(r.api, httpapi.Operation{ID: "getPersonalAccessToken", Method: http.MethodGet, Path: "/personal-access-tokens/{id}", Tag: noun,
		Summary: "Get a personal access token", Description: "One of the caller's own; with employees:update one of any employee at or below the caller's place.",
		Access: httpapi.SignedIn, Tagged: true, Errors: []fault.Kind{fault.MissingScope}},
		func(ctx context.Context, c call.Call, in *tokenInput) (accesstoken.Shown, error) {
			t, err := tokenID(in.ID)
			if err != nil {
				return accesstoken.Shown{}, err
			}
			return r.service.Get(ctx, c, t)
		},
		func(t accesstoken.Shown) httpapi.Answer[Token] {
			return httpapi.Answer[Token]{Body: of(t), ETag: tag(t.Token)}
		})

	httpapi.Register(r.api, httpapi.Operation{ID: "revokePersonalAccessToken", Method: http.MethodDelete, Path: "/personal-access-tokens/{id}", Tag: noun,
		Summary: "Revoke a personal access token",
		Description: "It stops at once, the one that calls too; that is final. Its record stays, with the status revoked. Again: 204, unchanged. " +
			"Somebody else's is revoked by whoever has employees:update and could give that employee their role; an owner's by an owner.",
		Access: httpapi.SignedIn, Status: http.StatusNoContent, Match: true, Errors: []fault.Kind{fault.NotGrantable, fault.MissingScope}},
		func(ctx context.Context, c call.Call, in *tokenInput) (httpapi.None, error) {
			t, err := tokenID(in.ID)
			if err != nil {
				return httpapi.None{}, err
			}
			return httpapi.None{}, r.service.Revoke(ctx, c, t)
		},
		func(httpapi.None) httpapi.Answer[httpapi.None] { return httpapi.Answer[httpapi.None]{} })
}
