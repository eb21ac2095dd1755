package e2e

import (
	"net/http"
	"testing"

	"github.com/stretchr/testify/require"

	"github.com/rekey-dev/rekey/infra/e2e/client"
)

// A custom role is made, given to a service account, and changed under its key: what the key may do follows with its next request.
func TestRoles_ACustomRoleDecidesTheNextRequest_W2_S2(t *testing.T) {
	t.Parallel()
	p := asOwner(t)
	root := p.get("/me").expect(http.StatusOK).Text("node_id")
	name := newName(t)
	west := p.post("/nodes", client.Object{"parent_id": root, "name": newName(t)}).expect(http.StatusCreated).Text("id")
	made := p.post("/roles", client.Object{"node_id": west, "name": name, "permissions": []string{"keys:read", "roles:read"}}).expect(http.StatusCreated)
	role := made.Text("id")
	require.Equal(t, []any{"employee", "service_account"}, made["assignable_to"])
	p.post("/roles", client.Object{"node_id": west, "name": name, "permissions": []string{}}).problem(http.StatusConflict, "conflict")
	p.post("/service-accounts", client.Object{"name": newName(t), "node_id": root, "role_id": role}).problem(http.StatusUnprocessableEntity, "invalid")

	account := p.post("/service-accounts", client.Object{"name": newName(t), "node_id": west}).expect(http.StatusCreated).Text("id")
	p.patch("/service-accounts/"+account, client.Object{"role_id": role}).expect(http.StatusOK)
	k := p.issue(account, client.Object{"scopes": []string{"keys:read", "roles:read"}})
	machine := holding(t, k.secret)
	require.Equal(t, role, machine.get("/me").expect(http.StatusOK).Text("role_id"))
	machine.get("/keys/" + k.id).expect(http.StatusOK)
	require.Contains(t, field(machine.all("/roles"), "id"), role)
	missing := machine.get("/service-accounts/"+account).problem(http.StatusForbidden, "missing_permission")
	require.Contains(t, missing["detail"], role)

	p.patch("/roles/"+role, client.Object{"permissions": []string{"roles:read"}}).expect(http.StatusOK)
	machine.get("/keys/"+k.id).problem(http.StatusForbidden, "missing_permission")
	p.patch("/roles/"+role, client.Object{"permissions": []string{"keys:read", "roles:read", "service_accounts:read"}}).expect(http.StatusOK)
	machine.get("/keys/" + k.id).expect(http.StatusOK)
	machine.get("/service-accounts/"+account).problem(http.StatusForbidden, "missing_scope")
	for _, never := range []string{"service_accounts:create", "service_accounts:update", "service_accounts:rotate", "service_accounts:delete"} {
		p.patch("/roles/"+role, client.Object{"permissions": []string{"keys:read", never}}).problem(http.StatusUnprocessableEntity, "invalid")
		p.patch("/roles/"+role, client.Object{"permissions": []string{never}, "assignable_to": []string{"employee"}}).problem(http.StatusConflict, "in_use")
	}

	left := p.delete("/roles/"+role).problem(http.StatusConflict, "in_use")
	require.Equal(t, "service_account", left["blocked_by"].([]any)[0].(map[string]any)["type"])
	p.delete("/nodes/"+west).problem(http.StatusConflict, "in_use")
	p.patch("/service-accounts/"+account, client.Object{"role_id": "role_BuiltinIntegration00"}).expect(http.StatusOK)
	p.delete("/roles/" + role).expect(http.StatusNoContent)
	p.get("/roles/"+role).problem(http.StatusNotFound, "not_found")
	require.Len(t, p.records(role, "role.updated"), 2)
	require.Len(t, p.records(role, "role.deleted"), 1)
}
