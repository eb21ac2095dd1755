package repotest

import (
	"encoding/json"
	"maps"
	"os"
	"reflect"
	"slices"
	"strings"
	"testing"

	"github.com/stretchr/testify/require"
)

type statement struct {
	actions   []string
	resources []any
}

// tableRights are the DynamoDB actions of each function, by table. pkg/dynamo holds them against what the functions do;
// TransactWriteItems needs those of the writes in it. On Audit nobody can update or delete.
func tableRights(t *testing.T) map[string]map[string][]string {
	t.Helper()
	text, err := os.ReadFile("testdata/rights.json")
	require.NoError(t, err)
	var rights map[string]map[string][]string
	require.NoError(t, json.Unmarshal(text, &rights))
	for function, tables := range rights {
		for _, action := range tables["Audit"] {
			require.Contains(t, []string{"GetItem", "BatchGetItem", "Query", "PutItem"}, action, function)
		}
	}
	return rights
}

// statements are those of a function's role by Sid, those under a condition too.
func statements(t *testing.T, tp template, function string) map[string]statement {
	t.Helper()
	properties := tp.properties(t, function+"Role")
	require.NotContains(t, properties, "ManagedPolicyArns", function)
	require.Len(t, properties["Policies"], 1, function)
	found := map[string]statement{}
	document := object(t, properties["Policies"].([]any)[0].(map[string]any), "PolicyDocument")
	for _, element := range document["Statement"].([]any) {
		one := element.(map[string]any)
		if branches, ok := one["Fn::If"].([]any); ok {
			require.Equal(t, ref("AWS::NoValue"), branches[2], function)
			one = branches[1].(map[string]any)
		}
		require.Equal(t, "Allow", one["Effect"], function)
		require.NotContains(t, one, "NotAction", function)
		require.NotContains(t, one, "NotResource", function)
		sid := one["Sid"].(string)
		require.NotContains(t, found, sid, function)
		found[sid] = statement{actions: asTexts(t, one["Action"]), resources: asList(one["Resource"])}
	}
	return found
}

// taggedSecrets are the functions that read and write consumers' secrets.
var taggedSecrets = map[string]bool{"KeysFunction": true, "RotationsFunction": true, "SecretRotationFunction": true,
	"ServiceAccountsFunction": true, "SweeperFunction": true}

func TestTemplate_OfConsumersSecretsOnlyTaggedOnesAreOpen_B5(t *testing.T) {
	tp := loadTemplate(t)
	for _, function := range tp.functions(t) {
		document := object(t, tp.properties(t, function+"Role")["Policies"].([]any)[0].(map[string]any), "PolicyDocument")
		found := false
		for _, element := range document["Statement"].([]any) {
			one := element.(map[string]any)
			if branches, ok := one["Fn::If"].([]any); ok {
				one = branches[1].(map[string]any)
			}
			if !reflect.DeepEqual(one["Resource"], ref("DeliverySecretArns")) {
				continue
			}
			found = true
			require.Equal(t, map[string]any{"Null": map[string]any{"aws:ResourceTag/rekey:place": "false"}}, one["Condition"], function)
		}
		require.Equal(t, taggedSecrets[function], found, function)
	}
	for _, id := range tp.resources(t, "AWS::SecretsManager::Secret") {
		require.NotContains(t, tp.properties(t, id), "Tags", "rekey's own secrets are nobody's consumer's")
	}
}

