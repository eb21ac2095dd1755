package rotation

import (
	"context"
	"time"

	"github.com/rekey-dev/rekey/pkg/apikey"
	"github.com/rekey-dev/rekey/pkg/audit"
	"github.com/rekey-dev/rekey/pkg/call"
	"github.com/rekey-dev/rekey/pkg/change"
	"github.com/rekey-dev/rekey/pkg/delivery"
	"github.com/rekey-dev/rekey/pkg/fault"
	"github.com/rekey-dev/rekey/pkg/id"
	"github.com/rekey-dev/rekey/pkg/mint"
	"github.com/rekey-dev/rekey/pkg/name"
	"github.com/rekey-dev/rekey/pkg/permission"
	"github.com/rekey-dev/rekey/pkg/serviceaccount"
	"github.com/rekey-dev/rekey/pkg/token"
)

// Start is the input of rotating a key.
type Start struct {
	Mode      Mode
	Overlap   time.Duration // of an overlap; 0: as the policy says
	Reason    string
	Suspected time.Time     // since when the secret may have been in wrong hands; zero when nobody says
	ExpiresAt apikey.Expiry // of the new secret; not given: the policy's default lifetime, without one the end that the key had
	Force     bool          // although a rotation of the key is open: that one ends first
	// Deliver is where the new secret goes instead of being shown; the zero Target for nowhere.
	Deliver delivery.Target

	planned *Planned        // of a rotation by the calendar
	ends    *View           // an open rotation of the key that is aborted in the same transaction
	answer  func(Shown) any // what the call answers with; nil for the Shown itself
}

// answers is what the call answers with, and what is kept for its repeats.
func (in Start) answers(s Shown) any {
	if in.answer == nil {
		return s
	}
	return in.answer(s)
}

// Shown is a rotation together with the new secret, which is shown once.
type Shown struct {
	View   View
	Secret token.Secret
}

// Rotate begins a rotation of a key and shows the new secret once. Atomic: the rotation, both keys, the account, the audit
// records and the idempotency record. With Force, an open rotation of the key is ended: where the key is the old one of an
// overlap it is cancelled before, in a transaction of its own; otherwise it is aborted in the same one, so that a delivery whose
// consumer has no secret that works goes on until the new one takes over.
func (s *Service) Rotate(ctx context.Context, c call.Call, k id.Key, in Start) (Shown, error) {
	return change.Retry(func() (Shown, error) {
		v, err := s.Keys.Load(ctx, k)
		if err != nil {
			return Shown{}, err
		}
		refused := s.Keys.Record(c, "", s.Now(), audit.KeyRotated, v.Key)
		if err := c.Caller.Check(permission.ServiceAccountsRotate, apikey.Object(v.Key)); err != nil {
			return Shown{}, c.Deny(ctx, s.Store.Deny, refused, err)
		}
		scopes := v.Key.Scopes
		if c.Idempotency.IsRepeat() && c.Idempotency.Prior.Secret != nil { // what is shown again is what that key carries now
			again, err := s.Keys.Load(ctx, id.FromBody[id.Key](c.Idempotency.Prior.Secret.Public))
			if err != nil {
				return Shown{}, err
			}
			scopes = scopes.Or(again.Key.Scopes)
		}
		if err := s.Keys.Grantable(ctx, c.Caller, scopes); err != nil && in.Deliver.Type == "" { // nobody is shown what is delivered
			return Shown{}, c.Deny(ctx, s.Store.Deny, refused, err)
		}
		policy, err := s.Terms(ctx, v.Account)
		if err != nil {
			return Shown{}, err
		}
		return s.start(ctx, c, v, in, policy)
	})
}

// RotateOwn lets a service account's key rotate itself: an overlap by its policy's terms, with exactly its scopes. Atomic as
// Rotate is.
func (s *Service) RotateOwn(ctx context.Context, c call.Call) (Shown, error) {
	return change.Retry(func() (Shown, error) {
		if err := c.Caller.Holds(permission.KeysRotateSelf); err != nil {
			return Shown{}, err
		}
		k, ok := id.Parse[id.Key](c.Caller.KeyID)
		if !ok || c.Caller.Type != audit.ServiceAccount {
			return Shown{}, fault.New(fault.Conflict, "Only a service account's key can rotate itself.")
		}
		v, err := s.Keys.Load(ctx, k)
		if err != nil {
			return Shown{}, err
		}
		policy, err := s.Terms(ctx, v.Account)
		if err != nil {
			return Shown{}, err
		}
		if !policy.AllowSelf && !policy.Effective.ReportOnly.Value {
			return Shown{}, fault.New(fault.Conflict, "The rotation policy does not let keys rotate themselves. Ask an admin.")
		}
		return s.start(ctx, c, v, Start{Mode: Overlap, Reason: "rotated by itself"}, policy)
	})
}

