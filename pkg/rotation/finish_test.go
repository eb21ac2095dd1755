package rotation_test

import (
	"context"
	"testing"
	"time"

	"github.com/stretchr/testify/require"

	"github.com/rekey-dev/rekey/pkg/apikey"
	"github.com/rekey-dev/rekey/pkg/fault"
	"github.com/rekey-dev/rekey/pkg/listing"
	"github.com/rekey-dev/rekey/pkg/rekeytest"
	"github.com/rekey-dev/rekey/pkg/rotation"
	"github.com/rekey-dev/rekey/pkg/serviceaccount"
	"github.com/rekey-dev/rekey/pkg/verify"
)

func TestComplete_EndsTheOldKeyNow_S3(t *testing.T) {
	w := rekeytest.New(t)
	old, out := overlap(t, w)
	v, err := w.Rotations.Complete(w.Ctx, w.As(w.Owner), out.View.Rotation.ID)
	require.NoError(t, err)
	require.Equal(t, rotation.Retired, v.Rotation.State)
	w.Refused(old.Secret, rekeytest.Home, verify.Unusable, verify.StatusRevoked)
	w.Allowed(out.Secret, rekeytest.Home)
	require.Equal(t, apikey.ReasonSuperseded, w.Key(old.View.Key.ID).Ended.Reason)
	require.Equal(t, 1, w.ReadAccount(v.Rotation.AccountID).KeyCount)
	_, err = w.Rotations.Complete(w.Ctx, w.As(w.Owner), out.View.Rotation.ID)
	require.True(t, fault.Is(err, fault.Ended), "%v", err)
}

func TestComplete_PutsOnRecordWhatHappenedBefore_B3(t *testing.T) {
	w := rekeytest.New(t)
	_, out := overlap(t, w)
	w.Allowed(out.Secret, rekeytest.Home)
	v, err := w.Rotations.Complete(w.Ctx, w.As(w.Owner), out.View.Rotation.ID)
	require.NoError(t, err)
	var states []rotation.State
	for _, s := range v.Rotation.Steps {
		states = append(states, s.State)
	}
	require.Equal(t, []rotation.State{rotation.Issued, rotation.Seen, rotation.Retired}, states)
	require.Equal(t, string(w.Owner.Employee.ID), v.Rotation.Steps[2].By)
	require.Equal(t, "system", v.Rotation.Steps[1].By)
}

func TestAdvance_ThatComesLateStillProvesThatTheNewKeyWasSeen_B3(t *testing.T) {
	w := rekeytest.New(t)
	_, out := overlap(t, w)
	w.Allowed(out.Secret, rekeytest.Home)
	w.Clock.Set(out.View.Rotation.OverlapEndsAt.Add(time.Hour))
	a, err := w.Rotations.Advance(w.Ctx, rotation.System("run"), out.View.Rotation.ID)
	require.NoError(t, err)
	require.Equal(t, 2, a.Steps)
	require.Equal(t, rotation.Seen, a.View.Rotation.Steps[1].State)
	require.Equal(t, rotation.Retired, a.View.Rotation.State)
}

func TestCancel_GivesTheOldKeyItsFormerEndBack_D6(t *testing.T) {
	w := rekeytest.New(t)
	a := w.Account("Recorder", w.Company)
	old := w.IssueFor(a.ID, "k", 90*24*time.Hour)
	before := w.Key(old.View.Key.ID)
	out := rotate(t, w, old.View.Key.ID, rotation.Start{Mode: rotation.Overlap})
	v, err := w.Rotations.Cancel(w.Ctx, w.As(w.Owner), out.View.Rotation.ID, false)
	require.NoError(t, err)
	require.Equal(t, rotation.Cancelled, v.Rotation.State)
	after := w.Key(old.View.Key.ID)
	require.Equal(t, before.ExpiresAt, after.ExpiresAt)
	require.Equal(t, before.NoticeFrom, after.NoticeFrom)
	require.Equal(t, before.DueAt, after.DueAt, "its notices are to come")
	require.Empty(t, after.SupersededBy)
	w.Refused(out.Secret, rekeytest.Home, verify.Unusable, verify.StatusRevoked)
	w.Clock.Set(out.View.Rotation.OverlapEndsAt)
	w.Allowed(old.Secret, rekeytest.Home)
}

func TestCancel_AfterTrafficOnTheNewKeyHasToBeForced_B3(t *testing.T) {
	w := rekeytest.New(t)
	_, out := overlap(t, w)
	w.Allowed(out.Secret, rekeytest.Home)
	_, err := w.Rotations.Cancel(w.Ctx, w.As(w.Owner), out.View.Rotation.ID, false)
	require.True(t, fault.Is(err, fault.Conflict), "%v", err)
	w.Allowed(out.Secret, rekeytest.Home)
	_, err = w.Rotations.Cancel(w.Ctx, w.As(w.Owner), out.View.Rotation.ID, true)
	require.NoError(t, err)
	w.Refused(out.Secret, rekeytest.Home, verify.Unusable, verify.StatusRevoked)
}

