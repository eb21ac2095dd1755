package secrets

import (
	"context"
	"crypto/sha256"
	"crypto/subtle"
	"errors"

	"github.com/rekey-dev/rekey/pkg/fault"
)

// SetupCode is the code with which a deployment is set up once: a secret that is nothing but its text. It is read at every
// check and never kept.
type SetupCode struct {
	read func(ctx context.Context) (string, error)
}

// NewSetupCode makes a SetupCode from a function that returns the secret's text.
func NewSetupCode(read func(ctx context.Context) (string, error)) *SetupCode { return &SetupCode{read} }

// SetupCode makes the set-up code of a secret, given by its name or ARN.
func (c *Client) SetupCode(secret string) *SetupCode {
	return NewSetupCode(func(ctx context.Context) (string, error) {
		v, err := c.Get(ctx, secret)
		return v.Text, err
	})
}

// Check tells whether code is the set-up code, in a time that does not depend on where they differ. It returns a fault of
// kind unavailable when the code cannot be read or is shorter than 32 characters.
func (s *SetupCode) Check(ctx context.Context, code string) (bool, error) {
	bounded, cancel := context.WithTimeout(ctx, ReadTimeout)
	defer cancel()
	want, err := s.read(bounded)
	switch {
	case err != nil:
		return false, fault.Down(err)
	case len(want) < MinKey:
		return false, fault.Down(errors.New("secrets: the set-up code has fewer than 32 characters"))
	}
	a, b := sha256.Sum256([]byte(code)), sha256.Sum256([]byte(want))
	return subtle.ConstantTimeCompare(a[:], b[:]) == 1, nil
}
