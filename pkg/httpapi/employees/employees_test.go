package employees_test

import (
	"encoding/json"
	"errors"
	"net/url"
	"strings"
	"testing"
	"time"

	"github.com/stretchr/testify/require"

	"github.com/rekey-dev/rekey/pkg/audit"
	"github.com/rekey-dev/rekey/pkg/employee"
	"github.com/rekey-dev/rekey/pkg/fault"
	"github.com/rekey-dev/rekey/pkg/httpapi/httpapitest"
	"github.com/rekey-dev/rekey/pkg/id"
	"github.com/rekey-dev/rekey/pkg/notice"
	"github.com/rekey-dev/rekey/pkg/onetime"
	"github.com/rekey-dev/rekey/pkg/permission"
	"github.com/rekey-dev/rekey/pkg/place"
	"github.com/rekey-dev/rekey/pkg/rekeytest"
	"github.com/rekey-dev/rekey/pkg/role"
	"github.com/rekey-dev/rekey/pkg/token"
	"github.com/rekey-dev/rekey/pkg/verify"
)

type object = map[string]any

const members = "id email first_name last_name node_id role_id status second_factor invitation last_sign_in_at created_by created_by_name created_at updated_at"

func text(v any) string {
	b, err := json.Marshal(v)
	if err != nil {
		panic(err)
	}
	return string(b)
}

// invitation is that of Grace Hopper at a place; more replaces members.
func invitation(at place.Place, r id.Role, more ...object) httpapitest.Request {
	body := object{"email": "grace@example.com", "first_name": "Grace", "last_name": "Hopper", "node_id": at.ID(), "role_id": r}
	for _, m := range more {
		for k, v := range m {
			body[k] = v
		}
	}
	return httpapitest.Request{Method: "POST", Resource: "/employees", Body: text(body)}
}

func on(method, id string, body ...object) httpapitest.Request {
	r := httpapitest.Request{Method: method, Resource: "/employees/{id}", ID: id}
	if len(body) > 0 {
		r.Body = text(body[0])
	}
	return r
}

func act(id, action string) httpapitest.Request {
	return httpapitest.Request{Method: "POST", Resource: "/employees/{id}/" + action, ID: id}
}

func list(query string) httpapitest.Request {
	return httpapitest.Request{Method: "GET", Resource: "/employees", Query: query}
}

func once(r httpapitest.Request, key string) httpapitest.Request {
	r.Header = map[string]string{"Idempotency-Key": key}
	return r
}

func firstNames(items []object) (out []string) {
	for _, i := range items {
		out = append(out, i["first_name"].(string))
	}
	return out
}

// accepted makes an invited employee active, as the acceptance of the invitation does.
func accepted(w *httpapitest.World, which string) employee.Employee {
	old, err := w.Mem.Employee(w.Ctx, id.Employee(which))
	require.NoError(w.T, err)
	next := old
	next.Status, next.Code, next.Passkeys = employee.Active, "", []id.Credential{id.New[id.Credential](w.Rand)}
	next.CodeSentAt, next.CodeExpiresAt = time.Time{}, time.Time{}
	next.Version++
	next.Revision++
	next.EventSeq++
	w.Commit(w.Happened("employee", which, old.Place, next.EventSeq), employee.Update{Old: old, New: next})
	return next
}

// current tells whether a code is accepted and its employee's own.
func current(w *httpapitest.World, s token.Secret) bool {
	code, err := w.Codes.Check(w.Ctx, s)
	if fault.Is(err, fault.Unauthorized) {
		return false
	}
	require.NoError(w.T, err)
	e, err := w.Mem.Employee(w.Ctx, code.Employee)
	return err == nil && code.IsCurrent(e)
}

