package sweep_test

import (
	"context"
	"fmt"
	"testing"
	"time"

	"github.com/stretchr/testify/require"

	"github.com/rekey-dev/rekey/pkg/apikey"
	"github.com/rekey-dev/rekey/pkg/call"
	"github.com/rekey-dev/rekey/pkg/id"
	"github.com/rekey-dev/rekey/pkg/listing"
	"github.com/rekey-dev/rekey/pkg/memstore"
	"github.com/rekey-dev/rekey/pkg/policy"
	"github.com/rekey-dev/rekey/pkg/rekeytest"
	"github.com/rekey-dev/rekey/pkg/rotation"
)

// slow is a store whose lists take their time.
type slow struct {
	*memstore.Flaky
	w *rekeytest.World
}

func (s slow) List(ctx context.Context, q listing.Query) (listing.Page, error) {
	s.w.Advance(time.Second)
	return s.Flaky.List(ctx, q)
}

// announcedEnd tells whether a key's end was announced.
func announcedEnd(w *rekeytest.World, k apikey.Shown) bool {
	for _, e := range expired(w) {
		if e.Target.ID == string(k.View.Key.ID) {
			return true
		}
	}
	return false
}

func TestSweep_ATaskThatTakesLongerThanARunKeepsNoKeyWaiting_P3(t *testing.T) {
	w := rekeytest.New(t)
	for i := range 20 {
		a := w.Account(fmt.Sprint("many ", i), w.Company)
		for j := range 20 {
			w.Issue(a.ID, fmt.Sprint("k", j))
		}
	}
	w.Policy(rekeytest.At(w.Company), policy.Text{MaxLifetime: rekeytest.To("P90D")})
	k := w.IssueFor(w.Account("Recorder", w.Sibling).ID, "k", time.Second)
	w.Advance(2 * time.Second)
	s := sweeper(w)
	s.Store = slow{w.Store, w}
	ctx, cancel := context.WithDeadline(w.Ctx, w.Now().Add(10*time.Second))
	defer cancel()
	r, err := s.Sweep(ctx, "run")
	require.NoError(t, err)
	require.True(t, r.More, "the task is not done: %+v", r)
	require.True(t, announcedEnd(w, k), "the key's end was announced")
}

// past is rotations that are always due.
type past struct{ *rotation.Service }

func (p past) Advance(ctx context.Context, c call.Call, r id.Rotation) (rotation.Advanced, error) {
	a, err := p.Service.Advance(ctx, c, r)
	a.Due = a.View.Rotation.CreatedAt
	return a, err
}

func TestSweep_KeysThatStayDueDoNotKeepTheRestOfTheirShardWaiting_P3(t *testing.T) {
	w := rekeytest.New(t)
	a := w.Account("Bridge", w.Company)
	for i := range 101 {
		k := w.Issue(a.ID, fmt.Sprint("k", i))
		out, err := w.Rotations.Rotate(w.Ctx, w.As(w.Owner), k.View.Key.ID, rotation.Start{Mode: rotation.Overlap, Overlap: 30 * day})
		require.NoError(t, err)
		w.Note(out.Secret)
	}
	w.Advance(16 * day)
	s := sweeper(w)
	s.Rotations = past{w.Rotations}
	_, err := s.Sweep(w.Ctx, "run")
	require.NoError(t, err)
	k := w.IssueFor(w.Account("Recorder", w.Company).ID, "k", time.Second)
	w.Advance(2 * time.Second)
	_, err = s.Sweep(w.Ctx, "run")
	require.NoError(t, err)
	require.True(t, announcedEnd(w, k))
}
