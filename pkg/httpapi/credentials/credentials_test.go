package credentials_test

import (
	"encoding/json"
	"fmt"
	"strings"
	"sync"
	"testing"
	"time"

	"github.com/stretchr/testify/require"

	"github.com/rekey-dev/rekey/pkg/audit"
	"github.com/rekey-dev/rekey/pkg/ceremony/virtual"
	"github.com/rekey-dev/rekey/pkg/employee"
	"github.com/rekey-dev/rekey/pkg/fault"
	"github.com/rekey-dev/rekey/pkg/httpapi/httpapitest"
	"github.com/rekey-dev/rekey/pkg/id"
	"github.com/rekey-dev/rekey/pkg/onetime"
	"github.com/rekey-dev/rekey/pkg/passkey"
	"github.com/rekey-dev/rekey/pkg/permission"
	"github.com/rekey-dev/rekey/pkg/rekeytest"
	"github.com/rekey-dev/rekey/pkg/role"
	"github.com/rekey-dev/rekey/pkg/token"
)

const members = "id principal name kind algorithm fingerprint rp_id status signed_by last_used_at created_at"

func post(resource, id string, body any) httpapitest.Request {
	text, err := json.Marshal(body)
	if err != nil {
		panic(err)
	}
	return httpapitest.Request{Method: "POST", Resource: resource, ID: id, Body: string(text)}
}

func begin(code token.Secret) httpapitest.Request {
	return post("/credentials/challenges", "", map[string]any{"code": code.Reveal()})
}

func withCode(code token.Secret, challenge string, attestation json.RawMessage, name string) httpapitest.Request {
	return post("/credentials/with-code", "", map[string]any{"code": code.Reveal(), "challenge_id": challenge, "attestation": attestation, "name": name})
}

func issueCode() httpapitest.Request {
	return httpapitest.Request{Method: "POST", Resource: "/credentials/codes"}
}

func listOf(p *rekeytest.Person) httpapitest.Request {
	return httpapitest.Request{Method: "GET", Resource: "/employees/{id}/credentials", ID: string(p.Employee.ID)}
}

func on(method, id string) httpapitest.Request {
	return httpapitest.Request{Method: method, Resource: "/credentials/{id}", ID: id}
}

// started is an enrolment that has begun.
type started struct {
	ChallengeID string `json:"challenge_id"`
	Options     json.RawMessage
	Assertion   json.RawMessage `json:"assertion_options"`
}

func read(t *testing.T, r httpapitest.Response) started {
	t.Helper()
	require.Equal(t, 201, r.Status, r.Body)
	var out started
	require.NoError(t, json.Unmarshal([]byte(r.Body), &out))
	return out
}

func must(t *testing.T, answer json.RawMessage, err error) json.RawMessage {
	t.Helper()
	require.NoError(t, err)
	return answer
}

func device() *virtual.Device { return virtual.New(rekeytest.Site.Origins[0]) }

// enrol enrols a device with a code.
func enrol(t *testing.T, w *httpapitest.World, d *virtual.Device, code token.Secret, name string) httpapitest.Response {
	t.Helper()
	s := read(t, w.Do(begin(code)))
	answer, err := d.Enrol(s.Options)
	return w.Do(withCode(code, s.ChallengeID, must(t, answer, err), name))
}

// further begins the enrolment of a further passkey by whoever a secret is of.
func further(t *testing.T, w *httpapitest.World, s token.Secret) httpapitest.Request {
	t.Helper()
	return httpapitest.Request{Method: "POST", Resource: "/credentials/challenges", Header: map[string]string{"Authorization": "Bearer " + s.Reveal()}}
}

func add(p *rekeytest.Person, challenge string, attestation, assertion json.RawMessage, name string) httpapitest.Request {
	return post("/employees/{id}/credentials", string(p.Employee.ID), map[string]any{"challenge_id": challenge, "attestation": attestation,
		"assertion": assertion, "name": name})
}