// Outcome is what came of a rotation by the calendar.
type Outcome string

const (
	Begun    Outcome = "begun"
	NoTarget Outcome = "no_target" // the policy delivers nowhere: no secret is made that nobody would receive
	Open     Outcome = "open"      // another rotation of the key is open
)

// ByCalendar rotates a key because its policy's schedule says so: an overlap whose new secret goes to where the policy delivers
// it. Atomic as Rotate is.
func (s *Service) ByCalendar(ctx context.Context, c call.Call, k id.Key, p Planned) (Outcome, error) {
	return change.Retry(func() (Outcome, error) {
		v, err := s.Keys.Load(ctx, k)
		if err != nil {
			return "", err
		}
		policy, err := s.Terms(ctx, v.Account)
		if err != nil {
			return "", err
		}
		to := policy.Effective.DeliverTo.Value
		if to == nil || delivery.Type(to.Type) != delivery.SecretsManager {
			return NoTarget, nil
		}
		_, err = s.start(ctx, c, v, Start{Mode: Overlap, Reason: "by the calendar", planned: &p, Deliver: delivery.Target{Type: delivery.Type(to.Type), SecretID: to.SecretID,
			JSONKey: to.JSONKey, RoleARN: to.RoleARN}}, policy)
		if fault.Is(err, fault.RotationOpen) {
			return Open, nil
		}
		return Begun, err
	})
}

func (s *Service) start(ctx context.Context, c call.Call, v apikey.View, in Start, policy Policy) (Shown, error) {
	if err := c.Idempotency.Check(); err != nil {
		return Shown{}, err
	}
	if err := c.Match.Check(string(v.Key.ID), v.Key.Version); err != nil {
		return Shown{}, err
	}
	now := s.Now()
	if err := in.check(now); err != nil {
		return Shown{}, err
	}
	if !v.State.Live() {
		return Shown{}, s.refuse(ctx, c, apikey.EndedFault(v))
	}
	if err := s.Keys.Issuable(ctx, v.Account); err != nil {
		return Shown{}, err
	}
	open, err := s.open(ctx, c, v.Key)
	if err != nil {
		return Shown{}, err
	}
	var stops []id.Key
	if open != nil {
		if !in.Force {
			return Shown{}, s.refuse(ctx, c, &fault.Error{Kind: fault.RotationOpen,
				BlockedBy: []fault.Blocker{{Type: "rotation", Count: 1, IDs: []string{string(open.Rotation.ID)}}},
				Detail:    "A rotation of this key is open. Complete or cancel it first, or repeat with force: true, which ends it."})
		}
		if err := s.refuse(ctx, c, nil); err != nil { // it is what an equal call, which was first, has begun
			return Shown{}, err
		}
		stops = append(stops, open.Rotation.NewKey)
	}
	if _, err := in.ExpiresAt.Under(policy.Effective, now, v.Key.ExpiresAt); err != nil { // what is refused ends nothing
		return Shown{}, err
	}
	if in.Deliver.Type != "" {
		if err := s.accept(ctx, c, v.Key, in.Deliver, stops...); err != nil {
			return Shown{}, err
		}
	}
	switch {
	case open == nil:
	case open.Rotation.gives(v.Key.ID):
		if err := s.cancelFor(ctx, c, *open); err != nil {
			return Shown{}, err
		}
		return Shown{}, change.ErrLost // read anew
	default:
		in.ends = open
	}
	return s.begin(ctx, c, v, in, policy, now)
}

func (in *Start) check(now time.Time) error {
	if in.Mode == Overlap && in.Overlap != 0 && (in.Overlap < MinOverlap || in.Overlap > MaxOverlap) {
		return fault.InvalidField("/overlap", "is not between PT1M and P30D")
	}
	if in.Mode != Overlap && in.Overlap != 0 {
		return fault.InvalidField("/overlap", "goes with mode overlap only")
	}
	if problem := name.CheckDescription(in.Reason); problem != "" {
		return fault.InvalidField("/reason", problem)
	}
	if in.Suspected.After(now) {
		return fault.InvalidField("/suspected_since", "is in the future")
	}
	return in.ExpiresAt.Check(now)
}

