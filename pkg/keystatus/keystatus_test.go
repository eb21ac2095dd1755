package keystatus_test

import (
	"strings"
	"testing"
	"time"

	"github.com/stretchr/testify/require"

	"github.com/rekey-dev/rekey/pkg/apikey"
	"github.com/rekey-dev/rekey/pkg/audit"
	"github.com/rekey-dev/rekey/pkg/fault"
	"github.com/rekey-dev/rekey/pkg/id"
	"github.com/rekey-dev/rekey/pkg/keystatus"
	"github.com/rekey-dev/rekey/pkg/memstore"
	"github.com/rekey-dev/rekey/pkg/onetime"
	"github.com/rekey-dev/rekey/pkg/rekeytest"
	"github.com/rekey-dev/rekey/pkg/serviceaccount"
	"github.com/rekey-dev/rekey/pkg/token"
	"github.com/rekey-dev/rekey/pkg/verify"
)

func ask(t *testing.T, w *rekeytest.World, s token.Secret, ip string) keystatus.Answer {
	t.Helper()
	a, err := w.Status.Status(w.Ctx, s, w.Origin(ip))
	require.NoError(t, err)
	require.NotEmpty(t, a.Detail, "%s has no words", a.Status)
	return a
}

func TestStatus_TheFirstThatAppliesInTheOrderOfTheContract_D12_B1(t *testing.T) {
	w := rekeytest.New(t)
	a := w.Account("Recorder", w.Company)
	k := w.IssueFor(a.ID, "k", 31*24*time.Hour)
	old := k.Secret
	k = w.Regenerate(k.View.Key.ID)
	twin := w.IssueFor(a.ID, "twin", 31*24*time.Hour)
	expires := k.View.Key.ExpiresAt
	w.Allowed(k.Secret, rekeytest.Home)
	var lockedUntil time.Time
	is := func(s token.Secret, ip string, status verify.Status) {
		t.Helper()
		want := keystatus.Answer{Status: status, LockedUntil: lockedUntil, KeyID: string(k.View.Key.ID)}
		if s == twin.Secret {
			want.KeyID = string(twin.View.Key.ID)
		}
		if status != verify.StatusRetired {
			want.ExpiresAt = expires
		}
		got := ask(t, w, s, ip)
		want.Detail = got.Detail
		require.Equal(t, want, got)
	}
	is(k.Secret, rekeytest.Elsewhere, verify.StatusActive)
	w.Advance(2 * 24 * time.Hour)
	is(k.Secret, rekeytest.Elsewhere, verify.StatusExpiring)
	w.Guess(k.Secret, rekeytest.Away, 10)
	lockedUntil = w.Now().Add(30 * time.Minute)
	is(k.Secret, rekeytest.Elsewhere, verify.StatusLocked)
	is(k.Secret, rekeytest.Home, verify.StatusExpiring) // a source that is not refused is told the key's own status
	_, err := w.Keys.Deactivate(w.Ctx, w.As(w.Owner), k.View.Key.ID)
	require.NoError(t, err)
	is(k.Secret, rekeytest.Elsewhere, verify.StatusInactive)
	w.Suspend(w.Company, true)
	is(k.Secret, rekeytest.Elsewhere, verify.StatusCompanySuspended)
	is(twin.Secret, rekeytest.Elsewhere, verify.StatusCompanySuspended)
	_, err = w.Keys.Revoke(w.Ctx, w.As(w.Owner), twin.View.Key.ID, "", "")
	require.NoError(t, err)
	is(twin.Secret, rekeytest.Elsewhere, verify.StatusRevoked)
	w.Clock.Set(expires)
	lockedUntil = time.Time{}
	is(k.Secret, rekeytest.Elsewhere, verify.StatusExpired)
	is(twin.Secret, rekeytest.Elsewhere, verify.StatusRevoked)
	is(old, rekeytest.Elsewhere, verify.StatusRetired)
	_, err = w.Accounts.Revoke(w.Ctx, w.As(w.Owner), a.ID, "")
	require.NoError(t, err)
	is(k.Secret, rekeytest.Elsewhere, verify.StatusAccountRevoked)
	is(twin.Secret, rekeytest.Elsewhere, verify.StatusAccountRevoked)
	is(old, rekeytest.Elsewhere, verify.StatusRetired)
}

func TestStatus_AKeyThatWasStoppedWithAllIsRevoked_W8(t *testing.T) {
	w := rekeytest.New(t)
	a := w.Account("Recorder", w.Company)
	k := w.Issue(a.ID, "k")
	w.Issue(a.ID, "second")
	w.RotateAll(a.ID)
	got := ask(t, w, k.Secret, rekeytest.Away)
	require.Equal(t, verify.StatusRevoked, got.Status)
	require.Equal(t, string(k.View.Key.ID), got.KeyID)
}

