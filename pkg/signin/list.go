package signin

import (
	"context"

	"github.com/rekey-dev/rekey/pkg/audit"
	"github.com/rekey-dev/rekey/pkg/authz"
	"github.com/rekey-dev/rekey/pkg/call"
	"github.com/rekey-dev/rekey/pkg/change"
	"github.com/rekey-dev/rekey/pkg/employee"
	"github.com/rekey-dev/rekey/pkg/fault"
	"github.com/rekey-dev/rekey/pkg/grant"
	"github.com/rekey-dev/rekey/pkg/id"
	"github.com/rekey-dev/rekey/pkg/permission"
	"github.com/rekey-dev/rekey/pkg/session"
)

// Shown is a session with what it is good for now.
type Shown struct {
	session.Session
	Now session.Status
}

// List lists the sessions of an employee, newest first; "" is the caller. Ended ones are listed for session.KeptFor after their
// time, one inside a company that was suspended since, or whose parent was ended, as revoked. Another's wants employees:update at
// the employee's place. next is "" at the end.
func (s *Service) List(ctx context.Context, c call.Call, of id.Employee, after string, limit int) (page []Shown, next string, err error) {
	if c.Caller.Assumed() != "" {
		return nil, "", inside()
	}
	if of == "" {
		if c.Caller.Type != audit.Employee {
			return nil, "", nil // a service account has none
		}
		of = id.Employee(c.Caller.ID)
	}
	e, err := s.employee(ctx, c.Caller, of)
	if err != nil {
		return nil, "", err
	}
	found, next, err := s.Store.Sessions(ctx, of, after, limit)
	if err != nil {
		return nil, "", err
	}
	around := surroundings{store: s.Store, of: e, companies: map[id.Company]int64{}, ended: map[string]bool{}}
	for _, one := range found {
		status := one.Status(e.SessionEpoch, s.Now())
		if status == session.Active && one.Inside() {
			if status, err = around.status(ctx, one); err != nil {
				return nil, "", err
			}
		}
		page = append(page, Shown{Session: one, Now: status})
	}
	return page, next, nil
}

// surroundings is what sessions inside companies depend on; each company and parent is read once.
type surroundings struct {
	store     Store
	of        employee.Employee
	companies map[id.Company]int64 // session epochs; -1 where there is none any more
	ended     map[string]bool      // parents
}

// status is what a session inside a company is good for that is active by itself.
func (a *surroundings) status(ctx context.Context, s session.Session) (session.Status, error) {
	epoch, read := a.companies[s.Place.Company]
	if !read {
		co, err := a.store.Company(ctx, s.Place.Company)
		switch epoch = co.SessionEpoch; {
		case fault.Is(err, fault.NotFound):
			epoch = -1
		case err != nil:
			return "", err
		}
		a.companies[s.Place.Company] = epoch
	}
	ended, read := a.ended[s.Parent]
	if !read {
		var err error
		if ended, err = a.parentEnded(ctx, s.Parent); err != nil {
			return "", err
		}
		a.ended[s.Parent] = ended
	}
	if ended || epoch != s.CompanyEpoch {
		return session.Revoked, nil
	}
	return session.Active, nil
}

// parentEnded tells whether a credential of the employee was ended by somebody's will; what it opened is over in time before it is.
func (a *surroundings) parentEnded(ctx context.Context, parent string) (bool, error) {
	if p, ok := id.Parse[id.Session](parent); ok {
		found, err := a.store.Session(ctx, p)
		if fault.Is(err, fault.NotFound) {
			return true, nil
		}
		return !found.RevokedAt.IsZero() || found.Epoch != a.of.SessionEpoch, err
	}
	found, err := a.store.Token(ctx, id.PAT(parent))
	if fault.Is(err, fault.NotFound) {
		return true, nil
	}
	return !found.RevokedAt.IsZero() || found.Epoch != a.of.TokenEpoch, err
}

// inside is the refusal of what a session inside a company is not for.
func inside() error {
	return fault.New(fault.MissingPermission, "A session inside a company is for that company alone. Use the session with which you opened it.")
}

// employee reads one whose sessions the caller may see.
func (s *Service) employee(ctx context.Context, c authz.Caller, of id.Employee) (employee.Employee, error) {
	own := c.ID == string(of)
	if !own && !c.Role.Has(permission.EmployeesUpdate) {
		return employee.Employee{}, fault.Missing("employee")
	}
	e, err := s.Store.Employee(ctx, of)
	if err == nil && !own {
		err = c.Check(permission.EmployeesUpdate, authz.Object{Place: e.Place, What: "employee"})
	}
	return e, err
}

// Revoke ends a session at once: one of the caller's own, the one that it calls with too, or with employees:update one of an
// employee whom the caller could give their role. One that has ended stays as it is. Atomic: the session and the audit record.
func (s *Service) Revoke(ctx context.Context, c call.Call, which id.Session) error {
	_, err := change.Retry(func() (struct{}, error) {
		old, err := s.Store.Session(ctx, which)
		if err != nil {
			return struct{}{}, err
		}
		if c.Caller.Assumed() != "" && c.Caller.KeyID != string(which) {
			return struct{}{}, fault.Missing("session")
		}
		e, err := s.employee(ctx, c.Caller, old.EmployeeID)
		if err != nil {
			if fault.Is(err, fault.NotFound) { // nor is what is theirs
				err = fault.Missing("session")
			}
			return struct{}{}, err
		}
		now, op, next := s.Now(), id.New[id.Operation](s.Rand), old
		next.EventSeq++
		ev := s.event(c, op, now, audit.SessionRevoked, next)
		if err := s.mayRevoke(ctx, c.Caller, old, e); err != nil {
			return struct{}{}, c.Deny(ctx, s.Store.Deny, ev, err)
		}
		if old.Status(e.SessionEpoch, now) != session.Active {
			return struct{}{}, nil
		}
		return struct{}{}, s.Store.Commit(ctx, change.Set{Operation: op, At: now, Events: []audit.Event{ev}, Writes: []change.Write{session.Revoke{Old: old, At: now}}})
	})
	return err
}

// mayRevoke returns nil when the caller may end a session that it sees: itself, one of its own in person, or one of an employee
// whom it could give their role.
func (s *Service) mayRevoke(ctx context.Context, c authz.Caller, of session.Session, e employee.Employee) error {
	switch {
	case c.KeyID == string(of.ID), c.ID == string(e.ID) && c.InPerson():
		return nil
	case c.ID == string(e.ID) && !c.Effective.Has(permission.EmployeesUpdate):
		return authz.NotInPerson()
	}
	return grant.Over(ctx, s.Store, c, e.RoleID)
}

// RevokeHeld ends a session on the word of whoever holds its secret. One that has ended stays as it is. Atomic: the session and
// the audit record.
func (s *Service) RevokeHeld(ctx context.Context, c call.Call, which id.Session, reason, note string) error {
	_, err := change.Retry(func() (struct{}, error) {
		old, err := s.Store.Session(ctx, which)
		if err != nil || !old.RevokedAt.IsZero() {
			return struct{}{}, err
		}
		now, op, next := s.Now(), id.New[id.Operation](s.Rand), old
		next.EventSeq++
		ev := s.event(c, op, now, audit.SessionSelfRevoked, next)
		ev.Actor.AssumedCompany = old.Place.Company
		ev.Details["reason"] = reason
		if note != "" {
			ev.Details["note"] = note
		}
		return struct{}{}, s.Store.Commit(ctx, change.Set{Operation: op, At: now, Events: []audit.Event{ev}, Writes: []change.Write{session.Revoke{Old: old, At: now}}})
	})
	return err
}
