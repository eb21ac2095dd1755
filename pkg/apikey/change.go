package apikey

import (
	"context"
	"maps"
	"strconv"
	"time"

	"github.com/rekey-dev/rekey/pkg/audit"
	"github.com/rekey-dev/rekey/pkg/call"
	"github.com/rekey-dev/rekey/pkg/change"
	"github.com/rekey-dev/rekey/pkg/fault"
	"github.com/rekey-dev/rekey/pkg/id"
	"github.com/rekey-dev/rekey/pkg/name"
	"github.com/rekey-dev/rekey/pkg/permission"
	"github.com/rekey-dev/rekey/pkg/policy"
	"github.com/rekey-dev/rekey/pkg/serviceaccount"
)

// Get returns a key that the caller may see.
func (s *Service) Get(ctx context.Context, c call.Call, k id.Key) (View, error) {
	v, err := s.load(ctx, k)
	if err != nil {
		return View{}, err
	}
	return v, c.Caller.Check(permission.KeysRead, object(v.Key))
}

// Patch is the change of a key that an administrator asks for; what is nil or not given stays.
type Patch struct {
	Name      *string
	Scopes    *[]string // a subset of the key's
	ExpiresAt Expiry
}

// Patch changes a key's name, end and scopes; scopes only become fewer. Atomic: the key and the audit record.
func (s *Service) Patch(ctx context.Context, c call.Call, k id.Key, in Patch) (View, error) {
	return change.Retry(func() (View, error) {
		v, err := s.begin(ctx, c, k, permission.KeysIssue, audit.KeyUpdated, audit.KeyUpdated)
		if err != nil {
			return View{}, err
		}
		if !v.State.Live() {
			return View{}, endedFault(v)
		}
		now, op := s.Now(), id.New[id.Operation](s.Rand)
		next, changed, err := in.apply(v.Key)
		if err != nil {
			return View{}, err
		}
		details := map[string]any{}
		if in.ExpiresAt.Given && !in.ExpiresAt.At.Equal(v.Key.ExpiresAt) {
			if overlapping(v.Key, s.Now()) && beyond(in.ExpiresAt.At, v.Key.ExpiresAt) {
				return View{}, overlapEnds(v.Key)
			}
			if err := s.setEnd(ctx, &next, v.Account, in.ExpiresAt, now, details); err != nil {
				return View{}, err
			}
			changed = append(changed, "expires_at")
		}
		if len(changed) == 0 {
			return v, nil
		}
		if next.Scopes != v.Key.Scopes {
			if v.Warnings, err = s.guard(ctx, []id.Key{k}, v.Key.Scopes, next.Scopes, now); err != nil {
				return View{}, err
			}
		}
		next.UpdatedAt = now
		next.Version++
		next.EventSeq++
		e := s.event(c, op, now, audit.KeyUpdated, audit.KeyUpdated, next)
		e.Details["changed"] = changed
		maps.Copy(e.Details, details)
		v.State = StateOf(next, v.Account, nil, now)
		old := v.Key
		v.Key = next
		return v, s.commit(ctx, c, change.Set{Operation: op, At: now, Events: []audit.Event{e},
			Writes: []change.Write{Update{Old: old, New: next}, serviceaccount.Update{Old: v.Account, KeysChanged: true}}})
	})
}

// setEnd gives a key another end, under what holds for its account.
func (s *Service) setEnd(ctx context.Context, k *Key, a serviceaccount.Account, given Expiry, now time.Time, details map[string]any) error {
	p, err := policy.Resolve(ctx, s.Store, a)
	if err != nil {
		return err
	}
	end, err := given.within(p, now, k.SecretSince(), latestOf(*k, p, now))
	if err != nil {
		return err
	}
	k.ExpiresAt, k.NoticeFrom = end.At, NoticeOf(end.At, p.LongestNotice())
	plan(k, p, now)
	end.Note(details, p)
	return nil
}

