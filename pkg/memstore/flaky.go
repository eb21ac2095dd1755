package memstore

import (
	"context"
	"errors"
	"slices"
	"sync"
	"time"

	"github.com/rekey-dev/rekey/pkg/apikey"
	"github.com/rekey-dev/rekey/pkg/audit"
	"github.com/rekey-dev/rekey/pkg/calendar"
	"github.com/rekey-dev/rekey/pkg/change"
	"github.com/rekey-dev/rekey/pkg/company"
	"github.com/rekey-dev/rekey/pkg/fault"
	"github.com/rekey-dev/rekey/pkg/id"
	"github.com/rekey-dev/rekey/pkg/idempotency"
	"github.com/rekey-dev/rekey/pkg/listing"
	"github.com/rekey-dev/rekey/pkg/lock"
	"github.com/rekey-dev/rekey/pkg/msp"
	"github.com/rekey-dev/rekey/pkg/node"
	"github.com/rekey-dev/rekey/pkg/policy"
	"github.com/rekey-dev/rekey/pkg/rotation"
	"github.com/rekey-dev/rekey/pkg/serviceaccount"
	"github.com/rekey-dev/rekey/pkg/storetest"
	"github.com/rekey-dev/rekey/pkg/usage"
	"github.com/rekey-dev/rekey/pkg/verify"
)

// Mode says how a failed call relates to its effect.
type Mode int

const (
	// Instead fails the call instead of its effect: nothing happens.
	Instead Mode = iota + 1
	// After fails the call after its effect: it happened, and the caller hears an error.
	After
	// Before fails the call before its effect: the caller hears an error, and the effect happens when the next call
	// arrives, or at Settle, as with a request that was given up on and is carried out late.
	Before
)

// Modes are all of them, for a test that goes through them.
var Modes = []Mode{Before, After, Instead}

func (m Mode) String() string {
	return [...]string{"never", "instead of its effect", "after its effect", "before its effect"}[m]
}

// Flaky is a store between a caller and another store. It counts the calls and fails those that it is told to. To try an
// operation's every call: run it once, take the number of its Calls, and run it anew on a fresh store for each number and
// each Mode.
type Flaky struct {
	// Under is the store that carries the calls out.
	Under storetest.Store
	// Hook, if not nil, runs before each call, with its number (from 1) and its method. What it does to Under is there
	// before the call: a lost race.
	Hook func(n int, method string)
	// Err is what a failed call returns; nil stands for a fault of kind unavailable.
	Err error

	mu    sync.Mutex
	calls []string
	fail  map[int]Mode
	late  []func()
}

var _ storetest.Store = (*Flaky)(nil)

// NewFlaky makes a store that does what the one under it does, until it is told otherwise.
func NewFlaky(under storetest.Store) *Flaky { return &Flaky{Under: under, fail: map[int]Mode{}} }

// Fail makes the n-th call from now fail, counted from 1.
func (f *Flaky) Fail(n int, m Mode) {
	f.mu.Lock()
	defer f.mu.Unlock()
	f.fail[len(f.calls)+n] = m
}

// Calls returns the methods that were called since the start or the last Reset, in order.
func (f *Flaky) Calls() []string {
	f.mu.Lock()
	defer f.mu.Unlock()
	return slices.Clone(f.calls)
}

// Reset settles what is late, begins to count anew and forgets what was to fail.
func (f *Flaky) Reset() {
	f.Settle()
	f.mu.Lock()
	defer f.mu.Unlock()
	f.calls, f.fail = nil, map[int]Mode{}
}

// Settle carries out what is late.
func (f *Flaky) Settle() {
	f.mu.Lock()
	late := f.late
	f.late = nil
	f.mu.Unlock()
	for _, effect := range late {
		effect()
	}
}

var errTold = errors.New("memstore: this call was to fail")

func (f *Flaky) err() error {
	if f.Err != nil {
		return f.Err
	}
	return fault.Down(errTold)
}

