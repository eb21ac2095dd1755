package isolation

import (
	"encoding/json"
	"fmt"
	"maps"
	"slices"
	"strconv"
	"strings"
	"testing"
	"time"

	"github.com/stretchr/testify/require"

	"github.com/rekey-dev/rekey/infra"
	"github.com/rekey-dev/rekey/pkg/httpapi/httpapitest"
	"github.com/rekey-dev/rekey/pkg/rekeytest"
)

// operation is what the OpenAPI document says of one.
type operation struct {
	name       string // METHOD /path/{template}
	method     string
	path       string
	permission string // "" for whoever is signed in
	public     bool
	success    int
	query      map[string]*schema
	repeatable bool // takes an Idempotency-Key
	body       *schema
	rule       rule
}

type schema struct {
	Ref        string             `json:"$ref"`
	Type       any                `json:"type"`
	Format     string             `json:"format"`
	Enum       []any              `json:"enum"`
	Properties map[string]*schema `json:"properties"`
	Required   []string           `json:"required"`
	Items      *schema            `json:"items"`
	AnyOf      []*schema          `json:"anyOf"`
}

type document struct {
	Paths map[string]map[string]struct {
		Permission string           `json:"x-permission"`
		Security   []map[string]any `json:"security"`
		Responses  map[string]any   `json:"responses"`
		Parameters []struct {
			Name, In string
			Schema   *schema
		} `json:"parameters"`
		RequestBody *struct {
			Content map[string]struct{ Schema *schema } `json:"content"`
		} `json:"requestBody"`
	} `json:"paths"`
	Components struct {
		Schemas map[string]*schema `json:"schemas"`
	} `json:"components"`
}

// resolve replaces references by what they refer to, and a choice by the option that is an object or a list.
func (d *document) resolve(s *schema) *schema {
	for s != nil && (s.Ref != "" || len(s.AnyOf) > 0) {
		if s.Ref != "" {
			s = d.Components.Schemas[s.Ref[strings.LastIndexByte(s.Ref, '/')+1:]]
			continue
		}
		s = s.AnyOf[slices.IndexFunc(s.AnyOf, func(o *schema) bool { return o.Type != "null" })]
	}
	if s == nil {
		return nil
	}
	out := *s
	out.Items, out.Properties = d.resolve(s.Items), map[string]*schema{}
	for name, p := range s.Properties {
		out.Properties[name] = d.resolve(p)
	}
	return &out
}

// operations are all of the document, by name.
func operations(t *testing.T) (out []operation) {
	t.Helper()
	var d document
	require.NoError(t, json.Unmarshal(infra.OpenAPI, &d))
	for _, path := range slices.Sorted(maps.Keys(d.Paths)) {
		for _, method := range slices.Sorted(maps.Keys(d.Paths[path])) {
			o := d.Paths[path][method]
			op := operation{name: strings.ToUpper(method) + " " + path, method: strings.ToUpper(method), path: path, permission: o.Permission,
				public: len(o.Security) == 0, query: map[string]*schema{}}
			for status := range o.Responses {
				if n, _ := strconv.Atoi(status); n < 300 {
					op.success = n
				}
			}
			for _, p := range o.Parameters {
				switch {
				case p.In == "query":
					op.query[p.Name] = d.resolve(p.Schema)
				case p.Name == "Idempotency-Key":
					op.repeatable = true
				}
			}
			if o.RequestBody != nil {
				op.body = d.resolve(o.RequestBody.Content["application/json"].Schema)
			}
			r, known := rules[op.name]
			require.True(t, known, "%s has no rule: add it to the table", op.name)
			op.rule = r
			out = append(out, op)
		}
	}
	return out
}

// guarded are those that want a caller.
func guarded(t *testing.T) []operation {
	return slices.DeleteFunc(operations(t), func(op operation) bool { return op.public })
}

// noun is what {id} of an operation is of, and what a list lists.
func (op operation) noun() string {
	if op.rule.noun != "" {
		return op.rule.noun
	}
	return strings.Split(op.path, "/")[1]
}

func (op operation) onOne() bool  { return strings.Contains(op.path, "{id}") }
func (op operation) isList() bool { return op.method == "GET" && op.query["cursor"] != nil }

