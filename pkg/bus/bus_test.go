package bus

import (
	"context"
	"errors"
	"fmt"
	"io"
	"net/http"
	"net/http/httptest"
	"strings"
	"testing"
	"time"

	"github.com/aws/aws-sdk-go-v2/aws"
	"github.com/aws/aws-sdk-go-v2/service/eventbridge"
	"github.com/aws/aws-sdk-go-v2/service/eventbridge/types"
	"github.com/aws/smithy-go"
	"github.com/stretchr/testify/require"

	"github.com/rekey-dev/rekey/pkg/dispatch"
	"github.com/rekey-dev/rekey/pkg/fault"
)

// fake is a bus that answers each entry, or a whole call, as told; what it accepts it keeps.
type fake struct {
	t        *testing.T
	call     func(n int, details []string) error      // n from 1; nil to look at the entries
	entry    func(n int, detail string) (code string) // "" to accept
	calls    int
	accepted []string
	slept    int
}

func (f *fake) PutEvents(_ context.Context, in *eventbridge.PutEventsInput, _ ...func(*eventbridge.Options)) (*eventbridge.PutEventsOutput, error) {
	f.calls++
	require.NotEmpty(f.t, in.Entries)
	require.LessOrEqual(f.t, len(in.Entries), 10)
	size := 0
	var details []string
	for _, e := range in.Entries {
		require.Equal(f.t, "Bus", *e.EventBusName)
		size += 14 + len(*e.Source) + len(*e.DetailType) + len(*e.Detail)
		details = append(details, *e.Detail)
	}
	require.Less(f.t, size, 1<<20)
	if f.call != nil {
		if err := f.call(f.calls, details); err != nil {
			return nil, err
		}
	}
	out := &eventbridge.PutEventsOutput{}
	for _, d := range details {
		var r types.PutEventsResultEntry
		if f.entry != nil {
			if code := f.entry(f.calls, d); code != "" {
				r.ErrorCode, r.ErrorMessage = &code, aws.String("because")
				out.FailedEntryCount++
			}
		}
		if r.ErrorCode == nil {
			r.EventId = aws.String("id")
			f.accepted = append(f.accepted, d)
		}
		out.Entries = append(out.Entries, r)
	}
	return out, nil
}

func newBus(t *testing.T) (*Bus, *fake) {
	f := &fake{t: t}
	return &Bus{name: "Bus", client: f, sleep: func(context.Context, time.Duration) error { f.slept++; return nil }}, f
}

func entries(n int) []dispatch.Entry {
	var out []dispatch.Entry
	for i := range n {
		out = append(out, dispatch.Entry{DetailType: "Key Issued", Detail: fmt.Sprintf(`{"n":%d}`, i)})
	}
	return out
}

func outcome(errs []error) string {
	var b strings.Builder
	for _, err := range errs {
		var refused *dispatch.Refused
		switch {
		case err == nil:
			b.WriteByte('.')
		case errors.As(err, &refused):
			b.WriteByte('R')
		case fault.Is(err, fault.Unavailable):
			b.WriteByte('U')
		default:
			b.WriteByte('?')
		}
	}
	return b.String()
}

func apiError(code string) error { return &smithy.GenericAPIError{Code: code, Message: "because"} }

func TestPublish_KeepsTheOrderInCallsOfTen(t *testing.T) {
	b, f := newBus(t)
	require.Equal(t, strings.Repeat(".", 25), outcome(b.Publish(t.Context(), entries(25))))
	require.Equal(t, 3, f.calls)
	for i, d := range f.accepted {
		require.Equal(t, fmt.Sprintf(`{"n":%d}`, i), d)
	}
	require.Empty(t, b.Publish(t.Context(), nil))
	require.Equal(t, 3, f.calls)
}

func TestPublish_SplitsCallsBelowOneMebibyteAndRefusesWhatNeverFits(t *testing.T) {
	b, f := newBus(t)
	in := entries(5)
	for i, size := range []int{600_000, 400_000, 600_000, 1 << 20, 100} {
		in[i].Detail = strings.Repeat(fmt.Sprint(i), size)
	}
	errs := b.Publish(t.Context(), in)
	require.Equal(t, "...R.", outcome(errs))
	require.ErrorContains(t, errs[3], "TooLarge")
	require.Equal(t, 3, f.calls)
}

func TestPublish_ResendsOnlyWhatFailedForATime(t *testing.T) {
	b, f := newBus(t)
	f.entry = func(n int, detail string) string {
		if n < 3 && (detail == `{"n":1}` || detail == `{"n":3}`) {
			return "ThrottlingException"
		}
		return ""
	}
	require.Equal(t, ".....", outcome(b.Publish(t.Context(), entries(5))))
	require.Equal(t, 3, f.calls)
	require.Equal(t, 2, f.slept)
	require.Equal(t, []string{`{"n":0}`, `{"n":2}`, `{"n":4}`, `{"n":1}`, `{"n":3}`}, f.accepted)
}

