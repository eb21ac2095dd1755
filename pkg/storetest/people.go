package storetest

import (
	"strings"
	"time"

	"github.com/rekey-dev/rekey/pkg/accesstoken"
	"github.com/rekey-dev/rekey/pkg/change"
	"github.com/rekey-dev/rekey/pkg/employee"
	"github.com/rekey-dev/rekey/pkg/id"
	"github.com/rekey-dev/rekey/pkg/listing"
	"github.com/rekey-dev/rekey/pkg/permission"
	"github.com/rekey-dev/rekey/pkg/place"
	"github.com/rekey-dev/rekey/pkg/verify"
)

// changeOf is a change together with what it writes.
type changeOf[T any] struct {
	value T
	set   change.Set
}

// oneWon requires that exactly one of many simultaneous changes happened, and that the others were lost.
func (w *world) oneWon(errs []error) (winner int) {
	w.t.Helper()
	won := 0
	for i, err := range errs {
		if err == nil {
			won, winner = won+1, i
			continue
		}
		w.ErrorIs(err, change.ErrLost)
	}
	w.Equal(1, won, "changes that happened")
	return winner
}

func (w *world) hire(email string) changeOf[employee.Employee] {
	e := w.newEmployee(email)
	return changeOf[employee.Employee]{e, w.set(w.happened("employee", string(e.ID), 1), employee.Create{Employee: e})}
}

func (w *world) newToken() changeOf[accesstoken.Token] {
	t := accesstoken.Token{ID: newID[id.PAT](), EmployeeID: newID[id.Employee](), Place: w.root, Name: "Laptop",
		Scopes: permission.All, Enrols: true, Generation: 1, MAC: newMAC(), PepperVersion: "v1", ExpiresAt: w.now.Add(90 * 24 * time.Hour),
		CreatedAt: w.now, Version: 1, EventSeq: 1}
	return changeOf[accesstoken.Token]{t, w.set(w.happened("personal_access_token", string(t.ID), 1), accesstoken.Create{Token: t})}
}

func (w *world) token() accesstoken.Token {
	w.t.Helper()
	t := w.newToken()
	w.commit(t.set)
	return t.value
}

func (w *world) revocation(t accesstoken.Token) change.Set {
	return w.set(w.happened("personal_access_token", string(t.ID), t.EventSeq+1),
		accesstoken.Revoke{Old: t, At: w.now.Add(time.Hour)})
}

