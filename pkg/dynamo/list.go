package dynamo

import (
	"cmp"
	"context"
	"fmt"
	"slices"
	"time"

	"github.com/rekey-dev/rekey/pkg/apikey"
	"github.com/rekey-dev/rekey/pkg/audit"
	"github.com/rekey-dev/rekey/pkg/id"
	"github.com/rekey-dev/rekey/pkg/listing"
	"github.com/rekey-dev/rekey/pkg/lock"
	"github.com/rekey-dev/rekey/pkg/serviceaccount"
)

// List returns rows of one place, by name: one call.
func (s *Store) List(ctx context.Context, q listing.Query) (_ listing.Page, err error) {
	defer wrap(&err, "Store.List(%s, %s)", q.Noun, q.Place)
	want := min(q.Limit, listing.ReadLimit)
	if want < 1 {
		return listing.Page{}, fmt.Errorf("a page of %d rows", q.Limit)
	}
	if q.Noun == listing.KeysByExpiry && !q.From.Before(q.Before) {
		return listing.Page{}, nil // between the two is nothing, and DynamoDB refuses to look
	}
	rows := query{table: s.tables.Directory, pk: rowPK(q.Noun, q.Place), prefix: s.fold(q.Prefix), after: q.After, columns: []string{attrSK, attrID}}
	if q.Noun == listing.KeysByExpiry {
		rows.prefix, rows.from, rows.to = "", timeText(nextMilli(q.From)), timeText(nextMilli(q.Before)) // rows go on with "#"
	}
	switch {
	case q.Direct && (q.Noun == listing.Nodes || q.Noun == listing.Companies): // the reservations of their names: as many as there are
		rows.pk = nameKey(q.Noun, q.Place, "").pk
	case q.Direct:
		rows.filter.require(rows.filter.compare(attrPlace, "=", stringValue(q.Place)))
	}
	items, next, err := s.page(ctx, rows, want, listing.ReadLimit)
	if err != nil {
		return listing.Page{}, err
	}
	page := listing.Page{Next: next, Rows: make([]listing.Row, 0, len(items))}
	for _, it := range items {
		r := reader{it: it}
		page.Rows = append(page.Rows, listing.Row{ID: r.string(attrID), Position: r.string(attrSK)})
		if r.err != nil {
			return listing.Page{}, r.err
		}
	}
	return page, nil
}

// AccountKeys returns the IDs of an account's keys, newest first, ended ones included: one call.
func (s *Store) AccountKeys(ctx context.Context, a id.ServiceAccount, after string, limit int) (ids []id.Key, next string, err error) {
	defer wrap(&err, "Store.AccountKeys(%s)", a)
	if limit < 1 {
		return nil, "", fmt.Errorf("a page of %d keys", limit)
	}
	items, next, err := s.page(ctx, query{table: s.tables.Identity, pk: string(a), prefix: prefixKeyRow, after: after, newest: true,
		columns: []string{attrSK}}, limit, listing.ReadLimit)
	for _, it := range items {
		ids = append(ids, id.Key(afterHash(sortKey(it))))
	}
	return ids, next, err
}

// LiveKeys returns the keys of the account's current issue epoch that have not ended at now, newest first, without their
// scopes, digests, use and versions: one query.
func (s *Store) LiveKeys(ctx context.Context, a serviceaccount.Account, now time.Time) (keys []apikey.Key, err error) {
	defer wrap(&err, "Store.LiveKeys(%s)", a.ID)
	q := query{table: s.tables.Identity, pk: string(a.ID), prefix: prefixKeyRow, newest: true}
	q.filter.require(q.filter.isInt(attrIssueEpoch, a.IssueEpoch))
	q.filter.require(q.filter.missing(attrEndedAt))
	err = s.all(ctx, q, func(it item) error {
		k, err := decodeKeyRow(it, a)
		if err == nil && apikey.StateOf(k, a, nil, now).Live() {
			keys = append(keys, k)
		}
		return err
	})
	return keys, err
}

// EpochEnds returns the ends of an account's issue epochs, by epoch.
func (s *Store) EpochEnds(ctx context.Context, a id.ServiceAccount) (_ map[int64]serviceaccount.Ended, err error) {
	defer wrap(&err, "Store.EpochEnds(%s)", a)
	ends := make(map[int64]serviceaccount.Ended)
	err = s.all(ctx, query{table: s.tables.Identity, pk: string(a), prefix: prefixEpoch}, func(it item) error {
		r := reader{it: it}
		if e := r.ended(); e != nil {
			ends[r.int(attrIssueEpoch)] = *e
		}
		return r.err
	})
	return ends, err
}

