package e2e

import (
	"net/http"
	"slices"
	"strings"
	"testing"
	"time"

	"github.com/stretchr/testify/require"

	"github.com/rekey-dev/rekey/infra/e2e/client"
)

// usage is what a key was used for, each item as "source method route verdict".
func (p party) usage(key, query string) (out []string) {
	p.t.Helper()
	for _, o := range p.all("/keys/" + key + "/usage?limit=1&" + query) {
		require.Positive(p.t, o.Number("count"))
		require.LessOrEqual(p.t, o.Text("first_at"), o.Text("last_at"))
		out = append(out, strings.Join([]string{o.Text("source_ip"), o.Text("method"), o.Text("route"), o.Text("verdict")}, " "))
	}
	slices.Sort(out)
	return out
}

func TestUsage_WhoAndWhereIsKnownWhenTheRequestIsAnswered_B4(t *testing.T) {
	t.Parallel()
	p := asOwner(t)
	k := newKey(t, client.Object{"scopes": []string{"keys:read"}})
	here, there, guesser := holding(t, k.secret), holding(t, k.secret), stranger(t)
	here.get("/keys/" + k.id).expect(http.StatusOK)
	here.get("/keys/" + k.id).expect(http.StatusOK)
	there.get("/keys/" + k.id).expect(http.StatusOK)
	there.get("/service-accounts/"+k.account).problem(http.StatusForbidden, "missing_scope")
	guesser.guess(k.secret, 0, 2)
	fresh := shown(t, k.account, p.post("/keys/"+k.id+"/regenerate", nil).expect(http.StatusOK))
	here.get("/me").refused()
	here.status(fresh.secret) // asking is no use of the key

	want := []string{
		here.source + " GET /keys/{id} accepted",
		here.source + " GET /me retired",
		there.source + " GET /keys/{id} accepted",
		there.source + " GET /service-accounts/{id} missing_scope",
		guesser.source + "   wrong_secret",
	}
	slices.Sort(want)
	require.Equal(t, want, p.usage(k.id, ""))
	require.Equal(t, []string{here.source + " GET /me retired"}, p.usage(k.id, "verdict=retired"))
	require.Empty(t, p.usage(k.id, "to="+inSeconds(-7200)))
	require.Empty(t, p.usage(k.id, "from="+inSeconds(3600)+"&to="+inSeconds(7200)))

	page := p.get("/keys/" + k.id + "/usage").expect(http.StatusOK)
	until, err := time.Parse(time.RFC3339, page.Text("complete_until"))
	require.NoError(t, err)
	require.WithinDuration(t, time.Now(), until, 10*time.Second)
	for _, o := range page.Objects("items") {
		if o["verdict"] != "wrong_secret" {
			require.Equal(t, "rekey", o["api"])
		}
	}
	p.get("/keys/" + k.id + "/usage?from=" + inSeconds(0) + "&to=" + inSeconds(-1)).invalid("/from")
	holding(t, fresh.secret).get("/keys/"+newKey(t).id+"/usage").problem(http.StatusNotFound, "not_found")
	require.NotEmpty(t, holding(t, fresh.secret).usage(k.id, ""), "an account sees its own")
}

func TestScopes_ThatWouldRefuseRecentRequestsAreWarnedOf_B14(t *testing.T) {
	t.Parallel()
	p := asOwner(t)
	k := newKey(t)
	holder := holding(t, k.secret)
	holder.get("/keys/" + k.id).expect(http.StatusOK)
	holder.get("/me").expect(http.StatusOK)
	warned := func(o client.Object) {
		t.Helper()
		require.Len(t, o.Objects("warnings"), 1)
		w := o.Objects("warnings")[0]
		require.Equal(t, "would_be_forbidden", w["code"])
		require.Equal(t, "GET /keys/{id} keys:read", strings.Join([]string{w.Text("method"), w.Text("route"), w.Text("scope")}, " "))
		require.Positive(t, w.Number("count"))
		require.NotEmpty(t, w.Text("last_at"))
	}
	narrow := client.Object{"name": "narrow", "scopes": []string{"service_accounts:read"}}
	warned(p.post("/service-accounts/"+k.account+"/keys", narrow).expect(http.StatusCreated))
	require.Empty(t, p.post("/service-accounts/"+k.account+"/keys", client.Object{"name": "as wide"}).expect(http.StatusCreated).Objects("warnings"))
	warned(p.patch("/keys/"+k.id, client.Object{"scopes": []string{"service_accounts:read"}}).expect(http.StatusOK))
	holder.get("/keys/"+k.id).problem(http.StatusForbidden, "missing_scope")
}
