package apikey

import (
	"context"
	"slices"
	"strings"
	"time"

	"github.com/rekey-dev/rekey/pkg/audit"
	"github.com/rekey-dev/rekey/pkg/authz"
	"github.com/rekey-dev/rekey/pkg/call"
	"github.com/rekey-dev/rekey/pkg/fault"
	"github.com/rekey-dev/rekey/pkg/id"
	"github.com/rekey-dev/rekey/pkg/listing"
	"github.com/rekey-dev/rekey/pkg/permission"
	"github.com/rekey-dev/rekey/pkg/place"
	"github.com/rekey-dev/rekey/pkg/serviceaccount"
)

// Page is a part of a list of keys.
type Page struct {
	Keys []View
	Next string // position to go on from; "" at the end
}

// OfAccount lists an account's keys, newest first, ended ones included.
func (s *Service) OfAccount(ctx context.Context, c call.Call, account id.ServiceAccount, after string, limit int) (Page, error) {
	a, err := s.account(ctx, account)
	if err != nil {
		return Page{}, err
	}
	if err := c.Caller.Check(permission.KeysRead, authz.Object{Place: a.Place, Account: a.ID, What: "service account"}); err != nil {
		return Page{}, err
	}
	ids, next, err := s.Store.AccountKeys(ctx, a.ID, after, limit)
	if err != nil {
		return Page{}, err
	}
	views, err := s.views(ctx, ids)
	return Page{Keys: views, Next: next}, err
}

// OfAccountByName lists an account's keys by name, or by their end, ended ones included. It reads every key of the account.
func (s *Service) OfAccountByName(ctx context.Context, c call.Call, account id.ServiceAccount, f Filter, after string, limit int) (Page, error) {
	a, err := s.account(ctx, account)
	if err != nil {
		return Page{}, err
	}
	if err := c.Caller.Check(permission.KeysRead, authz.Object{Place: a.Place, Account: a.ID, What: "service account"}); err != nil {
		return Page{}, err
	}
	var all []View
	for position := ""; ; {
		ids, next, err := s.Store.AccountKeys(ctx, a.ID, position, 100)
		if err != nil {
			return Page{}, err
		}
		views, err := s.views(ctx, ids)
		if err != nil {
			return Page{}, err
		}
		all = append(all, views...)
		if position = next; position == "" {
			break
		}
	}
	prefix := s.Fold(f.Query)
	all = slices.DeleteFunc(f.keep(all, s.Now()), func(v View) bool {
		return s.position(v, f) <= after || string(v.Key.ID) != f.Query && !strings.HasPrefix(s.Fold(v.Key.Name), prefix)
	})
	slices.SortFunc(all, func(x, y View) int { return strings.Compare(s.position(x, f), s.position(y, f)) })
	if len(all) <= limit {
		return Page{Keys: all}, nil
	}
	return Page{Keys: all[:limit], Next: s.position(all[limit-1], f)}, nil
}

// position sorts by folded name, or by end, then ID.
func (s *Service) position(v View, f Filter) string {
	if f.byExpiry() {
		return v.Key.ExpiresAt.UTC().Format("2006-01-02T15:04:05.000") + "\x00" + string(v.Key.ID)
	}
	return s.Fold(v.Key.Name) + "\x00" + string(v.Key.ID)
}

// Filter narrows a list of keys; at most one of its members is set.
type Filter struct {
	Status    Status
	OwnerType string // service_account or gateway
	Prefix    string // of the secret: the characters that are shown
	Query     string // case-insensitive prefix of the name, or an exact ID
	Locked    bool   // only keys whose account is locked

	ExpiresBefore    time.Time // live keys that end before, soonest first; zero for no such filter
	UnusedSince      time.Time // live keys that were issued before and not used since
	RetiredSeenSince time.Time // keys of which a retired secret came in since
}

// byExpiry tells whether the list is by time instead of by name.
func (f Filter) byExpiry() bool { return !f.ExpiresBefore.IsZero() }

