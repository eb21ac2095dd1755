package authorizer

import (
	"context"
	"encoding/json"

	"github.com/rekey-dev/rekey/pkg/id"
	"github.com/rekey-dev/rekey/pkg/token"
	"github.com/rekey-dev/rekey/pkg/verify"
)

// rounds is how often Warm goes the way of a request: the runtime makes its own caches on the first few.
const rounds = 3

// Warm goes the way of a verified request before the first one comes, with a secret that was never issued and items that are
// not there, so that the first caller pays for no connection, no page of the program and no table that is made on first use.
// It reads at most 15 units, writes nothing, reports nothing, and what fails in it is tried again by the first request.
func (a *Authorizer) Warm(ctx context.Context) {
	ctx, cancel := context.WithTimeout(ctx, timeout)
	defer cancel()
	quiet := *a
	quiet.Report = nil
	for range rounds {
		public := id.Body(id.New[id.Key](a.Verifier.Rand))
		secret := token.Mint(token.ServiceAccountKey, public, a.Verifier.Rand)
		payload, err := json.Marshal(map[string]any{"type": "REQUEST", "methodArn": "arn:aws:execute-api:warm", "resource": "/me",
			"httpMethod": "GET", "multiValueHeaders": map[string][]string{"Authorization": {"Bearer " + secret.Reveal()}},
			"stageVariables": map[string]string{"rekey_api": "self"}, "requestContext": map[string]any{"requestId": "warm",
				"identity": map[string]string{"sourceIp": "192.0.2.1"}}})
		if err != nil {
			return
		}
		_, _ = quiet.Invoke(ctx, payload) // no such key
		names := verify.Names{Principal: string(id.New[id.ServiceAccount](a.Verifier.Rand)), Company: id.New[id.Company](a.Verifier.Rand)}
		c := &verify.Credential{ID: string(id.FromBody[id.Key](public)), Kind: token.ServiceAccountKey, Names: names, Pepper: "v1"}
		ask := names
		ask.Owner, ask.Address = names.Principal, "192.0.2.1"
		_, _ = a.Verifier.Store.Snapshot(ctx, c.ID, ask)
		if _, key, err := a.Verifier.Peppers.Current(ctx); err == nil {
			mac := token.MAC(key, c.Kind, public, secret)
			_ = token.Equal(mac[:], mac[:])
		}
		e := event{MethodARN: "arn:aws:execute-api:warm"}
		v := verify.Verdict{Credential: c, Principal: &verify.Principal{ID: names.Principal}}
		_, _ = e.allow(v.Caller(), v, a.Now())
	}
}
