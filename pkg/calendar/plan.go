package calendar

import "time"

// maxPlanned is how many occurrences a plan has at most.
const maxPlanned = 1000

// Occurrence is one rotation that a schedule brings.
type Occurrence struct {
	// At is when it happens; zero when the calendars allow no moment within two years: it is overdue until a calendar is changed
	// or somebody rotates by hand.
	At time.Time
	// MovedFrom is when the schedule wanted it, zero when that is At; Why is what moved it.
	MovedFrom time.Time
	Why       []Block
}

// Plan returns what a schedule brings in [from, to), in order, at most 1,000 occurrences: each moved to the first moment that
// the calendars allow, the next one counted from there, because a rotation makes a key and its birth is the next anchor. The
// first is counted from the anchor; what was due before from and is held up into the plan's time belongs to it. An occurrence
// that is never allowed ends the plan.
func Plan(s Schedule, cals []Calendar, anchor, from, to time.Time) []Occurrence {
	return plan(s, cals, anchor, from, to, newZones())
}

func plan(s Schedule, cals []Calendar, anchor, from, to time.Time, z *zones) []Occurrence {
	back := from.AddDate(-aheadYears, 0, 0)
	line := newTimeline(cals, back, to, z)
	var out []Occurrence
	for after := back; len(out) < maxPlanned; {
		due, ok := s.next(anchor, after, z)
		if !ok || !due.Before(to) {
			break
		}
		at, why, ok := line.allowed(due)
		if ok && at.Before(from) { // in the past: the key is as old as it is nevertheless
			after = at // whatever was due until then came to the same moment
			continue
		}
		if ok && !at.Before(to) {
			break
		}
		o := Occurrence{At: at}
		if len(why) > 0 {
			o.MovedFrom, o.Why = due, why
		}
		out = append(out, o)
		if !ok {
			break
		}
		anchor, after = at, at
	}
	return out
}
