package authorizer_test

import (
	"encoding/base64"
	"encoding/json"
	"strings"
	"testing"

	"github.com/stretchr/testify/require"

	"github.com/rekey-dev/rekey/pkg/apikey"
	"github.com/rekey-dev/rekey/pkg/authorizer"
	"github.com/rekey-dev/rekey/pkg/rekeytest"
	"github.com/rekey-dev/rekey/pkg/token"
	"github.com/rekey-dev/rekey/pkg/verify"
)

func basic(user, password string) string {
	return "Basic " + base64.StdEncoding.EncodeToString([]byte(user+":"+password))
}

type headers = map[string][]string

func TestInvoke_ASecretComesAsBearerAsAPIKeyOrAsBasicPassword_P4(t *testing.T) {
	g := newGate(t)
	k := g.Issue(g.Account("Recorder", g.Company).ID, "k")
	s, user := k.Secret.Reveal(), string(k.View.Key.ID)
	for _, h := range []headers{
		{"Authorization": {"Bearer " + s}}, {"authorization": {"bearer " + s}}, {"AUTHORIZATION": {"BEARER " + s}},
		{"X-API-Key": {s}}, {"x-api-key": {s}}, {"X-Api-Key": {s}},
		{"Authorization": {basic(user, s)}}, {"Authorization": {"basic " + basic(user, s)[6:]}},
		{"Authorization": {"Bearer " + s}, "Cookie": {"a=b"}, "X-Api-Keys": {"x"}},
	} {
		a := g.allows(with(h))
		require.Equal(t, string(k.View.Account.ID), a.PrincipalID)
	}
}

func TestInvoke_WhatIsNotOneCredentialIsRefusedAndNobodysFailure_P4(t *testing.T) {
	g := newGate(t)
	a := g.Account("Recorder", g.Company)
	k, other := g.Issue(a.ID, "k"), g.Issue(a.ID, "other")
	s, user := k.Secret.Reveal(), string(k.View.Key.ID)
	for name, h := range map[string]headers{
		"none":                          {},
		"empty":                         {"Authorization": {""}},
		"empty key":                     {"X-API-Key": {""}},
		"scheme only":                   {"Authorization": {"Bearer"}},
		"scheme and blank":              {"Authorization": {"Bearer "}},
		"no scheme":                     {"Authorization": {s}},
		"another scheme":                {"Authorization": {"Token " + s}},
		"digest":                        {"Authorization": {"AWS4-HMAC-SHA256 Credential=" + s}},
		"two blanks":                    {"Authorization": {"Bearer  " + s}},
		"a tab":                         {"Authorization": {"Bearer\t" + s}},
		"a blank before":                {"Authorization": {" Bearer " + s}},
		"a blank after":                 {"Authorization": {"Bearer " + s + " "}},
		"a line break after":            {"Authorization": {"Bearer " + s + "\r\n"}},
		"a NUL after":                   {"Authorization": {"Bearer " + s + "\x00"}},
		"quotes":                        {"Authorization": {`Bearer "` + s + `"`}},
		"a comma list":                  {"Authorization": {"Bearer " + s + ", Bearer " + s}},
		"a key with a blank":            {"X-API-Key": {s + " "}},
		"a key with a scheme":           {"X-API-Key": {"Bearer " + s}},
		"two keys in one":               {"X-API-Key": {s + "," + s}},
		"lower case":                    {"X-API-Key": {strings.ToLower(s)}},
		"upper case":                    {"X-API-Key": {strings.ToUpper(s)}},
		"basic without base64":          {"Authorization": {"Basic " + user + ":" + s}},
		"basic with URL base64":         {"Authorization": {"Basic " + base64.URLEncoding.EncodeToString([]byte("\xff\xfe?>:"+s))}},
		"basic without a colon":         {"Authorization": {"Basic " + base64.StdEncoding.EncodeToString([]byte(user))}},
		"basic with no user":            {"Authorization": {basic("", s)}},
		"basic with another ID":         {"Authorization": {basic(string(other.View.Key.ID), s)}},
		"basic the wrong way round":     {"Authorization": {basic(s, user)}},
		"both headers":                  {"Authorization": {"Bearer " + s}, "X-API-Key": {s}},
		"both, one empty":               {"Authorization": {"Bearer " + s}, "X-API-Key": {""}},
		"twice the same":                {"Authorization": {"Bearer " + s, "Bearer " + s}},
		"twice, two secrets":            {"Authorization": {"Bearer " + s, "Bearer " + other.Secret.Reveal()}},
		"twice the key":                 {"X-API-Key": {s, s}},
		"two spellings":                 {"Authorization": {"Bearer " + s}, "authorization": {"Bearer " + s}},
		"two spellings of the key":      {"X-API-Key": {s}, "x-api-key": {s}},
		"in a cookie":                   {"Cookie": {"Authorization=Bearer " + s}},
		"in another header":             {"X-Authorization": {"Bearer " + s}, "Proxy-Authorization": {"Bearer " + s}},
		"a million characters":          {"Authorization": {"Bearer " + strings.Repeat(s, 14_000)}},
		"a million characters of basic": {"Authorization": {basic("admin", strings.Repeat("x", 1<<20))}},
	} {
		calls := g.Calls(func() { g.unauthorized(with(h)) })
		require.Empty(t, calls, name)
		require.Equal(t, verify.Malformed, g.last().Class, name)
		require.NoError(t, g.last().Err, name)
	}
	require.Zero(t, g.ReadAccount(a.ID).Lock.Failures)
}

