package sweep

import (
	"context"
	"errors"
	"sync"
	"time"

	"github.com/rekey-dev/rekey/pkg/apikey"
	"github.com/rekey-dev/rekey/pkg/audit"
	"github.com/rekey-dev/rekey/pkg/calendar"
	"github.com/rekey-dev/rekey/pkg/call"
	"github.com/rekey-dev/rekey/pkg/change"
	"github.com/rekey-dev/rekey/pkg/fault"
	"github.com/rekey-dev/rekey/pkg/id"
	"github.com/rekey-dev/rekey/pkg/listing"
	"github.com/rekey-dev/rekey/pkg/policy"
	"github.com/rekey-dev/rekey/pkg/serviceaccount"
)

// Tasks is what the sweeper reads and writes to bring keys in line with a policy that has changed.
type Tasks interface {
	Tasks(ctx context.Context, policies []id.Policy) ([]policy.Task, error)
	// AdvanceTask notes how far a task has come; it is lost when the policy has changed since, or somebody else has advanced it.
	AdvanceTask(ctx context.Context, old, next policy.Task) error
	List(ctx context.Context, q listing.Query) (listing.Page, error)
	// Calendar reads a calendar with its events.
	Calendar(ctx context.Context, c id.Calendar) (calendar.Calendar, error)
	AccountKeys(ctx context.Context, a id.ServiceAccount, after string, limit int) (ids []id.Key, next string, err error)
}

// taskPage is how many keys of a task are looked at between two notes of how far it has come.
const taskPage = 50

// task brings a page of the keys below a policy's attachment in line with what holds for them now. What it did is not done
// again when it is repeated.
func (s *Sweeper) task(ctx context.Context, c call.Call, d apikey.Due, r *Run) {
	r.Looked++
	r.Lag = max(r.Lag, s.Now().Sub(d.At))
	err := s.page(ctx, c, d.Policy, r)
	if err != nil && !errors.Is(err, change.ErrLost) {
		r.Failed++
		s.Log.Error("a policy's task was put off", "policy_id", string(d.Policy), "error", err)
	}
}

func (s *Sweeper) page(ctx context.Context, c call.Call, p id.Policy, r *Run) error {
	tasks, err := s.Store.Tasks(ctx, []id.Policy{p})
	if err != nil || len(tasks) == 0 {
		return err
	}
	for t := tasks[0]; ; {
		keys, cursor, err := s.keysOf(ctx, t)
		if err != nil {
			return err
		}
		for _, k := range keys {
			changed, err := s.inLine(ctx, c, k, p)
			if errors.Is(err, change.ErrLost) { // it has changed meanwhile: once more, from what it is now
				changed, err = s.inLine(ctx, c, k, p)
			}
			switch {
			case fault.Is(err, fault.Unavailable), errors.Is(err, change.ErrLost):
				return err // the page is still to be done
			case err != nil: // of this key alone: it does not hold up the others
				r.Failed++
				s.Log.Error("a key was not brought in line with its policy", "key_id", string(k), "policy_id", string(p), "error", err)
			case changed:
				r.Acted++
			}
		}
		next := t
		if next.Cursor = cursor; cursor == "" {
			next.DueAt = time.Time{}
		}
		if err := s.Store.AdvanceTask(ctx, t, next); err != nil || cursor == "" {
			return err
		}
		if deadline, ok := ctx.Deadline(); ok && deadline.Sub(s.Now()) < reserve {
			r.More = true
			return nil
		}
		t = next
	}
}

// keysOf returns a page of the keys below a task's attachment, and where to go on; "" at the end.
func (s *Sweeper) keysOf(ctx context.Context, t policy.Task) ([]id.Key, string, error) {
	if t.AttachedTo.Kind == policy.ServiceAccount {
		return s.Store.AccountKeys(ctx, id.ServiceAccount(t.AttachedTo.ID), t.Cursor, taskPage)
	}
	rows, err := s.Store.List(ctx, listing.Query{Noun: listing.Keys, Place: t.Place.ID(), After: t.Cursor, Limit: taskPage})
	if err != nil {
		return nil, "", err
	}
	keys := make([]id.Key, len(rows.Rows))
	for i, row := range rows.Rows {
		keys[i] = id.Key(row.ID)
	}
	return keys, rows.Next, nil
}

// inLine brings one key in line, and tells whether anything of it changed.
func (s *Sweeper) inLine(ctx context.Context, c call.Call, k id.Key, p id.Policy) (bool, error) {
	v, err := s.Keys.Load(ctx, k)
	if fault.Is(err, fault.NotFound) || err == nil && !v.State.Live() {
		return false, nil
	}
	if err != nil {
		return false, err
	}
	terms, err := s.Terms(ctx, v.Account)
	if err != nil {
		return false, err
	}
	now := s.Now()
	next, changed := apikey.InLine(v.Key, terms.Effective, now)
	if !changed {
		if terms.Effective.Schedule.Value == nil && v.Key.RotateAt.IsZero() {
			return false, nil
		}
		// When it is to be rotated is said when it is looked at.
		return false, s.Store.Reschedule(ctx, k, v.Key.DueAt, apikey.Timing{DueAt: now, RotateAt: v.Key.RotateAt})
	}
	if terms.Effective.Schedule.Value != nil {
		next.DueAt = now
	}
	op := id.New[id.Operation](s.Rand)
	next.Version++
	next.EventSeq++
	next.UpdatedAt = now
	e := s.Keys.Record(c, op, now, audit.KeyUpdated, next)
	e.Action = audit.KeyUpdated
	e.Details["policy_id"] = string(p)
	if !next.ExpiresAt.Equal(v.Key.ExpiresAt) {
		e.Details["changed"] = []string{"expires_at"}
		e.Details["expires_at"] = next.ExpiresAt.UTC().Format(time.RFC3339)
	}
	return true, s.Store.Commit(ctx, change.Set{Operation: op, At: now, Events: []audit.Event{e}, Writes: []change.Write{apikey.Update{Old: v.Key, New: next},
		serviceaccount.Update{Old: v.Account, KeysChanged: true}}})
}

// shelf keeps the calendars that a run has read: one can be large, and many keys have the same.
type shelf struct {
	read func(ctx context.Context, c id.Calendar) (calendar.Calendar, error)

	mu    sync.Mutex
	found map[id.Calendar]*calendar.Calendar
}

// get returns a calendar, or the same fault as before.
func (s *shelf) get(ctx context.Context, c id.Calendar) (calendar.Calendar, error) {
	s.mu.Lock()
	defer s.mu.Unlock()
	if found, ok := s.found[c]; ok {
		if found == nil {
			return calendar.Calendar{}, fault.Missing("calendar")
		}
		return *found, nil
	}
	read, err := s.read(ctx, c)
	switch {
	case fault.Is(err, fault.NotFound):
		s.found[c] = nil
	case err == nil:
		s.found[c] = &read
	}
	return read, err
}
