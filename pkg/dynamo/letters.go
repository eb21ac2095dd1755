package dynamo

import (
	"context"
	"slices"
	"strconv"
	"time"

	"github.com/rekey-dev/rekey/pkg/employee"
)

func encodeLetters(k key, l employee.Letters) item {
	it := newItem(k, typeLetters)
	sent := make([]string, len(l.Sent))
	for i, at := range l.Sent {
		sent[i] = strconv.FormatInt(at.UnixMilli(), 10)
	}
	it.list(attrLetters, sent)
	it.int(attrRevision, l.Revision)
	it.ttl(slices.MaxFunc(l.Sent, time.Time.Compare).Add(2 * employee.LettersPer))
	return it
}

// countLetter puts the letters of an address anew, where they are as they were read: none, or of the revision before.
func (b *builder) countLetter(w employee.CountLetter) {
	k := lettersKey(b.store.fold(w.Letters.Address))
	a := action{table: b.store.tables.Transient, key: k, item: encodeLetters(k, w.Letters), write: w, reason: "another letter went to the address"}
	if before := w.Letters.Revision - 1; before == 0 {
		a.expr.require(a.expr.missing(attrPK))
	} else {
		a.expr.require(a.expr.isInt(attrRevision, before))
	}
	b.put(a)
}

// Letters reads what letters with codes went to an address: one read.
func (s *Store) Letters(ctx context.Context, address string) (_ employee.Letters, err error) {
	defer wrap(&err, "Store.Letters()")
	it, err := s.getItem(ctx, s.tables.Transient, lettersKey(s.fold(address)))
	if err != nil {
		return employee.Letters{}, err
	}
	r := reader{it: it}
	out := employee.Letters{Address: address, Revision: r.int(attrRevision)}
	for _, text := range r.list(attrLetters) {
		at, bad := strconv.ParseInt(text, 10, 64)
		if bad != nil {
			r.fail(attrLetters)
		}
		out.Sent = append(out.Sent, timeOf(at))
	}
	return out, r.err
}
