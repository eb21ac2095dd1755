package protectedapis_test

import (
	"fmt"
	"strings"
	"testing"
	"time"

	"github.com/stretchr/testify/require"

	"github.com/rekey-dev/rekey/pkg/audit"
	"github.com/rekey-dev/rekey/pkg/httpapi/httpapitest"
	"github.com/rekey-dev/rekey/pkg/permission"
	"github.com/rekey-dev/rekey/pkg/place"
	"github.com/rekey-dev/rekey/pkg/role"
)

const members = "id name slug node_id api_id stage mode scopes routes authorizer_result_ttl_seconds created_by created_by_name created_at updated_at"

const declared = `"scopes":[{"name":"recordings:read","kind":"read","description":"List and play."},{"name":"recordings:delete","kind":"delete"}],
	"routes":[{"method":"GET","path":"/recordings/{id}","scope":"recordings:read"},{"method":"ANY","path":"$default","scope":"recordings:delete"}]`

func body(at place.Place, more string) string {
	return fmt.Sprintf(`{"node_id":%q,"name":"Recordings","slug":"recordings","api_id":"r1e2c3o4r5","stage":"prod"%s}`, at.ID(), more)
}

func post(body string) httpapitest.Request {
	return httpapitest.Request{Method: "POST", Resource: "/protected-apis", Body: body}
}

func on(method, id, body string) httpapitest.Request {
	return httpapitest.Request{Method: method, Resource: "/protected-apis/{id}", ID: id, Body: body}
}

func list(query string) httpapitest.Request {
	return httpapitest.Request{Method: "GET", Resource: "/protected-apis", Query: query}
}

func TestSamples_OfProtectedAPIsAreAnswered(t *testing.T) {
	for name, status := range map[string]int{"protectedapis-list.json": 200, "protectedapis-create.json": 201, "protectedapis-get.json": 200,
		"protectedapis-patch.json": 200, "protectedapis-delete.json": 204} {
		w := httpapitest.New(t)
		made := "none"
		if name != "protectedapis-create.json" {
			made = w.Call(w.Owner.Secret, post(body(w.Root, ""))).JSON(t)["id"].(string)
		}
		got := w.Send(w.Sample(name, "api_1Recordings00000000B", made))
		require.Equal(t, status, got.Status, "%s: %s", name, got.Body)
	}
}

func TestProtectedAPI_IsRegisteredShownChangedAndRemoved_B12(t *testing.T) {
	w := httpapitest.New(t)
	got := w.Call(w.Owner.Secret, post(body(w.Below, ","+declared)))
	require.Equal(t, 201, got.Status, got.Body)
	a := got.JSON(t)
	require.Equal(t, httpapitest.Words(members), httpapitest.Members(a))
	require.Equal(t, "enforce", a["mode"])
	require.EqualValues(t, 0, a["authorizer_result_ttl_seconds"])
	require.Equal(t, []any{map[string]any{"name": "recordings:read", "kind": "read", "description": "List and play."},
		map[string]any{"name": "recordings:delete", "kind": "delete"}}, a["scopes"])
	require.Equal(t, map[string]any{"method": "ANY", "path": "$default", "scope": "recordings:delete"}, a["routes"].([]any)[1])
	id := a["id"].(string)
	require.Equal(t, a, w.Call(w.Viewer.Secret, on("GET", id, "")).JSON(t))

	stale := on("PATCH", id, `{"name":"x"}`)
	stale.Header = map[string]string{"If-Match": `"other"`}
	w.Call(w.Owner.Secret, stale).Problem(t, 412, "precondition_failed")
	w.Advance(time.Minute)
	patched := w.Call(w.BelowAdmin.Secret, on("PATCH", id, `{"mode":"context_only","stage":"$default","routes":[],
		"scopes":[{"name":"recordings:read","kind":"execute"},{"name":"recordings:play","kind":"read"}]}`))
	require.Equal(t, 200, patched.Status, patched.Body)
	require.Equal(t, "$default", patched.JSON(t)["stage"])
	require.NotEqual(t, got.Header["Etag"], patched.Header["Etag"])
	records := w.Records(audit.ProtectedAPIUpdated)
	require.Len(t, records, 1)
	require.Equal(t, map[string]any{"changed": []any{"stage", "mode", "scopes", "routes"}, "api_id": "r1e2c3o4r5", "stage": "$default", "mode": "context_only",
		"scopes_added": []any{"recordings:read", "recordings:play"}, "scopes_removed": []any{"recordings:read", "recordings:delete"}, "routes": 0.0}, records[0].Details)
	require.Equal(t, 200, w.Call(w.Owner.Secret, on("PATCH", id, `{"mode":"context_only"}`)).Status)
	require.Len(t, w.Records(audit.ProtectedAPIUpdated), 1, "what changes nothing is no change")

	require.Equal(t, 204, w.Call(w.Owner.Secret, on("DELETE", id, "")).Status)
	w.Call(w.Owner.Secret, on("GET", id, "")).Problem(t, 404, "not_found")
	require.Len(t, w.Records(audit.ProtectedAPIDeleted), 1)
}

