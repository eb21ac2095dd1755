package memstore

import (
	"cmp"
	"context"
	"slices"
	"strings"
	"time"

	"github.com/rekey-dev/rekey/pkg/audit"
	"github.com/rekey-dev/rekey/pkg/change"
	"github.com/rekey-dev/rekey/pkg/id"
	"github.com/rekey-dev/rekey/pkg/lock"
	"github.com/rekey-dev/rekey/pkg/verify"
)

// Source reads what is remembered of a source under an owner; a zero Source when it is nothing.
func (s *Store) Source(ctx context.Context, owner, address string) (lock.Source, error) {
	defer s.mu.Unlock()
	if err := s.begin(ctx); err != nil {
		return lock.Source{}, err
	}
	return s.sources[owner][address], nil
}

// Count counts a failure and returns the counter as it is afterwards.
func (s *Store) Count(ctx context.Context, f verify.Failure) (lock.Counter, error) {
	defer s.mu.Unlock()
	if err := s.begin(ctx); err != nil {
		return lock.Counter{}, err
	}
	if f.Source != "" {
		row := s.sources[f.Owner][f.Source]
		counter, counted := counted(row.Counter, f)
		if !counted {
			return row.Counter, nil
		}
		row.Address, row.Counter, row.KeyID, row.UserAgent = f.Source, counter, f.KeyID, f.UserAgent
		put(s.sources, f.Owner, f.Source, row)
		return counter, nil
	}
	old, ok := s.counter(f.Owner)
	if !ok || old.Epoch != f.Epoch {
		return old, nil
	}
	counter, _ := counted(old, f)
	s.setCounter(f.Owner, counter, 0)
	return counter, nil
}

// counted is the counter with one failure more; false when it is of an older epoch, or when the counter is locked.
func counted(c lock.Counter, f verify.Failure) (lock.Counter, bool) {
	if c.Epoch > f.Epoch || c.Epoch == f.Epoch && c.Locked(f.At) {
		return c, false
	}
	if c.Epoch < f.Epoch || !c.Live(f.At) {
		c = lock.Counter{Epoch: f.Epoch, WindowEndsAt: f.At.Add(f.Policy.Window)}
	}
	c.Failures++
	c.Threshold, c.LockEndsAt, c.LastFailureAt = f.Policy.Threshold, f.At.Add(f.Policy.Duration), f.At
	return c, true
}

func (s *Store) counter(owner string) (lock.Counter, bool) {
	if a, ok := s.accounts[id.ServiceAccount(owner)]; ok {
		return a.Lock, true
	}
	if held, ok := s.sessions[id.Session(owner)]; ok {
		return held.lock, true
	}
	t, ok := s.tokens[id.PAT(owner)]
	return t.lock, ok
}

// setCounter replaces the owner's counter and, unless it is 0, its event seq.
func (s *Store) setCounter(owner string, c lock.Counter, seq int64) {
	if a, ok := s.accounts[id.ServiceAccount(owner)]; ok {
		a.Lock, a.EventSeq = c, cmp.Or(seq, a.EventSeq)
		s.accounts[a.ID] = a
	} else if t, ok := s.tokens[id.PAT(owner)]; ok {
		t.lock, t.EventSeq = c, cmp.Or(seq, t.EventSeq)
		s.tokens[t.ID] = t
	} else if held, ok := s.sessions[id.Session(owner)]; ok {
		held.lock, held.EventSeq = c, cmp.Or(seq, held.EventSeq)
		s.sessions[held.ID] = held
	}
}

func (s *Store) eventSeq(object string) int64 {
	if a, ok := s.accounts[id.ServiceAccount(object)]; ok {
		return a.EventSeq
	}
	if k, ok := s.keys[id.Key(object)]; ok {
		return k.EventSeq
	}
	if held, ok := s.sessions[id.Session(object)]; ok {
		return held.EventSeq
	}
	return s.tokens[id.PAT(object)].EventSeq
}

// Announce commits the record of a lock together with the mark that it is announced.
func (s *Store) Announce(ctx context.Context, owner string, c lock.Counter, event audit.Event) error {
	if err := event.Check(); err != nil {
		return err
	}
	defer s.mu.Unlock()
	if err := s.begin(ctx); err != nil {
		return err
	}
	now, ok := s.counter(owner)
	switch {
	case !ok:
		return &change.Lost{Reason: "the counter is not there"}
	case now.Epoch != c.Epoch || !now.WindowEndsAt.Equal(c.WindowEndsAt):
		return &change.Lost{Reason: "the counter's epoch or window is another"}
	case now.Announced:
		return &change.Lost{Reason: "the lock is announced"}
	case s.eventSeq(owner)+1 != event.Seq:
		return &change.Lost{Reason: "the event seq is not the next"}
	}
	t := s.transaction()
	if lost := t.record(event); lost != nil {
		return lost
	}
	t.commit()
	now.Announced = true
	s.setCounter(owner, now, event.Seq)
	return nil
}

// Sources returns the sources with failures in the epoch's live window or lock at now, most failures first.
func (s *Store) Sources(ctx context.Context, owner string, epoch int64, now time.Time, limit int) ([]lock.Source, error) {
	defer s.mu.Unlock()
	if err := s.begin(ctx); err != nil {
		return nil, err
	}
	var out []lock.Source
	for _, row := range s.sources[owner] {
		c := row.Counter
		if c.Epoch == epoch && c.Failures > 0 && (now.Before(c.WindowEndsAt) || c.Locked(now)) {
			out = append(out, row)
		}
	}
	slices.SortFunc(out, func(a, b lock.Source) int {
		return cmp.Or(cmp.Compare(b.Counter.Failures, a.Counter.Failures), strings.Compare(a.Address, b.Address))
	})
	return out[:min(limit, len(out))], nil
}
