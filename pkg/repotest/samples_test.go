package repotest

import (
	"bytes"
	"go/scanner"
	"go/token"
	"io/fs"
	"os"
	"path"
	"path/filepath"
	"regexp"
	"strconv"
	"strings"
	"testing"

	"github.com/stretchr/testify/require"

	rekey "github.com/rekey-dev/rekey/pkg/token"
)

// walk calls visit with every file of the repository, by its path with slashes from the top level; what git ignores is left
// out.
func walk(t *testing.T, visit func(path string, text []byte)) {
	t.Helper()
	root := os.DirFS(templateRoot)
	err := fs.WalkDir(root, ".", func(path string, d fs.DirEntry, err error) error {
		if err != nil {
			return err
		}
		if d.IsDir() {
			switch d.Name() {
			case ".git", ".local", ".aws-sam", "__pycache__", ".ruff_cache", "node_modules":
				return fs.SkipDir
			}
			return nil
		}
		if !d.Type().IsRegular() {
			return nil
		}
		text, err := fs.ReadFile(root, path)
		if err != nil {
			return err
		}
		visit(path, text)
		return nil
	})
	require.NoError(t, err)
}

// literals returns the texts in quotes of a Go source.
func literals(source []byte) []string {
	var out []string
	var s scanner.Scanner
	set := token.NewFileSet()
	s.Init(set.AddFile("", set.Base(), len(source)), source, nil, 0)
	for {
		_, tok, text := s.Scan()
		if tok == token.EOF {
			return out
		}
		if tok == token.STRING {
			if text, err := strconv.Unquote(text); err == nil {
				out = append(out, text)
			}
		}
	}
}

func TestEvents_EverySampleIsUsedByATest(t *testing.T) {
	used := map[string]bool{} // patterns and names that tests spell
	walk(t, func(name string, text []byte) {
		if !strings.HasSuffix(name, "_test.go") || strings.HasPrefix(name, "pkg/repotest/") {
			return
		}
		for _, l := range literals(text) {
			if strings.HasSuffix(l, ".json") {
				used[path.Base(l)] = true
			}
		}
	})
	samples, err := filepath.Glob(filepath.Join(templateRoot, "events", "*"))
	require.NoError(t, err)
	require.NotEmpty(t, samples)
	for _, sample := range samples {
		name, found := filepath.Base(sample), false
		for pattern := range used {
			if ok, err := path.Match(pattern, name); err == nil && ok && pattern != "*.json" {
				found = true
			}
		}
		if !found {
			t.Errorf("events/%s is used by no test", name)
		}
	}
}

// looksLikeASecret finds what a secret scanner would report; the check digits decide.
var looksLikeASecret = regexp.MustCompile(`rk[akgpsc]_[0-9A-Za-z]{20}_[0-9A-Za-z]{49}`)

func TestRepository_HoldsNoSecretWithARightCheck(t *testing.T) {
	files := 0
	walk(t, func(name string, text []byte) {
		files++
		if strings.HasPrefix(name, "pkg/token/testdata/") || bytes.IndexByte(text, 0) >= 0 {
			return // the format's own vectors; binaries
		}
		for _, s := range looksLikeASecret.FindAll(text, -1) {
			if _, ok := rekey.Parse(string(s)); ok {
				t.Errorf("%s holds a well-formed secret, %s…: make it in the test, or break its check", name, s[:8])
			}
		}
	})
	require.Greater(t, files, 100)
}

// hidden are words that belong to whoever built a file, not to the product.
var hidden = regexp.MustCompile(`/(?:home|root|Users)/[a-z]+/|/tmp/[a-z0-9_]+/[a-z]`)

func TestDocuments_NameNoPathOfSomebodysMachine(t *testing.T) {
	walk(t, func(name string, text []byte) {
		if !strings.HasSuffix(name, ".md") && !strings.HasPrefix(name, "events/") {
			return
		}
		if found := hidden.Find(text); found != nil {
			t.Errorf("%s names %s", name, found)
		}
	})
}
