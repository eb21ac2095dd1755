package credentials_test

import (
	"encoding/json"
	"strings"
	"testing"

	"github.com/stretchr/testify/require"

	"github.com/rekey-dev/rekey/pkg/audit"
	"github.com/rekey-dev/rekey/pkg/httpapi/httpapitest"
	"github.com/rekey-dev/rekey/pkg/onetime"
	"github.com/rekey-dev/rekey/pkg/permission"
	"github.com/rekey-dev/rekey/pkg/rekeytest"
	"github.com/rekey-dev/rekey/pkg/token"
)

func reset(w *httpapitest.World, p *rekeytest.Person) {
	w.T.Helper()
	got := w.Call(w.Owner.Secret, httpapitest.Request{Method: "POST", Resource: "/employees/{id}/reset-second-factor", ID: string(p.Employee.ID)})
	require.Equal(w.T, 200, got.Status, got.Body)
}

func codeOf(t *testing.T, r httpapitest.Response) token.Secret {
	t.Helper()
	require.Equal(t, 201, r.Status, r.Body)
	return token.SecretOf(r.JSON(t)["code"].(string))
}

func TestSetUpToken_EnrolsNoMoreOnceSomethingWasReset_W9(t *testing.T) {
	w := httpapitest.New(t)
	require.Equal(t, 201, w.Call(w.Owner.Secret, issueCode()).Status)
	reset(w, w.Owner)
	w.Call(w.Owner.Secret, issueCode()).Problem(t, 403, "not_grantable")
}

func TestRecover_EndsEveryTokenOfBefore_W9(t *testing.T) {
	w := httpapitest.New(t)
	_, narrow := w.PAT(w.Owner, permission.Of(permission.KeysRead))
	session := w.SignsIn(w.Enrol(w.Owner))
	out, err := w.Setup.Recover(w.Ctx, w.Owner.Employee.Email, "aws-request")
	require.NoError(t, err)
	w.Note(out.Secret)
	for _, old := range []token.Secret{w.Owner.Secret, narrow, session} {
		w.Loses(old)
	}
	require.Equal(t, 201, w.Call(out.Secret, issueCode()).Status)
}

func TestToken_MadeByATokenEndsNoLaterThanIt_F4(t *testing.T) {
	w := httpapitest.New(t)
	create := func(body string) httpapitest.Request {
		return httpapitest.Request{Method: "POST", Resource: "/personal-access-tokens", Body: body}
	}
	session := w.SignsIn(w.Enrol(w.Admin))
	short := w.Call(session, create(`{"name":"short","expires_at":"2031-03-04T06:06:10Z"}`)).JSON(t)
	secret := token.SecretOf(short["secret"].(string))
	w.Call(secret, create(`{"name":"long","expires_at":"2031-03-05T06:06:10Z"}`)).Invalid(t, "/expires_at")
	child := w.Call(secret, create(`{"name":"child"}`)).JSON(t)["personal_access_token"].(map[string]any)
	require.Equal(t, "2031-03-04T06:06:10Z", child["expires_at"], "left out it is the parent's end")
	require.Equal(t, 201, w.Call(session, create(`{"name":"year","expires_at":"2032-03-04T05:06:10Z"}`)).Status, "signed in it is as long as one likes")
}

func TestToken_WithLessThanTheRoleTouchesNothingOfItsEmployees_F6(t *testing.T) {
	w := httpapitest.New(t)
	w.Enrol(w.Admin)
	d := w.Enrol(w.Admin)
	session := w.SignsIn(d)
	held, whole := w.PAT(w.Admin, permission.All)
	parsed, _ := token.Parse(session.Reveal())
	for what, scopes := range map[string]permission.Set{"none": {}, "credentials:manage": permission.Of(permission.CredentialsManage),
		"employees:update": permission.Of(permission.EmployeesUpdate)} {
		_, narrow := w.PAT(w.Admin, scopes)
		items := w.Call(narrow, listOf(w.Admin)).Items(t)
		require.Len(t, items, 2, what)
		w.Call(narrow, on("DELETE", items[0]["id"].(string))).Problem(t, 403, "not_grantable")
		w.Call(narrow, httpapitest.Request{Method: "DELETE", Resource: "/sessions/{id}", ID: parsed.ID()}).Problem(t, 403, "not_grantable")
		w.Call(narrow, httpapitest.Request{Method: "DELETE", Resource: "/personal-access-tokens/{id}", ID: string(held.ID)}).Problem(t, 403, "not_grantable")
	}
	w.Allowed(session, rekeytest.Home)
	w.Allowed(whole, rekeytest.Home)
}

func TestCode_EndsWithWhatAskedForIt_F7(t *testing.T) {
	w := httpapitest.New(t)
	d := w.Enrol(w.Operator)
	thief, mine := w.SignsIn(d), w.SignsIn(d)
	code := codeOf(t, w.Call(thief, issueCode()))
	parsed, _ := token.Parse(thief.Reveal())
	require.Equal(t, 204, w.Call(mine, httpapitest.Request{Method: "DELETE", Resource: "/sessions/{id}", ID: parsed.ID()}).Status)
	w.Do(begin(code)).Problem(t, 401, "unauthorized")

	code = codeOf(t, w.Call(w.Owner.Secret, issueCode()))
	require.Equal(t, 204, w.Call(w.Owner.Secret, httpapitest.Request{Method: "DELETE", Resource: "/personal-access-tokens/{id}", ID: string(w.Owner.Token.ID)}).Status)
	w.Do(begin(code)).Problem(t, 401, "unauthorized")
}