// what an ID is of, by the name of its parameter or member.
var idOf = map[string]string{"node_id": "nodes", "parent_id": "nodes", "company_id": "companies", "service_account_id": "service-accounts",
	"employee_id": "employees", "role_id": "roles", "calendar_ids": "calendars", "actor_id": "", "target_id": "", "key_id": ""} // "": what is searched for, which shows nothing by itself

// noIDs are names that look like those of IDs and are not of objects of rekey.
var noIDs = of("package_id", "external_id", "request_id", "secret_id", "uid", "challenge_id", "api_id")

// places are the members by which something new says where it is to be, and refers those that name something that it uses.
var (
	places = []string{"node_id", "parent_id", "company_id"}
	refers = []string{"role_id", "calendar_ids"}
)

func looksLikeID(name string) bool {
	return name == "id" || name == "ids" || strings.HasSuffix(name, "_id") || strings.HasSuffix(name, "_ids")
}

// body is the least that an operation takes, with the members that matter. Names in it are new.
func (w *world) body(op operation) map[string]any {
	if op.body == nil {
		return nil
	}
	out := w.value(op.body, "").(map[string]any)
	for _, wanted := range []string{"name", "first_name", "all", "quiet_for"} {
		if p := op.body.Properties[wanted]; p != nil {
			out[wanted] = w.value(p, wanted)
		}
	}
	return out
}

// samples are values of members whose text means something, by their names.
func (w *world) sample(name string) any {
	w.made++
	switch name {
	case "time_zone":
		return "UTC"
	case "slug", "api_id":
		return fmt.Sprint("new", w.made)
	case "stage":
		return "prod"
	case "secret":
		return "no secret at all"
	case "challenge_id":
		return "chal_00000000000000000000"
	case "package_id":
		return "large"
	case "email":
		return fmt.Sprintf("new%d@example.com", w.made)
	case "until":
		return w.Now().Add(8 * 24 * time.Hour).Format(time.RFC3339)
	case "quiet_for":
		return "P2D"
	case "name", "first_name", "last_name":
		return fmt.Sprint("New ", w.made)
	}
	return nil
}

func (w *world) value(s *schema, name string) any {
	if v := w.sample(name); v != nil {
		return v
	}
	kind := s.Type
	if list, ok := kind.([]any); ok {
		kind = list[0]
	}
	switch {
	case len(s.Enum) > 0:
		return s.Enum[0]
	case kind == "object":
		out := map[string]any{}
		for _, member := range s.Required {
			if !looksLikeID(member) || noIDs[member] {
				out[member] = w.value(s.Properties[member], member)
			} else if member == "role_id" { // one that everybody can be given
				out[member] = string(w.least)
			}
		}
		return out
	case kind == "array":
		return []any{}
	case kind == "boolean":
		return true
	}
	require.FailNow(w.T, "a member of which the tests know no value", "%s is %v", name, kind)
	return nil
}

// placed puts into a body where it is to be, and reports false when the operation takes no such place.
func (op operation) placed(body map[string]any, o object) bool {
	if op.body == nil {
		return false
	}
	if to := op.body.Properties["attached_to"]; to != nil {
		kinds := map[string]string{"nodes": "node", "companies": "company", "service-accounts": "service_account"}
		body["attached_to"] = map[string]any{"type": kinds[o.noun], "id": o.id}
		return kinds[o.noun] != ""
	}
	for _, member := range places {
		if op.body.Properties[member] != nil && idOf[member] == o.noun {
			body[member] = o.id
			return true
		}
	}
	return false
}

// absent is the ID of nothing, of the same kind as another.
func absent(id string) string {
	return id[:strings.IndexByte(id, '_')+1] + "Absent0000000000000A"
}

// send makes a request as a caller, through the authorizer.
func (w *world) send(c caller, op operation, id, query string, body map[string]any, header map[string]string) httpapitest.Response {
	return w.Through(c.secret, op.request(id, query, body, header))
}

func (op operation) request(id, query string, body map[string]any, header map[string]string) httpapitest.Request {
	r := httpapitest.Request{Method: op.method, Resource: op.path, ID: id, Query: query, Header: header}
	if body != nil {
		text, err := json.Marshal(body)
		if err != nil {
			panic(err)
		}
		r.Body = string(text)
	}
	return r
}

// wrote are the writes of a call but for those that come with every verdict.
func wrote(w *world, part func()) []string {
	return slices.DeleteFunc(rekeytest.WritesOf(w.Calls(part)), func(c string) bool { return c == "Use" || c == "Tally" || c == "See" })
}
