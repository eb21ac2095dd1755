// Command billing serves what companies are billed by, and what they used:
//
//	GET /v1/packages
//	GET /v1/usage
//
// Its settings are IDENTITY_TABLE, DIRECTORY_TABLE and CURSOR_SECRET.
package main

import (
	"context"
	"crypto/rand"
	"time"

	"github.com/rekey-dev/rekey/pkg/billing"
	"github.com/rekey-dev/rekey/pkg/boot"
	"github.com/rekey-dev/rekey/pkg/fold"
	"github.com/rekey-dev/rekey/pkg/httpapi"
	resource "github.com/rekey-dev/rekey/pkg/httpapi/billing"
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
	store := env.Store(fold.Name, boot.Identity, boot.Directory)
	service := &tenancy.Service{Store: store, Packages: packages, Now: time.Now, Rand: rand.Reader}
	api := httpapi.New(httpapi.Settings{Now: time.Now, Rand: rand.Reader, Log: env.Logger(),
		Cursors: &page.Sealer{Keys: env.CursorKeys(), Now: time.Now, Rand: rand.Reader}})
	resource.Register(api, service, packages)
	return api.Handle, env.Ready(ctx)
}
