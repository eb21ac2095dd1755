package rotation_test

import (
	"testing"
	"time"

	"github.com/stretchr/testify/require"

	"github.com/rekey-dev/rekey/pkg/apikey"
	"github.com/rekey-dev/rekey/pkg/fault"
	"github.com/rekey-dev/rekey/pkg/policy"
	"github.com/rekey-dev/rekey/pkg/rekeytest"
	"github.com/rekey-dev/rekey/pkg/rotation"
	"github.com/rekey-dev/rekey/pkg/secrets/secretstest"
)

func maxLifetime(d string) policy.Text { return policy.Text{MaxLifetime: &d} }
func extendOnce(d string) policy.Text  { return policy.Text{ExtendOnce: &d} }

func TestCancel_GivesBackNoEndThatThePolicyForbidsNow_P3(t *testing.T) {
	w := rekeytest.New(t)
	old, out := overlap(t, w)
	w.Policy(rekeytest.At(w.Company), maxLifetime("P90D"))
	_, err := w.Rotations.Cancel(w.Ctx, w.As(w.Owner), out.View.Rotation.ID, false)
	require.NoError(t, err)
	k := w.Key(old.View.Key.ID)
	require.Equal(t, k.CreatedAt.Add(90*day).Truncate(time.Second), k.ExpiresAt)
	require.Equal(t, k.ExpiresAt.Add(-30*day), k.NoticeFrom)
	require.Equal(t, w.Now(), k.DueAt, "an end that nobody asked for is looked at at once")
}

func TestCancel_UnderAScheduleTheKeyIsLookedAtAtOnce_B9(t *testing.T) {
	w := rekeytest.New(t)
	old, out := overlap(t, w)
	w.Policy(rekeytest.At(w.Company), policy.Text{Schedule: &policy.ScheduleText{Every: "P90D", Zone: "UTC"}})
	_, err := w.Rotations.Cancel(w.Ctx, w.As(w.Owner), out.View.Rotation.ID, false)
	require.NoError(t, err)
	require.Equal(t, w.Now(), w.Key(old.View.Key.ID).DueAt)
}

func TestExtend_NoFurtherThanThePolicyAllowsNow_P3(t *testing.T) {
	begin := func() (*rekeytest.World, apikey.Shown, rotation.Shown) {
		w := rekeytest.New(t)
		old := w.Issue(w.Account("Recorder", w.Company).ID, "k")
		text := extendOnce("P30D")
		p := w.Policy(rekeytest.At(w.Company), text)
		w.Advance(80 * day)
		out := rotate(t, w, old.View.Key.ID, rotation.Start{Mode: rotation.Overlap, Overlap: 2 * day})
		text.MaxLifetime, text.Notice = rekeytest.To("P85D"), &[]string{"P1D"}
		_, err := w.Policies.Patch(w.Ctx, w.As(w.Owner), p.ID, func(policy.Text) policy.Text { return text })
		require.NoError(t, err)
		return w, old, out
	}
	w, old, out := begin()
	latest := old.View.Key.CreatedAt.Add(85 * day).Truncate(time.Second)
	_, err := w.Rotations.Extend(w.Ctx, w.As(w.Owner), out.View.Rotation.ID, latest.Add(time.Second))
	require.ErrorContains(t, err, "/until: is after "+latest.Format(time.RFC3339)+", the latest that max_lifetime P85D of the rotation policy pol_")
	_, err = w.Rotations.Extend(w.Ctx, w.As(w.Owner), out.View.Rotation.ID, latest)
	require.NoError(t, err)

	w, old, out = begin()
	w.Clock.Set(out.View.Rotation.OverlapEndsAt.Add(-time.Minute))
	w.Allowed(old.Secret, rekeytest.Home)
	a, err := w.Rotations.Advance(w.Ctx, rotation.System("run"), out.View.Rotation.ID)
	require.NoError(t, err)
	require.Equal(t, latest, a.View.Old.Key.ExpiresAt)
	require.Equal(t, latest, a.View.Rotation.OverlapEndsAt)
}

