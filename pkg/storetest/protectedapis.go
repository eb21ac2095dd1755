package storetest

import (
	"fmt"
	"strings"
	"time"

	"github.com/rekey-dev/rekey/pkg/apikey"
	"github.com/rekey-dev/rekey/pkg/audit"
	"github.com/rekey-dev/rekey/pkg/change"
	"github.com/rekey-dev/rekey/pkg/id"
	"github.com/rekey-dev/rekey/pkg/listing"
	"github.com/rekey-dev/rekey/pkg/node"
	"github.com/rekey-dev/rekey/pkg/permission"
	"github.com/rekey-dev/rekey/pkg/place"
	"github.com/rekey-dev/rekey/pkg/protectedapi"
	"github.com/rekey-dev/rekey/pkg/verify"
)

// newAPI is a registration with a slug and a stage of its own.
func (w *world) newAPI(name string, at place.Place) protectedapi.API {
	i := newID[id.ProtectedAPI]()
	slug := "s" + strings.ToLower(id.Body(i)[:12])
	return protectedapi.API{ID: i, Name: name, Slug: slug, Place: at, GatewayID: strings.ToLower(id.Body(i)), Stage: "v1", Mode: protectedapi.Enforce,
		Scopes: []protectedapi.Scope{{Name: permission.Permission(slug + ":read"), Kind: permission.Read, Description: "reads\n\"all\""},
			{Name: permission.Permission(slug + ":drop"), Kind: permission.Delete}},
		Routes: []protectedapi.Route{{Method: "GET", Path: "/recordings/{id}", Scope: permission.Permission(slug + ":read")},
			{Method: "ANY", Path: "$default", Scope: permission.Permission(slug + ":drop")}},
		CreatedBy: "emp_00000000000000000001", CreatedByName: "Ada Lovelace", CreatedAt: w.now, UpdatedAt: w.now, Version: 1, EventSeq: 1}
}

func (w *world) onAPI(a protectedapi.API, seq int64) audit.Event {
	e := w.happened("protected_api", string(a.ID), seq)
	e.Place = a.Place
	return e
}

func (w *world) apiMade(a protectedapi.API) change.Set {
	return w.set(w.onAPI(a, 1), protectedapi.Create{API: a})
}

func (w *world) api(name string, at place.Place) protectedapi.API {
	w.t.Helper()
	a := w.newAPI(name, at)
	w.commit(w.apiMade(a))
	return a
}

func (w *world) editAPI(old protectedapi.API, f func(*protectedapi.API)) (protectedapi.API, change.Set) {
	n := old
	n.Version++
	n.EventSeq++
	n.UpdatedAt = w.now.Add(time.Hour)
	f(&n)
	return n, w.set(w.onAPI(old, n.EventSeq), protectedapi.Update{Old: old, New: n})
}

func (w *world) apiDeletion(a protectedapi.API) change.Set {
	return w.set(w.onAPI(a, a.EventSeq+1), protectedapi.Delete{Old: a})
}

// apiIs requires a registration wherever it is found: by its ID, by its stage, by its slug, in a verdict.
func (w *world) apiIs(a protectedapi.API) {
	w.t.Helper()
	got, err := w.store.ProtectedAPI(w.ctx, a.ID)
	w.NoError(err)
	w.same(a, got)
	held, err := w.store.Registered(w.ctx, a.GatewayID, a.Stage)
	w.NoError(err)
	w.Equal(a.ID, held)
	w.slugIs(a.Declared())
	g := a.Guard()
	w.same(&g, w.guard(a))
}

func (w *world) slugIs(want protectedapi.Declared) {
	w.t.Helper()
	declared, err := w.store.Declared(w.ctx, []string{want.Slug, want.Slug, "nowhere"})
	w.NoError(err)
	w.same([]protectedapi.Declared{want}, declared)
}

func (w *world) guard(a protectedapi.API) *protectedapi.Guard {
	w.t.Helper()
	return w.snapshot("", verify.Names{Principal: "sa_00000000000000000001", Guard: a.GatewayID + "/" + a.Stage}).Guard
}

