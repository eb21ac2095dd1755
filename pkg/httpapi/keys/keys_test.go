package keys_test

import (
	"net/url"
	"strings"
	"testing"
	"time"

	"github.com/stretchr/testify/require"

	"github.com/rekey-dev/rekey/pkg/apikey"
	"github.com/rekey-dev/rekey/pkg/httpapi/httpapitest"
	"github.com/rekey-dev/rekey/pkg/permission"
	"github.com/rekey-dev/rekey/pkg/rekeytest"
	"github.com/rekey-dev/rekey/pkg/token"
)

const members = "id type owner node_id company_id name prefix generation scopes status expires_at last_used_at ended revocable " +
	"not_revocable_because rotation_id superseded_by locked retired_seen apps next_rotation_at created_by created_by_name created_at updated_at"

func call(method, resource, id, body string) httpapitest.Request {
	return httpapitest.Request{Method: method, Resource: resource, ID: id, Body: body}
}

func issue(account, body string) httpapitest.Request {
	return call("POST", "/service-accounts/{id}/keys", account, body)
}

func list(query string) httpapitest.Request {
	return httpapitest.Request{Method: "GET", Resource: "/keys", Query: query}
}

func TestSamples_OfKeysAreAnswered(t *testing.T) {
	for name, status := range map[string]int{"keys-list-of-account.json": 200, "keys-issue.json": 201, "keys-list.json": 200, "keys-get.json": 200,
		"keys-patch.json": 200, "keys-revoke.json": 200, "keys-deactivate.json": 200, "keys-activate.json": 200, "keys-regenerate.json": 200,
		"keys-usage.json": 200} {
		w := httpapitest.New(t)
		account := w.Account("exporter", w.Root)
		key := w.Issue(account.ID, "primary").View.Key
		got := w.Send(w.Sample(name, "sa_"+httpapitest.Body, string(account.ID), "key_"+httpapitest.Body, string(key.ID)))
		require.Equal(t, status, got.Status, "%s: %s", name, got.Body)
	}
}

func TestIssue_ShowsTheSecretOnceAndTheKeyWithEveryMember_D2(t *testing.T) {
	w := httpapitest.New(t)
	account := w.Account("exporter", w.Company)
	got := w.Call(w.Owner.Secret, issue(string(account.ID), `{"name":"primary","scopes":["keys:read"],"expires_at":"2031-04-04T05:06:07.999+02:00"}`))
	require.Equal(t, 201, got.Status, got.Body)
	body := got.JSON(t)
	require.Equal(t, httpapitest.Words("key secret warnings"), httpapitest.Members(body))
	require.Equal(t, []any{}, body["warnings"])
	key := body["key"].(map[string]any)
	require.Equal(t, httpapitest.Words(members), httpapitest.Members(key))
	tok, ok := token.Parse(body["secret"].(string))
	require.True(t, ok)
	require.Equal(t, key["id"], tok.ID())
	require.Equal(t, key["prefix"], tok.Prefix())
	require.Equal(t, "2031-04-04T03:06:07Z", key["expires_at"], "to the second, what is finer is cut off")
	require.Equal(t, []any{"keys:read"}, key["scopes"])
	require.Equal(t, map[string]any{"id": string(account.ID), "type": "service_account", "name": "exporter"}, key["owner"])
	require.Equal(t, "active", key["status"])
	require.Equal(t, "secret", key["type"])
	require.Equal(t, true, key["revocable"])
	require.EqualValues(t, 1, key["generation"])
	require.Equal(t, []any{}, key["apps"])
	for _, empty := range []string{"ended", "rotation_id", "superseded_by", "retired_seen", "next_rotation_at", "last_used_at", "not_revocable_because"} {
		require.Nil(t, key[empty], empty)
	}
	one := w.Call(w.Owner.Secret, call("GET", "/keys/{id}", key["id"].(string), ""))
	require.Equal(t, key, one.JSON(t), "a single object is bare")
	require.Equal(t, got.Header["Etag"], one.Header["Etag"])
	require.NotContains(t, one.Body, tok.Secret.Reveal()[25:])
}

