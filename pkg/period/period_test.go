package period_test

import (
	"testing"
	"time"

	"github.com/stretchr/testify/require"

	"github.com/rekey-dev/rekey/pkg/period"
)

func TestFormat_WritesISO8601(t *testing.T) {
	for d, want := range map[time.Duration]string{
		0: "PT0S", time.Second: "PT1S", 90 * time.Second: "PT1M30S", 15 * time.Minute: "PT15M", time.Hour: "PT1H",
		90 * time.Minute: "PT1H30M", 24 * time.Hour: "P1D", 7 * 24 * time.Hour: "P7D", 30 * 24 * time.Hour: "P30D",
		25 * time.Hour: "P1DT1H", 24*time.Hour + time.Second: "P1DT1S", 365 * 24 * time.Hour: "P365D", 1500 * time.Millisecond: "PT1S",
	} {
		require.Equal(t, want, period.Format(d))
	}
}

func TestParse_ReadsWhatTheGrammarHas(t *testing.T) {
	for text, want := range map[string]time.Duration{
		"PT0S": 0, "P0D": 0, "PT1M": time.Minute, "PT15M": 15 * time.Minute, "PT1H30M": 90 * time.Minute, "PT90M": 90 * time.Minute,
		"P7D": 7 * 24 * time.Hour, "P1W": 7 * 24 * time.Hour, "P1DT1H": 25 * time.Hour, "P1DT1S": 24*time.Hour + time.Second,
		"PT1H1S": time.Hour + time.Second, "P3650D": 3650 * 24 * time.Hour, "PT99999S": 99999 * time.Second, "P007D": 7 * 24 * time.Hour,
		"P9999W": 9999 * 7 * 24 * time.Hour,
	} {
		got, ok := period.Parse(text)
		require.True(t, ok, text)
		require.Equal(t, want, got, text)
	}
}

func TestParse_RefusesEverythingElse(t *testing.T) {
	for _, text := range []string{"", "P", "PT", "P1", "1D", "p7d", "P7d", "P-7D", "-P7D", "+P7D", "P7D ", " P7D", "P1Y", "P1M", "P1Y2M", "P1.5D",
		"P1,5D", "PT1S1H", "PT1M1H", "PTM", "PD", "P7DT", "P1D1D", "P1W1D", "P10000W", "P123456D", "PT1H1H", "P7D7", "7", "P\u0667D"} {
		_, ok := period.Parse(text)
		require.False(t, ok, text)
	}
}

func FuzzParse_ReadsWhatFormatWrites(f *testing.F) {
	for _, text := range []string{"P7D", "PT15M", "P1DT1H1M1S", "P9999W", "P99999DT99999H99999M99999S", "PT", "P1M"} {
		f.Add(text)
	}
	f.Fuzz(func(t *testing.T, text string) {
		d, ok := period.Parse(text)
		if !ok {
			return
		}
		require.GreaterOrEqual(t, d, time.Duration(0), text)
		if d < 99999*24*time.Hour { // Format writes more days than Parse reads
			again, ok := period.Parse(period.Format(d))
			require.True(t, ok, text)
			require.Equal(t, d, again, text)
		}
	})
}
