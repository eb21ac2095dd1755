package dynamo

import (
	"github.com/aws/aws-sdk-go-v2/service/dynamodb/types"

	"github.com/rekey-dev/rekey/pkg/apikey"
)

// EncodeKey makes the item of a key.
func EncodeKey(k apikey.Key) map[string]types.AttributeValue { return encodeKey(k) }

// Size is the size of an item in bytes, as DynamoDB counts it: names and values, numbers by their digits.
func Size(it map[string]types.AttributeValue) int {
	n := 0
	for attr, v := range it {
		n += len(attr) + valueSize(v)
	}
	return n
}

func valueSize(v types.AttributeValue) int {
	switch v := v.(type) {
	case *types.AttributeValueMemberS:
		return len(v.Value)
	case *types.AttributeValueMemberN:
		return len(v.Value)/2 + 2
	case *types.AttributeValueMemberB:
		return len(v.Value)
	case *types.AttributeValueMemberBOOL:
		return 1
	case *types.AttributeValueMemberL:
		n := 3
		for _, e := range v.Value {
			n += 1 + valueSize(e)
		}
		return n
	}
	panic("no such attribute")
}
