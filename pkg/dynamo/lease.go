package dynamo

import (
	"context"
	"time"
)

// Lease takes a shard of the index of what is due for a run, until a moment: one update. It is lost while another run has it. What
// is due is changed under conditions of its own: a lease spares calls and protects nothing.
func (s *Store) Lease(ctx context.Context, shard int, run string, now, until time.Time) (err error) {
	defer wrap(&err, "Store.Lease(%d)", shard)
	a := action{table: s.tables.Directory, key: leaseKey(shard), reason: "another run has the shard"}
	e := &a.expr
	e.require(e.missing(attrHolder) + " OR " + e.compare(attrUntil, "<=", timeValue(now)))
	e.set(attrType, stringValue(typeLease))
	e.setString(attrHolder, run)
	e.setTime(attrUntil, until)
	return s.updateOnce(ctx, a)
}

// Release gives a shard back: one update. It is lost when the run does not have it, or not any more. The item stays, without a
// holder: there is one for each shard.
func (s *Store) Release(ctx context.Context, shard int, run string) (err error) {
	defer wrap(&err, "Store.Release(%d)", shard)
	a := action{table: s.tables.Directory, key: leaseKey(shard), reason: "the run does not have the shard"}
	a.expr.require(a.expr.compare(attrHolder, "=", stringValue(run)))
	a.expr.remove(attrHolder, attrUntil)
	return s.updateOnce(ctx, a)
}
