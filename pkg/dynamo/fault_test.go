package dynamo_test

import (
	"context"
	"errors"
	"fmt"
	"testing"
	"time"

	"github.com/stretchr/testify/require"

	"github.com/rekey-dev/rekey/pkg/accesstoken"
	"github.com/rekey-dev/rekey/pkg/apikey"
	"github.com/rekey-dev/rekey/pkg/audit"
	"github.com/rekey-dev/rekey/pkg/change"
	"github.com/rekey-dev/rekey/pkg/dynamo/dynamofault"
	"github.com/rekey-dev/rekey/pkg/fault"
	"github.com/rekey-dev/rekey/pkg/id"
	"github.com/rekey-dev/rekey/pkg/idempotency"
	"github.com/rekey-dev/rekey/pkg/lock"
	"github.com/rekey-dev/rekey/pkg/serviceaccount"
	"github.com/rekey-dev/rekey/pkg/usage"
	"github.com/rekey-dev/rekey/pkg/verify"
)

// attempt is one operation on objects of its own.
type attempt struct {
	do func(context.Context) error
	// effects tells of each part of the effect whether it is there: all or none must be.
	effects []func() bool
	// again tells whether it is safe to do again, and then ends with the effect.
	again bool
}

// operations make every kind of write that a store does.
var operations = map[string]func(w *tenant) attempt{
	"Commit creates an account": func(w *tenant) attempt {
		a := newAccount(w.company, string(w.account.ID)+" two")
		set := setOf(record("service_account", string(a.ID), 1, a.Place), serviceaccount.Create{Account: a})
		return attempt{again: true, do: committing(w, set), effects: []func() bool{w.recorded(set.Events[0]), func() bool {
			_, err := w.Account(w.t.Context(), a.ID)
			return there(w, err)
		}}}
	},
	"Commit issues a key, with an Idempotency-Key": func(w *tenant) attempt {
		k := w.newKey("another")
		set := setOf(record("key", string(k.ID), 1, k.Place), serviceaccount.Update{Old: w.account, KeysChanged: true, KeyCount: 1}, apikey.Create{Key: k})
		set.Idempotency = &idempotency.Record{Scope: "scope of " + string(k.ID), Fingerprint: "f", Operation: set.Operation, Status: 201,
			Body: []byte(`{}`), CreatedAt: now, ExpiresAt: now.Add(time.Hour)}
		do := committing(w, set)
		return attempt{again: true, do: func(ctx context.Context) error {
			err := do(ctx)
			var repeated *change.Repeated
			if errors.As(err, &repeated) && repeated.Winner.Operation == set.Operation {
				return nil // the winner is this very operation
			}
			return err
		}, effects: []func() bool{w.recorded(set.Events[0]), func() bool {
			_, err := w.Key(w.t.Context(), k.ID)
			return there(w, err)
		}, func() bool {
			r, err := w.Idempotency(w.t.Context(), set.Idempotency.Scope, now)
			require.NoError(w.t, err)
			return r != nil
		}, func() bool { return w.readAccount().KeyCount == 2 }}}
	},
	"Commit regenerates a key": func(w *tenant) attempt {
		n := w.key
		n.Generation, n.MAC, n.Version, n.EventSeq = 2, digest(), 2, 2
		set := setOf(record("key", string(n.ID), 2, n.Place), serviceaccount.Update{Old: w.account, KeysChanged: true, ClearLock: true}, apikey.Update{Old: w.key, New: n})
		return attempt{again: true, do: committing(w, set), effects: []func() bool{w.recorded(set.Events[0]), func() bool {
			return w.readKey().Generation == 2
		}, func() bool { return w.readAccount().Lock.Epoch == 1 }, func() bool {
			retired, err := w.Retired(w.t.Context(), string(n.ID), [][]byte{w.key.MAC})
			require.NoError(w.t, err)
			return retired
		}}}
	},
	"Commit revokes an account": func(w *tenant) attempt {
		n := w.account
		n.Status, n.Version, n.EventSeq = serviceaccount.Revoked, 2, 2
		set := setOf(record("service_account", string(n.ID), 2, n.Place), serviceaccount.Update{Old: w.account, New: &n, KeysChanged: true,
			EndKeys: &serviceaccount.Ended{At: now, By: "emp_1", Reason: apikey.ReasonCessation}})
		return attempt{again: true, do: committing(w, set), effects: []func() bool{w.recorded(set.Events[0]),
			func() bool { return w.readAccount().Status == serviceaccount.Revoked }, func() bool {
				ends, err := w.EpochEnds(w.t.Context(), n.ID)
				require.NoError(w.t, err)
				return len(ends) == 1
			}}}
	},
	"Commit revokes a token": func(w *tenant) attempt {
		t := w.token
		t.ID = draw[id.PAT]()
		w.commit(setOf(record("personal_access_token", string(t.ID), 1, t.Place), accesstoken.Create{Token: t}))
		set := setOf(record("personal_access_token", string(t.ID), 2, t.Place), accesstoken.Revoke{Old: t, At: now})
		return attempt{again: true, do: committing(w, set), effects: []func() bool{w.recorded(set.Events[0]), func() bool {
			got, err := w.Token(w.t.Context(), t.ID)
			require.NoError(w.t, err)
			return !got.RevokedAt.IsZero()
		}}}
	},
	"Remember": func(w *tenant) attempt {
		r := idempotency.Record{Scope: "scope of " + string(w.key.ID), Fingerprint: "f", Operation: draw[id.Operation](), Status: 200, Body: []byte(`{}`),
			CreatedAt: now, ExpiresAt: now.Add(time.Hour)}
		return attempt{again: true, do: func(ctx context.Context) error { return w.Remember(ctx, r) }, effects: []func() bool{func() bool {
			got, err := w.Idempotency(w.t.Context(), r.Scope, now)
			require.NoError(w.t, err)
			return got != nil
		}}}
	},
	"Use": func(w *tenant) attempt {
		u := w.use()
		return attempt{do: using(w, u), effects: []func() bool{func() bool { return !w.readKey().LastUsedAt.IsZero() }}}
	},
	"Use, with a record": func(w *tenant) attempt {
		u := w.use()
		e := record("key", string(w.key.ID), 2, w.key.Place)
		u.Event = &e
		return attempt{again: true, do: using(w, u), effects: []func() bool{w.recorded(e), func() bool { return !w.readKey().LastUsedAt.IsZero() },
			func() bool { return w.readKey().EventSeq == 2 }, func() bool {
				s, err := w.Source(w.t.Context(), u.Owner, u.Address)
				require.NoError(w.t, err)
				return !s.AuthenticatedAt.IsZero()
			}}}
	},
	"See, with a record": func(w *tenant) attempt {
		e := record("key", string(w.key.ID), 2, w.key.Place)
		next := apikey.Sighting{Source: "192.0.2.9", LastAt: now, Count: 1, RecordedAt: now}
		return attempt{again: true, do: func(ctx context.Context) error {
			return w.See(ctx, string(w.key.ID), apikey.Sighting{}, next, &e)
		}, effects: []func() bool{w.recorded(e), func() bool { return !w.readKey().RetiredSeenAt.IsZero() }, func() bool {
			s, err := w.Sighting(w.t.Context(), string(w.key.ID), next.Source)
			require.NoError(w.t, err)
			return s.Count == 1
		}}}
	},
	"Announce": func(w *tenant) attempt {
		var c lock.Counter
		for range lock.Default.Threshold {
			var err error
			c, err = w.Count(w.t.Context(), verify.Failure{Owner: string(w.account.ID), At: now, Policy: lock.Default})
			require.NoError(w.t, err)
		}
		e := record("service_account", string(w.account.ID), 2, w.account.Place)
		return attempt{again: true, do: func(ctx context.Context) error { return w.Announce(ctx, string(w.account.ID), c, e) },
			effects: []func() bool{w.recorded(e), func() bool { return w.readAccount().Lock.Announced },
				func() bool { return w.readAccount().EventSeq == 2 }}}
	},
	"Deny": func(w *tenant) attempt {
		e := record("key", string(w.key.ID), 0, w.key.Place)
		e.Outcome = audit.Denied
		return attempt{again: true, do: func(ctx context.Context) error { return w.Deny(ctx, e) }, effects: []func() bool{w.recorded(e)}}
	},
	"Count": func(w *tenant) attempt {
		return attempt{do: func(ctx context.Context) error {
			_, err := w.Count(ctx, verify.Failure{Owner: string(w.account.ID), At: now, Policy: lock.Default})
			return err
		}, effects: []func() bool{func() bool {
			n := w.readAccount().Lock.Failures
			require.LessOrEqual(w.t, n, 1, "one wrong secret counted twice")
			return n == 1
		}}}
	},
	"Tally":                               func(w *tenant) attempt { return w.tallying(0) },
	"Tally of what another counted later": func(w *tenant) attempt { return w.tallying(5) },
}

