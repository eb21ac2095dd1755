package dynamo_test

import (
	"bytes"
	"encoding/json"
	"errors"
	"fmt"
	"hash/crc32"
	"io"
	"net/http"
	"slices"
	"strconv"
	"strings"
	"testing"
	"time"

	"github.com/stretchr/testify/require"

	"github.com/rekey-dev/rekey/pkg/dynamo"
	"github.com/rekey-dev/rekey/pkg/fault"
	"github.com/rekey-dev/rekey/pkg/usage"
	"github.com/rekey-dev/rekey/pkg/verify"
)

// first answers the first request in its own way and hands on the others.
type first struct {
	answer   func() (*http.Response, error)
	requests []*http.Request
	bodies   []string
}

func (f *first) Do(r *http.Request) (*http.Response, error) {
	body, err := io.ReadAll(r.Body)
	if err != nil {
		return nil, err
	}
	f.requests, f.bodies = append(f.requests, r), append(f.bodies, string(body))
	if len(f.requests) == 1 {
		return f.answer()
	}
	r.Body = io.NopCloser(bytes.NewReader(body))
	return http.DefaultClient.Do(r)
}

// answered is an answer with its checksum.
func answered(status int, body string) func() (*http.Response, error) {
	return func() (*http.Response, error) {
		h := http.Header{"X-Amz-Crc32": {strconv.FormatUint(uint64(crc32.ChecksumIEEE([]byte(body))), 10)}}
		return &http.Response{StatusCode: status, Header: h, Body: io.NopCloser(strings.NewReader(body)), ContentLength: int64(len(body))}, nil
	}
}

func TestSnapshot_AsksTheSDKWhenTheShortWayHasNoPlainAnswer_P4(t *testing.T) {
	t.Parallel()
	w := deploy(t).tenant(t)
	endpoint := *w.client.Options().BaseEndpoint
	want, err := w.Verifier.Snapshot(t.Context(), string(w.key.ID), w.names())
	require.NoError(t, err)
	require.NotNil(t, want.Credential)
	require.NotNil(t, want.Principal)
	item := func(pk, sk, rest string) string {
		return `{"pk":{"S":"` + pk + `"},"sk":{"S":"` + sk + `"},` + rest + `}`
	}
	forged := item(string(w.account.ID), "account", `"type":{"S":"service_account"},"status":{"S":"active"},"name":{"S":"forged"}`)
	stranger := item("sa_00000000000000000009", "account", `"type":{"S":"service_account"},"status":{"S":"active"}`)
	full := func(items, rest string) string {
		return `{"Responses":{"` + w.tables.Identity + `":[` + items + `]}` + rest + `}`
	}
	damaged := answered(200, `{"Responses":{"`+w.tables.Identity+`":[]}}`)
	for name, answer := range map[string]func() (*http.Response, error){
		"no connection":    func() (*http.Response, error) { return nil, errors.New("connection refused") },
		"throttled":        answered(400, `{"__type":"com.amazonaws.dynamodb.v20120810#ProvisionedThroughputExceededException","message":"slow down"}`),
		"refused":          answered(400, `{"__type":"com.amazon.coral.service#AccessDeniedException","message":"no"}`),
		"down":             answered(500, `{"__type":"com.amazonaws.dynamodb.v20120810#InternalServerError"}`),
		"empty":            answered(200, ``),
		"says nothing":     answered(200, `{}`),
		"no JSON":          answered(200, `<html>`),
		"of another table": answered(200, `{"Responses":{"Other":[]}}`),
		"unprocessed": answered(200, full(forged, `,"UnprocessedKeys":{"`+w.tables.Identity+
			`":{"Keys":[{"pk":{"S":"a"},"sk":{"S":"b"}}]}}`)),
		"more behind it":        answered(200, full(forged, "")+"x"),
		"an attribute twice":    answered(200, full(item(string(w.account.ID), "account", `"type":{"S":"service_account"},"type":{"S":"role"}`), "")),
		"what was not asked":    answered(200, full(forged+","+stranger, "")),
		"a key of another type": answered(200, full(`{"pk":{"N":"1"},"sk":{"S":"account"}}`, "")),
		"damaged": func() (*http.Response, error) {
			r, err := damaged()
			r.Header.Set("X-Amz-Crc32", "1")
			return r, err
		},
		"cut off": func() (*http.Response, error) {
			r, err := damaged()
			r.ContentLength += 10
			return r, err
		},
	} {
		f := &first{answer: answer}
		got, err := dynamo.NewVerifier(newClient(endpoint, f), w.tables).Snapshot(t.Context(), string(w.key.ID), w.names())
		require.NoError(t, err, name)
		require.Equal(t, want, got, name)
		require.Len(t, f.requests, 2, name)
	}
}

