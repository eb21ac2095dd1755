package notice_test

import (
	"context"
	"errors"
	"strings"
	"testing"
	"time"

	"github.com/stretchr/testify/require"

	"github.com/rekey-dev/rekey/pkg/apikey"
	"github.com/rekey-dev/rekey/pkg/delivery"
	"github.com/rekey-dev/rekey/pkg/id"
	"github.com/rekey-dev/rekey/pkg/notice"
	"github.com/rekey-dev/rekey/pkg/policy"
	"github.com/rekey-dev/rekey/pkg/rekeytest"
	"github.com/rekey-dev/rekey/pkg/rotation"
	"github.com/rekey-dev/rekey/pkg/token"
)

// courier delivers nothing while it has a problem.
type courier struct{ problem, refuses string }

func (c *courier) Accept(context.Context, delivery.Plan) error {
	if c.refuses != "" {
		return delivery.Fault(&delivery.Refusal{Reason: delivery.Untagged, Detail: c.refuses})
	}
	return nil
}

func (*courier) Withdraw(context.Context, delivery.Plan) error { return nil }

func (*courier) TakeBack(context.Context, delivery.Plan) error { return nil }

func (c *courier) Deliver(ctx context.Context, p delivery.Plan, w delivery.Work) (delivery.Receipt, error) {
	if w.Activate != nil {
		secret, err := w.Mint(ctx)
		if err != nil {
			return delivery.Receipt{}, err
		}
		if err := w.Activate(ctx, secret, ""); err != nil {
			return delivery.Receipt{}, err
		}
	}
	if c.problem != "" {
		return delivery.Receipt{}, &delivery.Refusal{Reason: delivery.Deleting, Detail: c.problem}
	}
	return delivery.Receipt{}, nil
}

// moving is an office with a key that is used and is rotated with an overlap of a day.
type moving struct {
	*office
	old, next token.Secret
	k         apikey.Shown
	r         rotation.View
}

func newMoving(t *testing.T, text policy.Text) *moving {
	o := newOffice(t)
	m := &moving{office: o}
	a := o.account("Recorder", o.Company, "blue@example.com")
	o.Policy(rekeytest.On(a), text)
	m.k = o.Issue(a.ID, "Production")
	m.old = m.k.Secret
	o.Allowed(m.old, rekeytest.Home)
	out, err := o.Rotations.Rotate(o.Ctx, o.As(o.Owner), m.k.View.Key.ID, rotation.Start{Mode: rotation.Overlap, Overlap: day})
	require.NoError(t, err)
	o.Note(out.Secret)
	m.next, m.r = out.Secret, out.View
	o.Advance(time.Hour)
	o.Allowed(m.next, rekeytest.Home)
	return m
}

// use sends requests with the old secret every half hour.
func (m *moving) use(d time.Duration) []posted {
	var out []posted
	for range int(d / (30 * time.Minute)) {
		m.Allowed(m.old, rekeytest.Home)
		out = append(out, m.pass(30*time.Minute, 5*time.Minute)...)
	}
	return out
}

func one(t *testing.T, letters []posted) posted {
	t.Helper()
	require.Len(t, letters, 1)
	return letters[0]
}

func TestTold_AnOldKeyThatEndsInUse_B3(t *testing.T) {
	m := newMoving(t, policy.Text{})
	require.Empty(t, m.use(22*time.Hour+30*time.Minute))
	m.Advance(35 * time.Minute)
	l := one(t, m.pass(time.Hour, 5*time.Minute))
	require.Equal(t, "rekey: 1 failure", l.Subject)
	require.Contains(t, l.Text, "It ended at "+m.r.Rotation.OverlapEndsAt.Format(time.RFC3339))
	require.Contains(t, l.Text, "its successor "+string(m.r.Rotation.NewKey))
	require.Less(t, l.at.Sub(m.r.Rotation.OverlapEndsAt), 20*time.Minute, "a failure does not wait for the day's message")
}

func TestTold_AnOverlapThatWasExtendedBecauseOfTraffic_B3(t *testing.T) {
	m := newMoving(t, policy.Text{ExtendOnce: rekeytest.To("P7D")})
	l := one(t, m.use(24*time.Hour))
	require.Equal(t, "rekey: 1 failure", l.Subject)
	require.Contains(t, l.Text, "it was extended, once. It ends at "+m.r.Rotation.OverlapEndsAt.Add(7*day).Format(time.RFC3339)+" (in 7 days)")
	require.Contains(t, l.Text, "GET /v1/rotations/"+string(m.r.Rotation.ID))
}

