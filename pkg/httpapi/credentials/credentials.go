// Package credentials serves employees' passkeys:
//
//	POST        /credentials/challenges
//	POST        /credentials/with-code
//	POST        /credentials/codes
//	GET, POST   /employees/{id}/credentials
//	GET, DELETE /credentials/{id}
package credentials

import (
	"context"
	"crypto/sha256"
	"encoding/hex"
	"net/http"

	"github.com/rekey-dev/rekey/pkg/call"
	"github.com/rekey-dev/rekey/pkg/fault"
	"github.com/rekey-dev/rekey/pkg/httpapi"
	"github.com/rekey-dev/rekey/pkg/id"
	"github.com/rekey-dev/rekey/pkg/onetime"
	"github.com/rekey-dev/rekey/pkg/passkey"
	"github.com/rekey-dev/rekey/pkg/precondition"
	"github.com/rekey-dev/rekey/pkg/token"
)

// Service is what can be done with passkeys.
type Service interface {
	BeginWithCode(ctx context.Context, at passkey.Site, code token.Secret) (passkey.Started, error)
	FinishWithCode(ctx context.Context, c call.Call, at passkey.Site, code token.Secret, in passkey.Answer) (passkey.Passkey, error)
	Begin(ctx context.Context, c call.Call, at passkey.Site) (passkey.Started, error)
	Finish(ctx context.Context, c call.Call, at passkey.Site, of id.Employee, in passkey.Answer) (passkey.Passkey, error)
	IssueCode(ctx context.Context, c call.Call) (onetime.Minted, error)
	List(ctx context.Context, c call.Call, of id.Employee) ([]passkey.Passkey, error)
	Get(ctx context.Context, c call.Call, which id.Credential) (passkey.Passkey, error)
	Delete(ctx context.Context, c call.Call, which id.Credential) error
}

// Register adds the operations. at is the site that a call came in by.
func Register(a *httpapi.API, s Service, at func(call.Call) passkey.Site) {
	r := resource{api: a, service: s, at: at}
	r.registerEnrolment()
	r.registerCodes()
	r.registerOwn()
	r.registerSingle()
}

type resource struct {
	api     *httpapi.API
	service Service
	at      func(call.Call) passkey.Site
}

const noun = "credentials"

// Credential is a passkey as the API shows it.
type Credential struct {
	ID          string    `json:"id" example:"cred_7Hq2cXv9LmN4pQr8sT1w"`
	Principal   Principal `json:"principal" doc:"Whose it is"`
	Name        string    `json:"name"`
	Kind        string    `json:"kind" enum:"passkey"`
	Algorithm   string    `json:"algorithm" doc:"By its name in the registry of COSE: ES256, EdDSA, RS256 …"`
	Fingerprint string    `json:"fingerprint" doc:"SHA-256 of the public key as a COSE_Key, in hex"`
	RPID        string    `json:"rp_id" doc:"The domain that it is for"`
	Status      string    `json:"status" enum:"active"`
	SignedBy    string    `json:"signed_by" doc:"The passkey that signed its enrolment (cred_…), or the one-time code that it came with (inv_…)"`
	LastUsedAt  *string   `json:"last_used_at" format:"date-time" doc:"Of the last sign-in; null before the first"`
	CreatedAt   string    `json:"created_at" format:"date-time"`
}

// Principal is whose a credential is.
type Principal struct {
	ID   string `json:"id"`
	Type string `json:"type" enum:"employee"`
}

func of(p passkey.Passkey) Credential {
	sum := sha256.Sum256(p.Record.PublicKey)
	return Credential{ID: string(p.ID), Principal: Principal{ID: string(p.EmployeeID), Type: "employee"}, Name: p.Name, Kind: "passkey",
		Algorithm: p.Record.Algorithm, Fingerprint: hex.EncodeToString(sum[:]), RPID: p.Record.RPID, Status: "active", SignedBy: p.SignedBy,
		LastUsedAt: httpapi.Time(p.LastUsedAt), CreatedAt: httpapi.TimeText(p.CreatedAt)}
}

func one(p passkey.Passkey) httpapi.Answer[Credential] {
	return httpapi.Answer[Credential]{Body: of(p), ETag: precondition.Tag(string(p.ID), passkey.Version)}
}

// created is the answer to an enrolment with a code.
type created struct {
	Credential Credential `json:"credential"`
}

type beginInput struct {
	Body *struct {
		Code *httpapi.Secret `json:"code,omitempty" maxLength:"1024" doc:"The one-time code; left out by an employee who is signed in"`
	}
}

