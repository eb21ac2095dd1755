package repotest

import (
	"os"
	"os/exec"
	"path/filepath"
	"testing"

	"github.com/stretchr/testify/require"
)

// build makes a function's binary as the Makefile does for AWS, and returns its size in bytes.
func build(t *testing.T, pkg string) int64 {
	t.Helper()
	out := filepath.Join(t.TempDir(), "bootstrap")
	cmd := exec.Command("go", "build", "-tags", "lambda.norpc", "-trimpath", "-ldflags", "-s -w", "-o", out, pkg)
	cmd.Dir = templateRoot
	cmd.Env = append(os.Environ(), "CGO_ENABLED=0", "GOOS=linux", "GOARCH=arm64")
	text, err := cmd.CombinedOutput()
	require.NoError(t, err, "%s", text)
	info, err := os.Stat(out)
	require.NoError(t, err)
	return info.Size()
}

func TestAuthorizer_BinaryIsAtMost1Point4TimesAHelloWorldLambda(t *testing.T) {
	hello, authorizer := build(t, "./pkg/repotest/testdata/hello"), build(t, "./functions/authorizer")
	t.Logf("hello world %d bytes, authorizer %d bytes: %.3f times", hello, authorizer, float64(authorizer)/float64(hello))
	require.LessOrEqual(t, float64(authorizer), 1.4*float64(hello))
}
