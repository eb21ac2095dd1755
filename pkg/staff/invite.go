package staff

import (
	"context"
	"errors"
	"fmt"
	"strings"
	"time"
	"unicode/utf8"

	"github.com/rekey-dev/rekey/pkg/audit"
	"github.com/rekey-dev/rekey/pkg/authz"
	"github.com/rekey-dev/rekey/pkg/call"
	"github.com/rekey-dev/rekey/pkg/change"
	"github.com/rekey-dev/rekey/pkg/employee"
	"github.com/rekey-dev/rekey/pkg/fault"
	"github.com/rekey-dev/rekey/pkg/grant"
	"github.com/rekey-dev/rekey/pkg/id"
	"github.com/rekey-dev/rekey/pkg/name"
	"github.com/rekey-dev/rekey/pkg/onetime"
	"github.com/rekey-dev/rekey/pkg/permission"
	"github.com/rekey-dev/rekey/pkg/role"
)

// New is the input of inviting an employee.
type New struct {
	Node      id.Node
	Email     string
	FirstName string
	LastName  string
	RoleID    id.Role
}

// Invite makes an employee who can act once the invitation is accepted, and writes to them. Atomic: the employee, its address, its
// seat, the code, the count of letters to the address, the audit record and the idempotency record. The letter goes afterwards: when
// it cannot be sent, the employee is there and was not written to. That it went is recorded, and part of the answer that a repeat gets.
func (s *Service) Invite(ctx context.Context, c call.Call, in New) (employee.Employee, error) {
	invited, err := change.Retry(func() (posted, error) { return s.invite(ctx, c, in) })
	if err != nil {
		return employee.Employee{}, err
	}
	return s.post(ctx, c, invited), nil
}

func (s *Service) invite(ctx context.Context, c call.Call, in New) (posted, error) {
	at, err := s.Store.Node(ctx, in.Node)
	if err != nil {
		return posted{}, err
	}
	now, op := s.Now(), id.New[id.Operation](s.Rand)
	e := employee.Employee{ID: id.New[id.Employee](s.Rand), Email: in.Email, FirstName: in.FirstName, LastName: in.LastName, Place: at.Place,
		RoleID: in.RoleID, Status: employee.Invited, CreatedBy: c.Caller.ID, CreatedByName: c.Caller.Name,
		InvitedFrom: c.Caller.Place.Node(), CreatedAt: now, UpdatedAt: now,
		Version: 1, Revision: 1, EventSeq: 1}
	refused := s.event(c, "", now, audit.EmployeeInvited, e)
	refused.Target, refused.Details = audit.Target{Type: "node", ID: string(at.ID), Name: at.Name}, map[string]any{"role_id": string(in.RoleID)}
	if err := c.Caller.Check(permission.EmployeesInvite, authz.Object{Place: at.Place, What: "node"}); err != nil {
		return posted{}, c.Deny(ctx, s.Store.Deny, refused, err)
	}
	if err := c.Idempotency.Check(); err != nil {
		return posted{}, err
	}
	if err := checkProfile(&e, true); err != nil {
		return posted{}, err
	}
	writes, err := grant.Assign(ctx, s.Store, c.Caller, e.RoleID, role.Employee, e.Place)
	if err != nil {
		return posted{}, c.Deny(ctx, s.Store.Deny, refused, err)
	}
	if s.Mail == nil {
		return posted{}, noMail()
	}
	counted, err := s.oneMoreLetter(ctx, e.Email, now)
	if err != nil {
		return posted{}, err
	}
	out, codeMade, err := s.withCode(ctx, c, e, onetime.Invitation, op)
	if err != nil {
		return posted{}, err
	}
	record, err := c.Idempotency.Record(op, now, seen(c.Caller, out.employee), nil)
	if err != nil {
		return posted{}, err
	}
	made := s.event(c, op, now, audit.EmployeeInvited, out.employee)
	made.Details = map[string]any{"role_id": string(e.RoleID), "expires_at": out.expires()}
	create := employee.Create{Employee: out.employee}
	if s.Seats != nil {
		create.Seats = *s.Seats
	}
	err = s.commit(ctx, c, change.Set{Operation: op, At: now, Idempotency: record, Events: []audit.Event{made}, Writes: append(writes, create, codeMade, counted)})
	var lost *change.Lost
	if errors.As(err, &lost) {
		if _, ok := lost.Write.(employee.Create); ok {
			return posted{}, s.notInvited(ctx, c.Caller, err, create)
		}
	}
	return out, err
}

