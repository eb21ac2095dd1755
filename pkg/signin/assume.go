package signin

import (
	"context"
	"time"

	"github.com/rekey-dev/rekey/pkg/audit"
	"github.com/rekey-dev/rekey/pkg/authz"
	"github.com/rekey-dev/rekey/pkg/call"
	"github.com/rekey-dev/rekey/pkg/change"
	"github.com/rekey-dev/rekey/pkg/company"
	"github.com/rekey-dev/rekey/pkg/fault"
	"github.com/rekey-dev/rekey/pkg/id"
	"github.com/rekey-dev/rekey/pkg/idempotency"
	"github.com/rekey-dev/rekey/pkg/name"
	"github.com/rekey-dev/rekey/pkg/permission"
	"github.com/rekey-dev/rekey/pkg/session"
	"github.com/rekey-dev/rekey/pkg/token"
)

// Assume opens a session inside one company, for an hour at most and never for longer than the credential that calls: it may there
// what the employee may now, as far as it is of permission.Assumed. It ends with that credential, with the company's suspension,
// and by itself; it is not put off, and does not open another one. Atomic: the session and the row that lists it, the audit record
// and the idempotency record.
func (s *Service) Assume(ctx context.Context, c call.Call, which id.Company, reason string) (Opened, error) {
	return change.Retry(func() (Opened, error) { return s.assume(ctx, c, which, reason) })
}

func (s *Service) assume(ctx context.Context, c call.Call, which id.Company, reason string) (Opened, error) {
	co, err := s.Store.Company(ctx, which)
	if err != nil {
		return Opened{}, err
	}
	now, op := s.Now(), id.New[id.Operation](s.Rand)
	refusal := c.Event("", op, now)
	refusal.Action, refusal.Place = audit.CompanyAssumed, co.Place
	refusal.Target = audit.Target{Type: "company", ID: string(co.ID), Name: co.Name}
	err = c.Caller.Check(permission.CompaniesAssume, authz.Object{Place: co.Place, What: "company"})
	if err == nil && (c.Caller.Type != audit.Employee || c.Caller.Assumed() != "") {
		err = fault.New(fault.NotGrantable, "Only an employee who is not inside a company already can assume a tenant.")
	}
	if err != nil {
		return Opened{}, c.Deny(ctx, s.Store.Deny, refusal, err)
	}
	if err := c.Idempotency.Check(); err != nil {
		return Opened{}, err
	}
	if problem := name.CheckDescription(reason); problem != "" {
		return Opened{}, fault.InvalidField("/reason", problem)
	}
	if co.Status != company.Active {
		return Opened{}, fault.New(fault.CompanySuspended, "The company is suspended. Resume it first.")
	}
	who := id.Employee(c.Caller.ID)
	e, err := s.Store.Employee(ctx, who)
	if err != nil {
		return Opened{}, err
	}
	end, err := s.parentEnds(ctx, c.Caller.KeyID)
	if err != nil {
		return Opened{}, err
	}
	if latest := now.Add(session.AssumedLife); latest.Before(end) {
		end = latest
	}
	out := session.Session{ID: id.New[id.Session](s.Rand), EmployeeID: e.ID, Place: co.Place, Epoch: e.SessionEpoch, CompanyEpoch: co.SessionEpoch,
		Parent: c.Caller.KeyID,
		Scopes: c.Caller.Effective.And(permission.Assumed), Reason: reason, SourceIP: c.Request.SourceIP, UserAgent: c.Request.UserAgent,
		CreatedAt: now, ExpiresAt: end, EventSeq: 1}
	coin, err := s.Mint.New(ctx, token.Session, id.Body(out.ID), session.Generation, op, c.Idempotency)
	if err != nil {
		return Opened{}, err
	}
	out.MAC, out.PepperVersion = coin.MAC, coin.PepperVersion
	opened := Opened{Session: out, Secret: coin.Secret}
	record, err := c.Idempotency.Record(op, now, opened, coin.Derived)
	if err != nil {
		return Opened{}, err
	}
	ev := s.event(c, op, now, audit.CompanyAssumed, out)
	ev.Actor.AssumedCompany = co.ID
	ev.Details["company_id"], ev.Details["reason"], ev.Details["parent"] = string(co.ID), reason, out.Parent
	err = change.Settle(s.Store.Commit(ctx, change.Set{Operation: op, At: now, Idempotency: record, Events: []audit.Event{ev},
		Writes: []change.Write{session.Create{Session: out}}}), c.Idempotency)
	if err != nil {
		return Opened{}, err // no secret leaves unless its session is known to be there
	}
	return opened, nil
}

// parentEnds is when a credential of an employee ends for good.
func (s *Service) parentEnds(ctx context.Context, credential string) (time.Time, error) {
	if p, ok := id.Parse[id.Session](credential); ok {
		parent, err := s.Store.Session(ctx, p)
		return parent.ExpiresAt, err
	}
	t, err := s.Store.Token(ctx, id.PAT(credential))
	return t.ExpiresAt, err
}

// Repeat makes the secret of a session inside a company again, for a caller that was authorized anew: with the very credential that
// it was opened with, within an hour and until its first use. It returns the zero Secret when it may not be shown any more. That it
// was shown again is recorded, on condition that the session is as it was read.
func (s *Service) Repeat(ctx context.Context, c call.Call, r idempotency.Record) (token.Secret, error) {
	return change.Retry(func() (token.Secret, error) {
		if r.Secret == nil || r.Secret.Kind != token.Session {
			return token.Secret{}, nil
		}
		now := s.Now()
		of, err := s.Store.Session(ctx, id.FromBody[id.Session](r.Secret.Public))
		if fault.Is(err, fault.NotFound) {
			return token.Secret{}, nil
		}
		if err != nil {
			return token.Secret{}, err
		}
		if of.Parent != c.Caller.KeyID || !of.LastUsedAt.IsZero() || of.Status(of.Epoch, now) != session.Active || !now.Before(r.CreatedAt.Add(idempotency.SecretFor)) {
			return token.Secret{}, nil
		}
		secret, err := s.Mint.Again(ctx, r, of.MAC, of.PepperVersion)
		if err != nil || secret.IsZero() {
			return token.Secret{}, err
		}
		op, next := id.New[id.Operation](s.Rand), of
		next.EventSeq++
		e := s.event(c, op, now, audit.SessionRepeated, next)
		e.Actor.AssumedCompany = of.Place.Company
		return secret, s.Store.Commit(ctx, change.Set{Operation: op, At: now, Events: []audit.Event{e}, Writes: []change.Write{session.Note{Old: of}}})
	})
}
