// Package signin opens sessions and ends them: with a passkey, and inside one company for whoever may assume its tenant.
//
// A session is bound to what it was opened on: the employee's session epoch and, inside a company, the credential with which it was
// opened and that company. All of them are read with every request, so that it ends with any of them at once.
package signin

import (
	"context"
	"errors"
	"fmt"
	"io"
	"slices"
	"time"

	"github.com/rekey-dev/rekey/pkg/accesstoken"
	"github.com/rekey-dev/rekey/pkg/audit"
	"github.com/rekey-dev/rekey/pkg/call"
	"github.com/rekey-dev/rekey/pkg/change"
	"github.com/rekey-dev/rekey/pkg/company"
	"github.com/rekey-dev/rekey/pkg/employee"
	"github.com/rekey-dev/rekey/pkg/fault"
	"github.com/rekey-dev/rekey/pkg/grant"
	"github.com/rekey-dev/rekey/pkg/id"
	"github.com/rekey-dev/rekey/pkg/mint"
	"github.com/rekey-dev/rekey/pkg/passkey"
	"github.com/rekey-dev/rekey/pkg/session"
	"github.com/rekey-dev/rekey/pkg/token"
)

// Store is what the use cases of sessions read and write. Reads are strongly consistent; what is not there is a fault of kind
// not_found.
type Store interface {
	Employee(ctx context.Context, e id.Employee) (employee.Employee, error)
	// Roles tell what who acts on another employee, and that employee, hold.
	grant.Roles
	Company(ctx context.Context, c id.Company) (company.Company, error)
	Token(ctx context.Context, t id.PAT) (accesstoken.Token, error)
	Session(ctx context.Context, s id.Session) (session.Session, error)
	// Sessions returns a page of an employee's sessions, newest first; next is "" at the end.
	Sessions(ctx context.Context, e id.Employee, after string, limit int) (page []session.Session, next string, err error)
	// Passkeys reads those that are there, in any order.
	Passkeys(ctx context.Context, ids []id.Credential) ([]passkey.Passkey, error)
	PutChallenge(ctx context.Context, c passkey.Challenge) error
	// TakeChallenge takes a challenge away and returns it; change.ErrLost when it is not there.
	TakeChallenge(ctx context.Context, c id.Challenge, now time.Time) (passkey.Challenge, error)
	// Deny puts the record of a refusal; that it is there already is no error.
	Deny(ctx context.Context, event audit.Event) error
	// Commit carries out a change or none of it: see change.Set.
	Commit(ctx context.Context, s change.Set) error
}

// Service is the use cases of sessions. Its fields are set once; it may be used by many goroutines.
type Service struct {
	Store      Store
	Ceremonies passkey.Ceremonies
	Mint       *mint.Mint
	Hold       bool // after a restore: nobody signs in
	Now        func() time.Time
	Rand       io.Reader
}

// held is the answer while a restored deployment is on hold: what was taken away since may be there again.
func held() error {
	return &fault.Error{Kind: fault.Unavailable, RetryAfter: time.Minute, Detail: "The deployment is on hold after a restore; nobody signs in until it ends."}
}

// Begun is a ceremony that the caller's browser goes on with.
type Begun struct {
	Challenge passkey.Challenge
	Options   []byte // JSON
}

// Begin makes the options of a sign-in at a site, by whichever passkey of it the browser's authenticators have: it is asked of
// nobody in particular, so that nobody learns who has one.
func (s *Service) Begin(ctx context.Context, at passkey.Site) (Begun, error) {
	if s.Hold {
		return Begun{}, held()
	}
	begun, err := s.Ceremonies.BeginSignature(at, passkey.User{}, nil)
	if err != nil {
		return Begun{}, err
	}
	c := passkey.Challenge{ID: id.New[id.Challenge](s.Rand), Purpose: passkey.SignIn, Kept: begun.Kept, ExpiresAt: s.Now().Add(passkey.ChallengeFor)}
	if err := s.Store.PutChallenge(ctx, c); err != nil {
		return Begun{}, err
	}
	return Begun{Challenge: c, Options: begun.Options}, nil
}

// Opened is a new session. Its secret is shown once.
type Opened struct {
	Session session.Session
	Secret  token.Secret
}

// refused is what whoever does not sign in is told, whatever was wrong.
func refused(cause error) error {
	return &fault.Error{Kind: fault.Unauthorized, Detail: fault.NotProven, Cause: cause}
}

