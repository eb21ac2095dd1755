package main

import (
	"bytes"
	"context"
	"errors"
	"math/rand/v2"
	"strings"
	"testing"
	"time"

	"github.com/stretchr/testify/require"

	"github.com/rekey-dev/rekey/pkg/dynamo"
	"github.com/rekey-dev/rekey/pkg/secrets"
	"github.com/rekey-dev/rekey/pkg/secrets/vault"
)

// fakeVault is one secret whose versions keep the time at which they were put.
type fakeVault struct {
	now     func() time.Time
	value   secrets.Value
	changed bool // by somebody else, between a reading and the replacement
}

func (f *fakeVault) Get(context.Context, string) (secrets.Value, error) { return f.value, nil }

func (f *fakeVault) Replace(_ context.Context, _ string, old secrets.Value, text, version string) error {
	if f.changed || old.Version != f.value.Version {
		return vault.ErrChanged
	}
	if len(version) < 32 || len(version) > 64 {
		return errors.New("a version's ID has 32 to 64 characters")
	}
	f.value = secrets.Value{Text: text, Version: version, CreatedAt: f.now()}
	return nil
}

type stand struct {
	*rotation
	vault *fakeVault
	time  time.Time
	use   dynamo.PepperUse
	out   bytes.Buffer
}

var first = strings.Repeat("a", 43)

func newStand() *stand {
	s := &stand{time: time.Date(2026, 11, 21, 9, 0, 0, 0, time.UTC)}
	now := func() time.Time { return s.time }
	s.vault = &fakeVault{now: now, value: secrets.Value{Text: `{"current":"v1","v1":"` + first + `"}`, Version: "one", CreatedAt: s.time}}
	s.rotation = &rotation{vault: s.vault, secret: "Peppers", now: now, rand: rand.NewChaCha8([32]byte{1}), out: &s.out,
		count: func(context.Context) (dynamo.PepperUse, error) { return s.use, nil }}
	return s
}

func (s *stand) do(args ...string) error { return s.command(context.Background(), args) }

func (s *stand) set(t *testing.T) *secrets.Set {
	t.Helper()
	set, err := secrets.ParseSet(s.vault.value.Text)
	require.NoError(t, err)
	return set
}

func TestRotation_FromOnePepperToTheNextWhileKeysLive(t *testing.T) {
	s := newStand()
	require.NoError(t, s.do("add"))
	require.Equal(t, []string{"v1", "v2"}, s.set(t).Versions())
	require.Equal(t, "v1", s.set(t).Current, "the new one is not used yet")
	require.Equal(t, first, string(s.set(t).Keys["v1"]))
	require.Regexp(t, "^[0-9A-Za-z]{43}$", string(s.set(t).Keys["v2"]))

	require.ErrorContains(t, s.do("use", "v2"), "wait until 2026-11-21T09:06:00Z")
	s.time = s.time.Add(settleFor - time.Second)
	require.Error(t, s.do("use", "v2"))
	s.time = s.time.Add(time.Second)
	require.NoError(t, s.do("use", "v2"))
	require.Equal(t, "v2", s.set(t).Current)

	require.ErrorContains(t, s.do("remove", "v1"), "wait until", "functions may still make digests under v1")
	s.time = s.time.Add(settleFor)
	for _, left := range []dynamo.DigestCount{{Keys: 1}, {Tokens: 1}, {Retired: 1}} {
		s.use = dynamo.PepperUse{Items: 9, Versions: map[string]dynamo.DigestCount{"v1": left, "v2": {Keys: 5}}}
		require.ErrorContains(t, s.do("remove", "v1"), "1 digests are stored under v1")
	}
	s.use.Versions["v1"] = dynamo.DigestCount{}
	require.NoError(t, s.do("remove", "v1"))
	require.Equal(t, []string{"v2"}, s.set(t).Versions())
}

func TestRotation_ForceSkipsTheWaitAndNotTheCount(t *testing.T) {
	s := newStand()
	s.force = true
	require.NoError(t, s.do("add"))
	require.NoError(t, s.do("use", "v2"))
	s.use = dynamo.PepperUse{Versions: map[string]dynamo.DigestCount{"v1": {Keys: 1}}}
	require.Error(t, s.do("remove", "v1"))
	require.Equal(t, []string{"v1", "v2"}, s.set(t).Versions())
}

func TestRotation_RefusesWhatMakesNoSense(t *testing.T) {
	s := newStand()
	s.time = s.time.Add(time.Hour)
	before := s.vault.value
	require.ErrorContains(t, s.do("use", "v2"), "no version v2")
	require.ErrorContains(t, s.do("remove", "v2"), "no version v2")
	require.ErrorContains(t, s.do("remove", "v1"), "the current version")
	require.NoError(t, s.do("use", "v1"))
	for _, args := range [][]string{{}, {"use"}, {"remove"}, {"add", "v2"}, {"use", "v1", "v2"}, {"rotate"}, {"count", "v1"}, {"status", "x"}} {
		require.ErrorIs(t, s.do(args...), errUsage)
	}
	require.Equal(t, before, s.vault.value)
}

func TestRotation_TwoOperatorsAtOnceDoNotOverwriteEachOther(t *testing.T) {
	s := newStand()
	s.time = s.time.Add(time.Hour)
	s.vault.changed = true
	require.ErrorIs(t, s.do("add"), vault.ErrChanged)
	require.Equal(t, "one", s.vault.value.Version)
}

func TestRotation_AMalformedSecretIsLeftAlone(t *testing.T) {
	s := newStand()
	s.vault.value.Text = `{"current":"v1","v1":"` + first[:31] + `"}`
	for _, args := range [][]string{{"status"}, {"add"}, {"use", "v1"}, {"remove", "v1"}} {
		require.ErrorContains(t, s.do(args...), "fewer than 32 characters")
	}
}

func TestRotation_ACountThatFailsRemovesNothing(t *testing.T) {
	s := newStand()
	s.force = true
	require.NoError(t, s.do("add"))
	require.NoError(t, s.do("use", "v2"))
	s.count = func(context.Context) (dynamo.PepperUse, error) { return dynamo.PepperUse{}, errors.New("throttled") }
	require.ErrorContains(t, s.do("remove", "v1"), "throttled")
	require.ErrorContains(t, s.do("count"), "throttled")
	require.Equal(t, []string{"v1", "v2"}, s.set(t).Versions())
}

func TestRotation_PrintsNoPepper(t *testing.T) {
	s := newStand()
	s.force = true
	s.use = dynamo.PepperUse{Items: 3, Versions: map[string]dynamo.DigestCount{"v2": {Keys: 2, Tokens: 1}}}
	for _, args := range [][]string{{"status"}, {"add"}, {"use", "v2"}, {"status"}, {"count"}, {"remove", "v1"}, {"status"}} {
		require.NoError(t, s.do(args...))
	}
	for _, key := range []string{first, string(s.set(t).Keys["v2"])} {
		require.NotContains(t, s.out.String(), key[:8])
	}
	require.Contains(t, s.out.String(), "v1   sha256 ")
	require.Contains(t, s.out.String(), "v2   2 keys, 1 personal access tokens, 0 retired secrets")
	require.Contains(t, s.out.String(), "v2   sha256")
}
