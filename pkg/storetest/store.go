// Package storetest is the contract of a rekey store, as an interface and as a suite that every implementation passes.
package storetest

import (
	"context"
	"time"

	"github.com/rekey-dev/rekey/pkg/accesstoken"
	"github.com/rekey-dev/rekey/pkg/apikey"
	"github.com/rekey-dev/rekey/pkg/audit"
	"github.com/rekey-dev/rekey/pkg/calendar"
	"github.com/rekey-dev/rekey/pkg/change"
	"github.com/rekey-dev/rekey/pkg/company"
	"github.com/rekey-dev/rekey/pkg/employee"
	"github.com/rekey-dev/rekey/pkg/id"
	"github.com/rekey-dev/rekey/pkg/idempotency"
	"github.com/rekey-dev/rekey/pkg/listing"
	"github.com/rekey-dev/rekey/pkg/lock"
	"github.com/rekey-dev/rekey/pkg/mailbox"
	"github.com/rekey-dev/rekey/pkg/msp"
	"github.com/rekey-dev/rekey/pkg/node"
	"github.com/rekey-dev/rekey/pkg/onetime"
	"github.com/rekey-dev/rekey/pkg/passkey"
	"github.com/rekey-dev/rekey/pkg/permission"
	"github.com/rekey-dev/rekey/pkg/policy"
	"github.com/rekey-dev/rekey/pkg/protectedapi"
	"github.com/rekey-dev/rekey/pkg/role"
	"github.com/rekey-dev/rekey/pkg/rotation"
	"github.com/rekey-dev/rekey/pkg/serviceaccount"
	"github.com/rekey-dev/rekey/pkg/session"
	"github.com/rekey-dev/rekey/pkg/usage"
	"github.com/rekey-dev/rekey/pkg/verify"
)

