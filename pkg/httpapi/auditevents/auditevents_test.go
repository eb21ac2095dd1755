package auditevents_test

import (
	"net/url"
	"strings"
	"testing"
	"time"

	"github.com/stretchr/testify/require"

	"github.com/rekey-dev/rekey/pkg/httpapi/httpapitest"
	"github.com/rekey-dev/rekey/pkg/token"
)

func list(query string) httpapitest.Request {
	return httpapitest.Request{Method: "GET", Resource: "/audit-events", Query: query}
}

func get(id string) httpapitest.Request {
	return httpapitest.Request{Method: "GET", Resource: "/audit-events/{id}", ID: id}
}

func TestSamples_OfAuditEventsAreAnswered(t *testing.T) {
	w := httpapitest.New(t)
	w.Account("exporter", w.Company)
	items := w.Send(w.Sample("auditevents-list.json")).Items(t)
	require.NotEmpty(t, items)
	got := w.Send(w.Sample("auditevents-get.json", "evt_"+httpapitest.Body, items[0]["id"].(string)))
	require.Equal(t, items[0], got.JSON(t))
	require.NotEmpty(t, got.Header["Etag"])
}

func TestEvent_HasEveryMemberAndTheKeysPrefixAndScopesButNeverTheKey_D8(t *testing.T) {
	w := httpapitest.New(t)
	account := w.Account("exporter", w.Company)
	shown := w.Issue(account.ID, "primary")
	e := w.Call(w.Owner.Secret, list("target_id="+string(shown.View.Key.ID))).Items(t)[0]
	require.Equal(t, httpapitest.Words("id seq at action actor target node_id company_id source_ip user_agent request_id outcome details"), httpapitest.Members(e))
	require.Equal(t, "user.updated", e["action"])
	require.EqualValues(t, 1, e["seq"])
	require.Equal(t, "2031-03-04T05:06:10Z", e["at"])
	require.Equal(t, map[string]any{"type": "employee", "id": string(w.Owner.Employee.ID), "name": "Ada Owner",
		"key_id": string(w.Owner.Token.ID), "key_prefix": w.Owner.Token.Prefix()}, e["actor"])
	require.Equal(t, map[string]any{"type": "key", "id": string(shown.View.Key.ID), "name": "primary"}, e["target"])
	require.Equal(t, string(w.Company.Company), e["company_id"])
	details := e["details"].(map[string]any)
	require.Equal(t, "key.issued", details["change"])
	require.Equal(t, shown.View.Key.Prefix(), details["key_prefix"])
	require.Len(t, details["scopes"], shown.View.Key.Scopes.Count())
}

func TestEvents_AreSearchedByActorTypeAndTime_D9(t *testing.T) {
	w := httpapitest.New(t)
	account := w.Account("exporter", w.Company)
	shown := w.Issue(account.ID, "primary")
	w.Advance(time.Minute)
	w.Allowed(shown.Secret, "198.51.100.1") // its first use is on record, with the account as actor
	items := w.Call(w.Owner.Secret, list("actor_type=service_account")).Items(t)
	require.Len(t, items, 1)
	require.Equal(t, string(account.ID), items[0]["actor"].(map[string]any)["id"])

	at := "2031-03-04T05:07:10Z"
	require.Len(t, w.Call(w.Owner.Secret, list("actor_type=service_account&from="+at)).Items(t), 1, "from is inclusive")
	require.Empty(t, w.Call(w.Owner.Secret, list("actor_type=service_account&to="+at)).Items(t), "to is exclusive")
	require.Empty(t, w.Call(w.Owner.Secret, list("actor_type=service_account&outcome=denied")).Items(t))
	require.Len(t, w.Call(w.Owner.Secret, list("actor_type=service_account&outcome=ok")).Items(t), 1)
}

func TestEvents_OneFilterAtATimeFindsWhatItNames(t *testing.T) {
	w := httpapitest.New(t)
	one, other := w.Account("one", w.Company), w.Account("other", w.Company)
	key := w.Issue(one.ID, "primary").View.Key
	w.Issue(other.ID, "primary")
	count := func(query string) int { return len(w.Call(w.Owner.Secret, list(query)).Items(t)) }
	require.Equal(t, 1, count("target_id="+string(key.ID)))
	require.Equal(t, 1, count("key_id="+string(key.ID)))
	require.Equal(t, 2, count("action=user.updated"))
	require.Equal(t, 2, count("action=service_account.created"))
	require.Equal(t, 4, count("request_id=req-call"))
	require.Zero(t, count("request_id=req-none"))
	require.GreaterOrEqual(t, count("actor_id="+string(w.Owner.Employee.ID)), 4)
	require.Equal(t, 2, count("service_account_id="+string(one.ID)), "the account and its key")
}

