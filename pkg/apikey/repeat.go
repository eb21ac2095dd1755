package apikey

import (
	"context"

	"github.com/rekey-dev/rekey/pkg/audit"
	"github.com/rekey-dev/rekey/pkg/call"
	"github.com/rekey-dev/rekey/pkg/change"
	"github.com/rekey-dev/rekey/pkg/fault"
	"github.com/rekey-dev/rekey/pkg/id"
	"github.com/rekey-dev/rekey/pkg/idempotency"
	"github.com/rekey-dev/rekey/pkg/token"
)

// Repeat makes the secret of a call that was carried out before again, for a caller that was authorized anew. It returns the
// zero Secret when the secret may not be shown any more: an hour has passed, the secret was used, it is no longer the key's
// current one, or the key has ended. That it was shown again is recorded, on condition that the key is as it was read.
func (s *Service) Repeat(ctx context.Context, c call.Call, r idempotency.Record) (token.Secret, error) {
	return change.Retry(func() (token.Secret, error) {
		if r.Secret == nil {
			return token.Secret{}, nil
		}
		now := s.Now()
		v, err := s.load(ctx, id.FromBody[id.Key](r.Secret.Public))
		if fault.Is(err, fault.NotFound) {
			return token.Secret{}, nil
		}
		if err != nil {
			return token.Secret{}, err
		}
		k := v.Key
		if !now.Before(r.CreatedAt.Add(idempotency.SecretFor)) || !v.State.Live() || k.Generation != r.Secret.Generation || k.UsedGen == k.Generation {
			return token.Secret{}, nil
		}
		secret, err := s.Mint.Again(ctx, r, k.MAC, k.PepperVersion)
		if err != nil || secret.IsZero() {
			return token.Secret{}, err
		}
		op := id.New[id.Operation](s.Rand)
		next := k
		next.EventSeq++
		e := s.event(c, op, now, audit.SecretRepeated, audit.SecretRepeated, next)
		return secret, s.Store.Commit(ctx, change.Set{Operation: op, At: now, Events: []audit.Event{e}, Writes: []change.Write{Update{Old: k, New: next}}})
	})
}
