package dynamo_test

import (
	"crypto/rand"
	"errors"
	"fmt"
	"log/slog"
	"testing"
	"time"

	"github.com/stretchr/testify/require"

	"github.com/rekey-dev/rekey/pkg/apikey"
	"github.com/rekey-dev/rekey/pkg/audit"
	"github.com/rekey-dev/rekey/pkg/change"
	"github.com/rekey-dev/rekey/pkg/dynamo/dynamofault"
	"github.com/rekey-dev/rekey/pkg/fold"
	"github.com/rekey-dev/rekey/pkg/id"
	"github.com/rekey-dev/rekey/pkg/mailbox"
	"github.com/rekey-dev/rekey/pkg/notice"
	"github.com/rekey-dev/rekey/pkg/serviceaccount"
)

// announced puts contacts and the record that a key ends, and returns that record's ID.
func (w *tenant) announced(k apikey.Key, contacts ...string) id.Event {
	w.t.Helper()
	if len(contacts) > 0 {
		next := w.account
		next.Contacts, next.Version, next.EventSeq = contacts, next.Version+1, next.EventSeq+1
		w.commit(setOf(record("service_account", string(next.ID), next.EventSeq, next.Place), serviceaccount.Update{Old: w.account, New: &next}))
		w.account = next
	}
	next := k
	next.ExpiresAt, next.NoticeFrom = now.Add(7*24*time.Hour), now.Add(-time.Hour)
	next.EventSeq++
	e := record("key", string(k.ID), next.EventSeq, k.Place)
	e.Action, e.Actor = audit.KeyExpiring, audit.Actor{Type: audit.System, ID: "system"}
	e.Details = audit.KeyDetails(audit.KeyExpiring, k.ID, k.Prefix(), 1, nil, k.AccountID)
	e.Details["expires_at"] = next.ExpiresAt.Format(time.RFC3339)
	w.commit(setOf(e, apikey.Update{Old: k, New: next}))
	return e.ID
}

func (w *tenant) notices(clock *time.Time, sent *[]notice.Letter) *notice.Service {
	now := func() time.Time { return *clock }
	return &notice.Service{Store: w.Store, Keys: &apikey.Service{Store: w.Store, Fold: fold.Name, Now: now, Rand: rand.Reader}, Now: now, Rand: rand.Reader,
		Log: slog.New(slog.DiscardHandler), Mail: mailer(func(l notice.Letter) error { *sent = append(*sent, l); return nil })}
}

func counted(calls []string) map[string]int {
	out := map[string]int{}
	for _, c := range calls {
		out[c]++
	}
	return out
}

func TestMail_ARunWithNothingDueIsOneQuery_B3(t *testing.T) {
	t.Parallel()
	w := metered(t)
	clock, sent := now, []notice.Letter{}
	e := w.announced(w.key, "blue@example.com")
	_, err := w.notices(&clock, &sent).Hear(t.Context(), e)
	require.NoError(t, err)
	w.meter.take()
	_, err = w.notices(&clock, &sent).Send(t.Context())
	require.NoError(t, err)
	b := w.meter.take()
	require.Equal(t, []string{"Query"}, b.calls)
	require.Equal(t, 1.0, b.reads)
	require.Zero(t, b.writes)
}

// Reads: the audit record, the account, its policies and places; writes: two units a line and two for the event, a row each.
func TestMail_AnEventWithThreeRecipientsIsSevenCalls_B3(t *testing.T) {
	t.Parallel()
	w := metered(t)
	clock, sent := now, []notice.Letter{}
	e := w.announced(w.key, "blue@example.com", "ops@example.com", "red@example.com")
	w.meter.take()
	told, err := w.notices(&clock, &sent).Hear(t.Context(), e)
	require.NoError(t, err)
	require.Equal(t, 3, told)
	b := w.meter.take()
	require.Equal(t, map[string]int{"GetItem": 1, "Query": 1, "BatchGetItem": 1, "TransactWriteItems": 1, "UpdateItem": 3}, counted(b.calls))
	require.Equal(t, 5.0, b.reads)
	require.Equal(t, 11.0, b.writes)
}

