package verify_test

import (
	"testing"
	"time"

	"github.com/stretchr/testify/require"

	"github.com/rekey-dev/rekey/pkg/apikey"
	"github.com/rekey-dev/rekey/pkg/audit"
	"github.com/rekey-dev/rekey/pkg/authz"
	"github.com/rekey-dev/rekey/pkg/fault"
	"github.com/rekey-dev/rekey/pkg/id"
	"github.com/rekey-dev/rekey/pkg/permission"
	"github.com/rekey-dev/rekey/pkg/rekeytest"
	"github.com/rekey-dev/rekey/pkg/role"
	"github.com/rekey-dev/rekey/pkg/serviceaccount"
	"github.com/rekey-dev/rekey/pkg/token"
	"github.com/rekey-dev/rekey/pkg/verify"
)

func setRole(t *testing.T, w *rekeytest.World, a id.ServiceAccount, r id.Role) {
	t.Helper()
	_, err := w.Accounts.Patch(w.Ctx, w.As(w.Owner), a, serviceaccount.Patch{RoleID: &r})
	require.NoError(t, err)
}

func TestVerify_ARevokedKeyIsRefusedOnTheNextRequestOfAWarmEnvironment_D4(t *testing.T) {
	w := rekeytest.New(t)
	a := w.Account("Recorder", w.Company)
	k, other := w.Issue(a.ID, "k"), w.Issue(a.ID, "other")
	w.Allowed(k.Secret, rekeytest.Home)
	_, err := w.Keys.Revoke(w.Ctx, w.As(w.Owner), k.View.Key.ID, apikey.ReasonCompromise, "")
	require.NoError(t, err)
	w.Refused(k.Secret, rekeytest.Home, verify.Unusable, verify.StatusRevoked)
	w.Allowed(other.Secret, rekeytest.Home)
}

func TestVerify_EveryKeyStopsWithItsAccount_S4(t *testing.T) {
	w := rekeytest.New(t)
	a := w.Account("Recorder", w.Company)
	var keys []token.Secret
	for range 25 {
		keys = append(keys, w.Issue(a.ID, "k").Secret)
		w.Allowed(keys[len(keys)-1], rekeytest.Home)
	}
	_, err := w.Accounts.Revoke(w.Ctx, w.As(w.Owner), a.ID, "")
	require.NoError(t, err)
	for _, k := range keys {
		w.Refused(k, rekeytest.Home, verify.Unusable, verify.StatusAccountRevoked)
	}
	require.Zero(t, w.ReadAccount(a.ID).Lock.Failures)
}

func TestVerify_TheExistingSecretIsInvalidTheMomentRotateReturns_W8(t *testing.T) {
	w := rekeytest.New(t)
	a := w.Account("Recorder", w.Company)
	old := w.Issue(a.ID, "k")
	w.Allowed(old.Secret, rekeytest.Home)
	fresh, err := w.Keys.Rotate(w.Ctx, w.As(w.Owner), a.ID, apikey.Rotate{})
	require.NoError(t, err)
	w.Refused(old.Secret, rekeytest.Home, verify.Unusable, verify.StatusRetired)
	w.Allowed(fresh.Secret, rekeytest.Home)
	more := w.Issue(a.ID, "second")
	w.Allowed(more.Secret, rekeytest.Home)
	last := w.RotateAll(a.ID)
	for _, s := range []token.Secret{fresh.Secret, more.Secret} {
		w.Refused(s, rekeytest.Home, verify.Unusable, verify.StatusRevoked)
	}
	w.Refused(old.Secret, rekeytest.Home, verify.Unusable, verify.StatusRetired)
	w.Allowed(last.Secret, rekeytest.Home)
}

func TestVerify_AKeyWorksUntilItsEndToTheMillisecond_D6(t *testing.T) {
	w := rekeytest.New(t)
	k := w.IssueFor(w.Account("Recorder", w.Root).ID, "k", 7*24*time.Hour)
	end := k.View.Key.ExpiresAt
	for _, at := range []struct {
		when   time.Duration
		class  verify.Class
		status verify.Status
	}{{-7 * 24 * time.Hour, verify.Allow, verify.StatusExpiring}, {-time.Millisecond, verify.Allow, verify.StatusExpiring},
		{0, verify.Unusable, verify.StatusExpired}, {time.Millisecond, verify.Unusable, verify.StatusExpired}} {
		w.Clock.Set(end.Add(at.when))
		w.Refused(k.Secret, rekeytest.Home, at.class, at.status)
	}
}

func TestVerify_AKeyCountsAsExpiringFromItsNoticeOn_B11(t *testing.T) {
	w := rekeytest.New(t)
	k := w.IssueFor(w.Account("Recorder", w.Root).ID, "k", 90*24*time.Hour)
	for when, want := range map[time.Duration]verify.Status{-time.Millisecond: verify.StatusActive, 0: verify.StatusExpiring} {
		w.Clock.Set(k.View.Key.ExpiresAt.Add(-apikey.Notice + when))
		v := w.Verify(k.Secret, rekeytest.Home)
		require.Equal(t, want, v.Status)
		require.Equal(t, want == verify.StatusExpiring, v.Credential.InNotice(w.Now()))
		require.Equal(t, string(want), v.Caller().KeyStatus)
	}
	forever := w.Verify(w.Issue(w.Account("Forever", w.Root).ID, "k").Secret, rekeytest.Home)
	require.False(t, forever.Credential.InNotice(w.Now()))
}

