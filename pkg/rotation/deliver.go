package rotation

import (
	"context"
	"errors"
	"time"

	"github.com/rekey-dev/rekey/pkg/apikey"
	"github.com/rekey-dev/rekey/pkg/call"
	"github.com/rekey-dev/rekey/pkg/change"
	"github.com/rekey-dev/rekey/pkg/delivery"
	"github.com/rekey-dev/rekey/pkg/fault"
	"github.com/rekey-dev/rekey/pkg/id"
	"github.com/rekey-dev/rekey/pkg/mint"
	"github.com/rekey-dev/rekey/pkg/token"
)

// Courier puts new secrets where their consumers read them.
type Courier interface {
	Accept(ctx context.Context, p delivery.Plan) error
	Deliver(ctx context.Context, p delivery.Plan, w delivery.Work) (delivery.Receipt, error)
	Withdraw(ctx context.Context, p delivery.Plan) error
	TakeBack(ctx context.Context, p delivery.Plan) error
}

// When a delivery that is not done is carried on: by the sweeper's next run, and after a refusal, while the consumer has a secret
// that works, by a later one.
const (
	deliverAgain = 45 * time.Second
	refusedAgain = 5 * time.Minute

	// takeBackAfter is when a delivery that was given up is looked at once more: longer than a function may run.
	takeBackAfter = 2 * time.Minute
)

// Awaits tells whether the new secret has not reached its consumer yet. Nothing of the old key ends before that in an overlap.
func (r Rotation) Awaits() bool { return r.Delivery.Target.Type != "" && r.Delivery.DoneAt.IsZero() }

// again is when a delivery is carried on that is not done.
func (r Rotation) again(now time.Time) time.Time {
	if r.Delivery.Problem != "" && r.Mode == Overlap {
		return now.Add(refusedAgain)
	}
	return now.Add(deliverAgain)
}

// outdated tells whether the key has another secret by now than the one that is on its way: consumers are not given it.
func (r Rotation) outdated(k apikey.Key) bool {
	return r.Delivery.Version != delivery.VersionID(r.ID, k.Generation)
}

// overlapping is the rotation with its overlap beginning at a moment: it ends after the terms' time, and never after the old
// key ends anyway.
func (r Rotation) overlapping(oldEnds, now time.Time) Rotation {
	r.OverlapEndsAt = earlier(oldEnds, now.Add(r.Terms.Overlap).Truncate(time.Second))
	return r
}

// atOnce is a rotation without an overlap: it ends as it begins, or when the new secret has been delivered. Until then its
// consumer has no secret that works: the sweeper's next run carries it on, whatever becomes of the call.
func (r Rotation) atOnce(now time.Time, next apikey.Key) (Rotation, apikey.Key) {
	r = r.reached(Issued, now, r.StartedBy, r.Mode.issued())
	if r.Awaits() {
		next.DueAt = now
	} else {
		r = r.reached(Retired, now, r.StartedBy, r.Mode.atOnce())
	}
	r.EventSeq = 1
	return r, next
}

// issued is what a rotation without an overlap makes.
func (m Mode) issued() string {
	if m == Immediate {
		return "a new secret of the same key"
	}
	return "a new key"
}

func (m Mode) atOnce() string {
	if m == Emergency {
		return "the old key was ended first"
	}
	return "the old secret ended at once"
}

// plan is the delivery of the new secret. What else than the old key stops when the key accepts it has ended afterwards, so
// only who begins needs to name it.
func (r Rotation) plan(stops ...id.Key) delivery.Plan {
	return delivery.Plan{Target: r.Delivery.Target, Place: r.Place, Key: r.NewKey, Version: r.Delivery.Version, Replaces: append([]id.Key{r.OldKey}, stops...),
		From: r.Delivery.From}
}

// accept says whether a key's secret may be delivered to a target, before anything of it is made.
func (s *Service) accept(ctx context.Context, c call.Call, k apikey.Key, to delivery.Target, stops ...id.Key) error {
	return s.standsInTheWay(ctx, c, s.Courier.Accept(ctx, delivery.Plan{Target: to, Place: k.Place, Key: k.ID, Version: delivery.VersionID("", 0), Replaces: stops}))
}

// standsInTheWay returns why a delivery does not begin. What stands in the way may be what an equal call, which was first, has
// put: that one's answer then.
func (s *Service) standsInTheWay(ctx context.Context, c call.Call, err error) error {
	if fault.Is(err, fault.Conflict) {
		return s.refuse(ctx, c, err)
	}
	return err
}

