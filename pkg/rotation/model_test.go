package rotation_test

import (
	"time"

	"github.com/rekey-dev/rekey/pkg/id"
	"github.com/rekey-dev/rekey/pkg/rotation"
	"github.com/rekey-dev/rekey/pkg/token"
	"github.com/rekey-dev/rekey/pkg/verify"
)

// The model: what the documents say of keys, rotations and policies, in as few words as they take, without a store, a sweeper
// or a secret store.

type modelPolicy struct {
	overlap, quiet, extend, most, life time.Duration // 0: not set
	retireOnQuiet, noSelf, delivers    bool
	notice                             []time.Duration // longest first; nil: the default
	every                              int             // days; 0: no schedule
	december, endless                  bool            // its freezes
}

func (p *modelPolicy) longest() time.Duration {
	if p.notice == nil {
		return 30 * day
	}
	return p.notice[0]
}

func (p *modelPolicy) frozen(now time.Time) bool {
	return p.endless || p.december && now.Month() == time.December
}

func or(d, otherwise time.Duration) time.Duration {
	if d == 0 {
		return otherwise
	}
	return d
}

type modelAccount struct {
	id      id.ServiceAccount
	keys    []*modelKey
	revoked time.Time // zero while it is not
	policy  *modelPolicy
	task    bool // the policy has changed, and no sweeper has been there since
}

func (a *modelAccount) rules() *modelPolicy {
	if a.policy == nil {
		return &modelPolicy{}
	}
	return a.policy
}

type modelKey struct {
	id      id.Key
	account *modelAccount
	secrets []token.Secret // the last is the current one
	made    time.Time      // when that was made
	expires time.Time      // zero: never
	notice  time.Time      // since when it counts as expiring; zero: never
	off     bool
	revoked time.Time // zero while it is not
	ever    bool      // used at all
	used    time.Time // first request of the last minute that had one, of the current secret
	open    *modelRotation
	after   *modelKey // its successor
}

// ended is when a key ended; false while it has not.
func (k *modelKey) ended(now time.Time) (time.Time, bool) {
	var at time.Time
	for _, t := range []time.Time{k.revoked, k.account.revoked, k.expires} {
		if !t.IsZero() && !t.After(now) && (at.IsZero() || t.Before(at)) {
			at = t
		}
	}
	return at, !at.IsZero()
}

// turn is when the schedule wants the key rotated, in whole seconds.
func (k *modelKey) turn() time.Time {
	return k.made.AddDate(0, 0, k.account.rules().every).Truncate(time.Second)
}

func (k *modelKey) live(now time.Time) bool {
	_, ended := k.ended(now)
	return !ended
}

// judge is what a request with one of a key's secrets comes to.
func (k *modelKey) judge(generation int, now time.Time) (verify.Class, verify.Status) {
	switch {
	case generation < len(k.secrets)-1:
		return verify.Unusable, verify.StatusRetired
	case !k.account.revoked.IsZero():
		return verify.Unusable, verify.StatusAccountRevoked
	case !k.revoked.IsZero():
		return verify.Unusable, verify.StatusRevoked
	case !k.expires.IsZero() && !now.Before(k.expires):
		return verify.Unusable, verify.StatusExpired
	case k.off:
		return verify.Unusable, verify.StatusInactive
	case !k.notice.IsZero() && !now.Before(k.notice):
		return verify.Allow, verify.StatusExpiring
	}
	return verify.Allow, verify.StatusActive
}

// inLine is a key's end as its policy allows it: never later than the longest life of its secret, but a key may always end as
// late as the longest notice from now.
func (k *modelKey) inLine(end, now time.Time) time.Time {
	p := k.account.rules()
	if p.most == 0 {
		return end
	}
	latest := k.made.Add(p.most)
	if soonest := now.Add(p.longest()); latest.Before(soonest) {
		latest = soonest
	}
	if latest = latest.Truncate(time.Second); end.IsZero() || end.After(latest) {
		return latest
	}
	return end
}

// end gives a key an end, and the notice that goes with it.
func (k *modelKey) end(at time.Time) {
	k.expires, k.notice = at, time.Time{}
	if !at.IsZero() {
		k.notice = at.Add(-k.account.rules().longest())
	}
}

