package rotation_test

import (
	"testing"
	"time"

	"github.com/stretchr/testify/require"

	"github.com/rekey-dev/rekey/pkg/fault"
	"github.com/rekey-dev/rekey/pkg/policy"
	"github.com/rekey-dev/rekey/pkg/rekeytest"
	"github.com/rekey-dev/rekey/pkg/rotation"
	"github.com/rekey-dev/rekey/pkg/secrets/secretstest"
)

func TestAdvance_OfTwoKeysThatHaveEndedTheFirstDecides_B3(t *testing.T) {
	w := rekeytest.New(t)
	_, out := overlap(t, w)
	w.Clock.Set(out.View.Rotation.OverlapEndsAt)
	_, err := w.Keys.Revoke(w.Ctx, w.As(w.Owner), out.View.New.Key.ID, "", "") // before any sweeper has come
	require.NoError(t, err)
	a, err := w.Rotations.Advance(w.Ctx, rotation.System("run"), out.View.Rotation.ID)
	require.NoError(t, err)
	require.Equal(t, rotation.Retired, a.View.Rotation.State, "its overlap had run out")

	w = rekeytest.New(t)
	_, out = overlap(t, w)
	_, err = w.Keys.Revoke(w.Ctx, w.As(w.Owner), out.View.New.Key.ID, "", "")
	require.NoError(t, err)
	w.Clock.Set(out.View.Rotation.OverlapEndsAt)
	require.Equal(t, rotation.Aborted, get(t, w, out.View.Rotation.ID).Rotation.State)
}

func TestAdvance_ADeliveredEmergencyIsRetiredWhateverBecomesOfTheNewKey_D7(t *testing.T) {
	s := newConsumers(t)
	out, err := s.start(rotation.Emergency)
	require.NoError(t, err)
	_, err = s.Keys.Revoke(s.Ctx, s.As(s.Owner), out.View.New.Key.ID, "", "")
	require.NoError(t, err)
	require.Equal(t, rotation.Retired, s.advance(out.View).View.Rotation.State)
}

func TestCancel_WhenTheNewKeyHasEndedOnItsWayItIsTooLate_B5(t *testing.T) {
	s := newConsumers(t)
	s.failing("UpdateSecretVersionStage", secretstest.Failure{Drop: true})
	out, err := s.start(rotation.Overlap)
	require.NoError(t, err)
	_, err = s.Keys.Revoke(s.Ctx, s.As(s.Owner), out.View.New.Key.ID, "", "")
	require.NoError(t, err)
	_, err = s.Rotations.Cancel(s.Ctx, s.As(s.Owner), out.View.Rotation.ID, false)
	require.True(t, fault.Is(err, fault.Ended), "%v", err)
	require.Equal(t, rotation.Aborted, get(t, s.World, out.View.Rotation.ID).Rotation.State)
}

func TestAdvance_TrafficThatCameBackIsOnRecordBeforeTheExtension_B3(t *testing.T) {
	w := rekeytest.New(t)
	p := w.Policy(rekeytest.At(w.Company), policy.Text{ExtendOnce: rekeytest.To("P1D")})
	old, out := overlap(t, w)
	w.Allowed(out.Secret, rekeytest.Home)
	w.Clock.Set(out.View.Rotation.OverlapEndsAt.Add(-time.Hour))
	a, err := w.Rotations.Advance(w.Ctx, rotation.System("run"), out.View.Rotation.ID)
	require.NoError(t, err)
	require.Equal(t, rotation.Quiet, a.View.Rotation.State)
	w.Clock.Set(out.View.Rotation.OverlapEndsAt.Add(-time.Minute))
	w.Allowed(old.Secret, rekeytest.Home)
	require.Equal(t, rotation.Seen, get(t, w, out.View.Rotation.ID).Rotation.State)
	a, err = w.Rotations.Advance(w.Ctx, rotation.System("run"), out.View.Rotation.ID)
	require.NoError(t, err)
	require.True(t, a.View.Rotation.Extended)
	require.Equal(t, rotation.Seen, a.View.Rotation.State)
	require.Equal(t, p.ID, a.View.Rotation.Terms.Policy)
}

// Whether it is extended is decided until the very end, and in an overlap of a minute, too.
func TestAdvance_TrafficInTheLastMinutesExtendsAnOverlap_B3(t *testing.T) {
	for _, length := range []time.Duration{time.Minute, day} {
		s := newConsumers(t)
		s.Policy(rekeytest.At(s.Company), policy.Text{ExtendOnce: rekeytest.To("P1D")})
		out := rotate(t, s.World, s.old.View.Key.ID, rotation.Start{Mode: rotation.Overlap, Overlap: length})
		ends := out.View.Rotation.OverlapEndsAt
		if length > time.Minute {
			for s.Clock.Set(ends.Add(-6 * time.Minute)); s.Now().Before(ends.Add(-90 * time.Second)); s.Advance(time.Minute) {
				s.sweepOnce()
			}
		}
		s.Clock.Set(ends.Add(-25 * time.Second))
		s.Allowed(s.old.Secret, rekeytest.Home)
		s.sweepOnce()
		require.Equal(t, ends.Add(day), s.Key(s.old.View.Key.ID).ExpiresAt, length)
	}
}
