package stack

import (
	"bytes"
	"context"
	"crypto/sha256"
	"encoding/hex"
	"encoding/json"
	"errors"
	"fmt"
	"io"
	"net/http"
	"time"

	"github.com/aws/aws-sdk-go-v2/aws"
	v4 "github.com/aws/aws-sdk-go-v2/aws/signer/v4"
)

// service is how an AWS service is called: the name that requests are signed for, and the version of the protocol.
type service struct{ name, content string }

var services = map[string]service{
	"DynamoDB_20120810": {"dynamodb", "application/x-amz-json-1.0"},
	"AmazonSQS":         {"sqs", "application/x-amz-json-1.0"},
	"AWSEvents":         {"events", "application/x-amz-json-1.1"},
	"Logs_20140328":     {"logs", "application/x-amz-json-1.1"},
	"secretsmanager":    {"secretsmanager", "application/x-amz-json-1.1"},
}

// patience is how often a call is made that the emulator fails to answer: it loses races with itself under load.
const patience = 5

// Call carries out an operation, such as DynamoDB_20120810 Scan, and returns the answer as it came. A status other than 200 is
// an error with the answer's text; what has failed with 500 is tried again, so an operation must bear being repeated.
func (s *Stack) Call(ctx context.Context, target, operation string, input any) (answer []byte, err error) {
	for range patience {
		if answer, err = s.callOnce(ctx, target, operation, input); !errors.Is(err, errEmulator) {
			return answer, err
		}
	}
	return answer, err
}

var errEmulator = errors.New("internal error")

func (s *Stack) callOnce(ctx context.Context, target, operation string, input any) ([]byte, error) {
	known, ok := services[target]
	if !ok {
		return nil, fmt.Errorf("stack: no service %s", target)
	}
	body, err := json.Marshal(input)
	if err != nil {
		return nil, err
	}
	r, err := http.NewRequestWithContext(ctx, http.MethodPost, s.EndpointURL, bytes.NewReader(body))
	if err != nil {
		return nil, err
	}
	r.Header.Set("Content-Type", known.content)
	r.Header.Set("X-Amz-Target", target+"."+operation)
	return s.send(ctx, r, known.name, body)
}

// get reads a resource of a service that speaks plain HTTP (S3).
func (s *Stack) get(ctx context.Context, service, path string) ([]byte, error) {
	r, err := http.NewRequestWithContext(ctx, http.MethodGet, s.EndpointURL+path, nil)
	if err != nil {
		return nil, err
	}
	return s.send(ctx, r, service, nil)
}

// send signs with the credentials of the local stack, which has one made-up account and checks no signature.
func (s *Stack) send(ctx context.Context, r *http.Request, service string, body []byte) ([]byte, error) {
	digest := sha256.Sum256(body)
	credentials := aws.Credentials{AccessKeyID: "test", SecretAccessKey: "test"}
	if err := v4.NewSigner().SignHTTP(ctx, credentials, r, hex.EncodeToString(digest[:]), service, s.Region, time.Now()); err != nil {
		return nil, err
	}
	answer, err := http.DefaultClient.Do(r)
	if err != nil {
		return nil, err
	}
	defer answer.Body.Close()
	text, err := io.ReadAll(answer.Body)
	if err == nil && answer.StatusCode == http.StatusInternalServerError {
		err = fmt.Errorf("stack: %s %s: %w: %.300s", service, r.Header.Get("X-Amz-Target"), errEmulator, text)
	} else if err == nil && answer.StatusCode != http.StatusOK {
		err = fmt.Errorf("stack: %s %s: %d: %.300s", service, r.Header.Get("X-Amz-Target"), answer.StatusCode, text)
	}
	return text, err
}

// call is Call with the answer decoded.
func call[T any](ctx context.Context, s *Stack, target, operation string, input any) (T, error) {
	var out T
	text, err := s.Call(ctx, target, operation, input)
	if err != nil {
		return out, err
	}
	return out, json.Unmarshal(text, &out)
}