// invite makes an employee who is invited.
func invite(w *httpapitest.World, first string) (*rekeytest.Person, token.Secret) {
	w.T.Helper()
	e := employee.Employee{ID: id.New[id.Employee](w.Rand), Email: first + "@example.com", FirstName: first, LastName: "Invited", Place: w.Root,
		RoleID: role.Viewer, Status: employee.Invited, CreatedAt: w.Now(), UpdatedAt: w.Now(), Version: 1, EventSeq: 1}
	w.Commit(w.Happened("employee", string(e.ID), w.Root, 1), employee.Create{Employee: e})
	return &rekeytest.Person{Employee: e}, w.Code(e.ID, onetime.Invitation)
}

func TestSamples_OfCredentialsAreAnswered(t *testing.T) {
	w := httpapitest.New(t)
	d := device()
	code := w.Code(w.Owner.Employee.ID, onetime.Passkey)
	s := read(t, w.Send(w.Sample("credentials-begin.json", "CODE", code.Reveal())))
	answer, err := d.Enrol(s.Options)
	e := w.Sample("credentials-with-code.json")
	e.Body = withCode(code, s.ChallengeID, must(t, answer, err), "Laptop").Body
	require.Equal(t, 201, w.Send(w.Sample("credentials-code.json")).Status)
	made := w.Send(e)
	require.Equal(t, 201, made.Status, made.Body)
	require.Len(t, w.Send(w.Sample("credentials-list.json", "emp_1Ada000000000000000E", string(w.Owner.Employee.ID))).Items(t), 1)

	session := w.SignsIn(d)
	s = read(t, w.Do(further(t, w, session)))
	ring := device()
	attestation, err := ring.Enrol(s.Options)
	require.NoError(t, err)
	assertion, err := d.Sign(s.Assertion)
	require.NoError(t, err)
	e = w.Sample("credentials-create.json", "emp_1Ada000000000000000E", string(w.Owner.Employee.ID))
	e.Body = add(w.Owner, s.ChallengeID, attestation, assertion, "Key ring").Body
	got := w.Send(e)
	require.Equal(t, 201, got.Status, got.Body)
	which := got.JSON(t)["id"].(string)
	require.Equal(t, 200, w.Send(w.Sample("credentials-get.json", "cred_1Laptop000000000000F", which)).Status)
	require.Equal(t, 204, w.Send(w.Sample("credentials-delete.json", "cred_1Laptop000000000000F", which)).Status)
}

func TestInvitation_IsAcceptedWithAPasskeyAndMakesTheEmployeeActive_W3_F7(t *testing.T) {
	w := httpapitest.New(t)
	p, code := invite(w, "Nora")
	d := device()
	got := enrol(t, w, d, code, "Laptop")
	require.Equal(t, 201, got.Status, got.Body)
	shown := got.JSON(t)["credential"].(map[string]any)
	require.Equal(t, httpapitest.Words(members), httpapitest.Members(shown))
	require.Equal(t, "passkey", shown["kind"])
	require.Equal(t, "ES256", shown["algorithm"])
	require.Equal(t, string(p.Employee.ID), shown["principal"].(map[string]any)["id"])
	require.True(t, strings.HasPrefix(shown["signed_by"].(string), "inv_"))
	e, err := w.Mem.Employee(w.Ctx, p.Employee.ID)
	require.NoError(t, err)
	require.Equal(t, employee.Active, e.Status)
	require.Len(t, e.Passkeys, 1)
	require.Empty(t, e.Code)
	require.Len(t, w.Records(audit.EmployeeActivated), 1)
	require.Equal(t, string(p.Employee.ID), w.Records(audit.CredentialCreated)[0].Actor.ID)
	session := w.SignsIn(d)
	require.Equal(t, string(p.Employee.ID), w.Caller(session).ID)
	w.Do(begin(code)).Problem(t, 401, "unauthorized") // it was used
	require.Equal(t, 404, w.Call(session, on("GET", "cred_00000000000000000009")).Status)
	require.Nil(t, shown["last_used_at"])
	shown["last_used_at"] = "2031-03-04T05:06:10Z"
	require.Equal(t, shown, w.Call(session, on("GET", shown["id"].(string))).JSON(t))
}

