package verify_test

import (
	"encoding/json"
	"testing"
	"time"

	"github.com/stretchr/testify/require"

	"github.com/rekey-dev/rekey/pkg/apikey"
	"github.com/rekey-dev/rekey/pkg/audit"
	"github.com/rekey-dev/rekey/pkg/httpapi/httpapitest"
	"github.com/rekey-dev/rekey/pkg/permission"
	"github.com/rekey-dev/rekey/pkg/rekeytest"
	"github.com/rekey-dev/rekey/pkg/role"
	"github.com/rekey-dev/rekey/pkg/token"
	"github.com/rekey-dev/rekey/pkg/usage"
)

// asks is a body of POST /verify.
type asks struct {
	Secret    string  `json:"secret"`
	Require   *string `json:"require,omitempty"`
	SourceIP  string  `json:"source_ip,omitempty"`
	UserAgent string  `json:"user_agent,omitempty"`
	Route     string  `json:"route,omitempty"`
}

func (a asks) request() httpapitest.Request {
	text, err := json.Marshal(a)
	if err != nil {
		panic(err)
	}
	return httpapitest.Request{Method: "POST", Resource: "/verify", Body: string(text)}
}

// world is a deployment with a gateway in its company and a recordings API at the node above.
type world struct {
	*httpapitest.World
	gateway token.Secret
}

func newWorld(t *testing.T) *world {
	w := &world{World: httpapitest.New(t)}
	w.Register(rekeytest.Recordings(w.Below))
	w.gateway = w.Issue(w.AccountWith("gateway", w.Company, role.Automation).ID, "gateway").Secret
	return w
}

func (w *world) ask(a asks) map[string]any {
	w.T.Helper()
	out := w.Call(w.gateway, a.request())
	require.Equal(w.T, 200, out.Status, out.Body)
	return out.JSON(w.T)
}

func of(s token.Secret, query string) asks {
	a := asks{Secret: s.Reveal(), SourceIP: rekeytest.Home}
	if query != "" {
		a.Require = &query
	}
	return a
}

func (w *world) key(scopes ...string) apikey.Shown {
	w.T.Helper()
	return w.IssueWith(w.AccountWith(w.Now().Format(time.RFC3339Nano), w.Company, role.Integration).ID, apikey.Issue{Name: "k", Scopes: &scopes})
}

func TestSamples_OfVerifyAreAnswered(t *testing.T) {
	w := newWorld(t)
	got := w.Send(w.Sample("verify-verify.json", "PRESENTED", w.key("keys:read", "recordings:read").Secret.Reveal()))
	require.Equal(t, 200, got.Status, got.Body)
	require.Equal(t, true, got.JSON(t)["valid"])
}

func TestVerify_TellsWhoseKeyItIsAndWhatItIsGoodFor_B12(t *testing.T) {
	w := newWorld(t)
	k := w.key("keys:read", "recordings:read")
	got := w.ask(of(k.Secret, "keys:read and (recordings:delete or recordings:read)"))
	require.Equal(t, map[string]any{"valid": true, "code": "ok", "status": "active", "key_id": string(k.View.Key.ID),
		"principal": map[string]any{"id": string(k.View.Account.ID), "type": "service_account", "name": k.View.Account.Name},
		"scopes":    []any{"keys:read", "recordings:read"}, "missing": []any{}, "expires_at": nil, "superseded": false}, got)
	require.Equal(t, true, w.ask(of(k.Secret, ""))["valid"], "without a condition any accepted key will do")
}

func TestVerify_ASessionIsItsEmployeesAndInsideACompanyNoMoreThanThat_B12_W6(t *testing.T) {
	w := newWorld(t)
	w.gateway = w.Owner.Secret
	session := w.SignsIn(w.Enrol(w.Admin))
	got := w.ask(of(session, "nodes:create"))
	require.Equal(t, map[string]any{"id": string(w.Admin.Employee.ID), "type": "employee", "name": w.Admin.Employee.Name()}, got["principal"])
	require.Equal(t, "ok", got["code"])
	inside := w.Inside(session, w.Company)
	require.Equal(t, "ok", w.ask(of(inside, "keys:issue"))["code"])
	got = w.ask(of(inside, "nodes:create"))
	require.Equal(t, "missing_permission", got["code"])
	require.NotContains(t, got["scopes"], "nodes:create")
}

