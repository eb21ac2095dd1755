package rotation

import (
	"context"
	"slices"
	"time"

	"github.com/rekey-dev/rekey/pkg/audit"
	"github.com/rekey-dev/rekey/pkg/call"
	"github.com/rekey-dev/rekey/pkg/id"
	"github.com/rekey-dev/rekey/pkg/usage"
)

// What a Report holds at most, and what is read for it. Rows of usage are added up: one for each sender, route and verdict.
const (
	ReportRows   = 2_000
	ReportEvents = 1_000

	reportParts = 10 // of about 10,000 rows of usage, before they are added up
	reportPages = 60 // of 500 records of the place, of which those of the key are taken
	pageEvents  = 100
)

// sendersRows is how many of the newest rows of usage, about, are looked at for who is still on the old key.
const sendersRows = 10_000

// Report is what the old key of a rotation did between two times.
type Report struct {
	View View
	// The time is [From, To): from since when the secret may have been in wrong hands, otherwise the key's creation, but at most
	// usage.KeptFor before its end; to the second after the key's end, so that its end is in it, and now where it goes on.
	From, To time.Time
	Usage    []usage.Row   // last used first
	Events   []audit.Event // whose actor or target is the key, newest first
	// Truncated tells that there is more than the report holds: what is left out is the older part of it.
	Truncated     bool
	CompleteUntil time.Time // as apikey.UsagePage has it
}

// Report returns what the old key of a rotation did, from its usage and from the audit log of the account's place.
func (s *Service) Report(ctx context.Context, c call.Call, r id.Rotation) (Report, error) {
	v, err := s.seen(ctx, c, r)
	if err != nil {
		return Report{}, err
	}
	out := Report{View: v}
	out.From, out.To = v.exposed(s.Now())
	if err := s.reportUsage(ctx, &out); err != nil {
		return Report{}, err
	}
	return out, s.reportEvents(ctx, &out)
}

// exposed is the time that a report is about.
func (v View) exposed(now time.Time) (from, to time.Time) {
	to = now
	switch {
	case v.Rotation.Mode == Immediate: // the key goes on with another secret
		to = v.Rotation.CreatedAt
	case v.Old.State.Ended != nil:
		to = v.Old.State.Ended.At
	}
	to = to.UTC().Truncate(time.Second).Add(time.Second)
	if from = v.Rotation.Suspected; from.IsZero() {
		from = v.Old.Key.CreatedAt
	}
	if earliest := to.Add(-usage.KeptFor); from.Before(earliest) {
		from = earliest
	}
	return from.UTC().Truncate(time.Second), to
}

func (s *Service) reportUsage(ctx context.Context, out *Report) error {
	q := usage.Query{From: out.From, To: out.To, Limit: ReportRows}
	for part := 1; ; part++ {
		page, err := s.Keys.UsageOf(ctx, out.View.Old, q)
		if err != nil {
			return err
		}
		out.Usage = usage.Sum(append(out.Usage, page.Rows...))
		out.CompleteUntil = page.CompleteUntil
		if len(out.Usage) > ReportRows || page.Next != "" && (len(out.Usage) == ReportRows || part == reportParts) {
			out.Truncated = true
			out.Usage = out.Usage[:min(len(out.Usage), ReportRows)]
			return nil
		}
		if page.Next == "" {
			return nil
		}
		q.After = page.Next
	}
}

func (s *Service) reportEvents(ctx context.Context, out *Report) error {
	r := out.View.Rotation
	q := audit.Query{Place: r.Place.ID(), From: out.From, To: out.To, KeyID: string(r.OldKey)}
	for pages := 1; ; pages++ {
		q.Limit = min(pageEvents, ReportEvents-len(out.Events))
		page, err := s.Store.AuditEvents(ctx, q)
		if err != nil {
			return err
		}
		out.Events = append(out.Events, page.Events...)
		if page.Next == "" {
			return nil
		}
		if len(out.Events) == ReportEvents || pages == reportPages {
			out.Truncated = true
			return nil
		}
		q.After = page.Next
	}
}

// stillOnOld returns who used the old key of an open overlap after the new one was issued, last used first: who was let in, or
// would have been with another scope. Of very much traffic it looks at the latest part.
func (s *Service) stillOnOld(ctx context.Context, v View) ([]usage.Row, error) {
	r := v.Rotation
	if r.Mode != Overlap || r.Over() {
		return nil, nil
	}
	rows, err := usage.Latest(ctx, s.Store, r.OldKey, r.CreatedAt, s.Now().Add(time.Second), sendersRows)
	if err != nil {
		return nil, err
	}
	rows = slices.DeleteFunc(rows, func(u usage.Row) bool {
		return !u.LastAt.After(r.CreatedAt) || u.Verdict != usage.Accepted && u.Verdict != usage.MissingScope
	})
	return usage.Senders(rows), nil
}