func TestSamples_OfEmployeesAreAnswered(t *testing.T) {
	for name, status := range map[string]int{"employees-list.json": 200, "employees-create.json": 201, "employees-get.json": 200, "employees-patch.json": 200,
		"employees-delete.json": 204, "employees-resend-invitation.json": 200, "employees-revoke-invitation.json": 204, "employees-reset-second-factor.json": 200} {
		w := httpapitest.New(t)
		made := w.Call(w.Owner.Secret, invitation(w.Below, role.Viewer, object{"email": "other@example.com"})).JSON(t)["id"].(string)
		if strings.Contains(name, "reset") {
			accepted(w, made)
		}
		got := w.Send(w.Sample(name, "node_1South000000000000B2", w.Below.ID(), "emp_1South000000000000D4", made))
		require.Equal(t, status, got.Status, "%s: %s", name, got.Body)
	}
}

func TestEmployee_IsInvitedByALetterWithACode_W3(t *testing.T) {
	w := httpapitest.New(t)
	w.Staff.Portal = "https://rekey.example.com"
	got := w.Call(w.Admin.Secret, invitation(w.Below, role.Operator, object{"email": "Grace@Example.COM"}))
	require.Equal(t, 201, got.Status, got.Body)
	e := got.JSON(t)
	require.Equal(t, httpapitest.Words(members), httpapitest.Members(e))
	require.Equal(t, "Grace@example.com", e["email"])
	require.Equal(t, "invited", e["status"])
	require.Equal(t, object{"passkeys": 0.0}, e["second_factor"])
	require.Equal(t, object{"expires_at": "2031-03-07T05:06:10Z", "sent_at": "2031-03-04T05:06:10Z"}, e["invitation"])
	require.Equal(t, string(w.Admin.Employee.ID), e["created_by"])
	require.Equal(t, w.Below.ID(), e["node_id"])
	require.Nil(t, e["last_sign_in_at"])
	require.Equal(t, e, w.Call(w.Viewer.Secret, on("GET", e["id"].(string))).JSON(t))

	require.Len(t, w.Inbox.Letters(), 1)
	l := w.Inbox.Last()
	require.Equal(t, "Grace@example.com", l.To)
	require.Equal(t, "rekey: you are invited", l.Subject)
	code := rekeytest.CodeIn(l)
	for _, part := range []string{l.Text, l.HTML} {
		require.Contains(t, part, code.Reveal())
		require.Contains(t, part, "Hello Grace")
		require.Contains(t, part, "Northwind")
		require.Contains(t, part, "Admin Person")
		require.Contains(t, part, "until 2031-03-07 05:06 UTC")
		require.Contains(t, part, "https://rekey.example.com")
		require.NotContains(t, part, "credentials/challenges")
	}
	require.True(t, current(w, code))
	require.NotContains(t, got.Body, code.Reveal()[30:])
	require.Equal(t, e["id"], w.Record(audit.EmployeeInvited).Target.ID)
	require.Equal(t, "employee.letter_sent", w.Record(audit.LetterSent).Action)

	v, err := w.Verifier.Store.Snapshot(w.Ctx, "", verify.Names{Principal: e["id"].(string)})
	require.NoError(t, err)
	require.False(t, v.Principal.Active, "an invited employee cannot act")
}

func TestEmployee_WhoseLetterCannotBeSentIsThereAndCanBeSentAnother_W3(t *testing.T) {
	for _, failure := range []error{&notice.Refused{Code: "MessageRejected", Message: "no"}, fault.Down(errors.New("SES is down"))} {
		w := httpapitest.New(t)
		w.Inbox.Fail(failure)
		got := w.Call(w.Owner.Secret, invitation(w.Root, role.Admin))
		require.Equal(t, 201, got.Status, got.Body)
		e := got.JSON(t)
		require.Nil(t, e["invitation"].(object)["sent_at"])
		require.Empty(t, w.Records(audit.LetterSent))
		w.Inbox.Fail(nil)
		again := w.Call(w.Owner.Secret, act(e["id"].(string), "resend-invitation")).JSON(t)
		require.NotNil(t, again["invitation"].(object)["sent_at"])
		require.True(t, current(w, rekeytest.CodeIn(w.Inbox.Last())))
	}
}

