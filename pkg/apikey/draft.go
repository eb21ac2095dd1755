package apikey

import (
	"context"

	"github.com/rekey-dev/rekey/pkg/call"
	"github.com/rekey-dev/rekey/pkg/change"
	"github.com/rekey-dev/rekey/pkg/id"
	"github.com/rekey-dev/rekey/pkg/mint"
	"github.com/rekey-dev/rekey/pkg/policy"
)

// Draft is a new key, decided but for its secret. What it was decided from is what its Set is conditional on, so it may be
// committed whenever its secret is there: shown to who asked, or put where its consumer reads it.
type Draft struct {
	View   View     // the key as it will be, without a digest
	Stops  []id.Key // the keys that end with the commit
	Reason string   // why they do, in the caller's words
	Policy policy.Effective
	Room   *Room      // that the key needs in its company; nil for none
	Set    change.Set // everything but the key and the idempotency record
}

// With returns the draft's key with the digest of its secret, and the Set that makes it.
func (d Draft) With(m mint.Coin) (Shown, change.Set) {
	k := d.View.Key
	k.MAC, k.PepperVersion = m.MAC, m.PepperVersion
	d.View.Key = k
	d.Set.Writes = append([]change.Write{Create{Key: k, Room: d.Room}}, d.Set.Writes...)
	return Shown{View: d.View, Secret: m.Secret}, d.Set
}

// make commits a draft with a secret that is shown.
func (s *Service) make(ctx context.Context, c call.Call, d Draft) (Shown, error) {
	k, op := d.View.Key, d.Set.Operation
	m, err := s.Mint.New(ctx, k.Kind, id.Body(k.ID), k.Generation, op, c.Idempotency)
	if err != nil {
		return Shown{}, err
	}
	shown, set := d.With(m)
	if set.Idempotency, err = c.Idempotency.Record(op, set.At, shown, m.Derived); err != nil {
		return Shown{}, err
	}
	return shown, s.commit(ctx, c, set)
}
