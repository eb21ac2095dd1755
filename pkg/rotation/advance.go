package rotation

import (
	"context"
	"time"

	"github.com/rekey-dev/rekey/pkg/apikey"
	"github.com/rekey-dev/rekey/pkg/audit"
	"github.com/rekey-dev/rekey/pkg/authz"
	"github.com/rekey-dev/rekey/pkg/call"
	"github.com/rekey-dev/rekey/pkg/change"
	"github.com/rekey-dev/rekey/pkg/id"
)

// System is a call by rekey itself.
func System(request string) call.Call {
	return call.Call{Caller: authz.Caller{Type: audit.System, ID: string(audit.System), Name: "rekey"}, Request: audit.Request{ID: request}}
}

// actions are the records of the states that a step can reach.
var actions = map[State]string{Delivered: audit.RotationDelivered, Seen: audit.RotationSeen, Quiet: audit.RotationQuiet, Retired: audit.RotationRetired,
	Aborted: audit.RotationAborted, Cancelled: audit.RotationCancelled, Overdue: audit.RotationOverdue}

// maxSteps is how many steps follow from each other at one moment: seen, quiet, retired.
const maxSteps = 4

// Advanced is a rotation after the steps that were due.
type Advanced struct {
	View  View
	Steps int       // how many were taken
	Due   time.Time // when its old key is to be looked at again; zero for never
}

// Advance takes every step of a rotation that is due, each in a transaction of its own. It may be called at any time, by
// several at once, and again after a crash: a step that was taken is not taken again.
func (s *Service) Advance(ctx context.Context, c call.Call, r id.Rotation) (Advanced, error) {
	steps := 0
	return change.Retry(func() (Advanced, error) {
		v, err := s.load(ctx, r)
		if err != nil {
			return Advanced{}, err
		}
		if v.Rotation.Over() && v.Rotation.Awaits() && v.New.Key.Ended != nil && !v.New.Key.DueAt.IsZero() {
			return Advanced{View: v, Steps: steps}, s.takeBack(ctx, r)
		}
		for range maxSteps {
			now := s.Now()
			d := Decide(v, now)
			if d.Action == Deliver {
				taken := false
				if v, taken, err = s.deliver(ctx, c, v); err != nil {
					return Advanced{}, err
				}
				if !taken || v.Rotation.Awaits() {
					return Advanced{v, steps, v.Rotation.again(now)}, nil
				}
				steps++
				continue
			}
			if !d.Step {
				return Advanced{v, steps, d.Due}, nil
			}
			if d.Action == ExtendOld {
				until := v.Rotation.OverlapEndsAt.Add(v.Rotation.Terms.ExtendOnce)
				if former := v.Rotation.FormerExpiresAt; !former.IsZero() && former.Before(until) {
					until = former
				}
				var policy Policy
				if policy, err = s.Terms(ctx, v.Old.Account); err != nil {
					return Advanced{}, err
				}
				if latest, bounded := apikey.Latest(v.Old.Key, policy.Effective, now); bounded && latest.Before(until) {
					until = latest
				}
				if !until.After(v.Rotation.OverlapEndsAt) { // its policy lets it end no later
					return Advanced{v, steps, v.Rotation.OverlapEndsAt}, nil
				}
				v, err = s.extend(ctx, c, v, until, "extended once, as "+d.Reason, policy.Notices, now)
			} else {
				v, err = s.move(ctx, c, v, d, actions[d.State], now)
			}
			if err != nil {
				return Advanced{}, err
			}
			steps++
		}
		return Advanced{v, steps, s.Now().Add(time.Minute)}, nil
	})
}

// Due is when a key is to be looked at next, for its own sake and, when it is the old key of an open rotation, for that one's.
func Due(k apikey.Key, rotationDue time.Time, notices []time.Duration, now time.Time) time.Time {
	return earlier(rotationDue, apikey.NextDue(k, notices, now))
}
