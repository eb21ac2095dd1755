package secrets

import (
	"context"
	"encoding/json"
	"fmt"
	"io"
	"net/http"
	"net/http/httptest"
	"strings"
	"testing"
	"time"

	"github.com/aws/aws-sdk-go-v2/aws"
	"github.com/stretchr/testify/require"
)

// service is Secrets Manager as far as this package calls it, for one secret.
type service struct {
	t        *testing.T
	versions map[string]string
	stages   map[string]string // label → version
	created  float64
	before   func(operation string) (status int, body string) // 0 to go on
	after    func(operation string) bool                      // true to drop the answer
	calls    []string
	requests []*http.Request
}

func (s *service) ServeHTTP(w http.ResponseWriter, r *http.Request) {
	operation, ok := strings.CutPrefix(r.Header.Get("X-Amz-Target"), "secretsmanager.")
	require.True(s.t, ok)
	s.calls = append(s.calls, operation)
	s.requests = append(s.requests, r)
	if s.before != nil {
		if status, body := s.before(operation); status != 0 {
			w.WriteHeader(status)
			_, _ = io.WriteString(w, body)
			return
		}
	}
	var in struct{ SecretId string }
	d := json.NewDecoder(r.Body)
	d.DisallowUnknownFields()
	require.NoError(s.t, d.Decode(&in))
	require.Equal(s.t, "Peppers", in.SecretId)
	var out any = struct{}{}
	switch operation {
	case "GetSecretValue":
		id := s.stages["AWSCURRENT"]
		out = map[string]any{"SecretString": s.versions[id], "VersionId": id, "CreatedDate": s.created}
	default:
		s.t.Errorf("unexpected %s", operation)
	}
	if s.after != nil && s.after(operation) {
		panic(http.ErrAbortHandler)
	}
	require.NoError(s.t, json.NewEncoder(w).Encode(out))
}

func newService(t *testing.T) (*service, *Client) {
	s := &service{t: t, versions: map[string]string{"one": "text one"}, stages: map[string]string{"AWSCURRENT": "one"}, created: 1795251600.5}
	server := httptest.NewServer(s)
	t.Cleanup(server.Close)
	c := NewClient(aws.Config{Region: "eu-central-1", BaseEndpoint: &server.URL, HTTPClient: server.Client(),
		Credentials: aws.CredentialsProviderFunc(func(context.Context) (aws.Credentials, error) {
			return aws.Credentials{AccessKeyID: "AKID", SecretAccessKey: "signing", SessionToken: "session"}, nil
		})}, func() time.Time { return time.Date(2026, 11, 21, 9, 0, 0, 0, time.UTC) })
	return s, c
}

func TestClient_GetIsASignedCallOfGetSecretValue(t *testing.T) {
	s, c := newService(t)
	v, err := c.Get(t.Context(), "Peppers")
	require.NoError(t, err)
	require.Equal(t, Value{"text one", "one", time.Date(2026, 11, 21, 9, 0, 0, 5e8, time.UTC)}, v)
	require.Len(t, s.requests, 1)
	r := s.requests[0]
	require.Equal(t, "application/x-amz-json-1.1", r.Header.Get("Content-Type"))
	require.Equal(t, "20261121T090000Z", r.Header.Get("X-Amz-Date"))
	require.Equal(t, "session", r.Header.Get("X-Amz-Security-Token"))
	require.Regexp(t, `^AWS4-HMAC-SHA256 Credential=AKID/20261121/eu-central-1/secretsmanager/aws4_request, `+
		`SignedHeaders=accept-encoding;content-length;content-type;host;x-amz-date;x-amz-security-token;x-amz-target, Signature=[0-9a-f]{64}$`,
		r.Header.Get("Authorization"))
}

func TestClient_EndpointFollowsTheRegionsPartition(t *testing.T) {
	for region, want := range map[string]string{
		"us-east-1":      "https://secretsmanager.us-east-1.amazonaws.com",
		"us-gov-west-1":  "https://secretsmanager.us-gov-west-1.amazonaws.com",
		"cn-north-1":     "https://secretsmanager.cn-north-1.amazonaws.com.cn",
		"eusc-de-east-1": "https://secretsmanager.eusc-de-east-1.amazonaws.eu",
	} {
		require.Equal(t, want, NewClient(aws.Config{Region: region}, time.Now).endpoint.String())
	}
}

func TestClient_RetriesThrottlesAndErrorsOfTheService(t *testing.T) {
	for _, first := range []struct {
		status int
		body   string
	}{
		{400, `{"__type":"ThrottlingException","message":"Rate exceeded"}`},
		{500, `{"__type":"InternalServiceError","message":"?"}`},
		{503, `busy`},
	} {
		s, c := newService(t)
		s.before = func(string) (int, string) {
			if len(s.calls) < 3 {
				return first.status, first.body
			}
			return 0, ""
		}
		_, err := c.Get(t.Context(), "Peppers")
		require.NoError(t, err)
		require.Len(t, s.calls, 3)
	}
}

func TestClient_GivesUpAfterThreeAttempts(t *testing.T) {
	s, c := newService(t)
	s.before = func(string) (int, string) { return 500, `{}` }
	_, err := c.Get(t.Context(), "Peppers")
	require.Error(t, err)
	require.Len(t, s.calls, 3)
}

func TestClient_RefusalsAreNotRetriedAndNamed(t *testing.T) {
	s, c := newService(t)
	s.before = func(string) (int, string) {
		return 400, `{"__type":"com.amazonaws.secretsmanager#ResourceNotFoundException","message":"no such secret"}`
	}
	_, err := c.Get(t.Context(), "Peppers")
	require.True(t, IsRefused(err, "ResourceNotFoundException"))
	require.ErrorContains(t, err, "no such secret")
	require.Len(t, s.calls, 1)
}

func TestClient_AnAnswerThatCannotBeReadIsNotQuoted(t *testing.T) {
	for _, body := range []string{`{"SecretString":"` + pepper("x"), `{"SecretString":{"a":"` + pepper("x") + `"}}`, pepper("x")} {
		s, c := newService(t)
		s.before = func(string) (int, string) { return 200, body }
		_, err := c.Get(t.Context(), "Peppers")
		require.Error(t, err)
		require.NotContains(t, err.Error(), "xxxx")
	}
	s, c := newService(t)
	s.before = func(string) (int, string) { return 200, `{"SecretBinary":"AAAA"}` }
	_, err := c.Get(t.Context(), "Peppers")
	require.ErrorContains(t, err, "text is wanted")
	s.before = func(string) (int, string) { return 200, fmt.Sprintf("%*s", maxAnswer+1, "") }
	_, err = c.Get(t.Context(), "Peppers")
	require.ErrorContains(t, err, "longer than")
}