func TestTemplate_NoRoleMayDoMoreThanItsFunctionDoes_P2(t *testing.T) {
	tp, rights := loadTemplate(t), tableRights(t)
	for _, function := range tp.functions(t) {
		got := statements(t, tp, function)
		want := map[string]statement{
			"Log": {[]string{"logs:CreateLogStream", "logs:PutLogEvents"}, []any{getAtt(function + "LogGroup.Arn")}},
		}
		for table, actions := range rights[function] {
			prefixed := []string{}
			for _, action := range actions {
				prefixed = append(prefixed, "dynamodb:"+action)
			}
			if table == "Due" { // Identity's index
				want[table] = statement{prefixed, []any{choice("OwnIdentity", map[string]any{"Fn::Sub": "${IdentityTable.Arn}/index/due"},
					map[string]any{"Fn::Sub": "arn:${AWS::Partition}:dynamodb:${AWS::Region}:${AWS::AccountId}:table/${IdentityTableName}/index/due"})}}
				continue
			}
			want[table] = statement{prefixed, []any{tableARN(table)}}
			require.Contains(t, environments[function], strings.ToUpper(table)+"_TABLE", function)
		}
		var secrets []any
		for _, name := range environments[function] {
			if noun, ok := strings.CutSuffix(name, "_SECRET"); ok {
				secrets = append(secrets, secretARN(titled(noun)))
			}
			if noun, ok := strings.CutSuffix(name, "_TABLE"); ok {
				require.Contains(t, rights[function], titled(noun), function)
			}
		}
		if secrets != nil {
			want["Secrets"] = statement{[]string{"secretsmanager:GetSecretValue"}, secrets}
		}
		if function == "DispatcherFunction" {
			want["Stream"] = statement{
				[]string{"dynamodb:DescribeStream", "dynamodb:GetRecords", "dynamodb:GetShardIterator", "dynamodb:ListStreams"},
				[]any{choice("OwnAuditStream", getAtt("AuditTable.StreamArn"), ref("AuditStreamArn"))},
			}
			want["Publish"] = statement{[]string{"events:PutEvents"}, []any{getAtt("Bus.Arn")}}
			want["SetAside"] = statement{[]string{"sqs:SendMessage"}, []any{getAtt("DeadLetterQueue.Arn")}}
		}
		if slices.Contains(environments[function], "MAIL_SENDER") {
			want["Send"] = statement{[]string{"ses:SendEmail"}, []any{
				sub("arn:${AWS::Partition}:ses:${AWS::Region}:${AWS::AccountId}:identity/${MailSender}"),
				map[string]any{"Fn::Sub": []any{"arn:${AWS::Partition}:ses:${AWS::Region}:${AWS::AccountId}:identity/${Domain}",
					map[string]any{"Domain": map[string]any{"Fn::Select": []any{1, map[string]any{"Fn::Split": []any{"@", ref("MailSender")}}}}}}},
			}}
		}
		if function == "NotifierFunction" {
			want["SetAside"] = statement{[]string{"sqs:SendMessage"}, []any{getAtt("DeadLetterQueue.Arn")}}
		}
		if taggedSecrets[function] {
			want["TaggedSecrets"] = statement{
				[]string{"secretsmanager:DescribeSecret", "secretsmanager:GetSecretValue", "secretsmanager:PutSecretValue", "secretsmanager:UpdateSecretVersionStage"},
				[]any{ref("DeliverySecretArns")},
			}
		}
		if taggedSecrets[function] && function != "SecretRotationFunction" {
			want["AssumeConsumersRoles"] = statement{[]string{"sts:AssumeRole"}, []any{ref("DeliveryRoleArns")}}
		}
		if taggedSecrets[function] {
			want["Decrypt"] = statement{[]string{"kms:Decrypt", "kms:DescribeKey", "kms:GenerateDataKey"}, []any{ref("KmsKeyArn")}}
		} else if function != "HealthFunction" {
			want["Decrypt"] = statement{[]string{"kms:Decrypt", "kms:DescribeKey"}, []any{ref("KmsKeyArn")}}
		}
		require.Equal(t, want, got, function)
	}
}

// Whatever the table above says: nothing here may ever be named by a pattern. The ARN of a log group ends in ":*", which
// stands for its streams, and is the only resource that does.
func TestTemplate_NoPolicyNamesAStar(t *testing.T) {
	tp := loadTemplate(t)
	for _, role := range tp.resources(t, "AWS::IAM::Role") {
		walkValue(role, tp.properties(t, role), func(path string, value any) {
			if text, ok := value.(string); ok {
				require.NotContains(t, text, "*", path)
				require.NotContains(t, text, "?", path)
			}
		})
	}
	for _, kind := range []string{"AWS::IAM::Policy", "AWS::IAM::ManagedPolicy", "AWS::IAM::User", "AWS::IAM::Group", "AWS::IAM::AccessKey"} {
		require.Empty(t, tp.resources(t, kind))
	}
}

