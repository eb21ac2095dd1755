package verify_test

import (
	"testing"
	"time"

	"github.com/stretchr/testify/require"

	"github.com/rekey-dev/rekey/pkg/audit"
	"github.com/rekey-dev/rekey/pkg/lock"
	"github.com/rekey-dev/rekey/pkg/rekeytest"
	"github.com/rekey-dev/rekey/pkg/token"
	"github.com/rekey-dev/rekey/pkg/verify"
)

func TestUsed_TheSteadyStateWritesNothing_D3(t *testing.T) {
	w := rekeytest.New(t)
	k := w.Issue(w.Account("Recorder", w.Company).ID, "k")
	w.Allowed(k.Secret, rekeytest.Home)
	calls := w.Calls(func() {
		for range 49 {
			w.Advance(time.Second)
			w.Allowed(k.Secret, rekeytest.Home)
		}
	})
	require.Len(t, calls, 49)
	require.Empty(t, rekeytest.WritesOf(calls))
}

func TestUsed_TheFirstRequestOfAMinuteCostsOneReadAndOneWrite_D3(t *testing.T) {
	w := rekeytest.New(t)
	k := w.Issue(w.Account("Recorder", w.Company).ID, "k")
	w.Allowed(k.Secret, rekeytest.Home)
	for range 3 {
		w.Clock.Set(w.Now().Truncate(time.Minute).Add(time.Minute))
		calls := w.Calls(func() { w.Allowed(k.Secret, rekeytest.Home) })
		require.Equal(t, []string{"Snapshot", "Source", "Use"}, calls)
		w.JustUsed(w.Key(k.View.Key.ID).LastUsedAt)
		require.Equal(t, []string{"Snapshot"}, w.Calls(func() { w.Allowed(k.Secret, rekeytest.Home) }))
	}
}

func TestUsed_ASourceThatIsNeverTheFirstOfAMinuteIsRememberedAndRecordedToo_B2(t *testing.T) {
	w := rekeytest.New(t)
	a := w.Account("Recorder", w.Company)
	k := w.Issue(a.ID, "k")
	w.Allowed(k.Secret, rekeytest.Home)
	used := w.Key(k.View.Key.ID).LastUsedAt
	w.Advance(time.Second)
	require.Equal(t, []string{"Snapshot", "Source", "Use"}, w.Calls(func() { w.Allowed(k.Secret, rekeytest.Elsewhere) }))
	require.Equal(t, used, w.Key(k.View.Key.ID).LastUsedAt, "the minute is written already")
	require.Equal(t, string(k.View.Key.ID), w.Record(audit.KeyNewSource).Target.ID)
	require.Equal(t, []string{"Snapshot"}, w.Calls(func() { w.Allowed(k.Secret, rekeytest.Elsewhere) }), "once a day and environment")
	w.Guess(k.Secret, rekeytest.Away, 10)
	require.True(t, w.ReadAccount(a.ID).Lock.Locked(w.Now()))
	w.Allowed(k.Secret, rekeytest.Elsewhere)
}

func TestUsed_TheFirstRequestOfANewSecretIsWrittenInTheSameMinute_D3(t *testing.T) {
	w := rekeytest.New(t)
	k := w.Issue(w.Account("Recorder", w.Company).ID, "k")
	w.Allowed(k.Secret, rekeytest.Home)
	k = w.Regenerate(k.View.Key.ID)
	require.NotEqual(t, k.View.Key.Generation, w.Key(k.View.Key.ID).UsedGen)
	calls := w.Calls(func() { w.Allowed(k.Secret, rekeytest.Home) })
	require.Equal(t, []string{"Use"}, rekeytest.WritesOf(calls))
	require.Equal(t, k.View.Key.Generation, w.Key(k.View.Key.ID).UsedGen)
}

func TestUsed_AFirstUseAndANewSourceAreOneTransactionWithTheirRecord_S5(t *testing.T) {
	w := rekeytest.New(t)
	a := w.Account("Recorder", w.Company)
	k := w.Issue(a.ID, "exporter")
	require.Equal(t, []string{"Use"}, rekeytest.WritesOf(w.Calls(func() { w.Allowed(k.Secret, rekeytest.Home) })))
	e := w.Record(audit.KeyFirstUsed)
	require.Equal(t, audit.Actor{Type: audit.ServiceAccount, ID: string(a.ID), Name: "Recorder", KeyID: string(k.View.Key.ID),
		KeyPrefix: k.View.Key.Prefix()}, e.Actor)
	require.Equal(t, audit.Target{Type: "key", ID: string(k.View.Key.ID), Name: "exporter"}, e.Target)
	require.Equal(t, int64(2), e.Seq)
	require.Equal(t, rekeytest.Home, e.SourceIP)
	require.Equal(t, "req-of-"+rekeytest.Home, e.RequestID)
	require.Equal(t, map[string]any{"key_id": string(k.View.Key.ID), "key_prefix": k.View.Key.Prefix(), "generation": 1.0,
		"source_ip": rekeytest.Home}, e.Details)

	w.Advance(time.Minute)
	require.Equal(t, []string{"Use"}, rekeytest.WritesOf(w.Calls(func() { w.Allowed(k.Secret, rekeytest.Away) })))
	require.Equal(t, rekeytest.Away, w.Record(audit.KeyNewSource).SourceIP)
	w.Advance(time.Minute)
	require.Zero(t, w.Changed(func() { w.Allowed(k.Secret, rekeytest.Home) }), "a known source is not news")
	w.Advance(lock.TrustedFor)
	require.Equal(t, 1, w.Changed(func() { w.Allowed(k.Secret, rekeytest.Home) }), "after 30 days it is")
	require.Len(t, w.Records(audit.KeyFirstUsed), 1)
}

