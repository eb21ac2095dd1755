package rotation_test

import (
	"fmt"
	"time"

	"github.com/stretchr/testify/require"

	"github.com/rekey-dev/rekey/pkg/audit"
	"github.com/rekey-dev/rekey/pkg/rotation"
	"github.com/rekey-dev/rekey/pkg/token"
)

// swept takes over what a run of the sweeper did, if the documents allow it. Of a run that nothing disturbed it requires that
// it did all that was due.
func (m *machine) swept(undisturbed bool) {
	now := m.Now()
	for _, a := range m.accounts {
		m.lowered(a, undisturbed)
	}
	for _, r := range m.rotations {
		m.moved(r)
	}
	m.started()
	m.settle()
	defer func() {
		for _, r := range m.rotations {
			r.looked = now
		}
	}()
	if !undisturbed || now.Before(m.backTo) {
		if !undisturbed {
			m.backTo = later(m.backTo, now.Add(5*time.Minute+time.Second))
		}
		return
	}
	for _, r := range m.rotations {
		switch {
		case r.gives && r.old.live(now):
			m.t.Fatalf("%s: the old key has not its former end again", r.id)
		case r.extends(now) && !now.Before(r.looked.Add(30*time.Second)):
			m.t.Fatalf("%s: it was not extended", r.id)
		case r.retires(now):
			m.t.Fatalf("%s: the old key is quiet and was not retired", r.id)
		case r.final == "" && r.awaits() && m.health == well:
			m.t.Fatalf("%s: the secret was not delivered", r.id)
		}
	}
	for _, k := range m.keys(m.dueByCalendar) {
		if !now.Before(m.calendarBackTo) {
			m.t.Fatalf("%s was to be rotated by the calendar, and was not", k.id)
		}
	}
}

func later(a, b time.Time) time.Time {
	if a.After(b) {
		return a
	}
	return b
}

// dueByCalendar tells whether a key is to be rotated now by itself, and can be.
func (m *machine) dueByCalendar(k *modelKey) bool {
	p, now := k.account.rules(), m.Now()
	return k.live(now) && !k.off && p.every > 0 && p.delivers && !now.Before(k.turn()) && !p.frozen(now) && k.open == nil && k.after == nil &&
		m.health == well && m.holder() == k.id && !m.stands(m.labelled("AWSPENDING"), k, nil)
}

// lowered takes over what a policy's task did to the keys of an account.
func (m *machine) lowered(a *modelAccount, done bool) {
	if !a.task {
		return
	}
	now := m.Now()
	for _, k := range a.keys {
		if !k.live(now) || k.open != nil && k.open.old == k && k.open.mode == rotation.Overlap && !k.open.awaits() {
			continue // a rotation that is open goes on as it began
		}
		stored := m.Key(k.id)
		if stored.SupersededBy != "" && k.after == nil {
			continue // and it was rotated by the calendar: started looks at both
		}
		waiting := k.after != nil // what was a rotation's old key is told apart by nothing else
		if end := k.inLine(k.expires, now); stored.ExpiresAt.Equal(end) {
			k.expires = end
		} else if done && !waiting {
			m.t.Fatalf("%s ends at %v, and its policy allows %v", k.id, stored.ExpiresAt, end)
		}
		want := time.Time{}
		if !k.expires.IsZero() {
			want = k.expires.Add(-a.rules().longest())
		}
		if stored.NoticeFrom.Equal(want) {
			k.notice = want
		} else if done && !waiting {
			m.t.Fatalf("%s is expiring from %v, and its policy says %v", k.id, stored.NoticeFrom, want)
		}
	}
	if done {
		a.task = false
	}
}

// moved takes over the steps that a rotation has taken, if they were due.
func (m *machine) moved(r *modelRotation) {
	now := m.Now()
	p, err := m.Mem.Rotation(m.Ctx, r.id)
	require.NoError(m.t, err)
	if r.awaits() && !p.Delivery.DoneAt.IsZero() {
		if r.final != "" || m.health != well || !p.Delivery.DoneAt.Equal(now) {
			m.t.Fatalf("%s: delivered at %v with Secrets Manager %s", r.id, p.Delivery.DoneAt, m.health)
		}
		r.delivered = now
		if r.mode == rotation.Overlap && r.old.live(now) {
			r.overlapping(now)
		}
		r.settle(now)
	}
	if p.Extended && !r.extended {
		if !r.extends(now) {
			m.t.Fatalf("%s: extended at %v, its overlap ends at %v", r.id, now, r.ends)
		}
		r.extend(r.until(now))
	}
	if r.gives && p.State.Final() {
		r.giveBack(now)
	}
	if r.retires(now) && p.State.Final() {
		r.old.revoked = now
		r.settle(now)
	}
}

// started takes over the rotations that began by the calendar.
func (m *machine) started() {
	now := m.Now()
	page, err := m.Mem.Rotations(m.Ctx, rotation.Query{Place: m.Root.ID(), Limit: 1000})
	require.NoError(m.t, err)
	for _, p := range page.Rotations {
		if m.rotation(p.ID) != nil {
			continue
		}
		old := m.find(p.OldKey)
		rules := old.account.rules()
		due := old.turn()
		switch {
		case p.StartedBy != "system" || p.Mode != rotation.Overlap || !p.CreatedAt.Equal(now):
			m.t.Fatalf("%s was started by %s at %v", p.ID, p.StartedBy, p.CreatedAt)
		case rules.every == 0 || !rules.delivers || now.Before(due) || rules.frozen(now):
			m.t.Fatalf("%s was started by the calendar: every %d days, delivers %v, due %v, frozen %v", p.ID, rules.every, rules.delivers, due, rules.frozen(now))
		case !old.live(now) || old.open != nil || m.health == down || m.health == untagged:
			m.t.Fatalf("%s was started by the calendar for a key that ended, or is being rotated, with Secrets Manager %s", p.ID, m.health)
		}
		m.startedAndLowered(old, p)
	}
}

