// Package lock holds the rules of locking: what counts, when a principal is locked, and whom a lock refuses.
//
// Two counters are kept: one of the principal, which shows as Locked, and one of each source under it. A counter lives in a
// window; it is reset by the window's end and fenced by an epoch, which an unlock or a regenerate raises, so that a late
// failure of an older epoch counts for nothing. The lock itself is not stored: it is derived from the counter at every
// read, so nothing has to happen for it to take effect or to end.
package lock

import (
	"net/netip"
	"time"

	"github.com/rekey-dev/rekey/pkg/period"
)

// Policy says how many wrong secrets within which window lock for how long, and for whom.
type Policy struct {
	Threshold int           // wrong secrets within a window, 3 to 100
	Window    time.Duration // from the first wrong secret, 1 minute to 24 hours, in whole seconds
	Duration  time.Duration // from the last counted wrong secret, 1 minute to 24 hours, in whole seconds
	Strict    bool          // a lock refuses trusted sources, too
}

// Default is the policy where none says otherwise: 10 wrong secrets in 15 minutes lock for 30 minutes, the bounds of PCI
// DSS 4.0.1 requirement 8.3.4.
var Default = Policy{Threshold: 10, Window: 15 * time.Minute, Duration: 30 * time.Minute}

// Or returns the policy, or another where it is the zero Policy: what has no numbers of its own.
func (p Policy) Or(other Policy) Policy {
	if p.Threshold == 0 {
		return other
	}
	return p
}

// Own is what is kept of a policy with what it holds for: nothing, the zero Policy, where it is the default.
func (p Policy) Own() Policy {
	if p == Default {
		return Policy{}
	}
	return p
}

// Details spells the numbers as the API does, for an audit record.
func (p Policy) Details() map[string]any {
	return map[string]any{"threshold": p.Threshold, "window": period.Format(p.Window), "duration": period.Format(p.Duration), "strict": p.Strict}
}

// TrustedFor is how long a source that authenticated is not locked out by strangers.
const TrustedFor = 30 * 24 * time.Hour

// Counter is one count of wrong secrets, as the write that made it left it. The zero Counter is unlocked.
type Counter struct {
	Epoch         int64 // raised by unlock and regenerate
	Failures      int
	Threshold     int // of the policy at the last counted failure
	WindowEndsAt  time.Time
	LockEndsAt    time.Time // when the lock ends if Failures has reached Threshold
	LastFailureAt time.Time
	Announced     bool // whether the lock of this window is in the audit log
}

// Locked tells whether the counter has reached its threshold and its lock has not ended.
func (c Counter) Locked(now time.Time) bool {
	return c.Threshold > 0 && c.Failures >= c.Threshold && now.Before(c.LockEndsAt)
}

// Live tells whether a further failure counts within the counter's window; otherwise it begins a new one.
func (c Counter) Live(now time.Time) bool {
	return now.Before(c.WindowEndsAt) && c.Failures < c.Threshold
}

// Source is what is remembered of one source under a principal.
type Source struct {
	Address         string // as Address gives it
	UserAgent       string // of its last request that was remembered
	KeyID           string // of its last wrong secret
	AuthenticatedAt time.Time
	Counter         Counter
}

// Trusted tells whether the source authenticated within the last 30 days.
func (s Source) Trusted(now time.Time) bool {
	return !s.AuthenticatedAt.IsZero() && now.Sub(s.AuthenticatedAt) < TrustedFor
}

// Refuses tells whether a locked principal turns this source away: an untrusted one always, a trusted one only when its own
// count has reached the threshold, or when the policy is strict.
func (p Policy) Refuses(s Source, epoch int64, now time.Time) bool {
	if p.Strict || !s.Trusted(now) {
		return true
	}
	return s.Counter.Epoch == epoch && s.Counter.Locked(now)
}

// Address returns the form under which a source is counted: an IPv4 address, or the /64 network of an IPv6 address, as
// whoever has one address of it has them all. Anything else is "unknown", one source for all.
func Address(ip string) string {
	a, err := netip.ParseAddr(ip)
	if err != nil {
		return "unknown"
	}
	a = a.Unmap().WithZone("")
	if a.Is4() {
		return a.String()
	}
	p, err := a.Prefix(64)
	if err != nil {
		return "unknown"
	}
	return p.String()
}
