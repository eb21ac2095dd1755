package setup_test

import (
	"bytes"
	"encoding/json"
	"log/slog"
	"strings"
	"testing"
	"time"

	"github.com/stretchr/testify/require"

	"github.com/rekey-dev/rekey/pkg/fault"
	"github.com/rekey-dev/rekey/pkg/httpapi/httpapitest"
	"github.com/rekey-dev/rekey/pkg/httpapi/setup"
	"github.com/rekey-dev/rekey/pkg/memstore"
	"github.com/rekey-dev/rekey/pkg/rekeytest"
	"github.com/rekey-dev/rekey/pkg/token"
)

const first = `{"code":"` + rekeytest.SetupCode + `","msp":{"name":"Northwind"},"owner":{"email":"owner@example.com","first_name":"Ada","last_name":"Owner"}}`

func setUp(body string) httpapitest.Request {
	return httpapitest.Request{Method: "POST", Resource: "/setup", Body: body}
}

func keyed(body string) httpapitest.Request {
	r := setUp(body)
	r.Header = map[string]string{"Idempotency-Key": "k1"}
	return r
}

func TestSetUp_MakesTheFirstOwnerOnce_W9(t *testing.T) {
	w := httpapitest.Fresh(t)
	got := w.Send(w.Sample("setup-create.json", "SETUPCODE", rekeytest.SetupCode))
	require.Equal(t, 201, got.Status, got.Body)
	body := got.JSON(t)
	require.Equal(t, httpapitest.Words("msp node employee personal_access_token secret next"), httpapitest.Members(body))
	require.Equal(t, httpapitest.Words("id name prefix expires_at"), httpapitest.Members(body["personal_access_token"]))
	require.Equal(t, "2031-06-02T05:06:10Z", body["personal_access_token"].(map[string]any)["expires_at"], "90 days")
	secret := token.SecretOf(body["secret"].(string))
	me := w.Call(secret, httpapitest.Request{Method: "GET", Resource: "/me"}).JSON(t)
	require.Equal(t, body["msp"].(map[string]any)["id"], me["msp_id"])
	require.Equal(t, body["employee"].(map[string]any)["id"], me["principal"].(map[string]any)["id"])
	w.Do(setUp(first)).Problem(t, 409, "already_set_up")
	w.Do(setUp(strings.Replace(first, rekeytest.SetupCode, "wrong", 1))).Problem(t, 409, "already_set_up")
}

func TestSetUp_ARepeatWithItsKeyShowsTheSameSecret_B6(t *testing.T) {
	w := httpapitest.Fresh(t)
	one := w.Do(keyed(first))
	require.Equal(t, 201, one.Status, one.Body)
	again := w.Do(keyed(first))
	require.Equal(t, one.Body, again.Body)
	other := strings.Replace(first, "Northwind", "Southwind", 1)
	w.Do(keyed(other)).Problem(t, 422, "idempotency_mismatch")
	w.Do(keyed(strings.Replace(first, rekeytest.SetupCode, "wrong", 1))).Problem(t, 409, "already_set_up")
	w.Advance(time.Hour)
	late := w.Do(keyed(first)).JSON(t)
	require.Equal(t, true, late["secret_withheld"])
	require.NotContains(t, late, "secret")
	w.Advance(23 * time.Hour)
	w.Do(keyed(first)).Problem(t, 409, "already_set_up")
}

func TestSetUp_AWrongCodeIsUnauthorizedAndBadInputIsNamed(t *testing.T) {
	w := httpapitest.Fresh(t)
	for _, code := range []string{"", "wrong", rekeytest.SetupCode + "x", strings.ToUpper(rekeytest.SetupCode)} {
		got := w.Do(setUp(strings.Replace(first, rekeytest.SetupCode, code, 1)))
		got.Problem(t, 401, "unauthorized")
		require.Equal(t, "Bearer", got.Header["Www-Authenticate"])
		if code != "" {
			require.NotContains(t, got.Body+w.Log.String(), `"`+code)
		}
	}
	for body, pointers := range map[string][]string{
		`{}`: {"/code", "/msp", "/owner"}, strings.Replace(first, `"email":"owner@example.com"`, `"mail":"x"`, 1): {"/owner/mail", "/owner/email"},
		strings.Replace(first, "owner@example.com", "nobody", 1): {"/owner/email"}, strings.Replace(first, "Northwind", "", 1): {"/msp/name"},
		strings.Replace(first, "Ada", `A\u0000da`, 1): {"/owner/first_name"},
	} {
		w.Do(setUp(body)).Invalid(t, pointers...)
	}
	require.Equal(t, 201, w.Do(setUp(first)).Status)
}

func handler(w *httpapitest.World, log *bytes.Buffer) *setup.Handler {
	return &setup.Handler{HTTP: w.API.Handle, Recover: w.Setup.Recover, Log: slog.New(slog.NewJSONHandler(log, nil))}
}

func TestInvoke_WhoeverHoldsTheAccountEnrolsAnOwnerAnew_W9(t *testing.T) {
	w := httpapitest.New(t)
	var log bytes.Buffer
	out, err := handler(w, &log).Invoke(t.Context(), httpapitest.SampleText(t, "setup-recover.json"))
	require.NoError(t, err)
	var body map[string]any
	require.NoError(t, json.Unmarshal(out, &body))
	secret := token.SecretOf(body["secret"].(string))
	w.Note(secret)
	require.Equal(t, string(w.Owner.Employee.ID), body["employee_id"])
	require.Equal(t, 200, w.Call(secret, httpapitest.Request{Method: "GET", Resource: "/me"}).Status)
	require.Empty(t, log.String())

	for _, who := range []string{"nobody@example.com", "", w.Admin.Employee.Email} {
		_, err := handler(w, &log).Invoke(t.Context(), []byte(`{"recover_owner":"`+who+`"}`))
		require.Error(t, err)
	}
	w.Store.Fail(1, memstore.Instead)
	_, err = handler(w, &log).Invoke(t.Context(), httpapitest.SampleText(t, "setup-recover.json"))
	require.Error(t, err)
	require.False(t, fault.Is(err, fault.Unavailable))
	require.NotEmpty(t, log.String())
}

func TestInvoke_NobodyRecoversOverHTTP(t *testing.T) {
	w := httpapitest.New(t)
	var log bytes.Buffer
	for _, body := range []string{`{"recover_owner":"owner@example.com"}`, `\",\"recover_owner\":\"owner@example.com`} {
		e := setUp(body).Event(t)
		payload, err := json.Marshal(e)
		require.NoError(t, err)
		out, err := handler(w, &log).Invoke(t.Context(), payload)
		require.NoError(t, err)
		var response struct {
			StatusCode int `json:"statusCode"`
		}
		require.NoError(t, json.Unmarshal(out, &response))
		require.GreaterOrEqual(t, response.StatusCode, 400)
		require.NotContains(t, string(out), "secret")
	}
	for _, payload := range []string{"", "[]", "{}", `{"recover_owner":7}`, `{"recover_owner":null}`} {
		_, err := handler(w, &log).Invoke(t.Context(), []byte(payload))
		require.Error(t, err, payload)
	}
}
