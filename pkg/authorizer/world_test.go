package authorizer_test

import (
	"context"
	"encoding/json"
	"maps"
	"testing"

	"github.com/stretchr/testify/require"

	"github.com/rekey-dev/rekey/pkg/authorizer"
	"github.com/rekey-dev/rekey/pkg/rekeytest"
	"github.com/rekey-dev/rekey/pkg/token"
)

// routes are a few of rekey's own, of every kind.
const routes authorizer.Table = `GET /me	
GET /keys/{id}	keys:read
GET /nodes	nodes:read
GET /rotations	rotations:read
POST /service-accounts/{id}/keys	keys:issue	user.updated/key.issued/service_account
POST /keys/{id}/revoke	keys:revoke	user.updated/key.revoked/key
POST /service-accounts	service_accounts:create	service_account.created//place
`

// gate is an authorizer in front of a world.
type gate struct {
	*rekeytest.World
	a       *authorizer.Authorizer
	reports []authorizer.Report
}

func newGate(t rekeytest.TB) *gate {
	g := &gate{World: rekeytest.New(t)}
	g.a = &authorizer.Authorizer{Verifier: g.Verifier, Now: g.Clock.Now, Routes: routes,
		Report: func(_ context.Context, r authorizer.Report) { g.reports = append(g.reports, r) }}
	return g
}

// request is what a caller sends, and where to.
type request struct {
	route   string // METHOD /path/{template}
	id      string // the path parameter
	headers map[string][]string
	ip      string
	agent   string
	foreign bool // to another API than rekey's own
}

// of makes a request with a secret.
func of(route string, s token.Secret) request {
	return request{route: route, headers: map[string][]string{"Authorization": {"Bearer " + s.Reveal()}}}
}

// with makes a request with headers.
func with(headers map[string][]string) request { return request{route: "GET /me", headers: headers} }

// event is the request as a REST API asks about it.
func (r request) event(t rekeytest.TB) []byte {
	method, path, _ := cut(r.route)
	if r.ip == "" {
		r.ip = rekeytest.Home
	}
	last := map[string]string{}
	for name, values := range r.headers {
		if len(values) > 0 {
			last[name] = values[len(values)-1]
		}
	}
	stage := map[string]string{"rekey_api": "self"}
	if r.foreign {
		stage = map[string]string{"colour": "blue"}
	}
	out, err := json.Marshal(map[string]any{"type": "REQUEST", "methodArn": arn(method, path), "resource": path, "path": path,
		"httpMethod": method, "headers": last, "multiValueHeaders": maps.Clone(r.headers), "stageVariables": stage,
		"pathParameters": map[string]string{"id": r.id}, "requestContext": map[string]any{"requestId": "req-1", "identity": map[string]string{
			"sourceIp": r.ip, "userAgent": r.agent}}})
	require.NoError(t, err)
	return out
}

func arn(method, path string) string {
	return "arn:aws:execute-api:eu-central-1:123456789012:a1b2c3d4e5/v1/" + method + path
}

func cut(route string) (method, path string, ok bool) {
	for i := range route {
		if route[i] == ' ' {
			return route[:i], route[i+1:], true
		}
	}
	return route, "", false
}

// answer is a policy as the gateway reads it.
type answer struct {
	PrincipalID    string `json:"principalId"`
	PolicyDocument struct {
		Version   string
		Statement []struct{ Action, Effect, Resource string }
	} `json:"policyDocument"`
	Context map[string]string `json:"context"`
}

func (a answer) effect() string { return a.PolicyDocument.Statement[0].Effect }

// ask asks about a request; the error is the authorizer's.
func (g *gate) ask(r request) (answer, error) {
	g.T.Helper()
	out, err := g.a.Invoke(g.Ctx, r.event(g.T))
	if err != nil {
		require.Empty(g.T, out, "an error has no answer")
		return answer{}, err
	}
	var a answer
	require.NoError(g.T, json.Unmarshal(out, &a))
	return a, nil
}

func (g *gate) allows(r request) answer {
	g.T.Helper()
	a, err := g.ask(r)
	require.NoError(g.T, err)
	require.Equal(g.T, "Allow", a.effect(), a.Context["detail"])
	return a
}

func (g *gate) denies(r request) answer {
	g.T.Helper()
	a, err := g.ask(r)
	require.NoError(g.T, err)
	require.Equal(g.T, "Deny", a.effect())
	return a
}

// unauthorized requires the one error that the gateway answers with 401.
func (g *gate) unauthorized(r request) {
	g.T.Helper()
	_, err := g.ask(r)
	require.EqualError(g.T, err, "Unauthorized")
}

// unavailable requires another error, which the gateway answers with 503.
func (g *gate) unavailable(r request) {
	g.T.Helper()
	_, err := g.ask(r)
	require.Error(g.T, err)
	require.NotEqual(g.T, "Unauthorized", err.Error())
}

// forget lets go of what was gathered, so that a million requests need no more room than one.
func (g *gate) forget() {
	g.reports = g.reports[:0]
	g.Store.Reset()
}

func (g *gate) last() authorizer.Report { return g.reports[len(g.reports)-1] }

func key(t *testing.T, g *gate) token.Secret {
	t.Helper()
	return g.Issue(g.Account("Recorder", g.Company).ID, "k").Secret
}
