package rotation_test

import (
	"slices"
	"strings"
	"testing"
	"time"

	"github.com/stretchr/testify/require"

	"github.com/rekey-dev/rekey/pkg/apikey"
	"github.com/rekey-dev/rekey/pkg/audit"
	"github.com/rekey-dev/rekey/pkg/fault"
	"github.com/rekey-dev/rekey/pkg/id"
	"github.com/rekey-dev/rekey/pkg/permission"
	"github.com/rekey-dev/rekey/pkg/rekeytest"
	"github.com/rekey-dev/rekey/pkg/rotation"
	"github.com/rekey-dev/rekey/pkg/secrets/secretstest"
	"github.com/rekey-dev/rekey/pkg/verify"
)

func TestDeliverTo_WhatIsNotThePlacesIsOneRefusalAndNothingIsMade_B5_W8(t *testing.T) {
	said := map[string]bool{}
	for _, m := range makers {
		for what, spoil := range map[string]func(s *consumers){
			"absent":       func(s *consumers) { delete(s.service.Secrets, "acme/recorder") },
			"untagged":     func(s *consumers) { s.secret.Tags = nil },
			"another's":    func(s *consumers) { s.secret.Tags = map[string]string{"rekey:place": string(s.Stranger.Company)} },
			"being ended":  func(s *consumers) { s.secret.Deleted = true },
			"closed to it": func(s *consumers) { s.failing("DescribeSecret", secretstest.Failure{Code: "AccessDeniedException"}) },
		} {
			s := m.world(t)
			spoil(s)
			records, was := len(s.Mem.Events()), s.secret.Text("AWSCURRENT")
			alive := s.alive()
			_, err := m.call(s, s.As(s.Owner))
			var f *fault.Error
			require.ErrorAs(t, err, &f, "%s, %s", m.name, what)
			require.Equal(t, fault.Invalid, f.Kind)
			require.Equal(t, "/deliver_to/secret_id", f.Fields[0].Pointer)
			said[f.Detail+f.Fields[0].Detail] = true
			require.Equal(t, []string{"DescribeSecret"}, s.service.Operations(), "%s, %s: no value was read, and nothing written", m.name, what)
			require.Len(t, s.Mem.Events(), records)
			require.Equal(t, alive, s.alive())
			require.Equal(t, was, s.secret.Text("AWSCURRENT"))
			s.Allowed(s.old.Secret, rekeytest.Home)
		}
	}
	require.Len(t, said, 1)
}

func TestDeliverTo_ASecretThatAnotherLiveKeyIsInOrOnItsWayToIsAConflict_B5(t *testing.T) {
	for _, m := range makers {
		s := m.world(t)
		other := s.Issue(s.Account("Another", s.Company).ID, "Another's")
		s.holds(other.Secret.Reveal())
		_, err := m.call(s, s.As(s.Owner))
		require.True(t, fault.Is(err, fault.Conflict), "%s: %v", m.name, err)
		require.ErrorContains(t, err, string(other.View.Key.ID))

		s = m.world(t)
		s.holds("placeholder")
		s.failing("UpdateSecretVersionStage", secretstest.Failure{Drop: true})
		open, err := s.Rotations.IssueTo(s.Ctx, s.As(s.Owner), s.Account("Another", s.Company).ID, apikey.Issue{Name: "On its way"}, target)
		require.NoError(t, err)
		s.service.Fail = nil
		_, err = m.call(s, s.As(s.Owner))
		require.True(t, fault.Is(err, fault.Conflict), "%s: %v", m.name, err)
		require.ErrorContains(t, err, "AWSPENDING is on version "+open.Delivery.Version)
		s.sweep()
		s.Allowed(s.reads(), rekeytest.Home)
		require.Equal(t, holderOf(t, s), string(open.View.Key.ID), "the first comes to its end")
		s.Allowed(s.old.Secret, rekeytest.Home)
	}
}

// Between the activation and AWSCURRENT the consumer of a regenerated key has a secret that is dead.
func TestDeliverTo_TheSweepersNextRunFinishesWhatTheCallDidNot_B5_W8(t *testing.T) {
	for _, m := range makers {
		if m.name == "issue into a secret without a value" {
			continue // its only version is current at once
		}
		for what, f := range map[string]secretstest.Failure{"down": {Drop: true}, "closed": {Code: "AccessDeniedException"}} {
			s := m.world(t)
			earlier, was := len(s.Records(m.change)), s.secret.Text("AWSCURRENT")
			s.failing("UpdateSecretVersionStage", f)
			out, err := m.call(s, s.As(s.Owner))
			require.NoError(t, err, "%s: the key is there", m.name)
			require.True(t, out.Delivery.DoneAt.IsZero())
			require.Equal(t, what == "closed", out.Delivery.Problem != "", m.name)
			require.Equal(t, was, s.secret.Text("AWSCURRENT"))
			s.Advance(60 * time.Minute) // however long
			for range 3 {
				s.sweep()
				s.Advance(time.Minute)
			}
			s.service.Fail = nil
			s.sweep()
			s.sweep()
			m.made(s, earlier, m.name+", "+what)
		}
	}
}

