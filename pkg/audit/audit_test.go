package audit_test

import (
	"testing"
	"time"

	"github.com/stretchr/testify/require"

	"github.com/rekey-dev/rekey/pkg/audit"
	"github.com/rekey-dev/rekey/pkg/id"
	"github.com/rekey-dev/rekey/pkg/place"
)

func complete() audit.Event {
	return audit.Event{ID: "evt_00000000000000000001", Seq: 1, At: time.Date(2031, time.March, 4, 5, 6, 7, 0, time.UTC),
		Action: audit.UserUpdated, Actor: audit.Actor{Type: audit.Employee, ID: "emp_00000000000000000001"},
		Target: audit.Target{Type: "key", ID: "key_00000000000000000001"}, Place: place.Place{Path: "node_00000000000000000001"},
		Outcome: audit.OK, Operation: "op_00000000000000000001"}
}

func TestCheck_RefusesARecordThatDoesNotSayWhoWhatWhereOrWhen_D8(t *testing.T) {
	require.NoError(t, complete().Check())
	require.ErrorIs(t, audit.Event{}.Check(), audit.ErrIncomplete)
	for what, spoil := range map[string]func(*audit.Event){
		"ID":        func(e *audit.Event) { e.ID = "" },
		"time":      func(e *audit.Event) { e.At = time.Time{} },
		"action":    func(e *audit.Event) { e.Action = "" },
		"actor":     func(e *audit.Event) { e.Actor.Type = "" },
		"target":    func(e *audit.Event) { e.Target.Type = "" },
		"target ID": func(e *audit.Event) { e.Target.ID = "" },
		"place":     func(e *audit.Event) { e.Place = place.Place{} },
		"outcome":   func(e *audit.Event) { e.Outcome = "" },
		"operation": func(e *audit.Event) { e.Operation = "" },
		"seq":       func(e *audit.Event) { e.Seq = 0 },
	} {
		e := complete()
		spoil(&e)
		require.ErrorIs(t, e.Check(), audit.ErrIncomplete, what)
	}
}

func TestCheck_ADenialHasNoSeq_D8(t *testing.T) {
	e := complete()
	e.Outcome = audit.Denied
	require.ErrorIs(t, e.Check(), audit.ErrIncomplete)
	e.Seq = 0
	require.NoError(t, e.Check())
	e.Seq = -1
	e.Outcome = audit.OK
	require.ErrorIs(t, e.Check(), audit.ErrIncomplete)
}

func TestDeniedID_IsOneForACredentialARouteAndAMinute_D11(t *testing.T) {
	const key, route = "key_7Hq2cXv9LmN4pQr8sT1w", "POST /keys/{id}/revoke"
	// Made by another implementation.
	require.Equal(t, id.Event("evt_XcasHknRQs4mq1e83yho"), audit.DeniedID(key, route, 32000000))
	require.Equal(t, id.Event("evt_fQPKycWuhRmrE5PhW4tg"), audit.DeniedID(key, route, 32000001))
	require.Equal(t, id.Event("evt_1RTgSnK25c4Zyy1K0tH8"), audit.DeniedID("pat_7Hq2cXv9LmN4pQr8sT1w", "POST /service-accounts", 0))
	seen := map[id.Event]bool{}
	for _, c := range []string{key, "key_7Hq2cXv9LmN4pQr8sT1x", ""} {
		for _, r := range []string{route, "POST /keys/{id}/activate", ""} {
			for m := range int64(50) {
				e := audit.DeniedID(c, r, m)
				_, ok := id.Parse[id.Event](string(e))
				require.True(t, ok)
				require.False(t, seen[e])
				seen[e] = true
			}
		}
	}
}

func TestKeyDetails_HavePrefixAndScopesAndNoSecret_D8(t *testing.T) {
	require.Equal(t, map[string]any{"change": "key.issued", "key_id": "key_7Hq2cXv9LmN4pQr8sT1w", "key_prefix": "rka_7Hq2",
		"generation": int64(2), "scopes": []string{"keys:read"}, "service_account_id": "sa_00000000000000000001"},
		audit.KeyDetails(audit.KeyIssued, "key_7Hq2cXv9LmN4pQr8sT1w", "rka_7Hq2", 2, []string{"keys:read"}, "sa_00000000000000000001"))
}
