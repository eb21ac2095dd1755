package fault_test

import (
	"errors"
	"fmt"
	"testing"
	"time"

	"github.com/stretchr/testify/require"

	"github.com/rekey-dev/rekey/pkg/fault"
)

func TestKinds_AreTheCodesOfTheAPI(t *testing.T) {
	require.ElementsMatch(t, []fault.Kind{
		"malformed_request", "unauthorized", "missing_scope", "missing_permission", "not_grantable", "api_not_registered", "not_found",
		"payload_too_large", "unsupported_media_type", "conflict", "in_use", "rotation_open", "gateway_owned", "company_suspended",
		"already_set_up", "last_owner", "last_credential", "stale_secret", "limit_reached", "ended", "precondition_failed", "invalid",
		"idempotency_mismatch", "too_many_requests", "internal", "unavailable",
	}, fault.Kinds)
}

func TestKindOf_FindsTheFaultInAChain(t *testing.T) {
	f := fault.New(fault.Conflict, "Taken.")
	require.Equal(t, fault.Conflict, fault.KindOf(f))
	require.Equal(t, fault.Conflict, fault.KindOf(fmt.Errorf("issue: %w", f)))
	require.Equal(t, fault.Conflict, fault.KindOf(errors.Join(errors.New("other"), f)))
	require.Equal(t, fault.Internal, fault.KindOf(errors.New("boom")))
	require.True(t, fault.Is(f, fault.Conflict))
	require.False(t, fault.Is(f, fault.Internal))
	require.False(t, fault.Is(nil, fault.Internal), "no error is of no kind")
	require.True(t, fault.Is(errors.New("boom"), fault.Internal))
}

func TestError_SaysAllOfItForLogs(t *testing.T) {
	cause := errors.New("connection refused")
	f := &fault.Error{Kind: fault.Invalid, Detail: "Wrong.", Fields: []fault.Field{{"/name", "is empty"}, {"/tags/0", "is too long"}}, Cause: cause}
	require.Equal(t, "invalid: Wrong. [/name: is empty] [/tags/0: is too long]: connection refused", f.Error())
	require.Equal(t, "internal", (&fault.Error{Kind: fault.Internal}).Error())
	require.ErrorIs(t, f, cause)
}

func TestDown_MayBeRetriedAndHidesItsCause(t *testing.T) {
	f := fault.Down(errors.New("table Identity-4711 throttled"))
	require.Equal(t, fault.Unavailable, f.Kind)
	require.GreaterOrEqual(t, f.RetryAfter, time.Second)
	require.NotContains(t, f.Detail, "4711")
}

func TestInvalid_NamesTheMembers(t *testing.T) {
	f := fault.InvalidField("/scopes/0", "is unknown")
	require.Equal(t, fault.Invalid, f.Kind)
	require.Equal(t, []fault.Field{{Pointer: "/scopes/0", Detail: "is unknown"}}, f.Fields)
	require.NoError(t, fault.InvalidFields(nil))
	err := fault.InvalidFields(f.Fields)
	require.True(t, fault.Is(err, fault.Invalid))
	var all *fault.Error
	require.ErrorAs(t, err, &all)
	require.Equal(t, f.Fields, all.Fields)
}

func TestMissing_IsOneAnswerToAbsenceAndInvisibility(t *testing.T) {
	require.Equal(t, fault.NotFound, fault.Missing("key").Kind)
	require.Equal(t, "There is no such key, or you may not see it.", fault.Missing("key").Detail)
}