func TestCode_IsDeadAfterFiveWrongTriesAndAfterItsTime_W3_F7(t *testing.T) {
	w := httpapitest.New(t)
	_, code := invite(w, "Nora")
	var want map[string]any
	for i := range 5 {
		r := begin(w.Wrong(code))
		if i%2 == 1 {
			r = withCode(w.Wrong(code), "chl_00000000000000000009", json.RawMessage(`{}`), "x")
		}
		p := w.Do(r).Problem(t, 401, "unauthorized")
		delete(p, "request_id")
		if want == nil {
			want = p
			require.Equal(t, fault.NotProven, p["detail"], "it is no key that was refused")
		}
		require.Equal(t, want, p)
	}
	w.Do(begin(code)).Problem(t, 401, "unauthorized")

	_, code = invite(w, "Nils")
	w.Advance(72*time.Hour - time.Second)
	s := read(t, w.Do(begin(code)))
	w.Advance(time.Second)
	answer, err := device().Enrol(s.Options)
	w.Do(withCode(code, s.ChallengeID, must(t, answer, err), "x")).Problem(t, 401, "unauthorized")
	for _, bad := range []string{"", "x", w.Owner.Secret.Reveal(), "rkc_00000000000000000009_" + strings.Repeat("0", 49)} {
		w.Do(begin(token.SecretOf(bad))).Problem(t, 401, "unauthorized")
	}
}

func TestChallenge_OfAnotherCodeOrEmployeeIsRefused_F7(t *testing.T) {
	w := httpapitest.New(t)
	_, nora := invite(w, "Nora")
	_, nils := invite(w, "Nils")
	hers, his := read(t, w.Do(begin(nora))), read(t, w.Do(begin(nils)))
	d := device()
	answer, err := d.Enrol(hers.Options)
	w.Do(withCode(nils, hers.ChallengeID, must(t, answer, err), "x")).Problem(t, 401, "unauthorized")
	w.Do(withCode(nora, hers.ChallengeID, answer, "x")).Problem(t, 401, "unauthorized") // used up by the wrong answer
	w.Do(withCode(nora, his.ChallengeID, answer, "x")).Problem(t, 401, "unauthorized")

	one, two := w.Code(w.Operator.Employee.ID, onetime.Passkey), w.Code(w.Operator.Employee.ID, onetime.Passkey)
	ofOne := read(t, w.Do(begin(one)))
	theirs, err := d.Enrol(ofOne.Options)
	w.Do(withCode(two, ofOne.ChallengeID, must(t, theirs, err), "x")).Problem(t, 401, "unauthorized") // a challenge is of one code

	again := read(t, w.Do(begin(nora)))
	w.Advance(5 * time.Minute)
	answer, err = d.Enrol(again.Options)
	w.Do(withCode(nora, again.ChallengeID, must(t, answer, err), "x")).Problem(t, 401, "unauthorized") // expired
	for what, spoil := range map[string]func(*virtual.Device){
		"wrong origin":      func(d *virtual.Device) { d.Origin = "https://evil.example.org" },
		"wrong domain":      func(d *virtual.Device) { d.RPID = "evil.example.org" },
		"user not verified": func(d *virtual.Device) { d.Unverified = true },
	} {
		d := device()
		spoil(d)
		require.Equal(t, 401, enrol(t, w, d, nora, "x").Status, what)
	}
	require.Equal(t, 201, enrol(t, w, d, nora, "x").Status, "none of it spent the code")
}

func TestCode_OfTwoAtOnceOneEnrols_F7(t *testing.T) {
	w := httpapitest.New(t)
	_, code := invite(w, "Nora")
	requests := make([]httpapitest.Request, 4)
	for i := range requests {
		s := read(t, w.Do(begin(code)))
		answer, err := device().Enrol(s.Options)
		requests[i] = withCode(code, s.ChallengeID, must(t, answer, err), fmt.Sprint("device ", i))
	}
	status := make([]int, len(requests))
	var all sync.WaitGroup
	for i, r := range requests {
		all.Go(func() {
			out, err := w.API.Handle(w.Ctx, r.Event(t))
			if err == nil {
				status[i] = out.StatusCode
			}
		})
	}
	all.Wait()
	require.ElementsMatch(t, []int{201, 401, 401, 401}, status)
}

