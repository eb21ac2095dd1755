// Package memstore is a store in memory, for unit tests and state machines: every condition of the real one, no more and
// no less, under one mutex.
//
// It passes the suite of package storetest. What it is given and what it returns are copies, so that nothing leaks between
// a caller and the state. It panics on what no store could carry out (a write that it does not know, two writes of one item
// in one Set) and on what breaks a promise that callers make (an audit record whose seq is not its target's), so that a
// test fails where the mistake is. It knows no storage and no clock.
package memstore

import (
	"bytes"
	"context"
	"encoding/json"
	"errors"
	"fmt"
	"maps"
	"slices"
	"sync"

	"github.com/rekey-dev/rekey/pkg/accesstoken"
	"github.com/rekey-dev/rekey/pkg/apikey"
	"github.com/rekey-dev/rekey/pkg/audit"
	"github.com/rekey-dev/rekey/pkg/calendar"
	"github.com/rekey-dev/rekey/pkg/company"
	"github.com/rekey-dev/rekey/pkg/employee"
	"github.com/rekey-dev/rekey/pkg/fault"
	"github.com/rekey-dev/rekey/pkg/id"
	"github.com/rekey-dev/rekey/pkg/idempotency"
	"github.com/rekey-dev/rekey/pkg/lock"
	"github.com/rekey-dev/rekey/pkg/msp"
	"github.com/rekey-dev/rekey/pkg/node"
	"github.com/rekey-dev/rekey/pkg/onetime"
	"github.com/rekey-dev/rekey/pkg/passkey"
	"github.com/rekey-dev/rekey/pkg/policy"
	"github.com/rekey-dev/rekey/pkg/protectedapi"
	"github.com/rekey-dev/rekey/pkg/role"
	"github.com/rekey-dev/rekey/pkg/rotation"
	"github.com/rekey-dev/rekey/pkg/serviceaccount"
	"github.com/rekey-dev/rekey/pkg/storetest"
	"github.com/rekey-dev/rekey/pkg/usage"
)

// Store is an empty store until something is committed to it. It may be used by many goroutines.
type Store struct {
	mu   sync.Mutex
	down bool

	msp        *msp.MSP
	nodes      map[id.Node]node.Node
	companies  map[id.Company]company.Company
	keySums    map[id.Company]int // see apikey.Room
	roles      map[id.Role]role.Custom
	employees  map[id.Employee]employee.Employee
	codes      map[id.Invitation]onetime.Code
	letters    map[string]employee.Letters // by the folded address
	tokens     map[id.PAT]heldToken
	sessions   map[id.Session]heldSession
	passkeys   map[id.Credential]passkey.Passkey
	challenges map[id.Challenge]passkey.Challenge
	accounts   map[id.ServiceAccount]serviceaccount.Account
	keys       map[id.Key]apikey.Key
	rotations  map[id.Rotation]rotation.Rotation
	policies   map[string]policy.Policy // by the ID of what they are attached to
	policyAt   map[id.Policy]string
	tasks      map[id.Policy]policy.Task // those that are done have no due time
	leases     map[int]lease
	calendars  map[id.Calendar]calendar.Calendar
	names      map[string]bool // folded names and addresses that are taken, by noun and place

	named     map[id.Calendar]int        // policies that name each
	retired   map[string]map[string]bool // digests of secrets that a credential once had
	ends      map[id.ServiceAccount]map[int64]serviceaccount.Ended
	sources   map[string]map[string]lock.Source
	sightings map[string]map[string]apikey.Sighting
	usage     map[id.Key]map[string]usage.Row // by usagePosition
	records   map[string]idempotency.Record
	events    map[id.Event]audit.Event
	mail
	guarded
}

// heldToken is a personal access token with the counter of its own lock.
type heldToken struct {
	accesstoken.Token
	lock lock.Counter
}

var _ storetest.Store = (*Store)(nil)

