package sessions_test

import (
	"encoding/json"
	"strings"
	"testing"
	"time"

	"github.com/stretchr/testify/require"

	"github.com/rekey-dev/rekey/pkg/audit"
	"github.com/rekey-dev/rekey/pkg/authz"
	"github.com/rekey-dev/rekey/pkg/ceremony/virtual"
	"github.com/rekey-dev/rekey/pkg/employee"
	"github.com/rekey-dev/rekey/pkg/fault"
	"github.com/rekey-dev/rekey/pkg/httpapi/httpapitest"
	"github.com/rekey-dev/rekey/pkg/id"
	"github.com/rekey-dev/rekey/pkg/onetime"
	"github.com/rekey-dev/rekey/pkg/permission"
	"github.com/rekey-dev/rekey/pkg/rekeytest"
	"github.com/rekey-dev/rekey/pkg/role"
	"github.com/rekey-dev/rekey/pkg/session"
	"github.com/rekey-dev/rekey/pkg/token"
)

const members = "id employee_id prefix status current credential_id assumed_company_id parent_id reason source_ip user_agent created_at " +
	"expires_at idle_ends_at last_used_at revoked_at"

func begin() httpapitest.Request {
	return httpapitest.Request{Method: "POST", Resource: "/sessions/challenges"}
}

func list(query string) httpapitest.Request {
	return httpapitest.Request{Method: "GET", Resource: "/sessions", Query: query}
}

func end(id string) httpapitest.Request {
	return httpapitest.Request{Method: "DELETE", Resource: "/sessions/{id}", ID: id}
}

func assume(company, body string) httpapitest.Request {
	return httpapitest.Request{Method: "POST", Resource: "/companies/{id}/assume", ID: company, Body: body}
}

// answer is the body of a sign-in.
func answer(t *testing.T, challenge string, assertion json.RawMessage) httpapitest.Request {
	t.Helper()
	body, err := json.Marshal(map[string]any{"challenge_id": challenge, "assertion": assertion})
	require.NoError(t, err)
	return httpapitest.Request{Method: "POST", Resource: "/sessions", Body: string(body)}
}

// challenge begins a sign-in and returns its ID and options.
func challenge(t *testing.T, w *httpapitest.World) (string, json.RawMessage) {
	t.Helper()
	got := w.Do(begin())
	require.Equal(t, 201, got.Status, got.Body)
	var out struct {
		ChallengeID string `json:"challenge_id"`
		Options     json.RawMessage
	}
	require.NoError(t, json.Unmarshal([]byte(got.Body), &out))
	return out.ChallengeID, out.Options
}

func signIn(t *testing.T, w *httpapitest.World, d *virtual.Device) httpapitest.Response {
	t.Helper()
	id, options := challenge(t, w)
	assertion, err := d.Sign(options)
	require.NoError(t, err)
	return w.Do(answer(t, id, assertion))
}

func secret(t *testing.T, r httpapitest.Response) token.Secret {
	t.Helper()
	require.Equal(t, 201, r.Status, r.Body)
	return token.SecretOf(r.JSON(t)["secret"].(string))
}

func object(t *testing.T, r httpapitest.Response) map[string]any {
	t.Helper()
	return r.JSON(t)["session"].(map[string]any)
}

func TestSamples_OfSessionsAreAnswered(t *testing.T) {
	w := httpapitest.New(t)
	d := w.Enrol(w.Owner)
	require.Equal(t, 201, w.Send(w.Sample("sessions-begin.json")).Status)
	id, options := challenge(t, w)
	assertion, err := d.Sign(options)
	require.NoError(t, err)
	e := w.Sample("sessions-sign-in.json")
	e.Body = answer(t, id, assertion).Body
	opened := w.Send(e)
	require.Equal(t, 201, opened.Status, opened.Body)
	require.Equal(t, 200, w.Send(w.Sample("sessions-list.json")).Status)
	require.Equal(t, 201, w.Send(w.Sample("sessions-assume.json", "co_1Acme00000000000000D", string(w.Company.Company))).Status)
	require.Equal(t, 204, w.Send(w.Sample("sessions-revoke.json", "ses_1South000000000000C3", object(t, opened)["id"].(string))).Status)
}

