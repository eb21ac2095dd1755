package e2e

import (
	"net/http"
	"strings"
	"sync"
	"testing"

	"github.com/stretchr/testify/require"

	"github.com/rekey-dev/rekey/infra/e2e/client"
)

func TestIdempotency_ARepeatedIssueGivesTheSameSecretUntilItsFirstUse_B6(t *testing.T) {
	t.Parallel()
	p := asOwner(t)
	path := "/service-accounts/" + p.account().Text("id") + "/keys"
	body := client.Object{"name": "exporter", "scopes": []string{"keys:read"}}
	once := p.once("issue-" + t.Name())
	first := once.post(path, body)
	o := first.expect(http.StatusCreated)
	repeat := once.post(path, body).unshown()
	require.Equal(t, o, repeat.expect(http.StatusCreated), "the same status and body, the secret too")
	require.Len(t, p.all(path+"?limit=100"), 1, "one effect")
	repeated := p.records(o.Text("key.id"), "key.secret_repeated")
	require.Len(t, repeated, 1, "that it was shown again is on record")

	holding(t, o.Text("secret")).get("/me").expect(http.StatusOK)
	withheld := once.post(path, body).expect(http.StatusCreated)
	require.NotContains(t, withheld, "secret", "after the first use")
	require.Equal(t, true, withheld["secret_withheld"])
	require.Equal(t, o["key"], withheld["key"])
	require.NotContains(t, o, "secret_withheld")

	once.post(path, client.Object{"name": "another", "scopes": []string{"keys:read"}}).problem(http.StatusUnprocessableEntity, "idempotency_mismatch")
	other := once.post("/service-accounts/"+p.account().Text("id")+"/keys", body).expect(http.StatusCreated)
	require.NotEqual(t, o.Text("secret"), other.Text("secret"), "another path is another call")
}

func TestIdempotency_ASecretThatWasReplacedOrEndedIsNeverShownAgain_B6(t *testing.T) {
	t.Parallel()
	p := asOwner(t)
	account := p.account().Text("id")
	path := "/service-accounts/" + account + "/keys"
	once := p.once("replaced-" + t.Name())
	k := shown(t, account, once.post(path, client.Object{"name": "k"}).expect(http.StatusCreated))
	regenerate := p.once("regenerate-" + t.Name())
	second := shown(t, account, regenerate.post("/keys/"+k.id+"/regenerate", nil).expect(http.StatusOK))
	again := shown(t, account, regenerate.post("/keys/"+k.id+"/regenerate", nil).expect(http.StatusOK))
	require.Equal(t, second.secret, again.secret)
	require.Equal(t, 2, p.get("/keys/"+k.id).expect(http.StatusOK).Number("generation"), "one effect")
	require.Equal(t, true, once.post(path, client.Object{"name": "k"}).expect(http.StatusCreated)["secret_withheld"], "it is no longer the current one")

	p.post("/keys/"+k.id+"/regenerate", nil).expect(http.StatusOK)
	require.Equal(t, true, regenerate.post("/keys/"+k.id+"/regenerate", nil).expect(http.StatusOK)["secret_withheld"])

	gone := p.once("gone-" + t.Name())
	ended := shown(t, account, gone.post(path, client.Object{"name": "k"}).expect(http.StatusCreated))
	p.post("/keys/"+ended.id+"/revoke", nil).expect(http.StatusOK)
	require.Equal(t, true, gone.post(path, client.Object{"name": "k"}).expect(http.StatusCreated)["secret_withheld"])
}

func TestIdempotency_EveryPostHonoursIt(t *testing.T) {
	t.Parallel()
	p := asOwner(t)
	account := p.account().Text("id")
	k, other := p.issue(account), p.issue(account)
	locked := newKey(t)
	stranger(t).guess(locked.secret, 0, 3)
	for i, r := range []struct {
		path string
		body any
	}{
		{"/service-accounts", client.Object{"name": newName(t), "node_id": world.node}},
		{"/keys/" + other.id + "/deactivate", nil},
		{"/keys/" + other.id + "/activate", client.Object{}},
		{"/keys/" + other.id + "/revoke", client.Object{"reason": "superseded"}},
		{"/service-accounts/" + account + "/rotate", client.Object{"reason": "superseded"}},
		{"/service-accounts/" + locked.account + "/unlock", nil},
		{"/service-accounts/" + account + "/revoke", client.Object{"reason": "gone"}},
	} {
		once := p.once(t.Name() + string(rune('a'+i)))
		first := once.post(r.path, r.body)
		require.Less(t, first.Status, 300, "%s: %s", r.path, first.Body)
		before := len(p.audit("target_id=" + account))
		second := once.post(r.path, r.body)
		require.Equal(t, first.Status, second.Status, r.path)
		require.Equal(t, first.Object(), second.Object(), r.path)
		require.Equal(t, first.Header.Get("Etag"), second.Header.Get("Etag"), r.path)
		require.Len(t, p.audit("target_id="+account), before, "%s: one effect", r.path)
		once.post(r.path, client.Object{"reason": "unspecified", "name": "another", "node_id": world.node}).expect(http.StatusUnprocessableEntity)
	}
	require.Equal(t, "revoked", p.get("/keys/" + k.id).expect(http.StatusOK)["status"])
}

