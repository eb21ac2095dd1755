package storetest

import (
	"time"

	"github.com/rekey-dev/rekey/pkg/change"
	"github.com/rekey-dev/rekey/pkg/id"
	"github.com/rekey-dev/rekey/pkg/lock"
	"github.com/rekey-dev/rekey/pkg/place"
	"github.com/rekey-dev/rekey/pkg/serviceaccount"
	"github.com/rekey-dev/rekey/pkg/verify"
)

var accountTests = []test{
	{"an account reads as it was written, at a node and in a company", func(w *world) {
		for _, at := range []place.Place{w.root, w.co} {
			a := w.account("Recorder", at)
			w.same(a, w.readAccount(a.ID))
		}
		bare := serviceaccount.Account{ID: newID[id.ServiceAccount](), Place: w.root, Name: "Bare", RoleID: "role_BuiltinViewer0000000",
			Status: serviceaccount.Active, CreatedAt: w.now, UpdatedAt: w.now, Version: 1, EventSeq: 1}
		w.commit(w.creation(bare))
		w.same(bare, w.readAccount(bare.ID))
		_, err := w.store.Account(w.ctx, newID[id.ServiceAccount]())
		w.notFound(err)
	}},
	{"the numbers of an account's lock are written with it, change with an edit, and are what a verdict reads", func(w *world) {
		a := w.newAccount("Recorder", w.co)
		a.LockPolicy = lock.Policy{Threshold: 3, Window: time.Minute, Duration: 24 * time.Hour, Strict: true}
		w.commit(w.creation(a))
		names := verify.Names{Principal: string(a.ID), Company: w.co.Company}
		seen := func(want lock.Policy) {
			w.Equal(want, w.readAccount(a.ID).LockPolicy)
			w.Equal(want, w.snapshot("", names).Principal.LockPolicy)
		}
		seen(a.LockPolicy)
		w.commit(w.issue(a, w.newKey(a, "K")))
		seen(a.LockPolicy)
		for _, p := range []lock.Policy{{Threshold: 100, Window: 24 * time.Hour, Duration: time.Minute}, {}, {Threshold: 10, Window: time.Hour, Duration: time.Hour}} {
			w.commit(w.edit(w.readAccount(a.ID), func(n *serviceaccount.Account) { n.LockPolicy = p }))
			seen(p)
		}
	}},
	{"an account's ID is taken once", func(w *world) {
		a := w.account("Recorder", w.root)
		again := w.newAccount("Another name", w.root)
		again.ID = a.ID
		w.lost(w.creation(again), serviceaccount.Create{})
		w.same(a, w.readAccount(a.ID))
		w.commit(w.creation(w.newAccount("Another name", w.root)))
	}},
	{"an account's name is taken once among siblings, whatever its case and composition", func(w *world) {
		w.account("Stra\u00dfe caf\u00e9", w.root)
		w.lost(w.creation(w.newAccount("STRASSE CAFE\u0301", w.root)), serviceaccount.Create{})
		w.account("Stra\u00dfe caf\u00e9", w.below)
		w.account("Stra\u00dfe caf\u00e9", w.co)
		w.lost(w.creation(w.newAccount("strasse caf\u00e9", w.co)), serviceaccount.Create{})
	}},
	{"an account may have the name of a node or a company", func(w *world) {
		w.account("Below", w.root)
		w.account("Acme", w.below)
	}},
	{"one of many simultaneous accounts gets the name", func(w *world) {
		sets := make([]change.Set, 8)
		for i := range sets {
			sets[i] = w.creation(w.newAccount("Recorder", w.co))
		}
		won := w.oneWon(together(len(sets), func(i int) error { return w.store.Commit(w.ctx, sets[i]) }))
		for i, s := range sets {
			if i == won {
				w.recorded(s.Events[0])
			} else {
				w.unrecorded(s)
			}
		}
	}},
	{"an account needs its node or company", func(w *world) {
		w.lost(w.creation(w.newAccount("Recorder", w.root.Child(newID[id.Node]()))), serviceaccount.Create{})
		nowhere := place.Place{Path: w.root.Path, Company: newID[id.Company]()}
		w.lost(w.creation(w.newAccount("Recorder", nowhere)), serviceaccount.Create{})
	}},
	{"an account needs its role", func(w *world) {
		a := w.newAccount("Recorder", w.root)
		a.RoleID = newID[id.Role]()
		w.lost(w.creation(a), serviceaccount.Create{})
		b := w.account("Exporter", w.root)
		w.lost(w.edit(b, func(n *serviceaccount.Account) { n.RoleID = a.RoleID }), serviceaccount.Update{})
		r := w.newRole("Reader", w.root)
		r.ID = a.RoleID
		w.commit(w.roleMade(r))
		w.commit(w.creation(a))
		w.commit(w.edit(b, func(n *serviceaccount.Account) { n.RoleID = a.RoleID }))
		w.Equal(a.RoleID, w.readAccount(b.ID).RoleID)
	}},
	{"accounts and keys that are there are returned, whatever else was asked for", func(w *world) {
		a, b := w.account("A", w.root), w.account("B", w.co)
		k := w.key(a, "K")
		accounts := []id.ServiceAccount{a.ID, b.ID, a.ID}
		keys := []id.Key{k.ID, k.ID}
		for range 230 {
			accounts = append(accounts, newID[id.ServiceAccount]())
			keys = append(keys, newID[id.Key]())
		}
		got, err := w.store.Accounts(w.ctx, accounts)
		w.NoError(err)
		found := map[id.ServiceAccount]bool{}
		for _, x := range got {
			found[x.ID] = true
		}
		w.Equal(map[id.ServiceAccount]bool{a.ID: true, b.ID: true}, found)
		gotKeys, err := w.store.Keys(w.ctx, keys)
		w.NoError(err)
		w.NotEmpty(gotKeys)
		for _, x := range gotKeys {
			w.same(k, x)
		}
		none, err := w.store.Accounts(w.ctx, nil)
		w.NoError(err)
		w.Empty(none)
		noKeys, err := w.store.Keys(w.ctx, nil)
		w.NoError(err)
		w.Empty(noKeys)
	}},
}
