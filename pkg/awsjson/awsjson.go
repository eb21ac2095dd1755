// Package awsjson makes single calls of AWS services over their JSON protocols (AWS JSON 1.0 and 1.1, smithy.io), signed by
// the SDK's own Signature Version 4 signer.
//
// It is for the authorizer, whose binary has no room for a second client of the SDK and whose requests wait for one call. It
// knows no errors and makes no retries: whoever calls it reads the answer and decides. A connection that the other side
// closed while the environment was frozen is an error here.
package awsjson

import (
	"bytes"
	"context"
	"crypto/sha256"
	"encoding/hex"
	"fmt"
	"io"
	"net/http"
	"net/url"
	"time"

	"github.com/aws/aws-sdk-go-v2/aws"
	v4 "github.com/aws/aws-sdk-go-v2/aws/signer/v4"
)

// Service is one service in one region.
type Service struct {
	Name        string // as calls are signed for it, e.g. dynamodb
	Target      string // what stands before an operation's name in X-Amz-Target, e.g. DynamoDB_20120810
	Version     string // of the protocol: 1.0 or 1.1
	Region      string
	Endpoint    url.URL
	Credentials aws.CredentialsProvider
	HTTP        aws.HTTPClient
	Now         func() time.Time
}

// Caller calls a service. Its method may be called at the same time.
type Caller struct {
	service     Service
	contentType string
	signer      *v4.Signer // it keeps the day's signing key
}

// New makes a Caller.
func New(s Service) *Caller {
	return &Caller{service: s, contentType: "application/x-amz-json-" + s.Version, signer: v4.NewSigner()}
}

// Post sends one call and returns what came back, whatever its status; its body is the caller's to close.
func (c *Caller) Post(ctx context.Context, operation string, body []byte) (*http.Response, error) {
	s := &c.service
	u := s.Endpoint
	// net/http knows that this type of body is in memory and sends it in one write with the headers.
	req := (&http.Request{Method: http.MethodPost, URL: &u, Host: u.Host, Proto: "HTTP/1.1", ProtoMajor: 1, ProtoMinor: 1,
		Body: io.NopCloser(bytes.NewReader(body)), ContentLength: int64(len(body)), Header: http.Header{
			"Accept-Encoding": {"identity"},
			"Content-Type":    {c.contentType},
			"User-Agent":      {"rekey"},
			"X-Amz-Target":    {s.Target + "." + operation},
		}}).WithContext(ctx)
	credentials, err := s.Credentials.Retrieve(ctx)
	if err != nil {
		return nil, fmt.Errorf("credentials: %w", err)
	}
	sum := sha256.Sum256(body)
	if err := c.signer.SignHTTP(ctx, credentials, req, hex.EncodeToString(sum[:]), s.Name, s.Region, s.Now()); err != nil {
		return nil, fmt.Errorf("signing: %w", err)
	}
	return s.HTTP.Do(req)
}