// apply changes what needs nothing but the key.
func (in Patch) apply(k Key) (Key, []string, error) {
	var changed []string
	if in.Name != nil && *in.Name != k.Name {
		if problem := name.Check(*in.Name); problem != "" {
			return k, nil, fault.InvalidField("/name", problem)
		}
		k.Name = *in.Name
		changed = append(changed, "name")
	}
	if in.Scopes != nil {
		if len(*in.Scopes) > MaxScopes {
			return k, nil, fault.InvalidField("/scopes", "has more than 80 entries")
		}
		var next permission.Set
		var bad []fault.Field
		for i, text := range *in.Scopes {
			p := permission.Permission(text)
			if !k.Scopes.Has(p) {
				bad = append(bad, fault.Field{Pointer: Pointer("/scopes", i), Detail: "is not among the key's scopes; a key only gets fewer. Issue a new key for more"})
			} else if next.Has(p) {
				bad = append(bad, fault.Field{Pointer: Pointer("/scopes", i), Detail: text + " is listed twice"})
			}
			next = next.Or(permission.Of(p))
		}
		if err := fault.InvalidFields(bad); err != nil {
			return k, nil, err
		}
		if next != k.Scopes {
			k.Scopes = next
			changed = append(changed, "scopes")
		}
	}
	return k, changed, nil
}

// begin is the first part of every action on a key: it is there, the caller may, the call is new, the key is as the caller
// saw it. A refusal is recorded.
func (s *Service) begin(ctx context.Context, c call.Call, k id.Key, p permission.Permission, action, what string) (View, error) {
	v, err := s.load(ctx, k)
	if err != nil {
		return View{}, err
	}
	refused := s.event(c, "", s.Now(), action, what, v.Key)
	if err := c.Caller.Check(p, object(v.Key)); err != nil {
		return View{}, c.Deny(ctx, s.Store.Deny, refused, err)
	}
	if what == audit.KeyRegenerated { // nobody is shown, the first time or again, more than they hold
		if err := s.Grantable(ctx, c.Caller, v.Key.Scopes); err != nil {
			return View{}, c.Deny(ctx, s.Store.Deny, refused, err)
		}
	}
	if err := c.Idempotency.Check(); err != nil {
		return View{}, err
	}
	return v, c.Match.Check(string(v.Key.ID), v.Key.Version)
}

// CheckReason says what is wrong with the reason of a revocation; "" is unspecified.
func CheckReason(reason string) error {
	switch reason {
	case "", ReasonCompromise, ReasonSuperseded, ReasonAffiliation, ReasonCessation, ReasonUnspecified:
		return nil
	}
	return fault.InvalidField("/reason", "is none of key_compromise, superseded, affiliation_changed, cessation, unspecified")
}

// Revoke ends a key for ever. A key that is revoked already stays as it is. Atomic: the key, the account's count of keys,
// the audit record and the idempotency record. No request that begins after it returned is allowed.
func (s *Service) Revoke(ctx context.Context, c call.Call, k id.Key, reason, note string) (View, error) {
	return change.Retry(func() (View, error) {
		v, err := s.begin(ctx, c, k, permission.KeysRevoke, audit.UserUpdated, audit.KeyRevoked)
		if err != nil {
			return View{}, err
		}
		if v.State.Status == Revoked {
			return s.unchanged(ctx, c, v)
		}
		if err := CheckReason(reason); err != nil {
			return View{}, err
		}
		if problem := name.CheckDescription(note); problem != "" {
			return View{}, fault.InvalidField("/note", problem)
		}
		return s.end(ctx, c, v, c.Caller.ID, audit.KeyRevoked, reason, note)
	})
}

// RevokeHeld ends a key on the word of whoever holds its current secret. A key that has ended stays as it is. Atomic as
// Revoke is.
func (s *Service) RevokeHeld(ctx context.Context, c call.Call, k id.Key, generation int64, reason, note string) error {
	_, err := change.Retry(func() (View, error) {
		v, err := s.load(ctx, k)
		if err != nil {
			return View{}, err
		}
		if !v.State.Live() || v.Key.Generation != generation {
			return v, nil
		}
		return s.end(ctx, c, v, string(audit.Holder), audit.KeySelfRevoked, reason, note)
	})
	return err
}

