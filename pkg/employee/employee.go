// Package employee holds the human users of the MSP.
//
// An employee stands at a node and never moves. Invited, they have a seat and cannot act; they become active with their first
// passkey. Deleted, they leave a tombstone: what a verdict reads of them says that they are gone, so whatever acts for them ends at
// once. Sessions carry the epoch that they were begun in; raising it ends them all.
package employee

import (
	"time"

	"github.com/rekey-dev/rekey/pkg/id"
	"github.com/rekey-dev/rekey/pkg/place"
	"github.com/rekey-dev/rekey/pkg/role"
)

// MaxPasskeys is the most active passkeys of an employee.
const MaxPasskeys = 10

// Status says whether an employee can act.
type Status string

const (
	Invited Status = "invited"
	Active  Status = "active"
	Deleted Status = "deleted" // final; only verdicts and the audit log's readers meet one
)

// Employee acts at a node and below it.
type Employee struct {
	ID        id.Employee
	Email     string // in the form of name.CanonicalEmail; "" once deleted
	FirstName string
	LastName  string
	Place     place.Place
	RoleID    id.Role
	Status    Status

	Passkeys     []id.Credential // active ones, at most MaxPasskeys
	SessionEpoch int64           // sessions of another epoch have ended
	TokenEpoch   int64           // personal access tokens of another epoch have ended

	// Code is the one invitation or enrolment code that is good now, "" for none; every earlier one is dead. CodeSentAt is when the
	// letter with it was handed to the mail service, zero while it was not.
	Code          id.Invitation
	CodeSentAt    time.Time
	CodeExpiresAt time.Time

	LastSignInAt  time.Time // moved by SignIn alone
	CreatedBy     string
	CreatedByName string
	InvitedFrom   id.Node // where who invited stood; "" for who set the deployment up
	CreatedAt     time.Time
	UpdatedAt     time.Time
	Version       int64 // the ETag: moves with what an administrator sets, and with the status
	Revision      int64 // moves with every write but a sign-in's; what every write is conditional on
	EventSeq      int64
}

// Name is how the employee is called in the audit log.
func (e Employee) Name() string { return e.FirstName + " " + e.LastName }

// IsOwner tells whether the employee counts as an owner: one who can act.
func (e Employee) IsOwner() bool { return e.RoleID == role.Owner && e.Status == Active }

// Tombstone is what stays of an employee: who it was, and where; no address, passkey or code.
func (e Employee) Tombstone() Employee {
	return Employee{ID: e.ID, FirstName: e.FirstName, LastName: e.LastName, Place: e.Place, RoleID: e.RoleID, Status: Deleted,
		SessionEpoch: e.SessionEpoch + 1, TokenEpoch: e.TokenEpoch + 1, LastSignInAt: e.LastSignInAt, CreatedBy: e.CreatedBy, CreatedByName: e.CreatedByName,
		InvitedFrom: e.InvitedFrom, CreatedAt: e.CreatedAt, UpdatedAt: e.UpdatedAt, Version: e.Version + 1, Revision: e.Revision + 1, EventSeq: e.EventSeq + 1}
}

// Headcount is how many employees the MSP has: invited and active ones, and of those the owners who can act.
type Headcount struct{ Employees, Owners int }

// Create puts a new employee and the rows that list it, counts it at its node, with its role and in the MSP, and reserves its
// address. It is lost when the ID exists, its node or role does not, another employee has the address, or Seats employees are
// there already.
type Create struct {
	Employee Employee
	Seats    int // 0 for no limit
}

func (Create) Write() {}

// Update changes an employee, whatever of it: profile, role, address, code, passkeys, epoch, status. It is conditional on Old's
// revision, and New's has to be the next. It is lost, too, when another employee has the new address, the new role is not there, or
// the last owner would be one no more.
type Update struct{ Old, New Employee }

func (Update) Write() {}

// Delete replaces an employee by its tombstone, frees its address and its seat, and takes it from every list. It is conditional on
// Old's revision, and lost when Old is the last owner.
type Delete struct {
	Old Employee
	At  time.Time
}

func (Delete) Write() {}

// New is what Delete leaves.
func (d Delete) New() Employee {
	gone := d.Old.Tombstone()
	gone.UpdatedAt = d.At
	return gone
}

// SignIn notes when an employee signed in, on condition that it is as it was read: active, with the passkey that was used. It moves
// neither version nor revision, so that two at once do not stand in each other's way.
type SignIn struct {
	Old Employee
	At  time.Time
}

func (SignIn) Write() {}
