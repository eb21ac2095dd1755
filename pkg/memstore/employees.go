package memstore

import (
	"context"
	"slices"

	"github.com/rekey-dev/rekey/pkg/employee"
	"github.com/rekey-dev/rekey/pkg/fault"
	"github.com/rekey-dev/rekey/pkg/fold"
	"github.com/rekey-dev/rekey/pkg/id"
)

func copyEmployee(e employee.Employee) employee.Employee {
	e.Passkeys = slices.Clone(e.Passkeys)
	return e
}

func (t *transaction) createEmployee(w employee.Create) string {
	e := copyEmployee(w.Employee)
	if _, ok := t.employees[e.ID]; ok {
		return "the employee exists"
	}
	if !t.there(string(e.Place.Node())) || !t.assignable(e.RoleID) {
		return "the employee's node or role is not there"
	}
	if w.Seats > 0 && t.headcount().Employees >= w.Seats {
		return "no seat is free"
	}
	if !t.claim("employees", "", e.Email) {
		return "another employee has the address"
	}
	t.touch("headcount")
	t.touch("employee " + string(e.ID))
	t.then(func() { t.employees[e.ID] = e })
	return ""
}

// sameEmployee tells whether an employee is as it was read; "" when it is.
func (t *transaction) sameEmployee(old employee.Employee) string {
	switch e, ok := t.employees[old.ID]; {
	case !ok:
		return "the employee is not there"
	case e.Revision != old.Revision:
		return "the employee's revision is another"
	}
	t.touch("employee " + string(old.ID))
	return ""
}

func (t *transaction) replaceEmployee(old, next employee.Employee) string {
	if reason := t.sameEmployee(old); reason != "" {
		return reason
	}
	e, next := t.employees[old.ID], copyEmployee(next)
	if next.ID != e.ID || next.Place != e.Place || !next.CreatedAt.Equal(e.CreatedAt) || next.Revision != e.Revision+1 {
		panic("memstore: an update of what never changes of an employee, or one without the next revision: " + string(e.ID))
	}
	if next.RoleID != e.RoleID && !t.assignable(next.RoleID) {
		return "the employee's new role is not there"
	}
	if e.IsOwner() && !next.IsOwner() && t.headcount().Owners < 2 {
		return "the last owner would go"
	}
	if fold.Name(next.Email) != fold.Name(e.Email) {
		if next.Email != "" && !t.claim("employees", "", next.Email) {
			return "another employee has the address"
		}
		t.release("employees", "", e.Email)
	}
	next.LastSignInAt = e.LastSignInAt
	t.then(func() { t.employees[e.ID] = next })
	return ""
}

func (t *transaction) signIn(w employee.SignIn) string {
	if reason := t.sameEmployee(w.Old); reason != "" {
		return reason
	}
	if t.employees[w.Old.ID].Status != employee.Active {
		return "the employee cannot act"
	}
	t.then(func() {
		e := t.employees[w.Old.ID]
		e.LastSignInAt = w.At
		t.employees[e.ID] = e
	})
	return ""
}

func (s *Store) headcount() (n employee.Headcount) {
	for _, e := range s.employees {
		n.Employees += truth(e.Status != employee.Deleted)
		n.Owners += truth(e.IsOwner())
	}
	return n
}

// Headcount counts the MSP's employees.
func (s *Store) Headcount(ctx context.Context) (employee.Headcount, error) {
	defer s.mu.Unlock()
	if err := s.begin(ctx); err != nil {
		return employee.Headcount{}, err
	}
	return s.headcount(), nil
}

// Employee returns an employee; one that was deleted is not there.
func (s *Store) Employee(ctx context.Context, e id.Employee) (employee.Employee, error) {
	found, err := one(ctx, s, s.employees, e, "employee")
	if err == nil && found.Status == employee.Deleted {
		return employee.Employee{}, fault.Missing("employee")
	}
	return copyEmployee(found), err
}

// EmployeeByEmail finds the employee with the address, compared case-folded.
func (s *Store) EmployeeByEmail(ctx context.Context, email string) (employee.Employee, error) {
	defer s.mu.Unlock()
	if err := s.begin(ctx); err != nil {
		return employee.Employee{}, err
	}
	want := fold.Name(email)
	for _, e := range s.employees {
		if e.Status != employee.Deleted && fold.Name(e.Email) == want {
			return copyEmployee(e), nil
		}
	}
	return employee.Employee{}, fault.Missing("employee")
}

// Employees returns those that are there.
func (s *Store) Employees(ctx context.Context, ids []id.Employee) ([]employee.Employee, error) {
	defer s.mu.Unlock()
	if err := s.begin(ctx); err != nil {
		return nil, err
	}
	var out []employee.Employee
	for _, e := range ids {
		if found, ok := s.employees[e]; ok && found.Status != employee.Deleted {
			out = append(out, copyEmployee(found))
		}
	}
	return out, nil
}

func (f *Flaky) Employee(ctx context.Context, e id.Employee) (employee.Employee, error) {
	return through(ctx, f, "Employee", func(ctx context.Context) (employee.Employee, error) {
		return f.Under.Employee(ctx, e)
	})
}

func (f *Flaky) EmployeeByEmail(ctx context.Context, email string) (employee.Employee, error) {
	return through(ctx, f, "EmployeeByEmail", func(ctx context.Context) (employee.Employee, error) {
		return f.Under.EmployeeByEmail(ctx, email)
	})
}

func (f *Flaky) Employees(ctx context.Context, ids []id.Employee) ([]employee.Employee, error) {
	return through(ctx, f, "Employees", func(ctx context.Context) ([]employee.Employee, error) { return f.Under.Employees(ctx, ids) })
}

func (f *Flaky) Headcount(ctx context.Context) (employee.Headcount, error) {
	return through(ctx, f, "Headcount", func(ctx context.Context) (employee.Headcount, error) { return f.Under.Headcount(ctx) })
}
