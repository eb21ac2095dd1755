package employees_test

import (
	"strings"
	"testing"
	"time"

	"github.com/stretchr/testify/require"

	"github.com/rekey-dev/rekey/pkg/audit"
	"github.com/rekey-dev/rekey/pkg/httpapi/httpapitest"
	"github.com/rekey-dev/rekey/pkg/id"
	"github.com/rekey-dev/rekey/pkg/permission"
	"github.com/rekey-dev/rekey/pkg/rekeytest"
	"github.com/rekey-dev/rekey/pkg/role"
)

func TestLastOwner_StaysAndSaysSo_W3(t *testing.T) {
	w := httpapitest.New(t)
	owner := string(w.Owner.Employee.ID)
	w.Call(w.Owner.Secret, on("DELETE", owner)).Problem(t, 409, "last_owner")
	w.Call(w.Owner.Secret, invitation(w.Root, role.Owner))
	w.Call(w.Owner.Secret, on("DELETE", owner)).Problem(t, 409, "last_owner") // an invited one cannot act
	second := w.Hire("Second", w.Root, role.Owner)
	w.Call(w.Owner.Secret, on("PATCH", owner, object{"role_id": role.Admin})).Problem(t, 403, "not_grantable")
	require.Equal(t, 200, w.Call(second.Secret, on("PATCH", owner, object{"role_id": role.Admin})).Status)
	w.Call(second.Secret, on("DELETE", string(second.Employee.ID))).Problem(t, 409, "last_owner")
	w.Call(w.Owner.Secret, on("DELETE", string(second.Employee.ID))).Problem(t, 403, "not_grantable")
	require.Equal(t, 200, w.Call(second.Secret, on("PATCH", owner, object{"role_id": role.Owner})).Status)
	require.Equal(t, 204, w.Call(w.Owner.Secret, on("DELETE", string(second.Employee.ID))).Status)
}

func TestOwner_StandsAtTheRootAndNowhereBelow_W3(t *testing.T) {
	w := httpapitest.New(t)
	refused := w.Call(w.Owner.Secret, invitation(w.Below, role.Owner))
	refused.Invalid(t, "/role_id")
	require.Contains(t, refused.Body, "root node")
	for i, p := range []*rekeytest.Person{w.Admin, w.BelowAdmin} {
		w.Call(p.Secret, invitation(w.Below, role.Owner)).Problem(t, 403, "not_grantable")
		require.Equal(t, i+1, denials(w), "who may make no owner anywhere is on record")
	}
	w.Call(w.Owner.Secret, on("PATCH", string(w.BelowAdmin.Employee.ID), object{"role_id": role.Owner})).Invalid(t, "/role_id")
	require.Empty(t, w.Inbox.Letters())
	w.Call(w.Owner.Secret, on("DELETE", string(w.Owner.Employee.ID))).Problem(t, 409, "last_owner")
	require.Equal(t, 201, w.Call(w.Owner.Secret, invitation(w.Root, role.Owner)).Status)
	require.Equal(t, 200, w.Call(w.Owner.Secret, on("PATCH", string(w.Viewer.Employee.ID), object{"role_id": role.Owner})).Status)
	require.Equal(t, 204, w.Call(w.Owner.Secret, on("DELETE", string(w.Owner.Employee.ID))).Status, "another one stands at the root")
}

func TestEmployee_IsChangedByWhoCouldGiveTheirRole_W3(t *testing.T) {
	w := httpapitest.New(t)
	owner := w.Hire("Second", w.Root, role.Owner)
	narrow := w.CustomRole("role_0000000000000000Lead", permission.EmployeesRead, permission.EmployeesInvite, permission.EmployeesUpdate,
		permission.EmployeesDelete, permission.EmployeesResetSecondFactor)
	lead := w.Hire("Lead", w.Root, narrow.ID)
	peer := w.Hire("Peer", w.Root, narrow.ID)
	for _, x := range []struct {
		by     *rekeytest.Person
		target id.Employee
	}{{w.Admin, owner.Employee.ID}, {lead, w.Viewer.Employee.ID}, {lead, w.Admin.Employee.ID}} {
		for _, request := range []httpapitest.Request{on("PATCH", string(x.target), object{"first_name": "x"}), on("DELETE", string(x.target)),
			act(string(x.target), "reset-second-factor"), act(string(x.target), "resend-invitation"), act(string(x.target), "revoke-invitation")} {
			w.Call(x.by.Secret, request).Problem(t, 403, "not_grantable")
		}
	}
	require.Equal(t, 200, w.Call(lead.Secret, on("PATCH", string(peer.Employee.ID), object{"first_name": "x"})).Status)
	w.Call(w.Admin.Secret, invitation(w.Root, role.Owner)).Problem(t, 403, "not_grantable")
	w.Call(lead.Secret, invitation(w.Root, role.Viewer)).Problem(t, 403, "not_grantable")
	require.Equal(t, 201, w.Call(lead.Secret, invitation(w.Root, narrow.ID)).Status)
	for _, p := range []*rekeytest.Person{w.Admin, lead, w.Owner} { // nobody's own role, up or down
		w.Call(p.Secret, on("PATCH", string(p.Employee.ID), object{"role_id": role.Viewer})).Problem(t, 403, "not_grantable")
		require.Equal(t, 200, w.Call(p.Secret, on("PATCH", string(p.Employee.ID), object{"first_name": "Self", "role_id": p.Employee.RoleID})).Status)
	}
	w.Call(w.Admin.Secret, on("PATCH", string(w.Viewer.Employee.ID), object{"role_id": role.Owner})).Problem(t, 403, "not_grantable")
	require.GreaterOrEqual(t, denials(w), 8, "refusals are on record, one a minute, credential and route")
}

