package authz_test

import (
	"testing"

	"github.com/stretchr/testify/require"
	"pgregory.net/rapid"

	"github.com/rekey-dev/rekey/pkg/audit"
	"github.com/rekey-dev/rekey/pkg/authz"
	"github.com/rekey-dev/rekey/pkg/fault"
	"github.com/rekey-dev/rekey/pkg/id"
	"github.com/rekey-dev/rekey/pkg/permission"
	"github.com/rekey-dev/rekey/pkg/place"
	"github.com/rekey-dev/rekey/pkg/role"
)

const (
	own   id.ServiceAccount = "sa_00000000000000000001"
	other id.ServiceAccount = "sa_00000000000000000002"
)

var (
	root      = place.Place{Path: "r"}
	west      = place.Place{Path: "r/w"}
	east      = place.Place{Path: "r/e"}
	inWest    = place.Place{Path: "r/w", Company: "c"}
	elsewhere = place.Place{Path: "x"}
)

// as is a caller with a built-in role at a place, whose credential carries the scopes.
func as(t *testing.T, r id.Role, at place.Place, scopes permission.Set) authz.Caller {
	t.Helper()
	b, ok := role.BuiltIn(r)
	require.True(t, ok)
	c := authz.Caller{Type: audit.Employee, ID: "emp_00000000000000000001", RoleID: r, Place: at, Role: b.Permissions,
		Effective: b.Permissions.And(scopes), OwnAccount: b.OwnAccount}
	if b.AssignableToKind(role.ServiceAccount) {
		c.Type, c.ID = audit.ServiceAccount, string(own)
	}
	return c
}

func key(at place.Place, a id.ServiceAccount) authz.Object {
	return authz.Object{Place: at, Account: a, What: "key"}
}

func TestCheck_TellsScopeFromPermissionFromAbsence_D5(t *testing.T) {
	admin := as(t, role.Admin, west, permission.All)
	narrow := as(t, role.Admin, west, permission.Of(permission.KeysRead))
	operator := as(t, role.Operator, west, permission.All)
	machine := as(t, role.Integration, inWest, permission.All)
	mute := as(t, role.Integration, inWest, permission.Set{})
	for what, c := range map[string]struct {
		caller authz.Caller
		p      permission.Permission
		object authz.Object
		want   fault.Kind
	}{
		"an admin at its node":               {admin, permission.KeysRevoke, key(west, other), ""},
		"an admin below its node":            {admin, permission.KeysRevoke, key(inWest, other), ""},
		"an admin above its node":            {admin, permission.KeysRevoke, key(root, other), fault.NotFound},
		"an admin beside its node":           {admin, permission.KeysRevoke, key(east, other), fault.NotFound},
		"an admin elsewhere":                 {admin, permission.KeysRevoke, key(elsewhere, other), fault.NotFound},
		"an object nowhere":                  {admin, permission.KeysRevoke, key(place.Place{}, other), fault.NotFound},
		"a narrow token":                     {narrow, permission.KeysRevoke, key(inWest, other), fault.MissingScope},
		"a narrow token elsewhere":           {narrow, permission.KeysRevoke, key(east, other), fault.NotFound},
		"an operator":                        {operator, permission.KeysRevoke, key(inWest, other), fault.MissingPermission},
		"an operator that reads":             {operator, permission.KeysRead, key(inWest, other), ""},
		"a machine and its own key":          {machine, permission.KeysRead, key(inWest, own), ""},
		"a machine and another's key":        {machine, permission.KeysRead, key(inWest, other), fault.NotFound},
		"a machine and something of nobody":  {machine, permission.KeysRead, key(inWest, ""), fault.NotFound},
		"a machine that revokes its own":     {machine, permission.KeysRevoke, key(inWest, own), fault.MissingPermission},
		"a machine that revokes another's":   {machine, permission.KeysRevoke, key(inWest, other), fault.NotFound},
		"a machine without scopes":           {mute, permission.KeysRead, key(inWest, own), fault.MissingScope},
		"a machine without scopes elsewhere": {mute, permission.KeysRead, key(inWest, other), fault.NotFound},
		"the zero caller":                    {authz.Caller{}, permission.KeysRead, key(inWest, other), fault.NotFound},
	} {
		err := c.caller.Check(c.p, c.object)
		if c.want == "" {
			require.NoError(t, err, what)
		} else {
			require.True(t, fault.Is(err, c.want), "%s: %v", what, err)
		}
	}
}