func TestVerify_SaysWhatIsMissingAndWhetherAKeyCanHelp_B12(t *testing.T) {
	w := newWorld(t)
	k := w.key("keys:read")
	for query, want := range map[string]struct {
		code    string
		missing []any
	}{
		"recordings:read":                                {"missing_scope", []any{"recordings:read"}},
		"keys:read AND recordings:export":                {"missing_scope", []any{"recordings:export"}},
		"recordings:delete":                              {"missing_permission", []any{"recordings:delete"}},
		"recordings:read AND recordings:delete":          {"missing_permission", []any{"recordings:read", "recordings:delete"}},
		"recordings:delete AND nodes:read OR keys:issue": {"missing_permission", []any{"keys:issue"}},
		"recordings:none":                                {"missing_permission", []any{"recordings:none"}},
		"alerts:read":                                    {"missing_permission", []any{"alerts:read"}},
	} {
		got := w.ask(of(k.Secret, query))
		require.Equal(t, false, got["valid"], query)
		require.Equal(t, want.code, got["code"], query)
		require.Equal(t, want.missing, got["missing"], query)
		require.Equal(t, "active", got["status"], query)
	}
	owner := w.Call(w.Owner.Secret, of(w.Owner.Secret, "recordings:delete AND keys:issue").request()).JSON(t)
	require.Equal(t, false, owner["valid"], "the API does not stand at the owner's place or above")
	below := w.Call(w.Owner.Secret, of(w.BelowAdmin.Secret, "recordings:delete AND keys:issue").request()).JSON(t)
	require.Equal(t, true, below["valid"])
	require.Equal(t, "employee", below["principal"].(map[string]any)["type"])
}

func TestVerify_SaysWhyASecretIsNotAccepted_B12(t *testing.T) {
	w := newWorld(t)
	k := w.key("recordings:read")
	retired := k.Secret
	now := w.Regenerate(k.View.Key.ID)
	refused := func(a asks, status string, known bool) {
		t.Helper()
		got := w.ask(a)
		require.Equal(t, false, got["valid"])
		require.Equal(t, "unauthorized", got["code"])
		require.Equal(t, status, got["status"])
		require.Equal(t, known, got["key_id"] != nil)
		require.Equal(t, known, got["principal"] != nil)
		require.Empty(t, got["scopes"])
		require.Empty(t, got["missing"])
	}
	refused(of(retired, "keys:issue"), "retired", true)
	refused(of(w.Wrong(now.Secret), "recordings:read"), "unknown", false)
	refused(asks{Secret: "rka_nonsense"}, "malformed", false)
	refused(asks{}, "malformed", false)
	_, err := w.World.Keys.Deactivate(w.Ctx, w.As(w.Owner), k.View.Key.ID)
	require.NoError(t, err)
	refused(of(now.Secret, ""), "inactive", true)
	w.Suspend(w.Company, true)
	other := w.Issue(w.AccountWith("node's", w.Below, role.Automation).ID, "k")
	got := w.Call(other.Secret, of(now.Secret, "").request()).JSON(t)
	require.Equal(t, "company_suspended", got["status"])
	w.Suspend(w.Company, false)
	_, err = w.World.Keys.Revoke(w.Ctx, w.As(w.Owner), k.View.Key.ID, "", "")
	require.NoError(t, err)
	refused(of(now.Secret, ""), "revoked", true)
}

func TestVerify_AKeyOutsideTheCallersPlaceIsUnknownAndUntouched_B12(t *testing.T) {
	w := newWorld(t)
	for _, at := range []struct {
		name string
		k    apikey.Shown
	}{{"a stranger's", w.Issue(w.Account("Globex", w.Stranger).ID, "k")}, {"the node's above", w.Issue(w.Account("node", w.Below).ID, "k")}} {
		before, count := w.Key(at.k.View.Key.ID), len(w.Mem.Events())
		for _, s := range []token.Secret{at.k.Secret, w.Wrong(at.k.Secret)} {
			for range 12 {
				got := w.ask(of(s, ""))
				require.Equal(t, []any{false, "unknown", nil, nil}, []any{got["valid"], got["status"], got["key_id"], got["principal"]}, at.name)
			}
		}
		require.Equal(t, before, w.Key(at.k.View.Key.ID))
		require.Zero(t, w.ReadAccount(at.k.View.Account.ID).Lock.Failures, "nobody counts against strangers in another's name")
		require.Len(t, w.Mem.Events(), count)
		w.Wins(at.k.Secret)
	}
	require.Equal(t, "unknown", w.ask(of(w.Owner.Secret, ""))["status"])
}

func TestVerify_IsAUseOfTheKey_B12_D3_B4(t *testing.T) {
	w := newWorld(t)
	k := w.key("recordings:read")
	a := of(k.Secret, "")
	a.Route, a.UserAgent = "GET /orders/{id}", "exporter/2.1\n"+k.Secret.Reveal()
	w.ask(a)
	w.JustUsed(w.Key(k.View.Key.ID).LastUsedAt)
	require.Len(t, w.Records(audit.KeyFirstUsed), 1)
	a.Require = new(string)
	*a.Require = "recordings:write"
	w.ask(a)
	a.Route, a.Require, a.UserAgent = "", nil, ""
	w.ask(a)
	rows, err := usage.Since(w.Ctx, w.Mem, k.View.Key.ID, w.Now().Add(-time.Hour), w.Now().Add(time.Second))
	require.NoError(t, err)
	seen := map[string]usage.Row{}
	for _, r := range rows {
		seen[r.API+" "+r.Method+" "+r.Route+" "+string(r.Verdict)] = r
	}
	require.Len(t, seen, 3)
	require.Contains(t, seen, "verify GET /orders/{id} missing_scope")
	require.Contains(t, seen, "verify ANY * accepted")
	row := seen["verify GET /orders/{id} accepted"]
	require.Equal(t, rekeytest.Home, row.Source)
	require.Equal(t, "exporter/2.1?[redacted]", row.UserAgent)
}

