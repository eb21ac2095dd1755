// Command keystatus serves whoever holds a secret, without another right:
//
//	POST /v1/key-status
//	POST /v1/keys/self-revoke
//
// Its settings are IDENTITY_TABLE, AUDIT_TABLE, PEPPERS_SECRET and HOLD.
package main

import (
	"context"
	"crypto/rand"
	"time"

	"github.com/rekey-dev/rekey/pkg/accesstoken"
	"github.com/rekey-dev/rekey/pkg/apikey"
	"github.com/rekey-dev/rekey/pkg/authorizer"
	"github.com/rekey-dev/rekey/pkg/boot"
	"github.com/rekey-dev/rekey/pkg/fold"
	"github.com/rekey-dev/rekey/pkg/httpapi"
	routes "github.com/rekey-dev/rekey/pkg/httpapi/keystatus"
	"github.com/rekey-dev/rekey/pkg/keystatus"
	"github.com/rekey-dev/rekey/pkg/lock"
	"github.com/rekey-dev/rekey/pkg/signin"
	"github.com/rekey-dev/rekey/pkg/verify"
)

func main() { boot.Main(newHandler) }

func newHandler(ctx context.Context, lookup boot.Lookup) (httpapi.Handler, error) {
	env := boot.Read(lookup)
	store := env.Store(fold.Name, boot.Identity, boot.Audit)
	observer := authorizer.Observer{Log: env.Logger(), Metrics: env.Metrics()}
	service := &keystatus.Service{
		Judge: &verify.Verifier{Store: store, Peppers: env.Peppers(), Now: time.Now, Rand: rand.Reader, Policy: lock.Default,
			Failed: observer.Failed, Announced: observer.Announced},
		Keys:     &apikey.Service{Store: store, Fold: fold.Name, Now: time.Now, Rand: rand.Reader},
		Tokens:   &accesstoken.Service{Store: store, Now: time.Now, Rand: rand.Reader},
		Sessions: &signin.Service{Store: store, Now: time.Now, Rand: rand.Reader},
		Hold:     env.Hold(),
		Judged:   observer.Judged,
	}
	api := httpapi.New(httpapi.Settings{Now: time.Now, Rand: rand.Reader, Log: env.Logger()})
	routes.Register(api, service)
	return api.Handle, env.Ready(ctx)
}
