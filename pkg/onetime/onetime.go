// Package onetime holds one-time codes: secrets of kind c that an employee enrols a passkey with, once and soon.
//
// A code's secret is stored as a digest only. It can be tried five times in all: a try is reserved before the secret is looked at,
// so that tries at the same moment are no more than tries one after the other, and given back when the secret is right. Whoever
// presents a code learns whether it is accepted, and nothing else.
package onetime

import (
	"time"

	"github.com/rekey-dev/rekey/pkg/employee"
	"github.com/rekey-dev/rekey/pkg/id"
)

// MaxTries is how often a code can be tried with a wrong secret.
const MaxTries = 5

// Purpose is what a code is for.
type Purpose string

const (
	Invitation Purpose = "invitation" // an invited employee's first passkey
	Enrolment  Purpose = "enrolment"  // the first passkey after a reset of the second factor
	Passkey    Purpose = "passkey"    // one more passkey, for whoever is signed in with one
)

// Life is how long a code of the purpose is good.
func (p Purpose) Life() time.Duration {
	if p == Passkey {
		return 10 * time.Minute
	}
	return 72 * time.Hour
}

// Code is a one-time code.
type Code struct {
	ID            id.Invitation
	Employee      id.Employee
	Purpose       Purpose
	MAC           []byte
	PepperVersion string
	Epoch         int64  // of a code for one more passkey: the employee's session epoch, with which it ends
	Issuer        string // of a code for one more passkey: the session or token that asked for it, with which it ends
	Tries         int    // reserved so far
	ExpiresAt     time.Time
	CreatedAt     time.Time
	UsedAt        time.Time // zero while it was not
}

// Open tells whether a code can still be tried.
func (c Code) Open(now time.Time) bool {
	return c.UsedAt.IsZero() && now.Before(c.ExpiresAt) && c.Tries < MaxTries
}

// IsCurrent tells whether a code is good for its employee as the employee is now. Of invitations and enrolment codes only the one
// that the employee's item names is; a code for one more passkey is as long as its employee can act, and until their sessions are ended.
func (c Code) IsCurrent(e employee.Employee) bool {
	switch {
	case c.Employee != e.ID:
		return false
	case c.Purpose == Passkey:
		return e.Status == employee.Active && e.SessionEpoch == c.Epoch
	case c.Purpose == Invitation:
		return e.Status == employee.Invited && e.Code == c.ID
	case c.Purpose == Enrolment:
		return e.Status == employee.Active && e.Code == c.ID && len(e.Passkeys) == 0
	}
	return false
}

// Create puts a new code. It is lost when the ID exists.
type Create struct{ Code Code }

func (Create) Write() {}

// Spend uses a code up. It is lost when it is gone, was used or has expired.
type Spend struct {
	Code Code
	At   time.Time
}

func (Spend) Write() {}
