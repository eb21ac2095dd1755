package rotations_test

import (
	"fmt"
	"strings"
	"testing"
	"time"

	"github.com/stretchr/testify/require"

	"github.com/rekey-dev/rekey/pkg/httpapi/httpapitest"
)

const (
	noTime   = "must be a time of RFC 3339 from 1970 on, without a leap second, like 2026-12-01T00:00:00Z"
	noZone   = `is no name of the IANA time zone database, like "Europe/Berlin"`
	tooLarge = "The body is larger than 2048 KiB."
)

// What callers get wrong about rotations, policies and calendars: the member, and the words that say what is wrong with it.
func TestRotations_BadInputIsRefusedInWordsThatHelp_B9_D6(t *testing.T) {
	w := httpapitest.New(t)
	a := w.Account("Recorder", w.Company)
	k := w.Issue(a.ID, "k").View.Key.ID
	rotate := func(body string) httpapitest.Request {
		return httpapitest.Request{Method: "POST", Resource: "/keys/{id}/rotate", ID: string(k), Body: body}
	}
	issue := func(body string) httpapitest.Request {
		return httpapitest.Request{Method: "POST", Resource: "/service-accounts/{id}/keys", ID: string(a.ID), Body: body}
	}
	policy := func(settings string) httpapitest.Request {
		return httpapitest.Request{Method: "POST", Resource: "/rotation-policies",
			Body: `{"attached_to":{"type":"company","id":"` + w.Company.ID() + `"},` + settings + `}`}
	}
	calendar := func(settings string) httpapitest.Request {
		return httpapitest.Request{Method: "POST", Resource: "/calendars", Body: `{"name":"Freezes","node_id":"` + string(w.Root.Node()) + `","kind":"freeze",` + settings + `}`}
	}
	past := w.Now().Add(-time.Second).Format(time.RFC3339)
	for _, c := range []struct {
		what    string
		request httpapitest.Request
		pointer string
		says    string
	}{
		{"an overlap under a minute", rotate(`{"mode":"overlap","overlap":"PT59S"}`), "/overlap", "is not between PT1M and P30D"},
		{"an overlap over 30 days", rotate(`{"mode":"overlap","overlap":"P30DT1S"}`), "/overlap", "is not between PT1M and P30D"},
		{"no overlap at all", rotate(`{"mode":"overlap","overlap":"P0D"}`), "/overlap", "is not between PT1M and P30D, or no duration in weeks, days, hours, minutes and seconds, like P7D or PT15M"},
		{"an empty overlap", rotate(`{"mode":"overlap","overlap":""}`), "/overlap", "must not be empty"},
		{"months", rotate(`{"mode":"overlap","overlap":"P1M"}`), "/overlap", "is not between PT1M and P30D, or no duration in weeks, days, hours, minutes and seconds, like P7D or PT15M"},
		{"an overlap where there is none", rotate(`{"mode":"emergency","overlap":"P1D"}`), "/overlap", "goes with mode overlap only"},
		{"an end in the past", rotate(`{"mode":"overlap","expires_at":"` + past + `"}`), "/expires_at", "is not in the future"},
		{"an end at a leap second", rotate(`{"mode":"overlap","expires_at":"2032-06-30T23:59:60Z"}`), "/expires_at", noTime},
		{"a new key's end in the past", issue(`{"name":"k","expires_at":"` + past + `"}`), "/expires_at", "is not in the future"},
		{"a new key's end at a leap second", issue(`{"name":"k","expires_at":"2032-06-30T23:59:60Z"}`), "/expires_at", noTime},
		{"suspected since tomorrow", rotate(`{"mode":"emergency","suspected_since":"` + w.Now().Add(time.Hour).Format(time.RFC3339) + `"}`), "/suspected_since", "is in the future"},

		{"a policy's overlap under a minute", policy(`"overlap":"PT59S"`), "/overlap", "must be from PT1M to P30D"},
		{"a policy's overlap over 30 days", policy(`"overlap":"P30DT1S"`), "/overlap", "must be from PT1M to P30D"},
		{"a rule for the 30th of February", policy(`"schedule":{"rrule":"FREQ=YEARLY;BYMONTH=2;BYMONTHDAY=30","time_zone":"UTC"}`), "/schedule/rrule", "does not fire within the next 5 years"},
		{"a rule that is over", policy(`"schedule":{"rrule":"FREQ=DAILY;UNTIL=20200101T000000Z","time_zone":"UTC"}`), "/schedule/rrule", "has an UNTIL before which it does not fire any more"},
		{"a rule for every minute", policy(`"schedule":{"rrule":"FREQ=MINUTELY","time_zone":"UTC"}`), "/schedule/rrule",
			"has FREQ=MINUTELY, which fires more often than once a day; DAILY, WEEKLY, MONTHLY and YEARLY are allowed"},
		{"a rule for every hour", policy(`"schedule":{"rrule":"FREQ=DAILY;BYHOUR=0,1,2,3","time_zone":"UTC"}`), "/schedule/rrule",
			"has several values of BYHOUR, so that it fires more often than once a day"},
		{"every hour", policy(`"schedule":{"every":"PT1H","time_zone":"UTC"}`), "/schedule/every", "must be from P1D to P3650D"},
		{"a rule and an interval", policy(`"schedule":{"every":"P90D","rrule":"FREQ=DAILY","time_zone":"UTC"}`), "/schedule/rrule", "is given together with every; give one of them"},
		{"a zone that does not exist", policy(`"schedule":{"every":"P90D","time_zone":"Europe/Atlantis"}`), "/schedule/time_zone", noZone},
		{"a calendar's zone that does not exist", calendar(`"time_zone":"Europe/Atlantis"`), "/time_zone", noZone},
		{"an event that ends before it begins", calendar(`"time_zone":"UTC","events":[{"uid":"1","start":"2031-12-02T00:00:00Z","end":"2031-12-01T00:00:00Z"}]`), "/events/0/end",
			"is not after start; an event covers a time, and a day ends with the next one's date"},
		{"an event with a rule and no end", calendar(`"time_zone":"UTC","events":[{"uid":"1","start":"2031-12-02T00:00:00Z","end":null,"rrule":"FREQ=YEARLY"}]`), "/events/0/end",
			"is missing; an event with rrule needs one"},
		{"a thousand events and one", calendar(`"time_zone":"UTC","events":` + overlapping(1001)), "/events", "must have at most 1000 entries"},
	} {
		got := w.Call(w.Owner.Secret, c.request)
		problem := got.Problem(t, 422, "invalid")
		require.Equal(t, []any{map[string]any{"pointer": c.pointer, "detail": c.says}}, problem["errors"], c.what)
	}
	page, err := w.Keys.OfAccount(w.Ctx, w.As(w.Owner), a.ID, "", 10)
	require.NoError(t, err)
	require.Len(t, page.Keys, 1, "nothing was made")
	require.Empty(t, page.Keys[0].Key.RotationID)
	huge := w.Call(w.Owner.Secret, calendar(`"time_zone":"UTC","ics":"`+strings.Repeat("x", 10<<20)+`"`)).Problem(t, 413, "payload_too_large")
	require.Equal(t, tooLarge, huge["detail"])
}

