package repotest

import (
	"encoding/json"
	"os/exec"
	"path/filepath"
	"slices"
	"strings"
	"testing"

	"github.com/stretchr/testify/require"
)

// optional are settings that a function can start without.
var optional = map[string][]string{"SetupFunction": {"OWNER_EMAIL"}, "EmployeesFunction": {"MAIL_SENDER", "PORTAL_URL"},
	"SessionsFunction": {"SIGN_IN_DOMAIN", "SIGN_IN_ORIGINS"}, "CredentialsFunction": {"SIGN_IN_DOMAIN", "SIGN_IN_ORIGINS"}}

// Each function is started as Lambda would, with nothing set but the region and credentials: it ends at once with one line
// that names what it lacks, and that is what the template gives it.
func TestFunctions_ReadTheSettingsThatTheTemplateGivesThem(t *testing.T) {
	bin := t.TempDir()
	cmd := exec.Command("go", "build", "-ldflags", "-s -w", "-o", bin, "./functions/...")
	cmd.Dir = templateRoot
	text, err := cmd.CombinedOutput()
	require.NoError(t, err, "%s", text)
	for function, names := range environments {
		folder := strings.ToLower(strings.TrimSuffix(function, "Function"))
		want := slices.DeleteFunc(slices.Sorted(slices.Values(names)), func(name string) bool { return slices.Contains(optional[function], name) })
		cmd := exec.Command(filepath.Join(bin, folder))
		cmd.Env = []string{"AWS_REGION=eu-central-1", "AWS_ACCESS_KEY_ID=none", "AWS_SECRET_ACCESS_KEY=none"}
		out, err := cmd.Output()
		require.Error(t, err, "%s does not end", folder)
		if len(want) == 0 {
			require.Empty(t, out, folder) // it has all that it needs, and finds no Lambda to serve
			continue
		}
		var line struct{ Level, Msg, Error string }
		require.NoError(t, json.Unmarshal(out, &line), "%s printed %q", folder, out)
		require.Equal(t, "ERROR", line.Level)
		require.Equal(t, "cannot start", line.Msg)
		require.Equal(t, "settings: missing: "+strings.Join(want, ", "), line.Error, folder)
	}
}
