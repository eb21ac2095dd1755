package token

import (
	"fmt"
	"io"
	"log/slog"
	"unsafe"
)

// Redacted is what every formatter prints of a secret.
const Redacted = "[redacted]"

// Secret is the text of a secret. It prints as "[redacted]" in every formatter, in JSON and in slog; Reveal is the only
// way to its text, so that a search for Reveal finds every place where a secret leaves.
//
// It is taken apart because fmt calls no method of an unexported field: there it prints an address and a length.
type Secret struct {
	first  *byte
	length int
}

// SecretOf wraps text that came from a caller, well-formed or not.
func SecretOf(text string) Secret { return Secret{unsafe.StringData(text), len(text)} }

// Reveal returns the text. It is called where a secret is shown once to its owner, and nowhere else.
func (s Secret) Reveal() string { return unsafe.String(s.first, s.length) }

// IsZero tells whether there is no secret.
func (s Secret) IsZero() bool { return s.length == 0 }

// Format prints "[redacted]", whatever the verb: with String alone, %d would print the text.
func (Secret) Format(f fmt.State, _ rune) { _, _ = io.WriteString(f, Redacted) }

func (Secret) String() string                 { return Redacted }
func (Secret) GoString() string               { return Redacted }
func (Secret) MarshalText() ([]byte, error)   { return []byte(Redacted), nil }
func (Secret) MarshalJSON() ([]byte, error)   { return []byte(`"` + Redacted + `"`), nil }
func (Secret) MarshalBinary() ([]byte, error) { return []byte(Redacted), nil }
func (Secret) LogValue() slog.Value           { return slog.StringValue(Redacted) }
