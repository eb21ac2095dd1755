package main

import (
	"encoding/json"
	"testing"

	"github.com/aws/aws-lambda-go/events"
	"github.com/stretchr/testify/require"

	"github.com/rekey-dev/rekey/pkg/httpapi/httpapitest"
)

// function is an environment in which nothing of AWS can be reached.
func function(name string) (string, bool) {
	value, ok := map[string]string{"AWS_REGION": "eu-central-1", "AWS_ACCESS_KEY_ID": "AKID", "AWS_SECRET_ACCESS_KEY": "signing",
		"AWS_ENDPOINT_URL": "http://127.0.0.1:1", "REKEY_LOG_LEVEL": "error", "IDENTITY_TABLE": "I", "DIRECTORY_TABLE": "D", "AUDIT_TABLE": "A",
		"TRANSIENT_TABLE": "T", "PEPPERS_SECRET": "P", "DERIVATION_SECRET": "D", "SETUP_SECRET": "S"}[name]
	return value, ok
}

func TestHandler_WithoutItsTablesIsUnavailable_P1(t *testing.T) {
	h, err := newHandler(t.Context(), function)
	require.NoError(t, err)
	payload := httpapitest.SampleText(t, "setup-create.json")
	answer, err := h.Invoke(t.Context(), payload)
	require.NoError(t, err)
	var out events.APIGatewayProxyResponse
	require.NoError(t, json.Unmarshal(answer, &out))
	require.Equal(t, 503, out.StatusCode, out.Body)
	require.NotContains(t, out.Body, "127.0.0.1")

	_, err = h.Invoke(t.Context(), httpapitest.SampleText(t, "setup-recover.json"))
	require.ErrorContains(t, err, "the owner was not recovered")
	require.NotContains(t, err.Error(), "127.0.0.1")
}

func TestHandler_SaysWhatIsMissing(t *testing.T) {
	_, err := newHandler(t.Context(), func(string) (string, bool) { return "", false })
	require.ErrorContains(t, err, "settings: missing: ")
	require.ErrorContains(t, err, "AWS_REGION")
}