// Both ways ask the same question and read the same from the answer, so that what the contract's tests say of one is true of
// the other.
func TestSnapshot_IsTheSameBothWays_P4(t *testing.T) {
	t.Parallel()
	w := deploy(t).tenant(t)
	short, err := dynamo.NewVerifier(w.client, w.tables).Snapshot(t.Context(), string(w.key.ID), w.names())
	require.NoError(t, err)
	require.NotNil(t, short.Credential)
	long, err := dynamo.NewVerifier(w.client.Client, w.tables).Snapshot(t.Context(), string(w.key.ID), w.names())
	require.NoError(t, err)
	require.Equal(t, long, short)

	f := &first{answer: answered(500, `{}`)}
	_, err = dynamo.NewVerifier(newClient(*w.client.Options().BaseEndpoint, f), w.tables).Snapshot(t.Context(), string(w.key.ID), w.names())
	require.NoError(t, err)
	require.Len(t, f.requests, 2)
	require.JSONEq(t, f.bodies[1], f.bodies[0])
	for _, h := range []string{"Accept-Encoding", "Content-Type", "X-Amz-Target", "X-Amz-Security-Token"} {
		require.Equal(t, f.requests[1].Header.Get(h), f.requests[0].Header.Get(h), h)
		require.NotEmpty(t, f.requests[0].Header.Get(h), h)
	}
	require.Equal(t, f.requests[1].URL.String(), strings.TrimSuffix(f.requests[0].URL.String(), "/")+"/")
	scope := func(r *http.Request) string {
		s, _, _ := strings.Cut(r.Header.Get("Authorization"), ",")
		return s
	}
	require.Equal(t, scope(f.requests[1]), scope(f.requests[0]))
}

// A text that JSON would have to escape goes the SDK's way; nobody can put anything else into the question.
func TestSnapshot_OfAnOddNameIsNotPutTogetherByHand(t *testing.T) {
	t.Parallel()
	f := &first{answer: answered(200, `{"Responses":{"I":[]},"UnprocessedKeys":{}}`)}
	_, err := dynamo.NewVerifier(newClient("http://192.0.2.1", f), dynamo.Tables{Identity: "I"}).Snapshot(t.Context(), "", verify.Names{Principal: "sa_\"}}]\x00é"})
	require.NoError(t, err)
	require.JSONEq(t, `{"RequestItems":{"I":{"ConsistentRead":true,"Keys":[{"pk":{"S":"sa_\"}}]\u0000é"},"sk":{"S":"account"}}]}}}`, f.bodies[0])
	require.NotContains(t, f.requests[0].Header.Get("User-Agent"), "rekey")
}

// An attribute of another type than it has is damage, not an absence: a key whose end cannot be read has not "not ended".
func TestSnapshot_OfAnAttributeOfAnotherTypeIsAnError(t *testing.T) {
	t.Parallel()
	for _, damaged := range []string{`{"NULL":true}`, `{"L":[]}`, `{"M":{}}`, `{"S":"1"}`} {
		body := `{"Responses":{"I":[{"pk":{"S":"key_1"},"sk":{"S":"key"},"type":{"S":"key"},"kind":{"S":"a"},"ended_at":` + damaged + `}]},"UnprocessedKeys":{}}`
		f := &first{answer: answered(200, body)}
		_, err := dynamo.NewVerifier(newClient("http://192.0.2.1", f), dynamo.Tables{Identity: "I"}).Snapshot(t.Context(), "key_1", verify.Names{})
		require.Error(t, err, damaged)
		require.Len(t, f.requests, 1, damaged)
	}
}

// Of two answers the later one counts: what the SDK is asked again is not asked the short way too.
func TestSnapshot_IsAskedTheShortWayOnce(t *testing.T) {
	t.Parallel()
	w := deploy(t).tenant(t)
	inner := &first{answer: answered(500, `{}`)}
	partial := &unprocessedOnce{table: w.tables.Identity, inner: inner}
	got, err := dynamo.NewVerifier(newClient(*w.client.Options().BaseEndpoint, partial), w.tables).WithSleep(noSleep).Snapshot(t.Context(), string(w.key.ID), w.names())
	require.NoError(t, err)
	require.NotNil(t, got.Principal)
	short := 0
	for _, r := range inner.requests {
		if r.Header.Get("User-Agent") == "rekey" {
			short++
		}
	}
	require.Equal(t, 1, short)
}

// unprocessedOnce leaves the account of the second request's answer unprocessed.
type unprocessedOnce struct {
	table string
	inner *first
}

func (u *unprocessedOnce) Do(r *http.Request) (*http.Response, error) {
	resp, err := u.inner.Do(r)
	if err != nil || len(u.inner.requests) != 2 {
		return resp, err
	}
	var asked struct {
		RequestItems map[string]struct{ Keys []json.RawMessage }
	}
	if err := json.Unmarshal([]byte(u.inner.bodies[1]), &asked); err != nil {
		return nil, err
	}
	resp.Body.Close()
	left, err := json.Marshal(map[string]any{"Responses": map[string]any{u.table: []any{}},
		"UnprocessedKeys": map[string]any{u.table: map[string]any{"ConsistentRead": true, "Keys": asked.RequestItems[u.table].Keys}}})
	if err != nil {
		return nil, err
	}
	return answered(200, string(left))()
}

