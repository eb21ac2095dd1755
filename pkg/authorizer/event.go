package authorizer

import (
	"bytes"
	"encoding/base64"
	"encoding/json"
	"strings"

	"github.com/rekey-dev/rekey/pkg/lock"
	"github.com/rekey-dev/rekey/pkg/token"
	"github.com/rekey-dev/rekey/pkg/usage"
	"github.com/rekey-dev/rekey/pkg/verify"
)

// event is what the authorizer reads of the three shapes in which API Gateway asks: REST (type REQUEST), HTTP API format 1.0
// and HTTP API format 2.0. Everything else in them is skipped without being decoded.
// Source: API Gateway Developer Guide, "Input to a Lambda authorizer" and "Lambda authorizers for HTTP APIs".
type event struct {
	Version   string `json:"version"` // "" for REST
	MethodARN string `json:"methodArn"`
	RouteARN  string `json:"routeArn"` // format 2.0
	Resource  string `json:"resource"` // path template
	RouteKey  string `json:"routeKey"` // format 2.0
	Method    string `json:"httpMethod"`

	Headers      headers `json:"headers"`
	MultiHeaders headers `json:"multiValueHeaders"` // not in format 2.0, which joins repeated headers with ","

	PathParameters struct {
		ID string `json:"id"`
	} `json:"pathParameters"`
	StageVariables struct {
		RekeyAPI string `json:"rekey_api"`
	} `json:"stageVariables"`
	Context struct {
		RequestID string `json:"requestId"`
		Identity  struct {
			SourceIP  string `json:"sourceIp"`
			UserAgent string `json:"userAgent"`
		} `json:"identity"`
		HTTP struct {
			SourceIP  string `json:"sourceIp"`
			UserAgent string `json:"userAgent"`
			Method    string `json:"method"`
		} `json:"http"`
	} `json:"requestContext"`
}

// headers are the two headers that carry credentials. encoding/json matches names without regard to case, and values
// appends, so that two spellings of one header are two values.
type headers struct {
	Authorization values `json:"authorization"`
	APIKey        values `json:"x-api-key"`
}

// values is a header's values: a string, or a list of strings.
type values []string

func (v *values) UnmarshalJSON(b []byte) error {
	if text, ok := simple(bytes.TrimSuffix(bytes.TrimPrefix(b, []byte("[")), []byte("]"))); ok {
		*v = append(*v, text)
		return nil
	}
	if len(b) > 0 && b[0] == '[' {
		var list []string
		if err := json.Unmarshal(b, &list); err != nil {
			return err
		}
		*v = append(*v, list...)
		return nil
	}
	var one *string
	if err := json.Unmarshal(b, &one); err != nil {
		return err
	}
	if one != nil {
		*v = append(*v, *one)
	}
	return nil
}

// simple reads a JSON string that needs no decoding: printable ASCII without an escape. Nearly every header is one, and
// reading it here saves a decoder for each.
func simple(b []byte) (string, bool) {
	if len(b) < 2 || b[0] != '"' || b[len(b)-1] != '"' {
		return "", false
	}
	b = b[1 : len(b)-1]
	for _, c := range b {
		if c == '"' || c == '\\' || c < 0x20 || c > 0x7e {
			return "", false
		}
	}
	return string(b), true
}

// isHTTP2 tells format 2.0, which wants the simple response.
func (e *event) isHTTP2() bool { return e.Version == "2.0" }

// arn is the method or route that is asked about.
func (e *event) arn() string {
	if e.isHTTP2() {
		return e.RouteARN
	}
	return e.MethodARN
}

// own tells whether the API is rekey's own: its stage says so. Whoever can set a stage variable of an API can as well take
// its authorizer away, so this guards against a mistake, not against them.
func (e *event) own() bool { return e.StageVariables.RekeyAPI == "self" }

// origin is where the request came from, as the gateway knows it; no header is asked.
func (e *event) origin() verify.Origin {
	ip, agent := e.Context.Identity.SourceIP, e.Context.Identity.UserAgent
	if ip == "" {
		ip, agent = e.Context.HTTP.SourceIP, e.Context.HTTP.UserAgent
	}
	o := verify.Origin{Address: lock.Address(ip), IP: ip, UserAgent: UserAgent(agent), RequestID: e.Context.RequestID, Method: e.Method,
		Route: e.Resource}
	o.API, o.Guard = e.api()
	if e.isHTTP2() {
		var ok bool
		if o.Method, o.Route, ok = strings.Cut(e.RouteKey, " "); !ok { // $default
			o.Method, o.Route = "ANY", e.RouteKey
		}
	}
	o.Route = o.Route[:min(len(o.Route), maxRoute)]
	return o
}

// maxRoute is the most bytes of a route's template that are kept.
const maxRoute = 200

// api is usage.Own, or the ID of another API together with "<ID>/<stage>": what comes in the ARN behind the account's ID.
// Source: API Gateway Developer Guide, "Control access for invoking an API", on the ARN's format.
func (e *event) api() (api, guard string) {
	if e.own() {
		return usage.Own, ""
	}
	rest := e.arn()
	for range 5 {
		_, rest, _ = strings.Cut(rest, ":")
	}
	api, stage, _ := strings.Cut(rest, "/")
	stage, _, _ = strings.Cut(stage, "/")
	if api == "" || stage == "" {
		return api, ""
	}
	return api, rest[:len(api)+1+len(stage)]
}

// maxUserAgent is the most bytes of a user agent that are kept.
const maxUserAgent = 200

// UserAgent cuts a user agent to 200 bytes of printable ASCII without secrets.
func UserAgent(s string) string {
	clean := true
	for i := 0; i < len(s); i++ {
		if s[i] < 0x20 || s[i] > 0x7e {
			clean = false
		}
	}
	if !clean {
		s = strings.Map(func(r rune) rune {
			if r < 0x20 || r > 0x7e {
				return '?'
			}
			return r
		}, s)
	}
	if strings.Contains(s, "rk") {
		s = token.Redact(s)
	}
	if len(s) > maxUserAgent {
		s = strings.Clone(s[:maxUserAgent]) // the rest is not kept with it
	}
	return s
}

// credentials returns the one credential that the request presents. It reports false for none, for more than one, and for a
// header that is not of a form it knows: none of them is anybody's failure.
func (e *event) credentials() (verify.Presented, bool) {
	authorization, apiKey := e.MultiHeaders.Authorization, e.MultiHeaders.APIKey
	if len(authorization) == 0 && len(apiKey) == 0 {
		authorization, apiKey = e.Headers.Authorization, e.Headers.APIKey
	}
	return presented(authorization, apiKey)
}

// presented is credentials for the values of the two headers.
func presented(authorization, apiKey []string) (verify.Presented, bool) {
	if len(authorization)+len(apiKey) != 1 {
		return verify.Presented{}, false
	}
	if len(apiKey) == 1 {
		return verify.Presented{Secret: token.SecretOf(apiKey[0])}, true
	}
	scheme, rest, ok := strings.Cut(authorization[0], " ")
	if !ok {
		return verify.Presented{}, false
	}
	switch {
	case strings.EqualFold(scheme, "Bearer"):
		return verify.Presented{Secret: token.SecretOf(rest)}, true
	case strings.EqualFold(scheme, "Basic"):
		plain, err := base64.StdEncoding.DecodeString(rest)
		if err != nil {
			return verify.Presented{}, false
		}
		user, password, ok := strings.Cut(string(plain), ":")
		return verify.Presented{Secret: token.SecretOf(password), Basic: true, User: user}, ok
	}
	return verify.Presented{}, false
}