func (s *Service) end(ctx context.Context, c call.Call, v View, by, what, reason, note string) (View, error) {
	if !v.State.Live() {
		return View{}, endedFault(v)
	}
	if reason == "" {
		reason = ReasonUnspecified
	}
	now := s.Now()
	next := v.Key
	next.Ended = &serviceaccount.Ended{At: now, By: by, Reason: reason}
	next.DueAt = time.Time{}
	if next.RotationID != "" {
		next.DueAt = now // an open rotation of it comes to its end
	}
	details := map[string]any{"reason": reason}
	if note != "" {
		details["note"] = note
	}
	return s.change(ctx, c, v, next, what, -1, now, details)
}

// change commits a key's new state with its record, the account's count and the idempotency record.
func (s *Service) change(ctx context.Context, c call.Call, v View, next Key, what string, count int, now time.Time, details map[string]any) (View, error) {
	op := id.New[id.Operation](s.Rand)
	next.UpdatedAt = now
	next.Version++
	next.EventSeq++
	e := s.event(c, op, now, audit.UserUpdated, what, next)
	for k, d := range details {
		e.Details[k] = d
	}
	after := v
	after.Key = next
	after.Account.KeyCount += count
	after.State = StateOf(next, v.Account, nil, now)
	record, err := c.Idempotency.Record(op, now, after, nil)
	if err != nil {
		return View{}, err
	}
	return after, s.commit(ctx, c, change.Set{Operation: op, At: now, Idempotency: record, Events: []audit.Event{e},
		Writes: []change.Write{Update{Old: v.Key, New: next}, serviceaccount.Update{Old: v.Account, KeysChanged: true, KeyCount: count}}})
}

// Deactivate switches a key off: it answers 401 until it is activated. One that is off stays as it is. Atomic: the key, the
// audit record and the idempotency record.
func (s *Service) Deactivate(ctx context.Context, c call.Call, k id.Key) (View, error) {
	return s.toggle(ctx, c, k, permission.KeysRevoke, audit.KeyDeactivated, true)
}

// Activate switches a key on again. One that is on stays as it is. Atomic as Deactivate is.
func (s *Service) Activate(ctx context.Context, c call.Call, k id.Key) (View, error) {
	return s.toggle(ctx, c, k, permission.KeysIssue, audit.KeyActivated, false)
}

func (s *Service) toggle(ctx context.Context, c call.Call, k id.Key, p permission.Permission, what string, off bool) (View, error) {
	return change.Retry(func() (View, error) {
		v, err := s.begin(ctx, c, k, p, audit.UserUpdated, what)
		if err != nil {
			return View{}, err
		}
		if !v.State.Live() {
			return View{}, endedFault(v)
		}
		if v.Key.Off == off {
			return s.unchanged(ctx, c, v)
		}
		next := v.Key
		next.Off = off
		return s.change(ctx, c, v, next, what, 0, s.Now(), nil)
	})
}

// Regenerate replaces a key's secret: same ID, new secret, the old one retired at once, the lock cleared. Without a given
// end the old one stays; an inactive key stays inactive. The old key of an open rotation is refused unless force is set: it
// then has a new secret until the overlap ends. Atomic: the key, the retired digest, the lock, the audit record and the
// idempotency record.
func (s *Service) Regenerate(ctx context.Context, c call.Call, k id.Key, end Expiry, force bool) (Shown, error) {
	return change.Retry(func() (Shown, error) {
		v, err := s.begin(ctx, c, k, permission.ServiceAccountsRotate, audit.UserUpdated, audit.KeyRegenerated)
		if err != nil {
			return Shown{}, err
		}
		if !v.State.Live() {
			return Shown{}, endedFault(v)
		}
		if v.Key.SupersededBy != "" && !force {
			return Shown{}, &fault.Error{Kind: fault.RotationOpen, BlockedBy: []fault.Blocker{{Type: "rotation", Count: 1, IDs: []string{string(v.Key.RotationID)}}},
				Detail: "A rotation of this key is open. Complete or cancel it first, or repeat with force: true."}
		}
		return s.regenerate(ctx, c, v, end, "", s.Now(), id.New[id.Operation](s.Rand))
	})
}

// Pointer is the JSON pointer to an element of a list.
func Pointer(list string, i int) string { return list + "/" + strconv.Itoa(i) }
