package storetest

import (
	"fmt"
	"math/rand/v2"
	"time"

	"github.com/rekey-dev/rekey/pkg/change"
)

// aShard is a shard that no other test has: there are leases for more than there are shards.
func aShard() int { return 100 + rand.IntN(1<<40) }

var leaseTests = []test{
	{"a shard is one run's until that gives it back", func(w *world) {
		shard, other, until := aShard(), aShard(), w.now.Add(time.Minute)
		w.NoError(w.store.Lease(w.ctx, shard, "one", w.now, until))
		w.ErrorIs(w.store.Lease(w.ctx, shard, "two", w.now, until), change.ErrLost)
		w.ErrorIs(w.store.Release(w.ctx, shard, "two"), change.ErrLost)
		w.NoError(w.store.Lease(w.ctx, other, "two", w.now, until), "another shard")
		w.NoError(w.store.Release(w.ctx, shard, "one"))
		w.ErrorIs(w.store.Release(w.ctx, shard, "one"), change.ErrLost)
		w.NoError(w.store.Lease(w.ctx, shard, "two", w.now, until))
		w.ErrorIs(w.store.Release(w.ctx, aShard(), "one"), change.ErrLost, "nobody had it")
	}},
	{"the lease of a run that never gives it back ends by itself, and is not given back by it any more", func(w *world) {
		shard, until := aShard(), w.now.Add(time.Minute)
		w.NoError(w.store.Lease(w.ctx, shard, "one", w.now, until))
		w.ErrorIs(w.store.Lease(w.ctx, shard, "two", until.Add(-time.Millisecond), until.Add(time.Minute)), change.ErrLost)
		w.NoError(w.store.Lease(w.ctx, shard, "two", until, until.Add(time.Minute)))
		w.ErrorIs(w.store.Release(w.ctx, shard, "one"), change.ErrLost)
		w.ErrorIs(w.store.Lease(w.ctx, shard, "three", until, until.Add(time.Minute)), change.ErrLost)
	}},
	{"one of many runs gets a shard", func(w *world) {
		shard := aShard()
		w.oneWon(together(8, func(i int) error {
			return w.store.Lease(w.ctx, shard, fmt.Sprint("run ", i), w.now, w.now.Add(time.Minute))
		}))
	}},
}
