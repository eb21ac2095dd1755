package storetest

import (
	"github.com/rekey-dev/rekey/pkg/accesstoken"
	"github.com/rekey-dev/rekey/pkg/change"
	"github.com/rekey-dev/rekey/pkg/company"
	"github.com/rekey-dev/rekey/pkg/employee"
	"github.com/rekey-dev/rekey/pkg/id"
	"github.com/rekey-dev/rekey/pkg/listing"
	"github.com/rekey-dev/rekey/pkg/msp"
	"github.com/rekey-dev/rekey/pkg/node"
	"github.com/rekey-dev/rekey/pkg/place"
)

var placeTests = []test{
	{"there is one MSP", func(w *world) {
		_, err := w.store.MSP(w.ctx)
		w.notFound(err)
		m := msp.MSP{ID: newID[id.MSP](), Name: "Provider", RootNode: w.root.Node(), Owner: newID[id.Employee](), CreatedAt: w.now, Version: 1, EventSeq: 1}
		w.commit(w.set(w.happened("msp", string(m.ID), 1), msp.Create{MSP: m}))
		other := m
		other.ID = newID[id.MSP]()
		w.lost(w.set(w.happened("msp", string(other.ID), 1), msp.Create{MSP: other}), msp.Create{})
		got, err := w.store.MSP(w.ctx)
		w.NoError(err)
		w.same(m, got)
	}},
	{"one of many simultaneous set-ups makes the MSP", func(w *world) {
		errs := together(8, func(int) error {
			m := msp.MSP{ID: newID[id.MSP](), Name: "Provider", RootNode: w.root.Node(), CreatedAt: w.now, Version: 1, EventSeq: 1}
			return w.store.Commit(w.ctx, w.set(w.happened("msp", string(m.ID), 1), msp.Create{MSP: m}))
		})
		w.oneWon(errs)
	}},
	{"a node reads as it was written", func(w *world) {
		got, err := w.store.Node(w.ctx, w.below.Node())
		w.NoError(err)
		w.same(w.newNode("Below", w.root, w.below), got)
		_, err = w.store.Node(w.ctx, newID[id.Node]())
		w.notFound(err)
	}},
	{"a node's ID is taken once, and its name once among siblings", func(w *world) {
		again := w.newNode("Another name", w.root, w.below)
		w.lost(w.set(w.happened("node", string(again.ID), 1), node.Create{Node: again}), node.Create{})
		create := func(name string, parent place.Place) (s changeOf[node.Node]) {
			s.value = w.newNode(name, parent, parent.Child(newID[id.Node]()))
			s.set = w.set(w.happened("node", string(s.value.ID), 1), node.Create{Node: s.value})
			return s
		}
		w.commit(create("Straße", w.root).set)
		w.lost(create("STRASSE", w.root).set, node.Create{})
		w.lost(create("bELOW", w.root).set, node.Create{})
		w.commit(create("Straße", w.below).set)
	}},
	{"a node is renamed as it was read, and its old name is free again", func(w *world) {
		n := w.newNode("South", w.root, w.root.Child(newID[id.Node]()))
		w.commit(w.set(w.happened("node", string(n.ID), 1), node.Create{Node: n}))
		to := func(name string) (node.Node, change.Set) {
			next := n
			next.Name, next.UpdatedAt = name, w.now
			next.Version++
			next.EventSeq++
			return next, w.set(w.happened("node", string(n.ID), next.EventSeq), node.Update{Old: n, New: next})
		}
		_, taken := to("below")
		w.lost(taken, node.Update{})
		next, set := to("SOUTH")
		w.commit(set)
		got, err := w.store.Node(w.ctx, n.ID)
		w.NoError(err)
		w.same(next, got)
		_, stale := to("North")
		w.lost(stale, node.Update{})
		n = next
		next, set = to("North")
		w.commit(set)
		n = next
		again := w.newNode("South", w.root, w.root.Child(newID[id.Node]()))
		w.commit(w.set(w.happened("node", string(again.ID), 1), node.Create{Node: again}))
		w.Equal([]string{w.below.ID(), string(n.ID), string(again.ID)}, w.list(listing.Query{Noun: listing.Nodes, Place: w.root.ID(), Direct: true}, 1))
		w.Equal([]string{w.below.ID(), string(n.ID), w.root.ID(), string(again.ID)}, w.list(listing.Query{Noun: listing.Nodes, Place: w.root.ID()}, 2))
	}},
	{"nodes are listed at themselves and at every node above, their children by the reservations of their names", func(w *world) {
		at := w.below
		var ids []string
		for i := range 5 {
			n := w.newNode("c"+string(rune('a'+i)), at, at.Child(newID[id.Node]()))
			w.commit(w.set(w.happened("node", string(n.ID), 1), node.Create{Node: n}))
			at, ids = n.Place, append(ids, string(n.ID))
		}
		for _, limit := range []int{1, 2, 100} {
			w.Equal(append([]string{w.below.ID()}, ids...), w.list(listing.Query{Noun: listing.Nodes, Place: w.below.ID()}, limit))
			w.Equal(ids[2:], w.list(listing.Query{Noun: listing.Nodes, Place: ids[2]}, limit))
			w.Equal([]string{w.below.ID()}, w.list(listing.Query{Noun: listing.Nodes, Place: w.root.ID(), Direct: true}, limit))
			w.Equal([]string{ids[3]}, w.list(listing.Query{Noun: listing.Nodes, Place: ids[2], Direct: true, Prefix: "CD"}, limit))
			w.Empty(w.list(listing.Query{Noun: listing.Nodes, Place: ids[2], Direct: true, Prefix: "x"}, limit))
		}
		found, err := w.store.Nodes(w.ctx, []id.Node{at.Node(), newID[id.Node](), w.root.Node()})
		w.NoError(err)
		w.Len(found, 2)
	}},
	{"a node is deleted when nothing stands there", func(w *world) {
		for what, put := range map[string]func(at place.Place){
			"a node": func(at place.Place) {
				n := w.newNode("Child", at, at.Child(newID[id.Node]()))
				w.commit(w.set(w.happened("node", string(n.ID), 1), node.Create{Node: n}))
			},
			"a company": func(at place.Place) {
				c := w.newCompany("Acme", place.Place{Path: at.Path, Company: newID[id.Company]()})
				w.commit(w.set(w.happened("company", string(c.ID), 1), company.Create{Company: c}))
			},
			"an account": func(at place.Place) { w.account("Recorder", at) },
			"a policy":   func(at place.Place) { w.policyOf(nodePolicy(at), at) },
			"":           func(place.Place) {},
		} {
			n := w.newNode("of "+what, w.root, w.root.Child(newID[id.Node]()))
			w.commit(w.set(w.happened("node", string(n.ID), 1), node.Create{Node: n}))
			put(n.Place)
			contents, err := w.store.Contents(w.ctx, string(n.ID))
			w.NoError(err)
			remove := w.set(w.happened("node", string(n.ID), 2), node.Delete{Old: n})
			if what != "" {
				w.NotEqual(node.Contents{}, contents, what)
				w.lost(remove, node.Delete{})
				continue
			}
			w.Equal(node.Contents{}, contents)
			w.commit(remove)
			_, err = w.store.Node(w.ctx, n.ID)
			w.notFound(err)
			_, err = w.store.Contents(w.ctx, string(n.ID))
			w.notFound(err)
			w.NotContains(w.list(listing.Query{Noun: listing.Nodes, Place: w.root.ID()}, 100), string(n.ID))
			again := w.newNode("of "+what, w.root, w.root.Child(newID[id.Node]()))
			w.commit(w.set(w.happened("node", string(again.ID), 1), node.Create{Node: again}))
		}
	}},
	{"of a deletion and a creation below at the same moment one wins", func(w *world) {
		for range 10 {
			n := w.newNode("South", w.root, w.root.Child(newID[id.Node]()))
			w.commit(w.set(w.happened("node", string(n.ID), 1), node.Create{Node: n}))
			child := w.newNode("Child", n.Place, n.Place.Child(newID[id.Node]()))
			sets := []change.Set{w.set(w.happened("node", string(n.ID), 2), node.Delete{Old: n}),
				w.set(w.happened("node", string(child.ID), 1), node.Create{Node: child})}
			w.oneWon(together(2, func(i int) error { return w.store.Commit(w.ctx, sets[i]) }))
			_, gone := w.store.Node(w.ctx, n.ID)
			_, none := w.store.Node(w.ctx, child.ID)
			w.NotEqual(gone == nil, none != nil, "neither a child of nothing nor two losers")
			if gone == nil { // make room for the next name
				w.commit(w.set(w.happened("node", string(child.ID), 2), node.Delete{Old: child}))
				w.commit(w.set(w.happened("node", string(n.ID), 2), node.Delete{Old: n}))
			}
		}
	}},
	{"nodes and companies need the node above them", func(w *world) {
		nowhere := w.root.Child(newID[id.Node]())
		n := w.newNode("Lost", nowhere, nowhere.Child(newID[id.Node]()))
		w.lost(w.set(w.happened("node", string(n.ID), 1), node.Create{Node: n}), node.Create{})
		c := w.newCompany("Lost", place.Place{Path: nowhere.Path, Company: newID[id.Company]()})
		w.lost(w.set(w.happened("company", string(c.ID), 1), company.Create{Company: c}), company.Create{})
	}},
	{"the provider, its root, its owner and the owner's token are made in one change", func(w *world) {
		at := place.Place{Path: string(newID[id.Node]())}
		m := msp.MSP{ID: newID[id.MSP](), Name: "Provider", RootNode: at.Node(), CreatedAt: w.now, Version: 1, EventSeq: 1}
		e := w.hire(string(newID[id.Employee]()) + "@example.com").value
		e.Place = at
		t := w.newToken().value
		t.EmployeeID, t.Place = e.ID, at
		n := w.newNode("Provider", place.Place{}, at)
		record := w.happened("msp", string(m.ID), 1)
		record.Place = at
		w.commit(w.set(record, employee.Create{Employee: e}, accesstoken.Create{Token: t}, msp.Create{MSP: m}, node.Create{Node: n}))
		got, err := w.store.Employee(w.ctx, e.ID)
		w.NoError(err)
		w.same(e, got)
		gotToken, err := w.store.Token(w.ctx, t.ID)
		w.NoError(err)
		w.same(t, gotToken)
		gotNode, err := w.store.Node(w.ctx, at.Node())
		w.NoError(err)
		w.same(n, gotNode)
	}},
	{"a company reads as it was written", func(w *world) {
		got, err := w.store.Company(w.ctx, w.co.Company)
		w.NoError(err)
		w.same(w.newCompany("Acme", w.co), got)
		_, err = w.store.Company(w.ctx, newID[id.Company]())
		w.notFound(err)
	}},
	{"a company's ID is taken once, and its name once among siblings", func(w *world) {
		again := w.newCompany("Another name", w.co)
		w.lost(w.set(w.happened("company", string(again.ID), 1), company.Create{Company: again}), company.Create{})
		create := func(name string, at place.Place) (s changeOf[company.Company]) {
			at.Company = newID[id.Company]()
			s.value = w.newCompany(name, at)
			s.set = w.set(w.happened("company", string(s.value.ID), 1), company.Create{Company: s.value})
			return s
		}
		w.lost(create("ACME", w.below).set, company.Create{})
		w.commit(create("Acme", w.root).set)
	}},
}

func companyCreate(c company.Company) company.Create { return company.Create{Company: c} }
