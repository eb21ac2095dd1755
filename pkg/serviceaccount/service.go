package serviceaccount

import (
	"context"
	"io"
	"strconv"
	"time"

	"github.com/rekey-dev/rekey/pkg/audit"
	"github.com/rekey-dev/rekey/pkg/authz"
	"github.com/rekey-dev/rekey/pkg/call"
	"github.com/rekey-dev/rekey/pkg/change"
	"github.com/rekey-dev/rekey/pkg/fault"
	"github.com/rekey-dev/rekey/pkg/grant"
	"github.com/rekey-dev/rekey/pkg/id"
	"github.com/rekey-dev/rekey/pkg/idempotency"
	"github.com/rekey-dev/rekey/pkg/listing"
	"github.com/rekey-dev/rekey/pkg/lock"
	"github.com/rekey-dev/rekey/pkg/name"
	"github.com/rekey-dev/rekey/pkg/permission"
	"github.com/rekey-dev/rekey/pkg/place"
	"github.com/rekey-dev/rekey/pkg/role"
)

// Store is what the use cases of service accounts read and write. Reads are strongly consistent; one object that is not
// there is a fault of kind not_found; a store that does not answer is a fault of kind unavailable.
type Store interface {
	listing.Places
	Account(ctx context.Context, a id.ServiceAccount) (Account, error)
	Accounts(ctx context.Context, ids []id.ServiceAccount) ([]Account, error)
	grant.Roles
	Sources(ctx context.Context, owner string, epoch int64, now time.Time, limit int) ([]lock.Source, error)
	List(ctx context.Context, q listing.Query) (listing.Page, error)
	// Deny puts the record of a refusal; that it is there already is no error.
	Deny(ctx context.Context, event audit.Event) error
	// Commit carries out a change or none of it: see change.Set.
	Commit(ctx context.Context, s change.Set) error
	// Remember puts the record of a call that had nothing to change; *change.Repeated when an equal call was first.
	Remember(ctx context.Context, r idempotency.Record) error
}

// Keys is what accounts need to know of their keys.
type Keys interface {
	// Live returns the IDs of an account's keys that have not ended at now, newest first, from one strong read.
	Live(ctx context.Context, a Account, now time.Time) ([]id.Key, error)
	// LastUsed returns when any key of the account was last used; the zero time when none was.
	LastUsed(ctx context.Context, a Account) (time.Time, error)
}

// Service is the use cases of service accounts. Its fields are set once; it may be used by many goroutines.
type Service struct {
	Store Store
	Keys  Keys
	Fold  func(name string) string // the form in which names are compared
	Now   func() time.Time
	Rand  io.Reader
	// LockAt returns what the lock of a new account at a place has instead of lock.Default; the zero Policy for nothing.
	LockAt func(ctx context.Context, at place.Place) (lock.Policy, error)
}

// View is an account with what is shown of it beside what it holds.
type View struct {
	Account    Account
	LastUsedAt time.Time     // zero before the first use
	Sources    []lock.Source // of a locked account: who sent wrong secrets, most first, at most 10
}

func object(a Account) authz.Object {
	return authz.Object{Place: a.Place, Account: a.ID, What: "service account"}
}

// load reads an account; a deleted one is not there.
func (s *Service) load(ctx context.Context, account id.ServiceAccount) (Account, error) {
	a, err := s.Store.Account(ctx, account)
	if err == nil && a.Status == Deleted {
		err = fault.Missing("service account")
	}
	return a, err
}

func (s *Service) view(ctx context.Context, a Account) (View, error) {
	v := View{Account: a}
	var err error
	if v.LastUsedAt, err = s.Keys.LastUsed(ctx, a); err != nil {
		return View{}, err
	}
	if now := s.Now(); a.Lock.Locked(now) {
		v.Sources, err = s.Store.Sources(ctx, string(a.ID), a.Lock.Epoch, now, 10)
	}
	return v, err
}

// Get returns an account that the caller may see.
func (s *Service) Get(ctx context.Context, c call.Call, account id.ServiceAccount) (View, error) {
	a, err := s.load(ctx, account)
	if err != nil {
		return View{}, err
	}
	if err := c.Caller.Check(permission.ServiceAccountsRead, object(a)); err != nil {
		return View{}, err
	}
	return s.view(ctx, a)
}

// begin is the first part of every action on an account: it is there, the caller may, the call is new, the account is as
// the caller saw it. A refusal is recorded.
func (s *Service) begin(ctx context.Context, c call.Call, account id.ServiceAccount, p permission.Permission, action string) (Account, audit.Event, error) {
	a, err := s.load(ctx, account)
	if err != nil {
		return Account{}, audit.Event{}, err
	}
	refused := s.event(c, "", s.Now(), action, a)
	if err := c.Caller.Check(p, object(a)); err != nil {
		return Account{}, refused, c.Deny(ctx, s.Store.Deny, refused, err)
	}
	if err := c.Idempotency.Check(); err != nil {
		return Account{}, refused, err
	}
	return a, refused, c.Match.Check(string(a.ID), a.Version)
}

func (s *Service) event(c call.Call, op id.Operation, now time.Time, action string, a Account) audit.Event {
	e := c.Event(id.New[id.Event](s.Rand), op, now)
	e.Action, e.Place, e.Seq = action, a.Place, a.EventSeq
	e.Target = audit.Target{Type: "service_account", ID: string(a.ID), Name: a.Name}
	return e
}

// commit carries out a change; an equal call that was first is answered with its answer.
func (s *Service) commit(ctx context.Context, c call.Call, set change.Set) error {
	return change.Settle(s.Store.Commit(ctx, set), c.Idempotency)
}

// unchanged answers a call that had nothing to change, and remembers the answer when the call can be repeated.
func (s *Service) unchanged(ctx context.Context, c call.Call, a Account) (View, error) {
	v, err := s.view(ctx, a)
	if err != nil {
		return View{}, err
	}
	record, err := c.Idempotency.Record(id.New[id.Operation](s.Rand), s.Now(), v, nil)
	if err != nil || record == nil {
		return v, err
	}
	return v, change.Settle(s.Store.Remember(ctx, *record), c.Idempotency)
}

// assign checks that a role can be given to an account at a place by this caller, and returns what the change begins with.
func (s *Service) assign(ctx context.Context, c call.Call, r id.Role, at place.Place) ([]change.Write, error) {
	return grant.Assign(ctx, s.Store, c.Caller, r, role.ServiceAccount, at)
}

func pointer(list string, i int) string { return list + "/" + strconv.Itoa(i) }

func checkTexts(description, externalID *string, contacts, tags *[]string) []fault.Field {
	var bad []fault.Field
	add := func(pointer, problem string) {
		if problem != "" {
			bad = append(bad, fault.Field{Pointer: pointer, Detail: problem})
		}
	}
	if description != nil {
		add("/description", name.CheckDescription(*description))
	}
	if externalID != nil {
		add("/external_id", name.CheckExternalID(*externalID))
	}
	if contacts != nil {
		if len(*contacts) > name.MaxContacts {
			add("/contacts", "has more than 10 entries")
		}
		for i, c := range *contacts {
			add(pointer("/contacts", i), name.CheckEmail(c))
		}
	}
	if tags != nil {
		if len(*tags) > name.MaxTags {
			add("/tags", "has more than 10 entries")
		}
		seen := map[string]bool{}
		for i, t := range *tags {
			add(pointer("/tags", i), name.CheckTag(t))
			if seen[t] {
				add(pointer("/tags", i), "is listed twice")
			}
			seen[t] = true
		}
	}
	return bad
}
