package verify

import (
	"context"
	"strings"
	"sync"
	"time"

	"github.com/rekey-dev/rekey/pkg/id"
	"github.com/rekey-dev/rekey/pkg/usage"
)

// tally counts what right secrets of keys are used for, by source, route and verdict.
//
// The first request that an environment sees of a row in an hour is written before it is answered. What follows is counted in
// memory and written along with what is written of the key anyway (the last use of a minute, a sighting, another row), but of a
// row only when as many minutes have passed since it was last written as between that and its first request: in the minutes 1,
// 2, 4, 8, 16 and 32 of its hour, and after it; seven writes instead of sixty. So a reader is told about half of what an
// environment has counted, or more, and what it holds when it ends is lost.
//
// After a failure the rows of the key rest for a second, so that a store which refuses them is not waited for in every request:
// only a row that was never tried is. What failed is lost as a count, as it may be written all the same; as a row, who and where,
// it stays to be written until the hour after its own is over.
type tally struct {
	mu   sync.Mutex
	rows map[sender]*row
	keys map[string]*keyRows
}

// sender is one row of a key, whatever the hour.
type sender struct {
	key, address, api, method, route string
	verdict                          usage.Verdict
}

// row is one row of one hour.
type row struct {
	sender
	hour    int64 // since 1970
	agent   string
	count   int64 // that is not written
	first   time.Time
	last    time.Time
	written time.Time // zero while it is not there
	tried   bool      // to write it
}

// keyRows are the rows of a key: those of its hour, and those of the hour before that are not written yet.
type keyRows struct {
	hour   int64
	own    int // of the hour, without the shared ones
	rows   []*row
	failed time.Time // when a row could not be written
}

// rests tells whether a row could not be written just now. A clock that is put back ends it.
func (k *keyRows) rests(now time.Time) bool {
	since := now.Sub(k.failed)
	return since >= 0 && since < tallyRest
}

const (
	// maxRows bounds the rows in memory: about 5 MB.
	maxRows = 10_000
	// rowsAtOnce bounds what one request writes; the rest is for the next one.
	rowsAtOnce = 25
	// tallyParallelism is how many rows are written at the same time.
	tallyParallelism = 8
	// tallyRest is how long a key's rows are not tried again after a failure.
	tallyRest = time.Second
)

// note counts a request of a key, and tells whether its row is to be written before the answer. It allocates nothing where the
// row is written in this hour already.
func (v *Verifier) note(out Verdict, o Origin, verdict usage.Verdict, now time.Time) bool {
	if o.Route == "" || out.Credential.ofEmployee() {
		return false
	}
	return v.tally.count(sender{out.Credential.ID, o.Address, o.API, o.Method, o.Route, verdict}, o.UserAgent, now)
}

func (t *tally) count(s sender, agent string, now time.Time) (first bool) {
	hour := now.Unix() / 3600
	t.mu.Lock()
	defer t.mu.Unlock()
	if r := t.rows[s]; r != nil && r.hour == hour {
		return t.add(r, agent, now)
	}
	k := t.turn(s.key, hour)
	if k.own >= usage.RowsAnHour {
		s.address, s.api, s.method, s.route = usage.Other, "", "", usage.Other
		if r := t.rows[s]; r != nil && r.hour == hour {
			return t.add(r, agent, now)
		}
	} else {
		k.own++
	}
	s.key, s.address, s.api, s.method, s.route = strings.Clone(s.key), strings.Clone(s.address), strings.Clone(s.api),
		strings.Clone(s.method), strings.Clone(s.route) // what they were cut from is not kept
	r := &row{sender: s, hour: hour, agent: agent, count: 1, first: now, last: now}
	t.rows[s] = r
	k.rows = append(k.rows, r)
	return true
}

func (t *tally) add(r *row, agent string, now time.Time) (first bool) {
	r.count++
	r.agent, r.last = agent, now
	return r.written.IsZero() && !t.keys[r.key].rests(now)
}

