package dynamo

import (
	"context"
	"time"

	"github.com/rekey-dev/rekey/pkg/change"
	"github.com/rekey-dev/rekey/pkg/id"
	"github.com/rekey-dev/rekey/pkg/policy"
)

func (b *builder) createPolicy(w policy.Create) error {
	p, table := w.Policy, b.store.tables.Directory
	it, err := encodePolicy(p)
	if err != nil {
		return err
	}
	b.put(create(table, policyKey(p.AttachedTo.ID), it, w, "it has a policy"))
	b.moveRows(w, nil, policyRows(p))
	b.moveUses(w, nil, policyUse(p))
	b.putTask(w, policy.TaskOf(p, p.Version, p.UpdatedAt))
	return nil
}

// policyUse is what a policy counts for at the place that it is attached to. An account is held against what was read of it by a
// write of its own.
func policyUse(p policy.Policy) []use {
	if p.AttachedTo.Kind == policy.ServiceAccount {
		return nil
	}
	return []use{{holder: p.AttachedTo.ID, counter: attrPolicies}}
}

func (b *builder) updatePolicy(w policy.Update) error {
	fields, err := encodeFields(w.New.Fields)
	if err != nil {
		return err
	}
	a := b.ofPolicy(w, w.Old)
	a.expr.setString(attrFields, fields)
	a.expr.setTime(attrUpdatedAt, w.New.UpdatedAt)
	a.expr.setInt(attrVersion, w.New.Version)
	a.expr.setInt(attrEventSeq, w.New.EventSeq)
	b.put(a)
	b.putTask(w, policy.TaskOf(w.Old, w.New.Version, w.New.UpdatedAt))
	return nil
}

func (b *builder) deletePolicy(w policy.Delete) {
	a := b.ofPolicy(w, w.Old)
	a.delete = true
	b.put(a)
	b.moveRows(w, policyRows(w.Old), nil)
	b.moveUses(w, policyUse(w.Old), nil)
	b.putTask(w, policy.TaskOf(w.Old, w.Old.Version+1, w.At))
}

// ofPolicy is an action on a policy that is as it was read.
func (b *builder) ofPolicy(w change.Write, old policy.Policy) action {
	a := action{table: b.store.tables.Directory, key: policyKey(old.AttachedTo.ID), write: w, reason: "the policy has changed"}
	e := &a.expr
	e.require(e.compare(attrID, "=", stringValue(string(old.ID))))
	e.require(e.isInt(attrVersion, old.Version))
	e.require(e.isInt(attrEventSeq, old.EventSeq))
	return a
}

// putTask puts a task, or begins one of an older version of the policy anew.
func (b *builder) putTask(w change.Write, t policy.Task) {
	a := action{table: b.store.tables.Identity, key: taskKey(t.Policy), write: w, reason: "the policy has changed since"}
	e := &a.expr
	e.require(e.missing(attrPK) + " OR " + e.compare(attrVersion, "<", intValue(t.Version)))
	e.set(attrType, stringValue(typeTask))
	e.setString(attrID, string(t.Policy))
	e.setString(attrAttachedKind, string(t.AttachedTo.Kind))
	e.setString(attrAttachedID, t.AttachedTo.ID)
	e.setString(attrNodePath, t.Place.Path)
	e.setString(attrCompany, string(t.Place.Company))
	e.setInt(attrVersion, t.Version)
	e.remove(attrStage, attrCursor, attrTTL)
	setDue(e, string(t.Policy), t.DueAt)
	b.put(a)
}

// Policy reads a policy: two calls.
func (s *Store) Policy(ctx context.Context, p id.Policy) (_ policy.Policy, err error) {
	defer wrap(&err, "Store.Policy(%s)", p)
	attached, err := one(ctx, s, s.tables.Directory, policyAtKey(p), "rotation policy", func(it item) (string, error) {
		r := reader{it: it}
		return r.string(attrID), r.err
	})
	if err != nil {
		return policy.Policy{}, err
	}
	return one(ctx, s, s.tables.Directory, policyKey(attached), "rotation policy", decodePolicy)
}

// PoliciesOf reads the policies of places and accounts; those that have none are left out. One call for up to 100.
func (s *Store) PoliciesOf(ctx context.Context, attached []string) (_ []policy.Policy, err error) {
	defer wrap(&err, "Store.PoliciesOf(%d)", len(attached))
	return many(ctx, s, s.tables.Directory, unique(attached, policyKey), decodePolicy)
}

// Tasks reads what changes of policies left to be done; tasks that are done are left out. One call for up to 100.
func (s *Store) Tasks(ctx context.Context, policies []id.Policy) (_ []policy.Task, err error) {
	defer wrap(&err, "Store.Tasks(%d)", len(policies))
	found, err := many(ctx, s, s.tables.Identity, unique(policies, taskKey), decodeTask)
	if err != nil {
		return nil, err
	}
	tasks := found[:0]
	for _, t := range found {
		if !t.DueAt.IsZero() {
			tasks = append(tasks, t)
		}
	}
	return tasks, nil
}

// taskKept is how long a task that is done is kept before its storage is reclaimed.
const taskKept = 24 * time.Hour

// AdvanceTask notes how far a task has come: next has another stage, cursor and due time, and no due time when it is done. It is lost when the
// policy has changed since, or somebody else has advanced the task: one update.
func (s *Store) AdvanceTask(ctx context.Context, old, next policy.Task) (err error) {
	defer wrap(&err, "Store.AdvanceTask(%s)", old.Policy)
	a := action{table: s.tables.Identity, key: taskKey(old.Policy), reason: "the task is another, or somebody else has advanced it"}
	e := &a.expr
	e.require(e.isInt(attrVersion, old.Version))
	e.require(e.isInt(attrStage, int64(old.Stage)))
	e.require(e.isText(attrCursor, old.Cursor))
	e.require(e.isTime(attrDueAt, old.DueAt))
	e.setInt(attrStage, int64(next.Stage))
	e.setString(attrCursor, next.Cursor)
	setDue(e, string(old.Policy), next.DueAt)
	if next.DueAt.IsZero() {
		e.set(attrTTL, intValue(old.DueAt.Add(taskKept).Unix()))
	}
	return s.updateOnce(ctx, a)
}
