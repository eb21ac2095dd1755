package keys_test

import (
	"net/url"
	"testing"
	"time"

	"github.com/stretchr/testify/require"

	"github.com/rekey-dev/rekey/pkg/httpapi/httpapitest"
	"github.com/rekey-dev/rekey/pkg/rekeytest"
	"github.com/rekey-dev/rekey/pkg/verify"
)

func usageOf(id, query string) httpapitest.Request {
	r := call("GET", "/keys/{id}/usage", id, "")
	r.Query = query
	return r
}

func TestUsage_TellsWhoFromWhereOnWhichRoutesAndHowOften_B4(t *testing.T) {
	w := httpapitest.New(t)
	k := w.Issue(w.Account("exporter", w.Company).ID, "primary")
	id := string(k.View.Key.ID)
	w.RequestTo(k.Secret, rekeytest.Home, "GET", "/keys", verify.Allow)
	first := w.Now()
	w.Advance(time.Hour)
	w.RequestTo(k.Secret, rekeytest.Home, "GET", "/keys", verify.Allow)
	w.Guess(k.Secret, rekeytest.Away, 3)
	last := w.Now()
	w.Advance(time.Minute)

	got := w.Call(w.Owner.Secret, usageOf(id, ""))
	require.Equal(t, 200, got.Status, got.Body)
	require.Equal(t, httpapitest.Words("items next complete_until"), httpapitest.Members(got.JSON(t)))
	require.Equal(t, w.Now().Add(-2*time.Second).Format(time.RFC3339), got.JSON(t)["complete_until"])
	require.ElementsMatch(t, []map[string]any{
		{"source_ip": rekeytest.Home, "user_agent": "agent/1", "api": "rekey", "method": "GET", "route": "/keys", "verdict": "accepted",
			"count": 2.0, "first_at": first.Format(time.RFC3339), "last_at": last.Format(time.RFC3339)},
		{"source_ip": rekeytest.Away, "user_agent": "agent/1", "api": "", "method": "", "route": "", "verdict": "wrong_secret",
			"count": 3.0, "first_at": last.Format(time.RFC3339), "last_at": last.Format(time.RFC3339)},
	}, got.Items(t))

	page := w.Call(w.Owner.Secret, usageOf(id, "limit=1"))
	require.Len(t, page.Items(t), 1)
	next := w.Call(w.Owner.Secret, usageOf(id, "limit=1&cursor="+url.QueryEscape(page.JSON(t)["next"].(string))))
	require.Len(t, next.Items(t), 1)
	require.NotEqual(t, page.Items(t), next.Items(t))
	require.Nil(t, next.JSON(t)["next"])
	require.Len(t, w.Call(w.Owner.Secret, usageOf(id, "verdict=accepted")).Items(t), 1)
	require.Empty(t, w.Call(w.Owner.Secret, usageOf(id, "verdict=retired")).Items(t))
	require.Len(t, w.Call(w.Owner.Secret, usageOf(id, "to="+last.Format(time.RFC3339))).Items(t), 1)
	require.Empty(t, w.Call(w.Owner.Secret, usageOf(id, "from=2031-01-01T00:00:00Z&to=2031-01-02T00:00:00Z")).Items(t))

	for query, pointer := range map[string]string{"verdict=nonsense": "/verdict", "from=yesterday": "/from", "limit=0": "/limit", "route=/keys": "/route",
		"from=2031-01-02T00:00:00Z&to=2031-01-01T00:00:00Z": "/from", "cursor=x": "/cursor"} {
		w.Call(w.Owner.Secret, usageOf(id, query)).Invalid(t, pointer)
	}
	w.Call(w.SiblingAdmin.Secret, usageOf(id, "")).Problem(t, 404, "not_found")
	w.Call(w.Owner.Secret, usageOf("key_00000000000000000001", "")).Problem(t, 404, "not_found")
	w.Call(w.Owner.Secret, usageOf("x", "")).Problem(t, 404, "not_found")
}

func TestScopes_ThatWouldRefuseRecentRequestsComeWithWarnings_B14(t *testing.T) {
	w := httpapitest.New(t)
	account := w.Account("exporter", w.Company)
	k := w.Issue(account.ID, "primary")
	for range 2 {
		w.RequestTo(k.Secret, rekeytest.Home, "GET", "/keys/{id}", verify.Allow)
		w.Advance(time.Hour)
	}
	want := []any{map[string]any{"api": "rekey", "code": "would_be_forbidden", "method": "GET", "route": "/keys/{id}", "scope": "keys:read", "count": 2.0,
		"last_at": w.Now().Add(-time.Hour).Format(time.RFC3339)}}
	got := w.Call(w.Owner.Secret, issue(string(account.ID), `{"name":"narrow","scopes":["service_accounts:read"]}`))
	require.Equal(t, 201, got.Status, got.Body)
	require.Equal(t, want, got.JSON(t)["warnings"])
	got = w.Call(w.Owner.Secret, call("PATCH", "/keys/{id}", string(k.View.Key.ID), `{"scopes":["service_accounts:read"]}`))
	require.Equal(t, 200, got.Status, got.Body)
	require.Equal(t, want, got.JSON(t)["warnings"])
}
