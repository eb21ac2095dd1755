package main

import (
	"encoding/json"
	"slices"
	"strings"
	"testing"

	"github.com/stretchr/testify/require"

	"github.com/rekey-dev/rekey/infra"
	"github.com/rekey-dev/rekey/pkg/authorizer"
)

// open stands for the permission of a route that wants no caller, anyone for that of one that wants just one.
const (
	open   = "public"
	anyone = ""
)

// contract is what the API promises: which permission each route needs. It is kept by hand, on purpose.
var contract = strings.TrimSpace(`
GET /health                                  public
GET /openapi.json                            public
POST /setup                                  public
GET /me                                      signed in
POST /me/key/rotate                          keys:rotate_self
POST /key-status                             public
POST /keys/self-revoke                       public
GET /service-accounts                        service_accounts:read
POST /service-accounts                       service_accounts:create
GET /service-accounts/{id}                   service_accounts:read
PATCH /service-accounts/{id}                 service_accounts:update
DELETE /service-accounts/{id}                service_accounts:delete
POST /service-accounts/{id}/revoke           service_accounts:delete
POST /service-accounts/{id}/rotate           service_accounts:rotate
POST /service-accounts/{id}/unlock           keys:unlock
GET /service-accounts/{id}/keys              keys:read
POST /service-accounts/{id}/keys             keys:issue
GET /service-accounts/{id}/effective-policy  policies:read
GET /keys                                    keys:read
GET /keys/{id}                               keys:read
PATCH /keys/{id}                             keys:issue
POST /keys/{id}/revoke                       keys:revoke
POST /keys/{id}/deactivate                   keys:revoke
POST /keys/{id}/activate                     keys:issue
POST /keys/{id}/regenerate                   service_accounts:rotate
POST /keys/{id}/rotate                       service_accounts:rotate
GET /keys/{id}/usage                         keys:read
GET /nodes                                   nodes:read
POST /nodes                                  nodes:create
GET /nodes/{id}                              nodes:read
PATCH /nodes/{id}                            nodes:update
DELETE /nodes/{id}                           nodes:delete
GET /permissions                             signed in
GET /roles                                   roles:read
POST /roles                                  roles:create
GET /roles/{id}                              roles:read
PATCH /roles/{id}                            roles:update
DELETE /roles/{id}                           roles:delete
GET /employees                               employees:read
POST /employees                              employees:invite
GET /employees/{id}                          employees:read
PATCH /employees/{id}                        employees:update
DELETE /employees/{id}                       employees:delete
POST /employees/{id}/resend-invitation       employees:invite
POST /employees/{id}/revoke-invitation       employees:invite
POST /employees/{id}/reset-second-factor     employees:reset_second_factor
POST /sessions/challenges                    public
POST /sessions                               public
GET /sessions                                signed in
DELETE /sessions/{id}                        signed in
POST /credentials/challenges                 public
POST /credentials/with-code                  public
POST /credentials/codes                      signed in
GET /employees/{id}/credentials              signed in
POST /employees/{id}/credentials             signed in
GET /credentials/{id}                        signed in
DELETE /credentials/{id}                     signed in
GET /personal-access-tokens                  signed in
POST /personal-access-tokens                 signed in
GET /personal-access-tokens/{id}             signed in
DELETE /personal-access-tokens/{id}          signed in
GET /packages                                billing:read
GET /usage                                   billing:read
GET /companies                               companies:read
POST /companies                              companies:create
GET /companies/{id}                          companies:read
PATCH /companies/{id}                        companies:update
DELETE /companies/{id}                       companies:delete
POST /companies/{id}/suspend                 companies:suspend
POST /companies/{id}/resume                  companies:suspend
POST /companies/{id}/assume                  companies:assume
GET /protected-apis                          protected_apis:read
POST /protected-apis                         protected_apis:manage
GET /protected-apis/{id}                     protected_apis:read
PATCH /protected-apis/{id}                   protected_apis:manage
DELETE /protected-apis/{id}                  protected_apis:manage
POST /verify                                 keys:verify
GET /rotations                               rotations:read
GET /rotations/{id}                          rotations:read
GET /rotations/{id}/report                   rotations:read
POST /rotations/{id}/complete                rotations:manage
POST /rotations/{id}/cancel                  rotations:manage
POST /rotations/{id}/extend                  rotations:manage
GET /rotation-policies                       policies:read
POST /rotation-policies                      policies:manage
GET /rotation-policies/{id}                  policies:read
PATCH /rotation-policies/{id}                policies:manage
DELETE /rotation-policies/{id}               policies:manage
GET /rotation-policies/{id}/preview          policies:read
GET /calendars                               policies:read
POST /calendars                              policies:manage
GET /calendars/{id}                          policies:read
PATCH /calendars/{id}                        policies:manage
DELETE /calendars/{id}                       policies:manage
GET /audit-events                            audit:read
GET /audit-events/{id}                       audit:read
`)

