package e2e

import (
	"fmt"
	"net/http"
	"testing"
	"time"

	"github.com/stretchr/testify/require"

	"github.com/rekey-dev/rekey/infra/e2e/client"
)

// soonDaily is a schedule that wants a key rotated within two minutes, and then once a day: the soonest that there can be.
func soonDaily() client.Object {
	at := time.Now().UTC().Add(75 * time.Second).Truncate(time.Minute).Add(time.Minute)
	return client.Object{"rrule": fmt.Sprintf("FREQ=DAILY;BYHOUR=%d;BYMINUTE=%d", at.Hour(), at.Minute()), "time_zone": "UTC"}
}

// The deployed sweeper rotates a key because its policy's schedule says so, and nobody sees the secret.
func TestByCalendar_AKeyRotatesByItselfIntoItsConsumersSecret_B9_B5_P3(t *testing.T) {
	t.Parallel()
	p := asOwner(t)
	k := keep(t)
	account := k.key.account
	p.policy(account, client.Object{"schedule": soonDaily(), "overlap": "PT1H", "deliver_to": k.target()})
	eventually(t, 5*time.Minute, func() bool { return k.value().Text("key_id") != k.key.id }, "the consumer's secret still holds the old key")
	now := k.value()
	require.Equal(t, "kept", now.Text("password"))
	require.Equal(t, now.Text("key_id"), holding(t, now.Text("secret")).get("/me").expect(http.StatusOK).Text("key.id"))
	holding(t, k.key.secret).get("/me").expect(http.StatusOK)

	var r client.Object
	eventually(t, 2*time.Minute, func() bool {
		all := p.all("/rotations?service_account_id=" + account)
		if len(all) == 1 {
			r = all[0]
		}
		return r != nil && r.Text("overlap_ends_at") != ""
	}, "the overlap has not begun")
	require.Equal(t, "system", r.Text("started_by"))
	require.NotEmpty(t, r.Text("due_at"))
	require.Equal(t, false, r["exception"])
	require.Equal(t, now.Text("key_id"), r.Text("new_key_id"))
	require.NotEmpty(t, r.Text("delivery.delivered_at"))
}

// A freeze without an end holds the deployed sweeper back, and is announced with who may override it; by hand the key rotates.
func TestByCalendar_AFreezeWithoutAnEndIsAnnouncedAndNothingRotates_B9(t *testing.T) {
	t.Parallel()
	p := asOwner(t)
	k := keep(t)
	account := k.key.account
	calendar := p.post("/calendars", client.Object{"name": newName(t), "node_id": world.node, "kind": "freeze", "time_zone": "UTC",
		"events": []client.Object{{"uid": "1", "summary": "merger", "start": inSeconds(-3600)}}}).expect(http.StatusCreated).Text("id")
	p.policy(account, client.Object{"schedule": soonDaily(), "calendar_ids": []string{calendar}, "deliver_to": k.target()})
	var told []client.Object
	eventually(t, 5*time.Minute, func() bool { told = p.records(k.key.id, "key.expiring"); return len(told) > 0 }, "nothing was announced")
	require.Equal(t, "rotation_overdue", told[0].Text("details.reason"))
	require.Contains(t, told[0].Text("details.problem"), "merger ("+calendar+") allows no rotation within two years. Whoever holds policies:manage")
	require.Equal(t, k.key.id, k.value().Text("key_id"))
	require.Empty(t, p.all("/rotations?service_account_id="+account))

	out := p.post("/keys/"+k.key.id+"/rotate", client.Object{"mode": "overlap", "deliver_to": k.target()}).expect(http.StatusCreated)
	require.Equal(t, true, out.Object("rotation")["exception"])
	require.Equal(t, calendar, out.Objects("rotation.held_up_by")[0].Text("calendar_id"))
}
