package rotation_test

import (
	"testing"
	"time"

	"github.com/stretchr/testify/require"

	"github.com/rekey-dev/rekey/pkg/apikey"
	"github.com/rekey-dev/rekey/pkg/audit"
	"github.com/rekey-dev/rekey/pkg/fault"
	"github.com/rekey-dev/rekey/pkg/policy"
	"github.com/rekey-dev/rekey/pkg/rekeytest"
	"github.com/rekey-dev/rekey/pkg/rotation"
)

func TestRotate_BeginsUnderThePoliciesOfItsAccount_B9(t *testing.T) {
	w := rekeytest.New(t)
	a := w.Account("exporter", w.Company)
	k := w.Issue(a.ID, "k").View.Key
	w.Policy(rekeytest.At(w.Below), policy.Text{Overlap: rekeytest.To("P2D"), QuietFor: rekeytest.To("PT2H"), MaxLifetime: rekeytest.To("P90D"),
		Notice: &[]string{"P10D", "P1D"}})
	own := w.Policy(rekeytest.On(a), policy.Text{ExtendOnce: rekeytest.To("P1D"), RetireOnQuiet: rekeytest.To(true)})
	out := rotate(t, w, k.ID, rotation.Start{Mode: rotation.Overlap})
	require.Equal(t, rotation.Terms{Overlap: 48 * time.Hour, QuietFor: 2 * time.Hour, RetireOnQuiet: true, ExtendOnce: 24 * time.Hour, Policy: own.ID},
		out.View.Rotation.Terms)
	next := out.View.New.Key
	require.Equal(t, w.Now().Add(90*24*time.Hour), next.ExpiresAt, "the old one never ended; the longest life does")
	require.Equal(t, w.Now().Add(80*24*time.Hour), next.NoticeFrom)

	_, err := w.Rotations.Rotate(w.Ctx, w.As(w.Owner), w.Issue(a.ID, "other").View.Key.ID, rotation.Start{Mode: rotation.Immediate, ExpiresAt: apikey.Expiry{Given: true}})
	var f *fault.Error
	require.ErrorAs(t, err, &f)
	require.Equal(t, "/expires_at", f.Fields[0].Pointer)
}

func TestRotate_UnderAPolicyThatOnlyReportsIsRecordedAndNotRefused_B9(t *testing.T) {
	w := rekeytest.New(t)
	a := w.Account("exporter", w.Company)
	k := w.Issue(a.ID, "k").View.Key
	w.Policy(rekeytest.On(a), policy.Text{MaxLifetime: rekeytest.To("P90D"), ReportOnly: rekeytest.To(true)})
	out := rotate(t, w, k.ID, rotation.Start{Mode: rotation.Overlap})
	require.True(t, out.View.New.Key.ExpiresAt.IsZero())
	require.Equal(t, []any{"max_lifetime"}, w.Record(audit.RotationStarted).Details["policy_violations"])
}
