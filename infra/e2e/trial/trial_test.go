package trial

import (
	"context"
	"encoding/json"
	"fmt"
	"net/http"
	"net/http/httptest"
	"strings"
	"sync"
	"testing"
	"time"

	"github.com/stretchr/testify/require"

	"github.com/rekey-dev/rekey/infra/e2e/client"
)

// product answers the API's routes that trials use: rightly, or wrong in one of the ways that a trial has to notice.
type product struct {
	cached    bool // a verdict is remembered for a while
	stranger  bool // a lock refuses everybody
	careless  bool // retired and ended secrets count
	unlimited bool // secrets are compared although the account is locked

	mu       sync.Mutex
	accounts int
	keys     map[string]*item // by secret
	remember map[string]time.Time
	failures map[string]int // by account
	trusted  map[string]bool
	log      []string
}

type item struct {
	id, account string
	ended       bool
}

const threshold = 10

func (p *product) ServeHTTP(w http.ResponseWriter, r *http.Request) {
	p.mu.Lock()
	defer p.mu.Unlock()
	answer := func(status int, o client.Object) {
		w.WriteHeader(status)
		_ = json.NewEncoder(w).Encode(o)
	}
	part := strings.Split(strings.Trim(r.URL.Path, "/"), "/")
	last := part[len(part)-1]
	switch {
	case r.URL.Path == "/me":
		answer(p.verdict(strings.TrimPrefix(r.Header.Get("Authorization"), "Bearer "), r.RemoteAddr[:strings.LastIndexByte(r.RemoteAddr, ':')]), nil)
	case r.URL.Path == "/service-accounts":
		p.accounts++
		answer(201, client.Object{"id": fmt.Sprint("sa_", p.accounts)})
	case r.Method == http.MethodGet:
		answer(200, client.Object{"locked": p.failures[part[1]] >= threshold, "lock": client.Object{"failures": p.failures[part[1]]}})
	case last == "keys":
		public := fmt.Sprintf("%020d", len(p.keys))
		secret := client.WithCheck("rka_" + public + "_" + strings.Repeat("0", 43))
		p.keys[secret] = &item{id: "key_" + public, account: part[1]}
		answer(201, client.Object{"key": client.Object{"id": "key_" + public}, "secret": secret})
	case part[0] == "keys":
		p.end(func(k *item) bool { return k.id == part[1] })
		answer(200, nil)
	case last == "rotate":
		p.end(func(k *item) bool { return k.account == part[1] })
		answer(201, nil)
	default:
		p.end(func(k *item) bool { return k.account == part[1] })
		answer(200, nil)
	}
}

func (p *product) end(which func(*item) bool) {
	for _, k := range p.keys {
		k.ended = k.ended || which(k)
	}
}

func (p *product) verdict(secret, source string) int {
	if p.cached && time.Now().Before(p.remember[secret]) {
		return 200
	}
	k, right := p.keys[secret]
	if !right {
		for s, other := range p.keys {
			if s[:25] == secret[:25] {
				k = other
			}
		}
	}
	if p.failures[k.account] >= threshold && (p.stranger || !p.trusted[k.account+source]) && !p.unlimited {
		p.refuse(k, "F3")
		return 401
	}
	switch {
	case right && !k.ended:
		p.remember[secret] = time.Now().Add(300 * time.Millisecond)
		p.trusted[k.account+source] = true
		return 200
	case k.ended && !p.careless:
		p.refuse(k, "F1")
	default:
		p.failures[k.account]++
		p.refuse(k, "F2")
	}
	return 401
}

func (p *product) refuse(k *item, class string) {
	p.log = append(p.log, fmt.Sprintf(`{"class":%q,"key_id":%q,"request_id":"%d"}`, class, k.id, len(p.log)))
}

// try serves a product and makes a World of it.
func try(t *testing.T, p *product) World {
	p.keys, p.remember, p.failures, p.trusted = map[string]*item{}, map[string]time.Time{}, map[string]int{}, map[string]bool{}
	s := httptest.NewServer(p)
	t.Cleanup(s.Close)
	return World{API: &client.Target{BaseURL: s.URL}, Owner: "rkp_00000000000000000000_", Node: "node_1",
		Logs: func(_ context.Context, containing string) ([]string, error) {
			p.mu.Lock()
			defer p.mu.Unlock()
			var out []string
			for _, line := range p.log {
				if strings.Contains(line, containing) {
					out = append(out, line)
				}
			}
			return out, nil
		}}
}

func TestRevoke_NoticesACachedVerdict_D4(t *testing.T) {
	right, err := Revoke(t.Context(), try(t, &product{}), 20, 32)
	require.NoError(t, err)
	require.Zero(t, right.Leaks)
	require.Equal(t, int64(20*perKey), right.After)
	wrong, err := Revoke(t.Context(), try(t, &product{cached: true}), 20, 32)
	require.NoError(t, err)
	require.Positive(t, wrong.Leaks)
}

func TestRevokeAccount_NoticesACachedVerdict_S4(t *testing.T) {
	for _, action := range []string{"revoke", "rotate"} {
		right, err := RevokeAccount(t.Context(), try(t, &product{}), action, 20, 8)
		require.NoError(t, err)
		require.Zero(t, right.Leaks)
		require.Equal(t, int64(20), right.After)
		wrong, err := RevokeAccount(t.Context(), try(t, &product{cached: true}), action, 20, 8)
		require.NoError(t, err)
		require.Positive(t, wrong.Leaks)
	}
}

func TestGuess_NoticesSecretsThatAreComparedUnderALock_I2(t *testing.T) {
	right, err := Guess(t.Context(), try(t, &product{}), 100)
	require.NoError(t, err)
	require.Equal(t, Guessing{Guesses: 100, Evaluated: threshold, Failures: threshold}, right)
	wrong, err := Guess(t.Context(), try(t, &product{unlimited: true}), 100)
	require.NoError(t, err)
	require.Equal(t, 100, wrong.Evaluated)
	require.Positive(t, wrong.AfterVisible)
}

func TestHammer_NoticesALockThatRefusesATrustedSource_B2(t *testing.T) {
	right, err := Hammer(t.Context(), try(t, &product{}), 200, 4)
	require.NoError(t, err)
	require.Zero(t, right.Refused)
	require.True(t, right.Locked)
	wrong, err := Hammer(t.Context(), try(t, &product{stranger: true}), 200, 4)
	require.NoError(t, err)
	require.Positive(t, wrong.Refused)
}

func TestEnded_NoticesRetiredSecretsThatCount_B1(t *testing.T) {
	failures, err := Ended(t.Context(), try(t, &product{}), 100, 4)
	require.NoError(t, err)
	require.Zero(t, failures)
	failures, err = Ended(t.Context(), try(t, &product{careless: true}), 100, 4)
	require.NoError(t, err)
	require.Positive(t, failures)
}
