package id_test

import (
	"bytes"
	"errors"
	"math"
	"math/rand/v2"
	"strings"
	"testing"
	"testing/iotest"

	"github.com/stretchr/testify/require"

	"github.com/rekey-dev/rekey/pkg/id"
)

const body = "7Hq2cXv9LmN4pQr8sT1w"

// each runs f for every kind.
func each(f func(prefix string, parse func(string) (string, bool), draw func(*rand.ChaCha8) string)) {
	kind[id.MSP](f)
	kind[id.Node](f)
	kind[id.Company](f)
	kind[id.Employee](f)
	kind[id.Role](f)
	kind[id.ServiceAccount](f)
	kind[id.Key](f)
	kind[id.PAT](f)
	kind[id.Session](f)
	kind[id.Event](f)
	kind[id.Operation](f)
}

func kind[T id.Kind](f func(string, func(string) (string, bool), func(*rand.ChaCha8) string)) {
	f(id.Prefix[T](), func(s string) (string, bool) {
		v, ok := id.Parse[T](s)
		return string(v), ok
	}, func(r *rand.ChaCha8) string { return string(id.New[T](r)) })
}

func TestPrefix_NamesTheKind(t *testing.T) {
	var got []string
	each(func(prefix string, _ func(string) (string, bool), _ func(*rand.ChaCha8) string) {
		got = append(got, prefix)
	})
	require.Equal(t, []string{"msp_", "node_", "co_", "emp_", "role_", "sa_", "key_", "pat_", "ses_", "evt_", "op_"}, got)
}

func TestParse_AcceptsItsKindAndNoOther(t *testing.T) {
	each(func(prefix string, parse func(string) (string, bool), draw func(*rand.ChaCha8) string) {
		v, ok := parse(prefix + body)
		require.True(t, ok)
		require.Equal(t, prefix+body, v)
		drawn, ok := parse(draw(rand.NewChaCha8([32]byte{1})))
		require.True(t, ok)
		require.Len(t, drawn, len(prefix)+id.Length)
		each(func(other string, _ func(string) (string, bool), _ func(*rand.ChaCha8) string) {
			_, ok := parse(other + body)
			require.Equal(t, other == prefix, ok)
		})
	})
}

func TestParse_RefusesWhatIsNotOfTheGrammar(t *testing.T) {
	for _, s := range []string{"", "key_", "key_" + body[1:], "key_" + body + "0", " key_" + body, "key_" + body + " ", "key_" + body + "\n",
		"KEY_" + body, "key-" + body, "key" + body, "key_" + body[:19] + "-", "key_" + body[:19] + "_", "key_" + body[:19] + "\x00",
		"key_" + body[:18] + "é", "key_" + body[:17] + "１", "key_" + strings.Repeat("０", 20), "key_key_" + body[4:], body} {
		v, ok := id.Parse[id.Key](s)
		require.False(t, ok, "%q", s)
		require.Empty(t, v)
	}
	for c := range 256 {
		s := "key_" + body[:19] + string([]byte{byte(c)})
		_, ok := id.Parse[id.Key](s)
		require.Equal(t, strings.IndexByte(id.Alphabet, byte(c)) >= 0, ok, "%#x", c)
	}
}

func TestBody_IsWhatComesAfterThePrefix(t *testing.T) {
	require.Equal(t, body, id.Body(id.Key("key_"+body)))
	require.Equal(t, body, id.Body(id.ServiceAccount("sa_"+body)))
	require.Equal(t, id.PAT("pat_"+body), id.FromBody[id.PAT](body))
}

func TestFill_DrawsWithoutBias(t *testing.T) {
	// Bytes of 248 and above are drawn again: 248 = 4 × 62.
	out := make([]byte, 3)
	id.Fill(bytes.NewReader(append(bytes.Repeat([]byte{248, 255}, 4), 247, 0, 61, 255, 1, 1, 1, 1, 1, 1, 1, 1, 1, 1, 1, 1, 1, 1)), out)
	require.Equal(t, "z0z", string(out))

	const n = 20_000
	source := rand.NewChaCha8([32]byte{2})
	seen := make(map[id.Key]bool, n)
	var counts [128]int
	for range n {
		k := id.New[id.Key](source)
		require.False(t, seen[k])
		seen[k] = true
		for _, c := range id.Body(k) {
			counts[c]++
		}
	}
	mean, squares := float64(n*id.Length)/62, 0.0
	for _, c := range id.Alphabet {
		d := float64(counts[c]) - mean
		squares += d * d / mean
	}
	require.Less(t, squares, 61+6*math.Sqrt(2*61), "chi-squared with 61 degrees of freedom")
}

func TestNew_StopsWithoutRandomness(t *testing.T) {
	require.Panics(t, func() { id.New[id.Key](iotest.ErrReader(errors.New("none"))) })
	require.Panics(t, func() { id.New[id.Key](bytes.NewReader(bytes.Repeat([]byte{255}, 100))) })
}
