// Command keys serves the keys of service accounts:
//
//	GET, POST  /v1/service-accounts/{id}/keys
//	GET        /v1/keys
//	GET, PATCH /v1/keys/{id}
//	POST       /v1/keys/{id}/revoke, /deactivate, /activate, /regenerate
//	GET        /v1/keys/{id}/usage
//
// Its settings are IDENTITY_TABLE, DIRECTORY_TABLE, AUDIT_TABLE, TRANSIENT_TABLE, PEPPERS_SECRET, DERIVATION_SECRET and
// CURSOR_SECRET.
package main

import (
	"context"
	"crypto/rand"
	"time"

	"github.com/rekey-dev/rekey/pkg/apikey"
	"github.com/rekey-dev/rekey/pkg/authorizer"
	"github.com/rekey-dev/rekey/pkg/billing"
	"github.com/rekey-dev/rekey/pkg/boot"
	"github.com/rekey-dev/rekey/pkg/delivery"
	"github.com/rekey-dev/rekey/pkg/fold"
	"github.com/rekey-dev/rekey/pkg/httpapi"
	"github.com/rekey-dev/rekey/pkg/httpapi/keys"
	"github.com/rekey-dev/rekey/pkg/mint"
	"github.com/rekey-dev/rekey/pkg/msp"
	"github.com/rekey-dev/rekey/pkg/page"
	"github.com/rekey-dev/rekey/pkg/rotation"
	"github.com/rekey-dev/rekey/pkg/secrets/consumer"
)

func main() { boot.Main(newHandler) }

func newHandler(ctx context.Context, lookup boot.Lookup) (httpapi.Handler, error) {
	packages, err := billing.Read()
	if err != nil {
		return nil, err
	}
	env := boot.Read(lookup)
	store := env.Store(fold.Name, boot.Identity, boot.Directory, boot.Audit, boot.Transient)
	coins := &mint.Mint{Peppers: env.Peppers(), Derivation: env.DerivationKeys(), Rand: rand.Reader}
	service := &apikey.Service{Store: store, Fold: fold.Name, Now: time.Now, Rand: rand.Reader, Needs: authorizer.Needs, Mint: coins,
		KeyLimit: packages.Keys}
	deliverer := &rotation.Service{Store: store, Keys: service, Mint: coins, Terms: rotation.Under(store), Now: time.Now, Rand: rand.Reader,
		Courier: &delivery.Courier{Boxes: consumer.New(env.AWS(), msp.IDOf(store)), Abandoned: service.Abandoned}}
	api := httpapi.New(httpapi.Settings{Now: time.Now, Rand: rand.Reader, Log: env.Logger(),
		Cursors: &page.Sealer{Keys: env.CursorKeys(), Now: time.Now, Rand: rand.Reader}, Idempotency: store.Idempotency, Repeat: service.Repeat})
	keys.Register(api, service, deliverer, time.Now)
	return api.Handle, env.Ready(ctx)
}
