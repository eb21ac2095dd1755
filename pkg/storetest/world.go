package storetest

import (
	"context"
	"crypto/rand"
	"sync"
	"testing"
	"time"

	"github.com/google/go-cmp/cmp"
	"github.com/google/go-cmp/cmp/cmpopts"
	"github.com/stretchr/testify/require"

	"github.com/rekey-dev/rekey/pkg/apikey"
	"github.com/rekey-dev/rekey/pkg/audit"
	"github.com/rekey-dev/rekey/pkg/change"
	"github.com/rekey-dev/rekey/pkg/company"
	"github.com/rekey-dev/rekey/pkg/employee"
	"github.com/rekey-dev/rekey/pkg/fault"
	"github.com/rekey-dev/rekey/pkg/id"
	"github.com/rekey-dev/rekey/pkg/node"
	"github.com/rekey-dev/rekey/pkg/permission"
	"github.com/rekey-dev/rekey/pkg/place"
	"github.com/rekey-dev/rekey/pkg/role"
	"github.com/rekey-dev/rekey/pkg/serviceaccount"
	"github.com/rekey-dev/rekey/pkg/token"
)

// world is what one test has to itself: a store with a root node, a node below it and a company there.
type world struct {
	*require.Assertions
	t     *testing.T
	ctx   context.Context
	store Store
	now   time.Time
	root  place.Place
	below place.Place
	co    place.Place
}

func newWorld(t *testing.T, s Store) *world {
	w := &world{Assertions: require.New(t), t: t, ctx: t.Context(), store: s,
		now: time.Date(2031, time.March, 4, 5, 6, 7, 0, time.UTC)}
	w.root = place.Place{Path: string(newID[id.Node]())}
	w.below = w.root.Child(newID[id.Node]())
	w.co = place.Place{Path: w.below.Path, Company: newID[id.Company]()}
	w.commit(w.set(w.happened("node", w.root.ID(), 1), node.Create{Node: w.newNode("Root", place.Place{}, w.root)}))
	w.commit(w.set(w.happened("node", w.below.ID(), 1), node.Create{Node: w.newNode("Below", w.root, w.below)}))
	w.commit(w.set(w.happened("company", w.co.ID(), 1), company.Create{Company: w.newCompany("Acme", w.co)}))
	return w
}

func newID[T id.Kind]() T { return id.New[T](rand.Reader) }

// Making values. None of these writes.

func (w *world) newNode(name string, parent, at place.Place) node.Node {
	return node.Node{ID: at.Node(), ParentID: parent.Node(), Name: name, Place: at, CreatedAt: w.now, UpdatedAt: w.now,
		Version: 1, EventSeq: 1}
}

func (w *world) newCompany(name string, at place.Place) company.Company {
	return company.Company{ID: at.Company, Name: name, Place: at, Status: company.Active, CreatedAt: w.now,
		UpdatedAt: w.now, Version: 1, EventSeq: 1}
}

func (w *world) newEmployee(email string) employee.Employee {
	return employee.Employee{ID: newID[id.Employee](), Email: email, FirstName: "Ada", LastName: "Lovelace", Place: w.root,
		RoleID: role.Owner, Status: employee.Active, CreatedAt: w.now, UpdatedAt: w.now, Version: 1, EventSeq: 1}
}

func (w *world) newAccount(name string, at place.Place) serviceaccount.Account {
	return serviceaccount.Account{ID: newID[id.ServiceAccount](), Place: at, Name: name, Description: "owned by\nteam blue",
		RoleID: role.Integration, Status: serviceaccount.Active, Contacts: []string{"blue@example.com", "ops@example.com"},
		ExternalID: "CMDB 4711", Tags: []string{"env:prod", "blue"}, CreatedBy: "emp_00000000000000000001",
		CreatedByName: "Ada Lovelace", CreatedAt: w.now, UpdatedAt: w.now, Version: 1, EventSeq: 1}
}

func (w *world) newKey(a serviceaccount.Account, name string) apikey.Key {
	return apikey.Key{ID: newID[id.Key](), Kind: token.ServiceAccountKey, AccountID: a.ID, Place: a.Place, Name: name,
		Scopes: permission.Of(permission.KeysRead, permission.ServiceAccountsRead), RoleHint: a.RoleID, Generation: 1,
		IssueEpoch: a.IssueEpoch, MAC: newMAC(), PepperVersion: "v1", ExpiresAt: w.now.Add(90 * 24 * time.Hour),
		NoticeFrom: w.now.Add(60 * 24 * time.Hour), CreatedBy: "emp_00000000000000000001", CreatedByName: "Ada Lovelace",
		CreatedAt: w.now, UpdatedAt: w.now, Version: 1, EventSeq: 1}
}

func newMAC() []byte {
	b := make([]byte, token.MACLength)
	rand.Read(b)
	return b
}

// happened is the record of something that was done to an object.
func (w *world) happened(noun, object string, seq int64) audit.Event {
	return audit.Event{ID: newID[id.Event](), Seq: seq, At: w.now, Action: noun + ".changed",
		Actor: audit.Actor{Type: audit.Employee, ID: "emp_00000000000000000001", Name: "Ada Lovelace",
			KeyID: "pat_00000000000000000001", KeyPrefix: "rkp_0000"},
		Target: audit.Target{Type: noun, ID: object, Name: "its name"}, Place: w.root, SourceIP: "192.0.2.1",
		UserAgent: "suite/1", RequestID: "00000000-0000-4000-8000-000000000001", Outcome: audit.OK,
		Details: map[string]any{"change": "made"}, Operation: newID[id.Operation]()}
}