func TestSignIn_OpensASessionThatActsForTheEmployee_F6_W9(t *testing.T) {
	w := httpapitest.New(t)
	d := w.Enrol(w.Operator)
	got := signIn(t, w, d)
	s, shown := secret(t, got), object(t, got)
	require.Equal(t, httpapitest.Words("session secret"), httpapitest.Members(got.JSON(t)))
	require.Equal(t, httpapitest.Words(members), httpapitest.Members(shown))
	parsed, ok := token.Parse(s.Reveal())
	require.True(t, ok)
	require.Equal(t, token.Session, parsed.Kind)
	require.Equal(t, parsed.ID(), shown["id"])
	require.Equal(t, string(w.Operator.Employee.ID), shown["employee_id"])
	require.Equal(t, "2031-03-04T17:06:10Z", shown["expires_at"])
	require.Equal(t, "2031-03-04T05:36:10Z", shown["idle_ends_at"])
	require.Nil(t, shown["assumed_company_id"])

	c := w.Caller(s)
	require.Equal(t, string(w.Operator.Employee.ID), c.ID)
	require.Equal(t, "passkey", c.Auth)
	held, _ := role.BuiltIn(role.Operator)
	require.Equal(t, held.Permissions, c.Effective)
	require.Equal(t, w.Root, c.Place)
	me := w.Call(s, httpapitest.Request{Method: "GET", Resource: "/me"}).JSON(t)
	require.Equal(t, "passkey", me["auth"])
	require.Equal(t, parsed.ID(), me["session"].(map[string]any)["id"])
	require.Nil(t, me["key"])

	e, err := w.Mem.Employee(w.Ctx, w.Operator.Employee.ID)
	require.NoError(t, err)
	require.Equal(t, w.Now(), e.LastSignInAt)
	records := w.Records(audit.SessionStarted)
	require.Len(t, records, 1)
	require.Equal(t, string(w.Operator.Employee.ID), records[0].Actor.ID)
	require.NotEmpty(t, records[0].SourceIP)
}

func TestSignIn_AChallengeIsAnsweredOnceInTimeAndForWhatItIs_F6(t *testing.T) {
	w := httpapitest.New(t)
	d := w.Enrol(w.Operator)
	id, options := challenge(t, w)
	assertion, err := d.Sign(options)
	require.NoError(t, err)
	require.Equal(t, 201, w.Do(answer(t, id, assertion)).Status)
	w.Do(answer(t, id, assertion)).Problem(t, 401, "unauthorized") // replayed
	w.Do(answer(t, "chl_00000000000000000009", assertion)).Problem(t, 401, "unauthorized")
	w.Do(answer(t, "nonsense", assertion)).Problem(t, 401, "unauthorized")

	id, options = challenge(t, w)
	w.Advance(5 * time.Minute)
	assertion, err = d.Sign(options)
	require.NoError(t, err)
	w.Do(answer(t, id, assertion)).Problem(t, 401, "unauthorized") // expired

	id, _ = challenge(t, w)
	w.Do(answer(t, id, assertion)).Problem(t, 401, "unauthorized") // of another challenge
	_, options = challenge(t, w)
	assertion, err = d.Sign(options)
	require.NoError(t, err)
	w.Do(answer(t, id, assertion)).Problem(t, 401, "unauthorized") // a wrong answer used it up

	begun, err := w.Passkeys.BeginWithCode(w.Ctx, rekeytest.Site, w.Code(w.Operator.Employee.ID, onetime.Passkey))
	require.NoError(t, err)
	assertion, err = d.Sign(begun.Options) // the challenge of an enrolment
	require.NoError(t, err)
	w.Do(answer(t, string(begun.Challenge.ID), assertion)).Problem(t, 401, "unauthorized")
}