func TestInvitation_WithoutAMailSenderIsAConflictAndMakesNothing_W3(t *testing.T) {
	w := httpapitest.New(t)
	made := w.Call(w.Owner.Secret, invitation(w.Root, role.Admin)).JSON(t)["id"].(string)
	w.Staff.Mail = nil
	before := len(w.Mem.Events())
	p := w.Call(w.Owner.Secret, invitation(w.Root, role.Admin, object{"email": "b@example.com"})).Problem(t, 409, "conflict")
	require.Contains(t, p["detail"], "MailSender")
	for _, action := range []string{"resend-invitation", "reset-second-factor"} {
		w.Call(w.Owner.Secret, act(made, action)).Problem(t, 409, "conflict")
	}
	require.Len(t, w.Mem.Events(), before)
	require.Empty(t, w.Call(w.Owner.Secret, list("email=b@example.com")).Items(t))
}

func TestInvitation_IsRepeatedWithTheSameAnswerAndOneLetter_W3(t *testing.T) {
	w := httpapitest.New(t)
	r := once(invitation(w.Root, role.Viewer), "invite-1")
	first := w.Call(w.Owner.Secret, r)
	require.Equal(t, 201, first.Status, first.Body)
	again := w.Call(w.Owner.Secret, r)
	require.Equal(t, first.Body, again.Body)
	require.Equal(t, first.Header["ETag"], again.Header["ETag"])
	require.Len(t, w.Inbox.Letters(), 1)
	require.Len(t, w.Records(audit.EmployeeInvited), 1)
	w.Call(w.Owner.Secret, once(invitation(w.Root, role.Admin), "invite-1")).Problem(t, 422, "idempotency_mismatch")

	e := first.JSON(t)["id"].(string)
	for _, action := range []string{"resend-invitation", "revoke-invitation"} {
		first, again := w.Call(w.Owner.Secret, once(act(e, action), action)), w.Call(w.Owner.Secret, once(act(e, action), action))
		require.Equal(t, first.Status, again.Status, again.Body)
		require.Equal(t, first.Body, again.Body)
	}
	require.Len(t, w.Inbox.Letters(), 2)
	w.Call(w.Viewer.Secret, once(act(e, "revoke-invitation"), "revoke-invitation")).Problem(t, 404, "not_found")
}

func TestInvitation_ResentMakesTheCodeBeforeDeadAndIsBounded_W3(t *testing.T) {
	w := httpapitest.New(t)
	e := w.Call(w.Owner.Secret, invitation(w.Root, role.Viewer)).JSON(t)["id"].(string)
	first := rekeytest.CodeIn(w.Inbox.Last())
	w.Advance(time.Minute)
	resent := w.Call(w.Admin.Secret, act(e, "resend-invitation"))
	require.Equal(t, 200, resent.Status, resent.Body)
	second := rekeytest.CodeIn(w.Inbox.Last())
	require.NotEqual(t, first.Reveal(), second.Reveal())
	require.False(t, current(w, first))
	require.True(t, current(w, second))
	require.Equal(t, object{"expires_at": "2031-03-07T05:07:10Z", "sent_at": "2031-03-04T05:07:10Z"}, resent.JSON(t)["invitation"])
	for range 3 {
		require.Equal(t, 200, w.Call(w.Owner.Secret, act(e, "resend-invitation")).Status)
	}
	w.Advance(10 * time.Minute)
	refused := w.Call(w.Owner.Secret, act(e, "resend-invitation"))
	refused.Problem(t, 429, "too_many_requests")
	require.Equal(t, "2940", refused.Header["Retry-After"])
	require.Len(t, w.Inbox.Letters(), 5)
	w.Advance(49 * time.Minute)
	require.Equal(t, 200, w.Call(w.Owner.Secret, act(e, "resend-invitation")).Status)
	accepted(w, e)
	w.Call(w.Owner.Secret, act(e, "resend-invitation")).Problem(t, 409, "conflict")
	w.Call(w.Owner.Secret, act(e, "revoke-invitation")).Problem(t, 409, "conflict")
}

