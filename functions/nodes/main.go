// Command nodes serves the MSP's tree:
//
//	GET, POST          /v1/nodes
//	GET, PATCH, DELETE /v1/nodes/{id}
//
// Its settings are DIRECTORY_TABLE, AUDIT_TABLE, TRANSIENT_TABLE and CURSOR_SECRET.
package main

import (
	"context"
	"crypto/rand"
	"time"

	"github.com/rekey-dev/rekey/pkg/boot"
	"github.com/rekey-dev/rekey/pkg/fold"
	"github.com/rekey-dev/rekey/pkg/httpapi"
	"github.com/rekey-dev/rekey/pkg/httpapi/nodes"
	"github.com/rekey-dev/rekey/pkg/page"
	"github.com/rekey-dev/rekey/pkg/tree"
)

func main() { boot.Main(newHandler) }

func newHandler(ctx context.Context, lookup boot.Lookup) (httpapi.Handler, error) {
	env := boot.Read(lookup)
	store := env.Store(fold.Name, boot.Directory, boot.Audit, boot.Transient)
	service := &tree.Service{Store: store, Now: time.Now, Rand: rand.Reader}
	api := httpapi.New(httpapi.Settings{Now: time.Now, Rand: rand.Reader, Log: env.Logger(),
		Cursors: &page.Sealer{Keys: env.CursorKeys(), Now: time.Now, Rand: rand.Reader}, Idempotency: store.Idempotency})
	nodes.Register(api, service)
	return api.Handle, env.Ready(ctx)
}
