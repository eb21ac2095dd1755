// Package setup makes the MSP, its root node and its first owner on a fresh deployment, and lets whoever holds the AWS account
// enrol an owner anew.
package setup

import (
	"context"
	"errors"
	"io"
	"strings"
	"time"

	"github.com/rekey-dev/rekey/pkg/accesstoken"
	"github.com/rekey-dev/rekey/pkg/audit"
	"github.com/rekey-dev/rekey/pkg/change"
	"github.com/rekey-dev/rekey/pkg/employee"
	"github.com/rekey-dev/rekey/pkg/fault"
	"github.com/rekey-dev/rekey/pkg/id"
	"github.com/rekey-dev/rekey/pkg/idempotency"
	"github.com/rekey-dev/rekey/pkg/mint"
	"github.com/rekey-dev/rekey/pkg/msp"
	"github.com/rekey-dev/rekey/pkg/name"
	"github.com/rekey-dev/rekey/pkg/node"
	"github.com/rekey-dev/rekey/pkg/place"
	"github.com/rekey-dev/rekey/pkg/role"
	"github.com/rekey-dev/rekey/pkg/token"
)

// TokenFor is how long the first owner's token lasts, and a recovered owner's.
const TokenFor = accesstoken.DefaultLife

// Store is what set-up reads and writes. Reads are strongly consistent; what is not there is a fault of kind not_found.
type Store interface {
	MSP(ctx context.Context) (msp.MSP, error)
	EmployeeByEmail(ctx context.Context, email string) (employee.Employee, error)
	Token(ctx context.Context, t id.PAT) (accesstoken.Token, error)
	// Commit carries out a change or none of it: see change.Set.
	Commit(ctx context.Context, s change.Set) error
}

// Code is the deployment's set-up code.
type Code interface {
	// Check tells in constant time whether this is the code.
	Check(ctx context.Context, code string) (bool, error)
}

// Service is the use cases of set-up.
type Service struct {
	Store Store
	Code  Code
	Mint  *mint.Mint
	// OwnerEmail, if not empty, is the only address with which the first owner may be made.
	OwnerEmail string
	// Passkeys returns the writes that remove what is kept of an employee's passkeys beside the employee.
	Passkeys func(ctx context.Context, e employee.Employee) ([]change.Write, error)
	Now      func() time.Time
	Rand     io.Reader
}

// Input is what the first owner gives. Texts are checked by SetUp.
type Input struct {
	Code      string
	MSPName   string
	Email     string
	FirstName string
	LastName  string
}

// Result is what set-up made. The secret is shown once.
type Result struct {
	MSP      msp.MSP
	Node     node.Node
	Employee employee.Employee
	Token    accesstoken.Token
	Secret   token.Secret
}

// SetUp makes the MSP, its root node, the owner and the owner's token. It works once: afterwards every call, whatever its
// code, is already_set_up, but for the repeat of the first with its Idempotency-Key. Atomic: all of it, with the audit
// record and the idempotency record; of two at once one wins.
func (s *Service) SetUp(ctx context.Context, p *idempotency.Pending, r audit.Request, in Input) (Result, error) {
	if err := p.Check(); err != nil {
		return Result{}, err
	}
	switch _, err := s.Store.MSP(ctx); {
	case err == nil:
		return Result{}, alreadySetUp()
	case !fault.Is(err, fault.NotFound):
		return Result{}, err
	}
	switch right, err := s.Code.Check(ctx, in.Code); {
	case err != nil:
		return Result{}, err
	case !right:
		return Result{}, fault.New(fault.Unauthorized, fault.NotAccepted)
	}
	in, err := in.checked()
	if err != nil {
		return Result{}, err
	}
	if s.OwnerEmail != "" && !strings.EqualFold(in.Email, s.OwnerEmail) {
		return Result{}, fault.InvalidField("/owner/email", "is not the owner's address that the deployment was made with (parameter OwnerEmail)")
	}
	now, op := s.Now(), id.New[id.Operation](s.Rand)
	root := id.New[id.Node](s.Rand)
	at := place.Place{Path: string(root)}
	out := Result{
		MSP:  msp.MSP{ID: id.New[id.MSP](s.Rand), Name: in.MSPName, RootNode: root, CreatedAt: now, Version: 1, EventSeq: 1},
		Node: node.Node{ID: root, Name: in.MSPName, Place: at, CreatedAt: now, UpdatedAt: now, Version: 1},
		Employee: employee.Employee{ID: id.New[id.Employee](s.Rand), Email: in.Email, FirstName: in.FirstName, LastName: in.LastName,
			Place: at, RoleID: role.Owner, Status: employee.Active, CreatedAt: now, UpdatedAt: now, Version: 1, Revision: 1},
	}
	out.MSP.Owner = out.Employee.ID
	derived, err := s.issue(ctx, &out, "set-up", op, now, p)
	if err != nil {
		return Result{}, err
	}
	record, err := p.Record(op, now, out, derived)
	if err != nil {
		return Result{}, err
	}
	e := s.event(r, op, now, audit.SetupCompleted, out)
	e.Actor = audit.Actor{Type: audit.Employee, ID: string(out.Employee.ID), Name: out.Employee.Name()}
	e.Target = audit.Target{Type: "msp", ID: string(out.MSP.ID), Name: out.MSP.Name}
	e.Seq = out.MSP.EventSeq
	err = s.Store.Commit(ctx, change.Set{Operation: op, At: now, Idempotency: record, Events: []audit.Event{e}, Writes: []change.Write{
		msp.Create{MSP: out.MSP}, node.Create{Node: out.Node}, employee.Create{Employee: out.Employee}, accesstoken.Create{Token: out.Token}}})
	if errors.Is(err, change.ErrLost) {
		return Result{}, alreadySetUp()
	}
	if err = change.Settle(err, p); err != nil {
		return Result{}, err // no secret leaves unless its token is known to be there
	}
	return out, nil
}