func TestPublish_AnEntryThatTheBusRefusesHoldsUpNoOther(t *testing.T) {
	for _, code := range []string{"MalformedDetail", "InvalidArgument", "NotAuthorizedForSourceException", "SomethingNew"} {
		b, f := newBus(t)
		f.entry = func(_ int, detail string) string {
			if detail == `{"n":1}` {
				return code
			}
			return ""
		}
		errs := b.Publish(t.Context(), entries(3))
		require.Equal(t, ".R.", outcome(errs))
		require.ErrorContains(t, errs[1], code+": because")
		require.Equal(t, 1, f.calls)
	}
}

func TestPublish_AnEntryThatFailsTheWholeCallIsFoundAlone(t *testing.T) {
	b, f := newBus(t)
	f.call = func(_ int, details []string) error {
		for _, d := range details {
			if d == `{"n":2}` {
				return apiError("ValidationException")
			}
		}
		return nil
	}
	require.Equal(t, "..R.............", outcome(b.Publish(t.Context(), entries(16))))
	require.Equal(t, 1+10+1, f.calls)
}

func TestPublish_ABusThatStaysAwayIsUnavailableAfterBoundedTries(t *testing.T) {
	for name, c := range map[string]struct {
		call  func(int, []string) error
		entry func(int, string) string
		calls int
	}{
		"no connection":     {call: func(int, []string) error { return errors.New("connection refused") }, calls: 1},
		"a call denied":     {call: func(int, []string) error { return apiError("AccessDeniedException") }, calls: 1},
		"no such bus":       {call: func(int, []string) error { return apiError("ResourceNotFoundException") }, calls: 1},
		"a failing service": {entry: func(int, string) string { return "InternalFailure" }, calls: 4},
		"entries denied":    {entry: func(int, string) string { return "AccessDeniedException" }, calls: 4},
	} {
		t.Run(name, func(t *testing.T) {
			b, f := newBus(t)
			f.call, f.entry = c.call, c.entry
			require.Equal(t, strings.Repeat("U", 23), outcome(b.Publish(t.Context(), entries(23))))
			require.Equal(t, c.calls, f.calls, "the batches behind are not even tried")
		})
	}
}

func TestPublish_WhatWasAcceptedBeforeTheBusWentAwayIsNotSentAgain(t *testing.T) {
	b, f := newBus(t)
	f.call = func(n int, _ []string) error {
		if n > 1 {
			return errors.New("gone")
		}
		return nil
	}
	require.Equal(t, strings.Repeat(".", 10)+"UU", outcome(b.Publish(t.Context(), entries(12))))
}

func TestPublish_StopsWaitingWhenTheContextEnds(t *testing.T) {
	b, f := newBus(t)
	b.sleep = func(context.Context, time.Duration) error { return context.DeadlineExceeded }
	f.entry = func(int, string) string { return "ThrottlingException" }
	require.Equal(t, "UU", outcome(b.Publish(t.Context(), entries(2))))
	require.Equal(t, 1, f.calls)
}

func config(url string) aws.Config {
	return aws.Config{Region: "eu-central-1", BaseEndpoint: &url, HTTPClient: http.DefaultClient,
		Retryer: func() aws.Retryer { return aws.NopRetryer{} },
		Credentials: aws.CredentialsProviderFunc(func(context.Context) (aws.Credentials, error) {
			return aws.Credentials{AccessKeyID: "AKID", SecretAccessKey: "signing"}, nil
		})}
}

func TestNew_TalksToEventBridgeAndSQS(t *testing.T) {
	var seen []string
	server := httptest.NewServer(http.HandlerFunc(func(w http.ResponseWriter, r *http.Request) {
		body, _ := io.ReadAll(r.Body)
		seen = append(seen, r.Header.Get("X-Amz-Target")+" "+string(body))
		w.Header().Set("Content-Type", r.Header.Get("Content-Type"))
		if strings.Contains(r.Header.Get("X-Amz-Target"), "PutEvents") {
			_, _ = io.WriteString(w, `{"FailedEntryCount":1,"Entries":[{"EventId":"a"},{"ErrorCode":"MalformedDetail","ErrorMessage":"m"}]}`)
			return
		}
		w.WriteHeader(http.StatusInternalServerError)
		_, _ = io.WriteString(w, `{"__type":"InternalError","message":"?"}`)
	}))
	defer server.Close()
	require.Equal(t, ".R", outcome(New(config(server.URL), "Bus").Publish(t.Context(), entries(2))))
	require.Contains(t, seen[0], "AWSEvents.PutEvents ")
	require.Contains(t, seen[0], `"EventBusName":"Bus"`)
	require.Contains(t, seen[0], `"Source":"rekey"`)
	require.True(t, fault.Is(NewQueue(config(server.URL), server.URL+"/1/queue").Send(t.Context(), "body"), fault.Unavailable))
	require.Contains(t, seen[1], "AmazonSQS.SendMessage ")
	require.Contains(t, seen[1], `"MessageBody":"body"`)
}
