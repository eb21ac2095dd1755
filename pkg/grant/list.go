package grant

import (
	"cmp"
	"context"
	"slices"
	"strings"

	"github.com/rekey-dev/rekey/pkg/call"
	"github.com/rekey-dev/rekey/pkg/fault"
	"github.com/rekey-dev/rekey/pkg/id"
	"github.com/rekey-dev/rekey/pkg/listing"
	"github.com/rekey-dev/rekey/pkg/permission"
	"github.com/rekey-dev/rekey/pkg/place"
	"github.com/rekey-dev/rekey/pkg/protectedapi"
	"github.com/rekey-dev/rekey/pkg/role"
)

// Filter narrows a list of roles. With a Node it holds the custom roles of that node and below, or of the node alone; without one,
// all that the caller can see. Of the other two at most one is set.
type Filter struct {
	Node       id.Node
	Direct     bool
	Assignable role.Assignee
	Query      string // case-insensitive prefix of the name, or an exact ID
}

// List lists roles by name. A page that is filtered by what they can be given to may come back short, or empty, although there are
// more; next is "" at the end. It costs a query for the caller's node with all below it, and one for each node above.
func (s *Service) List(ctx context.Context, c call.Call, f Filter, after string, limit int) (roles []role.Custom, next string, err error) {
	if err := c.Caller.Holds(permission.RolesRead); err != nil {
		return nil, "", err
	}
	at := c.Caller.Place
	if f.Node != "" {
		n, err := s.Store.Node(ctx, f.Node)
		if err == nil && !at.Covers(n.Place) {
			err = fault.Missing("node")
		}
		if err != nil {
			return nil, "", err
		}
		at = n.Place
	}
	if r, ok := id.Parse[id.Role](f.Query); ok {
		roles, err := s.byID(ctx, c, f, at, r)
		return roles, "", err
	}
	page, err := s.rows(ctx, f, at, after, limit)
	if err != nil {
		return nil, "", err
	}
	if roles, err = s.read(ctx, page.Rows); err != nil {
		return nil, "", err
	}
	roles = slices.DeleteFunc(roles, func(r role.Custom) bool { return f.Assignable != "" && !r.AssignableToKind(f.Assignable) })
	for i, r := range roles {
		roles[i] = seen(c.Caller, r)
	}
	return roles, page.Next, nil
}

// Scopes returns the protected APIs whose scopes the caller's place can use: see protectedapi.Offered. Whoever is signed in may know
// which there are.
func (s *Service) Scopes(ctx context.Context, c call.Call) ([]protectedapi.API, error) {
	return protectedapi.Offered(ctx, s.Store, c.Caller)
}

// byID is the list of the one role with an ID, or of none.
func (s *Service) byID(ctx context.Context, c call.Call, f Filter, at place.Place, r id.Role) ([]role.Custom, error) {
	found, err := s.load(ctx, r)
	if err == nil {
		err = visible(c.Caller, found)
	}
	switch {
	case fault.Is(err, fault.NotFound):
		return nil, nil
	case err != nil:
		return nil, err
	case f.Node != "" && (!at.Covers(found.Place) || f.Direct && found.Place != at):
		return nil, nil
	}
	return []role.Custom{seen(c.Caller, found)}, nil
}

// rows merges what is listed at several places, and the built-in roles, by name and then ID.
func (s *Service) rows(ctx context.Context, f Filter, at place.Place, after string, limit int) (listing.Page, error) {
	var queries []listing.Query
	var pages []listing.Page
	switch {
	case f.Direct:
		queries = []listing.Query{{Noun: listing.RolesAt, Place: at.ID()}}
	case f.Node != "":
		queries = []listing.Query{{Noun: listing.Roles, Place: at.ID()}}
	default:
		pages = []listing.Page{s.builtIn(f, after)}
		for _, n := range at.Nodes() {
			noun := listing.RolesAt
			if string(n) == at.ID() {
				noun = listing.Roles // its own, and all below
			}
			queries = append(queries, listing.Query{Noun: noun, Place: string(n)})
		}
	}
	for _, q := range queries {
		q.Prefix, q.After, q.Limit = f.Query, after, limit
		page, err := s.Store.List(ctx, q)
		if err != nil {
			return listing.Page{}, err
		}
		pages = append(pages, page)
	}
	return merge(pages, limit), nil
}

// builtIn lists the built-in roles as a store would.
func (s *Service) builtIn(f Filter, after string) (page listing.Page) {
	for _, r := range role.BuiltIns() {
		folded := s.Fold(r.Name)
		row := listing.Row{ID: string(r.ID), Position: folded + "\x00" + string(r.ID)}
		if strings.HasPrefix(folded, s.Fold(f.Query)) && row.Position > after {
			page.Rows = append(page.Rows, row)
		}
	}
	return page
}

// merge cuts one page out of the beginnings of several lists. What sorts after the last row of a list that goes on has to wait:
// a row between the two may come.
func merge(pages []listing.Page, limit int) (out listing.Page) {
	for _, p := range pages {
		out.Rows = append(out.Rows, p.Rows...)
		if p.Next != "" && (out.Next == "" || p.Next < out.Next) {
			out.Next = p.Next
		}
	}
	slices.SortFunc(out.Rows, func(a, b listing.Row) int { return cmp.Compare(a.Position, b.Position) })
	if out.Next != "" {
		out.Rows = slices.DeleteFunc(out.Rows, func(r listing.Row) bool { return r.Position > out.Next })
	}
	if len(out.Rows) > limit {
		out.Rows = out.Rows[:limit]
		out.Next = out.Rows[limit-1].Position
	}
	return out
}

// read reads the roles of rows, in their order.
func (s *Service) read(ctx context.Context, rows []listing.Row) ([]role.Custom, error) {
	var out []role.Custom
	var custom []id.Role
	order := make(map[id.Role]int, len(rows))
	for i, row := range rows {
		r := id.Role(row.ID)
		order[r] = i
		if built, ok := role.Described(r); ok {
			out = append(out, role.Custom{Role: built})
		} else {
			custom = append(custom, r)
		}
	}
	if len(custom) > 0 {
		found, err := s.Store.Roles(ctx, custom)
		if err != nil {
			return nil, err
		}
		out = append(out, found...)
	}
	slices.SortFunc(out, func(a, b role.Custom) int { return order[a.ID] - order[b.ID] })
	return out, nil
}
