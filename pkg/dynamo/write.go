package dynamo

import (
	"github.com/rekey-dev/rekey/pkg/apikey"
	"github.com/rekey-dev/rekey/pkg/change"
	"github.com/rekey-dev/rekey/pkg/serviceaccount"
)

func (b *builder) createAccount(w serviceaccount.Create) {
	a := w.Account
	b.put(create(b.store.tables.Identity, accountKey(a.ID), encodeAccount(a), w, "the ID is taken"))
	b.moveAbout(w, serviceaccount.Account{}, a)
	b.moveRows(w, nil, b.store.accountRows(a))
	b.moveUses(w, nil, accountUse(a))
	b.inCompany(w, a.Place.Company)
}

func (b *builder) updateAccount(w serviceaccount.Update) {
	a := action{table: b.store.tables.Identity, key: accountKey(w.Old.ID), write: w, reason: "the account has changed"}
	e := &a.expr
	e.require(e.exists(attrPK))
	e.require(e.isInt(attrVersion, w.Old.Version))
	e.require(e.compare(attrStatus, "=", stringValue(string(w.Old.Status))))
	e.require(e.isInt(attrIssueEpoch, w.Old.IssueEpoch))
	if w.SameKeys {
		e.require(e.isInt(attrKeysVersion, w.Old.KeysVersion))
	}
	if w.KeysChanged || w.EndKeys != nil {
		e.add(attrKeysVersion, 1)
	}
	switch {
	case w.EndKeys != nil:
		e.set(attrKeyCount, intValue(int64(w.KeyCount)))
	case w.KeyCount != 0:
		e.add(attrKeyCount, int64(w.KeyCount))
	}
	if w.ClearLock {
		e.add(attrLockEpoch, 1)
		e.remove(attrFailures, attrThreshold, attrWindowEnds, attrLockEnds, attrLastFailure, attrAnnounced)
	}
	if w.New != nil {
		e.require(e.isInt(attrEventSeq, w.Old.EventSeq))
		setAccount(e, *w.New)
	}
	if w.EndKeys != nil {
		if w.New == nil || w.New.Status == serviceaccount.Active {
			e.add(attrIssueEpoch, 1)
		}
		b.put(create(b.store.tables.Identity, epochKey(w.Old.ID, w.Old.IssueEpoch), encodeEpochEnd(w.Old, *w.EndKeys), w,
			"the issue epoch has ended"))
	}
	b.put(a)
	if w.New != nil {
		b.moveAbout(w, w.Old, *w.New)
		b.moveRows(w, b.store.accountRows(w.Old), b.store.accountRows(*w.New))
		b.moveUses(w, accountUse(w.Old), accountUse(*w.New))
	}
}

// moveAbout puts, replaces or deletes what is written about an account. The account's own condition, in the same transaction,
// says that old is what is there.
func (b *builder) moveAbout(w change.Write, old, a serviceaccount.Account) {
	before, after := encodeAbout(old), encodeAbout(a)
	act := action{table: b.store.tables.Identity, key: aboutKey(a.ID), item: after, delete: after == nil, write: w,
		reason: "what is written about the account has changed"}
	switch {
	case before == nil && after == nil, before != nil && sameItem(before, after):
		return
	case before == nil:
		act.expr.require(act.expr.missing(attrPK))
	default:
		act.expr.require(act.expr.exists(attrPK))
	}
	b.put(act)
}

func (b *builder) createKey(w apikey.Create) {
	k, table := w.Key, b.store.tables.Identity
	row := keyRowKey(k.AccountID, k.CreatedAt, k.ID)
	b.put(create(table, keyKey(k.ID), encodeKey(k), w, "the ID is taken"))
	b.put(create(table, row, encodeKeyRow(k), w, "the key is in its account already"))
	b.moveRows(w, nil, b.store.keyRows(k))
	b.inCompany(w, k.Place.Company)
	b.countKey(w)
}

func (b *builder) updateKey(w apikey.Update) {
	old, k, table := w.Old, w.New, b.store.tables.Identity
	a := action{table: table, key: keyKey(old.ID), write: w, reason: "the key has changed"}
	e := &a.expr
	e.require(e.exists(attrPK))
	e.require(e.isInt(attrVersion, old.Version))
	e.require(e.isInt(attrEventSeq, old.EventSeq))
	e.require(e.isInt(attrGeneration, old.Generation))
	if old.Generation != k.Generation {
		// The digest that is retired is the one that is replaced, under whichever pepper the authorizer has put it.
		e.require(e.compare(attrMAC, "=", bytesValue(old.MAC)))
		b.put(create(table, retiredKey(string(old.ID), old.MAC), encodeRetired(old, k.UpdatedAt), w, "the secret is retired already"))
	}
	setKey(e, old, k)
	b.put(a)
	rowKey := keyRowKey(old.AccountID, old.CreatedAt, old.ID)
	if before, after := encodeKeyRow(old), encodeKeyRow(k); !sameItem(before, after) {
		row := action{table: table, key: rowKey, item: after, write: w, reason: "the key is not in its account"}
		row.expr.require(row.expr.exists(attrPK))
		b.put(row)
	}
	b.moveRows(w, b.store.keyRows(old), b.store.keyRows(k))
}