// promised is the contract by route: a permission, "public", or "" for whoever is signed in.
func promised(t *testing.T) map[string]string {
	t.Helper()
	out := map[string]string{}
	for line := range strings.SplitSeq(contract, "\n") {
		words := strings.Fields(line)
		require.GreaterOrEqual(t, len(words), 3, line)
		route, needs := words[0]+" "+words[1], strings.Join(words[2:], " ")
		require.NotContains(t, out, route)
		if out[route] = needs; needs == "signed in" {
			out[route] = anyone
		}
	}
	return out
}

func TestRoutes_NeedThePermissionsOfTheContract_W2_D11(t *testing.T) {
	registered := map[string]string{}
	for _, r := range everything().Routes() {
		registered[r.Method+" "+r.Path] = string(r.Permission)
		if r.Public {
			registered[r.Method+" "+r.Path] = open
		}
	}
	require.Equal(t, promised(t), registered)
}

func TestDocument_SaysOfEveryRouteWhatTheContractSays_W2(t *testing.T) {
	var document struct {
		Paths map[string]map[string]struct {
			Permission string `json:"x-permission"`
			Security   []any  `json:"security"`
		} `json:"paths"`
	}
	require.NoError(t, json.Unmarshal(infra.OpenAPI, &document))
	documented := map[string]string{}
	for path, item := range document.Paths {
		for method, op := range item {
			route := strings.ToUpper(method) + " " + path
			documented[route] = op.Permission
			if len(op.Security) == 0 {
				require.Empty(t, op.Permission, route)
				documented[route] = open
			}
		}
	}
	require.Equal(t, promised(t), documented)
}

// The authorizer guards every route that is not public, with the permission that it needs, and knows no other.
func TestAuthorizer_GuardsExactlyTheRoutesOfTheContract_P4(t *testing.T) {
	want := promised(t)
	for route, needs := range want {
		method, path, _ := strings.Cut(route, " ")
		got, guarded := authorizer.Needs(method, path)
		require.Equal(t, needs != open, guarded, route)
		if guarded {
			require.EqualValues(t, needs, got, route)
		}
	}
	var lines []string
	for line := range strings.SplitSeq(strings.TrimSuffix(string(authorizer.Routes), "\n"), "\n") {
		route, _, _ := strings.Cut(line, "\t")
		require.Contains(t, want, route)
		require.NotEqual(t, open, want[route], route)
		lines = append(lines, route)
	}
	require.Len(t, slices.Compact(slices.Sorted(slices.Values(lines))), len(lines), "a route is guarded twice")
}

// What the gateway lets pass without asking is what the contract calls public, and nothing else.
func TestTemplate_AsksTheAuthorizerAboutWhatTheContractDoesNotCallPublic_P4(t *testing.T) {
	deployed := map[string]bool{}
	for _, r := range inTemplate(t) {
		deployed[r.method+" "+r.path] = r.public
	}
	want := map[string]bool{}
	for route, needs := range promised(t) {
		want[route] = needs == open
	}
	require.Equal(t, want, deployed)
}
