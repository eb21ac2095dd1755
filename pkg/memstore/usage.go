package memstore

import (
	"context"
	"maps"
	"slices"
	"strings"
	"time"

	"github.com/rekey-dev/rekey/pkg/id"
	"github.com/rekey-dev/rekey/pkg/lock"
	"github.com/rekey-dev/rekey/pkg/usage"
)

// usagePosition sorts a key's rows by their hour.
func usagePosition(r usage.Row) string {
	return strings.Join([]string{r.Hour.UTC().Format(time.RFC3339), string(r.Verdict), r.Source, r.API, r.Method, r.Route}, "#")
}

// Tally adds a row's count to what is there.
func (s *Store) Tally(ctx context.Context, r usage.Row) error {
	defer s.mu.Unlock()
	if err := s.begin(ctx); err != nil {
		return err
	}
	at := usagePosition(r)
	if old, ok := s.usage[r.Key][at]; ok {
		r.Count += old.Count
		r.FirstAt = old.FirstAt
		if old.LastAt.After(r.LastAt) {
			r.LastAt, r.UserAgent = old.LastAt, old.UserAgent
		}
	}
	put(s.usage, r.Key, at, r)
	return nil
}

// Usage returns rows of hours that begin in [from, to), newest hour first; next is "" at the end.
func (s *Store) Usage(ctx context.Context, k id.Key, from, to time.Time, after string, limit int) ([]usage.Row, string, error) {
	defer s.mu.Unlock()
	if err := s.begin(ctx); err != nil {
		return nil, "", err
	}
	var out []usage.Row
	for _, at := range slices.Backward(slices.Sorted(maps.Keys(s.usage[k]))) {
		r := s.usage[k][at]
		if r.Hour.Before(from) || !r.Hour.Before(to) || after != "" && at >= after {
			continue
		}
		if len(out) == limit {
			return out, usagePosition(out[limit-1]), nil
		}
		r.Count = max(1, r.Count)
		out = append(out, r)
	}
	return out, "", nil
}

// WrongSecrets returns the sources whose last wrong secret under the owner was for the key and came in [from, to).
func (s *Store) WrongSecrets(ctx context.Context, owner string, k id.Key, from, to time.Time) ([]lock.Source, error) {
	defer s.mu.Unlock()
	if err := s.begin(ctx); err != nil {
		return nil, err
	}
	var out []lock.Source
	for _, row := range s.sources[owner] {
		if at := row.Counter.LastFailureAt; row.KeyID == string(k) && !at.Before(from) && at.Before(to) {
			out = append(out, row)
		}
	}
	return out, nil
}
