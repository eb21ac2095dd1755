package dynamo

import (
	"context"
	"fmt"
	"hash/fnv"
	"time"

	"github.com/aws/aws-sdk-go-v2/aws"
	"github.com/aws/aws-sdk-go-v2/service/dynamodb"

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

// Due returns keys of a shard (0 to DueShards-1) that are due at a moment, the longest due first: one query of the index,
// half a read unit when there is nothing. The index lags behind the items by moments; whoever acts on a key reads it first.
func (s *Store) Due(ctx context.Context, shard int, now time.Time, limit int) (keys []id.Key, err error) {
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
		keys = append(keys, id.Key(r.string(attrPK)))
		if r.err != nil {
			return nil, r.err
		}
	}
	return keys, nil
}
