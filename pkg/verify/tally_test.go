package verify_test

import (
	"fmt"
	"sync"
	"testing"
	"time"

	"github.com/stretchr/testify/require"

	"github.com/rekey-dev/rekey/pkg/apikey"
	"github.com/rekey-dev/rekey/pkg/company"
	"github.com/rekey-dev/rekey/pkg/id"
	"github.com/rekey-dev/rekey/pkg/memstore"
	"github.com/rekey-dev/rekey/pkg/rekeytest"
	"github.com/rekey-dev/rekey/pkg/token"
	"github.com/rekey-dev/rekey/pkg/usage"
	"github.com/rekey-dev/rekey/pkg/verify"
)

// rowsOf are a key's rows of the last day, newest hour first.
func rowsOf(w *rekeytest.World, k apikey.Shown) []usage.Row {
	w.T.Helper()
	rows, next, err := w.Mem.Usage(w.Ctx, k.View.Key.ID, w.Now().Add(-24*time.Hour), w.Now().Add(time.Second), "", 1000)
	require.NoError(w.T, err)
	require.Empty(w.T, next)
	return rows
}

func counts(rows []usage.Row) (n int64) {
	for _, r := range rows {
		n += r.Count
	}
	return n
}

func getKey(w *rekeytest.World, s token.Secret, ip string) {
	w.T.Helper()
	w.RequestTo(s, ip, "GET", "/keys/{id}", verify.Allow)
}

// atHour puts the clock ten seconds behind the next full hour.
func atHour(w *rekeytest.World) {
	w.Clock.Set(usage.HourOf(w.Now()).Add(time.Hour + 10*time.Second))
}

func tallies(calls []string) (n int) {
	for _, c := range calls {
		if c == "Tally" {
			n++
		}
	}
	return n
}

func TestUsage_WhoAndWhereIsWrittenBeforeTheFirstAnswerOfAnHour_B4(t *testing.T) {
	w := rekeytest.New(t)
	k := w.Issue(w.Account("Recorder", w.Company).ID, "k")
	require.Equal(t, []string{"Credential", "Snapshot", "Use", "Tally"}, w.Calls(func() { getKey(w, k.Secret, rekeytest.Home) }))
	want := usage.Row{Key: k.View.Key.ID, Hour: usage.HourOf(w.Now()), Source: rekeytest.Home, UserAgent: "agent/1", API: "rekey",
		Method: "GET", Route: "/keys/{id}", Verdict: usage.Accepted, Count: 1, FirstAt: w.Now(), LastAt: w.Now()}
	require.Equal(t, []usage.Row{want}, rowsOf(w, k))

	w.Advance(time.Second)
	require.Equal(t, []string{"Snapshot"}, w.Calls(func() { getKey(w, k.Secret, rekeytest.Home) }), "within the hour, nothing")
	require.Equal(t, []string{"Snapshot", "Tally"}, w.Calls(func() { w.RequestTo(k.Secret, rekeytest.Home, "GET", "/keys", verify.Allow) }))
	require.Equal(t, []string{"Snapshot", "Tally"}, w.Calls(func() { w.RequestTo(k.Secret, rekeytest.Home, "GET", "/keys", verify.Forbidden) }))
	require.Equal(t, 1, tallies(w.Calls(func() { getKey(w, k.Secret, rekeytest.Away) })))
	require.Len(t, rowsOf(w, k), 4)
	atHour(w)
	require.Equal(t, 2, tallies(w.Calls(func() { getKey(w, k.Secret, rekeytest.Home) })), "the new hour's row, and what was counted in the hour before")
	require.Len(t, rowsOf(w, k), 5)
	require.EqualValues(t, 6, counts(rowsOf(w, k)))
}

// Sixty requests a minute for an hour: the row is written 7 times, and a reader always knows half of what was counted.
func TestUsage_CountsAreFlushedWithMinutesThatTheKeyWritesAnyway_B4(t *testing.T) {
	w := rekeytest.New(t)
	k := w.Issue(w.Account("Recorder", w.Company).ID, "k")
	atHour(w)
	begin := w.Now()
	var at []int
	for n := range int64(3600) {
		calls := w.Calls(func() { getKey(w, k.Secret, rekeytest.Home) })
		if tallies(calls) > 0 {
			require.Contains(t, calls, "Use", "with the first use of a minute")
			at = append(at, int(w.Now().Truncate(time.Minute).Sub(begin.Truncate(time.Minute))/time.Minute))
		}
		if age := w.Now().Sub(begin); age > 2*time.Minute && age < time.Hour-10*time.Second {
			require.GreaterOrEqual(t, 2*counts(rowsOf(w, k)), n-60, "after %v", age)
		}
		w.Advance(time.Second)
	}
	require.Equal(t, []int{0, 1, 2, 4, 8, 16, 32, 60}, at, "the last are the next hour's row and the end of this one")
	require.EqualValues(t, 3600-9, counts(rowsOf(w, k)), "nine of the ten in the next hour are counted in memory")
}

