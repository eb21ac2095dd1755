package rekeyapi

import (
	"crypto/tls"
	"crypto/x509"
	"io"
	"log"
	"net/http"
	"net/http/httptest"
	"strings"
	"testing"

	"github.com/stretchr/testify/require"

	"github.com/rekey-dev/rekey/pkg/id"
	"github.com/rekey-dev/rekey/pkg/secretrotation"
	"github.com/rekey-dev/rekey/pkg/token"
)

const key = id.Key("key_7Hq2c9XwTz0aB3dE5fG6")

func secretOf(k id.Key) token.Secret {
	return token.Mint(token.ServiceAccountKey, id.Body(k), strings.NewReader(strings.Repeat("x", 64)))
}

// serve starts an API over TLS and a client that trusts it.
func serve(t *testing.T, handle http.HandlerFunc) (*Client, string) {
	server := httptest.NewTLSServer(handle)
	t.Cleanup(server.Close)
	pool := x509.NewCertPool()
	pool.AddCert(server.Certificate())
	return &Client{http: httpClient(&tls.Config{RootCAs: pool})}, server.URL + "/v1/"
}

func TestCheckURL_OnlyTLSOrThisMachine_D2(t *testing.T) {
	c := New()
	for _, good := range []string{"https://abc.execute-api.eu-central-1.amazonaws.com/v1", "https://rekey.example:8443", "http://127.0.0.1:4566/_aws/execute-api/x/v1",
		"http://[::1]:1/v1", "http://localhost/v1"} {
		require.NoError(t, c.CheckURL(good), good)
	}
	for _, bad := range []string{"", "rekey.example/v1", "http://rekey.example/v1", "http://169.254.169.254/v1", "http://127.0.0.1.example/v1", "ftp://rekey.example",
		"https://", "https://user:hunter2@rekey.example/v1", "https://rekey.example/v1?x=hunter2", "https://rekey.example/v1#hunter2", "https://rekey.example?", "\x7f"} {
		err := c.CheckURL(bad)
		require.Error(t, err, bad)
		require.NotContains(t, err.Error(), "hunter2")
	}
}

func TestRotateSelf_SendsThePresentSecretAndTheTokenAndReadsTheNext_B5(t *testing.T) {
	next := secretOf("key_00000000000000000002")
	c, base := serve(t, func(w http.ResponseWriter, r *http.Request) {
		body, err := io.ReadAll(r.Body)
		require.NoError(t, err)
		require.Equal(t, "POST /v1/me/key/rotate {}", r.Method+" "+r.URL.Path+" "+string(body))
		require.Equal(t, "Bearer "+secretOf(key).Reveal(), r.Header.Get("Authorization"))
		require.Equal(t, "token", r.Header.Get("Idempotency-Key"))
		w.WriteHeader(http.StatusCreated)
		_, _ = io.WriteString(w, `{"rotation":{"id":"rot_1"},"key":{"id":"key_00000000000000000002"},"secret":"`+next.Reveal()+`"}`)
	})
	k, secret, err := c.RotateSelf(t.Context(), base, secretOf(key), "token")
	require.NoError(t, err)
	require.Equal(t, id.Key("key_00000000000000000002"), k)
	require.Equal(t, next.Reveal(), secret.Reveal())
}

func TestRotateSelf_AnAnswerWithoutItsSecretIsTold_B6(t *testing.T) {
	answer := `{"key":{"id":"key_00000000000000000002"},"secret_withheld":true}`
	c, base := serve(t, func(w http.ResponseWriter, _ *http.Request) { _, _ = io.WriteString(w, answer) })
	k, secret, err := c.RotateSelf(t.Context(), base, secretOf(key), "token")
	require.NoError(t, err)
	require.Equal(t, id.Key("key_00000000000000000002"), k)
	require.True(t, secret.IsZero())
	for _, answer = range []string{`{}`, `{"key":{"id":"x"}}`, `{"key":{"id":"key_00000000000000000002"},"secret":"hunter2"}`,
		`{"key":{"id":"key_00000000000000000002"},"secret":"` + secretOf(key).Reveal() + `"}`, `hunter2`, strings.Repeat(" ", maxAnswer+1)} {
		_, _, err := c.RotateSelf(t.Context(), base, secretOf(key), "token")
		require.Error(t, err)
		require.NotContains(t, err.Error(), "hunter2")
	}
}

