package isolation

import (
	"encoding/json"
	"fmt"
	"maps"
	"slices"
	"strings"
	"testing"

	"github.com/stretchr/testify/require"
	"pgregory.net/rapid"

	"github.com/rekey-dev/rekey/pkg/httpapi/httpapitest"
	"github.com/rekey-dev/rekey/pkg/id"
	"github.com/rekey-dev/rekey/pkg/permission"
	"github.com/rekey-dev/rekey/pkg/place"
	"github.com/rekey-dev/rekey/pkg/role"
	"github.com/rekey-dev/rekey/pkg/token"
)

// treeMachine runs a deployment beside the model. Every call goes through the authorizer.
type treeMachine struct {
	*model
	w      *httpapitest.World
	places map[string]place.Place
	made   int
}

// words are what roles are made of: what the machine's operations need, so that roles are often enough to do something.
var words = []string{"nodes:read", "nodes:create", "nodes:delete", "companies:read", "companies:create", "companies:suspend", "companies:delete", "roles:read", "roles:create",
	"roles:update", "roles:delete", "service_accounts:read", "keys:read"}

// personal are those that no service account can hold.
var personal = []string{"service_accounts:create", "service_accounts:update", "service_accounts:delete", "keys:issue", "keys:revoke"}

// Random people and machines at random places change a random tree, with roles that change under them: every answer, what every
// caller may do, and what every list shows, is as the model says.
func TestTree_EverybodyDoesAndSeesWhatTheModelSays_W1_W2_W5(t *testing.T) {
	rapid.Check(t, func(rt *rapid.T) {
		m := newTreeMachine(t)
		for range 3 {
			m.createRole(rt, m.ever("people")[0])
			m.hire(rt, nil)
		}
		rt.Repeat(map[string]func(*rapid.T){"call": m.act, "": m.compare})
	})
}

// act does something that there is something for.
func (m *treeMachine) act(t *rapid.T) {
	type action struct {
		name, on string // on is what it wants to be there
		do       func(*rapid.T, *thing)
	}
	actions := []action{{"create a node", "", m.createNode}, {"delete a node", "", m.deleteNode}, {"create a company", "", m.createCompany}, {"turn a company", "", m.turnCompany},
		{"delete a company", "", m.deleteCompany}, {"create a role", "", m.createRole}, {"change a role", "roles", m.changeRole}, {"delete a role", "roles", m.deleteRole},
		{"create an account", "", m.createAccount}, {"give a role", "service-accounts", m.giveRole}, {"end an account", "service-accounts", m.endAccount},
		{"issue a key", "service-accounts", m.issueKey}, {"issue a key", "service-accounts", m.issueKey}, {"revoke a key", "keys", m.revokeKey}, {"hire", "", m.hire}}
	actions = slices.DeleteFunc(actions, func(a action) bool { return a.on != "" && len(m.ever(a.on)) == 0 })
	actions[rapid.IntRange(0, len(actions)-1).Draw(t, "action")].do(t, m.caller(t))
}

