// Package node holds the places of the MSP's tree.
package node

import (
	"time"

	"github.com/rekey-dev/rekey/pkg/id"
	"github.com/rekey-dev/rekey/pkg/place"
)

// Node owns employees, roles, service accounts and companies; access at a node covers its subtree. It never moves.
type Node struct {
	ID            id.Node
	ParentID      id.Node // "" for the root
	Name          string
	Place         place.Place
	CreatedBy     string
	CreatedByName string
	CreatedAt     time.Time
	UpdatedAt     time.Time
	Version       int64
	EventSeq      int64
}

// Depth is 1 for the root, at most place.MaxDepth.
func (n Node) Depth() int { return len(n.Place.Nodes()) }

// Contents counts what stands directly at a place; a place is deleted when all of it is 0. Policies are those attached to it.
type Contents struct {
	Nodes, Companies, Employees, ServiceAccounts, Calendars, Policies, Roles, ProtectedAPIs int

	// ActiveAccounts and Keys are counted for companies only: its accounts that are not revoked, and at least as many keys as it has
	// that are not revoked. Each new key is counted, its end is not: a count made anew replaces the sum (apikey.Create).
	ActiveAccounts, Keys int
}

// Create puts a new node and the rows that list it. It is lost when the ID exists, the parent does not, or a sibling has the
// name.
type Create struct{ Node Node }

func (Create) Write() {}

// Update renames a node, on condition of Old's version and event seq. It is lost, too, when a sibling has the name.
type Update struct{ Old, New Node }

func (Update) Write() {}

// Delete removes a node and the rows that list it, on condition of Old's version and event seq, and that nothing stands there.
type Delete struct{ Old Node }

func (Delete) Write() {}
