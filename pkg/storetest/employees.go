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
	"github.com/rekey-dev/rekey/pkg/place"
	"github.com/rekey-dev/rekey/pkg/role"
	"github.com/rekey-dev/rekey/pkg/verify"
)

// colleague puts an employee, changed by f before, and answers with it.
func (w *world) colleague(f func(*employee.Employee)) employee.Employee {
	w.t.Helper()
	e := w.newEmployee(strings.ToLower(string(newID[id.Employee]())) + "@example.com")
	e.RoleID = role.Viewer
	if f != nil {
		f(&e)
	}
	w.commit(w.hired(e, 0))
	return e
}

func (w *world) onEmployee(e employee.Employee, seq int64) audit.Event {
	at := w.happened("employee", string(e.ID), seq)
	at.Place = e.Place
	return at
}

func (w *world) hired(e employee.Employee, seats int) change.Set {
	return w.set(w.onEmployee(e, 1), employee.Create{Employee: e, Seats: seats})
}

// moved is the change of an employee.
func (w *world) moved(old employee.Employee, f func(*employee.Employee)) (employee.Employee, change.Set) {
	n := old
	n.Version++
	n.Revision++
	n.EventSeq++
	n.UpdatedAt = w.now.Add(time.Hour)
	f(&n)
	return n, w.set(w.onEmployee(n, n.EventSeq), employee.Update{Old: old, New: n})
}

func (w *world) dismissal(e employee.Employee) change.Set {
	return w.set(w.onEmployee(e, e.EventSeq+1), employee.Delete{Old: e, At: w.now.Add(time.Hour)})
}

func (w *world) signedIn(e employee.Employee, at time.Time) change.Set {
	return w.set(w.happened("session", "ses_00000000000000000001", 1), employee.SignIn{Old: e, At: at})
}

func (w *world) readEmployee(e id.Employee) employee.Employee {
	w.t.Helper()
	got, err := w.store.Employee(w.ctx, e)
	w.NoError(err)
	return got
}

func (w *world) heads(want employee.Headcount) {
	w.t.Helper()
	got, err := w.store.Headcount(w.ctx)
	w.NoError(err)
	w.Equal(want, got)
}

