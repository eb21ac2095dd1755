package memstore

import (
	"context"
	"time"

	"github.com/rekey-dev/rekey/pkg/id"
	"github.com/rekey-dev/rekey/pkg/passkey"
	"github.com/rekey-dev/rekey/pkg/session"
)

func (f *Flaky) Session(ctx context.Context, ses id.Session) (session.Session, error) {
	return through(ctx, f, "Session", func(ctx context.Context) (session.Session, error) { return f.Under.Session(ctx, ses) })
}

func (f *Flaky) Sessions(ctx context.Context, e id.Employee, after string, limit int) ([]session.Session, string, error) {
	var next string
	page, err := through(ctx, f, "Sessions", func(ctx context.Context) (page []session.Session, err error) {
		page, next, err = f.Under.Sessions(ctx, e, after, limit)
		return page, err
	})
	return page, next, err
}

func (f *Flaky) Passkey(ctx context.Context, c id.Credential) (passkey.Passkey, error) {
	return through(ctx, f, "Passkey", func(ctx context.Context) (passkey.Passkey, error) { return f.Under.Passkey(ctx, c) })
}

func (f *Flaky) Passkeys(ctx context.Context, ids []id.Credential) ([]passkey.Passkey, error) {
	return through(ctx, f, "Passkeys", func(ctx context.Context) ([]passkey.Passkey, error) { return f.Under.Passkeys(ctx, ids) })
}

func (f *Flaky) PutChallenge(ctx context.Context, c passkey.Challenge) error {
	_, err := through(ctx, f, "PutChallenge", func(ctx context.Context) (struct{}, error) { return struct{}{}, f.Under.PutChallenge(ctx, c) })
	return err
}

func (f *Flaky) TakeChallenge(ctx context.Context, c id.Challenge, now time.Time) (passkey.Challenge, error) {
	return through(ctx, f, "TakeChallenge", func(ctx context.Context) (passkey.Challenge, error) { return f.Under.TakeChallenge(ctx, c, now) })
}
