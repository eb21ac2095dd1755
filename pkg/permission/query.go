package permission

import (
	"errors"
	"strconv"
	"strings"
)

// Bounds of a query.
const (
	MaxQuery      = 1000 // bytes
	MaxQueryTerms = 50
	MaxQueryDepth = 10 // of parentheses
)

// Query is a condition over permissions and protected scopes. The zero Query is no condition: it always holds.
//
//	query = and { "OR" and }
//	and   = part { "AND" part }
//	part  = "(" query ")" | term
//	term  = a permission of the catalogue, or a well-formed name of a protected scope
//
// AND binds tighter than OR. The operators are read without regard to case; between two words stands white space (blank, tab, line
// feed, carriage return), around parentheses it may. A query has at most 1000 bytes, 50 terms and parentheses 10 deep.
type Query struct {
	term  Permission
	or    bool // of parts: any of them; else all
	parts []Query
}

// ParseQuery reads a query. Its errors say what is wrong, for the one who wrote it.
func ParseQuery(text string) (Query, error) {
	if len(text) > MaxQuery {
		return Query{}, errors.New("is longer than 1000 bytes")
	}
	p := parser{words: split(text)}
	q, err := p.query(0)
	if err == nil && len(p.words) > 0 {
		err = unexpected(p.words[0])
	}
	if err != nil {
		return Query{}, err
	}
	return q, nil
}

// split cuts a query at white space; parentheses are words of their own.
func split(text string) []string {
	return strings.FieldsFunc(strings.NewReplacer("(", " ( ", ")", " ) ").Replace(text), func(r rune) bool { return r == ' ' || r == '\t' || r == '\n' || r == '\r' })
}

func unexpected(word string) error {
	if !isTerm(word) && word != "(" && word != ")" && !operator(word, "AND") && !operator(word, "OR") {
		return errors.New("has a word that is neither AND nor OR nor a permission: " + strconv.QuoteToASCII(word[:min(len(word), 50)]))
	}
	return errors.New("has " + word + " where it cannot be")
}

func isTerm(word string) bool { return Known(Permission(word)) || IsProtected(word) }

func operator(word, name string) bool { return strings.EqualFold(word, name) }

// parser reads a query by recursive descent, as deep as MaxQueryDepth.
type parser struct {
	words []string
	terms int
}

func (p *parser) takes(name string) bool {
	if len(p.words) > 0 && operator(p.words[0], name) {
		p.words = p.words[1:]
		return true
	}
	return false
}

func (p *parser) query(depth int) (Query, error) {
	return p.list("OR", func() (Query, error) {
		return p.list("AND", func() (Query, error) { return p.part(depth) })
	})
}

// list reads one part or several with an operator between them.
func (p *parser) list(name string, part func() (Query, error)) (Query, error) {
	first, err := part()
	if err != nil {
		return Query{}, err
	}
	out := Query{or: name == "OR", parts: []Query{first}}
	for p.takes(name) {
		next, err := part()
		if err != nil {
			return Query{}, err
		}
		out.parts = append(out.parts, next)
	}
	if len(out.parts) == 1 {
		return first, nil
	}
	return out, nil
}

func (p *parser) part(depth int) (Query, error) {
	if len(p.words) == 0 {
		return Query{}, errors.New("ends where a permission is wanted")
	}
	word := p.words[0]
	if word != "(" {
		if !isTerm(word) {
			return Query{}, unexpected(word)
		}
		if p.terms++; p.terms > MaxQueryTerms {
			return Query{}, errors.New("has more than 50 permissions")
		}
		p.words = p.words[1:]
		return Query{term: Permission(word)}, nil
	}
	if depth == MaxQueryDepth {
		return Query{}, errors.New("has parentheses more than 10 deep")
	}
	p.words = p.words[1:]
	q, err := p.query(depth + 1)
	if err == nil && !p.takes(")") {
		err = errors.New("has a parenthesis that is not closed")
	}
	return q, err
}

// Terms returns the permissions of the query in their order, each once.
func (q Query) Terms() []Permission {
	var out []Permission
	seen := map[Permission]bool{}
	q.walk(func(p Permission) {
		if !seen[p] {
			seen[p] = true
			out = append(out, p)
		}
	})
	return out
}

func (q Query) walk(visit func(Permission)) {
	if q.term != "" {
		visit(q.term)
	}
	for _, part := range q.parts {
		part.walk(visit)
	}
}

// Missing returns nothing when the query holds, and otherwise terms, in their order, with which it would hold beside those that do:
// of the parts of an OR the one that lacks fewest, of several such the first.
func (q Query) Missing(holds func(Permission) bool) []Permission {
	var out []Permission
	seen := map[Permission]bool{}
	for _, p := range q.lacking(holds) {
		if !seen[p] {
			seen[p] = true
			out = append(out, p)
		}
	}
	return out
}

// lacking may name a term twice.
func (q Query) lacking(holds func(Permission) bool) []Permission {
	if q.term != "" {
		if holds(q.term) {
			return nil
		}
		return []Permission{q.term}
	}
	var out []Permission
	for i, part := range q.parts {
		lacks := part.lacking(holds)
		switch {
		case !q.or:
			out = append(out, lacks...)
		case len(lacks) == 0:
			return nil
		case i == 0 || len(lacks) < len(out):
			out = lacks
		}
	}
	return out
}

// String writes the query so that ParseQuery reads it again.
func (q Query) String() string {
	if q.term != "" {
		return string(q.term)
	}
	parts := make([]string, len(q.parts))
	for i, part := range q.parts {
		if parts[i] = part.String(); part.term == "" {
			parts[i] = "(" + parts[i] + ")"
		}
	}
	if q.or {
		return strings.Join(parts, " OR ")
	}
	return strings.Join(parts, " AND ")
}
