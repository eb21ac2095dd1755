// Package sessions serves signing in, sessions, and working inside a company:
//
//	POST   /sessions/challenges
//	GET, POST /sessions
//	DELETE /sessions/{id}
//	POST   /companies/{id}/assume
package sessions

import (
	"context"
	"net/http"

	"github.com/rekey-dev/rekey/pkg/audit"
	"github.com/rekey-dev/rekey/pkg/call"
	"github.com/rekey-dev/rekey/pkg/fault"
	"github.com/rekey-dev/rekey/pkg/httpapi"
	"github.com/rekey-dev/rekey/pkg/id"
	"github.com/rekey-dev/rekey/pkg/passkey"
	"github.com/rekey-dev/rekey/pkg/permission"
	"github.com/rekey-dev/rekey/pkg/session"
	"github.com/rekey-dev/rekey/pkg/signin"
)

// Service is what can be done with sessions.
type Service interface {
	Begin(ctx context.Context, at passkey.Site) (signin.Begun, error)
	Finish(ctx context.Context, c call.Call, at passkey.Site, challenge id.Challenge, answer []byte) (signin.Opened, error)
	Assume(ctx context.Context, c call.Call, which id.Company, reason string) (signin.Opened, error)
	List(ctx context.Context, c call.Call, of id.Employee, after string, limit int) ([]signin.Shown, string, error)
	Revoke(ctx context.Context, c call.Call, which id.Session) error
}

// Register adds the operations. at is the site that a call came in by.
func Register(a *httpapi.API, s Service, at func(call.Call) passkey.Site) {
	r := resource{api: a, service: s, at: at}
	r.registerSignIn()
	r.registerSessions()
}

type resource struct {
	api     *httpapi.API
	service Service
	at      func(call.Call) passkey.Site
}

const noun = "sessions"

// Session is a session as the API shows it.
type Session struct {
	ID               string  `json:"id" example:"ses_7Hq2cXv9LmN4pQr8sT1w"`
	EmployeeID       string  `json:"employee_id" doc:"For whom it acts"`
	Prefix           string  `json:"prefix" doc:"The first 8 characters of its secret"`
	Status           string  `json:"status" enum:"active,expired,revoked"`
	Current          bool    `json:"current" doc:"It is the one that calls"`
	CredentialID     *string `json:"credential_id" doc:"The passkey that it began with; null inside a company"`
	AssumedCompanyID *string `json:"assumed_company_id" doc:"The company that it is inside; null for one that is signed in"`
	ParentID         *string `json:"parent_id" doc:"Inside a company: the session or personal access token that it was opened with, and with which it ends"`
	Reason           string  `json:"reason" doc:"Inside a company: why"`
	SourceIP         string  `json:"source_ip" doc:"Where it began"`
	UserAgent        string  `json:"user_agent"`
	CreatedAt        string  `json:"created_at" format:"date-time"`
	ExpiresAt        string  `json:"expires_at" format:"date-time" doc:"Whatever is done with it: 12 hours after it began, 1 hour inside a company"`
	IdleEndsAt       string  `json:"idle_ends_at" format:"date-time" doc:"Unless it is used before then: 30 minutes after its last use"`
	LastUsedAt       *string `json:"last_used_at" format:"date-time" doc:"null before its first use"`
	RevokedAt        *string `json:"revoked_at" format:"date-time" doc:"null while it is not, and for one that ended with what it depended on: a reset, a recovery, its parent, its company's suspension"`
}

func of(s session.Session, status session.Status, caller string) Session {
	return Session{ID: string(s.ID), EmployeeID: string(s.EmployeeID), Prefix: s.Prefix(), Status: string(status), Current: string(s.ID) == caller,
		CredentialID: httpapi.Text(s.Passkey), AssumedCompanyID: httpapi.Text(s.Place.Company), ParentID: httpapi.Text(s.Parent), Reason: s.Reason,
		SourceIP: s.SourceIP, UserAgent: s.UserAgent, CreatedAt: httpapi.TimeText(s.CreatedAt), ExpiresAt: httpapi.TimeText(s.ExpiresAt),
		IdleEndsAt: httpapi.TimeText(s.EndsAt()), LastUsedAt: httpapi.Time(s.LastUsedAt), RevokedAt: httpapi.Time(s.RevokedAt)}
}

// begun is a ceremony for the browser to go on with.
type begun struct {
	ChallengeID string          `json:"challenge_id" doc:"To be answered within 5 minutes, once"`
	Options     httpapi.Foreign `json:"options" doc:"PublicKeyCredentialRequestOptionsJSON of WebAuthn Level 3, for navigator.credentials.get"`
	ExpiresAt   string          `json:"expires_at" format:"date-time"`
}

// opened is the answer to what opens a session.
type opened struct {
	Session Session `json:"session"`
	httpapi.OneTime
}

type none struct{}

type signInInput struct {
	Body struct {
		ChallengeID string          `json:"challenge_id" minLength:"1" maxLength:"100"`
		Assertion   httpapi.Foreign `json:"assertion" doc:"AuthenticationResponseJSON of WebAuthn Level 3: what PublicKeyCredential.toJSON() gives"`
	}
}

