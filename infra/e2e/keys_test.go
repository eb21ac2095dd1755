package e2e

import (
	"net/http"
	"slices"
	"testing"
	"time"

	"github.com/stretchr/testify/require"

	"github.com/rekey-dev/rekey/infra/e2e/client"
)

func TestKey_AnAccountOwnsSeveralEachWithANameAndScopes_D1(t *testing.T) {
	t.Parallel()
	p := asOwner(t)
	account := p.account()
	first := p.issue(account.Text("id"), client.Object{"name": "primary", "scopes": []string{"keys:read"}})
	second := p.issue(account.Text("id"), client.Object{"name": "primary", "scopes": []string{"service_accounts:read"}})
	require.NotEqual(t, first.id, second.id)
	keys := p.all("/service-accounts/" + account.Text("id") + "/keys?limit=100")
	require.Equal(t, []string{second.id, first.id}, field(keys, "id"), "newest first; names may repeat")
	require.Equal(t, []string{"service_accounts:read"}, keys[0].Texts("scopes"))
	require.Equal(t, 2, p.get("/service-accounts/"+account.Text("id")).expect(http.StatusOK).Number("key_count"))
	for _, k := range []issued{first, second} {
		require.Equal(t, k.id, holding(t, k.secret).get("/me").expect(http.StatusOK).Text("key.id"))
	}

	me := p.get("/me").expect(http.StatusOK)
	require.Equal(t, client.Object{"id": first.id, "type": "secret",
		"owner":   map[string]any{"id": account["id"], "type": "service_account", "name": account["name"]},
		"node_id": world.node, "company_id": nil, "name": "primary", "prefix": first.secret[:8], "generation": 1.0,
		"scopes": []any{"keys:read"}, "status": "active", "expires_at": nil, "last_used_at": nil, "ended": nil, "revocable": true,
		"not_revocable_because": first.key["not_revocable_because"], "rotation_id": nil, "superseded_by": nil, "locked": false,
		"retired_seen": nil, "apps": []any{}, "next_rotation_at": nil, "created_by": me.Text("principal.id"),
		"created_by_name": me.Text("principal.name"), "created_at": first.key["created_at"], "updated_at": first.key["created_at"]}, first.key)
}

func TestKey_ItsSecretIsShownOnceAndNeverAgain_D2(t *testing.T) {
	t.Parallel()
	p := asOwner(t)
	k := newKey(t)
	holding(t, k.secret).get("/me").expect(http.StatusOK)
	for _, path := range []string{"/keys/" + k.id, "/service-accounts/" + k.account, "/service-accounts/" + k.account + "/keys",
		"/keys?service_account_id=" + k.account, "/audit-events?target_id=" + k.id, "/audit-events?actor_id=" + k.account} {
		answer := p.get(path)
		answer.expect(http.StatusOK)
		require.Empty(t, world.secrets.Find(answer.Body), "%s: %s", path, answer.Body)
	}
	for _, path := range []string{"/keys/" + k.id, "/me"} {
		answer := holding(t, k.secret).get(path)
		require.Empty(t, world.secrets.Find(answer.Body), "%s: %s", path, answer.Body)
	}
}

func TestKey_LastUsedAtIsRightWithinAMinuteOfTheFirstRequest_D3(t *testing.T) {
	t.Parallel()
	p := asOwner(t)
	k := newKey(t)
	require.Nil(t, p.get("/keys/" + k.id).expect(http.StatusOK)["last_used_at"])
	used := holding(t, k.secret).get("/me")
	used.expect(http.StatusOK)
	for _, read := range []client.Object{p.get("/keys/" + k.id).expect(http.StatusOK), p.get("/service-accounts/" + k.account).expect(http.StatusOK),
		p.get("/keys?service_account_id=" + k.account).expect(http.StatusOK).Objects("items")[0]} {
		at, err := time.Parse(time.RFC3339, read.Text("last_used_at"))
		require.NoError(t, err)
		require.LessOrEqual(t, used.Started.Sub(at), time.Minute, "shown at once, and to the minute")
		require.False(t, at.After(used.Ended))
	}
}

