package apikey

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
	"github.com/rekey-dev/rekey/pkg/lock"
	"github.com/rekey-dev/rekey/pkg/name"
	"github.com/rekey-dev/rekey/pkg/permission"
	"github.com/rekey-dev/rekey/pkg/serviceaccount"
	"github.com/rekey-dev/rekey/pkg/token"
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
	return retry(func() (View, error) {
		v, err := s.begin(ctx, c, k, permission.KeysIssue, audit.KeyUpdated, audit.KeyUpdated)
		if err != nil {
			return View{}, err
		}
		if !v.State.Live() {
			return View{}, endedFault(v)
		}
		now, op := s.Now(), id.New[id.Operation](s.Rand)
		next, changed, err := in.apply(v.Key, now)
		if err != nil || len(changed) == 0 {
			return v, err
		}
		next.UpdatedAt = now
		next.Version++
		next.EventSeq++
		e := s.event(c, op, now, audit.KeyUpdated, audit.KeyUpdated, next)
		e.Details["changed"] = changed
		v.State = StateOf(next, v.Account, nil, now)
		old := v.Key
		v.Key = next
		return v, s.commit(ctx, c, change.Set{Operation: op, At: now, Events: []audit.Event{e},
			Writes: []change.Write{Update{Old: old, New: next}, serviceaccount.Update{Old: v.Account, KeysChanged: true}}})
	})
}

