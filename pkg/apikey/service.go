package apikey

import (
	"context"
	"io"
	"time"

	"github.com/rekey-dev/rekey/pkg/audit"
	"github.com/rekey-dev/rekey/pkg/authz"
	"github.com/rekey-dev/rekey/pkg/call"
	"github.com/rekey-dev/rekey/pkg/change"
	"github.com/rekey-dev/rekey/pkg/delivery"
	"github.com/rekey-dev/rekey/pkg/fault"
	"github.com/rekey-dev/rekey/pkg/id"
	"github.com/rekey-dev/rekey/pkg/idempotency"
	"github.com/rekey-dev/rekey/pkg/listing"
	"github.com/rekey-dev/rekey/pkg/lock"
	"github.com/rekey-dev/rekey/pkg/mint"
	"github.com/rekey-dev/rekey/pkg/node"
	"github.com/rekey-dev/rekey/pkg/permission"
	"github.com/rekey-dev/rekey/pkg/policy"
	"github.com/rekey-dev/rekey/pkg/protectedapi"
	"github.com/rekey-dev/rekey/pkg/role"
	"github.com/rekey-dev/rekey/pkg/serviceaccount"
	"github.com/rekey-dev/rekey/pkg/token"
	"github.com/rekey-dev/rekey/pkg/usage"
)

// Store is what the use cases of keys read and write. Reads are strongly consistent; one object that is not there is a fault
// of kind not_found; a store that does not answer is a fault of kind unavailable.
type Store interface {
	listing.Places
	policy.Finder
	Account(ctx context.Context, a id.ServiceAccount) (serviceaccount.Account, error)
	Accounts(ctx context.Context, ids []id.ServiceAccount) ([]serviceaccount.Account, error)
	Key(ctx context.Context, k id.Key) (Key, error)
	Keys(ctx context.Context, ids []id.Key) ([]Key, error)
	AccountKeys(ctx context.Context, a id.ServiceAccount, after string, limit int) (ids []id.Key, next string, err error)
	LiveKeys(ctx context.Context, a serviceaccount.Account, now time.Time) ([]Key, error)
	EpochEnds(ctx context.Context, a id.ServiceAccount) (map[int64]serviceaccount.Ended, error)
	Sightings(ctx context.Context, k id.Key, limit int) ([]Sighting, error)
	WrongSecrets(ctx context.Context, owner string, k id.Key, from, to time.Time) ([]lock.Source, error)
	usage.Store
	protectedapi.Holdings
	ProtectedAPIs(ctx context.Context, ids []id.ProtectedAPI) ([]protectedapi.API, error)
	List(ctx context.Context, q listing.Query) (listing.Page, error)
	// Contents counts what stands directly at a node or a company.
	Contents(ctx context.Context, place string) (node.Contents, error)
	// Deny puts the record of a refusal; that it is there already is no error.
	Deny(ctx context.Context, event audit.Event) error
	// Commit carries out a change or none of it: see change.Set.
	Commit(ctx context.Context, s change.Set) error
	// Remember puts the record of a call that had nothing to change; *change.Repeated when an equal call was first.
	Remember(ctx context.Context, r idempotency.Record) error
}

// Service is the use cases of keys. Its fields are set once; it may be used by many goroutines.
type Service struct {
	Store Store
	Mint  *mint.Mint
	Fold  func(name string) string // the form in which names are sorted
	Now   func() time.Time
	Rand  io.Reader
	// Needs tells the permission that a route of rekey's own API needs, "" for none, by its method and the path's template; false
	// when there is no such route. Without it, as where no scopes change, nobody is warned.
	Needs func(method, route string) (permission.Permission, bool)
	// KeyLimit returns how many keys a company with a package may have, 0 for as many as it likes. Without it, as where no keys are
	// issued, nothing is limited. A rotation is not: its new key may exceed the limit for as long as the overlap lasts.
	KeyLimit func(packageID string) int
}

// Expiry is a key's end as a caller gave it: not at all, never (the zero time), or at a time.
type Expiry struct {
	Given bool
	At    time.Time
}

// Check refuses an end that is not in the future.
func (e Expiry) Check(now time.Time) error {
	if e.Given && !e.At.IsZero() && !e.At.After(now) {
		return fault.InvalidField("/expires_at", "is not in the future")
	}
	return nil
}