func TestHolds_NamesWhatIsMissing_D5(t *testing.T) {
	var f *fault.Error
	require.ErrorAs(t, as(t, role.Integration, inWest, permission.Of(permission.ServiceAccountsRead)).Holds(permission.KeysRead), &f)
	require.Equal(t, fault.MissingScope, f.Kind)
	require.Equal(t, "keys:read", f.MissingScope)
	require.Empty(t, f.MissingPermission)
	require.Equal(t, "This key lacks keys:read, which its account's role has. Issue a key with it, deploy it, then revoke this one.", f.Detail)

	require.ErrorAs(t, as(t, role.Viewer, root, permission.All).Holds(permission.AuditRead), &f)
	require.Equal(t, fault.MissingPermission, f.Kind)
	require.Equal(t, "audit:read", f.MissingPermission)
	require.Empty(t, f.MissingScope)
	require.Equal(t, "The role role_BuiltinViewer0000000 lacks audit:read; another key will not help.", f.Detail)

	require.NoError(t, as(t, role.Viewer, root, permission.All).Holds(permission.KeysRead))
}

func TestHolds_SpeaksOfTokensAndSessionsWhereThereIsNoAccount_D12(t *testing.T) {
	narrow := as(t, role.Admin, west, permission.Of(permission.KeysRead))
	for keyID, want := range map[string]string{
		"pat_00000000000000000001": "This token lacks nodes:read, which its employee's role has. Make a token with it, or sign in with a passkey.",
		"ses_00000000000000000001": "This session lacks nodes:read, which its employee's role has. Make a token with it, or sign in with a passkey.",
	} {
		narrow.KeyID = keyID
		require.Equal(t, &fault.Error{Kind: fault.MissingScope, MissingScope: "nodes:read", Detail: want}, narrow.Holds(permission.NodesRead))
	}
}

func TestHolds_TellsASessionInsideACompanyWhatItIsThatStopsIt_D12(t *testing.T) {
	inside := as(t, role.Admin, inWest, permission.All)
	inside.KeyID = "ses_00000000000000000001"
	refusedWith := func(err error, p permission.Permission, detail string) {
		t.Helper()
		require.Equal(t, &fault.Error{Kind: fault.MissingPermission, MissingPermission: string(p), Detail: detail}, err)
	}
	within := func(s permission.Set) authz.Caller {
		c := inside
		c.Role, c.Effective = s.And(permission.Assumed), s.And(permission.Assumed)
		return c
	}
	const never = "This session is inside one company and cannot do nodes:read there. Use the credential that opened it."
	for _, c := range []authz.Caller{within(permission.All), within(permission.Set{})} {
		refusedWith(c.Holds(permission.NodesRead), permission.NodesRead, never)
	}
	refusedWith(within(permission.Of(permission.KeysRead)).Holds(permission.KeysIssue), permission.KeysIssue,
		"The role role_BuiltinAdmin00000000 lacks keys:issue; another key will not help.")
	refusedWith(within(permission.Set{}).Holds(permission.KeysRead), permission.KeysRead,
		"The role role_BuiltinAdmin00000000 lacks companies:assume or keys:read; a session inside a company needs both.")

	some := within(permission.Of(permission.KeysRead))
	refusedWith(some.HoldsScope(some.Role, permission.All, "recordings:play", permission.Read), "recordings:play",
		"The role role_BuiltinAdmin00000000 lacks recordings:play; another key will not help.")
	all := within(permission.All)
	require.NoError(t, all.HoldsScope(all.Role, permission.All, "recordings:play", permission.Read))
}

