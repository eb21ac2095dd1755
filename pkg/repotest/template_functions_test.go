package repotest

import (
	"encoding/json"
	"maps"
	"os"
	"path/filepath"
	"slices"
	"strings"
	"testing"

	"github.com/stretchr/testify/require"

	"github.com/rekey-dev/rekey/pkg/audit"
	"github.com/rekey-dev/rekey/pkg/dispatch"
	"github.com/rekey-dev/rekey/pkg/mailbox"
)

// environments are the settings of each function's main, in the order of the folders. Every one has SSL_CERT_DIR beside
// them.
var environments = map[string][]string{
	"AuditEventsFunction":          {"IDENTITY_TABLE", "DIRECTORY_TABLE", "AUDIT_TABLE", "CURSOR_SECRET"},
	"AuthorizerFunction":           {"IDENTITY_TABLE", "AUDIT_TABLE", "PEPPERS_SECRET", "HOLD"},
	"NodesFunction":                {"DIRECTORY_TABLE", "AUDIT_TABLE", "TRANSIENT_TABLE", "CURSOR_SECRET"},
	"BillingFunction":              {"IDENTITY_TABLE", "DIRECTORY_TABLE", "CURSOR_SECRET"},
	"ProtectedAPIsFunction":        {"IDENTITY_TABLE", "DIRECTORY_TABLE", "AUDIT_TABLE", "TRANSIENT_TABLE", "CURSOR_SECRET"},
	"CompaniesFunction":            {"IDENTITY_TABLE", "DIRECTORY_TABLE", "AUDIT_TABLE", "TRANSIENT_TABLE", "CURSOR_SECRET"},
	"CalendarsFunction":            {"IDENTITY_TABLE", "DIRECTORY_TABLE", "AUDIT_TABLE", "TRANSIENT_TABLE", "CURSOR_SECRET"},
	"EmployeesFunction":            {"IDENTITY_TABLE", "DIRECTORY_TABLE", "AUDIT_TABLE", "TRANSIENT_TABLE", "PEPPERS_SECRET", "CURSOR_SECRET", "MAIL_SENDER", "PORTAL_URL"},
	"DispatcherFunction":           {"BUS_NAME", "DEAD_LETTER_QUEUE_URL"},
	"HealthFunction":               {},
	"NotifierFunction":             {"IDENTITY_TABLE", "DIRECTORY_TABLE", "AUDIT_TABLE", "TRANSIENT_TABLE", "MAIL_SENDER", "HOLD"},
	"RotationPoliciesFunction":     {"IDENTITY_TABLE", "DIRECTORY_TABLE", "AUDIT_TABLE", "TRANSIENT_TABLE", "CURSOR_SECRET"},
	"RotationsFunction":            {"IDENTITY_TABLE", "DIRECTORY_TABLE", "AUDIT_TABLE", "TRANSIENT_TABLE", "PEPPERS_SECRET", "DERIVATION_SECRET", "CURSOR_SECRET"},
	"SweeperFunction":              {"IDENTITY_TABLE", "DIRECTORY_TABLE", "AUDIT_TABLE", "PEPPERS_SECRET", "HOLD"},
	"KeysFunction":                 {"IDENTITY_TABLE", "DIRECTORY_TABLE", "AUDIT_TABLE", "TRANSIENT_TABLE", "PEPPERS_SECRET", "DERIVATION_SECRET", "CURSOR_SECRET"},
	"VerifyFunction":               {"IDENTITY_TABLE", "AUDIT_TABLE", "PEPPERS_SECRET", "HOLD"},
	"KeyStatusFunction":            {"IDENTITY_TABLE", "AUDIT_TABLE", "PEPPERS_SECRET", "HOLD"},
	"MeFunction":                   {"IDENTITY_TABLE", "DIRECTORY_TABLE"},
	"SessionsFunction":             {"IDENTITY_TABLE", "AUDIT_TABLE", "TRANSIENT_TABLE", "PEPPERS_SECRET", "DERIVATION_SECRET", "CURSOR_SECRET", "HOLD", "SIGN_IN_DOMAIN", "SIGN_IN_ORIGINS"},
	"CredentialsFunction":          {"IDENTITY_TABLE", "DIRECTORY_TABLE", "AUDIT_TABLE", "TRANSIENT_TABLE", "PEPPERS_SECRET", "DERIVATION_SECRET", "HOLD", "SIGN_IN_DOMAIN", "SIGN_IN_ORIGINS"},
	"PersonalAccessTokensFunction": {"IDENTITY_TABLE", "DIRECTORY_TABLE", "AUDIT_TABLE", "TRANSIENT_TABLE", "PEPPERS_SECRET", "DERIVATION_SECRET", "CURSOR_SECRET"},
	"RolesFunction":                {"IDENTITY_TABLE", "DIRECTORY_TABLE", "AUDIT_TABLE", "TRANSIENT_TABLE", "CURSOR_SECRET"},
	"SecretRotationFunction":       {},
	"ServiceAccountsFunction":      {"IDENTITY_TABLE", "DIRECTORY_TABLE", "AUDIT_TABLE", "TRANSIENT_TABLE", "PEPPERS_SECRET", "DERIVATION_SECRET", "CURSOR_SECRET"},
	"SetupFunction":                {"IDENTITY_TABLE", "DIRECTORY_TABLE", "AUDIT_TABLE", "TRANSIENT_TABLE", "PEPPERS_SECRET", "DERIVATION_SECRET", "SETUP_SECRET", "OWNER_EMAIL"},
}

