package notice

import (
	"flag"
	"os"
	"regexp"
	"strings"
	"testing"
	"time"
	"unicode"
	"unicode/utf8"

	"github.com/stretchr/testify/require"

	"github.com/rekey-dev/rekey/pkg/apikey"
	"github.com/rekey-dev/rekey/pkg/mailbox"
	"github.com/rekey-dev/rekey/pkg/policy"
	"github.com/rekey-dev/rekey/pkg/rotation"
	"github.com/rekey-dev/rekey/pkg/serviceaccount"
	"github.com/rekey-dev/rekey/pkg/token"
	"github.com/rekey-dev/rekey/pkg/usage"
)

var update = flag.Bool("update", false, "rewrite the golden files")

var monday = time.Date(2031, time.March, 3, 9, 0, 0, 0, time.UTC)

const hour = time.Hour

// about makes a matter of a key that ends in so long, 0 for never.
func about(kind mailbox.Kind, name string, ends time.Duration) matter {
	k := apikey.Key{ID: "key_7Hq2c9XwTz0aB3dE5fG6", Kind: token.ServiceAccountKey, AccountID: "sa_4Billing0000000000E5", Name: name, Generation: 1,
		CreatedAt: monday.Add(-80 * 24 * hour), LastUsedAt: monday.Add(-5 * time.Minute), UsedGen: 1}
	if ends != 0 {
		k.ExpiresAt = monday.Add(ends)
	}
	a := serviceaccount.Account{ID: k.AccountID, Name: "Billing sync", Status: serviceaccount.Active}
	return matter{line: mailbox.Line{Kind: kind, Key: k.ID}, key: apikey.View{Key: k, Account: a, State: apikey.State{Status: apikey.Expiring}},
		terms: policy.EffectiveOf(nil), owner: "Acme Ltd", last: &usage.Row{Source: "192.0.2.1", UserAgent: "exporter/1.2"}}
}

func (m matter) with(f func(*matter)) matter {
	f(&m)
	return m
}

// every is one of each, in the order in which they would be told.
func every() []matter {
	open := rotation.Rotation{ID: "rot_00000000000000000001", Mode: rotation.Overlap, State: rotation.Seen}
	overdue := open
	overdue.State, overdue.Delivery.Problem = rotation.Overdue, `The secret acme/billing is scheduled for deletion.`
	extended := open
	extended.Extended = true
	ended := func(m *matter) {
		m.key.Key.LastUsedAt = m.key.Key.ExpiresAt.Add(-5 * time.Minute)
		m.key.State = apikey.State{Status: apikey.Expired, Ended: &serviceaccount.Ended{At: m.key.Key.ExpiresAt, By: "system", Reason: apikey.ReasonExpired}}
	}
	toConsumer := func(m *matter) { m.terms.DeliverTo.Value = &policy.Delivery{Type: policy.Event} }
	return []matter{
		about(mailbox.EndedInUse, "ended", -2*hour).with(ended),
		about(mailbox.EndedInUse, "ended, with a successor", -hour).with(ended).with(func(m *matter) { m.key.Key.SupersededBy = "key_00000000000000000002" }),
		about(mailbox.Extended, "extended", 7*24*hour).with(func(m *matter) { m.rotation = &extended }),
		about(mailbox.Aborted, "aborted", 30*24*hour).with(func(m *matter) { m.line.Note, m.rotation = "the new key ended: key_compromise", &open }),
		about(mailbox.Overdue, "overdue", 0).with(func(m *matter) { m.line.Note, m.rotation = "an older problem", &overdue }),
		about(mailbox.RotationDue, "due, refused", 0).with(func(m *matter) {
			m.key.Key.RotateAt, m.line.Note = monday.Add(-time.Minute), "The secret acme/billing is not tagged rekey:place."
		}),
		about(mailbox.NotRotated, "not rotated", 0).with(func(m *matter) { m.key.Key.RotateAt = monday.Add(-7 * 24 * hour) }),
		about(mailbox.NotRotated, "not rotated, frozen", 0).with(func(m *matter) {
			m.key.Key.RotateAt, m.line.Note = monday.Add(-26*hour), "Year end (cal_00000000000000000001) allows no rotation within two years."
		}),
		about(mailbox.Ending, "ends tomorrow, moving", 24*hour).with(func(m *matter) { m.key.Key.SupersededBy, m.rotation = "key_00000000000000000002", &open }),
		about(mailbox.Ending, "ends", 7*24*hour),
		about(mailbox.Ending, "ends, never used", 14*24*hour).with(func(m *matter) { m.key.Key.LastUsedAt, m.key.Key.UsedGen, m.last = time.Time{}, 0, nil }),
		about(mailbox.Ending, "ends, fetches its own", 30*24*hour).with(toConsumer),
		about(mailbox.RotationDue, "due in a week", 0).with(func(m *matter) { m.key.Key.RotateAt = monday.Add(7 * 24 * hour) }),
		about(mailbox.RotationDue, "due", 20*24*hour).with(func(m *matter) { m.key.Key.RotateAt = monday.Add(-3 * hour) }),
		about(mailbox.RotationDue, "due, fetches its own", 0).with(toConsumer).with(func(m *matter) { m.key.Key.RotateAt = monday.Add(-50 * hour) }),
	}
}

