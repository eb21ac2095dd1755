package delivery

import (
	"fmt"
	"slices"

	"github.com/rekey-dev/rekey/pkg/id"
)

// Step is what a delivery does next.
type Step string

const (
	Put      Step = "put"      // the new version, labelled AWSPENDING
	Activate Step = "activate" // the key accepts the new secret: the caller's part
	Move     Step = "move"     // AWSCURRENT to the new version
	Clear    Step = "clear"    // AWSPENDING off the new version
	Done     Step = "done"     // AWSCURRENT was read back and is the new version
)

// Sequence is the order of the steps of a delivery that nothing disturbs.
var Sequence = []Step{Put, Activate, Move, Clear, Done}

// Facts are what is known of a secret, read at one time. No text of it is among them.
type Facts struct {
	Tag     string // value of PlaceTag; "" without one
	Current string // version that a consumer gets, AWSCURRENT; "" for a secret without a value
	Pending string // version labelled AWSPENDING; "" for none

	Holds        id.Key // whose secret stands in the current version at the target's place; "" for no key's
	Ended        bool   // Holds is no key, or one that has ended: nobody is cut off when it goes
	PendingHolds id.Key // likewise in the pending one
	Abandoned    bool   // PendingHolds is no key, or one that has ended: what put it died

	Put   bool // the plan's version exists
	Stale bool // and is not what the current version would become: something beside the key's secret has changed
	Wrong bool // and it has no secret of the plan's key
}

// Next decides the next step of a delivery, or returns a *Refusal that says why there is none. It is pure: the same facts
// give the same answer. activated says that the key accepts the plan's secret already.
func Next(p Plan, f Facts, activated bool) (Step, error) {
	if !p.mine(f.Tag) {
		return "", refuse(Untagged, "The secret is not tagged %s = %s. Tag it; the delivery goes on then.", PlaceTag, p.Place.ID())
	}
	switch {
	case f.Put && f.Wrong:
		return "", refuse(Changed, "Version %s of the secret, which is this delivery's, does not have the new key's secret. "+
			"Somebody else put it. "+anew, p.Version)
	case f.Current == p.Version && !activated:
		return Activate, nil // the first version of a secret is current at once
	case f.Current == p.Version && f.Pending == p.Version:
		return Clear, nil
	case f.Current == p.Version && p.From == "" && f.PendingHolds != "" && !f.Abandoned && !p.replaces(f.PendingHolds):
		// The first version was current before the key accepted it. Who saw it then took it for nobody's and may move on.
		return "", taken(f.Pending)
	case f.Current == p.Version:
		return Done, nil
	}
	switch {
	case p.From != "" && f.Current != p.From && f.Holds != p.Key && !f.Ended:
		return "", refuse(Changed, "The secret was changed meanwhile: AWSCURRENT is version %s, and was %s when the delivery began. "+
			"Move AWSCURRENT back to %[2]s and the delivery goes on. "+anew, orNone(f.Current), p.From)
	case f.Holds != "" && !p.replaces(f.Holds) && !f.Ended:
		return "", refuse(Occupied, "The secret holds the secret of %s, which this delivery does not replace. "+
			"Deliver to another secret or json_key, or take that one out first.", f.Holds)
	case f.Pending != "" && f.Pending != p.Version && f.Pending != f.Current && !f.Abandoned && !p.replaces(f.PendingHolds):
		return "", taken(f.Pending)
	case !f.Put && activated:
		return "", refuse(Lost, "Version %s, which had the new secret, is gone, and rekey cannot make the secret again. "+
			anew, p.Version)
	case !f.Put:
		return Put, nil
	case f.Stale:
		return "", refuse(Changed, "The secret was changed meanwhile: beside the key's secret, version %s differs from the one that "+
			"the new version was made from. Put back what was there and the delivery goes on. "+anew, orNone(f.Current))
	case !activated:
		return Activate, nil
	}
	return Move, nil
}

func taken(pending string) *Refusal {
	return refuse(Taken, "AWSPENDING is on version %s: another rotation of the secret is under way. "+
		"When it has ended, or the label was taken off with update-secret-version-stage, the delivery goes on.", pending)
}

// anew is how another secret is delivered when this one cannot be.
const anew = "Or deliver another secret: with an overlap cancel the rotation and start one, otherwise regenerate the key with force."

// replaces tells whether a key's secret gives way to the plan's: it is the plan's key itself, or one that the plan replaces.
func (p Plan) replaces(k id.Key) bool { return k == p.Key || slices.Contains(p.Replaces, k) }

func orNone(version string) string {
	if version == "" {
		return "(none)"
	}
	return version
}

// Reason says in a word why a delivery stopped. Reasons are recorded: they are never renamed.
type Reason string

const (
	Missing   Reason = "missing"   // there is no such secret, or it may not be seen
	Deleting  Reason = "deleting"  // it is scheduled for deletion
	Forbidden Reason = "forbidden" // rekey's role, or the one to assume, lacks a permission
	KMS       Reason = "kms"       // the key that encrypts it was refused
	Untagged  Reason = "untagged"  // it is not tagged with the key's place
	Occupied  Reason = "occupied"  // it holds another key's secret
	Taken     Reason = "taken"     // AWSPENDING is somebody else's
	Changed   Reason = "changed"   // somebody else changed it
	Lost      Reason = "lost"      // the version with the new secret is gone
	Shape     Reason = "shape"     // its value is not what the target says
	Refused   Reason = "refused"   // Secrets Manager refused for another reason
)

// Refusal stops a delivery. Nothing of the old key has ended, and carrying the delivery out again once the cause is mended
// goes on where it stopped.
type Refusal struct {
	Reason Reason
	Detail string // what is wrong and what to do, for whoever may see the rotation
	Cause  error  // for the log; without a text of the secret
}

func refuse(r Reason, format string, args ...any) *Refusal {
	return &Refusal{Reason: r, Detail: fmt.Sprintf(format, args...)}
}

func (r *Refusal) Error() string {
	s := "delivery: " + string(r.Reason) + ": " + r.Detail
	if r.Cause != nil {
		s += " (" + r.Cause.Error() + ")"
	}
	return s
}

func (r *Refusal) Unwrap() error { return r.Cause }
