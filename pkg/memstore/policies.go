package memstore

import (
	"context"
	"slices"

	"github.com/rekey-dev/rekey/pkg/change"
	"github.com/rekey-dev/rekey/pkg/fault"
	"github.com/rekey-dev/rekey/pkg/id"
	"github.com/rekey-dev/rekey/pkg/policy"
)

func (t *transaction) createPolicy(w policy.Create) string {
	p := copyPolicy(w.Policy)
	if _, ok := t.policies[p.AttachedTo.ID]; ok {
		return "it has a policy"
	}
	if _, ok := t.policyAt[p.ID]; ok {
		return "the policy's ID is taken"
	}
	if p.AttachedTo.Kind != policy.ServiceAccount && !t.there(p.AttachedTo.ID) {
		return "the place is not there"
	}
	t.touch("policy of " + p.AttachedTo.ID)
	t.then(func() {
		t.policies[p.AttachedTo.ID], t.policyAt[p.ID] = p, p.AttachedTo.ID
	})
	t.putTask(policy.TaskOf(p, p.Version, p.UpdatedAt))
	return ""
}

func (t *transaction) updatePolicy(w policy.Update) string {
	if reason := t.samePolicy(w.Old); reason != "" {
		return reason
	}
	n := copyPolicy(w.New)
	if n.ID != w.Old.ID || n.AttachedTo != w.Old.AttachedTo || n.Place != w.Old.Place {
		panic("memstore: an update of what never changes of a policy: " + string(n.ID))
	}
	t.touch("policy of " + n.AttachedTo.ID)
	t.then(func() { t.policies[n.AttachedTo.ID] = n })
	t.putTask(policy.TaskOf(n, n.Version, n.UpdatedAt))
	return ""
}

func (t *transaction) deletePolicy(w policy.Delete) string {
	if reason := t.samePolicy(w.Old); reason != "" {
		return reason
	}
	t.touch("policy of " + w.Old.AttachedTo.ID)
	t.then(func() {
		delete(t.policies, w.Old.AttachedTo.ID)
		delete(t.policyAt, w.Old.ID)
	})
	t.putTask(policy.TaskOf(w.Old, w.Old.Version+1, w.At))
	return ""
}

func (t *transaction) samePolicy(old policy.Policy) string {
	p, ok := t.policies[old.AttachedTo.ID]
	switch {
	case !ok || p.ID != old.ID:
		return "the policy is not there"
	case p.Version != old.Version:
		return "the policy's version is another"
	case p.EventSeq != old.EventSeq:
		return "the policy's event seq is another"
	}
	return ""
}

func (t *transaction) putTask(task policy.Task) {
	if t.tasks[task.Policy].Version >= task.Version {
		panic("memstore: a task of an older version than the policy's: " + string(task.Policy))
	}
	t.then(func() { t.tasks[task.Policy] = task })
}

// Policy returns a policy.
func (s *Store) Policy(ctx context.Context, p id.Policy) (policy.Policy, error) {
	defer s.mu.Unlock()
	if err := s.begin(ctx); err != nil {
		return policy.Policy{}, err
	}
	found, ok := s.policies[s.policyAt[p]]
	if !ok {
		return policy.Policy{}, fault.Missing("rotation policy")
	}
	return copyPolicy(found), nil
}

// PoliciesOf returns the policies of places and accounts; those that have none are left out.
func (s *Store) PoliciesOf(ctx context.Context, attached []string) ([]policy.Policy, error) {
	defer s.mu.Unlock()
	if err := s.begin(ctx); err != nil {
		return nil, err
	}
	var out []policy.Policy
	for _, to := range attached {
		if p, ok := s.policies[to]; ok {
			out = append(out, copyPolicy(p))
		}
	}
	return out, nil
}

// Tasks returns what changes of policies left to be done.
func (s *Store) Tasks(ctx context.Context, policies []id.Policy) ([]policy.Task, error) {
	defer s.mu.Unlock()
	if err := s.begin(ctx); err != nil {
		return nil, err
	}
	var out []policy.Task
	for _, p := range policies {
		if t, ok := s.tasks[p]; ok && !t.DueAt.IsZero() {
			out = append(out, t)
		}
	}
	return out, nil
}

// AdvanceTask notes how far a task has come.
func (s *Store) AdvanceTask(ctx context.Context, old, next policy.Task) error {
	defer s.mu.Unlock()
	if err := s.begin(ctx); err != nil {
		return err
	}
	t, ok := s.tasks[old.Policy]
	if !ok || t.Version != old.Version || t.Stage != old.Stage || t.Cursor != old.Cursor || !t.DueAt.Equal(old.DueAt) {
		return &change.Lost{Reason: "the task is another, or somebody else has advanced it"}
	}
	t.Stage, t.Cursor, t.DueAt = next.Stage, next.Cursor, next.DueAt
	s.tasks[t.Policy] = t
	return nil
}

// copyPolicy copies what a policy's fields point at; the values themselves are never written to.
func copyPolicy(p policy.Policy) policy.Policy {
	f := &p.Fields
	f.Schedule, f.Overlap, f.QuietFor, f.RetireOnQuiet = copied(f.Schedule), copied(f.Overlap), copied(f.QuietFor), copied(f.RetireOnQuiet)
	f.ExtendOnce, f.AllowRotateSelf, f.DefaultLifetime = copied(f.ExtendOnce), copied(f.AllowRotateSelf), copied(f.DefaultLifetime)
	f.MaxLifetime, f.ReportOnly, f.Lock, f.DeliverTo = copied(f.MaxLifetime), copied(f.ReportOnly), copied(f.Lock), copied(f.DeliverTo)
	f.Notice = slices.Clone(f.Notice)
	if f.Calendars = copied(f.Calendars); f.Calendars != nil {
		*f.Calendars = slices.Clone(*f.Calendars)
	}
	if f.Notify = copied(f.Notify); f.Notify != nil {
		*f.Notify = slices.Clone(*f.Notify)
	}
	return p
}

func copied[T any](v *T) *T {
	if v == nil {
		return nil
	}
	c := *v
	return &c
}
