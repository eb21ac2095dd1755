package e2e

import (
	"net/http"
	"net/url"
	"testing"

	"github.com/stretchr/testify/require"

	"github.com/rekey-dev/rekey/infra/e2e/client"
)

// A token with one scope is made, does what that scope is for and nothing else, is listed, and stops when it is revoked.
func TestPersonalAccessTokens_DoWhatTheirScopesSayUntilTheyAreRevoked_F4_S6(t *testing.T) {
	t.Parallel()
	p := asOwner(t)
	me := p.get("/me").expect(http.StatusOK)
	owner := me["principal"].(map[string]any)["id"].(string)
	name := newName(t)
	body := client.Object{"name": name, "scopes": []string{"service_accounts:read"}}
	made := p.once("token-"+t.Name()).post("/personal-access-tokens", body).expect(http.StatusCreated)
	again := p.once("token-"+t.Name()).post("/personal-access-tokens", body).expect(http.StatusCreated)
	require.Equal(t, made.Text("secret"), again.Text("secret"))
	one := made["personal_access_token"].(map[string]any)
	id := one["id"].(string)
	require.Equal(t, owner, one["employee_id"])

	with := holding(t, made.Text("secret"))
	with.get("/service-accounts?limit=1").expect(http.StatusOK)
	refusal := with.get("/keys?limit=1").problem(http.StatusForbidden, "missing_scope")
	require.Equal(t, "keys:read", refusal.Text("missing_scope"))
	with.post("/personal-access-tokens", client.Object{"name": name, "scopes": []string{"keys:read"}}).problem(http.StatusForbidden, "not_grantable")
	require.Equal(t, owner, with.get("/me").expect(http.StatusOK)["principal"].(map[string]any)["id"])

	require.Equal(t, []string{id}, field(p.all("/personal-access-tokens?q="+url.QueryEscape(name)), "id"))
	require.Contains(t, field(p.all("/personal-access-tokens?employee_id="+owner), "id"), me["key"].(map[string]any)["id"], "the token of set-up is listed")
	require.Contains(t, field(with.all("/personal-access-tokens"), "id"), id)
	require.NotNil(t, p.get("/personal-access-tokens/" + id).expect(http.StatusOK)["last_used_at"])

	p.delete("/personal-access-tokens/" + id).expect(http.StatusNoContent)
	with.get("/service-accounts?limit=1").refused()
	require.Equal(t, "revoked", p.get("/personal-access-tokens/"+id).expect(http.StatusOK).Text("status"))
	require.Len(t, p.records(id, "personal_access_token.revoked"), 1)
	p.post("/personal-access-tokens", client.Object{"name": name, "expires_at": "2020-01-01T00:00:00Z"}).invalid("/expires_at")
	holding(t, newKey(t).secret).post("/personal-access-tokens", client.Object{"name": name}).problem(http.StatusForbidden, "not_grantable")
}
