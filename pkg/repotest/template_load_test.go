package repotest

import (
	"fmt"
	"maps"
	"os"
	"path/filepath"
	"slices"
	"strings"
	"testing"

	"github.com/stretchr/testify/require"
	"go.yaml.in/yaml/v3"
)

// templateRoot is the repository's top level, seen from this package.
const templateRoot = "../.."

// template is template.yaml as a tree of map[string]any, []any and scalars. A tag is a map with one key, as in the JSON
// form of a template: `!Ref X` is {"Ref": "X"}, `!GetAtt X.Arn` is {"Fn::GetAtt": "X.Arn"}.
type template struct {
	text string
	tree map[string]any
}

func loadTemplate(t *testing.T) template { return loadTemplateOf(t, "template.yaml") }

func loadTemplateOf(t *testing.T, file string) template {
	t.Helper()
	text, err := os.ReadFile(filepath.Join(templateRoot, file))
	require.NoError(t, err)
	var document yaml.Node
	require.NoError(t, yaml.Unmarshal(text, &document))
	require.Len(t, document.Content, 1)
	tree, err := templateValue(document.Content[0])
	require.NoError(t, err)
	return template{text: string(text), tree: tree.(map[string]any)}
}

// templateValue refuses what CloudFormation does not read (aliases) or would read in its own way (a key given twice).
func templateValue(node *yaml.Node) (any, error) {
	if node.Kind == yaml.AliasNode || node.Anchor != "" {
		return nil, fmt.Errorf("line %d: CloudFormation knows no aliases", node.Line)
	}
	var value any
	switch node.Kind {
	case yaml.MappingNode:
		object := map[string]any{}
		for i := 0; i < len(node.Content); i += 2 {
			key := node.Content[i].Value
			if _, twice := object[key]; twice {
				return nil, fmt.Errorf("line %d: %s is given twice", node.Content[i].Line, key)
			}
			member, err := templateValue(node.Content[i+1])
			if err != nil {
				return nil, err
			}
			object[key] = member
		}
		value = object
	case yaml.SequenceNode:
		list := []any{}
		for _, child := range node.Content {
			element, err := templateValue(child)
			if err != nil {
				return nil, err
			}
			list = append(list, element)
		}
		value = list
	default:
		plain := *node
		if isIntrinsic(node) {
			plain.Tag = "!!str"
		}
		if err := plain.Decode(&value); err != nil {
			return nil, err
		}
	}
	if !isIntrinsic(node) {
		return value, nil
	}
	name := strings.TrimPrefix(node.Tag, "!")
	if name != "Ref" && name != "Condition" {
		name = "Fn::" + name
	}
	return map[string]any{name: value}, nil
}

func isIntrinsic(node *yaml.Node) bool {
	return strings.HasPrefix(node.Tag, "!") && !strings.HasPrefix(node.Tag, "!!")
}

func ref(name string) map[string]any        { return map[string]any{"Ref": name} }
func getAtt(name string) map[string]any     { return map[string]any{"Fn::GetAtt": name} }
func sub(text string) map[string]any        { return map[string]any{"Fn::Sub": text} }
func choice(elements ...any) map[string]any { return map[string]any{"Fn::If": elements} }

// object follows keys from the top of the template and fails where one is missing.
func (tp template) object(t *testing.T, keys ...string) map[string]any {
	t.Helper()
	return object(t, tp.tree, keys...)
}

func object(t *testing.T, in map[string]any, keys ...string) map[string]any {
	t.Helper()
	for i, key := range keys {
		next, ok := in[key].(map[string]any)
		require.Truef(t, ok, "template.yaml has no %s", strings.Join(keys[:i+1], " / "))
		in = next
	}
	return in
}

func (tp template) properties(t *testing.T, logicalID string) map[string]any {
	t.Helper()
	return tp.object(t, "Resources", logicalID, "Properties")
}

// resources are the logical IDs of one type, sorted.
func (tp template) resources(t *testing.T, kind string) []string {
	t.Helper()
	var ids []string
	for id := range tp.object(t, "Resources") {
		if tp.object(t, "Resources", id)["Type"] == kind {
			ids = append(ids, id)
		}
	}
	slices.Sort(ids)
	return ids
}

func (tp template) functions(t *testing.T) []string {
	t.Helper()
	return tp.resources(t, "AWS::Serverless::Function")
}

// walkValue visits every value below one, with its path.
func walkValue(path string, value any, visit func(path string, value any)) {
	visit(path, value)
	switch value := value.(type) {
	case map[string]any:
		for _, key := range slices.Sorted(maps.Keys(value)) {
			walkValue(path+"/"+key, value[key], visit)
		}
	case []any:
		for i, element := range value {
			walkValue(fmt.Sprintf("%s/%d", path, i), element, visit)
		}
	}
}

// asList reads what CloudFormation takes as one value or as several.
func asList(value any) []any {
	switch value := value.(type) {
	case nil:
		return nil
	case []any:
		return value
	default:
		return []any{value}
	}
}

func asTexts(t *testing.T, value any) []string {
	t.Helper()
	var all []string
	for _, element := range asList(value) {
		text, ok := element.(string)
		require.Truef(t, ok, "%v is no plain text", element)
		all = append(all, text)
	}
	return all
}
