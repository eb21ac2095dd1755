package place_test

import (
	"slices"
	"strings"
	"testing"

	"github.com/stretchr/testify/require"
	"pgregory.net/rapid"

	"github.com/rekey-dev/rekey/pkg/id"
	"github.com/rekey-dev/rekey/pkg/place"
)

func TestCovers_WhatIsBelowAndNothingElse(t *testing.T) {
	root, a, ab, b := place.Place{Path: "r"}, place.Place{Path: "r/a"}, place.Place{Path: "r/a/b"}, place.Place{Path: "r/b"}
	inA, inB, second := place.Place{Path: "r/a", Company: "c"}, place.Place{Path: "r/b", Company: "d"}, place.Place{Path: "r/a", Company: "e"}
	lookalike, elsewhere := place.Place{Path: "r/ab"}, place.Place{Path: "x/r/a"}
	everywhere := []place.Place{root, a, ab, b, inA, inB, second, lookalike, elsewhere, {}}
	for _, c := range []struct {
		at     place.Place
		covers []place.Place
	}{
		{root, []place.Place{root, a, ab, b, inA, inB, second, lookalike}},
		{a, []place.Place{a, ab, inA, second}},
		{ab, []place.Place{ab}},
		{inA, []place.Place{inA}},
		{lookalike, []place.Place{lookalike}},
		{elsewhere, []place.Place{elsewhere}},
		{place.Place{}, nil},
		{place.Place{Company: "c"}, nil},
	} {
		for _, p := range everywhere {
			require.Equal(t, slices.Contains(c.covers, p), c.at.Covers(p), "%v covers %v", c.at, p)
		}
	}
	require.False(t, inA.Covers(place.Place{Path: "r/b", Company: "c"}), "a company at another node is no such company")
}

func TestPlace_KnowsItsPartsAndItsID(t *testing.T) {
	p := place.Place{Path: "r/a/b", Company: "c"}
	require.Equal(t, id.Node("b"), p.Node())
	require.Equal(t, []id.Node{"r", "a", "b"}, p.Nodes())
	require.Equal(t, []string{"r", "a", "b", "c"}, p.Ancestors())
	require.Equal(t, "c", p.ID())
	p.Company = ""
	require.Equal(t, "b", p.ID())
	require.Equal(t, []string{"r", "a", "b"}, p.Ancestors())
	require.Equal(t, place.Place{Path: "r/a/b/n"}, p.Child("n"))
	require.Equal(t, id.Node("r"), place.Place{Path: "r"}.Node())
	var zero place.Place
	require.Empty(t, zero.Node())
	require.Empty(t, zero.Nodes())
	require.Empty(t, zero.Ancestors())
	require.Empty(t, zero.ID())
}

// A place covers another if and only if it is one of those at which the other is listed.
func TestCovers_AgreesWithAncestors(t *testing.T) {
	at := rapid.Custom(func(t *rapid.T) place.Place {
		// Every node has one path and every company one node, as in a tree.
		path := rapid.SampledFrom([]string{"r", "r/a", "r/b", "r/a/c", "r/a/d", "r/b/ab", "r/a/c/e"}).Draw(t, "path")
		p := place.Place{Path: path}
		if rapid.Bool().Draw(t, "company") {
			p.Company = id.Company("co_" + strings.ReplaceAll(path, "/", "") + rapid.SampledFrom([]string{"1", "2"}).Draw(t, "which"))
		}
		return p
	})
	rapid.Check(t, func(t *rapid.T) {
		p, q := at.Draw(t, "p"), at.Draw(t, "q")
		if p.Covers(q) != slices.Contains(q.Ancestors(), p.ID()) {
			t.Fatalf("%v and %v", p, q)
		}
		if p.Covers(q) && q.Covers(p) && p != q {
			t.Fatalf("%v and %v cover each other", p, q)
		}
	})
}