func TestExtend_LetsTheOldKeyStopLaterOnceAndWithinBounds_D6(t *testing.T) {
	w := rekeytest.New(t)
	old := w.IssueFor(w.Account("Recorder", w.Company).ID, "k", 20*24*time.Hour)
	out := rotate(t, w, old.View.Key.ID, rotation.Start{Mode: rotation.Overlap, Overlap: 24 * time.Hour})
	end := out.View.Rotation.OverlapEndsAt
	extend := func(until time.Time) error {
		_, err := w.Rotations.Extend(w.Ctx, w.As(w.Owner), out.View.Rotation.ID, until)
		return err
	}
	for _, until := range []time.Time{end, end.Add(-time.Second), end.Add(30*24*time.Hour + time.Second), old.View.Key.ExpiresAt.Add(time.Second)} {
		require.True(t, fault.Is(extend(until), fault.Invalid), until)
	}
	require.NoError(t, extend(end.Add(48*time.Hour)))
	w.Clock.Set(end)
	w.Allowed(old.Secret, rekeytest.Home)
	require.True(t, fault.Is(extend(end.Add(72*time.Hour)), fault.Conflict))
	w.Clock.Set(end.Add(48 * time.Hour))
	w.Refused(old.Secret, rekeytest.Home, verify.Unusable, verify.StatusExpired)
}

func TestManage_OnlyWhoMayAndSees_D11(t *testing.T) {
	w := rekeytest.New(t)
	_, out := overlap(t, w)
	r := out.View.Rotation.ID
	_, err := w.Rotations.Complete(w.Ctx, w.As(w.Operator), r)
	require.True(t, fault.Is(err, fault.MissingPermission), "%v", err)
	_, err = w.Rotations.Complete(w.Ctx, w.As(w.StrangerAdmin), r)
	require.True(t, fault.Is(err, fault.NotFound), "%v", err)
	_, err = w.Rotations.Get(w.Ctx, w.As(w.StrangerAdmin), r)
	require.True(t, fault.Is(err, fault.NotFound), "%v", err)
	_, err = w.Rotations.Get(w.Ctx, w.As(w.Operator), r)
	require.NoError(t, err)
}

func TestList_IsOfThePlacesThatOneSees_B3(t *testing.T) {
	w := rekeytest.New(t)
	_, first := overlap(t, w)
	w.Advance(time.Second)
	second := rotate(t, w, w.Issue(w.Account("Elsewhere", w.Stranger).ID, "k").View.Key.ID, rotation.Start{Mode: rotation.Emergency})
	ids := func(p *rekeytest.Person, f rotation.Filter) (out []string) {
		views, next, err := w.Rotations.List(w.Ctx, w.As(p), listing.Where{}, "", f, "", 50)
		require.NoError(t, err)
		require.Empty(t, next)
		for _, v := range views {
			out = append(out, string(v.Rotation.ID))
		}
		return out
	}
	a, b := string(first.View.Rotation.ID), string(second.View.Rotation.ID)
	require.Equal(t, []string{b, a}, ids(w.Owner, rotation.Filter{}))
	require.Equal(t, []string{a}, ids(w.CompanyAdmin, rotation.Filter{}))
	require.Equal(t, []string{b}, ids(w.StrangerAdmin, rotation.Filter{}))
	require.Equal(t, []string{b}, ids(w.Owner, rotation.Filter{State: rotation.Retired}))
	require.Equal(t, []string{a}, ids(w.Owner, rotation.Filter{DueBefore: w.Now().Add(30 * 24 * time.Hour)}))
	require.Empty(t, ids(w.Owner, rotation.Filter{DueBefore: w.Now().Add(time.Hour)}))
}