func TestSnapshot_WithoutAStoreIsUnavailable(t *testing.T) {
	t.Parallel()
	c := &canned{status: 500, body: "{}", sums: []uint32{crc32.ChecksumIEEE([]byte("{}"))}}
	_, err := dynamo.NewVerifier(newClient("http://192.0.2.1", c), dynamo.Tables{Identity: "I"}).Snapshot(t.Context(), "", verify.Names{Principal: "sa_1"})
	require.True(t, fault.Is(err, fault.Unavailable), "%v", err)
	require.Equal(t, 4, c.calls, "once directly, three times by the SDK")
}

func TestTally_TheShortWaySendsOnceAndAsksTheSDKOnlyWhereNothingHappened_B4(t *testing.T) {
	t.Parallel()
	w := deploy(t).tenant(t)
	endpoint := *w.client.Options().BaseEndpoint
	hour := time.Date(2026, 11, 21, 12, 0, 0, 0, time.UTC)
	damaged := func() (*http.Response, error) {
		r, err := answered(200, `{}`)()
		r.Header.Set("X-Amz-Crc32", "1")
		return r, err
	}
	// Each first answer is forged: the store has not seen that request.
	for i, c := range []struct {
		name     string
		answer   func() (*http.Response, error)
		agent    string
		requests int
		fails    bool
		rows     int
	}{
		{"taken", answered(200, `{}`), "a", 1, false, 0},
		{"damaged", damaged, "a", 1, true, 0},
		{"no connection", func() (*http.Response, error) { return nil, errors.New("connection reset") }, "a", 1, true, 0},
		{"down", answered(500, `{"__type":"com.amazonaws.dynamodb.v20120810#InternalServerError"}`), "a", 1, true, 0},
		{"throttled", answered(400, `{"__type":"com.amazonaws.dynamodb.v20120810#ThrottlingException"}`), "a", 2, false, 1},
		{"its condition failed", answered(400, `{"__type":"com.amazonaws.dynamodb.v20120810#ConditionalCheckFailedException"}`), "a", 2, true, 0},
		{"by the SDK, for a text that would be escaped", answered(400, `{"__type":"com.amazonaws.dynamodb.v20120810#ThrottlingException"}`),
			`"a"`, 2, false, 1},
	} {
		r := usage.Row{Key: w.key.ID, Hour: hour, Source: fmt.Sprintf("198.51.100.%d", i), UserAgent: c.agent, API: "api", Method: "GET",
			Route: "/r", Verdict: usage.Accepted, Count: 3, FirstAt: hour, LastAt: hour.Add(time.Minute)}
		f := &first{answer: c.answer}
		err := dynamo.NewVerifier(newClient(endpoint, f), w.tables).Tally(t.Context(), r)
		require.Equal(t, c.fails, err != nil, "%s: %v", c.name, err)
		require.Len(t, f.requests, c.requests, c.name)
		sdk := strings.HasPrefix(f.requests[0].Header.Get("User-Agent"), "aws-sdk-go")
		require.Equal(t, c.agent != "a", sdk, c.name)
		rows, _, err := w.Usage(t.Context(), w.key.ID, hour, hour.Add(time.Hour), "", 100)
		require.NoError(t, err)
		rows = slices.DeleteFunc(rows, func(got usage.Row) bool { return got.Source != r.Source })
		require.Len(t, rows, c.rows, c.name)
		if c.rows > 0 {
			require.Equal(t, r, rows[0], c.name)
		}
	}
}

// Both ways write the same row, whichever writes first.
func TestTally_IsTheSameBothWays_B4(t *testing.T) {
	t.Parallel()
	w := deploy(t).tenant(t)
	hour := time.Date(2026, 11, 21, 12, 0, 0, 0, time.UTC)
	sum := int64(0)
	for i, agent := range []string{"curl/8.9", `curl "8.9"`, "curl/8.9", `curl "8.9"`} {
		r := usage.Row{Key: w.key.ID, Hour: hour, Source: "198.51.100.7", UserAgent: agent, API: "api", Method: "GET", Route: "/r",
			Verdict: usage.Accepted, Count: int64(i + 1), FirstAt: hour, LastAt: hour.Add(time.Duration(i) * time.Minute)}
		require.NoError(t, w.Tally(t.Context(), r))
		sum += r.Count
		rows, _, err := w.Usage(t.Context(), w.key.ID, hour, hour.Add(time.Hour), "", 100)
		require.NoError(t, err)
		r.Count = sum
		require.Equal(t, []usage.Row{r}, rows)
	}
}
