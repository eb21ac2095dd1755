package httpapi_test

import (
	"encoding/json"
	"fmt"
	"strings"
	"testing"

	"github.com/stretchr/testify/require"

	"github.com/rekey-dev/rekey/pkg/httpapi/httpapitest"
)

func TestHandle_UnknownRoutesAndMethodsAreNotFound(t *testing.T) {
	a := (&things{}).api()
	for _, r := range []httpapitest.Request{
		as("GET", "/nothing"), as("PUT", "/things"), as("HEAD", "/things"), as("OPTIONS", "/things"), as("DELETE", "/things"), as("", "/things"),
		as("GET", "/things/"), as("GET", "//things"), as("GET", "/"), as("GET", ""), as("get", "/things"), as("GET", "/things/{id}/act"),
		as("GET", "/things/../things"), as(strings.Repeat("X", 9000), "/things"), as(secretLike, "/"+secretLike), as("CONNECT", "/things"),
	} {
		got := r.Do(t, a)
		got.Problem(t, 404, "not_found")
		require.NotContains(t, got.Body, secretLike[25:50])
	}
}

func TestHandle_WhateverStandsForTheIDIsOneSegment(t *testing.T) {
	th := &things{}
	a := th.api()
	for _, id := range []string{"thing_1", "..", ".", "a/b", "%2F", "a?b=c", "a#b", " ", "ä", "\x00\xff", "{id}", strings.Repeat("x", 70000), secretLike} {
		r := as("GET", "/things/{id}")
		r.ID = id
		require.Equal(t, 200, r.Do(t, a).Status, id[:min(9, len(id))])
		require.Equal(t, id, th.in.(*thingInput).ID)
	}
	r := as("GET", "/things/{id}")
	for _, nothing := range []string{"", "/"} {
		r.ID = nothing
		r.Do(t, a).Problem(t, 404, "not_found")
	}
}

func TestHandle_APathWithoutItsResourceWillDo(t *testing.T) {
	a := (&things{}).api()
	e := as("GET", "/things/{id}").Event(t)
	e.Resource, e.Path = "/{proxy+}", "/things/thing_1"
	require.Equal(t, 200, httpapitest.Send(t, a, e).Status)
	e.Resource, e.Path = "", "/things/%zz"
	httpapitest.Send(t, a, e).Problem(t, 404, "not_found")
	e = as("GET", "/things/{id}").Event(t)
	e.Path = "/base-path-of-a-domain/things/thing_1"
	require.Equal(t, 200, httpapitest.Send(t, a, e).Status)
}

func TestHandle_SingleValuedHeadersAndQueriesAreReadWhereThereIsNothingElse(t *testing.T) {
	th := &things{}
	a := th.api()
	e := list("").Event(t)
	e.MultiValueQueryStringParameters, e.QueryStringParameters = nil, map[string]string{"limit": "7"}
	require.Equal(t, 200, httpapitest.Send(t, a, e).Status)
	require.Equal(t, 7, th.in.(*listInput).Limit)
	e = patch(`{}`).Event(t)
	e.MultiValueHeaders, e.Headers = nil, map[string]string{"content-type": "application/json", "if-match": "*"}
	require.Equal(t, 200, httpapitest.Send(t, a, e).Status)
	require.True(t, th.call.Match.Any)
}

func TestHandle_AGuardedRouteWithoutACallerIsOurErrorAndNobodyIsLetThrough_P4(t *testing.T) {
	for _, r := range []httpapitest.Request{list(""), post(`{"name":"a"}`), as("GET", "/things/{id}"), patch(`{}`), as("DELETE", "/things/{id}")} {
		th := &things{}
		r.Caller = nil
		r.Do(t, th.api()).Problem(t, 500, "internal")
		require.Nil(t, th.in)
		e := as("GET", "/things/{id}").Event(t)
		e.RequestContext.Authorizer["path"] = ""
		httpapitest.Send(t, th.api(), e).Problem(t, 500, "internal")
		require.Nil(t, th.in)
	}
	open := httpapitest.Request{Method: "POST", Resource: "/open"}
	require.Equal(t, 200, do(t, open).Status)
}

func TestHandle_TheOperationIsToldWhoCallsFromWhereAndWhat(t *testing.T) {
	th := &things{}
	r := as("POST", "/things/{id}/act")
	r.Header = map[string]string{"X-Forwarded-For": "198.51.100.1", "User-Agent": "header"}
	e := r.Event(t)
	e.RequestContext.Identity.UserAgent = "curl/8 " + secretLike + " \x00\x1b[31m" + strings.Repeat("ä", 200)
	require.Equal(t, 200, httpapitest.Send(t, th.api(), e).Status)
	require.Equal(t, httpapitest.Owner(), th.call.Caller)
	require.Equal(t, "POST /things/{id}/act", th.call.Route)
	require.Equal(t, "request-1", th.call.Request.ID)
	require.Equal(t, "192.0.2.7", th.call.Request.SourceIP, "never a header's")
	require.True(t, strings.HasPrefix(th.call.Request.UserAgent, "curl/8 [redacted]   [31m"))
	require.LessOrEqual(t, len(th.call.Request.UserAgent), 200)
	require.NotContains(t, th.call.Request.UserAgent, "�")
}

func TestHandle_AMegabyteOfHeadersIsNoError(t *testing.T) {
	r := as("GET", "/things/{id}")
	r.Header = map[string]string{"X-Long": strings.Repeat("x", 1<<20), "Accept": "text/html", "Authorization": "Bearer " + secretLike, "\x00": "\n"}
	th := &things{}
	got := r.Do(t, th.api())
	require.Equal(t, 200, got.Status)
	require.Equal(t, "application/json", got.Header["Content-Type"])
	require.NotContains(t, th.log.String(), secretLike[25:50])
	require.Less(t, th.log.Len(), 1000)
}

func TestHandle_NothingIsEscapedForHTML(t *testing.T) {
	require.Contains(t, do(t, as("GET", "/things/{id}")).Body, `"name":"<one>"`)
}

func TestLog_IsOneRecordForEachRequestAndHoldsNothingThatACallerSentFreely_D2(t *testing.T) {
	th := &things{}
	r := as("GET", "/things/{id}")
	r.ID, r.Query = secretLike, secretLike+"="+secretLike
	c := httpapitest.Integration()
	r.Caller = &c
	r.Do(t, th.api()).Problem(t, 422, "invalid")
	require.NotContains(t, th.log.String(), secretLike[25:50])
	var record map[string]any
	require.NoError(t, json.Unmarshal(th.log.Bytes(), &record))
	delete(record, "time")
	require.Equal(t, map[string]any{"level": "INFO", "msg": "request", "method": "GET", "route": "/things/{id}", "status": 422.0, "code": "invalid",
		"principal": c.ID, "key_id": c.KeyID, "company": string(c.Place.Company), "latency_ms": 0.0, "request_id": "request-1",
		"error": "invalid: The request has invalid members. [/[redacted]: is no parameter of this route]"}, record)

	for level, code := range map[string]struct {
		status int
		err    error
	}{"INFO": {200, nil}, "ERROR": {500, errInternal}} {
		th := &things{do: func(callOf, any) error { return code.err }}
		as("GET", "/things/{id}").Do(t, th.api())
		require.Contains(t, th.log.String(), fmt.Sprintf(`"status":%d`, code.status))
		require.Contains(t, th.log.String(), `"level":"`+level+`"`)
		require.Equal(t, 1, strings.Count(th.log.String(), "\n"))
	}
	as(secretLike, "/"+secretLike).Do(t, th.api())
	require.NotContains(t, th.log.String(), secretLike[25:50])
}
