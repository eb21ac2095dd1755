package grant_test

import (
	"slices"
	"testing"

	"github.com/stretchr/testify/require"

	"github.com/rekey-dev/rekey/pkg/accesstoken"
	"github.com/rekey-dev/rekey/pkg/apikey"
	"github.com/rekey-dev/rekey/pkg/audit"
	"github.com/rekey-dev/rekey/pkg/fault"
	"github.com/rekey-dev/rekey/pkg/grant"
	"github.com/rekey-dev/rekey/pkg/permission"
	"github.com/rekey-dev/rekey/pkg/place"
	"github.com/rekey-dev/rekey/pkg/protectedapi"
	"github.com/rekey-dev/rekey/pkg/rekeytest"
	"github.com/rekey-dev/rekey/pkg/role"
	"github.com/rekey-dev/rekey/pkg/rotation"
	"github.com/rekey-dev/rekey/pkg/serviceaccount"
	"github.com/rekey-dev/rekey/pkg/token"
)

// guarded is a world with a recordings API at Below.
type guarded struct {
	*rekeytest.World
	api protectedapi.API
}

func newGuarded(t *testing.T) *guarded {
	w := &guarded{World: rekeytest.New(t)}
	w.api = w.Register(rekeytest.Recordings(w.Below))
	return w
}

// role makes a role of a node, as the owner.
func (w *guarded) role(name string, at place.Place, permissions ...string) role.Custom {
	w.T.Helper()
	r, err := w.Roles.Create(w.Ctx, w.As(w.Owner), grant.New{Node: at.Node(), Name: name, Permissions: permissions})
	require.NoError(w.T, err)
	return r
}

func (w *guarded) issue(s token.Secret, a serviceaccount.Account, scopes ...string) error {
	out, err := w.Keys.Issue(w.Ctx, w.With(s), a.ID, apikey.Issue{Name: "k", Scopes: &scopes})
	w.Note(out.Secret)
	return err
}

// manager is what a person needs to issue keys.
var manager = []string{"keys:issue", "keys:read", "service_accounts:read", "service_accounts:rotate", "service_accounts:create", "roles:create", "roles:update", "roles:read"}

func invalid(t *testing.T, err error, pointer, detail string) {
	t.Helper()
	var f *fault.Error
	require.ErrorAs(t, err, &f)
	require.Equal(t, fault.Invalid, f.Kind, f)
	require.Equal(t, pointer, f.Fields[0].Pointer)
	require.Contains(t, f.Fields[0].Detail, detail)
}

func TestIssue_AScopeIsDeclaredAtThePlaceAndOfTheAccountsRole_B12(t *testing.T) {
	w := newGuarded(t)
	integration := w.AccountWith("a", w.Company, role.Integration)
	deletes := w.AccountWith("b", w.Company, w.role("deletes", w.Below, "recordings:delete").ID)
	stranger := w.AccountWith("c", w.Stranger, role.Integration)
	require.NoError(t, w.issue(w.Owner.Secret, integration, "recordings:read", "keys:read", "recordings:export"))
	invalid(t, w.issue(w.Owner.Secret, integration, "recordings:read", "recordings:write"), "/scopes/1", "kind write")
	invalid(t, w.issue(w.Owner.Secret, integration, "recordings:play"), "/scopes/0", "is no permission")
	invalid(t, w.issue(w.Owner.Secret, integration, "*:read"), "/scopes/0", "is no permission")
	invalid(t, w.issue(w.Owner.Secret, integration, "recordings:read", "recordings:read"), "/scopes/1", "listed twice")
	require.NoError(t, w.issue(w.Owner.Secret, deletes, "recordings:delete"))
	invalid(t, w.issue(w.Owner.Secret, deletes, "recordings:read"), "/scopes/0", "neither it nor that kind")
	invalid(t, w.issue(w.Owner.Secret, stranger, "recordings:read"), "/scopes/0", "exists only at its API's node and below") // which the owner is shown
	invalid(t, w.issue(w.StrangerAdmin.Secret, stranger, "recordings:read"), "/scopes/0", "is no permission")
	require.NoError(t, w.APIs.Delete(w.Ctx, w.As(w.Owner), w.api.ID))
	invalid(t, w.issue(w.Owner.Secret, integration, "recordings:read"), "/scopes/0", "is no permission")
}

func TestIssue_ASnapshotHasWhatTheRoleNames_B12(t *testing.T) {
	w := newGuarded(t)
	r := w.role("deletes", w.Below, "recordings:delete", "keys:read")
	k := w.Issue(w.AccountWith("a", w.Company, r.ID).ID, "k").View.Key
	require.Equal(t, permission.Of("recordings:delete", "keys:read"), k.Scopes)
	k = w.Issue(w.AccountWith("b", w.Company, role.Integration).ID, "k").View.Key
	require.Empty(t, k.Scopes.Protected())
	require.False(t, k.Scopes.Allows("recordings:read", permission.Read), "no scope that is declared later opens an API to it")
	for _, p := range []*rekeytest.Person{w.Owner, w.Viewer} {
		made, err := w.Tokens.Create(w.Ctx, w.As(p), accesstoken.New{Name: "whole"})
		require.NoError(t, err)
		w.Note(made.Secret)
		require.True(t, made.Token.Scopes.Allows("later:read", permission.Read), "a token acts for its employee, whose role holds kinds")
		require.Equal(t, p == w.Owner, made.Token.Scopes.Allows("later:drop", permission.Delete))
	}
}

