package httpapi_test

import (
	"strings"
	"testing"

	"github.com/stretchr/testify/require"

	"github.com/rekey-dev/rekey/pkg/authz"
	"github.com/rekey-dev/rekey/pkg/httpapi/httpapitest"
	"github.com/rekey-dev/rekey/pkg/precondition"
)

func TestETag_IsStrongAndOfTheVersion(t *testing.T) {
	require.Equal(t, `"thing_1.3"`, do(t, as("GET", "/things/{id}")).Header["Etag"])
}

func TestIfMatch_ReachesPatchDeleteAndActions(t *testing.T) {
	for header, want := range map[string]precondition.Match{
		"":                           {},
		"*":                          {Given: true, Any: true},
		` * `:                        {Given: true, Any: true},
		`"thing_1.3"`:                {Given: true, Tags: []string{"thing_1.3"}},
		`"a.1", "thing_1.3" ,"b"`:    {Given: true, Tags: []string{"a.1", "thing_1.3", "b"}},
		`"a,b"`:                      {Given: true, Tags: []string{"a,b"}},
		`,"a",,`:                     {Given: true, Tags: []string{"a"}},
		`W/"thing_1.3"`:              {Given: true},
		`W/"thing_1.3", "thing_1.4"`: {Given: true, Tags: []string{"thing_1.4"}},
		`""`:                         {Given: true, Tags: []string{""}},
	} {
		for _, r := range []httpapitest.Request{patch(`{}`), as("DELETE", "/things/{id}"), as("POST", "/things/{id}/act")} {
			th := &things{}
			if header != "" {
				r.Header = map[string]string{"If-Match": header}
			}
			require.Less(t, r.Do(t, th.api()).Status, 300, header)
			require.Equal(t, want, th.call.Match, header)
		}
	}
	th := &things{}
	e := patch(`{}`).Event(t)
	e.MultiValueHeaders["if-match"] = []string{`"a"`, `"b"`}
	require.Equal(t, 200, httpapitest.Send(t, th.api(), e).Status)
	require.Equal(t, []string{"a", "b"}, th.call.Match.Tags, "several headers are one list")
}

func TestIfMatch_WhatIsNoListOfTagsIsInvalid(t *testing.T) {
	for _, header := range []string{" ", ",", `thing_1.3`, `"open`, `"a" "b"`, `"a"b`, `*,"a"`, `"a",*`, `w/"a"`, `'a'`} {
		r := patch(`{}`)
		r.Header = map[string]string{"If-Match": header}
		do(t, r).Invalid(t, "/If-Match")
	}
}

func TestIfMatch_AStaleTagIsAFailedPrecondition(t *testing.T) {
	r := patch(`{}`)
	r.Header = map[string]string{"If-Match": `"thing_1.2"`}
	th := &things{}
	th.do = func(c callOf, _ any) error { return c.Match.Check("thing_1", 3) }
	r.Do(t, th.api()).Problem(t, 412, "precondition_failed")
	r.Header["If-Match"] = `"thing_1.2", "thing_1.3"`
	require.Equal(t, 200, r.Do(t, th.api()).Status)
}

func TestIdempotencyKey_IsOneToo255VisibleCharactersOnce(t *testing.T) {
	for _, key := range []string{"", " ", "a b", "a\tb", "ä", "\x7f", strings.Repeat("k", 256)} {
		r := post(`{"name":"a"}`)
		r.Header = map[string]string{"Idempotency-Key": key}
		do(t, r).Invalid(t, "/Idempotency-Key")
	}
	e := post(`{"name":"a"}`).Event(t)
	e.MultiValueHeaders["Idempotency-Key"] = []string{"a", "a"}
	httpapitest.Send(t, (&things{}).api(), e).Invalid(t, "/Idempotency-Key")
	for _, key := range []string{"!", "~", strings.Repeat("k", 255)} {
		r := post(`{"name":"a"}`)
		r.Header = map[string]string{"Idempotency-Key": key}
		require.Equal(t, 201, do(t, r).Status)
	}
}

func TestNotice_TheCallerIsToldThatItsKeyEndsOrHasASuccessor_B11(t *testing.T) {
	r := as("GET", "/things/{id}")
	got := do(t, r)
	require.NotContains(t, got.Header, "Rekey-Key-Expires-At")
	require.NotContains(t, got.Header, "Rekey-Key-Superseded")

	r.Context = map[string]string{authz.ContextNotice: "2026-12-01T00:00:00Z", authz.ContextSuperseded: "true"}
	got = do(t, r)
	require.Equal(t, "2026-12-01T00:00:00Z", got.Header["Rekey-Key-Expires-At"])
	require.Equal(t, "true", got.Header["Rekey-Key-Superseded"])

	r.Query = "x=1"
	got = do(t, r)
	require.Equal(t, 422, got.Status)
	require.Equal(t, "true", got.Header["Rekey-Key-Superseded"], "with every answer")
	r.Context = map[string]string{authz.ContextNotice: "", authz.ContextSuperseded: "false"}
	got = do(t, r)
	require.NotContains(t, got.Header, "Rekey-Key-Expires-At")
	require.NotContains(t, got.Header, "Rekey-Key-Superseded")
}
