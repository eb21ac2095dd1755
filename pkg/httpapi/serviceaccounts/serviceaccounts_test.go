package serviceaccounts_test

import (
	"strings"
	"testing"
	"time"

	"github.com/stretchr/testify/require"

	"github.com/rekey-dev/rekey/pkg/httpapi/httpapitest"
	"github.com/rekey-dev/rekey/pkg/policy"
	"github.com/rekey-dev/rekey/pkg/rekeytest"
	"github.com/rekey-dev/rekey/pkg/token"
)

const members = "id node_id company_id name description role_id status contacts external_id tags locked lock key_count last_used_at " +
	"next_rotation_at created_by created_by_name created_at updated_at"

func create(body string) httpapitest.Request {
	return httpapitest.Request{Method: "POST", Resource: "/service-accounts", Body: body}
}

func list(query string) httpapitest.Request {
	return httpapitest.Request{Method: "GET", Resource: "/service-accounts", Query: query}
}

func on(method, id, action, body string) httpapitest.Request {
	return httpapitest.Request{Method: method, Resource: "/service-accounts/{id}" + action, ID: id, Body: body}
}

func TestSamples_OfServiceAccountsAreAnswered(t *testing.T) {
	for name, status := range map[string]int{"serviceaccounts-list.json": 200, "serviceaccounts-create.json": 201, "serviceaccounts-get.json": 200,
		"serviceaccounts-patch.json": 200, "serviceaccounts-delete.json": 204, "serviceaccounts-revoke.json": 200,
		"serviceaccounts-rotate.json": 201, "serviceaccounts-unlock.json": 200} {
		w := httpapitest.New(t)
		account := w.Account("exporter", w.Root)
		if status == 201 {
			w.Issue(account.ID, "primary")
		}
		got := w.Send(w.Sample(name, "sa_"+httpapitest.Body, string(account.ID)))
		require.Equal(t, status, got.Status, "%s: %s", name, got.Body)
	}
}

func TestCreate_MakesAnAccountWithTheLeastPrivilegeRole_S1(t *testing.T) {
	w := httpapitest.New(t)
	got := w.Call(w.Owner.Secret, create(`{"name":"Ticket bridge","description":"Team Integrations","company_id":"`+string(w.Company.Company)+
		`","contacts":["a@example.com"],"external_id":"T-1","tags":["env:prod","b"]}`))
	require.Equal(t, 201, got.Status, got.Body)
	a := got.JSON(t)
	require.Equal(t, httpapitest.Words(members), httpapitest.Members(a))
	require.Equal(t, "role_BuiltinIntegration00", a["role_id"])
	require.Equal(t, string(w.Company.Company), a["company_id"])
	require.Equal(t, "Team Integrations", a["description"])
	require.Equal(t, []any{"env:prod", "b"}, a["tags"])
	require.Equal(t, "active", a["status"])
	require.Equal(t, false, a["locked"])
	require.EqualValues(t, 0, a["key_count"])
	require.Equal(t, string(w.Owner.Employee.ID), a["created_by"])
	for _, empty := range []string{"lock", "last_used_at", "next_rotation_at"} {
		require.Nil(t, a[empty])
	}
	one := w.Call(w.Owner.Secret, on("GET", a["id"].(string), "", ""))
	require.Equal(t, a, one.JSON(t))
	require.Equal(t, got.Header["Etag"], one.Header["Etag"])
}

func TestCreate_LimitsAreNamedByTheirPointer(t *testing.T) {
	w := httpapitest.New(t)
	at := `"node_id":"` + w.Root.Path + `"`
	secret := w.Issue(w.Account("other", w.Root).ID, "primary").Secret.Reveal()
	for body, pointer := range map[string]string{
		`{` + at + `}`: "/name",
		`{"name":"a"}`: "/node_id",
		`{"name":"a",` + at + `,"company_id":"` + string(w.Company.Company) + `"}`:     "/company_id",
		`{"name":"` + strings.Repeat("ä", 101) + `",` + at + `}`:                       "/name",
		`{"name":"a\n",` + at + `}`:                                                    "/name",
		`{"name":"a",` + at + `,"description":"` + strings.Repeat("x", 501) + `"}`:     "/description",
		`{"name":"a",` + at + `,"external_id":"` + strings.Repeat("x", 101) + `"}`:     "/external_id",
		`{"name":"a",` + at + `,"tags":["ok","No"]}`:                                   "/tags/1",
		`{"name":"a",` + at + `,"tags":["a","b","c","d","e","f","g","h","i","j","k"]}`: "/tags",
		`{"name":"a",` + at + `,"contacts":["a@example.com","nobody"]}`:                "/contacts/1",
		`{"name":"a",` + at + `,"role_id":"role_BuiltinOwner00000000"}`:                "/role_id",
		`{"name":"a",` + at + `,"role_id":"role_00000000000000000001"}`:                "/role_id",
		`{"name":"a",` + at + `,"node":"x"}`:                                           "/node",
		`{"name":"` + secret + `",` + at + `}`:                                         "/name",
		`{"name":"a",` + at + `,"description":"key: ` + secret + `"}`:                  "/description",
		`{"name":"a",` + at + `,"contacts":["` + secret + `@example.com"]}`:            "/contacts/0",
		`{"name":"a",` + at + `,"external_id":"` + secret + `"}`:                       "/external_id",
	} {
		got := w.Call(w.Owner.Secret, create(body))
		got.Invalid(t, pointer)
		require.NotContains(t, got.Body, secret[30:])
	}
	require.Equal(t, 201, w.Call(w.Owner.Secret, create(`{"name":"`+strings.Repeat("ä", 100)+`",`+at+`}`)).Status)
}

