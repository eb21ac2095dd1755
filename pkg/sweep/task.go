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

// Tasks is what the sweeper reads and writes to bring accounts and keys in line with a policy that has changed.
type Tasks interface {
	Tasks(ctx context.Context, policies []id.Policy) ([]policy.Task, error)
	// AdvanceTask notes how far a task has come; it is lost when the policy has changed since, or somebody else has advanced it.
	AdvanceTask(ctx context.Context, old, next policy.Task) error
	List(ctx context.Context, q listing.Query) (listing.Page, error)
	// Accounts returns those that are there, deleted ones too, in any order.
	Accounts(ctx context.Context, ids []id.ServiceAccount) ([]serviceaccount.Account, error)
	// Calendar reads a calendar with its events.
	Calendar(ctx context.Context, c id.Calendar) (calendar.Calendar, error)
	AccountKeys(ctx context.Context, a id.ServiceAccount, after string, limit int) (ids []id.Key, next string, err error)
}

// taskPage is how many accounts or keys of a task are looked at between two notes of how far it has come.
const taskPage = 50

// task brings the accounts and the keys below a policy's attachment in line with what holds for them now, as far as the time
// goes. What it did is not done again when it is repeated.
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
		objects, position, err := s.below(ctx, t)
		if err != nil {
			return err
		}
		for _, o := range objects {
			changed, err := s.inLine(ctx, c, t, o)
			if errors.Is(err, change.ErrLost) { // it has changed meanwhile: once more, from what it is now
				changed, err = s.inLine(ctx, c, t, o)
			}
			switch {
			case fault.Is(err, fault.Unavailable), errors.Is(err, change.ErrLost):
				return err // the page is still to be done
			case err != nil: // of this one alone: it does not hold up the others
				r.Failed++
				s.Log.Error("an account or a key was not brought in line with its policy", "id", o, "policy_id", string(p), "error", err)
			case changed:
				r.Acted++
			}
		}
		next := t.Next(position, s.Now())
		if err := s.Store.AdvanceTask(ctx, t, next); err != nil || next.DueAt.IsZero() || next.DueAt.After(s.Now()) {
			return err
		}
		if deadline, ok := ctx.Deadline(); ok && deadline.Sub(s.Now()) < reserve {
			r.More = true
			return nil
		}
		t = next
	}
}

// below returns a page of the IDs of the accounts or keys below a task's attachment, and where to go on; "" at the end.
func (s *Sweeper) below(ctx context.Context, t policy.Task) ([]string, string, error) {
	noun := listing.Keys
	switch own := t.AttachedTo.Kind == policy.ServiceAccount; {
	case own && t.Stage.OfAccounts():
		return []string{t.AttachedTo.ID}, "", nil
	case own:
		keys, next, err := s.Store.AccountKeys(ctx, id.ServiceAccount(t.AttachedTo.ID), t.Cursor, taskPage)
		return texts(keys), next, err
	case t.Stage.OfAccounts():
		noun = listing.ServiceAccounts
	}
	page, err := s.Store.List(ctx, listing.Query{Noun: noun, Place: t.Place.ID(), After: t.Cursor, Limit: taskPage})
	ids := make([]string, len(page.Rows))
	for i, row := range page.Rows {
		ids[i] = row.ID
	}
	return ids, page.Next, err
}

func texts(keys []id.Key) []string {
	out := make([]string, len(keys))
	for i, k := range keys {
		out[i] = string(k)
	}
	return out
}

// inLine brings one account or key in line, and tells whether anything of it changed.
func (s *Sweeper) inLine(ctx context.Context, c call.Call, t policy.Task, object string) (bool, error) {
	if t.Stage.OfAccounts() {
		return s.accountInLine(ctx, c, t.Policy, id.ServiceAccount(object))
	}
	return s.keyInLine(ctx, c, t, id.Key(object))
}

// accountInLine gives an account's lock the numbers that hold for it now. They are no part of its ETag: what an administrator set
// is the policy. Atomic: the numbers and the audit record.
func (s *Sweeper) accountInLine(ctx context.Context, c call.Call, p id.Policy, account id.ServiceAccount) (bool, error) {
	found, err := s.Store.Accounts(ctx, []id.ServiceAccount{account})
	if err != nil || len(found) == 0 || found[0].Status != serviceaccount.Active {
		return false, err
	}
	a := found[0]
	terms, err := s.Terms(ctx, a)
	if err != nil {
		return false, err
	}
	numbers := terms.Effective.Lock.Value
	next := a
	if next.LockPolicy = numbers.Own(); next.LockPolicy == a.LockPolicy {
		return false, nil
	}
	next.EventSeq++
	now, op := s.Now(), id.New[id.Operation](s.Rand)
	e := c.Event(id.New[id.Event](s.Rand), op, now)
	e.Action, e.Place, e.Seq = audit.ServiceAccountUpdated, a.Place, next.EventSeq
	e.Target = audit.Target{Type: "service_account", ID: string(a.ID), Name: a.Name}
	e.Details = map[string]any{"changed": []string{"lock"}, "policy_id": string(p), "lock": numbers.Details()}
	return true, s.Store.Commit(ctx, change.Set{Operation: op, At: now, Events: []audit.Event{e},
		Writes: []change.Write{serviceaccount.Update{Old: a, New: &next}}})
}

// keyInLine lowers a key's end, and has it looked at for its rotation.
func (s *Sweeper) keyInLine(ctx context.Context, c call.Call, t policy.Task, k id.Key) (bool, error) {
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
		scheduled, planned := terms.Effective.Schedule.Value != nil, !v.Key.RotateAt.IsZero()
		if !scheduled && !planned || scheduled && planned && t.Stage == policy.KeysAgain {
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
	e.Details["policy_id"] = string(t.Policy)
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
