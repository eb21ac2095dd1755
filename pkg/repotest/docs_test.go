package repotest

import (
	"encoding/json"
	"os"
	"path"
	"path/filepath"
	"regexp"
	"strings"
	"testing"
	"unicode"

	"github.com/stretchr/testify/require"

	rekey "github.com/rekey-dev/rekey/pkg/token"
)

var (
	fenced  = regexp.MustCompile("(?ms)^```.*?^```$")
	link    = regexp.MustCompile(`\]\(([^)\s]+)\)`)
	heading = regexp.MustCompile(`(?m)^#+ (.+)$`)
)

// anchors returns the names under which a document's headings can be linked.
func anchors(text string) map[string]bool {
	found := map[string]bool{}
	for _, h := range heading.FindAllStringSubmatch(fenced.ReplaceAllString(text, ""), -1) {
		found[strings.Map(func(r rune) rune {
			switch {
			case r == ' ':
				return '-'
			case r == '-', r == '_', unicode.IsLetter(r), unicode.IsDigit(r):
				return unicode.ToLower(r)
			}
			return -1
		}, h[1])] = true
	}
	return found
}

func TestDocuments_EveryLinkLeadsSomewhere(t *testing.T) {
	walk(t, func(name string, text []byte) {
		if !strings.HasSuffix(name, ".md") {
			return
		}
		for _, l := range link.FindAllStringSubmatch(fenced.ReplaceAllString(string(text), ""), -1) {
			to, anchor, anchored := strings.Cut(l[1], "#")
			if strings.Contains(to, "://") {
				continue
			}
			target := name
			if to != "" {
				target = path.Join(path.Dir(name), to)
			}
			at := filepath.Join(templateRoot, filepath.FromSlash(target))
			if _, err := os.Stat(at); err != nil {
				t.Errorf("%s links %s, which is not there", name, l[1])
				continue
			}
			if anchored {
				linked, err := os.ReadFile(at)
				require.NoError(t, err)
				if !anchors(string(linked))[anchor] {
					t.Errorf("%s links %s: there is no such heading", name, l[1])
				}
			}
		}
	})
}

// The published rule finds what is a secret, and what it finds has a secret's form up to the check.
func TestDocuments_TheGitleaksRuleFindsEveryKindOfSecret_B7(t *testing.T) {
	text, err := os.ReadFile(filepath.Join(templateRoot, "docs", "gitleaks.toml"))
	require.NoError(t, err)
	written := regexp.MustCompile(`(?m)^regex = '''(.+)'''$`).FindSubmatch(text)
	require.NotNil(t, written)
	rule := regexp.MustCompile(string(written[1]))
	vectors, err := os.ReadFile(filepath.Join(templateRoot, "pkg", "token", "testdata", "vectors.json"))
	require.NoError(t, err)
	var v struct {
		WellFormed []struct{ Secret string } `json:"well_formed"`
		Malformed  []struct{ Text string }   `json:"malformed"`
	}
	require.NoError(t, json.Unmarshal(vectors, &v))
	require.NotEmpty(t, v.WellFormed)
	for _, w := range v.WellFormed {
		require.Equal(t, w.Secret, rule.FindString("TOKEN="+w.Secret+"\n"))
		keyword := false
		for _, k := range regexp.MustCompile(`"(rk[a-z]_)"`).FindAllSubmatch(text, -1) {
			keyword = keyword || strings.HasPrefix(w.Secret, string(k[1]))
		}
		require.True(t, keyword, "gitleaks looks at a text only where a keyword stands")
	}
	for _, m := range v.Malformed {
		if found := rule.FindString(m.Text); found != "" {
			require.Len(t, found, rekey.Length)
		}
	}
}

func TestReadme_WhereIsXNamesEveryPackage(t *testing.T) {
	text, err := os.ReadFile(filepath.Join(templateRoot, "README.md"))
	require.NoError(t, err)
	_, where, found := strings.Cut(string(text), "## Where is X")
	require.True(t, found)
	for _, parent := range []string{"pkg", "functions"} {
		folders, err := os.ReadDir(filepath.Join(templateRoot, parent))
		require.NoError(t, err)
		for _, f := range folders {
			if f.IsDir() && !strings.Contains(where, "`"+f.Name()+"`") && !strings.Contains(where, "`"+parent+"/"+f.Name()+"`") {
				t.Errorf("README.md does not say what %s/%s is", parent, f.Name())
			}
		}
	}
}
