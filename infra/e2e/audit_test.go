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

func TestAudit_KeyIssueAndRevokeAreUserUpdatedWithActorPrefixAndScopes_D8(t *testing.T) {
	t.Parallel()
	p := asOwner(t)
	me := p.get("/me").expect(http.StatusOK)
	k := newKey(t, client.Object{"scopes": []string{"keys:read"}})
	p.post("/keys/"+k.id+"/revoke", client.Object{"reason": "superseded"}).expect(http.StatusOK)
	records := p.audit("target_id=" + k.id)
	require.Len(t, records, 2)
	for i, change := range []string{"key.issued", "key.revoked"} {
		r := records[i]
		require.Regexp(t, `^evt_[0-9A-Za-z]{20}$`, r["id"])
		require.Equal(t, "user.updated", r["action"])
		require.Equal(t, "employee", r.Text("actor.type"))
		require.Equal(t, me.Text("principal.id"), r.Text("actor.id"))
		require.Equal(t, me.Text("principal.name"), r.Text("actor.name"))
		require.Equal(t, "pat_"+world.owner[4:24], r.Text("actor.key_id"))
		require.Equal(t, world.owner[:8], r.Text("actor.key_prefix"))
		require.Equal(t, "key", r.Text("target.type"))
		require.Equal(t, k.id, r.Text("target.id"))
		require.Equal(t, k.key["name"], r.At("target.name"))
		require.Equal(t, world.node, r["node_id"])
		require.Equal(t, "ok", r["outcome"])
		require.Equal(t, i+1, r.Number("seq"))
		require.Equal(t, change, r.Text("details.change"))
		require.Equal(t, k.id, r.Text("details.key_id"))
		require.Equal(t, k.secret[:8], r.Text("details.key_prefix"))
		require.Equal(t, []string{"keys:read"}, r.Texts("details.scopes"))
		require.Equal(t, k.account, r.Text("details.service_account_id"))
		require.Equal(t, 1, r.Number("details.generation"))
		require.Equal(t, r, p.get("/audit-events/"+r.Text("id")).expect(http.StatusOK))
	}
	require.Equal(t, "superseded", records[1].Text("details.reason"))
}

func TestAudit_IsSearchedByActorTypeAndTime_D9(t *testing.T) {
	t.Parallel()
	p := asOwner(t)
	k := newKey(t)
	from := time.Now().UTC()
	consumer := holding(t, k.secret)
	consumer.get("/me").expect(http.StatusOK)
	to := from.Add(30 * time.Second)
	between := func(from, to time.Time, more string) []client.Object {
		query := url.Values{"from": {from.Format(time.RFC3339Nano)}, "to": {to.Format(time.RFC3339Nano)}}
		return slices.DeleteFunc(p.audit(query.Encode()+"&"+more), func(r client.Object) bool { return r.Text("actor.id") != k.account })
	}
	found := between(from, to, "actor_type=service_account")
	require.Equal(t, []string{"key.first_used"}, field(found, "action"))
	require.Equal(t, consumer.source, found[0]["source_ip"])
	require.Equal(t, k.id, found[0].Text("target.id"))
	require.Empty(t, between(from.Add(-time.Hour), from.Add(-time.Minute), "actor_type=service_account"))
	at, err := time.Parse(time.RFC3339, found[0].Text("at"))
	require.NoError(t, err)
	require.Empty(t, between(from.Add(-time.Hour), at, "actor_type=service_account"), "[from, to): the end is left out")
	require.Len(t, between(at, at.Add(time.Millisecond), "actor_type=service_account"), 1, "[from, to): the beginning is in")
	require.Empty(t, between(from, to, "actor_type=employee"))
}

