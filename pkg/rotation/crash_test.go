package rotation_test

import (
	"context"
	"errors"
	"fmt"
	"slices"
	"strings"
	"testing"
	"time"

	"github.com/stretchr/testify/require"

	"github.com/rekey-dev/rekey/pkg/audit"
	"github.com/rekey-dev/rekey/pkg/call"
	"github.com/rekey-dev/rekey/pkg/fault"
	"github.com/rekey-dev/rekey/pkg/policy"
	"github.com/rekey-dev/rekey/pkg/rekeytest"
	"github.com/rekey-dev/rekey/pkg/rotation"
	"github.com/rekey-dev/rekey/pkg/secrets/secretstest"
	"github.com/rekey-dev/rekey/pkg/token"
	"github.com/rekey-dev/rekey/pkg/verify"
)

// path is one way through a rotation.
type path struct {
	name    string
	prepare func(s *crashing)
	// run is the process that dies: a caller's request, or a run of the sweeper when it is nil.
	run func(s *crashing, c call.Call) (any, token.Secret, error)
}

// crashing is a consumer's world in which a process dies at a call.
type crashing struct {
	*consumers
	known []token.Secret // that somebody was shown
	begun rotation.Shown
}

func shows(out rotation.Shown, err error) (any, token.Secret, error) { return out, out.Secret, err }

func rotates(in rotation.Start) func(s *crashing, c call.Call) (any, token.Secret, error) {
	return func(s *crashing, c call.Call) (any, token.Secret, error) {
		return shows(s.Rotations.Rotate(s.Ctx, c, s.old.View.Key.ID, in))
	}
}

// overlaps begins an overlap, of which the new key is used.
func overlaps(s *crashing) {
	s.begun = rotate(s.t, s.World, s.old.View.Key.ID, rotation.Start{Mode: rotation.Overlap})
	s.known = append(s.known, s.begun.Secret)
}

func manages(act func(s *crashing, c call.Call) (rotation.View, error)) func(s *crashing, c call.Call) (any, token.Secret, error) {
	return func(s *crashing, c call.Call) (any, token.Secret, error) {
		v, err := act(s, c)
		return v, token.Secret{}, err
	}
}

func under(text policy.Text) func(s *crashing) {
	return func(s *crashing) { s.Policy(rekeytest.On(s.old.View.Account), text) }
}

