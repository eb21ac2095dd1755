package memstore_test

import (
	"context"
	"errors"
	"testing"
	"time"

	"github.com/stretchr/testify/require"

	"github.com/rekey-dev/rekey/pkg/audit"
	"github.com/rekey-dev/rekey/pkg/change"
	"github.com/rekey-dev/rekey/pkg/fault"
	"github.com/rekey-dev/rekey/pkg/id"
	"github.com/rekey-dev/rekey/pkg/memstore"
	"github.com/rekey-dev/rekey/pkg/msp"
	"github.com/rekey-dev/rekey/pkg/place"
)

// setUp is a change that can happen once.
func setUp(op id.Operation) change.Set {
	now := time.Date(2031, time.March, 4, 5, 6, 7, 0, time.UTC)
	m := msp.MSP{ID: "msp_00000000000000000001", Name: "Provider", CreatedAt: now, Version: 1, EventSeq: 1}
	return change.Set{Operation: op, At: now, Events: []audit.Event{{ID: id.FromBody[id.Event](id.Body(op)), Seq: 1, At: now,
		Action: audit.SetupCompleted, Actor: audit.Actor{Type: audit.Holder}, Target: audit.Target{Type: "msp", ID: string(m.ID)},
		Place: place.Place{Path: "node_00000000000000000001"}, Outcome: audit.OK, Operation: op}}, Writes: []change.Write{msp.Create{MSP: m}}}
}

func done(t *testing.T, s *memstore.Store) bool {
	t.Helper()
	_, err := s.MSP(t.Context())
	if err != nil {
		require.True(t, fault.Is(err, fault.NotFound))
	}
	return err == nil
}

func TestFlaky_FailsACallBeforeAfterOrInsteadOfItsEffect(t *testing.T) {
	for _, c := range []struct {
		mode        memstore.Mode
		atOnce, end bool
	}{{memstore.Instead, false, false}, {memstore.After, true, true}, {memstore.Before, false, true}} {
		s := memstore.New()
		f := memstore.NewFlaky(s)
		f.Fail(2, c.mode)
		_, err := f.MSP(t.Context())
		require.True(t, fault.Is(err, fault.NotFound), "the first call is carried out")
		require.True(t, fault.Is(f.Commit(t.Context(), setUp("op_00000000000000000001")), fault.Unavailable), c.mode)
		require.Equal(t, c.atOnce, done(t, s), c.mode)
		f.Settle()
		require.Equal(t, c.end, done(t, s), c.mode)
		require.Equal(t, []string{"MSP", "Commit"}, f.Calls())
	}
}

func TestFlaky_WhatIsLateHappensWhenTheNextCallArrives(t *testing.T) {
	s := memstore.New()
	f := memstore.NewFlaky(s)
	f.Fail(1, memstore.Before)
	ctx, cancel := context.WithCancel(t.Context())
	require.Error(t, f.Commit(ctx, setUp("op_00000000000000000001")))
	cancel() // whoever sent it is gone
	_, err := f.MSP(t.Context())
	require.NoError(t, err)
}

func TestFlaky_AChangeThatIsCommittedAgainTakesEffectOnceWhateverBecameOfIt(t *testing.T) {
	for _, mode := range memstore.Modes {
		s := memstore.New()
		f := memstore.NewFlaky(s)
		f.Fail(1, mode)
		set := setUp("op_00000000000000000001")
		require.Error(t, f.Commit(t.Context(), set))
		require.NoError(t, f.Commit(t.Context(), set), mode)
		require.ErrorIs(t, f.Commit(t.Context(), setUp("op_00000000000000000002")), change.ErrLost)
		require.Len(t, s.Events(), 1)
	}
}

func TestFlaky_AHookLosesARace(t *testing.T) {
	s := memstore.New()
	f := memstore.NewFlaky(s)
	f.Hook = func(n int, method string) {
		require.Equal(t, "Commit", method)
		if n == 1 {
			require.NoError(t, s.Commit(t.Context(), setUp("op_00000000000000000002")))
		}
	}
	require.ErrorIs(t, f.Commit(t.Context(), setUp("op_00000000000000000001")), change.ErrLost)
}

func TestFlaky_ReturnsTheErrorThatItIsGivenAndForgetsOnReset(t *testing.T) {
	f := memstore.NewFlaky(memstore.New())
	f.Err = errors.New("teapot")
	f.Fail(1, memstore.After)
	require.ErrorIs(t, f.Commit(t.Context(), setUp("op_00000000000000000001")), f.Err)
	f.Fail(1, memstore.Instead)
	f.Reset()
	require.Empty(t, f.Calls())
	_, err := f.MSP(t.Context())
	require.NoError(t, err)
}
