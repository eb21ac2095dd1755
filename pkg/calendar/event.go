package calendar

import (
	"slices"
	"time"
)

// occurrences goes through those of one event, in order.
type occurrences struct {
	event    Event
	block    Block // with what all have in common
	loc      *time.Location
	length   wall
	walk     *walk // nil without a rule
	first    wall
	single   bool // the start is still to come
	untilUTC time.Time
	last     time.Time
	except   map[int64]bool
}

// open goes through an event's occurrences that end after from and begin no later than to. An event that cannot be read (its
// zone is not in the database any more, say) is one that never ends in a freeze and never comes in a window: what is not
// understood allows nothing.
func (c Calendar) open(e Event, from, to time.Time, z *zones) *occurrences {
	o := &occurrences{event: e, block: Block{Calendar: c.ID, Summary: e.Summary}}
	name := c.Zone
	if e.Zone != "" && !e.AllDay {
		name = e.Zone
	}
	var err error
	if o.loc, err = z.get(name); err != nil {
		return unreadable(c, e)
	}
	start := o.wallOf(e.Start)
	o.first, o.single = start, true
	if e.AllDay {
		o.length = wall(e.End.Unix() - e.Start.Unix())
	}
	if e.Rule == "" {
		return o
	}
	r, err := parseRule(e.Rule)
	if err != nil || e.End.IsZero() {
		return unreadable(c, e)
	}
	if r.ends && r.untilUTC {
		o.untilUTC = time.Unix(int64(r.until), 0)
	}
	if len(e.Except) > 0 {
		o.except = make(map[int64]bool, len(e.Except))
		for _, x := range e.Except {
			o.except[x.Unix()] = true
		}
	}
	back := wallOf(from, o.loc) - wall(e.End.Unix()-e.Start.Unix()) - 2*day
	o.walk = r.begin(start).walkFrom(back, wallOf(to, o.loc))
	if back > start+day {
		o.single = false
	}
	return o
}

func unreadable(c Calendar, e Event) *occurrences {
	o := &occurrences{event: Event{Start: e.Start}, loc: time.UTC, first: wall(e.Start.Unix()),
		block: Block{Calendar: c.ID, Summary: "cannot be read: " + e.Summary}}
	o.single = c.Kind == Freeze
	return o
}

// wallOf is the local time of a start: that of whole days is written in UTC.
func (o *occurrences) wallOf(t time.Time) wall {
	if o.event.AllDay {
		return wall(t.Unix())
	}
	return wallOf(t, o.loc)
}

// next is the next occurrence; false at the end.
func (o *occurrences) next() (Block, bool) {
	for {
		at, ok := o.nextWall()
		if !ok {
			return Block{}, false
		}
		b := o.block
		b.From = at.in(o.loc)
		if at == o.first && !o.event.AllDay {
			b.From = o.event.Start // also in an hour that clocks show twice
		}
		if !o.untilUTC.IsZero() && at != o.first && b.From.After(o.untilUTC) {
			return Block{}, false
		}
		if o.excepted(at, b.From) || !o.last.IsZero() && !b.From.After(o.last) {
			continue // two local times can be the same instant where a clock skips a day
		}
		o.last = b.From
		switch {
		case o.event.End.IsZero():
		case o.event.AllDay:
			b.To = (at + o.length).in(o.loc)
		default:
			b.To = b.From.Add(o.event.End.Sub(o.event.Start))
		}
		return b, true
	}
}

// nextWall is the start, and then what the rule says.
func (o *occurrences) nextWall() (wall, bool) {
	if o.single {
		o.single = false
		return o.first, true
	}
	for o.walk != nil {
		at, ok := o.walk.next()
		if !ok {
			return 0, false
		}
		if at != o.first {
			return at, true
		}
	}
	return 0, false
}

func (o *occurrences) excepted(at wall, from time.Time) bool {
	if o.event.AllDay {
		return o.except[int64(at)]
	}
	return o.except[from.Unix()]
}

// Occurrences returns what an event of a calendar covers of a span of time, at most a number of blocks, in order. It is for
// showing; what is allowed, Allowed says.
func (c Calendar) Occurrences(e Event, from, to time.Time, most int) []Block {
	var out []Block
	for o := c.open(e, from, to, newZones()); len(out) < most; {
		b, ok := o.next()
		if !ok || !b.From.Before(to) {
			break
		}
		if b.To.IsZero() || b.To.After(from) {
			out = append(out, b)
		}
	}
	return slices.Clip(out)
}
