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

// place makes a consumer's secret for the keys of an account at the root.
func place(t *testing.T, account string, text client.Object) kept {
	t.Helper()
	made := manager(t, "CreateSecret", client.Object{"Name": "e2e/" + account, "SecretString": raw(t, text),
		"Tags": []client.Object{{"Key": "rekey:place", "Value": world.node}}})
	return kept{t: t, arn: made.Text("ARN")}
}

func (k kept) target() client.Object {
	return client.Object{"type": "secrets_manager", "secret_id": k.arn, "json_key": "secret"}
}

// unseen fails unless an answer tells where a secret has gone, and does not have it.
func (k kept) unseen(answer client.Object) client.Object {
	k.t.Helper()
	require.NotContains(k.t, answer, "secret")
	require.NotContains(k.t, answer, "secret_withheld")
	require.NotNil(k.t, answer.Object("delivery")["delivered_at"])
	require.Nil(k.t, answer.Object("delivery")["problem"])
	require.Equal(k.t, []string{"AWSCURRENT"}, k.labels().Texts(answer.Text("delivery.version_id")))
	return answer.Object("key")
}

// used is who the API takes the secret's holder for.
func (k kept) used() string {
	k.t.Helper()
	return holding(k.t, k.value().Text("secret")).get("/me").expect(http.StatusOK).Text("key.id")
}

func TestDelivery_ANewKeyGoesStraightToItsConsumer_B5(t *testing.T) {
	t.Parallel()
	p := asOwner(t)
	account := p.account().Text("id")
	k := place(t, account, client.Object{"secret": "none yet", "key_id": "", "password": "kept"})
	body := client.Object{"name": "delivered", "deliver_to": k.target()}
	path := "/service-accounts/" + account + "/keys"
	once := p.once("delivered-" + account)
	first := once.post(path, body).unshown().expect(http.StatusCreated)
	key := k.unseen(first)
	require.Equal(t, []any{}, first["warnings"])
	require.Equal(t, key.Text("id"), k.used())
	require.Equal(t, key.Text("id"), k.value().Text("key_id"))
	require.Equal(t, "kept", k.value().Text("password"))
	version := first.Text("delivery.version_id")

	again := once.post(path, body).expect(http.StatusCreated)
	require.Equal(t, first, again)
	require.Equal(t, []string{"AWSCURRENT"}, k.labels().Texts(version), "nothing was delivered again")
	r := p.get("/rotations/" + key.Text("rotation_id")).expect(http.StatusOK)
	require.Equal(t, "issue", r.Text("mode"))
	require.Equal(t, "delivered", r.Text("state"))
	require.Equal(t, []string{"key.issued"}, field(p.records(key.Text("id"), "user.updated"), "details.change"))
	p.post(path, body).problem(http.StatusConflict, "conflict") // a live key's secret is in there
	require.Equal(t, key.Text("id"), k.used())
	p.post("/keys/"+key.Text("id")+"/revoke", nil).expect(http.StatusOK)
	next := k.unseen(p.post(path, body).expect(http.StatusCreated))
	require.Equal(t, next.Text("id"), k.used(), "one that has ended gives way")
}

func TestDelivery_ARegeneratedSecretGoesStraightToItsConsumer_B5_I1(t *testing.T) {
	t.Parallel()
	p, k := asOwner(t), keep(t)
	consumer := holding(t, k.key.secret)
	path := "/keys/" + k.key.id + "/regenerate"
	once := p.once("regenerated-" + k.key.id)
	first := once.post(path, client.Object{"deliver_to": k.target()}).unshown().expect(http.StatusOK)
	key := k.unseen(first)
	require.Equal(t, k.key.id, key.Text("id"))
	require.Equal(t, 2, key.Number("generation"))
	consumer.get("/me").refused()
	require.Equal(t, k.key.id, k.used())
	require.Equal(t, first, once.post(path, client.Object{"deliver_to": k.target()}).expect(http.StatusOK))
	require.Equal(t, 2, p.get("/keys/"+k.key.id).expect(http.StatusOK).Number("generation"))
	require.Equal(t, []string{"key.issued", "key.regenerated"}, field(p.records(k.key.id, "user.updated"), "details.change"))
	for _, secret := range []string{"e2e/absent-" + k.key.id, "e2e/absent-" + k.key.account} {
		p.post(path, client.Object{"deliver_to": client.Object{"type": "secrets_manager", "secret_id": secret}}).invalid("/deliver_to/secret_id")
	}
	require.Equal(t, k.key.id, k.used())
}