// tallying counts a request where so many later ones are counted.
func (w *tenant) tallying(later int64) attempt {
	r := usage.Row{Key: w.key.ID, Hour: usage.HourOf(now), Source: "192.0.2.7", API: usage.Own, Method: "GET", Route: "/keys",
		Verdict: usage.Accepted, Count: later, FirstAt: now, LastAt: now.Add(time.Second)}
	if later > 0 {
		require.NoError(w.t, w.Tally(w.t.Context(), r))
	}
	r.Count, r.LastAt = 1, now
	return attempt{do: func(ctx context.Context) error { return w.Tally(ctx, r) }, effects: []func() bool{func() bool {
		rows, _, err := w.Usage(w.t.Context(), r.Key, r.Hour, r.Hour.Add(time.Hour), "", 10)
		require.NoError(w.t, err)
		if later == 0 && len(rows) == 0 {
			return false
		}
		require.Len(w.t, rows, 1)
		require.LessOrEqual(w.t, rows[0].Count, later+1, "one request counted twice")
		return rows[0].Count == later+1
	}}}
}

func committing(w *tenant, s change.Set) func(context.Context) error {
	return func(ctx context.Context) error { return w.Commit(ctx, s) }
}

func using(w *tenant, u verify.Use) func(context.Context) error {
	return func(ctx context.Context) error { return w.Use(ctx, u) }
}

