package e2e

import (
	"encoding/json"
	"fmt"
	"net/http"
	"regexp"
	"slices"
	"strings"
	"sync/atomic"
	"testing"
	"time"

	"github.com/stretchr/testify/require"

	"github.com/rekey-dev/rekey/infra/e2e/client"
)

// party is somebody who calls the API: with which credential, from which address.
type party struct {
	t      testing.TB
	source string
	header http.Header
}

// asOwner is the MSP's owner, always at the same desk.
func asOwner(t testing.TB) party {
	t.Helper()
	return party{t: t, source: "127.0.0.1", header: client.Bearer(world.owner)}
}

// stranger has no credential, and an address of its own.
func stranger(t testing.TB) party { return party{t: t, source: newSource()} }

// holding is an integration with a secret, at an address of its own.
func holding(t testing.TB, secret string) party {
	return party{t: t, source: newSource(), header: client.Bearer(secret)}
}

// sending is the same party with other headers.
func (p party) sending(header http.Header) party {
	p.header = header
	return p
}

// also is the same party with one more header.
func (p party) also(name, value string) party {
	header := p.header.Clone()
	if header == nil {
		header = http.Header{}
	}
	header.Set(name, value)
	p.header = header
	return p
}

// once is the same party with an Idempotency-Key.
func (p party) once(key string) party { return p.also("Idempotency-Key", key) }

var sources atomic.Int64

// newSource is an address of this machine that no other party has.
func newSource() string {
	n := sources.Add(1)
	return fmt.Sprintf("127.%d.%d.%d", 1+n/62500, n/250%250, 2+n%250)
}

func (p party) get(path string) reply             { return p.do(http.MethodGet, path, nil) }
func (p party) post(path string, body any) reply  { return p.do(http.MethodPost, path, body) }
func (p party) patch(path string, body any) reply { return p.do(http.MethodPatch, path, body) }
func (p party) delete(path string) reply          { return p.do(http.MethodDelete, path, nil) }
func (p party) request(method, path string, body any) client.Request {
	return client.Request{Method: method, Path: path, Body: body, Header: p.header, Source: p.source}
}

func (p party) do(method, path string, body any) reply {
	p.t.Helper()
	answer, err := world.api.Do(p.t.Context(), p.request(method, path, body))
	require.NoError(p.t, err, "%s %s", method, path)
	if answer.Violation != nil {
		p.t.Error(answer.Violation)
	}
	return reply{t: p.t, what: method + " " + path, Answer: answer}
}

// reply is an answer that a test expects something of.
type reply struct {
	client.Answer
	t    testing.TB
	what string
}

// expect fails unless the status is this one; it returns the body.
func (r reply) expect(status int) client.Object {
	r.t.Helper()
	require.Equal(r.t, status, r.Status, "%s: %s", r.what, r.Body)
	require.NotEmpty(r.t, r.Header.Get("X-Request-Id"), "%s", r.what)
	return r.Object()
}

var hyphened = regexp.MustCompile(`^urn:rekey:problem:[a-z]+(-[a-z]+)*$`)

// problem fails unless the answer is a problem of this status and code, with all that every problem has.
func (r reply) problem(status int, code string) client.Object {
	r.t.Helper()
	o := r.expect(status)
	require.Equal(r.t, "application/problem+json", r.Header.Get("Content-Type"), "%s", r.what)
	require.Equal(r.t, code, o.Text("code"), "%s: %s", r.what, r.Body)
	require.Equal(r.t, "urn:rekey:problem:"+strings.ReplaceAll(code, "_", "-"), o.Text("type"))
	require.Regexp(r.t, hyphened, o.Text("type"))
	require.NotEmpty(r.t, o.Text("title"), "%s", r.what)
	require.NotEmpty(r.t, o.Text("detail"), "%s", r.what)
	require.Equal(r.t, status, o.Number("status"))
	require.Equal(r.t, r.Header.Get("X-Request-Id"), o.Text("request_id"), "%s: one request ID everywhere", r.what)
	switch status {
	case http.StatusUnauthorized:
		require.Equal(r.t, "Bearer", r.Header.Get("Www-Authenticate"), "%s", r.what)
	case http.StatusForbidden:
		require.Contains(r.t, o, "missing_scope", "%s", r.what)
		require.Contains(r.t, o, "missing_permission", "%s", r.what)
	case http.StatusTooManyRequests, http.StatusServiceUnavailable:
		require.NotEmpty(r.t, r.Header.Get("Retry-After"), "%s", r.what)
	}
	return o
}

// invalid fails unless the answer is a 422 that points at exactly these members.
func (r reply) invalid(pointers ...string) {
	r.t.Helper()
	var got []string
	for _, e := range r.problem(http.StatusUnprocessableEntity, "invalid").Objects("errors") {
		got = append(got, e.Text("pointer"))
		require.NotEmpty(r.t, e.Text("detail"), "%s", r.what)
	}
	require.ElementsMatch(r.t, pointers, got, "%s: %s", r.what, r.Body)
}

