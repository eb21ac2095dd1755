package rotation_test

import (
	"slices"
	"strconv"
	"time"

	"github.com/stretchr/testify/require"
	"pgregory.net/rapid"

	"github.com/rekey-dev/rekey/pkg/fault"
	"github.com/rekey-dev/rekey/pkg/memstore"
	"github.com/rekey-dev/rekey/pkg/period"
	"github.com/rekey-dev/rekey/pkg/policy"
	"github.com/rekey-dev/rekey/pkg/rekeytest"
	"github.com/rekey-dev/rekey/pkg/verify"
)

func (m *machine) changePolicy() {
	a := m.accounts[0]
	if a.policy != nil && rapid.IntRange(0, 4).Draw(m.t, "delete") == 0 {
		m.setPolicy(a, nil)
		return
	}
	duration := func(name string, of ...time.Duration) time.Duration {
		return rapid.SampledFrom(append(of, 0)).Draw(m.t, name)
	}
	p := &modelPolicy{overlap: duration("overlap", time.Hour, 10*day), quiet: duration("quiet", time.Minute, 3*day), extend: duration("extend", day, 30*day),
		most: duration("most", 20*day, 90*day, 365*day), retireOnQuiet: rapid.Bool().Draw(m.t, "retire on quiet"),
		noSelf: rapid.IntRange(0, 3).Draw(m.t, "no self") == 0, delivers: rapid.Bool().Draw(m.t, "delivers"),
		notice: rapid.SampledFrom([][]time.Duration{nil, {time.Hour}, {60 * day, 7 * day}}).Draw(m.t, "notice"),
		every:  rapid.SampledFrom([]int{0, 1, 20, 90, 365}).Draw(m.t, "every"), december: rapid.Bool().Draw(m.t, "december"),
		endless: rapid.IntRange(0, 4).Draw(m.t, "endless") == 0}
	if p.life = duration("life", 15*day, 80*day); p.most > 0 && p.life > p.most {
		p.life = p.most
	}
	m.setPolicy(a, p)
}

func (p *modelPolicy) text(m *machine) policy.Text {
	spell := func(d time.Duration) *string {
		if d == 0 {
			return nil
		}
		return rekeytest.To(period.Format(d))
	}
	t := policy.Text{Overlap: spell(p.overlap), QuietFor: spell(p.quiet), ExtendOnce: spell(p.extend), MaxLifetime: spell(p.most), DefaultLifetime: spell(p.life),
		RetireOnQuiet: &p.retireOnQuiet, AllowRotateSelf: rekeytest.To(!p.noSelf)}
	if p.notice != nil {
		t.Notice = rekeytest.To(policy.Periods(p.notice))
	}
	if p.every > 0 {
		t.Schedule = &policy.ScheduleText{Every: "P" + strconv.Itoa(p.every) + "D", Zone: "UTC"}
	}
	if p.delivers {
		t.DeliverTo = &policy.Delivery{Type: policy.SecretsManager, SecretID: recorderName}
	}
	calendars := []string{}
	if p.december {
		calendars = append(calendars, string(m.december))
	}
	if p.endless {
		calendars = append(calendars, string(m.endless))
	}
	t.Calendars = &calendars
	return t
}

// setPolicy gives the account a policy, another one, or none.
func (m *machine) setPolicy(a *modelAccount, p *modelPolicy) {
	var err error
	switch c := m.As(m.Owner); {
	case p == nil && a.policy != nil:
		err = m.Policies.Delete(m.Ctx, c, m.policy.ID)
	case p != nil && a.policy != nil:
		m.policy, err = m.Policies.Patch(m.Ctx, c, m.policy.ID, func(policy.Text) policy.Text { return p.text(m) })
	case p != nil:
		m.policy, err = m.Policies.Create(m.Ctx, c, policy.Attachment{Kind: policy.ServiceAccount, ID: string(a.id)}, p.text(m))
	}
	require.NoError(m.t, err)
	a.policy, a.task = p, true
	m.changes++
}

// change makes the consumer's secret another's, unreachable, or well again.
func (m *machine) change(to health) {
	m.health = to
	m.secret.Tags["rekey:place"] = string(m.Company.Company)
	if to == untagged {
		delete(m.secret.Tags, "rekey:place")
	}
	m.later()
}

