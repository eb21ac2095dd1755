package verify

import (
	"context"
	"io"
	"strings"
	"sync"
	"time"

	"github.com/rekey-dev/rekey/pkg/audit"
	"github.com/rekey-dev/rekey/pkg/fault"
	"github.com/rekey-dev/rekey/pkg/id"
	"github.com/rekey-dev/rekey/pkg/lock"
	"github.com/rekey-dev/rekey/pkg/role"
	"github.com/rekey-dev/rekey/pkg/token"
	"github.com/rekey-dev/rekey/pkg/usage"
)

// Peppers are the keys of the digests, by version.
type Peppers interface {
	// Current returns the version under which new digests are made.
	Current(ctx context.Context) (version string, key []byte, err error)
	// Key returns a version's key; false when there is no such version.
	Key(ctx context.Context, version string) ([]byte, bool, error)
	// All returns every version's key: a retired secret's digest may be of any.
	All(ctx context.Context) (map[string][]byte, error)
}

// Verifier judges secrets. Its fields are set once; it may be used by many goroutines.
type Verifier struct {
	Store   Store
	Peppers Peppers
	Now     func() time.Time
	Rand    io.Reader
	Policy  lock.Policy // where an account has none of its own
	// Failed is told of a write that was given up: LastUse, Sighting, Announcement or Usage. The verdict stands without it, and the
	// next request tries again. It must not block.
	Failed func(what string, err error)
	// Announced is told of a lock that this verifier put on record. It must not block.
	Announced func()

	names   memory
	seen    recent
	sighted pace   // of the sightings of each credential
	met     recent // the sources that are remembered today, by owner
	tally   tally
}

// What a verifier may give up writing.
const (
	LastUse      = "last_used_at"
	Sighting     = "sighting"
	Announcement = "announcement"
	Usage        = "usage"
)

// maxNames bounds what an environment remembers: about 1.5 MB.
const maxNames = 10_000

// Verify judges a presented secret for use. While its owner is locked a source that the lock refuses gets its answer
// without the secret being evaluated at all, and causes no write.
//
// Guesses beyond the threshold: a request evaluates a secret only if it read the counter before the write that reached the
// threshold was visible, so at most as many are evaluated as were under way at that moment, and none that begins later.
//
// An error is a fault of kind unavailable (class F5): neither a yes nor a no.
func (v *Verifier) Verify(ctx context.Context, p Presented, o Origin) (Verdict, error) {
	return v.verify(ctx, p, o, false)
}

// Inquire judges a secret for whoever asks about it. It differs from Verify in that a right secret is told that it is locked,
// and nothing counts as its use. Wrong secrets count as they do there.
func (v *Verifier) Inquire(ctx context.Context, s token.Secret, o Origin) (Verdict, error) {
	return v.verify(ctx, Presented{Secret: s}, o, true)
}

func (v *Verifier) verify(ctx context.Context, p Presented, o Origin, inquiry bool) (Verdict, error) {
	tok, wellFormed := token.Parse(p.Secret.Reveal())
	credID := ""
	switch {
	case wellFormed && p.Basic && p.User != tok.ID():
		return Verdict{Class: Malformed, Status: StatusMalformed}, nil // an ID that is not the secret's own: nobody's failure
	case wellFormed:
		credID = tok.ID()
	case p.Basic && isCredentialID(p.User):
		credID = p.User // a wrong password for a credential that is named
	default:
		return Verdict{Class: Malformed, Status: StatusMalformed}, nil
	}
	now := v.Now()
	out, err := v.read(ctx, credID, o)
	if err != nil || out.Class == Unknown {
		return out, err
	}
	return v.judge(ctx, out, tok, wellFormed, o, now, inquiry)
}

