// Command personalaccesstokens serves the tokens that act for one employee:
//
//	GET, POST   /v1/personal-access-tokens
//	GET, DELETE /v1/personal-access-tokens/{id}
//
// Its settings are IDENTITY_TABLE, DIRECTORY_TABLE, AUDIT_TABLE, TRANSIENT_TABLE, PEPPERS_SECRET, DERIVATION_SECRET and
// CURSOR_SECRET.
package main

import (
	"context"
	"crypto/rand"
	"time"

	"github.com/rekey-dev/rekey/pkg/accesstoken"
	"github.com/rekey-dev/rekey/pkg/boot"
	"github.com/rekey-dev/rekey/pkg/fold"
	"github.com/rekey-dev/rekey/pkg/httpapi"
	"github.com/rekey-dev/rekey/pkg/httpapi/personalaccesstokens"
	"github.com/rekey-dev/rekey/pkg/mint"
	"github.com/rekey-dev/rekey/pkg/page"
)

func main() { boot.Main(newHandler) }

func newHandler(ctx context.Context, lookup boot.Lookup) (httpapi.Handler, error) {
	env := boot.Read(lookup)
	store := env.Store(fold.Name, boot.Identity, boot.Directory, boot.Audit, boot.Transient)
	service := &accesstoken.Service{Store: store, Now: time.Now, Rand: rand.Reader,
		Mint: &mint.Mint{Peppers: env.Peppers(), Derivation: env.DerivationKeys(), Rand: rand.Reader}}
	api := httpapi.New(httpapi.Settings{Now: time.Now, Rand: rand.Reader, Log: env.Logger(),
		Cursors: &page.Sealer{Keys: env.CursorKeys(), Now: time.Now, Rand: rand.Reader}, Idempotency: store.Idempotency, Repeat: service.Repeat})
	personalaccesstokens.Register(api, service)
	return api.Handle, env.Ready(ctx)
}
