package e2e

import (
	"net/http"
	"slices"
	"testing"

	"github.com/stretchr/testify/require"

	"github.com/rekey-dev/rekey/infra/e2e/client"
)

// The procedure "Regenerating an API key": an account locks after too many failed attempts, its secret is regenerated, the ID
// stays, and the app with the old secret does not lock it again.
func TestSeed003_LockRegenerateAndNeverLockByTheOldSecret_I1_I2_I3_B1(t *testing.T) {
	t.Parallel()
	admin := asOwner(t)
	account := admin.account(client.Object{"name": "ticketing-app " + newName(t)}).Text("id")
	key := admin.issue(account)

	// The account locks due to too many failed attempts, and has True in the Locked column.
	stranger(t).guess(key.secret, 0, threshold)
	locked := admin.all("/service-accounts?limit=100&locked=true")
	i := slices.IndexFunc(locked, func(o client.Object) bool { return o["id"] == account })
	require.GreaterOrEqual(t, i, 0)
	require.Equal(t, true, locked[i]["locked"])
	require.NotEmpty(t, locked[i].Text("lock.since"))
	require.NotEmpty(t, locked[i].Text("lock.reason"))
	inKeys := admin.all("/keys?service_account_id=" + account + "&locked=true")
	require.Equal(t, []string{key.id}, field(inKeys, "id"))
	app := holding(t, key.secret)
	app.get("/me").refused()

	// Regenerate API Key Secret: the ID remains the same, a new secret is generated, the account is unlocked.
	fresh := shown(t, account, admin.post("/keys/"+key.id+"/regenerate", nil).unshown().expect(http.StatusOK))
	require.Equal(t, key.id, fresh.id)
	require.NotEqual(t, key.secret, fresh.secret)
	require.Equal(t, false, admin.get("/service-accounts/" + account).expect(http.StatusOK)["locked"])

	// A running app that still has the old secret gets 401 as often as it likes, and locks nothing.
	for range 3 * threshold {
		app.get("/me").refused()
	}
	require.Equal(t, false, admin.get("/service-accounts/" + account).expect(http.StatusOK)["locked"])
	require.Empty(t, admin.all("/keys?service_account_id="+account+"&locked=true"))

	// Whose app it is shows on the key; its holder learns that the secret was replaced.
	require.Equal(t, app.source, admin.get("/keys/" + key.id).expect(http.StatusOK).Objects("retired_seen.sources")[0]["source_ip"])
	require.Equal(t, "retired", app.status(key.secret).Text("status"))

	// ID and secret are copied together or apart; with the app's secret updated it runs again.
	app.sending(client.Basic(fresh.id, fresh.secret)).get("/me").expect(http.StatusOK)
	app.sending(client.Bearer(fresh.secret)).get("/me").expect(http.StatusOK)
}

// The same procedure for an app that runs, in the order that locks nothing: undeploy it, regenerate, update its secret, deploy. The
// steps of the app are played: what it sends is what its secret says, and a forgotten instance goes on with the old one.
func TestSeed003_UndeployRegenerateUpdateDeployAndTheAccountNeverLocksOnTheWay_I5(t *testing.T) {
	t.Parallel()
	admin := asOwner(t)
	account := admin.account(client.Object{"name": "running-app " + newName(t)}).Text("id")
	key := admin.issue(account)
	app, forgotten := holding(t, key.secret), holding(t, key.secret)
	unlocked := func() {
		t.Helper()
		require.Equal(t, false, admin.get("/service-accounts/" + account).expect(http.StatusOK)["locked"])
	}
	app.get("/me").expect(http.StatusOK)
	forgotten.get("/me").expect(http.StatusOK)

	// Undeployed: the app sends nothing from here on. One instance was forgotten.
	fresh := shown(t, account, admin.post("/keys/"+key.id+"/regenerate", nil).unshown().expect(http.StatusOK))
	require.Equal(t, key.id, fresh.id)
	for range 3 * threshold {
		forgotten.get("/me").refused()
	}
	unlocked()

	// The app's secret is updated, and the app deployed: its first request is let pass, whatever the forgotten one does.
	app = app.sending(client.Bearer(fresh.secret))
	for range threshold {
		app.get("/me").expect(http.StatusOK)
		forgotten.get("/me").refused()
	}
	unlocked()
	require.Equal(t, forgotten.source, admin.get("/keys/" + key.id).expect(http.StatusOK).Objects("retired_seen.sources")[0]["source_ip"])
}
