package rotation_test

import (
	"fmt"
	"testing"
	"time"

	"github.com/stretchr/testify/require"

	"github.com/rekey-dev/rekey/pkg/apikey"
	"github.com/rekey-dev/rekey/pkg/audit"
	"github.com/rekey-dev/rekey/pkg/call"
	"github.com/rekey-dev/rekey/pkg/delivery"
	"github.com/rekey-dev/rekey/pkg/fault"
	"github.com/rekey-dev/rekey/pkg/memstore"
	"github.com/rekey-dev/rekey/pkg/rekeytest"
	"github.com/rekey-dev/rekey/pkg/rotation"
	"github.com/rekey-dev/rekey/pkg/secrets/secretstest"
	"github.com/rekey-dev/rekey/pkg/verify"
)

// stuck are deliveries that stand between the key and its consumer when another one is forced. Each leaves the key that it is of.
var stuck = map[string]func(s *consumers) apikey.Key{
	"overlap":   func(s *consumers) apikey.Key { return s.openly(rotation.Overlap).Old.Key },
	"immediate": func(s *consumers) apikey.Key { return s.openly(rotation.Immediate).New.Key },
	"emergency": func(s *consumers) apikey.Key { return s.openly(rotation.Emergency).New.Key },
	"issue": func(s *consumers) apikey.Key {
		s.holds("placeholder")
		s.failing("UpdateSecretVersionStage", secretstest.Failure{Drop: true})
		out, err := issueTo(s, s.As(s.Owner))
		require.NoError(s.t, err)
		return out.View.Key
	},
}

// openly begins a rotation whose delivery does not come to its end.
func (s *consumers) openly(mode rotation.Mode) rotation.View {
	s.failing("UpdateSecretVersionStage", secretstest.Failure{Drop: true})
	out, err := s.start(mode)
	require.NoError(s.t, err)
	require.True(s.t, out.View.Rotation.Awaits())
	return out.View
}

func forceTo(s *consumers, k apikey.Key, c call.Call, to delivery.Target) (apikey.Shown, error) {
	return s.Rotations.RegenerateTo(s.Ctx, c, k.ID, apikey.Expiry{}, true, to)
}

func TestForce_AnotherDeliveryTakesTheOpenOnesPlace_B5(t *testing.T) {
	for name, begin := range stuck {
		s := newConsumers(t)
		k := begin(s)
		s.service.Fail = nil
		_, err := s.Rotations.RegenerateTo(s.Ctx, s.As(s.Owner), k.ID, apikey.Expiry{}, false, target)
		require.True(t, fault.Is(err, fault.RotationOpen), "%s: %v", name, err)
		out, err := forceTo(s, k, s.As(s.Owner), target)
		require.NoError(t, err, name)
		require.False(t, out.Delivery.DoneAt.IsZero(), name)
		s.Allowed(s.reads(), rekeytest.Home)
		require.Len(t, append(s.Records(audit.RotationAborted), s.Records(audit.RotationCancelled)...), 1, name)
		for range 3 {
			s.sweep()
			s.Advance(time.Minute)
			s.Allowed(s.reads(), rekeytest.Home)
			require.Equal(t, out.Delivery.Version, s.secret.Labels["AWSCURRENT"], "%s: what was given up moves nothing", name)
		}
	}
}

// The same secret is never put into two targets: another target gets another secret, and what the first target has been given
// before that is never made its consumers'.
func TestForce_AnotherTargetGetsAnotherSecret_B5(t *testing.T) {
	for name, begin := range stuck {
		s := newConsumers(t)
		k := begin(s)
		s.service.Fail = nil
		was := s.secret.Text("AWSCURRENT")
		other := s.service.Add("acme/other", "another placeholder", s.secret.Tags)
		out, err := forceTo(s, k, s.As(s.Owner), delivery.Target{Type: delivery.SecretsManager, SecretID: "acme/other"})
		require.NoError(t, err, name)
		for range 3 {
			s.sweep()
			s.Advance(time.Minute)
		}
		require.Equal(t, out.Delivery.Version, other.Labels["AWSCURRENT"], name)
		require.Equal(t, was, s.secret.Text("AWSCURRENT"), name)
		for _, text := range s.secret.Versions {
			for _, there := range other.Versions {
				require.NotEqual(t, *text, *there, name)
			}
		}
	}
}

