// Command credentials serves employees' passkeys:
//
//	POST        /v1/credentials/challenges
//	POST        /v1/credentials/with-code
//	POST        /v1/credentials/codes
//	GET, POST   /v1/employees/{id}/credentials
//	GET, DELETE /v1/credentials/{id}
//
// Its settings are IDENTITY_TABLE, DIRECTORY_TABLE, AUDIT_TABLE, TRANSIENT_TABLE, PEPPERS_SECRET, DERIVATION_SECRET, HOLD,
// SIGN_IN_DOMAIN and SIGN_IN_ORIGINS; the last two may be empty.
package main

import (
	"context"
	"crypto/rand"
	"time"

	"github.com/rekey-dev/rekey/pkg/authorizer"
	"github.com/rekey-dev/rekey/pkg/boot"
	"github.com/rekey-dev/rekey/pkg/call"
	"github.com/rekey-dev/rekey/pkg/ceremony"
	"github.com/rekey-dev/rekey/pkg/fold"
	"github.com/rekey-dev/rekey/pkg/httpapi"
	"github.com/rekey-dev/rekey/pkg/httpapi/credentials"
	"github.com/rekey-dev/rekey/pkg/lock"
	"github.com/rekey-dev/rekey/pkg/mint"
	"github.com/rekey-dev/rekey/pkg/onetime"
	"github.com/rekey-dev/rekey/pkg/passkey"
	"github.com/rekey-dev/rekey/pkg/verify"
)

func main() { boot.Main(newHandler) }

func newHandler(ctx context.Context, lookup boot.Lookup) (httpapi.Handler, error) {
	env := boot.Read(lookup)
	store := env.Store(fold.Name, boot.Identity, boot.Directory, boot.Audit, boot.Transient)
	peppers, observer := env.Peppers(), authorizer.Observer{Log: env.Logger(), Metrics: env.Metrics()}
	service := &passkey.Service{Store: store, Ceremonies: ceremony.Ceremonies{}, Hold: env.Hold(), Fold: fold.Name, Now: time.Now, Rand: rand.Reader,
		Codes: &onetime.Service{Store: store, Now: time.Now, Rand: rand.Reader,
			Mint: &mint.Mint{Peppers: peppers, Derivation: env.DerivationKeys(), Rand: rand.Reader}}}
	judge := &authorizer.Authorizer{Hold: env.Hold(), Now: time.Now, Report: observer.Report,
		Verifier: &verify.Verifier{Store: store, Peppers: peppers, Now: time.Now, Rand: rand.Reader, Policy: lock.Default,
			Failed: observer.Failed, Announced: observer.Announced}}
	sites := passkey.Sites{Name: "rekey", Domain: env.OptionalText("SIGN_IN_DOMAIN"), Origins: env.OptionalList("SIGN_IN_ORIGINS")}
	api := httpapi.New(httpapi.Settings{Now: time.Now, Rand: rand.Reader, Log: env.Logger(), Idempotency: store.Idempotency,
		Repeat: service.Repeat, Admit: judge.Admit})
	credentials.Register(api, service, func(c call.Call) passkey.Site { return sites.At(c.Domain) })
	return api.Handle, env.Ready(ctx)
}
