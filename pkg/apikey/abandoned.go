package apikey

import (
	"context"

	"github.com/rekey-dev/rekey/pkg/fault"
	"github.com/rekey-dev/rekey/pkg/id"
)

// Abandoned tells whether nobody will ever use a secret of the key: it is not there, or has ended for good.
func (s *Service) Abandoned(ctx context.Context, k id.Key) (bool, error) {
	v, err := s.Load(ctx, k)
	if fault.Is(err, fault.NotFound) {
		return true, nil
	}
	return err == nil && !v.State.Live(), err
}
