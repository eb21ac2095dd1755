package memstore

import (
	"cmp"
	"context"
	"fmt"
	"slices"
	"strings"

	"github.com/rekey-dev/rekey/pkg/company"
	"github.com/rekey-dev/rekey/pkg/employee"
	"github.com/rekey-dev/rekey/pkg/fold"
	"github.com/rekey-dev/rekey/pkg/listing"
	"github.com/rekey-dev/rekey/pkg/place"
	"github.com/rekey-dev/rekey/pkg/serviceaccount"
)

// List answers with the rows of one place, by folded name and then ID.
func (s *Store) List(ctx context.Context, q listing.Query) (listing.Page, error) {
	if q.Limit < 1 || q.Limit > listing.ReadLimit {
		panic(fmt.Sprintf("memstore: a list of %d rows", q.Limit))
	}
	defer s.mu.Unlock()
	if err := s.begin(ctx); err != nil {
		return listing.Page{}, err
	}
	var rows []listing.Row
	add := func(at place.Place, text, object string) {
		folded := fold.Name(text)
		// No name has a control character, so NUL sorts a name before every longer one that begins with it.
		row := listing.Row{ID: object, Position: folded + "\x00" + object}
		if within(at, q.Place, q.Direct) && strings.HasPrefix(folded, fold.Name(q.Prefix)) && row.Position > q.After {
			rows = append(rows, row)
		}
	}
	switch q.Noun {
	case listing.ServiceAccounts:
		for _, a := range s.accounts {
			if a.Status != serviceaccount.Deleted {
				add(a.Place, a.Name, string(a.ID))
			}
		}
	case listing.Keys:
		for _, k := range s.keys {
			add(k.Place, k.Name, string(k.ID))
		}
	case listing.KeysByExpiry:
		for _, k := range s.keys {
			row := listing.Row{ID: string(k.ID), Position: fmt.Sprintf("%013d#%s", k.ExpiresAt.UnixMilli(), k.ID)}
			if !k.ExpiresAt.IsZero() && !k.ExpiresAt.Before(q.From) && k.ExpiresAt.Before(q.Before) && within(k.Place, q.Place, q.Direct) && row.Position > q.After {
				rows = append(rows, row)
			}
		}
	case listing.Nodes:
		for _, n := range s.nodes {
			switch folded := fold.Name(n.Name); {
			case !q.Direct:
				add(n.Place, n.Name, string(n.ID))
			case string(n.ParentID) == q.Place && strings.HasPrefix(folded, fold.Name(q.Prefix)) && folded > q.After:
				rows = append(rows, listing.Row{ID: string(n.ID), Position: folded})
			}
		}
	case listing.Roles, listing.RolesAt:
		for _, r := range s.roles {
			if q.Noun == listing.Roles || r.Place.ID() == q.Place {
				add(r.Place, r.Name, string(r.ID))
			}
		}
	case listing.ProtectedAPIs, listing.ProtectedAPIsAt:
		for _, a := range s.apis {
			if q.Noun == listing.ProtectedAPIs || a.Place.ID() == q.Place {
				add(a.Place, a.Name, string(a.ID))
			}
		}
	case listing.Companies:
		for _, c := range s.companies {
			switch folded := fold.Name(c.Name); {
			case c.Status == company.Deleted:
			case !q.Direct:
				add(c.Place, c.Name, string(c.ID))
			case string(c.Place.Node()) == q.Place && strings.HasPrefix(folded, fold.Name(q.Prefix)) && folded > q.After:
				rows = append(rows, listing.Row{ID: string(c.ID), Position: folded})
			}
		}
	case listing.Employees:
		for _, e := range s.employees {
			if e.Status != employee.Deleted {
				add(e.Place, e.Name(), string(e.ID))
			}
		}
	case listing.Tokens:
		for _, t := range s.tokens {
			if q.Place == string(t.EmployeeID) {
				add(place.Place{Path: q.Place}, t.Name, string(t.ID))
			} else {
				add(t.Place, t.Name, string(t.ID))
			}
		}
	case listing.Policies:
		for _, p := range s.policies {
			add(p.Place, "", p.AttachedTo.ID)
		}
	case listing.Calendars:
		for _, c := range s.calendars {
			add(c.Place, c.Name, string(c.ID))
		}
	default:
		panic("memstore: a list of what it does not know: " + string(q.Noun))
	}
	slices.SortFunc(rows, func(a, b listing.Row) int { return cmp.Compare(a.Position, b.Position) })
	if len(rows) <= q.Limit {
		return listing.Page{Rows: rows}, nil
	}
	rows = rows[:q.Limit]
	return listing.Page{Rows: rows, Next: rows[q.Limit-1].Position}, nil
}

// within tells whether an object at p belongs to a list of the place.
func within(p place.Place, of string, direct bool) bool {
	if direct {
		return p.ID() == of
	}
	return slices.Contains(p.Ancestors(), of)
}
