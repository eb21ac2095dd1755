package e2e

import (
	"net/http"
	"net/url"
	"slices"
	"testing"
	"time"

	"github.com/stretchr/testify/require"

	"github.com/rekey-dev/rekey/infra/e2e/client"
)

// The procedure "Rotate an API key" of an admin guide: a second key, deploy, verify traffic, revoke the first.
func TestSeed001_RotateWithoutDowntime_D1_D2_D3_D4_D8_S3(t *testing.T) {
	t.Parallel()
	admin := asOwner(t)
	me := admin.get("/me").expect(http.StatusOK)
	account := admin.account(client.Object{"description": "Recording exporter, owned by Telephony."})
	old := admin.issue(account.Text("id"), client.Object{"name": "exporter", "scopes": []string{"keys:read", "service_accounts:read"}})
	exporter := holding(t, old.secret)
	work := "/service-accounts/" + account.Text("id") // what the integration calls
	exporter.get(work).expect(http.StatusOK)

	// 1, 2. Find the service account whose key you want to rotate and click it.
	found := admin.all("/service-accounts?q=" + url.QueryEscape(account.Text("name")))
	require.Equal(t, []string{account.Text("id")}, field(found, "id"))
	keys := admin.all(work + "/keys?limit=100")
	require.Equal(t, []string{old.id}, field(keys, "id"))
	require.NotNil(t, keys[0]["last_used_at"])

	// 3. Create Key, with the scope that the old one had. 4. It is displayed once: copy it into the secret store.
	fresh := admin.issue(account.Text("id"), client.Object{"name": "exporter", "scopes": keys[0].Texts("scopes")})
	require.Nil(t, fresh.key["last_used_at"])
	require.Empty(t, world.secrets.Find(admin.get("/keys/"+fresh.id).Body), "you cannot retrieve it later")

	// 5. Update the integration, deploy. Both keys work meanwhile: no request fails.
	exporter.get(work).expect(http.StatusOK)
	deployed := exporter.sending(client.Bearer(fresh.secret))
	first := deployed.get(work)
	first.expect(http.StatusOK)

	// 6. Wait for traffic in the Last used column: within a minute of the first request.
	used := admin.get("/keys/" + fresh.id).expect(http.StatusOK)
	at, err := time.Parse(time.RFC3339, used.Text("last_used_at"))
	require.NoError(t, err)
	require.LessOrEqual(t, first.Started.Sub(at), time.Minute)

	// 7. Revoke the old key. It fails all subsequent requests with 401; the new one goes on.
	admin.post("/keys/"+old.id+"/revoke", client.Object{"reason": "superseded"}).expect(http.StatusOK)
	exporter.get(work).refused()
	deployed.get(work).expect(http.StatusOK)

	// The audit log records user.updated with the actor's ID, the prefix and the scopes; never the key.
	for _, change := range []struct {
		key  issued
		what string
	}{{old, "key.issued"}, {fresh, "key.issued"}, {old, "key.revoked"}} {
		records := slices.DeleteFunc(admin.records(change.key.id, "user.updated"), func(r client.Object) bool { return r.Text("details.change") != change.what })
		require.Len(t, records, 1)
		require.Equal(t, me.Text("principal.id"), records[0].Text("actor.id"))
		require.Equal(t, change.key.secret[:8], records[0].Text("details.key_prefix"))
		require.ElementsMatch(t, []string{"keys:read", "service_accounts:read"}, records[0].Texts("details.scopes"))
	}

	// "Integration returns 401 after you updated the key": it cached the old one, and can learn so itself.
	require.Equal(t, "revoked", exporter.status(old.secret).Text("status"))
	require.Contains(t, exporter.get(work).Object().Text("detail"), "restart the client or reload its secret store")
}

// "Integration returns 403 on some endpoints after rotation": the new key has a narrower scope than the old one.
func TestSeed001_ANarrowerNewKeyGets403UntilOneWithTheRightScopeReplacesIt_D5_D12(t *testing.T) {
	t.Parallel()
	admin := asOwner(t)
	account := admin.account().Text("id")
	wrong := admin.issue(account, client.Object{"scopes": []string{"keys:read"}})
	integration := holding(t, wrong.secret)
	integration.get("/service-accounts/" + account + "/keys").expect(http.StatusOK)
	o := integration.get("/service-accounts/"+account).problem(http.StatusForbidden, "missing_scope")
	right := admin.issue(account, client.Object{"scopes": []string{"keys:read", o.Text("missing_scope")}})
	admin.post("/keys/"+wrong.id+"/revoke", nil).expect(http.StatusOK)
	integration.sending(client.Bearer(right.secret)).get("/service-accounts/" + account).expect(http.StatusOK)
	integration.get("/service-accounts/" + account).refused()
}

// "Emergency rotation": skip the grace window, accept the short outage, look for what the leaked key did.
func TestSeed001_EmergencyRevokesFirstAndTheAuditLogShowsWhatTheKeyDid_D9(t *testing.T) {
	t.Parallel()
	admin := asOwner(t)
	account := admin.account().Text("id")
	leaked := admin.issue(account)
	suspected := time.Now().UTC()
	thief := holding(t, leaked.secret)
	thief.get("/keys").expect(http.StatusOK)
	thief.post("/keys/"+leaked.id+"/regenerate", nil).problem(http.StatusForbidden, "missing_permission")

	fresh := admin.issue(account)
	revoked := admin.post("/keys/"+leaked.id+"/revoke", client.Object{"reason": "key_compromise", "note": "Seen in a public gist."})
	revoked.expect(http.StatusOK)
	thief.get("/keys").refused()
	holding(t, fresh.secret).get("/me").expect(http.StatusOK)

	query := url.Values{"actor_type": {"service_account"}, "from": {suspected.Format(time.RFC3339Nano)},
		"to": {revoked.Ended.UTC().Format(time.RFC3339Nano)}}
	did := slices.DeleteFunc(admin.audit(query.Encode()), func(r client.Object) bool { return r.Text("actor.key_id") != leaked.id })
	require.Len(t, did, 2)
	require.ElementsMatch(t, []string{"key.first_used", "user.updated"}, field(did, "action"))
	for _, r := range did {
		require.Equal(t, thief.source, r["source_ip"])
		require.Equal(t, account, r.Text("actor.id"))
	}
}

// "Scheduled rotation on a compliance calendar": expires_at on the old key, seven days out.
func TestSeed001_AnEndIsSetOnTheOldKeyAndItsHolderIsTold_B11(t *testing.T) {
	t.Parallel()
	admin := asOwner(t)
	account := admin.account().Text("id")
	old := admin.issue(account)
	admin.issue(account)
	end := inSeconds(7 * 86400)
	changed := admin.patch("/keys/"+old.id, client.Object{"expires_at": end}).expect(http.StatusOK)
	require.Equal(t, end, changed.Text("expires_at"))
	require.Equal(t, "expiring", changed["status"])
	within := holding(t, old.secret).get("/me")
	within.expect(http.StatusOK)
	require.Equal(t, end, within.Header.Get("Rekey-Key-Expires-At"))

	soon := time.Now().Add(3 * time.Second).Truncate(time.Second)
	admin.patch("/keys/"+old.id, client.Object{"expires_at": soon.UTC().Format(time.RFC3339)}).expect(http.StatusOK)
	missed := holding(t, old.secret)
	eventually(t, 10*time.Second, func() bool { return missed.get("/me").Status == http.StatusUnauthorized }, "the old key never ends")
	require.False(t, time.Now().Before(soon), "it worked through its window")
	require.Equal(t, "expired", missed.status(old.secret).Text("status"))
}
