package serviceaccount_test

import (
	"strings"
	"testing"
	"time"

	"github.com/stretchr/testify/require"

	"github.com/rekey-dev/rekey/pkg/apikey"
	"github.com/rekey-dev/rekey/pkg/audit"
	"github.com/rekey-dev/rekey/pkg/call"
	"github.com/rekey-dev/rekey/pkg/fault"
	"github.com/rekey-dev/rekey/pkg/id"
	"github.com/rekey-dev/rekey/pkg/lock"
	"github.com/rekey-dev/rekey/pkg/permission"
	"github.com/rekey-dev/rekey/pkg/precondition"
	"github.com/rekey-dev/rekey/pkg/rekeytest"
	"github.com/rekey-dev/rekey/pkg/role"
	"github.com/rekey-dev/rekey/pkg/serviceaccount"
)

// actions are the use cases on one account, with the permission that each needs and what it records.
var actions = map[string]struct {
	permission permission.Permission
	record     string
	do         func(w *rekeytest.World, c call.Call, a id.ServiceAccount) error
}{
	"patch": {permission.ServiceAccountsUpdate, audit.ServiceAccountUpdated, func(w *rekeytest.World, c call.Call, a id.ServiceAccount) error {
		description := "changed at " + w.Now().String()
		_, err := w.Accounts.Patch(w.Ctx, c, a, serviceaccount.Patch{Description: &description})
		return err
	}},
	"revoke": {permission.ServiceAccountsDelete, audit.ServiceAccountRevoked, func(w *rekeytest.World, c call.Call, a id.ServiceAccount) error {
		_, err := w.Accounts.Revoke(w.Ctx, c, a, "")
		return err
	}},
	"delete": {permission.ServiceAccountsDelete, audit.ServiceAccountDeleted, func(w *rekeytest.World, c call.Call, a id.ServiceAccount) error {
		return w.Accounts.Delete(w.Ctx, c, a)
	}},
	"unlock": {permission.KeysUnlock, audit.Unlocked, func(w *rekeytest.World, c call.Call, a id.ServiceAccount) error {
		_, err := w.Accounts.Unlock(w.Ctx, c, a)
		return err
	}},
}

// failing makes an account without live keys and with counted failures, so that every action changes something.
func failing(w *rekeytest.World) id.ServiceAccount {
	w.T.Helper()
	a := w.Account("Recorder", w.Company)
	k := w.Issue(a.ID, "k")
	w.Guess(k.Secret, rekeytest.Away, 3)
	_, err := w.Keys.Revoke(w.Ctx, w.As(w.Owner), k.View.Key.ID, "", "")
	require.NoError(w.T, err)
	return a.ID
}

func TestActions_EachNeedsItsPermissionAndARefusalIsOnRecord_D11(t *testing.T) {
	for name, a := range actions {
		t.Run(name, func(t *testing.T) {
			w := rekeytest.New(t)
			account := failing(w)
			before := w.ReadAccount(account)
			for _, p := range []*rekeytest.Person{w.Operator, w.Viewer} {
				f := refused(t, w, fault.MissingPermission, 1, func() error { return a.do(w, w.As(p), account) })
				require.Equal(t, string(a.permission), f.MissingPermission)
			}
			_, narrow := w.PAT(w.Owner, permission.All.Without(permission.Of(a.permission)))
			f := refused(t, w, fault.MissingScope, 1, func() error { return a.do(w, w.With(narrow), account) })
			require.Equal(t, string(a.permission), f.MissingScope)
			never := refused(t, w, fault.NotFound, 0, func() error { return a.do(w, w.As(w.Owner), id.New[id.ServiceAccount](w.Rand)) })
			for _, p := range []*rekeytest.Person{w.SiblingAdmin, w.StrangerAdmin} {
				require.Equal(t, never, refused(t, w, fault.NotFound, 0, func() error { return a.do(w, w.As(p), account) }))
			}
			require.Equal(t, before, w.ReadAccount(account), "nothing changed")
			for _, e := range w.Mem.Events() {
				if e.Outcome == audit.Denied {
					require.Equal(t, a.record, e.Action)
					require.Equal(t, audit.Target{Type: "service_account", ID: string(account), Name: "Recorder"}, e.Target)
				}
			}
			require.NoError(t, a.do(w, w.As(w.CompanyAdmin), account))
			e := w.Records(a.record)
			require.Equal(t, before.EventSeq+1, e[len(e)-1].Seq)
			require.Equal(t, string(w.CompanyAdmin.Employee.ID), e[len(e)-1].Actor.ID)
		})
	}
}

