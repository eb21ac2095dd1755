package rotations

import (
	"context"
	"encoding/json"
	"net/http"
	"strconv"
	"time"

	"github.com/rekey-dev/rekey/pkg/call"
	"github.com/rekey-dev/rekey/pkg/httpapi"
	"github.com/rekey-dev/rekey/pkg/httpapi/auditevents"
	"github.com/rekey-dev/rekey/pkg/httpapi/keys"
	"github.com/rekey-dev/rekey/pkg/permission"
	"github.com/rekey-dev/rekey/pkg/rotation"
)

// Report is what the old key of a rotation did between two times.
type Report struct {
	Rotation      Rotation            `json:"rotation"`
	From          string              `json:"from" format:"date-time" doc:"Inclusive: suspected_since, otherwise the old key's creation, at most 400 days before to"`
	To            string              `json:"to" format:"date-time" doc:"Exclusive: the second after the old key's end, or after now while it goes on; with mode immediate after the start of the rotation"`
	Usage         []keys.Use          `json:"usage" nullable:"false" doc:"Of the old key, as GET /keys/{id}/usage shows it, last used first; at most 2,000"`
	AuditEvents   []auditevents.Event `json:"audit_events" nullable:"false" doc:"Records where the old key acted or is the target, as GET /audit-events shows them, newest first; at most 1,000"`
	Truncated     bool                `json:"truncated" doc:"true when there is more: what is older is left out"`
	CompleteUntil string              `json:"complete_until" format:"date-time" doc:"Every source, route and verdict of a request before it is listed; counts are at least what they say"`
}

type reportInput struct {
	ID string `path:"id" maxLength:"100"`
	httpapi.Format
}

type report struct {
	rotation.Report
	table *httpapi.Table // nil where JSON is asked for
}

func (r resource) registerReport() {
	httpapi.Register(r.api, httpapi.Operation{ID: "getRotationReport", Method: http.MethodGet, Path: "/rotations/{id}/report", Tag: noun,
		Summary: "Report what the old key did",
		Description: "Its usage and its audit records since the secret may have been in wrong hands. The permission covers the records " +
			"of this key; it needs no audit:read. In CSV each line is of kind usage or audit_event, and the file's name ends in " +
			"-truncated.csv when there is more.",
		Access: httpapi.Needs(permission.RotationsRead), CSV: true},
		func(ctx context.Context, c call.Call, in *reportInput) (report, error) {
			rot, err := rotationID(in.ID)
			if err != nil {
				return report{}, err
			}
			out := report{}
			if out.Report, err = r.service.Report(ctx, c, rot); err == nil && in.CSV() {
				out.table, err = reportTable(out.Report)
			}
			return out, err
		},
		func(p report) httpapi.Answer[Report] {
			return httpapi.Answer[Report]{Body: reportOf(p.Report, r.now()), Table: p.table}
		})
}

func reportOf(p rotation.Report, now time.Time) Report {
	out := Report{Rotation: Of(p.View, now), From: httpapi.TimeText(p.From), To: httpapi.TimeText(p.To), Usage: make([]keys.Use, 0, len(p.Usage)),
		AuditEvents: make([]auditevents.Event, 0, len(p.Events)), Truncated: p.Truncated, CompleteUntil: httpapi.TimeText(p.CompleteUntil)}
	for _, u := range p.Usage {
		out.Usage = append(out.Usage, keys.UseOf(u))
	}
	for _, e := range p.Events {
		out.AuditEvents = append(out.AuditEvents, auditevents.Of(e))
	}
	return out
}

var reportColumns = []string{"kind", "first_at", "last_at", "source_ip", "user_agent", "api", "method", "route", "verdict", "count",
	"event_id", "action", "actor_type", "actor_id", "actor_name", "actor_key_id", "target_type", "target_id", "target_name", "node_id",
	"company_id", "request_id", "outcome", "details"}

// reportTable has the columns of both kinds; those of the other kind are empty.
func reportTable(p rotation.Report) (*httpapi.Table, error) {
	name := string(p.View.Rotation.ID) + "-report"
	if p.Truncated {
		name += "-truncated"
	}
	t := &httpapi.Table{File: name + ".csv", Columns: reportColumns}
	for _, row := range p.Usage {
		u := keys.UseOf(row)
		cells := make([]string, len(reportColumns))
		copy(cells, []string{"usage", u.FirstAt, u.LastAt, u.SourceIP, u.UserAgent, u.API, u.Method, u.Route, u.Verdict, strconv.FormatInt(u.Count, 10)})
		t.Rows = append(t.Rows, cells)
	}
	for _, event := range p.Events {
		e := auditevents.Of(event)
		details, err := json.Marshal(e.Details)
		if err != nil {
			return nil, err
		}
		t.Rows = append(t.Rows, []string{"audit_event", e.At, e.At, e.SourceIP, e.UserAgent, "", "", "", "", "", e.ID, e.Action, e.Actor.Type,
			e.Actor.ID, e.Actor.Name, event.Actor.KeyID, e.Target.Type, e.Target.ID, e.Target.Name, e.NodeID, string(event.Place.Company),
			e.RequestID, e.Outcome, string(details)})
	}
	return t, nil
}
