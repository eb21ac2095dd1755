package httpapi

import (
	"cmp"
	"encoding/json"
	"fmt"
	"maps"
	"net/http"
	"path"
	"reflect"
	"slices"
	"strconv"
	"strings"

	"github.com/danielgtaylor/huma/v2"

	"github.com/rekey-dev/rekey/pkg/fault"
	"github.com/rekey-dev/rekey/pkg/idempotency"
)

const about = `Service accounts and API keys for managed service providers.

Every error is a problem (RFC 9457); a program decides by its code. Every single object has an ETag, which If-Match on
changes and actions holds it against. A POST that documents an Idempotency-Key, as nearly all do, keeps it for 24 hours: the same
call with the same key has one effect and one answer. Lists go on with next as cursor. Times are RFC 3339 in UTC, to the second; what is finer in a
request is cut off. Only audit events have milliseconds. A text that contains a secret is refused wherever none belongs.`

func document() *huma.OpenAPI {
	return &huma.OpenAPI{
		OpenAPI: "3.1.0",
		Info:    &huma.Info{Title: "rekey", Version: Version, Description: strings.ReplaceAll(about, "\n", " ")},
		Servers: []*huma.Server{{URL: "/v1", Description: "The stage of the deployment's own API"}},
		Components: &huma.Components{
			Schemas: huma.NewMapRegistry("#/components/schemas/", namer()),
			SecuritySchemes: map[string]*huma.SecurityScheme{
				"bearer": {Type: "http", Scheme: "bearer", Description: "Authorization: Bearer and the secret"},
				"apiKey": {Type: "apiKey", In: "header", Name: "X-API-Key", Description: "The secret alone"},
				"basic":  {Type: "http", Scheme: "basic", Description: "The key's ID as user, the secret as password"},
			},
		},
	}
}

// namer names schemas after their types; where two packages have the same name, the later one's gets its package before it.
func namer() func(reflect.Type, string) string {
	taken := map[string]reflect.Type{}
	return func(t reflect.Type, hint string) string {
		name := huma.DefaultSchemaNamer(t, hint)
		for t.Kind() == reflect.Pointer {
			t = t.Elem()
		}
		if owner, ok := taken[name]; ok && owner != t && t.Kind() == reflect.Struct {
			of := path.Base(t.PkgPath())
			name = strings.ToUpper(of[:1]) + of[1:] + name
		}
		taken[name] = t
		return name
	}
}

// bodySchema is the schema of an input's Body, nil when it has none. An anonymous one is named after the operation.
func bodySchema[I any](a *API, operation string) *huma.Schema {
	field, ok := reflect.TypeFor[I]().FieldByName("Body")
	if !ok {
		return nil
	}
	return huma.SchemaFromField(a.OpenAPI().Components.Schemas, field, operation+"Request")
}

func schemaOf[O any](a *API) *huma.Schema {
	t := reflect.TypeFor[O]()
	if t == reflect.TypeFor[None]() {
		return nil
	}
	return a.OpenAPI().Components.Schemas.Schema(t, true, "")
}

// document is the operation in huma's terms. huma's own validation is off: the request is held against the document before.
func (op *Operation) document(body, answer *huma.Schema) huma.Operation {
	out := huma.Operation{
		OperationID: op.ID, Method: op.Method, Path: op.Path, Tags: []string{op.Tag}, Summary: op.Summary,
		Description: op.Description, DefaultStatus: op.status(), MaxBodyBytes: -1, SkipValidateParams: true,
		SkipValidateBody: true, Responses: map[string]*huma.Response{},
	}
	if !op.public() {
		out.Security = []map[string][]string{{"bearer": {}}, {"apiKey": {}}, {"basic": {}}}
		if p := op.Access.Permission; p != "" {
			out.Extensions = map[string]any{"x-permission": string(p)}
		}
	}
	success := &huma.Response{Description: http.StatusText(op.status()), Headers: map[string]*huma.Param{
		"X-Request-Id": {Description: "The request's ID, as in the audit record", Schema: &huma.Schema{Type: huma.TypeString}}}}
	if !op.public() {
		success.Headers["Rekey-Key-Expires-At"] = &huma.Param{Description: "Within the notice of the key's end: when it ends",
			Schema: &huma.Schema{Type: huma.TypeString, Format: "date-time"}}
		success.Headers["Rekey-Key-Superseded"] = &huma.Param{Description: "true while the key's successor is out already",
			Schema: &huma.Schema{Type: huma.TypeString, Enum: []any{"true"}}}
	}
	if answer != nil {
		success.Content = map[string]*huma.MediaType{jsonType: {Schema: answer}}
	}
	if op.CSV {
		documentCSV(success)
	}
	out.Responses[strconv.Itoa(op.status())] = success
	if op.repeatable() {
		least, most := 1, idempotency.MaxKey
		out.Parameters = append(out.Parameters, &huma.Param{Name: "Idempotency-Key", In: "header",
			Description: "Makes the call safe to repeat for 24 hours", Schema: &huma.Schema{Type: huma.TypeString,
				MinLength: &least, MaxLength: &most, Pattern: "^[!-~]+$"}})
	}
	if op.Match {
		out.Parameters = append(out.Parameters, &huma.Param{Name: "If-Match", In: "header",
			Description: "ETags of the object as it was read, or *; otherwise nothing is changed (412)", Schema: &huma.Schema{Type: huma.TypeString}})
	}
	if body != nil {
		out.RequestBody = &huma.RequestBody{Content: map[string]*huma.MediaType{jsonType: {Schema: body}}}
	}
	if op.MergePatch {
		out.RequestBody.Description = "A JSON merge patch (RFC 7396): members that are left out stay"
		out.RequestBody.Content[mergePatchType] = &huma.MediaType{Schema: body}
	}
	return out
}

