package serviceaccount

import (
	"context"
	"errors"
	"slices"
	"time"

	"github.com/rekey-dev/rekey/pkg/audit"
	"github.com/rekey-dev/rekey/pkg/authz"
	"github.com/rekey-dev/rekey/pkg/call"
	"github.com/rekey-dev/rekey/pkg/change"
	"github.com/rekey-dev/rekey/pkg/company"
	"github.com/rekey-dev/rekey/pkg/fault"
	"github.com/rekey-dev/rekey/pkg/id"
	"github.com/rekey-dev/rekey/pkg/lock"
	"github.com/rekey-dev/rekey/pkg/name"
	"github.com/rekey-dev/rekey/pkg/permission"
	"github.com/rekey-dev/rekey/pkg/place"
	"github.com/rekey-dev/rekey/pkg/role"
)

// New is the input of creating an account. Exactly one of Node and Company says where.
type New struct {
	Name        string
	Description string
	Node        id.Node
	Company     id.Company
	RoleID      id.Role // "" for the least-privilege one, integration
	Contacts    []string
	ExternalID  string
	Tags        []string
}

// Create makes an account. Atomic: the account, its name's uniqueness among its siblings, the place's count, the audit
// record and the idempotency record, on condition that a company is active.
func (s *Service) Create(ctx context.Context, c call.Call, in New) (View, error) {
	return change.Retry(func() (View, error) { return s.create(ctx, c, in) })
}

func (s *Service) create(ctx context.Context, c call.Call, in New) (View, error) {
	now, op := s.Now(), id.New[id.Operation](s.Rand)
	at, open, err := s.placeOf(ctx, in)
	if err != nil {
		return View{}, err
	}
	if in.RoleID == "" {
		in.RoleID = role.Integration
	}
	a := Account{ID: id.New[id.ServiceAccount](s.Rand), Place: at, Name: in.Name, Description: in.Description, RoleID: in.RoleID,
		Status: Active, Contacts: in.Contacts, ExternalID: in.ExternalID, Tags: in.Tags, CreatedBy: c.Caller.ID,
		CreatedByName: c.Caller.Name, CreatedAt: now, UpdatedAt: now, Version: 1, EventSeq: 1, IssueEpoch: 1}
	e := s.event(c, op, now, audit.ServiceAccountCreated, a)
	e.Details = map[string]any{"role_id": string(a.RoleID)}
	refused := e
	refused.Target = audit.Target{Type: "node", ID: string(at.Node())}
	if at.Company != "" {
		refused.Target = audit.Target{Type: "company", ID: string(at.Company)}
	}
	if err := c.Caller.Check(permission.ServiceAccountsCreate, authz.Object{Place: at, What: refused.Target.Type}); err != nil {
		return View{}, c.Deny(ctx, s.Store.Deny, refused, err)
	}
	if err := c.Idempotency.Check(); err != nil {
		return View{}, err
	}
	if !open {
		return View{}, companySuspended()
	}
	bad := checkTexts(&in.Description, &in.ExternalID, &in.Contacts, &in.Tags)
	if problem := name.Check(in.Name); problem != "" {
		bad = append(bad, fault.Field{Pointer: "/name", Detail: problem})
	}
	if err := fault.InvalidFields(bad); err != nil {
		return View{}, err
	}
	writes, err := s.assign(ctx, c, in.RoleID, at)
	if err != nil {
		return View{}, c.Deny(ctx, s.Store.Deny, refused, err)
	}
	if a.LockPolicy, err = s.LockAt(ctx, at); err != nil {
		return View{}, err
	}
	if a.LockPolicy != (lock.Policy{}) {
		e.Details["lock"] = a.LockPolicy.Details()
	}
	view := View{Account: a}
	record, err := c.Idempotency.Record(op, now, view, nil)
	if err != nil {
		return View{}, err
	}
	err = s.commit(ctx, c, change.Set{Operation: op, At: now, Idempotency: record, Events: []audit.Event{e},
		Writes: append(writes, Create{Account: a})})
	var lost *change.Lost
	if errors.As(err, &lost) {
		if _, ok := lost.Write.(Create); ok {
			switch _, open, gone := s.placeOf(ctx, in); {
			case gone != nil:
				return View{}, gone
			case !open:
				return View{}, companySuspended()
			}
			return View{}, nameTaken()
		}
	}
	return view, err
}

func companySuspended() error {
	return fault.New(fault.CompanySuspended, "The company is suspended. Resume it first.")
}

func nameTaken() error {
	return fault.New(fault.Conflict, "A service account with this name is there already. Names are compared without regard to case.")
}