func TestRender_SaysEachThingInItsWords_B3(t *testing.T) {
	rest := []matter{about(mailbox.Ending, "not in full", 33*24*hour), about(mailbox.Ending, "nor this", 20*24*hour)}
	l, err := render(every(), rest, monday)
	require.NoError(t, err)
	require.Equal(t, "rekey: 8 failures, 1 key ends within 48 hours, 5 keys end soon, 3 keys are due for rotation", l.Subject)
	for file, got := range map[string]string{"testdata/message.txt": l.Text, "testdata/message.html": l.HTML} {
		if *update {
			require.NoError(t, os.WriteFile(file, []byte(got), 0o644))
		}
		want, err := os.ReadFile(file)
		require.NoError(t, err)
		require.Equal(t, string(want), got, "%s: go test ./pkg/notice -run Render -update", file)
	}
	for _, name := range []string{"not in full", "nor this"} {
		require.NotContains(t, l.Text+l.HTML, name)
	}
	one, err := render(every()[9:10], nil, monday)
	require.NoError(t, err)
	require.Equal(t, "rekey: 1 key ends soon", one.Subject)
	require.Contains(t, one.Text, "One matter needs somebody who acts.")
	require.NotContains(t, one.Text, "more:")
}

func TestRank_FailuresComeBeforeEndsAndTheSoonestFirst(t *testing.T) {
	for i, m := range every() {
		require.Equal(t, i < 8, m.rank() == 0, m.key.Key.Name)
	}
}

func TestAway_RoundsToTheLargestUnitOfWhichThereAreTwo(t *testing.T) {
	for d, want := range map[time.Duration]string{
		0: "now", 119 * time.Second: "now", 2 * time.Minute: "in 2 minutes", 59*time.Minute + 31*time.Second: "in 60 minutes",
		2 * hour: "in 2 hours", 24*hour - 12*time.Minute: "in 24 hours", 25*hour + 40*time.Minute: "in 26 hours", 48*hour - time.Minute: "in 2 days",
		7*24*hour - 10*time.Minute: "in 7 days", 30*24*hour + 11*hour: "in 30 days",
		-time.Minute: "just now", -90 * time.Minute: "90 minutes ago", -2 * hour: "2 hours ago", -50 * hour: "2 days ago",
	} {
		require.Equal(t, want, away(d), d.String())
	}
}