// read gets all that the verdict depends on: one call when the credential's names are remembered, two when not. The second of
// the two reads the source along, which this environment may not have met either.
func (v *Verifier) read(ctx context.Context, credID string, o Origin) (Verdict, error) {
	unknown := Verdict{Class: Unknown, Status: StatusUnknown}
	names, remembered := v.names.get(credID)
	var snap Snapshot
	var err error
	if remembered {
		names.Guard = o.Guard
		snap, err = v.Store.Snapshot(ctx, credID, names)
	} else {
		var c *Credential
		if c, err = v.Store.Credential(ctx, credID); err != nil {
			return Verdict{}, unavailable(err)
		}
		if c == nil {
			return unknown, nil
		}
		names = c.Names
		ask := names
		ask.Owner, ask.Address, ask.Guard = c.Owner(), o.Address, o.Guard
		snap, err = v.Store.Snapshot(ctx, "", ask)
		snap.Credential = c
	}
	if err != nil {
		return Verdict{}, unavailable(err)
	}
	c, p := snap.Credential, snap.Principal
	if c == nil {
		return unknown, nil
	}
	if p == nil || p.ID != c.Names.Principal || c.Names.Principal != names.Principal || c.Names.Company != names.Company ||
		c.Names.Parent != names.Parent || c.Names.Parent != "" && !c.heir(snap.Parent, p) {
		// The principal is gone, or items do not belong together: nothing that could be allowed.
		return Verdict{Class: Unknown, Status: StatusUnknown, Credential: c}, nil
	}
	out := Verdict{Credential: c, Principal: p, parent: snap.Parent, Guard: snap.Guard, source: snap.Source, sourceRead: !remembered}
	switch built, ok := role.BuiltIn(p.RoleID); {
	case ok:
		out.Role = built
	case snap.Role != nil && snap.Role.ID == p.RoleID:
		out.Role = *snap.Role
	default: // the hint was stale
		r, err := v.Store.CustomRole(ctx, p.RoleID)
		if err != nil {
			return Verdict{}, unavailable(err)
		}
		if r != nil {
			out.Role = *r
		} else {
			out.Role = role.Role{ID: p.RoleID} // a role that is not there grants nothing
		}
	}
	v.names.put(credID, Names{Principal: names.Principal, Company: names.Company, Role: p.RoleID, Parent: names.Parent})
	if c.Names.Company != "" && snap.Suspended {
		out.Status = StatusCompanySuspended
	}
	if c.Kind == token.Session && c.CompanyEpoch != snap.CompanyEpoch {
		c.Revoked = true // the company was suspended since, or deleted: that it is active again brings no session back
	}
	return out, nil
}

func (v *Verifier) judge(ctx context.Context, out Verdict, tok token.Token, wellFormed bool, o Origin, now time.Time, inquiry bool) (Verdict, error) {
	c, counter := out.Credential, out.counter()
	refused := false
	if counter.Locked(now) {
		out.LockedUntil = counter.LockEndsAt
		if !out.sourceRead {
			if err := v.readSource(ctx, &out, o); err != nil {
				return Verdict{}, err
			}
		}
		refused = out.Principal.LockPolicy.Refuses(out.source, counter.Epoch, now)
		if !counter.Announced {
			v.announce(ctx, out, counter, o, now)
		}
		if refused && !inquiry {
			out.Class, out.Status = Unusable, StatusLocked
			if out.source.Trusted(now) { // of others there is no write while the owner is locked
				v.turnedAway(ctx, out, o, now, usage.Locked, false)
			}
			return out, nil
		}
	}
	current, retired := false, false
	if wellFormed {
		var err error
		if current, retired, err = v.compare(ctx, c, tok); err != nil {
			return Verdict{}, err
		}
	}
	status := c.status(out, refused, now)
	switch {
	case retired:
		out.Class, out.Status = Unusable, StatusRetired
		v.turnedAway(ctx, out, o, now, usage.Retired, true)
	case current:
		out.Class, out.Status, out.Current = Unusable, status, true
		switch status {
		case StatusActive, StatusExpiring:
			out.Class = Allow
		case StatusRevoked, StatusAccountRevoked:
			v.turnedAway(ctx, out, o, now, usage.Revoked, true)
		case StatusExpired:
			v.turnedAway(ctx, out, o, now, usage.Expired, true)
		case StatusInactive:
			v.turnedAway(ctx, out, o, now, usage.Inactive, false)
		case StatusCompanySuspended:
			v.turnedAway(ctx, out, o, now, usage.Suspended, false)
		}
	case status == StatusRevoked || status == StatusExpired || status == StatusAccountRevoked || c.Off:
		out.Class, out.Status = Unknown, StatusUnknown
	default:
		out.Class, out.Status = Wrong, StatusUnknown
		if !refused {
			return out, v.count(ctx, out, o, now)
		}
	}
	return out, nil
}

