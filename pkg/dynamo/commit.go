package dynamo

import (
	"context"
	"errors"
	"fmt"
	"maps"
	"slices"

	"github.com/rekey-dev/rekey/pkg/accesstoken"
	"github.com/rekey-dev/rekey/pkg/apikey"
	"github.com/rekey-dev/rekey/pkg/calendar"
	"github.com/rekey-dev/rekey/pkg/change"
	"github.com/rekey-dev/rekey/pkg/company"
	"github.com/rekey-dev/rekey/pkg/employee"
	"github.com/rekey-dev/rekey/pkg/id"
	"github.com/rekey-dev/rekey/pkg/listing"
	"github.com/rekey-dev/rekey/pkg/msp"
	"github.com/rekey-dev/rekey/pkg/node"
	"github.com/rekey-dev/rekey/pkg/onetime"
	"github.com/rekey-dev/rekey/pkg/passkey"
	"github.com/rekey-dev/rekey/pkg/policy"
	"github.com/rekey-dev/rekey/pkg/protectedapi"
	"github.com/rekey-dev/rekey/pkg/role"
	"github.com/rekey-dev/rekey/pkg/rotation"
	"github.com/rekey-dev/rekey/pkg/serviceaccount"
	"github.com/rekey-dev/rekey/pkg/session"
)

// Commit carries out a Set in one transaction: all of it or nothing, once.
func (s *Store) Commit(ctx context.Context, set change.Set) (err error) {
	defer wrap(&err, "Store.Commit(%s)", set.Operation)
	if err := set.Check(); err != nil {
		return err
	}
	t, err := s.transaction(set)
	if err != nil {
		return err
	}
	err = s.transact(ctx, t)
	var l *lost
	if !errors.As(err, &l) {
		return err
	}
	if set.Idempotency != nil && set.Idempotency.Amends == "" {
		// An equal call may have won, whichever condition failed first.
		winner, err := s.Idempotency(ctx, set.Idempotency.Scope, set.At)
		if err != nil {
			return err
		}
		if winner != nil {
			return &change.Repeated{Winner: *winner}
		}
	}
	failed := t.actions[l.failed[0]]
	return &change.Lost{Write: failed.write, Reason: fmt.Sprintf("%s (%s)", failed.reason, failed.key.pk)}
}

// transaction lays a Set out as actions: its writes, the counters that they move, its records, its idempotency record.
func (s *Store) transaction(set change.Set) (transaction, error) {
	b := builder{store: s, uses: make(map[string]*useChange), open: make(map[id.Company]bool)}
	for _, w := range set.Writes {
		if err := b.add(w); err != nil {
			return transaction{}, err
		}
	}
	b.addUses()
	for _, e := range set.Events {
		records, err := s.recordEvent(e)
		if err != nil {
			return transaction{}, err
		}
		b.actions = append(b.actions, records...)
	}
	if r := set.Idempotency; r != nil {
		b.actions = append(b.actions, s.idempotencyAction(*r, set.At))
	}
	return transaction{actions: b.actions, proof: set.Events[0]}, nil
}

// builder collects the actions of a Set.
type builder struct {
	store   *Store
	actions []action
	uses    map[string]*useChange
	open    map[id.Company]bool // companies that the Set needs to be active, each held to it once
}

func (b *builder) put(a action) { b.actions = append(b.actions, a) }

// add lays out one write.
func (b *builder) add(w change.Write) error {
	switch w := w.(type) {
	case msp.Create:
		b.put(create(b.store.tables.Directory, mspKey(), encodeMSP(w.MSP), w, "there is a provider already"))
		b.newUse(headcount, w)
	case node.Create:
		b.createNode(w)
	case node.Update:
		b.updateNode(w)
	case node.Delete:
		b.deleteNode(w)
	case company.Create:
		b.createCompany(w)
	case company.Update:
		b.updateCompany(w)
	case company.Delete:
		b.deleteCompany(w)
	case employee.Create:
		b.createEmployee(w)
	case employee.Update:
		b.replaceEmployee(w, w.Old, w.New)
	case employee.Delete:
		b.replaceEmployee(w, w.Old, w.New())
	case employee.SignIn:
		b.signIn(w)
	case employee.CountLetter:
		b.countLetter(w)
	case onetime.Create:
		b.createCode(w)
	case onetime.Spend:
		b.spendCode(w)
	case protectedapi.Create:
		return b.createProtectedAPI(w)
	case protectedapi.Update:
		return b.updateProtectedAPI(w)
	case protectedapi.Delete:
		b.deleteProtectedAPI(w)
	case role.Create:
		b.createRole(w)
	case role.Update:
		b.updateRole(w)
	case role.Delete:
		b.deleteRole(w)
	case role.Assign:
		b.assignRole(w)
	case accesstoken.Create:
		b.createToken(w)
	case accesstoken.Revoke:
		b.revokeToken(w)
	case accesstoken.Note:
		b.noteToken(w)
	case passkey.Create:
		b.createPasskey(w)
	case passkey.Use:
		b.usePasskey(w)
	case passkey.Delete:
		b.deletePasskey(w)
	case session.Create:
		b.createSession(w)
	case session.Note:
		b.noteSession(w)
	case session.Revoke:
		b.revokeSession(w)
	case serviceaccount.Create:
		b.createAccount(w)
	case serviceaccount.Update:
		b.updateAccount(w)
	case apikey.Create:
		b.createKey(w)
	case apikey.Update:
		b.updateKey(w)
	case rotation.Create:
		b.createRotation(w)
	case rotation.Update:
		b.updateRotation(w)
	case calendar.Create:
		b.createCalendar(w)
	case calendar.Update:
		b.updateCalendar(w)
	case calendar.Delete:
		b.deleteCalendar(w)
	case calendar.Use:
		b.useCalendar(w)
	case policy.Create:
		return b.createPolicy(w)
	case policy.Update:
		return b.updatePolicy(w)
	case policy.Delete:
		b.deletePolicy(w)
	default:
		return fmt.Errorf("no such write: %T", w)
	}
	return nil
}