func TestTold_NobodyOfWhatGoesAsItShouldOrWasDoneOnPurpose_B3(t *testing.T) {
	for what, deal := range map[string]func(m *moving){
		"quiet, and then its end": func(m *moving) { m.Advance(30 * time.Hour) },
		"completed while the old key is in use": func(m *moving) {
			m.Allowed(m.old, rekeytest.Home)
			_, err := m.Rotations.Complete(m.Ctx, m.As(m.Owner), m.r.Rotation.ID)
			require.NoError(m.t, err)
		},
		"completed when quiet": func(m *moving) {
			m.Advance(22 * time.Hour)
			_, err := m.Rotations.Extend(m.Ctx, m.As(m.Owner), m.r.Rotation.ID, m.Now().Add(10*day))
			require.NoError(m.t, err)
			m.Advance(5 * day)
			_, err = m.Rotations.Complete(m.Ctx, m.As(m.Owner), m.r.Rotation.ID)
			require.NoError(m.t, err)
		},
		"cancelled": func(m *moving) {
			_, err := m.Rotations.Cancel(m.Ctx, m.As(m.Owner), m.r.Rotation.ID, true)
			require.NoError(m.t, err)
		},
		"another forced": func(m *moving) {
			out, err := m.Rotations.Rotate(m.Ctx, m.As(m.Owner), m.k.View.Key.ID, rotation.Start{Mode: rotation.Immediate, Force: true})
			require.NoError(m.t, err)
			m.Note(out.Secret)
		},
		"revoked by hand": func(m *moving) {
			_, err := m.Keys.Revoke(m.Ctx, m.As(m.Owner), m.k.View.Key.ID, "", "")
			require.NoError(m.t, err)
		},
		"its account revoked": func(m *moving) {
			_, err := m.Accounts.Revoke(m.Ctx, m.As(m.Owner), m.k.View.Account.ID, "")
			require.NoError(m.t, err)
		},
	} {
		m := newMoving(t, policy.Text{})
		deal(m)
		require.Empty(t, m.pass(3*day, time.Hour), what)
	}
}

func TestTold_ARotationThatStoppedBecauseItsNewKeyEnded_B3(t *testing.T) {
	m := newMoving(t, policy.Text{})
	_, err := m.Keys.Revoke(m.Ctx, m.As(m.Owner), m.r.Rotation.NewKey, apikey.ReasonCompromise, "")
	require.NoError(t, err)
	l := one(t, m.use(3*24*time.Hour))
	require.Equal(t, "rekey: 1 failure", l.Subject)
	require.Contains(t, l.Text, "the new key ended: key_compromise")
	require.Contains(t, l.Text, "It goes on working, and has no end.")
}

// delivering is an office whose policy rotates every 30 days and delivers into a secret.
func delivering(t *testing.T, c *courier, to policy.Delivery) (*office, id.Key) {
	o := newOffice(t)
	o.Rotations.Courier = c
	a := o.account("Recorder", o.Company, "blue@example.com")
	o.Policy(rekeytest.On(a), policy.Text{Schedule: &policy.ScheduleText{Every: "P30D", Zone: "UTC"}, DeliverTo: &to})
	k := o.Issue(a.ID, "Production")
	o.sweep()
	return o, k.View.Key.ID
}

func TestTold_ASecretThatCannotBeDelivered_B5(t *testing.T) {
	c := &courier{problem: "The secret acme/recorder is scheduled for deletion."}
	o, k := delivering(t, c, policy.Delivery{Type: policy.SecretsManager, SecretID: "acme/recorder"})
	o.Advance(30*day + time.Minute)
	l := one(t, o.pass(3*time.Hour, 5*time.Minute))
	require.Equal(t, "rekey: 1 failure", l.Subject)
	require.Contains(t, l.Text, c.problem)
	require.Contains(t, l.Text, string(k))
	require.Contains(t, l.Text, "/cancel")
	c.problem = "The secret acme/recorder is gone."
	require.Contains(t, one(t, o.pass(3*time.Hour, 5*time.Minute)).Text, "is gone", "another problem is news")
	c.problem = ""
	require.Empty(t, o.pass(3*time.Hour, 5*time.Minute))
}

func TestTold_AProblemThatWasMendedInTimeIsNone_B5(t *testing.T) {
	c := &courier{problem: "The secret acme/recorder is scheduled for deletion."}
	o, _ := delivering(t, c, policy.Delivery{Type: policy.SecretsManager, SecretID: "acme/recorder"})
	o.Advance(30*day + time.Minute)
	o.sweep()
	o.hear()
	c.problem = ""
	o.Advance(5 * time.Minute)
	o.sweep()
	require.Equal(t, 1, o.send().Dropped)
	require.Empty(t, o.letters())
}

