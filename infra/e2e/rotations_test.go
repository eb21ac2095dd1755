package e2e

import (
	"bytes"
	"encoding/csv"
	"net/http"
	"strings"
	"testing"
	"time"

	"github.com/stretchr/testify/require"

	"github.com/rekey-dev/rekey/infra/e2e/client"
)

// rotated is what the answer to a rotation shows.
type rotated struct {
	rotation string
	fresh    issued
	body     client.Object
}

func (p party) rotate(k issued, body client.Object) rotated {
	p.t.Helper()
	o := p.post("/keys/"+k.id+"/rotate", body).unshown().expect(http.StatusCreated)
	return rotated{rotation: o.Text("rotation.id"), fresh: shown(p.t, k.account, o), body: o}
}

// until waits for the sweeper, which runs once a minute, to bring a rotation to a state.
func (p party) until(rotation, state string) client.Object {
	p.t.Helper()
	var got client.Object
	eventually(p.t, 4*time.Minute, func() bool {
		got = p.get("/rotations/" + rotation).expect(http.StatusOK)
		return got.Text("state") == state && len(p.records(rotation, "rotation."+state)) > 0
	}, "rotation %s is not %s on record", rotation, state)
	return got
}

// The second key's whole way: issued, seen, and, when its overlap is over, retired, with nobody doing anything.
func TestRotation_MovesTrafficOverAndEndsTheOldKeyByItself_D6_B3_P3(t *testing.T) {
	t.Parallel()
	p := asOwner(t)
	k := newKey(t)
	consumer := holding(t, k.secret)
	consumer.get("/me").expect(http.StatusOK)
	r := p.rotate(k, client.Object{"mode": "overlap", "overlap": "PT1M", "reason": "quarterly"})
	require.Equal(t, "issued", r.body.Text("rotation.state"))
	require.Equal(t, k.id, r.body.Text("old_key.id"))
	ends, err := time.Parse(time.RFC3339, r.body.Text("old_key.expires_at"))
	require.NoError(t, err)
	require.ElementsMatch(t, k.key.Texts("scopes"), r.fresh.key.Texts("scopes"))

	answer := consumer.get("/me")
	answer.expect(http.StatusOK)
	require.Equal(t, "true", answer.Header.Get("Rekey-Key-Superseded"))
	require.NotEmpty(t, answer.Header.Get("Rekey-Key-Expires-At"))
	require.Equal(t, r.fresh.id, consumer.status(k.secret).Text("superseded_by"))
	require.Equal(t, "expiring", p.get("/keys/"+k.id).expect(http.StatusOK).Text("status"))

	deployed := holding(t, r.fresh.secret)
	deployed.get("/me").expect(http.StatusOK)
	for time.Now().Before(ends.Add(-time.Second)) { // both work; no request fails
		deployed.get("/me").expect(http.StatusOK)
		if reply := consumer.get("/me"); reply.Started.Before(ends.Add(-time.Second)) && time.Now().Before(ends) {
			reply.expect(http.StatusOK)
		}
		time.Sleep(5 * time.Second)
	}
	time.Sleep(time.Until(ends))
	consumer.get("/me").refused()
	deployed.get("/me").expect(http.StatusOK)
	require.Equal(t, "expired", consumer.status(k.secret).Text("status"))

	done := p.until(r.rotation, "retired")
	var states []string
	for _, step := range done["steps"].([]any) {
		states = append(states, step.(map[string]any)["state"].(string))
	}
	require.Equal(t, []string{"issued", "seen", "retired"}, states)
}

func TestRotation_CompleteCancelAndExtend_D6(t *testing.T) {
	t.Parallel()
	p := asOwner(t)
	k := newKey(t)
	r := p.rotate(k, client.Object{"mode": "overlap"})
	p.post("/keys/"+k.id+"/rotate", client.Object{"mode": "overlap"}).problem(http.StatusConflict, "rotation_open")
	p.post("/keys/"+k.id+"/regenerate", nil).problem(http.StatusConflict, "rotation_open")
	later := p.post("/rotations/"+r.rotation+"/extend", client.Object{"until": inSeconds(10 * 86400)}).expect(http.StatusOK)
	require.Equal(t, true, later["extended"])
	p.post("/rotations/"+r.rotation+"/extend", client.Object{"until": inSeconds(11 * 86400)}).problem(http.StatusConflict, "conflict")
	holding(t, r.fresh.secret).get("/me").expect(http.StatusOK)
	p.post("/rotations/"+r.rotation+"/cancel", nil).problem(http.StatusConflict, "conflict")
	cancelled := p.post("/rotations/"+r.rotation+"/cancel", client.Object{"force": true}).expect(http.StatusOK)
	require.Equal(t, "cancelled", cancelled.Text("state"))
	holding(t, r.fresh.secret).get("/me").refused()
	holding(t, k.secret).get("/me").expect(http.StatusOK)
	require.Nil(t, p.get("/keys/" + k.id).expect(http.StatusOK)["expires_at"])

	r = p.rotate(k, client.Object{"mode": "overlap"})
	p.post("/rotations/"+r.rotation+"/complete", nil).expect(http.StatusOK)
	holding(t, k.secret).get("/me").refused()
	holding(t, r.fresh.secret).get("/me").expect(http.StatusOK)
	p.post("/rotations/"+r.rotation+"/complete", nil).problem(http.StatusConflict, "ended")
	require.Equal(t, []string{r.rotation}, field(p.all("/rotations?state=retired&service_account_id="+k.account), "id")[:1])
}

