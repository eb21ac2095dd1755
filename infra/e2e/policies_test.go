package e2e

import (
	"net/http"
	"testing"
	"time"

	"github.com/stretchr/testify/require"

	"github.com/rekey-dev/rekey/infra/e2e/client"
)

// policy attaches a policy to an account.
func (p party) policy(account string, settings client.Object) client.Object {
	p.t.Helper()
	body := client.Object{"attached_to": client.Object{"type": "service_account", "id": account}}
	for name, value := range settings {
		body[name] = value
	}
	return p.post("/rotation-policies", body).expect(http.StatusCreated)
}

// A policy's whole way: it is set, holds for the keys below, is changed, previewed and taken back. It stands on an account, as
// the other tests share the node.
func TestPolicy_BoundsTheKeysBelowAndSaysWhyAndWhen_B9_P3(t *testing.T) {
	t.Parallel()
	p := asOwner(t)
	account := p.account().Text("id")
	made := p.policy(account, client.Object{"max_lifetime": "P90D", "default_lifetime": "P60D", "overlap": "P2D",
		"schedule": client.Object{"every": "P60D", "time_zone": "Europe/Berlin"}})
	id := made.Text("id")
	require.Equal(t, made, p.get("/rotation-policies/"+id).expect(http.StatusOK))
	require.Equal(t, []string{id}, field(p.all("/rotation-policies?service_account_id="+account), "id"))
	require.Contains(t, field(p.all("/rotation-policies?node_id="+world.node), "id"), id)
	require.Len(t, p.records(id, "policy.created"), 1)
	again := p.post("/rotation-policies", client.Object{"attached_to": client.Object{"type": "service_account", "id": account}}).problem(http.StatusConflict, "conflict")
	require.Contains(t, raw(t, again["blocked_by"]), id)

	effective := p.get("/service-accounts/" + account + "/effective-policy").expect(http.StatusOK)
	require.Equal(t, "P2D", effective.Text("overlap.value"))
	require.Equal(t, id, effective.Text("overlap.source.policy_id"))
	require.Equal(t, "P1D", effective.Text("quiet_for.value"))

	issued := p.issue(account)
	ends, err := time.Parse(time.RFC3339, issued.key.Text("expires_at"))
	require.NoError(t, err)
	require.WithinDuration(t, time.Now().AddDate(0, 0, 60), ends, 25*time.Hour)
	for _, end := range []any{nil, inSeconds(91 * 24 * 60 * 60)} {
		p.post("/service-accounts/"+account+"/keys", client.Object{"name": "too long", "expires_at": end}).invalid("/expires_at")
	}

	preview := p.get("/rotation-policies/" + id + "/preview").expect(http.StatusOK)
	require.Len(t, preview["items"], 6)
	patched := p.patch("/rotation-policies/"+id, client.Object{"schedule": nil, "overlap": "P3D"}).expect(http.StatusOK)
	require.Equal(t, "P3D", patched.Text("overlap"))
	require.Empty(t, p.get("/rotation-policies/" + id + "/preview").expect(http.StatusOK)["items"])

	rotated := p.rotate(issued, client.Object{"mode": "overlap"})
	require.Equal(t, id, rotated.body.Text("rotation.policy_id"))
	require.Equal(t, http.StatusNoContent, p.delete("/rotation-policies/"+id).Status)
	p.get("/rotation-policies/"+id).problem(http.StatusNotFound, "not_found")
	require.Len(t, p.records(id, "policy.deleted"), 1)
}

func TestPolicy_RefusesWhatNeverFiresOrHasNoZone_B9(t *testing.T) {
	t.Parallel()
	p := asOwner(t)
	account := p.account().Text("id")
	for pointer, settings := range map[string]client.Object{
		"/schedule/rrule":     {"schedule": client.Object{"rrule": "FREQ=MINUTELY", "time_zone": "UTC"}},
		"/schedule/time_zone": {"schedule": client.Object{"every": "P90D", "time_zone": "Europe/Atlantis"}},
		"/overlap":            {"overlap": "PT30S"},
		"/notice/1":           {"notice": []string{"P1D", "P2D"}},
		"/default_lifetime":   {"default_lifetime": "P91D", "max_lifetime": "P90D"},
		"/calendar_ids/0":     {"calendar_ids": []string{"cal_00000000000000000001"}},
	} {
		settings["attached_to"] = client.Object{"type": "service_account", "id": account}
		p.post("/rotation-policies", settings).invalid(pointer)
	}
}

// A maximum that comes later binds a key from before: the sweeper lowers its end, never to earlier than the longest notice.
func TestPolicy_AShorterMaximumBindsKeysFromBefore_P3(t *testing.T) {
	t.Parallel()
	p := asOwner(t)
	k := newKey(t)
	require.Empty(t, k.key.Text("expires_at"))
	id := p.policy(k.account, client.Object{"max_lifetime": "P1D", "notice": []string{"P2D", "PT1H"}}).Text("id")
	var got client.Object
	eventually(t, 4*time.Minute, func() bool {
		got = p.get("/keys/" + k.id).expect(http.StatusOK)
		return got.Text("expires_at") != "" && len(p.records(k.id, "key.expiring")) > 0
	}, "the end of %s is not lowered, or not announced", k.id)
	ends, err := time.Parse(time.RFC3339, got.Text("expires_at"))
	require.NoError(t, err)
	require.WithinDuration(t, time.Now().Add(48*time.Hour), ends, 5*time.Minute)
	require.Equal(t, "expiring", got.Text("status"))
	updated := p.records(k.id, "key.updated")
	require.Len(t, updated, 1)
	require.Equal(t, id, updated[0].Text("details.policy_id"))
	require.Equal(t, "system", updated[0].Text("actor.type"))
}
