package dynamo

import (
	"encoding/json"
	"strings"
)

// flatItem is an item as it came, without a map: its attributes in their order, lists, maps and null without their text. Its texts share the memory of the answer.
type flatItem []flatAttribute

type flatAttribute struct {
	name string
	typ  string // S, N, B or BOOL
	text string // of a binary in base64; of a boolean true or false
}

// lookup finds an attribute.
func (it flatItem) lookup(attr string) (flatAttribute, bool) {
	for i := range it {
		if it[i].name == attr {
			return it[i], true
		}
	}
	return flatAttribute{}, false
}

// scanBatch takes the items of one table out of a BatchGetItem answer. It reports false for an answer that is not of that
// form, leaves a key unprocessed, names another table or an attribute twice: the SDK is to say what it is.
func scanBatch(answer, table string) ([]flatItem, bool) {
	s := scanner{rest: answer}
	var items []flatItem
	ok := s.object(func(name string) {
		switch name {
		case "Responses":
			s.object(func(name string) {
				if name != table || items != nil {
					s.bad = true
				}
				items = s.items()
			})
		case "UnprocessedKeys":
			s.object(func(string) { s.bad = true })
		default:
			s.skip()
		}
	})
	s.blank()
	return items, ok && items != nil && !s.bad && s.rest == ""
}

// scanner reads JSON (RFC 8259) from the front of a text. Once something is wrong it stays bad and moves no further.
type scanner struct {
	rest string
	bad  bool
}

func (s *scanner) blank() {
	for len(s.rest) > 0 && (s.rest[0] == ' ' || s.rest[0] == '\n' || s.rest[0] == '\t' || s.rest[0] == '\r') {
		s.rest = s.rest[1:]
	}
}

// next takes the character c. It is not inlined: the binary's bound is tight.
//
//go:noinline
func (s *scanner) next(c byte) bool {
	s.blank()
	if s.bad || len(s.rest) == 0 || s.rest[0] != c {
		return false
	}
	s.rest = s.rest[1:]
	return true
}

func (s *scanner) want(c byte) {
	if !s.next(c) {
		s.bad = true
	}
}

// object reads an object; member reads each member's value.
func (s *scanner) object(member func(name string)) bool {
	s.want('{')
	if s.next('}') {
		return !s.bad
	}
	for !s.bad {
		name := s.string()
		s.want(':')
		if s.bad {
			return false
		}
		member(name)
		if s.next('}') {
			return !s.bad
		}
		s.want(',')
	}
	return false
}

// items reads an array of items; their attributes lie one behind the other.
func (s *scanner) items() []flatItem {
	items := make([]flatItem, 0, 4)
	all := make(flatItem, 0, 48)
	s.array(func() {
		start := len(all)
		s.object(func(name string) {
			if _, twice := all[start:].lookup(name); twice {
				s.bad = true
			}
			if a, ok := s.attribute(name); ok {
				all = append(all, a)
			}
		})
		items = append(items, all[start:len(all):len(all)])
	})
	return items
}

func (s *scanner) array(element func()) {
	s.want('[')
	if s.next(']') {
		return
	}
	for !s.bad {
		element()
		if s.next(']') {
			return
		}
		s.want(',')
	}
}

// attribute reads {"S": "text"}; it passes over lists and maps.
func (s *scanner) attribute(name string) (flatAttribute, bool) {
	s.want('{')
	typ := s.string()
	s.want(':')
	a := flatAttribute{name: name, typ: typ}
	switch typ {
	case "S", "N", "B":
		a.text = s.string()
	case "BOOL":
		a.text = s.literal()
	case "L", "M", "NULL", "SS", "NS", "BS":
		s.skip() // its type stays: whoever reads it as something else is told so
	default:
		s.bad = true
	}
	s.want('}')
	return a, !s.bad
}

// string reads a string. One without an escape is a part of the answer.
func (s *scanner) string() string {
	s.blank()
	if s.bad || len(s.rest) == 0 || s.rest[0] != '"' {
		s.bad = true
		return ""
	}
	for i := 1; i < len(s.rest); i++ {
		switch c := s.rest[i]; {
		case c == '"':
			text := s.rest[1:i]
			s.rest = s.rest[i+1:]
			return text
		case c == '\\':
			return s.escaped(i)
		case c < ' ' || c >= 0x80:
			return s.escaped(i) // control characters are wrong, and bytes that are no UTF-8 are replaced
		}
	}
	s.bad = true
	return ""
}

// escaped reads a string whose first extraordinary byte is at i.
func (s *scanner) escaped(i int) string {
	for ; i < len(s.rest); i++ {
		switch s.rest[i] {
		case '\\':
			i++
		case '"':
			var text string
			if json.Unmarshal([]byte(s.rest[:i+1]), &text) != nil {
				s.bad = true
				return ""
			}
			s.rest = s.rest[i+1:]
			return text
		}
	}
	s.bad = true
	return ""
}

// literal reads true, false, null or a number.
func (s *scanner) literal() string {
	s.blank()
	n := strings.IndexAny(s.rest, ",]} \n\t\r")
	if s.bad || n <= 0 || !json.Valid([]byte(s.rest[:n])) || strings.ContainsAny(s.rest[:n], `"[{`) {
		s.bad = true
		return ""
	}
	text := s.rest[:n]
	s.rest = s.rest[n:]
	return text
}

// skip passes over any value.
func (s *scanner) skip() {
	s.blank()
	switch {
	case s.bad || len(s.rest) == 0:
		s.bad = true
	case s.rest[0] == '"':
		s.string()
	case s.rest[0] == '{':
		s.object(func(string) { s.skip() })
	case s.rest[0] == '[':
		s.array(s.skip)
	default:
		s.literal()
	}
}