// settings are the values behind those names; that of a table or secret follows from its name.
func setting(name string) any {
	if noun, ok := strings.CutSuffix(name, "_TABLE"); ok {
		noun = titled(noun)
		return choice("Own"+noun, ref(noun+"Table"), ref(noun+"TableName"))
	}
	if noun, ok := strings.CutSuffix(name, "_SECRET"); ok {
		return secretARN(titled(noun))
	}
	return map[string]any{
		"HOLD": ref("Hold"), "OWNER_EMAIL": ref("OwnerEmail"), "MAIL_SENDER": ref("MailSender"), "PORTAL_URL": ref("PortalUrl"),
		"SIGN_IN_DOMAIN": ref("SignInDomain"), "SIGN_IN_ORIGINS": map[string]any{"Fn::Join": []any{",", ref("SignInOrigins")}},
		"BUS_NAME": ref("Bus"), "DEAD_LETTER_QUEUE_URL": ref("DeadLetterQueue"),
	}[name]
}

func titled(word string) string { return word[:1] + strings.ToLower(word[1:]) }

// secretARN is the stack's own secret or, where a restore may name another, that one.
func secretARN(noun string) any {
	if noun == "Peppers" || noun == "Derivation" {
		return choice("Own"+noun, getAtt(noun+"Secret.Id"), ref(noun+"SecretArn"))
	}
	return getAtt(noun + "Secret.Id")
}

func tableARN(noun string) any {
	return choice("Own"+noun, getAtt(noun+"Table.Arn"),
		sub("arn:${AWS::Partition}:dynamodb:${AWS::Region}:${AWS::AccountId}:table/${"+noun+"TableName}"))
}

// A function without a folder would not build, and a folder without a function would not be deployed.
func TestTemplate_OneFunctionPerResource_P1(t *testing.T) {
	folders, err := os.ReadDir(filepath.Join(templateRoot, "functions"))
	require.NoError(t, err)
	var built []string
	for _, folder := range folders {
		if folder.IsDir() {
			built = append(built, folder.Name())
		}
	}
	var deployed []string
	for _, id := range loadTemplate(t).functions(t) {
		noun, ok := strings.CutSuffix(id, "Function")
		require.Truef(t, ok, "%s is not named after its folder", id)
		deployed = append(deployed, strings.ToLower(noun))
	}
	slices.Sort(deployed)
	require.Equal(t, deployed, built)
}