// notInvited says why an employee could not be put: lost itself when nothing speaks against another try.
func (s *Service) notInvited(ctx context.Context, c authz.Caller, lost error, w employee.Create) error {
	if _, err := s.Store.Node(ctx, w.Employee.Place.Node()); err != nil {
		return err
	}
	switch _, err := s.Store.EmployeeByEmail(ctx, w.Employee.Email); {
	case err == nil:
		return addressTaken()
	case !fault.Is(err, fault.NotFound):
		return err
	}
	there, err := s.Store.Headcount(ctx)
	if err == nil && w.Seats > 0 && there.Employees >= w.Seats {
		taken := "All seats are taken"
		if len(c.Place.Nodes()) == 1 { // how many people the MSP has is nobody's business below
			taken += fmt.Sprintf(": %d of %d", there.Employees, w.Seats)
		}
		err = fault.New(fault.LimitReached, taken+". Invited employees have one, service accounts never do. "+
			"Delete an employee, or change the number of seats of the deployment.")
	}
	if err == nil {
		err = lost
	}
	return err
}

func addressTaken() error {
	return fault.New(fault.Conflict, "An employee of this MSP has the address already. Addresses are compared without regard to case.")
}

func noMail() error {
	return fault.New(fault.Conflict, "The deployment sends no mail, so nobody can be sent a code: its parameter MailSender is empty. Nothing was changed.")
}

// checkProfile brings a new address of an employee into its one form, and says everything that is wrong with what people gave.
func checkProfile(e *employee.Employee, newAddress bool) error {
	var bad []fault.Field
	var address, problem string
	if newAddress {
		if address, problem = name.CanonicalEmail(e.Email); problem == "" {
			e.Email = address
			if strings.ContainsFunc(address, func(r rune) bool { return r >= utf8.RuneSelf }) {
				problem = "has a character outside ASCII before the @, and Amazon SES sends no mail to such addresses"
			}
		}
	}
	for _, f := range []struct{ pointer, problem string }{{"/email", problem}, {"/first_name", name.Check(e.FirstName)}, {"/last_name", name.Check(e.LastName)}} {
		if f.problem != "" {
			bad = append(bad, fault.Field{Pointer: f.pointer, Detail: f.problem})
		}
	}
	return fault.InvalidFields(bad)
}

// withCode gives an employee a new code, which makes the one before it dead, and writes the letter. What it returns beside is the
// write that keeps the code.
func (s *Service) withCode(ctx context.Context, c call.Call, e employee.Employee, purpose onetime.Purpose, op id.Operation) (posted, change.Write, error) {
	provider, err := s.Store.MSP(ctx)
	if err != nil {
		return posted{}, nil, err
	}
	made, err := s.Codes.New(ctx, e.ID, purpose, op, nil)
	if err != nil {
		return posted{}, nil, err
	}
	e.Code, e.CodeSentAt, e.CodeExpiresAt = made.Code.ID, time.Time{}, made.Code.ExpiresAt
	l, err := letter{Purpose: purpose, To: e, From: c.Caller.Name, MSP: provider.Name, Portal: s.Portal, Code: made.Secret, Until: made.Code.ExpiresAt}.render()
	if err != nil {
		return posted{}, nil, err
	}
	return posted{employee: e, letter: l, op: op}, onetime.Create{Code: made.Code}, nil
}

