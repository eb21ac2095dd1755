package rotation_test

import (
	"fmt"
	"log/slog"
	"slices"
	"sync"
	"testing"
	"time"

	"github.com/stretchr/testify/require"

	"github.com/rekey-dev/rekey/pkg/apikey"
	"github.com/rekey-dev/rekey/pkg/audit"
	"github.com/rekey-dev/rekey/pkg/call"
	"github.com/rekey-dev/rekey/pkg/delivery"
	"github.com/rekey-dev/rekey/pkg/fault"
	"github.com/rekey-dev/rekey/pkg/id"
	"github.com/rekey-dev/rekey/pkg/memstore"
	"github.com/rekey-dev/rekey/pkg/rekeytest"
	"github.com/rekey-dev/rekey/pkg/secrets/secretstest"
	"github.com/rekey-dev/rekey/pkg/sweep"
	"github.com/rekey-dev/rekey/pkg/token"
	"github.com/rekey-dev/rekey/pkg/verify"
)

// target is the consumer's secret.
var target = delivery.Target{Type: delivery.SecretsManager, SecretID: "acme/recorder"}

// maker is a call that makes a secret and delivers it.
type maker struct {
	name   string
	before func(s *consumers) // what is there before, beside the account's key, which stands in the secret
	call   func(s *consumers, c call.Call) (apikey.Shown, error)
	change string // of the key's record
	ends   bool   // the secrets of before stop
	live   int    // keys afterwards
}

func (s *consumers) account() apikey.View { return s.old.View }

func issueTo(s *consumers, c call.Call) (apikey.Shown, error) {
	return s.Rotations.IssueTo(s.Ctx, c, s.account().Account.ID, apikey.Issue{Name: "Delivered"}, target)
}

func regenerateTo(s *consumers, c call.Call) (apikey.Shown, error) {
	return s.Rotations.RegenerateTo(s.Ctx, c, s.account().Key.ID, apikey.Expiry{}, false, target)
}

func rotateAccountTo(s *consumers, c call.Call) (apikey.Shown, error) {
	return s.Rotations.RotateAccountTo(s.Ctx, c, s.account().Account.ID, apikey.Rotate{All: true, Reason: "spring cleaning"}, target)
}

var makers = []maker{
	{"issue", func(s *consumers) { s.holds("placeholder") }, issueTo, audit.KeyIssued, false, 2},
	{"issue into a secret without a value", func(s *consumers) { s.holds("") }, issueTo, audit.KeyIssued, false, 2},
	{"issue in the place of a key that has ended", func(s *consumers) {
		dead := s.Issue(s.account().Account.ID, "dead")
		_, err := s.Keys.Revoke(s.Ctx, s.As(s.Owner), dead.View.Key.ID, "", "")
		require.NoError(s.t, err)
		s.holds(dead.Secret.Reveal())
	}, issueTo, audit.KeyIssued, false, 2},
	{"regenerate", func(*consumers) {}, regenerateTo, audit.KeyRegenerated, true, 1},
	{"rotate the account with one key", func(*consumers) {}, rotateAccountTo, audit.KeyRegenerated, true, 1},
	{"rotate the account with several keys", func(s *consumers) {
		s.Issue(s.account().Account.ID, "Second")
		s.Issue(s.account().Account.ID, "Third")
	}, rotateAccountTo, audit.KeyIssued, true, 1},
}

// holds puts another secret in the place of the consumer's.
func (s *consumers) holds(text string) {
	s.secret = s.service.Add("acme/recorder", text, s.secret.Tags)
}

func (m maker) world(t *testing.T) *consumers {
	s := newConsumers(t)
	m.before(s)
	s.Store.Reset()
	return s
}

func (s *consumers) sweep() {
	s.t.Helper()
	sweeper := &sweep.Sweeper{Store: s.Store, Keys: s.Keys, Rotations: s.Rotations, Terms: s.Rotations.Terms, Shards: 1, Now: s.Clock.Now, Rand: s.World.Rand,
		Log: slog.New(slog.DiscardHandler)}
	_, err := sweeper.Sweep(s.Ctx, "run")
	require.NoError(s.t, err)
}

// alive are the account's live keys.
func (s *consumers) alive() []apikey.Key {
	s.t.Helper()
	keys, err := s.Mem.LiveKeys(s.Ctx, s.ReadAccount(s.account().Account.ID), s.Now())
	require.NoError(s.t, err)
	return keys
}

