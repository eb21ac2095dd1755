package e2e

import (
	"net/http"
	"os"
	"os/exec"
	"testing"

	"github.com/stretchr/testify/require"

	"github.com/rekey-dev/rekey/infra/e2e/stack"
)

// peppers runs the tool that rotates peppers on the stack under test, and returns what it printed.
func peppers(t *testing.T, args ...string) (string, error) {
	t.Helper()
	cmd := exec.CommandContext(t.Context(), "go", append([]string{"run", "../peppers", "-force", "-stack", os.Getenv(stack.FileVariable)}, args...)...)
	out, err := cmd.CombinedOutput()
	return string(out), err
}

func TestPeppers_KeysWorkBeforeWhileAndAfterARotation(t *testing.T) {
	before := newKey(t)
	works := func(k issued) {
		t.Helper()
		holding(t, k.secret).get("/me").expect(http.StatusOK)
	}
	works(before)
	for _, step := range [][]string{{"status"}, {"add"}, {"use", "v2"}} {
		out, err := peppers(t, step...)
		require.NoError(t, err, out)
	}
	works(before)
	// Whichever pepper the function's process knows: the others find it.
	for range 4 {
		after := newKey(t)
		works(after)
	}
	asOwner(t).post("/keys/"+before.id+"/regenerate", map[string]any{}).unshown().expect(http.StatusOK)
	holding(t, before.secret).get("/me").refused()
	require.Equal(t, "retired", asOwner(t).status(before.secret).Text("status"))

	out, err := peppers(t, "remove", "v1")
	require.Error(t, err, "v1 is in use")
	require.Contains(t, out, "are stored under v1")
	out, err = peppers(t, "status")
	require.NoError(t, err, out)
	require.Regexp(t, `v2 +sha256 [0-9a-f]{12}…  current`, out)
}
