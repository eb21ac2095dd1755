package policy_test

import (
	"testing"
	"time"

	"github.com/stretchr/testify/require"
	"pgregory.net/rapid"

	"github.com/rekey-dev/rekey/pkg/id"
	"github.com/rekey-dev/rekey/pkg/lock"
	"github.com/rekey-dev/rekey/pkg/policy"
	"github.com/rekey-dev/rekey/pkg/rekeytest"
	"github.com/rekey-dev/rekey/pkg/serviceaccount"
)

func TestEffective_WithoutAPolicyIsTheDefaults_B9(t *testing.T) {
	e := policy.EffectiveOf(nil)
	require.Nil(t, e.Schedule.Value)
	require.Equal(t, 7*day, e.Overlap.Value)
	require.Equal(t, []time.Duration{30 * day, 14 * day, 7 * day, day}, e.Notice.Value)
	require.Equal(t, 30*day, e.LongestNotice())
	require.Equal(t, day, e.QuietFor.Value)
	require.False(t, e.RetireOnQuiet.Value)
	require.Zero(t, e.ExtendOnce.Value)
	require.True(t, e.AllowRotateSelf.Value)
	require.Zero(t, e.DefaultLifetime.Value)
	require.False(t, e.ReportOnly.Value)
	require.Equal(t, lock.Policy{Threshold: 10, Window: 15 * time.Minute, Duration: 30 * time.Minute}, e.Lock.Value)
	require.Empty(t, e.Calendars.Value)
	require.Nil(t, e.DeliverTo.Value)
	require.Empty(t, e.Notify.Value)
	require.True(t, e.Overlap.Source.IsDefault())
	_, bounded := e.Most()
	require.False(t, bounded)
}

// The nearest policy that sets a field decides it, whichever of the levels those are that set it.
func TestEffective_TheNearestWinsFieldByField_B9(t *testing.T) {
	rapid.Check(t, func(t *rapid.T) {
		var nearest []policy.Policy
		for i := range rapid.IntRange(0, 10).Draw(t, "levels") {
			var f policy.Fields
			set := func(field string) bool { return rapid.Bool().Draw(t, field) }
			if set("overlap") {
				f.Overlap = to(time.Duration(i+1) * time.Hour)
			}
			if set("never") {
				f.ExtendOnce = to(time.Duration(0))
			}
			if set("calendars") {
				f.Calendars = &[]id.Calendar{}
			}
			if set("self") {
				f.AllowRotateSelf = to(i%2 == 0)
			}
			if set("notice") {
				f.Notice = []time.Duration{time.Duration(i+1) * time.Hour}
			}
			nearest = append(nearest, policy.Policy{ID: id.Policy(rune('a' + i)), AttachedTo: policy.Attachment{Kind: policy.Node, ID: "n"}, Fields: f})
		}
		decides := func(sets func(policy.Fields) bool) policy.Source {
			for _, p := range nearest {
				if sets(p.Fields) {
					return policy.Source{Policy: p.ID, AttachedTo: p.AttachedTo}
				}
			}
			return policy.Source{}
		}
		e := policy.EffectiveOf(nearest)
		require.Equal(t, decides(func(f policy.Fields) bool { return f.Overlap != nil }), e.Overlap.Source)
		require.Equal(t, decides(func(f policy.Fields) bool { return f.ExtendOnce != nil }), e.ExtendOnce.Source)
		require.Equal(t, decides(func(f policy.Fields) bool { return f.Calendars != nil }), e.Calendars.Source)
		require.Equal(t, decides(func(f policy.Fields) bool { return f.AllowRotateSelf != nil }), e.AllowRotateSelf.Source)
		require.Equal(t, decides(func(f policy.Fields) bool { return f.Notice != nil }), e.Notice.Source)
		require.Equal(t, policy.Source{}, e.MaxLifetime.Source)
		for i, p := range nearest {
			if p.ID == e.Overlap.Source.Policy {
				require.Equal(t, time.Duration(i+1)*time.Hour, e.Overlap.Value)
			}
			if p.ID == e.Notice.Source.Policy {
				require.Equal(t, time.Duration(i+1)*time.Hour, e.LongestNotice())
			}
		}
	})
}

func TestResolve_InheritsFromCompanyAndNodesUpwardsInOneRead_B9(t *testing.T) {
	w := rekeytest.New(t)
	a := w.Account("exporter", w.Company)
	root := w.Policy(rekeytest.At(w.Root), policy.Text{Overlap: to("P1D"), QuietFor: to("PT1H"), MaxLifetime: to("P90D"), ReportOnly: to(true)})
	below := w.Policy(rekeytest.At(w.Below), policy.Text{Overlap: to("P2D"), QuietFor: to("PT2H"), Notify: texts("below@example.com")})
	company := w.Policy(rekeytest.At(w.Company), policy.Text{Overlap: to("P3D"), ReportOnly: to(false)})
	own := w.Policy(rekeytest.On(a), policy.Text{Overlap: to("P4D")})
	w.Policy(rekeytest.At(w.Sibling), policy.Text{DefaultLifetime: to("P1D"), Overlap: to("P9D")})
	w.Store.Reset()
	e, err := w.Policies.Resolve(w.Ctx, a)
	require.NoError(t, err)
	require.Equal(t, []string{"PoliciesOf"}, w.Store.Calls())
	require.Equal(t, own.ID, e.Nearest.Policy)
	require.Equal(t, 4*day, e.Overlap.Value)
	require.Equal(t, policy.Source{Policy: own.ID, AttachedTo: rekeytest.On(a)}, e.Overlap.Source)
	require.Equal(t, policy.Source{Policy: company.ID, AttachedTo: rekeytest.At(w.Company)}, e.ReportOnly.Source)
	require.False(t, e.ReportOnly.Value)
	require.Equal(t, below.ID, e.QuietFor.Source.Policy)
	require.Equal(t, below.ID, e.Notify.Source.Policy)
	require.Equal(t, root.ID, e.MaxLifetime.Source.Policy)
	require.True(t, e.DefaultLifetime.Source.IsDefault(), "a policy beside it is none of its business")

	stranger := w.Account("stranger", w.Stranger)
	w.Store.Reset()
	each, err := policy.ResolveEach(w.Ctx, w.Store, []serviceaccount.Account{a, stranger, a})
	require.NoError(t, err)
	require.Equal(t, []string{"PoliciesOf"}, w.Store.Calls())
	require.Equal(t, e, each[a.ID])
	alone, err := policy.Resolve(w.Ctx, w.Store, stranger)
	require.NoError(t, err)
	require.Equal(t, alone, each[stranger.ID])

	at, err := policy.ResolveAt(w.Ctx, w.Store, w.Below)
	require.NoError(t, err)
	require.Equal(t, 2*day, at.Overlap.Value)
}