func TestPasskey_OfTheFirstOwnerComesWithTheTokenOfSetUp_W9(t *testing.T) {
	w := httpapitest.New(t)
	got := w.Call(w.Owner.Secret, issueCode())
	require.Equal(t, 201, got.Status, got.Body)
	require.Equal(t, httpapitest.Words("code expires_at"), httpapitest.Members(got.JSON(t)))
	require.Equal(t, "2031-03-04T05:16:10Z", got.JSON(t)["expires_at"])
	d := device()
	require.Equal(t, 201, enrol(t, w, d, token.SecretOf(got.JSON(t)["code"].(string)), "Laptop").Status)
	w.Call(w.Owner.Secret, issueCode()).Problem(t, 403, "not_grantable") // there is a passkey now: sign in with it
	session := w.SignsIn(d)
	require.Equal(t, 201, w.Call(session, issueCode()).Status)

	w.Call(w.Admin.Secret, issueCode()).Problem(t, 403, "not_grantable") // any other token does not
	k := w.Issue(w.Account("Recorder", w.Root).ID, "k")
	w.Call(k.Secret, issueCode()).Problem(t, 403, "missing_permission")
	denied := 0
	for _, e := range w.Records(audit.CredentialCodeIssued) {
		if e.Outcome == audit.Denied {
			denied++
		}
	}
	require.Equal(t, 2, denied)
}

func TestCode_RegistersAPasskeyOnAnotherDomain_F7(t *testing.T) {
	sites := passkey.Sites{Name: "rekey"}
	one, two := sites.At("keys.example.org"), sites.At("keys.example.net")
	w := httpapitest.New(t)
	w.Enrol(w.Operator)
	code := w.Code(w.Operator.Employee.ID, onetime.Passkey)
	begun, err := w.Passkeys.BeginWithCode(w.Ctx, two, code)
	require.NoError(t, err)
	d := virtual.New("https://keys.example.net")
	answer, err := d.Enrol(begun.Options)
	require.NoError(t, err)
	_, err = w.Passkeys.FinishWithCode(w.Ctx, w.Guest(), two, code, passkey.Answer{Challenge: begun.Challenge.ID, Attestation: answer, Name: "Net"})
	require.NoError(t, err)
	opens := func(at passkey.Site) error {
		begun, err := w.SignIn.Begin(w.Ctx, at)
		require.NoError(t, err)
		answer, err := d.Sign(begun.Options)
		require.NoError(t, err)
		opened, err := w.SignIn.Finish(w.Ctx, w.Guest(), at, begun.Challenge.ID, answer)
		w.Note(opened.Secret)
		return err
	}
	require.NoError(t, opens(two))
	require.Error(t, opens(one), "a passkey is good where it was made")
	require.Equal(t, passkey.Site{RPID: "example.org", Origins: []string{"https://a.example.org"}}, passkey.Sites{Domain: "example.org", Origins: []string{"https://a.example.org"}}.At("other"))
}

func TestCode_DiesWithTheEmployeesSessions_F7(t *testing.T) {
	w := httpapitest.New(t)
	code := w.Code(w.Operator.Employee.ID, onetime.Passkey)
	old, err := w.Mem.Employee(w.Ctx, w.Operator.Employee.ID)
	require.NoError(t, err)
	next := old
	next.SessionEpoch++
	next.Revision++
	next.EventSeq++
	w.Commit(w.Happened("employee", string(old.ID), old.Place, next.EventSeq), employee.Update{Old: old, New: next})
	w.Do(begin(code)).Problem(t, 401, "unauthorized")
}

