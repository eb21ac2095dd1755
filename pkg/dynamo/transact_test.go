package dynamo

import (
	"context"
	"errors"
	"fmt"
	"io"
	"testing"
	"time"

	"github.com/aws/aws-sdk-go-v2/aws"
	"github.com/aws/aws-sdk-go-v2/service/dynamodb"
	"github.com/aws/aws-sdk-go-v2/service/dynamodb/types"
	"github.com/aws/smithy-go"
	smithyhttp "github.com/aws/smithy-go/transport/http"
	"github.com/stretchr/testify/require"

	"github.com/rekey-dev/rekey/pkg/audit"
	"github.com/rekey-dev/rekey/pkg/change"
	"github.com/rekey-dev/rekey/pkg/fault"
	"github.com/rekey-dev/rekey/pkg/id"
)

// scripted answers transactions with a list of errors, and reads with one item. It fails loudly on other calls.
type scripted struct {
	API
	errs   []error
	found  item
	tokens []string
	reads  int
}

func (s *scripted) TransactWriteItems(_ context.Context, in *dynamodb.TransactWriteItemsInput, _ ...func(*dynamodb.Options)) (*dynamodb.TransactWriteItemsOutput, error) {
	s.tokens = append(s.tokens, *in.ClientRequestToken)
	if len(s.errs) == 0 {
		return &dynamodb.TransactWriteItemsOutput{}, nil
	}
	err := s.errs[0]
	s.errs = s.errs[1:]
	if err == nil {
		return &dynamodb.TransactWriteItemsOutput{}, nil
	}
	return nil, err
}

func (s *scripted) GetItem(context.Context, *dynamodb.GetItemInput, ...func(*dynamodb.Options)) (*dynamodb.GetItemOutput, error) {
	s.reads++
	return &dynamodb.GetItemOutput{Item: s.found}, nil
}

func cancelled(codes ...string) error {
	e := &types.TransactionCanceledException{}
	for _, c := range codes {
		e.CancellationReasons = append(e.CancellationReasons, types.CancellationReason{Code: aws.String(c)})
	}
	return e
}

func someTransaction(n int) transaction {
	t := transaction{proof: audit.Event{ID: "evt_00000000000000000001", Operation: "op_00000000000000000001"}}
	for i := range n {
		k := keyKey(id.Key(fmt.Sprintf("key_%020d", i)))
		t.actions = append(t.actions, create("Identity", k, newItem(k, typeKey), nil, "taken"))
	}
	return t
}

func scriptedVerifier(s *scripted) *Verifier {
	return NewVerifier(s, Tables{Identity: "Identity", Audit: "Audit"}).WithSleep(func(ctx context.Context, _ time.Duration) error { return ctx.Err() })
}

func TestTransact_RefusesWhatDynamoDBWouldAndSaysWhy(t *testing.T) {
	v := scriptedVerifier(&scripted{})
	require.NoError(t, v.transact(t.Context(), someTransaction(100)))
	require.ErrorContains(t, v.transact(t.Context(), someTransaction(101)), "a transaction of 101 actions")
	require.ErrorContains(t, v.transact(t.Context(), someTransaction(0)), "a transaction of 0 actions")
	twice := someTransaction(2)
	twice.actions[1] = twice.actions[0]
	require.ErrorContains(t, v.transact(t.Context(), twice), "two actions of one transaction on key_")
}

func TestTransact_TriesAgainWithOneTokenAndABound(t *testing.T) {
	dropped := &smithyhttp.RequestSendError{Err: io.ErrUnexpectedEOF}
	for name, err := range map[string]error{
		"dropped": dropped, "deadline": context.DeadlineExceeded, "server error": &types.InternalServerError{},
		"in progress": &types.TransactionInProgressException{}, "throttled": &types.ThrottlingException{},
		"conflict": cancelled("None", "TransactionConflict"), "throttled inside": cancelled("ThrottlingError", "None"),
	} {
		t.Run(name, func(t *testing.T) {
			s := &scripted{errs: []error{err, err, nil}}
			require.NoError(t, scriptedVerifier(s).transact(t.Context(), someTransaction(1)))
			require.Len(t, s.tokens, 3)
			require.Equal(t, s.tokens[0], s.tokens[2])

			s = &scripted{errs: []error{err, err, err, err, err, err, err, err}}
			got := scriptedVerifier(s).transact(t.Context(), someTransaction(1))
			require.Equal(t, fault.Unavailable, fault.KindOf(got))
			require.Len(t, s.tokens, transactAttempts)
			require.Equal(t, 1, s.reads)
		})
	}
}

