package verify_test

import (
	"context"
	"errors"
	"slices"
	"testing"
	"testing/synctest"
	"time"

	"github.com/stretchr/testify/require"

	"github.com/rekey-dev/rekey/pkg/audit"
	"github.com/rekey-dev/rekey/pkg/fault"
	"github.com/rekey-dev/rekey/pkg/memstore"
	"github.com/rekey-dev/rekey/pkg/permission"
	"github.com/rekey-dev/rekey/pkg/rekeytest"
	"github.com/rekey-dev/rekey/pkg/token"
	"github.com/rekey-dev/rekey/pkg/verify"
)

// flow is one kind of request. made prepares a world, and returns the secret and the source of the request.
type flow struct {
	name string
	made func(t *testing.T, w *rekeytest.World) (token.Secret, string)
	want verify.Class
}

var flows = []flow{
	{"allowed, cold", func(_ *testing.T, w *rekeytest.World) (token.Secret, string) {
		return w.Issue(w.Account("Recorder", w.Company).ID, "k").Secret, rekeytest.Home
	}, verify.Allow},
	{"allowed, warm, first of a minute", func(_ *testing.T, w *rekeytest.World) (token.Secret, string) {
		k := w.Issue(w.Account("Recorder", w.Company).ID, "k")
		w.Allowed(k.Secret, rekeytest.Home)
		w.Advance(time.Minute)
		return k.Secret, rekeytest.Home
	}, verify.Allow},
	{"allowed, with a stale role hint", func(t *testing.T, w *rekeytest.World) (token.Secret, string) {
		a := w.Account("Recorder", w.Company)
		k := w.Issue(a.ID, "k")
		w.Allowed(k.Secret, rekeytest.Home)
		setRole(t, w, a.ID, w.CustomRole("role_Custom00000000000000", permission.KeysRead).ID)
		return k.Secret, rekeytest.Home
	}, verify.Allow},
	{"allowed under a lock, trusted", func(_ *testing.T, w *rekeytest.World) (token.Secret, string) {
		k := w.Issue(w.Account("Recorder", w.Company).ID, "k")
		w.Allowed(k.Secret, rekeytest.Home)
		w.Guess(k.Secret, rekeytest.Away, 10)
		return k.Secret, rekeytest.Home
	}, verify.Allow},
	{"allowed, token", func(_ *testing.T, w *rekeytest.World) (token.Secret, string) {
		return w.Viewer.Secret, rekeytest.Home
	}, verify.Allow},
	{"wrong", func(_ *testing.T, w *rekeytest.World) (token.Secret, string) {
		return w.Wrong(w.Issue(w.Account("Recorder", w.Company).ID, "k").Secret), rekeytest.Away
	}, verify.Wrong},
	{"wrong, the one that locks", func(_ *testing.T, w *rekeytest.World) (token.Secret, string) {
		k := w.Issue(w.Account("Recorder", w.Company).ID, "k")
		w.Guess(k.Secret, rekeytest.Away, 9)
		return w.Wrong(k.Secret), rekeytest.Away
	}, verify.Wrong},
	{"right under a lock, a stranger's", func(t *testing.T, w *rekeytest.World) (token.Secret, string) {
		_, k := locked(t, w)
		return k.Secret, rekeytest.Elsewhere
	}, verify.Unusable},
	{"retired", func(_ *testing.T, w *rekeytest.World) (token.Secret, string) {
		k := w.Issue(w.Account("Recorder", w.Company).ID, "k")
		w.Regenerate(k.View.Key.ID)
		return k.Secret, rekeytest.Home
	}, verify.Unusable},
	{"revoked", func(t *testing.T, w *rekeytest.World) (token.Secret, string) {
		k := w.Issue(w.Account("Recorder", w.Company).ID, "k")
		_, err := w.Keys.Revoke(w.Ctx, w.As(w.Owner), k.View.Key.ID, "", "")
		require.NoError(t, err)
		return k.Secret, rekeytest.Home
	}, verify.Unusable},
	{"suspended", func(_ *testing.T, w *rekeytest.World) (token.Secret, string) {
		k := w.Issue(w.Account("Recorder", w.Company).ID, "k")
		w.Suspend(w.Company, true)
		return k.Secret, rekeytest.Home
	}, verify.Unusable},
	{"unknown", func(_ *testing.T, w *rekeytest.World) (token.Secret, string) {
		return token.Mint(token.ServiceAccountKey, "00000000000000000000", w.Rand), rekeytest.Home
	}, verify.Unknown},
}

