// Package httpapitest lets tests call an API as API Gateway does: with REST proxy events, made here or read from the samples
// in events/, and with a caller as the authorizer hands it on.
package httpapitest

import (
	"bytes"
	"context"
	"encoding/json"
	"log/slog"
	"maps"
	"net/url"
	"slices"
	"strings"
	"testing"
	"time"

	"github.com/aws/aws-lambda-go/events"
	"github.com/stretchr/testify/require"

	"github.com/rekey-dev/rekey/pkg/audit"
	"github.com/rekey-dev/rekey/pkg/authz"
	"github.com/rekey-dev/rekey/pkg/httpapi"
	"github.com/rekey-dev/rekey/pkg/page"
	"github.com/rekey-dev/rekey/pkg/place"
	"github.com/rekey-dev/rekey/pkg/role"
)

// Body is the 20 characters that the IDs of tests and samples share.
const Body = "7Hq2cXv9LmN4pQr8sT1w"

// Now is the time in tests.
var Now = time.Date(2026, 11, 21, 12, 0, 0, 0, time.UTC)

// Root is the place of the MSP's root node in tests and samples; Company is a company under it.
var (
	Root    = place.Place{Path: "node_" + Body}
	Company = place.Place{Path: "node_" + Body, Company: "co_" + Body}
)

// Owner is an employee with a personal access token who may do everything.
func Owner() authz.Caller {
	r, _ := role.BuiltIn(role.Owner)
	return authz.Caller{Type: audit.Employee, ID: "emp_" + Body, Name: "Olivia Owner", KeyID: "pat_" + Body, KeyPrefix: "rkp_7Hq2",
		KeyName: "set-up", KeyExpires: "2027-02-19T12:00:00Z", KeyStatus: "active", Auth: "secret", RoleID: r.ID, Place: Root,
		Role: r.Permissions, Effective: r.Permissions}
}

// Viewer is an employee who may read everything but the audit log.
func Viewer() authz.Caller {
	c := Owner()
	r, _ := role.BuiltIn(role.Viewer)
	c.RoleID, c.Role, c.Effective = r.ID, r.Permissions, r.Permissions
	return c
}

// Integration is a service account of the company, with a key that carries all that its role has.
func Integration() authz.Caller {
	r, _ := role.BuiltIn(role.Integration)
	return authz.Caller{Type: audit.ServiceAccount, ID: "sa_" + Body, Name: "Ticket bridge", KeyID: "key_" + Body,
		KeyPrefix: "rka_7Hq2", KeyName: "primary", KeyStatus: "active", Auth: "secret", RoleID: r.ID, Place: Company,
		Role: r.Permissions, Effective: r.Permissions, OwnAccount: r.OwnAccount}
}

// Keys is one key for cursors.
type Keys struct{}

var cursorKey = []byte(strings.Repeat("k", 43))

// Current returns the only version.
func (Keys) Current(context.Context) (string, []byte, error) { return "v1", cursorKey, nil }

// Key knows the only version.
func (Keys) Key(_ context.Context, version string) ([]byte, bool, error) {
	return cursorKey, version == "v1", nil
}

// zeros is a source of no randomness at all, so that what is made from it is the same every time.
type zeros struct{}

func (zeros) Read(p []byte) (int, error) {
	clear(p)
	return len(p), nil
}

// API makes an API at Now with cursors, whose log goes to the buffer, which may be nil. Operations are to be registered.
func API(log *bytes.Buffer, change ...func(*httpapi.Settings)) *httpapi.API {
	if log == nil {
		log = &bytes.Buffer{}
	}
	now := func() time.Time { return Now }
	s := httpapi.Settings{Now: now, Rand: zeros{}, Log: slog.New(slog.NewJSONHandler(log, nil)),
		Cursors: &page.Sealer{Keys: Keys{}, Now: now, Rand: zeros{}}}
	for _, c := range change {
		c(&s)
	}
	return httpapi.New(s)
}

// Request is a call, in short.
type Request struct {
	Method   string
	Resource string // path template; {id} is ID
	ID       string
	Query    string
	Body     string // JSON, unless Header says otherwise
	Header   map[string]string
	Caller   *authz.Caller // nil for none
	Context  map[string]string
}