// Finish signs in with the answer to a challenge: it opens a session of the employee whose passkey signed. The challenge is used up,
// whether the answer is right or not. Atomic: the session and the row that lists it, the passkey's counter, the employee's time of
// the last sign-in, and the audit record.
func (s *Service) Finish(ctx context.Context, c call.Call, at passkey.Site, challenge id.Challenge, answer []byte) (Opened, error) {
	if s.Hold {
		return Opened{}, held()
	}
	handle, credentialID, err := s.Ceremonies.Signer(answer)
	if err != nil {
		return Opened{}, refused(err)
	}
	now := s.Now()
	asked, err := passkey.Take(ctx, s.Store.TakeChallenge, challenge, passkey.SignIn, now)
	if err != nil {
		return Opened{}, err
	}
	return change.Retry(func() (Opened, error) { return s.open(ctx, c, at, asked, handle, credentialID, answer) })
}

func (s *Service) open(ctx context.Context, c call.Call, at passkey.Site, asked passkey.Challenge, handle string, credentialID, answer []byte) (Opened, error) {
	now := s.Now()
	who, ok := id.Parse[id.Employee](handle)
	if !ok {
		return Opened{}, refused(errors.New("signin: a user handle that is no employee's ID"))
	}
	e, err := s.Store.Employee(ctx, who)
	if fault.Is(err, fault.NotFound) || err == nil && e.Status != employee.Active {
		return Opened{}, refused(errors.New("signin: no such active employee"))
	}
	if err != nil {
		return Opened{}, err
	}
	has, err := s.Store.Passkeys(ctx, e.Passkeys)
	if err != nil {
		return Opened{}, err
	}
	i := slices.IndexFunc(has, func(p passkey.Passkey) bool { return string(p.Record.CredentialID) == string(credentialID) })
	if i < 0 {
		return Opened{}, refused(errors.New("signin: not one of the employee's passkeys"))
	}
	used := has[i]
	record, err := s.Ceremonies.FinishSignature(at, passkey.UserOf(e), passkey.Records(has), asked.Kept, answer)
	switch {
	case errors.Is(err, passkey.ErrCloned):
		return Opened{}, s.cloned(ctx, c, e, used, now)
	case err != nil:
		return Opened{}, refused(err)
	}
	op := id.New[id.Operation](s.Rand)
	out := session.Session{ID: id.New[id.Session](s.Rand), EmployeeID: e.ID, Place: e.Place, Epoch: e.SessionEpoch, Passkey: used.ID,
		SourceIP: c.Request.SourceIP, UserAgent: c.Request.UserAgent, CreatedAt: now, ExpiresAt: now.Add(session.Life), EventSeq: 1}
	coin, err := s.Mint.New(ctx, token.Session, id.Body(out.ID), session.Generation, op, nil)
	if err != nil {
		return Opened{}, err
	}
	out.MAC, out.PepperVersion = coin.MAC, coin.PepperVersion
	by := c
	by.Caller.Type, by.Caller.ID, by.Caller.Name = audit.Employee, string(e.ID), e.Name()
	by.Caller.KeyID = string(used.ID)
	ev := s.event(by, op, now, audit.SessionStarted, out)
	ev.Details["credential_id"] = string(used.ID)
	err = s.Store.Commit(ctx, change.Set{Operation: op, At: now, Events: []audit.Event{ev}, Writes: []change.Write{
		session.Create{Session: out}, passkey.Use{Old: used, Record: record, At: now}, employee.SignIn{Old: e, At: now}}})
	if err != nil {
		return Opened{}, err // no secret leaves unless its session is known to be there
	}
	return Opened{Session: out, Secret: coin.Secret}, nil
}

// cloned records that a passkey's counter did not go up, which a copy of its key would do: at most once a minute and passkey.
func (s *Service) cloned(ctx context.Context, c call.Call, e employee.Employee, p passkey.Passkey, now time.Time) error {
	c.Caller.Type, c.Caller.ID, c.Caller.Name, c.Caller.KeyID = audit.Employee, string(e.ID), e.Name(), string(p.ID)
	ev := c.Refused(c.Event("", "", now), now)
	ev.Action, ev.Place = audit.SessionStarted, e.Place
	ev.Target = audit.Target{Type: "credential", ID: string(p.ID), Name: p.Name}
	ev.Details = map[string]any{"reason": "the passkey's counter did not go up: there may be a copy of it", "credential_id": string(p.ID)}
	if err := s.Store.Deny(ctx, ev); err != nil {
		return err
	}
	return refused(fmt.Errorf("%s: %w", p.ID, passkey.ErrCloned))
}

func (s *Service) event(c call.Call, op id.Operation, now time.Time, action string, of session.Session) audit.Event {
	e := c.Event(id.New[id.Event](s.Rand), op, now)
	e.Action, e.Place, e.Seq = action, of.Place, of.EventSeq
	e.Target = audit.Target{Type: "session", ID: string(of.ID)}
	e.Details = map[string]any{"key_id": string(of.ID), "key_prefix": of.Prefix(), "employee_id": string(of.EmployeeID),
		"expires_at": of.ExpiresAt.UTC().Format(time.RFC3339)}
	return e
}
