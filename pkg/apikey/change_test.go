package apikey_test

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
	"github.com/rekey-dev/rekey/pkg/permission"
	"github.com/rekey-dev/rekey/pkg/precondition"
	"github.com/rekey-dev/rekey/pkg/rekeytest"
	"github.com/rekey-dev/rekey/pkg/serviceaccount"
	"github.com/rekey-dev/rekey/pkg/token"
)

// actions are the use cases on one key, with the permission that each needs and what it records.
var actions = map[string]struct {
	permission permission.Permission
	action     string
	change     string
	do         func(w *rekeytest.World, c call.Call, k id.Key) error
}{
	"revoke": {permission.KeysRevoke, audit.UserUpdated, audit.KeyRevoked, func(w *rekeytest.World, c call.Call, k id.Key) error {
		_, err := w.Keys.Revoke(w.Ctx, c, k, "", "")
		return err
	}},
	"deactivate": {permission.KeysRevoke, audit.UserUpdated, audit.KeyDeactivated, func(w *rekeytest.World, c call.Call, k id.Key) error {
		_, err := w.Keys.Deactivate(w.Ctx, c, k)
		return err
	}},
	"activate": {permission.KeysIssue, audit.UserUpdated, audit.KeyActivated, func(w *rekeytest.World, c call.Call, k id.Key) error {
		_, err := w.Keys.Activate(w.Ctx, c, k)
		return err
	}},
	"regenerate": {permission.ServiceAccountsRotate, audit.UserUpdated, audit.KeyRegenerated, func(w *rekeytest.World, c call.Call, k id.Key) error {
		out, err := w.Keys.Regenerate(w.Ctx, c, k, apikey.Expiry{}, false)
		if err != nil {
			require.True(w.T, out.Secret.IsZero())
		}
		w.Note(out.Secret)
		return err
	}},
	"patch": {permission.KeysIssue, audit.KeyUpdated, audit.KeyUpdated, func(w *rekeytest.World, c call.Call, k id.Key) error {
		name := "renamed"
		_, err := w.Keys.Patch(w.Ctx, c, k, apikey.Patch{Name: &name})
		return err
	}},
}

// idle makes a key that is off, so that every action changes something.
func idle(w *rekeytest.World) apikey.Shown {
	w.T.Helper()
	k := w.Issue(w.Account("Recorder", w.Company).ID, "k")
	_, err := w.Keys.Deactivate(w.Ctx, w.As(w.Owner), k.View.Key.ID)
	require.NoError(w.T, err)
	return k
}

func TestActions_EachNeedsItsPermissionAndARefusalIsOnRecord_D11_W8(t *testing.T) {
	for name, a := range actions {
		t.Run(name, func(t *testing.T) {
			w := rekeytest.New(t)
			k := w.Issue(w.Account("Recorder", w.Company).ID, "k").View.Key
			if name == "activate" {
				require.NoError(t, actions["deactivate"].do(w, w.As(w.Owner), k.ID))
			}
			before := w.Key(k.ID)
			for _, p := range []*rekeytest.Person{w.Operator, w.Viewer} {
				f := refused(t, w, fault.MissingPermission, 1, func() (token.Secret, error) { return token.Secret{}, a.do(w, w.As(p), k.ID) })
				require.Equal(t, string(a.permission), f.MissingPermission)
			}
			_, narrow := w.PAT(w.Owner, permission.All.Without(permission.Of(a.permission)))
			f := refused(t, w, fault.MissingScope, 1, func() (token.Secret, error) { return token.Secret{}, a.do(w, w.With(narrow), k.ID) })
			require.Equal(t, string(a.permission), f.MissingScope)
			never := refused(t, w, fault.NotFound, 0, func() (token.Secret, error) {
				return token.Secret{}, a.do(w, w.As(w.Owner), id.New[id.Key](w.Rand))
			})
			for _, p := range []*rekeytest.Person{w.SiblingAdmin, w.StrangerAdmin} {
				got := refused(t, w, fault.NotFound, 0, func() (token.Secret, error) { return token.Secret{}, a.do(w, w.As(p), k.ID) })
				require.Equal(t, never, got, "another tenant's is as one that never was")
			}
			require.Equal(t, before, w.Key(k.ID), "nothing changed")
			for _, e := range w.Mem.Events() {
				if e.Outcome == audit.Denied {
					require.Equal(t, a.action, e.Action)
					require.Equal(t, a.change, e.Details["change"])
					require.Equal(t, audit.Target{Type: "key", ID: string(k.ID), Name: "k"}, e.Target)
				}
			}
			for _, p := range []*rekeytest.Person{w.CompanyAdmin} {
				require.NoError(t, a.do(w, w.As(p), k.ID))
			}
		})
	}
}

