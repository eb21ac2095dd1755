package consumer_test

import (
	"context"
	"errors"
	"net/http"
	"net/http/httptest"
	"testing"

	"github.com/aws/aws-sdk-go-v2/aws"
	"github.com/stretchr/testify/require"

	"github.com/rekey-dev/rekey/pkg/delivery"
	"github.com/rekey-dev/rekey/pkg/fault"
	"github.com/rekey-dev/rekey/pkg/secrets/consumer"
	"github.com/rekey-dev/rekey/pkg/secrets/secretstest"
	"github.com/rekey-dev/rekey/pkg/token"
)

const version = "11111111-2222-8333-8444-555555555555"

func config(url string, client *http.Client) aws.Config {
	return aws.Config{Region: "eu-central-1", BaseEndpoint: &url, HTTPClient: client,
		Retryer: func() aws.Retryer { return aws.NopRetryer{} },
		Credentials: aws.CredentialsProviderFunc(func(context.Context) (aws.Credentials, error) {
			return aws.Credentials{AccessKeyID: "AKID", SecretAccessKey: "signing"}, nil
		})}
}

func external(context.Context) (string, error) { return "msp_00000000000000000001", nil }

func newBox(t *testing.T) (*secretstest.Service, *secretstest.Secret, delivery.Box) {
	s := secretstest.New(t)
	secret := s.Add("acme/exporter", "old", map[string]string{"rekey:place": "co_1"})
	b, err := consumer.New(config(s.URL, s.Client), external).Open(t.Context(), delivery.Target{SecretID: "acme/exporter"}, "rekey")
	require.NoError(t, err)
	return s, secret, b
}

func TestBox_DescribesWithoutReadingAValue_B5(t *testing.T) {
	s, secret, b := newBox(t)
	secret.Labels["AWSPENDING"], secret.Rotating = "first", true
	d, err := b.Describe(t.Context())
	require.NoError(t, err)
	require.Equal(t, delivery.Description{Tags: map[string]string{"rekey:place": "co_1"}, Rotating: true,
		Labels: map[string][]string{"first": {"AWSCURRENT", "AWSPENDING"}}}, d)
	require.Equal(t, "first", d.Labelled("AWSPENDING"))
	require.Equal(t, []string{"DescribeSecret"}, s.Operations())
}

func TestBox_PutIsOneVersionForEver_B5(t *testing.T) {
	_, secret, b := newBox(t)
	for range 2 {
		require.NoError(t, b.Put(t.Context(), version, token.SecretOf("new")))
	}
	require.ErrorIs(t, b.Put(t.Context(), version, token.SecretOf("other")), delivery.ErrMeanwhile)
	require.Equal(t, "new", secret.Text("AWSPENDING"))
	require.Equal(t, "old", secret.Text("AWSCURRENT"))
	v, err := b.Version(t.Context(), version)
	require.NoError(t, err)
	require.Equal(t, version, v.ID)
	require.Equal(t, "new", v.Text.Reveal())
	_, err = b.Version(t.Context(), "11111111-2222-8333-8444-666666666666")
	require.ErrorIs(t, err, delivery.ErrNoVersion)
}

func TestBox_ALabelMovesOnlyFromWhereItIs_B5(t *testing.T) {
	_, secret, b := newBox(t)
	require.NoError(t, b.Put(t.Context(), version, token.SecretOf("new")))
	require.ErrorIs(t, b.Move(t.Context(), "", version), delivery.ErrMeanwhile)
	require.ErrorIs(t, b.Move(t.Context(), "theirs", version), delivery.ErrMeanwhile)
	require.Equal(t, "old", secret.Text("AWSCURRENT"))
	require.NoError(t, b.Move(t.Context(), "first", version))
	require.Equal(t, "new", secret.Text("AWSCURRENT"))
	require.Equal(t, "old", secret.Text("AWSPREVIOUS"))
	require.NoError(t, b.Clear(t.Context(), version))
	require.ErrorIs(t, b.Clear(t.Context(), version), delivery.ErrMeanwhile)
	require.NotContains(t, secret.Labels, "AWSPENDING")
}

