package sweep

import (
	"context"
	"errors"
	"fmt"
	"time"

	"github.com/rekey-dev/rekey/pkg/apikey"
	"github.com/rekey-dev/rekey/pkg/audit"
	"github.com/rekey-dev/rekey/pkg/calendar"
	"github.com/rekey-dev/rekey/pkg/call"
	"github.com/rekey-dev/rekey/pkg/delivery"
	"github.com/rekey-dev/rekey/pkg/fault"
	"github.com/rekey-dev/rekey/pkg/period"
	"github.com/rekey-dev/rekey/pkg/permission"
	"github.com/rekey-dev/rekey/pkg/policy"
	"github.com/rekey-dev/rekey/pkg/rotation"
)

// When a key is looked at again whose rotation could not begin.
const (
	turnAgain = time.Hour      // its target is refused, or another rotation of it is open
	heldAgain = 24 * time.Hour // a calendar holds it up: a calendar that changes is followed within a day
)

// Reasons with which a key's rotation is announced.
const (
	rotationDue     = "rotation_due"     // somebody has to rotate it, now or, with a notice, by then
	rotationOverdue = "rotation_overdue" // nobody did within the policy's overlap, or no calendar ever allows it
)

// turn is when it is a key's turn to be rotated by the schedule that holds for it. The zero turn never comes.
type turn struct {
	at      time.Time        // now or before: it is due
	due     time.Time        // when the schedule wanted it
	heldBy  []calendar.Block // what of the calendars stood in the way
	endless bool             // and stands there for two years and more
	byHand  bool             // rekey makes no new secret, because it would be nobody's or the policy only reports
}

// turn reads the calendars that a key's policy names. A turn that comes later than it ought to, because the sweeper, the policy
// or the calendar was not there, counts from when it is first seen. The old key of a rotation has no turn.
func (s *Sweeper) turn(ctx context.Context, v apikey.View, terms rotation.Policy) (turn, error) {
	e := terms.Effective
	if e.Schedule.Value == nil || !v.State.Live() || v.Key.SupersededBy != "" {
		return turn{}, nil
	}
	since := v.Key.SecretSince()
	due, ok := e.Schedule.Value.Next(since, since)
	if !ok {
		return turn{}, nil
	}
	t := turn{at: due, due: due, byHand: e.ReportOnly.Value || e.DeliverTo.Value == nil || e.DeliverTo.Value.Type != policy.SecretsManager}
	calendars, err := policy.Calendars(ctx, s.shelf.get, e.Calendars.Value, v.Key.Place)
	if err != nil {
		return turn{}, err
	}
	now := s.Now()
	if len(calendars) > 0 {
		t.at, t.heldBy, ok = calendar.Allowed(calendars, due)
		if ok && t.at.Before(now) { // was allowed; is it now?
			later, held, still := calendar.Allowed(calendars, now)
			if ok = still; !ok || later.After(now) {
				t.at, t.heldBy = later, append(t.heldBy, held...)
			}
		}
		if !ok {
			t.at, t.endless = due, true
		}
	}
	if t.at.Before(now) {
		if was := v.Key.RotateAt; was.Before(t.at) || was.After(now) {
			t.at = now
		} else {
			t.at = was
		}
	}
	return t, nil
}

// look is when a key is to be looked at for the sake of its turn; zero when it is its turn, or never is.
func (t turn) look(notices []time.Duration, now time.Time) time.Time {
	switch {
	case t.at.IsZero():
		return time.Time{}
	case t.endless && !t.at.After(now):
		return now.Add(heldAgain)
	case !t.at.After(now):
		return time.Time{}
	}
	at := t.at
	if len(t.heldBy) > 0 { // until the schedule wants it, what the calendars say of it may change as it likes
		if again := now.Add(heldAgain); again.After(t.due) {
			at = earlier(at, again)
		} else {
			at = earlier(at, t.due)
		}
	}
	if t.byHand {
		at = earlier(at, apikey.NextDue(apikey.Key{ExpiresAt: t.at}, notices, now))
	}
	return at
}

