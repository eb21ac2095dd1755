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

// Advance takes every step of a rotation that is due, each in a transaction of its own, and returns the rotation as it is then
// and when its old key is to be looked at again; zero for never. It may be called at any time, by several at once, and again
// after a crash: a step that was taken is not taken again.
func (s *Service) Advance(ctx context.Context, c call.Call, r id.Rotation) (View, time.Time, error) {
	type outcome struct {
		view View
		due  time.Time
	}
	out, err := change.Retry(func() (outcome, error) {
		v, err := s.load(ctx, r)
		if err != nil {
			return outcome{}, err
		}
		for range maxSteps {
			now := s.Now()
			d := Decide(v, now)
			if !d.Step {
				return outcome{v, d.Due}, nil
			}
			if d.Action == ExtendOld {
				until := v.Rotation.OverlapEndsAt.Add(v.Rotation.Terms.ExtendOnce)
				if former := v.Rotation.FormerExpiresAt; !former.IsZero() && former.Before(until) {
					until = former
				}
				v, err = s.extend(ctx, c, v, until, "extended once, as "+d.Reason, now)
			} else {
				v, err = s.move(ctx, c, v, d, actions[d.State], now)
			}
			if err != nil {
				return outcome{}, err
			}
		}
		return outcome{v, s.Now().Add(time.Minute)}, nil
	})
	return out.view, out.due, err
}

// Due is when a key is to be looked at next, for its own sake and, when it is the old key of an open rotation, for that one's.
func Due(k apikey.Key, rotationDue time.Time, notices []time.Duration, now time.Time) time.Time {
	return earlier(rotationDue, apikey.NextDue(k, notices, now))
}
