package apikey_test

import (
	"testing"
	"time"

	"github.com/stretchr/testify/require"

	"github.com/rekey-dev/rekey/pkg/apikey"
	"github.com/rekey-dev/rekey/pkg/fault"
	"github.com/rekey-dev/rekey/pkg/permission"
	"github.com/rekey-dev/rekey/pkg/rekeytest"
	"github.com/rekey-dev/rekey/pkg/role"
	"github.com/rekey-dev/rekey/pkg/usage"
	"github.com/rekey-dev/rekey/pkg/verify"
)

func TestUsage_ShowsWhoIsStillOnTheOldKey_B4(t *testing.T) {
	w := rekeytest.New(t)
	k := w.Issue(w.Account("Recorder", w.Company).ID, "k")
	begin := w.Now()
	for range 3 {
		w.RequestTo(k.Secret, rekeytest.Home, "GET", "/keys", verify.Allow)
		w.Advance(time.Hour)
	}
	w.RequestTo(k.Secret, rekeytest.Away, "POST", "/service-accounts", verify.Forbidden)
	w.Guess(k.Secret, rekeytest.Elsewhere, 2)
	w.Regenerate(k.View.Key.ID)
	w.RequestTo(k.Secret, rekeytest.Home, "GET", "/keys", verify.Unusable)
	now := w.Now()
	w.Advance(time.Hour)

	type line struct {
		source, method, route string
		verdict               usage.Verdict
		count                 int64
		first, last           time.Time
	}
	get := func(q usage.Query) (out []line) {
		q.Limit = 100
		p, err := w.Keys.Usage(w.Ctx, w.As(w.Viewer), k.View.Key.ID, q)
		require.NoError(t, err)
		require.Empty(t, p.Next)
		require.Equal(t, w.Now().Add(-usage.Settled), p.CompleteUntil)
		for _, r := range p.Rows {
			out = append(out, line{r.Source, r.Method, r.Route, r.Verdict, r.Count, r.FirstAt, r.LastAt})
		}
		return out
	}
	require.ElementsMatch(t, []line{
		{rekeytest.Home, "GET", "/keys", usage.Accepted, 3, begin, begin.Add(2 * time.Hour)},
		{rekeytest.Away, "POST", "/service-accounts", usage.MissingScope, 1, now, now},
		{rekeytest.Home, "GET", "/keys", usage.Retired, 1, now, now},
		{rekeytest.Elsewhere, "", "", usage.WrongSecret, 2, now, now},
	}, get(usage.Query{}), "the last 24 hours")
	require.Len(t, get(usage.Query{Verdict: usage.WrongSecret}), 1)
	require.Len(t, get(usage.Query{From: now.Add(time.Second)}), 0)

	p, err := w.Keys.Usage(w.Ctx, w.As(w.Viewer), k.View.Key.ID, usage.Query{To: now, Limit: 10})
	require.NoError(t, err)
	require.Equal(t, now, p.CompleteUntil)
	require.Len(t, p.Rows, 1)
}

func TestUsage_RefusesWhatMakesNoSenseAndWhoMayNotSee_B4(t *testing.T) {
	w := rekeytest.New(t)
	k := w.Issue(w.Account("Recorder", w.Company).ID, "k").View.Key.ID
	ask := func(p *rekeytest.Person, q usage.Query) error {
		_, err := w.Keys.Usage(w.Ctx, w.As(p), k, q)
		return err
	}
	require.True(t, fault.Is(ask(w.Owner, usage.Query{From: w.Now(), To: w.Now()}), fault.Invalid))
	require.True(t, fault.Is(ask(w.Owner, usage.Query{Verdict: "nonsense"}), fault.Invalid))
	require.True(t, fault.Is(ask(w.StrangerAdmin, usage.Query{}), fault.NotFound))
	require.NoError(t, ask(w.CompanyAdmin, usage.Query{Limit: 1}))
}

