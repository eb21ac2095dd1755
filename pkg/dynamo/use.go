package dynamo

import (
	"context"
	"errors"
	"time"

	"github.com/aws/aws-sdk-go-v2/service/dynamodb/types"

	"github.com/rekey-dev/rekey/pkg/apikey"
	"github.com/rekey-dev/rekey/pkg/audit"
	"github.com/rekey-dev/rekey/pkg/change"
	"github.com/rekey-dev/rekey/pkg/verify"
)

// Use remembers the first use of a minute and generation, and the source that it came from at most once a day (UTC). The
// event's target is the credential.
//
// With s(x) the size of item x in KiB, rounded up, it costs s(credential) write units, which is 1 for a typical key; with the
// source one more; with an event 2 × (s(credential) + s(source) + s(record) + places above), the rows of a record being under
// 1 KiB each.
func (v *Verifier) Use(ctx context.Context, u verify.Use) (err error) {
	defer wrap(&err, "Verifier.Use(%s)", u.Credential.ID)
	used := v.useAction(u)
	source, due := v.sourceAction(u)
	if u.Event != nil {
		e := &used.expr
		e.require(e.isInt(attrEventSeq, u.Event.Seq-1))
		e.set(attrEventSeq, intValue(u.Event.Seq))
		actions := []action{used}
		if due { // no condition: keys of one account that meet in a new source are each recorded, and none waits for the other
			actions = append(actions, source)
		}
		return v.record(ctx, *u.Event, actions...)
	}
	if !u.SourceOnly {
		if err := v.updateOnce(ctx, used); err != nil {
			return err
		}
	}
	if !due {
		return nil
	}
	e := &source.expr
	e.require(e.missing(attrAuthenticatedAt) + " OR " + e.compare(attrAuthenticatedAt, "<", timeValue(u.At)))
	if err := v.updateOnce(ctx, source); err != nil && !errors.Is(err, change.ErrLost) {
		return err
	}
	return nil // a later request remembered the source: as good
}

// updateOnce carries out one action that is an update by itself.
func (v *Verifier) updateOnce(ctx context.Context, a action) error {
	_, err := v.update(ctx, a.table, a.key, &a.expr, types.ReturnValueNone)
	if _, failed := failedCondition(err); failed {
		return &change.Lost{Reason: a.reason}
	}
	return err
}

func (v *Verifier) useAction(u verify.Use) action {
	c, minute := u.Credential, u.At.Truncate(time.Minute)
	a := action{table: v.tables.Identity, key: credentialKey(c.ID), reason: "used within the minute, or replaced"}
	e := &a.expr
	e.require(e.exists(attrPK))
	e.require(e.isInt(attrGeneration, c.Generation))
	if u.SourceOnly {
		return a
	}
	e.require(e.missing(attrLastUsedAt) + " OR " + e.compare(attrLastUsedAt, "<", timeValue(minute)) +
		" OR " + e.missing(attrUsedGen) + " OR " + e.compare(attrUsedGen, "<", intValue(c.Generation)))
	e.set(attrLastUsedAt, timeValue(u.At))
	e.set(attrUsedGen, intValue(c.Generation))
	if u.Arrives() {
		setDue(e, c.ID, u.At)
	}
	if u.Remac != nil {
		e.require(e.compare(attrMAC, "=", bytesValue(c.MAC)))
		e.set(attrMAC, bytesValue(u.Remac))
		e.set(attrPepper, stringValue(u.RemacVersion))
	}
	return a
}

// sourceAction remembers the source, unless that was done today already.
func (v *Verifier) sourceAction(u verify.Use) (action, bool) {
	const day = 24 * time.Hour
	if u.Address == "" || !u.Source.AuthenticatedAt.Truncate(day).Before(u.At.Truncate(day)) {
		return action{}, false
	}
	a := action{table: v.tables.Identity, key: sourceKey(u.Owner, u.Address), reason: "the source was remembered meanwhile"}
	e := &a.expr
	e.set(attrType, stringValue(typeSource))
	e.set(attrTTL, intValue(u.At.Add(sourceKept).Unix()))
	e.set(attrAuthenticatedAt, timeValue(u.At))
	e.setString(attrUserAgent, u.UserAgent)
	return a, true
}

// sightingKept is how long it is remembered that a source sent a retired secret; that the secret is retired is remembered as
// long as the key.
const sightingKept = 90 * 24 * time.Hour

// See replaces what is remembered of a retired secret's sender. The event's target is the credential.
func (v *Verifier) See(ctx context.Context, cred string, old, new apikey.Sighting, event *audit.Event) (err error) {
	defer wrap(&err, "Verifier.See(%s, %s)", cred, new.Source)
	a := action{table: v.tables.Identity, key: sightingKey(cred, new.Source), reason: "seen meanwhile"}
	e := &a.expr
	e.require(e.isTime(attrLastAt, old.LastAt))
	e.require(e.isInt(attrSeenCount, old.Count))
	e.require(e.isTime(attrRecordedAt, old.RecordedAt))
	e.set(attrType, stringValue(typeSighting))
	e.set(attrTTL, intValue(new.LastAt.Add(sightingKept).Unix()))
	e.setString(attrUserAgent, new.UserAgent)
	e.setTime(attrLastAt, new.LastAt)
	e.setInt(attrSeenCount, new.Count)
	e.setTime(attrRecordedAt, new.RecordedAt)
	if event == nil {
		return v.updateOnce(ctx, a)
	}
	seen := action{table: v.tables.Identity, key: credentialKey(cred), reason: "another record on the credential was first"}
	e = &seen.expr
	e.require(e.exists(attrPK))
	e.require(e.isInt(attrEventSeq, event.Seq-1))
	e.set(attrEventSeq, intValue(event.Seq))
	e.set(attrRetiredSeenAt, timeValue(event.At))
	return v.record(ctx, *event, a, seen)
}

// Deny puts the record of a refusal. One that is there already is enough: its ID says that it is of the same minute, key and
// route.
func (v *Verifier) Deny(ctx context.Context, event audit.Event) (err error) {
	defer wrap(&err, "Verifier.Deny(%s)", event.ID)
	if err := v.record(ctx, event); err != nil && !errors.Is(err, change.ErrLost) {
		return err
	}
	return nil
}
