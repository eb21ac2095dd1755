package companies_test

import (
	"fmt"
	"slices"
	"strings"
	"testing"

	"github.com/stretchr/testify/require"

	"github.com/rekey-dev/rekey/pkg/audit"
	"github.com/rekey-dev/rekey/pkg/httpapi/httpapitest"
	"github.com/rekey-dev/rekey/pkg/policy"
	"github.com/rekey-dev/rekey/pkg/rekeytest"
	"github.com/rekey-dev/rekey/pkg/role"
	"github.com/rekey-dev/rekey/pkg/verify"
)

const members = "id node_id name package_id status account_owner external_id tags created_by created_by_name created_at updated_at"

const owner = `{"first_name":"Grace","last_name":"Hopper","email":"Grace@Example.COM"}`

func create(node, name string) httpapitest.Request {
	return httpapitest.Request{Method: "POST", Resource: "/companies", Body: fmt.Sprintf(`{"node_id":%q,"name":%q,"package_id":"tiny","account_owner":%s}`, node, name, owner)}
}

func on(method, company, body string) httpapitest.Request {
	return httpapitest.Request{Method: method, Resource: "/companies/{id}", ID: company, Body: body}
}

func act(action, company, body string) httpapitest.Request {
	return httpapitest.Request{Method: "POST", Resource: "/companies/{id}/" + action, ID: company, Body: body}
}

func list(query string) httpapitest.Request {
	return httpapitest.Request{Method: "GET", Resource: "/companies", Query: query}
}

func account(company, name string) httpapitest.Request {
	return httpapitest.Request{Method: "POST", Resource: "/service-accounts", Body: fmt.Sprintf(`{"company_id":%q,"name":%q}`, company, name)}
}

func issue(account string) httpapitest.Request {
	return httpapitest.Request{Method: "POST", Resource: "/service-accounts/{id}/keys", ID: account, Body: `{"name":"k"}`}
}

// text is a member of an answer, which has to be a success.
func text(t *testing.T, r httpapitest.Response, member string) string {
	t.Helper()
	require.Less(t, r.Status, 300, r.Body)
	return r.JSON(t)[member].(string)
}

func field(items []map[string]any, member string) []string {
	out := []string{}
	for _, i := range items {
		out = append(out, i[member].(string))
	}
	return out
}

func TestSamples_OfCompaniesAreAnswered(t *testing.T) {
	for name, status := range map[string]int{"companies-list.json": 200, "companies-create.json": 201, "companies-get.json": 200, "companies-patch.json": 200,
		"companies-suspend.json": 200, "companies-resume.json": 200, "companies-delete.json": 204} {
		w := httpapitest.New(t)
		made := text(t, w.Call(w.Owner.Secret, create(w.Below.ID(), "West")), "id")
		got := w.Send(w.Sample(name, "co_1South000000000000C3", made, "node_1South000000000000B2", w.Below.ID(), `\"business\"`, `\"tiny\"`, `\"unlimited\"`, `\"large\"`))
		require.Equal(t, status, got.Status, "%s: %s", name, got.Body)
	}
}

