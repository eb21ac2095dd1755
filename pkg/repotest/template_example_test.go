package repotest

import (
	"testing"

	"github.com/stretchr/testify/require"
)

// What people copy into templates of their own has to be right there: a cached answer is a revoked key that works, and API
// Gateway's own bodies repeat what the caller sent.
func TestExample_AttachesTheAuthorizerWithoutACacheAndWithRekeysOwnResponses_B12_D4(t *testing.T) {
	own := loadTemplate(t).properties(t, "Api")
	example := loadTemplateOf(t, "infra/examples/protected-api/template.yaml").properties(t, "Api")
	require.Equal(t, own["GatewayResponses"], example["GatewayResponses"])
	require.Equal(t, map[string]any{"DefaultAuthorizer": "Rekey", "Authorizers": map[string]any{"Rekey": map[string]any{"FunctionArn": ref("AuthorizerArn"),
		"FunctionPayloadType": "REQUEST", "DisableFunctionDefaultPermissions": true, "Identity": map[string]any{"ReauthorizeEvery": 0}}}}, example["Auth"])
}
