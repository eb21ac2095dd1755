// Package audit holds the record of what happened: who did what to which object, from where, and whether it was allowed.
//
// A record is committed in the same transaction as the change that it records, so there is one if and only if the change
// happened. It is also the outbox: what goes to the event bus is made from records. It holds identifiers, prefixes and
// names; a secret never gets here.
package audit

import (
	"errors"
	"time"

	"github.com/rekey-dev/rekey/pkg/id"
	"github.com/rekey-dev/rekey/pkg/place"
)

// Outcome says whether the action was carried out.
type Outcome string

const (
	OK     Outcome = "ok"
	Denied Outcome = "denied"
)

// ActorType says what kind of principal acted.
type ActorType string

const (
	Employee       ActorType = "employee"
	ServiceAccount ActorType = "service_account"
	Gateway        ActorType = "gateway"
	Holder         ActorType = "holder" // whoever possesses a secret, on a public route
	System         ActorType = "system" // rekey itself
)

// Actor is who acted.
type Actor struct {
	Type           ActorType
	ID             string
	Name           string
	KeyID          string // the credential that was used; "" for System
	KeyPrefix      string
	AssumedCompany id.Company
}

// Target is what the action was on.
type Target struct {
	Type string // service_account, key, node, …: the noun of the API
	ID   string
	Name string
}

// Event is one record. Its seq orders the records of one target: 1, 2, 3 … without gaps; a denied action has none.
type Event struct {
	ID        id.Event
	Seq       int64 // 0 for a denied action
	At        time.Time
	Action    string // <noun>.<past participle>, or user.updated for keys
	Actor     Actor
	Target    Target
	Place     place.Place
	SourceIP  string
	UserAgent string
	RequestID string
	Outcome   Outcome
	Details   map[string]any // made by the functions of this package; JSON values
	Operation id.Operation   // the change that the record belongs to
}

// Request is what a record takes from the request that caused it.
type Request struct {
	ID        string
	SourceIP  string
	UserAgent string // at most 200 bytes, with secrets cut out
}

// ErrIncomplete is returned for a record that does not say who, what, where or when.
var ErrIncomplete = errors.New("audit: incomplete record")

// Check refuses a record that lacks what every record has.
func (e Event) Check() error {
	if e.ID == "" || e.At.IsZero() || e.Action == "" || e.Actor.Type == "" || e.Target.Type == "" || e.Target.ID == "" ||
		e.Place.Path == "" || e.Outcome == "" || e.Operation == "" {
		return ErrIncomplete
	}
	if (e.Outcome == OK) != (e.Seq > 0) {
		return ErrIncomplete
	}
	return nil
}

// What key management records. Issue and revocation of a key are user.updated, with the change in the details.
const (
	UserUpdated = "user.updated"

	KeyIssued       = "key.issued"
	KeyRevoked      = "key.revoked"
	KeyRegenerated  = "key.regenerated"
	KeyDeactivated  = "key.deactivated"
	KeyActivated    = "key.activated"
	KeySelfRevoked  = "key.self_revoked"
	KeyUpdated      = "key.updated"
	KeyRotated      = "key.rotated"
	KeyExpired      = "key.expired"
	KeyExpiring     = "key.expiring"
	KeyFirstUsed    = "key.first_used"
	KeyNewSource    = "key.new_source"
	SecretRepeated  = "key.secret_repeated"
	RetiredSeen     = "retired_secret.seen"
	PrincipalLocked = "principal.locked"
	Unlocked        = "principal.unlocked"

	RotationStarted   = "rotation.started"
	RotationDelivered = "rotation.delivered"
	RotationSeen      = "rotation.seen"
	RotationQuiet     = "rotation.quiet"
	RotationExtended  = "rotation.extended"
	RotationRetired   = "rotation.retired"
	RotationCancelled = "rotation.cancelled"
	RotationAborted   = "rotation.aborted"
	RotationOverdue   = "rotation.overdue"

	ServiceAccountCreated = "service_account.created"
	ServiceAccountUpdated = "service_account.updated"
	ServiceAccountDeleted = "service_account.deleted"
	ServiceAccountRevoked = "service_account.revoked"
	ServiceAccountRotated = "service_account.rotated"

	TokenCreated     = "personal_access_token.created"
	TokenRevoked     = "personal_access_token.revoked"
	TokenSelfRevoked = "personal_access_token.self_revoked"
	TokenRepeated    = "personal_access_token.secret_repeated"

	SessionStarted     = "session.started"
	SessionRevoked     = "session.revoked"
	SessionSelfRevoked = "session.self_revoked"
	SessionRepeated    = "session.secret_repeated"
	CompanyAssumed     = "company.assumed"

	CredentialCodeIssued = "credential.code_issued"
	CredentialCreated    = "credential.created"
	CredentialDeleted    = "credential.deleted"
	EmployeeActivated    = "employee.activated"

	NodeCreated = "node.created"
	NodeUpdated = "node.updated"
	NodeDeleted = "node.deleted"
	RoleCreated = "role.created"
	RoleUpdated = "role.updated"
	RoleDeleted = "role.deleted"

	EmployeeInvited   = "employee.invited"
	EmployeeUpdated   = "employee.updated"
	EmployeeDeleted   = "employee.deleted"
	InvitationResent  = "employee.invitation_resent"
	InvitationRevoked = "employee.invitation_revoked"
	SecondFactorReset = "employee.second_factor_reset"
	LetterSent        = "employee.letter_sent"

	ProtectedAPICreated = "protected_api.created"
	ProtectedAPIUpdated = "protected_api.updated"
	ProtectedAPIDeleted = "protected_api.deleted"

	CompanyCreated   = "company.created"
	CompanyUpdated   = "company.updated"
	CompanySuspended = "company.suspended"
	CompanyResumed   = "company.resumed"
	CompanyDeleted   = "company.deleted"

	CalendarCreated = "calendar.created"
	CalendarUpdated = "calendar.updated"
	CalendarDeleted = "calendar.deleted"

	PolicyCreated = "policy.created"
	PolicyUpdated = "policy.updated"
	PolicyDeleted = "policy.deleted"

	SetupCompleted = "setup.completed"
	RecoveryUsed   = "recovery.used"
)

// KeyDetails are the details that every record about a key has.
func KeyDetails(change string, key id.Key, prefix string, generation int64, scopes []string, account id.ServiceAccount) map[string]any {
	return map[string]any{"change": change, "key_id": string(key), "key_prefix": prefix, "generation": generation,
		"scopes": scopes, "service_account_id": string(account)}
}

// Query selects records of one place and everything below it. The times are half-open: [From, To).
type Query struct {
	Place  string // ID of a node or a company
	Direct bool   // only records of the place itself
	From   time.Time
	To     time.Time
	Oldest bool // oldest first; otherwise newest first
	// At most one of these is set, or ActorType together with Outcome.
	ActorType ActorType
	Outcome   Outcome
	ActorID   string
	TargetID  string
	KeyID     string // the key that acted, or that is the target
	Action    string
	RequestID string
	Account   id.ServiceAccount // records whose actor or target is the account or a key of it

	After string // position of the last record of the page before; "" to begin
	Limit int    // 1 to 100
}

// Page is a part of a query's records. It may be short, or empty, although there are more: a page reads at most 500.
type Page struct {
	Events []Event
	Next   string // position to go on from; "" at the end
}
