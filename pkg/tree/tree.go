// Package tree is the use cases of nodes: the MSP's tree, in which everything else has its place.
//
// The tree grows at its leaves and loses them there. A node never moves, so that a place may be copied onto whatever stands
// there; it is deleted when nothing does. Both are decided by counters beside the nodes, in the transaction that moves them: of
// a deletion and a creation below at the same moment one wins.
package tree

import (
	"context"
	"errors"
	"io"
	"slices"
	"time"

	"github.com/rekey-dev/rekey/pkg/audit"
	"github.com/rekey-dev/rekey/pkg/authz"
	"github.com/rekey-dev/rekey/pkg/call"
	"github.com/rekey-dev/rekey/pkg/change"
	"github.com/rekey-dev/rekey/pkg/fault"
	"github.com/rekey-dev/rekey/pkg/id"
	"github.com/rekey-dev/rekey/pkg/listing"
	"github.com/rekey-dev/rekey/pkg/name"
	"github.com/rekey-dev/rekey/pkg/node"
	"github.com/rekey-dev/rekey/pkg/permission"
	"github.com/rekey-dev/rekey/pkg/place"
)

// Store is what the use cases of nodes read and write. Reads are strongly consistent; a node that is not there is a fault of
// kind not_found; a store that does not answer is a fault of kind unavailable.
type Store interface {
	Node(ctx context.Context, n id.Node) (node.Node, error)
	// Nodes reads those that are there, in any order.
	Nodes(ctx context.Context, ids []id.Node) ([]node.Node, error)
	// Contents counts what stands directly at a node or a company.
	Contents(ctx context.Context, place string) (node.Contents, error)
	List(ctx context.Context, q listing.Query) (listing.Page, error)
	// Deny puts the record of a refusal; that it is there already is no error.
	Deny(ctx context.Context, event audit.Event) error
	// Commit carries out a change or none of it: see change.Set.
	Commit(ctx context.Context, s change.Set) error
}

// Service is the use cases of nodes. Its fields are set once; it may be used by many goroutines.
type Service struct {
	Store Store
	Now   func() time.Time
	Rand  io.Reader
}

func object(p place.Place) authz.Object { return authz.Object{Place: p, What: "node"} }

// Get returns a node that the caller may see.
func (s *Service) Get(ctx context.Context, c call.Call, n id.Node) (node.Node, error) {
	found, err := s.Store.Node(ctx, n)
	if err != nil {
		return node.Node{}, err
	}
	return found, c.Caller.Check(permission.NodesRead, object(found.Place))
}

// Filter narrows a list of nodes; at most one of its members is set.
type Filter struct {
	Parent id.Node // only the nodes directly below it
	Query  string  // case-insensitive prefix of the name, or an exact ID
}

// List lists the caller's node and every one below it, by name; next is "" at the end.
func (s *Service) List(ctx context.Context, c call.Call, f Filter, after string, limit int) (nodes []node.Node, next string, err error) {
	if err := c.Caller.Holds(permission.NodesRead); err != nil {
		return nil, "", err
	}
	at := c.Caller.Place
	if f.Parent != "" {
		parent, err := s.Store.Node(ctx, f.Parent)
		if err == nil && !at.Covers(parent.Place) {
			err = fault.Missing("node")
		}
		if err != nil {
			return nil, "", err
		}
		at = parent.Place
	}
	if at.Company != "" || c.Caller.Type == audit.ServiceAccount && c.Caller.OwnAccount.Has(permission.NodesRead) {
		return nil, "", nil // no node stands in a company
	}
	if n, ok := id.Parse[id.Node](f.Query); ok {
		found, err := s.Store.Nodes(ctx, []id.Node{n})
		return slices.DeleteFunc(found, func(n node.Node) bool { return !at.Covers(n.Place) }), "", err
	}
	q := listing.Query{Noun: listing.Nodes, Place: at.ID(), Direct: f.Parent != "", Prefix: f.Query, After: after}
	return listing.Collect(ctx, s.Store.List, q, limit, func(rows listing.Page) ([]node.Node, error) {
		if len(rows.Rows) == 0 {
			return nil, nil
		}
		ids := make([]id.Node, len(rows.Rows))
		for i, r := range rows.Rows {
			ids[i] = id.Node(r.ID)
		}
		found, err := s.Store.Nodes(ctx, ids)
		slices.SortFunc(found, func(a, b node.Node) int { return slices.Index(ids, a.ID) - slices.Index(ids, b.ID) })
		return found, err
	})
}