func TestVerify_WrongSecretsCountAsTheSourceThatTheGatewayNames_B12_B2(t *testing.T) {
	w := newWorld(t)
	k := w.key("recordings:read")
	w.ask(of(k.Secret, "")) // Home is trusted from here on
	for range 10 {
		wrong := of(w.Wrong(k.Secret), "")
		wrong.SourceIP = rekeytest.Away
		w.ask(wrong)
	}
	require.True(t, w.ReadAccount(k.View.Account.ID).Lock.Locked(w.Now()))
	require.Equal(t, true, w.ask(of(k.Secret, ""))["valid"], "strangers do not lock out who is trusted")
	stranger := of(k.Secret, "")
	stranger.SourceIP = rekeytest.Away
	got := w.ask(stranger)
	require.Equal(t, []any{false, "locked"}, []any{got["valid"], got["status"]})
	for range 10 {
		w.ask(of(w.Wrong(k.Secret), ""))
	}
	require.Equal(t, "locked", w.ask(of(k.Secret, ""))["status"], "its own wrong secrets lock a trusted source")
}

func TestVerify_WithoutTheirSourceWrongSecretsDoNotLockOutTheGateway_B12_B2(t *testing.T) {
	w := newWorld(t)
	k := w.key("recordings:read")
	right, wrong := asks{Secret: k.Secret.Reveal()}, asks{Secret: w.Wrong(k.Secret).Reveal()}
	require.Equal(t, true, w.ask(right)["valid"])
	for range 25 {
		require.Equal(t, "unknown", w.ask(wrong)["status"])
	}
	account := w.ReadAccount(k.View.Account.ID)
	require.True(t, account.Lock.Locked(w.Now()), "they count")
	require.Equal(t, 10, account.Lock.Failures, "each once")
	require.Equal(t, true, w.ask(right)["valid"])
	other := w.Issue(w.AccountWith("second gateway", w.Company, role.Automation).ID, "k").Secret
	got := w.Call(other, right.request()).JSON(t)
	require.Equal(t, "locked", got["status"], "a gateway through which no right secret has come is a stranger")
}

func TestVerify_WhatIsAskedWrongIsNamedByItsPointer_B12(t *testing.T) {
	w := newWorld(t)
	k := w.key("recordings:read")
	for _, query := range []string{"", " ", "keys:eat", "keys:read AND", "(keys:read", "keys:read; audit:read", "*:read"} {
		a := of(k.Secret, "")
		a.Require = &query
		w.Call(w.gateway, a.request()).Invalid(t, "/require")
	}
	a := of(k.Secret, "")
	a.SourceIP = "192.0.2.1:80"
	w.Call(w.gateway, a.request()).Invalid(t, "/source_ip")
	a = of(k.Secret, "")
	a.Route = "GET /ö"
	w.Call(w.gateway, a.request()).Invalid(t, "/route")
	w.Call(w.gateway, httpapitest.Request{Method: "POST", Resource: "/verify", Body: `{"source_ip":"192.0.2.1"}`}).Invalid(t, "/secret")
	require.True(t, w.Key(k.View.Key.ID).LastUsedAt.IsZero())
}

func TestVerify_NeedsThePermissionAndDecidesAnewEachTime_B12(t *testing.T) {
	w := newWorld(t)
	k := w.key("recordings:read")
	w.Call(w.Viewer.Secret, of(k.Secret, "").request()).Problem(t, 403, "missing_permission")
	_, narrow := w.PAT(w.Owner, permission.Of(permission.KeysRead))
	require.Equal(t, "keys:verify", w.Call(narrow, of(k.Secret, "").request()).Problem(t, 403, "missing_scope")["missing_scope"])

	r := of(k.Secret, "").request()
	r.Header = map[string]string{"Idempotency-Key": "once"}
	require.Equal(t, true, w.Call(w.gateway, r).JSON(t)["valid"])
	_, err := w.World.Keys.Revoke(w.Ctx, w.As(w.Owner), k.View.Key.ID, "", "")
	require.NoError(t, err)
	require.Equal(t, false, w.Call(w.gateway, r).JSON(t)["valid"], "no verdict is kept")

	w.Gateways.Hold = true
	w.Call(w.gateway, r).Problem(t, 503, "unavailable")
	w.Gateways.Hold = false
	c := w.Caller(w.gateway)
	r.Caller = &c
	w.Mem.Break(true)
	w.Do(r).Problem(t, 503, "unavailable")
	w.Mem.Break(false)
}
