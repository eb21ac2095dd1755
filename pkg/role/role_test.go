package role_test

import (
	"slices"
	"strings"
	"testing"

	"github.com/stretchr/testify/require"

	"github.com/rekey-dev/rekey/pkg/id"
	"github.com/rekey-dev/rekey/pkg/permission"
	"github.com/rekey-dev/rekey/pkg/role"
)

func builtIn(t *testing.T, r id.Role) role.Role {
	t.Helper()
	found, ok := role.Described(r)
	require.True(t, ok)
	return found
}

func TestBuiltIns_HaveTheirNamesIDs_S2(t *testing.T) {
	var names []string
	for _, r := range role.BuiltIns() {
		names = append(names, r.Name)
		word := "Builtin" + strings.ToUpper(r.Name[:1]) + r.Name[1:]
		require.Equal(t, id.Role("role_"+word+strings.Repeat("0", 20-len(word))), r.ID)
		_, ok := id.Parse[id.Role](string(r.ID))
		require.True(t, ok)
		require.True(t, role.IsBuiltIn(r.ID))
		require.True(t, r.BuiltIn)
		require.NotEmpty(t, r.Description)
		require.Empty(t, r.NodeID)
		require.Len(t, r.AssignableTo, 1)
		require.Equal(t, r, builtIn(t, r.ID))
	}
	require.Equal(t, []string{"admin", "automation", "integration", "operator", "owner", "viewer"}, names)
}

func TestBuiltIns_LeastPrivilegeReadsItsOwnAccountAndNothingElse_S2(t *testing.T) {
	r := builtIn(t, role.Integration)
	require.Equal(t, permission.Of("service_accounts:read", "keys:read", "*:read", "*:execute"), r.Permissions)
	require.Equal(t, r.Permissions.WithoutWildcards(), r.OwnAccount)
	require.True(t, r.AssignableToKind(role.ServiceAccount))
	require.False(t, r.AssignableToKind(role.Employee))
}

func TestBuiltIns_AutomationRunsRotationsAndReadsItsOwn_S2(t *testing.T) {
	r := builtIn(t, role.Automation)
	require.Equal(t, permission.Of("service_accounts:read", "keys:read", "companies:read", "rotations:manage", "apps:manage",
		"keys:rotate_self", "keys:verify", "*:read", "*:execute"), r.Permissions)
	require.Equal(t, permission.Of("service_accounts:read", "keys:read"), r.OwnAccount)
}

func TestBuiltIns_AServiceAccountsRoleHasOnlyWhatAMachineMayHold_W2(t *testing.T) {
	for _, r := range role.BuiltIns() {
		if r.AssignableToKind(role.ServiceAccount) {
			require.True(t, r.Permissions.Without(permission.Machine).IsEmpty(), r.Name)
		}
		require.True(t, r.OwnAccount.Without(r.Permissions).IsEmpty(), r.Name)
	}
}

func TestBuiltIns_HoldProtectedScopesByTheirKind_S2(t *testing.T) {
	all := permission.Kinds[:]
	for which, kinds := range map[id.Role][]permission.Kind{role.Owner: all, role.Admin: all, role.Operator: {permission.Read},
		role.Viewer: {permission.Read}, role.Integration: {permission.Read, permission.Execute}, role.Automation: {permission.Read, permission.Execute}} {
		for _, k := range all {
			require.Equal(t, slices.Contains(kinds, k), builtIn(t, which).Permissions.Allows("recordings:any", k), "%s %s", which, k)
		}
	}
}

func TestBuiltIns_OnlyOwnersAndAdminsIssueOrRevokeKeys_D11(t *testing.T) {
	keys := permission.Of(permission.KeysIssue, permission.KeysRevoke, permission.KeysUnlock, permission.ServiceAccountsRotate,
		permission.ServiceAccountsCreate, permission.ServiceAccountsUpdate, permission.ServiceAccountsDelete)
	for _, r := range role.BuiltIns() {
		if r.ID == role.Owner || r.ID == role.Admin {
			require.Equal(t, permission.All, r.Permissions)
			continue
		}
		require.True(t, r.Permissions.And(keys).IsEmpty(), r.Name)
	}
}

func TestBuiltIns_OperatorReadsAllAndManagesApps_D11(t *testing.T) {
	r := builtIn(t, role.Operator)
	for _, e := range permission.Catalogue() {
		reads := strings.HasSuffix(string(e.ID), ":read")
		require.Equal(t, reads || e.ID == permission.AppsManage, r.Permissions.Has(e.ID), e.ID)
	}
}

func TestBuiltIns_ViewerReadsAllButTheAuditLog_S2(t *testing.T) {
	r := builtIn(t, role.Viewer)
	for _, e := range permission.Catalogue() {
		reads := strings.HasSuffix(string(e.ID), ":read")
		require.Equal(t, reads && e.ID != permission.AuditRead, r.Permissions.Has(e.ID), e.ID)
	}
}

func TestBuiltIn_IsNoOtherRole_S2(t *testing.T) {
	for _, r := range []id.Role{"", "role_00000000000000000001", "role_BuiltinOwner0000000", "role_builtinOwner00000000", "role_BuiltinNobody000000"} {
		_, ok := role.BuiltIn(r)
		require.False(t, ok, r)
	}
	require.True(t, role.IsBuiltIn("role_BuiltinNobody000000"), "the whole range is reserved")
	require.False(t, role.IsBuiltIn("role_00000000000000000001"))
}
