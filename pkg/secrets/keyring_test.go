package secrets

import (
	"context"
	"errors"
	"fmt"
	"strings"
	"sync"
	"testing"
	"testing/synctest"
	"time"

	"github.com/stretchr/testify/require"

	"github.com/rekey-dev/rekey/pkg/fault"
)

// pepper makes a key of 43 characters that is told apart by its first one.
func pepper(c string) string { return strings.Repeat(c, 43) }

// source is a secret whose reader counts and can be made to fail.
type source struct {
	mu    sync.Mutex
	text  string
	err   error
	reads int
	gate  chan struct{}
}

func (s *source) read(ctx context.Context) (string, error) {
	s.mu.Lock()
	s.reads++
	gate := s.gate
	s.mu.Unlock()
	if gate != nil {
		select {
		case <-gate:
		case <-ctx.Done():
			return "", ctx.Err()
		}
	}
	s.mu.Lock()
	defer s.mu.Unlock()
	return s.text, s.err
}

func (s *source) set(text string, err error) {
	s.mu.Lock()
	defer s.mu.Unlock()
	s.text, s.err = text, err
}

func (s *source) count() int {
	s.mu.Lock()
	defer s.mu.Unlock()
	return s.reads
}

type clock struct {
	mu sync.Mutex
	t  time.Time
}

func (c *clock) now() time.Time {
	c.mu.Lock()
	defer c.mu.Unlock()
	return c.t
}

func (c *clock) pass(d time.Duration) {
	c.mu.Lock()
	defer c.mu.Unlock()
	c.t = c.t.Add(d)
}

func newRing() (*Keyring, *source, *clock) {
	s := &source{text: fmt.Sprintf(`{"current":"v1","v1":%q}`, pepper("a"))}
	c := &clock{t: time.Date(2026, 11, 21, 9, 0, 0, 0, time.UTC)}
	k := NewKeyring("peppers", s.read, c.now)
	k.early = func(time.Duration) time.Duration { return 0 }
	return k, s, c
}

var twoVersions = fmt.Sprintf(`{"current":"v2","v1":%q,"v2":%q}`, pepper("a"), pepper("b"))

func TestKeyring_ReadsOnceWithinTheRefreshInterval(t *testing.T) {
	k, s, c := newRing()
	require.NoError(t, k.Warm(t.Context()))
	for range 100 {
		version, key, err := k.Current(t.Context())
		require.NoError(t, err)
		require.Equal(t, "v1", version)
		require.Equal(t, pepper("a"), string(key))
	}
	c.pass(RefreshAfter - time.Second)
	_, _, err := k.Current(t.Context())
	require.NoError(t, err)
	require.Equal(t, 1, s.count())

	s.set(twoVersions, nil)
	c.pass(time.Second)
	version, key, err := k.Current(t.Context())
	require.NoError(t, err)
	require.Equal(t, "v2", version)
	require.Equal(t, pepper("b"), string(key))
	require.Equal(t, 2, s.count())
}

func TestKeyring_JitterOnlyShortensTheInterval(t *testing.T) {
	k, s, c := newRing()
	k.early = func(limit time.Duration) time.Duration {
		require.Equal(t, RefreshAfter/5, limit)
		return limit - 1
	}
	require.NoError(t, k.Warm(t.Context()))
	c.pass(RefreshAfter - RefreshAfter/5 + 1)
	_, err := k.All(t.Context())
	require.NoError(t, err)
	require.Equal(t, 2, s.count())
}

func TestKeyring_UnknownVersionIsLookedForAtOnceAndThenRarely(t *testing.T) {
	k, s, c := newRing()
	require.NoError(t, k.Warm(t.Context()))
	s.set(twoVersions, nil)
	key, ok, err := k.Key(t.Context(), "v2")
	require.NoError(t, err)
	require.True(t, ok)
	require.Equal(t, pepper("b"), string(key))
	require.Equal(t, 2, s.count())

	for range 50 {
		_, ok, err = k.Key(t.Context(), "v9")
		require.NoError(t, err)
		require.False(t, ok)
	}
	require.Equal(t, 2, s.count(), "the reading a moment ago answers for v9 too")
	c.pass(retryAfter)
	_, ok, err = k.Key(t.Context(), "v9")
	require.NoError(t, err)
	require.False(t, ok)
	require.Equal(t, 3, s.count())
}

