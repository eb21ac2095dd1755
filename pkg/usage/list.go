package usage

import (
	"cmp"
	"context"
	"slices"
	"strconv"
	"strings"
	"time"

	"github.com/rekey-dev/rekey/pkg/fault"
	"github.com/rekey-dev/rekey/pkg/id"
)

// Store reads rows.
type Store interface {
	// Usage returns rows of hours that begin in [from, to), newest hour first, at most limit; next is "" at the end. One call,
	// strongly consistent.
	Usage(ctx context.Context, k id.Key, from, to time.Time, after string, limit int) (rows []Row, next string, err error)
}

const (
	// pageRows is how many rows one call reads.
	pageRows = 1000
	// chunkRows is how many rows are added up for one answer, unless a single hour has more.
	chunkRows = 10_000
)

// Query asks for a part of a key's usage.
type Query struct {
	From, To time.Time // [From, To)
	Verdict  Verdict   // "" for every one
	After    string    // position to go on from
	Limit    int
}

// Page is a part of the answer: rows added up, last used first.
type Page struct {
	Rows []Row
	Next string // position to go on from; "" at the end
}

// List adds up what a key was used for in [q.From, q.To): one row for each source, user agent, API, method, route and verdict,
// last used first. Rows are of whole hours: one belongs to the answer with all of its count when any of its requests was in
// that time. more are rows from elsewhere, to be listed with them.
//
// An answer adds up at most 10,000 rows, and whole hours. Where there are more it goes on with the hours before, and what is
// listed already is listed again with its count in those.
func List(ctx context.Context, s Store, k id.Key, q Query, more []Row) (Page, error) {
	at := position{from: q.From, to: q.To}
	if q.After != "" {
		var ok bool
		if at, ok = parsePosition(q.After); !ok {
			return Page{}, fault.InvalidField("/cursor", "is not of this list")
		}
	}
	most := chunkRows
	if !at.low.IsZero() {
		most = 0 // the same hours as on the page before
	}
	rows, low, err := read(ctx, s, k, cmp.Or(at.low, at.from), at.to, most)
	if err != nil {
		return Page{}, err
	}
	for _, r := range more {
		if !r.LastAt.Before(low) || !low.After(HourOf(at.from)) {
			rows = append(rows, r)
		}
	}
	rows = slices.DeleteFunc(rows, func(r Row) bool {
		return r.LastAt.Before(at.from) || !r.FirstAt.Before(at.to) || q.Verdict != "" && r.Verdict != q.Verdict
	})
	sums := Sum(rows)
	begin := 0
	if at.group != "" {
		begin, _ = slices.BinarySearchFunc(sums, at, func(r Row, p position) int {
			return cmp.Or(p.last.Compare(r.LastAt), strings.Compare(group(r), p.group), -1)
		})
	}
	out := Page{Rows: sums[begin:]}
	switch {
	case len(out.Rows) > q.Limit:
		last := out.Rows[q.Limit-1]
		out.Rows = out.Rows[:q.Limit]
		out.Next = position{from: at.from, to: at.to, low: low, last: last.LastAt, group: group(last)}.text()
	case low.After(HourOf(at.from)):
		out.Next = position{from: at.from, to: low}.text()
	}
	return out, nil
}

// Since adds up what a key was used for from a moment to another, last used first: everything that a right secret of it did,
// and what was refused to one. It reads every row.
func Since(ctx context.Context, s Store, k id.Key, from, to time.Time) ([]Row, error) {
	rows, _, err := read(ctx, s, k, from, to, 0)
	if err != nil {
		return nil, err
	}
	return Sum(slices.DeleteFunc(rows, func(r Row) bool { return r.LastAt.Before(from) || !r.FirstAt.Before(to) })), nil
}

// Latest returns the newest rows of hours in [from, to), about most of them at most, and not added up.
func Latest(ctx context.Context, s Store, k id.Key, from, to time.Time, most int) ([]Row, error) {
	rows, _, err := read(ctx, s, k, from, to, most)
	return rows, err
}

// read returns the rows of hours that reach into [from, to), newest first. With most it stops after about as many, at the end
// of an hour; low is the hour that it went down to.
func read(ctx context.Context, s Store, k id.Key, from, to time.Time, most int) (rows []Row, low time.Time, err error) {
	low = HourOf(from)
	for after := ""; ; {
		part, next, err := s.Usage(ctx, k, low, to, after, pageRows)
		if err != nil {
			return nil, low, err
		}
		rows = append(rows, part...)
		if next == "" {
			return rows, low, nil
		}
		after = next
		if most == 0 || len(rows) < most {
			continue
		}
		hour := rows[len(rows)-1].Hour // may have more
		if whole := slices.IndexFunc(rows, func(r Row) bool { return r.Hour.Equal(hour) }); whole > 0 {
			return rows[:whole], hour.Add(time.Hour), nil
		}
	}
}

// Sum adds up rows of the same source, user agent, API, method, route and verdict, last used first.
func Sum(rows []Row) []Row { return sum(rows, group) }

// Senders adds up rows of the same source and user agent, last used first. What else the rows say is left out.
func Senders(rows []Row) []Row {
	only := make([]Row, len(rows))
	for i, r := range rows {
		only[i] = Row{Key: r.Key, Source: r.Source, UserAgent: r.UserAgent, Count: r.Count, FirstAt: r.FirstAt, LastAt: r.LastAt}
	}
	return sum(only, group)
}

func sum(rows []Row, by func(Row) string) []Row {
	index := make(map[string]int, len(rows))
	var out []Row
	for _, r := range rows {
		i, ok := index[by(r)]
		if !ok {
			r.Hour = time.Time{}
			index[by(r)] = len(out)
			out = append(out, r)
			continue
		}
		into := &out[i]
		into.Count += r.Count
		if r.FirstAt.Before(into.FirstAt) {
			into.FirstAt = r.FirstAt
		}
		if r.LastAt.After(into.LastAt) {
			into.LastAt = r.LastAt
		}
	}
	slices.SortFunc(out, func(a, b Row) int { return cmp.Or(b.LastAt.Compare(a.LastAt), strings.Compare(by(a), by(b))) })
	return out
}

// group tells what is added up from what is not. No part but the user agent, which is the last, has a "|".
func group(r Row) string {
	return strings.Join([]string{string(r.Verdict), r.Source, r.API, r.Method, r.Route, r.UserAgent}, "|")
}

// position is where a page ended: in the chunk of hours from low to to, after a row. Without low the chunk is still to be read.
type position struct {
	from, to, low, last time.Time
	group               string
}

func (p position) text() string {
	ms := func(t time.Time) string {
		if t.IsZero() {
			return ""
		}
		return strconv.FormatInt(t.UnixMilli(), 10)
	}
	return strings.Join([]string{ms(p.from), ms(p.to), ms(p.low), ms(p.last), p.group}, "|")
}

func parsePosition(s string) (position, bool) {
	parts := strings.SplitN(s, "|", 5)
	if len(parts) != 5 {
		return position{}, false
	}
	p := position{group: parts[4]}
	for i, into := range []*time.Time{&p.from, &p.to, &p.low, &p.last} {
		if parts[i] == "" {
			continue
		}
		n, err := strconv.ParseInt(parts[i], 10, 64)
		if err != nil {
			return position{}, false
		}
		*into = time.UnixMilli(n).UTC()
	}
	return p, true
}
