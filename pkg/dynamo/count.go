package dynamo

import (
	"context"
	"errors"
	"fmt"
	"time"

	"github.com/aws/aws-sdk-go-v2/service/dynamodb"
	"github.com/aws/aws-sdk-go-v2/service/dynamodb/types"

	"github.com/rekey-dev/rekey/pkg/audit"
	"github.com/rekey-dev/rekey/pkg/change"
	"github.com/rekey-dev/rekey/pkg/fault"
	"github.com/rekey-dev/rekey/pkg/lock"
	"github.com/rekey-dev/rekey/pkg/verify"
)

const (
	// countTries is how many conditional updates one failure may take: in the live window, as a new one, and again in the
	// one that another request has begun meanwhile.
	countTries = 3
	// conflictTries is how often an update that met a transaction on the same item is sent.
	conflictTries = 4
	// sourceKept is how long a source is remembered after its last write: longer than it is trusted, and than any lock.
	sourceKept = lock.TrustedFor + 2*24*time.Hour
)

// errContended says that a counter changed under each of the tries.
var errContended = errors.New("the counter is contended")

// Count counts a failure against an owner, or against a source under it, and returns the counter as it is afterwards.
//
// A lost answer is not sent again: it could count one wrong secret twice. It is a fault of kind unavailable.
func (v *Verifier) Count(ctx context.Context, f verify.Failure) (_ lock.Counter, err error) {
	defer wrap(&err, "Verifier.Count(%s, %s)", f.Owner, f.Source)
	at, ofSource := ownerKey(f.Owner), f.Source != ""
	if ofSource {
		at = sourceKey(f.Owner, f.Source)
	}
	live := true
	for range countTries {
		var e expression
		if live {
			inLiveWindow(&e, f)
		} else {
			newWindow(&e, f, ofSource)
		}
		if ofSource {
			e.set(attrType, stringValue(typeSource))
			e.set(attrTTL, intValue(f.At.Add(sourceKept).Unix()))
			e.setString(attrKeyID, f.KeyID)
			e.setString(attrUserAgent, f.UserAgent)
		}
		after, err := v.update(ctx, v.tables.Identity, at, &e, types.ReturnValueAllNew)
		if err == nil {
			r := reader{it: after}
			return r.counter(), r.err
		}
		before, failed := failedCondition(err)
		if !failed {
			return lock.Counter{}, err
		}
		if before == nil && !ofSource {
			return lock.Counter{}, fmt.Errorf("%s is not there", f.Owner)
		}
		r := reader{it: before}
		c := r.counter()
		if r.err != nil {
			return lock.Counter{}, r.err
		}
		if c.Epoch > f.Epoch || (!ofSource && c.Epoch != f.Epoch) || (c.Epoch == f.Epoch && c.Locked(f.At)) {
			return c, nil
		}
		live = c.Epoch == f.Epoch && c.Live(f.At)
	}
	return lock.Counter{}, fault.Down(errContended)
}

// inLiveWindow counts one more in a window that has not ended and has not reached its threshold.
func inLiveWindow(e *expression, f verify.Failure) {
	e.require(e.exists(attrWindowEnds))
	e.require(e.isInt(attrLockEpoch, f.Epoch))
	e.require(e.compare(attrWindowEnds, ">", timeValue(f.At)))
	e.require(e.name(attrFailures) + " < " + e.name(attrThreshold))
	e.add(attrFailures, 1)
	setLimits(e, f)
}

// newWindow begins a window where there is no live one and no lock. An owner must be there and in the failure's epoch; a
// source's row may be missing or of an older epoch.
func newWindow(e *expression, f verify.Failure, ofSource bool) {
	at := timeValue(f.At)
	ended := e.missing(attrWindowEnds) +
		" OR (" + e.name(attrFailures) + " < " + e.name(attrThreshold) + " AND " + e.compare(attrWindowEnds, "<=", at) + ")" +
		" OR (" + e.name(attrFailures) + " >= " + e.name(attrThreshold) + " AND " + e.compare(attrLockEnds, "<=", at) + ")"
	epoch := e.isInt(attrLockEpoch, f.Epoch)
	if ofSource {
		e.require("((" + epoch + ") AND (" + ended + ")) OR " + e.missing(attrLockEpoch) + " AND " + e.missing(attrWindowEnds) +
			" OR " + e.compare(attrLockEpoch, "<", intValue(f.Epoch)))
	} else {
		e.require(e.exists(attrPK))
		e.require(epoch)
		e.require(ended)
	}
	e.set(attrLockEpoch, intValue(f.Epoch))
	e.set(attrFailures, intValue(1))
	e.set(attrWindowEnds, timeValue(f.At.Add(f.Policy.Window)))
	e.remove(attrAnnounced)
	setLimits(e, f)
}

func setLimits(e *expression, f verify.Failure) {
	e.set(attrThreshold, intValue(int64(f.Policy.Threshold)))
	e.set(attrLockEnds, timeValue(f.At.Add(f.Policy.Duration)))
	e.set(attrLastFailure, timeValue(f.At))
}

// update carries out one conditional update and returns what is wanted of the item. It sends it again only when nothing can
// have happened.
func (v *Verifier) update(ctx context.Context, table string, k key, e *expression, want types.ReturnValue) (item, error) {
	for attempt := 0; ; attempt++ {
		out, err := v.api.UpdateItem(ctx, &dynamodb.UpdateItemInput{TableName: &table, Key: k.wire(), UpdateExpression: e.update(),
			ConditionExpression: e.condition(), ExpressionAttributeNames: e.names, ExpressionAttributeValues: e.values,
			ReturnValues: want, ReturnValuesOnConditionCheckFailure: types.ReturnValuesOnConditionCheckFailureAllOld}, once)
		if err == nil {
			return out.Attributes, nil
		}
		if effectOf(err) != none || attempt+1 >= conflictTries || !v.pause(ctx, attempt) {
			return nil, err
		}
	}
}

// Announce commits the record of a lock together with the mark that it is announced. The record's target is the owner.
func (v *Verifier) Announce(ctx context.Context, owner string, c lock.Counter, event audit.Event) (err error) {
	defer wrap(&err, "Verifier.Announce(%s)", owner)
	a := action{table: v.tables.Identity, key: ownerKey(owner), reason: "announced already, another window, or a record between"}
	e := &a.expr
	e.require(e.exists(attrPK))
	e.require(e.isInt(attrLockEpoch, c.Epoch))
	e.require(e.isTime(attrWindowEnds, c.WindowEndsAt))
	e.require(e.name(attrFailures) + " >= " + e.name(attrThreshold))
	e.require(e.missing(attrAnnounced))
	e.require(e.isInt(attrEventSeq, event.Seq-1))
	e.set(attrAnnounced, boolValue(true))
	e.set(attrEventSeq, intValue(event.Seq))
	return v.record(ctx, event, a)
}

// record commits actions together with an audit record. It is change.Lost when a condition fails.
func (v *Verifier) record(ctx context.Context, event audit.Event, actions ...action) error {
	if err := event.Check(); err != nil {
		return err
	}
	records, err := v.recordEvent(event)
	if err != nil {
		return err
	}
	t := transaction{actions: append(actions, records...), proof: event}
	err = v.transact(ctx, t)
	var l *lost
	if errors.As(err, &l) {
		return &change.Lost{Reason: t.actions[l.failed[0]].reason}
	}
	return err
}
