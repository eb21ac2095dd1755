package keystatus_test

import (
	"strings"
	"testing"
	"time"

	"github.com/stretchr/testify/require"

	"github.com/rekey-dev/rekey/pkg/httpapi/httpapitest"
	"github.com/rekey-dev/rekey/pkg/rekeytest"
	"github.com/rekey-dev/rekey/pkg/token"
)

func status(body string) httpapitest.Request {
	return httpapitest.Request{Method: "POST", Resource: "/key-status", Body: body}
}

func of(s token.Secret) httpapitest.Request { return status(`{"secret":"` + s.Reveal() + `"}`) }

func revoke(s token.Secret) httpapitest.Request {
	return httpapitest.Request{Method: "POST", Resource: "/keys/self-revoke", Body: `{"secret":"` + s.Reveal() + `"}`}
}

func TestSamples_OfKeyStatusAreAnswered(t *testing.T) {
	w := httpapitest.New(t)
	secret := w.Issue(w.Account("exporter", w.Company).ID, "primary").Secret.Reveal()
	require.Equal(t, "active", w.Send(w.Sample("keystatus-status.json", "SECRET", secret)).JSON(t)["status"])
	require.Equal(t, 204, w.Send(w.Sample("keystatus-self-revoke.json", "SECRET", secret)).Status)
	require.Equal(t, "revoked", w.Send(w.Sample("keystatus-status.json", "SECRET", secret)).JSON(t)["status"])
}

func TestStatus_TellsTheHolderWhatIsTheMatter_D12(t *testing.T) {
	w := httpapitest.New(t)
	account := w.Account("exporter", w.Company)
	first := w.IssueFor(account.ID, "primary", time.Hour)
	got := w.Do(of(first.Secret)).JSON(t)
	require.Equal(t, httpapitest.Words("status detail key_id expires_at"), httpapitest.Members(got))
	require.Equal(t, "expiring", got["status"])
	require.Equal(t, string(first.View.Key.ID), got["key_id"])
	require.Equal(t, "2031-03-04T06:06:10Z", got["expires_at"])
	require.NotEmpty(t, got["detail"])

	second := w.Regenerate(first.View.Key.ID)
	require.Equal(t, "retired", w.Do(of(first.Secret)).JSON(t)["status"])
	require.Equal(t, "expiring", w.Do(of(second.Secret)).JSON(t)["status"])
	w.Advance(time.Hour)
	require.Equal(t, "expired", w.Do(of(second.Secret)).JSON(t)["status"])

	got = w.Do(of(w.Wrong(second.Secret))).JSON(t)
	require.Equal(t, "unknown", got["status"])
	require.Equal(t, httpapitest.Words("status detail"), httpapitest.Members(got), "whoever guesses learns nothing")
}

func TestStatus_WhatIsNoSecretIsMalformed(t *testing.T) {
	w := httpapitest.New(t)
	for _, secret := range []string{"", "x", "rka_", strings.Repeat("r", 1024), "rka_7Hq2cXv9LmN4pQr8sT1w_" + strings.Repeat("0", 49), `\u0000`} {
		got := w.Do(status(`{"secret":"` + secret + `"}`))
		require.Equal(t, 200, got.Status, got.Body)
		require.Equal(t, "malformed", got.JSON(t)["status"])
	}
	for body, pointer := range map[string]string{`{}`: "/secret", `{"secret":null}`: "/secret", `{"secret":7}`: "/secret", `[]`: "",
		`{"secret":"x","key_id":"y"}`: "/key_id", `{"secret":"` + strings.Repeat("r", 1025) + `"}`: "/secret"} {
		w.Do(status(body)).Invalid(t, pointer)
	}
	r := status(`{"secret":"x"}`)
	r.Query = "secret=rka_7Hq2cXv9LmN4pQr8sT1w_abc"
	w.Do(r).Invalid(t, "/secret")
}

func TestStatus_OfALockedAccountSaysUntilWhen_I2(t *testing.T) {
	w := httpapitest.New(t)
	shown := w.Issue(w.Account("exporter", w.Company).ID, "primary")
	w.Guess(shown.Secret, rekeytest.Away, 10)
	got := w.Do(of(shown.Secret)).JSON(t)
	require.Equal(t, "locked", got["status"])
	require.Equal(t, "2031-03-04T05:36:10Z", got["locked_until"])
}

func TestSelfRevoke_EndsTheKeyOfTheCurrentSecretAndSaysTheSameToEverybody_B7(t *testing.T) {
	w := httpapitest.New(t)
	account := w.Account("exporter", w.Company)
	first := w.Issue(account.ID, "primary")
	second := w.Regenerate(first.View.Key.ID)
	for _, s := range []token.Secret{first.Secret, w.Wrong(second.Secret), token.SecretOf("nonsense")} {
		got := w.Do(revoke(s))
		require.Equal(t, 204, got.Status)
		require.Empty(t, got.Body)
	}
	require.Equal(t, "active", w.Do(of(second.Secret)).JSON(t)["status"], "a retired secret revokes nothing")
	require.Equal(t, 204, w.Do(revoke(second.Secret)).Status)
	require.Equal(t, "revoked", w.Do(of(second.Secret)).JSON(t)["status"])
	require.Equal(t, 204, w.Do(revoke(second.Secret)).Status)
	key := w.Call(w.Owner.Secret, httpapitest.Request{Method: "GET", Resource: "/keys/{id}", ID: string(first.View.Key.ID)}).JSON(t)
	require.Equal(t, "holder", key["ended"].(map[string]any)["by"])
	require.Equal(t, "key_compromise", key["ended"].(map[string]any)["reason"])
}

func TestRetiredSecrets_AreShownToTheOwner_B1(t *testing.T) {
	w := httpapitest.New(t)
	first := w.Issue(w.Account("exporter", w.Company).ID, "primary")
	w.Regenerate(first.View.Key.ID)
	w.Do(revoke(first.Secret))
	seen := w.Call(w.Owner.Secret, httpapitest.Request{Method: "GET", Resource: "/keys/{id}", ID: string(first.View.Key.ID)}).JSON(t)["retired_seen"].(map[string]any)
	require.Equal(t, httpapitest.Words("last_at sources"), httpapitest.Members(seen))
	source := seen["sources"].([]any)[0].(map[string]any)
	require.Equal(t, httpapitest.Words("source_ip user_agent last_at count"), httpapitest.Members(source))
	require.Equal(t, "192.0.2.7", source["source_ip"])
}
