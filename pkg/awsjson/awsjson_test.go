package awsjson_test

import (
	"context"
	"errors"
	"io"
	"net/http"
	"net/http/httptest"
	"net/url"
	"sync"
	"testing"
	"time"

	"github.com/aws/aws-sdk-go-v2/aws"
	"github.com/stretchr/testify/require"

	"github.com/rekey-dev/rekey/pkg/awsjson"
)

func newCaller(t *testing.T, address string, h aws.HTTPClient, credentials error) *awsjson.Caller {
	u, err := url.Parse(address)
	require.NoError(t, err)
	return awsjson.New(awsjson.Service{Name: "dynamodb", Target: "DynamoDB_20120810", Version: "1.0", Region: "eu-central-1", Endpoint: *u, HTTP: h,
		Credentials: aws.CredentialsProviderFunc(func(context.Context) (aws.Credentials, error) {
			return aws.Credentials{AccessKeyID: "AKID", SecretAccessKey: "signing", SessionToken: "session"}, credentials
		}), Now: func() time.Time { return time.Date(2026, 11, 21, 9, 0, 0, 0, time.UTC) }})
}

func TestPost_IsASignedCallAndReturnsWhateverCame(t *testing.T) {
	server := httptest.NewServer(http.HandlerFunc(func(w http.ResponseWriter, r *http.Request) {
		body, err := io.ReadAll(r.Body)
		if err != nil {
			panic(err)
		}
		for name, want := range map[string]string{"Content-Type": "application/x-amz-json-1.0", "X-Amz-Target": "DynamoDB_20120810.GetItem",
			"X-Amz-Date": "20261121T090000Z", "X-Amz-Security-Token": "session", "Accept-Encoding": "identity"} {
			if got := r.Header.Get(name); got != want {
				t.Errorf("%s: %q, want %q", name, got, want)
			}
		}
		w.Header().Set("Signed", r.Header.Get("Authorization"))
		w.WriteHeader(http.StatusTeapot)
		_, _ = w.Write(append(body, '!'))
	}))
	defer server.Close()
	resp, err := newCaller(t, server.URL, server.Client(), nil).Post(t.Context(), "GetItem", []byte(`{"a":1}`))
	require.NoError(t, err)
	defer resp.Body.Close()
	body, err := io.ReadAll(resp.Body)
	require.NoError(t, err)
	require.Equal(t, `{"a":1}!`, string(body))
	require.Equal(t, http.StatusTeapot, resp.StatusCode)
	require.Regexp(t, `^AWS4-HMAC-SHA256 Credential=AKID/20261121/eu-central-1/dynamodb/aws4_request, `+
		`SignedHeaders=accept-encoding;content-length;content-type;host;x-amz-date;x-amz-security-token;x-amz-target, Signature=[0-9a-f]{64}$`,
		resp.Header.Get("Signed"))
}

func TestPost_WithoutCredentialsCallsNobody(t *testing.T) {
	none := errors.New("no credentials")
	_, err := newCaller(t, "http://192.0.2.1", nil, none).Post(t.Context(), "GetItem", nil)
	require.ErrorIs(t, err, none)
}

func TestPost_MayBeCalledAtTheSameTime(t *testing.T) {
	server := httptest.NewServer(http.HandlerFunc(func(w http.ResponseWriter, r *http.Request) { _, _ = io.Copy(w, r.Body) }))
	defer server.Close()
	c := newCaller(t, server.URL, server.Client(), nil)
	var wg sync.WaitGroup
	for range 16 {
		wg.Go(func() {
			resp, err := c.Post(t.Context(), "GetItem", []byte(`{}`))
			if err != nil {
				t.Error(err)
				return
			}
			resp.Body.Close()
		})
	}
	wg.Wait()
}
