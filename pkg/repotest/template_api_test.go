package repotest

import (
	"cmp"
	"encoding/json"
	"maps"
	"slices"
	"strings"
	"testing"

	"github.com/stretchr/testify/require"
)

type templateRoute struct {
	method, path, function string
	public                 bool
}

// expectedRoutes are all that the API has. A route that is not public and stands here as public, or the other way round, is a
// hole or an outage: the list is kept by hand on purpose.
var expectedRoutes = []templateRoute{
	{"GET", "/audit-events", "AuditEventsFunction", false},
	{"GET", "/audit-events/{id}", "AuditEventsFunction", false},
	{"GET", "/calendars", "CalendarsFunction", false},
	{"POST", "/calendars", "CalendarsFunction", false},
	{"DELETE", "/calendars/{id}", "CalendarsFunction", false},
	{"GET", "/calendars/{id}", "CalendarsFunction", false},
	{"PATCH", "/calendars/{id}", "CalendarsFunction", false},
	{"GET", "/companies", "CompaniesFunction", false},
	{"POST", "/companies", "CompaniesFunction", false},
	{"DELETE", "/companies/{id}", "CompaniesFunction", false},
	{"GET", "/companies/{id}", "CompaniesFunction", false},
	{"PATCH", "/companies/{id}", "CompaniesFunction", false},
	{"POST", "/companies/{id}/assume", "SessionsFunction", false},
	{"POST", "/companies/{id}/resume", "CompaniesFunction", false},
	{"POST", "/companies/{id}/suspend", "CompaniesFunction", false},
	{"POST", "/credentials/challenges", "CredentialsFunction", true},
	{"POST", "/credentials/codes", "CredentialsFunction", false},
	{"POST", "/credentials/with-code", "CredentialsFunction", true},
	{"DELETE", "/credentials/{id}", "CredentialsFunction", false},
	{"GET", "/credentials/{id}", "CredentialsFunction", false},
	{"GET", "/employees", "EmployeesFunction", false},
	{"POST", "/employees", "EmployeesFunction", false},
	{"DELETE", "/employees/{id}", "EmployeesFunction", false},
	{"GET", "/employees/{id}", "EmployeesFunction", false},
	{"PATCH", "/employees/{id}", "EmployeesFunction", false},
	{"GET", "/employees/{id}/credentials", "CredentialsFunction", false},
	{"POST", "/employees/{id}/credentials", "CredentialsFunction", false},
	{"POST", "/employees/{id}/resend-invitation", "EmployeesFunction", false},
	{"POST", "/employees/{id}/reset-second-factor", "EmployeesFunction", false},
	{"POST", "/employees/{id}/revoke-invitation", "EmployeesFunction", false},
	{"GET", "/health", "HealthFunction", true},
	{"POST", "/key-status", "KeyStatusFunction", true},
	{"GET", "/keys", "KeysFunction", false},
	{"POST", "/keys/self-revoke", "KeyStatusFunction", true},
	{"GET", "/keys/{id}", "KeysFunction", false},
	{"PATCH", "/keys/{id}", "KeysFunction", false},
	{"POST", "/keys/{id}/activate", "KeysFunction", false},
	{"POST", "/keys/{id}/deactivate", "KeysFunction", false},
	{"POST", "/keys/{id}/regenerate", "KeysFunction", false},
	{"POST", "/keys/{id}/revoke", "KeysFunction", false},
	{"POST", "/keys/{id}/rotate", "RotationsFunction", false},
	{"GET", "/keys/{id}/usage", "KeysFunction", false},
	{"GET", "/me", "MeFunction", false},
	{"POST", "/me/key/rotate", "RotationsFunction", false},
	{"GET", "/nodes", "NodesFunction", false},
	{"POST", "/nodes", "NodesFunction", false},
	{"DELETE", "/nodes/{id}", "NodesFunction", false},
	{"GET", "/nodes/{id}", "NodesFunction", false},
	{"PATCH", "/nodes/{id}", "NodesFunction", false},
	{"GET", "/openapi.json", "HealthFunction", true},
	{"GET", "/packages", "BillingFunction", false},
	{"GET", "/permissions", "RolesFunction", false},
	{"GET", "/personal-access-tokens", "PersonalAccessTokensFunction", false},
	{"POST", "/personal-access-tokens", "PersonalAccessTokensFunction", false},
	{"DELETE", "/personal-access-tokens/{id}", "PersonalAccessTokensFunction", false},
	{"GET", "/personal-access-tokens/{id}", "PersonalAccessTokensFunction", false},
	{"GET", "/protected-apis", "ProtectedAPIsFunction", false},
	{"POST", "/protected-apis", "ProtectedAPIsFunction", false},
	{"DELETE", "/protected-apis/{id}", "ProtectedAPIsFunction", false},
	{"GET", "/protected-apis/{id}", "ProtectedAPIsFunction", false},
	{"PATCH", "/protected-apis/{id}", "ProtectedAPIsFunction", false},
	{"GET", "/roles", "RolesFunction", false},
	{"POST", "/roles", "RolesFunction", false},
	{"DELETE", "/roles/{id}", "RolesFunction", false},
	{"GET", "/roles/{id}", "RolesFunction", false},
	{"PATCH", "/roles/{id}", "RolesFunction", false},
	{"GET", "/rotation-policies", "RotationPoliciesFunction", false},
	{"POST", "/rotation-policies", "RotationPoliciesFunction", false},
	{"DELETE", "/rotation-policies/{id}", "RotationPoliciesFunction", false},
	{"GET", "/rotation-policies/{id}", "RotationPoliciesFunction", false},
	{"PATCH", "/rotation-policies/{id}", "RotationPoliciesFunction", false},
	{"GET", "/rotation-policies/{id}/preview", "RotationPoliciesFunction", false},
	{"GET", "/rotations", "RotationsFunction", false},
	{"GET", "/rotations/{id}", "RotationsFunction", false},
	{"POST", "/rotations/{id}/cancel", "RotationsFunction", false},
	{"POST", "/rotations/{id}/complete", "RotationsFunction", false},
	{"POST", "/rotations/{id}/extend", "RotationsFunction", false},
	{"GET", "/rotations/{id}/report", "RotationsFunction", false},
	{"GET", "/service-accounts", "ServiceAccountsFunction", false},
	{"POST", "/service-accounts", "ServiceAccountsFunction", false},
	{"DELETE", "/service-accounts/{id}", "ServiceAccountsFunction", false},
	{"GET", "/service-accounts/{id}", "ServiceAccountsFunction", false},
	{"PATCH", "/service-accounts/{id}", "ServiceAccountsFunction", false},
	{"GET", "/service-accounts/{id}/effective-policy", "RotationPoliciesFunction", false},
	{"GET", "/service-accounts/{id}/keys", "KeysFunction", false},
	{"POST", "/service-accounts/{id}/keys", "KeysFunction", false},
	{"POST", "/service-accounts/{id}/revoke", "ServiceAccountsFunction", false},
	{"POST", "/service-accounts/{id}/rotate", "ServiceAccountsFunction", false},
	{"POST", "/service-accounts/{id}/unlock", "ServiceAccountsFunction", false},
	{"GET", "/sessions", "SessionsFunction", false},
	{"POST", "/sessions", "SessionsFunction", true},
	{"POST", "/sessions/challenges", "SessionsFunction", true},
	{"DELETE", "/sessions/{id}", "SessionsFunction", false},
	{"POST", "/setup", "SetupFunction", true},
	{"GET", "/usage", "BillingFunction", false},
	{"POST", "/verify", "VerifyFunction", false},
}

