package e2e

import (
	"encoding/json"
	"net/http"
	"testing"

	"github.com/stretchr/testify/require"

	"github.com/rekey-dev/rekey/infra/e2e/client"
	"github.com/rekey-dev/rekey/pkg/ceremony/virtual"
)

func newDevice() *virtual.Device { return virtual.New(world.SignIn.Origin) }

// options are those of a ceremony, as a browser takes them.
func options(t testing.TB, o client.Object, member string) json.RawMessage {
	t.Helper()
	text, err := json.Marshal(o[member])
	require.NoError(t, err)
	return text
}

// enrol enrols a device with a one-time code; what comes back is the credential.
func enrol(t testing.TB, d *virtual.Device, code string) client.Object {
	t.Helper()
	begun := stranger(t).post("/credentials/challenges", client.Object{"code": code}).unshown().expect(http.StatusCreated)
	attestation, err := d.Enrol(options(t, begun, "options"))
	require.NoError(t, err)
	return stranger(t).post("/credentials/with-code", client.Object{"code": code, "challenge_id": begun.Text("challenge_id"), "attestation": attestation,
		"name": newName(t)}).expect(http.StatusCreated).Object("credential")
}

// signIn opens a session with a device.
func signIn(t testing.TB, d *virtual.Device) (party, client.Object) {
	t.Helper()
	begun := stranger(t).post("/sessions/challenges", nil).expect(http.StatusCreated)
	assertion, err := d.Sign(options(t, begun, "options"))
	require.NoError(t, err)
	opened := stranger(t).post("/sessions", client.Object{"challenge_id": begun.Text("challenge_id"), "assertion": assertion}).unshown().expect(http.StatusCreated)
	require.Regexp(t, `^rks_[0-9A-Za-z]{20}_[0-9A-Za-z]{49}$`, opened.Text("secret"))
	return holding(t, opened.Text("secret")), opened.Object("session")
}

// hire invites somebody, who accepts with a passkey and signs in.
func (p party) hire(role string) (d *virtual.Device, employee string, session party) {
	p.t.Helper()
	made, address := p.invite(role)
	d = newDevice()
	enrol(p.t, d, codeTo(p.t, address))
	session, _ = signIn(p.t, d)
	return d, made.Text("id"), session
}

func TestInvitation_IsAcceptedWithAPasskeyThatSignsIn_W3_F7(t *testing.T) {
	t.Parallel()
	p := asOwner(t)
	made, address := p.invite(viewer)
	id, code := made.Text("id"), codeTo(t, address)
	d := newDevice()
	credential := enrol(t, d, code)
	require.Equal(t, "passkey", credential.Text("kind"))
	require.Equal(t, id, credential.Text("principal.id"))
	stranger(t).post("/credentials/challenges", client.Object{"code": code}).unproven()
	now := p.get("/employees/" + id).expect(http.StatusOK)
	require.Equal(t, "active", now.Text("status"))
	require.Equal(t, 1, now.Number("second_factor.passkeys"))

	session, opened := signIn(t, d)
	me := session.get("/me").expect(http.StatusOK)
	require.Equal(t, id, me.Text("principal.id"))
	require.Equal(t, "passkey", me.Text("auth"))
	require.Equal(t, opened.Text("id"), me.Text("session.id"))
	require.Nil(t, me["key"])
	session.post("/employees", client.Object{}).problem(http.StatusForbidden, "missing_permission")
	require.NotEmpty(t, p.get("/employees/" + id).expect(http.StatusOK)["last_sign_in_at"])
	require.Equal(t, []string{"employee.invited", "employee.letter_sent", "employee.activated"}, actions(p.audit("target_id="+id)))
	require.Contains(t, actions(p.audit("actor_id="+id)), "session.started")

	require.Len(t, session.all("/sessions"), 1)
	session.delete("/sessions/" + opened.Text("id")).expect(http.StatusNoContent)
	session.get("/me").refused()
}

