package repotest

import (
	"go/ast"
	"go/parser"
	"go/token"
	"os"
	"path/filepath"
	"regexp"
	"strconv"
	"strings"
	"testing"

	"github.com/stretchr/testify/require"
)

var (
	action = regexp.MustCompile(`^[a-z_]+\.[a-z_]+$`)
	code   = regexp.MustCompile("`([^`]+)`")
)

// actionsOf returns the texts of a file that have the form of an action.
func actionsOf(t *testing.T, file string) map[string]bool {
	t.Helper()
	tree, err := parser.ParseFile(token.NewFileSet(), filepath.Join(templateRoot, filepath.FromSlash(file)), nil, 0)
	require.NoError(t, err)
	found := map[string]bool{}
	ast.Inspect(tree, func(n ast.Node) bool {
		if l, ok := n.(*ast.BasicLit); ok && l.Kind == token.STRING {
			if text, err := strconv.Unquote(l.Value); err == nil && action.MatchString(text) {
				found[text] = true
			}
		}
		return true
	})
	return found
}

// The table names an action in full and then, with the same noun, by its last word alone. What changed of a key stands in the second
// cell of user.updated, in full.
func TestDocuments_TheTableOfTheAuditLogHasEveryActionAndNoOther(t *testing.T) {
	text, err := os.ReadFile(filepath.Join(templateRoot, "docs", "concepts.md"))
	require.NoError(t, err)
	_, table, found := strings.Cut(string(text), "\n| action | what |\n| --- | --- |\n")
	require.True(t, found)
	table, _, _ = strings.Cut(table, "\n\n")
	listed := map[string]bool{}
	for row := range strings.SplitSeq(table, "\n") {
		cells := strings.Split(row, "|")
		require.Len(t, cells, 4, row)
		noun := ""
		for _, c := range code.FindAllStringSubmatch(cells[1], -1) {
			word := c[1]
			if before, _, full := strings.Cut(word, "."); full {
				noun = before
			} else {
				word = noun + "." + word
			}
			listed[word] = true
		}
		if strings.Contains(cells[1], "`user.updated`") {
			for _, c := range code.FindAllStringSubmatch(cells[2], -1) {
				if strings.HasPrefix(c[1], "key.") {
					listed[c[1]] = true
				}
			}
		}
	}
	recorded := actionsOf(t, "pkg/audit/audit.go")
	for name := range actionsOf(t, "pkg/dispatch/decision.go") { // first uses, whose noun is the credential's
		if strings.HasSuffix(name, ".first_used") || strings.HasSuffix(name, ".new_source") {
			recorded[name] = true
		}
	}
	require.Greater(t, len(recorded), 50)
	require.Equal(t, recorded, listed)
}