func TestMail_AMessageOfThreeHundredLinesCostsThis_B3(t *testing.T) {
	t.Parallel()
	w := metered(t)
	clock, sent := now, []notice.Letter{}
	s := w.notices(&clock, &sent)
	const lines = 300
	for i := range lines {
		k := w.issue(fmt.Sprintf("key %d", i))
		contacts := []string(nil)
		if i == 0 {
			contacts = []string{"blue@example.com"}
		}
		_, err := s.Hear(t.Context(), w.announced(k, contacts...))
		require.NoError(t, err)
	}
	clock = clock.Add(15 * time.Minute)
	w.meter.take()
	r, err := s.Send(t.Context())
	require.NoError(t, err)
	require.Equal(t, 1, r.Sent)
	require.Equal(t, lines, r.Told)
	b := w.meter.take()
	t.Logf("%d lines: %d calls %v, %v read and %v write units", lines, len(b.calls), counted(b.calls), b.reads, b.writes)
	// Queries: rows before and after, the mailbox. Batches: keys by the hundred, accounts, policies. One company, one claim, four
	// transactions that take the lines away, one that takes the row.
	require.Equal(t, map[string]int{"Query": 3, "BatchGetItem": 5, "GetItem": 1, "UpdateItem": 1, "TransactWriteItems": 5}, counted(b.calls))
	require.LessOrEqual(t, b.reads, 325.0, "one a key, and the lines")
	require.Equal(t, 2.0*lines+11, b.writes)
	require.Len(t, sent, 1)
}

// Of a message with more lines than fit into one transaction, each step that fails or whose answer is lost leaves the message noted
// from the first one on, and the claim on until the last; whoever comes after the claim's end takes the rest away.
func TestSaveBox_ThatStopsBetweenItsStepsLeavesTheMessageNoted_B3(t *testing.T) {
	t.Parallel()
	for _, fault := range []dynamofault.Fault{dynamofault.Before, dynamofault.After, dynamofault.Instead} {
		for step := 1; step <= 3; step++ {
			d := deploy(t)
			r := mailbox.RecipientOf("blue@example.com")
			var done []id.Event
			for range 205 {
				l := mailbox.Line{Event: draw[id.Event](), Address: "blue@example.com", Kind: mailbox.Ending, Key: draw[id.Key](), AddedAt: now}
				_, err := d.AddLines(t.Context(), l.Event, []mailbox.Line{l})
				require.NoError(t, err)
				done = append(done, l.Event)
			}
			claimed := mailbox.Box{}.Claimed("op", now)
			require.NoError(t, d.SaveBox(t.Context(), r, mailbox.Box{}, claimed, nil))
			transactions := 0
			d.faults.Set(func(c dynamofault.Call) dynamofault.Fault {
				if c.Operation == "TransactWriteItems" {
					if transactions++; transactions == step {
						return fault
					}
				}
				return dynamofault.None
			})
			require.Error(t, d.SaveBox(t.Context(), r, claimed, claimed.Sent(now), done))
			d.faults.Set(nil)
			happened := step - 1
			if fault == dynamofault.After {
				happened++
			}
			box, lines, err := d.Mailbox(t.Context(), r, 1000)
			require.NoError(t, err)
			require.Len(t, lines, max(205-98*happened, 0), "%s at step %d", fault, step)
			require.Equal(t, happened > 0, box.SentAt.Equal(now), "%s at step %d", fault, step)
			require.Equal(t, happened < 3, box.Claim == "op", "%s at step %d", fault, step)
			err = d.SaveBox(t.Context(), r, claimed, claimed.Sent(now), done) // as a caller does who does not know
			_, lines, readErr := d.Mailbox(t.Context(), r, 1000)
			require.NoError(t, readErr)
			require.True(t, err == nil && len(lines) == 0 || errors.Is(err, change.ErrLost), "%s at step %d: %v, %d lines", fault, step, err, len(lines))
		}
	}
}
