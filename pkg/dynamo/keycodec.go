package dynamo

import (
	"time"

	"github.com/rekey-dev/rekey/pkg/apikey"
	"github.com/rekey-dev/rekey/pkg/id"
	"github.com/rekey-dev/rekey/pkg/listing"
	"github.com/rekey-dev/rekey/pkg/permission"
	"github.com/rekey-dev/rekey/pkg/serviceaccount"
)

func encodeKey(k apikey.Key) item {
	it := newItem(keyKey(k.ID), typeKey)
	it.string(attrKind, string(rune(k.Kind)))
	it.string(attrAccount, string(k.AccountID))
	it.place(k.Place)
	it.string(attrName, k.Name)
	it.string(attrScopes, k.Scopes.Text())
	it.string(attrRoleHint, string(k.RoleHint))
	it.int(attrGeneration, k.Generation)
	it.int(attrIssueEpoch, k.IssueEpoch)
	it.bytes(attrMAC, k.MAC)
	it.string(attrPepper, k.PepperVersion)
	it.bool(attrOff, k.Off)
	it.ended(k.Ended)
	it.time(attrExpiresAt, k.ExpiresAt)
	it.time(attrNoticeFrom, k.NoticeFrom)
	it.time(attrLastUsedAt, k.LastUsedAt)
	it.int(attrUsedGen, k.UsedGen)
	it.time(attrRetiredSeenAt, k.RetiredSeenAt)
	it.string(attrRotation, string(k.RotationID))
	it.string(attrSuperseded, string(k.SupersededBy))
	if !k.DueAt.IsZero() {
		it.string(attrDueShard, dueShard(string(k.ID)))
		it.time(attrDueAt, k.DueAt)
	}
	it.time(attrAnnouncedAt, k.AnnouncedAt)
	it.time(attrRotateAt, k.RotateAt)
	it.string(attrCreatedBy, k.CreatedBy)
	it.string(attrCreatedByName, k.CreatedByName)
	it.time(attrCreatedAt, k.CreatedAt)
	it.time(attrSecretFrom, k.RegeneratedAt)
	it.time(attrUpdatedAt, k.UpdatedAt)
	it.int(attrVersion, k.Version)
	it.int(attrEventSeq, k.EventSeq)
	return it
}

func decodeKey(it item) (apikey.Key, error) {
	r := reader{it: it}
	k := apikey.Key{
		ID: id.Key(r.string(attrPK)), Kind: r.kind(), AccountID: id.ServiceAccount(r.string(attrAccount)), Place: r.place(),
		Name: r.string(attrName), Scopes: r.permissions(attrScopes), RoleHint: id.Role(r.string(attrRoleHint)),
		Generation: r.int(attrGeneration), IssueEpoch: r.int(attrIssueEpoch), MAC: r.bytes(attrMAC), PepperVersion: r.string(attrPepper),
		Off: r.bool(attrOff), Ended: r.ended(), ExpiresAt: r.time(attrExpiresAt), NoticeFrom: r.time(attrNoticeFrom),
		RotationID: id.Rotation(r.string(attrRotation)), SupersededBy: id.Key(r.string(attrSuperseded)), DueAt: r.time(attrDueAt), AnnouncedAt: r.time(attrAnnouncedAt), RotateAt: r.time(attrRotateAt),
		LastUsedAt: r.time(attrLastUsedAt), UsedGen: r.int(attrUsedGen), RetiredSeenAt: r.time(attrRetiredSeenAt),
		CreatedBy: r.string(attrCreatedBy), CreatedByName: r.string(attrCreatedByName), CreatedAt: r.time(attrCreatedAt),
		RegeneratedAt: r.time(attrSecretFrom), UpdatedAt: r.time(attrUpdatedAt), Version: r.int(attrVersion), EventSeq: r.int(attrEventSeq),
	}
	return k, r.err
}

