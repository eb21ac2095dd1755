package rotation_test

import (
	"testing"
	"time"

	"github.com/stretchr/testify/require"

	"github.com/rekey-dev/rekey/pkg/policy"
	"github.com/rekey-dev/rekey/pkg/rekeytest"
	"github.com/rekey-dev/rekey/pkg/rotation"
)

func TestExtend_TheNewEndIsAnnouncedAtThePolicysNotices_P3(t *testing.T) {
	w := rekeytest.New(t)
	old := w.Issue(w.Account("Recorder", w.Company).ID, "k")
	w.Policy(rekeytest.At(w.Company), policy.Text{Notice: &[]string{"P20D"}})
	out := rotate(t, w, old.View.Key.ID, rotation.Start{Mode: rotation.Overlap, Overlap: 24 * time.Hour})
	until := out.View.Rotation.OverlapEndsAt.Add(25 * 24 * time.Hour)
	_, err := w.Rotations.Extend(w.Ctx, w.As(w.Owner), out.View.Rotation.ID, until)
	require.NoError(t, err)
	require.Equal(t, until.Add(-20*24*time.Hour), w.Key(old.View.Key.ID).DueAt)
}
