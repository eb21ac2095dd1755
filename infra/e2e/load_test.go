package e2e

import (
	"os"
	"strconv"
	"testing"

	"github.com/stretchr/testify/require"

	"github.com/rekey-dev/rekey/infra/e2e/trial"
)

// size is how large a trial is: the number that REKEY_TRIAL_SIZE multiplies. The measurements run the same trials in full.
func size(n int) int {
	if factor, err := strconv.Atoi(os.Getenv("REKEY_TRIAL_SIZE")); err == nil && factor > 0 {
		return n * factor
	}
	return n
}

func onTrial() trial.World {
	return trial.World{API: world.api, Owner: world.owner, Node: world.node, Logs: world.LogLines}
}

func TestLoad_NoRequestThatBeginsAfterARevokeSucceeds_D4(t *testing.T) {
	got, err := trial.Revoke(t.Context(), onTrial(), size(100), 64)
	require.NoError(t, err)
	t.Logf("%+v", got)
	require.Zero(t, got.Leaks)
	require.GreaterOrEqual(t, got.After, int64(size(100)*8))
	require.Positive(t, got.Accepted)
}

func TestLoad_RevokingAnAccountStopsAllItsKeysAtOnce_S4(t *testing.T) {
	got, err := trial.RevokeAccount(t.Context(), onTrial(), "revoke", size(60), 32)
	require.NoError(t, err)
	t.Logf("%+v", got)
	require.Zero(t, got.Leaks)
	require.GreaterOrEqual(t, got.After, int64(size(60)))
}

func TestLoad_RotatingAllKeysOfAnAccountStopsThemAtOnce_W8(t *testing.T) {
	got, err := trial.RevokeAccount(t.Context(), onTrial(), "rotate", size(60), 32)
	require.NoError(t, err)
	t.Logf("%+v", got)
	require.Zero(t, got.Leaks)
	require.GreaterOrEqual(t, got.After, int64(size(60)))
}

func TestLoad_AFloodOfGuessesLocksAndIsNotEvaluatedBeyondTheLock_I2(t *testing.T) {
	got, err := trial.Guess(t.Context(), onTrial(), 1000)
	require.NoError(t, err)
	t.Logf("%+v", got)
	require.Equal(t, threshold, got.Failures)
	require.GreaterOrEqual(t, got.Evaluated, threshold)
	// At most as many are evaluated beyond the threshold as were under way when it was reached: the local stack runs at most
	// eight at once of a function.
	require.LessOrEqual(t, got.Evaluated, threshold+8)
	require.Zero(t, got.AfterVisible)
}

func TestLoad_ATrustedSourceIsNeverRefusedWhileStrangersHammer_B2(t *testing.T) {
	got, err := trial.Hammer(t.Context(), onTrial(), size(400), 8)
	require.NoError(t, err)
	t.Logf("%+v", got)
	require.Zero(t, got.Refused)
	require.True(t, got.Locked)
	require.Greater(t, got.Wrong, int64(threshold))
}

func TestLoad_EndedKeysAndRetiredSecretsNeverLock_B1(t *testing.T) {
	failures, err := trial.Ended(t.Context(), onTrial(), size(400), 8)
	require.NoError(t, err)
	require.Zero(t, failures)
}

func TestLoad_NoRequestFailsWhileAKeyIsRotatedWithAnOverlap_S3_D6(t *testing.T) {
	got, err := trial.Overlap(t.Context(), onTrial(), size(500), 8)
	require.NoError(t, err)
	t.Logf("%+v", got)
	require.Zero(t, got.Failed)
	require.True(t, got.Dead)
	require.Equal(t, "retired", got.State)
	require.GreaterOrEqual(t, got.OnOld, int64(size(500)/2))
	require.Positive(t, got.OnNew)
}
