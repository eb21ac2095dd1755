package main

import (
	"encoding/json"
	"fmt"
	"io"
	"net/http"
	"net/http/httptest"
	"os"
	"strings"
	"testing"

	"github.com/stretchr/testify/require"

	"github.com/rekey-dev/rekey/pkg/boot"
	"github.com/rekey-dev/rekey/pkg/secretrotation"
	"github.com/rekey-dev/rekey/pkg/secrets/secretstest"
	"github.com/rekey-dev/rekey/pkg/token"
)

func environment(endpoint string) boot.Lookup {
	settings := map[string]string{"AWS_REGION": "eu-central-1", "AWS_ACCESS_KEY_ID": "AKID", "AWS_SECRET_ACCESS_KEY": "signing",
		"AWS_ENDPOINT_URL": endpoint, "REKEY_LOG_LEVEL": "error"}
	return func(name string) (string, bool) {
		v, ok := settings[name]
		return v, ok
	}
}

// samples are the events of one rotation, in order.
func samples(t *testing.T) []secretrotation.Event {
	t.Helper()
	var events []secretrotation.Event
	for i, name := range []string{"secretrotation-create.json", "secretrotation-set.json", "secretrotation-test.json", "secretrotation-finish.json"} {
		text, err := os.ReadFile("../../events/" + name)
		require.NoError(t, err)
		var e secretrotation.Event
		require.NoError(t, json.Unmarshal(text, &e))
		require.Equal(t, secretrotation.Steps[i], e.Step)
		require.NotEmpty(t, e.RotationToken)
		events = append(events, e)
	}
	return events
}

func TestNewHandler_RotatesTheSamplesSecret_B5(t *testing.T) {
	const oldKey, newKey = "7Hq2c9XwTz0aB3dE5fG6", "9Zz2c9XwTz0aB3dE5fG6"
	mint := func(public string) string {
		return token.Mint(token.ServiceAccountKey, public, strings.NewReader(strings.Repeat(public, 4))).Reveal()
	}
	api := httptest.NewServer(http.HandlerFunc(func(w http.ResponseWriter, r *http.Request) {
		switch r.Method + " " + r.URL.Path {
		case "POST /v1/me/key/rotate":
			require.Equal(t, "Bearer "+mint(oldKey), r.Header.Get("Authorization"))
			_, _ = fmt.Fprintf(w, `{"key":{"id":"key_%s"},"secret":"%s"}`, newKey, mint(newKey))
		case "POST /v1/key-status":
			_, _ = io.WriteString(w, `{"status":"active"}`)
		case "GET /v1/me":
			require.Equal(t, "Bearer "+mint(newKey), r.Header.Get("Authorization"))
			_, _ = fmt.Fprintf(w, `{"key":{"id":"key_%s"}}`, newKey)
		default:
			t.Errorf("unexpected %s %s", r.Method, r.URL.Path)
		}
	}))
	defer api.Close()
	events := samples(t)
	service := secretstest.New(t)
	server := httptest.NewServer(service)
	defer server.Close()
	secret := service.Add(events[0].SecretId, fmt.Sprintf(`{"api_url":"%s/v1","key_id":"key_%s","secret":"%s"}`, api.URL, oldKey, mint(oldKey)), nil)
	secret.Rotating = true
	secret.Versions[events[0].ClientRequestToken], secret.Labels["AWSPENDING"] = nil, events[0].ClientRequestToken

	h, err := newHandler(t.Context(), environment(server.URL))
	require.NoError(t, err)
	for _, e := range events {
		require.NoError(t, h(t.Context(), e))
	}
	require.JSONEq(t, fmt.Sprintf(`{"api_url":"%s/v1","key_id":"key_%s","secret":"%s"}`, api.URL, newKey, mint(newKey)), secret.Text("AWSCURRENT"))
	require.NotContains(t, secret.Labels, "AWSPENDING")
}

func TestNewHandler_WithoutSecretsManagerIsAnError(t *testing.T) {
	h, err := newHandler(t.Context(), environment("http://127.0.0.1:1"))
	require.NoError(t, err)
	require.ErrorContains(t, h(t.Context(), samples(t)[0]), "DescribeSecret: no answer")
}

func TestNewHandler_NamesMissingSettings(t *testing.T) {
	_, err := newHandler(t.Context(), func(string) (string, bool) { return "", false })
	require.ErrorContains(t, err, "AWS_REGION")
}
