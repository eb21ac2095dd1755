package e2e

import (
	"net/http"
	"strings"
	"testing"

	"github.com/stretchr/testify/require"

	"github.com/rekey-dev/rekey/infra/e2e/client"
)

func TestAccess_ARouteWithoutAKeyAnswers401_P4(t *testing.T) {
	t.Parallel()
	p := stranger(t)
	for _, r := range []struct{ method, path string }{
		{"GET", "/me"}, {"GET", "/service-accounts"}, {"POST", "/service-accounts"}, {"GET", "/service-accounts/sa_00000000000000000000"},
		{"PATCH", "/service-accounts/sa_00000000000000000000"}, {"DELETE", "/service-accounts/sa_00000000000000000000"},
		{"POST", "/service-accounts/sa_00000000000000000000/revoke"}, {"POST", "/service-accounts/sa_00000000000000000000/rotate"},
		{"POST", "/service-accounts/sa_00000000000000000000/unlock"}, {"GET", "/service-accounts/sa_00000000000000000000/keys"},
		{"POST", "/service-accounts/sa_00000000000000000000/keys"}, {"GET", "/keys"}, {"GET", "/keys/key_00000000000000000000"},
		{"PATCH", "/keys/key_00000000000000000000"}, {"POST", "/keys/key_00000000000000000000/revoke"},
		{"POST", "/keys/key_00000000000000000000/deactivate"}, {"POST", "/keys/key_00000000000000000000/activate"},
		{"POST", "/keys/key_00000000000000000000/regenerate"}, {"GET", "/permissions"}, {"GET", "/roles"},
		{"GET", "/roles/role_BuiltinOwner00000000"}, {"GET", "/audit-events"}, {"GET", "/audit-events/evt_00000000000000000000"},
	} {
		p.do(r.method, r.path, nil).refused()
	}
}

func TestAccess_ThePublicRoutesNeedNoKey(t *testing.T) {
	t.Parallel()
	p := stranger(t)
	health := p.get("/health").expect(http.StatusOK)
	require.Equal(t, "ok", health.Text("status"))
	document := p.get("/openapi.json").expect(http.StatusOK)
	require.Equal(t, "3.1", document.Text("openapi")[:3])
	require.Equal(t, "malformed", p.status("nothing like a secret").Text("status"))
	p.post("/keys/self-revoke", client.Object{"secret": "nothing like a secret"}).expect(http.StatusNoContent)
}

func TestAccess_AKeyOpensInEachOfTheThreeWays_P4(t *testing.T) {
	t.Parallel()
	k := newKey(t)
	p := holding(t, k.secret)
	for name, header := range map[string]http.Header{
		"Bearer":               client.Bearer(k.secret),
		"bearer, any case":     {"Authorization": {"bearer " + k.secret}},
		"X-API-Key":            client.APIKey(k.secret),
		"Basic with the ID":    client.Basic(k.id, k.secret),
		"another Rekey header": {"Authorization": {"Bearer " + k.secret}, "X-Forwarded-For": {"203.0.113.9"}},
	} {
		require.Equal(t, k.id, p.sending(header).get("/me").expect(http.StatusOK).Text("key.id"), name)
	}
}

func TestAccess_WhatIsNotExactlyOneRightSecretIs401AndNobodysFailure_P4(t *testing.T) {
	t.Parallel()
	k, other := newKey(t), newKey(t)
	p := stranger(t)
	swapped := func(r rune) rune {
		switch {
		case r >= 'a' && r <= 'z':
			return r - 32
		case r >= 'A' && r <= 'Z':
			return r + 32
		}
		return r
	}
	one := func(name string, values ...string) http.Header { return http.Header{name: values} }
	for name, header := range map[string]http.Header{
		"two credentials":                 {"Authorization": {"Bearer " + k.secret}, "X-Api-Key": {k.secret}},
		"two credentials, one of another": {"Authorization": {"Bearer " + k.secret}, "X-Api-Key": {other.secret}},
		"Authorization twice":             one("Authorization", "Bearer "+k.secret, "Bearer "+k.secret),
		"X-API-Key twice":                 one("X-Api-Key", k.secret, other.secret),
		"two in one header":               one("Authorization", "Bearer "+k.secret+", Bearer "+other.secret),
		"Basic with another ID":           client.Basic(other.id, k.secret),
		"Basic without an ID":             client.Basic("", k.secret),
		"Basic the wrong way round":       client.Basic(k.secret, k.id),
		"Basic that is not base64":        one("Authorization", "Basic !"+k.secret),
		"lower case":                      client.Bearer(strings.ToLower(k.secret)),
		"upper case":                      client.Bearer(strings.ToUpper(k.secret)),
		"swapped case":                    client.Bearer(strings.Map(swapped, k.secret)),
		"one character less":              client.Bearer(k.secret[:len(k.secret)-1]),
		"one character more":              client.Bearer(k.secret + "0"),
		"a blank inside":                  client.Bearer(k.secret[:40] + " " + k.secret[40:]),
		"a tab inside":                    client.Bearer(k.secret[:40] + "\t" + k.secret[40:]),
		"percent-encoded":                 client.Bearer(strings.Replace(k.secret, "_", "%5F", 1)),
		"beyond ASCII":                    client.Bearer(k.secret[:40] + "é" + k.secret[41:]),
		"no scheme":                       one("Authorization", k.secret),
		"another scheme":                  one("Authorization", "Digest "+k.secret),
		"only the scheme":                 one("Authorization", "Bearer "),
		"an empty X-API-Key":              one("X-Api-Key", ""),
		"only the ID":                     client.Bearer(k.id),
	} {
		t.Run(name, func(t *testing.T) {
			p := p
			p.t = t
			for range 12 { // more than lock
				p.sending(header).get("/me").refused()
			}
		})
	}
	require.Equal(t, "active", p.status(k.secret).Text("status"))
	for _, account := range []string{k.account, other.account} {
		seen := asOwner(t).get("/service-accounts/" + account).expect(http.StatusOK)
		require.Equal(t, false, seen["locked"])
		require.Nil(t, seen["lock"])
	}
}