var paths = []path{
	{name: "overlap", run: rotates(rotation.Start{Mode: rotation.Overlap})},
	{name: "immediate", run: rotates(rotation.Start{Mode: rotation.Immediate})},
	{name: "emergency", run: rotates(rotation.Start{Mode: rotation.Emergency})},
	{name: "by the key itself", run: func(s *crashing, c call.Call) (any, token.Secret, error) {
		return shows(s.Rotations.RotateOwn(s.Ctx, c))
	}},
	{name: "overlap, delivered", run: rotates(rotation.Start{Mode: rotation.Overlap, Deliver: recorder})},
	{name: "immediate, delivered", run: rotates(rotation.Start{Mode: rotation.Immediate, Deliver: recorder})},
	{name: "emergency, delivered", run: rotates(rotation.Start{Mode: rotation.Emergency, Deliver: recorder})},
	{name: "a forced second one", prepare: overlaps, run: rotates(rotation.Start{Mode: rotation.Overlap, Force: true})},
	{name: "a forced second one, delivered", prepare: overlaps, run: rotates(rotation.Start{Mode: rotation.Overlap, Force: true, Deliver: recorder})},
	{name: "a forced one of the new key", prepare: overlaps, run: func(s *crashing, c call.Call) (any, token.Secret, error) {
		return shows(s.Rotations.Rotate(s.Ctx, c, s.begun.View.New.Key.ID, rotation.Start{Mode: rotation.Overlap, Force: true}))
	}},
	{name: "complete", prepare: overlaps, run: manages(func(s *crashing, c call.Call) (rotation.View, error) {
		return s.Rotations.Complete(s.Ctx, c, s.begun.View.Rotation.ID)
	})},
	{name: "cancel", prepare: overlaps, run: manages(func(s *crashing, c call.Call) (rotation.View, error) {
		return s.Rotations.Cancel(s.Ctx, c, s.begun.View.Rotation.ID, false)
	})},
	{name: "extend", prepare: overlaps, run: manages(func(s *crashing, c call.Call) (rotation.View, error) {
		return s.Rotations.Extend(s.Ctx, c, s.begun.View.Rotation.ID, s.begun.View.Rotation.OverlapEndsAt.Add(day))
	})},
	{name: "sweep: by the calendar", prepare: func(s *crashing) { s.scheduled(); s.Advance(20 * day) }},
	{name: "sweep: a delivery goes on", prepare: func(s *crashing) {
		s.failing("UpdateSecretVersionStage", secretstest.Failure{Drop: true})
		out, err := s.start(rotation.Overlap)
		require.NoError(s.t, err)
		require.True(s.t, out.View.Rotation.Awaits())
		s.Advance(6 * time.Minute)
	}},
	{name: "sweep: seen", prepare: func(s *crashing) { overlaps(s); s.Allowed(s.begun.Secret, rekeytest.Home) }},
	{name: "sweep: seen, quiet and retired", prepare: func(s *crashing) {
		under(policy.Text{RetireOnQuiet: rekeytest.To(true)})(s)
		overlaps(s)
		s.Allowed(s.begun.Secret, rekeytest.Home)
		s.Advance(2 * day)
	}},
	{name: "sweep: extended", prepare: func(s *crashing) {
		under(policy.Text{ExtendOnce: rekeytest.To("P1D")})(s)
		overlaps(s)
		s.Clock.Set(s.begun.View.Rotation.OverlapEndsAt.Add(-4*time.Minute - 30*time.Second))
		s.Allowed(s.old.Secret, rekeytest.Home)
	}},
	{name: "sweep: the overlap has run out", prepare: func(s *crashing) {
		overlaps(s)
		s.Allowed(s.begun.Secret, rekeytest.Home)
		s.Clock.Set(s.begun.View.Rotation.OverlapEndsAt)
	}},
	{name: "sweep: the new key was revoked", prepare: func(s *crashing) {
		overlaps(s)
		_, err := s.Keys.Revoke(s.Ctx, s.As(s.Owner), s.begun.View.New.Key.ID, "", "")
		require.NoError(s.t, err)
	}},
	{name: "sweep: the old key was revoked", prepare: func(s *crashing) {
		overlaps(s)
		_, err := s.Keys.Revoke(s.Ctx, s.As(s.Owner), s.old.View.Key.ID, "", "")
		require.NoError(s.t, err)
	}},
	{name: "sweep: a policy's task", prepare: func(s *crashing) {
		s.known = append(s.known, s.Issue(s.old.View.Account.ID, "another").Secret)
		under(policy.Text{MaxLifetime: rekeytest.To("P20D")})(s)
	}},
	{name: "sweep: a notice and an end", prepare: func(s *crashing) {
		s.IssueFor(s.old.View.Account.ID, "ended", day)
		s.known = append(s.known, s.IssueFor(s.old.View.Account.ID, "ends", 15*day).Secret)
		s.Advance(2 * day)
	}},
}

func (p path) begin(t *testing.T) *crashing {
	s := &crashing{consumers: newConsumers(t)}
	s.known = []token.Secret{s.old.Secret}
	if p.prepare != nil {
		p.prepare(s)
	}
	s.service.Fail = nil
	s.service.Calls = nil
	s.Store.Reset()
	return s
}

// live runs the process until it dies before its n-th call to the store or to Secrets Manager; 0 for not at all. It returns how
// many calls there were. What is done of a call that is under way is what it had done when the process died: nothing, or, before
// the next call, all of it.
func (p path) live(s *crashing, c call.Call, n int) (calls int, died bool) {
	whole := s.Ctx
	ctx, kill := context.WithCancel(whole)
	defer kill()
	next := func() bool {
		calls++
		if calls == n {
			died = true
			kill()
		}
		return died
	}
	s.Store.Hook = func(int, string) { next() }
	s.service.Fail = func(int, secretstest.Call) *secretstest.Failure {
		if next() {
			return &secretstest.Failure{Drop: true}
		}
		return nil
	}
	s.Ctx = ctx
	defer func() { s.Ctx, s.Store.Hook, s.service.Fail = whole, nil, nil }()
	if p.run == nil {
		s.dying()
		return calls, died
	}
	out, err := s.Post(c, "/the/path", "the key", "the payload", func(c call.Call) (any, token.Secret, error) { return p.run(s, c) })
	if err == nil && !out.Secret.IsZero() && !died {
		s.known = append(s.known, out.Secret)
	}
	require.True(s.t, err == nil || died && fault.Is(err, fault.Unavailable) || errors.Is(err, context.Canceled), "%v", err)
	return calls, died
}