func TestDeliverTo_SomebodyElsesChangeInTheMiddleStopsIt_B5(t *testing.T) {
	for _, m := range makers {
		if m.name == "issue into a secret without a value" {
			continue
		}
		s := m.world(t)
		theirs := "theirs"
		s.failing("UpdateSecretVersionStage", secretstest.Failure{Drop: true})
		out, err := m.call(s, s.As(s.Owner))
		require.NoError(t, err)
		from := s.secret.Labels["AWSCURRENT"]
		s.secret.Versions["theirs"], s.secret.Labels["AWSCURRENT"] = &theirs, "theirs"
		s.service.Fail = nil
		s.Advance(time.Minute)
		s.sweep()
		r := get(t, s.World, out.View.Key.RotationID).Rotation
		require.Equal(t, rotation.Overdue, r.State, m.name)
		require.Contains(t, r.Delivery.Problem, "AWSCURRENT is version theirs")
		require.Equal(t, theirs, s.secret.Text("AWSCURRENT"), m.name)
		s.secret.Labels["AWSCURRENT"] = from
		s.Advance(time.Minute)
		s.sweep()
		s.Allowed(s.reads(), rekeytest.Home)
		require.Equal(t, out.Delivery.Version, s.secret.Labels["AWSCURRENT"], "%s: mended, it goes on", m.name)
	}
}

func TestDeliverTo_ASecretThatWasReplacedMeanwhileIsNotDelivered_B5(t *testing.T) {
	s := newConsumers(t)
	s.failing("UpdateSecretVersionStage", secretstest.Failure{Drop: true})
	out, err := regenerateTo(s, s.As(s.Owner))
	require.NoError(t, err)
	shown := s.Regenerate(out.View.Key.ID)
	s.service.Fail = nil
	s.Advance(time.Minute)
	s.sweep()
	require.Equal(t, rotation.Aborted, get(t, s.World, out.View.Key.RotationID).Rotation.State)
	require.Equal(t, s.old.Secret.Reveal(), s.secret.Text("AWSCURRENT"))
	s.Allowed(shown.Secret, rekeytest.Home)
}

func TestDeliverTo_AKeyThatIsRevokedMeanwhileEndsItsDelivery_B5(t *testing.T) {
	for _, m := range makers {
		s := m.world(t)
		s.failing("UpdateSecretVersionStage", secretstest.Failure{Drop: true})
		out, err := m.call(s, s.As(s.Owner))
		require.NoError(t, err)
		s.service.Fail = nil
		_, err = s.Keys.Revoke(s.Ctx, s.As(s.Owner), out.View.Key.ID, "", "")
		require.NoError(t, err)
		moved := s.secret.Labels["AWSCURRENT"]
		s.sweep()
		r := get(t, s.World, out.View.Key.RotationID).Rotation
		require.Equal(t, rotation.Aborted, r.State, m.name)
		require.Equal(t, "the key ended: unspecified", r.Steps[len(r.Steps)-1].Evidence)
		require.Equal(t, moved, s.secret.Labels["AWSCURRENT"], m.name)
		_, err = s.Rotations.IssueTo(s.Ctx, s.As(s.Owner), s.account().Account.ID, apikey.Issue{Name: "Another"}, target)
		if err == nil {
			s.Allowed(s.reads(), rekeytest.Home)
		} else { // the account's first key is still in the secret, and lives
			require.True(t, fault.Is(err, fault.Conflict), "%s: %v", m.name, err)
			s.Allowed(s.old.Secret, rekeytest.Home)
		}
	}
}

func TestDeliverTo_NobodyIsShownTheSecretButScopesAreGrantedByWhoHoldsThem_D11(t *testing.T) {
	for _, m := range makers {
		s := m.world(t)
		_, narrow := s.PAT(s.Admin, permission.Of(permission.ServiceAccountsRotate, permission.KeysIssue))
		_, err := m.call(s, s.With(narrow))
		if m.change == audit.KeyIssued && m.live == 2 {
			require.True(t, fault.Is(err, fault.NotGrantable), "%s: %v", m.name, err)
			require.Empty(t, s.service.Calls, m.name)
			continue
		}
		require.NoError(t, err, "%s: the key has no more scopes than before", m.name)
		s.Allowed(s.reads(), rekeytest.Home)
	}
}

