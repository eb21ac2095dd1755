package policy

import (
	"context"
	"io"
	"slices"
	"time"

	"github.com/rekey-dev/rekey/pkg/audit"
	"github.com/rekey-dev/rekey/pkg/authz"
	"github.com/rekey-dev/rekey/pkg/calendar"
	"github.com/rekey-dev/rekey/pkg/call"
	"github.com/rekey-dev/rekey/pkg/change"
	"github.com/rekey-dev/rekey/pkg/fault"
	"github.com/rekey-dev/rekey/pkg/id"
	"github.com/rekey-dev/rekey/pkg/listing"
	"github.com/rekey-dev/rekey/pkg/permission"
	"github.com/rekey-dev/rekey/pkg/serviceaccount"
)

// Store is what the use cases of policies read and write. Reads are strongly consistent; one object that is not there is a
// fault of kind not_found; a store that does not answer is a fault of kind unavailable.
type Store interface {
	listing.Places
	Finder
	Policy(ctx context.Context, p id.Policy) (Policy, error)
	Account(ctx context.Context, a id.ServiceAccount) (serviceaccount.Account, error)
	// Calendar reads a calendar with its events; Calendars those that are there, in any order, without.
	Calendar(ctx context.Context, c id.Calendar) (calendar.Calendar, error)
	Calendars(ctx context.Context, ids []id.Calendar) ([]calendar.Calendar, error)
	List(ctx context.Context, q listing.Query) (listing.Page, error)
	// Commit carries out a change or none of it: see change.Set.
	Commit(ctx context.Context, s change.Set) error
}

// Service is the use cases of policies. Its fields are set once; it may be used by many goroutines.
type Service struct {
	Store Store
	Now   func() time.Time
	Rand  io.Reader
}

func object(p Policy) authz.Object {
	o := authz.Object{Place: p.Place, What: "rotation policy"}
	if p.AttachedTo.Kind == ServiceAccount {
		o.Account = id.ServiceAccount(p.AttachedTo.ID)
	}
	return o
}

// Get returns a policy that the caller may see.
func (s *Service) Get(ctx context.Context, c call.Call, p id.Policy) (Policy, error) {
	found, err := s.Store.Policy(ctx, p)
	if err != nil {
		return Policy{}, err
	}
	if err := c.Caller.Check(permission.PoliciesRead, object(found)); err != nil {
		return Policy{}, err
	}
	return found, nil
}

// Effective returns what holds for an account that the caller may see the policies of.
func (s *Service) Effective(ctx context.Context, c call.Call, account id.ServiceAccount) (Effective, error) {
	a, err := s.account(ctx, c, account, permission.PoliciesRead)
	if err != nil {
		return Effective{}, err
	}
	return Resolve(ctx, s.Store, a)
}

// Resolve returns what holds for an account.
func (s *Service) Resolve(ctx context.Context, a serviceaccount.Account) (Effective, error) {
	return Resolve(ctx, s.Store, a)
}

// account reads an account at whose place the caller holds a permission. A deleted one is not there.
func (s *Service) account(ctx context.Context, c call.Call, account id.ServiceAccount, p permission.Permission) (serviceaccount.Account, error) {
	a, err := s.Store.Account(ctx, account)
	if err == nil && a.Status == serviceaccount.Deleted {
		err = fault.Missing("service account")
	}
	if err != nil {
		return serviceaccount.Account{}, err
	}
	return a, c.Caller.Check(p, authz.Object{Place: a.Place, Account: a.ID, What: "service account"})
}

// Page is a part of a list of policies.
type Page struct {
	Policies []Policy
	Next     string // position to go on from; "" at the end
}

// List lists the policies at a place and below it, by the ID of what they are attached to.
func (s *Service) List(ctx context.Context, c call.Call, w listing.Where, after string, limit int) (Page, error) {
	if err := c.Caller.Holds(permission.PoliciesRead); err != nil {
		return Page{}, err
	}
	at, err := w.Resolve(ctx, s.Store, c.Caller)
	if err != nil {
		return Page{}, err
	}
	q := listing.Query{Noun: listing.Policies, Place: at.ID(), Direct: w.Direct, After: after}
	policies, next, err := listing.Collect(ctx, s.Store.List, q, limit, func(rows listing.Page) ([]Policy, error) {
		attached := make([]string, len(rows.Rows))
		for i, r := range rows.Rows {
			attached[i] = r.ID
		}
		found, err := s.of(ctx, attached)
		return slices.DeleteFunc(found, func(p Policy) bool { return c.Caller.Check(permission.PoliciesRead, object(p)) != nil }), err
	})
	return Page{Policies: policies, Next: next}, err
}

// OfAccount lists the account's own policy, if it has one.
func (s *Service) OfAccount(ctx context.Context, c call.Call, account id.ServiceAccount) (Page, error) {
	if err := c.Caller.Holds(permission.PoliciesRead); err != nil {
		return Page{}, err
	}
	a, err := s.account(ctx, c, account, permission.PoliciesRead)
	if err != nil {
		return Page{}, err
	}
	found, err := s.of(ctx, []string{string(a.ID)})
	return Page{Policies: found}, err
}

// of reads policies by what they are attached to, in that order.
func (s *Service) of(ctx context.Context, attached []string) ([]Policy, error) {
	if len(attached) == 0 {
		return nil, nil
	}
	found, err := s.Store.PoliciesOf(ctx, attached)
	slices.SortFunc(found, func(a, b Policy) int {
		return slices.Index(attached, a.AttachedTo.ID) - slices.Index(attached, b.AttachedTo.ID)
	})
	return found, err
}

func (s *Service) event(c call.Call, op id.Operation, now time.Time, action string, p Policy) audit.Event {
	e := c.Event(id.New[id.Event](s.Rand), op, now)
	e.Action, e.Place, e.Seq = action, p.Place, p.EventSeq
	e.Target = audit.Target{Type: "policy", ID: string(p.ID), Name: p.AttachedTo.ID}
	e.Details = map[string]any{"attached_to": map[string]any{"type": string(p.AttachedTo.Kind), "id": p.AttachedTo.ID}}
	return e
}

// commit carries out a change; an equal call that was first is answered with its answer.
func (s *Service) commit(ctx context.Context, c call.Call, set change.Set) error {
	return change.Settle(s.Store.Commit(ctx, set), c.Idempotency)
}
