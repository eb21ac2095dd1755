package calendar

import (
	"container/heap"
	"time"
)

const (
	// aheadYears is how far ahead an allowed moment is looked for.
	aheadYears = 2
	// maxWhy is how many blocks are named at most: the first ones.
	maxWhy = 100
)

// Allowed returns the first moment, at or after a time, that no freeze covers and, if there are windows, that a window covers;
// and what stood in the way of every moment before it, at most 100 blocks. Of freezes that overlap, those are named that reach
// furthest. It reports false when there is no such moment within two years; the last block is then what does not end.
//
// It goes through each occurrence of each event at most once, in the order of time: its cost grows with their number and not
// with how they overlap.
func Allowed(cals []Calendar, at time.Time) (from time.Time, why []Block, ok bool) {
	return newTimeline(cals, at, at, newZones()).allowed(at)
}

// timeline answers Allowed for times that only grow.
type timeline struct {
	freezes, windows stream
	windowed         bool
	window           Block // to name what is outside of all windows
}

func newTimeline(cals []Calendar, from, to time.Time, z *zones) *timeline {
	t := &timeline{}
	to = to.AddDate(aheadYears, 0, 1)
	for _, c := range cals {
		s := &t.freezes
		if c.Kind != Freeze {
			s = &t.windows
			if !t.windowed {
				t.windowed, t.window = true, Block{Calendar: c.ID, Summary: "outside of " + c.Name}
			}
		}
		for _, e := range c.Events {
			s.add(c.open(e, from, to, z))
		}
	}
	heap.Init(&t.freezes.ahead)
	heap.Init(&t.windows.ahead)
	return t
}

func (t *timeline) allowed(at time.Time) (time.Time, []Block, bool) {
	limit := at.AddDate(aheadYears, 0, 0)
	var why []Block
	blocked := func(b Block) {
		if len(why) < maxWhy || b.To.IsZero() {
			why = append(why, b)
		}
	}
	for !at.After(limit) {
		if b, ok := t.freezes.cover(at); ok {
			blocked(b)
			if b.To.IsZero() {
				return time.Time{}, why, false
			}
			at = b.To
			continue
		}
		if !t.windowed {
			return at, why, true
		}
		if _, ok := t.windows.cover(at); ok {
			return at, why, true
		}
		b := t.window
		b.From = at
		next, ok := t.windows.start()
		if !ok || next.After(limit) {
			blocked(b)
			return time.Time{}, why, false
		}
		b.To = next
		blocked(b)
		at = next
	}
	return time.Time{}, why, false
}

// stream brings the occurrences of many events in the order of their beginnings.
type stream struct {
	ahead  queue
	reach  Block // of those that have begun, the one that reaches furthest
	begun  bool
	passed int // how many occurrences have begun: what the cost is measured by
}

func (s *stream) add(o *occurrences) {
	if b, ok := o.next(); ok {
		s.ahead = append(s.ahead, source{b, o})
	}
}

// cover returns, of the occurrences that cover a time, one that reaches furthest.
func (s *stream) cover(at time.Time) (Block, bool) {
	for len(s.ahead) > 0 && !s.ahead[0].next.From.After(at) {
		first := &s.ahead[0]
		b := first.next
		s.passed++
		if !s.begun || !s.reach.To.IsZero() && (b.To.IsZero() || b.To.After(s.reach.To)) {
			s.reach, s.begun = b, true
		}
		var ok bool
		if first.next, ok = first.of.next(); ok {
			heap.Fix(&s.ahead, 0)
		} else {
			heap.Pop(&s.ahead)
		}
	}
	return s.reach, s.begun && (s.reach.To.IsZero() || s.reach.To.After(at))
}

// start is when the next occurrence begins, once cover has been asked.
func (s *stream) start() (time.Time, bool) {
	if len(s.ahead) == 0 {
		return time.Time{}, false
	}
	return s.ahead[0].next.From, true
}

// queue is a heap of events by the beginning of their next occurrences.
type queue []source

type source struct {
	next Block
	of   *occurrences
}

func (q queue) Len() int           { return len(q) }
func (q queue) Less(i, j int) bool { return q[i].next.From.Before(q[j].next.From) }
func (q queue) Swap(i, j int)      { q[i], q[j] = q[j], q[i] }
func (q *queue) Push(x any)        { *q = append(*q, x.(source)) }
func (q *queue) Pop() any {
	last := len(*q) - 1
	x := (*q)[last]
	*q = (*q)[:last]
	return x
}
