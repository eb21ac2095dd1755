package rekeytest

import (
	"encoding/json"
	"slices"

	"github.com/stretchr/testify/require"

	"github.com/rekey-dev/rekey/pkg/audit"
)

// Records returns the audit records of an action, in their order. The change of a user.updated counts as its action.
func (w *World) Records(action string) []audit.Event {
	var out []audit.Event
	for _, e := range w.Mem.Events() {
		if e.Action == action || e.Details["change"] == action {
			out = append(out, e)
		}
	}
	slices.SortStableFunc(out, func(a, b audit.Event) int { return int(a.Seq - b.Seq) })
	return out
}

// AllRecords are the records of every action, in the order in which they were made.
func (w *World) AllRecords() []audit.Event { return w.Mem.Events() }

// Record requires that there is one record of an action, and returns it.
func (w *World) Record(action string) audit.Event {
	w.T.Helper()
	got := w.Records(action)
	require.Len(w.T, got, 1, "records of "+action)
	return got[0]
}

// Changed runs a part of a test and returns how many records it left.
func (w *World) Changed(part func()) int {
	before := len(w.Mem.Events())
	part()
	return len(w.Mem.Events()) - before
}

// Calls runs a part of a test and returns the methods of the store that it called, in order.
func (w *World) Calls(part func()) []string {
	w.Store.Reset()
	part()
	return w.Store.Calls()
}

// Writes are the store's methods that write.
var Writes = []string{"Commit", "Count", "Announce", "Use", "See", "Deny", "Remember", "Tally"}

// WritesOf are those of a list of calls that write.
func WritesOf(calls []string) []string {
	var out []string
	for _, c := range calls {
		if slices.Contains(Writes, c) {
			out = append(out, c)
		}
	}
	return out
}

// judge holds the world against what holds in every world.
func (w *World) judge() {
	type target struct{ noun, id string }
	seqs := map[target][]int64{}
	bodies := make(map[string]bool, len(w.secrets))
	for _, s := range w.secrets {
		if text := s.Reveal(); len(text) >= 68 {
			bodies[text[25:68]] = true
		}
	}
	for _, e := range w.Mem.Events() {
		text, err := json.Marshal(e)
		require.NoError(w.T, err)
		if holds(text, bodies) {
			w.T.Errorf("the audit record %s holds a secret", e.Action)
		}
		if e.Outcome == audit.OK {
			t := target{e.Target.Type, e.Target.ID}
			seqs[t] = append(seqs[t], e.Seq)
		} else if e.Seq != 0 {
			w.T.Errorf("the denied record %s has a seq", e.Action)
		}
	}
	for t, got := range seqs {
		slices.Sort(got)
		for i, seq := range got {
			if seq != int64(i+1) {
				w.T.Errorf("the records of %s %s are numbered %v", t.noun, t.id, got)
				break
			}
		}
	}
}

// holds tells whether one of the bodies of secrets, of 43 letters and digits each, stands in a text: it looks where there are as
// many of those in a row.
func holds(text []byte, bodies map[string]bool) bool {
	const length = 68 - 25
	row := 0
	for i, c := range text {
		if c < '0' || c > '9' && c < 'A' || c > 'Z' && c < 'a' || c > 'z' {
			row = 0
			continue
		}
		if row++; row >= length && bodies[string(text[i+1-length:i+1])] {
			return true
		}
	}
	return false
}
