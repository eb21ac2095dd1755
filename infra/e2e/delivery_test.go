package e2e

import (
	"net/http"
	"testing"

	"github.com/stretchr/testify/require"

	"github.com/rekey-dev/rekey/infra/e2e/client"
)

func TestDelivery_TheNewSecretGoesStraightToItsConsumer_B5(t *testing.T) {
	t.Parallel()
	k := keep(t)
	rotate := func(id string, deliver client.Object) reply {
		return asOwner(t).post("/keys/"+id+"/rotate", client.Object{"mode": "overlap", "overlap": "PT1H", "deliver_to": deliver})
	}
	out := rotate(k.key.id, client.Object{"type": "secrets_manager", "secret_id": k.arn, "json_key": "secret"}).expect(http.StatusCreated)
	require.NotContains(t, out, "secret")
	require.Equal(t, "delivered", out.Text("rotation.state"))
	now := k.value()
	require.Equal(t, out.Text("key.id"), now.Text("key_id"))
	require.Equal(t, "kept", now.Text("password"))
	require.Equal(t, out.Text("key.id"), holding(t, now.Text("secret")).get("/me").expect(http.StatusOK).Text("key.id"))
	holding(t, k.key.secret).get("/me").expect(http.StatusOK)
	require.Equal(t, []string{"AWSCURRENT"}, k.labels().Texts(out.Text("rotation.delivery.version_id")))
}

func TestDelivery_AnythingThatIsNotThePlacesIsOneRefusal_B5(t *testing.T) {
	t.Parallel()
	k := newKey(t)
	untagged := "e2e/untagged-" + k.id
	manager(t, "CreateSecret", client.Object{"Name": untagged, "SecretString": "placeholder"})
	other := "e2e/other-" + k.id
	manager(t, "CreateSecret", client.Object{"Name": other, "SecretString": "placeholder", "Tags": []client.Object{{"Key": "rekey:place", "Value": "node_00000000000000000000"}}})
	said := map[string]bool{}
	for _, secret := range []string{untagged, other, "e2e/absent-" + k.id} {
		r := asOwner(t).post("/keys/"+k.id+"/rotate", client.Object{"mode": "immediate", "deliver_to": client.Object{"type": "secrets_manager", "secret_id": secret}})
		r.invalid("/deliver_to/secret_id")
		o := r.problem(http.StatusUnprocessableEntity, "invalid")
		said[o.Text("detail")+o.Objects("errors")[0].Text("detail")] = true
	}
	require.Len(t, said, 1)
	holding(t, k.secret).get("/me").expect(http.StatusOK)
	asOwner(t).post("/keys/"+k.id+"/rotate", client.Object{"mode": "overlap", "deliver_to": client.Object{"type": "event", "secret_id": "e2e/none"}}).invalid("/deliver_to/type")
}
