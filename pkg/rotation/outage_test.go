package rotation_test

import (
	"cmp"
	"context"
	"encoding/json"
	"errors"
	"fmt"
	"io"
	"log/slog"
	"slices"
	"strconv"
	"testing"
	"time"

	"github.com/stretchr/testify/require"

	"github.com/rekey-dev/rekey/pkg/audit"
	"github.com/rekey-dev/rekey/pkg/dispatch"
	"github.com/rekey-dev/rekey/pkg/fault"
	"github.com/rekey-dev/rekey/pkg/id"
	"github.com/rekey-dev/rekey/pkg/memstore"
	"github.com/rekey-dev/rekey/pkg/rekeytest"
	"github.com/rekey-dev/rekey/pkg/rotation"
	"github.com/rekey-dev/rekey/pkg/secrets/secretstest"
	"github.com/rekey-dev/rekey/pkg/telemetry"
	"github.com/rekey-dev/rekey/pkg/verify"
)

// minutes lets the sweeper run once a minute, and the consumer send what its secret holds: it is never refused. A store that does
// not answer is no refusal. It returns how often there was no answer.
func (s *consumers) minutes(n int) (silent int) {
	s.t.Helper()
	for range n {
		_, _ = s.dying()
		secret := s.reads()
		v, err := s.Verifier.Verify(s.Ctx, verify.Presented{Secret: secret}, s.Origin(rekeytest.Home))
		if err != nil {
			require.True(s.t, fault.Is(err, fault.Unavailable), "%v", err)
			silent++
		} else {
			require.Equal(s.t, verify.Allow, v.Class, "at %v: %s", s.Now(), v.Status)
			s.Verifier.Used(s.Ctx, v, secret, s.Origin(rekeytest.Home))
		}
		s.Advance(time.Minute)
	}
	return silent
}

// story is what is on record of the rotations, of each in order.
func (s *consumers) story() (out []string) {
	records := slices.DeleteFunc(s.Mem.Events(), func(e audit.Event) bool { return e.Target.Type != "rotation" })
	slices.SortStableFunc(records, func(a, b audit.Event) int {
		return cmp.Or(cmp.Compare(a.Target.ID, b.Target.ID), cmp.Compare(a.Seq, b.Seq))
	})
	for _, e := range records {
		out = append(out, e.Action)
	}
	return out
}

var byItself = []string{audit.RotationStarted, audit.RotationDelivered, audit.RotationSeen}

func TestOutage_SecretsManagerIsDownForAnHourWhenARotationIsDue_B5_P3(t *testing.T) {
	for what, failing := range map[string]func(s *consumers){
		"all of it":    func(s *consumers) { s.failing("", secretstest.Failure{Drop: true}) },
		"half of it":   func(s *consumers) { s.failing("UpdateSecretVersionStage", secretstest.Failure{Drop: true}) },
		"it throttles": func(s *consumers) { s.failing("", secretstest.Failure{Code: "ThrottlingException"}) },
		"answers get lost": func(s *consumers) {
			s.failing("UpdateSecretVersionStage", secretstest.Failure{Drop: true, Effect: true})
		},
	} {
		s := newConsumers(t)
		s.scheduled()
		s.Advance(20*day - 30*time.Minute)
		s.minutes(10)
		failing(s)
		s.minutes(60)
		s.service.Fail = nil
		s.minutes(70)
		require.Equal(t, byItself, s.story(), what)
		r := s.rotations()[0]
		require.Equal(t, r.Delivery.DoneAt.Add(week).Truncate(time.Second), r.OverlapEndsAt, "%s: the overlap is as long as ever", what)
		require.NotEqual(t, s.old.Secret.Reveal(), s.reads().Reveal())
		s.Allowed(s.old.Secret, rekeytest.Home)
	}
}

func (s *consumers) rotations() []rotation.Rotation {
	page, err := s.Mem.Rotations(s.Ctx, rotation.Query{Place: s.Root.ID(), Limit: 100})
	require.NoError(s.t, err)
	return page.Rotations
}

