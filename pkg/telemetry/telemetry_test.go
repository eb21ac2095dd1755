package telemetry

import (
	"bytes"
	"encoding/json"
	"strings"
	"sync"
	"testing"
	"time"

	"github.com/stretchr/testify/require"
)

// document is the embedded metric format as its specification describes it; other members are refused in _aws.
type document struct {
	AWS struct {
		Timestamp         int64
		CloudWatchMetrics []struct {
			Namespace  string
			Dimensions [][]string
			Metrics    []struct{ Name, Unit string }
		}
	} `json:"_aws"`
}

// parse reads one line, holds it against the specification, and returns its metrics.
func parse(t *testing.T, line string) map[string]float64 {
	t.Helper()
	var root map[string]json.RawMessage
	require.NoError(t, json.Unmarshal([]byte(line), &root), line)
	var d document
	strict := json.NewDecoder(bytes.NewReader(root["_aws"]))
	strict.DisallowUnknownFields()
	require.NoError(t, strict.Decode(&d.AWS))
	require.Positive(t, d.AWS.Timestamp)
	require.Len(t, d.AWS.CloudWatchMetrics, 1)
	directive := d.AWS.CloudWatchMetrics[0]
	require.NotEmpty(t, directive.Namespace)
	require.LessOrEqual(t, len(directive.Namespace), 255)
	require.NotEmpty(t, directive.Dimensions)
	for _, set := range directive.Dimensions {
		require.LessOrEqual(t, len(set), 30)
		for _, name := range set {
			var value string
			require.NoError(t, json.Unmarshal(root[name], &value), "a dimension's target is a text")
			require.NotEmpty(t, value)
			require.LessOrEqual(t, len(value), 1024)
		}
	}
	require.NotEmpty(t, directive.Metrics)
	require.LessOrEqual(t, len(directive.Metrics), 100)
	out := map[string]float64{}
	for _, m := range directive.Metrics {
		require.Contains(t, []string{"Count", "Milliseconds"}, m.Unit)
		var value float64
		require.NoError(t, json.Unmarshal(root[m.Name], &value), "a metric's target is a number")
		require.NotContains(t, out, m.Name)
		out[m.Name] = value
	}
	require.Len(t, root, 2+len(out), "nothing but _aws, Function and the metrics")
	return out
}

type recording struct {
	*Recorder
	out  bytes.Buffer
	time time.Time
}

func record() *recording {
	r := &recording{time: time.Date(2026, 11, 21, 9, 0, 0, 0, time.UTC)}
	r.Recorder = New("rekey-Authorizer-1A2B", &r.out, func() time.Time { return r.time })
	return r
}

func (r *recording) lines() []string { return strings.Split(strings.TrimSpace(r.out.String()), "\n") }

func TestDone_WritesOneLineOfEmbeddedMetricFormatForWhatCannotWait(t *testing.T) {
	r := record()
	r.Verdict("allow")
	r.Verdict("F2")
	r.Count(Locks, 1)
	r.Done()
	require.Len(t, r.lines(), 1)
	require.Equal(t, map[string]float64{"VerdictAllow": 1, "VerdictF2": 1, "Locks": 1}, parse(t, r.lines()[0]))
	require.Contains(t, r.out.String(), `"Function":"rekey-Authorizer-1A2B"`)
	require.Contains(t, r.out.String(), `"Timestamp":1795251600000`)
	r.Done()
	require.Len(t, r.lines(), 1, "nothing is counted twice")
}

func TestDone_GathersTheRoutineForAMinute(t *testing.T) {
	r := record()
	for range 1000 {
		r.Verdict("allow")
		r.Verdict("F0")
		r.Done()
	}
	require.Empty(t, r.out.String())
	r.time = r.time.Add(GatherFor)
	r.Verdict("allow")
	r.Done()
	require.Equal(t, map[string]float64{"VerdictAllow": 1001, "VerdictF0": 1000}, parse(t, r.out.String()))
}

func TestEveryMetric_HasADefinitionThatTheFormatAccepts(t *testing.T) {
	r := record()
	for m := range metrics {
		r.Count(m, int(m)+1)
	}
	r.Done()
	got := parse(t, r.out.String())
	require.Len(t, got, int(metrics))
	for m := range metrics {
		require.Equal(t, float64(m)+1, got[definitions[m].name])
	}
}

func TestVerdict_CountsEachClassUnderItsName(t *testing.T) {
	for class, name := range map[string]string{"allow": "VerdictAllow", "F0": "VerdictF0", "F1": "VerdictF1", "F2": "VerdictF2",
		"F3": "VerdictF3", "F4": "VerdictF4", "F5": "VerdictF5", "F9": "VerdictF5"} {
		r := record()
		r.Verdict(class)
		r.time = r.time.Add(GatherFor)
		r.Done()
		require.Equal(t, map[string]float64{name: 1}, parse(t, r.out.String()))
	}
}

func TestNew_MakesADimensionOfAnyName(t *testing.T) {
	for name, want := range map[string]string{"": "unknown", "a\"b\\c\nd\x00é": "abcd", strings.Repeat("x", 2000): strings.Repeat("x", 1024)} {
		require.Equal(t, want, New(name, nil, time.Now).function)
	}
}

func TestRecorder_SteadyStateAllocatesNothing(t *testing.T) {
	r := record()
	require.Zero(t, testing.AllocsPerRun(100, func() { r.Verdict("allow"); r.Done() }))
	require.Empty(t, r.out.String())
}

func TestRecorder_LosesNothingInParallel(t *testing.T) {
	r := record()
	var wg sync.WaitGroup
	for range 8 {
		wg.Go(func() {
			for range 100 {
				r.Verdict("F2")
				r.Done()
			}
		})
	}
	wg.Wait()
	sum := 0.0
	for _, line := range r.lines() {
		sum += parse(t, line)["VerdictF2"]
	}
	require.Equal(t, 800.0, sum)
}
