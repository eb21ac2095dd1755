// Package contract holds requests and responses against the OpenAPI document that a deployment serves.
//
// The schemas of OpenAPI 3.1 are JSON Schema 2020-12, so they are given to a JSON Schema validator as they stand; what OpenAPI adds
// (paths, parameters, media types, statuses) is read here. A response is always held against the document, a request only when
// it was accepted: then whatever was sent has to be in the contract.
package contract

import (
	"bytes"
	"encoding/json"
	"errors"
	"fmt"
	"mime"
	"net/http"
	"net/url"
	"strconv"
	"strings"
	"sync"

	"github.com/santhosh-tekuri/jsonschema/v6"
)

// Exchange is a request and its response.
type Exchange struct {
	Method       string
	Path         string // without the stage and the query
	Query        url.Values
	RequestBody  []byte
	Status       int
	Header       http.Header
	ResponseBody []byte
}

// Contract is an OpenAPI document. It may be used by many goroutines.
type Contract struct {
	paths    map[string]map[string]*operation // by template and method
	compiler *jsonschema.Compiler
	mu       sync.Mutex
	compiled map[string]*jsonschema.Schema
}

type operation struct {
	pointer    string // of the operation in the document
	Parameters []parameter
	Body       *struct {
		Required bool
		Content  map[string]any
	} `json:"requestBody"`
	Responses map[string]struct {
		Headers map[string]struct{ Schema map[string]any }
		Content map[string]any
	}
}

type parameter struct {
	Name     string
	In       string
	Required bool
	Schema   map[string]any
}

const document = "https://contract.invalid/openapi.json"

// New reads a document.
func New(text []byte) (*Contract, error) {
	var head struct {
		OpenAPI string
		Paths   map[string]map[string]json.RawMessage
	}
	if err := json.Unmarshal(text, &head); err != nil {
		return nil, fmt.Errorf("contract: %w", err)
	}
	if !strings.HasPrefix(head.OpenAPI, "3.1") || len(head.Paths) == 0 {
		return nil, fmt.Errorf("contract: OpenAPI %q with %d paths; 3.1 with paths is wanted", head.OpenAPI, len(head.Paths))
	}
	whole, err := jsonschema.UnmarshalJSON(bytes.NewReader(text))
	if err != nil {
		return nil, fmt.Errorf("contract: %w", err)
	}
	c := &Contract{paths: map[string]map[string]*operation{}, compiler: jsonschema.NewCompiler(), compiled: map[string]*jsonschema.Schema{}}
	c.compiler.AssertFormat()
	if err := c.compiler.AddResource(document, whole); err != nil {
		return nil, fmt.Errorf("contract: %w", err)
	}
	for template, item := range head.Paths {
		c.paths[template] = map[string]*operation{}
		for method, text := range item {
			o := &operation{pointer: "/paths/" + escape(template) + "/" + method}
			if err := json.Unmarshal(text, o); err != nil {
				return nil, fmt.Errorf("contract: %s %s: %w", method, template, err)
			}
			c.paths[template][strings.ToUpper(method)] = o
		}
	}
	return c, nil
}

// Operations returns "METHOD /template" of every operation.
func (c *Contract) Operations() []string {
	var out []string
	for template, methods := range c.paths {
		for method := range methods {
			out = append(out, method+" "+template)
		}
	}
	return out
}

// Check returns what is not as the document says, joined; nil when all is. The name is the operation's, "" for none: to a path or
// method that the document does not have, only 404 may be the answer.
func (c *Contract) Check(x Exchange) (name string, err error) {
	template, values, o := c.find(x.Method, x.Path)
	if o == nil {
		if x.Status != http.StatusNotFound {
			return "", fmt.Errorf("contract: %s %s is not in the document and answers %d", x.Method, x.Path, x.Status)
		}
		return "", nil
	}
	name = x.Method + " " + template
	problems := c.response(o, x)
	if x.Status < 300 {
		problems = append(problems, c.request(o, x, values)...)
	}
	if len(problems) == 0 {
		return name, nil
	}
	return name, fmt.Errorf("contract: %s → %d: %w", name, x.Status, errors.Join(problems...))
}

func (c *Contract) find(method, path string) (string, map[string]string, *operation) {
	for template, methods := range c.paths {
		if values, ok := match(template, path); ok && methods[method] != nil {
			return template, values, methods[method]
		}
	}
	return "", nil, nil
}