func TestTemplate_EveryFunctionIsAnArm64BinaryBuiltByTheMakefile_P7(t *testing.T) {
	tp := loadTemplate(t)
	makefile, err := os.ReadFile(filepath.Join(templateRoot, "Makefile"))
	require.NoError(t, err)
	globals := tp.object(t, "Globals", "Function")
	require.Equal(t, []any{"arm64"}, globals["Architectures"])
	require.Equal(t, "provided.al2023", globals["Runtime"])
	require.Equal(t, "bootstrap", globals["Handler"])
	require.Equal(t, ".", globals["CodeUri"], "one module for all: the Makefile knows what belongs to a function")
	for _, id := range tp.functions(t) {
		properties := tp.properties(t, id)
		for _, global := range []string{"Architectures", "Runtime", "Handler", "CodeUri"} {
			require.NotContains(t, properties, global, id)
		}
		require.Equal(t, "makefile", tp.object(t, "Resources", id, "Metadata")["BuildMethod"], id)
		require.Truef(t, hasTarget(string(makefile), "build-"+id), "the Makefile has no target build-%s", id)
	}
}

// hasTarget finds an explicit target or a pattern rule that matches.
func hasTarget(makefile, target string) bool {
	for line := range strings.Lines(makefile) {
		names, _, isRule := strings.Cut(line, ":")
		if !isRule || strings.HasPrefix(line, "\t") {
			continue
		}
		for _, name := range strings.Fields(names) {
			before, after, isPattern := strings.Cut(name, "%")
			if name == target || isPattern && strings.HasPrefix(target, before) && strings.HasSuffix(target, after) {
				return true
			}
		}
	}
	return false
}

func TestTemplate_AFunctionGetsTheSettingsThatItReadsAndNoOther(t *testing.T) {
	tp := loadTemplate(t)
	require.Equal(t, slices.Sorted(maps.Keys(environments)), slices.Sorted(slices.Values(tp.functions(t))))
	require.Equal(t, map[string]any{"SSL_CERT_DIR": "/nonexistent"}, tp.object(t, "Globals", "Function", "Environment", "Variables"),
		"any existing folder would make Go read every certificate a second time")
	for id, names := range environments {
		want := map[string]any{}
		for _, name := range names {
			want[name] = setting(name)
		}
		got := map[string]any{}
		if _, ok := tp.properties(t, id)["Environment"]; ok {
			got = object(t, tp.properties(t, id), "Environment", "Variables")
		}
		require.Equal(t, want, got, id)
	}
}

func TestTemplate_EveryFunctionHasItsOwnRoleAndItsOwnLogGroupWithRetention(t *testing.T) {
	tp := loadTemplate(t)
	for _, id := range tp.functions(t) {
		properties := tp.properties(t, id)
		require.Equal(t, getAtt(id+"Role.Arn"), properties["Role"], id)
		require.NotContains(t, properties, "Policies", "SAM would ignore them beside a Role")
		require.Equal(t, ref(id+"LogGroup"), object(t, properties, "LoggingConfig")["LogGroup"], id)
		require.Equal(t, ref("LogRetentionDays"), tp.properties(t, id+"LogGroup")["RetentionInDays"], id)
	}
	groups, roles := tp.resources(t, "AWS::Logs::LogGroup"), tp.resources(t, "AWS::IAM::Role")
	require.Len(t, groups, len(tp.functions(t))+1, "and the access log")
	require.Len(t, roles, len(tp.functions(t))+1, "and API Gateway's")
	for _, id := range groups {
		require.Equal(t, ref("LogRetentionDays"), tp.properties(t, id)["RetentionInDays"], id)
	}
}

// The parameters' bounds keep a function within what API Gateway waits for: 29 s, and an HTTP API 10 s for the
// authorizer.
func TestTemplate_FunctionsEndBeforeAPIGatewayStopsWaiting(t *testing.T) {
	tp := loadTemplate(t)
	require.Equal(t, ref("FunctionTimeout"), tp.object(t, "Globals", "Function")["Timeout"])
	require.Less(t, tp.object(t, "Parameters", "FunctionTimeout")["MaxValue"], 29)
	require.Equal(t, ref("AuthorizerTimeout"), tp.properties(t, "AuthorizerFunction")["Timeout"])
	require.Less(t, tp.object(t, "Parameters", "AuthorizerTimeout")["MaxValue"], 10)
	require.GreaterOrEqual(t, tp.object(t, "Parameters", "AuthorizerMemory")["Default"], 512)
	for _, id := range tp.functions(t) {
		if id != "AuthorizerFunction" && id != "DispatcherFunction" && id != "SweeperFunction" && id != "NotifierFunction" {
			require.NotContains(t, tp.properties(t, id), "Timeout", id)
		}
	}
}

