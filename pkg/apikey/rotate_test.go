package apikey_test

import (
	"strings"
	"testing"
	"time"

	"github.com/stretchr/testify/require"

	"github.com/rekey-dev/rekey/pkg/apikey"
	"github.com/rekey-dev/rekey/pkg/audit"
	"github.com/rekey-dev/rekey/pkg/fault"
	"github.com/rekey-dev/rekey/pkg/id"
	"github.com/rekey-dev/rekey/pkg/lock"
	"github.com/rekey-dev/rekey/pkg/permission"
	"github.com/rekey-dev/rekey/pkg/precondition"
	"github.com/rekey-dev/rekey/pkg/rekeytest"
	"github.com/rekey-dev/rekey/pkg/serviceaccount"
	"github.com/rekey-dev/rekey/pkg/token"
	"github.com/rekey-dev/rekey/pkg/verify"
)

func TestRegenerate_MakesANewSecretForTheSameID_I1(t *testing.T) {
	w := rekeytest.New(t)
	k := w.IssueFor(w.Account("Recorder", w.Company).ID, "k", 90*24*time.Hour)
	before := w.Key(k.View.Key.ID)
	w.Advance(time.Hour)
	next := w.Regenerate(k.View.Key.ID)
	require.Equal(t, k.View.Key.ID, next.View.Key.ID)
	require.Equal(t, k.Secret.Reveal()[:25], next.Secret.Reveal()[:25], "the public half stays")
	require.NotEqual(t, k.Secret.Reveal()[25:], next.Secret.Reveal()[25:])
	after := w.Key(k.View.Key.ID)
	require.Equal(t, int64(2), after.Generation)
	require.Equal(t, before.ExpiresAt, after.ExpiresAt, "without a policy the old end stays")
	require.Equal(t, before.Scopes, after.Scopes)
	require.NotEqual(t, before.MAC, after.MAC)
	w.Refused(k.Secret, rekeytest.Home, verify.Unusable, verify.StatusRetired)
	w.Allowed(next.Secret, rekeytest.Home)
	e := w.Record(audit.KeyRegenerated)
	require.Equal(t, 2.0, e.Details["generation"])
	require.Equal(t, false, e.Details["unlocked"])
	require.Equal(t, 1, w.ReadAccount(k.View.Account.ID).KeyCount)
}

func TestRegenerate_UnlocksAndSaysSo_I3(t *testing.T) {
	w := rekeytest.New(t)
	a := w.Account("Recorder", w.Company)
	k := w.Issue(a.ID, "k")
	w.Guess(k.Secret, rekeytest.Away, 10)
	require.True(t, w.ReadAccount(a.ID).Lock.Locked(w.Now()))
	next := w.Regenerate(k.View.Key.ID)
	require.Equal(t, lock.Counter{Epoch: 1}, next.View.Account.Lock)
	require.Equal(t, lock.Counter{Epoch: 1}, w.ReadAccount(a.ID).Lock)
	require.Equal(t, true, w.Record(audit.KeyRegenerated).Details["unlocked"])
	w.Allowed(next.Secret, rekeytest.Away)
}

func TestRegenerate_TakesAnEndAndLeavesAnInactiveKeyInactive_I1(t *testing.T) {
	w := rekeytest.New(t)
	k := idle(w)
	end := w.Now().Add(48 * time.Hour)
	next, err := w.Keys.Regenerate(w.Ctx, w.As(w.Owner), k.View.Key.ID, apikey.Expiry{Given: true, At: end}, false)
	require.NoError(t, err)
	require.Equal(t, end, next.View.Key.ExpiresAt)
	require.Equal(t, end.Add(-apikey.Notice), next.View.Key.NoticeFrom)
	require.Equal(t, apikey.Inactive, next.View.State.Status)
	w.Loses(next.Secret)
	f := refused(t, w, fault.Invalid, 0, func() (token.Secret, error) {
		out, err := w.Keys.Regenerate(w.Ctx, w.As(w.Owner), k.View.Key.ID, apikey.Expiry{Given: true, At: w.Now()}, false)
		return out.Secret, err
	})
	require.Equal(t, []string{"/expires_at"}, pointers(f))
}