// through carries out one call, or fails it.
func through[T any](ctx context.Context, f *Flaky, method string, call func(context.Context) (T, error)) (T, error) {
	f.Settle()
	f.mu.Lock()
	f.calls = append(f.calls, method)
	n := len(f.calls)
	mode, hook := f.fail[n], f.Hook
	f.mu.Unlock()
	if hook != nil {
		hook(n, method)
	}
	var zero T
	switch mode {
	case Instead:
		return zero, f.err()
	case After:
		if _, err := call(ctx); err != nil {
			return zero, err
		}
		return zero, f.err()
	case Before:
		f.mu.Lock()
		f.late = append(f.late, func() { _, _ = call(context.WithoutCancel(ctx)) })
		f.mu.Unlock()
		return zero, f.err()
	}
	return call(ctx)
}

// effect is through for a call that only has an effect.
func effect(ctx context.Context, f *Flaky, method string, call func(context.Context) error) error {
	_, err := through(ctx, f, method, func(ctx context.Context) (struct{}, error) { return struct{}{}, call(ctx) })
	return err
}

func (f *Flaky) Remember(ctx context.Context, r idempotency.Record) error {
	return effect(ctx, f, "Remember", func(ctx context.Context) error { return f.Under.Remember(ctx, r) })
}

func (f *Flaky) Commit(ctx context.Context, s change.Set) error {
	return effect(ctx, f, "Commit", func(ctx context.Context) error { return f.Under.Commit(ctx, s) })
}

func (f *Flaky) Idempotency(ctx context.Context, scope string, now time.Time) (*idempotency.Record, error) {
	return through(ctx, f, "Idempotency", func(ctx context.Context) (*idempotency.Record, error) {
		return f.Under.Idempotency(ctx, scope, now)
	})
}

func (f *Flaky) MSP(ctx context.Context) (msp.MSP, error) {
	return through(ctx, f, "MSP", func(ctx context.Context) (msp.MSP, error) { return f.Under.MSP(ctx) })
}

func (f *Flaky) Node(ctx context.Context, n id.Node) (node.Node, error) {
	return through(ctx, f, "Node", func(ctx context.Context) (node.Node, error) { return f.Under.Node(ctx, n) })
}

func (f *Flaky) Company(ctx context.Context, c id.Company) (company.Company, error) {
	return through(ctx, f, "Company", func(ctx context.Context) (company.Company, error) { return f.Under.Company(ctx, c) })
}

func (f *Flaky) Account(ctx context.Context, a id.ServiceAccount) (serviceaccount.Account, error) {
	return through(ctx, f, "Account", func(ctx context.Context) (serviceaccount.Account, error) {
		return f.Under.Account(ctx, a)
	})
}

func (f *Flaky) Accounts(ctx context.Context, ids []id.ServiceAccount) ([]serviceaccount.Account, error) {
	return through(ctx, f, "Accounts", func(ctx context.Context) ([]serviceaccount.Account, error) {
		return f.Under.Accounts(ctx, ids)
	})
}

func (f *Flaky) Key(ctx context.Context, k id.Key) (apikey.Key, error) {
	return through(ctx, f, "Key", func(ctx context.Context) (apikey.Key, error) { return f.Under.Key(ctx, k) })
}

func (f *Flaky) Keys(ctx context.Context, ids []id.Key) ([]apikey.Key, error) {
	return through(ctx, f, "Keys", func(ctx context.Context) ([]apikey.Key, error) { return f.Under.Keys(ctx, ids) })
}

func (f *Flaky) AccountKeys(ctx context.Context, a id.ServiceAccount, after string, limit int) ([]id.Key, string, error) {
	type page struct {
		ids  []id.Key
		next string
	}
	p, err := through(ctx, f, "AccountKeys", func(ctx context.Context) (page, error) {
		ids, next, err := f.Under.AccountKeys(ctx, a, after, limit)
		return page{ids, next}, err
	})
	return p.ids, p.next, err
}

func (f *Flaky) Due(ctx context.Context, shard int, now time.Time, limit int) ([]apikey.Due, error) {
	return through(ctx, f, "Due", func(ctx context.Context) ([]apikey.Due, error) { return f.Under.Due(ctx, shard, now, limit) })
}

func (f *Flaky) Policy(ctx context.Context, p id.Policy) (policy.Policy, error) {
	return through(ctx, f, "Policy", func(ctx context.Context) (policy.Policy, error) { return f.Under.Policy(ctx, p) })
}

func (f *Flaky) PoliciesOf(ctx context.Context, attached []string) ([]policy.Policy, error) {
	return through(ctx, f, "PoliciesOf", func(ctx context.Context) ([]policy.Policy, error) {
		return f.Under.PoliciesOf(ctx, attached)
	})
}

