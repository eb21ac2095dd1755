package rotation

import (
	"context"
	"time"

	"github.com/rekey-dev/rekey/pkg/apikey"
	"github.com/rekey-dev/rekey/pkg/audit"
	"github.com/rekey-dev/rekey/pkg/call"
	"github.com/rekey-dev/rekey/pkg/change"
	"github.com/rekey-dev/rekey/pkg/fault"
	"github.com/rekey-dev/rekey/pkg/id"
	"github.com/rekey-dev/rekey/pkg/period"
	"github.com/rekey-dev/rekey/pkg/permission"
	"github.com/rekey-dev/rekey/pkg/serviceaccount"
)

// Complete ends the old key now. Atomic: the rotation, the old key, the account, the audit records, the idempotency record.
func (s *Service) Complete(ctx context.Context, c call.Call, r id.Rotation) (View, error) {
	return s.manage(ctx, c, r, func(v View, now time.Time) (View, error) {
		if v.Rotation.Awaits() {
			return View{}, undelivered(v.Rotation)
		}
		return s.move(ctx, c, v, Decision{Step: true, State: Retired, Action: EndOld, Reason: "completed by hand"}, audit.RotationRetired, now)
	})
}

// Cancel takes the new key back and gives the old one its former end. After traffic on the new key it is a conflict unless
// forced. Atomic as Complete is.
func (s *Service) Cancel(ctx context.Context, c call.Call, r id.Rotation, force bool) (View, error) {
	return s.manage(ctx, c, r, func(v View, now time.Time) (View, error) {
		switch v.Rotation.Mode {
		case Overlap:
		case Issuing:
			return View{}, fault.New(fault.Conflict, "There is no old key to go back to. Revoke the key, which ends its delivery.")
		default:
			return View{}, fault.New(fault.Conflict, "The old secret has ended; there is nothing to go back to.")
		}
		if from := v.Rotation.Delivery.From; !v.Rotation.Delivery.DoneAt.IsZero() && !force {
			return View{}, fault.New(fault.Conflict, "The new secret is what consumers of "+v.Rotation.Delivery.Target.SecretID+" get, and would be refused. "+
				"Move its AWSCURRENT back to version "+from+", then repeat with force: true.")
		}
		if v.New.Key.UsedGen != 0 && !force {
			return View{}, fault.New(fault.Conflict, "There was traffic on the new key until "+stamp(v.New.Key.LastUsedAt)+
				", which would get 401. Repeat with force: true to end it all the same.")
		}
		return s.move(ctx, c, v, Decision{Step: true, State: Cancelled, Action: GiveBack, Reason: "cancelled by hand"}, audit.RotationCancelled, now)
	})
}

// Extend lets the overlap end later, once: at most P30D after its present end and not after the end that the old key had
// before. Atomic as Complete is.
func (s *Service) Extend(ctx context.Context, c call.Call, r id.Rotation, until time.Time) (View, error) {
	return s.manage(ctx, c, r, func(v View, now time.Time) (View, error) {
		rot := v.Rotation
		switch {
		case rot.Awaits() || rot.Mode != Overlap:
			return View{}, undelivered(rot)
		case rot.Extended:
			return View{}, s.refuse(ctx, c, fault.New(fault.Conflict, "The overlap was extended before; it can be extended once."))
		case rot.broughtForward(v.Old.Key):
			return View{}, s.refuse(ctx, c, fault.New(fault.Conflict, "The old key was given an earlier end, "+stamp(v.Old.Key.ExpiresAt)+". That is not taken back by an extension."))
		case !until.After(rot.OverlapEndsAt):
			return View{}, fault.InvalidField("/until", "is not after the present end, "+stamp(rot.OverlapEndsAt))
		case until.After(rot.OverlapEndsAt.Add(MaxOverlap)):
			return View{}, fault.InvalidField("/until", "is more than P30D after the present end")
		case !rot.FormerExpiresAt.IsZero() && until.After(rot.FormerExpiresAt):
			return View{}, fault.InvalidField("/until", "is after "+stamp(rot.FormerExpiresAt)+", when the old key would have ended without the rotation")
		}
		policy, err := s.Terms(ctx, v.Old.Account)
		if err != nil {
			return View{}, err
		}
		if latest, bounded := apikey.Latest(v.Old.Key, policy.Effective, now); bounded && until.After(latest) {
			return View{}, fault.InvalidField("/until", "is after "+stamp(latest)+", the latest that max_lifetime "+
				period.Format(policy.Effective.MaxLifetime.Value)+" of the rotation policy "+string(policy.Effective.MaxLifetime.Source.Policy)+" allows")
		}
		return s.extend(ctx, c, v, until, "extended by hand", policy.Notices, now)
	})
}

