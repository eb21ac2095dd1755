package rotationpolicies_test

import (
	"encoding/json"
	"testing"
	"time"

	"github.com/stretchr/testify/require"

	"github.com/rekey-dev/rekey/pkg/calendar"
	"github.com/rekey-dev/rekey/pkg/httpapi/httpapitest"
	"github.com/rekey-dev/rekey/pkg/id"
	"github.com/rekey-dev/rekey/pkg/policy"
	"github.com/rekey-dev/rekey/pkg/rekeytest"
)

const (
	settings = "schedule overlap notice quiet_for retire_on_quiet extend_once allow_rotate_self default_lifetime max_lifetime report_only lock " +
		"calendar_ids deliver_to notify"
	members = "id attached_to node_id company_id created_by created_by_name created_at updated_at " + settings
)

func create(body string) httpapitest.Request {
	return httpapitest.Request{Method: "POST", Resource: "/rotation-policies", Body: body}
}

func on(method, id, action, body string) httpapitest.Request {
	return httpapitest.Request{Method: method, Resource: "/rotation-policies/{id}" + action, ID: id, Body: body}
}

func list(query string) httpapitest.Request {
	return httpapitest.Request{Method: "GET", Resource: "/rotation-policies", Query: query}
}

func effective(account id.ServiceAccount) httpapitest.Request {
	return httpapitest.Request{Method: "GET", Resource: "/service-accounts/{id}/effective-policy", ID: string(account)}
}

func attached(kind, id, rest string) string {
	return `{"attached_to":{"type":"` + kind + `","id":"` + id + `"}` + rest + `}`
}

func TestSamples_OfPoliciesAreAnswered(t *testing.T) {
	for name, status := range map[string]int{"rotationpolicies-list.json": 200, "rotationpolicies-create.json": 201, "rotationpolicies-get.json": 200,
		"rotationpolicies-patch.json": 200, "rotationpolicies-delete.json": 204, "rotationpolicies-preview.json": 200, "rotationpolicies-effective.json": 200} {
		w := httpapitest.New(t)
		account := w.Account("exporter", w.Root)
		p := w.Policy(rekeytest.At(w.Below), policy.Text{Schedule: &policy.ScheduleText{Every: "P90D", Zone: "UTC"}})
		got := w.Send(w.Sample(name, "sa_"+httpapitest.Body, string(account.ID), "pol_"+httpapitest.Body, string(p.ID)))
		require.Equal(t, status, got.Status, "%s: %s", name, got.Body)
	}
}

func TestCreate_ShowsEveryMemberAndWhatIsInheritedIsNull_B9(t *testing.T) {
	w := httpapitest.New(t)
	got := w.Call(w.Owner.Secret, create(attached("company", w.Company.ID(), "")))
	require.Equal(t, 201, got.Status, got.Body)
	body := got.JSON(t)
	require.Equal(t, httpapitest.Words(members), httpapitest.Members(body))
	require.Equal(t, map[string]any{"type": "company", "id": w.Company.ID()}, body["attached_to"])
	require.Equal(t, w.Company.ID(), body["company_id"])
	for _, m := range httpapitest.Words(settings) {
		require.Nil(t, body[m], m)
	}

	full := `,"schedule":{"every":"P90D","time_zone":"Europe/Berlin"},"overlap":"P7D","notice":["P30D","PT36H"],"quiet_for":"PT12H",
		"retire_on_quiet":true,"extend_once":"P0D","allow_rotate_self":false,"default_lifetime":"P60D","max_lifetime":"P90D","report_only":false,
		"lock":{"threshold":5,"window":"PT10M","duration":"PT1H"},"calendar_ids":[],"deliver_to":{"type":"secrets_manager","secret_id":"acme/key"},
		"notify":["ops@example.com"]`
	body = w.Call(w.Owner.Secret, create(attached("node", w.Below.ID(), full))).JSON(t)
	require.Equal(t, map[string]any{"every": "P90D", "rrule": nil, "time_zone": "Europe/Berlin"}, body["schedule"])
	require.Equal(t, []any{"P30D", "P1DT12H"}, body["notice"])
	require.Equal(t, "P0D", body["extend_once"])
	require.Equal(t, false, body["allow_rotate_self"])
	require.Equal(t, map[string]any{"threshold": 5.0, "window": "PT10M", "duration": "PT1H", "strict": false}, body["lock"])
	require.Equal(t, []any{}, body["calendar_ids"])
	require.Equal(t, map[string]any{"type": "secrets_manager", "secret_id": "acme/key", "json_key": nil, "role_arn": nil}, body["deliver_to"])
	require.Equal(t, body, w.Call(w.Viewer.Secret, on("GET", body["id"].(string), "", "")).JSON(t))
}