func (b *builder) createToken(w accesstoken.Create) {
	t := w.Token
	b.put(create(b.store.tables.Identity, tokenKey(t.ID), encodeToken(t), w, "the ID is taken"))
	folded := b.store.fold(t.Name)
	own := row{key: rowKey(listing.Tokens, string(t.EmployeeID), folded, string(t.ID)), typ: typeRow, id: string(t.ID), place: t.Place.ID(),
		taken: "it is listed already"}
	b.moveRows(w, nil, append(listRows(listing.Tokens, t.Place, folded, string(t.ID)), own))
}

func (b *builder) revokeToken(w accesstoken.Revoke) {
	a := action{table: b.store.tables.Identity, key: tokenKey(w.Old.ID), write: w, reason: "the token has changed"}
	e := &a.expr
	e.require(e.exists(attrPK))
	e.require(e.isInt(attrVersion, w.Old.Version))
	e.require(e.isInt(attrEventSeq, w.Old.EventSeq))
	e.setTime(attrRevokedAt, w.At)
	e.setInt(attrVersion, w.Old.Version+1)
	e.setInt(attrEventSeq, w.Old.EventSeq+1)
	b.put(a)
}

func (b *builder) noteToken(w accesstoken.Note) {
	a := action{table: b.store.tables.Identity, key: tokenKey(w.Old.ID), write: w, reason: "the token has changed"}
	e := &a.expr
	e.require(e.exists(attrPK))
	e.require(e.isInt(attrVersion, w.Old.Version))
	e.require(e.isInt(attrEventSeq, w.Old.EventSeq))
	e.setInt(attrEventSeq, w.Old.EventSeq+1)
	b.put(a)
}

// moveRows deletes the rows that are no longer right and puts those that are new.
func (b *builder) moveRows(w change.Write, old, new []row) {
	table := b.store.tables.Directory
	for _, r := range old {
		if !slices.Contains(new, r) {
			b.put(action{table: table, key: r.key, delete: true, write: w})
		}
	}
	for _, r := range new {
		if !slices.Contains(old, r) {
			b.put(create(table, r.key, r.item(), w, r.taken))
		}
	}
}

// use is what an object counts for at a holder: a node, a company, a custom role, a calendar or the MSP.
type use struct{ holder, counter string }

// assignment is the use of a custom role by a kind of principal; nothing counts the built-in ones.
func assignment(r id.Role, by role.Assignee) []use {
	if role.IsBuiltIn(r) {
		return nil
	}
	return []use{{holder: string(r), counter: assignments(by)}}
}

// useChange is what one transaction does to a holder's counters.
type useChange struct {
	created bool
	deltas  map[string]int64
	room    *apikey.Room // for a new key of a company
	seats   int          // for a new employee of the MSP; 0 for no limit
	write   change.Write
}

func (b *builder) useOf(holder string, w change.Write) *useChange {
	u := b.uses[holder]
	if u == nil {
		u = &useChange{deltas: make(map[string]int64), write: w}
		b.uses[holder] = u
	}
	return u
}

// newUse makes the counters of a holder that the transaction creates.
func (b *builder) newUse(holder string, w change.Write) { b.useOf(holder, w).created = true }

// moveUses takes what an object counted for and adds what it counts for now.
func (b *builder) moveUses(w change.Write, old, new []use) {
	for _, u := range old {
		if !slices.Contains(new, u) {
			b.useOf(u.holder, w).deltas[u.counter]--
		}
	}
	for _, u := range new {
		if !slices.Contains(old, u) {
			b.useOf(u.holder, w).deltas[u.counter]++
		}
	}
}

// addUses lays out the changes of counters, one action a holder: set-up puts its owner at the node that it creates.
func (b *builder) addUses() {
	table := b.store.tables.Directory
	for _, holder := range slices.Sorted(maps.Keys(b.uses)) {
		u := b.uses[holder]
		if u.created {
			it := newItem(useKey(holder), typeUse)
			for counter, n := range u.deltas {
				it.int(counter, n)
			}
			b.put(create(table, useKey(holder), it, u.write, "the ID is taken"))
			continue
		}
		a := action{table: table, key: useKey(holder), write: u.write, reason: "there is no such place, role or calendar, or no room there"}
		if holder == headcount {
			b.put(b.count(u))
			continue
		}
		a.expr.require(a.expr.exists(attrPK))
		open := false
		for _, counter := range slices.Sorted(maps.Keys(u.deltas)) {
			n := u.deltas[counter]
			open = open || n > 0
			switch {
			case counter == attrKeySum && u.room != nil:
				requireRoom(&a.expr, u.room)
			case n != 0:
				a.expr.add(counter, n)
			}
		}
		if open {
			a.expr.require(a.expr.missing(attrClosed))
		}
		if a.expr.update() != nil {
			b.put(a)
		}
	}
}
