package e2e

import (
	"fmt"
	"net/http"
	"slices"
	"testing"
	"time"

	"github.com/stretchr/testify/require"

	"github.com/rekey-dev/rekey/infra/e2e/client"
)

// newNode makes a node below another.
func (p party) newNode(parent string) string {
	p.t.Helper()
	return p.post("/nodes", client.Object{"parent_id": parent, "name": newName(p.t)}).expect(http.StatusCreated).Text("id")
}

// newCompanyAt makes a company under a node.
func (p party) newCompanyAt(node string) string {
	p.t.Helper()
	return p.post("/companies", client.Object{"node_id": node, "name": newName(p.t), "package_id": "unlimited",
		"account_owner": client.Object{"first_name": "Grace", "last_name": "Hopper", "email": "grace@example.com"}}).expect(http.StatusCreated).Text("id")
}

// attach attaches a policy to a node, a company or an account.
func (p party) attach(kind, id string, settings client.Object) string {
	p.t.Helper()
	settings["attached_to"] = client.Object{"type": kind, "id": id}
	return p.post("/rotation-policies", settings).expect(http.StatusCreated).Text("id")
}

// keepAt makes an account in a company, with one key, which is in a secret of the company's.
func (p party) keepAt(t *testing.T, company string) kept {
	account := p.post("/service-accounts", client.Object{"name": newName(t), "company_id": company, "role_id": "role_BuiltinAutomation000"}).expect(http.StatusCreated).Text("id")
	k := p.issue(account, client.Object{"scopes": []string{"keys:read"}})
	made := manager(t, "CreateSecret", client.Object{"Name": "e2e/" + account, "Tags": []client.Object{{"Key": "rekey:place", "Value": company}},
		"SecretString": raw(t, client.Object{"key_id": k.id, "secret": k.secret})})
	return kept{t, made.Text("ARN"), k}
}

// What the node's policy says holds below it, where neither the company's nor the account's says otherwise; the deployed sweeper
// rotates by all three together, and nothing where they do not reach.
func TestTree_PoliciesAreInheritedFromNodeToCompanyToAccount_B9_B5_W5_P3(t *testing.T) {
	t.Parallel()
	p := asOwner(t)
	node := p.newNode(world.node)
	company := p.newCompanyAt(p.newNode(node))
	k := p.keepAt(t, company)
	beside := p.keepAt(t, p.newCompanyAt(p.newNode(world.node)))
	ofNode := p.attach("node", node, client.Object{"schedule": soonDaily(), "overlap": "P3D", "quiet_for": "P2D", "notice": []string{"P20D"}})
	ofCompany := p.attach("company", company, client.Object{"overlap": "P2D", "quiet_for": "PT5H"})
	ofAccount := p.attach("service_account", k.key.account, client.Object{"quiet_for": "PT2H", "deliver_to": k.target()})
	p.attach("service_account", beside.key.account, client.Object{"deliver_to": beside.target()})

	effective := p.get("/service-accounts/" + k.key.account + "/effective-policy").expect(http.StatusOK)
	for field, want := range map[string][3]string{"quiet_for": {"PT2H", "service_account", k.key.account}, "overlap": {"P2D", "company", company},
		"schedule": {"", "node", node}, "notice": {"", "node", node}, "deliver_to": {"", "service_account", k.key.account}} {
		source := effective.Object(field).Object("source")
		require.Equal(t, map[string]any{"type": want[1], "id": want[2]}, source["attached_to"], field)
		require.Equal(t, map[string]string{"node": ofNode, "company": ofCompany, "service_account": ofAccount}[want[1]], source.Text("policy_id"), field)
		if want[0] != "" {
			require.Equal(t, want[0], effective.Text(field+".value"), field)
		}
	}
	require.Equal(t, true, effective.Object("max_lifetime").Object("source")["default"])
	other := p.get("/service-accounts/" + beside.key.account + "/effective-policy").expect(http.StatusOK)
	require.Equal(t, "P7D", other.Text("overlap.value"))
	require.Equal(t, true, other.Object("schedule").Object("source")["default"])

	eventually(t, 5*time.Minute, func() bool { return k.value().Text("key_id") != k.key.id }, "the consumer's secret still holds the old key")
	var r client.Object
	eventually(t, 2*time.Minute, func() bool {
		if all := p.all("/rotations?company_id=" + company); len(all) == 1 && all[0].Text("overlap_ends_at") != "" {
			r = all[0]
		}
		return r != nil
	}, "the overlap has not begun")
	require.Equal(t, "system", r.Text("started_by"))
	ends, err := time.Parse(time.RFC3339, r.Text("overlap_ends_at"))
	require.NoError(t, err)
	require.WithinDuration(t, time.Now().Add(48*time.Hour), ends, 10*time.Minute, "the overlap is the company's")
	require.Equal(t, beside.key.id, beside.value().Text("key_id"), "the node's schedule does not reach beside it")
	require.Empty(t, p.all("/rotations?service_account_id="+beside.key.account))
	require.Equal(t, []string{r.Text("id")}, field(p.all("/rotations?node_id="+node), "id"))
}