func TestCreate_SaysWhichMemberIsWrong_B9(t *testing.T) {
	w := httpapitest.New(t)
	for rest, pointer := range map[string]string{
		`,"overlap":"P31D"`: "/overlap", `,"overlap":7`: "/overlap", `,"notice":[]`: "/notice", `,"notice":["P1D","P7D"]`: "/notice/1",
		`,"schedule":{"every":"P90D"}`: "/schedule/time_zone", `,"schedule":{"rrule":"FREQ=HOURLY","time_zone":"UTC"}`: "/schedule/rrule",
		`,"schedule":{"every":"P90D","time_zone":"Mars/Olympus"}`: "/schedule/time_zone", `,"schedule":{"cron":"x"}`: "/schedule/cron",
		`,"lock":{"threshold":2,"window":"PT1M","duration":"PT1M"}`: "/lock/threshold", `,"lock":{"threshold":3,"window":"PT1M"}`: "/lock/duration",
		`,"max_lifetime":"P1D","default_lifetime":"P2D"`: "/default_lifetime", `,"calendar_ids":["cal_00000000000000000001"]`: "/calendar_ids/0",
		`,"deliver_to":{"type":"event","secret_id":"s"}`: "/deliver_to/secret_id", `,"notify":["x"]`: "/notify/0", `,"colour":1`: "/colour",
	} {
		w.Call(w.Owner.Secret, create(attached("node", w.Below.ID(), rest))).Invalid(t, pointer)
	}
	w.Call(w.Owner.Secret, create(`{}`)).Invalid(t, "/attached_to")
	w.Call(w.Owner.Secret, create(attached("msp", w.Below.ID(), ""))).Invalid(t, "/attached_to/type")
	w.Call(w.Owner.Secret, create(attached("node", "node_00000000000000000001", ""))).Problem(t, 404, "not_found")
	w.Policy(rekeytest.At(w.Below), policy.Text{})
	p := w.Call(w.Owner.Secret, create(attached("node", w.Below.ID(), ""))).Problem(t, 409, "conflict")
	require.Equal(t, "policy", p["blocked_by"].([]any)[0].(map[string]any)["type"])
}

func TestCreate_RepeatedWithItsKeyIsTheSamePolicy_B6(t *testing.T) {
	w := httpapitest.New(t)
	r := create(attached("node", w.Below.ID(), `,"overlap":"P3D"`))
	r.Header = map[string]string{"Idempotency-Key": "k1"}
	first := w.Call(w.Owner.Secret, r)
	require.Equal(t, 201, first.Status, first.Body)
	again := w.Call(w.Owner.Secret, r)
	require.Equal(t, first.Body, again.Body)
	require.Equal(t, first.Header["Etag"], again.Header["Etag"])
}