func TestMe_TellsWhoseSecretItIs_B5(t *testing.T) {
	answer := `{"key":{"id":"` + string(key) + `"}}`
	c, base := serve(t, func(w http.ResponseWriter, r *http.Request) {
		require.Equal(t, "GET /v1/me", r.Method+" "+r.URL.Path)
		_, _ = io.WriteString(w, answer)
	})
	k, err := c.Me(t.Context(), base, secretOf(key))
	require.NoError(t, err)
	require.Equal(t, key, k)
	answer = `{"key":null}`
	_, err = c.Me(t.Context(), base, secretOf(key))
	require.ErrorContains(t, err, "the caller is no key")
}

func TestKeyStatus_IsAskedWithoutSigningIn_B5(t *testing.T) {
	c, base := serve(t, func(w http.ResponseWriter, r *http.Request) {
		body, err := io.ReadAll(r.Body)
		require.NoError(t, err)
		require.JSONEq(t, `{"secret":"`+secretOf(key).Reveal()+`"}`, string(body))
		require.Empty(t, r.Header.Get("Authorization"))
		_, _ = io.WriteString(w, `{"status":"active","detail":"…"}`)
	})
	status, err := c.KeyStatus(t.Context(), base, secretOf(key))
	require.NoError(t, err)
	require.Equal(t, "active", status)
}

func TestCall_ProblemsAreToldWithoutSecrets_D2(t *testing.T) {
	calls := 0
	c, base := serve(t, func(w http.ResponseWriter, r *http.Request) {
		calls++
		w.WriteHeader(http.StatusForbidden)
		_, _ = io.WriteString(w, `{"code":"missing_scope","detail":"`+r.Header.Get("Authorization")+strings.Repeat(" long", 100)+`","request_id":"r1"}`)
	})
	_, err := c.Me(t.Context(), base, secretOf(key))
	var p *secretrotation.APIError
	require.ErrorAs(t, err, &p)
	require.Equal(t, "missing_scope", p.Code)
	require.Equal(t, 403, p.Status)
	require.NotContains(t, err.Error(), secretOf(key).Reveal()[25:])
	require.Less(t, len(err.Error()), 500)
	require.Equal(t, 1, calls, "a refusal is not asked again")
}

func TestCall_TriesAgainWhatMayPassAndFollowsNoRedirect(t *testing.T) {
	for name, c := range map[string]struct {
		answers []int // 0 for none at all
		want    int   // calls
		ok      bool
	}{
		"an error of the service":     {[]int{503, 502, 200}, 3, true},
		"a throttle":                  {[]int{429, 200}, 2, true},
		"no answer":                   {[]int{0, 200}, 2, true},
		"three of them":               {[]int{500, 502, 500, 200}, 3, false},
		"a redirect is none of those": {[]int{307, 200}, 1, false},
	} {
		calls := 0
		client, base := serve(t, func(w http.ResponseWriter, r *http.Request) {
			calls++
			status := c.answers[calls-1]
			if status == 0 {
				panic(http.ErrAbortHandler)
			}
			w.Header().Set("Location", "/elsewhere")
			w.WriteHeader(status)
			_, _ = io.WriteString(w, `{"key":{"id":"`+string(key)+`"}}`)
		})
		_, err := client.Me(t.Context(), base, secretOf(key))
		require.Equal(t, c.ok, err == nil, "%s: %v", name, err)
		require.Equal(t, c.want, calls, name)
	}
}

func TestCall_AStrangersCertificateGetsNoSecret_D2(t *testing.T) {
	server := httptest.NewUnstartedServer(http.HandlerFunc(func(http.ResponseWriter, *http.Request) { t.Error("was called") }))
	server.Config.ErrorLog = log.New(io.Discard, "", 0)
	server.StartTLS()
	defer server.Close()
	_, err := New().Me(t.Context(), server.URL, secretOf(key))
	require.ErrorContains(t, err, "certificate")
}