func TestActions_EachRecordsItselfOnTheKeyWithTheNextSeq_D8(t *testing.T) {
	for name, a := range actions {
		w := rekeytest.New(t)
		k := idle(w)
		if name == "deactivate" {
			require.NoError(t, actions["activate"].do(w, w.As(w.Owner), k.View.Key.ID))
		}
		before := w.Key(k.View.Key.ID)
		w.Advance(time.Second)
		require.NoError(t, a.do(w, w.As(w.Admin), k.View.Key.ID))
		records := w.Records(a.change)
		e := records[len(records)-1]
		after := w.Key(k.View.Key.ID)
		require.Equal(t, a.action, e.Action)
		require.Equal(t, before.EventSeq+1, e.Seq, name)
		require.Equal(t, before.Version+1, after.Version, name)
		require.Equal(t, w.Now(), after.UpdatedAt)
		require.Equal(t, string(w.Admin.Employee.ID), e.Actor.ID)
		for _, detail := range []string{"change", "key_id", "key_prefix", "generation", "scopes", "service_account_id"} {
			require.Contains(t, e.Details, detail, name)
		}
		require.Equal(t, float64(after.Generation), e.Details["generation"])
	}
}

func TestActions_AreRefusedUnlessTheKeyIsAsTheCallerSawIt_W8(t *testing.T) {
	for name, a := range actions {
		w := rekeytest.New(t)
		k := idle(w)
		if name == "deactivate" {
			require.NoError(t, actions["activate"].do(w, w.As(w.Owner), k.View.Key.ID))
		}
		now := w.Key(k.View.Key.ID)
		stale := rekeytest.IfMatch(w.As(w.Owner), precondition.Tag(string(now.ID), now.Version-1), "nonsense")
		refused(t, w, fault.PreconditionFailed, 0, func() (token.Secret, error) { return token.Secret{}, a.do(w, stale, now.ID) })
		require.NoError(t, a.do(w, rekeytest.IfMatch(w.As(w.Owner), "x", precondition.Tag(string(now.ID), now.Version)), now.ID), name)
		require.True(t, fault.Is(a.do(w, rekeytest.IfMatch(w.As(w.Owner), precondition.Tag(string(now.ID), now.Version)), now.ID),
			fault.PreconditionFailed), "%s changed the tag", name)
	}
}

func TestActions_OnAKeyThatHasEndedAreRefusedAsFinal_D4(t *testing.T) {
	ends := map[string]func(w *rekeytest.World, k apikey.Shown){
		"revoked": func(w *rekeytest.World, k apikey.Shown) {
			require.NoError(w.T, actions["revoke"].do(w, w.As(w.Owner), k.View.Key.ID))
		},
		"expired":    func(w *rekeytest.World, _ apikey.Shown) { w.Advance(time.Hour) },
		"rotate all": func(w *rekeytest.World, k apikey.Shown) { w.RotateAll(k.View.Account.ID) },
		"account": func(w *rekeytest.World, k apikey.Shown) {
			_, err := w.Accounts.Revoke(w.Ctx, w.As(w.Owner), k.View.Account.ID, "")
			require.NoError(w.T, err)
		},
	}
	for how, end := range ends {
		for name, a := range actions {
			w := rekeytest.New(t)
			account := w.Account("Recorder", w.Company)
			k := w.IssueFor(account.ID, "k", time.Hour)
			w.Issue(account.ID, "second")
			end(w, k)
			if name == "revoke" && how != "expired" {
				require.Zero(t, w.Changed(func() { require.NoError(t, a.do(w, w.As(w.Owner), k.View.Key.ID)) }), "again: unchanged")
				continue
			}
			f := refused(t, w, fault.Ended, 0, func() (token.Secret, error) { return token.Secret{}, a.do(w, w.As(w.Owner), k.View.Key.ID) })
			require.Contains(t, f.Detail, w.Now().Format(time.RFC3339), "%s after %s says since when", name, how)
		}
	}
}