var protectedAPITests = []test{
	{"a registration is read as it was written, by its ID, its stage, its slug and in a verdict", func(w *world) {
		a := w.newAPI("Recordings", w.below)
		_, err := w.store.ProtectedAPI(w.ctx, a.ID)
		w.notFound(err)
		none, err := w.store.Registered(w.ctx, a.GatewayID, a.Stage)
		w.NoError(err)
		w.Empty(none)
		w.Nil(w.guard(a))
		w.commit(w.apiMade(a))
		w.apiIs(a)
		w.lost(w.apiMade(a), protectedapi.Create{})

		bare := w.newAPI("Bare", w.root)
		bare.Scopes, bare.Routes, bare.Mode, bare.Stage, bare.CreatedBy, bare.CreatedByName = nil, nil, protectedapi.ContextOnly, "$default", "", ""
		w.commit(w.apiMade(bare))
		w.apiIs(bare)
		w.True(w.guard(bare).ContextOnly)
		all, err := w.store.ProtectedAPIs(w.ctx, []id.ProtectedAPI{bare.ID, newID[id.ProtectedAPI](), a.ID})
		w.NoError(err)
		w.Len(all, 2)
		for _, one := range all {
			w.same(map[id.ProtectedAPI]protectedapi.API{a.ID: a, bare.ID: bare}[one.ID], one)
		}
		other := a
		other.Stage = "v2"
		w.Nil(w.guard(other), "another stage is another registration")
		w.Nil(w.snapshot("", verify.Names{Principal: "sa_00000000000000000001"}).Guard)
	}},
	{"a registration is changed as it was read, and the next verdict reads the change", func(w *world) {
		a := w.api("Recordings", w.below)
		other := w.api("Alerts", w.below)
		w.api("Alerts", w.root) // another node's
		for i := range 6 {
			n, set := w.editAPI(a, func(n *protectedapi.API) {
				n.Mode = []protectedapi.Mode{protectedapi.ContextOnly, protectedapi.Enforce}[i%2]
				n.Scopes, n.Routes = n.Scopes[:1+i%2], n.Routes[:1]
				n.Scopes = append([]protectedapi.Scope(nil), n.Scopes...)
				n.Scopes[0].Kind = permission.Kinds[i%4]
				n.Scopes = append(n.Scopes, protectedapi.Scope{Name: permission.Permission(fmt.Sprintf("%s:x%d", n.Slug, i)), Kind: permission.Write})
			})
			w.commit(set)
			w.apiIs(n)
			_, stale := w.editAPI(a, func(n *protectedapi.API) { n.Routes = nil })
			w.lost(stale, protectedapi.Update{})
			w.lost(w.apiDeletion(a), protectedapi.Delete{})
			a = n
		}
		_, taken := w.editAPI(a, func(n *protectedapi.API) { n.Name = "ALERTS" })
		w.lost(taken, protectedapi.Update{})
		_, taken = w.editAPI(a, func(n *protectedapi.API) { n.GatewayID, n.Stage = other.GatewayID, other.Stage })
		w.lost(taken, protectedapi.Update{})
		n, set := w.editAPI(a, func(n *protectedapi.API) { n.Stage, n.Name = "v2", "Zeus" })
		w.commit(set)
		w.apiIs(n)
		w.Nil(w.guard(a), "the stage of before is free")
		b := w.newAPI("recordings", w.below)
		b.GatewayID, b.Stage = a.GatewayID, a.Stage
		w.commit(w.apiMade(b))
		w.apiIs(b)
		w.apiIs(n)
	}},
	{"a stage has one registration, and a slug belongs to its node for ever", func(w *world) {
		a := w.api("Recordings", w.below)
		b := w.newAPI("Others", w.below)
		b.GatewayID, b.Stage = a.GatewayID, a.Stage
		w.lost(w.apiMade(b), protectedapi.Create{})
		c := w.newAPI("Others", w.below)
		c.Slug = a.Slug
		w.lost(w.apiMade(c), protectedapi.Create{})
		w.apiIs(a)
		w.commit(w.apiDeletion(a))
		_, err := w.store.ProtectedAPI(w.ctx, a.ID)
		w.notFound(err)
		w.Nil(w.guard(a))
		w.slugIs(protectedapi.Declared{Slug: a.Slug, Place: a.Place})
		c.Place = w.root
		w.lost(w.apiMade(c), protectedapi.Create{})
		c.Place, c.Name = w.below, a.Name
		w.commit(w.apiMade(c))
		w.apiIs(c)
		w.commit(w.apiMade(b))
		w.apiIs(b)
	}},
	{"registrations are listed at their node and every node above, and once more at their node alone", func(w *world) {
		high, low := w.api("m", w.root), w.api("a", w.below)
		for _, limit := range []int{1, 100} {
			w.Equal([]string{string(low.ID), string(high.ID)}, w.list(listing.Query{Noun: listing.ProtectedAPIs, Place: w.root.ID()}, limit))
			w.Equal([]string{string(low.ID)}, w.list(listing.Query{Noun: listing.ProtectedAPIs, Place: w.below.ID(), Prefix: "A"}, limit))
			w.Equal([]string{string(high.ID)}, w.list(listing.Query{Noun: listing.ProtectedAPIsAt, Place: w.root.ID()}, limit))
			w.Equal([]string{string(high.ID)}, w.list(listing.Query{Noun: listing.ProtectedAPIs, Place: w.root.ID(), Direct: true}, limit))
		}
		n, set := w.editAPI(low, func(n *protectedapi.API) { n.Name = "zz" })
		w.commit(set)
		w.Equal([]string{string(high.ID), string(low.ID)}, w.list(listing.Query{Noun: listing.ProtectedAPIs, Place: w.root.ID()}, 1))
		w.commit(w.apiDeletion(n))
		w.Equal([]string{string(high.ID)}, w.list(listing.Query{Noun: listing.ProtectedAPIs, Place: w.root.ID()}, 1))
		w.Empty(w.list(listing.Query{Noun: listing.ProtectedAPIsAt, Place: w.below.ID()}, 1))
	}},
	{"a registration needs its node, and a node with one stays", func(w *world) {
		w.lost(w.apiMade(w.newAPI("Lost", w.root.Child(newID[id.Node]()))), protectedapi.Create{})
		for i := range 5 { // at the same moment: one of the two
			n := w.newNode(fmt.Sprint("South ", i), w.root, w.root.Child(newID[id.Node]()))
			w.commit(w.set(w.happened("node", string(n.ID), 1), node.Create{Node: n}))
			a := w.newAPI("Recordings", n.Place)
			sets := []change.Set{w.set(w.happened("node", string(n.ID), 2), node.Delete{Old: n}), w.apiMade(a)}
			if w.oneWon(together(2, func(i int) error { return w.store.Commit(w.ctx, sets[i]) })) == 1 {
				contents, err := w.store.Contents(w.ctx, string(n.ID))
				w.NoError(err)
				w.Equal(node.Contents{ProtectedAPIs: 1}, contents)
				w.lost(sets[0], node.Delete{})
				w.commit(w.apiDeletion(a))
				w.commit(w.set(w.happened("node", string(n.ID), 2), node.Delete{Old: n}))
			}
		}
	}},
	{"what a credential carries is read by its ID", func(w *world) {
		a := w.account("Recorder", w.co)
		k, t := w.key(a, "Production"), w.token()
		w.commit(w.editKey(k, func(n *apikey.Key) { n.Scopes = permission.Of("recordings:read", permission.KeysRead) }))
		for cred, want := range map[string]permission.Set{string(k.ID): permission.Of("recordings:read", permission.KeysRead), string(t.ID): t.Scopes,
			string(newID[id.Key]()): {}, string(newID[id.PAT]()): {}} {
			got, err := w.store.ScopesOf(w.ctx, cred)
			w.NoError(err)
			w.same(want, got)
		}
	}},
	{"of two registrations of a stage, or of a slug, at the same moment one wins", func(w *world) {
		for i := range 10 {
			a, b := w.newAPI("a"+string(newID[id.Operation]()), w.root), w.newAPI("b"+string(newID[id.Operation]()), w.below)
			if i%2 == 0 {
				b.GatewayID = a.GatewayID
			} else {
				b.Slug = a.Slug
			}
			sets := []change.Set{w.apiMade(a), w.apiMade(b)}
			won := w.oneWon(together(2, func(i int) error { return w.store.Commit(w.ctx, sets[i]) }))
			w.apiIs([]protectedapi.API{a, b}[won])
		}
	}},
}
