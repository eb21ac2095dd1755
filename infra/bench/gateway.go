package main

import (
	"context"
	"crypto/rand"
	"encoding/json"
	"io"
	"log/slog"
	"net/http"
	"net/http/httptest"
	"strings"
	"sync"

	"github.com/aws/aws-lambda-go/events"

	"github.com/rekey-dev/rekey/pkg/authorizer"
	"github.com/rekey-dev/rekey/pkg/httpapi"
	"github.com/rekey-dev/rekey/pkg/httpapi/keys"
	"github.com/rekey-dev/rekey/pkg/httpapi/me"
	"github.com/rekey-dev/rekey/pkg/httpapi/rotations"
	"github.com/rekey-dev/rekey/pkg/httpapi/serviceaccounts"
	"github.com/rekey-dev/rekey/pkg/id"
)

// parallelism is how many environments of the authorizer a gateway runs at once, at most.
const parallelism = 64

// gateway stands for API Gateway and Lambda in this process: every request becomes the authorizer's event and, when that
// allows it, the proxy event of the product's own handlers. An environment of the authorizer serves one request at a time and
// is used again afterwards, as Lambda does it; a further one is made when all are busy, up to parallelism.
type gateway struct {
	d    *deployment
	api  *httpapi.API
	mux  *http.ServeMux
	idle chan *authorizer.Authorizer
	log  log

	mu   sync.Mutex
	made int // environments
}

// log keeps what the authorizers write, one line a write.
type log struct {
	mu    sync.Mutex
	lines []string
}

func (l *log) Write(p []byte) (int, error) {
	l.mu.Lock()
	defer l.mu.Unlock()
	l.lines = append(l.lines, string(p))
	return len(p), nil
}

// Lines returns the lines with a text in them (trial.World.Logs).
func (l *log) Lines(_ context.Context, containing string) ([]string, error) {
	l.mu.Lock()
	defer l.mu.Unlock()
	var out []string
	for _, line := range l.lines {
		if strings.Contains(line, containing) {
			out = append(out, line)
		}
	}
	return out, nil
}

// routes are those that the trials use.
var routes = []string{"GET /me", "POST /service-accounts", "GET /service-accounts/{id}", "POST /service-accounts/{id}/keys",
	"POST /service-accounts/{id}/revoke", "POST /service-accounts/{id}/rotate", "POST /keys/{id}/revoke", "POST /keys/{id}/deactivate",
	"POST /keys/{id}/regenerate", "POST /keys/{id}/rotate", "GET /rotations/{id}", "POST /rotations/{id}/complete"}

// serve starts a gateway before a deployment, on loopback.
func (d *deployment) serve() (*gateway, *httptest.Server) {
	g := &gateway{d: d, mux: http.NewServeMux(), idle: make(chan *authorizer.Authorizer, parallelism)}
	g.api = httpapi.New(httpapi.Settings{Now: d.clock, Rand: rand.Reader, Log: slog.New(slog.NewJSONHandler(io.Discard, nil)),
		Idempotency: d.store.Idempotency, Repeat: d.keys.Repeat})
	keys.Register(g.api, d.keys, nil, d.clock) // no trial delivers
	rotations.Register(g.api, d.rotations, d.clock)
	serviceaccounts.Register(g.api, d.accounts, d.keys, nil, d.clock)
	me.Register(g.api, d.store)
	for _, r := range routes {
		g.mux.HandleFunc(r, g.handle)
	}
	return g, httptest.NewServer(g.mux)
}

func (g *gateway) handle(w http.ResponseWriter, r *http.Request) {
	body, err := io.ReadAll(r.Body)
	if err != nil {
		http.Error(w, err.Error(), http.StatusBadRequest)
		return
	}
	_, resource, _ := strings.Cut(r.Pattern, " ")
	source, _, _ := strings.Cut(r.RemoteAddr, ":")
	e := events.APIGatewayProxyRequest{Resource: resource, Path: r.URL.Path, HTTPMethod: r.Method, MultiValueHeaders: r.Header, Body: string(body),
		RequestContext: events.APIGatewayProxyRequestContext{RequestID: string(id.New[id.Operation](rand.Reader)), Stage: "v1", ResourcePath: resource,
			HTTPMethod: r.Method, Identity: events.APIGatewayRequestIdentity{SourceIP: source, UserAgent: r.UserAgent()}}}
	if object := r.PathValue("id"); object != "" {
		e.PathParameters = map[string]string{"id": object}
	}
	status, caller := g.authorize(r.Context(), e)
	if status != http.StatusOK {
		w.WriteHeader(status)
		return
	}
	e.RequestContext.Authorizer = caller
	answer, err := g.api.Handle(r.Context(), e)
	if err != nil {
		answer.StatusCode = http.StatusInternalServerError
	}
	for name, value := range answer.Headers {
		w.Header().Set(name, value)
	}
	w.WriteHeader(answer.StatusCode)
	_, _ = io.WriteString(w, answer.Body)
}

// authorize asks an environment, as API Gateway does: its error "Unauthorized" is 401, any other 503, a Deny 403.
func (g *gateway) authorize(ctx context.Context, e events.APIGatewayProxyRequest) (status int, caller map[string]any) {
	q := e.RequestContext
	question, err := json.Marshal(map[string]any{"type": "REQUEST", "resource": e.Resource, "path": e.Path, "httpMethod": e.HTTPMethod,
		"methodArn":         "arn:aws:execute-api:us-east-1:000000000000:bench/v1/" + e.HTTPMethod + e.Path,
		"multiValueHeaders": e.MultiValueHeaders, "pathParameters": e.PathParameters, "stageVariables": map[string]string{"rekey_api": "self"},
		"requestContext": map[string]any{"requestId": q.RequestID, "identity": map[string]string{"sourceIp": q.Identity.SourceIP, "userAgent": q.Identity.UserAgent}}})
	if err != nil {
		return http.StatusInternalServerError, nil
	}
	a := g.environment()
	defer func() { g.idle <- a }()
	text, err := a.Invoke(ctx, question)
	var answer struct {
		PolicyDocument struct {
			Statement []struct{ Effect string }
		} `json:"policyDocument"`
		Context map[string]any `json:"context"`
	}
	switch {
	case err != nil && err.Error() == "Unauthorized":
		return http.StatusUnauthorized, nil
	case err != nil || json.Unmarshal(text, &answer) != nil || len(answer.PolicyDocument.Statement) != 1:
		return http.StatusServiceUnavailable, nil
	case answer.PolicyDocument.Statement[0].Effect != "Allow":
		return http.StatusForbidden, nil
	}
	return http.StatusOK, answer.Context
}

// environment returns one that is idle, a new one, or waits for one.
func (g *gateway) environment() *authorizer.Authorizer {
	select {
	case a := <-g.idle:
		return a
	default:
	}
	g.mu.Lock()
	if g.made < parallelism {
		g.made++
		g.mu.Unlock()
		return g.d.authorizer(g.d.store.Verifier, &g.log)
	}
	g.mu.Unlock()
	return <-g.idle
}
