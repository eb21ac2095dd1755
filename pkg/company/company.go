// Package company holds the managed companies, the tenants of the MSP.
package company

import (
	"time"

	"github.com/rekey-dev/rekey/pkg/id"
	"github.com/rekey-dev/rekey/pkg/place"
)

// Status says whether a company's keys work.
type Status string

const (
	Active    Status = "active"
	Suspended Status = "suspended"
)

// Company belongs to one node. Its place never changes.
type Company struct {
	ID        id.Company
	Name      string
	Place     place.Place
	Status    Status
	CreatedAt time.Time
	UpdatedAt time.Time
	Version   int64
	EventSeq  int64
}

// Create puts a new company. It is lost when the ID exists or a sibling has the name.
type Create struct{ Company Company }

func (Create) Write() {}
