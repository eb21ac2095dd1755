package dynamo

import (
	"context"
	"errors"
	"time"

	"github.com/rekey-dev/rekey/pkg/audit"
	"github.com/rekey-dev/rekey/pkg/change"
	"github.com/rekey-dev/rekey/pkg/fault"
	"github.com/rekey-dev/rekey/pkg/idempotency"
)

// Store is everything that is kept: a Verifier, and what administration reads and changes.
type Store struct {
	*Verifier
	fold func(string) string
}

// New makes a Store. Names and addresses are compared and sorted in the form that fold gives them (fold.Name): a Verifier
// needs none, so the authorizer does not carry its tables.
func New(client API, tables Tables, fold func(string) string) *Store {
	return &Store{Verifier: NewVerifier(client, tables), fold: fold}
}

// WithSleep is Verifier.WithSleep for a Store.
func (s *Store) WithSleep(sleep func(context.Context, time.Duration) error) *Store {
	return &Store{Verifier: s.Verifier.WithSleep(sleep), fold: s.fold}
}

// Idempotency returns the record of a scope that has not expired at now; nil when there is none.
func (s *Store) Idempotency(ctx context.Context, scope string, now time.Time) (_ *idempotency.Record, err error) {
	defer wrap(&err, "Store.Idempotency(%s)", scope)
	it, err := s.getItem(ctx, s.tables.Transient, idemKey(scope))
	if err != nil || it == nil {
		return nil, err
	}
	record, err := decodeIdempotency(it)
	if err != nil || !now.Before(record.ExpiresAt) {
		return nil, err
	}
	return record, nil
}

// Remember puts the record of a call that had nothing to change. Whatever became of the put, the record that is there then
// tells.
func (s *Store) Remember(ctx context.Context, r idempotency.Record) (err error) {
	defer wrap(&err, "Store.Remember(%s)", r.Scope)
	t := transaction{actions: []action{s.idempotencyAction(r, r.CreatedAt)}, proof: audit.Event{Operation: r.Operation}}
	in, err := t.input()
	if err != nil {
		return err
	}
	_, putErr := s.api.TransactWriteItems(ctx, in)
	if putErr == nil || (effectOf(putErr) == refused && refusalOf(putErr) == nil) {
		return putErr
	}
	kept, err := s.Idempotency(ctx, r.Scope, r.CreatedAt)
	switch {
	case err != nil:
		return fault.Down(errors.Join(putErr, err))
	case kept == nil:
		return fault.Down(putErr)
	case kept.Operation != r.Operation:
		return &change.Repeated{Winner: *kept}
	}
	return nil
}

// idempotencyAction puts the record of a call where there is none that still counts, or in the place of the one that it amends.
func (s *Store) idempotencyAction(r idempotency.Record, now time.Time) action {
	a := action{table: s.tables.Transient, key: idemKey(r.Scope), item: encodeIdempotency(r), reason: "an equal call was first"}
	if r.Amends != "" {
		a.reason = "the call's record is another"
		a.expr.require(a.expr.compare(attrOperation, "=", stringValue(string(r.Amends))))
		return a
	}
	a.expr.require(a.expr.missing(attrPK) + " OR " + a.expr.compare(attrExpiresAt, "<=", timeValue(now)))
	return a
}
