package e2e

import (
	"net/http"
	"slices"
	"testing"

	"github.com/stretchr/testify/require"

	"github.com/rekey-dev/rekey/infra/e2e/client"
)

// The guide "Service accounts": create and configure, rotate, revoke cleanly.
func TestSeed002_CreateRotateAndRevokeAServiceAccount_S1_S2_S3_S4_S5(t *testing.T) {
	t.Parallel()
	admin := asOwner(t)

	// Create the account: a clear name, and a description that names the owning team.
	name := "support-bot-prod " + newName(t)
	account := admin.post("/service-accounts", client.Object{"name": name, "description": "Owned by Customer Support.", "node_id": world.node}).
		expect(http.StatusCreated)
	id := account.Text("id")

	// Assign a role, built-in or custom. Least privilege wins: what can be assigned is listed with what it allows.
	choices := slices.DeleteFunc(admin.all("/roles?assignable_to=service_account"), func(r client.Object) bool {
		return r["built_in"] != true // other tests make roles meanwhile
	})
	least := slices.MinFunc(choices, func(a, b client.Object) int { return len(a.Texts("permissions")) - len(b.Texts("permissions")) })
	require.Equal(t, account["role_id"], least["id"], "the least one is the default")
	wider := choices[slices.IndexFunc(choices, func(r client.Object) bool { return r["name"] == "automation" })]
	require.Equal(t, wider["id"], admin.patch("/service-accounts/"+id, client.Object{"role_id": wider["id"]}).expect(http.StatusOK)["role_id"])
	admin.patch("/service-accounts/"+id, client.Object{"role_id": least["id"]}).expect(http.StatusOK)

	// Generate an API key; copy the value once.
	first := admin.issue(id, client.Object{"name": "first"})
	bot := holding(t, first.secret)
	bot.get("/me").expect(http.StatusOK)

	// Rotate a key: a second key, deploy, verify traffic on it, revoke the old one. No request fails on the way.
	second := admin.issue(id, client.Object{"name": "second"})
	bot.get("/me").expect(http.StatusOK)
	deployed := bot.sending(client.Bearer(second.secret))
	deployed.get("/me").expect(http.StatusOK)
	keys := admin.all("/service-accounts/" + id + "/keys?limit=100")
	require.Equal(t, []string{"second", "first"}, field(keys, "name"))
	require.NotNil(t, keys[0]["last_used_at"])
	admin.post("/keys/"+first.id+"/revoke", nil).expect(http.StatusOK)
	deployed.get("/me").expect(http.StatusOK)
	bot.get("/me").refused()

	// In the audit log it appears as itself.
	acted := admin.audit("actor_id=" + id)
	require.NotEmpty(t, acted)
	for _, r := range acted {
		require.Equal(t, name, r.Text("actor.name"))
		require.Equal(t, "service_account", r.Text("actor.type"))
	}

	// Revoke the entire service account: every key stops instantly, the principal is marked inactive.
	third := admin.issue(id)
	admin.post("/service-accounts/"+id+"/revoke", client.Object{"reason": "The bot was retired."}).expect(http.StatusOK)
	deployed.get("/me").refused()
	holding(t, third.secret).get("/me").refused()
	require.Equal(t, "inactive", admin.records(id, "service_account.revoked")[0].Text("details.principal_status"))
	record := admin.get("/service-accounts/" + id).expect(http.StatusOK)
	require.Equal(t, "revoked", record["status"], "the record stays")
	require.Equal(t, name, record["name"])
}
