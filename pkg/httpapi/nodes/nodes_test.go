package nodes_test

import (
	"fmt"
	"strings"
	"testing"

	"github.com/stretchr/testify/require"

	"github.com/rekey-dev/rekey/pkg/audit"
	"github.com/rekey-dev/rekey/pkg/httpapi/httpapitest"
	"github.com/rekey-dev/rekey/pkg/policy"
	"github.com/rekey-dev/rekey/pkg/rekeytest"
)

const members = "id parent_id name depth path created_by created_by_name created_at updated_at"

func create(parent, name string) httpapitest.Request {
	return httpapitest.Request{Method: "POST", Resource: "/nodes", Body: fmt.Sprintf(`{"parent_id":%q,"name":%q}`, parent, name)}
}

func on(method, id, body string) httpapitest.Request {
	return httpapitest.Request{Method: method, Resource: "/nodes/{id}", ID: id, Body: body}
}

func list(query string) httpapitest.Request {
	return httpapitest.Request{Method: "GET", Resource: "/nodes", Query: query}
}

func names(items []map[string]any) (out []string) {
	for _, i := range items {
		out = append(out, i["name"].(string))
	}
	return out
}

func TestSamples_OfNodesAreAnswered(t *testing.T) {
	for name, status := range map[string]int{"nodes-list.json": 200, "nodes-create.json": 201, "nodes-get.json": 200, "nodes-patch.json": 200, "nodes-delete.json": 204} {
		w := httpapitest.New(t)
		made := w.Call(w.Owner.Secret, create(w.Root.ID(), "West")).JSON(t)["id"].(string)
		got := w.Send(w.Sample(name, "node_1South000000000000B2", made))
		require.Equal(t, status, got.Status, "%s: %s", name, got.Body)
	}
}

func TestNode_IsMadeShownRenamedAndDeleted_W1(t *testing.T) {
	w := httpapitest.New(t)
	got := w.Call(w.Owner.Secret, create(w.Root.ID(), "West"))
	require.Equal(t, 201, got.Status, got.Body)
	n := got.JSON(t)
	require.Equal(t, httpapitest.Words(members), httpapitest.Members(n))
	require.Equal(t, w.Root.ID()+"/"+n["id"].(string), n["path"], "as set-up shows it")
	require.EqualValues(t, 2, n["depth"])
	require.Equal(t, w.Root.ID(), n["parent_id"])
	id := n["id"].(string)
	require.Equal(t, n, w.Call(w.Viewer.Secret, on("GET", id, "")).JSON(t))
	require.Nil(t, w.Call(w.Owner.Secret, on("GET", w.Root.ID(), "")).JSON(t)["parent_id"])

	stale := httpapitest.Request{Method: "PATCH", Resource: "/nodes/{id}", ID: id, Body: `{"name":"x"}`, Header: map[string]string{"If-Match": `"other"`}}
	w.Call(w.Owner.Secret, stale).Problem(t, 412, "precondition_failed")
	renamed := w.Call(w.Owner.Secret, on("PATCH", id, `{"name":"Far West"}`)).JSON(t)
	require.Equal(t, "Far West", renamed["name"])
	require.Equal(t, 204, w.Call(w.Owner.Secret, on("DELETE", id, "")).Status)
	w.Call(w.Owner.Secret, on("GET", id, "")).Problem(t, 404, "not_found")
	require.Equal(t, 201, w.Call(w.Owner.Secret, create(w.Root.ID(), "Far West")).Status, "its name is free again")
	for _, action := range []string{audit.NodeCreated, audit.NodeUpdated, audit.NodeDeleted} {
		require.NotEmpty(t, w.Records(action))
	}
}

func TestNode_ThatIsNotEmptyIsNotDeletedAndSaysWhatIsLeft_W1(t *testing.T) {
	w := httpapitest.New(t)
	account := w.Account("Recorder", w.Below)
	w.Policy(rekeytest.At(w.Below), policy.Text{Overlap: rekeytest.To("P2D")})
	w.Call(w.Owner.Secret, create(w.Below.ID(), "Child"))
	p := w.Call(w.Owner.Secret, on("DELETE", w.Below.ID(), "")).Problem(t, 409, "in_use")
	left := map[string]any{}
	for _, b := range p["blocked_by"].([]any) {
		b := b.(map[string]any)
		left[b["type"].(string)] = b["count"]
		if b["type"] == "service_account" {
			require.Equal(t, []any{string(account.ID)}, b["ids"])
		}
		if b["type"] == "employee" { // whoever stands in the company stands at no node of the tests' making
			require.Equal(t, []any{string(w.BelowAdmin.Employee.ID)}, b["ids"])
		}
	}
	require.Equal(t, map[string]any{"node": 1.0, "company": 1.0, "employee": 2.0, "service_account": 1.0, "rotation_policy": 1.0}, left)
	w.Call(w.Owner.Secret, on("DELETE", w.Root.ID(), "")).Problem(t, 409, "conflict")
}

