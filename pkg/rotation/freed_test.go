package rotation_test

import (
	"testing"
	"time"

	"github.com/stretchr/testify/require"

	"github.com/rekey-dev/rekey/pkg/apikey"
	"github.com/rekey-dev/rekey/pkg/audit"
	"github.com/rekey-dev/rekey/pkg/rekeytest"
	"github.com/rekey-dev/rekey/pkg/rotation"
)

// A key that nothing gives way for any more is the schedule's again, and the auditor's.
func TestAbort_AReplacedSecretLeavesTheOldKeyToItsSchedule_B9(t *testing.T) {
	s := newConsumers(t)
	s.scheduled()
	s.sweepOnce()
	v := s.openly(rotation.Overlap)
	again, err := s.Keys.Regenerate(s.Ctx, s.As(s.Owner), v.New.Key.ID, apikey.Expiry{}, false)
	require.NoError(t, err)
	s.Note(again.Secret)
	s.service.Fail = nil
	s.Advance(time.Minute)
	s.sweepOnce()
	require.Equal(t, rotation.Aborted, get(t, s.World, v.Rotation.ID).Rotation.State)
	require.Empty(t, s.Key(v.Old.Key.ID).SupersededBy)
	require.False(t, s.Key(v.Old.Key.ID).DueAt.IsZero())
	s.Allowed(again.Secret, rekeytest.Home)
	s.Allowed(s.old.Secret, rekeytest.Home)
	s.sweepDaily(25)
	problems := map[string]any{}
	for _, e := range s.Records(audit.KeyExpiring) {
		problems[e.Target.ID] = e.Details["problem"]
	}
	require.Contains(t, problems[string(v.Old.Key.ID)], "AWSPENDING", "its turn has come, and what was given up is in the way")
}
