package httpapi

import (
	"bytes"
	"context"
	"encoding/base64"
	"fmt"
	"net/http"
	"net/url"
	"path"
	"runtime/debug"
	"strings"
	"time"

	"github.com/aws/aws-lambda-go/events"

	"github.com/rekey-dev/rekey/pkg/audit"
	"github.com/rekey-dev/rekey/pkg/authz"
	"github.com/rekey-dev/rekey/pkg/fault"
	"github.com/rekey-dev/rekey/pkg/precondition"
	"github.com/rekey-dev/rekey/pkg/token"
)

// exchange is one request on its way through the layer. It travels in the request's context.
type exchange struct {
	now       time.Time
	path      string // as it was called, without the stage
	query     url.Values
	body      []byte
	caller    authz.Caller
	callerErr error // why there is no caller
	request   audit.Request
	header    http.Header
	domain    string // by which API Gateway was called

	op    *Operation // nil until the route is known
	match precondition.Match
	key   string // Idempotency-Key

	err  error // what was answered as a problem
	code fault.Kind
}

// who is the caller as cursors and repeats know it: an employee inside a company is another one than outside of it.
func (x *exchange) who() string {
	if inside := x.caller.Assumed(); inside != "" {
		return x.caller.ID + " " + string(inside)
	}
	return x.caller.ID
}

type exchangeKey struct{}

func exchangeOf(ctx context.Context) *exchange {
	x, ok := ctx.Value(exchangeKey{}).(*exchange)
	if !ok {
		panic("httpapi: a request that came in beside Handle")
	}
	return x
}

// lastWords is how long before the function's time is up an operation has to be done.
const lastWords = time.Second

// Handle answers one REST proxy event. It never returns an error: what goes wrong is a problem.
func (a *API) Handle(ctx context.Context, e events.APIGatewayProxyRequest) (events.APIGatewayProxyResponse, error) {
	x := &exchange{now: a.settings.Now(), path: pathOfEvent(e), query: queryOf(e), request: requestOf(e)}
	x.caller, x.callerErr = authz.FromContext(e.RequestContext.Authorizer)
	x.header, x.domain = headerOf(e), e.RequestContext.DomainName
	w := &recorder{header: http.Header{}}
	if end, ok := ctx.Deadline(); ok { // what is still under way then answers 503 while the function can answer
		var cancel context.CancelFunc
		ctx, cancel = context.WithDeadline(ctx, end.Add(-lastWords))
		defer cancel()
	}
	a.serve(context.WithValue(ctx, exchangeKey{}, x), x, e, w)
	w.header.Set("X-Request-Id", x.request.ID)
	w.header.Set("Cache-Control", "no-store")
	notice(w.header, e.RequestContext.Authorizer)
	a.log(ctx, x, e.HTTPMethod, w.status)
	return w.response(), nil
}

func (a *API) serve(ctx context.Context, x *exchange, e events.APIGatewayProxyRequest, w *recorder) {
	defer func() {
		if p := recover(); p != nil {
			*w = recorder{header: http.Header{}}
			x.writeProblem(w, fmt.Errorf("panic: %v\n%s", p, debug.Stack()))
		}
	}()
	r := &http.Request{Method: e.HTTPMethod, Header: x.header, Host: "rekey", Body: http.NoBody}
	unknown := fault.New(fault.NotFound, "There is no such route, or not with this method.")
	decoded, err := url.PathUnescape(x.path)
	if err != nil || path.Clean(x.path) != x.path {
		x.writeProblem(w, unknown)
		return
	}
	r.URL = &url.URL{Path: decoded, RawPath: x.path, RawQuery: x.query.Encode()}
	_, pattern := a.mux.Handler(r)
	if !strings.HasPrefix(pattern, r.Method+" ") {
		x.writeProblem(w, unknown)
		return
	}
	if x.body, err = bodyOf(e, max(a.bodies[pattern], MaxBody)); err != nil {
		x.writeProblem(w, err)
		return
	}
	a.mux.ServeHTTP(w, r.WithContext(ctx))
}

// pathOfEvent is the path that was called, without the stage and without the base path of a custom domain: the resource's
// template with its parameters. An event without them has only its path.
func pathOfEvent(e events.APIGatewayProxyRequest) string {
	if e.Resource == "" || strings.Contains(e.Resource, "+}") {
		return e.Path
	}
	return pathOf(e.Resource, e.PathParameters)
}

