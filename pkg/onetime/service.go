package onetime

import (
	"context"
	"errors"
	"io"
	"time"

	"github.com/rekey-dev/rekey/pkg/change"
	"github.com/rekey-dev/rekey/pkg/fault"
	"github.com/rekey-dev/rekey/pkg/id"
	"github.com/rekey-dev/rekey/pkg/idempotency"
	"github.com/rekey-dev/rekey/pkg/mint"
	"github.com/rekey-dev/rekey/pkg/token"
)

// Store counts the tries of codes.
type Store interface {
	// TakeTry reserves a try of a code that is open at now, and returns the code as it is then; change.ErrLost when it is not there
	// or not open. Atomic: of tries at the same moment no more succeed than are left. A lost answer is a fault of kind unavailable,
	// and the try may be gone.
	TakeTry(ctx context.Context, c id.Invitation, now time.Time) (Code, error)
	// ReturnTry gives a reserved try back; change.ErrLost when there is none to give back.
	ReturnTry(ctx context.Context, c id.Invitation) error
}

// Service makes and checks codes. Its fields are set once; it may be used by many goroutines.
type Service struct {
	Store Store
	Mint  *mint.Mint
	Now   func() time.Time
	Rand  io.Reader
}

// Minted is a new code, which is nowhere yet. Its secret is shown, or sent, once.
type Minted struct {
	Code    Code
	Secret  token.Secret
	Derived *idempotency.DerivedSecret // nil for a call that cannot be repeated
}

// New makes a code for an employee. It is good once Create{Code} is committed. p is the call whose answer shows the secret, nil for
// a code that no answer shows.
func (s *Service) New(ctx context.Context, e id.Employee, purpose Purpose, op id.Operation, p *idempotency.Pending) (Minted, error) {
	now := s.Now()
	c := Code{ID: id.New[id.Invitation](s.Rand), Employee: e, Purpose: purpose, CreatedAt: now, ExpiresAt: now.Add(purpose.Life()).Truncate(time.Second)}
	coin, err := s.Mint.New(ctx, token.OneTimeCode, id.Body(c.ID), 1, op, p)
	if err != nil {
		return Minted{}, err
	}
	c.MAC, c.PepperVersion = coin.MAC, coin.PepperVersion
	return Minted{Code: c, Secret: coin.Secret, Derived: coin.Derived}, nil
}

// Check returns the code of a secret. A secret that is malformed, of another kind, unknown, wrong, used, expired or out of tries is
// one and the same fault of kind unauthorized. It spends nothing: that is the business of whoever commits Spend. Whether the code
// is its employee's current one is IsCurrent's to say.
func (s *Service) Check(ctx context.Context, presented token.Secret) (Code, error) {
	t, ok := token.Parse(presented.Reveal())
	if !ok || t.Kind != token.OneTimeCode {
		return Code{}, refused()
	}
	c, err := s.Store.TakeTry(ctx, id.FromBody[id.Invitation](t.Public), s.Now())
	if errors.Is(err, change.ErrLost) {
		return Code{}, refused()
	}
	if err != nil {
		return Code{}, err
	}
	pepper, ok, err := s.Mint.Peppers.Key(ctx, c.PepperVersion)
	if err != nil {
		return Code{}, err
	}
	if got := token.MAC(pepper, token.OneTimeCode, t.Public, t.Secret); !ok || !token.Equal(c.MAC, got[:]) {
		return Code{}, refused()
	}
	if err := s.Store.ReturnTry(ctx, c.ID); err != nil && !errors.Is(err, change.ErrLost) {
		return Code{}, err
	}
	c.Tries--
	return c, nil
}

// Look reads a code that can still be tried, and takes no try for it; change.ErrLost for every other.
func (s *Service) Look(ctx context.Context, which id.Invitation) (Code, error) {
	c, err := s.Store.TakeTry(ctx, which, s.Now())
	if err != nil {
		return Code{}, err
	}
	c.Tries--
	if err := s.Store.ReturnTry(ctx, which); err != nil && !errors.Is(err, change.ErrLost) {
		return Code{}, err
	}
	return c, nil
}

func refused() error { return fault.New(fault.Unauthorized, fault.NotProven) }
