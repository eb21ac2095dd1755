package e2e

import (
	"bytes"
	"encoding/json"
	"flag"
	"os"
	"path/filepath"
	"regexp"
	"slices"
	"strings"
	"testing"

	"github.com/stretchr/testify/require"

	"github.com/rekey-dev/rekey/infra/e2e/client"
	"github.com/rekey-dev/rekey/infra/e2e/document"
)

var updateDocs = flag.Bool("update-docs", false, "write what the commands of the documents print into the documents")

const top = "../.."

func TestReadme_ItsSessionRunsAsItIsPasted(t *testing.T) {
	follow(t, "README.md")
}

func TestConcepts_TheCheckOfASecretIsAsDescribed_B7(t *testing.T) {
	follow(t, "docs/concepts.md")
}

// Each guide is followed by the letter on an account of its own.
func TestGuides_EveryProcedureRunsAsItIsPasted(t *testing.T) {
	guides, err := filepath.Glob(filepath.Join(top, "docs", "guides", "*.md"))
	require.NoError(t, err)
	require.NotEmpty(t, guides)
	for _, path := range guides {
		t.Run(filepath.Base(path), func(t *testing.T) {
			follow(t, filepath.Join("docs", "guides", filepath.Base(path)))
			recoverOwner(t) // one of them recovers the owner, who goes on with another token
		})
	}
}

// follow runs a document's commands as its reader would, and holds what they print against what it shows.
func follow(t *testing.T, path string) {
	text, err := os.ReadFile(filepath.Join(top, path))
	require.NoError(t, err)
	steps, err := document.Parse(string(text))
	require.NoError(t, err)
	require.NotEmpty(t, steps)
	clearNames(t, string(text))
	shell := reader(t)
	printed, secrets, err := shell.Run(t.Context(), throughSetUp(steps))
	for _, secret := range secrets {
		world.secrets.Add(secret, path)
	}
	require.NoError(t, err, "%s", path)
	printed = afterSetUp(t, steps, printed)
	if *updateDocs {
		require.NoError(t, os.WriteFile(filepath.Join(top, path), []byte(document.Show(string(text), steps, printed)), 0o644))
		return
	}
	var r document.Reader
	for i, s := range steps {
		require.NoError(t, r.Compare(s, printed[i]), "%s", path)
	}
}

// reader is somebody in a checkout of a machine on which the stack runs, with the owner's token at hand. In the place of the AWS
// CLI there is a stand-in for the few operations that the guides use.
func reader(t *testing.T) document.Shell {
	t.Helper()
	folder, err := filepath.Abs(t.TempDir())
	require.NoError(t, err)
	require.NoError(t, os.Mkdir(filepath.Join(folder, ".local"), 0o755))
	description, err := os.ReadFile(os.Getenv("REKEY_STACK"))
	require.NoError(t, err)
	require.NoError(t, os.WriteFile(filepath.Join(folder, ".local", "stack.json"), description, 0o600))
	owner := raw(t, client.Object{"secret": world.owner, "node": client.Object{"id": world.node}})
	require.NoError(t, os.WriteFile(filepath.Join(folder, "owner.json"), []byte(owner), 0o600))
	tools, err := filepath.Abs("testdata/bin")
	require.NoError(t, err)
	env := slices.DeleteFunc(os.Environ(), func(v string) bool { return strings.HasPrefix(v, "AWS_") })
	return document.Shell{Folder: folder, Env: append(env, "PATH="+tools+":"+os.Getenv("PATH"), "TOKEN="+world.owner, "URL="+world.APIURL,
		"NODE="+world.node)}
}

// setUpCall is how a document's own set-up is told. A deployment is set up once, and this one is: the document's call answers so
// (set-up looks at the request before, so the call is known to be well-formed), and what the true one answered takes the place of
// its answer.
const setUpCall = `OWNER=$(curl -sS "$URL/setup"`

// throughSetUp gives the commands after a set-up the true answer, which reader has put into a file.
func throughSetUp(steps []document.Step) []document.Step {
	steps = slices.Clone(steps)
	for i := range steps {
		if strings.Contains(steps[i].Commands, setUpCall) {
			steps[i].Commands += "\nOWNER=$(cat owner.json)"
		}
	}
	return steps
}

// afterSetUp puts the true answer in the place of what a document's own call printed.
func afterSetUp(t *testing.T, steps []document.Step, printed []string) []string {
	for i, s := range steps {
		if !strings.Contains(s.Commands, setUpCall) {
			continue
		}
		require.Contains(t, printed[i], `"already_set_up"`, "line %d", s.Line)
		if printed[i] = s.Shown; world.first.fresh {
			printed[i] = indented(t, world.first.race[world.first.winner].Body)
		}
	}
	return printed
}

var accountName = regexp.MustCompile(`/service-accounts -d [^\n]*?"name\\?": \\?"([^"\\]+)`)

// clearNames removes the accounts that the document made on this deployment before: names are unique.
func clearNames(t *testing.T, text string) {
	p := asOwner(t)
	for _, name := range accountName.FindAllStringSubmatch(text, -1) {
		for _, a := range p.all("/service-accounts?q=" + name[1]) {
			if a.Text("name") == name[1] {
				p.post("/service-accounts/"+a.Text("id")+"/revoke", client.Object{}).expect(200)
				p.delete("/service-accounts/" + a.Text("id"))
			}
		}
	}
}

// indented writes JSON as the documents show it.
func indented(t *testing.T, body []byte) string {
	var out bytes.Buffer
	require.NoError(t, json.Indent(&out, body, "", "  "))
	return out.String()
}