// B8 builds on it: not even our own code can change what is recorded.
func TestTemplate_NobodyMayChangeOrRemoveAnAuditRecord(t *testing.T) {
	tp := loadTemplate(t)
	for _, function := range tp.functions(t) {
		for sid, one := range statements(t, tp, function) {
			for _, action := range one.actions {
				require.NotContains(t, []string{"dynamodb:Scan", "dynamodb:PartiQLSelect", "dynamodb:BatchWriteItem"}, action, function)
				if sid == "Audit" {
					require.Contains(t, []string{"dynamodb:PutItem", "dynamodb:GetItem", "dynamodb:BatchGetItem", "dynamodb:Query"}, action, function)
				}
			}
		}
	}
}

func TestTemplate_OnlyTheServicesThemselvesAssumeTheRoles(t *testing.T) {
	tp := loadTemplate(t)
	for _, role := range tp.resources(t, "AWS::IAM::Role") {
		service := "lambda.amazonaws.com"
		if role == "ApiGatewayRole" {
			service = "apigateway.amazonaws.com"
		}
		require.Equal(t, []any{map[string]any{
			"Effect": "Allow", "Action": "sts:AssumeRole", "Principal": map[string]any{"Service": service},
		}}, object(t, tp.properties(t, role), "AssumeRolePolicyDocument")["Statement"], role)
	}
}

// The key's own policy decides; here the functions may use it only through the two services that encrypt with it.
func TestTemplate_AKeyOfTheAccountIsUsedOnlyThroughTheTablesAndSecrets(t *testing.T) {
	tp := loadTemplate(t)
	for _, function := range tp.functions(t) {
		policy := tp.properties(t, function+"Role")["Policies"].([]any)[0].(map[string]any)
		all := object(t, policy, "PolicyDocument")["Statement"].([]any)
		branches, ok := all[len(all)-1].(map[string]any)["Fn::If"].([]any)
		require.Equal(t, function != "HealthFunction", ok, function)
		if !ok {
			continue
		}
		require.Equal(t, "HasKmsKey", branches[0])
		want := []any{sub("dynamodb.${AWS::Region}.amazonaws.com")}
		if function == "SecretRotationFunction" {
			want = nil
		}
		if _, reads := statements(t, tp, function)["Secrets"]; reads || taggedSecrets[function] {
			want = append(want, sub("secretsmanager.${AWS::Region}.amazonaws.com"))
		}
		via := object(t, branches[1].(map[string]any), "Condition", "StringEquals")
		require.Equal(t, []string{"kms:ViaService"}, slices.Collect(maps.Keys(via)), function)
		require.Equal(t, want, via["kms:ViaService"], function)
	}
}

// API Gateway's role is the account's, not the stack's, and API Gateway refuses one that may do less than AWS's own
// policy for it: the one managed policy here.
func TestTemplate_TheRoleOfAPIGatewayIsOptionalAndOutlivesTheStack(t *testing.T) {
	tp := loadTemplate(t)
	for _, id := range []string{"ApiGatewayRole", "ApiGatewayAccount"} {
		resource := tp.object(t, "Resources", id)
		require.Equal(t, "CreatesApiGatewayLogRole", resource["Condition"], id)
		require.Equal(t, "Retain", resource["DeletionPolicy"], id)
		require.Equal(t, "Retain", resource["UpdateReplacePolicy"], id)
	}
	role := tp.properties(t, "ApiGatewayRole")
	require.NotContains(t, role, "Policies")
	require.Equal(t, []any{sub("arn:${AWS::Partition}:iam::aws:policy/service-role/AmazonAPIGatewayPushToCloudWatchLogs")}, role["ManagedPolicyArns"])
	require.Equal(t, false, tp.properties(t, "ApiGatewayFirstResource")["Enabled"])
	require.Equal(t, "ApiGatewayAccount", tp.object(t, "Resources", "Api")["DependsOn"])
}
