package isolation

import (
	"slices"
	"strings"
	"testing"
	"time"

	"github.com/stretchr/testify/require"

	"github.com/rekey-dev/rekey/pkg/apikey"
	"github.com/rekey-dev/rekey/pkg/calendar"
	"github.com/rekey-dev/rekey/pkg/employee"
	"github.com/rekey-dev/rekey/pkg/grant"
	"github.com/rekey-dev/rekey/pkg/httpapi/httpapitest"
	"github.com/rekey-dev/rekey/pkg/id"
	"github.com/rekey-dev/rekey/pkg/permission"
	"github.com/rekey-dev/rekey/pkg/place"
	"github.com/rekey-dev/rekey/pkg/policy"
	"github.com/rekey-dev/rekey/pkg/protectedapi"
	"github.com/rekey-dev/rekey/pkg/rekeytest"
	"github.com/rekey-dev/rekey/pkg/role"
	"github.com/rekey-dev/rekey/pkg/rotation"
	"github.com/rekey-dev/rekey/pkg/staff"
	"github.com/rekey-dev/rekey/pkg/token"
)

// spot is a kind of place, seen from home, where most callers stand.
type spot string

const (
	root        spot = "root"
	parent      spot = "parent"
	parentCo    spot = "parentCo"
	home        spot = "home"
	homeCo      spot = "homeCo"
	otherCo     spot = "otherCo" // beside homeCo
	suspendedCo spot = "suspendedCo"
	child       spot = "child"
	childCo     spot = "childCo"
	beside      spot = "beside" // a sibling of home
	besideCo    spot = "besideCo"
	far         spot = "far" // a sibling of parent
	farCo       spot = "farCo"
)

var spots = []spot{root, parent, parentCo, home, homeCo, otherCo, suspendedCo, child, childCo, beside, besideCo, far, farCo}

// above is what each spot stands directly below.
var above = map[spot]spot{parent: root, far: root, parentCo: parent, home: parent, beside: parent, homeCo: home, otherCo: home, suspendedCo: home,
	child: home, childCo: child, besideCo: beside, farCo: far}

func (s spot) company() bool { return strings.HasSuffix(string(s), "Co") }

// object is something that a caller may reach or not. noun is the first part of its path.
type object struct {
	noun, id string
	at       spot
	of       string // the service account, or the employee, that it is or belongs to
	who      *holder
}

// holder is what an employee is, for who would change them, or a token of theirs.
type holder struct {
	role    id.Role
	holds   set
	owner   bool
	invited bool // and has not accepted
	wild    bool // has every protected scope of some kind, as the built-in roles do
}

// world is a deployment with something of every noun at every spot, and with the callers.
type world struct {
	*httpapitest.World
	places  map[spot]place.Place
	objects []object
	byID    map[string]object
	callers []caller
	holds   map[id.Role]set
	secrets map[spot]token.Secret // of a key at each
	least   id.Role               // can be given to everybody, by everybody
	made    int                   // names that were made up
}

func newWorld(t *testing.T) *world {
	w := &world{World: httpapitest.New(t), byID: map[string]object{}, secrets: map[spot]token.Secret{}, holds: map[id.Role]set{role.Owner: everything(), role.Admin: everything(),
		role.Operator: union(reads(), of("apps:manage")), role.Viewer: without(reads(), of("audit:read"))}}
	w.Staff.Seats = nil // there are more people than a package's
	node := func(name spot) place.Place { return w.Node("QQ"+string(name), w.places[above[name]]) }
	company := func(name spot) place.Place { return w.NewCompany("QQ"+string(name), w.places[above[name]]) }
	w.places = map[spot]place.Place{root: w.Root, parent: w.Below, parentCo: w.World.Company, far: w.Sibling, farCo: w.Stranger}
	for _, s := range []spot{home, beside, child} {
		w.places[s] = node(s)
	}
	for _, s := range []spot{homeCo, otherCo, suspendedCo, childCo, besideCo} {
		w.places[s] = company(s)
	}
	for s, people := range map[spot][]*rekeytest.Person{root: {w.Owner, w.Admin, w.Operator, w.Viewer}, parent: {w.BelowAdmin}, parentCo: {w.CompanyAdmin},
		far: {w.SiblingAdmin}, farCo: {w.StrangerAdmin}} {
		for _, p := range people {
			w.addPerson(p, s)
		}
	}
	for _, s := range spots {
		w.furnish(s)
	}
	w.populate()
	_, err := w.Companies.Suspend(w.Ctx, w.As(w.Owner), w.places[suspendedCo].Company, "")
	require.NoError(t, err)
	w.Advance(time.Minute) // what has happened is not of this very moment
	w.complete()
	w.Store.Reset()
	return w
}

