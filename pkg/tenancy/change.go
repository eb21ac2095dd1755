package tenancy

import (
	"context"
	"errors"
	"slices"
	"time"

	"github.com/rekey-dev/rekey/pkg/audit"
	"github.com/rekey-dev/rekey/pkg/call"
	"github.com/rekey-dev/rekey/pkg/change"
	"github.com/rekey-dev/rekey/pkg/company"
	"github.com/rekey-dev/rekey/pkg/fault"
	"github.com/rekey-dev/rekey/pkg/id"
	"github.com/rekey-dev/rekey/pkg/listing"
	"github.com/rekey-dev/rekey/pkg/name"
	"github.com/rekey-dev/rekey/pkg/permission"
	"github.com/rekey-dev/rekey/pkg/serviceaccount"
	"github.com/rekey-dev/rekey/pkg/tree"
)

// Patch is the change of a company that an administrator asks for; what is nil stays.
type Patch struct {
	Name       *string
	PackageID  *string
	FirstName  *string
	LastName   *string
	Email      *string
	ExternalID *string
	Tags       *[]string
}

// Patch changes a company. A package that allows fewer keys than the company has stops none of them; it gets no new ones. Atomic:
// the company, the rows that list it, and the audit record.
func (s *Service) Patch(ctx context.Context, c call.Call, co id.Company, in Patch) (company.Company, error) {
	return change.Retry(func() (company.Company, error) {
		old, err := s.begin(ctx, c, co, permission.CompaniesUpdate, audit.CompanyUpdated)
		if err != nil {
			return company.Company{}, err
		}
		next, err := s.check(in.apply(old), in.PackageID != nil && *in.PackageID != old.PackageID)
		if err != nil {
			return company.Company{}, err
		}
		changed := differences(old, next)
		if len(changed) == 0 {
			return old, nil
		}
		now, op := s.Now(), id.New[id.Operation](s.Rand)
		next = changedAt(next, now)
		e := s.event(c, op, now, audit.CompanyUpdated, next)
		e.Details = map[string]any{"changed": changed, "package_id": next.PackageID}
		err = s.commit(ctx, c, change.Set{Operation: op, At: now, Events: []audit.Event{e}, Writes: []change.Write{company.Update{Old: old, New: next}}})
		if errors.Is(err, change.ErrLost) && in.Name != nil {
			if again, readErr := s.Store.Company(ctx, co); readErr == nil && again.Version == old.Version && again.EventSeq == old.EventSeq {
				return company.Company{}, nameTaken()
			}
		}
		return next, err
	})
}

func (in Patch) apply(c company.Company) company.Company {
	for _, f := range []struct{ to, from *string }{{&c.Name, in.Name}, {&c.PackageID, in.PackageID}, {&c.Owner.FirstName, in.FirstName},
		{&c.Owner.LastName, in.LastName}, {&c.Owner.Email, in.Email}, {&c.ExternalID, in.ExternalID}} {
		if f.from != nil {
			*f.to = *f.from
		}
	}
	if in.Tags != nil {
		c.Tags = *in.Tags
	}
	return c
}

// differences names the members that differ.
func differences(a, b company.Company) (changed []string) {
	for _, f := range []struct {
		name string
		same bool
	}{{"name", a.Name == b.Name}, {"package_id", a.PackageID == b.PackageID}, {"account_owner", a.Owner == b.Owner},
		{"external_id", a.ExternalID == b.ExternalID}, {"tags", slices.Equal(a.Tags, b.Tags)}} {
		if !f.same {
			changed = append(changed, f.name)
		}
	}
	return changed
}

// changedAt is a company with the next version and the next audit record.
func changedAt(c company.Company, now time.Time) company.Company {
	c.UpdatedAt = now
	c.Version++
	c.EventSeq++
	return c
}

// Suspend stops every key of a company at the next request, until it is resumed, and ends the sessions inside it for good; nothing
// new is put in it. A company that is suspended stays as it is. Atomic: the company, the audit record and the idempotency record.
func (s *Service) Suspend(ctx context.Context, c call.Call, co id.Company, reason string) (company.Company, error) {
	return s.turn(ctx, c, co, company.Suspended, audit.CompanySuspended, reason)
}

