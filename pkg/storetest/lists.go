package storetest

import (
	"slices"
	"strings"
	"time"

	"github.com/rekey-dev/rekey/pkg/apikey"
	"github.com/rekey-dev/rekey/pkg/id"
	"github.com/rekey-dev/rekey/pkg/listing"
	"github.com/rekey-dev/rekey/pkg/place"
	"github.com/rekey-dev/rekey/pkg/serviceaccount"
)

func accountsAt(p place.Place) listing.Query {
	return listing.Query{Noun: listing.ServiceAccounts, Place: p.ID()}
}

func keysAt(p place.Place) listing.Query { return listing.Query{Noun: listing.Keys, Place: p.ID()} }

// list goes through all pages of a query and returns the rows' IDs.
func (w *world) list(q listing.Query, limit int) []string {
	w.t.Helper()
	out := []string{}
	q.Limit = limit
	for range 100 {
		page, err := w.store.List(w.ctx, q)
		w.NoError(err)
		w.LessOrEqual(len(page.Rows), limit)
		for _, r := range page.Rows {
			out = append(out, r.ID)
		}
		if page.Next == "" {
			return out
		}
		w.NotEqual(q.After, page.Next, "a page that leads nowhere")
		q.After = page.Next
	}
	w.FailNow("a list without an end")
	return nil
}