func TestSignIn_WhoIsNotWhoTheySayIsRefusedInTheSameWords_F6(t *testing.T) {
	w := httpapitest.New(t)
	w.Enrol(w.Owner)
	for what, spoil := range map[string]func(d *virtual.Device){
		"wrong origin":              func(d *virtual.Device) { d.Origin = "https://evil.example.org" },
		"wrong domain":              func(d *virtual.Device) { d.RPID = "evil.example.org" },
		"user not verified":         func(d *virtual.Device) { d.Unverified = true },
		"another employee's handle": func(d *virtual.Device) { d.Handle = string(w.Owner.Employee.ID) },
		"nobody's handle":           func(d *virtual.Device) { d.Handle = "emp_00000000000000000009" },
		"no handle":                 func(d *virtual.Device) { d.Handle = "" },
	} {
		d := w.Enrol(w.Operator)
		spoil(d)
		got := signIn(t, w, d)
		require.Equal(t, fault.NotProven, got.Problem(t, 401, "unauthorized")["detail"], what)
	}
	id, _ := challenge(t, w)
	for body, pointer := range map[string]string{`{}`: "/", `{"challenge_id":"` + id + `"}`: "/assertion", `{"challenge_id":"x","assertion":"y"}`: "/assertion"} {
		p := w.Do(httpapitest.Request{Method: "POST", Resource: "/sessions", Body: body}).Problem(t, 422, "invalid")
		require.Contains(t, p["errors"].([]any)[0].(map[string]any)["pointer"], pointer)
	}
	require.Equal(t, fault.NotProven, w.Do(answer(t, id, json.RawMessage(`{}`))).Problem(t, 401, "unauthorized")["detail"])
}

func TestSignIn_ACopyOfAPasskeyIsRefusedAndOnRecord_F6(t *testing.T) {
	w := httpapitest.New(t)
	d := w.Enrol(w.Operator)
	clone := d.Clone()
	require.Equal(t, 201, signIn(t, w, d).Status)
	signIn(t, w, clone).Problem(t, 401, "unauthorized")
	var denied []audit.Event
	for _, e := range w.Records(audit.SessionStarted) {
		if e.Outcome == audit.Denied {
			denied = append(denied, e)
		}
	}
	require.Len(t, denied, 1)
	require.Equal(t, string(w.Operator.Employee.ID), denied[0].Actor.ID)
	require.Contains(t, denied[0].Details["reason"], "copy")
	require.Equal(t, 201, signIn(t, w, d).Status, "the counter of the clone was not taken over")
}

func TestSession_EndsAfterHalfAnHourWithoutUseAndAfterTwelveHours_W9(t *testing.T) {
	w := httpapitest.New(t)
	d := w.Enrol(w.Operator)
	idle := w.SignsIn(d)
	w.Advance(session.IdleAfter - time.Second)
	w.Allowed(idle, rekeytest.Home)
	w.Advance(session.IdleAfter - time.Second)
	w.Allowed(idle, rekeytest.Home)
	w.Advance(session.IdleAfter)
	w.Loses(idle)

	busy := w.SignsIn(d)
	for range 24 {
		w.Allowed(busy, rekeytest.Home)
		w.Advance(30*time.Minute - time.Second)
	}
	w.Allowed(busy, rekeytest.Home)
	w.Advance(24 * time.Second)
	w.Loses(busy)
	require.Equal(t, "expired", w.Do(status(busy)).JSON(t)["status"])
}

func status(s token.Secret) httpapitest.Request {
	return httpapitest.Request{Method: "POST", Resource: "/key-status", Body: `{"secret":"` + s.Reveal() + `"}`}
}

func TestSession_IsListedAndRevokedByItsOwner_W9(t *testing.T) {
	w := httpapitest.New(t)
	d := w.Enrol(w.Operator)
	first := w.SignsIn(d)
	w.Advance(time.Second)
	second := w.SignsIn(d)
	items := w.Call(second, list("")).Items(t)
	require.Len(t, items, 2)
	require.Equal(t, true, items[0]["current"])
	require.Equal(t, false, items[1]["current"])
	old := items[1]["id"].(string)
	require.Equal(t, 204, w.Call(second, end(old)).Status)
	w.Loses(first)
	require.Equal(t, "revoked", w.Do(status(first)).JSON(t)["status"])
	require.Equal(t, 204, w.Call(second, end(old)).Status, "again")
	require.Len(t, w.Records(audit.SessionRevoked), 1)
	require.Equal(t, "revoked", w.Call(second, list("")).Items(t)[1]["status"])
	require.Equal(t, 204, w.Call(second, end(items[0]["id"].(string))).Status, "its own")
	w.Loses(second)
	page := w.Call(w.Operator.Secret, list("limit=1")).JSON(t)
	require.Len(t, page["items"], 1)
	require.Len(t, w.Call(w.Operator.Secret, list("limit=1&cursor="+page["next"].(string))).Items(t), 1)
}