// A company is suspended in the middle of an overlap: both keys are refused while it is, the overlap ends all the same, and what has
// not ended works again when the company is resumed.
func TestTree_ACompanySuspendedInTheMiddleOfARotation_B3_D6_W5_P3(t *testing.T) {
	t.Parallel()
	p := asOwner(t)
	company := p.newCompanyAt(p.newNode(world.node))
	k := p.keepAt(t, company)
	suspend := func(action string) { p.post("/companies/"+company+"/"+action, nil).expect(http.StatusOK) }
	began := p.post("/keys/"+k.key.id+"/rotate", client.Object{"mode": "overlap", "overlap": "PT1M", "deliver_to": k.target()}).expect(http.StatusCreated)
	rotation := began.Text("rotation.id")
	old, fresh := holding(t, k.key.secret), holding(t, k.value().Text("secret"))
	old.get("/me").expect(http.StatusOK)
	fresh.get("/me").expect(http.StatusOK)

	suspend("suspend")
	for _, holder := range []party{old, fresh} {
		holder.get("/me").refused()
	}
	require.Equal(t, "company_suspended", old.status(k.key.secret).Text("status"))
	open := p.get("/rotations/" + rotation).expect(http.StatusOK)
	require.Contains(t, []string{"delivered", "seen"}, open.Text("state"), "the rotation is still open")
	p.post("/service-accounts/"+k.key.account+"/keys", client.Object{"name": "late"}).problem(http.StatusConflict, "company_suspended")
	suspend("resume")
	fresh.get("/me").expect(http.StatusOK)

	suspend("suspend")
	done := p.until(rotation, "retired")
	require.Equal(t, []string{"issued", "delivered", "seen", "retired"}, field(done.Objects("steps"), "state"))
	require.Equal(t, k.value().Text("key_id"), began.Text("key.id"), "the consumer keeps the new secret")
	p.post("/keys/"+began.Text("key.id")+"/rotate", client.Object{"mode": "overlap"}).problem(http.StatusConflict, "company_suspended")
	suspend("resume")
	old.get("/me").refused()
	require.Equal(t, "expired", old.status(k.key.secret).Text("status"))
	require.Equal(t, began.Text("key.id"), fresh.get("/me").expect(http.StatusOK).Text("key.id"))
}

// A company is deleted in the middle of an overlap: not while its account lives. With the account the rotation is aborted and both
// keys end; the evidence outlives the company, at the node above it.
func TestTree_ACompanyDeletedInTheMiddleOfARotation_B3_S4_W5(t *testing.T) {
	t.Parallel()
	p := asOwner(t)
	node := p.newNode(world.node)
	company := p.newCompanyAt(node)
	k := p.keepAt(t, company)
	began := p.post("/keys/"+k.key.id+"/rotate", client.Object{"mode": "overlap", "deliver_to": k.target()}).expect(http.StatusCreated)
	rotation, delivered := began.Text("rotation.id"), k.value()
	old, fresh := holding(t, k.key.secret), holding(t, delivered.Text("secret"))

	left := p.delete("/companies/"+company).problem(http.StatusConflict, "in_use")
	require.Equal(t, []any{map[string]any{"type": "service_account", "count": 1.0, "ids": []any{k.key.account}}}, left["blocked_by"])
	fresh.get("/me").expect(http.StatusOK)
	p.post("/service-accounts/"+k.key.account+"/revoke", client.Object{"reason": "the contract ended"}).expect(http.StatusOK)
	p.delete("/companies/" + company).expect(http.StatusNoContent)
	for _, holder := range []party{old, fresh} {
		holder.get("/me").refused()
	}
	require.Equal(t, "account_revoked", old.status(k.key.secret).Text("status"))
	require.Equal(t, "account_revoked", fresh.status(delivered.Text("secret")).Text("status"))

	done := p.until(rotation, "aborted")
	require.Equal(t, []string{"issued", "delivered", "aborted"}, field(done.Objects("steps"), "state"))
	require.Empty(t, done["next"])
	p.get("/rotations?company_id="+company).problem(http.StatusNotFound, "not_found")
	require.Equal(t, []string{rotation}, field(p.all("/rotations?node_id="+node), "id"))
	require.Equal(t, "aborted", p.get("/rotations?format=csv&node_id=" + node).lines()[0]["state"])
	require.Equal(t, rotation, p.get("/rotations/"+rotation+"/report").expect(http.StatusOK).Text("rotation.id"))
	p.post("/rotations/"+rotation+"/complete", nil).problem(http.StatusConflict, "ended")
	require.Equal(t, delivered, k.value(), "the consumer's secret is nobody's to change any more")
	ended := p.all("/keys?node_id=" + node)
	require.ElementsMatch(t, []string{k.key.id, began.Text("key.id")}, field(ended, "id"))
	require.Equal(t, []string{"revoked", "revoked"}, field(ended, "status"))
}

