// Command roles serves the catalogue of permissions and the roles:
//
//	GET /v1/permissions
//	GET /v1/roles
//	GET /v1/roles/{id}
//
// Its setting is CURSOR_SECRET.
package main

import (
	"context"
	"crypto/rand"
	"time"

	"github.com/rekey-dev/rekey/pkg/boot"
	"github.com/rekey-dev/rekey/pkg/httpapi"
	"github.com/rekey-dev/rekey/pkg/httpapi/roles"
	"github.com/rekey-dev/rekey/pkg/page"
)

func main() { boot.Main(newHandler) }

func newHandler(ctx context.Context, lookup boot.Lookup) (httpapi.Handler, error) {
	env := boot.Read(lookup)
	api := httpapi.New(httpapi.Settings{Now: time.Now, Rand: rand.Reader, Log: env.Logger(),
		Cursors: &page.Sealer{Keys: env.CursorKeys(), Now: time.Now, Rand: rand.Reader}})
	roles.Register(api)
	return api.Handle, env.Ready(ctx)
}
