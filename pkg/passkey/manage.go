package passkey

import (
	"context"
	"errors"
	"slices"
	"strings"
	"time"

	"github.com/rekey-dev/rekey/pkg/audit"
	"github.com/rekey-dev/rekey/pkg/call"
	"github.com/rekey-dev/rekey/pkg/change"
	"github.com/rekey-dev/rekey/pkg/employee"
	"github.com/rekey-dev/rekey/pkg/fault"
	"github.com/rekey-dev/rekey/pkg/id"
	"github.com/rekey-dev/rekey/pkg/idempotency"
	"github.com/rekey-dev/rekey/pkg/onetime"
	"github.com/rekey-dev/rekey/pkg/permission"
	"github.com/rekey-dev/rekey/pkg/token"
)

// List lists the passkeys of an employee by name: the caller's own, or with credentials:read those of one at or below its place.
func (s *Service) List(ctx context.Context, c call.Call, of id.Employee) ([]Passkey, error) {
	e, err := s.Store.Employee(ctx, of)
	if err == nil {
		err = s.mayManage(ctx, c.Caller, permission.CredentialsRead, e)
	}
	if fault.Is(err, fault.NotFound) {
		err = fault.Missing("employee")
	}
	if err != nil {
		return nil, err
	}
	out, err := s.Store.Passkeys(ctx, e.Passkeys)
	slices.SortFunc(out, func(a, b Passkey) int {
		return strings.Compare(s.Fold(a.Name)+"\x00"+string(a.ID), s.Fold(b.Name)+"\x00"+string(b.ID))
	})
	return out, err
}

// find reads a passkey and its employee; one that the caller may not see is not there.
func (s *Service) find(ctx context.Context, c call.Call, p permission.Permission, which id.Credential) (Passkey, employee.Employee, error) {
	found, err := s.Store.Passkey(ctx, which)
	if err != nil {
		return Passkey{}, employee.Employee{}, err
	}
	e, err := s.Store.Employee(ctx, found.EmployeeID)
	if fault.Is(err, fault.NotFound) || err == nil && !slices.Contains(e.Passkeys, which) {
		err = fault.Missing("credential")
	}
	if err == nil {
		err = s.mayManage(ctx, c.Caller, p, e)
	}
	return found, e, err
}

// Get returns a passkey that the caller may see.
func (s *Service) Get(ctx context.Context, c call.Call, which id.Credential) (Passkey, error) {
	found, _, err := s.find(ctx, c, permission.CredentialsRead, which)
	return found, err
}

// Delete removes a passkey, never an employee's last one. Sessions that began with it go on, and end with their own time or when
// they are revoked. Atomic: the passkey, that its employee has it no more, and the audit record.
func (s *Service) Delete(ctx context.Context, c call.Call, which id.Credential) error {
	_, err := change.Retry(func() (struct{}, error) {
		found, e, err := s.find(ctx, c, permission.CredentialsManage, which)
		now, op := s.Now(), id.New[id.Operation](s.Rand)
		if err != nil {
			if found.ID != "" {
				err = c.Deny(ctx, s.Store.Deny, s.event(c, "", now, audit.CredentialDeleted, found), err)
			}
			return struct{}{}, err
		}
		if err := c.Match.Check(string(found.ID), Version); err != nil {
			return struct{}{}, err
		}
		if len(e.Passkeys) == 1 {
			return struct{}{}, fault.New(fault.LastCredential, "This is the employee's last passkey: without it nobody could sign in. Register another one first, or reset the second factor.")
		}
		next := e
		next.Passkeys = slices.DeleteFunc(slices.Clone(e.Passkeys), func(p id.Credential) bool { return p == which })
		next.Revision++
		gone := found
		gone.EventSeq++
		return struct{}{}, s.Store.Commit(ctx, change.Set{Operation: op, At: now, Events: []audit.Event{s.event(c, op, now, audit.CredentialDeleted, gone)},
			Writes: []change.Write{Delete{Old: found}, employee.Update{Old: e, New: next}}})
	})
	return err
}

// Version is that of every passkey: nothing of it can be changed.
const Version = 1

