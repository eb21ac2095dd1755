package name_test

import (
	"net/mail"
	"strings"
	"testing"

	"github.com/stretchr/testify/require"

	"github.com/rekey-dev/rekey/pkg/name"
)

// invisible are texts with something in them that a reader would not see.
var invisible = map[string]string{
	"NUL": "a\x00b", "tab": "a\tb", "line feed": "a\nb", "carriage return": "a\rb", "escape": "a\x1b[31mb", "delete": "a\x7fb",
	"C1 control": "a\u0085b", "soft hyphen": "a\u00adb", "zero-width space": "a\u200bb", "zero-width joiner": "a\u200db",
	"zero-width non-joiner": "a\u200cb", "word joiner": "a\u2060b", "byte order mark": "a\ufeffb", "left-to-right mark": "a\u200eb",
	"right-to-left override": "a\u202eb", "isolate": "a\u2066b", "line separator": "a\u2028b", "paragraph separator": "a\u2029b",
	"no-break space": "a\u00a0b", "ideographic space": "a\u3000b", "thin space": "a\u2009b", "Hangul filler": "a\u3164b",
	"half-width Hangul filler": "a\uffa0b", "Hangul choseong filler": "a\u115fb", "grapheme joiner": "a\u034fb", "Braille blank": "a\u2800b",
	"variation selector": "a\ufe0fb", "supplementary variation selector": "a\U000e0101b", "tag": "a\U000e0041b", "private use": "a\ue000b",
	"unassigned": "a\u0378b", "Khmer inherent vowel": "a\u17b4b", "Mongolian vowel separator": "a\u180eb", "interlinear annotation": "a\ufff9b",
}

func TestCheck_RefusesWhatNobodySees(t *testing.T) {
	for what, s := range invisible {
		require.NotEmpty(t, name.Check(s), what)
		require.NotEmpty(t, name.CheckExternalID(s), what)
		lines := what == "tab" || what == "line feed" || what == "carriage return"
		require.Equal(t, lines, name.CheckDescription(s) == "", what)
		require.NotEmpty(t, name.CheckTag(s), what)
		require.NotEmpty(t, name.CheckEmail(s+"@example.com"), what)
	}
}

func TestCheck_AcceptsNamesOfPeople(t *testing.T) {
	for _, s := range []string{"a", "Recorder 2", "O'Brien & Söhne", "café", "cafe\u0301", "日本語", "Ελλάδα", "עברית", "العربية", "한국어",
		"🔑", "key #1 (prod) / west", "<script>", `"quoted"`, "{{.}}", "a  b", strings.Repeat("é", name.MaxName), strings.Repeat("🔑", name.MaxName)} {
		require.Empty(t, name.Check(s), s)
		require.Empty(t, name.CheckDescription(s), s)
		require.Empty(t, name.CheckExternalID(s), s)
	}
}

func TestCheck_HoldsTheLimits(t *testing.T) {
	for _, s := range []string{"", " ", " a", "a ", "\ta", "a\n", "\u00a0a", strings.Repeat("é", name.MaxName+1), "a\xff", "\xc3"} {
		require.NotEmpty(t, name.Check(s), "%q", s)
	}
	require.Empty(t, name.CheckDescription(""))
	require.Empty(t, name.CheckDescription(strings.Repeat("é", name.MaxDescription)))
	require.NotEmpty(t, name.CheckDescription(strings.Repeat("é", name.MaxDescription+1)))
	require.NotEmpty(t, name.CheckDescription("\xff"))
	require.Empty(t, name.CheckExternalID(""))
	require.Empty(t, name.CheckExternalID(strings.Repeat("é", name.MaxExternalID)))
	require.NotEmpty(t, name.CheckExternalID(strings.Repeat("é", name.MaxExternalID+1)))
	require.NotEmpty(t, name.CheckExternalID("\xff"))
}

func TestCheck_SaysWhereTheCharacterIs(t *testing.T) {
	require.Equal(t, "has a control or invisible character (U+200B at byte 3)", name.Check("aé\u200bb"))
}

func TestCheckTag_TakesItsAlphabetOnly(t *testing.T) {
	for _, s := range []string{"a", "0", "env:prod", "a_b-c:9", "-", strings.Repeat("a", name.MaxTag)} {
		require.Empty(t, name.CheckTag(s), s)
	}
	for _, s := range []string{"", "A", "a b", "é", "a/b", "a.b", "a,b", strings.Repeat("a", name.MaxTag+1)} {
		require.NotEmpty(t, name.CheckTag(s), s)
	}
}

