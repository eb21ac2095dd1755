package storetest

import (
	"slices"
	"strings"
	"time"

	"github.com/rekey-dev/rekey/pkg/apikey"
	"github.com/rekey-dev/rekey/pkg/audit"
	"github.com/rekey-dev/rekey/pkg/calendar"
	"github.com/rekey-dev/rekey/pkg/change"
	"github.com/rekey-dev/rekey/pkg/id"
	"github.com/rekey-dev/rekey/pkg/listing"
	"github.com/rekey-dev/rekey/pkg/lock"
	"github.com/rekey-dev/rekey/pkg/place"
	"github.com/rekey-dev/rekey/pkg/policy"
	"github.com/rekey-dev/rekey/pkg/serviceaccount"
)

func to[T any](v T) *T { return &v }

func nodePolicy(p place.Place) policy.Attachment {
	return policy.Attachment{Kind: policy.Node, ID: p.ID()}
}

func (w *world) newPolicy(at policy.Attachment, p place.Place) policy.Policy {
	return policy.Policy{ID: newID[id.Policy](), AttachedTo: at, Place: p, Fields: policy.Fields{Overlap: to(3 * 24 * time.Hour)},
		CreatedBy: "emp_00000000000000000001", CreatedByName: "Ada Lovelace", CreatedAt: w.now, UpdatedAt: w.now, Version: 1, EventSeq: 1}
}

func (w *world) onPolicy(p policy.Policy, seq int64) audit.Event {
	e := w.happened("policy", string(p.ID), seq)
	e.Place = p.Place
	return e
}

func (w *world) creationOf(p policy.Policy) change.Set {
	return w.set(w.onPolicy(p, 1), policy.Create{Policy: p})
}

func (w *world) policyOf(at policy.Attachment, p place.Place) policy.Policy {
	w.t.Helper()
	made := w.newPolicy(at, p)
	w.commit(w.creationOf(made))
	return made
}

func (w *world) editPolicy(old policy.Policy, f func(*policy.Policy)) change.Set {
	n := old
	n.Version++
	n.EventSeq++
	n.UpdatedAt = w.now.Add(time.Hour)
	f(&n)
	return w.set(w.onPolicy(old, n.EventSeq), policy.Update{Old: old, New: n})
}

func (w *world) removal(p policy.Policy) change.Set {
	return w.set(w.onPolicy(p, p.EventSeq+1), policy.Delete{Old: p, At: w.now.Add(2 * time.Hour)})
}

func (w *world) readPolicy(p id.Policy) policy.Policy {
	w.t.Helper()
	got, err := w.store.Policy(w.ctx, p)
	w.NoError(err)
	return got
}

func (w *world) task(p id.Policy) policy.Task {
	w.t.Helper()
	tasks, err := w.store.Tasks(w.ctx, []id.Policy{p, newID[id.Policy]()})
	w.NoError(err)
	w.Len(tasks, 1)
	return tasks[0]
}

func (w *world) dueAt(now time.Time, object id.Policy) bool {
	w.t.Helper()
	for shard := range 16 {
		due, err := w.store.Due(w.ctx, shard, now, 1000)
		w.NoError(err)
		if slices.ContainsFunc(due, func(d apikey.Due) bool { return d.Policy == object && d.Key == "" }) {
			return true
		}
	}
	return false
}

// fullFields have every member set.
func fullFields() policy.Fields {
	return policy.Fields{
		Schedule: &calendar.Schedule{Rule: "FREQ=MONTHLY;BYDAY=1SU", Zone: "Europe/Berlin"}, Overlap: to(time.Minute),
		Notice: []time.Duration{90 * 24 * time.Hour, time.Hour}, QuietFor: to(time.Hour), RetireOnQuiet: to(true), ExtendOnce: to(48 * time.Hour),
		AllowRotateSelf: to(false), DefaultLifetime: to(24 * time.Hour), MaxLifetime: to(3650 * 24 * time.Hour), ReportOnly: to(true),
		Lock:      &lock.Policy{Threshold: 3, Window: time.Minute, Duration: 24 * time.Hour, Strict: true},
		Calendars: &[]id.Calendar{newID[id.Calendar](), newID[id.Calendar]()},
		DeliverTo: &policy.Delivery{Type: policy.SecretsManager, SecretID: "acme/key", JSONKey: "api_key", RoleARN: "arn:aws:iam::123456789012:role/rekey"},
		Notify:    &[]string{"ops@example.com", "Straße@example.com"},
	}
}