// compare tells whether the secret is the credential's current one or one that it once had. The second is looked up only
// when it is not the first.
func (v *Verifier) compare(ctx context.Context, c *Credential, tok token.Token) (current, retired bool, err error) {
	pepper, ok, err := v.Peppers.Key(ctx, c.Pepper)
	if err != nil {
		return false, false, unavailable(err)
	}
	if !ok {
		return false, false, fault.Down(errPepper(c.Pepper))
	}
	mac := token.MAC(pepper, tok.Kind, tok.Public, tok.Secret)
	if token.Equal(mac[:], c.MAC) {
		return true, false, nil
	}
	all, err := v.Peppers.All(ctx)
	if err != nil {
		return false, false, unavailable(err)
	}
	macs := make([][]byte, 0, len(all))
	for _, key := range all {
		m := token.MAC(key, tok.Kind, tok.Public, tok.Secret)
		macs = append(macs, m[:])
	}
	if retired, err = v.Store.Retired(ctx, c.ID, macs); err != nil {
		return false, false, unavailable(err)
	}
	return false, retired, nil
}

// status is what the holder of the current secret is told, the first that applies.
func (c *Credential) status(out Verdict, refused bool, now time.Time) Status {
	switch {
	case !out.Principal.Active:
		return StatusAccountRevoked
	case c.revoked(out.Principal), out.parent != nil && out.parent.revoked(out.Principal):
		return StatusRevoked
	case c.expired(now), out.parent != nil && out.parent.over(now):
		return StatusExpired
	case out.Status == StatusCompanySuspended:
		return StatusCompanySuspended
	case c.Off:
		return StatusInactive
	case refused:
		return StatusLocked
	case c.InNotice(now):
		return StatusExpiring
	}
	return StatusActive
}

// revoked tells whether the credential has ended by somebody's will, or with the epoch that it is of: its principal lives on.
func (c *Credential) revoked(p *Principal) bool {
	epoch := p.IssueEpoch
	if c.Kind == token.PersonalAccessToken {
		epoch = p.TokenEpoch
	}
	return c.Revoked || c.IssueEpoch != epoch
}

// over tells whether a parent's time is up. That nothing was done with it itself is no end of what was opened with it, which is
// judged by its own use.
func (c *Credential) over(now time.Time) bool {
	if c.Kind == token.Session {
		return !now.Before(c.Until)
	}
	return c.expired(now)
}

func (c *Credential) expired(now time.Time) bool {
	return !c.ExpiresAt.IsZero() && !now.Before(c.ExpiresAt)
}

// heir tells whether a session inside a company can be of a parent: the same employee's credential, and not itself inside one.
// The company is at or below the employee's place.
func (c *Credential) heir(parent *Credential, p *Principal) bool {
	return parent != nil && parent.ofEmployee() && parent.Names.Principal == c.Names.Principal && parent.Names.Parent == "" &&
		p.Place.Covers(c.Place)
}

func (v *Verifier) readSource(ctx context.Context, out *Verdict, o Origin) error {
	s, err := v.Store.Source(ctx, out.Credential.Owner(), o.Address)
	if err != nil {
		return unavailable(err)
	}
	out.source, out.sourceRead = s, true
	return nil
}