func (w *world) onAccount(a serviceaccount.Account, seq int64) audit.Event {
	e := w.happened("service_account", string(a.ID), seq)
	e.Place = a.Place
	return e
}

func (w *world) onKey(k apikey.Key, seq int64) audit.Event {
	e := w.happened("key", string(k.ID), seq)
	e.Place = k.Place
	e.Details = audit.KeyDetails(audit.KeyIssued, k.ID, k.Prefix(), k.Generation, []string{"keys:read"}, k.AccountID)
	return e
}

// set is a change with one record.
func (w *world) set(e audit.Event, writes ...change.Write) change.Set {
	return change.Set{Operation: e.Operation, At: w.now, Events: []audit.Event{e}, Writes: writes}
}

// creation is the change that creates an account.
func (w *world) creation(a serviceaccount.Account) change.Set {
	return w.set(w.onAccount(a, 1), serviceaccount.Create{Account: a})
}

// issue is the change that creates a key of an account.
func (w *world) issue(a serviceaccount.Account, k apikey.Key) change.Set {
	return w.set(w.onKey(k, 1), serviceaccount.Update{Old: a, KeysChanged: true, KeyCount: 1}, apikey.Create{Key: k})
}

// edit is the change that an administrator makes of an account.
func (w *world) edit(old serviceaccount.Account, f func(*serviceaccount.Account)) change.Set {
	n := old
	n.Version++
	n.EventSeq++
	f(&n)
	return w.set(w.onAccount(old, n.EventSeq), serviceaccount.Update{Old: old, New: &n})
}

// editKey is the change of a key alone.
func (w *world) editKey(old apikey.Key, f func(*apikey.Key)) change.Set {
	n := old
	n.Version++
	n.EventSeq++
	f(&n)
	return w.set(w.onKey(old, n.EventSeq), apikey.Update{Old: old, New: n})
}

// Writing. Each of these commits, and answers with what can be read then.

func (w *world) commit(s change.Set) {
	w.t.Helper()
	w.NoError(w.store.Commit(w.ctx, s))
}

func (w *world) account(name string, at place.Place) serviceaccount.Account {
	w.t.Helper()
	a := w.newAccount(name, at)
	w.commit(w.creation(a))
	return a
}

func (w *world) key(a serviceaccount.Account, name string) apikey.Key {
	w.t.Helper()
	k := w.newKey(a, name)
	w.commit(w.issue(a, k))
	return k
}

func (w *world) readAccount(a id.ServiceAccount) serviceaccount.Account {
	w.t.Helper()
	got, err := w.store.Account(w.ctx, a)
	w.NoError(err)
	return got
}

func (w *world) readKey(k id.Key) apikey.Key {
	w.t.Helper()
	got, err := w.store.Key(w.ctx, k)
	w.NoError(err)
	return got
}

// Judging.

// lost requires that the change lost a race on a write like this one, and left no record.
func (w *world) lost(s change.Set, on change.Write) {
	w.t.Helper()
	err := w.store.Commit(w.ctx, s)
	w.ErrorIs(err, change.ErrLost)
	var l *change.Lost
	w.ErrorAs(err, &l)
	w.IsType(on, l.Write, "the write that stood in the way")
	w.NotEmpty(l.Reason)
	w.unrecorded(s)
}

func (w *world) unrecorded(s change.Set) {
	w.t.Helper()
	for _, e := range s.Events {
		if e.ID == "" {
			continue
		}
		_, err := w.store.AuditEvent(w.ctx, e.ID)
		w.Truef(fault.Is(err, fault.NotFound), "a record of what did not happen: %v", err)
	}
}

func (w *world) recorded(e audit.Event) {
	w.t.Helper()
	got, err := w.store.AuditEvent(w.ctx, e.ID)
	w.NoError(err)
	w.Equal(e.Action, got.Action)
	w.Equal(e.Operation, got.Operation)
}

func (w *world) notFound(err error) {
	w.t.Helper()
	w.Truef(fault.Is(err, fault.NotFound), "%v is no not_found", err)
}

var alike = cmp.Options{
	cmpopts.EquateEmpty(),
	cmp.Comparer(func(a, b time.Time) bool { return a.Equal(b) }),
	cmp.Comparer(func(a, b permission.Set) bool { return a == b }),
}

// same requires equal values: times by their moment, no list as an empty one.
func (w *world) same(want, got any) {
	w.t.Helper()
	if diff := cmp.Diff(want, got, alike); diff != "" {
		w.FailNow("not as written (-want +got)", diff)
	}
}

// together runs f n times at once and returns what each came to.
func together(n int, f func(i int) error) []error {
	errs := make([]error, n)
	start := make(chan struct{})
	var all sync.WaitGroup
	for i := range n {
		all.Go(func() {
			<-start
			errs[i] = f(i)
		})
	}
	close(start)
	all.Wait()
	return errs
}
