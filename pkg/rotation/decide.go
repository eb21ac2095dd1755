package rotation

import (
	"fmt"
	"time"

	"github.com/rekey-dev/rekey/pkg/apikey"
	"github.com/rekey-dev/rekey/pkg/serviceaccount"
)

// Action is what a decision does beside moving the rotation to a state.
type Action string

const (
	Nothing   Action = ""
	EndOld    Action = "end_old"   // the old key ends now
	ExtendOld Action = "extend"    // the overlap ends later
	GiveBack  Action = "give_back" // the old key gets its former end back, and the new one ends
	FreeOld   Action = "free_old"  // the old key is the rotation's no more; the new one stays

	// Deliver carries the delivery of the new secret on; the step is what comes of it.
	Deliver      Action = "deliver"
	StartOverlap Action = "overlap" // the old key's overlap begins
)

// Decision is the next step of a rotation.
type Decision struct {
	Step   bool // false: nothing to do before Due
	State  State
	Action Action
	Reason string    // the evidence, in words
	Due    time.Time // without a step: when to look again; zero for never
}

// Decide says what comes next for an open rotation at a moment. It is pure: the same facts give the same step.
//
// Seen and quiet come from last_used_at of the two keys, which is right to the minute. A key that was revoked by hand, or
// with its account, ends the rotation: without the new key it is aborted and the old one gets its former end back, if it
// still lives; without the old one it is retired. Of two that have ended, the one that ended first decides, however late it is
// looked at.
func Decide(v View, now time.Time) Decision {
	r := v.Rotation
	if r.Over() {
		return Decision{}
	}
	oldLives, newLives := v.Old.State.Live(), v.New.State.Live()
	switch {
	case r.Mode != Overlap && !r.Awaits(): // whatever became of the new secret since
		return Decision{Step: true, State: Retired, Reason: r.Mode.atOnce()}
	case !newLives && oldLives:
		return Decision{Step: true, State: Aborted, Action: GiveBack, Reason: "the new key ended: " + v.New.State.Ended.Reason}
	case !newLives && r.OldKey == r.NewKey:
		return Decision{Step: true, State: Aborted, Reason: "the key ended: " + v.New.State.Ended.Reason}
	case !newLives && (r.Awaits() || !first(v.Old.State.Ended, v.New.State.Ended)):
		return Decision{Step: true, State: Aborted, Reason: "both keys ended: " + v.New.State.Ended.Reason}
	case r.Awaits() && r.outdated(v.New.Key) && r.Mode == Overlap && oldLives: // whoever has the new one's secret now keeps it
		return Decision{Step: true, State: Aborted, Action: FreeOld, Reason: "the secret was replaced before it was delivered"}
	case r.Awaits() && r.outdated(v.New.Key):
		return Decision{Step: true, State: Aborted, Reason: "the secret was replaced before it was delivered"}
	case r.Awaits():
		return Decision{Action: Deliver, Due: r.again(now)}
	case (r.State == Issued || r.State == Delivered) && v.New.Key.UsedGen != 0:
		return Decision{Step: true, State: Seen, Reason: "first request on " + v.New.Key.Prefix() + " by " + stamp(v.New.Key.LastUsedAt)}
	case !oldLives: // after what was seen is on record, however late it is looked at
		return Decision{Step: true, State: Retired, Reason: "the old key ended: " + v.Old.State.Ended.Reason}
	}
	idleSince := later(lastUse(v.Old.Key), r.CreatedAt)
	quietAt := idleSince.Add(r.Terms.QuietFor)
	extendAt := r.OverlapEndsAt.Add(-extendBefore)
	mayExtend := r.Terms.ExtendOnce > 0 && !r.Extended && !r.broughtForward(v.Old.Key) && (r.FormerExpiresAt.IsZero() || r.FormerExpiresAt.After(r.OverlapEndsAt))
	switch {
	case r.State == Quiet && !idleSince.Before(r.since(Quiet)):
		return Decision{Step: true, State: Seen, Reason: "traffic came back to " + v.Old.Key.Prefix() + " at " + stamp(v.Old.Key.LastUsedAt)}
	case mayExtend && !now.Before(extendAt) && now.Before(r.OverlapEndsAt) && now.Before(quietAt) && v.Old.Key.UsedGen == v.Old.Key.Generation:
		return Decision{Step: true, State: r.State, Action: ExtendOld, Reason: "traffic was on " + v.Old.Key.Prefix() + " until " + stamp(v.Old.Key.LastUsedAt)}
	case r.State == Seen && !now.Before(quietAt):
		return Decision{Step: true, State: Quiet, Reason: fmt.Sprintf("no request on %s since %s", v.Old.Key.Prefix(), stamp(idleSince))}
	case r.State == Quiet && r.Terms.RetireOnQuiet:
		return Decision{Step: true, State: Retired, Action: EndOld, Reason: fmt.Sprintf("no request on %s since %s", v.Old.Key.Prefix(), stamp(idleSince))}
	}
	due := r.OverlapEndsAt
	if mayExtend { // traffic may come at any moment until the end
		due = earlier(due, later(extendAt, now.Add(extendAgain)))
	}
	if r.State == Seen {
		due = earlier(due, quietAt)
	}
	return Decision{Due: due}
}

// broughtForward tells whether somebody had the old key end earlier than its overlap.
func (r Rotation) broughtForward(old apikey.Key) bool {
	return !old.ExpiresAt.IsZero() && old.ExpiresAt.Before(r.OverlapEndsAt)
}

// first tells whether the old key ended before the new one. What expires at a moment has ended before anything is done at it.
func first(old, other *serviceaccount.Ended) bool {
	return old.At.Before(other.At) || old.At.Equal(other.At) && old.Reason == apikey.ReasonExpired
}

// lastUse is when the key's current secret was used last; zero when it was not.
func lastUse(k apikey.Key) time.Time {
	if k.UsedGen != k.Generation {
		return time.Time{}
	}
	return k.LastUsedAt
}

func later(a, b time.Time) time.Time {
	if a.After(b) {
		return a
	}
	return b
}

func earlier(a, b time.Time) time.Time {
	if a.IsZero() || !b.IsZero() && b.Before(a) {
		return b
	}
	return a
}

func stamp(t time.Time) string { return t.UTC().Format(time.RFC3339) }

// Project is the view as the steps that are due would make it: what a reader is shown although the sweeper has not been
// there yet. Steps that change a key are left to the sweeper.
func Project(v View, now time.Time) View {
	for range 4 {
		d := Decide(v, now)
		if !d.Step || d.Action != Nothing {
			break
		}
		v.Rotation = v.Rotation.reached(d.State, now, "system", d.Reason)
	}
	return v
}
