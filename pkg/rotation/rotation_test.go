package rotation_test

import (
	"testing"
	"time"

	"github.com/stretchr/testify/require"

	"github.com/rekey-dev/rekey/pkg/apikey"
	"github.com/rekey-dev/rekey/pkg/audit"
	"github.com/rekey-dev/rekey/pkg/call"
	"github.com/rekey-dev/rekey/pkg/fault"
	"github.com/rekey-dev/rekey/pkg/id"
	"github.com/rekey-dev/rekey/pkg/permission"
	"github.com/rekey-dev/rekey/pkg/rekeytest"
	"github.com/rekey-dev/rekey/pkg/rotation"
	"github.com/rekey-dev/rekey/pkg/token"
	"github.com/rekey-dev/rekey/pkg/verify"
)

const week = 7 * 24 * time.Hour

func rotate(t *testing.T, w *rekeytest.World, k id.Key, in rotation.Start) rotation.Shown {
	t.Helper()
	out, err := w.Rotations.Rotate(w.Ctx, w.As(w.Owner), k, in)
	require.NoError(t, err)
	w.Note(out.Secret)
	return out
}

func get(t *testing.T, w *rekeytest.World, r id.Rotation) rotation.View {
	t.Helper()
	v, err := w.Rotations.Get(w.Ctx, w.As(w.Owner), r)
	require.NoError(t, err)
	return v
}

func overlap(t *testing.T, w *rekeytest.World) (old apikey.Shown, out rotation.Shown) {
	t.Helper()
	old = w.Issue(w.Account("Recorder", w.Company).ID, "Production")
	return old, rotate(t, w, old.View.Key.ID, rotation.Start{Mode: rotation.Overlap, Reason: "calendar"})
}

func TestRotate_OldKeyWorksUntilOverlapEndsToTheSecond_D6(t *testing.T) {
	w := rekeytest.New(t)
	old, out := overlap(t, w)
	require.Equal(t, w.Now().Add(week).Truncate(time.Second), out.View.Rotation.OverlapEndsAt)
	require.Equal(t, apikey.Expiring, out.View.Old.State.Status)
	for range 10 {
		w.Allowed(old.Secret, rekeytest.Home)
		w.Allowed(out.Secret, rekeytest.Home)
	}
	w.Clock.Set(out.View.Rotation.OverlapEndsAt.Add(-time.Millisecond))
	w.Allowed(old.Secret, rekeytest.Home)
	w.Clock.Set(out.View.Rotation.OverlapEndsAt) // no sweeper ran
	w.Refused(old.Secret, rekeytest.Home, verify.Unusable, verify.StatusExpired)
	w.Allowed(out.Secret, rekeytest.Home)
	v := get(t, w, out.View.Rotation.ID)
	require.Equal(t, rotation.Retired, v.Rotation.State)
	require.Equal(t, "system", v.Old.State.Ended.By)
	require.Equal(t, apikey.ReasonExpired, v.Old.State.Ended.Reason)
}

func TestRotate_TheNewKeyHasExactlyTheOldOnesScopesAndName_S3(t *testing.T) {
	w := rekeytest.New(t)
	a := w.Account("Recorder", w.Company)
	scopes := []string{string(permission.KeysRead)}
	old := w.IssueWith(a.ID, apikey.Issue{Name: "Production", Scopes: &scopes, ExpiresAt: apikey.Expiry{Given: true, At: w.Now().Add(90 * 24 * time.Hour)}})
	out := rotate(t, w, old.View.Key.ID, rotation.Start{Mode: rotation.Overlap})
	next := w.Key(out.View.New.Key.ID)
	require.NotEqual(t, old.View.Key.ID, next.ID)
	require.Equal(t, old.View.Key.Scopes, next.Scopes)
	require.Equal(t, "Production", next.Name)
	require.Equal(t, old.View.Key.ExpiresAt, next.ExpiresAt, "without a policy the end stays")
	require.Equal(t, int64(1), next.Generation)
	require.Equal(t, next.ID, w.Key(old.View.Key.ID).SupersededBy)
	require.Equal(t, 2, w.ReadAccount(a.ID).KeyCount)
	changes := map[string][]string{}
	for _, e := range w.Records(audit.UserUpdated) {
		if what, ok := e.Details["change"].(string); ok {
			changes[what] = append(changes[what], e.Target.ID)
		}
	}
	require.Equal(t, []string{string(old.View.Key.ID)}, changes[audit.KeyRotated])
	require.ElementsMatch(t, []string{string(old.View.Key.ID), string(next.ID)}, changes[audit.KeyIssued])
	require.Equal(t, string(out.View.Rotation.ID), w.Record(audit.RotationStarted).Target.ID)
}

