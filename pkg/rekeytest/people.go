package rekeytest

import (
	"github.com/stretchr/testify/require"

	"github.com/rekey-dev/rekey/pkg/accesstoken"
	"github.com/rekey-dev/rekey/pkg/audit"
	"github.com/rekey-dev/rekey/pkg/authz"
	"github.com/rekey-dev/rekey/pkg/change"
	"github.com/rekey-dev/rekey/pkg/company"
	"github.com/rekey-dev/rekey/pkg/employee"
	"github.com/rekey-dev/rekey/pkg/id"
	"github.com/rekey-dev/rekey/pkg/node"
	"github.com/rekey-dev/rekey/pkg/permission"
	"github.com/rekey-dev/rekey/pkg/place"
	"github.com/rekey-dev/rekey/pkg/role"
	"github.com/rekey-dev/rekey/pkg/token"
	"github.com/rekey-dev/rekey/pkg/verify"
)

// Person is an employee with a personal access token that carries all of the role's permissions.
type Person struct {
	Employee employee.Employee
	Token    accesstoken.Token
	Secret   token.Secret
}

func (w *World) populate() {
	w.Below, w.Sibling = w.Node("Below", w.Root), w.Node("Sibling", w.Root)
	w.Company, w.Stranger = w.NewCompany("Acme", w.Below), w.NewCompany("Globex", w.Sibling)
	w.Admin, w.Operator = w.Hire("Admin", w.Root, role.Admin), w.Hire("Operator", w.Root, role.Operator)
	w.Viewer = w.Hire("Viewer", w.Root, role.Viewer)
	w.BelowAdmin, w.SiblingAdmin = w.Hire("BelowAdmin", w.Below, role.Admin), w.Hire("SiblingAdmin", w.Sibling, role.Admin)
	w.CompanyAdmin, w.StrangerAdmin = w.Hire("CompanyAdmin", w.Company, role.Admin), w.Hire("StrangerAdmin", w.Stranger, role.Admin)
}

// Commit carries out a change on the state itself.
func (w *World) Commit(e audit.Event, writes ...change.Write) {
	w.T.Helper()
	require.NoError(w.T, w.Mem.Commit(w.Ctx, change.Set{Operation: e.Operation, At: w.Now(), Events: []audit.Event{e}, Writes: writes}))
}

// Happened is the record of something that was done to an object.
func (w *World) Happened(noun, object string, at place.Place, seq int64) audit.Event {
	return audit.Event{ID: id.New[id.Event](w.Rand), Seq: seq, At: w.Now(), Action: noun + ".created",
		Actor:  audit.Actor{Type: audit.System, ID: "system", Name: "rekey"},
		Target: audit.Target{Type: noun, ID: object, Name: "made by the test"}, Place: at, Outcome: audit.OK,
		Operation: id.New[id.Operation](w.Rand)}
}

// Node makes a node below another.
func (w *World) Node(name string, parent place.Place) place.Place {
	w.T.Helper()
	n := id.New[id.Node](w.Rand)
	at := parent.Child(n)
	w.Commit(w.Happened("node", string(n), at, 1), node.Create{Node: node.Node{ID: n, ParentID: parent.Node(), Name: name, Place: at,
		CreatedAt: w.Now(), UpdatedAt: w.Now(), Version: 1, EventSeq: 1}})
	return at
}

// NewCompany makes a company under a node.
func (w *World) NewCompany(name string, under place.Place) place.Place {
	w.T.Helper()
	at := place.Place{Path: under.Path, Company: id.New[id.Company](w.Rand)}
	w.Commit(w.Happened("company", string(at.Company), at, 1), company.Create{Company: company.Company{ID: at.Company, Name: name,
		Place: at, PackageID: "large", Status: company.Active, Owner: company.Owner{FirstName: "Grace", LastName: "Hopper", Email: "grace@example.com"}, CreatedAt: w.Now(), UpdatedAt: w.Now(), Version: 1, EventSeq: 1}})
	return at
}

// Suspend suspends a company, or resumes it.
func (w *World) Suspend(at place.Place, suspended bool) {
	w.T.Helper()
	c, err := w.Mem.Company(w.Ctx, at.Company)
	require.NoError(w.T, err)
	c.Status = company.Active
	if suspended {
		c = c.Suspend()
	}
	w.Mem.PutCompany(c)
}

// Hire makes an employee with a token.
func (w *World) Hire(first string, at place.Place, r id.Role) *Person {
	w.T.Helper()
	p := &Person{Employee: employee.Employee{ID: id.New[id.Employee](w.Rand), Email: first + "@example.com", FirstName: first,
		LastName: "Person", Place: at, RoleID: r, Status: employee.Active, CreatedAt: w.Now(), UpdatedAt: w.Now(), Version: 1, EventSeq: 1}}
	w.Commit(w.Happened("employee", string(p.Employee.ID), at, 1), employee.Create{Employee: p.Employee})
	held, ok := role.BuiltIn(r)
	if !ok {
		custom, err := w.Mem.CustomRole(w.Ctx, r)
		require.NoError(w.T, err)
		held = *custom
	}
	p.Token, p.Secret = w.PAT(p, held.Permissions)
	return p
}

// PAT makes a further token for an employee.
func (w *World) PAT(p *Person, scopes permission.Set) (accesstoken.Token, token.Secret) {
	w.T.Helper()
	t := accesstoken.Token{ID: id.New[id.PAT](w.Rand), EmployeeID: p.Employee.ID, Place: p.Employee.Place, Name: "laptop",
		Scopes: scopes, Generation: 1, ExpiresAt: w.Now().AddDate(10, 0, 0), CreatedAt: w.Now(), Version: 1, EventSeq: 1}
	coin, err := w.Mint.New(w.Ctx, token.PersonalAccessToken, id.Body(t.ID), 1, "", nil)
	require.NoError(w.T, err)
	t.MAC, t.PepperVersion = coin.MAC, coin.PepperVersion
	w.Commit(w.Happened("personal_access_token", string(t.ID), t.Place, 1), accesstoken.Create{Token: t})
	w.Note(coin.Secret)
	return t, coin.Secret
}

// CustomRole puts a custom role of the root node, new or changed.
func (w *World) CustomRole(r id.Role, scopes ...permission.Permission) role.Role {
	out := role.Role{ID: r, Name: "custom", Permissions: permission.Of(scopes...), NodeID: w.Root.Node(),
		AssignableTo: []role.Assignee{role.Employee, role.ServiceAccount}, Version: 1}
	w.Mem.PutRole(out)
	return out
}

// Caller is the person as the authorizer hands it to the functions now.
func (w *World) Caller(s token.Secret) authz.Caller {
	w.T.Helper()
	v, err := w.Environment(w.Mem).Verify(w.Ctx, verify.Presented{Secret: s}, w.Origin("192.0.2.200"))
	require.NoError(w.T, err)
	require.Equal(w.T, verify.Allow, v.Class, "the caller of a use case is signed in")
	return v.Caller()
}