// A thousand events that lie over each other are one freeze; one that never ends is shown as that.
func TestRotations_FreezesOverFreezesAndFreezesWithoutAnEndAreFollowed_B9(t *testing.T) {
	w := httpapitest.New(t)
	freeze := func(name, events string) string {
		got := w.Call(w.Owner.Secret, httpapitest.Request{Method: "POST", Resource: "/calendars",
			Body: `{"name":"` + name + `","node_id":"` + string(w.Root.Node()) + `","kind":"freeze","time_zone":"UTC","events":` + events + `}`})
		require.Equal(t, 201, got.Status, got.Body)
		return got.JSON(t)["id"].(string)
	}
	plan := func(calendar, company string) []map[string]any {
		made := w.Call(w.Owner.Secret, httpapitest.Request{Method: "POST", Resource: "/rotation-policies",
			Body: `{"attached_to":{"type":"company","id":"` + company + `"},"calendar_ids":["` + calendar + `"],"schedule":{"every":"P280D","time_zone":"UTC"}}`})
		require.Equal(t, 201, made.Status, made.Body)
		return w.Call(w.Owner.Secret, httpapitest.Request{Method: "GET", Resource: "/rotation-policies/{id}/preview", ID: made.JSON(t)["id"].(string)}).Items(t)
	}
	items := plan(freeze("Overlapping", overlapping(1000)), w.Company.ID())
	require.Len(t, items, 1)
	require.Equal(t, "2032-01-07T00:00:00Z", items[0]["at"], "behind the last of them")
	require.NotEmpty(t, items[0]["why"])

	items = plan(freeze("Endless", `[{"uid":"1","summary":"until further notice","start":"2031-06-01T00:00:00Z","end":null}]`), w.Stranger.ID())
	require.Len(t, items, 1)
	require.Nil(t, items[0]["at"])
	require.Nil(t, items[0]["why"].([]any)[0].(map[string]any)["to"], "it never ends")
}

// overlapping are so many events that all last at one time.
func overlapping(n int) string {
	events := make([]string, n)
	for i := range events {
		events[i] = fmt.Sprintf(`{"uid":"%d","start":"2031-12-%02dT00:00:00Z","end":"2032-01-%02dT00:00:00Z"}`, i, 1+i%28, 1+i%7)
	}
	return "[" + strings.Join(events, ",") + "]"
}
