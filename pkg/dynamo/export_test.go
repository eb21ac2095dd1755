package dynamo

import (
	"strings"

	"github.com/aws/aws-sdk-go-v2/service/dynamodb/types"

	"github.com/rekey-dev/rekey/pkg/apikey"
	"github.com/rekey-dev/rekey/pkg/role"
)

// EncodeRole makes the item of a custom role, and that of its assignments.
func EncodeRole(r role.Role) (roleItem, useItem map[string]types.AttributeValue) {
	it := newItem(roleKey(r.ID), typeRole)
	it.string(attrName, r.Name)
	it.string(attrDescription, r.Description)
	it.string(attrPermissions, r.Permissions.String())
	it.string(attrOwnAccount, r.OwnAccount.String())
	it.string(attrParent, string(r.NodeID))
	var assignable []string
	for _, a := range r.AssignableTo {
		assignable = append(assignable, string(a))
	}
	it.string(attrAssignableTo, strings.Join(assignable, " "))
	it.time(attrCreatedAt, r.CreatedAt)
	it.time(attrUpdatedAt, r.UpdatedAt)
	it.int(attrVersion, r.Version)
	return it, newItem(useKey(string(r.ID)), typeUse)
}

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