func TestOutage_TheStoreIsDownOrThrottlesForAnHourInTheMiddleOfRotations_P3(t *testing.T) {
	begin := func() *consumers {
		s := newConsumers(t)
		s.scheduled()
		for i := range 5 { // whose overlaps run out in the middle of it
			rotate(t, s.World, s.IssueFor(s.old.View.Account.ID, strconv.Itoa(i), 400*day).View.Key.ID, rotation.Start{Mode: rotation.Overlap, Overlap: 20 * day})
		}
		s.Advance(20*day - 30*time.Minute)
		s.minutes(2)
		return s
	}
	clean := begin()
	clean.minutes(160)
	want := clean.story()
	require.Len(t, want, 5*2+3)
	for what, trouble := range map[string]func(s *consumers){
		"down": func(s *consumers) {
			s.Mem.Break(true)
			require.Equal(t, 60, s.minutes(60), "no answer, and no refusal")
			s.Mem.Break(false)
		},
		"throttled": func(s *consumers) {
			for range 60 {
				s.Store.Reset()
				for call := 1; call < 400; call++ {
					if call%3 > 0 {
						s.Store.Fail(call, memstore.Instead)
					}
				}
				s.minutes(1)
			}
			s.Store.Reset()
		},
	} {
		s := begin()
		s.GaveUp = nil
		trouble(s)
		s.minutes(100)
		require.ElementsMatch(t, want, s.story(), what)
		require.Equal(t, clean.ReadAccount(clean.old.View.Account.ID).KeyCount, s.ReadAccount(s.old.View.Account.ID).KeyCount, what)
	}
}

// stream hands the audit log to a dispatcher as DynamoDB's stream does: in batches, again from where it was held up.
type stream struct {
	*dispatch.Dispatcher
	told []string // IDs of the events that the bus has, as often as it got them
	down func(n int) (accepts, says bool)
	n    int
}

func (b *stream) Publish(_ context.Context, entries []dispatch.Entry) []error {
	errs := make([]error, len(entries))
	for i, e := range entries {
		var d dispatch.Detail
		if err := json.Unmarshal([]byte(e.Detail), &d); err != nil {
			panic(err)
		}
		b.n++
		accepts, says := b.down(b.n)
		if accepts {
			b.told = append(b.told, d.EventID)
		}
		if !says {
			errs[i] = fault.Down(errors.New("the bus"))
		}
	}
	return errs
}

func (b *stream) Send(context.Context, string) error { return errors.New("nothing is a dead letter") }

func newStream(w *rekeytest.World) *stream {
	b := &stream{}
	b.Dispatcher = &dispatch.Dispatcher{Bus: b, DeadLetters: b, Now: w.Clock.Now, Log: slog.New(slog.DiscardHandler),
		Metrics: telemetry.New("dispatcher", io.Discard, w.Clock.Now),
		Decode: func(image []byte) (audit.Event, bool, error) {
			var e audit.Event
			err := json.Unmarshal(image, &e)
			return e, err == nil, err
		}}
	return b
}

// read goes on from a position and returns where it was held up.
func (b *stream) read(t *testing.T, records []audit.Event, from int) int {
	var batch dispatch.Batch
	for i := from; i < min(len(records), from+10); i++ {
		image, err := json.Marshal(records[i])
		require.NoError(t, err)
		r := dispatch.Record{EventName: "INSERT"}
		r.DynamoDB.SequenceNumber, r.DynamoDB.NewImage = strconv.Itoa(i), image
		batch.Records = append(batch.Records, r)
	}
	answer, err := b.Handle(t.Context(), batch)
	require.NoError(t, err)
	if len(answer.Failures) == 0 {
		return from + len(batch.Records)
	}
	at, err := strconv.Atoi(answer.Failures[0].SequenceNumber)
	require.NoError(t, err)
	return at
}

func announced(records []audit.Event) (out []string) {
	for _, e := range records {
		if what, ok := dispatch.DetailType(e); ok && what != "" {
			out = append(out, string(e.ID))
		}
	}
	return out
}

