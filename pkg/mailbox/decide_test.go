package mailbox_test

import (
	"testing"
	"time"

	"github.com/stretchr/testify/require"
	"pgregory.net/rapid"

	"github.com/rekey-dev/rekey/pkg/mailbox"
)

var noon = time.Date(2031, time.March, 4, 12, 0, 0, 0, time.UTC)

func at(d time.Duration, urgent bool) mailbox.Line {
	return mailbox.Line{AddedAt: noon.Add(d), Urgent: urgent}
}

func TestDecide_SaysWhenAMessageGoes_B3(t *testing.T) {
	midnight := noon.Add(12 * time.Hour)
	for what, c := range map[string]struct {
		box   mailbox.Box
		lines []mailbox.Line
		at    time.Time // zero: never
	}{
		"nothing waits":                     {},
		"the first line of a day":           {lines: []mailbox.Line{at(0, false)}, at: noon.Add(10 * time.Minute)},
		"the first of several":              {lines: []mailbox.Line{at(5*time.Minute, false), at(0, false)}, at: noon.Add(10 * time.Minute)},
		"what is urgent does not wait long": {lines: []mailbox.Line{at(0, false), at(time.Minute, true)}, at: noon.Add(2 * time.Minute)},
		"after the day's message":           {box: mailbox.Box{SentAt: noon.Add(-time.Hour)}, lines: []mailbox.Line{at(0, false)}, at: midnight},
		"after yesterday's":                 {box: mailbox.Box{SentAt: noon.Add(-13 * time.Hour)}, lines: []mailbox.Line{at(0, false)}, at: noon.Add(10 * time.Minute)},
		"a further one":                     {box: mailbox.Box{SentAt: noon.Add(-time.Minute)}, lines: []mailbox.Line{at(0, true)}, at: noon.Add(time.Minute)},
		"an hour after the further one before": {box: mailbox.Box{SentAt: noon.Add(-time.Minute), FurtherAt: noon.Add(-time.Minute)},
			lines: []mailbox.Line{at(0, true)}, at: noon.Add(59 * time.Minute)},
		"not later than the next day's": {box: mailbox.Box{SentAt: noon.Add(11*time.Hour + 30*time.Minute), FurtherAt: noon.Add(11*time.Hour + 30*time.Minute)},
			lines: []mailbox.Line{at(11*time.Hour+40*time.Minute, true)}, at: midnight},
		"after a failure": {box: mailbox.Box{RetryAt: noon.Add(time.Hour)}, lines: []mailbox.Line{at(0, true)}, at: noon.Add(time.Hour)},
		"while somebody else writes": {box: mailbox.Box{Claim: "op", ClaimUntil: noon.Add(30 * time.Minute)}, lines: []mailbox.Line{at(0, true)},
			at: noon.Add(30 * time.Minute)},
	} {
		for now := noon; now.Before(noon.Add(14 * time.Hour)); now = now.Add(time.Minute) {
			d := mailbox.Decide(c.box, c.lines, now)
			switch {
			case c.at.IsZero():
				require.Equal(t, mailbox.Decision{}, d, what)
			case now.Before(c.at):
				require.False(t, d.Send, "%s: at %s", what, now)
				require.True(t, d.At.After(now) && !d.At.After(c.at), "%s: %s says %s", what, now, d.At)
			default:
				require.Equal(t, mailbox.Decision{Send: true}, d, "%s: at %s", what, now)
			}
		}
	}
}

// Whatever comes and whenever it is looked at: two messages of one day that both hold nothing urgent are never sent, further ones
// are an hour apart, and no line waits for more than a day and ten minutes.
func TestDecide_HoldsItsPromisesOverAnyDays_B3(t *testing.T) {
	rapid.Check(t, func(t *rapid.T) {
		var box mailbox.Box
		var lines []mailbox.Line
		now := noon
		var further time.Time
		plain := map[time.Time]int{} // messages of a day
		for range rapid.IntRange(1, 200).Draw(t, "steps") {
			now = now.Add(time.Duration(rapid.IntRange(1, 90).Draw(t, "minutes")) * time.Minute)
			for range rapid.IntRange(0, 2).Draw(t, "lines") {
				lines = append(lines, mailbox.Line{AddedAt: now, Urgent: rapid.IntRange(0, 9).Draw(t, "urgent") == 0})
			}
			d := mailbox.Decide(box, lines, now)
			if !d.Send {
				for _, l := range lines {
					if now.Sub(l.AddedAt) > 24*time.Hour+mailbox.Gather {
						t.Fatalf("a line waits since %s", l.AddedAt)
					}
				}
				continue
			}
			day := now.Truncate(24 * time.Hour)
			if plain[day]++; plain[day] > 1 {
				if !further.IsZero() && now.Sub(further) < mailbox.Apart {
					t.Fatalf("two further messages within %s", now.Sub(further))
				}
				further = now
				urgent := false
				for _, l := range lines {
					urgent = urgent || l.Urgent
				}
				if !urgent {
					t.Fatal("a further message without anything urgent")
				}
			}
			box = box.Claimed("op", now).Sent(now)
			lines = nil
		}
	})
}

func TestBackoff_DoublesUpToFortyMinutes(t *testing.T) {
	var got []time.Duration
	for n := range 7 {
		got = append(got, mailbox.Backoff(n))
	}
	m := time.Minute
	require.Equal(t, []time.Duration{5 * m, 5 * m, 10 * m, 20 * m, 40 * m, 40 * m, 40 * m}, got)
	require.Equal(t, 40*m, mailbox.Backoff(1_000_000))
}

func TestRecipientOf_IsTheSameForOneAddressInAnyCase(t *testing.T) {
	require.Equal(t, mailbox.RecipientOf("blue@example.com"), mailbox.RecipientOf(mailbox.Canonical(" Blue@EXAMPLE.com")))
	require.Regexp(t, "^[0-9a-f]{32}$", mailbox.RecipientOf("blue@example.com"))
}
