package rotation_test

import (
	"testing"
	"time"

	"github.com/stretchr/testify/require"

	"github.com/rekey-dev/rekey/pkg/audit"
	"github.com/rekey-dev/rekey/pkg/fault"
	"github.com/rekey-dev/rekey/pkg/rekeytest"
	"github.com/rekey-dev/rekey/pkg/rotation"
	"github.com/rekey-dev/rekey/pkg/secrets/secretstest"
	"github.com/rekey-dev/rekey/pkg/token"
	"github.com/rekey-dev/rekey/pkg/verify"
)

func (s *consumers) suspend() {
	_, err := s.Companies.Suspend(s.Ctx, s.As(s.Owner), s.Company.Company, "")
	require.NoError(s.t, err)
}

func (s *consumers) resume() {
	_, err := s.Companies.Resume(s.Ctx, s.As(s.Owner), s.Company.Company, "")
	require.NoError(s.t, err)
}

// A delivery that was under way when the company was suspended is finished while it is: the consumer has the new secret when it is
// let in again. Until then neither key opens anything.
func TestDelivery_UnderWayWhenItsCompanyIsSuspendedIsFinishedAndOpensNothing_B5_W5(t *testing.T) {
	s := newConsumers(t)
	s.failing("UpdateSecretVersionStage", secretstest.Failure{Drop: true})
	out, err := s.start(rotation.Overlap)
	require.NoError(t, err)
	s.suspend()
	s.service.Fail = nil
	s.Advance(6 * time.Minute)
	s.sweepOnce()
	v := get(t, s.World, out.View.Rotation.ID)
	require.Equal(t, rotation.Delivered, v.Rotation.State)
	ends := v.Old.Key.ExpiresAt
	require.Equal(t, s.Now().Add(week).Truncate(time.Second), ends, "the overlap has begun")
	for _, secret := range []token.Secret{s.old.Secret, s.reads()} {
		s.Refused(secret, rekeytest.Home, verify.Unusable, verify.StatusCompanySuspended)
	}
	_, err = s.Rotations.Rotate(s.Ctx, s.As(s.Owner), v.New.Key.ID, rotation.Start{Mode: rotation.Overlap})
	require.True(t, fault.Is(err, fault.CompanySuspended), "%v", err)

	s.Advance(day)
	s.resume()
	for _, secret := range []token.Secret{s.old.Secret, s.reads()} {
		s.Allowed(secret, rekeytest.Home)
	}
	s.suspend()
	s.Clock.Set(ends)
	s.sweepOnce()
	require.Equal(t, rotation.Retired, get(t, s.World, out.View.Rotation.ID).Rotation.State, "the overlap is not put off by it")
	s.resume()
	s.Refused(s.old.Secret, rekeytest.Home, verify.Unusable, verify.StatusExpired)
	s.Allowed(s.reads(), rekeytest.Home)
}

// The calendar begins no rotation in a suspended company, says so, and begins it when the company is resumed.
func TestByCalendar_ASuspendedCompanysKeyIsAnnouncedAndRotatesWhenItIsResumed_B9_W5(t *testing.T) {
	s := newConsumers(t)
	s.scheduled()
	s.suspend()
	s.Advance(20 * day)
	for range 5 {
		s.sweepOnce()
		s.Advance(time.Hour)
	}
	require.Empty(t, s.rotations())
	said := s.Record(audit.KeyExpiring)
	require.Equal(t, "rotation_due", said.Details["reason"])
	require.Contains(t, said.Details["problem"], "The company is suspended.")
	s.resume()
	s.Allowed(s.old.Secret, rekeytest.Home)
	s.Advance(time.Hour)
	s.sweepOnce()
	require.Equal(t, []string{audit.RotationStarted, audit.RotationDelivered}, s.story())
	s.Allowed(s.reads(), rekeytest.Home)
}

// Whoever closes the company in the middle of a delivery ends it with the account: nothing more is written to the consumer's secret.
func TestDelivery_UnderWayWhenItsCompanyIsDeletedIsGivenUp_B5_S4_W5(t *testing.T) {
	s := newConsumers(t)
	s.failing("UpdateSecretVersionStage", secretstest.Failure{Drop: true})
	out, err := s.start(rotation.Overlap)
	require.NoError(t, err)
	_, err = s.Accounts.Revoke(s.Ctx, s.As(s.Owner), s.old.View.Account.ID, "")
	require.NoError(t, err)
	require.NoError(t, s.Companies.Delete(s.Ctx, s.As(s.Owner), s.Company.Company))
	s.service.Fail = nil
	for range 3 {
		s.Advance(6 * time.Minute)
		s.sweepOnce()
	}
	v := get(t, s.World, out.View.Rotation.ID)
	require.Equal(t, rotation.Aborted, v.Rotation.State)
	require.Equal(t, "first", s.secret.Labels["AWSCURRENT"])
	s.Refused(s.reads(), rekeytest.Home, verify.Unusable, verify.StatusAccountRevoked)
}
