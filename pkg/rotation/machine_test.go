package rotation_test

import (
	"context"
	"log/slog"
	"testing"
	"time"

	"github.com/aws/aws-sdk-go-v2/aws"
	"github.com/stretchr/testify/require"
	"pgregory.net/rapid"

	"github.com/rekey-dev/rekey/pkg/calendar"
	"github.com/rekey-dev/rekey/pkg/delivery"
	"github.com/rekey-dev/rekey/pkg/id"
	"github.com/rekey-dev/rekey/pkg/policy"
	"github.com/rekey-dev/rekey/pkg/rekeytest"
	"github.com/rekey-dev/rekey/pkg/role"
	"github.com/rekey-dev/rekey/pkg/rotation"
	"github.com/rekey-dev/rekey/pkg/secrets/consumer"
	"github.com/rekey-dev/rekey/pkg/secrets/secretstest"
	"github.com/rekey-dev/rekey/pkg/sweep"
	"github.com/rekey-dev/rekey/pkg/token"
	"github.com/rekey-dev/rekey/pkg/verify"
)

const recorderName = "acme/recorder"

// health is how the consumer's secret is to be had.
type health string

// machine runs the product beside the model.
type machine struct {
	*rekeytest.World
	t         *rapid.T
	accounts  []*modelAccount
	rotations []*modelRotation
	service   *secretstest.Service
	secret    *secretstest.Secret
	health    health
	sweeper   *sweep.Sweeper
	policy    policy.Policy
	december  id.Calendar
	endless   id.Calendar
	// The sweeper comes back to what failed, or was refused, when this time has come.
	backTo, calendarBackTo time.Time
	holds                  id.Key
	changes                int // of the policy
	over                   int // rotations that are final
}

func newMachine(t *rapid.T, outer *testing.T) *machine {
	w := rekeytest.New(t)
	w.Owner = w.Hire("Eternal", w.Root, role.Owner)
	m := &machine{World: w, t: t, service: secretstest.New(outer), health: well}
	cfg := aws.Config{Region: "eu-central-1", BaseEndpoint: &m.service.URL, HTTPClient: m.service.Client,
		Retryer: func() aws.Retryer { return aws.NopRetryer{} },
		Credentials: aws.CredentialsProviderFunc(func(context.Context) (aws.Credentials, error) {
			return aws.Credentials{AccessKeyID: "AKID", SecretAccessKey: "signing"}, nil
		})}
	w.Rotations.Courier = &delivery.Courier{Abandoned: w.Keys.Abandoned,
		Boxes: consumer.New(cfg, func(context.Context) (string, error) { return "msp_00000000000000000001", nil })}
	m.sweeper = &sweep.Sweeper{Store: w.Store, Keys: w.Keys, Rotations: w.Rotations, Terms: w.Rotations.Terms, Shards: 1, Now: w.Clock.Now,
		Rand: w.Rand, Log: slog.New(slog.DiscardHandler)}
	for _, name := range []string{"Recorder", "Bridge"} {
		m.accounts = append(m.accounts, &modelAccount{id: w.Account(name, w.Company).ID})
	}
	m.december = m.freeze("December", calendar.Event{UID: "1", Summary: "year end", Start: time.Date(2030, 12, 1, 0, 0, 0, 0, time.UTC),
		End: time.Date(2031, 1, 1, 0, 0, 0, 0, time.UTC), Rule: "FREQ=YEARLY"})
	m.endless = m.freeze("Endless", calendar.Event{UID: "1", Summary: "until further notice", Start: time.Date(2030, 1, 1, 0, 0, 0, 0, time.UTC)})
	m.issued(m.accounts[0], nil)
	m.secret = m.service.Add(recorderName, m.accounts[0].keys[0].secrets[0].Reveal(), map[string]string{"rekey:place": string(w.Company.Company)})
	m.service.Fail = func(_ int, c secretstest.Call) *secretstest.Failure {
		switch {
		case m.health == down, m.health == jammed && c.Operation == "UpdateSecretVersionStage":
			return &secretstest.Failure{Drop: true}
		case m.health == forbidden && c.Operation == "UpdateSecretVersionStage":
			return &secretstest.Failure{Code: "AccessDeniedException"}
		}
		return nil
	}
	return m
}

func (m *machine) freeze(name string, e calendar.Event) id.Calendar {
	events := []calendar.Event{e}
	c, err := m.Calendars.Create(m.Ctx, m.As(m.Owner), calendar.New{Name: name, Kind: calendar.Freeze, Zone: "UTC", Node: m.Root.Node(),
		Source: calendar.Source{Events: &events}})
	require.NoError(m.t, err)
	return c.ID
}

// holder is the key whose secret the consumer reads.
func (m *machine) holder() id.Key { return m.labelled("AWSCURRENT") }

func (m *machine) labelled(label string) id.Key {
	_, k, _ := delivery.Extract(delivery.Target{Type: delivery.SecretsManager}, token.SecretOf(m.secret.Text(label)))
	return k
}