func TestInvitation_RevokedFreesTheSeatAndTheAddress_W3_S7(t *testing.T) {
	w := httpapitest.New(t)
	there, err := w.Mem.Headcount(w.Ctx)
	require.NoError(t, err)
	w.Staff.Seats = rekeytest.To(there.Employees + 1)
	e := w.Call(w.Owner.Secret, invitation(w.Root, role.Viewer)).JSON(t)["id"].(string)
	code := rekeytest.CodeIn(w.Inbox.Last())
	p := w.Call(w.Owner.Secret, invitation(w.Root, role.Viewer, object{"email": "second@example.com"})).Problem(t, 409, "limit_reached")
	require.Contains(t, p["detail"], "9 of 9")
	below := w.Call(w.BelowAdmin.Secret, invitation(w.Below, role.Viewer, object{"email": "second@example.com"})).Problem(t, 409, "limit_reached")
	require.NotRegexp(t, `\d`, below["detail"], "how many people the MSP has is not for who stands below the root")
	require.Contains(t, below["detail"], "All seats are taken.")
	require.Equal(t, 201, w.Call(w.Owner.Secret, httpapitest.Request{Method: "POST", Resource: "/service-accounts",
		Body: text(object{"name": "Recorder", "node_id": w.Root.ID()})}).Status, "no account has a seat")
	require.Equal(t, 204, w.Call(w.Owner.Secret, act(e, "revoke-invitation")).Status)
	require.False(t, current(w, code))
	w.Call(w.Owner.Secret, on("GET", e)).Problem(t, 404, "not_found")
	require.Equal(t, 201, w.Call(w.Owner.Secret, invitation(w.Root, role.Viewer)).Status)
	require.Equal(t, "employee.invitation_revoked", w.Record(audit.InvitationRevoked).Action)
}

func TestEmployee_IsChangedAndTheRoleHoldsFromTheNextRequestOn_W3(t *testing.T) {
	w := httpapitest.New(t)
	hired := w.Hire("Mallory", w.Root, role.Viewer)
	e := string(hired.Employee.ID)
	stale := on("PATCH", e, object{"first_name": "x"})
	stale.Header = map[string]string{"If-Match": `"other"`}
	w.Call(w.Owner.Secret, stale).Problem(t, 412, "precondition_failed")
	require.False(t, w.Caller(hired.Secret).Role.Has(permission.AppsManage))
	got := w.Call(w.Admin.Secret, on("PATCH", e, object{"first_name": "Mal", "last_name": "Ory", "email": "mal@EXAMPLE.com", "role_id": role.Operator}))
	require.Equal(t, 200, got.Status, got.Body)
	require.Equal(t, []any{"Mal", "Ory", "mal@example.com", string(role.Operator)}, []any{got.JSON(t)["first_name"], got.JSON(t)["last_name"], got.JSON(t)["email"], got.JSON(t)["role_id"]})
	require.True(t, w.Caller(hired.Secret).Role.Has(permission.AppsManage))
	require.Equal(t, []any{"email", "first_name", "last_name", "role_id"}, w.Record(audit.EmployeeUpdated).Details["changed"])
	require.Equal(t, []string{"Mal"}, firstNames(w.Call(w.Owner.Secret, list("email=MAL@example.com")).Items(t)))
	require.Zero(t, w.Changed(func() {
		require.Equal(t, 200, w.Call(w.Owner.Secret, on("PATCH", e, object{"first_name": "Mal"})).Status)
	}), "nothing to change is no record")
	w.Call(w.Owner.Secret, on("PATCH", e, object{"node_id": w.Below.ID()})).Invalid(t, "/node_id")
	w.Call(w.Owner.Secret, on("PATCH", e, object{"status": "active"})).Invalid(t, "/status")
	w.Call(w.Owner.Secret, on("PATCH", e, object{"email": "OWNER@example.com"})).Problem(t, 409, "conflict")
}

func TestEmployee_WhoseAddressChangesNeedsANewCode_W3(t *testing.T) {
	w := httpapitest.New(t)
	e := w.Call(w.Owner.Secret, invitation(w.Root, role.Viewer)).JSON(t)["id"].(string)
	code := rekeytest.CodeIn(w.Inbox.Last())
	got := w.Call(w.Owner.Secret, on("PATCH", e, object{"email": "new@example.com"})).JSON(t)
	require.Nil(t, got["invitation"])
	require.False(t, current(w, code))
	w.Call(w.Owner.Secret, act(e, "resend-invitation"))
	require.Equal(t, "new@example.com", w.Inbox.Last().To)
	require.True(t, current(w, rekeytest.CodeIn(w.Inbox.Last())))
}

