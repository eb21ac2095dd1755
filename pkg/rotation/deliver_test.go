package rotation_test

import (
	"context"
	"fmt"
	"testing"
	"time"

	"github.com/aws/aws-sdk-go-v2/aws"
	"github.com/stretchr/testify/require"

	"github.com/rekey-dev/rekey/pkg/apikey"
	"github.com/rekey-dev/rekey/pkg/delivery"
	"github.com/rekey-dev/rekey/pkg/fault"
	"github.com/rekey-dev/rekey/pkg/memstore"
	"github.com/rekey-dev/rekey/pkg/rekeytest"
	"github.com/rekey-dev/rekey/pkg/rotation"
	"github.com/rekey-dev/rekey/pkg/secrets/consumer"
	"github.com/rekey-dev/rekey/pkg/secrets/secretstest"
	"github.com/rekey-dev/rekey/pkg/token"
	"github.com/rekey-dev/rekey/pkg/verify"
)

// consumers is a world with a consumer whose key stands in its secret.
type consumers struct {
	*rekeytest.World
	t       *testing.T
	service *secretstest.Service
	secret  *secretstest.Secret
	old     apikey.Shown
}

// recorder is where the consumer's secret is.
var recorder = delivery.Target{Type: delivery.SecretsManager, SecretID: "acme/recorder"}

func newConsumers(t *testing.T) *consumers {
	w := rekeytest.New(t)
	s := &consumers{World: w, t: t, service: secretstest.New(t), old: w.Issue(w.Account("Recorder", w.Company).ID, "Production")}
	s.secret = s.service.Add("acme/recorder", s.old.Secret.Reveal(), map[string]string{"rekey:place": string(w.Company.Company)})
	cfg := aws.Config{Region: "eu-central-1", BaseEndpoint: &s.service.URL, HTTPClient: s.service.Client,
		Retryer: func() aws.Retryer { return aws.NopRetryer{} },
		Credentials: aws.CredentialsProviderFunc(func(context.Context) (aws.Credentials, error) {
			return aws.Credentials{AccessKeyID: "AKID", SecretAccessKey: "signing"}, nil
		})}
	w.Rotations.Courier = &delivery.Courier{Abandoned: w.Keys.Abandoned,
		Boxes: consumer.New(cfg, func(context.Context) (string, error) { return "msp_00000000000000000001", nil })}
	return s
}

func (s *consumers) start(mode rotation.Mode) (rotation.Shown, error) {
	return s.Rotations.Rotate(s.Ctx, s.As(s.Owner), s.old.View.Key.ID, rotation.Start{Mode: mode, Deliver: recorder})
}

// reads is what the consumer reads and sends.
func (s *consumers) reads() token.Secret {
	secret := token.SecretOf(s.secret.Text("AWSCURRENT"))
	s.Note(secret)
	return secret
}

func (s *consumers) advance(v rotation.View) rotation.Advanced {
	s.t.Helper()
	a, err := s.Rotations.Advance(s.Ctx, rotation.System("req_sweep"), v.Rotation.ID)
	require.NoError(s.t, err)
	return a
}

// failing makes every call of an operation fail; of all of them, when it is "".
func (s *consumers) failing(operation string, f secretstest.Failure) {
	s.service.Fail = func(_ int, c secretstest.Call) *secretstest.Failure {
		if operation == "" || c.Operation == operation {
			return &f
		}
		return nil
	}
}

func TestRotate_DeliveredSecretIsShownToNobodyAndTheConsumerNoticesNothing_B5(t *testing.T) {
	for _, mode := range []rotation.Mode{rotation.Overlap, rotation.Immediate, rotation.Emergency} {
		s := newConsumers(t)
		out, err := s.start(mode)
		require.NoError(t, err)
		require.True(t, out.Secret.IsZero())
		r := out.View.Rotation
		require.Equal(t, rotation.Delivered, r.State)
		require.Equal(t, s.secret.Labels["AWSCURRENT"], r.Delivery.Version)
		require.Equal(t, "first", r.Delivery.From)
		require.Equal(t, "AWSCURRENT was read back as version "+r.Delivery.Version+" of acme/recorder", r.Steps[len(r.Steps)-1].Evidence)
		s.Allowed(s.reads(), rekeytest.Home)
		if mode != rotation.Overlap {
			require.Equal(t, rotation.Retired, s.advance(out.View).View.Rotation.State)
			continue
		}
		require.Equal(t, s.Now().Add(week).Truncate(time.Second), r.OverlapEndsAt)
		require.Equal(t, r.OverlapEndsAt, out.View.Old.Key.ExpiresAt)
		s.Allowed(s.old.Secret, rekeytest.Home)
		require.Equal(t, rotation.Seen, s.advance(out.View).View.Rotation.State)
	}
}

