package roles_test

import (
	"encoding/json"
	"net/url"
	"slices"
	"strings"
	"testing"
	"time"

	"github.com/stretchr/testify/require"

	"github.com/rekey-dev/rekey/pkg/audit"
	"github.com/rekey-dev/rekey/pkg/httpapi/httpapitest"
	"github.com/rekey-dev/rekey/pkg/id"
	"github.com/rekey-dev/rekey/pkg/permission"
	"github.com/rekey-dev/rekey/pkg/place"
	"github.com/rekey-dev/rekey/pkg/rekeytest"
	"github.com/rekey-dev/rekey/pkg/token"
)

type object = map[string]any

func text(v any) string {
	b, err := json.Marshal(v)
	if err != nil {
		panic(err)
	}
	return string(b)
}

func create(at place.Place, name string, permissions ...string) httpapitest.Request {
	return createOf(object{"node_id": at.ID(), "name": name, "permissions": append([]string{}, permissions...)})
}

func createOf(body object) httpapitest.Request {
	return httpapitest.Request{Method: "POST", Resource: "/roles", Body: text(body)}
}

func on(method, id string, body ...object) httpapitest.Request {
	r := httpapitest.Request{Method: method, Resource: "/roles/{id}", ID: id}
	if len(body) > 0 {
		r.Body = text(body[0])
	}
	return r
}

func list(query string) httpapitest.Request {
	return httpapitest.Request{Method: "GET", Resource: "/roles", Query: query}
}

func give(at place.Place, name, role string) httpapitest.Request {
	body := object{"name": name, "node_id": at.ID(), "role_id": role}
	if at.Company != "" {
		body = object{"name": name, "company_id": at.ID(), "role_id": role}
	}
	return httpapitest.Request{Method: "POST", Resource: "/service-accounts", Body: text(body)}
}

func names(items []object) (out []string) {
	for _, i := range items {
		out = append(out, i["name"].(string))
	}
	return out
}

// made makes a role as the owner and returns its ID.
func made(t *testing.T, w *httpapitest.World, r httpapitest.Request) string {
	t.Helper()
	got := w.Call(w.Owner.Secret, r)
	require.Equal(t, 201, got.Status, got.Body)
	return got.JSON(t)["id"].(string)
}

func TestRole_IsMadeShownChangedAndDeleted_W2(t *testing.T) {
	w := httpapitest.New(t)
	got := w.Call(w.Owner.Secret, createOf(object{"node_id": w.Below.ID(), "name": "Reader", "description": "Reads\nkeys.",
		"permissions": []string{"keys:read", "audit:read"}, "assignable_to": []string{"service_account", "employee"}}))
	require.Equal(t, 201, got.Status, got.Body)
	r := got.JSON(t)
	require.Equal(t, httpapitest.Words(members), httpapitest.Members(r))
	id := r["id"].(string)
	for member, want := range map[string]any{"name": "Reader", "description": "Reads\nkeys.", "permissions": []any{"audit:read", "keys:read"}, "built_in": false,
		"assignable_to": []any{"employee", "service_account"}, "node_id": w.Below.ID(), "created_by": string(w.Owner.Employee.ID)} {
		require.Equal(t, want, r[member], member)
	}
	require.Equal(t, `"`+id+`.1"`, got.Header["Etag"])
	require.Equal(t, []any{"audit:read", "keys:read"}, w.Record(audit.RoleCreated).Details["permissions"])
	require.Equal(t, r, w.Call(w.Viewer.Secret, on("GET", id)).JSON(t))

	stale := on("PATCH", id, object{"name": "x"})
	stale.Header = map[string]string{"If-Match": `"other"`}
	w.Call(w.Owner.Secret, stale).Problem(t, 412, "precondition_failed")
	patched := w.Call(w.Owner.Secret, on("PATCH", id, object{"name": "Lister", "description": nil, "permissions": []string{"keys:read", "apps:read"}}))
	require.Equal(t, "Lister", patched.JSON(t)["name"])
	require.Equal(t, "", patched.JSON(t)["description"])
	require.Equal(t, `"`+id+`.2"`, patched.Header["Etag"])
	require.Equal(t, patched.JSON(t), w.Call(w.Owner.Secret, on("PATCH", id, object{"permissions": []string{"apps:read", "keys:read"}})).JSON(t), "nothing to change")

	require.Equal(t, 204, w.Call(w.Owner.Secret, on("DELETE", id)).Status)
	w.Call(w.Owner.Secret, on("GET", id)).Problem(t, 404, "not_found")
	made(t, w, create(w.Below, "lister"))

	updated, deleted := w.Records(audit.RoleUpdated), w.Records(audit.RoleDeleted)[0]
	require.Len(t, updated, 1)
	require.Equal(t, object{"changed": []any{"name", "description", "permissions"}, "permissions_added": []any{"apps:read"},
		"permissions_removed": []any{"audit:read"}}, updated[0].Details)
	require.Equal(t, audit.Target{Type: "role", ID: id, Name: "Lister"}, deleted.Target)
	require.Equal(t, w.Below, deleted.Place)
}