func TestAccess_AMegabyteOfHeaderIsRefusedAndHurtsNobody(t *testing.T) {
	t.Parallel()
	k := newKey(t)
	p := holding(t, k.secret)
	for _, header := range []http.Header{
		client.Bearer(strings.Repeat("a", 1<<20)),
		{"Authorization": {"Bearer " + k.secret}, "X-Filler": {strings.Repeat("a", 1<<20)}},
	} {
		answer, err := world.api.Do(t.Context(), p.sending(header).request(http.MethodGet, "/me", nil))
		if err == nil { // the connection may also be closed on such a sender
			require.GreaterOrEqual(t, answer.Status, 400)
			require.Less(t, answer.Status, 500, "%s", answer.Body)
		}
	}
	p.get("/me").expect(http.StatusOK)
}

func TestAccess_AnUnknownRouteAnswers404AndNeverEchoesASecret_D2(t *testing.T) {
	t.Parallel()
	k := newKey(t)
	p := stranger(t)
	for _, r := range []struct{ method, path string }{
		{"GET", "/nowhere"}, {"POST", "/nowhere/at/all"}, {"GET", "/"}, {"PUT", "/me"}, {"DELETE", "/me"}, {"GET", "/setup"},
		{"GET", "/key-status"}, {"PUT", "/keys/" + k.id}, {"DELETE", "/keys/" + k.id}, {"POST", "/audit-events"}, {"PATCH", "/audit-events/evt_1"},
		{"POST", "/keys/" + k.id + "/turn"}, {"GET", "/keys/" + k.id + "/misuse"}, {"GET", "/" + k.secret},
	} {
		for _, header := range []http.Header{client.Bearer(k.secret), client.APIKey(k.secret), client.Basic(k.id, k.secret),
			{"Authorization": {k.secret}}, {"Authorization": {"AWS4-HMAC-SHA256 Credential=" + k.secret}}, nil} {
			var body any
			if r.method != http.MethodGet {
				body = client.Object{"secret": k.secret}
			}
			answer := p.sending(header).do(r.method, r.path, body)
			answer.problem(http.StatusNotFound, "not_found")
			require.Empty(t, world.secrets.Find([]byte(raw(t, answer.Header))), "%s %s", r.method, r.path)
			require.Empty(t, world.secrets.Find(answer.Body), "%s %s: %s", r.method, r.path, answer.Body)
		}
	}
}

func TestAccess_ASecretInTheWrongPlaceIsNeverEchoed_D2(t *testing.T) {
	t.Parallel()
	k := newKey(t)
	p := asOwner(t)
	for _, r := range []struct {
		method, path string
		body         any
	}{
		{"GET", "/keys/" + k.secret, nil},
		{"GET", "/service-accounts/" + k.secret, nil},
		{"GET", "/service-accounts?q=" + k.secret, nil},
		{"GET", "/service-accounts?" + k.secret + "=1", nil},
		{"GET", "/service-accounts?cursor=" + k.secret, nil},
		{"POST", "/service-accounts", client.Object{"name": k.secret, "node_id": world.node}},
		{"POST", "/service-accounts", client.Object{"name": newName(t), "node_id": world.node, k.secret: 1}},
		{"POST", "/service-accounts", `{"name": "` + k.secret},
		{"PATCH", "/service-accounts/" + k.account, client.Object{"description": "it is " + k.secret}},
		{"POST", "/keys/" + k.id + "/revoke", client.Object{"note": k.secret}},
		{"POST", "/key-status", client.Object{"secret": k.secret, k.secret: k.secret}},
	} {
		answer := p.do(r.method, r.path, r.body)
		require.GreaterOrEqual(t, answer.Status, 400, "%s: %s", answer.what, answer.Body)
		require.Less(t, answer.Status, 500, "%s: %s", answer.what, answer.Body)
		require.Empty(t, world.secrets.Find(answer.Body), "%s", answer.Body)
		require.Empty(t, world.secrets.Find([]byte(raw(t, answer.Header))))
	}
	p.get("/keys/" + k.id).expect(http.StatusOK)

	// What a caller says of itself is kept; the secret in it is cut out, which the search of everything proves in the end.
	consumer := holding(t, k.secret).also("User-Agent", "exporter/1 ("+k.secret+")").also("Referer", "https://example.com/?key="+k.secret)
	consumer.get("/me").expect(http.StatusOK)
	p.also("User-Agent", "admin "+k.secret).post("/keys/"+k.id+"/regenerate", nil).expect(http.StatusOK)
	consumer.get("/me").refused()
	used := p.records(k.id, "key.first_used")
	require.Len(t, used, 1)
	require.Contains(t, used[0].Text("user_agent"), "exporter/1")
	require.NotContains(t, used[0].Text("user_agent"), k.secret[25:])
}

