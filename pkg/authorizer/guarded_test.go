package authorizer_test

import (
	"bytes"
	"encoding/json"
	"os"
	"strings"
	"testing"
	"time"

	"github.com/stretchr/testify/require"

	"github.com/rekey-dev/rekey/pkg/apikey"
	"github.com/rekey-dev/rekey/pkg/audit"
	"github.com/rekey-dev/rekey/pkg/fault"
	"github.com/rekey-dev/rekey/pkg/permission"
	"github.com/rekey-dev/rekey/pkg/place"
	"github.com/rekey-dev/rekey/pkg/protectedapi"
	"github.com/rekey-dev/rekey/pkg/rekeytest"
	"github.com/rekey-dev/rekey/pkg/role"
	"github.com/rekey-dev/rekey/pkg/token"
	"github.com/rekey-dev/rekey/pkg/verify"
)

// recording is a request to the recordings API, in one of the shapes in which API Gateway asks.
func recording(t rekeytest.TB, shape, method, path string, s token.Secret) []byte {
	const arn = "arn:aws:execute-api:eu-central-1:123456789012:r1e2c3o4r5/prod/"
	e := map[string]any{"type": "REQUEST", "methodArn": arn + method + path, "resource": path, "httpMethod": method,
		"headers": map[string]string{"Authorization": "Bearer " + s.Reveal()}, "stageVariables": map[string]string{"colour": "blue"},
		"requestContext": map[string]any{"requestId": "req-1", "identity": map[string]string{"sourceIp": rekeytest.Home}}}
	switch shape {
	case "http1":
		e["version"] = "1.0"
	case "http2", "http2-any": // an HTTP API's route may be one for any method
		key := method + " " + path
		if shape == "http2-any" {
			key = "ANY " + path
		}
		if path == "$default" {
			key = path
		}
		e = map[string]any{"version": "2.0", "type": "REQUEST", "routeArn": arn + method + path, "routeKey": key, "headers": e["headers"],
			"requestContext": map[string]any{"requestId": "req-1", "http": map[string]string{"method": method, "sourceIp": rekeytest.Home}}}
	}
	out, err := json.Marshal(e)
	require.NoError(t, err)
	return out
}

// record asks about a request to the recordings API and returns whether it is allowed, with the context.
func (g *gate) record(shape, method, path string, s token.Secret) (bool, map[string]string) {
	g.T.Helper()
	out, err := g.a.Invoke(g.Ctx, recording(g.T, shape, method, path, s))
	require.NoError(g.T, err)
	var a struct {
		answer
		IsAuthorized bool `json:"isAuthorized"`
	}
	require.NoError(g.T, json.Unmarshal(out, &a))
	if shape == "http2" || shape == "http2-any" {
		return a.IsAuthorized, a.Context
	}
	return a.effect() == "Allow", a.Context
}

// recorder is a key of an account in the world's company.
func (g *gate) recorder(scopes ...string) apikey.Shown {
	g.T.Helper()
	a := g.AccountWith(string("Recorder "+g.Now().String()), g.Company, role.Integration)
	g.Advance(time.Second)
	return g.IssueWith(a.ID, apikey.Issue{Name: "k", Scopes: &scopes})
}

var shapes = []string{"rest", "http1", "http2", "http2-any"}

func TestInvoke_AProtectedAPIsRoutesAreOpenToWhoHoldsTheirScope_B12(t *testing.T) {
	g := newGate(t)
	g.Register(rekeytest.Recordings(g.Below))
	k := g.recorder("recordings:read", "recordings:export")
	for _, shape := range shapes {
		for _, open := range []string{"/recordings", "/recordings/{id}"} {
			ok, ctx := g.record(shape, "GET", open, k.Secret)
			require.True(t, ok, "%s %s: %s", shape, open, ctx["detail"])
			require.Equal(t, string(k.View.Key.ID), ctx["key"])
			require.Equal(t, string(g.Company.Company), ctx["company"])
		}
		ok, ctx := g.record(shape, "DELETE", "/recordings/{id}", k.Secret)
		require.False(t, ok)
		require.Equal(t, map[string]string{"code": "missing_permission", "problem": "missing-permission", "title": "The role lacks a permission",
			"detail":        "The role role_BuiltinIntegration00 lacks recordings:delete; another key will not help.",
			"missing_scope": "", "missing_permission": "recordings:delete"}, ctx)
		require.Equal(t, verify.Forbidden, g.last().Class)
		require.Equal(t, "recordings:delete", g.last().Lacks)

		ok, _ = g.record(shape, "PUT", "/recordings/{id}/export", k.Secret)
		require.True(t, ok, "a route for any method")
		ok, ctx = g.record(shape, "POST", "/recordings/{id}/export", k.Secret)
		require.False(t, ok, "unless the method has its own")
		require.Equal(t, "recordings:write", ctx["missing_permission"])
	}
	for _, shape := range []string{"http1", "http2"} {
		ok, ctx := g.record(shape, "GET", "$default", k.Secret)
		require.False(t, ok)
		require.Equal(t, "recordings:write", ctx["missing_permission"])
	}
}

