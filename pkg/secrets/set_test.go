package secrets

import (
	"bytes"
	"fmt"
	"log/slog"
	"testing"

	"github.com/stretchr/testify/require"
)

func TestParseSet_ReadsWhatTextWrote(t *testing.T) {
	s, err := ParseSet(twoVersions)
	require.NoError(t, err)
	require.Equal(t, "v2", s.Current)
	require.Equal(t, []string{"v1", "v2"}, s.Versions())
	require.Equal(t, "v3", s.Next())
	again, err := ParseSet(s.Text())
	require.NoError(t, err)
	require.Equal(t, s, again)
}

func TestParseSet_VersionsSortByNumber(t *testing.T) {
	s, err := ParseSet(fmt.Sprintf(`{"v10":%q,"v9":%q,"current":"v10"}`, pepper("a"), pepper("b")))
	require.NoError(t, err)
	require.Equal(t, []string{"v9", "v10"}, s.Versions())
	require.Equal(t, "v11", s.Next())
}

func TestParseSet_RefusesAMalformedSecretWithoutQuotingIt(t *testing.T) {
	const value = "T0pSecretT0pSecretT0pSecretT0pSecretT0pSecr"
	for name, text := range map[string]string{
		"empty":                  ``,
		"plain text":             value,
		"no object":              `["` + value + `"]`,
		"cut off":                `{"current":"v1","v1":"` + value,
		"cut off in the object":  `{"current":"v1","v1":"` + value + `"`,
		"no current":             `{"v1":"` + value + `"}`,
		"empty current":          `{"current":"","v1":"` + value + `"}`,
		"current that is absent": `{"current":"v2","v1":"` + value + `"}`,
		"current alone":          `{"current":"v1"}`,
		"empty key":              `{"current":"v1","v1":""}`,
		"short key":              `{"current":"v1","v1":"` + value[:31] + `"}`,
		"short other key":        `{"current":"v1","v1":"` + value + `","v2":"` + value[:31] + `"}`,
		"number":                 `{"current":"v1","v1":12345678901234567890123456789012}`,
		"nested":                 `{"current":"v1","v1":{"key":"` + value + `"}}`,
		"null":                   `{"current":"v1","v1":null}`,
		"unknown member":         `{"current":"v1","v1":"` + value + `","` + value + `":"x"}`,
		"version v0":             `{"current":"v0","v0":"` + value + `"}`,
		"version v01":            `{"current":"v01","v01":"` + value + `"}`,
		"member twice":           `{"current":"v1","v1":"` + value + `","v1":"` + value + `"}`,
		"something after it":     `{"current":"v1","v1":"` + value + `"}{}`,
	} {
		t.Run(name, func(t *testing.T) {
			_, err := ParseSet(text)
			require.Error(t, err)
			require.NotContains(t, err.Error(), value[:8])
		})
	}
}

func TestSetAndValue_PrintNoKey(t *testing.T) {
	s, err := ParseSet(twoVersions)
	require.NoError(t, err)
	v := Value{Text: twoVersions, Version: "version-id"}
	for _, verb := range []string{"%v", "%+v", "%#v", "%s", "%q"} {
		require.NotContains(t, fmt.Sprintf(verb, s), "aaaa")
		require.NotContains(t, fmt.Sprintf(verb, v), "aaaa")
	}
	var log bytes.Buffer
	slog.New(slog.NewJSONHandler(&log, nil)).Info("both", "set", s, "value", v)
	slog.New(slog.NewTextHandler(&log, nil)).Info("both", "set", s, "value", v)
	require.Contains(t, log.String(), "keys v1, v2; current v2")
	for _, key := range []string{"aaaa", "YWFh"} { // as text and in base64
		require.NotContains(t, log.String(), key)
	}
}