func match(template, path string) (map[string]string, bool) {
	want, got := strings.Split(template, "/"), strings.Split(path, "/")
	if len(want) != len(got) {
		return nil, false
	}
	values := map[string]string{}
	for i, w := range want {
		switch {
		case strings.HasPrefix(w, "{"):
			values[strings.Trim(w, "{}")] = got[i]
		case w != got[i]:
			return nil, false
		}
	}
	return values, true
}

func (c *Contract) request(o *operation, x Exchange, values map[string]string) (problems []error) {
	known := map[string]bool{}
	for i, p := range o.Parameters {
		known[p.In+" "+p.Name] = true
		at := o.pointer + "/parameters/" + strconv.Itoa(i) + "/schema"
		given, ok := values[p.Name], p.In == "path"
		if p.In == "query" {
			given, ok = x.Query.Get(p.Name), x.Query.Has(p.Name)
		}
		if p.In == "header" {
			continue // what is sent in headers is the transport's; the response shows its effect
		}
		switch {
		case ok:
			problems = append(problems, c.validate(at, coerce(given, p.Schema), p.In+" "+p.Name)...)
		case p.Required:
			problems = append(problems, fmt.Errorf("%s %s is required", p.In, p.Name))
		}
	}
	for name := range x.Query {
		if !known["query "+name] {
			problems = append(problems, fmt.Errorf("query %s was accepted and is not in the document", name))
		}
	}
	switch {
	case len(x.RequestBody) == 0:
		if o.Body != nil && o.Body.Required {
			problems = append(problems, errors.New("a request without the required body was accepted"))
		}
	case o.Body == nil:
		problems = append(problems, errors.New("a request with a body was accepted, the document has none"))
	default:
		problems = append(problems, c.body(o.pointer+"/requestBody", o.Body.Content, "application/json", x.RequestBody, "request")...)
	}
	return problems
}

func (c *Contract) response(o *operation, x Exchange) (problems []error) {
	key := strconv.Itoa(x.Status)
	described, ok := o.Responses[key]
	if !ok && x.Status >= 400 {
		key = "default"
		described, ok = o.Responses[key]
	}
	if !ok {
		return []error{errors.New("the status is not in the document")}
	}
	at := o.pointer + "/responses/" + key
	for name, h := range described.Headers {
		if given := x.Header.Get(name); given != "" {
			problems = append(problems, c.validate(at+"/headers/"+escape(name)+"/schema", coerce(given, h.Schema), "header "+name)...)
		}
	}
	if len(described.Content) == 0 {
		if len(x.ResponseBody) > 0 {
			problems = append(problems, errors.New("a body, and the document has none"))
		}
		return problems
	}
	media, _, err := mime.ParseMediaType(x.Header.Get("Content-Type"))
	if err != nil {
		return append(problems, fmt.Errorf("content type %q", x.Header.Get("Content-Type")))
	}
	return append(problems, c.body(at, described.Content, media, x.ResponseBody, "response")...)
}

func (c *Contract) body(at string, content map[string]any, media string, text []byte, what string) []error {
	if _, ok := content[media]; !ok {
		return []error{fmt.Errorf("%s of type %s, which the document does not have there", what, media)}
	}
	if !strings.HasSuffix(media, "json") {
		return nil
	}
	value, err := jsonschema.UnmarshalJSON(bytes.NewReader(text))
	if err != nil {
		return []error{fmt.Errorf("%s is not JSON: %w", what, err)}
	}
	return c.validate(at+"/content/"+escape(media)+"/schema", value, what)
}

func (c *Contract) validate(pointer string, value any, what string) []error {
	schema, err := c.schema(pointer)
	if err == nil {
		err = schema.Validate(value)
	}
	if err != nil {
		return []error{fmt.Errorf("%s: %w", what, err)}
	}
	return nil
}

func (c *Contract) schema(pointer string) (*jsonschema.Schema, error) {
	c.mu.Lock()
	defer c.mu.Unlock()
	if s, ok := c.compiled[pointer]; ok {
		return s, nil
	}
	s, err := c.compiler.Compile(document + "#" + (&url.URL{Fragment: pointer}).EscapedFragment())
	if err == nil {
		c.compiled[pointer] = s
	}
	return s, err
}

// coerce reads a text as the type that its schema wants; what is none of it stays a text, and the schema refuses it.
func coerce(text string, schema map[string]any) any {
	var value any
	switch schema["type"] {
	case "integer", "number", "boolean":
		if json.Unmarshal([]byte(text), &value) == nil {
			return value
		}
	}
	return text
}

// escape writes a name as a part of a JSON pointer.
func escape(name string) string {
	return strings.NewReplacer("~", "~0", "/", "~1").Replace(name)
}