// Each row is what happens after an overlap has begun, and what Advance makes of it.
func TestAdvance_ProvesTheRotation_B3(t *testing.T) {
	w := rekeytest.New(t)
	old, out := overlap(t, w)
	r := out.View.Rotation.ID
	advance := func() rotation.View {
		t.Helper()
		a, err := w.Rotations.Advance(w.Ctx, rotation.System("run"), r)
		require.NoError(t, err)
		return a.View
	}
	require.Equal(t, rotation.Issued, advance().Rotation.State)
	w.Allowed(old.Secret, rekeytest.Home)
	require.Equal(t, rotation.Issued, advance().Rotation.State)
	w.Allowed(out.Secret, rekeytest.Home)
	require.Equal(t, w.Now(), w.Key(out.View.New.Key.ID).DueAt, "the sweeper is to look")
	require.Equal(t, rotation.Seen, get(t, w, r).Rotation.State, "a reader need not wait for the sweeper")
	require.Equal(t, rotation.Seen, advance().Rotation.State)
	w.Advance(24*time.Hour - time.Second)
	require.Equal(t, rotation.Seen, advance().Rotation.State)
	w.Advance(time.Second)
	require.Equal(t, rotation.Quiet, advance().Rotation.State)
	w.Allowed(old.Secret, rekeytest.Home)
	require.Equal(t, rotation.Seen, advance().Rotation.State, "traffic came back")
	w.Advance(24 * time.Hour)
	require.Equal(t, rotation.Quiet, advance().Rotation.State)
	w.Clock.Set(out.View.Rotation.OverlapEndsAt)
	v := advance()
	require.Equal(t, rotation.Retired, v.Rotation.State)
	var states []rotation.State
	for _, s := range v.Rotation.Steps {
		states = append(states, s.State)
		require.NotEmpty(t, s.Evidence)
	}
	require.Equal(t, []rotation.State{rotation.Issued, rotation.Seen, rotation.Quiet, rotation.Seen, rotation.Quiet, rotation.Retired}, states)
	require.Equal(t, int64(1), v.Rotation.Version, "nothing that an administrator did")
}

func TestAdvance_RetiresOnQuietAndExtendsOnceAsThePolicySays_B3(t *testing.T) {
	w := rekeytest.New(t)
	policy := rotation.DefaultPolicy()
	policy.Terms.RetireOnQuiet, policy.Terms.ExtendOnce = true, 48*time.Hour
	w.Rotations.Terms = func(context.Context, serviceaccount.Account) (rotation.Policy, error) { return policy, nil }
	quiet, first := overlap(t, w)
	w.Allowed(first.Secret, rekeytest.Home)
	w.Advance(25 * time.Hour)
	a, err := w.Rotations.Advance(w.Ctx, rotation.System("run"), first.View.Rotation.ID)
	require.NoError(t, err)
	require.Equal(t, rotation.Retired, a.View.Rotation.State)
	w.Refused(quiet.Secret, rekeytest.Home, verify.Unusable, verify.StatusRevoked)

	busy := w.Issue(w.Account("Busy", w.Company).ID, "k")
	out := rotate(t, w, busy.View.Key.ID, rotation.Start{Mode: rotation.Overlap})
	end := out.View.Rotation.OverlapEndsAt
	w.Clock.Set(end.Add(-time.Hour))
	w.Allowed(busy.Secret, rekeytest.Home)
	a, err = w.Rotations.Advance(w.Ctx, rotation.System("run"), out.View.Rotation.ID)
	require.NoError(t, err)
	require.Equal(t, end.Add(-5*time.Minute), a.Due)
	w.Clock.Set(a.Due)
	a, err = w.Rotations.Advance(w.Ctx, rotation.System("run"), out.View.Rotation.ID)
	require.NoError(t, err)
	require.True(t, a.View.Rotation.Extended)
	require.Equal(t, end.Add(48*time.Hour), a.Due)
	w.Clock.Set(end)
	w.Allowed(busy.Secret, rekeytest.Home)
	w.Clock.Set(end.Add(48 * time.Hour))
	w.Refused(busy.Secret, rekeytest.Home, verify.Unusable, verify.StatusExpired)
}

func TestAdvance_AKeyThatEndsByHandEndsTheRotation_B3(t *testing.T) {
	for name, c := range map[string]struct {
		end  func(w *rekeytest.World, out rotation.Shown)
		want rotation.State
	}{
		"the old one": {func(w *rekeytest.World, out rotation.Shown) {
			_, err := w.Keys.Revoke(w.Ctx, w.As(w.Owner), out.View.Old.Key.ID, "", "")
			require.NoError(t, err)
		}, rotation.Retired},
		"the new one": {func(w *rekeytest.World, out rotation.Shown) {
			_, err := w.Keys.Revoke(w.Ctx, w.As(w.Owner), out.View.New.Key.ID, "", "")
			require.NoError(t, err)
		}, rotation.Aborted},
		"the account": {func(w *rekeytest.World, out rotation.Shown) {
			_, err := w.Accounts.Revoke(w.Ctx, w.As(w.Owner), out.View.Rotation.AccountID, "")
			require.NoError(t, err)
		}, rotation.Aborted},
	} {
		w := rekeytest.New(t)
		old, out := overlap(t, w)
		c.end(w, out)
		for range 2 {
			a, err := w.Rotations.Advance(w.Ctx, rotation.System("run"), out.View.Rotation.ID)
			require.NoError(t, err, name)
			require.Equal(t, c.want, a.View.Rotation.State, name)
			require.True(t, a.Due.IsZero(), name)
		}
		require.Equal(t, c.want, get(t, w, out.View.Rotation.ID).Rotation.State, name)
		if name == "the new one" {
			require.True(t, w.Key(old.View.Key.ID).ExpiresAt.IsZero(), "the old key has its former end again")
			w.Allowed(old.Secret, rekeytest.Home)
		}
	}
}
