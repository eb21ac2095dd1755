package token_test

import (
	"bytes"
	"encoding/gob"
	"encoding/json"
	"encoding/xml"
	"errors"
	"fmt"
	"log"
	"log/slog"
	"strings"
	"testing"

	"github.com/stretchr/testify/require"

	"github.com/rekey-dev/rekey/pkg/token"
)

func TestSecret_PrintsInNoFormatter_D2(t *testing.T) {
	secret := token.Mint(token.ServiceAccountKey, public, seeded(3))
	tok, ok := token.Parse(secret.Reveal())
	require.True(t, ok)
	type hidden struct{ inner token.Secret }
	values := map[string]any{
		"value": secret, "pointer": &secret, "token": tok, "pointer to token": &tok, "slice": []token.Secret{secret},
		"map": map[string]token.Secret{"s": secret}, "key of a map": map[token.Secret]int{secret: 1},
		"interface": struct{ Any any }{secret}, "exported field": struct{ S token.Secret }{secret},
		"unexported field": hidden{secret}, "pointer to unexported field": &hidden{secret},
		"nested": struct{ h []hidden }{[]hidden{{secret}}}, "error": fmt.Errorf("wrapped %v: %w", secret, errors.New("cause")),
	}
	safe := func(how, text string) {
		t.Helper()
		require.NotContains(t, text, secret.Reveal()[25:], how)
		require.NotContains(t, text, fmt.Sprintf("%x", secret.Reveal()[25:]), how)
		require.NotContains(t, text, fmt.Sprint([]byte(secret.Reveal()[25:40]))[1:40], how)
	}
	for what, v := range values {
		for _, verb := range []string{"%v", "%+v", "%#v", "%s", "%q", "%x", "%X", "% x", "%d", "%t", "%c", "%U", "%e", "%b", "%o", "%T", "%100.90v", "%z"} {
			safe(what+" "+verb, fmt.Sprintf(verb, v))
		}
		safe(what, fmt.Sprint(v)+fmt.Sprintln(v))
		if b, err := json.Marshal(v); err == nil {
			safe(what+" JSON", string(b))
		}
		if b, err := xml.Marshal(v); err == nil {
			safe(what+" XML", string(b))
		}
		var out bytes.Buffer
		if gob.NewEncoder(&out).Encode(v) == nil {
			safe(what+" gob", out.String())
		}
		out.Reset()
		options := &slog.HandlerOptions{Level: slog.LevelDebug}
		for _, l := range []*slog.Logger{slog.New(slog.NewTextHandler(&out, options)), slog.New(slog.NewJSONHandler(&out, options))} {
			l.Info("m", "secret", v, slog.Group("g", slog.Any("s", v)))
			l.With("secret", v).Error("m", "err", fmt.Errorf("e: %v", v))
		}
		log.New(&out, "", 0).Println(v)
		safe(what+" in a log", out.String())
	}
	for _, verb := range []string{"%v", "%+v", "%#v", "%s", "%q", "%d"} {
		require.Equal(t, token.Redacted, fmt.Sprintf(verb, secret), verb)
	}
	b, err := json.Marshal(map[string]any{"secret": secret})
	require.NoError(t, err)
	require.JSONEq(t, `{"secret": "[redacted]"}`, string(b))
}

func TestSecret_IsTheTextThatItWasMadeOf(t *testing.T) {
	for _, text := range []string{"", "x", "\x00", strings.Repeat("é", 1000)} {
		s := token.SecretOf(text)
		require.Equal(t, text, s.Reveal())
		require.Equal(t, text == "", s.IsZero())
	}
	var zero token.Secret
	require.True(t, zero.IsZero())
	require.Empty(t, zero.Reveal())
	require.Equal(t, token.Redacted, zero.String())
	require.Equal(t, token.Redacted, zero.GoString())
}