func TestRole_NamesAreUniqueAmongTheNodesRolesAndTheBuiltIn_W2(t *testing.T) {
	w := httpapitest.New(t)
	id := made(t, w, create(w.Below, "Straße"))
	made(t, w, create(w.Sibling, "Straße"))
	made(t, w, create(w.Root, "Straße"))
	for _, name := range []string{"STRASSE", "Owner", "integration"} {
		w.Call(w.Owner.Secret, create(w.Below, name)).Problem(t, 409, "conflict")
	}
	other := made(t, w, create(w.Below, "Other"))
	for _, name := range []string{"strasse", "VIEWER"} {
		w.Call(w.Owner.Secret, on("PATCH", other, object{"name": name})).Problem(t, 409, "conflict")
	}
	require.Equal(t, "STRASSE", w.Call(w.Owner.Secret, on("PATCH", id, object{"name": "STRASSE"})).JSON(t)["name"])
}

func TestRole_WhatIsWrongIsPointedAt_W2(t *testing.T) {
	w := httpapitest.New(t)
	with := func(change object) httpapitest.Request {
		body := object{"node_id": w.Root.ID(), "name": "x", "permissions": []string{"keys:read"}}
		for k, v := range change {
			body[k] = v
		}
		return createOf(body)
	}
	many := make([]string, 81)
	for what, c := range map[string]struct {
		change   object
		pointers []string
	}{
		"an unknown permission":   {object{"permissions": []string{"keys:read", "apps:read", "audit:read", "keys:eat"}}, []string{"/permissions/3"}},
		"a protected API's scope": {object{"permissions": []string{"recordings:read"}}, []string{"/permissions/0"}},
		"a permission twice":      {object{"permissions": []string{"keys:read", "keys:read"}}, []string{"/permissions/1"}},
		"too many":                {object{"permissions": many}, []string{"/permissions"}},
		"none at all":             {object{"permissions": nil}, []string{"/permissions"}},
		"for nobody":              {object{"assignable_to": []string{}}, []string{"/assignable_to"}},
		"for a gateway":           {object{"assignable_to": []string{"employee", "gateway"}}, []string{"/assignable_to/1"}},
		"for employees twice":     {object{"assignable_to": []string{"employee", "employee"}}, []string{"/assignable_to/1"}},
		"an invisible name":       {object{"name": "a\u200bb"}, []string{"/name"}},
		"no name":                 {object{"name": ""}, []string{"/name"}},
		"a long description":      {object{"description": strings.Repeat("x", 501)}, []string{"/description"}},
		"several things":          {object{"name": "a\nb", "permissions": []string{"no:such"}}, []string{"/name", "/permissions/0"}},
		"a member of the answer":  {object{"built_in": true}, []string{"/built_in"}},
	} {
		t.Run(what, func(t *testing.T) { w.Call(w.Owner.Secret, with(c.change)).Invalid(t, c.pointers...) })
	}
	id := made(t, w, create(w.Root, "Reader", "keys:read"))
	w.Call(w.Owner.Secret, on("PATCH", id, object{"node_id": w.Below.ID()})).Invalid(t, "/node_id")
	w.Call(w.Owner.Secret, on("PATCH", id, object{"permissions": []string{"no:such"}})).Invalid(t, "/permissions/0")
	for _, member := range []string{"permissions", "assignable_to", "name"} {
		w.Call(w.Owner.Secret, on("PATCH", id, object{member: nil})).Invalid(t, "/"+member)
	}
	for _, nowhere := range []string{"nonsense", "node_00000000000000000009", w.Company.ID()} {
		w.Call(w.Owner.Secret, with(object{"node_id": nowhere})).Problem(t, 404, "not_found")
	}
	require.Empty(t, w.Call(w.Owner.Secret, create(w.Root, "Nothing")).JSON(t)["permissions"], "an empty list grants nothing")
}