func TestRevoke_SaysWhenByWhomAndWhy_D4(t *testing.T) {
	w := rekeytest.New(t)
	a := w.Account("Recorder", w.Company)
	for i, reason := range []string{"", apikey.ReasonCompromise, apikey.ReasonSuperseded, apikey.ReasonAffiliation, apikey.ReasonCessation, apikey.ReasonUnspecified} {
		k := w.Issue(a.ID, "k").View.Key.ID
		require.Equal(t, 1, w.ReadAccount(a.ID).KeyCount)
		w.Advance(time.Minute)
		v, err := w.Keys.Revoke(w.Ctx, w.As(w.Admin), k, reason, "seen in a log")
		require.NoError(t, err)
		want := reason
		if want == "" {
			want = apikey.ReasonUnspecified
		}
		ended := serviceaccount.Ended{At: w.Now(), By: string(w.Admin.Employee.ID), Reason: want}
		require.Equal(t, apikey.State{Status: apikey.Revoked, Ended: &ended}, v.State)
		require.Zero(t, v.Account.KeyCount)
		require.Zero(t, w.ReadAccount(a.ID).KeyCount)
		got, err := w.Keys.Get(w.Ctx, w.As(w.Owner), k)
		require.NoError(t, err)
		require.Equal(t, v.State, got.State)
		records := w.Records(audit.KeyRevoked)
		require.Len(t, records, i+1)
		for _, e := range records {
			require.Equal(t, "seen in a log", e.Details["note"])
		}
	}
}

func TestRevoke_AnUnknownReasonOrABadNoteIsRefusedWithItsPointer_D4(t *testing.T) {
	w := rekeytest.New(t)
	k := w.Issue(w.Account("Recorder", w.Company).ID, "k")
	for pointer, in := range map[string][2]string{"/reason": {"because", ""}, "/note": {"", strings.Repeat("x", 501)}} {
		f := refused(t, w, fault.Invalid, 0, func() (token.Secret, error) {
			_, err := w.Keys.Revoke(w.Ctx, w.As(w.Owner), k.View.Key.ID, in[0], in[1])
			return token.Secret{}, err
		})
		require.Equal(t, []string{pointer}, pointers(f))
	}
	w.Wins(k.Secret)
}

func TestDeactivate_SwitchesOffAndActivateOnAgainAndTwiceChangesNothing_D4(t *testing.T) {
	w := rekeytest.New(t)
	k := w.Issue(w.Account("Recorder", w.Company).ID, "k")
	off, err := w.Keys.Deactivate(w.Ctx, w.As(w.Owner), k.View.Key.ID)
	require.NoError(t, err)
	require.Equal(t, apikey.Inactive, off.State.Status)
	require.Nil(t, off.State.Ended)
	w.Loses(k.Secret)
	require.Zero(t, w.Changed(func() { require.NoError(t, actions["deactivate"].do(w, w.As(w.Owner), off.Key.ID)) }))
	require.Equal(t, 1, w.ReadAccount(off.Account.ID).KeyCount, "an inactive key is not revoked")
	on, err := w.Keys.Activate(w.Ctx, w.As(w.Owner), k.View.Key.ID)
	require.NoError(t, err)
	require.Equal(t, apikey.Active, on.State.Status)
	w.Wins(k.Secret)
	require.Zero(t, w.Changed(func() { require.NoError(t, actions["activate"].do(w, w.As(w.Owner), off.Key.ID)) }))
}

func TestPatch_ScopesOnlyBecomeFewer_D5(t *testing.T) {
	w := rekeytest.New(t)
	a := w.Account("Recorder", w.Company)
	k := w.IssueWith(a.ID, apikey.Issue{Name: "k", Scopes: rekeytest.Of(permission.KeysRead, permission.AppsManage)})
	patch := func(scopes []string) func() (token.Secret, error) {
		return func() (token.Secret, error) {
			_, err := w.Keys.Patch(w.Ctx, w.As(w.Owner), k.View.Key.ID, apikey.Patch{Scopes: &scopes})
			return token.Secret{}, err
		}
	}
	f := refused(t, w, fault.Invalid, 0, patch([]string{"keys:read", "keys:verify", "nonsense", "keys:read"}))
	require.Equal(t, []string{"/scopes/1", "/scopes/2", "/scopes/3"}, pointers(f))
	refused(t, w, fault.Invalid, 0, patch(make([]string, 81)))
	v, err := w.Keys.Patch(w.Ctx, w.As(w.Owner), k.View.Key.ID, apikey.Patch{Scopes: rekeytest.Of(permission.KeysRead)})
	require.NoError(t, err)
	require.Equal(t, "keys:read", v.Key.Scopes.Text())
	require.Equal(t, []any{"scopes"}, w.Record(audit.KeyUpdated).Details["changed"])
	require.Equal(t, "keys:read", w.Verify(k.Secret, rekeytest.Home).Caller().Effective.Text())
	refused(t, w, fault.Invalid, 0, patch([]string{"keys:read", "apps:manage"}))
	_, err = w.Keys.Patch(w.Ctx, w.As(w.Owner), k.View.Key.ID, apikey.Patch{Scopes: rekeytest.Of()})
	require.NoError(t, err)
	require.True(t, w.Key(k.View.Key.ID).Scopes.IsEmpty())
	require.Equal(t, int64(1), w.Key(k.View.Key.ID).Generation)
}

