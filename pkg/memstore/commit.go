package memstore

import (
	"context"
	"fmt"

	"github.com/rekey-dev/rekey/pkg/accesstoken"
	"github.com/rekey-dev/rekey/pkg/apikey"
	"github.com/rekey-dev/rekey/pkg/audit"
	"github.com/rekey-dev/rekey/pkg/calendar"
	"github.com/rekey-dev/rekey/pkg/change"
	"github.com/rekey-dev/rekey/pkg/company"
	"github.com/rekey-dev/rekey/pkg/employee"
	"github.com/rekey-dev/rekey/pkg/fold"
	"github.com/rekey-dev/rekey/pkg/id"
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

// transaction gathers what a Set would do while its conditions are looked at. No two writes may touch one item, so every
// condition can be judged on the state before.
type transaction struct {
	*Store
	made    map[string]bool // places that the Set itself creates
	touched map[string]bool
	effects []func()
}

func (s *Store) transaction(writes ...change.Write) *transaction {
	t := &transaction{Store: s, made: map[string]bool{}, touched: map[string]bool{}}
	for _, w := range writes {
		switch w := w.(type) {
		case node.Create:
			t.made[string(w.Node.ID)] = true
		case company.Create:
			t.made[string(w.Company.ID)] = true
		}
	}
	return t
}

// touch claims an item for one write.
func (t *transaction) touch(item string) {
	if t.touched[item] {
		panic("memstore: two writes of one item in one Set, which no transaction can do: " + item)
	}
	t.touched[item] = true
}

func (t *transaction) then(effect func()) { t.effects = append(t.effects, effect) }

func (t *transaction) commit() {
	for _, effect := range t.effects {
		effect()
	}
}

// Commit carries out a Set: all of it or nothing.
func (s *Store) Commit(ctx context.Context, set change.Set) error {
	if err := set.Check(); err != nil {
		return err
	}
	defer s.mu.Unlock()
	if err := s.begin(ctx); err != nil {
		return err
	}
	if e, ok := s.events[set.Events[0].ID]; ok && e.Operation == set.Operation {
		return nil // carried out before
	}
	t := s.transaction(set.Writes...)
	if r := set.Idempotency; r != nil {
		if r.Operation != set.Operation || r.Scope == "" {
			panic("memstore: an idempotency record without a scope, or of another operation: " + string(r.Operation))
		}
		old, ok := s.records[r.Scope]
		switch {
		case r.Amends != "" && old.Operation != r.Amends:
			return &change.Lost{Reason: "the call's record is another"}
		case r.Amends == "" && ok && set.At.Before(old.ExpiresAt):
			return &change.Repeated{Winner: copyRecord(old)}
		}
		kept := copyRecord(*r)
		kept.Amends = ""
		t.then(func() { s.records[kept.Scope] = kept })
	}
	for _, w := range set.Writes {
		if reason := t.write(w); reason != "" {
			return &change.Lost{Write: w, Reason: reason}
		}
	}
	for _, e := range set.Events {
		if lost := t.record(e); lost != nil {
			return lost
		}
	}
	t.commit()
	for _, e := range set.Events {
		s.checkSeq(e, set.Events)
	}
	return nil
}

// write judges the conditions of one write and returns the one that fails; "" when all hold.
func (t *transaction) write(w change.Write) string {
	switch w := w.(type) {
	case msp.Create:
		return t.createMSP(w)
	case node.Create:
		return t.createNode(w)
	case node.Update:
		return t.updateNode(w)
	case node.Delete:
		return t.deleteNode(w)
	case company.Create:
		return t.createCompany(w)
	case company.Update:
		return t.updateCompany(w)
	case company.Delete:
		return t.deleteCompany(w)
	case employee.Create:
		return t.createEmployee(w)
	case employee.Update:
		return t.replaceEmployee(w.Old, w.New)
	case employee.Delete:
		return t.replaceEmployee(w.Old, w.New())
	case employee.SignIn:
		return t.signIn(w)
	case employee.CountLetter:
		return t.countLetter(w)
	case onetime.Create:
		return t.createCode(w)
	case onetime.Spend:
		return t.spendCode(w)
	case protectedapi.Create:
		return t.createProtectedAPI(w)
	case protectedapi.Update:
		return t.updateProtectedAPI(w)
	case protectedapi.Delete:
		return t.deleteProtectedAPI(w)
	case role.Create:
		return t.createRole(w)
	case role.Update:
		return t.updateRole(w)
	case role.Delete:
		return t.deleteRole(w)
	case role.Assign:
		return t.assignRole(w)
	case accesstoken.Create:
		return t.createToken(w)
	case accesstoken.Revoke:
		return t.revokeToken(w)
	case accesstoken.Note:
		return t.noteToken(w)
	case passkey.Create:
		return t.createPasskey(w)
	case passkey.Use:
		return t.usePasskey(w)
	case passkey.Delete:
		return t.deletePasskey(w)
	case session.Create:
		return t.createSession(w)
	case session.Note:
		return t.noteSession(w)
	case session.Revoke:
		return t.revokeSession(w)
	case serviceaccount.Create:
		return t.createAccount(w)
	case serviceaccount.Update:
		return t.updateAccount(w)
	case apikey.Create:
		return t.createKey(w)
	case apikey.Update:
		return t.updateKey(w)
	case rotation.Create:
		return t.createRotation(w)
	case rotation.Update:
		return t.updateRotation(w)
	case calendar.Create:
		return t.createCalendar(w)
	case calendar.Update:
		return t.updateCalendar(w)
	case calendar.Delete:
		return t.deleteCalendar(w)
	case calendar.Use:
		return t.useCalendar(w)
	case policy.Create:
		return t.createPolicy(w)
	case policy.Update:
		return t.updatePolicy(w)
	case policy.Delete:
		return t.deletePolicy(w)
	}
	panic(fmt.Sprintf("memstore: a write that it does not know: %T", w))
}

// record puts an audit record, on the condition that its ID is new.
func (t *transaction) record(e audit.Event) *change.Lost {
	if _, ok := t.events[e.ID]; ok {
		return &change.Lost{Reason: "an audit record has this ID: " + string(e.ID)}
	}
	t.touch("audit record " + string(e.ID))
	kept := copyEvent(e)
	t.then(func() { t.events[kept.ID] = kept })
	return nil
}

// claim takes a name among its siblings; it reports false when one of them has it.
func (t *transaction) claim(noun, place, text string) bool {
	k := nameKey(noun, place, text)
	if t.names[k] {
		return false
	}
	t.touch("name " + k)
	t.then(func() { t.names[k] = true })
	return true
}

func (t *transaction) release(noun, place, text string) {
	k := nameKey(noun, place, text)
	t.touch("name " + k)
	t.then(func() { delete(t.names, k) })
}

func nameKey(noun, place, text string) string {
	return noun + "\x00" + place + "\x00" + fold.Name(text)
}

// checkSeq panics when the last of a target's records in a Set is not the one that its event seq names: then a number
// would be missing, or come twice, in the order that consumers rely on.
func (s *Store) checkSeq(e audit.Event, all []audit.Event) {
	for _, other := range all {
		if other.Target == e.Target && other.Seq > e.Seq {
			return
		}
	}
	seq, known := int64(0), false
	switch e.Target.Type {
	case "service_account":
		var a serviceaccount.Account
		a, known = s.accounts[id.ServiceAccount(e.Target.ID)]
		seq = a.EventSeq
	case "key":
		var k apikey.Key
		k, known = s.keys[id.Key(e.Target.ID)]
		seq = k.EventSeq
	case "rotation":
		var r rotation.Rotation
		r, known = s.rotations[id.Rotation(e.Target.ID)]
		seq = r.EventSeq
	case "policy":
		var p policy.Policy
		p, known = s.policies[s.policyAt[id.Policy(e.Target.ID)]]
		seq = p.EventSeq
	case "calendar":
		var c calendar.Calendar
		c, known = s.calendars[id.Calendar(e.Target.ID)]
		seq = c.EventSeq
	case "personal_access_token":
		var p heldToken
		p, known = s.tokens[id.PAT(e.Target.ID)]
		seq = p.EventSeq
	case "session":
		var p heldSession
		p, known = s.sessions[id.Session(e.Target.ID)]
		seq = p.EventSeq
	case "credential":
		var p passkey.Passkey
		p, known = s.passkeys[id.Credential(e.Target.ID)]
		seq = p.EventSeq
	case "employee":
		var p employee.Employee
		p, known = s.employees[id.Employee(e.Target.ID)]
		seq = p.EventSeq
	case "role":
		var r role.Custom
		r, known = s.roles[id.Role(e.Target.ID)]
		seq = r.EventSeq
	case "protected_api":
		var a protectedapi.API
		a, known = s.apis[id.ProtectedAPI(e.Target.ID)]
		seq = a.EventSeq
	case "node":
		var n node.Node
		n, known = s.nodes[id.Node(e.Target.ID)]
		seq = n.EventSeq
	case "company":
		var c company.Company
		c, known = s.companies[id.Company(e.Target.ID)]
		seq = c.EventSeq
	case "msp":
		if known = s.msp != nil; known {
			seq = s.msp.EventSeq
		}
	}
	if known && e.Outcome == audit.OK && seq != e.Seq {
		panic(fmt.Sprintf("memstore: the record %s of %s has seq %d, its target's event seq is %d: no write of the Set "+
			"raised it to that", e.Action, e.Target.ID, e.Seq, seq))
	}
}
