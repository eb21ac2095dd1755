package accesstoken

import (
	"context"
	"strconv"
	"time"

	"github.com/rekey-dev/rekey/pkg/audit"
	"github.com/rekey-dev/rekey/pkg/authz"
	"github.com/rekey-dev/rekey/pkg/call"
	"github.com/rekey-dev/rekey/pkg/change"
	"github.com/rekey-dev/rekey/pkg/fault"
	"github.com/rekey-dev/rekey/pkg/id"
	"github.com/rekey-dev/rekey/pkg/idempotency"
	"github.com/rekey-dev/rekey/pkg/name"
	"github.com/rekey-dev/rekey/pkg/permission"
	"github.com/rekey-dev/rekey/pkg/protectedapi"
	"github.com/rekey-dev/rekey/pkg/role"
	"github.com/rekey-dev/rekey/pkg/token"
)

// DefaultLife is how long a token lasts that was given no end: P90D.
const DefaultLife = 90 * 24 * time.Hour

// MaxScopes is the most scopes that a token is asked for by name.
const MaxScopes = 80

// New is the input of making a token.
type New struct {
	Name      string
	Scopes    *[]string // nil: all that the employee's role has; empty: none
	ExpiresAt time.Time // zero: DefaultLife from now; at most a year from now, and no later than the end of the token that makes it
}

// Made is a new token. Its secret is shown once.
type Made struct {
	Token  Token
	Secret token.Secret
}

// Create makes a token for the calling employee, and shows its secret once. Nobody makes one for somebody else, and none
// carries what the caller does not hold now. Atomic: the token, the rows that list it, the audit record and the idempotency
// record.
func (s *Service) Create(ctx context.Context, c call.Call, in New) (Made, error) {
	return change.Retry(func() (Made, error) { return s.create(ctx, c, in) })
}

func (s *Service) create(ctx context.Context, c call.Call, in New) (Made, error) {
	now, op := s.Now(), id.New[id.Operation](s.Rand)
	refused := c.Event("", op, now)
	refused.Action, refused.Place = audit.TokenCreated, c.Caller.Place
	refused.Target = audit.Target{Type: string(c.Caller.Type), ID: c.Caller.ID, Name: c.Caller.Name}
	if c.Caller.Type != audit.Employee {
		return Made{}, c.Deny(ctx, s.Store.Deny, refused, fault.New(fault.NotGrantable,
			"A personal access token acts for the employee who makes it, and a service account is no employee. Issue a key of the account instead."))
	}
	if c.Caller.Assumed() != "" {
		return Made{}, c.Deny(ctx, s.Store.Deny, refused, inside())
	}
	owner, err := s.Store.Employee(ctx, id.Employee(c.Caller.ID))
	if err != nil {
		return Made{}, err
	}
	scopes, invalid, err := s.scopesOf(ctx, in.Scopes, c.Caller)
	if err != nil {
		return Made{}, err
	}
	if invalid != nil && !c.Idempotency.IsRepeat() {
		return Made{}, invalid
	}
	if c.Idempotency.IsRepeat() && c.Idempotency.Prior.Secret != nil { // what is shown again is what the token carries
		t, err := s.Store.Token(ctx, id.FromBody[id.PAT](c.Idempotency.Prior.Secret.Public))
		if err != nil {
			return Made{}, err
		}
		scopes = t.Scopes
	}
	if err := protectedapi.Grantable(ctx, s.Store, c.Caller, scopes); err != nil {
		return Made{}, c.Deny(ctx, s.Store.Deny, refused, err)
	}
	if err := c.Idempotency.Check(); err != nil {
		return Made{}, err
	}
	if problem := name.Check(in.Name); problem != "" {
		return Made{}, fault.InvalidField("/name", problem)
	}
	end, err := s.endOf(ctx, c.Caller, in.ExpiresAt, now)
	if err != nil {
		return Made{}, err
	}
	t := Token{ID: id.New[id.PAT](s.Rand), EmployeeID: owner.ID, Place: owner.Place, Name: in.Name, Scopes: scopes, Epoch: owner.TokenEpoch, Generation: 1,
		ExpiresAt: end, CreatedAt: now, Version: 1, EventSeq: 1}
	coin, err := s.Mint.New(ctx, token.PersonalAccessToken, id.Body(t.ID), t.Generation, op, c.Idempotency)
	if err != nil {
		return Made{}, err
	}
	t.MAC, t.PepperVersion = coin.MAC, coin.PepperVersion
	out := Made{Token: t, Secret: coin.Secret}
	record, err := c.Idempotency.Record(op, now, out, coin.Derived)
	if err != nil {
		return Made{}, err
	}
	e := s.event(c, op, now, audit.TokenCreated, t)
	e.Details["scopes"], e.Details["expires_at"] = scopes.List(), end.UTC().Format(time.RFC3339)
	err = change.Settle(s.Store.Commit(ctx, change.Set{Operation: op, At: now, Idempotency: record, Events: []audit.Event{e},
		Writes: []change.Write{Create{Token: t}}}), c.Idempotency)
	if err != nil {
		return Made{}, err // no secret leaves unless its token is known to be there
	}
	return out, nil
}

