package httpapi_test

import (
	"encoding/base64"
	"strings"
	"testing"
	"time"

	"github.com/stretchr/testify/require"

	"github.com/rekey-dev/rekey/pkg/httpapi/httpapitest"
)

const secretLike = "rka_7Hq2cXv9LmN4pQr8sT1w_0123456789abcdefghijklmnopqrstuvwxyzABCDEFG000000"

func TestBody_WhatIsNoJSONIsMalformed(t *testing.T) {
	for _, body := range []string{"", " ", "{", "}", "nonsense", `{"name":"a"} {}`, `{"name":"a",}`, `{'name':'a'}`, "\ufeff{}", `{"name":"\x"}`,
		"{\"name\":\"a\xff\"}", `{"name":01}`, `[1,]`, "{\"name\":\"a\nb\"}"} {
		do(t, post(body)).Problem(t, 400, "malformed_request")
	}
}

func TestBody_JSONOfTheWrongShapeIsInvalidAtTheWholeDocument(t *testing.T) {
	for _, body := range []string{"[]", "null", `"text"`, "7", "true", `[{"name":"a"}]`} {
		do(t, post(body)).Invalid(t, "")
	}
}

func TestBody_EveryViolationIsNamedByItsPointer(t *testing.T) {
	for body, pointers := range map[string][]string{
		`{}`:                      {"/name"},
		`{"name":""}`:             {"/name"},
		`{"name":null}`:           {"/name"},
		`{"name":7}`:              {"/name"},
		`{"name":"elevenchars"}`:  {"/name"},
		`{"Name":"a","name":"a"}`: {"/Name"},
		`{"NAME":"a"}`:            {"/NAME", "/name"},
		`{"name":"a","x":1}`:      {"/x"},
		`{"name":"a","a/b~c":1}`:  {"/a~1b~0c"},
		`{"name":"a","":1}`:       {"/"},
		`{"name":"a","name":"b"}`: {"/name"},
		`{"name":"a","owner":{"email":"e","email":"e"}}`:                {"/owner/email"},
		`{"name":"a","tags":["ok","TOO","ok",""]}`:                      {"/tags"},
		`{"name":"a","tags":["ok","TOO"]}`:                              {"/tags/1"},
		`{"name":"a","tags":["toolong",1]}`:                             {"/tags/0", "/tags/1"},
		`{"name":"a","tags":{}}`:                                        {"/tags"},
		`{"name":"a","owner":{"age":1}}`:                                {"/owner/email"},
		`{"name":"a","owner":{"email":"e","y":1}}`:                      {"/owner/y"},
		`{"name":"a","owner":[]}`:                                       {"/owner"},
		`{"name":"a","owners":[{"email":"e"},{}]}`:                      {"/owners/1/email"},
		`{"name":"a","owner":{"email":"e","age":-1}}`:                   {"/owner/age"},
		`{"name":"a","owner":{"email":"e","age":1.5}}`:                  {"/owner/age"},
		`{"name":"a","owner":{"email":"e","age":1e2}}`:                  {"/owner/age"},
		`{"name":"a","owner":{"email":"e","age":99999999999999999999}}`: {"/owner/age"},
		`{"name":"a","kind":"tiny"}`:                                    {"/kind"},
		`{"name":"a","live":"true"}`:                                    {"/live"},
		`{"name":"a","live":1}`:                                         {"/live"},
		`{"name":"a","until":"tomorrow"}`:                               {"/until"},
		`{"name":"a","until":"2026-12-01"}`:                             {"/until"},
		`{"name":"a","until":"2026-12-01T00:00:00"}`:                    {"/until"},
		`{"name":"a","until":"2026-12-01T00:00:00,5Z"}`:                 {"/until"},
		`{"name":"a","until":"0001-01-01T00:00:00Z"}`:                   {"/until"},
		`{"name":"a","until":"2026-13-01T00:00:00Z"}`:                   {"/until"},
		`{"name":"` + secretLike[:9] + `","kind":1,"live":[]}`:          {"/kind", "/live"},
	} {
		t.Run(body, func(t *testing.T) { do(t, post(body)).Invalid(t, pointers...) })
	}
}