// templateRoutes reads the routes of template.yaml, sorted by path and method. Whatever is said about authorization at
// a route other than `Authorizer: NONE` fails, and so does an event of another type.
func templateRoutes(t *testing.T, tp template) []templateRoute {
	t.Helper()
	var found []templateRoute
	for _, id := range tp.functions(t) {
		if _, ok := tp.properties(t, id)["Events"]; !ok {
			continue
		}
		for name := range object(t, tp.properties(t, id), "Events") {
			event := object(t, tp.properties(t, id), "Events", name)
			if event["Type"] == "DynamoDB" || id == "SweeperFunction" && event["Type"] == "Schedule" || id == "NotifierFunction" {
				continue
			}
			require.Equal(t, "Api", event["Type"], "%s of %s", name, id)
			properties := object(t, event, "Properties")
			require.Equal(t, ref("Api"), properties["RestApiId"])
			method := strings.ToUpper(properties["Method"].(string))
			require.NotEqual(t, "ANY", method, "%s of %s: every method is named", name, id)
			auth, ok := properties["Auth"]
			if ok {
				require.Equal(t, map[string]any{"Authorizer": "NONE"}, auth, "%s of %s", name, id)
			}
			found = append(found, templateRoute{method, properties["Path"].(string), id, ok})
		}
	}
	slices.SortFunc(found, func(a, b templateRoute) int {
		return cmp.Or(cmp.Compare(a.path, b.path), cmp.Compare(a.method, b.method))
	})
	return found
}

func TestTemplate_EveryRouteButThePublicOnesIsBehindTheAuthorizer_P4(t *testing.T) {
	tp := loadTemplate(t)
	require.Equal(t, expectedRoutes, templateRoutes(t, tp))
	auth := object(t, tp.properties(t, "Api"), "Auth")
	require.Equal(t, "KeyAuthorizer", auth["DefaultAuthorizer"])
	require.Equal(t, []string{"KeyAuthorizer"}, slices.Collect(maps.Keys(object(t, auth, "Authorizers"))))
	require.Equal(t, []string{"Authorizers", "DefaultAuthorizer"}, slices.Sorted(maps.Keys(auth)),
		"anything else could open a route")
	require.Len(t, tp.resources(t, "AWS::Serverless::Api"), 1)
	require.NotContains(t, tp.text, "AWS::Lambda::Url")
	require.NotContains(t, tp.text, "FunctionUrlConfig")
}

