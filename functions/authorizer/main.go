// Command authorizer answers API Gateway's question whether a request may pass, for rekey's own API and for every other API
// of the account that attaches it. It is invoked with REQUEST authorizer events of REST APIs and of HTTP APIs, formats 1.0
// and 2.0.
//
//	IDENTITY_TABLE   what verdicts depend on
//	AUDIT_TABLE      where first uses, locks and refusals are recorded
//	PEPPERS_SECRET   the keys of the secrets' digests
//	HOLD             true after a restore: no verdict is given
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
	a := &authorizer.Authorizer{
		Verifier: &verify.Verifier{Store: env.Verifier(), Peppers: env.Peppers(), Now: time.Now, Rand: rand.Reader,
			Policy: lock.Default, Failed: observer.Failed, Announced: observer.Announced},
		Hold:   env.Hold(),
		Now:    time.Now,
		Report: observer.Report,
		Routes: authorizer.Routes,
	}
	if err := env.Ready(ctx); err != nil {
		return nil, err
	}
	a.Warm(ctx)
	return a, nil
}