func TestCode_ARepeatShowsItAgainForAsLongAsItIsGood_B6(t *testing.T) {
	w := httpapitest.New(t)
	r := issueCode()
	r.Header = map[string]string{"Idempotency-Key": "K"}
	first, again := w.Call(w.Owner.Secret, r), w.Call(w.Owner.Secret, r)
	require.Equal(t, 201, again.Status)
	require.Equal(t, first.JSON(t), again.JSON(t))
	require.NotEmpty(t, first.JSON(t)["code"])
	require.Equal(t, 201, enrol(t, w, device(), token.SecretOf(first.JSON(t)["code"].(string)), "Laptop").Status)
	w.Call(w.Owner.Secret, r).Problem(t, 403, "not_grantable") // authorized anew
	_, code := w.Owner, w.SignsIn(w.Enrol(w.Operator))
	first = w.Call(code, r)
	require.Equal(t, 201, first.Status)
	w.Advance(10 * time.Minute)
	late := w.Call(code, r).JSON(t)
	require.Equal(t, true, late["secret_withheld"])
	require.NotContains(t, late, "code")
}

// Whoever has touched their device already only sends another name.
func TestPasskey_ANameThatIsTakenUsesUpNoChallenge_F6(t *testing.T) {
	w := httpapitest.New(t)
	d := w.Enrol(w.Operator)
	session := w.SignsIn(d)
	taken := w.Call(session, listOf(w.Operator)).JSON(t)["items"].([]any)[0].(map[string]any)["name"].(string)

	code := token.SecretOf(w.Call(session, issueCode()).JSON(t)["code"].(string))
	s := read(t, w.Do(begin(code)))
	attestation, err := device().Enrol(s.Options)
	require.NoError(t, err)
	w.Do(withCode(code, s.ChallengeID, attestation, strings.ToUpper(taken))).Problem(t, 409, "conflict")
	require.Equal(t, 201, w.Do(withCode(code, s.ChallengeID, attestation, "Tablet")).Status)

	s = read(t, w.Do(further(t, w, session)))
	attestation, err = device().Enrol(s.Options)
	require.NoError(t, err)
	assertion, err := d.Sign(s.Assertion)
	require.NoError(t, err)
	w.Call(session, add(w.Operator, s.ChallengeID, attestation, assertion, "tablet")).Problem(t, 409, "conflict")
	require.Equal(t, 201, w.Call(session, add(w.Operator, s.ChallengeID, attestation, assertion, "Key ring")).Status)
}

func TestPasskey_AFurtherOneIsSignedByOneThatIsThere_F6(t *testing.T) {
	w := httpapitest.New(t)
	d, ring := w.Enrol(w.Operator), device()
	session := w.SignsIn(d)
	s := read(t, w.Do(further(t, w, session)))
	require.NotEmpty(t, s.Assertion)
	attestation, err := ring.Enrol(s.Options)
	require.NoError(t, err)
	assertion, err := d.Sign(s.Assertion)
	require.NoError(t, err)
	got := w.Call(session, add(w.Operator, s.ChallengeID, attestation, assertion, "Key ring"))
	require.Equal(t, 201, got.Status, got.Body)
	require.NotEmpty(t, got.Header["Etag"])
	items := w.Call(session, listOf(w.Operator)).Items(t)
	require.Len(t, items, 2)
	require.Equal(t, "Key ring", items[1]["name"])
	require.Equal(t, items[0]["id"], items[1]["signed_by"])
	w.Allowed(w.SignsIn(ring), rekeytest.Home)
	w.Call(session, add(w.Operator, s.ChallengeID, attestation, assertion, "Again")).Invalid(t, "/assertion") // replayed
}

