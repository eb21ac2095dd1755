package e2e

import (
	"net/http"
	"strings"
	"testing"

	"github.com/stretchr/testify/require"

	"github.com/rekey-dev/rekey/infra/e2e/client"
)

func TestServiceAccount_IsMadeReadChangedAndDeleted_W7(t *testing.T) {
	t.Parallel()
	p := asOwner(t)
	name := newName(t)
	created := p.post("/service-accounts", client.Object{"name": name, "description": "Owned by the telephony team.", "node_id": world.node,
		"role_id": "role_BuiltinAutomation000", "contacts": []string{"oncall@example.com"}, "external_id": "cmdb-77",
		"tags": []string{"env:prod", "recording"}})
	o := created.expect(http.StatusCreated)
	id := o.Text("id")
	require.Regexp(t, `^sa_[0-9A-Za-z]{20}$`, id)
	me := p.get("/me").expect(http.StatusOK)
	require.Equal(t, client.Object{"id": id, "node_id": world.node, "company_id": nil, "name": name,
		"description": "Owned by the telephony team.", "role_id": "role_BuiltinAutomation000", "status": "active",
		"contacts": []any{"oncall@example.com"}, "external_id": "cmdb-77", "tags": []any{"env:prod", "recording"}, "locked": false,
		"lock": nil, "key_count": 0.0, "last_used_at": nil, "next_rotation_at": nil, "created_by": me.Text("principal.id"),
		"created_by_name": me.Text("principal.name"), "created_at": o["created_at"], "updated_at": o["created_at"]}, o)
	require.NotEmpty(t, created.Header.Get("Etag"))

	read := p.get("/service-accounts/" + id)
	require.Equal(t, o, read.expect(http.StatusOK))
	require.Equal(t, created.Header.Get("Etag"), read.Header.Get("Etag"))

	changed := p.patch("/service-accounts/"+id, client.Object{"description": "Owned by the storage team.", "tags": []string{}})
	after := changed.expect(http.StatusOK)
	require.Equal(t, "Owned by the storage team.", after["description"])
	require.Empty(t, after.Texts("tags"))
	require.Equal(t, name, after["name"], "what a merge patch does not name stays")
	require.Equal(t, []string{"oncall@example.com"}, after.Texts("contacts"))
	require.NotEqual(t, created.Header.Get("Etag"), changed.Header.Get("Etag"))

	gone := p.delete("/service-accounts/" + id)
	gone.expect(http.StatusNoContent)
	require.Empty(t, gone.Body)
	p.get("/service-accounts/"+id).problem(http.StatusNotFound, "not_found")
	p.delete("/service-accounts/"+id).problem(http.StatusNotFound, "not_found")
	p.account(client.Object{"name": name}) // the name is free again
	require.Equal(t, []string{"service_account.created", "service_account.updated", "service_account.deleted"},
		field(p.audit("target_id="+id), "action"))
}

func TestServiceAccount_DescriptionNamesTheOwningTeam_S1(t *testing.T) {
	t.Parallel()
	p := asOwner(t)
	o := p.account(client.Object{"name": "support-bot-prod " + newName(t), "description": "Owned by: Support\nPager: 123"})
	require.Equal(t, "Owned by: Support\nPager: 123", p.get("/service-accounts/" + o.Text("id")).expect(http.StatusOK)["description"])
}

func TestServiceAccount_HasTheLeastPrivilegeRoleUnlessAnotherIsGiven_S2(t *testing.T) {
	t.Parallel()
	p := asOwner(t)
	o := p.account()
	require.Equal(t, "role_BuiltinIntegration00", o["role_id"])
	k := p.issue(o.Text("id"))
	require.ElementsMatch(t, []string{"service_accounts:read", "keys:read"}, k.key.Texts("scopes"), "a snapshot of the role's")
	consumer := holding(t, k.secret)
	consumer.get("/service-accounts/" + o.Text("id")).expect(http.StatusOK)
	other := p.account().Text("id")
	consumer.get("/service-accounts/"+other).problem(http.StatusNotFound, "not_found")
	require.Equal(t, []string{o.Text("id")}, field(consumer.all("/service-accounts?limit=100"), "id"), "only its own account")
	require.Equal(t, []string{k.id}, field(consumer.all("/keys?limit=100"), "id"), "only its own keys")

	changed := p.patch("/service-accounts/"+o.Text("id"), client.Object{"role_id": "role_BuiltinAutomation000"}).expect(http.StatusOK)
	require.Equal(t, "role_BuiltinAutomation000", changed["role_id"])
	wider := p.issue(o.Text("id"), client.Object{"scopes": []string{"keys:verify", "keys:rotate_self"}})
	require.ElementsMatch(t, []string{"keys:verify", "keys:rotate_self"}, holding(t, wider.secret).get("/me").expect(http.StatusOK).Texts("permissions"))

	p.patch("/service-accounts/"+o.Text("id"), client.Object{"role_id": "role_BuiltinIntegration00"}).expect(http.StatusOK)
	require.Empty(t, holding(t, wider.secret).get("/me").expect(http.StatusOK).Texts("permissions"), "the role's permissions now")
	for _, role := range []string{"role_BuiltinOwner00000000", "role_BuiltinViewer0000000", "role_00000000000000000000"} {
		p.patch("/service-accounts/"+o.Text("id"), client.Object{"role_id": role}).invalid("/role_id")
		p.post("/service-accounts", client.Object{"name": newName(t), "node_id": world.node, "role_id": role}).invalid("/role_id")
	}
}