func (f *Flaky) Tasks(ctx context.Context, policies []id.Policy) ([]policy.Task, error) {
	return through(ctx, f, "Tasks", func(ctx context.Context) ([]policy.Task, error) { return f.Under.Tasks(ctx, policies) })
}

func (f *Flaky) AdvanceTask(ctx context.Context, old, next policy.Task) error {
	return effect(ctx, f, "AdvanceTask", func(ctx context.Context) error { return f.Under.AdvanceTask(ctx, old, next) })
}

func (f *Flaky) Lease(ctx context.Context, shard int, run string, now, until time.Time) error {
	return effect(ctx, f, "Lease", func(ctx context.Context) error { return f.Under.Lease(ctx, shard, run, now, until) })
}

func (f *Flaky) Release(ctx context.Context, shard int, run string) error {
	return effect(ctx, f, "Release", func(ctx context.Context) error { return f.Under.Release(ctx, shard, run) })
}

func (f *Flaky) Rotation(ctx context.Context, r id.Rotation) (rotation.Rotation, error) {
	return through(ctx, f, "Rotation", func(ctx context.Context) (rotation.Rotation, error) { return f.Under.Rotation(ctx, r) })
}

func (f *Flaky) Rotations(ctx context.Context, q rotation.Query) (rotation.Page, error) {
	return through(ctx, f, "Rotations", func(ctx context.Context) (rotation.Page, error) { return f.Under.Rotations(ctx, q) })
}

func (f *Flaky) Reschedule(ctx context.Context, k id.Key, from time.Time, to apikey.Timing) error {
	_, err := through(ctx, f, "Reschedule", func(ctx context.Context) (struct{}, error) { return struct{}{}, f.Under.Reschedule(ctx, k, from, to) })
	return err
}

func (f *Flaky) Nodes(ctx context.Context, ids []id.Node) ([]node.Node, error) {
	return through(ctx, f, "Nodes", func(ctx context.Context) ([]node.Node, error) { return f.Under.Nodes(ctx, ids) })
}

func (f *Flaky) Companies(ctx context.Context, ids []id.Company) ([]company.Company, error) {
	return through(ctx, f, "Companies", func(ctx context.Context) ([]company.Company, error) { return f.Under.Companies(ctx, ids) })
}

func (f *Flaky) Contents(ctx context.Context, place string) (node.Contents, error) {
	return through(ctx, f, "Contents", func(ctx context.Context) (node.Contents, error) { return f.Under.Contents(ctx, place) })
}

func (f *Flaky) Calendar(ctx context.Context, c id.Calendar) (calendar.Calendar, error) {
	return through(ctx, f, "Calendar", func(ctx context.Context) (calendar.Calendar, error) { return f.Under.Calendar(ctx, c) })
}

func (f *Flaky) Calendars(ctx context.Context, ids []id.Calendar) ([]calendar.Calendar, error) {
	return through(ctx, f, "Calendars", func(ctx context.Context) ([]calendar.Calendar, error) { return f.Under.Calendars(ctx, ids) })
}

func (f *Flaky) LiveKeys(ctx context.Context, a serviceaccount.Account, now time.Time) ([]apikey.Key, error) {
	return through(ctx, f, "LiveKeys", func(ctx context.Context) ([]apikey.Key, error) {
		return f.Under.LiveKeys(ctx, a, now)
	})
}

func (f *Flaky) EpochEnds(ctx context.Context, a id.ServiceAccount) (map[int64]serviceaccount.Ended, error) {
	return through(ctx, f, "EpochEnds", func(ctx context.Context) (map[int64]serviceaccount.Ended, error) {
		return f.Under.EpochEnds(ctx, a)
	})
}

func (f *Flaky) Sources(ctx context.Context, owner string, epoch int64, now time.Time, limit int) ([]lock.Source, error) {
	return through(ctx, f, "Sources", func(ctx context.Context) ([]lock.Source, error) {
		return f.Under.Sources(ctx, owner, epoch, now, limit)
	})
}

func (f *Flaky) Sightings(ctx context.Context, k id.Key, limit int) ([]apikey.Sighting, error) {
	return through(ctx, f, "Sightings", func(ctx context.Context) ([]apikey.Sighting, error) {
		return f.Under.Sightings(ctx, k, limit)
	})
}

