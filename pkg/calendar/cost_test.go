package calendar_test

import (
	"fmt"
	"testing"
	"time"

	"github.com/stretchr/testify/require"

	"github.com/rekey-dev/rekey/pkg/calendar"
)

// One calendar must not keep the sweeper from all other keys: a thousand daily rules take seconds, for each key anew.
func TestCheck_RulesThatTakeTooLongToFollowAreRefused_B9(t *testing.T) {
	of := func(n int, rule string) calendar.Calendar {
		c := calendar.Calendar{Name: "Freezes", Kind: calendar.Freeze, Zone: "UTC"}
		for i := range n {
			start := time.Date(1970, 1, 2, 0, 0, i%60, 0, time.UTC)
			c.Events = append(c.Events, calendar.Event{UID: fmt.Sprint(i), Start: start, End: start.Add(time.Second), Rule: rule})
		}
		return c
	}
	for _, c := range []struct {
		n    int
		rule string
		ok   bool
	}{
		{1000, "", true},
		{100, "FREQ=DAILY", true},
		{100, "FREQ=WEEKLY;BYDAY=FR", true},
		{1000, "FREQ=DAILY;COUNT=10", true},
		{1000, "FREQ=WEEKLY;UNTIL=19700301T000000Z", true},
		{20, "FREQ=YEARLY;BYMONTH=2;BYMONTHDAY=29;COUNT=3", true},
		{1000, "FREQ=DAILY", false},
		{10, "FREQ=DAILY;BYMONTH=2;BYMONTHDAY=29;COUNT=1000", false},
		{1, "FREQ=YEARLY;COUNT=1000;BYMONTH=6;BYMONTHDAY=31", true}, // it ends with the years that there are
		{2, "FREQ=YEARLY;COUNT=1000;BYMONTH=6;BYMONTHDAY=31", false},
	} {
		problems := of(c.n, c.rule).Check()
		require.Equal(t, c.ok, len(problems) == 0, "%d × %q: %v", c.n, c.rule, problems)
		if !c.ok {
			require.Equal(t, "events", problems[0].Field)
		}
	}
}
