package role

import (
	"github.com/rekey-dev/rekey/pkg/id"
	"github.com/rekey-dev/rekey/pkg/place"
)

// MaxPermissions is the most permissions of a role.
const MaxPermissions = 80

// Custom is a role that belongs to a node: it can be given at that node and everywhere below it. The node never changes.
type Custom struct {
	Role
	Place         place.Place // of its node
	CreatedBy     string
	CreatedByName string
	EventSeq      int64 // seq of the last audit record on the role
}

// Assigned is to how many principals a role is given. Only their own changes move it.
type Assigned struct{ Employees, ServiceAccounts int }

// Of is how many of a kind have the role.
func (a Assigned) Of(kind Assignee) int {
	if kind == ServiceAccount {
		return a.ServiceAccounts
	}
	return a.Employees
}

// Create puts a new role and the rows that list it. It is lost when the ID exists, its node is not there, or a role of the node
// has the name.
type Create struct{ Role Custom }

func (Create) Write() {}

// Update changes a role's name, description, permissions and what it can be given to. It is conditional on Old's version and
// event seq, and on no principal of a kind that it can no longer be given to having it; it is lost when a role of the node has the
// new name.
type Update struct{ Old, New Custom }

func (Update) Write() {}

// Dropped lists the kinds that Old can be given to and New cannot.
func (u Update) Dropped() (out []Assignee) {
	for _, kind := range u.Old.AssignableTo {
		if !u.New.AssignableToKind(kind) {
			out = append(out, kind)
		}
	}
	return out
}

// Delete removes a role. It is conditional on its version and event seq, and on nobody having it.
type Delete struct{ Old Custom }

func (Delete) Write() {}

// Assign says that a principal is given a role on the strength of what was read of it: it belongs into the very change that gives
// it, and is lost when the role is gone or has another version. It changes nothing; the principal's own write counts it.
type Assign struct {
	Role    id.Role
	Version int64
}

func (Assign) Write() {}