// endOf is the end of a token that is made now, to the second. One that another token makes ends no later than that one, so that
// nobody goes on for ever with a token that was to end; those of set-up and recovery, which stand for the person, are not held to it.
func (s *Service) endOf(ctx context.Context, c authz.Caller, given, now time.Time) (time.Time, error) {
	latest, why := now.UTC().AddDate(1, 0, 0).Truncate(time.Second), ", a year from now: the longest that a personal access token lasts"
	if by, ok := id.Parse[id.PAT](c.KeyID); ok {
		parent, err := s.Store.Token(ctx, by)
		if err != nil {
			return time.Time{}, err
		}
		if !parent.Enrols && parent.ExpiresAt.Before(latest) {
			latest, why = parent.ExpiresAt, ", the end of the token that makes it; sign in with a passkey to make one that lasts longer"
		}
	}
	switch {
	case given.IsZero():
		end := now.Add(DefaultLife).Truncate(time.Second)
		if latest.Before(end) {
			end = latest
		}
		return end, nil
	case !given.After(now):
		return time.Time{}, fault.InvalidField("/expires_at", "is not in the future")
	case given.After(latest):
		return time.Time{}, fault.InvalidField("/expires_at", "is later than "+latest.Format(time.RFC3339)+why)
	}
	return given, nil
}

// scopesOf reads the scopes of a new token; left out they are all that the role has, every protected scope of a kind that it has
// included.
func (s *Service) scopesOf(ctx context.Context, asked *[]string, c authz.Caller) (out permission.Set, invalid, err error) {
	if asked == nil {
		out, err = s.roleOf(ctx, c)
		return out, nil, err
	}
	if len(*asked) > MaxScopes {
		return permission.Set{}, fault.InvalidField("/scopes", "has more than 80 entries"), nil
	}
	usable, elsewhere, err := protectedapi.UsableBy(ctx, s.Store, c, *asked, c.Place)
	if err != nil {
		return permission.Set{}, nil, err
	}
	var bad []fault.Field
	for i, text := range *asked {
		p, pointer := permission.Permission(text), "/scopes/"+strconv.Itoa(i)
		if _, protected := usable[p]; !protected && !permission.Known(p) {
			bad = append(bad, fault.Field{Pointer: pointer, Detail: protectedapi.IsNone(p, elsewhere)})
			continue
		}
		if out.Has(p) {
			bad = append(bad, fault.Field{Pointer: pointer, Detail: text + " is listed twice"})
		}
		out = out.Or(permission.Of(p))
	}
	return out, fault.InvalidFields(bad), nil
}

// roleOf is what the caller's role has. The caller's context names no protected scope: those of a custom role are read.
func (s *Service) roleOf(ctx context.Context, c authz.Caller) (permission.Set, error) {
	if role.IsBuiltIn(c.RoleID) {
		return c.Role, nil
	}
	r, err := s.Store.CustomRole(ctx, c.RoleID)
	if err != nil || r == nil {
		return c.Role, err
	}
	return c.Role.Or(r.Permissions.OnlyProtected()), nil
}

// Repeat makes the secret of a call that was carried out before again, for a caller that was authorized anew. It returns the
// zero Secret when the secret may not be shown any more: an hour has passed, the secret was used, or the token has ended. That
// it was shown again is recorded, on condition that the token is as it was read.
func (s *Service) Repeat(ctx context.Context, c call.Call, r idempotency.Record) (token.Secret, error) {
	return change.Retry(func() (token.Secret, error) {
		if r.Secret == nil {
			return token.Secret{}, nil
		}
		now := s.Now()
		t, err := s.Store.Token(ctx, id.FromBody[id.PAT](r.Secret.Public))
		if fault.Is(err, fault.NotFound) {
			return token.Secret{}, nil
		}
		if err != nil {
			return token.Secret{}, err
		}
		if !now.Before(r.CreatedAt.Add(idempotency.SecretFor)) || t.Status(t.Epoch, now) != Active || t.Generation != r.Secret.Generation || t.UsedGen == t.Generation {
			return token.Secret{}, nil
		}
		secret, err := s.Mint.Again(ctx, r, t.MAC, t.PepperVersion)
		if err != nil || secret.IsZero() {
			return token.Secret{}, err
		}
		op, next := id.New[id.Operation](s.Rand), t
		next.EventSeq++
		e := s.event(c, op, now, audit.TokenRepeated, next)
		return secret, s.Store.Commit(ctx, change.Set{Operation: op, At: now, Events: []audit.Event{e}, Writes: []change.Write{Note{Old: t}}})
	})
}