func TestServiceAccount_RevokedAsAWholeStopsEveryKeyAtOnce_S4(t *testing.T) {
	t.Parallel()
	p := asOwner(t)
	account := p.account().Text("id")
	first, second, off := p.issue(account), p.issue(account), p.issue(account)
	p.post("/keys/"+off.id+"/deactivate", nil).expect(http.StatusOK)
	consumer := holding(t, first.secret)
	consumer.get("/me").expect(http.StatusOK)

	revoked := p.post("/service-accounts/"+account+"/revoke", client.Object{"reason": "The integration is gone."}).expect(http.StatusOK)
	require.Equal(t, "revoked", revoked["status"])
	require.Equal(t, 0, revoked.Number("key_count"))
	for _, k := range []issued{first, second, off} {
		holding(t, k.secret).get("/me").refused()
		require.Equal(t, "account_revoked", consumer.status(k.secret).Text("status"))
		key := p.get("/keys/" + k.id).expect(http.StatusOK)
		require.Equal(t, "revoked", key["status"])
		require.Equal(t, "cessation", key.Text("ended.reason"))
		p.post("/keys/"+k.id+"/activate", nil).problem(http.StatusConflict, "ended")
		p.post("/keys/"+k.id+"/regenerate", nil).problem(http.StatusConflict, "ended")
	}
	require.Equal(t, revoked, p.post("/service-accounts/"+account+"/revoke", nil).expect(http.StatusOK), "again: unchanged")
	p.post("/service-accounts/"+account+"/keys", client.Object{"name": "late"}).problem(http.StatusConflict, "ended")
	p.post("/service-accounts/"+account+"/rotate", nil).problem(http.StatusConflict, "ended")
	p.patch("/service-accounts/"+account, client.Object{"description": "late"}).problem(http.StatusConflict, "ended")

	records := p.audit("target_id=" + account)
	last := records[len(records)-1]
	require.Equal(t, "service_account.revoked", last["action"])
	require.Equal(t, "inactive", last.Text("details.principal_status"))
	require.Equal(t, 3, last.Number("details.keys_stopped"))
}

func TestServiceAccount_IsItsOwnActorInTheAuditLog_S5(t *testing.T) {
	t.Parallel()
	k := newKey(t)
	holding(t, k.secret).get("/me").expect(http.StatusOK)
	records := asOwner(t).audit("actor_id=" + k.account)
	require.NotEmpty(t, records)
	account := asOwner(t).get("/service-accounts/" + k.account).expect(http.StatusOK)
	for _, r := range records {
		require.Equal(t, "service_account", r.Text("actor.type"))
		require.Equal(t, account["name"], r.At("actor.name"))
		require.Equal(t, k.id, r.Text("actor.key_id"))
		require.Equal(t, k.secret[:8], r.Text("actor.key_prefix"))
	}
}

func TestServiceAccount_WithLiveKeysIsNotDeleted(t *testing.T) {
	t.Parallel()
	p := asOwner(t)
	account := p.account().Text("id")
	k := p.issue(account)
	o := p.delete("/service-accounts/"+account).problem(http.StatusConflict, "in_use")
	require.Equal(t, "key", o.Objects("blocked_by")[0]["type"])
	require.Equal(t, 1, o.Objects("blocked_by")[0].Number("count"))
	require.Equal(t, []string{k.id}, o.Objects("blocked_by")[0].Texts("ids"))
	p.post("/keys/"+k.id+"/revoke", nil).expect(http.StatusOK)
	p.delete("/service-accounts/" + account).expect(http.StatusNoContent)
	p.get("/keys/"+k.id).problem(http.StatusNotFound, "not_found")
	holding(t, k.secret).get("/me").refused()
}

