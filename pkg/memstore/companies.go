package memstore

import (
	"context"

	"github.com/rekey-dev/rekey/pkg/apikey"
	"github.com/rekey-dev/rekey/pkg/company"
	"github.com/rekey-dev/rekey/pkg/fault"
	"github.com/rekey-dev/rekey/pkg/fold"
	"github.com/rekey-dev/rekey/pkg/id"
	"github.com/rekey-dev/rekey/pkg/node"
)

func (t *transaction) createCompany(w company.Create) string {
	c := copyCompany(w.Company)
	if _, ok := t.companies[c.ID]; ok {
		return "the company exists"
	}
	if !t.there(string(c.Place.Node())) {
		return "the company's node is not there"
	}
	if !t.claim("companies", string(c.Place.Node()), c.Name) {
		return "a sibling has the company's name"
	}
	t.touch("company " + string(c.ID))
	t.then(func() { t.companies[c.ID] = c })
	return ""
}

// sameCompany tells whether a company is as it was read; "" when it is.
func (t *transaction) sameCompany(old, next company.Company) string {
	c, ok := t.companies[old.ID]
	switch {
	case !ok:
		return "the company is not there"
	case c.Version != old.Version:
		return "the company's version is another"
	case c.EventSeq != old.EventSeq:
		return "the company's event seq is another"
	}
	if next.Place != c.Place || next.ID != c.ID {
		panic("memstore: an update of what never changes of a company: " + string(c.ID))
	}
	t.touch("company " + string(c.ID))
	return ""
}

func (t *transaction) updateCompany(w company.Update) string {
	if reason := t.sameCompany(w.Old, w.New); reason != "" {
		return reason
	}
	c, next := t.companies[w.Old.ID], copyCompany(w.New)
	if fold.Name(next.Name) != fold.Name(c.Name) {
		if !t.claim("companies", string(c.Place.Node()), next.Name) {
			return "a sibling has the company's new name"
		}
		t.release("companies", string(c.Place.Node()), c.Name)
	}
	t.then(func() { t.companies[c.ID] = next })
	return ""
}

func (t *transaction) deleteCompany(w company.Delete) string {
	if reason := t.sameCompany(w.Old, w.New); reason != "" {
		return reason
	}
	c, next := t.companies[w.Old.ID], copyCompany(w.New)
	stands := t.contents(string(c.ID))
	stands.ServiceAccounts, stands.Keys = 0, 0
	if stands != (node.Contents{}) {
		return "something stands there"
	}
	t.release("companies", string(c.Place.Node()), c.Name)
	t.then(func() { t.companies[c.ID] = next })
	return ""
}

// open tells whether something new may be put in a company, if it is one.
func (t *transaction) open(c id.Company) bool {
	return c == "" || t.companies[c].Status == company.Active
}

// countKey adds a new key to its company's sum; false when it has no room.
func (t *transaction) countKey(w apikey.Create) bool {
	c := w.Key.Place.Company
	if c == "" {
		return true
	}
	sum := t.keySums[c]
	if r := w.Room; r != nil {
		if r.Counted == nil && sum >= r.Limit || r.Counted != nil && sum != r.Counted.Sum {
			return false
		}
		if r.Counted != nil {
			sum = r.Counted.Keys
		}
	}
	t.touch("sum of " + string(c))
	t.then(func() { t.keySums[c] = sum + 1 })
	return true
}

// Company returns a company; one that was deleted is not there.
func (s *Store) Company(ctx context.Context, c id.Company) (company.Company, error) {
	found, err := one(ctx, s, s.companies, c, "company")
	if err == nil && found.Status == company.Deleted {
		return company.Company{}, fault.Missing("company")
	}
	return copyCompany(found), err
}

// Companies returns those that are there.
func (s *Store) Companies(ctx context.Context, ids []id.Company) ([]company.Company, error) {
	defer s.mu.Unlock()
	if err := s.begin(ctx); err != nil {
		return nil, err
	}
	var out []company.Company
	for _, c := range ids {
		if found, ok := s.companies[c]; ok && found.Status != company.Deleted {
			out = append(out, copyCompany(found))
		}
	}
	return out, nil
}
