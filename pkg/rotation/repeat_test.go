package rotation_test

import (
	"testing"

	"github.com/stretchr/testify/require"

	"github.com/rekey-dev/rekey/pkg/apikey"
	"github.com/rekey-dev/rekey/pkg/call"
	"github.com/rekey-dev/rekey/pkg/fault"
	"github.com/rekey-dev/rekey/pkg/permission"
	"github.com/rekey-dev/rekey/pkg/rekeytest"
	"github.com/rekey-dev/rekey/pkg/rotation"
	"github.com/rekey-dev/rekey/pkg/token"
)

func TestRotate_ARepeatShowsTheSecretOnlyToWhoHoldsWhatItCarriesNow_B6(t *testing.T) {
	w := rekeytest.New(t)
	old := w.Issue(w.Account("Recorder", w.Company).ID, "k").View.Key
	once := func(c call.Call) (rekeytest.Answer, error) {
		return w.Post(c, "/keys/{id}/rotate", "K", "payload", func(c call.Call) (any, token.Secret, error) {
			out, err := w.Rotations.Rotate(w.Ctx, c, old.ID, rotation.Start{Mode: rotation.Overlap})
			return out.View, out.Secret, err
		})
	}
	first, err := once(w.As(w.Owner))
	require.NoError(t, err)
	require.False(t, first.Secret.IsZero())
	few := permission.Of(permission.KeysRead)
	_, err = w.Keys.Patch(w.Ctx, w.As(w.Owner), old.ID, apikey.Patch{Scopes: &[]string{string(permission.KeysRead)}})
	require.NoError(t, err)
	narrowed := w.As(w.Owner)
	narrowed.Caller.Effective = few.Or(permission.Of(permission.ServiceAccountsRotate))
	_, err = once(narrowed)
	require.True(t, fault.Is(err, fault.NotGrantable), "%v", err)
	again, err := once(w.As(w.Owner))
	require.NoError(t, err)
	require.Equal(t, first.Secret, again.Secret)
}