func TestProtectedAPI_AnAuthorizerThatKeepsAnswersIsRefused_B12(t *testing.T) {
	w := httpapitest.New(t)
	got := w.Call(w.Owner.Secret, post(body(w.Root, `,"authorizer_result_ttl_seconds":300`)))
	got.Invalid(t, "/authorizer_result_ttl_seconds")
	require.Contains(t, got.Body, "a revoked, expired or narrowed key goes on working")
	id := w.Call(w.Owner.Secret, post(body(w.Root, `,"authorizer_result_ttl_seconds":0`))).JSON(t)["id"].(string)
	w.Call(w.Owner.Secret, on("PATCH", id, `{"authorizer_result_ttl_seconds":1}`)).Invalid(t, "/authorizer_result_ttl_seconds")
	require.Equal(t, 200, w.Call(w.Owner.Secret, on("PATCH", id, `{"authorizer_result_ttl_seconds":0}`)).Status)
}

func TestProtectedAPI_BadInputIsNamedByItsPointer_B12(t *testing.T) {
	w := httpapitest.New(t)
	many := func(n int, one string) string {
		out := make([]string, n)
		for i := range out {
			out[i] = strings.ReplaceAll(one, "#", fmt.Sprint(i))
		}
		return strings.Join(out, ",")
	}
	for more, pointer := range map[string]string{
		`,"name":"a\u0000b"`:   "/name",
		`,"slug":"keys"`:       "/slug",
		`,"slug":"Recordings"`: "/slug",
		`,"slug":"1st"`:        "/slug",
		`,"slug":"a.b"`:        "/slug",
		`,"api_id":"A1B2"`:     "/api_id",
		`,"api_id":"a1/../b"`:  "/api_id",
		`,"stage":"v 1"`:       "/stage",
		`,"stage":"$other"`:    "/stage",
		`,"mode":"observe"`:    "/mode",
		`,"scopes":[{"name":"recordings:read","kind":"peek"}]`:                                                                                                             "/scopes/0/kind",
		`,"scopes":[{"name":"alerts:read","kind":"read"}]`:                                                                                                                 "/scopes/0/name",
		`,"scopes":[{"name":"recordings:","kind":"read"}]`:                                                                                                                 "/scopes/0/name",
		`,"scopes":[{"name":"recordings:Read","kind":"read"}]`:                                                                                                             "/scopes/0/name",
		`,"scopes":[{"name":"recordings:*","kind":"read"}]`:                                                                                                                "/scopes/0/name",
		`,"scopes":[{"name":"recordings:a","kind":"read"},{"name":"recordings:a","kind":"write"}]`:                                                                         "/scopes/1/name",
		`,"scopes":[{"name":"recordings:a","kind":"read","description":"a\u0007"}]`:                                                                                        "/scopes/0/description",
		`,"scopes":[` + many(41, `{"name":"recordings:a#","kind":"read"}`) + `]`:                                                                                           "/scopes",
		`,` + strings.Replace(declared, `"GET"`, `"FETCH"`, 1):                                                                                                             "/routes/0/method",
		`,` + strings.Replace(declared, `"/recordings/{id}"`, `"recordings"`, 1):                                                                                           "/routes/0/path",
		`,` + strings.Replace(declared, `"/recordings/{id}"`, `"/recordings/{id+}/x"`, 1):                                                                                  "/routes/0/path",
		`,` + strings.Replace(declared, `"/recordings/{id}"`, `"/a\tb"`, 1):                                                                                                "/routes/0/path",
		`,` + strings.Replace(declared, `"/recordings/{id}"`, `"/a//b"`, 1):                                                                                                "/routes/0/path",
		`,` + strings.Replace(declared, `"/recordings/{id}"`, `"/x{id}"`, 1):                                                                                               "/routes/0/path",
		`,` + strings.Replace(declared, `"/recordings/{id}"`, `"/{}"`, 1):                                                                                                  "/routes/0/path",
		`,"routes":[{"method":"GET","path":"/a","scope":"recordings:read"}]`:                                                                                               "/routes/0/scope",
		`,"scopes":[{"name":"recordings:r","kind":"read"}],"routes":[` + many(2, `{"method":"GET","path":"/a","scope":"recordings:r"}`) + `]`:                              "/routes/1",
		`,"scopes":[{"name":"recordings:r","kind":"read"}],"routes":[` + many(101, `{"method":"GET","path":"/#","scope":"recordings:r"}`) + `]`:                            "/routes",
		`,"scopes":[{"name":"recordings:r","kind":"read"}],"routes":[` + many(60, `{"method":"GET","path":"/`+strings.Repeat("a", 40)+`/#","scope":"recordings:r"}`) + `]`: "/routes",
		`,"authorizer":1`: "/authorizer",
	} {
		text := body(w.Root, more)
		for _, member := range []string{"name", "slug", "api_id", "stage"} { // given anew
			if strings.HasPrefix(more, `,"`+member+`"`) {
				text = strings.Replace(text, map[string]string{"name": `"name":"Recordings",`, "slug": `"slug":"recordings",`, "api_id": `"api_id":"r1e2c3o4r5",`, "stage": `,"stage":"prod"`}[member], "", 1)
			}
		}
		w.Call(w.Owner.Secret, post(text)).Invalid(t, pointer)
	}
	for _, path := range []string{"/", "/{proxy+}", "/a/{b}/c-d_e.f~g", "/v1/items:find", "$default"} {
		require.Equal(t, 201, w.Call(w.Owner.Secret, post(strings.Replace(body(w.Root, fmt.Sprintf(`,"scopes":[{"name":"s%d:r","kind":"read"}],"routes":[{"method":"GET","path":%q,"scope":"s%d:r"}]`,
			len(path), path, len(path))), `"name":"Recordings","slug":"recordings","api_id":"r1e2c3o4r5"`, fmt.Sprintf(`"name":"N%d","slug":"s%d","api_id":"a%d"`, len(path), len(path), len(path)), 1))).Status, path)
	}
	w.Call(w.Owner.Secret, on("PATCH", "api_00000000000000000000", `{"slug":"x"}`)).Invalid(t, "/slug")
}

