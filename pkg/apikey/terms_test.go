package apikey_test

import (
	"testing"
	"time"

	"github.com/stretchr/testify/require"

	"github.com/rekey-dev/rekey/pkg/apikey"
	"github.com/rekey-dev/rekey/pkg/audit"
	"github.com/rekey-dev/rekey/pkg/fault"
	"github.com/rekey-dev/rekey/pkg/id"
	"github.com/rekey-dev/rekey/pkg/policy"
	"github.com/rekey-dev/rekey/pkg/rekeytest"
	"github.com/rekey-dev/rekey/pkg/serviceaccount"
)

const day = 24 * time.Hour

func given(at time.Time) apikey.Expiry { return apikey.Expiry{Given: true, At: at} }

// governed is an account in a company whose node has a policy.
func governed(t *testing.T, text policy.Text) (*rekeytest.World, serviceaccount.Account) {
	w := rekeytest.New(t)
	w.Policy(rekeytest.At(w.Below), text)
	return w, w.Account("exporter", w.Company)
}

func refusedEnd(t *testing.T, err error, says string) {
	t.Helper()
	var f *fault.Error
	require.ErrorAs(t, err, &f)
	require.Equal(t, fault.Invalid, f.Kind)
	require.Len(t, f.Fields, 1)
	require.Equal(t, "/expires_at", f.Fields[0].Pointer)
	require.Contains(t, f.Fields[0].Detail, says)
}

func TestIssue_WithoutAnEndTakesThePolicysDefaultLifetime_P3(t *testing.T) {
	w, a := governed(t, policy.Text{DefaultLifetime: rekeytest.To("P90D"), Notice: &[]string{"P10D", "P1D"}})
	k := w.Issue(a.ID, "k").View.Key
	require.Equal(t, w.Now().Add(90*day), k.ExpiresAt)
	require.Equal(t, w.Now().Add(80*day), k.NoticeFrom, "the longest notice before it")
	require.Equal(t, k.NoticeFrom, k.DueAt)
	never := w.IssueWith(a.ID, apikey.Issue{Name: "for ever", ExpiresAt: given(time.Time{})}).View.Key
	require.True(t, never.ExpiresAt.IsZero(), "null is never, where no max_lifetime holds")

	w.Policy(rekeytest.At(w.Company), policy.Text{MaxLifetime: rekeytest.To("P30D")})
	require.Equal(t, w.Now().Add(30*day), w.Issue(a.ID, "cut").View.Key.ExpiresAt, "an inherited default is cut down to a nearer maximum")
}

func TestIssue_LaterThanTheLongestLifeIsRefusedSayingTheLongest_P3(t *testing.T) {
	w, a := governed(t, policy.Text{MaxLifetime: rekeytest.To("P90D")})
	longest := w.Now().Add(90 * day)
	for _, end := range []time.Time{longest.Add(time.Second), {}} {
		_, err := w.Keys.Issue(w.Ctx, w.As(w.Owner), a.ID, apikey.Issue{Name: "k", ExpiresAt: given(end)})
		refusedEnd(t, err, longest.Format(time.RFC3339))
		refusedEnd(t, err, "P90D")
	}
	require.Equal(t, longest, w.IssueWith(a.ID, apikey.Issue{Name: "k", ExpiresAt: given(longest)}).View.Key.ExpiresAt)
	require.Equal(t, longest, w.Issue(a.ID, "unsaid").View.Key.ExpiresAt, "no end is the longest, not never")
}

func TestIssue_APolicyThatOnlyReportsRecordsAndRefusesNothing_B9(t *testing.T) {
	w, a := governed(t, policy.Text{MaxLifetime: rekeytest.To("P90D"), ReportOnly: rekeytest.To(true)})
	k := w.IssueWith(a.ID, apikey.Issue{Name: "k", ExpiresAt: given(time.Time{})}).View.Key
	require.True(t, k.ExpiresAt.IsZero())
	e := w.Record(audit.KeyIssued)
	require.Equal(t, []any{"max_lifetime"}, e.Details["policy_violations"])
	require.NotEmpty(t, e.Details["policy_id"])
	end := given(w.Now().Add(400 * day))
	_, err := w.Keys.Patch(w.Ctx, w.As(w.Owner), k.ID, apikey.Patch{ExpiresAt: end})
	require.NoError(t, err)
	require.Equal(t, []any{"max_lifetime"}, w.Record(audit.KeyUpdated).Details["policy_violations"])
}

func TestRegenerateAndRotateAll_TakeThePolicysDefaultLifetime_P3(t *testing.T) {
	w, a := governed(t, policy.Text{DefaultLifetime: rekeytest.To("P60D")})
	k := w.Issue(a.ID, "one").View.Key
	w.Advance(20 * day)
	got := w.Regenerate(k.ID).View.Key
	require.Equal(t, w.Now().Add(60*day), got.ExpiresAt)
	require.Equal(t, w.Now(), got.RegeneratedAt)
	require.Equal(t, got, w.Key(k.ID))
	w.IssueFor(a.ID, "two", 5*day)
	require.Equal(t, w.Now().Add(60*day), w.RotateAll(a.ID).View.Key.ExpiresAt)

	w, a = governed(t, policy.Text{MaxLifetime: rekeytest.To("P60D")})
	k = w.IssueFor(a.ID, "one", 30*day).View.Key
	require.Equal(t, w.Now().Add(30*day), w.Regenerate(k.ID).View.Key.ExpiresAt, "without a default the end stays")
	_, err := w.Keys.Regenerate(w.Ctx, w.As(w.Owner), k.ID, given(time.Time{}), false)
	refusedEnd(t, err, "null is never")
}