func TestKey_ThatWasRevokedGets401FromThenOn_D4(t *testing.T) {
	t.Parallel()
	p := asOwner(t)
	k := newKey(t)
	consumer := holding(t, k.secret)
	consumer.get("/me").expect(http.StatusOK)
	revoked := p.post("/keys/"+k.id+"/revoke", client.Object{"reason": "key_compromise", "note": "Pasted into a ticket."}).expect(http.StatusOK)
	consumer.get("/me").refused()
	require.Equal(t, "revoked", revoked["status"])
	require.Equal(t, "key_compromise", revoked.Text("ended.reason"))
	require.Equal(t, p.get("/me").expect(http.StatusOK).Text("principal.id"), revoked.Text("ended.by"))
	require.NotEmpty(t, revoked.Text("ended.at"))
	require.Equal(t, false, revoked["revocable"])
	now := p.get("/keys/" + k.id).expect(http.StatusOK)
	require.Equal(t, consumer.source, now.Objects("retired_seen.sources")[0]["source_ip"], "who still sends it")
	revoked["retired_seen"] = now["retired_seen"]
	require.Equal(t, revoked, now)

	again := p.post("/keys/"+k.id+"/revoke", client.Object{"reason": "superseded"}).expect(http.StatusOK)
	require.Equal(t, revoked, again, "again: unchanged")
	require.Len(t, p.records(k.id, "user.updated")[1:], 1, "one record of issuance, one of revocation")
	for _, action := range []string{"/deactivate", "/activate", "/regenerate"} {
		p.post("/keys/"+k.id+action, nil).problem(http.StatusConflict, "ended")
	}
	p.patch("/keys/"+k.id, client.Object{"name": "x"}).problem(http.StatusConflict, "ended")
	require.Equal(t, 0, p.get("/service-accounts/"+k.account).expect(http.StatusOK).Number("key_count"))
}

func TestKey_IsSwitchedOffAndOnAgain(t *testing.T) {
	t.Parallel()
	p := asOwner(t)
	k := newKey(t)
	consumer := holding(t, k.secret)
	consumer.get("/me").expect(http.StatusOK)
	off := p.post("/keys/"+k.id+"/deactivate", nil).expect(http.StatusOK)
	require.Equal(t, "inactive", off["status"])
	consumer.get("/me").refused()
	require.Equal(t, "inactive", consumer.status(k.secret).Text("status"))
	require.Equal(t, off, p.post("/keys/"+k.id+"/deactivate", nil).expect(http.StatusOK))
	on := p.post("/keys/"+k.id+"/activate", nil).expect(http.StatusOK)
	require.Equal(t, "active", on["status"])
	consumer.get("/me").expect(http.StatusOK)
	require.Equal(t, []string{"key.issued", "key.deactivated", "key.activated"},
		field(p.records(k.id, "user.updated"), "details.change"))
}

func TestKey_FailsAtItsEndToTheSecond(t *testing.T) {
	t.Parallel()
	p := asOwner(t)
	end := time.Now().Add(4 * time.Second).Truncate(time.Second)
	k := newKey(t, client.Object{"expires_at": end.UTC().Format(time.RFC3339)})
	require.Equal(t, "expiring", p.get("/keys/" + k.id).expect(http.StatusOK)["status"])
	consumer := holding(t, k.secret)
	for {
		answer := consumer.get("/me")
		if answer.Ended.Before(end) {
			answer.expect(http.StatusOK)
		}
		if !answer.Started.Before(end) {
			answer.refused()
			break
		}
	}
	ended := p.get("/keys/" + k.id).expect(http.StatusOK)
	require.Equal(t, "expired", ended["status"])
	require.Equal(t, client.Object{"at": ended["expires_at"], "by": "system", "reason": "expired"}, ended.Object("ended"))
	require.Equal(t, "expired", consumer.status(k.secret).Text("status"))
	p.patch("/keys/"+k.id, client.Object{"expires_at": inSeconds(3600)}).problem(http.StatusConflict, "ended")
	p.post("/keys/"+k.id+"/regenerate", nil).problem(http.StatusConflict, "ended")
	p.delete("/service-accounts/" + k.account).expect(http.StatusNoContent) // an expired key is not alive
}

