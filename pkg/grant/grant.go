// Package grant is the use cases of roles: who may put which permissions together, and give them to whom.
//
// A custom role belongs to a node. It can be given there and below; who stands below sees it and changes nothing of it; elsewhere
// it does not exist. Nobody puts a permission into a role, changes a role that has one, or gives it, without holding it. Whoever
// has a role is of a kind that it can be given to, and a role that service accounts can be given has nothing that they can never
// hold: so it is when a role is made, changed and given, in every order, because a role is given on condition that it is as it was read,
// and ceases to be for a kind on condition that none of that kind has it.
//
// The package knows roles and places; of principals it knows the kinds.
package grant

import (
	"context"
	"io"
	"slices"
	"time"

	"github.com/rekey-dev/rekey/pkg/audit"
	"github.com/rekey-dev/rekey/pkg/authz"
	"github.com/rekey-dev/rekey/pkg/call"
	"github.com/rekey-dev/rekey/pkg/change"
	"github.com/rekey-dev/rekey/pkg/fault"
	"github.com/rekey-dev/rekey/pkg/id"
	"github.com/rekey-dev/rekey/pkg/node"
	"github.com/rekey-dev/rekey/pkg/permission"
	"github.com/rekey-dev/rekey/pkg/place"
	"github.com/rekey-dev/rekey/pkg/protectedapi"
	"github.com/rekey-dev/rekey/pkg/role"
)

// Store is what the use cases of roles read and write. Reads are strongly consistent; a role or node that is not there is a fault
// of kind not_found; a store that does not answer is a fault of kind unavailable.
type Store interface {
	Node(ctx context.Context, n id.Node) (node.Node, error)
	Role(ctx context.Context, r id.Role) (role.Custom, error)
	// Roles reads those that are there, in any order.
	Roles(ctx context.Context, ids []id.Role) ([]role.Custom, error)
	// Assigned counts who has a role.
	Assigned(ctx context.Context, r id.Role) (role.Assigned, error)
	protectedapi.Holdings
	protectedapi.Lister
	// Deny puts the record of a refusal; that it is there already is no error.
	Deny(ctx context.Context, event audit.Event) error
	// Commit carries out a change or none of it: see change.Set.
	Commit(ctx context.Context, s change.Set) error
}

// Service is the use cases of roles. Its fields are set once; it may be used by many goroutines.
type Service struct {
	Store Store
	Fold  func(name string) string // the form in which names are compared
	Now   func() time.Time
	Rand  io.Reader
}

func object(p place.Place) authz.Object { return authz.Object{Place: p, What: "role"} }

// above tells whether a role is of the caller's own node or of one above it: it can be given at the caller's place.
func above(c authz.Caller, r role.Custom) bool { return slices.Contains(c.Place.Nodes(), r.NodeID) }

// visible returns nil when the caller may see a role: a built-in one, one of its own node, of a node below or of one above.
func visible(c authz.Caller, r role.Custom) error {
	if r.BuiltIn || above(c, r) {
		return c.Holds(permission.RolesRead)
	}
	return c.Check(permission.RolesRead, object(r.Place))
}

// seen is what a caller is shown of a role that it may see: of one of a node above everything but who made it.
func seen(c authz.Caller, r role.Custom) role.Custom {
	if !c.Place.Covers(r.Place) {
		r.CreatedBy, r.CreatedByName = "", ""
	}
	return r
}

// mayChange returns nil when the caller may use p on a custom role. One of a node above is seen and not changed.
func mayChange(c authz.Caller, p permission.Permission, r role.Custom) error {
	err := c.Check(p, object(r.Place))
	if !fault.Is(err, fault.NotFound) || !above(c, r) {
		return err
	}
	if err := c.Holds(p); err != nil {
		return err
	}
	return &fault.Error{Kind: fault.MissingPermission, MissingPermission: string(p),
		Detail: "The role belongs to a node above yours: it can be used here, and is changed there."}
}

// load reads a role, built-in or custom.
func (s *Service) load(ctx context.Context, r id.Role) (role.Custom, error) {
	if built, ok := role.Described(r); ok {
		return role.Custom{Role: built}, nil
	}
	if role.IsBuiltIn(r) {
		return role.Custom{}, fault.Missing("role")
	}
	return s.Store.Role(ctx, r)
}

// Get returns a role that the caller may see.
func (s *Service) Get(ctx context.Context, c call.Call, r id.Role) (role.Custom, error) {
	if err := c.Caller.Holds(permission.RolesRead); err != nil {
		return role.Custom{}, err
	}
	found, err := s.load(ctx, r)
	if err == nil {
		err = visible(c.Caller, found)
	}
	if err != nil {
		return role.Custom{}, err
	}
	return seen(c.Caller, found), nil
}

