package staff

import (
	"context"
	"slices"

	"github.com/rekey-dev/rekey/pkg/audit"
	"github.com/rekey-dev/rekey/pkg/call"
	"github.com/rekey-dev/rekey/pkg/employee"
	"github.com/rekey-dev/rekey/pkg/fault"
	"github.com/rekey-dev/rekey/pkg/id"
	"github.com/rekey-dev/rekey/pkg/listing"
	"github.com/rekey-dev/rekey/pkg/permission"
)

// Filter narrows a list of employees; at most one of its members is set.
type Filter struct {
	Status employee.Status
	Role   id.Role
	Email  string // in any case
	Query  string // case-insensitive prefix of the first and last name, or an exact ID
}

func (f Filter) keeps(e employee.Employee) bool {
	return (f.Status == "" || e.Status == f.Status) && (f.Role == "" || e.RoleID == f.Role)
}

// List lists the employees of a place by first and last name, then ID; next is "" at the end. A page that is filtered may come back
// short, or empty, although there are more. With an address, or an ID, it is the one employee or none.
func (s *Service) List(ctx context.Context, c call.Call, w listing.Where, f Filter, after string, limit int) (employees []employee.Employee, next string, err error) {
	if err := c.Caller.Holds(permission.EmployeesRead); err != nil {
		return nil, "", err
	}
	at, err := w.Resolve(ctx, s.Store, c.Caller)
	if err != nil {
		return nil, "", err
	}
	if c.Caller.Type == audit.ServiceAccount && c.Caller.OwnAccount.Has(permission.EmployeesRead) {
		return nil, "", nil // no employee is an account
	}
	elsewhere := func(e employee.Employee) bool { return !at.Covers(e.Place) || w.Direct && e.Place != at }
	show := func(found []employee.Employee, not func(employee.Employee) bool) []employee.Employee {
		found = slices.DeleteFunc(found, not)
		for i, e := range found {
			found[i] = seen(c.Caller, e)
		}
		return found
	}
	if f.Email != "" {
		found, err := s.Store.EmployeeByEmail(ctx, f.Email)
		switch {
		case fault.Is(err, fault.NotFound):
			return nil, "", nil
		case err != nil:
			return nil, "", err
		}
		return show([]employee.Employee{found}, elsewhere), "", nil
	}
	if e, ok := id.Parse[id.Employee](f.Query); ok {
		found, err := s.Store.Employees(ctx, []id.Employee{e})
		return show(found, elsewhere), "", err
	}
	q := listing.Query{Noun: listing.Employees, Place: at.ID(), Direct: w.Direct, Prefix: f.Query, After: after}
	return listing.Collect(ctx, s.Store.List, q, limit, func(rows listing.Page) ([]employee.Employee, error) {
		if len(rows.Rows) == 0 {
			return nil, nil
		}
		ids := make([]id.Employee, len(rows.Rows))
		for i, r := range rows.Rows {
			ids[i] = id.Employee(r.ID)
		}
		found, err := s.Store.Employees(ctx, ids)
		slices.SortFunc(found, func(a, b employee.Employee) int { return slices.Index(ids, a.ID) - slices.Index(ids, b.ID) })
		return show(found, func(e employee.Employee) bool { return !f.keeps(e) }), err
	})
}
