package memstore_test

import (
	"testing"

	"github.com/stretchr/testify/require"

	"github.com/rekey-dev/rekey/pkg/change"
	"github.com/rekey-dev/rekey/pkg/idempotency"
	"github.com/rekey-dev/rekey/pkg/listing"
	"github.com/rekey-dev/rekey/pkg/memstore"
	"github.com/rekey-dev/rekey/pkg/msp"
	"github.com/rekey-dev/rekey/pkg/role"
)

type unknown struct{}

func (unknown) Write() {}

func TestStore_FailsLoudlyOnWhatNoStoreCouldDo(t *testing.T) {
	for what, spoil := range map[string]func(*change.Set){
		"a write that it does not know": func(s *change.Set) { s.Writes = []change.Write{unknown{}} },
		"no write at all":               func(s *change.Set) { s.Writes = []change.Write{nil} },
		"two writes of one item":        func(s *change.Set) { s.Writes = append(s.Writes, s.Writes[0]) },
		"a seq that is not the target's": func(s *change.Set) {
			s.Writes[0] = msp.Create{MSP: msp.MSP{ID: "msp_00000000000000000001", EventSeq: 2}}
		},
		"details that are no JSON": func(s *change.Set) { s.Events[0].Details = map[string]any{"f": func() {}} },
		"an idempotency record of another operation": func(s *change.Set) {
			s.Idempotency = &idempotency.Record{Scope: "s", Operation: "op_00000000000000000009"}
		},
	} {
		s := setUp("op_00000000000000000001")
		spoil(&s)
		require.Panics(t, func() { _ = memstore.New().Commit(t.Context(), s) }, what)
	}
	require.Panics(t, func() { memstore.New().PutRole(role.Role{ID: role.Owner}) })
	require.Panics(t, func() { _, _ = memstore.New().List(t.Context(), listing.Query{Noun: "birds", Limit: 1}) })
	require.Panics(t, func() { _, _ = memstore.New().List(t.Context(), listing.Query{Noun: listing.Keys}) })
}
