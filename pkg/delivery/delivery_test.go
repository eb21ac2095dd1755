package delivery_test

import (
	"strings"
	"testing"

	"github.com/stretchr/testify/require"

	"github.com/rekey-dev/rekey/pkg/delivery"
	"github.com/rekey-dev/rekey/pkg/id"
)

const arn = "arn:aws:secretsmanager:eu-west-1:111122223333:secret:acme/exporter-AbCdEf"

func TestTarget_OfSoundFormIsTaken_B5(t *testing.T) {
	for _, target := range []delivery.Target{
		{Type: delivery.SecretsManager, SecretID: "acme/exporter"},
		{Type: delivery.SecretsManager, SecretID: arn, JSONKey: "api key", RoleARN: "arn:aws-us-gov:iam::111122223333:role/path/rekey-delivery"},
		{Type: delivery.SecretsManager, SecretID: strings.Repeat("x", 512), JSONKey: strings.Repeat("ü", 100)},
	} {
		require.Empty(t, target.Check("/deliver_to", false), target)
		require.Empty(t, target.Check("/deliver_to", true), target)
	}
	require.Empty(t, delivery.Target{Type: delivery.Event}.Check("/deliver_to", true))
}

func TestTarget_WhatIsWrongIsNamedByItsMember_B5(t *testing.T) {
	sm := func(secret, key, role string) delivery.Target {
		return delivery.Target{Type: delivery.SecretsManager, SecretID: secret, JSONKey: key, RoleARN: role}
	}
	for _, c := range []struct {
		target delivery.Target
		want   []string
	}{
		{delivery.Target{}, []string{"type"}},
		{delivery.Target{Type: "ssm", SecretID: "a"}, []string{"type"}},
		{delivery.Target{Type: delivery.Event}, []string{"type"}},
		{sm("", "", ""), []string{"secret_id"}},
		{sm(strings.Repeat("x", 513), "", ""), []string{"secret_id"}},
		{sm("a b", "", ""), []string{"secret_id"}},
		{sm("arn:aws:s3:::bucket", "", ""), []string{"secret_id"}},
		{sm("arn:aws:secretsmanager:evil.example/?:111122223333:secret:a", "", ""), []string{"secret_id"}},
		{sm("a", "x\x00", ""), []string{"json_key"}},
		{sm("a", "\xff", ""), []string{"json_key"}},
		{sm("a", strings.Repeat("x", 101), ""), []string{"json_key"}},
		{sm("a", "", "arn:aws:iam::1:role/x"), []string{"role_arn"}},
		{sm("", "\n", "admin"), []string{"secret_id", "json_key", "role_arn"}},
	} {
		var got []string
		for _, f := range c.target.Check("/deliver_to", false) {
			got = append(got, strings.TrimPrefix(f.Pointer, "/deliver_to/"))
		}
		require.Equal(t, c.want, got, "%+v", c.target)
	}
	require.Len(t, delivery.Target{Type: delivery.Event, SecretID: "a", JSONKey: "b", RoleARN: "c"}.Check("/deliver_to", true), 3)
}

func TestTarget_AnARNTellsItsRegion(t *testing.T) {
	require.Equal(t, "eu-west-1", delivery.Target{SecretID: arn}.Region())
	require.Empty(t, delivery.Target{SecretID: "acme/exporter"}.Region())
}

func TestVersionID_IsTheSameForARotationAndItsGenerationAndNoOthers_B5(t *testing.T) {
	const uuid = `^[0-9a-f]{8}-[0-9a-f]{4}-8[0-9a-f]{3}-[89ab][0-9a-f]{3}-[0-9a-f]{12}$`
	seen := map[string]bool{}
	for _, r := range []id.Rotation{"rot_00000000000000000001", "rot_00000000000000000011"} {
		for _, generation := range []int64{1, 2, 11} {
			v := delivery.VersionID(r, generation)
			require.Regexp(t, uuid, v)
			require.Equal(t, v, delivery.VersionID(r, generation))
			require.False(t, seen[v])
			seen[v] = true
		}
	}
}