func TestAudit_AFirstUseFromANewSourceIsOnRecord_D9(t *testing.T) {
	t.Parallel()
	p := asOwner(t)
	k := newKey(t)
	home := holding(t, k.secret)
	home.get("/me").expect(http.StatusOK)
	// The first request of a generation is looked at as the first of a minute is.
	fresh := shown(t, k.account, p.post("/keys/"+k.id+"/regenerate", nil).expect(http.StatusOK))
	away := holding(t, fresh.secret)
	away.get("/me").expect(http.StatusOK)
	records := p.records(k.id, "key.new_source")
	require.Len(t, records, 1)
	require.Equal(t, away.source, records[0]["source_ip"])
	require.Equal(t, k.account, records[0].Text("actor.id"))
	again := shown(t, k.account, p.post("/keys/"+k.id+"/regenerate", nil).expect(http.StatusOK))
	home.sending(client.Bearer(again.secret)).get("/me").expect(http.StatusOK)
	require.Len(t, p.records(k.id, "key.new_source"), 1, "a source that authenticated lately is not new")
}

func TestAudit_IsFilteredByEachOfItsFields(t *testing.T) {
	t.Parallel()
	p := asOwner(t)
	k := newKey(t)
	consumer := holding(t, k.secret)
	consumer.get("/me").expect(http.StatusOK)
	refused := consumer.post("/keys/"+k.id+"/revoke", nil).problem(http.StatusForbidden, "missing_permission")
	revoked := p.post("/keys/"+k.id+"/revoke", nil)
	revoked.expect(http.StatusOK)
	me := p.get("/me").expect(http.StatusOK).Text("principal.id")
	since := "&from=" + k.key.Text("created_at")

	require.Equal(t, []string{"user.updated", "key.first_used", "user.updated", "user.updated"}, field(p.audit("key_id="+k.id), "action"),
		"where the key acted or is the target")
	require.Equal(t, []string{"service_account.created"}, field(p.audit("target_id="+k.account), "action"))
	require.Subset(t, field(p.audit("actor_id="+me+since), "target.id"), []string{k.id})
	require.Equal(t, []string{"key.revoked"}, field(p.audit("request_id="+revoked.Header.Get("X-Request-Id")), "details.change"))
	denied := p.audit("actor_type=service_account&outcome=denied" + since)
	require.Contains(t, field(denied, "request_id"), refused.Text("request_id"))
	for _, r := range p.audit("action=key.first_used" + since) {
		require.Equal(t, "key.first_used", r["action"])
	}
	newest := p.get("/audit-events?key_id=" + k.id + "&limit=1").expect(http.StatusOK)
	require.Equal(t, "key.revoked", newest.Objects("items")[0].Text("details.change"), "newest first")
	require.NotNil(t, newest["next"])

	p.get("/audit-events?key_id=" + k.id + "&action=user.updated").expect(http.StatusUnprocessableEntity)
	p.get("/audit-events?outcome=denied&action=user.updated").expect(http.StatusUnprocessableEntity)
	p.get("/audit-events?from=2026-01-02T00:00:00Z&to=2026-01-01T00:00:00Z").expect(http.StatusUnprocessableEntity)
	p.get("/audit-events/evt_00000000000000000000").problem(http.StatusNotFound, "not_found")
	p.get("/audit-events/nothing").problem(http.StatusNotFound, "not_found")
}

func TestAudit_TheRecordsOfOneTargetCountWithoutGaps(t *testing.T) {
	t.Parallel()
	p := asOwner(t)
	k := newKey(t)
	holding(t, k.secret).get("/me").expect(http.StatusOK)
	p.patch("/keys/"+k.id, client.Object{"name": "renamed"}).expect(http.StatusOK)
	p.post("/keys/"+k.id+"/deactivate", nil).expect(http.StatusOK)
	p.post("/keys/"+k.id+"/activate", nil).expect(http.StatusOK)
	p.post("/keys/"+k.id+"/regenerate", nil).expect(http.StatusOK)
	p.post("/keys/"+k.id+"/revoke", nil).expect(http.StatusOK)
	for i, r := range p.audit("target_id=" + k.id) {
		require.Equal(t, i+1, r.Number("seq"), "%v", r["action"])
	}
}
