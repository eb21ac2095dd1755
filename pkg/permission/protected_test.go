package permission_test

import (
	"slices"
	"strings"
	"testing"

	"github.com/stretchr/testify/require"
	"pgregory.net/rapid"

	"github.com/rekey-dev/rekey/pkg/permission"
)

// declared are the scopes of a world of protected APIs, each of its kind, which its word does not tell.
var declared = map[permission.Permission]permission.Kind{"recordings:read": permission.Read, "recordings:export": permission.Read,
	"recordings:delete": permission.Delete, "recordings:read_all": permission.Write, "a-b:c_d": permission.Execute, "a:a": permission.Write,
	"keys2:read": permission.Delete}

func names() []permission.Permission {
	var out []permission.Permission
	for p := range declared {
		out = append(out, p)
	}
	slices.Sort(out)
	return out
}

// mixed are sets of the catalogue's permissions, of names and of wildcards.
func mixed() *rapid.Generator[permission.Set] {
	return rapid.Custom(func(t *rapid.T) permission.Set {
		s := sets().Draw(t, "catalogue").Or(permission.Of(rapid.SliceOf(rapid.SampledFrom(names())).Draw(t, "names")...))
		for _, k := range rapid.SliceOf(rapid.SampledFrom(permission.Kinds[:])).Draw(t, "wildcards") {
			s = s.Or(permission.Of(k.Wildcard()))
		}
		return s
	})
}

func every(s permission.Set) bool {
	return !slices.ContainsFunc(permission.Kinds[:], func(k permission.Kind) bool { return !s.Has(k.Wildcard()) })
}

func TestSet_HoldsProtectedScopesByNameAndByKind_B12(t *testing.T) {
	rapid.Check(t, func(t *rapid.T) {
		a, b := mixed().Draw(t, "a"), mixed().Draw(t, "b")
		and, or, less := a.And(b), a.Or(b), a.Without(b)
		for p, k := range declared {
			x, y := a.Allows(p, k), b.Allows(p, k)
			if x != (a.Has(p) || a.Has(k.Wildcard())) {
				t.Fatalf("%s is allowed by its name or its kind", p)
			}
			if or.Allows(p, k) != (x || y) {
				t.Fatalf("%s in %q or %q", p, a.Text(), b.Text())
			}
			if and.Allows(p, k) && !(x && y) {
				t.Fatalf("%s is not in both %q and %q", p, a.Text(), b.Text())
			}
			if x && y && !and.Allows(p, k) && (a.Has(p) == b.Has(p) || every(a) || every(b)) {
				t.Fatalf("%s is in both %q and %q, and no partial wildcards met a name", p, a.Text(), b.Text())
			}
			if x && !y && !less.Allows(p, k) {
				t.Fatalf("%s is in %q and not in %q", p, a.Text(), b.Text())
			}
			if less.Allows(p, k) && !x {
				t.Fatalf("%s came from nowhere", p)
			}
			if less.IsEmpty() && x && !y {
				t.Fatalf("nothing of %q is left, but %s is not in %q", a.Text(), p, b.Text())
			}
		}
		if !a.And(b).Without(a).IsEmpty() || a.And(a) != a || a.Or(a) != a || !a.Without(a).IsEmpty() || a.Or(b) != b.Or(a) || a.And(b) != b.And(a) {
			t.Fatalf("%q %q", a.Text(), b.Text())
		}
		if a.Or(b).Without(b).Or(b) != a.Or(b) && !every(b) {
			t.Fatalf("%q %q", a.Text(), b.Text())
		}
	})
}

func TestSet_WritesProtectedScopesAndWildcardsAndReadsThemBack(t *testing.T) {
	rapid.Check(t, func(t *rapid.T) {
		s := mixed().Draw(t, "set")
		if permission.Split(s.Text()) != s || permission.Of(s.List()...) != s.WithoutWildcards() || len(s.List()) != s.Count() {
			t.Fatalf("%q", s.Text())
		}
		back, ok := permission.FromCompact(s.Compact())
		if !ok || back != s.WithoutProtected() || len(s.Compact()) > 22 {
			t.Fatalf("%q", s.Compact())
		}
		if strings.Join(s.Protected(), " ") != strings.Join(s.WithoutWildcards().Without(permission.All.WithoutWildcards()).Protected(), " ") {
			t.Fatalf("%q", s.Protected())
		}
		shuffled := rapid.Permutation(strings.Fields(s.Text())).Draw(t, "shuffled")
		if permission.Split(strings.Join(shuffled, " ")) != s {
			t.Fatalf("%q", shuffled)
		}
	})
	s := permission.Of("recordings:read", "keys:read", "*:write", "a:b")
	require.Equal(t, "keys:read *:write a:b recordings:read", s.Text())
	require.Equal(t, []permission.Permission{"a:b", "keys:read", "recordings:read"}, s.List(), "a wildcard is shown to nobody")
}

func TestSet_WhatNamesNoProtectedScopeIsNone(t *testing.T) {
	for _, text := range []string{"", ":", "a:", ":a", "a", "A:b", "a:B", "a b:c", "a:b:c", "a:b ", "keys:eat", "keys:", "incidents:read", "*:eat", "*:", "a.b:c",
		"a:" + strings.Repeat("b", 39), "ä:b"} {
		require.False(t, permission.IsProtected(text), "%q", text)
		require.True(t, permission.Of(permission.Permission(text)).IsEmpty(), "%q", text)
		require.False(t, permission.Of("recordings:read").Has(permission.Permission(text)), "%q", text)
	}
	require.True(t, permission.IsProtected("a:"+strings.Repeat("b", 38)))
	require.True(t, permission.IsProtected("keys-2:read"))
	require.False(t, permission.Of("recordings:read").Allows("recordings:rea", permission.Read))
	require.False(t, permission.Of("recordings:read").Allows("", permission.Read))
	require.False(t, permission.All.Allows("recordings:read", "peek"), "there are four kinds")
	for _, k := range permission.Kinds {
		require.False(t, permission.Known(k.Wildcard()), "nobody can ask for a wildcard")
	}
}

func TestSet_CostsNothingWithoutProtectedScopes_P4(t *testing.T) {
	a, b := permission.Of(permission.KeysRead, permission.AuditRead), permission.Machine
	var out permission.Set
	require.Zero(t, testing.AllocsPerRun(100, func() { out = a.And(b).Or(a).Without(b) }))
	require.True(t, out.IsEmpty() || out.Has(permission.AuditRead))
	text := a.Text()
	require.Zero(t, testing.AllocsPerRun(100, func() { out = permission.Split(text) }))
	require.Equal(t, a, out)
}
