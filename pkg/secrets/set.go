package secrets

import (
	"encoding/json"
	"errors"
	"fmt"
	"io"
	"slices"
	"strconv"
	"strings"
)

// MinKey is the fewest characters of a key. A generated one has 43 base62 characters, 256 bits.
const MinKey = 32

// Set is a parsed secret: a flat JSON object of texts, {"current": "v2", "v1": "…", "v2": "…"}. Versions are "v" and a
// number from 1 to 999999 without leading zeros; "current" names one of them.
type Set struct {
	Current string
	Keys    map[string][]byte // by version; the bytes of the text
}

func (s *Set) String() string {
	return "keys " + strings.Join(s.Versions(), ", ") + "; current " + s.Current
}
func (s *Set) GoString() string { return s.String() }

// MarshalText keeps the keys out of JSON and logs too.
func (s *Set) MarshalText() ([]byte, error) { return []byte(s.String()), nil }

// Versions returns the versions, lowest first.
func (s *Set) Versions() []string {
	var out []string
	for v := range s.Keys {
		out = append(out, v)
	}
	slices.SortFunc(out, func(a, b string) int { return number(a) - number(b) })
	return out
}

// Next returns the version after the highest.
func (s *Set) Next() string {
	high := 0
	for v := range s.Keys {
		high = max(high, number(v))
	}
	return "v" + strconv.Itoa(high+1)
}

// Text is the inverse of ParseSet.
func (s *Set) Text() string {
	flat := map[string]string{"current": s.Current}
	for v, k := range s.Keys {
		flat[v] = string(k)
	}
	text, err := json.Marshal(flat)
	if err != nil {
		panic("secrets: a map of texts is not JSON: " + err.Error())
	}
	return string(text)
}

// number returns the number of a version, 0 for what is none.
func number(version string) int {
	digits, ok := strings.CutPrefix(version, "v")
	n, err := strconv.Atoi(digits)
	if !ok || err != nil || n < 1 || n > 999999 || strconv.Itoa(n) != digits {
		return 0
	}
	return n
}

// ParseSet reads the text of a secret. Its errors say what is wrong and where, and quote no value.
func ParseSet(text string) (*Set, error) {
	d := json.NewDecoder(strings.NewReader(text))
	if t, err := d.Token(); err != nil || t != json.Delim('{') {
		return nil, errors.New("the secret is no JSON object")
	}
	flat := map[string]string{}
	for d.More() {
		name, err := d.Token()
		if err != nil {
			return nil, errors.New("the secret is no JSON object")
		}
		member, _ := name.(string)
		if member != "current" && number(member) == 0 {
			return nil, fmt.Errorf("member %d of the secret is neither current nor a version like v1", len(flat)+1)
		}
		value, err := d.Token()
		s, ok := value.(string)
		switch _, twice := flat[member]; {
		case err != nil || !ok:
			return nil, fmt.Errorf("%s of the secret is no text", member)
		case twice:
			return nil, fmt.Errorf("the secret has %s twice", member)
		}
		flat[member] = s
	}
	if _, err := d.Token(); err != nil {
		return nil, errors.New("the secret is no JSON object")
	}
	if _, err := d.Token(); err != io.EOF {
		return nil, errors.New("something follows the secret's JSON object")
	}

	s := &Set{Current: flat["current"], Keys: map[string][]byte{}}
	delete(flat, "current")
	for v, key := range flat {
		if len(key) < MinKey {
			return nil, fmt.Errorf("%s of the secret has fewer than %d characters", v, MinKey)
		}
		s.Keys[v] = []byte(key)
	}
	switch {
	case s.Current == "":
		return nil, errors.New("the secret has no current version")
	case s.Keys[s.Current] == nil:
		return nil, errors.New("the current version of the secret is not in it")
	}
	return s, nil
}