func (w *world) add(noun, id string, at spot, of string) {
	o := object{noun: noun, id: id, at: at, of: of}
	w.objects = append(w.objects, o)
	w.byID[id] = o
}

func (w *world) addPerson(p *rekeytest.Person, at spot) {
	w.addEmployee(p.Employee, at)
	w.addOf(p, "personal-access-tokens", string(p.Token.ID), at)
}

func (w *world) addEmployee(e employee.Employee, at spot) {
	w.add("employees", string(e.ID), at, string(e.ID))
	w.objects[len(w.objects)-1].who = &holder{e.RoleID, w.holds[e.RoleID], e.RoleID == role.Owner, e.Status == employee.Invited, role.IsBuiltIn(e.RoleID)}
	w.byID[string(e.ID)] = w.objects[len(w.objects)-1]
}

// signIn gives a person two passkeys and a session.
func (w *world) signIn(p *rekeytest.Person, at spot) token.Secret {
	w.Enrol(p)
	secret := w.SignsIn(w.Enrol(p))
	e, err := w.Mem.Employee(w.Ctx, p.Employee.ID)
	require.NoError(w.T, err)
	for _, k := range e.Passkeys {
		w.addOf(p, "credentials", string(k), at)
	}
	w.addOf(p, "sessions", sessionOf(secret), at)
	return secret
}

func sessionOf(s token.Secret) string { return "ses_" + s.Reveal()[4:24] }

// tokenOf is the ID of the personal access token of a secret.
func tokenOf(s token.Secret) string { return "pat_" + s.Reveal()[4:24] }

// addOf adds something of a person.
func (w *world) addOf(p *rekeytest.Person, noun, id string, at spot) {
	w.add(noun, id, at, string(p.Employee.ID))
	w.objects[len(w.objects)-1].who = w.byID[string(p.Employee.ID)].who
}

// furnish puts something of every noun at a spot; its name says where it stands. What is reached first is put first.
func (w *world) furnish(s spot) {
	at, owner, name := w.places[s], w.As(w.Owner), "QQ"+string(s)
	if s.company() {
		w.add("companies", string(at.Company), s, "")
	} else {
		w.add("nodes", at.ID(), s, "")
		r, err := w.Roles.Create(w.Ctx, owner, grant.New{Node: at.Node(), Name: name, Permissions: []string{string(permission.KeysRead)}})
		require.NoError(w.T, err)
		w.add("roles", string(r.ID), s, "")
		w.holds[r.ID] = of(string(permission.KeysRead))
		slug := "qq" + strings.ToLower(string(s))
		api, err := w.APIs.Register(w.Ctx, owner, protectedapi.New{Node: at.Node(), Name: name, Slug: slug, GatewayID: slug, Stage: "prod",
			Scopes: []protectedapi.Scope{{Name: permission.Permission(slug + ":read"), Kind: permission.Read, Description: name}}})
		require.NoError(w.T, err)
		w.add("protected-apis", string(api.ID), s, "")
		p := w.Hire(name, at, role.Viewer)
		w.addPerson(p, s)
		w.signIn(p, s)
		invited, err := w.Staff.Invite(w.Ctx, owner, staff.New{Node: at.Node(), Email: name + "-invited@example.com", FirstName: name, LastName: "Invited", RoleID: role.Viewer})
		require.NoError(w.T, err)
		w.addEmployee(invited, s)
	}
	_, first := w.addAccount(name+" rotating", s, role.Integration)
	w.secrets[s] = first.Secret
	plain := w.Account(name+" ruled", at)
	w.add("service-accounts", string(plain.ID), s, string(plain.ID))
	p := w.Policy(rekeytest.On(plain), policy.Text{Notify: rekeytest.To([]string{name + "@example.com"})})
	w.add("rotation-policies", string(p.ID), s, string(plain.ID))
	c := calendar.New{Name: name, Kind: calendar.Freeze, Zone: "UTC", Node: at.Node(), Company: at.Company}
	if s.company() {
		c.Node = ""
	}
	made, err := w.Calendars.Create(w.Ctx, owner, c)
	require.NoError(w.T, err)
	w.add("calendars", string(made.ID), s, "")
}