func TestUsage_RightSecretsThatMayNotBeUsedAreNoted_B4(t *testing.T) {
	for want, end := range map[usage.Verdict]func(w *rekeytest.World, k apikey.Shown) error{
		usage.Retired: func(w *rekeytest.World, k apikey.Shown) error { w.Regenerate(k.View.Key.ID); return nil },
		usage.Revoked: func(w *rekeytest.World, k apikey.Shown) error {
			_, err := w.Keys.Revoke(w.Ctx, w.As(w.Owner), k.View.Key.ID, "", "")
			return err
		},
		usage.Expired: func(w *rekeytest.World, _ apikey.Shown) error { w.Advance(48 * time.Hour); return nil },
		usage.Inactive: func(w *rekeytest.World, k apikey.Shown) error {
			_, err := w.Keys.Deactivate(w.Ctx, w.As(w.Owner), k.View.Key.ID)
			return err
		},
		usage.Suspended: func(w *rekeytest.World, _ apikey.Shown) error {
			c, err := w.Mem.Company(w.Ctx, w.Company.Company)
			c.Status = company.Suspended
			w.Mem.PutCompany(c)
			return err
		},
		usage.Locked: func(w *rekeytest.World, k apikey.Shown) error {
			w.Allowed(k.Secret, rekeytest.Home)
			w.Guess(k.Secret, rekeytest.Home, 10)
			return nil
		},
	} {
		t.Run(string(want), func(t *testing.T) {
			w := rekeytest.New(t)
			k := w.IssueFor(w.Account("Recorder", w.Company).ID, "k", 47*time.Hour)
			require.NoError(t, end(w, k))
			send := func() { w.RequestTo(k.Secret, rekeytest.Home, "GET", "/keys/{id}", verify.Unusable) }
			require.Equal(t, 1, tallies(w.Calls(send)))
			require.Zero(t, tallies(w.Calls(send)))
			rows := rowsOf(w, k)
			require.Len(t, rows, 1)
			require.Equal(t, want, rows[0].Verdict)
			require.Equal(t, "/keys/{id}", rows[0].Route)
			send()
			w.Advance(time.Hour)
			if want != usage.Locked { // its lock has ended
				send()
				require.EqualValues(t, 4, counts(rowsOf(w, k)), "what was counted goes out with the next hour's row")
			}
		})
	}
}

func TestUsage_StrangersWrongSecretsAndPeopleLeaveNoRow_B4(t *testing.T) {
	w := rekeytest.New(t)
	k := w.Issue(w.Account("Recorder", w.Company).ID, "k")
	w.RequestTo(w.Wrong(k.Secret), rekeytest.Away, "GET", "/keys", verify.Wrong)
	w.Guess(k.Secret, rekeytest.Away, 9)
	calls := w.Calls(func() {
		w.RequestTo(k.Secret, rekeytest.Away, "GET", "/keys", verify.Unusable)      // locked: not even compared
		w.RequestTo(k.Secret, rekeytest.Elsewhere, "GET", "/keys", verify.Unusable) // nor from here
		w.RequestTo(w.Viewer.Secret, rekeytest.Home, "GET", "/keys", verify.Allow)
		_, err := w.Verifier.Inquire(w.Ctx, k.Secret, w.Origin(rekeytest.Home))
		require.NoError(t, err)
	})
	require.Zero(t, tallies(calls))
	require.Empty(t, rowsOf(w, k))
}

func TestUsage_OfManySourcesTwoHundredHaveARowAndTheOthersShareOne_B4(t *testing.T) {
	w := rekeytest.New(t)
	k := w.Issue(w.Account("Recorder", w.Company).ID, "k")
	atHour(w)
	for i := range 300 {
		getKey(w, k.Secret, fmt.Sprintf("203.0.%d.%d", i/250, i%250))
	}
	w.RequestTo(k.Secret, rekeytest.Away, "GET", "/keys", verify.Forbidden)
	for range 5 { // what is gathered goes out in the next minutes
		w.Advance(time.Minute)
		getKey(w, k.Secret, "203.0.0.0")
	}
	rows := rowsOf(w, k)
	require.Len(t, rows, usage.RowsAnHour+2)
	shared := map[usage.Verdict]int64{}
	for _, r := range rows {
		if r.Source == usage.Other {
			require.Equal(t, usage.Other, r.Route)
			require.Empty(t, r.API+r.Method)
			shared[r.Verdict] = r.Count
		}
	}
	require.Equal(t, map[usage.Verdict]int64{usage.Accepted: 100, usage.MissingScope: 1}, shared)
	atHour(w)
	getKey(w, k.Secret, rekeytest.Elsewhere)
	require.Equal(t, rekeytest.Elsewhere, rowsOf(w, k)[0].Source, "a new hour begins anew")
}

