package rotation_test

import (
	"testing"
	"time"

	"github.com/stretchr/testify/require"

	"github.com/rekey-dev/rekey/pkg/apikey"
	"github.com/rekey-dev/rekey/pkg/rekeytest"
	"github.com/rekey-dev/rekey/pkg/rotation"
	"github.com/rekey-dev/rekey/pkg/secrets/secretstest"
)

// The old key's end does not let the sweeper forget a secret that is still on its way.
func TestSweep_AnOldKeyThatEndsLeavesNoDeliveryBehind_B5_P3(t *testing.T) {
	for what, end := range map[string]func(s *consumers){
		"expired": func(s *consumers) { s.Clock.Set(s.Key(s.old.View.Key.ID).ExpiresAt) },
		"revoked": func(s *consumers) {
			_, err := s.Keys.Revoke(s.Ctx, s.As(s.Owner), s.old.View.Key.ID, "", "")
			require.NoError(t, err)
		},
	} {
		s := newConsumers(t)
		at := s.Now().Add(10 * day).Truncate(time.Second)
		_, err := s.Keys.Patch(s.Ctx, s.As(s.Owner), s.old.View.Key.ID, apikey.Patch{ExpiresAt: apikey.Expiry{Given: true, At: at}})
		require.NoError(t, err)
		s.failing("UpdateSecretVersionStage", secretstest.Failure{Drop: true})
		out, err := s.Rotations.Rotate(s.Ctx, s.As(s.Owner), s.old.View.Key.ID, rotation.Start{Mode: rotation.Overlap, Deliver: recorder,
			ExpiresAt: apikey.Expiry{Given: true}})
		require.NoError(t, err)
		end(s)
		for range 3 {
			s.sweepOnce()
			s.Advance(6 * time.Minute)
		}
		require.Zero(t, s.ReadAccount(s.old.View.Key.AccountID).KeyCount-1, "its end is counted once, with Secrets Manager down: "+what)
		s.service.Fail = nil
		s.sweepOnce()
		require.Equal(t, rotation.Retired, get(t, s.World, out.View.Rotation.ID).Rotation.State, what)
		s.Allowed(s.reads(), rekeytest.Home)
		require.True(t, s.Key(s.old.View.Key.ID).DueAt.IsZero())
	}
}

// A target that holds another key's secret is somebody's to mend: the key's own end is announced all the same.
func TestByCalendar_ATargetThatIsOccupiedIsAnnouncedOnce_B5_P3(t *testing.T) {
	s := newConsumers(t)
	s.scheduled()
	text := s.Issue(s.old.View.Account.ID, "other").Secret.Reveal()
	s.secret.Versions["theirs"], s.secret.Labels["AWSCURRENT"] = &text, "theirs"
	s.Advance(20 * day)
	for range 3 {
		s.sweepOnce()
		s.Advance(2 * time.Hour)
	}
	due := s.Records("key.expiring")
	require.Len(t, due, 1)
	require.Equal(t, string(s.old.View.Key.ID), due[0].Target.ID)
	require.Regexp(t, "^The secret holds the secret of key_", due[0].Details["problem"])
}
