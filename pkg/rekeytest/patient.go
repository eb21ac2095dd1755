package rekeytest

import (
	"context"

	"github.com/rekey-dev/rekey/pkg/apikey"
	"github.com/rekey-dev/rekey/pkg/audit"
	"github.com/rekey-dev/rekey/pkg/lock"
	"github.com/rekey-dev/rekey/pkg/storetest"
	"github.com/rekey-dev/rekey/pkg/usage"
	"github.com/rekey-dev/rekey/pkg/verify"
)

// patient is a store that carries out what comes with a time limit however long it took to come: a test does not depend on
// how busy the machine is.
type patient struct{ storetest.Store }

func (p patient) Source(ctx context.Context, owner, address string) (lock.Source, error) {
	return p.Store.Source(context.WithoutCancel(ctx), owner, address)
}

func (p patient) Use(ctx context.Context, u verify.Use) error {
	return p.Store.Use(context.WithoutCancel(ctx), u)
}

func (p patient) Sighting(ctx context.Context, cred, address string) (apikey.Sighting, error) {
	return p.Store.Sighting(context.WithoutCancel(ctx), cred, address)
}

func (p patient) See(ctx context.Context, cred string, old, next apikey.Sighting, event *audit.Event) error {
	return p.Store.See(context.WithoutCancel(ctx), cred, old, next, event)
}

func (p patient) Tally(ctx context.Context, r usage.Row) error {
	return p.Store.Tally(context.WithoutCancel(ctx), r)
}
