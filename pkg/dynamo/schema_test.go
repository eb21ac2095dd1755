package dynamo

import (
	"go/ast"
	"go/parser"
	"go/token"
	"os"
	"reflect"
	"regexp"
	"strconv"
	"strings"
	"testing"

	"github.com/stretchr/testify/require"
	"go.yaml.in/yaml/v3"
)

type tableResource struct {
	Type       string
	Properties struct {
		AttributeDefinitions   []map[string]string `yaml:"AttributeDefinitions"`
		KeySchema              []map[string]string `yaml:"KeySchema"`
		GlobalSecondaryIndexes []struct {
			IndexName  string              `yaml:"IndexName"`
			KeySchema  []map[string]string `yaml:"KeySchema"`
			Projection map[string]string   `yaml:"Projection"`
		} `yaml:"GlobalSecondaryIndexes"`
		LocalSecondaryIndexes   []any `yaml:"LocalSecondaryIndexes"`
		TimeToLiveSpecification *struct {
			AttributeName string `yaml:"AttributeName"`
			Enabled       bool   `yaml:"Enabled"`
		} `yaml:"TimeToLiveSpecification"`
	} `yaml:"Properties"`
}

func TestSchema_IsTheTemplates_P2(t *testing.T) {
	text, err := os.ReadFile("../../template.yaml")
	require.NoError(t, err)
	var template struct {
		Resources map[string]yaml.Node `yaml:"Resources"`
	}
	require.NoError(t, yaml.Unmarshal(text, &template))
	for table, expires := range map[string]bool{"Identity": true, "Directory": false, "Audit": false, "Transient": true} {
		var r tableResource
		node := template.Resources[table+"Table"]
		require.NoError(t, node.Decode(&r), table)
		p := r.Properties
		require.Equal(t, []map[string]string{{"AttributeName": attrPK, "KeyType": "HASH"}, {"AttributeName": attrSK, "KeyType": "RANGE"}}, p.KeySchema, table)
		attributes := []map[string]string{{"AttributeName": attrPK, "AttributeType": "S"}, {"AttributeName": attrSK, "AttributeType": "S"}}
		if table == "Identity" {
			attributes = append(attributes, map[string]string{"AttributeName": attrDueShard, "AttributeType": "S"}, map[string]string{"AttributeName": attrDueAt, "AttributeType": "N"})
			require.Len(t, p.GlobalSecondaryIndexes, 1)
			index := p.GlobalSecondaryIndexes[0]
			require.Equal(t, indexDue, index.IndexName)
			require.Equal(t, []map[string]string{{"AttributeName": attrDueShard, "KeyType": "HASH"}, {"AttributeName": attrDueAt, "KeyType": "RANGE"}}, index.KeySchema)
			require.Equal(t, map[string]string{"ProjectionType": "KEYS_ONLY"}, index.Projection)
		} else {
			require.Empty(t, p.GlobalSecondaryIndexes, table)
		}
		require.Equal(t, attributes, p.AttributeDefinitions, table)
		require.Empty(t, p.LocalSecondaryIndexes, table)
		require.Equal(t, expires, p.TimeToLiveSpecification != nil, table)
		if expires {
			require.Equal(t, attrTTL, p.TimeToLiveSpecification.AttributeName, table)
			require.True(t, p.TimeToLiveSpecification.Enabled, table)
		}
	}
	require.Equal(t, 4, reflect.TypeFor[Tables]().NumField())
}

// schemaFile is schema.go: its opening comment and its string constants.
func schemaFile(t *testing.T) (opening string, constants map[string]string) {
	t.Helper()
	f, err := parser.ParseFile(token.NewFileSet(), "schema.go", nil, parser.ParseComments)
	require.NoError(t, err)
	require.NotEmpty(t, f.Comments)
	constants = map[string]string{}
	for _, d := range f.Decls {
		g, ok := d.(*ast.GenDecl)
		if !ok || g.Tok != token.CONST {
			continue
		}
		for _, s := range g.Specs {
			v := s.(*ast.ValueSpec)
			text, err := strconv.Unquote(v.Values[0].(*ast.BasicLit).Value)
			require.NoError(t, err)
			constants[v.Names[0].Name] = text
		}
	}
	return f.Comments[0].Text(), constants
}

func TestSchema_MapsEveryTypeOfItem(t *testing.T) {
	opening, constants := schemaFile(t)
	mapped := regexp.MustCompile(`(?m)^\t(?:Identity|Directory|Audit|Transient) +([a-z_]+) `).FindAllStringSubmatch(opening, -1)
	var types []string
	for _, m := range mapped {
		types = append(types, m[1])
	}
	var want []string
	for name, text := range constants {
		if strings.HasPrefix(name, "type") {
			want = append(want, text)
		}
	}
	require.ElementsMatch(t, want, types)
}

func TestSchema_NamesNoAttributeTwice(t *testing.T) {
	_, constants := schemaFile(t)
	seen := map[string]string{}
	for name, text := range constants {
		if strings.HasPrefix(name, "attr") {
			require.Empty(t, seen[text], "%s is %s too", name, text)
			seen[text] = name
		}
	}
	require.NotEmpty(t, seen)
}

func TestSchema_NamesTheMethodOfEveryAccess(t *testing.T) {
	opening, _ := schemaFile(t)
	_, patterns, found := strings.Cut(opening, "# Access patterns")
	require.True(t, found)
	store := reflect.TypeFor[*Store]()
	for i := range store.NumMethod() {
		if m := store.Method(i).Name; m != "Warm" && m != "WithSleep" {
			require.Regexp(t, `[. ]`+m+`\b`, patterns)
		}
	}
}

// Only schema.go spells attributes: a literal that is one, in any other file of the package, is a mistake.
func TestSchema_IsTheOnlyPlaceThatSpellsAnAttribute(t *testing.T) {
	_, constants := schemaFile(t)
	attributes := map[string]bool{}
	for name, text := range constants {
		if strings.HasPrefix(name, "attr") {
			attributes[text] = true
		}
	}
	files, err := os.ReadDir(".")
	require.NoError(t, err)
	for _, file := range files {
		name := file.Name()
		if !strings.HasSuffix(name, ".go") || strings.HasSuffix(name, "_test.go") || name == "schema.go" || name == "keys.go" {
			continue
		}
		f, err := parser.ParseFile(token.NewFileSet(), name, nil, 0)
		require.NoError(t, err)
		ast.Inspect(f, func(n ast.Node) bool {
			if call, ok := n.(*ast.CallExpr); ok && nameOf(call.Fun) == "one" {
				return false // what a caller calls the object
			}
			if l, ok := n.(*ast.BasicLit); ok && l.Kind == token.STRING {
				text, err := strconv.Unquote(l.Value)
				require.NoError(t, err)
				require.False(t, attributes[text], "%s spells the attribute %q", name, text)
			}
			return true
		})
	}
}

func nameOf(e ast.Expr) string {
	if i, ok := e.(*ast.Ident); ok {
		return i.Name
	}
	return ""
}