// New is the input of creating a node.
type New struct {
	Parent id.Node
	Name   string
}

// Create makes a node below another. Atomic: the node, its name's uniqueness among its siblings, the parent's count, the audit
// record and the idempotency record.
func (s *Service) Create(ctx context.Context, c call.Call, in New) (node.Node, error) {
	return change.Retry(func() (node.Node, error) {
		parent, err := s.Store.Node(ctx, in.Parent)
		if err != nil {
			return node.Node{}, err
		}
		now, op, own := s.Now(), id.New[id.Operation](s.Rand), id.New[id.Node](s.Rand)
		n := node.Node{ID: own, ParentID: parent.ID, Name: in.Name, Place: parent.Place.Child(own), CreatedBy: c.Caller.ID,
			CreatedByName: c.Caller.Name, CreatedAt: now, UpdatedAt: now, Version: 1, EventSeq: 1}
		e := s.event(c, op, now, audit.NodeCreated, n)
		refused := e
		refused.Place, refused.Target = parent.Place, audit.Target{Type: "node", ID: string(parent.ID), Name: parent.Name}
		if err := c.Caller.Check(permission.NodesCreate, object(parent.Place)); err != nil {
			return node.Node{}, c.Deny(ctx, s.Store.Deny, refused, err)
		}
		if err := c.Idempotency.Check(); err != nil {
			return node.Node{}, err
		}
		if problem := name.Check(in.Name); problem != "" {
			return node.Node{}, fault.InvalidField("/name", problem)
		}
		if n.Depth() > place.MaxDepth {
			return node.Node{}, fault.InvalidField("/parent_id", "is 8 deep, and no node is deeper")
		}
		record, err := c.Idempotency.Record(op, now, n, nil)
		if err != nil {
			return node.Node{}, err
		}
		err = change.Settle(s.Store.Commit(ctx, change.Set{Operation: op, At: now, Idempotency: record, Events: []audit.Event{e},
			Writes: []change.Write{node.Create{Node: n}}}), c.Idempotency)
		var lost *change.Lost
		if errors.As(err, &lost) {
			if _, ok := lost.Write.(node.Create); ok {
				if _, gone := s.Store.Node(ctx, in.Parent); gone != nil {
					return node.Node{}, gone
				}
				return node.Node{}, nameTaken()
			}
		}
		return n, err
	})
}

func nameTaken() error {
	return fault.New(fault.Conflict, "A node with this name is there already. Names are compared without regard to case.")
}

// Rename gives a node another name; nil leaves it. Atomic: the node, the rows that list it, and the audit record.
func (s *Service) Rename(ctx context.Context, c call.Call, n id.Node, to *string) (node.Node, error) {
	return change.Retry(func() (node.Node, error) {
		old, err := s.begin(ctx, c, n, permission.NodesUpdate, audit.NodeUpdated)
		if err != nil || to == nil || *to == old.Name {
			return old, err
		}
		if problem := name.Check(*to); problem != "" {
			return node.Node{}, fault.InvalidField("/name", problem)
		}
		now, op, next := s.Now(), id.New[id.Operation](s.Rand), old
		next.Name, next.UpdatedAt = *to, now
		next.Version++
		next.EventSeq++
		e := s.event(c, op, now, audit.NodeUpdated, next)
		e.Details = map[string]any{"changed": []string{"name"}}
		err = s.Store.Commit(ctx, change.Set{Operation: op, At: now, Events: []audit.Event{e}, Writes: []change.Write{node.Update{Old: old, New: next}}})
		if errors.Is(err, change.ErrLost) {
			if again, readErr := s.Store.Node(ctx, n); readErr == nil && again.Version == old.Version && again.EventSeq == old.EventSeq {
				return node.Node{}, nameTaken()
			}
		}
		return next, err
	})
}