func TestIssue_WarnsOfEveryRecentRequestThatTheNewKeyCouldNotDo_B14(t *testing.T) {
	w := rekeytest.New(t)
	a := w.Account("Recorder", w.Company)
	old, quiet := w.Issue(a.ID, "old"), w.Issue(a.ID, "quiet")
	w.RequestTo(quiet.Secret, rekeytest.Home, "GET", "/service-accounts", verify.Allow)
	w.Advance(apikey.GuardFor)
	w.RequestTo(old.Secret, rekeytest.Home, "GET", "/keys", verify.Allow)
	w.Advance(time.Hour)
	last := w.Now()
	w.RequestTo(old.Secret, rekeytest.Away, "GET", "/keys", verify.Allow)
	w.RequestTo(old.Secret, rekeytest.Away, "GET", "/service-accounts/{id}", verify.Allow)
	w.RequestTo(old.Secret, rekeytest.Home, "GET", "/me", verify.Allow)               // needs nothing
	w.RequestTo(old.Secret, rekeytest.Home, "GET", "/gone", verify.Allow)             // is there no more
	w.RequestTo(old.Secret, rekeytest.Home, "GET", "/audit-events", verify.Forbidden) // is refused as it is

	scopes := rekeytest.Of(permission.ServiceAccountsRead)
	got := w.IssueWith(a.ID, apikey.Issue{Name: "narrow", Scopes: scopes})
	require.Equal(t, []apikey.Warning{{API: usage.Own, Method: "GET", Route: "/keys", Scope: permission.KeysRead, Count: 2, LastAt: last}}, got.View.Warnings)
	got = w.IssueWith(a.ID, apikey.Issue{Name: "nothing", Scopes: rekeytest.Of()})
	require.Len(t, got.View.Warnings, 2)
	require.Empty(t, w.IssueWith(a.ID, apikey.Issue{Name: "same"}).View.Warnings)
	require.Empty(t, w.IssueWith(w.Account("fresh", w.Company).ID, apikey.Issue{Name: "first", Scopes: scopes}).View.Warnings)
	w.Advance(apikey.GuardFor)
	require.Empty(t, w.IssueWith(a.ID, apikey.Issue{Name: "late", Scopes: scopes}).View.Warnings, "30 days later")
}

func TestPatch_WarnsOfEveryRecentRequestOfTheKeyThatItCouldNotDoAnyMore_B14(t *testing.T) {
	w := rekeytest.New(t)
	a := w.Account("Recorder", w.Company)
	k, other := w.Issue(a.ID, "k"), w.Issue(a.ID, "other")
	w.RequestTo(k.Secret, rekeytest.Home, "GET", "/keys", verify.Allow)
	w.RequestTo(other.Secret, rekeytest.Home, "GET", "/service-accounts", verify.Allow)
	patch := func(in apikey.Patch) []apikey.Warning {
		v, err := w.Keys.Patch(w.Ctx, w.As(w.Owner), k.View.Key.ID, in)
		require.NoError(t, err)
		return v.Warnings
	}
	name := "renamed"
	require.Empty(t, patch(apikey.Patch{Name: &name}))
	require.Equal(t, []apikey.Warning{{API: usage.Own, Method: "GET", Route: "/keys", Scope: permission.KeysRead, Count: 1, LastAt: w.Now()}},
		patch(apikey.Patch{Scopes: rekeytest.Of(permission.ServiceAccountsRead)}))
	require.Empty(t, patch(apikey.Patch{Scopes: rekeytest.Of()}), "it is refused already")
}

func TestWarnings_NameRoutesOfProtectedAPIsToo_B14_B12(t *testing.T) {
	w := rekeytest.New(t)
	w.Register(rekeytest.Recordings(w.Below))
	a := w.AccountWith("Recorder", w.Company, role.Integration)
	old := w.IssueWith(a.ID, apikey.Issue{Name: "old", Scopes: rekeytest.Of("recordings:read", "recordings:export", permission.KeysRead)})
	use := func(api, method, route string) {
		o := w.Origin(rekeytest.Home)
		o.API, o.Method, o.Route, o.Guard = api, method, route, "r1e2c3o4r5/prod"
		v, err := w.Verifier.Verify(w.Ctx, verify.Presented{Secret: old.Secret}, o)
		require.NoError(t, err)
		w.Verifier.Used(w.Ctx, v, old.Secret, o)
	}
	use("r1e2c3o4r5", "GET", "/recordings/{id}")
	use("r1e2c3o4r5", "PUT", "/recordings/{id}/export")
	use("r1e2c3o4r5", "GET", "/gone")
	use("o1t2h3e4r5", "GET", "/recordings")
	warned := func(ws []apikey.Warning) (out []string) {
		for _, x := range ws {
			out = append(out, x.API+" "+x.Method+" "+x.Route+" "+string(x.Scope))
		}
		return out
	}
	read, export := "r1e2c3o4r5 GET /recordings/{id} recordings:read", "r1e2c3o4r5 PUT /recordings/{id}/export recordings:export"
	require.ElementsMatch(t, []string{read, export}, warned(w.Issue(a.ID, "a snapshot, which names none").View.Warnings))
	require.Equal(t, []string{export}, warned(w.IssueWith(a.ID, apikey.Issue{Name: "reads", Scopes: rekeytest.Of("recordings:read")}).View.Warnings))
	require.Empty(t, w.IssueWith(a.ID, apikey.Issue{Name: "same", Scopes: rekeytest.Of("recordings:read", "recordings:export", permission.KeysRead)}).View.Warnings)
	v, err := w.Keys.Patch(w.Ctx, w.As(w.Owner), old.View.Key.ID, apikey.Patch{Scopes: rekeytest.Of("recordings:export", permission.KeysRead)})
	require.NoError(t, err)
	require.Equal(t, []string{read}, warned(v.Warnings))
}
