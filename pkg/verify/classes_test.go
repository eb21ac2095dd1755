package verify_test

import (
	"strings"
	"testing"
	"time"

	"github.com/stretchr/testify/require"

	"github.com/rekey-dev/rekey/pkg/apikey"
	"github.com/rekey-dev/rekey/pkg/id"
	"github.com/rekey-dev/rekey/pkg/permission"
	"github.com/rekey-dev/rekey/pkg/rekeytest"
	"github.com/rekey-dev/rekey/pkg/token"
	"github.com/rekey-dev/rekey/pkg/verify"
)

// judged is what one presented credential came to.
type judged struct {
	class  verify.Class
	status verify.Status
	calls  []string
}

func present(t *testing.T, w *rekeytest.World, v *verify.Verifier, p verify.Presented) judged {
	t.Helper()
	var out judged
	out.calls = w.Calls(func() {
		got, err := v.Verify(w.Ctx, p, w.Origin(rekeytest.Home))
		require.NoError(t, err)
		out.class, out.status = got.Class, got.Status
		if got.Class == verify.Allow {
			v.Used(w.Ctx, got, p.Secret, w.Origin(rekeytest.Home))
		}
	})
	return out
}

func TestVerify_WhatIsNotOfTheGrammarIsRefusedWithoutALookAtTheStore_P4(t *testing.T) {
	w := rekeytest.New(t)
	right := w.Issue(w.Account("Recorder", w.Root).ID, "k").Secret.Reveal()
	flipped := []byte(right)
	flipped[40] ^= 1
	for _, text := range []string{
		"", " ", right[:73], right + "A", right[:73] + "-", " " + right, right + " ", right + "\n", "\t" + right, right + "\x00",
		strings.ToUpper(right), strings.ToLower(right), string(flipped), right[:68] + "000000", "rkx_" + right[4:],
		"rka-" + right[4:], right[:24] + "-" + right[25:], right + right, "key_" + right[4:24], "\ufeff" + right,
		strings.Replace(right, "a", "\u0430", 1), strings.ReplaceAll(right, "_", "%5F"), strings.Repeat("A", 1<<20),
	} {
		got := present(t, w, w.Verifier, verify.Presented{Secret: token.SecretOf(text)})
		require.Equal(t, judged{class: verify.Malformed, status: verify.StatusMalformed}, got, "%.90q", text)
	}
	require.Empty(t, w.Account("Another", w.Root).Lock, "nobody's failure")
}

func TestVerify_BasicWithAnotherIDThanTheSecretsIsNobodysFailure_P4(t *testing.T) {
	w := rekeytest.New(t)
	a := w.Account("Recorder", w.Root)
	one, other := w.Issue(a.ID, "one"), w.Issue(a.ID, "other")
	for _, user := range []string{string(other.View.Key.ID), "", "x", string(a.ID), string(one.View.Key.ID) + " ",
		strings.ToLower(string(one.View.Key.ID)), "KEY_" + string(one.View.Key.ID)[4:], "pat_" + string(one.View.Key.ID)[4:]} {
		for _, s := range []token.Secret{one.Secret, w.Wrong(one.Secret)} {
			got := present(t, w, w.Verifier, verify.Presented{Secret: s, Basic: true, User: user})
			require.Equal(t, judged{class: verify.Malformed, status: verify.StatusMalformed}, got, "%q", user)
		}
	}
	require.Zero(t, w.ReadAccount(a.ID).Lock.Failures)
	got := present(t, w, w.Verifier, verify.Presented{Secret: one.Secret, Basic: true, User: string(one.View.Key.ID)})
	require.Equal(t, verify.Allow, got.class)
}

func TestVerify_BasicWithAnIDAndAnyOtherPasswordCountsOnThatID_P4(t *testing.T) {
	w := rekeytest.New(t)
	a := w.Account("Recorder", w.Root)
	k := w.Issue(a.ID, "k")
	passwords := []string{"", "hunter2", k.Secret.Reveal()[:40], strings.Repeat("x", 100_000)}
	for i, password := range passwords {
		got := present(t, w, w.Verifier, verify.Presented{Secret: token.SecretOf(password), Basic: true, User: string(k.View.Key.ID)})
		require.Equal(t, verify.Wrong, got.class)
		require.Equal(t, verify.StatusUnknown, got.status)
		require.Equal(t, []string{"Count", "Count"}, rekeytest.WritesOf(got.calls))
		require.Equal(t, i+1, w.ReadAccount(a.ID).Lock.Failures)
	}
	for _, user := range []string{"key_short", "sa_" + string(a.ID)[3:], "admin", "evt_00000000000000000000"} {
		got := present(t, w, w.Verifier, verify.Presented{Secret: token.SecretOf("hunter2"), Basic: true, User: user})
		require.Equal(t, judged{class: verify.Malformed, status: verify.StatusMalformed}, got, user)
	}
	require.Equal(t, len(passwords), w.ReadAccount(a.ID).Lock.Failures)
}

