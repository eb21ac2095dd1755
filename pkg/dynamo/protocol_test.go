package dynamo_test

import (
	"bytes"
	"context"
	"hash/crc32"
	"io"
	"net/http"
	"strconv"
	"testing"
	"time"

	"github.com/aws/aws-sdk-go-v2/aws"
	"github.com/stretchr/testify/require"

	"github.com/rekey-dev/rekey/pkg/dynamo"
	"github.com/rekey-dev/rekey/pkg/fault"
	"github.com/rekey-dev/rekey/pkg/verify"
)

// canned answers requests with one body and, in turn, with these checksums; the last one stays.
type canned struct {
	status int
	body   string
	sums   []uint32
	calls  int
}

func (c *canned) Do(*http.Request) (*http.Response, error) {
	h := http.Header{}
	h.Set("X-Amz-Crc32", strconv.FormatUint(uint64(c.sums[min(c.calls, len(c.sums)-1)]), 10))
	c.calls++
	return &http.Response{StatusCode: c.status, Header: h, Body: io.NopCloser(bytes.NewBufferString(c.body)), ContentLength: int64(len(c.body))}, nil
}

func TestAnswer_ThatWasDamagedIsAskedForAgainAndNeverUsed(t *testing.T) {
	t.Parallel()
	body := `{"Responses":{"I":[{"pk":{"S":"sa_1"},"type":{"S":"service_account"},"status":{"S":"active"}}]},"UnprocessedKeys":{}}`
	right := crc32.ChecksumIEEE([]byte(body))
	names := verify.Names{Principal: "sa_1"}

	c := &canned{status: 200, body: body, sums: []uint32{right + 1, right}}
	s, err := dynamo.NewVerifier(newClient("http://192.0.2.1", c), dynamo.Tables{Identity: "I"}).Snapshot(t.Context(), "", names)
	require.NoError(t, err)
	require.True(t, s.Principal.Active)
	require.Equal(t, 2, c.calls)

	c = &canned{status: 200, body: body, sums: []uint32{right + 1}}
	_, err = dynamo.NewVerifier(newClient("http://192.0.2.1", c), dynamo.Tables{Identity: "I"}).Snapshot(t.Context(), "", names)
	require.True(t, fault.Is(err, fault.Unavailable), "%v", err)
	require.Equal(t, 4, c.calls, "once directly, three times by the SDK")
}

func TestAnswer_OfAnUnexpectedFormIsNoAbsence(t *testing.T) {
	t.Parallel()
	for _, body := range []string{``, `{`, `{}`, `[]`, `{"Responses":{"I":[{"pk":{"S":"sa_1"},"type":{"S":"gateway"}}]}}`,
		`{"Responses":{"I":[{"pk":{"S":"sa_1"},"type":{"S":"service_account"},"event_seq":{"S":"one"}}]}}`} {
		c := &canned{status: 200, body: body, sums: []uint32{crc32.ChecksumIEEE([]byte(body))}}
		_, err := dynamo.NewVerifier(newClient("http://192.0.2.1", c), dynamo.Tables{Identity: "I"}).Snapshot(t.Context(), "", verify.Names{Principal: "sa_1"})
		require.Error(t, err, body)
		require.NotEqual(t, fault.NotFound, fault.KindOf(err), body)
	}
}

// seen keeps the last request.
type seen struct {
	canned
	last *http.Request
}

func (s *seen) Do(r *http.Request) (*http.Response, error) {
	s.last = r
	return s.canned.Do(r)
}

func TestClient_SignsForTheRegionAndTakesTheServicesOwnEndpoint(t *testing.T) {
	t.Parallel()
	for region, host := range map[string]string{"eu-central-1": "dynamodb.eu-central-1.amazonaws.com", "cn-north-1": "dynamodb.cn-north-1.amazonaws.com.cn"} {
		s := &seen{canned: canned{status: 200, body: "{}", sums: []uint32{crc32.ChecksumIEEE([]byte("{}"))}}}
		client := dynamo.NewClient(dynamo.Config{Region: region, HTTPClient: s, Now: time.Now, Credentials: aws.CredentialsProviderFunc(func(context.Context) (aws.Credentials, error) {
			return aws.Credentials{AccessKeyID: "AKIAIOSFODNN7EXAMPLE", SecretAccessKey: "none"}, nil
		})})
		require.NoError(t, dynamo.NewVerifier(client, dynamo.Tables{Identity: "I"}).Warm(t.Context()))
		require.Equal(t, host, s.last.URL.Host)
		require.Equal(t, "https", s.last.URL.Scheme)
		require.Equal(t, "identity", s.last.Header.Get("Accept-Encoding"))
		require.Contains(t, s.last.Header.Get("Authorization"), "/"+region+"/dynamodb/aws4_request")
		require.Equal(t, "DynamoDB_20120810.GetItem", s.last.Header.Get("X-Amz-Target"))
	}
}
