// Package dynamofault makes DynamoDB fail on purpose: it stands between a store and its client, and fails chosen calls before,
// after or instead of their effect. Tests prove with it that an operation ends in exactly one of two states.
//
// The faults are what the client returns once its own retries are used up. The package relies on pkg/dynamo's API alone and
// is imported by tests only.
package dynamofault

import (
	"context"
	"errors"
	"fmt"
	"sync"

	"github.com/aws/aws-sdk-go-v2/aws"
	"github.com/aws/aws-sdk-go-v2/service/dynamodb"
	"github.com/aws/aws-sdk-go-v2/service/dynamodb/types"
	"github.com/aws/smithy-go"
	smithyhttp "github.com/aws/smithy-go/transport/http"

	"github.com/rekey-dev/rekey/pkg/dynamo"
)

// Fault is a way to fail.
type Fault string

const (
	None        Fault = ""
	Before      Fault = "before"      // the request is lost: no effect, and the caller cannot know
	After       Fault = "after"       // the answer is lost: the effect happened, and the caller cannot know
	Instead     Fault = "instead"     // an internal server error without an effect, and the caller cannot know
	Throttle    Fault = "throttle"    // refused for its rate: no effect
	Conflict    Fault = "conflict"    // a write that meets a transaction: no effect; reads go on
	Unprocessed Fault = "unprocessed" // a batch of which nothing is read; other calls go on
	Denied      Fault = "denied"      // no permission: an error that is not worth trying again
)

// Faults lists every fault.
var Faults = []Fault{Before, After, Instead, Throttle, Conflict, Unprocessed, Denied}

// Call is one call of the client.
type Call struct {
	N         int    // from 1, since the API was made
	Operation string // GetItem, BatchGetItem, Query, UpdateItem or TransactWriteItems
}

// Plan chooses the fault of each call.
type Plan func(Call) Fault

// Nth fails only the n-th call.
func Nth(n int, f Fault) Plan {
	return func(c Call) Fault {
		if c.N == n {
			return f
		}
		return None
	}
}

// From fails the n-th call and every later one.
func From(n int, f Fault) Plan {
	return func(c Call) Fault {
		if c.N >= n {
			return f
		}
		return None
	}
}

// API is a client that fails by plan, and counts.
type API struct {
	inner dynamo.API

	mu    sync.Mutex
	plan  Plan
	calls []Call
}

var _ dynamo.API = (*API)(nil)

// Wrap makes an API that passes everything on until it gets a plan.
func Wrap(inner dynamo.API) *API { return &API{inner: inner} }

// Set starts a plan: calls count from 1 again. A nil plan fails nothing.
func (a *API) Set(p Plan) {
	a.mu.Lock()
	defer a.mu.Unlock()
	a.plan, a.calls = p, nil
}

// Calls returns the calls since the last Set.
func (a *API) Calls() []Call {
	a.mu.Lock()
	defer a.mu.Unlock()
	return append([]Call(nil), a.calls...)
}

func (a *API) next(operation string) Fault {
	a.mu.Lock()
	defer a.mu.Unlock()
	c := Call{N: len(a.calls) + 1, Operation: operation}
	a.calls = append(a.calls, c)
	if a.plan == nil {
		return None
	}
	return a.plan(c)
}

// GetItem reads one item, by plan.
func (a *API) GetItem(ctx context.Context, in *dynamodb.GetItemInput, o ...func(*dynamodb.Options)) (*dynamodb.GetItemOutput, error) {
	return call(a, "GetItem", func() (*dynamodb.GetItemOutput, error) { return a.inner.GetItem(ctx, in, o...) }, nil, nil)
}

// BatchGetItem reads several items, by plan.
func (a *API) BatchGetItem(ctx context.Context, in *dynamodb.BatchGetItemInput, o ...func(*dynamodb.Options)) (*dynamodb.BatchGetItemOutput, error) {
	return call(a, "BatchGetItem", func() (*dynamodb.BatchGetItemOutput, error) { return a.inner.BatchGetItem(ctx, in, o...) }, nil,
		&dynamodb.BatchGetItemOutput{UnprocessedKeys: in.RequestItems})
}

// Query reads a range, by plan.
func (a *API) Query(ctx context.Context, in *dynamodb.QueryInput, o ...func(*dynamodb.Options)) (*dynamodb.QueryOutput, error) {
	return call(a, "Query", func() (*dynamodb.QueryOutput, error) { return a.inner.Query(ctx, in, o...) }, nil, nil)
}

// UpdateItem writes one item, by plan.
func (a *API) UpdateItem(ctx context.Context, in *dynamodb.UpdateItemInput, o ...func(*dynamodb.Options)) (*dynamodb.UpdateItemOutput, error) {
	return call(a, "UpdateItem", func() (*dynamodb.UpdateItemOutput, error) { return a.inner.UpdateItem(ctx, in, o...) },
		&types.TransactionConflictException{Message: aws.String("a transaction is ongoing for the item")}, nil)
}

// TransactWriteItems writes several items, by plan.
func (a *API) TransactWriteItems(ctx context.Context, in *dynamodb.TransactWriteItemsInput, o ...func(*dynamodb.Options)) (*dynamodb.TransactWriteItemsOutput, error) {
	reasons := make([]types.CancellationReason, len(in.TransactItems))
	for i := range reasons {
		reasons[i].Code = aws.String("None")
	}
	if len(reasons) > 0 {
		reasons[0].Code = aws.String("TransactionConflict")
	}
	return call(a, "TransactWriteItems", func() (*dynamodb.TransactWriteItemsOutput, error) { return a.inner.TransactWriteItems(ctx, in, o...) },
		&types.TransactionCanceledException{Message: aws.String("transaction cancelled"), CancellationReasons: reasons}, nil)
}

// call carries out one call by plan. A nil conflict or unprocessed means that the operation has none.
func call[T any](a *API, operation string, do func() (*T, error), conflict error, unprocessed *T) (*T, error) {
	f := a.next(operation)
	failed := func(err error) (*T, error) {
		return nil, &smithy.OperationError{ServiceID: "DynamoDB", OperationName: operation, Err: err}
	}
	switch f {
	case None:
		return do()
	case Before:
		return failed(dropped())
	case After:
		if _, err := do(); err != nil {
			return nil, err // what was refused has no effect to be lost
		}
		return failed(dropped())
	case Instead:
		return failed(&types.InternalServerError{Message: aws.String("internal server error")})
	case Throttle:
		return failed(&types.ProvisionedThroughputExceededException{Message: aws.String("throttled")})
	case Conflict:
		if conflict == nil {
			return do()
		}
		return failed(conflict)
	case Unprocessed:
		if unprocessed == nil {
			return do()
		}
		return unprocessed, nil
	case Denied:
		return failed(&smithy.GenericAPIError{Code: "AccessDeniedException", Message: "not authorized"})
	}
	return failed(fmt.Errorf("dynamofault: no such fault: %q", f))
}

// dropped is a connection that breaks.
func dropped() error {
	return &smithyhttp.RequestSendError{Err: errors.New("connection reset by peer")}
}