func TestDeliverTo_NeedsThePermissionAndARefusalIsOnRecord_D11_W8(t *testing.T) {
	for _, m := range makers {
		s := m.world(t)
		before := map[id.Event]bool{}
		for _, e := range s.Mem.Events() {
			before[e.ID] = true
		}
		_, err := m.call(s, s.As(s.Viewer))
		require.True(t, fault.Is(err, fault.MissingPermission), "%s: %v", m.name, err)
		require.Empty(t, s.service.Calls, "whether there is such a secret is not looked at")
		events := slices.DeleteFunc(s.Mem.Events(), func(e audit.Event) bool { return before[e.ID] })
		require.Len(t, events, 1, m.name)
		require.Equal(t, audit.Denied, events[0].Outcome)
		action := audit.UserUpdated
		if strings.HasPrefix(m.name, "rotate the account") {
			action = audit.ServiceAccountRotated
		}
		require.Equal(t, action, events[0].Action, m.name)
		_, err = m.call(s, s.As(s.StrangerAdmin))
		require.True(t, fault.Is(err, fault.NotFound), "%s: %v", m.name, err)
	}
}

func TestRegenerateTo_KeepsWhatRegeneratingKeeps_I1(t *testing.T) {
	s := newConsumers(t)
	s.Guess(s.old.Secret, rekeytest.Away, 10)
	_, err := s.Keys.Deactivate(s.Ctx, s.As(s.Owner), s.old.View.Key.ID)
	require.NoError(t, err)
	end := s.Now().Add(48 * time.Hour)
	out, err := s.Rotations.RegenerateTo(s.Ctx, s.As(s.Owner), s.old.View.Key.ID, apikey.Expiry{Given: true, At: end}, false, target)
	require.NoError(t, err)
	require.Equal(t, s.old.View.Key.ID, out.View.Key.ID)
	require.Equal(t, apikey.Inactive, out.View.State.Status)
	require.Equal(t, end, out.View.Key.ExpiresAt)
	require.Equal(t, int64(2), out.View.Key.Generation)
	require.Zero(t, s.ReadAccount(s.old.View.Account.ID).Lock.Failures)
	require.Equal(t, true, s.Record(audit.KeyRegenerated).Details["unlocked"])
	s.Refused(s.reads(), rekeytest.Home, verify.Unusable, verify.StatusInactive)
	_, err = s.Keys.Activate(s.Ctx, s.As(s.Owner), s.old.View.Key.ID)
	require.NoError(t, err)
	s.Allowed(s.reads(), rekeytest.Home)
}

func TestIssueTo_IsNoRotationOfAKeyAndNothingOfItCanBeTakenBack_B5(t *testing.T) {
	s := newConsumers(t)
	s.holds("placeholder")
	s.failing("UpdateSecretVersionStage", secretstest.Failure{Drop: true})
	out, err := issueTo(s, s.As(s.Owner))
	require.NoError(t, err)
	r := out.View.Key.RotationID
	v := get(t, s.World, r)
	require.Equal(t, rotation.Issuing, v.Rotation.Mode)
	require.Equal(t, v.Rotation.OldKey, v.Rotation.NewKey)
	for _, act := range []func() error{
		func() error { _, err := s.Rotations.Cancel(s.Ctx, s.As(s.Owner), r, true); return err },
		func() error { _, err := s.Rotations.Complete(s.Ctx, s.As(s.Owner), r); return err },
		func() error {
			_, err := s.Rotations.Extend(s.Ctx, s.As(s.Owner), r, s.Now().Add(time.Hour))
			return err
		},
	} {
		err := act()
		require.True(t, fault.Is(err, fault.Conflict), "%v", err)
		require.ErrorContains(t, err, "evoke the key")
	}
	s.service.Fail = nil
	s.sweep()
	v = get(t, s.World, r)
	require.Equal(t, rotation.Delivered, v.Rotation.State)
	require.True(t, v.Rotation.Over())
	_, err = s.Rotations.Complete(s.Ctx, s.As(s.Owner), r)
	require.True(t, fault.Is(err, fault.Ended), "%v", err)
	next, err := s.Rotations.Rotate(s.Ctx, s.As(s.Owner), out.View.Key.ID, rotation.Start{Mode: rotation.Overlap, Deliver: target})
	require.NoError(t, err, "from then on it is a key like any other")
	require.Equal(t, rotation.Delivered, next.View.Rotation.State)
}

func TestIssueTo_APolicysTargetIsForItsScheduleOnly_B9(t *testing.T) {
	s := newConsumers(t)
	s.scheduled()
	shown := s.Issue(s.account().Account.ID, "By hand")
	require.False(t, shown.Secret.IsZero())
	require.False(t, s.Regenerate(shown.View.Key.ID).Secret.IsZero())
	require.Empty(t, s.service.Calls)
}
