// Package rotation moves traffic from a key to its successor and ends the old one, and keeps the proof of it.
//
// A rotation is an object of its own: what it moves, the terms under which it began, and every step with its time and its
// evidence. What comes next is decided by one pure function from the rotation, its two keys and the time, so that whoever
// looks, the API or the sweeper, comes to the same answer; every step is one transaction of the rotation, its keys and the
// audit records. When a key ends is decided by the keys themselves, at every request, and never waits for a step.
//
// The package knows neither HTTP nor storage.
package rotation

import (
	"time"

	"github.com/rekey-dev/rekey/pkg/apikey"
	"github.com/rekey-dev/rekey/pkg/delivery"
	"github.com/rekey-dev/rekey/pkg/id"
	"github.com/rekey-dev/rekey/pkg/place"
	"github.com/rekey-dev/rekey/pkg/usage"
)

// Mode is how the old secret gives way.
type Mode string

const (
	Overlap   Mode = "overlap"   // both keys work until the overlap ends
	Immediate Mode = "immediate" // same ID, the old secret ends at once
	Emergency Mode = "emergency" // the old key ends first, then there is a new one
	// Issuing is no rotation of a key but the delivery of a new one's first secret. Both of its keys are that one, nothing of it
	// ends, and it is over when the secret was delivered.
	Issuing Mode = "issue"
)

// State of a rotation.
type State string

const (
	Issued    State = "issued"
	Delivered State = "delivered" // the new secret is in the consumer's secret store
	Seen      State = "seen"      // there was traffic on the new key
	Quiet     State = "quiet"     // and none on the old one for the quiet time
	Retired   State = "retired"   // the old key has ended
	Cancelled State = "cancelled" // the new key was taken back
	Aborted   State = "aborted"   // the new key ended before the old one
	Overdue   State = "overdue"   // the old key should have been rotated, and could not be
)

// Final tells whether nothing comes after the state.
func (s State) Final() bool { return s == Retired || s == Cancelled || s == Aborted }

// Bounds of an overlap, both included, and what it is when nobody says.
const (
	MinOverlap     = time.Minute
	MaxOverlap     = 30 * 24 * time.Hour
	DefaultOverlap = 7 * 24 * time.Hour
)

// DefaultQuiet is for how long nothing may come in on the old key before it counts as quiet.
const DefaultQuiet = 24 * time.Hour

// extendBefore is how long before the end of an overlap it is decided whether it is extended.
const extendBefore = 5 * time.Minute

// extendAgain is how long after a look in that time the next one is due.
const extendAgain = 30 * time.Second

// MaxSteps is how many steps a rotation keeps: the first half of them and the latest.
const MaxSteps = 100

// Terms are what a rotation began under. A policy that changes later changes the next rotation.
type Terms struct {
	Overlap       time.Duration
	QuietFor      time.Duration
	RetireOnQuiet bool          // the old key ends when it is quiet
	ExtendOnce    time.Duration // when traffic is still on the old key at the end; 0 for not
	Policy        id.Policy     // whose terms they are; "" for the defaults
}

// DefaultTerms hold where no policy says otherwise.
var DefaultTerms = Terms{Overlap: DefaultOverlap, QuietFor: DefaultQuiet}

// Step is a state that the rotation reached.
type Step struct {
	State    State
	At       time.Time
	By       string // ID of the actor, or system
	Evidence string // why, in words
}

// Rotation is one rotation. Its keys, account and place never change.
type Rotation struct {
	ID        id.Rotation
	Mode      Mode
	State     State
	OldKey    id.Key
	NewKey    id.Key // the same as OldKey when immediate
	AccountID id.ServiceAccount
	Place     place.Place
	Terms     Terms

	StartedBy     string
	StartedByName string
	Reason        string
	Suspected     time.Time // since when the old secret may have been in wrong hands; zero when nobody says

	OverlapEndsAt    time.Time // zero without an overlap
	FormerExpiresAt  time.Time // of the old key, before: what a cancellation gives back
	FormerNoticeFrom time.Time
	Extended         bool
	Steps            []Step
	Delivery         delivery.Progress // of the new secret; the zero Progress when it was shown
	Planned          Planned

	CreatedAt time.Time
	UpdatedAt time.Time
	Version   int64 // of what an administrator did; the ETag
	EventSeq  int64
}

// Over tells whether nothing comes after the rotation's state.
func (r Rotation) Over() bool { return r.State.Final() || r.Mode == Issuing && r.State == Delivered }

// reached is the rotation after a step.
func (r Rotation) reached(s State, at time.Time, by, evidence string) Rotation {
	r.State = s
	steps := append(append([]Step(nil), r.Steps...), Step{State: s, At: at, By: by, Evidence: evidence})
	if len(steps) > MaxSteps { // traffic that comes and goes; the audit log has them all
		steps = append(steps[:MaxSteps/2], steps[MaxSteps/2+1:]...)
	}
	r.Steps = steps
	r.UpdatedAt = at
	r.EventSeq++
	return r
}

// since is when the rotation reached a state last; zero when it did not.
func (r Rotation) since(s State) time.Time {
	for i := len(r.Steps) - 1; i >= 0; i-- {
		if r.Steps[i].State == s {
			return r.Steps[i].At
		}
	}
	return time.Time{}
}

// View is a rotation with its keys, as it is at a moment.
type View struct {
	Rotation Rotation
	Old      apikey.View
	New      apikey.View // the same as Old when immediate
	// StillOnOld is who used the old key after the new one was issued, one row for each source and user agent, last used first. Get
	// fills it, while an overlap is open.
	StillOnOld []usage.Row
}

// Create puts a new rotation and the rows that list it.
type Create struct{ Rotation Rotation }

func (Create) Write() {}

// Update changes a rotation, on condition of Old's version and event seq.
type Update struct{ Old, New Rotation }

func (Update) Write() {}