func TestPatch_IsAMergePatchInWhichNullInheritsAgain_B9(t *testing.T) {
	w := httpapitest.New(t)
	p := w.Policy(rekeytest.At(w.Below), policy.Text{Overlap: rekeytest.To("P3D"), Schedule: &policy.ScheduleText{Every: "P90D", Zone: "UTC"},
		Lock: &policy.LockText{Threshold: rekeytest.To(5), Window: rekeytest.To("PT10M"), Duration: rekeytest.To("PT20M")}})
	id := string(p.ID)
	etag := w.Call(w.Owner.Secret, on("GET", id, "", "")).Header["Etag"]
	r := on("PATCH", id, "", `{"overlap":null,"lock":{"threshold":7},"schedule":{"every":null,"rrule":"FREQ=MONTHLY"}}`)
	r.Header = map[string]string{"If-Match": etag, "Content-Type": "application/merge-patch+json"}
	got := w.Call(w.Owner.Secret, r)
	require.Equal(t, 200, got.Status, got.Body)
	body := got.JSON(t)
	require.Nil(t, body["overlap"])
	require.Equal(t, map[string]any{"threshold": 7.0, "window": "PT10M", "duration": "PT20M", "strict": false}, body["lock"])
	require.Equal(t, map[string]any{"every": nil, "rrule": "FREQ=MONTHLY", "time_zone": "UTC"}, body["schedule"])
	require.NotEqual(t, etag, got.Header["Etag"])
	w.Call(w.Owner.Secret, r).Problem(t, 412, "precondition_failed")
	body = w.Call(w.Owner.Secret, on("PATCH", id, "", `{"lock":null,"schedule":null}`)).JSON(t)
	require.Nil(t, body["lock"])
	require.Nil(t, body["schedule"])
	w.Call(w.Owner.Secret, on("PATCH", id, "", `{"lock":{"threshold":7}}`)).Invalid(t, "/lock/window", "/lock/duration")
	w.Call(w.Owner.Secret, on("PATCH", id, "", `{"attached_to":null}`)).Invalid(t, "/attached_to")
	w.Call(w.Viewer.Secret, on("PATCH", id, "", `{}`)).Problem(t, 403, "missing_permission")

	require.Equal(t, 204, w.Call(w.Owner.Secret, on("DELETE", id, "", "")).Status)
	w.Call(w.Owner.Secret, on("DELETE", id, "", "")).Problem(t, 404, "not_found")
}

func TestEffective_ShowsEachValueAndWhereItComesFrom_B9(t *testing.T) {
	w := httpapitest.New(t)
	account := w.Account("exporter", w.Company)
	root := w.Policy(rekeytest.At(w.Root), policy.Text{MaxLifetime: rekeytest.To("P90D"), Overlap: rekeytest.To("P1D")})
	company := w.Policy(rekeytest.At(w.Company), policy.Text{Overlap: rekeytest.To("P3D")})
	got := w.Call(w.CompanyAdmin.Secret, effective(account.ID))
	require.Equal(t, 200, got.Status, got.Body)
	var body map[string]struct {
		Value  any
		Source map[string]any
	}
	require.NoError(t, json.Unmarshal([]byte(got.Body), &body))
	require.Equal(t, httpapitest.Words(settings), httpapitest.Members(got.JSON(t)))
	require.Equal(t, "P3D", body["overlap"].Value)
	require.Equal(t, map[string]any{"policy_id": string(company.ID), "attached_to": map[string]any{"type": "company", "id": w.Company.ID()}, "default": false}, body["overlap"].Source)
	require.Equal(t, "P90D", body["max_lifetime"].Value)
	require.Equal(t, string(root.ID), body["max_lifetime"].Source["policy_id"])
	defaults := map[string]any{"schedule": nil, "notice": []any{"P30D", "P14D", "P7D", "P1D"}, "quiet_for": "P1D", "retire_on_quiet": false, "extend_once": nil,
		"allow_rotate_self": true, "default_lifetime": nil, "report_only": false, "calendar_ids": []any{}, "deliver_to": nil, "notify": []any{},
		"lock": map[string]any{"threshold": 10.0, "window": "PT15M", "duration": "PT30M", "strict": false}}
	for field, value := range defaults {
		require.Equal(t, value, body[field].Value, field)
		require.Equal(t, map[string]any{"policy_id": nil, "attached_to": nil, "default": true}, body[field].Source, field)
	}
	w.Call(w.StrangerAdmin.Secret, effective(account.ID)).Problem(t, 404, "not_found")
	w.Call(w.Owner.Secret, effective("sa_1")).Problem(t, 404, "not_found")
}

