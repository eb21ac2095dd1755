package storetest

import (
	"fmt"
	"strings"
	"time"

	"github.com/rekey-dev/rekey/pkg/audit"
	"github.com/rekey-dev/rekey/pkg/change"
	"github.com/rekey-dev/rekey/pkg/employee"
	"github.com/rekey-dev/rekey/pkg/id"
	"github.com/rekey-dev/rekey/pkg/listing"
	"github.com/rekey-dev/rekey/pkg/node"
	"github.com/rekey-dev/rekey/pkg/permission"
	"github.com/rekey-dev/rekey/pkg/place"
	"github.com/rekey-dev/rekey/pkg/role"
	"github.com/rekey-dev/rekey/pkg/serviceaccount"
	"github.com/rekey-dev/rekey/pkg/verify"
)

func (w *world) newRole(name string, at place.Place) role.Custom {
	return role.Custom{Role: role.Role{ID: newID[id.Role](), Name: name, Description: "reads\nwhat it may",
		Permissions: permission.Of(permission.KeysRead, permission.AuditRead), AssignableTo: []role.Assignee{role.Employee, role.ServiceAccount},
		NodeID: at.Node(), CreatedAt: w.now, UpdatedAt: w.now, Version: 1}, Place: at, CreatedBy: "emp_00000000000000000001",
		CreatedByName: "Ada Lovelace", EventSeq: 1}
}

func (w *world) onRole(r role.Custom, seq int64) audit.Event {
	e := w.happened("role", string(r.ID), seq)
	e.Place = r.Place
	return e
}

func (w *world) roleMade(r role.Custom) change.Set {
	return w.set(w.onRole(r, 1), role.Create{Role: r})
}

func (w *world) role(name string, at place.Place) role.Custom {
	w.t.Helper()
	r := w.newRole(name, at)
	w.commit(w.roleMade(r))
	return r
}

func (w *world) editRole(old role.Custom, f func(*role.Custom)) (role.Custom, change.Set) {
	n := old
	n.Version++
	n.EventSeq++
	n.UpdatedAt = w.now.Add(time.Hour)
	f(&n)
	return n, w.set(w.onRole(old, n.EventSeq), role.Update{Old: old, New: n})
}

func (w *world) roleDeletion(r role.Custom) change.Set {
	return w.set(w.onRole(r, r.EventSeq+1), role.Delete{Old: r})
}

func (w *world) readRole(r id.Role) role.Custom {
	w.t.Helper()
	got, err := w.store.Role(w.ctx, r)
	w.NoError(err)
	return got
}

// assigned is an account that is given a role as it was read.
func (w *world) assigned(r role.Custom, at place.Place) (serviceaccount.Account, change.Set) {
	a := w.newAccount(string(newID[id.Operation]()), at)
	a.RoleID = r.ID
	return a, w.set(w.onAccount(a, 1), role.Assign{Role: r.ID, Version: r.Version}, serviceaccount.Create{Account: a})
}

func (w *world) has(r role.Custom, want role.Assigned) {
	w.t.Helper()
	got, err := w.store.Assigned(w.ctx, r.ID)
	w.NoError(err)
	w.Equal(want, got)
}

// inVerdict is a role as a verdict reads it: without what is only written about it.
func inVerdict(r role.Custom) *role.Role {
	out := r.Role
	out.Description = ""
	return &out
}

var onlyEmployees = func(n *role.Custom) { n.AssignableTo = []role.Assignee{role.Employee} }

