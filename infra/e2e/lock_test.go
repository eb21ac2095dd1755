package e2e

import (
	"net/http"
	"testing"
	"time"

	"github.com/stretchr/testify/require"

	"github.com/rekey-dev/rekey/infra/e2e/client"
)

// threshold is the number of wrong secrets that lock where no policy says otherwise, within 15 minutes and for 30.
const threshold = 10

func TestLock_TooManyWrongSecretsLockTheAccountAndItShows_I2(t *testing.T) {
	t.Parallel()
	p := asOwner(t)
	k := newKey(t)
	path := "/service-accounts/" + k.account
	thief := stranger(t)
	thief.guess(k.secret, 0, threshold-1)
	require.Equal(t, false, p.get(path).expect(http.StatusOK)["locked"])
	etag := p.get(path).Header.Get("Etag")
	thief.guess(k.secret, threshold-1, threshold)

	account := p.get(path)
	o := account.expect(http.StatusOK)
	require.Equal(t, true, o["locked"])
	require.Equal(t, etag, account.Header.Get("Etag"), "a lock does not move the ETag")
	require.Equal(t, threshold, o.Number("lock.failures"))
	require.NotEmpty(t, o.Text("lock.reason"))
	require.Equal(t, "untrusted_sources", o.Text("lock.effect"))
	require.ElementsMatch(t, []string{"regenerate", "unlock", "time"}, o.Texts("lock.cleared_by"))
	since, err := time.Parse(time.RFC3339, o.Text("lock.since"))
	require.NoError(t, err)
	until, err := time.Parse(time.RFC3339, o.Text("lock.until"))
	require.NoError(t, err)
	require.WithinDuration(t, since.Add(30*time.Minute), until, time.Minute)
	sources := o.Objects("lock.sources")
	require.Len(t, sources, 1)
	require.Equal(t, thief.source, sources[0]["source_ip"])
	require.Equal(t, k.id, sources[0]["key_id"])
	require.Equal(t, threshold, sources[0].Number("failures"))
	require.Equal(t, "rekey-e2e/1", sources[0]["user_agent"])
	require.NotEmpty(t, sources[0]["last_at"])
	require.Equal(t, true, p.get("/keys/" + k.id).expect(http.StatusOK)["locked"])

	newcomer := holding(t, k.secret)
	newcomer.get("/me").refused()
	told := newcomer.status(k.secret)
	require.Equal(t, "locked", told.Text("status"))
	require.Equal(t, o.Text("lock.until"), told.Text("locked_until"))
	require.Equal(t, "unknown", thief.status(client.Wrong(k.secret, 0)).Text("status"), "only who holds the right secret is told")
	thief.guess(k.secret, threshold, threshold+5)
	require.Equal(t, threshold, p.get(path).expect(http.StatusOK).Number("lock.failures"), "while locked, strangers cause no write")

	locked := p.records(k.account, "principal.locked")
	require.Len(t, locked, 1, "announced once")
	require.Equal(t, "system", locked[0].Text("actor.type"))
	require.Equal(t, threshold, locked[0].Number("details.failures"))
}

func TestLock_AnAdminUnlocksWithoutANewSecret_I3(t *testing.T) {
	t.Parallel()
	p := asOwner(t)
	k := newKey(t)
	stranger(t).guess(k.secret, 0, threshold)
	newcomer := holding(t, k.secret)
	newcomer.get("/me").refused()
	o := p.post("/service-accounts/"+k.account+"/unlock", nil).expect(http.StatusOK)
	require.Equal(t, false, o["locked"])
	require.Nil(t, o["lock"])
	newcomer.get("/me").expect(http.StatusOK)
	require.Equal(t, o["id"], p.post("/service-accounts/"+k.account+"/unlock", nil).expect(http.StatusOK)["id"], "again: unchanged")
	require.Len(t, p.records(k.account, "principal.unlocked"), 1)
	stranger(t).guess(k.secret, 0, threshold-1)
	require.Equal(t, false, p.get("/service-accounts/" + k.account).expect(http.StatusOK)["locked"], "the count began anew")
}

func TestLock_RegeneratingUnlocks_I3(t *testing.T) {
	t.Parallel()
	p := asOwner(t)
	k := newKey(t)
	stranger(t).guess(k.secret, 0, threshold)
	require.Equal(t, true, p.get("/keys/" + k.id).expect(http.StatusOK)["locked"])
	fresh := shown(t, k.account, p.post("/keys/"+k.id+"/regenerate", nil).expect(http.StatusOK))
	require.Equal(t, false, fresh.key["locked"])
	holding(t, fresh.secret).get("/me").expect(http.StatusOK)
	require.Equal(t, false, p.get("/service-accounts/" + k.account).expect(http.StatusOK)["locked"])
}