func TestProtectedAPI_StagesSlugsAndNamesAreTakenOnce_B12(t *testing.T) {
	w := httpapitest.New(t)
	first := w.Call(w.Owner.Secret, post(body(w.Below, ""))).JSON(t)["id"].(string)
	for detail, text := range map[string]string{
		"stage": strings.NewReplacer(`"Recordings"`, `"B"`, `"slug":"recordings"`, `"slug":"b"`).Replace(body(w.Below, "")),
		"slug":  strings.NewReplacer(`"Recordings"`, `"B"`, `"prod"`, `"test"`).Replace(body(w.Below, "")),
		"name":  strings.NewReplacer(`"Recordings"`, `"RECORDINGS"`, `"slug":"recordings"`, `"slug":"b"`, `"prod"`, `"test"`).Replace(body(w.Below, "")),
	} {
		got := w.Call(w.Owner.Secret, post(text)).Problem(t, 409, "conflict")
		require.Contains(t, got["detail"], detail)
	}
	second := w.Call(w.Owner.Secret, post(strings.NewReplacer(`"Recordings"`, `"B"`, `"slug":"recordings"`, `"slug":"b"`, `"prod"`, `"test"`).Replace(body(w.Below, "")))).JSON(t)["id"].(string)
	require.Contains(t, w.Call(w.Owner.Secret, on("PATCH", second, `{"stage":"prod"}`)).Problem(t, 409, "conflict")["detail"], "stage")
	require.Contains(t, w.Call(w.Owner.Secret, on("PATCH", second, `{"name":"recordings"}`)).Problem(t, 409, "conflict")["detail"], "name")

	require.Equal(t, 204, w.Call(w.Owner.Secret, on("DELETE", first, "")).Status)
	require.Contains(t, w.Call(w.Owner.Secret, post(body(w.Root, ""))).Problem(t, 409, "conflict")["detail"], "slug", "keys at the other node may name its scopes")
	require.Equal(t, 201, w.Call(w.Owner.Secret, post(body(w.Below, ""))).Status)
}

