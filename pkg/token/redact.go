package token

import (
	"strings"

	"github.com/rekey-dev/rekey/pkg/id"
)

// Redact replaces everything in a text that looks like a secret by "[redacted]": "rk", the letter of a kind, "_", 20 base62
// characters, "_" and all base62 characters and underscores that follow, whether or not the check is right and however few
// there are. An underscore may be percent-encoded (%5F), as in a path. Whatever a caller sent goes through here before it is
// logged, recorded or answered.
func Redact(text string) string {
	var out strings.Builder
	rest := text
	for {
		start, end := find(rest)
		if start < 0 {
			break
		}
		out.WriteString(rest[:start])
		out.WriteString(Redacted)
		rest = rest[end:]
	}
	if out.Len() == 0 {
		return rest
	}
	out.WriteString(rest)
	return out.String()
}

// Within tells whether a text contains what looks like a secret, as Redact sees it.
func Within(text string) bool {
	start, _ := find(text)
	return start >= 0
}

// find returns the bounds of the first thing that looks like a secret; -1 when there is none.
func find(text string) (start, end int) {
	for from := 0; ; {
		i := strings.Index(text[from:], "rk")
		if i < 0 {
			return -1, 0
		}
		i += from
		if n := looksLike(text[i:]); n > 0 {
			return i, i + n
		}
		from = i + 1
	}
}

// looksLike returns the length of what looks like a secret at the beginning of s; 0 when it does not.
func looksLike(s string) int {
	if len(s) < 3 || Kind(s[2]).IDPrefix() == "" {
		return 0
	}
	n := 3
	u := underscore(s[n:])
	if u == 0 || len(s) < n+u+id.Length || !id.Base62(s[n+u:n+u+id.Length]) {
		return 0
	}
	n += u + id.Length
	u = underscore(s[n:])
	if u == 0 {
		return 0
	}
	n += u
	for n < len(s) {
		if id.Base62(s[n : n+1]) {
			n++
		} else if u = underscore(s[n:]); u > 0 { // a further secret may follow without a gap
			n += u
		} else {
			break
		}
	}
	return n
}

// underscore returns the length of an underscore at the beginning of s, percent-encoded or not; 0 when there is none.
func underscore(s string) int {
	switch {
	case strings.HasPrefix(s, "_"):
		return 1
	case strings.HasPrefix(s, "%5F"), strings.HasPrefix(s, "%5f"):
		return 3
	}
	return 0
}
