package dynamo

import (
	"context"

	"github.com/aws/aws-sdk-go-v2/aws"
	"github.com/aws/aws-sdk-go-v2/service/dynamodb"
)

// query selects items of one partition, in the order of their sort keys.
type query struct {
	table   string
	pk      string
	prefix  string // of the sort key; "" for every one
	from    string // with to, instead of a prefix: both included
	to      string
	after   string // sort key to go on after
	newest  bool   // from the greatest sort key on
	filter  expression
	columns []string // "" for whole items
}

// wire returns the query for at most limit items read.
func (q *query) wire(limit int32) *dynamodb.QueryInput {
	e := expression{names: q.filter.names, values: q.filter.values}
	cond := e.compare(attrPK, "=", stringValue(q.pk))
	switch {
	case q.prefix != "":
		cond += " AND begins_with(" + e.name(attrSK) + ", " + e.value(stringValue(q.prefix)) + ")"
	case q.to != "":
		cond += " AND " + e.name(attrSK) + " BETWEEN " + e.value(stringValue(q.from)) + " AND " + e.value(stringValue(q.to))
	}
	in := &dynamodb.QueryInput{TableName: &q.table, ConsistentRead: aws.Bool(true), ScanIndexForward: aws.Bool(!q.newest),
		KeyConditionExpression: &cond, FilterExpression: q.filter.condition()}
	if limit > 0 {
		in.Limit = &limit
	}
	if len(q.columns) > 0 {
		var projection string
		for i, c := range q.columns {
			if i > 0 {
				projection += ", "
			}
			projection += e.name(c)
		}
		in.ProjectionExpression = &projection
	}
	if q.after != "" {
		in.ExclusiveStartKey = key{q.pk, q.after}.wire()
	}
	in.ExpressionAttributeNames, in.ExpressionAttributeValues = e.names, e.values
	return in
}

// all hands every item that matches to got, however many calls it takes.
func (v *Verifier) all(ctx context.Context, q query, got func(item) error) error {
	in := q.wire(0)
	for {
		out, err := v.api.Query(ctx, in)
		if err != nil {
			return err
		}
		for _, it := range out.Items {
			if err := got(it); err != nil {
				return err
			}
		}
		if len(out.LastEvaluatedKey) == 0 {
			return nil
		}
		in.ExclusiveStartKey = out.LastEvaluatedKey
	}
}

// page returns at most want items from one call that reads at most limit, and the sort key to go on after; "" at the end.
func (v *Verifier) page(ctx context.Context, q query, want, limit int) (items []item, next string, err error) {
	if q.filter.condition() == nil && want < limit {
		limit = want + 1 // one more tells whether there is one more
	}
	out, err := v.api.Query(ctx, q.wire(int32(limit)))
	if err != nil {
		return nil, "", err
	}
	for _, it := range out.Items {
		if len(items) == want {
			return items, sortKey(items[want-1]), nil
		}
		items = append(items, it)
	}
	if len(out.LastEvaluatedKey) > 0 {
		next = sortKey(out.LastEvaluatedKey)
	}
	return items, next, nil
}

func sortKey(it item) string {
	r := reader{it: it}
	return r.string(attrSK)
}
