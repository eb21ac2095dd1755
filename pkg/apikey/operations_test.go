package apikey_test

import (
	"testing"

	"github.com/stretchr/testify/require"

	"github.com/rekey-dev/rekey/pkg/apikey"
	"github.com/rekey-dev/rekey/pkg/audit"
	"github.com/rekey-dev/rekey/pkg/call"
	"github.com/rekey-dev/rekey/pkg/id"
	"github.com/rekey-dev/rekey/pkg/listing"
	"github.com/rekey-dev/rekey/pkg/permission"
	"github.com/rekey-dev/rekey/pkg/rekeytest"
	"github.com/rekey-dev/rekey/pkg/token"
)

// everywhere is the list of the caller's own place.
var everywhere listing.Where

func issueUse(w *rekeytest.World, a id.ServiceAccount, in apikey.Issue) rekeytest.Use {
	return func(c call.Call) (any, token.Secret, error) {
		out, err := w.Keys.Issue(w.Ctx, c, a, in)
		return out, out.Secret, err
	}
}

func regenerateUse(w *rekeytest.World, k id.Key) rekeytest.Use {
	return func(c call.Call) (any, token.Secret, error) {
		out, err := w.Keys.Regenerate(w.Ctx, c, k, apikey.Expiry{}, false)
		return out, out.Secret, err
	}
}

func rotateUse(w *rekeytest.World, a id.ServiceAccount, in apikey.Rotate) rekeytest.Use {
	return func(c call.Call) (any, token.Secret, error) {
		out, err := w.Keys.Rotate(w.Ctx, c, a, in)
		return out, out.Secret, err
	}
}

// onKey makes an operation on a key that is there.
func onKey(change func(w *rekeytest.World, c call.Call, k id.Key) (apikey.View, error)) func(w *rekeytest.World) rekeytest.Use {
	return func(w *rekeytest.World) rekeytest.Use {
		k := w.Issue(w.Account("Recorder", w.Company).ID, "k").View.Key.ID
		return func(c call.Call) (any, token.Secret, error) {
			v, err := change(w, c, k)
			return v, token.Secret{}, err
		}
	}
}

var posts = []rekeytest.Operation{
	{Name: "issue", Record: audit.KeyIssued, Shows: true, Prepare: func(w *rekeytest.World) rekeytest.Use {
		return issueUse(w, w.Account("Recorder", w.Company).ID, apikey.Issue{Name: "k"})
	}},
	{Name: "issue with a custom role", Record: audit.KeyIssued, Shows: true, Prepare: func(w *rekeytest.World) rekeytest.Use {
		r := w.CustomRole("role_Custom00000000000000", permission.KeysRead)
		return issueUse(w, w.AccountWith("Recorder", w.Root, r.ID).ID, apikey.Issue{Name: "k"})
	}},
	{Name: "regenerate", Record: audit.KeyRegenerated, Shows: true, Prepare: func(w *rekeytest.World) rekeytest.Use {
		return regenerateUse(w, w.Issue(w.Account("Recorder", w.Company).ID, "k").View.Key.ID)
	}},
	{Name: "rotate one", Record: audit.KeyRegenerated, Shows: true, Prepare: func(w *rekeytest.World) rekeytest.Use {
		a := w.Account("Recorder", w.Company)
		w.Issue(a.ID, "k")
		return rotateUse(w, a.ID, apikey.Rotate{})
	}},
	{Name: "rotate all", Record: audit.ServiceAccountRotated, Records: 2, Shows: true, Prepare: func(w *rekeytest.World) rekeytest.Use {
		a := w.Account("Recorder", w.Company)
		for range 3 {
			w.Issue(a.ID, "k")
		}
		return rotateUse(w, a.ID, apikey.Rotate{All: true})
	}},
	{Name: "revoke", Record: audit.KeyRevoked, Prepare: onKey(func(w *rekeytest.World, c call.Call, k id.Key) (apikey.View, error) {
		return w.Keys.Revoke(w.Ctx, c, k, apikey.ReasonCompromise, "seen in a log")
	})},
	{Name: "deactivate", Record: audit.KeyDeactivated, Prepare: onKey(func(w *rekeytest.World, c call.Call, k id.Key) (apikey.View, error) {
		return w.Keys.Deactivate(w.Ctx, c, k)
	})},
	{Name: "activate", Record: audit.KeyActivated, Prepare: func(w *rekeytest.World) rekeytest.Use {
		k := w.Issue(w.Account("Recorder", w.Company).ID, "k").View.Key.ID
		_, err := w.Keys.Deactivate(w.Ctx, w.As(w.Owner), k)
		require.NoError(w.T, err)
		return func(c call.Call) (any, token.Secret, error) {
			v, err := w.Keys.Activate(w.Ctx, c, k)
			return v, token.Secret{}, err
		}
	}},
}

var patch = rekeytest.Operation{Name: "patch", Record: audit.KeyUpdated, Unkeyed: true,
	Prepare: onKey(func(w *rekeytest.World, c call.Call, k id.Key) (apikey.View, error) {
		name := "renamed"
		return w.Keys.Patch(w.Ctx, c, k, apikey.Patch{Name: &name})
	})}

func TestOperations_AFaultAtAnyCallOfTheStoreEndsInOneEffectOneRecordAndOneSecret_B6_D2(t *testing.T) {
	for _, o := range append(posts, patch) {
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
