package dynamo

import (
	"context"
	"errors"
	"fmt"
	"strconv"
	"strings"
	"time"

	"github.com/rekey-dev/rekey/pkg/change"
	"github.com/rekey-dev/rekey/pkg/id"
	"github.com/rekey-dev/rekey/pkg/mailbox"
)

// Mail is in Transient: pending lines and what is known of a recipient are of use for days, a restored table must not send what
// was sent before, and so whoever sends mail writes to no table that a verdict or a policy is in.

// mailKept is how long after its last change anything of mail is kept: longer than any line is worth telling, and than a repeat
// of an event can come.
const mailKept = 30 * 24 * time.Hour

// AddLines puts the lines of an event, at most 20, together with the item that says that they were put: one transaction, of 2
// units a line and 2 for that item, as each is under 1 KiB. Where that item is there already it is read instead.
func (s *Store) AddLines(ctx context.Context, e id.Event, lines []mailbox.Line) (_ []mailbox.Recipient, err error) {
	defer wrap(&err, "Store.AddLines(%s)", e)
	if len(lines) == 0 {
		return nil, errors.New("no lines")
	}
	recipients := make([]mailbox.Recipient, len(lines))
	words := make([]string, len(lines))
	var t transaction
	for i, l := range lines {
		recipients[i] = mailbox.RecipientOf(l.Address)
		words[i] = string(recipients[i])
		t.actions = append(t.actions, create(s.tables.Transient, lineKey(recipients[i], e), encodeLine(recipients[i], l), nil, "the line is there"))
	}
	t.actions = append(t.actions, create(s.tables.Transient, toldKey(e), encodeTold(e, words, lines[0].AddedAt), nil, "the event's lines were put before"))
	in, err := t.input()
	if err != nil {
		return nil, err
	}
	_, err = s.api.TransactWriteItems(ctx, in) // with one token, so what the client sends again happens once
	if err == nil {
		return recipients, nil
	}
	if refusalOf(err) == nil {
		return nil, err
	}
	it, err := s.getItem(ctx, s.tables.Transient, toldKey(e))
	if err != nil {
		return nil, err
	}
	r := reader{it: it}
	recipients = nil
	for _, w := range strings.Fields(r.string(attrRecipients)) {
		recipients = append(recipients, mailbox.Recipient(w))
	}
	return recipients, r.err
}

// Wake puts a row, or marks the one that is there: one update, one unit. It has no condition, as any of several that meet will do.
func (s *Store) Wake(ctx context.Context, w mailbox.Wake) (err error) {
	defer wrap(&err, "Store.Wake(%s)", w.Recipient)
	a := action{table: s.tables.Transient, key: wakeKey(w.At, w.Recipient)}
	a.expr.set(attrType, stringValue(typeWake))
	a.expr.set(attrMark, stringValue(w.Mark))
	a.expr.set(attrTTL, intValue(w.At.Add(mailKept).Unix()))
	return s.updateOnce(ctx, a)
}

// Wakes returns the rows that are due at a moment, the earliest first: one query of one partition, one unit when there is none. All
// recipients share it, which bounds what is written to it to a thousand rows a second; one is written for each line, and all that
// come within a minute for one recipient are one row.
func (s *Store) Wakes(ctx context.Context, now time.Time, limit int) (rows []mailbox.Wake, err error) {
	defer wrap(&err, "Store.Wakes()")
	q := query{table: s.tables.Transient, pk: wakePK, from: timeText(time.Time{}), to: timeText(now) + "$"} // "$" comes after "#"
	items, _, err := s.page(ctx, q, limit, limit+1)
	for _, it := range items {
		r := reader{it: it}
		at, recipient, _ := strings.Cut(r.string(attrSK), "#")
		ms, err := strconv.ParseInt(at, 10, 64)
		if err != nil {
			return nil, fmt.Errorf("%q is no time: %w", at, err)
		}
		w := mailbox.Wake{At: timeOf(ms), Recipient: mailbox.Recipient(recipient), Mark: r.string(attrMark)}
		if r.err != nil {
			return nil, r.err
		}
		rows = append(rows, w)
	}
	return rows, err
}

// Unwake takes a row away that has the mark that was read: one deletion, in a transaction of its own (2 units).
func (s *Store) Unwake(ctx context.Context, w mailbox.Wake) (err error) {
	defer wrap(&err, "Store.Unwake(%s)", w.Recipient)
	a := action{table: s.tables.Transient, key: wakeKey(w.At, w.Recipient), delete: true, reason: "asked for again"}
	a.expr.require(a.expr.compare(attrMark, "=", stringValue(w.Mark)))
	return s.settle(ctx, a)
}

// settle carries out actions as one transaction. It is lost when a condition fails. The client sends it again under one token, so
// it happens once; what is called again after an unknown outcome with the same actions is the same transaction for 10 minutes.
func (s *Store) settle(ctx context.Context, actions ...action) error {
	t := transaction{actions: actions}
	in, err := t.input()
	if err != nil {
		return err
	}
	_, err = s.api.TransactWriteItems(ctx, in)
	if l := refusalOf(err); l != nil {
		return &change.Lost{Reason: actions[l.failed[0]].reason}
	}
	return err
}

