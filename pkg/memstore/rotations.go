package memstore

import (
	"cmp"
	"context"
	"slices"
	"strings"

	"github.com/rekey-dev/rekey/pkg/id"
	"github.com/rekey-dev/rekey/pkg/rotation"
)

func copyRotation(r rotation.Rotation) rotation.Rotation {
	r.Steps = slices.Clone(r.Steps)
	return r
}

func (t *transaction) createRotation(w rotation.Create) string {
	r := copyRotation(w.Rotation)
	if _, ok := t.rotations[r.ID]; ok {
		return "the rotation exists"
	}
	t.touch("rotation " + string(r.ID))
	t.then(func() { t.rotations[r.ID] = r })
	return ""
}

func (t *transaction) updateRotation(w rotation.Update) string {
	r, ok := t.rotations[w.Old.ID]
	switch {
	case !ok:
		return "the rotation is not there"
	case r.Version != w.Old.Version:
		return "the rotation's version is another"
	case r.EventSeq != w.Old.EventSeq:
		return "the rotation's event seq is another"
	}
	n := copyRotation(w.New)
	if n.ID != r.ID || n.OldKey != r.OldKey || n.NewKey != r.NewKey || n.AccountID != r.AccountID || n.Place != r.Place || n.Terms != r.Terms {
		panic("memstore: an update of what never changes of a rotation: " + string(r.ID))
	}
	t.touch("rotation " + string(r.ID))
	t.then(func() { t.rotations[n.ID] = n })
	return ""
}

// Rotation returns a rotation.
func (s *Store) Rotation(ctx context.Context, r id.Rotation) (rotation.Rotation, error) {
	found, err := one(ctx, s, s.rotations, r, "rotation")
	return copyRotation(found), err
}

// Rotations returns rotations of a place and everything below it, or of one account, newest first.
func (s *Store) Rotations(ctx context.Context, q rotation.Query) (rotation.Page, error) {
	defer s.mu.Unlock()
	if err := s.begin(ctx); err != nil {
		return rotation.Page{}, err
	}
	var all []rotation.Rotation
	for _, r := range s.rotations {
		switch {
		case q.Account != "" && r.AccountID != q.Account,
			q.Account == "" && !slices.Contains(r.Place.Ancestors(), q.Place),
			q.Direct && r.Place.ID() != q.Place,
			q.After != "" && rotationPosition(r) >= q.After:
			continue
		}
		all = append(all, copyRotation(r))
	}
	slices.SortFunc(all, func(a, b rotation.Rotation) int { return cmp.Compare(rotationPosition(b), rotationPosition(a)) })
	if len(all) <= q.Limit {
		return rotation.Page{Rotations: all}, nil
	}
	return rotation.Page{Rotations: all[:q.Limit], Next: rotationPosition(all[q.Limit-1])}, nil
}

func rotationPosition(r rotation.Rotation) string {
	return strings.Join([]string{r.CreatedAt.UTC().Format("2006-01-02T15:04:05.000"), string(r.ID)}, "#")
}
