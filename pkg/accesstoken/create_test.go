package accesstoken_test

import (
	"slices"
	"strings"
	"sync"
	"testing"
	"time"

	"github.com/stretchr/testify/require"

	"github.com/rekey-dev/rekey/pkg/accesstoken"
	"github.com/rekey-dev/rekey/pkg/audit"
	"github.com/rekey-dev/rekey/pkg/call"
	"github.com/rekey-dev/rekey/pkg/fault"
	"github.com/rekey-dev/rekey/pkg/id"
	"github.com/rekey-dev/rekey/pkg/memstore"
	"github.com/rekey-dev/rekey/pkg/permission"
	"github.com/rekey-dev/rekey/pkg/rekeytest"
	"github.com/rekey-dev/rekey/pkg/role"
	"github.com/rekey-dev/rekey/pkg/token"
)

// create makes a token that works.
func create(w *rekeytest.World, c call.Call, in accesstoken.New) accesstoken.Made {
	w.T.Helper()
	out, err := w.Tokens.Create(w.Ctx, c, in)
	require.NoError(w.T, err)
	w.Note(out.Secret)
	return out
}

// creations are the records of it, but those of the world's own tokens.
func creations(w *rekeytest.World) []audit.Event {
	return slices.DeleteFunc(w.Records(audit.TokenCreated), func(e audit.Event) bool { return e.Actor.Type == audit.System })
}

// invalid requires that nothing came of a call whose input is refused at a pointer.
func invalid(t *testing.T, w *rekeytest.World, pointer string, in accesstoken.New) {
	t.Helper()
	require.Zero(t, w.Changed(func() {
		out, err := w.Tokens.Create(w.Ctx, w.As(w.Admin), in)
		var f *fault.Error
		require.ErrorAs(t, err, &f)
		require.Equal(t, fault.Invalid, f.Kind)
		require.Equal(t, pointer, f.Fields[0].Pointer)
		require.True(t, out.Secret.IsZero())
	}))
}

func TestCreate_ATokenActsForTheEmployeeWhoMadeItFor90Days_F4(t *testing.T) {
	w := rekeytest.New(t)
	out := create(w, w.As(w.BelowAdmin), accesstoken.New{Name: "Laptop", Scopes: rekeytest.Of(permission.KeysRead)})
	require.Equal(t, w.BelowAdmin.Employee.ID, out.Token.EmployeeID)
	require.Equal(t, w.Below, out.Token.Place)
	require.Equal(t, w.Now().Add(90*24*time.Hour), out.Token.ExpiresAt)
	require.Equal(t, token.PersonalAccessToken, token.Kind(out.Secret.Reveal()[2]))
	caller := w.Caller(out.Secret)
	require.Equal(t, string(w.BelowAdmin.Employee.ID), caller.ID)
	require.Equal(t, w.Below, caller.Place)
	require.Equal(t, permission.Of(permission.KeysRead), caller.Effective)
	require.Len(t, creations(w), 1)
	e := creations(w)[0]
	require.Equal(t, audit.Target{Type: "personal_access_token", ID: string(out.Token.ID), Name: "Laptop"}, e.Target)
	require.Equal(t, out.Token.Prefix(), e.Details["key_prefix"])
	require.Equal(t, string(w.BelowAdmin.Employee.ID), e.Details["employee_id"])

	w.Advance(90*24*time.Hour - time.Second)
	w.Wins(out.Secret)
	require.Equal(t, accesstoken.Active, out.Token.Status(out.Token.Epoch, w.Now()))
	w.Advance(time.Second)
	w.Loses(out.Secret)
	require.Equal(t, accesstoken.Expired, out.Token.Status(out.Token.Epoch, w.Now()))
}

func TestCreate_ScopesLeftOutAreTheRolesAndNoneAreNone_F4(t *testing.T) {
	w := rekeytest.New(t)
	viewer, _ := role.BuiltIn(role.Viewer)
	require.Equal(t, viewer.Permissions, create(w, w.As(w.Viewer), accesstoken.New{Name: "all"}).Token.Scopes)
	none := create(w, w.As(w.Viewer), accesstoken.New{Name: "none", Scopes: &[]string{}})
	require.True(t, none.Token.Scopes.IsEmpty())
	require.True(t, w.Caller(none.Secret).Effective.IsEmpty())
}

func TestCreate_ATokenNeverGivesMoreThanItsEmployeeHoldsWhenItIsUsed_F4(t *testing.T) {
	w := rekeytest.New(t)
	custom := id.New[id.Role](w.Rand)
	w.CustomRole(custom, permission.KeysRead, permission.AuditRead)
	p := w.Hire("Custom", w.Root, custom)
	out := create(w, w.As(p), accesstoken.New{Name: "t"})
	require.Equal(t, permission.Of(permission.KeysRead, permission.AuditRead), w.Caller(out.Secret).Effective)
	w.CustomRole(custom, permission.KeysRead, permission.KeysIssue)
	require.Equal(t, permission.Of(permission.KeysRead), w.Caller(out.Secret).Effective, "neither what the role lost nor what it got since")
}

