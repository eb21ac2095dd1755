// Package place says where in the MSP's tree an object or a caller stands, and what covers what.
//
// A place is a node, given by its path from the root, or a company under a node. Access at a place covers everything below
// it. Places never move, so a place may be copied onto every object that stands there.
package place

import (
	"strings"

	"github.com/rekey-dev/rekey/pkg/id"
)

// MaxDepth is the number of nodes on the longest path, the root included.
const MaxDepth = 8

// Place is a node or, with a Company, a company under that node. The zero Place covers nothing.
type Place struct {
	Path    string // IDs of the nodes from the root to the node, joined with "/"
	Company id.Company
}

// Node returns the place's own node; "" for the zero Place. It is not inlined: the authorizer's binary has a tight bound.
//
//go:noinline
func (p Place) Node() id.Node { return id.Node(p.Path[strings.LastIndexByte(p.Path, '/')+1:]) }

// Nodes returns the path's nodes, root first.
func (p Place) Nodes() []id.Node {
	if p.Path == "" {
		return nil
	}
	var out []id.Node
	for s := range strings.SplitSeq(p.Path, "/") {
		out = append(out, id.Node(s))
	}
	return out
}

// Ancestors returns the IDs of every place that covers p, root first, p itself last.
func (p Place) Ancestors() []string {
	var out []string
	for _, n := range p.Nodes() {
		out = append(out, string(n))
	}
	if p.Company != "" {
		out = append(out, string(p.Company))
	}
	return out
}

// ID is the identifier of the place itself: its company or its node.
func (p Place) ID() string {
	if p.Company != "" {
		return string(p.Company)
	}
	return string(p.Node())
}

// Child returns the place of a node directly below p.
func (p Place) Child(n id.Node) Place { return Place{Path: p.Path + "/" + string(n)} }

// Covers tells whether access at p covers an object at q.
func (p Place) Covers(q Place) bool {
	switch {
	case p.Path == "" || q.Path == "":
		return false
	case p.Company != "":
		return p.Company == q.Company && p.Path == q.Path
	}
	return q.Path == p.Path || strings.HasPrefix(q.Path, p.Path+"/")
}