// takeTurn rotates a key whose turn has come or, where that cannot be, tells people: when it is due, and once more when it is
// overdue. It reports false when there is nothing new to tell, and lets next be looked at again.
func (s *Sweeper) takeTurn(ctx context.Context, c call.Call, v apikey.View, next *apikey.Key, t turn, terms rotation.Policy, now time.Time) (acted bool, err error) {
	if v.Key.Off { // its consumer was cut off on purpose
		next.DueAt = earlier(next.DueAt, now.Add(turnAgain))
		return false, nil
	}
	details := map[string]any{"reason": rotationDue, "rotate_at": stamp(t.at), "due_at": stamp(t.due)}
	overdue := t.at.Add(terms.Terms.Overlap)
	switch {
	case t.endless:
		overdue = t.at
		details["held_up_by"], details["problem"] = heldUp(t.heldBy), t.override(v.Key)
	case t.byHand:
	default:
		outcome, err := s.Rotations.ByCalendar(ctx, c, v.Key.ID, rotation.Planned{Due: t.due, Blocks: t.heldBy})
		switch {
		case err != nil && !mendable(err):
			return false, err
		case err != nil:
			details["problem"] = problem(err)
		case outcome == rotation.Begun:
			return true, nil
		}
		next.DueAt = earlier(next.DueAt, now.Add(turnAgain))
		if err == nil { // a rotation is open: not due as long as it is
			return false, nil
		}
	}
	if overdue.After(now) {
		next.DueAt = earlier(next.DueAt, overdue)
	}
	switch told := v.Key.AnnouncedAt; {
	case !overdue.After(now) && told.Before(overdue):
		details["reason"] = rotationOverdue
	case !told.Before(t.at):
		return false, nil
	}
	return true, s.announce(ctx, c, v, *next, audit.KeyExpiring, 0, now, details)
}

// mendable tells whether a rotation was refused for what is somebody's to mend: a target that is not the key's, or holds another
// key's secret, or a company that is suspended.
func mendable(err error) bool {
	switch fault.KindOf(err) {
	case fault.Invalid, fault.Conflict, fault.CompanySuspended:
		return true
	}
	return false
}

// problem is what is wrong with a target, in words for who owns it.
func problem(err error) string {
	if refusal := (*delivery.Refusal)(nil); errors.As(err, &refusal) {
		return refusal.Detail
	}
	if f := (*fault.Error)(nil); errors.As(err, &f) {
		return f.Detail
	}
	return err.Error()
}

// override says who may do something about a freeze without an end.
func (t turn) override(k apikey.Key) string {
	last := t.heldBy[len(t.heldBy)-1]
	return fmt.Sprintf("%s (%s) allows no rotation within two years. Whoever holds %s where that calendar stands can change it; whoever holds %s at %s can rotate the key all the same.",
		last.Summary, last.Calendar, permission.PoliciesManage, permission.ServiceAccountsRotate, k.Place.ID())
}

// maxHeldUp is how many of the blocks that held a rotation up a record names: the last ones.
const maxHeldUp = 5

func heldUp(blocks []calendar.Block) []map[string]any {
	var out []map[string]any
	for _, b := range blocks[max(0, len(blocks)-maxHeldUp):] {
		one := map[string]any{"calendar_id": string(b.Calendar), "summary": b.Summary, "from": stamp(b.From)}
		if !b.To.IsZero() {
			one["to"] = stamp(b.To)
		}
		out = append(out, one)
	}
	return out
}

// beforeTurn is the notice of a turn by hand that has come and was not announced; false for none.
func (t turn) beforeTurn(k apikey.Key, notices []time.Duration, now time.Time) (map[string]any, bool) {
	if !t.byHand || t.endless || !t.at.After(now) {
		return nil, false
	}
	n := passed(apikey.Key{ExpiresAt: t.at, AnnouncedAt: k.AnnouncedAt}, notices, now)
	if n == 0 {
		return nil, false
	}
	return map[string]any{"reason": rotationDue, "rotate_at": stamp(t.at), "due_at": stamp(t.due), "notice": period.Format(n)}, true
}

func stamp(t time.Time) string { return t.UTC().Format(time.RFC3339) }

// earlier is the earlier of two times, zero being never.
func earlier(a, b time.Time) time.Time {
	if a.IsZero() || !b.IsZero() && b.Before(a) {
		return b
	}
	return a
}