func TestProtectedAPI_IsSeenAndManagedWithThePermissionAtItsNode_B12(t *testing.T) {
	w := httpapitest.New(t)
	id := w.Call(w.BelowAdmin.Secret, post(body(w.Below, ""))).JSON(t)["id"].(string)
	for _, r := range []httpapitest.Request{on("GET", id, ""), on("PATCH", id, `{"name":"x"}`), on("DELETE", id, "")} {
		w.Call(w.SiblingAdmin.Secret, r).Problem(t, 404, "not_found")
		w.Call(w.CompanyAdmin.Secret, r).Problem(t, 404, "not_found")
		if r.Method != "GET" {
			w.Call(w.Operator.Secret, r).Problem(t, 403, "missing_permission")
		}
	}
	w.Call(w.SiblingAdmin.Secret, post(body(w.Below, ""))).Problem(t, 404, "not_found")
	w.Call(w.BelowAdmin.Secret, post(body(w.Root, ""))).Problem(t, 404, "not_found")
	w.Call(w.CompanyAdmin.Secret, post(body(w.Below, ""))).Problem(t, 404, "not_found")
	w.Call(w.Operator.Secret, post(body(w.Below, ""))).Problem(t, 403, "missing_permission")
	require.Equal(t, 200, w.Call(w.Operator.Secret, on("GET", id, "")).Status)
	_, narrow := w.PAT(w.Owner, permission.Of(permission.ProtectedAPIsRead))
	require.Equal(t, "protected_apis:manage", w.Call(narrow, on("DELETE", id, "")).Problem(t, 403, "missing_scope")["missing_scope"])
	w.Call(w.Issue(w.AccountWith("m", w.Below, role.Automation).ID, "k").Secret, on("GET", id, "")).Problem(t, 404, "not_found")
	denied := 0
	for _, e := range w.Mem.Events() {
		if e.Outcome == audit.Denied && strings.HasPrefix(e.Action, "protected_api.") {
			denied++
		}
	}
	require.Equal(t, 4, denied, "three by the operator, one with the narrow token")
}

func TestProtectedAPIs_AreListedByNameBelowTheCallersPlace_B12(t *testing.T) {
	w := httpapitest.New(t)
	made := map[string]string{}
	for name, at := range map[string]place.Place{"Alerts": w.Root, "recordings": w.Below, "Zeus": w.Sibling} {
		made[name] = w.Call(w.Owner.Secret, post(strings.NewReplacer(`"name":"Recordings"`, fmt.Sprintf(`"name":%q`, name), `"slug":"recordings"`,
			fmt.Sprintf(`"slug":%q`, strings.ToLower(name)), `"prod"`, fmt.Sprintf("%q", name)).Replace(body(at, "")))).JSON(t)["id"].(string)
	}
	names := func(query string) (out []string) {
		for _, i := range w.Call(w.Owner.Secret, list(query)).Items(t) {
			out = append(out, i["name"].(string))
		}
		return out
	}
	require.Equal(t, []string{"Alerts", "recordings", "Zeus"}, names(""))
	require.Equal(t, []string{"recordings"}, names("q=REC"))
	require.Equal(t, []string{"Zeus"}, names("q="+made["Zeus"]))
	require.Empty(t, names("node_id="+w.Below.ID()+"&q="+made["Zeus"]))
	require.Equal(t, []string{"recordings"}, names("node_id="+w.Below.ID()))
	require.Equal(t, []string{"Alerts"}, names("direct=true&node_id="+w.Root.ID()))
	first := w.Call(w.Owner.Secret, list("limit=1")).JSON(t)
	require.NotNil(t, first["next"])
	require.Equal(t, []string{"recordings"}, names("limit=1&cursor="+first["next"].(string)))
	require.Empty(t, w.Call(w.CompanyAdmin.Secret, list("")).Items(t), "none stands in a company")
	w.Call(w.SiblingAdmin.Secret, list("node_id="+w.Below.ID())).Problem(t, 404, "not_found")
	w.Call(w.Owner.Secret, list("direct=true")).Invalid(t, "/direct")
}
