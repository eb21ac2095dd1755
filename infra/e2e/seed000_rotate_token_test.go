package e2e

import (
	"net/http"
	"slices"
	"testing"

	"github.com/stretchr/testify/require"

	"github.com/rekey-dev/rekey/infra/e2e/client"
)

// The procedure "Rotate a Service Account Key" of an MSP's help center, followed step by step through the API.
func TestSeed000_RotateToken_W8(t *testing.T) {
	t.Parallel()
	msp := asOwner(t)
	prepared := msp.account(client.Object{"description": "Ticketing bridge."})
	before := msp.issue(prepared.Text("id"))
	integration := holding(t, before.secret)
	integration.get("/me").expect(http.StatusOK)

	// Required permission: Rotate Service Account Secret.
	permissions := msp.all("/permissions?limit=100")
	required := slices.IndexFunc(permissions, func(o client.Object) bool { return o["name"] == "Rotate Service Account Secret" })
	me := msp.get("/me").expect(http.StatusOK)
	require.Contains(t, me.Texts("permissions"), permissions[required].Text("id"))

	// Steps 1 to 5: sign in, choose the MSP, Users, Service Accounts, optionally filter by node.
	listed := msp.all("/service-accounts?limit=100&node_id=" + me.Text("node_id"))
	// Step 6: locate the service account.
	i := slices.IndexFunc(listed, func(o client.Object) bool { return o["name"] == prepared["name"] })
	account := listed[i].Text("id")
	require.Equal(t, prepared.Text("id"), account)
	// The dialog says how many keys stop.
	require.Equal(t, 1, listed[i].Number("key_count"))

	// Without the permission: 403, and nothing changed.
	denied := integration.post("/service-accounts/"+account+"/rotate", nil).problem(http.StatusForbidden, "missing_permission")
	require.Equal(t, "service_accounts:rotate", denied["missing_permission"])
	integration.get("/me").expect(http.StatusOK)

	// Steps 7 and 8: Actions, Rotate Token. A new API key is generated and displayed once.
	rotated := msp.post("/service-accounts/"+account+"/rotate", nil).unshown()
	after := shown(t, account, rotated.expect(http.StatusCreated))
	require.NotEqual(t, before.secret, after.secret)

	// The existing key is invalid the moment the call returned; integrations stop until updated.
	integration.get("/me").refused()
	require.Equal(t, "retired", integration.status(before.secret).Text("status"))
	updated := integration.sending(client.Bearer(after.secret))
	updated.get("/me").expect(http.StatusOK)

	// "This is the only time the secret will be visible!"
	require.Empty(t, world.secrets.Find(msp.get("/keys/"+after.id).Body))
	require.Empty(t, world.secrets.Find(msp.get("/service-accounts/"+account+"/keys").Body))

	// Lost it? Generate a new one, and update all integrations that used the old one.
	lost := after
	again := shown(t, account, msp.post("/service-accounts/"+account+"/rotate", nil).expect(http.StatusCreated))
	holding(t, lost.secret).get("/me").refused()
	holding(t, again.secret).get("/me").expect(http.StatusOK)
}
