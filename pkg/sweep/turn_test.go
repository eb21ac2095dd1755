package sweep_test

import (
	"testing"
	"time"

	"github.com/stretchr/testify/require"

	"github.com/rekey-dev/rekey/pkg/apikey"
	"github.com/rekey-dev/rekey/pkg/audit"
	"github.com/rekey-dev/rekey/pkg/calendar"
	"github.com/rekey-dev/rekey/pkg/id"
	"github.com/rekey-dev/rekey/pkg/policy"
	"github.com/rekey-dev/rekey/pkg/rekeytest"
	"github.com/rekey-dev/rekey/pkg/rotation"
)

func freeze(w *rekeytest.World, from, to time.Time) calendar.Calendar {
	w.T.Helper()
	events := []calendar.Event{{UID: "1", Summary: "year end", Start: from, End: to}}
	c, err := w.Calendars.Create(w.Ctx, w.As(w.Owner), calendar.New{Name: "Year end", Kind: calendar.Freeze, Zone: "UTC", Node: w.Root.Node(),
		Source: calendar.Source{Events: &events}})
	require.NoError(w.T, err)
	return c
}

// every is a policy of a company by which keys rotate; its calendars and what else it says come from edit.
func every(w *rekeytest.World, period string, edit func(t *policy.Text)) policy.Policy {
	text := policy.Text{Schedule: &policy.ScheduleText{Every: period, Zone: "UTC"}}
	edit(&text)
	return w.Policy(rekeytest.At(w.Company), text)
}

func get(w *rekeytest.World, r id.Rotation) rotation.Rotation {
	v, err := w.Rotations.Get(w.Ctx, w.As(w.Owner), r)
	require.NoError(w.T, err)
	return v.Rotation
}

// told returns the reasons of what was announced, with the notice where there is one.
func told(w *rekeytest.World) (out []string) {
	for _, e := range w.Records(audit.KeyExpiring) {
		reason, _ := e.Details["reason"].(string)
		if notice, ok := e.Details["notice"].(string); ok {
			reason += " " + notice
		}
		out = append(out, reason)
	}
	return out
}

// days lets the sweeper run so many times a day.
func days(w *rekeytest.World, n, times int) {
	w.T.Helper()
	s := sweeper(w)
	s.Terms = w.Rotations.Terms
	for range n * times {
		r, err := s.Sweep(w.Ctx, "run")
		require.NoError(w.T, err)
		require.Zero(w.T, r.Failed)
		w.Advance(day / time.Duration(times))
	}
}

func TestSweep_AKeyIsDueForRotationByItsPolicysScheduleOutsideFreezes_B9(t *testing.T) {
	w := rekeytest.New(t)
	a := w.Account("Recorder", w.Company)
	before := w.Issue(a.ID, "issued before the policy")
	end := w.Now().Add(40 * day)
	frozen := freeze(w, w.Now().Add(25*day), end)
	every(w, "P30D", func(p *policy.Text) { p.Calendars = &[]string{string(frozen.ID)} })
	s := sweeper(w)
	s.Terms = w.Rotations.Terms
	sweepOnce := func() {
		t.Helper()
		r, err := s.Sweep(w.Ctx, "run")
		require.NoError(t, err)
		require.Zero(t, r.Failed)
	}
	sweepOnce()
	after := w.Issue(a.ID, "issued under the policy")
	sweepOnce()
	for _, k := range []apikey.Shown{before, after} {
		require.Equal(t, end, w.Key(k.View.Key.ID).RotateAt, "moved behind the freeze")
	}
	w.Clock.Set(end.Add(-time.Second))
	sweepOnce()
	require.Equal(t, []string{"rotation_due P1D", "rotation_due P1D"}, told(w), "the latest notice, once each")
	w.Advance(time.Second)
	for range 3 {
		sweepOnce()
		w.Advance(time.Minute)
	}
	require.Equal(t, []string{"rotation_due P1D", "rotation_due P1D", "rotation_due", "rotation_due"}, told(w), "once each")
	out, err := w.Rotations.Rotate(w.Ctx, w.As(w.Owner), before.View.Key.ID, rotation.Start{Mode: rotation.Immediate})
	require.NoError(t, err)
	w.Note(out.Secret)
	sweepOnce()
	require.Equal(t, 30*day, w.Key(before.View.Key.ID).RotateAt.Sub(w.Now()).Round(day), "counted from the new secret's birth")
}

