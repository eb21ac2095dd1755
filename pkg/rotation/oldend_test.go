package rotation_test

import (
	"testing"
	"time"

	"github.com/stretchr/testify/require"

	"github.com/rekey-dev/rekey/pkg/apikey"
	"github.com/rekey-dev/rekey/pkg/fault"
	"github.com/rekey-dev/rekey/pkg/policy"
	"github.com/rekey-dev/rekey/pkg/rekeytest"
	"github.com/rekey-dev/rekey/pkg/rotation"
	"github.com/rekey-dev/rekey/pkg/verify"
)

func endAt(at time.Time) apikey.Expiry { return apikey.Expiry{Given: true, At: at} }

func TestOverlap_NothingButItsExtensionLetsTheOldKeyEndLater_D6(t *testing.T) {
	w := rekeytest.New(t)
	old, out := overlap(t, w)
	k, ends := old.View.Key.ID, out.View.Rotation.OverlapEndsAt
	w.Policy(rekeytest.At(w.Company), policy.Text{DefaultLifetime: rekeytest.To("P90D")})
	for what, end := range map[string]time.Time{"never": {}, "later": ends.Add(time.Second)} {
		_, err := w.Keys.Patch(w.Ctx, w.As(w.Owner), k, apikey.Patch{ExpiresAt: endAt(end)})
		require.True(t, fault.Is(err, fault.Invalid), "%s: %v", what, err)
		_, err = w.Keys.Regenerate(w.Ctx, w.As(w.Owner), k, endAt(end), true)
		require.True(t, fault.Is(err, fault.Invalid), "%s: %v", what, err)
	}
	again, err := w.Keys.Regenerate(w.Ctx, w.As(w.Owner), k, apikey.Expiry{}, true)
	require.NoError(t, err)
	w.Note(again.Secret)
	require.Equal(t, ends, again.View.Key.ExpiresAt, "it has its new secret until the overlap ends")
	w.Allowed(again.Secret, rekeytest.Home)
	w.Clock.Set(ends)
	w.Refused(again.Secret, rekeytest.Home, verify.Unusable, verify.StatusExpired)
	require.Equal(t, rotation.Retired, get(t, w, out.View.Rotation.ID).Rotation.State)
}

func TestOverlap_AnEndThatWasBroughtForwardStays_D6(t *testing.T) {
	begin := func() (*rekeytest.World, apikey.Shown, rotation.Shown, time.Time) {
		w := rekeytest.New(t)
		w.Policy(rekeytest.At(w.Company), policy.Text{ExtendOnce: rekeytest.To("P7D")})
		old, out := overlap(t, w)
		soon := out.View.Rotation.OverlapEndsAt.Add(-time.Minute)
		_, err := w.Keys.Patch(w.Ctx, w.As(w.Owner), old.View.Key.ID, apikey.Patch{ExpiresAt: endAt(soon)})
		require.NoError(t, err)
		return w, old, out, soon
	}
	w, old, out, soon := begin()
	_, err := w.Rotations.Extend(w.Ctx, w.As(w.Owner), out.View.Rotation.ID, soon.Add(week))
	require.True(t, fault.Is(err, fault.Conflict), "%v", err)
	w.Clock.Set(soon.Add(-time.Minute))
	w.Allowed(old.Secret, rekeytest.Home) // traffic, for which its policy would extend
	_, err = w.Rotations.Advance(w.Ctx, rotation.System("req_sweep"), out.View.Rotation.ID)
	require.NoError(t, err)
	require.Equal(t, soon, w.Key(old.View.Key.ID).ExpiresAt)

	w, old, out, soon = begin()
	_, err = w.Rotations.Cancel(w.Ctx, w.As(w.Owner), out.View.Rotation.ID, false)
	require.NoError(t, err)
	k := w.Key(old.View.Key.ID)
	require.Equal(t, soon, k.ExpiresAt)
	require.Empty(t, k.SupersededBy)
	require.False(t, k.DueAt.IsZero())
}