func TestRotate_TheOldKeyKeepsItsEndUntilTheSecretWasReadBack_B5(t *testing.T) {
	s := newConsumers(t)
	s.failing("UpdateSecretVersionStage", secretstest.Failure{Drop: true})
	out, err := s.start(rotation.Overlap)
	require.NoError(t, err, "the rotation is there")
	require.Equal(t, rotation.Issued, out.View.Rotation.State)
	require.True(t, out.View.Rotation.Awaits())
	require.True(t, out.View.Old.Key.ExpiresAt.IsZero())
	require.False(t, out.View.Old.Key.DueAt.IsZero(), "the sweeper comes back to it")

	s.Advance(60 * 24 * time.Hour) // however long Secrets Manager is down
	_, err = s.Rotations.Advance(s.Ctx, rotation.System("req_sweep"), out.View.Rotation.ID)
	require.True(t, fault.Is(err, fault.Unavailable), "%v", err)
	s.Allowed(s.old.Secret, rekeytest.Home)
	_, err = s.Rotations.Complete(s.Ctx, s.As(s.Owner), out.View.Rotation.ID)
	require.True(t, fault.Is(err, fault.Conflict), "%v", err)
	_, err = s.Rotations.Extend(s.Ctx, s.As(s.Owner), out.View.Rotation.ID, s.Now().Add(time.Hour))
	require.True(t, fault.Is(err, fault.Conflict), "%v", err)

	s.service.Fail = nil
	a := s.advance(out.View)
	require.Equal(t, rotation.Delivered, a.View.Rotation.State)
	require.Equal(t, s.Now().Add(week).Truncate(time.Second), a.View.Old.Key.ExpiresAt)
	s.Allowed(s.reads(), rekeytest.Home)
}

func TestRotate_AProblemIsSaidOnceAndTheDeliveryGoesOnWhenMended_B5(t *testing.T) {
	for _, mode := range []rotation.Mode{rotation.Overlap, rotation.Immediate, rotation.Emergency} {
		s := newConsumers(t)
		s.failing("UpdateSecretVersionStage", secretstest.Failure{Code: "AccessDeniedException"})
		out, err := s.start(mode)
		require.NoError(t, err)
		r := out.View.Rotation
		require.Equal(t, rotation.Overdue, r.State)
		require.Contains(t, r.Delivery.Problem, "may not call UpdateSecretVersionStage")
		for range 3 {
			a := s.advance(out.View)
			require.Equal(t, r.EventSeq, a.View.Rotation.EventSeq, "it is not said again")
			require.False(t, a.Due.IsZero())
		}
		s.service.Fail = nil
		a := s.advance(out.View)
		require.Empty(t, a.View.Rotation.Delivery.Problem)
		require.False(t, a.View.Rotation.Awaits())
		s.Allowed(s.reads(), rekeytest.Home)
		if mode == rotation.Overlap {
			s.Allowed(s.old.Secret, rekeytest.Home)
		} else {
			require.Equal(t, rotation.Retired, a.View.Rotation.State)
		}
	}
}

func TestRotate_ASecretThatIsNotThePlacesIsRefusedAndNothingIsMade_B5(t *testing.T) {
	s := newConsumers(t)
	s.secret.Tags["rekey:place"] = string(s.Root.Node())
	_, err := s.start(rotation.Overlap)
	var f *fault.Error
	require.ErrorAs(t, err, &f)
	require.Equal(t, "/deliver_to/secret_id", f.Fields[0].Pointer)
	require.Equal(t, []string{"DescribeSecret"}, s.service.Operations())
	page, err := s.Keys.OfAccount(s.Ctx, s.As(s.Owner), s.old.View.Account.ID, "", 10)
	require.NoError(t, err)
	require.Len(t, page.Keys, 1)
}

// recover does what the next minutes bring: the sweeper advances an open rotation; where there is none the caller tries again.
func (s *consumers) recover(mode rotation.Mode) rotation.Rotation {
	s.t.Helper()
	s.service.Fail = nil
	s.Store.Reset()
	k := s.Key(s.old.View.Key.ID)
	if k.RotationID == "" {
		out, err := s.start(mode)
		require.NoError(s.t, err)
		return out.View.Rotation
	}
	return s.advance(get(s.t, s.World, k.RotationID)).View.Rotation
}

