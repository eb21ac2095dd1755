// Package sweep does what falls due, once a minute: it announces the ends of keys before they come and when they have come,
// and takes the steps of rotations.
//
// It finds what is due from a sharded index and acts on one key after the other; what a key needs is decided from strong reads
// of the key, its account and its rotation, and every act is one conditional transaction. So runs that overlap, and a run that
// ends anywhere, do no harm: what was done is not done again, and what was not is still due. A lease of each shard that has
// something due spares runs that overlap the calls; nothing depends on it. A key ends by itself, when it is read; nothing here
// makes it end. One key that cannot be dealt with is put off and does not hold up the others.
package sweep

import (
	"context"
	"errors"
	"io"
	"log/slog"
	"sync"
	"time"

	"github.com/rekey-dev/rekey/pkg/apikey"
	"github.com/rekey-dev/rekey/pkg/audit"
	"github.com/rekey-dev/rekey/pkg/calendar"
	"github.com/rekey-dev/rekey/pkg/call"
	"github.com/rekey-dev/rekey/pkg/change"
	"github.com/rekey-dev/rekey/pkg/fault"
	"github.com/rekey-dev/rekey/pkg/id"
	"github.com/rekey-dev/rekey/pkg/period"
	"github.com/rekey-dev/rekey/pkg/rotation"
	"github.com/rekey-dev/rekey/pkg/serviceaccount"
)

// Store is what the sweeper reads and writes by itself.
type Store interface {
	// Due returns keys of a shard that are due at a moment, the longest due first. It may lag behind by moments.
	Due(ctx context.Context, shard int, now time.Time, limit int) ([]apikey.Due, error)
	// Reschedule moves the time at which a key is due; it is lost when that is another meanwhile.
	Reschedule(ctx context.Context, k id.Key, from time.Time, to apikey.Timing) error
	// Key returns a key, also one of a deleted account.
	Key(ctx context.Context, k id.Key) (apikey.Key, error)
	Commit(ctx context.Context, s change.Set) error
	Tasks
}

// Leases spares a run the shards that another one is at.
type Leases interface {
	// Lease takes a shard for a run until a moment; it is lost (change.ErrLost) while another run has it.
	Lease(ctx context.Context, shard int, run string, now, until time.Time) error
	// Release gives it back; it is lost when the run does not have it, or not any more.
	Release(ctx context.Context, shard int, run string) error
}

// Keys is what the sweeper needs of the keys' use cases.
type Keys interface {
	Load(ctx context.Context, k id.Key) (apikey.View, error)
	Record(c call.Call, op id.Operation, now time.Time, what string, k apikey.Key) audit.Event
}

// Rotations takes the steps of rotations.
type Rotations interface {
	Advance(ctx context.Context, c call.Call, r id.Rotation) (rotation.Advanced, error)
	// ByCalendar rotates a key whose new secret its policy delivers.
	ByCalendar(ctx context.Context, c call.Call, k id.Key, p rotation.Planned) (rotation.Outcome, error)
}

// Sweeper does what falls due. Its fields are set once.
type Sweeper struct {
	Store     Store
	Leases    Leases // nil for none
	Keys      Keys
	Rotations Rotations
	Terms     func(ctx context.Context, a serviceaccount.Account) (rotation.Policy, error)
	shelf     *shelf // of the run
	name      string // of the run
	tasks     bool   // the run is at the tasks of policies; before, it is at the keys
	Shards    int
	Hold      bool // after a restore: nothing is done
	Now       func() time.Time
	Rand      io.Reader
	Log       *slog.Logger
}

// Bounds of a run.
const (
	batch     = 100              // keys that one query asks for
	workers   = 8                // shards that are worked on at once
	putOff    = 5 * time.Minute  // when a key that failed is tried again
	retry     = 45 * time.Second // and one that failed only because something did not answer: in the next run
	reserve   = 5 * time.Second  // what is left of a run's time when it takes on nothing more
	longest   = time.Minute      // of a run whose context says nothing else
	margin    = 5 * time.Second  // for which a lease outlasts its run
	announced = 24 * time.Hour   // an old key that was quiet for so long is not announced again
)

