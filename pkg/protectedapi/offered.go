package protectedapi

import (
	"context"

	"github.com/rekey-dev/rekey/pkg/authz"
	"github.com/rekey-dev/rekey/pkg/id"
	"github.com/rekey-dev/rekey/pkg/listing"
)

// Lister finds registrations by place.
type Lister interface {
	List(ctx context.Context, q listing.Query) (listing.Page, error)
	ProtectedAPIs(ctx context.Context, ids []id.ProtectedAPI) ([]API, error)
}

// maxOffered is the most registrations of a place that Offered reads, the first by name.
const maxOffered = 100

// Offered returns the APIs whose scopes can be held, or given, at a caller's place: those of its node, of the nodes above and, where
// the place is a node, of the nodes below, in any order. It costs a query for each node of the path and one read of what they list.
func Offered(ctx context.Context, l Lister, c authz.Caller) ([]API, error) {
	var ids []id.ProtectedAPI
	for _, n := range c.Place.Nodes() {
		q := listing.Query{Noun: listing.ProtectedAPIsAt, Place: string(n), Limit: maxOffered}
		if string(n) == c.Place.ID() {
			q.Noun = listing.ProtectedAPIs // its own, and all below
		}
		page, err := l.List(ctx, q)
		if err != nil {
			return nil, err
		}
		for _, row := range page.Rows {
			ids = append(ids, id.ProtectedAPI(row.ID))
		}
	}
	if len(ids) == 0 {
		return nil, nil
	}
	return l.ProtectedAPIs(ctx, ids)
}
