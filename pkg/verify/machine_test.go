package verify_test

import (
	"testing"
	"time"

	"github.com/stretchr/testify/require"
	"pgregory.net/rapid"

	"github.com/rekey-dev/rekey/pkg/apikey"
	"github.com/rekey-dev/rekey/pkg/id"
	"github.com/rekey-dev/rekey/pkg/lock"
	"github.com/rekey-dev/rekey/pkg/rekeytest"
	"github.com/rekey-dev/rekey/pkg/role"
	"github.com/rekey-dev/rekey/pkg/token"
	"github.com/rekey-dev/rekey/pkg/verify"
)

// The model: what the documents say of keys and locks, in as few words as they take, without a store.

type modelCount struct {
	failures    int
	window, end time.Time
	epoch       int
}

func (c modelCount) locked(now time.Time) bool { return c.failures >= 10 && now.Before(c.end) }

func (c *modelCount) add(epoch int, now time.Time) {
	if c.epoch == epoch && c.locked(now) {
		return
	}
	if c.epoch != epoch || !now.Before(c.window) || c.failures >= 10 {
		*c = modelCount{epoch: epoch, window: now.Add(15 * time.Minute)}
	}
	c.failures++
	c.end = now.Add(30 * time.Minute)
}

type modelAccount struct {
	id      id.ServiceAccount
	revoked bool
	keys    []*modelKey
	count   modelCount
	sources map[string]*modelCount
	trusted map[string]time.Time
}

type modelKey struct {
	id           id.Key
	account      *modelAccount
	secrets      []token.Secret // the last is the current one
	revoked, off bool
	expires      time.Time
}

func (k *modelKey) live(now time.Time) bool {
	return !k.account.revoked && !k.revoked && (k.expires.IsZero() || now.Before(k.expires))
}

func (a *modelAccount) refuses(source string, now time.Time) bool {
	if !a.count.locked(now) {
		return false
	}
	if since, ok := a.trusted[source]; !ok || now.Sub(since) >= 30*24*time.Hour {
		return true
	}
	own := a.sources[lock.Address(source)]
	return own != nil && own.epoch == a.count.epoch && own.locked(now)
}

// judge is what a request with one of a key's secrets comes to; suspended says whether the company is.
func (k *modelKey) judge(generation int, source string, suspended bool, now time.Time) (verify.Class, verify.Status) {
	switch {
	case k.account.refuses(source, now):
		return verify.Unusable, verify.StatusLocked
	case generation < len(k.secrets)-1:
		return verify.Unusable, verify.StatusRetired
	case k.account.revoked:
		return verify.Unusable, verify.StatusAccountRevoked
	case k.revoked:
		return verify.Unusable, verify.StatusRevoked
	case !k.live(now):
		return verify.Unusable, verify.StatusExpired
	case suspended:
		return verify.Unusable, verify.StatusCompanySuspended
	case k.off:
		return verify.Unusable, verify.StatusInactive
	case !k.expires.IsZero() && !now.Before(k.expires.Add(-30*24*time.Hour)):
		return verify.Allow, verify.StatusExpiring
	}
	return verify.Allow, verify.StatusActive
}

// machine runs the product beside the model.
type machine struct {
	*rekeytest.World
	t         *rapid.T
	accounts  []*modelAccount
	suspended bool
}

var sources = []string{rekeytest.Home, rekeytest.Away, "2001:db8::1"}

func (m *machine) account() *modelAccount {
	return m.accounts[rapid.IntRange(0, len(m.accounts)-1).Draw(m.t, "account")]
}

func (m *machine) source() string { return rapid.SampledFrom(sources).Draw(m.t, "source") }

func (m *machine) key(wanted func(*modelKey) bool) *modelKey {
	var keys []*modelKey
	for _, a := range m.accounts {
		for _, k := range a.keys {
			if wanted == nil || wanted(k) {
				keys = append(keys, k)
			}
		}
	}
	if len(keys) == 0 {
		m.t.Skip("no such key")
	}
	return keys[rapid.IntRange(0, len(keys)-1).Draw(m.t, "key")]
}

func (m *machine) alive(k *modelKey) bool { return k.live(m.Now()) }

