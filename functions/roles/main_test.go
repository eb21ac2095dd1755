package main

import (
	"testing"

	"github.com/stretchr/testify/require"

	"github.com/rekey-dev/rekey/pkg/httpapi/httpapitest"
)

// function is an environment in which nothing of AWS can be reached.
func function(name string) (string, bool) {
	value, ok := map[string]string{"AWS_REGION": "eu-central-1", "AWS_ACCESS_KEY_ID": "AKID", "AWS_SECRET_ACCESS_KEY": "signing",
		"AWS_ENDPOINT_URL": "http://127.0.0.1:1", "REKEY_LOG_LEVEL": "error", "IDENTITY_TABLE": "IdentityTable", "DIRECTORY_TABLE": "DirectoryTable",
		"AUDIT_TABLE": "AuditTable", "TRANSIENT_TABLE": "TransientTable", "CURSOR_SECRET": "cursor"}[name]
	return value, ok
}

func TestHandler_WithoutItsTablesServesWhatIsCode_P1(t *testing.T) {
	handle, err := newHandler(t.Context(), function)
	require.NoError(t, err)
	out, err := handle(t.Context(), httpapitest.Event(t, "roles-get.json"))
	require.NoError(t, err)
	require.Equal(t, 200, out.StatusCode, out.Body)
	for _, sample := range []string{"roles-permissions.json", "roles-create.json", "roles-delete.json", "roles-list.json", "roles-patch.json"} {
		out, err := handle(t.Context(), httpapitest.Event(t, sample))
		require.NoError(t, err)
		require.Equal(t, 503, out.StatusCode, "%s: %s", sample, out.Body)
		require.NotEmpty(t, out.Headers["Retry-After"])
		require.NotContains(t, out.Body, "127.0.0.1")
	}
}

func TestHandler_SaysWhatIsMissing(t *testing.T) {
	_, err := newHandler(t.Context(), func(string) (string, bool) { return "", false })
	require.ErrorContains(t, err, "settings: missing: ")
	require.ErrorContains(t, err, "AWS_REGION")
}
