package rotation

import (
	"context"
	"time"

	"github.com/rekey-dev/rekey/pkg/apikey"
	"github.com/rekey-dev/rekey/pkg/calendar"
	"github.com/rekey-dev/rekey/pkg/policy"
)

// Planned is what a policy's schedule and calendars had to do with the beginning of a rotation.
type Planned struct {
	Due time.Time // when the schedule wanted it; zero when somebody asked for it
	// Blocks are what held up a rotation by the schedule, or what one that somebody asked for was begun in spite of; the last
	// MaxBlocks.
	Blocks []calendar.Block
}

// MaxBlocks is how many blocks a rotation keeps.
const MaxBlocks = 5

// InSpite tells whether somebody began the rotation at a time at which the calendars allow none: an exception.
func (p Planned) InSpite() bool { return p.Due.IsZero() && len(p.Blocks) > 0 }

// planned is for a rotation that begins now. An emergency asks no calendar.
func (s *Service) planned(ctx context.Context, k apikey.Key, in Start, terms Policy, now time.Time) (Planned, error) {
	var p Planned
	switch {
	case in.planned != nil:
		p = *in.planned
	case in.Mode == Emergency || len(terms.Effective.Calendars.Value) == 0:
		return Planned{}, nil
	default:
		calendars, err := policy.Calendars(ctx, s.Store.Calendar, terms.Effective.Calendars.Value, k.Place)
		if err != nil {
			return Planned{}, err
		}
		if len(calendars) > 0 {
			if at, why, ok := calendar.Allowed(calendars, now); !ok || at.After(now) {
				p.Blocks = why[:1]
			}
		}
	}
	p.Blocks = p.Blocks[max(0, len(p.Blocks)-MaxBlocks):]
	return p, nil
}
