package notice

import (
	"context"
	"errors"
	"strings"
	"time"

	"github.com/rekey-dev/rekey/pkg/change"
	"github.com/rekey-dev/rekey/pkg/fault"
	"github.com/rekey-dev/rekey/pkg/id"
	"github.com/rekey-dev/rekey/pkg/mailbox"
)

// Bounds of a run.
const (
	// MaxLines is the most lines of a recipient that one message takes; what is over goes in the next.
	MaxLines = 2_000

	batch   = 100              // rows that one query asks for
	reserve = 15 * time.Second // what is left of a run's time when it takes on nobody more
	putOff  = 5 * time.Minute  // when a recipient who cannot be dealt with is tried again
	giveUp  = 3                // recipients in a row who could not be written to before a run leaves the rest to the next
	saves   = 2                // how often the note that a message was sent is tried
)

// Run is what one run did.
type Run struct {
	Sent     int           // messages
	Told     int           // lines in them
	Dropped  int           // lines that were of no use any more
	SetAside int           // lines of recipients whose message was refused
	Held     int           // messages that did not go and are tried again
	Oldest   time.Duration // how long the line had waited that waited longest, of the recipients that were looked at
	More     bool          // something is left for the next run
	OnHold   bool
}

// errDown ends a run: what is left would not go either.
var errDown = errors.New("notice: the mail service does not take letters")

// run is one run at work.
type run struct {
	*Service
	Run
	claim  string
	owners map[string]string // names of companies and nodes that were read
	mail   *string           // the owner's address, once it was read
	failed int               // recipients in a row who could not be written to
}

// Send looks at every recipient who is due and writes to those to whom it is time to write, until there is nobody more or the
// context's time is nearly up. One recipient's failure does not keep the others waiting. Runs may overlap, and may end anywhere.
// An error is one of the store's that kept it from looking.
func (s *Service) Send(ctx context.Context) (Run, error) {
	if s.Hold {
		return Run{OnHold: true}, nil
	}
	r := run{Service: s, claim: string(id.New[id.Operation](s.Rand)), owners: map[string]string{}}
	seen := map[mailbox.Recipient]bool{}
	for {
		rows, err := s.Store.Wakes(ctx, s.Now(), batch)
		if err != nil {
			return r.Run, err
		}
		// All rows of a recipient that were read before they are looked at. What is read afterwards may be there for a line that
		// nobody has looked at: it is left to the next run.
		of := map[mailbox.Recipient][]mailbox.Wake{}
		var order []mailbox.Recipient
		for _, w := range rows {
			if seen[w.Recipient] {
				continue
			}
			if of[w.Recipient] == nil {
				order = append(order, w.Recipient)
			}
			of[w.Recipient] = append(of[w.Recipient], w)
		}
		for _, to := range order {
			if deadline, ok := ctx.Deadline(); ok && deadline.Sub(s.Now()) < reserve {
				r.More = true
				return r.Run, nil
			}
			seen[to] = true
			if err := r.one(ctx, to, of[to]); err != nil {
				r.More = true
				return r.Run, ignoreDown(err)
			}
		}
		if len(order) == 0 {
			return r.Run, nil
		}
	}
}

func ignoreDown(err error) error {
	if errors.Is(err, errDown) {
		return nil
	}
	return err
}

// one deals with one recipient, and takes their rows away. It returns an error when the others would hardly fare better: then the
// run ends.
func (r *run) one(ctx context.Context, to mailbox.Recipient, rows []mailbox.Wake) error {
	again, err := r.recipient(ctx, to)
	down := errors.Is(err, errDown)
	switch {
	case errors.Is(err, change.ErrLost): // another run writes to them; what is left is looked at again
		again = r.Now().Add(mailbox.ClaimFor)
	case fault.Is(err, fault.Unavailable): // the rows stay
		r.More = true
		r.Log.Error("a recipient was left to the next run", "recipient", string(to), "error", err)
		if r.failed++; r.failed < giveUp {
			err = nil
		}
		return err
	case err != nil && !down: // of this recipient alone
		r.Held++
		r.Log.Error("a recipient was put off", "recipient", string(to), "error", err)
		again = r.Now().Add(putOff)
	}
	if !again.IsZero() {
		if err := r.Store.Wake(ctx, mailbox.Wake{At: wholeMinute(again), Recipient: to, Mark: r.claim}); err != nil {
			return err
		}
	}
	for _, w := range rows { // a row that was asked for again after it was read stays
		if err := r.Store.Unwake(ctx, w); err != nil && !errors.Is(err, change.ErrLost) {
			return err
		}
	}
	if down {
		return errDown
	}
	return nil
}

