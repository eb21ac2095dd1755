package storetest

import (
	"time"

	"github.com/rekey-dev/rekey/pkg/apikey"
	"github.com/rekey-dev/rekey/pkg/change"
	"github.com/rekey-dev/rekey/pkg/id"
	"github.com/rekey-dev/rekey/pkg/role"
	"github.com/rekey-dev/rekey/pkg/serviceaccount"
)

// rotation is the change that ends all keys of an account by raising its epoch, leaving so many.
func (w *world) rotation(a serviceaccount.Account, left int) change.Set {
	s := w.edit(a, func(n *serviceaccount.Account) { n.UpdatedAt = w.now.Add(time.Minute) })
	u := s.Writes[0].(serviceaccount.Update)
	u.SameKeys, u.KeysChanged, u.KeyCount, u.ClearLock = true, true, left, true
	u.EndKeys = &serviceaccount.Ended{At: w.now.Add(time.Minute), By: "emp_00000000000000000001", Reason: "superseded"}
	s.Writes[0] = u
	return s
}

// revoke is the change that revokes an account with all its keys.
func (w *world) revoke(a serviceaccount.Account) change.Set {
	s := w.rotation(a, 0)
	s.Writes[0].(serviceaccount.Update).New.Status = serviceaccount.Revoked
	return s
}