// pathOf fills the parameters of a path template, each percent-encoded so that it stays one segment.
func pathOf(template string, parameters map[string]string) string {
	var out strings.Builder
	for {
		before, rest, ok := strings.Cut(template, "{")
		out.WriteString(before)
		name, after, closed := strings.Cut(rest, "}")
		if !ok || !closed {
			return out.String()
		}
		out.WriteString(segment(parameters[name]))
		template = after
	}
}

func segment(text string) string {
	const hex = "0123456789ABCDEF"
	var out strings.Builder
	for i := range len(text) {
		switch c := text[i]; {
		case c >= '0' && c <= '9', c >= 'A' && c <= 'Z', c >= 'a' && c <= 'z', c == '_', c == '-':
			out.WriteByte(c)
		default:
			out.WriteByte('%')
			out.WriteByte(hex[c>>4])
			out.WriteByte(hex[c&15])
		}
	}
	return out.String()
}

func queryOf(e events.APIGatewayProxyRequest) url.Values {
	query := url.Values{}
	for k, v := range e.QueryStringParameters {
		query[k] = []string{v}
	}
	for k, v := range e.MultiValueQueryStringParameters {
		query[k] = append([]string(nil), v...)
	}
	return query
}

func headerOf(e events.APIGatewayProxyRequest) http.Header {
	header := http.Header{}
	if len(e.MultiValueHeaders) > 0 {
		for k, values := range e.MultiValueHeaders {
			for _, v := range values {
				header.Add(k, v)
			}
		}
		return header
	}
	for k, v := range e.Headers {
		header.Add(k, v)
	}
	return header
}

func bodyOf(e events.APIGatewayProxyRequest, most int) ([]byte, error) {
	body := []byte(e.Body)
	if e.IsBase64Encoded {
		if base64.StdEncoding.DecodedLen(len(body)) > most+2 {
			return nil, tooLarge(most)
		}
		decoded, err := base64.StdEncoding.DecodeString(e.Body)
		if err != nil {
			return nil, &fault.Error{Kind: fault.Malformed, Detail: "The body cannot be read.", Cause: err}
		}
		body = decoded
	}
	if len(body) > most {
		return nil, tooLarge(most)
	}
	return body, nil
}

// maxUserAgent is how many bytes of a user agent go into records.
const maxUserAgent = 200

// requestOf is what a record takes from a request. The address is API Gateway's, never a header's.
func requestOf(e events.APIGatewayProxyRequest) audit.Request {
	agent := strings.Map(func(r rune) rune {
		if r < ' ' || r == 0x7f {
			return ' '
		}
		return r
	}, token.Redact(e.RequestContext.Identity.UserAgent))
	agent = strings.ToValidUTF8(agent[:min(len(agent), maxUserAgent)], "")
	return audit.Request{ID: e.RequestContext.RequestID, SourceIP: e.RequestContext.Identity.SourceIP, UserAgent: agent}
}

// notice tells a consumer that its key nears its end or has a successor.
func notice(header http.Header, authorizer map[string]any) {
	if at, ok := authorizer[authz.ContextNotice].(string); ok && at != "" {
		header.Set("Rekey-Key-Expires-At", at)
	}
	if authorizer[authz.ContextSuperseded] == "true" {
		header.Set("Rekey-Key-Superseded", "true")
	}
}

// recorder is the http.ResponseWriter behind which a response is gathered.
type recorder struct {
	header http.Header
	status int
	body   bytes.Buffer
}

func (w *recorder) Header() http.Header { return w.header }

func (w *recorder) WriteHeader(status int) {
	if w.status == 0 {
		w.status = status
	}
}

func (w *recorder) Write(b []byte) (int, error) {
	w.WriteHeader(http.StatusOK)
	return w.body.Write(b)
}

// SetReadDeadline has nothing to do: the body is there already.
func (w *recorder) SetReadDeadline(time.Time) error { return nil }

func (w *recorder) response() events.APIGatewayProxyResponse {
	out := events.APIGatewayProxyResponse{StatusCode: w.status, Headers: map[string]string{}, Body: w.body.String()}
	for k := range w.header {
		out.Headers[k] = w.header.Get(k)
	}
	return out
}