func TestIdempotency_SimultaneousCallsHaveOneEffectAndOneAnswer_B6(t *testing.T) {
	t.Parallel()
	p := asOwner(t)
	path := "/service-accounts/" + p.account().Text("id") + "/keys"
	once := p.once("at-once-" + t.Name())
	answers := make([]reply, 12)
	var all sync.WaitGroup
	for i := range answers {
		all.Go(func() {
			answer, err := world.api.Do(t.Context(), once.request(http.MethodPost, path, client.Object{"name": "k"}))
			if err == nil {
				err = answer.Violation
			}
			if err != nil {
				t.Error(err)
			}
			answers[i] = reply{Answer: answer, t: t, what: "POST " + path}
		})
	}
	all.Wait()
	for _, a := range answers {
		require.Equal(t, answers[0].expect(http.StatusCreated), a.expect(http.StatusCreated))
	}
	require.Len(t, p.all(path+"?limit=100"), 1)
}

func TestIdempotency_BelongsToItsCaller(t *testing.T) {
	t.Parallel()
	owner := asOwner(t)
	account := owner.account().Text("id")
	path := "/service-accounts/" + account + "/keys"
	once := owner.once("mine-" + t.Name())
	mine := shown(t, account, once.post(path, client.Object{"name": "k"}).expect(http.StatusCreated))
	consumer := holding(t, owner.issue(account).secret).once("mine-" + t.Name())
	o := consumer.post(path, client.Object{"name": "k"}).problem(http.StatusForbidden, "missing_permission")
	require.Equal(t, "keys:issue", o["missing_permission"])
	require.Equal(t, mine.secret, once.post(path, client.Object{"name": "k"}).expect(http.StatusCreated).Text("secret"))
}

func TestIdempotency_TheHoldersRoutesIgnoreIt(t *testing.T) {
	t.Parallel()
	k := newKey(t)
	once := stranger(t).once("holder-" + t.Name())
	require.Equal(t, "malformed", once.post("/key-status", client.Object{"secret": "x"}).expect(http.StatusOK).Text("status"))
	require.Equal(t, "active", once.post("/key-status", client.Object{"secret": k.secret}).expect(http.StatusOK).Text("status"))
	once.post("/keys/self-revoke", client.Object{"secret": "x"}).expect(http.StatusNoContent)
	once.post("/keys/self-revoke", client.Object{"secret": k.secret}).expect(http.StatusNoContent)
	require.Equal(t, "revoked", once.post("/key-status", client.Object{"secret": k.secret}).expect(http.StatusOK).Text("status"))
}

func TestIdempotency_OnlySuccessesAreKept(t *testing.T) {
	t.Parallel()
	p := asOwner(t)
	account := p.account().Text("id")
	once := p.once("kept-" + t.Name())
	once.post("/service-accounts/"+account+"/rotate", nil).problem(http.StatusConflict, "conflict")
	k := p.issue(account)
	fresh := shown(t, account, once.post("/service-accounts/"+account+"/rotate", nil).expect(http.StatusCreated))
	require.Equal(t, k.id, fresh.id)
}

func TestIdempotency_AKeyThatIsNoneIsRefused(t *testing.T) {
	t.Parallel()
	p := asOwner(t)
	for _, key := range []string{strings.Repeat("a", 256), "with\ttab", "with a blank", "beyond é"} {
		answer := p.once(key).post("/service-accounts", client.Object{"name": newName(t), "node_id": world.node})
		require.Equal(t, http.StatusUnprocessableEntity, answer.Status, "%q: %s", key, answer.Body)
	}
	p.once(strings.Repeat("a", 255)).post("/service-accounts", client.Object{"name": newName(t), "node_id": world.node}).expect(http.StatusCreated)
	two := p
	two.header = p.header.Clone()
	two.header["Idempotency-Key"] = []string{"one", "two"}
	require.Equal(t, http.StatusUnprocessableEntity, two.post("/service-accounts", client.Object{"name": newName(t), "node_id": world.node}).Status)
}