func TestAdvance_WhatCannotBeExtendedIsNot_B3(t *testing.T) {
	w := rekeytest.New(t)
	w.Policy(rekeytest.At(w.Company), extendOnce("P30D"))
	old := w.IssueFor(w.Account("Recorder", w.Company).ID, "k", 3*day)
	out := rotate(t, w, old.View.Key.ID, rotation.Start{Mode: rotation.Overlap})
	w.Clock.Set(out.View.Rotation.OverlapEndsAt.Add(-time.Minute))
	w.Allowed(old.Secret, rekeytest.Home)
	a, err := w.Rotations.Advance(w.Ctx, rotation.System("run"), out.View.Rotation.ID)
	require.NoError(t, err)
	require.False(t, a.View.Rotation.Extended, "the old key would have ended then anyway")
}

// An end that a policy lowered while the secret was on its way is not raised by the overlap.
func TestRotate_AnOverlapThatBeginsLateNeverOutlivesTheOldKey_P3(t *testing.T) {
	s := newConsumers(t)
	s.failing("UpdateSecretVersionStage", secretstest.Failure{Drop: true})
	out, err := s.start(rotation.Overlap)
	require.NoError(t, err)
	p := maxLifetime("P1D")
	p.Notice = &[]string{"PT1H"}
	s.Policy(rekeytest.On(s.old.View.Account), p)
	s.Advance(2 * day)
	s.sweepOnce()
	ends := s.Key(s.old.View.Key.ID).ExpiresAt
	require.Equal(t, s.Now().Add(time.Hour).Truncate(time.Second), ends)
	s.service.Fail = nil
	s.Advance(10 * time.Minute)
	require.Equal(t, ends, s.advance(out.View).View.Rotation.OverlapEndsAt)
	require.Equal(t, ends, s.Key(s.old.View.Key.ID).ExpiresAt)
}

func TestPolicy_ThatChangesDoesNotShortenAnOverlap_D6(t *testing.T) {
	s := newConsumers(t)
	out := rotate(t, s.World, s.old.View.Key.ID, rotation.Start{Mode: rotation.Overlap})
	s.Advance(2 * day)
	p := maxLifetime("P1D")
	p.Notice = &[]string{"PT1H"}
	s.Policy(rekeytest.On(s.old.View.Account), p)
	s.sweepOnce()
	require.Equal(t, out.View.Rotation.OverlapEndsAt, s.Key(s.old.View.Key.ID).ExpiresAt, "a rotation that is open goes on as it began")
	require.Equal(t, s.Now().Add(time.Hour).Truncate(time.Second), s.Key(out.View.New.Key.ID).ExpiresAt)
}

// A rotation whose overlap has not begun took nothing: there is no end to give back.
func TestCancel_BeforeTheOverlapBeganRaisesNoEnd_P3(t *testing.T) {
	s := newConsumers(t)
	s.failing("UpdateSecretVersionStage", secretstest.Failure{Drop: true})
	out, err := s.start(rotation.Overlap)
	require.NoError(t, err)
	p := s.Policy(rekeytest.On(s.old.View.Account), maxLifetime("P90D"))
	s.sweepOnce()
	ends := s.Key(s.old.View.Key.ID).ExpiresAt
	require.False(t, ends.IsZero())
	require.NoError(t, s.Policies.Delete(s.Ctx, s.As(s.Owner), p.ID))
	_, err = s.Rotations.Cancel(s.Ctx, s.As(s.Owner), out.View.Rotation.ID, false)
	require.NoError(t, err)
	require.Equal(t, ends, s.Key(s.old.View.Key.ID).ExpiresAt)
	require.Equal(t, s.Now(), s.Key(s.old.View.Key.ID).DueAt)
}

func TestAdvance_AnExtensionThatFailsSaysSo_B3(t *testing.T) {
	w := rekeytest.New(t)
	w.Policy(rekeytest.At(w.Company), extendOnce("P1D"))
	old, out := overlap(t, w)
	w.Clock.Set(out.View.Rotation.OverlapEndsAt.Add(-time.Minute))
	w.Allowed(old.Secret, rekeytest.Home)
	w.Store.Hook = func(_ int, method string) {
		if method == "Commit" {
			w.Mem.Break(true)
		}
	}
	_, err := w.Rotations.Advance(w.Ctx, rotation.System("run"), out.View.Rotation.ID)
	w.Mem.Break(false)
	require.True(t, fault.Is(err, fault.Unavailable), "%v", err)
}
