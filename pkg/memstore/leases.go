package memstore

import (
	"context"
	"time"

	"github.com/rekey-dev/rekey/pkg/change"
)

// lease is who has a shard of what is due, and until when.
type lease struct {
	run   string
	until time.Time
}

// Lease takes a shard for a run until a moment.
func (s *Store) Lease(ctx context.Context, shard int, run string, now, until time.Time) error {
	defer s.mu.Unlock()
	if err := s.begin(ctx); err != nil {
		return err
	}
	if held, ok := s.leases[shard]; ok && held.until.After(now) {
		return &change.Lost{Reason: "another run has the shard"}
	}
	s.leases[shard] = lease{run: run, until: until}
	return nil
}

// Release gives a shard back.
func (s *Store) Release(ctx context.Context, shard int, run string) error {
	defer s.mu.Unlock()
	if err := s.begin(ctx); err != nil {
		return err
	}
	if held, ok := s.leases[shard]; !ok || held.run != run {
		return &change.Lost{Reason: "the run does not have the shard"}
	}
	delete(s.leases, shard)
	return nil
}
