package me_test

import (
	"testing"
	"time"

	"github.com/stretchr/testify/require"

	"github.com/rekey-dev/rekey/pkg/apikey"
	"github.com/rekey-dev/rekey/pkg/httpapi/httpapitest"
	"github.com/rekey-dev/rekey/pkg/memstore"
	"github.com/rekey-dev/rekey/pkg/permission"
	"github.com/rekey-dev/rekey/pkg/rekeytest"
)

var get = httpapitest.Request{Method: "GET", Resource: "/me"}

func TestMe_TheSampleIsTheOwners(t *testing.T) {
	w := httpapitest.New(t)
	me := w.Send(w.Sample("me-get.json")).JSON(t)
	require.Equal(t, map[string]any{"id": string(w.Owner.Employee.ID), "type": "employee", "name": "Ada Owner"}, me["principal"])
}

func TestMe_AnEmployeeSeesItsTokenAndWhatItMayDo(t *testing.T) {
	w := httpapitest.New(t)
	me := w.Call(w.Viewer.Secret, get).JSON(t)
	require.Equal(t, httpapitest.Words("principal key session auth role_id permissions msp_id node_id company_id assumed_company_id"), httpapitest.Members(me))
	require.Equal(t, httpapitest.Words("id name prefix scopes expires_at status"), httpapitest.Members(me["key"]))
	require.Equal(t, "secret", me["auth"])
	require.Equal(t, "role_BuiltinViewer0000000", me["role_id"])
	require.Equal(t, string(w.MSP.ID), me["msp_id"])
	require.Equal(t, w.Root.Path, me["node_id"])
	require.Contains(t, me["permissions"], "keys:read")
	require.NotContains(t, me["permissions"], "audit:read")
	for _, member := range []string{"session", "company_id", "assumed_company_id"} {
		require.Nil(t, me[member])
	}
}

func TestMe_AKeySeesItsScopesAndWhatOfThemItsRoleHasNow_D1(t *testing.T) {
	w := httpapitest.New(t)
	account := w.Account("exporter", w.Company)
	shown := w.IssueWith(account.ID, apikey.Issue{Name: "primary", Scopes: rekeytest.Of(permission.KeysRead, permission.AppsManage),
		ExpiresAt: apikey.Expiry{Given: true, At: w.Now().Add(24 * time.Hour)}})
	me := w.Call(shown.Secret, get).JSON(t)
	require.Equal(t, map[string]any{"id": string(account.ID), "type": "service_account", "name": "exporter"}, me["principal"])
	require.Equal(t, map[string]any{"id": string(shown.View.Key.ID), "name": "primary", "prefix": shown.View.Key.Prefix(), "status": "expiring",
		"scopes": []any{"apps:manage", "keys:read"}, "expires_at": "2031-03-05T05:06:10Z"}, me["key"])
	require.Equal(t, []any{"apps:manage", "keys:read"}, me["permissions"])
	require.Equal(t, string(w.Company.Company), me["company_id"])
	require.Equal(t, string(w.Company.Node()), me["node_id"])
}

func TestMe_AnOutageIsUnavailable(t *testing.T) {
	w := httpapitest.New(t)
	c := w.Caller(w.Viewer.Secret)
	r := get
	r.Caller = &c
	for call := 1; call <= 2; call++ {
		w.Store.Fail(call, memstore.Instead)
		w.Do(r).Problem(t, 503, "unavailable")
		w.Store.Reset()
	}
}