func alreadySetUp() error {
	return fault.New(fault.AlreadySetUp, "The deployment is set up. Whoever holds the AWS account can enrol an owner anew with the command in the output RecoverOwnerCommand.")
}

// checked brings the address into its one form.
func (in Input) checked() (Input, error) {
	address, problem := name.CanonicalEmail(in.Email)
	if problem == "" {
		in.Email = address
	}
	var bad []fault.Field
	for _, f := range []struct{ pointer, problem string }{
		{"/msp/name", name.Check(in.MSPName)}, {"/owner/email", problem},
		{"/owner/first_name", name.Check(in.FirstName)}, {"/owner/last_name", name.Check(in.LastName)},
	} {
		if f.problem != "" {
			bad = append(bad, fault.Field{Pointer: f.pointer, Detail: f.problem})
		}
	}
	return in, fault.InvalidFields(bad)
}

// issue makes the token of out's employee.
func (s *Service) issue(ctx context.Context, out *Result, name string, op id.Operation, now time.Time, p *idempotency.Pending) (*idempotency.DerivedSecret, error) {
	t := accesstoken.Token{ID: id.New[id.PAT](s.Rand), EmployeeID: out.Employee.ID, Place: out.Employee.Place, Name: name, Enrols: true,
		Epoch: out.Employee.TokenEpoch, EnrolEpoch: out.Employee.SessionEpoch,
		Generation: 1, ExpiresAt: now.Add(TokenFor), CreatedAt: now, Version: 1}
	owner, _ := role.BuiltIn(role.Owner)
	t.Scopes = owner.Permissions
	coin, err := s.Mint.New(ctx, token.PersonalAccessToken, id.Body(t.ID), t.Generation, op, p)
	if err != nil {
		return nil, err
	}
	t.MAC, t.PepperVersion = coin.MAC, coin.PepperVersion
	out.Token, out.Secret = t, coin.Secret
	return coin.Derived, nil
}

func (s *Service) event(r audit.Request, op id.Operation, now time.Time, action string, out Result) audit.Event {
	return audit.Event{ID: id.New[id.Event](s.Rand), At: now, Action: action, Place: out.Employee.Place, SourceIP: r.SourceIP,
		UserAgent: r.UserAgent, RequestID: r.ID, Outcome: audit.OK, Operation: op, Details: map[string]any{
			"employee_id": string(out.Employee.ID), "key_id": string(out.Token.ID), "key_prefix": out.Token.Prefix(),
			"expires_at": out.Token.ExpiresAt.UTC().Format(time.RFC3339)}}
}

// Repeat makes the token of a set-up that was carried out before again, within an hour and until its first use; the zero
// Secret when it may not be shown any more. That it was shown again is recorded, on condition that the token is as it was
// read.
func (s *Service) Repeat(ctx context.Context, from audit.Request, r idempotency.Record) (token.Secret, error) {
	return change.Retry(func() (token.Secret, error) { return s.repeat(ctx, from, r) })
}

