package rotation_test

import (
	"testing"
	"time"

	"github.com/stretchr/testify/require"

	"github.com/rekey-dev/rekey/pkg/audit"
	"github.com/rekey-dev/rekey/pkg/fault"
	"github.com/rekey-dev/rekey/pkg/permission"
	"github.com/rekey-dev/rekey/pkg/rekeytest"
	"github.com/rekey-dev/rekey/pkg/rotation"
	"github.com/rekey-dev/rekey/pkg/verify"
)

func TestByCalendar_AConsumerThatWasSwitchedOffGetsNoNewKey_B9(t *testing.T) {
	s := newConsumers(t)
	s.scheduled()
	s.sweepOnce()
	_, err := s.Keys.Deactivate(s.Ctx, s.As(s.Owner), s.old.View.Key.ID)
	require.NoError(t, err)
	for range 30 {
		s.sweepOnce()
		s.Refused(s.reads(), rekeytest.Home, verify.Unusable, verify.StatusInactive)
		s.Advance(24 * time.Hour)
	}
	require.Empty(t, s.Records(audit.RotationStarted))

	_, err = s.Keys.Activate(s.Ctx, s.As(s.Owner), s.old.View.Key.ID)
	require.NoError(t, err)
	s.Advance(time.Hour)
	s.sweepOnce()
	require.Len(t, s.Records(audit.RotationStarted), 1, "its turn has long come")
	s.Allowed(s.reads(), rekeytest.Home)
}

func TestRotate_WhoeverMayNotActivateAnInactiveKeyGetsNoActiveOne_D11(t *testing.T) {
	w := rekeytest.New(t)
	k := w.Issue(w.Account("Recorder", w.Company).ID, "Production").View.Key
	_, err := w.Keys.Deactivate(w.Ctx, w.As(w.Owner), k.ID)
	require.NoError(t, err)
	r := w.CustomRole("role_00000000000000000077", append(k.Scopes.List(), permission.ServiceAccountsRotate)...)
	p := w.Hire("Rotator", w.Company, r.ID)
	_, err = w.Keys.Activate(w.Ctx, w.As(p), k.ID)
	require.True(t, fault.Is(err, fault.MissingPermission), "%v", err)
	out, err := w.Rotations.Rotate(w.Ctx, w.As(p), k.ID, rotation.Start{Mode: rotation.Overlap})
	require.NoError(t, err)
	w.Note(out.Secret)
	w.Refused(out.Secret, rekeytest.Home, verify.Unusable, verify.StatusInactive)
	_, err = w.Keys.Activate(w.Ctx, w.As(w.Owner), out.View.New.Key.ID)
	require.NoError(t, err)
	w.Allowed(out.Secret, rekeytest.Home)
}
