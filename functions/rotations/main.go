// Command rotations serves rotations, and what starts them:
//
//	GET  /v1/rotations, /v1/rotations/{id}, /v1/rotations/{id}/report
//	POST /v1/rotations/{id}/complete, /cancel, /extend
//	POST /v1/keys/{id}/rotate, /v1/me/key/rotate
//
// Its settings are IDENTITY_TABLE, DIRECTORY_TABLE, AUDIT_TABLE, TRANSIENT_TABLE, PEPPERS_SECRET, DERIVATION_SECRET and
// CURSOR_SECRET.
package main

import (
	"context"
	"crypto/rand"
	"time"
	_ "time/tzdata" // Lambda's runtime has no zones of its own

	"github.com/rekey-dev/rekey/pkg/apikey"
	"github.com/rekey-dev/rekey/pkg/boot"
	"github.com/rekey-dev/rekey/pkg/delivery"
	"github.com/rekey-dev/rekey/pkg/fold"
	"github.com/rekey-dev/rekey/pkg/httpapi"
	"github.com/rekey-dev/rekey/pkg/httpapi/rotations"
	"github.com/rekey-dev/rekey/pkg/mint"
	"github.com/rekey-dev/rekey/pkg/msp"
	"github.com/rekey-dev/rekey/pkg/page"
	"github.com/rekey-dev/rekey/pkg/rotation"
	"github.com/rekey-dev/rekey/pkg/secrets/consumer"
)

func main() { boot.Main(newHandler) }

func newHandler(ctx context.Context, lookup boot.Lookup) (httpapi.Handler, error) {
	env := boot.Read(lookup)
	store := env.Store(fold.Name, boot.Identity, boot.Directory, boot.Audit, boot.Transient)
	coins := &mint.Mint{Peppers: env.Peppers(), Derivation: env.DerivationKeys(), Rand: rand.Reader}
	keys := &apikey.Service{Store: store, Fold: fold.Name, Now: time.Now, Rand: rand.Reader, Mint: coins}
	service := &rotation.Service{Store: store, Keys: keys, Mint: coins, Terms: rotation.Under(store), Now: time.Now, Rand: rand.Reader,
		Courier: &delivery.Courier{Boxes: consumer.New(env.AWS(), msp.IDOf(store)), Abandoned: keys.Abandoned}}
	api := httpapi.New(httpapi.Settings{Now: time.Now, Rand: rand.Reader, Log: env.Logger(),
		Cursors: &page.Sealer{Keys: env.CursorKeys(), Now: time.Now, Rand: rand.Reader}, Idempotency: store.Idempotency, Repeat: keys.Repeat})
	rotations.Register(api, service, time.Now)
	return api.Handle, env.Ready(ctx)
}