// startedAndLowered takes over a rotation by the calendar whose old key the policy's task may have lowered in the same run, before
// or, where no overlap has begun, after it.
func (m *machine) startedAndLowered(old *modelKey, p rotation.Rotation) {
	if !p.FormerExpiresAt.Equal(old.expires) {
		require.True(m.t, p.FormerExpiresAt.Equal(old.inLine(old.expires, m.Now())), "%s began with another end of its old key", p.ID)
		old.expires = p.FormerExpiresAt
	}
	r := m.adopt(old, p, nil, true)
	if stored := m.Key(old.id); r.awaits() && stored.ExpiresAt.Equal(old.inLine(old.expires, m.Now())) {
		old.expires, old.notice = stored.ExpiresAt, stored.NoticeFrom
	}
}

// adopt takes over a rotation that has begun: given is the end that was asked for.
func (m *machine) adopt(old *modelKey, p rotation.Rotation, given *time.Time, delivers bool) *modelRotation {
	now, a := m.Now(), old.account
	rules := a.rules()
	r := &modelRotation{id: p.ID, mode: p.Mode, old: old, new: old, begun: now, former: old.expires, overlap: or(rules.overlap, 7*day),
		quiet: or(rules.quiet, day), extra: rules.extend, retireOnQuiet: rules.retireOnQuiet, delivers: delivers, looked: now,
		refused: delivers && m.health == forbidden}
	end, ok := a.lifeOf(given, old.expires, now)
	require.True(m.t, ok)
	if r.mode != rotation.Immediate {
		r.new = &modelKey{id: p.NewKey, account: a}
		a.keys = append(a.keys, r.new)
		old.after = r.new
	}
	r.new.made, r.new.used = now, time.Time{}
	r.new.end(end)
	if r.mode == rotation.Emergency {
		old.revoked = now
	}
	m.rotations = append(m.rotations, r)
	old.open, r.new.open = r, r
	if delivers {
		text := m.secret.Versions[p.Delivery.Version]
		require.NotNil(m.t, text, "a key that nobody holds")
		r.new.secrets = append(r.new.secrets, token.SecretOf(*text))
		m.Note(r.new.secrets[len(r.new.secrets)-1])
		m.moved(r)
	} else if r.mode == rotation.Overlap {
		r.overlapping(now)
	}
	r.settle(now)
	return r
}

// evidence holds the audit records against the rotations: one for each step, in order, and what is announced is announced once.
func (m *machine) evidence() {
	records := map[string][]audit.Event{}
	told := map[string]int{}
	for _, e := range m.Mem.Events() {
		records[e.Target.ID] = append(records[e.Target.ID], e)
		if d := e.Details; e.Action == audit.KeyExpiring {
			what, most := fmt.Sprint(e.Target.ID, " ", d["generation"], d["reason"], d["rotate_at"], d["notice"]), 1+m.changes // which say it anew
			if d["reason"] == nil {
				what, most = fmt.Sprint(e.Target.ID, " ", d["expires_at"], d["notice"]), 1
			}
			if told[what]++; told[what] > most {
				m.t.Fatalf("announced twice: %v", what)
			}
		}
	}
	for _, r := range m.rotations {
		p, err := m.Mem.Rotation(m.Ctx, r.id)
		require.NoError(m.t, err)
		of := records[string(r.id)]
		require.Len(m.t, of, int(p.EventSeq))
		if r.mode != rotation.Overlap && !r.delivers {
			continue // which begins and ends in one step
		}
		require.Len(m.t, p.Steps, len(of))
		states := map[float64]any{}
		for _, e := range of {
			states[float64(e.Seq)] = e.Details["state"]
		}
		for i, s := range p.Steps {
			require.Equal(m.t, string(s.State), states[float64(i+1)])
		}
	}
}

// drain lets all faults go and traffic stop: in the end every rotation is final.
func (m *machine) drain() {
	if m.policy.ID != "" {
		m.setPolicy(m.accounts[0], nil)
	}
	m.mend()
	for range 3 {
		m.Advance(6 * time.Minute)
		m.sweep(true)
	}
	for _, a := range m.accounts {
		for _, k := range a.keys {
			if k.live(m.Now()) && k.after == nil && k.inLine(k.expires, m.Now()) != k.expires {
				m.t.Fatalf("%s ends at %v, later than its policy allows", k.id, k.expires)
			}
		}
	}
	for range 62 {
		m.Advance(day)
		m.settle()
		m.sweep(true)
		m.compare(m.t)
	}
	for _, r := range m.rotations {
		p, err := m.Mem.Rotation(m.Ctx, r.id)
		require.NoError(m.t, err)
		if !p.State.Final() {
			m.t.Fatalf("%s is stuck: %s", r.id, p.State)
		}
	}
	m.evidence()
}
