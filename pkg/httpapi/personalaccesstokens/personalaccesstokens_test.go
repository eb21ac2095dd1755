package personalaccesstokens_test

import (
	"strings"
	"testing"
	"time"

	"github.com/stretchr/testify/require"

	"github.com/rekey-dev/rekey/pkg/accesstoken"
	"github.com/rekey-dev/rekey/pkg/audit"
	"github.com/rekey-dev/rekey/pkg/httpapi/httpapitest"
	"github.com/rekey-dev/rekey/pkg/rekeytest"
	"github.com/rekey-dev/rekey/pkg/role"
	"github.com/rekey-dev/rekey/pkg/token"
)

const members = "id employee_id name prefix scopes status expires_at revoked_at last_used_at created_at"

func create(body string) httpapitest.Request {
	return httpapitest.Request{Method: "POST", Resource: "/personal-access-tokens", Body: body}
}

func list(query string) httpapitest.Request {
	return httpapitest.Request{Method: "GET", Resource: "/personal-access-tokens", Query: query}
}

func on(method, id string) httpapitest.Request {
	return httpapitest.Request{Method: method, Resource: "/personal-access-tokens/{id}", ID: id}
}

func with(r httpapitest.Request, header, value string) httpapitest.Request {
	r.Header = map[string]string{header: value}
	return r
}

func ids(items []map[string]any) (out []string) {
	for _, i := range items {
		out = append(out, i["id"].(string))
	}
	return out
}

func TestSamples_OfPersonalAccessTokensAreAnswered(t *testing.T) {
	for name, status := range map[string]int{"personalaccesstokens-list.json": 200, "personalaccesstokens-create.json": 201,
		"personalaccesstokens-get.json": 200, "personalaccesstokens-delete.json": 204} {
		w := httpapitest.New(t)
		got := w.Send(w.Sample(name, "pat_1South000000000000B2", string(w.Owner.Token.ID)))
		require.Equal(t, status, got.Status, "%s: %s", name, got.Body)
	}
}

func TestToken_IsMadeShownOnceListedAndRevoked_F4_S6(t *testing.T) {
	w := httpapitest.New(t)
	got := w.Call(w.Viewer.Secret, create(`{"name":"Laptop","scopes":["keys:read"],"expires_at":"2031-03-05T05:06:07.999+02:00"}`))
	require.Equal(t, 201, got.Status, got.Body)
	require.Equal(t, "no-store", got.Header["Cache-Control"])
	body := got.JSON(t)
	require.Equal(t, httpapitest.Words("personal_access_token secret"), httpapitest.Members(body))
	made := body["personal_access_token"].(map[string]any)
	require.Equal(t, httpapitest.Words(members), httpapitest.Members(made))
	tok, ok := token.Parse(body["secret"].(string))
	require.True(t, ok)
	require.Equal(t, tok.ID(), made["id"])
	require.Equal(t, tok.Prefix(), made["prefix"])
	require.Equal(t, string(w.Viewer.Employee.ID), made["employee_id"])
	require.Equal(t, []any{"keys:read"}, made["scopes"])
	require.Equal(t, "active", made["status"])
	require.Equal(t, "2031-03-05T03:06:07Z", made["expires_at"])
	require.Nil(t, made["last_used_at"])
	require.Nil(t, made["revoked_at"])
	id := made["id"].(string)
	one := w.Call(w.Viewer.Secret, on("GET", id))
	require.Equal(t, made, one.JSON(t))
	require.Equal(t, got.Header["Etag"], one.Header["Etag"])
	require.False(t, token.Within(one.Body))
	require.Equal(t, []string{id, string(w.Viewer.Token.ID)}, ids(w.Call(w.Viewer.Secret, list("limit=2")).Items(t)), "by name, folded, then ID") // "Laptop" and "laptop"

	w.Allowed(tok.Secret, rekeytest.Home)
	require.Equal(t, "2031-03-04T05:06:10Z", w.Call(w.Viewer.Secret, on("GET", id)).JSON(t)["last_used_at"])
	w.Call(w.Viewer.Secret, with(on("DELETE", id), "If-Match", `"other"`)).Problem(t, 412, "precondition_failed")
	require.Equal(t, 204, w.Call(tok.Secret, with(on("DELETE", id), "If-Match", one.Header["Etag"])).Status, "the token that calls ends itself, and use moved no ETag")
	w.Loses(tok.Secret)
	gone := w.Call(w.Viewer.Secret, on("GET", id)).JSON(t)
	require.Equal(t, "revoked", gone["status"])
	require.Equal(t, "2031-03-04T05:06:10Z", gone["revoked_at"])
	require.Equal(t, 204, w.Call(w.Viewer.Secret, on("DELETE", id)).Status, "again")
	require.Len(t, w.Records(audit.TokenRevoked), 1)
	require.Equal(t, []string{id}, ids(w.Call(w.Viewer.Secret, list("status=revoked")).Items(t)))
}

