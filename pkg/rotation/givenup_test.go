package rotation_test

import (
	"testing"
	"time"

	"github.com/stretchr/testify/require"

	"github.com/rekey-dev/rekey/pkg/audit"
	"github.com/rekey-dev/rekey/pkg/rekeytest"
	"github.com/rekey-dev/rekey/pkg/rotation"
	"github.com/rekey-dev/rekey/pkg/secrets/secretstest"
)

func TestForce_OfTheNewKeyLeavesTheOldOneToItsSchedule_B9(t *testing.T) {
	s := newConsumers(t)
	s.scheduled()
	s.sweepOnce()
	v := s.openly(rotation.Overlap)
	s.service.Fail = nil
	out, err := s.Rotations.Rotate(s.Ctx, s.As(s.Owner), v.New.Key.ID, rotation.Start{Mode: rotation.Emergency, Force: true})
	require.NoError(t, err)
	s.Note(out.Secret)
	require.Empty(t, s.Key(v.Old.Key.ID).SupersededBy)
	for range 25 {
		s.sweepOnce()
		s.Advance(24 * time.Hour)
	}
	told := map[string]bool{}
	for _, e := range append(s.Records(audit.KeyExpiring), s.Records(audit.UserUpdated)...) {
		told[e.Target.ID] = told[e.Target.ID] || e.Action == audit.KeyExpiring || e.Details["change"] == audit.KeyRotated
	}
	require.True(t, told[string(v.Old.Key.ID)], "its turn has come")
}

func TestCancel_WhileAWSCURRENTMovesIsMadeGoodByTheSweeper_B5(t *testing.T) {
	s := newConsumers(t)
	s.failing("UpdateSecretVersionStage", secretstest.Failure{Drop: true})
	out, err := s.start(rotation.Overlap)
	require.NoError(t, err)
	s.service.Fail = func(_ int, c secretstest.Call) *secretstest.Failure {
		if c.Operation == "UpdateSecretVersionStage" { // it is cancelled, then AWSCURRENT moves, and nothing answers any more
			s.failing("", secretstest.Failure{Drop: true})
			_, err := s.Rotations.Cancel(s.Ctx, s.As(s.Owner), out.View.Rotation.ID, true)
			require.NoError(t, err)
		}
		return nil
	}
	_, err = s.Rotations.Advance(s.Ctx, rotation.System("req_sweep"), out.View.Rotation.ID)
	require.Error(t, err)
	require.Equal(t, out.View.Rotation.Delivery.Version, s.secret.Labels["AWSCURRENT"])
	s.service.Fail = nil
	s.Advance(2 * time.Minute)
	s.sweepOnce()
	s.Allowed(s.reads(), rekeytest.Home)
	require.Equal(t, s.old.Secret, s.reads())
	require.True(t, s.Key(out.View.New.Key.ID).DueAt.IsZero())
}