var policyTests = []test{
	{"a policy reads as it was written, by its ID and by what it is attached to", func(w *world) {
		a := w.account("Recorder", w.co)
		full := w.newPolicy(policy.Attachment{Kind: policy.ServiceAccount, ID: string(a.ID)}, w.co)
		full.Fields = fullFields()
		w.commit(w.set(w.onPolicy(full, 1), policy.Create{Policy: full}, serviceaccount.Update{Old: a}))
		bare := w.newPolicy(nodePolicy(w.root), w.root)
		bare.Fields = policy.Fields{}
		w.commit(w.creationOf(bare))
		daily := w.newPolicy(policy.Attachment{Kind: policy.Company, ID: w.co.ID()}, w.co)
		daily.Fields = policy.Fields{Schedule: &calendar.Schedule{EveryDays: 90, Zone: "UTC"}}
		w.commit(w.creationOf(daily))
		for _, want := range []policy.Policy{full, bare, daily} {
			w.same(want, w.readPolicy(want.ID))
			got, err := w.store.PoliciesOf(w.ctx, []string{want.AttachedTo.ID})
			w.NoError(err)
			w.same([]policy.Policy{want}, got)
		}
		_, err := w.store.Policy(w.ctx, newID[id.Policy]())
		w.notFound(err)
	}},
	{"an empty list, a no and a never of a policy are not what is inherited", func(w *world) {
		p := w.newPolicy(nodePolicy(w.below), w.below)
		p.Fields = policy.Fields{RetireOnQuiet: to(false), AllowRotateSelf: to(false), ReportOnly: to(false), ExtendOnce: to(time.Duration(0)),
			Calendars: &[]id.Calendar{}, Notify: &[]string{}}
		w.commit(w.creationOf(p))
		got := w.readPolicy(p.ID).Fields
		w.NotNil(got.RetireOnQuiet)
		w.NotNil(got.AllowRotateSelf)
		w.NotNil(got.ReportOnly)
		w.NotNil(got.ExtendOnce)
		w.NotNil(got.Calendars)
		w.NotNil(got.Notify)
		w.Nil(got.Overlap)
		w.Nil(got.Schedule)
		w.Nil(got.Lock)
		w.Nil(got.DeliverTo)
		w.Empty(got.Notice)
	}},
	{"policies of several places are read at once, and those of places without one are left out", func(w *world) {
		p, q := w.policyOf(nodePolicy(w.root), w.root), w.policyOf(policy.Attachment{Kind: policy.Company, ID: w.co.ID()}, w.co)
		got, err := w.store.PoliciesOf(w.ctx, []string{w.co.ID(), w.below.ID(), w.root.ID(), w.root.ID()[:24] + "0", w.root.ID()})
		w.NoError(err)
		slices.SortFunc(got, func(a, b policy.Policy) int { return strings.Compare(a.AttachedTo.ID, b.AttachedTo.ID) })
		got = slices.CompactFunc(got, func(a, b policy.Policy) bool { return a.ID == b.ID })
		w.same([]policy.Policy{q, p}, got)
		none, err := w.store.PoliciesOf(w.ctx, []string{w.below.ID()})
		w.NoError(err)
		w.Empty(none)
	}},
	{"a place and an account have one policy, also of many that are made at once", func(w *world) {
		errs := together(8, func(int) error {
			return w.store.Commit(w.ctx, w.creationOf(w.newPolicy(nodePolicy(w.below), w.below)))
		})
		w.oneWon(errs)
		w.lost(w.creationOf(w.newPolicy(nodePolicy(w.below), w.below)), policy.Create{})
		got, err := w.store.PoliciesOf(w.ctx, []string{w.below.ID()})
		w.NoError(err)
		w.Len(got, 1)
		again := w.newPolicy(nodePolicy(w.root), w.root)
		again.ID = got[0].ID
		w.lost(w.creationOf(again), policy.Create{})
	}},
	{"a policy needs what it is attached to", func(w *world) {
		nowhere := w.root.Child(newID[id.Node]())
		w.lost(w.creationOf(w.newPolicy(nodePolicy(nowhere), nowhere)), policy.Create{})
		gone := place.Place{Path: w.below.Path, Company: newID[id.Company]()}
		w.lost(w.creationOf(w.newPolicy(policy.Attachment{Kind: policy.Company, ID: gone.ID()}, gone)), policy.Create{})
		a := w.account("Recorder", w.co)
		p := w.newPolicy(policy.Attachment{Kind: policy.ServiceAccount, ID: string(a.ID)}, w.co)
		w.commit(w.edit(a, func(n *serviceaccount.Account) { n.Status = serviceaccount.Deleted }))
		w.lost(w.set(w.onPolicy(p, 1), policy.Create{Policy: p}, serviceaccount.Update{Old: a}), serviceaccount.Update{})
		_, err := w.store.Policy(w.ctx, p.ID)
		w.notFound(err)
	}},
	{"a policy's change is written as a whole, and once", func(w *world) {
		p := w.policyOf(nodePolicy(w.below), w.below)
		s := w.editPolicy(p, func(n *policy.Policy) { n.Fields = fullFields() })
		w.commit(s)
		want := s.Writes[0].(policy.Update).New
		w.same(want, w.readPolicy(p.ID))
		w.lost(furtherChange(w, p), policy.Update{})
		w.lost(w.removal(p), policy.Delete{})
		other := want
		other.ID = newID[id.Policy]()
		w.lost(w.removal(other), policy.Delete{})
		s = w.editPolicy(want, func(n *policy.Policy) { n.Fields = policy.Fields{} })
		w.commit(s)
		w.same(s.Writes[0].(policy.Update).New, w.readPolicy(p.ID))
	}},
	{"a deleted policy is not there, and leaves room for another", func(w *world) {
		p := w.policyOf(nodePolicy(w.below), w.below)
		w.commit(w.removal(p))
		_, err := w.store.Policy(w.ctx, p.ID)
		w.notFound(err)
		none, err := w.store.PoliciesOf(w.ctx, []string{w.below.ID()})
		w.NoError(err)
		w.Empty(none)
		w.Empty(w.list(listing.Query{Noun: listing.Policies, Place: w.root.ID()}, 10))
		w.lost(furtherChange(w, p), policy.Update{})
		next := w.policyOf(nodePolicy(w.below), w.below)
		w.same(next, w.readPolicy(next.ID))
	}},
	{"policies are listed at every place that covers them, by what they are attached to", func(w *world) {
		a := w.account("Recorder", w.co)
		w.policyOf(nodePolicy(w.root), w.root)
		w.policyOf(policy.Attachment{Kind: policy.Company, ID: w.co.ID()}, w.co)
		own := w.newPolicy(policy.Attachment{Kind: policy.ServiceAccount, ID: string(a.ID)}, w.co)
		w.commit(w.set(w.onPolicy(own, 1), policy.Create{Policy: own}, serviceaccount.Update{Old: a}))
		for _, limit := range []int{1, 2, 10} {
			w.Equal([]string{w.co.ID(), w.root.ID(), string(a.ID)}, w.list(listing.Query{Noun: listing.Policies, Place: w.root.ID()}, limit))
			w.Equal([]string{w.co.ID(), string(a.ID)}, w.list(listing.Query{Noun: listing.Policies, Place: w.below.ID()}, limit))
			w.Equal([]string{w.root.ID()}, w.list(listing.Query{Noun: listing.Policies, Place: w.root.ID(), Direct: true}, limit))
		}
	}},
	{"every change of a policy leaves a task, which is due at once and begins anew with the next", func(w *world) {
		p := w.policyOf(nodePolicy(w.below), w.below)
		w.same(policy.Task{Policy: p.ID, AttachedTo: p.AttachedTo, Place: p.Place, Version: 1, DueAt: w.now}, w.task(p.ID))
		w.True(w.dueAt(w.now, p.ID))
		w.False(w.dueAt(w.now.Add(-time.Millisecond), p.ID))
		first := w.task(p.ID)
		next := first
		next.Stage, next.Cursor, next.DueAt = policy.Keys, "page 2", w.now.Add(time.Minute)
		w.NoError(w.store.AdvanceTask(w.ctx, first, next))
		w.same(next, w.task(p.ID))
		w.False(w.dueAt(w.now, p.ID))

		s := w.editPolicy(p, func(n *policy.Policy) { n.Fields.ReportOnly = to(true) })
		w.commit(s)
		p = s.Writes[0].(policy.Update).New
		w.same(policy.Task{Policy: p.ID, AttachedTo: p.AttachedTo, Place: p.Place, Version: 2, DueAt: p.UpdatedAt}, w.task(p.ID))
		w.ErrorIs(w.store.AdvanceTask(w.ctx, next, first), change.ErrLost, "of the version before")

		w.commit(w.removal(p))
		last := w.task(p.ID)
		w.same(policy.Task{Policy: p.ID, AttachedTo: p.AttachedTo, Place: p.Place, Version: 3, DueAt: w.now.Add(2 * time.Hour)}, last)
		done := last
		done.Cursor, done.DueAt = "", time.Time{}
		w.NoError(w.store.AdvanceTask(w.ctx, last, done))
		none, err := w.store.Tasks(w.ctx, []id.Policy{p.ID})
		w.NoError(err)
		w.Empty(none)
		w.False(w.dueAt(w.now.AddDate(1, 0, 0), p.ID))
		w.ErrorIs(w.store.AdvanceTask(w.ctx, last, done), change.ErrLost, "it is done")
	}},
	{"a task that is done is there again after a further change", func(w *world) {
		p := w.policyOf(nodePolicy(w.below), w.below)
		t := w.task(p.ID)
		done := t
		done.DueAt = time.Time{}
		w.NoError(w.store.AdvanceTask(w.ctx, t, done))
		w.commit(w.editPolicy(p, func(n *policy.Policy) { n.Fields.ReportOnly = to(true) }))
		w.Equal(int64(2), w.task(p.ID).Version)
	}},
	{"a task that is in another stage, at another position or due at another time is not advanced", func(w *world) {
		p := w.policyOf(nodePolicy(w.below), w.below)
		t := w.task(p.ID)
		for _, other := range []func(*policy.Task){func(t *policy.Task) { t.Stage++ }, func(t *policy.Task) { t.Cursor = "x" },
			func(t *policy.Task) { t.DueAt = t.DueAt.Add(time.Second) }, func(t *policy.Task) { t.Version++ }} {
			old := t
			other(&old)
			w.ErrorIs(w.store.AdvanceTask(w.ctx, old, old.Next("", w.now)), change.ErrLost)
		}
		for stage := policy.Accounts; stage <= policy.KeysAgain; stage++ {
			w.Equal(stage, t.Stage)
			next := t.Next("", w.now)
			w.NoError(w.store.AdvanceTask(w.ctx, t, next))
			t = next
		}
		w.Zero(t.DueAt)
	}},
	{"one of many who advance a task does", func(w *world) {
		p := w.policyOf(nodePolicy(w.below), w.below)
		t := w.task(p.ID)
		w.oneWon(together(8, func(i int) error {
			next := t
			next.Cursor = strings.Repeat("x", i+1)
			return w.store.AdvanceTask(w.ctx, t, next)
		}))
		w.ErrorIs(w.store.AdvanceTask(w.ctx, policy.TaskOf(w.newPolicy(nodePolicy(w.root), w.root), 1, w.now), t), change.ErrLost, "there is none")
	}},
}

// furtherChange is a further change of a policy as it was read.
func furtherChange(w *world, p policy.Policy) change.Set {
	return w.editPolicy(p, func(n *policy.Policy) { n.Fields.ReportOnly = to(true) })
}