// Ends are the writes that remove all passkeys of an employee, to go with the write that empties the employee's list of them.
func Ends(store interface {
	Passkeys(ctx context.Context, ids []id.Credential) ([]Passkey, error)
}) func(ctx context.Context, e employee.Employee) ([]change.Write, error) {
	return func(ctx context.Context, e employee.Employee) ([]change.Write, error) {
		has, err := store.Passkeys(ctx, e.Passkeys)
		out := make([]change.Write, len(has))
		for i, p := range has {
			out[i] = Delete{Old: p}
		}
		return out, err
	}
}

// IssueCode makes a one-time code with which the calling employee enrols a passkey on another device or domain: for whoever is
// signed in with a passkey, or with the token of set-up or recovery while there is no passkey. Of several codes each is good until
// it is used or has expired, or until the employee's sessions are ended. Atomic: the code, the audit record and the idempotency
// record.
func (s *Service) IssueCode(ctx context.Context, c call.Call) (onetime.Minted, error) {
	return change.Retry(func() (onetime.Minted, error) {
		e, err := s.self(ctx, c.Caller)
		if err != nil {
			return onetime.Minted{}, err
		}
		now, op := s.Now(), id.New[id.Operation](s.Rand)
		refusal := c.Event("", op, now)
		refusal.Action, refusal.Place = audit.CredentialCodeIssued, e.Place
		refusal.Target = audit.Target{Type: "employee", ID: string(e.ID), Name: e.Name()}
		if err := s.mayEnrol(ctx, c, e); err != nil {
			return onetime.Minted{}, c.Deny(ctx, s.Store.Deny, refusal, err)
		}
		if err := c.Idempotency.Check(); err != nil {
			return onetime.Minted{}, err
		}
		out, err := s.Codes.New(ctx, e.ID, onetime.Passkey, op, c.Idempotency)
		if err != nil {
			return onetime.Minted{}, err
		}
		out.Code.Epoch, out.Code.Issuer = e.SessionEpoch, c.Caller.KeyID
		next := e
		next.Revision++
		next.EventSeq++
		ev := refusal
		ev.ID, ev.Seq = id.New[id.Event](s.Rand), next.EventSeq
		ev.Details = map[string]any{"expires_at": out.Code.ExpiresAt.UTC().Format(time.RFC3339)}
		record, err := c.Idempotency.Record(op, now, out, out.Derived)
		if err != nil {
			return onetime.Minted{}, err
		}
		err = change.Settle(s.Store.Commit(ctx, change.Set{Operation: op, At: now, Idempotency: record, Events: []audit.Event{ev},
			Writes: []change.Write{onetime.Create{Code: out.Code}, employee.Update{Old: e, New: next}}}), c.Idempotency)
		if err != nil {
			return onetime.Minted{}, err // no code leaves unless it is known to be there
		}
		return out, nil
	})
}

// mayEnrol tells whether the caller proved enough to be given a code.
func (s *Service) mayEnrol(ctx context.Context, c call.Call, e employee.Employee) error {
	if c.Caller.Auth == "passkey" {
		return nil
	}
	if t, ok := id.Parse[id.PAT](c.Caller.KeyID); ok && len(e.Passkeys) == 0 {
		held, err := s.Store.Token(ctx, t)
		if err != nil {
			return err
		}
		if held.Enrols && held.EnrolEpoch == e.SessionEpoch { // nothing was reset since
			return nil
		}
	}
	return fault.New(fault.NotGrantable, "Sign in with a passkey to enrol another one with a code. The token of set-up or recovery does as long as you have no passkey.")
}

// Repeat makes the code of a call that was carried out before again, for a caller that was authorized anew, for as long as it is
// good; the zero Secret when it is not.
func (s *Service) Repeat(ctx context.Context, _ call.Call, r idempotency.Record) (token.Secret, error) {
	if r.Secret == nil || r.Secret.Kind != token.OneTimeCode {
		return token.Secret{}, nil
	}
	code, err := s.Codes.Look(ctx, id.FromBody[id.Invitation](r.Secret.Public))
	if errors.Is(err, change.ErrLost) {
		return token.Secret{}, nil
	}
	if err != nil {
		return token.Secret{}, err
	}
	return s.Codes.Mint.Again(ctx, r, code.MAC, code.PepperVersion)
}