// undelivered refuses what ends an old key, or its overlap, before the new secret is where it goes.
func undelivered(r Rotation) error {
	detail := "The new secret has not been delivered yet. "
	switch {
	case r.Delivery.Problem != "":
		detail += r.Delivery.Problem
	case r.Mode == Overlap:
		detail += "Try again in a minute, or cancel the rotation."
	default:
		detail += "Try again in a minute, or revoke the key."
	}
	return fault.New(fault.Conflict, detail)
}

// manage is the first part of every action on a rotation: it is there, the caller may, the call is new, it is open.
func (s *Service) manage(ctx context.Context, c call.Call, r id.Rotation, act func(v View, now time.Time) (View, error)) (View, error) {
	return change.Retry(func() (View, error) {
		v, err := s.load(ctx, r)
		if err != nil {
			return View{}, err
		}
		if err := c.Caller.Check(permission.RotationsManage, object(v.Rotation)); err != nil {
			return View{}, err
		}
		if err := c.Idempotency.Check(); err != nil {
			return View{}, err
		}
		if err := c.Match.Check(string(v.Rotation.ID), v.Rotation.Version); err != nil {
			return View{}, err
		}
		// What has happened already is on record before what is asked for: that the new key was seen, say.
		// A secret that is still on its way is not waited for.
		if !v.Rotation.Over() && Decide(v, s.Now()).Action != Deliver {
			taken, err := s.Advance(ctx, System(c.Request.ID), r)
			if err != nil {
				return View{}, err
			}
			v = taken.View
		}
		if v.Rotation.Over() {
			return View{}, s.refuse(ctx, c, fault.New(fault.Ended, "The rotation is "+string(v.Rotation.State)+"; that is final."))
		}
		now := s.Now()
		return act(v, now)
	})
}

// forced is why a rotation ends for the sake of another.
const forced = "another rotation was forced"

// gives tells whether there is something to give back to a key when the rotation is cancelled: it is the old key of an overlap.
func (r Rotation) gives(k id.Key) bool { return r.Mode == Overlap && k == r.OldKey }

// cancelFor cancels an open rotation for the sake of a forced new one of its old key.
func (s *Service) cancelFor(ctx context.Context, c call.Call, v View) error {
	c.Idempotency = nil // the record is the new rotation's
	_, err := s.move(ctx, c, v, Decision{Step: true, State: Cancelled, Action: GiveBack, Reason: forced}, audit.RotationCancelled, s.Now())
	return err
}

