package main

import (
	"encoding/json"
	"io"
	"net/http"
	"net/http/httptest"
	"os"
	"testing"

	"github.com/stretchr/testify/require"

	"github.com/rekey-dev/rekey/pkg/boot"
)

func environment(endpoint, hold string) boot.Lookup {
	settings := map[string]string{"AWS_REGION": "eu-central-1", "AWS_ACCESS_KEY_ID": "AKID", "AWS_SECRET_ACCESS_KEY": "signing",
		"AWS_ENDPOINT_URL": endpoint, "REKEY_LOG_LEVEL": "error", "IDENTITY_TABLE": "Identity", "DIRECTORY_TABLE": "Directory",
		"AUDIT_TABLE": "Audit", "TRANSIENT_TABLE": "Transient", "MAIL_SENDER": "keys@example.org", "HOLD": hold}
	return func(name string) (string, bool) {
		v, ok := settings[name]
		return v, ok
	}
}

func sample(t *testing.T, file string) event {
	t.Helper()
	text, err := os.ReadFile("../../events/" + file)
	require.NoError(t, err)
	var e event
	require.NoError(t, json.Unmarshal(text, &e))
	return e
}

// tables answers every call with nothing found, and notes the calls.
func tables(t *testing.T) (string, *[]string) {
	t.Helper()
	var calls []string
	server := httptest.NewServer(http.HandlerFunc(func(w http.ResponseWriter, r *http.Request) {
		body, _ := io.ReadAll(r.Body)
		var in struct{ TableName string }
		_ = json.Unmarshal(body, &in)
		calls = append(calls, r.Header.Get("X-Amz-Target")[len("DynamoDB_20120810."):]+" "+in.TableName)
		w.Header().Set("Content-Type", "application/x-amz-json-1.0")
		_, _ = io.WriteString(w, `{"Items":[],"Count":0}`)
	}))
	t.Cleanup(server.Close)
	return server.URL, &calls
}

func TestHandler_AnEventMakesItReadTheAuditRecord_B3(t *testing.T) {
	endpoint, calls := tables(t)
	h, err := newHandler(t.Context(), environment(endpoint, "false"))
	require.NoError(t, err)
	*calls = nil
	_, err = h(t.Context(), sample(t, "notifier-event.json"))
	require.NoError(t, err)
	require.Equal(t, []string{"GetItem Audit"}, *calls)
}

func TestHandler_TheScheduleMakesItLookWhoIsDue_B3(t *testing.T) {
	endpoint, calls := tables(t)
	h, err := newHandler(t.Context(), environment(endpoint, "false"))
	require.NoError(t, err)
	*calls = nil
	r, err := h(t.Context(), sample(t, "notifier-scheduled.json"))
	require.NoError(t, err)
	require.Zero(t, r)
	require.Equal(t, []string{"Query Transient"}, *calls)
}

func TestHandler_OnHoldItSendsNothing(t *testing.T) {
	endpoint, calls := tables(t)
	h, err := newHandler(t.Context(), environment(endpoint, "true"))
	require.NoError(t, err)
	*calls = nil
	r, err := h(t.Context(), sample(t, "notifier-scheduled.json"))
	require.NoError(t, err)
	require.True(t, r.OnHold)
	require.Empty(t, *calls)
}

func TestHandler_WithoutItsTablesAnEventIsRepeatedAndARunIsNot(t *testing.T) {
	h, err := newHandler(t.Context(), environment("http://127.0.0.1:1", "false"))
	require.NoError(t, err)
	_, err = h(t.Context(), sample(t, "notifier-event.json"))
	require.Error(t, err)
	_, err = h(t.Context(), sample(t, "notifier-scheduled.json"))
	require.NoError(t, err)
}

func TestHandler_SaysWhatIsMissing(t *testing.T) {
	_, err := newHandler(t.Context(), func(string) (string, bool) { return "", false })
	require.ErrorContains(t, err, "MAIL_SENDER")
}