var accountUpdateTests = []test{
	{"what an administrator sets is written, and nothing else", func(w *world) {
		a := w.account("Recorder", w.co)
		n := a
		n.Name, n.Description, n.RoleID, n.Contacts, n.ExternalID, n.Tags = "Exporter", "", role.Automation, nil, "", []string{"x"}
		n.UpdatedAt = w.now.Add(time.Hour)
		w.commit(w.edit(a, func(x *serviceaccount.Account) {
			v, seq := x.Version, x.EventSeq
			*x = n
			x.Version, x.EventSeq = v, seq
			x.KeyCount, x.KeysVersion, x.IssueEpoch, x.CreatedBy = 7, 7, 7, "somebody"
		}))
		n.Version, n.EventSeq = 2, 2
		w.same(n, w.readAccount(a.ID))
	}},
	{"an edit of an old version is lost", func(w *world) {
		a := w.account("Recorder", w.root)
		w.commit(w.edit(a, func(n *serviceaccount.Account) { n.Description = "first" }))
		w.lost(w.edit(a, func(n *serviceaccount.Account) { n.Description = "second" }), serviceaccount.Update{})
		w.lost(w.issue(a, w.newKey(a, "K")), serviceaccount.Update{})
		w.Equal("first", w.readAccount(a.ID).Description)
	}},
	{"one of many simultaneous edits is made", func(w *world) {
		a := w.account("Recorder", w.root)
		w.oneWon(together(8, func(int) error {
			return w.store.Commit(w.ctx, w.edit(a, func(n *serviceaccount.Account) { n.Description += "!" }))
		}))
		got := w.readAccount(a.ID)
		w.Equal(a.Description+"!", got.Description)
		w.Equal(int64(2), got.EventSeq)
	}},
	{"an account that is not there is not updated", func(w *world) {
		a := w.newAccount("Nobody", w.root)
		w.lost(w.edit(a, func(*serviceaccount.Account) {}), serviceaccount.Update{})
		_, err := w.store.Account(w.ctx, a.ID)
		w.notFound(err)
	}},
	{"an edit is lost when another event was recorded on the account, and a change of keys is not", func(w *world) {
		a := w.account("Recorder", w.root)
		stale := a
		stale.EventSeq = 0
		w.lost(w.edit(stale, func(n *serviceaccount.Account) { n.Description = "edited" }), serviceaccount.Update{})
		w.commit(w.issue(stale, w.newKey(a, "K")))
	}},
	{"a change of keys is lost under another status or issue epoch", func(w *world) {
		a := w.account("Recorder", w.root)
		other := a
		other.Status = serviceaccount.Revoked
		w.lost(w.issue(other, w.newKey(a, "K")), serviceaccount.Update{})
		other = a
		other.IssueEpoch++
		w.lost(w.issue(other, w.newKey(a, "K")), serviceaccount.Update{})
	}},
	{"a change that wants the same keys is lost when a key has changed", func(w *world) {
		a := w.account("Recorder", w.root)
		w.key(a, "K")
		w.lost(w.rotation(a, 0), serviceaccount.Update{})
		w.commit(w.rotation(w.readAccount(a.ID), 0))
	}},
	{"keys that are issued at once are all counted, and move no version", func(w *world) {
		a := w.account("Recorder", w.root)
		for _, err := range together(6, func(int) error { return w.store.Commit(w.ctx, w.issue(a, w.newKey(a, "K"))) }) {
			w.NoError(err)
		}
		got := w.readAccount(a.ID)
		w.Equal(6, got.KeyCount)
		w.Equal(a.KeysVersion+6, got.KeysVersion)
		w.Equal(a.Version, got.Version)
		w.Equal(a.EventSeq, got.EventSeq)
	}},
	{"a renamed account gives its old name back", func(w *world) {
		a := w.account("Old", w.root)
		b := w.account("Taken", w.root)
		w.lost(w.edit(a, func(n *serviceaccount.Account) { n.Name = "TAKEN" }), serviceaccount.Update{})
		w.commit(w.edit(a, func(n *serviceaccount.Account) { n.Name = "OLD" }))
		a = w.readAccount(a.ID)
		w.Equal("OLD", a.Name)
		w.lost(w.creation(w.newAccount("old", w.root)), serviceaccount.Create{})
		w.commit(w.edit(a, func(n *serviceaccount.Account) { n.Name = "New" }))
		w.account("Old", w.root)
		w.lost(w.creation(w.newAccount("new", w.root)), serviceaccount.Create{})
		w.Equal("Taken", w.readAccount(b.ID).Name)
	}},
	{"a deleted account's name can be used again, and its tombstone stays", func(w *world) {
		a := w.account("Recorder", w.co)
		w.commit(w.edit(a, func(n *serviceaccount.Account) { n.Status = serviceaccount.Deleted }))
		w.Equal(serviceaccount.Deleted, w.readAccount(a.ID).Status)
		b := w.account("Recorder", w.co)
		w.Equal([]string{string(b.ID)}, w.list(accountsAt(w.co), 10))
		again := w.newAccount("Other", w.co)
		again.ID = a.ID
		w.lost(w.creation(again), serviceaccount.Create{})
	}},
	{"a revoked account keeps its name", func(w *world) {
		a := w.account("Recorder", w.co)
		w.commit(w.revoke(a))
		w.lost(w.creation(w.newAccount("Recorder", w.co)), serviceaccount.Create{})
		w.Equal([]string{string(a.ID)}, w.list(accountsAt(w.co), 10))
	}},
	{"ending an account's keys raises its epoch and says when, by whom and why", func(w *world) {
		a := w.account("Recorder", w.root)
		w.key(a, "One")
		a = w.readAccount(a.ID)
		w.key(a, "Two")
		a = w.readAccount(a.ID)
		w.Equal(2, a.KeyCount)
		ends, err := w.store.EpochEnds(w.ctx, a.ID)
		w.NoError(err)
		w.Empty(ends)
		w.commit(w.rotation(a, 1))
		got := w.readAccount(a.ID)
		w.Equal(a.IssueEpoch+1, got.IssueEpoch)
		w.Equal(1, got.KeyCount)
		w.Equal(a.KeysVersion+1, got.KeysVersion)
		w.Equal(serviceaccount.Active, got.Status)
		w.lost(w.rotation(a, 1), serviceaccount.Update{})
		w.commit(w.rotation(got, 0))
		ends, err = w.store.EpochEnds(w.ctx, a.ID)
		w.NoError(err)
		end := serviceaccount.Ended{At: w.now.Add(time.Minute), By: "emp_00000000000000000001", Reason: "superseded"}
		w.same(map[int64]serviceaccount.Ended{a.IssueEpoch: end, a.IssueEpoch + 1: end}, ends)
		ends, err = w.store.EpochEnds(w.ctx, newID[id.ServiceAccount]())
		w.NoError(err)
		w.Empty(ends)
	}},
	{"revoking an account ends its epoch without raising it", func(w *world) {
		a := w.account("Recorder", w.root)
		w.key(a, "One")
		a = w.readAccount(a.ID)
		w.commit(w.revoke(a))
		got := w.readAccount(a.ID)
		w.Equal(serviceaccount.Revoked, got.Status)
		w.Equal(a.IssueEpoch, got.IssueEpoch)
		w.Zero(got.KeyCount)
		ends, err := w.store.EpochEnds(w.ctx, a.ID)
		w.NoError(err)
		w.Len(ends, 1)
		w.Contains(ends, a.IssueEpoch)
		w.lost(w.issue(a, w.newKey(a, "K")), serviceaccount.Update{})
	}},
	{"a key of the new epoch comes with the end of the old one", func(w *world) {
		a := w.account("Recorder", w.root)
		s := w.rotation(a, 1)
		k := w.newKey(a, "Successor")
		k.IssueEpoch = a.IssueEpoch + 1
		record := w.onKey(k, 1)
		record.Operation = s.Operation
		s.Events, s.Writes = append(s.Events, record), append(s.Writes, apikey.Create{Key: k})
		w.commit(s)
		live, err := w.store.LiveKeys(w.ctx, w.readAccount(a.ID), w.now)
		w.NoError(err)
		w.Len(live, 1)
		w.Equal(k.ID, live[0].ID)
	}},
	{"an edit keeps the failures that were counted meanwhile", func(w *world) {
		a := w.account("Recorder", w.root)
		w.count(w.failure(string(a.ID), "", 0, w.now))
		w.commit(w.edit(a, func(n *serviceaccount.Account) { n.Description = "edited" }))
		got := w.readAccount(a.ID)
		w.Equal(1, got.Lock.Failures)
		w.Equal("edited", got.Description)
	}},
}