func TestVerify_ASuspendedCompanysKeysStopAndComeBackWithIt_D4(t *testing.T) {
	w := rekeytest.New(t)
	inside, outside := w.Issue(w.Account("Inside", w.Company).ID, "k"), w.Issue(w.Account("Outside", w.Below).ID, "k")
	w.Allowed(inside.Secret, rekeytest.Home)
	w.Suspend(w.Company, true)
	w.Refused(inside.Secret, rekeytest.Home, verify.Unusable, verify.StatusCompanySuspended)
	w.Refused(w.CompanyAdmin.Secret, rekeytest.Home, verify.Unusable, verify.StatusCompanySuspended)
	w.Allowed(outside.Secret, rekeytest.Home)
	w.Suspend(w.Company, false)
	w.Allowed(inside.Secret, rekeytest.Home)
}

func TestVerify_AnInactiveKeyComesBackWhenItIsActivated_D4(t *testing.T) {
	w := rekeytest.New(t)
	k := w.Issue(w.Account("Recorder", w.Company).ID, "k")
	w.Allowed(k.Secret, rekeytest.Home)
	_, err := w.Keys.Deactivate(w.Ctx, w.As(w.Owner), k.View.Key.ID)
	require.NoError(t, err)
	w.Refused(k.Secret, rekeytest.Home, verify.Unusable, verify.StatusInactive)
	require.Empty(t, rekeytest.WritesOf(w.Calls(func() { w.Request(k.Secret, rekeytest.Home) })))
	_, err = w.Keys.Activate(w.Ctx, w.As(w.Owner), k.View.Key.ID)
	require.NoError(t, err)
	w.Allowed(k.Secret, rekeytest.Home)
}

func TestVerify_AChangedRoleDecidesOnTheNextRequest_S2(t *testing.T) {
	w := rekeytest.New(t)
	r := w.CustomRole("role_Custom00000000000000", permission.KeysRead, permission.AppsRead)
	a := w.AccountWith("Recorder", w.Root, r.ID)
	all := w.Issue(a.ID, "all")
	narrow := w.IssueWith(a.ID, apikey.Issue{Name: "narrow", Scopes: rekeytest.Of(permission.AppsRead)})
	effective := func(s token.Secret) string { return w.Verify(s, rekeytest.Home).Caller().Effective.Text() }
	require.Equal(t, "apps:read keys:read", effective(all.Secret))
	require.Equal(t, "apps:read", effective(narrow.Secret))

	w.CustomRole(r.ID, permission.AppsRead, permission.AuditRead)
	require.Equal(t, "apps:read", effective(all.Secret), "what the role lost is gone, and what it gained the key does not carry")
	w.CustomRole(r.ID)
	require.Empty(t, effective(all.Secret))
	setRole(t, w, a.ID, role.Automation)
	require.Equal(t, "keys:read", effective(all.Secret))
}

func TestVerify_ARoleThatIsNotThereGrantsNothing_S2(t *testing.T) {
	w := rekeytest.New(t)
	r := w.CustomRole("role_Custom00000000000000", permission.KeysRead)
	k := w.Issue(w.AccountWith("Recorder", w.Root, r.ID).ID, "k")
	env := w.Environment(withoutRoles{w.Store})
	v, err := env.Verify(w.Ctx, verify.Presented{Secret: k.Secret}, w.Origin(rekeytest.Home))
	require.NoError(t, err)
	require.Equal(t, verify.Allow, v.Class, "the key is right; it may only do nothing")
	c := v.Caller()
	require.Empty(t, c.Effective.List())
	require.True(t, fault.Is(c.Holds(permission.KeysRead), fault.MissingPermission))
}

func TestVerify_TheCallerIsThePrincipalAndTheKeyIsItsCredential_S5(t *testing.T) {
	w := rekeytest.New(t)
	a := w.Account("Recorder", w.Company)
	k := w.IssueFor(a.ID, "exporter", 90*24*time.Hour)
	c := w.Verify(k.Secret, rekeytest.Home).Caller()
	require.Equal(t, authz.Caller{Type: audit.ServiceAccount, ID: string(a.ID), Name: "Recorder", KeyID: string(k.View.Key.ID),
		KeyPrefix: k.Secret.Reveal()[:8], KeyName: "exporter", KeyExpires: k.View.Key.ExpiresAt.Format(time.RFC3339),
		KeyStatus: "active", Auth: "secret", RoleID: role.Automation, Place: w.Company, Role: c.Role, Effective: c.Role.WithoutWildcards(),
		OwnAccount: c.OwnAccount}, c)
	require.Equal(t, permission.Of(permission.KeysRead, permission.ServiceAccountsRead), c.OwnAccount)
	p := w.Verify(w.Operator.Secret, rekeytest.Home).Caller()
	require.Equal(t, audit.Employee, p.Type)
	require.Equal(t, string(w.Operator.Employee.ID), p.ID)
	require.Equal(t, "Operator Person", p.Name)
	require.Equal(t, string(w.Operator.Token.ID), p.KeyID)
}

func TestVerify_ATokenStopsWithItsEmployee_S6(t *testing.T) {
	w := rekeytest.New(t)
	w.Allowed(w.Viewer.Secret, rekeytest.Home)
	gone := w.Environment(withoutEmployee{w.Store, string(w.Viewer.Employee.ID)})
	v, err := gone.Verify(w.Ctx, verify.Presented{Secret: w.Viewer.Secret}, w.Origin(rekeytest.Home))
	require.NoError(t, err)
	require.NotEqual(t, verify.Allow, v.Class)
	v, err = gone.Verify(w.Ctx, verify.Presented{Secret: w.Admin.Secret}, w.Origin(rekeytest.Home))
	require.NoError(t, err)
	require.Equal(t, verify.Allow, v.Class)
}