// stands tells whether a key's secret stands in the way of a delivery of another one's successor: that key lives, and does not end
// with what the delivery is forced over.
func (m *machine) stands(there id.Key, k *modelKey, open *modelRotation) bool {
	return len(m.keys(func(other *modelKey) bool {
		return other.id == there && other != k && m.alive(other) && (open == nil || other != open.new)
	})) > 0
}

func (m *machine) keys(wanted func(*modelKey) bool) (out []*modelKey) {
	for _, a := range m.accounts {
		for _, k := range a.keys {
			if wanted == nil || wanted(k) {
				out = append(out, k)
			}
		}
	}
	return out
}

func (m *machine) alive(k *modelKey) bool { return k.live(m.Now()) }

func (m *machine) settle() {
	over := 0
	for _, r := range m.rotations {
		r.settle(m.Now())
		if r.final != "" {
			over++
		}
	}
	if over != m.over { // what a rotation that was open held up is tried again within the hour
		m.over, m.calendarBackTo = over, later(m.calendarBackTo, m.Now().Add(time.Hour+time.Minute))
	}
}

func (m *machine) rotation(r id.Rotation) *modelRotation {
	for _, known := range m.rotations {
		if known.id == r {
			return known
		}
	}
	return nil
}

func (m *machine) find(k id.Key) *modelKey {
	found := m.keys(func(known *modelKey) bool { return known.id == k })
	require.Len(m.t, found, 1, "a key that nobody made")
	return found[0]
}

// compare holds the product against the model: the verdict of every secret that was ever issued, the state of every rotation,
// the number of keys.
func (m *machine) compare(t *rapid.T) {
	now := m.Now()
	if now.AddDate(5, 0, 0).After(m.Owner.Token.ExpiresAt) { // the owner's token outlives the test's years
		m.Owner = m.Hire("Owner of "+now.Format(time.DateOnly), m.Root, role.Owner)
	}
	m.settle()
	for _, a := range m.accounts {
		live, uncounted := 0, 0
		for i, k := range a.keys {
			switch {
			case k.live(now):
				live++
			case k.revoked.IsZero() && a.revoked.IsZero():
				uncounted++ // expired, and counted until that is announced
			}
			for generation, secret := range k.secrets {
				class, status := k.judge(generation, now)
				v := m.Verify(secret, rekeytest.Home)
				same := v.Status == status || class == verify.Allow && k.open != nil && k.open.awaits()
				if v.Class != class || !same {
					t.Fatalf("key %d %s, generation %d: %s %s, the model says %s %s", i, k.id, generation+1, v.Class, v.Status, class, status)
				}
			}
		}
		if count := m.ReadAccount(a.id).KeyCount; a.revoked.IsZero() && (count < live || count > live+uncounted) {
			t.Fatalf("the account counts %d keys; %d live, %d are expired", count, live, uncounted)
		}
	}
	for _, r := range m.rotations {
		v, err := m.Rotations.Get(m.Ctx, m.As(m.Owner), r.id)
		require.NoError(t, err)
		state, want := v.Rotation.State, r.state(now)
		switch {
		case r.gives: // a step that changes a key is the sweeper's
			continue
		case state == rotation.Overdue && r.final == "" && r.awaits() && r.refused:
		case state != want:
			t.Fatalf("%s (%s) is %s, the model says %s", r.id, r.mode, state, want)
		}
		if r.final == "" && (v.Rotation.OldKey != r.old.id || v.Rotation.NewKey != r.new.id || !r.new.live(now) || r.old.open != r || r.new.open != r) {
			t.Fatalf("%s is open without an old and a new key of its own", r.id)
		}
		if r.final == "" && !r.awaits() && !v.Rotation.OverlapEndsAt.Equal(r.ends) {
			t.Fatalf("%s says that its old key ends at %v, the model at %v", r.id, v.Rotation.OverlapEndsAt, r.ends)
		}
	}
	if len(m.GaveUp) > 0 {
		t.Fatalf("writes were given up: %v", m.GaveUp)
	}
	if holds := m.holder(); holds != m.holds {
		m.holds, m.calendarBackTo = holds, now.Add(time.Hour)
	}
}

// Simulated years of rotations, policies, freezes and outages, against the model. A check is a world of its own, about 30
// actions long and 62 quiet days more. As many checks run as -rapid.checks says, by default 100; a long run:
//
//	go test ./pkg/rotation -run TestMachine -rapid.checks=20000 -rapid.steps=60 -timeout 2h -v
func TestMachine_RotationsGoAsTheDocumentsSay_D6_D7_B3_B5_B9_P3(t *testing.T) {
	var years float64
	worlds, rotations := 0, map[rotation.State]int{}
	rapid.Check(t, func(r *rapid.T) {
		m := newMachine(r, t)
		r.Repeat(m.actions())
		m.drain()
		years += m.Now().Sub(rekeytest.Start).Hours() / 24 / 365
		worlds++
		for _, r := range m.rotations {
			rotations[r.final]++
		}
	})
	t.Logf("%d worlds, %.0f simulated years, rotations by their end: %v", worlds, years, rotations)
}
