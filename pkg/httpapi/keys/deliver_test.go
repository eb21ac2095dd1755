package keys_test

import (
	"testing"

	"github.com/stretchr/testify/require"

	"github.com/rekey-dev/rekey/pkg/httpapi/httpapitest"
	"github.com/rekey-dev/rekey/pkg/rekeytest"
	"github.com/rekey-dev/rekey/pkg/token"
)

const to = `"deliver_to":{"type":"secrets_manager","secret_id":"acme/exporter","json_key":"key"}`

func TestDeliverTo_ANewKeysSecretIsNotInTheAnswer_B5(t *testing.T) {
	w := httpapitest.New(t)
	account := w.Account("exporter", w.Company)
	secret := w.Consumers().Add("acme/exporter", `{"key":"placeholder","user":"ada"}`, map[string]string{"rekey:place": string(w.Company.Company)})
	r := call("POST", "/service-accounts/{id}/keys", string(account.ID), `{"name":"primary",`+to+`}`)
	r.Header = map[string]string{"Idempotency-Key": "k1"}
	got := w.Call(w.Owner.Secret, r)
	require.Equal(t, 201, got.Status, got.Body)
	body := got.JSON(t)
	require.Equal(t, httpapitest.Words("key warnings delivery"), httpapitest.Members(body))
	d := body["delivery"].(map[string]any)
	require.Equal(t, httpapitest.Words("type secret_id json_key role_arn version_id delivered_at problem"), httpapitest.Members(d))
	require.Equal(t, secret.Labels["AWSCURRENT"], d["version_id"])
	require.NotNil(t, d["delivered_at"])
	require.Nil(t, d["problem"])
	key := body["key"].(map[string]any)
	rotation := w.Call(w.Owner.Secret, call("GET", "/rotations/{id}", key["rotation_id"].(string), "")).JSON(t)
	require.Equal(t, "issue", rotation["mode"])
	require.Equal(t, "delivered", rotation["state"])
	require.Equal(t, key["id"], rotation["new_key_id"])
	require.Equal(t, []any{}, rotation["next"])
	require.Contains(t, rotation["summary"], "was delivered to acme/exporter")
	require.Contains(t, secret.Text("AWSCURRENT"), `"user":"ada"`)
	again := w.Call(w.Owner.Secret, r)
	require.Equal(t, 201, again.Status)
	require.Equal(t, got.Body, again.Body)
	w.Call(w.Owner.Secret, call("POST", "/keys/{id}/revoke", key["id"].(string), ""))
	issued := w.Call(w.Owner.Secret, call("POST", "/service-accounts/{id}/keys", string(account.ID), `{"name":"shown"}`)).JSON(t)
	require.Equal(t, httpapitest.Words("key warnings secret"), httpapitest.Members(issued), "without deliver_to nothing is other than it was")
}

func TestDeliverTo_ARegeneratedSecretIsNotInTheAnswer_B5(t *testing.T) {
	w := httpapitest.New(t)
	shown := w.Issue(w.Account("exporter", w.Company).ID, "primary")
	secret := w.Consumers().Add("acme/exporter", `{"key":"`+shown.Secret.Reveal()+`"}`, map[string]string{"rekey:place": string(w.Company.Company)})
	id := string(shown.View.Key.ID)
	got := w.Call(w.Owner.Secret, call("POST", "/keys/{id}/regenerate", id, `{`+to+`}`))
	require.Equal(t, 200, got.Status, got.Body)
	body := got.JSON(t)
	require.Equal(t, httpapitest.Words("key delivery"), httpapitest.Members(body))
	require.Equal(t, id, body["key"].(map[string]any)["id"])
	require.Equal(t, 2.0, body["key"].(map[string]any)["generation"])
	text := secret.Text("AWSCURRENT")
	now := token.SecretOf(text[len(`{"key":"`) : len(text)-2])
	w.Note(now)
	w.Allowed(now, rekeytest.Home)
	w.Call(w.Owner.Secret, call("POST", "/keys/{id}/regenerate", id, `{"deliver_to":{"type":"event","secret_id":"x"}}`)).Invalid(t, "/deliver_to/type")
	w.Call(w.Owner.Secret, call("POST", "/keys/{id}/regenerate", id, `{"deliver_to":{"type":"secrets_manager"}}`)).Invalid(t, "/deliver_to/secret_id")
	w.Call(w.Owner.Secret, call("POST", "/keys/{id}/regenerate", id, `{"deliver_to":{"type":"secrets_manager","secret_id":"absent"}}`)).Invalid(t, "/deliver_to/secret_id")
}