// View is a key with all that its status depends on.
type View struct {
	Key       Key
	Account   serviceaccount.Account
	State     State
	Sightings []Sighting // who still sends a retired secret of it, latest first, at most 10
	Warnings  []Warning  // of an issue or a patch: recent requests that the scopes would refuse, last used first
}

// Shown is a view of a key together with its new secret, which is shown once, or where that goes instead.
type Shown struct {
	View     View
	Secret   token.Secret
	Delivery delivery.Progress // the zero Progress of a secret that is shown
}

// load reads a key and all that its status depends on. A key of a deleted account is not there.
func (s *Service) load(ctx context.Context, k id.Key) (View, error) {
	key, err := s.Store.Key(ctx, k)
	if err != nil {
		return View{}, err
	}
	account, err := s.Store.Account(ctx, key.AccountID)
	if err != nil {
		return View{}, err
	}
	if account.Status == serviceaccount.Deleted {
		return View{}, fault.Missing("key")
	}
	return s.view(ctx, key, account, nil)
}

// view decides a key's state. ends may hold the account's epoch ends; they are read when they are needed and not there.
func (s *Service) view(ctx context.Context, k Key, a serviceaccount.Account, ends map[int64]serviceaccount.Ended) (View, error) {
	v := View{Key: k, Account: a}
	var end *serviceaccount.Ended
	if a.Status != serviceaccount.Active || a.IssueEpoch != k.IssueEpoch {
		if ends == nil {
			var err error
			if ends, err = s.Store.EpochEnds(ctx, a.ID); err != nil {
				return View{}, err
			}
		}
		if e, ok := ends[k.IssueEpoch]; ok {
			end = &e
		}
	}
	v.State = StateOf(k, a, end, s.Now())
	if !k.RetiredSeenAt.IsZero() {
		seen, err := s.Store.Sightings(ctx, k.ID, 10)
		if err != nil {
			return View{}, err
		}
		v.Sightings = seen
	}
	return v, nil
}

func object(k Key) authz.Object {
	return authz.Object{Place: k.Place, Account: k.AccountID, What: "key"}
}

func endedFault(v View) error {
	return fault.New(fault.Ended, "The key is "+string(v.State.Status)+" since "+
		v.State.Ended.At.UTC().Format(time.RFC3339)+"; that is final. Issue a new key.")
}

// roleOf returns the role of an account now; one that is not there grants nothing.
func (s *Service) roleOf(ctx context.Context, a serviceaccount.Account) (role.Role, error) {
	if r, ok := role.BuiltIn(a.RoleID); ok {
		return r, nil
	}
	r, err := s.Store.CustomRole(ctx, a.RoleID)
	if err != nil {
		return role.Role{}, err
	}
	if r == nil {
		return role.Role{ID: a.RoleID}, nil
	}
	return *r, nil
}

// commit carries out a change; an equal call that was first is answered with its answer.
func (s *Service) commit(ctx context.Context, c call.Call, set change.Set) error {
	return change.Settle(s.Store.Commit(ctx, set), c.Idempotency)
}

// unchanged answers a call that had nothing to change, and remembers the answer when the call can be repeated.
func (s *Service) unchanged(ctx context.Context, c call.Call, v View) (View, error) {
	record, err := c.Idempotency.Record(id.New[id.Operation](s.Rand), s.Now(), v, nil)
	if err != nil || record == nil {
		return v, err
	}
	return v, change.Settle(s.Store.Remember(ctx, *record), c.Idempotency)
}

// event begins the record of a change of a key.
func (s *Service) event(c call.Call, op id.Operation, now time.Time, action, what string, k Key) audit.Event {
	e := c.Event(id.New[id.Event](s.Rand), op, now)
	e.Action = action
	e.Target = audit.Target{Type: "key", ID: string(k.ID), Name: k.Name}
	e.Place = k.Place
	e.Seq = k.EventSeq
	e.Details = audit.KeyDetails(what, k.ID, k.Prefix(), k.Generation, names(k.Scopes), k.AccountID)
	return e
}

func names(s permission.Set) []string {
	out := make([]string, 0, s.Count())
	for _, p := range s.List() {
		out = append(out, string(p))
	}
	return out
}
