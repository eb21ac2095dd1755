package dynamo_test

import (
	"bytes"
	"context"
	"crypto/rand"
	"encoding/json"
	"os"
	"testing"
	"time"

	"github.com/stretchr/testify/require"

	"github.com/rekey-dev/rekey/pkg/apikey"
	"github.com/rekey-dev/rekey/pkg/authorizer"
	"github.com/rekey-dev/rekey/pkg/dynamo"
	"github.com/rekey-dev/rekey/pkg/id"
	"github.com/rekey-dev/rekey/pkg/lock"
	"github.com/rekey-dev/rekey/pkg/serviceaccount"
	"github.com/rekey-dev/rekey/pkg/token"
	"github.com/rekey-dev/rekey/pkg/verify"
)

// requestAllocs bounds what a warm verified request allocates, from the gateway's event to the policy, the SDK's and net/http's
// parts included.
const requestAllocs = 215

type samePepper struct{ key []byte }

func (p samePepper) Current(context.Context) (string, []byte, error)   { return "v1", p.key, nil }
func (p samePepper) Key(context.Context, string) ([]byte, bool, error) { return p.key, true, nil }
func (p samePepper) All(context.Context) (map[string][]byte, error) {
	return map[string][]byte{"v1": p.key}, nil
}

// introduced is a store whose first question, which only a cold environment asks, is answered already.
type introduced struct {
	*dynamo.Verifier
	credential *verify.Credential
}

func (s introduced) Credential(context.Context, string) (*verify.Credential, error) {
	return s.credential, nil
}

func TestInvoke_AVerifiedRequestAllocatesAtMost215TimesWithTheSDK_P4(t *testing.T) {
	w := deploy(t).tenant(t)
	pepper := samePepper{[]byte("pepperpepperpepperpepperpepperpepperpepper1")}
	k := w.newKey("measured")
	secret := token.Mint(token.ServiceAccountKey, id.Body(k.ID), rand.Reader)
	mac := token.MAC(pepper.key, token.ServiceAccountKey, id.Body(k.ID), secret)
	k.MAC = mac[:]
	w.commit(setOf(record("key", string(k.ID), 1, k.Place), serviceaccount.Update{Old: w.account, KeysChanged: true, KeyCount: 1}, apikey.Create{Key: k}))
	c, err := w.Credential(t.Context(), string(k.ID))
	require.NoError(t, err)
	require.NoError(t, w.Use(t.Context(), verify.Use{Credential: c, Owner: string(w.account.ID), At: now, Address: "203.0.113.7",
		Source: lock.Source{Address: "203.0.113.7", AuthenticatedAt: now}}))

	answers := &recorder{}
	snapshot, err := dynamo.NewVerifier(newClient(*w.client.Options().BaseEndpoint, answers), w.tables).Snapshot(t.Context(), string(k.ID), w.names())
	require.NoError(t, err)
	store := introduced{dynamo.NewVerifier(newClient(serve(t, answers.last), nil), w.tables), snapshot.Credential}
	clock := func() time.Time { return now }
	a := &authorizer.Authorizer{Now: clock, Routes: authorizer.Routes,
		Verifier: &verify.Verifier{Store: store, Peppers: pepper, Now: clock, Rand: rand.Reader, Policy: lock.Default}}

	sample, err := os.ReadFile("../../events/authorizer-rest.json")
	require.NoError(t, err)
	var event bytes.Buffer // as API Gateway sends it, without line breaks
	require.NoError(t, json.Compact(&event, bytes.ReplaceAll(sample, []byte("SECRET"), []byte(secret.Reveal()))))
	for range 3 { // the connection, and the names
		answer, err := a.Invoke(t.Context(), event.Bytes())
		require.NoError(t, err)
		require.Contains(t, string(answer), `"Effect":"Allow"`)
	}
	allocs := testing.AllocsPerRun(200, func() { _, _ = a.Invoke(context.Background(), event.Bytes()) })
	t.Logf("%.0f allocations", allocs)
	require.LessOrEqual(t, allocs, float64(requestAllocs))
}
