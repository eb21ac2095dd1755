package rotation_test

import (
	"strconv"
	"time"

	"github.com/stretchr/testify/require"
	"pgregory.net/rapid"

	"github.com/rekey-dev/rekey/pkg/apikey"
	"github.com/rekey-dev/rekey/pkg/audit"
	"github.com/rekey-dev/rekey/pkg/delivery"
	"github.com/rekey-dev/rekey/pkg/fault"
	"github.com/rekey-dev/rekey/pkg/id"
	"github.com/rekey-dev/rekey/pkg/rekeytest"
	"github.com/rekey-dev/rekey/pkg/rotation"
	"github.com/rekey-dev/rekey/pkg/token"
	"github.com/rekey-dev/rekey/pkg/verify"
)

const (
	well      health = "well"
	down      health = "down"      // Secrets Manager cannot be reached
	jammed    health = "jammed"    // labels cannot be moved: the call is lost
	forbidden health = "forbidden" // labels may not be moved
	untagged  health = "untagged"  // the secret is nobody's
)

func (m *machine) actions() map[string]func(*rapid.T) {
	actions := map[string]func(*rapid.T){
		"":                  m.compare,
		"issue":             func(*rapid.T) { m.issue() },
		"rotate itself":     func(*rapid.T) { m.rotateItself() },
		"complete":          func(*rapid.T) { m.complete() },
		"cancel":            func(*rapid.T) { m.cancel() },
		"extend":            func(*rapid.T) { m.extend() },
		"revoke":            func(*rapid.T) { m.revoke() },
		"switch off or on":  func(*rapid.T) { m.toggle() },
		"revoke account":    func(*rapid.T) { m.revokeAccount() },
		"change the policy": func(*rapid.T) { m.changePolicy() },
		"the secret": func(*rapid.T) {
			m.change(rapid.SampledFrom([]health{well, down, jammed, forbidden, untagged}).Draw(m.t, "health"))
		},
		"put right":         func(*rapid.T) { m.putRight() },
		"the store is down": func(*rapid.T) { m.outage() },
		"a call fails":      func(*rapid.T) { m.faulty() },
	}
	for i := range 3 { // what happens more often
		actions["rotate "+strconv.Itoa(i)] = func(*rapid.T) { m.rotate() }
		actions["use "+strconv.Itoa(i)] = func(*rapid.T) { m.use() }
		actions["sweep "+strconv.Itoa(i)] = func(*rapid.T) { m.sweep(true) }
		actions["time passes "+strconv.Itoa(i)] = func(*rapid.T) { m.pass(); m.sweep(true) }
	}
	actions["no sweeper runs"] = func(*rapid.T) { m.pass() }
	return actions
}

func (m *machine) account() *modelAccount {
	return m.accounts[rapid.IntRange(0, len(m.accounts)-1).Draw(m.t, "account")]
}

func (m *machine) key(wanted func(*modelKey) bool) *modelKey {
	keys := m.keys(wanted)
	if len(keys) == 0 {
		m.t.Skip("no such key")
	}
	return keys[rapid.IntRange(0, len(keys)-1).Draw(m.t, "key")]
}

func (m *machine) some(wanted func(*modelRotation) bool) *modelRotation {
	var out []*modelRotation
	for _, r := range m.rotations {
		if wanted(r) {
			out = append(out, r)
		}
	}
	if len(out) == 0 {
		m.t.Skip("no such rotation")
	}
	return out[rapid.IntRange(0, len(out)-1).Draw(m.t, "rotation")]
}

// life draws an end that is asked for; nil when none is.
func (m *machine) life() *time.Time {
	life := rapid.SampledFrom([]time.Duration{-1, -1, -1, 0, time.Hour, 40 * day, 400 * day}).Draw(m.t, "life")
	if life < 0 {
		return nil
	}
	at := time.Time{}
	if life > 0 {
		at = m.Now().Add(life).Truncate(time.Second)
	}
	return &at
}

func expiry(at *time.Time) apikey.Expiry {
	if at == nil {
		return apikey.Expiry{}
	}
	return apikey.Expiry{Given: true, At: *at}
}

// refused requires the kind of a refusal, and that it has changed nothing.
func (m *machine) refused(err error, kind fault.Kind, before int) {
	if fault.KindOf(err) != kind {
		m.t.Fatalf("refused with %v, the model says %v", err, kind)
	}
	if after := m.done(); after != before {
		m.t.Fatalf("a refusal (%v) left %d records", err, after-before)
	}
}

