package main

import (
	"os"
	"path/filepath"
	"strings"
	"testing"

	"github.com/stretchr/testify/require"

	"github.com/rekey-dev/rekey/pkg/boot"
)

func environment(hold string) boot.Lookup {
	settings := map[string]string{"AWS_REGION": "eu-central-1", "AWS_ACCESS_KEY_ID": "AKID", "AWS_SECRET_ACCESS_KEY": "signing",
		"AWS_ENDPOINT_URL": "http://127.0.0.1:1", "REKEY_LOG_LEVEL": "error", "IDENTITY_TABLE": "Identity", "DIRECTORY_TABLE": "Directory",
		"AUDIT_TABLE": "Audit", "PEPPERS_SECRET": "Peppers", "HOLD": hold}
	return func(name string) (string, bool) {
		v, ok := settings[name]
		return v, ok
	}
}

func TestHandler_WithoutItsTablesItFailsAndIsCalledAgainInAMinute_P3(t *testing.T) {
	event, err := os.ReadFile("../../events/sweeper-scheduled.json")
	require.NoError(t, err)
	h, err := newHandler(t.Context(), environment("false"))
	require.NoError(t, err)
	_, err = h(t.Context(), event)
	require.Error(t, err)
}

func TestHandler_OnHoldItDoesNothing_P3(t *testing.T) {
	h, err := newHandler(t.Context(), environment("true"))
	require.NoError(t, err)
	r, err := h(t.Context(), nil)
	require.NoError(t, err)
	require.True(t, r.Held)
}

func TestHandler_TellsItsLagUnlessItCouldNotLook_P3(t *testing.T) {
	for hold, told := range map[string]bool{"true": true, "false": false} {
		out, err := os.Create(filepath.Join(t.TempDir(), "out"))
		require.NoError(t, err)
		stdout := os.Stdout
		os.Stdout = out
		h, err := newHandler(t.Context(), environment(hold))
		os.Stdout = stdout
		require.NoError(t, err)
		_, err = h(t.Context(), nil)
		require.Equal(t, told, err == nil)
		text, err := os.ReadFile(out.Name())
		require.NoError(t, err)
		require.Contains(t, string(text), `"SweeperActed":0`)
		require.Equal(t, told, strings.Contains(string(text), `"SweeperLag":0`), "missing is what alarms: %s", text)
	}
}

func TestHandler_SaysWhatIsMissing(t *testing.T) {
	_, err := newHandler(t.Context(), func(string) (string, bool) { return "", false })
	require.ErrorContains(t, err, "settings: missing: ")
}
