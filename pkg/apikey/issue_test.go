package apikey_test

import (
	"fmt"
	"strings"
	"testing"
	"time"

	"github.com/stretchr/testify/require"

	"github.com/rekey-dev/rekey/pkg/apikey"
	"github.com/rekey-dev/rekey/pkg/audit"
	"github.com/rekey-dev/rekey/pkg/fault"
	"github.com/rekey-dev/rekey/pkg/id"
	"github.com/rekey-dev/rekey/pkg/permission"
	"github.com/rekey-dev/rekey/pkg/rekeytest"
	"github.com/rekey-dev/rekey/pkg/role"
	"github.com/rekey-dev/rekey/pkg/serviceaccount"
	"github.com/rekey-dev/rekey/pkg/token"
	"github.com/rekey-dev/rekey/pkg/verify"
)

// refused requires a fault of a kind that nothing came of: no record but that of a denial, and no secret.
func refused(t *testing.T, w *rekeytest.World, kind fault.Kind, denials int, call func() (token.Secret, error)) *fault.Error {
	t.Helper()
	before := w.Mem.Events()
	secret, err := call()
	require.True(t, fault.Is(err, kind), "%v", err)
	require.True(t, secret.IsZero(), "a secret with an error")
	after := w.Mem.Events()
	require.Len(t, after, len(before)+denials)
	for _, e := range after {
		if e.Outcome == audit.Denied {
			denials--
		}
	}
	require.LessOrEqual(t, denials, 0)
	var f *fault.Error
	require.ErrorAs(t, err, &f)
	return f
}

// pointers are where a fault's fields point.
func pointers(f *fault.Error) []string {
	var out []string
	for _, field := range f.Fields {
		out = append(out, field.Pointer)
	}
	return out
}

func issue(w *rekeytest.World, by *rekeytest.Person, a id.ServiceAccount, in apikey.Issue) func() (token.Secret, error) {
	return func() (token.Secret, error) {
		out, err := w.Keys.Issue(w.Ctx, w.As(by), a, in)
		return out.Secret, err
	}
}

func TestIssue_AnAccountOwnsSeveralKeysEachWithANameAndScopes_D1(t *testing.T) {
	w := rekeytest.New(t)
	a := w.Account("Recorder", w.Company)
	one := w.IssueWith(a.ID, apikey.Issue{Name: "one", Scopes: rekeytest.Of(permission.KeysRead)})
	two := w.IssueWith(a.ID, apikey.Issue{Name: "two", Scopes: rekeytest.Of(permission.AppsManage, permission.KeysVerify)})
	three := w.IssueWith(a.ID, apikey.Issue{Name: "one"}) // keys' names need not be unique
	require.NotEqual(t, one.View.Key.ID, two.View.Key.ID)
	require.Equal(t, 3, w.ReadAccount(a.ID).KeyCount)
	require.Equal(t, 3, three.View.Account.KeyCount)
	page, err := w.Keys.OfAccount(w.Ctx, w.As(w.Owner), a.ID, "", 10)
	require.NoError(t, err)
	require.Len(t, page.Keys, 3)
	got := map[id.Key]string{}
	for _, v := range page.Keys {
		require.Equal(t, apikey.State{Status: apikey.Active}, v.State)
		got[v.Key.ID] = v.Key.Name + ": " + v.Key.Scopes.Text()
	}
	require.Equal(t, "one: keys:read", got[one.View.Key.ID])
	require.Equal(t, "two: apps:manage keys:verify", got[two.View.Key.ID])
	for _, k := range []apikey.Shown{one, two, three} {
		w.Wins(k.Secret)
	}
}

func TestIssue_TheSecretIsInNothingThatIsReadLater_D2(t *testing.T) {
	w := rekeytest.New(t)
	a := w.Account("Recorder", w.Company)
	answer, err := w.Post(w.As(w.Owner), "/keys", "K", "p", issueUse(w, a.ID, apikey.Issue{Name: "k"}))
	require.NoError(t, err)
	tok, ok := token.Parse(answer.Secret.Reveal())
	require.True(t, ok)
	w.Allowed(answer.Secret, rekeytest.Home)
	k := id.FromBody[id.Key](tok.Public)
	var sinks []any
	view, err := w.Keys.Get(w.Ctx, w.As(w.Owner), k)
	require.NoError(t, err)
	page, err := w.Keys.List(w.Ctx, w.As(w.Owner), everywhere, apikey.Filter{}, "", 50)
	require.NoError(t, err)
	stored, err := w.Mem.Snapshot(w.Ctx, string(k), verify.Names{Principal: string(a.ID), Company: w.Company.Company})
	require.NoError(t, err)
	sinks = append(sinks, view, page, stored, stored.Credential, w.Key(k), w.ReadAccount(a.ID), w.Mem.Events(), answer.Body)
	text := fmt.Sprintf("%+v %s %q %x", sinks, sinks, sinks, sinks)
	require.NotContains(t, text, answer.Secret.Reveal()[25:68])
	require.NotContains(t, text, fmt.Sprintf("%x", answer.Secret.Reveal()[25:68]))
	require.Contains(t, fmt.Sprintf("%+v", answer), token.Redacted)
}