func (w *tenant) use() verify.Use {
	c, err := w.Credential(w.t.Context(), string(w.key.ID))
	require.NoError(w.t, err)
	return verify.Use{Credential: c, Owner: string(w.account.ID), At: now, Address: "192.0.2.7", UserAgent: "curl/8"}
}

func (w *tenant) recorded(e audit.Event) func() bool {
	return func() bool {
		_, err := w.AuditEvent(w.t.Context(), e.ID)
		return there(w, err)
	}
}

func there(w *tenant, err error) bool {
	if fault.Is(err, fault.NotFound) {
		return false
	}
	require.NoError(w.t, err)
	return true
}

func (w *tenant) readKey() apikey.Key {
	k, err := w.Key(w.t.Context(), w.key.ID)
	require.NoError(w.t, err)
	return k
}

func (w *tenant) readAccount() serviceaccount.Account {
	a, err := w.Account(w.t.Context(), w.account.ID)
	require.NoError(w.t, err)
	return a
}

// happened tells whether the effect is there, and fails the test when only a part of it is.
func (a attempt) happened(t *testing.T) bool {
	t.Helper()
	first := a.effects[0]()
	for i, effect := range a.effects {
		require.Equal(t, first, effect(), "part %d of the effect", i)
	}
	return first
}

func TestEveryWrite_EndsInOneOfTwoStatesWhateverFails(t *testing.T) {
	t.Parallel()
	for what, prepare := range operations {
		t.Run(what, func(t *testing.T) {
			t.Parallel()
			w := deploy(t).tenant(t)
			for _, f := range dynamofault.Faults {
				for kind, plan := range map[string]func(int, dynamofault.Fault) dynamofault.Plan{"only": dynamofault.Nth, "from": dynamofault.From} {
					reached := true
					for n := 1; reached; n++ {
						reached = w.breaks(t, fmt.Sprintf("%s %s call %d", f, kind, n), prepare, plan(n, f), f, n)
					}
				}
			}
		})
	}
}

