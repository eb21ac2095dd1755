package dynamo_test

import (
	"crypto/rand"
	"testing"
	"time"

	"github.com/stretchr/testify/require"

	"github.com/rekey-dev/rekey/pkg/audit"
	"github.com/rekey-dev/rekey/pkg/authorizer"
	"github.com/rekey-dev/rekey/pkg/call"
	"github.com/rekey-dev/rekey/pkg/ceremony"
	"github.com/rekey-dev/rekey/pkg/ceremony/virtual"
	"github.com/rekey-dev/rekey/pkg/change"
	"github.com/rekey-dev/rekey/pkg/dynamo"
	"github.com/rekey-dev/rekey/pkg/employee"
	"github.com/rekey-dev/rekey/pkg/fold"
	"github.com/rekey-dev/rekey/pkg/id"
	"github.com/rekey-dev/rekey/pkg/idempotency"
	"github.com/rekey-dev/rekey/pkg/lock"
	"github.com/rekey-dev/rekey/pkg/mint"
	"github.com/rekey-dev/rekey/pkg/onetime"
	"github.com/rekey-dev/rekey/pkg/passkey"
	"github.com/rekey-dev/rekey/pkg/place"
	"github.com/rekey-dev/rekey/pkg/role"
	"github.com/rekey-dev/rekey/pkg/signin"
	"github.com/rekey-dev/rekey/pkg/token"
	"github.com/rekey-dev/rekey/pkg/verify"
)

// staffed is an owner who signs in.
type staffed struct {
	t      *testing.T
	store  *dynamo.Store
	coins  *mint.Mint
	clock  func() time.Time
	owner  id.Employee
	c      call.Call // by the token of set-up
	device *virtual.Device
	second token.Secret // the invitation of a second owner
}

// repeatable is a call with an Idempotency-Key.
func repeatable(scope string) *idempotency.Pending {
	return &idempotency.Pending{Scope: scope, Fingerprint: "f", Salt: idempotency.NewSalt(rand.Reader),
		Render: func(any) (int, string, []byte, error) { return 201, "", []byte(`{"a":1}`), nil }}
}

var site = passkey.Sites{Name: "rekey"}.At("keys.example.org")

// invite invites a second owner.
func (p *staffed) invite(at place.Place) {
	t, now, op := p.t, p.clock(), id.New[id.Operation](rand.Reader)
	e := employee.Employee{ID: id.New[id.Employee](rand.Reader), Email: "second@example.com", FirstName: "B", LastName: "B", Place: at,
		RoleID: role.Owner, Status: employee.Invited, CreatedAt: now, UpdatedAt: now, Version: 1, Revision: 1, EventSeq: 1}
	codes := &onetime.Service{Store: p.store, Mint: p.coins, Now: p.clock, Rand: rand.Reader}
	m, err := codes.New(t.Context(), e.ID, onetime.Invitation, op, nil)
	require.NoError(t, err)
	e.Code, e.CodeExpiresAt, p.second = m.Code.ID, m.Code.ExpiresAt, m.Secret
	ev := p.c.Event(id.New[id.Event](rand.Reader), op, now)
	ev.Action, ev.Place, ev.Seq, ev.Target = "employee.invited", at, 1, audit.Target{Type: "employee", ID: string(e.ID)}
	require.NoError(t, p.store.Commit(t.Context(), change.Set{Operation: op, At: now, Events: []audit.Event{ev},
		Writes: []change.Write{employee.Create{Employee: e}, onetime.Create{Code: m.Code}}}))
}