func TestStatus_WhoeverDoesNotHoldTheSecretIsToldNothing_B2(t *testing.T) {
	w := rekeytest.New(t)
	k := w.Issue(w.Account("Recorder", w.Company).ID, "k")
	unknown := token.Mint(token.ServiceAccountKey, id.Body(id.New[id.Key](w.Rand)), w.Rand)
	for s, status := range map[string]verify.Status{
		"": verify.StatusMalformed, "hunter2": verify.StatusMalformed, k.Secret.Reveal() + " ": verify.StatusMalformed,
		string(k.View.Key.ID): verify.StatusMalformed, strings.ToUpper(k.Secret.Reveal()): verify.StatusMalformed,
		unknown.Reveal(): verify.StatusUnknown, w.Wrong(k.Secret).Reveal(): verify.StatusUnknown,
	} {
		got := ask(t, w, token.SecretOf(s), rekeytest.Away)
		require.Equal(t, keystatus.Answer{Status: status, Detail: got.Detail}, got)
	}
	wrong := ask(t, w, w.Wrong(k.Secret), rekeytest.Away)
	require.Equal(t, wrong, ask(t, w, unknown, rekeytest.Away), "an ID that is there is not told from one that is not")
	w.Guess(k.Secret, rekeytest.Away, 10)
	require.Equal(t, wrong, ask(t, w, w.Wrong(k.Secret), rekeytest.Away), "a lock is told to its holder only")
}

func TestStatus_EveryKindHasItsOwnID_D12(t *testing.T) {
	w := rekeytest.New(t)
	got := ask(t, w, w.Viewer.Secret, rekeytest.Home)
	require.Equal(t, verify.StatusActive, got.Status)
	require.Equal(t, string(w.Viewer.Token.ID), got.KeyID)
	require.Equal(t, w.Viewer.Token.ExpiresAt, got.ExpiresAt)
	for _, kind := range []token.Kind{token.KeypairToken, token.GatewayKey, token.Session} {
		require.Equal(t, verify.StatusUnknown, ask(t, w, token.Mint(kind, "00000000000000000000", w.Rand), rekeytest.Home).Status)
	}
}

func TestStatus_SpeaksOfWhatTheSecretIsOf_D12(t *testing.T) {
	w := rekeytest.New(t)
	k := w.Issue(w.Account("Recorder", w.Company).ID, "k")
	session := w.SignsIn(w.Enrol(w.Operator))
	inside := w.Inside(w.Owner.Secret, w.Company)
	says := func(s token.Secret, status verify.Status, detail string) {
		t.Helper()
		got := ask(t, w, s, rekeytest.Home)
		require.Equal(t, status, got.Status)
		require.Equal(t, detail, got.Detail)
	}
	for s, noun := range map[token.Secret]string{k.Secret: "key", w.Viewer.Secret: "token", session: "session", inside: "session"} {
		says(s, verify.StatusActive, "The "+noun+" is accepted. If a request was refused with 403, it lacks a scope or a permission, which the 403 names.")
		says(w.Wrong(s), verify.StatusUnknown, "This was never the secret of a "+noun+" here. It may be mistyped or of another deployment.")
	}
	const ofSession = "The session was revoked, or what opened it has ended. Sign in again, or assume the company again if it was inside one."
	w.Suspend(w.Company, true)
	says(inside, verify.StatusRevoked, ofSession)
	w.Suspend(w.Company, false)
	for _, s := range []token.Secret{k.Secret, w.Viewer.Secret, session, inside} {
		require.NoError(t, w.Status.Revoke(w.Ctx, s, "", w.Origin(rekeytest.Home)))
	}
	says(k.Secret, verify.StatusRevoked, "The key was revoked. Ask its owner for a new one.")
	says(w.Viewer.Secret, verify.StatusRevoked, "The token was revoked. Sign in with a passkey and make a new one.")
	for _, s := range []token.Secret{session, inside} {
		says(s, verify.StatusRevoked, ofSession)
	}
}

