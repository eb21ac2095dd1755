package verify_test

import (
	"fmt"
	"slices"
	"testing"
	"time"

	"github.com/stretchr/testify/require"

	"github.com/rekey-dev/rekey/pkg/apikey"
	"github.com/rekey-dev/rekey/pkg/audit"
	"github.com/rekey-dev/rekey/pkg/lock"
	"github.com/rekey-dev/rekey/pkg/rekeytest"
	"github.com/rekey-dev/rekey/pkg/token"
	"github.com/rekey-dev/rekey/pkg/verify"
)

// keyOf is a key with its secret.
type keyOf = apikey.Shown

// tries is how many times strangers, and holders of retired secrets, try.
const tries = 10_000

func TestVerify_StrangersDoNotStopASourceThatAuthenticated_B2(t *testing.T) {
	w := rekeytest.New(t)
	a := w.Account("Recorder", w.Company)
	k := w.Issue(a.ID, "k")
	w.Allowed(k.Secret, rekeytest.Home)
	w.Store.Reset()
	for i := range tries {
		w.Guess(k.Secret, []string{rekeytest.Away, rekeytest.Elsewhere}[i%2], 1)
		if v := w.Request(k.Secret, rekeytest.Home); v.Class != verify.Allow {
			t.Fatalf("after %d wrong secrets of strangers the integration is refused: %s", i+1, v.Status)
		}
	}
	require.True(t, w.ReadAccount(a.ID).Lock.Locked(w.Now()), "to the owner the account shows as locked")
	evaluated := 0
	for _, call := range w.Store.Calls() {
		if call == "Retired" {
			evaluated++
		}
	}
	require.Equal(t, lock.Default.Threshold, evaluated, "wrong secrets that were evaluated")
	require.Len(t, w.Records(audit.PrincipalLocked), 1)
}

func TestVerify_ATrustedSourceIsRefusedByItsOwnCount_B2(t *testing.T) {
	w := rekeytest.New(t)
	a := w.Account("Recorder", w.Company)
	k, other := w.Issue(a.ID, "k"), w.Issue(a.ID, "other")
	w.Allowed(k.Secret, rekeytest.Home)
	w.Allowed(k.Secret, rekeytest.Elsewhere)
	w.Guess(k.Secret, rekeytest.Away, 10)
	w.Guess(k.Secret, rekeytest.Home, 9)
	require.Equal(t, verify.Allow, w.Verify(k.Secret, rekeytest.Home).Class)
	w.Guess(k.Secret, rekeytest.Home, 1)
	for _, s := range []token.Secret{k.Secret, other.Secret} {
		require.Equal(t, verify.StatusLocked, w.Verify(s, rekeytest.Home).Status, "an app with a wrong secret locks itself out")
		require.Equal(t, verify.Allow, w.Verify(s, rekeytest.Elsewhere).Class, "and nobody else")
	}
	require.Equal(t, 10, w.ReadAccount(a.ID).Lock.Failures, "under a lock only the source's own count goes on")
}

func TestVerify_ASourceIsTrustedForThirtyDaysFromItsLastRecordedSuccess_B2(t *testing.T) {
	w := rekeytest.New(t)
	k := w.Issue(w.Account("Recorder", w.Company).ID, "k")
	w.Allowed(k.Secret, rekeytest.Home)
	since := w.Now()
	for _, at := range []struct {
		when   time.Time
		status verify.Status
	}{{since.Add(lock.TrustedFor - time.Millisecond), verify.StatusActive}, {since.Add(lock.TrustedFor), verify.StatusLocked}} {
		w.Clock.Set(at.when)
		w.Guess(k.Secret, rekeytest.Away, 10)
		require.Equal(t, at.status, w.Verify(k.Secret, rekeytest.Home).Status)
		w.Regenerate(k.View.Key.ID) // clears the lock; the old secret is not asked about again
		k = w.Regenerate(k.View.Key.ID)
	}
}

func TestVerify_RetiredSecretsLockNobodyHoweverManyAndHoweverOld_B1(t *testing.T) {
	w := rekeytest.New(t)
	a := w.Account("Recorder", w.Company)
	current := w.Issue(a.ID, "k")
	var old []token.Secret
	for range 50 {
		old = append(old, current.Secret)
		current = w.Regenerate(current.View.Key.ID)
	}
	w.Store.Reset()
	for i := range tries {
		v := w.Request(old[i%len(old)], []string{rekeytest.Away, rekeytest.Home, rekeytest.Elsewhere}[i%3])
		if v.Class != verify.Unusable || v.Status != verify.StatusRetired {
			t.Fatalf("try %d, generation %d: %s %s", i, i%len(old)+1, v.Class, v.Status)
		}
	}
	require.NotContains(t, w.Store.Calls(), "Count")
	require.Zero(t, w.ReadAccount(a.ID).Lock.Failures)
	w.Allowed(current.Secret, rekeytest.Away)
	require.Len(t, w.Records(audit.RetiredSeen), 3, "one an hour and source")
}