func TestDelivery_AnAccountsKeysAreReplacedByOneThatGoesStraightToItsConsumer_B5_W8(t *testing.T) {
	t.Parallel()
	p, k := asOwner(t), keep(t)
	path := "/service-accounts/" + k.key.account + "/rotate"
	key := k.unseen(p.post(path, client.Object{"deliver_to": k.target()}).unshown().expect(http.StatusCreated))
	require.Equal(t, k.key.id, key.Text("id"))
	holding(t, k.key.secret).get("/me").refused()
	require.Equal(t, k.key.id, k.used())

	second := p.issue(k.key.account)
	first := k.value().Text("secret")
	p.post(path, client.Object{"deliver_to": k.target()}).problem(http.StatusConflict, "conflict")
	once := p.once("all-" + k.key.account)
	body := client.Object{"all": true, "deliver_to": k.target()}
	answer := once.post(path, body).expect(http.StatusCreated)
	key = k.unseen(answer)
	require.NotContains(t, []string{k.key.id, second.id}, key.Text("id"))
	holding(t, first).get("/me").refused()
	holding(t, second.secret).get("/me").refused()
	require.Equal(t, key.Text("id"), k.used())
	require.Equal(t, answer, once.post(path, body).expect(http.StatusCreated))
	require.Equal(t, key.Text("id"), k.used())
}

// A secret that is in trouble before anything has begun: what is wrong is said where the caller may know it, the key goes on, and
// once it is mended the delivery is made.
func TestDelivery_ATargetInTroubleIsRefusedUntilItIsMended_B5(t *testing.T) {
	t.Parallel()
	k := keep(t)
	target := client.Object{"type": "secrets_manager", "secret_id": k.arn, "json_key": "secret"}
	rotate := func() reply {
		return asOwner(t).post("/keys/"+k.key.id+"/rotate", client.Object{"mode": "overlap", "deliver_to": target})
	}
	manager(t, "DeleteSecret", client.Object{"SecretId": k.arn, "RecoveryWindowInDays": 7})
	rotate().invalid("/deliver_to/secret_id")
	manager(t, "RestoreSecret", client.Object{"SecretId": k.arn})

	k.begin("aaaaaaaa-0000-4000-8000-000000000003") // somebody else's rotation, which does not go on
	taken := rotate().problem(http.StatusConflict, "conflict")
	require.Contains(t, taken.Text("detail"), "AWSPENDING is on version aaaaaaaa-0000-4000-8000-000000000003: another rotation of the secret is under way.")
	manager(t, "UpdateSecretVersionStage", client.Object{"SecretId": k.arn, "VersionStage": "AWSPENDING",
		"RemoveFromVersionId": "aaaaaaaa-0000-4000-8000-000000000003"})

	other := newKey(t)
	theirs := manager(t, "PutSecretValue", client.Object{"SecretId": k.arn, "ClientRequestToken": "aaaaaaaa-0000-4000-8000-000000000004",
		"SecretString": raw(t, client.Object{"secret": other.secret})})
	occupied := rotate().problem(http.StatusConflict, "conflict")
	require.Contains(t, occupied.Text("detail"), "The secret holds the secret of "+other.id+", which this delivery does not replace.")
	manager(t, "PutSecretValue", client.Object{"SecretId": k.arn, "ClientRequestToken": "aaaaaaaa-0000-4000-8000-000000000005",
		"SecretString": raw(t, client.Object{"key_id": k.key.id, "secret": k.key.secret})})
	require.NotEmpty(t, theirs.Text("VersionId"))

	holding(t, k.key.secret).get("/me").expect(http.StatusOK)
	require.Empty(t, asOwner(t).all("/rotations?service_account_id="+k.key.account), "nothing has begun")
	out := rotate().expect(http.StatusCreated)
	require.Equal(t, "delivered", out.Text("rotation.state"))
	require.Equal(t, out.Text("key.id"), k.value().Text("key_id"))
}
