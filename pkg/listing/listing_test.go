package listing_test

import (
	"context"
	"testing"

	"github.com/stretchr/testify/require"

	"github.com/rekey-dev/rekey/pkg/authz"
	"github.com/rekey-dev/rekey/pkg/company"
	"github.com/rekey-dev/rekey/pkg/fault"
	"github.com/rekey-dev/rekey/pkg/id"
	"github.com/rekey-dev/rekey/pkg/listing"
	"github.com/rekey-dev/rekey/pkg/node"
	"github.com/rekey-dev/rekey/pkg/place"
)

// places are a root, a node below it with a company, and another tree.
type places struct{ err error }

func (p places) Node(_ context.Context, n id.Node) (node.Node, error) {
	path, ok := map[id.Node]string{"r": "r", "w": "r/w", "x": "x"}[n]
	if !ok {
		return node.Node{}, fault.Missing("node")
	}
	return node.Node{ID: n, Place: place.Place{Path: path}}, p.err
}

func (p places) Company(_ context.Context, c id.Company) (company.Company, error) {
	path, ok := map[id.Company]string{"c": "r/w", "d": "x"}[c]
	if !ok {
		return company.Company{}, fault.Missing("company")
	}
	return company.Company{ID: c, Place: place.Place{Path: path, Company: c}}, p.err
}

func TestResolve_AListIsOfAPlaceThatTheCallersOwnCovers_W7(t *testing.T) {
	atRoot, atWest := authz.Caller{Place: place.Place{Path: "r"}}, authz.Caller{Place: place.Place{Path: "r/w"}}
	inC := authz.Caller{Place: place.Place{Path: "r/w", Company: "c"}}
	for what, c := range map[string]struct {
		caller authz.Caller
		where  listing.Where
		want   place.Place // zero for not found
	}{
		"its own place":           {atWest, listing.Where{}, place.Place{Path: "r/w"}},
		"its own company":         {inC, listing.Where{}, place.Place{Path: "r/w", Company: "c"}},
		"a node below":            {atRoot, listing.Where{Node: "w"}, place.Place{Path: "r/w"}},
		"a company below":         {atRoot, listing.Where{Company: "c"}, place.Place{Path: "r/w", Company: "c"}},
		"the node above":          {atWest, listing.Where{Node: "r"}, place.Place{}},
		"a company's own node":    {inC, listing.Where{Node: "w"}, place.Place{}},
		"another tree's node":     {atRoot, listing.Where{Node: "x"}, place.Place{}},
		"another tree's company":  {atRoot, listing.Where{Company: "d"}, place.Place{}},
		"a node that is none":     {atRoot, listing.Where{Node: "none"}, place.Place{}},
		"a company that is none":  {atRoot, listing.Where{Company: "none"}, place.Place{}},
		"a caller without places": {authz.Caller{}, listing.Where{}, place.Place{}},
	} {
		got, err := c.where.Resolve(t.Context(), places{}, c.caller)
		require.Equal(t, c.want, got, what)
		if c.want == (place.Place{}) {
			require.True(t, fault.Is(err, fault.NotFound), "%s: %v", what, err)
		} else {
			require.NoError(t, err, what)
		}
	}
}

func TestResolve_AStoreThatDoesNotAnswerIsNoAbsence(t *testing.T) {
	down := places{err: fault.Down(context.DeadlineExceeded)}
	caller := authz.Caller{Place: place.Place{Path: "r"}}
	for _, where := range []listing.Where{{Node: "w"}, {Company: "c"}} {
		_, err := where.Resolve(t.Context(), down, caller)
		require.True(t, fault.Is(err, fault.Unavailable))
	}
}
