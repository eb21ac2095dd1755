package grant

import (
	"testing"

	"github.com/stretchr/testify/require"

	"github.com/rekey-dev/rekey/pkg/listing"
)

func rows(positions ...string) (out []listing.Row) {
	for _, p := range positions {
		out = append(out, listing.Row{ID: p, Position: p})
	}
	return out
}

func TestMerge_WhatSortsAfterTheEndOfAListThatGoesOnWaits_W2(t *testing.T) {
	for what, c := range map[string]struct {
		pages []listing.Page
		limit int
		want  listing.Page
	}{
		"nothing":               {nil, 3, listing.Page{}},
		"everything":            {[]listing.Page{{Rows: rows("b", "d")}, {Rows: rows("a")}}, 3, listing.Page{Rows: rows("a", "b", "d")}},
		"a full page":           {[]listing.Page{{Rows: rows("b", "d")}, {Rows: rows("a")}}, 2, listing.Page{Rows: rows("a", "b"), Next: "b"}},
		"a list that goes on":   {[]listing.Page{{Rows: rows("b", "d"), Next: "d"}, {Rows: rows("a", "e")}}, 2, listing.Page{Rows: rows("a", "b"), Next: "b"}},
		"one that came short":   {[]listing.Page{{Rows: rows("b"), Next: "c"}, {Rows: rows("a", "e")}}, 9, listing.Page{Rows: rows("a", "b"), Next: "c"}},
		"one that came empty":   {[]listing.Page{{Next: "c"}, {Rows: rows("d", "e")}}, 9, listing.Page{Next: "c"}},
		"the nearer of two":     {[]listing.Page{{Rows: rows("b"), Next: "b"}, {Rows: rows("a"), Next: "a"}}, 9, listing.Page{Rows: rows("a"), Next: "a"}},
		"the end of both sides": {[]listing.Page{{Rows: rows("a")}, {Rows: rows("b")}}, 2, listing.Page{Rows: rows("a", "b")}},
	} {
		got := merge(c.pages, c.limit)
		require.Equal(t, c.want.Next, got.Next, what)
		require.Equal(t, append([]listing.Row{}, c.want.Rows...), append([]listing.Row{}, got.Rows...), what)
	}
}
