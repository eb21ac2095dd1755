package dynamo

import (
	"context"

	"github.com/rekey-dev/rekey/pkg/accesstoken"
	"github.com/rekey-dev/rekey/pkg/apikey"
	"github.com/rekey-dev/rekey/pkg/audit"
	"github.com/rekey-dev/rekey/pkg/company"
	"github.com/rekey-dev/rekey/pkg/fault"
	"github.com/rekey-dev/rekey/pkg/id"
	"github.com/rekey-dev/rekey/pkg/msp"
	"github.com/rekey-dev/rekey/pkg/node"
	"github.com/rekey-dev/rekey/pkg/serviceaccount"
)

// one reads one object; a fault of kind not_found when it is not there.
func one[T any](ctx context.Context, s *Store, table string, k key, what string, decode func(item) (T, error)) (T, error) {
	var zero T
	it, err := s.getItem(ctx, table, k)
	if err != nil {
		return zero, err
	}
	if it == nil {
		return zero, fault.Missing(what)
	}
	return decode(it)
}

// MSP reads the provider.
func (s *Store) MSP(ctx context.Context) (_ msp.MSP, err error) {
	defer wrap(&err, "Store.MSP()")
	return one(ctx, s, s.tables.Directory, mspKey(), "provider", decodeMSP)
}

// Node reads a node.
func (s *Store) Node(ctx context.Context, n id.Node) (_ node.Node, err error) {
	defer wrap(&err, "Store.Node(%s)", n)
	return one(ctx, s, s.tables.Directory, nodeKey(n), "node", decodeNode)
}

// Company reads a company; one that was deleted is not there.
func (s *Store) Company(ctx context.Context, c id.Company) (_ company.Company, err error) {
	defer wrap(&err, "Store.Company(%s)", c)
	return one(ctx, s, s.tables.Identity, companyKey(c), "company", func(it item) (company.Company, error) {
		found, err := decodeCompany(it)
		if found.Status == company.Deleted {
			return company.Company{}, fault.Missing("company")
		}
		return found, err
	})
}

// Companies reads those companies that are there, deleted ones left out, in any order: one call for up to 100.
func (s *Store) Companies(ctx context.Context, ids []id.Company) (_ []company.Company, err error) {
	defer wrap(&err, "Store.Companies(%d)", len(ids))
	found, err := many(ctx, s, s.tables.Identity, unique(ids, companyKey), decodeCompany)
	out := found[:0]
	for _, c := range found {
		if c.Status != company.Deleted {
			out = append(out, c)
		}
	}
	return out, err
}

// Token reads a personal access token.
func (s *Store) Token(ctx context.Context, t id.PAT) (_ accesstoken.Token, err error) {
	defer wrap(&err, "Store.Token(%s)", t)
	return one(ctx, s, s.tables.Identity, tokenKey(t), "personal access token", decodeToken)
}

// Tokens reads those that are there, 100 a call.
func (s *Store) Tokens(ctx context.Context, ids []id.PAT) (_ []accesstoken.Token, err error) {
	defer wrap(&err, "Store.Tokens(%d)", len(ids))
	return many(ctx, s, s.tables.Identity, unique(ids, tokenKey), decodeToken)
}

// Account reads an account and what is written about it, a deleted one too: one query.
func (s *Store) Account(ctx context.Context, a id.ServiceAccount) (_ serviceaccount.Account, err error) {
	defer wrap(&err, "Store.Account(%s)", a)
	var out serviceaccount.Account
	about, account := aboutKey(a), accountKey(a) // neighbours: nothing else sorts between them
	err = s.all(ctx, query{table: s.tables.Identity, pk: account.pk, from: about.sk, to: account.sk}, func(it item) error {
		return addToAccount(&out, it)
	})
	if err == nil && out.ID == "" {
		err = fault.Missing("service account")
	}
	return out, err
}

// Accounts reads those that are there, 50 a call.
func (s *Store) Accounts(ctx context.Context, ids []id.ServiceAccount) (_ []serviceaccount.Account, err error) {
	defer wrap(&err, "Store.Accounts(%d)", len(ids))
	items, err := many(ctx, s, s.tables.Identity, append(unique(ids, accountKey), unique(ids, aboutKey)...), func(it item) (item, error) { return it, nil })
	if err != nil {
		return nil, err
	}
	byID := make(map[string]*serviceaccount.Account, len(ids))
	for _, it := range items {
		r := reader{it: it}
		pk := r.string(attrPK)
		if byID[pk] == nil {
			byID[pk] = &serviceaccount.Account{}
		}
		if err := addToAccount(byID[pk], it); err != nil {
			return nil, err
		}
	}
	out := make([]serviceaccount.Account, 0, len(byID))
	for _, a := range byID {
		if a.ID != "" {
			out = append(out, *a)
		}
	}
	return out, nil
}

// Key reads a key.
func (s *Store) Key(ctx context.Context, k id.Key) (_ apikey.Key, err error) {
	defer wrap(&err, "Store.Key(%s)", k)
	return one(ctx, s, s.tables.Identity, keyKey(k), "key", decodeKey)
}

// Keys reads those that are there, 100 a call.
func (s *Store) Keys(ctx context.Context, ids []id.Key) (_ []apikey.Key, err error) {
	defer wrap(&err, "Store.Keys(%d)", len(ids))
	return many(ctx, s, s.tables.Identity, unique(ids, keyKey), decodeKey)
}

// AuditEvent reads an audit record.
func (s *Store) AuditEvent(ctx context.Context, e id.Event) (_ audit.Event, err error) {
	defer wrap(&err, "Store.AuditEvent(%s)", e)
	return one(ctx, s, s.tables.Audit, eventKey(e), "audit event", decodeEvent)
}

// many reads any number of objects, in any order, and leaves out those that are not there.
func many[T any](ctx context.Context, s *Store, table string, keys []key, decode func(item) (T, error)) ([]T, error) {
	out := make([]T, 0, len(keys))
	for len(keys) > 0 {
		n := min(len(keys), batchLimit)
		items, err := s.batchGet(ctx, table, keys[:n], batchRetries)
		if err != nil {
			return nil, err
		}
		for _, it := range items {
			v, err := decode(it)
			if err != nil {
				return nil, err
			}
			out = append(out, v)
		}
		keys = keys[n:]
	}
	return out, nil
}

// batchRetries is how often what is left of a batch is asked for again, outside of verdicts.
const batchRetries = 5

// unique returns the keys of IDs without repetitions, which DynamoDB refuses.
func unique[T ~string](ids []T, build func(T) key) []key {
	seen := make(map[T]bool, len(ids))
	keys := make([]key, 0, len(ids))
	for _, i := range ids {
		if !seen[i] {
			seen[i] = true
			keys = append(keys, build(i))
		}
	}
	return keys
}
