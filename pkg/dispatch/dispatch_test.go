package dispatch

import (
	"bytes"
	"context"
	"encoding/json"
	"errors"
	"fmt"
	"log/slog"
	"strings"
	"testing"
	"time"

	"github.com/stretchr/testify/require"

	"github.com/rekey-dev/rekey/pkg/audit"
	"github.com/rekey-dev/rekey/pkg/fault"
	"github.com/rekey-dev/rekey/pkg/telemetry"
)

// fakeBus answers each event as told by its ID; what it accepts it keeps.
type fakeBus struct {
	answer    map[string]error
	published []string
	ctx       context.Context
}

func (b *fakeBus) Publish(ctx context.Context, entries []Entry) []error {
	b.ctx = ctx
	errs := make([]error, len(entries))
	for i, e := range entries {
		var d Detail
		if err := json.Unmarshal([]byte(e.Detail), &d); err != nil {
			panic(err)
		}
		if errs[i] = b.answer[d.EventID]; errs[i] == nil {
			b.published = append(b.published, d.EventID)
		}
	}
	return errs
}

type fakeQueue struct {
	down     bool
	messages []string
}

func (q *fakeQueue) Send(_ context.Context, body string) error {
	if q.down {
		return fault.Down(errors.New("queue"))
	}
	q.messages = append(q.messages, body)
	return nil
}

type stand struct {
	*Dispatcher
	bus     fakeBus
	queue   fakeQueue
	metrics bytes.Buffer
	log     bytes.Buffer
}

var noon = time.Date(2026, 11, 21, 12, 0, 0, 0, time.UTC)

func newStand() *stand {
	s := &stand{bus: fakeBus{answer: map[string]error{}}}
	now := func() time.Time { return noon }
	s.Dispatcher = &Dispatcher{Bus: &s.bus, DeadLetters: &s.queue, Now: now, Log: slog.New(slog.NewJSONHandler(&s.log, nil)),
		Metrics: telemetry.New("dispatcher", &s.metrics, now),
		// An image of these tests is the ID of an announced event, "silent", "other" or "broken".
		Decode: func(image []byte) (audit.Event, bool, error) {
			e := event(string(image))
			switch e.ID {
			case "silent":
				e.Action = audit.ServiceAccountCreated
			case "other":
				return audit.Event{}, false, nil
			case "broken":
				return audit.Event{}, false, errors.New("attribute at has the wrong type")
			}
			return e, true, nil
		}}
	return s
}

func batch(images ...string) Batch {
	var b Batch
	for i, image := range images {
		r := Record{EventName: "INSERT"}
		r.DynamoDB.SequenceNumber = fmt.Sprint(100 + i)
		r.DynamoDB.NewImage = json.RawMessage(image)
		b.Records = append(b.Records, r)
	}
	return b
}

func (s *stand) handle(t *testing.T, b Batch) string {
	t.Helper()
	a, err := s.Handle(t.Context(), b)
	require.NoError(t, err)
	text, err := json.Marshal(a)
	require.NoError(t, err)
	return string(text)
}

const done = `{"batchItemFailures":[]}`

func failed(sequence string) string {
	return `{"batchItemFailures":[{"itemIdentifier":"` + sequence + `"}]}`
}

func TestHandle_PublishesInTheStreamsOrder(t *testing.T) {
	s := newStand()
	require.Equal(t, done, s.handle(t, batch("a", "silent", "b", "other", "c")))
	require.Equal(t, []string{"a", "b", "c"}, s.bus.published)
	require.Empty(t, s.queue.messages)
	require.Contains(t, s.metrics.String(), `"EventsPublished":3`)
	require.Contains(t, s.metrics.String(), `"DispatchLag":60000`)
}

func TestHandle_NothingToAnnounceCallsNobody(t *testing.T) {
	s := newStand()
	modify := batch("a")
	modify.Records[0].EventName = "MODIFY"
	for _, b := range []Batch{{}, batch("silent", "other"), modify} {
		require.Equal(t, done, s.handle(t, b))
	}
	require.Nil(t, s.bus.ctx)
	require.Empty(t, s.metrics.String())
}

func TestHandle_AnUnavailableBusStopsTheShardAtThatRecord(t *testing.T) {
	s := newStand()
	s.bus.answer["b"] = fault.Down(errors.New("bus"))
	require.Equal(t, failed("102"), s.handle(t, batch("a", "silent", "b", "c")))
	require.Empty(t, s.queue.messages)
	require.Contains(t, s.metrics.String(), `"DispatchHeldUp":1`)
	require.Contains(t, s.metrics.String(), `"EventsPublished":1`)
}

func TestHandle_ARecordThatCannotBePublishedIsPutAsideAndTheBatchGoesOn(t *testing.T) {
	s := newStand()
	s.bus.answer["b"] = &Refused{Code: "MalformedDetail", Message: "because"}
	require.Equal(t, done, s.handle(t, batch("a", "b", "broken", "c")))
	require.Equal(t, []string{"a", "c"}, s.bus.published)
	require.Len(t, s.queue.messages, 2)
	require.Contains(t, s.queue.messages[0], `"schema_version":1,"reason":"refused","code":"MalformedDetail","message":"because","event_id":"b","sequence_number":"101","detail_type":"Principal Locked","detail":{`)
	require.Equal(t, `{"schema_version":1,"reason":"unreadable","message":"attribute at has the wrong type","sequence_number":"102"}`, s.queue.messages[1])
	require.Contains(t, s.metrics.String(), `"EventsDeadLettered":2`)
}

func TestHandle_AnUnavailableQueueStopsTheShardAtThatRecord(t *testing.T) {
	s := newStand()
	s.queue.down = true
	require.Equal(t, failed("101"), s.handle(t, batch("a", "broken", "c")))
	s.queue.down = false
	require.Equal(t, done, s.handle(t, batch("broken", "c")))
	require.Len(t, s.queue.messages, 1)
}

func TestHandle_NamesTheFirstOfSeveralFailures(t *testing.T) {
	s := newStand()
	s.bus.answer["c"] = fault.Down(errors.New("bus"))
	s.bus.answer["d"] = &Refused{Code: "TooLarge"}
	require.Equal(t, failed("101"), s.handle(t, batch("a", "c", "d")))
	require.Empty(t, s.queue.messages, "what is behind the first failure comes again")
}

func TestHandle_KeepsTimeToAnswer(t *testing.T) {
	s := newStand()
	deadline := time.Now().Add(time.Hour)
	ctx, cancel := context.WithDeadline(t.Context(), deadline)
	defer cancel()
	_, err := s.Handle(ctx, batch("a"))
	require.NoError(t, err)
	got, ok := s.bus.ctx.Deadline()
	require.True(t, ok)
	require.Equal(t, deadline.Add(-answerIn), got)
}

func TestHandle_AnActionNobodyDecidedAboutIsLoggedAndHoldsUpNothing(t *testing.T) {
	s := newStand()
	s.Decode = func(image []byte) (audit.Event, bool, error) {
		e := event(string(image))
		e.Action = "moon.landed"
		return e, true, nil
	}
	require.Equal(t, done, s.handle(t, batch("a")))
	require.Empty(t, s.bus.published)
	require.Contains(t, s.log.String(), "moon.landed")
}

func TestHandle_LogsNoDetail(t *testing.T) {
	s := newStand()
	s.bus.answer["a"] = fault.Down(errors.New("bus"))
	s.handle(t, batch("a"))
	require.False(t, strings.Contains(s.log.String(), "Billing sync"))
}