func (m *machine) issue() {
	a := m.account()
	live := 0
	for _, k := range a.keys {
		if m.alive(k) {
			live++
		}
	}
	if !a.revoked.IsZero() || live > 3 {
		m.t.Skip("no more keys")
	}
	m.issued(a, m.life())
}

func (m *machine) issued(a *modelAccount, given *time.Time) {
	before := m.done()
	out, err := m.Keys.Issue(m.Ctx, m.As(m.Owner), a.id, apikey.Issue{Name: "k", ExpiresAt: expiry(given)})
	end, ok := a.lifeOf(given, time.Time{}, m.Now())
	if !ok {
		m.refused(err, fault.Invalid, before)
		return
	}
	require.NoError(m.t, err)
	m.Note(out.Secret)
	k := &modelKey{id: out.View.Key.ID, account: a, secrets: []token.Secret{out.Secret}, made: m.Now()}
	k.end(end)
	a.keys = append(a.keys, k)
}

func (m *machine) rotate() {
	now := m.Now()
	k := m.key(func(k *modelKey) bool { return k.live(now) || len(m.rotations) == 0 })
	in := rotation.Start{Mode: rapid.SampledFrom([]rotation.Mode{rotation.Overlap, rotation.Overlap, rotation.Immediate, rotation.Emergency}).Draw(m.t, "mode"),
		Force: rapid.Bool().Draw(m.t, "force")}
	given := m.life()
	in.ExpiresAt = expiry(given)
	if in.Mode == rotation.Overlap {
		in.Overlap = rapid.SampledFrom([]time.Duration{0, time.Minute, day, 30 * day}).Draw(m.t, "overlap")
	}
	if rapid.Bool().Draw(m.t, "deliver") {
		in.Deliver = delivery.Target{Type: delivery.SecretsManager, SecretID: recorderName}
	}
	holds, pending, before := m.holder(), m.labelled("AWSPENDING"), m.done()
	out, err := m.Rotations.Rotate(m.Ctx, m.As(m.Owner), k.id, in)
	m.recorded(k)
	open := k.open
	delivers := in.Deliver.Type != ""
	_, ok := k.account.lifeOf(given, k.expires, now)
	switch {
	case !k.live(now):
		m.refused(err, fault.Ended, before)
		return
	case open != nil && !in.Force:
		m.refused(err, fault.RotationOpen, before)
		return
	case !ok:
		m.refused(err, fault.Invalid, before)
		return
	case delivers && m.health == down:
		m.refused(err, fault.Unavailable, before)
		return
	case delivers && m.health == untagged:
		m.refused(err, fault.Invalid, before)
		return
	}
	if delivers && (m.stands(holds, k, open) || m.stands(pending, k, open)) {
		m.refused(err, fault.Conflict, before)
		return
	}
	if open != nil {
		m.forced(open, k)
	}
	require.NoError(m.t, err)
	require.Equal(m.t, delivers, out.Secret.IsZero())
	r := m.adopt(k, m.stored(out.View.Rotation.ID), given, delivers)
	if in.Overlap != 0 {
		r.overlap = in.Overlap
		if !r.ends.IsZero() {
			k.expires = r.former
			r.overlapping(now)
		}
	}
	if !delivers {
		r.new.secrets = append(r.new.secrets, out.Secret)
		m.Note(out.Secret)
	}
	m.settle()
}

// recorded takes the steps of a key's rotation that are due: they are on record before what is asked for.
func (m *machine) recorded(k *modelKey) {
	for _, r := range m.rotations {
		if r.old == k || r.new == k {
			r.advance(m.Now())
		}
	}
}

// done is how much is on record that was not rekey's own doing.
func (m *machine) done() int {
	n := 0
	for _, e := range m.Mem.Events() {
		if e.Actor.Type != audit.System {
			n++
		}
	}
	return n
}

func (m *machine) stored(r id.Rotation) rotation.Rotation {
	p, err := m.Mem.Rotation(m.Ctx, r)
	require.NoError(m.t, err)
	return p
}

// forced ends an open rotation for the sake of another of one of its keys.
func (m *machine) forced(r *modelRotation, k *modelKey) {
	r.advance(m.Now())
	if r.final != "" {
		return
	}
	if k == r.new || r.mode != rotation.Overlap {
		r.close(rotation.Aborted)
		return
	}
	r.close(rotation.Cancelled)
	r.new.revoked = m.Now()
	r.giveBack(m.Now())
}

