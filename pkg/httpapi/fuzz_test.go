package httpapi_test

import (
	"encoding/json"
	"testing"

	"github.com/stretchr/testify/require"

	"github.com/rekey-dev/rekey/pkg/httpapi/httpapitest"
)

// Whatever a body is, it is taken, malformed or invalid; what is taken is JSON for everybody else, too.
func FuzzBody(f *testing.F) {
	for _, body := range []string{`{"name":"a"}`, `{"name":"a","tags":["b"],"owner":{"email":"e","age":1},"kind":"big","live":true}`, `[]`, `null`,
		`{"name":"\ud800"}`, `{"name":"a","name":"b"}`, `{"name":1e999}`, `{"name":"a"}{}`, `{"until":"2026-12-01T00:00:00Z"`, "\xff", `[[[[[[[[[[[[[[[[[[`} {
		f.Add(body)
	}
	a := (&things{}).api()
	f.Fuzz(func(t *testing.T, body string) {
		e := post(body).Event(t)
		e.MultiValueHeaders["Content-Type"] = []string{"application/json"}
		got := httpapitest.Send(t, a, e)
		require.Contains(t, []int{201, 400, 413, 422}, got.Status)
		if got.Status == 201 {
			require.True(t, json.Valid([]byte(body)))
		}
	})
}

// Whatever stands in the headers and the query, it is no error of ours.
func FuzzRequest(f *testing.F) {
	f.Add("GET", "/things", "limit=1&q=a", `"a", W/"b"`, "k1", "thing_1")
	f.Add("PATCH", "/things/{id}", "%zz", "*", "\x00", "../..")
	f.Add("POST", "/things/{id}/act", "cursor=AAEAAAAAAAAAAAAA", ",", "", "a/b")
	a := (&things{}).api()
	f.Fuzz(func(t *testing.T, method, resource, query, ifMatch, key, id string) {
		r := as(method, resource)
		r.ID, r.Body = id, "{}"
		r.Header = map[string]string{"If-Match": ifMatch, "Idempotency-Key": key}
		e := r.Event(t)
		e.QueryStringParameters = map[string]string{query: query, "q": query}
		e.Path = resource + id
		got := httpapitest.Send(t, a, e)
		require.Less(t, got.Status, 500, got.Body)
	})
}