// setKey sets what an administrator sets; a digest only with a new secret, as the authorizer rewrites it under a new pepper.
func setKey(e *expression, old, k apikey.Key) {
	e.setString(attrName, k.Name)
	e.setString(attrScopes, k.Scopes.Text())
	e.setString(attrRoleHint, string(k.RoleHint))
	if old.Generation != k.Generation {
		e.setInt(attrGeneration, k.Generation)
		e.set(attrMAC, bytesValue(k.MAC))
		e.setString(attrPepper, k.PepperVersion)
	}
	e.setBool(attrOff, k.Off)
	if k.Ended == nil {
		e.remove(attrEndedAt, attrEndedBy, attrEndReason)
	} else {
		e.setTime(attrEndedAt, k.Ended.At)
		e.setString(attrEndedBy, k.Ended.By)
		e.setString(attrEndReason, k.Ended.Reason)
	}
	e.setTime(attrExpiresAt, k.ExpiresAt)
	e.setTime(attrNoticeFrom, k.NoticeFrom)
	e.setString(attrRotation, string(k.RotationID))
	e.setString(attrSuperseded, string(k.SupersededBy))
	setDue(e, string(k.ID), k.DueAt)
	e.setTime(attrAnnouncedAt, k.AnnouncedAt)
	e.setTime(attrRotateAt, k.RotateAt)
	e.setTime(attrSecretFrom, k.RegeneratedAt)
	e.setTime(attrUpdatedAt, k.UpdatedAt)
	e.setInt(attrVersion, k.Version)
	e.setInt(attrEventSeq, k.EventSeq)
}

// encodeKeyRow is the key in its account's list: what tells whether it lives, and what names it.
func encodeKeyRow(k apikey.Key) item {
	it := newItem(keyRowKey(k.AccountID, k.CreatedAt, k.ID), typeKeyRow)
	it.string(attrID, string(k.ID))
	it.string(attrKind, string(rune(k.Kind)))
	it.string(attrName, k.Name)
	it.string(attrScopes, k.Scopes.Text())
	it.int(attrGeneration, k.Generation)
	it.int(attrIssueEpoch, k.IssueEpoch)
	it.bool(attrOff, k.Off)
	it.ended(k.Ended)
	it.time(attrExpiresAt, k.ExpiresAt)
	it.time(attrNoticeFrom, k.NoticeFrom)
	it.time(attrCreatedAt, k.CreatedAt)
	return it
}

// decodeKeyRow makes a key of its row in an account, without what the row has not.
func decodeKeyRow(it item, a serviceaccount.Account) (apikey.Key, error) {
	r := reader{it: it}
	return apikey.Key{ID: id.Key(r.string(attrID)), Kind: r.kind(), AccountID: a.ID, Place: a.Place, Name: r.string(attrName),
		Scopes: permission.Split(r.string(attrScopes)), Generation: r.int(attrGeneration), IssueEpoch: r.int(attrIssueEpoch), Off: r.bool(attrOff), Ended: r.ended(),
		ExpiresAt: r.time(attrExpiresAt), NoticeFrom: r.time(attrNoticeFrom), CreatedAt: r.time(attrCreatedAt)}, r.err
}

// keyRows returns the rows that list a key: by name and, when it ends, by its end.
func (s *Store) keyRows(k apikey.Key) []row {
	rows := listRows(listing.Keys, k.Place, s.fold(k.Name), string(k.ID))
	if k.ExpiresAt.IsZero() {
		return rows
	}
	for _, at := range k.Place.Ancestors() {
		rows = append(rows, row{key: expiryRowKey(at, k.ExpiresAt, k.ID), typ: typeExpiryRow, id: string(k.ID), place: k.Place.ID(),
			taken: "it is listed already"})
	}
	return rows
}

func (it item) ended(e *serviceaccount.Ended) {
	if e == nil {
		return
	}
	it.time(attrEndedAt, e.At)
	it.string(attrEndedBy, e.By)
	it.string(attrEndReason, e.Reason)
}

func (r *reader) ended() *serviceaccount.Ended {
	at := r.time(attrEndedAt)
	if at.IsZero() {
		return nil
	}
	return &serviceaccount.Ended{At: at, By: r.string(attrEndedBy), Reason: r.string(attrEndReason)}
}

func encodeRetired(k apikey.Key, at time.Time) item {
	it := newItem(retiredKey(string(k.ID), k.MAC), typeRetired)
	it.int(attrGeneration, k.Generation)
	it.string(attrPepper, k.PepperVersion)
	it.time(attrRetiredAt, at)
	return it
}

func encodeEpochEnd(a serviceaccount.Account, e serviceaccount.Ended) item {
	it := newItem(epochKey(a.ID, a.IssueEpoch), typeEpochEnd)
	it.int(attrIssueEpoch, a.IssueEpoch)
	it.ended(&e)
	return it
}
