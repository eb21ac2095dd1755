package authorizer_test

import (
	"strings"
	"testing"

	"github.com/stretchr/testify/require"

	"github.com/rekey-dev/rekey/pkg/authorizer"
	"github.com/rekey-dev/rekey/pkg/permission"
)

func TestTable_FindsExactlyTheOperationsOfItsLines_P4(t *testing.T) {
	lines := strings.Split(strings.TrimSuffix(string(authorizer.Routes), "\n"), "\n")
	require.Greater(t, len(lines), 40)
	for _, line := range lines {
		parts := strings.Split(line, "\t")
		require.GreaterOrEqual(t, len(parts), 2, line)
		r, ok := authorizer.Routes.Find(parts[0])
		require.True(t, ok, line)
		require.Equal(t, permission.Permission(parts[1]), r.Permission)
		d, recorded := r.Denied()
		require.Equal(t, len(parts) == 3, recorded, line)
		if recorded {
			require.Equal(t, parts[2], strings.Join([]string{d.Action, d.Change, d.TargetType}, "/"))
		}
	}
	for _, none := range []string{"", " ", "\n", "GET", "GET ", "GET /", "GET /key", "GET /keys ", "GET /keys\tkeys:read", "PATCH /keys/{id}\tkeys:issue\t", "/keys", "ET /keys", "GET /keys/{id", "GET /keys/{id}/",
		"GET /nothing", "get /keys", "keys:read", lines[0] + "\n" + lines[1]} {
		_, ok := authorizer.Routes.Find(none)
		require.False(t, ok, "%q", none)
	}
}