// Nobody grants, or is shown a secret that carries, what they do not hold: by the role now and by the credential, by name or by kind.
func TestGrantable_IsAProtectedScopeThatRoleAndCredentialHold_B12_D11(t *testing.T) {
	w := newGuarded(t)
	named := w.role("named", w.Below, append([]string{"recordings:read"}, manager...)...)
	bare := w.role("bare", w.Below, manager...)
	account := w.AccountWith("a", w.Company, role.Integration)
	issues := func(s token.Secret, scopes ...string) bool {
		err := w.issue(s, account, scopes...)
		require.True(t, err == nil || fault.Is(err, fault.NotGrantable), "%v", err)
		return err == nil
	}
	byName := w.Hire("Named", w.Below, named.ID)
	_, without := w.PAT(byName, permission.Of("keys:issue", "keys:read"))
	require.True(t, issues(byName.Secret, "recordings:read", "keys:read"))
	require.False(t, issues(byName.Secret, "recordings:export"))
	require.False(t, issues(without, "recordings:read"), "the token does not carry it")
	require.True(t, issues(without, "keys:read"))
	require.False(t, issues(w.Hire("Bare", w.Below, bare.ID).Secret, "recordings:read"))
	_, two := w.PAT(w.BelowAdmin, permission.Of("keys:issue", "*:read"))
	require.True(t, issues(two, "recordings:read"), "by kind")
	require.False(t, issues(two, "recordings:export"))
	_, one := w.PAT(w.BelowAdmin, permission.Of("keys:issue", "recordings:export"))
	require.True(t, issues(one, "recordings:export"), "the role holds the kind, the token the name")
	require.True(t, issues(w.BelowAdmin.Secret, "recordings:export"))

	calls := w.Calls(func() { require.True(t, issues(w.BelowAdmin.Secret, "recordings:export")) })
	require.NotContains(t, calls, "ScopesOf", "who holds every kind is asked nothing further")
	require.NotContains(t, w.Calls(func() { require.True(t, issues(without, "keys:read")) }), "Declared", "without a name nothing more is read")

	w.CustomRole(named.ID, permission.KeysIssue, permission.KeysRead)
	require.False(t, issues(byName.Secret, "recordings:read"), "the role has lost it")
	refused := 0
	for _, e := range w.Mem.Events() {
		if e.Outcome == audit.Denied {
			refused++
		}
	}
	require.Positive(t, refused)
}

func TestToken_AScopeOfANodeBelowIsNotDeniedToWhoIsShownIt_B12(t *testing.T) {
	w := newGuarded(t)
	create := func(p *rekeytest.Person) error {
		_, err := w.Tokens.Create(w.Ctx, w.As(p), accesstoken.New{Name: "t", Scopes: &[]string{"recordings:read"}})
		return err
	}
	invalid(t, create(w.Owner), "/scopes/0", "exists only at its API's node and below")
	invalid(t, create(w.SiblingAdmin), "/scopes/0", "is no permission")
}

func TestRotate_KeepsProtectedScopesAndIsShownToWhoHoldsThem_B12_D6(t *testing.T) {
	w := newGuarded(t)
	k := w.IssueWith(w.AccountWith("a", w.Company, role.Integration).ID, apikey.Issue{Name: "k", Scopes: rekeytest.Of("recordings:read", "keys:read")})
	begun, err := w.Rotations.Rotate(w.Ctx, w.As(w.Owner), k.View.Key.ID, rotation.Start{Mode: rotation.Overlap})
	require.NoError(t, err)
	w.Note(begun.Secret)
	require.Equal(t, k.View.Key.Scopes, begun.View.New.Key.Scopes)
	bare := w.Hire("Bare", w.Below, w.role("bare", w.Below, manager...).ID)
	_, err = w.Keys.Regenerate(w.Ctx, w.As(bare), k.View.Key.ID, apikey.Expiry{}, true)
	require.True(t, fault.Is(err, fault.NotGrantable), "%v", err)
	require.NoError(t, w.APIs.Delete(w.Ctx, w.As(w.Owner), w.api.ID))
	_, err = w.Keys.Regenerate(w.Ctx, w.As(bare), k.View.Key.ID, apikey.Expiry{}, true)
	require.True(t, fault.Is(err, fault.NotGrantable), "the API may come back: %v", err)
	again, err := w.Keys.Regenerate(w.Ctx, w.As(w.BelowAdmin), k.View.Key.ID, apikey.Expiry{}, true)
	require.NoError(t, err)
	w.Note(again.Secret)
	require.Equal(t, k.View.Key.Scopes, again.View.Key.Scopes)
}