func TestEvents_FiltersThatDoNotGoTogetherAreRefused(t *testing.T) {
	w := httpapitest.New(t)
	node := "node_id=" + w.Root.Path
	for query, pointer := range map[string]string{
		node + "&company_id=" + string(w.Company.Company): "/company_id",
		node + "&service_account_id=sa_" + "1":            "/service_account_id",
		"company_id=co_1&service_account_id=sa_1":         "/service_account_id",
		"direct=true":                                       "/direct",
		"direct=true&company_id=co_1":                       "/direct",
		"actor_type=employee&action=user.updated":           "/action",
		"actor_id=emp_1&key_id=key_1":                       "/key_id",
		"outcome=ok":                                        "/outcome",
		"outcome=ok&action=user.updated":                    "/outcome",
		"actor_type=machine":                                "/actor_type",
		"order=up":                                          "/order",
		"from=2031-03-04T05:06:10Z&to=2031-03-04T05:06:10Z": "/to",
		"from=now":                                          "/from",
		"seq=1":                                             "/seq",
		"limit=101":                                         "/limit",
		"cursor=nonsense":                                   "/cursor",
	} {
		w.Call(w.Owner.Secret, list(query)).Invalid(t, pointer)
	}
}

func TestEvents_OfOtherPlacesDoNotExist(t *testing.T) {
	w := httpapitest.New(t)
	own, foreign := w.Account("own", w.Company), w.Account("foreign", w.Stranger)
	for _, query := range []string{
		"company_id=" + string(w.Stranger.Company), "node_id=" + string(w.Sibling.Node()), "node_id=" + string(w.Root.Node()),
		"service_account_id=" + string(foreign.ID), "company_id=co_00000000000000000001", "company_id=nonsense", "node_id=..",
		"service_account_id=sa_00000000000000000001", "service_account_id=x",
	} {
		w.Call(w.BelowAdmin.Secret, list(query)).Problem(t, 404, "not_found")
	}
	foreignEvent := w.Call(w.Owner.Secret, list("service_account_id="+string(foreign.ID))).Items(t)[0]["id"].(string)
	for _, id := range []string{foreignEvent, "evt_00000000000000000001", "evt_1", "..", strings.Repeat("e", 5000)} {
		w.Call(w.BelowAdmin.Secret, get(id)).Problem(t, 404, "not_found")
	}
	for _, s := range []token.Secret{w.BelowAdmin.Secret, w.CompanyAdmin.Secret} {
		items := w.Call(s, list("limit=100")).Items(t)
		require.NotEmpty(t, items)
		for _, e := range items {
			require.NotEqual(t, string(w.Stranger.Company), e["company_id"])
			require.NotEqual(t, string(w.Sibling.Node()), e["node_id"])
		}
		require.Len(t, w.Call(s, list("service_account_id="+string(own.ID))).Items(t), 1)
	}
	for _, e := range w.Call(w.CompanyAdmin.Secret, list("")).Items(t) {
		require.Equal(t, string(w.Company.Company), e["company_id"], "whoever is bound to a company sees it alone")
	}
	for _, e := range w.Call(w.Owner.Secret, list("direct=true&limit=100&node_id="+w.Root.Path)).Items(t) {
		require.Equal(t, w.Root.Path, e["node_id"])
		require.Nil(t, e["company_id"])
	}
}

func TestEvents_NeedAuditRead(t *testing.T) {
	w := httpapitest.New(t)
	integration := w.Issue(w.Account("exporter", w.Company).ID, "primary")
	for _, s := range []token.Secret{w.Viewer.Secret, integration.Secret} {
		require.Equal(t, "audit:read", w.Call(s, list("")).Problem(t, 403, "missing_permission")["missing_permission"])
		w.Call(s, get("evt_00000000000000000001")).Problem(t, 403, "missing_permission")
	}
}

func TestEvents_PagesHaveEveryRecordOnceInEitherOrder(t *testing.T) {
	w := httpapitest.New(t)
	for _, name := range strings.Split("abcdefghijk", "") {
		w.Account(name, w.Company)
		w.Advance(time.Second)
	}
	walk := func(order string) []string {
		var ids []string
		query := "limit=3&action=service_account.created&order=" + order
		for next := query; ; {
			got := w.Call(w.Owner.Secret, list(next))
			for _, e := range got.Items(t) {
				ids = append(ids, e["id"].(string))
			}
			cursor, ok := got.JSON(t)["next"].(string)
			if !ok {
				return ids
			}
			next = query + "&cursor=" + url.QueryEscape(cursor)
		}
	}
	newest, oldest := walk("desc"), walk("asc")
	require.Len(t, newest, 11)
	for i := range newest {
		require.Equal(t, newest[i], oldest[len(oldest)-1-i])
	}
}

func TestEvents_ARefusalHasNoSequence_D11(t *testing.T) {
	w := httpapitest.New(t)
	account := w.Account("exporter", w.Company)
	w.Call(w.Operator.Secret, httpapitest.Request{Method: "POST", Resource: "/service-accounts/{id}/keys", ID: string(account.ID),
		Body: `{"name":"primary"}`}).Problem(t, 403, "missing_permission")
	e := w.Call(w.Owner.Secret, list("actor_type=employee&outcome=denied")).Items(t)[0]
	require.Nil(t, e["seq"])
	require.Equal(t, "denied", e["outcome"])
	require.Equal(t, "user.updated", e["action"])
	require.Equal(t, "192.0.2.7", e["source_ip"])
	require.Equal(t, "test/1", e["user_agent"])
	require.Equal(t, "request-1", e["request_id"])
}
