package rotations_test

import (
	"testing"

	"github.com/stretchr/testify/require"

	"github.com/rekey-dev/rekey/pkg/apikey"
	"github.com/rekey-dev/rekey/pkg/httpapi/httpapitest"
	"github.com/rekey-dev/rekey/pkg/permission"
	"github.com/rekey-dev/rekey/pkg/rekeytest"
)

// Two keys of an account may use the same Idempotency-Key, a date, say: neither is shown the other's successor.
func TestRotateOwn_AnotherKeyOfTheAccountIsNotAnsweredWithTheFirstOnesSecret_B6(t *testing.T) {
	w := httpapitest.New(t)
	a := w.AccountWith("Bridge", w.Company, "role_BuiltinAutomation000")
	wide := w.IssueWith(a.ID, apikey.Issue{Name: "wide", Scopes: rekeytest.Of(permission.KeysRotateSelf, permission.RotationsManage)})
	narrow := w.IssueWith(a.ID, apikey.Issue{Name: "narrow", Scopes: rekeytest.Of(permission.KeysRotateSelf)})
	request := httpapitest.Request{Method: "POST", Resource: "/me/key/rotate", Header: map[string]string{"Idempotency-Key": "2031-03"}}
	first, second := w.Call(wide.Secret, request).JSON(t), w.Call(narrow.Secret, request).JSON(t)
	require.NotEqual(t, first["secret"], second["secret"])
	require.Equal(t, string(narrow.View.Key.ID), second["rotation"].(map[string]any)["old_key_id"])
	require.Equal(t, []any{"keys:rotate_self"}, second["key"].(map[string]any)["scopes"])
	require.Equal(t, first["secret"], w.Call(wide.Secret, request).JSON(t)["secret"], "its own repeat is the same call")
}