func newTreeMachine(t *testing.T) *treeMachine {
	w := httpapitest.New(t)
	m := &treeMachine{w: w, model: &model{root: w.Root.ID(), above: map[string]string{}}, places: map[string]place.Place{}}
	node := func(at place.Place, name, below string) {
		m.place(&thing{noun: "nodes", id: at.ID(), name: name, at: below}, at)
	}
	node(w.Root, "root", "")
	node(w.Below, "Below", m.root)
	node(w.Sibling, "Sibling", m.root)
	m.place(&thing{noun: "companies", id: w.Company.ID(), name: "Acme", at: w.Below.ID()}, w.Company)
	m.place(&thing{noun: "companies", id: w.Stranger.ID(), name: "Globex", at: w.Sibling.ID()}, w.Stranger)
	everybody := &thing{noun: "roles", id: string(role.Admin), holds: everything()}
	m.things = append(m.things, everybody, &thing{noun: "roles", id: string(role.Integration), holds: integration(), own: true})
	for _, p := range []struct {
		id, at string
		secret token.Secret
		holds  set
	}{{string(w.Owner.Employee.ID), m.root, w.Owner.Secret, everything()}, {string(w.Admin.Employee.ID), m.root, w.Admin.Secret, everything()},
		{string(w.BelowAdmin.Employee.ID), w.Below.ID(), w.BelowAdmin.Secret, everything()}, {string(w.SiblingAdmin.Employee.ID), w.Sibling.ID(), w.SiblingAdmin.Secret, everything()},
		{string(w.CompanyAdmin.Employee.ID), w.Company.ID(), w.CompanyAdmin.Secret, everything()}, {string(w.StrangerAdmin.Employee.ID), w.Stranger.ID(), w.StrangerAdmin.Secret, everything()},
		{string(w.Viewer.Employee.ID), m.root, w.Viewer.Secret, without(reads(), of("audit:read"))}, {string(w.Operator.Employee.ID), m.root, w.Operator.Secret, union(reads(), of("apps:manage"))}} {
		m.things = append(m.things, &thing{noun: "people", id: p.id, at: p.at, role: &thing{holds: p.holds}, scopes: everything(), secret: p.secret})
	}
	return m
}

func (m *treeMachine) place(x *thing, at place.Place) {
	m.above[x.id], m.places[x.id] = x.at, at
	m.things = append(m.things, x)
}

// caller is somebody with a token, or a key; one that has ended is still tried.
func (m *treeMachine) caller(t *rapid.T) *thing {
	return rapid.SampledFrom(slices.Concat(m.all("people", nil), m.ever("keys"))).Draw(t, "caller")
}

// ever are the things of nouns, gone ones too, less the roles that are built in.
func (m *treeMachine) ever(nouns ...string) (out []*thing) {
	for _, x := range m.things {
		if slices.Contains(nouns, x.noun) && !strings.HasPrefix(x.id, "role_Builtin") {
			out = append(out, x)
		}
	}
	return out
}

func (m *treeMachine) any(t *rapid.T, nouns ...string) *thing {
	return rapid.SampledFrom(m.ever(nouns...)).Draw(t, nouns[0])
}

func name(t *rapid.T) string {
	return rapid.SampledFrom([]string{"North", "north", "South", "East", "West"}).Draw(t, "name")
}

// call makes a request, and fails unless it comes to what the model says.
func (m *treeMachine) call(t *rapid.T, c *thing, method, resource string, on *thing, body map[string]any, want outcome, success int) httpapitest.Response {
	r := httpapitest.Request{Method: method, Resource: resource}
	if on != nil {
		r.ID = on.id
	}
	if body != nil {
		text, err := json.Marshal(body)
		require.NoError(m.w.T, err)
		r.Body = string(text)
	}
	m.w.Log.Reset()
	got := m.w.Through(c.secret, r)
	if want = want.or(success); (outcome{got.Status, codeOf(got)}) != want {
		t.Fatalf("%s %s %s %v as %s of %s: %d %s, the model says %v", method, resource, r.ID, body, c.id, c.principal().at, got.Status, got.Body, want)
	}
	return got
}

// then runs a part when the call did what it was for.
func then(want outcome, part func()) {
	if want == fine {
		part()
	}
}

func idOf201(got httpapitest.Response) string {
	var made struct {
		ID string `json:"id"`
	}
	if json.Unmarshal([]byte(got.Body), &made) != nil || made.ID == "" {
		panic("an answer without an ID: " + got.Body)
	}
	return made.ID
}