func TestSignIn_ReplayedOrFromAnotherPageIsRefused_F6(t *testing.T) {
	t.Parallel()
	d, _, _ := asOwner(t).hire(viewer)
	begun := stranger(t).post("/sessions/challenges", nil).expect(http.StatusCreated)
	assertion, err := d.Sign(options(t, begun, "options"))
	require.NoError(t, err)
	body := client.Object{"challenge_id": begun.Text("challenge_id"), "assertion": assertion}
	stranger(t).post("/sessions", body).expect(http.StatusCreated)
	stranger(t).post("/sessions", body).unproven()
	evil := *d
	evil.Origin = "https://evil.example.org"
	begun = stranger(t).post("/sessions/challenges", nil).expect(http.StatusCreated)
	assertion, err = evil.Sign(options(t, begun, "options"))
	require.NoError(t, err)
	stranger(t).post("/sessions", client.Object{"challenge_id": begun.Text("challenge_id"), "assertion": assertion}).unproven()
}

func TestPasskeys_AFurtherOneIsSignedAndTheLastOneStays_F6_F7(t *testing.T) {
	t.Parallel()
	p := asOwner(t)
	d, id, session := p.hire(viewer)
	first := session.all("/employees/" + id + "/credentials")[0].Text("id")
	session.delete("/credentials/"+first).problem(http.StatusConflict, "last_credential")

	begun := session.post("/credentials/challenges", client.Object{}).expect(http.StatusCreated)
	ring := newDevice()
	attestation, err := ring.Enrol(options(t, begun, "options"))
	require.NoError(t, err)
	assertion, err := d.Sign(options(t, begun, "assertion_options"))
	require.NoError(t, err)
	second := session.post("/employees/"+id+"/credentials", client.Object{"challenge_id": begun.Text("challenge_id"), "attestation": attestation,
		"assertion": assertion, "name": "Key ring"}).expect(http.StatusCreated)
	require.Equal(t, first, second.Text("signed_by"))
	require.Equal(t, second, session.get("/credentials/"+second.Text("id")).expect(http.StatusOK))
	session.delete("/credentials/" + first).expect(http.StatusNoContent)
	signIn(t, ring)

	code := session.once("code").post("/credentials/codes", nil).unshown().expect(http.StatusCreated)
	world.secrets.Add(code.Text("code"), "Create Credential With Code")
	require.Equal(t, code, session.once("code").post("/credentials/codes", nil).expect(http.StatusCreated))
	phone := newDevice()
	enrol(t, phone, code.Text("code"))
	signIn(t, phone)
	require.Equal(t, 2, p.get("/employees/"+id).expect(http.StatusOK).Number("second_factor.passkeys"))
}

func TestReset_TakesPasskeysAndSessionsAwayAndSendsACode_W3(t *testing.T) {
	t.Parallel()
	p := asOwner(t)
	made, address := p.invite(viewer)
	d := newDevice()
	enrol(t, d, codeTo(t, address))
	session, _ := signIn(t, d)
	token := session.post("/personal-access-tokens", client.Object{"name": newName(t)}).expect(http.StatusCreated).Text("secret")
	id := made.Text("id")
	require.Equal(t, 0, p.post("/employees/"+id+"/reset-second-factor", nil).expect(http.StatusOK).Number("second_factor.passkeys"))
	session.get("/me").refused()
	begun := stranger(t).post("/sessions/challenges", nil).expect(http.StatusCreated)
	assertion, err := d.Sign(options(t, begun, "options"))
	require.NoError(t, err)
	stranger(t).post("/sessions", client.Object{"challenge_id": begun.Text("challenge_id"), "assertion": assertion}).unproven()
	holding(t, token).get("/me").expect(http.StatusOK)
	enrol(t, d, codeTo(t, address)) // the same device again
	session, _ = signIn(t, d)

	p.delete("/employees/" + id).expect(http.StatusNoContent)
	session.get("/me").refused()
	holding(t, token).get("/me").refused()
	require.Equal(t, "account_revoked", stranger(t).post("/key-status", client.Object{"secret": token}).expect(http.StatusOK).Text("status"))
}

