package repotest

import (
	"encoding/json"
	"os"
	"path/filepath"
	"slices"
	"strings"
	"testing"

	"github.com/stretchr/testify/require"
)

func TestTemplate_FourTablesHoldTenantsAndKeyHashes_P2(t *testing.T) {
	tp := loadTemplate(t)
	require.Equal(t, []string{"AuditTable", "DirectoryTable", "IdentityTable", "TransientTable"}, tp.resources(t, "AWS::DynamoDB::Table"))
	require.Empty(t, tp.resources(t, "AWS::DynamoDB::GlobalTable"), "the last writer would win, and a revoke would be undone")
	for _, id := range tp.resources(t, "AWS::DynamoDB::Table") {
		table := map[string]any{
			"BillingMode":               "PAY_PER_REQUEST",
			"DeletionProtectionEnabled": true,
			"AttributeDefinitions": []any{
				map[string]any{"AttributeName": "pk", "AttributeType": "S"},
				map[string]any{"AttributeName": "sk", "AttributeType": "S"},
			},
			"KeySchema": []any{
				map[string]any{"AttributeName": "pk", "KeyType": "HASH"},
				map[string]any{"AttributeName": "sk", "KeyType": "RANGE"},
			},
			// A backup of Transient would hold the salts from which secrets are derived.
			"PointInTimeRecoverySpecification": map[string]any{"PointInTimeRecoveryEnabled": id != "TransientTable"},
			// false is the key that AWS owns, never "not encrypted".
			"SSESpecification": choice("HasKmsKey",
				map[string]any{"SSEEnabled": true, "SSEType": "KMS", "KMSMasterKeyId": ref("KmsKeyArn")},
				map[string]any{"SSEEnabled": false}),
		}
		if id == "IdentityTable" { // what falls due
			table["AttributeDefinitions"] = append(table["AttributeDefinitions"].([]any),
				map[string]any{"AttributeName": "due_shard", "AttributeType": "S"}, map[string]any{"AttributeName": "due_at", "AttributeType": "N"})
			table["GlobalSecondaryIndexes"] = []any{map[string]any{"IndexName": "due", "Projection": map[string]any{"ProjectionType": "KEYS_ONLY"},
				"KeySchema": []any{map[string]any{"AttributeName": "due_shard", "KeyType": "HASH"}, map[string]any{"AttributeName": "due_at", "KeyType": "RANGE"}}}}
		}
		if id == "IdentityTable" || id == "TransientTable" {
			table["TimeToLiveSpecification"] = map[string]any{"AttributeName": "ttl", "Enabled": true}
		}
		if id == "AuditTable" {
			table["StreamSpecification"] = map[string]any{"StreamViewType": "NEW_IMAGE"}
		}
		require.Equal(t, table, tp.properties(t, id), id)
	}
}

// What no deployment may ever lose, also when it fails, and also when somebody removes it from the template.
func TestTemplate_TablesAndSecretsOutliveTheStack(t *testing.T) {
	tp := loadTemplate(t)
	for _, id := range slices.Concat(tp.resources(t, "AWS::DynamoDB::Table"), tp.resources(t, "AWS::SecretsManager::Secret")) {
		resource := tp.object(t, "Resources", id)
		require.Equal(t, "Retain", resource["DeletionPolicy"], id)
		require.Equal(t, "Retain", resource["UpdateReplacePolicy"], id)
		require.NotContains(t, resource, "Condition", "a parameter must not make the stack let go of it")
	}
}

// Secrets Manager makes a new value whenever GenerateSecretString changes, in whatever way. A new value of the peppers
// is the end of every key, and there is no way back: so this file is changed by nobody, and there is no -update for it.
func TestTemplate_NoGeneratorOfASecretEverChanges(t *testing.T) {
	tp := loadTemplate(t)
	got := map[string]any{}
	for _, id := range tp.resources(t, "AWS::SecretsManager::Secret") {
		properties := tp.properties(t, id)
		got[id] = properties["GenerateSecretString"]
		require.NotContains(t, properties, "SecretString", "it would stand in the template")
		require.NotEmpty(t, properties["Description"], id)
		require.Equal(t, choice("HasKmsKey", ref("KmsKeyArn"), ref("AWS::NoValue")), properties["KmsKeyId"], id)
	}
	golden, err := os.ReadFile(filepath.Join("testdata", "template_secret_generators.golden.json"))
	require.NoError(t, err)
	encoded, err := json.Marshal(got)
	require.NoError(t, err)
	require.JSONEq(t, string(golden), string(encoded))
}

// 43 characters of base62 are 256 bits; punctuation or blanks would break the pasted code and the JSON around the keys.
func TestTemplate_EverySecretHas256Bits(t *testing.T) {
	tp := loadTemplate(t)
	for _, id := range tp.resources(t, "AWS::SecretsManager::Secret") {
		generator := object(t, tp.properties(t, id), "GenerateSecretString")
		require.Equal(t, 43, generator["PasswordLength"], id)
		require.Equal(t, true, generator["ExcludePunctuation"], id)
		require.Equal(t, false, generator["IncludeSpace"], id)
		require.NotContains(t, generator, "ExcludeCharacters", id)
		if id == "SetupSecret" {
			require.NotContains(t, generator, "SecretStringTemplate")
			continue
		}
		require.JSONEq(t, `{"current": "v1"}`, generator["SecretStringTemplate"].(string), id)
		require.Equal(t, "v1", generator["GenerateStringKey"], id)
	}
}

