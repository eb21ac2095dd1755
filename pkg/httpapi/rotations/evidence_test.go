package rotations_test

import (
	"encoding/csv"
	"net/url"
	"strings"
	"testing"
	"time"

	"github.com/stretchr/testify/require"

	"github.com/rekey-dev/rekey/pkg/apikey"
	"github.com/rekey-dev/rekey/pkg/httpapi/httpapitest"
	"github.com/rekey-dev/rekey/pkg/policy"
	"github.com/rekey-dev/rekey/pkg/rekeytest"
	"github.com/rekey-dev/rekey/pkg/rotation"
	"github.com/rekey-dev/rekey/pkg/token"
	"github.com/rekey-dev/rekey/pkg/verify"
)

func get(resource, id, query string) httpapitest.Request {
	return httpapitest.Request{Method: "GET", Resource: resource, ID: id, Query: query}
}

func begin(w *httpapitest.World, k apikey.Shown, in rotation.Start) rotation.Shown {
	w.T.Helper()
	out, err := w.Rotations.Rotate(w.Ctx, w.As(w.Owner), k.View.Key.ID, in)
	require.NoError(w.T, err)
	w.Note(out.Secret)
	return out
}

// table reads a file: its columns and its lines, each by column.
func table(t *testing.T, r httpapitest.Response) (columns []string, lines []map[string]string) {
	t.Helper()
	require.Equal(t, 200, r.Status, r.Body)
	require.Equal(t, "text/csv; charset=utf-8", r.Header["Content-Type"])
	require.True(t, strings.HasPrefix(r.Header["Content-Disposition"], "attachment; "), r.Header["Content-Disposition"])
	rows, err := csv.NewReader(strings.NewReader(r.Body)).ReadAll()
	require.NoError(t, err)
	for _, row := range rows[1:] {
		line := map[string]string{}
		for i, cell := range row {
			line[rows[0][i]] = cell
		}
		lines = append(lines, line)
	}
	return rows[0], lines
}

func TestRotation_SaysWhoIsStillOnTheOldKey_B3_B4(t *testing.T) {
	w := httpapitest.New(t)
	old := w.Issue(w.Account("exporter", w.Company).ID, "primary")
	r := begin(w, old, rotation.Start{Mode: rotation.Overlap})
	ends := r.View.Rotation.OverlapEndsAt.Format(time.RFC3339)
	w.Advance(time.Hour)
	w.RequestTo(old.Secret, rekeytest.Home, "GET", "/keys", verify.Allow)
	at := w.Now().Format(time.RFC3339)

	got := w.Call(w.Owner.Secret, get("/rotations/{id}", string(r.View.Rotation.ID), "")).JSON(t)
	require.Equal(t, []any{map[string]any{"source_ip": rekeytest.Home, "user_agent": "agent/1", "last_at": at, "count": 1.0}}, got["still_on_old"])
	require.Equal(t, r.View.New.Key.Prefix()+" was never used yet. 1 source still uses "+old.View.Key.Prefix()+"; it stops "+ends+".", got["summary"])

	w.RequestTo(old.Secret, rekeytest.Away, "GET", "/keys", verify.Allow)
	w.RequestTo(r.Secret, rekeytest.Home, "GET", "/keys", verify.Allow)
	got = w.Call(w.Owner.Secret, get("/rotations/{id}", string(r.View.Rotation.ID), "")).JSON(t)
	require.Contains(t, got["summary"], "2 sources still use "+old.View.Key.Prefix()+"; it stops "+ends)
	listed := w.Call(w.Owner.Secret, get("/rotations", "", "")).Items(t)
	require.Len(t, listed, 1)
	require.Empty(t, listed[0]["still_on_old"])
}

func leaked(t *testing.T) (*httpapitest.World, apikey.Shown, rotation.Shown) {
	t.Helper()
	w := httpapitest.New(t)
	old := w.Issue(w.Account("exporter", w.Company).ID, "primary")
	w.Advance(time.Hour)
	w.RequestTo(old.Secret, rekeytest.Away, "GET", "/keys", verify.Allow)
	since := w.Now()
	w.Advance(time.Hour)
	r := begin(w, old, rotation.Start{Mode: rotation.Emergency, Reason: "=in a public repository", Suspected: since})
	w.Advance(time.Hour)
	return w, old, r
}

