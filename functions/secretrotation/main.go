// Command secretrotation is a rotation function of AWS Secrets Manager for secrets that hold a key: Secrets Manager invokes it
// with the steps createSecret, setSecret, testSecret and finishSecret. It has no settings: where the API is, and the key that
// rotates itself, stand in the secret.
package main

import (
	"context"

	"github.com/rekey-dev/rekey/pkg/boot"
	"github.com/rekey-dev/rekey/pkg/delivery"
	"github.com/rekey-dev/rekey/pkg/rekeyapi"
	"github.com/rekey-dev/rekey/pkg/secretrotation"
	"github.com/rekey-dev/rekey/pkg/secrets/consumer"
)

func main() { boot.Main(newHandler) }

type handler = func(context.Context, secretrotation.Event) error

func newHandler(ctx context.Context, lookup boot.Lookup) (handler, error) {
	env := boot.Read(lookup)
	r := &secretrotation.Rotator{
		Open: func(secret, rotationToken string) delivery.Box {
			return consumer.OpenRotation(env.AWS(), secret, rotationToken)
		},
		API: rekeyapi.New(),
		Log: env.Logger(),
	}
	return r.Handle, env.Ready(ctx)
}
