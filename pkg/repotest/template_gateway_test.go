package repotest

import (
	"encoding/json"
	"maps"
	"regexp"
	"slices"
	"strings"
	"testing"

	"github.com/stretchr/testify/require"
)

// gatewayResponseTypes are all that API Gateway knows
// (docs.aws.amazon.com/apigateway/latest/developerguide/supported-gateway-response-types.html). The status is the one
// of our answer; 0 keeps that of the refusal.
var gatewayResponseTypes = map[string]struct {
	status int
	code   string
}{
	"ACCESS_DENIED":                  {403, "missing_scope"}, // as the authorizer says; the sample values below
	"API_CONFIGURATION_ERROR":        {500, "internal"},
	"AUTHORIZER_CONFIGURATION_ERROR": {503, "unavailable"},
	"AUTHORIZER_FAILURE":             {503, "unavailable"},
	"BAD_REQUEST_BODY":               {400, "malformed_request"},
	"BAD_REQUEST_PARAMETERS":         {400, "malformed_request"},
	"DEFAULT_4XX":                    {0, "malformed_request"},
	"DEFAULT_5XX":                    {0, "internal"},
	"EXPIRED_TOKEN":                  {404, "not_found"},
	"INTEGRATION_FAILURE":            {503, "unavailable"},
	"INTEGRATION_TIMEOUT":            {503, "unavailable"},
	"INVALID_API_KEY":                {401, "unauthorized"},
	"INVALID_SIGNATURE":              {404, "not_found"},
	"MISSING_AUTHENTICATION_TOKEN":   {404, "not_found"},
	"QUOTA_EXCEEDED":                 {429, "too_many_requests"},
	"REQUEST_TOO_LARGE":              {413, "payload_too_large"},
	"RESOURCE_NOT_FOUND":             {404, "not_found"},
	"THROTTLED":                      {429, "too_many_requests"},
	"UNAUTHORIZED":                   {401, "unauthorized"},
	"UNSUPPORTED_MEDIA_TYPE":         {415, "unsupported_media_type"},
	"WAF_FILTERED":                   {403, "request_blocked"},
}

// deniedContext is what the authorizer says with a Deny.
var deniedContext = map[string]string{
	"problem": "missing-scope", "code": "missing_scope", "title": "Missing scope", "detail": "This key lacks keys:read.",
	"missing_scope": "keys:read", "missing_permission": "",
}

const unauthorizedDetail = "This key was not accepted: it may be mistyped, rotated, revoked, expired or locked. Its " +
	"holder can learn which with POST …/v1/key-status. If it was just replaced, restart the client or reload its secret " +
	"store. A wrong scope would be a 403."

var contextVariable = regexp.MustCompile(`\$context\.([A-Za-z_]+(?:\.[A-Za-z_]+)*)`)

func contextVariables(text string) []string {
	used := map[string]bool{}
	for _, match := range contextVariable.FindAllStringSubmatch(text, -1) {
		used[match[1]] = true
	}
	return slices.Sorted(maps.Keys(used))
}

func gatewayResponses(t *testing.T) map[string]any {
	t.Helper()
	return object(t, loadTemplate(t).properties(t, "Api"), "GatewayResponses")
}

func gatewayBody(t *testing.T, responses map[string]any, kind string) string {
	t.Helper()
	templates := object(t, responses, kind, "ResponseTemplates")
	require.Len(t, templates, 1, kind)
	return templates["application/json"].(string)
}

func TestTemplate_EveryResponseThatAPIGatewayMakesItselfIsOurs(t *testing.T) {
	require.Equal(t, slices.Sorted(maps.Keys(gatewayResponseTypes)), slices.Sorted(maps.Keys(gatewayResponses(t))))
}

// On an unknown route API Gateway takes Authorization for a signature and repeats it, secret included, in its message.
func TestTemplate_NoResponseOfAPIGatewayRepeatsWhatTheCallerSent_D2(t *testing.T) {
	responses := gatewayResponses(t)
	for kind := range responses {
		body := gatewayBody(t, responses, kind)
		allowed := []string{"requestId"}
		if kind == "ACCESS_DENIED" {
			for key := range deniedContext {
				allowed = append(allowed, "authorizer."+key)
			}
		}
		require.ElementsMatch(t, allowed, contextVariables(body), kind)
		require.NotContains(t, strings.ReplaceAll(body, "$context.", ""), "$", kind)
		for header, value := range object(t, responses, kind, "ResponseParameters", "Headers") {
			static := regexp.MustCompile(`^'[^']*'$`).MatchString(value.(string))
			require.True(t, static || value == "context.requestId", "%s: %s", kind, header)
		}
	}
}

func TestTemplate_EveryResponseOfAPIGatewayIsAProblem_D12(t *testing.T) {
	responses := gatewayResponses(t)
	for kind, want := range gatewayResponseTypes {
		headers := object(t, responses, kind, "ResponseParameters", "Headers")
		require.Equal(t, []string{"Headers"}, slices.Collect(maps.Keys(object(t, responses, kind, "ResponseParameters"))))
		require.Equal(t, "'application/problem+json'", headers["Content-Type"], kind)
		require.Equal(t, "'no-store'", headers["Cache-Control"], kind)
		require.Equal(t, "context.requestId", headers["X-Request-Id"], kind)

		body := strings.ReplaceAll(gatewayBody(t, responses, kind), "$context.requestId", "req-1")
		for key, value := range deniedContext {
			body = regexp.MustCompile(`\$context\.authorizer\.`+key+`\b`).ReplaceAllString(body, value)
		}
		var problem map[string]any
		require.NoErrorf(t, json.Unmarshal([]byte(body), &problem), "%s: %s", kind, body)

		members := []string{"code", "detail", "request_id", "status", "title", "type"}
		status := int(problem["status"].(float64))
		if status == 403 {
			members = []string{"code", "detail", "missing_permission", "missing_scope", "request_id", "status", "title", "type"}
		}
		require.Equal(t, members, slices.Sorted(maps.Keys(problem)), kind)
		require.Equal(t, want.code, problem["code"], kind)
		require.Equal(t, "urn:rekey:problem:"+strings.ReplaceAll(want.code, "_", "-"), problem["type"], kind)
		require.Equal(t, "req-1", problem["request_id"], kind)
		require.NotEmpty(t, problem["title"], kind)
		require.NotEmpty(t, problem["detail"], kind)

		if want.status == 0 {
			require.NotContains(t, object(t, responses, kind), "StatusCode", kind)
			continue
		}
		require.Equal(t, want.status, object(t, responses, kind)["StatusCode"], kind)
		require.Equal(t, want.status, status, kind)
		if status == 401 {
			require.Equal(t, "'Bearer'", headers["WWW-Authenticate"], kind)
			require.Equal(t, unauthorizedDetail, problem["detail"], kind)
		}
		require.Equal(t, status == 429 || status == 503, headers["Retry-After"] != nil, kind)
	}
}

// An outage of ours must not look like a bad key, or clients throw good keys away.
func TestTemplate_AnAuthorizerThatFailsIsNever401(t *testing.T) {
	responses := gatewayResponses(t)
	for _, kind := range []string{"AUTHORIZER_FAILURE", "AUTHORIZER_CONFIGURATION_ERROR"} {
		require.Equal(t, 503, object(t, responses, kind)["StatusCode"], kind)
		require.Regexp(t, `^'[1-9][0-9]?'$`, object(t, responses, kind, "ResponseParameters", "Headers")["Retry-After"], kind)
	}
}