func TestToken_PagesGoOnByTheirCursorAndOnlyWithTheSameFilters_F4(t *testing.T) {
	w := httpapitest.New(t)
	for _, name := range []string{"b", "A", "c"} {
		require.Equal(t, 201, w.Call(w.Viewer.Secret, create(`{"name":"`+name+`"}`)).Status)
	}
	var names []any
	query := "limit=1"
	for range 5 {
		page := w.Call(w.Viewer.Secret, list(query)).JSON(t)
		for _, i := range page["items"].([]any) {
			names = append(names, i.(map[string]any)["name"])
		}
		next, more := page["next"].(string)
		if !more {
			break
		}
		w.Call(w.Viewer.Secret, list("status=active&cursor="+next)).Invalid(t, "/cursor")
		w.Call(w.Owner.Secret, list("cursor="+next)).Invalid(t, "/cursor")
		query = "limit=1&cursor=" + next
	}
	require.Equal(t, []any{"A", "b", "c", "laptop"}, names)
	w.Call(w.Viewer.Secret, list("q=a&status=active")).Invalid(t, "/q")
	w.Call(w.Viewer.Secret, list("status=gone")).Invalid(t, "/status")
	w.Call(w.Viewer.Secret, list("order=asc")).Invalid(t, "/order")
}

func TestToken_OthersAreSeenOnlyByWhoeverLooksAfterEmployees_F4_P4(t *testing.T) {
	w := httpapitest.New(t)
	target := string(w.BelowAdmin.Token.ID)
	of := "employee_id=" + string(w.BelowAdmin.Employee.ID)
	require.Equal(t, []string{target}, ids(w.Call(w.Owner.Secret, list(of)).Items(t)))
	require.Contains(t, ids(w.Call(w.Owner.Secret, list("")).Items(t)), string(w.Owner.Token.ID), "the token of set-up")
	require.Equal(t, 200, w.Call(w.Admin.Secret, on("GET", target)).Status)
	for _, caller := range []*rekeytest.Person{w.Viewer, w.Operator, w.SiblingAdmin, w.CompanyAdmin, w.StrangerAdmin} {
		w.Call(caller.Secret, on("GET", target)).Problem(t, 404, "not_found")
		w.Call(caller.Secret, on("DELETE", target)).Problem(t, 404, "not_found")
		if caller == w.CompanyAdmin || caller == w.StrangerAdmin { // inside a company there are no tokens at all
			w.Call(caller.Secret, list("")).Problem(t, 403, "missing_permission")
			continue
		}
		w.Call(caller.Secret, list(of)).Problem(t, 404, "not_found")
		require.NotContains(t, ids(w.Call(caller.Secret, list("")).Items(t)), target)
	}
	for _, id := range []string{"nonsense", "pat_00000000000000000009", "key_00000000000000000009"} {
		w.Call(w.Owner.Secret, on("GET", id)).Problem(t, 404, "not_found")
	}
	w.Call(w.Owner.Secret, list("employee_id=nonsense")).Problem(t, 404, "not_found")
	require.Equal(t, 204, w.Call(w.Admin.Secret, on("DELETE", target)).Status)
	w.Loses(w.BelowAdmin.Secret)
}