func TestCompany_IsMadeShownChangedAndDeleted_W5(t *testing.T) {
	w := httpapitest.New(t)
	got := w.Call(w.Owner.Secret, create(w.Below.ID(), "Initech"))
	require.Equal(t, 201, got.Status, got.Body)
	c := got.JSON(t)
	require.Equal(t, httpapitest.Words(members), httpapitest.Members(c))
	require.Equal(t, map[string]any{"first_name": "Grace", "last_name": "Hopper", "email": "Grace@example.com"}, c["account_owner"])
	require.Equal(t, w.Below.ID(), c["node_id"])
	require.Equal(t, "active", c["status"])
	require.Equal(t, []any{}, c["tags"])
	co := c["id"].(string)
	for _, reader := range []*rekeytest.Person{w.Viewer, w.BelowAdmin} {
		require.Equal(t, c, w.Call(reader.Secret, on("GET", co, "")).JSON(t))
	}

	stale := on("PATCH", co, `{"name":"x"}`)
	stale.Header = map[string]string{"If-Match": `"other"`}
	w.Call(w.Owner.Secret, stale).Problem(t, 412, "precondition_failed")
	changed := w.Call(w.Owner.Secret, on("PATCH", co, `{"name":"Hooli","package_id":"large","account_owner":{"email":"g@EXAMPLE.org"},"external_id":"C-1","tags":["tier:gold"]}`)).JSON(t)
	require.Equal(t, "Hooli", changed["name"])
	require.Equal(t, "large", changed["package_id"])
	require.Equal(t, map[string]any{"first_name": "Grace", "last_name": "Hopper", "email": "g@example.org"}, changed["account_owner"])
	require.Equal(t, "C-1", changed["external_id"])
	emptied := w.Call(w.Owner.Secret, on("PATCH", co, `{"external_id":null,"tags":null}`)).JSON(t)
	require.Equal(t, "", emptied["external_id"])
	require.Equal(t, []any{}, emptied["tags"])
	same := w.Call(w.Owner.Secret, on("PATCH", co, `{"name":"Hooli"}`))
	require.Equal(t, emptied, same.JSON(t))
	require.Len(t, w.Records(audit.CompanyUpdated), 2, "nothing changed, so nothing is recorded")

	require.Equal(t, 204, w.Call(w.Owner.Secret, on("DELETE", co, "")).Status)
	for _, gone := range []httpapitest.Request{on("GET", co, ""), on("PATCH", co, `{"name":"x"}`), on("DELETE", co, ""), act("suspend", co, "{}"), act("resume", co, "{}"),
		account(co, "x"), {Method: "GET", Resource: "/service-accounts", Query: "company_id=" + co}} {
		w.Call(w.Owner.Secret, gone).Problem(t, 404, "not_found")
	}
	require.Empty(t, w.Call(w.Owner.Secret, list("q="+co)).Items(t))
	require.Equal(t, 201, w.Call(w.Owner.Secret, create(w.Below.ID(), "HOOLI")).Status, "its name is free again")
	require.NotEmpty(t, w.Record(audit.CompanyDeleted), "the records stay")
}

func TestCompany_TextsAreCheckedByPointer_W5_W4(t *testing.T) {
	w := httpapitest.New(t)
	body := func(edits ...string) httpapitest.Request {
		r := create(w.Below.ID(), "Initech")
		r.Body = strings.NewReplacer(edits...).Replace(strings.TrimSuffix(r.Body, "}") + `,"external_id":"E","tags":["a","b"]}`)
		return r
	}
	for pointer, edit := range map[string][2]string{
		"/name":                     {`Initech`, `a\u200bb`},
		"/package_id":               {`tiny`, `gold`},
		"/account_owner/first_name": {`Grace"`, `\u0007"`},
		"/account_owner/last_name":  {`"Hopper"`, `""`},
		"/account_owner/email":      {`Grace@Example.COM`, `grace@ex\u00e4mple.com`},
		"/external_id":              {`"E"`, `"\u0000"`},
		"/tags/1":                   {`"b"`, `"a"`},
		"/tags/0":                   {`"a"`, `"A"`},
		"/account_owner":            {`,"account_owner":` + owner, ``},
	} {
		w.Call(w.Owner.Secret, body(edit[0], edit[1])).Invalid(t, pointer)
	}
	require.Equal(t, 201, w.Call(w.Owner.Secret, body()).Status)
	w.Call(w.Owner.Secret, body("Initech", "INITECH")).Problem(t, 409, "conflict")
	other := text(t, w.Call(w.Owner.Secret, create(w.Below.ID(), "Hooli")), "id")
	w.Call(w.Owner.Secret, on("PATCH", other, `{"name":"initech"}`)).Problem(t, 409, "conflict")
	w.Call(w.Owner.Secret, on("PATCH", other, `{"package_id":"gold"}`)).Invalid(t, "/package_id")
	w.Call(w.Owner.Secret, on("PATCH", other, `{"node_id":"`+w.Root.ID()+`"}`)).Invalid(t, "/node_id")
	w.Call(w.Owner.Secret, on("PATCH", other, `{"account_owner":{"email":"nobody"}}`)).Invalid(t, "/account_owner/email")
	w.Call(w.Owner.Secret, on("PATCH", other, `{"account_owner":null}`)).Invalid(t, "/account_owner")
	w.Call(w.Owner.Secret, create("nonsense", "x")).Problem(t, 404, "not_found")
	w.Call(w.Owner.Secret, create("node_00000000000000000009", "x")).Problem(t, 404, "not_found")
	require.Equal(t, 201, w.Call(w.Owner.Secret, create(w.Root.ID(), "Initech")).Status, "of another node")
}