func TestIssue_LimitsAreNamedByTheirPointer(t *testing.T) {
	w := httpapitest.New(t)
	account := string(w.Account("exporter", w.Company).ID)
	for body, pointer := range map[string]string{
		`{}`: "/name", `{"name":""}`: "/name", `{"name":"` + strings.Repeat("x", 101) + `"}`: "/name", `{"name":" a"}`: "/name",
		`{"name":"a\u0007"}`: "/name", `{"name":"a\u200b"}`: "/name", `{"name":"a","scopes":["keys:read","nonsense"]}`: "/scopes/1",
		`{"name":"a","scopes":["nodes:read"]}`: "/scopes/0", `{"name":"a","scopes":["keys:issue"]}`: "/scopes/0",
		`{"name":"a","scopes":["keys:read","keys:read"]}`: "/scopes/1", `{"name":"a","scopes":null}`: "/scopes",
		`{"name":"a","expires_at":"2031-03-04T05:06:10Z"}`: "/expires_at", `{"name":"a","expires_at":"0001-01-01T00:00:00Z"}`: "/expires_at",
		`{"name":"a","type":"keypair"}`: "/type", `{"name":"a","scope":[]}`: "/scope",
	} {
		w.Call(w.Owner.Secret, issue(account, body)).Invalid(t, pointer)
	}
	many := `{"name":"a","scopes":["` + strings.Repeat(`keys:read","`, 80) + `keys:read"]}`
	w.Call(w.Owner.Secret, issue(account, many)).Invalid(t, "/scopes")
}

func TestIssue_LeftOutScopesAreTheRolesAndAnEmptyListGrantsNothing_D1(t *testing.T) {
	w := httpapitest.New(t)
	account := string(w.Account("exporter", w.Company).ID)
	key := w.Call(w.Owner.Secret, issue(account, `{"name":"a"}`)).JSON(t)["key"].(map[string]any)
	require.Len(t, key["scopes"], 7)
	require.Nil(t, key["expires_at"])
	key = w.Call(w.Owner.Secret, issue(account, `{"name":"a","scopes":[],"expires_at":null}`)).JSON(t)["key"].(map[string]any)
	require.Equal(t, []any{}, key["scopes"])
	require.Nil(t, key["expires_at"])
}

func TestIssue_ARepeatShowsTheSameSecretUntilItsFirstUse_B6(t *testing.T) {
	w := httpapitest.New(t)
	r := issue(string(w.Account("exporter", w.Company).ID), `{"name":"primary"}`)
	r.Header = map[string]string{"Idempotency-Key": "k1"}
	first := w.Call(w.Owner.Secret, r)
	require.Equal(t, 201, first.Status)
	again := w.Call(w.Owner.Secret, r)
	require.Equal(t, first.Body, again.Body)
	require.Equal(t, first.Header["Etag"], again.Header["Etag"])

	w.Allowed(token.SecretOf(first.JSON(t)["secret"].(string)), rekeytest.Home)
	after := w.Call(w.Owner.Secret, r).JSON(t)
	require.Equal(t, true, after["secret_withheld"])
	require.NotContains(t, after, "secret")

	other := r
	other.Body = `{"name":"secondary"}`
	w.Call(w.Owner.Secret, other).Problem(t, 422, "idempotency_mismatch")
	require.NotEqual(t, first.JSON(t)["secret"], w.Call(w.Admin.Secret, r).JSON(t)["secret"], "another caller's key is another call")
	w.Advance(25 * time.Hour)
	require.NotEqual(t, first.JSON(t)["key"], w.Call(w.Owner.Secret, r).JSON(t)["key"])
}

