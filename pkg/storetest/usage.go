package storetest

import (
	"slices"
	"time"

	"github.com/rekey-dev/rekey/pkg/apikey"
	"github.com/rekey-dev/rekey/pkg/id"
	"github.com/rekey-dev/rekey/pkg/usage"
)

// tallied is a row of a key in the test's hour.
func (w *world) tallied(k apikey.Key, n int64) usage.Row {
	return usage.Row{Key: k.ID, Hour: usage.HourOf(w.now), Source: home, UserAgent: "exporter/1", API: usage.Own, Method: "GET",
		Route: "/keys/{id}", Verdict: usage.Accepted, Count: n, FirstAt: w.now, LastAt: w.now}
}

func (w *world) tally(rows ...usage.Row) {
	w.t.Helper()
	for _, r := range rows {
		w.NoError(w.store.Tally(w.ctx, r))
	}
}

// usage reads the rows of hours from some hours before the test's, and of as many behind it.
func (w *world) usage(k id.Key, hours int) []usage.Row {
	w.t.Helper()
	d := time.Duration(hours) * time.Hour
	rows, next, err := w.store.Usage(w.ctx, k, usage.HourOf(w.now).Add(-d), usage.HourOf(w.now).Add(d+time.Hour), "", 100)
	w.NoError(err)
	w.Empty(next)
	return rows
}

var usageTests = []test{
	{"a row of usage reads as it was written, and counts add up in it", func(w *world) {
		k := w.key(w.account("Recorder", w.co), "Production")
		first := w.tallied(k, 1)
		w.tally(first)
		w.same([]usage.Row{first}, w.usage(k.ID, 0))
		more := w.tallied(k, 41)
		more.FirstAt, more.LastAt, more.UserAgent = w.now.Add(time.Minute), w.now.Add(time.Minute), "exporter/2"
		w.tally(more)
		want := more
		want.Count, want.FirstAt = 42, w.now
		w.same([]usage.Row{want}, w.usage(k.ID, 0))
		w.same(k, w.readKey(k.ID))
	}},
	{"a row of usage without a count was used at least once", func(w *world) {
		k := w.key(w.account("Recorder", w.co), "Production")
		w.tally(w.tallied(k, 0))
		w.same([]usage.Row{w.tallied(k, 1)}, w.usage(k.ID, 0))
		w.tally(w.tallied(k, 0), w.tallied(k, 3))
		w.same([]usage.Row{w.tallied(k, 3)}, w.usage(k.ID, 0))
	}},
	{"a late count of usage adds up and takes the last use not back", func(w *world) {
		k := w.key(w.account("Recorder", w.co), "Production")
		newer, late := w.tallied(k, 1), w.tallied(k, 2)
		newer.LastAt, newer.UserAgent = w.now.Add(time.Minute), "exporter/2"
		w.tally(newer, late)
		want := newer
		want.Count = 3
		w.same([]usage.Row{want}, w.usage(k.ID, 0))
	}},
	{"whoever, whatever, wherever and whenever differs has a row of its own", func(w *world) {
		a := w.account("Recorder", w.co)
		k, other := w.key(a, "Production"), w.key(a, "Other")
		rows := []usage.Row{w.tallied(k, 1)}
		for i, change := range []func(*usage.Row){
			func(r *usage.Row) { r.Source = "2001:db8::/64" },
			func(r *usage.Row) { r.API = "a1b2c3d4e5" },
			func(r *usage.Row) { r.Method = "PATCH" },
			func(r *usage.Row) { r.Route = "/proxy/{proxy+}#x" },
			func(r *usage.Row) { r.API, r.Method, r.Source, r.Route = "", "", usage.Other, usage.Other },
			func(r *usage.Row) { r.Verdict, r.UserAgent = usage.Retired, "" },
			func(r *usage.Row) { r.Hour = r.Hour.Add(-time.Hour) },
		} {
			r := w.tallied(k, int64(i)+2)
			change(&r)
			rows = append(rows, r)
		}
		w.tally(rows...)
		w.tally(w.tallied(other, 9))
		got := w.usage(k.ID, 1)
		w.Equal(rows[7].Hour, got[len(got)-1].Hour, "the newest hour comes first")
		slices.SortFunc(got, func(a, b usage.Row) int { return int(a.Count - b.Count) })
		w.same(rows, got)
		w.Len(w.usage(k.ID, 0), 7)
		w.Empty(w.usage(newID[id.Key](), 1))
	}},
	{"usage is read of the hours that begin in a time, page by page, newest hour first", func(w *world) {
		k := w.key(w.account("Recorder", w.co), "Production")
		for i := range 5 {
			r := w.tallied(k, int64(i)+1)
			r.Hour = r.Hour.Add(-time.Duration(i) * time.Hour)
			w.tally(r)
		}
		begin := usage.HourOf(w.now)
		var counts []int64
		for after, more := "", true; more; more = after != "" {
			rows, next, err := w.store.Usage(w.ctx, k.ID, begin.Add(-3*time.Hour), begin, after, 2)
			w.NoError(err)
			w.LessOrEqual(len(rows), 2)
			for _, r := range rows {
				counts = append(counts, r.Count)
			}
			after = next
		}
		w.Equal([]int64{2, 3, 4}, counts)
		_, _, err := w.store.Usage(w.ctx, k.ID, begin, begin, "", 2)
		w.NoError(err)
	}},
	{"as much usage at once is counted as there was", func(w *world) {
		k := w.key(w.account("Recorder", w.co), "Production")
		for _, err := range together(16, func(i int) error {
			r := w.tallied(k, 2)
			r.LastAt = w.now.Add(time.Duration(i) * time.Second)
			return w.store.Tally(w.ctx, r)
		}) {
			w.NoError(err)
		}
		got := w.usage(k.ID, 0)
		w.Len(got, 1)
		w.Equal(int64(32), got[0].Count)
		w.True(got[0].LastAt.Equal(w.now.Add(15 * time.Second)))
	}},
	{"who sent wrong secrets for a key is found by the time of the last", func(w *world) {
		k := w.key(w.account("Recorder", w.co), "Production")
		owner := string(k.AccountID)
		for i, source := range []string{"192.0.2.1", "192.0.2.2", "192.0.2.3"} {
			f := w.failure(owner, source, 0, w.now.Add(time.Duration(i)*time.Minute))
			f.KeyID = string(k.ID)
			w.count(f)
			w.count(f)
		}
		w.count(w.failure(owner, "192.0.2.4", 0, w.now)) // for another key
		w.NoError(w.store.Use(w.ctx, w.use(k, w.now)))   // from a source without wrong secrets
		got, err := w.store.WrongSecrets(w.ctx, owner, k.ID, w.now, w.now.Add(2*time.Minute))
		w.NoError(err)
		addresses := map[string]int{}
		for _, s := range got {
			addresses[s.Address] = s.Counter.Failures
		}
		w.Equal(map[string]int{"192.0.2.1": 2, "192.0.2.2": 2}, addresses)
	}},
}