// Reserving takes from the account's quota, which may be 10 in a new account, so nothing is reserved unasked; and what
// has public routes never shares with the authorizer once it is.
func TestTemplate_ReservesConcurrencyOnlyWhereAParameterAsks(t *testing.T) {
	tp := loadTemplate(t)
	public := map[string]bool{}
	for _, route := range templateRoutes(t, tp) {
		public[route.function] = public[route.function] || route.public
	}
	for _, id := range tp.functions(t) {
		got := tp.properties(t, id)["ReservedConcurrentExecutions"]
		switch {
		case id == "AuthorizerFunction":
			require.Equal(t, choice("HasAuthorizerConcurrency", ref("AuthorizerConcurrency"), ref("AWS::NoValue")), got)
		case public[id]:
			require.Equal(t, choice("HasPublicConcurrency", ref("PublicConcurrency"), ref("AWS::NoValue")), got, id)
		default:
			require.Nil(t, got, id)
		}
	}
	for _, name := range []string{"PublicConcurrency", "AuthorizerConcurrency"} {
		require.Equal(t, 0, tp.object(t, "Parameters", name)["Default"], name)
		require.Equal(t, []any{map[string]any{"Fn::Equals": []any{ref(name), "0"}}}, tp.object(t, "Conditions", "Has"+name)["Fn::Not"])
	}
}

// A run ends before the next one begins, and what it did not do is still due: nothing is tried again, nothing comes late.
func TestTemplate_TheSweeperRunsOnceAMinute_P3(t *testing.T) {
	tp := loadTemplate(t)
	p := tp.properties(t, "SweeperFunction")
	require.Less(t, p["Timeout"], 60)
	events := object(t, p, "Events")
	require.Len(t, events, 1)
	require.Equal(t, map[string]any{"Description": "Makes rekey do what falls due.", "Schedule": "rate(1 minute)",
		"RetryPolicy": map[string]any{"MaximumRetryAttempts": 0, "MaximumEventAgeInSeconds": 60}}, object(t, events, "EveryMinute", "Properties"))
}

// Whoever sets no sender gets none of it. What the bus hands over and the function cannot deal with is tried again and then kept.
func TestTemplate_TheNotifierHearsOfWhatPeopleAreToldAndSendsEveryFiveMinutes_B3(t *testing.T) {
	tp := loadTemplate(t)
	for _, id := range []string{"NotifierFunction", "NotifierFunctionRole", "NotifierFunctionLogGroup", "DeadLetterQueuePolicy", "MailHeldAlarm", "MailLateAlarm"} {
		require.Equal(t, "HasMailSender", tp.object(t, "Resources", id)["Condition"], id)
	}
	for id := range tp.object(t, "Resources") {
		if !strings.HasPrefix(id, "Notifier") && !strings.HasPrefix(id, "Mail") && id != "DeadLetterQueuePolicy" {
			require.NotEqual(t, "HasMailSender", tp.object(t, "Resources", id)["Condition"], id)
		}
	}
	p := tp.properties(t, "NotifierFunction")
	require.Less(t, p["Timeout"], int(mailbox.ClaimFor.Seconds()), "a run ends before its claims do")
	queue := getAtt("DeadLetterQueue.Arn")
	require.Equal(t, map[string]any{"MaximumRetryAttempts": 2, "MaximumEventAgeInSeconds": 21600,
		"DestinationConfig": map[string]any{"OnFailure": map[string]any{"Type": "SQS", "Destination": queue}}}, p["EventInvokeConfig"])
	events := object(t, p, "Events")
	require.Len(t, events, 2)
	require.Equal(t, map[string]any{"Description": "Makes rekey send the mail that waits.", "Schedule": "rate(5 minutes)",
		"RetryPolicy": map[string]any{"MaximumRetryAttempts": 0, "MaximumEventAgeInSeconds": 300}}, object(t, events, "EveryFiveMinutes", "Properties"))
	announced := object(t, events, "Announced", "Properties")
	require.Equal(t, ref("Bus"), announced["EventBusName"])
	require.Equal(t, map[string]any{"Arn": queue}, announced["DeadLetterConfig"])
	require.Equal(t, []any{dispatch.Source}, object(t, announced, "Pattern")["source"])
	require.Equal(t, []any{dispatch.KeyExpiring, dispatch.KeyExpired, dispatch.RotationStateChanged}, object(t, announced, "Pattern")["detail-type"])
	require.Equal(t, []any{audit.KeyExpiring, audit.UserUpdated, audit.RotationOverdue, audit.RotationAborted, audit.RotationExtended, audit.RotationRetired},
		object(t, announced, "Pattern", "detail")["action"])
	require.Equal(t, []any{map[string]any{"Effect": "Allow", "Action": "sqs:SendMessage", "Resource": queue,
		"Principal": map[string]any{"Service": "events.amazonaws.com"},
		"Condition": map[string]any{"StringEquals": map[string]any{"aws:SourceAccount": ref("AWS::AccountId")}}}},
		object(t, tp.properties(t, "DeadLetterQueuePolicy"), "PolicyDocument")["Statement"])
}