func TestBody_NestingEndsAtSixteenLevels(t *testing.T) {
	nested := func(levels int) string {
		return `{"name":"a","x":` + strings.Repeat("[", levels-1) + strings.Repeat("]", levels-1) + "}"
	}
	do(t, post(nested(16))).Invalid(t, "/x")
	do(t, post(nested(17))).Invalid(t, "/x"+strings.Repeat("/0", 15))
	do(t, post(strings.Repeat("[", 60000))).Invalid(t, strings.Repeat("/0", 16))
	do(t, post(strings.Repeat(`{"a":`, 12000))).Invalid(t, strings.Repeat("/a", 16))
}

func TestBody_MoreThan64KiBIsTooLarge(t *testing.T) {
	fill := func(n int) string { return `{"name":"a"` + strings.Repeat(" ", n-12) + "}" }
	require.Equal(t, 201, do(t, post(fill(64<<10))).Status)
	do(t, post(fill(64<<10+1))).Problem(t, 413, "payload_too_large")

	a := (&things{}).api()
	e := post("").Event(t)
	e.IsBase64Encoded, e.Body = true, base64.StdEncoding.EncodeToString([]byte(fill(64<<10)))
	require.Equal(t, 201, httpapitest.Send(t, a, e).Status)
	e.Body = base64.StdEncoding.EncodeToString([]byte(fill(64<<10 + 1)))
	httpapitest.Send(t, a, e).Problem(t, 413, "payload_too_large")
	e.Body = strings.Repeat("A", 6<<20)
	httpapitest.Send(t, a, e).Problem(t, 413, "payload_too_large")
	e.Body = "not base64!"
	httpapitest.Send(t, a, e).Problem(t, 400, "malformed_request")
}

func TestBody_ThousandsOfViolationsAreAnsweredShortly(t *testing.T) {
	got := do(t, post(`{`+strings.Repeat(`"`+strings.Repeat("y", 500)+`":1,`, 100)+`"name":"a"}`))
	require.Len(t, got.Problem(t, 422, "invalid")["errors"], 50)
	require.Less(t, len(got.Body), 16<<10)
	var many strings.Builder
	for i := range 6000 {
		many.WriteString(`"` + string(rune('a'+i%26)) + strings.Repeat("x", i%7) + string(rune('0'+i/1000)) + `":1,`)
	}
	require.Len(t, do(t, post("{"+many.String()+`"name":"a"}`)).Problem(t, 422, "invalid")["errors"], 50)
}

func TestBody_OtherContentTypesAreUnsupported(t *testing.T) {
	for header, value := range map[string]string{"Content-Type": "text/plain", "content-type": "application/x-www-form-urlencoded",
		"CONTENT-TYPE": "application/json; charset=latin1", "Content-Encoding": "gzip"} {
		r := post(`{"name":"a"}`)
		r.Header = map[string]string{header: value}
		e := r.Event(t)
		if header != "Content-Type" && header != "Content-Encoding" {
			delete(e.MultiValueHeaders, "Content-Type")
		}
		httpapitest.Send(t, (&things{}).api(), e).Problem(t, 415, "unsupported_media_type")
	}
	for _, kind := range []string{"text/json", "application/merge-patch+json", "application/jsonx", "garbage;;", "application/json, text/plain", "application/xml"} {
		r := post(`{"name":"a"}`)
		r.Header = map[string]string{"Content-Type": kind}
		do(t, r).Problem(t, 415, "unsupported_media_type")
	}
	for _, kind := range []string{"application/json", "Application/JSON", "application/json; charset=UTF-8", `application/json;charset="utf-8"`, ""} {
		r := post(`{"name":"a"}`)
		r.Header = map[string]string{"Content-Type": kind}
		require.Equal(t, 201, do(t, r).Status, kind)
	}
	for _, kind := range []string{"application/json", "application/merge-patch+json"} {
		r := patch(`{"name":"a"}`)
		r.Header = map[string]string{"Content-Type": kind}
		require.Equal(t, 200, do(t, r).Status, kind)
	}
}

