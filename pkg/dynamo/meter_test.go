package dynamo_test

import (
	"bytes"
	"encoding/json"
	"io"
	"net/http"
	"strings"
	"sync"
)

// meter is an HTTP client that asks DynamoDB for the units of every call and adds them up.
type meter struct {
	mu     sync.Mutex
	calls  []string
	reads  float64
	writes float64
}

// bill is what calls cost.
type bill struct {
	calls  []string
	reads  float64
	writes float64
}

// take returns what was spent since the last take.
func (m *meter) take() bill {
	m.mu.Lock()
	defer m.mu.Unlock()
	b := bill{m.calls, m.reads, m.writes}
	m.calls, m.reads, m.writes = nil, 0, 0
	return b
}

func (m *meter) Do(r *http.Request) (*http.Response, error) {
	_, operation, _ := strings.Cut(r.Header.Get("X-Amz-Target"), ".")
	metered := strings.HasSuffix(operation, "Item") || strings.HasSuffix(operation, "Items") || operation == "Query"
	if !metered {
		return http.DefaultClient.Do(r)
	}
	body, err := io.ReadAll(r.Body)
	if err != nil {
		return nil, err
	}
	body = append([]byte(`{"ReturnConsumedCapacity":"TOTAL",`), body[1:]...)
	r.Body, r.ContentLength = io.NopCloser(bytes.NewReader(body)), int64(len(body))
	resp, err := http.DefaultClient.Do(r)
	if err != nil {
		return nil, err
	}
	answer, err := io.ReadAll(resp.Body)
	resp.Body.Close()
	if err != nil {
		return nil, err
	}
	resp.Body = io.NopCloser(bytes.NewReader(answer))
	m.add(operation, answer)
	return resp, nil
}

func (m *meter) add(operation string, answer []byte) {
	type consumed struct{ CapacityUnits float64 }
	var one struct{ ConsumedCapacity consumed }
	var several struct{ ConsumedCapacity []consumed }
	if json.Unmarshal(answer, &several) != nil {
		_ = json.Unmarshal(answer, &one)
		several.ConsumedCapacity = []consumed{one.ConsumedCapacity}
	}
	m.mu.Lock()
	defer m.mu.Unlock()
	m.calls = append(m.calls, operation)
	for _, c := range several.ConsumedCapacity {
		switch operation {
		case "GetItem", "BatchGetItem", "Query":
			m.reads += c.CapacityUnits
		default:
			m.writes += c.CapacityUnits
		}
	}
}
