package passkey

import (
	"encoding/json"
	"errors"
)

// Site is where people sign in: what browsers bind passkeys to.
type Site struct {
	RPID    string   // a domain, without scheme and port
	Name    string   // shown by the browser
	Origins []string // scheme, host and port of the pages that may ask
}

// User is an employee as an authenticator knows one.
type User struct {
	Handle  string // the employee's ID
	Address string // e-mail address
	Name    string
}

// Begun is a ceremony that waits for its answer.
type Begun struct {
	Options json.RawMessage // for navigator.credentials, in the JSON form of WebAuthn Level 3
	Kept    []byte          // to be handed to its end
}

// What a ceremony's end says.
var (
	ErrRefused = errors.New("passkey: the answer does not hold") // it may wrap why, for the log
	ErrCloned  = errors.New("passkey: its counter did not go up: there may be a copy of it")
)

// Ceremonies are those of WebAuthn. Every ceremony wants user verification.
type Ceremonies interface {
	// BeginEnrolment makes the options of a new passkey for a user who has others.
	BeginEnrolment(s Site, u User, has []Record) (Begun, error)
	// FinishEnrolment returns the new passkey, or ErrRefused.
	FinishEnrolment(s Site, u User, kept, answer []byte) (Record, error)
	// BeginSignature makes the options of a signature by one of the passkeys that are given; nil for whichever one of the site the
	// authenticator has.
	BeginSignature(s Site, u User, has []Record) (Begun, error)
	// Signer reads from an answer, without checking it, whose it says to be; ErrRefused for what is no answer.
	Signer(answer []byte) (handle string, credentialID []byte, err error)
	// FinishSignature returns the one of the given passkeys that signed, with its counter and flags as they are now; ErrRefused, or
	// ErrCloned when all is right but the counter.
	FinishSignature(s Site, u User, has []Record, kept, answer []byte) (Record, error)
}

// Sites says which site a call came in by.
type Sites struct {
	Name    string
	Domain  string   // the passkeys' domain; "" for the one that was called
	Origins []string // of the pages that may ask; none for https on the passkeys' domain
}

// At is the site of a call by the domain that was called, as the gateway knows it.
func (s Sites) At(called string) Site {
	at := Site{RPID: s.Domain, Name: s.Name, Origins: s.Origins}
	if at.RPID == "" {
		at.RPID = called
	}
	if len(at.Origins) == 0 {
		at.Origins = []string{"https://" + at.RPID}
	}
	return at
}