func TestPatch_ANameAndAnEndChangeAndNothingElseDoes_D6(t *testing.T) {
	w := rekeytest.New(t)
	k := w.IssueFor(w.Account("Recorder", w.Company).ID, "k", time.Hour)
	before := w.Key(k.View.Key.ID)
	name, end := "renamed", w.Now().Add(90*24*time.Hour)
	v, err := w.Keys.Patch(w.Ctx, w.As(w.Owner), before.ID, apikey.Patch{Name: &name, ExpiresAt: apikey.Expiry{Given: true, At: end}})
	require.NoError(t, err)
	want := before
	want.Name, want.ExpiresAt, want.NoticeFrom, want.Version, want.EventSeq = name, end, end.Add(-apikey.Notice), 2, 2
	want.DueAt, want.AnnouncedAt = want.NoticeFrom, w.Now()
	require.Equal(t, want, w.Key(before.ID))
	require.Equal(t, want, v.Key)
	require.Equal(t, apikey.Active, v.State.Status)
	require.Equal(t, []any{"name", "expires_at"}, w.Record(audit.KeyUpdated).Details["changed"])
	w.Wins(k.Secret)
	require.Zero(t, w.Changed(func() {
		_, err := w.Keys.Patch(w.Ctx, w.As(w.Owner), before.ID, apikey.Patch{Name: &name, ExpiresAt: apikey.Expiry{Given: true, At: end}})
		require.NoError(t, err)
		_, err = w.Keys.Patch(w.Ctx, w.As(w.Owner), before.ID, apikey.Patch{})
		require.NoError(t, err)
	}), "the same again is no change")
	v, err = w.Keys.Patch(w.Ctx, w.As(w.Owner), before.ID, apikey.Patch{ExpiresAt: apikey.Expiry{Given: true}})
	require.NoError(t, err)
	require.Zero(t, v.Key.ExpiresAt)
	require.Zero(t, v.Key.NoticeFrom)
	blank := " "
	for pointer, in := range map[string]apikey.Patch{"/name": {Name: &blank}, "/expires_at": {ExpiresAt: apikey.Expiry{Given: true, At: w.Now()}}} {
		f := refused(t, w, fault.Invalid, 0, func() (token.Secret, error) {
			_, err := w.Keys.Patch(w.Ctx, w.As(w.Owner), before.ID, in)
			return token.Secret{}, err
		})
		require.Equal(t, []string{pointer}, pointers(f))
	}
}

func TestRevokeHeld_EndsTheKeyOnItsHoldersWordWhileTheSecretIsTheCurrentOne_B7(t *testing.T) {
	w := rekeytest.New(t)
	a := w.Account("Recorder", w.Company)
	k := w.Issue(a.ID, "k")
	k = w.Regenerate(k.View.Key.ID)
	c := w.As(w.Owner)
	c.Caller.Type, c.Caller.ID = audit.Holder, "holder"
	require.Zero(t, w.Changed(func() { require.NoError(t, w.Keys.RevokeHeld(w.Ctx, c, k.View.Key.ID, 1, "", "")) }), "an older secret ends nothing")
	w.Wins(k.Secret)
	require.NoError(t, w.Keys.RevokeHeld(w.Ctx, c, k.View.Key.ID, 2, apikey.ReasonCompromise, "found in a paste"))
	w.Loses(k.Secret)
	require.Equal(t, &serviceaccount.Ended{At: w.Now(), By: "holder", Reason: apikey.ReasonCompromise}, w.Key(k.View.Key.ID).Ended)
	e := w.Record(audit.KeySelfRevoked)
	require.Equal(t, audit.Holder, e.Actor.Type)
	require.Equal(t, audit.UserUpdated, e.Action)
	require.Equal(t, "found in a paste", e.Details["note"])
	require.Zero(t, w.ReadAccount(a.ID).KeyCount)
	require.Zero(t, w.Changed(func() { require.NoError(t, w.Keys.RevokeHeld(w.Ctx, c, k.View.Key.ID, 2, "", "")) }))
}
