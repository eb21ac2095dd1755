package httpapi_test

import (
	"fmt"
	"strings"
	"testing"
	"time"

	"github.com/stretchr/testify/require"

	"github.com/rekey-dev/rekey/pkg/fault"
	"github.com/rekey-dev/rekey/pkg/httpapi/httpapitest"
	"github.com/rekey-dev/rekey/pkg/permission"
	"github.com/rekey-dev/rekey/pkg/role"

	"github.com/rekey-dev/rekey/pkg/authz"
)

// failing answers with an error of the operation.
func failing(t *testing.T, err error) httpapitest.Response {
	t.Helper()
	th := &things{do: func(callOf, any) error { return err }}
	return as("GET", "/things/{id}").Do(t, th.api())
}

// The statuses of the API's documentation.
var statuses = map[int][]fault.Kind{
	400: {fault.Malformed},
	401: {fault.Unauthorized},
	403: {fault.MissingScope, fault.MissingPermission, fault.NotGrantable, fault.APINotRegistered},
	404: {fault.NotFound},
	413: {fault.PayloadTooLarge},
	415: {fault.UnsupportedMediaType},
	409: {fault.Conflict, fault.InUse, fault.RotationOpen, fault.GatewayOwned, fault.CompanySuspended, fault.AlreadySetUp, fault.LastOwner,
		fault.LastCredential, fault.StaleSecret, fault.LimitReached, fault.Ended},
	412: {fault.PreconditionFailed},
	422: {fault.Invalid, fault.IdempotencyMismatch},
	429: {fault.TooManyRequests},
	500: {fault.Internal},
	503: {fault.Unavailable},
}

func TestProblem_EveryKindOfFaultHasItsStatus(t *testing.T) {
	seen := 0
	for status, kinds := range statuses {
		for _, kind := range kinds {
			seen++
			p := failing(t, fault.New(kind, "what happened")).Problem(t, status, string(kind))
			if kind != fault.Internal {
				require.Equal(t, "what happened", p["detail"])
			}
			wrapped := failing(t, fmt.Errorf("somewhere: %w", fault.New(kind, "")))
			require.NotContains(t, wrapped.Problem(t, status, string(kind))["detail"], "somewhere")
		}
	}
	require.Len(t, fault.Kinds, seen)
}

func TestProblem_A403AlwaysNamesWhatIsMissing_D5(t *testing.T) {
	p := failing(t, authz.Caller{Role: permission.All}.Holds(permission.KeysIssue)).Problem(t, 403, "missing_scope")
	require.Equal(t, "keys:issue", p["missing_scope"])
	require.Equal(t, "", p["missing_permission"])
	require.Equal(t, "This key lacks keys:issue, which its account's role has. Issue a key with it, deploy it, then revoke this one.", p["detail"])
	p = failing(t, authz.Caller{RoleID: role.Viewer}.Holds(permission.KeysIssue)).Problem(t, 403, "missing_permission")
	require.Equal(t, "", p["missing_scope"])
	require.Equal(t, "keys:issue", p["missing_permission"])
	require.Equal(t, "The role role_BuiltinViewer0000000 lacks keys:issue; another key will not help.", p["detail"])
	p = failing(t, fault.New(fault.NotGrantable, "no")).Problem(t, 403, "not_grantable")
	require.Equal(t, "", p["missing_scope"])
	require.Equal(t, "", p["missing_permission"])
	p = failing(t, fault.New(fault.Conflict, "no")).Problem(t, 409, "conflict")
	for _, member := range []string{"missing_scope", "missing_permission", "errors", "blocked_by"} {
		require.NotContains(t, p, member)
	}
}

func TestProblem_A401IsStaticAndAsksForABearer_D12(t *testing.T) {
	got := failing(t, fault.New(fault.Unauthorized, ""))
	p := got.Problem(t, 401, "unauthorized")
	require.Equal(t, "Bearer", got.Header["Www-Authenticate"])
	require.Equal(t, "This key was not accepted: it may be mistyped, rotated, revoked, expired or locked. Its holder can learn which with "+
		"POST …/v1/key-status. If it was just replaced, restart the client or reload its secret store. A wrong scope would be a 403.", p["detail"])
}

func TestProblem_RetryAfterIsInWholeSecondsAndAtLeastOne(t *testing.T) {
	for after, want := range map[time.Duration]string{0: "1", time.Millisecond: "1", time.Second: "1", 1001 * time.Millisecond: "2", time.Minute: "60"} {
		require.Equal(t, want, failing(t, &fault.Error{Kind: fault.Unavailable, RetryAfter: after}).Header["Retry-After"])
		require.Equal(t, want, failing(t, &fault.Error{Kind: fault.TooManyRequests, RetryAfter: after}).Header["Retry-After"])
	}
	require.NotContains(t, failing(t, fault.New(fault.Conflict, "no")).Header, "Retry-After")
}

func TestProblem_WhatStandsInTheWayIsCountedAndTenOfItNamed(t *testing.T) {
	ids := strings.Fields(strings.Repeat("key_00000000000000000001 ", 12))
	p := failing(t, &fault.Error{Kind: fault.InUse, BlockedBy: []fault.Blocker{{Type: "key", Count: 12, IDs: ids}, {Type: "app", Count: 1}}}).
		Problem(t, 409, "in_use")
	blocked := p["blocked_by"].([]any)
	require.Len(t, blocked[0].(map[string]any)["ids"], 10)
	require.EqualValues(t, 12, blocked[0].(map[string]any)["count"])
	require.Equal(t, []any{}, blocked[1].(map[string]any)["ids"])
}

func TestProblem_NothingInternalReachesTheCallerAndAllOfItTheLogButTheSecret_D2(t *testing.T) {
	for _, err := range []error{errInternal, &fault.Error{Kind: fault.Internal, Detail: "detail", Cause: errInternal},
		&fault.Error{Kind: fault.Unavailable, Detail: "try again", Cause: errInternal}} {
		th := &things{do: func(callOf, any) error { return err }}
		got := as("GET", "/things/{id}").Do(t, th.api())
		require.GreaterOrEqual(t, got.Status, 500)
		require.NotContains(t, got.Body, "Identity")
		require.NotContains(t, got.Body, "7Hq2")
		require.Contains(t, th.log.String(), "table Identity: secret [redacted] in item")
		require.NotContains(t, th.log.String(), "abcdef")
	}
	got := failing(t, fault.InvalidField("/a/"+secretLike, "is not "+secretLike))
	got.Invalid(t, "/a/[redacted]")
	require.NotContains(t, got.Body, secretLike[25:50])
	require.NotContains(t, failing(t, fault.New(fault.Conflict, secretLike)).Body, secretLike[25:50])
}

func TestProblem_APanicIsAnInternalErrorWithoutDetail(t *testing.T) {
	th := &things{do: func(callOf, any) error { panic("index 7 of " + secretLike) }}
	got := as("GET", "/things/{id}").Do(t, th.api())
	got.Problem(t, 500, "internal")
	require.NotContains(t, got.Body, "index")
	require.Contains(t, th.log.String(), "index 7 of [redacted]")
	require.Contains(t, th.log.String(), "things_test.go", "where it was")
	require.Equal(t, 1, strings.Count(th.log.String(), "\n"), "one record")
}
