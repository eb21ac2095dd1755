// Package authz decides what a caller may do: one function over the caller, a permission and the place of an object.
package authz

import (
	"fmt"
	"strings"

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
	if c.Effective.Has(p) {
		return nil
	}
	return c.refusal(p, c.Role.Has(p), false)
}

// HoldsScope returns nil when a role and the scopes of the caller's credential both allow a protected scope of a kind, and a
// fault that tells scope from permission when not. It is to Holds what Allows is to Has: the kind is the API's word.
func (c Caller) HoldsScope(held, scopes permission.Set, scope permission.Permission, k permission.Kind) error {
	inRole := held.Allows(scope, k)
	if inRole && scopes.Allows(scope, k) {
		return nil
	}
	return c.refusal(scope, inRole, true)
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

// refusal is the 403 of a caller without p: of a credential whose role has it, or of a role that has it not. A session inside a company
// is told what it can never do there, whatever the role has; a protected scope is nothing of that kind. It is not inlined: the
// authorizer's binary has a bound.
//
//go:noinline
func (c Caller) refusal(p permission.Permission, inRole, protected bool) error {
	if inRole {
		return c.missingScope(p)
	}
	text := "The role %s lacks %s; another key will not help."
	if c.Assumed() != "" {
		switch {
		case !protected && !permission.Assumed.Has(p):
			return missingPermission(p, fmt.Sprintf("This session is inside one company and cannot do %s there. Use the credential that opened it.", p))
		case c.Role.IsEmpty():
			text = "The role %s lacks companies:assume or %s; a session inside a company needs both."
		}
	}
	return missingPermission(p, fmt.Sprintf(text, c.RoleID, p))
}

// missingScope is the 403 of a credential without a permission that its role has.
func (c Caller) missingScope(p permission.Permission) error {
	text, noun := "This %s lacks %s, which its account's role has. Issue a key with it, deploy it, then revoke this one.", "key"
	if c.Type == audit.Employee {
		text, noun = "This %s lacks %s, which its employee's role has. Make a token with it, or sign in with a passkey.", "token"
		if strings.HasPrefix(c.KeyID, id.Prefix[id.Session]()) {
			noun = "session"
		}
	}
	return &fault.Error{Kind: fault.MissingScope, MissingScope: string(p), Detail: fmt.Sprintf(text, noun, p)}
}

func missingPermission(p permission.Permission, detail string) error {
	return &fault.Error{Kind: fault.MissingPermission, MissingPermission: string(p), Detail: detail}
}
