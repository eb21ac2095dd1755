// Package serviceaccount holds machine principals: their rules and what can be done with them.
//
// A service account belongs to a node or a company, has a role, owns any number of keys, and outlives the employee who made
// it. The package knows neither HTTP nor storage.
package serviceaccount

import (
	"time"

	"github.com/rekey-dev/rekey/pkg/id"
	"github.com/rekey-dev/rekey/pkg/lock"
	"github.com/rekey-dev/rekey/pkg/place"
)

// Status of an account. Revoked and Deleted are final.
type Status string

const (
	Active  Status = "active"
	Revoked Status = "revoked"
	Deleted Status = "deleted" // a tombstone: to callers the account does not exist
)

// Account is a service account. Its ID and its place never change.
type Account struct {
	ID            id.ServiceAccount
	Place         place.Place
	Name          string
	Description   string
	RoleID        id.Role
	Status        Status
	Contacts      []string
	ExternalID    string
	Tags          []string
	CreatedBy     string
	CreatedByName string
	CreatedAt     time.Time
	UpdatedAt     time.Time

	Version     int64 // of what an administrator sets; the ETag
	EventSeq    int64 // seq of the last audit record on the account
	IssueEpoch  int64 // keys of an older epoch are dead
	KeysVersion int64 // raised by every change of a key
	KeyCount    int   // keys that are not revoked
	Lock        lock.Counter
	LockPolicy  lock.Policy // of the rotation policy that holds for the account; the zero Policy where lock.Default does
}

// Ended says when, by whom and why a principal's or a key's life ended.
type Ended struct {
	At     time.Time
	By     string // ID of the actor, "holder" or "system"
	Reason string
}

// Create puts a new account. It is lost when the ID exists, a sibling has the name, its node or company is not there, or the
// company is not active.
type Create struct{ Account Account }

func (Create) Write() {}

// Update changes an account. It is always conditional on Old's version, status and issue epoch; the other conditions are
// the fields' own. All of it is one conditional update of one item (and the rows that list the account).
type Update struct {
	Old Account
	// New, if not nil, has what an administrator sets: name, description, role, status, contacts, external ID, tags, the lock's
	// policy, version, event seq, updated-at. It adds the condition that Old's event seq is still the last.
	New *Account
	// SameKeys adds the condition that no key of the account has changed since Old was read.
	SameKeys bool
	// KeysChanged raises the keys' version; KeyCount is added to the account's count of keys.
	KeysChanged bool
	KeyCount    int
	// ClearLock raises the lock's epoch and empties the counter; failures of the old epoch count for nothing.
	ClearLock bool
	// EndKeys, if not nil, ends every key of the current issue epoch: it records when and why, and, unless New revokes the
	// account, raises the epoch. KeyCount then replaces the count instead of adding to it.
	EndKeys *Ended
}

func (Update) Write() {}
