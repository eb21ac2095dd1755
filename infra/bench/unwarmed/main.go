// Command unwarmed is the authorizer as functions/authorizer builds it, but it asks for its first invocation without having
// warmed anything: no certificate was loaded, no connection opened, no pepper read.
package main

import (
	"context"
	"crypto/rand"
	"time"

	"github.com/rekey-dev/rekey/pkg/authorizer"
	"github.com/rekey-dev/rekey/pkg/boot"
	"github.com/rekey-dev/rekey/pkg/lock"
	"github.com/rekey-dev/rekey/pkg/verify"
)

func main() { boot.Main(newHandler) }

func newHandler(ctx context.Context, lookup boot.Lookup) (*authorizer.Authorizer, error) {
	env := boot.Read(lookup)
	observer := authorizer.Observer{Log: env.Logger(), Metrics: env.Metrics()}
	return &authorizer.Authorizer{
		Verifier: &verify.Verifier{Store: env.Verifier(), Peppers: env.Peppers(), Now: time.Now, Rand: rand.Reader,
			Policy: lock.Default, Failed: observer.Failed, Announced: observer.Announced},
		Hold:   env.Hold(),
		Now:    time.Now,
		Report: observer.Report,
		Routes: authorizer.Routes,
	}, nil
}