// denials counts the refusals on record that have to do with employees.
func denials(w *httpapitest.World) (n int) {
	for _, r := range w.Mem.Events() {
		if r.Outcome == audit.Denied && r.Target.Type != "service_account" {
			n++
		}
	}
	return n
}

func TestEmployee_RolesHaveToBeForEmployees_W3(t *testing.T) {
	w := httpapitest.New(t)
	for _, r := range []string{string(role.Integration), "role_00000000000000000009", "nonsense", "role_BuiltinNobody000000"} {
		w.Call(w.Owner.Secret, invitation(w.Root, id.Role(r))).Invalid(t, "/role_id")
		w.Call(w.Owner.Secret, on("PATCH", string(w.Viewer.Employee.ID), object{"role_id": r})).Invalid(t, "/role_id")
	}
	custom := w.CustomRole("role_00000000000000000001", permission.KeysRead)
	require.Equal(t, 201, w.Call(w.Owner.Secret, invitation(w.Below, custom.ID)).Status)
	w.Call(w.Owner.Secret, httpapitest.Request{Method: "DELETE", Resource: "/roles/{id}", ID: string(custom.ID)}).Problem(t, 409, "in_use")
}

func TestEmployee_AddressesHaveOneForm_W3(t *testing.T) {
	w := httpapitest.New(t)
	for _, legal := range []string{"a@example.com", "first.last+tag@sub.example.co.uk", "o'hara@example.com", "!#$%&*/=?^_`{|}~@example.com", "1@2.example",
		"x@xn--mnchen-3ya.example", "localhost@host", strings.Repeat("a", 64) + "@example.com"} {
		got := w.Call(w.Owner.Secret, invitation(w.Root, role.Viewer, object{"email": legal}))
		require.Equal(t, 201, got.Status, "%s: %s", legal, got.Body)
		w.Call(w.Owner.Secret, invitation(w.Root, role.Viewer, object{"email": strings.ToUpper(legal)})).Problem(t, 409, "conflict")
		require.Equal(t, 204, w.Call(w.Owner.Secret, act(got.JSON(t)["id"].(string), "revoke-invitation")).Status)
	}
	for _, illegal := range []string{"", "a", "@example.com", "a@", "a@b@c", "a b@example.com", " a@example.com", "a@example.com ", "a@exa mple.com", "<a@example.com>",
		"Grace <a@example.com>", "a@example.com, b@example.com", "a..b@example.com", ".a@example.com", "a.@example.com", "a@.example.com", "a@example..com",
		"a@[192.0.2.1]", "a@-b.example", "a@b_c.example", "a@example.com.", `"a b"@example.com`, `"a"@example.com`, "a@münchen.example", "grün@example.com", "a\u200b@example.com", "a@example.com\r\nBcc: b@example.com", "a\x00@example.com",
		strings.Repeat("a", 65) + "@example.com", "a@" + strings.Repeat("b.", 130) + "com", "a(c)@example.com"} {
		w.Call(w.Owner.Secret, invitation(w.Root, role.Viewer, object{"email": illegal})).Invalid(t, "/email")
	}
	w.Call(w.Owner.Secret, invitation(w.Root, role.Viewer, object{"email": 7})).Invalid(t, "/email")
	w.Call(w.Owner.Secret, invitation(w.Root, role.Viewer, object{"nickname": "x"})).Invalid(t, "/nickname")
	for _, bad := range []string{"", "a\nb", "a\u200b", strings.Repeat("x", 101)} {
		w.Call(w.Owner.Secret, invitation(w.Root, role.Viewer, object{"first_name": bad})).Invalid(t, "/first_name")
		w.Call(w.Owner.Secret, invitation(w.Root, role.Viewer, object{"last_name": bad})).Invalid(t, "/last_name")
	}
	require.Len(t, w.Inbox.Letters(), 8)
}

