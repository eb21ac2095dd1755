package e2e

import (
	"encoding/json"
	"errors"
	"net/http"
	"testing"
	"time"

	"github.com/stretchr/testify/require"

	"github.com/rekey-dev/rekey/infra/e2e/client"
)

// kept is a secret of Secrets Manager that holds a key.
type kept struct {
	t   *testing.T
	arn string
	key issued
}

func manager(t *testing.T, operation string, in client.Object) client.Object {
	t.Helper()
	text, err := world.Call(t.Context(), "secretsmanager", operation, in)
	require.NoError(t, err)
	var out client.Object
	require.NoError(t, json.Unmarshal(text, &out))
	return out
}

func keep(t *testing.T) kept {
	p := asOwner(t)
	account := p.account(client.Object{"role_id": "role_BuiltinAutomation000"}).Text("id")
	k := p.issue(account, client.Object{"scopes": []string{"keys:rotate_self", "keys:read"}})
	made := manager(t, "CreateSecret", client.Object{"Name": "e2e/" + account, "Tags": []client.Object{{"Key": "rekey:place", "Value": world.node}},
		"SecretString": raw(t, client.Object{"api_url": world.APIURL, "key_id": k.id, "secret": k.secret, "password": "kept"})})
	return kept{t, made.Text("ARN"), k}
}

// value is the secret's current text.
func (k kept) value() client.Object {
	k.t.Helper()
	var out client.Object
	require.NoError(k.t, json.Unmarshal([]byte(manager(k.t, "GetSecretValue", client.Object{"SecretId": k.arn}).Text("SecretString")), &out))
	world.secrets.Add(out.Text("secret"), "Secrets Manager")
	return out
}

func (k kept) labels() client.Object {
	return manager(k.t, "DescribeSecret", client.Object{"SecretId": k.arn}).Object("VersionIdsToStages")
}

// rotationFunction is the function's ARN; the local stack's account is made up.
func rotationFunction(t *testing.T) string {
	name, err := world.FunctionName(t.Context(), "SecretRotationFunction")
	require.NoError(t, err)
	return "arn:aws:lambda:" + world.Region + ":000000000000:function:" + name
}

// begin leaves the secret as Secrets Manager does before the first step: with a version that has no value. No function is
// invoked, because there is none of that name.
func (k kept) begin(version string) {
	manager(k.t, "RotateSecret", client.Object{"SecretId": k.arn, "ClientRequestToken": version, "RotationLambdaARN": rotationFunction(k.t) + "-none"})
}

func (k kept) step(step, version string) error {
	answer, err := world.Invoke(k.t.Context(), "SecretRotationFunction", []byte(raw(k.t, client.Object{"Step": step, "SecretId": k.arn, "ClientRequestToken": version})))
	require.NoError(k.t, err)
	var failed struct{ ErrorMessage string }
	if json.Unmarshal(answer, &failed) == nil && failed.ErrorMessage != "" {
		return errors.New(failed.ErrorMessage)
	}
	return nil
}

func TestSecretRotation_SecretsManagerRotatesTheKeyAndNobodySeesIt_B5(t *testing.T) {
	t.Parallel()
	k := keep(t)
	version := manager(t, "RotateSecret", client.Object{"SecretId": k.arn, "RotationLambdaARN": rotationFunction(t)}).Text("VersionId")
	eventually(t, 20*time.Second, func() bool {
		return len(k.labels().Texts(version)) == 1 && k.labels().Texts(version)[0] == "AWSCURRENT"
	},
		"the four steps end with AWSCURRENT on the new version, and AWSPENDING on none")
	now := k.value()
	require.NotEqual(t, k.key.id, now.Text("key_id"))
	require.Equal(t, "kept", now.Text("password"))
	require.Equal(t, now.Text("key_id"), holding(t, now.Text("secret")).get("/me").expect(http.StatusOK).Text("key.id"))
	holding(t, k.key.secret).get("/me").expect(http.StatusOK) // until the overlap ends
	old := asOwner(t).get("/keys/" + k.key.id).expect(http.StatusOK)
	require.Equal(t, now.Text("key_id"), old.Text("superseded_by"))
	require.Equal(t, "expiring", old.Text("status"))
}

func TestSecretRotation_ConformsToSecretsManagersContract_B5(t *testing.T) {
	t.Parallel()
	const version, other = "aaaaaaaa-0000-4000-8000-000000000001", "aaaaaaaa-0000-4000-8000-000000000002"
	k := keep(t)
	require.ErrorContains(t, k.step("createSecret", version), "rotation is not enabled")
	k.begin(version)
	require.ErrorContains(t, k.step("finishSecret", version), "createSecret comes first")
	require.ErrorContains(t, k.step("setSecret", version), "createSecret comes first")
	require.ErrorContains(t, k.step("createSecret", other), "is not one of the secret's")
	require.ErrorContains(t, k.step("destroySecret", version), "Step is none of")
	require.ErrorContains(t, k.step("createSecret", "short"), "ClientRequestToken")
	for _, step := range []string{"createSecret", "setSecret", "testSecret"} {
		for range 2 {
			require.NoError(t, k.step(step, version))
			require.Equal(t, k.key.id, k.value().Text("key_id"), "consumers keep the old one")
		}
	}
	for range 2 {
		require.NoError(t, k.step("finishSecret", version))
	}
	rotated := k.value().Text("key_id")
	require.NotEqual(t, k.key.id, rotated)
	for _, step := range []string{"testSecret", "createSecret", "finishSecret", "setSecret"} { // the version is current already
		require.NoError(t, k.step(step, version))
	}
	require.Equal(t, rotated, k.value().Text("key_id"))
	keys := asOwner(t).all("/service-accounts/" + k.key.account + "/keys")
	require.Len(t, keys, 2, "steps that come again make no key")
}