func TestCheckEmail_TakesAddressesOnly(t *testing.T) {
	for _, s := range []string{"ada@example.com", "a.b+c@sub.example.co.uk", "o'brien@example.com", "x@localhost", "1@2.example",
		strings.Repeat("a", 64) + "@example.com", "josé@example.com"} {
		require.Empty(t, name.CheckEmail(s), s)
	}
	for _, s := range []string{"", "ada", "@example.com", "ada@", "ada@@example.com", "ada@example.com ", " ada@example.com",
		"Ada <ada@example.com>", "<ada@example.com>", "ada@example.com, bob@example.com", "ada@example.com\nBcc: bob@example.com",
		`"ada b"@example.com`, "ada (comment)@example.com", "ada@[127.0.0.1]", ".ada@example.com", "a..b@example.com", "ada@example..com",
		strings.Repeat("a", 65) + "@example.com", strings.Repeat("a", 60) + "@" + strings.Repeat("b.", 100) + "example"} {
		require.NotEmpty(t, name.CheckEmail(s), "%q", s)
	}
}

// FuzzCheck: what passes has no control character, whatever it is.
func FuzzCheck(f *testing.F) {
	for _, s := range invisible {
		f.Add(s)
	}
	f.Fuzz(func(t *testing.T, s string) {
		if name.Check(s) == "" {
			require.NotEmpty(t, s)
			require.Equal(t, strings.ToValidUTF8(s, ""), s)
			require.False(t, strings.ContainsFunc(s, func(r rune) bool { return r < ' ' || r == 0x7f }))
		}
	})
}

func TestCanonicalEmail_HasASmallASCIIDomain_W5(t *testing.T) {
	for given, want := range map[string]string{"Ada@EXAMPLE.com": "Ada@example.com", "ada+x@xn--exmple-cua.DE": "ada+x@xn--exmple-cua.de", "a@b.c": "a@b.c",
		"zoë@Example.org": "zoë@example.org"} {
		got, problem := name.CanonicalEmail(given)
		require.Empty(t, problem, given)
		require.Equal(t, want, got)
	}
	for _, s := range []string{"ada@exämple.de", "ada@\u0435xample.com", "ada@EXAMPLE\u3002com", "ada", "@example.com", "Ada <ada@example.com>", "", "ada@-example.com", "ada@example-.com",
		"ada@ex_ample.com", "ada@example.com.", "ada@exa'mple.com", "ada@" + strings.Repeat("a", 64) + ".com"} {
		_, problem := name.CanonicalEmail(s)
		require.NotEmpty(t, problem, s)
	}
}

// FuzzCanonicalEmail: what passes is one address in its one form, which can be put into a header as it is.
func FuzzCanonicalEmail(f *testing.F) {
	for _, s := range []string{"ada@EXAMPLE.com", "a.b+c@sub.example.co.uk", "Ada <ada@example.com>", "a@b, c@d", "a@b\r\nBcc: c@d", `"a b"@c`, "a@[127.0.0.1]",
		"zo\u00eb@example.org", "a@ex\u00e4mple.de", "a@\u0435xample.com", "a@EXAMPLE\u3002com", "=?utf-8?q?a?=@b.c", "a(b)@c", "a@b;", "@a,@b:c@d", "a@b\x00", "\xff@b.c"} {
		f.Add(s)
	}
	for _, s := range invisible {
		f.Add(s + "@example.com")
	}
	f.Fuzz(func(t *testing.T, s string) {
		got, problem := name.CanonicalEmail(s)
		if problem != "" {
			require.Empty(t, got)
			return
		}
		again, problem := name.CanonicalEmail(got)
		require.Empty(t, problem)
		require.Equal(t, got, again)
		require.LessOrEqual(t, len(got), name.MaxEmail)
		require.Empty(t, name.CheckLine(got))
		require.False(t, strings.ContainsAny(got, " \t\r\n<>()[],;:\\\""), "%q", got)
		at := strings.LastIndexByte(got, '@')
		require.Equal(t, 1, strings.Count(got, "@"))
		require.True(t, strings.EqualFold(got, s))
		require.Equal(t, s[:at], got[:at], "who it is stays as it was written")
		for _, r := range got[at:] {
			require.Less(t, r, rune(0x80))
			require.False(t, r >= 'A' && r <= 'Z')
		}
		message, err := mail.ReadMessage(strings.NewReader("To: " + got + "\r\n\r\n"))
		require.NoError(t, err)
		to, err := message.Header.AddressList("To")
		require.NoError(t, err)
		require.Len(t, to, 1)
		require.Equal(t, got, to[0].Address)
	})
}