// New makes an empty store.
func New() *Store {
	return &Store{
		nodes:      map[id.Node]node.Node{},
		companies:  map[id.Company]company.Company{},
		keySums:    map[id.Company]int{},
		roles:      map[id.Role]role.Custom{},
		employees:  map[id.Employee]employee.Employee{},
		codes:      map[id.Invitation]onetime.Code{},
		letters:    map[string]employee.Letters{},
		tokens:     map[id.PAT]heldToken{},
		sessions:   map[id.Session]heldSession{},
		passkeys:   map[id.Credential]passkey.Passkey{},
		challenges: map[id.Challenge]passkey.Challenge{},
		accounts:   map[id.ServiceAccount]serviceaccount.Account{},
		keys:       map[id.Key]apikey.Key{},
		rotations:  map[id.Rotation]rotation.Rotation{},
		policies:   map[string]policy.Policy{},
		policyAt:   map[id.Policy]string{},
		tasks:      map[id.Policy]policy.Task{},
		leases:     map[int]lease{},
		names:      map[string]bool{},
		calendars:  map[id.Calendar]calendar.Calendar{},
		named:      map[id.Calendar]int{},
		retired:    map[string]map[string]bool{},
		ends:       map[id.ServiceAccount]map[int64]serviceaccount.Ended{},
		sources:    map[string]map[string]lock.Source{},
		sightings:  map[string]map[string]apikey.Sighting{},
		usage:      map[id.Key]map[string]usage.Row{},
		records:    map[string]idempotency.Record{},
		events:     map[id.Event]audit.Event{},
		mail:       newMail(),
		guarded:    guarded{apis: map[id.ProtectedAPI]protectedapi.API{}, slugs: map[string]protectedapi.Declared{}},
	}
}

// Break makes every call fail as a store that cannot be reached does, until Break(false).
func (s *Store) Break(down bool) {
	s.mu.Lock()
	defer s.mu.Unlock()
	s.down = down
}

// PutCompany puts a company, new or changed (suspended, say), as if its own routes had.
func (s *Store) PutCompany(c company.Company) {
	s.mu.Lock()
	defer s.mu.Unlock()
	s.companies[c.ID] = copyCompany(c)
}

// Events returns every audit record, oldest first, for a test that looks at them all.
func (s *Store) Events() []audit.Event {
	s.mu.Lock()
	defer s.mu.Unlock()
	out := make([]audit.Event, 0, len(s.events))
	for _, e := range s.events {
		out = append(out, copyEvent(e))
	}
	slices.SortFunc(out, byTime)
	return out
}

var errDown = errors.New("memstore: told to fail")

// begin locks the store for one call. The caller unlocks it also when there is an error.
func (s *Store) begin(ctx context.Context) error {
	s.mu.Lock()
	if err := ctx.Err(); err != nil {
		return fault.Down(err)
	}
	if s.down {
		return fault.Down(errDown)
	}
	return nil
}

func put[K1, K2 comparable, V any](m map[K1]map[K2]V, k1 K1, k2 K2, v V) {
	if m[k1] == nil {
		m[k1] = map[K2]V{}
	}
	m[k1][k2] = v
}

func copyCompany(c company.Company) company.Company {
	c.Tags = slices.Clone(c.Tags)
	return c
}

func copyAccount(a serviceaccount.Account) serviceaccount.Account {
	a.Contacts, a.Tags = slices.Clone(a.Contacts), slices.Clone(a.Tags)
	return a
}

func copyKey(k apikey.Key) apikey.Key {
	k.MAC = bytes.Clone(k.MAC)
	if k.Ended != nil {
		e := *k.Ended
		k.Ended = &e
	}
	return k
}

func copyToken(t accesstoken.Token) accesstoken.Token {
	t.MAC = bytes.Clone(t.MAC)
	return t
}

func copyRecord(r idempotency.Record) idempotency.Record {
	r.Body = bytes.Clone(r.Body)
	if r.Secret != nil {
		d := *r.Secret
		d.Salt = bytes.Clone(d.Salt)
		r.Secret = &d
	}
	return r
}

// copyEvent copies the details by way of JSON, as whatever keeps or sends them does: numbers come back as float64, lists
// as []any.
func copyEvent(e audit.Event) audit.Event {
	if e.Details == nil {
		return e
	}
	text, err := json.Marshal(e.Details)
	if err != nil {
		panic(fmt.Sprintf("memstore: details of %s are not JSON: %v", e.Action, err))
	}
	e.Details = nil
	if err := json.Unmarshal(text, &e.Details); err != nil {
		panic(fmt.Sprintf("memstore: details of %s: %v", e.Action, err))
	}
	return e
}

func copyEnds(m map[int64]serviceaccount.Ended) map[int64]serviceaccount.Ended {
	out := make(map[int64]serviceaccount.Ended, len(m))
	maps.Copy(out, m)
	return out
}