func TestRotate_AnEndThatIsNearerThanTheOverlapStays_D6(t *testing.T) {
	w := rekeytest.New(t)
	old := w.IssueFor(w.Account("Recorder", w.Company).ID, "k", time.Hour)
	out := rotate(t, w, old.View.Key.ID, rotation.Start{Mode: rotation.Overlap})
	require.Equal(t, old.View.Key.ExpiresAt, out.View.Rotation.OverlapEndsAt)
	require.Equal(t, old.View.Key.ExpiresAt, w.Key(old.View.Key.ID).ExpiresAt)
}

func TestRotate_ImmediateIsARegenerationOnRecordAsARotation_W8(t *testing.T) {
	w := rekeytest.New(t)
	old := w.Issue(w.Account("Recorder", w.Company).ID, "k")
	w.Allowed(old.Secret, rekeytest.Home)
	out := rotate(t, w, old.View.Key.ID, rotation.Start{Mode: rotation.Immediate})
	require.Equal(t, old.View.Key.ID, out.View.New.Key.ID)
	w.Refused(old.Secret, rekeytest.Home, verify.Unusable, verify.StatusRetired)
	w.Allowed(out.Secret, rekeytest.Home)
	require.Equal(t, rotation.Retired, get(t, w, out.View.Rotation.ID).Rotation.State)
	require.Len(t, w.Records(audit.KeyRegenerated), 1)
}

func TestRotate_EmergencyEndsTheOldKeyBeforeThereIsANewOne_D7(t *testing.T) {
	w := rekeytest.New(t)
	a := w.Account("Recorder", w.Company)
	old := w.Issue(a.ID, "k")
	w.Allowed(old.Secret, rekeytest.Home)
	out := rotate(t, w, old.View.Key.ID, rotation.Start{Mode: rotation.Emergency, Reason: "in a public repository", Suspected: w.Now().Add(-time.Hour)})
	w.Refused(old.Secret, rekeytest.Home, verify.Unusable, verify.StatusRevoked)
	w.Allowed(out.Secret, rekeytest.Home)
	ended := w.Key(old.View.Key.ID).Ended
	require.Equal(t, apikey.ReasonCompromise, ended.Reason)
	require.Equal(t, string(w.Owner.Employee.ID), ended.By)
	require.Equal(t, 1, w.ReadAccount(a.ID).KeyCount)
	require.Equal(t, "in a public repository", w.Record(audit.RotationStarted).Details["reason"])
}

func TestRotate_ASecondOneWhileOneIsOpenIsRefusedUnlessForced_D6(t *testing.T) {
	w := rekeytest.New(t)
	old, first := overlap(t, w)
	for _, k := range []id.Key{old.View.Key.ID, first.View.New.Key.ID} {
		_, err := w.Rotations.Rotate(w.Ctx, w.As(w.Owner), k, rotation.Start{Mode: rotation.Overlap})
		require.True(t, fault.Is(err, fault.RotationOpen), "%v", err)
	}
	second := rotate(t, w, old.View.Key.ID, rotation.Start{Mode: rotation.Overlap, Force: true})
	require.Equal(t, rotation.Cancelled, get(t, w, first.View.Rotation.ID).Rotation.State)
	w.Refused(first.Secret, rekeytest.Home, verify.Unusable, verify.StatusRevoked)
	w.Allowed(old.Secret, rekeytest.Home)
	w.Allowed(second.Secret, rekeytest.Home)
	third := rotate(t, w, second.View.New.Key.ID, rotation.Start{Mode: rotation.Emergency, Force: true})
	require.Equal(t, rotation.Aborted, get(t, w, second.View.Rotation.ID).Rotation.State)
	w.Allowed(old.Secret, rekeytest.Home)
	require.Equal(t, second.View.Rotation.OverlapEndsAt, w.Key(old.View.Key.ID).ExpiresAt, "it goes on to the end that it has")
	w.Allowed(third.Secret, rekeytest.Home)
}