func TestStatus_OfAOneTimeCodeIsNotLookedUp_D12_W3(t *testing.T) {
	w := rekeytest.New(t)
	code := w.Code(w.Viewer.Employee.ID, onetime.Passkey)
	none := token.Mint(token.OneTimeCode, id.Body(id.New[id.Invitation](w.Rand)), w.Rand)
	calls := w.Calls(func() {
		got := ask(t, w, code, rekeytest.Home)
		require.Equal(t, keystatus.Answer{Status: verify.StatusUnknown, Detail: "One-time codes are not judged here. " +
			"A code is good for enrolling a passkey with POST /v1/credentials/challenges."}, got)
		require.Equal(t, got, ask(t, w, none, rekeytest.Home), "a code that is good is not told from one that never was")
		require.Equal(t, got, ask(t, w, w.Wrong(code), rekeytest.Home))
		require.NoError(t, w.Status.Revoke(w.Ctx, code, "", w.Origin(rekeytest.Home)))
	})
	require.Empty(t, calls)
	_, err := w.Codes.Check(w.Ctx, code)
	require.NoError(t, err)
}

func TestStatus_AskingIsNoUseOfTheKey_D3_B6(t *testing.T) {
	w := rekeytest.New(t)
	k := w.Issue(w.Account("Recorder", w.Company).ID, "k")
	calls := w.Calls(func() { ask(t, w, k.Secret, rekeytest.Home) })
	require.Empty(t, rekeytest.WritesOf(calls))
	require.Zero(t, w.Key(k.View.Key.ID).LastUsedAt)
	src, err := w.Mem.Source(w.Ctx, string(k.View.Account.ID), rekeytest.Home)
	require.NoError(t, err)
	require.Zero(t, src.AuthenticatedAt)
}

func TestStatus_WrongTriesCountLikeAnyWrongSecret_I2(t *testing.T) {
	w := rekeytest.New(t)
	a := w.Account("Recorder", w.Company)
	k := w.Issue(a.ID, "k")
	for range 5 {
		ask(t, w, w.Wrong(k.Secret), rekeytest.Away)
		require.NoError(t, w.Status.Revoke(w.Ctx, w.Wrong(k.Secret), "", w.Origin(rekeytest.Away)))
	}
	require.Equal(t, 10, w.ReadAccount(a.ID).Lock.Failures)
	require.True(t, w.ReadAccount(a.ID).Lock.Locked(w.Now()))
	writes := rekeytest.WritesOf(w.Calls(func() {
		ask(t, w, w.Wrong(k.Secret), rekeytest.Away)
		require.NoError(t, w.Status.Revoke(w.Ctx, w.Wrong(k.Secret), "", w.Origin(rekeytest.Away)))
	}))
	require.Empty(t, writes, "while locked, strangers cause no write")
}

func TestRevoke_EndsTheKeyOfWhoeverHoldsItsCurrentSecret_B7(t *testing.T) {
	for reason, want := range map[string]string{"": apikey.ReasonCompromise, apikey.ReasonSuperseded: apikey.ReasonSuperseded,
		"it was in a public repository": apikey.ReasonUnspecified} {
		w := rekeytest.New(t)
		k := w.Issue(w.Account("Recorder", w.Company).ID, "k")
		o := w.Origin(rekeytest.Away)
		require.NoError(t, w.Status.Revoke(w.Ctx, k.Secret, reason, o))
		w.Refused(k.Secret, rekeytest.Home, verify.Unusable, verify.StatusRevoked)
		require.Equal(t, &serviceaccount.Ended{At: w.Now(), By: "holder", Reason: want}, w.Key(k.View.Key.ID).Ended)
		e := w.Record(audit.KeySelfRevoked)
		require.Equal(t, audit.UserUpdated, e.Action)
		require.Equal(t, audit.Holder, e.Actor.Type)
		require.Equal(t, string(k.View.Key.ID), e.Actor.KeyID)
		require.Equal(t, string(k.View.Key.ID), e.Target.ID)
		require.Equal(t, rekeytest.Away, e.SourceIP)
		require.Equal(t, o.RequestID, e.RequestID)
		if strings.Contains(reason, " ") {
			require.Equal(t, reason, e.Details["note"])
		}
		require.NoError(t, w.Status.Revoke(w.Ctx, k.Secret, reason, o), "always the same answer")
		w.Record(audit.KeySelfRevoked)
	}
}

func TestRevoke_ARetiredSecretRevokesNothingAndIsRecordedAsSeen_B1_B7(t *testing.T) {
	w := rekeytest.New(t)
	k := w.Issue(w.Account("Recorder", w.Company).ID, "k")
	old := k.Secret
	k = w.Regenerate(k.View.Key.ID)
	require.NoError(t, w.Status.Revoke(w.Ctx, old, "", w.Origin(rekeytest.Away)))
	w.Wins(k.Secret)
	w.Record(audit.RetiredSeen)
	require.Empty(t, w.Records(audit.KeySelfRevoked))
}

