package e2e

import (
	"fmt"
	"net/http"
	"net/url"
	"regexp"
	"strings"
	"testing"
	"time"

	"github.com/stretchr/testify/require"

	"github.com/rekey-dev/rekey/infra/e2e/client"
)

var oneTimeCode = regexp.MustCompile(`rkc_[0-9A-Za-z]{20}_[0-9A-Za-z]{49}`)

// codeTo is the one-time code in the last letter to an address.
func codeTo(t testing.TB, address string) string {
	t.Helper()
	letters := lettersTo(t, address)
	require.NotEmpty(t, letters)
	l := letters[len(letters)-1]
	code := oneTimeCode.FindString(l.Text)
	require.NotEmpty(t, code)
	require.Contains(t, l.HTML, code)
	world.secrets.Add(code, inALetter)
	return code
}

// invite invites somebody with an address of their own.
func (p party) invite(role string, more ...client.Object) (employee client.Object, address string) {
	p.t.Helper()
	address = fmt.Sprintf("e%d@example.com", time.Now().UnixNano())
	body := client.Object{"email": strings.Replace(address, "example", "EXAMPLE", 1), "first_name": "Grace", "last_name": newName(p.t),
		"node_id": p.get("/me").expect(http.StatusOK).Text("node_id"), "role_id": role}
	for _, m := range more {
		for k, v := range m {
			body[k] = v
		}
	}
	return p.post("/employees", body).expect(http.StatusCreated), address
}

const (
	viewer = "role_BuiltinViewer0000000"
	admin  = "role_BuiltinAdmin00000000"
	owner  = "role_BuiltinOwner00000000"
)

func TestEmployees_AreInvitedByLetterAndTheCodeIsNowhereElse_W3(t *testing.T) {
	t.Parallel()
	p := asOwner(t)
	made, address := p.invite(viewer)
	id := made.Text("id")
	require.Equal(t, address, made.Text("email"))
	require.Equal(t, "invited", made.Text("status"))
	require.NotEmpty(t, made.Text("invitation.sent_at"))
	require.Equal(t, made, p.get("/employees/"+id).expect(http.StatusOK))

	letters := lettersTo(t, address)
	require.Len(t, letters, 1)
	l := letters[0]
	require.Equal(t, world.Mail.Sender, l.From)
	require.Equal(t, "rekey: you are invited", l.Subject)
	first := codeTo(t, address)
	for _, part := range []string{l.Text, l.HTML} {
		require.Contains(t, part, "Hello Grace")
		require.Contains(t, part, "POST /v1/credentials/challenges")
	}
	require.Contains(t, p.invitesAgain(id), "invitation")
	require.Len(t, lettersTo(t, address), 2)
	require.NotEqual(t, first, codeTo(t, address))
	require.Equal(t, []string{"employee.invited", "employee.letter_sent", "employee.invitation_resent", "employee.letter_sent"}, actions(p.audit("target_id="+id)))

	p.post("/employees", client.Object{"email": strings.ToUpper(address), "first_name": "A", "last_name": "B",
		"node_id": made.Text("node_id"), "role_id": viewer}).problem(http.StatusConflict, "conflict")
	p.post("/employees/"+id+"/reset-second-factor", nil).problem(http.StatusConflict, "conflict")
	p.once("revoke-"+id).post("/employees/"+id+"/revoke-invitation", nil).expect(http.StatusNoContent)
	p.once("revoke-"+id).post("/employees/"+id+"/revoke-invitation", nil).expect(http.StatusNoContent)
	p.get("/employees/"+id).problem(http.StatusNotFound, "not_found")
}

// invitesAgain resends an invitation and returns the answer as text.
func (p party) invitesAgain(id string) string {
	p.t.Helper()
	return raw(p.t, p.post("/employees/"+id+"/resend-invitation", nil).expect(http.StatusOK))
}

// actions are those of records that were carried out, in their order.
func actions(records []client.Object) (out []string) {
	for _, r := range records {
		if r.Text("outcome") == "ok" {
			out = append(out, r.Text("action"))
		}
	}
	return out
}

func TestEmployees_AreListedChangedAndDeleted_W3_S7(t *testing.T) {
	t.Parallel()
	p := asOwner(t)
	made, address := p.invite(viewer)
	id := made.Text("id")
	require.Equal(t, []string{id}, field(p.all("/employees?email="+url.QueryEscape(strings.ToUpper(address))), "id"))
	require.Equal(t, []string{id}, field(p.all("/employees?q="+url.QueryEscape("grace "+made.Text("last_name"))), "id"))
	require.Contains(t, field(p.all("/employees?status=invited&node_id="+made.Text("node_id")), "id"), id)
	changed := p.patch("/employees/"+id, client.Object{"first_name": "Anna", "role_id": admin}).expect(http.StatusOK)
	require.Equal(t, admin, changed.Text("role_id"))
	require.Empty(t, p.all("/employees?q="+url.QueryEscape("grace "+made.Text("last_name"))))
	p.patch("/employees/"+id, client.Object{"node_id": made.Text("node_id")}).invalid("/node_id")
	p.patch("/employees/"+id, client.Object{"email": "Grace <grace@example.com>"}).invalid("/email")
	p.patch("/employees/"+id, client.Object{"role_id": "role_BuiltinIntegration00"}).invalid("/role_id")
	p.delete("/employees/" + id).expect(http.StatusNoContent)
	p.get("/employees/"+id).problem(http.StatusNotFound, "not_found")
	require.Empty(t, p.all("/employees?email="+url.QueryEscape(address)))

	me := p.get("/me").expect(http.StatusOK).Text("principal.id")
	p.delete("/employees/"+me).problem(http.StatusConflict, "last_owner")
	p.patch("/employees/"+me, client.Object{"role_id": admin}).problem(http.StatusForbidden, "not_grantable")
	require.Equal(t, []string{me}, field(p.all("/employees?role_id="+owner+"&limit=100"), "id"))

	holder := holding(t, newKey(t).secret)
	holder.get("/employees").problem(http.StatusForbidden, "missing_permission")
	holder.delete("/employees/"+me).problem(http.StatusForbidden, "missing_permission")
	eventually(t, soon, func() bool {
		for _, r := range p.records(me, "employee.deleted") {
			if r.Text("outcome") == "denied" && r.Text("actor.type") == "service_account" {
				return true
			}
		}
		return false
	}, "the authorizer's refusal is on record")
}

// Not parallel: it ends whatever sessions the owner has, so it comes before the tests that begin some.
func TestEmployees_ResetSendsACodeAndLeavesTokens_W3(t *testing.T) {
	p := asOwner(t)
	me := p.get("/me").expect(http.StatusOK).Text("principal.id")
	reset := p.post("/employees/"+me+"/reset-second-factor", nil).expect(http.StatusOK)
	require.Equal(t, 0, reset.Number("second_factor.passkeys"))
	require.Equal(t, "active", reset.Text("status"))
	letters := lettersTo(t, reset.Text("email"))
	require.Equal(t, "rekey: enrol a new passkey", letters[len(letters)-1].Subject)
	codeTo(t, reset.Text("email"))
	require.NotEmpty(t, p.records(me, "employee.second_factor_reset"))
	p.get("/me").expect(http.StatusOK)
}