// addAccount makes an account with three keys, of which one is being rotated to another.
func (w *world) addAccount(name string, s spot, r id.Role) (id.ServiceAccount, apikey.Shown) {
	a := w.AccountWith(name, w.places[s], r)
	w.add("service-accounts", string(a.ID), s, string(a.ID))
	first, second := w.Issue(a.ID, name+" first"), w.Issue(a.ID, name+" second")
	out, err := w.Rotations.Rotate(w.Ctx, w.As(w.Owner), second.View.Key.ID, rotation.Start{Mode: rotation.Overlap})
	require.NoError(w.T, err)
	for _, k := range []id.Key{first.View.Key.ID, second.View.Key.ID, out.View.New.Key.ID} {
		w.add("keys", string(k), s, string(a.ID))
	}
	w.add("rotations", string(out.View.Rotation.ID), s, string(a.ID))
	return a.ID, first
}

// complete adds the audit log, and fails when something was made that is not among the objects.
func (w *world) complete() {
	at := map[place.Place]spot{}
	for s, p := range w.places {
		at[p] = s
	}
	for _, e := range w.Mem.Events() {
		s, ok := at[e.Place]
		require.True(w.T, ok, "a place that is no spot: %v", e)
		if _, known := w.byID[e.Target.ID]; !known && e.Target.Type != "msp" {
			require.Fail(w.T, "something was made and is no object", "%v", e.Target)
		}
		w.add("audit-events", string(e.ID), s, w.byID[e.Target.ID].of)
	}
}

// first is the object of a noun at a spot that is reached first.
func (w *world) first(noun string, at spot) (object, bool) {
	i := slices.IndexFunc(w.objects, func(o object) bool { return o.noun == noun && o.at == at })
	if i < 0 {
		return object{}, false
	}
	return w.objects[i], true
}

// those are the objects of a noun that a case is made of, as one caller: one at each spot, and the caller's own.
func (w *world) those(noun string, c caller) (out []object) {
	for _, s := range spots {
		if o, ok := w.first(noun, s); ok {
			out = append(out, o)
			for _, is := range []func(*holder) bool{func(h *holder) bool { return h.invited }, func(h *holder) bool { return h.owner }} {
				i := slices.IndexFunc(w.objects, func(o object) bool { return o.noun == noun && o.at == s && o.who != nil && is(o.who) })
				if i >= 0 && !slices.Contains(out, w.objects[i]) {
					out = append(out, w.objects[i])
				}
			}
		}
	}
	for _, o := range w.objects {
		if o.noun == noun && (o.of == c.id || o.id == c.id) && !slices.Contains(out, o) {
			return append(out, o)
		}
	}
	return out
}

// caller is somebody who calls, as the model knows them.
type caller struct {
	name   string
	id     string
	at     spot
	secret token.Secret
	person bool
	wild   bool // has every protected scope of every kind
	owner  bool
	inside bool    // works inside a company with a session for it
	key    bool    // signed in with a passkey
	role   set     // what the role has
	scopes set     // what the credential carries
	own    set     // what of the role reaches the caller's own account only
	first  bool    // calls before others where it matters who was first: one of each kind does
	custom id.Role // "" with a built-in one
}

func (c caller) has(p string) bool { return c.role[p] && c.scopes[p] }