func TestSamples_OfAProtectedAPIAreAnswered_B12(t *testing.T) {
	for _, shape := range []string{"rest", "http1", "http2"} {
		g := newGate(t)
		g.Register(rekeytest.Recordings(g.Root))
		text, err := os.ReadFile("../../events/authorizer-protected-" + shape + ".json")
		require.NoError(t, err)
		for scope, allowed := range map[string]bool{"recordings:read": true, "recordings:export": false} {
			out, err := g.a.Invoke(g.Ctx, bytes.ReplaceAll(text, []byte("SECRET"), []byte(g.recorder(scope).Secret.Reveal())))
			require.NoError(t, err)
			require.Equal(t, allowed, strings.Contains(string(out), `"Allow"`) || strings.Contains(string(out), `"isAuthorized":true`), "%s: %s", shape, out)
			require.Equal(t, !allowed, strings.Contains(string(out), `"missing_scope":"recordings:read"`))
		}
	}
}

func TestInvoke_AProtectedAPINamesTheScopeThatAKeyLacks_D5_B12(t *testing.T) {
	g := newGate(t)
	g.Register(rekeytest.Recordings(g.Root))
	narrow := g.recorder("recordings:export")
	ok, ctx := g.record("rest", "GET", "/recordings", narrow.Secret)
	require.False(t, ok)
	require.Equal(t, "missing_scope", ctx["code"])
	require.Equal(t, "recordings:read", ctx["missing_scope"])
	require.Equal(t, "This key lacks recordings:read, which its account's role has. Issue a key with it, deploy it, then revoke this one.", ctx["detail"])
	bare := g.Issue(g.AccountWith("bare", g.Company, role.Integration).ID, "snapshot")
	ok, ctx = g.record("rest", "GET", "/recordings", bare.Secret)
	require.False(t, ok, "a key holds protected scopes by name only")
	require.Equal(t, "recordings:read", ctx["missing_scope"])
	for p, opens := range map[*rekeytest.Person]bool{g.Owner: true, g.Admin: true, g.Operator: false, g.Viewer: false} {
		ok, _ := g.record("rest", "GET", "/recordings", p.Secret)
		require.True(t, ok, "a role that reads everything reads recordings")
		ok, _ = g.record("rest", "DELETE", "/recordings/{id}", p.Secret)
		require.Equal(t, opens, ok)
	}
}

func TestInvoke_ARouteThatIsNotRegisteredIsDeniedAndNamed_B12(t *testing.T) {
	g := newGate(t)
	g.Register(rekeytest.Recordings(g.Root))
	for _, shape := range shapes {
		for method, path := range map[string]string{"GET": "/secrets/{id}", "PUT": "/recordings/{id}", "get": "/recordings"} {
			ok, ctx := g.record(shape, method, path, g.Owner.Secret)
			require.False(t, ok)
			require.Equal(t, "api_not_registered", ctx["code"])
			require.Contains(t, ctx["detail"], method+" "+map[string]string{"/secrets/{id}": "/secrets/ id ", "/recordings/{id}": "/recordings/ id ", "/recordings": path}[path])
			require.Equal(t, fault.APINotRegistered, g.last().Code)
		}
	}
}

func TestInvoke_AnAPIIsRegisteredForItsNodeAndBelow_B12(t *testing.T) {
	g := newGate(t)
	a := g.Register(rekeytest.Recordings(g.Below))
	inside, outside := g.recorder("recordings:read"), g.Issue(g.AccountWith("Globex", g.Stranger, role.Integration).ID, "k")
	ok, _ := g.record("rest", "GET", "/recordings", inside.Secret)
	require.True(t, ok)
	for _, s := range []token.Secret{outside.Secret, g.SiblingAdmin.Secret, g.StrangerAdmin.Secret, g.Owner.Secret} {
		ok, ctx := g.record("rest", "GET", "/recordings", s)
		require.False(t, ok, "a place above the API's node is none of its places either")
		require.Equal(t, "api_not_registered", ctx["code"])
	}
	_, refused := g.record("rest", "GET", "/recordings", g.Owner.Secret)
	require.NoError(t, g.APIs.Delete(g.Ctx, g.As(g.Owner), a.ID))
	ok, ctx := g.record("rest", "GET", "/recordings", inside.Secret)
	require.False(t, ok, "from the next request on")
	require.Equal(t, refused, ctx, "what one may not see is not there")
}