func TestCreate_NobodyMakesATokenWithWhatTheyDoNotHold_S2(t *testing.T) {
	w := rekeytest.New(t)
	narrow := create(w, w.As(w.Admin), accesstoken.New{Name: "narrow", Scopes: rekeytest.Of(permission.KeysRead)})
	for what, try := range map[string]struct {
		c  call.Call
		in accesstoken.New
	}{
		"more than the role has":            {w.As(w.Viewer), accesstoken.New{Name: "t", Scopes: rekeytest.Of(permission.KeysIssue)}},
		"more than the token carries":       {w.With(narrow.Secret), accesstoken.New{Name: "t", Scopes: rekeytest.Of(permission.KeysIssue)}},
		"all, with a token that has it not": {w.With(narrow.Secret), accesstoken.New{Name: "t"}},
	} {
		try.c.Route = "POST /" + what
		before := len(creations(w))
		out, err := w.Tokens.Create(w.Ctx, try.c, try.in)
		require.True(t, fault.Is(err, fault.NotGrantable), "%s: %v", what, err)
		require.True(t, out.Secret.IsZero())
		all := creations(w)
		require.Len(t, all, before+1, what)
		denied := 0
		for _, e := range all {
			if e.Outcome == audit.Denied && e.Target.ID == try.c.Caller.ID && e.Target.Type == "employee" {
				denied++
			}
		}
		require.Positive(t, denied, what)
	}
	create(w, w.With(narrow.Secret), accesstoken.New{Name: "t", Scopes: rekeytest.Of(permission.KeysRead)})
}

func TestCreate_AServiceAccountMakesNone_F4(t *testing.T) {
	w := rekeytest.New(t)
	k := w.Issue(w.AccountWith("Recorder", w.Root, role.Automation).ID, "k")
	_, err := w.Tokens.Create(w.Ctx, w.With(k.Secret), accesstoken.New{Name: "t", Scopes: &[]string{}})
	require.True(t, fault.Is(err, fault.NotGrantable), "%v", err)
	require.ErrorContains(t, err, "Issue a key of the account instead")
	require.Len(t, creations(w), 1)
	require.Equal(t, audit.Denied, creations(w)[0].Outcome)
}

func TestCreate_InputIsHeldToItsBounds_S6(t *testing.T) {
	w := rekeytest.New(t)
	year := w.Now().AddDate(1, 0, 0)
	invalid(t, w, "/name", accesstoken.New{Name: "a\u200b"})
	invalid(t, w, "/scopes/1", accesstoken.New{Name: "t", Scopes: &[]string{"keys:read", "keys:raed"}})
	invalid(t, w, "/scopes/1", accesstoken.New{Name: "t", Scopes: &[]string{"keys:read", "keys:read"}})
	many := strings.Split(strings.Repeat("keys:read,", 80)+"keys:read", ",")
	invalid(t, w, "/scopes", accesstoken.New{Name: "t", Scopes: &many})
	invalid(t, w, "/expires_at", accesstoken.New{Name: "t", ExpiresAt: w.Now()})
	invalid(t, w, "/expires_at", accesstoken.New{Name: "t", ExpiresAt: year.Add(time.Second)})
	require.Equal(t, year, create(w, w.As(w.Admin), accesstoken.New{Name: "t", ExpiresAt: year}).Token.ExpiresAt)
	create(w, w.As(w.Admin), accesstoken.New{Name: "t", ExpiresAt: w.Now().Add(time.Second)})
}

// use is creating a token as a call that can be repeated.
func use(w *rekeytest.World) rekeytest.Use {
	return func(c call.Call) (any, token.Secret, error) {
		out, err := w.Tokens.Create(w.Ctx, c, accesstoken.New{Name: "t", Scopes: rekeytest.Of(permission.KeysRead)})
		return out, out.Secret, err
	}
}

func TestCreate_ARepeatShowsTheSameSecretForAnHourOrUntilItsFirstUse_B6(t *testing.T) {
	for _, end := range []string{"an hour", "a use", "a revocation"} {
		w := rekeytest.New(t)
		post := func() rekeytest.Answer {
			out, err := w.Post(w.As(w.Admin), "/personal-access-tokens", "K", "p", use(w))
			require.NoError(t, err)
			return out
		}
		first := post()
		w.Advance(time.Hour - time.Second)
		again := post()
		require.True(t, again.Repeated)
		require.Equal(t, first.Secret.Reveal(), again.Secret.Reveal())
		require.Len(t, creations(w), 1)
		require.Len(t, w.Records(audit.TokenRepeated), 1)
		switch parsed, _ := token.Parse(first.Secret.Reveal()); end {
		case "an hour":
			w.Advance(time.Second)
		case "a use":
			w.Allowed(first.Secret, rekeytest.Home)
		case "a revocation":
			require.NoError(t, w.Tokens.Revoke(w.Ctx, w.As(w.Admin), id.FromBody[id.PAT](parsed.Public)))
		}
		late := post()
		require.True(t, late.Withheld && late.Secret.IsZero(), end)
		require.Equal(t, first.Body, late.Body)
	}
}

