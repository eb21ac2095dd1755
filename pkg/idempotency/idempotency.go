// Package idempotency lets a POST be repeated: the same call with the same Idempotency-Key has one effect and one answer.
//
// The record of a call is committed in the transaction of its effect, under the condition that no live one is there; the
// loser of two simultaneous calls reads the winner's record and answers the same. A record holds the answer without the
// secret; the secret is derived again from the record's salt, for an hour or until its first use, and only while it is the
// credential's current one. With the record gone the secret cannot be made again.
package idempotency

import (
	"crypto/sha256"
	"encoding/hex"
	"io"
	"time"

	"github.com/rekey-dev/rekey/pkg/fault"
	"github.com/rekey-dev/rekey/pkg/id"
	"github.com/rekey-dev/rekey/pkg/token"
)

const (
	// KeptFor is how long a call can be repeated.
	KeptFor = 24 * time.Hour
	// SecretFor is how long its secret can be repeated.
	SecretFor = time.Hour
	// MaxKey is the longest Idempotency-Key, in visible ASCII characters.
	MaxKey = 255
)

// Record is a call that was carried out.
type Record struct {
	Scope       string // hex SHA-256 over caller, method, path and key
	Fingerprint string // hex SHA-256 over the payload
	Operation   id.Operation
	Status      int
	ETag        string
	Body        []byte // the answer, without its secret
	Secret      *DerivedSecret
	CreatedAt   time.Time
	ExpiresAt   time.Time

	// Amends is the operation that put the record whose place this one takes: an earlier change of the same call. "" for the
	// first of a call. It is not kept.
	Amends id.Operation
}

// DerivedSecret says how the secret in an answer is made again.
type DerivedSecret struct {
	Kind       token.Kind
	Public     string // the 20 characters after the ID's prefix
	Generation int64
	Salt       []byte
	KeyVersion string // version of the derivation key
}

// Pending is a call with an Idempotency-Key that is being carried out. A nil *Pending is a call without one.
type Pending struct {
	Scope       string
	Fingerprint string
	Salt        []byte
	Prior       *Record // the live record of an earlier call, if there is one
	// Render makes the answer that is kept, from the operation's result. It is pure: it may run twice.
	Render func(result any) (status int, etag string, body []byte, err error)

	amends id.Operation
}

// Amending is the Pending of one more change of a call whose first was op: what that comes to is what a repeat is answered with
// from then on. answer makes what Render wants of the change's result. It is for calls that show no secret.
func (p *Pending) Amending(op id.Operation, answer func(result any) any) *Pending {
	if p == nil {
		return nil
	}
	next := *p
	next.amends = op
	next.Render = func(result any) (int, string, []byte, error) { return p.Render(answer(result)) }
	return &next
}

// Scope returns the name under which a call is kept.
func Scope(caller, method, path, key string) string {
	return digest(caller, method, path, key)
}

// Fingerprint returns the name of a payload: the query string and the body as they came.
func Fingerprint(query string, body []byte) string { return digest(query, string(body)) }

func digest(parts ...string) string {
	h := sha256.New()
	for _, p := range parts {
		n := len(p)
		h.Write([]byte{byte(n >> 24), byte(n >> 16), byte(n >> 8), byte(n)})
		io.WriteString(h, p)
	}
	return hex.EncodeToString(h.Sum(nil))
}

// NewSalt draws the salt of an operation.
func NewSalt(rand io.Reader) []byte {
	s := make([]byte, token.SaltLength)
	if _, err := io.ReadFull(rand, s); err != nil {
		panic("idempotency: no randomness: " + err.Error())
	}
	return s
}

// Replay is the error with which an operation says: this call was carried out before, answer as then.
type Replay struct{ Record Record }

func (*Replay) Error() string { return "idempotency: the call was carried out before" }

// IsRepeat tells whether the call was carried out before.
func (p *Pending) IsRepeat() bool { return p != nil && p.Prior != nil }

// Check returns a *Replay when the call was carried out before with the same payload, a fault when with another one, and
// nil when it is new. An operation calls it once the caller is authorized and before it looks at the object's state.
func (p *Pending) Check() error {
	if p == nil || p.Prior == nil {
		return nil
	}
	return Answer(*p.Prior, p.Fingerprint)
}

// Answer is Check for a record that was found.
func Answer(r Record, fingerprint string) error {
	if r.Fingerprint != fingerprint {
		return &fault.Error{Kind: fault.IdempotencyMismatch,
			Detail: "This Idempotency-Key was used with another payload. Use a new key for a new call."}
	}
	return &Replay{Record: r}
}

// Record makes the record of the call from its result. A nil Pending makes none.
func (p *Pending) Record(op id.Operation, now time.Time, result any, secret *DerivedSecret) (*Record, error) {
	if p == nil {
		return nil, nil
	}
	status, etag, body, err := p.Render(result)
	if err != nil {
		return nil, err
	}
	return &Record{Scope: p.Scope, Fingerprint: p.Fingerprint, Operation: op, Status: status, ETag: etag, Body: body,
		Secret: secret, CreatedAt: now, ExpiresAt: now.Add(KeptFor), Amends: p.amends}, nil
}