func TestRole_NobodyPutsInWhatTheyDoNotHold_W2(t *testing.T) {
	w := httpapitest.New(t)
	_, narrow := w.PAT(w.Admin, permission.Of(permission.RolesCreate, permission.RolesUpdate, permission.RolesRead, permission.KeysRead))
	p := w.Call(narrow, create(w.Root, "Wide", "keys:read", "audit:read")).Problem(t, 403, "not_grantable")
	require.Contains(t, p["detail"], "audit:read")
	require.NotContains(t, p["detail"], "keys:read")
	denied := w.Record(audit.RoleCreated)
	require.Equal(t, audit.Denied, denied.Outcome)
	require.Equal(t, []any{"audit:read", "keys:read"}, denied.Details["permissions"])
	require.Equal(t, w.Root.ID(), denied.Target.ID)

	id := made(t, w, create(w.Root, "Wide", "keys:read", "audit:read"))
	w.Call(narrow, on("PATCH", id, object{"permissions": []string{"keys:read", "audit:read", "apps:read"}})).Problem(t, 403, "not_grantable")
	denied = w.Records(audit.RoleUpdated)[0]
	require.Equal(t, audit.Denied, denied.Outcome)
	require.Equal(t, []any{"apps:read"}, denied.Details["permissions_added"])
}

func TestRole_IsChangedByWhoHoldsWhatItHadAndWillHave_W2(t *testing.T) {
	w := httpapitest.New(t)
	_, narrow := w.PAT(w.Admin, permission.Of(permission.RolesUpdate, permission.RolesRead, permission.KeysRead))
	wide := made(t, w, create(w.Root, "Wide", "keys:read", "audit:read"))
	before := w.Call(narrow, on("GET", wide)).JSON(t)
	for _, change := range []object{{"permissions": []string{}}, {"permissions": []string{"keys:read"}}, {"permissions": []string{"audit:read", "keys:read"}, "name": "Same"},
		{"name": "Renamed"}, {"description": "x"}, {"assignable_to": []string{"employee"}}} {
		w.Call(narrow, on("PATCH", wide, change)).Problem(t, 403, "not_grantable")
		w.Advance(time.Minute)
	}
	denied := w.Records(audit.RoleUpdated)
	require.Len(t, denied, 6, "each is on record")
	for _, r := range denied {
		require.Equal(t, audit.Denied, r.Outcome)
		require.Equal(t, wide, r.Target.ID)
	}
	require.Equal(t, before, w.Call(narrow, on("GET", wide)).JSON(t))
	require.Equal(t, 200, w.Call(narrow, on("PATCH", wide, object{"name": "Wide"})).Status, "what changes nothing is no change")

	own := made(t, w, create(w.Root, "Own", "keys:read"))
	require.Equal(t, 200, w.Call(narrow, on("PATCH", own, object{"name": "Owned", "permissions": []string{"keys:read", "roles:read"}})).Status)
	require.Equal(t, 200, w.Call(narrow, on("PATCH", own, object{"permissions": []string{}})).Status)
}

