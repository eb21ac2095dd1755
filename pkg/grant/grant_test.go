package grant_test

import (
	"fmt"
	"testing"

	"github.com/stretchr/testify/require"

	"github.com/rekey-dev/rekey/pkg/fault"
	"github.com/rekey-dev/rekey/pkg/grant"
	"github.com/rekey-dev/rekey/pkg/id"
	"github.com/rekey-dev/rekey/pkg/permission"
	"github.com/rekey-dev/rekey/pkg/rekeytest"
	"github.com/rekey-dev/rekey/pkg/role"
	"github.com/rekey-dev/rekey/pkg/serviceaccount"
)

// made makes a role of the root.
func made(t *testing.T, w *rekeytest.World, name string, permissions ...string) role.Custom {
	t.Helper()
	r, err := w.Roles.Create(w.Ctx, w.As(w.Owner), grant.New{Node: w.Root.Node(), Name: name, Permissions: permissions})
	require.NoError(t, err)
	return r
}

// before runs what somebody else does just before the next commit.
func before(w *rekeytest.World, do func()) {
	w.Store.Hook = func(_ int, method string) {
		if method == "Commit" {
			w.Store.Hook = nil
			do()
		}
	}
}

func newAccount(w *rekeytest.World, r id.Role) (serviceaccount.Account, error) {
	v, err := w.Accounts.Create(w.Ctx, w.As(w.Owner), serviceaccount.New{Name: "Recorder", Company: w.Company.Company, RoleID: r})
	return v.Account, err
}

func TestDelete_ARoleThatIsGivenMeanwhileStays_W2(t *testing.T) {
	w := rekeytest.New(t)
	r := made(t, w, "Reader", "keys:read")
	before(w, func() {
		_, err := newAccount(w, r.ID)
		require.NoError(t, err)
	})
	err := w.Roles.Delete(w.Ctx, w.As(w.Owner), r.ID)
	require.True(t, fault.Is(err, fault.InUse), "%v", err)
	_, err = w.Roles.Get(w.Ctx, w.As(w.Owner), r.ID)
	require.NoError(t, err)
}

func TestAssign_ARoleThatIsDeletedMeanwhileIsNone_W2(t *testing.T) {
	w := rekeytest.New(t)
	r := made(t, w, "Reader", "keys:read")
	before(w, func() { require.NoError(t, w.Roles.Delete(w.Ctx, w.As(w.Owner), r.ID)) })
	_, err := newAccount(w, r.ID)
	require.Equal(t, fault.InvalidField("/role_id", "is no role"), err)

	// The same for an account that is there, and named anew in one go.
	r = made(t, w, "Reader", "keys:read")
	a := w.Account("Exporter", w.Company)
	name := "Bridge"
	before(w, func() { require.NoError(t, w.Roles.Delete(w.Ctx, w.As(w.Owner), r.ID)) })
	_, err = w.Accounts.Patch(w.Ctx, w.As(w.Owner), a.ID, serviceaccount.Patch{Name: &name, RoleID: &r.ID})
	require.Equal(t, fault.InvalidField("/role_id", "is no role"), err)
	require.Equal(t, a, w.ReadAccount(a.ID))
}

func TestAssign_ARoleThatIsChangedMeanwhileIsJudgedAnew_W2(t *testing.T) {
	w := rekeytest.New(t)
	_, narrow := w.PAT(w.Admin, permission.Of(permission.ServiceAccountsCreate, permission.KeysRead))
	employees := []role.Assignee{role.Employee}
	for what, change := range map[string]grant.Patch{
		"not_grantable": {Permissions: &[]string{"keys:read", "audit:read"}},
		"invalid":       {Permissions: &[]string{"keys:issue"}, AssignableTo: &employees},
	} {
		r := made(t, w, what, "keys:read")
		before(w, func() {
			_, err := w.Roles.Patch(w.Ctx, w.As(w.Owner), r.ID, change)
			require.NoError(t, err)
		})
		_, err := w.Accounts.Create(w.Ctx, w.With(narrow), serviceaccount.New{Name: what, Node: w.Root.Node(), RoleID: r.ID})
		require.Equal(t, what, string(fault.KindOf(err)), "%v", err)
	}
	require.Empty(t, accounts(w))
}

func TestPatch_ARoleThatIsGivenMeanwhileKeepsItsKind_W2(t *testing.T) {
	w := rekeytest.New(t)
	r := made(t, w, "Reader", "keys:read")
	before(w, func() {
		_, err := newAccount(w, r.ID)
		require.NoError(t, err)
	})
	name := "Manager"
	_, err := w.Roles.Patch(w.Ctx, w.As(w.Owner), r.ID, grant.Patch{Name: &name, Permissions: &[]string{"keys:issue"}, AssignableTo: &[]role.Assignee{role.Employee}})
	require.True(t, fault.Is(err, fault.InUse), "%v", err)
	got, err := w.Roles.Get(w.Ctx, w.As(w.Owner), r.ID)
	require.NoError(t, err)
	require.Equal(t, r, got)
}