func (r resource) registerSignIn() {
	httpapi.Register(r.api, httpapi.Operation{ID: "beginSignIn", Method: http.MethodPost, Path: "/sessions/challenges", Tag: noun,
		Summary:     "Begin to sign in with a passkey",
		Description: "The options are for any passkey of this domain; user verification is required. Which employee signs in is in the answer.",
		Access:      httpapi.Public, Status: http.StatusCreated},
		func(ctx context.Context, c call.Call, _ *none) (signin.Begun, error) {
			return r.service.Begin(ctx, r.at(c))
		},
		func(b signin.Begun) httpapi.Answer[begun] {
			return httpapi.Answer[begun]{Body: begun{ChallengeID: string(b.Challenge.ID), Options: b.Options, ExpiresAt: httpapi.TimeText(b.Challenge.ExpiresAt)}}
		})

	httpapi.Register(r.api, httpapi.Operation{ID: "signIn", Method: http.MethodPost, Path: "/sessions", Tag: noun,
		Summary: "Sign in with a passkey", Description: "The answer to a challenge, which is used up by it. The session's secret is shown once and is sent as any key is. " +
			"It lasts 12 hours at most, and ends after 30 minutes without a request.",
		Access: httpapi.Public, Status: http.StatusCreated, Errors: []fault.Kind{fault.Unauthorized}},
		func(ctx context.Context, c call.Call, in *signInInput) (signin.Opened, error) {
			challenge, _ := id.Parse[id.Challenge](in.Body.ChallengeID) // what is none is not found
			return r.service.Finish(ctx, c, r.at(c), challenge, in.Body.Assertion)
		}, shown)
}

func shown(o signin.Opened) httpapi.Answer[opened] {
	return httpapi.Answer[opened]{Body: opened{Session: of(o.Session, session.Active, "")}, Secret: o.Secret}
}

type listInput struct {
	httpapi.Paging
	EmployeeID string `query:"employee_id" maxLength:"100" doc:"Whose; another's than the caller's wants employees:update"`
}

// page is a page of sessions together with its sealed cursor.
type page struct {
	sessions []signin.Shown
	caller   string
	next     string
}

type sessionInput struct {
	ID string `path:"id" maxLength:"100"`
}

type assumeInput struct {
	ID   string `path:"id" maxLength:"100"`
	Body *struct {
		Reason string `json:"reason,omitempty" maxLength:"500" doc:"Kept with the session and in the audit log"`
	}
}

func (r resource) registerSessions() {
	httpapi.Register(r.api, httpapi.Operation{ID: "listSessions", Method: http.MethodGet, Path: "/sessions", Tag: noun,
		Summary: "List sessions, newest first", Description: "The caller's own; with employees:update those of another employee at or below the caller's place. " +
			"One that has ended is listed for 30 days after its time.",
		Access: httpapi.SignedIn, Errors: []fault.Kind{fault.NotFound, fault.MissingPermission, fault.MissingScope}},
		func(ctx context.Context, c call.Call, in *listInput) (page, error) {
			var who id.Employee
			if in.EmployeeID != "" {
				var ok bool
				if who, ok = id.Parse[id.Employee](in.EmployeeID); !ok {
					return page{}, fault.Missing("employee")
				}
			}
			after, err := r.api.After(ctx, in.Cursor)
			if err != nil {
				return page{}, err
			}
			found, position, err := r.service.List(ctx, c, who, after, in.Limit)
			if err != nil {
				return page{}, err
			}
			next, err := r.api.Next(ctx, position)
			return page{found, c.Caller.KeyID, next}, err
		},
		func(p page) httpapi.Answer[httpapi.List[Session]] {
			items := make([]Session, 0, len(p.sessions))
			for _, s := range p.sessions {
				items = append(items, of(s.Session, s.Now, p.caller))
			}
			return httpapi.Answer[httpapi.List[Session]]{Body: httpapi.NewList(items, p.next)}
		})

	httpapi.Register(r.api, httpapi.Operation{ID: "revokeSession", Method: http.MethodDelete, Path: "/sessions/{id}", Tag: noun,
		Summary: "End a session", Description: "One of the caller's own, the one that calls too; with employees:update one of another employee whose role the caller could give. " +
			"It stops at once, and with it the sessions inside companies that were opened with it. Again: 204, unchanged.",
		Access: httpapi.SignedIn, Status: http.StatusNoContent, Errors: []fault.Kind{fault.NotFound, fault.NotGrantable, fault.MissingScope}},
		func(ctx context.Context, c call.Call, in *sessionInput) (httpapi.None, error) {
			s, ok := id.Parse[id.Session](in.ID)
			if !ok {
				return httpapi.None{}, fault.Missing("session")
			}
			return httpapi.None{}, r.service.Revoke(ctx, c, s)
		},
		func(httpapi.None) httpapi.Answer[httpapi.None] { return httpapi.Answer[httpapi.None]{} })

	httpapi.Register(r.api, httpapi.Operation{ID: "assumeCompany", Method: http.MethodPost, Path: "/companies/{id}/assume", Tag: noun,
		Summary: "Assume a tenant: open a session inside one company", Description: "For an hour at most, with what the caller's role may do there; nodes, roles, employees, tokens and other companies " +
			"are out of its reach. Every audit record of it names the employee and the company. It ends with the session or token that opened it, and with the company's suspension.",
		Access: httpapi.Needs(permission.CompaniesAssume), Status: http.StatusCreated, Denied: &httpapi.DeniedAudit{Action: audit.CompanyAssumed, TargetType: "company", TargetParam: "id"},
		Errors: []fault.Kind{fault.NotFound, fault.CompanySuspended, fault.NotGrantable}},
		func(ctx context.Context, c call.Call, in *assumeInput) (signin.Opened, error) {
			co, ok := id.Parse[id.Company](in.ID)
			if !ok {
				return signin.Opened{}, fault.Missing("company")
			}
			reason := ""
			if in.Body != nil {
				reason = in.Body.Reason
			}
			return r.service.Assume(ctx, c, co, reason)
		}, shown)
}