// placeOf finds where a new account is to stand, and tells whether it may: a suspended company gets none.
func (s *Service) placeOf(ctx context.Context, in New) (at place.Place, open bool, err error) {
	switch {
	case in.Node == "" && in.Company == "":
		return place.Place{}, false, fault.InvalidField("/node_id", "is missing; give node_id or company_id")
	case in.Node != "" && in.Company != "":
		return place.Place{}, false, fault.InvalidField("/company_id", "is given together with node_id; give one of them")
	case in.Company != "":
		co, err := s.Store.Company(ctx, in.Company)
		return co.Place, co.Status == company.Active, err
	}
	n, err := s.Store.Node(ctx, in.Node)
	return n.Place, true, err
}

// Patch is the change of an account that an administrator asks for; what is nil stays.
type Patch struct {
	Name        *string
	Description *string
	RoleID      *id.Role
	Contacts    *[]string
	ExternalID  *string
	Tags        *[]string
}

// Patch changes an account. Atomic: the account, the rows that list it, and the audit record.
func (s *Service) Patch(ctx context.Context, c call.Call, account id.ServiceAccount, in Patch) (View, error) {
	return change.Retry(func() (View, error) {
		a, refused, err := s.begin(ctx, c, account, permission.ServiceAccountsUpdate, audit.ServiceAccountUpdated)
		if err != nil {
			return View{}, err
		}
		if a.Status != Active {
			return View{}, endedFault()
		}
		var writes []change.Write
		if in.RoleID != nil && *in.RoleID != a.RoleID {
			if writes, err = s.assign(ctx, c, *in.RoleID, a.Place); err != nil {
				return View{}, c.Deny(ctx, s.Store.Deny, refused, err)
			}
		}
		next, changed, err := in.apply(a)
		if err != nil {
			return View{}, err
		}
		if len(changed) == 0 {
			return s.view(ctx, a)
		}
		now, op := s.Now(), id.New[id.Operation](s.Rand)
		next.Version++
		next.EventSeq++
		next.UpdatedAt = now
		e := s.event(c, op, now, audit.ServiceAccountUpdated, next)
		e.Details = map[string]any{"changed": changed, "role_id": string(next.RoleID)}
		err = s.commit(ctx, c, change.Set{Operation: op, At: now, Events: []audit.Event{e}, Writes: append(writes, Update{Old: a, New: &next})})
		var lost *change.Lost
		if errors.As(err, &lost) && in.Name != nil {
			if _, ok := lost.Write.(role.Assign); ok {
				return View{}, err
			}
			if again, readErr := s.load(ctx, account); readErr == nil && again.Version == a.Version && again.EventSeq == a.EventSeq {
				return View{}, nameTaken()
			}
		}
		if err != nil {
			return View{}, err
		}
		return s.view(ctx, next)
	})
}

func (in Patch) apply(a Account) (Account, []string, error) {
	bad := checkTexts(in.Description, in.ExternalID, in.Contacts, in.Tags)
	if in.Name != nil {
		if problem := name.Check(*in.Name); problem != "" {
			bad = append(bad, fault.Field{Pointer: "/name", Detail: problem})
		}
	}
	if err := fault.InvalidFields(bad); err != nil {
		return a, nil, err
	}
	var changed []string
	set := func(field string, differs bool) {
		if differs {
			changed = append(changed, field)
		}
	}
	if in.Name != nil {
		set("name", a.Name != *in.Name)
		a.Name = *in.Name
	}
	if in.Description != nil {
		set("description", a.Description != *in.Description)
		a.Description = *in.Description
	}
	if in.RoleID != nil {
		set("role_id", a.RoleID != *in.RoleID)
		a.RoleID = *in.RoleID
	}
	if in.Contacts != nil {
		set("contacts", !slices.Equal(a.Contacts, *in.Contacts))
		a.Contacts = *in.Contacts
	}
	if in.ExternalID != nil {
		set("external_id", a.ExternalID != *in.ExternalID)
		a.ExternalID = *in.ExternalID
	}
	if in.Tags != nil {
		set("tags", !slices.Equal(a.Tags, *in.Tags))
		a.Tags = *in.Tags
	}
	return a, changed, nil
}

func endedFault() error {
	return fault.New(fault.Ended, "The service account is revoked; that is final. Create a new one.")
}

// exactTries is how often a revocation insists that the keys which it counted are those that it stops. After that it ends
// whatever keys there are: nobody holds it up by changing them.
const exactTries = 3