func TestRole_IsNotEmptiedToGetOverWhoeverHasIt_W3(t *testing.T) {
	w := httpapitest.New(t)
	wide := made(t, w, create(w.Root, "Security", "audit:read", "keys:revoke", "companies:assume"))
	helper := w.Hire("Helper", w.Root, w.CustomRole("role_0000000000000000Help", permission.RolesRead, permission.RolesUpdate, permission.EmployeesRead,
		permission.EmployeesUpdate, permission.EmployeesResetSecondFactor).ID)
	victim := string(w.Hire("Victim", w.Root, id.Role(wide)).Employee.ID)
	w.Call(helper.Secret, on("PATCH", wide, object{"permissions": []string{}})).Problem(t, 403, "not_grantable")
	w.Call(helper.Secret, httpapitest.Request{Method: "PATCH", Resource: "/employees/{id}", ID: victim, Body: `{"email":"mallory@example.com"}`}).Problem(t, 403, "not_grantable")
}

func TestRole_ForServiceAccountsHasNothingThatTheyCanNeverHold_W2(t *testing.T) {
	w := httpapitest.New(t)
	both := []string{"employee", "service_account"}
	for _, p := range permission.All.Without(permission.Machine).List() {
		body := object{"node_id": w.Root.ID(), "name": "Manager of " + string(p), "permissions": []string{"keys:read", string(p)}}
		r := w.Call(w.Owner.Secret, createOf(body)).JSON(t)
		require.Equal(t, []any{"employee"}, r["assignable_to"], "whatever can hold all of it")
		id := r["id"].(string)
		w.Call(w.Owner.Secret, give(w.Root, "Recorder", id)).Invalid(t, "/role_id")
		w.Call(w.Owner.Secret, on("PATCH", id, object{"assignable_to": both})).Invalid(t, "/assignable_to/1")
		w.Call(w.Owner.Secret, on("PATCH", id, object{"assignable_to": both, "permissions": []string{string(p)}})).Invalid(t, "/permissions/0")
		body["name"], body["assignable_to"] = "Other", both
		w.Call(w.Owner.Secret, createOf(body)).Invalid(t, "/permissions/1")
	}
	// A role that an account has already is no way round it.
	id := made(t, w, create(w.Root, "Reader", "keys:read"))
	account := w.Call(w.Owner.Secret, give(w.Company, "Recorder", id)).JSON(t)["id"]
	for _, p := range permission.All.Without(permission.Machine).List() {
		w.Call(w.Owner.Secret, on("PATCH", id, object{"permissions": []string{"keys:read", string(p)}})).Invalid(t, "/permissions/1")
		problem := w.Call(w.Owner.Secret, on("PATCH", id, object{"permissions": []string{string(p)}, "assignable_to": []string{"employee"}})).Problem(t, 409, "in_use")
		require.Equal(t, []any{object{"type": "service_account", "count": 1.0, "ids": []any{}}}, problem["blocked_by"])
	}
	require.NotNil(t, account)
	require.Equal(t, []any{"keys:read"}, w.Call(w.Owner.Secret, on("GET", id)).JSON(t)["permissions"])
}

func TestRole_InUseStaysAndSaysByWhom_W2(t *testing.T) {
	w := httpapitest.New(t)
	id := made(t, w, create(w.Root, "Reader", "keys:read"))
	for _, name := range []string{"One", "Two"} {
		require.Equal(t, 201, w.Call(w.Owner.Secret, give(w.Company, name, id)).Status)
	}
	p := w.Call(w.Owner.Secret, on("DELETE", id)).Problem(t, 409, "in_use")
	require.Equal(t, []any{object{"type": "service_account", "count": 2.0, "ids": []any{}}}, p["blocked_by"])
	for _, a := range w.Call(w.Owner.Secret, httpapitest.Request{Method: "GET", Resource: "/service-accounts"}).Items(t) {
		r := httpapitest.Request{Method: "PATCH", Resource: "/service-accounts/{id}", ID: a["id"].(string), Body: `{"role_id":"role_BuiltinAutomation000"}`}
		require.Equal(t, 200, w.Call(w.Owner.Secret, r).Status)
	}
	require.Equal(t, 204, w.Call(w.Owner.Secret, on("DELETE", id)).Status)
	w.Call(w.Owner.Secret, give(w.Company, "Three", id)).Invalid(t, "/role_id")
}