func TestTurn_WhoRotatesByHandIsToldAtTheNoticesThenThatItIsDueThenThatItIsOverdue_P3_B9(t *testing.T) {
	w := rekeytest.New(t)
	w.Issue(w.Account("Recorder", w.Company).ID, "k")
	every(w, "P40D", func(p *policy.Text) {})
	days(w, 80, 4)
	require.Equal(t, []string{"rotation_due P30D", "rotation_due P14D", "rotation_due P7D", "rotation_due P1D", "rotation_due", "rotation_overdue"}, told(w))
	last := w.Records(audit.KeyExpiring)[5]
	require.Equal(t, last.Details["due_at"], last.Details["rotate_at"])
	due, err := time.Parse(time.RFC3339, last.Details["rotate_at"].(string))
	require.NoError(t, err)
	require.Equal(t, due.Add(7*day), last.At, "after the policy's overlap")
}

func TestTurn_AFreezeThatNeverEndsIsAnnouncedAsOverdueWithWhoMayOverride_B9(t *testing.T) {
	w := rekeytest.New(t)
	k := w.Issue(w.Account("Recorder", w.Company).ID, "k")
	endless := freeze(w, w.Now().Add(20*day), time.Time{})
	every(w, "P30D", func(p *policy.Text) {
		p.Calendars = &[]string{string(endless.ID)}
		p.DeliverTo = &policy.Delivery{Type: policy.SecretsManager, SecretID: "acme/recorder"}
	})
	days(w, 5, 2)
	require.Equal(t, k.View.Key.CreatedAt.Add(30*day), w.Key(k.View.Key.ID).DueAt, "until its schedule wants it nobody looks every day")
	days(w, 45, 2)
	require.Empty(t, w.Records(audit.RotationStarted), "not even by a policy that delivers")
	require.Equal(t, []string{"rotation_overdue"}, told(w), "once")
	e := w.Record(audit.KeyExpiring)
	require.Equal(t, "year end ("+string(endless.ID)+") allows no rotation within two years. Whoever holds policies:manage where that calendar stands can change it; "+
		"whoever holds service_accounts:rotate at "+w.Company.ID()+" can rotate the key all the same.", e.Details["problem"])
	require.Equal(t, string(endless.ID), e.Details["held_up_by"].([]any)[0].(map[string]any)["calendar_id"])
	require.NotZero(t, w.Key(k.View.Key.ID).DueAt, "it is looked at again")

	out, err := w.Rotations.Rotate(w.Ctx, w.As(w.Owner), k.View.Key.ID, rotation.Start{Mode: rotation.Overlap})
	require.NoError(t, err, "by hand all the same")
	w.Note(out.Secret)
	planned := out.View.Rotation.Planned
	require.True(t, planned.InSpite())
	require.Equal(t, endless.ID, planned.Blocks[0].Calendar)
	require.Equal(t, planned, get(w, out.View.Rotation.ID).Planned)
}

func TestTurn_AFreezeThatIsLiftedIsFollowedWithinADay_B9(t *testing.T) {
	w := rekeytest.New(t)
	k := w.Issue(w.Account("Recorder", w.Company).ID, "k")
	frozen := freeze(w, w.Now().Add(20*day), w.Now().Add(200*day))
	every(w, "P30D", func(p *policy.Text) { p.Calendars = &[]string{string(frozen.ID)}; p.Notice = &[]string{"P1D"} })
	days(w, 5, 1)
	require.Equal(t, k.View.Key.CreatedAt.Add(30*day), w.Key(k.View.Key.ID).DueAt, "until its schedule wants it nobody looks every day")
	days(w, 35, 1)
	require.Empty(t, told(w))
	require.Equal(t, k.View.Key.CreatedAt.Add(200*day), w.Key(k.View.Key.ID).RotateAt)
	_, err := w.Calendars.Patch(w.Ctx, w.As(w.Owner), frozen.ID, calendar.Patch{Source: calendar.Source{Events: &[]calendar.Event{}}})
	require.NoError(t, err)
	days(w, 2, 1)
	require.Equal(t, []string{"rotation_due"}, told(w))
}

func TestTurn_APolicyThatOnlyReportsMakesNoSecret_B9(t *testing.T) {
	w := rekeytest.New(t)
	w.Issue(w.Account("Recorder", w.Company).ID, "k")
	every(w, "P30D", func(p *policy.Text) {
		p.ReportOnly = rekeytest.To(true)
		p.DeliverTo = &policy.Delivery{Type: policy.SecretsManager, SecretID: "acme/recorder"}
	})
	days(w, 40, 1)
	require.Empty(t, w.Records(audit.RotationStarted))
	require.Equal(t, []string{"rotation_due P14D", "rotation_due P7D", "rotation_due P1D", "rotation_due", "rotation_overdue"}, told(w))
}
