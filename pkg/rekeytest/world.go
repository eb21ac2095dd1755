// Package rekeytest is a small rekey in memory, for tests: a store, the services wired to it, a clock that stands still, and
// an MSP with nodes, companies, employees of every built-in role and whatever accounts and keys a test asks for.
//
// Everything but the storage is the product's own code. Randomness is seeded with the test's name: the same in every run,
// and unique within one. When a test ends, the world is held against what holds in every world: the audit records of a
// target are numbered without a gap, and none of them holds a secret.
package rekeytest

import (
	"context"
	"log/slog"
	"sync"
	"time"

	"github.com/stretchr/testify/require"

	"github.com/rekey-dev/rekey/pkg/accesstoken"
	"github.com/rekey-dev/rekey/pkg/apikey"
	"github.com/rekey-dev/rekey/pkg/audit"
	"github.com/rekey-dev/rekey/pkg/authorizer"
	"github.com/rekey-dev/rekey/pkg/billing"
	"github.com/rekey-dev/rekey/pkg/calendar"
	"github.com/rekey-dev/rekey/pkg/ceremony"
	"github.com/rekey-dev/rekey/pkg/fold"
	"github.com/rekey-dev/rekey/pkg/grant"
	"github.com/rekey-dev/rekey/pkg/keystatus"
	"github.com/rekey-dev/rekey/pkg/lock"
	"github.com/rekey-dev/rekey/pkg/memstore"
	"github.com/rekey-dev/rekey/pkg/mint"
	"github.com/rekey-dev/rekey/pkg/msp"
	"github.com/rekey-dev/rekey/pkg/onetime"
	"github.com/rekey-dev/rekey/pkg/passkey"
	"github.com/rekey-dev/rekey/pkg/place"
	"github.com/rekey-dev/rekey/pkg/policy"
	"github.com/rekey-dev/rekey/pkg/protectedapi"
	"github.com/rekey-dev/rekey/pkg/rotation"
	"github.com/rekey-dev/rekey/pkg/serviceaccount"
	"github.com/rekey-dev/rekey/pkg/setup"
	"github.com/rekey-dev/rekey/pkg/signin"
	"github.com/rekey-dev/rekey/pkg/staff"
	"github.com/rekey-dev/rekey/pkg/tenancy"
	"github.com/rekey-dev/rekey/pkg/token"
	"github.com/rekey-dev/rekey/pkg/tree"
	"github.com/rekey-dev/rekey/pkg/verification"
	"github.com/rekey-dev/rekey/pkg/verify"
)

// TB is what a world needs of a test; *testing.T, *testing.B, *testing.F and *rapid.T have it.
type TB interface {
	Helper()
	Name() string
	Cleanup(func())
	Errorf(format string, args ...any)
	FailNow()
}

// SetupCode is the set-up code of every world.
const SetupCode = "setupcodesetupcodesetupcodesetupcode0123456"

// Start is the time at which every world begins: ten seconds into a minute.
var Start = time.Date(2031, time.March, 4, 5, 6, 10, 0, time.UTC)

// World is a deployment of its own.
type World struct {
	T          TB
	Ctx        context.Context
	Mem        *memstore.Store // the state itself
	Store      *memstore.Flaky // what the services call: it counts the calls, and fails those that it is told to
	Clock      *Clock
	Rand       *Rand
	Peppers    *Ring
	Derivation *Ring

	Mint      *mint.Mint
	Keys      *apikey.Service
	Accounts  *serviceaccount.Service
	Rotations *rotation.Service
	Policies  *policy.Service
	Calendars *calendar.Service
	Tree      *tree.Service
	Roles     *grant.Service
	APIs      *protectedapi.Service
	Companies *tenancy.Service
	Codes     *onetime.Service
	Staff     *staff.Service
	Inbox     *Inbox // what Staff has sent
	Tokens    *accesstoken.Service
	Setup     *setup.Service
	Passkeys  *passkey.Service
	SignIn    *signin.Service
	Verifier  *verify.Verifier // one environment's
	Status    *keystatus.Service
	Gateways  *verification.Service // what answers gateways that are not API Gateway
	GaveUp    []string              // writes that Verifier gave up

	MSP      msp.MSP
	Root     place.Place
	Below    place.Place // a node below Root
	Company  place.Place // under Below
	Sibling  place.Place // a node beside Below
	Stranger place.Place // a company under Sibling

	Owner, Admin, Operator, Viewer *Person // at Root
	BelowAdmin, SiblingAdmin       *Person // at their nodes
	CompanyAdmin, StrangerAdmin    *Person // of their companies

	mu      sync.Mutex
	secrets []token.Secret
}

// packages are those that a world's companies can have: tiny allows two keys, large as many as one likes.
var packages = billing.Catalogue{Seats: To(25), Packages: []billing.Package{{ID: "tiny", Name: "Tiny", Limits: billing.Limits{Keys: To(2)}}, {ID: "large", Name: "Large"}}}

