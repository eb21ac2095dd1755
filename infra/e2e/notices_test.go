package e2e

import (
	"fmt"
	"os"
	"slices"
	"strings"
	"testing"
	"time"

	"github.com/stretchr/testify/require"

	"github.com/rekey-dev/rekey/infra/e2e/client"
	"github.com/rekey-dev/rekey/infra/e2e/stack"
)

// invoke runs what a schedule runs, without waiting for it.
func invoke(t testing.TB, logicalID, sample string) {
	t.Helper()
	event, err := os.ReadFile("../../events/" + sample)
	require.NoError(t, err)
	answer, err := world.Invoke(t.Context(), logicalID, event)
	require.NoError(t, err)
	require.NotContains(t, string(answer), "errorMessage")
}

// lettersTo returns what was sent to an address.
func lettersTo(t testing.TB, address string) []stack.Letter {
	t.Helper()
	all, err := world.Letters(t.Context())
	require.NoError(t, err)
	return slices.DeleteFunc(all, func(l stack.Letter) bool { return !slices.Contains(l.To, address) })
}

func TestNotices_TheContactsOfAnAccountAreWrittenToWhenItsKeyEnds_B3(t *testing.T) {
	t.Parallel()
	p := asOwner(t)
	blue := fmt.Sprintf("blue-%d@example.com", time.Now().UnixNano())
	ops := "Ops-" + blue
	account := p.account(client.Object{"contacts": []string{blue, ops}}).Text("id")
	k := p.issue(account, client.Object{"expires_at": inSeconds(24*3600 + 5)}) // a day before its end is 5 seconds from now
	consumer := holding(t, k.secret)
	consumer.get("/me").expect(200)
	eventually(t, soon, func() bool {
		invoke(t, "SweeperFunction", "sweeper-scheduled.json")
		return len(p.records(k.id, "key.expiring")) == 1
	}, "the end is announced")
	eventually(t, 5*time.Minute, func() bool {
		time.Sleep(2 * time.Second)
		invoke(t, "NotifierFunction", "notifier-scheduled.json")
		return len(lettersTo(t, blue)) > 0 && len(lettersTo(t, strings.ToLower(ops))) > 0
	}, "both contacts get a letter")
	for _, address := range []string{blue, strings.ToLower(ops)} {
		letters := lettersTo(t, address)
		require.Len(t, letters, 1)
		l := letters[0]
		require.Equal(t, world.Mail.Sender, l.From)
		require.Equal(t, []string{address}, l.To, "nobody learns who else is told")
		require.Empty(t, append(l.CC, l.BCC...))
		require.Equal(t, "rekey: 1 key ends within 48 hours", l.Subject)
		for _, part := range []string{l.Text, l.HTML} {
			require.Contains(t, part, k.key.Text("name"))
			require.Contains(t, part, k.secret[:8])
			require.Contains(t, part, k.key.Text("expires_at"))
			require.Contains(t, part, " from "+consumer.source)
			require.Contains(t, part, "POST /v1/keys/"+k.id+"/rotate")
		}
	}
}
