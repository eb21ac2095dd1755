package boot

import (
	"context"
	"errors"
	"net/http"
	"net/http/httptest"
	"strings"
	"sync"
	"testing"
	"testing/synctest"
	"time"

	"github.com/stretchr/testify/require"
)

// function is an environment as Lambda sets it, with more settings.
func function(settings map[string]string) Lookup {
	all := map[string]string{"AWS_REGION": "eu-central-1", "AWS_ACCESS_KEY_ID": "AKID", "AWS_SECRET_ACCESS_KEY": "signing",
		"AWS_SESSION_TOKEN": "session"}
	for k, v := range settings {
		all[k] = v
	}
	return func(name string) (string, bool) {
		v, ok := all[name]
		return v, ok
	}
}

func nothing(string) (string, bool) { return "", false }

func TestReady_NamesEveryMissingAndBadSettingAtOnce(t *testing.T) {
	e := Read(nothing)
	e.Verifier()
	e.Peppers()
	e.Hold()
	require.EqualError(t, e.Ready(t.Context()), "settings: missing: AUDIT_TABLE, AWS_ACCESS_KEY_ID, AWS_REGION, "+
		"AWS_SECRET_ACCESS_KEY, HOLD, IDENTITY_TABLE, PEPPERS_SECRET")

	e = Read(function(map[string]string{"HOLD": "maybe", "AWS_ENDPOINT_URL": "localhost:4566", "REKEY_LOG_LEVEL": "loud", "PEPPERS_SECRET": ""}))
	e.Hold()
	e.Peppers()
	require.EqualError(t, e.Ready(t.Context()), "settings: missing: PEPPERS_SECRET; REKEY_LOG_LEVEL is none of debug, info, warn and error; "+
		"AWS_ENDPOINT_URL is no http or https URL; HOLD is neither true nor false")
}

func TestReady_QuotesNoValue(t *testing.T) {
	e := Read(function(map[string]string{"HOLD": "s3cret", "AWS_ENDPOINT_URL": "s3cret", "REKEY_LOG_LEVEL": "s3cret"}))
	e.Hold()
	require.NotContains(t, e.Ready(t.Context()).Error(), "s3cret")
}

func TestHold_IsTrueOrFalse(t *testing.T) {
	for text, want := range map[string]bool{"true": true, "false": false} {
		e := Read(function(map[string]string{"HOLD": text}))
		require.Equal(t, want, e.Hold())
		require.NoError(t, e.Ready(t.Context()))
	}
}

func TestRead_LogsFromTheLevelThatIsSet(t *testing.T) {
	require.False(t, Read(function(nil)).Logger().Enabled(t.Context(), -4), "debug is off by default")
	require.True(t, Read(function(nil)).Logger().Enabled(t.Context(), 0))
	require.True(t, Read(function(map[string]string{"REKEY_LOG_LEVEL": "debug"})).Logger().Enabled(t.Context(), -4))
	require.False(t, Read(function(map[string]string{"REKEY_LOG_LEVEL": "error"})).Logger().Enabled(t.Context(), 4))
}

func TestReady_WarmsEverythingAtTheSameTimeAndForgivesFailures(t *testing.T) {
	synctest.Test(t, func(t *testing.T) {
		e := Read(function(nil))
		for range 3 {
			e.Warm("slow", func(ctx context.Context) error {
				time.Sleep(time.Second)
				return nil
			})
		}
		e.Warm("broken", func(context.Context) error { return errors.New("down") })
		begun := time.Now()
		require.NoError(t, e.Ready(t.Context()))
		require.Equal(t, time.Second, time.Since(begun))
	})
}

func TestReady_IsBounded(t *testing.T) {
	synctest.Test(t, func(t *testing.T) {
		e := Read(function(nil))
		e.Warm("never", func(ctx context.Context) error { <-ctx.Done(); return ctx.Err() })
		begun := time.Now()
		require.NoError(t, e.Ready(t.Context()))
		require.Equal(t, warmFor, time.Since(begun))
	})
}

func TestReady_ReadsTheKeysAndOneItemBeforeTheFirstRequest(t *testing.T) {
	var mu sync.Mutex
	var calls []string
	server := httptest.NewServer(http.HandlerFunc(func(w http.ResponseWriter, r *http.Request) {
		mu.Lock()
		defer mu.Unlock()
		target := r.Header.Get("X-Amz-Target")
		calls = append(calls, target)
		require.Contains(t, r.Header.Get("Authorization"), "Credential=AKID/")
		require.Equal(t, "session", r.Header.Get("X-Amz-Security-Token"))
		w.Header().Set("Content-Type", r.Header.Get("Content-Type"))
		if strings.HasPrefix(target, "secretsmanager.") {
			_, _ = w.Write([]byte(`{"SecretString":"{\"current\":\"v1\",\"v1\":\"` + strings.Repeat("a", 43) + `\"}","VersionId":"one","CreatedDate":1.0}`))
			return
		}
		_, _ = w.Write([]byte(`{}`))
	}))
	defer server.Close()
	e := Read(function(map[string]string{"AWS_ENDPOINT_URL": server.URL, "IDENTITY_TABLE": "Identity", "AUDIT_TABLE": "Audit", "PEPPERS_SECRET": "Peppers"}))
	e.Verifier()
	peppers := e.Peppers()
	require.NoError(t, e.Ready(t.Context()))
	require.ElementsMatch(t, []string{"DynamoDB_20120810.GetItem", "secretsmanager.GetSecretValue"}, calls)
	version, _, err := peppers.Current(t.Context())
	require.NoError(t, err)
	require.Equal(t, "v1", version)
	require.Len(t, calls, 2)
}

func TestRetryer_TriesThreeTimesAndPausesForATenthOfASecondAtMost(t *testing.T) {
	r := newRetryer()
	require.Equal(t, 3, r.MaxAttempts())
	for attempt := range 8 {
		d, err := r.RetryDelay(attempt, errors.New("throttled"))
		require.NoError(t, err)
		require.LessOrEqual(t, d, 100*time.Millisecond)
	}
}
