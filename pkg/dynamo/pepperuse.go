package dynamo

import (
	"context"
	"fmt"

	"github.com/aws/aws-sdk-go-v2/aws"
	"github.com/aws/aws-sdk-go-v2/service/dynamodb"
)

// Scanner is DynamoDB's client for the one pass over a whole table that rekey makes. No function has the permission.
type Scanner interface {
	Scan(context.Context, *dynamodb.ScanInput, ...func(*dynamodb.Options)) (*dynamodb.ScanOutput, error)
}

// scanPage is how many items one page reads: at most 512 read units of the biggest, about 80 of common ones.
const scanPage = 500

// PepperUse counts the digests that are stored under each version of the pepper. An item without one counts under "".
type PepperUse struct {
	Items    int // that were read
	Versions map[string]DigestCount
}

// DigestCount counts the digests under one version: of keys and personal access tokens, live or ended, and of retired
// secrets.
type DigestCount struct{ Keys, Tokens, Retired int }

// Sum is the number of all digests.
func (c DigestCount) Sum() int { return c.Keys + c.Tokens + c.Retired }

// CountPepperUse reads the whole Identity table, strongly consistent, for the tool that rotates peppers; it is no part of
// what functions do. pace is called before each page and may wait, so that the pass leaves the table's throughput to
// requests; its error ends the pass. A digest that is moved meanwhile is not missed: a regenerate moves it from the item key
// to the item retired#…, which has the same partition key and comes later.
func CountPepperUse(ctx context.Context, client Scanner, table string, pace func(ctx context.Context, items int) error) (PepperUse, error) {
	use := PepperUse{Versions: map[string]DigestCount{}}
	var e expression
	in := &dynamodb.ScanInput{TableName: &table, ConsistentRead: aws.Bool(true), Limit: aws.Int32(scanPage)}
	in.ProjectionExpression = aws.String(e.name(attrType) + ", " + e.name(attrPepper))
	in.ExpressionAttributeNames = e.names
	for {
		if err := pace(ctx, use.Items); err != nil {
			return PepperUse{}, err
		}
		out, err := client.Scan(ctx, in)
		if err != nil {
			return PepperUse{}, fmt.Errorf("reading the Identity table: %w", err)
		}
		use.Items += len(out.Items)
		for _, it := range out.Items {
			r := reader{it: it}
			version := r.string(attrPepper)
			c := use.Versions[version]
			switch r.string(attrType) {
			case typeKey:
				c.Keys++
			case typeToken:
				c.Tokens++
			case typeRetired:
				c.Retired++
			default:
				continue
			}
			if r.err != nil {
				return PepperUse{}, r.err
			}
			use.Versions[version] = c
		}
		if len(out.LastEvaluatedKey) == 0 {
			return use, nil
		}
		in.ExclusiveStartKey = out.LastEvaluatedKey
	}
}
