package memstore

import (
	"bytes"
	"context"
	"time"

	"github.com/rekey-dev/rekey/pkg/change"
	"github.com/rekey-dev/rekey/pkg/id"
	"github.com/rekey-dev/rekey/pkg/onetime"
)

func copyCode(c onetime.Code) onetime.Code {
	c.MAC = bytes.Clone(c.MAC)
	return c
}

func (t *transaction) createCode(w onetime.Create) string {
	c := copyCode(w.Code)
	if _, ok := t.codes[c.ID]; ok {
		return "the code exists"
	}
	t.touch("code " + string(c.ID))
	t.then(func() { t.codes[c.ID] = c })
	return ""
}

func (t *transaction) spendCode(w onetime.Spend) string {
	c, ok := t.codes[w.Code.ID]
	if !ok || !c.UsedAt.IsZero() || !w.At.Before(c.ExpiresAt) {
		return "the code is gone, used or expired"
	}
	t.touch("code " + string(c.ID))
	t.then(func() {
		c := t.codes[w.Code.ID]
		c.UsedAt = w.At
		t.codes[c.ID] = c
	})
	return ""
}

// TakeTry reserves a try of a code that is open.
func (s *Store) TakeTry(ctx context.Context, c id.Invitation, now time.Time) (onetime.Code, error) {
	defer s.mu.Unlock()
	if err := s.begin(ctx); err != nil {
		return onetime.Code{}, err
	}
	found, ok := s.codes[c]
	if !ok || !found.Open(now) {
		return onetime.Code{}, &change.Lost{Reason: "the code is not there or not open"}
	}
	found.Tries++
	s.codes[c] = found
	return copyCode(found), nil
}

// ReturnTry gives a reserved try back.
func (s *Store) ReturnTry(ctx context.Context, c id.Invitation) error {
	defer s.mu.Unlock()
	if err := s.begin(ctx); err != nil {
		return err
	}
	found, ok := s.codes[c]
	if !ok || found.Tries < 1 {
		return &change.Lost{Reason: "no try of the code is reserved"}
	}
	found.Tries--
	s.codes[c] = found
	return nil
}

func (f *Flaky) TakeTry(ctx context.Context, c id.Invitation, now time.Time) (onetime.Code, error) {
	return through(ctx, f, "TakeTry", func(ctx context.Context) (onetime.Code, error) { return f.Under.TakeTry(ctx, c, now) })
}

func (f *Flaky) ReturnTry(ctx context.Context, c id.Invitation) error {
	return effect(ctx, f, "ReturnTry", func(ctx context.Context) error { return f.Under.ReturnTry(ctx, c) })
}
