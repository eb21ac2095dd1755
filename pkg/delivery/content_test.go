package delivery_test

import (
	"strings"
	"testing"

	"github.com/stretchr/testify/require"

	"github.com/rekey-dev/rekey/pkg/delivery"
	"github.com/rekey-dev/rekey/pkg/id"
	"github.com/rekey-dev/rekey/pkg/rekeytest"
	"github.com/rekey-dev/rekey/pkg/token"
)

const (
	oldKey   = id.Key("key_OldKey00000000000001")
	newKey   = id.Key("key_NewKey00000000000002")
	otherKey = id.Key("key_OtherKey000000000003")
)

func mint(t *testing.T, k id.Key) token.Secret {
	return token.Mint(token.ServiceAccountKey, id.Body(k), rekeytest.NewRand(t.Name()+string(k)))
}

func compose(t *testing.T, key, current string, secret token.Secret) (string, error) {
	out, err := delivery.Compose(delivery.Target{Type: delivery.SecretsManager, SecretID: "s", JSONKey: key}, token.SecretOf(current), secret, newKey)
	return out.Reveal(), err
}

func TestCompose_WithoutAMemberTheWholeSecretIsTheKeys_B5(t *testing.T) {
	secret := mint(t, newKey)
	for _, current := range []string{"", "placeholder", mint(t, oldKey).Reveal(), "{}", "[1]", `{"a":1} {"b":2}`} {
		got, err := compose(t, "", current, secret)
		require.NoError(t, err)
		require.Equal(t, secret.Reveal(), got)
	}
}

func TestCompose_OtherMembersKeepTheirValues_B5(t *testing.T) {
	secret := mint(t, newKey)
	got, err := compose(t, "api_key", `{"n": 12345678901234567890, "html": "<a&b>", "deep": {"x": [1, null]}, "api_key": "placeholder"}`, secret)
	require.NoError(t, err)
	require.Equal(t, `{"api_key":"`+secret.Reveal()+`","deep":{"x":[1,null]},"html":"<a&b>","n":12345678901234567890}`, got)
	got, err = compose(t, "api_key", "", secret)
	require.NoError(t, err)
	require.Equal(t, `{"api_key":"`+secret.Reveal()+`"}`, got)
}

func TestCompose_TheIDThatBelongsToTheSecretFollowsIt_B5(t *testing.T) {
	secret, old := mint(t, newKey), mint(t, oldKey).Reveal()
	for current, want := range map[string]string{
		`{"secret":"` + old + `","key_id":"` + string(oldKey) + `"}`:   string(newKey),
		`{"secret":"` + old + `","key_id":"` + string(otherKey) + `"}`: string(otherKey),
		`{"secret":"` + old + `","key_id":""}`:                         string(newKey),
		`{"secret":"placeholder","key_id":"mine"}`:                     "mine",
	} {
		got, err := compose(t, "secret", current, secret)
		require.NoError(t, err)
		require.JSONEq(t, `{"secret":"`+secret.Reveal()+`","key_id":"`+want+`"}`, got)
	}
	got, err := compose(t, "secret", `{"secret":"`+old+`"}`, secret)
	require.NoError(t, err)
	require.NotContains(t, got, "key_id", "no member is added unasked")
}

func TestCompose_WhatDoesNotFitIsRefusedAndNotQuoted_B5(t *testing.T) {
	secret := mint(t, newKey)
	for _, c := range []struct{ key, current string }{
		{"", `{"password": "hunter2"}`}, {"k", "hunter2"}, {"k", `["hunter2"]`}, {"k", `null`}, {"k", `{"a": "hunter2"} x`},
		{"k", `{"a": "hunter2` + strings.Repeat("x", delivery.MaxText-40) + `"}`},
	} {
		_, err := compose(t, c.key, c.current, secret)
		var r *delivery.Refusal
		require.ErrorAs(t, err, &r)
		require.Equal(t, delivery.Shape, r.Reason)
		require.NotContains(t, err.Error(), "hunter2")
		require.NotContains(t, err.Error(), secret.Reveal()[25:])
	}
}

func TestExtract_FindsOnlyAWellFormedSecret_B5(t *testing.T) {
	secret := mint(t, newKey)
	whole, member := delivery.Target{}, delivery.Target{JSONKey: "k"}
	got, k, ok := delivery.Extract(member, token.SecretOf(`{"k":"`+secret.Reveal()+`"}`))
	require.True(t, ok)
	require.Equal(t, newKey, k)
	require.Equal(t, secret.Reveal(), got.Reveal())
	_, k, ok = delivery.Extract(whole, secret)
	require.True(t, ok)
	require.Equal(t, newKey, k)
	for _, text := range []string{"", "{}", `{"k":1}`, `{"k":"` + secret.Reveal()[:73] + `"}`, secret.Reveal()} {
		_, _, ok := delivery.Extract(member, token.SecretOf(text))
		require.False(t, ok)
	}
	pat := token.Mint(token.PersonalAccessToken, id.Body(newKey), rekeytest.NewRand(t.Name()))
	_, _, ok = delivery.Extract(whole, pat)
	require.False(t, ok, "only a key's")
}