// started is an enrolment for the browser to go on with.
type started struct {
	ChallengeID string           `json:"challenge_id" doc:"To be answered within 5 minutes, once"`
	Options     httpapi.Foreign  `json:"options" doc:"PublicKeyCredentialCreationOptionsJSON of WebAuthn Level 3, for navigator.credentials.create"`
	Assertion   *httpapi.Foreign `json:"assertion_options,omitempty" doc:"Without a code: PublicKeyCredentialRequestOptionsJSON for navigator.credentials.get, which one of the employee's passkeys has to sign too"`
	ExpiresAt   string           `json:"expires_at" format:"date-time"`
}

type withCodeInput struct {
	Body struct {
		Code        httpapi.Secret  `json:"code" maxLength:"1024"`
		ChallengeID string          `json:"challenge_id" minLength:"1" maxLength:"100"`
		Attestation httpapi.Foreign `json:"attestation" doc:"RegistrationResponseJSON of WebAuthn Level 3: what PublicKeyCredential.toJSON() gives"`
		Name        string          `json:"name" minLength:"1" maxLength:"100" doc:"Unique among the employee's passkeys"`
	}
}

func (r resource) registerEnrolment() {
	httpapi.Register(r.api, httpapi.Operation{ID: "beginEnrolment", Method: http.MethodPost, Path: "/credentials/challenges", Tag: noun,
		Summary: "Begin to enrol a passkey", Description: "With a one-time code (of an invitation, of a reset, or of POST /credentials/codes), or signed in as an employee: then one of the passkeys that are there has to sign.",
		Access: httpapi.Public, Status: http.StatusCreated, Errors: []fault.Kind{fault.Unauthorized, fault.Conflict, fault.LimitReached, fault.MissingPermission}},
		func(ctx context.Context, c call.Call, in *beginInput) (passkey.Started, error) {
			if in.Body != nil && in.Body.Code != nil {
				return r.service.BeginWithCode(ctx, r.at(c), in.Body.Code.Secret)
			}
			var err error
			if c.Caller, err = r.api.Caller(ctx); err != nil {
				return passkey.Started{}, err
			}
			return r.service.Begin(ctx, c, r.at(c))
		},
		func(s passkey.Started) httpapi.Answer[started] {
			out := started{ChallengeID: string(s.Challenge.ID), Options: s.Options, ExpiresAt: httpapi.TimeText(s.Challenge.ExpiresAt)}
			if s.Proof != nil {
				out.Assertion = (*httpapi.Foreign)(&s.Proof)
			}
			return httpapi.Answer[started]{Body: out}
		})

	httpapi.Register(r.api, httpapi.Operation{ID: "enrolWithCode", Method: http.MethodPost, Path: "/credentials/with-code", Tag: noun,
		Summary: "Enrol a passkey with a one-time code", Description: "The code is used up; an invited employee becomes active. A code can be tried five times with a wrong secret.",
		Access: httpapi.Public, Status: http.StatusCreated, Errors: []fault.Kind{fault.Unauthorized, fault.Conflict, fault.LimitReached}},
		func(ctx context.Context, c call.Call, in *withCodeInput) (passkey.Passkey, error) {
			challenge, _ := id.Parse[id.Challenge](in.Body.ChallengeID) // what is none is not found
			return r.service.FinishWithCode(ctx, c, r.at(c), in.Body.Code.Secret, passkey.Answer{Challenge: challenge, Attestation: in.Body.Attestation, Name: in.Body.Name})
		},
		func(p passkey.Passkey) httpapi.Answer[created] { return httpapi.Answer[created]{Body: created{of(p)}} })
}

// code is a one-time code, shown once.
type code struct {
	ExpiresAt string `json:"expires_at" format:"date-time"`
	Code      string `json:"code,omitempty" format:"password" doc:"Shown this once. A repeat with the same Idempotency-Key shows it again for as long as it is good."`
	Withheld  bool   `json:"secret_withheld,omitempty" doc:"true in a repeat that comes too late for the code"`
}

type nothing struct{}

func (r resource) registerCodes() {
	httpapi.Register(r.api, httpapi.Operation{ID: "issueCredentialCode", Method: http.MethodPost, Path: "/credentials/codes", Tag: noun,
		Summary: "Make a one-time code for a passkey on another device or domain", Description: "For ten minutes. Whoever calls is signed in with a passkey, or has the token of set-up or recovery and no passkey yet.",
		Access: httpapi.SignedIn, Status: http.StatusCreated, SecretMember: "code", Errors: []fault.Kind{fault.NotGrantable, fault.MissingPermission}},
		func(ctx context.Context, c call.Call, _ *nothing) (onetime.Minted, error) {
			return r.service.IssueCode(ctx, c)
		},
		func(m onetime.Minted) httpapi.Answer[code] {
			return httpapi.Answer[code]{Body: code{ExpiresAt: httpapi.TimeText(m.Code.ExpiresAt)}, Secret: m.Secret}
		})
}

type employeeInput struct {
	ID string `path:"id" maxLength:"100"`
}

