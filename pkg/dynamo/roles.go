package dynamo

import (
	"context"
	"strings"

	"github.com/rekey-dev/rekey/pkg/fault"
	"github.com/rekey-dev/rekey/pkg/id"
	"github.com/rekey-dev/rekey/pkg/listing"
	"github.com/rekey-dev/rekey/pkg/role"
)

// encodeRole holds what a verdict reads.
func encodeRole(c role.Custom) item {
	it := newItem(roleKey(c.ID), typeRole)
	it.string(attrName, c.Name)
	it.string(attrPermissions, c.Permissions.Text())
	it.string(attrOwnAccount, c.OwnAccount.Text())
	it.string(attrParent, string(c.NodeID))
	kinds := make([]string, len(c.AssignableTo))
	for i, kind := range c.AssignableTo {
		kinds[i] = string(kind)
	}
	it.string(attrAssignableTo, strings.Join(kinds, " "))
	it.time(attrCreatedAt, c.CreatedAt)
	it.time(attrUpdatedAt, c.UpdatedAt)
	it.int(attrVersion, c.Version)
	it.int(attrEventSeq, c.EventSeq)
	return it
}

// encodeRoleAbout holds the rest; it is always there, for the place.
func encodeRoleAbout(c role.Custom) item {
	it := newItem(roleAboutKey(c.ID), typeRoleAbout)
	it.place(c.Place)
	it.string(attrDescription, c.Description)
	it.string(attrCreatedBy, c.CreatedBy)
	it.string(attrCreatedByName, c.CreatedByName)
	return it
}

// addToRole decodes either of the items of a role into it.
func addToRole(c *role.Custom, it item) error {
	r := &reader{it: it}
	if r.string(attrType) == typeRoleAbout {
		c.Place, c.Description = r.place(), r.string(attrDescription)
		c.CreatedBy, c.CreatedByName = r.string(attrCreatedBy), r.string(attrCreatedByName)
		return r.err
	}
	held, err := readRole(r)
	if err != nil {
		return err
	}
	held.Description = c.Description
	c.Role, c.EventSeq = *held, r.int(attrEventSeq)
	return r.err
}

// roleRows returns the rows that list a role: at its node and every node above, once more at its node alone for those who look
// up from below, and the reservation of its name.
func (s *Store) roleRows(c role.Custom) []row {
	folded, at := s.fold(c.Name), c.Place.ID()
	return append(listRows(listing.Roles, c.Place, folded, string(c.ID)),
		row{key: rowKey(listing.RolesAt, at, folded, string(c.ID)), typ: typeRow, id: string(c.ID), place: at, taken: "it is listed already"},
		nameRow(listing.Roles, at, folded, string(c.ID)))
}

func roleUse(c role.Custom) []use { return []use{{holder: c.Place.ID(), counter: attrRoles}} }

func (b *builder) createRole(w role.Create) {
	c, table := w.Role, b.store.tables.Identity
	b.put(create(table, roleKey(c.ID), encodeRole(c), w, "the ID is taken"))
	b.put(create(table, roleAboutKey(c.ID), encodeRoleAbout(c), w, "the ID is taken"))
	b.newUse(string(c.ID), w)
	b.moveRows(w, nil, b.store.roleRows(c))
	b.moveUses(w, nil, roleUse(c))
}

func (b *builder) updateRole(w role.Update) {
	table := b.store.tables.Identity
	a := action{table: table, key: roleKey(w.Old.ID), item: encodeRole(w.New), write: w, reason: "the role has changed"}
	isRole(&a.expr, w.Old)
	b.put(a)
	// The role's own condition, in the same transaction, says that what was written about it is what is there.
	if after := encodeRoleAbout(w.New); !sameItem(encodeRoleAbout(w.Old), after) {
		about := action{table: table, key: roleAboutKey(w.Old.ID), item: after, write: w, reason: "what is written about the role has changed"}
		about.expr.require(about.expr.exists(attrPK))
		b.put(about)
	}
	if dropped := w.Dropped(); len(dropped) > 0 {
		held := action{table: b.store.tables.Directory, key: useKey(string(w.Old.ID)), write: w, reason: "somebody has the role"}
		held.expr.require(held.expr.exists(attrPK))
		for _, kind := range dropped {
			held.expr.require(held.expr.isInt(assignments(kind), 0))
		}
		b.put(held)
	}
	b.moveRows(w, b.store.roleRows(w.Old), b.store.roleRows(w.New))
}