func TestSecondFactor_ResetTakesPasskeysAndSessionsAndLeavesTokens_W3(t *testing.T) {
	w := httpapitest.New(t)
	hired := w.Hire("Mallory", w.Root, role.Viewer)
	e := string(hired.Employee.ID)
	accepted(w, e)
	w.Call(w.Owner.Secret, act(e, "resend-invitation")).Problem(t, 409, "conflict")
	got := w.Call(w.Admin.Secret, act(e, "reset-second-factor"))
	require.Equal(t, 200, got.Status, got.Body)
	require.Equal(t, object{"passkeys": 0.0}, got.JSON(t)["second_factor"])
	require.Equal(t, "active", got.JSON(t)["status"])
	ended, err := w.Mem.Employee(w.Ctx, hired.Employee.ID)
	require.NoError(t, err)
	require.Empty(t, ended.Passkeys)
	require.EqualValues(t, 1, ended.SessionEpoch, "sessions of before have ended")
	require.Equal(t, "rekey: enrol a new passkey", w.Inbox.Last().Subject)
	first := rekeytest.CodeIn(w.Inbox.Last())
	code, err := w.Codes.Check(w.Ctx, first)
	require.NoError(t, err)
	require.Equal(t, onetime.Enrolment, code.Purpose)
	require.True(t, current(w, first))
	w.Caller(hired.Secret) // the personal access token goes on working
	require.Equal(t, 200, w.Call(w.Owner.Secret, act(e, "resend-invitation")).Status, "the enrolment code is sent anew")
	require.False(t, current(w, first))
	second, err := w.Codes.Check(w.Ctx, rekeytest.CodeIn(w.Inbox.Last()))
	require.NoError(t, err)
	require.Equal(t, onetime.Enrolment, second.Purpose)
	invited := w.Call(w.Owner.Secret, invitation(w.Root, role.Viewer)).JSON(t)["id"].(string)
	w.Call(w.Owner.Secret, act(invited, "reset-second-factor")).Problem(t, 409, "conflict")
}

func TestEmployee_DeletedStopsAtOnceAndWhatTheyMadeStays_S5_S6(t *testing.T) {
	w := httpapitest.New(t)
	hired := w.Hire("Mallory", w.Root, role.Admin)
	e := string(hired.Employee.ID)
	account := w.Call(hired.Secret, httpapitest.Request{Method: "POST", Resource: "/service-accounts", Body: text(object{"name": "Recorder", "node_id": w.Root.ID()})}).JSON(t)["id"].(string)
	issued := w.Call(hired.Secret, httpapitest.Request{Method: "POST", Resource: "/service-accounts/{id}/keys", ID: account, Body: `{"name":"k"}`})
	require.Equal(t, 201, issued.Status, issued.Body)
	key := token.SecretOf(issued.JSON(t)["secret"].(string))
	tokens := httpapitest.Request{Method: "GET", Resource: "/personal-access-tokens", Query: "limit=100"}
	before := len(w.Call(w.Owner.Secret, tokens).Items(t))

	require.Equal(t, 204, w.Call(w.Owner.Secret, on("DELETE", e)).Status)
	v, err := w.Verifier.Verify(w.Ctx, verify.Presented{Secret: hired.Secret}, w.Origin("192.0.2.200"))
	require.NoError(t, err)
	require.Equal(t, verify.Unusable, v.Class)
	status := w.Do(httpapitest.Request{Method: "POST", Resource: "/key-status", Body: text(object{"secret": hired.Secret.Reveal()})}).JSON(t)
	require.Equal(t, "account_revoked", status["status"])
	require.Contains(t, status["detail"], "employee")
	v, err = w.Verifier.Verify(w.Ctx, verify.Presented{Secret: key}, w.Origin("192.0.2.200"))
	require.NoError(t, err)
	require.Equal(t, verify.Allow, v.Class, "the account is its own actor")
	require.Equal(t, "Mallory Person", w.Call(w.Owner.Secret, httpapitest.Request{Method: "GET", Resource: "/service-accounts/{id}", ID: account}).JSON(t)["created_by_name"])

	require.Len(t, w.Call(w.Owner.Secret, tokens).Items(t), before-1)
	w.Call(w.Owner.Secret, httpapitest.Request{Method: "GET", Resource: "/personal-access-tokens/{id}", ID: string(hired.Token.ID)}).Problem(t, 404, "not_found")
	w.Call(w.Owner.Secret, on("GET", e)).Problem(t, 404, "not_found")
	w.Call(w.Owner.Secret, on("DELETE", e)).Problem(t, 404, "not_found")
	require.Equal(t, 201, w.Call(w.Owner.Secret, invitation(w.Root, role.Viewer, object{"email": "MALLORY@example.com"})).Status, "the address is free")
	gone := w.Record(audit.EmployeeDeleted)
	require.Equal(t, "Mallory Person", gone.Target.Name)
}