// Resume ends a suspension: keys that have not ended meanwhile work again. A company that is active stays as it is. Atomic as
// Suspend is.
func (s *Service) Resume(ctx context.Context, c call.Call, co id.Company, reason string) (company.Company, error) {
	return s.turn(ctx, c, co, company.Active, audit.CompanyResumed, reason)
}

func (s *Service) turn(ctx context.Context, c call.Call, co id.Company, to company.Status, action, reason string) (company.Company, error) {
	return change.Retry(func() (company.Company, error) {
		old, err := s.begin(ctx, c, co, permission.CompaniesSuspend, action)
		if err != nil {
			return company.Company{}, err
		}
		if problem := name.CheckDescription(reason); problem != "" {
			return company.Company{}, fault.InvalidField("/reason", problem)
		}
		now, op := s.Now(), id.New[id.Operation](s.Rand)
		next := changedAt(old, now)
		switch {
		case old.Status == to:
			next = old
		case to == company.Suspended:
			next = next.Suspend()
		default:
			next.Status = to
		}
		record, err := c.Idempotency.Record(op, now, next, nil)
		if err != nil {
			return company.Company{}, err
		}
		if old.Status == to {
			if record == nil {
				return old, nil
			}
			return old, change.Settle(s.Store.Remember(ctx, *record), c.Idempotency)
		}
		e := s.event(c, op, now, action, next)
		e.Details = map[string]any{"status": string(to)}
		if reason != "" {
			e.Details["reason"] = reason
		}
		return next, s.commit(ctx, c, change.Set{Operation: op, At: now, Idempotency: record, Events: []audit.Event{e},
			Writes: []change.Write{company.Update{Old: old, New: next}}})
	})
}

// Delete removes a company that has no active account, no calendar and no policy of its own; otherwise it is in use, and what is
// left is named. Revoked accounts stay with their nodes, and so do the audit records; the name can be used again. Atomic: the
// tombstone, the name, the node's count and the audit record, on condition that nothing was put in the company meanwhile.
func (s *Service) Delete(ctx context.Context, c call.Call, co id.Company) error {
	_, err := change.Retry(func() (struct{}, error) {
		old, err := s.begin(ctx, c, co, permission.CompaniesDelete, audit.CompanyDeleted)
		if err != nil {
			return struct{}{}, err
		}
		left, err := s.left(ctx, old)
		if err != nil {
			return struct{}{}, err
		}
		if len(left) > 0 {
			return struct{}{}, &fault.Error{Kind: fault.InUse, BlockedBy: left,
				Detail: "The company is not empty. Revoke or delete its service accounts, and delete its calendars and rotation policies, first."}
		}
		now, op := s.Now(), id.New[id.Operation](s.Rand)
		gone := changedAt(old.Tombstone(), now)
		return struct{}{}, s.commit(ctx, c, change.Set{Operation: op, At: now, Events: []audit.Event{s.event(c, op, now, audit.CompanyDeleted, gone)},
			Writes: []change.Write{company.Delete{Old: old, New: gone}}})
	})
	return err
}

// left names what stands in the way of deleting a company.
func (s *Service) left(ctx context.Context, co company.Company) ([]fault.Blocker, error) {
	there, err := s.Store.Contents(ctx, string(co.ID))
	if err != nil {
		return nil, err
	}
	active := there.ActiveAccounts
	there.ServiceAccounts = active
	left := tree.Left(there)
	if active == 0 {
		return left, nil
	}
	// Ten of them, as far as one page of the company's accounts has them: those that are revoked are among them.
	rows, err := s.Store.List(ctx, listing.Query{Noun: listing.ServiceAccounts, Place: string(co.ID), Limit: listing.ReadLimit})
	if err != nil {
		return nil, err
	}
	ids := make([]id.ServiceAccount, len(rows.Rows))
	for i, r := range rows.Rows {
		ids[i] = id.ServiceAccount(r.ID)
	}
	accounts, err := s.Store.Accounts(ctx, ids)
	if err != nil {
		return nil, err
	}
	slices.SortFunc(accounts, func(a, b serviceaccount.Account) int { return slices.Index(ids, a.ID) - slices.Index(ids, b.ID) })
	i := slices.IndexFunc(left, func(b fault.Blocker) bool { return b.Type == "service_account" })
	for _, a := range accounts {
		if a.Status == serviceaccount.Active && len(left[i].IDs) < 10 {
			left[i].IDs = append(left[i].IDs, string(a.ID))
		}
	}
	return left, nil
}