var listTests = []test{
	{"a list is ordered by folded name, then ID, in pages of any size", func(w *world) {
		names := []string{"a", "A b", "a!", "ab", "\u00e9clair", "Zebra", "zulu", "a\U0001F511", "e", "\u00df", "SSx", "Strasse",
			"10", "9"}
		ids := map[string]string{}
		for _, n := range []int{3, 11, 0, 5, 13, 1, 8, 2, 10, 7, 12, 4, 9, 6} {
			a := w.account(names[n], w.co)
			ids[names[n]] = string(a.ID)
		}
		var want []string
		for _, n := range []string{"10", "9", "a", "A b", "a!", "ab", "a\U0001F511", "e", "\u00df", "SSx", "Strasse", "Zebra",
			"zulu", "\u00e9clair"} {
			want = append(want, ids[n])
		}
		for _, limit := range []int{1, 3, 14, 500} {
			w.Equal(want, w.list(accountsAt(w.co), limit), "with a limit of %d", limit)
		}
	}},
	{"keys are listed by their end, within a span of time, and move with it", func(w *world) {
		a := w.account("Recorder", w.co)
		at := func(d time.Duration) apikey.Key {
			k := w.newKey(a, "k")
			k.ExpiresAt = w.now.Add(d)
			w.commit(w.set(w.onKey(k, 1), apikey.Create{Key: k}))
			return k
		}
		third, first, second, outside := at(3*time.Hour), at(0), at(2*time.Hour), at(4*time.Hour)
		w.key(a, "never")
		for _, before := range []time.Time{w.now, w.now.Add(-time.Hour), {}} {
			w.Empty(w.list(listing.Query{Noun: listing.KeysByExpiry, Place: w.root.ID(), From: w.now, Before: before}, 10), "nothing is between the two")
		}
		q := listing.Query{Noun: listing.KeysByExpiry, Place: w.root.ID(), From: w.now, Before: w.now.Add(4 * time.Hour)}
		for _, limit := range []int{1, 2, 100} {
			w.Equal([]string{string(first.ID), string(second.ID), string(third.ID)}, w.list(q, limit))
		}
		w.commit(w.editKey(third, func(n *apikey.Key) { n.ExpiresAt = w.now.Add(time.Hour) }))
		w.commit(w.editKey(second, func(n *apikey.Key) { n.ExpiresAt = time.Time{} }))
		w.commit(w.editKey(outside, func(n *apikey.Key) { n.ExpiresAt = w.now.Add(-time.Millisecond) }))
		w.Equal([]string{string(first.ID), string(third.ID)}, w.list(q, 100))
		q.Direct = true
		w.Empty(w.list(q, 100))
	}},
	{"rows of one name are ordered by ID", func(w *world) {
		a := w.account("Recorder", w.root)
		var want []string
		for range 7 {
			want = append(want, string(w.key(a, "Same").ID))
		}
		slices.Sort(want)
		w.Equal(want, w.list(keysAt(w.root), 2))
	}},
	{"a list goes on after any of its rows", func(w *world) {
		for _, n := range []string{"a", "b", "c", "d"} {
			w.account(n, w.root)
		}
		q := accountsAt(w.root)
		q.Limit = 10
		page, err := w.store.List(w.ctx, q)
		w.NoError(err)
		w.Len(page.Rows, 4)
		for i, r := range page.Rows {
			q.After = r.Position
			rest, err := w.store.List(w.ctx, q)
			w.NoError(err)
			w.same(page.Rows[i+1:], rest.Rows)
		}
	}},
	{"a list can be cut to a prefix of the name", func(w *world) {
		ids := map[string]string{}
		for _, n := range []string{"Export", "export west", "EXPORTS", "exp", "expos\u00e9", "import"} {
			ids[n] = string(w.account(n, w.co).ID)
		}
		q := accountsAt(w.below)
		q.Prefix = "export"
		w.Equal([]string{ids["Export"], ids["export west"], ids["EXPORTS"]}, w.list(q, 2))
		q.Prefix = "expo"
		w.Len(w.list(q, 10), 4)
		q.Prefix = "EXPOSE\u0301"
		w.Equal([]string{ids["expos\u00e9"]}, w.list(q, 10), "prefixes are compared as names are")
		q.Prefix = "x"
		w.Empty(w.list(q, 10))
		q.Prefix = strings.Repeat("e", 100)
		w.Empty(w.list(q, 10))
	}},
	{"a list at a place has what is below it, and nothing beside it", func(w *world) {
		beside := place.Place{Path: w.below.Path, Company: newID[id.Company]()}
		c := w.newCompany("Beside", beside)
		w.commit(w.set(w.happened("company", string(c.ID), 1), companyCreate(c)))
		atRoot, atNode := w.account("a", w.root), w.account("b", w.below)
		inCompany, inOther := w.account("c", w.co), w.account("d", beside)
		all := []string{string(atRoot.ID), string(atNode.ID), string(inCompany.ID), string(inOther.ID)}
		w.Equal(all, w.list(accountsAt(w.root), 3))
		w.Equal(all[1:], w.list(accountsAt(w.below), 3))
		w.Equal(all[2:3], w.list(accountsAt(w.co), 3))
		w.Equal(all[3:], w.list(accountsAt(beside), 3))
		w.Empty(w.list(accountsAt(place.Place{Path: string(newID[id.Node]())}), 3))
	}},
	{"a direct list has only what stands at the place itself", func(w *world) {
		var want []string
		for _, n := range []string{"a", "b", "c"} {
			w.account(n, w.co)
			w.account(n, w.root)
			want = append(want, string(w.account(n, w.below).ID))
		}
		q := accountsAt(w.below)
		q.Direct = true
		for _, limit := range []int{1, 2, 10} {
			w.Equal(want, w.list(q, limit))
		}
		q = accountsAt(w.co)
		q.Direct = true
		w.Len(w.list(q, 10), 3)
	}},
	{"keys are listed at every place above their account", func(w *world) {
		a, b := w.account("A", w.co), w.account("B", w.root)
		k1, k2 := w.key(a, "one"), w.key(b, "two")
		w.Equal([]string{string(k1.ID), string(k2.ID)}, w.list(keysAt(w.root), 10))
		w.Equal([]string{string(k1.ID)}, w.list(keysAt(w.below), 10))
		w.Equal([]string{string(k1.ID)}, w.list(keysAt(w.co), 10))
		w.Equal([]string{string(a.ID)}, w.list(accountsAt(w.co), 10), "and not among the accounts")
	}},
	{"renamed objects move in every list", func(w *world) {
		a, b := w.account("a", w.co), w.account("b", w.co)
		k := w.key(a, "a")
		l := w.key(b, "b")
		a = w.readAccount(a.ID)
		w.commit(w.edit(a, func(n *serviceaccount.Account) { n.Name = "Z" }))
		w.commit(w.editKey(k, func(n *apikey.Key) { n.Name = "Z" }))
		for _, at := range []place.Place{w.root, w.below, w.co} {
			w.Equal([]string{string(b.ID), string(a.ID)}, w.list(accountsAt(at), 1))
			w.Equal([]string{string(l.ID), string(k.ID)}, w.list(keysAt(at), 1))
		}
		w.commit(w.edit(w.readAccount(a.ID), func(n *serviceaccount.Account) { n.Name = "z" }))
		w.commit(w.editKey(w.readKey(k.ID), func(n *apikey.Key) { n.Name = "z" }))
		w.Len(w.list(accountsAt(w.root), 10), 2)
		w.Len(w.list(keysAt(w.root), 10), 2)
	}},
	{"ended keys stay listed, deleted accounts do not", func(w *world) {
		a := w.account("a", w.co)
		k := w.key(a, "k")
		w.commit(w.editKey(k, func(n *apikey.Key) {
			n.Ended = &serviceaccount.Ended{At: w.now, By: "holder", Reason: apikey.ReasonCompromise}
		}))
		w.Len(w.list(keysAt(w.root), 10), 1)
		w.commit(w.edit(w.readAccount(a.ID), func(n *serviceaccount.Account) { n.Status = serviceaccount.Deleted }))
		for _, at := range []place.Place{w.root, w.below, w.co} {
			w.Empty(w.list(accountsAt(at), 10))
		}
	}},
}
