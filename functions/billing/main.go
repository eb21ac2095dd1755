// Command billing serves what companies are billed by:
//
//	GET /v1/packages
//
// It has no settings: the packages are embedded.
package main

import (
	"context"
	"crypto/rand"
	"time"

	"github.com/rekey-dev/rekey/pkg/billing"
	"github.com/rekey-dev/rekey/pkg/boot"
	"github.com/rekey-dev/rekey/pkg/httpapi"
	resource "github.com/rekey-dev/rekey/pkg/httpapi/billing"
)

func main() { boot.Main(newHandler) }

func newHandler(ctx context.Context, lookup boot.Lookup) (httpapi.Handler, error) {
	packages, err := billing.Read()
	if err != nil {
		return nil, err
	}
	env := boot.Read(lookup)
	api := httpapi.New(httpapi.Settings{Now: time.Now, Rand: rand.Reader, Log: env.Logger()})
	resource.Register(api, packages)
	return api.Handle, env.Ready(ctx)
}