func TestEmployees_AreListedByNameWithinTheCallersPlace_W3(t *testing.T) {
	w := httpapitest.New(t)
	for _, who := range []string{"zoe", "Anna", "bert"} {
		w.Call(w.Owner.Secret, invitation(w.Below, role.Viewer, object{"email": who + "@example.com", "first_name": who}))
	}
	all := firstNames(w.Call(w.Owner.Secret, list("limit=100")).Items(t))
	require.Equal(t, []string{"Ada", "Admin", "Anna", "BelowAdmin", "bert", "CompanyAdmin", "Operator", "SiblingAdmin", "StrangerAdmin", "Viewer", "zoe"}, all)
	below := url.Values{"node_id": {w.Below.ID()}}.Encode()
	require.Equal(t, []string{"Anna", "BelowAdmin", "bert", "CompanyAdmin", "zoe"}, firstNames(w.Call(w.Owner.Secret, list(below)).Items(t)))
	require.Equal(t, []string{"Anna", "BelowAdmin", "bert", "zoe"}, firstNames(w.Call(w.Owner.Secret, list(below+"&direct=true")).Items(t)))
	require.Equal(t, []string{"Anna", "bert", "zoe"}, firstNames(w.Call(w.Owner.Secret, list(below+"&status=invited")).Items(t)))
	require.Equal(t, []string{"Operator"}, firstNames(w.Call(w.Owner.Secret, list("role_id="+string(role.Operator))).Items(t)))
	require.Equal(t, []string{"Anna"}, firstNames(w.Call(w.Owner.Secret, list("q="+url.QueryEscape("ANNA h"))).Items(t)))
	require.Equal(t, []string{"Viewer"}, firstNames(w.Call(w.Owner.Secret, list("q="+string(w.Viewer.Employee.ID))).Items(t)))
	require.Empty(t, w.Call(w.BelowAdmin.Secret, list("q="+string(w.Viewer.Employee.ID))).Items(t))
	require.Empty(t, w.Call(w.BelowAdmin.Secret, list("email=viewer@example.com")).Items(t))
	require.Equal(t, []string{"Anna"}, firstNames(w.Call(w.BelowAdmin.Secret, list("email=ANNA@example.com")).Items(t)))
	require.Equal(t, []string{"SiblingAdmin", "StrangerAdmin"}, firstNames(w.Call(w.SiblingAdmin.Secret, list("")).Items(t)))
	w.Call(w.SiblingAdmin.Secret, list(below)).Problem(t, 404, "not_found")
	w.Call(w.Owner.Secret, list("status=active&q=a")).Invalid(t, "/q")
	w.Call(w.Owner.Secret, list("status=deleted")).Invalid(t, "/status")
	w.Call(w.Owner.Secret, list("direct=true")).Invalid(t, "/direct")
	var paged []string
	for next := "limit=4"; next != ""; {
		page := w.Call(w.Owner.Secret, list(next)).JSON(t)
		for _, i := range page["items"].([]any) {
			paged = append(paged, i.(object)["first_name"].(string))
		}
		if next = ""; page["next"] != nil {
			next = "limit=4&cursor=" + url.QueryEscape(page["next"].(string))
		}
	}
	require.Equal(t, all, paged)
}
