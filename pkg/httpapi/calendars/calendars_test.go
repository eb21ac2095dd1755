package calendars_test

import (
	"encoding/json"
	"fmt"
	"strings"
	"testing"

	"github.com/stretchr/testify/require"

	"github.com/rekey-dev/rekey/pkg/calendar"
	"github.com/rekey-dev/rekey/pkg/httpapi/httpapitest"
	"github.com/rekey-dev/rekey/pkg/id"
)

const members = "id node_id company_id name kind time_zone event_count events ics created_by created_by_name created_at updated_at"

func create(body string) httpapitest.Request {
	return httpapitest.Request{Method: "POST", Resource: "/calendars", Body: body}
}

func on(method, id, query, body string) httpapitest.Request {
	return httpapitest.Request{Method: method, Resource: "/calendars/{id}", ID: id, Query: query, Body: body}
}

// with is the body of a new calendar at the root, with further members.
func with(w *httpapitest.World, more string) string {
	return `{"name":"Freezes","node_id":"` + string(w.Root.Node()) + `","kind":"freeze","time_zone":"Europe/Berlin"` + more + `}`
}

func TestSamples_OfCalendarsAreAnswered(t *testing.T) {
	for name, status := range map[string]int{"calendars-list.json": 200, "calendars-create.json": 201, "calendars-get.json": 200,
		"calendars-patch.json": 200, "calendars-delete.json": 204} {
		w := httpapitest.New(t)
		made := w.Call(w.Owner.Secret, create(with(w, ""))).JSON(t)["id"].(string)
		got := w.Send(w.Sample(name, "cal_"+httpapitest.Body, made))
		require.Equal(t, status, got.Status, "%s: %s", name, got.Body)
	}
}

func TestCalendar_IsShownAsItWasWritten_B9(t *testing.T) {
	w := httpapitest.New(t)
	const events = `[{"uid":"year-end","summary":"Year's end","start":"2026-12-01","end":"2027-01-01","all_day":true,"rrule":"freq=yearly","except":["2028-12-01"]},
		{"uid":"move","start":"2026-11-21T22:00:00+01:00","end":"2026-11-22T03:00:00Z","rrule":"FREQ=DAILY;COUNT=3","time_zone":"Asia/Tokyo"},
		{"uid":"forever","start":"2031-01-01T00:00:00Z","end":null}]`
	got := w.Call(w.Owner.Secret, create(with(w, `,"events":`+events)))
	require.Equal(t, 201, got.Status, got.Body)
	c := got.JSON(t)
	require.Equal(t, httpapitest.Words(members), httpapitest.Members(c))
	require.EqualValues(t, 3, c["event_count"])
	require.Nil(t, c["events"], "a repeat keeps the answer, so it has none")
	require.Nil(t, c["company_id"])

	again := w.Call(w.Viewer.Secret, on("GET", c["id"].(string), "", ""))
	require.Equal(t, got.Header["Etag"], again.Header["Etag"])
	var shown struct {
		Events []map[string]any `json:"events"`
	}
	require.NoError(t, json.Unmarshal([]byte(again.Body), &shown))
	require.Equal(t, []map[string]any{
		{"uid": "year-end", "summary": "Year's end", "start": "2026-12-01", "end": "2027-01-01", "all_day": true, "rrule": "FREQ=YEARLY", "time_zone": nil, "except": []any{"2028-12-01"}},
		{"uid": "move", "summary": "", "start": "2026-11-21T21:00:00Z", "end": "2026-11-22T03:00:00Z", "all_day": false, "rrule": "FREQ=DAILY;COUNT=3", "time_zone": "Asia/Tokyo", "except": []any{}},
		{"uid": "forever", "summary": "", "start": "2031-01-01T00:00:00Z", "end": nil, "all_day": false, "rrule": "", "time_zone": nil, "except": []any{}},
	}, shown.Events)

	items := w.Call(w.Owner.Secret, httpapitest.Request{Method: "GET", Resource: "/calendars", Query: "kind=freeze&limit=1"}).Items(t)
	require.Len(t, items, 1)
	require.Equal(t, httpapitest.Words(members), httpapitest.Members(items[0]))
	require.Nil(t, items[0]["events"])
}