func TestRotate_RefusesWhatCannotBe_D6(t *testing.T) {
	w := rekeytest.New(t)
	k := w.Issue(w.Account("Recorder", w.Company).ID, "k").View.Key.ID
	for pointer, in := range map[string]rotation.Start{
		"/overlap":         {Mode: rotation.Overlap, Overlap: time.Minute - time.Second},
		"/overlap ":        {Mode: rotation.Overlap, Overlap: 30*24*time.Hour + time.Second},
		"/overlap  ":       {Mode: rotation.Emergency, Overlap: time.Hour},
		"/expires_at":      {Mode: rotation.Overlap, ExpiresAt: apikey.Expiry{Given: true, At: w.Now()}},
		"/suspected_since": {Mode: rotation.Emergency, Suspected: w.Now().Add(time.Second)},
	} {
		_, err := w.Rotations.Rotate(w.Ctx, w.As(w.Owner), k, in)
		var f *fault.Error
		require.ErrorAs(t, err, &f, pointer)
		require.Equal(t, fault.Invalid, f.Kind, pointer)
		require.Contains(t, pointer, f.Fields[0].Pointer)
	}
	for _, d := range []time.Duration{time.Minute, 30 * 24 * time.Hour} {
		rotate(t, w, w.Issue(w.Account("Recorder "+d.String(), w.Company).ID, "k").View.Key.ID, rotation.Start{Mode: rotation.Overlap, Overlap: d})
	}
	_, err := w.Keys.Revoke(w.Ctx, w.As(w.Owner), k, "", "")
	require.NoError(t, err)
	_, err = w.Rotations.Rotate(w.Ctx, w.As(w.Owner), k, rotation.Start{Mode: rotation.Overlap})
	require.True(t, fault.Is(err, fault.Ended), "%v", err)
}

func TestRotate_WithoutThePermissionNothingChanges_W8(t *testing.T) {
	w := rekeytest.New(t)
	k := w.Issue(w.Account("Recorder", w.Company).ID, "k")
	before := w.Key(k.View.Key.ID)
	for _, p := range []*rekeytest.Person{w.Operator, w.Viewer} {
		_, err := w.Rotations.Rotate(w.Ctx, w.As(p), k.View.Key.ID, rotation.Start{Mode: rotation.Overlap})
		require.True(t, fault.Is(err, fault.MissingPermission), "%v", err)
	}
	_, err := w.Rotations.Rotate(w.Ctx, w.As(w.SiblingAdmin), k.View.Key.ID, rotation.Start{Mode: rotation.Overlap})
	require.True(t, fault.Is(err, fault.NotFound), "%v", err)
	require.Equal(t, before, w.Key(k.View.Key.ID))
	w.Allowed(k.Secret, rekeytest.Home)
}

