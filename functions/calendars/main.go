// Command calendars serves the calendars of freezes and windows:
//
//	GET, POST          /v1/calendars
//	GET, PATCH, DELETE /v1/calendars/{id}
//
// Its settings are IDENTITY_TABLE, DIRECTORY_TABLE, AUDIT_TABLE, TRANSIENT_TABLE and CURSOR_SECRET. It carries the IANA time
// zone database: what Lambda's provided.al2023 has of it is newer where it is there, and it was not always.
package main

import (
	"context"
	"crypto/rand"
	"time"
	_ "time/tzdata"

	"github.com/rekey-dev/rekey/pkg/boot"
	"github.com/rekey-dev/rekey/pkg/calendar"
	"github.com/rekey-dev/rekey/pkg/fold"
	"github.com/rekey-dev/rekey/pkg/httpapi"
	"github.com/rekey-dev/rekey/pkg/httpapi/calendars"
	"github.com/rekey-dev/rekey/pkg/page"
)

func main() { boot.Main(newHandler) }

func newHandler(ctx context.Context, lookup boot.Lookup) (httpapi.Handler, error) {
	env := boot.Read(lookup)
	store := env.Store(fold.Name, boot.Identity, boot.Directory, boot.Audit, boot.Transient)
	service := &calendar.Service{Store: store, Now: time.Now, Rand: rand.Reader}
	api := httpapi.New(httpapi.Settings{Now: time.Now, Rand: rand.Reader, Log: env.Logger(),
		Cursors: &page.Sealer{Keys: env.CursorKeys(), Now: time.Now, Rand: rand.Reader}, Idempotency: store.Idempotency})
	calendars.Register(api, service)
	return api.Handle, env.Ready(ctx)
}
