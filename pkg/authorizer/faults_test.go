package authorizer_test

import (
	"context"
	"errors"
	"runtime"
	"strings"
	"testing"
	"testing/synctest"
	"time"

	"github.com/stretchr/testify/require"

	"github.com/rekey-dev/rekey/pkg/memstore"
	"github.com/rekey-dev/rekey/pkg/rekeytest"
	"github.com/rekey-dev/rekey/pkg/token"
	"github.com/rekey-dev/rekey/pkg/verify"
)

func TestInvoke_AStoreThatIsDownIsNeverA401AndNeverAnAllow_P4(t *testing.T) {
	g := newGate(t)
	k := g.Issue(g.Account("Recorder", g.Company).ID, "k")
	old := k.Secret
	k = g.Regenerate(k.View.Key.ID)
	unknown := token.Mint(token.ServiceAccountKey, "00000000000000000000", g.Rand)
	for _, warm := range []bool{false, true} {
		if warm {
			g.allows(of("GET /me", k.Secret))
		}
		g.Mem.Break(true)
		for _, s := range []token.Secret{k.Secret, old, g.Wrong(k.Secret), unknown, g.Owner.Secret} {
			g.unavailable(of("GET /me", s))
			require.Equal(t, verify.Unavailable, g.last().Class)
			require.Error(t, g.last().Err)
		}
		g.unauthorized(with(headers{"X-API-Key": {"nonsense"}}))
		g.Mem.Break(false)
	}
	require.Zero(t, g.ReadAccount(k.View.Account.ID).Lock.Failures)
}

func TestInvoke_AnyCallThatFailsIsA503UnlessTheDesignIgnoresIt_P4(t *testing.T) {
	kinds := map[string]func(g *gate) request{
		"allow": func(g *gate) request {
			return of("GET /me", g.Issue(g.Account("Recorder", g.Company).ID, "k").Secret)
		},
		"deny": func(g *gate) request { return of("POST /service-accounts", g.Operator.Secret) },
		"wrong": func(g *gate) request {
			return of("GET /me", g.Wrong(g.Issue(g.Account("Recorder", g.Company).ID, "k").Secret))
		},
	}
	for name, make := range kinds {
		g := newGate(t)
		r := make(g)
		want, wantErr := "", ""
		calls := g.Calls(func() {
			a, err := g.ask(r)
			if err != nil {
				wantErr = err.Error()
			} else {
				want = a.effect()
			}
		})
		for n, call := range calls {
			for _, mode := range memstore.Modes {
				for _, cause := range []error{nil, errors.New("ProvisionedThroughputExceededException"), errors.New("Unauthorized")} {
					g := newGate(t)
					r := make(g)
					g.Store.Reset()
					g.Store.Err = cause
					g.Store.Fail(n+1, mode)
					a, err := g.ask(r)
					what := name + ": " + call + " failed " + mode.String()
					switch {
					case call == "Use" || call == "Source" || call == "Tally":
						require.NoError(t, err, what)
						require.Equal(t, want, a.effect(), what)
					default:
						require.Error(t, err, what)
						require.NotEqual(t, "Unauthorized", err.Error(), what)
					}
				}
			}
		}
		require.True(t, want != "" || wantErr == "Unauthorized")
	}
}

func TestInvoke_AMissingPepperIsA503_P4(t *testing.T) {
	g := newGate(t)
	s := key(t, g)
	g.Peppers.Rotate()
	g.Peppers.Remove("v1")
	g.unavailable(of("GET /me", s))
	g.unavailable(of("GET /me", g.Wrong(s)))
	g.Peppers.Break(true)
	g.unavailable(of("GET /me", s))
}

func TestInvoke_OnHoldEveryVerdictIsA503_P4(t *testing.T) {
	g := newGate(t)
	s := key(t, g)
	g.a.Hold = true
	for _, r := range []request{of("GET /me", s), of("GET /me", g.Wrong(s)), with(headers{}), of("GET /unknown", s)} {
		calls := g.Calls(func() { g.unavailable(r) })
		require.Empty(t, calls)
		require.Equal(t, verify.Unavailable, g.last().Class)
	}
	g.a.Hold = false
	g.allows(of("GET /me", s))
}