var peopleTests = []test{
	{"an employee is found by ID, and by address in any case", func(w *world) {
		email := strings.ToLower(string(newID[id.Employee]())) + "@example.com"
		e := w.hire(email)
		w.commit(e.set)
		got, err := w.store.Employee(w.ctx, e.value.ID)
		w.NoError(err)
		w.same(e.value, got)
		got, err = w.store.EmployeeByEmail(w.ctx, strings.ToUpper(email))
		w.NoError(err)
		w.same(e.value, got)
		_, err = w.store.Employee(w.ctx, newID[id.Employee]())
		w.notFound(err)
		_, err = w.store.EmployeeByEmail(w.ctx, "nobody."+email)
		w.notFound(err)
	}},
	{"an employee's ID and address are taken once", func(w *world) {
		email := strings.ToLower(string(newID[id.Employee]())) + "@example.com"
		first := w.hire(email)
		w.commit(first.set)
		w.lost(w.hire(strings.ToUpper(email)).set, employee.Create{})
		again := first.value
		again.Email = "other." + email
		w.lost(w.set(w.happened("employee", string(again.ID), 1), employee.Create{Employee: again}), employee.Create{})
		_, err := w.store.EmployeeByEmail(w.ctx, again.Email)
		w.notFound(err)
	}},
	{"an employee needs a node and a role", func(w *world) {
		for _, spoil := range []func(*employee.Employee){
			func(e *employee.Employee) { e.Place = w.root.Child(newID[id.Node]()) },
			func(e *employee.Employee) { e.RoleID = newID[id.Role]() },
		} {
			e := w.hire(string(newID[id.Employee]()) + "@example.com").value
			spoil(&e)
			w.lost(w.set(w.happened("employee", string(e.ID), 1), employee.Create{Employee: e}), employee.Create{})
		}
	}},
	{"a personal access token reads as it was written, and its ID is taken once", func(w *world) {
		t := w.newToken()
		w.commit(t.set)
		got, err := w.store.Token(w.ctx, t.value.ID)
		w.NoError(err)
		w.same(t.value, got)
		w.lost(w.set(w.happened("personal_access_token", string(got.ID), 1), accesstoken.Create{Token: got}), accesstoken.Create{})
		_, err = w.store.Token(w.ctx, newID[id.PAT]())
		w.notFound(err)
	}},
	{"tokens are listed at their employee and at each place that covers it, by folded name, and go on being when they are revoked", func(w *world) {
		make := func(of id.Employee, name string, at place.Place) accesstoken.Token {
			t := w.newToken().value
			t.EmployeeID, t.Name, t.Place = of, name, at
			w.commit(w.set(w.happened("personal_access_token", string(t.ID), 1), accesstoken.Create{Token: t}))
			return t
		}
		one, other := newID[id.Employee](), newID[id.Employee]()
		zulu, first, second := make(one, "zulu", w.co), make(one, "Laptop", w.co), make(other, "laptop", w.co)
		if first.ID > second.ID {
			first, second = second, first
		}
		w.commit(w.revocation(zulu))
		w.Equal([]string{string(first.ID), string(second.ID), string(zulu.ID)}, w.list(listing.Query{Noun: listing.Tokens, Place: w.co.ID()}, 2))
		for _, at := range w.co.Ancestors() {
			got := w.list(listing.Query{Noun: listing.Tokens, Place: at}, 500)
			for _, t := range []accesstoken.Token{zulu, first, second} {
				w.Contains(got, string(t.ID))
			}
		}
		w.Equal([]string{string(zulu.ID)}, w.list(listing.Query{Noun: listing.Tokens, Place: string(one), Prefix: "Z"}, 1))
		for _, t := range []accesstoken.Token{first, second} {
			w.Contains(w.list(listing.Query{Noun: listing.Tokens, Place: string(t.EmployeeID)}, 1), string(t.ID))
		}
		w.Len(w.list(listing.Query{Noun: listing.Tokens, Place: string(one)}, 1), 2)
		w.Empty(w.list(listing.Query{Noun: listing.Tokens, Place: string(newID[id.Employee]())}, 1))
		got, err := w.store.Tokens(w.ctx, []id.PAT{first.ID, newID[id.PAT](), second.ID, first.ID})
		w.NoError(err)
		w.Subset([]id.PAT{first.ID, second.ID}, []id.PAT{got[0].ID, got[1].ID})
	}},
	{"a personal access token is revoked once", func(w *world) {
		t := w.token()
		w.commit(w.revocation(t))
		w.lost(w.revocation(t), accesstoken.Revoke{})
		got, err := w.store.Token(w.ctx, t.ID)
		w.NoError(err)
		t.RevokedAt, t.Version, t.EventSeq = w.now.Add(time.Hour), 2, 2
		w.same(t, got)
		c, err := w.store.Credential(w.ctx, string(t.ID))
		w.NoError(err)
		w.True(c.Revoked)
	}},
	{"a token's revocation is lost when another event was recorded on it, and not by a use", func(w *world) {
		t := w.token()
		c, err := w.store.Credential(w.ctx, string(t.ID))
		w.NoError(err)
		e := w.happened("personal_access_token", string(t.ID), 2)
		w.NoError(w.store.Use(w.ctx, verify.Use{Credential: c, Owner: string(t.ID), At: w.now, Address: home, Event: &e}))
		w.lost(w.revocation(t), accesstoken.Revoke{})
		t, err = w.store.Token(w.ctx, t.ID)
		w.NoError(err)
		c.EventSeq, c.UsedGen, c.LastUsedAt = 2, 1, w.now.Truncate(time.Minute)
		w.NoError(w.store.Use(w.ctx, verify.Use{Credential: c, Owner: string(t.ID), At: w.now.Add(time.Minute), Address: home,
			Source: w.source(string(t.ID), home)}))
		w.commit(w.revocation(t))
	}},
	{"a token that is not there is not revoked", func(w *world) {
		w.lost(w.revocation(w.newToken().value), accesstoken.Revoke{})
	}},
}
