package notice

import (
	"context"
	"slices"
	"strings"
	"time"
	"unicode/utf8"

	"github.com/rekey-dev/rekey/pkg/employee"
	"github.com/rekey-dev/rekey/pkg/fault"
	"github.com/rekey-dev/rekey/pkg/id"
	"github.com/rekey-dev/rekey/pkg/listing"
	"github.com/rekey-dev/rekey/pkg/mailbox"
	"github.com/rekey-dev/rekey/pkg/name"
	"github.com/rekey-dev/rekey/pkg/policy"
	"github.com/rekey-dev/rekey/pkg/serviceaccount"
)

// Hear puts a line for each recipient of what an audit record tells, and says how many recipients there are; none when it tells
// nobody anything. It may be called again with the same record at any time: it then only sees to it that the recipients are
// looked at. What an event of the bus says beside the record's ID is not believed: the record is read.
func (s *Service) Hear(ctx context.Context, e id.Event) (int, error) {
	record, err := s.Store.AuditEvent(ctx, e)
	if fault.Is(err, fault.NotFound) {
		s.Log.Warn("an event without an audit record", "event_id", string(e))
		return 0, nil
	}
	if err != nil {
		return 0, err
	}
	t := topicOf(record)
	if t.kind == "" {
		return 0, nil
	}
	account, err := s.Store.Account(ctx, t.account)
	if fault.Is(err, fault.NotFound) || err == nil && account.Status == serviceaccount.Deleted {
		return 0, nil
	}
	if err != nil {
		return 0, err
	}
	terms, err := policy.Resolve(ctx, s.Store, account)
	if err != nil {
		return 0, err
	}
	addresses, err := s.recipients(ctx, account, terms, s.owner)
	if err != nil {
		return 0, err
	}
	if len(addresses) == 0 {
		s.Log.Error("nobody to tell: no contacts, no addresses in policies, no owner", "event_id", string(e), "service_account_id", string(account.ID))
		return 0, nil
	}
	now := s.Now()
	lines := make([]mailbox.Line, len(addresses))
	for i, address := range addresses {
		lines[i] = mailbox.Line{Event: e, Address: address, Kind: t.kind, Account: t.account, Key: t.key, Rotation: t.rotation, Urgent: t.urgent,
			Note: cut(t.note, mailbox.MaxNote), AddedAt: now}
	}
	told, err := s.Store.AddLines(ctx, e, lines)
	if err != nil {
		return 0, err
	}
	// After the lines, so that whoever is woken finds them; also for lines that were put before, by a call that got no further.
	for _, r := range told {
		if err := s.Store.Wake(ctx, mailbox.Wake{At: wholeMinute(lines[0].Ready()), Recipient: r, Mark: string(e)}); err != nil {
			return 0, err
		}
	}
	return len(told), nil
}

// recipients returns who is told of an account: its contacts and the addresses of its policies, without either the owner of the
// MSP. Each recipient once, in the order of the lists.
func (s *Service) recipients(ctx context.Context, a serviceaccount.Account, terms policy.Effective, owner func(context.Context) (string, error)) ([]string, error) {
	out := s.addresses(slices.Concat(a.Contacts, terms.Notify.Value))
	if len(out) > 0 {
		return out, nil
	}
	address, err := owner(ctx)
	if err != nil {
		return nil, err
	}
	return s.addresses([]string{address}), nil
}

// owner is the address of the owner who set the deployment up or, when that one is gone or no owner any more, of the first one by
// name; "" when none is known.
func (s *Service) owner(ctx context.Context) (string, error) {
	provider, err := s.Store.MSP(ctx)
	if err != nil {
		return "", err
	}
	if provider.Owner != "" {
		e, err := s.Store.Employee(ctx, provider.Owner)
		if err == nil && e.IsOwner() || err != nil && !fault.Is(err, fault.NotFound) {
			return e.Email, err
		}
	}
	q := listing.Query{Noun: listing.Employees, Place: string(provider.RootNode), Limit: listing.ReadLimit}
	for {
		page, err := s.Store.List(ctx, q)
		if err != nil {
			return "", err
		}
		ids := make([]id.Employee, len(page.Rows))
		for i, r := range page.Rows {
			ids[i] = id.Employee(r.ID)
		}
		found, err := s.Store.Employees(ctx, ids)
		if err != nil {
			return "", err
		}
		slices.SortFunc(found, func(a, b employee.Employee) int { return slices.Index(ids, a.ID) - slices.Index(ids, b.ID) })
		for _, e := range found {
			if e.IsOwner() {
				return e.Email, nil
			}
		}
		if q.After = page.Next; q.After == "" {
			return "", nil
		}
	}
}

func (s *Service) addresses(list []string) []string {
	var out []string
	seen := map[mailbox.Recipient]bool{}
	for _, a := range list {
		a = mailbox.Canonical(a)
		switch {
		case a == "" || seen[mailbox.RecipientOf(a)]:
		case name.CheckEmail(a) != "":
			s.Log.Warn("not an address, nothing is sent to it", "recipient", string(mailbox.RecipientOf(a)))
		default:
			seen[mailbox.RecipientOf(a)] = true
			out = append(out, a)
		}
	}
	return out
}

// wholeMinute rounds up.
func wholeMinute(t time.Time) time.Time {
	if m := t.Truncate(time.Minute); !m.Equal(t) {
		return m.Add(time.Minute)
	}
	return t
}

// cut shortens a text to so many bytes, at the end of a character.
func cut(s string, most int) string {
	if len(s) <= most {
		return s
	}
	s = s[:most-len("…")]
	for len(s) > 0 {
		if r, n := utf8.DecodeLastRuneInString(s); r != utf8.RuneError || n > 1 {
			break
		}
		s = s[:len(s)-1]
	}
	return strings.TrimSpace(s) + "…"
}