func (b *builder) deleteRole(w role.Delete) {
	c, table := w.Old, b.store.tables.Identity
	a := action{table: table, key: roleKey(c.ID), delete: true, write: w, reason: "the role has changed"}
	isRole(&a.expr, c)
	b.put(a)
	b.put(action{table: table, key: roleAboutKey(c.ID), delete: true, write: w})
	held := action{table: b.store.tables.Directory, key: useKey(string(c.ID)), delete: true, write: w, reason: "somebody has the role"}
	held.expr.require(held.expr.exists(attrPK))
	held.expr.require(held.expr.isInt(attrEmployees, 0))
	held.expr.require(held.expr.isInt(attrServiceAccounts, 0))
	b.put(held)
	b.moveRows(w, b.store.roleRows(c), nil)
	b.moveUses(w, roleUse(c), nil)
}

// assignRole is the mere condition that a role is as it was read.
func (b *builder) assignRole(w role.Assign) {
	a := action{table: b.store.tables.Identity, key: roleKey(w.Role), write: w, reason: "the role has changed"}
	a.expr.require(a.expr.exists(attrPK))
	a.expr.require(a.expr.isInt(attrVersion, w.Version))
	b.put(a)
}

func isRole(e *expression, old role.Custom) {
	e.require(e.exists(attrPK))
	e.require(e.isInt(attrVersion, old.Version))
	e.require(e.isInt(attrEventSeq, old.EventSeq))
}

// assignments is the counter of a role's assignments to a kind of principal.
func assignments(kind role.Assignee) string {
	if kind == role.ServiceAccount {
		return attrServiceAccounts
	}
	return attrEmployees
}

// Role reads a custom role: one query.
func (s *Store) Role(ctx context.Context, r id.Role) (_ role.Custom, err error) {
	defer wrap(&err, "Store.Role(%s)", r)
	var out role.Custom
	about, held := roleAboutKey(r), roleKey(r) // neighbours: nothing else sorts between them
	err = s.all(ctx, query{table: s.tables.Identity, pk: held.pk, from: about.sk, to: held.sk}, func(it item) error {
		return addToRole(&out, it)
	})
	if err == nil && out.ID == "" {
		err = fault.Missing("role")
	}
	return out, err
}

// Roles reads those custom roles that are there, in any order: one call for up to 50.
func (s *Store) Roles(ctx context.Context, ids []id.Role) (_ []role.Custom, err error) {
	defer wrap(&err, "Store.Roles(%d)", len(ids))
	items, err := many(ctx, s, s.tables.Identity, append(unique(ids, roleKey), unique(ids, roleAboutKey)...), func(it item) (item, error) { return it, nil })
	if err != nil {
		return nil, err
	}
	byID := make(map[string]*role.Custom, len(ids))
	for _, it := range items {
		r := reader{it: it}
		pk := r.string(attrPK)
		if byID[pk] == nil {
			byID[pk] = &role.Custom{}
		}
		if err := addToRole(byID[pk], it); err != nil {
			return nil, err
		}
	}
	out := make([]role.Custom, 0, len(byID))
	for _, c := range byID {
		if c.ID != "" && c.Place.Path != "" { // two batches may see a role on both sides of its deletion
			out = append(out, *c)
		}
	}
	return out, nil
}

// Assigned counts who has a custom role: one read.
func (s *Store) Assigned(ctx context.Context, r id.Role) (_ role.Assigned, err error) {
	defer wrap(&err, "Store.Assigned(%s)", r)
	return one(ctx, s, s.tables.Directory, useKey(string(r)), "role", func(it item) (role.Assigned, error) {
		r := reader{it: it}
		return role.Assigned{Employees: int(r.int(attrEmployees)), ServiceAccounts: int(r.int(attrServiceAccounts))}, r.err
	})
}