func TestCreate_ARepeatBySomebodyWhoHoldsLessIsShownNothing_S2(t *testing.T) {
	w := rekeytest.New(t)
	_, err := w.Post(w.As(w.Admin), "/personal-access-tokens", "K", "p", use(w))
	require.NoError(t, err)
	_, mute := w.PAT(w.Admin, permission.Set{})
	_, err = w.Post(w.With(mute), "/personal-access-tokens", "K", "p", use(w))
	require.True(t, fault.Is(err, fault.NotGrantable), "%v", err)
}

func TestCreate_ARepeatIsHeldToWhatTheTokenCarriesNotToWhatTheRoleHasNow_S2(t *testing.T) {
	w := rekeytest.New(t)
	custom := id.New[id.Role](w.Rand)
	w.CustomRole(custom, permission.KeysRead, permission.AuditRead)
	p := w.Hire("Custom", w.Root, custom)
	all := func(c call.Call) (any, token.Secret, error) {
		out, err := w.Tokens.Create(w.Ctx, c, accesstoken.New{Name: "t"})
		return out, out.Secret, err
	}
	_, err := w.Post(w.As(p), "/personal-access-tokens", "K", "p", all)
	require.NoError(t, err)
	w.CustomRole(custom, permission.KeysRead)
	_, err = w.Post(w.As(p), "/personal-access-tokens", "K", "p", all)
	require.True(t, fault.Is(err, fault.NotGrantable), "%v", err)
}

func TestCreate_IsNotForASessionInsideACompany_F4_W6(t *testing.T) {
	w := rekeytest.New(t)
	c := w.With(w.Inside(w.Admin.Secret, w.Company))
	_, err := w.Tokens.Create(w.Ctx, c, accesstoken.New{Name: "t"})
	require.True(t, fault.Is(err, fault.MissingPermission), "%v", err)
	_, _, err = w.Tokens.List(w.Ctx, c, accesstoken.Filter{}, "", 10)
	require.True(t, fault.Is(err, fault.MissingPermission), "%v", err)
	_, err = w.Tokens.Get(w.Ctx, c, w.Admin.Token.ID)
	require.True(t, fault.Is(err, fault.NotFound), "%v", err)
	require.True(t, fault.Is(w.Tokens.Revoke(w.Ctx, c, w.Admin.Token.ID), fault.NotFound))
}

func TestCreate_EveryFaultLeavesOneTokenOrNoneAndARepeatHasItsSecret_B6(t *testing.T) {
	clean := rekeytest.New(t)
	_, err := clean.Post(clean.As(clean.Admin), "/t", "K", "p", use(clean))
	require.NoError(t, err)
	calls := clean.Store.Calls()
	require.Contains(t, calls, "Commit")
	for n := range calls {
		for _, mode := range memstore.Modes {
			w := rekeytest.New(t)
			w.Store.Fail(n+1, mode)
			first, err := w.Post(w.As(w.Admin), "/t", "K", "p", use(w))
			if err != nil {
				require.True(t, fault.Is(err, fault.Unavailable), "%v", err)
			}
			again, err := w.Post(w.As(w.Admin), "/t", "K", "p", use(w))
			require.NoError(t, err, "%s failed %s", calls[n], mode)
			require.False(t, again.Secret.IsZero())
			require.True(t, first.Secret.IsZero() || first.Secret == again.Secret, "two secrets")
			require.Len(t, creations(w), 1)
			w.Wins(again.Secret)
		}
	}
}

func TestCreate_SimultaneousRepeatsHaveOneTokenAndOneAnswer_B6(t *testing.T) {
	w := rekeytest.New(t)
	c := w.As(w.Admin)
	answers, errs := make([]rekeytest.Answer, 8), make([]error, 8)
	var all sync.WaitGroup
	for i := range answers {
		all.Go(func() { answers[i], errs[i] = w.Post(c, "/t", "K", "p", use(w)) })
	}
	all.Wait()
	for i := range answers {
		require.NoError(t, errs[i])
		require.Equal(t, answers[0].Body, answers[i].Body)
		require.Equal(t, answers[0].Secret.Reveal(), answers[i].Secret.Reveal())
	}
	require.Len(t, creations(w), 1)
}
