// Command sweeper does what falls due: it announces the ends of keys and takes the steps of rotations. A schedule invokes it
// once a minute; what it is invoked with does not matter.
//
//	IDENTITY_TABLE   keys and their accounts, and the index of what is due
//	DIRECTORY_TABLE  rotations
//	AUDIT_TABLE      the records of what was done
//	PEPPERS_SECRET   the keys of the digests of secrets that it delivers
//	HOLD             true after a restore: nothing is done
package main

import (
	"context"
	"crypto/rand"
	"encoding/json"
	"time"
	_ "time/tzdata" // Lambda's runtime has no zones of its own

	"github.com/rekey-dev/rekey/pkg/apikey"
	"github.com/rekey-dev/rekey/pkg/boot"
	"github.com/rekey-dev/rekey/pkg/delivery"
	"github.com/rekey-dev/rekey/pkg/dynamo"
	"github.com/rekey-dev/rekey/pkg/fold"
	"github.com/rekey-dev/rekey/pkg/mint"
	"github.com/rekey-dev/rekey/pkg/msp"
	"github.com/rekey-dev/rekey/pkg/rotation"
	"github.com/rekey-dev/rekey/pkg/secrets/consumer"
	"github.com/rekey-dev/rekey/pkg/sweep"
	"github.com/rekey-dev/rekey/pkg/telemetry"
)

func main() { boot.Main(newHandler) }

type handler = func(context.Context, json.RawMessage) (sweep.Run, error)

func newHandler(ctx context.Context, lookup boot.Lookup) (handler, error) {
	env := boot.Read(lookup)
	store := env.Store(fold.Name, boot.Identity, boot.Directory, boot.Audit)
	keys := &apikey.Service{Store: store, Fold: fold.Name, Now: time.Now, Rand: rand.Reader}
	coins := &mint.Mint{Peppers: env.Peppers(), Rand: rand.Reader} // nothing that it makes is repeated
	rotations := &rotation.Service{Store: store, Keys: keys, Mint: coins, Terms: rotation.Under(store), Now: time.Now, Rand: rand.Reader,
		Courier: &delivery.Courier{Boxes: consumer.New(env.AWS(), msp.IDOf(store)), Abandoned: keys.Abandoned}}
	s := &sweep.Sweeper{Store: store, Leases: store, Keys: keys, Rotations: rotations, Terms: rotation.Under(store), Shards: dynamo.DueShards,
		Hold: env.Hold(), Now: time.Now, Rand: rand.Reader, Log: env.Logger()}
	metrics := env.Metrics()
	return func(ctx context.Context, _ json.RawMessage) (sweep.Run, error) {
		r, err := s.Sweep(ctx, boot.RequestID(ctx))
		if err == nil { // a lag that is not known is missing, which alarms
			metrics.Count(telemetry.SweeperLag, int(r.Lag.Milliseconds()))
		}
		metrics.Count(telemetry.SweeperActed, r.Acted)
		metrics.Count(telemetry.SweeperPutOff, r.Failed)
		metrics.Done()
		return r, err
	}, env.Ready(ctx)
}
