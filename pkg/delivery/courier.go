package delivery

import (
	"context"
	"errors"
	"fmt"

	"github.com/rekey-dev/rekey/pkg/fault"
	"github.com/rekey-dev/rekey/pkg/id"
	"github.com/rekey-dev/rekey/pkg/token"
)

// Description is a secret without its values.
type Description struct {
	Tags     map[string]string
	Labels   map[string][]string // labels of each version that has one, by version
	Rotating bool                // Secrets Manager rotates it by a function
}

// Labelled returns the version with a label, "" for none.
func (d Description) Labelled(label string) string {
	for version, labels := range d.Labels {
		for _, l := range labels {
			if l == label {
				return version
			}
		}
	}
	return ""
}

// Labels that Secrets Manager gives a meaning.
const (
	CurrentLabel = "AWSCURRENT"
	PendingLabel = "AWSPENDING"
)

// Version is a version of a secret with its text.
type Version struct {
	ID   string
	Text token.Secret // of all of it; redacted by every formatter
}

// What a box answers beside refusals and faults of kind unavailable.
var (
	ErrNoVersion = errors.New("delivery: the secret has no such version")
	ErrMeanwhile = errors.New("delivery: the secret changed meanwhile; look at it again")
)

// Box is one secret of a consumer. Each method makes one call, which may be repeated. An error is one of those above, a
// *Refusal, or a fault of kind unavailable when the call may or may not have had its effect; none has a text of the secret.
type Box interface {
	Describe(ctx context.Context) (Description, error)
	// Current returns the version that consumers get, ErrNoVersion when there is none.
	Current(ctx context.Context) (Version, error)
	// Version returns a version by its ID, labelled or not; ErrNoVersion when it is not there or has no text yet.
	Version(ctx context.Context, version string) (Version, error)
	// Put makes a version labelled AWSPENDING. The same again has no effect; ErrMeanwhile when the version has another text.
	Put(ctx context.Context, version string, text token.Secret) error
	// Move moves AWSCURRENT to a version, only from the one that is named ("" for none); else ErrMeanwhile.
	Move(ctx context.Context, from, to string) error
	// Clear takes AWSPENDING off a version; ErrMeanwhile when it is not there.
	Clear(ctx context.Context, version string) error
}

// Boxes opens consumers' secrets. session names the caller in the log of the consumer's account.
type Boxes interface {
	Open(ctx context.Context, t Target, session string) (Box, error)
}

// Courier carries deliveries out. Its fields are set once.
type Courier struct {
	Boxes Boxes
	// Abandoned tells whether a key is not there or has ended, so that its secret in a pending version will never be moved.
	Abandoned func(ctx context.Context, k id.Key) (bool, error)
}

// Work is the caller's part of a delivery.
type Work struct {
	// Activated says that the key accepts the plan's secret already.
	Activated bool
	// Mint makes a new secret of the plan's key. It is called when the plan's version does not exist; a version that exists
	// has the secret already, however often the delivery is carried out.
	Mint func(ctx context.Context) (token.Secret, error)
	// Activate lets the key accept the secret, in one transaction that also stores from as the plan's From. The same again has
	// no effect. It is not called once Activated.
	Activate func(ctx context.Context, secret token.Secret, from string) error
	// Wanted returns an error when the key's consumers are not to get the secret any more: it was replaced, or the delivery was
	// given up. It is asked between the look at the secret and the move, so that a delivery which nobody wants never moves
	// AWSCURRENT off a version that came after it. nil is always.
	Wanted func(ctx context.Context) error
}

// Receipt is the proof of a delivery.
type Receipt struct {
	Version string // that was read back as AWSCURRENT
	From    string // that was AWSCURRENT before; "" when the secret had no value, or when the move was an earlier run's
}

func (r Receipt) String() string { return "AWSCURRENT was read back as version " + r.Version }

// rounds bounds how often the secret is looked at: once a step, and some for what others do meanwhile.
const rounds = 12

// firstLooks bounds how often a secret is looked at before anything is made.
const firstLooks = 4