func (m *treeMachine) createNode(t *rapid.T, c *thing) {
	parent, text := m.any(t, "nodes"), name(t)
	want := m.on(c, "POST", "nodes:create", parent)
	if want == fine && len(m.places[parent.id].Nodes()) == place.MaxDepth {
		want = invalid
	} else if want == fine && m.taken("nodes", parent.id, text) {
		want = outcome{409, "conflict"}
	}
	got := m.call(t, c, "POST", "/nodes", nil, map[string]any{"parent_id": parent.id, "name": text}, want, 201)
	then(want, func() {
		made := idOf201(got)
		m.place(&thing{noun: "nodes", id: made, name: text, at: parent.id}, m.places[parent.id].Child(id.Node(made)))
	})
}

func (m *treeMachine) deleteNode(t *rapid.T, c *thing) {
	n := m.any(t, "nodes")
	want := m.on(c, "DELETE", "nodes:delete", n)
	switch {
	case want != fine:
	case n.id == m.root:
		want = outcome{409, "conflict"}
	case m.stands(n.id):
		want = inUse
	}
	m.call(t, c, "DELETE", "/nodes/{id}", n, nil, want, 204)
	then(want, func() { n.gone = true })
}

func (m *treeMachine) createCompany(t *rapid.T, c *thing) {
	n, text := m.any(t, "nodes"), name(t)
	want := m.on(c, "POST", "companies:create", n)
	if want == fine && m.taken("companies", n.id, text) {
		want = outcome{409, "conflict"}
	}
	got := m.call(t, c, "POST", "/companies", nil, map[string]any{"node_id": n.id, "name": text, "package_id": "large",
		"account_owner": map[string]any{"first_name": "Grace", "last_name": "Hopper", "email": "grace@example.com"}}, want, 201)
	then(want, func() {
		made := idOf201(got)
		m.place(&thing{noun: "companies", id: made, name: text, at: n.id}, place.Place{Path: m.places[n.id].Path, Company: id.Company(made)})
	})
}

func (m *treeMachine) turnCompany(t *rapid.T, c *thing) {
	co, stop := m.any(t, "companies"), rapid.Bool().Draw(t, "suspend")
	want := m.on(c, "POST", "companies:suspend", co)
	m.call(t, c, "POST", "/companies/{id}/"+map[bool]string{true: "suspend", false: "resume"}[stop], co, nil, want, 200)
	then(want, func() { co.stopped = stop })
}

func (m *treeMachine) deleteCompany(t *rapid.T, c *thing) {
	co := m.any(t, "companies")
	want := m.on(c, "DELETE", "companies:delete", co)
	if want == fine && len(m.all("service-accounts", func(a *thing) bool { return a.at == co.id && !a.stopped })) > 0 {
		want = inUse
	}
	m.call(t, c, "DELETE", "/companies/{id}", co, nil, want, 204)
	then(want, func() { co.gone = true })
}

func permissions(t *rapid.T) set {
	return of(rapid.SliceOfNDistinct(rapid.SampledFrom(words), 0, len(words), rapid.ID[string]).Draw(t, "permissions")...)
}

func (m *treeMachine) createRole(t *rapid.T, c *thing) {
	n, text, holds := m.any(t, "nodes"), name(t), permissions(t)
	want := m.on(c, "POST", "roles:create", n)
	switch {
	case want != fine:
	case len(without(holds, c.effective())) > 0:
		want = outcome{403, "not_grantable"}
	case m.taken("roles", n.id, text):
		want = outcome{409, "conflict"}
	}
	got := m.call(t, c, "POST", "/roles", nil, map[string]any{"node_id": n.id, "name": text, "permissions": holds.list()}, want, 201)
	then(want, func() {
		m.things = append(m.things, &thing{noun: "roles", id: idOf201(got), name: text, at: n.id, holds: holds})
	})
}

func (m *treeMachine) changeRole(t *rapid.T, c *thing) {
	r, holds := m.any(t, "roles"), permissions(t)
	want := m.on(c, "PATCH", "roles:update", r)
	if want == fine && !maps.Equal(holds, r.holds) && len(without(holds, c.effective()))+len(without(r.holds, c.effective())) > 0 {
		want = outcome{403, "not_grantable"}
	}
	m.call(t, c, "PATCH", "/roles/{id}", r, map[string]any{"permissions": holds.list()}, want, 200)
	then(want, func() { r.holds = holds })
}