func (w *world) populate() {
	w.callers = append(w.callers, caller{name: "owner at root", id: string(w.Owner.Employee.ID), at: root, secret: w.Owner.Secret, person: true, owner: true, wild: true, role: everything(), scopes: everything()})
	w.person("admin", home, role.Admin, everything(), everything())
	w.person("admin with a token that reads", home, role.Admin, everything(), reads())
	w.person("admin with a token without scopes", home, role.Admin, everything(), set{})
	w.person("operator", home, role.Operator, union(reads(), of("apps:manage")), everything())
	w.person("viewer", home, role.Viewer, without(reads(), of("audit:read")), everything())
	w.person("nobody", home, w.custom("Nobody", of("apps:read")), of("apps:read"), everything())
	w.person("admin by a custom role", home, w.custom("Everything", everything()), everything(), everything())
	w.person("admin beside", beside, role.Admin, everything(), everything())
	w.signedIn("admin with a passkey", home, everything())
	w.person("staff manager", home, w.custom("Staff", staffing()), staffing(), everything())
	w.inside("assumed session", homeCo)
	w.inside("assumed session in a suspended company", suspendedCo)
	all := w.custom("Machine", machine())
	w.least = w.custom("Idle", set{})
	below := w.Hire("Owner-below", w.places[child], role.Owner)
	w.addPerson(below, child)
	w.signIn(below, child)
	for _, s := range []spot{home, homeCo} {
		w.machine("integration", s, role.Integration, integration(), integration(), integration())
		w.machine("automation", s, role.Automation, automation(), integration(), automation())
		w.machine("machine that may everything", s, all, machine(), set{}, machine())
	}
	w.machine("machine with a key that reads", homeCo, all, machine(), set{}, and(reads(), machine()))
	w.machine("machine without permissions", homeCo, w.least, set{}, set{}, set{})
	w.machine("machine that may everything in a suspended company", suspendedCo, all, machine(), set{}, machine())
	for i, c := range w.callers {
		first := []string{"admin at home", "assumed session at homeCo", "machine that may everything at home", "automation at homeCo", "admin with a passkey at home"}
		w.callers[i].first = slices.Contains(first, c.name)
		for _, path := range []string{"/me", "/permissions"} { // so that there is usage to be read
			require.Equal(w.T, 200, w.Through(c.secret, httpapitest.Request{Method: "GET", Resource: path}).Status, c.name)
		}
	}
}

// custom makes a role of the root node.
func (w *world) custom(name string, holds set) id.Role {
	r, err := w.Roles.Create(w.Ctx, w.As(w.Owner), grant.New{Node: w.Root.Node(), Name: name, Permissions: holds.list()})
	require.NoError(w.T, err)
	w.add("roles", string(r.ID), root, "")
	w.holds[r.ID] = holds
	return r.ID
}

func (w *world) person(name string, at spot, r id.Role, holds, scopes set) *rekeytest.Person {
	p := w.Hire(strings.ReplaceAll(name, " ", "-")+"-"+string(at), w.places[at], r)
	var words []permission.Permission
	for _, p := range scopes.list() {
		words = append(words, permission.Permission(p))
	}
	w.addPerson(p, at)
	carried, whole := permission.Of(words...), len(scopes) == len(everything())
	if whole {
		carried = permission.All
	}
	p.Token, p.Secret = w.PAT(p, carried)
	w.addOf(p, "personal-access-tokens", string(p.Token.ID), at)
	w.callers = append(w.callers, caller{name: name + " at " + string(at), id: string(p.Employee.ID), at: at, secret: p.Secret, person: true, wild: whole && r == role.Admin, role: holds, scopes: scopes, custom: customOnly(r)})
	return p
}

// signedIn is an admin who has a session.
func (w *world) signedIn(name string, at spot, holds set) *rekeytest.Person {
	p := w.person(name, at, role.Admin, holds, holds)
	c := &w.callers[len(w.callers)-1]
	c.secret, c.key = w.signIn(p, at), true
	return p
}

// inside is an admin of home who works inside a company.
func (w *world) inside(name string, co spot) {
	p := w.signedIn("opens "+name, home, everything())
	opener := w.callers[len(w.callers)-1]
	secret := w.Inside(opener.secret, w.places[co])
	w.addOf(p, "sessions", sessionOf(secret), home)
	opener.name, opener.at, opener.secret, opener.key, opener.inside = name+" at "+string(co), co, secret, false, true
	opener.role, opener.scopes = assumed(), assumed()
	w.callers = append(w.callers, opener)
}

func (w *world) machine(name string, at spot, r id.Role, holds, own, scopes set) {
	a, _ := w.addAccount(name, at, r)
	words := scopes.list()
	k := w.IssueWith(a, apikey.Issue{Name: name + " calls", Scopes: &words})
	w.add("keys", string(k.View.Key.ID), at, string(a))
	w.callers = append(w.callers, caller{name: name + " at " + string(at), id: string(a), at: at, secret: k.Secret, role: holds, scopes: scopes, own: own, custom: customOnly(r)})
}

func customOnly(r id.Role) id.Role {
	if strings.HasPrefix(string(r), "role_Builtin") {
		return ""
	}
	return r
}
