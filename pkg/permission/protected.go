package permission

import "strings"

// Kind is what a protected scope allows to do. A role can hold every scope of a kind.
type Kind string

const (
	Read    Kind = "read"
	Execute Kind = "execute"
	Write   Kind = "write"
	Delete  Kind = "delete"
)

// Kinds are all that there are.
var Kinds = [...]Kind{Read, Execute, Write, Delete}

// firstWildcard is the position of the first of the four wildcards in a Set; the catalogue ends before it.
const firstWildcard = 60

// Wildcard is what a role holds that has every protected scope of the kind, of each API that is registered at the holder's place or
// above. It is written "*:<kind>" where sets are stored, is shown nowhere, and nobody can ask for it by name.
func (k Kind) Wildcard() Permission { return Permission("*:" + string(k)) }

// wildcards has all four.
var wildcards = Set{bits: [words]uint64{0xf << firstWildcard}}

// coversNames tells whether every protected scope is in the set, whatever its kind.
func (s Set) coversNames() bool { return s.bits[0]&wildcards.bits[0] == wildcards.bits[0] }

// Allows tells whether a protected scope of a kind is in the set: by its name, or by the wildcard of that kind.
func (s Set) Allows(scope Permission, k Kind) bool {
	i, ok := indexes[k.Wildcard()]
	return ok && s.bits[0]&(1<<i) != 0 || listed(s.scopes, string(scope))
}

// Protected returns the names of protected scopes in the set, sorted.
func (s Set) Protected() []string {
	if s.scopes == "" {
		return nil
	}
	return strings.Split(s.scopes, " ")
}

// OnlyProtected returns the names of protected scopes alone, as a set.
func (s Set) OnlyProtected() Set { return Set{scopes: s.scopes} }

// WithoutProtected returns the set without the names of protected scopes.
func (s Set) WithoutProtected() Set { return Set{bits: s.bits} }

// WithoutWildcards returns the set without the wildcards: what a service account's key can carry. It holds protected scopes by name
// only, so that a scope that an API declares later does not open it to keys that were issued before.
func (s Set) WithoutWildcards() Set {
	s.bits[0] &^= wildcards.bits[0]
	return s
}

// MaxProtected is the most characters of a protected scope's name.
const MaxProtected = 40

// IsProtected tells whether text can name a protected scope: "<slug>:<word>", each part of a-z, 0-9, "_" and "-", together at most
// 40 characters, with a slug that is no resource of the catalogue.
func IsProtected(text string) bool {
	slug, word, ok := strings.Cut(text, ":")
	return ok && len(text) <= MaxProtected && isWord(slug) && isWord(word) && !IsResource(slug)
}

// IsResource tells whether a word is the first part of permissions of the catalogue.
func IsResource(word string) bool {
	for i := range positions {
		if resource, _, _ := strings.Cut(string(positions[i].id), ":"); resource == word {
			return true
		}
	}
	return false
}

func isWord(s string) bool {
	for i := 0; i < len(s); i++ {
		if c := s[i]; (c < 'a' || c > 'z') && (c < '0' || c > '9') && c != '_' && c != '-' {
			return false
		}
	}
	return s != ""
}

// listed tells whether a word is in a list of names.
//
//go:noinline
func listed(names, word string) bool {
	for names != "" {
		var one string
		if one, names = next(names); one == word {
			return true
		}
	}
	return false
}

// next takes the first word off a list. It is not inlined: the authorizer's binary has a bound.
//
//go:noinline
func next(names string) (word, rest string) {
	word, rest, _ = strings.Cut(names, " ")
	return word, rest
}

// merge joins two lists.
func merge(a, b string) string {
	if a == "" || a == b {
		return b
	}
	if b == "" {
		return a
	}
	out := ""
	for a != "" || b != "" {
		x, restA := next(a)
		y, restB := next(b)
		word := x
		switch {
		case a == "" || b != "" && y < x:
			word, b = y, restB
		case x == y:
			a, b = restA, restB
		default:
			a = restA
		}
		out = add(out, word)
	}
	return out
}

// pick keeps the words of a that are in b, or those that are not.
func pick(a, b string, in bool) (out string) {
	for a != "" {
		var word string
		if word, a = next(a); listed(b, word) == in {
			out = add(out, word)
		}
	}
	return out
}

func add(names, word string) string {
	if names == "" {
		return word
	}
	return names + " " + word
}