func TestIssue_TheRecordHasTheActorThePrefixAndTheScopesAndNeverTheKey_D8(t *testing.T) {
	w := rekeytest.New(t)
	a := w.Account("Recorder", w.Company)
	k := w.IssueWith(a.ID, apikey.Issue{Name: "exporter", Scopes: rekeytest.Of(permission.KeysRead, permission.AppsManage)})
	e := w.Record(audit.KeyIssued)
	require.Equal(t, audit.UserUpdated, e.Action)
	require.Equal(t, int64(1), e.Seq)
	require.Equal(t, w.Now(), e.At)
	require.Equal(t, audit.OK, e.Outcome)
	require.Equal(t, audit.Actor{Type: audit.Employee, ID: string(w.Owner.Employee.ID), Name: "Ada Owner",
		KeyID: string(w.Owner.Token.ID), KeyPrefix: w.Owner.Token.Prefix()}, e.Actor)
	require.Equal(t, audit.Target{Type: "key", ID: string(k.View.Key.ID), Name: "exporter"}, e.Target)
	require.Equal(t, w.Company, e.Place)
	require.Equal(t, "req-call", e.RequestID)
	require.Equal(t, map[string]any{"change": "key.issued", "key_id": string(k.View.Key.ID), "key_prefix": k.Secret.Reveal()[:8],
		"generation": 1.0, "scopes": []any{"apps:manage", "keys:read"}, "service_account_id": string(a.ID)}, e.Details)
}

func TestIssue_OmittedScopesAreASnapshotOfTheRolesAndAnEmptyListGrantsNothing_S2(t *testing.T) {
	w := rekeytest.New(t)
	r := w.CustomRole("role_Custom00000000000000", permission.KeysRead)
	a := w.AccountWith("Recorder", w.Company, r.ID)
	all := w.Issue(a.ID, "all")
	none := w.IssueWith(a.ID, apikey.Issue{Name: "none", Scopes: rekeytest.Of()})
	require.Equal(t, "keys:read", all.View.Key.Scopes.Text())
	require.Empty(t, none.View.Key.Scopes.List())
	w.CustomRole(r.ID, permission.KeysRead, permission.AppsManage)
	require.Equal(t, "keys:read", w.Key(all.View.Key.ID).Scopes.Text())
	require.Equal(t, "keys:read", w.Verify(all.Secret, rekeytest.Home).Caller().Effective.Text())
	require.Empty(t, w.Verify(none.Secret, rekeytest.Home).Caller().Effective.List())
}

func TestIssue_AScopeThatIsNoPermissionOrNotOfTheRoleIsNamedByItsPointer_D5(t *testing.T) {
	w := rekeytest.New(t)
	wide := w.CustomRole("role_Custom00000000000000", permission.All.List()...) // as no role service would make it
	a := w.Account("Recorder", w.Company)
	scopes := []string{"keys:read", "nonsense", "keys:issue", "nodes:read", "keys:read", "KEYS:READ", ""}
	f := refused(t, w, fault.Invalid, 0, issue(w, w.Owner, a.ID, apikey.Issue{Name: "k", Scopes: &scopes}))
	require.Equal(t, []string{"/scopes/1", "/scopes/2", "/scopes/3", "/scopes/4", "/scopes/5", "/scopes/6"}, pointers(f))
	require.Contains(t, f.Fields[2].Detail, "role_BuiltinAutomation000")

	many := make([]string, apikey.MaxScopes+1)
	for i := range many {
		many[i] = "keys:read"
	}
	f = refused(t, w, fault.Invalid, 0, issue(w, w.Owner, a.ID, apikey.Issue{Name: "k", Scopes: &many}))
	require.Equal(t, []string{"/scopes"}, pointers(f))

	odd := serviceaccount.Account{ID: id.New[id.ServiceAccount](w.Rand), Place: w.Company, Name: "odd", RoleID: wide.ID,
		Status: serviceaccount.Active, CreatedAt: w.Now(), UpdatedAt: w.Now(), Version: 1, EventSeq: 1, IssueEpoch: 1}
	w.Commit(w.Happened("service_account", string(odd.ID), w.Company, 1), serviceaccount.Create{Account: odd})
	for _, p := range permission.All.Without(permission.Machine).List() {
		f := refused(t, w, fault.Invalid, 0, issue(w, w.Owner, odd.ID, apikey.Issue{Name: "k", Scopes: rekeytest.Of(p)}))
		require.Equal(t, []string{"/scopes/0"}, pointers(f), p)
	}
	require.Equal(t, permission.Machine.WithoutWildcards(), w.Issue(odd.ID, "all").View.Key.Scopes, "what no machine may hold is left out")
}