func TestKey_NearingItsEndTellsItsHolder_B11(t *testing.T) {
	t.Parallel()
	p := asOwner(t)
	far := inSeconds(31 * 86400)
	near := inSeconds(29 * 86400)
	k := newKey(t, client.Object{"expires_at": far})
	consumer := holding(t, k.secret)
	require.Empty(t, consumer.get("/me").Header.Values("Rekey-Key-Expires-At"), "not within the notice")
	require.Equal(t, "active", consumer.status(k.secret).Text("status"))
	changed := p.patch("/keys/"+k.id, client.Object{"expires_at": near}).expect(http.StatusOK)
	require.Equal(t, "expiring", changed["status"])
	for _, path := range []string{"/me", "/keys/" + k.id, "/service-accounts/" + k.account, "/keys/key_00000000000000000000"} {
		require.Equal(t, []string{near}, consumer.get(path).Header.Values("Rekey-Key-Expires-At"), path)
	}
	told := consumer.status(k.secret)
	require.Equal(t, "expiring", told.Text("status"))
	require.Equal(t, near, told.Text("expires_at"))
	forever := p.patch("/keys/"+k.id, client.Object{"expires_at": nil}).expect(http.StatusOK)
	require.Nil(t, forever["expires_at"])
	require.Empty(t, consumer.get("/me").Header.Values("Rekey-Key-Expires-At"))
	require.Empty(t, consumer.get("/me").Header.Values("Rekey-Key-Superseded"))
}

func TestKey_PatchRenamesAndNarrows(t *testing.T) {
	t.Parallel()
	p := asOwner(t)
	k := newKey(t)
	path := "/keys/" + k.id
	etag := p.get(path).Header.Get("Etag")
	changed := p.also("If-Match", etag).patch(path, client.Object{"name": "narrower", "scopes": []string{"keys:read"}})
	o := changed.expect(http.StatusOK)
	require.Equal(t, "narrower", o["name"])
	require.Equal(t, []string{"keys:read"}, o.Texts("scopes"))
	require.NotEqual(t, etag, changed.Header.Get("Etag"))
	holding(t, k.secret).get("/service-accounts").problem(http.StatusForbidden, "missing_scope")
	p.patch(path, client.Object{"scopes": []string{"keys:read", "service_accounts:read"}}).invalid("/scopes/1")
	p.patch(path, client.Object{"expires_at": inSeconds(-1)}).invalid("/expires_at")
	stale := p.also("If-Match", etag)
	stale.patch(path, client.Object{"name": "again"}).problem(http.StatusPreconditionFailed, "precondition_failed")
	for _, action := range []string{"/revoke", "/deactivate", "/activate", "/regenerate"} {
		stale.post(path+action, nil).problem(http.StatusPreconditionFailed, "precondition_failed")
	}
	holding(t, k.secret).get("/me").expect(http.StatusOK)
}

func TestKey_ThatIsNotThereIs404OnEveryRoute(t *testing.T) {
	t.Parallel()
	p := asOwner(t)
	for _, id := range []string{"key_00000000000000000000", "key_short", "sa_00000000000000000000"} {
		p.get("/keys/"+id).problem(http.StatusNotFound, "not_found")
		p.patch("/keys/"+id, client.Object{"name": "x"}).problem(http.StatusNotFound, "not_found")
		for _, action := range []string{"/revoke", "/deactivate", "/activate", "/regenerate"} {
			p.post("/keys/"+id+action, nil).problem(http.StatusNotFound, "not_found")
		}
	}
}

func TestKey_AScopeThatTheRoleLacksIsNotIssued(t *testing.T) {
	t.Parallel()
	p := asOwner(t)
	path := "/service-accounts/" + p.account().Text("id") + "/keys"
	p.post(path, client.Object{"name": "k", "scopes": []string{"keys:read", "audit:read"}}).invalid("/scopes/1")
	p.post(path, client.Object{"name": "k", "scopes": []string{"service_accounts:rotate"}}).invalid("/scopes/0")
	p.post(path, client.Object{"name": "k", "scopes": []string{"keys:issue", "keys:revoke", "companies:assume"}}).invalid("/scopes/0", "/scopes/1", "/scopes/2")
	p.post(path, client.Object{"name": "k", "scopes": []string{"nothing:known"}}).invalid("/scopes/0")
	require.Empty(t, p.all(path+"?limit=100"))
}