func TestTransact_ReadsBackWhatBecameOfAnUnknownOutcome(t *testing.T) {
	dropped := &smithyhttp.RequestSendError{Err: io.ErrUnexpectedEOF}
	failed := cancelled("None", conditionFailed)
	mine := item{attrOperation: stringValue("op_00000000000000000001")}
	other := item{attrOperation: stringValue("op_00000000000000000002")}

	// The first try was carried out; the second meets its own effect.
	s := &scripted{errs: []error{dropped, failed}, found: mine}
	require.NoError(t, scriptedVerifier(s).transact(t.Context(), someTransaction(2)))
	// Nobody's record is there, or another's: lost.
	for _, found := range []item{nil, other} {
		s = &scripted{errs: []error{dropped, failed}, found: found}
		var l *lost
		require.ErrorAs(t, scriptedVerifier(s).transact(t.Context(), someTransaction(2)), &l)
		require.Equal(t, []int{1}, l.failed)
	}
	// Every answer was lost, but the record is there.
	s = &scripted{errs: []error{dropped, dropped, dropped, dropped, dropped, dropped}, found: mine}
	require.NoError(t, scriptedVerifier(s).transact(t.Context(), someTransaction(2)))
}

func TestTransact_EndsWithItsContext(t *testing.T) {
	ctx, cancel := context.WithCancel(t.Context())
	cancel()
	s := &scripted{errs: []error{context.Canceled, context.Canceled}}
	require.Equal(t, fault.Unavailable, fault.KindOf(scriptedVerifier(s).transact(ctx, someTransaction(1))))
	require.Len(t, s.tokens, 1)
}

func TestToken_IsOfTheOperationAndOfWhatIsDone(t *testing.T) {
	a, b := someTransaction(3), someTransaction(3)
	require.Equal(t, a.token(), b.token())
	require.Len(t, a.token(), tokenLength)
	b.actions[2].item.string(attrName, "another")
	require.NotEqual(t, a.token(), b.token())
	b = someTransaction(3)
	b.proof.Operation = "op_00000000000000000002"
	require.NotEqual(t, a.token(), b.token())
}

func TestWrap_KeepsWhatIsForTheDomainAndNamesTheRest(t *testing.T) {
	for _, err := range []error{&change.Lost{}, &change.Repeated{}, fault.Missing("key")} {
		got := err
		wrap(&got, "Store.X(%s)", "key_1")
		require.Equal(t, err, got)
	}
	down := error(&smithy.OperationError{Err: &types.ProvisionedThroughputExceededException{}})
	wrap(&down, "Store.X(%s)", "key_1")
	require.True(t, fault.Is(down, fault.Unavailable))
	require.ErrorContains(t, down, "dynamo.Store.X(key_1): ")
	denied := error(&smithy.GenericAPIError{Code: "AccessDeniedException"})
	wrap(&denied, "Store.X(%s)", "key_1")
	require.Equal(t, fault.Internal, fault.KindOf(denied))
	require.ErrorContains(t, denied, "dynamo.Store.X(key_1): ")
	var none error
	wrap(&none, "Store.X")
	require.NoError(t, none)
}

func TestEffectOf_TakesNoConditionForAnOutage(t *testing.T) {
	require.Equal(t, refused, effectOf(&types.ConditionalCheckFailedException{}))
	require.Equal(t, refused, effectOf(cancelled("TransactionConflict", conditionFailed)))
	require.Equal(t, refused, effectOf(cancelled("ValidationError")))
	require.Equal(t, refused, effectOf(errors.New("anything")))
	require.Equal(t, none, effectOf(&types.TransactionConflictException{}))
	require.Equal(t, possible, effectOf(errUnprocessed))
	require.Equal(t, possible, effectOf(&smithy.DeserializationError{Err: io.ErrUnexpectedEOF}))
}
