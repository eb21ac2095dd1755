package dynamo

import (
	"context"
	"errors"
	"fmt"
	"io"
	"net"
	"slices"

	"github.com/aws/aws-sdk-go-v2/service/dynamodb/types"
	"github.com/aws/smithy-go"
	smithyhttp "github.com/aws/smithy-go/transport/http"

	"github.com/rekey-dev/rekey/pkg/change"
	"github.com/rekey-dev/rekey/pkg/fault"
)

// effect says what an error tells about the call that failed.
type effect int

const (
	refused  effect = iota // DynamoDB answered no: trying again is of no use
	none                   // nothing happened; the call may be tried again
	possible               // it may have happened
)

// effectless are the errors after which nothing has happened and a later try may succeed.
var effectless = []string{
	"ProvisionedThroughputExceededException", "ThrottlingException", "ThrottledException", "RequestLimitExceeded",
	"TransactionConflictException", "RequestThrottled", "SlowDown", "ReplicatedWriteConflictException",
	"ExpiredTokenException", "RequestExpired", "ClockSkewException",
}

// unfinished are the errors after which the call may have happened.
var unfinished = []string{"InternalServerError", "InternalFailure", "InternalError", "ServiceUnavailable",
	"ServiceUnavailableException", "TransactionInProgressException", "RequestTimeout", "RequestTimeoutException"}

// retryReasons are the reasons for a cancelled transaction that another try may not meet.
var retryReasons = []string{"TransactionConflict", "ThrottlingError", "ProvisionedThroughputExceeded"}

const conditionFailed = "ConditionalCheckFailed"

// effectOf tells what became of a call from its error.
func effectOf(err error) effect {
	var cancelled *types.TransactionCanceledException
	if errors.As(err, &cancelled) {
		for _, r := range cancelled.CancellationReasons {
			if code := value(r.Code); code != "" && code != "None" && !slices.Contains(retryReasons, code) {
				return refused
			}
		}
		return none
	}
	var api smithy.APIError
	if errors.As(err, &api) {
		switch {
		case slices.Contains(effectless, api.ErrorCode()):
			return none
		case slices.Contains(unfinished, api.ErrorCode()):
			return possible
		}
	}
	var response *smithyhttp.ResponseError
	if errors.As(err, &response) {
		if code := response.HTTPStatusCode(); code >= 500 || code == 0 {
			return possible
		}
		if api != nil {
			return refused
		}
	}
	if api != nil {
		return refused
	}
	var send *smithyhttp.RequestSendError
	var broken *smithy.DeserializationError
	var network net.Error
	switch {
	case errors.As(err, &send), errors.As(err, &broken), errors.As(err, &network),
		errors.Is(err, context.DeadlineExceeded), errors.Is(err, context.Canceled), errors.Is(err, io.ErrUnexpectedEOF),
		errors.Is(err, io.EOF), errors.Is(err, errUnprocessed), errors.Is(err, errUnfinished):
		return possible
	}
	return refused
}

// errUnprocessed says that DynamoDB left out keys of a batch. They are not absent: nobody looked.
var errUnprocessed = errors.New("keys were left unprocessed")

// wrap gives an error its operation and its kind: unavailable when another try may succeed, none when not. What is meant for
// the domain stays as it is.
func wrap(err *error, format string, args ...any) {
	if *err == nil {
		return
	}
	var f *fault.Error
	var repeated *change.Repeated
	if errors.As(*err, &f) || errors.Is(*err, change.ErrLost) || errors.As(*err, &repeated) {
		return
	}
	named := fmt.Errorf("dynamo."+format+": %w", append(args, *err)...)
	if effectOf(*err) == refused {
		*err = named
		return
	}
	*err = fault.Down(named)
}

// failedCondition tells whether a single write was refused by its condition, and returns the item that stood against it.
func failedCondition(err error) (item, bool) {
	var failed *types.ConditionalCheckFailedException
	if errors.As(err, &failed) {
		return failed.Item, true
	}
	return nil, false
}

func value(s *string) string {
	if s == nil {
		return ""
	}
	return *s
}