// ignored tells whether the failure of a call leaves the verdict as it is: the minute's write with the read that belongs to
// it, a sighting, an announcement.
func ignored(calls []string, n int) bool {
	switch calls[n-1] {
	case "Use", "Sighting", "See", "Announce":
		return true
	case "Source":
		return slices.Contains(calls[n:], "Use") && !slices.Contains(calls[n:], "Retired")
	}
	return false
}

func TestVerify_AStoreThatFailsAtAnyCallIsNeitherAYesNorANo_P4(t *testing.T) {
	failed := 0
	for _, f := range flows {
		w := rekeytest.New(t)
		secret, from := f.made(t, w)
		var class verify.Class
		calls := w.Calls(func() { class = w.Request(secret, from).Class })
		require.Equal(t, f.want, class, f.name)
		for n := range len(calls) {
			for _, mode := range memstore.Modes {
				for _, cause := range []error{nil, errors.New("throttled"), context.DeadlineExceeded} {
					w := rekeytest.New(t)
					secret, from := f.made(t, w)
					w.Store.Reset()
					w.Store.Err = cause
					w.Store.Fail(n+1, mode)
					v, err := w.Verifier.Verify(w.Ctx, verify.Presented{Secret: secret}, w.Origin(from))
					if err == nil && v.Class == verify.Allow {
						w.Verifier.Used(w.Ctx, v, secret, w.Origin(from))
					}
					failed++
					what := f.name + ": " + calls[n] + " failed " + mode.String()
					if ignored(calls, n+1) {
						require.NoError(t, err, what)
						require.Equal(t, f.want, v.Class, what)
						require.Len(t, w.GaveUp, 1, what)
					} else {
						require.True(t, fault.Is(err, fault.Unavailable), what)
						require.Empty(t, w.GaveUp, what)
					}
					w.Store.Reset()
					w.Store.Err = nil
					if f.want == verify.Allow {
						w.Allowed(secret, from)
						w.Advance(time.Minute)
						w.Allowed(secret, from)
					}
				}
			}
		}
	}
	t.Logf("%d requests with a failing call", failed)
}

func TestVerify_AFailedCountIsNeverLessThanWhatWasAnswered_I2(t *testing.T) {
	for _, mode := range memstore.Modes {
		for n := 3; n <= 4; n++ { // Credential or Snapshot, Retired, Count, Count
			w := rekeytest.New(t)
			a := w.Account("Recorder", w.Company)
			k := w.Issue(a.ID, "k")
			w.Guess(k.Secret, rekeytest.Away, 1)
			answered := 1
			for range 30 {
				w.Store.Reset()
				w.Store.Fail(n, mode)
				_, err := w.Verifier.Verify(w.Ctx, verify.Presented{Secret: w.Wrong(k.Secret)}, w.Origin(rekeytest.Away))
				if err == nil {
					answered++
				}
				w.Store.Reset()
				require.GreaterOrEqual(t, w.ReadAccount(a.ID).Lock.Failures, min(answered, 10))
			}
		}
	}
}

