package rotations

import (
	"strconv"
	"strings"
	"time"

	"github.com/rekey-dev/rekey/pkg/httpapi"
	"github.com/rekey-dev/rekey/pkg/rotation"
)

// stepStates are the states that have a column with the time when they were reached last, in the order in which they come.
var stepStates = []rotation.State{rotation.Issued, rotation.Delivered, rotation.Seen, rotation.Quiet, rotation.Overdue,
	rotation.Retired, rotation.Cancelled, rotation.Aborted}

// tableOf is a page of rotations as an auditor reads it: under which policy, how, by whom and why, with the time of every step;
// and of the keys that do not keep to their policies.
func tableOf(p page, now time.Time) *httpapi.Table {
	t := &httpapi.Table{File: "rotations.csv", Next: p.next, Columns: []string{"rotation_id", "created_at", "service_account_id", "node_id",
		"company_id", "policy_id", "mode", "state", "started_by", "started_by_name", "reason", "suspected_since", "old_key_id",
		"old_key_prefix", "new_key_id", "new_key_prefix", "overlap_ends_at", "extended", "due_at", "held_up_by", "exception"}}
	for _, s := range stepStates {
		t.Columns = append(t.Columns, string(s)+"_at")
	}
	t.Columns = append(t.Columns, "steps", "finding", "finding_detail")
	for _, v := range p.views {
		r := v.Rotation
		row := []string{string(r.ID), at(r.CreatedAt), string(r.AccountID), string(r.Place.Node()), string(r.Place.Company),
			string(r.Terms.Policy), string(r.Mode), string(r.State), r.StartedBy, r.StartedByName, r.Reason, at(r.Suspected),
			string(r.OldKey), v.Old.Key.Prefix(), string(r.NewKey), v.New.Key.Prefix(), at(r.OverlapEndsAt), strconv.FormatBool(r.Extended),
			at(r.Planned.Due), heldUpBy(r.Planned), strconv.FormatBool(r.Planned.InSpite())}
		reached := map[rotation.State]time.Time{}
		var steps []string
		for _, s := range r.Steps {
			reached[s.State] = s.At
			steps = append(steps, strings.Join([]string{string(s.State), at(s.At), s.By + ":", s.Evidence}, " "))
		}
		for _, s := range stepStates {
			row = append(row, at(reached[s]))
		}
		finding := ""
		switch {
		case r.State == rotation.Overdue:
			finding = rotation.FindingOverdue
		case r.Planned.InSpite():
			finding = rotation.FindingException
		}
		t.Rows = append(t.Rows, append(row, strings.Join(steps, "\n"), finding, findingOf(finding, r)))
	}
	column := make(map[string]int, len(t.Columns))
	for i, name := range t.Columns {
		column[name] = i
	}
	for _, f := range p.findings {
		row, k := make([]string, len(t.Columns)), f.Key.Key
		for name, cell := range map[string]string{"service_account_id": string(k.AccountID), "node_id": string(k.Place.Node()), "company_id": string(k.Place.Company),
			"policy_id": string(f.Policy), "old_key_id": string(k.ID), "old_key_prefix": k.Prefix(), "due_at": at(f.Due), "finding": f.What, "finding_detail": f.Detail} {
			row[column[name]] = cell
		}
		t.Rows = append(t.Rows, row)
	}
	return t
}

// findingOf says why a rotation is a finding.
func findingOf(finding string, r rotation.Rotation) string {
	switch finding {
	case rotation.FindingOverdue:
		return r.Delivery.Problem
	case rotation.FindingException:
		return "begun by hand in spite of " + heldUpBy(r.Planned)
	}
	return ""
}

// heldUpBy names what of the calendars stood in a rotation's way, one a line.
func heldUpBy(p rotation.Planned) string {
	var out []string
	for _, b := range p.Blocks {
		until := "for ever"
		if !b.To.IsZero() {
			until = "to " + at(b.To)
		}
		out = append(out, b.Summary+" ("+string(b.Calendar)+") from "+at(b.From)+" "+until)
	}
	return strings.Join(out, "\n")
}

// at is a time as the API writes it, "" for none.
func at(t time.Time) string {
	if t.IsZero() {
		return ""
	}
	return httpapi.TimeText(t)
}
