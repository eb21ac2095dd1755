package dynamo

import (
	"context"
	"time"

	"github.com/aws/aws-sdk-go-v2/service/dynamodb/types"

	"github.com/rekey-dev/rekey/pkg/change"
	"github.com/rekey-dev/rekey/pkg/id"
	"github.com/rekey-dev/rekey/pkg/onetime"
)

func encodeCode(c onetime.Code) item {
	it := newItem(codeKey(c.ID), typeCode)
	it.string(attrID, string(c.ID))
	it.string(attrEmployee, string(c.Employee))
	it.string(attrPurpose, string(c.Purpose))
	it.bytes(attrMAC, c.MAC)
	it.string(attrPepper, c.PepperVersion)
	it.int(attrIssueEpoch, c.Epoch)
	it.string(attrParent, c.Issuer)
	it.int(attrTries, int64(c.Tries))
	it.time(attrExpiresAt, c.ExpiresAt)
	it.time(attrCreatedAt, c.CreatedAt)
	it.time(attrUsedAt, c.UsedAt)
	it.ttl(c.ExpiresAt.Add(time.Hour))
	return it
}

func decodeCode(it item) (onetime.Code, error) {
	r := reader{it: it}
	return onetime.Code{ID: id.Invitation(r.string(attrID)), Employee: id.Employee(r.string(attrEmployee)), Purpose: onetime.Purpose(r.string(attrPurpose)),
		MAC: r.bytes(attrMAC), PepperVersion: r.string(attrPepper), Epoch: r.int(attrIssueEpoch), Issuer: r.string(attrParent), Tries: int(r.int(attrTries)), ExpiresAt: r.time(attrExpiresAt),
		CreatedAt: r.time(attrCreatedAt), UsedAt: r.time(attrUsedAt)}, r.err
}

func (b *builder) createCode(w onetime.Create) {
	b.put(create(b.store.tables.Transient, codeKey(w.Code.ID), encodeCode(w.Code), w, "the ID is taken"))
}

func (b *builder) spendCode(w onetime.Spend) {
	a := action{table: b.store.tables.Transient, key: codeKey(w.Code.ID), write: w, reason: "the code is gone, used or expired"}
	unspent(&a.expr, w.At)
	a.expr.setTime(attrUsedAt, w.At)
	b.put(a)
}

// unspent is the condition that a code is there, was not used and has not expired, whatever TTL has removed.
func unspent(e *expression, now time.Time) {
	e.require(e.exists(attrPK))
	e.require(e.missing(attrUsedAt))
	e.require(e.compare(attrExpiresAt, ">", timeValue(now)))
}

// TakeTry reserves a try of a code: one update. A lost answer is not sent again, and is a fault of kind unavailable.
func (s *Store) TakeTry(ctx context.Context, c id.Invitation, now time.Time) (_ onetime.Code, err error) {
	defer wrap(&err, "Store.TakeTry(%s)", c)
	var e expression
	unspent(&e, now)
	e.require(e.missing(attrTries) + " OR " + e.compare(attrTries, "<", intValue(onetime.MaxTries)))
	e.add(attrTries, 1)
	after, err := s.update(ctx, s.tables.Transient, codeKey(c), &e, types.ReturnValueAllNew)
	if _, failed := failedCondition(err); failed {
		return onetime.Code{}, &change.Lost{Reason: "the code is not there or not open"}
	}
	if err != nil {
		return onetime.Code{}, err
	}
	return decodeCode(after)
}

// ReturnTry gives a reserved try back: one update.
func (s *Store) ReturnTry(ctx context.Context, c id.Invitation) (err error) {
	defer wrap(&err, "Store.ReturnTry(%s)", c)
	a := action{table: s.tables.Transient, key: codeKey(c), reason: "no try of the code is reserved"}
	a.expr.require(a.expr.compare(attrTries, ">", intValue(0)))
	a.expr.add(attrTries, -1)
	return s.updateOnce(ctx, a)
}