// isCredentialID tells whether s is the ID of something that has a secret.
func isCredentialID(s string) bool {
	if _, ok := id.Parse[id.Key](s); ok {
		return true
	}
	if _, ok := id.Parse[id.PAT](s); ok {
		return true
	}
	_, ok := id.Parse[id.Session](s)
	return ok
}

type errPepper string

func (e errPepper) Error() string { return "verify: no pepper of version " + string(e) }

// unavailable makes sure that an error of the store is never taken for a verdict. It is not inlined: the binary's bound is tight.
//
//go:noinline
func unavailable(err error) error {
	if fault.Is(err, fault.Unavailable) {
		return err
	}
	return fault.Down(err)
}

// memory remembers names, bounded; when it is full, whatever the map gives first makes room.
type memory struct {
	mu sync.Mutex
	m  map[string]Names
}

func (m *memory) get(k string) (Names, bool) {
	m.mu.Lock()
	defer m.mu.Unlock()
	n, ok := m.m[k]
	return n, ok
}

func (m *memory) put(k string, n Names) {
	m.mu.Lock()
	defer m.mu.Unlock()
	if old, ok := m.m[k]; ok && old == n {
		return
	}
	if m.m == nil {
		m.m = make(map[string]Names)
	}
	for old := range m.m {
		if len(m.m) < maxNames {
			break
		}
		delete(m.m, old)
	}
	// Copies: what was read is a part of the whole answer, which is not to live as long.
	n.Principal, n.Company = strings.Clone(n.Principal), id.Company(strings.Clone(string(n.Company)))
	n.Parent = strings.Clone(n.Parent)
	m.m[strings.Clone(k)] = n
}

// recent remembers in which minute something was written last, so that no write is tried that would be refused.
type recent struct {
	mu sync.Mutex
	m  map[string]int64
}

func (r *recent) has(k string, minute int64) bool {
	r.mu.Lock()
	defer r.mu.Unlock()
	return r.m[k] == minute
}

// is tells whether k was last set to n.
func (r *recent) is(k string, n int64) bool {
	r.mu.Lock()
	defer r.mu.Unlock()
	at, ok := r.m[k]
	return ok && at == n
}

// first remembers the minute, and tells whether it was another one before.
func (r *recent) first(k string, minute int64) bool {
	r.mu.Lock()
	defer r.mu.Unlock()
	if r.m[k] == minute {
		return false
	}
	if r.m == nil || len(r.m) >= maxNames {
		r.m = make(map[string]int64)
	}
	r.m[k] = minute
	return true
}

// pace lets sightingBurst of each key through, and then one in each sightingInterval (the generic cell rate algorithm, ITU-T
// I.371: what is kept is when the key would be as if it had never been seen).
type pace struct {
	mu sync.Mutex
	m  map[string]time.Time
}

func (p *pace) allow(k string, now time.Time) bool {
	p.mu.Lock()
	defer p.mu.Unlock()
	at := p.m[k]
	if at.Before(now) {
		at = now
	}
	if at.Sub(now) > (sightingBurst-1)*sightingInterval {
		return false
	}
	if p.m == nil || len(p.m) >= maxNames {
		p.m = make(map[string]time.Time)
	}
	p.m[strings.Clone(k)] = at.Add(sightingInterval)
	return true
}

func (v *Verifier) failed(what string, err error) {
	if v.Failed != nil && err != nil {
		v.Failed(what, err)
	}
}

func (v *Verifier) event(out Verdict, o Origin, now time.Time, action string, actor audit.Actor, target audit.Target) audit.Event {
	return audit.Event{ID: id.New[id.Event](v.Rand), At: now, Action: action, Actor: actor, Target: target,
		Place: out.Credential.Place, SourceIP: o.IP, UserAgent: o.UserAgent, RequestID: o.RequestID, Outcome: audit.OK,
		Operation: id.New[id.Operation](v.Rand)}
}