func TestSession_OfOthersIsForWhoLooksAfterThemAndCouldGiveTheirRole_S6(t *testing.T) {
	w := httpapitest.New(t)
	s := w.SignsIn(w.Enrol(w.BelowAdmin))
	parsed, _ := token.Parse(s.Reveal())
	of := "employee_id=" + string(w.BelowAdmin.Employee.ID)
	require.Len(t, w.Call(w.Admin.Secret, list(of)).Items(t), 1)
	for _, caller := range []*rekeytest.Person{w.Viewer, w.Operator, w.SiblingAdmin} {
		w.Call(caller.Secret, list(of)).Problem(t, 404, "not_found")
		w.Call(caller.Secret, end(parsed.ID())).Problem(t, 404, "not_found")
	}
	w.Call(w.Owner.Secret, end("ses_00000000000000000009")).Problem(t, 404, "not_found")
	w.Call(w.Owner.Secret, end("nonsense")).Problem(t, 404, "not_found")
	owners := w.SignsIn(w.Enrol(w.Owner))
	of2, _ := token.Parse(owners.Reveal())
	w.Call(w.Admin.Secret, end(of2.ID())).Problem(t, 403, "not_grantable") // an admin does not touch an owner
	w.Allowed(owners, rekeytest.Home)
	require.Equal(t, 204, w.Call(w.Admin.Secret, end(parsed.ID())).Status)
	w.Loses(s)
}

func TestSession_EndsWithItsEmployeesEpochAndWithTheEmployee_S6(t *testing.T) {
	w := httpapitest.New(t)
	d := w.Enrol(w.Operator)
	s := w.SignsIn(d)
	old, err := w.Mem.Employee(w.Ctx, w.Operator.Employee.ID)
	require.NoError(t, err)
	next := old
	next.SessionEpoch++
	next.Revision++
	next.EventSeq++
	w.Commit(w.Happened("employee", string(old.ID), old.Place, next.EventSeq), employee.Update{Old: old, New: next})
	w.Loses(s)
	require.Equal(t, "revoked", w.Do(status(s)).JSON(t)["status"])
	w.Allowed(w.Operator.Secret, rekeytest.Home) // a token is of no epoch
	again := w.SignsIn(d)
	inside := w.Inside(w.SignsIn(w.Enrol(w.Admin)), w.Company)
	w.Allowed(inside, rekeytest.Home)
	gone := employee.Delete{Old: next, At: w.Now()}
	w.Commit(w.Happened("employee", string(old.ID), old.Place, gone.New().EventSeq), gone)
	w.Loses(again)
	w.Loses(w.Operator.Secret)
	require.Equal(t, "account_revoked", w.Do(status(again)).JSON(t)["status"])
}

func TestSession_ALeakedOneEndsItself_B7(t *testing.T) {
	w := httpapitest.New(t)
	s := w.SignsIn(w.Enrol(w.Operator))
	require.Equal(t, 204, w.Do(httpapitest.Request{Method: "POST", Resource: "/keys/self-revoke", Body: `{"secret":"` + s.Reveal() + `"}`}).Status)
	w.Loses(s)
	require.Len(t, w.Records(audit.SessionSelfRevoked), 1)
}

