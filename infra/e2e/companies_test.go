package e2e

import (
	"net/http"
	"testing"

	"github.com/stretchr/testify/require"

	"github.com/rekey-dev/rekey/infra/e2e/client"
	"github.com/rekey-dev/rekey/infra/e2e/stack"
)

// newCompany makes a company at the root, with a package of the deployment.
func (p party) newCompany(name, packageID string) client.Object {
	p.t.Helper()
	return p.post("/companies", client.Object{"node_id": p.get("/me").expect(http.StatusOK).Text("node_id"), "name": name, "package_id": packageID,
		"account_owner": client.Object{"first_name": "Grace", "last_name": "Hopper", "email": "grace@Example.com"}}).expect(http.StatusCreated)
}

// A company's key works, stops with the suspension, works again, and ends with its account; then the company can go.
func TestCompany_IsSuspendedResumedAndDeletedWithItsKeys_W5(t *testing.T) {
	t.Parallel()
	p := asOwner(t)
	name := newName(t)
	packages := p.get("/packages").expect(http.StatusOK)["items"].([]any)
	require.NotEmpty(t, packages)
	made := p.newCompany(name, packages[0].(map[string]any)["id"].(string))
	co := made.Text("id")
	require.Equal(t, "grace@example.com", made.Text("account_owner.email"))
	require.Equal(t, made, p.get("/companies/"+co).expect(http.StatusOK))
	require.Equal(t, []string{co}, field(p.all("/companies?q="+co), "id"))
	require.Equal(t, "4711", p.patch("/companies/"+co, client.Object{"external_id": "4711"}).expect(http.StatusOK)["external_id"])
	account := p.post("/service-accounts", client.Object{"name": newName(t), "company_id": co}).expect(http.StatusCreated).Text("id")
	k := p.issue(account)
	holder := holding(t, k.secret)
	require.Equal(t, co, holder.get("/me").expect(http.StatusOK).Text("company_id"))

	holder.post("/companies/"+co+"/suspend", nil).problem(http.StatusForbidden, "missing_permission")
	denied := p.audit("actor_id=" + account)
	require.Contains(t, field(denied, "action"), "company.suspended", "the authorizer's refusal is on record")

	require.Equal(t, "suspended", p.post("/companies/"+co+"/suspend", client.Object{"reason": "invoice 4711 is unpaid"}).expect(http.StatusOK).Text("status"))
	holder.get("/me").refused()
	require.Equal(t, "company_suspended", holder.status(k.secret).Text("status"))
	p.post("/service-accounts/"+account+"/keys", client.Object{"name": "late"}).problem(http.StatusConflict, "company_suspended")
	p.post("/companies/"+co+"/suspend", nil).expect(http.StatusOK)
	require.Equal(t, "active", p.post("/companies/"+co+"/resume", nil).expect(http.StatusOK).Text("status"))
	holder.get("/me").expect(http.StatusOK)

	left := p.delete("/companies/"+co).problem(http.StatusConflict, "in_use")
	require.Equal(t, []any{map[string]any{"type": "service_account", "count": 1.0, "ids": []any{account}}}, left["blocked_by"])
	p.post("/service-accounts/"+account+"/revoke", nil).expect(http.StatusOK)
	p.delete("/companies/" + co).expect(http.StatusNoContent)
	p.get("/companies/"+co).problem(http.StatusNotFound, "not_found")
	holder.get("/me").refused()
	p.delete("/service-accounts/" + account).expect(http.StatusNoContent)
	p.delete("/companies/" + p.newCompany(name, "unlimited").Text("id")).expect(http.StatusNoContent) // the name is free again
	var done []string
	for _, r := range p.audit("target_id=" + co) {
		if r.Text("outcome") == "ok" {
			done = append(done, r.Text("action"))
		}
	}
	require.Equal(t, []string{"company.created", "company.updated", "company.suspended", "company.resumed", "company.deleted"}, done)

	seen := map[string]stack.Event{}
	eventually(t, soon, func() bool {
		events, err := world.Events(t.Context(), world.queue)
		require.NoError(t, err)
		for _, e := range events {
			if e.Detail.Target.ID == co {
				seen[e.DetailType] = e
			}
		}
		return len(seen) == 2
	}, "events that came: %v", seen)
	require.Less(t, seen["Company Suspended"].Detail.Sequence, seen["Company Resumed"].Detail.Sequence)
	require.NotContains(t, raw(t, seen["Company Suspended"]), "unpaid", "what people write does not leave")
}

func TestCompany_HasAsManyKeysAsItsPackageAllows_W4_S7(t *testing.T) {
	t.Parallel()
	p := asOwner(t)
	var limited client.Object
	for _, one := range p.get("/packages").expect(http.StatusOK)["items"].([]any) {
		if o := client.Object(one.(map[string]any)); limited == nil && o["limits"].(map[string]any)["keys"] != nil {
			limited = o
		}
	}
	require.NotNil(t, limited, "a package of the deployment limits keys")
	co := p.newCompany(newName(t), limited.Text("id")).Text("id")
	account := p.post("/service-accounts", client.Object{"name": newName(t), "company_id": co}).expect(http.StatusCreated).Text("id")
	var last issued
	for range int(limited.Number("limits.keys")) {
		last = p.issue(account)
	}
	p.post("/service-accounts/"+account+"/keys", client.Object{"name": "too many"}).problem(http.StatusConflict, "limit_reached")
	p.post("/service-accounts", client.Object{"name": newName(t), "company_id": co}).expect(http.StatusCreated)
	p.post("/keys/"+last.id+"/revoke", nil).expect(http.StatusOK)
	p.issue(account)
}

func TestUsage_IsShownForEachCompany_W4_S7(t *testing.T) {
	t.Parallel()
	p := asOwner(t)
	co := p.newCompany(newName(t), "unlimited").Text("id")
	p.issue(p.post("/service-accounts", client.Object{"name": newName(t), "company_id": co}).expect(http.StatusCreated).Text("id"))
	used := p.get("/usage?company_id=" + co).expect(http.StatusOK)
	require.Positive(t, used.Number("seats.used"))
	one := used.Objects("items")[0]
	require.Equal(t, "unlimited", one.Text("package_id"))
	require.Equal(t, map[string]any{"count": 1.0, "counts_towards_seats": false}, one["service_accounts"])
	require.EqualValues(t, 1, one.Number("keys"))
	p.get("/usage?month=2000-01").invalid("/month")
}