func TestPreview_ShowsTheNextTwelveMonthsAndWhatAFreezeMoved_B9(t *testing.T) {
	w := httpapitest.New(t)
	events := []calendar.Event{{UID: "1", Summary: "Summer", Start: time.Date(2031, 8, 1, 0, 0, 0, 0, time.UTC), End: time.Date(2031, 9, 10, 0, 0, 0, 0, time.UTC)}}
	summer, err := w.World.Calendars.Create(w.Ctx, w.As(w.Owner), calendar.New{Name: "Summer", Kind: calendar.Freeze, Zone: "UTC", Node: w.Root.Node(),
		Source: calendar.Source{Events: &events}})
	require.NoError(t, err)
	p := w.Policy(rekeytest.At(w.Below), policy.Text{Schedule: &policy.ScheduleText{Every: "P90D", Zone: "UTC"}, Calendars: &[]string{string(summer.ID)}})
	got := w.Call(w.Viewer.Secret, on("GET", string(p.ID), "/preview", ""))
	require.Equal(t, 200, got.Status, got.Body)
	body := got.JSON(t)
	require.Equal(t, "2031-03-04T05:06:10Z", body["from"])
	require.Equal(t, "2032-03-04T05:06:10Z", body["to"])
	items := got.Items(t)
	require.Len(t, items, 3)
	require.Equal(t, map[string]any{"at": "2031-06-02T05:06:10Z", "moved_from": nil, "why": []any{}}, items[0])
	require.Equal(t, map[string]any{"at": "2031-09-10T00:00:00Z", "moved_from": "2031-08-31T05:06:10Z", "why": []any{map[string]any{
		"calendar_id": string(summer.ID), "summary": "Summer", "from": "2031-08-01T00:00:00Z", "to": "2031-09-10T00:00:00Z"}}}, items[1])
	require.Equal(t, "2031-12-09T00:00:00Z", items[2]["at"], "ninety days from when it happened")

	query := func(q string) httpapitest.Response {
		r := on("GET", string(p.ID), "/preview", "")
		r.Query = q
		return w.Call(w.Viewer.Secret, r)
	}
	require.Len(t, query("from=2032-01-01T00:00:00Z&to=2032-02-01T00:00:00Z&anchor=2031-10-10T00:00:00Z").Items(t), 1)
	query("from=2032-01-01T00:00:00Z&to=2032-01-01T00:00:00Z").Invalid(t, "/to")
	query("anchor=2040-01-01T00:00:00Z").Invalid(t, "/anchor")
	query("from=soon").Invalid(t, "/from")
}

func TestList_FiltersByPlaceAndAccount_B9(t *testing.T) {
	w := httpapitest.New(t)
	a := w.Account("exporter", w.Company)
	root, own := w.Policy(rekeytest.At(w.Root), policy.Text{}), w.Policy(rekeytest.On(a), policy.Text{})
	ids := func(query string) (out []string) {
		for _, p := range w.Call(w.Viewer.Secret, list(query)).Items(t) {
			require.Equal(t, httpapitest.Words(members), httpapitest.Members(p))
			out = append(out, p["id"].(string))
		}
		return out
	}
	require.Equal(t, []string{string(root.ID), string(own.ID)}, ids(""))
	require.Equal(t, []string{string(own.ID)}, ids("service_account_id="+string(a.ID)))
	require.Equal(t, []string{string(own.ID)}, ids("company_id="+w.Company.ID()))
	require.Equal(t, []string{string(root.ID)}, ids("direct=true&node_id="+w.Root.ID()))
	first := w.Call(w.Viewer.Secret, list("limit=1")).JSON(t)
	require.Len(t, first["items"], 1)
	require.Equal(t, []string{string(own.ID)}, ids("limit=1&cursor="+first["next"].(string)))
	w.Call(w.Viewer.Secret, list("node_id="+w.Root.ID()+"&service_account_id="+string(a.ID))).Invalid(t, "/service_account_id")
	w.Call(w.StrangerAdmin.Secret, list("company_id="+w.Company.ID())).Problem(t, 404, "not_found")
	w.Call(w.StrangerAdmin.Secret, list("service_account_id="+string(a.ID))).Problem(t, 404, "not_found")
}

func TestPolicies_OfOthersDoNotExist(t *testing.T) {
	w := httpapitest.New(t)
	for _, id := range []string{string(w.Policy(rekeytest.At(w.Stranger), policy.Text{}).ID), "pol_00000000000000000001", "pol_1", ".."} {
		for _, r := range []httpapitest.Request{on("GET", id, "", ""), on("PATCH", id, "", `{}`), on("DELETE", id, "", ""), on("GET", id, "/preview", "")} {
			w.Call(w.BelowAdmin.Secret, r).Problem(t, 404, "not_found")
		}
	}
}
