package apikey

import (
	"context"
	"time"

	"github.com/rekey-dev/rekey/pkg/id"
	"github.com/rekey-dev/rekey/pkg/serviceaccount"
)

// Live returns the IDs of an account's keys that have not ended at now, newest first, from one strong read.
func (s *Service) Live(ctx context.Context, a serviceaccount.Account, now time.Time) ([]id.Key, error) {
	rows, err := s.Store.LiveKeys(ctx, a, now)
	if err != nil {
		return nil, err
	}
	ids := make([]id.Key, len(rows))
	for i, k := range rows {
		ids[i] = k.ID
	}
	return ids, nil
}

// LastUsed returns when any key of the account, an ended one too, was last used; the zero time when none was. It reads every
// key of the account.
func (s *Service) LastUsed(ctx context.Context, a serviceaccount.Account) (time.Time, error) {
	var last time.Time
	for after := ""; ; {
		ids, next, err := s.Store.AccountKeys(ctx, a.ID, after, 100)
		if err != nil {
			return time.Time{}, err
		}
		if len(ids) > 0 {
			keys, err := s.Store.Keys(ctx, ids)
			if err != nil {
				return time.Time{}, err
			}
			for _, k := range keys {
				if k.LastUsedAt.After(last) {
					last = k.LastUsedAt
				}
			}
		}
		if next == "" {
			return last, nil
		}
		after = next
	}
}
