package permission_test

import (
	"strings"
	"testing"

	"github.com/stretchr/testify/require"
	"pgregory.net/rapid"

	"github.com/rekey-dev/rekey/pkg/permission"
)

// tree is a query as a plain evaluator reads it.
type tree struct {
	term  permission.Permission
	or    bool
	parts []tree
}

func (x tree) holds(has func(permission.Permission) bool) bool {
	if x.term != "" {
		return has(x.term)
	}
	for _, p := range x.parts {
		if p.holds(has) == x.or {
			return x.or
		}
	}
	return !x.or
}

// text writes a tree with as many blanks and parentheses as rapid likes, and no fewer than it needs.
func (x tree) text(t *rapid.T) string {
	blank := rapid.SampledFrom([]string{" ", "  ", "\t", "\n", " \r\n "})
	var out string
	if x.term != "" {
		out = string(x.term)
	}
	for i, p := range x.parts {
		one := p.text(t)
		if p.term == "" && (!x.or || p.or) {
			one = "(" + one + ")"
		}
		if i > 0 {
			name := rapid.SampledFrom(map[bool][]string{true: {"OR", "or", "Or"}, false: {"AND", "and", "aNd"}}[x.or]).Draw(t, "operator")
			out += blank.Draw(t, "blank") + name + blank.Draw(t, "blank")
		}
		out += one
	}
	if rapid.IntRange(0, 5).Draw(t, "more") == 0 {
		return "( " + out + ")"
	}
	return out
}

var terms = append(names(), permission.KeysRead, permission.AuditRead, permission.KeysIssue)

func trees(depth int) *rapid.Generator[tree] {
	return rapid.Custom(func(t *rapid.T) tree {
		if depth == 0 || rapid.Bool().Draw(t, "leaf") {
			return tree{term: rapid.SampledFrom(terms).Draw(t, "term")}
		}
		return tree{or: rapid.Bool().Draw(t, "or"), parts: rapid.SliceOfN(trees(depth-1), 2, 3).Draw(t, "parts")}
	})
}

func TestQuery_HoldsAsAPlainEvaluatorSays_B12(t *testing.T) {
	rapid.Check(t, func(t *rapid.T) {
		x := trees(3).Draw(t, "tree")
		text := x.text(t)
		if len(text) > permission.MaxQuery {
			return
		}
		q, err := permission.ParseQuery(text)
		if err != nil {
			if strings.Contains(err.Error(), "deep") {
				return
			}
			t.Fatalf("%q: %v", text, err)
		}
		held := map[permission.Permission]bool{}
		for _, p := range rapid.SliceOf(rapid.SampledFrom(terms)).Draw(t, "held") {
			held[p] = true
		}
		has := func(p permission.Permission) bool { return held[p] }
		missing := q.Missing(has)
		if (len(missing) == 0) != x.holds(has) {
			t.Fatalf("%q with %v lacks %v", text, held, missing)
		}
		again, err := permission.ParseQuery(q.String())
		if err != nil || again.String() != q.String() || len(again.Terms()) != len(q.Terms()) {
			t.Fatalf("%q is written %q: %v", text, q, err)
		}
		for _, p := range missing {
			if held[p] {
				t.Fatalf("%s is not missing", p)
			}
			held[p] = true
		}
		if !x.holds(has) {
			t.Fatalf("%q would not hold with %v", text, missing)
		}
	})
}

func TestQuery_AndBindsTighterThanOr_B12(t *testing.T) {
	q, err := permission.ParseQuery("keys:read or audit:read AND (a:b Or c:d)")
	require.NoError(t, err)
	require.Equal(t, "keys:read OR (audit:read AND (a:b OR c:d))", q.String())
	require.Equal(t, []permission.Permission{"keys:read", "audit:read", "a:b", "c:d"}, q.Terms())
	has := func(held ...permission.Permission) func(permission.Permission) bool {
		return permission.Of(held...).Has
	}
	require.Empty(t, q.Missing(has("keys:read")))
	require.Empty(t, q.Missing(has("audit:read", "c:d")))
	require.Equal(t, []permission.Permission{"keys:read"}, q.Missing(has()), "the part that lacks fewest")
	require.Equal(t, []permission.Permission{"keys:read"}, q.Missing(has("audit:read")), "of several the first")
	all, err := permission.ParseQuery("a:b AND c:d AND a:b")
	require.NoError(t, err)
	require.Equal(t, []permission.Permission{"a:b", "c:d"}, all.Missing(has()), "each once")
	require.Empty(t, permission.Query{}.Missing(has()), "no condition always holds")
}

func TestQuery_WhatIsNoneSaysWhy_B12(t *testing.T) {
	for text, why := range map[string]string{
		"":                              "ends where",
		" \t":                           "ends where",
		"()":                            "has ) where it cannot be",
		"a:b AND":                       "ends where",
		"AND a:b":                       "has AND where",
		"a:b c:d":                       "has c:d where",
		"a:b OR OR c:d":                 "has OR where",
		"(a:b":                          "not closed",
		"a:b)":                          "has ) where",
		"not a:b":                       `neither AND nor OR nor a permission: "not"`,
		"a:b && c:d":                    `"&&"`,
		"keys:eat":                      `"keys:eat"`,
		"*:read":                        `"*:read"`,
		"A:b":                           `"A:b"`,
		"a:b\u00a0AND c:d":              "neither",
		"a:b,c:d":                       "neither",
		"a:b\x00":                       "neither",
		"\"a:b\"":                       "neither",
		strings.Repeat("(", 11) + "a:b": "more than 10 deep",
		strings.Repeat("(", 900):        "more than 10 deep",
		strings.Repeat("a", 1001):       "longer than 1000 bytes",
		"a:b" + strings.Repeat(" or a:b", permission.MaxQueryTerms): "more than 50",
	} {
		_, err := permission.ParseQuery(text)
		require.ErrorContains(t, err, why, "%q", text)
	}
	_, err := permission.ParseQuery(strings.Repeat("(", 10) + "a:b" + strings.Repeat(")", 10))
	require.NoError(t, err)
	_, err = permission.ParseQuery("a:b" + strings.Repeat(" or a:b", permission.MaxQueryTerms-1))
	require.NoError(t, err)
}

func FuzzParseQuery(f *testing.F) {
	for _, text := range []string{"a:b AND (c:d OR keys:read)", "((a:b))", "", ")(", "a:b or a:b and a:b", "a:b OR (c:d", "ÄÖ:ü", "a:b\u2028AND c:d"} {
		f.Add(text)
	}
	f.Fuzz(func(t *testing.T, text string) {
		q, err := permission.ParseQuery(text)
		if err != nil {
			require.Empty(t, q.Terms(), "what is wrong is no condition, and must not be taken for one")
			return
		}
		require.NotEmpty(t, q.Terms())
		require.LessOrEqual(t, len(q.Terms()), permission.MaxQueryTerms)
		require.Empty(t, q.Missing(func(permission.Permission) bool { return true }))
		require.NotEmpty(t, q.Missing(func(permission.Permission) bool { return false }))
		if again, err := permission.ParseQuery(q.String()); err == nil { // it may be longer than it was
			require.Equal(t, q.String(), again.String())
		}
	})
}
