package apikey

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
	"github.com/rekey-dev/rekey/pkg/name"
	"github.com/rekey-dev/rekey/pkg/permission"
	"github.com/rekey-dev/rekey/pkg/policy"
	"github.com/rekey-dev/rekey/pkg/protectedapi"
	"github.com/rekey-dev/rekey/pkg/role"
	"github.com/rekey-dev/rekey/pkg/serviceaccount"
	"github.com/rekey-dev/rekey/pkg/token"
)

// MaxScopes is the most scopes that a key carries; its item stays under 4 KB with them.
const MaxScopes = 80

// Issue is the input of issuing a key.
type Issue struct {
	Name      string
	Scopes    *[]string // nil: a snapshot of the role's; empty: none
	ExpiresAt Expiry    // not given: the policy's default lifetime, never where none says one
}

// Issue makes a key and shows its secret once. Atomic: the key, the account's count of keys, the audit record and the
// idempotency record, on condition that the account is as it was read and that its company is active and has room.
func (s *Service) Issue(ctx context.Context, c call.Call, account id.ServiceAccount, in Issue) (Shown, error) {
	return change.Retry(func() (Shown, error) {
		d, err := s.DraftIssue(ctx, c, account, in)
		if err != nil {
			return Shown{}, err
		}
		return s.make(ctx, c, d)
	})
}

// DraftIssue decides what issuing a key makes, for a caller that may; a refusal is recorded.
func (s *Service) DraftIssue(ctx context.Context, c call.Call, account id.ServiceAccount, in Issue) (Draft, error) {
	a, err := s.account(ctx, account)
	if err != nil {
		return Draft{}, err
	}
	now, op := s.Now(), id.New[id.Operation](s.Rand)
	refused := c.Event("", op, now)
	refused.Action, refused.Place = audit.UserUpdated, a.Place
	refused.Target = audit.Target{Type: "service_account", ID: string(a.ID), Name: a.Name}
	refused.Details = map[string]any{"change": audit.KeyIssued, "service_account_id": string(a.ID)}
	if err := c.Caller.Check(permission.KeysIssue, authz.Object{Place: a.Place, Account: a.ID, What: "service account"}); err != nil {
		return Draft{}, c.Deny(ctx, s.Store.Deny, refused, err)
	}
	r, err := s.roleOf(ctx, a)
	if err != nil {
		return Draft{}, err
	}
	scopes, invalid, err := s.scopesOf(ctx, in.Scopes, r, a, c.Caller)
	if err != nil {
		return Draft{}, err
	}
	if invalid != nil && !c.Idempotency.IsRepeat() { // the role may have changed since the first call
		return Draft{}, invalid
	}
	if c.Idempotency.IsRepeat() && c.Idempotency.Prior.Secret != nil { // what is shown again is what the key carries now
		k, err := s.Store.Key(ctx, id.FromBody[id.Key](c.Idempotency.Prior.Secret.Public))
		if err != nil {
			return Draft{}, err
		}
		scopes = k.Scopes
	}
	if err := s.Grantable(ctx, c.Caller, scopes); err != nil {
		return Draft{}, c.Deny(ctx, s.Store.Deny, refused, err)
	}
	if err := c.Idempotency.Check(); err != nil {
		return Draft{}, err
	}
	co, err := s.issuable(ctx, a)
	if err != nil {
		return Draft{}, err
	}
	if problem := name.Check(in.Name); problem != "" {
		return Draft{}, fault.InvalidField("/name", problem)
	}
	p, err := policy.Resolve(ctx, s.Store, a)
	if err != nil {
		return Draft{}, err
	}
	end, err := in.ExpiresAt.Under(p, now, time.Time{})
	if err != nil {
		return Draft{}, err
	}
	warnings, err := s.guardIssue(ctx, a, r, scopes, now)
	if err != nil {
		return Draft{}, err
	}
	room, err := s.room(ctx, co)
	if err != nil {
		return Draft{}, err
	}
	k := Key{ID: id.New[id.Key](s.Rand), Kind: token.ServiceAccountKey, AccountID: a.ID, Place: a.Place, Name: in.Name,
		Scopes: scopes, RoleHint: a.RoleID, Generation: 1, IssueEpoch: a.IssueEpoch, ExpiresAt: end.At,
		NoticeFrom: NoticeOf(end.At, p.LongestNotice()), CreatedBy: c.Caller.ID, CreatedByName: c.Caller.Name, CreatedAt: now,
		UpdatedAt: now, Version: 1, EventSeq: 1}
	plan(&k, p, now)
	after := a
	after.KeyCount++
	e := s.event(c, op, now, audit.UserUpdated, audit.KeyIssued, k)
	end.Note(e.Details, p)
	return Draft{View: View{Key: k, Account: after, State: StateOf(k, a, nil, now), Warnings: warnings}, Policy: p, Room: room,
		Set: change.Set{Operation: op, At: now, Events: []audit.Event{e}, Writes: []change.Write{serviceaccount.Update{Old: a, KeysChanged: true, KeyCount: 1}}}}, nil
}

// account reads an account; a deleted one is not there.
func (s *Service) account(ctx context.Context, account id.ServiceAccount) (serviceaccount.Account, error) {
	a, err := s.Store.Account(ctx, account)
	if err == nil && a.Status == serviceaccount.Deleted {
		err = fault.Missing("service account")
	}
	return a, err
}

