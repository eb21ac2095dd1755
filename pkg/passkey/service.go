package passkey

import (
	"context"
	"errors"
	"io"
	"slices"
	"time"

	"github.com/rekey-dev/rekey/pkg/accesstoken"
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
	"github.com/rekey-dev/rekey/pkg/session"
	"github.com/rekey-dev/rekey/pkg/token"
)

// Store is what the use cases of passkeys read and write. Reads are strongly consistent; what is not there is a fault of kind
// not_found.
type Store interface {
	Employee(ctx context.Context, e id.Employee) (employee.Employee, error)
	// CustomRole reads one role; nil when it is not there.
	grant.Roles
	Token(ctx context.Context, t id.PAT) (accesstoken.Token, error)
	Session(ctx context.Context, s id.Session) (session.Session, error)
	Passkey(ctx context.Context, c id.Credential) (Passkey, error)
	// Passkeys reads those that are there, in any order.
	Passkeys(ctx context.Context, ids []id.Credential) ([]Passkey, error)
	PutChallenge(ctx context.Context, c Challenge) error
	// TakeChallenge takes a challenge away and returns it; change.ErrLost when it is not there.
	TakeChallenge(ctx context.Context, c id.Challenge, now time.Time) (Challenge, error)
	// Deny puts the record of a refusal; that it is there already is no error.
	Deny(ctx context.Context, event audit.Event) error
	// Commit carries out a change or none of it: see change.Set.
	Commit(ctx context.Context, s change.Set) error
}

// Service is the use cases of passkeys. Its fields are set once; it may be used by many goroutines.
type Service struct {
	Store      Store
	Codes      *onetime.Service
	Ceremonies Ceremonies
	Hold       bool                     // after a restore: no code is good
	Fold       func(name string) string // the form in which names are compared
	Now        func() time.Time
	Rand       io.Reader
}

// Started is an enrolment that the browser goes on with.
type Started struct {
	Challenge Challenge
	Options   []byte // of the new passkey; JSON
	Proof     []byte // of the signature by one that is there; nil for an enrolment with a code
}

// BeginWithCode begins an enrolment on the word of whoever has a one-time code.
func (s *Service) BeginWithCode(ctx context.Context, at Site, code token.Secret) (Started, error) {
	good, e, err := s.accept(ctx, code)
	if err != nil {
		return Started{}, err
	}
	return s.begin(ctx, at, e, good.ID)
}

// accept returns the code of a secret and its employee, as they are now.
func (s *Service) accept(ctx context.Context, code token.Secret) (onetime.Code, employee.Employee, error) {
	if s.Hold {
		return onetime.Code{}, employee.Employee{}, &fault.Error{Kind: fault.Unavailable, RetryAfter: time.Minute,
			Detail: "The deployment is on hold after a restore; nobody enrols a passkey until it ends."}
	}
	good, err := s.Codes.Check(ctx, code)
	if err != nil {
		return onetime.Code{}, employee.Employee{}, err
	}
	e, err := s.Store.Employee(ctx, good.Employee)
	if fault.Is(err, fault.NotFound) || err == nil && !good.IsCurrent(e) {
		err = refused(errors.New("passkey: the code is not its employee's any more"))
	}
	if err == nil {
		err = s.issuerLives(ctx, good, e)
	}
	return good, e, err
}

// issuerLives refuses a code whose issuer has ended: the session, or the token, that asked for it.
func (s *Service) issuerLives(ctx context.Context, code onetime.Code, e employee.Employee) error {
	lives := true
	if ses, ok := id.Parse[id.Session](code.Issuer); ok {
		found, err := s.Store.Session(ctx, ses)
		if err != nil && !fault.Is(err, fault.NotFound) {
			return err
		}
		lives = err == nil && found.Status(e.SessionEpoch, s.Now()) == session.Active
	} else if t, ok := id.Parse[id.PAT](code.Issuer); ok {
		found, err := s.Store.Token(ctx, t)
		if err != nil && !fault.Is(err, fault.NotFound) {
			return err
		}
		lives = err == nil && found.Status(e.TokenEpoch, s.Now()) == accesstoken.Active
	}
	if !lives {
		return refused(errors.New("passkey: what asked for the code has ended"))
	}
	return nil
}

