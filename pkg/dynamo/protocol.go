package dynamo

import (
	"bytes"
	"context"
	"errors"
	"fmt"
	"hash/crc32"
	"io"
	"strconv"

	"github.com/aws/aws-sdk-go-v2/service/dynamodb"
	"github.com/aws/smithy-go"
	smithyhttp "github.com/aws/smithy-go/transport/http"
)

// protocol is the SDK's wire protocol with two differences.
//
// It holds every answer against DynamoDB's checksum and fails the call when they differ. (The SDK's own check, as of
// service/dynamodb v1.73.0, only logs.) And it decodes the reads of a verdict into flat attributes instead of a map of
// pointers: eight allocations an attribute are more than all of the rest of a verified request.
type protocol struct{ smithyhttp.ClientProtocol }

// flatRead receives the items of a read whose context holds it.
type flatRead struct {
	table string
	items []flatItem
}

type flatReadKey struct{}

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
	if text := resp.Header.Get("X-Amz-Crc32"); text != "" {
		want, err := strconv.ParseUint(text, 10, 32)
		if err != nil {
			return &smithy.DeserializationError{Err: fmt.Errorf("the answer's checksum is no number: %q", text)}
		}
		if got := crc32.ChecksumIEEE(body); got != uint32(want) {
			return &smithy.DeserializationError{Err: &checksumError{uint32(want), got}}
		}
	}
	if f, ok := ctx.Value(flatReadKey{}).(*flatRead); ok && resp.StatusCode == 200 {
		if items, ok := scanBatch(string(body), f.table); ok {
			f.items = items
			return nil
		}
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