func TestRegenerate_AnEndThatAPolicyNoLongerAllowsIsCutDown_P3(t *testing.T) {
	w := rekeytest.New(t)
	a := w.Account("exporter", w.Company)
	k := w.Issue(a.ID, "for ever").View.Key
	w.Policy(rekeytest.On(a), policy.Text{MaxLifetime: rekeytest.To("P60D")})
	require.Equal(t, w.Now().Add(60*day), w.Regenerate(k.ID).View.Key.ExpiresAt)
}

func TestPatch_AnEndIsBoundByTheSecretsAgeAndNeverSoonerThanTheNotice_P3(t *testing.T) {
	w, a := governed(t, policy.Text{MaxLifetime: rekeytest.To("P90D"), Notice: &[]string{"P14D"}})
	k := w.IssueFor(a.ID, "k", 10*day).View.Key
	w.Advance(5 * day)
	patch := func(end time.Time) error {
		_, err := w.Keys.Patch(w.Ctx, w.As(w.Owner), k.ID, apikey.Patch{ExpiresAt: given(end)})
		return err
	}
	latest := k.CreatedAt.Add(90 * day)
	refusedEnd(t, patch(latest.Add(time.Second)), latest.Format(time.RFC3339))
	refusedEnd(t, patch(time.Time{}), "null is never")
	require.NoError(t, patch(latest))
	require.Equal(t, latest.Add(-14*day), w.Key(k.ID).NoticeFrom)
	w.Advance(80 * day)
	require.NoError(t, patch(w.Now().Add(14*day)), "within the notice it may always be")
	refusedEnd(t, patch(w.Now().Add(14*day+time.Second)), "max_lifetime P90D")
	name := "renamed"
	w.Store.Reset()
	_, err := w.Keys.Patch(w.Ctx, w.As(w.Owner), k.ID, apikey.Patch{Name: &name})
	require.NoError(t, err)
	require.NotContains(t, w.Store.Calls(), "PoliciesOf", "a change without an end asks for no policy")
}

func TestInLine_LowersAnEndButNeverBelowTheLongestNotice_P3(t *testing.T) {
	now := time.Date(2031, 1, 2, 3, 4, 5, 0, time.UTC)
	born := now.Add(-100 * day)
	under := func(days, notice int, report bool) policy.Effective {
		most := time.Duration(days) * day
		f := policy.Fields{Notice: []time.Duration{time.Duration(notice) * day}, ReportOnly: &report}
		if days > 0 {
			f.MaxLifetime = &most
		}
		return policy.EffectiveOf([]policy.Policy{{ID: "pol_00000000000000000001", Fields: f}})
	}
	key := func(end time.Time, notice int) apikey.Key {
		return apikey.Key{CreatedAt: born, ExpiresAt: end, NoticeFrom: apikey.NoticeOf(end, time.Duration(notice)*day)}
	}
	for what, x := range map[string]struct {
		key  apikey.Key
		p    policy.Effective
		want time.Time
	}{
		"the longest life of its secret": {key(time.Time{}, 30), under(365, 30, false), born.Add(365 * day)},
		"an end is lowered, too":         {key(now.Add(900*day), 30), under(365, 30, false), born.Add(365 * day)},
		"never below the notice":         {key(time.Time{}, 30), under(90, 30, false), now.Add(30 * day)},
		"a sooner end stays":             {key(now.Add(10*day), 14), under(365, 30, false), now.Add(10 * day)},
		"notice by the longest":          {key(now.Add(200*day), 30), under(0, 90, false), now.Add(200 * day)},
	} {
		got, changed := apikey.InLine(x.key, x.p, now)
		require.True(t, changed, what)
		require.Equal(t, x.want, got.ExpiresAt, what)
		require.Equal(t, x.want.Add(-x.p.LongestNotice()), got.NoticeFrom, what)
		require.False(t, got.DueAt.IsZero(), what)
		_, again := apikey.InLine(got, x.p, now.Add(time.Hour))
		require.False(t, again, "%s: once", what)
	}
	regenerated := key(time.Time{}, 30)
	regenerated.RegeneratedAt = now.Add(-day)
	got, _ := apikey.InLine(regenerated, under(90, 30, false), now)
	require.Equal(t, now.Add(89*day), got.ExpiresAt, "a new secret is as old as itself")

	ended := key(time.Time{}, 30)
	ended.Ended = &serviceaccount.Ended{At: now}
	superseded := key(now.Add(day), 30)
	superseded.SupersededBy = id.Key("key_00000000000000000001")
	superseded.NoticeFrom = now
	for what, k := range map[string]apikey.Key{"ended": ended, "expired": key(now, 30), "in line": key(now.Add(10*day), 30), "superseded": superseded} {
		_, changed := apikey.InLine(k, under(90, 30, false), now)
		require.False(t, changed, what)
	}
	_, changed := apikey.InLine(key(time.Time{}, 30), under(90, 30, true), now)
	require.False(t, changed, "a policy that only reports lowers nothing")
}