func (m *machine) actions() map[string]func(*rapid.T) {
	return map[string]func(*rapid.T){
		"": m.compare,
		"issue": func(*rapid.T) {
			a := m.account()
			if a.revoked || m.suspended || len(a.keys) > 5 {
				m.t.Skip("none can be issued")
			}
			k := &modelKey{account: a}
			in := apikey.Issue{Name: "k"}
			if life := rapid.SampledFrom([]time.Duration{0, time.Hour, 31 * 24 * time.Hour}).Draw(m.t, "life"); life > 0 {
				k.expires = m.Now().Add(life)
				in.ExpiresAt = apikey.Expiry{Given: true, At: k.expires}
			}
			shown := m.IssueWith(a.id, in)
			k.id, k.secrets = shown.View.Key.ID, []token.Secret{shown.Secret}
			a.keys = append(a.keys, k)
		},
		"regenerate": func(*rapid.T) {
			k := m.key(m.alive)
			k.secrets = append(k.secrets, m.Regenerate(k.id).Secret)
			k.account.count = modelCount{epoch: k.account.count.epoch + 1}
		},
		"rotate all": func(*rapid.T) {
			k := m.key(m.alive)
			if m.suspended {
				m.t.Skip("its company is suspended")
			}
			m.rotateAll(k.account)
		},
		"revoke": func(*rapid.T) {
			k := m.key(m.alive)
			_, err := m.Keys.Revoke(m.Ctx, m.As(m.Owner), k.id, "", "")
			require.NoError(m.t, err)
			k.revoked = true
		},
		"deactivate": func(*rapid.T) {
			k := m.key(m.alive)
			_, err := m.Keys.Deactivate(m.Ctx, m.As(m.Owner), k.id)
			require.NoError(m.t, err)
			k.off = true
		},
		"activate": func(*rapid.T) {
			k := m.key(func(k *modelKey) bool { return m.alive(k) && k.off })
			_, err := m.Keys.Activate(m.Ctx, m.As(m.Owner), k.id)
			require.NoError(m.t, err)
			k.off = false
		},
		"revoke account": func(*rapid.T) {
			a := m.account()
			if len(m.accounts) < 2 || len(a.keys) == 0 {
				m.t.Skip("one stays")
			}
			_, err := m.Accounts.Revoke(m.Ctx, m.As(m.Owner), a.id, "")
			require.NoError(m.t, err)
			a.revoked = true
		},
		"unlock": func(*rapid.T) {
			a := m.account()
			if a.revoked || a.count.failures == 0 {
				m.t.Skip("nothing to unlock")
			}
			_, err := m.Accounts.Unlock(m.Ctx, m.As(m.Owner), a.id)
			require.NoError(m.t, err)
			a.count = modelCount{epoch: a.count.epoch + 1}
		},
		"suspend or resume": func(*rapid.T) {
			m.suspended = !m.suspended
			m.Suspend(m.Company, m.suspended)
		},
		"wrong secrets": func(*rapid.T) { m.guess(m.key(nil), m.source(), rapid.IntRange(1, 11).Draw(m.t, "n")) },
		"use":           func(*rapid.T) { m.use(m.key(nil), m.source()) },
		"time passes": func(*rapid.T) {
			m.Advance(rapid.SampledFrom([]time.Duration{time.Millisecond, time.Minute, 16 * time.Minute, 30 * time.Minute, time.Hour,
				24 * time.Hour, 30 * 24 * time.Hour}).Draw(m.t, "time"))
		},
	}
}

func (m *machine) rotateAll(a *modelAccount) {
	var live []*modelKey
	for _, k := range a.keys {
		if m.alive(k) {
			live = append(live, k)
		}
	}
	shown := m.RotateAll(a.id)
	a.count = modelCount{epoch: a.count.epoch + 1}
	if len(live) == 1 {
		require.Equal(m.t, live[0].id, shown.View.Key.ID, "with one key its secret is replaced")
		live[0].secrets = append(live[0].secrets, shown.Secret)
		return
	}
	next := &modelKey{id: shown.View.Key.ID, account: a, secrets: []token.Secret{shown.Secret}}
	for _, k := range a.keys {
		if !k.expires.IsZero() && m.alive(k) && (next.expires.IsZero() || k.expires.Before(next.expires)) {
			next.expires = k.expires
		}
		k.revoked = true
	}
	a.keys = append(a.keys, next)
}

func (m *machine) guess(k *modelKey, from string, n int) {
	for range n {
		m.World.Guess(k.secrets[0], from, 1)
		a, now, address := k.account, m.Now(), lock.Address(from)
		if a.refuses(from, now) || !k.live(now) || k.off {
			continue
		}
		if a.sources[address] == nil {
			a.sources[address] = &modelCount{}
		}
		a.sources[address].add(a.count.epoch, now)
		if !a.count.locked(now) {
			a.count.add(a.count.epoch, now)
		}
	}
}

func (m *machine) use(k *modelKey, from string) {
	generation, now := len(k.secrets)-1, m.Now()
	m.Request(k.secrets[generation], from)
	if class, _ := k.judge(generation, from, m.suspended, now); class != verify.Allow {
		return
	}
	if since, ok := k.account.trusted[from]; !ok || since.Format(time.DateOnly) != now.Format(time.DateOnly) {
		k.account.trusted[from] = now
	}
}

// compare judges every secret that was ever issued, from every source, in the product and in the model.
func (m *machine) compare(t *rapid.T) {
	now := m.Now()
	for _, a := range m.accounts {
		stored := m.ReadAccount(a.id)
		if stored.Lock.Failures != a.count.failures || stored.Lock.Locked(now) != a.count.locked(now) {
			t.Fatalf("the account has %d failures, locked %v; the model %d, %v", stored.Lock.Failures, stored.Lock.Locked(now),
				a.count.failures, a.count.locked(now))
		}
		for i, k := range a.keys {
			for generation, secret := range k.secrets {
				for _, from := range sources {
					class, status := k.judge(generation, from, m.suspended, now)
					v := m.Verify(secret, from)
					if v.Class != class || v.Status != status {
						t.Fatalf("key %d, generation %d, from %s: %s %s, the model says %s %s", i, generation+1, from, v.Class,
							v.Status, class, status)
					}
				}
			}
		}
	}
	if len(m.GaveUp) > 0 {
		t.Fatalf("writes were given up: %v", m.GaveUp)
	}
}

func TestMachine_EverySecretEverIssuedIsJudgedAsTheDocumentsSay_D4_B1_B2(t *testing.T) {
	for range 8 { // of as many runs as -rapid.checks says, by default 100
		rapid.Check(t, run)
	}
}

func run(t *rapid.T) {
	m := &machine{World: rekeytest.New(t), t: t}
	m.Owner = m.Hire("Eternal", m.Root, role.Owner) // whose token outlives the test's years
	for _, name := range []string{"Recorder", "Bridge"} {
		m.accounts = append(m.accounts, &modelAccount{id: m.Account(name, m.Company).ID, sources: map[string]*modelCount{},
			trusted: map[string]time.Time{}})
	}
	t.Repeat(m.actions())
}