func TestPasskey_AFurtherOneWithoutAGoodSignatureIsRefused_F6(t *testing.T) {
	w := httpapitest.New(t)
	d, others := w.Enrol(w.Operator), w.Enrol(w.Viewer)
	session := w.SignsIn(d)
	try := func(sign func(s started) json.RawMessage, challenge func(s started) string) httpapitest.Response {
		s := read(t, w.Do(further(t, w, session)))
		attestation, err := device().Enrol(s.Options)
		require.NoError(t, err)
		return w.Call(session, add(w.Operator, challenge(s), attestation, sign(s), "Key ring"))
	}
	own := func(s started) string { return s.ChallengeID }
	byOther := func(s started) json.RawMessage {
		others.Handle = string(w.Operator.Employee.ID)
		out, err := others.Sign(s.Assertion)
		require.NoError(t, err)
		return out
	}
	try(byOther, own).Invalid(t, "/assertion")
	try(func(started) json.RawMessage { return json.RawMessage(`{}`) }, own).Invalid(t, "/assertion")
	byOld := func(s started) json.RawMessage { // for another challenge
		old := read(t, w.Do(further(t, w, session)))
		out, err := d.Sign(old.Assertion)
		require.NoError(t, err)
		return out
	}
	try(byOld, own).Invalid(t, "/assertion")
	good := func(s started) json.RawMessage {
		out, err := d.Sign(s.Assertion)
		require.NoError(t, err)
		return out
	}
	viewers := read(t, w.Do(further(t, w, w.SignsIn(w.Enrol(w.Viewer)))))
	try(good, func(started) string { return viewers.ChallengeID }).Invalid(t, "/assertion") // another employee's challenge
	code := w.Code(w.Operator.Employee.ID, onetime.Passkey)
	withCode := read(t, w.Do(begin(code)))
	try(good, func(started) string { return withCode.ChallengeID }).Invalid(t, "/assertion") // one of a code wants no signature
	require.Len(t, w.Call(session, listOf(w.Operator)).Items(t), 1)
}

func TestPasskey_NobodyEnrolsOneForSomebodyElse_F6(t *testing.T) {
	w := httpapitest.New(t)
	d := w.Enrol(w.Owner)
	session := w.SignsIn(d)
	s := read(t, w.Do(further(t, w, session)))
	attestation, err := device().Enrol(s.Options)
	require.NoError(t, err)
	assertion, err := d.Sign(s.Assertion)
	require.NoError(t, err)
	w.Call(session, add(w.Operator, s.ChallengeID, attestation, assertion, "Mine")).Problem(t, 403, "not_grantable")
	w.Do(httpapitest.Request{Method: "POST", Resource: "/credentials/challenges"}).Problem(t, 401, "unauthorized")
	w.Do(further(t, w, w.Wrong(session))).Problem(t, 401, "unauthorized")
	w.Do(further(t, w, w.Issue(w.Account("Recorder", w.Root).ID, "k").Secret)).Problem(t, 403, "missing_permission")
	w.Do(further(t, w, w.Inside(session, w.Company))).Problem(t, 403, "missing_permission")
	w.Do(further(t, w, w.Admin.Secret)).Problem(t, 409, "conflict") // has none that could sign
}

func TestPasskey_TheLastOneStaysAndOthersGo_F6(t *testing.T) {
	w := httpapitest.New(t)
	d := w.Enrol(w.Operator)
	session := w.SignsIn(d)
	first := w.Call(session, listOf(w.Operator)).Items(t)[0]["id"].(string)
	w.Call(session, on("DELETE", first)).Problem(t, 409, "last_credential")
	second := w.Enrol(w.Operator)
	etag := w.Call(session, on("GET", first)).Header["Etag"]
	stale := on("DELETE", first)
	stale.Header = map[string]string{"If-Match": `"other"`}
	w.Call(session, stale).Problem(t, 412, "precondition_failed")
	stale.Header["If-Match"] = etag
	require.Equal(t, 204, w.Call(session, stale).Status)
	require.Equal(t, 404, w.Call(session, on("DELETE", first)).Status)
	w.Allowed(session, rekeytest.Home) // what began with it goes on
	begun, err := w.SignIn.Begin(w.Ctx, rekeytest.Site)
	require.NoError(t, err)
	answer, err := d.Sign(begun.Options)
	require.NoError(t, err)
	_, err = w.SignIn.Finish(w.Ctx, w.Guest(), rekeytest.Site, begun.Challenge.ID, answer)
	require.Error(t, err)
	w.Allowed(w.SignsIn(second), rekeytest.Home)
	require.Len(t, w.Records(audit.CredentialDeleted), 1)
}