func TestIssue_OnlyOwnersAndAdminsMay_D11(t *testing.T) {
	w := httpapitest.New(t)
	account := string(w.Account("exporter", w.Company).ID)
	for _, p := range []*rekeytest.Person{w.Owner, w.Admin, w.BelowAdmin, w.CompanyAdmin} {
		require.Equal(t, 201, w.Call(p.Secret, issue(account, `{"name":"a"}`)).Status)
	}
	for _, p := range []*rekeytest.Person{w.Operator, w.Viewer} {
		got := w.Call(p.Secret, issue(account, `{"name":"a"}`)).Problem(t, 403, "missing_permission")
		require.Equal(t, "keys:issue", got["missing_permission"])
		require.Equal(t, "", got["missing_scope"])
	}
	for _, p := range []*rekeytest.Person{w.SiblingAdmin, w.StrangerAdmin} {
		w.Call(p.Secret, issue(account, `{"name":"a"}`)).Problem(t, 404, "not_found")
	}
}

func TestPatch_HonoursIfMatchAndOnlyNarrowsTheScopes(t *testing.T) {
	w := httpapitest.New(t)
	account := w.Account("exporter", w.Company)
	id := string(w.IssueWith(account.ID, apikey.Issue{Name: "primary", Scopes: rekeytest.Of(permission.KeysRead, permission.AppsManage)}).View.Key.ID)
	patch := func(etag, body string) httpapitest.Response {
		r := call("PATCH", "/keys/{id}", id, body)
		r.Header = map[string]string{"If-Match": etag, "Content-Type": "application/merge-patch+json"}
		return w.Call(w.Owner.Secret, r)
	}
	etag := w.Call(w.Owner.Secret, call("GET", "/keys/{id}", id, "")).Header["Etag"]
	got := patch(etag, `{"scopes":["keys:read"],"expires_at":"2031-06-01T00:00:00Z","name":"narrow"}`)
	require.Equal(t, 200, got.Status, got.Body)
	key := got.JSON(t)
	require.Equal(t, []any{}, key["warnings"])
	require.Equal(t, []any{"keys:read"}, key["scopes"])
	require.Equal(t, "narrow", key["name"])
	require.NotEqual(t, etag, got.Header["Etag"])
	patch(etag, `{"name":"late"}`).Problem(t, 412, "precondition_failed")
	require.Nil(t, patch("*", `{"expires_at":null}`).JSON(t)["expires_at"])
	patch("*", `{"scopes":["keys:read","apps:manage"]}`).Invalid(t, "/scopes/1")
	patch("*", `{"name":null}`).Invalid(t, "/name")
	patch("*", `{"status":"revoked"}`).Invalid(t, "/status")
	patch("*", `{"expires_at":"2031-03-04T05:06:10Z"}`).Invalid(t, "/expires_at")
}

func TestUse_DoesNotMoveTheETag_D3(t *testing.T) {
	w := httpapitest.New(t)
	shown := w.Issue(w.Account("exporter", w.Company).ID, "primary")
	get := call("GET", "/keys/{id}", string(shown.View.Key.ID), "")
	before := w.Call(w.Owner.Secret, get)
	w.Allowed(shown.Secret, rekeytest.Home)
	after := w.Call(w.Owner.Secret, get)
	require.NotNil(t, after.JSON(t)["last_used_at"])
	require.Equal(t, before.Header["Etag"], after.Header["Etag"])
}