// Accept says whether a delivery may begin, before anything of it is made: it changes nothing. Whatever keeps the caller from
// knowing that there is a secret for this place is one and the same fault of kind invalid at /deliver_to/secret_id; what is
// wrong with a secret that is tagged with the place is said.
func (c *Courier) Accept(ctx context.Context, p Plan) error {
	_, _, err := c.first(ctx, p)
	return Fault(err)
}

// Fault is an error of a delivery as whoever asked for it is told, before anything of it has taken effect; what is no *Refusal
// stays as it is.
func Fault(err error) error {
	var r *Refusal
	if !errors.As(err, &r) {
		return err
	}
	switch r.Reason {
	case Occupied, Taken, Changed, Lost, KMS:
		return &fault.Error{Kind: fault.Conflict, Detail: r.Detail, Cause: r.Cause}
	case Shape:
		return fault.InvalidField("/deliver_to/json_key", r.Detail)
	}
	return &fault.Error{Kind: fault.Invalid, Detail: "The request has an invalid member.", Cause: r,
		Fields: []fault.Field{{Pointer: "/deliver_to/secret_id", Detail: "is not a secret that rekey may deliver this key to: it has to exist, " +
			"be tagged " + PlaceTag + " with the key's node or company, and be open to rekey's role"}}}
}

// first is the first look at a secret: what would be the first step.
func (c *Courier) first(ctx context.Context, p Plan) (Step, Facts, error) {
	box, err := c.Boxes.Open(ctx, p.Target, session(p))
	if err != nil {
		return "", Facts{}, err
	}
	f, seen, err := c.look(ctx, box, p)
	for n := 1; n < firstLooks && errors.Is(err, ErrMeanwhile); n++ {
		f, seen, err = c.look(ctx, box, p)
	}
	if errors.Is(err, ErrMeanwhile) {
		err = fault.Down(err)
	}
	if err != nil {
		return "", f, err
	}
	step, err := Next(p, f, false)
	if step == Put && err == nil {
		_, err = Compose(p.Target, seen.current.Text, token.SecretOf(""), p.Key)
	}
	return step, f, err
}

// Deliver carries a plan out to its end, or to a *Refusal, a fault, or an error of the caller's part. The old key may be
// retired when it has returned no error, and not before.
func (c *Courier) Deliver(ctx context.Context, p Plan, w Work) (Receipt, error) {
	box, err := c.Boxes.Open(ctx, p.Target, session(p))
	if err != nil {
		return Receipt{}, err
	}
	activated, held := w.Activated, false
	for range rounds {
		f, seen, err := c.look(ctx, box, p)
		if errors.Is(err, ErrMeanwhile) || err == nil && held && !f.Put {
			continue // an answer that is older than one before
		}
		if err != nil {
			return Receipt{}, err
		}
		held = f.Put
		step, err := Next(p, f, activated)
		if err != nil {
			return Receipt{}, err
		}
		if p.From == "" && f.Current != p.Version {
			p.From = f.Current
		}
		switch step {
		case Put:
			err = c.put(ctx, box, p, w, seen.current)
		case Activate:
			secret, _, _ := Extract(p.Target, seen.ours.Text)
			if err = w.Activate(ctx, secret, p.From); err == nil {
				activated = true
			}
		case Move:
			if w.Wanted != nil {
				if err := w.Wanted(ctx); err != nil {
					return Receipt{}, err
				}
			}
			err = box.Move(ctx, f.Current, p.Version)
		case Clear:
			err = box.Clear(ctx, p.Version)
		case Done:
			return Receipt{Version: f.Current, From: p.From}, nil
		}
		if err != nil && !errors.Is(err, ErrMeanwhile) && !errors.Is(err, ErrNoVersion) {
			return Receipt{}, err
		}
	}
	return Receipt{}, fault.Down(fmt.Errorf("delivery: not done after %d looks at the secret", rounds))
}

