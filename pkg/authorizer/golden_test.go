package authorizer_test

import (
	"bytes"
	"encoding/json"
	"flag"
	"os"
	"strings"
	"testing"
	"time"

	"github.com/stretchr/testify/require"

	"github.com/rekey-dev/rekey/pkg/apikey"
	"github.com/rekey-dev/rekey/pkg/permission"
	"github.com/rekey-dev/rekey/pkg/rekeytest"
	"github.com/rekey-dev/rekey/pkg/serviceaccount"
	"github.com/rekey-dev/rekey/pkg/token"
)

var update = flag.Bool("update", false, "write the golden files")

// sample is an event of testdata with a secret where it has a placeholder.
func sample(t *testing.T, shape string, s token.Secret) []byte {
	t.Helper()
	text, err := os.ReadFile("testdata/" + shape + "-request.json")
	require.NoError(t, err)
	require.Contains(t, string(text), "SECRET")
	return bytes.ReplaceAll(text, []byte("SECRET"), []byte(s.Reveal()))
}

// golden holds an answer against a file. IDs, which differ from world to world, stand by their names.
func golden(t *testing.T, file string, g *gate, k apikey.Shown, a serviceaccount.Account, got []byte) {
	t.Helper()
	text := strings.NewReplacer(string(k.View.Key.ID), "<key>", k.View.Key.Prefix(), "<prefix>", string(a.ID), "<account>",
		g.Root.ID(), "<root>", string(g.Below.Node()), "<below>", string(g.Company.Company), "<company>").Replace(string(got))
	var pretty bytes.Buffer
	require.NoError(t, json.Indent(&pretty, []byte(text), "", "  "))
	pretty.WriteByte('\n')
	file = "testdata/" + file + ".golden.json"
	if *update {
		require.NoError(t, os.WriteFile(file, pretty.Bytes(), 0o644))
	}
	want, err := os.ReadFile(file)
	require.NoError(t, err)
	require.Equal(t, string(want), pretty.String())
}

func TestInvoke_AnswersEachOfTheThreeShapesInItsOwn_P4(t *testing.T) {
	for _, shape := range []string{"rest", "http1", "http2"} {
		t.Run(shape, func(t *testing.T) {
			g := newGate(t)
			a := g.Account("Recorder", g.Company)
			k := g.IssueFor(a.ID, "exporter", 20*24*time.Hour)
			out, err := g.a.Invoke(g.Ctx, sample(t, shape, k.Secret))
			require.NoError(t, err)
			golden(t, shape+"-allow", g, k, a, out)

			narrow := g.IssueWith(a.ID, apikey.Issue{Name: "narrow", Scopes: rekeytest.Of(permission.AppsManage)})
			out, err = g.a.Invoke(g.Ctx, sample(t, shape, narrow.Secret))
			require.NoError(t, err)
			golden(t, shape+"-deny", g, narrow, a, out)

			out, err = g.a.Invoke(g.Ctx, sample(t, shape, g.Wrong(k.Secret)))
			require.EqualError(t, err, "Unauthorized")
			require.Empty(t, out)
			require.Equal(t, "GET /keys/{id}", g.last().Route)
			require.NotEmpty(t, g.last().SourceIP)
			require.NotEmpty(t, g.last().RequestID)
		})
	}
}

func TestInvoke_ThePolicyIsForExactlyTheMethodThatWasAskedAbout_P4(t *testing.T) {
	g := newGate(t)
	s := key(t, g)
	for _, route := range []string{"GET /me", "GET /keys/{id}"} {
		a := g.allows(of(route, s))
		method, path, _ := cut(route)
		require.Len(t, a.PolicyDocument.Statement, 1)
		require.Equal(t, arn(method, path), a.PolicyDocument.Statement[0].Resource)
		require.Equal(t, "execute-api:Invoke", a.PolicyDocument.Statement[0].Action)
		require.Equal(t, "2012-10-17", a.PolicyDocument.Version)
	}
	d := g.denies(of("POST /keys/{id}/revoke", s))
	require.Equal(t, arn("POST", "/keys/{id}/revoke"), d.PolicyDocument.Statement[0].Resource)
}
