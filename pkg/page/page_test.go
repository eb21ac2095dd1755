package page_test

import (
	"bytes"
	"context"
	"crypto/rand"
	"encoding/base64"
	"errors"
	"strings"
	"testing"
	"time"

	"github.com/stretchr/testify/require"

	"github.com/rekey-dev/rekey/pkg/fault"
	"github.com/rekey-dev/rekey/pkg/page"
)

type keys struct {
	current string
	texts   map[string]string
	err     error
}

func (k *keys) Current(context.Context) (string, []byte, error) {
	return k.current, []byte(k.texts[k.current]), k.err
}

func (k *keys) Key(_ context.Context, version string) ([]byte, bool, error) {
	text, ok := k.texts[version]
	return []byte(text), ok, k.err
}

var (
	now   = time.Date(2026, 11, 21, 12, 0, 0, 0, time.UTC)
	scope = page.Scope{Tenant: "node_root", Principal: "emp_1", Route: "GET /keys", Filters: "status=active"}
)

func sealer() (*page.Sealer, *keys) {
	k := &keys{current: "v1", texts: map[string]string{"v1": strings.Repeat("a", 43), "v2": strings.Repeat("b", 43)}}
	return &page.Sealer{Keys: k, Now: func() time.Time { return now }, Rand: rand.Reader}, k
}

func refused(t *testing.T, err error) {
	t.Helper()
	var f *fault.Error
	require.ErrorAs(t, err, &f)
	require.Equal(t, fault.Invalid, f.Kind)
	require.Equal(t, "/cursor", f.Fields[0].Pointer)
}

func TestCursor_GoesOnWhereThePageEnded(t *testing.T) {
	s, k := sealer()
	cursor, err := s.Seal(t.Context(), scope, "position")
	require.NoError(t, err)
	require.NotContains(t, cursor, base64.RawURLEncoding.EncodeToString([]byte("position")))
	got, err := s.Open(t.Context(), scope, cursor)
	require.NoError(t, err)
	require.Equal(t, "position", got)

	k.current = "v2"
	got, err = s.Open(t.Context(), scope, cursor)
	require.NoError(t, err, "a cursor outlives the change of the current version")
	require.Equal(t, "position", got)
	delete(k.texts, "v1")
	_, err = s.Open(t.Context(), scope, cursor)
	refused(t, err)

	cursor, err = s.Seal(t.Context(), scope, "")
	require.NoError(t, err)
	require.Empty(t, cursor, "the end has no cursor")
	got, err = s.Open(t.Context(), scope, "")
	require.NoError(t, err)
	require.Empty(t, got)
}

func TestCursor_IsGoodForNobodyElseAndNothingElse(t *testing.T) {
	s, _ := sealer()
	cursor, err := s.Seal(t.Context(), scope, "position")
	require.NoError(t, err)
	for _, other := range []page.Scope{
		{Tenant: "node_other", Principal: scope.Principal, Route: scope.Route, Filters: scope.Filters},
		{Tenant: scope.Tenant, Principal: "emp_2", Route: scope.Route, Filters: scope.Filters},
		{Tenant: scope.Tenant, Principal: scope.Principal, Route: "GET /service-accounts", Filters: scope.Filters},
		{Tenant: scope.Tenant, Principal: scope.Principal, Route: scope.Route, Filters: ""},
		{Tenant: scope.Tenant + "e", Principal: "mp_1", Route: scope.Route, Filters: scope.Filters},
		{},
	} {
		_, err := s.Open(t.Context(), other, cursor)
		refused(t, err)
	}
}

func TestCursor_EveryFlippedBitIsFound(t *testing.T) {
	s, _ := sealer()
	for range 50 {
		cursor, err := s.Seal(t.Context(), scope, "position")
		require.NoError(t, err)
		raw, err := base64.RawURLEncoding.DecodeString(cursor)
		require.NoError(t, err)
		for bit := range len(raw) * 8 {
			raw[bit/8] ^= 1 << (bit % 8)
			_, err := s.Open(t.Context(), scope, base64.RawURLEncoding.EncodeToString(raw))
			refused(t, err)
			raw[bit/8] ^= 1 << (bit % 8)
		}
		for _, edited := range []string{cursor + "A", cursor[:len(cursor)-1], cursor + "=", cursor + "\n", " " + cursor,
			strings.Repeat("A", page.MaxCursor), strings.Repeat("A", page.MaxCursor+1), "A", "🙂"} {
			_, err := s.Open(t.Context(), scope, edited)
			refused(t, err)
		}
	}
}

func TestCursor_ExpiresAfterADayToTheSecond(t *testing.T) {
	s, _ := sealer()
	cursor, err := s.Seal(t.Context(), scope, "position")
	require.NoError(t, err)
	s.Now = func() time.Time { return now.Add(page.KeptFor - time.Second) }
	_, err = s.Open(t.Context(), scope, cursor)
	require.NoError(t, err)
	s.Now = func() time.Time { return now.Add(page.KeptFor) }
	_, err = s.Open(t.Context(), scope, cursor)
	refused(t, err)
}

func TestCursor_AnOutageOfTheKeysIsNoFaultOfTheCursor(t *testing.T) {
	s, k := sealer()
	cursor, err := s.Seal(t.Context(), scope, "position")
	require.NoError(t, err)
	k.err = fault.Down(errors.New("throttled"))
	_, err = s.Open(t.Context(), scope, cursor)
	require.True(t, fault.Is(err, fault.Unavailable))
	_, err = s.Seal(t.Context(), scope, "position")
	require.True(t, fault.Is(err, fault.Unavailable))

	k.err, k.current = nil, "v01"
	_, err = s.Seal(t.Context(), scope, "position")
	require.Error(t, err)
	k.current, k.texts["v1"] = "v1", "short"
	_, err = s.Seal(t.Context(), scope, "position")
	require.Error(t, err)
	k.texts["v1"] = strings.Repeat("a", 43)
	_, err = s.Seal(t.Context(), scope, strings.Repeat("p", page.MaxCursor))
	require.Error(t, err)
}

func FuzzOpen(f *testing.F) {
	s, _ := sealer()
	s.Rand = bytes.NewReader(make([]byte, 12)) // the same in every process that fuzzes
	good, err := s.Seal(context.Background(), scope, "position")
	require.NoError(f, err)
	for _, seed := range []string{good, good[:len(good)-2], "", "AAE", strings.Repeat("_", 60)} {
		f.Add(seed)
	}
	f.Fuzz(func(t *testing.T, cursor string) {
		position, err := s.Open(t.Context(), scope, cursor)
		if cursor == good || cursor == "" {
			require.NoError(t, err)
			return
		}
		refused(t, err)
		require.Empty(t, position)
	})
}