// Run is what one run did.
type Run struct {
	Looked  int           // keys that were due
	Acted   int           // of these, those for which something was done
	Failed  int           // and those that were put off
	Skipped int           // shards with something due that another run was at
	Lag     time.Duration // how long the one that waited longest had been due
	More    bool          // the time was up before everything was done
	Held    bool
}

// Sweep does what is due in every shard, until there is no more or the context's time is nearly up. An error is one of the
// store's that kept it from looking; what is due then stays due.
func (s *Sweeper) Sweep(ctx context.Context, request string) (Run, error) {
	if s.Hold {
		return Run{Held: true}, nil
	}
	run := *s
	run.name = string(id.New[id.Operation](s.Rand))
	run.shelf = &shelf{read: s.Store.Calendar, found: make(map[id.Calendar]*calendar.Calendar)}
	all := make([]int, s.Shards)
	for i := range all {
		all[i] = i
	}
	var total Run
	busy, err := run.shards(ctx, request, all, &total)
	if len(busy) == 0 || total.More {
		return total, err
	}
	run.tasks, run.Leases = true, nil // of two runs at one task all but one lose it at the next page
	_, errTasks := run.shards(ctx, request, busy, &total)
	err = errors.Join(err, errTasks)
	if !total.More { // keys that have become due by it
		run.tasks, run.Leases = false, s.Leases
		_, errKeys := run.shards(ctx, request, all, &total)
		err = errors.Join(err, errKeys)
	}
	return total, err
}

// shards does what is due in several shards, adds it to what was done before, and returns those that have tasks of policies.
func (s *Sweeper) shards(ctx context.Context, request string, numbers []int, total *Run) (busy []int, _ error) {
	var mu sync.Mutex
	var failures []error
	shards := make(chan int)
	var wg sync.WaitGroup
	for range min(workers, len(numbers)) {
		wg.Go(func() {
			for shard := range shards {
				r, hasTasks, err := s.shard(ctx, rotation.System(request), shard)
				mu.Lock()
				total.Looked += r.Looked
				total.Acted += r.Acted
				total.Failed += r.Failed
				total.Skipped += r.Skipped
				total.Lag = max(total.Lag, r.Lag)
				total.More = total.More || r.More
				failures = append(failures, err)
				if hasTasks {
					busy = append(busy, shard)
				}
				mu.Unlock()
			}
		})
	}
	for _, shard := range numbers {
		shards <- shard
	}
	close(shards)
	wg.Wait()
	return busy, errors.Join(failures...)
}

// shard does what is due in a shard, unless another run is at it. Where nothing is due it is one query.
func (s *Sweeper) shard(ctx context.Context, c call.Call, shard int) (_ Run, hasTasks bool, _ error) {
	if s.Leases == nil {
		return s.work(ctx, c, shard)
	}
	due, err := s.Store.Due(ctx, shard, s.Now(), 1)
	if err != nil || len(due) == 0 {
		return Run{}, false, err
	}
	now := s.Now()
	until := now.Add(longest)
	if deadline, ok := ctx.Deadline(); ok {
		until = deadline
	}
	err = s.Leases.Lease(ctx, shard, s.name, now, until.Add(margin))
	if errors.Is(err, change.ErrLost) {
		return Run{Skipped: 1, Lag: now.Sub(due[0].At)}, false, nil
	}
	if err != nil { // it may have been taken all the same
		s.Log.Error("a shard is worked on without a lease", "shard", shard, "error", err)
	}
	defer func() {
		if err := s.Leases.Release(ctx, shard, s.name); err != nil && !errors.Is(err, change.ErrLost) {
			s.Log.Error("a shard's lease was not given back", "shard", shard, "error", err)
		}
	}()
	return s.work(ctx, c, shard) // which asks anew: another run may have done what was due a moment ago
}