func TestActions_AreRefusedUnlessTheAccountIsAsTheCallerSawIt_W7(t *testing.T) {
	for name, a := range actions {
		w := rekeytest.New(t)
		account := failing(w)
		tag := precondition.Tag(string(account), w.ReadAccount(account).Version)
		refused(t, w, fault.PreconditionFailed, 0, func() error {
			return a.do(w, rekeytest.IfMatch(w.As(w.Owner), "stale", tag+"0"), account)
		})
		require.NoError(t, a.do(w, rekeytest.IfMatch(w.As(w.Owner), tag), account), name)
	}
}

func TestPatch_ChangesWhatIsGivenAndNamesIt_W7(t *testing.T) {
	w := rekeytest.New(t)
	a := w.Account("Recorder", w.Company)
	w.Advance(time.Hour)
	name, description, external, r := "Exporter", "Owned by team green.", "4712", role.Integration
	contacts, tags := []string{"green@example.com"}, []string{"green"}
	v, err := w.Accounts.Patch(w.Ctx, w.As(w.Owner), a.ID, serviceaccount.Patch{Name: &name, Description: &description, RoleID: &r,
		Contacts: &contacts, ExternalID: &external, Tags: &tags})
	require.NoError(t, err)
	want := a
	want.Name, want.Description, want.ExternalID, want.RoleID, want.Contacts, want.Tags = name, description, external, r, contacts, tags
	want.Version, want.EventSeq, want.UpdatedAt = 2, 2, w.Now()
	require.Equal(t, want, v.Account)
	require.Equal(t, want, w.ReadAccount(a.ID))
	require.Equal(t, map[string]any{"changed": []any{"name", "description", "role_id", "contacts", "external_id", "tags"},
		"role_id": string(r)}, w.Record(audit.ServiceAccountUpdated).Details)
	require.Zero(t, w.Changed(func() {
		_, err := w.Accounts.Patch(w.Ctx, w.As(w.Owner), a.ID, serviceaccount.Patch{Name: &name, Tags: &tags})
		require.NoError(t, err)
	}), "the same again is no change")
	empty := ""
	v, err = w.Accounts.Patch(w.Ctx, w.As(w.Owner), a.ID, serviceaccount.Patch{Description: &empty})
	require.NoError(t, err)
	require.Empty(t, v.Account.Description)
	require.Equal(t, name, v.Account.Name)
}

func TestPatch_BadTextsAndATakenNameAreRefused_W7(t *testing.T) {
	w := rekeytest.New(t)
	a := w.Account("Recorder", w.Company)
	w.Account("Taken", w.Company)
	bad, long, unknown := "", strings.Repeat("x", 501), id.Role("role_Nothing0000000000000")
	list := []string{"x y"}
	patch := func(in serviceaccount.Patch) func() error {
		return func() error {
			_, err := w.Accounts.Patch(w.Ctx, w.As(w.Owner), a.ID, in)
			return err
		}
	}
	f := refused(t, w, fault.Invalid, 0, patch(serviceaccount.Patch{Name: &bad, Description: &long, ExternalID: &long, Contacts: &list, Tags: &list}))
	require.ElementsMatch(t, []string{"/name", "/description", "/external_id", "/contacts/0", "/tags/0"}, pointers(f))
	require.Equal(t, []string{"/role_id"}, pointers(refused(t, w, fault.Invalid, 0, patch(serviceaccount.Patch{RoleID: &unknown}))))
	taken, same := "TAKEN", "RECORDER"
	refused(t, w, fault.Conflict, 0, patch(serviceaccount.Patch{Name: &taken}))
	require.NoError(t, patch(serviceaccount.Patch{Name: &same})())
	require.Equal(t, "RECORDER", w.ReadAccount(a.ID).Name)
}