func TestInvoke_BasicWithAnIDAndGarbageCountsOnThatID_I2(t *testing.T) {
	g := newGate(t)
	k := g.Issue(g.Account("Recorder", g.Company).ID, "k")
	g.unauthorized(with(headers{"Authorization": {basic(string(k.View.Key.ID), "hunter2")}}))
	require.Equal(t, verify.Wrong, g.last().Class)
	require.Equal(t, 1, g.ReadAccount(k.View.Account.ID).Lock.Failures)
}

func TestInvoke_HeadersThatComeOnlyOnceAreJudgedWhereThereAreNoLists_P4(t *testing.T) {
	g := newGate(t)
	s := key(t, g).Reveal()
	event := func(text string) error {
		_, err := g.a.Invoke(g.Ctx, []byte(`{"version":"2.0","routeKey":"GET /me","stageVariables":{"rekey_api":"self"},
			"requestContext":{"http":{"sourceIp":"198.51.100.1"}},"headers":`+text+`}`))
		return err
	}
	require.NoError(t, event(`{"authorization":"Bearer `+s+`"}`))
	require.NoError(t, event(`{"x-api-key":"`+s+`","authorization":null}`))
	require.NoError(t, event(`{"x-api-key":["\u0072`+s[1:]+`"]}`))
	for _, text := range []string{
		`{"authorization":"Bearer ` + s + `,Bearer ` + s + `"}`, // format 2.0 joins repeated headers
		`{"authorization":"Bearer ` + s + `","x-api-key":"` + s + `"}`,
		`{"authorization":"Bearer ` + s + `","Authorization":"Bearer ` + s + `"}`,
		`{"x-api-key":["` + s + `","` + s + `"]}`,
		`{"x-api-key":["x"],"X-Api-Key":["\u0072` + s[1:] + `"]}`, // however it is written
		`{"x-api-key":"x","X-Api-Key":"\u0072` + s[1:] + `"}`,
		`{}`, `null`,
	} {
		require.EqualError(t, event(text), "Unauthorized", text)
	}
	for _, text := range []string{`{"authorization":7}`, `[]`, `"x"`, `{"authorization":{"a":"b"}}`} {
		err := event(text)
		require.Error(t, err, text)
		require.NotContains(t, err.Error(), s)
	}
}

func TestInvoke_TheAddressIsTheGatewaysAndNoHeadersWord_B2(t *testing.T) {
	g := newGate(t)
	k := g.Issue(g.Account("Recorder", g.Company).ID, "k")
	r := of("GET /me", k.Secret)
	r.ip = rekeytest.Away
	r.headers["X-Forwarded-For"] = []string{rekeytest.Home}
	r.headers["X-Real-Ip"] = []string{rekeytest.Home}
	g.allows(r)
	src, err := g.Mem.Source(g.Ctx, string(k.View.Account.ID), rekeytest.Away)
	require.NoError(t, err)
	require.NotZero(t, src.AuthenticatedAt)
	src, err = g.Mem.Source(g.Ctx, string(k.View.Account.ID), rekeytest.Home)
	require.NoError(t, err)
	require.Zero(t, src.AuthenticatedAt)
}

func TestUserAgent_IsShortPrintableAndWithoutSecrets_D2(t *testing.T) {
	w := rekeytest.New(t)
	s := w.Issue(w.Account("Recorder", w.Company).ID, "k").Secret.Reveal()
	for in, want := range map[string]string{
		"":                        "",
		"curl/8.5.0":              "curl/8.5.0",
		"a\x00b\r\nc\x7fd":        "a?b??c?d",
		"exporter/ü":              "exporter/?",
		"agent " + s + " x":       "agent " + token.Redacted + " x",
		s:                         token.Redacted,
		strings.Repeat("a", 300):  strings.Repeat("a", 200),
		strings.Repeat(s+" ", 20): strings.Repeat(token.Redacted+" ", 20)[:200],
	} {
		require.Equal(t, want, authorizer.UserAgent(in))
	}
	for cutAt := 150; cutAt < 230; cutAt++ {
		got := authorizer.UserAgent(strings.Repeat("a", cutAt) + s)
		require.NotContains(t, got, s[25:32])
		require.LessOrEqual(t, len(got), 200)
	}
}

func TestInvoke_ASecretInTheUserAgentOrThePathReachesNoRecordAndNoReport_D2(t *testing.T) {
	g := newGate(t)
	a := g.Account("Recorder", g.Company)
	k := g.IssueWith(a.ID, apikey.Issue{Name: "k"})
	old := k.Secret
	k = g.Regenerate(k.View.Key.ID)
	for _, s := range []token.Secret{k.Secret, old, g.Wrong(k.Secret)} {
		for _, route := range []string{"GET /me", "POST /keys/{id}/revoke", "POST /service-accounts/{id}/keys"} {
			r := of(route, s)
			r.agent, r.id = "exporter "+k.Secret.Reveal(), k.Secret.Reveal()
			answer, _ := g.ask(r)
			text, err := json.Marshal(answer)
			require.NoError(t, err)
			report := g.last()
			told, err := json.Marshal([]any{report.Route, report.Principal, report.KeyID, report.SourceIP, report.RequestID, report.Lacks})
			require.NoError(t, err)
			require.NotContains(t, string(text)+string(told), k.Secret.Reveal()[25:68])
		}
	}
	require.NotEmpty(t, g.Records("retired_secret.seen"), "the world looks through the records when the test ends")
}