func TestCancel_WhileAWSCURRENTIsMovedLeavesTheConsumerOnTheOldKey_B5(t *testing.T) {
	for _, force := range []bool{false, true} {
		s := newConsumers(t)
		done := false
		s.service.Fail = func(_ int, c secretstest.Call) *secretstest.Failure {
			if c.In["VersionStage"] == "AWSCURRENT" && c.In["MoveToVersionId"] != nil && !done {
				done = true
				open := s.Key(s.old.View.Key.ID).RotationID
				_, err := s.Rotations.Cancel(s.Ctx, s.As(s.Owner), open, force)
				require.NoError(t, err)
			}
			return nil
		}
		_, err := s.start(rotation.Overlap)
		require.NoError(t, err)
		require.True(t, done)
		require.Equal(t, s.old.Secret.Reveal(), s.reads().Reveal())
		s.Allowed(s.reads(), rekeytest.Home)
	}
}

// The consumer of an overlap that is not delivered yet is on the old key, which lives: the new one does not push it out.
func TestForce_TheNewKeyOfAnOpenOverlapDoesNotTakeTheOldOnesPlace_B5(t *testing.T) {
	s := newConsumers(t)
	v := s.openly(rotation.Overlap)
	s.service.Fail = nil
	_, err := forceTo(s, v.New.Key, s.As(s.Owner), target)
	require.True(t, fault.Is(err, fault.Conflict), "%v", err)
	require.ErrorContains(t, err, string(v.Old.Key.ID))
	other := s.service.Add("acme/other", "", s.secret.Tags)
	out, err := forceTo(s, v.New.Key, s.As(s.Owner), delivery.Target{Type: delivery.SecretsManager, SecretID: "acme/other"})
	require.NoError(t, err)
	for range 3 {
		s.sweep()
		s.Advance(time.Minute)
	}
	require.Equal(t, out.Delivery.Version, other.Labels["AWSCURRENT"])
	require.Equal(t, s.old.Secret.Reveal(), s.reads().Reveal())
	s.Allowed(s.reads(), rekeytest.Home)
}

func TestForce_ATargetThatIsRefusedEndsNothing_B5(t *testing.T) {
	for name, begin := range stuck {
		s := newConsumers(t)
		k := begin(s)
		s.service.Fail = nil
		_, err := forceTo(s, k, s.As(s.Owner), delivery.Target{Type: delivery.SecretsManager, SecretID: "acme/absent"})
		require.True(t, fault.Is(err, fault.Invalid), "%s: %v", name, err)
		s.Advance(time.Minute)
		s.sweep()
		require.False(t, get(t, s.World, s.Key(k.ID).RotationID).Rotation.Awaits(), "%s: the open one goes on", name)
		s.Allowed(s.reads(), rekeytest.Home)
	}
}

// Every call fails once, in each way, while a delivery is forced in the place of an open one. One of the two comes to its end:
// the consumer is never left with a secret that no key accepts.
func TestForce_CrashesAnywhereAndTheConsumerHasASecretThatWorks_B5(t *testing.T) {
	cases := 0
	for name, begin := range stuck {
		ready := func() (*consumers, apikey.Key) {
			s := newConsumers(t)
			k := begin(s)
			s.service.Fail, s.service.Calls = nil, nil
			s.Store.Reset()
			return s, k
		}
		try := func(what string, prepare func(s *consumers)) {
			cases++
			s, k := ready()
			prepare(s)
			_, _ = forceTo(s, k, s.As(s.Owner), target)
			s.Store.Settle()
			s.service.Fail = nil
			s.Store.Reset()
			for range 3 {
				s.sweep()
				s.Advance(time.Minute)
			}
			require.Equal(t, verify.Allow, s.Request(s.reads(), rekeytest.Home).Class, what)
			require.Empty(t, get(t, s.World, s.Key(k.ID).RotationID).Rotation.Delivery.Problem, what)
		}
		counted, k := ready()
		_, err := forceTo(counted, k, counted.As(counted.Owner), target)
		require.NoError(t, err)
		for n, method := range counted.Store.Calls() {
			for _, mode := range memstore.Modes {
				try(fmt.Sprintf("%s, call %d of the store (%s) fails %s", name, n+1, method, mode), func(s *consumers) { s.Store.Fail(n+1, mode) })
			}
		}
		for n, c := range counted.service.Calls {
			for _, f := range []secretstest.Failure{{Drop: true}, {Drop: true, Effect: true}, {Code: "AccessDeniedException"}, {Code: "InternalServiceError", Effect: true}} {
				try(fmt.Sprintf("%s, call %d of Secrets Manager (%s): %+v", name, n+1, c.Operation, f), func(s *consumers) {
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
	require.Greater(t, cases, 300)
}
