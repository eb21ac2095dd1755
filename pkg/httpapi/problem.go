package httpapi

import (
	"cmp"
	"encoding/json"
	"errors"
	"fmt"
	"math"
	"net/http"
	"strconv"
	"strings"
	"time"

	"github.com/danielgtaylor/huma/v2"

	"github.com/rekey-dev/rekey/pkg/fault"
	"github.com/rekey-dev/rekey/pkg/token"
)

// meaning is what a kind of fault is in HTTP. The detail is that of a fault which has none.
type meaning struct {
	kind   fault.Kind
	status int
	title  string
	detail string
}

// meanings maps every kind of fault; what is no fault is fault.Internal. In the order of the API's documentation.
var meanings = [...]meaning{
	{fault.Malformed, http.StatusBadRequest, "Malformed request", ""},
	{fault.Unauthorized, http.StatusUnauthorized, "Unauthorized", "This key was not accepted: it may be mistyped, rotated, " +
		"revoked, expired or locked. Its holder can learn which with POST …/v1/key-status. If it was just replaced, restart the " +
		"client or reload its secret store. A wrong scope would be a 403."},
	{fault.MissingScope, http.StatusForbidden, "The key lacks a scope", ""},
	{fault.MissingPermission, http.StatusForbidden, "The role lacks a permission", ""},
	{fault.NotGrantable, http.StatusForbidden, "Not grantable", ""},
	{fault.APINotRegistered, http.StatusForbidden, "The API is not registered", ""},
	{fault.NotFound, http.StatusNotFound, "Not found", ""},
	{fault.PayloadTooLarge, http.StatusRequestEntityTooLarge, "Payload too large", ""},
	{fault.UnsupportedMediaType, http.StatusUnsupportedMediaType, "Unsupported media type", ""},
	{fault.Conflict, http.StatusConflict, "Conflict", ""},
	{fault.InUse, http.StatusConflict, "In use", ""},
	{fault.RotationOpen, http.StatusConflict, "Rotation open", ""},
	{fault.GatewayOwned, http.StatusConflict, "Owned by a gateway", ""},
	{fault.CompanySuspended, http.StatusConflict, "Company suspended", ""},
	{fault.AlreadySetUp, http.StatusConflict, "Already set up", ""},
	{fault.LastOwner, http.StatusConflict, "Last owner", ""},
	{fault.LastCredential, http.StatusConflict, "Last credential", ""},
	{fault.StaleSecret, http.StatusConflict, "Stale secret", ""},
	{fault.LimitReached, http.StatusConflict, "Limit reached", ""},
	{fault.Ended, http.StatusConflict, "Ended", ""},
	{fault.PreconditionFailed, http.StatusPreconditionFailed, "Precondition failed", ""},
	{fault.Invalid, http.StatusUnprocessableEntity, "Invalid", ""},
	{fault.IdempotencyMismatch, http.StatusUnprocessableEntity, "Idempotency mismatch", ""},
	{fault.TooManyRequests, http.StatusTooManyRequests, "Too many requests", ""},
	{fault.Internal, http.StatusInternalServerError, "Internal error",
		"Something went wrong inside rekey. Whoever runs it finds the cause in the log under the request_id."},
	{fault.Unavailable, http.StatusServiceUnavailable, "Unavailable", ""},
}

func meaningOf(k fault.Kind) meaning {
	for _, m := range meanings {
		if m.kind == k {
			return m
		}
	}
	return meaningOf(fault.Internal)
}

// Problem is the body of every error (RFC 9457).
type Problem struct {
	Type      string      `json:"type" doc:"urn:rekey:problem: and the code with hyphens" example:"urn:rekey:problem:not-found"`
	Title     string      `json:"title" doc:"The code in words; the same for every occurrence"`
	Status    int         `json:"status" minimum:"400" maximum:"599"`
	Detail    string      `json:"detail" doc:"What went wrong this time and what to do about it, for people"`
	Code      string      `json:"code" doc:"What a program decides by; codes are never renamed"`
	RequestID string      `json:"request_id" doc:"The same as in X-Request-Id, in the logs and in the audit record"`
	Errors    []Violation `json:"errors,omitempty" nullable:"false" doc:"What is wrong with which member; at most 50"`

	MissingScope      *string `json:"missing_scope,omitempty" doc:"On every 403: the scope that the key lacks and its account's role has; empty where it is not that"`
	MissingPermission *string `json:"missing_permission,omitempty" doc:"On every 403: the permission that the role lacks; empty where it is not that"`

	BlockedBy []Blocker `json:"blocked_by,omitempty" nullable:"false" doc:"What stands in the way"`
}

