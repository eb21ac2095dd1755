package memstore

import (
	"context"

	"github.com/rekey-dev/rekey/pkg/accesstoken"
	"github.com/rekey-dev/rekey/pkg/id"
)

func (f *Flaky) Token(ctx context.Context, t id.PAT) (accesstoken.Token, error) {
	return through(ctx, f, "Token", func(ctx context.Context) (accesstoken.Token, error) { return f.Under.Token(ctx, t) })
}

func (f *Flaky) Tokens(ctx context.Context, ids []id.PAT) ([]accesstoken.Token, error) {
	return through(ctx, f, "Tokens", func(ctx context.Context) ([]accesstoken.Token, error) { return f.Under.Tokens(ctx, ids) })
}