// List lists the keys of a place by name, or by their end; a page may come back short, or empty, although there are more.
func (s *Service) List(ctx context.Context, c call.Call, w listing.Where, f Filter, after string, limit int) (Page, error) {
	if err := c.Caller.Holds(permission.KeysRead); err != nil {
		return Page{}, err
	}
	at, err := w.Resolve(ctx, s.Store, c.Caller)
	if err != nil {
		return Page{}, err
	}
	if c.Caller.Type == audit.ServiceAccount && c.Caller.OwnAccount.Has(permission.KeysRead) {
		// Its role reaches its own account only: the list by place would only be thrown away.
		if !at.Covers(c.Caller.Place) || w.Direct && c.Caller.Place != at {
			return Page{}, nil
		}
		return s.OfAccountByName(ctx, c, id.ServiceAccount(c.Caller.ID), f, after, limit)
	}
	if k, ok := id.Parse[id.Key](f.Query); ok {
		return s.exact(ctx, at, w.Direct, k)
	}
	q := listing.Query{Noun: listing.Keys, Place: at.ID(), Direct: w.Direct, Prefix: f.Query, After: after}
	if f.byExpiry() {
		q.Noun, q.From, q.Before = listing.KeysByExpiry, s.Now(), f.ExpiresBefore
	}
	keys, next, err := listing.Collect(ctx, s.Store.List, q, limit, func(rows listing.Page) ([]View, error) {
		ids := make([]id.Key, len(rows.Rows))
		for i, r := range rows.Rows {
			ids[i] = id.Key(r.ID)
		}
		views, err := s.views(ctx, ids)
		return f.keep(views, s.Now()), err
	})
	return Page{Keys: keys, Next: next}, err
}

func (s *Service) exact(ctx context.Context, at place.Place, direct bool, k id.Key) (Page, error) {
	v, err := s.load(ctx, k)
	if fault.Is(err, fault.NotFound) || err == nil && (!at.Covers(v.Key.Place) || direct && v.Key.Place != at) {
		return Page{}, nil
	}
	if err != nil {
		return Page{}, err
	}
	return Page{Keys: []View{v}}, nil
}

// views reads keys by their IDs, in their order, with all that their status depends on. Keys of deleted accounts are left
// out.
func (s *Service) views(ctx context.Context, ids []id.Key) ([]View, error) {
	return s.viewsOf(ctx, ids, false)
}

func (s *Service) viewsOf(ctx context.Context, ids []id.Key, deleted bool) ([]View, error) {
	if len(ids) == 0 {
		return nil, nil
	}
	keys, err := s.Store.Keys(ctx, ids)
	if err != nil {
		return nil, err
	}
	byID := make(map[id.Key]Key, len(keys))
	owners := make(map[id.ServiceAccount]serviceaccount.Account)
	var accounts []id.ServiceAccount
	for _, k := range keys {
		byID[k.ID] = k
		if _, ok := owners[k.AccountID]; !ok {
			owners[k.AccountID] = serviceaccount.Account{}
			accounts = append(accounts, k.AccountID)
		}
	}
	found, err := s.Store.Accounts(ctx, accounts)
	if err != nil {
		return nil, err
	}
	for _, a := range found {
		owners[a.ID] = a
	}
	ends := make(map[id.ServiceAccount]map[int64]serviceaccount.Ended)
	var out []View
	for _, want := range ids {
		k, ok := byID[want]
		a := owners[k.AccountID]
		if !ok || a.ID == "" || a.Status == serviceaccount.Deleted && !deleted {
			continue
		}
		if (a.Status != serviceaccount.Active || a.IssueEpoch != k.IssueEpoch) && ends[a.ID] == nil {
			if ends[a.ID], err = s.Store.EpochEnds(ctx, a.ID); err != nil {
				return nil, err
			}
		}
		v, err := s.view(ctx, k, a, ends[a.ID])
		if err != nil {
			return nil, err
		}
		out = append(out, v)
	}
	return out, nil
}

func (f Filter) keep(views []View, now time.Time) []View {
	out := views[:0]
	for _, v := range views {
		switch {
		case f.Status != "" && v.State.Status != f.Status,
			f.OwnerType != "" && f.OwnerType != "service_account",
			f.Prefix != "" && v.Key.Prefix() != f.Prefix,
			f.Locked && !v.Account.Lock.Locked(now),
			f.byExpiry() && (!v.State.Live() || v.Key.ExpiresAt.IsZero() || !v.Key.ExpiresAt.Before(f.ExpiresBefore)),
			!f.UnusedSince.IsZero() && (!v.State.Live() || !v.Key.CreatedAt.Before(f.UnusedSince) || !v.Key.LastUsedAt.Before(f.UnusedSince)),
			!f.RetiredSeenSince.IsZero() && v.Key.RetiredSeenAt.Before(f.RetiredSeenSince):
			continue
		}
		out = append(out, v)
	}
	return out
}