func (m *treeMachine) deleteRole(t *rapid.T, c *thing) {
	r := m.any(t, "roles")
	want := m.on(c, "DELETE", "roles:delete", r)
	if want == fine && m.given(r) {
		want = inUse
	}
	m.call(t, c, "DELETE", "/roles/{id}", r, nil, want, 204)
	then(want, func() { r.gone = true })
}

// assignable are roles that an account can be given, gone ones too.
func (m *treeMachine) assignable(t *rapid.T) *thing {
	least := m.all("roles", func(r *thing) bool { return r.own })
	return rapid.SampledFrom(append(least, m.ever("roles")...)).Draw(t, "role")
}

func (m *treeMachine) createAccount(t *rapid.T, c *thing) {
	at, text, r := m.any(t, "nodes", "companies"), name(t), m.assignable(t)
	want := m.on(c, "POST", "service_accounts:create", at)
	switch {
	case want != fine:
	case at.stopped:
		want = suspended
	default:
		if want = m.assign(c, r, at.id); want == fine && m.taken("service-accounts", at.id, text) {
			want = outcome{409, "conflict"}
		}
	}
	member := map[string]string{"nodes": "node_id", "companies": "company_id"}[at.noun]
	got := m.call(t, c, "POST", "/service-accounts", nil, map[string]any{member: at.id, "name": text, "role_id": r.id}, want, 201)
	then(want, func() {
		m.things = append(m.things, &thing{noun: "service-accounts", id: idOf201(got), name: text, at: at.id, role: r})
	})
}

func (m *treeMachine) giveRole(t *rapid.T, c *thing) {
	a, r := m.any(t, "service-accounts"), m.assignable(t)
	want := m.on(c, "PATCH", "service_accounts:update", a)
	switch {
	case want != fine:
	case a.stopped:
		want = outcome{409, "ended"}
	case r != a.role:
		want = m.assign(c, r, a.at)
	}
	m.call(t, c, "PATCH", "/service-accounts/{id}", a, map[string]any{"role_id": r.id}, want, 200)
	then(want, func() { a.role = r })
}

func (m *treeMachine) endAccount(t *rapid.T, c *thing) {
	a := m.any(t, "service-accounts")
	want := m.on(c, "DELETE", "service_accounts:delete", a)
	if rapid.Bool().Draw(t, "revoke") {
		m.call(t, c, "POST", "/service-accounts/{id}/revoke", a, nil, want, 200)
		then(want, func() { a.stopped = true })
		return
	}
	if want == fine && len(m.live(a)) > 0 {
		want = inUse
	}
	m.call(t, c, "DELETE", "/service-accounts/{id}", a, nil, want, 204)
	then(want, func() { a.gone = true })
}

func (m *treeMachine) issueKey(t *rapid.T, c *thing) {
	a := m.any(t, "service-accounts")
	scopes, body := a.role.holds, map[string]any{"name": "key"}
	if rapid.Bool().Draw(t, "some scopes") {
		scopes = permissions(t)
		body["scopes"] = scopes.list()
	}
	want := m.on(c, "POST", "keys:issue", a)
	switch {
	case want != fine:
	case len(without(scopes, a.role.holds)) > 0:
		want = invalid
	case len(without(scopes, c.effective())) > 0:
		want = outcome{403, "not_grantable"}
	case a.stopped:
		want = outcome{409, "ended"}
	case strings.HasPrefix(a.at, "co_") && m.find(a.at).stopped:
		want = suspended
	}
	got := m.call(t, c, "POST", "/service-accounts/{id}/keys", a, body, want, 201)
	then(want, func() {
		var made struct {
			Key struct {
				ID string `json:"id"`
			} `json:"key"`
			Secret string `json:"secret"`
		}
		require.NoError(m.w.T, json.Unmarshal([]byte(got.Body), &made))
		m.things = append(m.things, &thing{noun: "keys", id: made.Key.ID, of: a, scopes: scopes, secret: token.SecretOf(made.Secret)})
	})
}

