package rotation_test

import (
	"log/slog"
	"testing"
	"time"

	"github.com/stretchr/testify/require"

	"github.com/rekey-dev/rekey/pkg/audit"
	"github.com/rekey-dev/rekey/pkg/id"
	"github.com/rekey-dev/rekey/pkg/policy"
	"github.com/rekey-dev/rekey/pkg/rekeytest"
	"github.com/rekey-dev/rekey/pkg/secrets/secretstest"
	"github.com/rekey-dev/rekey/pkg/sweep"
	"github.com/rekey-dev/rekey/pkg/token"
	"github.com/rekey-dev/rekey/pkg/verify"
)

// dying runs the sweeper, whatever becomes of it.
func (s *consumers) dying() (sweep.Run, error) {
	sweeper := &sweep.Sweeper{Store: s.Store, Keys: s.Keys, Rotations: s.Rotations, Terms: s.Rotations.Terms, Shards: 1, Now: s.Clock.Now, Rand: s.World.Rand,
		Log: slog.New(slog.DiscardHandler)}
	return sweeper.Sweep(s.Ctx, "run")
}

// sweepOnce runs the sweeper.
func (s *consumers) sweepOnce() sweep.Run {
	s.t.Helper()
	r, err := s.dying()
	require.NoError(s.t, err)
	return r
}

// sweepDaily runs the sweeper once a day, the consumer sending whatever its secret holds, and returns how the story goes.
func (s *consumers) sweepDaily(days int) {
	s.t.Helper()
	for range days {
		s.sweepOnce()
		require.Equal(s.t, verify.Allow, s.Request(s.reads(), rekeytest.Home).Class, "the consumer notices nothing")
		s.sweepOnce()
		s.Advance(24 * time.Hour)
	}
}

func (s *consumers) scheduled() {
	s.Policy(rekeytest.At(s.Company), policy.Text{Schedule: &policy.ScheduleText{Every: "P20D", Zone: "UTC"},
		DeliverTo: &policy.Delivery{Type: policy.SecretsManager, SecretID: "acme/recorder"}})
}

func TestByCalendar_KeysRotateByThemselvesAndNobodySeesASecret_B9_B5_P3(t *testing.T) {
	s := newConsumers(t)
	s.scheduled()
	first := s.secret.Labels["AWSCURRENT"]
	s.sweepDaily(70)
	require.NotEqual(t, first, s.secret.Labels["AWSCURRENT"])
	started := s.Records(audit.RotationStarted)
	require.Len(t, started, 3, "every twenty days")
	for _, e := range started {
		require.Equal(t, audit.System, e.Actor.Type)
	}
	require.Len(t, s.Records(audit.RotationDelivered), 3)
	require.Len(t, s.Records(audit.RotationSeen), 3)
	require.GreaterOrEqual(t, len(s.Records(audit.RotationRetired)), 2)
	s.Refused(s.old.Secret, rekeytest.Home, verify.Unusable, verify.StatusExpired)
	account := s.ReadAccount(s.old.View.Key.AccountID)
	require.LessOrEqual(t, account.KeyCount, 2)
}

func TestByCalendar_ATargetThatIsRefusedIsAnnouncedAndTheOldKeyGoesOn_B5(t *testing.T) {
	s := newConsumers(t)
	s.scheduled()
	s.secret.Tags["rekey:place"] = "co_00000000000000000009"
	s.sweepDaily(40)
	require.Empty(t, s.Records(audit.RotationStarted))
	told := s.Records(audit.KeyExpiring)
	require.Len(t, told, 2)
	require.Equal(t, "rotation_due", told[0].Details["reason"])
	require.Equal(t, "rotation_overdue", told[1].Details["reason"])
	require.Equal(t, "The secret is not tagged rekey:place = "+s.Company.ID()+". Tag it; the delivery goes on then.", told[1].Details["problem"])
	s.Allowed(s.old.Secret, rekeytest.Home)

	s.secret.Tags["rekey:place"] = s.Company.ID()
	s.sweepDaily(1)
	started := s.Record(audit.RotationStarted)
	require.Equal(t, audit.System, started.Actor.Type)
	v, err := s.Rotations.Get(s.Ctx, s.As(s.Owner), id.Rotation(started.Target.ID))
	require.NoError(t, err)
	require.Equal(t, told[0].Details["due_at"], v.Rotation.Planned.Due.Format(time.RFC3339))
	require.False(t, v.Rotation.Planned.InSpite())
}

// A policy's target is read when a rotation begins: a delivery that is open goes where it began, and nothing of it elsewhere.
func TestByCalendar_ATargetThatChangesMeanwhileGetsTheNextKeyAndNotTheSameSecret_B5(t *testing.T) {
	s := newConsumers(t)
	p := s.Policy(rekeytest.At(s.Company), policy.Text{Schedule: &policy.ScheduleText{Every: "P20D", Zone: "UTC"},
		DeliverTo: &policy.Delivery{Type: policy.SecretsManager, SecretID: "acme/recorder"}})
	s.sweep()
	s.failing("UpdateSecretVersionStage", secretstest.Failure{Drop: true})
	s.Advance(20*24*time.Hour + time.Minute)
	s.sweep()
	s.sweep()
	r := id.Rotation(s.Record(audit.RotationStarted).Target.ID)
	require.True(t, get(t, s.World, r).Rotation.Awaits())
	other := s.service.Add("acme/other", "placeholder", s.secret.Tags)
	_, err := s.Policies.Patch(s.Ctx, s.As(s.Owner), p.ID, func(t policy.Text) policy.Text {
		t.DeliverTo = &policy.Delivery{Type: policy.SecretsManager, SecretID: "acme/other"}
		return t
	})
	require.NoError(t, err)
	s.service.Fail = nil
	s.Advance(10 * time.Minute)
	s.sweep()
	first := get(t, s.World, r).Rotation
	require.False(t, first.Awaits())
	require.Equal(t, "acme/recorder", first.Delivery.Target.SecretID)
	require.Equal(t, first.Delivery.Version, s.secret.Labels["AWSCURRENT"])
	require.Equal(t, "placeholder", other.Text("AWSCURRENT"))
	s.Allowed(s.reads(), rekeytest.Home)
	for range 25 {
		s.Advance(24 * time.Hour)
		s.sweep()
	}
	require.Len(t, s.Records(audit.RotationStarted), 2)
	require.Equal(t, first.Delivery.Version, s.secret.Labels["AWSCURRENT"])
	for _, text := range other.Versions {
		require.NotEqual(t, s.secret.Text("AWSCURRENT"), *text)
	}
	next := token.SecretOf(other.Text("AWSCURRENT"))
	s.Note(next)
	s.Allowed(next, rekeytest.Home)
}