// issuable refuses a new key for an account that has ended or whose company is suspended. It returns the account's company, the
// zero one where it is a node's.
func (s *Service) issuable(ctx context.Context, a serviceaccount.Account) (company.Company, error) {
	if a.Status != serviceaccount.Active {
		return company.Company{}, accountEnded()
	}
	if a.Place.Company == "" {
		return company.Company{}, nil
	}
	co, err := s.Store.Company(ctx, a.Place.Company)
	switch {
	case fault.Is(err, fault.NotFound): // deleted since the account was read, and the account revoked before
		err = accountEnded()
	case err == nil && co.Status != company.Active:
		err = fault.New(fault.CompanySuspended, "The company is suspended. Resume it first.")
	}
	return co, err
}

func accountEnded() error {
	return fault.New(fault.Ended, "The service account is revoked; that is final. Create a new one.")
}

// Grantable returns nil when a caller holds all scopes of a key, and may therefore grant them or be shown a secret that carries them.
func (s *Service) Grantable(ctx context.Context, c authz.Caller, scopes permission.Set) error {
	return protectedapi.Grantable(ctx, s.Store, c, scopes)
}

// scopesOf reads the scopes of a new key: each must be a permission that a service account can hold, or a scope of a protected API at
// the account's place or above, and one that the account's role has. Omitted scopes are a snapshot of the role's, which holds
// protected scopes only where the role names them.
func (s *Service) scopesOf(ctx context.Context, asked *[]string, r role.Role, a serviceaccount.Account, by authz.Caller) (out permission.Set, invalid, err error) {
	if asked == nil {
		return r.Permissions.And(permission.Machine).WithoutWildcards(), nil, nil
	}
	if len(*asked) > MaxScopes {
		return permission.Set{}, fault.InvalidField("/scopes", "has more than 80 entries"), nil
	}
	usable, elsewhere, err := protectedapi.UsableBy(ctx, s.Store, by, *asked, a.Place)
	if err != nil {
		return permission.Set{}, nil, err
	}
	var bad []fault.Field
	for i, text := range *asked {
		p := permission.Permission(text)
		pointer := Pointer("/scopes", i)
		kind, protected := usable[p]
		switch {
		case protected && !r.Permissions.Allows(p, kind):
			bad = append(bad, fault.Field{Pointer: pointer, Detail: text + " is of kind " + string(kind) + ", and neither it nor that kind is among the permissions of the account's role " + string(r.ID)})
		case protected && !out.Has(p):
		case !protected && !permission.Known(p):
			bad = append(bad, fault.Field{Pointer: pointer, Detail: protectedapi.IsNone(p, elsewhere)})
		case !protected && !permission.Machine.Has(p):
			bad = append(bad, fault.Field{Pointer: pointer, Detail: text + " can never be held by a service account"})
		case !protected && !r.Permissions.Has(p):
			bad = append(bad, fault.Field{Pointer: pointer, Detail: text + " is not among the permissions of the account's role " + string(r.ID)})
		case out.Has(p):
			bad = append(bad, fault.Field{Pointer: pointer, Detail: text + " is listed twice"})
		}
		out = out.Or(permission.Of(p))
	}
	return out, fault.InvalidFields(bad), nil
}

// regenerate commits what replacing a key's secret changes: the digest, the generation, the end, the lock.
func (s *Service) regenerate(ctx context.Context, c call.Call, v View, given Expiry, reason string, now time.Time, op id.Operation) (Shown, error) {
	k := v.Key
	p, err := policy.Resolve(ctx, s.Store, v.Account)
	if err != nil {
		return Shown{}, err
	}
	end, err := given.Under(p, now, k.ExpiresAt)
	if err != nil {
		return Shown{}, err
	}
	if overlapping(k, now) && beyond(end.At, k.ExpiresAt) {
		if given.Given {
			return Shown{}, overlapEnds(k)
		}
		end.At = k.ExpiresAt
	}
	k.Generation++
	k.ExpiresAt, k.NoticeFrom = end.At, NoticeOf(end.At, p.LongestNotice())
	plan(&k, p, now)
	k.RoleHint, k.RegeneratedAt, k.UpdatedAt = v.Account.RoleID, now, now
	k.Version++
	k.EventSeq++
	m, err := s.Mint.New(ctx, k.Kind, id.Body(k.ID), k.Generation, op, c.Idempotency)
	if err != nil {
		return Shown{}, err
	}
	k.MAC, k.PepperVersion = m.MAC, m.PepperVersion
	after := v.Account
	unlocked := after.Lock.Failures > 0
	after.Lock = clearedLock(after)
	shown := Shown{View: View{Key: k, Account: after, State: StateOf(k, after, nil, now), Sightings: v.Sightings}, Secret: m.Secret}
	record, err := c.Idempotency.Record(op, now, shown, m.Derived)
	if err != nil {
		return Shown{}, err
	}
	e := s.event(c, op, now, audit.UserUpdated, audit.KeyRegenerated, k)
	e.Details["unlocked"] = unlocked
	end.Note(e.Details, p)
	if reason != "" {
		e.Details["reason"] = reason
	}
	return shown, s.commit(ctx, c, change.Set{Operation: op, At: now, Idempotency: record, Events: []audit.Event{e},
		Writes: []change.Write{Update{Old: v.Key, New: k}, serviceaccount.Update{Old: v.Account, KeysChanged: true, ClearLock: true}}})
}
