package usage_test

import (
	"context"
	"fmt"
	"testing"
	"time"

	"github.com/stretchr/testify/require"

	"github.com/rekey-dev/rekey/pkg/fault"
	"github.com/rekey-dev/rekey/pkg/id"
	"github.com/rekey-dev/rekey/pkg/memstore"
	"github.com/rekey-dev/rekey/pkg/usage"
)

const key id.Key = "key_00000000000000000001"

var noon = time.Date(2031, 3, 4, 12, 0, 0, 0, time.UTC)

// row is of a source, a number of hours before noon, ten minutes long.
func row(source string, hours int, n int64) usage.Row {
	at := noon.Add(-time.Duration(hours) * time.Hour)
	return usage.Row{Key: key, Hour: at, Source: source, UserAgent: "agent/1", API: usage.Own, Method: "GET", Route: "/keys/{id}",
		Verdict: usage.Accepted, Count: n, FirstAt: at.Add(10 * time.Minute), LastAt: at.Add(20 * time.Minute)}
}

func storeOf(t *testing.T, rows ...usage.Row) *memstore.Store {
	t.Helper()
	s := memstore.New()
	for _, r := range rows {
		require.NoError(t, s.Tally(t.Context(), r))
	}
	return s
}

// all goes through every page and returns each row in short.
func all(t *testing.T, s usage.Store, q usage.Query, more ...usage.Row) (out []string, pages int) {
	t.Helper()
	for {
		p, err := usage.List(t.Context(), s, key, q, more)
		require.NoError(t, err)
		require.LessOrEqual(t, len(p.Rows), q.Limit)
		pages++
		for _, r := range p.Rows {
			out = append(out, fmt.Sprintf("%s %s %s %d", r.Source, r.Route, r.Verdict, r.Count))
		}
		if q.After = p.Next; q.After == "" {
			return out, pages
		}
	}
}

func TestList_AddsUpHoursAndShowsWhoCameLastFirst_B4(t *testing.T) {
	other := row("a", 1, 7)
	other.Verdict, other.Route = usage.Retired, "/me"
	agent := row("b", 3, 100)
	agent.UserAgent = "agent/2"
	s := storeOf(t, row("a", 0, 1), row("a", 1, 2), row("a", 2, 3), row("b", 1, 10), row("b", 2, 20), other, agent, row("c", 30, 5))
	q := usage.Query{From: noon.Add(-24 * time.Hour), To: noon.Add(time.Hour), Limit: 100}
	want := []string{"a /keys/{id} accepted 6", "b /keys/{id} accepted 30", "a /me retired 7", "b /keys/{id} accepted 100"}
	got, pages := all(t, s, q)
	require.Equal(t, want, got)
	require.Equal(t, 1, pages)
	for limit := 1; limit < 5; limit++ {
		q.Limit = limit
		got, pages := all(t, s, q)
		require.Equal(t, want, got)
		require.Equal(t, (len(want)+limit-1)/limit, pages)
	}
	q.Verdict = usage.Retired
	got, _ = all(t, s, q)
	require.Equal(t, want[2:3], got)
}

func TestList_AnHourCountsWholeWhenAnyRequestInItDoes_B4(t *testing.T) {
	s := storeOf(t, row("a", 0, 1))
	for _, c := range []struct {
		from, to time.Duration
		there    bool
	}{{0, time.Hour, true}, {15 * time.Minute, 16 * time.Minute, true}, {20 * time.Minute, time.Hour, true}, {0, 11 * time.Minute, true},
		{21 * time.Minute, time.Hour, false}, {0, 10 * time.Minute, false}, {-time.Hour, 0, false}} {
		got, _ := all(t, s, usage.Query{From: noon.Add(c.from), To: noon.Add(c.to), Limit: 10})
		require.Equal(t, c.there, len(got) == 1, "%v", c)
	}
}

// manyRows is more than one answer adds up: hours before noon with as many sources each.
func manyRows(hours, sources int) (rows []usage.Row) {
	for h := range hours {
		for i := range sources {
			rows = append(rows, row(fmt.Sprintf("source-%03d", i), h, 1))
		}
	}
	return rows
}

