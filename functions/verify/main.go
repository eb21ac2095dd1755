// Command verify answers gateways that are not API Gateway:
//
//	POST /v1/verify
//
// Its settings are IDENTITY_TABLE, AUDIT_TABLE, PEPPERS_SECRET and HOLD.
package main

import (
	"context"
	"crypto/rand"
	"time"

	"github.com/rekey-dev/rekey/pkg/authorizer"
	"github.com/rekey-dev/rekey/pkg/boot"
	"github.com/rekey-dev/rekey/pkg/fold"
	"github.com/rekey-dev/rekey/pkg/httpapi"
	routes "github.com/rekey-dev/rekey/pkg/httpapi/verify"
	"github.com/rekey-dev/rekey/pkg/lock"
	"github.com/rekey-dev/rekey/pkg/verification"
	"github.com/rekey-dev/rekey/pkg/verify"
)

func main() { boot.Main(newHandler) }

func newHandler(ctx context.Context, lookup boot.Lookup) (httpapi.Handler, error) {
	env := boot.Read(lookup)
	store := env.Store(fold.Name, boot.Identity, boot.Audit)
	observer := authorizer.Observer{Log: env.Logger(), Metrics: env.Metrics()}
	service := &verification.Service{Store: store, Hold: env.Hold(), Judged: observer.Judged,
		Judge: &verify.Verifier{Store: verification.Counting{Store: store}, Peppers: env.Peppers(), Now: time.Now, Rand: rand.Reader,
			Policy: lock.Default, Failed: observer.Failed, Announced: observer.Announced}}
	api := httpapi.New(httpapi.Settings{Now: time.Now, Rand: rand.Reader, Log: env.Logger()})
	routes.Register(api, service)
	return api.Handle, env.Ready(ctx)
}
