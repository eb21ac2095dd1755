// Package call is what every use case is told about the call that it serves, beside its input.
package call

import (
	"context"
	"time"

	"github.com/rekey-dev/rekey/pkg/audit"
	"github.com/rekey-dev/rekey/pkg/authz"
	"github.com/rekey-dev/rekey/pkg/fault"
	"github.com/rekey-dev/rekey/pkg/id"
	"github.com/rekey-dev/rekey/pkg/idempotency"
	"github.com/rekey-dev/rekey/pkg/precondition"
)

// Call is one authenticated call.
type Call struct {
	Caller      authz.Caller
	Request     audit.Request
	Idempotency *idempotency.Pending // nil without an Idempotency-Key
	Match       precondition.Match
	Route       string // method and path template, for the record of a refusal
	Domain      string // by which the deployment was called, as API Gateway knows it
}

// Event begins the record of what the call does: by whom, from where, when.
func (c Call) Event(e id.Event, op id.Operation, now time.Time) audit.Event {
	return audit.Event{ID: e, At: now, Actor: c.Caller.Actor(), SourceIP: c.Request.SourceIP, UserAgent: c.Request.UserAgent,
		RequestID: c.Request.ID, Outcome: audit.OK, Operation: op}
}

// Refused makes the record of the same action being refused: at most one a minute, credential and route.
func (c Call) Refused(e audit.Event, now time.Time) audit.Event {
	e.ID = audit.DeniedID(c.Caller.KeyID, c.Route, now.Unix()/60)
	e.Operation = id.FromBody[id.Operation](id.Body(e.ID))
	e.Outcome, e.Seq = audit.Denied, 0
	return e
}

// Deny records that an action was refused, by way of put, and returns the refusal; if it cannot be recorded, that is the
// answer. Only a 403 is the refusal of a right: other faults are returned as they are.
func (c Call) Deny(ctx context.Context, put func(context.Context, audit.Event) error, e audit.Event, refusal error) error {
	switch fault.KindOf(refusal) {
	case fault.MissingPermission, fault.MissingScope, fault.NotGrantable:
		if err := put(ctx, c.Refused(e, e.At)); err != nil {
			return err
		}
	}
	return refusal
}
