package calendar

import (
	"bytes"
	"fmt"
	"io"
	"strings"
	"unicode/utf8"
)

// MaxICS is the largest iCalendar text that is read, in bytes.
const MaxICS = 1 << 20

// ICSError says where and why a text is no iCalendar, or holds what rekey cannot follow.
type ICSError struct {
	Line   int    // 1 is the first; 0 when it is the whole text
	UID    string // of the event, if it is known
	Detail string
}

func (e *ICSError) Error() string {
	var where string
	if e.Line > 0 {
		where = fmt.Sprintf("line %d", e.Line)
	}
	if e.UID != "" {
		where = strings.TrimPrefix(where+", event "+shorten(e.UID), ", ")
	}
	if where == "" {
		return e.Detail
	}
	return where + ": " + e.Detail
}

// contentLine is one property, RFC 5545 section 3.1: name *(";" param) ":" value. Names are in capitals.
type contentLine struct {
	number int
	name   string
	params map[string]string // of a parameter with several values the first
	value  string
}

// eachLine unfolds a text and takes its lines: one that begins with a blank continues the one before. Both libraries that were tried take
// time in the square of a line's length (6 s and 25 GiB for 256 KiB), and neither says in which line an error is.
func eachLine(r io.Reader, take func(contentLine) error) error {
	text, err := io.ReadAll(io.LimitReader(r, MaxICS+1))
	if err != nil {
		return err
	}
	if len(text) > MaxICS {
		return &ICSError{Detail: "is larger than 1 MiB"}
	}
	if !utf8.Valid(text) {
		return &ICSError{Detail: "is not valid UTF-8"}
	}
	text = bytes.TrimPrefix(text, []byte("\uFEFF"))
	var line []byte
	begun, number := 0, 0
	end := func() error {
		if len(line) == 0 {
			return nil
		}
		l, problem := parseLine(string(line))
		if problem != "" {
			return &ICSError{Line: begun, Detail: problem}
		}
		l.number, line = begun, line[:0]
		return take(l)
	}
	for physical := range bytes.Lines(text) {
		number++
		physical = bytes.TrimRight(physical, "\r\n")
		if len(physical) > 0 && (physical[0] == ' ' || physical[0] == '\t') && len(line) > 0 {
			line = append(line, physical[1:]...)
			continue
		}
		if err := end(); err != nil {
			return err
		}
		begun, line = number, append(line, physical...)
	}
	return end()
}

func parseLine(s string) (contentLine, string) {
	at := strings.IndexAny(s, ";:")
	if at < 0 {
		return contentLine{}, "is no property: it has no colon"
	}
	l := contentLine{name: strings.ToUpper(s[:at])}
	if !isName(l.name) {
		return l, "is no property: its name has other characters than letters, digits and hyphens"
	}
	for s = s[at:]; s[0] == ';'; {
		name, rest, ok := strings.Cut(s[1:], "=")
		if name = strings.ToUpper(name); !ok || !isName(name) {
			return l, "has a parameter without a name or a value"
		}
		value := ""
		for first := true; first || s[0] == ','; first = false {
			var v string
			if v, rest, ok = paramValue(rest); !ok {
				return l, "has a parameter that does not end, or with a quotation mark in it"
			}
			if first {
				value = v
			}
			if s = rest; s[0] == ',' {
				rest = s[1:]
			}
		}
		if l.params == nil {
			l.params = map[string]string{}
		}
		l.params[name] = value
	}
	if s[0] != ':' {
		return l, "has no colon after its parameters"
	}
	l.value = s[1:]
	return l, ""
}

// paramValue reads one value of a parameter; what is left begins with the character that ended it.
func paramValue(s string) (value, rest string, ok bool) {
	if quoted, is := strings.CutPrefix(s, `"`); is {
		value, rest, ok = strings.Cut(quoted, `"`)
		return value, rest, ok && rest != "" && strings.IndexByte(";:,", rest[0]) >= 0
	}
	at := strings.IndexAny(s, `;:,"`)
	if at < 0 || s[at] == '"' {
		return "", "", false
	}
	return s[:at], s[at:], true
}

func isName(s string) bool {
	for i := range len(s) {
		c := s[i]
		if (c < 'A' || c > 'Z') && (c < '0' || c > '9') && c != '-' {
			return false
		}
	}
	return s != ""
}

// unescape reads a value of type TEXT (section 3.3.11), a line break as a blank. It is a function, like escape, so that a binary
// that does not use it has nothing of it.
func unescape(s string) string {
	return strings.NewReplacer(`\\`, `\`, `\;`, `;`, `\,`, `,`, `\n`, ` `, `\N`, ` `).Replace(s)
}

func escape(s string) string {
	return strings.NewReplacer(`\`, `\\`, `;`, `\;`, `,`, `\,`, "\n", `\n`).Replace(s)
}