func (m *machine) rotateItself() {
	now := m.Now()
	k := m.key(func(k *modelKey) bool { return k.live(now) && !k.off })
	c := m.With(k.secrets[len(k.secrets)-1])
	before := m.done()
	out, err := m.Rotations.RotateOwn(m.Ctx, c)
	if !k.account.rules().noSelf {
		m.recorded(k)
	}
	switch {
	case k.account.rules().noSelf:
		m.refused(err, fault.Conflict, before)
	case !k.live(now): // it was quiet until now, and is retired for that
		m.refused(err, fault.Ended, before)
	case k.open != nil:
		m.refused(err, fault.RotationOpen, before)
	default:
		require.NoError(m.t, err)
		r := m.adopt(k, out.View.Rotation, nil, false)
		r.new.secrets = append(r.new.secrets, out.Secret)
		m.Note(out.Secret)
		m.settle()
	}
}

func (m *machine) complete() {
	r := m.some(func(r *modelRotation) bool { return r.final == "" || len(m.rotations) == 1 })
	before := m.done()
	_, err := m.Rotations.Complete(m.Ctx, m.As(m.Owner), r.id)
	switch {
	case r.final == "" && r.awaits():
		m.refused(err, fault.Conflict, before)
		return
	case r.final == "":
		r.advance(m.Now())
	}
	if r.final != "" {
		m.refused(err, fault.Ended, m.done())
		r.advance(m.Now())
		return
	}
	require.NoError(m.t, err)
	r.old.revoked = m.Now()
	m.settle()
}

func (m *machine) cancel() {
	r := m.some(func(r *modelRotation) bool { return r.final == "" || len(m.rotations) == 1 })
	force := rapid.Bool().Draw(m.t, "force")
	_, err := m.Rotations.Cancel(m.Ctx, m.As(m.Owner), r.id, force)
	if r.final != "" || !r.awaits() {
		r.advance(m.Now())
	}
	records := m.done()
	switch {
	case r.final != "":
		m.refused(err, fault.Ended, records)
	case r.mode != rotation.Overlap, (r.new.ever || !r.delivered.IsZero()) && !force:
		m.refused(err, fault.Conflict, records)
	default:
		require.NoError(m.t, err)
		m.forced(r, r.old)
	}
}

func (m *machine) extend() {
	r := m.some(func(r *modelRotation) bool { return r.final == "" })
	by := rapid.SampledFrom([]time.Duration{time.Second, day, 30 * day}).Draw(m.t, "by")
	until := r.ends.Add(by)
	_, err := m.Rotations.Extend(m.Ctx, m.As(m.Owner), r.id, until)
	if !r.awaits() {
		r.advance(m.Now())
	}
	records := m.done()
	switch {
	case r.final != "":
		m.refused(err, fault.Ended, records)
	case r.awaits() || r.mode != rotation.Overlap || r.extended:
		m.refused(err, fault.Conflict, records)
	case !r.former.IsZero() && until.After(r.former), until.After(r.old.inLine(until, m.Now())):
		m.refused(err, fault.Invalid, records)
	default:
		require.NoError(m.t, err)
		r.extend(until)
	}
}

func (m *machine) revoke() {
	m.Advance(time.Millisecond) // what ends at one moment with something else has no order
	m.settle()
	k := m.key(m.alive)
	_, err := m.Keys.Revoke(m.Ctx, m.As(m.Owner), k.id, "", "")
	require.NoError(m.t, err)
	k.revoked = m.Now()
	m.settle()
}

func (m *machine) toggle() {
	k := m.key(m.alive)
	act := m.Keys.Deactivate
	if k.off {
		act = m.Keys.Activate
	}
	_, err := act(m.Ctx, m.As(m.Owner), k.id)
	require.NoError(m.t, err)
	if k.off = !k.off; !k.off { // its turn by the calendar waited, and is looked at every hour
		m.calendarBackTo = later(m.calendarBackTo, m.Now().Add(time.Hour+time.Minute))
	}
}

func (m *machine) revokeAccount() {
	a := m.account()
	if a == m.accounts[0] || !a.revoked.IsZero() || len(a.keys) < 2 || rapid.IntRange(0, 3).Draw(m.t, "rarely") > 0 {
		m.t.Skip("it stays")
	}
	m.Advance(time.Millisecond)
	m.settle()
	_, err := m.Accounts.Revoke(m.Ctx, m.As(m.Owner), a.id, "")
	require.NoError(m.t, err)
	a.revoked = m.Now()
	m.settle()
}

// use sends a key's secret.
func (m *machine) use() {
	now := m.Now()
	k := m.key(m.alive)
	if v := m.Request(k.secrets[len(k.secrets)-1], rekeytest.Home); v.Class != verify.Allow {
		return
	}
	k.ever = true
	if k.used.Truncate(time.Minute) != now.Truncate(time.Minute) {
		k.used = now
	}
}
