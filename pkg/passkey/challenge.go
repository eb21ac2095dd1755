package passkey

import (
	"context"
	"errors"
	"time"

	"github.com/rekey-dev/rekey/pkg/change"
	"github.com/rekey-dev/rekey/pkg/employee"
	"github.com/rekey-dev/rekey/pkg/fault"
	"github.com/rekey-dev/rekey/pkg/id"
)

// Take takes a challenge away, by way of take, and returns it if it is for a purpose and has not expired. For every other one it
// returns one and the same fault of kind unauthorized.
func Take(ctx context.Context, take func(context.Context, id.Challenge, time.Time) (Challenge, error), which id.Challenge, purpose Purpose, now time.Time) (Challenge, error) {
	found, err := take(ctx, which, now)
	switch {
	case errors.Is(err, change.ErrLost):
		return Challenge{}, refused(errors.New("passkey: there is no such challenge, or it was answered"))
	case err != nil:
		return Challenge{}, err
	case found.Purpose != purpose:
		return Challenge{}, refused(errors.New("passkey: a challenge for something else"))
	case !now.Before(found.ExpiresAt):
		return Challenge{}, refused(errors.New("passkey: the challenge has expired"))
	}
	return found, nil
}

func refused(cause error) error {
	return &fault.Error{Kind: fault.Unauthorized, Detail: fault.NotProven, Cause: cause}
}

// UserOf is an employee as an authenticator knows one.
func UserOf(e employee.Employee) User {
	return User{Handle: string(e.ID), Address: e.Email, Name: e.Name()}
}

// Records are what a ceremony needs of passkeys.
func Records(of []Passkey) []Record {
	out := make([]Record, len(of))
	for i, p := range of {
		out[i] = p.Record
	}
	return out
}
