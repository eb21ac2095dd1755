package memstore

import (
	"cmp"
	"context"
	"slices"
	"time"

	"github.com/rekey-dev/rekey/pkg/apikey"
)

// Due returns the keys and the tasks of a shard that are due at a moment, the longest due first. Everything is in shard 0.
func (s *Store) Due(ctx context.Context, shard int, now time.Time, limit int) ([]apikey.Due, error) {
	defer s.mu.Unlock()
	if err := s.begin(ctx); err != nil {
		return nil, err
	}
	if shard != 0 {
		return nil, nil
	}
	var due []apikey.Due
	add := func(d apikey.Due) {
		if !d.At.IsZero() && !d.At.After(now) {
			due = append(due, d)
		}
	}
	for _, k := range s.keys {
		add(apikey.Due{Key: k.ID, At: k.DueAt})
	}
	for _, t := range s.tasks {
		add(apikey.Due{Policy: t.Policy, At: t.DueAt})
	}
	slices.SortFunc(due, func(a, b apikey.Due) int {
		return cmp.Or(a.At.Compare(b.At), cmp.Compare(a.Key, b.Key), cmp.Compare(a.Policy, b.Policy))
	})
	return due[:min(limit, len(due))], nil
}