func TestVerify_AnUnknownIDCostsOneCallAndCountsNowhere_P4(t *testing.T) {
	w := rekeytest.New(t)
	for _, kind := range []token.Kind{token.ServiceAccountKey, token.KeypairToken, token.GatewayKey, token.PersonalAccessToken,
		token.Session, token.OneTimeCode} {
		secret := token.Mint(kind, id.Body(id.New[id.Key](w.Rand)), w.Rand)
		want := judged{class: verify.Unknown, status: verify.StatusUnknown, calls: []string{"Credential"}}
		require.Equal(t, want, present(t, w, w.Verifier, verify.Presented{Secret: secret}), "%c", kind)
		require.Equal(t, want, present(t, w, w.Verifier, verify.Presented{Secret: secret}), "%c again", kind)
	}
	for _, user := range []string{string(id.New[id.Key](w.Rand)), string(id.New[id.PAT](w.Rand)), string(id.New[id.Session](w.Rand))} {
		got := present(t, w, w.Verifier, verify.Presented{Secret: token.SecretOf("hunter2"), Basic: true, User: user})
		require.Equal(t, judged{class: verify.Unknown, status: verify.StatusUnknown, calls: []string{"Credential"}}, got)
	}
}

func TestVerify_AColdEnvironmentTakesTwoRoundTripsAndAWarmOneTakesOne_P4(t *testing.T) {
	w := rekeytest.New(t)
	custom := w.CustomRole("role_Custom00000000000000", permission.KeysRead, permission.AppsRead)
	hired := w.Hire("Custom", w.Root, custom.ID)
	for name, c := range map[string]struct {
		secret token.Secret
		cold   int
	}{
		"built-in role": {w.Issue(w.Account("Recorder", w.Company).ID, "k").Secret, 2},
		"custom role":   {w.Issue(w.AccountWith("Custom", w.Company, custom.ID).ID, "k").Secret, 2},
		"token":         {w.Viewer.Secret, 2},
		"custom token":  {hired.Secret, 3}, // a token has no hint of its employee's role
	} {
		env := w.Environment(w.Store)
		ask := func() []string {
			return w.Calls(func() {
				v, err := env.Verify(w.Ctx, verify.Presented{Secret: c.secret}, w.Origin(rekeytest.Home))
				require.NoError(t, err)
				require.Equal(t, verify.Allow, v.Class, name)
			})
		}
		require.Equal(t, []string{"Credential", "Snapshot", "CustomRole"}[:c.cold], ask(), name)
		require.Equal(t, []string{"Snapshot"}, ask(), name)
	}
}

func TestVerify_AStaleRoleHintCostsOneReadMoreAndTheNewRoleDecides_S2(t *testing.T) {
	w := rekeytest.New(t)
	first := w.CustomRole("role_First000000000000000", permission.KeysRead)
	second := w.CustomRole("role_Second00000000000000", permission.AppsRead)
	a := w.AccountWith("Recorder", w.Root, first.ID)
	k := w.Issue(a.ID, "k")
	w.Allowed(k.Secret, rekeytest.Home)
	setRole(t, w, a.ID, second.ID)
	ask := func() (verify.Verdict, []string) {
		var v verify.Verdict
		calls := w.Calls(func() { v = w.Verify(k.Secret, rekeytest.Home) })
		return v, calls
	}
	v, calls := ask()
	require.Equal(t, []string{"Snapshot", "CustomRole"}, calls)
	require.Equal(t, second.ID, v.Role.ID)
	require.Empty(t, v.Caller().Effective.List(), "the key carries nothing that the new role has")
	_, calls = ask()
	require.Equal(t, []string{"Snapshot"}, calls, "the hint is right again")
}

func TestVerify_AWrongSecretForAKeyThatHasEndedOrIsOffCountsNowhere_B2(t *testing.T) {
	w := rekeytest.New(t)
	const tries = 2_500
	for name, end := range ends(w) {
		a := w.Account(name, w.Company)
		live := w.Issue(a.ID, "live")
		k := w.IssueFor(a.ID, "k", time.Hour)
		end(k)
		w.Store.Reset()
		for i := range tries {
			v := w.Verify(w.Wrong(k.Secret), rekeytest.Away)
			if v.Class != verify.Unknown || v.Status != verify.StatusUnknown || v.Current {
				t.Fatalf("%s: try %d came to %s %s", name, i, v.Class, v.Status)
			}
		}
		require.Empty(t, rekeytest.WritesOf(w.Store.Calls()), name)
		require.Zero(t, w.ReadAccount(a.ID).Lock.Failures, name)
		if name != "account" && name != "rotate-all" {
			require.Equal(t, verify.Allow, w.Verify(live.Secret, rekeytest.Away).Class, name)
		}
	}
}

// ends are the ways in which a key stops that leave its ID known.
func ends(w *rekeytest.World) map[string]func(k apikey.Shown) {
	return map[string]func(k apikey.Shown){
		"revoked": func(k apikey.Shown) {
			_, err := w.Keys.Revoke(w.Ctx, w.As(w.Owner), k.View.Key.ID, "", "")
			require.NoError(w.T, err)
		},
		"inactive": func(k apikey.Shown) {
			_, err := w.Keys.Deactivate(w.Ctx, w.As(w.Owner), k.View.Key.ID)
			require.NoError(w.T, err)
		},
		"expired": func(apikey.Shown) { w.Advance(time.Hour) },
		"rotate-all": func(k apikey.Shown) {
			w.RotateAll(k.View.Account.ID)
		},
		"account": func(k apikey.Shown) {
			_, err := w.Accounts.Revoke(w.Ctx, w.As(w.Owner), k.View.Account.ID, "")
			require.NoError(w.T, err)
		},
	}
}
