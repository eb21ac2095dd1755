package verify_test

import (
	"testing"
	"time"

	"github.com/stretchr/testify/require"

	"github.com/rekey-dev/rekey/pkg/audit"
	"github.com/rekey-dev/rekey/pkg/id"
	"github.com/rekey-dev/rekey/pkg/lock"
	"github.com/rekey-dev/rekey/pkg/memstore"
	"github.com/rekey-dev/rekey/pkg/rekeytest"
	"github.com/rekey-dev/rekey/pkg/verify"
)

// locked makes an account with a key, and locks it by wrong secrets from Away.
func locked(t *testing.T, w *rekeytest.World) (id.ServiceAccount, *keyOf) {
	t.Helper()
	a := w.Account("Recorder", w.Company)
	k := w.Issue(a.ID, "k")
	w.Guess(k.Secret, rekeytest.Away, lock.Default.Threshold)
	require.True(t, w.ReadAccount(a.ID).Lock.Locked(w.Now()))
	return a.ID, &k
}

func TestVerify_AWrongSecretForALiveKeyIsCountedForTheSourceAndForThePrincipal_I2(t *testing.T) {
	w := rekeytest.New(t)
	a := w.Account("Recorder", w.Company)
	k := w.Issue(a.ID, "k")
	w.Allowed(k.Secret, rekeytest.Home)
	calls := w.Calls(func() { w.Refused(w.Wrong(k.Secret), rekeytest.Away, verify.Wrong, verify.StatusUnknown) })
	require.Equal(t, []string{"Snapshot", "Retired", "Count", "Count"}, calls)
	require.Equal(t, 1, w.ReadAccount(a.ID).Lock.Failures)
	src, err := w.Mem.Source(w.Ctx, string(a.ID), rekeytest.Away)
	require.NoError(t, err)
	require.Equal(t, 1, src.Counter.Failures)
	require.Equal(t, string(k.View.Key.ID), src.KeyID)
	require.Equal(t, "agent/1", src.UserAgent)
	require.Zero(t, src.AuthenticatedAt, "a wrong secret makes nobody trusted")
	require.Equal(t, lock.Counter{Failures: 1, Threshold: 10, WindowEndsAt: w.Now().Add(15 * time.Minute),
		LockEndsAt: w.Now().Add(30 * time.Minute), LastFailureAt: w.Now()}, w.ReadAccount(a.ID).Lock)
}

func TestVerify_TheThresholdLocksTheAccountWhichShowsWhenAndWhy_I2(t *testing.T) {
	w := rekeytest.New(t)
	a := w.Account("Recorder", w.Company)
	k, other := w.Issue(a.ID, "k"), w.Issue(a.ID, "other")
	w.Guess(k.Secret, rekeytest.Away, 9)
	require.False(t, w.ReadAccount(a.ID).Lock.Locked(w.Now()))
	require.Empty(t, w.Records(audit.PrincipalLocked))
	w.Allowed(k.Secret, rekeytest.Elsewhere)
	w.Guess(other.Secret, rekeytest.Away, 1)
	c := w.ReadAccount(a.ID).Lock
	require.True(t, c.Locked(w.Now()), "failures on any key of the account count for it")
	require.Equal(t, 10, c.Failures)
	require.True(t, c.Announced)
	e := w.Record(audit.PrincipalLocked)
	require.Equal(t, audit.Target{Type: "service_account", ID: string(a.ID), Name: "Recorder"}, e.Target)
	require.Equal(t, audit.System, e.Actor.Type)
	require.Equal(t, w.Company, e.Place)
	require.Equal(t, map[string]any{"failures": 10.0, "threshold": 10.0, "key_id": string(other.View.Key.ID),
		"key_prefix": other.View.Key.Prefix(), "locked_until": w.Now().Add(30 * time.Minute).Format(time.RFC3339),
		"window": "PT15M", "source_ip": rekeytest.Away, "effect": "untrusted_sources"}, e.Details)
	v, err := w.Accounts.Get(w.Ctx, w.As(w.Owner), a.ID)
	require.NoError(t, err)
	require.Len(t, v.Sources, 1)
	require.Equal(t, rekeytest.Away, v.Sources[0].Address)
}