// Begin begins the enrolment of a further passkey by an employee who is signed in, and asks for a signature by one of those for the
// site that are there.
func (s *Service) Begin(ctx context.Context, c call.Call, at Site) (Started, error) {
	e, err := s.self(ctx, c.Caller)
	if err != nil {
		return Started{}, err
	}
	return s.begin(ctx, at, e, "")
}

// self is the calling employee, who is not inside a company.
func (s *Service) self(ctx context.Context, c authz.Caller) (employee.Employee, error) {
	if c.Type != audit.Employee || c.Assumed() != "" {
		return employee.Employee{}, fault.New(fault.MissingPermission, "Only an employee has passkeys, and manages them outside of any company's session.")
	}
	return s.Store.Employee(ctx, id.Employee(c.ID))
}

func (s *Service) begin(ctx context.Context, at Site, e employee.Employee, code id.Invitation) (Started, error) {
	if len(e.Passkeys) >= employee.MaxPasskeys {
		return Started{}, tooMany()
	}
	has, err := s.Store.Passkeys(ctx, e.Passkeys)
	if err != nil {
		return Started{}, err
	}
	begun, err := s.Ceremonies.BeginEnrolment(at, UserOf(e), Records(has))
	if err != nil {
		return Started{}, err
	}
	out := Started{Options: begun.Options, Challenge: Challenge{ID: id.New[id.Challenge](s.Rand), Purpose: Enrol, EmployeeID: e.ID, Code: code,
		Kept: begun.Kept, ExpiresAt: s.Now().Add(ChallengeFor)}}
	if code == "" {
		if !slices.ContainsFunc(has, func(p Passkey) bool { return p.Record.RPID == at.RPID }) {
			return Started{}, fault.New(fault.Conflict, "You have no passkey for "+at.RPID+" that could sign for a further one. Ask for a one-time code where you have one (POST /v1/credentials/codes), and enrol with it here.")
		}
		proof, err := s.Ceremonies.BeginSignature(at, UserOf(e), Records(has))
		if err != nil {
			return Started{}, err
		}
		out.Proof, out.Challenge.Proof = proof.Options, proof.Kept
	}
	return out, s.Store.PutChallenge(ctx, out.Challenge)
}

func tooMany() error {
	return fault.New(fault.LimitReached, "You have 10 passkeys. Remove one that you do not use any more.")
}

// Answer is what the browser gives back.
type Answer struct {
	Challenge   id.Challenge
	Attestation []byte // the new passkey; JSON
	Assertion   []byte // the signature by one that is there; nil with a code
	Name        string
}

// FinishWithCode enrols a passkey on the word of whoever has a one-time code, which is used up by it. An invited employee becomes
// active. Atomic: the passkey, that its employee has it, the code, and the audit records.
func (s *Service) FinishWithCode(ctx context.Context, c call.Call, at Site, code token.Secret, in Answer) (Passkey, error) {
	if problem := name.Check(in.Name); problem != "" {
		return Passkey{}, fault.InvalidField("/name", problem)
	}
	good, e, err := s.accept(ctx, code)
	if err == nil {
		err = s.room(ctx, e, in.Name)
	}
	if err != nil {
		return Passkey{}, err
	}
	begun, err := Take(ctx, s.Store.TakeChallenge, in.Challenge, Enrol, s.Now())
	if err == nil && (begun.Code != good.ID || begun.EmployeeID != e.ID) {
		err = refused(errors.New("passkey: a challenge of another code"))
	}
	if err != nil {
		return Passkey{}, err
	}
	record, err := s.Ceremonies.FinishEnrolment(at, UserOf(e), begun.Kept, in.Attestation)
	if err != nil {
		return Passkey{}, refused(err)
	}
	return change.Retry(func() (Passkey, error) {
		e, err := s.Store.Employee(ctx, e.ID)
		if fault.Is(err, fault.NotFound) || err == nil && !good.IsCurrent(e) {
			err = refused(errors.New("passkey: the code is not its employee's any more"))
		}
		if err != nil {
			return Passkey{}, err
		}
		by := c
		by.Caller.Type, by.Caller.ID, by.Caller.Name, by.Caller.KeyID = audit.Employee, string(e.ID), e.Name(), string(good.ID)
		return s.enrol(ctx, by, e, record, in.Name, string(good.ID), &good)
	})
}