func TestCompanies_AreListedByNameWithinTheCallersPlace_W5(t *testing.T) {
	w := httpapitest.New(t)
	beta := text(t, w.Call(w.Owner.Secret, create(w.Root.ID(), "beta")), "id")
	zulu := text(t, w.Call(w.Owner.Secret, create(w.Below.ID(), "Zulu")), "id")
	text(t, w.Call(w.Owner.Secret, act("suspend", zulu, "")), "id")
	names := func(p *rekeytest.Person, query string) []string {
		return field(w.Call(p.Secret, list(query)).Items(t), "name")
	}
	require.Equal(t, []string{"Acme", "beta", "Globex", "Zulu"}, names(w.Owner, ""))
	require.Equal(t, []string{"Acme", "Zulu"}, names(w.Owner, "node_id="+w.Below.ID()))
	require.Equal(t, []string{"beta"}, names(w.Owner, "direct=true&node_id="+w.Root.ID()))
	require.Equal(t, []string{"Zulu"}, names(w.Owner, "status=suspended"))
	require.Equal(t, []string{"Acme", "Globex"}, names(w.Owner, "package_id=large"))
	require.Equal(t, []string{"Zulu"}, names(w.Owner, "q=ZU&node_id="+w.Below.ID()))
	require.Equal(t, []string{"beta"}, names(w.Owner, "q="+beta))
	require.Empty(t, names(w.Owner, "q="+beta+"&node_id="+w.Below.ID()))
	require.Empty(t, names(w.Owner, "direct=true&q="+zulu+"&node_id="+w.Root.ID()))
	require.Equal(t, []string{"Acme", "Zulu"}, names(w.BelowAdmin, ""))
	require.Equal(t, []string{"Acme"}, names(w.CompanyAdmin, ""), "a company sees its own only")
	require.Empty(t, names(w.CompanyAdmin, "q="+zulu))
	w.Call(w.SiblingAdmin.Secret, list("node_id="+w.Below.ID())).Problem(t, 404, "not_found")
	w.Call(w.CompanyAdmin.Secret, list("node_id="+w.Below.ID())).Problem(t, 404, "not_found")
	w.Call(w.Owner.Secret, list("status=active&package_id=tiny")).Invalid(t, "/package_id")
	w.Call(w.Owner.Secret, list("direct=true")).Invalid(t, "/direct")

	first := w.Call(w.Owner.Secret, list("limit=3"))
	require.Len(t, first.Items(t), 3)
	rest := w.Call(w.Owner.Secret, list("limit=3&cursor="+first.JSON(t)["next"].(string)))
	require.Equal(t, []string{"Zulu"}, field(rest.Items(t), "name"))
	require.Nil(t, rest.JSON(t)["next"])
}

func TestSuspend_StopsEveryKeyOfTheCompanyAtItsNextRequestUntilItIsResumed_W5(t *testing.T) {
	w := httpapitest.New(t)
	co := w.Company.ID()
	a := w.Account("Recorder", w.Company)
	k := w.Issue(a.ID, "k")
	status := func() map[string]any {
		return w.Do(httpapitest.Request{Method: "POST", Resource: "/key-status", Body: `{"secret":"` + k.Secret.Reveal() + `"}`}).JSON(t)
	}
	w.Allowed(k.Secret, rekeytest.Home)

	suspended := w.Call(w.Owner.Secret, act("suspend", co, `{"reason":"invoice 4711 is unpaid"}`))
	require.Equal(t, "suspended", text(t, suspended, "status"))
	w.Loses(k.Secret)
	require.Equal(t, "company_suspended", status()["status"])
	again := w.Call(w.Owner.Secret, act("suspend", co, "{}"))
	require.Equal(t, 200, again.Status)
	require.Equal(t, suspended.JSON(t), again.JSON(t), "again: unchanged")
	w.Call(w.Owner.Secret, account(co, "Second")).Problem(t, 409, "company_suspended")
	w.Call(w.Owner.Secret, issue(string(a.ID))).Problem(t, 409, "company_suspended")
	require.NotEqual(t, verify.Allow, w.Request(w.CompanyAdmin.Secret, rekeytest.Home).Class, "who stands in the company is out, too")

	require.Equal(t, "active", text(t, w.Call(w.Owner.Secret, act("resume", co, "")), "status"))
	text(t, w.Call(w.Owner.Secret, act("resume", co, "")), "status")
	w.Allowed(k.Secret, rekeytest.Home)
	require.Equal(t, "active", status()["status"])

	e := w.Record(audit.CompanySuspended)
	require.Equal(t, audit.Target{Type: "company", ID: co, Name: "Acme"}, e.Target)
	require.Equal(t, "invoice 4711 is unpaid", e.Details["reason"])
	require.Equal(t, w.Company, e.Place)
	require.EqualValues(t, e.Seq+1, w.Record(audit.CompanyResumed).Seq)
}