// open returns the key's open rotation; nil when there is none. What has happened to it already is put on record first: then it
// is lost, because the keys may be others.
func (s *Service) open(ctx context.Context, c call.Call, k apikey.Key) (*View, error) {
	if k.RotationID == "" {
		return nil, nil
	}
	v, err := s.load(ctx, k.RotationID)
	switch {
	case err != nil:
		return nil, err
	case v.Rotation.Over():
		return nil, nil
	case Decide(v, s.Now()).Step:
		if _, err := s.Advance(ctx, System(c.Request.ID), v.Rotation.ID); err != nil {
			return nil, err
		}
		return nil, change.ErrLost
	}
	return &v, nil
}

// begin commits a new rotation.
func (s *Service) begin(ctx context.Context, c call.Call, v apikey.View, in Start, policy Policy, now time.Time) (Shown, error) {
	op := id.New[id.Operation](s.Rand)
	old := v.Key
	next, end, err := s.successor(c, v, in, policy, now)
	if err != nil {
		return Shown{}, err
	}
	by, byName := actor(c)
	r := Rotation{ID: id.New[id.Rotation](s.Rand), Mode: in.Mode, OldKey: old.ID, NewKey: next.ID, AccountID: old.AccountID, Place: old.Place,
		Terms: policy.Terms, StartedBy: by, StartedByName: byName, Reason: in.Reason, Suspected: in.Suspected,
		FormerExpiresAt: old.ExpiresAt, FormerNoticeFrom: old.NoticeFrom, CreatedAt: now, Version: 1}
	if r.Planned, err = s.planned(ctx, old, in, policy, now); err != nil {
		return Shown{}, err
	}
	if in.Deliver.Type != "" {
		r.Delivery = delivery.Progress{Target: in.Deliver, Version: delivery.VersionID(r.ID, next.Generation)}
		return s.beginDelivering(ctx, c, r, next, op, func(m mint.Coin, r Rotation) (Shown, error) {
			return s.commitNew(ctx, c, v, next, r, in, policy, end, m, op, now)
		}, in.answers)
	}
	m, err := s.Mint.New(ctx, next.Kind, id.Body(next.ID), next.Generation, op, c.Idempotency)
	if err != nil {
		return Shown{}, err
	}
	return s.commitNew(ctx, c, v, next, r, in, policy, end, m, op, now)
}