// Finish enrols a further passkey of the calling employee, signed by one that is there. Atomic: the passkey, that its employee has
// it, and the audit record.
func (s *Service) Finish(ctx context.Context, c call.Call, at Site, of id.Employee, in Answer) (Passkey, error) {
	e, err := s.self(ctx, c.Caller)
	if err == nil && e.ID != of {
		err = fault.New(fault.NotGrantable, "Nobody enrols a passkey for somebody else. Reset their second factor, and they get a code for a new one.")
	}
	if err != nil {
		refused := c.Event("", "", s.Now())
		refused.Action, refused.Place, refused.Target = audit.CredentialCreated, c.Caller.Place, audit.Target{Type: "employee", ID: string(of)}
		return Passkey{}, c.Deny(ctx, s.Store.Deny, refused, err)
	}
	if err := c.Idempotency.Check(); err != nil {
		return Passkey{}, err
	}
	if problem := name.Check(in.Name); problem != "" {
		return Passkey{}, fault.InvalidField("/name", problem)
	}
	if err := s.room(ctx, e, in.Name); err != nil {
		return Passkey{}, err
	}
	begun, err := Take(ctx, s.Store.TakeChallenge, in.Challenge, Enrol, s.Now())
	if err == nil && (begun.Code != "" || begun.EmployeeID != e.ID) {
		err = refused(errors.New("passkey: a challenge of another employee, or of a code"))
	}
	if err != nil {
		return Passkey{}, unproven(err)
	}
	record, err := s.Ceremonies.FinishEnrolment(at, UserOf(e), begun.Kept, in.Attestation)
	if err != nil {
		return Passkey{}, fault.InvalidField("/attestation", "does not answer the challenge for this domain, with user verification")
	}
	return change.Retry(func() (Passkey, error) {
		e, err := s.self(ctx, c.Caller)
		if err != nil {
			return Passkey{}, err
		}
		has, err := s.Store.Passkeys(ctx, e.Passkeys)
		if err != nil {
			return Passkey{}, err
		}
		signed, err := s.Ceremonies.FinishSignature(at, UserOf(e), Records(has), begun.Proof, in.Assertion)
		if errors.Is(err, ErrCloned) {
			cloned := c.Refused(c.Event("", "", s.Now()), s.Now())
			cloned.Action, cloned.Place = audit.CredentialCreated, e.Place
			cloned.Target = audit.Target{Type: "employee", ID: string(e.ID), Name: e.Name()}
			cloned.Details = map[string]any{"reason": "the counter of the passkey that signed did not go up: there may be a copy of it"}
			if err := s.Store.Deny(ctx, cloned); err != nil {
				return Passkey{}, err
			}
		}
		if err != nil {
			return Passkey{}, unproven(err)
		}
		i := slices.IndexFunc(has, func(p Passkey) bool { return slices.Equal(p.Record.CredentialID, signed.CredentialID) })
		return s.enrol(ctx, c, e, record, in.Name, string(has[i].ID), nil, Use{Old: has[i], Record: signed, At: s.Now()})
	})
}

// unproven is the answer to a signed-in employee whose signature does not hold: no 401, as it is not the key that was refused.
func unproven(err error) error {
	if errors.Is(err, ErrRefused) || errors.Is(err, ErrCloned) || fault.Is(err, fault.Unauthorized) {
		return fault.InvalidField("/assertion", "is no signature by one of your passkeys for this challenge. Begin anew with POST /v1/credentials/challenges.")
	}
	return err
}

