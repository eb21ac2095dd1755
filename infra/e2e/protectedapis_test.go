package e2e

import (
	"encoding/json"
	"net/http"
	"strconv"
	"testing"
	"time"

	"github.com/stretchr/testify/require"

	"github.com/rekey-dev/rekey/infra/e2e/client"
)

// example is the recordings API of another stack.
func example(t *testing.T) *client.Target {
	t.Helper()
	require.NotEmpty(t, world.Example.URL, "the stack has no example: it is deployed with --example")
	return &client.Target{BaseURL: world.Example.URL}
}

// Another API of the account, in a stack of its own, is guarded by the deployed authorizer: registered, called, refused with the
// missing scope's name, and closed to a revoked key.
func TestProtectedAPI_OfAnotherStackIsGuardedByTheSameKeys_B12_D5(t *testing.T) {
	t.Parallel()
	p, recordings := asOwner(t), example(t)
	call := func(method, path, secret string) (client.Answer, client.Object) {
		answer, err := recordings.Do(t.Context(), client.Request{Method: method, Path: path, Header: http.Header{"Authorization": {"Bearer " + secret}}})
		require.NoError(t, err)
		require.NotContains(t, string(answer.Body), secret)
		var body client.Object
		require.NoError(t, json.Unmarshal(answer.Body, &body), "%s", answer.Body)
		return answer, body
	}
	_, refused := call("GET", "/recordings", world.owner)
	require.Equal(t, "api_not_registered", refused["code"])

	slug := "r" + strconv.FormatInt(time.Now().UnixNano(), 36) // a slug is taken for ever
	read, drop := slug+":read", slug+":drop"
	made := p.post("/protected-apis", client.Object{"node_id": world.node, "name": newName(t), "slug": slug, "api_id": world.Example.APIID,
		"stage": world.Example.Stage, "scopes": []client.Object{{"name": read, "kind": "read"}, {"name": drop, "kind": "delete"}},
		"routes": []client.Object{{"method": "GET", "path": "/recordings", "scope": read}, {"method": "DELETE", "path": "/recordings/{id}", "scope": drop}}}).
		expect(http.StatusCreated)
	id := made.Text("id")
	p.post("/protected-apis", client.Object{"node_id": world.node, "name": newName(t), "slug": slug + "x", "api_id": world.Example.APIID,
		"stage": world.Example.Stage}).problem(http.StatusConflict, "conflict")
	require.Equal(t, made, p.get("/protected-apis/"+id).expect(http.StatusOK))
	require.Equal(t, []string{id}, field(p.all("/protected-apis?q="+id), "id"))

	role := p.post("/roles", client.Object{"node_id": world.node, "name": newName(t), "permissions": []string{read, drop}}).expect(http.StatusCreated).Text("id")
	account := p.post("/service-accounts", client.Object{"name": newName(t), "node_id": world.node, "role_id": role}).expect(http.StatusCreated).Text("id")
	issued := p.post("/service-accounts/"+account+"/keys", client.Object{"name": "reader", "scopes": []string{read}}).expect(http.StatusCreated)
	secret, key := issued.Text("secret"), issued["key"].(map[string]any)["id"].(string)

	answer, body := call("GET", "/recordings", secret)
	require.Equal(t, http.StatusOK, answer.Status, "%s", answer.Body)
	require.Equal(t, account, body["for"], "the API is told whose request it is")
	answer, body = call("DELETE", "/recordings/rec-1", secret)
	require.Equal(t, http.StatusForbidden, answer.Status)
	require.Equal(t, []any{"missing_scope", drop, ""}, []any{body["code"], body["missing_scope"], body["missing_permission"]})
	answer, body = call("GET", "/recordings/rec-1", secret)
	require.Equal(t, http.StatusForbidden, answer.Status, "a route that is not registered")
	require.Equal(t, "api_not_registered", body["code"])

	verdict := p.post("/verify", client.Object{"secret": secret, "require": read + " and (" + drop + " or keys:issue)", "source_ip": "198.51.100.9",
		"route": "GET /elsewhere"}).expect(http.StatusOK)
	require.Equal(t, []any{false, "missing_scope", []any{drop}}, []any{verdict["valid"], verdict["code"], verdict["missing"]})
	require.Equal(t, true, p.post("/verify", client.Object{"secret": secret, "require": read, "source_ip": "198.51.100.9"}).expect(http.StatusOK)["valid"])

	p.patch("/protected-apis/"+id, client.Object{"mode": "context_only"}).expect(http.StatusOK)
	answer, _ = call("GET", "/recordings/rec-1", secret)
	require.Equal(t, http.StatusOK, answer.Status, "from the next request on")

	p.post("/keys/"+key+"/revoke", client.Object{}).expect(http.StatusOK)
	answer, body = call("GET", "/recordings", secret)
	require.Equal(t, http.StatusUnauthorized, answer.Status)
	require.Equal(t, "unauthorized", body["code"])
	verdict = p.post("/verify", client.Object{"secret": secret}).expect(http.StatusOK)
	require.Equal(t, []any{false, "unauthorized", "revoked"}, []any{verdict["valid"], verdict["code"], verdict["status"]})

	answer, _ = call("GET", "/nowhere", secret)
	require.Equal(t, http.StatusNotFound, answer.Status)
	p.delete("/protected-apis/" + id).expect(http.StatusNoContent)
	_, refused = call("GET", "/recordings", world.owner)
	require.Equal(t, "api_not_registered", refused["code"])
	require.Len(t, p.records(id, "protected_api.deleted"), 1)
}
