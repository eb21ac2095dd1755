package main

import (
	"testing"

	"github.com/stretchr/testify/require"

	"github.com/rekey-dev/rekey/infra"
	"github.com/rekey-dev/rekey/pkg/httpapi/httpapitest"
)

func function(name string) (string, bool) {
	value, ok := map[string]string{"AWS_REGION": "eu-central-1", "AWS_ACCESS_KEY_ID": "AKID", "AWS_SECRET_ACCESS_KEY": "signing"}[name]
	return value, ok
}

func TestHandler_ServesHealthAndTheVeryDocumentOfTheRepository_P1(t *testing.T) {
	handle, err := newHandler(t.Context(), function)
	require.NoError(t, err)
	out, err := handle(t.Context(), httpapitest.Event(t, "health-get.json"))
	require.NoError(t, err)
	require.Equal(t, 200, out.StatusCode)
	require.JSONEq(t, `{"status":"ok"}`, out.Body)
	out, err = handle(t.Context(), httpapitest.Event(t, "health-openapi.json"))
	require.NoError(t, err)
	require.Equal(t, 200, out.StatusCode)
	require.JSONEq(t, string(infra.OpenAPI), out.Body)
	require.Equal(t, "application/json", out.Headers["Content-Type"])
}

func TestHandler_SaysWhatIsMissing(t *testing.T) {
	_, err := newHandler(t.Context(), func(string) (string, bool) { return "", false })
	require.ErrorContains(t, err, "settings: missing: ")
	require.ErrorContains(t, err, "AWS_REGION")
}
