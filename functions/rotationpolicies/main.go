// Command rotationpolicies serves rotation policies:
//
//	GET, POST          /v1/rotation-policies
//	GET, PATCH, DELETE /v1/rotation-policies/{id}
//	GET                /v1/rotation-policies/{id}/preview
//	GET                /v1/service-accounts/{id}/effective-policy
//
// Its settings are IDENTITY_TABLE, DIRECTORY_TABLE, AUDIT_TABLE, TRANSIENT_TABLE and CURSOR_SECRET.
package main

import (
	"context"
	"crypto/rand"
	"time"
	_ "time/tzdata" // Lambda's runtime has no zones of its own

	"github.com/rekey-dev/rekey/pkg/boot"
	"github.com/rekey-dev/rekey/pkg/fold"
	"github.com/rekey-dev/rekey/pkg/httpapi"
	"github.com/rekey-dev/rekey/pkg/httpapi/rotationpolicies"
	"github.com/rekey-dev/rekey/pkg/page"
	"github.com/rekey-dev/rekey/pkg/policy"
)

func main() { boot.Main(newHandler) }

func newHandler(ctx context.Context, lookup boot.Lookup) (httpapi.Handler, error) {
	env := boot.Read(lookup)
	store := env.Store(fold.Name, boot.Identity, boot.Directory, boot.Audit, boot.Transient)
	service := &policy.Service{Store: store, Now: time.Now, Rand: rand.Reader}
	api := httpapi.New(httpapi.Settings{Now: time.Now, Rand: rand.Reader, Log: env.Logger(),
		Cursors: &page.Sealer{Keys: env.CursorKeys(), Now: time.Now, Rand: rand.Reader}, Idempotency: store.Idempotency})
	rotationpolicies.Register(api, service, time.Now)
	return api.Handle, env.Ready(ctx)
}