func TestRevoke_AnythingElseIsAnsweredTheSameAndChangesNothing_B7(t *testing.T) {
	w := rekeytest.New(t)
	k := w.Issue(w.Account("Recorder", w.Company).ID, "k")
	for _, s := range []token.Secret{{}, token.SecretOf("hunter2"), w.Wrong(k.Secret), token.Mint(token.Session, "00000000000000000000", w.Rand),
		token.Mint(token.ServiceAccountKey, "00000000000000000000", w.Rand)} {
		require.Zero(t, w.Changed(func() { require.NoError(t, w.Status.Revoke(w.Ctx, s, "", w.Origin(rekeytest.Away))) }))
	}
	w.Wins(k.Secret)
}

func TestRevoke_EndsATokenToo_B7(t *testing.T) {
	w := rekeytest.New(t)
	require.NoError(t, w.Status.Revoke(w.Ctx, w.Viewer.Secret, "lost laptop", w.Origin(rekeytest.Away)))
	w.Refused(w.Viewer.Secret, rekeytest.Home, verify.Unusable, verify.StatusRevoked)
	e := w.Record("personal_access_token.self_revoked")
	require.Equal(t, string(w.Viewer.Token.ID), e.Target.ID)
	require.Equal(t, string(w.Viewer.Employee.ID), e.Details["employee_id"])
}

func TestRevoke_WorksUnderALockAndFromAnywhere_B7_B2(t *testing.T) {
	w := rekeytest.New(t)
	k := w.Issue(w.Account("Recorder", w.Company).ID, "k")
	w.Guess(k.Secret, rekeytest.Away, 10)
	require.NoError(t, w.Status.Revoke(w.Ctx, k.Secret, "", w.Origin(rekeytest.Away)))
	require.NotNil(t, w.Key(k.View.Key.ID).Ended)
}

func TestRevoke_AReasonThatCannotBeKeptIsDroppedAndTheKeyEnds_B7(t *testing.T) {
	w := rekeytest.New(t)
	a := w.Account("Recorder", w.Company).ID
	for _, reason := range []string{strings.Repeat("x", 501), "\xff", "a\x00b", "found"} {
		k := w.Issue(a, "k")
		if reason == "found" {
			reason = "found " + k.Secret.Reveal()
		}
		require.NoError(t, w.Status.Revoke(w.Ctx, k.Secret, reason, w.Origin(rekeytest.Away)))
		require.Equal(t, apikey.ReasonUnspecified, w.Key(k.View.Key.ID).Ended.Reason)
	}
}

func TestStatus_OnHoldNothingIsAnswered_P4(t *testing.T) {
	w := rekeytest.New(t)
	k := w.Issue(w.Account("Recorder", w.Company).ID, "k")
	w.Status.Hold = true
	calls := w.Calls(func() {
		_, err := w.Status.Status(w.Ctx, k.Secret, w.Origin(rekeytest.Home))
		require.True(t, fault.Is(err, fault.Unavailable))
		require.True(t, fault.Is(w.Status.Revoke(w.Ctx, k.Secret, "", w.Origin(rekeytest.Home)), fault.Unavailable))
	})
	require.Empty(t, calls)
}

func TestRevoke_AFaultAtAnyCallOfTheStoreEndsInOneEffect_B7(t *testing.T) {
	for _, pat := range []bool{false, true} {
		record := audit.KeySelfRevoked
		if pat {
			record = "personal_access_token.self_revoked"
		}
		start := func() (*rekeytest.World, token.Secret) {
			w := rekeytest.New(t)
			if pat {
				return w, w.Viewer.Secret
			}
			return w, w.Issue(w.Account("Recorder", w.Company).ID, "k").Secret
		}
		w, s := start()
		calls := w.Calls(func() { require.NoError(t, w.Status.Revoke(w.Ctx, s, "", w.Origin(rekeytest.Home))) })
		for n := range calls {
			for _, mode := range memstore.Modes {
				w, s := start()
				w.Store.Reset()
				w.Store.Fail(n+1, mode)
				err := w.Status.Revoke(w.Ctx, s, "", w.Origin(rekeytest.Home))
				require.True(t, fault.Is(err, fault.Unavailable), "%s failed %s: %v", calls[n], mode, err)
				w.Store.Settle()
				require.NoError(t, w.Status.Revoke(w.Ctx, s, "", w.Origin(rekeytest.Home)))
				w.Loses(s)
				w.Record(record)
			}
		}
	}
}
