package sweep_test

import (
	"fmt"
	"testing"
	"time"

	"github.com/stretchr/testify/require"

	"github.com/rekey-dev/rekey/pkg/apikey"
	"github.com/rekey-dev/rekey/pkg/audit"
	"github.com/rekey-dev/rekey/pkg/id"
	"github.com/rekey-dev/rekey/pkg/memstore"
	"github.com/rekey-dev/rekey/pkg/policy"
	"github.com/rekey-dev/rekey/pkg/rekeytest"
)

func tasks(w *rekeytest.World, p policy.Policy) []policy.Task {
	w.T.Helper()
	out, err := w.Mem.Tasks(w.Ctx, []id.Policy{p.ID})
	require.NoError(w.T, err)
	return out
}

// wentBy requires that a policy's task has gone by once, or that nothing of it is left. It goes by again when whatever was under
// way at the policy's change has ended.
func wentBy(w *rekeytest.World, p policy.Policy) {
	w.T.Helper()
	for _, t := range tasks(w, p) {
		require.Equal(w.T, policy.AccountsAgain, t.Stage)
		require.Equal(w.T, w.Now().Add(policy.Settled), t.DueAt)
	}
}

// lowered returns the records that say that a policy lowered a key's end.
func lowered(w *rekeytest.World) (out []audit.Event) {
	for _, e := range w.Records(audit.KeyUpdated) {
		if e.Actor.Type == audit.System && e.Details["expires_at"] != nil {
			out = append(out, e)
		}
	}
	return out
}

func TestPolicy_AShortenedMaximumBindsKeysFromBeforeAndTheirOwnersAreToldInTime_P3(t *testing.T) {
	w := rekeytest.New(t)
	a, beside := w.Account("Recorder", w.Company), w.Account("Beside", w.Stranger)
	var keys []apikey.Key
	for i := range 120 { // more than two pages
		keys = append(keys, w.Issue(a.ID, fmt.Sprint(i)).View.Key)
	}
	untouched := w.Issue(beside.ID, "k").View.Key
	soon := w.IssueFor(a.ID, "soon", 5*day).View.Key
	w.Advance(100 * day / 24)
	soon = w.Key(soon.ID)
	p := w.Policy(rekeytest.At(w.Below), policy.Text{MaxLifetime: rekeytest.To("P365D")})
	run(t, w)
	wentBy(w, p)
	for _, k := range keys {
		got := w.Key(k.ID)
		require.Equal(t, k.CreatedAt.Add(365*day), got.ExpiresAt)
		require.Equal(t, got.ExpiresAt.Add(-30*day), got.NoticeFrom)
		require.Equal(t, k.Version+1, got.Version)
	}
	require.Len(t, lowered(w), 120)
	require.Equal(t, string(p.ID), lowered(w)[0].Details["policy_id"])
	require.Equal(t, untouched, w.Key(untouched.ID))
	require.Equal(t, soon.ExpiresAt, w.Key(soon.ID).ExpiresAt)

	_, err := w.Policies.Patch(w.Ctx, w.As(w.Owner), p.ID, func(t policy.Text) policy.Text { t.MaxLifetime = rekeytest.To("P1D"); return t })
	require.NoError(t, err)
	w.Advance(time.Minute)
	run(t, w)
	for _, k := range keys {
		got := w.Key(k.ID)
		require.Equal(t, w.Now().Add(30*day), got.ExpiresAt, "never to earlier than the longest notice from now")
		require.Equal(t, apikey.Expiring, apikey.StateOf(got, w.ReadAccount(a.ID), nil, w.Now()).Status)
	}
	told := 0
	for _, e := range w.Records(audit.KeyExpiring) {
		if e.Details["notice"] == "P30D" {
			told++
		}
	}
	require.Equal(t, 120, told, "each is announced at once, at its first notice")
	before := len(w.Mem.Events())
	run(t, w)
	require.Len(t, w.Mem.Events(), before, "and nothing is done again")

	require.NoError(t, w.Policies.Delete(w.Ctx, w.As(w.Owner), p.ID))
	run(t, w)
	require.Equal(t, w.Now().Add(30*day), w.Key(keys[0].ID).ExpiresAt, "no key lives longer for it")
	wentBy(w, p)
}