func TestRole_NamesScopesOfItsNodeAndAboveThatTheCallerHolds_B12_W2(t *testing.T) {
	w := newGuarded(t)
	create := func(p *rekeytest.Person, at place.Place, permissions ...string) error {
		_, err := w.Roles.Create(w.Ctx, w.As(p), grant.New{Node: at.Node(), Name: string(w.Now().Format("r150405.000000000")) + permissions[0], Permissions: permissions})
		return err
	}
	require.NoError(t, create(w.BelowAdmin, w.Below, "recordings:delete"))
	invalid(t, create(w.SiblingAdmin, w.Sibling, "recordings:read"), "/permissions/0", "is no permission")
	const elsewhere = "is a scope that exists only at its API's node and below, which is not here"
	invalid(t, create(w.Owner, w.Root, "recordings:read"), "/permissions/0", elsewhere)
	invalid(t, create(w.Owner, w.Root, "recordings:play"), "/permissions/0", "is no permission")
	bare := w.Hire("Bare", w.Below, w.role("bare", w.Below, manager...).ID)
	require.True(t, fault.Is(create(bare, w.Below, "recordings:write"), fault.NotGrantable))

	r := w.role("reads", w.Below, "recordings:read", "keys:read")
	patch := func(p *rekeytest.Person, permissions ...string) error {
		_, err := w.Roles.Patch(w.Ctx, w.As(p), r.ID, grant.Patch{Permissions: &permissions})
		return err
	}
	require.True(t, fault.Is(patch(bare, "recordings:read"), fault.NotGrantable), "what it had has to be held too")
	require.True(t, fault.Is(patch(bare, "keys:read"), fault.NotGrantable), "also to take it away")
	require.NoError(t, patch(w.BelowAdmin, "recordings:read"))
	require.True(t, fault.Is(patch(bare, "recordings:read", "recordings:delete"), fault.NotGrantable))
	require.NoError(t, w.APIs.Delete(w.Ctx, w.As(w.Owner), w.api.ID))
	require.NoError(t, patch(w.BelowAdmin, "recordings:read", "keys:read"), "a name that no API declares any more may stay")
	invalid(t, patch(w.Owner, "recordings:read", "recordings:delete"), "/permissions/1", "is no permission")
	require.NoError(t, patch(w.BelowAdmin, "keys:read"))
	require.NoError(t, patch(bare, "keys:read", "service_accounts:read"), "which holds all that is left of it")
	invalid(t, patch(w.Owner, "recordings:read"), "/permissions/0", "is no permission")
}

func TestAssign_ARoleThatNamesAScopeIsGivenByWhoHoldsIt_B12_W2(t *testing.T) {
	w := newGuarded(t)
	r := w.role("deletes", w.Below, "recordings:delete")
	bare := w.Hire("Bare", w.Below, w.role("bare", w.Below, manager...).ID)
	give := func(p *rekeytest.Person, name string) error {
		_, err := w.Accounts.Create(w.Ctx, w.As(p), serviceaccount.New{Name: name, Company: w.Company.Company, RoleID: r.ID})
		return err
	}
	require.True(t, fault.Is(give(bare, "a"), fault.NotGrantable))
	require.NoError(t, give(w.BelowAdmin, "b"))
	_, err := w.Accounts.Create(w.Ctx, w.As(bare), serviceaccount.New{Name: "c", Company: w.Company.Company, RoleID: role.Integration})
	require.NoError(t, err, "an integration holds kinds and nothing by them: each scope of its keys is granted by who issues them")
}

func TestScopes_AreThoseOfTheCallersPathAndBelow_B12_W2(t *testing.T) {
	w := newGuarded(t)
	for slug, at := range map[string]place.Place{"root": w.Root, "sibling": w.Sibling} {
		in := rekeytest.Recordings(at)
		in.Name, in.Slug, in.GatewayID, in.Routes = slug, slug, "g"+slug, nil
		in.Scopes = []protectedapi.Scope{{Name: permission.Permission(slug + ":x"), Kind: permission.Execute}}
		w.Register(in)
	}
	for p, want := range map[*rekeytest.Person][]string{w.Owner: {"Recordings", "root", "sibling"}, w.BelowAdmin: {"Recordings", "root"}, w.CompanyAdmin: {"Recordings", "root"},
		w.SiblingAdmin: {"root", "sibling"}, w.StrangerAdmin: {"root", "sibling"}} {
		found, err := w.Roles.Scopes(w.Ctx, w.As(p))
		require.NoError(t, err)
		var names []string
		for _, a := range found {
			names = append(names, a.Name)
		}
		slices.Sort(names)
		require.Equal(t, want, names)
	}
}
