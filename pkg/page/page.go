// Package page seals the cursors of lists: opaque texts with which a caller goes on where a page ended.
//
// A cursor holds the position of a page's last row, which may tell what the caller is not to see, so it is encrypted; and it
// is good only for whoever got it, on the same list with the same filters, for a day. It is made and opened here alone:
//
//	cursor      base64url without padding of: version number (2 bytes, big-endian) ‖ nonce (12) ‖ sealed
//	sealed      AES-256-GCM (NIST SP 800-38D) of: expiry (Unix seconds, 8 bytes, big-endian) ‖ position
//	key         HKDF-SHA-256 (RFC 5869) of the text of that version, without salt, info "rekey/cursor/1"
//	additional  "rekey/cursor/1", the version number, then tenant, principal, route and filters, each with its length before it
//
// The nonce is random: 2^32 cursors may be sealed under one version before two nonces meet with a chance of 2^-32.
package page

import (
	"context"
	"crypto/aes"
	"crypto/cipher"
	"crypto/hkdf"
	"crypto/sha256"
	"encoding/base64"
	"encoding/binary"
	"fmt"
	"io"
	"strconv"
	"strings"
	"time"

	"github.com/rekey-dev/rekey/pkg/fault"
)

const (
	// KeptFor is how long a cursor is good.
	KeptFor = 24 * time.Hour
	// MaxCursor is the longest cursor, in characters.
	MaxCursor = 2048

	info          = "rekey/cursor/1"
	versionLength = 2
	nonceLength   = 12
	expiryLength  = 8
)

var encoding = base64.RawURLEncoding.Strict()

// Keys are the texts that cursors are sealed with, by version: "v" and a number from 1 to 65535.
type Keys interface {
	// Current returns the version that cursors are sealed with now, and its text, at least 32 bytes.
	Current(ctx context.Context) (version string, key []byte, err error)
	// Key returns a version's text; false when there is no such version.
	Key(ctx context.Context, version string) ([]byte, bool, error)
}

// Scope is what a cursor is good for. Every part counts.
type Scope struct {
	Tenant    string
	Principal string
	Route     string // method and path, with the object's ID
	Filters   string // every other query parameter, in one order
}

// Sealer makes and opens cursors. Its fields are set once; it may be used by many goroutines.
type Sealer struct {
	Keys Keys
	Now  func() time.Time
	Rand io.Reader
}

// Seal makes the cursor of a position; "" of the end. An error is the keys', or says that there is no such position.
func (s *Sealer) Seal(ctx context.Context, scope Scope, position string) (string, error) {
	if position == "" {
		return "", nil
	}
	version, key, err := s.Keys.Current(ctx)
	if err != nil {
		return "", err
	}
	number, ok := numberOf(version)
	if !ok {
		return "", fmt.Errorf("page: %q is no version of a key", version)
	}
	aead, err := cipherOf(key)
	if err != nil {
		return "", err
	}
	out := binary.BigEndian.AppendUint16(nil, number)
	nonce := make([]byte, nonceLength)
	if _, err := io.ReadFull(s.Rand, nonce); err != nil {
		panic("page: no randomness: " + err.Error())
	}
	out = append(out, nonce...)
	plain := binary.BigEndian.AppendUint64(nil, uint64(s.Now().Add(KeptFor).Unix()))
	out = aead.Seal(out, nonce, append(plain, position...), additional(number, scope))
	cursor := encoding.EncodeToString(out)
	if len(cursor) > MaxCursor || strings.ContainsAny(cursor, "\r\n") { // the decoder skips line breaks
		return "", fmt.Errorf("page: a position of %d bytes is too long", len(position))
	}
	return cursor, nil
}

// Open returns the position in a cursor; "" without one. A cursor that was edited, has expired, or was made for somebody
// else, another list or other filters is a fault of kind invalid at "/cursor", always the same one. Another error is the
// keys'.
func (s *Sealer) Open(ctx context.Context, scope Scope, cursor string) (string, error) {
	if cursor == "" {
		return "", nil
	}
	if len(cursor) > MaxCursor || strings.ContainsAny(cursor, "\r\n") { // the decoder skips line breaks
		return "", unusable()
	}
	raw, err := encoding.DecodeString(cursor)
	if err != nil || len(raw) < versionLength+nonceLength {
		return "", unusable()
	}
	number := binary.BigEndian.Uint16(raw)
	if number == 0 {
		return "", unusable()
	}
	key, ok, err := s.Keys.Key(ctx, "v"+strconv.Itoa(int(number)))
	if err != nil {
		return "", err
	}
	if !ok {
		return "", unusable()
	}
	aead, err := cipherOf(key)
	if err != nil {
		return "", err
	}
	nonce, sealed := raw[versionLength:versionLength+nonceLength], raw[versionLength+nonceLength:]
	plain, err := aead.Open(nil, nonce, sealed, additional(number, scope))
	if err != nil || len(plain) <= expiryLength {
		return "", unusable()
	}
	if expiry := int64(binary.BigEndian.Uint64(plain)); s.Now().Unix() >= expiry {
		return "", unusable()
	}
	return string(plain[expiryLength:]), nil
}

func unusable() error {
	return fault.InvalidField("/cursor", "is no cursor of this list with these filters, or is older than 24 hours; begin again without it")
}

func numberOf(version string) (uint16, bool) {
	digits, ok := strings.CutPrefix(version, "v")
	n, err := strconv.ParseUint(digits, 10, 16)
	return uint16(n), ok && err == nil && n > 0 && "v"+strconv.FormatUint(n, 10) == version
}

func cipherOf(text []byte) (cipher.AEAD, error) {
	if len(text) < 32 {
		return nil, fmt.Errorf("page: a key of %d bytes, want at least 32", len(text))
	}
	key, err := hkdf.Key(sha256.New, text, nil, info, 32)
	if err != nil {
		return nil, fmt.Errorf("page: deriving a key: %w", err)
	}
	block, err := aes.NewCipher(key)
	if err != nil {
		return nil, fmt.Errorf("page: %w", err)
	}
	return cipher.NewGCM(block)
}

func additional(number uint16, s Scope) []byte {
	out := binary.BigEndian.AppendUint16([]byte(info), number)
	for _, part := range [...]string{s.Tenant, s.Principal, s.Route, s.Filters} {
		out = binary.BigEndian.AppendUint32(out, uint32(len(part)))
		out = append(out, part...)
	}
	return out
}