func TestAssume_WorksInOneCompanyAndEndsWithItsSessionAndTheCompany_W6(t *testing.T) {
	t.Parallel()
	p := asOwner(t)
	co, other := p.newCompany(newName(t), "unlimited").Text("id"), p.newCompany(newName(t), "unlimited").Text("id")
	d, id, session := p.hire(admin)
	assumed := session.once("assume").post("/companies/"+co+"/assume", client.Object{"reason": "ticket 4711"}).unshown().expect(http.StatusCreated)
	require.Equal(t, co, assumed.Text("session.assumed_company_id"))
	inside := holding(t, assumed.Text("secret"))
	me := inside.get("/me").expect(http.StatusOK)
	require.Equal(t, co, me.Text("assumed_company_id"))
	require.Equal(t, id, me.Text("principal.id"))
	account := inside.post("/service-accounts", client.Object{"name": newName(t), "company_id": co}).expect(http.StatusCreated).Text("id")
	k := inside.issue(account)
	holding(t, k.secret).get("/me").expect(http.StatusOK)
	inside.post("/service-accounts", client.Object{"name": newName(t), "company_id": other}).problem(http.StatusNotFound, "not_found")
	inside.get("/companies/"+other).problem(http.StatusNotFound, "not_found")
	for _, path := range []string{"/nodes", "/roles", "/employees"} {
		inside.get(path).problem(http.StatusForbidden, "missing_permission")
	}
	inside.post("/companies/"+co+"/assume", nil).problem(http.StatusForbidden, "missing_permission")
	inside.get("/personal-access-tokens").problem(http.StatusForbidden, "missing_permission")
	for _, r := range p.audit("key_id=" + assumed.Text("session.id")) {
		require.Equal(t, id, r.Text("actor.id"), r.Text("action"))
		require.Equal(t, co, r.Text("actor.assumed_company_id"), r.Text("action"))
	}
	require.Contains(t, actions(p.audit("key_id="+assumed.Text("session.id"))), "service_account.created")

	p.post("/companies/"+co+"/suspend", nil).expect(http.StatusOK)
	inside.get("/me").refused()
	require.Equal(t, "revoked", stranger(t).post("/key-status", client.Object{"secret": assumed.Text("secret")}).expect(http.StatusOK).Text("status"))
	session.post("/companies/"+co+"/assume", nil).problem(http.StatusConflict, "company_suspended")
	p.post("/companies/"+co+"/resume", nil).expect(http.StatusOK)
	inside.get("/me").refused()
	inside = holding(t, session.post("/companies/"+co+"/assume", nil).unshown().expect(http.StatusCreated).Text("secret"))
	inside.get("/me").expect(http.StatusOK)
	for _, s := range session.all("/sessions") {
		if s["assumed_company_id"] == nil {
			session.delete("/sessions/" + s.Text("id")).expect(http.StatusNoContent)
		}
	}
	inside.get("/me").refused()
	signIn(t, d)
}

// Not parallel: it gives the owner a passkey for a while, with which the token of set-up gives no more codes.
func TestFirstOwner_EnrolsWithTheTokenOfSetUp_W9(t *testing.T) {
	recoverOwner(t) // a reset before it ended that power of the token
	p := asOwner(t)
	me := p.get("/me").expect(http.StatusOK).Text("principal.id")
	code := p.post("/credentials/codes", nil).unshown().expect(http.StatusCreated).Text("code")
	world.secrets.Add(code, "Create Credential With Code")
	d := newDevice()
	enrol(t, d, code)
	p.post("/credentials/codes", nil).problem(http.StatusForbidden, "not_grantable")
	session, _ := signIn(t, d)
	require.Equal(t, "role_BuiltinOwner00000000", session.get("/me").expect(http.StatusOK).Text("role_id"))
	require.Len(t, session.all("/employees/"+me+"/credentials"), 1)
	p.post("/employees/"+me+"/reset-second-factor", nil).expect(http.StatusOK)
	session.get("/me").refused()
	codeTo(t, p.get("/employees/"+me).expect(http.StatusOK).Text("email"))
}