// turn returns the rows of a key, turned to an hour: of the hour before only what is not written stays, and nothing of others.
func (t *tally) turn(key string, hour int64) *keyRows {
	t.makeRoom(hour)
	k := t.keys[key]
	if k == nil {
		k = &keyRows{hour: hour}
		t.keys[strings.Clone(key)] = k
	}
	if k.hour == hour {
		return k
	}
	var kept []*row
	for _, r := range k.rows {
		if t.rows[r.sender] == r {
			delete(t.rows, r.sender)
		}
		if (r.count > 0 || r.written.IsZero()) && r.hour == hour-1 {
			kept = append(kept, r)
		}
	}
	k.hour, k.own, k.rows = hour, 0, kept
	return k
}

// makeRoom lets go of what is of an hour that has ended when there are too many rows, and of everything when that is not enough:
// it is counted anew then.
func (t *tally) makeRoom(hour int64) {
	if t.rows == nil {
		t.rows, t.keys = make(map[sender]*row), make(map[string]*keyRows)
	}
	if len(t.rows) < maxRows {
		return
	}
	for name, k := range t.keys {
		if k.hour != hour {
			for _, r := range k.rows {
				delete(t.rows, r.sender)
			}
			delete(t.keys, name)
		}
	}
	if len(t.rows) >= maxRows {
		t.rows, t.keys = make(map[sender]*row), make(map[string]*keyRows)
	}
}

// writing is a row that is being written.
type writing struct {
	row  *row
	what usage.Row
	anew bool // it is not there yet
}

// take returns what is to be written of a key now, those that are not there yet first, and counts it as written.
func (t *tally) take(key string, now time.Time) []writing {
	hour := now.Unix() / 3600
	t.mu.Lock()
	defer t.mu.Unlock()
	k := t.keys[key]
	if k == nil {
		return nil
	}
	rests := k.rests(now)
	var out []writing
	for _, anew := range []bool{true, false} {
		for _, r := range k.rows {
			if len(out) < rowsAtOnce && r.written.IsZero() == anew && (anew || r.count > 0 && r.due(hour, now)) && !(rests && r.tried) {
				out = append(out, writing{row: r, what: r.usage(), anew: anew})
				r.count, r.written, r.tried = 0, now, true
			}
		}
	}
	return out
}

// due tells whether as many minutes have passed since the row was written as between that and its first request, one at least.
func (r *row) due(hour int64, now time.Time) bool {
	first, written := r.first.Unix()/60, r.written.Unix()/60
	return r.hour != hour || now.Unix()/60-written >= max(1, written-first)
}

func (r *row) usage() usage.Row {
	return usage.Row{Key: id.Key(r.key), Hour: time.Unix(r.hour*3600, 0).UTC(), Source: r.address, UserAgent: r.agent, API: r.api,
		Method: r.method, Route: r.route, Verdict: r.verdict, Count: r.count, FirstAt: r.first, LastAt: r.last}
}

// failed takes back that a row is there. Its count is lost, as it may be written all the same.
func (t *tally) failed(w writing, now time.Time) {
	t.mu.Lock()
	defer t.mu.Unlock()
	if w.anew {
		w.row.written = time.Time{}
	}
	if k := t.keys[w.row.key]; k != nil {
		k.failed = now
	}
}

// flush writes what is to be written of the credential's rows, some at the same time, and returns when all have ended.
func (v *Verifier) flush(ctx context.Context, out Verdict, now time.Time) {
	if ctx.Err() != nil {
		return // the other write took all the time that there is
	}
	rows := v.tally.take(out.Credential.ID, now)
	errs := make([]error, len(rows))
	write := func(i int) { errs[i] = v.Store.Tally(ctx, rows[i].what) }
	if len(rows) == 1 {
		write(0)
	} else {
		var all sync.WaitGroup
		for begin := range min(len(rows), tallyParallelism) {
			all.Go(func() {
				for i := begin; i < len(rows); i += tallyParallelism {
					write(i)
				}
			})
		}
		all.Wait()
	}
	for i, err := range errs {
		if err != nil {
			v.tally.failed(rows[i], now)
			v.failed(Usage, err)
		}
	}
}
