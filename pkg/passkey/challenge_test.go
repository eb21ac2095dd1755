package passkey_test

import (
	"context"
	"errors"
	"testing"
	"time"

	"github.com/stretchr/testify/require"

	"github.com/rekey-dev/rekey/pkg/change"
	"github.com/rekey-dev/rekey/pkg/fault"
	"github.com/rekey-dev/rekey/pkg/id"
	"github.com/rekey-dev/rekey/pkg/passkey"
)

func refused(t *testing.T, err error) {
	t.Helper()
	var f *fault.Error
	require.ErrorAs(t, err, &f)
	require.Equal(t, fault.Unauthorized, f.Kind)
	require.Equal(t, fault.NotProven, f.Detail)
}

func TestTake_IsForOnePurposeInTimeAndNeverTakesAFaultForARefusal_F6(t *testing.T) {
	now := time.Date(2031, time.March, 4, 5, 6, 7, 0, time.UTC)
	held := passkey.Challenge{ID: "chl_00000000000000000001", Purpose: passkey.Enrol, ExpiresAt: now.Add(time.Second)}
	take := func(err error) func(context.Context, id.Challenge, time.Time) (passkey.Challenge, error) {
		return func(context.Context, id.Challenge, time.Time) (passkey.Challenge, error) { return held, err }
	}
	got, err := passkey.Take(t.Context(), take(nil), held.ID, passkey.Enrol, now)
	require.NoError(t, err)
	require.Equal(t, held, got)
	_, err = passkey.Take(t.Context(), take(nil), held.ID, passkey.SignIn, now)
	refused(t, err)
	_, err = passkey.Take(t.Context(), take(nil), held.ID, passkey.Enrol, held.ExpiresAt)
	refused(t, err)
	_, err = passkey.Take(t.Context(), take(&change.Lost{}), held.ID, passkey.Enrol, now)
	refused(t, err)
	_, err = passkey.Take(t.Context(), take(fault.Down(errors.New("no table"))), held.ID, passkey.Enrol, now)
	require.True(t, fault.Is(err, fault.Unavailable), "%v", err)
}