func (in Patch) apply(k Key, now time.Time) (Key, []string, error) {
	var changed []string
	if in.Name != nil && *in.Name != k.Name {
		if problem := name.Check(*in.Name); problem != "" {
			return k, nil, fault.InvalidField("/name", problem)
		}
		k.Name = *in.Name
		changed = append(changed, "name")
	}
	if in.ExpiresAt.Given && !in.ExpiresAt.At.Equal(k.ExpiresAt) {
		if err := in.ExpiresAt.check(now); err != nil {
			return k, nil, err
		}
		k.ExpiresAt, k.NoticeFrom = in.ExpiresAt.At, NoticeOf(in.ExpiresAt.At)
		changed = append(changed, "expires_at")
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
		return View{}, s.denied(ctx, c, refused, err)
	}
	if what == audit.KeyRegenerated { // nobody is shown, the first time or again, more than they hold
		if err := c.Caller.Grantable(v.Key.Scopes); err != nil {
			return View{}, s.denied(ctx, c, refused, err)
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
	return retry(func() (View, error) {
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
	_, err := retry(func() (View, error) {
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
	return retry(func() (View, error) {
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
// end the old one stays; an inactive key stays inactive. Atomic: the key, the retired digest, the lock, the audit record
// and the idempotency record.
func (s *Service) Regenerate(ctx context.Context, c call.Call, k id.Key, end Expiry) (Shown, error) {
	return retry(func() (Shown, error) {
		v, err := s.begin(ctx, c, k, permission.ServiceAccountsRotate, audit.UserUpdated, audit.KeyRegenerated)
		if err != nil {
			return Shown{}, err
		}
		if !v.State.Live() {
			return Shown{}, endedFault(v)
		}
		return s.regenerate(ctx, c, v, end, "", s.Now(), id.New[id.Operation](s.Rand))
	})
}

// Rotate is the input of replacing an account's only key, or all of its keys by one.
type Rotate struct {
	All       bool
	Reason    string
	ExpiresAt Expiry
}

// Rotate replaces the secret of an account's only live key: same ID, the existing secret invalid when the call returns. With
// several live keys, and All, it stops them all and shows one new key with the union of their scopes, in one transaction
// whatever their number. Atomic: all of it, with its audit records and the idempotency record.
func (s *Service) Rotate(ctx context.Context, c call.Call, account id.ServiceAccount, in Rotate) (Shown, error) {
	return retry(func() (Shown, error) {
		a, err := s.account(ctx, account)
		if err != nil {
			return Shown{}, err
		}
		now := s.Now()
		refused := c.Event("", "", now)
		refused.Action, refused.Place = audit.ServiceAccountRotated, a.Place
		refused.Target = audit.Target{Type: "service_account", ID: string(a.ID), Name: a.Name}
		if err := c.Caller.Check(permission.ServiceAccountsRotate, authz.Object{Place: a.Place, Account: a.ID, What: "service account"}); err != nil {
			return Shown{}, s.denied(ctx, c, refused, err)
		}
		if problem := name.CheckDescription(in.Reason); problem != "" {
			return Shown{}, fault.InvalidField("/reason", problem)
		}
		keys, scopes, err := s.liveKeys(ctx, a, now)
		if err != nil {
			return Shown{}, err
		}
		// A repeat is judged by what the account's keys carry now: nobody is shown more than they hold.
		if err := c.Caller.Grantable(scopes); err != nil {
			return Shown{}, s.denied(ctx, c, refused, err)
		}
		if err := c.Idempotency.Check(); err != nil {
			return Shown{}, err
		}
		if err := c.Match.Check(string(a.ID), a.Version); err != nil {
			return Shown{}, err
		}
		if err := s.issuable(ctx, a); err != nil {
			return Shown{}, err
		}
		op := id.New[id.Operation](s.Rand)
		switch {
		case len(keys) == 0:
			return Shown{}, fault.New(fault.Conflict, "The service account has no live key to rotate. Issue one.")
		case len(keys) == 1:
			v, err := s.view(ctx, keys[0], a, nil)
			if err != nil {
				return Shown{}, err
			}
			return s.regenerate(ctx, c, v, in.ExpiresAt, in.Reason, now, op)
		case !in.All:
			return Shown{}, &fault.Error{Kind: fault.Conflict, BlockedBy: []fault.Blocker{blocker(keys)},
				Detail: "The service account has several live keys. Regenerate one of them by its ID, or repeat with all: true, which stops them all."}
		}
		return s.rotateAll(ctx, c, a, keys, scopes, in, now, op)
	})
}

// liveKeys reads an account's live keys, newest first, and the union of their scopes.
func (s *Service) liveKeys(ctx context.Context, a serviceaccount.Account, now time.Time) ([]Key, permission.Set, error) {
	var scopes permission.Set
	rows, err := s.Store.LiveKeys(ctx, a, now)
	if err != nil || len(rows) == 0 {
		return nil, scopes, err
	}
	ids := make([]id.Key, len(rows))
	for i, r := range rows {
		ids[i] = r.ID
	}
	found, err := s.Store.Keys(ctx, ids)
	if err != nil {
		return nil, scopes, err
	}
	byID := make(map[id.Key]Key, len(found))
	for _, k := range found {
		byID[k.ID] = k
	}
	keys := make([]Key, 0, len(rows))
	for _, r := range rows {
		k, ok := byID[r.ID]
		if !ok || !StateOf(k, a, nil, now).Live() {
			continue // it changed since the query; the transaction is conditional on the keys' version
		}
		keys = append(keys, k)
		scopes = scopes.Or(k.Scopes)
	}
	return keys, scopes, nil
}

func (s *Service) rotateAll(ctx context.Context, c call.Call, a serviceaccount.Account, keys []Key, scopes permission.Set, in Rotate, now time.Time, op id.Operation) (Shown, error) {
	if err := in.ExpiresAt.check(now); err != nil {
		return Shown{}, err
	}
	end := in.ExpiresAt.or(earliestEnd(keys))
	k := Key{ID: id.New[id.Key](s.Rand), Kind: token.ServiceAccountKey, AccountID: a.ID, Place: a.Place, Name: keys[0].Name,
		Scopes: scopes, RoleHint: a.RoleID, Generation: 1, IssueEpoch: a.IssueEpoch + 1, ExpiresAt: end,
		NoticeFrom: NoticeOf(end), CreatedBy: c.Caller.ID, CreatedByName: c.Caller.Name, CreatedAt: now, UpdatedAt: now,
		Version: 1, EventSeq: 1}
	m, err := s.Mint.New(ctx, k.Kind, id.Body(k.ID), k.Generation, op, c.Idempotency)
	if err != nil {
		return Shown{}, err
	}
	k.MAC, k.PepperVersion = m.MAC, m.PepperVersion
	next := a
	next.EventSeq++
	next.UpdatedAt = now
	after := next
	after.IssueEpoch++
	after.KeyCount = 1
	after.Lock = clearedLock(a)
	shown := Shown{View: View{Key: k, Account: after, State: StateOf(k, after, nil, now)}, Secret: m.Secret}
	record, err := c.Idempotency.Record(op, now, shown, m.Derived)
	if err != nil {
		return Shown{}, err
	}
	rotated := c.Event(id.New[id.Event](s.Rand), op, now)
	rotated.Action, rotated.Place, rotated.Seq = audit.ServiceAccountRotated, a.Place, next.EventSeq
	rotated.Target = audit.Target{Type: "service_account", ID: string(a.ID), Name: a.Name}
	rotated.Details = map[string]any{"keys_stopped": len(keys), "key_id": string(k.ID), "key_prefix": k.Prefix(), "reason": orUnspecified(in.Reason)}
	ended := &serviceaccount.Ended{At: now, By: c.Caller.ID, Reason: ReasonSuperseded}
	return shown, s.commit(ctx, c, change.Set{Operation: op, At: now, Idempotency: record,
		Events: []audit.Event{rotated, s.event(c, op, now, audit.UserUpdated, audit.KeyIssued, k)},
		Writes: []change.Write{Create{Key: k}, serviceaccount.Update{Old: a, New: &next, SameKeys: true, KeysChanged: true,
			KeyCount: 1, ClearLock: true, EndKeys: ended}}})
}

func earliestEnd(keys []Key) time.Time {
	var end time.Time
	for _, k := range keys {
		if !k.ExpiresAt.IsZero() && (end.IsZero() || k.ExpiresAt.Before(end)) {
			end = k.ExpiresAt
		}
	}
	return end
}

func blocker(keys []Key) fault.Blocker {
	b := fault.Blocker{Type: "key", Count: len(keys)}
	for _, k := range keys[:min(10, len(keys))] {
		b.IDs = append(b.IDs, string(k.ID))
	}
	return b
}

func orUnspecified(reason string) string {
	if reason == "" {
		return ReasonUnspecified
	}
	return reason
}

// clearedLock is the counter after an unlock: empty, of the next epoch.
func clearedLock(a serviceaccount.Account) lock.Counter { return lock.Counter{Epoch: a.Lock.Epoch + 1} }

// Pointer is the JSON pointer to an element of a list.
func Pointer(list string, i int) string { return list + "/" + strconv.Itoa(i) }
