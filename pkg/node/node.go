// Package node holds the places of the MSP's tree.
package node

import (
	"time"

	"github.com/rekey-dev/rekey/pkg/id"
	"github.com/rekey-dev/rekey/pkg/place"
)

// Node owns employees, roles, service accounts and companies; access at a node covers its subtree.
type Node struct {
	ID        id.Node
	ParentID  id.Node // "" for the root
	Name      string
	Place     place.Place
	CreatedAt time.Time
	UpdatedAt time.Time
	Version   int64
	EventSeq  int64
}

// Depth is 1 for the root, at most place.MaxDepth.
func (n Node) Depth() int { return len(n.Place.Nodes()) }

// Create puts a new node. It is lost when the ID exists or a sibling has the name.
type Create struct{ Node Node }

func (Create) Write() {}