// work does what is due of a shard's keys, or of its tasks. A task can be as long as a provider has keys, so it takes what the
// keys of all shards leave of the time.
func (s *Sweeper) work(ctx context.Context, c call.Call, shard int) (r Run, hasTasks bool, _ error) {
	seen := make(map[apikey.Due]bool)
	for {
		keys, err := s.Store.Due(ctx, shard, s.Now(), batch)
		if err != nil {
			return r, hasTasks, err
		}
		fresh := false
		for _, d := range keys {
			what := apikey.Due{Key: d.Key, Policy: d.Policy}
			if seen[what] {
				continue // the index lags behind, or the key could not even be put off
			}
			if isTask := d.Policy != ""; isTask != s.tasks {
				hasTasks = hasTasks || isTask
				continue
			}
			if deadline, ok := ctx.Deadline(); ok && deadline.Sub(s.Now()) < reserve {
				r.More = true
				return r, hasTasks, nil
			}
			seen[what], fresh = true, true
			if d.Policy != "" {
				s.task(ctx, c, d, &r)
			} else {
				s.one(ctx, c, d, &r)
			}
		}
		if !fresh {
			return r, hasTasks, nil
		}
	}
}

// one deals with one key and counts what came of it.
func (s *Sweeper) one(ctx context.Context, c call.Call, d apikey.Due, r *Run) {
	r.Looked++
	r.Lag = max(r.Lag, s.Now().Sub(d.At))
	acted, err := s.key(ctx, c, d.Key)
	switch {
	case err == nil:
		if acted {
			r.Acted++
		}
	case errors.Is(err, change.ErrLost): // somebody else acted on it; what is left is still due
	default:
		r.Failed++
		s.Log.Error("a key was put off", "key_id", string(d.Key), "error", err)
		wait := putOff
		if fault.Is(err, fault.Unavailable) {
			wait = retry
		}
		if err := s.Store.Reschedule(ctx, d.Key, d.At, apikey.Timing{DueAt: s.Now().Add(wait)}); err != nil && !errors.Is(err, change.ErrLost) {
			s.Log.Error("a key could not be put off", "key_id", string(d.Key), "error", err)
		}
	}
}

// key does what a key needs, and tells whether that was anything.
func (s *Sweeper) key(ctx context.Context, c call.Call, k id.Key) (acted bool, err error) {
	v, err := s.Keys.Load(ctx, k)
	if fault.Is(err, fault.NotFound) { // its account was deleted
		gone, err := s.Store.Key(ctx, k)
		if err != nil {
			return false, err
		}
		if gone.RotationID != "" { // what came of it is still to be put on record
			a, err := s.Rotations.Advance(ctx, c, gone.RotationID)
			if err != nil {
				return false, err
			}
			acted = a.Steps > 0
		}
		return acted, s.Store.Reschedule(ctx, k, gone.DueAt, apikey.Timing{})
	}
	if err != nil {
		return false, err
	}
	due := v.Key.DueAt
	if due.IsZero() || due.After(s.Now()) {
		return false, nil // the index lags behind
	}
	policy, err := s.Terms(ctx, v.Account)
	if err != nil {
		return false, err
	}
	var rotationDue time.Time
	if v.Key.RotationID != "" {
		var failed error
		if rotationDue, acted, failed = s.rotation(ctx, c, v.Key, policy); failed != nil && !fault.Is(failed, fault.Unavailable) {
			return acted, failed
		}
		if failed != nil { // a secret store that cannot be reached, say: what else the key needs is done all the same
			rotationDue = s.Now().Add(retry)
			defer func() { err = errors.Join(err, failed) }()
		}
		if v, err = s.Keys.Load(ctx, k); err != nil {
			return acted, err
		}
	}
	t, err := s.turn(ctx, v, policy)
	if err != nil {
		return acted, err
	}
	now := s.Now()
	next := v.Key
	next.RotateAt = t.at
	next.DueAt = earlier(rotation.Due(v.Key, rotationDue, policy.Notices, now), t.look(policy.Notices, now))
	if !next.DueAt.IsZero() && !next.DueAt.After(now) {
		next.DueAt = now.Add(retry) // whatever is the matter with it: what stays due stands before the others for ever
	}
	switch {
	case v.State.Status == apikey.Expired && v.Key.AnnouncedAt.Before(v.Key.ExpiresAt):
		next.DueAt = rotationDue // of a new secret that is still on its way
		return true, s.announce(ctx, c, v, next, audit.KeyExpired, -1, now, nil)
	case !v.State.Live():
		return acted, s.Store.Reschedule(ctx, k, v.Key.DueAt, apikey.Timing{DueAt: rotationDue})
	}
	if !t.at.IsZero() && !t.at.After(now) {
		if told, err := s.takeTurn(ctx, c, v, &next, t, policy, now); told || err != nil {
			return acted || told, err
		}
	}
	if details, ok := t.beforeTurn(v.Key, policy.Notices, now); ok {
		return true, s.announce(ctx, c, v, next, audit.KeyExpiring, 0, now, details)
	}
	if n := passed(v.Key, policy.Notices, now); n > 0 && !forgotten(v.Key, now) {
		return true, s.announce(ctx, c, v, next, audit.KeyExpiring, 0, now, map[string]any{"notice": period.Format(n)})
	}
	if next.DueAt.Equal(v.Key.DueAt) && next.RotateAt.Equal(v.Key.RotateAt) {
		return acted, nil // a step moved it
	}
	return acted, s.Store.Reschedule(ctx, k, v.Key.DueAt, apikey.Timing{DueAt: next.DueAt, RotateAt: next.RotateAt})
}

