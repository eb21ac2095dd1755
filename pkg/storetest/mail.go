package storetest

import (
	"errors"
	"fmt"
	"slices"
	"strings"
	"time"

	"github.com/rekey-dev/rekey/pkg/change"
	"github.com/rekey-dev/rekey/pkg/id"
	"github.com/rekey-dev/rekey/pkg/mailbox"
)

func (w *world) newLine(e id.Event, address string) mailbox.Line {
	return mailbox.Line{Event: e, Address: address, Kind: mailbox.Overdue, Account: newID[id.ServiceAccount](), Key: newID[id.Key](),
		Rotation: newID[id.Rotation](), Urgent: true, Note: "the target's “secret” is gone", AddedAt: w.now}
}

// newAddress is an address that no other test has.
func newAddress() string { return strings.ToLower(string(newID[id.Event]())) + "@example.com" }

func (w *world) addLine(address string) mailbox.Line {
	w.t.Helper()
	l := w.newLine(newID[id.Event](), address)
	_, err := w.store.AddLines(w.ctx, l.Event, []mailbox.Line{l})
	w.NoError(err)
	return l
}

func (w *world) mailbox(address string) (mailbox.Box, []mailbox.Line) {
	w.t.Helper()
	box, lines, err := w.store.Mailbox(w.ctx, mailbox.RecipientOf(address), 1000)
	w.NoError(err)
	return box, lines
}

func (w *world) saveBox(address string, old, next mailbox.Box, done ...id.Event) {
	w.t.Helper()
	next.Version = old.Version + 1
	w.NoError(w.store.SaveBox(w.ctx, mailbox.RecipientOf(address), old, next, done))
}

// wakesOf returns the rows of a recipient; other tests may have theirs in the same store.
func (w *world) wakesOf(r mailbox.Recipient, now time.Time) []mailbox.Wake {
	w.t.Helper()
	all, err := w.store.Wakes(w.ctx, now, 1000)
	w.NoError(err)
	w.True(slices.IsSortedFunc(all, func(a, b mailbox.Wake) int { return a.At.Compare(b.At) }))
	return slices.DeleteFunc(all, func(x mailbox.Wake) bool { return x.Recipient != r })
}

