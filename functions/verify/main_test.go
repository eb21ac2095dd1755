package main

import (
	"crypto/rand"
	"strings"
	"testing"

	"github.com/stretchr/testify/require"

	"github.com/rekey-dev/rekey/pkg/httpapi/httpapitest"
	"github.com/rekey-dev/rekey/pkg/token"
)

// function is an environment in which nothing of AWS can be reached.
func function(name string) (string, bool) {
	value, ok := map[string]string{"AWS_REGION": "eu-central-1", "AWS_ACCESS_KEY_ID": "AKID", "AWS_SECRET_ACCESS_KEY": "signing",
		"AWS_ENDPOINT_URL": "http://127.0.0.1:1", "REKEY_LOG_LEVEL": "error", "IDENTITY_TABLE": "I", "AUDIT_TABLE": "A",
		"PEPPERS_SECRET": "P", "HOLD": "false"}[name]
	return value, ok
}

func TestHandler_WithoutItsTablesIsUnavailable_P1(t *testing.T) {
	handle, err := newHandler(t.Context(), function)
	require.NoError(t, err)
	for sample, status := range map[string]int{"verify-verify.json": 200} {
		e := httpapitest.Event(t, sample)
		out, err := handle(t.Context(), e)
		require.NoError(t, err)
		require.Equal(t, status, out.StatusCode, "what is no secret needs no table: %s", out.Body)

		secret := token.Mint(token.ServiceAccountKey, httpapitest.Body, rand.Reader).Reveal()
		e.Body = strings.ReplaceAll(e.Body, "PRESENTED", secret)
		out, err = handle(t.Context(), e)
		require.NoError(t, err)
		require.Equal(t, 503, out.StatusCode, out.Body)
		require.NotContains(t, out.Body, "127.0.0.1")
	}
}

func TestHandler_SaysWhatIsMissing(t *testing.T) {
	_, err := newHandler(t.Context(), func(string) (string, bool) { return "", false })
	require.ErrorContains(t, err, "settings: missing: ")
	require.ErrorContains(t, err, "AWS_REGION")
}