func TestVerify_WhileLockedAStrangerIsRefusedWithoutAWriteAndWithoutBeingEvaluated_I2(t *testing.T) {
	w := rekeytest.New(t)
	a, k := locked(t, w)
	before := w.ReadAccount(a)
	for _, ip := range []string{rekeytest.Away, rekeytest.Elsewhere} {
		for _, s := range []verify.Presented{{Secret: k.Secret}, {Secret: w.Wrong(k.Secret)}} {
			calls := w.Calls(func() { w.Refused(s.Secret, ip, verify.Unusable, verify.StatusLocked) })
			require.Equal(t, []string{"Snapshot", "Source"}, calls)
		}
	}
	require.Equal(t, before, w.ReadAccount(a))
	v := w.Verify(k.Secret, rekeytest.Away)
	require.False(t, v.Current, "the answer does not depend on the secret")
	require.Equal(t, before.Lock.LockEndsAt, v.LockedUntil)
}

func TestVerify_ALockEndsByTimeToTheMillisecond_I2(t *testing.T) {
	w := rekeytest.New(t)
	a, k := locked(t, w)
	end := w.ReadAccount(a).Lock.LockEndsAt
	w.Clock.Set(end.Add(-time.Millisecond))
	w.Refused(k.Secret, rekeytest.Away, verify.Unusable, verify.StatusLocked)
	w.Clock.Set(end)
	require.Empty(t, rekeytest.WritesOf(w.Calls(func() { require.Equal(t, verify.Allow, w.Verify(k.Secret, rekeytest.Away).Class) })))
	w.Guess(k.Secret, rekeytest.Away, 9)
	require.False(t, w.ReadAccount(a).Lock.Locked(w.Now()), "a new window begins at one")
	w.Guess(k.Secret, rekeytest.Away, 1)
	w.Refused(k.Secret, rekeytest.Away, verify.Unusable, verify.StatusLocked)
	require.Len(t, w.Records(audit.PrincipalLocked), 2)
}

func TestVerify_AnUnlockAndARegenerateEndALockAtOnce_I3(t *testing.T) {
	for name, end := range map[string]func(w *rekeytest.World, a id.ServiceAccount, k *keyOf){
		"unlock": func(w *rekeytest.World, a id.ServiceAccount, _ *keyOf) {
			_, err := w.Accounts.Unlock(w.Ctx, w.As(w.Admin), a)
			require.NoError(w.T, err)
		},
		"regenerate": func(w *rekeytest.World, _ id.ServiceAccount, k *keyOf) { *k = w.Regenerate(k.View.Key.ID) },
		"rotate":     func(w *rekeytest.World, a id.ServiceAccount, k *keyOf) { *k = w.RotateAll(a) },
	} {
		t.Run(name, func(t *testing.T) {
			w := rekeytest.New(t)
			a, k := locked(t, w)
			epoch := w.ReadAccount(a).Lock.Epoch
			end(w, a, k)
			w.Allowed(k.Secret, rekeytest.Away)
			require.Equal(t, lock.Counter{Epoch: epoch + 1}, w.ReadAccount(a).Lock)
			w.Guess(k.Secret, rekeytest.Elsewhere, 9)
			w.Allowed(k.Secret, rekeytest.Home)
		})
	}
}

func TestVerify_ALateFailureOfAnOlderEpochCountsForNothing_I3(t *testing.T) {
	w := rekeytest.New(t)
	a := w.Account("Recorder", w.Company)
	k := w.Issue(a.ID, "k")
	w.Guess(k.Secret, rekeytest.Away, 9)
	for _, method := range []string{"Count", "Retired"} {
		w.Store.Hook = func(_ int, called string) {
			if called != method {
				return
			}
			w.Store.Hook = nil
			_, err := w.Accounts.Unlock(w.Ctx, w.As(w.Admin), a.ID)
			require.NoError(t, err)
		}
		w.Guess(k.Secret, rekeytest.Away, 1)
		require.Nil(t, w.Store.Hook)
		require.Zero(t, w.ReadAccount(a.ID).Lock.Failures, method)
		w.Guess(k.Secret, rekeytest.Away, 9)
		w.Allowed(k.Secret, rekeytest.Elsewhere)
	}
	require.Empty(t, w.Records(audit.PrincipalLocked))
}

