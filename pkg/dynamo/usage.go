package dynamo

import (
	"context"
	"fmt"
	"strconv"
	"strings"
	"time"

	"github.com/aws/aws-sdk-go-v2/service/dynamodb/types"

	"github.com/rekey-dev/rekey/pkg/id"
	"github.com/rekey-dev/rekey/pkg/lock"
	"github.com/rekey-dev/rekey/pkg/usage"
)

// Tally adds a row's count to what is there: one update, one write unit, as a row is under 1 KiB. Where another environment has
// written a later use meanwhile the condition fails, which costs a unit, and a second update adds the count alone.
//
// A lost answer is not sent again: it could count a request twice.
func (v *Verifier) Tally(ctx context.Context, r usage.Row) (err error) {
	defer wrap(&err, "Verifier.Tally(%s)", r.Key)
	ctx = context.WithValue(ctx, flatWriteKey{}, true)
	var e expression
	e.require(e.missing(attrLastAt) + " OR " + e.compare(attrLastAt, "<=", timeValue(r.LastAt)))
	e.set(attrType, stringValue(typeUsage))
	e.set(attrTTL, intValue(r.Hour.Add(time.Hour+usage.KeptFor).Unix()))
	e.setOnce(attrFirstAt, timeValue(r.FirstAt))
	e.set(attrLastAt, timeValue(r.LastAt))
	e.setString(attrUserAgent, r.UserAgent)
	e.add(attrUses, r.Count)
	_, err = v.update(ctx, v.tables.Identity, usageKey(r), &e, types.ReturnValueNone)
	if _, later := failedCondition(err); !later {
		return err
	}
	var count expression
	count.require(count.exists(attrLastAt))
	count.add(attrUses, r.Count)
	_, err = v.update(ctx, v.tables.Identity, usageKey(r), &count, types.ReturnValueNone)
	return err
}

// Usage returns rows of hours that begin in [from, to), newest hour first: one query.
func (s *Store) Usage(ctx context.Context, k id.Key, from, to time.Time, after string, limit int) (rows []usage.Row, next string, err error) {
	defer wrap(&err, "Store.Usage(%s)", k)
	if limit < 1 {
		return nil, "", fmt.Errorf("a page of %d rows", limit)
	}
	if !from.Before(to) {
		return nil, "", nil
	}
	// A bound without "#" sorts before every row of its hour.
	items, next, err := s.page(ctx, query{table: s.tables.Identity, pk: usagePK(k), from: timeText(from), to: timeText(to), after: after,
		newest: true}, limit, limit+1)
	for _, it := range items {
		row, err := decodeUsage(k, it)
		if err != nil {
			return nil, "", err
		}
		rows = append(rows, row)
	}
	return rows, next, err
}

func decodeUsage(k id.Key, it item) (usage.Row, error) {
	r := reader{it: it}
	parts := strings.SplitN(r.string(attrSK), "#", 6)
	if len(parts) != 6 {
		return usage.Row{}, fmt.Errorf("%q is no position of usage", parts)
	}
	hour, err := strconv.ParseInt(parts[0], 10, 64)
	if err != nil {
		return usage.Row{}, fmt.Errorf("%q is no hour: %w", parts[0], err)
	}
	return usage.Row{Key: k, Hour: time.UnixMilli(hour).UTC(), Verdict: usage.Verdict(parts[1]), Source: parts[2], API: parts[3],
		Method: parts[4], Route: parts[5], UserAgent: r.string(attrUserAgent), Count: max(1, r.int(attrUses)), FirstAt: r.time(attrFirstAt),
		LastAt: r.time(attrLastAt)}, r.err
}

// WrongSecrets returns the sources whose last wrong secret under the owner was for the key and came in [from, to): one query of
// the owner's sources.
func (s *Store) WrongSecrets(ctx context.Context, owner string, k id.Key, from, to time.Time) (sources []lock.Source, err error) {
	defer wrap(&err, "Store.WrongSecrets(%s)", k)
	q := query{table: s.tables.Identity, pk: owner, prefix: prefixSource}
	e := &q.filter
	e.require(e.compare(attrKeyID, "=", stringValue(string(k))))
	e.require(e.compare(attrLastFailure, ">=", timeValue(from)))
	e.require(e.compare(attrLastFailure, "<", timeValue(to)))
	err = s.all(ctx, q, func(it item) error {
		src, err := decodeSource(it)
		sources = append(sources, src)
		return err
	})
	return sources, err
}