func TestSuspend_ARepeatAnswersTheSame_B6(t *testing.T) {
	w := httpapitest.New(t)
	r := act("suspend", w.Company.ID(), `{}`)
	r.Header = map[string]string{"Idempotency-Key": "K"}
	first := w.Call(w.Owner.Secret, r)
	text(t, w.Call(w.Owner.Secret, act("resume", w.Company.ID(), "")), "status")
	require.Equal(t, first.Body, w.Call(w.Owner.Secret, r).Body)
	require.Equal(t, "active", text(t, w.Call(w.Owner.Secret, on("GET", w.Company.ID(), "")), "status"), "a repeat suspends nobody anew")
	c := create(w.Below.ID(), "Initech")
	c.Header = map[string]string{"Idempotency-Key": "C"}
	made := w.Call(w.Owner.Secret, c)
	require.Equal(t, made.Body, w.Call(w.Owner.Secret, c).Body)
	require.Len(t, w.Call(w.Owner.Secret, list("q=Initech")).Items(t), 1)
}

func TestDelete_NamesWhatIsLeftAndRevokedAccountsAreNot_W5(t *testing.T) {
	w := httpapitest.New(t)
	co := w.Company.ID()
	var active []any
	for i := range 12 {
		active = append(active, string(w.Account(fmt.Sprintf("Account %02d", i), w.Company).ID))
	}
	revoked := w.Account("Account", w.Company)
	key := w.Issue(revoked.ID, "k")
	revoke := func(account any) {
		require.Equal(t, 200, w.Call(w.Owner.Secret, httpapitest.Request{Method: "POST", Resource: "/service-accounts/{id}/revoke", ID: account.(string)}).Status)
	}
	revoke(string(revoked.ID))
	p := w.Policy(rekeytest.At(w.Company), policy.Text{Overlap: rekeytest.To("P2D")})
	left := w.Call(w.Owner.Secret, on("DELETE", co, "")).Problem(t, 409, "in_use")["blocked_by"].([]any)
	require.Equal(t, []any{map[string]any{"type": "service_account", "count": 12.0, "ids": active[:10]},
		map[string]any{"type": "rotation_policy", "count": 1.0, "ids": []any{}}}, left)
	for _, a := range active {
		revoke(a)
	}
	w.Call(w.Owner.Secret, on("DELETE", co, "")).Problem(t, 409, "in_use")
	require.NoError(t, w.Policies.Delete(w.Ctx, w.As(w.Owner), p.ID))
	require.Equal(t, 204, w.Call(w.Owner.Secret, on("DELETE", co, "")).Status)
	w.Loses(key.Secret)
	require.Equal(t, "revoked", text(t, w.Call(w.Owner.Secret, httpapitest.Request{Method: "GET", Resource: "/service-accounts/{id}", ID: string(revoked.ID)}), "status"))
	require.Equal(t, 204, w.Call(w.Owner.Secret, httpapitest.Request{Method: "DELETE", Resource: "/service-accounts/{id}", ID: string(revoked.ID)}).Status)
	require.NotEqual(t, verify.Allow, w.Request(w.CompanyAdmin.Secret, rekeytest.Home).Class)
}

