// Command setup serves a fresh deployment:
//
//	POST /v1/setup
//
// and whoever may invoke the function in the AWS account, who can enrol an owner anew with the payload
//
//	{"recover_owner": "<the owner's e-mail address>"}
//
// Its settings are IDENTITY_TABLE, DIRECTORY_TABLE, AUDIT_TABLE, TRANSIENT_TABLE, PEPPERS_SECRET, DERIVATION_SECRET and
// SETUP_SECRET; and OWNER_EMAIL, if only one address may become the first owner.
package main

import (
	"context"
	"crypto/rand"
	"time"

	"github.com/rekey-dev/rekey/pkg/boot"
	"github.com/rekey-dev/rekey/pkg/call"
	"github.com/rekey-dev/rekey/pkg/fold"
	"github.com/rekey-dev/rekey/pkg/httpapi"
	routes "github.com/rekey-dev/rekey/pkg/httpapi/setup"
	"github.com/rekey-dev/rekey/pkg/idempotency"
	"github.com/rekey-dev/rekey/pkg/mint"
	"github.com/rekey-dev/rekey/pkg/passkey"
	"github.com/rekey-dev/rekey/pkg/setup"
	"github.com/rekey-dev/rekey/pkg/token"
)

func main() { boot.Main(newHandler) }

func newHandler(ctx context.Context, lookup boot.Lookup) (*routes.Handler, error) {
	env := boot.Read(lookup)
	store := env.Store(fold.Name, boot.Identity, boot.Directory, boot.Audit, boot.Transient)
	service := &setup.Service{Store: store, Code: env.SetupCode(), Now: time.Now, Rand: rand.Reader, OwnerEmail: env.OptionalText("OWNER_EMAIL"),
		Passkeys: passkey.Ends(store),
		Mint:     &mint.Mint{Peppers: env.Peppers(), Derivation: env.DerivationKeys(), Rand: rand.Reader}}
	api := httpapi.New(httpapi.Settings{Now: time.Now, Rand: rand.Reader, Log: env.Logger(), Idempotency: store.Idempotency,
		Repeat: func(ctx context.Context, c call.Call, r idempotency.Record) (token.Secret, error) {
			return service.Repeat(ctx, c.Request, r)
		}})
	routes.Register(api, service)
	return &routes.Handler{HTTP: api.Handle, Recover: service.Recover, Log: env.Logger()}, env.Ready(ctx)
}