func TestVerify_ALockIsAnnouncedOnceAlsoWhenTheAnnouncementFailedAtFirst_I2(t *testing.T) {
	for _, mode := range memstore.Modes {
		t.Run(mode.String(), func(t *testing.T) {
			w := rekeytest.New(t)
			a := w.Account("Recorder", w.Company)
			k := w.Issue(a.ID, "k")
			w.Guess(k.Secret, rekeytest.Away, 9)
			w.Store.Reset()
			w.Store.Fail(5, mode) // Snapshot, Retired, Count, Count, Announce
			w.Refused(w.Wrong(k.Secret), rekeytest.Away, verify.Wrong, verify.StatusUnknown)
			require.Equal(t, []string{"announcement"}, w.GaveUp)
			require.Equal(t, "Announce", w.Store.Calls()[4])
			for range 3 {
				w.Refused(k.Secret, rekeytest.Away, verify.Unusable, verify.StatusLocked)
			}
			require.Equal(t, 1.0*10, w.Record(audit.PrincipalLocked).Details["failures"])
			require.Empty(t, rekeytest.WritesOf(w.Calls(func() { w.Verify(k.Secret, rekeytest.Away) })))
		})
	}
}

func TestVerify_AnAnnouncementThatLosesItsPlaceToAnotherRecordIsMadeAnew_I2(t *testing.T) {
	w := rekeytest.New(t)
	a := w.Account("Recorder", w.Company)
	k := w.Issue(a.ID, "k")
	w.Guess(k.Secret, rekeytest.Away, 9)
	w.Store.Hook = func(_ int, called string) {
		if called == "Announce" {
			w.Store.Hook = nil
			setRole(t, w, a.ID, "role_BuiltinIntegration00")
		}
	}
	w.Guess(k.Secret, rekeytest.Away, 1)
	require.Empty(t, w.GaveUp)
	require.Equal(t, int64(3), w.Record(audit.PrincipalLocked).Seq)
}

func TestVerify_ASuccessResetsNothing_B2(t *testing.T) {
	w := rekeytest.New(t)
	a := w.Account("Recorder", w.Company)
	k := w.Issue(a.ID, "k")
	for range 10 {
		w.Guess(k.Secret, rekeytest.Away, 1)
		w.Request(k.Secret, rekeytest.Home)
	}
	require.True(t, w.ReadAccount(a.ID).Lock.Locked(w.Now()))
}

func TestVerify_FailuresThatAWindowPartsLockNobody_I2(t *testing.T) {
	w := rekeytest.New(t)
	a := w.Account("Recorder", w.Company)
	k := w.Issue(a.ID, "k")
	for range 5 {
		w.Guess(k.Secret, rekeytest.Away, 9)
		w.Advance(lock.Default.Window)
		w.Allowed(k.Secret, rekeytest.Elsewhere)
	}
	require.Empty(t, w.Records(audit.PrincipalLocked))
	w.Guess(k.Secret, rekeytest.Away, 9)
	w.Advance(lock.Default.Window - time.Millisecond)
	w.Guess(k.Secret, rekeytest.Away, 1)
	require.True(t, w.ReadAccount(a.ID).Lock.Locked(w.Now()), "the window's last millisecond is of the window")
}

func TestVerify_FailuresOfATokenLockThatTokenAndNotItsEmployee_B2(t *testing.T) {
	w := rekeytest.New(t)
	_, second := w.PAT(w.Viewer, w.Viewer.Token.Scopes)
	w.Guess(w.Viewer.Secret, rekeytest.Away, 10)
	w.Refused(w.Viewer.Secret, rekeytest.Away, verify.Unusable, verify.StatusLocked)
	w.Allowed(second, rekeytest.Away)
	e := w.Record(audit.PrincipalLocked)
	require.Equal(t, audit.Target{Type: "personal_access_token", ID: string(w.Viewer.Token.ID), Name: "laptop"}, e.Target)
	require.Equal(t, int64(2), e.Seq)
	w.Advance(30 * time.Minute)
	w.Allowed(w.Viewer.Secret, rekeytest.Away)
}

func TestVerify_AnIPv6NetworkIsOneSource_B2(t *testing.T) {
	w := rekeytest.New(t)
	a := w.Account("Recorder", w.Company)
	k := w.Issue(a.ID, "k")
	for _, ip := range []string{"2001:db8:1:2::1", "2001:db8:1:2:ffff::9", "2001:0DB8:0001:0002::3"} {
		w.Guess(k.Secret, ip, 2)
	}
	src, err := w.Mem.Source(w.Ctx, string(a.ID), "2001:db8:1:2::/64")
	require.NoError(t, err)
	require.Equal(t, 6, src.Counter.Failures)
}
