package main

import (
	"context"
	"testing"
	"time"

	"github.com/stretchr/testify/require"

	"github.com/rekey-dev/rekey/pkg/apikey"
	"github.com/rekey-dev/rekey/pkg/dynamo"
	"github.com/rekey-dev/rekey/pkg/fault"
	"github.com/rekey-dev/rekey/pkg/id"
	"github.com/rekey-dev/rekey/pkg/rekeytest"
	"github.com/rekey-dev/rekey/pkg/secrets"
	"github.com/rekey-dev/rekey/pkg/verify"
)

// live is a world whose functions read their peppers from the secret that the tool changes.
type live struct {
	*rekeytest.World
	tool  *stand
	other *verify.Verifier // of an environment that reads the secret at other times than the world's own
	keys  []id.Key         // that count knows of
}

func newLive(t *testing.T) *live {
	l := &live{World: rekeytest.New(t), tool: newStand()}
	version, key, err := l.Peppers.Current(t.Context())
	require.NoError(t, err)
	set := &secrets.Set{Current: version, Keys: map[string][]byte{version: key}}
	l.tool.now = l.Now
	l.tool.vault.now = l.Now
	l.tool.vault.value = secrets.Value{Text: set.Text(), Version: "one", CreatedAt: l.Now()}
	l.tool.count = l.count
	ring := l.ring()
	l.Mint.Peppers, l.Verifier.Peppers = ring, ring
	l.other = l.Environment(l.Store)
	l.other.Peppers = l.ring()
	return l
}

func (l *live) ring() *secrets.Keyring {
	return secrets.NewKeyring("peppers", func(ctx context.Context) (string, error) {
		v, err := l.tool.vault.Get(ctx, "Peppers")
		return v.Text, err
	}, l.Now)
}

// count counts what the test has issued, as the pass over the table does.
func (l *live) count(context.Context) (dynamo.PepperUse, error) {
	use := dynamo.PepperUse{Items: len(l.keys), Versions: map[string]dynamo.DigestCount{}}
	for _, k := range l.keys {
		c := use.Versions[l.Key(k).PepperVersion]
		c.Keys++
		use.Versions[l.Key(k).PepperVersion] = c
	}
	return use, nil
}

func (l *live) issue(account, name string) apikey.Shown {
	k := l.Issue(l.Account(account, l.Below).ID, name)
	l.keys = append(l.keys, k.View.Key.ID)
	return k
}

// everywhere checks that both environments judge a secret alike.
func (l *live) everywhere(shown apikey.Shown, class verify.Class) {
	l.T.Helper()
	for _, v := range []*verify.Verifier{l.Verifier, l.other} {
		out, err := v.Verify(l.Ctx, verify.Presented{Secret: shown.Secret}, l.Origin(rekeytest.Home))
		require.NoError(l.T, err)
		require.Equal(l.T, class, out.Class)
	}
}

func TestRotation_EveryKeyWorksAtEveryStepAndUsedOnesMove(t *testing.T) {
	l := newLive(t)
	used, unused := l.issue("used", "production"), l.issue("unused", "spare")
	retired := l.issue("replaced", "old")
	replaced := l.Regenerate(retired.View.Key.ID)
	fine := func() {
		t.Helper()
		l.everywhere(used, verify.Allow)
		l.everywhere(unused, verify.Allow)
		l.everywhere(replaced, verify.Allow)
		l.everywhere(retired, verify.Unusable)
	}
	fine()
	require.NoError(t, l.tool.do("add"))
	fine()
	l.Advance(settleFor)
	fine()
	require.NoError(t, l.tool.do("use", "v2"))
	fine()
	l.Advance(secrets.RefreshAfter)
	l.Allowed(used.Secret, rekeytest.Home)
	require.Equal(t, "v2", l.Key(used.View.Key.ID).PepperVersion, "the first use of a minute moves the digest")
	require.Equal(t, "v1", l.Key(unused.View.Key.ID).PepperVersion)
	require.Equal(t, "v2", l.Key(l.issue("new", "new").View.Key.ID).PepperVersion)
	fine()

	l.Advance(settleFor)
	require.ErrorContains(t, l.tool.do("remove", "v1"), "2 digests")
	l.Allowed(unused.Secret, rekeytest.Home)
	l.Allowed(replaced.Secret, rekeytest.Home)
	fine()
	// The retired secret's digest is all that is left under v1; the real pass counts it.
	use, err := l.count(t.Context())
	require.NoError(t, err)
	require.Zero(t, use.Versions["v1"].Sum())
	require.Equal(t, 4, use.Versions["v2"].Keys)
}

func TestRotation_AfterTheOldVersionIsRemovedMovedKeysWork(t *testing.T) {
	l := newLive(t)
	key := l.issue("used", "production")
	for _, step := range [][]string{{"add"}, {"use", "v2"}} {
		require.NoError(t, l.tool.do(step...))
		l.Advance(settleFor)
	}
	l.Allowed(key.Secret, rekeytest.Home)
	require.NoError(t, l.tool.do("remove", "v1"))
	l.everywhere(key, verify.Allow)
	l.Advance(secrets.RefreshAfter)
	l.everywhere(key, verify.Allow)
	l.Refused(l.Wrong(key.Secret), rekeytest.Away, verify.Wrong, verify.StatusUnknown)
}

func TestRotation_AnEnvironmentThatDoesNotKnowAVersionYetLooksItUp(t *testing.T) {
	l := newLive(t)
	key := l.issue("used", "production")
	l.everywhere(key, verify.Allow)
	l.tool.force = true
	require.NoError(t, l.tool.do("add"))
	require.NoError(t, l.tool.do("use", "v2"))
	l.Advance(2 * time.Minute)
	l.Mint.Peppers = l.ring() // a new environment issues under v2
	fresh := l.issue("fresh", "fresh")
	require.Equal(t, "v2", l.Key(fresh.View.Key.ID).PepperVersion)
	l.everywhere(fresh, verify.Allow)
	l.everywhere(key, verify.Allow)
}

func TestRotation_AVersionThatIsTakenAwayTooEarlyIsUnavailableNotUnauthorized(t *testing.T) {
	l := newLive(t)
	key := l.issue("used", "production")
	l.tool.force = true
	require.NoError(t, l.tool.do("add"))
	require.NoError(t, l.tool.do("use", "v2"))
	saved := l.tool.vault.value
	set := l.tool.set(t)
	delete(set.Keys, "v1")
	l.tool.vault.value = secrets.Value{Text: set.Text(), Version: "by hand", CreatedAt: l.Now()}
	l.Advance(secrets.RefreshAfter)
	_, err := l.Verifier.Verify(l.Ctx, verify.Presented{Secret: key.Secret}, l.Origin(rekeytest.Home))
	require.Equal(t, fault.Unavailable, fault.KindOf(err))

	l.tool.vault.value = saved
	l.Advance(10 * time.Second)
	l.everywhere(key, verify.Allow)
}
