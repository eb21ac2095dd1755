package client

import (
	"encoding/json"
	"testing"

	"github.com/stretchr/testify/require"

	"github.com/rekey-dev/rekey/pkg/token"
)

func TestWrong_IsWellFormedDiffersEveryTimeAndHasTheSameID(t *testing.T) {
	right := WithCheck("rka_00000000000000000000_0000000000000000000000000000000000000000000")
	parsed, ok := token.Parse(right)
	require.True(t, ok)
	seen := map[string]bool{right: true}
	for n := range 2000 {
		wrong, ok := token.Parse(Wrong(right, n))
		require.True(t, ok)
		require.Equal(t, parsed.ID(), wrong.ID())
		require.False(t, seen[wrong.Secret.Reveal()])
		seen[wrong.Secret.Reveal()] = true
	}
}

func TestAnswer_FindsMembersByPathAndEverySecret(t *testing.T) {
	a := Answer{Body: []byte(`{"key":{"id":"key_1","generation":2,"scopes":["a","b"]},"secret":"s1","items":[{"secret":"s2"}]}`)}
	o := a.Object()
	require.Equal(t, "key_1", o.Text("key.id"))
	require.Equal(t, 2, o.Number("key.generation"))
	require.Equal(t, []string{"a", "b"}, o.Texts("key.scopes"))
	require.Len(t, o.Objects("items"), 1)
	require.Nil(t, o.At("key.name.first"))
	require.ElementsMatch(t, []string{"s1", "s2"}, a.Secrets())
	require.True(t, json.Valid(a.Body))
}