func TestToken_IsMadeForNobodyElseAndGivesNothingAway_F4_S2(t *testing.T) {
	w := httpapitest.New(t)
	w.Call(w.Admin.Secret, create(`{"name":"t","employee_id":"`+string(w.Viewer.Employee.ID)+`"}`)).Invalid(t, "/employee_id")
	w.Call(w.Viewer.Secret, create(`{"name":"t","scopes":["keys:issue"]}`)).Problem(t, 403, "not_grantable")
	k := w.Issue(w.AccountWith("Recorder", w.Root, role.Automation).ID, "k")
	p := w.Call(k.Secret, create(`{"name":"t"}`)).Problem(t, 403, "not_grantable")
	require.Contains(t, p["detail"], "a service account is no employee")
	require.Empty(t, w.Call(k.Secret, list("")).Items(t))
	w.Call(k.Secret, on("GET", string(w.Viewer.Token.ID))).Problem(t, 404, "not_found")
	denied := 0
	for _, e := range w.Records(audit.TokenCreated) {
		if e.Outcome == audit.Denied {
			denied++
		}
	}
	require.Equal(t, 2, denied, "refusals are on record")
}

func TestToken_InputIsHeldToItsExactWords_S6(t *testing.T) {
	w := httpapitest.New(t)
	for body, pointer := range map[string]string{
		`{}`: "/name", `{"name":""}`: "/name", `{"name":"` + strings.Repeat("x", 101) + `"}`: "/name", `{"name":"a\u200b"}`: "/name",
		`{"name":"t","scopes":["keys:raed"]}`: "/scopes/0", `{"name":"t","scopes":"keys:read"}`: "/scopes",
		`{"name":"t","expires_at":"2031-03-04T05:06:10Z"}`: "/expires_at", `{"name":"t","expires_at":"2032-03-04T05:06:11Z"}`: "/expires_at",
		`{"name":"t","expires_at":null}`: "/expires_at", `{"name":"t","expires_at":"soon"}`: "/expires_at", `{"name":"t","expires_at":""}`: "/expires_at",
	} {
		w.Call(w.Owner.Secret, create(body)).Invalid(t, pointer)
	}
	require.Equal(t, 201, w.Call(w.Owner.Secret, create(`{"name":"t","expires_at":"2032-03-04T05:06:10Z"}`)).Status)
	made := w.Call(w.Owner.Secret, create(`{"name":"t"}`)).JSON(t)["personal_access_token"].(map[string]any)
	require.Equal(t, w.Now().Add(accesstoken.DefaultLife).Format(time.RFC3339), made["expires_at"])
	require.Len(t, made["scopes"], w.Owner.Token.Scopes.Count())
}

func TestToken_ARepeatHasTheSameAnswerAndSecret_B6(t *testing.T) {
	w := httpapitest.New(t)
	r := with(create(`{"name":"t","scopes":[]}`), "Idempotency-Key", "K")
	first, again := w.Call(w.Viewer.Secret, r), w.Call(w.Viewer.Secret, r)
	require.Equal(t, 201, again.Status)
	require.Equal(t, first.JSON(t), again.JSON(t))
	require.NotEmpty(t, again.JSON(t)["secret"])
	w.Allowed(token.SecretOf(first.JSON(t)["secret"].(string)), rekeytest.Home)
	late := w.Call(w.Viewer.Secret, r).JSON(t)
	require.Equal(t, true, late["secret_withheld"])
	require.NotContains(t, late, "secret")
	r.Body = `{"name":"u"}`
	w.Call(w.Viewer.Secret, with(r, "Idempotency-Key", "K")).Problem(t, 422, "idempotency_mismatch")
}
