package repotest

import (
	"os"
	"os/exec"
	"strings"
	"testing"

	"github.com/stretchr/testify/require"
)

// What the owner asked rekey to be built with is imported, not only listed.
func TestModules_AreThoseThatTheOwnerAskedFor_P5(t *testing.T) {
	mod, err := os.ReadFile("../../go.mod")
	require.NoError(t, err)
	cmd := exec.Command("go", "list", "-test", "-f", "{{join .Imports \"\\n\"}}", "./...")
	cmd.Dir = "../.."
	out, err := cmd.Output()
	require.NoError(t, err)
	imported := strings.Split(string(out), "\n")
	for module, pkg := range map[string]string{
		"github.com/aws/aws-lambda-go":                        "github.com/aws/aws-lambda-go/lambda",
		"github.com/aws/aws-sdk-go-v2/service/dynamodb":       "github.com/aws/aws-sdk-go-v2/service/dynamodb",
		"github.com/aws/aws-sdk-go-v2/service/secretsmanager": "github.com/aws/aws-sdk-go-v2/service/secretsmanager",
		"github.com/aws/aws-sdk-go-v2/service/eventbridge":    "github.com/aws/aws-sdk-go-v2/service/eventbridge",
		"github.com/stretchr/testify":                         "github.com/stretchr/testify/require",
	} {
		require.Contains(t, imported, pkg)
		for line := range strings.Lines(string(mod)) {
			if strings.Contains(line, module+" v") {
				require.NotContains(t, line, "// indirect", module)
			}
		}
	}
}
