// Package role holds roles: named sets of permissions, built-in or custom.
//
// Built-in roles are code: the authorizer knows them without a read. A custom role belongs to a node and is read with every
// request, so a change of it takes effect on the next one.
package role

import (
	"strings"
	"time"

	"github.com/rekey-dev/rekey/pkg/id"
	"github.com/rekey-dev/rekey/pkg/permission"
)

// Assignee is what a role can be given to.
type Assignee string

const (
	Employee       Assignee = "employee"
	ServiceAccount Assignee = "service_account"
)

// Role is a named set of permissions.
type Role struct {
	ID           id.Role
	Name         string
	Description  string // a verdict reads none
	Permissions  permission.Set
	OwnAccount   permission.Set // the part of Permissions that reaches only the holder's own service account
	BuiltIn      bool
	AssignableTo []Assignee
	NodeID       id.Node // "" for a built-in role
	CreatedAt    time.Time
	UpdatedAt    time.Time
	Version      int64
}

// AssignableToKind tells whether the role can be given to such a principal.
func (r Role) AssignableToKind(a Assignee) bool {
	for _, x := range r.AssignableTo {
		if x == a {
			return true
		}
	}
	return false
}

// IDs of the built-in roles: "Builtin" and the name, padded with zeros to 20 characters.
const (
	Owner       id.Role = "role_BuiltinOwner00000000"
	Admin       id.Role = "role_BuiltinAdmin00000000"
	Operator    id.Role = "role_BuiltinOperator00000"
	Viewer      id.Role = "role_BuiltinViewer0000000"
	Integration id.Role = "role_BuiltinIntegration00"
	Automation  id.Role = "role_BuiltinAutomation000"
)

// IsBuiltIn tells whether an ID is in the built-in roles' range; such an ID is never read from a table.
func IsBuiltIn(r id.Role) bool { return strings.HasPrefix(string(r), "role_Builtin") }

var builtIn = [...]Role{
	{ID: Admin, Name: "admin", Permissions: permission.All,
		AssignableTo: []Assignee{Employee}},
	{ID: Automation, Name: "automation",
		Permissions: permission.Of(permission.ServiceAccountsRead, permission.KeysRead, permission.CompaniesRead,
			permission.RotationsManage, permission.AppsManage, permission.KeysRotateSelf, permission.KeysVerify,
			permission.Read.Wildcard(), permission.Execute.Wildcard()),
		OwnAccount:   permission.Of(permission.ServiceAccountsRead, permission.KeysRead),
		AssignableTo: []Assignee{ServiceAccount}},
	{ID: Integration, Name: "integration",
		Permissions: permission.Of(permission.ServiceAccountsRead, permission.KeysRead,
			permission.Read.Wildcard(), permission.Execute.Wildcard()),
		OwnAccount:   permission.Of(permission.ServiceAccountsRead, permission.KeysRead),
		AssignableTo: []Assignee{ServiceAccount}},
	{ID: Operator, Name: "operator",
		Permissions:  permission.Reading.Or(permission.Of(permission.AuditRead, permission.AppsManage)),
		AssignableTo: []Assignee{Employee}},
	{ID: Owner, Name: "owner", Permissions: permission.All, AssignableTo: []Assignee{Employee}},
	{ID: Viewer, Name: "viewer",
		Permissions:  permission.Reading,
		AssignableTo: []Assignee{Employee}},
}

// described adds what people read of a built-in role. It stands apart so that the authorizer, which shows none, does not carry
// it.
func described(r Role) Role {
	switch r.ID {
	case Admin:
		r.Description = "Everything but changing owners."
	case Automation:
		r.Description = "For a machine that runs rotations: its own account and company, rotations, apps, verification, and the read and execute scopes that its key names."
	case Integration:
		r.Description = "Least privilege: its own account and keys, and the read and execute scopes that its key names."
	case Operator:
		r.Description = "Reads everything and manages apps; issues and revokes no key."
	case Owner:
		r.Description = "Everything."
	case Viewer:
		r.Description = "Reads everything but the audit log."
	}
	r.BuiltIn = true
	return r
}

// Described is a built-in role with its description.
func Described(r id.Role) (Role, bool) {
	found, ok := BuiltIn(r)
	if !ok {
		return Role{}, false
	}
	return described(found), true
}

// BuiltIn finds a built-in role, without its description.
func BuiltIn(r id.Role) (Role, bool) {
	for _, b := range builtIn {
		if b.ID == r {
			b.BuiltIn = true
			return b, true
		}
	}
	return Role{}, false
}

// BuiltIns lists the built-in roles by name, with their descriptions.
func BuiltIns() []Role {
	out := make([]Role, 0, len(builtIn))
	for _, b := range builtIn {
		out = append(out, described(b))
	}
	return out
}