func TestPlain_LeavesNamesAndTakesTheLinksOutOfThem(t *testing.T) {
	for in, want := range map[string]string{
		"Production, blue":                    "Production, blue",
		"Ingest v1.2 (eu-1) #4":               "Ingest v1.2 (eu-1) #4",
		"日本語 ключ 🔑":                          "日本語 ключ 🔑",
		"See https://evil.example/login":      "See https[:]//evil[.]example/login",
		"evil.example":                        "evil[.]example",
		"www.evil.example now":                "www[.]evil[.]example now",
		"evil。example":                        "evil[。]example",
		"mail help@evil.example":              "mail help[@]evil[.]example",
		"a\r\nBcc: all@example.com":           "a Bcc: all[@]example[.]com",
		"  two\t\tlines \n\n of  text  ":      "two lines of text",
		"right\u202eto\u2066left\u200b\u0000": "right to left",
		"<b>bold</b> & \"quoted\"":            "<b>bold</b> & \"quoted\"",
		"\xff\xfebroken":                      "broken",
	} {
		require.Equal(t, want, Plain(in, 100), "%q", in)
	}
	require.Equal(t, strings.Repeat("é", 9)+"…", Plain(strings.Repeat("é", 11), 10))
	require.Equal(t, strings.Repeat("é", 10), Plain(strings.Repeat("é", 10), 10))
}

func TestCut_EndsAtACharacter(t *testing.T) {
	require.Equal(t, "short", cut("short", 10))
	for n := 4; n < 30; n++ {
		s := cut(strings.Repeat("🔑é", 9), n)
		require.LessOrEqual(t, len(s), n)
		require.True(t, utf8.ValidString(s), "%q", s)
		require.True(t, strings.HasSuffix(s, "…"))
	}
}

// linkable is what mail programs make links of: a scheme before a slash, a host with letters at its end, an address.
var linkable = regexp.MustCompile(`(?i)[a-z][a-z0-9+.-]*:[/\\]|[\p{L}\p{N}-][.。．｡]\p{L}|[^\s\[]@[^\s\]]`)

// Whatever tenants write: it stands on one line, makes no link, opens no tag, begins no header, and adds nothing to the subject.
func FuzzRender_WhateverNamesSay(f *testing.F) {
	for _, s := range []string{"Production", "<script>alert(1)</script>", "</code><a href=https://evil.example>click</a>", "x\r\nBcc: all@example.com\r\n\r\nhello",
		"{{.Count}}", "evil.example/login", "javascript:alert(1)", "\u202egpj.exe", "a@b.c", "“quote\" onmouseover=\"x", "&lt;b&gt;", "http:\\\\evil.example", "\x00\xff"} {
		f.Add(s, s)
	}
	dressed := func(name, note string) []matter {
		matters := every()
		for i := range matters {
			m := &matters[i]
			m.key.Key.Name, m.key.Account.Name, m.owner, m.line.Note = name, name, name, note
			m.last = &usage.Row{Source: "192.0.2.1", UserAgent: note}
			if m.rotation != nil {
				r := *m.rotation
				r.Delivery.Problem = note
				m.rotation = &r
			}
		}
		return matters
	}
	f.Fuzz(func(t *testing.T, name, note string) {
		hostile, plain := dressed(name, note), dressed("name", note[:min(len(note), 1)])
		l, err := render(hostile, nil, monday)
		require.NoError(t, err)
		harmless, err := render(plain, nil, monday)
		require.NoError(t, err)
		require.Equal(t, harmless.Subject, l.Subject)
		require.Regexp(t, `^rekey: [a-z0-9, ]+$`, l.Subject)
		require.Equal(t, tags(harmless.HTML), tags(l.HTML), "the tags are the template's")
		for i, m := range hostile {
			it := m.item(monday)
			for _, s := range []string{it.Key, it.Account, it.Owner, it.Note, it.Used} {
				require.False(t, linkable.MatchString(s), "%q is a link", s)
				require.False(t, strings.ContainsFunc(s, func(r rune) bool { return !unicode.IsGraphic(r) }), "%q", s)
			}
			require.Equal(t, plain[i].item(monday).What, it.What)
			require.Equal(t, plain[i].item(monday).Calls, it.Calls)
		}
		most := strings.Count(harmless.Text, "\n") + len(hostile)
		require.LessOrEqual(t, strings.Count(l.Text, "\n"), most, "a note is one line at most")
		require.NotContains(t, l.Text, "\r")
	})
}

var tag = regexp.MustCompile(`<[^>]*>`)

// tags are those of a document, in order, less the line breaks, of which there is one more for each note.
func tags(html string) []string {
	var out []string
	for _, x := range tag.FindAllString(html, -1) {
		if x != "<br>" {
			out = append(out, x)
		}
	}
	return out
}
