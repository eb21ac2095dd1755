package apikey

import (
	"context"
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
	"github.com/rekey-dev/rekey/pkg/policy"
	"github.com/rekey-dev/rekey/pkg/serviceaccount"
	"github.com/rekey-dev/rekey/pkg/token"
)

// Rotate is the input of replacing an account's only key, or all of its keys by one.
type Rotate struct {
	All       bool
	Reason    string
	ExpiresAt Expiry
	// Unseen says that nobody will be shown the secret: it is delivered, and whoever calls need not hold the keys' scopes.
	Unseen bool
}

// Rotate replaces the secret of an account's only live key: same ID, the existing secret invalid when the call returns. With
// several live keys, and All, it stops them all and shows one new key with the union of their scopes, in one transaction
// whatever their number. Atomic: all of it, with its audit records and the idempotency record.
func (s *Service) Rotate(ctx context.Context, c call.Call, account id.ServiceAccount, in Rotate) (Shown, error) {
	return change.Retry(func() (Shown, error) {
		r, err := s.Replace(ctx, c, account, in)
		switch {
		case err != nil:
			return Shown{}, err
		case r.One != nil:
			return s.regenerate(ctx, c, *r.One, in.ExpiresAt, in.Reason, s.Now(), id.New[id.Operation](s.Rand))
		}
		return s.make(ctx, c, *r.All)
	})
}

// Replacement is how an account's keys are replaced; one of its members is set.
type Replacement struct {
	One *View  // the only live key, which gets another secret
	All *Draft // a new key, with which the several live ones stop
}

// Replace decides how an account's keys are to be replaced, for a caller that may; a refusal is recorded.
func (s *Service) Replace(ctx context.Context, c call.Call, account id.ServiceAccount, in Rotate) (Replacement, error) {
	a, err := s.account(ctx, account)
	if err != nil {
		return Replacement{}, err
	}
	now := s.Now()
	refused := c.Event("", "", now)
	refused.Action, refused.Place = audit.ServiceAccountRotated, a.Place
	refused.Target = audit.Target{Type: "service_account", ID: string(a.ID), Name: a.Name}
	if err := c.Caller.Check(permission.ServiceAccountsRotate, authz.Object{Place: a.Place, Account: a.ID, What: "service account"}); err != nil {
		return Replacement{}, c.Deny(ctx, s.Store.Deny, refused, err)
	}
	if problem := name.CheckDescription(in.Reason); problem != "" {
		return Replacement{}, fault.InvalidField("/reason", problem)
	}
	keys, scopes, err := s.liveKeys(ctx, a, now)
	if err != nil {
		return Replacement{}, err
	}
	// A repeat is judged by what the account's keys carry now: nobody is shown more than they hold.
	if err := s.Grantable(ctx, c.Caller, scopes); err != nil && !in.Unseen {
		return Replacement{}, c.Deny(ctx, s.Store.Deny, refused, err)
	}
	if err := c.Idempotency.Check(); err != nil {
		return Replacement{}, err
	}
	if err := c.Match.Check(string(a.ID), a.Version); err != nil {
		return Replacement{}, err
	}
	if a.Status != serviceaccount.Active {
		return Replacement{}, accountEnded()
	}
	switch {
	case len(keys) == 0:
		return Replacement{}, fault.New(fault.Conflict, "The service account has no live key to rotate. Issue one.")
	case len(keys) == 1:
		k, err := s.Store.Key(ctx, keys[0].ID)
		if err != nil {
			return Replacement{}, err
		}
		v, err := s.view(ctx, k, a, nil)
		if err != nil {
			return Replacement{}, err
		}
		if !v.State.Live() {
			return Replacement{}, change.ErrLost // it ended since the query
		}
		return Replacement{One: &v}, nil
	case !in.All:
		return Replacement{}, &fault.Error{Kind: fault.Conflict, BlockedBy: []fault.Blocker{blocker(keys)},
			Detail: "The service account has several live keys. Regenerate one of them by its ID, or repeat with all: true, which stops them all."}
	}
	d, err := s.draftAll(ctx, c, a, keys, scopes, in, now)
	return Replacement{All: &d}, err
}

// liveKeys reads an account's live keys, newest first, in one query, and the union of their scopes.
func (s *Service) liveKeys(ctx context.Context, a serviceaccount.Account, now time.Time) ([]Key, permission.Set, error) {
	var scopes permission.Set
	keys, err := s.Store.LiveKeys(ctx, a, now)
	for _, k := range keys {
		scopes = scopes.Or(k.Scopes)
	}
	return keys, scopes, err
}

// draftAll decides on the new key with which all of an account's keys stop.
func (s *Service) draftAll(ctx context.Context, c call.Call, a serviceaccount.Account, keys []Key, scopes permission.Set, in Rotate, now time.Time) (Draft, error) {
	if _, err := s.issuable(ctx, a); err != nil {
		return Draft{}, err
	}
	p, err := policy.Resolve(ctx, s.Store, a)
	if err != nil {
		return Draft{}, err
	}
	end, err := in.ExpiresAt.Under(p, now, earliestEnd(keys))
	if err != nil {
		return Draft{}, err
	}
	op := id.New[id.Operation](s.Rand)
	k := Key{ID: id.New[id.Key](s.Rand), Kind: token.ServiceAccountKey, AccountID: a.ID, Place: a.Place, Name: keys[0].Name,
		Scopes: scopes, RoleHint: a.RoleID, Generation: 1, IssueEpoch: a.IssueEpoch + 1, ExpiresAt: end.At,
		NoticeFrom: NoticeOf(end.At, p.LongestNotice()), CreatedBy: c.Caller.ID, CreatedByName: c.Caller.Name, CreatedAt: now, UpdatedAt: now,
		Version: 1, EventSeq: 1}
	plan(&k, p, now)
	next := a
	next.EventSeq++
	next.UpdatedAt = now
	after := next
	after.IssueEpoch++
	after.KeyCount = 1
	after.Lock = clearedLock(a)
	rotated := c.Event(id.New[id.Event](s.Rand), op, now)
	rotated.Action, rotated.Place, rotated.Seq = audit.ServiceAccountRotated, a.Place, next.EventSeq
	rotated.Target = audit.Target{Type: "service_account", ID: string(a.ID), Name: a.Name}
	rotated.Details = map[string]any{"keys_stopped": len(keys), "key_id": string(k.ID), "key_prefix": k.Prefix(), "reason": orUnspecified(in.Reason)}
	issued := s.event(c, op, now, audit.UserUpdated, audit.KeyIssued, k)
	end.Note(issued.Details, p)
	ended := &serviceaccount.Ended{At: now, By: c.Caller.ID, Reason: ReasonSuperseded}
	d := Draft{View: View{Key: k, Account: after, State: StateOf(k, after, nil, now)}, Reason: in.Reason, Policy: p,
		Set: change.Set{Operation: op, At: now, Events: []audit.Event{rotated, issued}, Writes: []change.Write{
			serviceaccount.Update{Old: a, New: &next, SameKeys: true, KeysChanged: true, KeyCount: 1, ClearLock: true, EndKeys: ended}}}}
	for _, k := range keys {
		d.Stops = append(d.Stops, k.ID)
	}
	return d, nil
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
