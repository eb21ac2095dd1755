package serviceaccount

import (
	"context"
	"slices"
	"strings"
	"sync"
	"time"

	"github.com/rekey-dev/rekey/pkg/audit"
	"github.com/rekey-dev/rekey/pkg/call"
	"github.com/rekey-dev/rekey/pkg/fault"
	"github.com/rekey-dev/rekey/pkg/id"
	"github.com/rekey-dev/rekey/pkg/listing"
	"github.com/rekey-dev/rekey/pkg/permission"
	"github.com/rekey-dev/rekey/pkg/place"
)

// Filter narrows a list of accounts; at most one of its members is set.
type Filter struct {
	Status     Status
	Locked     bool
	Query      string // case-insensitive prefix of the name, or an exact ID
	Tag        string
	ExternalID string
}

// Page is a part of a list of accounts.
type Page struct {
	Accounts []View
	Next     string // position to go on from; "" at the end
}

// List lists the accounts of a place by name; a page may come back short, or empty, although there are more.
func (s *Service) List(ctx context.Context, c call.Call, w listing.Where, f Filter, after string, limit int) (Page, error) {
	if err := c.Caller.Holds(permission.ServiceAccountsRead); err != nil {
		return Page{}, err
	}
	at, err := w.Resolve(ctx, s.Store, c.Caller)
	if err != nil {
		return Page{}, err
	}
	if c.Caller.Type == audit.ServiceAccount && c.Caller.OwnAccount.Has(permission.ServiceAccountsRead) {
		own, err := s.exact(ctx, at, w.Direct, id.ServiceAccount(c.Caller.ID), f)
		own.Accounts = slices.DeleteFunc(own.Accounts, func(v View) bool {
			return string(v.Account.ID) != f.Query && !strings.HasPrefix(s.Fold(v.Account.Name), s.Fold(f.Query))
		})
		return own, err
	}
	if account, ok := id.Parse[id.ServiceAccount](f.Query); ok {
		return s.exact(ctx, at, w.Direct, account, Filter{})
	}
	q := listing.Query{Noun: listing.ServiceAccounts, Place: at.ID(), Direct: w.Direct, Prefix: f.Query, After: after}
	accounts, next, err := listing.Collect(ctx, s.Store.List, q, limit, func(rows listing.Page) ([]View, error) {
		found, err := s.read(ctx, rows.Rows)
		if err != nil {
			return nil, err
		}
		return s.views(ctx, f.keep(found, s.Now()))
	})
	return Page{Accounts: accounts, Next: next}, err
}

func (s *Service) exact(ctx context.Context, at place.Place, direct bool, account id.ServiceAccount, f Filter) (Page, error) {
	a, err := s.load(ctx, account)
	if fault.Is(err, fault.NotFound) || err == nil && (!at.Covers(a.Place) || direct && a.Place != at) {
		return Page{}, nil
	}
	if err != nil {
		return Page{}, err
	}
	views, err := s.views(ctx, f.keep([]Account{a}, s.Now()))
	return Page{Accounts: views}, err
}

// read reads the accounts of rows, in their order; deleted ones are left out.
func (s *Service) read(ctx context.Context, rows []listing.Row) ([]Account, error) {
	if len(rows) == 0 {
		return nil, nil
	}
	ids := make([]id.ServiceAccount, len(rows))
	for i, r := range rows {
		ids[i] = id.ServiceAccount(r.ID)
	}
	accounts, err := s.Store.Accounts(ctx, ids)
	if err != nil {
		return nil, err
	}
	byID := make(map[id.ServiceAccount]Account, len(accounts))
	for _, a := range accounts {
		byID[a.ID] = a
	}
	out := make([]Account, 0, len(ids))
	for _, want := range ids {
		if a, ok := byID[want]; ok && a.Status != Deleted {
			out = append(out, a)
		}
	}
	return out, nil
}

func (f Filter) keep(accounts []Account, now time.Time) []Account {
	return slices.DeleteFunc(accounts, func(a Account) bool {
		return f.Status != "" && a.Status != f.Status ||
			f.Locked && !a.Lock.Locked(now) ||
			f.Tag != "" && !slices.Contains(a.Tags, f.Tag) ||
			f.ExternalID != "" && a.ExternalID != f.ExternalID
	})
}

// readers is how many accounts of a page are completed at once.
const readers = 8

// views completes accounts, several at once, in their order.
func (s *Service) views(ctx context.Context, accounts []Account) ([]View, error) {
	out, errs := make([]View, len(accounts)), make([]error, len(accounts))
	slots := make(chan struct{}, readers)
	var wg sync.WaitGroup
	for i, a := range accounts {
		slots <- struct{}{}
		wg.Go(func() {
			defer func() { <-slots }()
			out[i], errs[i] = s.view(ctx, a)
		})
	}
	wg.Wait()
	for _, err := range errs {
		if err != nil {
			return nil, err
		}
	}
	return out, nil
}
