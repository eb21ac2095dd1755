// Package secrets is rekey's only door to AWS Secrets Manager: keyrings of versioned keys, and the set-up code.
//
// A Keyring reads one flat secret, {"current": "v1", "v1": "…"}, and keeps it for minutes, so that no request waits for
// Secrets Manager and a new version is known everywhere before it is used. It is used for the peppers, the derivation key
// and the cursor key.
//
// The package calls the service by way of package awsjson, without a client of the SDK: it is linked into the authorizer, whose binary may be 1.4 times a hello-world Lambda's, and there is no room for a second client beside
// DynamoDB's (measured for arm64 with the flags of the Makefile: hello world 5.83 MB, with the DynamoDB client 7.73 MB, with
// Secrets Manager's too 8.00 MB of 8.17 MB, before a line of the authorizer). It knows nothing of what the keys are for, and
// puts no secret's text into an error or a log.
package secrets

import (
	"context"
	"encoding/json"
	"errors"
	"fmt"
	"io"
	"math"
	"math/rand/v2"
	"net/http"
	"net/url"
	"strings"
	"time"

	"github.com/aws/aws-sdk-go-v2/aws"

	"github.com/rekey-dev/rekey/pkg/awsjson"
)

const (
	attempts  = 3                     // of one call
	backoff   = 25 * time.Millisecond // before the second attempt, at most; doubled before each further one
	maxAnswer = 512 << 10             // bytes; a secret has at most 64 KiB of text before JSON escapes it
)

// Client calls Secrets Manager. Its methods may be called at the same time.
type Client struct {
	endpoint url.URL
	caller   *awsjson.Caller
	now      func() time.Time
	bad      error // why the endpoint is none
}

// NewClient makes a client from the region, credentials, HTTP client and, if it is set, base endpoint of cfg.
func NewClient(cfg aws.Config, now func() time.Time) *Client {
	endpoint := "https://secretsmanager." + cfg.Region + "." + domain(cfg.Region)
	if cfg.BaseEndpoint != nil {
		endpoint = *cfg.BaseEndpoint
	}
	u, err := url.Parse(endpoint)
	if err != nil {
		return &Client{now: now, bad: err}
	}
	return &Client{endpoint: *u, now: now, caller: awsjson.New(awsjson.Service{Name: "secretsmanager", Target: "secretsmanager", Version: "1.1",
		Region: cfg.Region, Endpoint: *u, Credentials: cfg.Credentials, HTTP: cfg.HTTPClient, Now: now})}
}

// domain is the DNS suffix of a region's partition.
func domain(region string) string {
	switch {
	case strings.HasPrefix(region, "cn-"):
		return "amazonaws.com.cn"
	case strings.HasPrefix(region, "eusc-"):
		return "amazonaws.eu"
	}
	return "amazonaws.com"
}

// Value is one version of a secret.
type Value struct {
	Text      string
	Version   string    // Secrets Manager's ID of the version
	CreatedAt time.Time // when the version was put, to the second
}

func (v Value) String() string   { return "secret version " + v.Version }
func (v Value) GoString() string { return v.String() }

// MarshalText keeps the text out of JSON and logs too.
func (v Value) MarshalText() ([]byte, error) { return []byte(v.String()), nil }

// Get reads the current version of a secret, given by its name or ARN.
func (c *Client) Get(ctx context.Context, secret string) (Value, error) {
	var out struct {
		SecretString *string
		VersionId    string
		CreatedDate  float64 // seconds since 1970
	}
	if err := c.call(ctx, "GetSecretValue", map[string]any{"SecretId": secret}, &out); err != nil {
		return Value{}, err
	}
	if out.SecretString == nil {
		return Value{}, errors.New("secrets: the secret holds bytes where text is wanted")
	}
	sec, frac := math.Modf(out.CreatedDate)
	return Value{*out.SecretString, out.VersionId, time.Unix(int64(sec), int64(frac*1e9)).UTC()}, nil
}

// callError is an answer other than 200.
type callError struct {
	operation string
	status    int
	code      string // e.g. ResourceNotFoundException
	message   string
}

func (e *callError) Error() string {
	return fmt.Sprintf("secrets: %s: HTTP %d %s: %s", e.operation, e.status, e.code, e.message)
}

func (e *callError) retryable() bool {
	return e.status >= 500 || e.status == http.StatusTooManyRequests || strings.Contains(e.code, "Throttl") ||
		e.code == "InternalServiceError" || e.code == "RequestLimitExceeded"
}

// IsRefused tells whether err is Secrets Manager's answer with this error code.
func IsRefused(err error, code string) bool {
	var e *callError
	return errors.As(err, &e) && e.code == code
}

// call makes one call, at most three times: after a failed connection, a throttle or an error of the service.
func (c *Client) call(ctx context.Context, operation string, in, out any) error {
	body, err := json.Marshal(in)
	if err = errors.Join(err, c.bad); err != nil {
		return fmt.Errorf("secrets: %s: %w", operation, err)
	}
	for n, wait := 1, backoff; ; n, wait = n+1, wait*2 {
		err := c.once(ctx, operation, body, out)
		var refused *callError
		if err == nil || n == attempts || (errors.As(err, &refused) && !refused.retryable()) {
			return err
		}
		t := time.NewTimer(rand.N(wait))
		select {
		case <-ctx.Done():
			t.Stop()
			return err
		case <-t.C:
		}
	}
}

func (c *Client) once(ctx context.Context, operation string, body []byte, out any) error {
	res, err := c.caller.Post(ctx, operation, body)
	if err != nil {
		return fmt.Errorf("secrets: %s: %w", operation, err)
	}
	defer res.Body.Close()
	answer, err := io.ReadAll(io.LimitReader(res.Body, maxAnswer+1))
	switch {
	case err != nil:
		return fmt.Errorf("secrets: %s: reading the answer: %w", operation, err)
	case len(answer) > maxAnswer:
		return fmt.Errorf("secrets: %s: the answer is longer than %d bytes", operation, maxAnswer)
	case res.StatusCode != http.StatusOK:
		return refusal(operation, res.StatusCode, answer)
	}
	// The decoder's error may quote the answer, which holds the secret.
	if json.Unmarshal(answer, out) != nil {
		return fmt.Errorf("secrets: %s: the answer is not the JSON that was expected", operation)
	}
	return nil
}

// refusal reads AWS's JSON error: {"__type": "…#Code", "message": "…"}.
func refusal(operation string, status int, answer []byte) error {
	var e struct {
		Type    string `json:"__type"`
		Message string `json:"message"`
	}
	if json.Unmarshal(answer, &e) != nil {
		return &callError{operation, status, "unknown", "no JSON in the answer"}
	}
	return &callError{operation, status, e.Type[strings.LastIndexByte(e.Type, '#')+1:], e.Message}
}