func TestBody_ThatNothingNeedsMayBeLeftOut(t *testing.T) {
	r := as("POST", "/things/{id}/act")
	require.Equal(t, 200, do(t, r).Status)
	r.Header = map[string]string{"Content-Type": "text/plain"}
	require.Equal(t, 200, do(t, r).Status, "without a body no content type is wanted")
	r.Header = nil
	for body, pointer := range map[string]string{`{"x":1}`: "/x", `[]`: "", `null`: ""} {
		r.Body = body
		do(t, r).Invalid(t, pointer)
	}
	r.Body = "{}"
	require.Equal(t, 200, do(t, r).Status)
}

func TestPatch_TellsLeftOutFromNullFromValue(t *testing.T) {
	th := &things{}
	a := th.api()
	require.Equal(t, 200, patch(`{}`).Do(t, a).Status)
	require.Zero(t, th.in.(*patchInput).Body)

	require.Equal(t, 200, patch(`{"until":null,"tags":[]}`).Do(t, a).Status)
	body := th.in.(*patchInput).Body
	require.False(t, body.Name.Given)
	require.True(t, body.Until.Given && body.Until.Null)
	require.Nil(t, body.Name.Pointer())
	require.Equal(t, &[]string{}, body.Tags.Pointer())

	require.Equal(t, 200, patch(`{"until":"2026-12-01T01:00:00+01:00","name":"b"}`).Do(t, a).Status)
	body = th.in.(*patchInput).Body
	require.True(t, body.Until.Value.Equal(time.Date(2026, 12, 1, 0, 0, 0, 0, time.UTC)))
	require.Equal(t, "b", body.Name.Value)

	patch(`{"name":null}`).Do(t, a).Invalid(t, "/name")
	patch(`{"tags":null}`).Do(t, a).Invalid(t, "/tags")
	patch(`{"tags":["toolong"]}`).Do(t, a).Invalid(t, "/tags/0")
	patch(``).Do(t, a).Problem(t, 400, "malformed_request")
}

func TestBody_ASecretIsRefusedInEveryTextThatIsNotForOneAndEchoedNowhere_D2(t *testing.T) {
	th := &things{}
	a := th.api()
	for body, pointer := range map[string]string{
		`{"name":"SECRET"}`:                            "/name",
		`{"name":"a","tags":["SECRET"]}`:               "/tags/0",
		`{"name":"a","owner":{"email":"SECRET@x.de"}}`: "/owner/email",
		`{"name":"a","kind":"SECRET"}`:                 "/kind",
		`{"name":"a","until":"SECRET"}`:                "/until",
		`{"name":"a","SECRET":1}`:                      "/[redacted]",
		`{"name":"a","live":"SECRET"}`:                 "/live",
	} {
		got := post(strings.ReplaceAll(body, "SECRET", secretLike)).Do(t, a)
		got.Invalid(t, pointer)
		require.NotContains(t, got.Body, secretLike[25:50])
	}
	got := post(strings.ReplaceAll(`{"name":"SECRET`, "SECRET", secretLike)).Do(t, a)
	got.Problem(t, 400, "malformed_request")
	require.NotContains(t, got.Body, secretLike[25:50])
	require.NotContains(t, th.log.String(), secretLike[25:50])

	require.Equal(t, 201, post(`{"name":"a","secret":"`+secretLike+`"}`).Do(t, a).Status)
	require.Equal(t, secretLike, th.in.(*createInput).Body.Secret.Reveal())
}
