package e2e

import (
	"fmt"
	"net/http"
	"slices"
	"strings"
	"testing"

	"github.com/stretchr/testify/require"

	"github.com/rekey-dev/rekey/infra/e2e/client"
)

func TestList_AccountsComeByNameWhateverTheirCaseAndPageThrough_W7(t *testing.T) {
	t.Parallel()
	p := asOwner(t)
	prefix := newName(t) + " "
	for _, name := range []string{"delta", "Alpha", "charlie", "BRAVO", "Écho"} {
		p.account(client.Object{"name": prefix + name})
	}
	query := "/service-accounts?q=" + strings.ReplaceAll(strings.ToUpper(prefix), " ", "%20")
	whole := p.get(query).expect(http.StatusOK)
	require.Nil(t, whole["next"])
	want := []string{"Alpha", "BRAVO", "charlie", "delta", "Écho"}
	for i := range want {
		want[i] = prefix + want[i]
	}
	require.Equal(t, want, field(whole.Objects("items"), "name"))
	require.Equal(t, want, field(p.all(query+"&limit=2"), "name"))
	require.Len(t, p.get(query+"&limit=2").expect(http.StatusOK).Objects("items"), 2)
	last := whole.Objects("items")[4].Text("id")
	require.Equal(t, []string{last}, field(p.all("/service-accounts?q="+last), "id"), "q may be an exact ID")
	require.Empty(t, p.all("/service-accounts?q=sa_00000000000000000000"))
}

func TestList_AccountsAreFilteredByNodeAndOneMore_W7(t *testing.T) {
	t.Parallel()
	p := asOwner(t)
	tag := "t" + strings.ToLower(strings.ReplaceAll(newName(t)[5:25], " ", "-"))
	one := p.account(client.Object{"tags": []string{tag, "env:prod"}, "external_id": tag + "-77"})
	two := p.account(client.Object{"tags": []string{tag}})
	p.post("/service-accounts/"+two.Text("id")+"/revoke", nil).expect(http.StatusOK)
	k := p.issue(one.Text("id"))
	stranger(t).guess(k.secret, 0, 10)
	has := func(query string) []string {
		ids := field(p.all("/service-accounts?limit=100&"+query), "id")
		return slices.DeleteFunc(ids, func(id string) bool { return id != one.Text("id") && id != two.Text("id") })
	}
	both, first, second := []string{one.Text("id"), two.Text("id")}, []string{one.Text("id")}, []string{two.Text("id")}
	require.ElementsMatch(t, both, has("node_id="+world.node))
	require.ElementsMatch(t, both, has("node_id="+world.node+"&direct=true"))
	require.ElementsMatch(t, both, has("tag="+tag))
	require.Equal(t, first, has("external_id="+tag+"-77"))
	require.Equal(t, first, has("status=active"))
	require.Equal(t, second, has("status=revoked&node_id="+world.node))
	require.Equal(t, first, has("locked=true"))
	p.get("/service-accounts?tag=" + tag + "&status=active").expect(http.StatusUnprocessableEntity)
	p.get("/service-accounts?company_id=co_00000000000000000000&node_id=" + world.node).expect(http.StatusUnprocessableEntity)
	p.get("/service-accounts?direct=true").expect(http.StatusUnprocessableEntity)
	p.get("/service-accounts?node_id=node_00000000000000000000").problem(http.StatusNotFound, "not_found")
	p.get("/service-accounts?company_id=co_00000000000000000000").problem(http.StatusNotFound, "not_found")
}

func TestList_KeysAreFilteredByPlaceAndOneMore_W7(t *testing.T) {
	t.Parallel()
	p := asOwner(t)
	account := p.account().Text("id")
	prefix := newName(t)
	a, b := p.issue(account, client.Object{"name": prefix + " b"}), p.issue(account, client.Object{"name": prefix + " A"})
	p.post("/keys/"+b.id+"/revoke", nil).expect(http.StatusOK)
	mine := func(query string) []string {
		ids := field(p.all("/keys?limit=100&"+query), "id")
		return slices.DeleteFunc(ids, func(id string) bool { return id != a.id && id != b.id })
	}
	require.Equal(t, []string{b.id, a.id}, mine("node_id="+world.node), "by name")
	require.Equal(t, []string{b.id, a.id}, mine("q="+strings.ReplaceAll(prefix, " ", "%20")))
	require.ElementsMatch(t, []string{b.id, a.id}, mine("service_account_id="+account))
	require.Equal(t, []string{a.id}, mine("service_account_id="+account+"&status=active"))
	require.Equal(t, []string{b.id}, mine("status=revoked"))
	require.Equal(t, []string{a.id}, mine("prefix="+a.secret[:8]))
	require.Equal(t, []string{a.id}, mine("q="+a.id))
	require.ElementsMatch(t, []string{b.id, a.id}, mine("owner_type=service_account"))
	require.Empty(t, mine("owner_type=gateway"))
	require.Empty(t, mine("service_account_id="+account+"&locked=true"))
	stranger(t).guess(a.secret, 0, 10)
	require.NotEmpty(t, mine("service_account_id="+account+"&locked=true"))
	p.get("/keys?service_account_id=" + account + "&node_id=" + world.node).expect(http.StatusUnprocessableEntity)
	p.get("/keys?status=active&prefix=" + a.secret[:8]).expect(http.StatusUnprocessableEntity)
	p.get("/keys?service_account_id=sa_00000000000000000000").problem(http.StatusNotFound, "not_found")
}

