package authorizer_test

import (
	"strings"
	"testing"
	"time"

	"github.com/stretchr/testify/require"

	"github.com/rekey-dev/rekey/pkg/id"
	"github.com/rekey-dev/rekey/pkg/rekeytest"
	"github.com/rekey-dev/rekey/pkg/usage"
)

// used are the rows of the world's key, in short.
func (g *gate) used(k id.Key) (out []string) {
	g.T.Helper()
	rows, err := usage.Since(g.Ctx, g.Mem, k, g.Now().Add(-time.Hour), g.Now().Add(time.Second))
	require.NoError(g.T, err)
	for _, r := range rows {
		out = append(out, strings.Join([]string{r.Source, r.UserAgent, r.API, r.Method, r.Route, string(r.Verdict)}, " "))
	}
	return out
}

func TestInvoke_NotesTheRouteTheAPIAndTheVerdict_B4(t *testing.T) {
	g := newGate(t)
	k := g.Issue(g.Account("Recorder", g.Company).ID, "k")
	read, write, foreign := of("GET /keys/{id}", k.Secret), of("GET /nodes", k.Secret), of("GET /orders/{order}", k.Secret)
	read.agent, foreign.foreign = "exporter/2", true
	read.id = string(k.View.Key.ID)
	g.allows(read)
	g.denies(write)
	g.denies(foreign)
	require.ElementsMatch(t, []string{
		rekeytest.Home + " exporter/2 rekey GET /keys/{id} accepted",
		rekeytest.Home + "  rekey GET /nodes missing_scope",
		rekeytest.Home + "  a1b2c3d4e5 GET /orders/{order} missing_scope",
	}, g.used(k.View.Key.ID))
	require.Equal(t, []string{"Snapshot"}, g.Calls(func() { g.allows(read) }))
	require.Equal(t, []string{"Snapshot"}, g.Calls(func() { g.denies(foreign) }))
}

// The ways in which HTTP APIs ask name the route otherwise.
func TestInvoke_NotesTheRouteOfAnHTTPAPI_B4(t *testing.T) {
	for key, want := range map[string]string{"GET /keys/{id}": "GET /keys/{id}", "$default": "ANY $default", "ANY /{proxy+}": "ANY /{proxy+}"} {
		g := newGate(t)
		k := g.Issue(g.Account("Recorder", g.Company).ID, "k")
		event := `{"version":"2.0","type":"REQUEST","routeArn":"arn:aws:execute-api:eu-central-1:123456789012:h1t2t3p4a5/$default/GET/x",
			"routeKey":"` + key + `","headers":{"authorization":"Bearer ` + k.Secret.Reveal() + `"},
			"requestContext":{"requestId":"r","http":{"sourceIp":"` + rekeytest.Home + `","userAgent":"curl/8"}}}`
		_, err := g.a.Invoke(g.Ctx, []byte(event))
		require.NoError(t, err)
		require.Equal(t, []string{rekeytest.Home + " curl/8 h1t2t3p4a5 " + want + " missing_scope"}, g.used(k.View.Key.ID))
	}
}