func TestAssume_GivesASessionInOneCompanyAndNowhereElse_W6(t *testing.T) {
	w := httpapitest.New(t)
	mine := w.SignsIn(w.Enrol(w.Owner))
	got := w.Call(mine, assume(string(w.Company.Company), `{"reason":"ticket 7"}`))
	s, shown := secret(t, got), object(t, got)
	require.Equal(t, httpapitest.Words(members), httpapitest.Members(shown))
	require.Equal(t, string(w.Company.Company), shown["assumed_company_id"])
	require.Equal(t, "2031-03-04T06:06:10Z", shown["expires_at"])
	require.Equal(t, "ticket 7", shown["reason"])
	c := w.Caller(s)
	require.Equal(t, w.Company, c.Place)
	require.Equal(t, permission.Assumed, c.Effective)
	require.Equal(t, "passkey", c.Auth)
	me := w.Call(s, httpapitest.Request{Method: "GET", Resource: "/me"}).JSON(t)
	require.Equal(t, string(w.Company.Company), me["assumed_company_id"])
	require.Equal(t, string(w.Owner.Employee.ID), me["principal"].(map[string]any)["id"])

	made := w.Call(s, httpapitest.Request{Method: "POST", Resource: "/service-accounts", Body: `{"name":"Recorder","company_id":"` + string(w.Company.Company) + `"}`})
	require.Equal(t, 201, made.Status, made.Body)
	w.Call(s, httpapitest.Request{Method: "POST", Resource: "/service-accounts", Body: `{"name":"Recorder","company_id":"` + string(w.Stranger.Company) + `"}`}).Problem(t, 404, "not_found")
	w.Call(s, httpapitest.Request{Method: "GET", Resource: "/companies/{id}", ID: string(w.Stranger.Company)}).Problem(t, 404, "not_found")
	for _, r := range []httpapitest.Request{
		{Method: "GET", Resource: "/nodes"}, {Method: "GET", Resource: "/roles"}, assume(string(w.Company.Company), `{}`),
		{Method: "POST", Resource: "/companies/{id}/suspend", ID: string(w.Company.Company)},
	} {
		w.Call(s, r).Problem(t, 403, "missing_permission")
	}
	w.Call(s, list("")).Problem(t, 403, "missing_permission")
	w.Call(s, httpapitest.Request{Method: "POST", Resource: "/credentials/codes"}).Problem(t, 403, "missing_permission")
	w.Call(s, httpapitest.Request{Method: "GET", Resource: "/personal-access-tokens"}).Problem(t, 403, "missing_permission")
	w.Call(s, httpapitest.Request{Method: "POST", Resource: "/personal-access-tokens", Body: `{"name":"x"}`}).Problem(t, 403, "missing_permission")
	w.Call(s, httpapitest.Request{Method: "GET", Resource: "/personal-access-tokens/{id}", ID: string(w.Owner.Token.ID)}).Problem(t, 404, "not_found")
	w.Call(s, httpapitest.Request{Method: "DELETE", Resource: "/personal-access-tokens/{id}", ID: string(w.Owner.Token.ID)}).Problem(t, 404, "not_found")
}

func TestAssume_EveryRecordNamesEmployeeAndCompany_W6(t *testing.T) {
	w := httpapitest.New(t)
	s := w.Inside(w.SignsIn(w.Enrol(w.Owner)), w.Company)
	w.Allowed(s, rekeytest.Home)
	require.Equal(t, 201, w.Call(s, httpapitest.Request{Method: "POST", Resource: "/service-accounts", Body: `{"name":"Recorder","company_id":"` + string(w.Company.Company) + `"}`}).Status)
	w.Call(s, httpapitest.Request{Method: "POST", Resource: "/companies/{id}/suspend", ID: string(w.Company.Company)}).Problem(t, 403, "missing_permission")
	parsed, _ := token.Parse(s.Reveal())
	seen := map[string]bool{}
	for _, e := range w.AllRecords() {
		if e.Actor.KeyID != parsed.ID() && e.Action != audit.CompanyAssumed {
			continue
		}
		seen[e.Action] = true
		require.Equal(t, string(w.Owner.Employee.ID), e.Actor.ID, e.Action)
		require.Equal(t, w.Company.Company, e.Actor.AssumedCompany, e.Action)
		require.Equal(t, w.Company.Company, e.Place.Company, e.Action)
	}
	for _, action := range []string{audit.CompanyAssumed, audit.ServiceAccountCreated, "session.first_used"} {
		require.True(t, seen[action], action)
	}
}