func (s *Service) repeat(ctx context.Context, from audit.Request, r idempotency.Record) (token.Secret, error) {
	if r.Secret == nil || !s.Now().Before(r.CreatedAt.Add(idempotency.SecretFor)) {
		return token.Secret{}, nil
	}
	t, err := s.Store.Token(ctx, id.FromBody[id.PAT](r.Secret.Public))
	if fault.Is(err, fault.NotFound) {
		return token.Secret{}, nil
	}
	if err != nil || !t.RevokedAt.IsZero() || t.UsedGen == t.Generation || t.Generation != r.Secret.Generation {
		return token.Secret{}, err
	}
	secret, err := s.Mint.Again(ctx, r, t.MAC, t.PepperVersion)
	if err != nil || secret.IsZero() {
		return token.Secret{}, err
	}
	now, op := s.Now(), id.New[id.Operation](s.Rand)
	e := audit.Event{ID: id.New[id.Event](s.Rand), Seq: t.EventSeq + 1, At: now, Action: audit.TokenRepeated,
		Actor:  audit.Actor{Type: audit.System, ID: "setup", Name: "holder of the set-up code"},
		Target: audit.Target{Type: "personal_access_token", ID: string(t.ID), Name: t.Name}, Place: t.Place, SourceIP: from.SourceIP,
		UserAgent: from.UserAgent, RequestID: from.ID, Outcome: audit.OK, Operation: op,
		Details: map[string]any{"key_id": string(t.ID), "key_prefix": t.Prefix(), "employee_id": string(t.EmployeeID)}}
	return secret, s.Store.Commit(ctx, change.Set{Operation: op, At: now, Events: []audit.Event{e}, Writes: []change.Write{accesstoken.Note{Old: t}}})
}

// Recover issues a new token for an owner on the word of whoever may invoke the function in the AWS account, and takes the owner's
// passkeys, sessions and tokens away: whoever has lost access cannot say who has it now. The record names the AWS request, under which the
// account's own trail has the caller. Atomic: the token, the owner, the passkeys and the audit record.
func (s *Service) Recover(ctx context.Context, email, awsRequest string) (Result, error) {
	return change.Retry(func() (Result, error) { return s.recover(ctx, email, awsRequest) })
}

func (s *Service) recover(ctx context.Context, email, awsRequest string) (Result, error) {
	m, err := s.Store.MSP(ctx)
	if err != nil {
		return Result{}, err
	}
	old, err := s.Store.EmployeeByEmail(ctx, email)
	if err != nil {
		return Result{}, err
	}
	if !old.IsOwner() {
		return Result{}, fault.New(fault.Conflict, "The employee is not an active owner; only an owner can be recovered.")
	}
	var writes []change.Write
	if len(old.Passkeys) > 0 {
		if writes, err = s.Passkeys(ctx, old); err != nil {
			return Result{}, err
		}
	}
	now, op := s.Now(), id.New[id.Operation](s.Rand)
	owner := old
	owner.Passkeys, owner.Code, owner.CodeSentAt, owner.CodeExpiresAt, owner.UpdatedAt = nil, "", time.Time{}, time.Time{}, now
	owner.SessionEpoch++
	owner.TokenEpoch++
	owner.Version++
	owner.Revision++
	out := Result{MSP: m, Employee: owner}
	if _, err := s.issue(ctx, &out, "recovery", op, now, nil); err != nil {
		return Result{}, err
	}
	out.Token.EventSeq = 1
	e := s.event(audit.Request{ID: awsRequest}, op, now, audit.RecoveryUsed, out)
	e.Actor = audit.Actor{Type: audit.System, ID: "aws", Name: "holder of the AWS account"}
	e.Target = audit.Target{Type: "personal_access_token", ID: string(out.Token.ID), Name: out.Token.Name}
	e.Seq = 1
	e.Details["aws_request_id"], e.Details["passkeys_removed"] = awsRequest, len(old.Passkeys)
	err = s.Store.Commit(ctx, change.Set{Operation: op, At: now, Events: []audit.Event{e},
		Writes: append(writes, employee.Update{Old: old, New: owner}, accesstoken.Create{Token: out.Token})})
	if err != nil {
		return Result{}, err // no secret leaves unless its token is known to be there
	}
	return out, nil
}
