// Package staff is the use cases of employees: who works for the MSP, with which role, from where in the tree down.
//
// An employee is invited by e-mail, stands at a node for good, and can act once the invitation is accepted, elsewhere, with a first
// passkey. Whoever changes an employee, oneself included, must be able to give them the role that they have, with what the credential
// carries; only an owner changes an owner, and nobody changes their own role. The last owner who can act stays one, and a seat is taken
// only while one is free: both are conditions of the very change, so that of two at the same moment one wins.
//
// A code is made with the change that it belongs to and leaves in a letter afterwards: a letter that cannot be sent leaves an
// employee who was not written to, and a code that nobody knows. No answer, record or log holds a code. The package knows neither
// AWS nor how anything is stored; what people wrote goes into letters as plain text that no mail program makes a link of.
package staff

import (
	"context"
	"io"
	"log/slog"
	"slices"
	"time"

	"github.com/rekey-dev/rekey/pkg/audit"
	"github.com/rekey-dev/rekey/pkg/authz"
	"github.com/rekey-dev/rekey/pkg/call"
	"github.com/rekey-dev/rekey/pkg/change"
	"github.com/rekey-dev/rekey/pkg/employee"
	"github.com/rekey-dev/rekey/pkg/fault"
	"github.com/rekey-dev/rekey/pkg/grant"
	"github.com/rekey-dev/rekey/pkg/id"
	"github.com/rekey-dev/rekey/pkg/listing"
	"github.com/rekey-dev/rekey/pkg/msp"
	"github.com/rekey-dev/rekey/pkg/notice"
	"github.com/rekey-dev/rekey/pkg/onetime"
	"github.com/rekey-dev/rekey/pkg/permission"
	"github.com/rekey-dev/rekey/pkg/place"
)

// Store is what the use cases of employees read and write. Reads are strongly consistent; an object that is not there, and an
// employee who was deleted, is a fault of kind not_found; a store that does not answer is a fault of kind unavailable.
type Store interface {
	listing.Places
	grant.Roles
	MSP(ctx context.Context) (msp.MSP, error)
	Employee(ctx context.Context, e id.Employee) (employee.Employee, error)
	// EmployeeByEmail finds the employee with an address, in any case.
	EmployeeByEmail(ctx context.Context, email string) (employee.Employee, error)
	// Employees reads those that are there, in any order.
	Employees(ctx context.Context, ids []id.Employee) ([]employee.Employee, error)
	Headcount(ctx context.Context) (employee.Headcount, error)
	// Letters reads what letters with codes went to an address, in any case.
	Letters(ctx context.Context, address string) (employee.Letters, error)
	List(ctx context.Context, q listing.Query) (listing.Page, error)
	// Deny puts the record of a refusal; that it is there already is no error.
	Deny(ctx context.Context, event audit.Event) error
	// Commit carries out a change or none of it: see change.Set.
	Commit(ctx context.Context, s change.Set) error
}

// Service is the use cases of employees. Its fields are set once; it may be used by many goroutines.
type Service struct {
	Store  Store
	Codes  *onetime.Service
	Mail   notice.Mailer // nil where the deployment sends no mail: then nobody is invited
	Portal string        // where codes are entered, for letters; "" for none
	Seats  *int          // how many employees the MSP can have, invited ones too; nil for as many as it likes
	// Passkeys returns the writes that remove what is kept of an employee's passkeys beside the employee.
	Passkeys func(ctx context.Context, e employee.Employee) ([]change.Write, error)
	Now      func() time.Time
	Rand     io.Reader
	Log      *slog.Logger
}

func object(p place.Place) authz.Object { return authz.Object{Place: p, What: "employee"} }

// Get returns an employee that the caller may see.
func (s *Service) Get(ctx context.Context, c call.Call, which id.Employee) (employee.Employee, error) {
	found, err := s.Store.Employee(ctx, which)
	if err == nil {
		err = c.Caller.Check(permission.EmployeesRead, object(found.Place))
	}
	if err != nil {
		return employee.Employee{}, err
	}
	return seen(c.Caller, found), nil
}

// seen is what a caller is shown of an employee whom it may see: not who invited them from above the caller's node.
func seen(c authz.Caller, e employee.Employee) employee.Employee {
	nodes := c.Place.Nodes()
	above := nodes[:max(len(nodes)-1, 0)]
	if slices.Contains(above, e.InvitedFrom) || e.InvitedFrom == "" && len(above) > 0 {
		e.CreatedBy, e.CreatedByName = "", ""
	}
	return e
}

func isSelf(c authz.Caller, e employee.Employee) bool { return c.ID == string(e.ID) }

// begin is the first part of every change of an employee: it is there, the caller may, and is not below it, the call is new, the
// employee is as the caller saw it. A refusal is recorded.
func (s *Service) begin(ctx context.Context, c call.Call, which id.Employee, p permission.Permission, action string) (employee.Employee, error) {
	found, err := s.Store.Employee(ctx, which)
	if err != nil {
		return employee.Employee{}, err
	}
	err = c.Caller.Check(p, object(found.Place))
	if err == nil { // also of oneself: an address or a reset is the way to all that the role has, which a token may carry little of
		err = grant.Over(ctx, s.Store, c.Caller, found.RoleID)
	}
	if err != nil {
		return employee.Employee{}, c.Deny(ctx, s.Store.Deny, s.event(c, "", s.Now(), action, found), err)
	}
	if err := c.Idempotency.Check(); err != nil {
		return employee.Employee{}, err
	}
	return found, c.Match.Check(string(found.ID), found.Version)
}

func (s *Service) event(c call.Call, op id.Operation, now time.Time, action string, e employee.Employee) audit.Event {
	out := c.Event(id.New[id.Event](s.Rand), op, now)
	out.Action, out.Place, out.Seq = action, e.Place, e.EventSeq
	out.Target = audit.Target{Type: "employee", ID: string(e.ID), Name: e.Name()}
	return out
}

// changedAt is an employee with the next version, revision and audit record.
func changedAt(e employee.Employee, now time.Time) employee.Employee {
	e.UpdatedAt = now
	e.Version++
	e.Revision++
	e.EventSeq++
	return e
}

// commit carries out a change; an equal call that was first is answered with its answer.
func (s *Service) commit(ctx context.Context, c call.Call, set change.Set) error {
	return change.Settle(s.Store.Commit(ctx, set), c.Idempotency)
}

// endPasskeys are the writes that go with a change that ends an employee's passkeys.
func (s *Service) endPasskeys(ctx context.Context, e employee.Employee) ([]change.Write, error) {
	if len(e.Passkeys) == 0 {
		return nil, nil
	}
	return s.Passkeys(ctx, e)
}

// lastOwner returns the fault of a change that would leave no owner who can act; nil when it would not.
func (s *Service) lastOwner(ctx context.Context, old employee.Employee) error {
	if !old.IsOwner() {
		return nil
	}
	there, err := s.Store.Headcount(ctx)
	if err == nil && there.Owners < 2 {
		err = fault.New(fault.LastOwner, "This is the last owner who can act. Make another employee an owner first, and wait until they have accepted their invitation.")
	}
	return err
}
