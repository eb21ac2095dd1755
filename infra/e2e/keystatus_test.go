package e2e

import (
	"net/http"
	"testing"

	"github.com/stretchr/testify/require"

	"github.com/rekey-dev/rekey/infra/e2e/client"
)

func TestKeyStatus_TellsTheHolderWhatIsTheMatter_D12(t *testing.T) {
	t.Parallel()
	p := asOwner(t)
	k := newKey(t)
	holder := stranger(t)
	answer := holder.post("/key-status", client.Object{"secret": k.secret}).unshown()
	require.Equal(t, "active", answer.expect(http.StatusOK).Text("status"))
	require.Equal(t, k.id, answer.Object().Text("key_id"))
	require.NotEmpty(t, answer.Object().Text("detail"))
	require.Nil(t, answer.Object()["expires_at"])
	require.Nil(t, p.get("/keys/" + k.id).expect(http.StatusOK)["last_used_at"], "asking is no use of the key")

	for name, secret := range map[string]string{
		"empty": "", "short": "rka_", "words": "password", "an ID": k.id, "a changed check": k.secret[:73] + "!", "too long": k.secret + "0",
		"a kind that is none": client.WithCheck("rkz" + k.secret[3:68]),
	} {
		o := holder.status(secret)
		require.Equal(t, "malformed", o.Text("status"), name)
		require.Nil(t, o["key_id"], name)
	}
	for name, secret := range map[string]string{
		"never right":    client.Wrong(k.secret, 1),
		"no such ID":     client.WithCheck("rka_00000000000000000000_" + k.secret[25:68]),
		"another kind":   client.WithCheck("rkg" + k.secret[3:68]),
		"no such token":  client.WithCheck("rkp" + k.secret[3:68]),
		"a one-time one": client.WithCheck("rks" + k.secret[3:68]),
	} {
		o := holder.status(secret)
		require.Equal(t, "unknown", o.Text("status"), name)
		require.Nil(t, o["key_id"], name)
	}

	fresh := shown(t, k.account, p.post("/keys/"+k.id+"/regenerate", nil).expect(http.StatusOK))
	require.Equal(t, "retired", holder.status(k.secret).Text("status"))
	p.post("/keys/"+k.id+"/deactivate", nil).expect(http.StatusOK)
	require.Equal(t, "inactive", holder.status(fresh.secret).Text("status"))
	p.post("/keys/"+k.id+"/revoke", nil).expect(http.StatusOK)
	require.Equal(t, "revoked", holder.status(fresh.secret).Text("status"))
	require.Equal(t, k.id, holder.status(fresh.secret).Text("key_id"))
	require.Equal(t, "retired", holder.status(k.secret).Text("status"), "retired comes before revoked")
	p.post("/service-accounts/"+k.account+"/revoke", nil).expect(http.StatusOK)
	require.Equal(t, "account_revoked", holder.status(fresh.secret).Text("status"), "account_revoked comes before revoked")
}

func TestKeyStatus_KnowsAPersonalAccessToken(t *testing.T) {
	t.Parallel()
	o := stranger(t).status(world.owner)
	require.Equal(t, "active", o.Text("status"))
	require.Equal(t, "pat_"+world.owner[4:24], o.Text("key_id"))
	require.NotEmpty(t, o.Text("expires_at"))
}

func TestSelfRevoke_WhoeverHoldsAKeyCanEndItWithoutSigningIn_B7(t *testing.T) {
	t.Parallel()
	p := asOwner(t)
	k := newKey(t)
	finder := stranger(t)
	answer := finder.post("/keys/self-revoke", client.Object{"secret": k.secret, "reason": "key_compromise"})
	answer.expect(http.StatusNoContent)
	require.Empty(t, answer.Body)
	holding(t, k.secret).get("/me").refused()
	key := p.get("/keys/" + k.id).expect(http.StatusOK)
	require.Equal(t, "revoked", key["status"])
	require.Equal(t, "holder", key.Text("ended.by"))
	require.Equal(t, "key_compromise", key.Text("ended.reason"))
	records := p.records(k.id, "user.updated")
	last := records[len(records)-1]
	require.Equal(t, "key.self_revoked", last.Text("details.change"))
	require.Equal(t, "holder", last.Text("actor.type"))
	require.Equal(t, finder.source, last["source_ip"])
	finder.post("/keys/self-revoke", client.Object{"secret": k.secret}).expect(http.StatusNoContent)
	require.Len(t, p.records(k.id, "user.updated"), len(records), "again: nothing")
}

func TestSelfRevoke_IsAlways204AndEndsNothingWithoutTheCurrentSecret_B7(t *testing.T) {
	t.Parallel()
	p := asOwner(t)
	k := newKey(t)
	fresh := shown(t, k.account, p.post("/keys/"+k.id+"/regenerate", nil).expect(http.StatusOK))
	finder := stranger(t)
	for _, secret := range []string{"", "nonsense", client.Wrong(k.secret, 1), k.secret, k.id, client.WithCheck("rka_00000000000000000000_" + k.secret[25:68])} {
		finder.post("/keys/self-revoke", client.Object{"secret": secret}).expect(http.StatusNoContent)
	}
	holding(t, fresh.secret).get("/me").expect(http.StatusOK)
	seen := p.get("/keys/" + k.id).expect(http.StatusOK).Object("retired_seen")
	require.NotNil(t, seen, "a retired one is recorded as seen")
	require.Equal(t, finder.source, seen.Objects("sources")[0]["source_ip"])
}