func TestRegenerate_NobodyIsShownMoreThanTheyHold_D11(t *testing.T) {
	w := rekeytest.New(t)
	a := w.Account("Recorder", w.Company)
	k := w.IssueWith(a.ID, apikey.Issue{Name: "k", Scopes: rekeytest.Of(permission.KeysRead, permission.AppsManage)})
	_, narrow := w.PAT(w.Admin, permission.Of(permission.ServiceAccountsRotate, permission.KeysRead))
	for _, show := range []func() (token.Secret, error){
		func() (token.Secret, error) {
			out, err := w.Keys.Regenerate(w.Ctx, w.With(narrow), k.View.Key.ID, apikey.Expiry{}, false)
			return out.Secret, err
		},
		func() (token.Secret, error) {
			out, err := w.Keys.Rotate(w.Ctx, w.With(narrow), a.ID, apikey.Rotate{All: true})
			return out.Secret, err
		},
	} {
		w.Advance(time.Minute)
		f := refused(t, w, fault.NotGrantable, 1, show)
		require.Contains(t, f.Detail, "apps:manage")
	}
	w.Wins(k.Secret)
}

func rotate(w *rekeytest.World, by *rekeytest.Person, a id.ServiceAccount, in apikey.Rotate) func() (token.Secret, error) {
	return func() (token.Secret, error) {
		out, err := w.Keys.Rotate(w.Ctx, w.As(by), a, in)
		return out.Secret, err
	}
}

func TestRotate_NeedsItsOwnPermissionAndWithoutItNothingChanges_W8(t *testing.T) {
	w := rekeytest.New(t)
	a := w.Account("Recorder", w.Company)
	k := w.Issue(a.ID, "k")
	before, account := w.Key(k.View.Key.ID), w.ReadAccount(a.ID)
	for _, p := range []*rekeytest.Person{w.Operator, w.Viewer} {
		for _, all := range []bool{false, true} {
			w.Advance(time.Minute)
			f := refused(t, w, fault.MissingPermission, 1, rotate(w, p, a.ID, apikey.Rotate{All: all}))
			require.Equal(t, "service_accounts:rotate", f.MissingPermission)
		}
	}
	never := refused(t, w, fault.NotFound, 0, rotate(w, w.Owner, id.New[id.ServiceAccount](w.Rand), apikey.Rotate{}))
	require.Equal(t, never, refused(t, w, fault.NotFound, 0, rotate(w, w.StrangerAdmin, a.ID, apikey.Rotate{})))
	require.Equal(t, before, w.Key(k.View.Key.ID))
	require.Equal(t, account, w.ReadAccount(a.ID))
	w.Wins(k.Secret)
	for _, e := range w.Mem.Events() {
		if e.Outcome == audit.Denied {
			require.Equal(t, audit.ServiceAccountRotated, e.Action)
			require.Equal(t, string(a.ID), e.Target.ID)
		}
	}
}

func TestRotate_WithOneKeyReplacesItsSecret_W8(t *testing.T) {
	for _, all := range []bool{false, true} {
		w := rekeytest.New(t)
		k := idle(w)
		account := k.View.Account.ID
		dead := w.Issue(account, "dead")
		require.NoError(t, actions["revoke"].do(w, w.As(w.Owner), dead.View.Key.ID))
		out, err := w.Keys.Rotate(w.Ctx, w.As(w.Owner), account, apikey.Rotate{All: all, Reason: apikey.ReasonCompromise})
		require.NoError(t, err)
		require.Equal(t, k.View.Key.ID, out.View.Key.ID, "an inactive key counts as live, a revoked one does not")
		require.Equal(t, int64(2), out.View.Key.Generation)
		require.Equal(t, apikey.ReasonCompromise, w.Record(audit.KeyRegenerated).Details["reason"])
		require.Empty(t, w.Records(audit.ServiceAccountRotated))
		w.Loses(k.Secret)
		w.Loses(out.Secret)
		require.NoError(t, actions["activate"].do(w, w.As(w.Owner), k.View.Key.ID))
		w.Wins(out.Secret)
	}
}