var roleTests = []test{
	{"a role is read as it was written, and a verdict reads what it needs", func(w *world) {
		r := w.newRole("Backup reader", w.below)
		names := verify.Names{Principal: string(newID[id.ServiceAccount]()), Role: r.ID}
		_, err := w.store.Role(w.ctx, r.ID)
		w.notFound(err)
		_, err = w.store.Assigned(w.ctx, r.ID)
		w.notFound(err)
		none, err := w.store.CustomRole(w.ctx, r.ID)
		w.NoError(err)
		w.Nil(none)
		w.Nil(w.snapshot("", names).Role)
		w.Nil(w.snapshot("", verify.Names{Principal: names.Principal, Role: role.Owner}).Role)

		r.OwnAccount = permission.Of(permission.KeysRead)
		w.commit(w.roleMade(r))
		w.same(r, w.readRole(r.ID))
		w.same(inVerdict(r), w.snapshot("", names).Role)
		got, err := w.store.CustomRole(w.ctx, r.ID)
		w.NoError(err)
		w.same(inVerdict(r), got)
		w.lost(w.roleMade(r), role.Create{})

		bare := w.newRole("Bare", w.root)
		bare.Description, bare.Permissions, bare.CreatedBy, bare.CreatedByName = "", permission.Set{}, "", ""
		w.commit(w.roleMade(bare))
		w.same(bare, w.readRole(bare.ID))
		all, err := w.store.Roles(w.ctx, []id.Role{bare.ID, newID[id.Role](), r.ID})
		w.NoError(err)
		w.Len(all, 2)
		for _, one := range all {
			w.same(map[id.Role]role.Custom{r.ID: r, bare.ID: bare}[one.ID], one)
		}
		nothing, err := w.store.Roles(w.ctx, nil)
		w.NoError(err)
		w.Empty(nothing)
	}},
	{"a role is changed as it was read, and the next verdict reads the change", func(w *world) {
		r := w.role("Reader", w.below)
		other := w.role("Writer", w.below)
		w.role("Writer", w.root) // another node's
		names := verify.Names{Principal: string(newID[id.ServiceAccount]()), Role: r.ID}
		for i := range 10 {
			n, set := w.editRole(r, func(n *role.Custom) {
				n.Permissions = permission.Of([]permission.Permission{permission.KeysRead, permission.AuditRead}[i%2])
				n.Description = strings.Repeat("x", i%3)
			})
			w.commit(set)
			w.same(n, w.readRole(r.ID))
			w.same(inVerdict(n), w.snapshot("", names).Role)
			_, stale := w.editRole(r, func(n *role.Custom) { n.Permissions = permission.All })
			w.lost(stale, role.Update{})
			w.lost(w.roleDeletion(r), role.Delete{})
			r = n
		}
		_, taken := w.editRole(r, func(n *role.Custom) { n.Name = "WRITER" })
		w.lost(taken, role.Update{})
		n, set := w.editRole(r, func(n *role.Custom) { n.Name = "READER" })
		w.commit(set)
		r = n
		n, set = w.editRole(r, func(n *role.Custom) { n.Name = "Zeus" })
		w.commit(set)
		w.role("reader", w.below)
		w.lost(w.roleMade(w.newRole("wRITER", w.below)), role.Create{})
		w.commit(w.roleDeletion(other))
		w.role("wRITER", w.below)
		w.same(n, w.readRole(r.ID))
	}},
	{"roles are listed at their node and every node above, and once more at their node alone", func(w *world) {
		high, low := w.role("m", w.root), w.role("a", w.below)
		deep := w.below.Child(newID[id.Node]())
		w.commit(w.set(w.happened("node", deep.ID(), 1), node.Create{Node: w.newNode("Deep", w.below, deep)}))
		z := w.role("z", deep)
		ids := func(rs ...role.Custom) (out []string) {
			for _, r := range rs {
				out = append(out, string(r.ID))
			}
			return out
		}
		for _, limit := range []int{1, 2, 100} {
			w.Equal(ids(low, high, z), w.list(listing.Query{Noun: listing.Roles, Place: w.root.ID()}, limit))
			w.Equal(ids(low, z), w.list(listing.Query{Noun: listing.Roles, Place: w.below.ID()}, limit))
			w.Equal(ids(high), w.list(listing.Query{Noun: listing.RolesAt, Place: w.root.ID()}, limit))
			w.Equal(ids(low), w.list(listing.Query{Noun: listing.RolesAt, Place: w.below.ID(), Prefix: "A"}, limit))
			w.Empty(w.list(listing.Query{Noun: listing.RolesAt, Place: w.below.ID(), Prefix: "z"}, limit))
		}
		n, set := w.editRole(low, func(n *role.Custom) { n.Name = "zz" })
		w.commit(set)
		w.Equal(ids(high, z, low), w.list(listing.Query{Noun: listing.Roles, Place: w.root.ID()}, 1))
		w.Equal(ids(low), w.list(listing.Query{Noun: listing.RolesAt, Place: w.below.ID(), Prefix: "ZZ"}, 1))
		w.commit(w.roleDeletion(n))
		w.Equal(ids(high, z), w.list(listing.Query{Noun: listing.Roles, Place: w.root.ID()}, 1))
		w.Empty(w.list(listing.Query{Noun: listing.RolesAt, Place: w.below.ID()}, 1))
	}},
	{"a role needs its node, and a node with a role stays", func(w *world) {
		w.lost(w.roleMade(w.newRole("Lost", w.root.Child(newID[id.Node]()))), role.Create{})
		n := w.newNode("South", w.root, w.root.Child(newID[id.Node]()))
		w.commit(w.set(w.happened("node", string(n.ID), 1), node.Create{Node: n}))
		r := w.role("Reader", n.Place)
		contents, err := w.store.Contents(w.ctx, string(n.ID))
		w.NoError(err)
		w.Equal(node.Contents{Roles: 1}, contents)
		remove := w.set(w.happened("node", string(n.ID), 2), node.Delete{Old: n})
		w.lost(remove, node.Delete{})
		w.commit(w.roleDeletion(r))
		w.commit(remove)
		for i := range 5 { // at the same moment: one of the two
			n := w.newNode(fmt.Sprint("South ", i), w.root, w.root.Child(newID[id.Node]()))
			w.commit(w.set(w.happened("node", string(n.ID), 1), node.Create{Node: n}))
			sets := []change.Set{w.set(w.happened("node", string(n.ID), 2), node.Delete{Old: n}), w.roleMade(w.newRole("Reader", n.Place))}
			w.oneWon(together(2, func(i int) error { return w.store.Commit(w.ctx, sets[i]) }))
		}
	}},
	{"a role that somebody has stays, until nobody has it", func(w *world) {
		r := w.role("Reader", w.root)
		w.has(r, role.Assigned{})
		a, set := w.assigned(r, w.co)
		w.commit(set)
		e := w.newEmployee(string(newID[id.Operation]()) + "@example.com")
		e.RoleID = r.ID
		w.commit(w.set(w.happened("employee", string(e.ID), 1), role.Assign{Role: r.ID, Version: 1}, employee.Create{Employee: e}))
		w.has(r, role.Assigned{Employees: 1, ServiceAccounts: 1})
		w.lost(w.roleDeletion(r), role.Delete{})
		w.commit(w.edit(a, func(n *serviceaccount.Account) { n.RoleID = role.Automation }))
		w.has(r, role.Assigned{Employees: 1})
		w.lost(w.roleDeletion(r), role.Delete{})

		s := w.role("Sweeper", w.root)
		a, set = w.assigned(s, w.root)
		w.commit(set)
		w.commit(w.edit(a, func(n *serviceaccount.Account) { n.Status = serviceaccount.Revoked }))
		w.has(s, role.Assigned{ServiceAccounts: 1})
		w.lost(w.roleDeletion(s), role.Delete{})
		w.commit(w.edit(w.readAccount(a.ID), func(n *serviceaccount.Account) { n.Status = serviceaccount.Deleted }))
		w.has(s, role.Assigned{})
		w.commit(w.roleDeletion(s))
		_, err := w.store.Role(w.ctx, s.ID)
		w.notFound(err)
		gone, err := w.store.CustomRole(w.ctx, s.ID)
		w.NoError(err)
		w.Nil(gone)
		_, set = w.assigned(s, w.root)
		w.lost(set, role.Assign{})
	}},
	{"a role is taken from a kind when none of that kind has it", func(w *world) {
		r := w.role("Reader", w.root)
		a, set := w.assigned(r, w.root)
		w.commit(set)
		_, drop := w.editRole(r, onlyEmployees)
		w.lost(drop, role.Update{})
		n, other := w.editRole(r, func(n *role.Custom) { n.AssignableTo = []role.Assignee{role.ServiceAccount} })
		w.commit(other)
		w.commit(w.edit(a, func(n *serviceaccount.Account) { n.RoleID = role.Automation }))
		n, drop = w.editRole(n, onlyEmployees)
		w.commit(drop)
		w.same(n, w.readRole(r.ID))
	}},
	{"a role is given as it was read", func(w *world) {
		r := w.role("Reader", w.root)
		_, stale := w.assigned(r, w.root)
		n, set := w.editRole(r, func(n *role.Custom) { n.Permissions = permission.All })
		w.commit(set)
		w.lost(stale, role.Assign{})
		w.has(r, role.Assigned{})
		_, set = w.assigned(n, w.root)
		w.commit(set)
		b, second := w.assigned(n, w.root)
		w.commit(second)
		w.has(r, role.Assigned{ServiceAccounts: 2})
		w.Equal(r.ID, w.readAccount(b.ID).RoleID)
	}},
	{"of a role's deletion and its assignment at the same moment one wins", func(w *world) {
		for range 10 {
			r := w.role("Reader", w.root)
			a, give := w.assigned(r, w.root)
			sets := []change.Set{w.roleDeletion(r), give}
			won := w.oneWon(together(2, func(i int) error { return w.store.Commit(w.ctx, sets[i]) }))
			_, gone := w.store.Role(w.ctx, r.ID)
			_, nobody := w.store.Account(w.ctx, a.ID)
			if won == 0 {
				w.notFound(gone)
				w.notFound(nobody)
				continue
			}
			w.NoError(gone)
			w.NoError(nobody)
			w.has(r, role.Assigned{ServiceAccounts: 1})
			_, set := w.editRole(r, func(n *role.Custom) { n.Name = string(newID[id.Operation]()) })
			w.commit(set) // make room for the next name
		}
	}},
	{"of a role's being taken from a kind and its assignment to one at the same moment one wins", func(w *world) {
		for range 10 {
			r := w.role(string(newID[id.Operation]()), w.root)
			_, give := w.assigned(r, w.root)
			_, drop := w.editRole(r, onlyEmployees)
			sets := []change.Set{drop, give}
			won := w.oneWon(together(2, func(i int) error { return w.store.Commit(w.ctx, sets[i]) }))
			w.has(r, role.Assigned{ServiceAccounts: won})
			w.Equal(won == 1, w.readRole(r.ID).AssignableToKind(role.ServiceAccount))
		}
	}},
}
