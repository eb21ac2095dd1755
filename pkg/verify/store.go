package verify

import (
	"context"
	"time"

	"github.com/rekey-dev/rekey/pkg/apikey"
	"github.com/rekey-dev/rekey/pkg/audit"
	"github.com/rekey-dev/rekey/pkg/id"
	"github.com/rekey-dev/rekey/pkg/lock"
	"github.com/rekey-dev/rekey/pkg/permission"
	"github.com/rekey-dev/rekey/pkg/place"
	"github.com/rekey-dev/rekey/pkg/protectedapi"
	"github.com/rekey-dev/rekey/pkg/role"
	"github.com/rekey-dev/rekey/pkg/token"
	"github.com/rekey-dev/rekey/pkg/usage"
)

// Names are all that an environment remembers of a credential. Principal, Company and Parent never change; Role is a hint that
// is held against the principal's own role at every request.
type Names struct {
	Principal string // sa_… or emp_…
	Company   id.Company
	Role      id.Role
	Parent    string // of a session inside a company: the credential that it was opened with, and with which it ends
	// Owner and Address name a source that is read along; "" for none. They are not remembered.
	Owner, Address string
	// Guard names the registration of another API than rekey's own, as Origin.Guard; "" for none. It is not remembered.
	Guard string
}

// Credential is a key, a personal access token or a session as a verdict needs it.
type Credential struct {
	ID           string // key_…, pat_… or ses_…
	Kind         token.Kind
	Names        Names
	Place        place.Place
	Name         string
	MAC          []byte
	Pepper       string
	Generation   int64
	UsedGen      int64
	IssueEpoch   int64
	CompanyEpoch int64 // of a session inside a company: the company's session epoch when it began
	EventSeq     int64
	Scopes       permission.Set
	Off          bool
	Revoked      bool
	SupersededBy string // its successor, unless it ended by a compromise; "" for none
	Rotation     bool   // it is the old or the new key of a rotation
	ExpiresAt    time.Time
	Until        time.Time // of a session: its end however much it is used; ExpiresAt is earlier when it is idle
	NoticeFrom   time.Time
	LastUsedAt   time.Time
	Lock         lock.Counter // of a personal access token or a session; a key's is its account's
}

// Principal is an account or an employee as a verdict needs it.
type Principal struct {
	ID         string
	Name       string
	Place      place.Place
	RoleID     id.Role
	Active     bool
	IssueEpoch int64 // of an account's keys, or of an employee's sessions
	TokenEpoch int64 // of an employee's personal access tokens
	EventSeq   int64
	Lock       lock.Counter // of an account
	LockPolicy lock.Policy  // of an account; the zero Policy where the Verifier's holds
}

// Snapshot is what one verdict depends on. A nil member was not there, or not asked for.
type Snapshot struct {
	Credential   *Credential
	Parent       *Credential
	Principal    *Principal
	Suspended    bool  // the company is suspended, or is not there
	CompanyEpoch int64 // the company's session epoch
	Role         *role.Role
	Guard        *protectedapi.Guard
	Source       lock.Source // the zero Source when nothing is remembered of it, or it was not asked for
}

// Failure is one wrong secret that counts.
type Failure struct {
	Owner     string // whose counter: sa_… for a key, pat_… for a token, ses_… for a session
	Source    string // lock.Address of the sender; "" for the owner's own counter
	Epoch     int64  // the owner's lock epoch as it was read
	KeyID     string
	UserAgent string
	At        time.Time
	Policy    lock.Policy
}

// Use is the first successful request of a minute and generation, or the first from a source.
type Use struct {
	Credential *Credential
	Owner      string // as Failure.Owner
	At         time.Time
	Source     lock.Source // as it was read
	Address    string
	UserAgent  string
	// Remac, if not nil, replaces the digest: it is of the same secret under pepper version RemacVersion.
	Remac        []byte
	RemacVersion string
	// Event, if not nil, records a first use or a new source, in one transaction with the rest.
	Event *audit.Event
	// SourceOnly says that the minute's last_used_at is written: only the source, and its record, are new.
	SourceOnly bool
}

// Arrives tells whether this is the first use of a rotation's new key: the sweeper is to look at it.
func (u Use) Arrives() bool {
	return u.Credential.Rotation && u.Credential.SupersededBy == "" && u.Credential.UsedGen == 0 && !u.SourceOnly
}

// Store is what a verdict reads and writes. Every read is strongly consistent. Every error is a fault of kind unavailable,
// or has no kind; absence is never an error. An implementation answers "absent" only for what it has looked at: a read that
// was throttled or cut short is an error.
type Store interface {
	// Credential reads one credential by its ID: one call, one read unit.
	Credential(ctx context.Context, id string) (*Credential, error)
	// Snapshot reads in one call the credential (if cred is not empty), and the principal, company, custom role, parent, source
	// and registration that names says: one read unit each.
	Snapshot(ctx context.Context, cred string, names Names) (Snapshot, error)
	// CustomRole reads one role; nil if it is not there.
	CustomRole(ctx context.Context, r id.Role) (*role.Role, error)
	// Retired tells whether one of the digests is of a secret that this credential once had: one call.
	Retired(ctx context.Context, cred string, macs [][]byte) (bool, error)
	// Source reads what is remembered of a source under an owner: one call, one read unit. Absence is a zero Source.
	Source(ctx context.Context, owner, address string) (lock.Source, error)
	// Count counts a failure, in the live window or by beginning a new one, in at most three conditional updates, and
	// returns the counter as it is afterwards. A failure of an older epoch, or against a counter that is locked already,
	// changes nothing.
	Count(ctx context.Context, f Failure) (lock.Counter, error)
	// Announce commits the record of a lock together with the mark that it is announced. It is lost (change.ErrLost) when
	// the counter's epoch or window is another, when it is announced already, or when event.Seq is not the next one.
	Announce(ctx context.Context, owner string, c lock.Counter, event audit.Event) error
	// Use writes last_used_at, conditional on no request of the same or a later minute having done so for this
	// generation, and the source when it was not remembered today: one write unit a KiB of the credential, one more for
	// the source; with an Event, one transaction. With SourceOnly the credential changes in its event seq alone.
	// change.ErrLost when another request was first.
	Use(ctx context.Context, u Use) error
	// Sighting reads what is remembered of a retired secret's sender; absence is a zero Sighting.
	Sighting(ctx context.Context, cred, address string) (apikey.Sighting, error)
	// See replaces old by new, conditional on old. With a record it is one transaction that also raises the credential's event
	// seq to the record's, conditional on its being the next, and sets its RetiredSeenAt; change.ErrLost when another request was first.
	See(ctx context.Context, cred string, old, new apikey.Sighting, event *audit.Event) error
	// Tally adds a row's count to what is there of the same key, hour, source, API, method, route and verdict, or puts the row:
	// one write unit; FirstAt stays as it is there, LastAt never goes back. A row whose counts add up to 0 reads as 1: it is there
	// because it was used. It is not sent again when its outcome is unknown, so that nothing is counted twice.
	Tally(ctx context.Context, r usage.Row) error
	// Deny puts the record of a refusal. That it is there already is no error.
	Deny(ctx context.Context, event audit.Event) error
}