type createInput struct {
	ID   string `path:"id" maxLength:"100"`
	Body struct {
		ChallengeID string          `json:"challenge_id" minLength:"1" maxLength:"100"`
		Attestation httpapi.Foreign `json:"attestation" doc:"RegistrationResponseJSON of the new passkey"`
		Assertion   httpapi.Foreign `json:"assertion" doc:"AuthenticationResponseJSON of one that is there"`
		Name        string          `json:"name" minLength:"1" maxLength:"100" doc:"Unique among the employee's passkeys"`
	}
}

func employeeID(text string) (id.Employee, error) {
	if e, ok := id.Parse[id.Employee](text); ok {
		return e, nil
	}
	return "", fault.Missing("employee")
}

func (r resource) registerOwn() {
	httpapi.Register(r.api, httpapi.Operation{ID: "listEmployeeCredentials", Method: http.MethodGet, Path: "/employees/{id}/credentials", Tag: noun,
		Summary: "List an employee's passkeys, by name", Description: "The caller's own; with credentials:read those of an employee at or below its place. There are ten at most, so that one page holds them.",
		Access: httpapi.SignedIn, Errors: []fault.Kind{fault.NotFound, fault.MissingPermission}},
		func(ctx context.Context, c call.Call, in *employeeInput) ([]passkey.Passkey, error) {
			e, err := employeeID(in.ID)
			if err != nil {
				return nil, err
			}
			return r.service.List(ctx, c, e)
		},
		func(all []passkey.Passkey) httpapi.Answer[httpapi.List[Credential]] {
			items := make([]Credential, 0, len(all))
			for _, p := range all {
				items = append(items, of(p))
			}
			return httpapi.Answer[httpapi.List[Credential]]{Body: httpapi.NewList(items, "")}
		})

	httpapi.Register(r.api, httpapi.Operation{ID: "createEmployeeCredential", Method: http.MethodPost, Path: "/employees/{id}/credentials", Tag: noun,
		Summary: "Enrol a further passkey, signed by one that is there", Description: "Of the calling employee only. Both answers are to one challenge of POST /credentials/challenges.",
		Access: httpapi.SignedIn, Status: http.StatusCreated, Tagged: true, Errors: []fault.Kind{fault.NotGrantable, fault.MissingPermission, fault.Conflict, fault.LimitReached}},
		func(ctx context.Context, c call.Call, in *createInput) (passkey.Passkey, error) {
			e, err := employeeID(in.ID)
			if err != nil {
				return passkey.Passkey{}, err
			}
			challenge, _ := id.Parse[id.Challenge](in.Body.ChallengeID) // what is none is not found
			return r.service.Finish(ctx, c, r.at(c), e, passkey.Answer{Challenge: challenge, Attestation: in.Body.Attestation, Assertion: in.Body.Assertion, Name: in.Body.Name})
		}, one)
}

type credentialInput struct {
	ID string `path:"id" maxLength:"100"`
}

func credentialID(text string) (id.Credential, error) {
	if c, ok := id.Parse[id.Credential](text); ok {
		return c, nil
	}
	return "", fault.Missing("credential")
}

func (r resource) registerSingle() {
	httpapi.Register(r.api, httpapi.Operation{ID: "getCredential", Method: http.MethodGet, Path: "/credentials/{id}", Tag: noun,
		Summary: "Get a passkey", Description: "One of the caller's own; with credentials:read one of an employee at or below its place.",
		Access: httpapi.SignedIn, Tagged: true, Errors: []fault.Kind{fault.MissingPermission}},
		func(ctx context.Context, c call.Call, in *credentialInput) (passkey.Passkey, error) {
			which, err := credentialID(in.ID)
			if err != nil {
				return passkey.Passkey{}, err
			}
			return r.service.Get(ctx, c, which)
		}, one)

	httpapi.Register(r.api, httpapi.Operation{ID: "deleteCredential", Method: http.MethodDelete, Path: "/credentials/{id}", Tag: noun,
		Summary: "Remove a passkey", Description: "One of the caller's own; with credentials:manage one of an employee whose role the caller could give. The last one stays: 409 last_credential. " +
			"Sessions that began with it go on; end them with DELETE /sessions/{id}.",
		Access: httpapi.SignedIn, Status: http.StatusNoContent, Match: true, Errors: []fault.Kind{fault.LastCredential, fault.NotGrantable, fault.MissingPermission}},
		func(ctx context.Context, c call.Call, in *credentialInput) (httpapi.None, error) {
			which, err := credentialID(in.ID)
			if err != nil {
				return httpapi.None{}, err
			}
			return httpapi.None{}, r.service.Delete(ctx, c, which)
		},
		func(httpapi.None) httpapi.Answer[httpapi.None] { return httpapi.Answer[httpapi.None]{} })
}