func TestCreate_WhereOneMayNotOrNothingIs(t *testing.T) {
	w := httpapitest.New(t)
	for _, at := range []string{`"node_id":"` + string(w.Sibling.Node()) + `"`, `"company_id":"` + string(w.Stranger.Company) + `"`,
		`"node_id":"node_00000000000000000001"`, `"company_id":"nonsense"`} {
		w.Call(w.BelowAdmin.Secret, create(`{"name":"a",`+at+`}`)).Problem(t, 404, "not_found")
	}
	at := `"node_id":"` + string(w.Below.Node()) + `"`
	w.Call(w.Operator.Secret, create(`{"name":"a",`+at+`}`)).Problem(t, 403, "missing_permission")
	require.Equal(t, 201, w.Call(w.BelowAdmin.Secret, create(`{"name":"Ä",`+at+`}`)).Status)
	w.Call(w.BelowAdmin.Secret, create(`{"name":"a\u0308",`+at+`}`)).Problem(t, 409, "conflict")
}

func TestPatch_ChangesWhatIsGivenAndNullEmpties(t *testing.T) {
	w := httpapitest.New(t)
	id := string(w.Account("exporter", w.Company).ID)
	patch := func(body string) httpapitest.Response { return w.Call(w.Owner.Secret, on("PATCH", id, "", body)) }
	a := patch(`{"description":"d","contacts":["a@example.com"],"tags":["x"],"external_id":"e","name":"renamed"}`).JSON(t)
	require.Equal(t, "d", a["description"])
	require.Equal(t, "renamed", a["name"])
	a = patch(`{"description":null,"contacts":null,"tags":null,"external_id":null}`).JSON(t)
	require.Equal(t, "", a["description"])
	require.Equal(t, "", a["external_id"])
	require.Equal(t, []any{}, a["contacts"])
	require.Equal(t, []any{}, a["tags"])
	require.Equal(t, "renamed", a["name"])
	patch(`{"name":null}`).Invalid(t, "/name")
	patch(`{"role_id":null}`).Invalid(t, "/role_id")
	patch(`{"status":"revoked"}`).Invalid(t, "/status")
	patch(`{"node_id":"`+w.Root.Path+`"}`).Invalid(t, "/node_id")
	patch(`{"role_id":"role_BuiltinAdmin00000000"}`).Invalid(t, "/role_id")
}