func TestVerify_AFloodOfRetiredSecretsFromEverNewSourcesIsBounded_D3(t *testing.T) {
	w := rekeytest.New(t)
	k := w.Issue(w.Account("Recorder", w.Company).ID, "k")
	old := k.Secret
	k = w.Regenerate(k.View.Key.ID)
	n := 0
	flood := func() []string {
		return rekeytest.WritesOf(w.Calls(func() {
			for range 1000 {
				n++
				w.Refused(old, fmt.Sprintf("198.18.%d.%d", n/256, n%256), verify.Unusable, verify.StatusRetired)
			}
		}))
	}
	require.Len(t, flood(), 20)
	require.Empty(t, flood())
	w.Advance(time.Second)
	require.Len(t, flood(), 1)
	w.Advance(5 * time.Second)
	require.Len(t, flood(), 5)
	require.Len(t, w.Records(audit.RetiredSeen), 26)
	other := w.Issue(w.Account("Other", w.Company).ID, "k")
	w.Regenerate(other.View.Key.ID)
	w.Refused(other.Secret, rekeytest.Away, verify.Unusable, verify.StatusRetired)
	require.Len(t, w.Records(audit.RetiredSeen), 27, "each key has its own")
	w.Allowed(k.Secret, rekeytest.Home)
	require.Equal(t, k.View.Key.Generation, w.Key(k.View.Key.ID).UsedGen)
}

func TestVerify_AFloodOfRetiredSecretsDoesNotHideTheForgottenIntegration_B4(t *testing.T) {
	w := rekeytest.New(t)
	k := w.Issue(w.Account("Recorder", w.Company).ID, "k")
	w.Allowed(k.Secret, rekeytest.Home)
	old := k.Secret
	w.Regenerate(k.View.Key.ID)
	for i := range 100 {
		w.Refused(old, fmt.Sprintf("198.18.0.%d", i), verify.Unusable, verify.StatusRetired)
	}
	require.Len(t, w.Records(audit.RetiredSeen), 20)
	w.Refused(old, rekeytest.Home, verify.Unusable, verify.StatusRetired)
	records := w.Records(audit.RetiredSeen)
	require.Len(t, records, 21)
	require.True(t, slices.ContainsFunc(records, func(e audit.Event) bool { return e.SourceIP == rekeytest.Home }))
}

func TestVerify_ARetiredSecretStaysRetiredAfterWhateverEndsTheKey_B1(t *testing.T) {
	w := rekeytest.New(t)
	for name, end := range ends(w) {
		a := w.Account(name, w.Company)
		k := w.IssueFor(a.ID, "k", time.Hour)
		w.Issue(a.ID, "second")
		old := k.Secret
		k = w.Regenerate(k.View.Key.ID)
		end(k)
		w.Store.Reset()
		for range 100 {
			w.Refused(old, rekeytest.Away, verify.Unusable, verify.StatusRetired)
			v := w.Request(k.Secret, rekeytest.Away)
			require.Equal(t, verify.Unusable, v.Class, name)
			require.NotEqual(t, verify.StatusRetired, v.Status, name)
		}
		require.NotContains(t, w.Store.Calls(), "Count", name)
		require.Zero(t, w.ReadAccount(a.ID).Lock.Failures, name)
	}
}

func TestVerify_TheOwnerSeesWhoStillSendsARetiredSecret_B1(t *testing.T) {
	w := rekeytest.New(t)
	k := w.Issue(w.Account("Recorder", w.Company).ID, "k")
	old := k.Secret
	w.Regenerate(k.View.Key.ID)
	calls := w.Calls(func() { w.Request(old, rekeytest.Home) })
	require.Equal(t, []string{"Credential", "Snapshot", "Retired", "Sighting", "See"}, calls)
	require.Empty(t, rekeytest.WritesOf(w.Calls(func() { w.Request(old, rekeytest.Home) })), "once a minute and source")
	require.Empty(t, rekeytest.WritesOf(w.Calls(func() {
		_, err := w.Environment(w.Store).Verify(w.Ctx, verify.Presented{Secret: old}, w.Origin(rekeytest.Home))
		require.NoError(t, err)
	})), "whatever the environment")
	w.Request(old, rekeytest.Away)
	for range 61 {
		w.Advance(time.Minute)
		w.Request(old, rekeytest.Home)
	}
	v, err := w.Keys.Get(w.Ctx, w.As(w.Owner), k.View.Key.ID)
	require.NoError(t, err)
	require.Len(t, v.Sightings, 2)
	require.Equal(t, rekeytest.Home, v.Sightings[0].Source)
	require.Equal(t, int64(62), v.Sightings[0].Count)
	require.Equal(t, w.Now(), v.Sightings[0].LastAt)
	require.Equal(t, "agent/1", v.Sightings[0].UserAgent)
	records := w.Records(audit.RetiredSeen)
	require.Len(t, records, 3, "at once, and an hour later, from Home; at once from Away")
	require.Equal(t, audit.Holder, records[0].Actor.Type)
	require.Equal(t, string(k.View.Key.ID), records[0].Target.ID)
	require.Equal(t, "retired", records[0].Details["status"])
}

func TestVerify_ARetiredSecretIsKnownUnderEveryPepper_B1(t *testing.T) {
	w := rekeytest.New(t)
	a := w.Account("Recorder", w.Company)
	k := w.Issue(a.ID, "k")
	old := []token.Secret{k.Secret}
	for range 4 {
		w.Peppers.Rotate()
		k = w.Regenerate(k.View.Key.ID)
		old = append(old, k.Secret)
	}
	for _, s := range old[:4] {
		w.Refused(s, rekeytest.Home, verify.Unusable, verify.StatusRetired)
	}
	w.Allowed(k.Secret, rekeytest.Home)
	require.Zero(t, w.ReadAccount(a.ID).Lock.Failures)
}
