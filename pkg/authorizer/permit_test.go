package authorizer_test

import (
	"encoding/json"
	"regexp"
	"strings"
	"testing"
	"time"

	"github.com/stretchr/testify/require"

	"github.com/rekey-dev/rekey/pkg/apikey"
	"github.com/rekey-dev/rekey/pkg/audit"
	"github.com/rekey-dev/rekey/pkg/authz"
	"github.com/rekey-dev/rekey/pkg/fault"
	"github.com/rekey-dev/rekey/pkg/id"
	"github.com/rekey-dev/rekey/pkg/memstore"
	"github.com/rekey-dev/rekey/pkg/permission"
	"github.com/rekey-dev/rekey/pkg/place"
	"github.com/rekey-dev/rekey/pkg/rekeytest"
	"github.com/rekey-dev/rekey/pkg/role"
	"github.com/rekey-dev/rekey/pkg/serviceaccount"
	"github.com/rekey-dev/rekey/pkg/verify"
)

func TestInvoke_ANarrowerKeyIsDeniedWithTheMissingScopesName_D5_D12(t *testing.T) {
	g := newGate(t)
	a := g.Account("Recorder", g.Company)
	wide := g.Issue(a.ID, "wide")
	narrow := g.IssueWith(a.ID, apikey.Issue{Name: "narrow", Scopes: rekeytest.Of(permission.AppsManage)})
	none := g.IssueWith(a.ID, apikey.Issue{Name: "none", Scopes: rekeytest.Of()})
	g.allows(of("GET /keys/{id}", wide.Secret))
	for _, k := range []apikey.Shown{narrow, none} {
		d := g.denies(of("GET /keys/{id}", k.Secret))
		require.Equal(t, map[string]string{"code": "missing_scope", "problem": "missing-scope", "title": "The key lacks a scope",
			"detail":        "This key lacks keys:read, which its account's role has. Issue a key with it, deploy it, then revoke this one.",
			"missing_scope": "keys:read", "missing_permission": ""}, d.Context)
		require.Equal(t, verify.Forbidden, g.last().Class)
		require.Equal(t, fault.MissingScope, g.last().Code)
		require.Equal(t, "keys:read", g.last().Lacks)
		g.allows(of("GET /me", k.Secret))
	}
}

func TestInvoke_ARoleWithoutThePermissionIsDeniedWithItsName_D12(t *testing.T) {
	g := newGate(t)
	k := g.Issue(g.Account("Recorder", g.Company).ID, "k")
	d := g.denies(of("GET /nodes", k.Secret))
	require.Equal(t, "missing_permission", d.Context["code"])
	require.Equal(t, "nodes:read", d.Context["missing_permission"])
	require.Empty(t, d.Context["missing_scope"])
	require.Equal(t, "The role role_BuiltinAutomation000 lacks nodes:read; another key will not help.", d.Context["detail"])
}

func TestInvoke_ASessionInsideACompanyIsNotToldToChangeARoleThatHasThePermission_D12_W6(t *testing.T) {
	g := newGate(t)
	g.CustomRole("role_00000000000000000077", permission.CompaniesAssume, permission.KeysRead, permission.NodesRead)
	p := g.Hire("Custom", g.Root, "role_00000000000000000077")
	inside := g.Inside(p.Secret, g.Company)
	lacks := func(route, lacking, detail string) {
		t.Helper()
		d := g.denies(of(route, inside))
		require.Equal(t, map[string]string{"code": "missing_permission", "problem": "missing-permission", "title": d.Context["title"],
			"detail": detail, "missing_scope": "", "missing_permission": lacking}, d.Context)
	}
	const never = "This session is inside one company and cannot do nodes:read there. Use the credential that opened it."
	g.allows(of("GET /keys/{id}", inside))
	lacks("GET /nodes", "nodes:read", never)
	lacks("GET /rotations", "rotations:read", "The role role_00000000000000000077 lacks rotations:read; another key will not help.")
	g.CustomRole("role_00000000000000000077", permission.KeysRead, permission.NodesRead)
	lacks("GET /keys/{id}", "keys:read", "The role role_00000000000000000077 lacks companies:assume or keys:read; a session inside a company needs both.")
	lacks("GET /nodes", "nodes:read", never)
}

func TestInvoke_ANarrowTokenIsNotToldOfAnAccount_D12(t *testing.T) {
	g := newGate(t)
	_, narrow := g.PAT(g.Admin, permission.Of(permission.KeysRead, permission.CompaniesAssume))
	d := g.denies(of("GET /nodes", narrow))
	require.Equal(t, "missing_scope", d.Context["code"])
	require.Equal(t, "nodes:read", d.Context["missing_scope"])
	require.Equal(t, "This token lacks nodes:read, which its employee's role has. Make a token with it, or sign in with a passkey.", d.Context["detail"])
	d = g.denies(of("GET /rotations", g.Inside(narrow, g.Company)))
	require.Equal(t, "This session lacks rotations:read, which its employee's role has. Make a token with it, or sign in with a passkey.", d.Context["detail"])
}