func TestCalendar_GoesOutAndComesInAsICalendar_B9(t *testing.T) {
	w := httpapitest.New(t)
	c := w.Call(w.Owner.Secret, create(with(w, `,"events":[{"uid":"a","summary":"Year's end; all, of it","start":"2026-12-01","end":"2027-01-01","all_day":true}]`))).JSON(t)
	out := w.Call(w.Owner.Secret, on("GET", c["id"].(string), "format=ics", "")).JSON(t)
	require.Nil(t, out["events"])
	require.Contains(t, out["ics"], "SUMMARY:Year's end\\; all\\, of it\r\nDTSTART;VALUE=DATE:20261201\r\n")
	text, err := json.Marshal(out["ics"])
	require.NoError(t, err)
	patched := w.Call(w.Owner.Secret, on("PATCH", c["id"].(string), "", `{"ics":`+string(text)+`,"name":"Copied"}`))
	require.Equal(t, 200, patched.Status, patched.Body)
	again := w.Call(w.Owner.Secret, on("GET", c["id"].(string), "", "")).JSON(t)
	first := w.Call(w.Owner.Secret, on("GET", c["id"].(string), "format=json", "")).JSON(t)
	require.Equal(t, first, again)
	require.Len(t, again["events"], 1)
	require.Equal(t, "Year's end; all, of it", again["events"].([]any)[0].(map[string]any)["summary"])
}

func TestCreate_SaysWhatIsWrongAndWhere_B9(t *testing.T) {
	w := httpapitest.New(t)
	event := func(more string) string { return `,"events":[{"uid":"a","start":"2026-12-01T00:00:00Z"` + more + `}]` }
	for body, pointer := range map[string]string{
		with(w, `,"events":[{"start":"2026-12-01T00:00:00Z"}]`):                             "/events/0/uid",
		with(w, `,"events":[{"uid":"a","start":"tomorrow"}]`):                               "/events/0/start",
		with(w, `,"events":[{"uid":"a","start":"2026-12-01"}]`):                             "/events/0/start",
		with(w, event(`,"end":"2026-12-01T00:00:60Z"`)):                                     "/events/0/end",
		with(w, event(`,"end":"2026-11-01T00:00:00Z"`)):                                     "/events/0/end",
		with(w, event(`,"all_day":true`)):                                                   "/events/0/start",
		with(w, event(`,"end":"2026-12-02T00:00:00Z","rrule":"FREQ=SECONDLY"`)):             "/events/0/rrule",
		with(w, event(`,"end":"2026-12-02T00:00:00Z","rrule":"FREQ=DAILY","except":["x"]`)): "/events/0/except/0",
		with(w, event(`,"time_zone":"Mars/Phobos"`)):                                        "/events/0/time_zone",
		with(w, event(`,"colour":"red"`)):                                                   "/events/0/colour",
		with(w, `,"events":[],"ics":"BEGIN:VCALENDAR"`):                                     "/ics",
		with(w, `,"ics":"BEGIN:VCALENDAR\nBEGIN:VEVENT\nUID:1\nDTSTART:x"`):                 "/ics",
		with(w, `,"events":{}`):                                                             "/events",
		with(w, `,"company_id":"`+string(w.Company.Company)+`"`):                            "/company_id",
		`{"name":"a","kind":"freeze","time_zone":"UTC"}`:                                    "/node_id",
		strings.Replace(with(w, ""), "Europe/Berlin", "Europe/Atlantis", 1):                 "/time_zone",
		strings.Replace(with(w, ""), `"freeze"`, `"pause"`, 1):                              "/kind",
	} {
		w.Call(w.Owner.Secret, create(body)).Invalid(t, pointer)
	}
	p := w.Call(w.Owner.Secret, create(with(w, `,"ics":"BEGIN:VCALENDAR\nBEGIN:VEVENT\nUID:1\nDTSTART;TZID=CET5:20261201T000000\nEND:VEVENT\nEND:VCALENDAR"`))).Problem(t, 422, "invalid")
	require.Contains(t, p["errors"].([]any)[0].(map[string]any)["detail"], `line 4, event "1": has TZID "CET5"`)
	w.Call(w.Owner.Secret, create(strings.Replace(with(w, ""), string(w.Root.Node()), "nonsense", 1))).Problem(t, 404, "not_found")
	w.Call(w.Viewer.Secret, create(with(w, ""))).Problem(t, 403, "missing_permission")
}

