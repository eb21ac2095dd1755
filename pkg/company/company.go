// Package company holds the managed companies, the tenants of the MSP.
package company

import (
	"time"

	"github.com/rekey-dev/rekey/pkg/id"
	"github.com/rekey-dev/rekey/pkg/place"
)

// Status says whether a company's keys work. Deleted is final.
type Status string

const (
	Active    Status = "active"
	Suspended Status = "suspended"
	Deleted   Status = "deleted" // a tombstone: to callers the company does not exist
)

// Owner is the person at the company who answers for its account. It is no user of rekey.
type Owner struct {
	FirstName string
	LastName  string
	Email     string // in the form of name.CanonicalEmail
}

// Company belongs to one node. Its ID and its place never change.
type Company struct {
	ID            id.Company
	Name          string
	Place         place.Place
	PackageID     string
	Status        Status
	Owner         Owner
	ExternalID    string
	Tags          []string
	SessionEpoch  int64 // a session inside it that is of another one has ended
	CreatedBy     string
	CreatedByName string
	CreatedAt     time.Time
	UpdatedAt     time.Time
	Version       int64
	EventSeq      int64
}

// Suspend is a company whose keys stop, for as long as it is suspended, and the sessions inside it for good.
func (c Company) Suspend() Company {
	c.Status = Suspended
	c.SessionEpoch++
	return c
}

// Tombstone is what stays of a company: that it was, and where. Who owned its account is forgotten.
func (c Company) Tombstone() Company {
	c.Status, c.Owner, c.ExternalID, c.Tags = Deleted, Owner{}, "", nil
	c.SessionEpoch++
	return c
}

// Create puts a new company and the rows that list it. It is lost when the ID exists, the node does not, or a sibling has the
// name.
type Create struct{ Company Company }

func (Create) Write() {}

// Update changes a company, on condition of Old's version and event seq. It is lost, too, when a sibling has the name.
type Update struct{ Old, New Company }

func (Update) Write() {}

// Delete replaces a company by New, its tombstone, gives its name back and lets nothing more be put there, on condition of Old's
// version and event seq, that no account of it is active, and that it has no calendar and no policy of its own.
type Delete struct{ Old, New Company }

func (Delete) Write() {}
