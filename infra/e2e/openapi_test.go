package e2e

import (
	"net/http"
	"os"
	"testing"

	"github.com/google/go-cmp/cmp"
	"github.com/stretchr/testify/require"

	"github.com/rekey-dev/rekey/infra/e2e/client"
)

func TestOpenAPI_TheServedDocumentIsTheCommittedOne(t *testing.T) {
	t.Parallel()
	committed, err := os.ReadFile("../openapi.json")
	require.NoError(t, err)
	want, got := client.Answer{Body: committed}.Object(), stranger(t).get("/openapi.json").expect(http.StatusOK)
	require.NotEmpty(t, want)
	for _, o := range []client.Object{want, got} {
		delete(o, "servers") // where it is served
	}
	require.Empty(t, cmp.Diff(want, got))
}