func TestInvoke_AnotherStageOrAPIIsAnotherRegistration_B12(t *testing.T) {
	g := newGate(t)
	in := rekeytest.Recordings(g.Root)
	in.Stage = "test"
	g.Register(in)
	ok, ctx := g.record("rest", "GET", "/recordings", g.Owner.Secret)
	require.False(t, ok)
	require.Equal(t, "api_not_registered", ctx["code"])
	for _, arn := range []string{"", "arn", "arn:aws:execute-api:eu-central-1:123456789012:", "arn:aws:execute-api:eu-central-1:123456789012:r1e2c3o4r5",
		"arn:aws:execute-api:eu-central-1:123456789012:/test/GET/recordings"} {
		event, err := json.Marshal(map[string]any{"type": "REQUEST", "methodArn": arn, "httpMethod": "GET", "resource": "/recordings",
			"headers": map[string]string{"Authorization": "Bearer " + g.Owner.Secret.Reveal()}})
		require.NoError(t, err)
		out, err := g.a.Invoke(g.Ctx, event)
		require.NoError(t, err)
		require.Contains(t, string(out), `"Deny"`)
	}
}

func TestInvoke_ContextOnlyLeavesTheDecisionToTheAPI_B12(t *testing.T) {
	g := newGate(t)
	in := rekeytest.Recordings(g.Root)
	in.Mode, in.Routes = protectedapi.ContextOnly, nil
	g.Register(in)
	k := g.recorder()
	for _, shape := range shapes {
		ok, ctx := g.record(shape, "DELETE", "/whatever/{id}", k.Secret)
		require.True(t, ok)
		require.Equal(t, string(k.View.Account.ID), ctx["principal"])
	}
	_, err := g.a.Invoke(g.Ctx, recording(t, "rest", "DELETE", "/x", g.Wrong(k.Secret)))
	require.EqualError(t, err, "Unauthorized", "of who is nobody the API hears nothing")
}

func TestInvoke_AChangeOfAnAPIOrARoleHoldsFromTheNextRequestOn_B12(t *testing.T) {
	g := newGate(t)
	a := g.Register(rekeytest.Recordings(g.Root))
	r := g.CustomRole("role_Custom00000000000000", "recordings:delete", permission.KeysRead)
	account := g.AccountWith("Sweeper", g.Company, r.ID)
	k := g.Issue(account.ID, "k")
	opens := func() bool {
		ok, _ := g.record("http2", "DELETE", "/recordings/{id}", k.Secret)
		return ok
	}
	require.True(t, opens(), "a snapshot carries what the role names")
	g.CustomRole(r.ID, permission.KeysRead)
	require.False(t, opens())
	g.CustomRole(r.ID, "recordings:delete")
	require.True(t, opens())
	routes := a.Routes[:2]
	b := g.Patch(a, protectedapi.Patch{Routes: &routes})
	require.False(t, opens())
	g.Patch(b, protectedapi.Patch{Routes: &a.Routes})
	require.True(t, opens())
	require.NoError(t, g.APIs.Delete(g.Ctx, g.As(g.Owner), a.ID))
	require.False(t, opens())
	in := rekeytest.Recordings(g.Root)
	in.Scopes[3].Kind = permission.Write
	g.Register(in)
	require.True(t, opens(), "the API is back at its node, and the key still names its scope")
	_, err := g.Keys.Revoke(g.Ctx, g.As(g.Owner), k.View.Key.ID, "", "")
	require.NoError(t, err)
	_, err = g.a.Invoke(g.Ctx, recording(t, "http2", "DELETE", "/recordings/{id}", k.Secret))
	require.EqualError(t, err, "Unauthorized")
}

func TestInvoke_AProtectedAPICostsNoFurtherCall_P4(t *testing.T) {
	g := newGate(t)
	g.Register(rekeytest.Recordings(g.Root))
	k := g.recorder("recordings:read")
	ask := func() { _, _ = g.record("rest", "GET", "/recordings", k.Secret) }
	ask()
	require.Equal(t, []string{"Snapshot"}, g.Calls(ask))
	require.Equal(t, []string{rekeytest.Home + "  r1e2c3o4r5 GET /recordings accepted"}, g.used(k.View.Key.ID))
	g.JustUsed(g.Key(k.View.Key.ID).LastUsedAt)
	require.Len(t, g.Records(audit.KeyFirstUsed), 1)
	require.Empty(t, denied(g), "another API's refusals are its own matter")
}

func TestInvoke_WhatAnAPICallsItselfOpensNothingElse_B12(t *testing.T) {
	g := newGate(t)
	g.Register(rekeytest.Recordings(g.Root))
	deep := place.Place{Path: g.Below.Path}
	alerts := rekeytest.Recordings(deep)
	alerts.Name, alerts.Slug, alerts.GatewayID = "Alerts", "alerts", "a1l2e3r4t5"
	alerts.Scopes = []protectedapi.Scope{{Name: "alerts:read", Kind: permission.Read}}
	alerts.Routes = []protectedapi.Route{{Method: "GET", Path: "/recordings", Scope: "alerts:read"}}
	g.Register(alerts)
	k := g.recorder("alerts:read")
	ok, ctx := g.record("rest", "GET", "/recordings", k.Secret)
	require.False(t, ok)
	require.Equal(t, "recordings:read", ctx["missing_scope"])
}
