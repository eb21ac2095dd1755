package main

import (
	"bytes"
	"encoding/json"
	"io"
	"net/http"
	"strings"
	"sync"
)

// connections go to the store; as many are kept as requests run at once.
var connections = &http.Client{Transport: &http.Transport{MaxIdleConnsPerHost: 2 * parallelism}}

// meter is an HTTP client that asks DynamoDB for the units of every call and adds them up.
type meter struct {
	off bool // it passes calls on and counts nothing

	mu   sync.Mutex
	bill bill
}

// bill is what calls cost.
type bill struct {
	calls  []string // operations, in order
	reads  float64  // read units
	writes float64  // write units
}

func (b bill) count(operation string) int {
	n := 0
	for _, c := range b.calls {
		if c == operation {
			n++
		}
	}
	return n
}

// take returns what was spent since the last take.
func (m *meter) take() bill {
	m.mu.Lock()
	defer m.mu.Unlock()
	b := m.bill
	m.bill = bill{}
	return b
}

func (m *meter) Do(r *http.Request) (*http.Response, error) {
	if m.off {
		return connections.Do(r)
	}
	_, operation, _ := strings.Cut(r.Header.Get("X-Amz-Target"), ".")
	body, err := io.ReadAll(r.Body)
	if err != nil {
		return nil, err
	}
	body = append([]byte(`{"ReturnConsumedCapacity":"TOTAL",`), body[1:]...)
	r.Body, r.ContentLength = io.NopCloser(bytes.NewReader(body)), int64(len(body))
	answer, err := connections.Do(r)
	if err != nil {
		return nil, err
	}
	text, err := io.ReadAll(answer.Body)
	answer.Body.Close()
	if err != nil {
		return nil, err
	}
	answer.Body = io.NopCloser(bytes.NewReader(text))
	m.add(operation, text)
	return answer, nil
}

func (m *meter) add(operation string, answer []byte) {
	type consumed struct{ CapacityUnits float64 }
	var one struct{ ConsumedCapacity consumed }
	var several struct{ ConsumedCapacity []consumed }
	if json.Unmarshal(answer, &several) != nil {
		_ = json.Unmarshal(answer, &one) // a failed condition has none, and costs what the next line does not count
		several.ConsumedCapacity = []consumed{one.ConsumedCapacity}
	}
	m.mu.Lock()
	defer m.mu.Unlock()
	m.bill.calls = append(m.bill.calls, operation)
	for _, c := range several.ConsumedCapacity {
		switch operation {
		case "GetItem", "BatchGetItem", "Query":
			m.bill.reads += c.CapacityUnits
		default:
			m.bill.writes += c.CapacityUnits
		}
	}
}