func TestUsage_AFailureIsIgnoredAndTheNextRequestWritesTheRow_B4(t *testing.T) {
	for _, mode := range memstore.Modes {
		w := rekeytest.New(t)
		k := w.Issue(w.Account("Recorder", w.Company).ID, "k")
		w.Allowed(k.Secret, rekeytest.Home)
		w.Store.Reset()
		w.Store.Fail(2, mode)
		getKey(w, k.Secret, rekeytest.Home)
		require.Equal(t, []string{"Snapshot", "Tally"}, w.Store.Calls())
		require.Equal(t, []string{verify.Usage}, w.GaveUp)
		w.Advance(time.Second)
		require.Equal(t, 1, tallies(w.Calls(func() { getKey(w, k.Secret, rekeytest.Home) })))
		rows := rowsOf(w, k)
		require.Len(t, rows, 1)
		require.LessOrEqual(t, rows[0].Count, int64(2), "never more than there were: %s", mode)
		require.Zero(t, tallies(w.Calls(func() { getKey(w, k.Secret, rekeytest.Home) })))
	}
}

// Whatever is asked for in whatever order, failures included, no row counts more than there was, and nobody is missing.
func TestUsage_CountsAreALowerBoundAndSendersAreExact_B4(t *testing.T) {
	w := rekeytest.New(t)
	k := w.Issue(w.Account("Recorder", w.Company).ID, "k")
	type sent struct {
		hour          time.Time
		source, route string
	}
	real := map[sent]int64{}
	environments := []*verify.Verifier{w.Verifier, w.Environment(w.Store), w.Environment(w.Store)}
	b := make([]byte, 5)
	for range 5000 {
		_, err := w.Rand.Read(b)
		require.NoError(t, err)
		w.Verifier = environments[int(b[0])%len(environments)]
		source, route := fmt.Sprintf("203.0.113.%d", b[1]%4), fmt.Sprintf("/route/%d", b[2]%5)
		w.RequestTo(k.Secret, source, "GET", route, verify.Allow)
		real[sent{usage.HourOf(w.Now()), source, route}]++
		w.Advance(time.Duration(b[3]%16) * time.Second)
		if b[4] == 0 {
			environments[0] = w.Environment(w.Store) // one ends
		}
	}
	rows, err := usage.Latest(w.Ctx, w.Mem, k.View.Key.ID, rekeytest.Start, w.Now(), 0)
	require.NoError(t, err)
	got := map[sent]int64{}
	for _, r := range rows {
		got[sent{r.Hour, r.Source, r.Route}] = r.Count
	}
	require.Len(t, got, len(real))
	var known, all int64
	for s, n := range real {
		require.LessOrEqual(t, got[s], n)
		require.Positive(t, got[s])
		known, all = known+got[s], all+n
	}
	t.Logf("%d of %d requests are known", known, all)
	require.Greater(t, 2*known, all)
	require.Equal(t, id.Key(rows[0].Key), k.View.Key.ID)
}

func TestUsage_OfOneEnvironmentAtOnceIsCountedOnce_B4(t *testing.T) {
	w := rekeytest.New(t)
	k := w.Issue(w.Account("Recorder", w.Company).ID, "k")
	getKey(w, k.Secret, rekeytest.Home)
	const at, each = 8, 200
	var all sync.WaitGroup
	for i := range at {
		all.Go(func() {
			o := w.Origin(rekeytest.Home)
			o.API, o.Method, o.Route = usage.Own, "GET", fmt.Sprintf("/route/%d", i%2)
			for range each {
				v, err := w.Verifier.Verify(w.Ctx, verify.Presented{Secret: k.Secret}, o)
				if err != nil || v.Class != verify.Allow {
					t.Errorf("%v %v", v.Class, err)
					return
				}
				w.Verifier.Used(w.Ctx, v, k.Secret, o)
			}
		})
	}
	all.Wait()
	for range 2 { // the minute's flush, whichever request makes it
		w.Advance(time.Minute)
		getKey(w, k.Secret, rekeytest.Home)
	}
	rows := rowsOf(w, k)
	require.Len(t, rows, 3)
	for _, r := range rows {
		if r.Route != "/keys/{id}" {
			require.EqualValues(t, at*each/2, r.Count, r.Route)
		}
	}
}
