package token_test

import (
	"bytes"
	"encoding/hex"
	"encoding/json"
	"errors"
	"hash/crc32"
	"math"
	"math/big"
	"math/rand/v2"
	"os"
	"strings"
	"testing"
	"testing/iotest"

	"github.com/stretchr/testify/require"

	"github.com/rekey-dev/rekey/pkg/id"
	"github.com/rekey-dev/rekey/pkg/token"
)

// vectors are those of testdata/vectors.json, which another implementation made.
type vectors struct {
	WellFormed []struct{ Comment, Bits, Kind, Public, ID, Prefix, Secret string } `json:"well_formed"`
	Malformed  []struct{ Comment, Text string }                                   `json:"malformed"`
	MACs       []struct{ Comment, Pepper, Kind, Public, Secret, MAC string }      `json:"macs"`
	Derived    []struct{ Comment, Key, Salt, Kind, Public, Operation, Secret string }
}

func readVectors(t testing.TB) vectors {
	t.Helper()
	text, err := os.ReadFile("testdata/vectors.json")
	require.NoError(t, err)
	var v vectors
	require.NoError(t, json.Unmarshal(text, &v))
	require.NotEmpty(t, v.WellFormed)
	require.NotEmpty(t, v.Malformed)
	require.NotEmpty(t, v.MACs)
	require.NotEmpty(t, v.Derived)
	return v
}

func unhex(t testing.TB, s string) []byte {
	t.Helper()
	b, err := hex.DecodeString(s)
	require.NoError(t, err)
	return b
}

// seeded is a source of bytes that is the same in every run.
func seeded(n byte) *rand.ChaCha8 { return rand.NewChaCha8([32]byte{n}) }

func TestParse_TakesEveryWellFormedVectorApart(t *testing.T) {
	for _, v := range readVectors(t).WellFormed {
		tok, ok := token.Parse(v.Secret)
		require.True(t, ok, v.Comment)
		require.Len(t, v.Secret, token.Length, v.Comment)
		require.Equal(t, v.Kind, string(rune(tok.Kind)), v.Comment)
		require.Equal(t, v.Public, tok.Public, v.Comment)
		require.Equal(t, v.ID, tok.ID(), v.Comment)
		require.Equal(t, v.Prefix, tok.Prefix(), v.Comment)
		require.Equal(t, v.Prefix, token.Prefix(tok.Kind, tok.Public), v.Comment)
		require.Equal(t, v.Secret, tok.Secret.Reveal(), v.Comment)
	}
}

func TestParse_RefusesEveryMalformedVector(t *testing.T) {
	for _, v := range readVectors(t).Malformed {
		tok, ok := token.Parse(v.Text)
		require.False(t, ok, v.Comment)
		require.Equal(t, token.Token{}, tok, v.Comment)
	}
}

func TestParse_RefusesEverySingleChange(t *testing.T) {
	secret := readVectors(t).WellFormed[0].Secret
	for i := range len(secret) {
		for c := range 256 {
			changed := secret[:i] + string([]byte{byte(c)}) + secret[i+1:]
			if changed == secret {
				continue
			}
			_, ok := token.Parse(changed)
			require.False(t, ok, "byte %d as %#x", i, c)
		}
	}
}

func TestParse_RefusesEveryTruncation(t *testing.T) {
	secret := readVectors(t).WellFormed[0].Secret
	for i := range len(secret) {
		_, ok := token.Parse(secret[:i])
		require.False(t, ok)
		_, ok = token.Parse(secret[i+1:])
		require.False(t, ok)
	}
}

func TestParse_RefusingCostsNoAllocation(t *testing.T) {
	secret := readVectors(t).WellFormed[0].Secret
	changed := secret[:token.Length-1] + "?"
	wrong := secret[:token.Length-6] + "000000"
	long := strings.Repeat("a", 1<<20)
	require.Zero(t, testing.AllocsPerRun(100, func() {
		for _, s := range []string{"", changed, wrong, long} {
			if _, ok := token.Parse(s); ok {
				panic("parsed")
			}
		}
	}))
}

func TestMint_WritesTheBitsOfEveryVector(t *testing.T) {
	for _, v := range readVectors(t).WellFormed {
		s := token.Mint(token.Kind(v.Kind[0]), v.Public, bytes.NewReader(unhex(t, v.Bits)))
		require.Equal(t, v.Secret, s.Reveal(), v.Comment)
	}
}

func TestMint_WritesEveryBit(t *testing.T) {
	seen := map[string]bool{}
	for bit := range 257 { // the last is none
		var bits [32]byte
		if bit < 256 {
			bits[bit/8] = 1 << (bit % 8)
		}
		s := token.Mint(token.ServiceAccountKey, public, bytes.NewReader(bits[:])).Reveal()
		body := s[25:68]
		require.False(t, seen[body])
		seen[body] = true
		n := new(big.Int)
		for _, c := range body {
			n.Mul(n, big.NewInt(62)).Add(n, big.NewInt(int64(strings.IndexRune(id.Alphabet, c))))
		}
		require.Zero(t, n.Cmp(new(big.Int).SetBytes(bits[:])), "the body is the number")
	}
}

func TestMint_StopsWithoutRandomness(t *testing.T) {
	require.Panics(t, func() { token.Mint(token.Session, public, iotest.ErrReader(errors.New("none"))) })
	require.Panics(t, func() { token.Mint(token.Session, public, bytes.NewReader(make([]byte, 31))) })
}