// breaks does an operation under a plan that fails its n-th call, and tells whether it made that many.
func (w *tenant) breaks(t *testing.T, how string, prepare func(*tenant) attempt, plan dynamofault.Plan, f dynamofault.Fault, n int) bool {
	w.renew()
	a := prepare(w)
	require.False(t, a.happened(t), how)
	w.faults.Set(plan)
	err := a.do(t.Context())
	reached := len(w.faults.Calls()) >= n
	w.faults.Set(nil)
	happened := a.happened(t)
	if err == nil {
		require.True(t, happened, "%s: success without an effect", how)
		return reached
	}
	if f == dynamofault.Denied {
		require.Equal(t, fault.Internal, fault.KindOf(err), "%s: %v", how, err)
	} else {
		require.Equal(t, fault.Unavailable, fault.KindOf(err), "%s: %v", how, err)
	}
	require.NotErrorIs(t, err, change.ErrLost, how)
	if a.again {
		require.NoError(t, a.do(t.Context()), "%s: again after %v", how, err)
		require.True(t, a.happened(t), how)
	}
	return reached
}

// renew gives the tenant another account with a key.
func (w *tenant) renew() {
	w.account = newAccount(w.company, string(draw[id.Operation]()))
	w.commit(setOf(record("service_account", string(w.account.ID), 1, w.account.Place), serviceaccount.Create{Account: w.account}))
	w.key = w.issue("first")
}

func TestTransaction_IsTriedAgainWithTheSameTokenAndSucceeds(t *testing.T) {
	t.Parallel()
	for _, f := range []dynamofault.Fault{dynamofault.Before, dynamofault.After, dynamofault.Instead, dynamofault.Throttle, dynamofault.Conflict} {
		t.Run(string(f), func(t *testing.T) {
			t.Parallel()
			w := deploy(t).tenant(t)
			a := operations["Commit regenerates a key"](w)
			w.faults.Set(dynamofault.Nth(1, f))
			require.NoError(t, a.do(t.Context()))
			require.Len(t, w.faults.Calls(), 2)
			require.True(t, a.happened(t))
		})
	}
}

func TestSnapshot_AsksOnceMoreForUnprocessedKeysAndNeverCallsThemAbsent_P4(t *testing.T) {
	t.Parallel()
	w := deploy(t).tenant(t)
	w.faults.Set(dynamofault.Nth(1, dynamofault.Unprocessed))
	s, err := w.Snapshot(t.Context(), string(w.key.ID), w.names())
	require.NoError(t, err)
	require.NotNil(t, s.Credential)
	require.False(t, s.Suspended)
	require.Len(t, w.faults.Calls(), 2)

	w.faults.Set(dynamofault.From(1, dynamofault.Unprocessed))
	_, err = w.Snapshot(t.Context(), string(w.key.ID), w.names())
	require.True(t, fault.Is(err, fault.Unavailable), "%v", err)
	require.Len(t, w.faults.Calls(), 2)
	_, err = w.Retired(t.Context(), string(w.key.ID), [][]byte{digest(), digest()})
	require.True(t, fault.Is(err, fault.Unavailable), "%v", err)
}