func TestRotate_WithoutALiveKeyIsAConflict_W8(t *testing.T) {
	w := rekeytest.New(t)
	a := w.Account("Recorder", w.Company)
	refused(t, w, fault.Conflict, 0, rotate(w, w.Owner, a.ID, apikey.Rotate{All: true}))
	w.IssueFor(a.ID, "k", time.Hour)
	w.Advance(time.Hour)
	refused(t, w, fault.Conflict, 0, rotate(w, w.Owner, a.ID, apikey.Rotate{}))
	_, err := w.Accounts.Revoke(w.Ctx, w.As(w.Owner), a.ID, "")
	require.NoError(t, err)
	refused(t, w, fault.Ended, 0, rotate(w, w.Owner, a.ID, apikey.Rotate{}))
}

func TestRotate_WithSeveralKeysSaysWhichUnlessAllIsGiven_W8(t *testing.T) {
	w := rekeytest.New(t)
	a := w.Account("Recorder", w.Company)
	var newest []string
	for range 12 {
		newest = append([]string{string(w.Issue(a.ID, "k").View.Key.ID)}, newest...)
		w.Advance(time.Second)
	}
	f := refused(t, w, fault.Conflict, 0, rotate(w, w.Owner, a.ID, apikey.Rotate{}))
	require.Equal(t, []fault.Blocker{{Type: "key", Count: 12, IDs: newest[:10]}}, f.BlockedBy)
}

func TestRotate_AllStopsEveryKeyAndShowsOneWithTheUnionOfTheirScopes_W8(t *testing.T) {
	w := rekeytest.New(t)
	a := w.Account("Recorder", w.Company)
	soon := w.Now().Add(40 * 24 * time.Hour)
	expires := func(d time.Duration) apikey.Expiry { return apikey.Expiry{Given: true, At: soon.Add(d)} }
	keys := []apikey.Shown{
		w.IssueWith(a.ID, apikey.Issue{Name: "first", Scopes: rekeytest.Of(permission.KeysRead), ExpiresAt: expires(time.Hour)}),
		w.IssueWith(a.ID, apikey.Issue{Name: "second", Scopes: rekeytest.Of(permission.AppsManage), ExpiresAt: expires(0)}),
		w.IssueWith(a.ID, apikey.Issue{Name: "off", Scopes: rekeytest.Of()}),
	}
	dead := w.IssueWith(a.ID, apikey.Issue{Name: "dead", Scopes: rekeytest.Of(permission.KeysVerify), ExpiresAt: expires(-39 * 24 * time.Hour)})
	require.NoError(t, actions["deactivate"].do(w, w.As(w.Owner), keys[2].View.Key.ID))
	w.Advance(time.Second)
	keys = append(keys, w.IssueWith(a.ID, apikey.Issue{Name: "newest", Scopes: rekeytest.Of(permission.KeysRead)}))
	require.NoError(t, actions["revoke"].do(w, w.As(w.Owner), dead.View.Key.ID))
	before := w.ReadAccount(a.ID)
	commits := 0
	for _, call := range w.Calls(func() {
		out, err := w.Keys.Rotate(w.Ctx, w.As(w.Admin), a.ID, apikey.Rotate{All: true, Reason: apikey.ReasonAffiliation})
		require.NoError(t, err)
		w.Note(out.Secret)
		next := out.View.Key
		require.Equal(t, "newest", next.Name)
		require.Equal(t, "apps:manage keys:read", next.Scopes.Text())
		require.Equal(t, soon, next.ExpiresAt, "the earliest among them")
		require.Equal(t, int64(1), next.Generation)
		require.Equal(t, apikey.Active, out.View.State.Status)
		w.Wins(out.Secret)
	}) {
		if call == "Commit" {
			commits++
		}
	}
	require.Equal(t, 1, commits, "one transaction whatever their number")
	ended := &serviceaccount.Ended{At: w.Now(), By: string(w.Admin.Employee.ID), Reason: apikey.ReasonSuperseded}
	for _, k := range keys {
		w.Loses(k.Secret)
		v, err := w.Keys.Get(w.Ctx, w.As(w.Owner), k.View.Key.ID)
		require.NoError(t, err)
		require.Equal(t, apikey.State{Status: apikey.Revoked, Ended: ended}, v.State)
		require.Empty(t, w.Records(audit.KeyRevoked)[1:], "the stopped ones get no records of their own")
	}
	after := w.ReadAccount(a.ID)
	require.Equal(t, 1, after.KeyCount)
	require.Equal(t, before.IssueEpoch+1, after.IssueEpoch)
	require.Equal(t, before.Version, after.Version, "the account's ETag is not about its keys")
	e := w.Record(audit.ServiceAccountRotated)
	require.Equal(t, string(a.ID), e.Target.ID)
	require.Equal(t, after.EventSeq, e.Seq)
	require.Equal(t, 4.0, e.Details["keys_stopped"])
	require.Equal(t, apikey.ReasonAffiliation, e.Details["reason"])
	require.Len(t, w.Records(audit.KeyIssued), 6)
}

