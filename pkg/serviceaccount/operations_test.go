package serviceaccount_test

import (
	"testing"

	"github.com/stretchr/testify/require"

	"github.com/rekey-dev/rekey/pkg/audit"
	"github.com/rekey-dev/rekey/pkg/call"
	"github.com/rekey-dev/rekey/pkg/fault"
	"github.com/rekey-dev/rekey/pkg/id"
	"github.com/rekey-dev/rekey/pkg/rekeytest"
	"github.com/rekey-dev/rekey/pkg/role"
	"github.com/rekey-dev/rekey/pkg/serviceaccount"
	"github.com/rekey-dev/rekey/pkg/token"
)

// refused requires a fault of a kind that nothing came of but so many records of denials.
func refused(t *testing.T, w *rekeytest.World, kind fault.Kind, denials int, call func() error) *fault.Error {
	t.Helper()
	before := w.Mem.Events()
	err := call()
	require.True(t, fault.Is(err, kind), "%v", err)
	require.Len(t, w.Mem.Events(), len(before)+denials)
	var f *fault.Error
	require.ErrorAs(t, err, &f)
	return f
}

// pointers are where a fault's fields point.
func pointers(f *fault.Error) []string {
	var out []string
	for _, field := range f.Fields {
		out = append(out, field.Pointer)
	}
	return out
}

func view(v serviceaccount.View, err error) (any, token.Secret, error) { return v, token.Secret{}, err }

// busy makes an account with two keys.
func busy(w *rekeytest.World) id.ServiceAccount {
	w.T.Helper()
	a := w.Account("Recorder", w.Company)
	w.Issue(a.ID, "one")
	w.Issue(a.ID, "two")
	return a.ID
}

var posts = []rekeytest.Operation{
	{Name: "create", Record: audit.ServiceAccountCreated, Prepare: func(w *rekeytest.World) rekeytest.Use {
		return func(c call.Call) (any, token.Secret, error) {
			return view(w.Accounts.Create(w.Ctx, c, serviceaccount.New{Name: "Recorder", Company: w.Company.Company}))
		}
	}},
	{Name: "revoke", Record: audit.ServiceAccountRevoked, Prepare: func(w *rekeytest.World) rekeytest.Use {
		a := busy(w)
		return func(c call.Call) (any, token.Secret, error) { return view(w.Accounts.Revoke(w.Ctx, c, a, "left")) }
	}},
	{Name: "unlock", Record: audit.Unlocked, Prepare: func(w *rekeytest.World) rekeytest.Use {
		a := w.Account("Recorder", w.Company)
		w.Guess(w.Issue(a.ID, "k").Secret, rekeytest.Away, 10)
		return func(c call.Call) (any, token.Secret, error) { return view(w.Accounts.Unlock(w.Ctx, c, a.ID)) }
	}},
}

var unkeyed = []rekeytest.Operation{
	{Name: "patch", Record: audit.ServiceAccountUpdated, Unkeyed: true, Prepare: func(w *rekeytest.World) rekeytest.Use {
		a, name, r := busy(w), "Exporter", role.Integration
		return func(c call.Call) (any, token.Secret, error) {
			return view(w.Accounts.Patch(w.Ctx, c, a, serviceaccount.Patch{Name: &name, RoleID: &r}))
		}
	}},
	{Name: "delete", Record: audit.ServiceAccountDeleted, Unkeyed: true, Again: []fault.Kind{fault.NotFound},
		Prepare: func(w *rekeytest.World) rekeytest.Use {
			a := w.Account("Recorder", w.Company).ID
			return func(c call.Call) (any, token.Secret, error) {
				return nil, token.Secret{}, w.Accounts.Delete(w.Ctx, c, a)
			}
		}},
}

func TestOperations_AFaultAtAnyCallOfTheStoreEndsInOneEffectAndOneRecord_B6(t *testing.T) {
	for _, o := range append(posts, unkeyed...) {
		o.EveryFault(t)
	}
}

func TestOperations_SimultaneousRepeatsHaveOneEffectAndOneAnswer_B6(t *testing.T) {
	for _, o := range posts {
		o.Simultaneous(t)
	}
}

func TestOperations_ARepeatIsTheSameCallAndAnotherPayloadIsNot_B6(t *testing.T) {
	for _, o := range posts {
		o.Repeats(t)
	}
}