func TestKeyring_UnknownVersionWhileTheSecretCannotBeReadIsUnavailableNotAbsent(t *testing.T) {
	k, s, _ := newRing()
	require.NoError(t, k.Warm(t.Context()))
	s.set("", errors.New("down"))
	for range 3 {
		_, _, err := k.Key(t.Context(), "v2")
		require.Equal(t, fault.Unavailable, fault.KindOf(err))
	}
	require.Equal(t, 2, s.count())
	_, ok, err := k.Key(t.Context(), "v1")
	require.NoError(t, err)
	require.True(t, ok)
}

func TestKeyring_KeepsTheLastGoodSetForAnHour(t *testing.T) {
	for name, bad := range map[string]struct {
		text string
		err  error
	}{"no answer": {"", errors.New("down")}, "a malformed secret": {`{"current":"v1","v1":"short"}`, nil}} {
		t.Run(name, func(t *testing.T) {
			k, s, c := newRing()
			require.NoError(t, k.Warm(t.Context()))
			s.set(bad.text, bad.err)
			for range 59 {
				c.pass(time.Minute)
				_, _, err := k.Current(t.Context())
				require.NoError(t, err)
			}
			c.pass(time.Minute - time.Second)
			before := s.count()
			_, _, err := k.Current(t.Context())
			require.NoError(t, err)
			require.Equal(t, before+1, s.count())
			_, _, err = k.Current(t.Context())
			require.NoError(t, err)
			require.Equal(t, before+1, s.count(), "a failed reading is not repeated at once while there is a set")

			c.pass(time.Second)
			_, _, err = k.Current(t.Context())
			require.Equal(t, fault.Unavailable, fault.KindOf(err), "an hour is over")

			s.set(twoVersions, nil)
			version, _, err := k.Current(t.Context())
			require.NoError(t, err)
			require.Equal(t, "v2", version)
		})
	}
}

func TestKeyring_ColdWithoutSecretsManagerIsUnavailableAndRecovers(t *testing.T) {
	k, s, _ := newRing()
	good := s.text
	s.set("", errors.New("down"))
	require.Equal(t, fault.Unavailable, fault.KindOf(k.Warm(t.Context())))
	_, _, err := k.Current(t.Context())
	require.Equal(t, fault.Unavailable, fault.KindOf(err))
	_, err = k.All(t.Context())
	require.Equal(t, fault.Unavailable, fault.KindOf(err))
	_, _, err = k.Key(t.Context(), "v1")
	require.Equal(t, fault.Unavailable, fault.KindOf(err))
	s.set(good, nil)
	_, _, err = k.Current(t.Context())
	require.NoError(t, err)
}

func TestKeyring_ParallelUsesShareOneReading(t *testing.T) {
	synctest.Test(t, func(t *testing.T) {
		k, s, _ := newRing()
		s.gate = make(chan struct{})
		var wg sync.WaitGroup
		for range 64 {
			wg.Go(func() {
				_, _, err := k.Current(t.Context())
				require.NoError(t, err)
			})
		}
		synctest.Wait()
		close(s.gate)
		wg.Wait()
		require.Equal(t, 1, s.count())
	})
}

func TestKeyring_AReaderThatGivesUpDoesNotFailTheOthers(t *testing.T) {
	synctest.Test(t, func(t *testing.T) {
		k, s, _ := newRing()
		s.gate = make(chan struct{})
		first, cancel := context.WithCancel(t.Context())
		var wg sync.WaitGroup
		wg.Go(func() {
			_, _, err := k.Current(first)
			require.Equal(t, fault.Unavailable, fault.KindOf(err))
		})
		synctest.Wait()
		wg.Go(func() {
			_, _, err := k.Current(t.Context())
			require.NoError(t, err)
		})
		synctest.Wait()
		cancel()
		synctest.Wait()
		close(s.gate)
		wg.Wait()
		require.Equal(t, 2, s.count())
	})
}

func TestKeyring_AReadingIsBounded(t *testing.T) {
	synctest.Test(t, func(t *testing.T) {
		k, s, _ := newRing()
		s.gate = make(chan struct{})
		begun := time.Now()
		require.Equal(t, fault.Unavailable, fault.KindOf(k.Warm(t.Context())))
		require.Equal(t, ReadTimeout, time.Since(begun))
	})
}

func TestKeyring_AUseAllocatesNothing(t *testing.T) {
	k, _, _ := newRing()
	require.NoError(t, k.Warm(t.Context()))
	ctx := t.Context()
	require.Zero(t, testing.AllocsPerRun(100, func() {
		_, _, _ = k.Key(ctx, "v1")
		_, _, _ = k.Current(ctx)
	}))
}
