package apikey

import (
	"context"
	"fmt"

	"github.com/rekey-dev/rekey/pkg/company"
	"github.com/rekey-dev/rekey/pkg/fault"
	"github.com/rekey-dev/rekey/pkg/id"
	"github.com/rekey-dev/rekey/pkg/listing"
	"github.com/rekey-dev/rekey/pkg/serviceaccount"
)

// room returns the room that one more key needs in its company; nil where nothing limits it, and limit_reached where there is
// none. It is exact: a company that is refused had as many keys that were not revoked at some moment of the call, and one
// that is let in has fewer when the key is committed. Where the company's sum of keys is below its limit that is one read; a sum
// that has reached it costs a count of all the company's accounts.
func (s *Service) room(ctx context.Context, co company.Company) (*Room, error) {
	if s.KeyLimit == nil || co.ID == "" {
		return nil, nil
	}
	limit := s.KeyLimit(co.PackageID)
	if limit == 0 {
		return nil, nil
	}
	there, err := s.Store.Contents(ctx, string(co.ID))
	if err != nil || there.Keys < limit {
		return &Room{Limit: limit}, err
	}
	keys, err := s.countKeys(ctx, co.ID)
	if err != nil {
		return nil, err
	}
	if keys >= limit {
		return nil, &fault.Error{Kind: fault.LimitReached, BlockedBy: []fault.Blocker{{Type: "key", Count: keys}}, Detail: fmt.Sprintf(
			"The company's package %s allows %d keys, and it has %d that are not revoked. Revoke one, or give the company another package.",
			co.PackageID, limit, keys)}
	}
	return &Room{Limit: limit, Counted: &Counted{Sum: there.Keys, Keys: keys}}, nil
}

// countKeys adds up the keys of a company's accounts that are not revoked: a query for 500 accounts, and a call for 50.
func (s *Service) countKeys(ctx context.Context, c id.Company) (int, error) {
	keys := 0
	q := listing.Query{Noun: listing.ServiceAccounts, Place: string(c), Limit: listing.ReadLimit}
	for {
		page, err := s.Store.List(ctx, q)
		if err != nil {
			return 0, err
		}
		ids := make([]id.ServiceAccount, len(page.Rows))
		for i, r := range page.Rows {
			ids[i] = id.ServiceAccount(r.ID)
		}
		accounts, err := s.Store.Accounts(ctx, ids)
		if err != nil {
			return 0, err
		}
		for _, a := range accounts {
			if a.Status == serviceaccount.Active {
				keys += a.KeyCount
			}
		}
		if page.Next == "" {
			return keys, nil
		}
		q.After = page.Next
	}
}
