// Command roles serves the catalogue of permissions and the roles:
//
//	GET                /v1/permissions
//	GET, POST          /v1/roles
//	GET, PATCH, DELETE /v1/roles/{id}
//
// Its settings are IDENTITY_TABLE, DIRECTORY_TABLE, AUDIT_TABLE, TRANSIENT_TABLE and CURSOR_SECRET.
package main

import (
	"context"
	"crypto/rand"
	"time"

	"github.com/rekey-dev/rekey/pkg/boot"
	"github.com/rekey-dev/rekey/pkg/fold"
	"github.com/rekey-dev/rekey/pkg/grant"
	"github.com/rekey-dev/rekey/pkg/httpapi"
	"github.com/rekey-dev/rekey/pkg/httpapi/roles"
	"github.com/rekey-dev/rekey/pkg/page"
)

func main() { boot.Main(newHandler) }

func newHandler(ctx context.Context, lookup boot.Lookup) (httpapi.Handler, error) {
	env := boot.Read(lookup)
	store := env.Store(fold.Name, boot.Identity, boot.Directory, boot.Audit, boot.Transient)
	service := &grant.Service{Store: store, Fold: fold.Name, Now: time.Now, Rand: rand.Reader}
	api := httpapi.New(httpapi.Settings{Now: time.Now, Rand: rand.Reader, Log: env.Logger(),
		Cursors: &page.Sealer{Keys: env.CursorKeys(), Now: time.Now, Rand: rand.Reader}, Idempotency: store.Idempotency})
	roles.Register(api, service)
	return api.Handle, env.Ready(ctx)
}