func TestRole_BuiltInStaysAsItIs_W2(t *testing.T) {
	w := httpapitest.New(t)
	for _, r := range []httpapitest.Request{on("PATCH", "role_BuiltinViewer0000000", object{"permissions": []string{}}), on("DELETE", "role_BuiltinViewer0000000")} {
		w.Call(w.Owner.Secret, r).Problem(t, 409, "conflict")
		w.Call(w.Viewer.Secret, r).Problem(t, 403, "missing_permission")
		r.ID = "role_BuiltinNobody0000000"
		w.Call(w.Owner.Secret, r).Problem(t, 404, "not_found")
	}
}

func TestRoles_AreThoseOfTheCallersNodeAboveAndBelow_W2(t *testing.T) {
	w := httpapitest.New(t)
	root, below, sibling := made(t, w, create(w.Root, "b of root", "keys:read")), made(t, w, create(w.Below, "a of below", "audit:read")), made(t, w, create(w.Sibling, "c of sibling"))
	builtIn := httpapitest.Words("admin automation integration operator owner viewer")
	for what, c := range map[string]struct {
		caller *rekeytest.Person
		custom []string
	}{
		"the owner":                {w.Owner, []string{"a of below", "b of root", "c of sibling"}},
		"an admin below":           {w.BelowAdmin, []string{"a of below", "b of root"}},
		"an admin of a company":    {w.CompanyAdmin, []string{"a of below", "b of root"}},
		"an admin beside":          {w.SiblingAdmin, []string{"b of root", "c of sibling"}},
		"an admin of a stranger's": {w.StrangerAdmin, []string{"b of root", "c of sibling"}},
	} {
		want := slices.Concat(builtIn, c.custom)
		slices.Sort(want)
		for _, limit := range []string{"1", "2", "100"} {
			require.Equal(t, want, names(pages(t, w, c.caller.Secret, "limit="+limit)), "%s, %s", what, limit)
		}
	}
	require.Equal(t, []string{"a of below"}, names(pages(t, w, w.BelowAdmin.Secret, "q=A%20OF")))
	require.Equal(t, []string{"admin"}, names(pages(t, w, w.BelowAdmin.Secret, "q=AD")))
	require.Equal(t, []string{"b of root"}, names(pages(t, w, w.BelowAdmin.Secret, "q="+root)))
	require.Empty(t, pages(t, w, w.BelowAdmin.Secret, "q="+sibling))
	require.Equal(t, []string{"a of below", "b of root", "c of sibling"}, names(pages(t, w, w.Owner.Secret, "limit=1&node_id="+w.Root.ID())))
	require.Equal(t, []string{"b of root"}, names(pages(t, w, w.Owner.Secret, "direct=true&node_id="+w.Root.ID())))
	require.Empty(t, pages(t, w, w.Owner.Secret, "direct=true&node_id="+w.Root.ID()+"&q="+below))
	require.Equal(t, []string{"a of below", "automation", "b of root", "c of sibling", "integration"}, names(pages(t, w, w.Owner.Secret, "limit=2&assignable_to=service_account")))
	w.Call(w.BelowAdmin.Secret, list("node_id="+w.Root.ID())).Problem(t, 404, "not_found")
	w.Call(w.Owner.Secret, list("direct=true")).Invalid(t, "/direct")
	w.Call(w.Owner.Secret, list("q=a&assignable_to=employee")).Invalid(t, "/q")
	w.Call(w.Owner.Secret, list("assignable_to=gateway")).Invalid(t, "/assignable_to")
}

