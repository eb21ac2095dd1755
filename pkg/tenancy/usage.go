package tenancy

import (
	"context"
	"sync"
	"time"

	"github.com/rekey-dev/rekey/pkg/call"
	"github.com/rekey-dev/rekey/pkg/company"
	"github.com/rekey-dev/rekey/pkg/fault"
	"github.com/rekey-dev/rekey/pkg/id"
	"github.com/rekey-dev/rekey/pkg/listing"
	"github.com/rekey-dev/rekey/pkg/permission"
	"github.com/rekey-dev/rekey/pkg/serviceaccount"
	"github.com/rekey-dev/rekey/pkg/usage"
)

// Month is a calendar month in UTC, by its beginning.
type Month struct{ time.Time }

// ParseMonth reads YYYY-MM.
func ParseMonth(text string) (Month, bool) {
	t, err := time.Parse("2006-01", text)
	return Month{t}, err == nil
}

// MonthOf is the month that a moment is in.
func MonthOf(t time.Time) Month {
	t = t.UTC()
	return Month{time.Date(t.Year(), t.Month(), 1, 0, 0, 0, 0, time.UTC)}
}

// Used is what a company had and did in a month.
type Used struct {
	Company         company.Company
	ServiceAccounts int // now, revoked ones included
	Keys            int // now, those that are not revoked
	// Verified counts requests that passed, Refused those with a secret that is or was right and that did not. Wrong secrets are
	// not among them. Both are at least as many as they say; see package usage.
	Verified, Refused int64
	// Until is up to when requests are counted: the end of the month, or of the last whole hour.
	Until time.Time
}

// Seats is how many employees the provider has; Limit is nil for as many as it likes.
type Seats struct {
	Used  int
	Limit *int
}

// Summary is a part of what companies used in a month, by name.
type Summary struct {
	Seats *Seats // nil for who stands in a company: how many work for the provider is not its business
	Items []Used
	Next  string // position to go on from; "" at the end
}

// usedKeys is about how many keys one page adds up: it ends with the company that reaches it. Each is a query or more.
const usedKeys = 500

// Usage says what the companies of the caller's place, or one of them, used in a month; the zero Month is the current one.
func (s *Service) Usage(ctx context.Context, c call.Call, co id.Company, m Month, after string, limit int) (Summary, error) {
	if err := c.Caller.Holds(permission.BillingRead); err != nil {
		return Summary{}, err
	}
	now := s.Now()
	if m.IsZero() {
		m = MonthOf(now)
	}
	switch {
	case m.After(now):
		return Summary{}, fault.InvalidField("/month", "is in the future")
	case m.Before(MonthOf(now.Add(-usage.KeptFor)).Time):
		return Summary{}, fault.InvalidField("/month", "is longer ago than the 400 days for which usage is kept")
	}
	at, err := listing.Where{Company: co}.Resolve(ctx, s.Store, c.Caller)
	if err != nil {
		return Summary{}, err
	}
	var out Summary
	if c.Caller.Place.Company == "" {
		there, err := s.Store.Headcount(ctx)
		if err != nil {
			return Summary{}, err
		}
		out.Seats = &Seats{Used: there.Employees, Limit: s.Packages.Seats}
	}
	rows, err := s.Store.List(ctx, listing.Query{Noun: listing.Companies, Place: at.ID(), After: after, Limit: limit})
	if err != nil || len(rows.Rows) == 0 {
		return out, err
	}
	ids := make([]id.Company, len(rows.Rows))
	for i, r := range rows.Rows {
		ids[i] = id.Company(r.ID)
	}
	found, err := s.Store.Companies(ctx, ids)
	if err != nil {
		return Summary{}, err
	}
	byID := make(map[string]company.Company, len(found))
	for _, co := range found {
		byID[string(co.ID)] = co
	}
	read := 0
	for i, r := range rows.Rows {
		if co, ok := byID[r.ID]; ok {
			one, keys, err := s.used(ctx, co, m, now)
			if err != nil {
				return Summary{}, err
			}
			out.Items = append(out.Items, one)
			read += keys
		}
		if read >= usedKeys && i+1 < len(rows.Rows) {
			out.Next = r.Position
			return out, nil
		}
	}
	out.Next = rows.Next
	return out, nil
}

// used adds up one company's month, and says how many keys it had to look at: all that it ever had.
func (s *Service) used(ctx context.Context, co company.Company, m Month, now time.Time) (out Used, keys int, err error) {
	out = Used{Company: co, Until: m.AddDate(0, 1, 0)}
	if whole := usage.HourOf(now); whole.Before(out.Until) {
		out.Until = whole
	}
	err = s.rows(ctx, listing.ServiceAccounts, co.ID, func(rows []listing.Row) error {
		ids := make([]id.ServiceAccount, len(rows))
		for i, r := range rows {
			ids[i] = id.ServiceAccount(r.ID)
		}
		accounts, err := s.Store.Accounts(ctx, ids)
		for _, a := range accounts {
			out.ServiceAccounts++
			if a.Status == serviceaccount.Active {
				out.Keys += a.KeyCount
			}
		}
		return err
	})
	if err != nil {
		return Used{}, 0, err
	}
	err = s.rows(ctx, listing.Keys, co.ID, func(rows []listing.Row) error {
		keys += len(rows)
		verified, refused, err := s.requests(ctx, rows, m.Time, out.Until)
		out.Verified += verified
		out.Refused += refused
		return err
	})
	return out, keys, err
}

// rows goes through the rows of a company, a page at a time.
func (s *Service) rows(ctx context.Context, noun listing.Noun, co id.Company, take func([]listing.Row) error) error {
	q := listing.Query{Noun: noun, Place: string(co), Limit: listing.ReadLimit}
	for {
		page, err := s.Store.List(ctx, q)
		if err == nil {
			err = take(page.Rows)
		}
		if err != nil || page.Next == "" {
			return err
		}
		q.After = page.Next
	}
}

// readers is how many keys are added up at once.
const readers = 8

// requests adds up the rows of usage of keys in hours that begin in [from, to).
func (s *Service) requests(ctx context.Context, keys []listing.Row, from, to time.Time) (verified, refused int64, err error) {
	var mu sync.Mutex
	var wg sync.WaitGroup
	slots := make(chan struct{}, readers)
	for _, k := range keys {
		slots <- struct{}{}
		wg.Go(func() {
			defer func() { <-slots }()
			yes, no, failed := s.ofKey(ctx, id.Key(k.ID), from, to)
			mu.Lock()
			defer mu.Unlock()
			verified, refused = verified+yes, refused+no
			if failed != nil {
				err = failed
			}
		})
	}
	wg.Wait()
	return verified, refused, err
}

func (s *Service) ofKey(ctx context.Context, k id.Key, from, to time.Time) (verified, refused int64, err error) {
	const rowsAtOnce = 1000
	for after := ""; ; {
		rows, next, err := s.Store.Usage(ctx, k, from, to, after, rowsAtOnce)
		if err != nil {
			return 0, 0, err
		}
		for _, r := range rows {
			if r.Verdict == usage.Accepted {
				verified += r.Count
			} else {
				refused += r.Count
			}
		}
		if next == "" {
			return verified, refused, nil
		}
		after = next
	}
}
