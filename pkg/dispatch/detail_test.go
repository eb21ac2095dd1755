package dispatch

import (
	"crypto/rand"
	"encoding/json"
	"testing"
	"time"

	"github.com/stretchr/testify/require"

	"github.com/rekey-dev/rekey/pkg/audit"
	"github.com/rekey-dev/rekey/pkg/id"
	"github.com/rekey-dev/rekey/pkg/place"
	"github.com/rekey-dev/rekey/pkg/token"
)

// event is the record of a lock, a minute before noon.
func event(name string) audit.Event {
	return audit.Event{ID: id.Event(name), Seq: 4, At: noon.Add(-time.Minute), Action: audit.PrincipalLocked,
		Actor:  audit.Actor{Type: audit.System, ID: "system", Name: "rekey"},
		Target: audit.Target{Type: "service_account", ID: "sa_4Billing0000000000E5", Name: "Billing sync"},
		Place:  place.Place{Path: "node_0Root0000000000000A1/node_1South000000000000B2"},
		Details: map[string]any{"failures": 10.0, "key_id": "key_7Hq2c9XwTz0aB3dE5fG6", "key_prefix": "rka_7Hq2",
			"locked_until": "2026-11-21T12:29:00Z", "effect": "untrusted_sources", "source_ip": "198.51.100.9", "window": "PT15M"},
		RequestID: "5f0c1a9e-6d2b-4a37-9a44-0d8f5f7f3b01", UserAgent: "curl/8.9.1", Outcome: audit.OK, Operation: "op"}
}

func TestDetail_HasIdentifiersAndNumbersAndNoText(t *testing.T) {
	require.JSONEq(t, `{"schema_version":1,"event_id":"evt_1","sequence":4,"occurred_at":"2026-11-21T11:59:00.000Z",
		"action":"principal.locked","actor":{"type":"system","id":"system"},
		"target":{"type":"service_account","id":"sa_4Billing0000000000E5"},
		"root_node_id":"node_0Root0000000000000A1","node_id":"node_1South000000000000B2","company_id":null,
		"request_id":"5f0c1a9e-6d2b-4a37-9a44-0d8f5f7f3b01",
		"data":{"failures":10,"key_id":"key_7Hq2c9XwTz0aB3dE5fG6","key_prefix":"rka_7Hq2","locked_until":"2026-11-21T12:29:00Z",
			"effect":"untrusted_sources","source_ip":"198.51.100.9"}}`, detail(event("evt_1")))
	e := event("evt_1")
	e.Place.Company = "co_2Acme0000000000000C3"
	require.Contains(t, detail(e), `"company_id":"co_2Acme0000000000000C3"`)
}

func TestDetail_IsTheSameInEveryRepeat(t *testing.T) {
	for range 50 {
		require.Equal(t, detail(event("evt_1")), detail(event("evt_1")))
	}
}

// A secret in a text that people or clients write must not get onto the bus, whatever member it is in.
func TestDetail_NoMemberCanHoldASecret(t *testing.T) {
	secret := token.Mint(token.ServiceAccountKey, "7Hq2c9XwTz0aB3dE5fG6", rand.Reader).Reveal()
	e := event("evt_1")
	e.Actor.Name, e.Target.Name, e.UserAgent, e.RequestID = secret, secret, secret, secret
	e.Details = map[string]any{"note": secret, "reason": secret, "user_agent": secret, "name": secret, "changed": []any{secret}}
	for name := range details {
		e.Details[name] = secret
	}
	require.NotContains(t, detail(e), secret[:20])
	for name := range details {
		e.Details[name] = []any{secret}
	}
	require.NotContains(t, detail(e), secret[:20])
	require.Contains(t, detail(e), `"data":{}`)
}

func TestDetail_CarriesEveryFormThatRecordsUse(t *testing.T) {
	e := event("evt_1")
	e.Details = map[string]any{"change": audit.KeyRegenerated, "key_id": "pat_8Pq3rStUvWxYz0123456", "key_prefix": "rkp_8Pq3",
		"generation": 2.0, "scopes": []any{"keys:read", "billing-api:execute"}, "service_account_id": "sa_4Billing0000000000E5",
		"reason": "key_compromise", "unlocked": true, "principal_status": "inactive", "keys_stopped": 2.0, "failures": 3.0,
		"threshold": 10.0, "effect": "all", "locked_until": "2026-11-21T12:29:00Z", "was_locked": false,
		"source_ip": "2001:db8:1:2::/64", "status": "retired", "state": "seen", "mode": "overlap",
		"old_key_id": "key_7Hq2c9XwTz0aB3dE5fG6", "new_key_id": "key_9Hq2c9XwTz0aB3dE5fG6", "overlap_ends_at": "2026-11-28T12:00:00Z",
		"expires_at": "2026-12-01T00:00:00Z", "last_used_at": "2026-11-21T12:00:00Z", "rotate_at": "2026-11-21T12:00:00Z", "due_at": "2026-11-20T12:00:00Z", "notice": "P7D"}
	require.Len(t, e.Details, len(details), "a form that is allowed and not tested here")
	var got Detail
	require.NoError(t, json.Unmarshal([]byte(detail(e)), &got))
	require.Equal(t, e.Details, got.Data)
	e.Details["source_ip"] = "unknown"
	require.Contains(t, detail(e), `"source_ip":"unknown"`)
}