func TestReport_ShowsUsageAndRecordsOfTheOldKey_D7(t *testing.T) {
	w, old, r := leaked(t)
	id := string(r.View.Rotation.ID)
	got := w.Call(w.Owner.Secret, get("/rotations/{id}/report", id, "")).JSON(t)
	require.Equal(t, httpapitest.Words("rotation from to usage audit_events truncated complete_until"), httpapitest.Members(got))
	require.Equal(t, r.View.Rotation.Suspected.Format(time.RFC3339), got["from"])
	require.Equal(t, r.View.Rotation.CreatedAt.Truncate(time.Second).Add(time.Second).Format(time.RFC3339), got["to"])
	require.Equal(t, false, got["truncated"])
	require.Equal(t, id, got["rotation"].(map[string]any)["id"])
	uses := got["usage"].([]any)
	require.Len(t, uses, 1)
	require.Equal(t, rekeytest.Away, uses[0].(map[string]any)["source_ip"])
	records := got["audit_events"].([]any)
	require.NotEmpty(t, records)
	listed := w.Call(w.Owner.Secret, get("/audit-events", "", "key_id="+string(old.View.Key.ID)+"&from="+url.QueryEscape(got["from"].(string))+
		"&to="+url.QueryEscape(got["to"].(string)))).JSON(t)
	require.Equal(t, listed["items"], got["audit_events"], "as the audit log shows them")

	columns, lines := table(t, w.Call(w.Owner.Secret, get("/rotations/{id}/report", id, "format=csv")))
	require.Equal(t, "kind", columns[0])
	require.Len(t, lines, len(uses)+len(records))
	require.Equal(t, "usage", lines[0]["kind"])
	require.Equal(t, rekeytest.Away, lines[0]["source_ip"])
	require.Equal(t, "1", lines[0]["count"])
	require.Equal(t, "audit_event", lines[1]["kind"])
	require.Equal(t, records[0].(map[string]any)["id"], lines[1]["event_id"])
	require.Contains(t, lines[1]["details"], `"key_id":"`+string(old.View.Key.ID)+`"`)
}

func TestReport_IsForWhoMayReadTheRotation_P4(t *testing.T) {
	w, _, r := leaked(t)
	for _, query := range []string{"", "format=csv"} {
		w.Call(w.SiblingAdmin.Secret, get("/rotations/{id}/report", string(r.View.Rotation.ID), query)).Problem(t, 404, "not_found")
		w.Call(w.Owner.Secret, get("/rotations/{id}/report", "rot_00000000000000000001", query)).Problem(t, 404, "not_found")
	}
	w.Call(w.Owner.Secret, get("/rotations/{id}/report", string(r.View.Rotation.ID), "format=pdf")).Invalid(t, "/format")
}

func TestList_IsAFileForAnAuditor_B9_B3(t *testing.T) {
	w, old, r := leaked(t)
	second := begin(w, apikey.Shown{View: r.View.New}, rotation.Start{Mode: rotation.Overlap, Overlap: time.Hour, Reason: "quarterly"})
	w.RequestTo(second.Secret, rekeytest.Home, "GET", "/keys", verify.Allow)
	w.Advance(2 * time.Hour)
	columns, lines := table(t, w.Call(w.Owner.Secret, get("/rotations", "", "format=csv")))
	require.Equal(t, "rotation_id", columns[0])
	require.Len(t, lines, 2)
	last, first := lines[0], lines[1]
	require.Equal(t, string(second.View.Rotation.ID), last["rotation_id"])
	require.Equal(t, "overlap", last["mode"])
	require.Equal(t, "retired", last["state"])
	require.Equal(t, second.View.Rotation.OverlapEndsAt.Format(time.RFC3339), last["overlap_ends_at"])
	require.NotEmpty(t, last["issued_at"])
	require.NotEmpty(t, last["retired_at"])
	require.Empty(t, last["cancelled_at"])
	require.Equal(t, string(w.Owner.Employee.ID), last["started_by"])
	require.Equal(t, "quarterly", last["reason"])
	require.Equal(t, string(old.View.Key.ID), first["old_key_id"])
	require.Equal(t, string(r.View.New.Key.ID), first["new_key_id"])
	require.Equal(t, "'=in a public repository", first["reason"], "no formula")
	require.Contains(t, first["steps"], "issued ")
}

func TestList_InCSVHasTheSameFiltersAndPages_B9(t *testing.T) {
	w, _, r := leaked(t)
	begin(w, apikey.Shown{View: r.View.New}, rotation.Start{Mode: rotation.Overlap})
	first := w.Call(w.Owner.Secret, get("/rotations", "", "format=csv&limit=1"))
	_, lines := table(t, first)
	require.Len(t, lines, 1)
	require.NotEmpty(t, first.Header["Rekey-Next"])
	second := w.Call(w.Owner.Secret, get("/rotations", "", "format=csv&limit=1&cursor="+url.QueryEscape(first.Header["Rekey-Next"])))
	_, rest := table(t, second)
	require.Len(t, rest, 1)
	require.NotEqual(t, lines[0]["rotation_id"], rest[0]["rotation_id"])
	require.NotContains(t, second.Header, "Rekey-Next")
	_, retired := table(t, w.Call(w.Owner.Secret, get("/rotations", "", "format=csv&state=retired")))
	require.Len(t, retired, 1)
	require.Equal(t, string(r.View.Rotation.ID), retired[0]["rotation_id"])
	w.Call(w.Owner.Secret, get("/rotations", "", "format=csv&state=open")).Invalid(t, "/state")
}

