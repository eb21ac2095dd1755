package dynamo

import (
	"context"
	"crypto/sha256"
	"encoding/hex"
	"errors"
	"fmt"
	"io"
	"sort"
	"strings"

	"github.com/aws/aws-sdk-go-v2/aws"
	"github.com/aws/aws-sdk-go-v2/service/dynamodb"
	"github.com/aws/aws-sdk-go-v2/service/dynamodb/types"

	"github.com/rekey-dev/rekey/pkg/audit"
	"github.com/rekey-dev/rekey/pkg/change"
	"github.com/rekey-dev/rekey/pkg/fault"
	"github.com/rekey-dev/rekey/pkg/id"
)

const (
	// maxActions is DynamoDB's limit of one transaction.
	maxActions = 100
	// transactAttempts is how often a transaction is sent before its outcome is looked up.
	transactAttempts = 6
	// tokenLength is DynamoDB's limit of a ClientRequestToken.
	tokenLength = 36
)

// action is one write of a transaction: a put when it has an item, a deletion when it says so, else an update, or a mere
// condition when there is nothing to update.
type action struct {
	table  string
	key    key
	item   item
	delete bool
	expr   expression
	write  change.Write // whose condition it carries; nil for an audit record
	reason string       // what has happened when the condition does not hold
}

// create puts an item where there is none.
func create(table string, k key, it item, w change.Write, reason string) action {
	a := action{table: table, key: k, item: it, write: w, reason: reason}
	a.expr.require(a.expr.missing(attrPK))
	return a
}

func (a *action) wire() types.TransactWriteItem {
	e := &a.expr
	old := types.ReturnValuesOnConditionCheckFailureNone
	var out types.TransactWriteItem
	switch {
	case a.item != nil:
		out.Put = &types.Put{TableName: &a.table, Item: a.item, ConditionExpression: e.condition(),
			ExpressionAttributeNames: e.names, ExpressionAttributeValues: e.values, ReturnValuesOnConditionCheckFailure: old}
	case a.delete:
		out.Delete = &types.Delete{TableName: &a.table, Key: a.key.wire(), ConditionExpression: e.condition(),
			ExpressionAttributeNames: e.names, ExpressionAttributeValues: e.values, ReturnValuesOnConditionCheckFailure: old}
	case e.update() == nil:
		out.ConditionCheck = &types.ConditionCheck{TableName: &a.table, Key: a.key.wire(), ConditionExpression: e.condition(),
			ExpressionAttributeNames: e.names, ExpressionAttributeValues: e.values, ReturnValuesOnConditionCheckFailure: old}
	default:
		out.Update = &types.Update{TableName: &a.table, Key: a.key.wire(), UpdateExpression: e.update(), ConditionExpression: e.condition(),
			ExpressionAttributeNames: e.names, ExpressionAttributeValues: e.values, ReturnValuesOnConditionCheckFailure: old}
	}
	return out
}

// transaction is a list of actions that happen together, and the audit record by which it is known to have happened.
type transaction struct {
	actions []action
	proof   audit.Event
}

// lost is a transaction that a condition refused.
type lost struct{ failed []int }

func (*lost) Error() string { return "a condition failed" }

// transact carries out a transaction once, however often it has to be sent. It returns *lost when a condition failed and the
// transaction's record is not there, and a fault of kind unavailable when its outcome cannot be known.
func (v *Verifier) transact(ctx context.Context, t transaction) error {
	in, err := t.input()
	if err != nil {
		return err
	}
	for attempt := 0; ; attempt++ {
		_, err = v.api.TransactWriteItems(ctx, in, once)
		if err == nil {
			return nil
		}
		refusal := refusalOf(err)
		var mismatch *types.IdempotentParameterMismatchException
		if refusal == nil && !errors.As(err, &mismatch) {
			if effectOf(err) == refused {
				return err
			}
			if attempt+1 < transactAttempts && v.pause(ctx, attempt) {
				continue
			}
		}
		// An earlier try, of this call or of one before it, may have been carried out without our hearing of it. Its record
		// is there if and only if it was.
		stored, readErr := v.operationOf(ctx, t.proof.ID)
		switch {
		case readErr != nil:
			return fault.Down(errors.Join(err, readErr))
		case stored == t.proof.Operation:
			return nil
		case refusal != nil:
			return refusal
		case mismatch != nil:
			return err
		}
		return fault.Down(err)
	}
}

