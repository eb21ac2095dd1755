package billing_test

import (
	"testing"
	"time"

	"github.com/stretchr/testify/require"

	"github.com/rekey-dev/rekey/pkg/httpapi/httpapitest"
	"github.com/rekey-dev/rekey/pkg/permission"
	"github.com/rekey-dev/rekey/pkg/rekeytest"
	"github.com/rekey-dev/rekey/pkg/verify"
)

var packages = httpapitest.Request{Method: "GET", Resource: "/packages"}

func usage(query string) httpapitest.Request {
	return httpapitest.Request{Method: "GET", Resource: "/usage", Query: query}
}

func TestSamples_OfBillingAreAnswered(t *testing.T) {
	w := httpapitest.New(t)
	require.Equal(t, 200, w.Send(w.Sample("billing-packages.json")).Status)
	require.Equal(t, 200, w.Send(w.Sample("billing-usage.json", "2026-11", "2031-03")).Status)
}

func TestPackages_AreListedToWhomMayRead_W4(t *testing.T) {
	w := httpapitest.New(t)
	require.Equal(t, []map[string]any{{"id": "tiny", "name": "Tiny", "limits": map[string]any{"keys": 2.0}}, {"id": "large", "name": "Large", "limits": map[string]any{"keys": nil}}},
		w.Call(w.Viewer.Secret, packages).Items(t))
	_, secret := w.PAT(w.Viewer, permission.Of())
	w.Call(secret, packages).Problem(t, 403, "missing_scope")
	w.Call(secret, usage("")).Problem(t, 403, "missing_scope")
}

func TestUsage_AddsUpWhatACompanysKeysDidInTheMonth_W4_S7(t *testing.T) {
	w := httpapitest.New(t)
	first, second := w.Account("First", w.Company), w.Account("Second", w.Company)
	k, l := w.Issue(first.ID, "k"), w.Issue(second.ID, "l")
	w.RequestTo(k.Secret, rekeytest.Home, "GET", "/keys", verify.Allow)
	w.RequestTo(k.Secret, rekeytest.Away, "GET", "/keys", verify.Allow)
	w.RequestTo(l.Secret, rekeytest.Home, "GET", "/keys", verify.Allow)
	_, err := w.Keys.Revoke(w.Ctx, w.As(w.Owner), l.View.Key.ID, "", "")
	require.NoError(t, err)
	w.RequestTo(l.Secret, rekeytest.Home, "GET", "/keys", verify.Unusable)
	this := func(query string) map[string]any {
		return w.Call(w.Owner.Secret, usage(query)).JSON(t)
	}
	items := this("company_id=" + w.Company.ID())["items"].([]any)
	require.Len(t, items, 1)
	require.Equal(t, map[string]any{"verified": 0.0, "refused": 0.0, "exact_to": "2031-03-04T05:00:00Z"}, items[0].(map[string]any)["requests"], "the hour is not over")

	w.Advance(time.Hour)
	acme := map[string]any{"company_id": w.Company.ID(), "package_id": "large", "service_accounts": map[string]any{"count": 2.0, "counts_towards_seats": false},
		"keys": 1.0, "requests": map[string]any{"verified": 3.0, "refused": 1.0, "exact_to": "2031-03-04T06:00:00Z"}}
	all := this("")
	require.Equal(t, acme, all["items"].([]any)[0])
	require.Len(t, all["items"], 2)
	require.Nil(t, all["next"])
	require.Equal(t, map[string]any{"used": 8.0, "limit": 25.0}, all["seats"], "employees, and nobody else")
	require.Equal(t, []any{acme}, this("company_id=" + w.Company.ID() + "&month=2031-03")["items"])
	before := this("company_id=" + w.Company.ID() + "&month=2031-02")["items"].([]any)[0].(map[string]any)["requests"]
	require.Equal(t, map[string]any{"verified": 0.0, "refused": 0.0, "exact_to": "2031-03-01T00:00:00Z"}, before)

	page := this("limit=1")
	require.Len(t, page["items"], 1)
	require.Equal(t, all["items"].([]any)[1], this("limit=1&cursor=" + page["next"].(string))["items"].([]any)[0])
}

func TestUsage_WallsHoldAndMonthsAreChecked_P4(t *testing.T) {
	w := httpapitest.New(t)
	own := w.Call(w.CompanyAdmin.Secret, usage("")).JSON(t)
	require.Len(t, own["items"], 1)
	require.Equal(t, w.Company.ID(), own["items"].([]any)[0].(map[string]any)["company_id"])
	require.Nil(t, own["seats"])
	require.Len(t, w.Call(w.BelowAdmin.Secret, usage("")).Items(t), 1)
	for _, caller := range []*rekeytest.Person{w.SiblingAdmin, w.StrangerAdmin} {
		w.Call(caller.Secret, usage("company_id="+w.Company.ID())).Problem(t, 404, "not_found")
	}
	w.Call(w.Owner.Secret, usage("company_id=nonsense")).Problem(t, 404, "not_found")
	for _, month := range []string{"2031-13", "2031", "2031-04", "2029-01", "March"} {
		w.Call(w.Owner.Secret, usage("month="+month)).Invalid(t, "/month")
	}
}
