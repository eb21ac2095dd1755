package policy

import (
	"context"
	"time"

	"github.com/rekey-dev/rekey/pkg/calendar"
	"github.com/rekey-dev/rekey/pkg/call"
	"github.com/rekey-dev/rekey/pkg/fault"
	"github.com/rekey-dev/rekey/pkg/id"
	"github.com/rekey-dev/rekey/pkg/serviceaccount"
)

// Bounds of a preview.
const (
	MaxPreview   = 10 * 366 * day // from its begin to its end
	MaxAnchorAge = 10 * 366 * day // from the birth of the secret to the preview's begin
)

// Window is what a preview is of: [From, To), for a secret that was made at Anchor.
type Window struct{ Anchor, From, To time.Time }

func (w Window) check() error {
	switch {
	case !w.From.Before(w.To):
		return fault.InvalidField("/to", "is not after from")
	case w.To.Sub(w.From) > MaxPreview:
		return fault.InvalidField("/to", "is more than ten years after from")
	case w.Anchor.After(w.From):
		return fault.InvalidField("/anchor", "is after from")
	case w.From.Sub(w.Anchor) > MaxAnchorAge:
		return fault.InvalidField("/anchor", "is more than ten years before from")
	}
	return nil
}

// Preview returns when a key at a policy's attachment would rotate by itself, in order, at most 1,000 times: by the schedule and
// the calendars that hold there, the inherited ones too, each rotation being the anchor of the next. Without a schedule it is
// empty.
func (s *Service) Preview(ctx context.Context, c call.Call, p id.Policy, w Window) ([]calendar.Occurrence, error) {
	found, err := s.Get(ctx, c, p)
	if err != nil {
		return nil, err
	}
	if err := w.check(); err != nil {
		return nil, err
	}
	e, err := s.at(ctx, found)
	if err != nil || e.Schedule.Value == nil {
		return nil, err
	}
	calendars, err := Calendars(ctx, s.Store.Calendar, e.Calendars.Value, found.Place)
	if err != nil {
		return nil, err
	}
	return calendar.Plan(*e.Schedule.Value, calendars, w.Anchor, w.From, w.To), nil
}

// at returns what holds where a policy is attached.
func (s *Service) at(ctx context.Context, p Policy) (Effective, error) {
	if p.AttachedTo.Kind == ServiceAccount {
		return Resolve(ctx, s.Store, serviceaccount.Account{ID: id.ServiceAccount(p.AttachedTo.ID), Place: p.Place})
	}
	return ResolveAt(ctx, s.Store, p.Place)
}
