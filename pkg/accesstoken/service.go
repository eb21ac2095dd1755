package accesstoken

import (
	"context"
	"io"
	"slices"
	"time"

	"github.com/rekey-dev/rekey/pkg/audit"
	"github.com/rekey-dev/rekey/pkg/authz"
	"github.com/rekey-dev/rekey/pkg/call"
	"github.com/rekey-dev/rekey/pkg/change"
	"github.com/rekey-dev/rekey/pkg/employee"
	"github.com/rekey-dev/rekey/pkg/fault"
	"github.com/rekey-dev/rekey/pkg/grant"
	"github.com/rekey-dev/rekey/pkg/id"
	"github.com/rekey-dev/rekey/pkg/listing"
	"github.com/rekey-dev/rekey/pkg/mint"
	"github.com/rekey-dev/rekey/pkg/permission"
	"github.com/rekey-dev/rekey/pkg/protectedapi"
)

// Store is what the use cases of tokens read and write.
type Store interface {
	// Token and Employee read one object, strongly; one that is not there is a fault of kind not_found.
	Token(ctx context.Context, t id.PAT) (Token, error)
	// Tokens reads those that are there, in any order.
	Tokens(ctx context.Context, ids []id.PAT) ([]Token, error)
	protectedapi.Holdings
	Employee(ctx context.Context, e id.Employee) (employee.Employee, error)
	// Employees reads those that are there, in any order.
	Employees(ctx context.Context, ids []id.Employee) ([]employee.Employee, error)
	grant.Roles
	List(ctx context.Context, q listing.Query) (listing.Page, error)
	// Deny puts the record of a refusal; that it is there already is no error.
	Deny(ctx context.Context, event audit.Event) error
	// Commit carries out a change or none of it: see change.Set.
	Commit(ctx context.Context, s change.Set) error
}

// Service is the use cases of personal access tokens. Its fields are set once; it may be used by many goroutines.
type Service struct {
	Store Store
	Mint  *mint.Mint // wanted by Create and Repeat only
	Now   func() time.Time
	Rand  io.Reader
}

// Get returns a token that the caller may see: one of its own, or with employees:update one of an employee at or below its
// place. One whose employee was deleted is not found.
func (s *Service) Get(ctx context.Context, c call.Call, t id.PAT) (Shown, error) {
	found, whose, err := s.get(ctx, c, t)
	return Shown{Token: found, Now: found.Status(whose.TokenEpoch, s.Now())}, err
}

func (s *Service) get(ctx context.Context, c call.Call, t id.PAT) (Token, employee.Employee, error) {
	found, err := s.Store.Token(ctx, t)
	if err != nil {
		return Token{}, employee.Employee{}, err
	}
	if err := see(c.Caller, found); err != nil {
		return Token{}, employee.Employee{}, err
	}
	whose, err := s.Store.Employee(ctx, found.EmployeeID)
	if fault.Is(err, fault.NotFound) {
		err = fault.Missing(noun)
	}
	if err != nil {
		return Token{}, employee.Employee{}, err
	}
	return found, whose, nil
}

const noun = "personal access token"

// see returns nil when the caller may see a token: one of its own, or with employees:update one at or below its place. For whose role
// has not got that permission, others' are not there.
func see(c authz.Caller, t Token) error {
	switch {
	case c.Assumed() != "", !isOwn(c, t.EmployeeID) && !c.Role.Has(permission.EmployeesUpdate):
		return fault.Missing(noun)
	case isOwn(c, t.EmployeeID):
		return nil
	}
	return c.Check(permission.EmployeesUpdate, authz.Object{Place: t.Place, What: noun})
}

func isOwn(c authz.Caller, e id.Employee) bool { return c.ID == string(e) }

// manages tells whether the caller looks after the tokens of others.
func manages(c authz.Caller) bool { return c.Effective.Has(permission.EmployeesUpdate) }

// inside is the refusal of whoever works inside a company: tokens are the employee's, outside of it.
func inside() error {
	return fault.New(fault.MissingPermission, "A session inside a company is for that company alone, and neither shows nor makes personal access tokens.")
}

// Filter narrows a list of tokens.
type Filter struct {
	Employee id.Employee // only this one's; "" for all that the caller sees
	Status   Status      // "" for any
	Query    string      // case-insensitive prefix of the name, or an exact ID
}

// List lists the caller's own tokens or, with employees:update, those of all employees at or below its place, by name; ended
// ones too. next is "" at the end; a page may come back short although there are more.
func (s *Service) List(ctx context.Context, c call.Call, f Filter, after string, limit int) (tokens []Shown, next string, err error) {
	if c.Caller.Assumed() != "" {
		return nil, "", inside()
	}
	var at string
	switch {
	case isOwn(c.Caller, f.Employee):
		at = c.Caller.ID
	case f.Employee != "":
		if !c.Caller.Role.Has(permission.EmployeesUpdate) {
			return nil, "", fault.Missing("employee")
		}
		e, err := s.Store.Employee(ctx, f.Employee)
		if err == nil {
			err = c.Caller.Check(permission.EmployeesUpdate, authz.Object{Place: e.Place, What: "employee"})
		}
		if err != nil {
			return nil, "", err
		}
		at = string(e.ID)
	case manages(c.Caller):
		at = c.Caller.Place.ID()
	case c.Caller.Type == audit.Employee:
		at = c.Caller.ID
	default:
		return nil, "", nil // no token acts for a service account
	}
	if t, ok := id.Parse[id.PAT](f.Query); ok {
		found, err := s.Store.Tokens(ctx, []id.PAT{t})
		if err == nil {
			tokens, err = s.keep(ctx, c.Caller, f, found)
		}
		return tokens, "", err
	}
	q := listing.Query{Noun: listing.Tokens, Place: at, Prefix: f.Query, After: after}
	return listing.Collect(ctx, s.Store.List, q, limit, func(rows listing.Page) ([]Shown, error) {
		if len(rows.Rows) == 0 {
			return nil, nil
		}
		ids := make([]id.PAT, len(rows.Rows))
		for i, r := range rows.Rows {
			ids[i] = id.PAT(r.ID)
		}
		found, err := s.Store.Tokens(ctx, ids)
		if err != nil {
			return nil, err
		}
		slices.SortFunc(found, func(a, b Token) int { return slices.Index(ids, a.ID) - slices.Index(ids, b.ID) })
		return s.keep(ctx, c.Caller, f, found)
	})
}

