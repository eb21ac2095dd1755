package grant_test

import (
	"fmt"
	"maps"
	"slices"
	"testing"
	"time"

	"github.com/stretchr/testify/require"
	"pgregory.net/rapid"

	"github.com/rekey-dev/rekey/pkg/employee"
	"github.com/rekey-dev/rekey/pkg/fault"
	"github.com/rekey-dev/rekey/pkg/grant"
	"github.com/rekey-dev/rekey/pkg/id"
	"github.com/rekey-dev/rekey/pkg/listing"
	"github.com/rekey-dev/rekey/pkg/permission"
	"github.com/rekey-dev/rekey/pkg/place"
	"github.com/rekey-dev/rekey/pkg/rekeytest"
	"github.com/rekey-dev/rekey/pkg/role"
	"github.com/rekey-dev/rekey/pkg/serviceaccount"
	"github.com/rekey-dev/rekey/pkg/token"
)

var whole listing.Where

// holding is roles and principals together with who could have given what: for each principal, what whoever gave it its role held,
// and whoever widened that role since.
type holding struct {
	w       *rekeytest.World
	callers map[string]permission.Set // by their secrets' names
	secrets map[string]token.Secret
	roles   []id.Role
	hired   []employee.Employee
	given   map[string]permission.Set
}

// few is drawn from so that roles and callers often have something in common.
var few = []string{"keys:read", "audit:read", "apps:read", "roles:read", "keys:issue", "service_accounts:create", "service_accounts:rotate"}

func permissions(t *rapid.T) []string {
	return rapid.SliceOfNDistinct(rapid.SampledFrom(few), 0, 4, rapid.ID[string]).Draw(t, "permissions")
}

func kinds(t *rapid.T) *[]role.Assignee {
	return rapid.SampledFrom([]*[]role.Assignee{nil, {role.Employee}, {role.ServiceAccount}, {role.Employee, role.ServiceAccount}}).Draw(t, "kinds")
}

func (h *holding) caller(t *rapid.T) (string, token.Secret) {
	name := rapid.SampledFrom(slices.Sorted(maps.Keys(h.secrets))).Draw(t, "caller")
	return name, h.secrets[name]
}

func (h *holding) role(t *rapid.T) id.Role {
	if len(h.roles) == 0 {
		t.Skip("there is no role yet")
	}
	return rapid.SampledFrom(h.roles).Draw(t, "role")
}

func (h *holding) at(t *rapid.T) place.Place {
	return rapid.SampledFrom([]place.Place{h.w.Root, h.w.Below, h.w.Sibling, h.w.Company}).Draw(t, "place")
}

// signIn makes a caller at a place whose token carries some permissions and whatever it takes to use roles.
func (h *holding) signIn(name string, at place.Place, holds permission.Set) {
	holds = holds.Or(permission.Of(permission.RolesCreate, permission.RolesUpdate, permission.RolesDelete, permission.ServiceAccountsUpdate))
	_, h.secrets[name] = h.w.PAT(h.w.Hire(name, at, role.Admin), holds)
	h.callers[name] = holds
}

// Whatever is made, changed, given and deleted by whomever: nobody holds what nobody who gave it had, and no service account what
// none can ever hold.
func TestRoles_NobodyHoldsWhatNobodyCouldGive_W2(t *testing.T) {
	rapid.Check(t, func(t *rapid.T) {
		w := rekeytest.New(named{t, fmt.Sprint(rapid.Uint64().Draw(t, "seed"))})
		h := &holding{w: w, callers: map[string]permission.Set{}, secrets: map[string]token.Secret{}, given: map[string]permission.Set{}}
		for i := range 3 {
			var holds permission.Set
			for _, p := range permissions(t) {
				holds = holds.Or(permission.Of(permission.Permission(p)))
			}
			h.signIn(fmt.Sprint("caller", i), h.at(t), holds)
		}
		h.signIn("boss", w.Root, permission.All)
		t.Repeat(map[string]func(*rapid.T){
			"create": h.create,
			"patch":  h.patch,
			"delete": h.delete,
			"give":   h.give,
			"hire":   h.hire,
			"":       h.check,
		})
	})
}

func (h *holding) create(t *rapid.T) {
	name, secret := h.caller(t)
	in := grant.New{Node: h.at(t).Node(), Name: string(id.New[id.Operation](h.w.Rand)), Permissions: permissions(t), AssignableTo: kinds(t)}
	r, err := h.w.Roles.Create(h.w.Ctx, h.w.With(secret), in)
	if h.settled(t, err) {
		h.roles = append(h.roles, r.ID)
		require.True(t, r.Permissions.Without(h.callers[name]).IsEmpty(), "%s put in %s", name, r.Permissions.Text())
	}
}