func TestTemplate_NoVerdictIsCachedAndNoHeaderIsDemanded_D4(t *testing.T) {
	authorizer := object(t, loadTemplate(t).properties(t, "Api"), "Auth", "Authorizers", "KeyAuthorizer")
	require.Equal(t, map[string]any{
		"FunctionArn":                       getAtt("AuthorizerFunction.Arn"),
		"FunctionPayloadType":               "REQUEST",
		"DisableFunctionDefaultPermissions": true,
		"Identity":                          map[string]any{"ReauthorizeEvery": 0},
	}, authorizer)
}

func TestTemplate_OtherAPIsOfTheAccountMayAskTheAuthorizerAndNoOtherAccountMay(t *testing.T) {
	tp := loadTemplate(t)
	require.Equal(t, []string{"AuthorizerPermission", "SecretRotationPermission"}, tp.resources(t, "AWS::Lambda::Permission"))
	require.Equal(t, map[string]any{
		"FunctionName":  getAtt("AuthorizerFunction.Arn"),
		"Action":        "lambda:InvokeFunction",
		"Principal":     "apigateway.amazonaws.com",
		"SourceAccount": ref("AWS::AccountId"),
		"SourceArn":     sub("arn:${AWS::Partition}:execute-api:${AWS::Region}:${AWS::AccountId}:*/authorizers/*"),
	}, tp.properties(t, "AuthorizerPermission"))
}

func TestTemplate_TheStageTellsTheAuthorizerThatItIsOurs(t *testing.T) {
	tp := loadTemplate(t)
	api := tp.properties(t, "Api")
	require.Equal(t, "v1", api["StageName"])
	require.Equal(t, map[string]any{"rekey_api": "self"}, api["Variables"])
	require.Equal(t, "3.0.1", tp.object(t, "Globals", "Api")["OpenApiVersion"], "without it SAM adds a stage without any of this")
}

func TestTemplate_EveryRouteIsThrottledAndThePublicOnesApart(t *testing.T) {
	tp := loadTemplate(t)
	want := map[string]string{"* /*": ""}
	for _, route := range expectedRoutes {
		if route.public {
			want[route.method+" /"+strings.ReplaceAll(route.path, "/", "~1")] = "Public"
		}
	}
	got := map[string]string{}
	for _, element := range tp.properties(t, "Api")["MethodSettings"].([]any) {
		settings := element.(map[string]any)
		rate := settings["ThrottlingRateLimit"].(map[string]any)["Ref"].(string)
		kind, ok := strings.CutSuffix(rate, "ThrottleRate")
		require.True(t, ok, rate)
		require.Equal(t, ref(kind+"ThrottleBurst"), settings["ThrottlingBurstLimit"])
		got[settings["HttpMethod"].(string)+" "+settings["ResourcePath"].(string)] = kind
	}
	require.Equal(t, want, got)
	for _, name := range []string{"ThrottleRate", "ThrottleBurst", "PublicThrottleRate", "PublicThrottleBurst"} {
		require.Equal(t, 1, tp.object(t, "Parameters", name)["MinValue"], name)
	}
}

// Execution logs with data trace, and traces, would hold whole requests.
func TestTemplate_NoRequestIsTracedOrLoggedWhole_D2(t *testing.T) {
	tp := loadTemplate(t)
	api := tp.properties(t, "Api")
	require.Equal(t, false, api["TracingEnabled"])
	for _, element := range api["MethodSettings"].([]any) {
		settings := element.(map[string]any)
		require.Equal(t, false, settings["DataTraceEnabled"], settings["ResourcePath"])
		require.Equal(t, "OFF", settings["LoggingLevel"], settings["ResourcePath"])
		require.NotEqual(t, true, settings["CachingEnabled"], settings["ResourcePath"])
	}
	for _, setting := range []string{"CacheClusterEnabled", "CanarySetting", "DefinitionBody", "DefinitionUri", "Models"} {
		require.NotContains(t, api, setting)
	}
	require.NotContains(t, tp.text, "Tracing: Active")
}

func TestTemplate_TheAccessLogIsJSONAndHoldsNothingThatACallerSentFreely_D2(t *testing.T) {
	tp := loadTemplate(t)
	setting := object(t, tp.properties(t, "Api"), "AccessLogSetting")
	require.Equal(t, sub("arn:${AWS::Partition}:logs:${AWS::Region}:${AWS::AccountId}:log-group:${AccessLogGroup}"), setting["DestinationArn"])
	format := setting["Format"].(string)
	allowed := []string{
		"requestId", "requestTimeEpoch", "identity.sourceIp", "httpMethod", "resourcePath", "status", "responseLatency",
		"integrationLatency", "authorizer.latency", "authorizer.status", "authorizer.principalId", "error.responseType",
	}
	used := contextVariables(format)
	require.Subset(t, allowed, used, "userAgent, path, error.message and the like can hold a secret")
	require.Contains(t, used, "requestId")
	require.NotContains(t, strings.ReplaceAll(format, "$context.", ""), "$", "only $context variables")

	var line map[string]any
	filled := strings.ReplaceAll(format, "$context.requestTimeEpoch", "1795258556000")
	require.NoError(t, json.Unmarshal([]byte(filled), &line))
	require.Contains(t, line, "request_id")
}
