// Package token is the wire format of rekey's secrets: how one is written, minted, derived, checked and digested.
//
//	secret   rk<kind>_<public:20 base62>_<body:43 base62><check:6 base62>      74 characters
//	ID       <ID prefix of the kind>_<public>                                 key_7Hq2c…, pat_…, ses_…, inv_…
//	kind     a service-account key · k keypair token · g gateway key · p personal access token · s session · c one-time code
//	body     256 bits, big-endian, in base62 (digits 0-9A-Za-z), left-padded with 0 to 43
//	check    CRC-32 (IEEE 802.3) of everything before it, as an unsigned number in base62, left-padded with 0 to 6
//	prefix   the first 8 characters: the kind and four characters of the public half, nothing secret
//
// The check lets a typo, a truncated paste or a flood of garbage be refused without a look at the store, and lets secret
// scanners drop false positives; it is no security control. Vectors are in testdata/vectors.json. Package token relies on
// the standard library alone and knows no store.
package token

import (
	"crypto/hkdf"
	"crypto/hmac"
	"crypto/sha256"
	"fmt"
	"hash/crc32"
	"io"
	"math/big"

	"github.com/rekey-dev/rekey/pkg/id"
)

// Kind is the letter after "rk".
type Kind byte

const (
	ServiceAccountKey   Kind = 'a'
	KeypairToken        Kind = 'k'
	GatewayKey          Kind = 'g'
	PersonalAccessToken Kind = 'p'
	Session             Kind = 's'
	OneTimeCode         Kind = 'c'
)

// IDPrefix is the prefix of the ID that is the public half of a secret of this kind; "" for an unknown kind. It is not inlined: the
// authorizer's bound is tight.
//
//go:noinline
func (k Kind) IDPrefix() string {
	switch k {
	case ServiceAccountKey, KeypairToken, GatewayKey:
		return "key_"
	case PersonalAccessToken:
		return "pat_"
	case Session:
		return "ses_"
	case OneTimeCode:
		return "inv_"
	}
	return ""
}

const (
	bodyLength  = 43
	checkLength = 6
	headLength  = 4 // rka_
	// Length is the number of characters of every secret.
	Length = headLength + id.Length + 1 + bodyLength + checkLength
	// PrefixLength is the number of characters that are shown of a secret for ever; none of them is secret.
	PrefixLength = 8
	// MACLength is the number of bytes of a digest.
	MACLength = sha256.Size
)

// Token is a well-formed secret taken apart.
type Token struct {
	Kind   Kind
	Public string // the 20 characters that the ID and the secret share
	Secret Secret // the whole text
}

// ID returns the public half as an identifier: key_…, pat_…, ses_… or inv_….
func (t Token) ID() string { return t.Kind.IDPrefix() + t.Public }

// Prefix returns the characters that may be shown.
func (t Token) Prefix() string { return Prefix(t.Kind, t.Public) }

// Prefix returns the first 8 characters of every secret with this kind and public half.
func Prefix(k Kind, public string) string {
	return "rk" + string(rune(k)) + "_" + public[:PrefixLength-headLength]
}

// Parse takes a secret apart. It reports false for anything that is not byte for byte of the grammar with a right check;
// it never normalises.
func Parse(s string) (Token, bool) {
	if len(s) != Length || s[0] != 'r' || s[1] != 'k' || s[3] != '_' || s[headLength+id.Length] != '_' {
		return Token{}, false
	}
	k := Kind(s[2])
	if k.IDPrefix() == "" || !id.Base62(s[headLength:headLength+id.Length]) || !id.Base62(s[headLength+id.Length+1:]) {
		return Token{}, false
	}
	var check [checkLength]byte
	appendCheck(check[:0], s[:Length-checkLength])
	if s[Length-checkLength:] != string(check[:]) {
		return Token{}, false
	}
	return Token{Kind: k, Public: s[headLength : headLength+id.Length], Secret: SecretOf(s)}, true
}

// Mint makes a secret of 256 random bits. It panics when the source of randomness fails.
func Mint(k Kind, public string, rand io.Reader) Secret {
	var bits [32]byte
	if _, err := io.ReadFull(rand, bits[:]); err != nil {
		panic(fmt.Sprintf("token: no randomness: %v", err))
	}
	return format(k, public, bits[:])
}

// SaltLength is the number of bytes of the salt that Derive wants.
const SaltLength = 32

// Derive makes the secret of one operation: HKDF-SHA-256 (RFC 5869) with the derivation key as input keying material, the
// operation's salt, and the format's version, the kind, the public half and the operation's ID as info. The same five
// values give the same secret; whoever lacks the key or the salt cannot make it.
func Derive(key, salt []byte, k Kind, public string, op id.Operation) (Secret, error) {
	if len(salt) != SaltLength {
		return Secret{}, fmt.Errorf("token: salt of %d bytes, want %d", len(salt), SaltLength)
	}
	if len(key) < 32 {
		return Secret{}, fmt.Errorf("token: derivation key of %d bytes, want at least 32", len(key))
	}
	info := "rekey/derived-secret/1\x00" + string(rune(k)) + "\x00" + public + "\x00" + string(op)
	bits, err := hkdf.Key(sha256.New, key, salt, info, 32)
	if err != nil {
		return Secret{}, fmt.Errorf("token: deriving: %w", err)
	}
	return format(k, public, bits), nil
}

// MAC is the digest that is stored instead of the secret: HMAC-SHA-256(pepper, kind ‖ ID ‖ secret), the kind being its
// letter, the ID and the secret their text. Every part has a fixed length, so the input has one reading; the ID binds the
// digest to its record.
func MAC(pepper []byte, k Kind, public string, s Secret) [MACLength]byte {
	var in [1 + 4 + id.Length + Length]byte
	b := append(in[:0], byte(k))
	b = append(b, k.IDPrefix()...)
	b = append(b, public...)
	b = append(b, s.Reveal()...)
	h := hmac.New(sha256.New, pepper)
	h.Write(b)
	var out [MACLength]byte
	h.Sum(out[:0])
	return out
}

// Equal compares two digests in constant time.
func Equal(a, b []byte) bool { return len(a) == MACLength && hmac.Equal(a, b) }

func format(k Kind, public string, bits []byte) Secret {
	b := make([]byte, 0, Length)
	b = append(b, 'r', 'k', byte(k), '_')
	b = append(b, public...)
	b = append(b, '_')
	b = appendBase62(b, new(big.Int).SetBytes(bits), bodyLength)
	return SecretOf(string(appendCheck(b, string(b))))
}

func appendBase62(b []byte, n *big.Int, width int) []byte {
	start := len(b)
	for range width {
		b = append(b, '0')
	}
	base, digit := big.NewInt(62), new(big.Int)
	for i := start + width - 1; i >= start; i-- {
		n.DivMod(n, base, digit)
		b[i] = id.Alphabet[digit.Int64()]
	}
	return b
}

func appendCheck(b []byte, covered string) []byte {
	n := checksum(covered)
	var digits [checkLength]byte
	for i := checkLength - 1; i >= 0; i-- {
		digits[i] = id.Alphabet[n%62]
		n /= 62
	}
	return append(b, digits[:]...)
}

// checksum is CRC-32 by the table: crc32.ChecksumIEEE would put the text on the heap, and refusing garbage allocates nothing.
func checksum(s string) uint32 {
	c := ^uint32(0)
	for i := range len(s) {
		c = crc32.IEEETable[byte(c)^s[i]] ^ c>>8
	}
	return ^c
}