func TestKey_ManagementByAServiceAccountIs403AndOnRecord_D11(t *testing.T) {
	t.Parallel()
	p := asOwner(t)
	k, victim := newKey(t), newKey(t)
	consumer := holding(t, k.secret)
	for _, r := range []struct {
		method, path, lacks, action, target string
		body                                any
	}{
		{"POST", "/service-accounts/" + victim.account + "/keys", "keys:issue", "user.updated", victim.account, client.Object{"name": "x"}},
		{"POST", "/keys/" + victim.id + "/revoke", "keys:revoke", "user.updated", victim.id, nil},
		{"POST", "/keys/" + victim.id + "/deactivate", "keys:revoke", "user.updated", victim.id, nil},
		{"POST", "/keys/" + victim.id + "/activate", "keys:issue", "user.updated", victim.id, nil},
		{"POST", "/keys/" + victim.id + "/regenerate", "service_accounts:rotate", "user.updated", victim.id, nil},
		{"POST", "/service-accounts/" + victim.account + "/rotate", "service_accounts:rotate", "service_account.rotated", victim.account, nil},
		{"POST", "/service-accounts/" + victim.account + "/revoke", "service_accounts:delete", "service_account.revoked", victim.account, nil},
		{"POST", "/service-accounts/" + victim.account + "/unlock", "keys:unlock", "principal.unlocked", victim.account, nil},
		{"PATCH", "/service-accounts/" + victim.account, "service_accounts:update", "service_account.updated", victim.account, client.Object{"name": "x"}},
		{"DELETE", "/service-accounts/" + victim.account, "service_accounts:delete", "service_account.deleted", victim.account, nil},
	} {
		o := consumer.do(r.method, r.path, r.body).problem(http.StatusForbidden, "missing_permission")
		require.Equal(t, r.lacks, o["missing_permission"], "%s %s", r.method, r.path)
		records := slices.DeleteFunc(p.audit("request_id="+o.Text("request_id")), func(r client.Object) bool { return r["action"] == "key.first_used" })
		require.Len(t, records, 1, "%s %s", r.method, r.path)
		require.Equal(t, "denied", records[0]["outcome"])
		require.Equal(t, r.action, records[0]["action"])
		require.Equal(t, r.target, records[0].Text("target.id"))
		require.Equal(t, k.account, records[0].Text("actor.id"))
		require.Equal(t, k.id, records[0].Text("actor.key_id"))
		require.Nil(t, records[0]["seq"], "a denied action has no place in the target's order")
	}
	o := consumer.post("/service-accounts", client.Object{"name": "x", "node_id": world.node}).problem(http.StatusForbidden, "missing_permission")
	require.Equal(t, "service_accounts:create", o["missing_permission"])
	require.Equal(t, "active", p.get("/keys/" + victim.id).expect(http.StatusOK)["status"])
	denied := p.audit("actor_type=service_account&outcome=denied&node_id=" + world.node + "&from=" + k.key.Text("created_at"))
	own := 0
	for _, r := range denied {
		if r.Text("actor.id") == k.account {
			own++
		}
	}
	require.Equal(t, 11, own)
}

func TestKeys_AnEndThatUTCCannotWriteIsRefused(t *testing.T) {
	t.Parallel()
	p, k := asOwner(t), newKey(t)
	p.patch("/keys/"+k.id, client.Object{"expires_at": "9999-12-31T23:59:59-01:00"}).invalid("/expires_at")
	require.Equal(t, "9999-12-31T23:59:59Z",
		p.patch("/keys/"+k.id, client.Object{"expires_at": "9999-12-31T23:59:59Z"}).expect(http.StatusOK).Text("expires_at"))
}