// Store is everything that a store does. Consumers declare the few methods that they call; this is the union, for the
// suite. Every read is strongly consistent. An object that is not there is a fault of kind not_found from the methods for
// one object, and is left out by those for several. A store that cannot be reached, or throttles, is a fault of kind
// unavailable: never an absence.
type Store interface {
	verify.Store

	// Commit carries out a Set: all of it or nothing. It retries throttling, conflicts and unknown outcomes with the same
	// request token, and reads back the Set's audit record to tell whether an unknown outcome was a success. It returns
	// *change.Repeated with the winner when an equal call was first (that is looked at before any other condition),
	// *change.Lost when a condition failed, and a fault of kind unavailable when the outcome is still unknown; committing
	// the same Set again is safe then.
	Commit(ctx context.Context, s change.Set) error
	// Remember puts the record of a call that had nothing to change; *change.Repeated when an equal call was first.
	Remember(ctx context.Context, r idempotency.Record) error
	// Idempotency returns the record of a scope that has not expired at now; nil when there is none.
	Idempotency(ctx context.Context, scope string, now time.Time) (*idempotency.Record, error)

	MSP(ctx context.Context) (msp.MSP, error)
	Node(ctx context.Context, n id.Node) (node.Node, error)
	Company(ctx context.Context, c id.Company) (company.Company, error)
	Employee(ctx context.Context, e id.Employee) (employee.Employee, error)
	// EmployeeByEmail finds the employee with the address, compared case-folded.
	EmployeeByEmail(ctx context.Context, email string) (employee.Employee, error)
	// Employees returns those that are there, in any order; deleted ones are not, here and above.
	Employees(ctx context.Context, ids []id.Employee) ([]employee.Employee, error)
	Headcount(ctx context.Context) (employee.Headcount, error)
	// Letters reads what letters with codes went to an address, in any case.
	Letters(ctx context.Context, address string) (employee.Letters, error)
	// TakeTry reserves a try of a one-time code that is open at now and returns the code as it is then; lost when it is not there or
	// not open. ReturnTry gives a try back; lost when none is reserved.
	TakeTry(ctx context.Context, c id.Invitation, now time.Time) (onetime.Code, error)
	ReturnTry(ctx context.Context, c id.Invitation) error
	Token(ctx context.Context, t id.PAT) (accesstoken.Token, error)
	// Tokens returns those that are there, in any order.
	Tokens(ctx context.Context, ids []id.PAT) ([]accesstoken.Token, error)

	Session(ctx context.Context, ses id.Session) (session.Session, error)
	// Sessions returns a page of an employee's sessions, newest first; next is "" at the end.
	Sessions(ctx context.Context, e id.Employee, after string, limit int) (page []session.Session, next string, err error)
	Passkey(ctx context.Context, c id.Credential) (passkey.Passkey, error)
	// Passkeys returns those that are there, in any order.
	Passkeys(ctx context.Context, ids []id.Credential) ([]passkey.Passkey, error)
	// PutChallenge puts a challenge; change.ErrLost when the ID exists.
	PutChallenge(ctx context.Context, c passkey.Challenge) error
	// TakeChallenge takes a challenge away and returns it, an expired one too; change.ErrLost when it is not there. Of several at
	// once one gets it.
	TakeChallenge(ctx context.Context, c id.Challenge, now time.Time) (passkey.Challenge, error)

	// Account returns an account, a deleted one too.
	Account(ctx context.Context, a id.ServiceAccount) (serviceaccount.Account, error)
	// Accounts returns those that are there, in any order.
	Accounts(ctx context.Context, ids []id.ServiceAccount) ([]serviceaccount.Account, error)
	Key(ctx context.Context, k id.Key) (apikey.Key, error)
	// Keys returns those that are there, in any order.
	Keys(ctx context.Context, ids []id.Key) ([]apikey.Key, error)
	// AccountKeys returns the IDs of an account's keys, newest first, ended ones included; next is "" at the end.
	AccountKeys(ctx context.Context, a id.ServiceAccount, after string, limit int) (ids []id.Key, next string, err error)
	// LiveKeys returns the keys of an account's current issue epoch that have not ended at now, newest first, from one
	// strong query, without their digests.
	LiveKeys(ctx context.Context, a serviceaccount.Account, now time.Time) ([]apikey.Key, error)
	// EpochEnds returns the ends of an account's issue epochs, by epoch.
	EpochEnds(ctx context.Context, a id.ServiceAccount) (map[int64]serviceaccount.Ended, error)
	// Due returns the keys and the tasks of a shard (0 to 15) that are due at a moment, the longest due first. It may lag behind
	// by moments.
	Due(ctx context.Context, shard int, now time.Time, limit int) ([]apikey.Due, error)
	// Reschedule moves the time at which a key is due, from what was read; it is lost when that is another meanwhile.
	Reschedule(ctx context.Context, k id.Key, from time.Time, to apikey.Timing) error
	// Lease takes a shard (0 to 15) of what is due for a run until a moment; it is lost while another run's lease has not ended.
	Lease(ctx context.Context, shard int, run string, now, until time.Time) error
	// Release gives a shard back; it is lost when the run does not have it.
	Release(ctx context.Context, shard int, run string) error
	// Sources returns the sources with failures in the epoch's live window or lock at now, most failures first, at most
	// limit.
	Sources(ctx context.Context, owner string, epoch int64, now time.Time, limit int) ([]lock.Source, error)
	// Sightings returns who sent a retired secret of the key, latest first, at most limit.
	Sightings(ctx context.Context, k id.Key, limit int) ([]apikey.Sighting, error)
	// Usage returns rows of hours of the key that begin in [from, to), newest hour first, at most limit; next is "" at the end.
	// One strong query.
	Usage(ctx context.Context, k id.Key, from, to time.Time, after string, limit int) (rows []usage.Row, next string, err error)
	// WrongSecrets returns the sources whose last wrong secret under the owner was for the key and came in [from, to), in any
	// order.
	WrongSecrets(ctx context.Context, owner string, k id.Key, from, to time.Time) ([]lock.Source, error)

	Rotation(ctx context.Context, r id.Rotation) (rotation.Rotation, error)
	// Rotations returns rotations of a place and everything below it, or of one account, newest first.
	Rotations(ctx context.Context, q rotation.Query) (rotation.Page, error)
	Policy(ctx context.Context, p id.Policy) (policy.Policy, error)
	// PoliciesOf returns the policies of places and accounts, by their IDs, in any order; those without are left out.
	PoliciesOf(ctx context.Context, attached []string) ([]policy.Policy, error)
	// Tasks returns what changes of policies left to be done; of policies without such a task, nothing.
	Tasks(ctx context.Context, policies []id.Policy) ([]policy.Task, error)
	// AdvanceTask notes how far a task has come; done when next is not due. It is lost when the task is not as it was read.
	AdvanceTask(ctx context.Context, old, next policy.Task) error

	// Calendar returns a calendar with its events and the number of its policies.
	Nodes(ctx context.Context, ids []id.Node) ([]node.Node, error)
	Companies(ctx context.Context, ids []id.Company) ([]company.Company, error)
	Contents(ctx context.Context, place string) (node.Contents, error)
	// Role returns a custom role with all that is written about it.
	Role(ctx context.Context, r id.Role) (role.Custom, error)
	// Roles returns those that are there, in any order.
	Roles(ctx context.Context, ids []id.Role) ([]role.Custom, error)
	// Assigned counts who has a custom role.
	Assigned(ctx context.Context, r id.Role) (role.Assigned, error)
	// ProtectedAPI returns the registration of an API that rekey guards.
	ProtectedAPI(ctx context.Context, a id.ProtectedAPI) (protectedapi.API, error)
	// ProtectedAPIs returns those that are there, in any order.
	ProtectedAPIs(ctx context.Context, ids []id.ProtectedAPI) ([]protectedapi.API, error)
	// Registered tells which registration a stage has; "" for none.
	Registered(ctx context.Context, gateway, stage string) (id.ProtectedAPI, error)
	// Declared finds registrations by their slugs, in any order, without the scopes' descriptions; one that is gone without its ID,
	// name and scopes.
	Declared(ctx context.Context, slugs []string) ([]protectedapi.Declared, error)
	// ScopesOf returns what a key, a personal access token or a session carries; nothing for one that is not there.
	ScopesOf(ctx context.Context, credential string) (permission.Set, error)
	Calendar(ctx context.Context, c id.Calendar) (calendar.Calendar, error)
	// Calendars returns those that are there, in any order, without their events and policies.
	Calendars(ctx context.Context, ids []id.Calendar) ([]calendar.Calendar, error)

	// AddLines puts the lines of an event, at most 20, all of them or none, unless that event's were put before. It returns whose
	// lines were put, by this call or by the one before.
	AddLines(ctx context.Context, e id.Event, lines []mailbox.Line) ([]mailbox.Recipient, error)
	// Wake puts a row, or marks the one that is there.
	Wake(ctx context.Context, w mailbox.Wake) error
	// Wakes returns at most limit rows that are due at a moment, the earliest first.
	Wakes(ctx context.Context, now time.Time, limit int) ([]mailbox.Wake, error)
	// Unwake takes a row away; it is lost when the row has been marked since it was read. One that is gone may be lost or not.
	Unwake(ctx context.Context, w mailbox.Wake) error
	// Mailbox returns what is known of a recipient, and at most limit of their lines.
	Mailbox(ctx context.Context, r mailbox.Recipient, limit int) (mailbox.Box, []mailbox.Line, error)
	// SaveBox changes a box from what was read and takes lines away: all in one, of more than 98 lines in steps of which the last
	// ends the claim. It is lost when the box has changed since. A line that is not there is none too many.
	SaveBox(ctx context.Context, r mailbox.Recipient, old, next mailbox.Box, done []id.Event) error

	List(ctx context.Context, q listing.Query) (listing.Page, error)
	AuditEvent(ctx context.Context, e id.Event) (audit.Event, error)
	AuditEvents(ctx context.Context, q audit.Query) (audit.Page, error)
}