func TestCreate_IsBounded_B9(t *testing.T) {
	w := httpapitest.New(t)
	text := func(n int) string {
		return `,"ics":"BEGIN:VCALENDAR\r\n` + strings.Repeat(`X:y\r\n`, n) + `END:VCALENDAR"`
	}
	got := w.Call(w.Owner.Secret, create(with(w, text(200_000))))
	require.Equal(t, 201, got.Status, got.Body)
	w.Call(w.Owner.Secret, create(with(w, text(225_000)))).Invalid(t, "/ics")
	w.Call(w.Owner.Secret, create(with(w, `,"ics":"`+strings.Repeat("x", 10<<20)+`"`))).Problem(t, 413, "payload_too_large")
	var events []string
	for i := range calendar.MaxEvents + 1 {
		events = append(events, fmt.Sprintf(`{"uid":"%d","start":"2026-12-01T00:00:00Z"}`, i))
	}
	w.Call(w.Owner.Secret, create(with(w, `,"events":[`+strings.Join(events, ",")+`]`))).Invalid(t, "/events")
	other := w.Call(w.Owner.Secret, httpapitest.Request{Method: "POST", Resource: "/service-accounts", Body: `{"name":"` + strings.Repeat("x", 70<<10) + `"}`})
	other.Problem(t, 413, "payload_too_large")
}

func TestCreate_IsRepeatedByItsKey_B6(t *testing.T) {
	w := httpapitest.New(t)
	r := create(with(w, `,"events":[{"uid":"a","start":"2026-12-01T00:00:00Z"}]`))
	r.Header = map[string]string{"Idempotency-Key": "k1"}
	first, again := w.Call(w.Owner.Secret, r), w.Call(w.Owner.Secret, r)
	require.Equal(t, 201, first.Status, first.Body)
	require.Equal(t, first.Body, again.Body)
	r.Body = with(w, "")
	w.Call(w.Owner.Secret, r).Problem(t, 422, "idempotency_mismatch")
}

func TestPatchAndDelete_HonourIfMatchAndPolicies_B9(t *testing.T) {
	w := httpapitest.New(t)
	made := w.Call(w.Owner.Secret, create(with(w, "")))
	cal := made.JSON(t)["id"].(string)
	stale := on("PATCH", cal, "", `{"name":"Renamed"}`)
	stale.Header = map[string]string{"If-Match": `"` + cal + `.7"`, "Content-Type": "application/merge-patch+json"}
	w.Call(w.Owner.Secret, stale).Problem(t, 412, "precondition_failed")
	stale.Header["If-Match"] = made.Header["Etag"]
	got := w.Call(w.Owner.Secret, stale)
	require.Equal(t, 200, got.Status, got.Body)
	require.NotEqual(t, made.Header["Etag"], got.Header["Etag"])
	w.Call(w.Owner.Secret, on("PATCH", cal, "", `{"kind":"window"}`)).Invalid(t, "/kind")
	w.Call(w.Owner.Secret, on("PATCH", cal, "", `{"events":null}`)).Invalid(t, "/events")

	named := w.Happened("rotation_policy", "pol_00000000000000000001", w.Root, 1)
	w.Commit(named, calendar.Use{Calendar: id.Calendar(cal), By: 1})
	p := w.Call(w.Owner.Secret, on("DELETE", cal, "", "")).Problem(t, 409, "in_use")
	require.Equal(t, []any{map[string]any{"type": "rotation_policy", "count": 1.0, "ids": []any{}}}, p["blocked_by"])
	for _, none := range []string{"cal_00000000000000000001", "nonsense"} {
		w.Call(w.Owner.Secret, on("GET", none, "", "")).Problem(t, 404, "not_found")
		w.Call(w.Owner.Secret, on("PATCH", none, "", `{}`)).Problem(t, 404, "not_found")
		w.Call(w.Owner.Secret, on("DELETE", none, "", "")).Problem(t, 404, "not_found")
	}
}