// Every call to the store and to Secrets Manager fails once, in each way. Whatever was lost, in the end the consumer has a
// secret that is accepted, there is one new key, and the old one has not ended before.
func TestRotate_CrashesAnywhereAndNoKeyIsLostOrHeldByNobody_B5(t *testing.T) {
	cases := 0
	for _, mode := range []rotation.Mode{rotation.Overlap, rotation.Emergency, rotation.Immediate} {
		try := func(what string, prepare func(s *consumers)) {
			cases++
			s := newConsumers(t)
			s.Store.Reset()
			prepare(s)
			out, err := s.start(mode)
			if err == nil {
				require.True(t, out.Secret.IsZero())
			}
			s.Store.Settle()
			if mode == rotation.Overlap {
				s.Allowed(s.old.Secret, rekeytest.Home)
				s.Allowed(s.reads(), rekeytest.Home)
			}
			r := s.recover(mode)
			require.False(t, r.Awaits(), "%s: %v", what, r.Delivery)
			require.Equal(t, r.Delivery.Version, s.secret.Labels["AWSCURRENT"], what)
			require.NotContains(t, s.secret.Labels, "AWSPENDING", what)
			s.Allowed(s.reads(), rekeytest.Home)
			if mode == rotation.Overlap {
				s.Allowed(s.old.Secret, rekeytest.Home)
			}
			page, err := s.Keys.OfAccount(s.Ctx, s.As(s.Owner), s.old.View.Account.ID, "", 10)
			require.NoError(t, err)
			require.Len(t, page.Keys, map[rotation.Mode]int{rotation.Overlap: 2, rotation.Emergency: 2, rotation.Immediate: 1}[mode], what)
		}
		counted := newConsumers(t)
		counted.Store.Reset()
		_, err := counted.start(mode)
		require.NoError(t, err)
		for n := range counted.Store.Calls() {
			for _, m := range memstore.Modes {
				try(fmt.Sprintf("%s, call %d of the store fails %s", mode, n+1, m), func(s *consumers) { s.Store.Fail(n+1, m) })
			}
		}
		for n := range counted.service.Calls {
			for _, f := range []secretstest.Failure{{Drop: true}, {Drop: true, Effect: true}, {Code: "AccessDeniedException"}, {Code: "InternalServiceError", Effect: true}} {
				try(fmt.Sprintf("%s, call %d of Secrets Manager: %+v", mode, n+1, f), func(s *consumers) {
					s.service.Fail = func(i int, _ secretstest.Call) *secretstest.Failure {
						if i == n+1 {
							return &f
						}
						return nil
					}
				})
			}
		}
	}
	t.Logf("%d cases", cases)
}

func TestCancel_OfADeliveredOneAsksToPutTheOldSecretBackFirst_B5(t *testing.T) {
	s := newConsumers(t)
	out, err := s.start(rotation.Overlap)
	require.NoError(t, err)
	_, err = s.Rotations.Cancel(s.Ctx, s.As(s.Owner), out.View.Rotation.ID, false)
	require.ErrorContains(t, err, "Move its AWSCURRENT back to version first")
	s.secret.Labels["AWSCURRENT"] = "first"
	_, err = s.Rotations.Cancel(s.Ctx, s.As(s.Owner), out.View.Rotation.ID, true)
	require.NoError(t, err)
	s.Allowed(s.reads(), rekeytest.Home)
	again, err := s.start(rotation.Overlap)
	require.NoError(t, err)
	require.Equal(t, rotation.Delivered, again.View.Rotation.State)
}

func TestCancel_BeforeTheSecretWasDeliveredLeavesTheConsumerOnTheOldOne_B5(t *testing.T) {
	s := newConsumers(t)
	s.failing("UpdateSecretVersionStage", secretstest.Failure{Drop: true})
	out, err := s.start(rotation.Overlap)
	require.NoError(t, err)
	_, err = s.Rotations.Cancel(s.Ctx, s.As(s.Owner), out.View.Rotation.ID, false)
	require.NoError(t, err)
	s.Allowed(s.reads(), rekeytest.Home)
	require.Equal(t, s.old.Secret.Reveal(), s.reads().Reveal())
	s.service.Fail = nil
	again, err := s.start(rotation.Overlap)
	require.NoError(t, err, "what the cancelled one left pending is nobody's")
	require.Equal(t, rotation.Delivered, again.View.Rotation.State)
}

func TestRotate_AnEmergencyEndsTheOldKeyWhateverBecomesOfTheDelivery_D7(t *testing.T) {
	s := newConsumers(t)
	s.failing("UpdateSecretVersionStage", secretstest.Failure{Drop: true})
	out, err := s.start(rotation.Emergency)
	require.NoError(t, err)
	s.Refused(s.old.Secret, rekeytest.Home, verify.Unusable, verify.StatusRevoked)
	require.False(t, out.View.New.Key.DueAt.IsZero(), "the sweeper comes back to the new key")
	_, err = s.Rotations.Cancel(s.Ctx, s.As(s.Owner), out.View.Rotation.ID, true)
	require.True(t, fault.Is(err, fault.Conflict), "%v", err)
}