func TestVerify_AMissingOrUnreachablePepperIsNeitherAYesNorANo_P4(t *testing.T) {
	w := rekeytest.New(t)
	a := w.Account("Recorder", w.Company)
	k := w.Issue(a.ID, "k")
	retired := k.Secret
	k = w.Regenerate(k.View.Key.ID)
	refused := func() {
		t.Helper()
		for _, s := range []token.Secret{k.Secret, retired, w.Wrong(k.Secret)} {
			v, err := w.Verifier.Verify(w.Ctx, verify.Presented{Secret: s}, w.Origin(rekeytest.Home))
			require.True(t, fault.Is(err, fault.Unavailable), "%v", v.Class)
		}
	}
	w.Peppers.Break(true)
	refused()
	w.Peppers.Break(false)
	w.Allowed(k.Secret, rekeytest.Home)
	w.Peppers.Rotate()
	w.Peppers.Remove("v1")
	refused()
	require.Zero(t, w.ReadAccount(a.ID).Lock.Failures)
}

// slow is a store that answers nothing until it is given up on.
type slow struct {
	verify.Store
	method string
}

func (s slow) wait(ctx context.Context, method string) error {
	if method != s.method {
		return nil
	}
	<-ctx.Done()
	return ctx.Err()
}

func (s slow) Use(ctx context.Context, u verify.Use) error {
	if err := s.wait(ctx, "Use"); err != nil {
		return err
	}
	return s.Store.Use(ctx, u)
}

func (s slow) Snapshot(ctx context.Context, cred string, names verify.Names) (verify.Snapshot, error) {
	if err := s.wait(ctx, "Snapshot"); err != nil {
		return verify.Snapshot{}, err
	}
	return s.Store.Snapshot(ctx, cred, names)
}

func TestUsed_AStoreThatHangsHoldsARequestFor100ms_D3(t *testing.T) {
	synctest.Test(t, func(t *testing.T) {
		w := rekeytest.New(t)
		k := w.Issue(w.Account("Recorder", w.Company).ID, "k")
		w.Verifier = w.Environment(slow{w.Store, "Use"})
		var why error
		w.Verifier.Failed = func(_ string, err error) { why = err }
		before := time.Now() // the bubble's clock
		w.Allowed(k.Secret, rekeytest.Home)
		require.Equal(t, 100*time.Millisecond, time.Since(before))
		require.ErrorIs(t, why, context.DeadlineExceeded)
	})
}

func TestVerify_AnswersAreUnavailableWhenTheCallersTimeIsOver_P4(t *testing.T) {
	synctest.Test(t, func(t *testing.T) {
		w := rekeytest.New(t)
		k := w.Issue(w.Account("Recorder", w.Company).ID, "k")
		env := w.Environment(slow{w.Store, "Snapshot"})
		ctx, cancel := context.WithTimeout(w.Ctx, time.Second)
		defer cancel()
		_, err := env.Verify(ctx, verify.Presented{Secret: k.Secret}, w.Origin(rekeytest.Home))
		require.True(t, fault.Is(err, fault.Unavailable))
	})
}

func TestDenied_OneRecordAMinuteCredentialAndRouteAndNoneIsLost_D11(t *testing.T) {
	w := rekeytest.New(t)
	c := w.Caller(w.Operator.Secret)
	denied := func(env *verify.Verifier, route string) error {
		return env.Denied(w.Ctx, audit.Event{At: w.Now(), Action: audit.UserUpdated, Actor: c.Actor(), Place: c.Place,
			Outcome: audit.Denied, Target: audit.Target{Type: "node", ID: string(w.Root.Node())}}, route)
	}
	w.Store.Reset()
	w.Store.Fail(1, memstore.Instead)
	require.True(t, fault.Is(denied(w.Verifier, "POST /a"), fault.Unavailable))
	require.NoError(t, denied(w.Verifier, "POST /a"))
	require.Len(t, w.Records(audit.UserUpdated), 1, "a refusal is not answered before it is on record")
	for range 5 {
		require.NoError(t, denied(w.Verifier, "POST /a"))
		require.NoError(t, denied(w.Environment(w.Store), "POST /a"))
	}
	require.Len(t, w.Records(audit.UserUpdated), 1)
	require.NoError(t, denied(w.Verifier, "POST /b"))
	w.Advance(time.Minute)
	require.NoError(t, denied(w.Verifier, "POST /a"))
	require.Len(t, w.Records(audit.UserUpdated), 3)
}
