package dynamo

import (
	"github.com/rekey-dev/rekey/pkg/apikey"
	"github.com/rekey-dev/rekey/pkg/change"
	"github.com/rekey-dev/rekey/pkg/company"
	"github.com/rekey-dev/rekey/pkg/id"
	"github.com/rekey-dev/rekey/pkg/listing"
)

// companyRows returns the rows that list a company, at itself and at every node above it, and the reservation of its name: none
// once it is deleted.
func (s *Store) companyRows(c company.Company) []row {
	if c.Status == company.Deleted {
		return nil
	}
	folded := s.fold(c.Name)
	return append(listRows(listing.Companies, c.Place, folded, string(c.ID)),
		nameRow(listing.Companies, string(c.Place.Node()), folded, string(c.ID)))
}

func companyUse(c company.Company) []use {
	return []use{{holder: string(c.Place.Node()), counter: attrCompanies}}
}

func (b *builder) createCompany(w company.Create) {
	c := w.Company
	b.put(create(b.store.tables.Identity, companyKey(c.ID), encodeCompany(c), w, "the ID is taken"))
	b.newUse(string(c.ID), w)
	b.moveRows(w, nil, b.store.companyRows(c))
	b.moveUses(w, nil, companyUse(c))
}

func (b *builder) updateCompany(w company.Update) {
	b.replaceCompany(w, w.Old, w.New)
}

// replaceCompany puts a company in the place of what was read of it. Requests write nothing into its item, so nothing of theirs is
// lost.
func (b *builder) replaceCompany(w change.Write, old, c company.Company) {
	a := action{table: b.store.tables.Identity, key: companyKey(old.ID), item: encodeCompany(c), write: w, reason: "the company has changed"}
	e := &a.expr
	e.require(e.exists(attrPK))
	e.require(e.isInt(attrVersion, old.Version))
	e.require(e.isInt(attrEventSeq, old.EventSeq))
	b.put(a)
	b.moveRows(w, b.store.companyRows(old), b.store.companyRows(c))
}

// deleteCompany closes the counters of the company instead of removing them: revoked accounts of it, which may be deleted later,
// still count there.
func (b *builder) deleteCompany(w company.Delete) {
	b.replaceCompany(w, w.Old, w.New)
	used := action{table: b.store.tables.Directory, key: useKey(string(w.Old.ID)), write: w, reason: "something stands there"}
	e := &used.expr
	e.require(e.exists(attrPK))
	for _, counter := range standing {
		if counter == attrServiceAccounts {
			counter = attrActiveAccounts
		}
		e.require(e.isInt(counter, 0))
	}
	e.set(attrClosed, boolValue(true))
	b.put(used)
	b.moveUses(w, companyUse(w.Old), nil)
}

// inCompany holds a write of something new against the company that it is put in: that has to be active.
func (b *builder) inCompany(w change.Write, c id.Company) {
	if c == "" || b.open[c] {
		return
	}
	b.open[c] = true
	a := action{table: b.store.tables.Identity, key: companyKey(c), write: w, reason: "the company is not active"}
	a.expr.require(a.expr.compare(attrStatus, "=", stringValue(string(company.Active))))
	b.put(a)
}

// countKey adds a new key to its company's sum.
func (b *builder) countKey(w apikey.Create) {
	c := string(w.Key.Place.Company)
	if c == "" {
		return
	}
	b.moveUses(w, nil, []use{{holder: c, counter: attrKeySum}})
	b.useOf(c, w).room = w.Room
}

// requireRoom is the condition that a company has room for one more key.
func requireRoom(e *expression, r *apikey.Room) {
	if r.Counted == nil {
		e.require(e.missing(attrKeySum) + " OR " + e.compare(attrKeySum, "<", intValue(int64(r.Limit))))
		e.add(attrKeySum, 1)
		return
	}
	e.require(e.isInt(attrKeySum, int64(r.Counted.Sum)))
	e.setInt(attrKeySum, int64(r.Counted.Keys)+1)
}
