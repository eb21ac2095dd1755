// Package dispatch turns audit records into events: it reads the Audit table's stream, decides which records are announced
// and as what, and publishes them.
//
// An audit record is committed together with its change, so it is the outbox: what happened is announced at least once.
// Neither the stream nor the bus keeps order between objects; consumers drop repeats by event_id and order by sequence,
// which counts the records of one target. Only a bus or a queue that does not answer holds the stream up. A record that can
// never be announced goes to the dead-letter queue, and the ones behind it go on. The package knows neither AWS's clients
// nor how a record is stored; an event carries identifiers, prefixes and numbers, never a secret and no text that people
// wrote.
package dispatch

import (
	"context"
	"encoding/json"
	"errors"
	"log/slog"
	"time"

	"github.com/rekey-dev/rekey/pkg/audit"
	"github.com/rekey-dev/rekey/pkg/fault"
	"github.com/rekey-dev/rekey/pkg/telemetry"
)

// Source is the source of every event.
const Source = "rekey"

// answerIn is kept of an invocation's time to tell the stream where to go on.
const answerIn = time.Second

// Batch is what Lambda hands over from a DynamoDB stream.
type Batch struct {
	Records []Record `json:"Records"`
}

// Record is one change of one item.
type Record struct {
	EventName string `json:"eventName"`
	DynamoDB  struct {
		SequenceNumber string          `json:"SequenceNumber"`
		NewImage       json.RawMessage `json:"NewImage"`
	} `json:"dynamodb"`
}

// Answer tells Lambda from which record on the batch has to be repeated; none when all of it is done.
type Answer struct {
	Failures []Failure `json:"batchItemFailures"`
}

// Failure is the first record of a batch that was not dealt with.
type Failure struct {
	SequenceNumber string `json:"itemIdentifier"`
}

// Entry is an event on its way to the bus.
type Entry struct {
	DetailType string
	Detail     string // a JSON object
	Time       time.Time
}

// Refused is the error of an entry that no bus will ever take.
type Refused struct {
	Code    string // the bus's word for it, or TooLarge
	Message string
}

func (r *Refused) Error() string { return "dispatch: refused by the bus: " + r.Code + ": " + r.Message }

// Bus publishes entries in their order. It returns an error for each: nil when the bus has it, *Refused when no bus will
// ever take it, a fault of kind unavailable when it is worth trying again. Publishing an entry again is safe.
type Bus interface {
	Publish(ctx context.Context, entries []Entry) []error
}

// Queue takes what can never be published. An error says that the message is not known to be there; sending it again is
// safe.
type Queue interface {
	Send(ctx context.Context, body string) error
}

// Dispatcher deals with batches of the stream. Its fields are set once.
type Dispatcher struct {
	// Decode reads the image of an item; false when it is no audit record.
	Decode      func(image []byte) (audit.Event, bool, error)
	Bus         Bus
	DeadLetters Queue
	Now         func() time.Time
	Log         *slog.Logger
	Metrics     *telemetry.Recorder
}

// step is what is done about one record.
type step struct {
	sequence string
	event    audit.Event // zero when it cannot be read
	entry    Entry
	dead     *deadLetter // instead of an entry
}

// Handle deals with one batch. It never returns an error: an answer that names a record keeps everything before it done.
func (d *Dispatcher) Handle(ctx context.Context, b Batch) (Answer, error) {
	if deadline, ok := ctx.Deadline(); ok {
		var cancel context.CancelFunc
		ctx, cancel = context.WithDeadline(ctx, deadline.Add(-answerIn))
		defer cancel()
	}
	defer d.Metrics.Done()
	answer := Answer{Failures: []Failure{}}
	if held := d.carryOut(ctx, d.plan(b)); held != "" {
		answer.Failures = append(answer.Failures, Failure{held})
		d.Metrics.Count(telemetry.DispatchHeldUp, 1)
	}
	return answer, nil
}

// plan decides about each record; those that are not announced leave no step.
func (d *Dispatcher) plan(b Batch) []step {
	var steps []step
	for _, record := range b.Records {
		s := step{sequence: record.DynamoDB.SequenceNumber}
		if record.EventName != "INSERT" {
			continue
		}
		event, ok, err := d.Decode(record.DynamoDB.NewImage)
		switch {
		case err != nil:
			s.dead = &deadLetter{Reason: "unreadable", Message: err.Error()}
		case !ok:
			continue
		default:
			detailType, known := DetailType(event)
			if !known {
				d.Log.Warn("no decision about this action", "action", event.Action, "event_id", event.ID)
			}
			if detailType == "" {
				continue
			}
			s.event = event
			s.entry = Entry{DetailType: detailType, Detail: detail(event), Time: event.At}
		}
		steps = append(steps, s)
	}
	return steps
}

// carryOut publishes, or puts on the queue, step by step. It returns the sequence number of the first one that neither bus
// nor queue would take now; "" when there is none.
func (d *Dispatcher) carryOut(ctx context.Context, steps []step) (held string) {
	var entries []Entry
	for _, s := range steps {
		if s.dead == nil {
			entries = append(entries, s.entry)
		}
	}
	if len(steps) == 0 {
		return ""
	}
	errs := d.Bus.Publish(ctx, entries)
	published, lag := 0, time.Duration(0)
	defer func() {
		if published > 0 {
			d.Metrics.Count(telemetry.EventsPublished, published)
			d.Metrics.Count(telemetry.DispatchLag, int(lag.Milliseconds()))
		}
	}()
	for _, s := range steps {
		if s.dead == nil {
			err := errs[0]
			errs = errs[1:]
			var refused *Refused
			switch {
			case err == nil:
				published++
				lag = max(lag, d.Now().Sub(s.event.At))
				continue
			case !errors.As(err, &refused):
				d.Log.Error("the event bus is unavailable", "event_id", s.event.ID, "sequence_number", s.sequence, "error", err)
				return s.sequence
			}
			s.dead = &deadLetter{Reason: "refused", Code: refused.Code, Message: refused.Message, EventID: string(s.event.ID),
				DetailType: s.entry.DetailType, Detail: json.RawMessage(s.entry.Detail)}
		}
		s.dead.SchemaVersion, s.dead.SequenceNumber = 1, s.sequence
		if err := d.DeadLetters.Send(ctx, s.dead.text()); err != nil {
			d.Log.Error("the dead-letter queue is unavailable", "sequence_number", s.sequence, "kind", fault.KindOf(err), "error", err)
			return s.sequence
		}
		d.Log.Error("put on the dead-letter queue", "event_id", s.dead.EventID, "sequence_number", s.sequence,
			"reason", s.dead.Reason, "code", s.dead.Code, "message", s.dead.Message)
		d.Metrics.Count(telemetry.EventsDeadLettered, 1)
	}
	return ""
}

// deadLetter is the message about a record that can never be announced. The record itself stays in the Audit table.
type deadLetter struct {
	SchemaVersion  int             `json:"schema_version"`
	Reason         string          `json:"reason"` // unreadable or refused
	Code           string          `json:"code,omitempty"`
	Message        string          `json:"message"`
	EventID        string          `json:"event_id,omitempty"`
	SequenceNumber string          `json:"sequence_number"` // of the stream
	DetailType     string          `json:"detail_type,omitempty"`
	Detail         json.RawMessage `json:"detail,omitempty"`
}

func (l deadLetter) text() string {
	b, err := json.Marshal(l)
	if err != nil {
		panic("dispatch: a dead letter is not JSON: " + err.Error())
	}
	return string(b)
}
