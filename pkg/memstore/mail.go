package memstore

import (
	"cmp"
	"context"
	"slices"
	"time"

	"github.com/rekey-dev/rekey/pkg/change"
	"github.com/rekey-dev/rekey/pkg/id"
	"github.com/rekey-dev/rekey/pkg/mailbox"
)

// mail is what waits to be told to people.
type mail struct {
	told  map[id.Event][]mailbox.Recipient
	lines map[mailbox.Recipient]map[id.Event]mailbox.Line
	boxes map[mailbox.Recipient]mailbox.Box
	wakes map[mailbox.Wake]string // marks, by the row without its mark
}

func newMail() mail {
	return mail{told: map[id.Event][]mailbox.Recipient{}, lines: map[mailbox.Recipient]map[id.Event]mailbox.Line{},
		boxes: map[mailbox.Recipient]mailbox.Box{}, wakes: map[mailbox.Wake]string{}}
}

// AddLines puts the lines of an event, unless they were put before.
func (s *Store) AddLines(ctx context.Context, e id.Event, lines []mailbox.Line) ([]mailbox.Recipient, error) {
	defer s.mu.Unlock()
	if err := s.begin(ctx); err != nil {
		return nil, err
	}
	if told, ok := s.told[e]; ok {
		return slices.Clone(told), nil
	}
	var told []mailbox.Recipient
	for _, l := range lines {
		r := mailbox.RecipientOf(l.Address)
		if l.Event != e || slices.Contains(told, r) {
			panic("memstore: a line of another event, or two of one for " + l.Address)
		}
		told = append(told, r)
		put(s.lines, r, e, l)
	}
	if len(told) == 0 || len(told) > 20 {
		panic("memstore: no lines, or more than 20, of an event")
	}
	s.told[e] = told
	return slices.Clone(told), nil
}

func row(w mailbox.Wake) mailbox.Wake {
	return mailbox.Wake{At: w.At.UTC(), Recipient: w.Recipient}
}

// Wake puts a row, or marks the one that is there.
func (s *Store) Wake(ctx context.Context, w mailbox.Wake) error {
	defer s.mu.Unlock()
	if err := s.begin(ctx); err != nil {
		return err
	}
	if !w.At.Equal(w.At.Truncate(time.Minute)) {
		panic("memstore: a row that is not of a whole minute")
	}
	s.wakes[row(w)] = w.Mark
	return nil
}

// Wakes returns rows that are due, the earliest first.
func (s *Store) Wakes(ctx context.Context, now time.Time, limit int) ([]mailbox.Wake, error) {
	defer s.mu.Unlock()
	if err := s.begin(ctx); err != nil {
		return nil, err
	}
	var out []mailbox.Wake
	for w, mark := range s.wakes {
		if !w.At.After(now) {
			w.Mark = mark
			out = append(out, w)
		}
	}
	slices.SortFunc(out, func(a, b mailbox.Wake) int { return cmp.Or(a.At.Compare(b.At), cmp.Compare(a.Recipient, b.Recipient)) })
	return out[:min(limit, len(out))], nil
}

// Unwake takes a row away that has the mark that was read.
func (s *Store) Unwake(ctx context.Context, w mailbox.Wake) error {
	defer s.mu.Unlock()
	if err := s.begin(ctx); err != nil {
		return err
	}
	if mark, ok := s.wakes[row(w)]; !ok || mark != w.Mark {
		return &change.Lost{Reason: "asked for again, or gone"}
	}
	delete(s.wakes, row(w))
	return nil
}

// Mailbox returns what is known of a recipient, and at most limit of their lines.
func (s *Store) Mailbox(ctx context.Context, r mailbox.Recipient, limit int) (mailbox.Box, []mailbox.Line, error) {
	defer s.mu.Unlock()
	if err := s.begin(ctx); err != nil {
		return mailbox.Box{}, nil, err
	}
	var out []mailbox.Line
	for _, l := range s.lines[r] {
		out = append(out, l)
	}
	slices.SortFunc(out, func(a, b mailbox.Line) int { return cmp.Compare(a.Event, b.Event) })
	return s.boxes[r], out[:min(limit, len(out))], nil
}

// SaveBox changes a box from what was read, and takes lines away.
func (s *Store) SaveBox(ctx context.Context, r mailbox.Recipient, old, next mailbox.Box, done []id.Event) error {
	defer s.mu.Unlock()
	if err := s.begin(ctx); err != nil {
		return err
	}
	if next.Version != old.Version+1 {
		panic("memstore: a box whose version is not the next")
	}
	if s.boxes[r].Version != old.Version {
		return &change.Lost{Reason: "the box is another"}
	}
	s.boxes[r] = next
	for _, e := range done {
		delete(s.lines[r], e)
	}
	return nil
}
