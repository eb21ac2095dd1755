package notice

import (
	"strings"
	"unicode"
	"unicode/utf8"
)

// Plain makes text that somebody else wrote fit for a message: one line of visible characters, at most so many of them, that
// neither looks like a link to a mail program nor can be read as one. Mail programs make links of what they take for an address
// even in plain text, so whoever names a key could otherwise send links in rekey's name.
func Plain(s string, most int) string {
	var b strings.Builder
	blank := true
	for _, r := range s {
		if r == utf8.RuneError || !unicode.IsGraphic(r) || unicode.IsSpace(r) {
			if !blank {
				b.WriteByte(' ')
			}
			blank = true
			continue
		}
		blank = false
		b.WriteRune(r)
	}
	out := []rune(strings.TrimSpace(b.String()))
	if len(out) > most {
		out = append(out[:most-1], '…')
	}
	return defang(out)
}

// defang puts brackets around every dot with a letter behind and something before it, every colon before a slash and every @, as
// people do who write to each other about bad links: example[.]com, https[:]//. The dots are those that browsers take for one (UTS #46).
func defang(s []rune) string {
	var b strings.Builder
	for i, r := range s {
		var before, after rune
		if i > 0 {
			before = s[i-1]
		}
		if i+1 < len(s) {
			after = s[i+1]
		}
		switch {
		case isDot(r) && !unicode.IsSpace(before) && before != 0 && (unicode.IsLetter(after) || unicode.IsMark(after)),
			r == ':' && (after == '/' || after == '\\'), r == '@':
			b.WriteString("[" + string(r) + "]")
		default:
			b.WriteRune(r)
		}
	}
	return b.String()
}

func isDot(r rune) bool { return r == '.' || r == '\u3002' || r == '\uFF0E' || r == '\uFF61' }