func TestIssue_NobodyGrantsWhatTheyDoNotHold_D11(t *testing.T) {
	w := rekeytest.New(t)
	a := w.Account("Recorder", w.Company)
	_, narrow := w.PAT(w.Admin, permission.Of(permission.KeysIssue, permission.KeysRead))
	f := refused(t, w, fault.NotGrantable, 1, func() (token.Secret, error) {
		out, err := w.Keys.Issue(w.Ctx, w.With(narrow), a.ID, apikey.Issue{Name: "k", Scopes: rekeytest.Of(permission.KeysRead, permission.AppsManage)})
		return out.Secret, err
	})
	require.Contains(t, f.Detail, "apps:manage")
	require.NotContains(t, f.Detail, "keys:read")
	w.Advance(time.Minute)
	refused(t, w, fault.NotGrantable, 1, func() (token.Secret, error) {
		out, err := w.Keys.Issue(w.Ctx, w.With(narrow), a.ID, apikey.Issue{Name: "k"})
		return out.Secret, err
	})
	_, err := w.Keys.Issue(w.Ctx, w.With(narrow), a.ID, apikey.Issue{Name: "k", Scopes: rekeytest.Of(permission.KeysRead)})
	require.NoError(t, err)
}

func TestIssue_OnlyOwnersAndAdminsIssueAndARefusalIsOnRecord_D11(t *testing.T) {
	w := rekeytest.New(t)
	a := w.Account("Recorder", w.Company)
	for _, p := range []*rekeytest.Person{w.Owner, w.Admin, w.BelowAdmin, w.CompanyAdmin} {
		_, err := w.Keys.Issue(w.Ctx, w.As(p), a.ID, apikey.Issue{Name: "k"})
		require.NoError(t, err)
	}
	for _, p := range []*rekeytest.Person{w.Operator, w.Viewer} {
		f := refused(t, w, fault.MissingPermission, 1, issue(w, p, a.ID, apikey.Issue{Name: "k"}))
		require.Equal(t, "keys:issue", f.MissingPermission)
		refused(t, w, fault.MissingPermission, 0, issue(w, p, a.ID, apikey.Issue{Name: "again in the same minute"}))
	}
	_, narrow := w.PAT(w.Admin, permission.Of(permission.KeysRead))
	f := refused(t, w, fault.MissingScope, 1, func() (token.Secret, error) {
		out, err := w.Keys.Issue(w.Ctx, w.With(narrow), a.ID, apikey.Issue{Name: "k"})
		return out.Secret, err
	})
	require.Equal(t, "keys:issue", f.MissingScope)
	require.Empty(t, f.MissingPermission)
	var denied []audit.Event
	for _, e := range w.Mem.Events() {
		if e.Outcome == audit.Denied {
			denied = append(denied, e)
		}
	}
	require.Len(t, denied, 3)
	for _, e := range denied {
		require.Equal(t, audit.UserUpdated, e.Action)
		require.Equal(t, audit.Target{Type: "service_account", ID: string(a.ID), Name: "Recorder"}, e.Target)
		require.Equal(t, map[string]any{"change": "key.issued", "service_account_id": string(a.ID)}, e.Details)
		require.Equal(t, audit.Employee, e.Actor.Type)
		require.Zero(t, e.Seq)
	}
}

func TestIssue_AnotherTenantsAccountIsNotThereAsOneThatNeverWas_D11(t *testing.T) {
	w := rekeytest.New(t)
	a := w.Account("Recorder", w.Company)
	machine := w.Issue(w.AccountWith("Neighbour", w.Company, role.Automation).ID, "k")
	never := refused(t, w, fault.NotFound, 0, issue(w, w.Owner, id.New[id.ServiceAccount](w.Rand), apikey.Issue{Name: "k"}))
	for _, p := range []*rekeytest.Person{w.SiblingAdmin, w.StrangerAdmin} {
		require.Equal(t, never, refused(t, w, fault.NotFound, 0, issue(w, p, a.ID, apikey.Issue{Name: "k"})))
	}
	require.Equal(t, never, refused(t, w, fault.NotFound, 0, func() (token.Secret, error) {
		out, err := w.Keys.Issue(w.Ctx, w.With(machine.Secret), a.ID, apikey.Issue{Name: "k"})
		return out.Secret, err
	}))
	require.NoError(t, w.Accounts.Delete(w.Ctx, w.As(w.Owner), a.ID))
	require.Equal(t, never, refused(t, w, fault.NotFound, 0, issue(w, w.Owner, a.ID, apikey.Issue{Name: "k"})))
}