func TestOutage_TheBusIsDownForAnHourAndEverythingIsAnnouncedAfterwardsOnce_P3(t *testing.T) {
	s := newConsumers(t)
	s.scheduled()
	b := newStream(s.World)
	s.Advance(20*day - 30*time.Minute)
	from := time.Time{}
	b.down = func(int) (bool, bool) {
		up := s.Now().Before(from) || !s.Now().Before(from.Add(time.Hour))
		return up, up
	}
	from = s.Now().Add(10 * time.Minute)
	at, held := 0, 0
	var records []audit.Event
	for range 120 {
		s.minutes(1)
		for _, e := range s.Mem.Events() { // the stream has them as they were committed
			if !slices.ContainsFunc(records, func(known audit.Event) bool { return known.ID == e.ID }) {
				records = append(records, e)
			}
		}
		for next := at; ; at = next {
			if next = b.read(t, records, at); next == at || next == len(records) {
				held += len(records) - next
				at = next
				break
			}
		}
	}
	require.Equal(t, byItself, s.story())
	require.Positive(t, held)
	require.Equal(t, announced(records), b.told, "in their order, each once")
}

// The dispatcher dies, or its answer is lost, at every call of the bus: who drops repeats by event_id, as the documents say, has
// each event once.
func TestCrash_AfterAnyCallOfTheBusEachEventArrives_P3(t *testing.T) {
	s := newConsumers(t)
	s.scheduled()
	s.Advance(20 * day)
	s.minutes(8 * 24 * 60 / 10)
	_, err := s.Rotations.Rotate(s.Ctx, s.As(s.Owner), s.rotations()[0].NewKey, rotation.Start{Mode: rotation.Emergency, Force: true, Deliver: recorder})
	require.NoError(t, err)
	records := s.Mem.Events()
	want := announced(records)
	require.Greater(t, len(want), 8)
	cases := 0
	for n := 1; n <= len(want); n++ {
		for _, accepted := range []bool{true, false} {
			b := newStream(s.World)
			b.down = func(call int) (bool, bool) { return call != n || accepted, call != n }
			for at := 0; at < len(records); at = b.read(t, records, at) {
			}
			seen := map[id.Event]bool{}
			var told []string
			for _, e := range b.told {
				if !seen[id.Event(e)] {
					seen[id.Event(e)] = true
					told = append(told, e)
				}
			}
			require.ElementsMatch(t, want, told, fmt.Sprint(n, accepted))
			cases++
		}
	}
	t.Logf("%d cases", cases)
}

func TestClock_ThatJumpsMonthsAheadIsFollowed_P3(t *testing.T) {
	s := newConsumers(t)
	s.scheduled()
	for range 6 {
		s.Advance(100 * day)
		s.minutes(3)
	}
	started, retired := len(s.Records(audit.RotationStarted)), len(s.Records(audit.RotationRetired))
	require.Equal(t, 6, started, "one that is due however late")
	require.Equal(t, 5, retired)
	s.Advance(8 * day)
	s.minutes(3)
	require.Len(t, s.Records(audit.RotationRetired), 6)
	require.Equal(t, 1, s.ReadAccount(s.old.View.Account.ID).KeyCount)
}

// A clock that is set back by minutes, at any time of a rotation: nothing is taken or announced twice, and no key that was
// promised to work is refused.
func TestClock_ThatGoesBackDoesNothingTwice_P3(t *testing.T) {
	begin := func() *consumers {
		s := newConsumers(t)
		s.scheduled()
		s.Advance(20*day - 5*time.Minute)
		return s
	}
	clean := begin()
	clean.minutes(20)
	want := clean.story()
	require.Equal(t, byItself, want)
	for at := range 15 {
		s := begin()
		s.minutes(at)
		s.Advance(-7 * time.Minute)
		s.minutes(30)
		require.Equal(t, want, s.story(), "set back after %d minutes", at)
		s.Clock.Set(s.rotations()[0].OverlapEndsAt.Add(-3 * time.Minute))
		s.minutes(at)
		s.Advance(-7 * time.Minute)
		s.minutes(30)
		require.Len(t, s.Records(audit.RotationRetired), 1, "set back after %d minutes", at)
		require.Len(t, s.Records(audit.KeyExpired), 1)
		require.Equal(t, 1, s.ReadAccount(s.old.View.Account.ID).KeyCount)
		s.Refused(s.old.Secret, rekeytest.Home, verify.Unusable, verify.StatusExpired)
	}
}