// keep leaves out what the caller may not see, what a filter does not want, and tokens whose employee was deleted: they have ended
// with the employee.
func (s *Service) keep(ctx context.Context, c authz.Caller, f Filter, tokens []Token) ([]Shown, error) {
	tokens = slices.DeleteFunc(tokens, func(t Token) bool {
		return see(c, t) != nil || f.Employee != "" && t.EmployeeID != f.Employee
	})
	if len(tokens) == 0 {
		return nil, nil
	}
	ids := make([]id.Employee, len(tokens))
	for i, t := range tokens {
		ids[i] = t.EmployeeID
	}
	whose, err := s.Store.Employees(ctx, ids)
	if err != nil {
		return nil, err
	}
	var out []Shown
	for _, t := range tokens {
		of := slices.IndexFunc(whose, func(e employee.Employee) bool { return e.ID == t.EmployeeID })
		if of < 0 {
			continue
		}
		if now := t.Status(whose[of].TokenEpoch, s.Now()); f.Status == "" || now == f.Status {
			out = append(out, Shown{Token: t, Now: now})
		}
	}
	return out, nil
}

// Revoke ends a token that the caller may see, at once; the one that it calls with too. Somebody else's is ended by whoever could
// give that employee their role. One that is revoked stays as it is. Atomic: the token and the audit record.
func (s *Service) Revoke(ctx context.Context, c call.Call, t id.PAT) error {
	_, err := change.Retry(func() (struct{}, error) {
		old, whose, err := s.get(ctx, c, t)
		if err != nil {
			return struct{}{}, err
		}
		if err := s.mayRevoke(ctx, c.Caller, old, whose); err != nil {
			refused := s.event(c, "", s.Now(), audit.TokenRevoked, old)
			return struct{}{}, c.Deny(ctx, s.Store.Deny, refused, err)
		}
		if err := c.Match.Check(string(old.ID), old.Version); err != nil || !old.RevokedAt.IsZero() {
			return struct{}{}, err
		}
		now, op, next := s.Now(), id.New[id.Operation](s.Rand), old
		next.EventSeq++
		return struct{}{}, s.Store.Commit(ctx, change.Set{Operation: op, At: now, Events: []audit.Event{s.event(c, op, now, audit.TokenRevoked, next)},
			Writes: []change.Write{Revoke{Old: old, At: now}}})
	})
	return err
}

// mayRevoke returns nil when the caller may end a token that it sees: itself, one of its own in person, or one of an employee whom it
// could give their role.
func (s *Service) mayRevoke(ctx context.Context, c authz.Caller, t Token, whose employee.Employee) error {
	switch own := isOwn(c, whose.ID); {
	case c.KeyID == string(t.ID), own && c.InPerson():
		return nil
	case own && !manages(c):
		return authz.NotInPerson()
	}
	return grant.Over(ctx, s.Store, c, whose.RoleID)
}

// event is the record of what was done to a token.
func (s *Service) event(c call.Call, op id.Operation, now time.Time, action string, t Token) audit.Event {
	e := c.Event(id.New[id.Event](s.Rand), op, now)
	e.Action, e.Place, e.Seq = action, t.Place, t.EventSeq
	e.Target = audit.Target{Type: "personal_access_token", ID: string(t.ID), Name: t.Name}
	e.Details = map[string]any{"key_id": string(t.ID), "key_prefix": t.Prefix(), "employee_id": string(t.EmployeeID)}
	return e
}

// RevokeHeld ends a token on the word of whoever holds its current secret. One that has ended stays as it is. Atomic: the
// token and the audit record.
func (s *Service) RevokeHeld(ctx context.Context, c call.Call, t id.PAT, generation int64, reason, note string) error {
	_, err := change.Retry(func() (struct{}, error) {
		old, err := s.Store.Token(ctx, t)
		if err != nil {
			return struct{}{}, err
		}
		if !old.RevokedAt.IsZero() || old.Generation != generation {
			return struct{}{}, nil
		}
		now, op := s.Now(), id.New[id.Operation](s.Rand)
		next := old
		next.EventSeq++
		e := s.event(c, op, now, audit.TokenSelfRevoked, next)
		e.Details["reason"] = reason
		if note != "" {
			e.Details["note"] = note
		}
		return struct{}{}, s.Store.Commit(ctx, change.Set{Operation: op, At: now, Events: []audit.Event{e}, Writes: []change.Write{Revoke{Old: old, At: now}}})
	})
	return err
}