// commitNew commits a new rotation with the digest of its secret. With a delivery nothing of an overlap begins yet.
func (s *Service) commitNew(ctx context.Context, c call.Call, v apikey.View, next apikey.Key, r Rotation, in Start, policy Policy, end apikey.End, m mint.Coin, op id.Operation, now time.Time) (Shown, error) {
	old, account, by := v.Key, v.Account, r.StartedBy
	next.MAC, next.PepperVersion, next.RotationID = m.MAC, m.PepperVersion, r.ID
	ended := old
	ended.RotationID, ended.RoleHint, ended.UpdatedAt = r.ID, account.RoleID, now
	ended.Version++
	ended.EventSeq++
	set := change.Set{Operation: op, At: now}
	after := account
	switch in.Mode {
	case Overlap:
		r.Terms.Overlap = orDefault(in.Overlap, policy.Terms.Overlap)
		ended.SupersededBy, ended.RotateAt = next.ID, time.Time{}
		if r.Awaits() {
			r = r.reached(Issued, now, by, "the overlap begins when the new secret has been delivered")
		} else {
			r = r.overlapping(old.ExpiresAt, now)
			r = r.reached(Issued, now, by, "the old key ends at "+stamp(r.OverlapEndsAt))
			ended.ExpiresAt, ended.NoticeFrom, ended.AnnouncedAt = r.OverlapEndsAt, now, now
		}
		ended.DueAt = earlier(Decide(View{Rotation: r, Old: apikey.View{Key: ended}, New: apikey.View{Key: next}}, now).Due, apikey.NextDue(ended, policy.Notices, now))
		after.KeyCount++
		set.Writes = []change.Write{apikey.Create{Key: next}, apikey.Update{Old: old, New: ended},
			serviceaccount.Update{Old: account, KeysChanged: true, KeyCount: 1}, Create{Rotation: r}}
		set.Events = append(set.Events, s.Keys.Record(c, op, now, audit.KeyRotated, ended), s.Keys.Record(c, op, now, audit.KeyIssued, next))
	case Emergency:
		ended.Ended = &serviceaccount.Ended{At: now, By: by, Reason: apikey.ReasonCompromise}
		ended.SupersededBy, ended.DueAt = next.ID, time.Time{}
		r, next = r.atOnce(now, next)
		after = apikey.ClearedLock(after)
		set.Writes = []change.Write{apikey.Create{Key: next}, apikey.Update{Old: old, New: ended},
			serviceaccount.Update{Old: account, KeysChanged: true, ClearLock: true}, Create{Rotation: r}}
		set.Events = append(set.Events, s.Keys.Record(c, op, now, audit.KeyRotated, ended), s.Keys.Record(c, op, now, audit.KeyIssued, next))
	case Immediate:
		r, next = r.atOnce(now, next)
		ended = next
		after = apikey.ClearedLock(after)
		set.Writes = []change.Write{apikey.Update{Old: old, New: next}, serviceaccount.Update{Old: account, KeysChanged: true, ClearLock: true}, Create{Rotation: r}}
		regenerated := s.Keys.Record(c, op, now, audit.KeyRegenerated, next)
		regenerated.Details["unlocked"] = account.Lock.Failures > 0
		if in.Reason != "" {
			regenerated.Details["reason"] = in.Reason
		}
		set.Events = append(set.Events, regenerated)
	}
	started := s.event(c, op, now, audit.RotationStarted, r)
	end.Note(started.Details, policy.Effective)
	if in.Reason != "" {
		started.Details["reason"] = in.Reason
	}
	set.Events = append(set.Events, started)
	if in.ends != nil {
		aborted := in.ends.Rotation.reached(Aborted, now, by, forced)
		aborted.Version++
		set.Writes = append(set.Writes, Update{Old: in.ends.Rotation, New: aborted})
		set.Events = append(set.Events, s.event(c, op, now, audit.RotationAborted, aborted))
		if k := in.ends.Old.Key; in.ends.Rotation.Mode == Overlap && in.ends.Rotation.Awaits() && in.ends.Old.State.Live() {
			k.SupersededBy, k.DueAt, k.UpdatedAt = "", now, now // nothing was taken of it, and it has an end, and a turn, of its own again
			k.Version++
			k.EventSeq++
			set.Writes = append(set.Writes, apikey.Update{Old: in.ends.Old.Key, New: k})
			set.Events = append(set.Events, s.Keys.Record(c, op, now, audit.KeyUpdated, k))
		}
	}
	out := View{Rotation: r, Old: apikey.View{Key: ended, Account: after, State: apikey.StateOf(ended, after, nil, now), Sightings: v.Sightings},
		New: apikey.View{Key: next, Account: after, State: apikey.StateOf(next, after, nil, now)}}
	shown := Shown{View: out, Secret: m.Secret}
	var err error
	if set.Idempotency, err = c.Idempotency.Record(op, now, in.answers(shown), m.Derived); err != nil {
		return Shown{}, err
	}
	return shown, change.Settle(s.Store.Commit(ctx, set), c.Idempotency)
}

// successor is the new key, without its digest: another key with the old one's name and exactly its scopes, or, immediate, the
// same key with its next secret.
func (s *Service) successor(c call.Call, v apikey.View, in Start, policy Policy, now time.Time) (apikey.Key, apikey.End, error) {
	k := v.Key
	end, err := in.ExpiresAt.Under(policy.Effective, now, k.ExpiresAt)
	if err != nil {
		return apikey.Key{}, apikey.End{}, err
	}
	k.RoleHint, k.UpdatedAt = v.Account.RoleID, now
	if in.Mode == Immediate {
		k.RegeneratedAt = now
		k.Generation++
		k.Version++
		k.EventSeq++
	} else {
		k.ID, k.Generation, k.Version, k.EventSeq = id.New[id.Key](s.Rand), 1, 1, 1
		k.IssueEpoch, k.SupersededBy = v.Account.IssueEpoch, ""
		k.Off = k.Off && c.Caller.Holds(permission.KeysIssue) != nil // whoever may not activate it gets none that is active
		k.LastUsedAt, k.UsedGen, k.RetiredSeenAt = time.Time{}, 0, time.Time{}
		k.CreatedBy, k.CreatedByName = actor(c)
		k.CreatedAt, k.RegeneratedAt = now, time.Time{}
	}
	k.ExpiresAt, k.NoticeFrom = end.At, apikey.NoticeOf(end.At, policy.Effective.LongestNotice())
	apikey.Plan(&k, policy.Notices, now)
	if k.RotateAt = (time.Time{}); policy.Effective.Schedule.Value != nil {
		k.DueAt = now // the sweeper says when it is to be rotated
	}
	return k, end, nil
}

func orDefault(d, other time.Duration) time.Duration {
	if d != 0 {
		return d
	}
	return other
}

// actor is who a step is by: the caller, or rekey itself.
func actor(c call.Call) (by, byName string) {
	if c.Caller.ID == "" {
		return string(audit.System), ""
	}
	return c.Caller.ID, c.Caller.Name
}