var mailTests = []test{
	{"the lines of an event read as they were written, each with its recipient", func(w *world) {
		e, a, b := newID[id.Event](), newAddress(), newAddress()
		first, second := w.newLine(e, a), w.newLine(e, b)
		second.Kind, second.Rotation, second.Urgent, second.Note = mailbox.Ending, "", false, ""
		told, err := w.store.AddLines(w.ctx, e, []mailbox.Line{first, second})
		w.NoError(err)
		w.ElementsMatch([]mailbox.Recipient{mailbox.RecipientOf(a), mailbox.RecipientOf(b)}, told)
		_, lines := w.mailbox(a)
		w.same([]mailbox.Line{first}, lines)
		box, lines := w.mailbox(b)
		w.same([]mailbox.Line{second}, lines)
		w.Zero(box)
	}},
	{"the lines of an event are put once, also when they have been told since and others would be told now", func(w *world) {
		e, a, b := newID[id.Event](), newAddress(), newAddress()
		for i := range 3 {
			told, err := w.store.AddLines(w.ctx, e, []mailbox.Line{w.newLine(e, []string{a, a, b}[i])})
			w.NoError(err)
			w.Equal([]mailbox.Recipient{mailbox.RecipientOf(a)}, told)
			w.saveBox(a, mailbox.Box{Version: int64(i)}, mailbox.Box{}, e)
		}
		_, lines := w.mailbox(a)
		w.Empty(lines)
		_, lines = w.mailbox(b)
		w.Empty(lines)
	}},
	{"of several who put the lines of one event at once, one does, and all learn whose they are", func(w *world) {
		e, a := newID[id.Event](), newAddress()
		for _, err := range together(8, func(int) error {
			told, err := w.store.AddLines(w.ctx, e, []mailbox.Line{w.newLine(e, a)})
			if err == nil && !slices.Equal(told, []mailbox.Recipient{mailbox.RecipientOf(a)}) {
				err = errors.New("another recipient")
			}
			return err
		}) {
			w.NoError(err)
		}
		_, lines := w.mailbox(a)
		w.Len(lines, 1)
	}},
	{"twenty lines of an event are put at once", func(w *world) {
		e := newID[id.Event]()
		var lines []mailbox.Line
		for range 20 {
			l := w.newLine(e, strings.Repeat("x", 242)+newAddress()[:12])
			l.Note = strings.Repeat("n", mailbox.MaxNote)
			lines = append(lines, l)
		}
		told, err := w.store.AddLines(w.ctx, e, lines)
		w.NoError(err)
		w.Len(told, 20)
	}},
	{"a mailbox is read up to a limit", func(w *world) {
		a := newAddress()
		for range 5 {
			w.addLine(a)
		}
		w.saveBox(a, mailbox.Box{}, mailbox.Box{SentAt: w.now})
		for limit := 1; limit <= 6; limit++ {
			box, lines, err := w.store.Mailbox(w.ctx, mailbox.RecipientOf(a), limit)
			w.NoError(err)
			w.Len(lines, min(limit, 5))
			w.same(w.now, box.SentAt)
		}
	}},
	{"a box reads as it was written, and changes only from what was read", func(w *world) {
		a := newAddress()
		next := mailbox.Box{SentAt: w.now, FurtherAt: w.now.Add(1 * time.Hour), RetryAt: w.now.Add(2 * time.Hour), Failures: 3, Claim: "op_1",
			ClaimUntil: w.now.Add(3 * time.Hour), Version: 1}
		w.saveBox(a, mailbox.Box{}, next)
		box, _ := w.mailbox(a)
		w.same(next, box)
		err := w.store.SaveBox(w.ctx, mailbox.RecipientOf(a), mailbox.Box{}, mailbox.Box{Version: 1}, nil)
		w.ErrorIs(err, change.ErrLost)
		w.saveBox(a, box, mailbox.Box{})
		box, _ = w.mailbox(a)
		w.same(mailbox.Box{Version: 2}, box)
	}},
	{"of several claims of one box one wins", func(w *world) {
		a := newAddress()
		w.oneWon(together(8, func(i int) error {
			return w.store.SaveBox(w.ctx, mailbox.RecipientOf(a), mailbox.Box{}, mailbox.Box{}.Claimed(fmt.Sprint(i), w.now), nil)
		}))
	}},
	{"a message is noted and its lines go together, and what came meanwhile stays", func(w *world) {
		a := newAddress()
		first, second := w.addLine(a), w.addLine(a)
		w.saveBox(a, mailbox.Box{}, mailbox.Box{Claim: "op_1", ClaimUntil: w.now})
		claimed, _ := w.mailbox(a)
		third := w.addLine(a)
		err := w.store.SaveBox(w.ctx, mailbox.RecipientOf(a), mailbox.Box{}, mailbox.Box{Version: 1}, []id.Event{first.Event})
		w.ErrorIs(err, change.ErrLost)
		_, lines := w.mailbox(a)
		w.Len(lines, 3)
		w.saveBox(a, claimed, claimed.Sent(w.now), first.Event, second.Event)
		box, lines := w.mailbox(a)
		w.same([]mailbox.Line{third}, lines)
		w.Empty(box.Claim)
		w.same(w.now, box.SentAt)
	}},
	{"more lines than fit into one transaction go, and the claim ends with the last of them", func(w *world) {
		a := newAddress()
		var done []id.Event
		for range 205 {
			done = append(done, w.addLine(a).Event)
		}
		kept := w.addLine(a)
		w.saveBox(a, mailbox.Box{}, mailbox.Box{}.Claimed("op_1", w.now))
		claimed, _ := w.mailbox(a)
		w.saveBox(a, claimed, claimed.Sent(w.now), done...)
		box, lines := w.mailbox(a)
		w.same([]mailbox.Line{kept}, lines)
		w.Empty(box.Claim)
		w.True(box.ClaimUntil.IsZero())
		w.same(w.now, box.SentAt)
	}},
	{"rows are found when they are due, the earliest first, and go unless they were asked for again", func(w *world) {
		r, at := mailbox.RecipientOf(newAddress()), w.now.Truncate(time.Minute)
		later := mailbox.Wake{At: at.Add(time.Hour), Recipient: r, Mark: "b"}
		w.NoError(w.store.Wake(w.ctx, later))
		w.NoError(w.store.Wake(w.ctx, mailbox.Wake{At: at, Recipient: r, Mark: "a"}))
		w.Empty(w.wakesOf(r, at.Add(-time.Millisecond)))
		due := w.wakesOf(r, at)
		w.same([]mailbox.Wake{{At: at, Recipient: r, Mark: "a"}}, due)
		w.NoError(w.store.Wake(w.ctx, mailbox.Wake{At: at, Recipient: r, Mark: "again"}))
		w.ErrorIs(w.store.Unwake(w.ctx, due[0]), change.ErrLost)
		due = w.wakesOf(r, at.Add(2*time.Hour))
		w.same([]mailbox.Wake{{At: at, Recipient: r, Mark: "again"}, later}, due)
		for _, x := range due {
			w.NoError(w.store.Unwake(w.ctx, x))
		}
		w.Empty(w.wakesOf(r, at.Add(2*time.Hour)))
	}},
	{"no more rows are read than were asked for", func(w *world) {
		for range 5 {
			w.NoError(w.store.Wake(w.ctx, mailbox.Wake{At: w.now.Truncate(time.Minute), Recipient: mailbox.RecipientOf(newAddress()), Mark: "a"}))
		}
		rows, err := w.store.Wakes(w.ctx, w.now, 3)
		w.NoError(err)
		w.Len(rows, 3)
	}},
}
