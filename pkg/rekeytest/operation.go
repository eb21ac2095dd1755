package rekeytest

import (
	"errors"
	"slices"
	"sync"
	"testing"

	"github.com/stretchr/testify/require"

	"github.com/rekey-dev/rekey/pkg/audit"
	"github.com/rekey-dev/rekey/pkg/call"
	"github.com/rekey-dev/rekey/pkg/fault"
	"github.com/rekey-dev/rekey/pkg/idempotency"
	"github.com/rekey-dev/rekey/pkg/memstore"
	"github.com/rekey-dev/rekey/pkg/token"
	"github.com/rekey-dev/rekey/pkg/verify"
)

// Use is a use case that is ready to be called: it returns its result and the secret that it shows, if any.
type Use func(c call.Call) (any, token.Secret, error)

// Operation is a use case that changes something, as a test goes through it.
type Operation struct {
	Name string
	// Prepare makes what the use case wants, on a new world.
	Prepare func(w *World) Use
	// Record is the action, or the change, that the use case records, once. Records is how many records it leaves in all,
	// 1 when it is 0.
	Record  string
	Records int
	// Shows tells that a secret is shown, which a request is then allowed with.
	Shows bool
	// Unkeyed tells that the call takes no Idempotency-Key. Repeated it may then answer with one of Again.
	Unkeyed bool
	Again   []fault.Kind
}

// attempt is one run of an operation on a world of its own.
type attempt struct {
	*World
	op     Operation
	use    Use
	before int
}

func (o Operation) start(t *testing.T) *attempt {
	a := &attempt{World: New(t), op: o}
	a.use = o.Prepare(a.World)
	a.Store.Reset()
	a.before = len(a.Mem.Events())
	return a
}

func (a *attempt) post() (Answer, error) {
	if a.op.Unkeyed {
		_, secret, err := a.use(a.As(a.Owner))
		return Answer{Secret: secret}, err
	}
	return a.Post(a.As(a.Owner), "/of/"+a.op.Name, "the key", "the payload", a.use)
}

// EveryFault fails every call of the operation's to the store: before, after and instead of its effect. A failed call is
// answered as unavailable and without a secret; repeated, the operation has had exactly one effect, one record, and one
// secret; not repeated, it has had its whole effect or none.
func (o Operation) EveryFault(t *testing.T) {
	t.Run(o.Name, func(t *testing.T) {
		clean := o.start(t)
		_, err := clean.post()
		require.NoError(t, err)
		clean.settled(t, "without a fault", 0)
		calls := clean.Store.Calls()
		require.Contains(t, calls, "Commit")
		for n := range calls {
			for _, mode := range memstore.Modes {
				what := calls[n] + " failed " + mode.String()
				abandoned := o.start(t)
				abandoned.Store.Fail(n+1, mode)
				_, err := abandoned.post()
				abandoned.failed(t, what, err)
				abandoned.Store.Settle()
				require.LessOrEqual(t, len(abandoned.Records(o.Record)), 1, what)

				a := o.start(t)
				a.Store.Fail(n+1, mode)
				first, err := a.post()
				a.failed(t, what, err)
				again, err := a.post()
				repeats := 0
				if err != nil {
					require.True(t, o.Unkeyed && slices.Contains(o.Again, fault.KindOf(err)), "%s, then %v", what, err)
				} else if again.Repeated && o.Shows {
					repeats++
				}
				if o.Shows {
					require.False(t, again.Secret.IsZero(), what)
					require.True(t, first.Secret.IsZero() || first.Secret == again.Secret, "%s: two secrets", what)
					third, err := a.post()
					require.NoError(t, err)
					require.Equal(t, again.Secret.Reveal(), third.Secret.Reveal(), what)
					repeats++
					a.Allowed(again.Secret, Home)
				}
				a.settled(t, what, repeats)
			}
		}
	})
}

func (a *attempt) failed(t *testing.T, what string, err error) {
	t.Helper()
	if err != nil {
		require.True(t, fault.Is(err, fault.Unavailable), "%s: %v", what, err)
	}
}

// settled requires one effect on record, and one record for each time that its secret was shown again.
func (a *attempt) settled(t *testing.T, what string, repeats int) {
	t.Helper()
	require.Len(t, a.Records(a.op.Record), 1, what)
	require.Len(t, a.Records(audit.SecretRepeated), repeats, what)
	made := 0
	for _, e := range a.Mem.Events() {
		if e.Action != audit.KeyFirstUsed && e.Action != audit.SecretRepeated && e.Outcome == audit.OK {
			made++
		}
	}
	require.Equal(t, max(1, a.op.Records), made-a.before, what)
}

// Simultaneous sends the call twice at once, in the one order in which both find no record of the other, and then eight
// times from as many goroutines: there is one effect, and one answer.
func (o Operation) Simultaneous(t *testing.T) {
	t.Run(o.Name, func(t *testing.T) {
		a := o.start(t)
		var other Answer
		a.Store.Hook = func(_ int, method string) {
			if method != "Commit" {
				return
			}
			a.Store.Hook = nil
			var err error
			other, err = a.post()
			require.NoError(t, err)
		}
		mine, err := a.post()
		require.NoError(t, err)
		require.Nil(t, a.Store.Hook)
		require.True(t, mine.Repeated)
		require.True(t, other.Body == mine.Body, "two answers")
		require.Equal(t, other.Secret.Reveal(), mine.Secret.Reveal())
		require.Len(t, a.Records(o.Record), 1)

		a = o.start(t)
		c := a.As(a.Owner)
		answers, errs := make([]Answer, 8), make([]error, 8)
		var all sync.WaitGroup
		for i := range answers {
			all.Go(func() { answers[i], errs[i] = a.Post(c, "/of/"+o.Name, "the key", "the payload", a.use) })
		}
		all.Wait()
		for i := range answers {
			require.NoError(t, errs[i])
			require.True(t, answers[0].Body == answers[i].Body, "two answers")
			require.Equal(t, answers[0].Secret.Reveal(), answers[i].Secret.Reveal())
		}
		require.Len(t, a.Records(o.Record), 1)
	})
}

// Repeats sends the call again with the same key and another payload, and with the same key as another caller.
func (o Operation) Repeats(t *testing.T) {
	t.Run(o.Name, func(t *testing.T) {
		a := o.start(t)
		first, err := a.post()
		require.NoError(t, err)
		second, err := a.post()
		require.NoError(t, err)
		require.True(t, second.Repeated)
		require.True(t, first.Body == second.Body, "two answers")
		require.Equal(t, first.Secret.Reveal(), second.Secret.Reveal())
		require.NotContains(t, first.Body, "rka_", "a kept answer holds no secret")

		_, err = a.Post(a.As(a.Owner), "/of/"+o.Name, "the key", "another payload", a.use)
		require.True(t, fault.Is(err, fault.IdempotencyMismatch), "%v", err)
		require.Len(t, a.Records(o.Record), 1)

		_, err = a.Post(a.As(a.Viewer), "/of/"+o.Name, "the key", "the payload", a.use)
		require.True(t, fault.Is(err, fault.MissingPermission), "a repeat is authorized as the call itself is: %v", err)
		var replay *idempotency.Replay
		require.False(t, errors.As(err, &replay))
	})
}

// Wins requires that a secret is allowed, without using it.
func (w *World) Wins(s token.Secret) {
	w.T.Helper()
	require.Equal(w.T, verify.Allow, w.Verify(s, Home).Class)
}

// Loses is the opposite of Wins.
func (w *World) Loses(s token.Secret) {
	w.T.Helper()
	require.NotEqual(w.T, verify.Allow, w.Verify(s, Home).Class)
}
