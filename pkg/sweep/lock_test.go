package sweep_test

import (
	"fmt"
	"testing"
	"time"

	"github.com/stretchr/testify/require"

	"github.com/rekey-dev/rekey/pkg/audit"
	"github.com/rekey-dev/rekey/pkg/lock"
	"github.com/rekey-dev/rekey/pkg/policy"
	"github.com/rekey-dev/rekey/pkg/rekeytest"
	"github.com/rekey-dev/rekey/pkg/serviceaccount"
	"github.com/rekey-dev/rekey/pkg/token"
	"github.com/rekey-dev/rekey/pkg/verify"
)

// three is the lock of a policy: three wrong secrets in five minutes lock for two hours.
func three(strict bool) *policy.LockText {
	return &policy.LockText{Threshold: rekeytest.To(3), Window: rekeytest.To("PT5M"), Duration: rekeytest.To("PT2H"), Strict: &strict}
}

var threeInFive = lock.Policy{Threshold: 3, Window: 5 * time.Minute, Duration: 2 * time.Hour}

// renumbered returns the records that say that a policy gave an account's lock other numbers.
func renumbered(w *rekeytest.World) (out []audit.Event) {
	for _, e := range w.Records(audit.ServiceAccountUpdated) {
		if e.Actor.Type == audit.System {
			out = append(out, e)
		}
	}
	return out
}

// locksAfter requires that an account is locked by the n-th wrong secret and not by one before, and unlocks it.
func locksAfter(w *rekeytest.World, a serviceaccount.Account, s token.Secret, n int) {
	w.T.Helper()
	w.Guess(s, rekeytest.Away, n-1)
	require.False(w.T, w.ReadAccount(a.ID).Lock.Locked(w.Now()))
	w.Guess(s, rekeytest.Away, 1)
	require.True(w.T, w.ReadAccount(a.ID).Lock.Locked(w.Now()))
	_, err := w.Accounts.Unlock(w.Ctx, w.As(w.Owner), a.ID)
	require.NoError(w.T, err)
}

func TestPolicy_ItsLockHoldsForEveryAccountBelowAlsoOneWithoutKeys_I2(t *testing.T) {
	w := rekeytest.New(t)
	var accounts []serviceaccount.Account
	for i := range 120 { // more than two pages
		accounts = append(accounts, w.Account(fmt.Sprint("Recorder ", i), w.Company))
	}
	beside := w.Account("Beside", w.Stranger)
	k, l := w.Issue(accounts[0].ID, "k").Secret, w.Issue(beside.ID, "l").Secret
	before := w.ReadAccount(accounts[0].ID)
	p := w.Policy(rekeytest.At(w.Below), policy.Text{Lock: three(false)})
	run(t, w)
	wentBy(w, p)
	for _, a := range accounts {
		require.Equal(t, threeInFive, w.ReadAccount(a.ID).LockPolicy)
	}
	require.Zero(t, w.ReadAccount(beside.ID).LockPolicy)
	require.Len(t, renumbered(w), 120)
	e := renumbered(w)[0]
	require.Equal(t, map[string]any{"changed": []any{"lock"}, "policy_id": string(p.ID),
		"lock": map[string]any{"threshold": 3.0, "window": "PT5M", "duration": "PT2H", "strict": false}}, e.Details)
	require.Equal(t, "service_account", e.Target.Type)
	before.LockPolicy, before.EventSeq = threeInFive, before.EventSeq+1
	require.Equal(t, before, w.ReadAccount(accounts[0].ID), "nothing else of it changes, its ETag neither")
	locksAfter(w, accounts[0], k, 3)
	locksAfter(w, beside, l, 10)
	for _, e := range w.Records(audit.PrincipalLocked) {
		require.Equal(t, e.Target.ID == string(beside.ID), e.Details["window"] == "PT15M")
	}

	near := w.Policy(rekeytest.On(accounts[0]), policy.Text{Lock: &policy.LockText{Threshold: rekeytest.To(5), Window: rekeytest.To("PT1M"),
		Duration: rekeytest.To("P1D")}})
	run(t, w)
	require.Equal(t, lock.Policy{Threshold: 5, Window: time.Minute, Duration: day}, w.ReadAccount(accounts[0].ID).LockPolicy, "the nearest wins")
	require.NoError(t, w.Policies.Delete(w.Ctx, w.As(w.Owner), near.ID))
	run(t, w)
	require.Equal(t, threeInFive, w.ReadAccount(accounts[0].ID).LockPolicy)

	require.NoError(t, w.Policies.Delete(w.Ctx, w.As(w.Owner), p.ID))
	run(t, w)
	for _, a := range accounts {
		require.Zero(t, w.ReadAccount(a.ID).LockPolicy, "the default is not kept")
	}
	locksAfter(w, accounts[0], k, 10)
	w.Advance(policy.Settled)
	events := len(w.Mem.Events())
	run(t, w)
	require.Empty(t, tasks(w, p))
	require.Len(t, w.Mem.Events(), events, "the second passage finds nothing to do")
}