func (p path) caller(s *crashing) call.Call {
	if p.name == "by the key itself" {
		return s.With(s.old.Secret)
	}
	return s.As(s.Owner)
}

// goOn is what happens then: a caller that heard nothing asks again, everybody uses the keys that they know, and a fresh sweeper
// runs for twelve days.
func (p path) goOn(s *crashing, c call.Call, died bool) {
	if died && p.run != nil {
		_, again := p.live(s, c, 0)
		require.False(s.t, again)
	}
	for step := range 4 * 12 {
		s.sweepOnce()
		for _, secret := range append(slices.Clone(s.known), s.reads()) {
			if step > 0 && step < 6 {
				s.Request(secret, rekeytest.Home)
			}
		}
		s.sweepOnce()
		s.Advance(6 * time.Hour)
	}
}

// verdict is what there is in the end: the records by kind, the rotations by their ends, the keys.
func (s *crashing) verdict(what string) []string {
	var out []string
	for _, e := range s.Mem.Events() {
		if e.Action != audit.SecretRepeated {
			out = append(out, fmt.Sprint("record ", e.Action, " ", e.Details["change"], e.Details["state"], e.Details["notice"], e.Details["reason"]))
		}
	}
	page, err := s.Mem.Rotations(s.Ctx, rotation.Query{Place: s.Root.ID(), Limit: 100})
	require.NoError(s.t, err)
	for _, r := range page.Rotations {
		require.True(s.t, r.State.Final(), "%s: %s is stuck in %s", what, r.ID, r.State)
		out = append(out, fmt.Sprint("rotation ", r.Mode, " ", r.State))
	}
	ids, _, err := s.Mem.AccountKeys(s.Ctx, s.old.View.Account.ID, "", 100)
	require.NoError(s.t, err)
	live := 0
	for _, k := range ids {
		v, err := s.Keys.Load(s.Ctx, k)
		require.NoError(s.t, err)
		out = append(out, fmt.Sprint("key ", v.State.Status, " due ", !v.Key.DueAt.IsZero(), " ends ", !v.Key.ExpiresAt.IsZero()))
		if !v.State.Live() {
			continue
		}
		live++
		held := slices.ContainsFunc(append(slices.Clone(s.known), s.reads()), func(secret token.Secret) bool {
			return strings.HasPrefix(secret.Reveal(), "rka_"+string(k)[4:]) && s.Verify(secret, rekeytest.Home).Class == verify.Allow
		})
		require.True(s.t, held, "%s: nobody holds %s", what, k)
	}
	require.Equal(s.t, live, s.ReadAccount(s.old.View.Account.ID).KeyCount, what)
	slices.Sort(out)
	return out
}

// A process dies after every single call to the store and to Secrets Manager, on every way through a rotation. A caller that
// heard nothing asks again, a fresh sweeper runs on: in the end everything is as if nothing had died, and somebody holds each
// key that lives.
func TestCrash_AfterAnyCallOfAnyPathNothingIsLostDoubledOrStuck_B5_B6_P3(t *testing.T) {
	cases := 0
	for _, p := range paths {
		clean := p.begin(t)
		c := p.caller(clean)
		calls, _ := p.live(clean, c, 0)
		p.goOn(clean, c, false)
		want := clean.verdict(p.name)
		require.Greater(t, calls, 3, p.name)
		for n := 1; n <= calls+1; n++ {
			s := p.begin(t)
			c := p.caller(s)
			_, died := p.live(s, c, n)
			require.Equal(t, n <= calls, died, "%s, call %d", p.name, n)
			p.goOn(s, c, died)
			what := fmt.Sprintf("%s, dead before call %d of %d", p.name, n, calls)
			require.Equal(t, want, s.verdict(what), what)
			cases++
		}
		t.Logf("%s: %d calls", p.name, calls)
	}
	t.Logf("%d cases", cases)
	require.Greater(t, cases, 300)
}
