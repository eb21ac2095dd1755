package vault

import (
	"context"
	"encoding/json"
	"io"
	"net/http"
	"net/http/httptest"
	"strings"
	"testing"
	"time"

	"github.com/aws/aws-sdk-go-v2/aws"
	"github.com/aws/smithy-go"
	"github.com/stretchr/testify/require"

	"github.com/rekey-dev/rekey/pkg/secrets"
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
}

func (s *service) ServeHTTP(w http.ResponseWriter, r *http.Request) {
	operation, ok := strings.CutPrefix(r.Header.Get("X-Amz-Target"), "secretsmanager.")
	require.True(s.t, ok)
	s.calls = append(s.calls, operation)
	if s.before != nil {
		if status, body := s.before(operation); status != 0 {
			w.WriteHeader(status)
			_, _ = io.WriteString(w, body)
			return
		}
	}
	var in struct {
		SecretId, ClientRequestToken, SecretString, VersionStage, RemoveFromVersionId, MoveToVersionId string
		VersionStages                                                                                  []string
	}
	d := json.NewDecoder(r.Body)
	d.DisallowUnknownFields()
	require.NoError(s.t, d.Decode(&in))
	require.Equal(s.t, "Peppers", in.SecretId)
	var out any = struct{}{}
	switch operation {
	case "GetSecretValue":
		id := s.stages["AWSCURRENT"]
		out = map[string]any{"SecretString": s.versions[id], "VersionId": id, "CreatedDate": s.created}
	case "PutSecretValue":
		s.versions[in.ClientRequestToken] = in.SecretString
		for _, label := range in.VersionStages {
			s.stages[label] = in.ClientRequestToken
		}
	case "UpdateSecretVersionStage":
		if s.stages[in.VersionStage] != in.RemoveFromVersionId {
			w.WriteHeader(http.StatusBadRequest)
			_, _ = io.WriteString(w, `{"__type":"InvalidParameterException","message":"The staging label is not there."}`)
			return
		}
		s.stages["AWSPREVIOUS"], s.stages[in.VersionStage] = in.RemoveFromVersionId, in.MoveToVersionId
	default:
		s.t.Errorf("unexpected %s", operation)
	}
	if s.after != nil && s.after(operation) {
		panic(http.ErrAbortHandler)
	}
	require.NoError(s.t, json.NewEncoder(w).Encode(out))
}

func newService(t *testing.T) (*service, *Vault) {
	s := &service{t: t, versions: map[string]string{"one": "text one"}, stages: map[string]string{"AWSCURRENT": "one"}, created: 1795251600.5}
	server := httptest.NewServer(s)
	t.Cleanup(server.Close)
	cfg := aws.Config{Region: "eu-central-1", BaseEndpoint: &server.URL, HTTPClient: server.Client(),
		Credentials: aws.CredentialsProviderFunc(func(context.Context) (aws.Credentials, error) {
			return aws.Credentials{AccessKeyID: "AKID", SecretAccessKey: "signing", SessionToken: "session"}, nil
		})}
	return s, New(secrets.NewClient(cfg, time.Now), cfg)
}

func TestVault_ReplaceMovesTheCurrentLabelFromTheVersionThatWasRead(t *testing.T) {
	s, c := newService(t)
	old, err := c.Get(t.Context(), "Peppers")
	require.NoError(t, err)
	require.NoError(t, c.Replace(t.Context(), "Peppers", old, "text two", "two"))
	require.Equal(t, "text two", s.versions[s.stages["AWSCURRENT"]])
	require.Equal(t, "one", s.stages["AWSPREVIOUS"])
	require.ErrorIs(t, c.Replace(t.Context(), "Peppers", old, "text three", "three"), ErrChanged)
	require.Equal(t, "text two", s.versions[s.stages["AWSCURRENT"]])
}

func TestVault_ReplaceWhoseAnswerWasLostIsASuccess(t *testing.T) {
	s, c := newService(t)
	old, err := c.Get(t.Context(), "Peppers")
	require.NoError(t, err)
	lost := false
	s.after = func(operation string) bool {
		drop := operation == "UpdateSecretVersionStage" && !lost
		lost = lost || drop
		return drop
	}
	require.NoError(t, c.Replace(t.Context(), "Peppers", old, "text two", "two"))
	require.True(t, lost)
	require.Equal(t, "two", s.stages["AWSCURRENT"])
}

func TestVault_ReplaceThatMayNotMoveTheLabelFails(t *testing.T) {
	s, c := newService(t)
	old, err := c.Get(t.Context(), "Peppers")
	require.NoError(t, err)
	s.before = func(operation string) (int, string) {
		if operation == "UpdateSecretVersionStage" {
			return 400, `{"__type":"AccessDeniedException","message":"no"}`
		}
		return 0, ""
	}
	var refused smithy.APIError
	require.ErrorAs(t, c.Replace(t.Context(), "Peppers", old, "text two", "two"), &refused)
	require.Equal(t, "AccessDeniedException", refused.ErrorCode())
	require.Equal(t, "one", s.stages["AWSCURRENT"])
}