func TestCode_OfAResetIsOverOnceThereIsAPasskey_W3(t *testing.T) {
	w := httpapitest.New(t)
	reset(w, w.Operator)
	mailed := w.Code(w.Operator.Employee.ID, onetime.Enrolment)
	own := w.Code(w.Operator.Employee.ID, onetime.Passkey)
	require.Equal(t, 201, enrol(t, w, device(), own, "Laptop").Status)
	w.Do(begin(mailed)).Problem(t, 401, "unauthorized")
	e, err := w.Mem.Employee(w.Ctx, w.Operator.Employee.ID)
	require.NoError(t, err)
	require.Empty(t, e.Code)
	w.Call(w.Owner.Secret, httpapitest.Request{Method: "POST", Resource: "/employees/{id}/resend-invitation", ID: string(e.ID)}).Problem(t, 409, "conflict")
}

func TestCode_ItsIDIsNotOnRecordBeforeItIsUsed_F7(t *testing.T) {
	w := httpapitest.New(t)
	code := codeOf(t, w.Call(w.Owner.Secret, issueCode()))
	for _, e := range w.Records(audit.CredentialCodeIssued) {
		text, err := json.Marshal(e)
		require.NoError(t, err)
		require.NotContains(t, string(text), code.Reveal()[4:24])
	}
}

func TestPasskey_KeepsNoTextOfTheCallers_F6(t *testing.T) {
	w := httpapitest.New(t)
	code := w.Code(w.Operator.Employee.ID, onetime.Passkey)
	s := read(t, w.Do(begin(code)))
	answer, err := device().Enrol(s.Options)
	require.NoError(t, err)
	var a map[string]any
	require.NoError(t, json.Unmarshal(answer, &a))
	a["response"].(map[string]any)["transports"] = []string{"hybrid", w.Owner.Secret.Reveal(), strings.Repeat("x", 1000), "usb"}
	answer, err = json.Marshal(a)
	require.NoError(t, err)
	require.Equal(t, 201, w.Do(withCode(code, s.ChallengeID, answer, "x")).Status)
	e, err := w.Mem.Employee(w.Ctx, w.Operator.Employee.ID)
	require.NoError(t, err)
	p, err := w.Mem.Passkey(w.Ctx, e.Passkeys[0])
	require.NoError(t, err)
	require.Equal(t, []string{"usb", "hybrid"}, p.Record.Transports)
}

func TestPasskey_ACopyThatSignsForAFurtherOneIsOnRecord_F6(t *testing.T) {
	w := httpapitest.New(t)
	d := w.Enrol(w.Operator)
	clone := d.Clone()
	session := w.SignsIn(d)
	s := read(t, w.Do(further(t, w, session)))
	attestation, err := device().Enrol(s.Options)
	require.NoError(t, err)
	assertion, err := clone.Sign(s.Assertion)
	require.NoError(t, err)
	w.Call(session, add(w.Operator, s.ChallengeID, attestation, assertion, "Key ring")).Invalid(t, "/assertion")
	found := 0
	for _, e := range w.Records(audit.CredentialCreated) {
		if e.Outcome == audit.Denied {
			found++
			require.Contains(t, e.Details["reason"], "copy")
		}
	}
	require.Equal(t, 1, found)
}

func TestHold_NobodySignsInOrEnrols_W9(t *testing.T) {
	w := httpapitest.New(t)
	code := w.Code(w.Operator.Employee.ID, onetime.Passkey)
	w.Passkeys.Hold, w.SignIn.Hold = true, true
	w.Do(begin(code)).Problem(t, 503, "unavailable")
	w.Do(withCode(code, "chl_00000000000000000009", json.RawMessage(`{}`), "x")).Problem(t, 503, "unavailable")
	w.Do(httpapitest.Request{Method: "POST", Resource: "/sessions/challenges"}).Problem(t, 503, "unavailable")
	w.Do(httpapitest.Request{Method: "POST", Resource: "/sessions", Body: `{"challenge_id":"x","assertion":{}}`}).Problem(t, 503, "unavailable")
}

func TestSession_IsNotLockedOutWhereItBegan_B2(t *testing.T) {
	w := httpapitest.New(t)
	s := w.SignsIn(w.Enrol(w.Operator))
	w.Guess(s, "198.51.100.9", 12)
	w.Allowed(s, w.Guest().Request.SourceIP)
	w.Refused(s, "198.51.100.10", "F3", "locked")
}

func TestAssume_TheRecordOfALeakNamesTheCompany_W6(t *testing.T) {
	w := httpapitest.New(t)
	s := w.Inside(w.Owner.Secret, w.Company)
	require.Equal(t, 204, w.Do(httpapitest.Request{Method: "POST", Resource: "/keys/self-revoke", Body: `{"secret":"` + s.Reveal() + `"}`}).Status)
	require.Equal(t, w.Company.Company, w.Record(audit.SessionSelfRevoked).Actor.AssumedCompany)
}
