package dynamo

import (
	"context"
	"slices"
	"strings"
	"unicode/utf8"

	"github.com/rekey-dev/rekey/pkg/change"
	"github.com/rekey-dev/rekey/pkg/employee"
	"github.com/rekey-dev/rekey/pkg/fault"
	"github.com/rekey-dev/rekey/pkg/id"
	"github.com/rekey-dev/rekey/pkg/listing"
	"github.com/rekey-dev/rekey/pkg/role"
)

// headcount is the holder of the counters of all employees.
const headcount = "msp"

func encodeEmployee(e employee.Employee) item {
	it := newItem(employeeKey(e.ID), typeEmployee)
	it.string(attrEmail, e.Email)
	it.string(attrFirstName, e.FirstName)
	it.string(attrLastName, e.LastName)
	it.place(e.Place)
	it.string(attrRoleID, string(e.RoleID))
	it.string(attrStatus, string(e.Status))
	it.string(attrPasskeys, joined(e.Passkeys))
	it.int(attrSessionEpoch, e.SessionEpoch)
	it.int(attrTokenEpoch, e.TokenEpoch)
	it.string(attrCode, string(e.Code))
	it.time(attrCodeSentAt, e.CodeSentAt)
	it.time(attrCodeExpires, e.CodeExpiresAt)
	it.time(attrLastSignInAt, e.LastSignInAt)
	it.string(attrCreatedBy, e.CreatedBy)
	it.string(attrCreatedByName, e.CreatedByName)
	it.string(attrInvitedFrom, string(e.InvitedFrom))
	it.time(attrCreatedAt, e.CreatedAt)
	it.time(attrUpdatedAt, e.UpdatedAt)
	it.int(attrVersion, e.Version)
	it.int(attrRevision, e.Revision)
	it.int(attrEventSeq, e.EventSeq)
	return it
}

// setEmployee sets all that changes of an employee but the time of a sign-in, which may be another by now.
func setEmployee(x *expression, e employee.Employee) {
	x.setString(attrEmail, e.Email)
	x.setString(attrFirstName, e.FirstName)
	x.setString(attrLastName, e.LastName)
	x.setString(attrRoleID, string(e.RoleID))
	x.setString(attrStatus, string(e.Status))
	x.setString(attrPasskeys, joined(e.Passkeys))
	x.setInt(attrSessionEpoch, e.SessionEpoch)
	x.setInt(attrTokenEpoch, e.TokenEpoch)
	x.setString(attrCode, string(e.Code))
	x.setTime(attrCodeSentAt, e.CodeSentAt)
	x.setTime(attrCodeExpires, e.CodeExpiresAt)
	x.setTime(attrUpdatedAt, e.UpdatedAt)
	x.setInt(attrVersion, e.Version)
	x.setInt(attrRevision, e.Revision)
	x.setInt(attrEventSeq, e.EventSeq)
}

func decodeEmployee(it item) (employee.Employee, error) {
	r := reader{it: it}
	e := employee.Employee{ID: id.Employee(r.string(attrPK)), Email: r.string(attrEmail), FirstName: r.string(attrFirstName),
		LastName: r.string(attrLastName), Place: r.place(), RoleID: id.Role(r.string(attrRoleID)), Status: employee.Status(r.string(attrStatus)),
		SessionEpoch: r.int(attrSessionEpoch), TokenEpoch: r.int(attrTokenEpoch), Code: id.Invitation(r.string(attrCode)),
		CodeSentAt: r.time(attrCodeSentAt), CodeExpiresAt: r.time(attrCodeExpires), LastSignInAt: r.time(attrLastSignInAt),
		CreatedBy: r.string(attrCreatedBy), CreatedByName: r.string(attrCreatedByName), InvitedFrom: id.Node(r.string(attrInvitedFrom)),
		CreatedAt: r.time(attrCreatedAt), UpdatedAt: r.time(attrUpdatedAt), Version: r.int(attrVersion), Revision: r.int(attrRevision),
		EventSeq: r.int(attrEventSeq)}
	for _, w := range words(r.string(attrPasskeys)) {
		e.Passkeys = append(e.Passkeys, id.Credential(w))
	}
	return e, r.err
}

// joined is the form in which several IDs are kept.
func joined[T ~string](ids []T) string {
	texts := make([]string, len(ids))
	for i, one := range ids {
		texts[i] = string(one)
	}
	return strings.Join(texts, " ")
}

// maxListName is how many bytes of a folded name a row keeps, so that with the ID behind it the sort key is at most 1,024.
const maxListName = 960

// employeeRows returns the rows that list an employee, and the reservation of its address: none once it is deleted.
func (s *Store) employeeRows(e employee.Employee) []row {
	if e.Status == employee.Deleted {
		return nil
	}
	folded := s.fold(e.Name())
	for len(folded) > maxListName {
		_, last := utf8.DecodeLastRuneInString(folded)
		folded = folded[:len(folded)-last]
	}
	return listRows(listing.Employees, e.Place, folded, string(e.ID))
}

// employeeUse is what an employee counts for: a tombstone for nothing.
func employeeUse(e employee.Employee) []use {
	if e.Status == employee.Deleted {
		return nil
	}
	out := append(assignment(e.RoleID, role.Employee), use{holder: string(e.Place.Node()), counter: attrEmployees}, use{holder: headcount, counter: attrEmployees})
	if e.IsOwner() {
		out = append(out, use{holder: headcount, counter: attrOwners})
	}
	return out
}