func TestPatch_OfTwoAtOnceBothTakeEffect_W2(t *testing.T) {
	w := rekeytest.New(t)
	r := made(t, w, "Reader", "keys:read")
	text, name := "for exporters", "Exporter"
	before(w, func() {
		_, err := w.Roles.Patch(w.Ctx, w.As(w.Owner), r.ID, grant.Patch{Description: &text})
		require.NoError(t, err)
	})
	got, err := w.Roles.Patch(w.Ctx, w.As(w.Owner), r.ID, grant.Patch{Name: &name})
	require.NoError(t, err)
	require.Equal(t, []any{name, text, int64(3)}, []any{got.Name, got.Description, got.Version})

	other := made(t, w, "Lister")
	before(w, func() { made(t, w, "Taken") })
	taken := "taken"
	_, err = w.Roles.Patch(w.Ctx, w.As(w.Owner), other.ID, grant.Patch{Name: &taken})
	require.True(t, fault.Is(err, fault.Conflict), "%v", err)
}

func TestCreate_OfTwoAtOnceWithOneNameOneIsMade_W2(t *testing.T) {
	w := rekeytest.New(t)
	before(w, func() { made(t, w, "reader") })
	_, err := w.Roles.Create(w.Ctx, w.As(w.Owner), grant.New{Node: w.Root.Node(), Name: "Reader"})
	require.True(t, fault.Is(err, fault.Conflict), "%v", err)
	n := w.Node("West", w.Root)
	before(w, func() { require.NoError(t, w.Tree.Delete(w.Ctx, w.As(w.Owner), n.Node())) })
	_, err = w.Roles.Create(w.Ctx, w.As(w.Owner), grant.New{Node: n.Node(), Name: "Reader"})
	require.True(t, fault.Is(err, fault.NotFound), "%v", err)
}

func TestAssign_TellsKindsApart_W2(t *testing.T) {
	w := rekeytest.New(t)
	owner := w.Caller(w.Owner.Secret)
	for _, c := range []struct {
		r    id.Role
		to   role.Assignee
		want string
	}{
		{role.Viewer, role.Employee, ""},
		{role.Viewer, role.ServiceAccount, "is a role that cannot be given to a service account"},
		{role.Integration, role.Employee, "is a role that cannot be given to an employee"},
		{"role_BuiltinNobody0000000", role.Employee, "is no role"},
		{"nonsense", role.Employee, "is no role"},
	} {
		writes, err := grant.Assign(w.Ctx, w.Store, owner, c.r, c.to, w.Root)
		require.Empty(t, writes, "a built-in role cannot change")
		if c.want == "" {
			require.NoError(t, err)
			continue
		}
		require.Equal(t, fault.InvalidField("/role_id", c.want), err)
	}
	// Even a role that no use case would make.
	r := w.CustomRole("role_Custom00000000000000", permission.KeysIssue)
	_, err := grant.Assign(w.Ctx, w.Store, owner, r.ID, role.ServiceAccount, w.Root)
	require.ErrorContains(t, err, "keys:issue")
	_, err = grant.Assign(w.Ctx, w.Store, owner, r.ID, role.Employee, w.Root)
	require.NoError(t, err)
}

func accounts(w *rekeytest.World) (out []serviceaccount.View) {
	w.T.Helper()
	page, err := w.Accounts.List(w.Ctx, w.As(w.Owner), whole, serviceaccount.Filter{}, "", 100)
	require.NoError(w.T, err)
	return page.Accounts
}

func TestList_CostsAQueryForTheCallersNodeAndOneForEachAbove_W2(t *testing.T) {
	w := rekeytest.New(t)
	for i := range 30 {
		made(t, w, fmt.Sprintf("role %02d", i), "keys:read")
	}
	for what, c := range map[string]struct {
		caller  *rekeytest.Person
		filter  grant.Filter
		queries int
	}{
		"at the root":              {w.Owner, grant.Filter{}, 1},
		"below":                    {w.BelowAdmin, grant.Filter{}, 2},
		"in a company below":       {w.CompanyAdmin, grant.Filter{}, 2},
		"of a node":                {w.Owner, grant.Filter{Node: w.Root.Node()}, 1},
		"of what machines can get": {w.BelowAdmin, grant.Filter{Assignable: role.ServiceAccount}, 2},
	} {
		as := w.As(c.caller)
		w.Store.Reset()
		pages, found := 0, 0
		for after := ""; pages == 0 || after != ""; pages++ {
			roles, next, err := w.Roles.List(w.Ctx, as, c.filter, after, 10)
			require.NoError(t, err)
			after, found = next, found+len(roles)
		}
		calls := map[string]int{}
		for _, method := range w.Store.Calls() {
			calls[method]++
		}
		require.GreaterOrEqual(t, found, 30, what)
		require.LessOrEqual(t, pages, 4, what)
		require.Equal(t, pages*c.queries, calls["List"], what)
		require.LessOrEqual(t, calls["Roles"], pages, what)
	}
}
