// Package accesstoken holds personal access tokens: secrets that act for one employee and go when the employee goes.
package accesstoken

import (
	"time"

	"github.com/rekey-dev/rekey/pkg/id"
	"github.com/rekey-dev/rekey/pkg/permission"
	"github.com/rekey-dev/rekey/pkg/place"
	"github.com/rekey-dev/rekey/pkg/token"
)

// Token is a personal access token; its secret is stored as a digest only.
type Token struct {
	ID            id.PAT
	EmployeeID    id.Employee
	Place         place.Place // of the employee
	Name          string
	Scopes        permission.Set
	Epoch         int64 // the employee's token epoch when it was made
	EnrolEpoch    int64 // of one that enrols: the employee's session epoch then, and while that is another it enrols no more
	Enrols        bool  // made by set-up or a recovery: with it an employee without a passkey can get the code for a first one
	Generation    int64
	MAC           []byte
	PepperVersion string
	ExpiresAt     time.Time
	RevokedAt     time.Time // zero while it is not
	LastUsedAt    time.Time
	UsedGen       int64 // the generation that LastUsedAt is of
	CreatedAt     time.Time
	Version       int64
	EventSeq      int64
}

// Prefix returns the characters of the secret that may be shown.
func (t Token) Prefix() string { return token.Prefix(token.PersonalAccessToken, id.Body(t.ID)) }

// Status says what a token is good for.
type Status string

const (
	Active  Status = "active"
	Expired Status = "expired" // final
	Revoked Status = "revoked" // final
)

// Shown is a token with what it is good for now.
type Shown struct {
	Token
	Now Status
}

// Status is the token's at a time, for an employee of a token epoch; whether the employee can act does not show in it.
func (t Token) Status(epoch int64, now time.Time) Status {
	switch {
	case !t.RevokedAt.IsZero(), t.Epoch != epoch:
		return Revoked
	case !now.Before(t.ExpiresAt):
		return Expired
	}
	return Active
}

// Create puts a new token. It is lost when the ID exists.
type Create struct{ Token Token }

func (Create) Write() {}

// Note changes nothing of a token but its event seq: the record of the Set is its next. It is lost when the token has changed.
type Note struct{ Old Token }

func (Note) Write() {}

// Revoke ends a token. It is lost when the token has changed.
type Revoke struct {
	Old Token
	At  time.Time
}

func (Revoke) Write() {}
