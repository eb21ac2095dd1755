package protectedapi_test

import (
	"testing"

	"github.com/stretchr/testify/require"

	"github.com/rekey-dev/rekey/pkg/audit"
	"github.com/rekey-dev/rekey/pkg/call"
	"github.com/rekey-dev/rekey/pkg/fault"
	"github.com/rekey-dev/rekey/pkg/permission"
	"github.com/rekey-dev/rekey/pkg/protectedapi"
	"github.com/rekey-dev/rekey/pkg/rekeytest"
	"github.com/rekey-dev/rekey/pkg/token"
)

var posts = []rekeytest.Operation{
	{Name: "register", Record: audit.ProtectedAPICreated, Prepare: func(w *rekeytest.World) rekeytest.Use {
		return func(c call.Call) (any, token.Secret, error) {
			a, err := w.APIs.Register(w.Ctx, c, rekeytest.Recordings(w.Below))
			return a, token.Secret{}, err
		}
	}},
}

var unkeyed = []rekeytest.Operation{
	{Name: "patch", Record: audit.ProtectedAPIUpdated, Unkeyed: true, Prepare: func(w *rekeytest.World) rekeytest.Use {
		a, stage := w.Register(rekeytest.Recordings(w.Below)), "v2"
		scopes := append(a.Scopes, protectedapi.Scope{Name: "recordings:play", Kind: permission.Read})
		return func(c call.Call) (any, token.Secret, error) {
			out, err := w.APIs.Patch(w.Ctx, c, a.ID, protectedapi.Patch{Stage: &stage, Scopes: &scopes})
			return out, token.Secret{}, err
		}
	}},
	{Name: "delete", Record: audit.ProtectedAPIDeleted, Unkeyed: true, Again: []fault.Kind{fault.NotFound}, Prepare: func(w *rekeytest.World) rekeytest.Use {
		a := w.Register(rekeytest.Recordings(w.Below))
		return func(c call.Call) (any, token.Secret, error) {
			return nil, token.Secret{}, w.APIs.Delete(w.Ctx, c, a.ID)
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

// A guard says per route what its scope's kind is, and reads back as the routes.
func TestGuard_HoldsTheRoutesWithTheirScopesAndKinds_B12(t *testing.T) {
	w := rekeytest.New(t)
	a := w.Register(rekeytest.Recordings(w.Below))
	g := a.Guard()
	require.Equal(t, a.Routes, protectedapi.RoutesOf(g.Routes))
	require.Contains(t, g.Routes, "DELETE /recordings/{id}\trecordings:delete\tdelete\n")
	require.Contains(t, g.Routes, "ANY /recordings/{id}/export\trecordings:export\texecute\n")
	require.Equal(t, a.Place, g.Place)
	require.Empty(t, protectedapi.API{}.Guard().Routes)
	require.Empty(t, protectedapi.RoutesOf(""))
}
