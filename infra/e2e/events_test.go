package e2e

import (
	"net/http"
	"testing"
	"time"

	"github.com/stretchr/testify/require"

	"github.com/rekey-dev/rekey/infra/e2e/client"
	"github.com/rekey-dev/rekey/infra/e2e/stack"
)

// soon is how long the bus may take on a busy machine.
const soon = 60 * time.Second

func TestEvents_ChangesReachTheBusInTheOrderOfTheirSequence_P1(t *testing.T) {
	t.Parallel()
	p := asOwner(t)
	account := p.account().Text("id")
	k := p.issue(account)
	other := p.issue(account)
	stranger(t).guess(k.secret, 0, threshold)
	regenerated := p.post("/keys/"+k.id+"/regenerate", nil)
	regenerated.expect(http.StatusOK)
	holding(t, k.secret).get("/me").refused()
	p.post("/keys/"+k.id+"/revoke", client.Object{"reason": "superseded", "note": "Said by a person."}).expect(http.StatusOK)
	p.post("/service-accounts/"+account+"/unlock", nil).expect(http.StatusOK)
	p.post("/service-accounts/"+account+"/revoke", nil).expect(http.StatusOK)

	seen := map[string]stack.Event{}
	targets := map[string]bool{k.id: true, other.id: true, account: true}
	eventually(t, soon, func() bool {
		events, err := world.Events(t.Context(), world.queue)
		require.NoError(t, err)
		for _, e := range events {
			if targets[e.Detail.Target.ID] {
				seen[e.DetailType+" "+e.Detail.Target.ID] = e
			}
		}
		return seen["Service Account Revoked "+account].Source != "" && seen["Key Revoked "+k.id].Source != "" &&
			seen["Principal Locked "+account].Source != "" && seen["Key Issued "+other.id].Source != "" &&
			seen["Retired Secret Seen "+k.id].Source != "" && seen["Key Regenerated "+k.id].Source != ""
	}, "events that came: %v", seen)

	records := map[string]client.Object{}
	for target := range targets {
		for _, r := range p.audit("target_id=" + target) {
			records[r.Text("id")] = r
		}
	}
	for name, e := range seen {
		require.Equal(t, "rekey", e.Source)
		r, ok := records[e.Detail.EventID]
		require.True(t, ok, "%s has an audit record", name)
		require.EqualValues(t, r.Number("seq"), e.Detail.Sequence, "%s: the sequence is the record's", name)
		require.Equal(t, r.Text("actor.id"), e.Detail.Actor.ID)
		require.NotContains(t, raw(t, e), "Said by a person.")
	}
	require.EqualValues(t, 1, seen["Key Issued "+k.id].Detail.Sequence)
	require.Equal(t, k.secret[:8], seen["Key Issued "+k.id].Detail.Data["key_prefix"])
	require.EqualValues(t, 2, seen["Key Regenerated "+k.id].Detail.Data["generation"])
	require.Equal(t, regenerated.Header.Get("X-Request-Id"), seen["Key Regenerated "+k.id].Detail.RequestID)
	require.Less(t, seen["Key Regenerated "+k.id].Detail.Sequence, seen["Key Revoked "+k.id].Detail.Sequence)
	require.Equal(t, "inactive", seen["Service Account Revoked "+account].Detail.Data["principal_status"])
	require.EqualValues(t, threshold, seen["Principal Locked "+account].Detail.Data["failures"])
}

func TestEvents_NoneIsUndeliverable(t *testing.T) {
	t.Parallel()
	newKey(t)
	waiting, err := world.DeadLetters(t.Context())
	require.NoError(t, err)
	require.Empty(t, waiting)
}