func TestList_InCSVHasTheKeysThatDoNotKeepToTheirPolicies_B9(t *testing.T) {
	w := httpapitest.New(t)
	a := w.Account("exporter", w.Company)
	for _, name := range []string{"a", "b", "c"} {
		w.Issue(a.ID, name)
	}
	w.Issue(w.Account("elsewhere", w.Stranger).ID, "d")
	p := w.Policy(rekeytest.At(w.Company), policy.Text{Schedule: &policy.ScheduleText{Every: "P30D", Zone: "UTC"}, MaxLifetime: rekeytest.To("P60D"), ReportOnly: rekeytest.To(true)})
	r := begin(w, w.Issue(a.ID, "e"), rotation.Start{Mode: rotation.Immediate})
	w.Advance(31 * 24 * time.Hour)
	w.IssueFor(a.ID, "young", 240*time.Hour)
	var got []map[string]string
	for query := "format=csv&limit=2"; ; {
		answer := w.Call(w.Owner.Secret, get("/rotations", "", query))
		_, lines := table(t, answer)
		require.LessOrEqual(t, len(lines), 2)
		got = append(got, lines...)
		cursor := answer.Header["Rekey-Next"]
		if cursor == "" {
			break
		}
		query = "format=csv&limit=2&cursor=" + url.QueryEscape(cursor)
	}
	require.Len(t, got, 5, "a rotation and four keys; no young one, none without a policy")
	require.Equal(t, string(r.View.Rotation.ID), got[0]["rotation_id"])
	require.Empty(t, got[0]["finding"])
	for _, line := range got[1:] {
		require.Empty(t, line["rotation_id"])
		require.Equal(t, rotation.FindingException, line["finding"], "the policy only reports")
		require.Contains(t, line["finding_detail"], "never ends, later than max_lifetime P60D of "+string(p.ID)+" allows")
		require.Contains(t, line["finding_detail"], "the schedule of "+string(p.ID)+" wanted it rotated ")
		require.Equal(t, string(a.ID), line["service_account_id"])
	}
	for query, want := range map[string]int{"format=csv&state=overdue": 4, "format=csv&state=retired": 1, "format=csv&state=overdue&company_id=" + w.Company.ID(): 4,
		"format=csv&state=overdue&company_id=" + w.Stranger.ID(): 0, "format=csv&state=overdue&service_account_id=" + string(a.ID): 4} {
		_, lines := table(t, w.Call(w.Owner.Secret, get("/rotations", "", query)))
		require.Len(t, lines, want, query)
	}
	_, none := table(t, w.Call(w.SiblingAdmin.Secret, get("/rotations", "", "format=csv")))
	require.Empty(t, none)
}

func TestFiles_HoldNoSecret_S1(t *testing.T) {
	w, _, r := leaked(t)
	for _, req := range []httpapitest.Request{get("/rotations", "", "format=csv"), get("/rotations/{id}/report", string(r.View.Rotation.ID), "format=csv"),
		get("/rotations/{id}/report", string(r.View.Rotation.ID), "")} {
		require.False(t, token.Within(w.Call(w.Owner.Secret, req).Body))
	}
}

func TestSamples_OfRotationsAreAnswered(t *testing.T) {
	for name, status := range map[string]int{"rotations-list.json": 200, "rotations-get.json": 200, "rotations-report.json": 200,
		"rotations-complete.json": 200, "rotations-cancel.json": 200, "rotations-extend.json": 200} {
		w := httpapitest.New(t)
		r := begin(w, w.Issue(w.Account("exporter", w.Root).ID, "primary"), rotation.Start{Mode: rotation.Overlap})
		got := w.Send(w.Sample(name, "rot_4Tz9bYw2RkQ7nLx5mV8c", string(r.View.Rotation.ID),
			"2026-12-05T00:00:00Z", r.View.Rotation.OverlapEndsAt.Add(time.Hour).Format(time.RFC3339)))
		require.Equal(t, status, got.Status, "%s: %s", name, got.Body)
	}
	w := httpapitest.New(t)
	old := w.Issue(w.Account("exporter", w.Root).ID, "primary").View.Key.ID
	got := w.Send(w.Sample("rotations-rotate.json", "key_"+httpapitest.Body, string(old)))
	require.Equal(t, 201, got.Status, got.Body)
}
