package memstore

import (
	"context"

	"github.com/rekey-dev/rekey/pkg/fold"
	"github.com/rekey-dev/rekey/pkg/id"
	"github.com/rekey-dev/rekey/pkg/lock"
	"github.com/rekey-dev/rekey/pkg/serviceaccount"
)

func (t *transaction) createAccount(w serviceaccount.Create) string {
	a := copyAccount(w.Account)
	if _, ok := t.accounts[a.ID]; ok {
		return "the account exists"
	}
	if !t.there(a.Place.ID()) || !t.assignable(a.RoleID) {
		return "the account's place or role is not there"
	}
	if !t.open(a.Place.Company) {
		return "the account's company is not active"
	}
	if !t.claim("service accounts", a.Place.ID(), a.Name) {
		return "a sibling has the account's name"
	}
	t.touch("account " + string(a.ID))
	t.then(func() { t.accounts[a.ID] = a })
	return ""
}

func (t *transaction) updateAccount(w serviceaccount.Update) string {
	a, ok := t.accounts[w.Old.ID]
	switch {
	case !ok:
		return "the account is not there"
	case a.Version != w.Old.Version:
		return "the account's version is another"
	case a.Status != w.Old.Status:
		return "the account's status is another"
	case a.IssueEpoch != w.Old.IssueEpoch:
		return "the account's issue epoch is another"
	case w.New != nil && a.EventSeq != w.Old.EventSeq:
		return "the account's event seq is another"
	case w.SameKeys && a.KeysVersion != w.Old.KeysVersion:
		return "a key of the account has changed"
	}
	t.touch("account " + string(a.ID))
	if w.New != nil {
		if reason := t.administer(&a, copyAccount(*w.New)); reason != "" {
			return reason
		}
	}
	if w.KeysChanged || w.EndKeys != nil {
		a.KeysVersion++
	}
	if w.ClearLock {
		a.Lock = lock.Counter{Epoch: a.Lock.Epoch + 1}
	}
	if w.EndKeys == nil {
		a.KeyCount += w.KeyCount
	} else {
		if _, ended := t.ends[a.ID][a.IssueEpoch]; ended {
			return "the account's issue epoch has ended"
		}
		a.KeyCount = w.KeyCount
		epoch, end := a.IssueEpoch, *w.EndKeys
		t.then(func() { put(t.ends, a.ID, epoch, end) })
		if a.Status == serviceaccount.Active {
			a.IssueEpoch++
		}
	}
	t.then(func() { t.accounts[a.ID] = a })
	return ""
}

// administer takes over what an administrator sets. A deleted account gives its name back.
func (t *transaction) administer(a *serviceaccount.Account, n serviceaccount.Account) string {
	const noun = "service accounts"
	if n.RoleID != a.RoleID && !t.assignable(n.RoleID) {
		return "the account's new role is not there"
	}
	at := a.Place.ID()
	switch gone := n.Status == serviceaccount.Deleted; {
	case a.Status == serviceaccount.Deleted:
	case gone:
		t.release(noun, at, a.Name)
	case fold.Name(a.Name) != fold.Name(n.Name):
		if !t.claim(noun, at, n.Name) {
			return "a sibling has the account's new name"
		}
		t.release(noun, at, a.Name)
	}
	a.Name, a.Description, a.RoleID, a.Status = n.Name, n.Description, n.RoleID, n.Status
	a.Contacts, a.ExternalID, a.Tags = n.Contacts, n.ExternalID, n.Tags
	a.LockPolicy = n.LockPolicy
	a.Version, a.EventSeq, a.UpdatedAt = n.Version, n.EventSeq, n.UpdatedAt
	return ""
}

// Account returns an account, a deleted one too.
func (s *Store) Account(ctx context.Context, a id.ServiceAccount) (serviceaccount.Account, error) {
	found, err := one(ctx, s, s.accounts, a, "service account")
	return copyAccount(found), err
}

// Accounts returns those that are there.
func (s *Store) Accounts(ctx context.Context, ids []id.ServiceAccount) ([]serviceaccount.Account, error) {
	defer s.mu.Unlock()
	if err := s.begin(ctx); err != nil {
		return nil, err
	}
	var out []serviceaccount.Account
	for _, a := range ids {
		if found, ok := s.accounts[a]; ok {
			out = append(out, copyAccount(found))
		}
	}
	return out, nil
}

// EpochEnds returns the ends of an account's issue epochs, by epoch.
func (s *Store) EpochEnds(ctx context.Context, a id.ServiceAccount) (map[int64]serviceaccount.Ended, error) {
	defer s.mu.Unlock()
	if err := s.begin(ctx); err != nil {
		return nil, err
	}
	return copyEnds(s.ends[a]), nil
}
