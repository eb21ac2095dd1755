package policy_test

import (
	"testing"

	"github.com/stretchr/testify/require"

	"github.com/rekey-dev/rekey/pkg/fault"
	"github.com/rekey-dev/rekey/pkg/permission"
	"github.com/rekey-dev/rekey/pkg/policy"
	"github.com/rekey-dev/rekey/pkg/rekeytest"
)

// Whoever says where new secrets go gets the keys of all accounts below, with all their scopes, at the next turn of a schedule.
func TestDeliverTo_IsSetOnlyByWhoeverMayRotate_B5(t *testing.T) {
	w := rekeytest.New(t)
	r := w.CustomRole("role_00000000000000000077", permission.PoliciesManage, permission.PoliciesRead)
	p := w.Hire("Planner", w.Below, r.ID)
	into := func(secret string) *policy.Delivery {
		return &policy.Delivery{Type: policy.SecretsManager, SecretID: secret}
	}
	every := &policy.ScheduleText{Every: "P30D", Zone: "UTC"}

	_, err := w.Policies.Create(w.Ctx, w.As(p), rekeytest.At(w.Company), policy.Text{Schedule: every, DeliverTo: into("planners/own")})
	require.True(t, fault.Is(err, fault.MissingPermission), "%v", err)
	made, err := w.Policies.Create(w.Ctx, w.As(p), rekeytest.At(w.Company), policy.Text{Schedule: every, DeliverTo: &policy.Delivery{Type: policy.Event}})
	require.NoError(t, err, "an event has no secret")
	set := func(to *policy.Delivery) func(policy.Text) policy.Text {
		return func(t policy.Text) policy.Text { t.DeliverTo = to; return t }
	}
	_, err = w.Policies.Patch(w.Ctx, w.As(p), made.ID, set(into("planners/own")))
	require.True(t, fault.Is(err, fault.MissingPermission), "%v", err)

	_, err = w.Policies.Patch(w.Ctx, w.As(w.Owner), made.ID, set(into("acme/recorder")))
	require.NoError(t, err)
	_, err = w.Policies.Patch(w.Ctx, w.As(p), made.ID, func(t policy.Text) policy.Text { t.Overlap = rekeytest.To("P3D"); return t })
	require.NoError(t, err, "the target stays")
	_, err = w.Policies.Patch(w.Ctx, w.As(p), made.ID, set(into("planners/own")))
	require.True(t, fault.Is(err, fault.MissingPermission), "%v", err)
}
