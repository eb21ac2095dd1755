package main

import (
	"crypto/rand"
	"os"
	"path/filepath"
	"strings"
	"testing"

	"github.com/stretchr/testify/require"

	"github.com/rekey-dev/rekey/pkg/token"
)

// function is an environment in which nothing of AWS can be reached.
func function(name string) (string, bool) {
	value, ok := map[string]string{"AWS_REGION": "eu-central-1", "AWS_ACCESS_KEY_ID": "AKID", "AWS_SECRET_ACCESS_KEY": "signing",
		"AWS_ENDPOINT_URL": "http://127.0.0.1:1", "REKEY_LOG_LEVEL": "error", "IDENTITY_TABLE": "Identity", "AUDIT_TABLE": "Audit",
		"PEPPERS_SECRET": "Peppers", "HOLD": "false"}[name]
	return value, ok
}

func samples(t *testing.T) map[string]string {
	t.Helper()
	names, err := filepath.Glob("../../events/authorizer-*.json")
	require.NoError(t, err)
	require.Len(t, names, 6)
	out := map[string]string{}
	for _, name := range names {
		text, err := os.ReadFile(name)
		require.NoError(t, err)
		require.Contains(t, string(text), "Bearer SECRET")
		out[filepath.Base(name)] = string(text)
	}
	return out
}

func TestHandler_WhatIsNoSecretIsUnauthorizedWithoutALookAtTheStore_P4(t *testing.T) {
	a, err := newHandler(t.Context(), function)
	require.NoError(t, err)
	for name, event := range samples(t) {
		_, err := a.Invoke(t.Context(), []byte(event))
		require.EqualError(t, err, "Unauthorized", name)
	}
}

func TestHandler_WithoutItsStoreItSaysNeitherYesNorNo_P4(t *testing.T) {
	a, err := newHandler(t.Context(), function)
	require.NoError(t, err)
	secret := token.Mint(token.ServiceAccountKey, "7Hq2cXv9LmN4pQr8sT1w", rand.Reader).Reveal()
	for name, event := range samples(t) {
		answer, err := a.Invoke(t.Context(), []byte(strings.ReplaceAll(event, "SECRET", secret)))
		require.Error(t, err, name)
		require.Nil(t, answer, name)
		require.NotEqual(t, "Unauthorized", err.Error(), name)
		require.NotContains(t, err.Error(), secret[25:], name)
	}
}

func TestHandler_SaysWhatIsMissing(t *testing.T) {
	_, err := newHandler(t.Context(), func(string) (string, bool) { return "", false })
	require.ErrorContains(t, err, "settings: missing: ")
	require.ErrorContains(t, err, "AWS_REGION")
}
