package httpapi

import (
	"bytes"
	"cmp"
	"context"
	"encoding/json"
	"errors"
	"net/http"
	"net/url"
	"strconv"

	"github.com/danielgtaylor/huma/v2"
	"github.com/danielgtaylor/huma/v2/adapters/humago"

	"github.com/rekey-dev/rekey/pkg/call"
	"github.com/rekey-dev/rekey/pkg/fault"
	"github.com/rekey-dev/rekey/pkg/idempotency"
	"github.com/rekey-dev/rekey/pkg/permission"
	"github.com/rekey-dev/rekey/pkg/token"
)

// Access says who may call an operation.
type Access struct {
	Public     bool
	Permission permission.Permission // "" for whoever is signed in
}

// The two kinds of access that name no permission.
var (
	Public   = Access{Public: true}
	SignedIn = Access{}
)

// Needs is the access of whoever holds a permission.
func Needs(p permission.Permission) Access { return Access{Permission: p} }

// Operation is what is said of an operation beside its input and output.
type Operation struct {
	ID          string // of the OpenAPI document: listKeys
	Method      string
	Path        string // with {id} for the object
	Tag         string // the noun it is of
	Summary     string
	Description string
	Access      Access
	Denied      *DeniedAudit // how the authorizer records that the permission is missing; nil where it does not
	Status      int          // of success; 0 is 200
	Tagged      bool         // answers with a single object and its ETag
	Match       bool         // honours If-Match
	MergePatch  bool         // the body is a JSON merge patch (RFC 7396)
	MaxBody     int          // the most bytes of the body, where MaxBody of the package is too few
	CSV         bool         // can answer with a Table; its input has a Format
	Errors      []fault.Kind // beyond those that come with the route
	// Fresh says that no answer is kept: a POST that decides anew each time ignores Idempotency-Key, as public ones do.
	Fresh bool
	// RepeatScope, on a public POST that can be repeated, returns who repeats it. On other POSTs it is the caller.
	RepeatScope func(in any) string
	// ByKey says that it acts on the very key that calls: a repeat is that key's, and not another key's of the same principal.
	ByKey bool
	// SecretMember is the name of the member that shows the answer's secret; "" is secret. Its output documents it.
	SecretMember string
}

func (op *Operation) secretMember() string { return cmp.Or(op.SecretMember, "secret") }

func (op *Operation) public() bool { return op.Access.Public }

func (op *Operation) repeatable() bool {
	return op.Method == http.MethodPost && !op.Fresh && (!op.public() || op.RepeatScope != nil)
}

func (op *Operation) status() int {
	if op.Status == 0 {
		return http.StatusOK
	}
	return op.Status
}

// None is the body of a response that has none.
type None struct{}

// OneTime is embedded, as the last member, in a response that can carry a secret. It only documents the members: the
// secret of an Answer is put in when the response is written, and nowhere else.
type OneTime struct {
	Secret   string `json:"secret,omitempty" format:"password" doc:"Shown this once. A repeat with the same Idempotency-Key shows it again for an hour, or until its first use."`
	Withheld bool   `json:"secret_withheld,omitempty" doc:"true in a repeat that comes too late for the secret"`
}

// Answer is what an operation's result looks like to its caller.
type Answer[O any] struct {
	Body   O
	ETag   string       // without quotes; "" for none
	Secret token.Secret // shown once, as the member "secret" of the body
	Table  *Table       // written in place of the body, by an operation with CSV; nil for none
}

type output struct{ Body func(huma.Context) }

// Register adds an operation. do carries it out and returns a result of the domain; show, which is pure, says what the
// result looks like. For a POST with an Idempotency-Key the call has a Pending whose Render is show, so that what is kept
// for a repeat is what was answered, without the secret.
func Register[I, R, O any](a *API, op Operation, do func(ctx context.Context, c call.Call, in *I) (R, error), show func(r R) Answer[O]) {
	kept := &op
	if op.MaxBody > 0 {
		a.bodies[op.Method+" "+op.Path] = op.MaxBody
	}
	op.checkCSV()
	documented := op.document(bodySchema[I](a, op.ID), schemaOf[O](a))
	documented.Middlewares = huma.Middlewares{a.validate(kept)}
	huma.Register(a.huma, documented, func(ctx context.Context, in *I) (*output, error) {
		return &output{func(c huma.Context) {
			_, w := humago.Unwrap(c)
			x := exchangeOf(ctx)
			out, err := perform(ctx, a, x, kept, in, do, show)
			if err != nil {
				x.writeProblem(w, err)
				return
			}
			out.write(w)
		}}, nil
	})
	a.finish(kept, documented)
}