// lifeOf is the end of a secret that is made now; false when what is given is later than the policy allows.
func (a *modelAccount) lifeOf(given *time.Time, otherwise, now time.Time) (time.Time, bool) {
	p := a.rules()
	latest := now.Add(p.most)
	late := func(t time.Time) bool { return p.most > 0 && (t.IsZero() || t.After(latest)) }
	if given != nil {
		return *given, !late(*given)
	}
	end := otherwise
	if p.life > 0 {
		end = now.Add(p.life)
	}
	if late(end) {
		end = latest
	}
	return end.Truncate(time.Second), true
}

type modelRotation struct {
	id                    id.Rotation
	mode                  rotation.Mode
	old, new              *modelKey
	begun, ends, former   time.Time
	overlap, quiet, extra time.Duration
	retireOnQuiet         bool
	extended              bool
	delivers              bool
	delivered             time.Time
	looked                time.Time      // by the sweeper, last
	refused               bool           // a target that was refused was met
	final                 rotation.State // "" while it is open
	gives                 bool           // it is aborted, and the old key has not its former end again yet
}

func (r *modelRotation) awaits() bool { return r.delivers && r.delivered.IsZero() }

// idle is since when nothing came in on the old key.
func (r *modelRotation) idle() time.Time {
	if r.old.used.After(r.begun) {
		return r.old.used
	}
	return r.begun
}

// settle ends a rotation whose keys have ended: what ended first decides.
func (r *modelRotation) settle(now time.Time) {
	if r.final != "" {
		return
	}
	newEnd, newEnded := r.new.ended(now)
	oldEnd, oldEnded := r.old.ended(now)
	switch {
	case newEnded && (r.awaits() || !oldEnded || newEnd.Before(oldEnd) || newEnd.Equal(oldEnd) && !oldEnd.Equal(r.old.expires)):
		r.close(rotation.Aborted)
		r.gives = !oldEnded && r.mode == rotation.Overlap
	case r.mode == rotation.Overlap && oldEnded && !r.awaits(), r.mode != rotation.Overlap && !r.awaits():
		r.close(rotation.Retired)
	}
}

func (r *modelRotation) close(final rotation.State) {
	r.final, r.old.open, r.new.open = final, nil, nil
}

func (r *modelRotation) state(now time.Time) rotation.State {
	switch {
	case r.final != "":
		return r.final
	case r.awaits():
		return rotation.Issued
	case !r.new.ever && r.delivers:
		return rotation.Delivered
	case !r.new.ever:
		return rotation.Issued
	case now.Before(r.idle().Add(r.quiet)):
		return rotation.Seen
	}
	return rotation.Quiet
}

// overlapping begins the overlap: it never ends later than the old key would have.
func (r *modelRotation) overlapping(now time.Time) {
	r.ends = now.Add(r.overlap).Truncate(time.Second)
	if end := r.old.expires; !end.IsZero() && end.Before(r.ends) {
		r.ends = end
	}
	r.old.expires, r.old.notice = r.ends, now
}

// extends tells whether the overlap is to be extended now: once, five minutes before its end, while the old key is in use.
func (r *modelRotation) extends(now time.Time) bool {
	return r.final == "" && !r.ends.IsZero() && r.extra > 0 && !r.extended && !now.Before(r.ends.Add(-5*time.Minute)) && now.Before(r.ends) &&
		!r.old.used.IsZero() && now.Before(r.idle().Add(r.quiet)) && r.until(now).After(r.ends)
}

// until is the end of an extended overlap: not after the end that the old key had, nor after what its policy allows.
func (r *modelRotation) until(now time.Time) time.Time {
	until := r.ends.Add(r.extra)
	if !r.former.IsZero() && r.former.Before(until) {
		until = r.former
	}
	return r.old.inLine(until, now)
}

func (r *modelRotation) extend(until time.Time) {
	r.extended, r.ends, r.old.expires = true, until, until
}

// retires tells whether the old key is to end now because it is quiet.
func (r *modelRotation) retires(now time.Time) bool {
	return r.final == "" && r.retireOnQuiet && r.mode == rotation.Overlap && r.state(now) == rotation.Quiet
}

func (r *modelRotation) giveBack(now time.Time) {
	r.gives = false
	if r.old.live(now) {
		if !r.ends.IsZero() {
			r.old.expires = r.former
		}
		r.old.end(r.old.inLine(r.old.expires, now))
		r.old.after = nil
	}
}

// advance takes the steps that are due.
func (r *modelRotation) advance(now time.Time) {
	switch {
	case r.gives:
		r.giveBack(now)
	case r.extends(now):
		r.extend(r.until(now))
	case r.retires(now):
		r.old.revoked = now
		r.settle(now)
	}
}