// The right to send is of one address, whichever of it and its domain is verified.
func TestTemplate_MailComesFromTheSendersAddressOnly(t *testing.T) {
	document := object(t, loadTemplate(t).properties(t, "NotifierFunctionRole")["Policies"].([]any)[0].(map[string]any), "PolicyDocument")
	for _, element := range document["Statement"].([]any) {
		if one := element.(map[string]any); one["Sid"] == "Send" {
			require.Equal(t, map[string]any{"StringEquals": map[string]any{"ses:FromAddress": ref("MailSender")}}, one["Condition"])
			return
		}
	}
	t.Fatal("no statement Send")
}

func TestTemplate_TheDispatcherReadsNewAuditEventsAndLosesNone(t *testing.T) {
	tp := loadTemplate(t)
	events := object(t, tp.properties(t, "DispatcherFunction"), "Events")
	require.Len(t, events, 1)
	require.Equal(t, "DynamoDB", object(t, events, "AuditStream")["Type"])
	mapping := object(t, events, "AuditStream", "Properties")
	require.Equal(t, choice("OwnAuditStream", getAtt("AuditTable.StreamArn"), ref("AuditStreamArn")), mapping["Stream"])
	require.Equal(t, "TRIM_HORIZON", mapping["StartingPosition"], "LATEST would skip what happened before the mapping was ready")
	require.Equal(t, []any{"ReportBatchItemFailures"}, mapping["FunctionResponseTypes"])
	require.Equal(t, true, mapping["BisectBatchOnFunctionError"])
	require.Equal(t, map[string]any{"OnFailure": map[string]any{"Type": "SQS", "Destination": getAtt("DeadLetterQueue.Arn")}},
		mapping["DestinationConfig"])
	require.Positive(t, mapping["BatchSize"])
	require.Positive(t, mapping["MaximumRetryAttempts"], "without a bound one bad record holds its shard for a day")
	require.Less(t, mapping["MaximumRecordAgeInSeconds"], 24*60*60, "the stream forgets a record after a day")

	filters := object(t, mapping, "FilterCriteria")["Filters"].([]any)
	require.Len(t, filters, 1)
	require.JSONEq(t, `{"eventName": ["INSERT"], "dynamodb": {"NewImage": {"type": {"S": ["event"]}}}}`,
		filters[0].(map[string]any)["Pattern"].(string))
	require.True(t, json.Valid([]byte(filters[0].(map[string]any)["Pattern"].(string))))
}

func TestTemplate_OnlySecretsManagerInvokesTheRotationFunction_B5(t *testing.T) {
	tp := loadTemplate(t)
	require.Equal(t, map[string]any{
		"FunctionName": getAtt("SecretRotationFunction.Arn"), "Action": "lambda:InvokeFunction",
		"Principal": "secretsmanager.amazonaws.com", "SourceAccount": ref("AWS::AccountId"),
	}, tp.properties(t, "SecretRotationPermission"))
	require.NotContains(t, tp.properties(t, "SecretRotationFunction"), "Events")
}
