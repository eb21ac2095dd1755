package isolation

import (
	"encoding/json"
	"testing"

	"github.com/stretchr/testify/require"

	"github.com/rekey-dev/rekey/pkg/token"
)

// Whoever asks about the secret of a key that is not theirs to see is told what is told of one that never was.
func TestWalls_SecretInTheBody_B12_W5(t *testing.T) {
	asks := func(op operation) bool { return op.body != nil && op.body.Properties["secret"] != nil }
	eachOperation(t, asks, func(b *bench, op operation) {
		never := token.Mint(token.ServiceAccountKey, "Never000000000000000", b.Rand)
		for _, c := range b.callers {
			body := func(s token.Secret) map[string]any {
				out := b.body(op)
				out["secret"] = s.Reveal()
				return out
			}
			want := c.admitted(op.permission)
			nothing := b.try(c, op, "", "", body(never), want, "which never was")
			for _, at := range spots {
				got := b.try(c, op, "", "", body(b.secrets[at]), want, "of "+string(at))
				b.cases.body++
				var answer struct {
					KeyID *string `json:"key_id"`
				}
				switch {
				case want != fine:
				case covers(c.at, at):
					require.NoError(b.t, json.Unmarshal([]byte(got.Body), &answer))
					require.NotNil(b.t, answer.KeyID, "%s as %s: %s", op.name, c.name, got.Body)
					require.Equal(b.t, b.secrets[at].Reveal()[4:24], (*answer.KeyID)[4:])
				default:
					require.Equal(b.t, nothing, got, "%s as %s: the key of %s can be told from none", op.name, c.name, at)
				}
			}
		}
	})
}
