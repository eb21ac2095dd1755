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