// finish completes what huma has made of the operation, refuses limits that nothing would check, and adds the route.
func (a *API) finish(op *Operation, documented huma.Operation) {
	registry := a.OpenAPI().Components.Schemas
	live := operationOf(a.OpenAPI().Paths[op.Path], op.Method)
	if body := live.RequestBody; body != nil {
		if problem := supported(registry, body.Content[jsonType].Schema, ""); problem != "" {
			panic("httpapi: " + op.ID + ": " + problem)
		}
	}
	for _, p := range live.Parameters {
		switch p.In {
		case "query":
			p.Explode = nil
			if problem := supported(registry, p.Schema, p.Name); problem != "" {
				panic("httpapi: " + op.ID + ": " + problem)
			}
		case "path":
			p.Description = cmp.Or(p.Description, "The object's ID")
		}
	}
	if op.Tagged {
		live.Responses[strconv.Itoa(op.status())].Headers["ETag"] = &huma.Param{Description: "Of what an administrator sets; strong",
			Schema: &huma.Schema{Type: huma.TypeString}}
	}
	op.problems(live, registry)
	a.routes = append(a.routes, Route{Method: op.Method, Path: op.Path, Public: op.public(), Permission: op.Access.Permission, Denied: op.Denied})
}

func operationOf(item *huma.PathItem, method string) *huma.Operation {
	return map[string]*huma.Operation{http.MethodGet: item.Get, http.MethodPost: item.Post, http.MethodPatch: item.Patch,
		http.MethodDelete: item.Delete, http.MethodPut: item.Put}[method]
}

// problems documents every error that the operation can answer, with its codes.
func (op *Operation) problems(live *huma.Operation, registry huma.Registry) {
	kinds := append([]fault.Kind{fault.TooManyRequests, fault.Internal, fault.Unavailable}, op.Errors...)
	if !op.public() {
		kinds = append(kinds, fault.Unauthorized)
		if op.Access.Permission != "" {
			kinds = append(kinds, fault.MissingScope, fault.MissingPermission)
		}
	}
	if strings.Contains(op.Path, "{") {
		kinds = append(kinds, fault.NotFound)
	}
	if live.RequestBody != nil {
		kinds = append(kinds, fault.Malformed, fault.PayloadTooLarge, fault.UnsupportedMediaType)
	}
	kinds = append(kinds, fault.Invalid) // an unknown query parameter, on any route
	if op.repeatable() {
		kinds = append(kinds, fault.IdempotencyMismatch)
	}
	if op.Match {
		kinds = append(kinds, fault.PreconditionFailed)
	}
	codes := map[int][]string{}
	for _, m := range meanings {
		if slices.Contains(kinds, m.kind) {
			codes[m.status] = append(codes[m.status], string(m.kind))
		}
	}
	schema := registry.Schema(reflect.TypeFor[Problem](), true, "")
	delete(live.Responses, "default")
	for _, status := range slices.Sorted(maps.Keys(codes)) {
		response := &huma.Response{Description: strings.Join(codes[status], ", "),
			Content: map[string]*huma.MediaType{"application/problem+json": {Schema: schema}}}
		if status == http.StatusTooManyRequests || status == http.StatusServiceUnavailable {
			response.Headers = map[string]*huma.Param{"Retry-After": {Description: "Seconds", Schema: &huma.Schema{Type: huma.TypeInteger}}}
		}
		live.Responses[strconv.Itoa(status)] = response
	}
}

// JSON writes the document of the operations as it is kept in the repository: indented, its members in a fixed order.
func (a *API) JSON() ([]byte, error) {
	compact, err := json.Marshal(a.OpenAPI())
	if err != nil {
		return nil, fmt.Errorf("httpapi: %w", err)
	}
	var tree any
	if err := json.Unmarshal(compact, &tree); err != nil {
		return nil, fmt.Errorf("httpapi: %w", err)
	}
	out, err := json.MarshalIndent(tree, "", " ")
	return append(out, '\n'), err
}