// Violation is one member of a request that is not as it must be.
type Violation struct {
	Pointer string `json:"pointer" doc:"JSON pointer (RFC 6901) to the member, also to a missing or an unknown one; for a query parameter / and its name"`
	Detail  string `json:"detail"`
}

// Blocker is what stands in the way of an action.
type Blocker struct {
	Type  string   `json:"type"`
	Count int      `json:"count" minimum:"1"`
	IDs   []string `json:"ids" nullable:"false" maxItems:"10"`
}

const maxViolations = 50

// problemOf makes the problem of an error, and the headers that go with it. Only what a fault says for its caller is in
// it, with whatever looks like a secret cut out.
func problemOf(err error, requestID string) (Problem, http.Header) {
	f := &fault.Error{Kind: fault.Internal}
	errors.As(err, &f)
	m := meaningOf(f.Kind)
	p := Problem{
		Type: "urn:rekey:problem:" + strings.ReplaceAll(string(m.kind), "_", "-"), Title: m.title, Status: m.status,
		Detail: m.detail, Code: string(m.kind), RequestID: requestID,
	}
	header := http.Header{"Content-Type": {"application/problem+json"}}
	if m.kind == fault.Internal {
		return p, header
	}
	if f.Detail != "" {
		p.Detail = token.Redact(f.Detail)
	}
	p.Detail = cmp.Or(p.Detail, m.title+".")
	for _, field := range f.Fields[:min(maxViolations, len(f.Fields))] {
		p.Errors = append(p.Errors, Violation{token.Redact(field.Pointer), token.Redact(field.Detail)})
	}
	for _, b := range f.BlockedBy {
		p.BlockedBy = append(p.BlockedBy, Blocker{b.Type, b.Count, append([]string{}, b.IDs[:min(10, len(b.IDs))]...)})
	}
	switch m.status {
	case http.StatusUnauthorized:
		header.Set("WWW-Authenticate", "Bearer")
	case http.StatusForbidden:
		p.MissingScope, p.MissingPermission = &f.MissingScope, &f.MissingPermission
	case http.StatusTooManyRequests, http.StatusServiceUnavailable:
		seconds := math.Ceil(float64(f.RetryAfter) / float64(time.Second))
		header.Set("Retry-After", strconv.Itoa(max(1, int(seconds))))
	}
	return p, header
}

// writeProblem ends the exchange with an error.
func (x *exchange) writeProblem(w http.ResponseWriter, err error) {
	p, header := problemOf(err, x.request.ID)
	x.err, x.code = err, fault.Kind(p.Code)
	for k, v := range header {
		w.Header()[k] = v
	}
	w.WriteHeader(p.Status)
	body, err := json.Marshal(p)
	if err != nil {
		panic("httpapi: a problem is not JSON: " + err.Error())
	}
	w.Write(body)
}

// GetStatus, Error and ContentType make a Problem what huma answers with.
func (p *Problem) GetStatus() int            { return p.Status }
func (p *Problem) Error() string             { return p.Code + ": " + p.Detail }
func (p *Problem) ContentType(string) string { return "application/problem+json" }

// huma takes what it says of errors, and what it holds arrays to be, from variables of its package.
func init() {
	huma.DefaultArrayNullable = false
	huma.NewError = func(status int, msg string, _ ...error) huma.StatusError {
		p, _ := problemOf(ofHuma(status, msg), "")
		return &p
	}
	huma.NewErrorWithContext = func(c huma.Context, status int, msg string, details ...error) huma.StatusError {
		x := exchangeOf(c.Context())
		x.err = fmt.Errorf("huma: %d %s", status, msg) // its details repeat the request: not even for the log
		p, header := problemOf(ofHuma(status, msg), x.request.ID)
		x.code = fault.Kind(p.Code)
		for k, v := range header {
			c.SetHeader(k, v[0])
		}
		return &p
	}
}

// ofHuma is the fault of what huma itself refuses. Requests are held against the document before huma sees them, so that
// this is a net below a net; huma's own words, which repeat the request, are not answered.
func ofHuma(status int, msg string) error {
	switch status {
	case http.StatusBadRequest:
		return fault.New(fault.Malformed, "The request cannot be read.")
	case http.StatusRequestEntityTooLarge:
		return tooLarge(MaxBody)
	case http.StatusUnsupportedMediaType:
		return fault.New(fault.UnsupportedMediaType, "The body must be application/json.")
	case http.StatusUnprocessableEntity:
		return fault.InvalidField("", "is not as the OpenAPI document wants it")
	}
	return errors.New(msg)
}