// Delete removes a node at which nothing stands; otherwise it is in use, and what is left is named. Its name can be used again,
// its audit records stay. Atomic: the node, its name, the parent's count and the audit record, on condition that nothing stands
// there.
func (s *Service) Delete(ctx context.Context, c call.Call, n id.Node) error {
	_, err := change.Retry(func() (struct{}, error) {
		old, err := s.begin(ctx, c, n, permission.NodesDelete, audit.NodeDeleted)
		if err != nil {
			return struct{}{}, err
		}
		if old.ParentID == "" {
			return struct{}{}, fault.New(fault.Conflict, "The root of the tree stays.")
		}
		contents, err := s.Store.Contents(ctx, string(n))
		if err != nil {
			return struct{}{}, err
		}
		if left := Left(contents); len(left) > 0 {
			if err := s.name(ctx, n, left); err != nil {
				return struct{}{}, err
			}
			return struct{}{}, &fault.Error{Kind: fault.InUse, BlockedBy: left, Detail: "The node is not empty. Delete what stands there first."}
		}
		now, op := s.Now(), id.New[id.Operation](s.Rand)
		gone := old
		gone.EventSeq++
		return struct{}{}, s.Store.Commit(ctx, change.Set{Operation: op, At: now, Events: []audit.Event{s.event(c, op, now, audit.NodeDeleted, gone)},
			Writes: []change.Write{node.Delete{Old: old}}})
	})
	return err
}

// Left names what stands at a place, for the message that it is in use.
func Left(c node.Contents) (out []fault.Blocker) {
	for _, one := range []fault.Blocker{{Type: "node", Count: c.Nodes}, {Type: "company", Count: c.Companies}, {Type: "employee", Count: c.Employees},
		{Type: "service_account", Count: c.ServiceAccounts}, {Type: "calendar", Count: c.Calendars}, {Type: "rotation_policy", Count: c.Policies},
		{Type: "role", Count: c.Roles}, {Type: "protected_api", Count: c.ProtectedAPIs}} {
		if one.Count > 0 {
			out = append(out, one)
		}
	}
	return out
}

// listed are the lists in which what stands at a node is found.
var listed = map[string]listing.Noun{"node": listing.Nodes, "company": listing.Companies, "employee": listing.Employees, "service_account": listing.ServiceAccounts, "calendar": listing.Calendars}

// name adds the IDs of the first ten of what stands at a node, where there is a list of it.
func (s *Service) name(ctx context.Context, n id.Node, left []fault.Blocker) error {
	for i, b := range left {
		noun, ok := listed[b.Type]
		if !ok {
			continue
		}
		page, err := s.Store.List(ctx, listing.Query{Noun: noun, Place: string(n), Direct: true, Limit: 10})
		if err != nil {
			return err
		}
		for _, row := range page.Rows {
			left[i].IDs = append(left[i].IDs, row.ID)
		}
	}
	return nil
}

// begin is the first part of a change of a node: it is there, the caller may, the call is new, the node is as the caller saw it.
// A refusal is recorded.
func (s *Service) begin(ctx context.Context, c call.Call, n id.Node, p permission.Permission, action string) (node.Node, error) {
	found, err := s.Store.Node(ctx, n)
	if err != nil {
		return node.Node{}, err
	}
	if err := c.Caller.Check(p, object(found.Place)); err != nil {
		return node.Node{}, c.Deny(ctx, s.Store.Deny, s.event(c, "", s.Now(), action, found), err)
	}
	if err := c.Idempotency.Check(); err != nil {
		return node.Node{}, err
	}
	return found, c.Match.Check(string(found.ID), found.Version)
}

func (s *Service) event(c call.Call, op id.Operation, now time.Time, action string, n node.Node) audit.Event {
	e := c.Event(id.New[id.Event](s.Rand), op, now)
	e.Action, e.Place, e.Seq = action, n.Place, n.EventSeq
	e.Target = audit.Target{Type: "node", ID: string(n.ID), Name: n.Name}
	return e
}