func TestNode_NamesAreUniqueAmongSiblingsAndTheTreeIsBounded_W1(t *testing.T) {
	w := httpapitest.New(t)
	at := w.Call(w.Owner.Secret, create(w.Root.ID(), "Straße")).JSON(t)["id"].(string)
	w.Call(w.Owner.Secret, create(w.Root.ID(), "STRASSE")).Problem(t, 409, "conflict")
	for depth := 3; depth <= 8; depth++ {
		n := w.Call(w.Owner.Secret, create(at, "Straße")).JSON(t)
		require.EqualValues(t, depth, n["depth"])
		at = n["id"].(string)
	}
	w.Call(w.Owner.Secret, create(at, "Ninth")).Invalid(t, "/parent_id")
	for name, pointer := range map[string]string{"": "/name", strings.Repeat("x", 101): "/name", "a\u200bb": "/name", "a\nb": "/name"} {
		w.Call(w.Owner.Secret, create(w.Root.ID(), name)).Invalid(t, pointer)
	}
	w.Call(w.Owner.Secret, create("nonsense", "x")).Problem(t, 404, "not_found")
	w.Call(w.Owner.Secret, create("node_00000000000000000009", "x")).Problem(t, 404, "not_found")
	other := w.Call(w.Owner.Secret, create(w.Root.ID(), "Other")).JSON(t)["id"].(string)
	w.Call(w.Owner.Secret, on("PATCH", other, `{"name":"strasse"}`)).Problem(t, 409, "conflict")
	w.Call(w.Owner.Secret, on("PATCH", other, `{"parent_id":"`+w.Below.ID()+`"}`)).Invalid(t, "/parent_id")
}

func TestNodes_AreListedByNameWithinTheCallersPlace_W1(t *testing.T) {
	w := httpapitest.New(t)
	all := names(w.Call(w.Owner.Secret, list("")).Items(t))
	require.Len(t, all, 3)
	child := w.Call(w.Owner.Secret, create(w.Below.ID(), "Child")).JSON(t)["id"].(string)
	require.Equal(t, []string{"Child"}, names(w.Call(w.Owner.Secret, list("parent_id="+w.Below.ID())).Items(t)))
	require.Len(t, w.Call(w.BelowAdmin.Secret, list("")).Items(t), 2)
	require.Len(t, w.Call(w.SiblingAdmin.Secret, list("")).Items(t), 1)
	for _, who := range []*rekeytest.Person{w.SiblingAdmin, w.CompanyAdmin} {
		w.Call(who.Secret, list("parent_id="+w.Below.ID())).Problem(t, 404, "not_found")
	}
	require.Empty(t, w.Call(w.SiblingAdmin.Secret, list("q="+child)).Items(t))
	require.Len(t, w.Call(w.Owner.Secret, list("q="+child)).Items(t), 1)
	require.Len(t, w.Call(w.Owner.Secret, list("q=CHI")).Items(t), 1)
	require.Empty(t, w.Call(w.CompanyAdmin.Secret, list("")).Items(t))
	w.Call(w.Owner.Secret, list("q=a&parent_id="+w.Below.ID())).Invalid(t, "/q")
}

func TestNodes_WallsHold_P4(t *testing.T) {
	w := httpapitest.New(t)
	for _, request := range []httpapitest.Request{on("GET", w.Below.ID(), ""), on("PATCH", w.Below.ID(), `{"name":"x"}`), on("DELETE", w.Below.ID(), ""), create(w.Below.ID(), "x")} {
		for _, caller := range []*rekeytest.Person{w.SiblingAdmin, w.CompanyAdmin, w.StrangerAdmin} {
			w.Call(caller.Secret, request).Problem(t, 404, "not_found")
		}
		if request.Method != "GET" {
			w.Call(w.Operator.Secret, request).Problem(t, 403, "missing_permission")
		}
	}
	require.NotEmpty(t, w.Records(audit.NodeDeleted), "a refusal is on record")
}
