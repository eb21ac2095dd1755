package policy

import (
	"context"

	"github.com/rekey-dev/rekey/pkg/calendar"
	"github.com/rekey-dev/rekey/pkg/fault"
	"github.com/rekey-dev/rekey/pkg/id"
	"github.com/rekey-dev/rekey/pkg/place"
)

// Calendars reads those calendars that are there and whose place covers a place, with their events.
func Calendars(ctx context.Context, read func(context.Context, id.Calendar) (calendar.Calendar, error), ids []id.Calendar, at place.Place) ([]calendar.Calendar, error) {
	var out []calendar.Calendar
	for _, one := range ids {
		found, err := read(ctx, one)
		switch {
		case fault.Is(err, fault.NotFound):
		case err != nil:
			return nil, err
		case found.Place.Covers(at):
			out = append(out, found)
		}
	}
	return out, nil
}