// begin is the first part of a change of a role: it is there, the caller may, the call is new, the role is as the caller saw it.
// A refusal is recorded.
func (s *Service) begin(ctx context.Context, c call.Call, r id.Role, p permission.Permission, action string) (role.Custom, error) {
	found, err := s.load(ctx, r)
	if err != nil {
		return role.Custom{}, err
	}
	if found.BuiltIn {
		if err := c.Caller.Holds(p); err != nil {
			return role.Custom{}, err
		}
		return role.Custom{}, fault.New(fault.Conflict, "The role is built in and stays as it is. Create one of your own with what you need.")
	}
	if err := mayChange(c.Caller, p, found); err != nil {
		return role.Custom{}, c.Deny(ctx, s.Store.Deny, s.event(c, "", s.Now(), action, found), err)
	}
	if err := c.Idempotency.Check(); err != nil {
		return role.Custom{}, err
	}
	return found, c.Match.Check(string(found.ID), found.Version)
}

func (s *Service) event(c call.Call, op id.Operation, now time.Time, action string, of role.Custom) audit.Event {
	e := c.Event(id.New[id.Event](s.Rand), op, now)
	e.Action, e.Place, e.Seq = action, of.Place, of.EventSeq
	e.Target = audit.Target{Type: "role", ID: string(of.ID), Name: of.Name}
	return e
}

// Roles reads custom roles as they are now, nil for one that is not there, and what tells whether a caller holds the protected scopes
// that they name.
type Roles interface{ protectedapi.Holdings }

// Assign checks that a caller can give a role to a principal of a kind at a place, which the caller is known to cover, and returns
// what the change that gives it has to begin with; nothing for a built-in role. Lost to another change of the role, that is to be
// tried again from here. The role of an owner is given at the MSP's root node only. Its faults are not_grantable, and invalid with the
// pointer /role_id.
func Assign(ctx context.Context, roles Roles, c authz.Caller, r id.Role, to role.Assignee, at place.Place) ([]change.Write, error) {
	held, ok := role.BuiltIn(r)
	var as []change.Write
	if !ok {
		var custom *role.Role
		if _, isID := id.Parse[id.Role](string(r)); isID && !role.IsBuiltIn(r) {
			var err error
			if custom, err = roles.CustomRole(ctx, r); err != nil {
				return nil, err
			}
		}
		if custom == nil || !slices.Contains(at.Nodes(), custom.NodeID) {
			return nil, fault.InvalidField("/role_id", "is no role") // nor is one of a node that is not above the principal
		}
		held, as = *custom, []change.Write{role.Assign{Role: r, Version: custom.Version}}
	}
	if !held.AssignableToKind(to) {
		whom := "an employee"
		if to == role.ServiceAccount {
			whom = "a service account"
		}
		return nil, fault.InvalidField("/role_id", "is a role that cannot be given to "+whom)
	}
	if forbidden := held.Permissions.Without(permission.Machine); to == role.ServiceAccount && !forbidden.IsEmpty() {
		return nil, fault.InvalidField("/role_id", "has "+forbidden.Text()+", which a service account can never hold")
	}
	if to == role.ServiceAccount { // there a wildcard grants nothing by itself: keys name scopes, each granted by who issues the key
		held.Permissions = held.Permissions.WithoutWildcards()
	}
	if err := gives(ctx, roles, c, held); err != nil {
		return nil, err
	}
	if held.ID == role.Owner && len(at.Nodes()) > 1 { // one below would count as an owner, and could not stand in for the last at the root
		return nil, fault.InvalidField("/role_id", "is the owner's, who stands at the root node of the MSP and nowhere below")
	}
	return as, nil
}

// gives returns nil when a caller may give a role: it holds all that the role has, and an owner is made by an owner. An admin holds
// as much, so that permissions alone do not tell the two apart.
func gives(ctx context.Context, roles Roles, c authz.Caller, r role.Role) error {
	if r.ID == role.Owner && c.RoleID != role.Owner {
		return fault.New(fault.NotGrantable, "Only an owner makes an owner, and changes one.")
	}
	return protectedapi.Grantable(ctx, roles, c, r.Permissions)
}

// Over returns nil when a caller could give the role that an employee has: so much it takes to change the employee, or what acts for
// it. Its fault is not_grantable.
func Over(ctx context.Context, roles Roles, c authz.Caller, has id.Role) error {
	held, ok := role.BuiltIn(has)
	if !ok {
		custom, err := roles.CustomRole(ctx, has)
		if err != nil {
			return err
		}
		if custom != nil { // one that is not there gives nothing
			held = *custom
		}
	}
	return gives(ctx, roles, c, held)
}
