package dynamo

import (
	"encoding/json"
	"errors"
	"fmt"

	"github.com/aws/aws-sdk-go-v2/service/dynamodb/types"

	"github.com/rekey-dev/rekey/pkg/audit"
)

// EventOfImage reads the new image of a record of the Audit table's stream, in DynamoDB's JSON. It returns false for an
// item that is no audit record, and an error for one that is incomplete or cannot be read.
func EventOfImage(image []byte) (audit.Event, bool, error) {
	var attributes map[string]struct{ S, N *string } // an audit record has texts and numbers only
	if err := json.Unmarshal(image, &attributes); err != nil {
		return audit.Event{}, false, errors.New("the image is not DynamoDB's JSON")
	}
	it := item{}
	for name, value := range attributes {
		switch {
		case value.S != nil:
			it[name] = &types.AttributeValueMemberS{Value: *value.S}
		case value.N != nil:
			it[name] = &types.AttributeValueMemberN{Value: *value.N}
		}
	}
	r := reader{it: it}
	if typ := r.string(attrType); r.err != nil || typ != typeEvent {
		return audit.Event{}, false, r.err
	}
	e, err := decodeEvent(it)
	if err != nil {
		return audit.Event{}, false, err
	}
	if err := e.Check(); err != nil {
		return audit.Event{}, false, fmt.Errorf("%w: %s", err, e.ID)
	}
	return e, true, nil
}
