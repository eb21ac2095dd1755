package repotest

import (
	"go/ast"
	"go/parser"
	"go/token"
	"os"
	"path/filepath"
	"strings"
	"testing"

	"github.com/stretchr/testify/require"
)

// parse reads the files of a package that are no tests.
func (p listed) parse(t *testing.T) (*token.FileSet, map[string]*ast.File) {
	t.Helper()
	set, files := token.NewFileSet(), map[string]*ast.File{}
	for _, name := range p.GoFiles {
		file, err := parser.ParseFile(set, filepath.Join(p.Dir, name), nil, parser.ParseComments|parser.SkipObjectResolution)
		require.NoError(t, err)
		files[p.short()+"/"+name] = file
	}
	return set, files
}

func TestPackages_HaveExactlyOnePackageComment(t *testing.T) {
	for _, p := range listPackages(t) {
		_, files := p.parse(t)
		var docs []string
		for path, file := range files {
			if file.Doc == nil {
				continue
			}
			docs = append(docs, path)
			want := "Package " + file.Name.Name + " "
			if file.Name.Name == "main" {
				want = "Command " + filepath.Base(p.Dir) + " "
			}
			if !strings.HasPrefix(file.Doc.Text(), want) {
				t.Errorf("the package comment of %s does not begin with %q", path, want)
			}
		}
		if len(files) > 0 && len(docs) != 1 {
			t.Errorf("%s has %d package comments, want one: %v", p.short(), len(docs), docs)
		}
	}
}

// calls are functions and types that only some files may name, by package and name.
var calls = []struct {
	pkg   string // its last element, as it is named in sources
	names []string
	in    func(path string) bool // where the rule holds
	but   []string               // files or folders below that may
	why   string
}{
	{pkg: "time", names: []string{"Now", "Since", "Until"}, in: below("pkg/"), but: []string{"pkg/boot/", "pkg/rekeytest/", "pkg/storetest/"},
		why: "Time is a field of the service, so that a test can set it."},
	{pkg: "dynamodb", names: []string{"ScanInput", "ScanPaginator", "NewScanPaginator"}, in: below(""), but: []string{"pkg/dynamo/pepperuse.go", "infra/e2e/"},
		why: "A scan costs what exists, not what is asked for; the tool that rotates peppers is the exception."},
	{pkg: "dynamodb", names: []string{"PutItemInput", "DeleteItemInput", "BatchWriteItemInput"}, in: below("pkg/"), but: []string{"pkg/dynamo/dynamofault/"},
		why: "Every write is conditional: TransactWriteItems or UpdateItem."},
	{pkg: "os", names: []string{"Getenv", "LookupEnv", "Environ", "ExpandEnv"}, in: below("pkg/", "functions/"), but: []string{"pkg/boot/", "pkg/httpapi/httpapitest/"},
		why: "The environment is read once, at the start, by pkg/boot."},
}

func below(folders ...string) func(string) bool {
	return func(path string) bool {
		for _, f := range folders {
			if strings.HasPrefix(path, f) {
				return true
			}
		}
		return false
	}
}

func TestSources_NameNothingThatTheyMustNot(t *testing.T) {
	for _, p := range listPackages(t) {
		set, files := p.parse(t)
		for path, file := range files {
			ast.Inspect(file, func(n ast.Node) bool {
				s, ok := n.(*ast.SelectorExpr)
				if !ok {
					return true
				}
				x, ok := s.X.(*ast.Ident)
				if !ok {
					return true
				}
				for _, rule := range calls {
					if x.Name != rule.pkg || !rule.in(path) || below(rule.but...)(path) {
						continue
					}
					for _, name := range rule.names {
						if s.Sel.Name == name {
							t.Errorf("%s: %s.%s. %s", set.Position(s.Pos()), x.Name, name, rule.why)
						}
					}
				}
				return true
			})
		}
	}
}

// formats are the files of the domain whose fields have tags, because what they describe is a format that leaves rekey.
var formats = map[string]string{
	"pkg/authz/context.go":     "what API Gateway carries from the authorizer to the functions",
	"pkg/dispatch/dispatch.go": "the stream's records, and the dead letters",
	"pkg/dispatch/detail.go":   "the details of events",
}

// A tag on a field is a storage or wire format; those are the adapters' and the surface's.
func TestDomain_HasNoFieldTags(t *testing.T) {
	for _, p := range listPackages(t) {
		own, ok := strings.CutPrefix(p.short(), "pkg/")
		if at := layerOf(own); !ok || at < 0 || (layers[at].name != "values" && layers[at].name != "domain") {
			continue
		}
		set, files := p.parse(t)
		for path, file := range files {
			ast.Inspect(file, func(n ast.Node) bool {
				if f, ok := n.(*ast.Field); ok && f.Tag != nil && formats[path] == "" {
					t.Errorf("%s: the domain's fields have no tags", set.Position(f.Pos()))
				}
				return true
			})
		}
	}
}

func TestFunctions_MainsAreWiring(t *testing.T) {
	mains, err := filepath.Glob(filepath.Join(templateRoot, "functions", "*", "main.go"))
	require.NoError(t, err)
	require.NotEmpty(t, mains)
	for _, path := range mains {
		text, err := os.ReadFile(path)
		require.NoError(t, err)
		if n := strings.Count(string(text), "\n"); n > 70 {
			t.Errorf("%s has %d lines: a main is wiring", path, n)
		}
		require.Contains(t, string(text), "boot.Main(newHandler)", "%s differs in shape from the others", path)
	}
}