// recipient writes to a recipient if it is time to, and returns when to look again; zero for not before there are more lines.
func (r *run) recipient(ctx context.Context, to mailbox.Recipient) (again time.Time, err error) {
	box, lines, err := r.Store.Mailbox(ctx, to, MaxLines+1)
	if err != nil {
		return time.Time{}, err
	}
	more := len(lines) > MaxLines
	lines = lines[:min(len(lines), MaxLines)]
	now := r.Now()
	for _, l := range lines {
		r.Oldest = max(r.Oldest, now.Sub(l.AddedAt))
	}
	d := mailbox.Decide(box, lines, now)
	if !d.Send {
		return d.At, nil
	}
	claimed := box.Claimed(r.claim, now)
	if err := r.Store.SaveBox(ctx, to, box, claimed, nil); err != nil {
		return time.Time{}, err
	}
	if more {
		again = now.Add(mailbox.Apart)
	}
	letter, told, err := r.compose(ctx, to, lines)
	if err != nil {
		return time.Time{}, err
	}
	if told == 0 {
		if err := r.Store.SaveBox(ctx, to, claimed, claimed.Released(), events(lines)); err != nil {
			return time.Time{}, err
		}
		r.Dropped += len(lines)
		return again, nil
	}
	return r.letter(ctx, to, claimed, lines, letter, told, again)
}

// letter sends a letter and notes what became of it.
func (r *run) letter(ctx context.Context, to mailbox.Recipient, claimed mailbox.Box, lines []mailbox.Line, letter Letter, told int, again time.Time) (time.Time, error) {
	message, err := r.Mail.Send(ctx, letter)
	now := r.Now()
	var refused *Refused
	switch {
	case errors.As(err, &refused):
		r.SetAside += len(lines)
		r.Log.Error("a message was refused: its lines wait for a day", "recipient", string(to), "lines", len(lines), "code", refused.Code,
			"message", strings.ReplaceAll(refused.Message, letter.To, "the recipient"))
		next := claimed.Refused(now)
		return next.RetryAt, r.Store.SaveBox(ctx, to, claimed, next, nil)
	case err != nil:
		r.Held++
		r.failed++
		r.Log.Error("a message did not go and is tried again", "recipient", string(to), "lines", len(lines),
			"error", strings.ReplaceAll(err.Error(), letter.To, "the recipient"))
		next := claimed.Failed(now)
		if err := r.Store.SaveBox(ctx, to, claimed, next, nil); err != nil {
			return time.Time{}, err
		}
		if r.failed >= giveUp {
			return next.RetryAt, errDown
		}
		return next.RetryAt, nil
	}
	r.failed = 0
	r.Sent++
	r.Told += told
	r.Dropped += len(lines) - told
	r.Log.Info("a message was sent", "recipient", string(to), "lines", len(lines), "told", told, "message_id", message)
	return again, r.sent(ctx, to, claimed, claimed.Sent(now), lines)
}

// sent notes a message as sent and takes its lines away. It is tried twice, as a message that is not noted is sent again. A second
// try is lost where the first was carried out; the recipient is looked at again then.
func (r *run) sent(ctx context.Context, to mailbox.Recipient, claimed, next mailbox.Box, lines []mailbox.Line) (err error) {
	for range saves {
		if err = r.Store.SaveBox(ctx, to, claimed, next, events(lines)); !fault.Is(err, fault.Unavailable) {
			return err
		}
	}
	return err
}

func events(lines []mailbox.Line) []id.Event {
	out := make([]id.Event, len(lines))
	for i, l := range lines {
		out[i] = l.Event
	}
	return out
}

// owner is Service.owner, read once a run.
func (r *run) owner(ctx context.Context) (string, error) {
	if r.mail == nil {
		address, err := r.Service.owner(ctx)
		if err != nil {
			return "", err
		}
		r.mail = &address
	}
	return *r.mail, nil
}
