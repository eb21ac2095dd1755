package apikey

import (
	"context"
	"time"

	"github.com/rekey-dev/rekey/pkg/audit"
	"github.com/rekey-dev/rekey/pkg/authz"
	"github.com/rekey-dev/rekey/pkg/call"
	"github.com/rekey-dev/rekey/pkg/id"
	"github.com/rekey-dev/rekey/pkg/serviceaccount"
)

// Notices are how long before its end a key's end is announced where no policy says otherwise, longest first.
var Notices = []time.Duration{Notice, 14 * 24 * time.Hour, 7 * 24 * time.Hour, 24 * time.Hour}

// NextDue is when the sweeper has to look at a key next for the sake of its end: at the next notice after now, or at its end.
// notices are longest first. A key that never ends, or has ended by itself, is never due.
func NextDue(k Key, notices []time.Duration, now time.Time) time.Time {
	if k.ExpiresAt.IsZero() || k.Ended != nil {
		return time.Time{}
	}
	for _, n := range notices {
		if at := k.ExpiresAt.Add(-n); at.After(now) {
			return at
		}
	}
	return k.ExpiresAt
}

// Due is what the sweeper has to look at, and since when: a key or, with a Policy instead, the task of a policy that changed.
type Due struct {
	Key    id.Key
	Policy id.Policy
	At     time.Time
}

// Timing is when the sweeper has to look at a key, and when the key is to be rotated; zero for never.
type Timing struct{ DueAt, RotateAt time.Time }

// Plan lets the notices of a key's end begin anew at now.
func Plan(k *Key, notices []time.Duration, now time.Time) {
	k.DueAt, k.AnnouncedAt = NextDue(*k, notices, now), now
}

// Load reads a key and all that its status depends on. A key of a deleted account is not there.
func (s *Service) Load(ctx context.Context, k id.Key) (View, error) { return s.load(ctx, k) }

// Views reads keys with all that their status depends on, in a few calls; those that are not there, or are of deleted
// accounts, are left out.
func (s *Service) Views(ctx context.Context, ids []id.Key) ([]View, error) { return s.views(ctx, ids) }

// Remains reads keys as Views does, those of deleted accounts too: what became of them outlasts their account.
func (s *Service) Remains(ctx context.Context, ids []id.Key) ([]View, error) {
	return s.viewsOf(ctx, ids, true)
}

// Record begins the record of a change of a key: user.updated, with what in its details.
func (s *Service) Record(c call.Call, op id.Operation, now time.Time, what string, k Key) audit.Event {
	return s.event(c, op, now, audit.UserUpdated, what, k)
}

// Issuable refuses a new key for an account that has ended or whose company is suspended.
func (s *Service) Issuable(ctx context.Context, a serviceaccount.Account) error {
	_, err := s.issuable(ctx, a)
	return err
}

// Object is a key as an authorization decision sees it.
func Object(k Key) authz.Object { return object(k) }

// ClearedLock is the counter after an unlock: empty, of the next epoch.
func ClearedLock(a serviceaccount.Account) serviceaccount.Account {
	a.Lock = clearedLock(a)
	return a
}

// EndedFault says that a key has ended, since when and that it is final.
func EndedFault(v View) error { return endedFault(v) }
