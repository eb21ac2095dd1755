package storetest

import (
	"github.com/rekey-dev/rekey/pkg/accesstoken"
	"github.com/rekey-dev/rekey/pkg/company"
	"github.com/rekey-dev/rekey/pkg/employee"
	"github.com/rekey-dev/rekey/pkg/id"
	"github.com/rekey-dev/rekey/pkg/msp"
	"github.com/rekey-dev/rekey/pkg/node"
	"github.com/rekey-dev/rekey/pkg/place"
)

var placeTests = []test{
	{"there is one MSP", func(w *world) {
		_, err := w.store.MSP(w.ctx)
		w.notFound(err)
		m := msp.MSP{ID: newID[id.MSP](), Name: "Provider", RootNode: w.root.Node(), CreatedAt: w.now, Version: 1, EventSeq: 1}
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