func TestHolds_OnlyOwnersAndAdminsIssueOrRevoke_D11(t *testing.T) {
	for _, r := range []id.Role{role.Operator, role.Viewer, role.Integration, role.Automation} {
		for _, p := range []permission.Permission{permission.KeysIssue, permission.KeysRevoke} {
			require.True(t, fault.Is(as(t, r, root, permission.All).Holds(p), fault.MissingPermission), "%s %s", r, p)
		}
	}
	for _, r := range []id.Role{role.Owner, role.Admin} {
		require.NoError(t, as(t, r, root, permission.All).Holds(permission.KeysIssue))
	}
}

func TestGrantable_NobodyGrantsWhatTheyDoNotHold_S2(t *testing.T) {
	c := as(t, role.Admin, root, permission.Of(permission.KeysRead, permission.KeysIssue))
	require.NoError(t, c.Grantable(permission.Set{}))
	require.NoError(t, c.Grantable(permission.Of(permission.KeysRead)))
	err := c.Grantable(permission.Of(permission.KeysRead, permission.AuditRead, permission.AppsRead))
	require.True(t, fault.Is(err, fault.NotGrantable))
	require.ErrorContains(t, err, "apps:read audit:read")
	require.NotContains(t, err.Error(), "keys:read")
}

// Whoever is let through covers the object's place and holds the permission in role and credential.
func TestCheck_LetsNobodyThroughWithoutPlaceAndPermission_D5(t *testing.T) {
	var all []permission.Permission
	for _, e := range permission.Catalogue() {
		all = append(all, e.ID)
	}
	set := rapid.Custom(func(t *rapid.T) permission.Set {
		return permission.Of(rapid.SliceOf(rapid.SampledFrom(all)).Draw(t, "permissions")...)
	})
	at := rapid.SampledFrom([]place.Place{{}, root, west, east, inWest, elsewhere})
	rapid.Check(t, func(t *rapid.T) {
		c := authz.Caller{Type: rapid.SampledFrom([]audit.ActorType{audit.Employee, audit.ServiceAccount}).Draw(t, "type"),
			ID: string(own), Place: at.Draw(t, "caller's place"), Role: set.Draw(t, "role"), OwnAccount: set.Draw(t, "own")}
		scopes := set.Draw(t, "scopes")
		c.Effective = c.Role.And(scopes)
		p := rapid.SampledFrom(all).Draw(t, "permission")
		o := authz.Object{Place: at.Draw(t, "object's place"), Account: rapid.SampledFrom([]id.ServiceAccount{"", own, other}).Draw(t, "account")}
		err := c.Check(p, o)
		allowed := c.Place.Covers(o.Place) && c.Role.Has(p) && scopes.Has(p) &&
			(c.Type != audit.ServiceAccount || !c.OwnAccount.Has(p) || o.Account == own)
		if (err == nil) != allowed {
			t.Fatalf("allowed is %v, the answer %v", allowed, err)
		}
		if err != nil && !c.Place.Covers(o.Place) && !fault.Is(err, fault.NotFound) {
			t.Fatalf("%v tells of an object that is not visible", err)
		}
	})
}

func TestActor_IsTheCallerAsTheAuditLogNamesIt_S5(t *testing.T) {
	c := authz.Caller{Type: audit.ServiceAccount, ID: string(own), Name: "Recorder", KeyID: "key_7Hq2cXv9LmN4pQr8sT1w", KeyPrefix: "rka_7Hq2"}
	require.Equal(t, audit.Actor{Type: audit.ServiceAccount, ID: string(own), Name: "Recorder", KeyID: "key_7Hq2cXv9LmN4pQr8sT1w",
		KeyPrefix: "rka_7Hq2"}, c.Actor())
}