// once switches the SDK's own retries off: the loop in transact knows more.
func once(o *dynamodb.Options) { o.Retryer = aws.NopRetryer{} }

// refusalOf returns which conditions failed; nil when the error is another.
func refusalOf(err error) *lost {
	var cancelled *types.TransactionCanceledException
	if !errors.As(err, &cancelled) || effectOf(err) != refused {
		return nil
	}
	var l lost
	for i, r := range cancelled.CancellationReasons {
		switch code := value(r.Code); code {
		case conditionFailed:
			l.failed = append(l.failed, i)
		}
	}
	if len(l.failed) == 0 {
		return nil
	}
	return &l
}

// operationOf returns the operation that an audit record belongs to; "" when the record is not there.
func (v *Verifier) operationOf(ctx context.Context, e id.Event) (id.Operation, error) {
	it, err := v.getItem(ctx, v.tables.Audit, eventKey(e), attrOperation)
	if err != nil {
		return "", err
	}
	r := reader{it: it}
	return id.Operation(r.string(attrOperation)), r.err
}

func (t *transaction) input() (*dynamodb.TransactWriteItemsInput, error) {
	if n := len(t.actions); n == 0 || n > maxActions {
		return nil, fmt.Errorf("a transaction of %d actions; 1 to %d are possible", n, maxActions)
	}
	seen := make(map[string]bool, len(t.actions))
	in := &dynamodb.TransactWriteItemsInput{TransactItems: make([]types.TransactWriteItem, len(t.actions))}
	for i := range t.actions {
		a := &t.actions[i]
		place := a.table + "\x00" + a.key.pk + "\x00" + a.key.sk
		if seen[place] {
			return nil, fmt.Errorf("two actions of one transaction on %s %s", a.key.pk, a.key.sk)
		}
		seen[place] = true
		in.TransactItems[i] = a.wire()
	}
	token := t.token()
	in.ClientRequestToken = &token
	return in, nil
}

// token names the transaction: the operation's ID without its prefix, and a digest of what is done, so that an operation that
// was refused and is tried anew from what it reads now is another transaction, and the same one is the same.
func (t *transaction) token() string {
	h := sha256.New()
	for i := range t.actions {
		a := &t.actions[i]
		fmt.Fprintf(h, "%q %q %q %t", a.table, a.key.pk, a.key.sk, a.delete)
		digestItem(h, a.item)
		fmt.Fprintf(h, "%q %q", value(a.expr.update()), value(a.expr.condition()))
		digestItem(h, a.expr.values)
	}
	head := strings.TrimPrefix(string(t.proof.Operation), id.Prefix[id.Operation]())
	return (head + "." + hex.EncodeToString(h.Sum(nil)))[:tokenLength]
}

func digestItem(h io.Writer, it item) {
	attrs := make([]string, 0, len(it))
	for attr := range it {
		attrs = append(attrs, attr)
	}
	sort.Strings(attrs)
	for _, attr := range attrs {
		fmt.Fprintf(h, "%q ", attr)
		digestValue(h, it[attr])
	}
}

func digestValue(h io.Writer, v types.AttributeValue) {
	switch v := v.(type) {
	case *types.AttributeValueMemberS:
		fmt.Fprintf(h, "S%q ", v.Value)
	case *types.AttributeValueMemberN:
		fmt.Fprintf(h, "N%q ", v.Value)
	case *types.AttributeValueMemberB:
		fmt.Fprintf(h, "B%x ", v.Value)
	case *types.AttributeValueMemberBOOL:
		fmt.Fprintf(h, "T%t ", v.Value)
	case *types.AttributeValueMemberL:
		fmt.Fprintf(h, "L%d ", len(v.Value))
		for _, e := range v.Value {
			digestValue(h, e)
		}
	}
}