func TestLetter_IsPlainWhateverPeopleAreCalled_W3(t *testing.T) {
	w := httpapitest.New(t)
	names := object{"first_name": `<b onclick="x">evil.example.com`, "last_name": "https://evil.example"}
	require.Equal(t, 201, w.Call(w.Owner.Secret, invitation(w.Root, role.Viewer, names)).Status)
	l := w.Inbox.Last()
	require.Equal(t, "rekey: you are invited", l.Subject)
	require.NotContains(t, l.HTML, "<b onclick")
	require.Contains(t, l.HTML, "&lt;b onclick")
	for _, part := range []string{l.Text, l.HTML} {
		require.NotContains(t, part, "evil.example")
		require.Contains(t, part, "POST /v1/credentials/challenges")
		require.Contains(t, part, "POST /v1/credentials/with-code")
	}
}

func TestLetters_OneAddressGetsFiveAnHourWhoeverSendsThemAndHoweverOftenTheEmployeeIsMadeAnew_W3(t *testing.T) {
	w := httpapitest.New(t)
	inviter := w.CustomRole("role_0000000000000000Invr", permission.EmployeesInvite)
	callers := []*rekeytest.Person{w.Hire("Inviter", w.Below, inviter.ID), w.Hire("Second", w.Below, inviter.ID), w.BelowAdmin}
	invite := func(by *rekeytest.Person, address string) httpapitest.Response {
		return w.Call(by.Secret, invitation(w.Below, inviter.ID, object{"email": address}))
	}
	for i := range 5 {
		by := callers[i%len(callers)]
		made := invite(by, []string{"stranger@example.com", "Stranger@Example.com"}[i%2])
		require.Equal(t, 201, made.Status, made.Body)
		require.Equal(t, 204, w.Call(by.Secret, act(made.JSON(t)["id"].(string), "revoke-invitation")).Status)
		w.Advance(time.Minute)
	}
	events := len(w.Mem.Events())
	for _, by := range append(callers, w.Owner) {
		refused := invite(by, "STRANGER@example.com")
		refused.Problem(t, 429, "too_many_requests")
		require.Equal(t, "3300", refused.Header["Retry-After"])
	}
	require.Len(t, w.Inbox.Letters(), 5)
	require.Len(t, w.Mem.Events(), events)
	_, err := w.Mem.EmployeeByEmail(w.Ctx, "stranger@example.com")
	require.Error(t, err, "nobody was made")
	require.Equal(t, 201, invite(w.BelowAdmin, "other@example.com").Status)

	w.Advance(55 * time.Minute)
	again := invite(callers[0], "stranger@example.com")
	require.Equal(t, 201, again.Status, again.Body)
	e := again.JSON(t)["id"].(string)
	w.Call(w.Owner.Secret, act(e, "resend-invitation")).Problem(t, 429, "too_many_requests") // of the five the first alone is an hour old
	w.Advance(time.Minute)
	require.Equal(t, 200, w.Call(w.Owner.Secret, act(e, "resend-invitation")).Status)
	accepted(w, e)
	w.Call(w.Owner.Secret, act(e, "reset-second-factor")).Problem(t, 429, "too_many_requests")
	w.Advance(time.Minute)
	require.Equal(t, 200, w.Call(w.Owner.Secret, act(e, "reset-second-factor")).Status)
}

func TestEmployees_ATokenWithANarrowerScopeIsRefusedOutsideIt_D5(t *testing.T) {
	w := httpapitest.New(t)
	_, reads := w.PAT(w.Owner, permission.Of(permission.EmployeesRead))
	e := w.Call(w.Owner.Secret, invitation(w.Root, role.Viewer)).JSON(t)["id"].(string)
	require.Equal(t, 200, w.Call(reads, on("GET", e)).Status)
	require.Equal(t, 200, w.Call(reads, list("")).Status)
	for scope, request := range map[string]httpapitest.Request{"employees:invite": invitation(w.Root, role.Viewer, object{"email": "b@example.com"}),
		"employees:update": on("PATCH", e, object{"first_name": "x"}), "employees:delete": on("DELETE", e),
		"employees:reset_second_factor": act(string(w.Viewer.Employee.ID), "reset-second-factor")} {
		require.Equal(t, scope, w.Call(reads, request).Problem(t, 403, "missing_scope")["missing_scope"])
	}
	// A role is given with what the token carries, not with what the role has.
	_, invites := w.PAT(w.Owner, permission.Of(permission.EmployeesInvite, permission.EmployeesRead))
	w.Call(invites, invitation(w.Root, role.Viewer, object{"email": "b@example.com"})).Problem(t, 403, "not_grantable")
}