func TestAccess_MeSaysWhoAmI(t *testing.T) {
	t.Parallel()
	me := asOwner(t).get("/me").expect(http.StatusOK)
	require.Equal(t, "employee", me.Text("principal.type"))
	require.Regexp(t, `^emp_`, me.Text("principal.id"))
	require.Equal(t, "role_BuiltinOwner00000000", me.Text("role_id"))
	require.Nil(t, me["company_id"])
	require.Contains(t, me.Texts("permissions"), "service_accounts:rotate")

	k := newKey(t, client.Object{"expires_at": inSeconds(90 * 86400), "scopes": []string{"keys:read"}})
	me = holding(t, k.secret).get("/me").expect(http.StatusOK)
	require.Equal(t, "service_account", me.Text("principal.type"))
	require.Equal(t, k.account, me.Text("principal.id"))
	require.Equal(t, "role_BuiltinIntegration00", me.Text("role_id"))
	require.Equal(t, "secret", me.Text("auth"))
	require.Equal(t, []string{"keys:read"}, me.Texts("permissions"))
	require.Equal(t, []string{"keys:read"}, me.Texts("key.scopes"))
	require.Equal(t, k.secret[:8], me.Text("key.prefix"))
	require.Equal(t, k.key["name"], me.At("key.name"))
	require.Equal(t, k.key["expires_at"], me.At("key.expires_at"))
	require.Equal(t, "active", me.Text("key.status"))
	require.Nil(t, me["session"])
	require.Nil(t, me["assumed_company_id"])
	require.Equal(t, world.node, me.Text("node_id"))
	require.Regexp(t, `^msp_`, me.Text("msp_id"))
}

func TestAccess_ANarrowerKeyGets403ThatNamesTheScope_D5(t *testing.T) {
	t.Parallel()
	k := newKey(t, client.Object{"scopes": []string{"keys:read"}})
	p := holding(t, k.secret)
	p.get("/service-accounts/" + k.account + "/keys").expect(http.StatusOK)
	o := p.get("/service-accounts/"+k.account).problem(http.StatusForbidden, "missing_scope")
	require.Equal(t, "service_accounts:read", o["missing_scope"])
	require.Equal(t, "", o["missing_permission"])
	require.Equal(t, "This key lacks service_accounts:read, which its account's role has. Issue a key with it, deploy it, then revoke this one.",
		strings.ReplaceAll(o.Text("detail"), "account s", "account's"))

	o = p.get("/audit-events").problem(http.StatusForbidden, "missing_permission")
	require.Equal(t, "audit:read", o["missing_permission"])
	require.Equal(t, "", o["missing_scope"])
	require.Equal(t, "The role role_BuiltinIntegration00 lacks audit:read; another key will not help.", o.Text("detail"))

	none := newKey(t, client.Object{"scopes": []string{}})
	p = holding(t, none.secret)
	require.Empty(t, p.get("/me").expect(http.StatusOK).Texts("permissions"), "an empty list grants nothing")
	p.get("/keys").problem(http.StatusForbidden, "missing_scope")
}

func TestAccess_401And403SayWhichOfTheTwoItIs_D12(t *testing.T) {
	t.Parallel()
	owner := asOwner(t)
	account := owner.account().Text("id")
	old := owner.issue(account)
	narrower := owner.issue(account, client.Object{"scopes": []string{"service_accounts:read"}})
	owner.post("/keys/"+old.id+"/revoke", nil).expect(http.StatusOK)

	cached := holding(t, old.secret)
	unauthorized := cached.get("/keys")
	unauthorized.refused()
	require.Contains(t, unauthorized.Object().Text("detail"), "restart the client or reload its secret store")
	require.Equal(t, "revoked", cached.status(old.secret).Text("status"))

	forbidden := holding(t, narrower.secret).get("/keys").problem(http.StatusForbidden, "missing_scope")
	require.Equal(t, "keys:read", forbidden["missing_scope"])
	require.Contains(t, forbidden.Text("detail"), "Issue a key with it, deploy it, then revoke this one.")
}