func TestList_ACursorIsGoodForItsListItsFiltersAndItsCaller(t *testing.T) {
	t.Parallel()
	p := asOwner(t)
	account := p.account().Text("id")
	for range 3 {
		p.issue(account)
	}
	path := "/service-accounts/" + account + "/keys?limit=1"
	cursor := p.get(path).expect(http.StatusOK).Text("next")
	require.NotEmpty(t, cursor)
	second := p.get(path + "&cursor=" + cursor).expect(http.StatusOK)
	require.Len(t, second.Objects("items"), 1)
	require.Equal(t, second.Objects("items"), p.get(path+"&cursor="+cursor).expect(http.StatusOK).Objects("items"), "it can be used again")

	flipped := []byte(cursor)
	flipped[len(flipped)/2] ^= 1
	consumer := holding(t, p.issue(account).secret)
	other := p.account().Text("id")
	audit := p.get("/audit-events?limit=1").expect(http.StatusOK).Text("next")
	for name, answer := range map[string]reply{
		"edited":         p.get(path + "&cursor=" + string(flipped)),
		"cut":            p.get(path + "&cursor=" + cursor[:len(cursor)-2]),
		"garbage":        p.get(path + "&cursor=AAAA"),
		"another's":      consumer.get(path + "&cursor=" + cursor),
		"another list":   p.get("/service-accounts/" + other + "/keys?limit=1&cursor=" + cursor),
		"another route":  p.get("/audit-events?limit=1&cursor=" + cursor),
		"of audit":       p.get(path + "&cursor=" + audit),
		"other filters":  p.get("/audit-events?limit=1&order=asc&cursor=" + audit),
		"other filters2": p.get("/audit-events?limit=1&actor_type=employee&cursor=" + audit),
	} {
		t.Run(name, func(t *testing.T) {
			answer.t = t
			answer.invalid("/cursor")
		})
	}
}

func TestList_UnknownAndRepeatedQueryParametersAreRefused(t *testing.T) {
	t.Parallel()
	p := asOwner(t)
	account := p.account().Text("id")
	for _, path := range []string{"/service-accounts", "/service-accounts/" + account + "/keys", "/keys", "/audit-events", "/permissions", "/roles"} {
		p.get(path + "?nonsense=1").invalid("/nonsense")
		for _, limit := range []string{"0", "101", "-1", "x", "1.5", ""} {
			p.get(path + "?limit=" + limit).invalid("/limit")
		}
		p.get(path + "?limit=1&limit=2").invalid("/limit")
		require.LessOrEqual(t, len(p.get(path+"?limit=1").expect(http.StatusOK).Objects("items")), 1)
		p.get(path + "?limit=100").expect(http.StatusOK)
	}
	p.get("/service-accounts/" + account + "?x=1").invalid("/x")
	p.get("/me?x=1").invalid("/x")
	p.post("/service-accounts/"+account+"/revoke?force=true", nil).invalid("/force")
	p.get("/service-accounts?status=gone").invalid("/status")
	p.get("/service-accounts?locked=maybe").invalid("/locked")
	p.get("/keys?status=gone").invalid("/status")
	p.get("/audit-events?order=sideways").invalid("/order")
	p.get("/audit-events?from=yesterday").invalid("/from")
}

func TestList_FiftyIsTheUsualPage(t *testing.T) {
	t.Parallel()
	p := asOwner(t)
	account := p.account().Text("id")
	for i := range 51 {
		p.issue(account, client.Object{"name": fmt.Sprint("key ", i)})
	}
	page := p.get("/service-accounts/" + account + "/keys").expect(http.StatusOK)
	require.Len(t, page.Objects("items"), 50)
	require.Equal(t, "key 50", page.Objects("items")[0]["name"])
	rest := p.get("/service-accounts/" + account + "/keys?cursor=" + page.Text("next")).expect(http.StatusOK)
	require.Equal(t, []string{"key 0"}, field(rest.Objects("items"), "name"))
	require.Nil(t, rest["next"])
}

func TestList_KeysByTime_B9(t *testing.T) {
	t.Parallel()
	p := asOwner(t)
	account := p.account().Text("id")
	late, soon := p.issue(account, client.Object{"expires_at": inSeconds(20 * 86400)}), p.issue(account, client.Object{"expires_at": inSeconds(10 * 86400)})
	p.issue(account)
	of := "/keys?service_account_id=" + account
	require.Equal(t, []string{soon.id, late.id}, field(p.all(of+"&expires_before="+inSeconds(30*86400)), "id"))
	require.Contains(t, field(p.all("/keys?limit=100&expires_before="+inSeconds(11*86400)), "id"), soon.id)
	require.Empty(t, p.all(of+"&unused_since="+inSeconds(-60)))
	require.Empty(t, p.all(of+"&retired_seen_since="+inSeconds(-60)))
	p.get(of + "&expires_before=tomorrow").invalid("/expires_before")
	p.get(of + "&expires_before=" + inSeconds(60) + "&q=a").invalid("/expires_before")
}
