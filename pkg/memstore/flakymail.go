package memstore

import (
	"context"
	"time"

	"github.com/rekey-dev/rekey/pkg/id"
	"github.com/rekey-dev/rekey/pkg/mailbox"
)

func (f *Flaky) AddLines(ctx context.Context, e id.Event, lines []mailbox.Line) ([]mailbox.Recipient, error) {
	return through(ctx, f, "AddLines", func(ctx context.Context) ([]mailbox.Recipient, error) {
		return f.Under.AddLines(ctx, e, lines)
	})
}

func (f *Flaky) Wake(ctx context.Context, w mailbox.Wake) error {
	return effect(ctx, f, "Wake", func(ctx context.Context) error { return f.Under.Wake(ctx, w) })
}

func (f *Flaky) Wakes(ctx context.Context, now time.Time, limit int) ([]mailbox.Wake, error) {
	return through(ctx, f, "Wakes", func(ctx context.Context) ([]mailbox.Wake, error) { return f.Under.Wakes(ctx, now, limit) })
}

func (f *Flaky) Unwake(ctx context.Context, w mailbox.Wake) error {
	return effect(ctx, f, "Unwake", func(ctx context.Context) error { return f.Under.Unwake(ctx, w) })
}

func (f *Flaky) Mailbox(ctx context.Context, r mailbox.Recipient, limit int) (mailbox.Box, []mailbox.Line, error) {
	type found struct {
		box   mailbox.Box
		lines []mailbox.Line
	}
	m, err := through(ctx, f, "Mailbox", func(ctx context.Context) (found, error) {
		box, lines, err := f.Under.Mailbox(ctx, r, limit)
		return found{box, lines}, err
	})
	return m.box, m.lines, err
}

func (f *Flaky) SaveBox(ctx context.Context, r mailbox.Recipient, old, next mailbox.Box, done []id.Event) error {
	return effect(ctx, f, "SaveBox", func(ctx context.Context) error { return f.Under.SaveBox(ctx, r, old, next, done) })
}