func (m *treeMachine) revokeKey(t *rapid.T, c *thing) {
	k := m.any(t, "keys")
	want := m.on(c, "POST", "keys:revoke", k)
	m.call(t, c, "POST", "/keys/{id}/revoke", k, nil, want, 200)
	then(want, func() { k.stopped = true })
}

// hire puts somebody with a custom role, or an admin's token of few scopes, at a node that is there.
func (m *treeMachine) hire(t *rapid.T, _ *thing) {
	at := rapid.SampledFrom(m.all("nodes", nil)).Draw(t, "node")
	roles := m.all("roles", func(r *thing) bool { return r.at != "" && m.covers(r.at, at.id) || r.id == string(role.Admin) })
	r, scopes := rapid.SampledFrom(roles).Draw(t, "role"), union(union(permissions(t), of("roles:update")), of(rapid.SliceOfDistinct(rapid.SampledFrom(personal), rapid.ID[string]).Draw(t, "personal")...))
	m.made++
	p := m.w.Hire(fmt.Sprint("Hired", m.made), m.places[at.id], id.Role(r.id))
	var carried []permission.Permission
	for _, one := range scopes.list() {
		carried = append(carried, permission.Permission(one))
	}
	_, secret := m.w.PAT(p, permission.Of(carried...))
	m.things = append(m.things, &thing{noun: "people", id: string(p.Employee.ID), at: at.id, role: r, scopes: scopes, secret: secret})
}

// read are the lists of the machine and what it takes to read them.
var read = []struct{ noun, permission string }{{"nodes", "nodes:read"}, {"companies", "companies:read"}, {"roles", "roles:read"},
	{"service-accounts", "service_accounts:read"}, {"keys", "keys:read"}}

// compare holds what a caller is told of itself, one of its lists and one single object against the model.
func (m *treeMachine) compare(t *rapid.T) {
	for range 2 {
		c := m.caller(t)
		want := m.admitted(c, "")
		got := m.call(t, c, "GET", "/me", nil, nil, want, 200)
		then(want, func() {
			var me struct {
				Permissions []string `json:"permissions"`
			}
			require.NoError(m.w.T, json.Unmarshal([]byte(got.Body), &me))
			if !slices.Equal(c.effective().list(), me.Permissions) {
				t.Fatalf("%s may %v, the model says %v", c.id, me.Permissions, c.effective().list())
			}
		})
		for _, list := range read {
			want := m.admitted(c, list.permission)
			got := m.call(t, c, "GET", "/"+list.noun, nil, nil, want, 200)
			then(want, func() { m.sameIDs(t, c, list.noun, got.Body) })
		}
		one := rapid.SampledFrom(read).Draw(t, "noun")
		if len(m.ever(one.noun)) > 0 {
			x := m.any(t, one.noun)
			m.call(t, c, "GET", "/"+one.noun+"/{id}", x, nil, m.on(c, "GET", one.permission, x), 200)
		}
	}
}

func (m *treeMachine) sameIDs(t *rapid.T, c *thing, noun, body string) {
	got, next := page(m.w.T, body)
	got = slices.DeleteFunc(got, func(id string) bool { return strings.HasPrefix(id, "role_Builtin") })
	want := slices.DeleteFunc(m.lists(c, noun), func(id string) bool { return strings.HasPrefix(id, "role_Builtin") })
	slices.Sort(got)
	slices.Sort(want)
	if next != "" { // more than a page: those of the first one are among them
		want = slices.DeleteFunc(want, func(id string) bool { return !slices.Contains(got, id) })
	}
	if !slices.Equal(got, want) {
		t.Fatalf("%s of %s are %v, the model says %v", noun, c.id, got, want)
	}
}