func TestPasskeys_OfTwoRemovedAtOnceOneStays_F6(t *testing.T) {
	w := httpapitest.New(t)
	w.Enrol(w.Operator)
	w.Enrol(w.Operator)
	e, err := w.Mem.Employee(w.Ctx, w.Operator.Employee.ID)
	require.NoError(t, err)
	c := w.As(w.Operator)
	errs := make([]error, 2)
	var all sync.WaitGroup
	for i, which := range e.Passkeys {
		all.Go(func() { errs[i] = w.Passkeys.Delete(w.Ctx, c, which) })
	}
	all.Wait()
	require.True(t, (errs[0] == nil) != (errs[1] == nil), "%v", errs)
	e, err = w.Mem.Employee(w.Ctx, w.Operator.Employee.ID)
	require.NoError(t, err)
	require.Len(t, e.Passkeys, 1)
}

func TestPasskeys_OfOthersAreForWhoManagesCredentialsAndCouldGiveTheRole_F6(t *testing.T) {
	w := httpapitest.New(t)
	w.Enrol(w.BelowAdmin)
	w.Enrol(w.BelowAdmin)
	w.Enrol(w.Owner)
	w.Enrol(w.Owner)
	of := func(p *rekeytest.Person) string {
		e, err := w.Mem.Employee(w.Ctx, p.Employee.ID)
		require.NoError(t, err)
		return string(e.Passkeys[0])
	}
	below := of(w.BelowAdmin)
	require.Len(t, w.Call(w.Viewer.Secret, listOf(w.BelowAdmin)).Items(t), 2)
	require.Equal(t, 200, w.Call(w.Viewer.Secret, on("GET", below)).Status)
	w.Call(w.Viewer.Secret, on("DELETE", below)).Problem(t, 403, "missing_permission")
	for _, caller := range []*rekeytest.Person{w.SiblingAdmin, w.StrangerAdmin, w.CompanyAdmin} {
		w.Call(caller.Secret, listOf(w.BelowAdmin)).Problem(t, 404, "not_found")
		w.Call(caller.Secret, on("GET", below)).Problem(t, 404, "not_found")
		w.Call(caller.Secret, on("DELETE", below)).Problem(t, 404, "not_found")
	}
	w.Call(w.Admin.Secret, on("DELETE", of(w.Owner))).Problem(t, 403, "not_grantable")
	helper := w.Hire("Helper", w.Root, w.CustomRole("role_00000000000000000078", permission.CredentialsRead, permission.CredentialsManage).ID)
	w.Call(helper.Secret, on("DELETE", below)).Problem(t, 403, "not_grantable")
	require.Equal(t, 204, w.Call(w.Admin.Secret, on("DELETE", below)).Status)
	w.Call(w.Owner.Secret, listOf(&rekeytest.Person{Employee: employee.Employee{ID: "emp_00000000000000000009"}})).Problem(t, 404, "not_found")
	w.Call(w.Owner.Secret, on("GET", "nonsense")).Problem(t, 404, "not_found")
}

func TestPasskeys_AreTenAtMostWithNamesOfTheirOwn_F6(t *testing.T) {
	w := httpapitest.New(t)
	for range employee.MaxPasskeys - 1 {
		w.Enrol(w.Operator)
	}
	code := w.Code(w.Operator.Employee.ID, onetime.Passkey)
	s := read(t, w.Do(begin(code)))
	for name, pointer := range map[string]string{"": "/name", strings.Repeat("x", 101): "/name", "a\u200bb": "/name"} {
		w.Do(withCode(code, s.ChallengeID, json.RawMessage(`{}`), name)).Invalid(t, pointer)
	}
	last := device()
	require.Equal(t, 201, enrol(t, w, last, code, "Émile’s phone").Status)
	code = w.Code(w.Operator.Employee.ID, onetime.Passkey)
	w.Do(begin(code)).Problem(t, 409, "limit_reached")
	code = w.Code(w.Admin.Employee.ID, onetime.Passkey)
	require.Equal(t, 201, enrol(t, w, device(), code, "Laptop").Status)
	code = w.Code(w.Admin.Employee.ID, onetime.Passkey)
	require.Equal(t, 409, enrol(t, w, device(), code, "LAPTOP").Status)
	require.Equal(t, 409, enrol(t, w, last, code, "Shared").Status, "a device's passkey is one employee's")
}