// beginDelivering puts the new secret where it goes, commits the rotation, so that its key accepts the secret, and delivers it.
// Once the rotation is committed it is there whatever comes of the delivery: the sweeper carries on what did not come to its end.
// answer is what the call answers with: what is kept for its repeats is put right with the step that comes of the delivery.
func (s *Service) beginDelivering(ctx context.Context, c call.Call, r Rotation, next apikey.Key, op id.Operation, commit func(mint.Coin, Rotation) (Shown, error),
	answer func(Shown) any, stops ...id.Key) (Shown, error) {
	var shown Shown
	begun, put := false, false
	receipt, err := s.Courier.Deliver(ctx, r.plan(stops...), delivery.Work{
		Mint: func(ctx context.Context) (token.Secret, error) {
			put = true
			coin, err := s.Mint.New(ctx, next.Kind, id.Body(next.ID), next.Generation, op, nil)
			return coin.Secret, err
		},
		Activate: func(ctx context.Context, secret token.Secret, from string) error {
			coin, err := s.Mint.Of(ctx, next.Kind, id.Body(next.ID), secret)
			if err != nil {
				return err
			}
			r.Delivery.From = from
			shown, err = commit(coin, r)
			begun = err == nil
			return err
		},
		Wanted: s.wanted(r.ID),
	})
	if !begun {
		if err = delivery.Fault(err); put && !fault.Is(err, fault.Unavailable) { // the key will never accept what was put
			err = errors.Join(err, s.Courier.Withdraw(ctx, r.plan(stops...)))
		}
		return Shown{}, s.standsInTheWay(ctx, c, err)
	}
	shown.Secret = token.Secret{}
	c.Idempotency = c.Idempotency.Amending(op, func(v any) any { return answer(Shown{View: v.(View)}) })
	if v, errStep := s.arrived(ctx, c, shown.View, receipt, err); errStep == nil {
		shown.View = v
	} // else the sweeper finds the same
	return shown, nil
}

// wanted tells a delivery whether its rotation still waits for it; change.ErrLost when it does not.
func (s *Service) wanted(r id.Rotation) func(context.Context) error {
	return func(ctx context.Context) error {
		v, err := s.load(ctx, r)
		if err == nil && Decide(v, s.Now()).Action != Deliver {
			err = change.ErrLost
		}
		return err
	}
}

// deliver carries a delivery on and takes the step that comes of it; step is false when nothing has changed.
func (s *Service) deliver(ctx context.Context, c call.Call, v View) (_ View, step bool, err error) {
	receipt, err := s.Courier.Deliver(ctx, v.Rotation.plan(), delivery.Work{Activated: true, Wanted: s.wanted(v.Rotation.ID)})
	next, err := s.arrived(ctx, c, v, receipt, err)
	return next, next.Rotation.EventSeq != v.Rotation.EventSeq, err
}

// arrived takes the step of a delivery that has come to its end or was refused, and returns the error of one that failed.
func (s *Service) arrived(ctx context.Context, c call.Call, v View, receipt delivery.Receipt, err error) (View, error) {
	now := s.Now()
	var refusal *delivery.Refusal
	d := Decision{Step: true, State: Delivered, Reason: receipt.String() + " of " + v.Rotation.Delivery.Target.SecretID}
	switch {
	case err == nil && v.Rotation.Mode == Overlap && v.Old.State.Live():
		d.Action = StartOverlap
	case errors.As(err, &refusal) && refusal.Detail == v.Rotation.Delivery.Problem:
		return v, nil
	case refusal != nil:
		d.State, d.Reason = Overdue, refusal.Detail
	case err != nil:
		return v, err
	}
	next, err := s.move(ctx, c, v, d, actions[d.State], now)
	if errors.Is(err, change.ErrLost) && d.State == Delivered {
		if undo := s.takeBack(ctx, v.Rotation.ID); undo != nil {
			return View{}, undo
		}
	}
	return next, err
}

// takeBack gives consumers the old key's secret again when the rotation was cancelled while AWSCURRENT was moved: the new one ended
// with it.
func (s *Service) takeBack(ctx context.Context, r id.Rotation) error {
	v, err := s.load(ctx, r)
	if err != nil {
		return err
	}
	if rot := v.Rotation; !rot.Over() || !rot.Delivery.DoneAt.IsZero() || v.New.State.Live() || !v.Old.State.Live() {
		return nil
	}
	err = s.Courier.TakeBack(ctx, v.Rotation.plan())
	if refusal := (*delivery.Refusal)(nil); errors.As(err, &refusal) { // its consumers get nothing of it any more
		return nil
	}
	return err
}
