package dynamo

import (
	"bytes"
	"context"
	"errors"
	"net/http"
	"slices"

	"github.com/aws/aws-sdk-go-v2/service/dynamodb"
	"github.com/aws/aws-sdk-go-v2/service/dynamodb/types"

	"github.com/rekey-dev/rekey/pkg/awsjson"
)

// Client is DynamoDB's client with a short way for the two calls of an environment's first request: the read that every verdict
// makes, and the row of usage.
//
// The SDK's stack around a call costs more than everything else in a verified request: BenchmarkSnapshot_BySDK allocates
// three times as often as BenchmarkSnapshot. A read of a verdict is therefore asked and decoded here, once. Whatever comes
// back that is not the plain answer, a refusal, a throttle, a key left unprocessed, a damaged or unknown text, or nothing at
// all, is not looked at any further: the SDK asks the same question again, and it knows errors and retries. A question that
// changes nothing may be asked twice. The write is sent once as well (flatWrite): the SDK sends it again only when DynamoDB has
// said that it did nothing.
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

// UpdateItem changes an item.
func (c *Client) UpdateItem(ctx context.Context, in *dynamodb.UpdateItemInput, options ...func(*dynamodb.Options)) (*dynamodb.UpdateItemOutput, error) {
	if ctx.Value(flatWriteKey{}) != nil && c.direct != nil {
		if done, err := flatWrite(ctx, c.direct, in); done {
			return &dynamodb.UpdateItemOutput{}, err
		}
	}
	return c.Client.UpdateItem(ctx, in, options...)
}

// flatWriteKey marks the context of an update of which nothing is wanted, neither when it was made nor when its condition failed.
type flatWriteKey struct{}

// flatWrite sends an update once. It is not done when nothing has happened that the caller could not ask for again: the update
// is none that is put together here, or DynamoDB has refused it for another reason than its condition.
func flatWrite(ctx context.Context, c *awsjson.Caller, in *dynamodb.UpdateItemInput) (done bool, err error) {
	order, ok := flatUpdate(in)
	if !ok {
		return false, nil
	}
	resp, err := c.Post(ctx, "UpdateItem", order)
	if err != nil {
		return true, err // it may have arrived
	}
	defer resp.Body.Close()
	body, err := readAll(resp.Body, resp.ContentLength)
	if err == nil {
		err = checksum(resp.Header, body)
	}
	switch {
	case err != nil:
		return true, err
	case resp.StatusCode == http.StatusOK:
		return true, nil
	case resp.StatusCode != http.StatusBadRequest:
		return true, errUnfinished
	case bytes.Contains(body, []byte(`#ConditionalCheckFailedException"`)):
		return true, &types.ConditionalCheckFailedException{}
	}
	return false, nil
}

// errUnfinished says that DynamoDB did not say what became of an update.
var errUnfinished = errors.New("DynamoDB has failed")

// flatUpdate is an update's body; false when a text in it would have to be escaped, or a value is neither text nor number.
func flatUpdate(in *dynamodb.UpdateItemInput) ([]byte, bool) {
	o := order{text: make([]byte, 0, 1024), plain: true}
	o.add(`{"TableName":"`, value(in.TableName))
	o.add(`","UpdateExpression":"`, value(in.UpdateExpression))
	o.add(`","ConditionExpression":"`, value(in.ConditionExpression))
	before := `","ExpressionAttributeNames":{"`
	for short, name := range in.ExpressionAttributeNames {
		o.add(before, short)
		o.add(`":"`, name)
		before = `","`
	}
	o.values(`"},"Key":{"`, in.Key)
	o.values(`},"ExpressionAttributeValues":{"`, in.ExpressionAttributeValues)
	o.add("}}", "")
	return o.text, o.plain
}

// order is a call's body while it is put together.
type order struct {
	text  []byte
	plain bool
}

// add is not inlined: the binary's bound is tight.
//
//go:noinline
func (o *order) add(before, s string) {
	o.text = append(append(o.text, before...), s...)
	o.plain = o.plain && plain(s)
}

func (o *order) values(before string, of map[string]types.AttributeValue) {
	for name, v := range of {
		o.add(before, name)
		switch v := v.(type) {
		case *types.AttributeValueMemberS:
			o.add(`":{"S":"`, v.Value)
		case *types.AttributeValueMemberN:
			o.add(`":{"N":"`, v.Value)
		default:
			o.plain = false
		}
		before = `"},"`
	}
	o.add(`"}`, "")
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
	o := order{text: make([]byte, 0, 512), plain: true}
	o.add(`{"RequestItems":{"`, f.table)
	before := `":{"ConsistentRead":true,"Keys":[{"` + attrPK + `":{"S":"`
	for _, k := range f.keys {
		o.add(before, k.pk)
		o.add(`"},"`+attrSK+`":{"S":"`, k.sk)
		before = `"}},{"` + attrPK + `":{"S":"`
	}
	o.add(`"}}]}}}`, "")
	return o.text, o.plain
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
