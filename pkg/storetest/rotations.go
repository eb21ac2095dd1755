package storetest

import (
	"time"

	"github.com/rekey-dev/rekey/pkg/audit"
	"github.com/rekey-dev/rekey/pkg/calendar"
	"github.com/rekey-dev/rekey/pkg/change"
	"github.com/rekey-dev/rekey/pkg/delivery"
	"github.com/rekey-dev/rekey/pkg/id"
	"github.com/rekey-dev/rekey/pkg/place"
	"github.com/rekey-dev/rekey/pkg/rotation"
	"github.com/rekey-dev/rekey/pkg/serviceaccount"
)

func (w *world) newRotation(a serviceaccount.Account, at time.Time) rotation.Rotation {
	return rotation.Rotation{ID: newID[id.Rotation](), Mode: rotation.Overlap, State: rotation.Issued, OldKey: newID[id.Key](), NewKey: newID[id.Key](),
		AccountID: a.ID, Place: a.Place, Terms: rotation.Terms{Overlap: time.Hour, QuietFor: time.Minute, RetireOnQuiet: true, ExtendOnce: time.Hour,
			Policy: newID[id.Policy]()}, StartedBy: "emp_00000000000000000001", StartedByName: "Ada", Reason: "calendar", Suspected: at.Add(-time.Hour),
		OverlapEndsAt: at.Add(time.Hour), FormerExpiresAt: at.Add(2 * time.Hour), FormerNoticeFrom: at.Add(-time.Hour),
		Steps: []rotation.Step{{State: rotation.Issued, At: at, By: "emp_00000000000000000001", Evidence: "because"}},
		Delivery: delivery.Progress{Target: delivery.Target{Type: delivery.SecretsManager, SecretID: "acme/recorder", JSONKey: "key",
			RoleARN: "arn:aws:iam::111122223333:role/rekey"}, Version: "11111111-2222-8333-8444-555555555555", From: "first"},
		Planned: rotation.Planned{Due: at.Add(-time.Minute), Blocks: []calendar.Block{{From: at.Add(-time.Hour), To: at, Calendar: newID[id.Calendar](), Summary: "year end"},
			{From: at, Calendar: newID[id.Calendar](), Summary: "for ever"}}},
		CreatedAt: at, UpdatedAt: at, Version: 1, EventSeq: 1}
}

func (w *world) onRotation(r rotation.Rotation, seq int64) audit.Event {
	e := w.happened("rotation", string(r.ID), seq)
	e.Place = r.Place
	return e
}

func (w *world) begun(a serviceaccount.Account, at time.Time) rotation.Rotation {
	r := w.newRotation(a, at)
	w.commit(w.set(w.onRotation(r, 1), rotation.Create{Rotation: r}))
	return r
}

func (w *world) stepped(old rotation.Rotation, state rotation.State) change.Set {
	n := old
	n.State, n.OverlapEndsAt, n.Extended, n.UpdatedAt = state, old.OverlapEndsAt.Add(time.Hour), true, old.UpdatedAt.Add(time.Minute)
	n.Steps = append(append([]rotation.Step(nil), old.Steps...), rotation.Step{State: state, At: n.UpdatedAt, By: "system"})
	n.Delivery.DoneAt, n.Delivery.Problem = n.UpdatedAt, "it was gone"
	n.EventSeq++
	return w.set(w.onRotation(n, n.EventSeq), rotation.Update{Old: old, New: n})
}

func (w *world) rotations(q rotation.Query) (ids []id.Rotation, next string) {
	w.t.Helper()
	p, err := w.store.Rotations(w.ctx, q)
	w.NoError(err)
	for _, r := range p.Rotations {
		ids = append(ids, r.ID)
	}
	return ids, p.Next
}

var rotationTests = []test{
	{"a rotation is kept as it is written", func(w *world) {
		r := w.begun(w.account("Recorder", w.co), w.now)
		got, err := w.store.Rotation(w.ctx, r.ID)
		w.NoError(err)
		w.same(r, got)
		s := w.stepped(r, rotation.Seen)
		w.commit(s)
		got, err = w.store.Rotation(w.ctx, r.ID)
		w.NoError(err)
		w.same(s.Writes[0].(rotation.Update).New, got)
		_, err = w.store.Rotation(w.ctx, newID[id.Rotation]())
		w.notFound(err)
	}},
	{"a step of a rotation that has moved on, or is not there, is lost", func(w *world) {
		a := w.account("Recorder", w.co)
		r := w.begun(a, w.now)
		w.commit(w.stepped(r, rotation.Seen))
		w.lost(w.stepped(r, rotation.Quiet), rotation.Update{})
		stale := r
		stale.EventSeq, stale.Version = 2, 2
		w.lost(w.stepped(stale, rotation.Quiet), rotation.Update{})
		w.lost(w.stepped(w.newRotation(a, w.now), rotation.Quiet), rotation.Update{})
		w.lost(w.set(w.onRotation(r, 3), rotation.Create{Rotation: r}), rotation.Create{})
	}},
	{"rotations are listed at every place above them and at their account, newest first", func(w *world) {
		root, inCo := w.account("Root", w.root), w.account("Company", w.co)
		first, second, third := w.begun(inCo, w.now), w.begun(root, w.now.Add(time.Second)), w.begun(inCo, w.now.Add(2*time.Second))
		at := func(p place.Place, direct bool) []id.Rotation {
			ids, next := w.rotations(rotation.Query{Place: p.ID(), Direct: direct, Limit: 100})
			w.Empty(next)
			return ids
		}
		w.Equal([]id.Rotation{third.ID, second.ID, first.ID}, at(w.root, false))
		w.Equal([]id.Rotation{second.ID}, at(w.root, true))
		w.Equal([]id.Rotation{third.ID, first.ID}, at(w.co, false))
		ids, next := w.rotations(rotation.Query{Account: inCo.ID, Limit: 1})
		w.Equal([]id.Rotation{third.ID}, ids)
		w.NotEmpty(next)
		ids, next = w.rotations(rotation.Query{Account: inCo.ID, Limit: 1, After: next})
		w.Equal([]id.Rotation{first.ID}, ids)
		w.Empty(next)
	}},
}