func TestTold_ARotationThatIsDueAndNobodyDoes_B9(t *testing.T) {
	o, k := delivering(t, &courier{}, policy.Delivery{Type: policy.Event})
	o.Advance(30*day + time.Minute)
	l := one(t, o.pass(time.Hour, 5*time.Minute))
	require.Equal(t, "rekey: 1 key is due for rotation", l.Subject)
	require.Contains(t, l.Text, "POST /v1/me/key/rotate")
	require.Contains(t, l.Text, string(k))
}

func TestTold_ARotationThatRekeyCannotBeginAndNobodyDoesInTime_B9(t *testing.T) {
	c := &courier{refuses: "The secret is not tagged."}
	o, _ := delivering(t, c, policy.Delivery{Type: policy.SecretsManager, SecretID: "acme/recorder"})
	o.Advance(30*day + time.Minute)
	for _, said := range []string{"It goes on working, and has no end. rekey could not", "Nobody has rotated it. rekey could not"} {
		l := one(t, o.pass(6*day, time.Hour))
		require.Equal(t, "rekey: 1 failure", l.Subject)
		require.Contains(t, l.Text, c.refuses)
		require.Contains(t, l.Text, said)
		o.Advance(2 * day)
	}
	require.Empty(t, o.pass(6*day, time.Hour), "it has been said")
}

func TestTold_OfARotationThatIsDueAheadOfItsTime_B9(t *testing.T) {
	o, _ := delivering(t, &courier{}, policy.Delivery{Type: policy.Event})
	var at []string
	for _, l := range o.pass(30*day, time.Hour) {
		at = append(at, strings.TrimSpace(l.Subject))
		require.Contains(t, l.Text, "it is to be rotated at")
	}
	require.Len(t, at, 3, "14, 7 and 1 days before")
}

func TestHear_WhatTheBusSaysIsBelievedOnlyAsFarAsARecordSaysIt_B3(t *testing.T) {
	o := newOffice(t)
	n, err := o.service().Hear(o.Ctx, id.New[id.Event](o.Rand))
	require.NoError(t, err)
	require.Zero(t, n)
	require.Contains(t, o.log.String(), "an event without an audit record")
	for _, e := range o.Mem.Events() { // whatever else there is
		n, err := o.service().Hear(o.Ctx, e.ID)
		require.NoError(t, err)
		require.Zero(t, n, e.Action)
	}
}

// unreadable cannot read one key.
type unreadable struct {
	*apikey.Service
	key id.Key
}

func (u unreadable) Views(ctx context.Context, ids []id.Key) ([]apikey.View, error) {
	for _, k := range ids {
		if k == u.key {
			return nil, errors.New("an attribute is of another type")
		}
	}
	return u.Service.Views(ctx, ids)
}

func TestSend_AKeyThatCannotBeReadKeepsNoOtherFromBeingToldOf_B3(t *testing.T) {
	o := newOffice(t)
	a := o.account("Recorder", o.Company, "blue@example.com")
	bad := o.IssueFor(a.ID, "bad", soon)
	o.IssueFor(a.ID, "good", soon)
	o.announce()
	o.Advance(15 * time.Minute)
	s := o.service()
	s.Keys = unreadable{o.Keys, bad.View.Key.ID}
	r, err := s.Send(o.Ctx)
	require.NoError(t, err)
	require.Equal(t, 1, r.Sent)
	l := one(t, o.letters())
	require.Contains(t, l.Text, `"good"`)
	require.Contains(t, o.log.String(), string(bad.View.Key.ID))
}

func TestSend_ASecondUrgentLineForOneKeyIsToldOnce_B3(t *testing.T) {
	o := newOffice(t)
	a := o.account("Recorder", o.Company, "blue@example.com")
	o.IssueFor(a.ID, "k", 14*day+time.Minute)
	o.announce()
	o.fails = func(notice.Letter) error { return &notice.Refused{Code: "MessageRejected"} }
	o.pass(8*day, time.Hour) // the notice a week before comes while the first still waits
	o.fails = nil
	l := one(t, o.pass(2*day, time.Hour))
	require.Equal(t, "rekey: 1 key ends soon", l.Subject)
	require.Equal(t, 1, strings.Count(l.Text, "What to do:"))
}