func TestLock_ARetiredSecretNeverCounts_B1(t *testing.T) {
	t.Parallel()
	p := asOwner(t)
	k := newKey(t)
	fresh := shown(t, k.account, p.post("/keys/"+k.id+"/regenerate", nil).expect(http.StatusOK))
	stale := holding(t, k.secret)
	for range 3 * threshold {
		stale.get("/me").refused()
	}
	account := p.get("/service-accounts/" + k.account).expect(http.StatusOK)
	require.Equal(t, false, account["locked"])
	require.Nil(t, account["lock"])
	holding(t, fresh.secret).get("/me").expect(http.StatusOK)
	require.Equal(t, "retired", stale.status(k.secret).Text("status"))

	seen := p.get("/keys/" + k.id).expect(http.StatusOK).Object("retired_seen")
	require.NotNil(t, seen, "the account's owner sees who still sends it")
	require.NotEmpty(t, seen.Text("last_at"))
	require.Equal(t, stale.source, seen.Objects("sources")[0]["source_ip"])
	require.Equal(t, "rekey-e2e/1", seen.Objects("sources")[0]["user_agent"])
	records := p.records(k.id, "retired_secret.seen")
	require.Len(t, records, 1)
	require.Equal(t, "holder", records[0].Text("actor.type"))
}

func TestLock_AnEndedKeyCanLockNobody_B2(t *testing.T) {
	t.Parallel()
	p := asOwner(t)
	account := p.account().Text("id")
	alive := p.issue(account)
	revoked, off, expired := p.issue(account), p.issue(account), p.issue(account, client.Object{"expires_at": inSeconds(2)})
	p.post("/keys/"+revoked.id+"/revoke", nil).expect(http.StatusOK)
	p.post("/keys/"+off.id+"/deactivate", nil).expect(http.StatusOK)
	eventually(t, 10*time.Second, func() bool {
		return p.get("/keys/" + expired.id).expect(http.StatusOK)["status"] == "expired"
	}, "the key does not expire")
	thief := stranger(t)
	for _, k := range []issued{revoked, off, expired} {
		thief.guess(k.secret, 0, threshold+2)
		for range threshold + 2 {
			thief.sending(client.Bearer(k.secret)).get("/me").refused()
		}
	}
	require.Equal(t, false, p.get("/service-accounts/" + account).expect(http.StatusOK)["locked"])
	holding(t, alive.secret).get("/me").expect(http.StatusOK)
}

func TestLock_ASourceThatAuthenticatedLatelyIsNotLockedOutByStrangers_B2(t *testing.T) {
	t.Parallel()
	p := asOwner(t)
	k := newKey(t)
	consumer := holding(t, k.secret)
	consumer.get("/me").expect(http.StatusOK)
	for range 3 {
		stranger(t).guess(k.secret, 0, 5)
	}
	require.Equal(t, true, p.get("/service-accounts/" + k.account).expect(http.StatusOK)["locked"])
	consumer.get("/me").expect(http.StatusOK)
	holding(t, k.secret).get("/me").refused()
	told := consumer.status(k.secret)
	require.Equal(t, "active", told.Text("status"), "to a source that is not refused, the key's own status")
	require.NotEmpty(t, told.Text("locked_until"))

	// An app with a wrong secret locks itself out, and nobody else.
	consumer.guess(k.secret, 100, 100+threshold)
	consumer.get("/me").refused()
	require.Equal(t, "locked", consumer.status(k.secret).Text("status"))
}

