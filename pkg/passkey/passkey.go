// Package passkey holds employees' passkeys, and how they are enrolled, listed and removed.
//
// A passkey is a WebAuthn credential: a key pair whose private half stays with its authenticator. It is discoverable, so that its
// owner signs in without a name, and it is used with user verification (a finger, a face, a PIN), so that it is two factors in one.
// What is signed is bound to the domain that it was made for. The first one comes with a one-time code; a further one is signed by
// one that is there, or comes with a code that such a one asked for. The last one is never removed, only replaced by a reset.
//
// Source: W3C Web Authentication Level 3.
package passkey

import (
	"time"

	"github.com/rekey-dev/rekey/pkg/id"
	"github.com/rekey-dev/rekey/pkg/place"
)

// Passkey is one of an employee's.
type Passkey struct {
	ID         id.Credential
	EmployeeID id.Employee
	Place      place.Place // of the employee
	Name       string
	Record     Record
	SignedBy   string // cred_… that signed its enrolment, or the one-time code (inv_…) that it came with
	CreatedAt  time.Time
	LastUsedAt time.Time // of the last sign-in
	EventSeq   int64
}

// Record is what a ceremony needs of a passkey.
type Record struct {
	RPID         string // the domain that it is for
	CredentialID []byte // given by the authenticator, at most 1,023 bytes
	PublicKey    []byte // a COSE_Key (RFC 9052)
	Algorithm    string // ES256, EdDSA, RS256, …
	AAGUID       []byte // 16 bytes, the authenticator's model; zeros where it does not say
	Transports   []string
	SignCount    uint32 // of signatures; 0 where the authenticator does not count
	Flags        byte   // of the authenticator data, as they were last seen
}

// Create puts a new passkey. It is lost when the ID exists, or when a passkey with the credential ID does, whoever's it is. That
// its employee has it is a write of its own, in the same Set.
type Create struct{ Passkey Passkey }

func (Create) Write() {}

// Use notes a sign-in: when, and the counter and flags that the authenticator gave. It is lost when the passkey is gone, or was
// used since it was read, so that a counter never goes back.
type Use struct {
	Old    Passkey
	Record Record
	At     time.Time
}

func (Use) Write() {}

// Delete removes a passkey. It is lost when the passkey is gone. That its employee has it no more is a write of its own.
type Delete struct{ Old Passkey }

func (Delete) Write() {}

// ChallengeFor is how long a challenge can be answered.
const ChallengeFor = 5 * time.Minute

// Purpose is what a challenge can be answered for.
type Purpose string

const (
	Enrol  Purpose = "enrol"
	SignIn Purpose = "sign_in"
)

// Challenge is one ceremony that has begun. It is answered once: whoever answers it takes it away first, whether the answer is right
// or not.
type Challenge struct {
	ID         id.Challenge
	Purpose    Purpose
	EmployeeID id.Employee   // whose passkey is to be enrolled; "" for signing in, where the answer says who it is
	Code       id.Invitation // with which it began; "" for none
	Kept       []byte        // what the ceremony remembers
	Proof      []byte        // the same of the signature of a passkey that is there; nil where none is wanted
	ExpiresAt  time.Time
}
