// Package telemetry counts what operators watch and alarm on, as CloudWatch metrics.
//
// A metric is a line of JSON on the standard output in CloudWatch's embedded metric format, which CloudWatch Logs turns into
// metrics: nothing is called, nothing is waited for. The format is AWS's "Specification: Embedded metric format" (Amazon
// CloudWatch User Guide): a member _aws with a timestamp in milliseconds and, for each namespace, the names of the members
// that are dimensions and metrics. Its bounds that matter here: 100 metrics in a line, dimension values of 1 to 1,024
// characters.
//
// A log line costs more than a verdict's read, so there is at most one for a request, and what is routine is gathered and
// written with the next line that has to be written, or once a minute; what an environment has gathered when it ends is
// lost. The only dimension is the function: identifiers, routes and addresses never become one. The package relies on
// nothing and knows no request.
package telemetry

import (
	"io"
	"strconv"
	"strings"
	"sync"
	"time"
)

// Namespace is that of every metric.
const Namespace = "rekey"

// GatherFor is how long routine counts are gathered before they are written.
const GatherFor = time.Minute

// Metric is what is measured.
type Metric int

// All count, but DispatchLag, SweeperLag and MailWaiting, which are in milliseconds.
const (
	VerdictAllow Metric = iota
	VerdictF0           // malformed
	VerdictF1           // unknown, or wrong for a credential that has ended
	VerdictF2           // a wrong secret for a live credential: counted towards a lock
	VerdictF3           // a right secret that may not be used
	VerdictF4           // a right secret without the permission
	VerdictF5           // rekey itself could not tell
	Locks
	LastUsedWriteFailed
	SightingWriteFailed
	AnnouncementFailed
	UsageWriteFailed
	EventsPublished
	EventsDeadLettered
	DispatchHeldUp // batches that have to be repeated
	DispatchLag    // from a change to its event, of the slowest in a batch
	SweeperLag     // for how long the key that waited longest had been due
	SweeperActed   // keys for which something was done
	SweeperPutOff  // keys that could not be dealt with
	MailSent       // messages
	MailHeld       // messages that did not go and are tried again
	MailSetAside   // lines of recipients whose message was refused
	MailWaiting    // how long the line had waited that waited longest
	metrics
)

// definitions has the name of each metric and whether it is worth a line of its own.
var definitions = [metrics]struct {
	name   string
	unit   string
	urgent bool
}{
	VerdictAllow:        {"VerdictAllow", "Count", false},
	VerdictF0:           {"VerdictF0", "Count", false},
	VerdictF1:           {"VerdictF1", "Count", false},
	VerdictF2:           {"VerdictF2", "Count", true},
	VerdictF3:           {"VerdictF3", "Count", false},
	VerdictF4:           {"VerdictF4", "Count", false},
	VerdictF5:           {"VerdictF5", "Count", true},
	Locks:               {"Locks", "Count", true},
	LastUsedWriteFailed: {"LastUsedWriteFailed", "Count", true},
	SightingWriteFailed: {"SightingWriteFailed", "Count", true},
	AnnouncementFailed:  {"AnnouncementFailed", "Count", true},
	UsageWriteFailed:    {"UsageWriteFailed", "Count", true},
	EventsPublished:     {"EventsPublished", "Count", true},
	EventsDeadLettered:  {"EventsDeadLettered", "Count", true},
	DispatchHeldUp:      {"DispatchHeldUp", "Count", true},
	DispatchLag:         {"DispatchLag", "Milliseconds", true},
	SweeperLag:          {"SweeperLag", "Milliseconds", true},
	SweeperActed:        {"SweeperActed", "Count", true},
	SweeperPutOff:       {"SweeperPutOff", "Count", true},
	MailSent:            {"MailSent", "Count", true},
	MailHeld:            {"MailHeld", "Count", true},
	MailSetAside:        {"MailSetAside", "Count", true},
	MailWaiting:         {"MailWaiting", "Milliseconds", true},
}

// Recorder gathers and writes one function's metrics. It may be used by many goroutines.
type Recorder struct {
	function string
	out      io.Writer
	now      func() time.Time

	mu      sync.Mutex
	values  [metrics]int64
	present [metrics]bool
	pending bool
	urgent  bool
	written time.Time
	line    []byte
}

// New makes a Recorder for a function, named as AWS Lambda knows it.
func New(function string, out io.Writer, now func() time.Time) *Recorder {
	return &Recorder{function: dimension(function), out: out, now: now, written: now()}
}

// dimension makes a value that the format accepts and that needs no escape in JSON.
func dimension(s string) string {
	s = strings.Map(func(r rune) rune {
		if r < ' ' || r > '~' || r == '"' || r == '\\' {
			return -1
		}
		return r
	}, s)
	if s == "" {
		return "unknown"
	}
	return s[:min(len(s), 1024)]
}

// Count adds n to a metric. It writes nothing and allocates nothing.
func (r *Recorder) Count(m Metric, n int) {
	r.mu.Lock()
	defer r.mu.Unlock()
	r.add(m, int64(n))
}

func (r *Recorder) add(m Metric, n int64) {
	r.values[m] += n
	r.present[m] = true
	r.pending = true
	r.urgent = r.urgent || definitions[m].urgent
}

// Verdict counts a verdict of a class: allow, or F0 to F5. Another class is F5: rekey itself could not tell.
func (r *Recorder) Verdict(class string) {
	m := VerdictF5
	switch class {
	case "allow":
		m = VerdictAllow
	case "F0":
		m = VerdictF0
	case "F1":
		m = VerdictF1
	case "F2":
		m = VerdictF2
	case "F3":
		m = VerdictF3
	case "F4":
		m = VerdictF4
	}
	r.Count(m, 1)
}

// Done ends a request: it writes what was gathered, in one line, if some of it cannot wait or the oldest of it has waited
// for GatherFor.
func (r *Recorder) Done() {
	r.mu.Lock()
	defer r.mu.Unlock()
	now := r.now()
	if !r.pending || (!r.urgent && now.Sub(r.written) < GatherFor) {
		return
	}
	r.write(now)
}

func (r *Recorder) write(now time.Time) {
	b := append(r.line[:0], `{"_aws":{"Timestamp":`...)
	b = strconv.AppendInt(b, now.UnixMilli(), 10)
	b = append(b, `,"CloudWatchMetrics":[{"Namespace":"`+Namespace+`","Dimensions":[["Function"]],"Metrics":[`...)
	comma := ""
	for m, d := range definitions {
		if r.present[m] {
			b = append(append(append(append(append(append(b, comma...), `{"Name":"`...), d.name...), `","Unit":"`...), d.unit...), `"}`...)
			comma = ","
		}
	}
	b = append(append(append(b, `]}]},"Function":"`...), r.function...), '"')
	for m, d := range definitions {
		if r.present[m] {
			b = append(append(append(b, `,"`...), d.name...), `":`...)
			b = strconv.AppendInt(b, r.values[m], 10)
		}
	}
	b = append(b, "}\n"...)
	_, _ = r.out.Write(b) // where the standard output fails there is nobody left to tell
	r.line, r.values, r.present = b, [metrics]int64{}, [metrics]bool{}
	r.pending, r.urgent, r.written = false, false, now
}
