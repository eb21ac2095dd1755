package e2e

import (
	"net/http"
	"slices"
	"testing"

	"github.com/stretchr/testify/require"

	"github.com/rekey-dev/rekey/infra/e2e/client"
)

func TestRoles_TheBuiltInOnesAreListedByName(t *testing.T) {
	t.Parallel()
	p := asOwner(t)
	roles := slices.DeleteFunc(p.all("/roles?limit=3"), func(r client.Object) bool { return r["built_in"] != true }) // other tests make some
	require.Equal(t, []string{"admin", "automation", "integration", "operator", "owner", "viewer"}, field(roles, "name"))
	for _, r := range roles {
		require.Equal(t, true, r["built_in"])
		require.Nil(t, r["node_id"])
		require.NotEmpty(t, r.Text("description"))
		require.Equal(t, r, p.get("/roles/"+r.Text("id")).expect(http.StatusOK))
		if slices.Contains(r.Texts("assignable_to"), "service_account") {
			for _, never := range []string{"service_accounts:create", "service_accounts:update", "service_accounts:rotate", "service_accounts:delete",
				"keys:issue", "keys:revoke", "keys:unlock", "companies:assume", "incidents:run"} {
				require.NotContains(t, r.Texts("permissions"), never)
			}
		}
	}
	operator := p.get("/roles/role_BuiltinOperator00000").expect(http.StatusOK)
	require.NotContains(t, operator.Texts("permissions"), "keys:issue")
	require.NotContains(t, operator.Texts("permissions"), "keys:revoke")
	p.get("/roles/role_00000000000000000000").problem(http.StatusNotFound, "not_found")
	p.get("/roles/owner").problem(http.StatusNotFound, "not_found")
	require.NotEmpty(t, p.get("/roles/role_BuiltinOwner00000000").Header.Get("Etag"))
}

func TestPermissions_AreNamedForPeopleAndSayWhoCanHoldThem_W8(t *testing.T) {
	t.Parallel()
	p := asOwner(t)
	all := p.get("/permissions?limit=100").expect(http.StatusOK)
	require.Nil(t, all["next"])
	items := all.Objects("items")
	i := slices.IndexFunc(items, func(o client.Object) bool { return o["id"] == "service_accounts:rotate" })
	require.Equal(t, "Rotate Service Account Secret", items[i]["name"])
	require.Equal(t, []string{"employee"}, items[i].Texts("assignable_to"))
	require.NotEmpty(t, items[i].Text("category"))
	require.NotEmpty(t, items[i].Text("description"))
	machine := field(p.all("/permissions?limit=100&assignable_to=service_account"), "id")
	require.Contains(t, machine, "keys:read")
	require.NotContains(t, machine, "service_accounts:rotate")
	require.Len(t, p.all("/permissions?limit=100&assignable_to=employee"), len(items))
	p.get("/permissions?assignable_to=gateway").invalid("/assignable_to")
	holding(t, newKey(t).secret).get("/permissions").expect(http.StatusOK)
}