func TestAssume_EndsWithItsParentItsCompanyAndItself_W6(t *testing.T) {
	w := httpapitest.New(t)
	d := w.Enrol(w.Admin)
	open := func() (parent, inside token.Secret) {
		parent = w.SignsIn(d)
		return parent, w.Inside(parent, w.Company)
	}
	idOf := func(s token.Secret) string {
		parsed, _ := token.Parse(s.Reveal())
		return parsed.ID()
	}
	parent, inside := open()
	w.Allowed(inside, rekeytest.Home)
	require.Equal(t, 204, w.Call(parent, end(idOf(parent))).Status)
	w.Loses(inside)
	require.Equal(t, "revoked", w.Do(status(inside)).JSON(t)["status"])

	_, inside = open()
	w.Suspend(w.Company, true)
	w.Loses(inside)
	require.Equal(t, "revoked", w.Do(status(inside)).JSON(t)["status"])
	w.Suspend(w.Company, false)
	w.Loses(inside)
	_, again := open()
	w.Allowed(again, rekeytest.Home)
	w.Loses(inside)

	parent, inside = open()
	require.Equal(t, 204, w.Call(inside, end(idOf(inside))).Status, "it ends itself")
	w.Loses(inside)
	w.Allowed(parent, rekeytest.Home)

	parent, inside = open()
	for range 3 {
		w.Advance(20*time.Minute - time.Second)
		w.Allowed(parent, rekeytest.Home)
		w.Allowed(inside, rekeytest.Home)
	}
	w.Advance(3 * time.Second)
	w.Loses(inside)
	w.Allowed(parent, rekeytest.Home)

	parent, inside = open()
	w.Advance(20 * time.Minute)
	w.Allowed(inside, rekeytest.Home)
	w.Advance(10 * time.Minute)
	w.Loses(parent)                   // it was idle
	w.Allowed(inside, rekeytest.Home) // which is judged by its own use
	_, inside = open()
	w.Advance(session.IdleAfter)
	w.Loses(inside)

	held, s := w.PAT(w.Admin, permission.All)
	inside = w.Inside(s, w.Company)
	require.Equal(t, "secret", w.Caller(inside).Auth)
	require.Equal(t, 204, w.Call(w.Admin.Secret, httpapitest.Request{Method: "DELETE", Resource: "/personal-access-tokens/{id}", ID: string(held.ID)}).Status)
	w.Loses(inside)
}

func TestAssume_GivesNoMoreThanTheCallerHoldsAndOnlyToWhomItIsFor_W6(t *testing.T) {
	w := httpapitest.New(t)
	co := string(w.Company.Company)
	_, narrow := w.PAT(w.Admin, permission.Of(permission.CompaniesAssume, permission.KeysRead, permission.NodesRead))
	s := w.Inside(narrow, w.Company)
	require.Equal(t, permission.Of(permission.KeysRead), w.Caller(s).Effective)
	for _, caller := range []*rekeytest.Person{w.Viewer, w.Operator} {
		w.Call(caller.Secret, assume(co, `{}`)).Problem(t, 403, "missing_permission")
	}
	for _, caller := range []*rekeytest.Person{w.SiblingAdmin, w.StrangerAdmin} {
		w.Call(caller.Secret, assume(co, `{}`)).Problem(t, 404, "not_found")
	}
	for _, unknown := range []string{"co_00000000000000000009", "nonsense", string(w.Root.Node())} {
		w.Call(w.Owner.Secret, assume(unknown, `{}`)).Problem(t, 404, "not_found")
	}
	w.Suspend(w.Company, true)
	w.Call(w.Owner.Secret, assume(co, `{}`)).Problem(t, 409, "company_suspended")
	w.Suspend(w.Company, false)
	w.Call(w.Owner.Secret, assume(co, `{"reason":"`+strings.Repeat("x", 501)+`"}`)).Invalid(t, "/reason")
	w.Call(w.Owner.Secret, assume(co, `{"reason":"a\u0000b"}`)).Invalid(t, "/reason")
	w.Call(w.Owner.Secret, assume(co, `{"hours":2}`)).Invalid(t, "/hours")
	denied := 0
	for _, e := range w.Records(audit.CompanyAssumed) {
		if e.Outcome == audit.Denied {
			denied++
		}
	}
	require.Equal(t, 2, denied, "refusals are on record: of the same minute and caller one")
	require.Equal(t, 201, w.Call(w.BelowAdmin.Secret, assume(co, ``)).Status, "without a body")
}