// oneMoreLetter is the write that counts a letter to an employee's address, or the refusal of one too many.
func (s *Service) oneMoreLetter(ctx context.Context, to string, now time.Time) (change.Write, error) {
	sent, err := s.Store.Letters(ctx, to)
	if err != nil {
		return nil, err
	}
	next, wait := sent.OneMore(now)
	if wait > 0 {
		return nil, &fault.Error{Kind: fault.TooManyRequests, RetryAfter: (wait + time.Second - 1).Truncate(time.Second),
			Detail: fmt.Sprintf("%d letters went to this address within the hour, the most that are sent to one. The last one may still be on its way.", employee.MaxLetters)}
	}
	return employee.CountLetter{Letters: next}, nil
}

// Resend makes a new code for an invited employee, or for one whose second factor was reset and who has not enrolled since, and
// writes to them; the code before is dead at once. Atomic as Invite is; the letter goes afterwards.
func (s *Service) Resend(ctx context.Context, c call.Call, which id.Employee) (employee.Employee, error) {
	sent, err := change.Retry(func() (posted, error) {
		old, err := s.begin(ctx, c, which, permission.EmployeesInvite, audit.InvitationResent)
		if err != nil {
			return posted{}, err
		}
		purpose := onetime.Invitation
		if old.Status != employee.Invited {
			if purpose = onetime.Enrolment; old.Code == "" {
				return posted{}, fault.New(fault.Conflict, "The employee has accepted the invitation; there is nothing to send.")
			}
		}
		return s.send(ctx, c, old, purpose, audit.InvitationResent, nil)
	})
	if err != nil {
		return employee.Employee{}, err
	}
	return seen(c.Caller, s.post(ctx, c, sent)), nil
}

// send commits that an employee, as changed by turn, has a new code, and counts the letter.
func (s *Service) send(ctx context.Context, c call.Call, old employee.Employee, purpose onetime.Purpose, action string, turn func(*employee.Employee), more ...change.Write) (posted, error) {
	if s.Mail == nil {
		return posted{}, noMail()
	}
	now, op := s.Now(), id.New[id.Operation](s.Rand)
	counted, err := s.oneMoreLetter(ctx, old.Email, now)
	if err != nil {
		return posted{}, err
	}
	next := changedAt(old, now)
	if turn != nil {
		turn(&next)
	}
	out, codeMade, err := s.withCode(ctx, c, next, purpose, op)
	if err != nil {
		return posted{}, err
	}
	record, err := c.Idempotency.Record(op, now, seen(c.Caller, out.employee), nil)
	if err != nil {
		return posted{}, err
	}
	e := s.event(c, op, now, action, out.employee)
	e.Details = map[string]any{"expires_at": out.expires()}
	return out, s.commit(ctx, c, change.Set{Operation: op, At: now, Idempotency: record, Events: []audit.Event{e},
		Writes: append(more, employee.Update{Old: old, New: out.employee}, codeMade, counted)})
}

// Revoke takes an invitation back: the invited employee is deleted, with the seat and the code. One who has accepted is a conflict.
// Atomic: the tombstone, the address, the seat, the audit record and the idempotency record.
func (s *Service) Revoke(ctx context.Context, c call.Call, which id.Employee) (employee.Employee, error) {
	return change.Retry(func() (employee.Employee, error) {
		old, err := s.begin(ctx, c, which, permission.EmployeesInvite, audit.InvitationRevoked)
		if fault.Is(err, fault.NotFound) && c.Idempotency.IsRepeat() { // the call before has taken the employee away
			if err := c.Caller.Holds(permission.EmployeesInvite); err != nil {
				return employee.Employee{}, err
			}
			return employee.Employee{}, c.Idempotency.Check()
		}
		if err != nil {
			return employee.Employee{}, err
		}
		if old.Status != employee.Invited {
			return employee.Employee{}, fault.New(fault.Conflict, "The employee has accepted the invitation. Delete the employee instead.")
		}
		return s.remove(ctx, c, old, audit.InvitationRevoked)
	})
}