func TestEmployee_WhoInvitedThemIsNotShownBelowWhereTheyStand_W3(t *testing.T) {
	w := httpapitest.New(t)
	above := w.Call(w.Owner.Secret, invitation(w.Below, role.Viewer, object{"last_name": "Above"})).JSON(t)
	require.Equal(t, string(w.Owner.Employee.ID), above["created_by"])
	e := above["id"].(string)
	nobody := func(shown object) {
		t.Helper()
		require.Empty(t, shown["created_by"])
		require.Empty(t, shown["created_by_name"])
	}
	below := w.BelowAdmin.Secret
	nobody(w.Call(below, on("GET", e)).JSON(t))
	for _, query := range []string{"email=grace@example.com", "q=" + e, "q=grace", "status=invited", ""} {
		items := w.Call(below, list(query)).Items(t)
		require.NotEmpty(t, items, query)
		for _, shown := range items {
			nobody(shown)
		}
	}
	nobody(w.Call(below, on("PATCH", e, object{"first_name": "Gracie"})).JSON(t))
	nobody(w.Call(below, on("PATCH", e, object{"first_name": "Gracie"})).JSON(t))
	resent := once(act(e, "resend-invitation"), "resend-1")
	first := w.Call(below, resent)
	nobody(first.JSON(t))
	require.Equal(t, first.Body, w.Call(below, resent).Body)
	accepted(w, e)
	nobody(w.Call(below, act(e, "reset-second-factor")).JSON(t))
	require.Equal(t, string(w.Owner.Employee.ID), w.Call(w.Viewer.Secret, on("GET", e)).JSON(t)["created_by"], "at the root it is shown")

	own := w.Call(below, invitation(w.Below, role.Viewer, object{"email": "own@example.com"})).JSON(t)
	require.Equal(t, string(w.BelowAdmin.Employee.ID), own["created_by"])
	for _, by := range []*rekeytest.Person{w.BelowAdmin, w.Owner} {
		require.Equal(t, own, w.Call(by.Secret, on("GET", own["id"].(string))).JSON(t))
	}
}

func TestEmployees_WallsHold_P4(t *testing.T) {
	w := httpapitest.New(t)
	e := w.Call(w.Owner.Secret, invitation(w.Below, role.Viewer)).JSON(t)["id"].(string)
	requests := []httpapitest.Request{on("GET", e), on("PATCH", e, object{"first_name": "x"}), on("DELETE", e), act(e, "resend-invitation"),
		act(e, "revoke-invitation"), act(e, "reset-second-factor"), invitation(w.Below, role.Viewer, object{"email": "b@example.com"})}
	for _, request := range requests {
		for _, caller := range []*rekeytest.Person{w.SiblingAdmin, w.CompanyAdmin, w.StrangerAdmin} {
			w.Call(caller.Secret, request).Problem(t, 404, "not_found")
		}
		if request.Method != "GET" {
			w.Call(w.Viewer.Secret, request).Problem(t, 403, "missing_permission")
		}
	}
	w.Call(w.Owner.Secret, on("GET", "nonsense")).Problem(t, 404, "not_found")
	w.Call(w.Owner.Secret, invitation(w.Company, role.Viewer)).Problem(t, 404, "not_found")
	require.Equal(t, "invited", w.Call(w.Owner.Secret, on("GET", e)).JSON(t)["status"])
}

func TestEmployee_ATokenThatCarriesLessThanTheRoleChangesNothingOfItsOwnEmployee_W3(t *testing.T) {
	w := httpapitest.New(t)
	for _, p := range []*rekeytest.Person{w.Owner, w.Admin} {
		_, narrow := w.PAT(p, permission.Of(permission.EmployeesRead, permission.EmployeesInvite, permission.EmployeesUpdate, permission.EmployeesDelete,
			permission.EmployeesResetSecondFactor))
		self, before := string(p.Employee.ID), len(w.Inbox.Letters())
		for _, request := range []httpapitest.Request{on("PATCH", self, object{"email": "mallory@example.com"}), on("PATCH", self, object{"first_name": "x"}),
			on("DELETE", self), act(self, "reset-second-factor"), act(self, "resend-invitation"), act(self, "revoke-invitation")} {
			refusals := denials(w)
			w.Call(narrow, request).Problem(t, 403, "not_grantable")
			require.Greater(t, denials(w), refusals, "%s %s is on record", request.Method, request.Resource)
			w.Advance(time.Minute)
		}
		found, err := w.Mem.Employee(w.Ctx, p.Employee.ID)
		require.NoError(t, err)
		require.Equal(t, p.Employee.Email, found.Email)
		require.Len(t, w.Inbox.Letters(), before)
		require.Equal(t, 200, w.Call(p.Secret, on("PATCH", self, object{"first_name": "Self"})).Status, "with all that the role has")
	}
}