func TestList_OfVeryMuchGoesOnWithEarlierHoursAndLosesNothing_B4(t *testing.T) {
	const hours, sources = 60, 300 // 18,000 rows
	s := storeOf(t, manyRows(hours, sources)...)
	wrong := row("guesser", 50, 9)
	wrong.Verdict, wrong.FirstAt = usage.WrongSecret, wrong.LastAt
	q := usage.Query{From: noon.Add(-99 * time.Hour), To: noon.Add(time.Hour), Limit: 100}
	sums, listed := map[string]int64{}, 0
	for {
		p, err := usage.List(t.Context(), s, key, q, []usage.Row{wrong})
		require.NoError(t, err)
		for _, r := range p.Rows {
			sums[r.Source] += r.Count
			listed++
		}
		if q.After = p.Next; q.After == "" {
			break
		}
	}
	require.Equal(t, 2*sources+1, listed, "each twice, for there are two parts; what came from elsewhere once")
	require.Len(t, sums, sources+1)
	for source, n := range sums {
		if source != "guesser" {
			require.EqualValues(t, hours, n, source)
		}
	}
}

func TestList_WhatComesMeanwhileDoesNotMoveThePages_B4(t *testing.T) {
	s := storeOf(t, manyRows(60, 300)...)
	q := usage.Query{From: noon.Add(-99 * time.Hour), To: noon.Add(time.Hour), Limit: 100}
	sums := map[string]int64{}
	for i := 0; ; i++ {
		p, err := usage.List(t.Context(), s, key, q, nil)
		require.NoError(t, err)
		for _, r := range p.Rows {
			sums[r.Source] += r.Count
		}
		if q.After = p.Next; q.After == "" {
			break
		}
		require.NoError(t, s.Tally(t.Context(), row(fmt.Sprintf("new-%d", i), 0, 1)))
	}
	for i := range 300 {
		require.EqualValues(t, 60, sums[fmt.Sprintf("source-%03d", i)])
	}
}

func TestList_RefusesAPositionThatIsNone(t *testing.T) {
	for _, after := range []string{"x", "a|b|c|d|e"} {
		_, err := usage.List(t.Context(), memstore.New(), key, usage.Query{From: noon, To: noon.Add(1), After: after, Limit: 1}, nil)
		require.True(t, fault.Is(err, fault.Invalid), "%q: %v", after, err)
	}
}

func TestSince_IsEverythingThatAKeyDidInATime_D7(t *testing.T) {
	s := storeOf(t, manyRows(60, 300)...)
	rows, err := usage.Since(t.Context(), s, key, noon.Add(-2*time.Hour), noon.Add(time.Hour))
	require.NoError(t, err)
	require.Len(t, rows, 300)
	for _, r := range rows {
		require.EqualValues(t, 3, r.Count)
		require.Equal(t, noon.Add(20*time.Minute), r.LastAt)
		require.Equal(t, noon.Add(-2*time.Hour+10*time.Minute), r.FirstAt)
	}
	rows, err = usage.Since(t.Context(), s, key, noon.Add(-999*time.Hour), noon.Add(time.Hour))
	require.NoError(t, err)
	var n int64
	for _, r := range rows {
		n += r.Count
	}
	require.EqualValues(t, 18_000, n)
}

func TestSenders_AreSourcesAndUserAgents_B4(t *testing.T) {
	me := row("a", 1, 2)
	me.Route = "/me"
	old := row("a", 5, 4)
	old.UserAgent = "agent/0"
	got := usage.Senders([]usage.Row{row("a", 0, 1), me, row("b", 1, 8), old})
	require.Len(t, got, 3)
	require.Equal(t, usage.Row{Key: key, Source: "a", UserAgent: "agent/1", Count: 3, FirstAt: me.FirstAt, LastAt: noon.Add(20 * time.Minute)}, got[0])
	require.Equal(t, "b", got[1].Source)
	require.Equal(t, "agent/0", got[2].UserAgent)
}

func TestList_AStoreThatDoesNotAnswerIsAnError(t *testing.T) {
	s := memstore.New()
	s.Break(true)
	_, err := usage.List(context.Background(), s, key, usage.Query{From: noon, To: noon.Add(time.Hour), Limit: 1}, nil)
	require.True(t, fault.Is(err, fault.Unavailable))
	_, err = usage.Since(context.Background(), s, key, noon, noon.Add(time.Hour))
	require.True(t, fault.Is(err, fault.Unavailable))
}
