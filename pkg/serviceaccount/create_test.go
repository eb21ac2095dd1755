package serviceaccount_test

import (
	"strings"
	"testing"
	"time"

	"github.com/stretchr/testify/require"

	"github.com/rekey-dev/rekey/pkg/audit"
	"github.com/rekey-dev/rekey/pkg/fault"
	"github.com/rekey-dev/rekey/pkg/id"
	"github.com/rekey-dev/rekey/pkg/permission"
	"github.com/rekey-dev/rekey/pkg/rekeytest"
	"github.com/rekey-dev/rekey/pkg/role"
	"github.com/rekey-dev/rekey/pkg/serviceaccount"
)

func create(w *rekeytest.World, by *rekeytest.Person, in serviceaccount.New) func() error {
	return func() error {
		_, err := w.Accounts.Create(w.Ctx, w.As(by), in)
		return err
	}
}

func TestCreate_AnAccountHasANameADescriptionAndARole_S1_S2_W7(t *testing.T) {
	w := rekeytest.New(t)
	in := serviceaccount.New{Name: "Recording exporter", Description: "Owned by team blue.\nPager: blue@example.com", Node: w.Below.Node(),
		RoleID: role.Automation, Contacts: []string{"blue@example.com"}, ExternalID: "CMDB 4711", Tags: []string{"env:prod"}}
	v, err := w.Accounts.Create(w.Ctx, w.As(w.Admin), in)
	require.NoError(t, err)
	a := v.Account
	require.Equal(t, serviceaccount.Account{ID: a.ID, Place: w.Below, Name: in.Name, Description: in.Description, RoleID: role.Automation,
		Status: serviceaccount.Active, Contacts: in.Contacts, ExternalID: in.ExternalID, Tags: in.Tags,
		CreatedBy: string(w.Admin.Employee.ID), CreatedByName: "Admin Person", CreatedAt: w.Now(), UpdatedAt: w.Now(), Version: 1,
		EventSeq: 1, IssueEpoch: 1}, a)
	require.Equal(t, a, w.ReadAccount(a.ID))
	e := w.Record(audit.ServiceAccountCreated)
	require.Equal(t, audit.Target{Type: "service_account", ID: string(a.ID), Name: in.Name}, e.Target)
	require.Equal(t, w.Below, e.Place)
	require.Equal(t, int64(1), e.Seq)
	require.Equal(t, string(w.Admin.Employee.ID), e.Actor.ID)
}

func TestCreate_TheLeastPrivilegeRoleIsTheDefault_S2(t *testing.T) {
	w := rekeytest.New(t)
	v, err := w.Accounts.Create(w.Ctx, w.As(w.Owner), serviceaccount.New{Name: "Recorder", Company: w.Company.Company})
	require.NoError(t, err)
	require.Equal(t, role.Integration, v.Account.RoleID)
	require.Equal(t, w.Company, v.Account.Place)
	require.Equal(t, "keys:read service_accounts:read", w.Issue(v.Account.ID, "k").View.Key.Scopes.Text())
}

func TestCreate_BadTextsAreRefusedWithTheirPointers_S1(t *testing.T) {
	w := rekeytest.New(t)
	many := make([]string, 11)
	for i := range many {
		many[i] = strings.Repeat("a", i+1)
	}
	f := refused(t, w, fault.Invalid, 0, create(w, w.Owner, serviceaccount.New{Name: "a\x00", Description: strings.Repeat("x", 501),
		Node: w.Root.Node(), ExternalID: strings.Repeat("x", 101), Contacts: []string{"blue@example.com", "nobody"},
		Tags: []string{"ok", "NOT", "ok", ""}}))
	require.ElementsMatch(t, []string{"/name", "/description", "/external_id", "/contacts/1", "/tags/1", "/tags/2", "/tags/3"}, pointers(f))
	f = refused(t, w, fault.Invalid, 0, create(w, w.Owner, serviceaccount.New{Name: "ok", Node: w.Root.Node(), Tags: many}))
	require.Equal(t, []string{"/tags"}, pointers(f))
	for pointer, in := range map[string]serviceaccount.New{
		"/node_id":    {Name: "ok"},
		"/company_id": {Name: "ok", Node: w.Root.Node(), Company: w.Company.Company},
	} {
		require.Equal(t, []string{pointer}, pointers(refused(t, w, fault.Invalid, 0, create(w, w.Owner, in))))
	}
}

func TestCreate_NamesAreUniqueAmongSiblings_S1(t *testing.T) {
	w := rekeytest.New(t)
	w.Account("Straße", w.Company)
	refused(t, w, fault.Conflict, 0, create(w, w.Owner, serviceaccount.New{Name: "STRASSE", Company: w.Company.Company}))
	w.Account("Straße", w.Below)
	w.Account("Straße", w.Stranger)
}

