package rotation_test

import (
	"testing"

	"github.com/stretchr/testify/require"

	"github.com/rekey-dev/rekey/pkg/apikey"
	"github.com/rekey-dev/rekey/pkg/fault"
	"github.com/rekey-dev/rekey/pkg/policy"
	"github.com/rekey-dev/rekey/pkg/rekeytest"
	"github.com/rekey-dev/rekey/pkg/rotation"
	"github.com/rekey-dev/rekey/pkg/secrets/secretstest"
)

// A rotation is open until its end is on record; who asks for another need not wait for the sweeper.
func TestRotate_RightAfterTheNewKeyEndedBeginsFromTheOldKeysFormerEnd_D6(t *testing.T) {
	w := rekeytest.New(t)
	old, out := overlap(t, w)
	_, err := w.Keys.Revoke(w.Ctx, w.As(w.Owner), out.View.New.Key.ID, "", "")
	require.NoError(t, err)
	again := rotate(t, w, old.View.Key.ID, rotation.Start{Mode: rotation.Overlap})
	require.Equal(t, rotation.Aborted, get(t, w, out.View.Rotation.ID).Rotation.State)
	require.True(t, again.View.New.Key.ExpiresAt.IsZero())
	require.True(t, again.View.Rotation.FormerExpiresAt.IsZero())
}

func TestRotate_WhatIsRefusedEndsNothing_D6(t *testing.T) {
	s := newConsumers(t)
	out := rotate(t, s.World, s.old.View.Key.ID, rotation.Start{Mode: rotation.Overlap})
	s.Policy(rekeytest.On(s.old.View.Account), policy.Text{MaxLifetime: rekeytest.To("P90D")})
	forced := func(change func(in *rotation.Start)) fault.Kind {
		in := rotation.Start{Mode: rotation.Overlap, Force: true}
		change(&in)
		_, err := s.Rotations.Rotate(s.Ctx, s.As(s.Owner), s.old.View.Key.ID, in)
		require.Equal(t, rotation.Issued, get(t, s.World, out.View.Rotation.ID).Rotation.State)
		s.Allowed(s.old.Secret, rekeytest.Home)
		return fault.KindOf(err)
	}
	require.Equal(t, fault.Invalid, forced(func(in *rotation.Start) {
		in.ExpiresAt = apikey.Expiry{Given: true, At: s.Now().Add(91 * day)}
	}))
	s.secret.Tags["rekey:place"] = string(s.Root.Node())
	require.Equal(t, fault.Invalid, forced(func(in *rotation.Start) { in.Deliver = recorder }))
	s.failing("DescribeSecret", secretstest.Failure{Drop: true})
	require.Equal(t, fault.Unavailable, forced(func(in *rotation.Start) { in.Deliver = recorder }))
}