func TestIssue_StopsAtThePackagesLimitAndCountsWhatEnded_W4_S7(t *testing.T) {
	w := httpapitest.New(t)
	co := text(t, w.Call(w.Owner.Secret, create(w.Below.ID(), "Initech")), "id") // tiny: two keys
	var accounts, keys []string
	for i := range 5 { // accounts are not limited
		accounts = append(accounts, text(t, w.Call(w.Owner.Secret, account(co, fmt.Sprint("Account ", i))), "id"))
	}
	for i := range 2 {
		r := w.Call(w.Owner.Secret, issue(accounts[i]))
		require.Equal(t, 201, r.Status, r.Body)
		keys = append(keys, r.JSON(t)["key"].(map[string]any)["id"].(string))
	}
	full := func() map[string]any {
		return w.Call(w.Owner.Secret, issue(accounts[4])).Problem(t, 409, "limit_reached")
	}
	p := full()
	require.Contains(t, p["detail"], "tiny allows 2 keys")
	require.Equal(t, []any{map[string]any{"type": "key", "count": 2.0, "ids": []any{}}}, p["blocked_by"])

	rotated := w.Call(w.Owner.Secret, httpapitest.Request{Method: "POST", Resource: "/keys/{id}/rotate", ID: keys[0], Body: `{"mode":"overlap"}`})
	require.Equal(t, 201, rotated.Status, "a rotation may exceed the limit by its successor: %s", rotated.Body)
	require.Equal(t, 3.0, full()["blocked_by"].([]any)[0].(map[string]any)["count"])
	revoke := func(key string) {
		require.Equal(t, 200, w.Call(w.Owner.Secret, httpapitest.Request{Method: "POST", Resource: "/keys/{id}/revoke", ID: key}).Status)
	}
	revoke(keys[0])
	full()
	revoke(keys[1])
	require.Equal(t, 201, w.Call(w.Owner.Secret, issue(accounts[4])).Status, "one has room again")
	full()
	require.Equal(t, 200, w.Call(w.Owner.Secret, on("PATCH", co, `{"package_id":"large"}`)).Status)
	require.Equal(t, 201, w.Call(w.Owner.Secret, issue(accounts[3])).Status)
	require.Equal(t, 200, w.Call(w.Owner.Secret, on("PATCH", co, `{"package_id":"tiny"}`)).Status, "a smaller package stops no key")
	full()
	require.Equal(t, 201, w.Call(w.Owner.Secret, issue(string(w.Account("Elsewhere", w.Below).ID))).Status, "a node has no package")
}

func TestCompanies_WallsHold_P4(t *testing.T) {
	w := httpapitest.New(t)
	co := w.Company.ID()
	for _, request := range []httpapitest.Request{on("GET", co, ""), on("PATCH", co, `{"name":"x"}`), on("DELETE", co, ""), act("suspend", co, "{}"), act("resume", co, "{}"), create(w.Below.ID(), "x")} {
		for _, caller := range []*rekeytest.Person{w.SiblingAdmin, w.StrangerAdmin} {
			w.Call(caller.Secret, request).Problem(t, 404, "not_found")
		}
		if request.Method != "GET" {
			p := w.Call(w.Operator.Secret, request).Problem(t, 403, "missing_permission")
			require.Contains(t, p, "missing_scope")
		}
	}
	w.Call(w.CompanyAdmin.Secret, create(w.Below.ID(), "x")).Problem(t, 404, "not_found")
	for _, action := range []string{audit.CompanyCreated, audit.CompanyUpdated, audit.CompanySuspended, audit.CompanyResumed, audit.CompanyDeleted} {
		require.True(t, slices.ContainsFunc(w.Records(action), func(e audit.Event) bool { return e.Outcome == audit.Denied }), "a refusal of %s is on record", action)
	}
	w.Call(w.Owner.Secret, on("GET", "co_00000000000000000009", "")).Problem(t, 404, "not_found")
	w.Call(w.Owner.Secret, on("GET", "nonsense", "")).Problem(t, 404, "not_found")
}

func TestCompanies_AnAutomationReadsItsOwnAndAnIntegrationNone_W5(t *testing.T) {
	w := httpapitest.New(t)
	other := text(t, w.Call(w.Owner.Secret, create(w.Below.ID(), "Initech")), "id")
	automation := w.Issue(w.AccountWith("Automation", w.Company, role.Automation).ID, "k").Secret
	require.Equal(t, "Acme", text(t, w.Call(automation, on("GET", w.Company.ID(), "")), "name"))
	require.Equal(t, []string{"Acme"}, field(w.Call(automation, list("")).Items(t), "name"))
	w.Call(automation, on("GET", other, "")).Problem(t, 404, "not_found")
	w.Call(automation, act("suspend", w.Company.ID(), "{}")).Problem(t, 404, "not_found")
	integration := w.Issue(w.AccountWith("Integration", w.Company, role.Integration).ID, "k").Secret
	w.Call(integration, on("GET", w.Company.ID(), "")).Problem(t, 404, "not_found")
	w.Call(integration, list("")).Problem(t, 403, "missing_permission")
}
