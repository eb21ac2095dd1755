package dynamo

import (
	"context"
	"net/http"
	"slices"

	"github.com/aws/aws-sdk-go-v2/service/dynamodb"

	"github.com/rekey-dev/rekey/pkg/awsjson"
)

// Client is DynamoDB's client with a short way for the one call that every verdict makes.
//
// The SDK's stack around a call costs more than everything else in a verified request: BenchmarkSnapshot_BySDK allocates
// three times as often as BenchmarkSnapshot. A read of a verdict is therefore asked and decoded here, once. Whatever comes
// back that is not the plain answer, a refusal, a throttle, a key left unprocessed, a damaged or unknown text, or nothing at
// all, is not looked at any further: the SDK asks the same question again, and it knows errors and retries. A question that
// changes nothing may be asked twice.
type Client struct {
	*dynamodb.Client
	direct *awsjson.Caller // nil when the SDK found no endpoint; it says why
}

// BatchGetItem reads items.
func (c *Client) BatchGetItem(ctx context.Context, in *dynamodb.BatchGetItemInput, options ...func(*dynamodb.Options)) (*dynamodb.BatchGetItemOutput, error) {
	if f, ok := ctx.Value(flatReadKey{}).(*flatRead); ok && c.direct != nil && len(options) == 0 && !f.asked && f.ask(ctx, c.direct) {
		return &dynamodb.BatchGetItemOutput{}, nil
	}
	return c.Client.BatchGetItem(ctx, in, options...)
}

// flatRead is a read of a verdict: what it asks, strongly consistent, and the items of a plain answer.
type flatRead struct {
	table string
	keys  []key
	asked bool // once: what the SDK is asked again is not what this asks
	items []flatItem
}

type flatReadKey struct{}

// ask asks once and reports whether the answer was plain.
func (f *flatRead) ask(ctx context.Context, c *awsjson.Caller) bool {
	f.asked = true
	question, ok := f.question()
	if !ok {
		return false
	}
	resp, err := c.Post(ctx, "BatchGetItem", question)
	if err != nil {
		return false
	}
	defer resp.Body.Close()
	body, err := readAll(resp.Body, resp.ContentLength)
	if err != nil || resp.StatusCode != http.StatusOK || checksum(resp.Header, body) != nil {
		return false
	}
	items, ok := scanBatch(string(body), f.table)
	if !ok || !f.wanted(items) {
		return false
	}
	f.items = items
	return true
}

// wanted tells whether every item is one that was asked for.
func (f *flatRead) wanted(items []flatItem) bool {
	for _, it := range items {
		pk, _ := it.lookup(attrPK)
		sk, _ := it.lookup(attrSK)
		if pk.typ != "S" || sk.typ != "S" || !slices.Contains(f.keys, key{pk.text, sk.text}) {
			return false
		}
	}
	return true
}

// question is the call's body; false when a text in it would have to be escaped.
func (f *flatRead) question() ([]byte, bool) {
	q := make([]byte, 0, 512)
	q = append(append(append(q, `{"RequestItems":{"`...), f.table...), `":{"ConsistentRead":true,"Keys":[`...)
	ok := plain(f.table)
	for i, k := range f.keys {
		if i > 0 {
			q = append(q, ',')
		}
		q = append(append(q, `{"`+attrPK+`":{"S":"`...), k.pk...)
		q = append(append(q, `"},"`+attrSK+`":{"S":"`...), k.sk...)
		q = append(q, `"}}`...)
		ok = ok && plain(k.pk) && plain(k.sk)
	}
	return append(q, `]}}}`...), ok
}

// plain tells whether a text stands for itself in JSON.
func plain(s string) bool {
	for i := 0; i < len(s); i++ {
		if c := s[i]; c < ' ' || c == '"' || c == '\\' || c >= 0x7f {
			return false
		}
	}
	return true
}
