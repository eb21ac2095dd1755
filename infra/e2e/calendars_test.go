package e2e

import (
	"net/http"
	"strings"
	"testing"

	"github.com/stretchr/testify/require"

	"github.com/rekey-dev/rekey/infra/e2e/client"
)

// A company's own change calendar comes in as iCalendar, is changed, and goes out again.
func TestCalendars_ComeInAndGoOutAsICalendar_B9(t *testing.T) {
	t.Parallel()
	p := asOwner(t)
	node := p.get("/me").expect(http.StatusOK).Text("node_id")
	const ics = "BEGIN:VCALENDAR\r\nVERSION:2.0\r\nPRODID:-//example//EN\r\nBEGIN:VEVENT\r\nUID:year-end\r\nDTSTAMP:20261121T120000Z\r\n" +
		"SUMMARY:Year's end\r\nDTSTART;VALUE=DATE:20261201\r\nDTEND;VALUE=DATE:20270107\r\nRRULE:FREQ=YEARLY\r\nEND:VEVENT\r\nEND:VCALENDAR\r\n"
	name := newName(t)
	body := client.Object{"name": name, "node_id": node, "kind": "freeze", "time_zone": "Europe/Berlin", "ics": ics}
	made := p.post("/calendars", body).expect(http.StatusCreated)
	cal := made.Text("id")
	p.post("/calendars", body).problem(http.StatusConflict, "conflict")
	require.Equal(t, []string{cal}, field(p.all("/calendars?q="+cal), "id"))
	require.Contains(t, p.get("/calendars/"+cal+"?format=ics").expect(http.StatusOK).Text("ics"), "SUMMARY:Year's end\r\n")

	bad := client.Object{"ics": strings.Replace(ics, "20261201", "20260230", 1)}
	p.patch("/calendars/"+cal, bad).problem(http.StatusUnprocessableEntity, "invalid")
	p.patch("/calendars/"+cal, client.Object{"time_zone": "America/New_York"}).expect(http.StatusOK)
	got := p.get("/calendars/" + cal).expect(http.StatusOK)
	require.Equal(t, "America/New_York", got.Text("time_zone"))
	require.Len(t, got["events"], 1)

	require.Len(t, p.records(cal, "calendar.updated"), 1)
	p.delete("/calendars/" + cal).expect(http.StatusNoContent)
	p.get("/calendars/"+cal).problem(http.StatusNotFound, "not_found")
}
