package dynamo_test

import (
	"crypto/rand"
	"fmt"
	"log/slog"
	"testing"
	"time"

	"github.com/aws/aws-sdk-go-v2/service/dynamodb"
	"github.com/aws/aws-sdk-go-v2/service/dynamodb/types"
	"github.com/stretchr/testify/require"

	"github.com/rekey-dev/rekey/pkg/apikey"
	"github.com/rekey-dev/rekey/pkg/audit"
	"github.com/rekey-dev/rekey/pkg/dynamo"
	"github.com/rekey-dev/rekey/pkg/id"
	"github.com/rekey-dev/rekey/pkg/rotation"
	"github.com/rekey-dev/rekey/pkg/serviceaccount"
	"github.com/rekey-dev/rekey/pkg/sweep"
)

// put writes keys as they are, 25 at a time.
func (w *tenant) put(keys []apikey.Key) {
	w.t.Helper()
	for len(keys) > 0 {
		var puts []types.WriteRequest
		for _, k := range keys[:min(25, len(keys))] {
			puts = append(puts, types.WriteRequest{PutRequest: &types.PutRequest{Item: dynamo.EncodeKey(k)}})
		}
		keys = keys[len(puts):]
		out, err := w.client.BatchWriteItem(w.t.Context(), &dynamodb.BatchWriteItemInput{RequestItems: map[string][]types.WriteRequest{w.tables.Identity: puts}})
		require.NoError(w.t, err)
		require.Empty(w.t, out.UnprocessedItems)
	}
}

// A run costs what is due, whatever else there is: the same requests and the same units among 1,000 keys and among 10,000. With
// nothing due it is one query of half a unit for each shard.
func TestSweep_CostsWhatIsDueWhateverElseThereIs_P3(t *testing.T) {
	t.Parallel()
	const due = 100
	var same []id.Key // in the same shards each time
	for range due {
		same = append(same, draw[id.Key]())
	}
	var bills []bill
	for _, others := range []int{1_000, 10_000} {
		w := metered(t)
		var keys []apikey.Key
		for i, k := range same { // each of an account of its own
			a := newAccount(w.company, fmt.Sprint("due ", i))
			w.commit(setOf(record("service_account", string(a.ID), 1, w.company), serviceaccount.Create{Account: a}))
			ended := w.newKey("ended")
			ended.ID, ended.AccountID, ended.ExpiresAt, ended.DueAt = k, a.ID, now.Add(time.Hour), now.Add(time.Hour)
			keys = append(keys, ended)
		}
		for i := range others {
			k := w.newKey("in its own time")
			k.DueAt = now.Add(24*time.Hour + time.Duration(i)*time.Minute)
			keys = append(keys, k)
		}
		w.put(keys)
		clock := func() time.Time { return now.Add(2 * time.Hour) }
		service := &apikey.Service{Store: w.Store, Now: clock, Rand: rand.Reader}
		rotations := &rotation.Service{Store: w.Store, Keys: service, Terms: rotation.Under(w.Store), Now: clock, Rand: rand.Reader}
		s := &sweep.Sweeper{Store: w.Store, Leases: w.Store, Keys: service, Rotations: rotations, Terms: rotation.Under(w.Store), Shards: dynamo.DueShards,
			Now: clock, Rand: rand.Reader, Log: slog.New(slog.DiscardHandler)}
		w.meter.take()
		r, err := s.Sweep(t.Context(), "run")
		require.NoError(t, err)
		require.Equal(t, due, r.Acted)
		bills = append(bills, w.meter.take())

		r, err = s.Sweep(t.Context(), "run")
		require.NoError(t, err)
		require.Zero(t, r.Looked)
		idle := w.meter.take()
		require.Len(t, idle.calls, dynamo.DueShards)
		require.Equal(t, 0.5*dynamo.DueShards, idle.reads)
		require.Zero(t, idle.writes)
		page, err := w.AuditEvents(t.Context(), audit.Query{Place: w.company.ID(), From: now, To: now.Add(24 * time.Hour), KeyID: string(same[0]), Limit: 10})
		require.NoError(t, err)
		require.Len(t, page.Events, 1)
		require.Equal(t, audit.KeyExpired, page.Events[0].Details["change"])
	}
	require.Len(t, bills[1].calls, len(bills[0].calls), "requests")
	require.Equal(t, bills[0].reads, bills[1].reads)
	require.Equal(t, bills[0].writes, bills[1].writes)
	t.Logf("%d requests, %v read and %v write units for %d due", len(bills[0].calls), bills[0].reads, bills[0].writes, due)
}