// response is a success, ready to be written.
type response struct {
	status int
	etag   string
	body   []byte // nil for none
	media  string // the body's type; "" is JSON
	header map[string]string
}

func (out response) write(w http.ResponseWriter) {
	if out.etag != "" {
		w.Header().Set("ETag", `"`+out.etag+`"`)
	}
	if out.body != nil {
		w.Header().Set("Content-Type", cmp.Or(out.media, jsonType))
	}
	for name, value := range out.header {
		w.Header().Set(name, value)
	}
	w.WriteHeader(out.status)
	w.Write(out.body)
}

func perform[I, R, O any](ctx context.Context, a *API, x *exchange, op *Operation, in *I,
	do func(context.Context, call.Call, *I) (R, error), show func(R) Answer[O]) (response, error) {
	c := call.Call{Caller: x.caller, Request: x.request, Match: x.match, Route: op.Method + " " + op.Path, Domain: x.domain}
	if x.key != "" {
		pending, err := a.pending(ctx, x, op, in)
		if err != nil {
			return response{}, err
		}
		pending.Render = func(result any) (int, string, []byte, error) {
			r, ok := result.(R)
			if !ok {
				return 0, "", nil, errors.New("httpapi: " + op.ID + " keeps a result that is not its own")
			}
			answer := show(r)
			body, err := encode(answer.Body)
			return op.status(), answer.ETag, body, err
		}
		c.Idempotency = pending
	}
	result, err := do(ctx, c, in)
	var replay *idempotency.Replay
	if errors.As(err, &replay) {
		return a.replay(ctx, c, op, replay.Record)
	}
	if err != nil {
		return response{}, err
	}
	answer := show(result)
	if answer.Table != nil {
		return answer.Table.write(op.status())
	}
	out := response{status: op.status(), etag: answer.ETag}
	if out.body, err = encode(answer.Body); err == nil && !answer.Secret.IsZero() {
		out.body, err = with(out.body, op.secretMember(), answer.Secret.Reveal())
	}
	return out, err
}

// pending looks for an earlier call with the same key.
func (a *API) pending(ctx context.Context, x *exchange, op *Operation, in any) (*idempotency.Pending, error) {
	who := x.who()
	switch {
	case op.public():
		who = op.RepeatScope(in)
	case op.ByKey:
		who = x.caller.KeyID
	}
	scope := idempotency.Scope(who, op.Method, x.path, x.key)
	prior, err := a.settings.Idempotency(ctx, scope, x.now)
	if err != nil {
		return nil, err
	}
	return &idempotency.Pending{Scope: scope, Fingerprint: idempotency.Fingerprint(x.query.Encode(), x.body),
		Salt: idempotency.NewSalt(a.settings.Rand), Prior: prior}, nil
}

// replay answers as the earlier call was answered, with its secret for as long as that may be shown.
func (a *API) replay(ctx context.Context, c call.Call, op *Operation, r idempotency.Record) (response, error) {
	out := response{status: r.Status, etag: r.ETag, body: r.Body}
	if r.Secret == nil {
		return out, nil
	}
	secret, err := a.settings.Repeat(ctx, c, r)
	switch {
	case err != nil:
		return response{}, err
	case secret.IsZero():
		out.body, err = with(r.Body, "secret_withheld", true)
	default:
		out.body, err = with(r.Body, op.secretMember(), secret.Reveal())
	}
	return out, err
}

// encode writes a body as JSON; nil for None.
func encode(body any) ([]byte, error) {
	if _, ok := body.(None); ok {
		return nil, nil
	}
	var out bytes.Buffer
	e := json.NewEncoder(&out)
	e.SetEscapeHTML(false)
	if err := e.Encode(body); err != nil {
		return nil, err
	}
	return bytes.TrimSuffix(out.Bytes(), []byte("\n")), nil
}

// with adds a last member to a JSON object that has others.
func with(object []byte, member string, value any) ([]byte, error) {
	if len(object) < 3 || object[len(object)-1] != '}' {
		return nil, errors.New("httpapi: a response with a secret that is no object with members")
	}
	v, err := json.Marshal(value)
	if err != nil {
		return nil, err
	}
	out := append([]byte{}, object[:len(object)-1]...)
	out = append(out, ',')
	out = strconv.AppendQuote(out, member)
	out = append(out, ':')
	return append(append(out, v...), '}'), nil
}

// filters is what a cursor is bound to of a query: everything but the cursor itself and the page's size.
func filters(query url.Values) string {
	rest := url.Values{}
	for k, v := range query {
		if k != "cursor" && k != "limit" {
			rest[k] = v
		}
	}
	return rest.Encode()
}
