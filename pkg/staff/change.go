package staff

import (
	"context"
	"errors"
	"time"

	"github.com/rekey-dev/rekey/pkg/audit"
	"github.com/rekey-dev/rekey/pkg/call"
	"github.com/rekey-dev/rekey/pkg/change"
	"github.com/rekey-dev/rekey/pkg/employee"
	"github.com/rekey-dev/rekey/pkg/fault"
	"github.com/rekey-dev/rekey/pkg/grant"
	"github.com/rekey-dev/rekey/pkg/id"
	"github.com/rekey-dev/rekey/pkg/onetime"
	"github.com/rekey-dev/rekey/pkg/permission"
	"github.com/rekey-dev/rekey/pkg/role"
)

// Patch is the change of an employee that an administrator asks for; what is nil stays.
type Patch struct {
	Email     *string
	FirstName *string
	LastName  *string
	RoleID    *id.Role
}

func (in Patch) apply(e employee.Employee) employee.Employee {
	for _, f := range []struct{ to, from *string }{{&e.Email, in.Email}, {&e.FirstName, in.FirstName}, {&e.LastName, in.LastName}} {
		if f.from != nil {
			*f.to = *f.from
		}
	}
	if in.RoleID != nil {
		e.RoleID = *in.RoleID
	}
	return e
}

// Patch changes an employee's names, address or role, the role from the next request on. A new address makes a code that was sent to
// the old one dead. Atomic: the employee, its address, the rows that list it, and the audit record, on condition that the role is
// as it was read and that an owner stays.
func (s *Service) Patch(ctx context.Context, c call.Call, which id.Employee, in Patch) (employee.Employee, error) {
	return change.Retry(func() (employee.Employee, error) {
		old, err := s.begin(ctx, c, which, permission.EmployeesUpdate, audit.EmployeeUpdated)
		if err != nil {
			return employee.Employee{}, err
		}
		now, op := s.Now(), id.New[id.Operation](s.Rand)
		next := in.apply(old)
		if err := checkProfile(&next, in.Email != nil && *in.Email != old.Email); err != nil {
			return employee.Employee{}, err
		}
		details := differences(old, next)
		if details == nil {
			return seen(c.Caller, old), nil
		}
		var writes []change.Write
		if next.RoleID != old.RoleID {
			if writes, err = s.assign(ctx, c, old, next); err != nil {
				refused := s.event(c, "", now, audit.EmployeeUpdated, old)
				refused.Details = details
				return employee.Employee{}, c.Deny(ctx, s.Store.Deny, refused, err)
			}
		}
		if next.Email != old.Email {
			next.Code, next.CodeSentAt, next.CodeExpiresAt = "", time.Time{}, time.Time{}
		}
		next = changedAt(next, now)
		e := s.event(c, op, now, audit.EmployeeUpdated, next)
		e.Details = details
		err = s.commit(ctx, c, change.Set{Operation: op, At: now, Events: []audit.Event{e}, Writes: append(writes, employee.Update{Old: old, New: next})})
		if errors.Is(err, change.ErrLost) {
			err = s.notChanged(ctx, err, old, next)
		}
		return seen(c.Caller, next), err
	})
}

// assign returns what the change that gives an employee another role has to begin with.
func (s *Service) assign(ctx context.Context, c call.Call, old, next employee.Employee) ([]change.Write, error) {
	if isSelf(c.Caller, old) {
		return nil, fault.New(fault.NotGrantable, "Nobody changes their own role. Ask somebody else who may.")
	}
	writes, err := grant.Assign(ctx, s.Store, c.Caller, next.RoleID, role.Employee, next.Place)
	if err != nil {
		return nil, err
	}
	return writes, s.lastOwner(ctx, old)
}

