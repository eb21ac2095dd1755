// Command companies serves the managed companies:
//
//	GET, POST          /v1/companies
//	GET, PATCH, DELETE /v1/companies/{id}
//	POST               /v1/companies/{id}/suspend, /resume
//
// Its settings are IDENTITY_TABLE, DIRECTORY_TABLE, AUDIT_TABLE, TRANSIENT_TABLE and CURSOR_SECRET.
package main

import (
	"context"
	"crypto/rand"
	"time"

	"github.com/rekey-dev/rekey/pkg/billing"
	"github.com/rekey-dev/rekey/pkg/boot"
	"github.com/rekey-dev/rekey/pkg/fold"
	"github.com/rekey-dev/rekey/pkg/httpapi"
	"github.com/rekey-dev/rekey/pkg/httpapi/companies"
	"github.com/rekey-dev/rekey/pkg/page"
	"github.com/rekey-dev/rekey/pkg/tenancy"
)

func main() { boot.Main(newHandler) }

func newHandler(ctx context.Context, lookup boot.Lookup) (httpapi.Handler, error) {
	packages, err := billing.Read()
	if err != nil {
		return nil, err
	}
	env := boot.Read(lookup)
	store := env.Store(fold.Name, boot.Identity, boot.Directory, boot.Audit, boot.Transient)
	service := &tenancy.Service{Store: store, Packages: packages, Now: time.Now, Rand: rand.Reader}
	api := httpapi.New(httpapi.Settings{Now: time.Now, Rand: rand.Reader, Log: env.Logger(),
		Cursors: &page.Sealer{Keys: env.CursorKeys(), Now: time.Now, Rand: rand.Reader}, Idempotency: store.Idempotency})
	companies.Register(api, service)
	return api.Handle, env.Ready(ctx)
}
