package e2e

import (
	"encoding/json"
	"fmt"
	"net/http"
	"os"
	"path/filepath"
	"regexp"
	"strings"
	"testing"
	"time"

	"github.com/stretchr/testify/require"

	"github.com/rekey-dev/rekey/infra/e2e/client"
)

// operation is a line of docs/msp-operations.md.
type operation struct{ name, method, path, permission string }

// documentedOperations reads the lines of the document's tables.
func documentedOperations(t *testing.T) []operation {
	t.Helper()
	text, err := os.ReadFile(filepath.Join(top, "docs", "msp-operations.md"))
	require.NoError(t, err)
	var out []operation
	for _, m := range regexp.MustCompile("(?m)^\\| ([A-Z][A-Za-z0-9 ]+) \\| `([A-Z]+) ([^`]+)` \\| `?([a-z_: ]+)`? \\|$").FindAllStringSubmatch(string(text), -1) {
		out = append(out, operation{m[1], m[2], m[3], m[4]})
	}
	require.Equal(t, strings.Count(string(text), "\n| ")-4, len(out), "every line of the tables is read")
	return out
}

// asked is what the MSP's document lists, in an order in which each can be called: what it is called with, and what comes of it.
func asked(name string) []struct {
	operation string
	body      client.Object
	status    int
} {
	owner := client.Object{"first_name": "Grace", "last_name": "Hopper", "email": "grace@example.com"}
	return []struct {
		operation string
		body      client.Object
		status    int
	}{
		{"Create Node", client.Object{"parent_id": world.node, "name": name}, http.StatusCreated},
		{"List Node", nil, http.StatusOK},
		{"Get Node", nil, http.StatusOK},
		{"Update Node", client.Object{"name": name + " renamed"}, http.StatusOK},
		{"List Permissions", nil, http.StatusOK},
		{"List Service Account Permissions", nil, http.StatusOK},
		{"Create Role", client.Object{"node_id": world.node, "name": name, "permissions": []string{"keys:read"}}, http.StatusCreated},
		{"List Roles", nil, http.StatusOK},
		{"Get Role", nil, http.StatusOK},
		{"Update Role", client.Object{"description": "for those who look"}, http.StatusOK},
		{"Create MSP Employee", client.Object{"node_id": world.node, "email": fmt.Sprintf("e%d@example.com", time.Now().UnixNano()),
			"first_name": "Ada", "last_name": "Lovelace", "role_id": "role_BuiltinViewer0000000"}, http.StatusCreated},
		{"List MSP Employee", nil, http.StatusOK},
		{"Get MSP Employee", nil, http.StatusOK},
		{"Resend MSP Invited Employee Activation Email", nil, http.StatusOK},
		{"Update MSP Employee", client.Object{"last_name": "King"}, http.StatusOK},
		{"Delete MSP Employee", nil, http.StatusNoContent},
		{"Reset MSP Employee 2FA", nil, http.StatusOK}, // the owner's: nobody else has accepted an invitation
		{"List Available Packages", nil, http.StatusOK},
		{"Create Managed Company", client.Object{"node_id": world.node, "name": name, "package_id": "unlimited", "account_owner": owner}, http.StatusCreated},
		{"List Managed Company", nil, http.StatusOK},
		{"Get Managed Company", nil, http.StatusOK},
		{"Update Managed Company", client.Object{"account_owner": client.Object{"last_name": "Murray"}}, http.StatusOK},
		{"Create a Service Account", client.Object{"node_id": world.node, "name": name}, http.StatusCreated},
		{"Edit a Service Account", client.Object{"description": "billing export"}, http.StatusOK},
		{"Rotate a Service Account Key", client.Object{"reason": "quarterly"}, http.StatusCreated},
		{"Delete a Service Account", nil, http.StatusNoContent},
		{"Delete Managed Company", nil, http.StatusNoContent},
		{"Delete Role", nil, http.StatusNoContent},
		{"Delete Node", nil, http.StatusNoContent},
	}
}

// Each operation of the MSP's API reference is called by the route that the document gives for it, and no line of the document is
// left uncalled. Not parallel: it resets the owner's second factor, which ends whatever sessions the owner has.
func TestSeed000_EveryOperationOfTheReferenceIsCalled_W1_W2_W3_W4_W5_W7_W8(t *testing.T) {
	p := asOwner(t)
	lines := map[string]operation{}
	for _, o := range documentedOperations(t) {
		lines[o.name] = o
	}
	made := map[string]string{} // IDs, by the first part of their path
	for _, call := range asked(newName(t)) {
		o, ok := lines[call.operation]
		require.True(t, ok, "the document has no %s", call.operation)
		delete(lines, call.operation)
		noun := strings.Split(strings.Trim(o.path, "/"), "/")[0]
		require.Equal(t, o.permission, permissionOf(t, o), o.name)
		switch call.operation {
		case "Rotate a Service Account Key":
			p.issue(made[noun])
		case "Delete a Service Account":
			p.post("/service-accounts/"+made[noun]+"/revoke", nil).expect(http.StatusOK)
		case "Reset MSP Employee 2FA":
			made[noun] = p.get("/me").expect(http.StatusOK).Text("principal.id")
		}
		var body any // none is none, and not null
		if call.body != nil {
			body = call.body
		}
		got := p.do(o.method, strings.ReplaceAll(o.path, "{id}", made[noun]), body)
		require.Equal(t, call.status, got.Status, "%s: %s", o.name, got.Body)
		if call.status == http.StatusCreated && !strings.Contains(o.path, "{id}") {
			made[noun] = got.Object().Text("id")
			require.NotEmpty(t, made[noun], o.name)
		}
		if o.method == http.MethodGet && strings.Contains(o.path, "{id}") {
			require.Equal(t, made[noun], got.Object().Text("id"), o.name)
		}
	}
	require.Empty(t, lines, "nobody calls what the document has")
}

// permissionOf is the permission that the deployment's own document gives for a route.
func permissionOf(t *testing.T, o operation) string {
	t.Helper()
	var document struct {
		Paths map[string]map[string]struct {
			Permission string `json:"x-permission"`
		} `json:"paths"`
	}
	text, err := os.ReadFile(filepath.Join(top, "infra", "openapi.json"))
	require.NoError(t, err)
	require.NoError(t, json.Unmarshal(text, &document))
	path, _, _ := strings.Cut(o.path, "?")
	route, ok := document.Paths[path][strings.ToLower(o.method)]
	require.True(t, ok, "%s has no route %s %s", o.name, o.method, path)
	if route.Permission == "" {
		return "signed in"
	}
	return route.Permission
}