func TestPolicy_OfAnAccountIsItsKeysOnly_P3(t *testing.T) {
	w := rekeytest.New(t)
	a, other := w.Account("Recorder", w.Company), w.Account("Other", w.Company)
	k, l := w.Issue(a.ID, "k").View.Key, w.Issue(other.ID, "l").View.Key
	w.Policy(rekeytest.On(a), policy.Text{MaxLifetime: rekeytest.To("P90D"), Notice: &[]string{"P7D"}})
	run(t, w)
	require.Equal(t, k.CreatedAt.Add(90*day), w.Key(k.ID).ExpiresAt)
	require.Equal(t, k.CreatedAt.Add(83*day), w.Key(k.ID).NoticeFrom)
	require.Equal(t, l, w.Key(l.ID))
}

func TestPolicy_ThatOnlyReportsLowersNothing_B9(t *testing.T) {
	w := rekeytest.New(t)
	k := w.Issue(w.Account("Recorder", w.Company).ID, "k").View.Key
	p := w.Policy(rekeytest.At(w.Root), policy.Text{MaxLifetime: rekeytest.To("P90D"), ReportOnly: rekeytest.To(true)})
	run(t, w)
	require.Equal(t, k, w.Key(k.ID))
	wentBy(w, p)
}

// Every call of a run that brings keys in line is failed: before, after and instead of its effect. The next run ends the task,
// and each key was lowered once.
func TestPolicy_ARunThatEndsAnywhereIsMadeGoodByTheNext_P3(t *testing.T) {
	begin := func() (*rekeytest.World, policy.Policy, []id.Key) {
		w := rekeytest.New(t)
		a := w.Account("Recorder", w.Company)
		keys := []id.Key{w.Issue(a.ID, "one").View.Key.ID, w.Issue(a.ID, "two").View.Key.ID}
		p := w.Policy(rekeytest.At(w.Below), policy.Text{MaxLifetime: rekeytest.To("P90D"), Lock: three(false)})
		w.Store.Reset()
		return w, p, keys
	}
	clean, _, _ := begin()
	run(t, clean)
	calls := clean.Store.Calls()
	cases := 0
	for n := range calls {
		for _, mode := range memstore.Modes {
			w, p, keys := begin()
			w.Store.Fail(n+1, mode)
			_, _ = sweeper(w).Sweep(w.Ctx, "run") // what it failed at stays due
			w.Store.Settle()
			w.Advance(time.Minute)
			_, err := sweeper(w).Sweep(w.Ctx, "run")
			require.NoError(t, err)
			w.Advance(10 * time.Minute)
			run(t, w)
			what := calls[n] + " failed " + mode.String()
			require.Empty(t, tasks(w, p), what)
			for _, k := range keys {
				require.Equal(t, w.Key(k).CreatedAt.Add(90*day), w.Key(k).ExpiresAt, what)
			}
			require.Len(t, lowered(w), 2, what)
			require.Equal(t, 3, w.ReadAccount(w.Key(keys[0]).AccountID).LockPolicy.Threshold, what)
			require.Len(t, renumbered(w), 1, what)
			cases++
		}
	}
	t.Logf("%d cases", cases)
	require.Greater(t, cases, 30)
}

// A key that changes under the sweeper's hands is read again.
func TestPolicy_AKeyThatChangesMeanwhileIsLoweredAllTheSame_P3(t *testing.T) {
	w := rekeytest.New(t)
	k := w.Issue(w.Account("Recorder", w.Company).ID, "k").View.Key
	w.Policy(rekeytest.At(w.Below), policy.Text{MaxLifetime: rekeytest.To("P90D")})
	name := "renamed"
	w.Store.Hook = func(_ int, method string) {
		if method == "Commit" {
			w.Store.Hook = nil
			_, err := w.Keys.Patch(w.Ctx, w.As(w.Owner), k.ID, apikey.Patch{Name: &name})
			require.NoError(t, err)
		}
	}
	run(t, w)
	got := w.Key(k.ID)
	require.Equal(t, name, got.Name)
	require.Equal(t, k.CreatedAt.Add(90*day), got.ExpiresAt)
}

func TestPolicy_OneKeyThatCannotBeReadStopsNoOther_P3(t *testing.T) {
	w := rekeytest.New(t)
	a := w.Account("Recorder", w.Company)
	bad, good := w.Issue(a.ID, "a bad one").View.Key, w.Issue(a.ID, "good").View.Key
	p := w.Policy(rekeytest.At(w.Below), policy.Text{MaxLifetime: rekeytest.To("P90D")})
	s := sweeper(w)
	s.Keys = poisoned{w.Keys, bad.ID}
	r, err := s.Sweep(w.Ctx, "run")
	require.NoError(t, err)
	require.Equal(t, 1, r.Failed)
	require.Equal(t, good.CreatedAt.Add(90*day), w.Key(good.ID).ExpiresAt)
	wentBy(w, p)
}
