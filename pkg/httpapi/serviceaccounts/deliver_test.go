package serviceaccounts_test

import (
	"testing"

	"github.com/stretchr/testify/require"

	"github.com/rekey-dev/rekey/pkg/httpapi/httpapitest"
)

func TestRotate_TheSecretIsDeliveredAndNotInTheAnswer_W8_B5(t *testing.T) {
	const to = `"deliver_to":{"type":"secrets_manager","secret_id":"acme/exporter"}`
	w := httpapitest.New(t)
	account := w.Account("exporter", w.Company)
	shown := w.Issue(account.ID, "primary")
	secret := w.Consumers().Add("acme/exporter", shown.Secret.Reveal(), map[string]string{"rekey:place": string(w.Company.Company)})
	rotate := func(body string, more ...string) httpapitest.Response {
		r := on("POST", string(account.ID), "/rotate", body)
		for _, key := range more {
			r.Header = map[string]string{"Idempotency-Key": key}
		}
		return w.Call(w.Owner.Secret, r)
	}
	got := rotate(`{`+to+`}`, "k1")
	require.Equal(t, 201, got.Status, got.Body)
	body := got.JSON(t)
	require.Equal(t, httpapitest.Words("key delivery"), httpapitest.Members(body))
	require.Equal(t, string(shown.View.Key.ID), body["key"].(map[string]any)["id"])
	require.Equal(t, secret.Labels["AWSCURRENT"], body["delivery"].(map[string]any)["version_id"])
	require.Equal(t, got.Body, rotate(`{`+to+`}`, "k1").Body)
	require.EqualValues(t, 2, w.Key(shown.View.Key.ID).Generation)

	w.Issue(account.ID, "secondary")
	rotate(`{`+to+`}`).Problem(t, 409, "conflict")
	got = rotate(`{"all":true,`+to+`}`, "k2")
	require.Equal(t, 201, got.Status, got.Body)
	body = got.JSON(t)
	require.NotEqual(t, string(shown.View.Key.ID), body["key"].(map[string]any)["id"])
	require.Equal(t, secret.Labels["AWSCURRENT"], body["delivery"].(map[string]any)["version_id"])
	require.Equal(t, got.Body, rotate(`{"all":true,`+to+`}`, "k2").Body)
	require.EqualValues(t, 1, w.Call(w.Owner.Secret, on("GET", string(account.ID), "", "")).JSON(t)["key_count"])
	rotate(`{"deliver_to":{"type":"secrets_manager","secret_id":"a b"}}`).Invalid(t, "/deliver_to/secret_id")
}