// Event is the proxy event of the call.
func (r Request) Event(t *testing.T) events.APIGatewayProxyRequest {
	t.Helper()
	query, err := url.ParseQuery(r.Query)
	require.NoError(t, err)
	e := events.APIGatewayProxyRequest{
		Resource: r.Resource, Path: strings.ReplaceAll(r.Resource, "{id}", r.ID), HTTPMethod: r.Method,
		MultiValueHeaders: map[string][]string{"User-Agent": {"test/1"}}, MultiValueQueryStringParameters: query, Body: r.Body,
		RequestContext: events.APIGatewayProxyRequestContext{RequestID: "request-1", Stage: "v1", ResourcePath: r.Resource,
			HTTPMethod: r.Method, Identity: events.APIGatewayRequestIdentity{SourceIP: "192.0.2.7", UserAgent: "test/1"}},
	}
	if strings.Contains(r.Resource, "{id}") {
		e.PathParameters = map[string]string{"id": r.ID}
	}
	if r.Body != "" {
		e.MultiValueHeaders["Content-Type"] = []string{"application/json"}
	}
	for k, v := range r.Header {
		e.MultiValueHeaders[k] = []string{v}
	}
	if r.Caller != nil {
		e.RequestContext.Authorizer = r.Caller.Context()
		for k, v := range r.Context {
			e.RequestContext.Authorizer[k] = v
		}
	}
	return e
}

// Do makes the call.
func (r Request) Do(t *testing.T, a *httpapi.API) Response {
	t.Helper()
	return Send(t, a, r.Event(t))
}

// Response is what came back.
type Response struct {
	Status int
	Header map[string]string
	Body   string
}

// Send hands an event to an API. Whatever comes back must have an ID, must not be kept by caches, and must be one of the
// answers that the OpenAPI document has for the operation.
func Send(t *testing.T, a *httpapi.API, e events.APIGatewayProxyRequest) Response {
	t.Helper()
	out, err := a.Handle(t.Context(), e)
	require.NoError(t, err)
	require.Equal(t, e.RequestContext.RequestID, out.Headers["X-Request-Id"])
	require.Equal(t, "no-store", out.Headers["Cache-Control"])
	documented(t, a, e, out)
	return Response{Status: out.StatusCode, Header: out.Headers, Body: out.Body}
}

// JSON reads the body.
func (r Response) JSON(t *testing.T) map[string]any {
	t.Helper()
	var out map[string]any
	require.NoError(t, json.Unmarshal([]byte(r.Body), &out), r.Body)
	return out
}

// Problem requires a problem of a status and a code, and returns it.
func (r Response) Problem(t *testing.T, status int, code string) map[string]any {
	t.Helper()
	require.Equal(t, status, r.Status, r.Body)
	require.Equal(t, "application/problem+json", r.Header["Content-Type"])
	p := r.JSON(t)
	require.Equal(t, code, p["code"])
	require.Equal(t, "urn:rekey:problem:"+strings.ReplaceAll(code, "_", "-"), p["type"])
	require.EqualValues(t, status, p["status"])
	require.NotEmpty(t, p["title"])
	require.NotEmpty(t, p["detail"])
	require.Equal(t, r.Header["X-Request-Id"], p["request_id"])
	return p
}

// Invalid requires a 422 that names exactly these pointers, in their order.
func (r Response) Invalid(t *testing.T, pointers ...string) {
	t.Helper()
	var got []string
	for _, e := range r.Problem(t, 422, "invalid")["errors"].([]any) {
		got = append(got, e.(map[string]any)["pointer"].(string))
	}
	require.Equal(t, pointers, got, r.Body)
}

// Members are the names of an object's members, sorted, for a comparison with what the API's documentation lists.
func Members(object any) []string { return slices.Sorted(maps.Keys(object.(map[string]any))) }

// Words are the sorted words of a text.
func Words(text string) []string {
	words := strings.Fields(text)
	slices.Sort(words)
	return words
}

// Items are the objects of a list.
func (r Response) Items(t *testing.T) []map[string]any {
	t.Helper()
	require.Equal(t, 200, r.Status, r.Body)
	var out []map[string]any
	for _, item := range r.JSON(t)["items"].([]any) {
		out = append(out, item.(map[string]any))
	}
	return out
}