// rotation takes the steps of a key's rotation. It returns when the key is to be looked at again for the rotation's sake. When
// the key is the new one, the old one's time is moved first: as long as the new one is due, a crash in between is made good.
func (s *Sweeper) rotation(ctx context.Context, c call.Call, k apikey.Key, policy rotation.Policy) (time.Time, bool, error) {
	a, err := s.Rotations.Advance(ctx, c, k.RotationID)
	if err != nil {
		return time.Time{}, false, err
	}
	v, acted := a.View, a.Steps > 0
	if k.ID == v.Rotation.OldKey || v.Rotation.Mode != rotation.Overlap {
		return a.Due, acted, nil
	}
	old := v.Old.Key
	if v.Old.State.Live() && !v.Rotation.Over() {
		// Never to a later time: what the old key is due for already, a notice of its end say, is told when it is looked at itself.
		at := earlier(old.DueAt, rotation.Due(old, a.Due, policy.Notices, s.Now()))
		if at.Equal(old.DueAt) {
			return time.Time{}, acted, nil
		}
		if err := s.Store.Reschedule(ctx, old.ID, old.DueAt, apikey.Timing{DueAt: at, RotateAt: old.RotateAt}); err != nil && !errors.Is(err, change.ErrLost) {
			return time.Time{}, acted, err
		}
	}
	return time.Time{}, acted, nil
}

// passed returns the shortest notice whose time has come and was not announced; 0 for none.
func passed(k apikey.Key, notices []time.Duration, now time.Time) time.Duration {
	var out time.Duration
	if k.ExpiresAt.IsZero() {
		return 0
	}
	for _, n := range notices {
		if at := k.ExpiresAt.Add(-n); at.After(k.AnnouncedAt) && !at.After(now) {
			out = n
		}
	}
	return out
}

// forgotten tells whether nobody is to be told of a key's end: it has a successor and is not in use any more.
func forgotten(k apikey.Key, now time.Time) bool {
	return k.SupersededBy != "" && (k.UsedGen != k.Generation || k.LastUsedAt.Before(now.Add(-announced)))
}

// announce records that a key's end nears, or has come. Once: the record and the time at which the key is due next are one
// transaction.
func (s *Sweeper) announce(ctx context.Context, c call.Call, v apikey.View, next apikey.Key, what string, count int, now time.Time, details map[string]any) error {
	op := id.New[id.Operation](s.Rand)
	next.EventSeq++
	next.AnnouncedAt = now
	e := s.Keys.Record(c, op, now, what, next)
	if what == audit.KeyExpiring {
		e.Action = audit.KeyExpiring
	}
	if !next.ExpiresAt.IsZero() {
		e.Details["expires_at"] = next.ExpiresAt.UTC().Format(time.RFC3339)
	}
	if next.UsedGen == next.Generation && !next.LastUsedAt.IsZero() {
		e.Details["last_used_at"] = next.LastUsedAt.UTC().Format(time.RFC3339)
	}
	for name, value := range details {
		e.Details[name] = value
	}
	writes := []change.Write{apikey.Update{Old: v.Key, New: next}}
	if count != 0 {
		writes = append(writes, serviceaccount.Update{Old: v.Account, KeysChanged: true, KeyCount: count})
	}
	return s.Store.Commit(ctx, change.Set{Operation: op, At: now, Events: []audit.Event{e}, Writes: writes})
}
