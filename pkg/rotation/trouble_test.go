package rotation_test

import (
	"testing"
	"time"

	"github.com/stretchr/testify/require"

	"github.com/rekey-dev/rekey/pkg/audit"
	"github.com/rekey-dev/rekey/pkg/fault"
	"github.com/rekey-dev/rekey/pkg/policy"
	"github.com/rekey-dev/rekey/pkg/rekeytest"
	"github.com/rekey-dev/rekey/pkg/rotation"
	"github.com/rekey-dev/rekey/pkg/secrets/secretstest"
)

// troubles are what becomes of a target secret between the rotation's beginning and the move of AWSCURRENT.
var troubles = map[string]struct {
	spoil, mend func(s *consumers)
	says        string
}{
	"deleted": {func(s *consumers) { delete(s.service.Secrets, "acme/recorder") },
		func(s *consumers) { s.service.Secrets["acme/recorder"] = s.secret }, "There is no such secret"},
	"scheduled for deletion": {func(s *consumers) { s.secret.Deleted = true }, func(s *consumers) { s.secret.Deleted = false }, "scheduled for deletion"},
	"without permission": {func(s *consumers) { s.failing("", secretstest.Failure{Code: "AccessDeniedException"}) },
		func(s *consumers) { s.service.Fail = nil }, "may not call DescribeSecret"},
	"its KMS key refused": {func(s *consumers) {
		s.failing("GetSecretValue", secretstest.Failure{Code: "AccessDeniedException", Message: "Access to KMS is not allowed"})
	}, func(s *consumers) { s.service.Fail = nil }, "KMS"},
	"another's": {func(s *consumers) { s.secret.Tags["rekey:place"] = "co_00000000000000000009" },
		func(s *consumers) { s.secret.Tags["rekey:place"] = string(s.Company.Company) }, "not tagged rekey:place = co_"},
	"changed by somebody else": {func(s *consumers) {
		s.secret.Versions["theirs"], s.secret.Labels["AWSCURRENT"] = rekeytest.To(s.old.Secret.Reveal()), "theirs"
	}, func(s *consumers) { s.secret.Labels["AWSCURRENT"] = "first" }, "AWSCURRENT is version theirs, and was first"},
	"its labels taken": {func(s *consumers) {
		s.secret.Versions["theirs"], s.secret.Labels["AWSPENDING"] = rekeytest.To("something"), "theirs"
	}, func(s *consumers) { delete(s.secret.Labels, "AWSPENDING") }, "AWSPENDING is on version theirs"},
}

// Whatever becomes of the target in the middle: the rotation stops before anything of the old key ends, and says why, once; it is
// not completed, nor ended by its policy's end, however long it takes; mended, it goes on.
func TestDelivery_WhenTheTargetIsInTroubleInTheMiddleTheOldKeyGoesOnUntilItIsMended_B5(t *testing.T) {
	for what, c := range troubles {
		s := newConsumers(t)
		s.Policy(rekeytest.On(s.old.View.Account), policy.Text{RetireOnQuiet: rekeytest.To(true), QuietFor: rekeytest.To("PT1H")})
		s.failing("UpdateSecretVersionStage", secretstest.Failure{Drop: true})
		out, err := s.start(rotation.Overlap)
		require.NoError(t, err, what)
		s.service.Fail = nil
		c.spoil(s)
		r := out.View.Rotation.ID
		for range 60 { // days
			s.sweepOnce()
			s.Allowed(s.old.Secret, rekeytest.Home)
			s.Advance(day)
		}
		v := get(t, s.World, r)
		require.Equal(t, rotation.Overdue, v.Rotation.State, what)
		require.Contains(t, v.Rotation.Delivery.Problem, c.says, what)
		require.True(t, v.Old.Key.ExpiresAt.IsZero(), what)
		said := s.Record(audit.RotationOverdue)
		require.Contains(t, said.Details["evidence"], c.says, "on record once: "+what)
		_, err = s.Rotations.Complete(s.Ctx, s.As(s.Owner), r)
		require.True(t, fault.Is(err, fault.Conflict), "%s: %v", what, err)
		require.ErrorContains(t, err, "has not been delivered yet. ", what)
		require.ErrorContains(t, err, c.says, what)

		c.mend(s)
		s.Advance(6 * time.Minute)
		s.sweepOnce()
		v = get(t, s.World, r)
		require.Equal(t, rotation.Delivered, v.Rotation.State, what)
		require.Empty(t, v.Rotation.Delivery.Problem)
		require.Equal(t, s.Now().Add(week).Truncate(time.Second), v.Old.Key.ExpiresAt, "the overlap begins now: "+what)
		s.Allowed(s.old.Secret, rekeytest.Home)
		s.Allowed(s.reads(), rekeytest.Home)
		s.Advance(2 * time.Hour)
		s.sweepOnce()
		require.Equal(t, rotation.Retired, get(t, s.World, r).Rotation.State, what)
	}
}

// Before anything has begun the same troubles refuse a rotation by the calendar: it is announced, and begins when mended.
func TestByCalendar_ATargetInTroubleIsAnnouncedAndTheRotationBeginsWhenItIsMended_B5_B9(t *testing.T) {
	for what, c := range troubles {
		if what == "changed by somebody else" { // before a delivery has begun that is what it begins from
			continue
		}
		s := newConsumers(t)
		s.scheduled()
		s.Advance(20 * day)
		c.spoil(s)
		for range 5 {
			s.sweepOnce()
			s.Allowed(s.old.Secret, rekeytest.Home)
			s.Advance(time.Hour)
		}
		require.Empty(t, s.rotations(), what)
		said := s.Record(audit.KeyExpiring)
		require.Equal(t, "rotation_due", said.Details["reason"], what)
		require.Contains(t, said.Details["problem"], c.says, what)
		c.mend(s)
		s.Advance(time.Hour)
		s.sweepOnce()
		require.Equal(t, []string{audit.RotationStarted, audit.RotationDelivered}, s.story(), what)
		s.Allowed(s.reads(), rekeytest.Home)
	}
}