func TestPatch_ARoleThatIsTakenAwayDecidesOnTheNextRequestOfEveryKey_S2(t *testing.T) {
	w := rekeytest.New(t)
	a := w.Account("Recorder", w.Company)
	k := w.Issue(a.ID, "k")
	to := role.Integration
	_, err := w.Accounts.Patch(w.Ctx, w.As(w.Owner), a.ID, serviceaccount.Patch{RoleID: &to})
	require.NoError(t, err)
	require.Equal(t, "keys:read service_accounts:read", w.Verify(k.Secret, rekeytest.Home).Caller().Effective.Text())
}

func TestRevoke_StopsEveryKeyInOneTransactionAndMarksThePrincipalInactive_S4(t *testing.T) {
	for _, count := range []int{0, 1, 40} {
		w := rekeytest.New(t)
		a := w.Account("Recorder", w.Company)
		var keys []apikey.Shown
		for range count {
			keys = append(keys, w.Issue(a.ID, "k"))
		}
		expired := w.IssueFor(a.ID, "expired", time.Hour)
		w.Advance(time.Hour)
		calls := rekeytest.WritesOf(w.Calls(func() {
			v, err := w.Accounts.Revoke(w.Ctx, w.As(w.Admin), a.ID, "the bot is retired")
			require.NoError(t, err)
			require.Equal(t, serviceaccount.Revoked, v.Account.Status)
			require.Zero(t, v.Account.KeyCount)
		}))
		require.Equal(t, []string{"Commit"}, calls)
		ended := &serviceaccount.Ended{At: w.Now(), By: string(w.Admin.Employee.ID), Reason: "cessation"}
		for _, k := range keys {
			w.Loses(k.Secret)
			v, err := w.Keys.Get(w.Ctx, w.As(w.Owner), k.View.Key.ID)
			require.NoError(t, err)
			require.Equal(t, apikey.State{Status: apikey.Revoked, Ended: ended}, v.State)
		}
		v, err := w.Keys.Get(w.Ctx, w.As(w.Owner), expired.View.Key.ID)
		require.NoError(t, err)
		require.Equal(t, apikey.Expired, v.State.Status, "it had ended before")
		e := w.Record(audit.ServiceAccountRevoked)
		require.Equal(t, map[string]any{"principal_status": "inactive", "keys_stopped": float64(count), "reason": "the bot is retired"}, e.Details)
		require.Zero(t, w.Changed(func() {
			again, err := w.Accounts.Revoke(w.Ctx, w.As(w.Admin), a.ID, "another reason")
			require.NoError(t, err)
			require.Equal(t, w.ReadAccount(a.ID), again.Account)
		}), "again: unchanged")
	}
}

func TestRevoke_AKeyThatIsIssuedMeanwhileStopsTooOrIsRefused_S4(t *testing.T) {
	w := rekeytest.New(t)
	a := w.Account("Recorder", w.Company)
	var late apikey.Shown
	w.Store.Hook = func(_ int, method string) {
		if method == "Commit" {
			w.Store.Hook = nil
			late = w.Issue(a.ID, "late")
		}
	}
	_, err := w.Accounts.Revoke(w.Ctx, w.As(w.Owner), a.ID, "")
	require.NoError(t, err)
	w.Loses(late.Secret)
	require.Equal(t, 1.0, w.Record(audit.ServiceAccountRevoked).Details["keys_stopped"])
}