func TestAssume_ARoleThatShrinksTakesItsSessionsAlong_W6(t *testing.T) {
	w := httpapitest.New(t)
	w.CustomRole("role_00000000000000000077", permission.CompaniesAssume, permission.KeysRead, permission.ServiceAccountsRead)
	p := w.Hire("Custom", w.Root, "role_00000000000000000077")
	s := w.Inside(p.Secret, w.Company)
	require.Equal(t, permission.Of(permission.KeysRead, permission.ServiceAccountsRead), w.Caller(s).Effective)
	w.CustomRole("role_00000000000000000077", permission.CompaniesAssume, permission.KeysRead)
	require.Equal(t, permission.Of(permission.KeysRead), w.Caller(s).Effective)
	w.CustomRole("role_00000000000000000077", permission.KeysRead)
	require.True(t, w.Caller(s).Effective.IsEmpty(), "whose role assumes no tenant any more")
}

func TestAssume_ARepeatShowsTheSecretAgainToTheSameCredentialUntilItsUse_B6(t *testing.T) {
	w := httpapitest.New(t)
	r := assume(string(w.Company.Company), `{"reason":"x"}`)
	r.Header = map[string]string{"Idempotency-Key": "K"}
	first, again := w.Call(w.Owner.Secret, r), w.Call(w.Owner.Secret, r)
	require.Equal(t, 201, again.Status)
	require.Equal(t, first.JSON(t), again.JSON(t))
	_, other := w.PAT(w.Owner, permission.All)
	require.Equal(t, true, w.Call(other, r).JSON(t)["secret_withheld"], "another credential of the same employee")
	w.Allowed(secret(t, first), rekeytest.Home)
	require.Equal(t, true, w.Call(w.Owner.Secret, r).JSON(t)["secret_withheld"])
}

func TestAssume_IsNoWayRoundForARecordOfAnotherPlace_W6(t *testing.T) {
	w := httpapitest.New(t)
	s := w.Inside(w.Owner.Secret, w.Company)
	r := httpapitest.Request{Method: "POST", Resource: "/service-accounts", Body: `{"name":"Recorder","node_id":"` + string(w.Root.Node()) + `"}`,
		Header: map[string]string{"Idempotency-Key": "K"}}
	require.Equal(t, 201, w.Call(w.Owner.Secret, r).Status)
	w.Call(s, r).Problem(t, 404, "not_found")
	r.Body = `{"name":"Exporter","company_id":"` + string(w.Company.Company) + `"}`
	r.Header = map[string]string{"Idempotency-Key": "L"}
	require.Equal(t, 201, w.Call(w.Owner.Secret, r).Status)
	w.Call(s, r).Problem(t, 409, "conflict") // what was done outside is not repeated inside: the name is taken
}

func TestAssume_ItemsThatDoNotBelongTogetherAreNoSession_W6(t *testing.T) {
	w := httpapitest.New(t)
	now := w.Now()
	for what, spoil := range map[string]func(*session.Session){
		"nothing":                    func(*session.Session) {},
		"another employee's parent":  func(s *session.Session) { s.Parent = string(w.Operator.Token.ID) },
		"a parent that is not there": func(s *session.Session) { s.Parent = "pat_00000000000000000009" },
		"a company beside the employee": func(s *session.Session) {
			s.EmployeeID, s.Parent, s.Place = w.BelowAdmin.Employee.ID, string(w.BelowAdmin.Token.ID), w.Stranger
		},
		"a service account's key as one": func(s *session.Session) {
			s.Parent = string(w.Issue(w.Account("Recorder", w.Root).ID, "k").View.Key.ID)
		},
	} {
		public := id.Body(id.New[id.Session](w.Rand))
		coin, err := w.Mint.New(w.Ctx, token.Session, public, session.Generation, "", nil)
		require.NoError(t, err)
		s := session.Session{ID: id.FromBody[id.Session](public), EmployeeID: w.Admin.Employee.ID, Place: w.Company, Parent: string(w.Admin.Token.ID),
			Scopes: permission.Assumed, MAC: coin.MAC, PepperVersion: coin.PepperVersion, CreatedAt: now, ExpiresAt: now.Add(time.Hour), EventSeq: 1}
		spoil(&s)
		w.Commit(w.Happened("session", string(s.ID), s.Place, 1), session.Create{Session: s})
		if what == "nothing" {
			w.Allowed(coin.Secret, rekeytest.Home)
			continue
		}
		w.Loses(coin.Secret)
	}
}

