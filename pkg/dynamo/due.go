package dynamo

import (
	"context"
	"fmt"
	"hash/fnv"
	"strings"
	"time"

	"github.com/aws/aws-sdk-go-v2/aws"
	"github.com/aws/aws-sdk-go-v2/service/dynamodb"

	"github.com/rekey-dev/rekey/pkg/apikey"
	"github.com/rekey-dev/rekey/pkg/id"
)

// DueShards is the number of the index's partitions.
const DueShards = 16

// indexDue is the name of the index of what is due.
const indexDue = "due"

func dueShard(object string) string {
	h := fnv.New32a()
	h.Write([]byte(object))
	return shardName(int(h.Sum32() % DueShards))
}

func shardName(shard int) string { return fmt.Sprintf("due#%02d", shard) }

// setDue puts an item into the index, or takes it out.
func setDue(e *expression, object string, at time.Time) {
	if at.IsZero() {
		e.remove(attrDueShard, attrDueAt)
		return
	}
	e.set(attrDueShard, stringValue(dueShard(object)))
	e.setTime(attrDueAt, at)
}

// Due returns the keys and the tasks of a shard (0 to DueShards-1) that are due at a moment, the longest due first: one query of
// the index, half a read unit when there is nothing. The index lags behind the items by moments; whoever acts on one reads it
// first.
func (s *Store) Due(ctx context.Context, shard int, now time.Time, limit int) (due []apikey.Due, err error) {
	defer wrap(&err, "Store.Due(%d)", shard)
	var e expression
	cond := e.compare(attrDueShard, "=", stringValue(shardName(shard))) + " AND " + e.compare(attrDueAt, "<=", timeValue(now))
	out, err := s.api.Query(ctx, &dynamodb.QueryInput{TableName: &s.tables.Identity, IndexName: aws.String(indexDue),
		KeyConditionExpression: &cond, ExpressionAttributeNames: e.names, ExpressionAttributeValues: e.values, Limit: aws.Int32(int32(limit))})
	if err != nil {
		return nil, err
	}
	for _, it := range out.Items {
		r := reader{it: it}
		one := apikey.Due{At: r.time(attrDueAt)}
		if task, ok := strings.CutPrefix(r.string(attrPK), prefixTask); ok {
			one.Policy = id.Policy(task)
		} else {
			one.Key = id.Key(r.string(attrPK))
		}
		due = append(due, one)
		if r.err != nil {
			return nil, r.err
		}
	}
	return due, nil
}

// Reschedule moves the time at which a key is due, from what was read, and that at which it is to be rotated. It records nothing, as nothing
// of the key changes. It is lost when the time is another meanwhile: then somebody else has acted on the key.
func (s *Store) Reschedule(ctx context.Context, k id.Key, from time.Time, to apikey.Timing) (err error) {
	defer wrap(&err, "Store.Reschedule(%s)", k)
	a := action{table: s.tables.Identity, key: keyKey(k), reason: "the key is due at another time"}
	a.expr.require(a.expr.exists(attrPK))
	a.expr.require(a.expr.isTime(attrDueAt, from))
	setDue(&a.expr, string(k), to.DueAt)
	a.expr.setTime(attrRotateAt, to.RotateAt)
	return s.updateOnce(ctx, a)
}