func TestRotateOwn_AKeyRotatesItselfOnce_B5(t *testing.T) {
	w := rekeytest.New(t)
	a := w.AccountWith("Bridge", w.Company, "role_BuiltinAutomation000")
	scopes := []string{string(permission.KeysRotateSelf)}
	k := w.IssueWith(a.ID, apikey.Issue{Name: "k", Scopes: &scopes})
	out, err := w.Rotations.RotateOwn(w.Ctx, w.With(k.Secret))
	require.NoError(t, err)
	w.Note(out.Secret)
	w.Allowed(out.Secret, rekeytest.Home)
	w.Allowed(k.Secret, rekeytest.Home)
	require.Equal(t, string(a.ID), out.View.Rotation.StartedBy)
	require.Equal(t, k.View.Key.Scopes, out.View.New.Key.Scopes)
	_, err = w.Rotations.RotateOwn(w.Ctx, w.With(k.Secret))
	require.True(t, fault.Is(err, fault.RotationOpen), "%v", err)
	_, err = w.Rotations.RotateOwn(w.Ctx, w.As(w.Owner))
	require.True(t, fault.Is(err, fault.Conflict), "%v", err)
	narrow := w.Issue(a.ID, "narrow")
	none := []string{}
	narrow = w.IssueWith(a.ID, apikey.Issue{Name: "none", Scopes: &none})
	_, err = w.Rotations.RotateOwn(w.Ctx, w.With(narrow.Secret))
	require.True(t, fault.Is(err, fault.MissingScope), "%v", err)
}

func started(mode rotation.Mode) func(w *rekeytest.World) rekeytest.Use {
	return func(w *rekeytest.World) rekeytest.Use {
		k := w.Issue(w.Account("Recorder", w.Company).ID, "k").View.Key.ID
		return func(c call.Call) (any, token.Secret, error) {
			out, err := w.Rotations.Rotate(w.Ctx, c, k, rotation.Start{Mode: mode})
			return out, out.Secret, err
		}
	}
}

func managed(act func(w *rekeytest.World, c call.Call, r rotation.Rotation) (rotation.View, error)) func(w *rekeytest.World) rekeytest.Use {
	return func(w *rekeytest.World) rekeytest.Use {
		k := w.Issue(w.Account("Recorder", w.Company).ID, "k").View.Key.ID
		begun, err := w.Rotations.Rotate(w.Ctx, w.As(w.Owner), k, rotation.Start{Mode: rotation.Overlap})
		require.NoError(w.T, err)
		return func(c call.Call) (any, token.Secret, error) {
			out, err := act(w, c, begun.View.Rotation)
			return out, token.Secret{}, err
		}
	}
}

var operations = []rekeytest.Operation{
	{Name: "overlap", Record: audit.RotationStarted, Records: 3, Shows: true, Prepare: started(rotation.Overlap)},
	{Name: "emergency", Record: audit.RotationStarted, Records: 3, Shows: true, Prepare: started(rotation.Emergency)},
	{Name: "immediate", Record: audit.RotationStarted, Records: 2, Shows: true, Prepare: started(rotation.Immediate)},
	{Name: "complete", Record: audit.RotationRetired, Records: 2, Prepare: managed(func(w *rekeytest.World, c call.Call, r rotation.Rotation) (rotation.View, error) {
		return w.Rotations.Complete(w.Ctx, c, r.ID)
	})},
	{Name: "cancel", Record: audit.RotationCancelled, Records: 3, Prepare: managed(func(w *rekeytest.World, c call.Call, r rotation.Rotation) (rotation.View, error) {
		return w.Rotations.Cancel(w.Ctx, c, r.ID, false)
	})},
	{Name: "extend", Record: audit.RotationExtended, Records: 2, Prepare: managed(func(w *rekeytest.World, c call.Call, r rotation.Rotation) (rotation.View, error) {
		return w.Rotations.Extend(w.Ctx, c, r.ID, r.OverlapEndsAt.Add(time.Hour))
	})},
}

func TestOperations_AFaultAtAnyCallOfTheStoreEndsInOneEffectOneRecordAndOneSecret_B6_D2(t *testing.T) {
	for _, o := range operations {
		o.EveryFault(t)
	}
}

func TestOperations_SimultaneousRepeatsHaveOneEffectAndOneAnswer_B6(t *testing.T) {
	for _, o := range operations {
		o.Simultaneous(t)
	}
}

func TestOperations_ARepeatIsTheSameCallAndAnotherPayloadIsNot_B6(t *testing.T) {
	for _, o := range operations {
		o.Repeats(t)
	}
}