// made requires that a maker has had its effect once and that its consumer has the secret.
func (m maker) made(s *consumers, earlier int, what string) {
	s.t.Helper()
	secret := s.reads()
	tok, ok := token.Parse(secret.Reveal())
	require.True(s.t, ok, what)
	s.Allowed(secret, rekeytest.Home)
	require.NotContains(s.t, s.secret.Labels, "AWSPENDING", what)
	alive := s.alive()
	require.Len(s.t, alive, m.live, what)
	k := s.Key(id.Key(tok.ID()))
	require.True(s.t, slices.ContainsFunc(alive, func(a apikey.Key) bool { return a.ID == k.ID }), what)
	require.Equal(s.t, m.live, s.ReadAccount(k.AccountID).KeyCount, what)
	r := get(s.t, s.World, k.RotationID).Rotation
	require.True(s.t, r.Over(), "%s: %s", what, r.State)
	require.Equal(s.t, r.Delivery.Version, s.secret.Labels["AWSCURRENT"], what)
	require.Len(s.t, s.Records(m.change), earlier+1, what)
	require.Len(s.t, s.Records(audit.RotationStarted), 1, what)
	require.Len(s.t, s.Records(audit.RotationDelivered), 1, what)
	if m.ends {
		require.NotEqual(s.t, verify.Allow, s.Request(s.old.Secret, rekeytest.Home).Class, what)
	} else {
		s.Allowed(s.old.Secret, rekeytest.Home)
	}
}

func TestDeliverTo_TheSecretIsTheConsumersAndNobodyElses_B5_W8(t *testing.T) {
	for _, m := range makers {
		s := m.world(t)
		earlier := len(s.Records(m.change))
		from := s.secret.Labels["AWSCURRENT"]
		out, err := m.call(s, s.As(s.Owner))
		require.NoError(t, err, m.name)
		require.True(t, out.Secret.IsZero(), m.name)
		require.Equal(t, target, out.Delivery.Target, m.name)
		require.Equal(t, s.Now(), out.Delivery.DoneAt, m.name)
		require.Equal(t, from, out.Delivery.From, m.name)
		require.Equal(t, s.secret.Labels["AWSCURRENT"], out.Delivery.Version, m.name)
		s.sweep()
		m.made(s, earlier, m.name)
	}
}

func TestDeliverTo_ARepeatIsAnsweredTheSameAndDeliversNothing_B6_B5(t *testing.T) {
	for _, m := range makers {
		s := m.world(t)
		earlier := len(s.Records(m.change))
		post := func(payload string) (rekeytest.Answer, error) {
			return s.Post(s.As(s.Owner), "/path", "key", payload, func(c call.Call) (any, token.Secret, error) {
				out, err := m.call(s, c)
				return out, out.Secret, err
			})
		}
		first, err := post("payload")
		require.NoError(t, err, m.name)
		calls := len(s.service.Calls)
		again, err := post("payload")
		require.NoError(t, err, m.name)
		require.True(t, again.Repeated, m.name)
		require.JSONEq(t, first.Body, again.Body, m.name)
		require.True(t, again.Secret.IsZero(), m.name)
		require.False(t, again.Withheld, "there was no secret to withhold")
		_, err = post("another")
		require.True(t, fault.Is(err, fault.IdempotencyMismatch), "%v", err)
		require.Len(t, s.service.Calls, calls, m.name)
		s.sweep()
		m.made(s, earlier, m.name)
	}
}

