// Command sessions serves signing in, sessions, and working inside a company:
//
//	POST   /v1/sessions/challenges
//	GET, POST /v1/sessions
//	DELETE /v1/sessions/{id}
//	POST   /v1/companies/{id}/assume
//
// Its settings are IDENTITY_TABLE, AUDIT_TABLE, TRANSIENT_TABLE, PEPPERS_SECRET, DERIVATION_SECRET, CURSOR_SECRET, HOLD,
// SIGN_IN_DOMAIN and SIGN_IN_ORIGINS; the last two may be empty.
package main

import (
	"context"
	"crypto/rand"
	"time"

	"github.com/rekey-dev/rekey/pkg/boot"
	"github.com/rekey-dev/rekey/pkg/call"
	"github.com/rekey-dev/rekey/pkg/ceremony"
	"github.com/rekey-dev/rekey/pkg/fold"
	"github.com/rekey-dev/rekey/pkg/httpapi"
	"github.com/rekey-dev/rekey/pkg/httpapi/sessions"
	"github.com/rekey-dev/rekey/pkg/mint"
	"github.com/rekey-dev/rekey/pkg/page"
	"github.com/rekey-dev/rekey/pkg/passkey"
	"github.com/rekey-dev/rekey/pkg/signin"
)

func main() { boot.Main(newHandler) }

func newHandler(ctx context.Context, lookup boot.Lookup) (httpapi.Handler, error) {
	env := boot.Read(lookup)
	store := env.Store(fold.Name, boot.Identity, boot.Audit, boot.Transient)
	service := &signin.Service{Store: store, Ceremonies: ceremony.Ceremonies{}, Hold: env.Hold(), Now: time.Now, Rand: rand.Reader,
		Mint: &mint.Mint{Peppers: env.Peppers(), Derivation: env.DerivationKeys(), Rand: rand.Reader}}
	sites := passkey.Sites{Name: "rekey", Domain: env.OptionalText("SIGN_IN_DOMAIN"), Origins: env.OptionalList("SIGN_IN_ORIGINS")}
	api := httpapi.New(httpapi.Settings{Now: time.Now, Rand: rand.Reader, Log: env.Logger(),
		Cursors: &page.Sealer{Keys: env.CursorKeys(), Now: time.Now, Rand: rand.Reader}, Idempotency: store.Idempotency, Repeat: service.Repeat})
	sessions.Register(api, service, func(c call.Call) passkey.Site { return sites.At(c.Domain) })
	return api.Handle, env.Ready(ctx)
}