func TestServiceAccount_NamesAreUniqueAmongSiblingsWhateverTheirCase_W7(t *testing.T) {
	t.Parallel()
	p := asOwner(t)
	name := "Straße " + newName(t)
	first := p.account(client.Object{"name": name})
	p.post("/service-accounts", client.Object{"name": strings.ToUpper(name), "node_id": world.node}).problem(http.StatusConflict, "conflict")
	other := p.account()
	p.patch("/service-accounts/"+other.Text("id"), client.Object{"name": strings.ToLower(name)}).problem(http.StatusConflict, "conflict")
	renamed := p.patch("/service-accounts/"+first.Text("id"), client.Object{"name": strings.ToUpper(name)}).expect(http.StatusOK)
	require.Equal(t, strings.ToUpper(name), renamed["name"], "its own name in another case")
}

func TestServiceAccount_AnETagGuardsEveryChangeOfIt(t *testing.T) {
	t.Parallel()
	p := asOwner(t)
	id := p.account().Text("id")
	path := "/service-accounts/" + id
	old := p.get(path).Header.Get("Etag")
	p.also("If-Match", old).patch(path, client.Object{"description": "first"}).expect(http.StatusOK)
	stale := p.also("If-Match", old)
	stale.patch(path, client.Object{"description": "second"}).problem(http.StatusPreconditionFailed, "precondition_failed")
	stale.delete(path).problem(http.StatusPreconditionFailed, "precondition_failed")
	for _, action := range []string{"/revoke", "/rotate", "/unlock"} {
		stale.post(path+action, nil).problem(http.StatusPreconditionFailed, "precondition_failed")
	}
	require.Equal(t, "first", p.get(path).expect(http.StatusOK)["description"])

	fresh := p.get(path).Header.Get("Etag")
	k := p.issue(id)
	holding(t, k.secret).get("/me").expect(http.StatusOK)
	require.Equal(t, fresh, p.get(path).Header.Get("Etag"), "neither a key nor its use moves the account's ETag")
	p.also("If-Match", `"nothing", `+fresh).patch(path, client.Object{"description": "third"}).expect(http.StatusOK)
	p.also("If-Match", "*").patch(path, client.Object{"description": "fourth"}).expect(http.StatusOK)
	p.also("If-Match", fresh).post(path+"/rotate", nil).problem(http.StatusPreconditionFailed, "precondition_failed")
	holding(t, k.secret).get("/me").expect(http.StatusOK)
}

func TestServiceAccount_ThatIsNotThereIs404OnEveryRoute(t *testing.T) {
	t.Parallel()
	p := asOwner(t)
	for _, id := range []string{"sa_00000000000000000000", "sa_short", "key_00000000000000000000", "%20"} {
		p.get("/service-accounts/"+id).problem(http.StatusNotFound, "not_found")
		p.patch("/service-accounts/"+id, client.Object{"description": "x"}).problem(http.StatusNotFound, "not_found")
		p.delete("/service-accounts/"+id).problem(http.StatusNotFound, "not_found")
		p.get("/service-accounts/"+id+"/keys").problem(http.StatusNotFound, "not_found")
		p.post("/service-accounts/"+id+"/keys", client.Object{"name": "x"}).problem(http.StatusNotFound, "not_found")
		for _, action := range []string{"/revoke", "/rotate", "/unlock"} {
			p.post("/service-accounts/"+id+action, nil).problem(http.StatusNotFound, "not_found")
		}
	}
	p.post("/service-accounts", client.Object{"name": newName(t), "node_id": "node_short"}).problem(http.StatusNotFound, "not_found")
	p.post("/service-accounts", client.Object{"name": newName(t), "node_id": "node_00000000000000000000"}).problem(http.StatusNotFound, "not_found")
	p.post("/service-accounts", client.Object{"name": newName(t), "company_id": "co_00000000000000000000"}).problem(http.StatusNotFound, "not_found")
}

func TestServiceAccounts_AnIntegrationsOwnListHonoursItsFilters_S5(t *testing.T) {
	t.Parallel()
	k := newKey(t)
	p := holding(t, k.secret)
	require.Equal(t, []string{k.account}, field(p.all("/service-accounts"), "id"))
	require.Equal(t, []string{k.account}, field(p.all("/service-accounts?q="+k.account), "id"))
	require.Empty(t, p.all("/service-accounts?q=no-account-has-this-name"))
	require.Empty(t, p.all("/service-accounts?q=sa_00000000000000000000"))
}