// A policy's lock holds for the accounts below it, from minutes after its change until minutes after its end.
func TestLock_APolicySetsItsNumbersAndMayRefuseEverybody_I2_B2(t *testing.T) {
	t.Parallel()
	p := asOwner(t)
	k, other := newKey(t), newKey(t)
	path := "/service-accounts/" + k.account
	consumer := holding(t, k.secret)
	consumer.get("/me").expect(http.StatusOK)
	changed := func(n int) {
		t.Helper()
		eventually(t, 4*time.Minute, func() bool { return len(p.records(k.account, "service_account.updated")) == n }, "the lock has no new numbers")
	}
	id := p.policy(k.account, client.Object{"lock": client.Object{"threshold": 3, "window": "PT5M", "duration": "PT2H", "strict": false}}).Text("id")
	changed(1)
	record := p.records(k.account, "service_account.updated")[0]
	require.Equal(t, "system", record.Text("actor.type"))
	require.Equal(t, id, record.Text("details.policy_id"))
	require.Equal(t, 3, record.Number("details.lock.threshold"))

	stranger(t).guess(k.secret, 0, 2)
	require.Equal(t, false, p.get(path).expect(http.StatusOK)["locked"])
	stranger(t).guess(k.secret, 2, 3)
	locked := p.get(path).expect(http.StatusOK)
	require.Equal(t, true, locked["locked"])
	require.Equal(t, "untrusted_sources", locked.Text("lock.effect"))
	until, err := time.Parse(time.RFC3339, locked.Text("lock.until"))
	require.NoError(t, err)
	require.WithinDuration(t, time.Now().Add(2*time.Hour), until, time.Minute)
	consumer.get("/me").expect(http.StatusOK)
	stranger(t).guess(other.secret, 0, threshold-1)
	require.Equal(t, false, p.get("/service-accounts/" + other.account).expect(http.StatusOK)["locked"])
	stranger(t).guess(other.secret, threshold-1, threshold)
	require.Equal(t, true, p.get("/service-accounts/" + other.account).expect(http.StatusOK)["locked"])

	p.patch("/rotation-policies/"+id, client.Object{"lock": client.Object{"strict": true}}).expect(http.StatusOK)
	changed(2)
	require.Equal(t, "all", p.get(path).expect(http.StatusOK).Text("lock.effect"))
	consumer.get("/me").refused()
	require.Equal(t, "locked", consumer.status(k.secret).Text("status"))

	require.Equal(t, http.StatusNoContent, p.delete("/rotation-policies/"+id).Status)
	changed(3)
	consumer.get("/me").expect(http.StatusOK)
	p.post(path+"/unlock", nil).expect(http.StatusOK)
	stranger(t).guess(k.secret, 0, threshold-1)
	require.Equal(t, false, p.get(path).expect(http.StatusOK)["locked"])
	stranger(t).guess(k.secret, threshold-1, threshold)
	require.Equal(t, true, p.get(path).expect(http.StatusOK)["locked"])
}

func TestLock_AForwardedAddressIsNobodysAddress_B2(t *testing.T) {
	t.Parallel()
	k := newKey(t)
	consumer := holding(t, k.secret)
	consumer.get("/me").expect(http.StatusOK)
	stranger(t).guess(k.secret, 0, threshold)
	thief := holding(t, k.secret)
	thief.also("X-Forwarded-For", consumer.source).get("/me").refused()
	thief.also("Forwarded", "for="+consumer.source).get("/me").refused()
	thief.also("X-Real-Ip", consumer.source).get("/me").refused()
	consumer.also("X-Forwarded-For", "203.0.113.9").get("/me").expect(http.StatusOK)
}

func TestLock_AWrongPasswordForANamedIDCountsAndAnUnknownIDDoesNot_I2(t *testing.T) {
	t.Parallel()
	p := asOwner(t)
	k := newKey(t)
	thief := stranger(t)
	for _, password := range []string{"", "secret", client.Wrong(k.secret, 1), k.secret[:73], "rka_", "密码", "a:b", "x", "y", "z"} {
		thief.sending(client.Basic(k.id, password)).get("/me").refused()
	}
	require.Equal(t, true, p.get("/service-accounts/" + k.account).expect(http.StatusOK)["locked"])
	for range threshold + 2 {
		thief.sending(client.Bearer(client.WithCheck("rka_00000000000000000000_" + k.secret[25:68]))).get("/me").refused()
		thief.sending(client.Basic("key_00000000000000000000", "x")).get("/me").refused()
	}
}

func TestLock_TriesAtKeyStatusCountLikeAnyOther(t *testing.T) {
	t.Parallel()
	p := asOwner(t)
	k := newKey(t)
	thief := stranger(t)
	for n := range threshold {
		if n%2 == 0 {
			require.Equal(t, "unknown", thief.status(client.Wrong(k.secret, n)).Text("status"))
		} else {
			thief.post("/keys/self-revoke", client.Object{"secret": client.Wrong(k.secret, n)}).expect(http.StatusNoContent)
		}
	}
	require.Equal(t, true, p.get("/service-accounts/" + k.account).expect(http.StatusOK)["locked"])
	require.Equal(t, "active", p.get("/keys/" + k.id).expect(http.StatusOK)["status"])
}

func TestLock_ASourceThatIsNeverTheFirstOfAMinuteIsTrustedToo_B2(t *testing.T) {
	p, k := asOwner(t), newKey(t)
	if second := time.Now().Second(); second > 50 {
		time.Sleep(time.Duration(61-second) * time.Second)
	}
	first, second := holding(t, k.secret), holding(t, k.secret)
	first.get("/me").expect(http.StatusOK)
	// The first request writes it, whatever environment serves it; a write that the machine did not get done within 100 ms is
	// tried again by the next.
	for range 20 {
		second.get("/me").expect(http.StatusOK)
		if len(p.records(k.id, "key.new_source")) > 0 {
			break
		}
	}
	require.Len(t, p.records(k.id, "key.new_source"), 1, "a source not seen before is on record")
	stranger(t).guess(k.secret, 0, 11)
	first.get("/me").expect(http.StatusOK)
	second.get("/me").expect(http.StatusOK)
}