func TestMint_SecretsDifferInEveryPlaceAndFavourNoCharacter(t *testing.T) {
	const n = 20_000
	source := seeded(1)
	seen := make(map[string]bool, n)
	var counts [43][128]int
	for range n {
		body := token.Mint(token.ServiceAccountKey, public, source).Reveal()[25:68]
		require.False(t, seen[body])
		seen[body] = true
		for i, c := range body {
			counts[i][c]++
		}
	}
	// Beyond the first, which the number's upper end cuts short, every place takes every character equally often.
	mean := float64(n) / 62
	for i := 1; i < 43; i++ {
		squares := 0.0
		for _, c := range id.Alphabet {
			d := float64(counts[i][c]) - mean
			squares += d * d / mean
		}
		require.Less(t, squares, 61+6*math.Sqrt(2*61), "place %d: chi-squared with 61 degrees of freedom", i)
	}
}

func TestDerive_MakesEveryVector_B6(t *testing.T) {
	seen := map[string]bool{}
	for _, v := range readVectors(t).Derived {
		s, err := token.Derive(unhex(t, v.Key), unhex(t, v.Salt), token.Kind(v.Kind[0]), v.Public, id.Operation(v.Operation))
		require.NoError(t, err, v.Comment)
		require.Equal(t, v.Secret, s.Reveal(), v.Comment)
		_, ok := token.Parse(s.Reveal())
		require.True(t, ok, v.Comment)
		body := s.Reveal()[25:68]
		require.False(t, seen[body], "%s makes another secret", v.Comment)
		seen[body] = true
	}
}

func TestDerive_RefusesAShortKeyOrAnotherSalt_B6(t *testing.T) {
	key, salt := make([]byte, 32), make([]byte, token.SaltLength)
	for _, c := range []struct{ key, salt []byte }{{key[1:], salt}, {nil, salt}, {key, nil}, {key, salt[1:]}, {key, append(salt, 0)}} {
		s, err := token.Derive(c.key, c.salt, token.Session, public, "op_00000000000000000001")
		require.Error(t, err)
		require.True(t, s.IsZero())
	}
}

func TestMAC_MakesEveryVector(t *testing.T) {
	seen := map[string]bool{}
	for _, v := range readVectors(t).MACs {
		got := token.MAC(unhex(t, v.Pepper), token.Kind(v.Kind[0]), v.Public, token.SecretOf(v.Secret))
		require.Equal(t, v.MAC, hex.EncodeToString(got[:]), v.Comment)
		require.False(t, seen[v.MAC], v.Comment)
		seen[v.MAC] = true
	}
}

func TestMAC_EveryPartCounts(t *testing.T) {
	s := token.Mint(token.ServiceAccountKey, public, seeded(2))
	mac := func(pepper string, k token.Kind, public string, s token.Secret) string {
		m := token.MAC([]byte(pepper), k, public, s)
		return string(m[:])
	}
	all := map[string]bool{
		mac("pepper", token.ServiceAccountKey, public, s):                                        true,
		mac("peppes", token.ServiceAccountKey, public, s):                                        true,
		mac("pepper", token.GatewayKey, public, s):                                               true,
		mac("pepper", token.ServiceAccountKey, public[1:]+"0", s):                                true,
		mac("pepper", token.ServiceAccountKey, public, token.SecretOf(s.Reveal()[:73]+"\x00")):   true,
		mac("pepper", token.ServiceAccountKey, public, token.SecretOf("\x00"+s.Reveal()[:73])):   true,
		mac("pepper", token.PersonalAccessToken, public, token.SecretOf("key_"+s.Reveal()[:70])): true,
	}
	require.Len(t, all, 7)
}

func TestEqual_ComparesWholeDigestsOnly(t *testing.T) {
	a := token.MAC([]byte("pepper"), token.Session, public, token.SecretOf("a"))
	b := a
	require.True(t, token.Equal(a[:], b[:]))
	for i := range b {
		b = a
		b[i] ^= 1
		require.False(t, token.Equal(a[:], b[:]))
	}
	require.False(t, token.Equal(nil, nil))
	require.False(t, token.Equal(a[:31], a[:31]))
	require.False(t, token.Equal(a[:], a[:31]))
	require.False(t, token.Equal(nil, a[:]))
}

func TestKind_EveryKindHasAnIDAndNoOtherLetterHas(t *testing.T) {
	want := map[token.Kind]string{'a': "key_", 'k': "key_", 'g': "key_", 'p': "pat_", 's': "ses_", 'c': "inv_"}
	for c := range 256 {
		require.Equal(t, want[token.Kind(c)], token.Kind(c).IDPrefix())
	}
}

// FuzzParse: what parses is of the grammar, reads back byte for byte, and no single change of it parses.
func FuzzParse(f *testing.F) {
	v := readVectors(f)
	for _, w := range v.WellFormed {
		f.Add(w.Secret, uint8(30), byte('x'))
	}
	for _, m := range v.Malformed {
		f.Add(m.Text, uint8(0), byte('R'))
	}
	f.Fuzz(func(t *testing.T, text string, at uint8, c byte) {
		tok, ok := token.Parse(text)
		if !ok {
			require.Equal(t, token.Token{}, tok)
			return
		}
		require.Len(t, text, token.Length)
		require.Equal(t, text, tok.Secret.Reveal())
		require.Equal(t, text[:24], "rk"+string(rune(tok.Kind))+"_"+tok.Public)
		require.Equal(t, text[:8], tok.Prefix())
		n := uint64(0)
		for _, digit := range text[68:] {
			n = n*62 + uint64(strings.IndexRune(id.Alphabet, digit))
		}
		require.Equal(t, uint64(crc32.ChecksumIEEE([]byte(text[:68]))), n)
		i := int(at) % len(text)
		changed := text[:i] + string([]byte{c}) + text[i+1:]
		if changed != text {
			_, ok = token.Parse(changed)
			require.False(t, ok)
		}
	})
}
