package httpapi_test

import (
	"strings"
	"testing"

	"github.com/stretchr/testify/require"

	"github.com/rekey-dev/rekey/pkg/fault"
	"github.com/rekey-dev/rekey/pkg/httpapi/httpapitest"
	"github.com/rekey-dev/rekey/pkg/idempotency"
	"github.com/rekey-dev/rekey/pkg/token"
)

func keyed(key string) httpapitest.Request {
	r := post(`{"name":"a"}`)
	r.Header = map[string]string{"Idempotency-Key": key}
	return r
}

func counting(th *things) *int {
	n := 0
	th.do = func(callOf, any) error { n++; return nil }
	return &n
}

func TestIdempotency_ARepeatHasOneEffectAndTheSameAnswerToTheByte_B6(t *testing.T) {
	secret := token.SecretOf(secretLike)
	th := &things{secret: secret, repeat: secret}
	n := counting(th)
	a := th.api()
	first := keyed("k1").Do(t, a)
	require.Equal(t, 201, first.Status)
	require.Equal(t, secretLike, first.JSON(t)["secret"])
	second := keyed("k1").Do(t, a)
	require.Equal(t, first.Status, second.Status)
	require.Equal(t, first.Body, second.Body)
	require.Equal(t, 1, *n)

	for _, r := range th.records {
		require.NotContains(t, string(r.Body), "secret", "what is kept has no secret")
		require.Equal(t, 201, r.Status)
	}
	require.NotContains(t, th.log.String(), secretLike[25:50])
}

func TestIdempotency_ASecretThatMayNotBeShownAgainIsWithheld_B6(t *testing.T) {
	th := &things{secret: token.SecretOf(secretLike)}
	a := th.api()
	first := keyed("k1").Do(t, a).JSON(t)
	again := keyed("k1").Do(t, a).JSON(t)
	require.Equal(t, true, again["secret_withheld"])
	require.NotContains(t, again, "secret")
	require.Equal(t, first["thing"], again["thing"])
}

func TestIdempotency_AnswersWithoutASecretAreRepeatedAsTheyWere(t *testing.T) {
	th := &things{}
	a := th.api()
	first := keyed("k1").Do(t, a)
	require.Equal(t, first.Body, keyed("k1").Do(t, a).Body)
	require.NotContains(t, first.Body, "secret")
}

func TestIdempotency_AnotherPayloadIsAMismatch(t *testing.T) {
	a := (&things{}).api()
	require.Equal(t, 201, keyed("k1").Do(t, a).Status)
	r := keyed("k1")
	r.Body = `{"name": "a"}`
	r.Do(t, a).Problem(t, 422, "idempotency_mismatch")
	r.Body = `{"name":"b"}`
	r.Do(t, a).Problem(t, 422, "idempotency_mismatch")
	r.Body = `{"name":"b","x":1}`
	r.Do(t, a).Invalid(t, "/x")
}

func TestIdempotency_TheScopeIsCallerMethodPathAndKey(t *testing.T) {
	th := &things{}
	n := counting(th)
	a := th.api()
	keyed("k1").Do(t, a)
	keyed("k2").Do(t, a)
	r := keyed("k1")
	c := httpapitest.Integration()
	r.Caller = &c
	r.Do(t, a)
	require.Equal(t, 3, *n)

	act := as("POST", "/things/{id}/act")
	act.Header = map[string]string{"Idempotency-Key": "k1"}
	act.Do(t, a)
	scope := th.call.Idempotency.Scope
	act.ID = "thing_2"
	act.Do(t, a)
	require.NotEqual(t, scope, th.call.Idempotency.Scope, "another object")
	require.Equal(t, 5, *n)

	keyed("k1").Do(t, a)
	require.Equal(t, 5, *n)
}

func TestIdempotency_ACallWithoutAKeyIsNeverARepeat(t *testing.T) {
	th := &things{}
	n := counting(th)
	a := th.api()
	for range 2 {
		require.Equal(t, 201, post(`{"name":"a"}`).Do(t, a).Status)
		require.Nil(t, th.call.Idempotency)
	}
	require.Equal(t, 2, *n)
	require.Empty(t, th.records)

	open := httpapitest.Request{Method: "POST", Resource: "/open", Header: map[string]string{"Idempotency-Key": strings.Repeat("k", 300)}}
	require.Equal(t, 200, open.Do(t, a).Status, "public routes ignore it")
	require.Nil(t, th.call.Idempotency)
}

func TestIdempotency_FailuresAreNotKept(t *testing.T) {
	th := &things{do: func(callOf, any) error { return fault.New(fault.Conflict, "no") }}
	a := th.api()
	keyed("k1").Do(t, a).Problem(t, 409, "conflict")
	th.do = nil
	require.Equal(t, 201, keyed("k1").Do(t, a).Status)
}

func TestIdempotency_TheWinnerOfARaceAnswersForBoth(t *testing.T) {
	th := &things{}
	winner := idempotency.Record{Status: 201, ETag: "thing_1.3", Body: []byte(`{"thing":{"id":"thing_1","name":"n","tags":[],"until":null}}`)}
	th.do = func(callOf, any) error { return &idempotency.Replay{Record: winner} }
	e := keyed("k1").Event(t)
	out, err := th.api().Handle(t.Context(), e)
	require.NoError(t, err)
	require.Equal(t, 201, out.StatusCode)
	require.Equal(t, string(winner.Body), out.Body)
	require.Equal(t, `"thing_1.3"`, out.Headers["Etag"])
}

func TestIdempotency_AnOutageOfTheRecordsIsNeverAFirstCall(t *testing.T) {
	th := &things{}
	n := counting(th)
	down := th.apiWith(fault.Down(errInternal))
	keyed("k1").Do(t, down).Problem(t, 503, "unavailable")
	require.Zero(t, *n)
}