func TestUsed_AFailureOfTheMinutesWriteIsIgnoredAndTheNextRequestTriesAgain_D3(t *testing.T) {
	w := rekeytest.New(t)
	k := w.Issue(w.Account("Recorder", w.Company).ID, "k")
	for i, method := range []string{"Source", "Use"} {
		n := 2 + i // after Snapshot, or after Credential and Snapshot
		w.Verifier = w.Environment(w.Store)
		if i == 0 { // a warm environment reads the source by itself, a cold one with the rest
			w.Verify(k.Secret, rekeytest.Home)
		}
		gaveUp := 0
		w.Verifier.Failed = func(what string, err error) {
			require.Equal(t, "last_used_at", what)
			require.Error(t, err)
			gaveUp++
		}
		w.Store.Reset()
		w.Store.Fail(n, 3)
		w.Allowed(k.Secret, rekeytest.Home)
		require.Equal(t, method, w.Store.Calls()[n-1])
		require.Equal(t, 1, gaveUp)
		require.Zero(t, w.Key(k.View.Key.ID).UsedGen)
	}
	w.Allowed(k.Secret, rekeytest.Home)
	w.JustUsed(w.Key(k.View.Key.ID).LastUsedAt)
}

func TestUsed_ALostRaceForTheMinuteIsNoFailure_D3(t *testing.T) {
	w := rekeytest.New(t)
	k := w.Issue(w.Account("Recorder", w.Company).ID, "k")
	other := w.Environment(w.Store.Under)
	w.Store.Hook = func(_ int, called string) {
		if called != "Use" {
			return
		}
		v, err := other.Verify(w.Ctx, verify.Presented{Secret: k.Secret}, w.Origin(rekeytest.Home))
		require.NoError(t, err)
		other.Used(w.Ctx, v, k.Secret, w.Origin(rekeytest.Home))
	}
	w.Allowed(k.Secret, rekeytest.Home)
	require.Empty(t, w.GaveUp)
	require.Len(t, w.Records(audit.KeyFirstUsed), 1)
}

func TestUsed_ADigestMovesToTheNewPepperWithTheNextLastUsedAt_D2(t *testing.T) {
	w := rekeytest.New(t)
	k := w.Issue(w.Account("Recorder", w.Company).ID, "k")
	w.Allowed(k.Secret, rekeytest.Home)
	before := w.Key(k.View.Key.ID)
	w.Peppers.Rotate()
	w.Allowed(k.Secret, rekeytest.Home)
	require.Equal(t, "v1", w.Key(k.View.Key.ID).PepperVersion, "not before the minute's write")
	w.Advance(time.Minute)
	require.Equal(t, []string{"Use"}, rekeytest.WritesOf(w.Calls(func() { w.Allowed(k.Secret, rekeytest.Home) })))
	after := w.Key(k.View.Key.ID)
	require.Equal(t, "v2", after.PepperVersion)
	require.NotEqual(t, before.MAC, after.MAC)
	require.Equal(t, before.Version, after.Version, "the ETag is the administrator's")
	require.Equal(t, before.Generation, after.Generation)

	w.Allowed(w.Owner.Secret, rekeytest.Home)
	w.Peppers.Remove("v1") // nothing that is asked about from here on is under it
	w.Allowed(k.Secret, rekeytest.Home)
	fresh := w.Regenerate(k.View.Key.ID)
	w.Refused(k.Secret, rekeytest.Home, verify.Unusable, verify.StatusRetired)
	w.Allowed(fresh.Secret, rekeytest.Home)
}

func TestUsed_ADigestThatMovesWhileTheSecretIsReplacedIsStillRetired_B1(t *testing.T) {
	w := rekeytest.New(t)
	k := w.Issue(w.Account("Recorder", w.Company).ID, "k")
	old := k.Secret
	w.Peppers.Rotate()
	other := w.Environment(w.Store.Under)
	w.Store.Hook = func(_ int, called string) {
		if called != "Commit" {
			return
		}
		w.Store.Hook = nil
		v, err := other.Verify(w.Ctx, verify.Presented{Secret: old}, w.Origin(rekeytest.Home))
		require.NoError(t, err)
		other.Used(w.Ctx, v, old, w.Origin(rekeytest.Home))
		require.Equal(t, "v2", w.Key(k.View.Key.ID).PepperVersion)
	}
	k = w.Regenerate(k.View.Key.ID)
	w.Refused(old, rekeytest.Away, verify.Unusable, verify.StatusRetired)
	w.Allowed(k.Secret, rekeytest.Home)
}

func TestUsed_ATokensUseIsRecordedAsItsEmployees_D3(t *testing.T) {
	w := rekeytest.New(t)
	w.Allowed(w.Viewer.Secret, rekeytest.Home)
	held, err := w.Mem.Token(w.Ctx, w.Viewer.Token.ID)
	require.NoError(t, err)
	w.JustUsed(held.LastUsedAt)
	e := w.Record("personal_access_token.first_used")
	require.Equal(t, audit.Employee, e.Actor.Type)
	require.Equal(t, string(w.Viewer.Employee.ID), e.Actor.ID)
	require.Equal(t, string(w.Viewer.Token.ID), e.Target.ID)
	require.Empty(t, w.Calls(func() { w.Verify(token.SecretOf("x"), rekeytest.Home) }))
}
