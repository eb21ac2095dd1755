package repotest

import (
	"os"
	"path/filepath"
	"strings"
	"testing"

	"github.com/stretchr/testify/require"
)

func TestTopLevel_HasOnlyWhatANewcomerExpects_P6(t *testing.T) {
	entries, err := os.ReadDir(templateRoot)
	require.NoError(t, err)
	present := map[string]bool{}
	for _, entry := range entries {
		if !strings.HasPrefix(entry.Name(), ".") {
			present[entry.Name()] = true
		}
	}
	required := []string{"functions", "pkg", "infra", "events", "template.yaml", "samconfig.toml", "go.mod", "go.sum", "Makefile"}
	for _, name := range required {
		require.Truef(t, present[name], "%s is missing", name)
		delete(present, name)
	}
	for name := range present {
		require.Contains(t, []string{"README.md", "LICENSE", "CHANGELOG.md", "docs"}, name, "it does not belong at the top level")
	}
}

func TestSamconfig_BuildsInPlaceAndNeedsNoNamedRoles_P7(t *testing.T) {
	text, err := os.ReadFile(filepath.Join(templateRoot, "samconfig.toml"))
	require.NoError(t, err)
	section, got := "", map[string]string{}
	for line := range strings.Lines(string(text)) {
		line = strings.TrimSpace(line)
		if strings.HasPrefix(line, "[") {
			section = strings.Trim(line, "[]")
		} else if name, value, ok := strings.Cut(line, "="); ok && !strings.HasPrefix(line, "#") {
			got[section+"."+strings.TrimSpace(name)] = strings.TrimSpace(value)
		}
	}
	for name, value := range map[string]string{
		"default.build.parameters.build_in_source":    "true",
		"default.build.parameters.parallel":           "true",
		"default.validate.parameters.lint":            "true",
		"default.deploy.parameters.capabilities":      `"CAPABILITY_IAM"`,
		"default.deploy.parameters.resolve_s3":        "true",
		"default.deploy.parameters.confirm_changeset": "true",
	} {
		require.Equal(t, value, got[name], name)
	}
}
