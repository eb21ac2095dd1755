package memstore

import (
	"context"
	"time"

	"github.com/rekey-dev/rekey/pkg/change"
	"github.com/rekey-dev/rekey/pkg/idempotency"
)

// Remember puts the record of a call that had nothing to change.
func (s *Store) Remember(ctx context.Context, r idempotency.Record) error {
	defer s.mu.Unlock()
	if err := s.begin(ctx); err != nil {
		return err
	}
	if old, ok := s.records[r.Scope]; ok && r.CreatedAt.Before(old.ExpiresAt) {
		if old.Operation == r.Operation {
			return nil
		}
		return &change.Repeated{Winner: copyRecord(old)}
	}
	s.records[r.Scope] = copyRecord(r)
	return nil
}

// Idempotency returns the record of a scope that has not expired at now; nil when there is none.
func (s *Store) Idempotency(ctx context.Context, scope string, now time.Time) (*idempotency.Record, error) {
	defer s.mu.Unlock()
	if err := s.begin(ctx); err != nil {
		return nil, err
	}
	r, ok := s.records[scope]
	if !ok || !now.Before(r.ExpiresAt) {
		return nil, nil
	}
	r = copyRecord(r)
	return &r, nil
}
