package grant_test

import (
	"testing"

	"github.com/rekey-dev/rekey/pkg/audit"
	"github.com/rekey-dev/rekey/pkg/call"
	"github.com/rekey-dev/rekey/pkg/fault"
	"github.com/rekey-dev/rekey/pkg/grant"
	"github.com/rekey-dev/rekey/pkg/id"
	"github.com/rekey-dev/rekey/pkg/rekeytest"
	"github.com/rekey-dev/rekey/pkg/role"
	"github.com/rekey-dev/rekey/pkg/serviceaccount"
	"github.com/rekey-dev/rekey/pkg/token"
)

func reader(w *rekeytest.World) id.Role {
	w.T.Helper()
	r, err := w.Roles.Create(w.Ctx, w.As(w.Owner), grant.New{Node: w.Below.Node(), Name: "Reader", Permissions: []string{"keys:read"}})
	if err != nil {
		w.T.Errorf("a role: %v", err)
		w.T.FailNow()
	}
	return r.ID
}

var posts = []rekeytest.Operation{
	{Name: "create", Record: audit.RoleCreated, Prepare: func(w *rekeytest.World) rekeytest.Use {
		return func(c call.Call) (any, token.Secret, error) {
			r, err := w.Roles.Create(w.Ctx, c, grant.New{Node: w.Below.Node(), Name: "Reader", Permissions: []string{"keys:read"}})
			return r, token.Secret{}, err
		}
	}},
	{Name: "give", Record: audit.ServiceAccountCreated, Prepare: func(w *rekeytest.World) rekeytest.Use {
		r := reader(w)
		return func(c call.Call) (any, token.Secret, error) {
			v, err := w.Accounts.Create(w.Ctx, c, serviceaccount.New{Name: "Recorder", Company: w.Company.Company, RoleID: r})
			return v, token.Secret{}, err
		}
	}},
}

var unkeyed = []rekeytest.Operation{
	{Name: "patch", Record: audit.RoleUpdated, Unkeyed: true, Prepare: func(w *rekeytest.World) rekeytest.Use {
		r, name := reader(w), "Lister"
		return func(c call.Call) (any, token.Secret, error) {
			out, err := w.Roles.Patch(w.Ctx, c, r, grant.Patch{Name: &name, Permissions: &[]string{"keys:issue"}, AssignableTo: &[]role.Assignee{role.Employee}})
			return out, token.Secret{}, err
		}
	}},
	{Name: "delete", Record: audit.RoleDeleted, Unkeyed: true, Again: []fault.Kind{fault.NotFound}, Prepare: func(w *rekeytest.World) rekeytest.Use {
		r := reader(w)
		return func(c call.Call) (any, token.Secret, error) {
			return nil, token.Secret{}, w.Roles.Delete(w.Ctx, c, r)
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