func (b *builder) createEmployee(w employee.Create) {
	e := w.Employee
	b.put(create(b.store.tables.Identity, employeeKey(e.ID), encodeEmployee(e), w, "the ID is taken"))
	b.moveAddress(w, employee.Employee{}, e)
	b.moveRows(w, nil, b.store.employeeRows(e))
	b.moveUses(w, nil, employeeUse(e))
	b.useOf(headcount, w).seats = w.Seats
}

// replaceEmployee changes an employee's item, and whatever is derived from it.
func (b *builder) replaceEmployee(w change.Write, old, e employee.Employee) {
	a := action{table: b.store.tables.Identity, key: employeeKey(old.ID), write: w, reason: "the employee has changed"}
	isEmployee(&a.expr, old)
	setEmployee(&a.expr, e)
	b.put(a)
	b.moveAddress(w, old, e)
	b.moveRows(w, b.store.employeeRows(old), b.store.employeeRows(e))
	b.moveUses(w, employeeUse(old), employeeUse(e))
}

// signIn leaves the revision as it is: it is compared, not moved.
func (b *builder) signIn(w employee.SignIn) {
	a := action{table: b.store.tables.Identity, key: employeeKey(w.Old.ID), write: w, reason: "the employee has changed"}
	isEmployee(&a.expr, w.Old)
	a.expr.require(a.expr.compare(attrStatus, "=", stringValue(string(employee.Active))))
	a.expr.setTime(attrLastSignInAt, w.At)
	b.put(a)
}

func isEmployee(e *expression, old employee.Employee) {
	e.require(e.exists(attrPK))
	e.require(e.isInt(attrRevision, old.Revision))
}

// moveAddress gives one address back and reserves another, if they differ when folded.
func (b *builder) moveAddress(w change.Write, old, e employee.Employee) {
	table, before, after := b.store.tables.Identity, b.store.fold(old.Email), b.store.fold(e.Email)
	if before == after {
		return
	}
	if before != "" {
		b.put(action{table: table, key: emailKey(before), delete: true, write: w})
	}
	if after != "" {
		address := newItem(emailKey(after), typeEmail)
		address.string(attrID, string(e.ID))
		b.put(create(table, emailKey(after), address, w, "another employee has the address"))
	}
}

// count lays out the change of the MSP's counters.
func (b *builder) count(u *useChange) action {
	a := action{table: b.store.tables.Directory, key: useKey(headcount), write: u.write, reason: "no seat is free, or the last owner would go"}
	e := &a.expr
	if u.seats > 0 {
		e.require(e.missing(attrEmployees) + " OR " + e.compare(attrEmployees, "<", intValue(int64(u.seats))))
	}
	for _, counter := range []string{attrEmployees, attrOwners} {
		n := u.deltas[counter]
		if n != 0 {
			e.add(counter, n)
		}
		if n < 0 && counter == attrOwners {
			e.require(e.compare(attrOwners, ">", intValue(-n)))
		}
	}
	e.set(attrType, stringValue(typeUse))
	return a
}

// Employee reads an employee; one that was deleted is not there.
func (s *Store) Employee(ctx context.Context, e id.Employee) (_ employee.Employee, err error) {
	defer wrap(&err, "Store.Employee(%s)", e)
	return s.employee(ctx, e)
}

func (s *Store) employee(ctx context.Context, e id.Employee) (employee.Employee, error) {
	return one(ctx, s, s.tables.Identity, employeeKey(e), "employee", func(it item) (employee.Employee, error) {
		found, err := decodeEmployee(it)
		if found.Status == employee.Deleted {
			return employee.Employee{}, fault.Missing("employee")
		}
		return found, err
	})
}

// EmployeeByEmail reads the employee with an address: two calls.
func (s *Store) EmployeeByEmail(ctx context.Context, email string) (_ employee.Employee, err error) {
	defer wrap(&err, "Store.EmployeeByEmail()")
	holder, err := one(ctx, s, s.tables.Identity, emailKey(s.fold(email)), "employee", func(it item) (id.Employee, error) {
		r := reader{it: it}
		return id.Employee(r.string(attrID)), r.err
	})
	if err != nil {
		return employee.Employee{}, err
	}
	return s.employee(ctx, holder)
}

// Employees reads those employees that are there, deleted ones left out, in any order: one call for up to 100.
func (s *Store) Employees(ctx context.Context, ids []id.Employee) (_ []employee.Employee, err error) {
	defer wrap(&err, "Store.Employees(%d)", len(ids))
	found, err := many(ctx, s, s.tables.Identity, unique(ids, employeeKey), decodeEmployee)
	return slices.DeleteFunc(found, func(e employee.Employee) bool { return e.Status == employee.Deleted }), err
}

// Headcount counts the MSP's employees: one read.
func (s *Store) Headcount(ctx context.Context) (_ employee.Headcount, err error) {
	defer wrap(&err, "Store.Headcount()")
	it, err := s.getItem(ctx, s.tables.Directory, useKey(headcount))
	if err != nil {
		return employee.Headcount{}, err
	}
	r := reader{it: it}
	return employee.Headcount{Employees: int(r.int(attrEmployees)), Owners: int(r.int(attrOwners))}, r.err
}