// notChanged says why an employee could not be changed: lost itself when nothing speaks against another try.
func (s *Service) notChanged(ctx context.Context, lost error, old, next employee.Employee) error {
	again, err := s.Store.Employee(ctx, old.ID)
	if err != nil || again.Revision != old.Revision {
		return lost // it is read anew, or is gone
	}
	if next.Email != old.Email {
		switch holder, err := s.Store.EmployeeByEmail(ctx, next.Email); {
		case err == nil && holder.ID != old.ID:
			return addressTaken()
		case err != nil && !fault.Is(err, fault.NotFound):
			return err
		}
	}
	if !next.IsOwner() {
		if err := s.lastOwner(ctx, old); err != nil {
			return err
		}
	}
	return lost
}

// differences are the details of the record of a change; nil when nothing differs.
func differences(old, next employee.Employee) map[string]any {
	var changed []string
	for _, f := range []struct {
		name string
		same bool
	}{{"email", old.Email == next.Email}, {"first_name", old.FirstName == next.FirstName}, {"last_name", old.LastName == next.LastName},
		{"role_id", old.RoleID == next.RoleID}} {
		if !f.same {
			changed = append(changed, f.name)
		}
	}
	if changed == nil {
		return nil
	}
	details := map[string]any{"changed": changed}
	if old.RoleID != next.RoleID {
		details["role_id"], details["former_role_id"] = string(next.RoleID), string(old.RoleID)
	}
	return details
}

// Delete removes an employee. Their sessions and personal access tokens are refused from the next request on, because every verdict
// reads the employee; the service accounts, keys and whatever else they made stay. Their address and seat are free; their name stays
// in the audit log. The last owner who can act stays. Atomic: the tombstone, the passkeys, the address, the seat and the audit
// record.
func (s *Service) Delete(ctx context.Context, c call.Call, which id.Employee) error {
	_, err := change.Retry(func() (employee.Employee, error) {
		old, err := s.begin(ctx, c, which, permission.EmployeesDelete, audit.EmployeeDeleted)
		if err != nil {
			return employee.Employee{}, err
		}
		return s.remove(ctx, c, old, audit.EmployeeDeleted)
	})
	return err
}

// remove puts the tombstone of an employee, and returns it.
func (s *Service) remove(ctx context.Context, c call.Call, old employee.Employee, action string) (employee.Employee, error) {
	if err := s.lastOwner(ctx, old); err != nil {
		return employee.Employee{}, err
	}
	writes, err := s.endPasskeys(ctx, old)
	if err != nil {
		return employee.Employee{}, err
	}
	now, op := s.Now(), id.New[id.Operation](s.Rand)
	gone := employee.Delete{Old: old, At: now}
	record, err := c.Idempotency.Record(op, now, gone.New(), nil)
	if err != nil {
		return employee.Employee{}, err
	}
	e := s.event(c, op, now, action, gone.New())
	e.Details = map[string]any{"role_id": string(old.RoleID), "status": string(old.Status)}
	return gone.New(), s.commit(ctx, c, change.Set{Operation: op, At: now, Idempotency: record, Events: []audit.Event{e}, Writes: append(writes, gone)})
}

// Reset takes an employee's passkeys away, ends their sessions, and sends them a code with which they enrol a new one. Personal access
// tokens stay: they are no second factor, and are revoked one by one. Atomic: the employee, the passkeys, the code, the audit record
// and the idempotency record; the letter goes afterwards.
func (s *Service) Reset(ctx context.Context, c call.Call, which id.Employee) (employee.Employee, error) {
	sent, err := change.Retry(func() (posted, error) {
		old, err := s.begin(ctx, c, which, permission.EmployeesResetSecondFactor, audit.SecondFactorReset)
		if err != nil {
			return posted{}, err
		}
		if old.Status != employee.Active {
			return posted{}, fault.New(fault.Conflict, "The employee has not accepted the invitation and has no second factor yet. Resend the invitation instead.")
		}
		writes, err := s.endPasskeys(ctx, old)
		if err != nil {
			return posted{}, err
		}
		return s.send(ctx, c, old, onetime.Enrolment, audit.SecondFactorReset, func(e *employee.Employee) {
			e.Passkeys = nil
			e.SessionEpoch++
		}, writes...)
	})
	if err != nil {
		return employee.Employee{}, err
	}
	return seen(c.Caller, s.post(ctx, c, sent)), nil
}