func TestRevokeAndDelete_StopEveryKeyAndKeepTheRecord_S4(t *testing.T) {
	w := httpapitest.New(t)
	account := w.Account("exporter", w.Company)
	id := string(account.ID)
	shown := w.Issue(account.ID, "primary")
	p := w.Call(w.Owner.Secret, on("DELETE", id, "", "")).Problem(t, 409, "in_use")
	require.Equal(t, []any{map[string]any{"type": "key", "count": 1.0, "ids": []any{string(shown.View.Key.ID)}}}, p["blocked_by"])

	a := w.Call(w.Owner.Secret, on("POST", id, "/revoke", `{"reason":"replaced"}`)).JSON(t)
	require.Equal(t, "revoked", a["status"])
	require.EqualValues(t, 0, a["key_count"])
	again := w.Call(w.Owner.Secret, on("POST", id, "/revoke", ""))
	require.Equal(t, 200, again.Status)
	require.Equal(t, a, again.JSON(t), "again: unchanged")
	key := w.Call(w.Owner.Secret, httpapitest.Request{Method: "GET", Resource: "/keys/{id}", ID: string(shown.View.Key.ID)}).JSON(t)
	require.Equal(t, "revoked", key["status"])
	require.Equal(t, "cessation", key["ended"].(map[string]any)["reason"])
	w.Call(w.Owner.Secret, on("PATCH", id, "", `{"name":"x"}`)).Problem(t, 409, "ended")
	w.Call(w.Owner.Secret, on("POST", id, "/unlock", "")).Problem(t, 409, "ended")
	w.Call(w.Owner.Secret, on("POST", id, "/rotate", "")).Problem(t, 409, "ended")

	require.Equal(t, 204, w.Call(w.Owner.Secret, on("DELETE", id, "", "")).Status)
	w.Call(w.Owner.Secret, on("GET", id, "", "")).Problem(t, 404, "not_found")
	w.Call(w.Owner.Secret, on("DELETE", id, "", "")).Problem(t, 404, "not_found")
	events := w.Call(w.Owner.Secret, httpapitest.Request{Method: "GET", Resource: "/audit-events", Query: "target_id=" + id}).Items(t)
	require.Equal(t, "service_account.deleted", events[0]["action"])
	require.Equal(t, "inactive", events[1]["details"].(map[string]any)["principal_status"])
	require.EqualValues(t, 1, events[1]["details"].(map[string]any)["keys_stopped"])
}

func TestRotate_ReplacesTheOneKeyOrAllOfThem_W8(t *testing.T) {
	w := httpapitest.New(t)
	account := w.Account("exporter", w.Company)
	id := string(account.ID)
	w.Call(w.Owner.Secret, on("POST", id, "/rotate", "")).Problem(t, 409, "conflict")
	shown := w.Issue(account.ID, "primary")
	got := w.Call(w.Owner.Secret, on("POST", id, "/rotate", ""))
	require.Equal(t, 201, got.Status, got.Body)
	body := got.JSON(t)
	require.Equal(t, httpapitest.Words("key secret"), httpapitest.Members(body))
	require.Equal(t, string(shown.View.Key.ID), body["key"].(map[string]any)["id"])

	w.Advance(time.Second)
	w.Issue(account.ID, "secondary")
	p := w.Call(w.Owner.Secret, on("POST", id, "/rotate", "{}")).Problem(t, 409, "conflict")
	require.EqualValues(t, 2, p["blocked_by"].([]any)[0].(map[string]any)["count"])
	r := on("POST", id, "/rotate", `{"all":true}`)
	r.Header = map[string]string{"Idempotency-Key": "k1"}
	first := w.Call(w.Owner.Secret, r)
	require.Equal(t, 201, first.Status)
	require.Equal(t, "secondary", first.JSON(t)["key"].(map[string]any)["name"])
	require.Equal(t, first.Body, w.Call(w.Owner.Secret, r).Body, "a repeat stops nothing and shows the same")
	require.EqualValues(t, 1, w.Call(w.Owner.Secret, on("GET", id, "", "")).JSON(t)["key_count"])

	for _, p := range []*rekeytest.Person{w.Operator, w.Viewer} {
		got := w.Call(p.Secret, on("POST", id, "/rotate", "")).Problem(t, 403, "missing_permission")
		require.Equal(t, "service_accounts:rotate", got["missing_permission"])
	}
	w.Call(w.Owner.Secret, on("POST", id, "/rotate", `{"all":1}`)).Invalid(t, "/all")
	w.Call(w.Owner.Secret, on("POST", id, "/rotate", `{"expires_at":"2001-01-01T00:00:00Z"}`)).Invalid(t, "/expires_at")
}

func TestLock_IsShownWithWhenWhyAndWhoAndUnlockEndsIt_I2(t *testing.T) {
	w := httpapitest.New(t)
	account := w.Account("exporter", w.Company)
	id := string(account.ID)
	shown := w.Issue(account.ID, "primary")
	etag := w.Call(w.Owner.Secret, on("GET", id, "", "")).Header["Etag"]
	w.Guess(shown.Secret, rekeytest.Away, 10)
	got := w.Call(w.Owner.Secret, list("locked=true")).Items(t)
	require.Len(t, got, 1)
	require.Equal(t, true, got[0]["locked"])
	lock := got[0]["lock"].(map[string]any)
	require.Equal(t, httpapitest.Words("since until reason failures effect sources cleared_by"), httpapitest.Members(lock))
	require.EqualValues(t, 10, lock["failures"])
	require.Equal(t, "10 wrong secrets within PT15M", lock["reason"])
	require.Equal(t, "2031-03-04T05:06:10Z", lock["since"])
	require.Equal(t, "2031-03-04T05:36:10Z", lock["until"])
	require.Equal(t, "untrusted_sources", lock["effect"])
	require.Equal(t, []any{"regenerate", "unlock", "time"}, lock["cleared_by"])
	source := lock["sources"].([]any)[0].(map[string]any)
	require.Equal(t, httpapitest.Words("source_ip user_agent key_id failures last_at"), httpapitest.Members(source))
	require.Equal(t, rekeytest.Away, source["source_ip"])

	unlocked := w.Call(w.Owner.Secret, on("POST", id, "/unlock", ""))
	require.Equal(t, 200, unlocked.Status, unlocked.Body)
	require.Equal(t, false, unlocked.JSON(t)["locked"])
	require.Nil(t, unlocked.JSON(t)["lock"])
	require.Equal(t, etag, unlocked.Header["Etag"], "the ETag does not cover locks")
	require.Empty(t, w.Call(w.Owner.Secret, list("locked=true")).Items(t))
}