func TestRevoke_IsFinal_S4(t *testing.T) {
	w := rekeytest.New(t)
	a := w.Account("Recorder", w.Company)
	_, err := w.Accounts.Revoke(w.Ctx, w.As(w.Owner), a.ID, "")
	require.NoError(t, err)
	for _, name := range []string{"patch", "unlock"} {
		refused(t, w, fault.Ended, 0, func() error { return actions[name].do(w, w.As(w.Owner), a.ID) })
	}
	other := w.Account("Other", w.Company)
	f := refused(t, w, fault.Invalid, 0, func() error {
		_, err := w.Accounts.Revoke(w.Ctx, w.As(w.Owner), other.ID, strings.Repeat("x", 501))
		return err
	})
	require.Equal(t, []string{"/reason"}, pointers(f))
}

func TestAccount_OutlivesTheEmployeeWhoMadeItAndIsItsOwnActor_S5(t *testing.T) {
	w := rekeytest.New(t)
	maker := w.Hire("Maker", w.Below, role.Admin)
	v, err := w.Accounts.Create(w.Ctx, w.As(maker), serviceaccount.New{Name: "Recorder", Company: w.Company.Company})
	require.NoError(t, err)
	k, err := w.Keys.Issue(w.Ctx, w.As(maker), v.Account.ID, apikey.Issue{Name: "k"})
	require.NoError(t, err)
	w.Note(k.Secret)
	require.NoError(t, w.Tokens.RevokeHeld(w.Ctx, w.As(maker), maker.Token.ID, 1, "", "")) // the maker's credential goes
	w.Loses(maker.Secret)
	w.Allowed(k.Secret, rekeytest.Home)
	e := w.Record(audit.KeyFirstUsed)
	require.Equal(t, audit.ServiceAccount, e.Actor.Type)
	require.Equal(t, string(v.Account.ID), e.Actor.ID)
	require.Equal(t, string(maker.Employee.ID), w.ReadAccount(v.Account.ID).CreatedBy)
}

func TestDelete_NeedsThatNoKeyIsAlive_W7(t *testing.T) {
	w := rekeytest.New(t)
	a := w.Account("Recorder", w.Company)
	var keys []string
	for range 12 {
		keys = append([]string{string(w.Issue(a.ID, "k").View.Key.ID)}, keys...)
		w.Advance(time.Second)
	}
	del := func() error { return w.Accounts.Delete(w.Ctx, w.As(w.Owner), a.ID) }
	f := refused(t, w, fault.InUse, 0, del)
	require.Equal(t, []fault.Blocker{{Type: "key", Count: 12, IDs: keys[:10]}}, f.BlockedBy)
	for _, k := range keys {
		_, err := w.Keys.Revoke(w.Ctx, w.As(w.Owner), id.Key(k), "", "")
		require.NoError(t, err)
	}
	require.NoError(t, del())
	require.Equal(t, serviceaccount.Deleted, w.ReadAccount(a.ID).Status)
	never := refused(t, w, fault.NotFound, 0, func() error { return w.Accounts.Delete(w.Ctx, w.As(w.Owner), id.New[id.ServiceAccount](w.Rand)) })
	require.Equal(t, never, refused(t, w, fault.NotFound, 0, del))
	_, err := w.Accounts.Get(w.Ctx, w.As(w.Owner), a.ID)
	require.Equal(t, never, err)
	w.Account("Recorder", w.Company) // its name can be used again
	w.Record(audit.ServiceAccountDeleted)
}

func TestDelete_OfARevokedAccountOrWithExpiredKeys_W7(t *testing.T) {
	w := rekeytest.New(t)
	revoked, expired := w.Account("Revoked", w.Company), w.Account("Expired", w.Company)
	w.Issue(revoked.ID, "k")
	k := w.IssueFor(expired.ID, "k", time.Hour)
	w.Advance(time.Hour)
	_, err := w.Accounts.Revoke(w.Ctx, w.As(w.Owner), revoked.ID, "")
	require.NoError(t, err)
	require.NoError(t, w.Accounts.Delete(w.Ctx, w.As(w.Owner), revoked.ID))
	require.NoError(t, w.Accounts.Delete(w.Ctx, w.As(w.Owner), expired.ID))
	w.Loses(k.Secret)
}