// region is a node with a company, in which a key is being rotated: what an auditor has to find.
type region struct {
	node, company, rotation string
	expiring                []string // keys that end within the month
}

func (p party) region(parent string) region {
	p.t.Helper()
	out := region{node: p.newNode(parent)}
	out.company = p.newCompanyAt(out.node)
	account := p.post("/service-accounts", client.Object{"name": newName(p.t), "company_id": out.company}).expect(http.StatusCreated).Text("id")
	k := p.issue(account, client.Object{"expires_at": inSeconds(20 * 86400)})
	r := p.rotate(k, client.Object{"mode": "overlap", "overlap": "P2D"})
	out.rotation, out.expiring = r.rotation, []string{k.id, r.fresh.id}
	return out
}

// auditor is a machine at a place that reads what compliance reads.
func (p party) auditor(role string, at client.Object) party {
	p.t.Helper()
	at["name"], at["role_id"] = newName(p.t), role
	k := p.issue(p.post("/service-accounts", at).expect(http.StatusCreated).Text("id"), client.Object{"scopes": []string{"rotations:read", "keys:read"}})
	return holding(p.t, k.secret)
}

// The compliance lists hold everything at and below the reader's place, and nothing beside it, whatever they are narrowed to.
func TestTree_ComplianceListsReachAcrossCompaniesAndNoFurther_B9_B3_W1_W5(t *testing.T) {
	t.Parallel()
	p := asOwner(t)
	country := p.newNode(world.node)
	role := p.post("/roles", client.Object{"node_id": country, "name": newName(t), "permissions": []string{"rotations:read", "keys:read"}}).expect(http.StatusCreated).Text("id")
	north, south := p.region(country), p.region(country)
	both := []region{north, south}
	for _, one := range []struct {
		what    string
		reader  party
		sees    []region
		forbids []region
	}{
		{"the node above both", p.auditor(role, client.Object{"node_id": country}), both, nil},
		{"the node of one", p.auditor(role, client.Object{"node_id": north.node}), []region{north}, []region{south}},
		{"the node beside", p.auditor(role, client.Object{"node_id": south.node}), []region{south}, []region{north}},
		{"the company itself", p.auditor(role, client.Object{"company_id": north.company}), []region{north}, []region{south}},
	} {
		var rotations, keys []string
		for _, r := range one.sees {
			rotations, keys = append(rotations, r.rotation), append(keys, r.expiring...)
		}
		soon := "/keys?expires_before=" + inSeconds(30*86400)
		require.ElementsMatch(t, rotations, field(one.reader.all("/rotations?"), "id"), one.what)
		require.ElementsMatch(t, keys, field(one.reader.all(soon), "id"), one.what)
		var lines []string
		for _, line := range one.reader.get("/rotations?format=csv").lines() {
			lines = append(lines, line["rotation_id"])
		}
		require.ElementsMatch(t, rotations, lines, one.what)
		for _, r := range one.sees {
			require.Equal(t, []string{r.rotation}, field(one.reader.all("/rotations?company_id="+r.company), "id"), one.what)
			require.ElementsMatch(t, r.expiring, field(one.reader.all(soon+"&company_id="+r.company), "id"), one.what)
			one.reader.get("/rotations/" + r.rotation + "/report?format=csv").lines()
		}
		for _, r := range one.forbids {
			for _, path := range []string{"/rotations?company_id=" + r.company, "/rotations?node_id=" + r.node, "/rotations?format=csv&node_id=" + r.node,
				soon + "&company_id=" + r.company, soon + "&node_id=" + r.node, "/rotations/" + r.rotation, "/rotations/" + r.rotation + "/report?format=csv",
				"/keys/" + r.expiring[0]} {
				body := fmt.Sprint(one.reader.get(path).problem(http.StatusNotFound, "not_found"))
				for _, known := range slices.Concat(r.expiring, []string{r.rotation, r.company, r.node}) {
					require.NotContains(t, body, known, one.what)
				}
			}
		}
	}
	p.delete("/nodes/"+country).problem(http.StatusConflict, "in_use")
}
