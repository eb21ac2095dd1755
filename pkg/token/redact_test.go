package token_test

import (
	"crypto/rand"
	"fmt"
	"strings"
	"testing"

	"github.com/stretchr/testify/require"

	"github.com/rekey-dev/rekey/pkg/token"
)

const public = "7Hq2cXv9LmN4pQr8sT1w"

func TestRedact_EveryKindOfSecretGoesWhereverItStands_D2(t *testing.T) {
	for _, k := range "akgpsc" {
		secret := token.Mint(token.Kind(k), public, rand.Reader).Reveal()
		for _, form := range []string{"%s", "GET /keys/%s/revoke", "%s%[1]s", "Bearer %s, Bearer %[1]s", "rk%s", "\x00%s\xff"} {
			text := fmt.Sprintf(form, secret)
			got := token.Redact(text)
			require.NotContains(t, got, secret[25:], text)
			require.Contains(t, got, token.Redacted)
			require.True(t, token.Within(text))
			require.False(t, token.Within(got))
		}
	}
}

func TestRedact_AWrongCheckATruncationOrAnEncodingSavesNoSecret_D2(t *testing.T) {
	secret := token.Mint(token.ServiceAccountKey, public, rand.Reader).Reveal()
	body := secret[25:]
	for _, text := range []string{
		secret[:len(secret)-6] + "000000", secret[:40], secret + "more", strings.ReplaceAll(secret, "_", "%5F"),
		strings.Replace(secret, "_", "%5f", 1),
	} {
		require.NotContains(t, token.Redact(text), body[:10], text)
		require.True(t, token.Within(text), text)
	}
}

func TestRedact_WhatIsPublicStays(t *testing.T) {
	for _, text := range []string{"", "rk", "rka_", "rka_7Hq2", "key_" + public, "rka_" + public, "rkx_" + public + "_abc",
		"a work_day for rka_ and rkb_", "rka_" + public[:19] + "-_abc"} {
		require.Equal(t, text, token.Redact(text))
		require.False(t, token.Within(text), text)
	}
	require.Equal(t, "rkrka "+token.Redacted+".", token.Redact("rkrka rkp_"+public+"_x."))
}

func FuzzRedact(f *testing.F) {
	f.Add("rka_" + public + "_abc")
	f.Add("rka%5F" + public + "%5fabc rk")
	f.Add("rkrkrka_")
	f.Fuzz(func(t *testing.T, text string) {
		got := token.Redact(text)
		if got != text && !token.Within(text) || token.Within(text) && got == text {
			t.Fatalf("%q: %q", text, got)
		}
	})
}