// room returns nil when an employee can have one more passkey, of this name. It is asked before the challenge is taken, which a
// refusal would use up, and anew for the employee as the passkey is committed.
func (s *Service) room(ctx context.Context, e employee.Employee, called string) error {
	if len(e.Passkeys) >= employee.MaxPasskeys {
		return tooMany()
	}
	has, err := s.Store.Passkeys(ctx, e.Passkeys)
	if err == nil && slices.ContainsFunc(has, func(p Passkey) bool { return s.Fold(p.Name) == s.Fold(called) }) {
		err = fault.New(fault.Conflict, "You have a passkey with this name. Names are compared without regard to case.")
	}
	return err
}

// enrol commits a new passkey of an employee as it was just read.
func (s *Service) enrol(ctx context.Context, c call.Call, e employee.Employee, record Record, called, signedBy string, code *onetime.Code, more ...change.Write) (Passkey, error) {
	if err := s.room(ctx, e, called); err != nil {
		return Passkey{}, err
	}
	now, op := s.Now(), id.New[id.Operation](s.Rand)
	p := Passkey{ID: id.New[id.Credential](s.Rand), EmployeeID: e.ID, Place: e.Place, Name: called, Record: record, SignedBy: signedBy, CreatedAt: now, EventSeq: 1}
	next := e
	next.Passkeys = append(slices.Clone(e.Passkeys), p.ID)
	next.Code, next.CodeSentAt, next.CodeExpiresAt = "", time.Time{}, time.Time{} // who has a passkey needs no letter's code any more
	next.Revision++
	events := []audit.Event{s.event(c, op, now, audit.CredentialCreated, p)}
	writes := append([]change.Write{Create{Passkey: p}}, more...)
	if code != nil {
		writes = append(writes, onetime.Spend{Code: *code, At: now})
		if e.Status == employee.Invited {
			next.Status, next.UpdatedAt = employee.Active, now
			next.Version++
			next.EventSeq++
			activated := c.Event(id.New[id.Event](s.Rand), op, now)
			activated.Action, activated.Place, activated.Seq = audit.EmployeeActivated, e.Place, next.EventSeq
			activated.Target = audit.Target{Type: "employee", ID: string(e.ID), Name: e.Name()}
			events = append(events, activated)
		}
	}
	record2, err := c.Idempotency.Record(op, now, p, nil)
	if err != nil {
		return Passkey{}, err
	}
	set := change.Set{Operation: op, At: now, Idempotency: record2, Events: events, Writes: append(writes, employee.Update{Old: e, New: next})}
	err = change.Settle(s.Store.Commit(ctx, set), c.Idempotency)
	var lost *change.Lost
	if errors.As(err, &lost) {
		switch lost.Write.(type) {
		case Create:
			return Passkey{}, fault.New(fault.Conflict, "This passkey is registered already.")
		case onetime.Spend:
			return Passkey{}, refused(errors.New("passkey: the code was used meanwhile"))
		}
	}
	if err != nil {
		return Passkey{}, err
	}
	return p, nil
}

func (s *Service) event(c call.Call, op id.Operation, now time.Time, action string, p Passkey) audit.Event {
	e := c.Event(id.New[id.Event](s.Rand), op, now)
	e.Action, e.Place, e.Seq = action, p.Place, p.EventSeq
	e.Target = audit.Target{Type: "credential", ID: string(p.ID), Name: p.Name}
	e.Details = map[string]any{"employee_id": string(p.EmployeeID), "kind": "passkey", "algorithm": p.Record.Algorithm, "rp_id": p.Record.RPID,
		"signed_by": p.SignedBy}
	return e
}

// mayManage returns nil when the caller may use p on the passkeys of an employee: its own, or with the permission at the employee's
// place those of one whom it could give their role.
func (s *Service) mayManage(ctx context.Context, c authz.Caller, p permission.Permission, e employee.Employee) error {
	if c.Assumed() == "" && c.ID == string(e.ID) {
		switch {
		case p == permission.CredentialsRead, c.InPerson():
			return nil
		case !c.Effective.Has(p):
			return authz.NotInPerson()
		}
	}
	if err := c.Check(p, authz.Object{Place: e.Place, What: "credential"}); err != nil || p == permission.CredentialsRead {
		return err
	}
	return grant.Over(ctx, s.Store, c, e.RoleID)
}