func TestRotate_AllTakesAnEndAndClearsTheLock_W8(t *testing.T) {
	w := rekeytest.New(t)
	a := w.Account("Recorder", w.Company)
	k := w.IssueFor(a.ID, "k", time.Hour)
	w.Issue(a.ID, "l")
	w.Guess(k.Secret, rekeytest.Away, 10)
	out, err := w.Keys.Rotate(w.Ctx, w.As(w.Owner), a.ID, apikey.Rotate{All: true, ExpiresAt: apikey.Expiry{Given: true}})
	require.NoError(t, err)
	require.Zero(t, out.View.Key.ExpiresAt, "never, as given")
	require.Equal(t, lock.Counter{Epoch: 1}, w.ReadAccount(a.ID).Lock)
	w.Wins(out.Secret)
	w.Issue(a.ID, "l")
	f := refused(t, w, fault.Invalid, 0, rotate(w, w.Owner, a.ID, apikey.Rotate{All: true, ExpiresAt: apikey.Expiry{Given: true, At: w.Now()}}))
	require.Equal(t, []string{"/expires_at"}, pointers(f))
	f = refused(t, w, fault.Invalid, 0, rotate(w, w.Owner, a.ID, apikey.Rotate{All: true, Reason: strings.Repeat("x", 501)}))
	require.Equal(t, []string{"/reason"}, pointers(f))
}

func TestRotate_AKeyThatIsIssuedMeanwhileStopsTooOrIsRefused_W8(t *testing.T) {
	w := rekeytest.New(t)
	a := w.Account("Recorder", w.Company)
	w.Issue(a.ID, "one")
	w.Issue(a.ID, "two")
	var late apikey.Shown
	w.Store.Hook = func(_ int, method string) {
		if method == "Commit" {
			w.Store.Hook = nil
			late = w.IssueWith(a.ID, apikey.Issue{Name: "late"})
		}
	}
	out := w.RotateAll(a.ID)
	w.Loses(late.Secret)
	w.Wins(out.Secret)
	require.Equal(t, 3.0, w.Record(audit.ServiceAccountRotated).Details["keys_stopped"])
}

func TestRotate_HonoursIfMatchOnTheAccount_W8(t *testing.T) {
	w := rekeytest.New(t)
	a := w.Account("Recorder", w.Company)
	w.Issue(a.ID, "k")
	refused(t, w, fault.PreconditionFailed, 0, func() (token.Secret, error) {
		out, err := w.Keys.Rotate(w.Ctx, rekeytest.IfMatch(w.As(w.Owner), "stale"), a.ID, apikey.Rotate{})
		return out.Secret, err
	})
	_, err := w.Keys.Rotate(w.Ctx, rekeytest.IfMatch(w.As(w.Owner), precondition.Tag(string(a.ID), a.Version)), a.ID, apikey.Rotate{})
	require.NoError(t, err)
}

func TestKeys_ASecondKeyThenRevokeTheFirstAndNoRequestFails_S3(t *testing.T) {
	w := rekeytest.New(t)
	a := w.Account("Recorder", w.Company)
	old := w.Issue(a.ID, "blue")
	inUse := old.Secret
	step := func() {
		w.Advance(20 * time.Second)
		w.Allowed(inUse, rekeytest.Home)
	}
	step()
	next := w.Issue(a.ID, "green")
	step()
	inUse = next.Secret // deployed
	for range 4 {
		step()
	}
	w.JustUsed(w.Key(next.View.Key.ID).LastUsedAt)
	require.NoError(t, actions["revoke"].do(w, w.As(w.Owner), old.View.Key.ID))
	step()
	w.Refused(old.Secret, rekeytest.Home, verify.Unusable, verify.StatusRevoked)
	require.Zero(t, w.ReadAccount(a.ID).Lock.Failures)
}