// Withdraw takes AWSPENDING off what a delivery has put, when the key will never accept it. What it leaves, when it fails, is
// what a delivery leaves that died there: a version that no key accepts, which the next one puts its own over.
func (c *Courier) Withdraw(ctx context.Context, p Plan) error {
	box, err := c.Boxes.Open(ctx, p.Target, session(p))
	if err != nil {
		return err
	}
	if err := box.Clear(ctx, p.Version); err != nil && !errors.Is(err, ErrMeanwhile) {
		return err
	}
	return nil
}

// TakeBack moves AWSCURRENT back to the version that a delivery moved it from, unless somebody has moved it since.
func (c *Courier) TakeBack(ctx context.Context, p Plan) error {
	box, err := c.Boxes.Open(ctx, p.Target, session(p))
	if err != nil || p.From == "" {
		return err
	}
	if err := box.Move(ctx, p.Version, p.From); err != nil && !errors.Is(err, ErrMeanwhile) {
		return err
	}
	return nil
}

func (c *Courier) put(ctx context.Context, box Box, p Plan, w Work, current Version) error {
	// Whether it can be put is known before a secret is made.
	if _, err := Compose(p.Target, current.Text, token.SecretOf(""), p.Key); err != nil {
		return err
	}
	secret, err := w.Mint(ctx)
	if err != nil {
		return err
	}
	text, err := Compose(p.Target, current.Text, secret, p.Key)
	if err != nil {
		return err
	}
	return box.Put(ctx, p.Version, text)
}

// seen are the versions that a look has read.
type seen struct{ current, ours Version }

// look reads what Next needs. No value is read before the tag was found right.
func (c *Courier) look(ctx context.Context, box Box, p Plan) (Facts, seen, error) {
	d, err := box.Describe(ctx)
	if err != nil {
		return Facts{}, seen{}, err
	}
	f := Facts{Tag: d.Tags[PlaceTag], Pending: d.Labelled(PendingLabel)}
	if !p.mine(f.Tag) {
		return f, seen{}, nil
	}
	var s seen
	if s.current, _, err = optional(box.Current(ctx)); err != nil {
		return f, s, err
	}
	f.Current = s.current.ID
	if f.Current != d.Labelled(CurrentLabel) {
		return f, s, ErrMeanwhile // taken for a secret without a value, all that is in it would be lost
	}
	f.Holds = holder(p.Target, s.current.Text.Reveal())
	if f.Holds != "" && !p.replaces(f.Holds) && c.Abandoned != nil {
		if f.Ended, err = c.Abandoned(ctx, f.Holds); err != nil {
			return f, s, err
		}
	}
	if s.ours, f.Put, err = optional(box.Version(ctx, p.Version)); err != nil {
		return f, s, err
	}
	if !f.Put && len(d.Labels[p.Version]) > 0 {
		return f, s, ErrMeanwhile
	}
	if f.Put {
		secret, k, ok := Extract(p.Target, s.ours.Text)
		f.Wrong = !ok || k != p.Key
		if !f.Wrong && f.Current != p.Version {
			anew, err := Compose(p.Target, s.current.Text, secret, p.Key)
			f.Stale = err != nil || anew.Reveal() != s.ours.Text.Reveal()
		}
	}
	if f.Pending != "" && f.Pending != p.Version && f.Pending != f.Current {
		pending, _, err := optional(box.Version(ctx, f.Pending))
		if err != nil {
			return f, s, err
		}
		f.PendingHolds = holder(p.Target, pending.Text.Reveal())
		if f.PendingHolds != "" && c.Abandoned != nil {
			if f.Abandoned, err = c.Abandoned(ctx, f.PendingHolds); err != nil {
				return f, s, err
			}
		}
	}
	return f, s, nil
}

// optional makes of a version that is not there no error.
func optional(v Version, err error) (Version, bool, error) {
	if errors.Is(err, ErrNoVersion) {
		return Version{}, false, nil
	}
	return v, err == nil, err
}

// session names a delivery in the log of the consumer's account: at most 64 of the characters that AWS takes.
func session(p Plan) string { return "rekey-" + string(p.Key) }
