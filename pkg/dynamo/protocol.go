package dynamo

import (
	"bytes"
	"context"
	"errors"
	"fmt"
	"hash/crc32"
	"io"
	"net/http"
	"strconv"

	"github.com/aws/aws-sdk-go-v2/service/dynamodb"
	"github.com/aws/smithy-go"
	smithyhttp "github.com/aws/smithy-go/transport/http"
)

// protocol is the SDK's wire protocol, but it holds every answer against DynamoDB's checksum and fails the call when they
// differ. (The SDK's own check, as of service/dynamodb v1.73.0, only logs.)
type protocol struct{ smithyhttp.ClientProtocol }

// checksumError is an answer that was damaged on its way. It may be asked for again.
type checksumError struct{ want, got uint32 }

func (e *checksumError) Error() string {
	return fmt.Sprintf("the answer's checksum is %d, not %d", e.got, e.want)
}
func (*checksumError) RetryableError() bool { return true }

// DeserializeResponse reads an answer.
func (p protocol) DeserializeResponse(ctx context.Context, schema *smithy.OperationSchema, types *smithy.TypeRegistry, resp *smithyhttp.Response, out smithy.Deserializable) error {
	body, err := readAll(resp.Body, resp.ContentLength)
	if err != nil {
		return &smithy.DeserializationError{Err: err}
	}
	if err := checksum(resp.Header, body); err != nil {
		return &smithy.DeserializationError{Err: err}
	}
	resp.Body = io.NopCloser(bytes.NewReader(body))
	if err := p.ClientProtocol.DeserializeResponse(ctx, schema, types, resp, out); err != nil {
		return err
	}
	if b, ok := out.(*dynamodb.BatchGetItemOutput); len(body) == 0 || ok && b.Responses == nil && b.UnprocessedKeys == nil {
		return &smithy.DeserializationError{Err: errNoAnswer}
	}
	return nil
}

// checksum holds an answer against the sum in its header, if there is one.
func checksum(h http.Header, body []byte) error {
	text := h.Get("X-Amz-Crc32")
	if text == "" {
		return nil
	}
	want, err := strconv.ParseUint(text, 10, 32)
	if err != nil {
		return fmt.Errorf("the answer's checksum is no number: %q", text)
	}
	if got := crc32.ChecksumIEEE(body); got != uint32(want) {
		return &checksumError{uint32(want), got}
	}
	return nil
}

// errNoAnswer says that an answer tells nothing: not that there is nothing.
var errNoAnswer = errors.New("an empty answer")

// maxAnswer is more than the largest answer, a batch of 16 MiB in base64 and JSON.
const maxAnswer = 64 << 20

func readAll(r io.Reader, length int64) ([]byte, error) {
	if length < 0 || length > maxAnswer {
		return io.ReadAll(io.LimitReader(r, maxAnswer))
	}
	body := make([]byte, length)
	_, err := io.ReadFull(r, body)
	return body, err
}