// later notes that the sweeper need not know yet that something is as it should be.
func (m *machine) later() {
	m.backTo = later(m.backTo, m.Now().Add(6*time.Minute))
	m.calendarBackTo = later(m.calendarBackTo, m.Now().Add(time.Hour+time.Minute))
}

func (m *machine) mend() { m.change(well) }

// putRight puts a live key's secret where the consumer reads it, by hand.
func (m *machine) putRight() {
	if slices.ContainsFunc(m.rotations, func(r *modelRotation) bool { return r.final == "" && r.awaits() }) {
		m.t.Skip("a delivery is under way")
	}
	k := m.key(m.alive)
	version := "by-hand-" + strconv.Itoa(len(m.secret.Versions))
	m.secret.Versions[version] = rekeytest.To(k.secrets[len(k.secrets)-1].Reveal())
	m.secret.Labels["AWSCURRENT"] = version
	delete(m.secret.Labels, "AWSPENDING")
}

// outage: the store refuses everything for a while.
func (m *machine) outage() {
	m.Mem.Break(true)
	_, err := m.sweeper.Sweep(m.Ctx, "run")
	require.Error(m.t, err)
	if keys := m.keys(m.alive); len(keys) > 0 {
		_, err := m.Verifier.Verify(m.Ctx, verify.Presented{Secret: keys[0].secrets[0]}, m.Origin(rekeytest.Home))
		require.True(m.t, fault.Is(err, fault.Unavailable), "%v", err)
	}
	m.pass()
	m.Mem.Break(false)
}

// faulty: a run of the sweeper in which some calls to the store fail.
func (m *machine) faulty() {
	m.Store.Reset()
	for range rapid.IntRange(1, 4).Draw(m.t, "faults") {
		m.Store.Fail(rapid.IntRange(1, 40).Draw(m.t, "call"), rapid.SampledFrom(memstore.Modes).Draw(m.t, "mode"))
	}
	m.meet()
	_, _ = m.sweeper.Sweep(m.Ctx, "run")
	m.Store.Reset()
	m.later()
	m.swept(false)
}

// meet notes which deliveries the sweeper finds refused.
func (m *machine) meet() {
	for _, r := range m.rotations {
		r.refused = r.refused || r.final == "" && r.awaits() && (m.health == forbidden || m.health == untagged)
	}
}

// sweep runs the sweeper as often as it finds something to do now.
func (m *machine) sweep(undisturbed bool) {
	m.settle()
	m.meet()
	for range 3 {
		_, err := m.sweeper.Sweep(m.Ctx, "run")
		require.NoError(m.t, err)
	}
	if m.health != well {
		m.later()
	}
	m.swept(undisturbed)
	m.settle()
}

// pass lets time pass, often to where something begins or ends, or a millisecond before or after it.
func (m *machine) pass() {
	now := m.Now()
	at := now.Add(rapid.SampledFrom([]time.Duration{time.Second, time.Minute, 7 * time.Minute, 2 * time.Hour, day, 10 * day, 45 * day}).Draw(m.t, "time"))
	if moments := m.moments(); len(moments) > 0 && rapid.Bool().Draw(m.t, "to a moment") {
		at = moments[rapid.IntRange(0, len(moments)-1).Draw(m.t, "moment")].Add(time.Duration(rapid.IntRange(-1, 1).Draw(m.t, "ms")) * time.Millisecond)
	}
	if at.After(now) {
		m.Clock.Set(at)
	}
	m.settle()
}

// moments are those to come at which something is different from before.
func (m *machine) moments() []time.Time {
	now := m.Now()
	out := []time.Time{time.Date(now.Year(), 12, 1, 0, 0, 0, 0, time.UTC), time.Date(now.Year()+1, 1, 1, 0, 0, 0, 0, time.UTC)}
	for _, k := range m.keys(m.alive) {
		out = append(out, k.expires, k.notice)
		if k.account.rules().every > 0 {
			out = append(out, k.turn())
		}
		if r := k.open; r != nil && r.old == k {
			out = append(out, r.ends, r.ends.Add(-5*time.Minute), r.idle().Add(r.quiet))
		}
	}
	return slices.DeleteFunc(out, func(t time.Time) bool { return !t.After(now) })
}
