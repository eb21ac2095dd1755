// Package session holds sessions: secrets that act for an employee who signed in, or for one who works inside one company.
package session

import (
	"time"

	"github.com/rekey-dev/rekey/pkg/id"
	"github.com/rekey-dev/rekey/pkg/permission"
	"github.com/rekey-dev/rekey/pkg/place"
	"github.com/rekey-dev/rekey/pkg/token"
)

// How long a session lasts, whatever is done with it.
const (
	Life        = 12 * time.Hour   // of one that began with a passkey
	AssumedLife = time.Hour        // of one inside a company
	IdleAfter   = 30 * time.Minute // without a request; exact to a minute, as a session notes its use once in each
)

// KeptFor is how long an ended session is listed.
const KeptFor = 30 * 24 * time.Hour

// Session is one session; its secret is stored as a digest only. It ends for good when it is revoked, when its time is over,
// when nothing is done with it for IdleAfter, when its employee's session epoch is another, and with its parent.
type Session struct {
	ID            id.Session
	EmployeeID    id.Employee
	Place         place.Place // of the employee, or of the company that it is inside
	Epoch         int64       // the employee's session epoch when it began
	CompanyEpoch  int64       // inside a company: the company's session epoch then
	Passkey       id.Credential
	Parent        string         // inside a company: the credential that it was opened with, ses_… or pat_…
	Scopes        permission.Set // inside a company: what it may do at most; otherwise it may all that the employee may
	Reason        string         // inside a company: why, in the employee's words
	MAC           []byte
	PepperVersion string
	SourceIP      string
	UserAgent     string
	CreatedAt     time.Time
	ExpiresAt     time.Time
	RevokedAt     time.Time // zero while it is not
	LastUsedAt    time.Time // of the first request in its minute
	EventSeq      int64
}

// Generation is that of every session's secret: it is never replaced.
const Generation = 1

// Inside tells whether the session is inside a company.
func (s Session) Inside() bool { return s.Place.Company != "" }

// Prefix returns the characters of the secret that may be shown.
func (s Session) Prefix() string { return token.Prefix(token.Session, id.Body(s.ID)) }

// EndsAt is when a session is over that is not used again: its time is up or it has been idle, whichever is earlier.
func EndsAt(created, used, expires time.Time) time.Time {
	idle := created
	if used.After(idle) {
		idle = used
	}
	if idle = idle.Add(IdleAfter); idle.Before(expires) {
		return idle
	}
	return expires
}

// EndsAt is when the session is over if it is not used again.
func (s Session) EndsAt() time.Time { return EndsAt(s.CreatedAt, s.LastUsedAt, s.ExpiresAt) }

// Status says what a session is good for.
type Status string

const (
	Active  Status = "active"
	Expired Status = "expired" // final
	Revoked Status = "revoked" // final
)

// Status is the session's own at a time, for an employee of a session epoch. Whether its parent lives and its company is active
// does not show in it.
func (s Session) Status(epoch int64, now time.Time) Status {
	switch {
	case !s.RevokedAt.IsZero() || s.Epoch != epoch:
		return Revoked
	case !now.Before(s.EndsAt()):
		return Expired
	}
	return Active
}

// Create puts a new session, the row that lists it at its employee, and where it began as a source that authenticated. It is lost
// when the ID exists.
type Create struct{ Session Session }

func (Create) Write() {}

// Note changes nothing of a session but its event seq: the record of the Set is its next. It is lost when the session has changed.
type Note struct{ Old Session }

func (Note) Write() {}

// Revoke ends a session. It is lost when the session has changed.
type Revoke struct {
	Old Session
	At  time.Time
}

func (Revoke) Write() {}
