// Package id holds the identifiers of rekey's objects: a type per kind of object, so that a company's ID cannot be passed
// where a node's belongs.
//
// An identifier is a prefix that names the kind, "_", and 20 base62 characters (0-9A-Za-z, 119 bits when drawn by New).
// Identifiers are public; knowing one grants nothing. They are compared as exact bytes and never normalised.
package id

import (
	"fmt"
	"io"
)

// Length is the number of base62 characters after the prefix.
const Length = 20

// Alphabet is base62 in the order of its digits' values.
const Alphabet = "0123456789ABCDEFGHIJKLMNOPQRSTUVWXYZabcdefghijklmnopqrstuvwxyz"

type (
	MSP            string
	Node           string
	Company        string
	Employee       string
	Role           string
	ServiceAccount string
	Key            string
	PAT            string
	Session        string
	Credential     string // a passkey or a public key
	Invitation     string // a one-time code
	Challenge      string // a ceremony of a passkey that has begun
	Rotation       string
	Policy         string
	Calendar       string
	ProtectedAPI   string
	Event          string
	Operation      string // one change; an audit record names the operation that it is the record of
)

func (MSP) prefix() string            { return "msp_" }
func (Node) prefix() string           { return "node_" }
func (Company) prefix() string        { return "co_" }
func (Employee) prefix() string       { return "emp_" }
func (Role) prefix() string           { return "role_" }
func (ServiceAccount) prefix() string { return "sa_" }
func (Key) prefix() string            { return "key_" }
func (PAT) prefix() string            { return "pat_" }
func (Session) prefix() string        { return "ses_" }
func (Credential) prefix() string     { return "cred_" }
func (Invitation) prefix() string     { return "inv_" }
func (Challenge) prefix() string      { return "chl_" }
func (Rotation) prefix() string       { return "rot_" }
func (Policy) prefix() string         { return "pol_" }
func (Calendar) prefix() string       { return "cal_" }
func (ProtectedAPI) prefix() string   { return "api_" }
func (Event) prefix() string          { return "evt_" }
func (Operation) prefix() string      { return "op_" }

// Kind is any of the identifier types.
type Kind interface {
	~string
	prefix() string
}

// Prefix returns the prefix of a kind, with its underscore.
func Prefix[T Kind]() string {
	var zero T
	return zero.prefix()
}

// New draws an identifier. It panics when the source of randomness fails: no identifier may be predictable.
func New[T Kind](rand io.Reader) T {
	body := make([]byte, Length)
	Fill(rand, body)
	return T(Prefix[T]() + string(body))
}

// Fill draws base62 characters without bias: bytes of 248 and above are drawn again.
func Fill(rand io.Reader, body []byte) {
	buf := make([]byte, len(body)+8)
	for i := 0; i < len(body); {
		if _, err := io.ReadFull(rand, buf); err != nil {
			panic(fmt.Sprintf("id: no randomness: %v", err))
		}
		for _, b := range buf {
			if b < 248 && i < len(body) {
				body[i] = Alphabet[b%62]
				i++
			}
		}
	}
}

// Parse accepts exactly the kind's prefix and 20 base62 characters.
func Parse[T Kind](s string) (T, bool) {
	p := Prefix[T]()
	if len(s) != len(p)+Length || s[:len(p)] != p || !Base62(s[len(p):]) {
		return "", false
	}
	return T(s), true
}

// Body returns the 20 characters after the prefix. The identifier must be a parsed one.
func Body[T Kind](v T) string { return string(v)[len(v.prefix()):] }

// FromBody makes an identifier of 20 base62 characters.
func FromBody[T Kind](body string) T { return T(Prefix[T]() + body) }

// Base62 tells whether every byte of s is a base62 digit.
func Base62(s string) bool {
	for i := 0; i < len(s); i++ {
		c := s[i]
		if (c < '0' || c > '9') && (c < 'A' || c > 'Z') && (c < 'a' || c > 'z') {
			return false
		}
	}
	return true
}
