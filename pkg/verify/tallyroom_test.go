package verify

import (
	"strconv"
	"testing"
	"time"

	"github.com/stretchr/testify/require"

	"github.com/rekey-dev/rekey/pkg/usage"
)

func TestTally_RemembersABoundedNumberOfRows_B4(t *testing.T) {
	var tl tally
	now := time.Date(2031, 3, 4, 5, 0, 10, 0, time.UTC)
	fill := func(keys int) {
		for k := range keys {
			for s := range usage.RowsAnHour + 50 {
				tl.count(sender{key: strconv.Itoa(k), address: strconv.Itoa(s), route: "/x", verdict: usage.Accepted}, "agent", now)
				require.LessOrEqual(t, len(tl.rows), maxRows)
				require.LessOrEqual(t, len(tl.keys), len(tl.rows))
			}
		}
	}
	fill(2 * maxRows / usage.RowsAnHour)
	now = now.Add(time.Hour)
	tl.count(sender{key: "0", address: "a", route: "/x"}, "agent", now)
	held := len(tl.rows)
	fill((maxRows - held) / usage.RowsAnHour)
	require.Greater(t, len(tl.rows), held, "what is of an hour that has ended makes room first")

	first := sender{key: "live", address: "a", route: "/x"}
	require.True(t, tl.count(first, "agent", now))
	require.Len(t, tl.take("live", now), 1)
	now = now.Add(time.Minute)
	require.False(t, tl.count(first, "agent", now))
	require.Len(t, tl.take("live", now), 1)
	require.Empty(t, tl.take("live", now))
	require.Empty(t, tl.take("nobody", now))
}