func TestLock_OfAStrictPolicyIsShownWithItsNumbersAndThatItRefusesAll_B2(t *testing.T) {
	w := httpapitest.New(t)
	w.Policy(rekeytest.At(w.Company), policy.Text{Lock: &policy.LockText{Threshold: rekeytest.To(3), Window: rekeytest.To("PT5M"),
		Duration: rekeytest.To("PT2H"), Strict: rekeytest.To(true)}})
	account := w.Account("exporter", w.Company)
	w.Guess(w.Issue(account.ID, "primary").Secret, rekeytest.Away, 3)
	lock := w.Call(w.Owner.Secret, on("GET", string(account.ID), "", "")).JSON(t)["lock"].(map[string]any)
	require.Equal(t, "3 wrong secrets within PT5M", lock["reason"])
	require.Equal(t, "2031-03-04T07:06:10Z", lock["until"])
	require.Equal(t, "all", lock["effect"])
}

func TestList_FiltersFindWhatTheyName_W7(t *testing.T) {
	w := httpapitest.New(t)
	w.Call(w.Owner.Secret, create(`{"name":"beta","node_id":"`+string(w.Below.Node())+`","tags":["x"],"external_id":"E1"}`))
	w.Account("Alpha", w.Company)
	w.Account("gamma", w.Sibling)
	names := func(s token.Secret, query string) (out []string) {
		for _, a := range w.Call(s, list(query)).Items(t) {
			require.Equal(t, httpapitest.Words(members), httpapitest.Members(a))
			out = append(out, a["name"].(string))
		}
		return out
	}
	owner := w.Owner.Secret
	require.Equal(t, []string{"Alpha", "beta", "gamma"}, names(owner, ""))
	require.Equal(t, []string{"Alpha", "beta"}, names(owner, "node_id="+string(w.Below.Node())))
	require.Equal(t, []string{"beta"}, names(owner, "direct=true&node_id="+string(w.Below.Node())))
	require.Equal(t, []string{"Alpha"}, names(owner, "company_id="+string(w.Company.Company)))
	require.Equal(t, []string{"beta"}, names(owner, "tag=x"))
	require.Equal(t, []string{"beta"}, names(owner, "external_id=E1"))
	require.Equal(t, []string{"Alpha"}, names(owner, "q=al"))
	require.Empty(t, names(owner, "status=revoked"))
	require.Equal(t, []string{"Alpha", "beta"}, names(w.BelowAdmin.Secret, ""))
	for query, pointer := range map[string]string{"status=deleted": "/status", "tag=x&q=a": "/tag", "locked=yes": "/locked", "direct=true": "/direct",
		"node_id=a&company_id=b": "/company_id", "name=x": "/name"} {
		w.Call(owner, list(query)).Invalid(t, pointer)
	}
	w.Call(w.BelowAdmin.Secret, list("node_id="+string(w.Sibling.Node()))).Problem(t, 404, "not_found")
}

func TestAccounts_OfOthersDoNotExist(t *testing.T) {
	w := httpapitest.New(t)
	for _, id := range []string{string(w.Account("foreign", w.Stranger).ID), "sa_00000000000000000001", "sa_1", "key_00000000000000000001", ".."} {
		for _, r := range []httpapitest.Request{on("GET", id, "", ""), on("PATCH", id, "", `{"name":"x"}`), on("DELETE", id, "", ""),
			on("POST", id, "/revoke", ""), on("POST", id, "/rotate", ""), on("POST", id, "/unlock", "")} {
			w.Call(w.BelowAdmin.Secret, r).Problem(t, 404, "not_found")
		}
	}
}