func (h *holding) patch(t *rapid.T) {
	name, secret := h.caller(t)
	r := h.role(t)
	var in grant.Patch
	if rapid.Bool().Draw(t, "permissions?") {
		p := permissions(t)
		in.Permissions = &p
	}
	in.AssignableTo = kinds(t)
	before, err := h.w.Mem.Role(h.w.Ctx, r)
	require.NoError(t, err)
	after, err := h.w.Roles.Patch(h.w.Ctx, h.w.With(secret), r, in)
	if !h.settled(t, err) {
		return
	}
	if touched := before.Permissions.Or(after.Permissions); after.Version != before.Version {
		require.True(t, touched.Without(h.callers[name]).IsEmpty(), "%s changed %s to %s", name, before.Permissions, after.Permissions)
	}
	for _, p := range h.principals() {
		if p.role == r {
			h.given[p.id] = h.given[p.id].Or(h.callers[name])
		}
	}
}

func (h *holding) delete(t *rapid.T) {
	_, secret := h.caller(t)
	r := h.role(t)
	if h.settled(t, h.w.Roles.Delete(h.w.Ctx, h.w.With(secret), r)) {
		h.roles = slices.DeleteFunc(h.roles, func(x id.Role) bool { return x == r })
	}
}

// give gives a role to a new account, or another one to an account that is there.
func (h *holding) give(t *rapid.T) {
	name, secret := h.caller(t)
	r, c := h.role(t), h.w.With(secret)
	c.Caller.Effective = c.Caller.Effective.Or(permission.Of(permission.ServiceAccountsCreate)) // to make the account, whatever else it holds
	var v serviceaccount.View
	var err error
	all, old := accounts(h.w), map[id.ServiceAccount]id.Role{}
	for _, v := range all {
		old[v.Account.ID] = v.Account.RoleID
	}
	if len(all) > 3 {
		v, err = h.w.Accounts.Patch(h.w.Ctx, c, rapid.SampledFrom(all).Draw(t, "account").Account.ID, serviceaccount.Patch{RoleID: &r})
	} else {
		in := serviceaccount.New{Name: string(id.New[id.Operation](h.w.Rand)), RoleID: r}
		if at := h.at(t); at.Company != "" {
			in.Company = at.Company
		} else {
			in.Node = at.Node()
		}
		v, err = h.w.Accounts.Create(h.w.Ctx, c, in)
	}
	if h.settled(t, err) && old[v.Account.ID] != r { // who gives an account the role that it has gives nothing
		h.given[string(v.Account.ID)] = h.callers[name]
	}
}

// hire gives a role to a new employee.
func (h *holding) hire(t *rapid.T) {
	name, secret := h.caller(t)
	c := h.w.Caller(secret)
	r, at := h.role(t), place.Place{Path: h.at(t).Path}
	if !c.Place.Covers(at) {
		t.Skip("nobody hires where they do not reach")
	}
	writes, err := grant.Assign(h.w.Ctx, h.w.Store, c, r, role.Employee, at)
	if !h.settled(t, err) {
		return
	}
	e := employee.Employee{ID: id.New[id.Employee](h.w.Rand), Place: at, RoleID: r, Status: employee.Active, CreatedAt: h.w.Now(), UpdatedAt: h.w.Now(), Version: 1, EventSeq: 1}
	e.Email = string(e.ID) + "@example.com"
	h.w.Commit(h.w.Happened("employee", string(e.ID), at, 1), append(writes, employee.Create{Employee: e})...)
	h.hired, h.given[string(e.ID)] = append(h.hired, e), h.callers[name]
}

// settled tells whether something happened. What did not was refused in words.
func (h *holding) settled(t *rapid.T, err error) bool {
	h.w.Advance(time.Minute)
	switch fault.KindOf(err) {
	case fault.NotGrantable, fault.Invalid, fault.NotFound, fault.InUse, fault.MissingPermission:
		return false
	}
	require.NoError(t, err)
	return true
}

// principal is whoever has a custom role.
type principal struct {
	id   string
	kind role.Assignee
	at   place.Place
	role id.Role
}

func (h *holding) principals() (out []principal) {
	for _, e := range h.hired {
		out = append(out, principal{string(e.ID), role.Employee, e.Place, e.RoleID})
	}
	for _, v := range accounts(h.w) {
		out = append(out, principal{string(v.Account.ID), role.ServiceAccount, v.Account.Place, v.Account.RoleID})
	}
	return out
}

func (h *holding) check(t *rapid.T) {
	for _, p := range h.principals() {
		r, err := h.w.Mem.Role(h.w.Ctx, p.role)
		require.NoError(t, err, "a dangling role")
		require.True(t, r.AssignableToKind(p.kind))
		require.Contains(t, p.at.Nodes(), r.NodeID)
		require.True(t, r.Permissions.Without(h.given[p.id]).IsEmpty(), "%s has %s, given by who held %s", p.id, r.Permissions.Text(), h.given[p.id].Text())
		if p.kind == role.ServiceAccount {
			require.True(t, r.Permissions.Without(permission.Machine).IsEmpty(), "%s has %s", p.id, r.Permissions.Text())
		}
	}
}

// named is a rapid test under a name of its own, so that worlds differ.
type named struct {
	*rapid.T
	name string
}

func (n named) Name() string { return n.name }