func TestDelete_LosesToAKeyThatIsIssuedMeanwhile_W7(t *testing.T) {
	w := rekeytest.New(t)
	a := w.Account("Recorder", w.Company)
	var late apikey.Shown
	w.Store.Hook = func(_ int, method string) {
		if method == "Commit" {
			w.Store.Hook = nil
			late = w.Issue(a.ID, "late")
		}
	}
	err := w.Accounts.Delete(w.Ctx, w.As(w.Owner), a.ID)
	require.True(t, fault.Is(err, fault.InUse), "%v", err)
	w.Wins(late.Secret)
}

func TestUnlock_EndsTheLockAndForgetsTheFailures_I3(t *testing.T) {
	w := rekeytest.New(t)
	a := w.Account("Recorder", w.Company)
	k := w.Issue(a.ID, "k")
	require.Zero(t, w.Changed(func() {
		_, err := w.Accounts.Unlock(w.Ctx, w.As(w.Admin), a.ID)
		require.NoError(t, err)
	}), "there is nothing to unlock")
	w.Guess(k.Secret, rekeytest.Away, 10)
	before := w.ReadAccount(a.ID)
	w.Loses(k.Secret)
	v, err := w.Accounts.Unlock(w.Ctx, w.As(w.Admin), a.ID)
	require.NoError(t, err)
	require.Equal(t, lock.Counter{Epoch: 1}, v.Account.Lock)
	require.Empty(t, v.Sources)
	w.Wins(k.Secret)
	e := w.Record(audit.Unlocked)
	require.Equal(t, map[string]any{"failures": 10.0, "was_locked": true, "locked_until": before.Lock.LockEndsAt.Format(time.RFC3339)}, e.Details)
	require.Equal(t, before.Version, w.ReadAccount(a.ID).Version, "a lock is no part of the ETag")
	w.Guess(k.Secret, rekeytest.Elsewhere, 9)
	w.Wins(k.Secret)
	_, err = w.Accounts.Unlock(w.Ctx, w.As(w.Admin), a.ID)
	require.NoError(t, err)
	require.Equal(t, false, w.Records(audit.Unlocked)[1].Details["was_locked"])
}

func TestGet_ShowsWhoSentWrongSecretsWhileItIsLocked_I2(t *testing.T) {
	w := rekeytest.New(t)
	a := w.Account("Recorder", w.Company)
	k := w.Issue(a.ID, "k")
	w.Guess(k.Secret, rekeytest.Elsewhere, 3)
	w.Guess(k.Secret, rekeytest.Away, 6)
	v, err := w.Accounts.Get(w.Ctx, w.As(w.Viewer), a.ID)
	require.NoError(t, err)
	require.Empty(t, v.Sources, "it is not locked")
	w.Guess(k.Secret, rekeytest.Away, 1)
	v, err = w.Accounts.Get(w.Ctx, w.As(w.Viewer), a.ID)
	require.NoError(t, err)
	require.True(t, v.Account.Lock.Locked(w.Now()))
	require.Len(t, v.Sources, 2)
	require.Equal(t, rekeytest.Away, v.Sources[0].Address, "most first")
	require.Equal(t, 7, v.Sources[0].Counter.Failures)
	require.Equal(t, string(k.View.Key.ID), v.Sources[0].KeyID)
	w.Advance(lock.Default.Duration)
	v, err = w.Accounts.Get(w.Ctx, w.As(w.Viewer), a.ID)
	require.NoError(t, err)
	require.False(t, v.Account.Lock.Locked(w.Now()))
	require.Empty(t, v.Sources)
}
