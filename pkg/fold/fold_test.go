package fold_test

import (
	"testing"
	"unicode"
	"unicode/utf8"

	"github.com/stretchr/testify/require"
	"golang.org/x/text/unicode/norm"

	"github.com/rekey-dev/rekey/pkg/fold"
)

func TestName_TwoNamesAreTheSameWhateverTheirCaseAndComposition(t *testing.T) {
	for a, b := range map[string]string{
		"Recorder": "rECORDER", "Straße": "STRASSE", "café": "CAFE\u0301", "\u212b": "\u00e5", "Σίσυφος": "ΣΊΣΥΦΟΣ", "ﬁle": "FILE",
		"\u1e9e": "ss", "Ǆ": "ǆ", "ǅ": "ǆ", "\u0130": "i\u0307", "\u13a0": "\uab70", "ΐ": "\u03b9\u0308\u0301",
	} {
		require.Equal(t, fold.Name(a), fold.Name(b), "%q and %q", a, b)
	}
	for a, b := range map[string]string{"a": "b", "cafe": "café", "o": "ö", "I": "ı", "１": "1", "ss": "s", "a b": "ab", "K": "К"} {
		require.NotEqual(t, fold.Name(a), fold.Name(b), "%q and %q", a, b)
	}
	require.Empty(t, fold.Name(""))
	require.Equal(t, "recorder 2 (west)", fold.Name("Recorder 2 (West)"))
}

func TestName_FoldsEveryCharacterOnce(t *testing.T) {
	for r := rune(0); r <= unicode.MaxRune; r++ {
		if !utf8.ValidRune(r) {
			continue
		}
		once := fold.Name(string(r))
		if again := fold.Name(once); again != once {
			t.Errorf("%U: %+q, then %+q", r, once, again)
		}
		if upper, lower := fold.Name(string(unicode.ToUpper(r))), fold.Name(string(unicode.ToLower(r))); upper != once && lower != once {
			t.Errorf("%U: %+q, in upper case %+q, in lower case %+q", r, once, upper, lower)
		}
	}
}

// FuzzFold: folding twice changes nothing, and how a text is composed does not matter.
func FuzzFold(f *testing.F) {
	for _, s := range []string{"Straße", "CAFE\u0301", "\u0345\u0301", "\u03b1\u0345\u0301", "\u1fb4", "\u0390", "\u1e9e\u0323\u0307", "\xff\u0301", "ΣΊΣΥΦΟΣ"} {
		f.Add(s)
	}
	f.Fuzz(func(t *testing.T, s string) {
		once := fold.Name(s)
		require.Equal(t, once, fold.Name(once))
		if utf8.ValidString(s) {
			require.Equal(t, once, fold.Name(norm.NFD.String(s)))
			require.Equal(t, once, fold.Name(norm.NFC.String(s)))
		}
	})
}
