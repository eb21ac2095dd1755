package canary

import (
	"encoding/base64"
	"encoding/hex"
	"math/rand/v2"
	"strings"
	"testing"

	"github.com/stretchr/testify/require"
)

const secret = "rka_7Hq2abcdefghijklmnop_" + "Zq8mN3vK7pR2sT9wX4yB6cD1fG5hJ0kL8mN3vQ7pR2sT9w00"

func TestFind_FindsAnyTwelveSecretCharactersInEveryEncoding_D2(t *testing.T) {
	var c Canary
	c.Add(secret, "POST /keys")
	private := secret[25:]
	for i := 0; i+window <= len(private); i++ {
		part := private[i : i+window]
		for name, text := range map[string]string{
			"raw":    `{"message":"` + part + `"}`,
			"hex":    "00" + hex.EncodeToString([]byte(part)),
			"HEX":    strings.ToUpper(hex.EncodeToString([]byte(part))) + "FF",
			"base64": base64.StdEncoding.EncodeToString([]byte(part)),
			"after1": base64.StdEncoding.EncodeToString([]byte("x" + part + "y")),
			"after2": base64.URLEncoding.EncodeToString([]byte("xy" + part + "zz")),
		} {
			require.Len(t, c.Find([]byte(text)), 1, "%s at %d", name, i)
		}
	}
}

func TestFind_TakesNeitherTheIDNorAShortStretchNorChanceForASecret(t *testing.T) {
	var c Canary
	c.Add(secret, "POST /keys")
	require.Empty(t, c.Find([]byte(`{"id":"key_7Hq2abcdefghijklmnop","prefix":"rka_7Hq2"}`)))
	require.Empty(t, c.Find([]byte(secret[25:25+window-1]+" ")))
	noise := make([]byte, 1<<20)
	r := rand.New(rand.NewPCG(1, 2))
	for i := range noise {
		noise[i] = byte(r.UintN(256))
	}
	require.Empty(t, c.Find([]byte(base64.StdEncoding.EncodeToString(noise))))
}

func TestFind_NamesEachSecretOnceAndNeverInFull(t *testing.T) {
	var c Canary
	c.Add(secret, "POST /keys")
	c.Add(secret, "again")
	require.Equal(t, 1, c.Len())
	found := c.Find([]byte(secret + secret))
	require.Equal(t, []string{"rka_7Hq2… (POST /keys)"}, found)
}