// pages reads a list to its end, and sees nothing twice.
func pages(t *testing.T, w *httpapitest.World, s token.Secret, query string) (out []object) {
	t.Helper()
	seen := map[any]bool{}
	for cursor := ""; ; {
		got := w.Call(s, list(query+cursor))
		for _, i := range got.Items(t) {
			require.False(t, seen[i["id"]])
			seen[i["id"]] = true
			out = append(out, i)
		}
		next, ok := got.JSON(t)["next"].(string)
		if !ok {
			return out
		}
		cursor = "&cursor=" + url.QueryEscape(next)
	}
}

func TestRole_WallsHold_W2(t *testing.T) {
	w := httpapitest.New(t)
	id := made(t, w, create(w.Below, "Reader", "keys:read"))
	change := []httpapitest.Request{on("PATCH", id, object{"name": "x"}), on("DELETE", id)}
	for _, r := range append(change, on("GET", id), create(w.Below, "x")) {
		for _, caller := range []*rekeytest.Person{w.SiblingAdmin, w.StrangerAdmin} {
			w.Call(caller.Secret, r).Problem(t, 404, "not_found")
		}
	}
	w.Call(w.Owner.Secret, give(w.Sibling, "x", id)).Invalid(t, "/role_id")
	w.Call(w.Owner.Secret, give(w.Root, "x", id)).Invalid(t, "/role_id")

	// Of a node above: used and seen, and changed there only.
	whole, shown := w.Call(w.BelowAdmin.Secret, on("GET", id)).JSON(t), w.Call(w.CompanyAdmin.Secret, on("GET", id)).JSON(t)
	require.Equal(t, string(w.Owner.Employee.ID), whole["created_by"])
	whole["created_by"], whole["created_by_name"] = nil, nil
	require.Equal(t, whole, shown, "all but who made it")
	require.Contains(t, pages(t, w, w.CompanyAdmin.Secret, ""), shown)
	require.Equal(t, []object{shown}, pages(t, w, w.CompanyAdmin.Secret, "q="+id))
	require.Equal(t, 201, w.Call(w.CompanyAdmin.Secret, give(w.Company, "x", id)).Status)
	for _, r := range change {
		p := w.Call(w.CompanyAdmin.Secret, r).Problem(t, 403, "missing_permission")
		require.Contains(t, p["detail"], "above")
		w.Call(w.Operator.Secret, r).Problem(t, 403, "missing_permission")
	}
	require.Equal(t, audit.Denied, w.Records(audit.RoleDeleted)[0].Outcome)
	w.Call(w.CompanyAdmin.Secret, create(w.Below, "y")).Problem(t, 404, "not_found")
	w.Call(w.Operator.Secret, create(w.Below, "y")).Problem(t, 403, "missing_permission")
}

func TestRole_OfANodeHoldsUpItsDeletion_W1(t *testing.T) {
	w := httpapitest.New(t)
	n := w.Node("West", w.Root)
	id := made(t, w, create(n, "Reader"))
	remove := httpapitest.Request{Method: "DELETE", Resource: "/nodes/{id}", ID: n.ID()}
	p := w.Call(w.Owner.Secret, remove).Problem(t, 409, "in_use")
	require.Equal(t, []any{object{"type": "role", "count": 1.0, "ids": []any{}}}, p["blocked_by"])
	require.Equal(t, 204, w.Call(w.Owner.Secret, on("DELETE", id)).Status)
	require.Equal(t, 204, w.Call(w.Owner.Secret, remove).Status)
}

func TestRole_ARepeatedCreationMakesOne_W2(t *testing.T) {
	w := httpapitest.New(t)
	r := create(w.Root, "Reader", "keys:read")
	r.Header = map[string]string{"Idempotency-Key": "k"}
	first, second := w.Call(w.Owner.Secret, r), w.Call(w.Owner.Secret, r)
	require.Equal(t, 201, second.Status)
	require.Equal(t, first.JSON(t), second.JSON(t))
	require.Len(t, pages(t, w, w.Owner.Secret, "q=reader"), 1)
}