func TestCreate_AMachineNeverHoldsWhatItMayNot_W2(t *testing.T) {
	w := rekeytest.New(t)
	for _, r := range []id.Role{role.Owner, role.Admin, role.Operator, role.Viewer, "role_Nothing0000000000000", "nonsense"} {
		f := refused(t, w, fault.Invalid, 0, create(w, w.Owner, serviceaccount.New{Name: "n", Node: w.Root.Node(), RoleID: r}))
		require.Equal(t, []string{"/role_id"}, pointers(f), r)
	}
	for _, p := range permission.All.Without(permission.Machine).List() {
		r := w.CustomRole("role_Custom00000000000000", permission.KeysRead, p)
		f := refused(t, w, fault.Invalid, 0, create(w, w.Owner, serviceaccount.New{Name: "n", Node: w.Root.Node(), RoleID: r.ID}))
		require.Equal(t, []string{"/role_id"}, pointers(f), p)
		require.Contains(t, f.Fields[0].Detail, string(p))
		require.NotContains(t, f.Fields[0].Detail, "keys:read")
	}
	r := w.CustomRole("role_Custom00000000000000", permission.KeysRead)
	r.AssignableTo = []role.Assignee{role.Employee}
	w.Mem.PutRole(r)
	refused(t, w, fault.Invalid, 0, create(w, w.Owner, serviceaccount.New{Name: "n", Node: w.Root.Node(), RoleID: r.ID}))
}

func TestCreate_ACustomRoleReachesDownFromItsNodeOnly_S2(t *testing.T) {
	w := rekeytest.New(t)
	r := w.CustomRole("role_Custom00000000000000", permission.KeysRead)
	r.NodeID = w.Below.Node()
	w.Mem.PutRole(r)
	for _, at := range []serviceaccount.New{{Node: w.Root.Node()}, {Node: w.Sibling.Node()}, {Company: w.Stranger.Company}} {
		at.Name, at.RoleID = "n", r.ID
		f := refused(t, w, fault.Invalid, 0, create(w, w.Owner, at))
		require.Equal(t, []string{"/role_id"}, pointers(f))
	}
	w.AccountWith("n", w.Below, r.ID)
	w.AccountWith("n", w.Company, r.ID)
}

func TestCreate_NobodyAssignsWhatTheyDoNotHold_D11(t *testing.T) {
	w := rekeytest.New(t)
	_, narrow := w.PAT(w.Admin, permission.Of(permission.ServiceAccountsCreate, permission.ServiceAccountsUpdate, permission.KeysRead, permission.ServiceAccountsRead))
	f := refused(t, w, fault.NotGrantable, 1, func() error {
		_, err := w.Accounts.Create(w.Ctx, w.With(narrow), serviceaccount.New{Name: "n", Node: w.Root.Node(), RoleID: role.Automation})
		return err
	})
	require.Contains(t, f.Detail, "keys:rotate_self")
	v, err := w.Accounts.Create(w.Ctx, w.With(narrow), serviceaccount.New{Name: "n", Node: w.Root.Node()})
	require.NoError(t, err)
	w.Advance(time.Minute)
	to := role.Automation
	refused(t, w, fault.NotGrantable, 1, func() error {
		_, err := w.Accounts.Patch(w.Ctx, w.With(narrow), v.Account.ID, serviceaccount.Patch{RoleID: &to})
		return err
	})
	require.Equal(t, role.Integration, w.ReadAccount(v.Account.ID).RoleID)
}

func TestCreate_ARefusalIsOnRecordAtThePlace_D11(t *testing.T) {
	w := rekeytest.New(t)
	f := refused(t, w, fault.MissingPermission, 1, create(w, w.Operator, serviceaccount.New{Name: "n", Company: w.Company.Company}))
	require.Equal(t, "service_accounts:create", f.MissingPermission)
	e := w.Record(audit.ServiceAccountCreated)
	require.Equal(t, audit.Denied, e.Outcome)
	require.Equal(t, audit.Target{Type: "company", ID: w.Company.ID()}, e.Target)
	require.Equal(t, w.Company, e.Place)
	w.Account("n", w.Company)
}

func TestCreate_AnotherTenantsPlaceIsNotThereAsOneThatNeverWas_D11(t *testing.T) {
	w := rekeytest.New(t)
	neverNode := refused(t, w, fault.NotFound, 0, create(w, w.BelowAdmin, serviceaccount.New{Name: "n", Node: id.New[id.Node](w.Rand)}))
	neverCompany := refused(t, w, fault.NotFound, 0, create(w, w.BelowAdmin, serviceaccount.New{Name: "n", Company: id.New[id.Company](w.Rand)}))
	for _, n := range []id.Node{w.Root.Node(), w.Sibling.Node()} {
		require.Equal(t, neverNode, refused(t, w, fault.NotFound, 0, create(w, w.BelowAdmin, serviceaccount.New{Name: "n", Node: n})))
	}
	for _, suspended := range []bool{false, true} {
		w.Suspend(w.Stranger, suspended)
		got := refused(t, w, fault.NotFound, 0, create(w, w.BelowAdmin, serviceaccount.New{Name: "n", Company: w.Stranger.Company}))
		require.Equal(t, neverCompany, got, "suspended: %v", suspended)
	}
	refused(t, w, fault.CompanySuspended, 0, create(w, w.Owner, serviceaccount.New{Name: "n", Company: w.Stranger.Company}))
	w.Suspend(w.Stranger, false)
	w.Account("n", w.Stranger)
}

func TestCreate_OfTwoAtOnceWithOneNameOneIsMade_S1(t *testing.T) {
	w := rekeytest.New(t)
	w.Store.Hook = func(_ int, method string) {
		if method == "Commit" {
			w.Store.Hook = nil
			w.Account("recorder", w.Company)
		}
	}
	_, err := w.Accounts.Create(w.Ctx, w.As(w.Owner), serviceaccount.New{Name: "Recorder", Company: w.Company.Company})
	require.True(t, fault.Is(err, fault.Conflict), "%v", err)
	w.Record(audit.ServiceAccountCreated)
}
