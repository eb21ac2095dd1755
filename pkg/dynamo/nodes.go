package dynamo

import (
	"context"

	"github.com/rekey-dev/rekey/pkg/change"
	"github.com/rekey-dev/rekey/pkg/id"
	"github.com/rekey-dev/rekey/pkg/listing"
	"github.com/rekey-dev/rekey/pkg/node"
)

// nodeRows returns the rows that list a node, at itself and at every node above it, and the reservation of its name. The root
// has no siblings.
func (s *Store) nodeRows(n node.Node) []row {
	folded := s.fold(n.Name)
	rows := listRows(listing.Nodes, n.Place, folded, string(n.ID))
	if n.ParentID != "" {
		rows = append(rows, nameRow(listing.Nodes, string(n.ParentID), folded, string(n.ID)))
	}
	return rows
}

func nodeUse(n node.Node) []use {
	if n.ParentID == "" {
		return nil
	}
	return []use{{holder: string(n.ParentID), counter: attrChildren}}
}

func (b *builder) createNode(w node.Create) {
	n := w.Node
	b.put(create(b.store.tables.Directory, nodeKey(n.ID), encodeNode(n), w, "the ID is taken"))
	b.newUse(string(n.ID), w)
	b.moveRows(w, nil, b.store.nodeRows(n))
	b.moveUses(w, nil, nodeUse(n))
}

func (b *builder) updateNode(w node.Update) {
	a := action{table: b.store.tables.Directory, key: nodeKey(w.Old.ID), item: encodeNode(w.New), write: w, reason: "the node has changed"}
	isNode(&a.expr, w.Old)
	b.put(a)
	b.moveRows(w, b.store.nodeRows(w.Old), b.store.nodeRows(w.New))
}

func (b *builder) deleteNode(w node.Delete) {
	n, table := w.Old, b.store.tables.Directory
	a := action{table: table, key: nodeKey(n.ID), delete: true, write: w, reason: "the node has changed"}
	isNode(&a.expr, n)
	b.put(a)
	b.endUse(string(n.ID), w)
	b.moveRows(w, b.store.nodeRows(n), nil)
	b.moveUses(w, nodeUse(n), nil)
}

// endUse removes the counters of a place, on condition that nothing stands there.
func (b *builder) endUse(holder string, w change.Write) {
	used := action{table: b.store.tables.Directory, key: useKey(holder), delete: true, write: w, reason: "something stands there"}
	used.expr.require(used.expr.exists(attrPK))
	for _, counter := range standing {
		used.expr.require(used.expr.isInt(counter, 0))
	}
	b.put(used)
}

// standing are the counters of what stands directly at a place.
var standing = []string{attrChildren, attrCompanies, attrEmployees, attrServiceAccounts, attrCalendars, attrPolicies, attrRoles, attrProtectedAPIs}

func isNode(e *expression, old node.Node) {
	e.require(e.exists(attrPK))
	e.require(e.isInt(attrVersion, old.Version))
	e.require(e.isInt(attrEventSeq, old.EventSeq))
}

// Nodes reads those nodes that are there, in any order: one call for up to 100.
func (s *Store) Nodes(ctx context.Context, ids []id.Node) (_ []node.Node, err error) {
	defer wrap(&err, "Store.Nodes(%d)", len(ids))
	return many(ctx, s, s.tables.Directory, unique(ids, nodeKey), decodeNode)
}

// Contents counts what stands directly at a node or a company: one read.
func (s *Store) Contents(ctx context.Context, place string) (_ node.Contents, err error) {
	defer wrap(&err, "Store.Contents(%s)", place)
	return one(ctx, s, s.tables.Directory, useKey(place), "place", decodeContents)
}

func decodeContents(it item) (node.Contents, error) {
	r := reader{it: it}
	return node.Contents{Nodes: int(r.int(attrChildren)), Companies: int(r.int(attrCompanies)), Employees: int(r.int(attrEmployees)),
		ServiceAccounts: int(r.int(attrServiceAccounts)), Calendars: int(r.int(attrCalendars)), Policies: int(r.int(attrPolicies)),
		Roles: int(r.int(attrRoles)), ProtectedAPIs: int(r.int(attrProtectedAPIs)), ActiveAccounts: int(r.int(attrActiveAccounts)),
		Keys: int(r.int(attrKeySum))}, r.err
}
