package rotation_test

import (
	"testing"

	"github.com/stretchr/testify/require"

	"github.com/rekey-dev/rekey/pkg/rekeytest"
	"github.com/rekey-dev/rekey/pkg/rotation"
	"github.com/rekey-dev/rekey/pkg/secrets/secretstest"
)

// An immediate delivery that was given up leaves its version pending; the next one of the same key takes its place.
func TestRotate_WhatTheSameKeyLeftPendingIsReplaced_B5(t *testing.T) {
	s := newConsumers(t)
	s.failing("UpdateSecretVersionStage", secretstest.Failure{Drop: true})
	_, err := s.start(rotation.Immediate)
	require.NoError(t, err)
	s.service.Fail = nil
	out, err := s.Rotations.Rotate(s.Ctx, s.As(s.Owner), s.old.View.Key.ID, rotation.Start{Mode: rotation.Overlap, Force: true, Deliver: recorder})
	require.NoError(t, err)
	require.Equal(t, rotation.Delivered, out.View.Rotation.State)
	s.Allowed(s.reads(), rekeytest.Home)
}