func TestBox_OfARotationProvesIt_B5(t *testing.T) {
	s := secretstest.New(t)
	const arn = "arn:aws:secretsmanager:eu-west-1:111122223333:secret:acme/exporter-AbCdEf"
	s.Add(arn, "old", nil)
	require.NoError(t, consumer.OpenRotation(config(s.URL, s.Client), arn, "proof").Put(t.Context(), version, token.SecretOf("new")))
	require.NoError(t, consumer.OpenRotation(config(s.URL, s.Client), arn, "").Put(t.Context(), version, token.SecretOf("new")))
	require.Equal(t, "proof", s.Calls[0].In["RotationToken"])
	require.Equal(t, "eu-west-1", s.Calls[0].Region)
	require.NotContains(t, s.Calls[1].In, "RotationToken")
}

// AWS's messages and a broken answer can quote what was sent or stored.
func TestErrors_QuoteNothingOfASecret_D2(t *testing.T) {
	for _, code := range []string{"ValidationException", "AccessDeniedException", "InvalidRequestException", "DecryptionFailure", "EncryptionFailure",
		"LimitExceededException", "InternalServiceError", "ThrottlingException", "Unheard"} {
		s, _, b := newBox(t)
		s.Fail = func(int, secretstest.Call) *secretstest.Failure {
			return &secretstest.Failure{Code: code, Message: "Value 'hunter2' is not valid"}
		}
		err := b.Put(t.Context(), version, token.SecretOf("hunter2"))
		require.ErrorContains(t, err, code)
		require.NotContains(t, err.Error(), "hunter2")
	}
	server := httptest.NewServer(http.HandlerFunc(func(w http.ResponseWriter, _ *http.Request) {
		_, _ = w.Write([]byte(`{"SecretString": "hunter2", "CreatedDate": "hunter2", hunter2`))
	}))
	defer server.Close()
	b, err := consumer.New(config(server.URL, server.Client()), external).Open(t.Context(), delivery.Target{SecretID: "s"}, "rekey")
	require.NoError(t, err)
	_, err = b.Current(t.Context())
	require.True(t, fault.Is(err, fault.Unavailable), "%v", err)
	require.NotContains(t, err.Error(), "hunter2")
}

func TestBox_BytesAreNoText(t *testing.T) {
	server := httptest.NewServer(http.HandlerFunc(func(w http.ResponseWriter, _ *http.Request) {
		w.Header().Set("Content-Type", "application/x-amz-json-1.1")
		_, _ = w.Write([]byte(`{"SecretBinary": "AAAA", "VersionId": "x"}`))
	}))
	defer server.Close()
	b, err := consumer.New(config(server.URL, server.Client()), external).Open(t.Context(), delivery.Target{SecretID: "s"}, "rekey")
	require.NoError(t, err)
	_, err = b.Current(t.Context())
	var r *delivery.Refusal
	require.ErrorAs(t, err, &r)
	require.Equal(t, delivery.Shape, r.Reason)
}

func TestBox_EndsWithItsCaller(t *testing.T) {
	ctx, cancel := context.WithCancel(t.Context())
	release := make(chan struct{})
	server := httptest.NewServer(http.HandlerFunc(func(http.ResponseWriter, *http.Request) { cancel(); <-release }))
	defer server.Close()
	defer close(release)
	b, err := consumer.New(config(server.URL, server.Client()), external).Open(ctx, delivery.Target{SecretID: "s"}, "rekey")
	require.NoError(t, err)
	_, err = b.Describe(ctx)
	require.True(t, fault.Is(err, fault.Unavailable), "%v", err)
}

func TestOpen_WithoutTheProvidersIDAssumesNoRole_B5(t *testing.T) {
	s := secretstest.New(t)
	target := delivery.Target{SecretID: "s", RoleARN: "arn:aws:iam::111122223333:role/rekey"}
	down := errors.New("down")
	_, err := consumer.New(config(s.URL, s.Client), func(context.Context) (string, error) { return "", down }).Open(t.Context(), target, "rekey")
	require.ErrorIs(t, err, down)
	require.Empty(t, s.Calls)
	s.Fail = func(int, secretstest.Call) *secretstest.Failure { return &secretstest.Failure{Code: "AccessDenied"} }
	_, err = consumer.New(config(s.URL, s.Client), external).Open(t.Context(), target, "rekey")
	var r *delivery.Refusal
	require.ErrorAs(t, err, &r)
	require.Equal(t, delivery.Forbidden, r.Reason)
	require.Contains(t, r.Detail, "ExternalId")
}
