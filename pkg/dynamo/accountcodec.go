package dynamo

import (
	"time"

	"github.com/rekey-dev/rekey/pkg/id"
	"github.com/rekey-dev/rekey/pkg/listing"
	"github.com/rekey-dev/rekey/pkg/place"
	"github.com/rekey-dev/rekey/pkg/role"
	"github.com/rekey-dev/rekey/pkg/serviceaccount"
)

func encodeAccount(a serviceaccount.Account) item {
	it := newItem(accountKey(a.ID), typeAccount)
	it.place(a.Place)
	it.string(attrName, a.Name)
	it.string(attrRoleID, string(a.RoleID))
	it.string(attrStatus, string(a.Status))
	it.string(attrExternalID, a.ExternalID)
	it.list(attrTags, a.Tags)
	it.string(attrCreatedBy, a.CreatedBy)
	it.string(attrCreatedByName, a.CreatedByName)
	it.time(attrCreatedAt, a.CreatedAt)
	it.time(attrUpdatedAt, a.UpdatedAt)
	it.int(attrVersion, a.Version)
	it.int(attrEventSeq, a.EventSeq)
	it.int(attrIssueEpoch, a.IssueEpoch)
	it.int(attrKeysVersion, a.KeysVersion)
	it.int(attrKeyCount, int64(a.KeyCount))
	it.int(attrLockEpoch, a.Lock.Epoch)
	it.int(attrLockThreshold, int64(a.LockPolicy.Threshold))
	it.int(attrLockWindow, int64(a.LockPolicy.Window/time.Second))
	it.int(attrLockDuration, int64(a.LockPolicy.Duration/time.Second))
	it.bool(attrLockStrict, a.LockPolicy.Strict)
	return it
}

// encodeAbout holds what people write about an account; nil for nothing.
func encodeAbout(a serviceaccount.Account) item {
	if a.Description == "" && len(a.Contacts) == 0 {
		return nil
	}
	it := newItem(aboutKey(a.ID), typeAbout)
	it.string(attrDescription, a.Description)
	it.list(attrContacts, a.Contacts)
	return it
}

// addToAccount decodes either of the items of an account into it.
func addToAccount(a *serviceaccount.Account, it item) error {
	r := reader{it: it}
	if r.string(attrType) == typeAbout {
		a.Description, a.Contacts = r.string(attrDescription), r.list(attrContacts)
		return r.err
	}
	description, contacts := a.Description, a.Contacts
	*a = serviceaccount.Account{
		ID: id.ServiceAccount(r.string(attrPK)), Place: r.place(), Name: r.string(attrName), Description: description,
		RoleID: id.Role(r.string(attrRoleID)), Status: serviceaccount.Status(r.string(attrStatus)), Contacts: contacts,
		ExternalID: r.string(attrExternalID), Tags: r.list(attrTags), CreatedBy: r.string(attrCreatedBy),
		CreatedByName: r.string(attrCreatedByName), CreatedAt: r.time(attrCreatedAt), UpdatedAt: r.time(attrUpdatedAt),
		Version: r.int(attrVersion), EventSeq: r.int(attrEventSeq), IssueEpoch: r.int(attrIssueEpoch),
		KeysVersion: r.int(attrKeysVersion), KeyCount: int(r.int(attrKeyCount)), Lock: r.counter(), LockPolicy: r.lockPolicy(),
	}
	return r.err
}

// setAccount sets what an administrator sets.
func setAccount(e *expression, a serviceaccount.Account) {
	e.setString(attrName, a.Name)
	e.setString(attrRoleID, string(a.RoleID))
	e.setString(attrStatus, string(a.Status))
	e.setString(attrExternalID, a.ExternalID)
	e.setList(attrTags, a.Tags)
	e.setTime(attrUpdatedAt, a.UpdatedAt)
	e.setInt(attrVersion, a.Version)
	e.setInt(attrEventSeq, a.EventSeq)
	e.setInt(attrLockThreshold, int64(a.LockPolicy.Threshold))
	e.setInt(attrLockWindow, int64(a.LockPolicy.Window/time.Second))
	e.setInt(attrLockDuration, int64(a.LockPolicy.Duration/time.Second))
	e.setBool(attrLockStrict, a.LockPolicy.Strict)
}

// accountRows returns the rows that list an account, and the reservation of its name: none once it is deleted.
func (s *Store) accountRows(a serviceaccount.Account) []row {
	if a.Status == serviceaccount.Deleted {
		return nil
	}
	folded := s.fold(a.Name)
	return append(listRows(listing.ServiceAccounts, a.Place, folded, string(a.ID)),
		nameRow(listing.ServiceAccounts, a.Place.ID(), folded, string(a.ID)))
}

// accountUse returns what an account counts for: one at its place, in a company one of those that are not revoked, and, with a
// custom role, one assignment of it.
func accountUse(a serviceaccount.Account) []use {
	if a.Status == serviceaccount.Deleted {
		return nil
	}
	uses := append(assignment(a.RoleID, role.ServiceAccount), use{holder: a.Place.ID(), counter: attrServiceAccounts})
	if a.Place.Company != "" && a.Status == serviceaccount.Active {
		uses = append(uses, use{holder: a.Place.ID(), counter: attrActiveAccounts})
	}
	return uses
}

// row is an item that only points at an object.
type row struct {
	key   key
	typ   string
	id    string
	place string
	taken string // what it means when the row is there already
}

func (r row) item() item {
	it := newItem(r.key, r.typ)
	it.string(attrID, r.id)
	it.string(attrPlace, r.place)
	return it
}

// listRows returns one row at each place that covers the object.
func listRows(noun listing.Noun, p place.Place, folded, object string) []row {
	var rows []row
	for _, at := range p.Ancestors() {
		rows = append(rows, row{key: rowKey(noun, at, folded, object), typ: typeRow, id: object, place: p.ID(), taken: "it is listed already"})
	}
	return rows
}

// nameRow reserves a name among its siblings.
func nameRow(noun listing.Noun, parent, folded, object string) row {
	return row{key: nameKey(noun, parent, folded), typ: typeName, id: object, taken: "a sibling has the name"}
}