func TestPolicy_AStrictLockRefusesTheTrustedSourceToo_B2(t *testing.T) {
	w := rekeytest.New(t)
	a := w.Account("Recorder", w.Company)
	k := w.Issue(a.ID, "k").Secret
	w.Allowed(k, rekeytest.Home)
	w.Guess(k, rekeytest.Away, 10)
	w.Allowed(k, rekeytest.Home)
	p := w.Policy(rekeytest.On(a), policy.Text{Lock: three(true)})
	run(t, w)
	w.Refused(k, rekeytest.Home, verify.Unusable, verify.StatusLocked)
	w.Advance(time.Hour)
	w.Allowed(k, rekeytest.Home)
	w.Guess(k, rekeytest.Away, 3)
	w.Refused(k, rekeytest.Home, verify.Unusable, verify.StatusLocked)
	require.Equal(t, "all", w.Records(audit.PrincipalLocked)[1].Details["effect"])
	require.NoError(t, w.Policies.Delete(w.Ctx, w.As(w.Owner), p.ID))
	run(t, w)
	w.Allowed(k, rekeytest.Home)
	w.Refused(k, rekeytest.Elsewhere, verify.Unusable, verify.StatusLocked)
}

func TestPolicy_ANewAccountHasTheLockOfItsPlace_I2(t *testing.T) {
	w := rekeytest.New(t)
	w.Policy(rekeytest.At(w.Below), policy.Text{Lock: three(false)})
	a := w.Account("Recorder", w.Company)
	require.Equal(t, threeInFive, a.LockPolicy)
	require.Equal(t, threeInFive, w.ReadAccount(a.ID).LockPolicy)
	made := w.Record(audit.ServiceAccountCreated)
	require.Equal(t, 3.0, made.Details["lock"].(map[string]any)["threshold"])
	locksAfter(w, a, w.Issue(a.ID, "k").Secret, 3)
	require.Zero(t, w.Account("Beside", w.Stranger).LockPolicy)
}

func TestPolicy_ItsLockIsNoPersonalAccessTokens_I2(t *testing.T) {
	w := rekeytest.New(t)
	w.Policy(rekeytest.At(w.Root), policy.Text{Lock: three(true)})
	run(t, w)
	w.Allowed(w.Viewer.Secret, rekeytest.Home)
	w.Guess(w.Viewer.Secret, rekeytest.Away, 9)
	w.Allowed(w.Viewer.Secret, rekeytest.Elsewhere)
	w.Guess(w.Viewer.Secret, rekeytest.Away, 1)
	require.Equal(t, "untrusted_sources", w.Record(audit.PrincipalLocked).Details["effect"])
	w.Allowed(w.Viewer.Secret, rekeytest.Home)
	w.Refused(w.Viewer.Secret, "192.0.2.99", verify.Unusable, verify.StatusLocked)
}

// meanwhile does something between the reads and the commit of a call.
func meanwhile(w *rekeytest.World, do func()) {
	w.Store.Hook = func(_ int, method string) {
		if method == "Commit" {
			w.Store.Hook = nil
			do()
		}
	}
}

// What is made under what held before, and is there only when the policy's task has gone by, is found by its second passage.
func TestPolicy_WhatIsMadeWhileItChangesIsBroughtInLineAllTheSame_P3(t *testing.T) {
	w := rekeytest.New(t)
	early := w.Account("Early", w.Company)
	var p policy.Policy
	change := func() {
		p = w.Policy(rekeytest.At(w.Below), policy.Text{Lock: three(true), MaxLifetime: rekeytest.To("P90D")})
		run(t, w)
		wentBy(w, p)
	}
	passAgain := func() {
		w.Advance(policy.Settled - time.Second)
		run(t, w)
		require.Len(t, tasks(w, p), 1)
		w.Advance(time.Second)
		run(t, w)
		require.Empty(t, tasks(w, p))
	}
	meanwhile(w, change)
	a := w.Account("Recorder", w.Company)
	require.Zero(t, w.ReadAccount(a.ID).LockPolicy)
	passAgain()
	require.Equal(t, 3, w.ReadAccount(a.ID).LockPolicy.Threshold)
	require.NoError(t, w.Policies.Delete(w.Ctx, w.As(w.Owner), p.ID))
	run(t, w)

	meanwhile(w, change)
	k := w.Issue(early.ID, "k").View.Key
	require.Zero(t, w.Key(k.ID).ExpiresAt)
	passAgain()
	require.Equal(t, k.CreatedAt.Add(90*day), w.Key(k.ID).ExpiresAt)
}

// An account that changes under the sweeper's hands is read again.
func TestPolicy_AnAccountThatChangesMeanwhileGetsItsLockAllTheSame_P3(t *testing.T) {
	w := rekeytest.New(t)
	a := w.Account("Recorder", w.Company)
	w.Policy(rekeytest.At(w.Below), policy.Text{Lock: three(false)})
	name := "renamed"
	meanwhile(w, func() {
		_, err := w.Accounts.Patch(w.Ctx, w.As(w.Owner), a.ID, serviceaccount.Patch{Name: &name})
		require.NoError(t, err)
	})
	run(t, w)
	got := w.ReadAccount(a.ID)
	require.Equal(t, name, got.Name)
	require.Equal(t, threeInFive, got.LockPolicy)
	other := "renamed again"
	_, err := w.Accounts.Patch(w.Ctx, w.As(w.Owner), a.ID, serviceaccount.Patch{Name: &other})
	require.NoError(t, err)
	require.Equal(t, threeInFive, w.ReadAccount(a.ID).LockPolicy, "and keeps it when it is edited")
}
