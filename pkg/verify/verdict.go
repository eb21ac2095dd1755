package verify

import (
	"strings"
	"time"

	"github.com/rekey-dev/rekey/pkg/audit"
	"github.com/rekey-dev/rekey/pkg/authz"
	"github.com/rekey-dev/rekey/pkg/id"
	"github.com/rekey-dev/rekey/pkg/lock"
	"github.com/rekey-dev/rekey/pkg/permission"
	"github.com/rekey-dev/rekey/pkg/protectedapi"
	"github.com/rekey-dev/rekey/pkg/role"
	"github.com/rekey-dev/rekey/pkg/token"
)

// Class sorts verdicts by what they cost and count; metrics and logs use it.
type Class string

const (
	Allow       Class = "allow"
	Malformed   Class = "F0" // not of the grammar, or two credentials: nothing was read
	Unknown     Class = "F1" // no such ID, or a wrong secret for a credential that has ended or is inactive: not counted
	Wrong       Class = "F2" // a wrong secret for a live credential: counted
	Unusable    Class = "F3" // a right secret, current or retired, that may not be used: never counted
	Forbidden   Class = "F4" // a right secret without the permission
	Unavailable Class = "F5" // rekey itself could not tell
)

// Status is what the holder of a secret is told about it.
type Status string

const (
	StatusMalformed        Status = "malformed"
	StatusUnknown          Status = "unknown"
	StatusRetired          Status = "retired"
	StatusAccountRevoked   Status = "account_revoked"
	StatusRevoked          Status = "revoked"
	StatusExpired          Status = "expired"
	StatusCompanySuspended Status = "company_suspended"
	StatusInactive         Status = "inactive"
	StatusLocked           Status = "locked"
	StatusExpiring         Status = "expiring"
	StatusActive           Status = "active"
)

// Presented is what a caller sent: a secret and, with Basic authentication, the ID that goes with it.
type Presented struct {
	Secret token.Secret
	Basic  bool
	User   string // with Basic
}

// Origin is where a request came from. Address is the peer's, from the gateway's own knowledge, never from a header.
type Origin struct {
	Address   string // as lock.Address gives it
	IP        string
	UserAgent string
	RequestID string
	// API, Method and Route, the path's template, are what was asked for; a request without a Route is no use of a key.
	API, Method, Route string
	// Guard is "<API>/<stage>" of another API than rekey's own, whose registration is read with the rest; "" otherwise.
	Guard string
}

// Verdict is the judgement of one presented secret.
type Verdict struct {
	Class       Class // Allow, Malformed, Unknown, Wrong or Unusable; the authorizer makes Forbidden of some that are Allow
	Status      Status
	Credential  *Credential // nil for Malformed, and for Unknown without such an ID
	Principal   *Principal
	Role        role.Role
	Guard       *protectedapi.Guard // of Origin.Guard; nil where none is registered
	LockedUntil time.Time           // while the credential's owner is locked
	Current     bool                // the secret is the credential's current one

	parent     *Credential // of a session inside a company
	source     lock.Source
	sourceRead bool
}

// ofEmployee tells whether the credential acts for an employee: a personal access token or a session.
func (c *Credential) ofEmployee() bool {
	return c.Kind == token.PersonalAccessToken || c.Kind == token.Session
}

// noun is what the credential is called in the audit log.
func (c *Credential) noun() string {
	switch c.Kind {
	case token.PersonalAccessToken:
		return "personal_access_token"
	case token.Session:
		return "session"
	}
	return "key"
}

// Owner is whose lock the credential is under: its account, or itself where it acts for an employee. It is not inlined: the authorizer's binary has a tight bound.
//
//go:noinline
func (c *Credential) Owner() string {
	if c.ofEmployee() {
		return c.ID
	}
	return c.Names.Principal
}

// Counter is the owner's count of wrong secrets.
func (v Verdict) counter() lock.Counter {
	if v.Credential.ofEmployee() {
		return v.Credential.Lock
	}
	return v.Principal.Lock
}

// Caller is the principal with what it may do, for a verdict of class Allow.
func (v Verdict) Caller() authz.Caller {
	c, p := v.Credential, v.Principal
	caller := authz.Caller{Type: actorType(c), ID: p.ID, Name: p.Name, KeyID: c.ID, KeyPrefix: c.prefix(), KeyName: c.Name,
		KeyStatus: string(v.Status), Auth: "secret", RoleID: p.RoleID, Place: p.Place, Role: v.Role.Permissions,
		Effective: v.Role.Permissions.And(c.Scopes), OwnAccount: v.Role.OwnAccount}
	if c.Kind == token.Session {
		caller.Auth = c.auth()
		if c.Names.Company != "" { // inside that company and nowhere else, for as long as the role assumes tenants
			reach := permission.Assumed
			if !caller.Role.Has(permission.CompaniesAssume) {
				reach = permission.Set{}
			}
			caller.Place = c.Place
			caller.Role = caller.Role.And(reach)
			caller.Effective = caller.Effective.And(reach)
		}
	}
	if !c.ExpiresAt.IsZero() {
		caller.KeyExpires = c.ExpiresAt.UTC().Format(time.RFC3339)
	}
	return caller
}

// auth says how whoever holds a session proved who they are.
func (c *Credential) auth() string {
	if strings.HasPrefix(c.Names.Parent, id.Prefix[id.PAT]()) {
		return "secret"
	}
	return "passkey"
}

// InNotice tells whether the credential is within the notice of its end, so that its holder is to be told.
func (c *Credential) InNotice(now time.Time) bool {
	return !c.ExpiresAt.IsZero() && !c.NoticeFrom.IsZero() && !now.Before(c.NoticeFrom)
}

// Not inlined: the authorizer's binary has a tight bound.
//
//go:noinline
func (c *Credential) prefix() string {
	return token.Prefix(c.Kind, c.ID[len(c.Kind.IDPrefix()):])
}

func actorType(c *Credential) audit.ActorType {
	if c.ofEmployee() {
		return audit.Employee
	}
	return audit.ServiceAccount
}