func TestRevoke_SaysWhenByWhomAndWhyAndIsFinal_D4(t *testing.T) {
	w := httpapitest.New(t)
	id := string(w.Issue(w.Account("exporter", w.Company).ID, "primary").View.Key.ID)
	revoke := call("POST", "/keys/{id}/revoke", id, `{"reason":"key_compromise","note":"seen in a log"}`)
	got := w.Call(w.Owner.Secret, revoke)
	require.Equal(t, 200, got.Status, got.Body)
	key := got.JSON(t)
	require.Equal(t, "revoked", key["status"])
	require.Equal(t, map[string]any{"at": "2031-03-04T05:06:10Z", "by": string(w.Owner.Employee.ID), "reason": "key_compromise"}, key["ended"])
	require.Equal(t, false, key["revocable"])
	require.NotEmpty(t, key["not_revocable_because"])
	w.Advance(time.Minute)
	again := w.Call(w.Owner.Secret, call("POST", "/keys/{id}/revoke", id, ""))
	require.Equal(t, 200, again.Status)
	require.Equal(t, key["ended"], again.JSON(t)["ended"], "again: unchanged")
	for _, action := range []string{"activate", "deactivate", "regenerate"} {
		w.Call(w.Owner.Secret, call("POST", "/keys/{id}/"+action, id, "")).Problem(t, 409, "ended")
	}
	w.Call(w.Owner.Secret, call("PATCH", "/keys/{id}", id, `{"name":"x"}`)).Problem(t, 409, "ended")
	w.Call(w.Owner.Secret, call("POST", "/keys/{id}/revoke", id, `{"reason":"because"}`)).Invalid(t, "/reason")
	w.Call(w.Owner.Secret, call("POST", "/keys/{id}/revoke", id, `{"note":"rka_7Hq2cXv9LmN4pQr8sT1w_abc"}`)).Invalid(t, "/note")
}

func TestActions_SwitchOffAndOnAndReplaceTheSecret_I1(t *testing.T) {
	w := httpapitest.New(t)
	shown := w.Issue(w.Account("exporter", w.Company).ID, "primary")
	id := string(shown.View.Key.ID)
	act := func(action string) map[string]any {
		got := w.Call(w.Owner.Secret, call("POST", "/keys/{id}/"+action, id, ""))
		require.Equal(t, 200, got.Status, got.Body)
		return got.JSON(t)
	}
	require.Equal(t, "inactive", act("deactivate")["status"])
	require.Equal(t, "active", act("activate")["status"])
	body := act("regenerate")
	require.Equal(t, httpapitest.Words("key secret"), httpapitest.Members(body))
	key := body["key"].(map[string]any)
	require.Equal(t, id, key["id"], "same ID, new secret")
	require.EqualValues(t, 2, key["generation"])
	require.NotEqual(t, shown.Secret.Reveal(), body["secret"])
	require.Equal(t, shown.Secret.Reveal()[:25], body["secret"].(string)[:25])
	require.Equal(t, 200, w.Call(w.Owner.Secret, call("POST", "/keys/{id}/regenerate", id, `{"force":true,"expires_at":null}`)).Status)
	w.Call(w.Owner.Secret, call("POST", "/keys/{id}/regenerate", id, `{"expires_at":"2001-01-01T00:00:00Z"}`)).Invalid(t, "/expires_at")
	w.Call(w.Owner.Secret, call("POST", "/keys/{id}/activate", id, `{"now":true}`)).Invalid(t, "/now")
}

func TestKeys_OfOthersDoNotExist(t *testing.T) {
	w := httpapitest.New(t)
	id := string(w.Issue(w.Account("foreign", w.Stranger).ID, "primary").View.Key.ID)
	for _, id := range []string{id, "key_00000000000000000001", "key_1", "..", "pat_" + id[4:]} {
		w.Call(w.BelowAdmin.Secret, call("GET", "/keys/{id}", id, "")).Problem(t, 404, "not_found")
		w.Call(w.BelowAdmin.Secret, call("PATCH", "/keys/{id}", id, `{"name":"x"}`)).Problem(t, 404, "not_found")
		for _, action := range []string{"revoke", "activate", "deactivate", "regenerate"} {
			w.Call(w.BelowAdmin.Secret, call("POST", "/keys/{id}/"+action, id, "")).Problem(t, 404, "not_found")
		}
	}
	for _, id := range []string{"sa_00000000000000000001", "sa_1", ".."} {
		w.Call(w.BelowAdmin.Secret, issue(id, `{"name":"a"}`)).Problem(t, 404, "not_found")
		w.Call(w.BelowAdmin.Secret, call("GET", "/service-accounts/{id}/keys", id, "")).Problem(t, 404, "not_found")
	}
}

