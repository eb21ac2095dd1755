package notice_test

import (
	"context"
	"errors"
	"fmt"
	"strings"
	"sync"
	"testing"
	"time"

	"github.com/stretchr/testify/require"

	"github.com/rekey-dev/rekey/pkg/memstore"
	"github.com/rekey-dev/rekey/pkg/notice"
)

// errDied is what a process that dies in a test leaves.
var errDied = errors.New("the process died")

// survive runs what may die, and tells whether it came to its end without an error.
func survive(do func() error) (ok bool) {
	defer func() {
		if r := recover(); r != nil {
			if r != errDied {
				panic(r)
			}
			ok = false
		}
	}()
	return do() == nil
}

// story is three accounts, two with a contact in common: ends that are announced, one that cannot wait, over a day and a night.
func story(t *testing.T) *office {
	o := newOffice(t)
	o.Clock.Set(time.Date(2031, time.March, 5, 9, 0, 0, 0, time.UTC))
	a := o.account("Recorder", o.Company, "blue@example.com", "ops@example.com")
	b := o.account("Exporter", o.Company, "ops@example.com")
	o.IssueFor(a.ID, "first", soon)
	o.IssueFor(b.ID, "second", soon)
	o.IssueFor(a.ID, "tomorrow", soon+time.Hour)
	o.IssueFor(a.ID, "urgent", day+2*time.Hour)
	o.IssueFor(a.ID, "midnight", soon+10*time.Hour)
	c := o.account("Alone", o.Company, "red@example.com")
	o.IssueFor(c.ID, "third", soon)
	o.IssueFor(c.ID, "night", soon+12*time.Hour-5*time.Minute) // at a step whose events come once
	o.Store.Reset()
	return o
}

// tell lets a story run until after midnight: what died is begun again, events come again until they are heard.
func tell(o *office) {
	for i := range 16 * 4 {
		o.sweep()
		for _, e := range o.announced() {
			if survive(func() error { _, err := o.service().Hear(o.Ctx, e); return err }) {
				o.heard[e] = i%2 == 0 // every other one comes twice
			}
		}
		survive(func() error { _, err := o.service().Send(o.Ctx); return err })
		o.Advance(15 * time.Minute)
	}
}

// told counts how often each recipient was told of each key.
func told(letters []posted) map[string]int {
	out := map[string]int{}
	for _, l := range letters {
		for _, key := range []string{"first", "second", "tomorrow", "urgent", "midnight", "third", "night"} {
			if strings.Contains(l.Text, `"`+key+`"`) {
				out[l.To+" "+key]++
			}
		}
	}
	return out
}

// judge requires that nobody misses anything and that at most one letter came twice.
func judge(t *testing.T, want map[string]int, letters []posted, normally int, why string) {
	t.Helper()
	got := told(letters)
	for what := range want {
		require.NotZero(t, got[what], "%s: lost: %s", why, what)
	}
	require.Len(t, got, len(want), why)
	require.LessOrEqual(t, len(letters), normally+2, "%s: one letter twice, and what it delays in one of its own", why)
	twice := 0
	seen := map[string]bool{}
	for _, l := range letters {
		id := l.To + l.Subject
		for key := range want {
			if to, name, _ := strings.Cut(key, " "); to == l.To && strings.Contains(l.Text, `"`+name+`"`) {
				id += name
			}
		}
		if seen[id] {
			twice++
		}
		seen[id] = true
	}
	require.LessOrEqual(t, twice, 1, why)
}

func TestSend_ACrashOrAFaultAtAnyCallLosesNothingAndDoublesOneLetterAtMost_B3(t *testing.T) {
	clean := story(t)
	tell(clean)
	letters := clean.letters()
	want := told(letters)
	require.Equal(t, map[string]int{"blue@example.com first": 1, "blue@example.com tomorrow": 1, "blue@example.com urgent": 1,
		"red@example.com third": 1, "red@example.com night": 1, "blue@example.com midnight": 1, "ops@example.com midnight": 1, "ops@example.com first": 1,
		"ops@example.com second": 1, "ops@example.com tomorrow": 1, "ops@example.com urgent": 1}, want)
	normally := len(letters)
	calls := len(clean.Store.Calls())
	cases := 0
	for n := 1; n <= calls; n++ {
		for _, mode := range memstore.Modes {
			o := story(t)
			o.Store.Fail(n, mode)
			tell(o)
			judge(t, want, o.letters(), normally, fmt.Sprintf("call %d of the store failed %s", n, mode))
			cases++
		}
		o := story(t)
		o.Store.Hook = func(at int, _ string) {
			if at == n {
				panic(errDied)
			}
		}
		tell(o)
		judge(t, want, o.letters(), normally, fmt.Sprintf("died before call %d of the store", n))
		cases++
	}
	for n := 1; n <= clean.tries; n++ {
		for what, fails := range map[string]func(o *office, l notice.Letter) error{
			"it did not go":       func(*office, notice.Letter) error { return errDown },
			"it went, unheard of": func(o *office, l notice.Letter) error { o.inbox = append(o.inbox, posted{l, o.Now()}); return errDown },
			"died before":         func(*office, notice.Letter) error { panic(errDied) },
			"died after":          func(o *office, l notice.Letter) error { o.inbox = append(o.inbox, posted{l, o.Now()}); panic(errDied) },
		} {
			o := story(t)
			o.fails = func(l notice.Letter) error {
				if o.tries == n {
					return fails(o, l)
				}
				return nil
			}
			tell(o)
			judge(t, want, o.letters(), normally, fmt.Sprintf("letter %d: %s", n, what))
			cases++
		}
	}
	t.Logf("%d cases: %d calls of the store, %d letters", cases, calls, clean.tries)
}

func TestSend_OfThreeAtOnceOneWritesToEachRecipient_B3(t *testing.T) {
	o := newOffice(t)
	const teams = 100
	for i := range teams {
		o.IssueFor(o.account(fmt.Sprint("Recorder ", i), o.Company, fmt.Sprintf("team%d@example.com", i)).ID, "k", soon)
	}
	o.announce()
	o.Advance(15 * time.Minute)
	var wg sync.WaitGroup
	for range 3 {
		wg.Go(func() {
			if _, err := o.service().Send(context.Background()); err != nil {
				t.Error(err)
			}
		})
	}
	wg.Wait()
	for range 3 {
		o.Advance(5 * time.Minute)
		o.send()
	}
	seen := map[string]int{}
	for _, l := range o.letters() {
		seen[l.To]++
	}
	require.Len(t, seen, teams)
	for to, n := range seen {
		require.Equal(t, 1, n, to)
	}
	require.Equal(t, []string{"Wakes"}, o.Calls(func() { o.send() }), "nothing is left to look at")
}

func TestHear_AThousandTimesTheSameEventIsOneLine(t *testing.T) {
	o := newOffice(t)
	o.IssueFor(o.account("Recorder", o.Company, "blue@example.com").ID, "k", soon)
	o.Advance(time.Minute)
	o.sweep()
	e := o.announced()[0]
	var wg sync.WaitGroup
	for range 1000 {
		wg.Go(func() {
			if n, err := o.service().Hear(context.Background(), e); err != nil || n != 1 {
				t.Error(n, err)
			}
		})
	}
	wg.Wait()
	o.heard[e] = true
	require.Len(t, o.pass(5*day, time.Hour), 1)
	n, err := o.service().Hear(o.Ctx, e) // days later, from the dead-letter queue
	require.NoError(t, err)
	require.Equal(t, 1, n)
	o.heard[e] = true
	require.Empty(t, o.pass(time.Hour, 5*time.Minute))
}
