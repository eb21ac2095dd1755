// Package permission is the catalogue of what a principal may be allowed to do, as data, and the set arithmetic over it.
//
// A permission of rekey's own API is a word of the catalogue. A role holds a set of them, a key carries a narrower set
// (its scopes), and what a caller may do is the intersection of the two, computed at every request.
package permission

import (
	"encoding/base64"
	"math/bits"
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
func (e Entry) AssignableToServiceAccount() bool { return byID[e.ID].machine }

// words is the number of 64-bit words of a Set.
const words = 2

// Set is a set of permissions of the catalogue. The zero Set is empty and grants nothing.
type Set struct{ bits [words]uint64 }

// Of makes a set. A permission that is not in the catalogue is left out.
func Of(ps ...Permission) Set {
	var s Set
	for _, p := range ps {
		if e, ok := byID[p]; ok {
			s.bits[e.index/64] |= 1 << (e.index % 64)
		}
	}
	return s
}

// Has tells whether p is in the set.
func (s Set) Has(p Permission) bool {
	e, ok := byID[p]
	return ok && s.bits[e.index/64]&(1<<(e.index%64)) != 0
}

// And returns the intersection.
func (s Set) And(t Set) Set {
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
	return s
}

// Without returns what is in s and not in t.
func (s Set) Without(t Set) Set {
	for i := range s.bits {
		s.bits[i] &^= t.bits[i]
	}
	return s
}

// IsEmpty tells whether the set grants nothing.
func (s Set) IsEmpty() bool { return s == Set{} }

// Len returns the number of permissions in the set.
func (s Set) Len() int {
	n := 0
	for _, w := range s.bits {
		n += bits.OnesCount64(w)
	}
	return n
}

// List returns the set's permissions sorted by name.
func (s Set) List() []Permission {
	out := make([]Permission, 0, s.Len())
	for _, e := range positions {
		if s.bits[e.index/64]&(1<<(e.index%64)) != 0 {
			out = append(out, e.id)
		}
	}
	slices.Sort(out)
	return out
}

// String joins the sorted names with a blank; Split is its inverse.
func (s Set) String() string {
	var b strings.Builder
	for i, p := range s.List() {
		if i > 0 {
			b.WriteByte(' ')
		}
		b.WriteString(string(p))
	}
	return b.String()
}

// Split reads what String wrote. Unknown words grant nothing.
func Split(text string) Set {
	var s Set
	for text != "" {
		word, rest, _ := strings.Cut(text, " ")
		s = s.Or(Of(Permission(word)))
		text = rest
	}
	return s
}

// Compact writes the set in at most 22 characters of base64url, for the authorizer's context.
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