func TestInvoke_ADenialIsAUseOfTheKey_D3(t *testing.T) {
	g := newGate(t)
	k := g.Issue(g.Account("Recorder", g.Company).ID, "k")
	for _, r := range []request{of("GET /nodes", k.Secret), {route: "GET /me", headers: of("", k.Secret).headers, foreign: true}} {
		g.Advance(time.Minute)
		g.denies(r)
		g.JustUsed(g.Key(k.View.Key.ID).LastUsedAt)
	}
	require.Len(t, g.Records(audit.KeyFirstUsed), 1)
}

func TestInvoke_AnAPIThatIsNotRegisteredIsDenied_P4(t *testing.T) {
	g := newGate(t)
	for _, k := range []request{of("GET /me", key(t, g)), of("GET /nodes", g.Owner.Secret)} {
		k.foreign = true
		d := g.denies(k)
		require.Equal(t, "api_not_registered", d.Context["code"])
		require.Equal(t, fault.APINotRegistered, g.last().Code)
	}
	r := of("GET /me", g.Wrong(g.Owner.Secret))
	r.foreign = true
	g.unauthorized(r)
}

func TestInvoke_ARouteThatIsNotInTheTableIsNeitherAllowedNorARefusalOfTheKey_P4(t *testing.T) {
	g := newGate(t)
	s := key(t, g)
	for _, route := range []string{"GET /unknown", "DELETE /me", "get /me", "GET /me/", "GET /keys/key_7Hq2cXv9LmN4pQr8sT1w"} {
		g.unavailable(of(route, s))
		require.Equal(t, verify.Unavailable, g.last().Class)
	}
}

func TestInvoke_ARefusedKeyManagementIsOnRecordOnceAMinuteKeyAndRoute_D11(t *testing.T) {
	g := newGate(t)
	account := string(g.Account("Recorder", g.Company).ID)
	r := of("POST /service-accounts/{id}/keys", g.Operator.Secret)
	r.id, r.agent = account, "curl/8"
	for range 5 {
		g.denies(r)
	}
	records := denied(g)
	require.Len(t, records, 1)
	e := records[0]
	require.Equal(t, audit.UserUpdated, e.Action)
	require.Equal(t, map[string]any{"change": audit.KeyIssued, "service_account_id": account}, e.Details)
	require.Equal(t, audit.Actor{Type: audit.Employee, ID: string(g.Operator.Employee.ID), Name: "Operator Person",
		KeyID: string(g.Operator.Token.ID), KeyPrefix: g.Operator.Token.Prefix()}, e.Actor)
	require.Equal(t, audit.Target{Type: "service_account", ID: account}, e.Target)
	require.Equal(t, g.Root, e.Place)
	require.Equal(t, rekeytest.Home, e.SourceIP)
	require.Equal(t, "curl/8", e.UserAgent)
	require.Equal(t, "req-1", e.RequestID)
	require.Zero(t, e.Seq)

	other := of("POST /keys/{id}/revoke", g.Operator.Secret)
	other.id = "key_7Hq2cXv9LmN4pQr8sT1w"
	g.denies(other)
	g.denies(of("POST /service-accounts", g.Operator.Secret))
	require.Len(t, denied(g), 3, "one for each route")
	g.Advance(time.Minute)
	g.denies(r)
	require.Len(t, denied(g), 4, "and one for each minute")
	g.allows(of("GET /nodes", g.Operator.Secret))
	g.denies(of("GET /nodes", g.Issue(id.ServiceAccount(account), "k").Secret))
	require.Len(t, denied(g), 4, "a read leaves no record")
}

func denied(g *gate) []audit.Event {
	var out []audit.Event
	for _, e := range g.Mem.Events() {
		if e.Outcome == audit.Denied {
			out = append(out, e)
		}
	}
	return out
}

func TestInvoke_ARefusalsTargetIsTheIDInThePathOrElseTheCallersPlace_D11(t *testing.T) {
	g := newGate(t)
	for i, c := range []struct {
		route, id string
		caller    *rekeytest.Person
		want      audit.Target
	}{
		{"POST /keys/{id}/revoke", "key_7Hq2cXv9LmN4pQr8sT1w", g.Viewer, audit.Target{Type: "key", ID: "key_7Hq2cXv9LmN4pQr8sT1w"}},
		{"POST /keys/{id}/revoke", "nonsense", g.Viewer, audit.Target{Type: "key", ID: "nonsense"}},
		{"POST /keys/{id}/revoke", `"><script>`, g.Viewer, audit.Target{Type: "node", ID: g.Root.ID()}},
		{"POST /keys/{id}/revoke", strings.Repeat("a", 65), g.Viewer, audit.Target{Type: "node", ID: g.Root.ID()}},
		{"POST /service-accounts", "", g.Viewer, audit.Target{Type: "node", ID: g.Root.ID()}},
		{"POST /service-accounts", "", g.Hire("CompanyViewer", g.Company, role.Viewer), audit.Target{Type: "company", ID: g.Company.ID()}},
	} {
		g.Advance(time.Minute)
		r := of(c.route, c.caller.Secret)
		r.id = c.id
		g.denies(r)
		got := denied(g)
		require.Len(t, got, i+1)
		require.Equal(t, c.want, got[i].Target)
	}
}

