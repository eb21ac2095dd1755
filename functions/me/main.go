// Command me serves GET /v1/me: who the caller is and what it may do.
//
// Its settings are IDENTITY_TABLE and DIRECTORY_TABLE.
package main

import (
	"context"
	"crypto/rand"
	"time"

	"github.com/rekey-dev/rekey/pkg/boot"
	"github.com/rekey-dev/rekey/pkg/fold"
	"github.com/rekey-dev/rekey/pkg/httpapi"
	"github.com/rekey-dev/rekey/pkg/httpapi/me"
)

func main() { boot.Main(newHandler) }

func newHandler(ctx context.Context, lookup boot.Lookup) (httpapi.Handler, error) {
	env := boot.Read(lookup)
	api := httpapi.New(httpapi.Settings{Now: time.Now, Rand: rand.Reader, Log: env.Logger()})
	me.Register(api, env.Store(fold.Name, boot.Identity, boot.Directory))
	return api.Handle, env.Ready(ctx)
}
