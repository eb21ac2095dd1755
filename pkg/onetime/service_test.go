package onetime_test

import (
	"sync"
	"testing"
	"time"

	"github.com/stretchr/testify/require"

	"github.com/rekey-dev/rekey/pkg/employee"
	"github.com/rekey-dev/rekey/pkg/fault"
	"github.com/rekey-dev/rekey/pkg/id"
	"github.com/rekey-dev/rekey/pkg/memstore"
	"github.com/rekey-dev/rekey/pkg/onetime"
	"github.com/rekey-dev/rekey/pkg/rekeytest"
	"github.com/rekey-dev/rekey/pkg/token"
)

type codes struct {
	*rekeytest.World
	*onetime.Service
}

func newCodes(t *testing.T) codes {
	w := rekeytest.New(t)
	return codes{w, &onetime.Service{Store: w.Store, Mint: w.Mint, Now: w.Now, Rand: w.Rand}}
}

// make puts a code for the owner.
func (c codes) make(t *testing.T, purpose onetime.Purpose) onetime.Minted {
	made, err := c.Service.New(t.Context(), c.Owner.Employee.ID, purpose, id.New[id.Operation](c.World.Rand), nil)
	require.NoError(t, err)
	c.Note(made.Secret)
	c.Commit(c.Happened("code", string(made.Code.ID), c.Root, 1), onetime.Create{Code: made.Code})
	return made
}

// wrong is a well-formed secret with the same ID.
func wrong(c codes, of onetime.Minted) token.Secret {
	return token.Mint(token.OneTimeCode, id.Body(of.Code.ID), c.World.Rand)
}

func refused(t *testing.T, c codes, s token.Secret) {
	t.Helper()
	_, err := c.Check(t.Context(), s)
	var f *fault.Error
	require.ErrorAs(t, err, &f)
	require.Equal(t, fault.New(fault.Unauthorized, fault.NotProven), f, "every refusal is the same one")
}

func TestCheck_AcceptsTheRightSecretAndTakesNoTryForIt_F7(t *testing.T) {
	c := newCodes(t)
	made := c.make(t, onetime.Invitation)
	for range 3 * onetime.MaxTries {
		got, err := c.Check(t.Context(), made.Secret)
		require.NoError(t, err)
		require.Equal(t, made.Code, got)
	}
	require.Equal(t, rekeytest.Start.Add(72*time.Hour), made.Code.ExpiresAt)
	require.Equal(t, rekeytest.Start.Add(10*time.Minute), c.make(t, onetime.Passkey).Code.ExpiresAt)
}

func TestCheck_IsDeadAfterFiveWrongTries_W3(t *testing.T) {
	c := newCodes(t)
	made := c.make(t, onetime.Invitation)
	for range onetime.MaxTries - 1 {
		refused(t, c, wrong(c, made))
	}
	_, err := c.Check(t.Context(), made.Secret)
	require.NoError(t, err)
	refused(t, c, wrong(c, made))
	refused(t, c, made.Secret)
}

func TestCheck_HasFiveTriesAlsoForThoseAtTheSameMoment_W3(t *testing.T) {
	c := newCodes(t)
	made := c.make(t, onetime.Invitation)
	guesses := make([]token.Secret, 40)
	for i := range guesses {
		guesses[i] = wrong(c, made)
	}
	c.World.Store.Reset()
	var all sync.WaitGroup
	for _, guess := range guesses {
		all.Go(func() { _, err := c.Check(t.Context(), guess); require.True(t, fault.Is(err, fault.Unauthorized)) })
	}
	all.Wait()
	refused(t, c, made.Secret)
}

func TestCheck_RefusesEverythingElseInTheSameWords_W3(t *testing.T) {
	c := newCodes(t)
	made := c.make(t, onetime.Invitation)
	for _, s := range []token.Secret{{}, token.SecretOf("nonsense"), c.Owner.Secret,
		token.Mint(token.OneTimeCode, id.Body(id.New[id.Invitation](c.World.Rand)), c.World.Rand)} {
		refused(t, c, s)
	}
	spent := c.make(t, onetime.Enrolment)
	c.Commit(c.Happened("code", string(spent.Code.ID), c.Root, 2), onetime.Spend{Code: spent.Code, At: c.Clock.Now()})
	refused(t, c, spent.Secret)
	c.Advance(72 * time.Hour)
	refused(t, c, made.Secret)
}

func TestCheck_OfAStoreThatIsDownIsUnavailableAndNoRefusal_W3(t *testing.T) {
	c := newCodes(t)
	made := c.make(t, onetime.Invitation)
	for n := 1; n <= 2; n++ {
		c.World.Store.Fail(n, memstore.Instead)
		_, err := c.Check(t.Context(), made.Secret)
		require.True(t, fault.Is(err, fault.Unavailable), "%v", err)
		c.World.Store.Reset()
	}
	_, err := c.Check(t.Context(), made.Secret)
	require.NoError(t, err)
}

func TestIsCurrent_HoldsForTheCodeThatTheEmployeeNames_W3(t *testing.T) {
	code := onetime.Code{ID: "inv_1", Employee: "emp_1", Purpose: onetime.Invitation}
	invited := employee.Employee{ID: "emp_1", Status: employee.Invited, Code: "inv_1"}
	active := employee.Employee{ID: "emp_1", Status: employee.Active, Code: "inv_1"}
	other := invited
	other.Code = "inv_2"
	stranger := invited
	stranger.ID = "emp_2"
	require.True(t, code.IsCurrent(invited))
	for _, e := range []employee.Employee{active, other, stranger} {
		require.False(t, code.IsCurrent(e))
	}
	code.Purpose = onetime.Enrolment
	require.True(t, code.IsCurrent(active))
	require.False(t, code.IsCurrent(invited))
	code.Purpose = onetime.Passkey
	active.Code = ""
	require.True(t, code.IsCurrent(active))
	require.False(t, code.IsCurrent(invited))
	code.Purpose = "other"
	require.False(t, code.IsCurrent(active))
}