// enrol gives the owner a passkey with a code, a further one that it signs, and takes that away again.
func (p *staffed) enrol(lost func(func())) {
	t := p.t
	codes := &onetime.Service{Store: p.store, Mint: p.coins, Now: p.clock, Rand: rand.Reader}
	s := &passkey.Service{Store: p.store, Codes: codes, Ceremonies: ceremony.Ceremonies{}, Fold: fold.Name, Now: p.clock, Rand: rand.Reader}
	_, _ = p.store.Idempotency(t.Context(), "code", p.clock())
	with := p.c
	with.Idempotency = repeatable("code")
	code, err := s.IssueCode(t.Context(), with)
	require.NoError(t, err)
	record, err := p.store.Idempotency(t.Context(), "code", p.clock())
	require.NoError(t, err)
	_, err = s.Repeat(t.Context(), p.c, *record)
	require.NoError(t, err)
	add := func(code token.Secret, d *virtual.Device, name string) passkey.Passkey {
		begun, err := s.BeginWithCode(t.Context(), site, code)
		require.NoError(t, err)
		answer, err := d.Enrol(begun.Options)
		require.NoError(t, err)
		made, err := s.FinishWithCode(t.Context(), call.Call{Request: p.c.Request}, site, code, passkey.Answer{Challenge: begun.Challenge.ID, Attestation: answer, Name: name})
		require.NoError(t, err)
		return made
	}
	p.device = virtual.New(site.Origins[0])
	first := add(code.Secret, p.device, "Laptop")
	add(p.second, virtual.New(site.Origins[0]), "Laptop")
	_, err = s.IssueCode(t.Context(), p.c) // refused: there is a passkey now
	require.Error(t, err)

	opened := p.open()
	judge := &authorizer.Authorizer{Now: p.clock, Verifier: &verify.Verifier{Store: p.store, Peppers: p.coins.Peppers.(verify.Peppers), Now: p.clock, Rand: rand.Reader, Policy: lock.Default}}
	by := p.c
	by.Caller, err = judge.Admit(t.Context(), []string{"Bearer " + opened.Reveal()}, nil, audit.Request{ID: "req", SourceIP: "192.0.2.9"})
	require.NoError(t, err)
	begun, err := s.Begin(t.Context(), by, site)
	require.NoError(t, err)
	ring := virtual.New(site.Origins[0])
	attestation, err := ring.Enrol(begun.Options)
	require.NoError(t, err)
	assertion, err := p.device.Sign(begun.Proof)
	require.NoError(t, err)
	second, err := s.Finish(t.Context(), by, site, p.owner, passkey.Answer{Challenge: begun.Challenge.ID, Attestation: attestation, Assertion: assertion, Name: "Key ring"})
	require.NoError(t, err)
	_, err = s.List(t.Context(), p.c, p.owner)
	require.NoError(t, err)
	_, err = s.Get(t.Context(), p.c, first.ID)
	require.NoError(t, err)
	lost(func() { require.NoError(t, s.Delete(t.Context(), p.c, second.ID)) })
}

func (p *staffed) sessions() *signin.Service {
	return &signin.Service{Store: p.store, Ceremonies: ceremony.Ceremonies{}, Mint: p.coins, Now: p.clock, Rand: rand.Reader}
}

// open signs in.
func (p *staffed) open() token.Secret {
	t, s := p.t, p.sessions()
	begun, err := s.Begin(t.Context(), site)
	require.NoError(t, err)
	answer, err := p.device.Sign(begun.Options)
	require.NoError(t, err)
	opened, err := s.Finish(t.Context(), call.Call{Request: p.c.Request}, site, begun.Challenge.ID, answer)
	require.NoError(t, err)
	return opened.Secret
}

// signIn opens sessions, lists and ends them.
func (p *staffed) signIn(co id.Company, narrow call.Call) {
	t, s := p.t, p.sessions()
	opened, _ := token.Parse(p.open().Reveal())
	_, _ = p.store.Idempotency(t.Context(), "assume", p.clock())
	with := p.c
	with.Idempotency = repeatable("assume")
	inside, err := s.Assume(t.Context(), with, co, "ticket")
	require.NoError(t, err)
	record, err := p.store.Idempotency(t.Context(), "assume", p.clock())
	require.NoError(t, err)
	_, err = s.Repeat(t.Context(), p.c, *record)
	require.NoError(t, err)
	_, err = s.Assume(t.Context(), narrow, co, "ticket")
	require.Error(t, err)
	_, _, err = s.List(t.Context(), p.c, "", "", 50)
	require.NoError(t, err)
	for _, which := range []id.Session{id.Session(opened.ID()), inside.Session.ID} {
		require.NoError(t, s.Revoke(t.Context(), p.c, which))
	}
}

// givePasskey puts a passkey of an employee without a ceremony.
func givePasskey(t *testing.T, store *dynamo.Store, of id.Employee, now time.Time) {
	t.Helper()
	old, err := store.Employee(t.Context(), of)
	require.NoError(t, err)
	p := passkey.Passkey{ID: id.New[id.Credential](rand.Reader), EmployeeID: of, Place: old.Place, Name: "old", EventSeq: 1, CreatedAt: now,
		Record: passkey.Record{RPID: site.RPID, CredentialID: []byte(of), PublicKey: []byte{1}}}
	next, op := old, id.New[id.Operation](rand.Reader)
	next.Passkeys, next.Revision = append(next.Passkeys, p.ID), old.Revision+1
	e := audit.Event{ID: id.New[id.Event](rand.Reader), Seq: 1, At: now, Action: audit.CredentialCreated, Actor: audit.Actor{Type: audit.System, ID: "system"},
		Target: audit.Target{Type: "credential", ID: string(p.ID)}, Place: old.Place, Outcome: audit.OK, Operation: op}
	require.NoError(t, store.Commit(t.Context(), change.Set{Operation: op, At: now, Events: []audit.Event{e},
		Writes: []change.Write{passkey.Create{Passkey: p}, employee.Update{Old: old, New: next}}}))
}
