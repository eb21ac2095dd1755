// Package canary finds secrets where they must not be.
//
// A secret that leaks does not always leak whole, or as it is: a log cuts it, a binary attribute is base64, a hash's input is
// printed in hex. So every stretch of 12 characters of a secret's secret part is looked for, as it is, in hex of either case
// and in base64 of either alphabet at each of its three alignments. Twelve base62 characters are 71 bits: a chance hit in a
// gigabyte has a probability below 10^-8 for a thousand secrets.
package canary

import (
	"encoding/base64"
	"encoding/hex"
	"fmt"
	"strings"
	"sync"
)

// window is the length of what is looked for; every encoding of a stretch is at least as long.
const window = 12

type stretch [window]byte

// Canary remembers secrets and finds them again. It may be used by many goroutines.
type Canary struct {
	mu      sync.Mutex
	secrets map[string]string  // secret: what it was handed out for
	index   map[stretch]string // the first characters of each encoded stretch: which secret
	first   [1 << 16]bool      // the first two characters of the keys of index
}

// Add remembers a secret; from says where it was handed out. Only what is secret of it is looked for: of a key or token not the
// part that is also its ID.
func (c *Canary) Add(secret, from string) {
	c.mu.Lock()
	defer c.mu.Unlock()
	if _, ok := c.secrets[secret]; ok || len(secret) < window {
		return
	}
	if c.secrets == nil {
		c.secrets, c.index = map[string]string{}, map[stretch]string{}
	}
	c.secrets[secret] = from
	private := secret[strings.LastIndexByte(secret, '_')+1:]
	for i := 0; i+window <= len(private); i++ {
		for _, form := range forms(private[i : i+window]) {
			key := stretch([]byte(form[:window]))
			c.index[key] = fmt.Sprintf("%.8s… (%s)", secret, from)
			c.first[int(key[0])<<8|int(key[1])] = true
		}
	}
}

// forms are the ways in which a text can be written.
func forms(text string) []string {
	digits := hex.EncodeToString([]byte(text))
	out := []string{text, digits, strings.ToUpper(digits)}
	for before := range 3 {
		// With 0, 1 or 2 bytes before it: what depends on them, or on what follows, is cut off.
		for _, alphabet := range []*base64.Encoding{base64.RawStdEncoding, base64.RawURLEncoding} {
			encoded := alphabet.EncodeToString([]byte("\x00\x00"[:before] + text))
			from := []int{0, 2, 3}[before]
			out = append(out, encoded[from:from+window])
		}
	}
	return out
}

// Len returns the number of secrets.
func (c *Canary) Len() int {
	c.mu.Lock()
	defer c.mu.Unlock()
	return len(c.secrets)
}

// Find returns the secrets of which a stretch is in the text, each once, named by their public part.
func (c *Canary) Find(text []byte) []string {
	c.mu.Lock()
	defer c.mu.Unlock()
	var found []string
	seen := map[string]bool{}
	for i := 0; i+window <= len(text); i++ {
		if !c.first[int(text[i])<<8|int(text[i+1])] {
			continue
		}
		if secret, ok := c.index[stretch(text[i:i+window])]; ok && !seen[secret] {
			seen[secret] = true
			found = append(found, secret)
		}
	}
	return found
}
