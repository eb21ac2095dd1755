package client

import (
	"hash/crc32"
	"strings"

	"github.com/rekey-dev/rekey/pkg/id"
)

// Secrets returns every secret that an answer hands out: the text members named "secret".
func (a Answer) Secrets() []string {
	var found []string
	var walk func(value any)
	walk = func(value any) {
		switch v := value.(type) {
		case map[string]any:
			for name, member := range v {
				if s, ok := member.(string); ok && name == "secret" {
					found = append(found, s)
				}
				walk(member)
			}
		case []any:
			for _, item := range v {
				walk(item)
			}
		}
	}
	walk(map[string]any(a.Object()))
	return found
}

// Wrong makes a well-formed secret that was never right: the n-th one beside a right one, with the same ID and a right check. It
// shares no stretch of 12 characters with it.
func Wrong(secret string, n int) string {
	public := secret[:strings.LastIndexByte(secret, '_')+1]
	body := make([]byte, 43)
	for i := range body {
		body[i] = id.Alphabet[(n+i*i*7+3)%62]
		n /= 62
	}
	return WithCheck(public + string(body))
}

// WithCheck appends the six characters that make a secret well-formed: CRC-32 (IEEE) in base62.
func WithCheck(s string) string {
	n := crc32.ChecksumIEEE([]byte(s))
	var check [6]byte
	for i := len(check) - 1; i >= 0; i-- {
		check[i] = id.Alphabet[n%62]
		n /= 62
	}
	return s + string(check[:])
}