func TestTemplate_TheQueueIsEncryptedAndKeepsWhatItGetsForTwoWeeks(t *testing.T) {
	require.Equal(t, map[string]any{"SqsManagedSseEnabled": true, "MessageRetentionPeriod": 14 * 24 * 60 * 60},
		loadTemplate(t).properties(t, "DeadLetterQueue"))
}

// A fixed name that a rolled-back deployment left behind (tables and secrets stay) would block the next.
func TestTemplate_NothingHasAFixedPhysicalName(t *testing.T) {
	tp := loadTemplate(t)
	for id := range tp.object(t, "Resources") {
		resource := tp.object(t, "Resources", id)
		for _, name := range []string{"TableName", "RoleName", "QueueName", "LogGroupName", "FunctionName", "Name"} {
			value, named := tp.properties(t, id)[name]
			switch {
			case !named:
			case resource["Type"] == "AWS::Lambda::Permission":
				require.IsType(t, map[string]any{}, value)
			default: // the bus must have a name, and an API's is a label
				require.Contains(t, []string{"Api", "Bus"}, id)
				require.Equal(t, ref("AWS::StackName"), value, id)
			}
		}
	}
}

// The local stack deploys this very template; these types end its deployment and belong in a nested template.
func TestTemplate_HasNothingThatTheLocalStackRefuses(t *testing.T) {
	tp := loadTemplate(t)
	for id := range tp.object(t, "Resources") {
		kind := tp.object(t, "Resources", id)["Type"].(string)
		require.NotContains(t, []string{
			"AWS::Events::Archive", "AWS::Events::EventBusPolicy", "AWS::SecretsManager::ResourcePolicy",
			"AWS::SecretsManager::RotationSchedule", "AWS::WAFv2::WebACLAssociation", "AWS::WAFv2::IPSet",
			"AWS::CloudWatch::CompositeAlarm", "AWS::CloudWatch::AnomalyDetector", "AWS::Logs::QueryDefinition",
			"AWS::Budgets::Budget", "AWS::Backup::BackupSelection",
		}, kind, id)
		require.False(t, strings.HasPrefix(kind, "AWS::CodeDeploy::"), id)
	}
	require.NotContains(t, tp.text, "DeploymentPreference", "it makes CodeDeploy resources")
}

// CloudFormation turns other characters into question marks.
func TestTemplate_IsASCII(t *testing.T) {
	for i, line := range strings.Split(loadTemplate(t).text, "\n") {
		for _, r := range line {
			require.Lessf(t, r, rune(128), "line %d", i+1)
		}
	}
}

func TestTemplate_EveryParameterHasADefaultAndIsUsedAndDescribed_P7(t *testing.T) {
	tp := loadTemplate(t)
	used := map[string]bool{}
	for _, section := range []string{"Resources", "Conditions", "Globals", "Outputs", "Rules"} {
		walkValue(section, tp.object(t, section), func(_ string, value any) {
			if object, ok := value.(map[string]any); ok {
				if name, ok := object["Ref"].(string); ok {
					used[name] = true
				}
			}
		})
	}
	grouped := map[string]bool{}
	for _, element := range tp.object(t, "Metadata", "AWS::CloudFormation::Interface")["ParameterGroups"].([]any) {
		for _, name := range asTexts(t, element.(map[string]any)["Parameters"]) {
			require.Falsef(t, grouped[name], "%s stands in two groups", name)
			grouped[name] = true
		}
	}
	guide, err := os.ReadFile(filepath.Join(templateRoot, "docs", "deploy.md"))
	require.NoError(t, err)
	parameters := tp.object(t, "Parameters")
	require.Len(t, grouped, len(parameters))
	for name := range parameters {
		parameter := tp.object(t, "Parameters", name)
		require.Contains(t, parameter, "Default", name)
		require.NotEmpty(t, parameter["Description"], name)
		require.Truef(t, used[name], "nothing uses %s", name)
		require.Contains(t, string(guide), "`"+name+"`", "docs/deploy.md does not explain it")
	}
}

func TestTemplate_EveryOutputIsDescribed_P7(t *testing.T) {
	tp := loadTemplate(t)
	guide, err := os.ReadFile(filepath.Join(templateRoot, "docs", "deploy.md"))
	require.NoError(t, err)
	for name := range tp.object(t, "Outputs") {
		require.NotEmpty(t, tp.object(t, "Outputs", name)["Description"], name)
		require.Contains(t, string(guide), "`"+name+"`", "docs/deploy.md does not explain it")
	}
	for _, name := range []string{
		"ApiUrl", "SetupCodeCommand", "AuthorizerArn", "IdentityTableName", "DirectoryTableName", "AuditTableName",
		"TransientTableName", "BusName", "DeadLetterQueueUrl", "PeppersSecretArn", "DerivationSecretArn", "CursorSecretArn",
		"SetupSecretArn",
	} {
		require.Contains(t, tp.object(t, "Outputs"), name)
	}
	require.Equal(t, sub("https://${Api}.execute-api.${AWS::Region}.${AWS::URLSuffix}/v1"), tp.object(t, "Outputs", "ApiUrl")["Value"])
	for name := range tp.object(t, "Outputs") {
		walkValue(name, tp.object(t, "Outputs", name)["Value"], func(path string, value any) {
			if text, ok := value.(string); ok {
				require.NotContains(t, text, "resolve:secretsmanager", path)
			}
		})
	}
}
