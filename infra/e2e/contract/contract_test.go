package contract

import (
	"net/http"
	"net/url"
	"testing"

	"github.com/stretchr/testify/require"
)

const sample = `{"openapi":"3.1.0","info":{"title":"t","version":"1"},"paths":{
 "/keys/{id}":{"get":{
  "parameters":[{"name":"id","in":"path","required":true,"schema":{"type":"string","pattern":"^key_"}},
                {"name":"limit","in":"query","schema":{"type":"integer","minimum":1,"maximum":100}}],
  "responses":{
   "200":{"description":"","content":{"application/json":{"schema":{"$ref":"#/components/schemas/Key"}},"text/csv":{"schema":{"type":"string"}}},
          "headers":{"ETag":{"schema":{"type":"string","pattern":"^\""}}}},
   "default":{"description":"","content":{"application/problem+json":{"schema":{"$ref":"#/components/schemas/Problem"}}}}}},
  "delete":{"responses":{"204":{"description":""}}},
  "post":{"requestBody":{"required":true,"content":{"application/json":{"schema":{"$ref":"#/components/schemas/Key"}}}},
   "responses":{"200":{"description":"","content":{"application/json":{"schema":true}}}}}}},
 "components":{"schemas":{
  "Key":{"type":"object","additionalProperties":false,"required":["id","expires_at"],"properties":{
   "id":{"type":"string"},"expires_at":{"type":["string","null"],"format":"date-time"}}},
  "Problem":{"type":"object","required":["code"],"properties":{"code":{"type":"string"}}}}}}`

func TestCheck_HoldsResponsesAndAcceptedRequestsAgainstTheDocument(t *testing.T) {
	c, err := New([]byte(sample))
	require.NoError(t, err)
	object := http.Header{"Content-Type": {"application/json; charset=utf-8"}, "Etag": {`"1"`}}
	problem := http.Header{"Content-Type": {"application/problem+json"}}
	good := `{"id":"key_1","expires_at":null}`
	get := func(status int, h http.Header, body string) Exchange {
		return Exchange{Method: "GET", Path: "/keys/key_1", Status: status, Header: h, ResponseBody: []byte(body)}
	}
	post := func(body string) Exchange {
		return Exchange{Method: "POST", Path: "/keys/key_1", Status: 200, Header: object, ResponseBody: []byte(`{}`), RequestBody: []byte(body)}
	}
	with := func(x Exchange, query string) Exchange {
		x.Query, _ = url.ParseQuery(query)
		return x
	}
	for name, x := range map[string]Exchange{
		"a good answer":             get(200, object, good),
		"a time":                    get(200, object, `{"id":"key_1","expires_at":"2026-12-01T00:00:00Z"}`),
		"a file":                    get(200, http.Header{"Content-Type": {"text/csv; charset=utf-8"}}, "id\r\nkey_1\r\n"),
		"an error":                  get(404, problem, `{"code":"not_found"}`),
		"a query in range":          with(get(200, object, good), "limit=7"),
		"a refused query":           with(get(422, problem, `{"code":"invalid"}`), "limit=700&x=y"),
		"no body":                   {Method: "DELETE", Path: "/keys/key_1", Status: 204},
		"a good body":               post(good),
		"another path, not found":   {Method: "GET", Path: "/nothing", Status: 404},
		"another method, not found": {Method: "PUT", Path: "/keys/key_1", Status: 404},
	} {
		_, err := c.Check(x)
		require.NoError(t, err, name)
	}
	for name, x := range map[string]Exchange{
		"a type of no document":   get(200, http.Header{"Content-Type": {"text/plain"}}, "id"),
		"a missing member":        get(200, object, `{"id":"key_1"}`),
		"an unknown member":       get(200, object, `{"id":"key_1","expires_at":null,"secret":"x"}`),
		"no time":                 get(200, object, `{"id":"key_1","expires_at":"tomorrow"}`),
		"an error that is none":   get(404, problem, `{}`),
		"the wrong content type":  get(200, problem, good),
		"a status that is not in": {Method: "DELETE", Path: "/keys/key_1", Status: 200},
		"a body where none is":    {Method: "DELETE", Path: "/keys/key_1", Status: 204, ResponseBody: []byte("x")},
		"a header":                get(200, http.Header{"Content-Type": {"application/json"}, "Etag": {"1"}}, good),
		"a query out of range":    with(get(200, object, good), "limit=700"),
		"an unknown query":        with(get(200, object, good), "limits=7"),
		"an unknown body member":  post(`{"id":"key_1","expires_at":null,"x":1}`),
		"a body that is missing":  post(""),
		"a path that opened":      {Method: "GET", Path: "/nothing", Status: 200},
	} {
		_, err := c.Check(x)
		require.Error(t, err, name)
	}
}
