package dynamo

import (
	"encoding/json"
	"testing"

	"github.com/stretchr/testify/require"
)

// fromJSON is what scanBatch should find, by the standard library.
func fromJSON(answer, table string) ([]map[string]flatAttribute, bool) {
	var members map[string]json.RawMessage
	if json.Unmarshal([]byte(answer), &members) != nil {
		return nil, false
	}
	var responses map[string][]map[string]map[string]json.RawMessage
	if raw := members["Responses"]; raw != nil && json.Unmarshal(raw, &responses) != nil {
		return nil, false
	}
	var items []map[string]flatAttribute
	for _, it := range responses[table] {
		flat := map[string]flatAttribute{}
		for name, v := range it {
			for typ, raw := range v {
				text := string(raw)
				if typ == "S" || typ == "N" || typ == "B" {
					if json.Unmarshal(raw, &text) != nil {
						return nil, false
					}
				} else if typ != "BOOL" {
					text = ""
				}
				flat[name] = flatAttribute{name, typ, text}
			}
		}
		items = append(items, flat)
	}
	return items, true
}

const plainAnswer = `{"Responses":{"Identity":[{"pk":{"S":"key_1"},"mac":{"B":"AAEC"},"generation":{"N":"2"},"is_off":{"BOOL":true},` +
	`"name":{"S":"a \"b\" é \u00e9 \ud83d\ude00"},"contacts":{"L":[{"S":"x"},{"M":{"y":{"NULL":true}}}]}},{"pk":{"S":"sa_1"}}]},"UnprocessedKeys":{}}`

func TestScanBatch_FindsWhatTheStandardLibraryFinds(t *testing.T) {
	items, ok := scanBatch(plainAnswer, "Identity")
	require.True(t, ok)
	require.Len(t, items, 2)
	r := reader{flat: items[0]}
	require.Equal(t, "key_1", r.string(attrPK))
	require.Equal(t, []byte{0, 1, 2}, r.bytes(attrMAC))
	require.Equal(t, int64(2), r.int(attrGeneration))
	require.True(t, r.bool(attrOff))
	require.Equal(t, "a \"b\" é é 😀", r.string(attrName))
	require.Empty(t, r.string(attrDescription))
	require.NoError(t, r.err)
	r.int(attrName)
	require.Error(t, r.err)
}

func TestScanBatch_LeavesWhatIsUnusualToTheSDK(t *testing.T) {
	for _, answer := range []string{"", "{", "{}", `{"Responses":{"Other":[]}}`, `{"Responses":{"Identity":[]},"UnprocessedKeys":{"Identity":{}}}`,
		`{"Responses":{"Identity":[]}}x`, `{"Responses":{"Identity":[{"pk":{"S":1}}]}}`, `{"Responses":{"Identity":[{"pk":{"S":"a","N":"1"}}]}}`,
		`[]`, `null`, "{\"Responses\":{\"Identity\":[{\"pk\":{\"S\":\"\x01\"}}]}}"} {
		_, ok := scanBatch(answer, "Identity")
		require.False(t, ok, answer)
	}
}

func FuzzScanBatch(f *testing.F) {
	f.Add(plainAnswer)
	f.Add(`{ "Responses" : { "Identity" : [ ] } , "UnprocessedKeys" : { } }`)
	f.Add(`{"ConsumedCapacity":[{"CapacityUnits":3.0e0}],"Responses":{"Identity":[{"a":{"NULL":true}}]}}`)
	f.Fuzz(func(t *testing.T, answer string) {
		items, ok := scanBatch(answer, "Identity")
		if !ok {
			return
		}
		want, valid := fromJSON(answer, "Identity")
		require.True(t, valid, answer)
		require.Len(t, items, len(want), answer)
		for i, it := range items {
			for _, a := range it {
				require.Equal(t, want[i][a.name], a, answer)
			}
		}
	})
}
