// Package fault is the one error type that crosses rekey's layers: a kind that a program can act on, a detail that may be
// shown to a caller, and a cause that may not.
//
// The domain returns a fault; the HTTP layer maps its kind to a status in one table. The package knows neither HTTP nor
// storage. An error that is no fault is an internal one, and its text never reaches a caller.
package fault

import (
	"errors"
	"time"
)

// Kind says what went wrong, in the words of the API's problem codes. Kinds travel to clients: they are never renamed.
type Kind string

const (
	Malformed            Kind = "malformed_request"
	Unauthorized         Kind = "unauthorized"
	MissingScope         Kind = "missing_scope"
	MissingPermission    Kind = "missing_permission"
	NotGrantable         Kind = "not_grantable"
	APINotRegistered     Kind = "api_not_registered"
	NotFound             Kind = "not_found"
	PayloadTooLarge      Kind = "payload_too_large"
	UnsupportedMediaType Kind = "unsupported_media_type"
	Conflict             Kind = "conflict"
	InUse                Kind = "in_use"
	RotationOpen         Kind = "rotation_open"
	GatewayOwned         Kind = "gateway_owned"
	CompanySuspended     Kind = "company_suspended"
	AlreadySetUp         Kind = "already_set_up"
	LastOwner            Kind = "last_owner"
	LastCredential       Kind = "last_credential"
	StaleSecret          Kind = "stale_secret"
	LimitReached         Kind = "limit_reached"
	Ended                Kind = "ended"
	PreconditionFailed   Kind = "precondition_failed"
	Invalid              Kind = "invalid"
	IdempotencyMismatch  Kind = "idempotency_mismatch"
	TooManyRequests      Kind = "too_many_requests"
	Internal             Kind = "internal"
	Unavailable          Kind = "unavailable"
)

// Kinds lists every kind, so that a test can hold each table over kinds against it.
var Kinds = []Kind{
	Malformed, Unauthorized, MissingScope, MissingPermission, NotGrantable, APINotRegistered, NotFound, PayloadTooLarge,
	UnsupportedMediaType, Conflict, InUse, RotationOpen, GatewayOwned, CompanySuspended, AlreadySetUp, LastOwner,
	LastCredential, StaleSecret, LimitReached, Ended, PreconditionFailed, Invalid, IdempotencyMismatch, TooManyRequests,
	Internal, Unavailable,
}

// NotAccepted is the detail of every 401 of a key: it tells whoever guesses nothing, and whoever holds a secret where to ask.
const NotAccepted = "This key was not accepted: it may be mistyped, rotated, revoked, expired or locked. " +
	"Its holder can learn which with POST …/v1/key-status. If it was just replaced, restart the client or reload its secret store. " +
	"A wrong scope would be a 403."

// NotProven is the detail of every 401 of a sign-in or an enrolment, where no key is sent. It is the same for every cause, too.
const NotProven = "The code, challenge or passkey was not accepted. Begin anew; a code that was used, was replaced or has run out " +
	"does not work any more: ask for a new letter."

// Field is one violation in the caller's input. Pointer is a JSON pointer (RFC 6901) to the member, also to a missing or
// an unknown one; for a query parameter it is "/" and the parameter's name; "" is the whole document.
type Field struct {
	Pointer string
	Detail  string
}

// Blocker says what stands in the way of an action: how many objects of a type, and at most ten of their IDs.
type Blocker struct {
	Type  string
	Count int
	IDs   []string
}

// Error is a failure with a public and a private half.
type Error struct {
	Kind              Kind
	Detail            string // shown to the caller
	Fields            []Field
	MissingScope      string
	MissingPermission string
	BlockedBy         []Blocker
	RetryAfter        time.Duration // for TooManyRequests and Unavailable; whole seconds, at least one
	Cause             error         // never shown
}

func (e *Error) Error() string {
	s := string(e.Kind)
	if e.Detail != "" {
		s += ": " + e.Detail
	}
	for _, f := range e.Fields {
		s += " [" + f.Pointer + ": " + f.Detail + "]"
	}
	if e.Cause != nil {
		s += ": " + e.Cause.Error()
	}
	return s
}

func (e *Error) Unwrap() error { return e.Cause }

// New makes a fault with a detail for the caller.
func New(kind Kind, detail string) *Error { return &Error{Kind: kind, Detail: detail} }

// InvalidField makes a fault for one member of the caller's input.
func InvalidField(pointer, detail string) *Error {
	return &Error{Kind: Invalid, Detail: "The request has an invalid member.", Fields: []Field{{pointer, detail}}}
}

// InvalidFields makes a fault for several members; it returns nil when there are none.
func InvalidFields(fields []Field) error {
	if len(fields) == 0 {
		return nil
	}
	return &Error{Kind: Invalid, Detail: "The request has invalid members.", Fields: fields}
}

// Missing is the one answer to an object that does not exist, is another tenant's, or is not visible to the caller.
func Missing(what string) *Error {
	return &Error{Kind: NotFound, Detail: "There is no such " + what + ", or you may not see it."}
}

// Down makes a fault for a dependency that did not answer or throttled; the caller may retry.
func Down(cause error) *Error {
	return &Error{Kind: Unavailable, Detail: "A service that rekey depends on did not answer. Try again shortly.",
		RetryAfter: time.Second, Cause: cause}
}

// KindOf returns the kind of an error; Internal for one that is no fault.
func KindOf(err error) Kind {
	var e *Error
	if errors.As(err, &e) {
		return e.Kind
	}
	return Internal
}

// Is tells whether err is a fault of the kind.
func Is(err error, kind Kind) bool { return err != nil && KindOf(err) == kind }
