package storetest

import (
	"errors"

	"github.com/rekey-dev/rekey/pkg/apikey"
	"github.com/rekey-dev/rekey/pkg/calendar"
	"github.com/rekey-dev/rekey/pkg/change"
	"github.com/rekey-dev/rekey/pkg/company"
	"github.com/rekey-dev/rekey/pkg/id"
	"github.com/rekey-dev/rekey/pkg/listing"
	"github.com/rekey-dev/rekey/pkg/place"
	"github.com/rekey-dev/rekey/pkg/policy"
	"github.com/rekey-dev/rekey/pkg/serviceaccount"
)

// company puts a company and answers with it.
func (w *world) company(name string, under place.Place) company.Company {
	w.t.Helper()
	c := w.newCompany(name, place.Place{Path: under.Path, Company: newID[id.Company]()})
	c.PackageID, c.ExternalID, c.Tags = "business", "CMDB 4711", []string{"tier:gold", "blue"}
	c.Owner = company.Owner{FirstName: "Grace", LastName: "Hopper", Email: "grace@example.com"}
	c.CreatedBy, c.CreatedByName = "emp_00000000000000000001", "Ada Lovelace"
	w.commit(w.set(w.happened("company", string(c.ID), 1), company.Create{Company: c}))
	return c
}

// turn is the change of a company that an administrator makes.
func (w *world) turn(old company.Company, f func(*company.Company)) (company.Company, change.Set) {
	n := old
	n.Version++
	n.EventSeq++
	f(&n)
	return n, w.set(w.happened("company", string(old.ID), n.EventSeq), company.Update{Old: old, New: n})
}

func (w *world) suspend(old company.Company) (company.Company, change.Set) {
	return w.turn(old, func(c *company.Company) { c.Status = company.Suspended })
}

func (w *world) closing(old company.Company) change.Set {
	gone := old.Tombstone()
	gone.Version++
	gone.EventSeq++
	return w.set(w.happened("company", string(old.ID), gone.EventSeq), company.Delete{Old: old, New: gone})
}

// inRoom is the change that creates a key for which its company has to have room.
func (w *world) inRoom(a serviceaccount.Account, name string, r apikey.Room) change.Set {
	k := w.newKey(a, name)
	return w.set(w.onKey(k, 1), serviceaccount.Update{Old: a, KeysChanged: true, KeyCount: 1}, apikey.Create{Key: k, Room: &r})
}

func (w *world) sumOf(c id.Company) int {
	w.t.Helper()
	there, err := w.store.Contents(w.ctx, string(c))
	w.NoError(err)
	return there.Keys
}