// Calls that are equal, and calls that are not, at the same time: each has its effect once or is refused, and the consumer has a
// secret that works.
func TestDeliverTo_OfTwoAtOnceOneIsTheConsumers_B6_B5(t *testing.T) {
	for _, m := range makers {
		for _, keys := range [][]string{{"one", "one", "one"}, {"one", "two", "three"}} {
			s := m.world(t)
			earlier := len(s.Records(m.change))
			var wg sync.WaitGroup
			var mu sync.Mutex
			done := 0
			for _, key := range keys {
				wg.Go(func() {
					_, err := s.Post(s.As(s.Owner), "/path", key, "payload", func(c call.Call) (any, token.Secret, error) {
						out, err := m.call(s, c)
						return out, out.Secret, err
					})
					mu.Lock()
					defer mu.Unlock()
					if err == nil {
						done++
					} else {
						require.Contains(t, []fault.Kind{fault.Conflict, fault.RotationOpen, fault.Unavailable}, fault.KindOf(err), "%s: %v", m.name, err)
					}
				})
			}
			wg.Wait()
			require.NotZero(t, done, m.name)
			for range 3 {
				s.sweep()
				s.Advance(time.Minute)
			}
			s.Allowed(s.reads(), rekeytest.Home)
			if keys[0] == keys[1] {
				require.Equal(t, len(keys), done, "%s: each is answered", m.name)
				m.made(s, earlier, m.name)
			}
			stuck := 0
			for _, k := range s.alive() {
				if r := s.Key(k.ID).RotationID; r != "" && holderOf(t, s) != string(k.ID) {
					stuck++
					require.NotEmpty(t, get(t, s.World, r).Rotation.Delivery.Problem, "%s: a key whose secret nobody has says so", m.name)
				}
			}
			if stuck == 0 {
				require.NotContains(t, s.secret.Labels, "AWSPENDING", m.name)
			}
		}
	}
}

// holderOf is the ID of the key that the consumer has.
func holderOf(t *testing.T, s *consumers) string {
	tok, ok := token.Parse(s.reads().Reveal())
	require.True(t, ok)
	return tok.ID()
}

// Every call to the store and to Secrets Manager fails once, in each way; then time goes on with the sweeper alone. What was
// begun is done, or nothing of it is there and the same call makes it.
func TestDeliverTo_CrashesAnywhereAndNoKeyIsLostOrHeldByNobody_B5_W8(t *testing.T) {
	cases, undone := 0, 0
	for _, m := range makers {
		try := func(what string, prepare func(s *consumers)) {
			cases++
			s := m.world(t)
			before, was, earlier := len(s.alive()), s.secret.Text("AWSCURRENT"), len(s.Records(m.change))
			prepare(s)
			payload, out := m.name, apikey.Shown{}
			use := func(c call.Call) (any, token.Secret, error) {
				var err error
				out, err = m.call(s, c)
				return out, out.Secret, err
			}
			_, _ = s.Post(s.As(s.Owner), "/path", "key", payload, use)
			s.Store.Settle()
			s.service.Fail = nil
			s.Store.Reset()
			for range 3 {
				s.sweep()
				s.Advance(time.Minute)
			}
			if len(s.Records(m.change)) == earlier {
				undone++
				require.Len(t, s.alive(), before, what)
				if was != "" { // a first version is the consumers' at once; no key accepts it
					require.Equal(t, was, s.secret.Text("AWSCURRENT"), what)
				}
				s.Allowed(s.old.Secret, rekeytest.Home)
			} else {
				m.made(s, earlier, what)
			}
			_, err := s.Post(s.As(s.Owner), "/path", "key", payload, use)
			require.NoError(t, err, what)
			s.sweep()
			m.made(s, earlier, what+", repeated")
		}
		counted := m.world(t)
		_, err := counted.Post(counted.As(counted.Owner), "/path", "key", "payload", func(c call.Call) (any, token.Secret, error) {
			out, err := m.call(counted, c)
			return out, out.Secret, err
		})
		require.NoError(t, err)
		for n := range counted.Store.Calls() {
			for _, mode := range memstore.Modes {
				try(fmt.Sprintf("%s, call %d of the store (%s) fails %s", m.name, n+1, counted.Store.Calls()[n], mode), func(s *consumers) { s.Store.Fail(n+1, mode) })
			}
		}
		for n := range counted.service.Calls {
			for _, f := range []secretstest.Failure{{Drop: true}, {Drop: true, Effect: true}, {Code: "AccessDeniedException"}, {Code: "InternalServiceError", Effect: true}} {
				try(fmt.Sprintf("%s, call %d of Secrets Manager (%s): %+v", m.name, n+1, counted.service.Calls[n].Operation, f), func(s *consumers) {
					s.service.Fail = func(i int, _ secretstest.Call) *secretstest.Failure {
						if i == n+1 {
							return &f
						}
						return nil
					}
				})
			}
		}
	}
	t.Logf("%d cases, in %d of them nothing was made at first", cases, undone)
	require.Greater(t, cases, 300)
}
