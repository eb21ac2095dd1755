package idempotency_test

import (
	"bytes"
	"errors"
	"testing"
	"testing/iotest"
	"time"

	"github.com/stretchr/testify/require"

	"github.com/rekey-dev/rekey/pkg/fault"
	"github.com/rekey-dev/rekey/pkg/idempotency"
	"github.com/rekey-dev/rekey/pkg/token"
)

var now = time.Date(2031, time.March, 4, 5, 6, 7, 0, time.UTC)

func TestScope_EveryPartCountsInItsPlace_B6(t *testing.T) {
	// Made by another implementation.
	require.Equal(t, "0869cf12e273a344ef3dc9f02828ee979c8079f7e02207ffe567f9ce6fd492c4",
		idempotency.Scope("key_7Hq2cXv9LmN4pQr8sT1w", "POST", "/service-accounts", "a key"))
	seen := map[string]bool{}
	for _, s := range [][4]string{{"a", "b", "c", "d"}, {"ab", "", "c", "d"}, {"", "ab", "c", "d"}, {"a", "bc", "", "d"}, {"a", "b", "cd", ""},
		{"a", "b", "", "cd"}, {"b", "a", "c", "d"}, {"a", "b", "c", "D"}, {"a\x00\x00\x00\x01b", "", "c", "d"}, {"", "", "", ""}} {
		got := idempotency.Scope(s[0], s[1], s[2], s[3])
		require.Len(t, got, 64)
		require.False(t, seen[got], "%q", s)
		seen[got] = true
	}
}

func TestFingerprint_IsOfThePayloadAsItCame_B6(t *testing.T) {
	require.Equal(t, "7cf4b3ea3b7fb829169af19d641905eb04c1a23d6057cbe10a975ba5bcfaa21e", idempotency.Fingerprint("", []byte("{}")))
	require.Equal(t, "bcb58c249413d2b651f3bafced43ba22cc10d07159bdda06d57d17ded37d7b2e",
		idempotency.Fingerprint("a=1", []byte(`{"name": "é"}`)))
	require.NotEqual(t, idempotency.Fingerprint("", []byte("{}")), idempotency.Fingerprint("", []byte("{ }")))
	require.NotEqual(t, idempotency.Fingerprint("a", nil), idempotency.Fingerprint("", []byte("a")))
	require.Equal(t, idempotency.Fingerprint("", nil), idempotency.Fingerprint("", []byte{}))
}

func TestNewSalt_IsAsLongAsDerivingWants_B6(t *testing.T) {
	salt := idempotency.NewSalt(bytes.NewReader(bytes.Repeat([]byte{7}, 40)))
	require.Equal(t, bytes.Repeat([]byte{7}, token.SaltLength), salt)
	require.Panics(t, func() { idempotency.NewSalt(iotest.ErrReader(errors.New("none"))) })
	require.Panics(t, func() { idempotency.NewSalt(bytes.NewReader(make([]byte, 31))) })
}

func TestCheck_ANewCallGoesOnAndAnEqualOneIsAnsweredAsThen_B6(t *testing.T) {
	var none *idempotency.Pending
	require.NoError(t, none.Check())
	require.False(t, none.IsRepeat())
	fresh := &idempotency.Pending{Fingerprint: "f"}
	require.NoError(t, fresh.Check())
	require.False(t, fresh.IsRepeat())
	prior := &idempotency.Record{Fingerprint: "f", Status: 201, Body: []byte("{}")}
	again := &idempotency.Pending{Fingerprint: "f", Prior: prior}
	require.True(t, again.IsRepeat())
	var replay *idempotency.Replay
	require.ErrorAs(t, again.Check(), &replay)
	require.Equal(t, *prior, replay.Record)
	other := &idempotency.Pending{Fingerprint: "g", Prior: prior}
	require.True(t, fault.Is(other.Check(), fault.IdempotencyMismatch))
	require.True(t, fault.Is(idempotency.Answer(*prior, ""), fault.IdempotencyMismatch))
}

func TestRecord_KeepsTheAnswerForADay_B6(t *testing.T) {
	render := func(result any) (int, string, []byte, error) { return 201, "etag", []byte(result.(string)), nil }
	p := &idempotency.Pending{Scope: "s", Fingerprint: "f", Render: render}
	secret := &idempotency.DerivedSecret{Kind: 'a', Public: "p", Generation: 1, Salt: []byte("salt"), KeyVersion: "v1"}
	r, err := p.Record("op_00000000000000000001", now, "body", secret)
	require.NoError(t, err)
	require.Equal(t, &idempotency.Record{Scope: "s", Fingerprint: "f", Operation: "op_00000000000000000001", Status: 201, ETag: "etag",
		Body: []byte("body"), Secret: secret, CreatedAt: now, ExpiresAt: now.Add(24 * time.Hour)}, r)

	var none *idempotency.Pending
	r, err = none.Record("op_00000000000000000001", now, "body", nil)
	require.NoError(t, err)
	require.Nil(t, r)

	p.Render = func(any) (int, string, []byte, error) { return 0, "", nil, errors.New("cannot be written") }
	_, err = p.Record("op_00000000000000000001", now, "body", nil)
	require.ErrorContains(t, err, "cannot be written")
}
