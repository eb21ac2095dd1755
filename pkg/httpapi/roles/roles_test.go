package roles_test

import (
	"net/url"
	"slices"
	"strings"
	"testing"

	"github.com/stretchr/testify/require"

	"github.com/rekey-dev/rekey/pkg/httpapi/httpapitest"
	"github.com/rekey-dev/rekey/pkg/rekeytest"
)

const members = "id name description permissions built_in assignable_to node_id created_by created_by_name created_at updated_at"

func get(path, query string) httpapitest.Request {
	c := httpapitest.Viewer()
	return httpapitest.Request{Method: "GET", Resource: path, Query: query, Caller: &c}
}

func role(id string) httpapitest.Request {
	r := get("/roles/{id}", "")
	r.ID = id
	return r
}

func TestSamples_OfRolesAreAnswered(t *testing.T) {
	w := httpapitest.New(t)
	made := w.Send(w.Sample("roles-create.json"))
	require.Equal(t, 201, made.Status, made.Body)
	require.Len(t, w.Send(w.Sample("roles-list.json")).Items(t), 7)
	for name, status := range map[string]int{"roles-patch.json": 200, "roles-delete.json": 204} {
		w := httpapitest.New(t)
		id := w.Send(w.Sample("roles-create.json")).JSON(t)["id"].(string)
		got := w.Send(w.Sample(name, "role_1Reader00000000000B2", id))
		require.Equal(t, status, got.Status, "%s: %s", name, got.Body)
	}
	require.Equal(t, "integration", w.Send(w.Sample("roles-get.json")).JSON(t)["name"])
	for _, p := range w.Send(w.Sample("roles-permissions.json")).Items(t) {
		require.Contains(t, p["assignable_to"], "service_account")
	}
}

func TestPermissions_AreAllListedByName_W2(t *testing.T) {
	w := httpapitest.New(t)
	got := w.Do(get("/permissions", ""))
	require.Nil(t, got.JSON(t)["next"])
	items := got.Items(t)
	require.Len(t, items, 47)
	var names []string
	for _, p := range items {
		require.Equal(t, httpapitest.Words("id name description category assignable_to kind protected_api_id"), httpapitest.Members(p))
		names = append(names, strings.ToLower(p["name"].(string)))
	}
	require.True(t, slices.IsSorted(names))
	rotate := slices.IndexFunc(items, func(p map[string]any) bool { return p["id"] == "service_accounts:rotate" })
	require.Equal(t, "Rotate Service Account Secret", items[rotate]["name"])
	require.Equal(t, []any{"employee"}, items[rotate]["assignable_to"])
}

func TestPermissions_ListTheScopesThatProtectedAPIsDeclare_B12_W2(t *testing.T) {
	w := httpapitest.New(t)
	a := w.Register(rekeytest.Recordings(w.Below))
	scopes := func(p *rekeytest.Person, query string) (out []map[string]any) {
		for _, item := range w.Call(p.Secret, get("/permissions", query)).Items(t) {
			if item["kind"] != nil {
				out = append(out, item)
			}
		}
		return out
	}
	got := scopes(w.CompanyAdmin, "")
	require.Len(t, got, 4)
	require.Equal(t, map[string]any{"id": "recordings:read", "name": "recordings:read", "description": "List and play recordings.", "category": "Recordings",
		"assignable_to": []any{"employee", "service_account"}, "kind": "read", "protected_api_id": string(a.ID)}, got[2])
	require.Equal(t, got, scopes(w.Owner, "assignable_to=service_account"))
	require.Empty(t, scopes(w.SiblingAdmin, ""), "elsewhere they do not exist")
	first := w.Call(w.Owner.Secret, get("/permissions", "limit=40")).JSON(t)
	rest := w.Call(w.Owner.Secret, get("/permissions", "limit=40&cursor="+first["next"].(string))).Items(t)
	require.Len(t, rest, 47+4-40)
}

func TestPermissions_AServiceAccountNeverHoldsItsOwnManagement_W2(t *testing.T) {
	w := httpapitest.New(t)
	var never []string
	for _, p := range w.Do(get("/permissions", "")).Items(t) {
		if len(p["assignable_to"].([]any)) == 1 {
			never = append(never, p["id"].(string))
		}
	}
	slices.Sort(never)
	require.Equal(t, httpapitest.Words("service_accounts:create service_accounts:update service_accounts:rotate service_accounts:delete "+
		"keys:issue keys:revoke keys:unlock companies:assume incidents:run"), never)
	for _, p := range w.Do(get("/permissions", "assignable_to=service_account")).Items(t) {
		require.NotContains(t, never, p["id"])
	}
	require.Len(t, w.Do(get("/permissions", "assignable_to=employee")).Items(t), 47)
	w.Do(get("/permissions", "assignable_to=gateway")).Invalid(t, "/assignable_to")
}

func TestPermissions_WhoeverIsSignedInMayListThem(t *testing.T) {
	w := httpapitest.New(t)
	r := get("/permissions", "")
	c := httpapitest.Integration()
	r.Caller = &c
	require.Len(t, w.Do(r).Items(t), 47)
	r = get("/roles", "")
	r.Caller = &c
	require.Equal(t, "roles:read", w.Do(r).Problem(t, 403, "missing_permission")["missing_permission"])
	r = role("role_BuiltinOwner00000000")
	r.Caller = &c
	w.Do(r).Problem(t, 403, "missing_permission")
	r = role("role_00000000000000000001")
	r.Caller = &c
	w.Do(r).Problem(t, 403, "missing_permission")
}

func TestRoles_AreListedByNameAndFound(t *testing.T) {
	w := httpapitest.New(t)
	items := w.Do(get("/roles", "")).Items(t)
	var names []string
	for _, r := range items {
		require.Equal(t, httpapitest.Words(members), httpapitest.Members(r))
		require.Equal(t, true, r["built_in"])
		require.Nil(t, r["node_id"])
		names = append(names, r["name"].(string))
		one := w.Do(role(r["id"].(string)))
		require.Equal(t, r, one.JSON(t))
		require.Regexp(t, `^"role_[0-9A-Za-z]{20}\.\d+"$`, one.Header["Etag"])
	}
	require.Equal(t, []string{"admin", "automation", "integration", "operator", "owner", "viewer"}, names)
	for _, id := range []string{"role_00000000000000000001", "role_BuiltinNobody0000000", "owner", "..", strings.Repeat("x", 1000)} {
		w.Do(role(id)).Problem(t, 404, "not_found")
	}
}

func TestRoles_PagesHaveEveryItemOnce(t *testing.T) {
	w := httpapitest.New(t)
	for path, all := range map[string]int{"/roles": 6, "/permissions": 47} {
		for _, limit := range []string{"1", "4", "6", "47"} {
			seen := map[any]bool{}
			query := "limit=" + limit
			for {
				got := w.Do(get(path, query))
				for _, item := range got.Items(t) {
					require.False(t, seen[item["id"]])
					seen[item["id"]] = true
				}
				next, ok := got.JSON(t)["next"].(string)
				if !ok {
					break
				}
				query = "limit=" + limit + "&cursor=" + url.QueryEscape(next)
			}
			require.Len(t, seen, all)
		}
	}
}