// Revoke ends an account: every key stops at once, whatever their number, and the record stays. An account that is revoked
// stays as it is. Atomic: the account, the end of its keys, the audit record and the idempotency record.
func (s *Service) Revoke(ctx context.Context, c call.Call, account id.ServiceAccount, reason string) (View, error) {
	tries := 0
	return change.Retry(func() (View, error) {
		tries++
		a, _, err := s.begin(ctx, c, account, permission.ServiceAccountsDelete, audit.ServiceAccountRevoked)
		if err != nil {
			return View{}, err
		}
		if a.Status == Revoked {
			return s.unchanged(ctx, c, a)
		}
		if problem := name.CheckDescription(reason); problem != "" {
			return View{}, fault.InvalidField("/reason", problem)
		}
		now, op := s.Now(), id.New[id.Operation](s.Rand)
		live, err := s.Keys.Live(ctx, a, now)
		if err != nil {
			return View{}, err
		}
		next := a
		next.Status = Revoked
		next.Version++
		next.EventSeq++
		next.UpdatedAt = now
		after := next
		after.KeyCount = 0
		last, err := s.Keys.LastUsed(ctx, a)
		if err != nil {
			return View{}, err
		}
		view := View{Account: after, LastUsedAt: last}
		record, err := c.Idempotency.Record(op, now, view, nil)
		if err != nil {
			return View{}, err
		}
		e := s.event(c, op, now, audit.ServiceAccountRevoked, next)
		e.Details = map[string]any{"principal_status": "inactive", "keys_stopped": len(live)}
		if reason != "" {
			e.Details["reason"] = reason
		}
		return view, s.commit(ctx, c, change.Set{Operation: op, At: now, Idempotency: record, Events: []audit.Event{e},
			Writes: []change.Write{Update{Old: a, New: &next, SameKeys: tries <= exactTries, KeysChanged: true,
				EndKeys: &Ended{At: now, By: c.Caller.ID, Reason: "cessation"}}}})
	})
}

// Delete removes an account that has no live key; one that has is in use. Its name can be used again, its audit records
// stay. Atomic: the account, its name, the place's count and the audit record, on condition that no key has changed.
func (s *Service) Delete(ctx context.Context, c call.Call, account id.ServiceAccount) error {
	_, err := change.Retry(func() (struct{}, error) {
		a, _, err := s.begin(ctx, c, account, permission.ServiceAccountsDelete, audit.ServiceAccountDeleted)
		if err != nil {
			return struct{}{}, err
		}
		now, op := s.Now(), id.New[id.Operation](s.Rand)
		if a.Status == Active {
			live, err := s.Keys.Live(ctx, a, now)
			if err != nil {
				return struct{}{}, err
			}
			if len(live) > 0 {
				return struct{}{}, inUse(live)
			}
		}
		next := a
		next.Status = Deleted
		next.Version++
		next.EventSeq++
		next.UpdatedAt = now
		return struct{}{}, s.commit(ctx, c, change.Set{Operation: op, At: now, Events: []audit.Event{s.event(c, op, now, audit.ServiceAccountDeleted, next)},
			Writes: []change.Write{Update{Old: a, New: &next, SameKeys: true, KeysChanged: true}}})
	})
	return err
}

func inUse(live []id.Key) error {
	b := fault.Blocker{Type: "key", Count: len(live)}
	for _, k := range live[:min(10, len(live))] {
		b.IDs = append(b.IDs, string(k))
	}
	return &fault.Error{Kind: fault.InUse, BlockedBy: []fault.Blocker{b},
		Detail: "The service account has live keys. Revoke them, or the whole account, first."}
}

// Unlock ends a lock and empties its counter; failures of before count for nothing any more. An account without counted
// failures stays as it is. Atomic: the counter, the audit record and the idempotency record.
func (s *Service) Unlock(ctx context.Context, c call.Call, account id.ServiceAccount) (View, error) {
	return change.Retry(func() (View, error) {
		a, _, err := s.begin(ctx, c, account, permission.KeysUnlock, audit.Unlocked)
		if err != nil {
			return View{}, err
		}
		if a.Status != Active {
			return View{}, endedFault()
		}
		if a.Lock.Failures == 0 {
			return s.unchanged(ctx, c, a)
		}
		now, op := s.Now(), id.New[id.Operation](s.Rand)
		next := a
		next.EventSeq++
		after := next
		after.Lock = lock.Counter{Epoch: a.Lock.Epoch + 1}
		view, err := s.view(ctx, after)
		if err != nil {
			return View{}, err
		}
		record, err := c.Idempotency.Record(op, now, view, nil)
		if err != nil {
			return View{}, err
		}
		e := s.event(c, op, now, audit.Unlocked, next)
		e.Details = map[string]any{"failures": a.Lock.Failures, "was_locked": a.Lock.Locked(now)}
		if a.Lock.Locked(now) {
			e.Details["locked_until"] = a.Lock.LockEndsAt.UTC().Format(time.RFC3339)
		}
		return view, s.commit(ctx, c, change.Set{Operation: op, At: now, Idempotency: record, Events: []audit.Event{e},
			Writes: []change.Write{Update{Old: a, New: &next, ClearLock: true}}})
	})
}
