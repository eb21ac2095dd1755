package rotation

import (
	"context"
	"time"

	"github.com/rekey-dev/rekey/pkg/apikey"
	"github.com/rekey-dev/rekey/pkg/audit"
	"github.com/rekey-dev/rekey/pkg/call"
	"github.com/rekey-dev/rekey/pkg/change"
	"github.com/rekey-dev/rekey/pkg/delivery"
	"github.com/rekey-dev/rekey/pkg/id"
	"github.com/rekey-dev/rekey/pkg/mint"
	"github.com/rekey-dev/rekey/pkg/permission"
	"github.com/rekey-dev/rekey/pkg/precondition"
)

// IssueTo makes a key whose secret goes to a target and is shown to nobody. Whoever calls must hold its scopes all the same:
// they are granted. The rotation that it returns the delivery of is of mode Issuing. Atomic: the key, that rotation, the
// account, the audit records and the idempotency record; before, nothing is there but a version of the target that no key
// accepts, and afterwards the delivery is carried on by the sweeper until it is done.
func (s *Service) IssueTo(ctx context.Context, c call.Call, account id.ServiceAccount, in apikey.Issue, to delivery.Target) (apikey.Shown, error) {
	return change.Retry(func() (apikey.Shown, error) {
		d, err := s.Keys.DraftIssue(ctx, c, account, in)
		if err != nil {
			return apikey.Shown{}, err
		}
		return s.makeAt(ctx, c, d, to)
	})
}

// RegenerateTo replaces a key's secret by one that goes to a target: an immediate rotation, and recorded as one. With force an
// open rotation of the key is ended before, as Rotate does. Atomic as Rotate is.
func (s *Service) RegenerateTo(ctx context.Context, c call.Call, k id.Key, end apikey.Expiry, force bool, to delivery.Target) (apikey.Shown, error) {
	return change.Retry(func() (apikey.Shown, error) {
		v, err := s.Keys.Load(ctx, k)
		if err != nil {
			return apikey.Shown{}, err
		}
		refused := s.Keys.Record(c, "", s.Now(), audit.KeyRegenerated, v.Key)
		if err := c.Caller.Check(permission.ServiceAccountsRotate, apikey.Object(v.Key)); err != nil {
			return apikey.Shown{}, c.Deny(ctx, s.Store.Deny, refused, err)
		}
		return s.replaceAt(ctx, c, v, Start{ExpiresAt: end, Force: force, Deliver: to})
	})
}

// RotateAccountTo replaces an account's only key's secret, or all of its keys by one, as apikey.Service.Rotate does, and the
// new secret goes to a target. A delivery to that key which is still open is given up for it. Atomic as RegenerateTo and
// IssueTo are.
func (s *Service) RotateAccountTo(ctx context.Context, c call.Call, account id.ServiceAccount, in apikey.Rotate, to delivery.Target) (apikey.Shown, error) {
	in.Unseen = true
	return change.Retry(func() (apikey.Shown, error) {
		r, err := s.Keys.Replace(ctx, c, account, in)
		if err != nil {
			return apikey.Shown{}, err
		}
		if r.All != nil {
			if err := s.Keys.Issuable(ctx, r.All.View.Account); err != nil {
				return apikey.Shown{}, err
			}
			return s.makeAt(ctx, c, *r.All, to)
		}
		c.Match = precondition.Match{} // it was the account's
		return s.replaceAt(ctx, c, *r.One, Start{ExpiresAt: in.ExpiresAt, Reason: in.Reason, Force: true, Deliver: to})
	})
}

// replaceAt replaces a key's secret at once, and answers with the key.
func (s *Service) replaceAt(ctx context.Context, c call.Call, v apikey.View, in Start) (apikey.Shown, error) {
	policy, err := s.Terms(ctx, v.Account)
	if err != nil {
		return apikey.Shown{}, err
	}
	answer := func(out Shown) apikey.Shown {
		shown := keyOf(out)
		shown.View.Sightings = v.Sightings
		return shown
	}
	in.Mode, in.answer = Immediate, func(out Shown) any { return answer(out) }
	out, err := s.start(ctx, c, v, in, policy)
	if err != nil {
		return apikey.Shown{}, err
	}
	return answer(out), nil
}

// makeAt makes a new key of a draft, with its secret at a target.
func (s *Service) makeAt(ctx context.Context, c call.Call, d apikey.Draft, to delivery.Target) (apikey.Shown, error) {
	k, op, now := d.View.Key, d.Set.Operation, d.Set.At
	if err := s.accept(ctx, c, k, to, d.Stops...); err != nil {
		return apikey.Shown{}, err
	}
	by, byName := actor(c)
	r := Rotation{ID: id.New[id.Rotation](s.Rand), Mode: Issuing, OldKey: k.ID, NewKey: k.ID, AccountID: k.AccountID, Place: k.Place,
		Terms: PolicyOf(d.Policy).Terms, StartedBy: by, StartedByName: byName, Reason: d.Reason, CreatedAt: now, Version: 1}
	r.Delivery = delivery.Progress{Target: to, Version: delivery.VersionID(r.ID, k.Generation)}
	r, d.View.Key = r.atOnce(now, k)
	d.View.Key.RotationID = r.ID
	out, err := s.beginDelivering(ctx, c, r, d.View.Key, op, func(m mint.Coin, r Rotation) (Shown, error) {
		return s.commitDraft(ctx, c, d, r, m, now)
	}, func(out Shown) any { return keyOf(out) }, d.Stops...)
	if err != nil {
		return apikey.Shown{}, err
	}
	return keyOf(out), nil
}

// commitDraft commits a new key together with the delivery of its secret.
func (s *Service) commitDraft(ctx context.Context, c call.Call, d apikey.Draft, r Rotation, m mint.Coin, now time.Time) (Shown, error) {
	made, set := d.With(m)
	started := s.event(c, set.Operation, now, audit.RotationStarted, r)
	if r.Reason != "" {
		started.Details["reason"] = r.Reason
	}
	set.Writes = append(set.Writes, Create{Rotation: r})
	set.Events = append(set.Events[:len(set.Events):len(set.Events)], started)
	shown := Shown{View: View{Rotation: r, Old: made.View, New: made.View}}
	var err error
	if set.Idempotency, err = c.Idempotency.Record(set.Operation, now, keyOf(shown), nil); err != nil {
		return Shown{}, err
	}
	return shown, change.Settle(s.Store.Commit(ctx, set), c.Idempotency)
}

// keyOf is a rotation as the answer of a call that is about its key.
func keyOf(s Shown) apikey.Shown {
	return apikey.Shown{View: s.View.New, Secret: s.Secret, Delivery: s.View.Rotation.Delivery}
}
