// Package permission is the catalogue of what a principal may be allowed to do, as data, and the set arithmetic over it.
//
// A permission of rekey's own API is a word of the catalogue. A role holds a set of them, a key carries a narrower set
// (its scopes), and what a caller may do is the intersection of the two, computed at every request.
//
// Beside them stand the scopes that protected APIs declare. They are no part of the catalogue: a Set holds them by name, and a
// role can hold all of a kind by a wildcard.
package permission

import (
	"encoding/base64"
	"slices"
	"strings"
)

// Permission is "<resource>:<verb>".
type Permission string

// Entry describes one permission of the catalogue.
type Entry struct {
	ID          Permission
	Name        string // for people
	Description string
	Category    string
}

// AssignableToServiceAccount tells whether a service account can ever hold the permission.
func (e Entry) AssignableToServiceAccount() bool { return Machine.Has(e.ID) }

// words is the number of 64-bit words of a Set.
const words = 2

// Set is a set of permissions of the catalogue, of scopes that protected APIs declare, by name, and of wildcards. The zero Set is
// empty and grants nothing. Sets can be compared with ==.
//
// A wildcard stands for every protected scope of a kind, and of which kind a named one is a Set does not know: the API that
// declares it does. And and Without are therefore exact for the catalogue, for names and for wildcards each by themselves; where a
// name meets some wildcards they give the smaller answer: an intersection may lack what both allow, a difference may keep what is
// covered. All four wildcards cover every name, of whatever kind it is. Allows, which is told the kind, is exact.
type Set struct {
	bits   [words]uint64
	scopes string // names of protected scopes, sorted, each once, with a blank between two
}

// Of makes a set. What is neither in the catalogue nor a wildcard nor a well-formed name of a protected scope is left out.
func Of(ps ...Permission) Set {
	var s Set
	for _, p := range ps {
		if i, ok := indexes[p]; ok {
			s.bits[i/64] |= 1 << (i % 64)
		} else if IsProtected(string(p)) {
			s.scopes = merge(s.scopes, string(p))
		}
	}
	return s
}

// Has tells whether p is in the set: by its name, or itself a wildcard.
func (s Set) Has(p Permission) bool {
	i, ok := indexes[p]
	if !ok {
		return listed(s.scopes, string(p))
	}
	return s.bits[i/64]&(1<<(i%64)) != 0
}

// And returns the intersection.
func (s Set) And(t Set) Set {
	if s.scopes != t.scopes {
		switch {
		case s.coversNames() && t.coversNames():
			s.scopes = merge(s.scopes, t.scopes)
		case s.coversNames():
			s.scopes = t.scopes
		case !t.coversNames():
			s.scopes = pick(s.scopes, t.scopes, true)
		}
	}
	for i := range s.bits {
		s.bits[i] &= t.bits[i]
	}
	return s
}

// Or returns the union.
func (s Set) Or(t Set) Set {
	for i := range s.bits {
		s.bits[i] |= t.bits[i]
	}
	s.scopes = merge(s.scopes, t.scopes)
	return s
}

// Without returns what is in s and not in t.
func (s Set) Without(t Set) Set {
	for i := range s.bits {
		s.bits[i] &^= t.bits[i]
	}
	if t.coversNames() {
		s.scopes = ""
	} else {
		s.scopes = pick(s.scopes, t.scopes, false)
	}
	return s
}

// IsEmpty tells whether the set grants nothing.
func (s Set) IsEmpty() bool { return s == Set{} }

// Count returns the number of entries of List. It and Text have names that no interface of the standard library has: what could be
// called by way of one is linked into the authorizer, which calls neither.
func (s Set) Count() int { return len(s.List()) }

// List returns the set's permissions sorted by name, without wildcards: those are no permissions by themselves.
func (s Set) List() []Permission {
	var out []Permission
	for _, e := range positions {
		if s.bits[e.index/64]&(1<<(e.index%64)) != 0 {
			out = append(out, e.id)
		}
	}
	for _, w := range s.Protected() {
		out = append(out, Permission(w))
	}
	slices.Sort(out)
	return out
}

// Text joins the sorted names of the catalogue, the wildcards and the sorted names of protected scopes with a blank; Split is
// its inverse.
func (s Set) Text() string {
	var all []string
	for _, p := range (Set{bits: s.bits}).List() {
		all = append(all, string(p))
	}
	for _, k := range Kinds {
		if s.Has(k.Wildcard()) {
			all = append(all, string(k.Wildcard()))
		}
	}
	if s.scopes != "" {
		all = append(all, s.scopes)
	}
	return strings.Join(all, " ")
}

// Split reads what Text wrote. A well-formed name that is of no resource of the catalogue is a protected scope; other unknown words
// grant nothing.
func Split(text string) Set {
	var s Set
	for text != "" {
		word, rest, _ := strings.Cut(text, " ")
		s = s.Or(Of(Permission(word)))
		text = rest
	}
	return s
}

// Compact writes the catalogue's permissions and the wildcards in at most 22 characters of base64url, for the authorizer's context.
// Names of protected scopes are left out.
func (s Set) Compact() string {
	var b [8 * words]byte
	for i, w := range s.bits {
		for j := range 8 {
			b[8*i+j] = byte(w >> (8 * j))
		}
	}
	n := len(b)
	for n > 0 && b[n-1] == 0 {
		n--
	}
	return base64.RawURLEncoding.EncodeToString(b[:n])
}

// FromCompact reads what Compact wrote. It reports false for anything else.
func FromCompact(text string) (Set, bool) {
	b, err := base64.RawURLEncoding.DecodeString(text)
	if err != nil || len(b) > 8*words {
		return Set{}, false
	}
	var s Set
	for i, v := range b {
		s.bits[i/8] |= uint64(v) << (8 * (i % 8))
	}
	return s, true
}