var employeeTests = []test{
	{"an employee reads as it was written, in every member, and a change of it is one write", func(w *world) {
		e := w.colleague(func(e *employee.Employee) {
			e.Place, e.Status, e.Code, e.CodeSentAt, e.CodeExpiresAt = w.below, employee.Invited, newID[id.Invitation](), w.now, w.now.Add(time.Hour)
			e.CreatedBy, e.CreatedByName, e.InvitedFrom, e.Revision = "emp_00000000000000000001", "Ada Lovelace", w.root.Node(), 1
		})
		w.same(e, w.readEmployee(e.ID))
		n, set := w.moved(e, func(n *employee.Employee) {
			n.FirstName, n.LastName, n.Email, n.RoleID, n.Status = "Grace", "Hopper", "g."+e.Email, role.Operator, employee.Active
			n.Passkeys, n.SessionEpoch = []id.Credential{newID[id.Credential](), newID[id.Credential]()}, 7
			n.Code, n.CodeSentAt, n.CodeExpiresAt = "", time.Time{}, time.Time{}
		})
		w.commit(set)
		w.same(n, w.readEmployee(e.ID))
		byAddress, err := w.store.EmployeeByEmail(w.ctx, strings.ToUpper(n.Email))
		w.NoError(err)
		w.same(n, byAddress)
		_, err = w.store.EmployeeByEmail(w.ctx, e.Email)
		w.notFound(err)
		found, err := w.store.Employees(w.ctx, []id.Employee{e.ID, newID[id.Employee](), e.ID})
		w.NoError(err)
		w.same(n, found[0])
		w.colleague(func(second *employee.Employee) { second.Email = e.Email })
	}},
	{"a change of an employee is lost when its revision is another, and a sign-in moves none", func(w *world) {
		e := w.colleague(nil)
		n, set := w.moved(e, func(n *employee.Employee) { n.FirstName = "Grace" })
		_, late := w.moved(e, func(n *employee.Employee) { n.FirstName = "Late" })
		w.commit(w.signedIn(e, w.now))
		w.commit(w.signedIn(e, w.now.Add(time.Minute)))
		w.commit(set)
		w.lost(late, employee.Update{})
		w.lost(w.dismissal(e), employee.Delete{})
		w.lost(w.signedIn(e, w.now), employee.SignIn{})
		n.LastSignInAt = w.now.Add(time.Minute)
		w.same(n, w.readEmployee(e.ID))
		_, epoch := w.moved(n, func(n *employee.Employee) { n.SessionEpoch++; n.LastSignInAt = time.Time{} })
		w.commit(epoch)
		w.True(w.readEmployee(e.ID).LastSignInAt.Equal(w.now.Add(time.Minute)), "only a sign-in writes it")
		invited := w.colleague(func(e *employee.Employee) { e.Status = employee.Invited })
		w.lost(w.signedIn(invited, w.now), employee.SignIn{})
	}},
	{"one of many changes of an employee at the same moment happens", func(w *world) {
		e := w.colleague(nil)
		w.oneWon(together(8, func(i int) error {
			_, set := w.moved(e, func(n *employee.Employee) { n.FirstName = fmt.Sprint("Ada ", i) })
			return w.store.Commit(w.ctx, set)
		}))
	}},
	{"of two employees who want one address at the same moment one gets it", func(w *world) {
		for range 6 {
			email := strings.ToLower(string(newID[id.Employee]())) + "@example.com"
			there := w.colleague(nil)
			made := w.newEmployee(strings.ToUpper(email))
			_, moved := w.moved(there, func(n *employee.Employee) { n.Email = email })
			sets := []change.Set{w.hired(made, 0), moved}
			w.oneWon(together(2, func(i int) error { return w.store.Commit(w.ctx, sets[i]) }))
			_, err := w.store.EmployeeByEmail(w.ctx, email)
			w.NoError(err)
		}
		taken := w.colleague(nil)
		_, set := w.moved(w.colleague(nil), func(n *employee.Employee) { n.Email = strings.ToUpper(taken.Email) })
		w.lost(set, employee.Update{})
	}},
	{"a deleted employee is nowhere but in verdicts, and its address and place are free", func(w *world) {
		r := w.role("Reader", w.root)
		n := w.newNode("South", w.root, w.root.Child(newID[id.Node]()))
		w.commit(w.set(w.happened("node", string(n.ID), 1), node.Create{Node: n}))
		e := w.colleague(func(e *employee.Employee) {
			e.Place, e.RoleID, e.Passkeys, e.Code = n.Place, r.ID, []id.Credential{newID[id.Credential]()}, newID[id.Invitation]()
		})
		w.has(r, role.Assigned{Employees: 1})
		w.lost(w.set(w.happened("node", string(n.ID), 2), node.Delete{Old: n}), node.Delete{})
		before, err := w.store.Snapshot(w.ctx, "", verify.Names{Principal: string(e.ID)})
		w.NoError(err)
		w.True(before.Principal.Active)
		w.commit(w.dismissal(e))
		_, err = w.store.Employee(w.ctx, e.ID)
		w.notFound(err)
		_, err = w.store.EmployeeByEmail(w.ctx, e.Email)
		w.notFound(err)
		found, err := w.store.Employees(w.ctx, []id.Employee{e.ID})
		w.NoError(err)
		w.Empty(found)
		for _, at := range e.Place.Ancestors() {
			w.NotContains(w.list(listing.Query{Noun: listing.Employees, Place: at}, 100), string(e.ID))
		}
		after, err := w.store.Snapshot(w.ctx, "", verify.Names{Principal: string(e.ID)})
		w.NoError(err)
		w.NotNil(after.Principal)
		w.False(after.Principal.Active)
		w.has(r, role.Assigned{})
		w.lost(w.dismissal(e), employee.Delete{})
		w.colleague(func(again *employee.Employee) { again.Email = e.Email })
		w.commit(w.set(w.happened("node", string(n.ID), 2), node.Delete{Old: n}))
	}},
	{"employees are listed at every place that covers them, by first and last name, and rows follow", func(w *world) {
		named := func(first, last string, at place.Place) employee.Employee {
			return w.colleague(func(e *employee.Employee) { e.FirstName, e.LastName, e.Place = first, last, at })
		}
		a, b, c := named("ada", "Zulu", w.below), named("Ada", "Alpha", w.below), named("Bob", "A", w.root)
		ids := func(es ...employee.Employee) (out []string) {
			for _, e := range es {
				out = append(out, string(e.ID))
			}
			return out
		}
		for _, limit := range []int{1, 2, 100} {
			w.Equal(ids(b, a, c), w.list(listing.Query{Noun: listing.Employees, Place: w.root.ID()}, limit))
			w.Equal(ids(b, a), w.list(listing.Query{Noun: listing.Employees, Place: w.below.ID()}, limit))
			w.Equal(ids(c), w.list(listing.Query{Noun: listing.Employees, Place: w.root.ID(), Direct: true}, limit))
			w.Equal(ids(a), w.list(listing.Query{Noun: listing.Employees, Place: w.root.ID(), Prefix: "ADA Z"}, limit))
		}
		_, set := w.moved(b, func(n *employee.Employee) { n.LastName = "Zz" })
		w.commit(set)
		w.Equal(ids(a, b, c), w.list(listing.Query{Noun: listing.Employees, Place: w.root.ID()}, 1))
		long := strings.Repeat("\u0390", 100) // folds to three characters
		e := named(long, long, w.root)
		w.Contains(w.list(listing.Query{Noun: listing.Employees, Place: w.root.ID()}, 100), string(e.ID))
		w.commit(w.dismissal(e))
	}},
	{"the MSP's employees are counted, and its owners who can act", func(w *world) {
		w.heads(employee.Headcount{})
		owner := w.colleague(func(e *employee.Employee) { e.RoleID = role.Owner })
		w.heads(employee.Headcount{Employees: 1, Owners: 1})
		invited := w.colleague(func(e *employee.Employee) { e.RoleID, e.Status = role.Owner, employee.Invited })
		w.heads(employee.Headcount{Employees: 2, Owners: 1})
		for _, ends := range []func(*employee.Employee){
			func(n *employee.Employee) { n.RoleID = role.Admin },
			func(n *employee.Employee) { n.Status = employee.Invited },
		} {
			_, set := w.moved(owner, ends)
			w.lost(set, employee.Update{})
		}
		w.lost(w.dismissal(owner), employee.Delete{})
		invited, set := w.moved(invited, func(n *employee.Employee) { n.Status = employee.Active })
		w.commit(set)
		w.heads(employee.Headcount{Employees: 2, Owners: 2})
		_, set = w.moved(owner, func(n *employee.Employee) { n.RoleID = role.Admin })
		w.commit(set)
		w.heads(employee.Headcount{Employees: 2, Owners: 1})
		w.lost(w.dismissal(invited), employee.Delete{})
		w.commit(w.dismissal(w.readEmployee(owner.ID)))
		w.heads(employee.Headcount{Employees: 1, Owners: 1})
	}},
	{"of the last two owners one stays, whatever is done to both at the same moment", func(w *world) {
		demoted := func(e employee.Employee) change.Set {
			_, set := w.moved(e, func(n *employee.Employee) { n.RoleID = role.Admin })
			return set
		}
		first := w.colleague(func(e *employee.Employee) { e.RoleID = role.Owner })
		for i := range 8 {
			second := w.colleague(func(e *employee.Employee) { e.RoleID = role.Owner })
			sets := []change.Set{w.dismissal(first), w.dismissal(second)}
			if i%2 == 1 {
				sets[0] = demoted(first)
			}
			if won := w.oneWon(together(2, func(i int) error { return w.store.Commit(w.ctx, sets[i]) })); won == 0 {
				first = second
			}
			got, err := w.store.Headcount(w.ctx)
			w.NoError(err)
			w.Equal(1, got.Owners)
		}
	}},
	{"the last seat is taken once", func(w *world) {
		w.colleague(nil)
		for seats := 2; seats < 8; seats++ {
			won := w.oneWon(together(3, func(i int) error {
				return w.store.Commit(w.ctx, w.hired(w.newEmployee(fmt.Sprintf("%d.%d@example.com", seats, i)), seats))
			}))
			_, err := w.store.EmployeeByEmail(w.ctx, fmt.Sprintf("%d.%d@example.com", seats, won))
			w.NoError(err)
			w.lost(w.hired(w.newEmployee("late@example.com"), seats), employee.Create{})
		}
		gone, err := w.store.EmployeeByEmail(w.ctx, "late@example.com")
		w.notFound(err)
		w.Empty(gone.ID)
	}},
	{"of a role's deletion and an employee's being given it at the same moment one wins", func(w *world) {
		for i := range 8 {
			r := w.role(string(newID[id.Operation]()), w.root)
			e := w.colleague(nil)
			n, give := w.moved(e, func(n *employee.Employee) { n.RoleID = r.ID })
			give.Writes = append(give.Writes, role.Assign{Role: r.ID, Version: 1})
			sets := []change.Set{w.roleDeletion(r), give}
			switch won := 0; i {
			case 0, 1: // in either order
				w.commit(sets[i])
				w.ErrorIs(w.store.Commit(w.ctx, sets[1-i]), change.ErrLost)
				won = i
				w.Equal(won == 1, w.readEmployee(e.ID).RoleID == n.RoleID)
			default:
				won = w.oneWon(together(2, func(i int) error { return w.store.Commit(w.ctx, sets[i]) }))
				w.Equal(won == 1, w.readEmployee(e.ID).RoleID == n.RoleID)
			}
		}
	}},
	{"of a node's deletion and an invitation there at the same moment one wins", func(w *world) {
		for i := range 8 {
			n := w.newNode(string(newID[id.Operation]()), w.root, w.root.Child(newID[id.Node]()))
			w.commit(w.set(w.happened("node", string(n.ID), 1), node.Create{Node: n}))
			e := w.newEmployee(strings.ToLower(string(newID[id.Employee]())) + "@example.com")
			e.Place, e.Status = n.Place, employee.Invited
			sets := []change.Set{w.set(w.happened("node", string(n.ID), 2), node.Delete{Old: n}), w.hired(e, 0)}
			if i < 2 { // in either order
				w.commit(sets[i])
				w.ErrorIs(w.store.Commit(w.ctx, sets[1-i]), change.ErrLost)
				continue
			}
			w.oneWon(together(2, func(i int) error { return w.store.Commit(w.ctx, sets[i]) }))
		}
	}},
}
