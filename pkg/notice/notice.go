// Package notice tells people by e-mail what they have to act on: that keys end, that rotations are due, that something failed.
//
// An event of the bus becomes one line for each of its recipients, once, from the audit record that the event names. What waits
// for a recipient goes out in one message a day; what cannot wait goes earlier. When a message is made, every line is held
// against what is so by then, so that nobody is told of what has been dealt with.
//
// Lines are stored before anything is sent and are taken away by the transaction that notes the message as sent: a crash between
// sending and noting may send one message twice, and nothing is lost. A row for each recipient and minute says when to look
// again; it may be there for nothing and is never missing. Senders that run at the same time keep off each other by a claim with
// an end. The package knows neither AWS nor how anything is stored; texts hold no secret, and what tenants wrote in them is
// plain text that no mail program makes a link of.
package notice

import (
	"context"
	"io"
	"log/slog"
	"time"

	"github.com/rekey-dev/rekey/pkg/apikey"
	"github.com/rekey-dev/rekey/pkg/audit"
	"github.com/rekey-dev/rekey/pkg/company"
	"github.com/rekey-dev/rekey/pkg/employee"
	"github.com/rekey-dev/rekey/pkg/id"
	"github.com/rekey-dev/rekey/pkg/listing"
	"github.com/rekey-dev/rekey/pkg/mailbox"
	"github.com/rekey-dev/rekey/pkg/msp"
	"github.com/rekey-dev/rekey/pkg/node"
	"github.com/rekey-dev/rekey/pkg/policy"
	"github.com/rekey-dev/rekey/pkg/rotation"
	"github.com/rekey-dev/rekey/pkg/serviceaccount"
	"github.com/rekey-dev/rekey/pkg/usage"
)

// Letter is a message.
type Letter struct {
	To, Subject, Text, HTML string
}

// Mailer sends letters. It returns the ID that the service gave the message; *Refused when the recipient will not get this
// letter however often it is tried; any other error when trying again later may help. After such an error the letter may have
// been sent all the same.
type Mailer interface {
	Send(ctx context.Context, l Letter) (string, error)
}

// Refused is the error of a letter that its recipient will not get.
type Refused struct{ Code, Message string }

func (r *Refused) Error() string { return "notice: refused: " + r.Code + ": " + r.Message }

// Store is what notices read and write. Reads are strongly consistent; an object that is not there is a fault of kind not_found;
// a store that does not answer is a fault of kind unavailable.
type Store interface {
	policy.Finder
	usage.Store
	AuditEvent(ctx context.Context, e id.Event) (audit.Event, error)
	Account(ctx context.Context, a id.ServiceAccount) (serviceaccount.Account, error)
	Rotation(ctx context.Context, r id.Rotation) (rotation.Rotation, error)
	MSP(ctx context.Context) (msp.MSP, error)
	Employee(ctx context.Context, e id.Employee) (employee.Employee, error)
	// Employees reads those that are there, in any order.
	Employees(ctx context.Context, ids []id.Employee) ([]employee.Employee, error)
	List(ctx context.Context, q listing.Query) (listing.Page, error)
	Node(ctx context.Context, n id.Node) (node.Node, error)
	Company(ctx context.Context, c id.Company) (company.Company, error)

	// AddLines puts the lines of an event, all of them or none, unless that event's were put before. It returns whose lines were
	// put, by this call or by the one before.
	AddLines(ctx context.Context, e id.Event, lines []mailbox.Line) ([]mailbox.Recipient, error)
	// Wake puts a row, or marks the one that is there.
	Wake(ctx context.Context, w mailbox.Wake) error
	// Wakes returns rows that are due at a moment, the earliest first: one call.
	Wakes(ctx context.Context, now time.Time, limit int) ([]mailbox.Wake, error)
	// Unwake takes a row away; it is lost when the row has been marked since it was read.
	Unwake(ctx context.Context, w mailbox.Wake) error
	// Mailbox returns what is known of a recipient, and at most limit of their lines.
	Mailbox(ctx context.Context, r mailbox.Recipient, limit int) (mailbox.Box, []mailbox.Line, error)
	// SaveBox changes a box from what was read and takes lines away, all in one; of more than 98 lines the rest follows in further
	// steps, the last of which ends the claim. It is lost when the box has changed since. Repeating a call that may have happened
	// is safe: it is done, or lost.
	SaveBox(ctx context.Context, r mailbox.Recipient, old, next mailbox.Box, done []id.Event) error
}

// Keys reads keys with all that their state depends on; those that are not there, or of deleted accounts, are left out.
type Keys interface {
	Views(ctx context.Context, ids []id.Key) ([]apikey.View, error)
}

// Service hears of events and sends messages. Its fields are set once.
type Service struct {
	Store Store
	Keys  Keys
	Mail  Mailer
	Hold  bool // after a restore: nothing is sent
	Now   func() time.Time
	Rand  io.Reader
	Log   *slog.Logger
}
