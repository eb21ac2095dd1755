// Package mailbox holds what waits to be told to people by e-mail: lines, what is known of their recipients, and the rules of
// when a message goes.
//
// It is values and pure functions. Package notice fills mailboxes and empties them, a store keeps them; it knows neither, nor
// what a message says.
package mailbox

import (
	"crypto/sha256"
	"encoding/hex"
	"strings"
	"time"

	"github.com/rekey-dev/rekey/pkg/id"
)

// Kind is what a line tells of.
type Kind string

const (
	Ending      Kind = "ending"       // a key nears its end
	RotationDue Kind = "rotation_due" // a key is to be rotated, and nobody does it by itself
	NotRotated  Kind = "not_rotated"  // nobody has rotated it in time, or no calendar ever allows it
	Overdue     Kind = "overdue"      // a new secret could not be delivered
	Aborted     Kind = "aborted"      // a rotation stopped because its new key ended
	Extended    Kind = "extended"     // an overlap was extended because the old key was in use
	EndedInUse  Kind = "ended_in_use" // a key ended that was in use shortly before
)

// Recipient stands for an address, so that addresses are no keys of anything: the first 32 hexadecimal digits of its SHA-256.
type Recipient string

// RecipientOf is the recipient with an address in the form of Canonical. What follows a plus sign in the part before the @ does
// not count (RFC 5233): one person gets one person's mail, under however many such addresses.
func RecipientOf(address string) Recipient {
	if at := strings.LastIndexByte(address, '@'); at > 0 {
		if plus := strings.IndexByte(address[:at], '+'); plus > 0 {
			address = address[:plus] + address[at:]
		}
	}
	sum := sha256.Sum256([]byte(address))
	return Recipient(hex.EncodeToString(sum[:16]))
}

// Canonical is the form in which addresses are compared and written to.
func Canonical(address string) string { return strings.ToLower(strings.TrimSpace(address)) }

// MaxNote is the longest note of a line, in bytes.
const MaxNote = 400

// Line is one thing that one recipient is to be told.
type Line struct {
	Event    id.Event // the audit record that it comes from; a recipient has at most one line of it, ever
	Address  string
	Kind     Kind
	Account  id.ServiceAccount
	Key      id.Key
	Rotation id.Rotation // "" for what is about a key alone
	Urgent   bool        // it does not wait for the next day's message
	Note     string      // what the record says in words; "" for nothing
	AddedAt  time.Time
}

// Box is what is known of a recipient beside the lines that wait. The zero Box is of one who was never written to.
type Box struct {
	SentAt     time.Time // of the last message
	FurtherAt  time.Time // of the last message that was not the first of its day
	RetryAt    time.Time // nothing is tried before
	Failures   int       // tries since the last message
	Claim      string    // of the run that is writing to them; "" for none
	ClaimUntil time.Time // then the claim is over whatever became of the run
	Version    int64     // raised by every change
}

// Wake says when a recipient is to be looked at.
type Wake struct {
	At        time.Time // a whole minute
	Recipient Recipient
	Mark      string // changes whenever the same row is asked for again
}