// Sources returns the sources with failures in the epoch's live window or lock at now, most failures first.
func (s *Store) Sources(ctx context.Context, owner string, epoch int64, now time.Time, limit int) (sources []lock.Source, err error) {
	defer wrap(&err, "Store.Sources(%s)", owner)
	q := query{table: s.tables.Identity, pk: owner, prefix: prefixSource}
	q.filter.require(q.filter.isInt(attrLockEpoch, epoch))
	q.filter.require(q.filter.compare(attrFailures, ">", intValue(0)))
	err = s.all(ctx, q, func(it item) error {
		src, err := decodeSource(it)
		if err == nil && (now.Before(src.Counter.WindowEndsAt) || src.Counter.Locked(now)) {
			sources = append(sources, src)
		}
		return err
	})
	slices.SortStableFunc(sources, func(a, b lock.Source) int { return cmp.Compare(b.Counter.Failures, a.Counter.Failures) })
	return sources[:min(len(sources), limit)], err
}

// sightingsRead is the most sightings that are looked at for the latest ones. A holder of a retired secret who sends it from
// ever new sources cannot make a read of the key dear.
const sightingsRead = 500

// Sightings returns who sent a retired secret of the key, latest first.
func (s *Store) Sightings(ctx context.Context, k id.Key, limit int) (sightings []apikey.Sighting, err error) {
	defer wrap(&err, "Store.Sightings(%s)", k)
	items, _, err := s.page(ctx, query{table: s.tables.Identity, pk: string(k), prefix: prefixSeen}, sightingsRead, sightingsRead)
	if err != nil {
		return nil, err
	}
	for _, it := range items {
		seen, err := decodeSighting(it)
		if err != nil {
			return nil, err
		}
		sightings = append(sightings, seen)
	}
	slices.SortStableFunc(sightings, func(a, b apikey.Sighting) int { return b.LastAt.Compare(a.LastAt) })
	return sightings[:min(len(sightings), limit)], nil
}

// AuditEvents returns records of one place, by time: one call for the rows and one for the records that match.
func (s *Store) AuditEvents(ctx context.Context, q audit.Query) (_ audit.Page, err error) {
	defer wrap(&err, "Store.AuditEvents(%s)", q.Place)
	if q.Limit < 1 || q.Limit > batchLimit {
		return audit.Page{}, fmt.Errorf("a page of %d records", q.Limit)
	}
	if !q.To.IsZero() && !q.From.Before(q.To) {
		return audit.Page{}, nil
	}
	rows := query{table: s.tables.Audit, pk: eventRowPK(q.Place), from: timeText(nextMilli(q.From)), to: endOfTime, after: q.After,
		newest: !q.Oldest, columns: []string{attrSK}}
	if !q.To.IsZero() {
		rows.to = timeText(nextMilli(q.To)) // sorts before every row of that millisecond: they go on with "#"
	}
	auditFilter(&rows.filter, q)
	items, next, err := s.page(ctx, rows, q.Limit, listing.ReadLimit)
	if err != nil || len(items) == 0 {
		return audit.Page{Next: next}, err
	}
	keys, order := make([]key, len(items)), make(map[id.Event]int, len(items))
	for i, it := range items {
		e := id.Event(afterHash(sortKey(it)))
		keys[i], order[e] = eventKey(e), i
	}
	events, err := many(ctx, s, s.tables.Audit, keys, decodeEvent)
	if err != nil {
		return audit.Page{}, err
	}
	slices.SortFunc(events, func(a, b audit.Event) int { return cmp.Compare(order[a.ID], order[b.ID]) })
	return audit.Page{Events: events, Next: next}, nil
}

// endOfTime sorts after every time.
const endOfTime = "9999999999999~"

// nextMilli rounds up to a millisecond, as the records' times are whole ones.
func nextMilli(t time.Time) time.Time {
	if t.IsZero() {
		return t
	}
	if m := t.Truncate(time.Millisecond); m.Before(t) {
		return m.Add(time.Millisecond)
	}
	return t
}

func auditFilter(e *expression, q audit.Query) {
	is := func(attr, s string) string { return e.compare(attr, "=", stringValue(s)) }
	if q.Direct {
		e.require(is(attrPlace, q.Place))
	}
	for _, f := range []struct{ attr, value string }{{attrActorType, string(q.ActorType)}, {attrOutcome, string(q.Outcome)},
		{attrActorID, q.ActorID}, {attrTargetID, q.TargetID}, {attrAction, q.Action}, {attrRequestID, q.RequestID}} {
		if f.value != "" {
			e.require(is(f.attr, f.value))
		}
	}
	if q.KeyID != "" {
		e.require(is(attrActorKey, q.KeyID) + " OR " + is(attrTargetID, q.KeyID))
	}
	if a := string(q.Account); a != "" {
		e.require(is(attrActorID, a) + " OR " + is(attrTargetID, a) + " OR " + is(attrAccount, a))
	}
}