func TestLists_AreOfAPlaceByNameAndOfAnAccountNewestFirst(t *testing.T) {
	w := httpapitest.New(t)
	account, foreign := w.Account("exporter", w.Company), w.Account("foreign", w.Stranger)
	for _, name := range []string{"beta", "Alpha", "gamma", "alpha"} {
		w.Issue(account.ID, name)
		w.Advance(time.Second)
	}
	w.Issue(foreign.ID, "delta")
	names := func(r httpapitest.Request) (out []string) {
		cursor := ""
		for {
			page := r
			page.Query += cursor
			got := w.Call(w.BelowAdmin.Secret, page)
			for _, k := range got.Items(t) {
				require.Equal(t, httpapitest.Words(members), httpapitest.Members(k))
				out = append(out, strings.ToLower(k["name"].(string)))
			}
			next, ok := got.JSON(t)["next"].(string)
			if !ok {
				return out
			}
			cursor = "&cursor=" + url.QueryEscape(next)
		}
	}
	byName := []string{"alpha", "alpha", "beta", "gamma"}
	require.Equal(t, byName, names(list("limit=3")), "the caller's own place")
	require.Equal(t, byName, names(list("limit=1&company_id="+string(w.Company.Company))))
	require.Equal(t, byName, names(list("limit=2&service_account_id="+string(account.ID))))
	require.Equal(t, byName[:2], names(list("limit=1&q=ALPH")))
	require.Empty(t, names(list("direct=true&node_id="+string(w.Below.Node()))))
	require.Equal(t, byName, names(list("node_id="+string(w.Below.Node()))))
	of := call("GET", "/service-accounts/{id}/keys", string(account.ID), "")
	of.Query = "limit=3"
	require.Equal(t, []string{"alpha", "gamma", "alpha", "beta"}, names(of))

	for query, pointer := range map[string]string{
		"status=active&q=a": "/q", "locked=false": "/locked", "status=dead": "/status", "prefix=rka": "/prefix", "owner_type=employee": "/owner_type",
		"company_id=co_1&service_account_id=sa_1": "/service_account_id", "expires_before=soon": "/expires_before", "unused_for=P1D": "/unused_for", "direct=true": "/direct",
	} {
		w.Call(w.BelowAdmin.Secret, list(query)).Invalid(t, pointer)
	}
	for _, query := range []string{"company_id=" + string(w.Stranger.Company), "service_account_id=" + string(foreign.ID), "service_account_id=x"} {
		w.Call(w.BelowAdmin.Secret, list(query)).Problem(t, 404, "not_found")
	}
}

func TestLists_FiltersFindWhatTheyName(t *testing.T) {
	w := httpapitest.New(t)
	account := w.Account("exporter", w.Company)
	first, second := w.Issue(account.ID, "first"), w.Issue(account.ID, "second")
	other := w.Issue(w.Account("quiet", w.Company).ID, "third")
	w.Call(w.Owner.Secret, call("POST", "/keys/{id}/revoke", string(first.View.Key.ID), ""))
	w.Guess(second.Secret, rekeytest.Away, 10)
	ids := func(query string) []string {
		out := []string{}
		for _, k := range w.Call(w.Owner.Secret, list(query)).Items(t) {
			out = append(out, k["name"].(string))
		}
		return out
	}
	require.Equal(t, []string{"first"}, ids("status=revoked"))
	require.Equal(t, []string{"second", "third"}, ids("status=active"))
	require.Equal(t, []string{"first", "second"}, ids("locked=true"), "I2: keys of locked accounts")
	require.Equal(t, []string{"third"}, ids("q="+string(other.View.Key.ID)))
	require.Equal(t, []string{"third"}, ids("prefix="+other.View.Key.Prefix()))
	require.Equal(t, []string{"first", "second", "third"}, ids("owner_type=service_account"))
	require.Empty(t, ids("owner_type=gateway"))
}
