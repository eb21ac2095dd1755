// Package name holds the rules for the names, descriptions, tags and other texts that people give to objects.
//
// A name is 1 to 100 characters, none of them a control character or invisible. Siblings' names are unique in the form that
// package fold gives them.
package name

import (
	"fmt"
	"net/mail"
	"strings"
	"unicode"
	"unicode/utf8"
)

// Limits, in characters (Unicode code points).
const (
	MaxName        = 100
	MaxDescription = 500
	MaxExternalID  = 100
	MaxTags        = 10
	MaxTag         = 40
	MaxContacts    = 10
	MaxEmail       = 254
)

// Check says what is wrong with a name; "" when nothing is.
func Check(s string) string {
	switch {
	case s == "":
		return "is empty; 1 to 100 characters are wanted"
	case !utf8.ValidString(s):
		return "is not valid UTF-8"
	case utf8.RuneCountInString(s) > MaxName:
		return "is longer than 100 characters"
	case strings.TrimSpace(s) != s:
		return "begins or ends with a blank"
	}
	return invisible(s, false)
}

// CheckDescription says what is wrong with a description of up to 500 characters; line breaks are allowed.
func CheckDescription(s string) string {
	switch {
	case !utf8.ValidString(s):
		return "is not valid UTF-8"
	case utf8.RuneCountInString(s) > MaxDescription:
		return "is longer than 500 characters"
	}
	return invisible(s, true)
}

// CheckExternalID says what is wrong with an ID of another system, up to 100 characters.
func CheckExternalID(s string) string {
	switch {
	case !utf8.ValidString(s):
		return "is not valid UTF-8"
	case utf8.RuneCountInString(s) > MaxExternalID:
		return "is longer than 100 characters"
	}
	return invisible(s, false)
}

// CheckTag says what is wrong with a tag: 1 to 40 of a-z, 0-9, "_", ":", "-".
func CheckTag(s string) string {
	if s == "" || len(s) > MaxTag {
		return "is not 1 to 40 characters long"
	}
	for i := 0; i < len(s); i++ {
		c := s[i]
		if (c < 'a' || c > 'z') && (c < '0' || c > '9') && c != '_' && c != ':' && c != '-' {
			return "has a character other than a-z, 0-9, _, : and -"
		}
	}
	return ""
}

// CheckEmail says what is wrong with an e-mail address (RFC 5322 addr-spec, up to 254 characters, with a dot-atom domain).
func CheckEmail(s string) string {
	if len(s) > MaxEmail {
		return "is longer than 254 characters"
	}
	a, err := mail.ParseAddress(s)
	if err != nil || a.Address != s || a.Name != "" {
		return "is not an e-mail address"
	}
	at := strings.LastIndexByte(s, '@')
	if strings.ContainsAny(s, "\"<> \t[]()") || at > 64 {
		return "is not an e-mail address"
	}
	return invisible(s, false)
}

// CanonicalEmail returns an address in the one form in which it is kept, its domain in small letters, or what is wrong with it. A
// domain outside ASCII is refused: one that looks like another is nobody's to tell apart, and its xn-- form (RFC 5890) is unambiguous.
func CanonicalEmail(s string) (canonical, problem string) {
	if problem := CheckEmail(s); problem != "" {
		return "", problem
	}
	at := strings.LastIndexByte(s, '@')
	for _, r := range s[at:] {
		if r >= utf8.RuneSelf {
			return "", "has a domain outside ASCII; give it in its xn-- form"
		}
	}
	domain := strings.ToLower(s[at+1:])
	for label := range strings.SplitSeq(domain, ".") {
		if !isLabel(label) {
			return "", "has a domain that is no host's name"
		}
	}
	return s[:at+1] + domain, ""
}

// isLabel tells whether a text in small letters is a sub-domain (RFC 5321, section 4.1.2; its length from RFC 1035).
func isLabel(s string) bool {
	if s == "" || len(s) > 63 || s[0] == '-' || s[len(s)-1] == '-' {
		return false
	}
	for i := 0; i < len(s); i++ {
		if c := s[i]; (c < 'a' || c > 'z') && (c < '0' || c > '9') && c != '-' {
			return false
		}
	}
	return true
}

// CheckLine says what is wrong with one line of text, of any length.
func CheckLine(s string) string {
	if !utf8.ValidString(s) {
		return "is not valid UTF-8"
	}
	return invisible(s, false)
}

func invisible(s string, lines bool) string {
	for i, r := range s {
		if lines && (r == '\n' || r == '\t' || r == '\r') {
			continue
		}
		if !unicode.IsGraphic(r) || (unicode.IsSpace(r) && r != ' ') || isBlank(r) {
			return fmt.Sprintf("has a control or invisible character (U+%04X at byte %d)", r, i)
		}
	}
	return ""
}

// isBlank names characters that Unicode calls graphic and that show nothing.
func isBlank(r rune) bool {
	switch r {
	case '\u034F', '\u115F', '\u1160', '\u17B4', '\u17B5', '\u2800', '\u3164', '\uFFA0':
		return true
	}
	return unicode.Is(unicode.Variation_Selector, r)
}
