package dynamo

import (
	"encoding/json"
	"testing"
	"time"

	"github.com/aws/aws-sdk-go-v2/service/dynamodb/types"
	"github.com/stretchr/testify/require"

	"github.com/rekey-dev/rekey/pkg/audit"
	"github.com/rekey-dev/rekey/pkg/place"
)

// image writes an item as a stream has it.
func image(t *testing.T, it item) []byte {
	t.Helper()
	out := map[string]map[string]any{}
	for name, v := range it {
		switch v := v.(type) {
		case *types.AttributeValueMemberS:
			out[name] = map[string]any{"S": v.Value}
		case *types.AttributeValueMemberN:
			out[name] = map[string]any{"N": v.Value}
		default:
			t.Fatalf("%s of an audit record is %T: EventOfImage reads texts and numbers only", name, v)
		}
	}
	b, err := json.Marshal(out)
	require.NoError(t, err)
	return b
}

func fullEvent() audit.Event {
	return audit.Event{ID: "evt_1", Seq: 3, At: time.Date(2026, 11, 21, 9, 0, 0, 5e6, time.UTC), Action: audit.UserUpdated,
		Actor:  audit.Actor{Type: audit.Employee, ID: "emp_1", Name: "Olga", KeyID: "pat_1", KeyPrefix: "rkp_1234", AssumedCompany: "co_9"},
		Target: audit.Target{Type: "key", ID: "key_1", Name: "production"}, Place: place.Place{Path: "node_1/node_2", Company: "co_1"},
		SourceIP: "203.0.113.7", UserAgent: "curl", RequestID: "r", Outcome: audit.OK, Operation: "op_1",
		Details: map[string]any{"change": audit.KeyIssued, "generation": 1.0, "scopes": []any{"keys:read"}}}
}

func TestEventOfImage_ReadsEveryMemberOfARecord(t *testing.T) {
	it, err := encodeEvent(fullEvent())
	require.NoError(t, err)
	got, ok, err := EventOfImage(image(t, it))
	require.NoError(t, err)
	require.True(t, ok)
	require.Equal(t, fullEvent(), got)
}

func TestEventOfImage_LeavesOutWhatIsNoRecord(t *testing.T) {
	e := fullEvent()
	_, ok, err := EventOfImage(image(t, encodeEventRow(eventRowKey("node_1", e.At, e.ID), e)))
	require.NoError(t, err)
	require.False(t, ok)
	_, ok, err = EventOfImage([]byte(`{}`))
	require.NoError(t, err)
	require.False(t, ok)
}

func TestEventOfImage_RefusesWhatCannotBeRead(t *testing.T) {
	for name, broken := range map[string]string{
		"no JSON":       `{"pk":`,
		"another shape": `["pk"]`,
		"wrong type":    `{"type":{"S":"event"},"pk":{"S":"evt_1"},"at":{"S":"noon"}}`,
		"no number":     `{"type":{"S":"event"},"pk":{"S":"evt_1"},"at":{"N":"noon"}}`,
		"incomplete":    `{"type":{"S":"event"},"pk":{"S":"evt_1"}}`,
		"details":       `{"type":{"S":"event"},"pk":{"S":"evt_1"},"details":{"S":"{"}}`,
		"nothing":       ``,
	} {
		t.Run(name, func(t *testing.T) {
			_, ok, err := EventOfImage([]byte(broken))
			require.Error(t, err)
			require.False(t, ok)
		})
	}
}
