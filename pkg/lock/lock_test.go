package lock_test

import (
	"testing"
	"time"

	"github.com/stretchr/testify/require"

	"github.com/rekey-dev/rekey/pkg/lock"
)

var now = time.Date(2031, time.March, 4, 5, 6, 7, 0, time.UTC)

func TestLocked_FromTheThresholdUntilTheLockEnds_I2(t *testing.T) {
	for _, c := range []struct {
		failures, threshold int
		ends                time.Time
		want                bool
	}{
		{9, 10, now.Add(time.Hour), false},
		{10, 10, now.Add(time.Hour), true},
		{11, 10, now.Add(time.Hour), true},
		{10, 10, now.Add(time.Nanosecond), true},
		{10, 10, now, false},
		{10, 10, now.Add(-time.Hour), false},
		{10, 10, time.Time{}, false},
		{0, 0, now.Add(time.Hour), false},
		{1, 0, now.Add(time.Hour), false},
	} {
		got := lock.Counter{Failures: c.failures, Threshold: c.threshold, LockEndsAt: c.ends}.Locked(now)
		require.Equal(t, c.want, got, "%+v", c)
	}
	require.False(t, lock.Counter{}.Locked(now))
}

func TestLive_UntilTheWindowEndsOrTheThresholdIsReached_I2(t *testing.T) {
	open := now.Add(time.Minute)
	require.True(t, lock.Counter{Failures: 9, Threshold: 10, WindowEndsAt: open}.Live(now))
	require.False(t, lock.Counter{Failures: 10, Threshold: 10, WindowEndsAt: open}.Live(now))
	require.False(t, lock.Counter{Failures: 1, Threshold: 10, WindowEndsAt: now}.Live(now))
	require.True(t, lock.Counter{Failures: 1, Threshold: 10, WindowEndsAt: now.Add(1)}.Live(now))
	require.False(t, lock.Counter{}.Live(now), "the first failure begins a window")
}

func TestTrusted_ForThirtyDays_B2(t *testing.T) {
	require.False(t, lock.Source{}.Trusted(now))
	require.True(t, lock.Source{AuthenticatedAt: now}.Trusted(now))
	require.True(t, lock.Source{AuthenticatedAt: now.Add(-30*24*time.Hour + time.Second)}.Trusted(now))
	require.False(t, lock.Source{AuthenticatedAt: now.Add(-30 * 24 * time.Hour)}.Trusted(now))
}

func TestRefuses_StrangersAlwaysAndTrustedOnesByTheirOwnCount_B2(t *testing.T) {
	full := lock.Counter{Epoch: 3, Failures: 10, Threshold: 10, LockEndsAt: now.Add(time.Minute)}
	trusted := now.Add(-time.Hour)
	for what, c := range map[string]struct {
		source lock.Source
		want   bool
	}{
		"unknown":                            {lock.Source{}, true},
		"unknown with failures":              {lock.Source{Counter: full}, true},
		"long ago":                           {lock.Source{AuthenticatedAt: now.Add(-lock.TrustedFor)}, true},
		"trusted":                            {lock.Source{AuthenticatedAt: trusted}, false},
		"trusted, some failures":             {lock.Source{AuthenticatedAt: trusted, Counter: lock.Counter{Epoch: 3, Failures: 9, Threshold: 10, LockEndsAt: now.Add(time.Minute)}}, false},
		"trusted, its own threshold reached": {lock.Source{AuthenticatedAt: trusted, Counter: full}, true},
		"trusted, its own lock ended":        {lock.Source{AuthenticatedAt: trusted, Counter: lock.Counter{Epoch: 3, Failures: 10, Threshold: 10, LockEndsAt: now}}, false},
		"trusted, failures of an older epoch": {lock.Source{AuthenticatedAt: trusted,
			Counter: lock.Counter{Epoch: 2, Failures: 10, Threshold: 10, LockEndsAt: now.Add(time.Minute)}}, false},
	} {
		require.Equal(t, c.want, lock.Policy{}.Refuses(c.source, 3, now), what)
		require.True(t, lock.Policy{Strict: true}.Refuses(c.source, 3, now), "%s, and the policy is strict", what)
	}
}

func TestPolicy_OnlyWhatIsNotTheDefaultIsKept_I2(t *testing.T) {
	require.Zero(t, lock.Default.Own())
	require.Equal(t, lock.Default, lock.Policy{}.Or(lock.Default))
	own := lock.Default
	own.Strict = true
	require.Equal(t, own, own.Own())
	require.Equal(t, own, own.Own().Or(lock.Default))
	require.Equal(t, map[string]any{"threshold": 10, "window": "PT15M", "duration": "PT30M", "strict": true}, own.Details())
}

func TestAddress_CountsANetworkOfIPv6AsOneSource_B2(t *testing.T) {
	for in, want := range map[string]string{
		"192.0.2.7":                     "192.0.2.7",
		"::ffff:192.0.2.7":              "192.0.2.7",
		"2001:db8:1:2:3:4:5:6":          "2001:db8:1:2::/64",
		"2001:DB8:1:2::":                "2001:db8:1:2::/64",
		"2001:db8:1:2:ffff:ffff::1":     "2001:db8:1:2::/64",
		"2001:db8:1:3::1":               "2001:db8:1:3::/64",
		"fe80::1%eth0":                  "fe80::/64",
		"::1":                           "::/64",
		"0.0.0.0":                       "0.0.0.0",
		"":                              "unknown",
		"192.0.2.7:443":                 "unknown",
		"192.0.2":                       "unknown",
		"192.0.2.007":                   "unknown",
		" 192.0.2.7":                    "unknown",
		"[2001:db8::1]":                 "unknown",
		"2001:db8::/32":                 "unknown",
		"example.com":                   "unknown",
		"192.0.2.7, 198.51.100.1":       "unknown",
		"test-invoke-source-ip":         "unknown",
		"unknown":                       "unknown",
		"192.0.2.7\x00":                 "unknown",
		"1.2.3.4#sk":                    "unknown",
		"99999999999999999999999999999": "unknown",
	} {
		require.Equal(t, want, lock.Address(in), "%q", in)
	}
}

func TestDefault_IsWithinTheRanges_I2(t *testing.T) {
	require.Equal(t, lock.Policy{Threshold: 10, Window: 15 * time.Minute, Duration: 30 * time.Minute}, lock.Default)
}