func TestIssue_AnAccountThatHasEndedOrWhoseCompanyIsSuspendedGetsNoKey_S4(t *testing.T) {
	w := rekeytest.New(t)
	a := w.Account("Recorder", w.Company)
	w.Suspend(w.Company, true)
	refused(t, w, fault.CompanySuspended, 0, issue(w, w.Owner, a.ID, apikey.Issue{Name: "k"}))
	w.Suspend(w.Company, false)
	_, err := w.Accounts.Revoke(w.Ctx, w.As(w.Owner), a.ID, "")
	require.NoError(t, err)
	refused(t, w, fault.Ended, 0, issue(w, w.Owner, a.ID, apikey.Issue{Name: "k"}))
}

func TestIssue_BadNamesAndEndsAreRefusedWithTheirPointer_D1(t *testing.T) {
	w := rekeytest.New(t)
	a := w.Account("Recorder", w.Company)
	for _, text := range []string{"", " ", "a ", "\t", "a\x00", "a\u200b", strings.Repeat("a", 101), "\xff"} {
		require.Equal(t, []string{"/name"}, pointers(refused(t, w, fault.Invalid, 0, issue(w, w.Owner, a.ID, apikey.Issue{Name: text}))), "%q", text)
	}
	for _, end := range []time.Duration{0, -time.Millisecond, -time.Hour} {
		in := apikey.Issue{Name: "k", ExpiresAt: apikey.Expiry{Given: true, At: w.Now().Add(end)}}
		require.Equal(t, []string{"/expires_at"}, pointers(refused(t, w, fault.Invalid, 0, issue(w, w.Owner, a.ID, in))))
	}
	k := w.IssueFor(a.ID, strings.Repeat("ü", 100), time.Millisecond)
	require.Equal(t, apikey.Expiring, k.View.State.Status)
	never := w.IssueWith(a.ID, apikey.Issue{Name: "never", ExpiresAt: apikey.Expiry{Given: true}})
	require.Zero(t, never.View.Key.ExpiresAt)
	require.Zero(t, never.View.Key.NoticeFrom)
}

func TestIssue_LosesToAChangeOfTheAccountAndTriesAnew_S4(t *testing.T) {
	w := rekeytest.New(t)
	a := w.Account("Recorder", w.Company)
	once := func(change func()) {
		w.Store.Hook = func(_ int, method string) {
			if method == "Commit" {
				w.Store.Hook = nil
				change()
			}
		}
	}
	once(func() {
		to := role.Integration
		_, err := w.Accounts.Patch(w.Ctx, w.As(w.Owner), a.ID, serviceaccount.Patch{RoleID: &to})
		require.NoError(t, err)
	})
	k := w.Issue(a.ID, "k")
	require.Equal(t, "keys:read service_accounts:read", k.View.Key.Scopes.Text(), "the new role's")
	once(func() { w.RotateAll(a.ID) })
	k = w.Issue(a.ID, "k")
	w.Wins(k.Secret)
	once(func() {
		_, err := w.Accounts.Revoke(w.Ctx, w.As(w.Owner), a.ID, "")
		require.NoError(t, err)
	})
	_, err := w.Keys.Issue(w.Ctx, w.As(w.Owner), a.ID, apikey.Issue{Name: "late"})
	require.True(t, fault.Is(err, fault.Ended), "%v", err)

	b := w.Account("Busy", w.Company)
	description := ""
	w.Store.Hook = func(_ int, method string) {
		if method == "Commit" {
			hook := w.Store.Hook
			w.Store.Hook = nil
			description += "x"
			_, err := w.Accounts.Patch(w.Ctx, w.As(w.Owner), b.ID, serviceaccount.Patch{Description: &description})
			require.NoError(t, err)
			w.Store.Hook = hook
		}
	}
	_, err = w.Keys.Issue(w.Ctx, w.As(w.Owner), b.ID, apikey.Issue{Name: "k"})
	require.True(t, fault.Is(err, fault.Unavailable), "it gives up rather than go on for ever: %v", err)
	require.Zero(t, w.ReadAccount(b.ID).KeyCount)
}
