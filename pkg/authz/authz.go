// Package authz decides what a caller may do: one function over the caller, a permission and the place of an object.
package authz

import (
	"fmt"

	"github.com/rekey-dev/rekey/pkg/audit"
	"github.com/rekey-dev/rekey/pkg/fault"
	"github.com/rekey-dev/rekey/pkg/id"
	"github.com/rekey-dev/rekey/pkg/permission"
	"github.com/rekey-dev/rekey/pkg/place"
)

// Caller is an authenticated principal with what it may do now. The authorizer makes it at every request from strong
// reads; nothing of it is older than the request.
type Caller struct {
	Type       audit.ActorType
	ID         string // emp_… or sa_…
	Name       string
	KeyID      string // the credential: key_…, pat_… or ses_…
	KeyPrefix  string
	KeyName    string
	KeyExpires string // RFC 3339; "" for never
	KeyStatus  string // active or expiring
	Auth       string // secret, signed or passkey
	RoleID     id.Role
	Place      place.Place
	Role       permission.Set // what the role has
	Effective  permission.Set // what the role has and the credential carries
	OwnAccount permission.Set // the part that reaches only the caller's own account
}

// Actor is the caller as the audit log names it.
func (c Caller) Actor() audit.Actor {
	return audit.Actor{Type: c.Type, ID: c.ID, Name: c.Name, KeyID: c.KeyID, KeyPrefix: c.KeyPrefix, AssumedCompany: c.Assumed()}
}

// Assumed is the company that the caller works inside with a session opened for it; "" for everybody else. An employee stands at
// a node, so that one whose place is a company is in there for the time of a session.
func (c Caller) Assumed() id.Company {
	if c.Type != audit.Employee {
		return ""
	}
	return c.Place.Company
}

// InPerson tells whether the caller is as good as the employee: signed in with a passkey, or with a token that carries all that the
// employee's role has. What is the employee's own (passkeys, sessions, tokens) is changed by nothing less, so that a token with few
// scopes is not a way to the rest.
func (c Caller) InPerson() bool {
	return c.Type == audit.Employee && c.Assumed() == "" && (c.Auth == "passkey" || c.Effective == c.Role)
}

// NotInPerson is the refusal of a credential that carries less than its employee's role.
func NotInPerson() error {
	return &fault.Error{Kind: fault.NotGrantable,
		Detail: "This token carries less than its employee's role, and does not act on the employee's own passkeys, sessions and tokens. Sign in with a passkey, or use a token without scopes of its own."}
}

// Object is what is acted on: its place, and the service account that it is or belongs to, if any.
type Object struct {
	Place   place.Place
	Account id.ServiceAccount
	What    string // service account, key, …: for the message that there is none
}

// Check returns nil when the caller may use p on the object. Otherwise it returns not_found when the object is not even
// visible to the caller, and missing_scope or missing_permission when it is.
func (c Caller) Check(p permission.Permission, o Object) error {
	if !c.reaches(p, o) {
		return fault.Missing(o.What)
	}
	return c.Holds(p)
}

// reaches tells whether the object is visible to the caller: its place covers it and, where a service account's role gives
// the permission for its own account only or not at all, it is that account.
func (c Caller) reaches(p permission.Permission, o Object) bool {
	if !c.Place.Covers(o.Place) {
		return false
	}
	if c.Type == audit.ServiceAccount && (c.OwnAccount.Has(p) || !c.Role.Has(p)) {
		return o.Account != "" && string(o.Account) == c.ID
	}
	return true
}

// Holds returns nil when the caller holds p at its place, and a fault that tells scope from permission when not.
func (c Caller) Holds(p permission.Permission) error {
	return refusal(c.RoleID, c.Role.Has(p), c.Effective.Has(p), p)
}

// refusal is not inlined: the authorizer's binary has a bound.
//
//go:noinline
func refusal(r id.Role, inRole, held bool, p permission.Permission) error {
	switch {
	case held:
		return nil
	case inRole:
		return MissingScope(p)
	}
	return MissingPermission(r, p)
}

// HoldsScope returns nil when a role and the scopes of a credential of its holder both allow a protected scope of a kind, and a
// fault that tells scope from permission when not. It is to Holds what Allows is to Has: the kind is the API's word.
func HoldsScope(r id.Role, held, scopes permission.Set, scope permission.Permission, k permission.Kind) error {
	inRole := held.Allows(scope, k)
	return refusal(r, inRole, inRole && scopes.Allows(scope, k), scope)
}

// Grantable returns nil when the caller holds everything in s: nobody grants, or is shown a secret that carries, what they
// do not hold.
func (c Caller) Grantable(s permission.Set) error {
	lacking := s.Without(c.Effective)
	if lacking.IsEmpty() {
		return nil
	}
	return &fault.Error{Kind: fault.NotGrantable,
		Detail: "You do not hold " + lacking.Text() + " here, so you can neither grant it nor be shown a secret that carries it."}
}

// MissingScope is the 403 of a key whose role has the permission and whose scopes have not.
func MissingScope(p permission.Permission) error {
	return &fault.Error{Kind: fault.MissingScope, MissingScope: string(p), Detail: fmt.Sprintf(
		"This key lacks %s, which its account's role has. Issue a key with it, deploy it, then revoke this one.", p)}
}

// MissingPermission is the 403 of a role without the permission.
func MissingPermission(r id.Role, p permission.Permission) error {
	return &fault.Error{Kind: fault.MissingPermission, MissingPermission: string(p), Detail: fmt.Sprintf(
		"The role %s lacks %s; another key will not help.", r, p)}
}
