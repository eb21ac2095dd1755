// Package calendar says when rotations are due and when they may happen.
//
// A Schedule says when: every N days, or by a recurrence rule of RFC 5545, in a zone of the IANA database. Calendars say when
// not: a freeze forbids the times of its events, and where there are windows, only the times of their events are allowed. All
// of it is computed from names of zones and from local times, never from offsets that were stored: when a government moves
// the clock, what was planned for 03:00 stays at 03:00.
//
// Local times: one that a clock skips is taken by the offset before the gap (02:30 becomes 03:30), one that comes twice is the
// first of the two (RFC 5545, 3.3.5). Times are whole seconds.
//
// The package has its own expansion of rules. It is bounded whatever the rule, starts at any date at no cost, cannot fail, and
// leaves nothing in a binary that does not use it: the authorizer links the store, which knows calendars. Its tests hold it
// against github.com/teambition/rrule-go. The package knows neither HTTP nor storage.
package calendar

import (
	"time"

	"github.com/rekey-dev/rekey/pkg/id"
	"github.com/rekey-dev/rekey/pkg/place"
)

// Limits of a calendar.
const (
	MaxEvents  = 1000
	MaxUID     = 255 // bytes of an event's UID
	MaxSummary = 200 // characters of an event's summary; a longer one that is imported is cut
	MaxExcept  = 1000
	// MaxSize is what all events of a calendar may take together, in bytes, as Event.Size counts them.
	MaxSize = 280_000
	// MaxWalk is how many dates the rules of all events of a calendar may have looked at together, each time it is asked.
	MaxWalk = 110_000
	// Years of events and their exceptions.
	minYear, maxYear = 1900, 2199
	// maxRecurring is the longest that one occurrence of an event with a rule may last.
	maxRecurring = 366 * 24 * time.Hour
)

// Kind says what the events of a calendar are.
type Kind string

const (
	Freeze Kind = "freeze" // nothing starts while one of its events lasts
	Window Kind = "window" // where there is one, things start only while an event of a window lasts
)

// Calendar is a set of freezes or of windows at a place; the place, the ID and the kind never change.
type Calendar struct {
	ID            id.Calendar
	Place         place.Place
	Name          string
	Kind          Kind
	Zone          string // IANA name: where whole days begin and rules are read
	Events        []Event
	CreatedBy     string
	CreatedByName string
	CreatedAt     time.Time
	UpdatedAt     time.Time

	Version  int64 // the ETag
	EventSeq int64 // seq of the last audit record on the calendar
	// EventCount is the number of events, also where Events were not read.
	EventCount int
	// Policies is how many rotation policies name the calendar; only Use changes it.
	Policies int
}

// Create puts a new calendar. It is lost when the ID exists, a sibling has the name, or its node or company is not there.
type Create struct{ Calendar Calendar }

func (Create) Write() {}

// Update changes a calendar's name, zone and events. It is conditional on Old's version and event seq, and lost when a sibling
// has the new name. Both have all their events.
type Update struct{ Old, New Calendar }

func (Update) Write() {}

// Delete removes a calendar. It is conditional on its version and event seq, and on no policy naming it.
type Delete struct{ Old Calendar }

func (Delete) Write() {}

// Use counts a policy that names a calendar (By is 1) or names it no more (-1). It belongs into the very change of the policy,
// one for each calendar that comes or goes, and is lost when the calendar is not there. It changes neither version nor event
// seq.
type Use struct {
	Calendar id.Calendar
	By       int
}

func (Use) Write() {}

// Event is a span of time, or, with a Rule, a series of spans.
type Event struct {
	UID     string // unique in its calendar
	Summary string
	// Start and End are instants; End is the first moment after the event, and zero for one that never ends. Of an event of
	// whole days they are midnights in UTC, and only their dates count: the days are the calendar zone's.
	Start, End time.Time
	AllDay     bool
	// Rule is a recurrence rule as RFC 5545 writes it, "" for none. It is read in Zone, counts from Start, and fires at most
	// once a day; Start is an occurrence whether or not the rule says so.
	Rule   string
	Zone   string      // of the rule; "" for the calendar's
	Except []time.Time // starts of occurrences that do not take place
}

// Size is what an event takes in storage at most, in bytes.
func (e Event) Size() int {
	n := 90 + 15*len(e.Except)
	for _, s := range []string{e.UID, e.Summary, e.Rule, e.Zone} {
		n += len(s)
		for i := range len(s) {
			if s[i] == '"' || s[i] == '\\' {
				n++
			}
		}
	}
	return n
}

// Block is a reason why a moment is not allowed: a freeze that lasts, or the time until a window opens.
type Block struct {
	From, To time.Time // [From, To); To is zero when it never ends
	Calendar id.Calendar
	Summary  string
}

// Problem is what is wrong with a schedule or a calendar. Field is the member as the API names it, with "/" where it is deeper
// ("rrule", "events/3/start"); Detail completes a sentence that begins with the member.
type Problem struct{ Field, Detail string }

func (p *Problem) Error() string { return p.Field + " " + p.Detail }
