// Package bus is rekey's only door to Amazon EventBridge and Amazon SQS: events go to one event bus, and what no bus will
// ever take goes to one dead-letter queue.
//
// It tells apart a bus that does not answer, which is worth waiting for, and an entry that no bus will take, which is not.
// It relies on the SDK's clients and on dispatch's words for an entry and its refusal, does not know what an event means,
// and remembers nothing. Delivery is at least once: after an unknown outcome an entry is sent again.
package bus

import (
	"context"
	"errors"
	"fmt"
	"math/rand/v2"
	"time"

	"github.com/aws/aws-sdk-go-v2/aws"
	"github.com/aws/aws-sdk-go-v2/service/eventbridge"
	"github.com/aws/aws-sdk-go-v2/service/eventbridge/types"
	"github.com/aws/smithy-go"

	"github.com/rekey-dev/rekey/pkg/dispatch"
	"github.com/rekey-dev/rekey/pkg/fault"
)

const (
	maxEntries = 10      // of one PutEvents call
	maxBytes   = 1 << 20 // all entries of a call together are below it
	rounds     = 4       // calls for what of a batch has failed, the first included
	backoff    = 50 * time.Millisecond
)

// size is what PutEvents counts of an entry: its texts in UTF-8, and 14 bytes for the time.
func size(e dispatch.Entry) int {
	return 14 + len(dispatch.Source) + len(e.DetailType) + len(e.Detail)
}

type putEvents interface {
	PutEvents(context.Context, *eventbridge.PutEventsInput, ...func(*eventbridge.Options)) (*eventbridge.PutEventsOutput, error)
}

// Bus is one event bus. Its methods may be called at the same time.
type Bus struct {
	name   string
	client putEvents
	sleep  func(ctx context.Context, d time.Duration) error
}

// New makes a Bus from its name or ARN and the region, credentials, HTTP client, retryer and base endpoint of cfg.
func New(cfg aws.Config, name string) *Bus {
	return &Bus{name: name, sleep: sleep, client: eventbridge.New(eventbridge.Options{Region: cfg.Region,
		Credentials: cfg.Credentials, HTTPClient: cfg.HTTPClient, BaseEndpoint: cfg.BaseEndpoint, Retryer: cfg.Retryer()})}
}

// Publish sends entries in their order, in as few calls as the limits allow (dispatch.Bus). A bus that does not answer is
// tried a few times; the entries behind are then unavailable without having been sent.
func (b *Bus) Publish(ctx context.Context, entries []dispatch.Entry) []error {
	errs := make([]error, len(entries))
	var down error
	for from := 0; from < len(entries); {
		if size(entries[from]) >= maxBytes {
			errs[from] = &dispatch.Refused{Code: "TooLarge", Message: fmt.Sprintf("%d bytes; an entry has fewer than %d", size(entries[from]), maxBytes)}
			from++
			continue
		}
		to, total := from, 0
		for to < len(entries) && to-from < maxEntries && total+size(entries[to]) < maxBytes {
			total += size(entries[to])
			to++
		}
		if down == nil {
			down = b.publish(ctx, entries[from:to], errs[from:to])
		} else {
			fill(errs[from:to], down)
		}
		from = to
	}
	return errs
}

// publish sends one batch and sets its errors. It returns the fault when the bus was unavailable for any of it.
func (b *Bus) publish(ctx context.Context, entries []dispatch.Entry, errs []error) error {
	open := make([]int, len(entries)) // what has still to be sent
	for i := range open {
		open[i] = i
	}
	for n, wait := 1, backoff; ; n, wait = n+1, wait*2 {
		failed, err := b.call(ctx, entries, open)
		if err != nil {
			var refused *dispatch.Refused
			switch {
			case !errors.As(err, &refused):
				return unavailable(errs, open, err)
			case len(open) == 1:
				errs[open[0]] = refused
				return nil
			}
			// One bad entry makes EventBridge refuse the call; alone, it is the one.
			var down error
			for _, i := range open {
				if e := b.publish(ctx, entries[i:i+1], errs[i:i+1]); e != nil {
					down = e
				}
			}
			return down
		}
		var again []int
		var last error
		for _, f := range failed {
			if transient[f.code] {
				again, last = append(again, f.index), fmt.Errorf("bus: an entry: %s: %s", f.code, f.message)
			} else {
				errs[f.index] = &dispatch.Refused{Code: f.code, Message: f.message}
			}
		}
		if len(again) == 0 {
			return nil
		}
		open = again
		if n == rounds {
			return unavailable(errs, open, last)
		}
		if err := b.sleep(ctx, rand.N(wait)); err != nil {
			return unavailable(errs, open, err)
		}
	}
}

func unavailable(errs []error, open []int, cause error) error {
	down := fault.Down(cause)
	for _, i := range open {
		errs[i] = down
	}
	return down
}

func fill(errs []error, err error) {
	for i := range errs {
		errs[i] = err
	}
}

// transient are the codes of entries that another try, or a repaired permission, can help. All others are the entry's own
// fault. From the API's description of PutEventsResultEntry.
var transient = map[string]bool{
	"InternalFailure": true, "InternalException": true, "ThrottlingException": true, "ServiceUnavailable": true,
	"AccessDeniedException": true, "ResourceNotFoundException": true,
}

// unsendable are the codes of whole calls that are the fault of an entry. RequestEntityTooLarge is HTTP 413.
var unsendable = map[string]bool{"ValidationException": true, "ValidationError": true, "RequestEntityTooLarge": true,
	"RequestEntityTooLargeException": true, "SerializationException": true, "MalformedDetail": true, "InvalidArgument": true}

type failure struct {
	index         int
	code, message string
}

// call sends the entries with these indexes once. An error is *dispatch.Refused when the call can never succeed.
func (b *Bus) call(ctx context.Context, entries []dispatch.Entry, indexes []int) ([]failure, error) {
	in := &eventbridge.PutEventsInput{}
	for _, i := range indexes {
		e := entries[i]
		in.Entries = append(in.Entries, types.PutEventsRequestEntry{EventBusName: &b.name, Source: aws.String(dispatch.Source),
			DetailType: &e.DetailType, Detail: &e.Detail, Time: &e.Time})
	}
	out, err := b.client.PutEvents(ctx, in)
	if err != nil {
		var api smithy.APIError
		if errors.As(err, &api) && unsendable[api.ErrorCode()] {
			return nil, &dispatch.Refused{Code: api.ErrorCode(), Message: api.ErrorMessage()}
		}
		return nil, err
	}
	if len(out.Entries) != len(indexes) {
		return nil, fmt.Errorf("bus: %d results for %d entries", len(out.Entries), len(indexes))
	}
	var failed []failure
	for n, r := range out.Entries {
		if r.ErrorCode != nil {
			failed = append(failed, failure{indexes[n], *r.ErrorCode, aws.ToString(r.ErrorMessage)})
		}
	}
	return failed, nil
}

func sleep(ctx context.Context, d time.Duration) error {
	t := time.NewTimer(d)
	defer t.Stop()
	select {
	case <-ctx.Done():
		return ctx.Err()
	case <-t.C:
		return nil
	}
}