func (f *Flaky) List(ctx context.Context, q listing.Query) (listing.Page, error) {
	return through(ctx, f, "List", func(ctx context.Context) (listing.Page, error) { return f.Under.List(ctx, q) })
}

func (f *Flaky) AuditEvent(ctx context.Context, e id.Event) (audit.Event, error) {
	return through(ctx, f, "AuditEvent", func(ctx context.Context) (audit.Event, error) {
		return f.Under.AuditEvent(ctx, e)
	})
}

func (f *Flaky) AuditEvents(ctx context.Context, q audit.Query) (audit.Page, error) {
	return through(ctx, f, "AuditEvents", func(ctx context.Context) (audit.Page, error) {
		return f.Under.AuditEvents(ctx, q)
	})
}

func (f *Flaky) Credential(ctx context.Context, cred string) (*verify.Credential, error) {
	return through(ctx, f, "Credential", func(ctx context.Context) (*verify.Credential, error) {
		return f.Under.Credential(ctx, cred)
	})
}

func (f *Flaky) Snapshot(ctx context.Context, cred string, names verify.Names) (verify.Snapshot, error) {
	return through(ctx, f, "Snapshot", func(ctx context.Context) (verify.Snapshot, error) {
		return f.Under.Snapshot(ctx, cred, names)
	})
}

func (f *Flaky) Retired(ctx context.Context, cred string, macs [][]byte) (bool, error) {
	return through(ctx, f, "Retired", func(ctx context.Context) (bool, error) { return f.Under.Retired(ctx, cred, macs) })
}

func (f *Flaky) Source(ctx context.Context, owner, address string) (lock.Source, error) {
	return through(ctx, f, "Source", func(ctx context.Context) (lock.Source, error) {
		return f.Under.Source(ctx, owner, address)
	})
}

func (f *Flaky) Count(ctx context.Context, w verify.Failure) (lock.Counter, error) {
	return through(ctx, f, "Count", func(ctx context.Context) (lock.Counter, error) { return f.Under.Count(ctx, w) })
}

func (f *Flaky) Announce(ctx context.Context, owner string, c lock.Counter, event audit.Event) error {
	return effect(ctx, f, "Announce", func(ctx context.Context) error { return f.Under.Announce(ctx, owner, c, event) })
}

func (f *Flaky) Use(ctx context.Context, u verify.Use) error {
	return effect(ctx, f, "Use", func(ctx context.Context) error { return f.Under.Use(ctx, u) })
}

func (f *Flaky) Sighting(ctx context.Context, cred, address string) (apikey.Sighting, error) {
	return through(ctx, f, "Sighting", func(ctx context.Context) (apikey.Sighting, error) {
		return f.Under.Sighting(ctx, cred, address)
	})
}

func (f *Flaky) See(ctx context.Context, cred string, old, next apikey.Sighting, event *audit.Event) error {
	return effect(ctx, f, "See", func(ctx context.Context) error { return f.Under.See(ctx, cred, old, next, event) })
}

func (f *Flaky) Tally(ctx context.Context, r usage.Row) error {
	return effect(ctx, f, "Tally", func(ctx context.Context) error { return f.Under.Tally(ctx, r) })
}

func (f *Flaky) Usage(ctx context.Context, k id.Key, from, to time.Time, after string, limit int) ([]usage.Row, string, error) {
	type page struct {
		rows []usage.Row
		next string
	}
	p, err := through(ctx, f, "Usage", func(ctx context.Context) (page, error) {
		rows, next, err := f.Under.Usage(ctx, k, from, to, after, limit)
		return page{rows, next}, err
	})
	return p.rows, p.next, err
}

func (f *Flaky) WrongSecrets(ctx context.Context, owner string, k id.Key, from, to time.Time) ([]lock.Source, error) {
	return through(ctx, f, "WrongSecrets", func(ctx context.Context) ([]lock.Source, error) {
		return f.Under.WrongSecrets(ctx, owner, k, from, to)
	})
}

func (f *Flaky) Deny(ctx context.Context, event audit.Event) error {
	return effect(ctx, f, "Deny", func(ctx context.Context) error { return f.Under.Deny(ctx, event) })
}