var companyTests = []test{
	{"a company is changed as it was read, and its old name is free again", func(w *world) {
		c := w.company("Globex", w.below)
		got, err := w.store.Company(w.ctx, c.ID)
		w.NoError(err)
		w.same(c, got)
		_, taken := w.turn(c, func(n *company.Company) { n.Name = "ACME" })
		w.lost(taken, company.Update{})
		next, set := w.turn(c, func(n *company.Company) {
			n.Name, n.PackageID, n.Status, n.Tags, n.ExternalID, n.Owner.Email = "Initech", "starter", company.Suspended, nil, "", "g@example.com"
			n.SessionEpoch = 7
		})
		w.commit(set)
		got, err = w.store.Company(w.ctx, c.ID)
		w.NoError(err)
		w.same(next, got)
		_, stale := w.turn(c, func(n *company.Company) { n.Name = "Hooli" })
		w.lost(stale, company.Update{})
		_, seq := w.turn(next, func(n *company.Company) { n.Name = "Hooli" })
		u := seq.Writes[0].(company.Update)
		u.Old.EventSeq++
		seq.Writes[0] = u
		w.lost(seq, company.Update{})
		w.company("Globex", w.below)
	}},
	{"companies are listed at themselves and at every node above, a node's own by the reservations of their names", func(w *world) {
		a, b, z := w.company("beta", w.root), w.company("Alpha", w.below), w.company("Zulu", w.below)
		for _, limit := range []int{1, 2, 100} {
			w.Equal([]string{w.co.ID(), string(b.ID), string(a.ID), string(z.ID)}, w.list(listing.Query{Noun: listing.Companies, Place: w.root.ID()}, limit))
			w.Equal([]string{string(a.ID)}, w.list(listing.Query{Noun: listing.Companies, Place: w.root.ID(), Direct: true}, limit))
			w.Equal([]string{w.co.ID(), string(b.ID), string(z.ID)}, w.list(listing.Query{Noun: listing.Companies, Place: w.below.ID(), Direct: true}, limit))
			w.Equal([]string{w.co.ID(), string(b.ID)}, w.list(listing.Query{Noun: listing.Companies, Place: w.below.ID(), Direct: true, Prefix: "a"}, limit))
			w.Equal([]string{string(z.ID)}, w.list(listing.Query{Noun: listing.Companies, Place: string(z.ID)}, limit))
		}
		_, set := w.turn(b, func(n *company.Company) { n.Name = "yankee" })
		w.commit(set)
		w.Equal([]string{w.co.ID(), string(a.ID), string(b.ID), string(z.ID)}, w.list(listing.Query{Noun: listing.Companies, Place: w.root.ID()}, 2))
		found, err := w.store.Companies(w.ctx, []id.Company{a.ID, newID[id.Company](), z.ID})
		w.NoError(err)
		w.Len(found, 2)
	}},
	{"nothing new is put in a company that is not active", func(w *world) {
		c := w.company("Globex", w.below)
		a := w.account("Recorder", c.Place)
		c, set := w.suspend(c)
		w.commit(set)
		w.lost(w.creation(w.newAccount("Second", c.Place)), serviceaccount.Create{})
		w.lost(w.issue(a, w.newKey(a, "k")), apikey.Create{})
		w.Zero(w.sumOf(c.ID))
		_, set = w.turn(c, func(n *company.Company) { n.Status = company.Active })
		w.commit(set)
		w.commit(w.creation(w.newAccount("Second", c.Place)))
		w.commit(w.issue(a, w.newKey(a, "k")))
	}},
	{"a company is deleted when no account of it is active, and revoked ones can be deleted later", func(w *world) {
		for what, put := range map[string]func(at place.Place){
			"an account": func(at place.Place) { w.account("Recorder", at) },
			"a calendar": func(at place.Place) { w.calendar("Freezes", at) },
			"a policy":   func(at place.Place) { w.policyOf(policy.Attachment{Kind: policy.Company, ID: at.ID()}, at) },
		} {
			c := w.company("of "+what, w.below)
			put(c.Place)
			w.lost(w.closing(c), company.Delete{})
		}
		c := w.company("Globex", w.below)
		a := w.account("Recorder", c.Place)
		gone := w.account("Gone", c.Place)
		w.commit(w.edit(gone, func(n *serviceaccount.Account) { n.Status = serviceaccount.Deleted }))
		w.commit(w.revoke(a))
		there, err := w.store.Contents(w.ctx, string(c.ID))
		w.NoError(err)
		w.Equal(1, there.ServiceAccounts)
		w.Zero(there.ActiveAccounts)
		w.commit(w.closing(c))
		_, err = w.store.Company(w.ctx, c.ID)
		w.notFound(err)
		found, err := w.store.Companies(w.ctx, []id.Company{c.ID})
		w.NoError(err)
		w.Empty(found)
		w.NotContains(w.list(listing.Query{Noun: listing.Companies, Place: w.root.ID()}, 100), string(c.ID))
		w.company("Globex", w.below)
		w.lost(w.creation(w.newAccount("Late", c.Place)), serviceaccount.Create{})
		w.lost(w.calendarMade(w.newCalendar("Late", c.Place)), calendar.Create{})
		p := w.newPolicy(policy.Attachment{Kind: policy.Company, ID: string(c.ID)}, c.Place)
		w.lost(w.set(w.happened("policy", string(p.ID), 1), policy.Create{Policy: p}), policy.Create{})
		w.lost(w.closing(c), company.Delete{})
		a = w.readAccount(a.ID)
		w.commit(w.edit(a, func(n *serviceaccount.Account) { n.Status = serviceaccount.Deleted }))
	}},
	{"what a deleted company's node counts is gone with it", func(w *world) {
		before, err := w.store.Contents(w.ctx, w.below.ID())
		w.NoError(err)
		w.commit(w.closing(w.company("Globex", w.below)))
		after, err := w.store.Contents(w.ctx, w.below.ID())
		w.NoError(err)
		w.Equal(before, after)
	}},
	{"of a deletion, or a suspension, and something new at the same moment one wins", func(w *world) {
		for _, ends := range []func(company.Company) change.Set{w.closing, func(c company.Company) change.Set { _, s := w.suspend(c); return s }} {
			for range 8 {
				c := w.company("Globex "+string(newID[id.Company]()), w.below)
				made := w.newAccount("Recorder", c.Place)
				sets := []change.Set{ends(c), w.creation(made)}
				errs := together(2, func(i int) error { return w.store.Commit(w.ctx, sets[i]) })
				w.NoError(errors.Join(ignoreLost(errs[0]), ignoreLost(errs[1])))
				now, err := w.store.Company(w.ctx, c.ID)
				if errs[1] == nil && errs[0] == nil {
					w.NoError(err, "the account was first, and a suspension after it")
					w.Equal(company.Suspended, now.Status)
					continue
				}
				w.True(errs[0] == nil || errs[1] == nil, "not both lose")
			}
			for range 8 {
				c := w.company("Initech "+string(newID[id.Company]()), w.below)
				a := w.account("Recorder", c.Place)
				k := w.newKey(a, "k")
				_, suspension := w.suspend(c)
				sets := []change.Set{suspension, w.issue(a, k)}
				errs := together(2, func(i int) error { return w.store.Commit(w.ctx, sets[i]) })
				w.NoError(errs[0])
				w.NoError(ignoreLost(errs[1]))
				w.lost(w.issue(w.readAccount(a.ID), w.newKey(a, "late")), apikey.Create{})
			}
		}
	}},
	{"of a deletion and a calendar at the same moment one wins", func(w *world) {
		for range 8 {
			c := w.company("Globex "+string(newID[id.Company]()), w.below)
			sets := []change.Set{w.closing(c), w.calendarMade(w.newCalendar("Freezes", c.Place))}
			w.oneWon(together(2, func(i int) error { return w.store.Commit(w.ctx, sets[i]) }))
		}
	}},
	{"of many suspensions and resumptions at once each follows what it has read", func(w *world) {
		c := w.company("Globex", w.below)
		w.oneWon(together(8, func(i int) error {
			_, s := w.turn(c, func(n *company.Company) { n.Status = []company.Status{company.Suspended, company.Active}[i%2] })
			return w.store.Commit(w.ctx, s)
		}))
	}},
	{"a company has room for keys up to its limit, and for more once they are counted", func(w *world) {
		c := w.company("Globex", w.below)
		a := w.account("Recorder", c.Place)
		limit := apikey.Room{Limit: 2}
		for n := range 2 {
			w.commit(w.inRoom(w.readAccount(a.ID), "k", limit))
			w.Equal(n+1, w.sumOf(c.ID))
		}
		w.lost(w.inRoom(w.readAccount(a.ID), "k", limit), apikey.Create{})
		w.commit(w.issue(w.readAccount(a.ID), w.newKey(a, "a successor")))
		w.Equal(3, w.sumOf(c.ID), "whatever is added is counted")
		w.lost(w.inRoom(w.readAccount(a.ID), "k", apikey.Room{Limit: 2, Counted: &apikey.Counted{Sum: 2, Keys: 1}}), apikey.Create{})
		w.commit(w.inRoom(w.readAccount(a.ID), "k", apikey.Room{Limit: 2, Counted: &apikey.Counted{Sum: 3, Keys: 0}}))
		w.Equal(1, w.sumOf(c.ID))
		w.commit(w.inRoom(w.readAccount(a.ID), "k", limit))
	}},
	{"of many keys at once a company gets as many as it has room for", func(w *world) {
		c := w.company("Globex", w.below)
		var accounts []serviceaccount.Account
		for _, name := range []string{"a", "b", "c", "d", "e", "f"} {
			accounts = append(accounts, w.account(name, c.Place))
		}
		won := 0
		for _, err := range together(len(accounts), func(i int) error { return w.store.Commit(w.ctx, w.inRoom(accounts[i], "k", apikey.Room{Limit: 3})) }) {
			w.NoError(ignoreLost(err))
			if err == nil {
				won++
			}
		}
		w.Equal(3, won)
		w.Equal(3, w.sumOf(c.ID))
	}},
}

func ignoreLost(err error) error {
	if errors.Is(err, change.ErrLost) {
		return nil
	}
	return err
}