// move commits one step: the rotation's new state, what it does to the keys, and the records of both.
func (s *Service) move(ctx context.Context, c call.Call, v View, d Decision, action string, now time.Time) (View, error) {
	op := id.New[id.Operation](s.Rand)
	by, _ := actor(c)
	stored, next := v.Rotation, v.Rotation.reached(d.State, now, by, d.Reason)
	if c.Caller.Type != audit.System {
		next.Version++
	}
	var policy Policy // where the old key gets another end
	if d.Action == StartOverlap || d.Action == GiveBack || d.Action == FreeOld {
		var err error
		if policy, err = s.Terms(ctx, v.Old.Account); err != nil {
			return View{}, err
		}
	}
	switch d.State {
	case Delivered:
		next.Delivery.DoneAt, next.Delivery.Problem = now, ""
		if d.Action == StartOverlap {
			next = next.overlapping(v.Old.Key.ExpiresAt, now)
		}
	case Overdue:
		next.Delivery.Problem = d.Reason
	}
	set := change.Set{Operation: op, At: now, Writes: []change.Write{Update{Old: stored, New: next}}, Events: []audit.Event{s.event(c, op, now, action, next)}}
	account := serviceaccount.Update{Old: v.Old.Account, KeysChanged: true}
	ended := &serviceaccount.Ended{At: now, By: by, Reason: apikey.ReasonSuperseded}
	edit := func(view *apikey.View, what string, f func(k *apikey.Key)) {
		k := view.Key
		f(&k)
		k.UpdatedAt = now
		k.Version++
		k.EventSeq++
		set.Writes = append(set.Writes, apikey.Update{Old: view.Key, New: k})
		set.Events = append(set.Events, s.Keys.Record(c, op, now, what, k))
		view.Key = k
	}
	switch d.Action {
	case EndOld:
		account.KeyCount--
		edit(&v.Old, audit.KeyRevoked, func(k *apikey.Key) { k.Ended, k.DueAt = ended, time.Time{} })
	case StartOverlap:
		edit(&v.Old, audit.KeyUpdated, func(k *apikey.Key) {
			k.ExpiresAt, k.NoticeFrom, k.AnnouncedAt = next.OverlapEndsAt, now, now
			due := Decide(View{Rotation: next, Old: apikey.View{Key: *k}, New: v.New}, now).Due
			k.DueAt = earlier(due, apikey.NextDue(*k, policy.Notices, now))
		})
	case GiveBack, FreeOld:
		if v.Old.State.Live() {
			edit(&v.Old, audit.KeyUpdated, func(k *apikey.Key) {
				k.SupersededBy = ""
				switch {
				case next.OverlapEndsAt.IsZero(): // nothing was taken yet
					k.DueAt = now
				case next.broughtForward(*k): // somebody has it end earlier, and did not take that back
					k.NoticeFrom = apikey.NoticeOf(k.ExpiresAt, policy.Effective.LongestNotice())
					apikey.Plan(k, policy.Notices, now)
				default:
					k.ExpiresAt, k.NoticeFrom = next.FormerExpiresAt, next.FormerNoticeFrom
					apikey.Plan(k, policy.Notices, now)
				}
				*k, _ = apikey.InLine(*k, policy.Effective, now) // the policy may have changed since
				if policy.Effective.Schedule.Value != nil {
					k.DueAt = now // the sweeper says when it is to be rotated
				}
			})
		}
		if v.New.State.Live() && d.Action == GiveBack {
			account.KeyCount--
			edit(&v.New, audit.KeyRevoked, func(k *apikey.Key) {
				if k.Ended, k.DueAt = ended, (time.Time{}); stored.Awaits() {
					k.DueAt = now.Add(takeBackAfter) // whoever was about to move AWSCURRENT to it has by then
				}
			})
		}
	}
	if len(set.Writes) > 1 {
		set.Writes = append(set.Writes, account)
	}
	return s.settle(ctx, c, v, next, account, set, op, now)
}

// extend commits a later end of the overlap.
func (s *Service) extend(ctx context.Context, c call.Call, v View, until time.Time, why string, notices []time.Duration, now time.Time) (View, error) {
	op := id.New[id.Operation](s.Rand)
	by, _ := actor(c)
	stored := v.Rotation
	next := v.Rotation.reached(v.Rotation.State, now, by, why+": the old key ends at "+stamp(until)+" instead of "+stamp(v.Rotation.OverlapEndsAt))
	next.OverlapEndsAt, next.Extended = until, true
	if c.Caller.Type != audit.System {
		next.Version++
	}
	k := v.Old.Key
	k.ExpiresAt, k.UpdatedAt = until, now
	k.Version++
	k.EventSeq++
	moved := View{Rotation: next, Old: v.Old, New: v.New}
	moved.Old.Key = k
	k.AnnouncedAt = now
	k.DueAt = earlier(Decide(moved, now).Due, apikey.NextDue(k, notices, now))
	account := serviceaccount.Update{Old: v.Old.Account, KeysChanged: true}
	set := change.Set{Operation: op, At: now, Writes: []change.Write{Update{Old: stored, New: next}, apikey.Update{Old: v.Old.Key, New: k}, account},
		Events: []audit.Event{s.event(c, op, now, audit.RotationExtended, next), s.Keys.Record(c, op, now, audit.KeyUpdated, k)}}
	v.Old.Key = k
	return s.settle(ctx, c, v, next, account, set, op, now)
}

// settle commits a step and returns the rotation after it.
func (s *Service) settle(ctx context.Context, c call.Call, v View, next Rotation, account serviceaccount.Update, set change.Set, op id.Operation, now time.Time) (View, error) {
	v.Rotation = next
	after := account.Old
	after.KeyCount += account.KeyCount
	for _, k := range []*apikey.View{&v.Old, &v.New} {
		k.Account = after
		if k.State.Live() || k.Key.Ended != nil {
			k.State = apikey.StateOf(k.Key, after, nil, now)
		}
	}
	var err error
	if set.Idempotency, err = c.Idempotency.Record(op, now, v, nil); err != nil {
		return View{}, err
	}
	return v, change.Settle(s.Store.Commit(ctx, set), c.Idempotency)
}
