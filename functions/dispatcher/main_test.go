package main

import (
	"encoding/json"
	"io"
	"net/http"
	"net/http/httptest"
	"os"
	"strings"
	"testing"

	"github.com/stretchr/testify/require"

	"github.com/rekey-dev/rekey/pkg/boot"
	"github.com/rekey-dev/rekey/pkg/dispatch"
)

func environment(endpoint string) boot.Lookup {
	settings := map[string]string{"AWS_REGION": "eu-central-1", "AWS_ACCESS_KEY_ID": "AKID", "AWS_SECRET_ACCESS_KEY": "signing",
		"AWS_ENDPOINT_URL": endpoint, "REKEY_LOG_LEVEL": "error", "BUS_NAME": "Bus", "DEAD_LETTER_QUEUE_URL": endpoint + "/1/dead"}
	return func(name string) (string, bool) {
		v, ok := settings[name]
		return v, ok
	}
}

func sample(t *testing.T) dispatch.Batch {
	t.Helper()
	text, err := os.ReadFile("../../events/dispatcher-insert.json")
	require.NoError(t, err)
	var b dispatch.Batch
	require.NoError(t, json.Unmarshal(text, &b))
	return b
}

func TestNewHandler_PublishesTheSampleBatch(t *testing.T) {
	var put struct {
		Entries []struct{ DetailType, Detail, Source, EventBusName string }
	}
	server := httptest.NewServer(http.HandlerFunc(func(w http.ResponseWriter, r *http.Request) {
		require.Equal(t, "AWSEvents.PutEvents", r.Header.Get("X-Amz-Target"))
		require.NoError(t, json.NewDecoder(r.Body).Decode(&put))
		w.Header().Set("Content-Type", "application/x-amz-json-1.1")
		_, _ = io.WriteString(w, `{"FailedEntryCount":0,"Entries":[`+strings.Repeat(`{"EventId":"1"},`, len(put.Entries)-1)+`{"EventId":"1"}]}`)
	}))
	defer server.Close()
	h, err := newHandler(t.Context(), environment(server.URL))
	require.NoError(t, err)
	answer, err := h(t.Context(), sample(t))
	require.NoError(t, err)
	require.Empty(t, answer.Failures)

	var types []string
	for _, e := range put.Entries {
		require.Equal(t, "rekey", e.Source)
		require.Equal(t, "Bus", e.EventBusName)
		require.NotContains(t, e.Detail, "Billing sync")
		require.NotContains(t, e.Detail, "ticket")
		types = append(types, e.DetailType)
	}
	require.Equal(t, []string{"Key Issued", "Principal Locked", "Key Regenerated", "Service Account Revoked"}, types)
	require.JSONEq(t, `{"schema_version":1,"event_id":"evt_00000000000000000004","sequence":2,"occurred_at":"2026-11-21T09:00:03.600Z",
		"action":"user.updated","actor":{"type":"employee","id":"emp_3Owner000000000000D4","key_id":"pat_8Pq3rStUvWxYz0123456"},
		"target":{"type":"key","id":"key_7Hq2c9XwTz0aB3dE5fG6"},"root_node_id":"node_0Root0000000000000A1",
		"node_id":"node_1South000000000000B2","company_id":"co_2Acme0000000000000C3",
		"request_id":"5f0c1a9e-6d2b-4a37-9a44-0d8f5f7f3b04",
		"data":{"change":"key.regenerated","key_id":"key_7Hq2c9XwTz0aB3dE5fG6","key_prefix":"rka_7Hq2","generation":2,
			"scopes":["keys:read","service_accounts:read"],"service_account_id":"sa_4Billing0000000000E5","unlocked":true}}`,
		put.Entries[2].Detail)
}

func TestNewHandler_NoBusIsAnAnswerThatNamesTheFirstAnnouncedRecord(t *testing.T) {
	server := httptest.NewServer(http.NotFoundHandler())
	server.Close()
	h, err := newHandler(t.Context(), environment(server.URL))
	require.NoError(t, err)
	answer, err := h(t.Context(), sample(t))
	require.NoError(t, err)
	require.Equal(t, []dispatch.Failure{{SequenceNumber: "1405400000000002063282834"}}, answer.Failures)
}

func TestNewHandler_NamesMissingSettings(t *testing.T) {
	_, err := newHandler(t.Context(), func(string) (string, bool) { return "", false })
	require.ErrorContains(t, err, "BUS_NAME, DEAD_LETTER_QUEUE_URL")
}
