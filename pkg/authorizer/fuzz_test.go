package authorizer_test

import (
	"bytes"
	"encoding/base64"
	"os"
	"path/filepath"
	"strings"
	"testing"
	"time"
	"unicode/utf8"

	"github.com/stretchr/testify/require"
)

// FuzzEvent sends whatever bytes, in which SECRET stands for the secret of a key, as an event: nothing panics, an answer and
// an error never come together, and without the secret nothing is allowed.
func FuzzEvent(f *testing.F) {
	samples, err := filepath.Glob("testdata/*-request.json")
	require.NoError(f, err)
	for _, name := range samples {
		text, err := os.ReadFile(name)
		require.NoError(f, err)
		f.Add(text)
		f.Add(bytes.ReplaceAll(text, []byte("Bearer SECRET"), []byte("Basic a2V5Xzp4")))
		f.Add(bytes.ReplaceAll(text, []byte(`"headers"`), []byte(`"HEADERS"`)))
	}
	for _, text := range []string{`{}`, `null`, `{"headers":null,"multiValueHeaders":{"authorization":[]}}`,
		`{"version":"2.0","headers":{"authorization":"Bearer SECRET","Authorization":"x"}}`,
		`{"headers":{"X-API-KEY":["SECRET"]},"stageVariables":{"rekey_api":"self"},"httpMethod":"GET","resource":"/me"}`} {
		f.Add([]byte(text))
	}
	g := newGate(f)
	k := g.Issue(g.Account("Recorder", g.Company).ID, "k")
	f.Fuzz(func(t *testing.T, payload []byte) {
		g.Advance(31 * time.Minute) // so that no lock is left of the input before
		g.forget()
		out, err := g.a.Invoke(g.Ctx, bytes.ReplaceAll(payload, []byte("SECRET"), []byte(k.Secret.Reveal())))
		if (err == nil) == (len(out) == 0) {
			t.Fatalf("%q with %v", out, err)
		}
		if err == nil && !bytes.Contains(payload, []byte("SECRET")) {
			t.Fatalf("without the secret: %s", out)
		}
		if bytes.Contains(out, []byte(k.Secret.Reveal()[25:68])) {
			t.Fatal("the answer holds the secret")
		}
	})
}

// FuzzHeaders sends up to three credentials: exactly one in a known form is let in, anything else is a 401.
func FuzzHeaders(f *testing.F) {
	f.Add("Bearer SECRET", "", "", byte(1))
	f.Add("bearer SECRET", "", "", byte(1))
	f.Add("", "SECRET", "", byte(2))
	f.Add("Bearer SECRET", "SECRET", "", byte(3))
	f.Add("Bearer SECRET", "", "Bearer SECRET", byte(5))
	f.Add("Basic ID", "", "", byte(1))
	f.Add("Bearer  SECRET", "", "", byte(1))
	f.Add("Bearer SECRET\n", "", "", byte(1))
	f.Add("", "Bearer SECRET", "", byte(2))
	g := newGate(f)
	k := g.Issue(g.Account("Recorder", g.Company).ID, "k")
	s, user := k.Secret.Reveal(), string(k.View.Key.ID)
	f.Fuzz(func(t *testing.T, authorization, apiKey, second string, which byte) {
		g.T = t
		g.Advance(31 * time.Minute)
		g.forget()
		fill := strings.NewReplacer("SECRET", s, "ID", base64.StdEncoding.EncodeToString([]byte(user+":"+s)))
		h := headers{}
		right := 0
		if which&1 != 0 {
			h["Authorization"] = append(h["Authorization"], fill.Replace(authorization))
			right = accepted(h["Authorization"][0], user, s)
		}
		if which&2 != 0 {
			h["X-API-Key"] = []string{fill.Replace(apiKey)}
			if h["X-API-Key"][0] == s {
				right++
			}
		}
		if which&4 != 0 {
			h["authorization"] = []string{fill.Replace(second)}
			right += accepted(h["authorization"][0], user, s)
		}
		for _, values := range h {
			if !utf8.ValidString(values[0]) {
				return // no event has such a header
			}
		}
		a, err := g.ask(with(h))
		if len(h) == 1 && right == 1 {
			require.NoError(t, err)
			require.Equal(t, string(k.View.Account.ID), a.PrincipalID)
			return
		}
		require.EqualError(t, err, "Unauthorized")
	})
}

// accepted tells, without the authorizer's own code, whether an Authorization header is one that is let in.
func accepted(header, user, secret string) int {
	if len(header) == len("Bearer ")+len(secret) && strings.EqualFold(header[:7], "Bearer ") && header[7:] == secret {
		return 1
	}
	if len(header) > 6 && strings.EqualFold(header[:6], "Basic ") {
		plain, err := base64.StdEncoding.DecodeString(header[6:])
		if err == nil && string(plain) == user+":"+secret {
			return 1
		}
	}
	return 0
}