func TestInvoke_WhatIsNoEventIsAnErrorThatQuotesNothing_P4(t *testing.T) {
	g := newGate(t)
	s := key(t, g).Reveal()
	for _, payload := range []string{"", "null", "[]", "7", `"` + s + `"`, `{"headers":"` + s + `"}`, `{"headers":{"authorization":{"` + s + `":1}}}`,
		`{"requestContext":"` + s + `"}`, "{", strings.Repeat("[", 100_000)} {
		out, err := g.a.Invoke(g.Ctx, []byte(payload))
		require.Error(t, err, "%.40s", payload)
		require.Empty(t, out)
		require.NotContains(t, err.Error(), s[25:68])
	}
}

func TestInvoke_NothingIsPendingWhenItReturns_P4(t *testing.T) {
	for name, make := range map[string]func(g *gate) request{
		"allow, first use": func(g *gate) request { return of("GET /me", key(t, g)) },
		"denied on record": func(g *gate) request { return of("POST /service-accounts", g.Operator.Secret) },
		"wrong, and locks": func(g *gate) request {
			s := key(t, g)
			g.Guess(s, rekeytest.Home, 9)
			return of("GET /me", g.Wrong(s))
		},
		"retired": func(g *gate) request {
			k := g.Issue(g.Account("Recorder", g.Company).ID, "k")
			g.Regenerate(k.View.Key.ID)
			return of("GET /me", k.Secret)
		},
		"a write that hangs": func(g *gate) request {
			g.a.Verifier = g.Environment(hanging{g.Store})
			return of("GET /me", key(t, g))
		},
	} {
		synctest.Test(t, func(t *testing.T) {
			g := newGate(t)
			event := make(g).event(t)
			g.Store.Reset()
			before := runtime.NumGoroutine()
			_, _ = g.a.Invoke(g.Ctx, event)
			calls, goroutines := g.Store.Calls(), runtime.NumGoroutine()
			require.NotEmpty(t, calls, name)
			require.LessOrEqual(t, goroutines, before, name)
			time.Sleep(time.Hour) // the bubble's clock: whatever were pending would run now
			synctest.Wait()
			require.Equal(t, calls, g.Store.Calls(), name)
		})
	}
}

// hanging is a store whose write of a use answers only when it is given up on.
type hanging struct{ verify.Store }

func (hanging) Use(ctx context.Context, _ verify.Use) error {
	<-ctx.Done()
	return ctx.Err()
}

func TestInvoke_AStoreThatHangsIsGivenUpAfterTwoSeconds_P4(t *testing.T) {
	synctest.Test(t, func(t *testing.T) {
		g := newGate(t)
		g.a.Verifier = g.Environment(silent{g.Store})
		r := of("GET /me", key(t, g))
		before := time.Now() // the bubble's clock
		g.unavailable(r)
		require.Equal(t, 2*time.Second, time.Since(before))
	})
}

// silent is a store that answers nothing.
type silent struct{ verify.Store }

func (silent) Credential(ctx context.Context, _ string) (*verify.Credential, error) {
	<-ctx.Done()
	return nil, ctx.Err()
}

func TestInvoke_EveryVerdictIsReportedOnceWithItsClass_P4(t *testing.T) {
	g := newGate(t)
	a := g.Account("Recorder", g.Company)
	k := g.Issue(a.ID, "k")
	old := k.Secret
	k = g.Regenerate(k.View.Key.ID)
	for _, c := range []struct {
		r      request
		class  verify.Class
		status verify.Status
	}{
		{of("GET /me", k.Secret), verify.Allow, verify.StatusActive},
		{with(headers{}), verify.Malformed, verify.StatusMalformed},
		{of("GET /me", token.Mint(token.ServiceAccountKey, "00000000000000000000", g.Rand)), verify.Unknown, verify.StatusUnknown},
		{of("GET /me", g.Wrong(k.Secret)), verify.Wrong, verify.StatusUnknown},
		{of("GET /me", old), verify.Unusable, verify.StatusRetired},
		{of("GET /nodes", k.Secret), verify.Forbidden, verify.StatusActive},
	} {
		before := len(g.reports)
		_, _ = g.ask(c.r)
		require.Len(t, g.reports, before+1)
		got := g.last()
		require.Equal(t, c.class, got.Class)
		require.Equal(t, c.status, got.Status)
		require.Equal(t, c.r.route, got.Route)
		require.Equal(t, rekeytest.Home, got.SourceIP)
		require.Equal(t, "req-1", got.RequestID)
		if c.class != verify.Malformed && c.class != verify.Unknown {
			require.Equal(t, string(k.View.Key.ID), got.KeyID)
			require.Equal(t, string(a.ID), got.Principal)
			require.Equal(t, string(g.Company.Company), got.Company)
		}
	}
}