// refused fails unless the answer is the 401 of a key, which is the same for every cause.
func (r reply) refused() {
	r.t.Helper()
	o := r.problem(http.StatusUnauthorized, "unauthorized")
	require.True(r.t, strings.HasPrefix(o.Text("detail"), "This key was not accepted: it may be mistyped, rotated, revoked, expired or locked."), "%s", r.Body)
	require.Contains(r.t, o.Text("detail"), "key-status")
	require.True(r.t, strings.HasSuffix(o.Text("detail"), "A wrong scope would be a 403."), "%s", r.Body)
	require.Len(r.t, o, 6, "the 401 says nothing about its cause: %s", r.Body)
}

// unproven fails unless the answer is the 401 of a sign-in or an enrolment, which is the same for every cause.
func (r reply) unproven() {
	r.t.Helper()
	o := r.problem(http.StatusUnauthorized, "unauthorized")
	require.True(r.t, strings.HasPrefix(o.Text("detail"), "The code, challenge or passkey was not accepted."), "%s", r.Body)
	require.NotContains(r.t, o.Text("detail"), "key-status")
	require.Len(r.t, o, 6, "the 401 says nothing about its cause: %s", r.Body)
}

// unshown fails if anything that may be kept could keep the answer's secret.
func (r reply) unshown() reply {
	r.t.Helper()
	require.Contains(r.t, r.Header.Get("Cache-Control"), "no-store", "%s", r.what)
	return r
}

var names atomic.Int64

// newName is a name that nothing else has.
func newName(t testing.TB) string {
	test, _, _ := strings.Cut(strings.TrimPrefix(t.Name(), "Test"), "/")
	return fmt.Sprintf("%.70s %d", test, names.Add(1))
}

// account makes a service account at the root node with the built-in least-privilege role, unless more says otherwise.
func (p party) account(more ...client.Object) client.Object {
	p.t.Helper()
	body := client.Object{"name": newName(p.t), "node_id": world.node}
	for _, m := range more {
		for k, v := range m {
			body[k] = v
		}
	}
	return p.post("/service-accounts", body).expect(http.StatusCreated)
}

// issued is a key with its secret.
type issued struct {
	id, secret, account string
	key                 client.Object
}

// issue makes a key for an account. Without scopes it gets those of the account's role.
func (p party) issue(account string, more ...client.Object) issued {
	p.t.Helper()
	body := client.Object{"name": newName(p.t)}
	for _, m := range more {
		for k, v := range m {
			body[k] = v
		}
	}
	o := p.post("/service-accounts/"+account+"/keys", body).unshown().expect(http.StatusCreated)
	return shown(p.t, account, o)
}

func shown(t testing.TB, account string, o client.Object) issued {
	t.Helper()
	require.Regexp(t, `^rka_[0-9A-Za-z]{20}_[0-9A-Za-z]{49}$`, o.Text("secret"))
	require.Equal(t, o.Text("key.id")[4:], o.Text("secret")[4:24], "the ID is the secret's public half")
	require.Equal(t, o.Text("secret")[:8], o.Text("key.prefix"))
	return issued{id: o.Text("key.id"), secret: o.Text("secret"), account: account, key: o.Object("key")}
}

// newKey makes an account with one key.
func newKey(t testing.TB, more ...client.Object) issued {
	t.Helper()
	p := asOwner(t)
	return p.issue(p.account().Text("id"), more...)
}

// status asks what is the matter with a secret.
func (p party) status(secret string) client.Object {
	p.t.Helper()
	return p.sending(nil).post("/key-status", client.Object{"secret": secret}).expect(http.StatusOK)
}

// guess sends wrong secrets for a key, one after the other.
func (p party) guess(secret string, from, to int) {
	p.t.Helper()
	for n := from; n < to; n++ {
		p.sending(client.Bearer(client.Wrong(secret, n))).get("/me").refused()
	}
}

// audit returns the records that a query finds, all pages of it, oldest first.
func (p party) audit(query string) []client.Object {
	p.t.Helper()
	return p.all("/audit-events?order=asc&" + query)
}

// records returns the records with an object as their target, of one action, oldest first.
func (p party) records(target, action string) []client.Object {
	p.t.Helper()
	return slices.DeleteFunc(p.audit("target_id="+target), func(r client.Object) bool { return r["action"] != action })
}

// all reads every page of a list.
func (p party) all(path string) []client.Object {
	p.t.Helper()
	var items []client.Object
	for cursor := ""; ; {
		page := p.get(path + cursor).expect(http.StatusOK)
		items = append(items, page.Objects("items")...)
		next, more := page.At("next").(string)
		if !more {
			return items
		}
		cursor = "&cursor=" + next
	}
}

func field(items []client.Object, path string) []string {
	out := make([]string, len(items))
	for i, o := range items {
		out[i] = o.Text(path)
	}
	return out
}

// eventually waits until what is true; it is for what rekey promises to happen soon and not at once.
func eventually(t testing.TB, within time.Duration, what func() bool, because string, args ...any) {
	t.Helper()
	for end := time.Now().Add(within); !what(); time.Sleep(100 * time.Millisecond) {
		if time.Now().After(end) {
			require.FailNowf(t, "not within "+within.String(), because, args...)
		}
	}
}

// inSeconds is a time from now, as the API writes times.
func inSeconds(n int) string {
	return time.Now().UTC().Truncate(time.Second).Add(time.Duration(n) * time.Second).Format(time.RFC3339)
}

func raw(t testing.TB, v any) string {
	t.Helper()
	text, err := json.Marshal(v)
	require.NoError(t, err)
	return string(text)
}
