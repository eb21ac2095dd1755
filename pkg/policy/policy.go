// Package policy holds rotation policies: what an MSP decides once about the keys of a node, a company or a service account,
// and what of it holds for one account.
//
// A policy is attached to one place and sets any of its fields; what it leaves out is inherited. For an account the nearest
// policy that sets a field decides it, field by field: the account's own, its company's, its nodes' from its own up to the
// root, and at last the defaults. The package knows neither HTTP nor storage; what schedules and calendars mean is in package
// calendar.
package policy

import (
	"time"

	"github.com/rekey-dev/rekey/pkg/calendar"
	"github.com/rekey-dev/rekey/pkg/id"
	"github.com/rekey-dev/rekey/pkg/lock"
	"github.com/rekey-dev/rekey/pkg/place"
)

// Kind is what a policy is attached to.
type Kind string

const (
	Node           Kind = "node"
	Company        Kind = "company"
	ServiceAccount Kind = "service_account"
)

// Attachment is the place or the account that a policy is for. Each has at most one policy.
type Attachment struct {
	Kind Kind
	ID   string
}

// Policy is a set of decisions. Its ID and its attachment never change.
type Policy struct {
	ID         id.Policy
	AttachedTo Attachment
	Place      place.Place // of what it is attached to
	Fields     Fields

	CreatedBy     string
	CreatedByName string
	CreatedAt     time.Time
	UpdatedAt     time.Time
	Version       int64 // the ETag
	EventSeq      int64
}

// Fields are a policy's decisions. What is nil is inherited.
type Fields struct {
	Schedule        *calendar.Schedule // when keys rotate by themselves, counted from a secret's birth
	Overlap         *time.Duration     // how long an old key works beside its successor
	Notice          []time.Duration    // before a key's end, longest first; nil: inherited
	QuietFor        *time.Duration     // without traffic on the old key: the rotation is quiet
	RetireOnQuiet   *bool              // a quiet old key ends at once
	ExtendOnce      *time.Duration     // when traffic is still on the old key at its end; 0: never
	AllowRotateSelf *bool              // a key may replace itself
	DefaultLifetime *time.Duration     // of a secret whose maker says none
	MaxLifetime     *time.Duration     // of any secret
	ReportOnly      *bool              // what breaks the policy is recorded and not refused
	Lock            *lock.Policy       // when wrong secrets lock an account, and for whom
	Calendars       *[]id.Calendar
	DeliverTo       *Delivery
	Notify          *[]string // e-mail addresses
}

// Kinds of delivery.
const (
	SecretsManager = "secrets_manager" // into a secret of AWS Secrets Manager
	Event          = "event"           // announced; whoever wants the secret fetches it
)

// Delivery is where new secrets go.
type Delivery struct {
	Type     string
	SecretID string // name or ARN; only with SecretsManager
	JSONKey  string // member of the secret's JSON object; "" for the whole text
	RoleARN  string // to assume; "" for rekey's own account
}

const day = 24 * time.Hour

// Default values of the fields that have one.
var (
	DefaultOverlap  = 7 * day
	DefaultNotice   = []time.Duration{30 * day, 14 * day, 7 * day, day}
	DefaultQuietFor = day
)

// Create puts a new policy, the rows that list it, and its Task. It is lost when what it is attached to has a policy, or is a
// place that is not there.
type Create struct{ Policy Policy }

func (Create) Write() {}

// Update changes a policy and renews its Task. It is conditional on Old's version and event seq.
type Update struct{ Old, New Policy }

func (Update) Write() {}

// Delete removes a policy and the rows that list it, and renews its Task. It is conditional on Old's version and event seq.
type Delete struct {
	Old Policy
	At  time.Time
}

func (Delete) Write() {}

// Task is what a change of a policy leaves to be done: the accounts and the keys below its attachment are to be brought in line,
// a page at a time. There is one for a policy while something is left; a further change begins it anew.
type Task struct {
	Policy     id.Policy
	AttachedTo Attachment
	Place      place.Place
	Version    int64 // raised by every change of the policy: whoever works on an older one has lost
	Stage      Stage
	Cursor     string    // where to go on; "" at the beginning
	DueAt      time.Time // when to look at it next
}

// Stage is what a task goes through. It does so twice: an account or a key that is made while a policy changes may be made under
// what held before, and be there only when the task has gone by.
type Stage int

const (
	Accounts Stage = iota
	Keys
	AccountsAgain
	KeysAgain
)

// Settled is how long after a task's first passage its second one begins: longer than any request or run that read the policy
// before it changed goes on; the template ends them within a minute.
const Settled = 5 * time.Minute

// OfAccounts tells whether the task goes through accounts now, and otherwise through keys.
func (s Stage) OfAccounts() bool { return s == Accounts || s == AccountsAgain }

// Next is the task after a page: at the position where its stage goes on or, when that is "", at the next stage. It is not due
// any more after the last.
func (t Task) Next(position string, now time.Time) Task {
	t.Cursor = position
	switch {
	case position != "":
	case t.Stage == KeysAgain:
		t.DueAt = time.Time{}
	default:
		if t.Stage++; t.Stage == AccountsAgain {
			t.DueAt = now.Add(Settled)
		}
	}
	return t
}

// TaskOf is the task that a change of a policy leaves. A deletion counts as one more version.
func TaskOf(p Policy, version int64, at time.Time) Task {
	return Task{Policy: p.ID, AttachedTo: p.AttachedTo, Place: p.Place, Version: version, DueAt: at}
}
