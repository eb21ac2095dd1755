package tenancy_test

import (
	"sync"
	"testing"

	"github.com/stretchr/testify/require"

	"github.com/rekey-dev/rekey/pkg/apikey"
	"github.com/rekey-dev/rekey/pkg/fault"
	"github.com/rekey-dev/rekey/pkg/id"
	"github.com/rekey-dev/rekey/pkg/place"
	"github.com/rekey-dev/rekey/pkg/rekeytest"
	"github.com/rekey-dev/rekey/pkg/rotation"
	"github.com/rekey-dev/rekey/pkg/verify"
)

// empty ends an account and deletes its company, as somebody who closes it does.
func empty(w *rekeytest.World, at place.Place, a id.ServiceAccount) error {
	if _, err := w.Accounts.Revoke(w.Ctx, w.As(w.Owner), a, ""); err != nil {
		return err
	}
	return remove(w, at)
}

// beforeCall does something before the first call of a method of the store, once.
func beforeCall(w *rekeytest.World, method string, meanwhile func()) {
	w.Store.Hook = func(_ int, called string) {
		if called == method {
			w.Store.Hook = nil
			meanwhile()
		}
	}
}

func TestDelete_BeforeAKeyIsCommittedThereIsNone_W5(t *testing.T) {
	for _, method := range []string{"Account", "Company", "Contents", "Commit"} {
		w := rekeytest.New(t)
		at := create(w, "Initech", "tiny")
		a := w.Account("Recorder", at)
		k := w.Issue(a.ID, "k")
		beforeCall(w, method, func() { require.NoError(t, empty(w, at, a.ID)) })
		err := issue(w, a.ID)
		require.Nil(t, w.Store.Hook, "%s is called", method)
		require.True(t, fault.Is(err, fault.Ended), "before %s: %v", method, err)
		w.Loses(k.Secret)
		ids, _, err := w.Mem.AccountKeys(w.Ctx, a.ID, "", 10)
		require.NoError(t, err)
		require.Equal(t, []id.Key{k.View.Key.ID}, ids, "no key was made")
	}

	// Likewise the successor of a key, and the one that replaces all.
	for what, do := range map[string]func(*rekeytest.World, id.ServiceAccount, id.Key) error{
		"rotate": func(w *rekeytest.World, _ id.ServiceAccount, k id.Key) error {
			_, err := w.Rotations.Rotate(w.Ctx, w.As(w.Owner), k, rotation.Start{Mode: rotation.Overlap})
			return err
		},
		"rotate all": func(w *rekeytest.World, a id.ServiceAccount, _ id.Key) error {
			_, err := w.Keys.Rotate(w.Ctx, w.As(w.Owner), a, apikey.Rotate{All: true})
			return err
		},
	} {
		w := rekeytest.New(t)
		at := create(w, "Initech", "large")
		a := w.Account("Recorder", at)
		k := w.Issue(a.ID, "k")
		before(w, func() { require.NoError(t, empty(w, at, a.ID)) })
		require.True(t, fault.Is(do(w, a.ID, k.View.Key.ID), fault.Ended), what)
		w.Loses(k.Secret)
	}
}

func TestDelete_AKeyThatIsIssuedMeanwhileIsInTheWay_W5(t *testing.T) {
	w := rekeytest.New(t)
	at := create(w, "Initech", "large")
	var k apikey.Shown
	before(w, func() { k = w.Issue(w.Account("Recorder", at).ID, "k") })
	require.True(t, fault.Is(remove(w, at), fault.InUse))
	w.Wins(k.Secret)
}

// Of keys that are issued while their company is closed each is refused, or ends with its account: none lives in a company that is
// not there.
func TestDelete_WhileKeysAreIssuedNoneOutlivesTheCompany_W5(t *testing.T) {
	for round := range 20 {
		w := rekeytest.New(t)
		at := create(w, "Initech", "large")
		a := w.Account("Recorder", at)
		c := w.As(w.Owner)
		var all sync.WaitGroup
		shown, errs := make([]apikey.Shown, 4), make([]error, 4)
		for i := range shown {
			all.Go(func() { shown[i], errs[i] = w.Keys.Issue(w.Ctx, c, a.ID, apikey.Issue{Name: "k"}) })
		}
		var closed error
		all.Go(func() { closed = empty(w, at, a.ID) })
		all.Wait()
		require.NoError(t, closed, "round %d", round)
		for i, err := range errs {
			w.Note(shown[i].Secret)
			if err == nil {
				require.Equal(t, verify.Unusable, w.Verify(shown[i].Secret, rekeytest.Home).Class, "round %d", round)
				continue
			}
			require.True(t, fault.Is(err, fault.Ended), "round %d: %v", round, err)
		}
	}
}
