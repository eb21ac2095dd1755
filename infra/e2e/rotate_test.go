package e2e

import (
	"net/http"
	"testing"

	"github.com/stretchr/testify/require"

	"github.com/rekey-dev/rekey/infra/e2e/client"
)

func TestRegenerate_GivesTheSameIDANewSecret_I1(t *testing.T) {
	t.Parallel()
	p := asOwner(t)
	k := newKey(t, client.Object{"expires_at": inSeconds(90 * 86400)})
	consumer := holding(t, k.secret)
	consumer.get("/me").expect(http.StatusOK)
	fresh := shown(t, k.account, p.post("/keys/"+k.id+"/regenerate", nil).unshown().expect(http.StatusOK))
	require.Equal(t, k.id, fresh.id)
	require.NotEqual(t, k.secret, fresh.secret)
	require.Equal(t, k.secret[:25], fresh.secret[:25], "the last 49 characters change and nothing else")
	require.Equal(t, 2, fresh.key.Number("generation"))
	require.Equal(t, k.key["expires_at"], fresh.key["expires_at"], "without a policy the old end stays")
	consumer.get("/me").refused()
	holding(t, fresh.secret).get("/me").expect(http.StatusOK)
	require.Equal(t, "retired", consumer.status(k.secret).Text("status"))

	later := inSeconds(200 * 86400)
	fresh = shown(t, k.account, p.post("/keys/"+k.id+"/regenerate", client.Object{"expires_at": later}).expect(http.StatusOK))
	require.Equal(t, later, fresh.key.Text("expires_at"))
	fresh = shown(t, k.account, p.post("/keys/"+k.id+"/regenerate", client.Object{"expires_at": nil}).expect(http.StatusOK))
	require.Nil(t, fresh.key["expires_at"])
	require.Equal(t, "retired", consumer.status(k.secret).Text("status"), "for ever")
	p.post("/keys/"+k.id+"/regenerate", client.Object{"expires_at": inSeconds(-5)}).invalid("/expires_at")
}

func TestRegenerate_LeavesAKeySwitchedOffThatWas(t *testing.T) {
	t.Parallel()
	p := asOwner(t)
	k := newKey(t)
	p.post("/keys/"+k.id+"/deactivate", nil).expect(http.StatusOK)
	fresh := shown(t, k.account, p.post("/keys/"+k.id+"/regenerate", nil).expect(http.StatusOK))
	require.Equal(t, "inactive", fresh.key["status"])
	holding(t, fresh.secret).get("/me").refused()
	p.post("/keys/"+k.id+"/activate", nil).expect(http.StatusOK)
	holding(t, fresh.secret).get("/me").expect(http.StatusOK)
}

func TestRotate_ReplacesTheOnlyLiveKeysSecretInOneCall_W8(t *testing.T) {
	t.Parallel()
	p := asOwner(t)
	account := p.account().Text("id")
	path := "/service-accounts/" + account + "/rotate"
	p.post(path, nil).problem(http.StatusConflict, "conflict")

	k := p.issue(account)
	consumer := holding(t, k.secret)
	consumer.get("/me").expect(http.StatusOK)
	fresh := shown(t, account, p.post(path, client.Object{"reason": "superseded"}).unshown().expect(http.StatusCreated))
	consumer.get("/me").refused()
	require.Equal(t, k.id, fresh.id, "same ID")
	require.NotEqual(t, k.secret, fresh.secret)
	holding(t, fresh.secret).get("/me").expect(http.StatusOK)

	alone := shown(t, account, p.post(path, client.Object{"all": true}).expect(http.StatusCreated))
	require.Equal(t, k.id, alone.id, "all changes nothing when there is only one")
	p.post("/keys/"+k.id+"/deactivate", nil).expect(http.StatusOK)
	off := shown(t, account, p.post(path, nil).expect(http.StatusCreated))
	require.Equal(t, k.id, off.id, "an inactive key counts as live")
	require.Equal(t, []string{"key.issued", "key.regenerated", "key.regenerated", "key.deactivated", "key.regenerated"},
		field(p.records(k.id, "user.updated"), "details.change"))
}

func TestRotate_OfSeveralKeysAsksFirstAndThenStopsThemAll_W8(t *testing.T) {
	t.Parallel()
	p := asOwner(t)
	account := p.account().Text("id")
	path := "/service-accounts/" + account + "/rotate"
	soon, late := inSeconds(40*86400), inSeconds(80*86400)
	keys := []issued{p.issue(account, client.Object{"scopes": []string{"keys:read"}, "expires_at": late}),
		p.issue(account, client.Object{"scopes": []string{"service_accounts:read"}, "expires_at": soon}),
		p.issue(account, client.Object{"scopes": []string{}, "name": "the newest"})}

	o := p.post(path, nil).problem(http.StatusConflict, "conflict")
	require.Equal(t, "key", o.Objects("blocked_by")[0]["type"])
	require.Equal(t, 3, o.Objects("blocked_by")[0].Number("count"))
	require.ElementsMatch(t, []string{keys[0].id, keys[1].id, keys[2].id}, o.Objects("blocked_by")[0].Texts("ids"))
	for _, k := range keys {
		holding(t, k.secret).get("/me").expect(http.StatusOK)
	}

	one := shown(t, account, p.post(path, client.Object{"all": true, "reason": "key_compromise"}).unshown().expect(http.StatusCreated))
	for _, k := range keys {
		holding(t, k.secret).get("/me").refused()
		require.NotEqual(t, k.id, one.id)
		stopped := p.get("/keys/" + k.id).expect(http.StatusOK)
		require.Equal(t, "revoked", stopped["status"])
		require.Equal(t, "superseded", stopped.Text("ended.reason"))
		p.post("/keys/"+k.id+"/activate", nil).problem(http.StatusConflict, "ended")
	}
	require.ElementsMatch(t, []string{"keys:read", "service_accounts:read"}, one.key.Texts("scopes"), "the union")
	require.Equal(t, "the newest", one.key["name"])
	require.Equal(t, soon, one.key["expires_at"], "the earliest")
	require.Equal(t, "active", one.key["status"])
	holding(t, one.secret).get("/me").expect(http.StatusOK)
	require.Equal(t, 1, p.get("/service-accounts/"+account).expect(http.StatusOK).Number("key_count"))

	rotated := p.records(account, "service_account.rotated")
	require.Len(t, rotated, 1)
	require.Equal(t, 3, rotated[0].Number("details.keys_stopped"))
	require.Equal(t, []string{"key.issued"}, field(p.records(one.id, "user.updated"), "details.change"))
	require.Equal(t, []string{"key.issued"}, field(p.records(keys[0].id, "user.updated"), "details.change"),
		"the stopped ones get no records of their own")
}