// Empty makes a world on which set-up has not run.
func Empty(t TB) *World {
	w := &World{T: t, Ctx: context.Background(), Mem: memstore.New(), Clock: &Clock{now: Start}, Rand: NewRand(t.Name())}
	w.Store = memstore.NewFlaky(patient{w.Mem})
	w.Peppers, w.Derivation = NewRing(w.Rand), NewRing(w.Rand)
	w.Mint = &mint.Mint{Peppers: w.Peppers, Derivation: w.Derivation, Rand: w.Rand}
	w.Keys = &apikey.Service{Store: w.Store, Mint: w.Mint, Fold: fold.Name, Now: w.Clock.Now, Rand: w.Rand, Needs: authorizer.Needs, KeyLimit: packages.Keys}
	w.Accounts = &serviceaccount.Service{Store: w.Store, Keys: w.Keys, Fold: fold.Name, Now: w.Clock.Now, Rand: w.Rand, LockAt: policy.LockAt(w.Store)}
	w.Rotations = &rotation.Service{Store: w.Store, Keys: w.Keys, Mint: w.Mint, Terms: rotation.Under(w.Store), Now: w.Clock.Now, Rand: w.Rand}
	w.Tokens = &accesstoken.Service{Store: w.Store, Mint: w.Mint, Now: w.Clock.Now, Rand: w.Rand}
	w.Tree = &tree.Service{Store: w.Store, Now: w.Clock.Now, Rand: w.Rand}
	w.Roles = &grant.Service{Store: w.Store, Fold: fold.Name, Now: w.Clock.Now, Rand: w.Rand}
	w.APIs = &protectedapi.Service{Store: w.Store, Now: w.Clock.Now, Rand: w.Rand}
	w.Companies = &tenancy.Service{Store: w.Store, Packages: packages, Now: w.Clock.Now, Rand: w.Rand}
	w.Codes = &onetime.Service{Store: w.Store, Mint: w.Mint, Now: w.Clock.Now, Rand: w.Rand}
	w.Inbox = &Inbox{note: w.Note}
	w.Staff = &staff.Service{Store: w.Store, Codes: w.Codes, Mail: w.Inbox, Seats: packages.Seats, Passkeys: passkey.Ends(w.Store), Now: w.Clock.Now, Rand: w.Rand, Log: slog.New(slog.DiscardHandler)}
	w.Calendars = &calendar.Service{Store: w.Store, Now: w.Clock.Now, Rand: w.Rand}
	w.Policies = &policy.Service{Store: w.Store, Now: w.Clock.Now, Rand: w.Rand}
	w.Setup = &setup.Service{Store: w.Store, Code: code{}, Mint: w.Mint, Passkeys: passkey.Ends(w.Store), Now: w.Clock.Now, Rand: w.Rand}
	w.Passkeys = &passkey.Service{Store: w.Store, Codes: w.Codes, Ceremonies: ceremony.Ceremonies{}, Fold: fold.Name, Now: w.Clock.Now, Rand: w.Rand}
	w.SignIn = &signin.Service{Store: w.Store, Ceremonies: ceremony.Ceremonies{}, Mint: w.Mint, Now: w.Clock.Now, Rand: w.Rand}
	w.Verifier = w.Environment(w.Store)
	w.Verifier.Failed = func(what string, _ error) { w.GaveUp = append(w.GaveUp, what) }
	judge := w.Environment(verification.Counting{Store: w.Store})
	judge.Failed = w.Verifier.Failed
	w.Gateways = &verification.Service{Store: w.Store, Judge: judge}
	w.Status = &keystatus.Service{Judge: w.Verifier, Keys: w.Keys, Tokens: w.Tokens, Sessions: w.SignIn}
	t.Cleanup(w.judge)
	return w
}

// New makes a world with people and places in it. Its store has counted no call yet.
func New(t TB) *World {
	t.Helper()
	w := Empty(t)
	made, err := w.Setup.SetUp(w.Ctx, nil, audit.Request{ID: "req-setup", SourceIP: "192.0.2.200"}, setup.Input{Code: SetupCode,
		MSPName: "Northwind", Email: "owner@example.com", FirstName: "Ada", LastName: "Owner"})
	require.NoError(t, err)
	w.Note(made.Secret)
	w.MSP, w.Root = made.MSP, made.Node.Place
	w.Owner = &Person{Employee: made.Employee, Token: made.Token, Secret: made.Secret}
	w.populate()
	w.Store.Reset()
	return w
}

// Environment makes the verifier of one more environment, which remembers nothing yet.
func (w *World) Environment(store verify.Store) *verify.Verifier {
	return &verify.Verifier{Store: store, Peppers: w.Peppers, Now: w.Clock.Now, Rand: w.Rand, Policy: lock.Default}
}

// Keep remembers the state as it is now: what it returns goes back to it, however often. The clock, and what the services remember
// by themselves, are not part of it.
func (w *World) Keep() (back func()) {
	kept := w.Mem.Clone()
	return func() {
		w.Mem = kept.Clone()
		w.Store.Under = patient{w.Mem}
		w.Store.Reset()
	}
}

// Now is the world's time.
func (w *World) Now() time.Time { return w.Clock.Now() }

// Advance lets time pass.
func (w *World) Advance(d time.Duration) { w.Clock.Advance(d) }

// Note remembers a secret that a caller was shown, so that it is looked for where it must not be.
func (w *World) Note(s token.Secret) {
	w.mu.Lock()
	defer w.mu.Unlock()
	if !s.IsZero() {
		w.secrets = append(w.secrets, s)
	}
}

type code struct{}

func (code) Check(_ context.Context, code string) (bool, error) { return code == SetupCode, nil }