func TestInvoke_ARefusalThatCannotBeRecordedIsNotAnswered_D11(t *testing.T) {
	for _, mode := range memstore.Modes {
		g := newGate(t)
		r := of("POST /service-accounts", g.Operator.Secret)
		g.Store.Fail(3, mode) // Credential, Snapshot, Deny
		g.unavailable(r)
		require.Equal(t, []string{"Credential", "Snapshot", "Deny"}, g.Store.Calls())
		g.denies(r)
		require.Len(t, denied(g), 1, mode.String())
	}
}

// strict are the characters that the gateway may put into a body as they are. The details of denials, which are rekey's own
// words, have the apostrophe too.
var (
	strict = regexp.MustCompile(`^[A-Za-z0-9_:./ ,;-]*$`)
	words  = regexp.MustCompile(`^[A-Za-z0-9_:./ ,;'-]*$`)
)

func TestInvoke_NoNameGetsAHarmfulCharacterIntoTheContext_P4(t *testing.T) {
	for _, hostile := range []string{`"},"x":{"`, `a"b\c`, "</script>", "${context.authorizer.principal}", "$util.escape()", "Zoë 日本",
		"a\u2028b", strings.Repeat("ü", 100), strings.Repeat("\U0001F511", 100), `%00%0a`, "'; --"} {
		g := newGate(t)
		deep := g.Root
		for range place.MaxDepth - 1 {
			deep = g.Node("n", deep)
		}
		co := g.NewCompany("deep", deep)
		r := g.CustomRole("role_Custom00000000000000", permission.Machine.List()...)
		a := serviceaccount.Account{ID: id.New[id.ServiceAccount](g.Rand), Place: co, Name: hostile, RoleID: r.ID, Status: serviceaccount.Active,
			CreatedAt: g.Now(), UpdatedAt: g.Now(), Version: 1, EventSeq: 1, IssueEpoch: 1}
		g.Commit(g.Happened("service_account", string(a.ID), co, 1), serviceaccount.Create{Account: a})
		k := g.IssueFor(a.ID, "k", 24*time.Hour)
		old := g.Key(k.View.Key.ID)
		renamed := old
		renamed.Name, renamed.Version, renamed.EventSeq = hostile, 2, 2
		g.Commit(g.Happened("key", string(old.ID), co, 2), apikey.Update{Old: old, New: renamed})

		allow := g.allows(of("GET /me", k.Secret))
		size := 0
		for name, value := range allow.Context {
			require.Regexp(t, strict, value, name)
			size += len(name) + len(value)
		}
		require.Less(t, size, 1024, "the context stays under 1 KB")
		caller, err := authz.FromContext(anyOf(allow.Context))
		require.NoError(t, err)
		require.True(t, strings.HasPrefix(hostile, caller.Name), "%q is no beginning of the name", caller.Name)
		require.Equal(t, string(a.ID), caller.ID)
		require.Equal(t, co, caller.Place)

		for _, d := range []answer{g.denies(of("POST /keys/{id}/revoke", k.Secret)), g.denies(request{route: "GET /me", foreign: true,
			headers: of("", k.Secret).headers})} {
			for name, value := range d.Context {
				require.Regexp(t, words, value, name)
			}
		}
	}
}

func anyOf(m map[string]string) map[string]any {
	out := map[string]any{}
	for k, v := range m {
		out[k] = v
	}
	return out
}

func TestInvoke_TheFunctionsReadTheCallerThatTheAuthorizerJudged_P4(t *testing.T) {
	g := newGate(t)
	for _, p := range []*rekeytest.Person{g.Owner, g.Admin, g.Operator, g.Viewer, g.BelowAdmin, g.CompanyAdmin} {
		caller, err := authz.FromContext(anyOf(g.allows(of("GET /me", p.Secret)).Context))
		require.NoError(t, err)
		require.Equal(t, g.Caller(p.Secret), caller)
	}
}

func TestInvoke_AnAnswerIsJSONOfFlatStrings_P4(t *testing.T) {
	g := newGate(t)
	out, err := g.a.Invoke(g.Ctx, of("GET /me", key(t, g)).event(t))
	require.NoError(t, err)
	var flat struct {
		Context map[string]any `json:"context"`
	}
	require.NoError(t, json.Unmarshal(out, &flat))
	for name, value := range flat.Context {
		require.IsType(t, "", value, name)
	}
}