// Mailbox returns what is known of a recipient and at most limit of their lines: one query for every MiB.
func (s *Store) Mailbox(ctx context.Context, r mailbox.Recipient, limit int) (box mailbox.Box, lines []mailbox.Line, err error) {
	defer wrap(&err, "Store.Mailbox(%s)", r)
	q := query{table: s.tables.Transient, pk: mailPK(r)}
	for {
		items, next, err := s.page(ctx, q, limit+1-len(lines), limit+1)
		if err != nil {
			return mailbox.Box{}, nil, err
		}
		for _, it := range items {
			in := reader{it: it}
			if in.string(attrType) == typeBox {
				box, err = decodeBox(it)
			} else if len(lines) < limit {
				var l mailbox.Line
				l, err = decodeLine(it)
				lines = append(lines, l)
			}
			if err != nil {
				return mailbox.Box{}, nil, err
			}
		}
		if q.after = next; next == "" || len(lines) == limit {
			return box, lines, nil
		}
	}
}

// SaveBox changes a box from what was read, and takes lines away. Without lines it is one update of one unit; with up to 98 one
// transaction, of 2 units for each item and of twice a line's size; of more, one transaction for every 98, the first of which has
// the change and the last of which ends the claim.
func (s *Store) SaveBox(ctx context.Context, r mailbox.Recipient, old, next mailbox.Box, done []id.Event) (err error) {
	defer wrap(&err, "Store.SaveBox(%s)", r)
	for {
		n := min(len(done), maxActions-2)
		step := next
		if len(done) > n {
			step.Claim, step.ClaimUntil = old.Claim, old.ClaimUntil
		}
		step.Version = old.Version + 1
		box := action{table: s.tables.Transient, key: boxKey(r), reason: "the box is another"}
		setBox(&box.expr, old, step)
		if len(done) == 0 {
			return s.updateOnce(ctx, box)
		}
		actions := []action{box}
		for _, e := range done[:n] {
			actions = append(actions, action{table: s.tables.Transient, key: lineKey(r, e), delete: true})
		}
		if err := s.settle(ctx, actions...); err != nil || len(done) == n {
			return err
		}
		old, done = step, done[n:]
	}
}

func setBox(e *expression, old, b mailbox.Box) {
	e.require(e.isInt(attrVersion, old.Version))
	e.set(attrType, stringValue(typeBox))
	e.setTime(attrSentAt, b.SentAt)
	e.setTime(attrFurtherAt, b.FurtherAt)
	e.setTime(attrRetryAt, b.RetryAt)
	e.setInt(attrTries, int64(b.Failures))
	e.setString(attrClaim, b.Claim)
	e.setTime(attrClaimUntil, b.ClaimUntil)
	e.setInt(attrVersion, b.Version)
	last := b.SentAt
	for _, t := range []time.Time{b.RetryAt, b.ClaimUntil, old.ClaimUntil} {
		if t.After(last) {
			last = t
		}
	}
	e.set(attrTTL, intValue(last.Add(mailKept).Unix()))
}

func decodeBox(it item) (mailbox.Box, error) {
	r := reader{it: it}
	return mailbox.Box{SentAt: r.time(attrSentAt), FurtherAt: r.time(attrFurtherAt), RetryAt: r.time(attrRetryAt), Failures: int(r.int(attrTries)),
		Claim: r.string(attrClaim), ClaimUntil: r.time(attrClaimUntil), Version: r.int(attrVersion)}, r.err
}

func encodeTold(e id.Event, recipients []string, at time.Time) item {
	it := newItem(toldKey(e), typeTold)
	it.ttl(at.Add(mailKept))
	it.string(attrRecipients, strings.Join(recipients, " "))
	return it
}

func encodeLine(to mailbox.Recipient, l mailbox.Line) item {
	it := newItem(lineKey(to, l.Event), typeLine)
	it.ttl(l.AddedAt.Add(mailKept))
	it.string(attrEmail, l.Address)
	it.string(attrKind, string(l.Kind))
	it.string(attrAccount, string(l.Account))
	it.string(attrKeyID, string(l.Key))
	it.string(attrRotation, string(l.Rotation))
	it.bool(attrUrgent, l.Urgent)
	it.string(attrReason, l.Note)
	it.time(attrAt, l.AddedAt)
	return it
}

func decodeLine(it item) (mailbox.Line, error) {
	r := reader{it: it}
	return mailbox.Line{Event: id.Event(strings.TrimPrefix(r.string(attrSK), prefixLine)), Address: r.string(attrEmail), Kind: mailbox.Kind(r.string(attrKind)),
		Account: id.ServiceAccount(r.string(attrAccount)), Key: id.Key(r.string(attrKeyID)), Rotation: id.Rotation(r.string(attrRotation)),
		Urgent: r.bool(attrUrgent), Note: r.string(attrReason), AddedAt: r.time(attrAt)}, r.err
}
