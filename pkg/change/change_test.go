package change_test

import (
	"errors"
	"fmt"
	"testing"
	"time"

	"github.com/stretchr/testify/require"

	"github.com/rekey-dev/rekey/pkg/audit"
	"github.com/rekey-dev/rekey/pkg/change"
	"github.com/rekey-dev/rekey/pkg/fault"
	"github.com/rekey-dev/rekey/pkg/idempotency"
	"github.com/rekey-dev/rekey/pkg/place"
)

func complete() change.Set {
	now := time.Date(2031, time.March, 4, 5, 6, 7, 0, time.UTC)
	return change.Set{Operation: "op_00000000000000000001", At: now, Events: []audit.Event{{ID: "evt_00000000000000000001", Seq: 1, At: now,
		Action: audit.UserUpdated, Actor: audit.Actor{Type: audit.System}, Target: audit.Target{Type: "key", ID: "key_00000000000000000001"},
		Place: place.Place{Path: "node_00000000000000000001"}, Outcome: audit.OK, Operation: "op_00000000000000000001"}}}
}

func TestCheck_NoChangeWithoutItsRecord_D8(t *testing.T) {
	require.NoError(t, complete().Check())
	for what, spoil := range map[string]func(*change.Set){
		"no record":                     func(s *change.Set) { s.Events = nil },
		"no operation":                  func(s *change.Set) { s.Operation = "" },
		"no time":                       func(s *change.Set) { s.At = time.Time{} },
		"an incomplete record":          func(s *change.Set) { s.Events[0].Action = "" },
		"a second one that is zero":     func(s *change.Set) { s.Events = append(s.Events, audit.Event{}) },
		"a record of another operation": func(s *change.Set) { s.Events[0].Operation = "op_00000000000000000002" },
	} {
		s := complete()
		spoil(&s)
		err := s.Check()
		require.Error(t, err, what)
		require.NotErrorIs(t, err, change.ErrLost, what)
	}
}

type write struct{}

func (write) Write() {}

func TestLost_SaysWhatStoodInTheWay(t *testing.T) {
	err := fmt.Errorf("issue: %w", &change.Lost{Write: write{}, Reason: "the key has changed"})
	require.ErrorIs(t, err, change.ErrLost)
	var lost *change.Lost
	require.ErrorAs(t, err, &lost)
	require.Equal(t, write{}, lost.Write)
	require.ErrorContains(t, err, "the key has changed")
	require.ErrorContains(t, err, "change_test.write")
	require.NotErrorIs(t, err, errors.ErrUnsupported)
}

func TestRepeated_IsNoLostRace_B6(t *testing.T) {
	err := error(&change.Repeated{Winner: idempotency.Record{Scope: "s", Body: []byte("not for logs")}})
	require.NotErrorIs(t, err, change.ErrLost)
	require.NotContains(t, err.Error(), "not for logs")
}

func TestSettle_ALoserIsAnsweredAsTheWinner_B6(t *testing.T) {
	winner := idempotency.Record{Fingerprint: "f", Status: 201, Body: []byte("{}")}
	repeated := fmt.Errorf("commit: %w", &change.Repeated{Winner: winner})
	var replay *idempotency.Replay
	require.ErrorAs(t, change.Settle(repeated, &idempotency.Pending{Fingerprint: "f"}), &replay)
	require.Equal(t, winner, replay.Record)
	require.True(t, fault.Is(change.Settle(repeated, &idempotency.Pending{Fingerprint: "g"}), fault.IdempotencyMismatch))
	require.Equal(t, repeated, change.Settle(repeated, nil))
	require.ErrorIs(t, change.Settle(change.ErrLost, &idempotency.Pending{}), change.ErrLost)
	require.NoError(t, change.Settle(nil, &idempotency.Pending{}))
}
