package repotest

import (
	"os"
	"path/filepath"
	"testing"

	"github.com/stretchr/testify/require"
)

// alarmed are the alarms by what they watch: the metric, and the function that writes it.
var alarmed = map[string][2]string{
	"SweeperLateAlarm":   {"SweeperLag", "SweeperFunction"},
	"SweeperPutOffAlarm": {"SweeperPutOff", "SweeperFunction"},
	"CannotTellAlarm":    {"VerdictF5", "AuthorizerFunction"},
	"EventsLateAlarm":    {"DispatchLag", "DispatcherFunction"},
	"MailHeldAlarm":      {"MailHeld", "NotifierFunction"},
	"MailLateAlarm":      {"MailWaiting", "NotifierFunction"},
	"EventsLostAlarm":    {"ApproximateNumberOfMessagesVisible", ""},
}

func TestTemplate_AlarmsWatchMetricsThatAreWritten_P3(t *testing.T) {
	tp := loadTemplate(t)
	written, err := os.ReadFile(filepath.Join(templateRoot, "pkg", "telemetry", "telemetry.go"))
	require.NoError(t, err)
	found := 0
	for id := range tp.object(t, "Resources") {
		resource := tp.object(t, "Resources", id)
		if resource["Type"] != "AWS::CloudWatch::Alarm" {
			continue
		}
		found++
		want, ok := alarmed[id]
		require.True(t, ok, id)
		p := resource["Properties"].(map[string]any)
		require.Equal(t, want[0], p["MetricName"], id)
		dimension := p["Dimensions"].([]any)[0].(map[string]any)
		if want[1] != "" {
			require.Equal(t, "rekey", p["Namespace"], id)
			require.Contains(t, string(written), `"`+want[0]+`"`)
			require.Equal(t, "Function", dimension["Name"], id)
			require.Equal(t, map[string]any{"Ref": want[1]}, dimension["Value"], id)
		}
		require.Equal(t, p["AlarmActions"], p["OKActions"], "whoever hears of the beginning hears of the end")
		require.NotContains(t, p, "AlarmName", "a fixed name blocks a second deployment")
	}
	require.Len(t, alarmed, found)
	late := tp.object(t, "Resources", "SweeperLateAlarm", "Properties")
	require.Equal(t, "breaching", late["TreatMissingData"], "a sweeper that does not run has no lag")
}