func TestRotation_AnEmergencyEndsTheLeakedKeyInOneCall_D7(t *testing.T) {
	t.Parallel()
	p := asOwner(t)
	k := newKey(t)
	thief := holding(t, k.secret)
	thief.get("/me").expect(http.StatusOK)
	r := p.rotate(k, client.Object{"mode": "emergency", "reason": "in a public repository"})
	thief.get("/me").refused()
	holding(t, r.fresh.secret).get("/me").expect(http.StatusOK)
	status := thief.status(k.secret)
	require.Equal(t, "revoked", status.Text("status"))
	require.NotContains(t, status, "superseded_by")
	require.Equal(t, "key_compromise", p.get("/keys/"+k.id).expect(http.StatusOK).Text("ended.reason"))
}

// lines are those of a file in CSV, each by column.
func (r reply) lines() []map[string]string {
	r.t.Helper()
	require.Equal(r.t, http.StatusOK, r.Status, "%s: %s", r.what, r.Body)
	require.Equal(r.t, "text/csv; charset=utf-8", r.Header.Get("Content-Type"), "%s", r.what)
	require.True(r.t, strings.HasPrefix(r.Header.Get("Content-Disposition"), "attachment; "), "%s", r.what)
	rows, err := csv.NewReader(bytes.NewReader(r.Body)).ReadAll()
	require.NoError(r.t, err)
	var out []map[string]string
	for _, row := range rows[1:] {
		line := map[string]string{}
		for i, cell := range row {
			line[rows[0][i]] = cell
		}
		out = append(out, line)
	}
	return out
}

func TestRotation_TheReportTellsWhatALeakedKeyDid_D7_B4(t *testing.T) {
	t.Parallel()
	p := asOwner(t)
	k := newKey(t)
	thief := holding(t, k.secret).also("User-Agent", "=HYPERLINK(1)")
	thief.get("/keys/" + k.id).expect(http.StatusOK)
	r := p.rotate(k, client.Object{"mode": "emergency", "reason": "in a public repository", "suspected_since": inSeconds(-3600)})
	thief.get("/me").refused()

	report := p.get("/rotations/" + r.rotation + "/report").expect(http.StatusOK)
	require.Equal(t, r.rotation, report.Text("rotation.id"))
	require.Equal(t, r.body.Text("rotation.suspected_since"), report.Text("from"))
	require.Equal(t, false, report["truncated"])
	var uses []string
	for _, u := range report.Objects("usage") {
		uses = append(uses, strings.Join([]string{u.Text("source_ip"), u.Text("method"), u.Text("route"), u.Text("verdict")}, " "))
	}
	require.Contains(t, uses, thief.source+" GET /keys/{id} accepted")
	var actions []string
	for _, e := range report.Objects("audit_events") {
		actions = append(actions, e.Text("details.change"))
	}
	require.Contains(t, actions, "key.rotated", "its end")

	lines := p.get("/rotations/" + r.rotation + "/report?format=csv").lines()
	require.Len(t, lines, len(uses)+len(actions))
	require.Equal(t, "usage", lines[0]["kind"])
	require.Equal(t, "'=HYPERLINK(1)", lines[0]["user_agent"])
	listed := p.get("/rotations?format=csv&service_account_id=" + k.account).lines()
	require.Len(t, listed, 1)
	require.Equal(t, "in a public repository", listed[0]["reason"])
	require.NotEmpty(t, listed[0]["retired_at"])
	holding(t, newKey(t).secret).get("/rotations/"+r.rotation+"/report?format=csv").problem(http.StatusForbidden, "missing_permission")
}

func TestRotation_NamesWhoIsStillOnTheOldKey_B3_B4(t *testing.T) {
	t.Parallel()
	p := asOwner(t)
	k := newKey(t)
	r := p.rotate(k, client.Object{"mode": "overlap"})
	still := holding(t, k.secret)
	still.get("/me").expect(http.StatusOK)
	got := p.get("/rotations/" + r.rotation).expect(http.StatusOK)
	require.Len(t, got.Objects("still_on_old"), 1)
	require.Equal(t, still.source, got.Objects("still_on_old")[0].Text("source_ip"))
	require.Contains(t, got.Text("summary"), "1 source still uses "+k.key.Text("prefix")+"; it stops "+got.Text("overlap_ends_at"))
}

func TestRotation_RefusesWhatIsOutOfBounds_D6(t *testing.T) {
	t.Parallel()
	p := asOwner(t)
	k := newKey(t)
	for _, overlap := range []string{"PT59S", "P30DT1S", "P0D", "seven days"} {
		p.post("/keys/"+k.id+"/rotate", client.Object{"mode": "overlap", "overlap": overlap}).invalid("/overlap")
	}
	p.post("/keys/"+k.id+"/rotate", client.Object{"mode": "sideways"}).invalid("/mode")
	p.post("/keys/"+k.id+"/rotate", client.Object{"mode": "overlap", "expires_at": "2026-12-31T23:59:60Z"}).invalid("/expires_at")
	holding(t, k.secret).get("/me").expect(http.StatusOK)
}

func TestRotation_AKeyRotatesItself_B5(t *testing.T) {
	t.Parallel()
	p := asOwner(t)
	account := p.account(client.Object{"role_id": "role_BuiltinAutomation000"}).Text("id")
	k := p.issue(account, client.Object{"scopes": []string{"keys:rotate_self", "keys:read"}})
	consumer := holding(t, k.secret).once("rotate-" + k.id)
	o := consumer.post("/me/key/rotate", nil).unshown().expect(http.StatusCreated)
	fresh := shown(t, account, o)
	again := consumer.post("/me/key/rotate", nil).expect(http.StatusCreated)
	require.Equal(t, o.Text("secret"), again.Text("secret"), "a lost answer can be asked for again")
	holding(t, fresh.secret).get("/me").expect(http.StatusOK)
	holding(t, k.secret).post("/me/key/rotate", nil).problem(http.StatusConflict, "rotation_open")
}
