package rekeytest

import (
	"strings"
	"testing"

	"github.com/stretchr/testify/require"
)

func TestJudge_FindsASecretInARecord_D2(t *testing.T) {
	body := strings.Repeat("aB3", 14) + "x"
	bodies := map[string]bool{body: true}
	require.True(t, holds([]byte(`{"note":"rka_ID_`+body+`123456"}`), bodies))
	require.True(t, holds([]byte("zz"+body), bodies))
	require.True(t, holds([]byte(body), bodies))
	require.False(t, holds([]byte(body[1:]), bodies))
	require.False(t, holds([]byte(strings.Replace(body, "x", "y", 1)), bodies))
	require.False(t, holds([]byte(body[:20]+"-"+body[20:]), bodies))
}
