package httpapi

import (
	"bytes"
	"encoding/json"
	"io"
	"maps"
	"mime"
	"net/http"
	"net/url"
	"regexp"
	"slices"
	"strconv"
	"strings"

	"github.com/danielgtaylor/huma/v2"
	"github.com/danielgtaylor/huma/v2/adapters/humago"

	"github.com/rekey-dev/rekey/pkg/fault"
	"github.com/rekey-dev/rekey/pkg/idempotency"
	"github.com/rekey-dev/rekey/pkg/precondition"
)

// MaxBody is the most bytes of a request's body, of an operation that says nothing else.
const MaxBody = 64 << 10

func tooLarge(most int) error {
	return fault.New(fault.PayloadTooLarge, "The body is larger than "+strconv.Itoa(most>>10)+" KiB.")
}

const (
	jsonType       = "application/json"
	mergePatchType = "application/merge-patch+json"
)

// validate is the middleware that holds a request against its operation before huma reads it.
func (a *API) validate(op *Operation) func(huma.Context, func(huma.Context)) {
	return func(c huma.Context, next func(huma.Context)) {
		r, w := humago.Unwrap(c)
		x := exchangeOf(c.Context())
		x.op = op
		if err := a.admit(x, op, c.Operation(), r); err != nil {
			x.writeProblem(w, err)
			return
		}
		next(c)
	}
}

// admit refuses what the document does not allow, and fills in what the headers say.
func (a *API) admit(x *exchange, op *Operation, documented *huma.Operation, r *http.Request) error {
	if !op.public() && x.callerErr != nil {
		return x.callerErr // no fault: a route that the authorizer does not guard is an error of ours
	}
	if err := a.query(documented, r.URL.Query()); err != nil {
		return err
	}
	var err error
	if op.Match {
		if x.match, err = ifMatch(r.Header.Values("If-Match")); err != nil {
			return err
		}
	}
	if op.repeatable() {
		if x.key, err = idempotencyKey(r.Header.Values("Idempotency-Key")); err != nil {
			return err
		}
	}
	if documented.RequestBody == nil {
		return nil
	}
	return a.body(x, documented, r)
}

func (a *API) query(documented *huma.Operation, values url.Values) error {
	c := checker{registry: a.OpenAPI().Components.Schemas}
	known := map[string]*huma.Schema{}
	for _, p := range documented.Parameters {
		if p.In == "query" {
			known[p.Name] = p.Schema
		}
	}
	for _, name := range slices.Sorted(maps.Keys(values)) {
		schema, ok := known[name]
		pointer := child("", name)
		switch {
		case !ok:
			c.add(pointer, "is no parameter of this route")
		case len(values[name]) > 1:
			c.add(pointer, "is given more than once")
		case values[name][0] == "":
			c.add(pointer, "must not be empty")
		default:
			c.check(schema, pointer, parameter(schema, values[name][0]))
		}
	}
	return fault.InvalidFields(c.bad)
}

var decimal = regexp.MustCompile(`^(0|-?[1-9][0-9]{0,17})$`)

// parameter is a query parameter's text as the JSON value that its schema wants, where it is one.
func parameter(s *huma.Schema, text string) any {
	switch {
	case s.Type == huma.TypeInteger && decimal.MatchString(text):
		return json.Number(text)
	case s.Type == huma.TypeBoolean && (text == "true" || text == "false"):
		return text == "true"
	}
	return text
}

func (a *API) body(x *exchange, documented *huma.Operation, r *http.Request) error {
	if len(x.body) == 0 {
		if documented.RequestBody.Required {
			return fault.New(fault.Malformed, "There is no body; a JSON object is wanted.")
		}
		return nil
	}
	if err := mediaType(r.Header, documented.RequestBody.Content); err != nil {
		return err
	}
	value, err := tree(x.body)
	if err != nil {
		return err
	}
	c := checker{registry: a.OpenAPI().Components.Schemas}
	c.check(documented.RequestBody.Content[jsonType].Schema, "", value)
	r.Header.Set("Content-Type", jsonType)
	r.Body = io.NopCloser(bytes.NewReader(x.body))
	return fault.InvalidFields(c.bad)
}

// mediaType accepts the types that the document names, in UTF-8 and without a content coding. A body without a type is
// taken for JSON.
func mediaType(h http.Header, known map[string]*huma.MediaType) error {
	refused := fault.New(fault.UnsupportedMediaType, "The body must be "+
		strings.Join(slices.Sorted(maps.Keys(known)), " or ")+" in UTF-8, without a content coding.")
	if c := h.Get("Content-Encoding"); c != "" && !strings.EqualFold(c, "identity") {
		return refused
	}
	given := h.Values("Content-Type")
	if len(given) == 0 || len(given) == 1 && given[0] == "" {
		return nil
	}
	kind, params, err := mime.ParseMediaType(given[0])
	if charset, ok := params["charset"]; ok && !strings.EqualFold(charset, "utf-8") {
		return refused
	}
	if known[kind] == nil || err != nil || len(given) > 1 {
		return refused
	}
	return nil
}

// idempotencyKey reads the header: 1 to 255 visible ASCII characters, once; "" when it is not there.
func idempotencyKey(values []string) (string, error) {
	if len(values) == 0 {
		return "", nil
	}
	if len(values) > 1 {
		return "", fault.InvalidField("/Idempotency-Key", "is given more than once")
	}
	key := values[0]
	visible := strings.IndexFunc(key, func(r rune) bool { return r <= ' ' || r > '~' }) < 0
	if key == "" || len(key) > idempotency.MaxKey || !visible {
		return "", fault.InvalidField("/Idempotency-Key", "must be 1 to 255 visible ASCII characters")
	}
	return key, nil
}

// ifMatch reads the header (RFC 9110 section 13.1.1): "*", or entity tags with commas between them. A weak tag is never
// the same as another under strong comparison, so it is read and left out.
func ifMatch(values []string) (precondition.Match, error) {
	text := strings.TrimSpace(strings.Join(values, ","))
	if len(values) == 0 {
		return precondition.Match{}, nil
	}
	if text == "*" {
		return precondition.Match{Given: true, Any: true}, nil
	}
	m := precondition.Match{Given: true}
	for rest := text; ; {
		rest = strings.TrimLeft(rest, " \t,")
		if rest == "" {
			break
		}
		tag, weak := strings.CutPrefix(rest, "W/")
		end := strings.IndexByte(strings.TrimPrefix(tag, `"`), '"')
		if !strings.HasPrefix(tag, `"`) || end < 0 {
			return m, fault.InvalidField("/If-Match", `must be * or ETags as they were received, in double quotes, with commas between them`)
		}
		if !weak {
			m.Tags = append(m.Tags, tag[1:1+end])
		}
		rest = strings.TrimLeft(tag[end+2:], " \t")
		if rest != "" && rest[0] != ',' {
			return m, fault.InvalidField("/If-Match", "must have commas between its ETags")
		}
	}
	if text == "" || strings.Trim(text, " \t,") == "" {
		return m, fault.InvalidField("/If-Match", "must not be empty")
	}
	return m, nil
}
