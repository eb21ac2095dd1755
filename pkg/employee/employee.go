// Package employee holds the human users of the MSP.
package employee

import (
	"time"

	"github.com/rekey-dev/rekey/pkg/id"
	"github.com/rekey-dev/rekey/pkg/place"
)

// Status says whether an employee can act.
type Status string

const (
	Invited Status = "invited"
	Active  Status = "active"
)

// Employee acts at a node and below it.
type Employee struct {
	ID        id.Employee
	Email     string
	FirstName string
	LastName  string
	Place     place.Place
	RoleID    id.Role
	Status    Status
	CreatedAt time.Time
	UpdatedAt time.Time
	Version   int64
	EventSeq  int64
}

// Name is how the employee is called in the audit log.
func (e Employee) Name() string { return e.FirstName + " " + e.LastName }

// Create puts a new employee. It is lost when the ID exists or another employee has the address.
type Create struct{ Employee Employee }

func (Create) Write() {}