func TestAssumed_IsANamedSetWithoutWhatIsTheProviders_W6(t *testing.T) {
	for _, p := range permission.Assumed.List() {
		for _, own := range []string{"nodes:", "roles:", "employees:", "protected_apis:", "incidents:", "companies:create", "companies:delete", "companies:suspend", "companies:assume"} {
			require.False(t, strings.HasPrefix(string(p), own), p)
		}
	}
	require.True(t, authz.Caller{}.Assumed() == "")
}

// What a cursor goes on with is of the place that it was got at, for the same employee too.
func TestAssume_ACursorFromOutsideIsNoneInside_W6(t *testing.T) {
	w := httpapitest.New(t)
	for _, name := range []string{"One", "Two"} {
		w.Account(name, w.Company)
	}
	inside := w.Inside(w.Owner.Secret, w.Company)
	page := func(s token.Secret, query string) httpapitest.Response {
		return w.Call(s, httpapitest.Request{Method: "GET", Resource: "/service-accounts", Query: "limit=1" + query})
	}
	for _, both := range [][2]token.Secret{{w.Owner.Secret, inside}, {inside, w.Owner.Secret}} {
		cursor := "&cursor=" + page(both[0], "").JSON(t)["next"].(string)
		require.Len(t, page(both[0], cursor).Items(t), 1)
		page(both[1], cursor).Invalid(t, "/cursor")
	}
}

// What a list says of a session is what its next request meets.
func TestSessions_InsideACompanyAreListedAsTheVerdictIs_W6(t *testing.T) {
	w := httpapitest.New(t)
	d := w.Enrol(w.Owner)
	listed := w.SignsIn(d)
	statusOf := func(s token.Secret) string {
		parsed, _ := token.Parse(s.Reveal())
		for _, item := range w.Call(listed, httpapitest.Request{Method: "GET", Resource: "/sessions"}).JSON(t)["items"].([]any) {
			if one := item.(map[string]any); one["id"] == parsed.ID() {
				return one["status"].(string)
			}
		}
		return "not listed"
	}
	company := func(method, path string) {
		require.Less(t, w.Call(w.Owner.Secret, httpapitest.Request{Method: method, Resource: "/companies/{id}" + path, ID: string(w.Company.Company)}).Status, 300, path)
	}
	pat, narrow := w.PAT(w.Owner, permission.All)
	ofToken, ofSession := w.Inside(narrow, w.Company), w.Inside(listed, w.Company)
	require.Equal(t, []string{"active", "active"}, []string{statusOf(ofToken), statusOf(ofSession)})
	require.Equal(t, 204, w.Call(w.Owner.Secret, httpapitest.Request{Method: "DELETE", Resource: "/personal-access-tokens/{id}", ID: string(pat.ID)}).Status)
	w.Loses(ofToken)
	require.Equal(t, []string{"revoked", "active"}, []string{statusOf(ofToken), statusOf(ofSession)})

	company("POST", "/suspend")
	w.Loses(ofSession)
	require.Equal(t, "revoked", statusOf(ofSession))
	company("POST", "/resume")
	w.Loses(ofSession)
	require.Equal(t, "revoked", statusOf(ofSession), "a company that is back brings no session back")

	last := w.Inside(listed, w.Company)
	w.Allowed(last, rekeytest.Home)
	require.Equal(t, "active", statusOf(last))
	company("POST", "/suspend")
	company("POST", "/suspend")
	company("POST", "/resume")
	company("DELETE", "")
	w.Loses(last)
	require.Equal(t, "revoked", statusOf(last))
	require.Equal(t, "revoked", w.Do(status(last)).JSON(t)["status"])
}
